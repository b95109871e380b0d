//! Protocols that clients upload: read, analysed, and carried out by runs that name them.
//!
//! ```text
//! files ──source──▶ Source ──┬─ JSON ──▶ Script ──analysis──▶ an answer for the client
//!                            └─ Python ──analyser, another process──▶ its answer ──▶ Script
//! Script ──run──▶ the same engine as for single commands
//! ```

mod analysis;
mod script;
mod source;
mod store;

pub use script::Script;
pub use source::{Source, SourceError, UploadedFile};
pub use store::{Analysis, Protocol, Protocols};
