//! Experiments from the people's side: read and steered. How they are asked for is in `acceptance`.

use crate::{
    accounts::MOST_ROWS,
    activity,
    connection::{Backend, Store, transact},
    documents,
    error::{Result, StoreError},
    events::{self, NewEvent},
    plates,
    records::*,
    sql::{Row, Sql, now, row_values, sql},
    wells::{self, sql_list},
};
use async_recursion::async_recursion as boxed;
use domain::{
    Control, DyeName, ExperimentId, ExperimentStatus, Fault, Granted, GroupId, Handling, Needs, UserId, WellId,
    WellStatus, colour::Target,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// Lines of a page about a group's experiments.
const MOST_OF_GROUP: u32 = 50;

/// Experiments with their owners' addresses.
pub(crate) const EXPERIMENTS: &str = "
    SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at,
        e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, u.email
    FROM experiments e JOIN users u ON u.id = e.user_id";

/// The same with what is written down of their wells.
const LINES: &str = "
    SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at,
        e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, e.asked, e.measured, e.doubtful,
        e.swatches, u.email
    FROM experiments e JOIN users u ON u.id = e.user_id";

impl Store {
    /// The experiment that a person's idempotency key made.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn experiment_of_key(&self, user: UserId, key: &str) -> Result<Option<ExperimentId>> {
        let row = sql!("SELECT experiment_id FROM idempotency_keys WHERE user_id = $1 AND key = $2", user, key);
        row.one(self.reader()).await?.map(|row| row.get("experiment_id")).transpose()
    }

    /// An experiment with its wells and their results, as new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn experiment(&self, id: ExperimentId) -> Result<Option<ExperimentDetail>> {
        let (view, text) = (self.view_of(id).await, format!("{EXPERIMENTS} WHERE e.id = $1"));
        let row = match sql!(text.clone(), id).one(&view).await? {
            // One that is newer than all that a replica has.
            None if view.leave() => sql!(text, id).one(self.reader()).await?,
            row => row,
        };
        match row {
            Some(row) => Ok(Some(detail(&view, &row).await?)),
            None => Ok(None),
        }
    }

    /// Newest first; of one user or of all, as new as [`Store::reading`] says. `limit` ≤ 200.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn experiments(
        &self,
        user: Option<UserId>,
        after: Option<ExperimentId>,
        limit: u32,
    ) -> Result<Page<ExperimentSummary, ExperimentId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let text = format!(
            "{LINES} WHERE e.id < $1{of_user} ORDER BY e.id DESC LIMIT $2",
            of_user = if user.is_some() { " AND e.user_id = $3" } else { "" },
        );
        let mut query = sql!(text, after.map_or(Uuid::max(), ExperimentId::as_uuid), i64::from(limit) + 1);
        query.and_bind(user);
        let view = self.view();
        summaries(&view, query, limit).await
    }

    /// The same of all members of a group. Looks at the newest `limit` (≤ 50) of each of them, however many they have.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn experiments_of_group(
        &self,
        group: GroupId,
        after: Option<ExperimentId>,
        limit: u32,
    ) -> Result<Page<ExperimentSummary, ExperimentId>> {
        let limit = limit.clamp(1, MOST_OF_GROUP);
        let newest =
            "SELECT x.id FROM experiments x WHERE x.user_id = s.user_id AND x.id < $1 ORDER BY x.id DESC LIMIT $2";
        let of_each = match self.backend() {
            Backend::Sqlite => format!("JOIN experiments n ON n.user_id = s.user_id AND n.id IN ({newest})"),
            Backend::Postgres => format!("CROSS JOIN LATERAL ({newest}) n"),
        };
        let text = format!(
            "{LINES} WHERE e.id IN (SELECT n.id FROM group_members s {of_each}
                WHERE s.group_id = $3 AND s.standing = 'member')
             ORDER BY e.id DESC LIMIT $2"
        );
        let query = sql!(text, after.map_or(Uuid::max(), ExperimentId::as_uuid), i64::from(limit) + 1, group);
        summaries(&self.view(), query, limit).await
    }

    /// Pause, resume or cancel. What no worker holds changes at once (a cancelled queue entry returns its quota);
    /// for what a lane has in hand the wish is written down. A wish to cancel can't be taken back. Logged unless refused.
    ///
    /// # Errors
    /// `NotFound` where there is no such experiment. What its state doesn't allow is no error, but `Refused`.
    #[boxed]
    pub async fn control(&self, id: ExperimentId, control: Control, by: &NewActivity) -> Result<ControlOutcome> {
        let text = format!("SELECT status, control FROM experiments WHERE id = $1{}", self.backend().for_update());
        let outcome = transact!(self, |tx| {
            let row = sql!(text.clone(), id).one(tx).await?.ok_or(StoreError::NotFound("experiment"))?;
            let (status, pending) = (row.get("status")?, row.get("control")?);
            let outcome = apply_control(tx, id, control, status, pending).await?;
            if !matches!(outcome, ControlOutcome::Refused(_)) {
                activity::insert(self.backend(), by).execute(tx).await?;
            }
            Ok(outcome)
        });
        if !matches!(outcome, ControlOutcome::Refused(_)) {
            self.signal([Signal::Experiment(id), Signal::Queue]);
        }
        Ok(outcome)
    }
}

/// The lines that a query for [`LINES`] finds, one more than the page may have.
async fn summaries(on: &impl ConnectionTrait, query: Sql, limit: u32) -> Result<Page<ExperimentSummary, ExperimentId>> {
    let rows = query.all(on).await?;
    let lines = rows.iter().map(Line::read).collect::<Result<Vec<_>>>()?;
    let Page { data, next } = Page::cut(lines, limit, |line: &Line| line.experiment.id);
    let unknown = data.iter().filter(|line| line.tally.is_none()).map(|line| line.experiment.id);
    let mut counted = tallies(on, unknown).await?;
    let data = data
        .into_iter()
        .map(|Line { experiment, email, tally }| {
            let tally = tally.unwrap_or_else(|| counted.remove(&experiment.id).unwrap_or_default());
            let Tally { wells, measured, doubtful, swatches } = tally;
            ExperimentSummary { experiment, email, wells, measured, doubtful, swatches }
        })
        .collect();
    Ok(Page { data, next })
}

/// Its dyes as they are stored: in order, separated by spaces.
pub(crate) fn dye_list(needs: &Needs) -> String {
    needs.dyes.iter().map(DyeName::as_str).collect::<Vec<_>>().join(" ")
}

async fn apply_control(
    tx: &DatabaseTransaction,
    id: ExperimentId,
    control: Control,
    status: ExperimentStatus,
    pending: Option<Control>,
) -> Result<ControlOutcome> {
    let to = match control.granted(status, pending) {
        Some(Granted::Becomes(to)) => to,
        Some(Granted::Asked) => {
            sql!("UPDATE experiments SET control = $2 WHERE id = $1", id, control).execute(tx).await?;
            return Ok(ControlOutcome::Requested);
        }
        // Before the worker saw it, or while it saw it: it reads the wish once more before it acts on it.
        Some(Granted::TakenBack) => {
            sql!("UPDATE experiments SET control = NULL WHERE id = $1", id).execute(tx).await?;
            return Ok(ControlOutcome::Applied(status));
        }
        None => return Ok(ControlOutcome::Refused(status)),
    };
    let happened = step(tx, id, to, None).await?;
    if to.is_final() {
        documents::keep(tx, plates::left_by_experiment(tx, id).await?.into_iter().collect()).await?;
    }
    events::append(tx, happened).await?;
    Ok(ControlOutcome::Applied(to))
}

/// One lawful step of an experiment, with what it means for its wells. Gives the events to be appended, the status last,
/// since a stream ends with a final one.
pub(crate) async fn step(
    tx: &DatabaseTransaction,
    id: ExperimentId,
    to: ExperimentStatus,
    fault: Option<&Fault>,
) -> Result<Vec<NewEvent>> {
    let at = now();
    let text = format!(
        "UPDATE experiments SET status = $2, fault = $3, control = NULL, completed_at = $4,
             started_at = CASE WHEN $5 THEN COALESCE(started_at, $6) ELSE started_at END
         WHERE id = $1 AND status IN ({lawful})",
        lawful = sql_list(ExperimentStatus::ALL.iter().filter(|from| from.may_become(to)).map(|from| from.as_str())),
    );
    let completed_at = to.is_final().then_some(at);
    let starts = to == ExperimentStatus::Running;
    if sql!(text, id, to, fault, completed_at, starts, at).execute(tx).await? == 0 {
        return Err(why_not(tx, id, to).await?);
    }
    let mut happened = Vec::new();
    if to.is_final() {
        let end = if to == ExperimentStatus::Cancelled { WellStatus::Cancelled } else { WellStatus::Failed };
        happened = wells::end_all(tx, id, end, fault).await?;
        write_tally(tx, id).await?;
    }
    happened.push(NewEvent::status(id, to, fault));
    Ok(happened)
}

async fn why_not(tx: &DatabaseTransaction, id: ExperimentId, to: ExperimentStatus) -> Result<StoreError> {
    let row = sql!("SELECT status FROM experiments WHERE id = $1", id).one(tx).await?;
    let from: ExperimentStatus = row.ok_or(StoreError::NotFound("experiment"))?.get("status")?;
    Ok(StoreError::IllegalTransition { what: "an experiment", from: from.to_string(), to: to.to_string() })
}

/// An experiment as a list has it.
struct Line {
    experiment: Experiment,
    email: String,
    /// Nothing where its wells must be counted.
    tally: Option<Tally>,
}

impl Line {
    fn read(row: &Row) -> Result<Self> {
        let experiment = read_experiment(row)?;
        let tally = Tally::written(&experiment, row)?;
        Ok(Self { experiment, email: row.get("email")?, tally })
    }
}

/// What a list says about the wells of one experiment.
#[derive(Default)]
struct Tally {
    wells: u32,
    measured: u32,
    doubtful: u32,
    swatches: Vec<String>,
}

impl Tally {
    /// As it was written down when the experiment ended, or before anything was done for it.
    fn written(experiment: &Experiment, row: &Row) -> Result<Option<Self>> {
        let count =
            |column| Ok::<_, StoreError>(row.get::<Option<i32>>(column)?.and_then(|count| u32::try_from(count).ok()));
        let Some(wells) = count("asked")? else { return Ok(None) };
        if experiment.started_at.is_none() && !experiment.status.is_final() {
            return Ok(Some(Self { wells, ..Self::default() }));
        }
        let (Some(measured), Some(doubtful)) = (count("measured")?, count("doubtful")?) else { return Ok(None) };
        Ok(Some(Self { wells, measured, doubtful, swatches: read_swatches(row)? }))
    }
}

/// For an experiment that has just ended: nothing of it changes any more.
async fn write_tally(tx: &DatabaseTransaction, id: ExperimentId) -> Result<()> {
    let tally = tallies(tx, std::iter::once(id)).await?.remove(&id).unwrap_or_default();
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    sql!(
        "UPDATE experiments SET asked = $2, measured = $3, doubtful = $4, swatches = $5 WHERE id = $1",
        id,
        count(tally.wells),
        count(tally.measured),
        count(tally.doubtful),
        tally.swatches.join(","),
    )
    .execute(tx)
    .await
    .map(drop)
}

/// One query for all of them.
async fn tallies(
    on: &impl ConnectionTrait,
    experiments: impl Iterator<Item = ExperimentId>,
) -> Result<HashMap<ExperimentId, Tally>> {
    let ids = experiments.map(|id| row_values![id]).collect::<Vec<_>>();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = Sql::with_rows(
        "SELECT w.experiment_id,
             COUNT(*) FILTER (WHERE w.replaces IS NULL) AS asked,
             COUNT(*) FILTER (WHERE w.status = 'measured') AS measured,
             COUNT(*) FILTER (WHERE r.measurement_data ->> 'doubt' IS NOT NULL) AS doubtful,
             STRING_AGG(r.measurement_data ->> 'srgb', ',' ORDER BY w.position, w.id) AS swatches
         FROM wells w LEFT JOIN results r ON r.well_id = w.id
         WHERE w.experiment_id IN (VALUES",
        Vec::new(),
        ids,
        ") GROUP BY w.experiment_id",
    );
    query.all(on).await?.iter().map(|row| Ok((row.get("experiment_id")?, read_tally(row)?))).collect()
}

fn read_tally(row: &Row) -> Result<Tally> {
    let count = |column| row.get::<i64>(column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let swatches = read_swatches(row)?;
    Ok(Tally { wells: count("asked")?, measured: count("measured")?, doubtful: count("doubtful")?, swatches })
}

fn read_swatches(row: &Row) -> Result<Vec<String>> {
    let swatches: Option<String> = row.get("swatches")?;
    Ok(swatches.unwrap_or_default().split(',').filter(|swatch| !swatch.is_empty()).map(str::to_owned).collect())
}

pub(crate) fn read_experiment(row: &Row) -> Result<Experiment> {
    let metadata = row.get("metadata")?;
    Ok(Experiment {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        status: row.get("status")?,
        priority: row.get("priority")?,
        robot_id: row.get("robot_id")?,
        plate_id: row.get("plate_id")?,
        control: row.get("control")?,
        fault: row.get("fault")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        completed_at: row.get("completed_at")?,
        needs: read_needs(row, &metadata)?,
        metadata,
    })
}

fn read_needs(row: &Row, metadata: &Value) -> Result<Option<Needs>> {
    let Some(dyes) = row.get::<Option<String>>("dyes")? else { return Ok(None) };
    let names = dyes.split(' ').filter(|name| !name.is_empty()).map(str::parse);
    let dyes = names
        .collect::<std::result::Result<_, _>>()
        .map_err(|error: domain::DyeNameError| StoreError::Corrupt(error.to_string()))?;
    let strokes = metadata.get(Handling::KEPT_AS).is_some();
    Ok(Some(Needs { dyes, least: row.get("least_nl")?, fullest: row.get("fullest_nl")?, strokes }))
}

/// An experiment's row with its wells and their results.
pub(crate) async fn detail(on: &impl ConnectionTrait, row: &Row) -> Result<ExperimentDetail> {
    let experiment = read_experiment(row)?;
    let rows = sql!(
        "SELECT w.id, w.experiment_id, w.position, w.well_id, w.plate_id, w.status, w.recipe, w.replaces, w.fault, w.metadata,
             r.id AS result_id, r.measurement_data, r.created_at AS measured_at
         FROM wells w LEFT JOIN results r ON r.well_id = w.id
         WHERE w.experiment_id = $1 ORDER BY w.position, w.id",
        experiment.id,
    );
    let wells = rows.all(on).await?.iter().map(read_well).collect::<Result<_>>()?;
    Ok(ExperimentDetail { experiment, wells })
}

fn read_well(row: &Row) -> Result<(Well, Option<Measurement>)> {
    let (id, experiment_id): (WellId, ExperimentId) = (row.get("id")?, row.get("experiment_id")?);
    let metadata: Value = row.get("metadata")?;
    let well = Well {
        id,
        experiment_id,
        position: row.get("position")?,
        well_id: row.get("well_id")?,
        plate_id: row.get("plate_id")?,
        status: row.get("status")?,
        recipe: row.get("recipe")?,
        target: metadata.get(Target::KEPT_AS).and_then(|kept| Target::deserialize(kept).ok()),
        replaces: row.get("replaces")?,
        makes_up_for: metadata.get(wells::MAKES_UP_FOR).and_then(|id| id.as_str()?.parse().ok()),
        fault: row.get("fault")?,
    };
    let Some(result) = row.get("result_id")? else { return Ok((well, None)) };
    let (measurement_data, created_at) = (row.get("measurement_data")?, row.get("measured_at")?);
    Ok((well, Some(Measurement { id: result, experiment_id, well: id, measurement_data, created_at })))
}
