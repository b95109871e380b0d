//! The way to a database: a pool whose connections are ours, or one that lends them for a transaction only.
//!
//! Behind a pooler in transaction mode two statements may meet two servers, and what a session was told stays behind for
//! whoever gets it next. So there each statement is sent within a transaction, which begins by saying how long it may
//! take and that its commit waits for the disk (`docs/decisions/0013-replica-and-pooler.md`).

use crate::{
    connection::{Connections, Options, Pooler},
    error::{Result, StoreError},
    servers::{Servers, Term},
    sql::Row,
};
use futures::{TryStreamExt, stream::BoxStream};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    prelude::async_trait,
    sqlx::{self, AssertSqlSafe, Executor as _, postgres::PgPool},
};
use std::sync::Arc;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    database: DatabaseConnection,
    /// What each transaction begins with; nothing where connections are ours, and were told when they were opened.
    opening: Option<Arc<str>>,
    /// Whose current one is meant; nothing where there is but one, whatever becomes of it.
    servers: Option<Arc<Servers>>,
}

impl Link {
    /// To connections that are ours.
    pub const fn own(database: DatabaseConnection) -> Self {
        Self { database, opening: None, servers: None }
    }

    /// To PostgreSQL, by the way that the options tell of.
    pub fn postgres(database: DatabaseConnection, options: &Options) -> Self {
        let opening = match options.pooler {
            Pooler::None => None,
            Pooler::Transaction => Some(opening(options).into()),
        };
        Self { database, opening, servers: None }
    }

    /// The same, to whichever of these servers takes writes.
    pub fn of_primary_among(self, servers: Arc<Servers>) -> Self {
        Self { servers: Some(servers), ..self }
    }

    fn term(&self) -> Term {
        self.servers.as_ref().map_or(Term::ENDLESS, |servers| servers.term())
    }

    /// On SQLite it takes the write lock at once, so that it can't fail for one later.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        Ok(self.begin_transaction().await?)
    }

    async fn begin_transaction(&self) -> Result<DatabaseTransaction, DbErr> {
        self.term().during(self.open_transaction()).await
    }

    async fn open_transaction(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let transaction = self.database.begin_with_options(options).await?;
        if let Some(opening) = &self.opening {
            transaction.execute_unprepared(opening).await?;
        }
        Ok(transaction)
    }

    /// How many there are.
    pub fn connections(&self) -> Connections {
        let of = |open, idle, limit| Connections { open, idle: u32::try_from(idle).unwrap_or(u32::MAX), limit };
        match self.get_database_backend() {
            DbBackend::Postgres => {
                let pool = self.pool();
                of(pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
            _ => {
                let pool = self.database.get_sqlite_connection_pool();
                of(pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
        }
    }

    /// PostgreSQL's.
    pub fn pool(&self) -> &PgPool {
        self.database.get_postgres_connection_pool()
    }

    /// The rows of an answer as they come, so that a long one is never in memory as a whole. Ends at the first row that
    /// `take` refuses.
    pub async fn each(&self, text: &'static str, take: impl FnMut(Row) -> Result<()>) -> Result<()> {
        #[cfg(feature = "testing")]
        crate::sql::note(self, text, &[]);
        self.term().during(self.stream(text, take)).await
    }

    async fn stream(&self, text: &'static str, take: impl FnMut(Row) -> Result<()>) -> Result<()> {
        match (self.get_database_backend(), &self.opening) {
            (DbBackend::Postgres, None) => drain(sqlx::query(text).fetch(self.pool()), take).await,
            (DbBackend::Postgres, Some(opening)) => {
                let mut transaction = self.pool().begin().await.map_err(failed)?;
                transaction.execute(AssertSqlSafe(opening.to_string())).await.map_err(failed)?;
                drain(sqlx::query(text).fetch(&mut *transaction), take).await?;
                transaction.commit().await.map_err(failed)
            }
            _ => drain(sqlx::query(text).fetch(self.database.get_sqlite_connection_pool()), take).await,
        }
    }

    pub async fn close(&self) -> Result<()> {
        self.database.close_by_ref().await.map_err(StoreError::from)
    }
}

async fn drain<R: Into<QueryResult>>(
    mut rows: BoxStream<'_, Result<R, sqlx::Error>>,
    mut take: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        take(Row::of(row))?;
    }
    Ok(())
}

fn failed(error: sqlx::Error) -> StoreError {
    DbErr::Query(RuntimeErr::SqlxError(error.into())).into()
}

/// The driver gives each statement a name, whoever had the connection before may have left some of the same names.
fn opening(options: &Options) -> String {
    let settings = options.session().into_iter().map(|(name, value)| format!("; SET LOCAL {name} = {value}"));
    settings.fold("DEALLOCATE ALL".to_owned(), |text, setting| text + &setting) + "; " + durably(Scope::Transaction)
}

/// For how long a setting is to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    Session,
    Transaction,
}

macro_rules! durably {
    ($is_local:literal) => {
        concat!(
            "SELECT set_config('synchronous_commit',
                 CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, ",
            $is_local,
            ")"
        )
    };
}

/// Has commits wait for the disk, whatever database or role were set up to; and for a synchronous standby to show them where they
/// were set up to that (`remote_apply`, which is more).
pub(crate) const fn durably(scope: Scope) -> &'static str {
    match scope {
        Scope::Session => durably!("false"),
        Scope::Transaction => durably!("true"),
    }
}

/// One statement by itself, or within a transaction of its own.
macro_rules! alone {
    ($link:expr, $statement:expr, $run:ident) => {{
        let asking = async {
            if $link.opening.is_none() {
                return $link.database.$run($statement).await;
            }
            let transaction = $link.open_transaction().await?;
            // Dropping it rolls back.
            let answer = transaction.$run($statement).await?;
            transaction.commit().await?;
            Ok(answer)
        };
        $link.term().during(asking).await
    }};
}

#[async_trait::async_trait]
impl ConnectionTrait for Link {
    fn get_database_backend(&self) -> DbBackend {
        self.database.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        alone!(self, statement, execute_raw)
    }

    /// Has no name and no parameters, so it meets one server anyway.
    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.term().during(self.database.execute_unprepared(text)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        alone!(self, statement, query_one_raw)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        alone!(self, statement, query_all_raw)
    }
}
