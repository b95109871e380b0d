//! What is kept whole, and what of it waits for a document store.

use chrono::{DateTime, Utc};
use domain::{Collection, ExperimentId, UnknownName};
use serde_json::Value;
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Names a document. Ordered by id, which grows with time, and collection: also a list's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocumentKey {
    pub collection: Collection,
    pub id: Uuid,
}

impl DocumentKey {
    fn place(&self) -> (Uuid, &'static str) {
        (self.id, self.collection.as_str())
    }
}

impl Ord for DocumentKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for DocumentKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.collection)
    }
}

impl FromStr for DocumentKey {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName { what: "document", name: text.chars().take(40).collect() };
        let (id, collection) = text.split_once('.').ok_or_else(unknown)?;
        Ok(Self { id: id.parse().map_err(|_| unknown())?, collection: collection.parse()? })
    }
}

/// A document as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub key: DocumentKey,
    /// When it was first written.
    pub at: DateTime<Utc>,
    pub body: Value,
}

/// A document on its way to a document store.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub document: Document,
    pub experiment: Option<ExperimentId>,
    pub revision: i64,
}

/// What waits for a document store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Told up to 100,000.
    pub count: u64,
    /// How many of them it refused.
    pub refused: u64,
    /// When the oldest was written that wasn't refused.
    pub oldest: Option<DateTime<Utc>>,
}
