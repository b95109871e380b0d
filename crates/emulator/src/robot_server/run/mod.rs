//! One run: its list of commands, the worker that carries them out, and what play, pause and stop do to it.
//!
//! ```text
//!            play              queue empty, or a protocol command failed
//!   idle ─────────▶ running ──────────────────────────────▶ succeeded | failed
//!     │              │   ▲ play
//!     │ stop     stop│   ▼ pause
//!     │              │  paused
//!     ▼              ▼
//!   stop-requested (until what runs has ended) ──▶ stopped
//! ```

mod page;
mod state;
mod told;
mod worker;

pub use page::{Page, clamp};
pub use state::{ActionType, MAX_COMMANDS};
pub use told::{describe_labware, describe_pipette};
pub use worker::Run;
