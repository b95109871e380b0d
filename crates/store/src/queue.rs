//! Whose turn it is: the queue as people see it and as lanes take from it.

use crate::{
    accounts::MOST_ROWS,
    connection::{Store, transact},
    error::{Result, StoreError},
    events,
    experiments::{detail, read_experiment, step},
    journal::check_lease,
    records::*,
    sql::{Row, Sql, now, row_values, sql},
    wells::check_untaken,
};
use domain::{ExperimentId, ExperimentStatus, PlateId, Recipe, RobotId, WellId, WellName};
use sea_orm::DatabaseTransaction;
use std::collections::HashMap;

/// Higher priority first; then everybody's first experiment before anybody's second; among those, who was served
/// longest ago (or never); then age.
const TURNS: &str = "
    WITH turns AS (
        SELECT e.*, ROW_NUMBER() OVER (PARTITION BY e.user_id ORDER BY e.priority DESC, e.created_at, e.id) AS turn
        FROM experiments e WHERE e.status = 'queued'
    )
    SELECT t.*, (
        SELECT COUNT(*) FROM wells w
        WHERE w.experiment_id = t.id AND w.status IN ('pending', 'dispensing', 'mixed')
    ) AS wells
    FROM turns t JOIN users u ON u.id = t.user_id
    WHERE {which}
    ORDER BY t.priority DESC, t.turn, u.last_served_at NULLS FIRST, t.created_at, t.id
    LIMIT $1";

impl Store {
    /// The queue in the order lanes take it: priority, then round robin between users, then age. At most `limit` (≤ 200).
    pub async fn queue(&self, limit: u32) -> Result<Vec<Queued>> {
        let query = sql!(TURNS.replace("{which}", "TRUE"), i64::from(limit.min(MOST_ROWS)));
        query.all(self.reader()).await?.iter().map(read_queued).collect()
    }

    /// The next experiment that this lane would take: the queue's first that isn't bound to another robot. Read only.
    pub async fn peek(&self, lease: &Lease) -> Result<Option<ExperimentDetail>> {
        let which = "t.robot_id IS NULL OR t.robot_id = $2";
        let row = sql!(TURNS.replace("{which}", which), 1i64, lease.robot_id).one(self.reader()).await?;
        match row {
            Some(row) => Ok(Some(detail(self.reader(), &row).await?)),
            None => Ok(None),
        }
    }

    /// The experiment that this lane has in hand (running here), if any.
    pub async fn in_hand(&self, lease: &Lease) -> Result<Option<ExperimentDetail>> {
        let running = "SELECT * FROM experiments WHERE robot_id = $1 AND status = 'running'";
        match sql!(running, lease.robot_id).one(self.reader()).await? {
            Some(row) => Ok(Some(detail(self.reader(), &row).await?)),
            None => Ok(None),
        }
    }

    /// Experiments that a lane has in hand now.
    pub async fn running(&self) -> Result<Vec<ExperimentId>> {
        let rows = sql!("SELECT id FROM experiments WHERE status = 'running' LIMIT $1", i64::from(MOST_ROWS))
            .all(self.reader())
            .await?;
        rows.iter().map(|row| row.get("id")).collect()
    }

    /// Whether an experiment is in hand at this robot.
    pub async fn running_on(&self, robot: RobotId) -> Result<bool> {
        let row = sql!("SELECT id FROM experiments WHERE robot_id = $1 AND status = 'running' LIMIT 1", robot);
        Ok(row.one(self.reader()).await?.is_some())
    }

    /// The experiment in hand at this robot, without its wells.
    pub async fn in_hand_at(&self, robot: RobotId) -> Result<Option<Experiment>> {
        let running = "SELECT * FROM experiments WHERE robot_id = $1 AND status = 'running' LIMIT 1";
        let row = sql!(running, robot).one(self.reader()).await?;
        row.map(|row| read_experiment(&row)).transpose()
    }

    /// The recipes that wait for this robot or for any, by experiment, in the order in which lanes take them; of the
    /// first 200 experiments.
    pub async fn demand(&self, robot: RobotId) -> Result<Vec<(ExperimentId, Vec<Recipe>)>> {
        let which = "t.robot_id IS NULL OR t.robot_id = $2";
        let turns = sql!(TURNS.replace("{which}", which), i64::from(MOST_ROWS), robot).all(self.reader()).await?;
        let mut demand = Vec::with_capacity(turns.len());
        let mut places = HashMap::with_capacity(turns.len());
        for row in &turns {
            let experiment: ExperimentId = row.get("id")?;
            places.insert(experiment, demand.len());
            demand.push((experiment, Vec::new()));
        }
        let waiting = "SELECT w.experiment_id, w.recipe FROM wells w JOIN experiments e ON e.id = w.experiment_id
            WHERE e.status = 'queued' AND w.status = 'pending'";
        for row in sql!(waiting).all(self.reader()).await? {
            let place = places.get(&row.get::<ExperimentId>("experiment_id")?);
            if let Some((_, recipes)) = place.and_then(|place| demand.get_mut(*place)) {
                recipes.push(row.get("recipe")?);
            }
        }
        Ok(demand)
    }

    /// What people wish of the worker now: of its experiment (pause, cancel) and of its robot (mode). One cheap query,
    /// asked between two operations; `LeaseLost` if the epoch isn't ours any more.
    pub async fn wishes(&self, lease: &Lease, experiment: ExperimentId) -> Result<Wishes> {
        let text = "SELECT r.mode, e.control FROM robots r LEFT JOIN experiments e ON e.id = $3 WHERE r.id = $1 AND r.lease_epoch = $2";
        let row = sql!(text, lease.robot_id, lease.epoch, experiment)
            .one(self.reader())
            .await?
            .ok_or(StoreError::LeaseLost)?;
        Ok(Wishes { control: row.get("control")?, mode: row.get("mode")? })
    }

    /// Takes it: running, on this robot and plate, with its wells allotted as given. `false`, and nothing changed, if it
    /// isn't queued any more or belongs to another robot.
    pub async fn take(
        &self,
        lease: &Lease,
        experiment: ExperimentId,
        plate: PlateId,
        wells: &[(WellId, WellName)],
    ) -> Result<bool> {
        let free = format!(
            "SELECT id FROM experiments WHERE id = $1 AND status = 'queued' AND (robot_id IS NULL OR robot_id = $2){}",
            self.backend().for_update()
        );
        let taken = transact!(self, |tx| {
            check_lease(tx, lease).await?;
            if sql!(free.clone(), experiment, lease.robot_id).one(tx).await?.is_none() {
                return Ok(false);
            }
            check_untaken(tx, plate, wells).await?;
            allot(tx, experiment, plate, wells).await?;
            start(tx, lease, experiment, plate).await?;
            Ok(true)
        });
        if taken {
            self.signal([Signal::Experiment(experiment), Signal::Queue, Signal::Robots]);
        }
        Ok(taken)
    }
}

async fn allot(
    tx: &DatabaseTransaction,
    experiment: ExperimentId,
    plate: PlateId,
    wells: &[(WellId, WellName)],
) -> Result<()> {
    if wells.is_empty() {
        return Ok(());
    }
    let rows = wells.iter().map(|(well, at)| row_values![*well, *at]).collect();
    // `column1` and `column2` are what both databases call the columns of a VALUES list.
    let query = Sql::with_rows(
        "UPDATE wells SET plate_id = $1, well_id = places.column2 FROM (VALUES",
        row_values![plate, experiment],
        rows,
        ") AS places WHERE wells.id = places.column1 AND wells.experiment_id = $2 AND wells.status = 'pending'",
    );
    let allotted = query.execute(tx).await?;
    if allotted == wells.len() as u64 { Ok(()) } else { Err(StoreError::NotFound("pending well of this experiment")) }
}

async fn start(tx: &DatabaseTransaction, lease: &Lease, experiment: ExperimentId, plate: PlateId) -> Result<()> {
    sql!("UPDATE experiments SET robot_id = $2, plate_id = $3 WHERE id = $1", experiment, lease.robot_id, plate)
        .execute(tx)
        .await?;
    let happened = step(tx, experiment, ExperimentStatus::Running, None).await?;
    sql!(
        "UPDATE users SET last_served_at = $2 WHERE id = (SELECT user_id FROM experiments WHERE id = $1)",
        experiment,
        now(),
    )
    .execute(tx)
    .await?;
    events::append(tx, happened).await
}

fn read_queued(row: &Row) -> Result<Queued> {
    Ok(Queued {
        experiment: row.get("id")?,
        user_id: row.get("user_id")?,
        wells: u32::try_from(row.get::<i64>("wells")?).unwrap_or(u32::MAX),
        robot_id: row.get("robot_id")?,
    })
}
