//! The journal: *intended* is durable before anything is sent, the outcome before anything follows from it.
//!
//! An entry carries the end of one operation, what that changes, and the intent of the next, in one commit. Its first
//! statement is the fence: it names the lease's epoch, so that a worker whose lane was taken over writes nothing; and
//! with an intent it names people's hold and their last act, so that nothing is begun after a pause or a stop has
//! committed, nor on a deck that somebody's hands have changed.

use crate::{
    change::{Effects, Fence, RobotUpdate},
    connection::{Store, transact},
    documents::NewDocument,
    error::{Result, StoreError},
    records::*,
    sql::{Row, Sql, now, row_values, sql},
    wells::sql_list,
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Collection, ExperimentId, JournalEvent, Operation, OperationId, OperationState, RobotId, Step};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use std::collections::HashSet;

/// The most operations of one answer.
const MOST_OPERATIONS: u32 = 1_000;

/// An operation with its newest event other than the intent: how it ended.
const OPERATIONS: &str = "
    SELECT o.id, o.robot_id, o.experiment_id, o.lease_epoch, o.run_id, o.sequence, o.step, o.state, o.intended_at,
        e.outcome, e.at AS ended_at FROM operations o
    LEFT JOIN operation_events e ON e.operation_id = o.id AND e.event = o.state AND o.state <> 'intended'";

impl Store {
    /// One transaction, fenced by the lease's epoch: the end of one operation, its changes, the intent of the next.
    /// All of it is durable when it returns.
    ///
    /// # Errors
    /// `LeaseLost` where another worker drives the robot; `Held` where it carries an intent and somebody holds the robot
    /// or attended it meanwhile; `IllegalTransition` and `WellTaken` where it contradicts what is stored. After each of
    /// them nothing of it was written; after `Unreachable` nobody knows.
    #[boxed]
    pub async fn commit(&self, lease: &Lease, entry: Entry) -> Result<()> {
        let signals = transact!(self, |tx| { write(tx, lease, &entry).await });
        self.signal(signals);
        Ok(())
    }

    /// Operations of this robot that were intended and have no ending, oldest first.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn open_operations(&self, robot: RobotId) -> Result<Vec<JournalledOperation>> {
        let text = format!("{OPERATIONS} WHERE o.robot_id = $1 AND o.state = 'intended' ORDER BY o.sequence LIMIT $2");
        let rows = sql!(text, robot, i64::from(MOST_OPERATIONS)).all(self.reader()).await?;
        rows.iter().map(read_operation).collect()
    }

    /// Those of these ids that are operations of this robot's journal.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn known_operations(&self, robot: RobotId, ids: &[OperationId]) -> Result<HashSet<OperationId>> {
        let mut known = HashSet::with_capacity(ids.len());
        for some in ids.chunks(MOST_OPERATIONS as usize) {
            let rows = some.iter().map(|id| row_values![*id]).collect();
            let of_robot = "SELECT id FROM operations WHERE robot_id = $1 AND id IN (VALUES";
            let query = Sql::with_rows(of_robot, row_values![robot], rows, ")");
            for row in query.all(self.reader()).await? {
                known.insert(row.get("id")?);
            }
        }
        Ok(known)
    }

    /// An experiment's operations in order. `after` is a sequence (0: from the start); at most `limit` (≤ 1000). As new
    /// as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn operations(
        &self,
        experiment: ExperimentId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<JournalledOperation>> {
        let text = format!("{OPERATIONS} WHERE o.experiment_id = $1 AND o.sequence > $2 ORDER BY o.sequence LIMIT $3");
        let asked = sql!(text, experiment, after, i64::from(limit.min(MOST_OPERATIONS)));
        let rows = asked.all(&self.view_of(experiment).await).await?;
        rows.iter().map(read_operation).collect()
    }
}

async fn write(tx: &DatabaseTransaction, lease: &Lease, entry: &Entry) -> Result<Vec<Signal>> {
    let mut robot = RobotUpdate::of(&entry.changes);
    robot.operations = i64::from(entry.intended.is_some()) + i64::try_from(entry.lost.len()).unwrap_or(i64::MAX);
    let fence = match &entry.intended {
        Some(intended) => Fence::MayMove(lease, intended.purpose, intended.acts),
        None => Fence::Leased(lease),
    };
    let sequence = robot.write(tx, lease.robot_id, fence).await?;
    let record = match &entry.ended {
        Some(ended) => Some(end(tx, lease.robot_id, ended).await?),
        None => None,
    };
    if let Some(intended) = &entry.intended {
        intend(tx, lease, intended, sequence).await?;
    }
    let lost = write_lost(tx, lease, &entry.lost, sequence - i64::from(entry.intended.is_some())).await?;
    write_events(tx, entry).await?;
    let mut effects = Effects::of(tx, lease.robot_id, &entry.changes).await?;
    record.into_iter().chain(lost).for_each(|record| effects.keep(record));
    effects.finish(tx).await
}

/// The events that may come before this one.
fn lawful_before(event: JournalEvent) -> String {
    use JournalEvent::{InDoubt, Intended};
    let histories: [&[JournalEvent]; 2] = [&[Intended], &[Intended, InDoubt]];
    let lawful =
        histories.into_iter().filter_map(|history| OperationState::fold(history.iter().copied()).ok().flatten());
    sql_list(
        lawful.filter(|state| OperationState::after(Some(*state), event).is_ok()).map(|state| state.last().as_str()),
    )
}

/// Gives the document that tells of it.
async fn end(tx: &DatabaseTransaction, robot: RobotId, ended: &Ended) -> Result<NewDocument> {
    let text = format!(
        "UPDATE operations SET state = $3 WHERE id = $1 AND robot_id = $2 AND state IN ({})
         RETURNING experiment_id, lease_epoch, run_id, sequence, step, intended_at",
        lawful_before(ended.event)
    );
    if let Some(row) = sql!(text, ended.operation, robot, ended.event).one(tx).await? {
        return Ok(Told::read(&row)?.record(robot, ended));
    }
    let row =
        sql!("SELECT state FROM operations WHERE id = $1 AND robot_id = $2", ended.operation, robot).one(tx).await?;
    let from: JournalEvent = row.ok_or(StoreError::NotFound("operation"))?.get("state")?;
    Err(illegal(from, ended.event))
}

/// What a robot was told.
struct Told {
    experiment: Option<ExperimentId>,
    step: Step,
    run: Option<String>,
    epoch: i64,
    sequence: i64,
    intended_at: DateTime<Utc>,
}

impl Told {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            experiment: row.get("experiment_id")?,
            step: row.get("step")?,
            run: row.get("run_id")?,
            epoch: row.get("lease_epoch")?,
            sequence: row.get("sequence")?,
            intended_at: row.get("intended_at")?,
        })
    }

    /// The document of it, and of how it ended.
    fn record(self, robot: RobotId, ended: &Ended) -> NewDocument {
        let Self { experiment, step, run, epoch, sequence, intended_at } = self;
        let body = json!({
            "experiment_id": experiment, "robot_id": robot, "run_id": run, "lease_epoch": epoch, "sequence": sequence,
            "name": step.name(), "step": step, "state": ended.event, "intended_at": intended_at, "ended_at": now(),
            "outcome": ended.outcome,
        });
        NewDocument { collection: Collection::RobotCommands, id: ended.operation.as_uuid(), experiment, body }
    }
}

fn illegal(from: JournalEvent, to: JournalEvent) -> StoreError {
    StoreError::IllegalTransition { what: "an operation", from: from.to_string(), to: to.to_string() }
}

async fn intend(tx: &DatabaseTransaction, lease: &Lease, intended: &Intended, sequence: i64) -> Result<()> {
    let Intended { operation, experiment_id, run_id, .. } = intended;
    let written = sql!(
        "INSERT INTO operations (id, robot_id, experiment_id, lease_epoch, run_id, sequence, step, state, intended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        operation.id,
        lease.robot_id,
        *experiment_id,
        lease.epoch,
        run_id.clone(),
        sequence,
        &operation.step,
        JournalEvent::Intended,
        now(),
    );
    if written.execute(tx).await? == 1 {
        return Ok(());
    }
    let row = sql!("SELECT state FROM operations WHERE id = $1", operation.id).one(tx).await?;
    let from = row.ok_or(StoreError::NotFound("operation"))?.get("state")?;
    Err(illegal(from, JournalEvent::Intended))
}

/// Each is intended, in doubt and settled at once, in this order; `last` is the place of the last of them. Gives the documents that
/// tell of them.
async fn write_lost(tx: &DatabaseTransaction, lease: &Lease, lost: &[Lost], last: i64) -> Result<Vec<NewDocument>> {
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let at = now();
    let first = last - i64::try_from(lost.len()).unwrap_or_default() + 1;
    let rows = lost.iter().zip(first..).map(|(lost, sequence)| {
        let Lost { operation, experiment_id, run_id, .. } = lost;
        let run = Some(run_id.clone());
        row_values![
            operation.id,
            lease.robot_id,
            *experiment_id,
            lease.epoch,
            run,
            sequence,
            &operation.step,
            JournalEvent::Settled,
            at
        ]
    });
    let into = "INSERT INTO operations (id, robot_id, experiment_id, lease_epoch, run_id, sequence, step, state, intended_at) VALUES";
    Sql::with_rows(into, Vec::new(), rows.collect(), "").execute(tx).await?;
    // Their order is that of their times.
    let events = lost.iter().flat_map(|lost| {
        let row = |event: JournalEvent, after: i64, outcome: Option<Value>| {
            row_values![lost.operation.id, event, outcome, at + TimeDelta::milliseconds(after)]
        };
        let by = serde_json::json!({ "by": "policy: what the robot was told and the journal lost is a doubt" });
        [
            row(JournalEvent::Intended, 0, None),
            row(JournalEvent::InDoubt, 1, Some(lost.outcome.clone())),
            row(JournalEvent::Settled, 2, Some(by)),
        ]
    });
    let into = "INSERT INTO operation_events (operation_id, event, outcome, at) VALUES";
    Sql::with_rows(into, Vec::new(), events.collect(), "").execute(tx).await?;
    let record = |(lost, sequence): (&Lost, i64)| {
        let Lost { operation, experiment_id, run_id, outcome } = lost;
        let (step, run) = (operation.step.clone(), Some(run_id.clone()));
        let told = Told { experiment: *experiment_id, step, run, epoch: lease.epoch, sequence, intended_at: at };
        let (event, outcome) = (JournalEvent::Settled, outcome.clone());
        told.record(lease.robot_id, &Ended { operation: operation.id, event, outcome })
    };
    Ok(lost.iter().zip(first..).map(record).collect())
}

async fn write_events(tx: &DatabaseTransaction, entry: &Entry) -> Result<()> {
    let at = now();
    let row = |operation: OperationId, event: JournalEvent, outcome: Option<Value>| {
        row_values![operation, event, outcome, at]
    };
    let ended = entry.ended.as_ref().map(|ended| row(ended.operation, ended.event, Some(ended.outcome.clone())));
    let intended = entry.intended.as_ref().map(|intended| row(intended.operation.id, JournalEvent::Intended, None));
    let rows: Vec<_> = ended.into_iter().chain(intended).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let into = "INSERT INTO operation_events (operation_id, event, outcome, at) VALUES";
    Sql::with_rows(into, Vec::new(), rows, "").execute(tx).await?;
    Ok(())
}

fn read_operation(row: &Row) -> Result<JournalledOperation> {
    Ok(JournalledOperation {
        operation: Operation { id: row.get("id")?, step: row.get("step")? },
        robot_id: row.get("robot_id")?,
        experiment_id: row.get("experiment_id")?,
        lease_epoch: row.get("lease_epoch")?,
        run_id: row.get("run_id")?,
        sequence: row.get("sequence")?,
        state: row.get("state")?,
        intended_at: row.get("intended_at")?,
        ended_at: row.get("ended_at")?,
        outcome: row.get("outcome")?,
    })
}
