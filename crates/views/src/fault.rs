//! A fault.

use domain::{Fault, FaultCode};
use serde::Serialize;
use utoipa::ToSchema;

/// A fault as a person meets it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FaultView {
    #[schema(value_type = String, example = "command-in-doubt")]
    pub code: FaultCode,
    pub what: String,
    pub cause: String,
    /// What Tincture has done already.
    pub done: String,
    /// What to do next.
    pub next: String,
    /// Path of the help page.
    pub help: String,
}

impl From<Fault> for FaultView {
    fn from(Fault { code, what, cause, done, next }: Fault) -> Self {
        Self { code, what, cause, done, next, help: code.help_path() }
    }
}
