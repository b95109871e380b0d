//! Who we are to a broker, and whom we take for one.

use secret::Secret;
use std::path::PathBuf;

/// What a process says to every broker, and asks of it. By default nobody, trusting whom the machine trusts.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub user: Option<String>,
    /// Said only together with [`Access::user`].
    pub password: Option<Secret>,
    /// PEM file of the certification authorities to trust, instead of the machine's.
    pub ca: Option<PathBuf>,
}
