//! Where the lab keeps its documents: the database's own table on SQLite, a document server beside PostgreSQL, which is
//! killed again and again while faults go on.

use crate::{
    database::{Database, Kind},
    timeline::Timeline,
};
use anyhow::{Result, bail};
use documents::testing::Server;
use domain::Collection;
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep},
};
use uuid::Uuid;

/// For what waits to be carried over once everything is healed: a dead process's lease has to run out first.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);

/// The ids in each collection, as often as they are there.
pub type Found = HashMap<Collection, Vec<Uuid>>;

#[derive(Debug)]
pub struct DocumentStore {
    /// Nothing where documents stay in the database.
    server: Option<Mutex<Server>>,
    url: Option<String>,
}

impl DocumentStore {
    pub async fn beside(database: Kind) -> Self {
        match database {
            Kind::Sqlite => Self { server: None, url: None },
            Kind::Postgres | Kind::AsynchronousPair | Kind::SynchronousPair => {
                let server = Server::start().await;
                Self { url: Some(server.url()), server: Some(Mutex::new(server)) }
            }
        }
    }

    /// For the lab's configuration.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Until told to stop; it runs again then.
    pub async fn kill_again_and_again(&self, seed: u64, timeline: &Timeline, stop: watch::Receiver<bool>) {
        let Some(server) = &self.server else { return };
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0xD0C5);
        while !*stop.borrow() {
            sleep(Duration::from_millis(random.random_range(2_000..8_000))).await;
            let dead_for = Duration::from_millis(random.random_range(0..3_000));
            timeline.note(format!("the document server is killed for {dead_for:?}"));
            let mut server = server.lock().await;
            server.kill();
            sleep(dead_for).await;
            server.start_again().await;
        }
    }

    /// Everything that is kept, once nothing waits any more.
    pub async fn found(&self, database: &Database) -> Result<Found> {
        let Some(server) = &self.server else { return database.documents().await };
        let until = Instant::now() + PATIENCE;
        while database.store().waiting_documents().await?.count > 0 {
            if Instant::now() > until {
                let waiting = database.store().waiting_documents().await?;
                bail!("documents aren't carried over: {waiting:?}");
            }
            sleep(PAUSE).await;
        }
        let (server, mut found) = (server.lock().await, Found::new());
        for collection in Collection::ALL {
            found.insert(*collection, server.ids(collection.as_str()).await);
        }
        Ok(found)
    }
}
