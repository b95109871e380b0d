//! What the store gives and takes: one plain type a table, independent of the database behind it.

mod accounts;
mod documents;
mod experiments;
mod external;
mod factors;
mod groups;
mod journal;
mod leases;
mod people;
mod prefect;
mod robots;

pub use accounts::*;
pub use documents::*;
pub use experiments::*;
pub use external::*;
pub use factors::*;
pub use groups::*;
pub use journal::*;
pub use leases::NamedLease;
pub use people::*;
pub use prefect::*;
pub use robots::*;

use domain::ExperimentId;

/// One page of a list; `next` is the cursor of the page after it.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    pub data: Vec<T>,
    pub next: Option<C>,
}

/// Something committed that others may be waiting for, in this process and in those that hear of it. A hint, not a record:
/// the tables are the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    Queue,
    Experiment(ExperimentId),
    Robots,
    /// Who may do what: an account, a session, a key.
    Accounts,
    /// Other processes may have committed what nobody told: it is best to look.
    Anything,
}
