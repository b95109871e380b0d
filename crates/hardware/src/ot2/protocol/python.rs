//! A protocol in Python, for people to read, change and run.

use super::{Act, Protocol, READING_S, literal, own_definitions, pieces, rack, side};
use crate::ot2::{
    command::{
        AIR_ABOVE_TOP_MM, ASPIRATE_ABOVE_BOTTOM_MM, BLOW_OUT_BELOW_TOP_MM, PARK_BELOW_TOP_MM, SENSOR_BELOW_TOP_MM,
        TOUCH_BELOW_TOP_MM, TOUCH_RADIUS, flow_ul_s,
    },
    labware,
};
use domain::{Mixing, Mount, Step, labware::LabwareName};
use std::fmt::Write as _;

pub(super) fn write(protocol: &Protocol) -> String {
    let mut text = head(protocol);
    text.push_str("\n\ndef run(protocol: protocol_api.ProtocolContext):\n");
    let deck = &protocol.deck;
    for (name, slot, piece) in pieces(deck) {
        let LabwareName { namespace, load_name, version } = labware::reference(deck, piece);
        let loaded = match labware::own(deck, piece) {
            Some(_) => format!("protocol.load_labware_from_definition({}, {})", constant(&load_name), slot.0),
            None => {
                let name = literal(&load_name);
                format!("protocol.load_labware({name}, {}, namespace=\"{namespace}\", version={version})", slot.0)
            }
        };
        line(&mut text, &format!("{name} = {loaded}"));
    }
    for pipette in &protocol.deck.pipettes {
        let (hand, tips, flow) = (side(pipette.mount), rack(pipette), flow_ul_s(pipette.model));
        let name = pipette.model.load_name();
        line(&mut text, &format!("{hand} = protocol.load_instrument(\"{name}\", \"{hand}\", tip_racks=[{tips}])"));
        for what in ["aspirate", "dispense", "blow_out"] {
            line(&mut text, &format!("{hand}.flow_rate.{what} = {flow}"));
        }
    }
    text.push('\n');
    for act in protocol.acts() {
        line(&mut text, &said(protocol, &act));
    }
    text
}

fn head(protocol: &Protocol) -> String {
    let (title, origin) = (literal(&protocol.title), literal(&protocol.origin));
    let mut text = format!(
        "\"\"\"Mixes dyes in a plate and reads their colours. Written by Tincture.\n\n\
         The deck is loaded at the beginning of run(); put your sensor into read_colour().\n\"\"\"\n\n\
         import json\n\nfrom opentrons import protocol_api\n\n\
         metadata = {{\"protocolName\": {title}, \"author\": \"Tincture\", \"description\": {origin}}}\n\
         requirements = {{\"robotType\": \"OT-2\", \"apiLevel\": \"2.15\"}}\n"
    );
    for (piece, definition) in own_definitions(&protocol.deck) {
        let name = constant(&labware::reference(&protocol.deck, piece).load_name);
        // JSON has its quotes in texts alone, where they may be spelt so.
        let document = definition.to_string().replace('\'', "\\u0027");
        let _ = write!(text, "\n{name} = json.loads(r'''{document}''')\n");
    }
    let _ = write!(
        text,
        "\n\ndef read_colour(protocol, what):\n    \
             \"\"\"The sensor hangs over its well: read it here.\"\"\"\n    \
             protocol.comment(what)\n    \
             protocol.delay(seconds={READING_S})\n"
    );
    text
}

fn said(protocol: &Protocol, act: &Act<'_>) -> String {
    let deck = &protocol.deck;
    let rack = |mount: Mount| format!("{}_tips", side(mount));
    let dock = format!("dock[\"{}\"]", deck.sensor_place);
    let park = |mount: &Mount| format!("{}.drop_tip({dock}.top({}))", side(*mount), -PARK_BELOW_TOP_MM);
    match act {
        Act::Say(text) => format!("protocol.comment({})", literal(text)),
        Act::Read(what) => format!("read_colour(protocol, {})", literal(what)),
        Act::Discard(mount) => format!("{}.drop_tip()", side(*mount)),
        Act::Park(mount) => park(mount),
        Act::Do(step) => match step {
            Step::Home => "protocol.home()".to_owned(),
            Step::PickUpTip { mount, tip, .. } => format!("{}.pick_up_tip({}[\"{tip}\"])", side(*mount), rack(*mount)),
            Step::Aspirate { mount, vial, volume, .. } => {
                let (hand, volume) = (side(*mount), volume.ul());
                format!("{hand}.aspirate({volume}, vials[\"{vial}\"].bottom({ASPIRATE_ABOVE_BOTTOM_MM}))")
            }
            Step::Dispense { mount, at, volume, .. } => {
                let (hand, volume) = (side(*mount), volume.ul());
                format!("{hand}.dispense({volume}, plate[\"{at}\"].bottom({}))", deck.dispense_height_mm)
            }
            Step::AirGap { mount, vial, volume } => {
                format!("{}.aspirate({}, vials[\"{vial}\"].top({AIR_ABOVE_TOP_MM}))", side(*mount), volume.ul())
            }
            Step::ExpelAir { mount, at, volume } => {
                format!("{}.dispense({}, plate[\"{at}\"].top({AIR_ABOVE_TOP_MM}))", side(*mount), volume.ul())
            }
            Step::MixDraw { mount, at, volume, .. } => {
                let height = Mixing::ABOVE_BOTTOM_MM;
                format!("{}.aspirate({}, plate[\"{at}\"].bottom({height}))", side(*mount), volume.ul())
            }
            Step::MixGive { mount, at, volume, .. } => {
                let height = Mixing::ABOVE_BOTTOM_MM;
                format!("{}.dispense({}, plate[\"{at}\"].bottom({height}))", side(*mount), volume.ul())
            }
            Step::TouchTip { mount, at } => {
                let (hand, below) = (side(*mount), -TOUCH_BELOW_TOP_MM);
                format!("{hand}.touch_tip(plate[\"{at}\"], radius={TOUCH_RADIUS}, v_offset={below})")
            }
            Step::BlowOutInto { mount, at } => {
                format!("{}.blow_out(plate[\"{at}\"].bottom({}))", side(*mount), deck.dispense_height_mm)
            }
            Step::BlowOut { mount } => {
                format!("{}.blow_out(vials[\"{}\"].top({}))", side(*mount), deck.waste, -BLOW_OUT_BELOW_TOP_MM)
            }
            Step::ReturnTip { mount, tip } => format!("{}.drop_tip({}[\"{tip}\"])", side(*mount), rack(*mount)),
            Step::PickUpSensor { mount } => format!("{}.pick_up_tip({dock})", side(*mount)),
            Step::MoveSensor { mount, over } => {
                format!("{}.move_to(plate[\"{over}\"].top({}))", side(*mount), -SENSOR_BELOW_TOP_MM)
            }
            Step::ParkSensor { mount } => park(mount),
            other => format!("protocol.comment({})", literal(&other.sentence())),
        },
    }
}

/// `ac_6_tuberack_15000ul` as `AC_6_TUBERACK_15000UL`.
fn constant(load_name: &str) -> String {
    load_name.to_ascii_uppercase().replace('.', "_")
}

fn line(text: &mut String, what: &str) {
    let _ = writeln!(text, "    {what}");
}
