//! The rules: what must be true of the evidence, whatever was done to the lab.
//!
//! Each rule is a function of the evidence alone. They take nothing on trust: a result counts when the ledger shows the
//! very reading, over the very well, on the very plate, after the last drop fell into it.

use crate::{
    database::JournalRecord,
    evidence::{Evidence, RobotEvidence},
};
use chrono::{DateTime, Utc};
use domain::{
    Collection, ExperimentId, ExperimentStatus, Handling, JournalEvent, Mount, OperationId, OperationState, RobotId,
    Step, WellName, WellStatus,
};
use emulator::world::{Entry, Event, PLATE_SLOT, Slot, Spot, stated_pipette_error};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};
use store::{Measurement, Well};
use uuid::Uuid;

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// What was accepted is there.
    Accepted,
    /// (a) No measured well has any dye but its recipe, each drop once.
    Recipe,
    /// (b) Every result is the reading of that very well; none invented, none lost.
    Result,
    /// (c) What was charged was measured.
    Quota,
    /// (d) Nothing hangs on a nozzle.
    Safe,
    /// (e) Every experiment has come to its end.
    Final,
    /// (f) Every operation's history is lawful, and true.
    Journal,
    /// No part of the machine was driven into another, no air was drawn for liquid, and it pressed down on nothing.
    Machine,
    /// (g) Of every command, every reading and every plate that an experiment left there is one document.
    Document,
    /// Nothing was begun while people had been told that nothing would move.
    Held,
}

/// How it was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    pub promise: Promise,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

/// What the evidence holds, for a person.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub experiments: usize,
    /// Accepted, and lost with a server that another took over from.
    pub lost: usize,
    pub measured: usize,
    pub quarantined: usize,
    pub operations: usize,
    pub in_doubt: usize,
    pub not_received: usize,
    pub dispenses: usize,
    pub readings: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} experiments, {} more lost, {} wells measured, {} quarantined; {} operations, {} in doubt, {} never received; \
             {} drops and {} readings in the ledgers",
            self.experiments,
            self.lost,
            self.measured,
            self.quarantined,
            self.operations,
            self.in_doubt,
            self.not_received,
            self.dispenses,
            self.readings
        )
    }
}

/// A ledger's entry, and which plate lay there then: 0 is the first.
#[derive(Clone, Copy, Debug)]
struct Act<'a> {
    entry: &'a Entry,
    plate: usize,
}

/// A physical well of a physical plate.
type Place = (RobotId, usize, WellName);

/// The evidence by what it is asked for.
struct Case<'a> {
    evidence: &'a Evidence,
    robots: HashMap<RobotId, &'a RobotEvidence>,
    by_key: HashMap<OperationId, Vec<(RobotId, Act<'a>)>>,
    by_place: HashMap<Place, Vec<Act<'a>>>,
    steps: HashMap<OperationId, (&'a Step, JournalEvent)>,
}

/// Holds everything against everything.
pub fn judge(evidence: &Evidence) -> Vec<Violation> {
    let case = Case::new(evidence);
    let rules: [fn(&Case<'_>, &mut Vec<Violation>); 11] =
        [accepted, recipes, wells, results, quotas, safety, endings, journal, machines, holds, documents];
    let mut violations = Vec::new();
    for rule in rules {
        rule(&case, &mut violations);
    }
    violations
}

pub fn summary(evidence: &Evidence) -> Summary {
    let wells = || evidence.experiments.iter().flat_map(|experiment| &experiment.wells);
    let count = |status| wells().filter(|(well, _)| well.status == status).count();
    let acts = |is: fn(&Event) -> bool| evidence.robots.iter().flat_map(|r| &r.ledger).filter(|e| is(&e.event)).count();
    let had = |event| evidence.journal.iter().filter(|record| record.events.contains(&event)).count();
    Summary {
        experiments: evidence.experiments.len(),
        lost: evidence.lost.len(),
        measured: count(WellStatus::Measured),
        quarantined: count(WellStatus::Quarantined),
        operations: evidence.journal.len(),
        in_doubt: had(JournalEvent::InDoubt),
        not_received: had(JournalEvent::NotReceived),
        dispenses: acts(|event| matches!(event, Event::Dispense { .. })),
        readings: acts(|event| matches!(event, Event::Read { .. })),
    }
}

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let mut case = Self {
            evidence,
            robots: evidence.robots.iter().map(|robot| (robot.id, robot)).collect(),
            by_key: HashMap::new(),
            by_place: HashMap::new(),
            steps: evidence.journal.iter().map(|record| (record.id, (&record.step, record.state))).collect(),
        };
        for robot in &evidence.robots {
            case.index(robot);
        }
        case
    }

    fn index(&mut self, robot: &'a RobotEvidence) {
        let mut plate = 0;
        for entry in &robot.ledger {
            if matches!(&entry.event, Event::NewPlate { slot, .. } if *slot == PLATE_SLOT) {
                plate += 1;
            }
            let act = Act { entry, plate };
            if let Some(key) = key(entry) {
                self.by_key.entry(key).or_default().push((robot.id, act));
            }
            if let Some(well) = plate_well(&entry.event) {
                self.by_place.entry((robot.id, plate, well)).or_default().push(act);
            }
        }
    }

    fn acts(&self, key: OperationId) -> &[(RobotId, Act<'a>)] {
        self.by_key.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the journal has it. Of a reading's exposures only the first bears the operation's own id.
    fn is_intended(&self, id: OperationId, event: &Event) -> bool {
        self.steps.contains_key(&id)
            || matches!(event, Event::Read { .. }) && exposures(id).any(|operation| self.reads(operation))
    }

    fn reads(&self, operation: OperationId) -> bool {
        matches!(self.steps.get(&operation), Some((Step::Read { .. } | Step::CheckBlank { .. }, _)))
    }

    fn wells(&self) -> impl Iterator<Item = (&'a Well, Option<&'a Measurement>)> {
        self.evidence.experiments.iter().flat_map(|e| &e.wells).map(|(well, result)| (well, result.as_ref()))
    }

    fn drops_meant_for(&self, well: &Well) -> Vec<OperationId> {
        let is_drop = |step: &Step| matches!(step, Step::Dispense { well: into, .. } | Step::Mix { well: into, .. } if *into == well.id);
        self.evidence.journal.iter().filter(|record| is_drop(&record.step)).map(|record| record.id).collect()
    }
}

/// Each exposure of an operation has an id of its own; those of any of them are the same.
fn exposures(id: OperationId) -> impl Iterator<Item = OperationId> {
    (0..=u8::MAX).map(move |index| id.exposure(index))
}

/// On a broker the lease follows the operation.
fn key(entry: &Entry) -> Option<OperationId> {
    entry.key.as_ref()?.split(':').next()?.parse().ok()
}

fn spot(event: &Event) -> Option<&Spot> {
    match event {
        Event::PickUpTip { spot, .. }
        | Event::Aspirate { spot, .. }
        | Event::Dispense { spot, .. }
        | Event::Overflow { spot, .. }
        | Event::Touch { spot, .. }
        | Event::Refill { spot, .. }
        | Event::SensorRestored { spot } => Some(spot),
        Event::DropTip { spot, .. }
        | Event::Air { spot, .. }
        | Event::BlowOut { spot, .. }
        | Event::Miss { spot, .. }
        | Event::Read { spot, .. } => spot.as_ref(),
        _ => None,
    }
}

fn plate_well(event: &Event) -> Option<WellName> {
    spot(event).filter(|spot| spot.slot == PLATE_SLOT)?.well.parse().ok()
}

/// What an entry says, in one line.
fn told(entry: &Entry) -> String {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    for detail in ["geometry", "nozzle", "channels", "components"] {
        if let Value::Object(fields) = &mut value {
            fields.remove(detail);
        }
    }
    value.to_string()
}

fn accepted(case: &Case<'_>, violations: &mut Vec<Violation>) {
    if case.evidence.may_lose_commits {
        return;
    }
    let gone = |id: &ExperimentId| Violation {
        promise: Promise::Accepted,
        what: format!("experiment {id} was accepted and isn't there"),
    };
    violations.extend(case.evidence.lost.iter().map(gone));
}

// ---- (a)

fn recipes(case: &Case<'_>, violations: &mut Vec<Violation>) {
    for (well, _) in case.wells().filter(|(well, _)| well.status == WellStatus::Measured) {
        if let Err(what) = holds_its_recipe(case, well) {
            let at = well.well_id.map_or_else(|| "nowhere".to_owned(), |at| at.to_string());
            let what = format!("well {} ({at}, experiment {}): {what}", well.id, well.experiment_id);
            violations.push(Violation { promise: Promise::Recipe, what });
        }
    }
}

fn holds_its_recipe(case: &Case<'_>, well: &Well) -> Result<(), String> {
    let own: HashSet<OperationId> = case.drops_meant_for(well).into_iter().collect();
    let place = place_of(case, well)?;
    let mut nominal: BTreeMap<String, f64> = BTreeMap::new();
    let mut seen = HashSet::new();
    let (mut drawn, mut given_back) = (0, 0);
    for act in case.by_place.get(&place).into_iter().flatten() {
        let step = key(act.entry).and_then(|key| case.steps.get(&key)).map(|(step, _)| *step);
        match (&act.entry.event, step) {
            (Event::Aspirate { .. }, Some(Step::MixDraw { well: of, .. })) if *of == well.id => drawn += 1,
            (Event::Dispense { .. }, Some(Step::MixGive { well: of, .. })) if *of == well.id => given_back += 1,
            (event, Some(step)) if is_handling(event, step) => continue,
            _ => {}
        }
        match &act.entry.event {
            Event::Aspirate { .. } | Event::Dispense { .. } if matches!(step, Some(Step::MixDraw { well: of, .. } | Step::MixGive { well: of, .. }) if *of == well.id) =>
                {}
            Event::Read { .. } => continue,
            Event::Dispense { actor, portion, nominal_ul, .. } => {
                let key = key(act.entry).filter(|key| own.contains(key));
                let key = key.ok_or_else(|| format!("a drop that isn't its own: {}", told(act.entry)))?;
                let dye = portion.dye.clone().ok_or_else(|| format!("a drop of nothing: {}", told(act.entry)))?;
                if !seen.insert((key, dye.clone())) {
                    return Err(format!("a drop fell twice: {}", told(act.entry)));
                }
                check_error(case, place.0, actor.mount, portion.volume_ul, *nominal_ul)?;
                *nominal.entry(dye).or_default() += nominal_ul;
            }
            _ => return Err(format!("something else happened in it: {}", told(act.entry))),
        }
    }
    let wanted: BTreeMap<String, f64> =
        well.recipe.iter().filter(|(_, volume)| !volume.is_zero()).map(|(dye, v)| (dye.to_string(), v.ul())).collect();
    let same = wanted.len() == nominal.len()
        && wanted.iter().all(|(dye, ul)| nominal.get(dye).is_some_and(|given| (given - ul).abs() < 0.001));
    if !same {
        return Err(format!("{wanted:?} was asked for and {nominal:?} is in it"));
    }
    let asked = mixes_asked(case, well);
    if drawn != given_back || given_back < asked {
        return Err(format!(
            "it was to be mixed {asked} times, was drawn from {drawn} times and given back {given_back}"
        ));
    }
    Ok(())
}

/// How often its person wants a well mixed.
fn mixes_asked(case: &Case<'_>, well: &Well) -> u8 {
    let of = case.evidence.experiments.iter().find(|detail| detail.experiment.id == well.experiment_id);
    let stored = of.and_then(|detail| detail.experiment.metadata.get("handling"));
    let handling: Handling = stored.and_then(|stored| serde_json::from_value(stored.clone()).ok()).unwrap_or_default();
    handling.repetitions(&well.recipe)
}

/// Whether an event is what a step of handling leaves in the ledger besides liquid that goes somewhere: a tip that meets a
/// well's liquid to mix it, air that is drawn or let out, an empty tip that is blown out.
fn is_handling(event: &Event, step: &Step) -> bool {
    match (event, step) {
        (Event::Touch { spot, .. }, Step::MixDraw { .. } | Step::MixGive { .. } | Step::TouchTip { .. }) => {
            spot.slot == PLATE_SLOT
        }
        (Event::Air { .. }, Step::AirGap { .. } | Step::ExpelAir { .. }) => true,
        (Event::BlowOut { portion, .. }, Step::BlowOutInto { .. }) => portion.volume_ul < 0.001,
        _ => false,
    }
}

/// Where a well of an experiment physically is: where its drops fell.
fn place_of(case: &Case<'_>, well: &Well) -> Result<Place, String> {
    let at = well.well_id.ok_or("it has no place")?;
    let drops = case.drops_meant_for(well);
    let acts = drops
        .iter()
        .flat_map(|drop| case.acts(*drop))
        .filter(|(_, act)| matches!(act.entry.event, Event::Dispense { .. }));
    let mut places: Vec<Place> = Vec::new();
    for (robot, act) in acts {
        let landed =
            plate_well(&act.entry.event).ok_or_else(|| format!("a drop beside the plate: {}", told(act.entry)))?;
        if !places.contains(&(*robot, act.plate, landed)) {
            places.push((*robot, act.plate, landed));
        }
    }
    match places.as_slice() {
        [place] if place.2 == at => Ok(*place),
        [] => Err("nothing was ever dispensed into it".to_owned()),
        places => Err(format!("its drops fell into {places:?} (robot, plate, well)")),
    }
}

fn check_error(case: &Case<'_>, robot: RobotId, mount: Mount, really_ul: f64, nominal_ul: f64) -> Result<(), String> {
    let pipette = case.robots.get(&robot).and_then(|robot| robot.deck.pipette(mount)).ok_or("no such pipette")?;
    let limit = stated_pipette_error(pipette.model, nominal_ul).limit_ul;
    if (really_ul - nominal_ul).abs() <= limit + 0.001 {
        return Ok(());
    }
    Err(format!("{really_ul} µL where {nominal_ul} µL were meant, and at most {limit:.2} µL of error is stated"))
}

/// A physical well is one experiment's alone, whatever became of either.
fn wells(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let of: HashMap<OperationId, ExperimentId> =
        case.evidence.journal.iter().filter_map(|record| Some((record.id, record.experiment?))).collect();
    for ((robot, plate, well), acts) in &case.by_place {
        let drops = acts.iter().filter(|act| matches!(act.entry.event, Event::Dispense { .. }));
        let users: HashSet<ExperimentId> = drops.filter_map(|act| of.get(&key(act.entry)?).copied()).collect();
        if users.len() > 1 {
            let robot = case.robots.get(robot).map_or("?", |robot| &robot.name);
            let what = format!("well {well} of plate {plate} on {robot} was used by {users:?}");
            violations.push(Violation { promise: Promise::Recipe, what });
        }
    }
}

// ---- (b)

fn results(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let mut taken: HashMap<OperationId, usize> = HashMap::new();
    for (well, result) in case.wells() {
        let outcome = match (well.status == WellStatus::Measured, result) {
            (true, Some(result)) => {
                is_its_reading(case, well, result).map(|reading| *taken.entry(reading).or_default() += 1)
            }
            (false, None) => Ok(()),
            (true, None) => Err("measured, without a result".to_owned()),
            (false, Some(_)) => Err(format!("{}, with a result", well.status)),
        };
        if let Err(what) = outcome {
            violations.push(Violation {
                promise: Promise::Result,
                what: format!("well {} ({:?}): {what}", well.id, well.well_id),
            });
        }
    }
    for (reading, times) in taken.iter().filter(|(_, times)| **times > 1) {
        violations.push(Violation { promise: Promise::Result, what: format!("reading {reading} is {times} results") });
    }
    for record in &case.evidence.journal {
        let Step::Read { well: Some(_), .. } = record.step else { continue };
        if record.state == JournalEvent::Succeeded && !taken.contains_key(&record.id) {
            violations.push(Violation {
                promise: Promise::Result,
                what: format!("reading {} succeeded and its result is lost", record.id),
            });
        }
    }
}

fn is_its_reading(case: &Case<'_>, well: &Well, result: &Measurement) -> Result<OperationId, String> {
    let data = &result.measurement_data;
    let id = data.get("operation_id").and_then(Value::as_str).and_then(|id| id.parse::<OperationId>().ok());
    let id = id.ok_or("a result without its reading's id")?;
    match case.steps.get(&id) {
        Some((Step::Read { well: Some(of), .. }, JournalEvent::Succeeded)) if *of == well.id => {}
        other => return Err(format!("its reading {id} is {other:?} in the journal")),
    }
    let place = place_of(case, well)?;
    let acts = case.by_place.get(&place).map(Vec::as_slice).unwrap_or_default();
    let last_drop =
        acts.iter().filter(|act| matches!(act.entry.event, Event::Dispense { .. })).map(|act| act.entry.sequence).max();
    let exposures: HashSet<OperationId> = exposures(id).collect();
    let is_exposure = |act: &&Act<'_>| {
        matches!(act.entry.event, Event::Read { .. })
            && key(act.entry).is_some_and(|key| exposures.contains(&key))
            && Some(act.entry.sequence) > last_drop
    };
    let mut counted: Vec<Value> =
        acts.iter().filter(is_exposure).filter_map(|act| channels_of(&act.entry.event)).collect();
    let reads = data.get("reads").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let are_all = !reads.is_empty()
        && reads.iter().all(|read| {
            let at = counted.iter().position(|channels| is_told(channels.clone(), read));
            at.map(|at| counted.swap_remove(at)).is_some()
        });
    if are_all && is_their_mean(data.get("channels"), reads) {
        return check_white(case, place, data).map(|()| id);
    }
    let really: Vec<_> = case.acts(id).iter().map(|(_, act)| told(act.entry)).collect();
    Err(format!("its reading {id} isn't a reading of {place:?} after its last drop; the ledger has {really:?}"))
}

fn channels_of(event: &Event) -> Option<Value> {
    match event {
        Event::Read { channels, .. } => serde_json::to_value(channels).ok(),
        _ => None,
    }
}

fn is_their_mean(channels: Option<&Value>, reads: &[Value]) -> bool {
    let Some(channels) = channels.and_then(Value::as_object) else { return false };
    channels.iter().all(|(name, mean)| {
        let counts: Option<Vec<f64>> = reads.iter().map(|read| read.get(name)?.as_f64()).collect();
        let exact = counts.map(|counts| counts.iter().sum::<f64>() / reads.len() as f64);
        exact.zip(mean.as_f64()).is_some_and(|(exact, mean)| (exact - mean).abs() <= 0.5)
    })
}

/// Whether a result has what the sensor counted. A firmware may tell the eight bands alone.
fn is_told(mut counted: Value, told: &Value) -> bool {
    for left_out in ["clear", "nir"].iter().filter(|name| told.get(**name).is_none()) {
        counted.as_object_mut().and_then(|counted| counted.remove(*left_out));
    }
    counted == *told
}

/// The white reference is a reading over a well of the same plate that was empty then.
fn check_white(case: &Case<'_>, place: Place, data: &Value) -> Result<(), String> {
    let id = data.pointer("/white_reference/operation_id").and_then(Value::as_str).unwrap_or_default();
    let id: OperationId = id.parse().map_err(|_| "a result without a white reference".to_owned())?;
    let over_empty = |act: &Act<'_>| {
        let Some(well) = plate_well(&act.entry.event) else { return false };
        let there = case.by_place.get(&(place.0, act.plate, well)).map(Vec::as_slice).unwrap_or_default();
        let earlier = |other: &&Act<'_>| other.entry.sequence < act.entry.sequence;
        act.plate == place.1
            && !there.iter().filter(earlier).any(|other| matches!(other.entry.event, Event::Dispense { .. }))
    };
    let acts = case.acts(id);
    if acts
        .iter()
        .any(|(robot, act)| *robot == place.0 && matches!(act.entry.event, Event::Read { .. }) && over_empty(act))
    {
        return Ok(());
    }
    let really: Vec<_> = acts.iter().map(|(_, act)| told(act.entry)).collect();
    Err(format!("its white reference {id} isn't a reading over an empty well of its plate: {really:?}"))
}

// ---- (c)

fn quotas(case: &Case<'_>, violations: &mut Vec<Violation>) {
    for user in &case.evidence.users {
        let of_user = case.evidence.experiments.iter().filter(|experiment| experiment.experiment.user_id == user.id);
        let wells = of_user.flat_map(|experiment| &experiment.wells);
        let measured = wells.filter(|(well, _)| well.status == WellStatus::Measured).count() as i64;
        if user.granted - measured != user.remaining {
            let what = format!(
                "{} had {}, {measured} wells were measured and {} are left",
                user.email, user.granted, user.remaining
            );
            violations.push(Violation { promise: Promise::Quota, what });
        }
    }
}

// ---- (d)

fn safety(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let whole = |robot: &&RobotEvidence| !case.evidence.broken.contains(&robot.id);
    for robot in case.evidence.robots.iter().filter(whole) {
        for mount in ["left", "right"] {
            let tool = robot.state.get(mount).cloned().unwrap_or_default();
            if tool.get("is").and_then(Value::as_str) != Some("nothing") {
                let what = format!("{}: on the {mount} nozzle hangs {tool}", robot.name);
                violations.push(Violation { promise: Promise::Safe, what });
            }
        }
        let slots = robot.state.get("slots").and_then(Value::as_object);
        let docked = slots
            .is_some_and(|slots| slots.values().any(|placed| placed.get("sensor_in").is_some_and(Value::is_string)));
        if !docked {
            violations.push(Violation {
                promise: Promise::Safe,
                what: format!("{}: the sensor isn't in its dock", robot.name),
            });
        }
    }
}

// ---- (e)

fn endings(case: &Case<'_>, violations: &mut Vec<Violation>) {
    for detail in &case.evidence.experiments {
        let experiment = &detail.experiment;
        let good = match experiment.status {
            ExperimentStatus::Completed => true,
            ExperimentStatus::Cancelled => case.evidence.cancelled.contains(&experiment.id),
            ExperimentStatus::Failed => experiment.robot_id.is_some_and(|robot| case.evidence.broken.contains(&robot)),
            _ => false,
        };
        let open = detail.wells.iter().filter(|(well, _)| !well.status.is_final()).count();
        let positions = |keep: fn(&Well) -> bool| -> HashSet<i32> {
            detail.wells.iter().map(|(well, _)| well).filter(|well| keep(well)).map(|well| well.position).collect()
        };
        let asked = positions(|_| true);
        let measured = positions(|well| well.status == WellStatus::Measured);
        // A plate without a free well left can't make up for a quarantined one.
        let given_up = positions(|well| well.status == WellStatus::Quarantined);
        let whole = experiment.status != ExperimentStatus::Completed
            || asked.iter().all(|p| measured.contains(p) || given_up.contains(p));
        if !good || open > 0 || !whole {
            let what = format!(
                "experiment {} is {}, {} of {} wells measured, {open} without an end{}",
                experiment.id,
                experiment.status,
                measured.len(),
                asked.len(),
                experiment.fault.as_ref().map(|fault| format!(" ({fault})")).unwrap_or_default()
            );
            violations.push(Violation { promise: Promise::Final, what });
        }
    }
}

// ---- (f)

fn journal(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let mut broken = |what: String| violations.push(Violation { promise: Promise::Journal, what });
    for record in &case.evidence.journal {
        match OperationState::fold(record.events.iter().copied()) {
            Ok(Some(state)) if state.last() == record.state => {}
            other => broken(format!("operation {} is {} and its events fold to {other:?}", record.id, record.state)),
        }
        if record.state == JournalEvent::Intended && !case.evidence.broken.contains(&record.robot) {
            broken(format!("operation {} ({}) never ended", record.id, record.step.name()));
        }
        let acts = case.acts(record.id);
        match (record.state, acts.iter().find(|(_, act)| moves_something(&act.entry.event))) {
            (JournalEvent::NotReceived, Some((_, act))) => {
                broken(format!("operation {} was 'never received' and happened: {}", record.id, told(act.entry)));
            }
            (JournalEvent::Succeeded, _) if acts.is_empty() && must_leave_a_trace(&record.step) => {
                broken(format!("operation {} ({}) 'succeeded' and never happened", record.id, record.step.name()));
            }
            _ => {}
        }
    }
    for (id, acts) in &case.by_key {
        let Some((robot, act)) = acts.first() else { continue };
        // What a promoted server lacks is a doubt in the journal, unless the deck is as it was (a reading, a homing) or was given up
        // as a whole.
        let may_lack = case.evidence.may_lose_commits
            && (!act.entry.event.changes_deck() || is_renewed_after(case, *robot, act.entry));
        if !case.is_intended(*id, &act.entry.event) && !may_lack {
            let robot = case.robots.get(robot).map_or("?", |robot| &robot.name);
            broken(format!("something happened on {robot} that nobody had intended: {}", told(act.entry)));
        }
        let times = acts.iter().filter(|(_, act)| is_main_act(&act.entry.event)).count();
        if times > case.steps.get(id).map_or(1, |(step, _)| most_acts(step)) {
            broken(format!("operation {id} was carried out {times} times: {}", told(act.entry)));
        }
    }
}

/// Whether another plate was laid there later.
fn is_renewed_after(case: &Case<'_>, robot: RobotId, act: &Entry) -> bool {
    let is_plate = |event: &Event| matches!(event, Event::NewPlate { slot, .. } if *slot == PLATE_SLOT);
    let ledger = case.robots.get(&robot).map(|robot| robot.ledger.as_slice()).unwrap_or_default();
    ledger.iter().any(|later| later.sequence > act.sequence && is_plate(&later.event))
}

fn documents(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let Some(found) = &case.evidence.documents else { return };
    let of = |collection| found.get(&collection).map(Vec::as_slice).unwrap_or_default();
    let mut hold = |collection, promised: HashSet<Uuid>| {
        let mut times = HashMap::<Uuid, usize>::new();
        of(collection).iter().for_each(|id| *times.entry(*id).or_default() += 1);
        let wrong = promised.iter().filter(|id| !times.contains_key(id)).map(|id| (*id, 0));
        let wrong = wrong.chain(times.iter().filter(|(_, times)| **times > 1).map(|(id, times)| (*id, *times)));
        violations.extend(wrong.map(|(id, times)| Violation {
            promise: Promise::Document,
            what: format!("document {id} is in {collection} {times} times"),
        }));
    };
    let ended = case.evidence.journal.iter().filter(|record| record.state != JournalEvent::Intended);
    hold(Collection::RobotCommands, ended.map(|record| record.id.as_uuid()).collect());
    let is_reading = |step: &Step| matches!(step, Step::Read { .. } | Step::CheckBlank { .. });
    let read = |record: &&JournalRecord| record.state == JournalEvent::Succeeded && is_reading(&record.step);
    hold(
        Collection::Measurements,
        case.evidence.journal.iter().filter(read).map(|record| record.id.as_uuid()).collect(),
    );
    let left = case.evidence.experiments.iter().map(|detail| &detail.experiment);
    let left = left.filter(|experiment| experiment.status.is_final() && experiment.plate_id.is_some());
    hold(Collection::Plates, left.map(|experiment| experiment.id.as_uuid()).collect());
}

/// A reading changes nothing; that it happened unheard is no lie of the journal.
const fn moves_something(event: &Event) -> bool {
    !matches!(event, Event::Read { .. })
}

/// The acts that a command causes once.
const fn is_main_act(event: &Event) -> bool {
    matches!(event, Event::PickUpTip { .. } | Event::DropTip { .. } | Event::Aspirate { .. } | Event::Dispense { .. })
}

/// How many of those a step causes at most. Whoever fetched a sensor by a robot's script is named when it is docked, too.
fn most_acts(step: &Step) -> usize {
    let strokes = step.clone().in_strokes();
    let acts = strokes.iter().filter(|stroke| must_leave_a_trace(stroke)).count();
    if strokes.as_slice() == [step.clone()] { 1 } else { acts + 1 }
}

const fn must_leave_a_trace(step: &Step) -> bool {
    matches!(
        step,
        Step::PickUpTip { .. }
            | Step::Aspirate { .. }
            | Step::Dispense { .. }
            | Step::MixDraw { .. }
            | Step::MixGive { .. }
            | Step::ReturnTip { .. }
            | Step::PickUpSensor { .. }
            | Step::Read { .. }
            | Step::CheckBlank { .. }
            | Step::ParkSensor { .. }
            | Step::Mix { .. }
            | Step::PresentSensor { .. }
    )
}

// ---- the machine

fn machines(case: &Case<'_>, violations: &mut Vec<Violation>) {
    for robot in &case.evidence.robots {
        for entry in &robot.ledger {
            let step = key(entry).and_then(|key| case.steps.get(&key));
            if step.is_some_and(|(step, _)| is_handling(&entry.event, step)) {
                continue;
            }
            let harmed = matches!(
                entry.event,
                Event::Crash { .. }
                    | Event::Spill { .. }
                    | Event::Overflow { .. }
                    | Event::Touch { .. }
                    | Event::Miss { .. }
                    | Event::Air { .. }
            );
            let lost_sensor = matches!(&entry.event, Event::DropTip { tool: emulator::world::ToolName::Sensor, spot, .. } if !in_dock(spot.as_ref()));
            if harmed || lost_sensor {
                violations
                    .push(Violation { promise: Promise::Machine, what: format!("{}: {}", robot.name, told(entry)) });
            }
        }
    }
}

fn in_dock(spot: Option<&Spot>) -> bool {
    let dock: Slot = emulator::world::DOCK_SLOT;
    spot.is_some_and(|spot| spot.slot == dock)
}

// ---- people

/// Nothing is intended from a promise to its end; nothing moves once what was under way then had ended.
fn holds(case: &Case<'_>, violations: &mut Vec<Violation>) {
    for robot in &case.evidence.robots {
        for hold in case.evidence.holds.iter().filter(|hold| hold.robot == robot.name) {
            let mut broken = |what: String| violations.push(Violation { promise: Promise::Held, what });
            let within =
                |at: DateTime<Utc>, since: DateTime<Utc>| at > since && hold.until.is_none_or(|until| at < until);
            let promised = format!("{} was {:?} from {} to {:?}", robot.name, hold.why, hold.since, hold.until);
            let of_robot = case.evidence.journal.iter().filter(|record| record.robot == robot.id);
            for record in of_robot.filter(|record| within(record.intended_at, hold.since)) {
                broken(format!("{promised}, and {} was intended at {}", record.step.name(), record.intended_at));
            }
            let Some(quiet) = hold.quiet_since else { continue };
            let commanded = robot.ledger.iter().filter(|entry| key(entry).is_some() && moves_something(&entry.event));
            for entry in commanded.filter(|entry| within(entry.at, quiet)) {
                broken(format!("{promised}, quiet since {quiet}, and this happened: {}", told(entry)));
            }
        }
    }
}
