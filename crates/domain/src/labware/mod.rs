//! Labware as Opentrons knows it: definitions (schema 2), the standard ones made from their measures, the two that a lab of
//! this kind always has, and those that it brings along itself ([`OwnLabware`]).
//!
//! The emulator's robot-server and the check of a deck ([`Deck::flaws`]) read the same definitions.

mod catalogue;
mod definition;
mod lab;
mod own;
mod standard;

pub use definition::{Definition, Point, Shape, Well, uri};
pub use lab::SENSOR_REACH_MM;
pub use own::{LARGEST_DEFINITION, MOST_DEFINITIONS, OwnLabware};
pub use standard::standard;

use crate::Deck;
use serde_json::Value;
use std::fmt;

/// What a definition is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabwareName {
    pub namespace: String,
    pub load_name: String,
    pub version: u32,
}

impl LabwareName {
    fn new(namespace: &str, load_name: &str, version: u32) -> Self {
        Self { namespace: namespace.to_owned(), load_name: load_name.to_owned(), version }
    }

    /// From `namespace/load_name/version`.
    fn whole(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (namespace, load_name, version) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || namespace.is_empty() || load_name.is_empty() {
            return None;
        }
        Some(Self::new(namespace, load_name, version.parse().ok()?))
    }
}

/// `namespace/load_name/version`.
impl fmt::Display for LabwareName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.load_name, self.version)
    }
}

impl Deck {
    /// What a piece of this deck is called in full. A load name alone is the lab's own piece of that name, or Opentrons' in
    /// its newest version.
    pub fn labware_name(&self, labware: &str) -> LabwareName {
        if let Some(whole) = LabwareName::whole(labware) {
            return whole;
        }
        if let Some(own) = self.labware.iter().filter_map(OwnLabware::name).find(|own| own.load_name == labware) {
            return own;
        }
        if lab::own(labware).is_some() {
            return LabwareName::new(lab::OWN_NAMESPACE, labware, 1);
        }
        LabwareName::new(standard::NAMESPACE, labware, standard::newest(labware).unwrap_or(1))
    }

    /// The definition of a piece that no robot is born with.
    pub fn own_definition(&self, labware: &str) -> Option<Value> {
        let name = self.labware_name(labware);
        let own = self.labware.iter().find(|own| own.name().as_ref() == Some(&name));
        own.map(|own| own.document().clone()).or_else(|| {
            let is_the_labs = (name.namespace.as_str(), name.version) == (lab::OWN_NAMESPACE, 1);
            lab::own(&name.load_name).filter(|_| is_the_labs)
        })
    }

    /// The definition of a piece, wherever it comes from; nothing where nobody knows it.
    pub fn definition(&self, labware: &str) -> Option<Definition> {
        if let Some(own) = self.own_definition(labware) {
            return Definition::parse(own).ok();
        }
        let name = self.labware_name(labware);
        standard(&name.namespace, &name.load_name, name.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_decks_pieces_are_called_what_they_were_always_called() {
        let deck = Deck::with_p20();
        let name = |labware: &str| deck.labware_name(labware).to_string();
        assert_eq!(name(&deck.plate), "opentrons/corning_96_wellplate_360ul_flat/2");
        assert_eq!(name(&deck.vial_rack), "custom_beta/ac_6_tuberack_15000ul/1");
        assert_eq!(name(&deck.sensor_dock), "custom_beta/ac_color_sensor_charging_port/1");
        assert_eq!(name("opentrons_96_tiprack_300ul"), "opentrons/opentrons_96_tiprack_300ul/1");
        assert_eq!(name("opentrons_96_tiprack_20ul"), "opentrons/opentrons_96_tiprack_20ul/1");
    }

    #[test]
    fn a_whole_name_says_which_version() {
        let deck = Deck::default();
        assert_eq!(deck.labware_name("opentrons/corning_96_wellplate_360ul_flat/1").version, 1);
        assert!(deck.definition("opentrons/corning_96_wellplate_360ul_flat/3").is_none());
        assert!(deck.definition("opentrons/ac_6_tuberack_15000ul/1").is_none(), "it is the lab's, not Opentrons'");
        assert!(deck.definition("ac_6_tuberack_15000ul").is_some());
    }
}
