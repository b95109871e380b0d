//! Health and figures of a process and of the lab, for whoever watches over them: `/healthz`, `/readyz`, `/metrics` and
//! `/metrics/service`, which servers and workers answer alike.
//!
//! Nobody signs in for these, so none of them costs more for being asked often: what the database is asked is asked by one
//! at a time, and its answer is kept for a few seconds. Answers name no host, address or person.

use crate::endpoints::health::{alive, instance_metrics, ready, service_metrics};
use auth::{Credential, SERVICE_TOKEN_PREFIX};
use axum::{
    Router,
    extract::FromRef,
    http::{HeaderMap, StatusCode, header},
    middleware::from_fn,
    routing::get,
};
use chrono::{DateTime, Utc};
use documents::Documents;
use domain::{FaultCode, Permission};
use request::Problem;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use store::{Durability, Figures, Freshness, ReplicaStatus, Robot, Store, StoreError, Waiting, backup::BackupState};
use tasks::{Status, Tasks};
use telemetry::names;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use workflow::{Lab, Supply};

/// How long an answer of the database is kept.
const KEPT: Duration = Duration::from_secs(3);
/// How long the database may take for one.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Robots that are told one by one: more would be too many values of a label.
const MOST_ROBOTS: usize = 50;
/// An experiment of a full plate writes about 2 MB. With less than this nothing new should be begun.
const LEAST_SPACE: u64 = 64 * 1024 * 1024;

/// The routes, for a process that has no others. [`crate::router`] has them already.
pub fn health_router(health: Health) -> Router {
    routes().with_state(health)
}

pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Health: FromRef<S>,
{
    Router::new()
        .route("/healthz", get(alive::alive))
        .route("/readyz", get(ready::ready))
        .route("/metrics", get(instance_metrics::instance_metrics))
        .route("/metrics/service", get(service_metrics::service_metrics))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST_WAIT * 5))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(from_fn(request::observe))
}

/// The lab's figures.
#[derive(Clone, Debug)]
pub(crate) struct LabFigures {
    pub figures: Figures,
    /// What waits for its document store, where it has one.
    pub waiting: Option<Waiting>,
    /// How its backups stand, where they are made beside its database.
    pub backups: Option<BackupState>,
    /// The first [`MOST_ROBOTS`] by name, each with what is on its deck.
    pub robots: Vec<(Robot, Vec<Supply>)>,
    pub durability: Option<Durability>,
    /// Bytes, where the database's disk can be seen.
    pub free: Option<u64>,
}

/// What these routes need. Cheap to clone; clones share what is kept.
#[derive(Clone, Debug)]
pub struct Health {
    store: Store,
    pub(crate) tokens: ScrapeTokens,
    auth: Option<auth::Service>,
    readiness: Arc<Kept<Readiness>>,
    figures: Arc<Kept<Result<LabFigures, Problem>>>,
    documents: Documents,
    tasks: Option<Tasks>,
    /// What `/readyz` said last, so that the log tells of changes and not of questions.
    failing: Arc<RwLock<Vec<&'static str>>>,
}

impl Health {
    pub fn new(store: Store, tokens: ScrapeTokens) -> Self {
        let (readiness, figures) = (Arc::new(Kept::new(KEPT)), Arc::new(Kept::new(KEPT)));
        let documents = Documents::embedded(store.clone());
        Self { store, tokens, auth: None, readiness, figures, documents, tasks: None, failing: Arc::default() }
    }

    /// For a lab with a document store: what waits for it is told.
    #[must_use]
    pub fn with_documents(mut self, documents: Documents) -> Self {
        self.documents = documents;
        self
    }

    /// For a process that knows who shows what: a monitoring service's own token does, too.
    #[must_use]
    pub fn with_auth(mut self, auth: auth::Service) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Whether whoever asks may read figures that this token guards. The database is asked only where what they show is a
    /// service's own token.
    pub(crate) async fn allow(&self, guarded_by: &ScrapeToken, headers: &HeaderMap) -> Result<(), Problem> {
        let Err(refused) = guarded_by.check(headers) else { return Ok(()) };
        let shown = bearer(headers).filter(|token| token.starts_with(SERVICE_TOKEN_PREFIX));
        let (Some(auth), Some(token)) = (&self.auth, shown) else { return Err(refused) };
        let identity = auth.authenticate(token).await?;
        let is_for_it =
            matches!(identity.shown, Credential::Service { kind, .. } if kind.has(Permission::SeeMonitoring));
        if is_for_it { Ok(()) } else { Err(refused) }
    }

    /// For a process that runs tasks: `/readyz` tells how they stand.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = Some(tasks);
        self
    }

    pub(crate) async fn figures(&self) -> Result<LabFigures, Problem> {
        let read = async {
            let lately = self.store.reading(Freshness::MayBeStale).await;
            let all = async {
                let (figures, robots) = (lately.figures().await?, supplies(&lately).await?);
                Ok::<_, StoreError>((figures, robots, self.documents.waiting().await?))
            };
            // Only the primary tells of its archive. While it is away, what a replica tells is told.
            let (all, backups, durability, free) = tokio::join!(
                timeout(LONGEST_WAIT, all),
                in_time(self.store.backup_state()),
                in_time(self.store.durability()),
                in_time(self.store.free_space()),
            );
            let (backups, durability, free) = (backups.unwrap_or_default(), durability.ok(), free.unwrap_or_default());
            match all {
                Ok(Ok((figures, robots, waiting))) => {
                    Ok(LabFigures { figures, waiting, backups, robots, durability, free })
                }
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err(Problem::new(FaultCode::Unavailable, "the database doesn't answer in time")),
            }
        };
        self.figures.or_make(read).await
    }

    pub(crate) async fn readiness(&self) -> Readiness {
        self.readiness.or_make(self.look()).await
    }

    /// Puts how this process's connections to the database stand among its figures, and the replica.
    pub(crate) fn tell_database(&self) {
        let connections = self.store.connections();
        metrics::gauge!(names::DATABASE_CONNECTIONS, "state" => "idle").set(connections.idle);
        metrics::gauge!(names::DATABASE_CONNECTIONS, "state" => "busy").set(connections.busy());
        metrics::gauge!(names::DATABASE_CONNECTIONS_LIMIT).set(connections.limit);
        let Some(ReplicaStatus { used, behind, answered, passed_on, .. }) = self.store.replica_status() else { return };
        metrics::gauge!(names::REPLICA_USED).set(u8::from(used));
        if let Some(behind) = behind {
            metrics::gauge!(names::REPLICA_BEHIND).set(behind.as_secs_f64());
        }
        for (by, reads) in [("replica", answered), ("primary", passed_on)] {
            metrics::counter!(names::REPLICA_READS, "by" => by).absolute(reads);
        }
    }

    async fn look(&self) -> Readiness {
        let (answers, writes, space, documents, durability) = tokio::join!(
            in_time(self.store.ping()),
            in_time(self.store.check_writable()),
            in_time(self.store.free_space()),
            in_time(self.documents.waiting()),
            in_time(self.store.durability()),
        );
        let space = match space {
            Ok(Some(free)) if free < LEAST_SPACE => Some(Err(format!("{free} bytes are free"))),
            Ok(Some(_)) => Some(Ok(())),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        let looked_at = [
            Some(("database", answers, "it doesn't answer")),
            Some(("writes", writes, "it takes no writes: its disk is full, or it is read-only or gone")),
            space.map(|space| ("disk", space, "less than 64 MiB is free where the database lies")),
        ];
        let looked_at: Vec<_> = looked_at.into_iter().flatten().collect();
        self.tell_changes(&looked_at);
        let checks: BTreeMap<_, _> =
            looked_at.into_iter().map(|(name, outcome, why)| (name, Check::of(outcome.is_ok(), why))).collect();
        let tasks = self.tasks.iter().flat_map(Tasks::status).collect();
        let replica = self.store.replica_status().map(Replica::from);
        let documents = documents.ok().flatten().map(WaitingDocuments::from);
        let ready = checks.values().all(|check| check.ok);
        Readiness { ready, checks, replica, durability: durability.ok(), documents, tasks }
    }

    fn tell_changes(&self, looked_at: &[(&'static str, Result<(), String>, &str)]) {
        let failing: Vec<_> =
            looked_at.iter().filter(|(_, outcome, _)| outcome.is_err()).map(|(name, ..)| *name).collect();
        let mut before = self.failing.write().unwrap_or_else(PoisonError::into_inner);
        for (name, outcome, _) in looked_at {
            match outcome {
                Err(cause) if !before.contains(name) => tracing::warn!(check = name, cause, "not ready"),
                Ok(()) if before.contains(name) => tracing::info!(check = name, "ready again"),
                _ => {}
            }
        }
        *before = failing;
    }
}

/// What is on the decks, in as many questions for all robots as for one.
async fn supplies(store: &Store) -> Result<Vec<(Robot, Vec<Supply>)>, StoreError> {
    let mut robots = store.robots().await?;
    robots.truncate(MOST_ROBOTS);
    let mut supplies = Lab::new(store.clone()).supplies_of(&robots).await?;
    let with_its = |robot: Robot| {
        let its = supplies.remove(&robot.id).unwrap_or_default();
        (robot, its)
    };
    Ok(robots.into_iter().map(with_its).collect())
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match timeout(LONGEST_WAIT, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer in {} s", LONGEST_WAIT.as_secs())),
    }
}

/// What `/readyz` looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub checks: BTreeMap<&'static str, Check>,
    /// One that isn't used is no reason to send it no requests: the primary answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Replica>,
    /// Where the lab has a document store. However much waits for it, experiments go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<WaitingDocuments>,
    /// What the database is set up for. No reason to send it no requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// What this process does again and again. One that fails is no reason to send it no requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Status>,
}

/// What waits for the document store.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingDocuments {
    pub waiting: u64,
    /// How many of them it refused; the log says why.
    pub refused: u64,
    /// When the oldest of the others was written.
    pub oldest: Option<DateTime<Utc>>,
}

impl From<Waiting> for WaitingDocuments {
    fn from(waiting: Waiting) -> Self {
        Self { waiting: waiting.count, refused: waiting.refused, oldest: waiting.oldest }
    }
}

/// One thing that was looked at, and what is wrong with it. The cause is in the log: it may name a host.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How the database's replica stands.
#[derive(Clone, Debug, Serialize)]
pub struct Replica {
    /// Reads that needn't be the newest go to it.
    used: bool,
    /// Whole seconds since it was seen to have all that the primary had.
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

impl From<ReplicaStatus> for Replica {
    fn from(status: ReplicaStatus) -> Self {
        let ReplicaStatus { used, why, behind, .. } = status;
        Self { used, behind_seconds: behind.map(|behind| behind.as_secs()), why }
    }
}

impl Check {
    fn of(ok: bool, why: &str) -> Self {
        Self { ok, why: (!ok).then(|| why.to_owned()) }
    }
}

/// One answer, kept for a while and made by one at a time: the others wait for it.
#[derive(Debug)]
struct Kept<T> {
    life: Duration,
    answer: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Kept<T> {
    const fn new(life: Duration) -> Self {
        Self { life, answer: Mutex::const_new(None) }
    }

    async fn or_make(&self, make: impl Future<Output = T>) -> T {
        let mut kept = self.answer.lock().await;
        if let Some((made, value)) = &*kept
            && made.elapsed() < self.life
        {
            return value.clone();
        }
        let value = make.await;
        *kept = Some((Instant::now(), value.clone()));
        value
    }
}

/// What a collector has to show for each set of figures.
#[derive(Clone, Debug, Default)]
pub struct ScrapeTokens {
    /// For `/metrics`.
    pub instance: ScrapeToken,
    /// For `/metrics/service`.
    pub service: ScrapeToken,
}

/// A bearer token, or that none is asked for. Only its hash is kept, and hashes are compared, so that how long the
/// comparison takes tells nothing.
#[derive(Clone, Default)]
pub struct ScrapeToken(Option<[u8; 32]>);

impl ScrapeToken {
    pub fn new(token: &str) -> Self {
        Self(Some(Sha256::digest(token).into()))
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(wanted) = self.0 else { return Ok(()) };
        match bearer(headers) {
            Some(token) if wanted == *Sha256::digest(token) => Ok(()),
            _ => {
                Err(Problem::new(FaultCode::NotSignedIn, "these figures need the token that this lab was set up with"))
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl fmt::Debug for ScrapeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "****" } else { "none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn says(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("a header"))])
    }

    #[test]
    fn a_token_that_is_set_is_asked_for() {
        let token = ScrapeToken::new("s3cret");
        assert!(token.check(&says("Bearer s3cret")).is_ok());
        for wrong in ["Bearer s3cre", "Bearer", "Bearer ", "Basic s3cret", "s3cret"] {
            assert!(token.check(&says(wrong)).is_err(), "{wrong}");
        }
        assert!(token.check(&HeaderMap::new()).is_err());
        assert!(ScrapeToken::default().check(&HeaderMap::new()).is_ok());
        assert_eq!(format!("{token:?}"), "****");
    }

    #[tokio::test]
    async fn an_answer_is_made_once_in_a_while_however_many_ask() {
        for (life, made) in [(Duration::from_secs(3_600), [0, 0, 0]), (Duration::ZERO, [0, 1, 2])] {
            let (kept, count) = (Kept::new(life), AtomicU32::new(0));
            let ask = || kept.or_make(async { count.fetch_add(1, Ordering::SeqCst) });
            let (a, b, c) = tokio::join!(ask(), ask(), ask());
            assert_eq!([a, b, c], made, "{life:?}");
        }
    }
}
