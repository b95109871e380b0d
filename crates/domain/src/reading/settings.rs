//! How a reading is taken: gain, integration time, light.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The chip's code for 512×.
const HIGHEST_GAIN: u8 = 10;

/// Amplification: codes 0 to 10 for 0.5× to 512×. In JSON the factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gain {
    code: u8,
}

impl Gain {
    /// By the chip's code, 0–10.
    pub const fn from_code(code: u8) -> Option<Self> {
        if code <= HIGHEST_GAIN { Some(Self { code }) } else { None }
    }

    /// By factor: 0.5, 1, 2, 4, … 512.
    pub fn from_factor(factor: f64) -> Result<Self, SettingsError> {
        (0..=HIGHEST_GAIN)
            .map(|code| Self { code })
            .find(|gain| gain.factor() == factor)
            .ok_or(SettingsError::Gain(factor))
    }

    pub const fn code(self) -> u8 {
        self.code
    }

    /// The gain so many steps of two higher or lower, as far as there is one.
    #[must_use]
    pub fn stepped(self, steps: i8) -> Self {
        Self { code: self.code.saturating_add_signed(steps).min(HIGHEST_GAIN) }
    }

    /// How many times the signal is amplified.
    pub fn factor(self) -> f64 {
        0.5 * f64::from(1_u32 << self.code.min(HIGHEST_GAIN))
    }
}

/// Why settings can't be given to the chip.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0} is no gain of an AS7341: use 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256 or 512")]
    Gain(f64),
    #[error("ASTEP {0} is reserved: use 0 to 65534")]
    Step(u16),
    #[error("ATIME and ASTEP can't both be 0")]
    NoTime,
    #[error("{0} mA is no current for an AS7341's light: use 0 (off), or an even number from 4 to 258")]
    Led(u16),
}

/// How a reading is taken. Default: gain 128×, ATIME 100, ASTEP 999, as the training lab has it, and nothing said of the light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorSettings {
    gain: Gain,
    atime: u8,
    astep: u16,
    led_ma: Option<u16>,
}

/// The current that the chip gives its light unless told another, mA (the sheet's default of the register LED).
pub const LED_MA: u16 = 12;

/// One integration step, ms (the sheet).
const STEP_MS: f64 = 2.78e-3;

impl Default for SensorSettings {
    fn default() -> Self {
        Self { gain: Gain { code: 8 }, atime: 100, astep: 999, led_ma: None }
    }
}

impl SensorSettings {
    /// `astep` up to 65,534; not both `atime` and `astep` zero.
    pub const fn new(gain: Gain, atime: u8, astep: u16) -> Result<Self, SettingsError> {
        if astep == u16::MAX {
            return Err(SettingsError::Step(astep));
        }
        if atime == 0 && astep == 0 {
            return Err(SettingsError::NoTime);
        }
        Ok(Self { gain, atime, astep, led_ma: None })
    }

    pub const fn gain(&self) -> Gain {
        self.gain
    }

    /// The same with another gain.
    #[must_use]
    pub const fn with_gain(self, gain: Gain) -> Self {
        Self { gain, ..self }
    }

    /// Current of the sensor's own light, mA; 0 is off. Nothing where nobody can switch it, or nobody knows.
    pub const fn led_ma(&self) -> Option<u16> {
        self.led_ma
    }

    /// The same with this light.
    ///
    /// # Errors
    /// The chip has 0 (off), and 4 to 258 mA in steps of 2.
    pub const fn with_led(self, led_ma: Option<u16>) -> Result<Self, SettingsError> {
        match led_ma {
            Some(ma) if ma != 0 && (ma < 4 || ma > 258 || !ma.is_multiple_of(2)) => Err(SettingsError::Led(ma)),
            _ => Ok(Self { led_ma, ..self }),
        }
    }

    /// The same by the sensor's own light at its usual current.
    #[must_use]
    pub const fn by_led(self) -> Self {
        Self { led_ma: Some(LED_MA), ..self }
    }

    /// The same without the sensor's own light.
    #[must_use]
    pub const fn without_led(self) -> Self {
        Self { led_ma: Some(0), ..self }
    }

    /// The same with nothing said of the sensor's own light.
    #[must_use]
    pub const fn with_unknown_led(self) -> Self {
        Self { led_ma: None, ..self }
    }

    /// Whether the sensor's own light is known to shine.
    pub const fn is_lit(&self) -> bool {
        matches!(self.led_ma, Some(1..))
    }

    /// Gain times integration time in ms: what counts are in proportion to.
    pub fn exposure(&self) -> f64 {
        self.gain.factor() * self.integration_ms()
    }

    pub const fn atime(&self) -> u8 {
        self.atime
    }

    pub const fn astep(&self) -> u16 {
        self.astep
    }

    fn steps(&self) -> u32 {
        (u32::from(self.atime) + 1) * (u32::from(self.astep) + 1)
    }

    /// Integration of one pass in ms: (ATIME + 1)(ASTEP + 1) · 2.78 µs. A reading takes two passes.
    pub fn integration_ms(&self) -> f64 {
        (f64::from(self.steps()) * STEP_MS * 1_000.0).round() / 1_000.0
    }

    /// The most a channel can count.
    pub fn full_scale(&self) -> u16 {
        u16::try_from(self.steps()).unwrap_or(u16::MAX)
    }
}

#[derive(Serialize)]
struct SettingsOut {
    gain: f64,
    again_code: u8,
    atime: u8,
    astep: u16,
    integration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    led_ma: Option<u16>,
}

#[derive(Deserialize)]
struct SettingsIn {
    gain: Option<f64>,
    atime: Option<u8>,
    astep: Option<u16>,
    led_ma: Option<u16>,
}

impl Serialize for SensorSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { gain, atime, astep, led_ma } = *self;
        let integration_ms = self.integration_ms();
        SettingsOut { gain: gain.factor(), again_code: gain.code, atime, astep, integration_ms, led_ma }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SensorSettings {
    /// What is missing is the default; what follows from the rest (`again_code`, `integration_ms`) is ignored.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = SettingsIn::deserialize(deserializer)?;
        let usual = Self::default();
        let gain = given.gain.map_or(Ok(usual.gain), Gain::from_factor).map_err(serde::de::Error::custom)?;
        let (atime, astep) = (given.atime.unwrap_or(usual.atime), given.astep.unwrap_or(usual.astep));
        let settings = Self::new(gain, atime, astep).and_then(|settings| settings.with_led(given.led_ma));
        settings.map_err(serde::de::Error::custom)
    }
}
