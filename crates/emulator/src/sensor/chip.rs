//! The chip behind whatever carries requests to it: it takes one reading at a time, and its own time for each.

use crate::world::{SharedWorld, World, lock};
use std::time::Duration;
use tokio::{sync::Mutex, time::sleep};

/// The one sensor of a world.
#[derive(Debug)]
pub struct Chip {
    world: SharedWorld,
    speed: f64,
    busy: Mutex<()>,
}

impl Chip {
    /// Its times are those of the real one over `speed`.
    pub fn new(world: SharedWorld, speed: f64) -> Self {
        Self { world, speed: if speed > 0.0 { speed } else { 1.0 }, busy: Mutex::new(()) }
    }

    /// Waits for its turn, takes `time`, and does `what` in the middle of it.
    pub async fn use_for<T>(&self, time: Duration, what: impl FnOnce(&mut World) -> T) -> T {
        let _turn = self.busy.lock().await;
        let half = time.div_f64(2.0 * self.speed);
        sleep(half).await;
        let done = what(&mut lock(&self.world));
        sleep(half).await;
        done
    }
}
