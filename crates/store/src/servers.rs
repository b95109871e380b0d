//! The PostgreSQL servers of a URL, of which one takes writes, and finding that one again after it has changed.
//!
//! `postgres://role@one:5432,two:5432/lab` names several, as libpq writes it. sqlx knows one; so each is a URL of its own here,
//! each is asked once a second how it stands, and the pool is told where to connect. A server that was killed, cut off, frozen or
//! made a replica is left within seconds, without anybody's help.
//!
//! A primary that was replaced may come back and go on taking writes, for all it knows: it was frozen, or cut off, while another
//! was promoted. Nothing is written there. A promotion begins a new timeline, so of two that take writes the one on
//! the later is the primary; and who has seen a timeline connects to no server on an earlier one. What was under way on a server
//! that was left fails as [`StoreError::Unreachable`], even if the server still answers that it was committed ([`Term`]).

use crate::{
    connection::Store,
    error::{Result, StoreError},
};
use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{
        self, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, Row as _,
        pool::PoolConnectionMetadata, postgres::PgConnectOptions,
    },
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tasks::{Failure, Pauses, Task, Tasks, Turn};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// The most that a URL may name.
const MOST_SERVERS: usize = 16;
/// How long one may take to say how it stands. One that takes longer is taken for frozen.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two looks at each.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const PAUSES: Pauses =
    Pauses { first: Duration::from_millis(200), longest: Duration::from_secs(1), farewell: Duration::from_secs(1) };

/// Whether it is in no recovery and wasn't told by its administrator to take no writes; which database it is a server of, and on
/// which timeline. A standby's may be late, which does no harm: it is never too late a one.
const STANDING: &str = "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off' AS takes_writes,
    (SELECT system_identifier FROM pg_control_system()) AS system,
    CASE WHEN pg_is_in_recovery() THEN
        GREATEST((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_control_recovery()))
    ELSE CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS BIT(32)) AS INTEGER) END AS timeline";

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    takes_writes: bool,
    system: i64,
    timeline: i32,
}

/// Servers in the order in which they are preferred.
#[derive(Debug)]
pub(crate) struct Servers {
    each: Vec<PgConnectOptions>,
    in_use: watch::Sender<InUse>,
    heard: Mutex<Heard>,
    /// Told where to connect.
    pool: OnceLock<PgPool>,
}

#[derive(Clone, Copy, Debug)]
struct InUse {
    server: usize,
    /// Connections that are older lead to another server, or to one that isn't what it was.
    since: Instant,
    takes_writes: bool,
}

#[derive(Debug)]
struct Heard {
    /// What each said last; nothing where it didn't answer.
    standings: Vec<Option<Standing>>,
    /// The latest timeline of each database that was ever seen.
    latest: HashMap<i64, i32>,
}

/// What came of hearing how servers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    AsBefore,
    /// None takes writes, or only one that was replaced.
    Lost,
    /// Writes go to this one from now on.
    To(usize),
}

impl Servers {
    /// `settings` says how one with a URL of its own is connected to.
    ///
    /// # Errors
    /// The URL is none. Quotes nothing of it.
    pub fn of(url: &str, settings: impl Fn(&str) -> Result<PgConnectOptions>) -> Result<Self> {
        let each = split(url)?.iter().map(|url| settings(url)).collect::<Result<Vec<_>>>()?;
        let heard = Heard { standings: vec![None; each.len()], latest: HashMap::new() };
        let in_use = watch::Sender::new(InUse { server: 0, since: Instant::now(), takes_writes: true });
        Ok(Self { each, in_use, heard: Mutex::new(heard), pool: OnceLock::new() })
    }

    pub const fn are_several(&self) -> bool {
        self.each.len() > 1
    }

    /// The one to connect to.
    pub fn current(&self) -> PgConnectOptions {
        self.each[self.in_use.borrow().server].clone()
    }

    /// Tells this pool from now on where to connect.
    pub fn direct(&self, pool: &PgPool) {
        let _ = self.pool.set(pool.clone());
    }

    /// Whether a connection was made before the server changed.
    pub fn outdates(&self, connection: &PoolConnectionMetadata) -> bool {
        self.are_several() && connection.age > self.in_use.borrow().since.elapsed()
    }

    /// For as long as the server in use is that.
    pub fn term(&self) -> Term {
        let changes = self.in_use.subscribe();
        let since = changes.borrow().since;
        Term(Some((changes, since)))
    }

    /// Looks where a new connection has led to.
    ///
    /// # Errors
    /// To a primary that was replaced: nothing may be done there.
    pub async fn check(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let standing = ask(connection).await?;
        let mut heard = self.heard();
        heard.note(standing);
        match heard.was_replaced(&standing) {
            true => Err(sqlx::Error::Protocol(REPLACED.to_owned())),
            false => Ok(()),
        }
    }

    /// Asks all until one takes writes, for no longer than `patience`.
    ///
    /// # Errors
    /// None does. Says how many were asked, and what one of them said.
    pub async fn find(&self, patience: Duration) -> Result<()> {
        if !self.are_several() {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        loop {
            let said = self.ask_all().await;
            let standings = said.iter().map(|said| said.as_ref().ok().copied()).collect();
            self.tell(self.hear(|heard| heard.standings = standings));
            if self.in_use.borrow().takes_writes {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.none_takes_writes(said));
            }
            tokio::time::sleep(PAUSES.first).await;
        }
    }

    fn none_takes_writes(&self, said: Vec<Result<Standing, String>>) -> StoreError {
        let asked = said.len();
        let say = |said: Result<Standing, String>| match said {
            Ok(standing) if standing.takes_writes => REPLACED.to_owned(),
            Ok(_) => "it is a replica".to_owned(),
            Err(error) => error,
        };
        let last = said.into_iter().map(say).next_back().unwrap_or_default();
        StoreError::Unreachable(format!("none of {asked} servers takes writes; the last of them: {last}"))
    }

    /// All at once, each on a connection of its own.
    async fn ask_all(&self) -> Vec<Result<Standing, String>> {
        let mut asking = JoinSet::new();
        for (place, server) in self.each.iter().cloned().enumerate() {
            asking.spawn(async move { (place, in_time(ask_anew(&server)).await) });
        }
        let mut said = vec![Err("no answer".to_owned()); self.each.len()];
        for (place, answer) in asking.join_all().await {
            said[place] = answer;
        }
        said
    }

    /// Takes note of how servers stand, and chooses anew.
    fn hear(&self, note: impl FnOnce(&mut Heard)) -> Outcome {
        let mut heard = self.heard();
        note(&mut heard);
        heard.standings.clone().into_iter().flatten().for_each(|standing| heard.note(standing));
        let now = *self.in_use.borrow();
        let Some(server) = heard.choose(now.server) else {
            self.in_use.send_replace(InUse { takes_writes: false, ..now });
            return if now.takes_writes { Outcome::Lost } else { Outcome::AsBefore };
        };
        if server == now.server && now.takes_writes {
            return Outcome::AsBefore;
        }
        if let Some(pool) = self.pool.get() {
            pool.set_connect_options(self.each[server].clone());
        }
        self.in_use.send_replace(InUse { server, since: Instant::now(), takes_writes: true });
        Outcome::To(server)
    }

    fn tell(&self, outcome: Outcome) {
        match outcome {
            Outcome::AsBefore => {}
            Outcome::Lost => tracing::warn!("the database takes no writes; its servers are asked again and again"),
            Outcome::To(server) => tracing::warn!(
                server = server + 1,
                of = self.each.len(),
                "writes go to the server of the database URL with this number now"
            ),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const REPLACED: &str = "it takes writes and was replaced: another server was promoted after it";

impl Heard {
    fn note(&mut self, standing: Standing) {
        let latest = self.latest.entry(standing.system).or_insert(standing.timeline);
        *latest = standing.timeline.max(*latest);
    }

    /// A server that was promoted since is, or was, on a later timeline.
    fn was_replaced(&self, standing: &Standing) -> bool {
        standing.takes_writes && self.latest.get(&standing.system).is_some_and(|latest| *latest > standing.timeline)
    }

    /// The first, from this one on, that writes may go to.
    fn choose(&self, from: usize) -> Option<usize> {
        let servers = self.standings.len();
        let may = |place: &usize| {
            self.standings[*place].is_some_and(|standing| standing.takes_writes && !self.was_replaced(&standing))
        };
        (0..servers).map(|step| (from + step) % servers).find(may)
    }
}

/// For as long as one server is the one in use. What is asked of it then is given up when that is over: a frozen server answers
/// nothing, and what one that was replaced says it has committed is lost.
#[derive(Debug)]
pub(crate) struct Term(Option<(watch::Receiver<InUse>, Instant)>);

impl Term {
    /// Of a database that is one file.
    pub const ENDLESS: Self = Self(None);

    /// # Errors
    /// Those of the work, and `Unreachable` where the term ended before it: nobody knows then whether it was done.
    pub async fn during<T, E: From<DbErr>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.over() => Err(left().into()),
            done = work => done,
        }
    }

    async fn over(&self) {
        let Some((changes, since)) = &self.0 else { return std::future::pending().await };
        // Its sender is the store's, as is whoever waits here.
        let _ = changes.clone().wait_for(|now| now.since != *since || !now.takes_writes).await;
    }
}

fn left() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(
        "the server that was asked was left: it doesn't answer, or was replaced".to_owned(),
    ))
}

async fn ask_anew(server: &PgConnectOptions) -> Result<Standing, sqlx::Error> {
    let mut connection = server.connect().await?;
    let standing = ask(&mut connection).await;
    let _ = connection.close().await;
    standing
}

/// In the simple protocol, which every pooler passes on as it is.
async fn ask(connection: &mut PgConnection) -> Result<Standing, sqlx::Error> {
    let row = connection.fetch_one(sqlx::raw_sql(STANDING)).await?;
    Ok(Standing {
        takes_writes: row.try_get("takes_writes")?,
        system: row.try_get("system")?,
        timeline: row.try_get("timeline")?,
    })
}

async fn in_time(asking: impl Future<Output = Result<Standing, sqlx::Error>>) -> Result<Standing, String> {
    match timeout(ANSWER, asking).await {
        Ok(said) => said.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer in {} s", ANSWER.as_secs())),
    }
}

/// A URL a server, without libpq's `target_session_attrs`, whose one sensible value is what is done anyway.
pub(crate) fn split(url: &str) -> Result<Vec<String>> {
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
    /// Looks, as tasks of `tasks`, how each server stands, where the URL names several.
    pub(crate) fn look_after_servers(&self, tasks: &Tasks) {
        let Some(servers) = self.servers().filter(|servers| servers.are_several()) else { return };
        for server in 0..servers.each.len() {
            let name = format!("looking at database server {}", server + 1);
            tasks.add(&name, PAUSES, Look { store: self.clone(), server, connection: None, told_replaced: false });
        }
    }

    /// Asks all servers of the database's URL at once which is the primary, for somebody who has a reason to doubt that the one
    /// in use is. With one server it asks nobody.
    ///
    /// # Errors
    /// `Unreachable` where none takes writes.
    pub async fn confirm_primary(&self) -> Result<()> {
        match self.servers() {
            Some(servers) => servers.find(Duration::ZERO).await,
            None => Ok(()),
        }
    }

    /// For [`transact!`](crate::connection::transact).
    pub(crate) fn term(&self) -> Term {
        self.servers().map_or(Term::ENDLESS, Servers::term)
    }
}

/// Looks at one server.
struct Look {
    store: Store,
    server: usize,
    connection: Option<PgConnection>,
    /// It was said that it was replaced and takes writes.
    told_replaced: bool,
}

impl Task for Look {
    async fn turn(&mut self, _: &CancellationToken) -> std::result::Result<Turn, String> {
        let store = self.store.clone();
        let Some(servers) = store.servers() else { return Ok(Turn::Done) };
        let said = in_time(self.ask(&servers.each[self.server])).await;
        if said.is_err() {
            self.connection = None;
        }
        let standing = said.as_ref().ok().copied();
        servers.tell(servers.hear(|heard| heard.standings[self.server] = standing));
        self.tell_replaced(standing.is_some_and(|standing| servers.heard().was_replaced(&standing)));
        said.map(|_| Turn::After(BETWEEN_LOOKS))
    }

    async fn failed(&mut self, failure: &Failure) {
        let (Failure::Error(why) | Failure::Panic(why)) = failure;
        tracing::debug!(server = self.server + 1, why, "a database server doesn't say how it stands");
    }
}

impl Look {
    async fn ask(&mut self, server: &PgConnectOptions) -> Result<Standing, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(server.connect().await?),
        };
        ask(connection).await
    }

    fn tell_replaced(&mut self, replaced: bool) {
        if replaced && !self.told_replaced {
            tracing::warn!(
                server = self.server + 1,
                "this server of the database URL was replaced by another and takes writes all the same: nothing is written \
                 there; stop it, and make it a standby again (pg_rewind)"
            );
        }
        self.told_replaced = replaced;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Servers {
        let hosts: Vec<_> = (0..count).map(|server| format!("server-{server}")).collect();
        let parse = |url: &str| url.parse().map_err(|_| StoreError::Unreachable("no URL".to_owned()));
        Servers::of(&format!("postgres://lab@{}/lab", hosts.join(",")), parse).expect("a URL")
    }

    const fn standing(takes_writes: bool, timeline: i32) -> Option<Standing> {
        Some(Standing { takes_writes, system: 7, timeline })
    }

    #[test]
    fn writes_go_to_the_primary_of_the_latest_timeline() {
        let (primary, standby, silent) =
            (|timeline| standing(true, timeline), |timeline| standing(false, timeline), None);
        let servers = servers(2);
        for (said, outcome) in [
            ([primary(1), standby(1)], Outcome::AsBefore),
            ([silent, standby(1)], Outcome::Lost),
            ([silent, primary(2)], Outcome::To(1)),
            // The old one is back.
            ([primary(1), primary(2)], Outcome::AsBefore),
            ([primary(1), silent], Outcome::Lost),
            ([primary(1), primary(2)], Outcome::To(1)),
            // It was made a standby, and is promoted in its turn.
            ([primary(3), standby(2)], Outcome::To(0)),
            // Somebody else's database on the same port isn't an old one.
            ([silent, Some(Standing { takes_writes: true, system: 8, timeline: 1 })], Outcome::To(1)),
        ] {
            assert_eq!(servers.hear(|heard| heard.standings = said.to_vec()), outcome, "{said:?}");
        }
    }

    #[test]
    fn a_standby_that_follows_a_later_timeline_tells_of_it() {
        let servers = servers(3);
        let outcome = servers.hear(|heard| heard.standings = vec![standing(true, 1), None, standing(false, 2)]);
        assert_eq!(outcome, Outcome::Lost);
    }

    #[tokio::test]
    async fn what_was_asked_of_a_server_that_was_left_isnt_believed() {
        let servers = servers(2);
        servers.hear(|heard| heard.standings = vec![standing(true, 1), standing(false, 1)]);
        let term = servers.term();
        let committed = async || term.during(async { Ok::<_, StoreError>(()) }).await;
        assert!(committed().await.is_ok());
        let waits = term.during(std::future::pending::<Result<(), StoreError>>());
        let is_promoted = async { servers.hear(|heard| heard.standings = vec![standing(true, 1), standing(true, 2)]) };
        let (waited, outcome) = tokio::join!(waits, is_promoted);
        assert_eq!(outcome, Outcome::To(1));
        assert!(matches!(waited, Err(StoreError::Unreachable(_))), "{waited:?}");
        assert!(matches!(committed().await, Err(StoreError::Unreachable(_))), "it is over for good");
        assert!(servers.term().during(async { Ok::<_, StoreError>(()) }).await.is_ok());
        servers.hear(|heard| heard.standings = vec![standing(true, 1), None]);
        let refused = servers.term().during(std::future::pending::<Result<(), StoreError>>()).await;
        assert!(
            matches!(refused, Err(StoreError::Unreachable(_))),
            "while none takes writes nobody waits: {refused:?}"
        );
    }

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
