//! Steps as the robot's commands. Pure: what is sent for a step depends on the deck, the run's ids and the step alone.
//!
//! Heights are those the training lab uses; flow rates are Opentrons' defaults for GEN2 pipettes.

use crate::{Memory, RobotError};
use domain::{Deck, Mixing, Mount, PipetteModel, Step, Volume, WellName, labware::SENSOR_REACH_MM};
use serde_json::{Value, json};

/// How far above a vial's bottom the tip draws. A vial's floor is never quite flat. mm.
pub(super) const ASPIRATE_ABOVE_BOTTOM_MM: f64 = 1.0;
/// How far above a vial's brim the air of a gap is drawn, and above a well's it is let out. mm.
pub(super) const AIR_ABOVE_TOP_MM: f64 = 2.0;
/// How far below a well's brim the tip touches its wall. mm.
pub(super) const TOUCH_BELOW_TOP_MM: f64 = 1.0;
/// How far out its middle goes for that, as a share of the well's radius: the tip is about 1 mm wide.
pub(super) const TOUCH_RADIUS: f64 = 0.9;
/// How far below the waste vial's brim the tip is blown out. mm.
pub(super) const BLOW_OUT_BELOW_TOP_MM: f64 = 5.0;
/// How far below a well's brim the sensor's end is held. mm.
pub(super) const SENSOR_BELOW_TOP_MM: f64 = 1.3;
/// How far below its dock's brim the sensor's end is let go. mm.
pub(super) const PARK_BELOW_TOP_MM: f64 = 80.0;

/// The ids under which one run knows what is on the deck.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub plate: String,
    pub vials: String,
    pub dock: String,
    pub hands: Vec<Hand>,
}

/// A pipette and the rack of its tips.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    pub mount: Mount,
    pub model: PipetteModel,
    pub id: String,
    pub rack: String,
}

/// A command's type and parameters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RobotCommand {
    pub name: &'static str,
    pub params: Value,
}

impl RobotCommand {
    pub const fn new(name: &'static str, params: Value) -> Self {
        Self { name, params }
    }
}

impl Hand {
    /// How high the bare nozzle travels when something hangs there of which the robot doesn't know, so that even its end
    /// clears the tallest thing on the deck, the sensor's dock (100 mm). The p300 carries the sensor (75.8 mm), the p1000 tips
    /// of 80 mm, the p10 and p20 tips of 31 mm; the nozzles of p300, GEN1's p300 and p20 reach 201, 197 and 182 mm.
    const fn blind_travel_mm(&self) -> f64 {
        match self.model {
            PipetteModel::P10Single | PipetteModel::P20SingleGen2 => 150.0,
            _ => 185.0,
        }
    }
}

/// µL/s for drawing, giving and blowing out: GEN2's defaults of API 2.6 and later; of GEN1 the default for drawing.
pub(super) const fn flow_ul_s(model: PipetteModel) -> f64 {
    match model {
        PipetteModel::P10Single => 5.0,
        PipetteModel::P20SingleGen2 => 7.56,
        PipetteModel::P50Single => 25.0,
        PipetteModel::P300Single => 150.0,
        PipetteModel::P300SingleGen2 => 92.86,
        PipetteModel::P1000Single => 500.0,
        PipetteModel::P1000SingleGen2 => 274.7,
    }
}

/// The command that carries out `step`.
pub(super) fn command(deck: &Deck, places: &Places, step: &Step, memory: Memory) -> Result<RobotCommand, RobotError> {
    if memory == Memory::Forgot && !may_be_blind(step) {
        return Err(unsafe_step(step, "something may hang on the nozzle of which this run doesn't know"));
    }
    let hand = |mount: &Mount| hand(places, *mount).ok_or_else(|| unsafe_step(step, "no pipette hangs on that mount"));
    Ok(match step {
        Step::Home => RobotCommand::new("home", json!({})),
        Step::PickUpTip { mount, tip, .. } => pick_up(hand(mount)?, &hand(mount)?.rack, *tip),
        Step::Aspirate { mount, vial, volume, .. } => {
            let height = location("bottom", ASPIRATE_ABOVE_BOTTOM_MM);
            liquid("aspirate", hand(mount)?, (&places.vials, *vial, height), *volume)
        }
        Step::Dispense { mount, at, volume, .. } => {
            let height = location("bottom", deck.dispense_height_mm);
            liquid("dispense", hand(mount)?, (&places.plate, *at, height), *volume)
        }
        Step::AirGap { mount, vial, volume } => {
            let height = location("top", AIR_ABOVE_TOP_MM);
            liquid("aspirate", hand(mount)?, (&places.vials, *vial, height), *volume)
        }
        Step::ExpelAir { mount, at, volume } => {
            let height = location("top", AIR_ABOVE_TOP_MM);
            liquid("dispense", hand(mount)?, (&places.plate, *at, height), *volume)
        }
        Step::MixDraw { mount, at, volume, .. } => {
            let height = location("bottom", Mixing::ABOVE_BOTTOM_MM);
            liquid("aspirate", hand(mount)?, (&places.plate, *at, height), *volume)
        }
        Step::MixGive { mount, at, volume, .. } => {
            let height = location("bottom", Mixing::ABOVE_BOTTOM_MM);
            liquid("dispense", hand(mount)?, (&places.plate, *at, height), *volume)
        }
        Step::TouchTip { mount, at } => touch_tip(hand(mount)?, &places.plate, *at),
        Step::BlowOutInto { mount, at } => {
            let height = location("bottom", deck.dispense_height_mm);
            blow_out(hand(mount)?, (&places.plate, *at, height))
        }
        Step::BlowOut { mount } => {
            blow_out(hand(mount)?, (&places.vials, deck.waste, location("top", -BLOW_OUT_BELOW_TOP_MM)))
        }
        Step::ReturnTip { mount, tip } => return_tip(hand(mount)?, *tip),
        Step::MoveToTrash { mount } => move_to_trash(hand(mount)?, memory),
        Step::DropInPlace { mount } => RobotCommand::new("dropTipInPlace", json!({"pipetteId": hand(mount)?.id})),
        Step::PickUpSensor { mount } => pick_up(hand(mount)?, &places.dock, deck.sensor_place),
        Step::MoveSensor { mount, over } => move_to_well(hand(mount)?, &places.plate, *over, -SENSOR_BELOW_TOP_MM),
        Step::ParkSensor { mount } => park(hand(mount)?, &places.dock, deck.sensor_place),
        Step::MoveSensorToDock { mount } => move_to_dock(hand(mount)?, &places.dock, deck.sensor_place, memory),
        Step::Read { .. } | Step::CheckBlank { .. } => {
            return Err(unsafe_step(step, "the sensor carries it out, not the robot"));
        }
        Step::Mix { .. } | Step::PresentSensor { .. } | Step::DockSensor { .. } => {
            return Err(unsafe_step(step, "this robot is told strokes and moves"));
        }
    })
}

/// Whether a step is safe with something on the nozzle of which the robot doesn't know.
const fn may_be_blind(step: &Step) -> bool {
    matches!(step, Step::Home | Step::MoveToTrash { .. } | Step::DropInPlace { .. } | Step::MoveSensorToDock { .. })
}

const fn unsafe_step(step: &Step, why: &'static str) -> RobotError {
    RobotError::Unsafe { step: step.name(), why }
}

fn hand(places: &Places, mount: Mount) -> Option<&Hand> {
    places.hands.iter().find(|hand| hand.mount == mount)
}

fn location(origin: &str, z_mm: f64) -> Value {
    json!({"origin": origin, "offset": {"x": 0, "y": 0, "z": z_mm}})
}

fn at(hand: &Hand, labware: &str, well: WellName, location: Option<Value>) -> Value {
    let mut params = json!({"pipetteId": hand.id, "labwareId": labware, "wellName": well});
    if let Some(location) = location {
        params["wellLocation"] = location;
    }
    params
}

fn pick_up(hand: &Hand, rack: &str, place: WellName) -> RobotCommand {
    RobotCommand::new("pickUpTip", at(hand, rack, place, None))
}

/// Where the end of a tip is: in or over which well of which labware, and how high.
type Whereabouts<'a> = (&'a str, WellName, Value);

fn liquid(name: &'static str, hand: &Hand, (labware, well, height): Whereabouts<'_>, volume: Volume) -> RobotCommand {
    let mut params = at(hand, labware, well, Some(height));
    params["volume"] = json!(volume.ul());
    params["flowRate"] = json!(flow_ul_s(hand.model));
    RobotCommand::new(name, params)
}

fn touch_tip(hand: &Hand, plate: &str, well: WellName) -> RobotCommand {
    let mut params = at(hand, plate, well, Some(location("top", -TOUCH_BELOW_TOP_MM)));
    params["radius"] = json!(TOUCH_RADIUS);
    RobotCommand::new("touchTip", params)
}

fn blow_out(hand: &Hand, (labware, well, height): Whereabouts<'_>) -> RobotCommand {
    let mut params = at(hand, labware, well, Some(height));
    params["flowRate"] = json!(flow_ul_s(hand.model));
    RobotCommand::new("blowout", params)
}

fn return_tip(hand: &Hand, tip: WellName) -> RobotCommand {
    RobotCommand::new("dropTip", at(hand, &hand.rack, tip, None))
}

fn move_to_trash(hand: &Hand, memory: Memory) -> RobotCommand {
    let params = json!({"pipetteId": hand.id, "addressableAreaName": "fixedTrash"});
    RobotCommand::new("moveToAddressableAreaForDropTip", travelling(params, hand, memory))
}

fn move_to_well(hand: &Hand, labware: &str, well: WellName, from_top_mm: f64) -> RobotCommand {
    RobotCommand::new("moveToWell", at(hand, labware, well, Some(location("top", from_top_mm))))
}

fn park(hand: &Hand, dock: &str, place: WellName) -> RobotCommand {
    RobotCommand::new("dropTip", at(hand, dock, place, Some(location("top", -PARK_BELOW_TOP_MM))))
}

/// The sensor's end goes to where [`park`] lets go. A robot that has forgotten the sensor moves its bare nozzle instead,
/// which must stay higher by what hangs below it.
fn move_to_dock(hand: &Hand, dock: &str, place: WellName, memory: Memory) -> RobotCommand {
    let forgotten_mm = match memory {
        Memory::Knows => 0.0,
        Memory::Forgot => SENSOR_REACH_MM,
    };
    let RobotCommand { name, params } = move_to_well(hand, dock, place, forgotten_mm - PARK_BELOW_TOP_MM);
    RobotCommand::new(name, travelling(params, hand, memory))
}

fn travelling(mut params: Value, hand: &Hand, memory: Memory) -> Value {
    if memory == Memory::Forgot {
        params["minimumZHeight"] = json!(hand.blind_travel_mm());
    }
    params
}
