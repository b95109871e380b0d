//! How far a Prefect server is told of experiments.
//!
//! An experiment's events are written in the transaction of what they tell of, and their numbers have no gaps: they are the
//! outbox. A row here is the place up to which Prefect has them, and what the run there was last known to be.

use crate::{
    connection::{Store, transact},
    error::Result,
    purge::first_id,
    records::{PrefectRun, PrefectWaiting},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{ExperimentId, RobotId};
use std::collections::HashMap;
use uuid::Uuid;

/// Rows of one answer, and experiments that are noted at once.
const MOST_RUNS: u32 = 500;
const MOST_COUNTED: i64 = 100_000;

/// Where an experiment's metadata say which flow run it was made by.
pub const MADE_BY_FLOW_RUN: &str = "prefect_flow_run";

const RUNS: &str = "
    SELECT p.experiment_id, p.flow_run_id, p.told, p.state_id, p.state, p.progress_id, p.closed_at, e.status,
        e.last_sequence, r.name AS robot
    FROM prefect_runs p JOIN experiments e ON e.id = p.experiment_id LEFT JOIN robots r ON r.id = e.robot_id";

const NOTED: Columns = &[
    ("experiment_id", Kind::Id),
    ("flow_run_id", Kind::Text),
    ("told", Kind::Number),
    ("state_id", Kind::Text),
    ("state", Kind::Text),
    ("progress_id", Kind::Text),
    ("closed_at", Kind::Time),
];

impl Store {
    /// Notes experiments that Prefect is to be told of and that aren't noted: those asked for since then, however they stand;
    /// and with nothing given all that haven't ended. At most 500 at once; gives how many.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn note_for_prefect(&self, since: Option<DateTime<Utc>>) -> Result<u64> {
        let which = if since.is_some() { "e.id >= $2" } else { "e.status IN ('queued', 'running', 'paused')" };
        let text = format!(
            "INSERT INTO prefect_runs (experiment_id, flow_run_id, created_at)
             SELECT e.id, e.metadata ->> '{MADE_BY_FLOW_RUN}', e.created_at
             FROM experiments e LEFT JOIN prefect_runs p ON p.experiment_id = e.id
             WHERE p.experiment_id IS NULL AND {which} ORDER BY e.id LIMIT $1
             ON CONFLICT (experiment_id) DO NOTHING"
        );
        let mut query = sql!(text, i64::from(MOST_RUNS));
        query.and_bind(since.map(first_id));
        Ok(transact!(self, |tx| { query.clone().execute(tx).await }))
    }

    /// Those with something to tell, by age of their experiments, after one; at most `limit` (≤ 500).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn untold_prefect_runs(&self, after: Option<ExperimentId>, limit: u32) -> Result<Vec<PrefectRun>> {
        let text = format!(
            "{RUNS} WHERE p.closed_at IS NULL AND p.told < e.last_sequence AND p.experiment_id > $1
             ORDER BY p.experiment_id LIMIT $2"
        );
        let after = after.map_or(Uuid::nil(), ExperimentId::as_uuid);
        let rows = sql!(text, after, i64::from(limit.min(MOST_RUNS))).all(self.reader()).await?;
        rows.iter().map(read_run).collect()
    }

    /// Those of these experiments (≤ 500).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn prefect_runs_of(&self, experiments: &[ExperimentId]) -> Result<Vec<PrefectRun>> {
        let ids = experiments.iter().take(MOST_RUNS as usize).map(|id| row_values![*id]).collect::<Vec<_>>();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = Sql::with_rows(
            &format!("{RUNS} WHERE p.experiment_id IN (VALUES"),
            Vec::new(),
            ids,
            ") ORDER BY p.experiment_id",
        );
        query.all(self.reader()).await?.iter().map(read_run).collect()
    }

    /// Those that are these flow runs (≤ 500) there.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn prefect_runs_called(&self, flow_runs: &[String]) -> Result<Vec<PrefectRun>> {
        let ids = flow_runs.iter().take(MOST_RUNS as usize).map(|id| row_values![id.as_str()]).collect::<Vec<_>>();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = Sql::with_rows(&format!("{RUNS} WHERE p.flow_run_id IN (VALUES"), Vec::new(), ids, ")");
        query.all(self.reader()).await?.iter().map(read_run).collect()
    }

    /// Those that were last known to be paused there (≤ 500).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn paused_prefect_runs(&self) -> Result<Vec<PrefectRun>> {
        let text = format!("{RUNS} WHERE p.state = 'PAUSED' ORDER BY p.experiment_id LIMIT $1");
        sql!(text, i64::from(MOST_RUNS)).all(self.reader()).await?.iter().map(read_run).collect()
    }

    /// Writes down how far Prefect was told, and what it said; one statement for all.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn keep_prefect_runs(&self, runs: &[PrefectRun]) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        let at = now();
        let text = format!(
            "UPDATE prefect_runs SET flow_run_id = given.flow_run_id, told = given.told, state_id = given.state_id,
                 state = given.state, progress_id = given.progress_id, closed_at = given.closed_at
             FROM {rows} WHERE prefect_runs.experiment_id = given.experiment_id",
            rows = self.backend().rows(1, NOTED),
        );
        let rows = given(runs.iter().map(|run| {
            let mut row = GivenRow::default().id("experiment_id", run.experiment.as_uuid()).number("told", run.told);
            let texts = [
                ("flow_run_id", &run.flow_run),
                ("state_id", &run.state_id),
                ("state", &run.state),
                ("progress_id", &run.progress),
            ];
            for (column, text) in texts {
                if let Some(text) = text {
                    row = row.text(column, text.as_str());
                }
            }
            if run.is_closed { row.time("closed_at", at) } else { row }
        }));
        transact!(self, |tx| { sql!(text.clone(), rows.clone()).execute(tx).await.map(drop) });
        Ok(())
    }

    /// How much Prefect hasn't been told.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn waiting_for_prefect(&self) -> Result<PrefectWaiting> {
        let text = "SELECT COUNT(*) AS count, MIN(created_at) AS oldest FROM (
                SELECT p.created_at FROM prefect_runs p JOIN experiments e ON e.id = p.experiment_id
                WHERE p.closed_at IS NULL AND p.told < e.last_sequence LIMIT $1) AS waiting";
        let Some(row) = sql!(text, MOST_COUNTED).one(self.reader()).await? else {
            return Ok(PrefectWaiting::default());
        };
        let count = u64::try_from(row.get::<i64>("count")?).unwrap_or_default();
        Ok(PrefectWaiting { count, oldest: row.get("oldest")? })
    }

    /// Whether each robot's pool was paused when pool and robot last said the same.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn prefect_pools(&self) -> Result<HashMap<RobotId, bool>> {
        let rows = sql!("SELECT robot_id, paused FROM prefect_pools").all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.get("robot_id")?, row.get::<i16>("paused")? != 0))).collect()
    }

    /// Writes that down.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn keep_prefect_pool(&self, robot: RobotId, paused: bool) -> Result<()> {
        let text = "INSERT INTO prefect_pools (robot_id, paused) VALUES ($1, $2)
            ON CONFLICT (robot_id) DO UPDATE SET paused = excluded.paused";
        sql!(text, robot, i16::from(paused)).execute(self.writer()).await.map(drop)
    }
}

fn read_run(row: &Row) -> Result<PrefectRun> {
    Ok(PrefectRun {
        experiment: row.get("experiment_id")?,
        flow_run: row.get("flow_run_id")?,
        told: row.get("told")?,
        state_id: row.get("state_id")?,
        state: row.get("state")?,
        progress: row.get("progress_id")?,
        is_closed: row.get::<Option<DateTime<Utc>>>("closed_at")?.is_some(),
        status: row.get("status")?,
        robot: row.get("robot")?,
        last_sequence: row.get("last_sequence")?,
    })
}
