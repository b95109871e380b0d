//! How the whole lab does, in numbers.

use crate::{
    connection::{Backend, Store},
    error::{Result, StoreError},
    sql::{now, sql},
};
use async_recursion::async_recursion as boxed;

/// Waiting experiments are counted this far: as many as any queue is let grow to.
pub(crate) const MOST_COUNTED: i64 = 100_000;

/// Numbers of experiments and robots at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Experiments waiting for a robot; told up to 100,000.
    pub queued: u32,
    /// Experiments that a robot has in hand.
    pub running: u32,
    /// Robots by what people told them.
    pub active: u32,
    pub paused: u32,
    pub draining: u32,
    pub stopped: u32,
    /// Robots that go on only when a person does something: they are stopped, or ask.
    pub waiting: u32,
    /// Robots that their worker can't use now.
    pub unusable: u32,
    /// Robots whose lane no worker holds.
    pub undriven: u32,
}

impl Store {
    /// One query, over the index of what waits and the robots; as new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn figures(&self) -> Result<Figures> {
        let text = query(self.backend());
        let mut query = sql!(text, MOST_COUNTED);
        query.and_bind((self.backend() == Backend::Sqlite).then(now));
        let row = query.one(&self.view()).await?.ok_or(StoreError::NotFound("figures"))?;
        let count = |column| row.get::<i64>(column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Ok(Figures {
            queued: count("queued")?,
            running: count("running")?,
            active: count("active")?,
            paused: count("paused")?,
            draining: count("draining")?,
            stopped: count("stopped")?,
            waiting: count("asking")?,
            unusable: count("unusable")?,
            undriven: count("undriven")?,
        })
    }
}

/// `$1` is how far waiting experiments are counted; SQLite is told the time as `$2`.
pub(crate) fn query(backend: Backend) -> String {
    format!(
        "SELECT
            (SELECT COUNT(*) FROM (SELECT 1 FROM experiments WHERE status = 'queued' LIMIT $1) AS waiting) AS queued,
            (SELECT COUNT(*) FROM experiments WHERE status = 'running') AS running,
            COUNT(*) FILTER (WHERE mode = 'active') AS active,
            COUNT(*) FILTER (WHERE mode = 'paused') AS paused,
            COUNT(*) FILTER (WHERE mode = 'draining') AS draining,
            COUNT(*) FILTER (WHERE mode = 'stopped') AS stopped,
            COUNT(*) FILTER (WHERE mode = 'stopped' OR attention IS NOT NULL) AS asking,
            COUNT(*) FILTER (WHERE notice IS NOT NULL) AS unusable,
            COUNT(*) FILTER (WHERE lease_expires_at IS NULL OR lease_expires_at <= {now}) AS undriven
        FROM robots WHERE removed_at IS NULL",
        now = backend.clock(2),
    )
}
