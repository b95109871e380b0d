//! Carrying one experiment on, from wherever the journal says it stands to its end or to whatever holds it up.

use super::{
    Lane, LaneError,
    carry::{Aftermath, Carried},
};
use crate::{
    fault,
    hand::Hand,
    mixture,
    plan::{self, Reference, Shortage, Tips},
};
use domain::{ExperimentId, ExperimentStatus, Fault, FaultCode, Step, WellStatus};
use std::time::Duration;
use store::{Attendance, Change, Control, ExperimentDetail, RobotMode, StoreError};
use tokio::time::sleep;

/// Troubles in a row, without a single step succeeding between them, after which an experiment is given up.
const MOST_TROUBLES: u32 = 6;

impl Lane {
    /// From wherever the journal says it stands to its end, or to whatever holds it up.
    pub(super) async fn work(&mut self, id: ExperimentId) -> Result<(), LaneError> {
        self.make_safe().await?;
        let mut troubles = 0;
        loop {
            let Some(experiment) = self.store.experiment(id).await? else { return Ok(()) };
            if experiment.experiment.status != ExperimentStatus::Running || self.is_held() {
                return Ok(());
            }
            let mut hand = self.hand(&experiment).await?;
            if hand.mixtures.is_empty() {
                return self.finish(&experiment).await;
            }
            let mut progressed = false;
            let carried = match self.plan(&hand, troubles).await? {
                Ok(steps) => self.carry_out(&mut hand, steps, &mut progressed).await?,
                Err(shortage) => Carried::Short(shortage),
            };
            match carried {
                Carried::Through => {}
                Carried::Wish(wish) => return self.obey(id, Some(wish)).await,
                Carried::Halt if self.robot.mode == RobotMode::Attention => return Ok(()),
                Carried::Halt => return self.make_safe().await,
                Carried::Short(shortage @ Shortage::UsedPlate { .. }) => {
                    self.make_safe().await?;
                    return self.leave_plate(id, &shortage).await;
                }
                Carried::Short(shortage) => {
                    self.make_safe().await?;
                    self.supply(&shortage).await?;
                }
                Carried::Trouble(fault, aftermath) => {
                    troubles = if progressed { 1 } else { troubles + 1 };
                    self.after_trouble(id, fault, aftermath, troubles).await?;
                }
            }
        }
    }

    /// The steps that finish the experiment's unfinished wells.
    async fn plan(&self, hand: &Hand, tries: u32) -> Result<Result<Vec<Step>, Shortage>, LaneError> {
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let free: Vec<_> = hand.free.iter().copied().collect();
        let white = self.white_reference().filter(|white| white.plate == hand.plate);
        let reference = match &white {
            Some(white) if white.experiment == hand.experiment && !white.is_outdated => Reference::Known,
            _ => Reference::choose(&free, &hand.mixtures, tries as usize),
        };
        let deck = &self.robot.deck;
        let unseen = plan::unseen(deck, &hand.mixtures, &white.map(|white| white.blank).unwrap_or_default());
        Ok(plan::steps(deck, &hand.mixtures, &mut Tips::new(&inventory.tips), reference, &unseen))
    }

    pub(super) async fn hand(&self, experiment: &ExperimentDetail) -> Result<Hand, LaneError> {
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let journal = self.journal(experiment.experiment.id).await?;
        Ok(Hand {
            experiment: experiment.experiment.id,
            plate: inventory.plate.ok_or(StoreError::NotFound("plate"))?,
            mixtures: mixture::unfinished(experiment, &journal),
            free: plan::free_wells(&inventory).into(),
        })
    }

    async fn finish(&mut self, experiment: &ExperimentDetail) -> Result<(), LaneError> {
        let id = experiment.experiment.id;
        let measured = experiment.wells.iter().any(|(well, _)| well.status == WellStatus::Measured);
        let (to, fault) = if measured {
            (ExperimentStatus::Completed, None)
        } else {
            let last = experiment.wells.iter().rev().find_map(|(well, _)| well.fault.clone());
            (ExperimentStatus::Failed, last)
        };
        self.end_experiment(id, to, fault).await
    }

    /// A wish of the experiment's owner. While the robot waits for its operator nothing moves for it.
    pub(super) async fn obey(&mut self, id: ExperimentId, wish: Option<Control>) -> Result<(), LaneError> {
        let to = match wish {
            Some(Control::Cancel) => ExperimentStatus::Cancelled,
            Some(Control::Pause) => ExperimentStatus::Paused,
            Some(Control::Resume) | None => return Ok(()),
        };
        if self.robot.mode != RobotMode::Attention {
            self.make_safe().await?;
        }
        self.end_experiment(id, to, None).await
    }

    /// Records where the experiment goes from here and lets go of the robot, which others may use in between.
    async fn end_experiment(
        &mut self,
        id: ExperimentId,
        to: ExperimentStatus,
        fault: Option<Fault>,
    ) -> Result<(), LaneError> {
        metrics::counter!(telemetry::names::EXPERIMENTS_ENDED, "outcome" => to.as_str()).increment(1);
        let mut changes = if to.is_final() { self.doubts_at_end(id).await? } else { Vec::new() };
        changes.push(Change::Experiment { id, to, fault });
        self.let_go(changes).await
    }

    /// The plate isn't what it was said to be. Nothing was dispensed: the experiment waits for another one.
    async fn leave_plate(&mut self, id: ExperimentId, shortage: &Shortage) -> Result<(), LaneError> {
        let fault = fault::of_shortage(shortage);
        let data = serde_json::to_value(&fault).unwrap_or_default();
        metrics::counter!(telemetry::names::FAULTS, "code" => fault.code.as_str()).increment(1);
        if !self.takes_another_plate() {
            let refused = std::mem::take(&mut self.plates_refused);
            return self.end_experiment(id, ExperimentStatus::Failed, Some(fault::too_many(&fault, refused))).await;
        }
        let mut changes = vec![Change::Event { experiment: id, kind: "fault", data }];
        changes.push(Change::Experiment { id, to: ExperimentStatus::Queued, fault: None });
        if self.robot.attendance == Attendance::Operator {
            changes.push(self.asking(fault));
            return self.let_go(changes).await;
        }
        self.let_go(changes).await?;
        self.supply(shortage).await
    }

    async fn let_go(&mut self, changes: Vec<Change>) -> Result<(), LaneError> {
        self.record(changes).await?;
        if let Some(run) = self.run.take()
            && let Err(error) = run.close().await
        {
            tracing::debug!(%error, "the robot's run was not closed");
        }
        Ok(())
    }

    /// Recovers, and gives an experiment up that fails again and again.
    async fn after_trouble(
        &mut self,
        id: ExperimentId,
        fault: Fault,
        aftermath: Aftermath,
        troubles: u32,
    ) -> Result<(), LaneError> {
        metrics::counter!(telemetry::names::FAULTS, "code" => fault.code.as_str()).increment(1);
        let told =
            Change::Event { experiment: id, kind: "fault", data: serde_json::to_value(&fault).unwrap_or_default() };
        self.record(vec![told]).await?;
        if fault.code == FaultCode::RobotTaken && self.robot.attendance == Attendance::Operator {
            return self.ask_operator(fault).await;
        }
        sleep(Duration::from_millis(100) * 2u32.pow(troubles.min(6))).await;
        if aftermath == Aftermath::Recover || self.make_safe().await.is_err() {
            self.recover().await?;
        }
        if !self.is_held() && self.asks_about_sensor(&fault, troubles) {
            let mut changes = self.outdate_white(&fault);
            changes.push(self.asking(fault));
            return self.record(changes).await;
        }
        if troubles < MOST_TROUBLES || self.is_held() {
            return Ok(());
        }
        let outdated = self.outdate_white(&fault);
        self.record(outdated).await?;
        let to = match self.robot.attendance {
            Attendance::Virtual => ExperimentStatus::Failed,
            // A person may put it right and resume: the plan goes on from what the journal says.
            Attendance::Operator => ExperimentStatus::Paused,
        };
        self.end_experiment(id, to, Some(fault::too_many(&fault, troubles))).await
    }
}
