//! Whose turn it is: the queue as people see it and as lanes take from it.

use crate::{
    accounts::MOST_ROWS,
    change::{Fence, RobotUpdate},
    connection::{Store, transact},
    error::{Result, StoreError},
    events::{self, NewEvent},
    experiments::{EXPERIMENTS, detail, dye_list, read_experiment, step},
    records::*,
    sql::{Sql, now, row_values, sql},
    turns::Kind,
    wells::{self, check_untaken},
};
use async_recursion::async_recursion as boxed;
use domain::{Bench, Control, ExperimentId, ExperimentStatus, Fault, Needs, PlateId, RobotId, WellId, WellName};
use sea_orm::DatabaseTransaction;
use std::collections::{HashMap, HashSet};

/// Experiments that nothing can be done for, told at once.
const GIVEN_UP_AT_ONCE: usize = 20;

/// Places in the queue that a lane looks up at once, to see which of them still wait.
const LOOKED_UP: usize = 32;
/// Times that a lane looks so before it takes the queue for changed altogether.
const LOOKS: usize = 4;

impl Store {
    /// The next experiment that a lane with this bench would take: the queue's first that it can mix and that isn't
    /// bound to another robot. Read only.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn peek(&self, lease: &Lease, bench: &Bench<'_>) -> Result<Option<ExperimentId>> {
        let turns = self.turns_to_take().await?;
        let fitting: Vec<_> = turns.for_lane(lease.robot_id, *bench).take(LOOKED_UP * LOOKS).collect();
        for some in fitting.chunks(LOOKED_UP) {
            if let Some(next) = self.first_free(some, lease.robot_id, *bench).await? {
                return Ok(Some(next));
            }
        }
        if fitting.is_empty() {
            return Ok(None);
        }
        // All of them are gone since the queue was read.
        let turns = self.turns_now().await?;
        Ok(turns.for_lane(lease.robot_id, *bench).next())
    }

    /// The first of these that still waits for this lane or any.
    async fn first_free(
        &self,
        some: &[ExperimentId],
        robot: RobotId,
        bench: Bench<'_>,
    ) -> Result<Option<ExperimentId>> {
        let free =
            "SELECT id, dyes, least_nl, fullest_nl, metadata ->> 'handling' IS NOT NULL AS handled FROM experiments
            WHERE status = 'queued' AND (robot_id IS NULL OR robot_id = $1) AND id IN (VALUES";
        let ids = some.iter().map(|id| row_values![*id]).collect();
        let rows = Sql::with_rows(free, row_values![robot], ids, ")").all(self.reader()).await?;
        let mut found = HashSet::with_capacity(rows.len());
        for row in &rows {
            if Kind::read(row)?.is_for(bench) {
                found.insert(row.get::<ExperimentId>("id")?);
            }
        }
        Ok(some.iter().find(|id| found.contains(*id)).copied())
    }

    /// Waiting experiments that none of these benches can mix, in the queue's order; at most 20. Those that are bound to
    /// `robot`, or those that any robot may take where it is nothing. What an experiment asks of a robot never changes, so
    /// that a reading of a moment ago tells it as well as the tables do.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn unmixable(&self, robot: Option<RobotId>, benches: &[Bench<'_>]) -> Result<Vec<ExperimentId>> {
        Ok(self.turns_to_take().await?.for_no_lane(robot, benches).take(GIVEN_UP_AT_ONCE).collect())
    }

    /// Ends a waiting experiment that nothing can be done for; its quota is returned. `false` if it isn't waiting any more.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn give_up(&self, experiment: ExperimentId, fault: &Fault) -> Result<bool> {
        let waiting =
            format!("SELECT id FROM experiments WHERE id = $1 AND status = 'queued'{}", self.backend().for_update());
        let ended = transact!(self, |tx| {
            if sql!(waiting.clone(), experiment).one(tx).await?.is_none() {
                return Ok(false);
            }
            let happened = step(tx, experiment, ExperimentStatus::Failed, Some(fault)).await?;
            events::append(tx, happened).await?;
            Ok(true)
        });
        if ended {
            self.signal([Signal::Experiment(experiment), Signal::Queue]);
        }
        Ok(ended)
    }

    /// Writes down what an experiment asks of a deck, where it is older than that being written down.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn note_needs(&self, experiment: ExperimentId, needs: &Needs) -> Result<()> {
        let text = "UPDATE experiments SET dyes = $2, least_nl = $3, fullest_nl = $4 WHERE id = $1 AND dyes IS NULL";
        let noted = sql!(text, experiment, dye_list(needs), needs.least, needs.fullest);
        noted.execute(self.writer()).await.map(drop)
    }

    /// The experiment that this lane has in hand (running here), if any.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn in_hand(&self, lease: &Lease) -> Result<Option<ExperimentDetail>> {
        let running = format!("{EXPERIMENTS} WHERE e.robot_id = $1 AND e.status = 'running'");
        match sql!(running, lease.robot_id).one(self.reader()).await? {
            Some(row) => Ok(Some(detail(self.reader(), &row).await?)),
            None => Ok(None),
        }
    }

    /// Its id alone, which can be read whatever else of it can't.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn in_hand_id(&self, robot: RobotId) -> Result<Option<ExperimentId>> {
        let row = sql!("SELECT id FROM experiments WHERE robot_id = $1 AND status = 'running' LIMIT 1", robot);
        row.one(self.reader()).await?.map(|row| row.get("id")).transpose()
    }

    /// What the owner of the experiment in this lane's hand wishes, if anything.
    ///
    /// # Errors
    /// `LeaseLost` where the lane isn't ours any more.
    #[boxed]
    pub async fn wish_in_hand(&self, lease: &Lease) -> Result<Option<(ExperimentId, Control)>> {
        let text = "SELECT e.id, e.control FROM robots r
            LEFT JOIN experiments e ON e.robot_id = r.id AND e.status = 'running' AND e.control IS NOT NULL
            WHERE r.id = $1 AND r.lease_epoch = $2 AND r.lease_holder = $3";
        let text = format!("{text}{}", self.backend().leased_in_this_history());
        let row = sql!(text, lease.robot_id, lease.epoch, lease.holder.as_str());
        let row = row.one(self.reader()).await?.ok_or(StoreError::LeaseLost)?;
        Ok(row.get::<Option<ExperimentId>>("id")?.zip(row.get::<Option<Control>>("control")?))
    }

    /// Puts an experiment that this lane can't go on with back into the queue, for any robot. Wells that may hold something
    /// are quarantined with the fault and made up for; those that never got a drop give their places back.
    ///
    /// # Errors
    /// `LeaseLost` where the lane isn't ours any more; `IllegalTransition` where the experiment isn't running.
    #[boxed]
    pub async fn hand_over(&self, lease: &Lease, experiment: ExperimentId, fault: &Fault) -> Result<()> {
        // A well that is only pending has had no drop intended: "dispensing" is written with the first intent.
        let touched = "SELECT id FROM wells WHERE experiment_id = $1 AND status IN ('dispensing', 'mixed')";
        transact!(self, |tx| {
            RobotUpdate::default().write(tx, lease.robot_id, Fence::Leased(lease)).await?;
            let mut happened = Vec::new();
            for row in sql!(touched, experiment).all(tx).await? {
                happened.extend(wells::replace(tx, row.get("id")?, WellId::new(), None, fault).await?);
            }
            let untouched =
                "UPDATE wells SET plate_id = NULL, well_id = NULL WHERE experiment_id = $1 AND status = 'pending'";
            sql!(untouched, experiment).execute(tx).await?;
            sql!("UPDATE experiments SET robot_id = NULL, plate_id = NULL WHERE id = $1", experiment)
                .execute(tx)
                .await?;
            happened.extend(step(tx, experiment, ExperimentStatus::Queued, None).await?);
            events::append(tx, happened).await
        });
        self.signal([Signal::Experiment(experiment), Signal::Queue, Signal::Robots]);
        Ok(())
    }

    /// Takes an experiment that breaks its lane out of the lane's way: paused, with the fault, its wells as they are.
    /// Reads nothing of it that may be damaged.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn park(&self, experiment: ExperimentId, fault: &Fault) -> Result<()> {
        let text = "UPDATE experiments SET status = 'paused', control = NULL, fault = $2
            WHERE id = $1 AND status IN ('queued', 'running')";
        transact!(self, |tx| {
            if sql!(text, experiment, fault).execute(tx).await? == 1 {
                events::append(tx, vec![NewEvent::status(experiment, ExperimentStatus::Paused, Some(fault))]).await?;
            }
            Ok(())
        });
        self.signal([Signal::Experiment(experiment), Signal::Queue]);
        Ok(())
    }

    /// Experiments that a lane has in hand now.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn running(&self) -> Result<Vec<ExperimentId>> {
        let rows = sql!("SELECT id FROM experiments WHERE status = 'running' LIMIT $1", i64::from(MOST_ROWS))
            .all(self.reader())
            .await?;
        rows.iter().map(|row| row.get("id")).collect()
    }

    /// The experiment in hand at this robot, without its wells.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn in_hand_at(&self, robot: RobotId) -> Result<Option<Experiment>> {
        let running = format!("{EXPERIMENTS} WHERE e.robot_id = $1 AND e.status = 'running' LIMIT 1");
        let row = sql!(running, robot).one(self.reader()).await?;
        row.map(|row| read_experiment(&row)).transpose()
    }

    /// The recipes that wait for this robot or for any, by experiment, in the order in which lanes take them; of the
    /// first 200 experiments.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn demand(&self, robot: RobotId) -> Result<Vec<Demand>> {
        Ok(self.demands(&[robot]).await?.remove(&robot).unwrap_or_default())
    }

    /// The same for several, in one question.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn demands(&self, robots: &[RobotId]) -> Result<HashMap<RobotId, Vec<Demand>>> {
        let turns = self.turns().await?;
        let first = |robot: RobotId| {
            let bound_elsewhere = move |queued: &Queued| queued.robot_id.is_some_and(|bound| bound != robot);
            let first = turns.iter().filter(move |queued| !bound_elsewhere(queued)).take(MOST_ROWS as usize);
            first.map(|queued| queued.experiment).collect::<Vec<_>>()
        };
        let queues: Vec<_> = robots.iter().map(|robot| (*robot, first(*robot))).collect();
        let asked = queues.iter().flat_map(|(_, queue)| queue);
        let mut demands: HashMap<_, _> = asked.map(|id| (*id, Demand::of(*id))).collect();
        if !demands.is_empty() {
            let ids = demands.keys().map(|id| row_values![*id]).collect();
            let waiting =
                "SELECT w.experiment_id, w.recipe, e.metadata FROM wells w JOIN experiments e ON e.id = w.experiment_id
                 WHERE w.status = 'pending' AND w.experiment_id IN (VALUES";
            for row in Sql::with_rows(waiting, Vec::new(), ids, ")").all(self.reader()).await? {
                if let Some(demand) = demands.get_mut(&row.get::<ExperimentId>("experiment_id")?) {
                    demand.recipes.push(row.get("recipe")?);
                    demand.metadata = row.get("metadata")?;
                }
            }
        }
        let of = |queue: Vec<ExperimentId>| queue.iter().filter_map(|id| demands.get(id).cloned()).collect();
        Ok(queues.into_iter().map(|(robot, queue)| (robot, of(queue))).collect())
    }

    /// What people wish of the worker now: of its experiment (pause, cancel) and of its robot (mode). One cheap query,
    /// asked between two operations.
    ///
    /// # Errors
    /// `LeaseLost` where the epoch isn't ours any more.
    #[boxed]
    pub async fn wishes(&self, lease: &Lease, experiment: ExperimentId) -> Result<Wishes> {
        let text = "SELECT r.mode IN ('paused', 'stopped') OR r.attention IS NOT NULL AS held, r.acts, e.control,
                e.status = 'running' AS running
            FROM robots r LEFT JOIN experiments e ON e.id = $3 WHERE r.id = $1 AND r.lease_epoch = $2";
        let text = format!("{text}{}", self.backend().leased_in_this_history());
        let row = sql!(text, lease.robot_id, lease.epoch, experiment)
            .one(self.reader())
            .await?
            .ok_or(StoreError::LeaseLost)?;
        Ok(Wishes {
            control: row.get("control")?,
            held: row.get("held")?,
            acts: row.get("acts")?,
            running: row.get::<Option<bool>>("running")? == Some(true),
        })
    }

    /// Takes it: running, on this robot and plate, with its wells allotted as given. `false`, and nothing changed, if it
    /// isn't queued any more or belongs to another robot. `acts` is [`Robot::acts`] as the worker last saw it.
    ///
    /// # Errors
    /// `LeaseLost`; `Held` where the robot is held, was attended since, or another plate lies there; `WellTaken`.
    #[boxed]
    pub async fn take(
        &self,
        lease: &Lease,
        acts: i64,
        experiment: ExperimentId,
        plate: PlateId,
        wells: &[(WellId, WellName)],
    ) -> Result<bool> {
        let free = format!(
            "SELECT id FROM experiments WHERE id = $1 AND status = 'queued' AND (robot_id IS NULL OR robot_id = $2){}",
            self.backend().for_update()
        );
        let taken = transact!(self, |tx| {
            RobotUpdate::default().write(tx, lease.robot_id, Fence::MayMove(lease, Purpose::Work, acts)).await?;
            check_plate(tx, lease.robot_id, plate).await?;
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

/// Refuses a plate that doesn't lie there any more.
async fn check_plate(tx: &DatabaseTransaction, robot: RobotId, plate: PlateId) -> Result<()> {
    let lies = sql!("SELECT 1 FROM plates WHERE id = $2 AND robot_id = $1 AND removed_at IS NULL", robot, plate);
    if lies.one(tx).await?.is_some() { Ok(()) } else { Err(StoreError::Held) }
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
