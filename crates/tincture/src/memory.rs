//! Memory that is no longer used goes back to the system.
//!
//! The allocator keeps what was freed for a moment, in case it is wanted again, and looks for what is due when something
//! large is freed. After a burst of sign-ins (19 MiB each) nothing large is freed for a long time, so that a process at rest
//! would stay at its peak. Hence something large that nobody writes to: it costs two system calls, and no memory.

use std::{hint::black_box, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks.
const BEAT: Duration = Duration::from_secs(1);
/// Larger than what the allocator serves from what it keeps.
const LARGE: usize = 40 << 20;

/// Never ends.
pub async fn give_back() {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}
