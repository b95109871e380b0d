//! The AS7341 colour sensor, whatever it hangs on.
//!
//! [`ColourSensor`] is what the workflow knows; `tcp`, `serial` and `mqtt` are the transports, the first two of the same `lines`;
//! `message` is what requests and replies say, and which replies count: only those to this very operation, under this very lease.

mod address;
mod lines;
mod message;
mod mqtt;
#[cfg(unix)]
mod serial;
mod tcp;

use crate::{AddressError, Patience};
use ::mqtt::Brokers;
use domain::{
    ExperimentId, FaultCode, OperationId,
    reading::{Reading, SensorSettings},
};
use std::{fmt, pin::Pin, sync::Arc, time::Duration};

/// One reading to take.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRequest {
    /// The id of this one exposure: [`OperationId::exposure`].
    pub operation: OperationId,
    pub experiment: Option<ExperimentId>,
    /// The fencing token of the lane's lease: replies under another are dropped.
    pub lease_epoch: i64,
    /// A gain or a light that the sensor's address fixes comes before these.
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
    /// What is between it and us stands in the way, and somebody can do something about it.
    #[error("{detail}")]
    Blocked { detail: String, remedy: &'static str },
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
            Self::Unreachable { .. } | Self::Blocked { .. } => FaultCode::SensorUnreachable,
            Self::Silent { .. } => FaultCode::SensorSilent,
            Self::Device { .. } | Self::Implausible { .. } => FaultCode::SensorError,
        }
    }
}

/// The sensor at `url`, over brokers of its own. Connects to nothing yet.
///
/// | address | what is there |
/// |---|---|
/// | `tcp://host:port` | JSON lines over TCP |
/// | `serial:///dev/ttyACM0?baud=115200&gain=128&led=12` | the same lines on a serial port |
/// | `mqtts://host:8883/PICO_ID?gain=128&led=12`, `mqtt://host:1883/PICO_ID` | a device on an MQTT broker |
///
/// # Errors
/// Says what is wrong with the address.
pub fn connect_sensor(url: &str, patience: Patience) -> Result<Arc<dyn ColourSensor>, AddressError> {
    connect_over(&Brokers::default(), url, patience)
}

/// The same, over these brokers.
pub(crate) fn connect_over(
    brokers: &Brokers,
    url: &str,
    patience: Patience,
) -> Result<Arc<dyn ColourSensor>, AddressError> {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("tcp") => Ok(Arc::new(tcp::TcpSensor::new(url, patience)?)),
        Some("mqtt" | "mqtts") => Ok(Arc::new(mqtt::MqttSensor::new(url, brokers, patience)?)),
        #[cfg(unix)]
        Some("serial") => Ok(Arc::new(serial::SerialSensor::new(url, patience)?)),
        _ => Err(AddressError::Sensor(SCHEMES)),
    }
}

const SCHEMES: &str =
    "a sensor's address is tcp://host:port, mqtts://host:8883/PICO_ID (or mqtt://) or serial:///dev/PORT?baud=115200";
