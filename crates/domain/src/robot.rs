//! What people and workers say of a robot: who answers its questions, what it was told, when hands may go to it.

use crate::{Deck, Flaw, Mount, Pipette, experiment::named_states};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

named_states! {
    /// How a robot is spoken to, and so which driver it has.
    RobotKind {
        /// An Opentrons OT-2, by its own HTTP API.
        Ot2 = "ot2",
        /// An OT-2 by the script that training labs run on it, which hangs on an MQTT broker.
        Script = "script",
    }
}

/// How finely a robot is told what to do, and so the grain of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Stroke by stroke and move by move.
    Strokes,
    /// No less than a whole mixture, with the sensor held over it at the end.
    Mixtures,
}

impl RobotKind {
    pub const fn grain(self) -> Grain {
        match self {
            Self::Ot2 => Grain::Strokes,
            Self::Script => Grain::Mixtures,
        }
    }
}

named_states! {
    /// How a robot is driven and who answers its questions.
    Attendance {
        /// The virtual lab: plates, tips and vials are renewed through the emulator, doubts settled by policy.
        Virtual = "virtual",
        /// A person does and answers.
        Operator = "operator",
    }
}

named_states! {
    /// What people have told a robot. Only they change it; a worker obeys.
    RobotMode {
        Active = "active",
        /// Puts down what it holds and sends nothing more until resumed.
        Paused = "paused",
        /// Finishes what it has and takes nothing new.
        Draining = "draining",
        /// Sends nothing more at all, not even to put things down, until resumed.
        Stopped = "stopped",
    }
}

impl RobotMode {
    /// Whether a person holds it: nothing is begun until they let go.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Paused | Self::Stopped)
    }
}

named_states! {
    /// What people tell a robot.
    RobotCommand {
        /// Finish the operation in flight, put everything down, send nothing more. Changes nothing at a stopped robot, which
        /// must not move even to put things down.
        Pause = "pause",
        /// Go on. Also the answer to a question: "I have looked, it is safe to go on". A robot that was draining goes on so.
        Resume = "resume",
        /// Finish the experiment in hand and take nothing new. A robot that is held isn't drained: it would have to move.
        Drain = "drain",
        /// Emergency stop: send nothing more, not even to put things down. An OT-2 can't break off the command it is
        /// carrying out; whoever is in danger uses the robot's own button.
        Stop = "stop",
    }
}

impl RobotCommand {
    /// What a robot is told after this, that was told `mode` before and may be asking something. Only a resume loosens a
    /// hold. Nothing for a drain of a robot that is held or asks.
    pub const fn told(self, mode: RobotMode, asks: bool) -> Option<RobotMode> {
        use RobotMode::{Active, Draining, Paused, Stopped};
        match (self, mode) {
            (Self::Stop, _) | (Self::Pause, Stopped) => Some(Stopped),
            (Self::Pause, _) => Some(Paused),
            (Self::Resume, Draining) => Some(Draining),
            (Self::Resume, _) => Some(Active),
            (Self::Drain, Active | Draining) if !asks => Some(Draining),
            (Self::Drain, _) => None,
        }
    }

    /// How the activity log calls it.
    pub const fn activity(self) -> &'static str {
        match self {
            Self::Pause => "robot_paused",
            Self::Resume => "robot_resumed",
            Self::Drain => "robot_draining",
            Self::Stop => "robot_stopped",
        }
    }

    /// Whether this answers what a robot asks.
    pub const fn answers(self) -> bool {
        matches!(self, Self::Resume)
    }
}

/// A pipette as the robot says that it hangs there. All text is the robot's, cut and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipetteSeen {
    /// Opentrons' name, like `p300_single_gen2`; one that this lab doesn't know is here, too.
    pub name: String,
    /// Like `p300_single_v2.1`.
    pub model: String,
    /// Its serial number; empty where it has none.
    pub serial: String,
}

/// What a robot's mounts carried when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountsSeen {
    pub at: DateTime<Utc>,
    pub left: Option<PipetteSeen>,
    pub right: Option<PipetteSeen>,
}

impl MountsSeen {
    pub const fn on(&self, mount: Mount) -> Option<&PipetteSeen> {
        match mount {
            Mount::Left => self.left.as_ref(),
            Mount::Right => self.right.as_ref(),
        }
    }

    /// Whether this pipette hangs where a deck has it.
    pub fn has(&self, pipette: &Pipette) -> bool {
        self.on(pipette.mount).is_some_and(|seen| seen.name == pipette.model.load_name())
    }

    /// What a deck needs and doesn't hang there; a pipette that the deck has no use for is in nobody's way.
    pub fn lacks(&self, deck: &Deck) -> Vec<Flaw> {
        let lack = |pipette: &Pipette| {
            let wanted = pipette.model.load_name();
            let side = match pipette.mount {
                Mount::Left => "left mount",
                Mount::Right => "right mount",
            };
            let what = self.on(pipette.mount).map_or("nothing", |seen| seen.name.as_str());
            (!self.has(pipette)).then(|| Flaw::new(side, format!("{what} hangs there, and the deck has {wanted}")))
        };
        deck.pipettes.iter().filter_map(lack).collect()
    }
}

/// What must be so, under the robot's row, for an act on its deck; each asks for what those before it ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeckCondition {
    /// It stands still: nothing is open, nothing can begin, and nothing that will still be put down hangs on its nozzle.
    Still,
    /// And nothing hangs on its nozzle.
    HandsFree,
    /// And no experiment that is under way has its wells on the plate.
    PlateFree,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_resume_loosens_a_hold_and_nothing_passes_a_question() {
        for &mode in RobotMode::ALL {
            for &command in RobotCommand::ALL {
                for asks in [false, true] {
                    let told = command.told(mode, asks);
                    let loosens = mode.is_held() && !told.is_none_or(RobotMode::is_held);
                    assert_eq!(loosens, mode.is_held() && command == RobotCommand::Resume, "{command} at {mode}");
                    let refused = command == RobotCommand::Drain && (mode.is_held() || asks);
                    assert_eq!(told.is_none(), refused, "{command} at {mode}, asking: {asks}");
                }
            }
        }
        assert_eq!(RobotCommand::Pause.told(RobotMode::Stopped, false), Some(RobotMode::Stopped));
        assert_eq!(RobotCommand::Resume.told(RobotMode::Draining, false), Some(RobotMode::Draining));
    }
}
