//! What is said to the sensor and what it says: JSON, one object a line, replies marked as on its serial port.

use super::{ReadRequest, SensorError};
use domain::{
    ExperimentId, OperationId,
    reading::{Channels, Reading, SensorSettings},
};
use serde::{Deserialize, Serialize};

/// What a reply's line begins with. Other lines are the firmware's chatter.
const MARK: &[u8] = b"#WCS# ";

#[derive(Serialize)]
struct Command {
    command: &'static str,
    operation_id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment_id: Option<ExperimentId>,
    lease_epoch: i64,
    settings: Settings,
}

#[derive(Serialize)]
struct Settings {
    gain: f64,
    atime: u8,
    astep: u16,
}

/// Which request a reply answers.
#[derive(Deserialize)]
struct Address {
    operation_id: OperationId,
    lease_epoch: i64,
}

/// What a reply says.
#[derive(Deserialize)]
struct Content {
    error: Option<String>,
    sensor_data: Option<Bands>,
    clear: Option<u16>,
    nir: Option<u16>,
    #[serde(default)]
    saturated: bool,
    sensor_settings: Option<SensorSettings>,
}

#[derive(Deserialize)]
struct Bands {
    ch410: u16,
    ch440: u16,
    ch470: u16,
    ch510: u16,
    ch550: u16,
    ch583: u16,
    ch620: u16,
    ch670: u16,
}

/// The request's line.
pub(super) fn request_line(request: &ReadRequest) -> Vec<u8> {
    let ReadRequest { operation, experiment, lease_epoch, settings } = *request;
    let settings = Settings { gain: settings.gain().factor(), atime: settings.atime(), astep: settings.astep() };
    let command =
        Command { command: "read", operation_id: operation, experiment_id: experiment, lease_epoch, settings };
    let mut line = serde_json::to_vec(&command).unwrap_or_default();
    line.push(b'\n');
    line
}

/// What a line says to this request: nothing when it is chatter, or a reply to another request, to another worker's or
/// to the same operation under an older lease.
pub(super) fn reply_to(request: &ReadRequest, line: &[u8]) -> Option<Result<Reading, SensorError>> {
    let json = line.trim_ascii().strip_prefix(MARK)?;
    let address: Address = serde_json::from_slice(json).ok()?;
    if address.operation_id != request.operation || address.lease_epoch != request.lease_epoch {
        tracing::debug!(operation = %request.operation, other = %address.operation_id, "dropped another request's sensor reply");
        return None;
    }
    Some(match serde_json::from_slice(json) {
        Ok(content) => reading(content, request.settings),
        Err(error) => Err(SensorError::Implausible { detail: error.to_string() }),
    })
}

/// Older firmware doesn't say its settings; it uses the ones asked for.
fn reading(content: Content, asked: SensorSettings) -> Result<Reading, SensorError> {
    if let Some(detail) = content.error {
        return Err(SensorError::Device { detail: detail.chars().take(200).collect() });
    }
    let implausible = |detail: &str| SensorError::Implausible { detail: detail.to_owned() };
    let (Some(Bands { ch410, ch440, ch470, ch510, ch550, ch583, ch620, ch670 }), Some(clear), Some(nir)) =
        (content.sensor_data, content.clear, content.nir)
    else {
        return Err(implausible("a channel is missing"));
    };
    let bands = [ch410, ch440, ch470, ch510, ch550, ch583, ch620, ch670];
    let settings = content.sensor_settings.unwrap_or(asked);
    if bands == [0; 8] {
        return Err(implausible("all channels are zero, as from a chip that isn't connected"));
    }
    if bands.iter().chain([&clear, &nir]).any(|count| *count > settings.full_scale()) {
        return Err(implausible("a channel counts more than its settings allow"));
    }
    let mut reading = Reading::new(Channels::new(bands, clear, nir), settings);
    reading.saturated |= content.saturated;
    Ok(reading)
}
