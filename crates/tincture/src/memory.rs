//! Memory that is no longer used goes back to the system.
//!
//! The allocator keeps what was freed for a moment, in case it is wanted again, and looks for what is due when something
//! large is freed. After a burst of sign-ins (19 MiB each) nothing large is freed for a long time, so that a process at rest
//! would stay at its peak. Hence something large that nobody writes to: it costs two system calls, and no memory.

use rustix::thread::disable_transparent_huge_pages;
use std::{hint::black_box, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks.
const BEAT: Duration = Duration::from_secs(1);
/// Larger than what the allocator serves from what it keeps.
const LARGE: usize = 40 << 20;

/// Has memory come in pages of 4 KiB, and not of 2 MiB: of those most parts were never used, but counted. It saves 13 MB of a
/// process at rest and 30 MB of a busy one.
pub fn in_small_pages() {
    // A kernel that knows no others has nothing to be told.
    let _ = disable_transparent_huge_pages(true);
}

/// Never ends.
pub async fn give_back() {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}
