//! A lane: one robot, one lease, one experiment at a time.
//!
//! Read it top down: [`Lane::drive`] is the loop, [`Lane::work`] carries one experiment on, [`Lane::carry_out`] is the
//! journal's heart: intend, send, record. Whatever goes wrong, the lane drops what it believes, reads the journal and
//! starts from there ([`Lane::recover`]): a lost connection, a restarted robot and a killed worker are one case.

use crate::{
    estimate::{Pace, Report},
    fault, forecast,
    hand::{Hand, robot_changes},
    measure::{self, WhiteReference},
    mixture::{self, Mixture},
    plan::{self, Reference, Shortage, Tips},
};
use chrono::Utc;
use domain::{
    Ending, ExperimentId, ExperimentStatus, Fault, FaultCode, JournalEvent, Mount, Operation, PlateId, ResultId, Slot,
    Step, Tool, WellId, WellName, WellStatus, reading::Reading,
};
use hardware::{
    AddressError, ColourSensor, Lookup, Memory, Ot2, Patience, PerformError, ReadRequest, RobotError, Run,
    VirtualAttendant,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use store::{
    Attendance, Change, Control, Ended, Entry, ExperimentDetail, Intended, Inventory, JournalledOperation, Lease,
    Robot, RobotMode, Signal, Store, StoreError,
};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Troubles in a row, without a single step succeeding between them, after which an experiment is given up.
const MOST_TROUBLES: u32 = 6;
/// Readings asked for again in place before the sensor is parked and everything looked at anew.
const MOST_MISSED_READINGS: u32 = 2;
const JOURNAL_PAGE: u32 = 500;

/// Why a lane was left. The journal holds everything; the next lease begins with recovery.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Robot(#[from] RobotError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the robot couldn't be made safe: {0}")]
    Unsafe(String),
}

/// How a plan's execution ended.
enum Carried {
    Through,
    /// A step didn't succeed. It has been recorded, or is still open and for recovery to settle.
    Trouble(Fault, Aftermath),
    Wish(Control),
    /// The robot is to stand still: paused, waiting for its operator (then not even to put things down), or the worker is
    /// shutting down.
    Halt,
    Short(Shortage),
}

/// What has to follow a step that didn't succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aftermath {
    /// The robot is as we believe: put things down and plan again.
    PutDown,
    /// Nothing is to be believed but the journal.
    Recover,
}

/// What became of one step.
enum Outcome {
    Done(Value, Option<Reading>),
    /// It certainly ended so; to be recorded.
    Not(JournalEvent, Ending, Fault),
    /// Left open in the journal.
    Unknown(Fault),
}

pub struct Lane {
    store: Store,
    lease: Lease,
    robot: Robot,
    ot2: Ot2,
    sensor: Arc<dyn ColourSensor>,
    attendant: VirtualAttendant,
    signals: broadcast::Receiver<Signal>,
    stop: CancellationToken,
    poll: Duration,
    run: Option<Run>,
    /// Whether this run has been homed.
    homed: bool,
    memory: Memory,
    tool: Tool,
    pace: Pace,
}

impl Lane {
    pub fn new(
        store: Store,
        lease: Lease,
        robot: Robot,
        poll: Duration,
        stop: CancellationToken,
    ) -> Result<Self, LaneError> {
        let patience = Patience::default();
        Ok(Self {
            ot2: Ot2::new(&robot.url, patience)?,
            sensor: hardware::connect_sensor(&robot.sensor_url, patience)?,
            attendant: VirtualAttendant::new(&robot.url, patience)?,
            signals: store.signals(),
            tool: robot.tool.clone(),
            run: None,
            homed: false,
            memory: Memory::Forgot,
            pace: Pace::unknown(),
            store,
            lease,
            robot,
            poll,
            stop,
        })
    }

    /// Works until it is stopped or something fails that only a new lease's recovery can put right.
    pub async fn drive(&mut self) -> Result<(), LaneError> {
        self.recover().await?;
        while !self.stop.is_cancelled() {
            self.reload().await?;
            let in_hand = self.store.in_hand(&self.lease).await?;
            match (self.robot.mode, in_hand) {
                (RobotMode::Paused | RobotMode::Attention, Some(held)) if held.experiment.control.is_some() => {
                    self.obey(held.experiment.id, held.experiment.control).await?;
                }
                (RobotMode::Paused | RobotMode::Attention, _) | (RobotMode::Draining, None) => self.rest().await,
                (RobotMode::Active | RobotMode::Draining, Some(experiment)) => {
                    self.work(experiment.experiment.id).await?
                }
                (RobotMode::Active, None) => match self.store.peek(&self.lease).await? {
                    Some(next) => self.begin(next).await?,
                    None => self.rest().await,
                },
            }
        }
        self.make_safe().await
    }

    async fn reload(&mut self) -> Result<(), LaneError> {
        self.robot = self.store.robot(self.lease.robot_id).await?.ok_or(StoreError::NotFound("robot"))?;
        self.tool = self.robot.tool.clone();
        Ok(())
    }

    /// Until somebody in this process commits something, or the time comes to look for what others did.
    async fn rest(&mut self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(self.poll) => {}
            signal = self.signals.recv() => if signal.is_err() { self.signals = self.store.signals() },
        }
        while self.signals.try_recv().is_ok() {}
    }

    // ---- taking an experiment

    /// Takes the next experiment, if the deck has what it needs.
    async fn begin(&mut self, next: ExperimentDetail) -> Result<(), LaneError> {
        let id = next.experiment.id;
        let (pending, started): (Vec<_>, Vec<_>) = next
            .wells
            .iter()
            .map(|(well, _)| well)
            .filter(|well| !well.status.is_final())
            .partition(|w| w.status == WellStatus::Pending);
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let lies_here = |plate: Option<PlateId>| plate.is_some() && plate == inventory.plate;
        let unplaced: Vec<WellId> =
            pending.iter().filter(|well| !lies_here(well.plate_id)).map(|well| well.id).collect();
        let stranded: Vec<_> = started.iter().filter(|well| !lies_here(well.plate_id)).map(|well| well.id).collect();

        let free = plan::free_wells(&inventory);
        let wanted = unplaced.len() + stranded.len();
        let journal = self.journal(id).await?;
        let mixtures = to_mix(&next, &journal, &stranded);
        let shortage = match (inventory.plate, free.len() < wanted) {
            (None, _) | (_, true) => Some(Shortage::Plate { wanted, free: free.len() }),
            _ => plan::check_supplies(&self.robot.deck, &mixtures, &inventory, Utc::now()).err(),
        };
        if let Some(shortage @ Shortage::Pipette { .. }) = shortage {
            return self.refuse(&next, &inventory, &shortage).await;
        }
        if let Some(shortage) = shortage {
            return self.supply(&shortage).await;
        }
        let Some(plate) = inventory.plate else { return Ok(()) };
        let places: Vec<_> = unplaced.iter().copied().zip(free.iter().copied()).collect();
        if self.store.take(&self.lease, id, plate, &places).await? {
            let fresh = free.into_iter().skip(places.len());
            self.replace_stranded(&stranded, fresh, plate).await?;
            self.work(id).await?;
        }
        Ok(())
    }

    /// Wells of an experiment that was paused while its plate was taken away: what was in them is gone.
    async fn replace_stranded(
        &mut self,
        stranded: &[WellId],
        fresh: impl Iterator<Item = WellName>,
        plate: PlateId,
    ) -> Result<(), LaneError> {
        let fault = Fault {
            code: FaultCode::PlateFull,
            what: "The plate was replaced before this well was measured.".to_owned(),
            cause: "The experiment was paused meanwhile.".to_owned(),
            done: "It is mixed again on the new plate.".to_owned(),
            next: "Nothing.".to_owned(),
        };
        let changes = stranded.iter().zip(fresh).map(|(well, at)| Change::Replace {
            quarantined: *well,
            fresh: WellId::new(),
            at,
            plate,
            fault: fault.clone(),
        });
        self.record(changes.collect()).await
    }

    /// An experiment that this deck can never mix: it ends here and costs nothing.
    async fn refuse(
        &mut self,
        next: &ExperimentDetail,
        inventory: &Inventory,
        shortage: &Shortage,
    ) -> Result<(), LaneError> {
        let (id, fault) = (next.experiment.id, fault::of_shortage(shortage));
        if let Some(plate) = inventory.plate
            && self.store.take(&self.lease, id, plate, &[]).await?
        {
            self.record(vec![Change::Experiment { id, to: ExperimentStatus::Failed, fault: Some(fault) }]).await?;
        }
        Ok(())
    }

    /// The virtual lab renews what is missing; a real one's operator is asked.
    async fn supply(&mut self, shortage: &Shortage) -> Result<(), LaneError> {
        if self.robot.attendance == Attendance::Operator {
            return self.ask_operator(fault::of_shortage(shortage)).await;
        }
        let deck = &self.robot.deck;
        let change = match shortage {
            Shortage::Plate { .. } => {
                self.attendant.new_plate(deck.plate_slot).await?;
                Change::PlateReplaced { plate: PlateId::new() }
            }
            Shortage::Tips { slot, .. } => {
                self.attendant.new_tips(*slot).await?;
                Change::TipsReplaced { slot: *slot }
            }
            Shortage::Dye { dye, vial, .. } => {
                let volume = deck.dye(dye).map(|vial| vial.volume).unwrap_or_default();
                self.attendant.refill(*vial, dye, volume).await?;
                Change::VialRefilled { vial: *vial, volume, batch: None }
            }
            Shortage::Pipette { .. } => return Err(LaneError::Unsafe(shortage.to_string())),
        };
        self.record(vec![change]).await
    }

    /// The robot stands still until somebody has answered.
    async fn ask_operator(&mut self, question: Fault) -> Result<(), LaneError> {
        self.robot.mode = RobotMode::Attention;
        self.record(vec![Change::Mode { mode: RobotMode::Attention, attention: Some(question) }]).await
    }

    // ---- carrying an experiment on

    /// From wherever the journal says it stands to its end, or to whatever holds it up.
    async fn work(&mut self, id: ExperimentId) -> Result<(), LaneError> {
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
            let carried = match self.plan(&hand).await? {
                Ok(steps) => self.carry_out(&mut hand, steps, &mut progressed).await?,
                Err(shortage) => Carried::Short(shortage),
            };
            match carried {
                Carried::Through => {}
                Carried::Wish(wish) => return self.obey(id, Some(wish)).await,
                Carried::Halt if self.robot.mode == RobotMode::Attention => return Ok(()),
                Carried::Halt => return self.make_safe().await,
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

    /// Whether a person holds the robot.
    fn is_held(&self) -> bool {
        matches!(self.robot.mode, RobotMode::Paused | RobotMode::Attention)
    }

    /// The steps that finish the experiment's unfinished wells.
    async fn plan(&self, hand: &Hand) -> Result<Result<Vec<Step>, Shortage>, LaneError> {
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let free: Vec<_> = hand.free.iter().copied().collect();
        let reference = match self.white_reference() {
            Some(white) if white.experiment == hand.experiment && white.plate == hand.plate => Reference::Known,
            _ => Reference::choose(&free, &hand.mixtures),
        };
        Ok(plan::steps(&self.robot.deck, &hand.mixtures, &mut Tips::new(&inventory.tips), reference))
    }

    async fn hand(&self, experiment: &ExperimentDetail) -> Result<Hand, LaneError> {
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let journal = self.journal(experiment.experiment.id).await?;
        Ok(Hand {
            experiment: experiment.experiment.id,
            plate: inventory.plate.ok_or(StoreError::NotFound("plate"))?,
            mixtures: mixture::unfinished(experiment, &journal),
            free: plan::free_wells(&inventory).into(),
        })
    }

    /// Intend durably, send, record: each step's ending and the next step's intent share one commit.
    async fn carry_out(
        &mut self,
        hand: &mut Hand,
        mut steps: Vec<Step>,
        progressed: &mut bool,
    ) -> Result<Carried, LaneError> {
        self.hold_robot().await?;
        if !self.homed {
            steps.insert(0, Step::Home);
        }
        let mut vials = self.store.inventory(self.lease.robot_id).await?.vials;
        let mut ended: Option<(Ended, Vec<Change>)> = None;
        let total = steps.len() as u64;
        let mut index = 0;
        let mut readings_missed = 0;
        let mut idle_since = Instant::now();
        while let Some(step) = steps.get(index) {
            if let Some(held_up) = self.held_up(hand.experiment, step, &mut vials).await? {
                self.record_end(ended).await?;
                return Ok(held_up);
            }
            let operation = Operation::new(step.clone());
            self.intend(hand, &operation, ended.take()).await?;
            metrics::histogram!("tincture_operation_overhead_seconds").record(idle_since.elapsed().as_secs_f64());
            let began = Instant::now();
            let outcome = self.perform(&operation, Some(hand.experiment)).await;
            idle_since = Instant::now();
            match outcome {
                Outcome::Done(answer, reading) => {
                    self.pace.observe(step, began.elapsed());
                    *progressed = true;
                    index += 1;
                    let mut changes = self.consequences(hand, step, Ending::Done);
                    if let Some(reading) = reading {
                        changes.extend(self.reading_changes(hand, &operation, &reading));
                    }
                    changes.push(self.report(
                        hand.experiment,
                        index as u64,
                        total,
                        steps.get(index..).unwrap_or_default(),
                    ));
                    ended = Some((end(&operation, JournalEvent::Succeeded, answer), changes));
                }
                Outcome::Not(event, ending, fault) => {
                    let changes = self.consequences(hand, step, ending);
                    self.record_end(Some((end(&operation, event, json!({ "fault": fault })), changes))).await?;
                    let is_reading = matches!(step, Step::Read { .. });
                    if is_reading && readings_missed < MOST_MISSED_READINGS {
                        readings_missed += 1;
                        continue;
                    }
                    return Ok(Carried::Trouble(
                        fault,
                        if is_reading { Aftermath::PutDown } else { Aftermath::Recover },
                    ));
                }
                Outcome::Unknown(fault) => return Ok(Carried::Trouble(fault, Aftermath::Recover)),
            }
        }
        self.record_end(ended).await?;
        Ok(Carried::Through)
    }

    /// Whether something speaks against beginning this step.
    async fn held_up(
        &mut self,
        id: ExperimentId,
        step: &Step,
        vials: &mut [store::Vial],
    ) -> Result<Option<Carried>, LaneError> {
        if self.stop.is_cancelled() {
            return Ok(Some(Carried::Halt));
        }
        let wishes = self.store.wishes(&self.lease, id).await?;
        if let Some(wish) = wishes.control {
            return Ok(Some(Carried::Wish(wish)));
        }
        self.robot.mode = wishes.mode;
        if self.is_held() {
            return Ok(Some(Carried::Halt));
        }
        if let Step::Aspirate { dye, vial: at, volume, .. } = step
            && let Some(vial) = vials.iter_mut().find(|vial| vial.vial == *at)
        {
            let reserve = self.robot.deck.vial_reserve;
            let held = forecast::left_in(vial, Utc::now());
            if *volume + reserve > held {
                let dye = dye.clone();
                return Ok(Some(Carried::Short(Shortage::Dye { dye, vial: *at, wanted: *volume, held, reserve })));
            }
            vial.volume = vial.volume.saturating_sub(*volume);
        }
        Ok(None)
    }

    /// The durable write that comes before every command.
    async fn intend(
        &mut self,
        hand: &mut Hand,
        operation: &Operation,
        ended: Option<(Ended, Vec<Change>)>,
    ) -> Result<(), LaneError> {
        let (ended, mut changes) = ended.unzip_changes();
        changes.extend(hand.intending(&operation.step));
        if let Step::PickUpTip { mount, tip, dye } = &operation.step {
            changes.extend(self.tip_slot(*mount).map(|slot| Change::TipAssigned { slot, tip: *tip, dye: dye.clone() }));
        }
        changes.push(doing(hand.experiment, &operation.step));
        let intended = Some(Intended {
            operation: operation.clone(),
            experiment_id: Some(hand.experiment),
            run_id: self.run.as_ref().map(|run| run.id().to_owned()),
        });
        Ok(self.store.commit(&self.lease, Entry { ended, changes, intended }).await?)
    }

    async fn record_end(&mut self, ended: Option<(Ended, Vec<Change>)>) -> Result<(), LaneError> {
        let Some((ended, changes)) = ended else { return Ok(()) };
        Ok(self.store.commit(&self.lease, Entry { ended: Some(ended), changes, intended: None }).await?)
    }

    async fn record(&mut self, changes: Vec<Change>) -> Result<(), LaneError> {
        if changes.is_empty() {
            return Ok(());
        }
        Ok(self.store.commit(&self.lease, Entry { changes, ..Entry::default() }).await?)
    }

    /// What a step's end means for wells, nozzle and consumables. Keeps the lane's own picture in step.
    fn consequences(&mut self, hand: &mut Hand, step: &Step, ending: Ending) -> Vec<Change> {
        let mut changes = self.robot_consequences(step, ending);
        changes.extend(hand.ended(step, ending));
        changes
    }

    fn robot_consequences(&mut self, step: &Step, ending: Ending) -> Vec<Change> {
        let changes = robot_changes(&self.tool, step, ending, |mount| self.tip_slot(mount));
        self.tool = std::mem::take(&mut self.tool).after(step, ending);
        if ending == Ending::Done && *step == Step::Home {
            self.homed = true;
        }
        changes
    }

    fn tip_slot(&self, mount: Mount) -> Option<Slot> {
        self.robot.deck.pipette(mount).map(|pipette| pipette.tip_slot)
    }

    /// A reading's document, and the result or the white reference that it is.
    fn reading_changes(&mut self, hand: &Hand, operation: &Operation, reading: &Reading) -> Vec<Change> {
        let at = Utc::now();
        let Step::Read { over, well } = operation.step else { return Vec::new() };
        let body = json!({
            "experiment_id": hand.experiment, "plate_id": hand.plate, "well": well, "well_id": over, "robot": self.robot.name,
            "lease_epoch": self.lease.epoch, "at": at, "reading": reading,
        });
        let mut changes = vec![Change::Document { collection: "measurements", id: operation.id, body }];
        let Some(well) = well else {
            let white = WhiteReference {
                operation: operation.id,
                experiment: hand.experiment,
                plate: hand.plate,
                over,
                at,
                reading: *reading,
            };
            let value = serde_json::to_value(&white).unwrap_or_default();
            self.robot.white_reference = Some(value.clone());
            changes.push(Change::WhiteReference(value));
            return changes;
        };
        let measured =
            self.white_reference().ok_or_else(|| "no white reference has been read on this robot".to_owned()).and_then(
                |white| measure::measurement(operation.id, reading, &white, at).map_err(|error| error.to_string()),
            );
        changes.push(match measured {
            Ok(measurement_data) => Change::Result { id: ResultId::new(), well, measurement_data },
            Err(cause) => {
                let fault = Fault {
                    code: FaultCode::SensorError,
                    what: "The reading can't be turned into a colour.".to_owned(),
                    cause,
                    done: "The raw reading is kept; the well's quota is returned.".to_owned(),
                    next: "Check the sensor's light over an empty well.".to_owned(),
                };
                Change::Well { id: well, to: WellStatus::Failed, fault: Some(fault) }
            }
        });
        changes
    }

    fn white_reference(&self) -> Option<WhiteReference> {
        self.robot.white_reference.clone().and_then(|value| serde_json::from_value(value).ok())
    }

    fn report(&self, experiment: ExperimentId, steps_done: u64, steps_total: u64, rest: &[Step]) -> Change {
        let report =
            Report { steps_done, steps_total, seconds_left: self.pace.seconds(rest), pace: self.pace.factor() };
        Change::Event { experiment, kind: "progress", data: serde_json::to_value(report).unwrap_or_default() }
    }

    // ---- one step

    /// Sends one intended operation and waits for its end.
    async fn perform(&self, operation: &Operation, experiment: Option<ExperimentId>) -> Outcome {
        let began = Instant::now();
        let outcome = match &operation.step {
            Step::Read { .. } => self.read(operation, experiment).await,
            _ => self.command(operation).await,
        };
        let label = match &outcome {
            Outcome::Done(..) => "succeeded",
            Outcome::Not(event, ..) => event.as_str(),
            Outcome::Unknown(_) => "unknown",
        };
        metrics::counter!("tincture_operations_total", "kind" => operation.step.name(), "outcome" => label)
            .increment(1);
        metrics::histogram!("tincture_operation_seconds", "kind" => operation.step.name())
            .record(began.elapsed().as_secs_f64());
        outcome
    }

    async fn read(&self, operation: &Operation, experiment: Option<ExperimentId>) -> Outcome {
        let request = ReadRequest {
            operation: operation.id,
            experiment,
            lease_epoch: self.lease.epoch,
            settings: Default::default(),
        };
        match self.sensor.read(request).await {
            Ok(reading) => {
                Outcome::Done(json!({ "channels": reading.channels, "saturated": reading.saturated }), Some(reading))
            }
            Err(error) => {
                Outcome::Not(JournalEvent::Failed, Ending::NotDone, fault::of_reading(&operation.step, &error))
            }
        }
    }

    async fn command(&self, operation: &Operation) -> Outcome {
        let Some(run) = &self.run else {
            let error = PerformError::NotSent(RobotError::Unreachable { detail: "no run is open".to_owned() });
            return Outcome::Not(
                JournalEvent::NotReceived,
                Ending::NotDone,
                fault::of_command(&operation.step, &error),
            );
        };
        let error = match run.perform(operation, self.memory).await {
            Ok(answer) => return Outcome::Done(answer, None),
            Err(error) => error,
        };
        tracing::warn!(operation = %operation.id, step = operation.step.name(), %error, "a step did not succeed");
        let fault = fault::of_command(&operation.step, &error);
        match error {
            PerformError::NotSent(_) | PerformError::Refused(_) | PerformError::LostControl(_) => {
                Outcome::Not(JournalEvent::NotReceived, Ending::NotDone, fault)
            }
            PerformError::Failed(failure) => {
                let ending = if failure.started { Ending::Unsure } else { Ending::NotDone };
                Outcome::Not(JournalEvent::Failed, ending, fault)
            }
            // The driver has asked the robot and found nothing. That may still mean "under way": recovery shuts late
            // messages out before it believes it.
            PerformError::Unknown(_) => Outcome::Unknown(fault),
        }
    }

    // ---- endings

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
    async fn obey(&mut self, id: ExperimentId, wish: Option<Control>) -> Result<(), LaneError> {
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
        metrics::counter!("tincture_experiments_total", "outcome" => to.as_str()).increment(1);
        self.record(vec![Change::Experiment { id, to, fault }]).await?;
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
        if troubles < MOST_TROUBLES || self.is_held() {
            return Ok(());
        }
        let to = match self.robot.attendance {
            Attendance::Virtual => ExperimentStatus::Failed,
            // A person may put it right and resume: the plan goes on from what the journal says.
            Attendance::Operator => ExperimentStatus::Paused,
        };
        self.end_experiment(id, to, Some(fault::too_many(&fault, troubles))).await
    }

    // ---- the robot in hand

    /// Opens a run, unless one is open. From then on nothing that was sent to an earlier run can be carried out.
    async fn hold_robot(&mut self) -> Result<(), LaneError> {
        if self.run.is_some() {
            return Ok(());
        }
        self.homed = false;
        self.memory = Memory::Forgot;
        let run = match self.ot2.open_run(&self.robot.deck).await {
            Ok(run) => run,
            Err(error) => {
                self.complain(&error).await?;
                return Err(error.into());
            }
        };
        let mut changes = vec![Change::Run(Some(run.id().to_owned()))];
        if self.robot.mode != RobotMode::Attention && self.robot.attention.take().is_some() {
            changes.push(Change::Mode { mode: self.robot.mode, attention: None });
        }
        self.record(changes).await?;
        self.run = Some(run);
        if self.tool == Tool::Nothing {
            self.memory = Memory::Knows;
        }
        Ok(())
    }

    /// Says, once, on the robot's page why it doesn't work.
    async fn complain(&mut self, error: &RobotError) -> Result<(), LaneError> {
        let attention = Some(fault::of_robot(error));
        if self.robot.attention == attention {
            return Ok(());
        }
        self.robot.attention.clone_from(&attention);
        self.record(vec![Change::Mode { mode: self.robot.mode, attention }]).await
    }

    /// Leaves nothing on the nozzle.
    async fn make_safe(&mut self) -> Result<(), LaneError> {
        for step in plan::make_safe(&self.tool, self.memory) {
            self.safe_step(step).await?;
        }
        self.memory = Memory::Knows;
        Ok(())
    }

    async fn safe_step(&mut self, step: Step) -> Result<(), LaneError> {
        self.hold_robot().await?;
        let operation = Operation::new(step);
        let intended = Intended {
            operation: operation.clone(),
            experiment_id: None,
            run_id: self.run.as_ref().map(|run| run.id().to_owned()),
        };
        self.store.commit(&self.lease, Entry { intended: Some(intended), ..Entry::default() }).await?;
        match self.perform(&operation, None).await {
            Outcome::Done(answer, _) => {
                let changes = self.robot_consequences(&operation.step, Ending::Done);
                self.record_end(Some((end(&operation, JournalEvent::Succeeded, answer), changes))).await
            }
            Outcome::Not(event, ending, fault) => {
                let changes = self.robot_consequences(&operation.step, ending);
                self.record_end(Some((end(&operation, event, json!({ "fault": fault })), changes))).await?;
                Err(LaneError::Unsafe(fault.to_string()))
            }
            Outcome::Unknown(fault) => Err(LaneError::Unsafe(fault.to_string())),
        }
    }

    // ---- recovery

    /// Settles every operation whose end is unknown and makes the machine safe. The one way into work, whether the
    /// worker is new, was killed, lost its connection or saw a step fail.
    async fn recover(&mut self) -> Result<(), LaneError> {
        self.reload().await?;
        self.run = None;
        let open = self.store.open_operations(self.lease.robot_id).await?;
        if open.is_empty() && self.tool == Tool::Nothing {
            return Ok(());
        }
        self.hold_robot().await?;
        for operation in open {
            self.reconcile(&operation).await?;
        }
        if self.is_held() {
            return Ok(());
        }
        self.make_safe().await
    }

    /// Finds out how an open operation ended and records it, or that nobody can know.
    async fn reconcile(&mut self, open: &JournalledOperation) -> Result<(), LaneError> {
        let step = &open.operation.step;
        let (event, ending, outcome) = match step {
            // A reading that nobody received is worth nothing; the well is read again under a new id.
            Step::Read { .. } => {
                (JournalEvent::NotReceived, Ending::NotDone, json!({ "reason": "the reading was not received" }))
            }
            _ => self.look_up(open).await?,
        };
        tracing::info!(operation = %open.operation.id, step = step.name(), %event, "reconciled after an interruption");
        let mut changes = self.robot_consequences(step, ending);
        if let Some(id) = open.experiment_id
            && let Some(experiment) = self.store.experiment(id).await?
            && experiment.experiment.status == ExperimentStatus::Running
        {
            changes.extend(self.hand(&experiment).await?.ended(step, ending));
        }
        self.record_end(Some((end(&open.operation, event, outcome), changes))).await?;
        metrics::counter!("tincture_reconciled_total", "outcome" => event.as_str()).increment(1);
        if event == JournalEvent::InDoubt {
            self.settle_doubt(open).await?;
        }
        Ok(())
    }

    async fn look_up(&self, open: &JournalledOperation) -> Result<(JournalEvent, Ending, Value), LaneError> {
        let Some(run) = &open.run_id else {
            return Ok((JournalEvent::NotReceived, Ending::NotDone, json!({ "reason": "no run was open" })));
        };
        let deadline = Instant::now() + Patience::default().command;
        loop {
            match self.ot2.lookup(run, open.operation.id).await? {
                Lookup::Succeeded(answer) => return Ok((JournalEvent::Succeeded, Ending::Done, answer)),
                Lookup::Failed(failure) => {
                    let ending = if failure.started { Ending::Unsure } else { Ending::NotDone };
                    return Ok((JournalEvent::Failed, ending, json!({ "failure": failure })));
                }
                Lookup::Absent => {
                    return Ok((
                        JournalEvent::NotReceived,
                        Ending::NotDone,
                        json!({ "reason": "the robot never got it" }),
                    ));
                }
                Lookup::Running if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
                Lookup::Running | Lookup::HistoryLost => {
                    let reason = "the robot's server restarted and forgot its commands";
                    return Ok((JournalEvent::InDoubt, Ending::Unsure, json!({ "reason": reason })));
                }
            }
        }
    }

    /// The well is quarantined already. The virtual lab goes on by itself; a real robot waits for somebody to look at it.
    async fn settle_doubt(&mut self, open: &JournalledOperation) -> Result<(), LaneError> {
        let by = match self.robot.attendance {
            Attendance::Virtual => "policy: the virtual lab recovers by itself",
            Attendance::Operator => "policy: the operator is asked",
        };
        let mut changes = Vec::new();
        if self.robot.attendance == Attendance::Operator {
            let fault = fault::in_doubt(&open.operation.step, "the robot's server restarted and forgot its commands");
            self.robot.mode = RobotMode::Attention;
            changes.push(Change::Mode { mode: RobotMode::Attention, attention: Some(fault) });
        }
        self.record_end(Some((end(&open.operation, JournalEvent::Settled, json!({ "by": by })), changes))).await
    }

    async fn journal(&self, id: ExperimentId) -> Result<Vec<JournalledOperation>, LaneError> {
        let mut journal = Vec::new();
        loop {
            let after = journal.last().map_or(0, |operation: &JournalledOperation| operation.sequence);
            let page = self.store.operations(id, after, JOURNAL_PAGE).await?;
            let is_last = page.len() < JOURNAL_PAGE as usize;
            journal.extend(page);
            if is_last {
                return Ok(journal);
            }
        }
    }
}

/// What an experiment still needs on this plate; wells that were stranded elsewhere need everything anew.
fn to_mix(experiment: &ExperimentDetail, journal: &[JournalledOperation], stranded: &[WellId]) -> Vec<Mixture> {
    let given = mixture::unfinished(experiment, journal);
    let wells = experiment.wells.iter().map(|(well, _)| well).filter(|well| !well.status.is_final());
    wells
        .zip(WellName::all())
        .map(|(well, anywhere)| Mixture {
            well: well.id,
            at: well.well_id.unwrap_or(anywhere),
            status: well.status,
            recipe: well.recipe.clone(),
            given: given
                .iter()
                .find(|mixture| mixture.well == well.id && !stranded.contains(&well.id))
                .map(|mixture| mixture.given.clone())
                .unwrap_or_default(),
        })
        .collect()
}

fn end(operation: &Operation, event: JournalEvent, outcome: Value) -> Ended {
    Ended { operation: operation.id, event, outcome }
}

fn doing(experiment: ExperimentId, step: &Step) -> Change {
    let data = json!({ "step": step.name(), "sentence": step.sentence(), "well": step.well() });
    Change::Event { experiment, kind: "operation", data }
}

trait UnzipChanges {
    fn unzip_changes(self) -> (Option<Ended>, Vec<Change>);
}

impl UnzipChanges for Option<(Ended, Vec<Change>)> {
    fn unzip_changes(self) -> (Option<Ended>, Vec<Change>) {
        self.map_or_else(|| (None, Vec::new()), |(ended, changes)| (Some(ended), changes))
    }
}
