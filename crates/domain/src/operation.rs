//! Operations: the smallest physical steps, the journal's record of them, and what each does to the nozzle.
//!
//! Read it in this order: [`Step`] is what to do; [`JournalEvent`] is what was written down about it;
//! [`OperationState`] is the fold of those events; [`Tool`] is what hangs on the nozzle because of them.

use crate::{DyeName, Mount, OperationId, Volume, WellId, WellName, experiment::named_states};
use serde::{Deserialize, Serialize};

/// One physical step. One robot command a variant, except [`Step::Read`] and
/// [`Step::CheckBlank`], which the sensor carries out. The last three are for robots that are told no less than a mixture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// All axes to their switches. Only with nothing, or something known, on the nozzle.
    Home,
    PickUpTip {
        mount: Mount,
        tip: WellName,
        dye: DyeName,
    },
    Aspirate {
        mount: Mount,
        dye: DyeName,
        vial: WellName,
        volume: Volume,
    },
    Dispense {
        mount: Mount,
        dye: DyeName,
        well: WellId,
        at: WellName,
        volume: Volume,
    },
    /// Draws air above the vial, so that nothing drips on the way.
    AirGap {
        mount: Mount,
        vial: WellName,
        volume: Volume,
    },
    /// Lets that air out above the well.
    ExpelAir {
        mount: Mount,
        at: WellName,
        volume: Volume,
    },
    /// Draws from the well itself; [`Step::MixGive`] follows. The tip is that well's from then on.
    MixDraw {
        mount: Mount,
        well: WellId,
        at: WellName,
        volume: Volume,
    },
    /// Gives what was drawn by [`Step::MixDraw`] back.
    MixGive {
        mount: Mount,
        well: WellId,
        at: WellName,
        volume: Volume,
    },
    /// Touches the well's wall with the tip, which is that well's from then on.
    TouchTip {
        mount: Mount,
        at: WellName,
    },
    /// Blows out what clings to an empty tip, above the well's liquid.
    BlowOutInto {
        mount: Mount,
        at: WellName,
    },
    /// Empties the tip above the waste vial.
    BlowOut {
        mount: Mount,
    },
    /// Puts the tip back where it came from, to be used again for the same dye.
    ReturnTip {
        mount: Mount,
        tip: WellName,
    },
    MoveToTrash {
        mount: Mount,
    },
    /// Lets go of whatever hangs on the nozzle, here. Harmless when it is empty.
    DropInPlace {
        mount: Mount,
    },
    PickUpSensor {
        mount: Mount,
    },
    /// Holds the sensor over a plate well, in the documented pose.
    MoveSensor {
        mount: Mount,
        over: WellName,
    },
    /// Reads the sensor. `well` is nothing for the white reference, taken over an empty well; over the same one again after the
    /// samples, to see whether it is still what it was.
    Read {
        over: WellName,
        well: Option<WellId>,
    },
    /// Reads the sensor over a well that should be empty, to see that it is. The sensor carries it out.
    CheckBlank {
        over: WellName,
    },
    ParkSensor {
        mount: Mount,
    },
    /// Takes a sensor of which the robot's server has lost the memory to its dock's height; [`Step::DropInPlace`] follows.
    MoveSensorToDock {
        mount: Mount,
    },
    /// A whole mixture into a well, by a robot that is told no less ([`crate::Grain::Mixtures`]). Such a robot then holds the sensor over
    /// that well.
    Mix {
        /// Whose pipette mixes and carries the sensor.
        mount: Mount,
        well: WellId,
        at: WellName,
        portions: Vec<Portion>,
    },
    /// Such a robot fetches the sensor and holds it over a plate well.
    PresentSensor {
        mount: Mount,
        over: WellName,
    },
    /// Such a robot puts the sensor into its dock.
    DockSensor {
        mount: Mount,
        after: Docking,
    },
}

/// What goes into a mixture of one dye, and by which tip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    pub dye: DyeName,
    pub vial: WellName,
    pub tip: WellName,
    pub volume: Volume,
}

named_states! {
    /// Why a sensor goes back into its dock.
    Docking {
        /// It has been read.
        Reading = "reading",
        /// It gave no reading, or nobody knows how it came to hang there.
        Trouble = "trouble",
    }
}

impl Step {
    /// Its name in the journal and in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::PickUpTip { .. } => "pick_up_tip",
            Self::Aspirate { .. } => "aspirate",
            Self::Dispense { .. } => "dispense",
            Self::AirGap { .. } => "air_gap",
            Self::ExpelAir { .. } => "expel_air",
            Self::MixDraw { .. } => "mix_draw",
            Self::MixGive { .. } => "mix_give",
            Self::TouchTip { .. } => "touch_tip",
            Self::BlowOutInto { .. } => "blow_out_into",
            Self::BlowOut { .. } => "blow_out",
            Self::ReturnTip { .. } => "return_tip",
            Self::MoveToTrash { .. } => "move_to_trash",
            Self::DropInPlace { .. } => "drop_in_place",
            Self::PickUpSensor { .. } => "pick_up_sensor",
            Self::MoveSensor { .. } => "move_sensor",
            Self::Read { .. } => "read",
            Self::CheckBlank { .. } => "check_blank",
            Self::ParkSensor { .. } => "park_sensor",
            Self::MoveSensorToDock { .. } => "move_sensor_to_dock",
            Self::Mix { .. } => "mix",
            Self::PresentSensor { .. } => "present_sensor",
            Self::DockSensor { .. } => "dock_sensor",
        }
    }

    /// The experiment's well that this step changes or reads.
    pub const fn well(&self) -> Option<WellId> {
        match self {
            Self::Dispense { well, .. }
            | Self::MixDraw { well, .. }
            | Self::MixGive { well, .. }
            | Self::Mix { well, .. } => Some(*well),
            Self::Read { well, .. } => *well,
            _ => None,
        }
    }

    /// The same in strokes and moves: what a robot that is told whole mixtures does by itself. Itself, where it is one.
    pub fn in_strokes(self) -> Vec<Self> {
        let present = |mount, over| vec![Self::PickUpSensor { mount }, Self::MoveSensor { mount, over }];
        match self {
            Self::Mix { mount, well, at, portions } => {
                let mut steps: Vec<_> =
                    portions.into_iter().flat_map(|portion| portion.in_strokes(mount, well, at)).collect();
                steps.extend(present(mount, at));
                steps
            }
            Self::PresentSensor { mount, over } => present(mount, over),
            Self::DockSensor { mount, .. } => vec![Self::ParkSensor { mount }],
            step => vec![step],
        }
    }

    /// What the robot is doing, for a person: "adding 60 µL of red to B3".
    pub fn sentence(&self) -> String {
        match self {
            Self::Home => "homing".to_owned(),
            Self::PickUpTip { dye, tip, .. } => format!("picking up the {dye} tip ({tip})"),
            Self::Aspirate { dye, volume, .. } => format!("drawing {volume} of {dye}"),
            Self::Dispense { dye, at, volume, .. } => format!("adding {volume} of {dye} to {at}"),
            Self::AirGap { volume, .. } => format!("drawing {volume} of air behind it"),
            Self::ExpelAir { at, .. } => format!("letting the air out over {at}"),
            Self::MixDraw { at, volume, .. } => format!("mixing {at}: drawing {volume}"),
            Self::MixGive { at, volume, .. } => format!("mixing {at}: giving {volume} back"),
            Self::TouchTip { at, .. } => format!("touching the wall of {at}"),
            Self::BlowOutInto { at, .. } => format!("blowing the tip out over {at}"),
            Self::BlowOut { .. } => "blowing the tip out over the waste".to_owned(),
            Self::ReturnTip { tip, .. } => format!("putting the tip back to {tip}"),
            Self::MoveToTrash { .. } => "moving to the trash".to_owned(),
            Self::DropInPlace { .. } => "letting go of what is on the nozzle".to_owned(),
            Self::PickUpSensor { .. } => "picking up the colour sensor".to_owned(),
            Self::MoveSensor { over, .. } => format!("moving the sensor over {over}"),
            Self::Read { over, well: Some(_) } => format!("measuring {over}"),
            Self::Read { over, well: None } => format!("reading the white reference over {over}"),
            Self::CheckBlank { over } => format!("looking whether {over} is empty"),
            Self::ParkSensor { .. } => "parking the sensor".to_owned(),
            Self::MoveSensorToDock { .. } => "bringing the sensor to its dock".to_owned(),
            Self::Mix { at, portions, .. } => {
                let amounts = portions.iter().map(|Portion { dye, volume, .. }| format!("{volume} of {dye}"));
                format!("mixing {} in {at}", amounts.collect::<Vec<_>>().join(" and "))
            }
            Self::PresentSensor { over, .. } => format!("holding the sensor over {over}"),
            Self::DockSensor { .. } => "docking the sensor".to_owned(),
        }
    }
}

impl Portion {
    fn in_strokes(self, mount: Mount, well: WellId, at: WellName) -> [Step; 5] {
        let Self { dye, vial, tip, volume } = self;
        [
            Step::PickUpTip { mount, tip, dye: dye.clone() },
            Step::Aspirate { mount, dye: dye.clone(), vial, volume },
            Step::Dispense { mount, dye, well, at, volume },
            Step::BlowOut { mount },
            Step::ReturnTip { mount, tip },
        ]
    }
}

/// A step with the id it is sent under, made before anything happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub step: Step,
}

impl Operation {
    pub fn new(step: Step) -> Self {
        Self { id: OperationId::new(), step }
    }
}

named_states! {
    /// What the journal says of an operation. The status is the fold of these, in the order they were written.
    JournalEvent {
        /// Durable before anything was sent.
        Intended = "intended",
        Succeeded = "succeeded",
        /// The robot or the sensor says that it couldn't.
        Failed = "failed",
        /// The robot never got it, and can't any more.
        NotReceived = "not_received",
        /// Nobody can say whether it happened.
        InDoubt = "in_doubt",
        /// A policy or a person has dealt with the doubt.
        Settled = "settled",
    }
}

/// The state of an operation: the last lawful event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationState(JournalEvent);

/// An event that can't follow what was written before: a bug or a second writer, never to be papered over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal can't go from {from:?} to {to}")]
pub struct IllegalTransition {
    pub from: Option<JournalEvent>,
    pub to: JournalEvent,
}

impl OperationState {
    /// Adds one event to a state (or to nothing, for a new operation).
    pub fn after(state: Option<Self>, event: JournalEvent) -> Result<Self, IllegalTransition> {
        use JournalEvent::{Failed, InDoubt, Intended, NotReceived, Settled, Succeeded};
        let from = state.map(|OperationState(last)| last);
        match (from, event) {
            (None, Intended)
            | (Some(Intended), Succeeded | Failed | NotReceived | InDoubt)
            | (Some(InDoubt), Settled) => Ok(Self(event)),
            _ => Err(IllegalTransition { from, to: event }),
        }
    }

    /// The state after a whole history; nothing for an empty one.
    pub fn fold(events: impl IntoIterator<Item = JournalEvent>) -> Result<Option<Self>, IllegalTransition> {
        events.into_iter().try_fold(None, |state, event| Self::after(state, event).map(Some))
    }

    pub const fn last(self) -> JournalEvent {
        self.0
    }

    /// Sent, perhaps, and not known to have ended: what recovery must reconcile.
    pub const fn is_open(self) -> bool {
        matches!(self.0, JournalEvent::Intended)
    }
}

/// What hangs on the robot's nozzle, as far as the journal knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case")]
pub enum Tool {
    #[default]
    Nothing,
    /// A tip, perhaps with liquid in it. `certain` is false when it may already be gone, or not yet be there.
    Tip {
        mount: Mount,
        tip: WellName,
        dye: DyeName,
        liquid: Volume,
        certain: bool,
        /// The well whose liquid or wall it met: it never goes into a vial or its rack again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used_in: Option<WellName>,
    },
    Sensor {
        mount: Mount,
        certain: bool,
    },
}

/// How an operation ended, as far as the nozzle is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    /// It failed or nobody knows: both may have left it half done.
    Unsure,
    NotDone,
}

impl Tool {
    /// What hangs there, for a person: "the red tip of B1 with 60 µL in it".
    pub fn sentence(&self) -> String {
        let (what, certain) = match self {
            Self::Nothing => return "nothing".to_owned(),
            Self::Tip { tip, dye, liquid, certain, .. } if liquid.is_zero() => {
                (format!("the {dye} tip of {tip}, empty"), certain)
            }
            Self::Tip { tip, dye, liquid, certain, .. } => {
                (format!("the {dye} tip of {tip} with {liquid} in it"), certain)
            }
            Self::Sensor { certain, .. } => ("the colour sensor".to_owned(), certain),
        };
        if *certain { what } else { format!("perhaps {what}") }
    }

    /// What hangs there after `step` ended so. Unsure endings keep the more dangerous possibility.
    #[must_use]
    pub fn after(self, step: &Step, ending: Ending) -> Self {
        if ending == Ending::NotDone {
            return self;
        }
        let done = ending == Ending::Done;
        match (step, self) {
            (Step::PickUpTip { mount, tip, dye }, _) => Self::Tip {
                mount: *mount,
                tip: *tip,
                dye: dye.clone(),
                liquid: Volume::ZERO,
                certain: done,
                used_in: None,
            },
            (Step::PickUpSensor { mount } | Step::Mix { mount, .. } | Step::PresentSensor { mount, .. }, _) => {
                Self::Sensor { mount: *mount, certain: done }
            }
            (Step::DockSensor { mount, .. }, _) if !done => Self::Sensor { mount: *mount, certain: false },
            (
                Step::ReturnTip { .. } | Step::ParkSensor { .. } | Step::DropInPlace { .. } | Step::DockSensor { .. },
                _,
            ) if done => Self::Nothing,
            (step, Self::Tip { mount, tip, dye, liquid, certain, used_in }) => {
                let certain = certain && !matches!(step, Step::ReturnTip { .. } | Step::DropInPlace { .. });
                let used_in = contact(step).or(used_in);
                Self::Tip { mount, tip, dye, liquid: liquid_after(liquid, step, done), certain, used_in }
            }
            (Step::ParkSensor { .. } | Step::DropInPlace { .. }, Self::Sensor { mount, .. }) => {
                Self::Sensor { mount, certain: false }
            }
            (_, tool) => tool,
        }
    }
}

/// What a tip holds after a step; of what may have left it, all.
fn liquid_after(liquid: Volume, step: &Step, done: bool) -> Volume {
    match step {
        Step::Aspirate { volume, .. } | Step::MixDraw { volume, .. } => liquid + *volume,
        Step::Dispense { volume, .. } | Step::MixGive { volume, .. } if done => liquid.saturating_sub(*volume),
        Step::BlowOut { .. } | Step::BlowOutInto { .. } if done => Volume::ZERO,
        _ => liquid,
    }
}

/// The well whose liquid or wall a tip meets by a step.
const fn contact(step: &Step) -> Option<WellName> {
    match step {
        Step::MixDraw { at, .. } | Step::MixGive { at, .. } | Step::TouchTip { at, .. } => Some(*at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};

    proptest! {
        #[test]
        fn a_history_is_lawful_or_refused_and_never_ends_twice(events in prop::collection::vec(select(JournalEvent::ALL), 0..6)) {
            if let Ok(state) = OperationState::fold(events.iter().copied()) {
                prop_assert_eq!(state.map(OperationState::last), events.last().copied());
                let endings = events.iter().filter(|e| !matches!(e, JournalEvent::Intended | JournalEvent::Settled)).count();
                prop_assert!(endings <= 1);
                prop_assert!(events.iter().filter(|e| **e == JournalEvent::Intended).count() <= 1);
            }
        }
    }

    #[test]
    fn a_doubtful_tip_is_still_taken_for_a_tip() {
        let (mount, tip) = (Mount::Right, "B1".parse().expect("well"));
        let pick = Step::PickUpTip { mount, tip, dye: "red".parse().expect("dye") };
        assert!(matches!(Tool::Nothing.after(&pick, Ending::Unsure), Tool::Tip { certain: false, .. }));
        let held = Tool::Nothing.after(&pick, Ending::Done);
        assert!(matches!(
            held.clone().after(&Step::ReturnTip { mount, tip }, Ending::Unsure),
            Tool::Tip { certain: false, .. }
        ));
        assert_eq!(held.after(&Step::ReturnTip { mount, tip }, Ending::Done), Tool::Nothing);
        assert_eq!(Tool::Nothing.after(&pick, Ending::NotDone), Tool::Nothing);
    }

    fn mix() -> Step {
        let portion = |dye: &str, vial: &str, ul| Portion {
            dye: dye.parse().expect("dye"),
            vial: vial.parse().expect("vial"),
            tip: vial.parse().expect("tip"),
            volume: Volume::from_whole_ul(ul),
        };
        Step::Mix {
            mount: Mount::Right,
            well: WellId::new(),
            at: "C5".parse().expect("well"),
            portions: vec![portion("red", "B1", 60), portion("blue", "B3", 90)],
        }
    }

    #[test]
    fn whoever_mixes_whole_mixtures_holds_the_sensor_then_and_docks_it() {
        let (mount, mix) = (Mount::Right, mix());
        assert_eq!(mix.sentence(), "mixing 60 µL of red and 90 µL of blue in C5");
        let docked = Step::DockSensor { mount, after: Docking::Reading };
        for certain in [true, false] {
            let ending = if certain { Ending::Done } else { Ending::Unsure };
            let held = Tool::Nothing.after(&mix, ending);
            assert_eq!(held, Tool::Sensor { mount, certain });
            assert_eq!(held.clone().after(&docked, Ending::Done), Tool::Nothing);
            assert_eq!(held.after(&docked, Ending::Unsure), Tool::Sensor { mount, certain: false });
        }
    }

    #[test]
    fn a_whole_mixture_in_strokes_comes_to_the_same() {
        let strokes = mix().in_strokes();
        let names: Vec<_> = strokes.iter().map(Step::name).collect();
        let portion = ["pick_up_tip", "aspirate", "dispense", "blow_out", "return_tip"];
        assert_eq!(names, [&portion[..], &portion[..], &["pick_up_sensor", "move_sensor"][..]].concat());
        let held = strokes.iter().fold(Tool::Nothing, |tool, step| tool.after(step, Ending::Done));
        assert_eq!(held, Tool::Nothing.after(&mix(), Ending::Done));
        assert_eq!(Step::Home.in_strokes(), [Step::Home]);
    }
}
