//! Who we are to a broker, and whom we take for one.

use std::{fmt, path::PathBuf};

/// What a process says to every broker, and asks of it. By default nobody, trusting whom the machine trusts.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub user: Option<String>,
    /// Said only together with [`Access::user`].
    pub password: Option<Secret>,
    /// PEM file of the certification authorities to trust, instead of the machine's.
    pub ca: Option<PathBuf>,
}

/// A password that no log, no error and no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}
