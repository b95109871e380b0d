//! The PostgreSQL servers of a URL, of which one takes writes, and finding that one again after it has changed.
//!
//! `postgres://role@one:5432,two:5432/lab` names several, as libpq writes it. sqlx knows one; so each is a URL of its own here,
//! they are asked in order whether they take writes, and the pool is told where to connect. A task looks every second whether
//! the one in use still does: a server that was killed, cut off or made a replica is left within seconds of another's
//! promotion, without anybody's help. What was asked of it meanwhile fails as a database that can't be reached.

use crate::{
    connection::Store,
    error::{Result, StoreError},
};
use sea_orm::sqlx::{
    self, ConnectOptions as _, Connection as _, PgConnection, pool::PoolConnectionMetadata, postgres::PgConnectOptions,
};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tasks::{Failure, Pauses, Task, Tasks, Turn};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The most that a URL may name.
const MOST_SERVERS: usize = 16;
/// How long one may take to say whether it takes writes.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two looks at the one in use.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const PAUSES: Pauses =
    Pauses { first: Duration::from_millis(200), longest: Duration::from_secs(1), farewell: Duration::from_secs(1) };

/// Not in recovery, and not told by its administrator to take no writes.
const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'";

/// Servers in the order in which they are asked.
#[derive(Debug)]
pub(crate) struct Servers {
    each: Vec<PgConnectOptions>,
    in_use: Mutex<InUse>,
}

#[derive(Clone, Copy, Debug)]
struct InUse {
    server: usize,
    /// Connections that are older lead to another server, or to one that isn't what it was.
    since: Instant,
}

impl Servers {
    /// `settings` says how one with a URL of its own is connected to.
    ///
    /// # Errors
    /// The URL is none. Quotes nothing of it.
    pub fn of(url: &str, settings: impl Fn(&str) -> Result<PgConnectOptions>) -> Result<Self> {
        let each = split(url)?.iter().map(|url| settings(url)).collect::<Result<Vec<_>>>()?;
        Ok(Self { each, in_use: Mutex::new(InUse { server: 0, since: Instant::now() }) })
    }

    pub const fn are_several(&self) -> bool {
        self.each.len() > 1
    }

    /// The one to connect to.
    pub fn current(&self) -> PgConnectOptions {
        self.each[self.in_use().server].clone()
    }

    /// Whether a connection was made before the server changed.
    pub fn outdates(&self, connection: &PoolConnectionMetadata) -> bool {
        self.are_several() && connection.age > self.in_use().since.elapsed()
    }

    /// Asks one after the other, from the one in use on, until one takes writes, for no longer than `patience`.
    ///
    /// # Errors
    /// None does. Says how many were asked, and what the last of them said.
    pub async fn find(&self, patience: Duration) -> Result<()> {
        if !self.are_several() {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        loop {
            let error = match self.find_once().await {
                Ok(found) => {
                    self.use_from_now(found);
                    return Ok(());
                }
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSES.first).await;
        }
    }

    async fn find_once(&self) -> Result<usize> {
        let first = self.in_use().server;
        let mut said = String::new();
        for place in (0..self.each.len()).map(|step| (first + step) % self.each.len()) {
            match timeout(ANSWER, takes_writes(&self.each[place])).await {
                Ok(Ok(true)) => return Ok(place),
                Ok(Ok(false)) => said = "it is a replica".to_owned(),
                Ok(Err(error)) => said = error.to_string(),
                Err(_) => said = format!("no answer in {} s", ANSWER.as_secs()),
            }
        }
        let asked = self.each.len();
        Err(StoreError::Unreachable(format!("none of {asked} servers takes writes; the last that was asked: {said}")))
    }

    /// Gives whether it is another one than before.
    fn use_from_now(&self, server: usize) -> bool {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *in_use, InUse { server, since: Instant::now() });
        before.server != server
    }

    fn in_use(&self) -> InUse {
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn takes_writes(server: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = server.connect().await?;
    let takes = ask(&mut connection).await;
    let _ = connection.close().await;
    takes
}

async fn ask(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TAKES_WRITES).fetch_one(connection).await
}

/// A URL a server, without libpq's `target_session_attrs`, whose one sensible value is what is done anyway.
fn split(url: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| StoreError::Unreachable(format!("the database URL {why}"));
    let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
    let parameters = kept(parameters).map_err(|wanted| {
        wrong(&format!(
            "asks for target_session_attrs={wanted}: leave it out, the server that takes writes is looked for"
        ))
    })?;
    let (scheme, rest) = address.split_once("://").ok_or_else(|| wrong("starts with postgres://"))?;
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(all, path)| (all, format!("/{path}")));
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let hosts: Vec<_> = hosts.split(',').collect();
    if hosts.len() > MOST_SERVERS {
        return Err(wrong(&format!("names more than {MOST_SERVERS} servers")));
    }
    if hosts.len() > 1 && hosts.iter().any(|host| host.is_empty()) {
        return Err(wrong("names a server that is nothing: write host:port,host:port"));
    }
    Ok(hosts.iter().map(|host| format!("{scheme}://{user}{host}{path}{parameters}")).collect())
}

/// The parameters that are sqlx's, with their question mark. What else was wanted of the server, where it can't be had.
fn kept(parameters: &str) -> Result<String, &str> {
    let mut kept = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("target_session_attrs", "read-write" | "primary" | "any")) => {}
            Some(("target_session_attrs", other)) => return Err(other),
            _ => kept.push(parameter),
        }
    }
    Ok(if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) })
}

impl Store {
    /// Looks, as one of `tasks`, whether the server in use still takes writes, where the URL names several.
    pub(crate) fn look_after_servers(&self, tasks: &Tasks) {
        if self.servers().is_some_and(Servers::are_several) {
            tasks.add("finding the primary", PAUSES, Watch { store: self.clone(), connection: None, told_lost: false });
        }
    }
}

struct Watch {
    store: Store,
    /// To the server in use.
    connection: Option<PgConnection>,
    /// It was said that none takes writes.
    told_lost: bool,
}

impl Task for Watch {
    async fn turn(&mut self, _: &CancellationToken) -> std::result::Result<Turn, String> {
        let store = self.store.clone();
        let Some(servers) = store.servers() else { return Ok(Turn::Done) };
        if let Ok(Ok(true)) = timeout(ANSWER, self.is_primary(&servers.current())).await {
            return Ok(Turn::After(BETWEEN_LOOKS));
        }
        self.connection = None;
        let found = servers.find_once().await.map_err(|error| error.to_string())?;
        let is_another = servers.use_from_now(found);
        store.writer().pool().set_connect_options(servers.current());
        if is_another || self.told_lost {
            tracing::warn!(
                server = found + 1,
                of = servers.each.len(),
                "writes go to the server of the database URL with this number now"
            );
        }
        self.told_lost = false;
        Ok(Turn::After(Duration::ZERO))
    }

    async fn failed(&mut self, failure: &Failure) {
        if !std::mem::replace(&mut self.told_lost, true) {
            let (Failure::Error(why) | Failure::Panic(why)) = failure;
            tracing::warn!(why, "the database takes no writes; its servers are asked again and again");
        }
    }
}

impl Watch {
    async fn is_primary(&mut self, server: &PgConnectOptions) -> Result<bool, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(server.connect().await?),
        };
        ask(connection).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_gets_a_url_of_its_own() {
        let url = "postgres://lab:a%2Cb@one:5432,two,[::1]:6000/lab?sslmode=require&target_session_attrs=read-write";
        let each = split(url).expect("a URL");
        let expected =
            ["one:5432", "two", "[::1]:6000"].map(|host| format!("postgres://lab:a%2Cb@{host}/lab?sslmode=require"));
        assert_eq!(each, expected);
        assert_eq!(split("postgres://lab@/x?host=/run").expect("a URL"), ["postgres://lab@/x?host=/run"]);
        assert_eq!(split("postgres://one").expect("a URL"), ["postgres://one"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_quoting_the_url() {
        for url in ["postgres://u:s3cret@a,,b/x", "postgres://u:s3cret@a,b/x?target_session_attrs=standby", "s3cret"] {
            let error = split(url).expect_err("refused").to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
