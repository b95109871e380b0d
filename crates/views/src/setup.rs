//! A robot's setup as TOML: what a file holds and what the page's field shows.

use domain::{DeckSetup, RobotSetup, labware::OwnLabware};
use serde::Serialize;
use serde_json::Value;

/// Why a text is no setup: says where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupTextError(String);

/// The whole of it, as `robot apply` takes it.
///
/// # Errors
/// What TOML can't say; nothing that was read is such.
pub fn setup_text(setup: &RobotSetup) -> Result<String, SetupTextError> {
    text(&RobotSetup { deck: setup.deck.as_ref().map(with_texts), ..setup.clone() })
}

/// The deck alone.
///
/// # Errors
/// As of [`setup_text`].
pub fn deck_text(deck: &DeckSetup) -> Result<String, SetupTextError> {
    text(&with_texts(deck))
}

/// A deck of its text.
///
/// # Errors
/// What is wrong, and where.
pub fn read_deck(text: &str) -> Result<DeckSetup, SetupTextError> {
    toml::from_str(text).map_err(|error| SetupTextError(error.to_string()))
}

/// Definitions as a text each: TOML has no shorter way to say them, and none at all for a null.
fn with_texts(deck: &DeckSetup) -> DeckSetup {
    let as_text = |own: &OwnLabware| OwnLabware::new(Value::String(own.document().to_string()));
    DeckSetup { definitions: deck.definitions.iter().map(as_text).collect(), ..deck.clone() }
}

fn text(setup: &impl Serialize) -> Result<String, SetupTextError> {
    toml::to_string_pretty(setup).map_err(|error| SetupTextError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Attendance, Deck, LabwareOffset, RobotKind, Slot};

    #[test]
    fn what_is_written_is_read() {
        let mut deck = Deck::with_p20();
        let mut own = deck.own_definition("ac_6_tuberack_15000ul").expect("the lab's");
        own["namespace"] = "our_lab".into();
        deck.labware = vec![OwnLabware::new(own)];
        deck.vial_rack = "our_lab/ac_6_tuberack_15000ul/1".to_owned();
        deck.offsets.insert(Slot(3), LabwareOffset { x: 0.1, y: -0.2, z: 0.0 });
        let setup = RobotSetup {
            name: "bench-1".to_owned(),
            kind: RobotKind::Ot2,
            attendance: Attendance::Operator,
            url: "http://10.0.0.21:31950".to_owned(),
            sensor: "tcp://10.0.0.31:5000".to_owned(),
            deck: Some((&deck).into()),
        };
        let text = setup_text(&setup).expect("TOML");
        assert!(text.starts_with("name = \"bench-1\"\nkind = \"ot2\"\n"), "as a person would write it: {text}");
        let back: RobotSetup = toml::from_str(&text).expect("a setup");
        assert_eq!(back, setup);
        assert_eq!(back.deck.expect("a deck").deck(), Ok(deck.clone()));

        let text = deck_text(&(&deck).into()).expect("TOML");
        assert_eq!(read_deck(&text).expect("a deck").deck(), Ok(deck));
        let wrong = read_deck("pipettes = []\nslots = 3").expect_err("wrong").to_string();
        assert!(wrong.contains("line 2"), "{wrong}");
    }
}
