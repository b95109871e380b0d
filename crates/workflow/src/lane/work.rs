//! Carrying one experiment on, from wherever the journal says it stands to its end or to whatever holds it up.

use super::{
    Lane, LaneError,
    carry::{Aftermath, Carried},
};
use crate::{
    fault,
    hand::Hand,
    handling_of, mixture,
    plan::{self, Reference, Shortage, Tips},
    whole,
};
use chrono::Utc;
use domain::{
    Attendance, Change, Control, ExperimentEvent, ExperimentId, ExperimentStatus, Fault, FaultCode, Grain, Step,
    WellStatus,
};
use hardware::Memory;
use std::collections::VecDeque;
use store::{ExperimentDetail, StoreError};
use tokio::time::sleep;

/// Troubles in a row, without a single well getting on between them, after which an experiment is given up.
const MOST_TROUBLES: u32 = 6;

impl Lane {
    /// From wherever the journal says it stands to its end, or to whatever holds it up.
    pub(super) async fn work(&mut self, id: ExperimentId) -> Result<(), LaneError> {
        self.make_safe().await?;
        let mut troubles = self.troubles.take().filter(|(of, _)| *of == id).map_or(0, |(_, troubles)| troubles);
        loop {
            let Some(experiment) = self.store.experiment(id).await? else { return Ok(()) };
            if experiment.experiment.status != ExperimentStatus::Running || self.robot.is_held() {
                return Ok(());
            }
            let mut hand = self.hand(&experiment).await?;
            let robbed = hand.condemn_robbed();
            if !robbed.is_empty() {
                self.record(robbed).await?;
                continue;
            }
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
                Carried::Wish(wish) => return self.obey(id, wish).await,
                Carried::Halt => return Ok(()),
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
                    if self.intruded {
                        self.troubles = Some((id, troubles));
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The steps that finish the experiment's unfinished wells.
    async fn plan(&self, hand: &Hand, tries: u32) -> Result<Result<Vec<Step>, Shortage>, LaneError> {
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        if let Err(full) = plan::check_waste(&self.robot.deck, &inventory) {
            return Ok(Err(full));
        }
        let free: Vec<_> = hand.free.iter().copied().collect();
        let white = self.white_reference().filter(|white| white.plate == hand.plate);
        let reference = match &white {
            Some(white) if white.experiment == hand.experiment && !white.is_outdated => {
                Reference::Known(Some(white.over).filter(|over| hand.free.contains(over)))
            }
            _ => Reference::choose(&free, &hand.mixtures, tries as usize),
        };
        let deck = &self.robot.deck;
        let unseen = plan::unseen(deck, &hand.mixtures, &white.map(|white| white.blank).unwrap_or_default());
        Ok(match self.robot.kind.grain() {
            Grain::Strokes => {
                let mut tips = Tips::new(&inventory.tips);
                plan::steps(deck, &hand.handling, &hand.mixtures, &mut tips, reference, &unseen)
            }
            Grain::Mixtures => whole::steps(deck, &hand.mixtures, &inventory.tips, reference, &unseen),
        })
    }

    pub(super) async fn hand(&self, experiment: &ExperimentDetail) -> Result<Hand, LaneError> {
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let journal = self.journal(experiment.experiment.id).await?;
        let plate = experiment.experiment.plate_id.ok_or(StoreError::NotFound("plate"))?;
        let lies_here = inventory.plate == Some(plate);
        Ok(Hand {
            experiment: experiment.experiment.id,
            plate,
            mixtures: mixture::unfinished(experiment, &journal),
            handling: handling_of(&experiment.experiment),
            free: if lies_here { plan::free_wells(&inventory).into() } else { VecDeque::new() },
        })
    }

    /// Every well that has a place on this plate has ended. One that makes up for a well of a full plate has none yet: it
    /// waits its turn for the next plate.
    async fn finish(&mut self, experiment: &ExperimentDetail) -> Result<(), LaneError> {
        let id = experiment.experiment.id;
        let wells = || experiment.wells.iter().map(|(well, _)| well);
        if wells().any(|well| !well.status.is_final()) {
            return self.end_experiment(id, ExperimentStatus::Queued, None).await;
        }
        let (to, fault) = if wells().any(|well| well.status == WellStatus::Measured) {
            (ExperimentStatus::Completed, None)
        } else {
            (ExperimentStatus::Failed, wells().filter_map(|well| well.fault.clone()).next_back())
        };
        self.end_experiment(id, to, fault).await?;
        if let Some(began) = experiment.experiment.started_at {
            metrics::histogram!(telemetry::names::EXPERIMENT_SECONDS, "outcome" => to.as_str())
                .record((Utc::now() - began).as_seconds_f64());
        }
        Ok(())
    }

    /// A wish of the experiment's owner: granted at once, whatever the robot is at. What hangs on its nozzle is put down
    /// after that, when it may move.
    pub(super) async fn obey(&mut self, id: ExperimentId, wish: Control) -> Result<(), LaneError> {
        match wish {
            Control::Cancel => self.end_experiment(id, ExperimentStatus::Cancelled, None).await,
            Control::Pause => self.end_experiment(id, ExperimentStatus::Paused, None).await,
            Control::Resume => Ok(()),
        }
    }

    /// Records where the experiment goes from here.
    pub(super) async fn end_experiment(
        &mut self,
        id: ExperimentId,
        to: ExperimentStatus,
        fault: Option<Fault>,
    ) -> Result<(), LaneError> {
        let mut changes = if to.is_final() { self.doubts_at_end(id).await? } else { Vec::new() };
        changes.push(Change::Experiment { id, to, fault });
        self.record(changes).await?;
        tracing::info!(experiment = %id, robot = self.robot.name, %to, "an experiment has left its lane");
        metrics::counter!(telemetry::names::EXPERIMENTS_ENDED, "outcome" => to.as_str()).increment(1);
        Ok(())
    }

    /// The plate isn't what it was said to be. Nothing was dispensed: the experiment waits for another one.
    async fn leave_plate(&mut self, id: ExperimentId, shortage: &Shortage) -> Result<(), LaneError> {
        let fault = fault::of_shortage(shortage);
        metrics::counter!(telemetry::names::FAULTS, "code" => fault.code.as_str()).increment(1);
        if !self.takes_another_plate() {
            let refused = std::mem::take(&mut self.plates_refused);
            return self.end_experiment(id, ExperimentStatus::Failed, Some(fault::too_many(&fault, refused))).await;
        }
        let mut changes = vec![Change::Event { experiment: id, event: ExperimentEvent::Fault(fault.clone()) }];
        changes.push(Change::Experiment { id, to: ExperimentStatus::Queued, fault: None });
        match self.robot.attendance {
            Attendance::Operator => {
                changes.push(self.asking(fault));
                self.record(changes).await
            }
            Attendance::Virtual => {
                self.record(changes).await?;
                self.supply(shortage).await
            }
        }
    }

    /// Lets go of the robot, which others may use in between.
    pub(super) async fn let_go(&mut self) {
        if let Some(run) = self.run.take()
            && let Err(error) = run.close().await
        {
            tracing::debug!(%error, "the robot's run was not closed");
        }
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
        let told = Change::Event { experiment: id, event: ExperimentEvent::Fault(fault.clone()) };
        self.record(vec![told]).await?;
        if fault.code == FaultCode::RobotTaken && self.robot.attendance == Attendance::Operator {
            // What answers must take the robot back: in the run that was lost, every step would be lost again.
            self.run = None;
            self.memory = Memory::Forgot;
            return self.ask_operator(fault).await;
        }
        sleep(self.patience.pause * 2u32.pow(troubles.min(6))).await;
        if !self.intruded && (aftermath == Aftermath::Recover || self.make_safe().await.is_err()) {
            self.recover().await?;
        }
        if !self.robot.is_held() && self.asks_about_sensor(&fault, troubles) {
            let mut changes = self.outdate_white(&fault);
            changes.push(self.asking(fault));
            return self.record(changes).await;
        }
        if troubles < MOST_TROUBLES || self.robot.is_held() {
            return Ok(());
        }
        let outdated = self.outdate_white(&fault);
        self.record(outdated).await?;
        match self.robot.attendance {
            Attendance::Virtual => {
                let given_up = fault::too_many(&fault, troubles);
                self.end_experiment(id, ExperimentStatus::Failed, Some(given_up)).await
            }
            // A person may put it right and resume: the plan goes on from what the journal says.
            Attendance::Operator => self.ask_operator(fault::no_progress(&fault, troubles)).await,
        }
    }
}
