//! The database under the lab: a throw-away one of either kind, which can be taken away for a while.

use crate::document_store::Found;
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use domain::{ExperimentId, JournalEvent, OperationId, RobotId, Step};
use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connector, DatabaseConnection, QueryResult, Statement};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use store::{
    Backend, Store,
    testing::{
        TestDatabase,
        pair::{Pair, Replication},
    },
};
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use uuid::Uuid;

/// What an act at the database may take: its server may be frozen.
const ACT_LIMIT: Duration = Duration::from_secs(5);

/// Which of the two, and on what servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Sqlite,
    Postgres,
    /// PostgreSQL with a streaming standby that may lack what was committed last.
    AsynchronousPair,
    /// PostgreSQL with a streaming standby that has each commit before it is answered.
    SynchronousPair,
}

impl Kind {
    const fn replication(self) -> Option<Replication> {
        match self {
            Self::AsynchronousPair => Some(Replication::Asynchronous),
            Self::SynchronousPair => Some(Replication::Synchronous),
            Self::Sqlite | Self::Postgres => None,
        }
    }
}

/// One operation with everything that the journal says of it.
#[derive(Clone, Debug)]
pub struct JournalRecord {
    pub id: OperationId,
    pub robot: RobotId,
    pub experiment: Option<ExperimentId>,
    pub step: Step,
    pub intended_at: DateTime<Utc>,
    /// What the journal takes for its state.
    pub state: JournalEvent,
    /// In the order in which they were written.
    pub events: Vec<JournalEvent>,
}

/// The lab's database, seen from outside the lab.
#[derive(Debug)]
pub struct Database {
    /// Where it is looked at now.
    view: RwLock<Arc<View>>,
    /// One taking away at a time: SQLite's is a transaction of our one connection.
    taken: Mutex<()>,
}

#[derive(Debug)]
struct View {
    database: TestDatabase,
    connection: DatabaseConnection,
}

impl View {
    async fn open(database: TestDatabase) -> Result<Arc<Self>> {
        let mut options = ConnectOptions::new(database.url.clone());
        options.max_connections(1).sqlx_logging(false);
        let connection = Connector::connect(options).await.context("the test database can't be opened")?;
        Ok(Arc::new(Self { database, connection }))
    }
}

impl Database {
    pub async fn make(kind: Kind) -> Result<Self> {
        Self::over(match (kind, kind.replication()) {
            (Kind::Sqlite, _) => TestDatabase::sqlite().await,
            (_, Some(replication)) => {
                TestDatabase::on_pair(Arc::new(spawn_blocking(move || Pair::start(replication)).await?)).await
            }
            _ => TestDatabase::postgres().await,
        })
        .await
    }

    /// Looks into a database that somebody else has made.
    pub async fn over(database: TestDatabase) -> Result<Self> {
        Ok(Self { view: RwLock::new(View::open(database).await?), taken: Mutex::new(()) })
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The servers that it is on, where there are two.
    pub fn pair(&self) -> Option<Arc<Pair>> {
        self.view().database.pair()
    }

    /// Looks at it from now on where the primary of its pair is now.
    pub async fn follow(&self) -> Result<()> {
        let Some(pair) = self.pair() else { return Ok(()) };
        let there = View::open(self.view().database.at_server(pair.primary()).await).await?;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = there;
        Ok(())
    }

    /// For the lab's processes: names every server that has it.
    pub fn url(&self) -> String {
        self.view().database.url_of_all()
    }

    /// The same where Patroni's leader has it now.
    pub async fn at_leader(&self) -> Result<Self> {
        Self::over(self.view().database.at_leader().await).await
    }

    /// The same as one server of a pair has it.
    pub async fn at_server(&self, server: usize) -> Result<Self> {
        Self::over(self.view().database.at_server(server).await).await
    }

    pub fn store(&self) -> Store {
        self.view().database.store.clone()
    }

    /// Cuts everybody's connections (PostgreSQL), or holds the file's lock for `time` (SQLite).
    pub async fn take_away(&self, time: Duration) -> Result<()> {
        let _turn = self.taken.lock().await;
        let view = self.view();
        let backend = view.connection.get_database_backend();
        match self.store().backend() {
            Backend::Postgres => {
                let text = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                            WHERE datname = current_database() AND pid <> pg_backend_pid()";
                let cut =
                    timeout(ACT_LIMIT, view.connection.query_one_raw(Statement::from_string(backend, text))).await;
                // A server of two may be gone or frozen, which takes it away as well.
                if self.pair().is_none() {
                    cut??;
                }
            }
            Backend::Sqlite => {
                view.connection.execute_unprepared("PRAGMA busy_timeout = 5000").await?;
                view.connection.execute_unprepared("BEGIN IMMEDIATE").await?;
                sleep(time).await;
                view.connection.execute_unprepared("ROLLBACK").await?;
            }
        }
        Ok(())
    }

    /// Holds a robot's row (PostgreSQL), so that whoever wants to write it waits, for as long as `meanwhile` takes.
    pub async fn lock_robot<T>(&self, robot: &str, meanwhile: impl Future<Output = T>) -> Result<T> {
        let _turn = self.taken.lock().await;
        let view = self.view();
        let backend = view.connection.get_database_backend();
        view.connection.execute_unprepared("BEGIN").await?;
        let text = "SELECT id FROM robots WHERE name = $1 FOR UPDATE";
        let locked = view.connection.query_one_raw(Statement::from_sql_and_values(backend, text, [robot.into()])).await;
        let outcome = meanwhile.await;
        view.connection.execute_unprepared("ROLLBACK").await?;
        locked?.context("no such robot")?;
        Ok(outcome)
    }

    /// How many operations of a robot nobody knows the end of.
    pub async fn open_operations(&self, robot: &str) -> Result<i64> {
        let view = self.view();
        let backend = view.connection.get_database_backend();
        let place = if self.store().backend() == Backend::Sqlite { "?" } else { "$1" };
        let text = format!(
            "SELECT count(*) AS open FROM operations o JOIN robots r ON r.id = o.robot_id
             WHERE r.name = {place} AND o.state = 'intended'"
        );
        let statement = Statement::from_sql_and_values(backend, text, [robot.into()]);
        let row = view.connection.query_one_raw(statement).await?.context("a count without a row")?;
        Ok(row.try_get("", "open")?)
    }

    /// The whole journal of every robot.
    pub async fn journal(&self) -> Result<Vec<JournalRecord>> {
        let (id, robot, experiment, operation) = match self.store().backend() {
            Backend::Sqlite => ("hex(id)", "hex(robot_id)", "hex(experiment_id)", "hex(operation_id)"),
            Backend::Postgres => (
                "CAST(id AS TEXT)",
                "CAST(robot_id AS TEXT)",
                "CAST(experiment_id AS TEXT)",
                "CAST(operation_id AS TEXT)",
            ),
        };
        let operations = format!(
            "SELECT {id} AS id, {robot} AS robot, {experiment} AS experiment, CAST(step AS TEXT) AS step, state,
                    intended_at
             FROM operations ORDER BY robot_id, sequence"
        );
        // An ending is never written in the same instant as its intent, and a doubt before it is settled.
        let events = format!("SELECT {operation} AS id, event FROM operation_events ORDER BY operation_id, at");
        let rows = self.all(&operations).await?;
        let mut journal = rows.iter().map(read_operation).collect::<Result<Vec<_>>>()?;
        let mut places = std::collections::HashMap::new();
        for (place, record) in journal.iter().enumerate() {
            places.insert(record.id, place);
        }
        for row in self.all(&events).await? {
            let id: OperationId = read_id(&row, "id")?.context("an event without an operation")?;
            let event = row.try_get::<String>("", "event")?.parse()?;
            let record = places.get(&id).and_then(|place| journal.get_mut(*place));
            record.context("an event of an operation that isn't there")?.events.push(event);
        }
        Ok(journal)
    }

    /// The ids of all documents that lie here.
    pub async fn documents(&self) -> Result<Found> {
        let id = if self.store().backend() == Backend::Sqlite { "hex(id)" } else { "CAST(id AS TEXT)" };
        let mut found = Found::new();
        for row in self.all(&format!("SELECT collection, {id} AS id FROM documents")).await? {
            let id = read_id(&row, "id")?.context("a document without an id")?;
            found.entry(row.try_get::<String>("", "collection")?.parse()?).or_default().push(id);
        }
        Ok(found)
    }

    async fn all(&self, text: &str) -> Result<Vec<QueryResult>> {
        let view = self.view();
        let statement = Statement::from_string(view.connection.get_database_backend(), text);
        Ok(view.connection.query_all_raw(statement).await?)
    }
}

fn read_operation(row: &QueryResult) -> Result<JournalRecord> {
    Ok(JournalRecord {
        id: read_id(row, "id")?.context("an operation without an id")?,
        robot: read_id(row, "robot")?.context("an operation without a robot")?,
        experiment: read_id(row, "experiment")?,
        step: serde_json::from_str(&row.try_get::<String>("", "step")?)?,
        intended_at: row.try_get("", "intended_at")?,
        state: row.try_get::<String>("", "state")?.parse()?,
        events: Vec::new(),
    })
}

fn read_id<I: From<Uuid>>(row: &QueryResult, column: &str) -> Result<Option<I>> {
    let text: Option<String> = row.try_get("", column)?;
    let text = text.filter(|text| !text.is_empty());
    Ok(text.map(|text| Uuid::parse_str(&text)).transpose()?.map(I::from))
}
