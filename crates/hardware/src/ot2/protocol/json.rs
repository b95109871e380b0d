//! A protocol as Opentrons' protocol schema 8 has it: the commands themselves.

use super::{Act, Protocol, READING_S, own_definitions, pieces, places};
use crate::{
    Memory,
    ot2::{
        command::{RobotCommand, command},
        labware,
    },
};
use domain::{Mount, Step, labware::LabwareName};
use serde_json::{Map, Value, json};

pub(super) fn write(protocol: &Protocol) -> Value {
    let deck = &protocol.deck;
    let uri = |labware: &str| labware::reference(deck, labware).to_string();
    let definitions: Map<String, Value> =
        own_definitions(deck).into_iter().map(|(name, definition)| (uri(name), definition)).collect();
    let mut commands = load(protocol);
    commands.extend(protocol.acts().iter().flat_map(|act| said(protocol, act)));
    json!({
        "$otSharedSchema": "#/protocol/schemas/8",
        "schemaVersion": 8,
        "metadata": {"protocolName": protocol.title, "author": "Tincture", "description": protocol.origin, "created": 0},
        "robot": {"model": "OT-2 Standard", "deckId": "ot2_standard"},
        "labwareDefinitionSchemaId": "opentronsLabwareSchemaV2",
        "labwareDefinitions": definitions,
        "liquidSchemaId": "opentronsLiquidSchemaV1",
        "liquids": {},
        "commandSchemaId": "opentronsCommandSchemaV8",
        "commands": commands,
        "commandAnnotationSchemaId": "opentronsCommandAnnotationSchemaV1",
        "commandAnnotations": [],
    })
}

fn load(protocol: &Protocol) -> Vec<Value> {
    let pipettes = protocol.deck.pipettes.iter().zip(places(&protocol.deck).hands).map(|(pipette, hand)| {
        let name = pipette.model.load_name();
        told("loadPipette", json!({"pipetteName": name, "mount": pipette.mount, "pipetteId": hand.id}))
    });
    let labware = pieces(&protocol.deck).into_iter().map(|(id, slot, labware)| {
        let LabwareName { namespace, load_name, version } = labware::reference(&protocol.deck, labware);
        let params = json!({
            "location": {"slotName": slot.0.to_string()}, "loadName": load_name, "namespace": namespace, "version": version,
            "labwareId": id,
        });
        told("loadLabware", params)
    });
    pipettes.chain(labware).collect()
}

fn said(protocol: &Protocol, act: &Act<'_>) -> Vec<Value> {
    let send = |step: &Step| {
        // What acts leave over is refused of no deck that has its pipettes.
        let sent = command(&protocol.deck, &places(&protocol.deck), step, Memory::Knows);
        sent.ok().map(|RobotCommand { name, params }| told(name, params))
    };
    let discard = |mount: Mount| [Step::MoveToTrash { mount }, Step::DropInPlace { mount }];
    match act {
        Act::Do(step) => send(step).into_iter().collect(),
        Act::Say(text) => vec![comment(text)],
        Act::Read(what) => vec![comment(what), told("waitForDuration", json!({"seconds": READING_S}))],
        Act::Discard(mount) => discard(*mount).iter().filter_map(send).collect(),
        Act::Park(mount) => send(&Step::ParkSensor { mount: *mount }).into_iter().collect(),
    }
}

fn comment(text: &str) -> Value {
    told("comment", json!({"message": text}))
}

fn told(name: &str, params: Value) -> Value {
    json!({"commandType": name, "params": params})
}
