//! What can stop a move, each with what to do.

use crate::{SchemaError, StoreError};

/// Why a lab wasn't moved. No text has a URL's password in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MoveError {
    #[error("a lab is moved from sqlite://… (--from) to postgres://… (--to); the other way isn't supported")]
    Direction,
    /// Nothing was changed.
    #[error("the database {0} is in use: stop every tincture that uses it (up, serve, worker), then move it")]
    InUse(String),
    /// Nothing was changed.
    #[error(
        "the database {file} is older than this tincture ({missing} hasn't run): run \
         `TINCTURE_DATABASE_URL=sqlite://{file} tincture migrate`, then move it"
    )]
    Older { file: String, missing: &'static str },
    /// Nothing was changed.
    #[error(
        "{place} isn't empty (there is something in {table}): a lab is moved to a database of its own, give it a new one"
    )]
    NotEmpty { place: String, table: String },
    /// Nothing was changed.
    #[error(
        "{place} is half-way through the move of another lab: run that one's `tincture migrate --from … --to …` again to \
         complete it, or give this lab a new database"
    )]
    AnotherLabs { place: String },
    #[error(
        "the move to {0} isn't this one any more: another `tincture migrate --from … --to …` has begun it anew; wait for that"
    )]
    TakenOver(String),
    #[error(
        "the two databases don't have the same tables ({0}): move the lab with the tincture that brought it up to date"
    )]
    Unlike(String),
    #[error("{table} holds what can't be moved ({why}): please report it; the lab can go on where it is")]
    Unreadable { table: String, why: String },
    #[error(
        "what arrived at {place} isn't what was sent: {}. The lab is where it was; make {place} anew, empty, and run this \
         again",
        tables.join("; ")
    )]
    Differs { tables: Vec<String>, place: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) type Result<T, E = MoveError> = std::result::Result<T, E>;

impl From<sea_orm::DbErr> for MoveError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

pub(super) fn moved_away(place: &str) -> MoveError {
    StoreError::from(SchemaError::MovedAway { to: place.to_owned() }).into()
}
