//! What may follow `?` in a sensor's address.

use crate::AddressError;
use domain::reading::Gain;

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

    /// A misspelt one that is silently ignored costs an afternoon.
    pub fn end(self) -> Result<(), AddressError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(AddressError::Sensor(
            "a sensor's address has an option that isn't known, or twice: there are gain and, of a serial port, baud",
        ))
    }
}
