//! What the robot has to be told of the labware on a deck.

use domain::{Deck, labware::LabwareName};
use serde_json::{Value, json};

/// What a load command says of a piece.
pub(super) fn reference(deck: &Deck, labware: &str) -> LabwareName {
    deck.labware_name(labware)
}

/// The definition of a piece that no robot is born with.
pub(super) fn own(deck: &Deck, labware: &str) -> Option<Value> {
    deck.own_definition(labware)
}

/// The offsets of a deck's pieces as a run is given them.
pub(super) fn offsets(deck: &Deck) -> Vec<Value> {
    let pieces = deck.pieces().into_iter();
    let offset = |(slot, labware, _): (domain::Slot, &str, &str)| {
        let vector = deck.offsets.get(&slot)?;
        let uri = deck.labware_name(labware).to_string();
        Some(json!({"definitionUri": uri, "location": {"slotName": slot.0.to_string()}, "vector": vector}))
    };
    pieces.filter_map(offset).collect()
}
