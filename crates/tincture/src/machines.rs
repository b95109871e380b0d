//! Which machine is at an address: names and addresses are people's, and one machine must not become two robots.

use hardware::{Ot2, Patience};
use std::time::Duration;

/// A robot on the lab's network answers in milliseconds; one that is off is waited for no longer than a person would.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the machine at `url` calls itself; nothing when none answers, or it doesn't say.
pub async fn who_is_at(url: &str) -> Option<String> {
    let patience = Patience { connect: PATIENCE, answer: PATIENCE, ..Patience::default() };
    let robot = Ot2::new(url, patience).ok()?;
    match robot.identify().await {
        Ok(identity) => identity.name().map(str::to_owned),
        Err(error) => {
            tracing::debug!(%error, "a robot doesn't say who it is");
            None
        }
    }
}
