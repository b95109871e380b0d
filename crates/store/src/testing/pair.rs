//! A PostgreSQL primary and its streaming standby, for tests of what happens when one takes over from the other.
//!
//! The stream between them can be cut, the primary taken away as a power cut would, or frozen, and the standby promoted: what the
//! primary committed after the cut is lost then, however surely it was answered. The other can be made the new primary's standby, and so
//! on.

use super::cluster::Cluster;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

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
    primary: AtomicUsize,
    replication: Replication,
}

impl Pair {
    /// Starts both, and waits until the standby streams.
    ///
    /// # Panics
    /// PostgreSQL isn't installed, or doesn't start.
    pub fn start(replication: Replication) -> Self {
        let primary = Cluster::start_on_a_port(&["wal_retrieve_retry_interval=200ms"]);
        let standby = primary.start_standby("standby");
        let pair =
            Self { servers: [Mutex::new(primary), Mutex::new(standby)], primary: AtomicUsize::new(0), replication };
        pair.wait_for_standby();
        pair
    }

    /// The standby was copied before, so it waits for nobody once it is promoted.
    fn wait_for_standby(&self) {
        if self.replication == Replication::Synchronous {
            let primary = self.server(self.primary());
            primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
            primary.psql("postgres", "SELECT pg_reload_conf()");
            primary.until("SELECT COUNT(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
        }
    }

    /// The server that was the primary from the start, or was promoted last.
    pub fn primary(&self) -> usize {
        self.primary.load(Ordering::SeqCst)
    }

    fn standby(&self) -> usize {
        1 - self.primary()
    }

    pub const fn replication(&self) -> Replication {
        self.replication
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
        let now = self.psql(self.primary(), "postgres", "SELECT pg_current_wal_lsn()");
        self.server(self.standby()).until(&format!("SELECT pg_last_wal_replay_lsn() >= '{now}'"));
    }

    /// From now on the standby gets nothing of what is committed on the primary.
    ///
    /// # Panics
    /// It goes on getting it.
    pub fn cut(&self) {
        let standby = self.server(self.standby());
        standby.psql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        standby.psql("postgres", "SELECT pg_reload_conf()");
        standby.until("SELECT COUNT(*) = 0 FROM pg_stat_wal_receiver");
    }

    /// Takes a server away at once, as a power cut would.
    pub fn crash(&self, server: usize) {
        self.server(server).crash();
    }

    /// Lets a server stand still, with all its connections, until it is thawed.
    pub fn freeze(&self, server: usize) {
        self.server(server).freeze();
    }

    /// Lets it go on, as if nothing had happened.
    pub fn thaw(&self, server: usize) {
        self.server(server).thaw();
    }

    /// Makes the standby the primary; it takes writes when this returns. The old one isn't told.
    ///
    /// # Panics
    /// It doesn't.
    pub fn promote(&self) {
        let standby = self.standby();
        self.server(standby).promote();
        self.primary.store(standby, Ordering::SeqCst);
    }

    /// Ends the server that isn't the primary, whatever it does, and makes it the primary's standby, for which commits wait again
    /// where they did.
    ///
    /// # Panics
    /// It doesn't become one.
    pub fn renew_standby(&self) {
        let primary = self.server(self.primary());
        self.server(self.standby()).follow(&primary, "standby");
        drop(primary);
        self.wait_for_standby();
    }

    fn server(&self, server: usize) -> MutexGuard<'_, Cluster> {
        self.servers[server].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
