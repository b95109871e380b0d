//! Through a protocol, command by command, keeping account of what is in which tip and which well.

use super::{
    Mixing,
    document::{Command, ProtocolDocument},
    remarks::{At, Remarks, shown},
    sources::DyeSources,
    tip::{Amount, Content, MICROLITRE, SAME, Tip},
    vessels::{Height, Place, Vessels, is_aside},
};
use domain::{Deck, DyeName, Recipe, Volume, WellName, listed};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most that one command may move, µL: no tip of an OT-2 holds more.
const MOST_UL: f64 = 1_000.0;
/// Picolitres of the finest step of a pipette, 0.1 µL.
const STEP: f64 = MICROLITRE / 10.0;

/// What the lab does in its own way, so that nothing of a mixture depends on it.
const OWN_TIPS: &str = "tips: the lab takes one of its own for each dye";
const OWN_MOVES: &str = "moves, homing, lights and speeds: the lab has its own";
const NO_BLOW_OUT: &str = "blowing out: the lab blows out into its waste vial";
const NO_TOUCH: &str = "touching a well's wall with the tip is left out";
const NO_MIXING: &str = "mixing by drawing and giving back is left out";
const NO_AIR: &str = "air gaps are left out";
const NO_COMMENT: &str = "comments are left out";
const ROUNDED: &str = "amounts are rounded to 0.1 µL, the finest step of a pipette";
const NO_WAIT: &str = "timed waits are left out";
const OWN_READING: &str = "the sensor's moves: the lab reads every well by itself";
const SHARED_TIP: &str = "one tip for several liquids: the lab takes one for each dye, so that none gets into another";

/// What hangs on a nozzle.
enum Tool {
    Nothing,
    Tip(Tip),
    Sensor,
}

/// Where a nozzle is.
#[derive(Clone)]
enum Spot {
    Over { labware: String, well: String, location: Value },
    Trash,
}

struct Hand {
    name: String,
    /// What it takes at once.
    most: Volume,
    tool: Tool,
    at: Option<Spot>,
    /// What the tip was in.
    touched: Vec<Content>,
    /// Why liquid may not be moved with it.
    objection: Option<String>,
}

#[derive(Default)]
struct Given {
    amounts: BTreeMap<DyeName, Amount>,
    /// Of the first dye.
    at: At,
    /// Something else is in it, too, of which a problem tells.
    is_unknown: bool,
}

impl Given {
    fn first(at: At) -> Self {
        Self { at, ..Self::default() }
    }
}

pub(super) struct Walk<'a> {
    document: &'a ProtocolDocument,
    deck: &'a Deck,
    vessels: Vessels<'a>,
    hands: HashMap<String, Hand>,
    wells: BTreeMap<WellName, Given>,
    problems: Remarks,
    notes: Remarks,
    now: At,
}

impl<'a> Walk<'a> {
    pub fn new(document: &'a ProtocolDocument, deck: &'a Deck, sources: &'a DyeSources) -> Self {
        Self {
            document,
            deck,
            vessels: Vessels::of(document, deck, sources),
            hands: HashMap::new(),
            wells: BTreeMap::new(),
            problems: Remarks::default(),
            notes: Remarks::default(),
            now: At::default(),
        }
    }

    pub fn mixing(mut self) -> Mixing {
        for (index, command) in self.document.commands.iter().enumerate() {
            self.now = At { command: Some(index + 1), line: command.line() };
            self.step(command);
        }
        self.now = At::default();
        self.end();
        let wells = self.recipes();
        Mixing { wells, problems: self.problems.told(), notes: self.notes.told() }
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.problems.add(self.now, text);
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.add(self.now, text);
    }

    fn step(&mut self, command: &Command) {
        if !command.succeeded() {
            return self.problem(format!("{} wasn't carried out", shown(&command.kind)));
        }
        match command.kind.as_str() {
            "loadPipette" => self.load_pipette(command),
            "loadLiquid" => self.load_liquid(command),
            "loadLabware" | "loadLiquidClass" | "getTipPresence" | "verifyTipPresence" | "getNextTip"
            | "setTipState" => {}
            "pickUpTip" => self.pick_up(command),
            "aspirate" | "aspirateInPlace" => self.aspirate(command),
            "airGapInPlace" => self.air_gap(command),
            "dispense" | "dispenseInPlace" => self.dispense(command),
            "blowout" | "blowOutInPlace" => self.blow_out(command),
            "dropTip" | "dropTipInPlace" => self.drop_tip(command),
            "touchTip" => {
                self.note(NO_TOUCH);
                self.go(command);
            }
            "moveToWell" => self.go(command),
            "moveToAddressableArea" | "moveToAddressableAreaForDropTip" => self.go_to_area(command),
            "home" | "moveToCoordinates" | "moveRelative" | "retractAxis" | "savePosition" => self.leave(command),
            "prepareToAspirate" | "configureForVolume" | "setRailLights" | "setStatusBar" => self.note(OWN_MOVES),
            "comment" => self.note(NO_COMMENT),
            "custom" => self.problem(
                "is of an API level below 2.14, whose analysis doesn't say how high a tip is: set apiLevel to 2.14 or \
                 higher and analyse it anew",
            ),
            "waitForDuration" => self.note(NO_WAIT),
            // What a wait was called in schema 6.
            "delay" if command.params.get("seconds").is_some() => self.note(NO_WAIT),
            "waitForResume" | "pause" | "delay" => {
                self.problem("waits for a person, who may change what stands on the deck: the lab goes on by itself");
            }
            "loadModule" => {
                let model = shown(command.text("model").unwrap_or("a module"));
                self.problem(format!("loads {model}: this lab's decks have no modules"));
            }
            "moveLabware" | "reloadLabware" => {
                self.problem("moves labware: what stands on the lab's deck stays where it is");
            }
            "configureNozzleLayout" => self.problem("uses some nozzles of many: the lab's pipettes have one"),
            other => match other.split_once('/') {
                Some((device, _)) => {
                    self.problem(format!("uses a device that this lab doesn't have: {}", shown(device)))
                }
                None => self.problem(format!("{} is nothing that this lab does", shown(other))),
            },
        }
    }

    fn load_pipette(&mut self, command: &Command) {
        let Some(id) = command.loaded("pipetteId") else { return };
        let name = command.text("pipetteName").unwrap_or_default();
        let on_deck = || {
            let names = self.deck.pipettes.iter().map(|pipette| pipette.model.load_name());
            names.collect::<Vec<_>>().join(" and ")
        };
        let mounted = self.deck.pipettes.iter().find(|pipette| pipette.model.load_name() == name);
        let most = mounted.map(|pipette| pipette.model.most()).unwrap_or_default();
        let objection = if name.contains("multi") || name.contains("96") {
            Some(format!(
                "moves liquid with {}, in several wells at once: the lab's pipettes have one nozzle",
                shown(name)
            ))
        } else if mounted.is_some() {
            None
        } else {
            Some(format!("moves liquid with {}, which this deck doesn't have: it has {}", shown(name), on_deck()))
        };
        let name = shown(name);
        let hand = Hand { name, most, tool: Tool::Nothing, at: None, touched: Vec::new(), objection };
        self.hands.insert(id.to_owned(), hand);
    }

    fn load_liquid(&mut self, command: &Command) {
        let Some(labware) = command.text("labwareId") else { return };
        let wells = command.params.get("volumeByWell").and_then(Value::as_object);
        let filled = wells.into_iter().flat_map(|wells| wells.keys());
        let filled: Vec<_> = filled.filter_map(|well| self.vessels.filled_beforehand(labware, well)).collect();
        if let Some(liquid) = filled.first().map(|liquid| shown(liquid)) {
            let count = filled.len();
            self.problem(format!(
                "{count} wells of the plate hold “{liquid}” beforehand: the lab mixes in empty wells"
            ));
        }
    }

    fn hand(&mut self, command: &Command) -> Option<&mut Hand> {
        self.hands.get_mut(command.text("pipetteId")?)
    }

    fn pick_up(&mut self, command: &Command) {
        self.note(OWN_TIPS);
        let is_dock = command.text("labwareId").is_some_and(|labware| self.vessels.is_dock(labware));
        let tool = if is_dock { Tool::Sensor } else { Tool::Tip(Tip::default()) };
        match self.hand(command) {
            Some(hand) if matches!(hand.tool, Tool::Nothing) => {
                (hand.tool, hand.at) = (tool, None);
                hand.touched.clear();
            }
            Some(_) => self.problem("picks up a tip where one hangs already"),
            None => self.problem("picks up a tip with a pipette that no command loads"),
        }
    }

    /// Where a command is carried out.
    fn spot(&mut self, command: &Command) -> Option<Spot> {
        match (command.text("labwareId"), command.text("wellName")) {
            (Some(labware), Some(well)) => {
                let location = command.params.get("wellLocation").cloned().unwrap_or_default();
                Some(Spot::Over { labware: labware.to_owned(), well: well.to_owned(), location })
            }
            _ => self.hand(command)?.at.clone(),
        }
    }

    fn go(&mut self, command: &Command) {
        let spot = self.spot(command);
        let is_sensor = matches!(self.hand(command), Some(Hand { tool: Tool::Sensor, .. }));
        self.note(if is_sensor { OWN_READING } else { OWN_MOVES });
        if let Some(hand) = self.hand(command) {
            hand.at = spot;
        }
    }

    fn go_to_area(&mut self, command: &Command) {
        let is_trash = command.text("addressableAreaName").is_some_and(|area| area.to_lowercase().contains("trash"));
        self.note(OWN_MOVES);
        if let Some(hand) = self.hand(command) {
            hand.at = is_trash.then_some(Spot::Trash);
        }
    }

    /// Where a nozzle is after this is nothing that counts.
    fn leave(&mut self, command: &Command) {
        self.note(OWN_MOVES);
        match self.hand(command) {
            Some(hand) => hand.at = None,
            None => self.hands.values_mut().for_each(|hand| hand.at = None),
        }
    }

    fn amount(&mut self, command: &Command) -> Option<Amount> {
        let volume = command.params.get("volume").and_then(Value::as_f64);
        match volume.filter(|volume| (0.0..=MOST_UL).contains(volume)) {
            Some(volume) => Some((volume * MICROLITRE).round() as Amount),
            None => {
                self.problem(format!("moves no volume that a tip holds (0–{MOST_UL} µL)"));
                None
            }
        }
    }

    /// The place of a stroke, and whether the tip's end is in it. Nothing where a problem was told.
    fn stroke(&mut self, command: &Command) -> Option<(Place, Height)> {
        let Some(hand) = self.hand(command) else {
            self.problem("moves liquid with a pipette that no command loads");
            return None;
        };
        let refusal = match (&hand.objection, &hand.tool) {
            (Some(objection), _) => Some(objection.clone()),
            (None, Tool::Nothing) => Some("moves liquid without a tip".to_owned()),
            (None, Tool::Sensor) => Some("moves liquid with the colour sensor on the nozzle".to_owned()),
            (None, Tool::Tip(_)) => None,
        };
        if let Some(refusal) = refusal {
            self.problem(refusal);
            return None;
        }
        match self.spot(command) {
            Some(Spot::Over { labware, well, location }) => {
                if is_aside(&location) {
                    self.problem(format!(
                        "moves liquid beside the middle of {}, where another well may be",
                        shown(&well)
                    ));
                    return None;
                }
                let height = self.vessels.height(&labware, &well, &location);
                if let Some(hand) = self.hand(command) {
                    hand.at = Some(Spot::Over { labware: labware.clone(), well: well.clone(), location });
                }
                Some((self.vessels.place(&labware, &well), height))
            }
            Some(Spot::Trash) => Some((Place::Discard, Height::Above)),
            None => {
                self.problem("moves liquid where it isn't said which well the tip is in");
                None
            }
        }
    }

    /// The tip of a stroke that was looked at.
    fn tip(&mut self, command: &Command) -> Option<&mut Tip> {
        match self.hand(command) {
            Some(Hand { tool: Tool::Tip(tip), .. }) => Some(tip),
            _ => None,
        }
    }

    fn air_gap(&mut self, command: &Command) {
        self.note(NO_AIR);
        let Some(amount) = self.amount(command) else { return };
        if let Some(tip) = self.tip(command) {
            tip.draw(Content::Air, amount);
        }
    }

    fn aspirate(&mut self, command: &Command) {
        let (Some((place, height)), Some(amount)) = (self.stroke(command), self.amount(command)) else { return };
        let content = match (place, height) {
            (_, Height::Above) => {
                self.note(NO_AIR);
                Content::Air
            }
            (Place::Strange { called, unknown }, _) => self.unknown(format!("draws from {called}: {unknown}")),
            (Place::Discard, _) => self.unknown("draws from the waste"),
            (_, Height::Unsaid) => self.unknown("draws at a height that isn't said, so it may be air"),
            (Place::Dye(dye), Height::Inside) => Content::Dye(dye),
            (Place::Well(well), Height::Inside) if self.wells.contains_key(&well) => Content::Well(well),
            (Place::Well(well), Height::Inside) => {
                self.unknown(format!("draws from well {well}, which holds no dye yet"))
            }
        };
        let is_from_plate = matches!(content, Content::Well(_));
        let is_clean = self.tip(command).is_some_and(|tip| tip.liquids().is_empty());
        let content = match is_from_plate && !is_clean {
            true => {
                self.unknown("draws from a well while the tip still holds a dye: what mixes in a tip can't be known")
            }
            false => content,
        };
        self.touch(command, &content);
        if let Some(Hand { name, most, tool: Tool::Tip(tip), .. }) = self.hand(command)
            && tip.held() + amount > in_picolitres(*most) + SAME
        {
            let problem = format!("draws more than {name} takes, {most}");
            self.problem(problem);
        }
        if let Some(tip) = self.tip(command) {
            tip.draw(content, amount);
        }
    }

    /// What a problem was told of already.
    fn unknown(&mut self, problem: impl Into<String>) -> Content {
        self.problem(problem);
        Content::Unknown
    }

    /// Notes where one tip gets into several liquids.
    fn touch(&mut self, command: &Command, content: &Content) {
        let Some(hand) = self.hand(command) else { return };
        if *content == Content::Air || hand.touched.contains(content) {
            return;
        }
        let is_second = !hand.touched.is_empty() && matches!(content, Content::Dye(_));
        hand.touched.push(content.clone());
        if is_second {
            self.note(SHARED_TIP);
        }
    }

    fn dispense(&mut self, command: &Command) {
        let (Some((place, _)), Some(amount)) = (self.stroke(command), self.amount(command)) else { return };
        let Some(tip) = self.tip(command) else { return };
        let held = tip.held();
        if amount > held + SAME {
            let (gives, holds) = (in_ul(amount), in_ul(held));
            return self.problem(format!("gives {gives} from a tip that holds {holds}"));
        }
        let liquids: Vec<_> = tip.liquids().into_iter().cloned().collect();
        let given = tip.give(amount);
        let is_part = liquids.len() > 1
            && !liquids.contains(&Content::Unknown)
            && !tip.liquids().is_empty()
            && given.iter().any(|(what, _)| *what != Content::Air);
        if is_part {
            let names = liquids.iter().map(name).collect::<Vec<_>>().join(" and ");
            self.problem(format!("gives a part of a tip that holds {names}: how much of each can't be known"));
        }
        for (content, amount) in given {
            self.give(&content, amount, &place);
        }
    }

    fn give(&mut self, content: &Content, amount: Amount, place: &Place) {
        match (content, place) {
            (Content::Air, _) | (Content::Dye(_), Place::Discard) => {}
            (Content::Unknown, Place::Well(well)) => {
                let at = self.now;
                self.wells.entry(*well).or_insert_with(|| Given::first(at)).is_unknown = true;
            }
            (Content::Unknown, Place::Dye(_) | Place::Discard) => {}
            (_, Place::Strange { called, .. }) => {
                let of = called.split_once(" of ").map_or(called.as_str(), |(_, labware)| labware);
                let plate = self.vessels.plate_name();
                self.problem(format!("puts liquid into {of}: this deck mixes in {plate}"));
            }
            (Content::Dye(dye), Place::Well(well)) => {
                let at = self.now;
                let given = self.wells.entry(*well).or_insert_with(|| Given::first(at));
                *given.amounts.entry(dye.clone()).or_default() += amount;
            }
            (Content::Dye(dye), Place::Dye(other)) if dye == other => self.note(NO_MIXING),
            (Content::Dye(dye), Place::Dye(other)) => {
                self.problem(format!("puts {dye} into the vessel of {other}, which isn't pure any more"));
            }
            (Content::Well(from), Place::Well(to)) if from == to => self.note(NO_MIXING),
            (Content::Well(from), _) => {
                let to = match place {
                    Place::Well(well) => format!("well {well}"),
                    Place::Dye(dye) => format!("the vessel of {dye}"),
                    Place::Discard | Place::Strange { .. } => "the waste".to_owned(),
                };
                self.problem(format!(
                    "moves liquid from well {from} to {to}: the lab mixes each well from its dyes and takes nothing out of it"
                ));
            }
        }
    }

    fn blow_out(&mut self, command: &Command) {
        self.note(NO_BLOW_OUT);
        let is_empty = self.tip(command).is_none_or(|tip| tip.liquids().is_empty());
        if is_empty {
            if let Some(tip) = self.tip(command) {
                tip.empty();
            }
            return;
        }
        let Some((place, _)) = self.stroke(command) else { return };
        let Some(tip) = self.tip(command) else { return };
        for (content, amount) in tip.empty() {
            match (&content, &place) {
                (Content::Dye(dye), Place::Well(well)) => self.problem(format!(
                    "blows {} of {dye} out into well {well}, an amount that only a dispense measures",
                    in_ul(amount)
                )),
                _ => self.give(&content, amount, &place),
            }
        }
    }

    fn drop_tip(&mut self, command: &Command) {
        let is_kept = command.text("labwareId").is_some_and(|labware| {
            let well = command.text("wellName").unwrap_or_default();
            !self.vessels.is_dock(labware) && self.vessels.place(labware, well) != Place::Discard
        });
        self.note(OWN_TIPS);
        let Some(hand) = self.hand(command) else {
            return self.problem("drops a tip of a pipette that no command loads");
        };
        let contents = match std::mem::replace(&mut hand.tool, Tool::Nothing) {
            Tool::Tip(mut tip) => tip.empty(),
            Tool::Sensor => return self.note(OWN_READING),
            Tool::Nothing => return,
        };
        for (content, amount) in contents {
            match content {
                Content::Air | Content::Unknown => {}
                Content::Dye(dye) if is_kept => {
                    self.problem(format!("puts a tip back that still holds {} of {dye}", in_ul(amount)));
                }
                Content::Dye(dye) => self.note(format!("{} of {dye} are thrown away with a tip", in_ul(amount))),
                Content::Well(_) => self.give(&content, amount, &Place::Discard),
            }
        }
    }

    /// What is still in a tip when the protocol ends.
    fn end(&mut self) {
        let tips = self.hands.values().filter_map(|hand| match &hand.tool {
            Tool::Tip(tip) => Some(tip),
            _ => None,
        });
        let left: BTreeSet<_> =
            tips.flat_map(Tip::liquids).filter(|what| **what != Content::Unknown).map(name).collect();
        for liquid in left {
            self.problem(format!("ends while a tip holds {liquid}"));
        }
        if self.wells.is_empty() && self.problems.is_empty() {
            self.problem("puts none of this deck's dyes into a well of its plate");
        }
    }

    /// The wells as the lab mixes them, and what the deck has against it.
    fn recipes(&mut self) -> BTreeMap<WellName, Recipe> {
        let mut objections: BTreeMap<String, (At, Vec<WellName>)> = BTreeMap::new();
        let mut recipes = BTreeMap::new();
        for (well, given) in std::mem::take(&mut self.wells) {
            self.now = given.at;
            let amounts: Vec<_> = given
                .amounts
                .into_iter()
                .filter_map(|(dye, amount)| Some((dye.clone(), self.volume(&dye, amount)?)))
                .collect();
            let recipe = Recipe::new(amounts);
            let objected = if given.is_unknown { Vec::new() } else { recipe.objections(self.deck) };
            for objection in objected {
                objections.entry(objection.to_string()).or_insert_with(|| (given.at, Vec::new())).1.push(well);
            }
            recipes.insert(well, recipe);
        }
        for (objection, (at, wells)) in objections {
            self.now = at;
            self.problem(format!("{}: {objection}", listed(wells)));
        }
        recipes
    }

    /// To the tenth of a µL, the finest step of a pipette; it is told where that changes an amount.
    fn volume(&mut self, dye: &DyeName, amount: Amount) -> Option<Volume> {
        let tenths = (amount as f64 / STEP).round();
        let volume = Volume::from_ul(tenths / 10.0);
        let is_changed = (amount as f64 - tenths * STEP).abs() > SAME as f64;
        match volume {
            Ok(volume) if volume.is_zero() => {
                self.problem(format!("{} of {dye} are less than a pipette moves", in_ul(amount)));
                None
            }
            Ok(volume) => {
                if is_changed {
                    self.note(ROUNDED);
                }
                Some(volume)
            }
            Err(error) => {
                self.problem(format!("{dye}: {error}"));
                None
            }
        }
    }
}

fn name(content: &Content) -> String {
    match content {
        Content::Air => "air".to_owned(),
        Content::Unknown => "something unknown".to_owned(),
        Content::Dye(dye) => dye.to_string(),
        Content::Well(well) => format!("liquid of well {well}"),
    }
}

fn in_picolitres(volume: Volume) -> Amount {
    Amount::from(volume.nanolitres()) * SAME
}

/// To the nanolitre.
fn in_ul(amount: Amount) -> String {
    format!("{} µL", (amount as f64 / MICROLITRE * 1_000.0).round() / 1_000.0)
}
