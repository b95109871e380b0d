//! How experiments are asked for: charged and stored in one transaction, durable when it is answered.
//!
//! Those that are asked for while such a transaction is under way wait for it, and all of them are the next one: a commit
//! takes as long for a hundred as for one, and two requests of one person don't wait for each other's locks
//! (`docs/decisions/0011-acceptance.md`).

use crate::{
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    events::NewEvent,
    experiments::dye_list,
    prefect::MADE_BY_FLOW_RUN,
    records::*,
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, json, now, sql},
    wells,
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{ActivityId, ExperimentId, ExperimentStatus, UserId, WellStatus};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Requests of one transaction, and their wells: so many that its locks are held for a moment only.
const MOST_TOGETHER: usize = 128;
const MOST_WELLS_TOGETHER: usize = 1_536;
/// Transactions under way at once: SQLite has one writer; PostgreSQL works at one while the other is on its way.
const fn at_once(backend: Backend) -> usize {
    match backend {
        Backend::Sqlite => 1,
        Backend::Postgres => 2,
    }
}

/// Requests that wait for a transaction. Who comes after them is told to come again.
const MOST_WAITING: usize = 4_096;

const USERS: Columns = &[("id", Kind::Id)];
const CHARGES: Columns = &[("id", Kind::Id), ("charge", Kind::Number)];
const KEYS: Columns = &[
    ("user_id", Kind::Id),
    ("key", Kind::Text),
    ("request_hash", Kind::Text),
    ("experiment_id", Kind::Id),
    ("created_at", Kind::Time),
];
const EXPERIMENTS: Columns = &[
    ("id", Kind::Id),
    ("user_id", Kind::Id),
    ("status", Kind::Text),
    ("metadata", Kind::Json),
    ("created_at", Kind::Time),
    ("name", Kind::Text),
    ("priority", Kind::Number),
    ("last_sequence", Kind::Number),
    ("dyes", Kind::Text),
    ("least_nl", Kind::Number),
    ("fullest_nl", Kind::Number),
    ("asked", Kind::Number),
];
const WELLS: Columns = &[
    ("id", Kind::Id),
    ("experiment_id", Kind::Id),
    ("status", Kind::Text),
    ("metadata", Kind::Json),
    ("position", Kind::Number),
    ("recipe", Kind::Json),
];
const EVENTS: Columns = &[
    ("experiment_id", Kind::Id),
    ("sequence", Kind::Number),
    ("kind", Kind::Text),
    ("data", Kind::Json),
    ("at", Kind::Time),
];
const ACTIVITY: Columns = &[
    ("id", Kind::Id),
    ("user_id", Kind::Id),
    ("action", Kind::Text),
    ("details", Kind::Json),
    ("ip_address", Kind::Address),
    ("created_at", Kind::Time),
];

const EARLIER_ANSWER: &str = "
    SELECT i.request_hash, i.experiment_id, u.quota_remaining
    FROM idempotency_keys i JOIN users u ON u.id = i.user_id WHERE i.user_id = $1 AND i.key = $2";

/// Who waits for an answer.
#[derive(Debug)]
struct Asked {
    experiment: NewExperiment,
    answer: oneshot::Sender<Result<Acceptance>>,
}

/// The requests that wait for the next transaction.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Asked>,
    /// So many carry them out, and look for more before they stop.
    at_work: usize,
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody more must be found who carries them out, where so many may at once.
    fn add(&self, asked: Asked, at_once: usize) -> Result<bool> {
        let mut waiting = self.lock();
        if waiting.requests.len() >= MOST_WAITING {
            return Err(StoreError::Contended("too many experiments are asked for at once".to_owned()));
        }
        waiting.requests.push_back(asked);
        let wanted = waiting.at_work < at_once;
        waiting.at_work += usize::from(wanted);
        Ok(wanted)
    }

    /// Those of the next transaction, in the order in which they came; none ends the work.
    fn next(&self) -> Vec<Asked> {
        let mut waiting = self.lock();
        let mut wells = 0;
        let fits = |asked: &&Asked| {
            wells += asked.experiment.wells.len();
            wells <= MOST_WELLS_TOGETHER
        };
        let count = waiting.requests.iter().take(MOST_TOGETHER).take_while(fits).count();
        let together = count.max(1).min(waiting.requests.len());
        waiting.at_work -= usize::from(together == 0);
        waiting.requests.drain(..together).collect()
    }
}

/// Should carrying them out panic, another takes the place.
struct Work<'a>(&'a Gathered);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().at_work -= 1;
        }
    }
}

impl Store {
    /// Charges the quota and stores experiment, wells, activity and first event in one transaction, perhaps with others'.
    /// Durable when it returns.
    ///
    /// # Errors
    /// `NotFound` where there is no such account. After `Unreachable` nobody knows whether it was accepted; an idempotency
    /// key tells.
    #[boxed]
    pub async fn accept(&self, experiment: NewExperiment) -> Result<Acceptance> {
        let (answer, answered) = oneshot::channel();
        if self.gathered().add(Asked { experiment, answer }, at_once(self.backend()))? {
            // On its own: who asked may go away, and the others wait for it too.
            tokio::spawn(carry_out(self.clone()));
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unreachable("the transaction broke off".to_owned())))
    }

    /// What the same request with the same key of the same person was answered before, if it was. A request that is on
    /// its way at this moment isn't seen: [`Store::accept`] looks again.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn earlier_answer(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Acceptance>> {
        let row = sql!(EARLIER_ANSWER, user, key.key.as_str()).one(self.reader()).await?;
        let Some(row) = row else { return Ok(None) };
        Earlier::read(&row)?.answer(key, row.get("quota_remaining")?).map(Some)
    }

    /// Whether the queue is so long that it must be counted before another is let in.
    async fn is_nearly_full(&self, limit: u32) -> Result<bool> {
        let turns = self.turns().await?;
        let since = self.queue_changes().saturating_sub(turns.changes());
        // What other processes accepted since is within the twentieth part.
        Ok(turns.len() as u64 + since + u64::from(limit / 20) >= u64::from(limit))
    }

    async fn accept_together(&self, experiments: &[NewExperiment]) -> Result<Vec<Result<Acceptance>>> {
        let limit = self.queue_limit();
        let counts = self.is_nearly_full(limit).await?;
        let answers = transact!(self, |tx| {
            let mut desk = Desk {
                accounts: accounts(tx, self.backend(), experiments).await?,
                earlier: earlier(tx, self.backend(), experiments).await?,
                room: if counts { Some(room(tx, limit).await?) } else { None },
                limit,
            };
            let mut answers = Vec::with_capacity(experiments.len());
            for experiment in experiments {
                answers.push(match desk.decide(tx, experiment).await {
                    Err(StoreError::NotFound(what)) => Err(StoreError::NotFound(what)),
                    decided => Ok(decided?),
                });
            }
            let accepted = experiments.iter().zip(&answers).filter(|(_, answer)| is_accepted(answer));
            let accepted: Vec<_> = accepted.map(|(experiment, _)| experiment).collect();
            write(tx, self.backend(), &accepted).await?;
            Ok(answers)
        });
        for (experiment, _) in experiments.iter().zip(&answers).filter(|(_, answer)| is_accepted(answer)) {
            self.signal([Signal::Experiment(experiment.id), Signal::Queue]);
        }
        Ok(answers)
    }
}

const fn is_accepted(answer: &Result<Acceptance>) -> bool {
    matches!(answer, Ok(Acceptance::Accepted { .. }))
}

/// Carries out what is waiting, until nothing is.
async fn carry_out(store: Store) {
    let _work = Work(store.gathered());
    loop {
        let (experiments, waiting): (Vec<_>, Vec<_>) =
            store.gathered().next().into_iter().map(|asked| (asked.experiment, asked.answer)).unzip();
        if experiments.is_empty() {
            return;
        }
        for (answer, waiting) in answers(&store, &experiments).await.into_iter().zip(waiting) {
            // Who asked may have gone.
            let _ = waiting.send(answer);
        }
    }
}

/// An answer for each. One that the database refuses doesn't take the others with it.
async fn answers(store: &Store, experiments: &[NewExperiment]) -> Vec<Result<Acceptance>> {
    match store.accept_together(experiments).await {
        Ok(answers) => answers,
        Err(error) if error.is_passing() || experiments.len() == 1 => {
            experiments.iter().map(|_| Err(error.clone())).collect()
        }
        Err(_) => {
            let mut answers = Vec::with_capacity(experiments.len());
            for experiment in experiments.chunks(1) {
                let alone = store.accept_together(experiment).await;
                answers
                    .push(alone.and_then(|mut answers| answers.pop().unwrap_or(Err(StoreError::NotFound("answer")))));
            }
            answers
        }
    }
}

/// What an idempotency key made before.
struct Earlier {
    request_hash: String,
    experiment: ExperimentId,
}

impl Earlier {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { request_hash: row.get("request_hash")?, experiment: row.get("experiment_id")? })
    }

    fn answer(&self, key: &IdempotencyKey, quota_remaining: i32) -> Result<Acceptance> {
        if self.request_hash != key.request_hash {
            return Ok(Acceptance::KeyReused);
        }
        Ok(Acceptance::Replayed { experiment: self.experiment, quota_remaining })
    }
}

/// What is known while the requests of one transaction are decided, one after another.
struct Desk {
    /// Quotas, with what was charged so far. Their rows are locked.
    accounts: HashMap<UserId, i32>,
    earlier: HashMap<(UserId, String), Earlier>,
    /// Places left in the queue, where it is nearly full.
    room: Option<i64>,
    limit: u32,
}

impl Desk {
    async fn decide(&mut self, tx: &DatabaseTransaction, asked: &NewExperiment) -> Result<Acceptance> {
        let remaining = *self.accounts.get(&asked.user_id).ok_or(StoreError::NotFound("account"))?;
        let key = asked.idempotency.as_ref().map(|key| ((asked.user_id, key.key.clone()), key));
        if let Some((name, key)) = &key
            && let Some(earlier) = self.earlier.get(name)
        {
            return earlier.answer(key, remaining);
        }
        if self.room.is_some_and(|room| room <= 0) {
            return Ok(Acceptance::QueueFull { limit: self.limit });
        }
        let count = |wells: usize| i32::try_from(wells).unwrap_or(i32::MAX);
        let (wells, given_back) = (count(asked.wells.len()), count(asked.gives_back.len()));
        if given_back > wells || !wells::may_be_given_back(tx, asked.user_id, &asked.gives_back).await? {
            return Ok(Acceptance::AlreadyGivenBack);
        }
        if remaining + given_back < wells {
            return Ok(Acceptance::QuotaExhausted { remaining });
        }
        wells::give_back(tx, asked.user_id, &asked.gives_back).await?;
        let quota_remaining = remaining + given_back - wells;
        self.accounts.insert(asked.user_id, quota_remaining);
        self.room = self.room.map(|room| room - 1);
        if let Some((name, key)) = key {
            let earlier = Earlier { request_hash: key.request_hash.clone(), experiment: asked.id };
            self.earlier.insert(name, earlier);
        }
        Ok(Acceptance::Accepted { quota_remaining })
    }
}

/// The quotas of those who ask, in rows that are locked from here on: all that a person asks for passes theirs.
async fn accounts(
    tx: &DatabaseTransaction,
    backend: Backend,
    experiments: &[NewExperiment],
) -> Result<HashMap<UserId, i32>> {
    // Always in the same order, so that two processes never wait for each other.
    let text = format!(
        "SELECT id, quota_remaining FROM users WHERE id IN (SELECT given.id FROM {given}) ORDER BY id{locked}",
        given = backend.rows(1, USERS),
        locked = backend.for_update(),
    );
    let users = experiments.iter().map(|asked| GivenRow::default().id("id", asked.user_id.as_uuid()));
    let rows = Sql::new(text, vec![given(users)]).all(tx).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("quota_remaining")?))).collect()
}

async fn earlier(
    tx: &DatabaseTransaction,
    backend: Backend,
    experiments: &[NewExperiment],
) -> Result<HashMap<(UserId, String), Earlier>> {
    let keys = experiments.iter().filter_map(|asked| {
        let key = asked.idempotency.as_ref()?;
        Some(GivenRow::default().id("user_id", asked.user_id.as_uuid()).text("key", &key.key))
    });
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let text = format!(
        "SELECT i.user_id, i.key, i.request_hash, i.experiment_id FROM {given}
         JOIN idempotency_keys i ON i.user_id = given.user_id AND i.key = given.key",
        given = backend.rows(1, KEYS),
    );
    let rows = Sql::new(text, vec![given(keys)]).all(tx).await?;
    rows.iter().map(|row| Ok(((row.get("user_id")?, row.get("key")?), Earlier::read(row)?))).collect()
}

/// How many more may wait.
async fn room(tx: &DatabaseTransaction, limit: u32) -> Result<i64> {
    let waiting =
        "SELECT COUNT(*) AS waiting FROM (SELECT 1 AS one FROM experiments WHERE status = 'queued' LIMIT $1) AS first";
    let row = sql!(waiting, i64::from(limit)).one(tx).await?;
    Ok(i64::from(limit) - row.map(|row| row.get::<i64>("waiting")).transpose()?.unwrap_or_default())
}

/// Writes what was accepted: a statement a table, however many they are.
async fn write(tx: &DatabaseTransaction, backend: Backend, accepted: &[&NewExperiment]) -> Result<()> {
    if accepted.is_empty() {
        return Ok(());
    }
    let insert = async |table, columns, rows| {
        Sql::new(backend.insert_rows(table, columns), vec![given(rows)]).execute(tx).await.map(drop)
    };
    charge(tx, backend, accepted).await?;
    insert("experiments", EXPERIMENTS, accepted.iter().map(|asked| experiment_row(asked)).collect()).await?;
    insert("wells", WELLS, accepted.iter().flat_map(|asked| well_rows(asked)).collect()).await?;
    let at = now();
    insert("events", EVENTS, accepted.iter().map(|asked| event_row(asked, at)).collect()).await?;
    let acts = accepted.iter().flat_map(|asked| std::iter::once(creation(asked)).chain(asked.retried.clone()));
    insert("user_activity_log", ACTIVITY, acts.map(|act| activity_row(act, at)).collect()).await?;
    let keys: Vec<_> = accepted.iter().filter_map(|asked| key_row(asked, at)).collect();
    if keys.is_empty() { Ok(()) } else { insert("idempotency_keys", KEYS, keys).await }
}

async fn charge(tx: &DatabaseTransaction, backend: Backend, accepted: &[&NewExperiment]) -> Result<()> {
    let mut charges: HashMap<UserId, i64> = HashMap::new();
    for asked in accepted {
        let wells = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        *charges.entry(asked.user_id).or_default() += wells(asked.wells.len()) - wells(asked.gives_back.len());
    }
    let text = format!(
        "UPDATE users SET quota_remaining = quota_remaining - given.charge FROM {given} WHERE users.id = given.id",
        given = backend.rows(1, CHARGES),
    );
    let rows =
        charges.iter().map(|(user, charge)| GivenRow::default().id("id", user.as_uuid()).number("charge", *charge));
    Sql::new(text, vec![given(rows)]).execute(tx).await.map(drop)
}

fn experiment_row(asked: &NewExperiment) -> GivenRow {
    let needs = asked.needs();
    let row = GivenRow::default()
        .id("id", asked.id.as_uuid())
        .id("user_id", asked.user_id.as_uuid())
        .text("status", ExperimentStatus::Queued.as_str())
        .json("metadata", asked.metadata.clone())
        .time("created_at", asked.kept_at())
        .number("priority", asked.priority)
        .number("last_sequence", 1)
        .number("asked", i32::try_from(asked.wells.len()).unwrap_or(i32::MAX))
        .text("dyes", dye_list(&needs))
        .number("least_nl", needs.least.nanolitres())
        .number("fullest_nl", needs.fullest.nanolitres());
    match &asked.name {
        Some(name) => row.text("name", name),
        None => row,
    }
}

fn well_rows(asked: &NewExperiment) -> impl Iterator<Item = GivenRow> {
    asked.places().map(|Place { position, well, makes_up_for }| {
        GivenRow::default()
            .id("id", well.id.as_uuid())
            .id("experiment_id", asked.id.as_uuid())
            .text("status", WellStatus::Pending.as_str())
            .json("metadata", wells::metadata(makes_up_for, well.target))
            .number("position", position)
            .json("recipe", json(&well.recipe))
    })
}

fn event_row(asked: &NewExperiment, at: DateTime<Utc>) -> GivenRow {
    let NewEvent { event, .. } = NewEvent::status(asked.id, ExperimentStatus::Queued, None);
    GivenRow::default()
        .id("experiment_id", asked.id.as_uuid())
        .number("sequence", 1)
        .text("kind", event.kind().as_str())
        .json("data", event.data())
        .time("at", at)
}

fn activity_row(act: NewActivity, at: DateTime<Utc>) -> GivenRow {
    let row = GivenRow::default()
        .id("id", ActivityId::new().as_uuid())
        .text("action", act.action)
        .json("details", act.details)
        .address("ip_address", act.ip_address)
        .time("created_at", at);
    match act.user_id {
        Some(user) => row.id("user_id", user.as_uuid()),
        None => row,
    }
}

fn key_row(asked: &NewExperiment, at: DateTime<Utc>) -> Option<GivenRow> {
    let key = asked.idempotency.as_ref()?;
    let row = GivenRow::default()
        .id("user_id", asked.user_id.as_uuid())
        .text("key", &key.key)
        .text("request_hash", &key.request_hash)
        .id("experiment_id", asked.id.as_uuid())
        .time("created_at", at);
    Some(row)
}

fn creation(asked: &NewExperiment) -> NewActivity {
    let mut details = json!({ "experiment_id": asked.id, "wells": asked.wells.len() });
    if let Some(flow_run) = asked.metadata.get(MADE_BY_FLOW_RUN) {
        details["by"] = json!("Prefect");
        details["flow_run"] = flow_run.clone();
    }
    NewActivity { user_id: Some(asked.user_id), action: "experiment_created", details, ip_address: asked.ip_address }
}
