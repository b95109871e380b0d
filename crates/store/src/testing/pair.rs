//! A PostgreSQL primary and its streaming standby, for tests of what happens when one takes over from the other.
//!
//! The stream between them can be cut, the primary taken away as a power cut would, and the standby promoted: what the primary
//! committed after the cut is lost then, however surely it was answered.

use super::cluster::Cluster;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether a commit waits for the standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    Asynchronous,
    Synchronous,
}

/// Server 0 begins as the primary, server 1 as its standby. All methods block, some for seconds.
#[derive(Debug)]
pub struct Pair {
    servers: [Mutex<Cluster>; 2],
}

impl Pair {
    /// Starts both, and waits until the standby streams.
    ///
    /// # Panics
    /// PostgreSQL isn't installed, or doesn't start.
    pub fn start(replication: Replication) -> Self {
        let primary = Cluster::start_on_a_port(&["wal_retrieve_retry_interval=200ms"]);
        let standby = primary.start_standby("standby");
        if replication == Replication::Synchronous {
            // The standby was copied before, so it waits for nobody once it is promoted.
            primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
            primary.psql("postgres", "SELECT pg_reload_conf()");
            primary.until("SELECT COUNT(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
        }
        Self { servers: [Mutex::new(primary), Mutex::new(standby)] }
    }

    /// A URL that names both.
    pub fn url(&self, database: &str) -> String {
        let [one, two] = [0, 1].map(|server| self.url_of(server, database));
        let host = |url: &str| url.split(['@', '/']).nth(3).unwrap_or_default().to_owned();
        one.replace(&host(&one), &format!("{},{}", host(&one), host(&two)))
    }

    /// One server's own.
    pub fn url_of(&self, server: usize, database: &str) -> String {
        self.server(server).url(database)
    }

    /// What one of them says to a statement.
    ///
    /// # Panics
    /// When it fails.
    pub fn psql(&self, server: usize, database: &str, statement: &str) -> String {
        self.server(server).psql(database, statement)
    }

    /// Waits until the standby has replayed everything that was committed until now.
    ///
    /// # Panics
    /// It doesn't come to that.
    pub fn catch_up(&self) {
        let now = self.psql(0, "postgres", "SELECT pg_current_wal_lsn()");
        self.server(1).until(&format!("SELECT pg_last_wal_replay_lsn() >= '{now}'"));
    }

    /// From now on the standby gets nothing of what is committed on the primary.
    ///
    /// # Panics
    /// It goes on getting it.
    pub fn cut(&self) {
        let standby = self.server(1);
        standby.psql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        standby.psql("postgres", "SELECT pg_reload_conf()");
        standby.until("SELECT COUNT(*) = 0 FROM pg_stat_wal_receiver");
    }

    /// Takes a server away at once, as a power cut would.
    pub fn crash(&self, server: usize) {
        self.server(server).crash();
    }

    /// Makes the standby the primary; it takes writes when this returns.
    ///
    /// # Panics
    /// It doesn't.
    pub fn promote(&self) {
        self.server(1).promote();
    }

    fn server(&self, server: usize) -> MutexGuard<'_, Cluster> {
        self.servers[server].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
