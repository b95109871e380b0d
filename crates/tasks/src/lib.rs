//! The one way in which a process runs something again and again: a lane, the daily purge, whatever comes.
//!
//! A [`Task`] says what one turn of it is. [`Tasks`] runs it: each turn's end, error or panic is seen and can be read
//! ([`Tasks::status`]), what fails is tried again after a growing pause, and at the stop a task has a stated time to end.
//! What only one process may do at a time it does under a lease ([`under_lease`]).

mod lease;
mod supervisor;

pub use lease::{Ended, Lease, Renewal, under_lease};
pub use supervisor::{Failure, Pauses, State, Status, Task, Tasks, Turn};
