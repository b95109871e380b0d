//! The AS7341 colour sensor, whatever it hangs on.
//!
//! [`ColourSensor`] is what the workflow knows; `tcp` is one transport; `message` is what requests and replies say,
//! the same on every transport, and which replies count: only those to this very operation, under this very lease.

mod message;
mod tcp;

use crate::{AddressError, Patience};
use domain::{
    ExperimentId, FaultCode, OperationId,
    reading::{Reading, SensorSettings},
};
use std::{fmt, pin::Pin, sync::Arc, time::Duration};

/// One reading to take.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRequest {
    pub operation: OperationId,
    pub experiment: Option<ExperimentId>,
    /// The fencing token of the lane's lease: replies under another are dropped.
    pub lease_epoch: i64,
    pub settings: SensorSettings,
}

/// A reading on its way.
pub type PendingReading<'a> = Pin<Box<dyn Future<Output = Result<Reading, SensorError>> + Send + 'a>>;

/// A colour sensor. Reading changes nothing, so a reading that failed may be asked for again.
pub trait ColourSensor: fmt::Debug + Send + Sync {
    /// Takes one reading; ends within [`Patience::reading`].
    fn read(&self, request: ReadRequest) -> PendingReading<'_>;
}

/// Why there is no reading. A saturated reading is one, and says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SensorError {
    #[error("the colour sensor can't be reached: {detail}")]
    Unreachable { detail: String },
    #[error("the colour sensor gave no reading within {} s", after.as_secs_f64())]
    Silent { after: Duration },
    #[error("the colour sensor reports: {detail}")]
    Device { detail: String },
    #[error("the colour sensor's reading can't be right: {detail}")]
    Implausible { detail: String },
}

impl SensorError {
    /// Its code, and so its help page.
    pub const fn code(&self) -> FaultCode {
        match self {
            Self::Unreachable { .. } => FaultCode::SensorUnreachable,
            Self::Silent { .. } => FaultCode::SensorSilent,
            Self::Device { .. } | Self::Implausible { .. } => FaultCode::SensorError,
        }
    }
}

/// The sensor at `url` (`tcp://host:port`). Connects to nothing yet.
pub fn connect_sensor(url: &str, patience: Patience) -> Result<Arc<dyn ColourSensor>, AddressError> {
    Ok(Arc::new(tcp::TcpSensor::new(url, patience)?))
}
