//! What is said to the sensor and what it says: JSON. On a line one object each, replies marked as on its serial port; on a broker
//! as the field's devices have it.

use super::{ReadRequest, SensorError};
use domain::{
    ExperimentId, OperationId,
    reading::{Channels, Gain, Reading, SensorSettings, SettingsError},
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
    /// 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    led_ma: Option<u16>,
}

/// What the field's devices understand. They echo every key of it.
#[derive(Serialize)]
struct Question {
    command: NoColours,
    experiment_id: String,
    settings: GainAndLight,
}

/// The volumes that were mixed, which the devices only repeat.
#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct NoColours {
    r: u8,
    y: u8,
    b: u8,
}

/// The light only where the device's address says that it can be switched: the field's firmware refuses settings it doesn't know.
#[derive(Serialize)]
struct GainAndLight {
    gain: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    led_ma: Option<u16>,
}

/// Which request a reply answers.
#[derive(Deserialize)]
struct Address {
    operation_id: OperationId,
    lease_epoch: i64,
}

/// The same on a broker.
#[derive(Deserialize)]
struct Subject {
    experiment_id: String,
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
    sensor_settings: Option<Told>,
}

/// The settings that were used. What is missing is as it was asked for, but for the light.
#[derive(Default, Deserialize)]
struct Told {
    gain: Option<f64>,
    /// What the chip itself was told, which counts where the two differ.
    again_code: Option<u8>,
    atime: Option<u8>,
    astep: Option<u16>,
    /// Left out by firmware that doesn't switch the light, whatever it was asked.
    led_ma: Option<u16>,
    #[serde(default)]
    analog_saturated: bool,
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
    let settings = Settings {
        gain: settings.gain().factor(),
        atime: settings.atime(),
        astep: settings.astep(),
        led_ma: settings.led_ma(),
    };
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
        Ok(content) => ten_channels(&content).and_then(|channels| reading(&content, channels, request.settings)),
        Err(error) => Err(SensorError::Implausible { detail: error.to_string() }),
    })
}

/// What is published. Devices that know nothing of operations and leases carry both back in `experiment_id`.
pub(super) fn question(request: &ReadRequest) -> Vec<u8> {
    let settings = GainAndLight { gain: request.settings.gain().factor(), led_ma: request.settings.led_ma() };
    let question = Question { command: NoColours { r: 0, y: 0, b: 0 }, experiment_id: subject(request), settings };
    serde_json::to_vec(&question).unwrap_or_default()
}

fn subject(request: &ReadRequest) -> String {
    format!("{}:{}", request.operation, request.lease_epoch)
}

/// What a message says to this request: nothing when it is none, or an answer to another request, another lab's or an older
/// lease's.
pub(super) fn answer_to(request: &ReadRequest, message: &[u8]) -> Option<Result<Reading, SensorError>> {
    let Ok(Subject { experiment_id }) = serde_json::from_slice(message) else {
        tracing::debug!(operation = %request.operation, "dropped a sensor's message that names no experiment");
        return None;
    };
    if experiment_id != subject(request) {
        let other: String = experiment_id.chars().take(100).collect();
        tracing::debug!(operation = %request.operation, other, "dropped another request's sensor reply");
        return None;
    }
    Some(match serde_json::from_slice(message) {
        Ok(content) => eight_bands(&content).and_then(|channels| reading(&content, channels, request.settings)),
        Err(error) => Err(SensorError::Implausible { detail: error.to_string() }),
    })
}

fn implausible(detail: &str) -> SensorError {
    SensorError::Implausible { detail: detail.to_owned() }
}

/// The error that a device reports comes before what its message lacks.
fn eight_bands(content: &Content) -> Result<Channels, SensorError> {
    if let Some(detail) = &content.error {
        return Err(SensorError::Device { detail: detail.chars().take(200).collect() });
    }
    let Some(Bands { ch410, ch440, ch470, ch510, ch550, ch583, ch620, ch670 }) = content.sensor_data else {
        return Err(implausible("a channel is missing"));
    };
    let bands = Channels::of_bands([ch410, ch440, ch470, ch510, ch550, ch583, ch620, ch670]);
    Ok(Channels { clear: content.clear, nir: content.nir, ..bands })
}

/// On a line clear and near infrared are told too.
fn ten_channels(content: &Content) -> Result<Channels, SensorError> {
    let channels = eight_bands(content)?;
    match channels {
        Channels { clear: Some(_), nir: Some(_), .. } => Ok(channels),
        _ => Err(implausible("a channel is missing")),
    }
}

fn reading(content: &Content, channels: Channels, asked: SensorSettings) -> Result<Reading, SensorError> {
    let told = content.sensor_settings.as_ref();
    let settings = settings(told, asked)?;
    if channels.bands() == [0; 8] {
        return Err(implausible("all channels are zero, as from a chip that isn't connected"));
    }
    if channels.named().any(|(_, count)| count > settings.full_scale()) {
        return Err(implausible("a channel counts more than its settings allow"));
    }
    let mut reading = Reading::new(channels, settings);
    reading.saturated |= content.saturated;
    reading.saturated |= told.is_some_and(|told| told.analog_saturated);
    reading.settings_assumed = !told.is_some_and(Told::has_gain);
    Ok(reading)
}

impl Told {
    const fn has_gain(&self) -> bool {
        self.gain.is_some() || self.again_code.is_some()
    }
}

/// Older firmware doesn't say its settings; it is believed to use the ones asked for. Only the light is nobody's to believe: a
/// dark that was read in the light would be taken off everything.
fn settings(told: Option<&Told>, asked: SensorSettings) -> Result<SensorSettings, SensorError> {
    let wrong = |error: SettingsError| implausible(&error.to_string());
    let nothing = Told::default();
    let Told { gain, again_code, atime, astep, led_ma, .. } = *told.unwrap_or(&nothing);
    let gain = match (again_code.and_then(Gain::from_code), gain) {
        (Some(gain), _) => gain,
        (None, Some(factor)) => Gain::from_factor(factor).map_err(wrong)?,
        (None, None) => asked.gain(),
    };
    let settings = SensorSettings::new(gain, atime.unwrap_or(asked.atime()), astep.unwrap_or(asked.astep()));
    settings.and_then(|settings| settings.with_led(led_ma)).map_err(wrong)
}
