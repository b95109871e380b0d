//! How long a driver waits for what, and why an address can't be used.

use std::time::Duration;

/// The longest waits. Nothing in this crate waits without one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to a request that moves nothing, and beyond a move's own time.
    pub answer: Duration,
    /// For the end of one command, from sending it. A slow aspiration takes about a minute.
    pub command: Duration,
    /// For the end of an earlier run's command, when taking the robot.
    pub takeover: Duration,
    /// For a robot that is starting up.
    pub boot: Duration,
    /// For a sensor's reading, connection included. A reading takes about 0.6 s.
    pub reading: Duration,
    /// Before trying again after the first of several troubles; doubled with each.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            command: Duration::from_secs(180),
            takeover: Duration::from_secs(180),
            boot: Duration::from_secs(180),
            reading: Duration::from_secs(10),
            pause: Duration::from_millis(100),
        }
    }
}

impl Patience {
    /// Every wait times `share`: less than 1 for virtual devices that are much faster than real ones.
    ///
    /// # Panics
    /// When `share` is negative or no number.
    #[must_use]
    pub fn scaled(self, share: f64) -> Self {
        Self {
            connect: self.connect.mul_f64(share),
            answer: self.answer.mul_f64(share),
            command: self.command.mul_f64(share),
            takeover: self.takeover.mul_f64(share),
            boot: self.boot.mul_f64(share),
            reading: self.reading.mul_f64(share),
            pause: self.pause.mul_f64(share),
        }
    }
}

/// Why an address can't be used. Never shows user names or passwords that an address may carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("a robot's address is http://host:port, without user name or path")]
    Robot,
    #[error("the address of a robot's script can't be used: {0}")]
    Script(mqtt::AddressError),
    #[error("the address of a robot's script has no options")]
    ScriptOptions,
    /// Says what it should be.
    #[error("{0}")]
    Sensor(&'static str),
    #[error("a sensor's address on a broker can't be used: {0}")]
    Broker(#[from] mqtt::AddressError),
    #[error("the HTTP client can't be set up: {0}")]
    Client(String),
}
