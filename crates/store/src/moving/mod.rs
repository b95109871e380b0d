//! Moving a whole lab from the embedded database to PostgreSQL, so that it is the same lab there: same accounts and
//! sign-ins, same decks, same history, row by row.
//!
//! What is moved follows from the schema that both databases have, not from a list: a table that a later step adds is moved
//! too. A move may be killed at any moment and goes on where it ended; until it is complete its target is refused by
//! everything else, and from then on its source is (`migrations::marks`), so that there are never two labs.

mod error;
mod source;
mod sum;
mod table;
mod target;

pub use error::MoveError;
pub use sum::Sum;
pub(crate) use sum::canonical;

use crate::Options;
use error::Result;
use source::Source;
use table::Table;
use target::{Begun, Target};

/// Rows read, sent and committed at once.
const STEP: usize = 500;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Moved(Moved),
    /// An earlier move of this lab to this database is complete.
    Before,
}

/// A complete move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Server and database, without a name or password.
    pub place: String,
    /// Of a move that was begun earlier some rows were there already.
    pub resumed: bool,
    /// Each table with what both databases hold of it, in the order in which they were copied.
    pub tables: Vec<(String, Sum)>,
}

/// Moves the lab of `sqlite://…` to `postgres://…`, an empty database or that of a begun move of the same lab. Nobody else may
/// use the source meanwhile, and nobody can. Of the options those count that say how PostgreSQL is reached. Memory: one step's
/// rows.
///
/// # Errors
/// See [`MoveError`]. The source is as it was, and the target refused by everything else if anything was written to it.
pub async fn move_lab(from: &str, to: &str, options: &Options) -> Result<Outcome> {
    let source = Source::open(from).await?;
    let target = Target::open(to, options).await?;
    let outcome = go_on(&source, &target).await;
    let _ = target.close().await;
    source.close().await;
    outcome
}

async fn go_on(source: &Source, target: &Target) -> Result<Outcome> {
    if target.mark().await?.is_none() {
        if let Some(place) = source.moved_to() {
            let (ours, theirs) = (source.lab().await?, target.lab().await?);
            return if ours.is_some() && ours == theirs { Ok(Outcome::Before) } else { Err(error::moved_away(place)) };
        }
        target.claim().await?;
    }
    target.prepare().await?;
    let tables = table::in_order(&source.columns().await?, &target.columns().await?, &source.references().await?)?;
    let wanted = source.sums(&tables).await?;
    let begun = target.begin(source.lab().await?, &wanted).await?;
    for table in &tables {
        copy(source, target, table).await?;
    }
    let differing = compare(target, &tables, &wanted).await?;
    if !differing.is_empty() {
        return Err(MoveError::Differs { tables: differing, place: target.place().to_owned() });
    }
    target.analyze().await?;
    // From here on the lab is nowhere, until it is there: better than in two places.
    source.mark_moved(target.place()).await?;
    target.finish(wanted.iter().map(|sum| sum.rows).sum()).await?;
    let tables = tables.into_iter().map(|table| table.name).zip(wanted).collect();
    Ok(Outcome::Moved(Moved { place: target.place().to_owned(), resumed: begun == Begun::Earlier, tables }))
}

/// Copies what isn't there yet. The source's rows go in the order in which they were made, each step whole or not at all, so
/// that what is there is known by its number. In that order a row never refers to a later one of its own table.
async fn copy(source: &Source, target: &Target, table: &Table) -> Result<()> {
    let there = target.count(table).await?;
    let mut place = source.place_after(table, there).await?;
    while let Some(step) = source.step(table, place).await? {
        place = step.last;
        target.insert(table, &step.rows).await?;
    }
    tracing::info!(table = table.name, "copied");
    Ok(())
}

/// The tables that aren't the same on both sides.
async fn compare(target: &Target, tables: &[Table], wanted: &[Sum]) -> Result<Vec<String>> {
    let mut differing = Vec::new();
    for (table, wanted) in tables.iter().zip(wanted) {
        let found = target.sum(table).await?;
        if found != *wanted {
            differing
                .push(format!("{} ({} rows, sum {found}; of {}, sum {wanted})", table.name, found.rows, wanted.rows));
        }
    }
    Ok(differing)
}
