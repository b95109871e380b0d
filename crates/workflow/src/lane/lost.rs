//! What the robot was told and the journal has lost, since a server that lacked it was promoted.
//!
//! The robot's own list has it: each command's key is the id of an operation, and its parameters say what it touched. What is
//! told there is written into the journal as doubts: a well that got a drop is nobody's any more, a tip isn't counted on, a
//! vial has that much less in it, and what hangs on the nozzle is known again. A list that can't be read to the end, or
//! that has what isn't ours, is the business of [`super::takeover`]: then nothing on the deck is believed.

use super::{Lane, LaneError};
use crate::{fault, hand::Hand};
use domain::{
    Attendance, Change, Deck, DyeName, Ending, ExperimentId, Inventory, JournalEvent, Mount, Operation, OperationId,
    PlateId, Slot, Step, Tool, WellId, WellName, WellStatus,
};
use hardware::{RunTrace, TracedCommand};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use store::{Entry, Lost};

/// Whose the wells of the plate are.
type Owners = HashMap<WellName, (WellId, ExperimentId, WellStatus)>;

/// A command that the journal doesn't know, as one of its operations.
struct Found {
    operation: Operation,
    run_id: String,
    ending: Ending,
    said: String,
}

impl Lane {
    /// Takes what the journal lacks of these runs (newest first) into it, with `known`. `false`, and nothing was done, where it
    /// can't be told in this deck's terms what that is.
    pub(super) async fn take_in_lost(&mut self, runs: &[RunTrace], known: &[Change]) -> Result<bool, LaneError> {
        let Some(plate) = self.robot.plate_id else { return Ok(false) };
        let unknown = self.unknown_commands(runs).await?;
        let owners = self.store.wells_of(plate).await?;
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let commands = unknown.iter().map(|(_, command)| *command).collect::<Vec<_>>();
        let reader = Reader { deck: &self.robot.deck, inventory: &inventory, owners: &owners, commands: &commands };
        let Some(steps) = reader.steps(&self.robot.tool) else { return Ok(false) };
        let found = unknown.iter().zip(steps).filter_map(|((run, command), step)| {
            let operation = Operation { id: command.key.parse().ok()?, step };
            let ending = if command.succeeded { Ending::Done } else { Ending::Unsure };
            let said = if command.succeeded { "succeeded" } else { "didn't succeed" }.to_owned();
            Some(Found { operation, run_id: (*run).to_owned(), ending, said })
        });
        let found: Vec<Found> = found.collect();
        if found.len() < unknown.len() {
            return Ok(false);
        }
        // What the journal has open was sent before all that it lacks.
        for open in self.store.open_operations(self.lease.robot_id).await? {
            self.reconcile(&open).await?;
        }
        self.write_lost(plate, &owners, found, known).await?;
        Ok(true)
    }

    async fn write_lost(
        &mut self,
        plate: PlateId,
        owners: &Owners,
        found: Vec<Found>,
        known: &[Change],
    ) -> Result<(), LaneError> {
        let mut entry = Entry { changes: known.to_vec(), ..Entry::default() };
        for one in &found {
            entry.changes.extend(self.robot_consequences(&one.operation.step, one.ending));
            if let Step::PickUpTip { mount, tip, .. } = &one.operation.step {
                let slot = self.robot.deck.pipette(*mount).map(|pipette| pipette.tip_slot);
                entry.changes.extend(slot.map(|slot| Change::TipLost { slot, tip: *tip }));
            }
        }
        let drops: Vec<&Step> =
            found.iter().map(|one| &one.operation.step).filter(|step| place(step).is_some()).collect();
        entry.changes.extend(self.condemn(plate, owners, &drops).await?);
        match self.robot.attendance {
            _ if found.is_empty() => {}
            // That it laid another plate there meanwhile may be lost too, and costs less than a drop on top of another.
            Attendance::Virtual => entry.changes.push(Change::PlateLifted),
            Attendance::Operator => {
                let question = self.asking(fault::lost_operations(found.len()));
                entry.changes.push(question);
            }
        }
        let experiment = |step: &Step| match step {
            Step::Dispense { at, .. } | Step::MixDraw { at, .. } | Step::MixGive { at, .. } => {
                owners.get(at).map(|(_, experiment, _)| *experiment)
            }
            _ => None,
        };
        for Found { operation, run_id, said, .. } in found {
            tracing::warn!(operation = %operation.id, step = operation.step.name(), said, "the journal had lost an operation; it is a doubt");
            metrics::counter!(telemetry::names::RECONCILED, "outcome" => JournalEvent::InDoubt.as_str()).increment(1);
            let experiment_id = experiment(&operation.step);
            let outcome = json!({ "reason": "the database lost it; the robot's list has it", "robot": said });
            entry.lost.push(Lost { operation, experiment_id, run_id, outcome });
        }
        self.commit(entry).await
    }

    /// The wells that got a drop are quarantined and made up for, those of nobody are never used.
    async fn condemn(&self, plate: PlateId, owners: &Owners, drops: &[&Step]) -> Result<Vec<Change>, LaneError> {
        let mut changes = Vec::new();
        let mut hands: HashMap<ExperimentId, Option<Hand>> = HashMap::new();
        let mut seen = HashSet::new();
        let hit: HashSet<WellName> = drops.iter().filter_map(|step| place(step)).collect();
        for step in drops {
            let Some(at) = place(step).filter(|at| seen.insert(*at)) else { continue };
            let Some((well, experiment, status)) = owners.get(&at) else {
                changes.push(Change::WellSpoiled { plate, at });
                continue;
            };
            if status.is_final() {
                continue;
            }
            if !hands.contains_key(experiment) {
                hands.insert(*experiment, self.hand_over(*experiment, &hit).await?);
            }
            match hands.get_mut(experiment).and_then(Option::as_mut) {
                Some(hand) => changes.extend(hand.ended(step, Ending::Unsure)),
                // Not under way here: it takes a fresh place when its turn comes.
                None => changes.push(Change::Replace {
                    quarantined: *well,
                    fresh: WellId::new(),
                    at: None,
                    fault: fault::in_doubt(step, "the database lost what was done with it"),
                }),
            }
        }
        Ok(changes)
    }

    /// An experiment that is in this lane's hand, none of whose wells moves to a place that was hit.
    async fn hand_over(&self, id: ExperimentId, hit: &HashSet<WellName>) -> Result<Option<Hand>, LaneError> {
        let Some(experiment) = self.store.experiment(id).await? else { return Ok(None) };
        if self.store.in_hand_id(self.lease.robot_id).await? != Some(id) {
            return Ok(None);
        }
        let mut hand = self.hand(&experiment).await?;
        hand.free.retain(|at| !hit.contains(at));
        Ok(Some(hand))
    }

    /// Commands that may have changed the deck and aren't the journal's, with their runs, oldest first.
    async fn unknown_commands<'a>(&self, runs: &'a [RunTrace]) -> Result<Vec<(&'a str, &'a TracedCommand)>, LaneError> {
        let all =
            runs.iter().rev().flat_map(|trace| trace.commands.iter().map(|command| (trace.run.id.as_str(), command)));
        let all: Vec<_> = all.filter(|(_, command)| command.changes_deck).collect();
        let ids: Vec<OperationId> = all.iter().filter_map(|(_, command)| command.key.parse().ok()).collect();
        let known = self.store.known_operations(self.lease.robot_id, &ids).await?;
        let is_known = |key: &str| key.parse().is_ok_and(|id: OperationId| known.contains(&id));
        Ok(all.into_iter().filter(|(_, command)| !is_known(&command.key)).collect())
    }
}

const fn place(step: &Step) -> Option<WellName> {
    match step {
        Step::Dispense { at, .. } | Step::MixDraw { at, .. } | Step::MixGive { at, .. } => Some(*at),
        _ => None,
    }
}

/// Reads commands as steps of this deck.
struct Reader<'a> {
    deck: &'a Deck,
    inventory: &'a Inventory,
    owners: &'a Owners,
    /// Oldest first.
    commands: &'a [&'a TracedCommand],
}

impl Reader<'_> {
    /// `tool` is what hung on the nozzle before. Nothing where one of them isn't what a lane tells a robot.
    fn steps(&self, tool: &Tool) -> Option<Vec<Step>> {
        let mut dyes: HashMap<Mount, DyeName> = match tool {
            Tool::Tip { mount, dye, .. } => HashMap::from([(*mount, dye.clone())]),
            Tool::Nothing | Tool::Sensor { .. } => HashMap::new(),
        };
        let mut steps = Vec::with_capacity(self.commands.len());
        for (place, command) in self.commands.iter().enumerate() {
            let step = self.step(place, command, &dyes)?;
            if let Step::PickUpTip { mount, dye, .. } | Step::Aspirate { mount, dye, .. } = &step {
                dyes.insert(*mount, dye.clone());
            }
            steps.push(step);
        }
        Some(steps)
    }

    fn step(&self, place: usize, command: &TracedCommand, dyes: &HashMap<Mount, DyeName>) -> Option<Step> {
        let mount = command.aim.mount?;
        let tips = self.deck.pipette(mount)?.tip_slot;
        let (slot, well, volume) = (command.aim.slot, command.aim.well, command.aim.volume);
        let is_at = |there: Slot| slot == Some(there);
        Some(match command.command_type.as_str() {
            "pickUpTip" if is_at(tips) => {
                Step::PickUpTip { mount, tip: well?, dye: self.dye_of_tip(place, mount, tips, well?)? }
            }
            "pickUpTip" if is_at(self.deck.sensor_slot) => Step::PickUpSensor { mount },
            "aspirate" if is_at(self.deck.vial_slot) && command.aim.above => {
                Step::AirGap { mount, vial: well?, volume: volume? }
            }
            "dispense" if is_at(self.deck.plate_slot) && command.aim.above => {
                Step::ExpelAir { mount, at: well?, volume: volume? }
            }
            "aspirate" if is_at(self.deck.vial_slot) => {
                let dye = self.deck.dyes.iter().find(|vial| Some(vial.vial) == well)?.name.clone();
                Step::Aspirate { mount, dye, vial: well?, volume: volume? }
            }
            "aspirate" if is_at(self.deck.plate_slot) => {
                let (at, volume) = (well?, volume?);
                Step::MixDraw { mount, well: self.owner(at), at, volume }
            }
            "dispense" if is_at(self.deck.plate_slot) && self.follows_a_draw(place, mount) => {
                let (at, volume) = (well?, volume?);
                Step::MixGive { mount, well: self.owner(at), at, volume }
            }
            "touchTip" if is_at(self.deck.plate_slot) => Step::TouchTip { mount, at: well? },
            "blowout" if is_at(self.deck.plate_slot) => Step::BlowOutInto { mount, at: well? },
            "dispense" if is_at(self.deck.plate_slot) => {
                let (at, dye) = (well?, dyes.get(&mount)?.clone());
                Step::Dispense { mount, dye, well: self.owner(at), at, volume: volume? }
            }
            "blowout" => Step::BlowOut { mount },
            "dropTip" if is_at(tips) => Step::ReturnTip { mount, tip: well? },
            "dropTip" if is_at(self.deck.sensor_slot) => Step::ParkSensor { mount },
            "dropTipInPlace" => Step::DropInPlace { mount },
            "moveToWell" if is_at(self.deck.plate_slot) => Step::MoveSensor { mount, over: well? },
            "moveToWell" if is_at(self.deck.sensor_slot) => Step::MoveSensorToDock { mount },
            _ => return None,
        })
    }

    fn owner(&self, at: WellName) -> WellId {
        self.owners.get(&at).map_or_else(WellId::new, |(well, ..)| *well)
    }

    /// Whether what a command gives was drawn from the plate itself, to mix a well.
    fn follows_a_draw(&self, place: usize, mount: Mount) -> bool {
        let before = self.commands[..place].iter().rev();
        let drawn = before.filter(|command| command.aim.mount == Some(mount)).find(|command| {
            matches!(command.command_type.as_str(), "aspirate" | "dispense" | "pickUpTip") && !command.aim.above
        });
        drawn.is_some_and(|last| last.command_type == "aspirate" && last.aim.slot == Some(self.deck.plate_slot))
    }

    /// A tip is one dye's: the one that it stands for by the journal, or that is drawn with it next. One that was never used has
    /// none yet; it is discarded whatever it is called.
    fn dye_of_tip(&self, place: usize, mount: Mount, slot: Slot, tip: WellName) -> Option<DyeName> {
        let assigned = self.inventory.tips.iter().find(|known| known.slot == slot && known.tip == tip);
        let drawn = self.commands[place..]
            .iter()
            .find(|later| later.command_type == "aspirate" && later.aim.mount == Some(mount));
        let vial = drawn.and_then(|drawn| self.deck.dyes.iter().find(|vial| Some(vial.vial) == drawn.aim.well));
        let known = assigned.and_then(|tip| tip.dye.clone()).or_else(|| vial.map(|vial| vial.name.clone()));
        known.or_else(|| self.deck.dyes.first().map(|vial| vial.name.clone()))
    }
}
