//! The lab's memory: one API over SQLite and PostgreSQL.
//!
//! Each method is one transaction, and says what is durable when it returns. No rule of the lab lives here beyond
//! what a transaction must check (lawful transitions, quota, the lease's epoch).
//!
//! `records` is what goes in and comes out; every other module adds the methods of one concern to [`Store`]:
//! `journal` is the heart of it, and `change` what its entries do to the tables. `sql` is how a statement is written (`rows` one for any number of rows),
//! `turns` is the queue's order, read once for all who ask; `notices` is what processes tell each other; `connection` is where
//! the two databases differ, `postgres` and `link` are the way to one of them, `migrations` what the tables are, [`backup`] how the embedded one is kept safe,
//! [`moving`] how a lab goes from it to PostgreSQL.
//!
//! Methods that other crates await are `#[boxed]`: otherwise each of those would compile them anew
//! (`docs/decisions/0023-boxed-at-the-border.md`).

#![warn(clippy::missing_errors_doc)]

mod acceptance;
mod accounts;
mod activity;
mod api_tokens;
mod audit;
pub mod backup;
mod change;
mod connection;
mod documents;
mod durability;
mod error;
mod events;
mod experiments;
mod factors;
mod figures;
mod freshness;
mod groups;
mod identities;
mod integrity;
mod invitations;
mod journal;
mod kept;
mod keys;
mod leases;
mod link;
mod links;
mod liquid;
mod mails;
mod migrations;
pub mod moving;
mod notices;
mod open_sessions;
mod people;
mod person;
mod plates;
mod postgres;
mod prefect;
mod purge;
mod queue;
mod quota;
mod quota_requests;
mod readiness;
mod records;
mod registrations;
mod replica;
mod robot_records;
mod robots;
mod roles;
mod rows;
mod second_step;
mod servers;
mod service_tokens;
mod sessions;
mod sign_in_failures;
mod sql;
#[cfg(feature = "testing")]
mod statements;
#[cfg(feature = "testing")]
pub mod testing;
mod turns;
mod usage;
mod wells;

pub use activity::{ActivityFilter, Named};
pub use audit::{Anchor, AuditFault, DatedAnchor, Sealed, Undone, Verification, Wrong};
pub use connection::{
    Address, Backend, Connections, Options, Pooler, ReplicaOptions, Store, Tls, TlsMode, sqlite_path,
};
pub use durability::{Durability, Survives};
pub use error::{Result, SchemaError, StoreError};
pub use figures::Figures;
pub use freshness::{Freshness, Position};
pub use groups::MOST_MEMBERS;
pub use integrity::Integrity;
pub use kept::{Moment, UNSEEN};
pub use leases::HeldLease;
pub use mails::MOST_MAILS;
pub use people::Imported;
pub use person::{PersonalRow, exported_columns};
pub use prefect::MADE_BY_FLOW_RUN;
pub use purge::{Purged, Retention};
pub use records::*;
pub use replica::ReplicaStatus;
pub use robot_records::ChangedBy;
pub use roles::{RoleName, Roles};
pub use sign_in_failures::{FailedSignIns, SignInCounts, SignInFailures};
pub use turns::{Ahead, Turns};
