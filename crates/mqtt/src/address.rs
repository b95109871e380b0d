//! Where a broker is, and which device on it is meant: `mqtts://broker.example.org:8883/e66130100f8c9928?gain=64`.

use std::fmt;
use url::Url;

const PLAIN_PORT: u16 = 1883;
const ENCRYPTED_PORT: u16 = 8883;
const LONGEST_NAME: usize = 64;

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
    /// By TLS: `mqtts://`.
    pub is_encrypted: bool,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// A device on a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub broker: Address,
    /// The part of its topics that is its own: 1–64 of `a-z A-Z 0-9 - _ .`
    pub device: String,
    /// What follows `?`, in order.
    pub options: Vec<(String, String)>,
}

/// Why an address is none. Never shows the address, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("it must be like mqtts://host:8883/DEVICE")]
    Form,
    #[error("user and password don't belong into an address: set mqtt_user and mqtt_password")]
    Password,
    #[error("the device's name must be 1-64 of a-z, A-Z, 0-9, -, _ and .")]
    Device,
}

impl Target {
    /// Parses `mqtt://host[:1883]/DEVICE` or `mqtts://host[:8883]/DEVICE`, with options or without.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let url = Url::parse(url).map_err(|_| AddressError::Form)?;
        let (is_encrypted, usual_port) = match url.scheme() {
            "mqtt" => (false, PLAIN_PORT),
            "mqtts" => (true, ENCRYPTED_PORT),
            _ => return Err(AddressError::Form),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Password);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(AddressError::Form)?;
        if url.fragment().is_some() {
            return Err(AddressError::Form);
        }
        let device = url.path().strip_prefix('/').unwrap_or_default().to_owned();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if device.is_empty() || device.len() > LONGEST_NAME || !device.bytes().all(is_plain) {
            return Err(AddressError::Device);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port().unwrap_or(usual_port);
        let options = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Ok(Self { broker: Address { host, port, is_encrypted }, device, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_on_a_broker_is_told_by_its_address() {
        let target = Target::parse("mqtts://broker.example.org/e66130100f8c9928?gain=64").expect("an address");
        assert_eq!(target.broker.to_string(), "mqtts://broker.example.org:8883");
        assert_eq!((target.device.as_str(), target.broker.is_encrypted), ("e66130100f8c9928", true));
        assert_eq!(target.options, [("gain".to_owned(), "64".to_owned())]);
        let plain = Target::parse("mqtt://127.0.0.1:2883/virtual-1").expect("an address").broker;
        assert_eq!((plain.port, plain.is_encrypted), (2883, false));
        assert_eq!(Target::parse("mqtt://[::1]/a").expect("IPv6").broker.host, "::1");
    }

    #[test]
    fn what_is_no_address_says_what_is_wrong() {
        for (url, error) in [
            ("mqtt:", AddressError::Form),
            ("http://host/a", AddressError::Form),
            ("mqtt://host:99999/a", AddressError::Form),
            ("mqtt://host", AddressError::Device),
            ("mqtt://host/", AddressError::Device),
            ("mqtt://host/a/b", AddressError::Device),
            ("mqtt://host/+", AddressError::Device),
            ("mqtt://host/a#b", AddressError::Form),
            ("mqtts://me:s3cret@host/a", AddressError::Password),
            ("mqtts://me@host/a", AddressError::Password),
        ] {
            assert_eq!(Target::parse(url), Err(error), "{url}");
        }
    }
}
