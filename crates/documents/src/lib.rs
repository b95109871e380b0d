//! Raw readings, command records and plates: where they are kept for good, and how they get there.
//!
//! The lab's database is the truth: each document is written there in the transaction of what it tells of
//! (`store::documents`). Without a document store it stays there. With one, MongoDB through its official driver
//! ([`mongo`](self)), that table is an outbox: [`Relay`](relay) carries every document over at least once, so that it is there
//! exactly once, and only then forgets it here. [`Documents`] reads from both, so that nobody sees the difference
//! ([decision 15](../../../docs/decisions/0015-documents.md)). The driver is there with the Cargo feature `mongodb`.

#[cfg(feature = "mongodb")]
mod address;
mod export;
#[cfg(feature = "mongodb")]
mod mongo;
#[cfg(feature = "mongodb")]
mod relay;
#[cfg(feature = "mongodb")]
mod shape;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(not(feature = "mongodb"))]
mod without_mongo;

#[cfg(feature = "mongodb")]
pub use address::{Address, AddressError};
#[cfg(not(feature = "mongodb"))]
pub use without_mongo::{Address, AddressError};

use async_recursion::async_recursion as boxed;
use chrono::TimeDelta;
use domain::ExperimentId;
use store::{Document, DocumentKey, Page, Store, StoreError, Waiting};
use tasks::Tasks;

#[cfg(feature = "mongodb")]
use mongo::{Mongo, MongoError};
#[cfg(not(feature = "mongodb"))]
use without_mongo::{Mongo, MongoError};

/// The most documents of one page.
pub const MOST_ON_A_PAGE: u32 = 200;

/// Why documents can't be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Told without its address: that may hold a password.
    #[error("the document store doesn't answer: {0}")]
    Unreachable(String),
}

impl From<MongoError> for ReadError {
    fn from(error: MongoError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// The lab's documents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Documents {
    store: Store,
    mongo: Option<Mongo>,
}

impl Documents {
    /// Those of a lab without a document store.
    pub const fn embedded(store: Store) -> Self {
        Self { store, mongo: None }
    }

    /// Those of a lab with one. Nothing is asked of it yet, so that it may be down.
    pub fn relayed(store: Store, address: Address) -> Self {
        Self { store, mongo: Some(Mongo::at(address)) }
    }

    /// One page of an experiment's documents, oldest operation first; `limit` from 1 to 200.
    ///
    /// # Errors
    /// The database or the document store doesn't answer.
    #[boxed]
    pub async fn of_experiment(
        &self,
        experiment: ExperimentId,
        after: Option<DocumentKey>,
        limit: u32,
    ) -> Result<Page<Document, DocumentKey>, ReadError> {
        let limit = limit.clamp(1, MOST_ON_A_PAGE);
        // The outbox first: what isn't there any more when it is read has been in the document store since before.
        let mut found = self.store.documents(experiment, after, limit + 1).await?;
        if let Some(mongo) = &self.mongo {
            found.extend(mongo.of_experiment(experiment, after, limit + 1).await?);
        }
        found.sort_by_key(|document| document.key);
        // The sort keeps their order: of one that is in both, the outbox's stays, which may be newer.
        found.dedup_by_key(|document| document.key);
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|last| last.key);
        Ok(Page { data: found, next })
    }

    /// What waits for the document store; nothing where there is none.
    #[boxed]
    pub async fn waiting(&self) -> Result<Option<Waiting>, StoreError> {
        match &self.mongo {
            Some(_) => self.store.waiting_documents().await.map(Some),
            None => Ok(None),
        }
    }

    /// Carries documents over as one of `tasks`, and forgets there what is older than `keep`; does nothing where there is
    /// no document store. Of several processes one does it at a time.
    pub fn relay(&self, keep: Option<TimeDelta>, tasks: &Tasks) {
        if let Some(mongo) = &self.mongo {
            mongo.relay(self.store.clone(), keep, tasks);
        }
    }
}
