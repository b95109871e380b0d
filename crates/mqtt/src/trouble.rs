//! Why there is no connection, in words for whoever can do something about it.

use crate::Address;
use rumqttc::{ConnectReturnCode, ConnectionError};
use std::{fmt, io};
use tokio_rustls::rustls;

/// What stands between us and a broker. Shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence without its full stop.
    pub what: String,
    /// What to do about it, a sentence.
    pub remedy: &'static str,
    /// Waiting won't help: somebody has to change something.
    pub is_final: bool,
}

const LOOK: &str = "See that the broker runs, that this machine reaches it, and that its address is right.";
const TRUST: &str = "Set mqtt_ca to the PEM file of the authority that signed the broker's certificate.";

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    fn passing(what: String) -> Self {
        Self { what, remedy: LOOK, is_final: false }
    }

    pub(crate) fn silent(address: &Address) -> Self {
        Self::passing(format!("The broker {address} doesn't answer"))
    }

    pub(crate) fn broken(address: &Address) -> Self {
        Self::passing(format!("The connection to the broker {address} broke"))
    }

    pub(crate) fn too_many() -> Self {
        let what = "More is listened for on one broker than any lab needs".to_owned();
        Self { what, remedy: "Please report this: it is a fault of Tincture.", is_final: true }
    }

    pub(crate) fn no_authority(what: String) -> Self {
        Self { what, remedy: TRUST, is_final: true }
    }

    pub(crate) fn no_subscription(address: &Address, topic: &str) -> Self {
        Self {
            what: format!("The broker {address} doesn't let us hear {topic}"),
            remedy: "Allow this user to read that topic in the broker's access list.",
            is_final: true,
        }
    }

    /// How a connection ended, or didn't come about.
    pub(crate) fn of(address: &Address, error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => Self::refused(address, *code),
            ConnectionError::Io(error) => Self::of_io(address, error),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Self::silent(address),
            _ => Self::broken(address),
        }
    }

    fn refused(address: &Address, code: ConnectReturnCode) -> Self {
        let (why, remedy) = match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => (
                "refuses this user and password",
                "Set mqtt_user and mqtt_password to what the broker knows, and start again.",
            ),
            ConnectReturnCode::BadClientId => ("refuses our client id", "Let the broker accept any client id."),
            ConnectReturnCode::RefusedProtocolVersion => {
                ("doesn't speak MQTT 3.1.1", "Let the broker accept MQTT 3.1.1.")
            }
            _ => return Self::passing(format!("The broker {address} isn't available")),
        };
        Self { what: format!("The broker {address} {why}"), remedy, is_final: true }
    }

    fn of_io(address: &Address, error: &io::Error) -> Self {
        if let Some(trouble) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return trouble.clone();
        }
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => Self {
                what: format!("The certificate of the broker {address} isn't trusted: {why:?}"),
                remedy: match why {
                    rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. } => {
                        "Use the name that its certificate has in the sensor's address."
                    }
                    _ => TRUST,
                },
                is_final: true,
            },
            Some(other) => Self {
                what: format!("No encrypted connection to the broker {address} comes about: {other}"),
                remedy: "See that this port of the broker speaks TLS, or use mqtt:// for one that doesn't.",
                is_final: true,
            },
            // The kind, not the system's own text, which means nothing to people.
            None => Self::passing(format!("The broker {address} can't be reached: {}", error.kind())),
        }
    }
}
