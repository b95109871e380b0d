//! Starting the emulator, with errors that name the flag to change.

use crate::http;
use emulator::{Config, Emulator, StartError};

/// Starts it; `robot_flag` is what this command calls the address of the robot's API.
pub async fn start(config: Config, robot_flag: &str) -> anyhow::Result<Emulator> {
    let robot = config.listen;
    emulator::start(config).await.map_err(|error| match error {
        StartError::Listen { address, source } if address == robot => http::cannot_listen(address, &source, robot_flag),
        StartError::Listen { address, source } => http::cannot_listen(address, &source, "--sensor-listen"),
        other => anyhow::Error::new(other).context("the virtual lab can't be started"),
    })
}
