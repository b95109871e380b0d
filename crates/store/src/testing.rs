//! Throw-away databases of both kinds, for tests here and in the crates above.
//!
//! SQLite's is a file in a temporary directory. PostgreSQL's is a database of its own on the server that
//! `TINCTURE_TEST_POSTGRES` names (any database of it, as a role that may create others), or else on a private server
//! that is started for it and ends with it. Neither is ever skipped: without PostgreSQL the test fails and says why.

pub mod cluster;
pub mod cost;
pub mod direct;
pub mod pair;
pub mod patroni;
pub mod pooler;

use crate::{NewActivity, NewExperiment, NewWell, Options, Pooler, Store};
pub use cluster::{Cluster, Shutdown};
use domain::{ExperimentId, Recipe, UserId};
use pair::Pair;
use patroni::Patroni;
use std::{
    env,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tempfile::TempDir;

/// Names a server by the URL of one of its databases.
pub const SERVER_VARIABLE: &str = "TINCTURE_TEST_POSTGRES";

/// Says that it is reached through a pooler, and in which mode: `transaction`.
pub const POOLER_VARIABLE: &str = "TINCTURE_TEST_POOLER";

/// A migrated database that is gone when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    pub store: Store,
    /// For a second process's (or a second) connection to the same database.
    pub url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite { _directory: TempDir },
    Postgres { server: Server, name: String },
    Pair { pair: Arc<Pair>, name: String },
    Patroni { patroni: Arc<Patroni>, name: String },
}

/// A column as the database describes it.
#[derive(Clone, Debug)]
pub struct StoredColumn {
    pub table: String,
    pub column: String,
    /// It has no default and can't be left out of a new row.
    pub must_be_given: bool,
}

impl TestDatabase {
    /// # Panics
    /// When there is no temporary directory, or the migrations fail.
    pub async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("made/on/demand/lab.db").display());
        Self::open(url, Place::Sqlite { _directory: directory }).await
    }

    /// # Panics
    /// When no PostgreSQL can be reached or started, saying what to install.
    pub async fn postgres() -> Self {
        let server = tokio::task::spawn_blocking(Server::find).await.expect("a server's start doesn't panic");
        let name = format!("tincture_test_{}", uuid::Uuid::now_v7().simple());
        server.run(&format!("CREATE DATABASE {name}")).await;
        let url = server.url(&name);
        Self::open(url, Place::Postgres { server, name }).await
    }

    async fn open(url: String, place: Place) -> Self {
        let store = Store::connect(&url, on_the_way(Options::default())).await.expect("the test database opens");
        store.migrate().await.expect("the migrations run");
        Self { store, url, place }
    }

    /// A migrated database on a pair of servers, as its primary has it. It ends with the pair.
    ///
    /// # Panics
    /// When the migrations fail.
    pub async fn on_pair(pair: Arc<Pair>) -> Self {
        let name = format!("tincture_test_{}", uuid::Uuid::now_v7().simple());
        let (asked, statement) = (Arc::clone(&pair), format!("CREATE DATABASE {name}"));
        tokio::task::spawn_blocking(move || asked.psql(0, "postgres", &statement)).await.expect("psql doesn't panic");
        Self::open(pair.url_of(0, &name), Place::Pair { pair, name }).await
    }

    /// A migrated database on servers under Patroni, opened where it leads now.
    ///
    /// # Panics
    /// When there is no leader, or the migrations fail.
    pub async fn on_patroni(patroni: Arc<Patroni>) -> Self {
        let name = format!("tincture_test_{}", uuid::Uuid::now_v7().simple());
        let (asked, wanted) = (Arc::clone(&patroni), name.clone());
        let made = tokio::task::spawn_blocking(move || {
            asked.psql(&format!("CREATE DATABASE {wanted}"));
            asked.leader_url(&wanted)
        });
        Self::open(made.await.expect("psql doesn't panic"), Place::Patroni { patroni, name }).await
    }

    /// The same database where Patroni's leader has it now, opened anew.
    ///
    /// # Panics
    /// It isn't under Patroni, or there is no leader.
    pub async fn at_leader(&self) -> Self {
        let Place::Patroni { patroni, name } = &self.place else { panic!("this database isn't under Patroni") };
        let (url, place) =
            (patroni.leader_url(name), Place::Patroni { patroni: Arc::clone(patroni), name: name.clone() });
        let store = Store::connect(&url, Options::default()).await.expect("the leader answers");
        Self { store, url, place }
    }

    /// The same database as one server of its pair has it, opened anew.
    ///
    /// # Panics
    /// It isn't on a pair, or that server doesn't answer.
    pub async fn at_server(&self, server: usize) -> Self {
        let Place::Pair { pair, name } = &self.place else { panic!("this database isn't on a pair of servers") };
        let (url, place) = (pair.url_of(server, name), Place::Pair { pair: Arc::clone(pair), name: name.clone() });
        let store = Store::connect(&url, Options::default()).await.expect("that server answers");
        Self { store, url, place }
    }

    /// The pair of servers that has it, if one does.
    pub fn pair(&self) -> Option<Arc<Pair>> {
        match &self.place {
            Place::Pair { pair, .. } => Some(Arc::clone(pair)),
            Place::Sqlite { .. } | Place::Postgres { .. } | Place::Patroni { .. } => None,
        }
    }

    /// For clients: the URL that names all servers which have this database.
    pub fn url_of_all(&self) -> String {
        match &self.place {
            Place::Pair { pair, name } => pair.url(name),
            Place::Patroni { patroni, name } => patroni.url(name),
            Place::Sqlite { .. } | Place::Postgres { .. } => self.url.clone(),
        }
    }

    /// The URL of an empty schema in a PostgreSQL database, as new as a new database; SQLite needs only a new file.
    ///
    /// # Panics
    /// On SQLite.
    pub async fn fresh_schema(&self) -> String {
        use sea_orm::ConnectionTrait;
        self.store.writer().execute_unprepared("CREATE SCHEMA fresh").await.expect("a schema");
        let and = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{and}options[search_path]=fresh", self.url)
    }

    /// How many migrations there are.
    pub const fn migrations(&self) -> usize {
        crate::migrations::MIGRATIONS.len()
    }

    /// Another handle with connections of its own, as another process would have.
    pub async fn another(&self) -> Store {
        self.another_with(Options::default()).await
    }

    /// The same, with other settings.
    pub async fn another_with(&self, options: Options) -> Store {
        Store::connect(&self.url, on_the_way(options)).await.expect("the test database opens again")
    }

    /// Whether the release whose newest migration this is may still run on the schema of this one.
    pub fn may_run(&self, newest: &str) -> bool {
        crate::migrations::least().is_none_or(|least| newest >= least)
    }

    /// Has the database prepare a statement whose parameters have these types (PostgreSQL's names, with commas between),
    /// without running it.
    ///
    /// # Errors
    /// What the database says against it.
    pub async fn prepare(&self, types: &str, text: &str) -> Result<(), String> {
        use sea_orm::ConnectionTrait;
        let types = if types.is_empty() { String::new() } else { format!("({types})") };
        let statements = match self.store.backend() {
            crate::Backend::Sqlite => format!("EXPLAIN {text}"),
            crate::Backend::Postgres => format!("PREPARE tried {types} AS {text}; DEALLOCATE tried"),
        };
        self.store.writer().execute_unprepared(&statements).await.map(drop).map_err(|error| error.to_string())
    }

    /// The names of its tables.
    pub async fn tables(&self) -> Vec<String> {
        let mut tables: Vec<_> = self.columns().await.into_iter().map(|column| column.table).collect();
        tables.dedup();
        tables
    }

    /// Every column of every table, as the database itself tells, by table and place.
    pub async fn columns(&self) -> Vec<StoredColumn> {
        use crate::sql::sql;
        let text = match self.store.backend() {
            crate::Backend::Sqlite => {
                "SELECT t.name AS table_name, c.name AS column_name,
                     c.\"notnull\" = 1 AND c.dflt_value IS NULL AS must_be_given
                 FROM sqlite_schema t JOIN pragma_table_info(t.name) c
                 WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid"
            }
            crate::Backend::Postgres => {
                "SELECT CAST(table_name AS text) AS table_name, CAST(column_name AS text) AS column_name,
                     is_nullable = 'NO' AND column_default IS NULL AS must_be_given
                 FROM information_schema.columns WHERE table_schema = current_schema()
                 ORDER BY table_name, ordinal_position"
            }
        };
        let rows = sql!(text).all(self.store.reader()).await.expect("the schema can be read");
        let read = |row: &crate::sql::Row| {
            Ok(StoredColumn {
                table: row.get("table_name")?,
                column: row.get("column_name")?,
                must_be_given: row.get("must_be_given")?,
            })
        };
        rows.iter().map(read).collect::<crate::Result<_>>().expect("the schema's rows")
    }
}

/// A line for the activity log, of nobody in particular.
pub fn act(action: &'static str) -> NewActivity {
    NewActivity { user_id: None, action, details: serde_json::json!({}), ip_address: None }
}

/// A request of this person for these wells, with nothing special about it.
pub fn request(user: UserId, wells: impl IntoIterator<Item = Recipe>) -> NewExperiment {
    NewExperiment {
        id: ExperimentId::new(),
        user_id: user,
        created_at: chrono::Utc::now(),
        name: None,
        wells: wells.into_iter().map(|recipe| NewWell::of(recipe, None)).collect(),
        priority: 0,
        metadata: serde_json::json!({}),
        gives_back: Vec::new(),
        idempotency: None,
        ip_address: None,
        retried: None,
    }
}

impl Store {
    /// The schema as it was after so many migrations, to be filled with old data.
    ///
    /// # Panics
    /// When a migration fails.
    pub async fn migrate_first(&self, count: usize) {
        for migration in &crate::migrations::MIGRATIONS[..count] {
            self.migrate_with(migration).await.expect("the migration runs");
        }
    }

    /// The schema as it was before this migration.
    ///
    /// # Panics
    /// When a migration fails.
    pub async fn migrate_before(&self, name: &str) {
        let before = crate::migrations::MIGRATIONS.iter().take_while(|migration| migration.name != name).count();
        self.migrate_first(before).await;
    }

    /// The column `text` of a query's first row, past everything that the store makes of it.
    ///
    /// # Panics
    /// When there is none.
    pub async fn read_text(&self, query: String) -> String {
        use crate::sql::Sql;
        let row = Sql::new(query, Vec::new()).one(self.reader()).await.expect("the query runs").expect("a row");
        row.get("text").expect("a text")
    }

    /// How the database would look up where these experiments are and these events of them, a line a step.
    ///
    /// # Panics
    /// When it says nothing.
    pub async fn plan_of_following(&self, places: &[(ExperimentId, i64)]) -> Vec<String> {
        let experiments: Vec<_> = places.iter().map(|(experiment, _)| *experiment).collect();
        let mut plan =
            crate::events::latest_of(self.backend(), &experiments).plan(self.reader()).await.expect("a plan");
        plan.extend(crate::events::at(places).plan(self.reader()).await.expect("a plan"));
        plan
    }

    /// A transaction that has run this and stays open, with all that it locks, until it is dropped.
    ///
    /// # Panics
    /// When the statement fails.
    pub async fn hold(&self, text: &str) -> impl Drop + use<> {
        use sea_orm::ConnectionTrait;
        let transaction = self.begin().await.expect("a transaction");
        transaction.execute_unprepared(text).await.expect("the statement runs");
        transaction
    }

    /// Runs statements as they are.
    ///
    /// # Panics
    /// When one fails.
    pub async fn run_sql(&self, text: &str) {
        use sea_orm::ConnectionTrait;
        self.writer().execute_unprepared(text).await.expect("the statements run");
    }

    /// The same, of statements that may be refused.
    ///
    /// # Errors
    /// What the database says.
    pub async fn try_sql(&self, text: &str) -> Result<(), String> {
        use sea_orm::ConnectionTrait;
        self.writer().execute_unprepared(text).await.map(drop).map_err(|error| error.to_string())
    }

    /// Writes documents as a lane does, in one transaction.
    ///
    /// # Panics
    /// When the database doesn't take them.
    pub async fn keep_documents(&self, documents: Vec<(crate::DocumentKey, Option<ExperimentId>, serde_json::Value)>) {
        let documents = documents.into_iter().map(|(key, experiment, body)| {
            let crate::DocumentKey { collection, id } = key;
            crate::documents::NewDocument { collection, id, experiment, body }
        });
        let tx = self.begin().await.expect("a transaction");
        crate::documents::keep(&tx, documents.collect()).await.expect("they are written");
        tx.commit().await.expect("a commit");
        self.signal([crate::Signal::Robots]);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Postgres { server, name } = &self.place else { return };
        let (server, name) = (server.clone(), name.clone());
        // A runtime may be running on this thread, and it may be ending; so the last statement gets its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(server.run(&format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _ = dropping.join();
    }
}

/// With the pooler that was told of.
fn on_the_way(options: Options) -> Options {
    match env::var(POOLER_VARIABLE).as_deref() {
        Ok("transaction") => Options { pooler: Pooler::Transaction, ..options },
        _ => options,
    }
}

/// A PostgreSQL server: one that was given, or a private one that ends with its last user.
#[derive(Clone, Debug)]
enum Server {
    Given(String),
    Private(Arc<Cluster>),
}

impl Server {
    fn find() -> Self {
        static PRIVATE: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        if let Ok(url) = env::var(SERVER_VARIABLE) {
            return Self::Given(url);
        }
        let mut private = PRIVATE.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = private.upgrade().unwrap_or_else(|| Arc::new(Cluster::start()));
        *private = Arc::downgrade(&cluster);
        Self::Private(cluster)
    }

    /// The URL of one of its databases.
    fn url(&self, database: &str) -> String {
        match self {
            Self::Given(url) => {
                let (address, parameters) =
                    url.split_once('?').map_or((url.as_str(), ""), |(address, rest)| (address, rest));
                let server = address.rsplit_once('/').map_or(address, |(server, _)| server);
                let question = if parameters.is_empty() { "" } else { "?" };
                format!("{server}/{database}{question}{parameters}")
            }
            Self::Private(cluster) => cluster.url(database),
        }
    }

    /// One statement on the server as such.
    async fn run(&self, statement: &str) {
        use sea_orm::ConnectionTrait;
        let options = on_the_way(Options { max_connections: 2, ..Options::default() });
        let any = match self {
            Self::Given(url) => url.clone(),
            Self::Private(cluster) => cluster.url("postgres"),
        };
        let store = Store::connect(&any, options).await.expect("the PostgreSQL server for tests answers");
        store.writer().execute_unprepared(statement).await.expect("the role may create and drop databases");
        store.close().await.expect("closing a connection");
    }
}

/// A row, each column as SQLite would write it in a statement.
pub type QuotedRow = std::collections::BTreeMap<String, String>;

/// All that is in a SQLite file, by table, rows sorted.
///
/// # Panics
/// When it can't be read.
pub async fn all_rows(file: &Path) -> std::collections::BTreeMap<String, Vec<QuotedRow>> {
    use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Row, query, query_scalar, sqlite::SqliteConnectOptions};
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = options.connect().await.expect("a SQLite file");
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = query_scalar(tables).fetch_all(&mut connection).await.expect("its tables");
    let mut all = std::collections::BTreeMap::new();
    for table in tables {
        let columns = query_scalar("SELECT name FROM pragma_table_info(?)").bind(&table);
        let columns: Vec<String> = columns.fetch_all(&mut connection).await.expect("its columns");
        let quoted = columns.iter().map(|column| format!("quote(\"{column}\")")).collect::<Vec<_>>().join(", ");
        let rows = query(AssertSqlSafe(format!("SELECT {quoted} FROM \"{table}\""))).fetch_all(&mut connection).await;
        let read = |row: sea_orm::sqlx::sqlite::SqliteRow| {
            columns.iter().enumerate().map(|(at, column)| (column.clone(), row.get::<String, _>(at))).collect()
        };
        let mut rows: Vec<QuotedRow> = rows.expect("its rows").into_iter().map(read).collect();
        rows.sort();
        all.insert(table, rows);
    }
    all
}
