//! Marks on a database that mustn't be used: rows of the table `migrations` that aren't steps.
//!
//! A mark names itself as the least that a program must know of. So every release since that column came refuses the
//! database, also one that has never heard of marks.

use super::{Applied, applied};
use crate::{
    connection::Backend,
    error::{Result, SchemaError},
    sql::{now, sql},
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

/// A lab is under way to this database. The mark says which.
pub(crate) const HALF_MOVED: &str = "move-not-complete";
/// The lab lives elsewhere now. The mark says where.
pub(crate) const MOVED_AWAY: &str = "moved-away";

#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub said: Option<String>,
}

pub(crate) async fn find(on: &impl ConnectionTrait, backend: Backend, name: &str) -> Result<Option<Mark>> {
    let mut applied = applied(on, backend).await?.into_iter();
    Ok(applied.find(|step| step.name == name).map(|mark| Mark { said: mark.checksum }))
}

/// In a database that has had no step yet. To be [`set`] when it has.
pub(crate) async fn set_bare(tx: &DatabaseTransaction, name: &str) -> Result<()> {
    let text = "INSERT INTO migrations (name, applied_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    sql!(text, name, now()).execute(tx).await.map(drop)
}

pub(crate) async fn set(tx: &DatabaseTransaction, name: &str, said: &str) -> Result<()> {
    let text = "INSERT INTO migrations (name, applied_at, checksum, least) VALUES ($1, $2, $3, $1)
        ON CONFLICT (name) DO UPDATE SET checksum = $3, least = $1";
    sql!(text, name, now(), said).execute(tx).await.map(drop)
}

/// Whether it says this; it does until the transaction ends.
pub(crate) async fn hold(tx: &DatabaseTransaction, name: &str, said: &str) -> Result<bool> {
    let text = "UPDATE migrations SET checksum = checksum WHERE name = $1 AND checksum = $2";
    Ok(sql!(text, name, said).execute(tx).await? == 1)
}

pub(crate) async fn remove(tx: &DatabaseTransaction, name: &str) -> Result<()> {
    sql!("DELETE FROM migrations WHERE name = $1", name).execute(tx).await.map(drop)
}

/// # Errors
/// `Schema` where this is a mark.
pub(super) fn check(step: &Applied) -> Result<()> {
    match step.name.as_str() {
        HALF_MOVED => Err(SchemaError::HalfMoved.into()),
        MOVED_AWAY => Err(SchemaError::MovedAway { to: step.checksum.clone().unwrap_or_default() }.into()),
        _ => Ok(()),
    }
}
