//! A failover of the database as one of a run's faults: the primary of a streaming pair is lost, or stands still, its standby is
//! promoted, and the old one comes back as what it was.

use crate::{database::Database, timeline::Timeline};
use anyhow::Result;
use std::{sync::Arc, time::Duration};
use store::testing::pair::{Pair, Replication};
use tokio::{
    sync::{Mutex, RwLock},
    task::spawn_blocking,
    time::sleep,
};

/// How a primary is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// At once, with all its connections.
    Killed,
    /// It stands still, with all its connections (SIGSTOP); then, when another was promoted so long ago, it goes on, and takes
    /// writes for so long as if nothing had happened.
    Frozen { thaws_after: Duration, awake_for: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    pub loss: Loss,
    /// So long before, an asynchronous standby gets nothing any more: what is committed in that time is lost.
    pub cut_for: Duration,
    /// So long nobody takes writes.
    pub leaderless_for: Duration,
}

/// One failover at a time, and no process is started while nobody takes writes: it would end, as it should, and nobody here would
/// start it again.
#[derive(Debug, Default)]
pub struct Door {
    turn: Mutex<()>,
    open: RwLock<()>,
}

impl Door {
    /// While this is held the database takes writes, for all that this run does to it.
    pub async fn enter(&self) -> impl Drop + '_ {
        self.open.read().await
    }

    /// Does it, from the cut to a new standby. Nothing where there is no pair.
    pub async fn fail_over(&self, failover: Failover, database: &Database, timeline: &Timeline) -> Result<()> {
        let Some(pair) = database.pair() else { return Ok(()) };
        let _turn = self.turn.lock().await;
        let old = pair.primary();
        if pair.replication() == Replication::Asynchronous {
            servers(&pair, Pair::cut).await?;
            timeline.note(format!("the stream from server {old} is cut, for {:?}", failover.cut_for));
            sleep(failover.cut_for).await;
        }
        let shut = self.open.write().await;
        match failover.loss {
            Loss::Killed => servers(&pair, move |pair| pair.crash(old)).await?,
            Loss::Frozen { .. } => servers(&pair, move |pair| pair.freeze(old)).await?,
        }
        timeline.fault(format!("server {old}, the primary, is lost: {failover:?}"));
        sleep(failover.leaderless_for).await;
        servers(&pair, Pair::promote).await?;
        database.follow().await?;
        timeline.note(format!("server {} is promoted", pair.primary()));
        drop(shut);
        if let Loss::Frozen { thaws_after, awake_for } = failover.loss {
            sleep(thaws_after).await;
            servers(&pair, move |pair| pair.thaw(old)).await?;
            timeline.note(format!("server {old} goes on as a primary"));
            sleep(awake_for).await;
        }
        servers(&pair, Pair::renew_standby).await?;
        timeline.note(format!("server {old} is the standby now"));
        Ok(())
    }
}

async fn servers(pair: &Arc<Pair>, act: impl FnOnce(&Pair) + Send + 'static) -> Result<()> {
    let pair = Arc::clone(pair);
    Ok(spawn_blocking(move || act(&pair)).await?)
}
