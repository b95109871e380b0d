//! Leases on what only one process may do at a time, by name. Those on robots are in their rows (`robots`), with the fence
//! that motion needs.

use crate::{
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    records::NamedLease,
    robots::{lease_end, lease_life},
    sql::{now, sql},
};
use async_recursion::async_recursion as boxed;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tasks::Renewal;
use tokio::time::Instant;

/// A lease while it is held, for [`tasks::under_lease`].
#[derive(Debug)]
pub struct HeldLease {
    store: Store,
    lease: NamedLease,
    time_to_live: Duration,
    /// Since when it surely lasts for its time: before it was asked for.
    since: Mutex<Instant>,
}

impl HeldLease {
    /// Renews it where it might end sooner than this.
    ///
    /// # Errors
    /// `LeaseLost` where it isn't ours any more; those of any write.
    pub async fn last_for(&self, time: Duration) -> Result<()> {
        let left =
            self.time_to_live.saturating_sub(self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed());
        // Twice, since the clocks of two machines don't go alike, and for what lies between here and the sending.
        if left >= time * 2 { Ok(()) } else { self.renew_from_now().await }
    }

    async fn renew_from_now(&self) -> Result<()> {
        let asked = Instant::now();
        self.store.renew_named(&self.lease, self.time_to_live).await?;
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        Ok(())
    }
}

impl tasks::Lease for HeldLease {
    fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    async fn renew(&self) -> Renewal {
        match self.renew_from_now().await {
            Ok(()) => Renewal::Held,
            Err(StoreError::LeaseLost) => Renewal::Lost,
            Err(_) => Renewal::Unclear,
        }
    }

    async fn release(&self) {
        if let Err(error) = self.store.release_named(&self.lease).await {
            tracing::debug!(%error, lease = self.lease.name, "a lease wasn't given back; it runs out by itself");
        }
    }
}

impl Store {
    /// Takes the lease as [`Store::claim_named`] does, to be held.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    pub async fn hold_named(&self, name: &str, holder: &str, time_to_live: Duration) -> Result<Option<HeldLease>> {
        let asked = Instant::now();
        let lease = self.claim_named(name, holder, time_to_live).await?;
        Ok(lease.map(|lease| HeldLease { store: self.clone(), lease, time_to_live, since: Mutex::new(asked) }))
    }

    /// Takes the lease if it is free, ours already or run out; nothing while somebody else has it.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn claim_named(&self, name: &str, holder: &str, time_to_live: Duration) -> Result<Option<NamedLease>> {
        let text = format!(
            "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, $2, 1, {end})
             ON CONFLICT (name) DO UPDATE
             SET holder = excluded.holder, epoch = leases.epoch + 1, expires_at = excluded.expires_at
             WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.expires_at <= {clock}
             RETURNING epoch",
            end = lease_end(self.backend()),
            clock = self.backend().clock(4),
        );
        let mut query = sql!(text, name, holder, lease_life(self.backend(), time_to_live));
        query.and_bind((self.backend() == Backend::Sqlite).then(now));
        let row = transact!(self, |tx| { query.clone().one(tx).await });
        let lease = |epoch| NamedLease { name: name.to_owned(), holder: holder.to_owned(), epoch };
        row.map(|row| row.get("epoch").map(lease)).transpose()
    }

    /// Extends a lease that is still ours.
    ///
    /// # Errors
    /// `LeaseLost` where it isn't.
    #[boxed]
    pub async fn renew_named(&self, lease: &NamedLease, time_to_live: Duration) -> Result<()> {
        let text = format!(
            "UPDATE leases SET expires_at = {end} WHERE name = $1 AND holder = $2 AND epoch = $4",
            end = lease_end(self.backend()),
        );
        let life = lease_life(self.backend(), time_to_live);
        let query = sql!(text, lease.name.as_str(), lease.holder.as_str(), life, lease.epoch);
        if query.execute(self.writer()).await? == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
    }

    /// Gives it back; one that is lost already is nobody's to give.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn release_named(&self, lease: &NamedLease) -> Result<()> {
        let text = "UPDATE leases SET holder = NULL, expires_at = NULL WHERE name = $1 AND holder = $2 AND epoch = $3";
        let query = sql!(text, lease.name.as_str(), lease.holder.as_str(), lease.epoch);
        query.execute(self.writer()).await.map(drop)
    }
}
