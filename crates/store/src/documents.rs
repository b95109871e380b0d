//! Documents: JSON kept whole. Raw readings and command records, under the id of the operation that gave them, and how plates
//! were left.
//!
//! Each is written in the transaction of what it tells of. Where the lab has a document store, this table is its outbox:
//! a row is deleted once the document store has it for good ([`Store::relayed`]); where it has none, the rows stay.

use crate::{
    connection::{Store, transact},
    error::Result,
    records::{Document, DocumentKey, Outgoing, Waiting},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{Collection, ExperimentId};
use sea_orm::DatabaseTransaction;
use serde_json::Value;
use uuid::Uuid;

/// The most documents of one answer.
const MOST_DOCUMENTS: u32 = 1_000;
/// Waiting documents are counted this far.
const MOST_COUNTED: i64 = 100_000;

/// A document to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewDocument {
    pub collection: Collection,
    pub id: Uuid,
    pub experiment: Option<ExperimentId>,
    pub body: Value,
}

/// One statement for all of them. A document written again is the same, more complete.
pub(crate) async fn keep(tx: &DatabaseTransaction, documents: Vec<NewDocument>) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let at = now();
    let row =
        |document: NewDocument| row_values![document.collection, document.id, document.experiment, document.body, at];
    Sql::with_rows(
        "INSERT INTO documents (collection, id, experiment_id, body, created_at) VALUES",
        Vec::new(),
        documents.into_iter().map(row).collect(),
        "ON CONFLICT (collection, id) DO UPDATE
         SET body = excluded.body, revision = documents.revision + 1, refused_at = NULL, refusal = NULL",
    )
    .execute(tx)
    .await
    .map(drop)
}

impl Store {
    /// The document of this id in a collection, if it lies here.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn document(&self, collection: Collection, id: Uuid) -> Result<Option<Value>> {
        let row = sql!("SELECT body FROM documents WHERE collection = $1 AND id = $2", collection, id)
            .one(self.reader())
            .await?;
        row.map(|row| row.get("body")).transpose()
    }

    /// Those of an experiment that lie here, by id and collection; at most `limit` (≤ 1000) after a key.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn documents(
        &self,
        experiment: ExperimentId,
        after: Option<DocumentKey>,
        limit: u32,
    ) -> Result<Vec<Document>> {
        let text = "SELECT collection, id, body, created_at FROM documents
            WHERE experiment_id = $1 AND (id > $2 OR (id = $2 AND collection > $3)) ORDER BY id, collection LIMIT $4";
        let (id, collection) = after.map_or((Uuid::nil(), ""), |key| (key.id, key.collection.as_str()));
        let rows = sql!(text, experiment, id, collection, i64::from(limit.min(MOST_DOCUMENTS)));
        rows.all(self.reader()).await?.iter().map(read_document).collect()
    }

    /// What a document store hasn't got yet, oldest first; at most `limit` (≤ 1000). What it refused is given again once
    /// that was before `refused_before`.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn outgoing_documents(&self, refused_before: DateTime<Utc>, limit: u32) -> Result<Vec<Outgoing>> {
        let text = "SELECT collection, id, experiment_id, body, created_at, revision FROM documents
            WHERE refused_at IS NULL OR refused_at <= $1 ORDER BY created_at LIMIT $2";
        let rows = sql!(text, refused_before, i64::from(limit.min(MOST_DOCUMENTS))).all(self.writer()).await?;
        let read = |row: &Row| {
            Ok(Outgoing {
                document: read_document(row)?,
                experiment: row.get("experiment_id")?,
                revision: row.get("revision")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what a document store has for good; what was written again meanwhile stays.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn relayed(&self, documents: &[&Outgoing]) -> Result<u64> {
        let text = format!(
            "DELETE FROM documents WHERE (collection, id, revision) IN (
                 SELECT given.collection, given.id, given.revision FROM {rows})",
            rows = self.backend().rows(1, RELAYED)
        );
        let rows = documents.iter().map(|outgoing| {
            let Outgoing { document, revision, .. } = outgoing;
            let row = GivenRow::default().text("collection", document.key.collection.as_str());
            row.id("id", document.key.id).number("revision", *revision)
        });
        let rows = given(rows);
        Ok(transact!(self, |tx| { sql!(text.clone(), rows.clone()).execute(tx).await }))
    }

    /// Remembers that a document store won't have it, so that it isn't in the way of the others.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn refused(&self, key: DocumentKey, why: &str) -> Result<()> {
        let text = "UPDATE documents SET refused_at = $3, refusal = $4 WHERE collection = $1 AND id = $2";
        sql!(text, key.collection, key.id, now(), why).execute(self.writer()).await.map(drop)
    }

    /// Experiments that were asked for before a time and hadn't ended by then, newest first; at most `limit` (≤ 20,000).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn not_over_before(&self, time: DateTime<Utc>, limit: u32) -> Result<Vec<ExperimentId>> {
        let text = "SELECT id FROM experiments
            WHERE created_at <= $1 AND (completed_at IS NULL OR completed_at > $1) ORDER BY id DESC LIMIT $2";
        let rows = sql!(text, time, i64::from(limit.min(20_000))).all(self.reader()).await?;
        rows.iter().map(|row| row.get("id")).collect()
    }

    /// How much waits for a document store.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn waiting_documents(&self) -> Result<Waiting> {
        let text = "SELECT
            (SELECT COUNT(*) FROM (SELECT 1 FROM documents LIMIT $1) AS waiting) AS count,
            (SELECT COUNT(*) FROM documents WHERE refused_at IS NOT NULL) AS refused,
            (SELECT MIN(created_at) FROM documents WHERE refused_at IS NULL) AS oldest";
        let row = sql!(text, MOST_COUNTED).one(self.reader()).await?;
        let Some(row) = row else { return Ok(Waiting::default()) };
        let count = |column| row.get::<i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
        Ok(Waiting { count: count("count")?, refused: count("refused")?, oldest: row.get("oldest")? })
    }
}

const RELAYED: Columns = &[("collection", Kind::Text), ("id", Kind::Id), ("revision", Kind::Number)];

fn read_document(row: &Row) -> Result<Document> {
    let key = DocumentKey { collection: row.get("collection")?, id: row.get("id")? };
    Ok(Document { key, body: row.get("body")?, at: row.get("created_at")? })
}
