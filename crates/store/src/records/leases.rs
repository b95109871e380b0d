//! Leases on what isn't a robot.

/// That this process, and no other, does what the name says; while its epoch is the newest and it hasn't run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLease {
    pub name: String,
    /// Host and process.
    pub holder: String,
    pub epoch: i64,
}
