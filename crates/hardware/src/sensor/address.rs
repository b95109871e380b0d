//! What may follow `?` in a sensor's address.

use crate::AddressError;
use domain::reading::{Gain, SensorSettings};

/// The settings that an address fixes, whatever a request says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    pub gain: Option<Gain>,
    /// The current of the light, where it shines.
    pub led_ma: Option<u16>,
}

impl Fixed {
    pub fn take(options: &mut Options) -> Result<Self, AddressError> {
        Ok(Self { gain: options.take_gain()?, led_ma: options.take_led()? })
    }

    pub fn put_into(self, settings: SensorSettings) -> SensorSettings {
        let settings = self.gain.map_or(settings, |gain| settings.with_gain(gain));
        let led_ma = self.led_ma.filter(|_| settings.is_lit());
        led_ma.and_then(|led_ma| settings.with_led(Some(led_ma)).ok()).unwrap_or(settings)
    }
}

/// Those not yet asked for.
#[derive(Debug)]
pub(super) struct Options(Vec<(String, String)>);

impl Options {
    /// `a=1&b=2`.
    #[cfg(unix)]
    pub fn parse(query: &str) -> Result<Self, AddressError> {
        let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let pairs: Option<_> = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
        pairs.map(Self).ok_or(AddressError::Sensor("a sensor's options are like ?gain=64&…"))
    }

    pub fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.remove(index).1)
    }

    pub fn take_gain(&mut self) -> Result<Option<Gain>, AddressError> {
        let Some(text) = self.take("gain") else { return Ok(None) };
        let gain = text.parse().ok().and_then(|factor| Gain::from_factor(factor).ok());
        let wrong = "a sensor's gain is 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256 or 512";
        gain.map(Some).ok_or(AddressError::Sensor(wrong))
    }

    /// The current of the sensor's light, mA.
    pub fn take_led(&mut self) -> Result<Option<u16>, AddressError> {
        let Some(text) = self.take("led") else { return Ok(None) };
        let led = text.parse().ok().filter(|ma| *ma != 0);
        let known = led.filter(|ma| SensorSettings::default().with_led(Some(*ma)).is_ok());
        known.map(Some).ok_or(AddressError::Sensor("the current of a sensor's light is an even number of mA, 4 to 258"))
    }

    /// A misspelt one that is silently ignored costs an afternoon.
    pub fn end(self) -> Result<(), AddressError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(AddressError::Sensor(
            "a sensor's address has an option that isn't known, or twice: there are gain, led and, of a serial port, baud",
        ))
    }
}
