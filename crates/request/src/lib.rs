//! What the API and the pages share about a request: who sent it and from where, how much they may change, how a failure is
//! told, and the line that it leaves in the log.
//!
//! Neither of the two knows the other; both stand on this.

mod access;
mod caller;
mod changes;
mod client;
pub mod cookies;
pub mod faults;
mod observe;
mod problem;
mod reading;
mod security;
mod sign_ins;
mod single_sign_on;
mod state;

pub use access::{Access, ROUTES, Refusal, access, allow};
pub use caller::{Caller, ClientIp, cookie, note_use, same_origin};
pub use changes::{Changes, Told, USUAL_CHANGES_PER_MINUTE, announce};
pub use client::client;
pub use observe::{Failure, RequestId, finish_problems, observe, panicked};
pub use problem::{FieldProblem, LONGEST_REQUEST, OUTAGE, PROBLEM_JSON, Problem, ProblemDocument, usual_status};
pub use reading::{LastChanges, POSITION, Reader, sent_by, tell_position};
pub use security::page_headers;
pub use sign_ins::count_sign_in;
pub use single_sign_on::{Onward, SingleSignOn, local_path, percent_encoded};
pub use state::{AppState, ClientAddress};
