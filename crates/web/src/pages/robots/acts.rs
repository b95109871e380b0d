//! What was done at a deck, as forms: which there are, what was typed, and what to change.

use crate::{error::PageError, fields::Fields};
use domain::{FaultCode, Slot, Volume, WellName, text};
use store::{Robot, StoreError};
use workflow::{AttendError, DeckAct, NozzleContent};

/// The forms of acts at a deck, with their titles.
pub const FORMS: [(&str, &str); 5] = [
    ("new_plate", "New plate"),
    ("new_tips", "New tips"),
    ("refill", "Refilled vial"),
    ("empty_waste", "Emptied waste"),
    ("sensor", "Sensor"),
];

/// The forms of one deck.
pub struct Forms {
    pub vials: Vec<Choice>,
    pub racks: Vec<Choice>,
    /// Of the largest vial, mL.
    pub full_ml: String,
    /// What came back, with its problem.
    pub typed: Typed,
}

pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

/// A form that couldn't be taken.
#[derive(Clone, Default)]
pub struct Typed {
    /// The form's name; empty for one that this page doesn't have.
    pub act: &'static str,
    pub place: String,
    pub volume_ml: String,
    pub batch: String,
    /// It was sent from within the robot's question.
    pub at_question: bool,
    pub problem: String,
}

impl Forms {
    pub fn of(robot: &Robot, typed: Typed) -> Self {
        let chosen = |value: &str| value == typed.place;
        let vial = |dye: &domain::DyeVial| {
            let value = dye.vial.to_string();
            Choice { is_chosen: chosen(&value), label: format!("{} ({value})", dye.name), value }
        };
        let rack = |pipette: &domain::Pipette| {
            let value = pipette.tip_slot.0.to_string();
            Choice { is_chosen: chosen(&value), label: format!("slot {value}"), value }
        };
        let full = robot.deck.dyes.iter().map(|dye| dye.volume.ul()).fold(0.0, f64::max);
        Self {
            vials: robot.deck.dyes.iter().map(vial).collect(),
            racks: robot.deck.pipettes.iter().map(rack).collect(),
            full_ml: format!("{}", full / 1_000.0),
            typed,
        }
    }

    /// What to change in this form, if it is the one that came back.
    pub fn problem(&self, act: &str) -> Option<&str> {
        (self.typed.act == act && !self.typed.problem.is_empty()).then_some(self.typed.problem.as_str())
    }

    /// A problem of no form on this page.
    pub fn stray_problem(&self) -> Option<&str> {
        (!self.typed.problem.is_empty() && self.typed.act.is_empty()).then_some(self.typed.problem.as_str())
    }
}

/// The form whose act a fault asks for; empty if only looking helps.
pub const fn answer(code: FaultCode) -> &'static str {
    match code {
        FaultCode::PlateFull | FaultCode::PlateUsed | FaultCode::PlateDoubtful => "new_plate",
        FaultCode::DyeShort => "refill",
        FaultCode::TipsShort => "new_tips",
        FaultCode::WasteFull => "empty_waste",
        FaultCode::SensorDark | FaultCode::SensorSaturated => "sensor",
        _ => "",
    }
}

impl Typed {
    pub fn read(fields: &Fields) -> Self {
        let short = |name: &str| fields.get(name).trim().chars().take(200).collect::<String>();
        Self {
            act: form(fields.get("act")),
            place: short("place"),
            volume_ml: short("volume_ml"),
            batch: short("batch"),
            at_question: fields.get("at") == "question",
            problem: String::new(),
        }
    }
}

/// The form of an act on the page. The sensor's has two buttons.
pub fn form(act: &str) -> &'static str {
    match act {
        "new_plate" => "new_plate",
        "new_tips" => "new_tips",
        "refill" => "refill",
        "empty_waste" => "empty_waste",
        "sensor" | "sensor_cleaned" | "sensor_charged" => "sensor",
        "nozzle_cleared" | "nozzle_holds" => "nozzle_cleared",
        _ => "",
    }
}

/// The act that a form means, or what to change in it.
pub fn read(robot: &Robot, fields: &Fields) -> Result<DeckAct, String> {
    match fields.get("act") {
        "new_plate" => Ok(DeckAct::NewPlate),
        "new_tips" => {
            let slot = fields.get("place").trim().parse().map(Slot).map_err(|_| "choose the slot of the rack")?;
            Ok(DeckAct::NewTips { slot })
        }
        "refill" => refill(robot, fields),
        "empty_waste" => Ok(DeckAct::EmptyWaste),
        "sensor_cleaned" => Ok(DeckAct::SensorCleaned),
        "sensor_charged" => Ok(DeckAct::SensorCharged),
        "nozzle_cleared" => Ok(DeckAct::NozzleCleared),
        "nozzle_holds" => nozzle(fields.get("holds")),
        _ => Err("this form isn’t one that this page knows; reload it".to_owned()),
    }
}

fn nozzle(seen: &str) -> Result<DeckAct, String> {
    let holds = match seen {
        "nothing" => NozzleContent::Nothing,
        "empty_tip" => NozzleContent::EmptyTip,
        "tip_with_liquid" => NozzleContent::TipWithLiquid,
        "sensor" => NozzleContent::Sensor,
        _ => return Err("say what hangs on the nozzle".to_owned()),
    };
    Ok(DeckAct::NozzleHolds { holds })
}

/// What was done by an act, after it was written down; nothing for a form that this page doesn't have.
pub fn said(form: &str) -> Option<&'static str> {
    match form {
        "new_plate" => Some("a new plate lies there"),
        "new_tips" => Some("a full rack lies there"),
        "refill" => Some("the vial is filled"),
        "empty_waste" => Some("the waste is emptied"),
        "sensor" => Some("the sensor is seen to"),
        "nozzle_cleared" => Some("what hangs on the nozzle is known"),
        _ => None,
    }
}

fn refill(robot: &Robot, fields: &Fields) -> Result<DeckAct, String> {
    let vial: WellName = fields.get("place").trim().parse().map_err(|_| "choose the vial")?;
    let full = robot.deck.dyes.iter().find(|dye| dye.vial == vial).map(|dye| dye.volume);
    let batch = fields.get("batch").trim();
    text::line(batch, text::LONGEST_BATCH).map_err(|error| format!("batch: {error}"))?;
    let volume = match fields.get("volume_ml").trim() {
        "" => None,
        text => Some(millilitres(text, full)?),
    };
    Ok(DeckAct::Refill { vial, volume, batch: Some(batch.to_owned()).filter(|batch| !batch.is_empty()) })
}

fn millilitres(text: &str, full: Option<Volume>) -> Result<Volume, String> {
    let number: f64 = text.replace(',', ".").parse().map_err(|_| "the volume is a number of mL, like 12.5")?;
    let volume = Volume::from_ul(number * 1_000.0).map_err(|error| error.to_string())?;
    match full {
        Some(full) if volume > full => Err(format!("this vial holds at most {} mL", full.ul() / 1_000.0)),
        _ => Ok(volume),
    }
}

/// What a person can mend, said to them; the rest is an error page.
pub fn told(error: AttendError) -> Result<String, PageError> {
    match error {
        AttendError::Store(told @ (StoreError::AtWork | StoreError::PlateInUse)) => Ok(told.to_string()),
        AttendError::Store(error) => Err(error.into()),
        AttendError::Robot(error) => Ok(format!("the virtual robot didn’t do it ({error}); see that it runs")),
        AttendError::Address(error) => Ok(format!("the robot’s address can’t be used ({error})")),
        told @ (AttendError::NotOnDeck(_) | AttendError::Unexpected { .. } | AttendError::Invalid { .. }) => {
            Ok(told.to_string())
        }
    }
}
