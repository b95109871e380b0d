//! Steps written down as a protocol that an OT-2 runs by itself: in Python for people, in JSON for programs.
//!
//! Both say the same commands, with the same heights and flow rates, as [`super::Run`] sends one by one. What isn't the
//! robot's, reading the sensor, is a line to fill in. Both pass Opentrons' own analyser.

mod json;
mod python;

use super::{
    command::{Hand, Places},
    labware,
};
use domain::{Deck, Ending, Mount, Pipette, Slot, Step, Tool};
use serde_json::{Value, json as value};

/// How long a protocol waits where the sensor is to be read, s: a reading takes two integrations of about 0.3 s.
const READING_S: u32 = 2;

/// What is done, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// For a person; any text.
    pub title: String,
    /// Where it comes from, for a person; any text.
    pub origin: String,
    pub deck: Deck,
    pub lines: Vec<Line>,
}

/// One line of a protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Do(Step),
    /// Something that happened and isn't to be done again.
    Note(String),
}

/// What a line comes to once it is known what hangs on the nozzle.
enum Act<'a> {
    Do(&'a Step),
    Say(String),
    /// The sensor is over its well.
    Read(String),
    /// To the trash.
    Discard(Mount),
    /// The sensor, wherever it is, to its dock.
    Park(Mount),
}

impl Protocol {
    /// For Opentrons' Python API 2.15, which robots from software 7.1 on know.
    pub fn python(&self) -> String {
        python::write(self)
    }

    /// As Opentrons' protocol schema 8 has it.
    pub fn json(&self) -> Value {
        json::write(self)
    }

    /// Its steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.lines.iter().filter_map(|line| match line {
            Line::Do(step) => Some(step),
            Line::Note(_) => None,
        })
    }

    /// A tip or the sensor that was let go of blindly, after a robot had forgotten it, is put where it belongs; what was let
    /// go of with nothing on the nozzle is left out.
    fn acts(&self) -> Vec<Act<'_>> {
        let mut tool = Tool::Nothing;
        let mut acts = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let step = match line {
                Line::Note(text) => {
                    acts.push(Act::Say(text.clone()));
                    continue;
                }
                Line::Do(step) => step,
            };
            match (step, &tool) {
                (Step::Read { .. } | Step::CheckBlank { .. }, _) => acts.push(Act::Read(step.sentence())),
                (Step::MoveToTrash { .. } | Step::MoveSensorToDock { .. }, _) => {}
                (step, Tool::Nothing) if needs_tool(step) => {}
                // Somebody has taken it off meanwhile.
                (Step::PickUpTip { .. } | Step::PickUpSensor { .. }, Tool::Tip { mount, .. }) => {
                    acts.extend([Act::Discard(*mount), Act::Do(step)]);
                }
                (Step::PickUpTip { .. } | Step::PickUpSensor { .. }, Tool::Sensor { mount, .. }) => {
                    acts.extend([Act::Park(*mount), Act::Do(step)]);
                }
                (Step::DropInPlace { mount }, Tool::Tip { .. }) => acts.push(Act::Discard(*mount)),
                (Step::DropInPlace { mount }, Tool::Sensor { .. }) => acts.push(Act::Park(*mount)),
                _ => acts.push(Act::Do(step)),
            }
            tool = tool.after(step, Ending::Done);
        }
        acts
    }
}

/// Whether it does anything only with something on the nozzle.
const fn needs_tool(step: &Step) -> bool {
    matches!(
        step,
        Step::Aspirate { .. }
            | Step::Dispense { .. }
            | Step::AirGap { .. }
            | Step::ExpelAir { .. }
            | Step::MixDraw { .. }
            | Step::MixGive { .. }
            | Step::TouchTip { .. }
            | Step::BlowOutInto { .. }
            | Step::BlowOut { .. }
            | Step::ReturnTip { .. }
            | Step::DropInPlace { .. }
            | Step::MoveSensor { .. }
            | Step::ParkSensor { .. }
    )
}

/// What stands on a deck, each piece under the name that a protocol has for it.
fn pieces(deck: &Deck) -> Vec<(String, Slot, &str)> {
    let mut pieces = vec![
        ("plate".to_owned(), deck.plate_slot, deck.plate.as_str()),
        ("vials".to_owned(), deck.vial_slot, deck.vial_rack.as_str()),
        ("dock".to_owned(), deck.sensor_slot, deck.sensor_dock.as_str()),
    ];
    pieces.extend(deck.pipettes.iter().map(|pipette| (rack(pipette), pipette.tip_slot, pipette.tip_rack.as_str())));
    pieces
}

fn rack(pipette: &Pipette) -> String {
    format!("{}_tips", side(pipette.mount))
}

const fn side(mount: Mount) -> &'static str {
    match mount {
        Mount::Left => "left",
        Mount::Right => "right",
    }
}

/// Those names as the robot's ids.
fn places(deck: &Deck) -> Places {
    let hand = |pipette: &Pipette| Hand {
        mount: pipette.mount,
        model: pipette.model,
        id: side(pipette.mount).to_owned(),
        rack: rack(pipette),
    };
    let [plate, vials, dock] = ["plate", "vials", "dock"].map(str::to_owned);
    Places { plate, vials, dock, hands: deck.pipettes.iter().map(hand).collect() }
}

/// The definitions that no robot is born with, by load name, once each.
fn own_definitions(deck: &Deck) -> Vec<(&str, Value)> {
    let mut own: Vec<(&str, Value)> = Vec::new();
    for (_, _, load_name) in pieces(deck) {
        if let Some(definition) = labware::own(deck, load_name)
            && own.iter().all(|(name, _)| *name != load_name)
        {
            own.push((load_name, definition));
        }
    }
    own
}

/// As a literal of JSON, which in Python means the same.
fn literal(text: &str) -> String {
    value!(text).to_string()
}
