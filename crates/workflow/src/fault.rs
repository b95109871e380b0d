//! Faults as people meet them: what happened, why, what was done about it, what to do next.

use crate::{doubts::Doubts, measure::Flaw, plan::Shortage};
use domain::{Fault, FaultCode, Lack, Step, reading::WhiteFlaw};
use hardware::{PerformError, RobotError, SensorError};

/// What Tincture does about trouble that it can put right by itself.
const GOES_ON: &str =
    "The step was written down as not done, the machine is being made safe, and the experiment goes on.";

pub fn of_command(step: &Step, error: &PerformError) -> Fault {
    let (what, next) = match error {
        PerformError::NotSent(_) => {
            ("The robot can't be reached", "Check that the robot is switched on and on the network.")
        }
        PerformError::Refused(_) => {
            ("The robot refused a command", "Check that its deck and pipettes are as configured.")
        }
        PerformError::LostControl(_) => {
            ("Another client has taken the robot", "Close the Opentrons App or whoever else drives this robot.")
        }
        PerformError::Failed(_) => {
            ("The robot couldn't carry out a step", "Look at the robot; a crash or a missing tip shows at once.")
        }
        PerformError::Unknown(_) => (
            "It isn't known whether the robot carried out a step",
            "Nothing: the robot is asked as soon as it answers.",
        ),
    };
    Fault {
        code: error.code(),
        what: format!("{what} while {}.", step.sentence()),
        cause: error.to_string(),
        done: GOES_ON.to_owned(),
        next: next.to_owned(),
    }
}

pub fn of_reading(step: &Step, error: &SensorError) -> Fault {
    Fault {
        code: error.code(),
        what: format!("There is no reading from {}.", step.sentence()),
        cause: error.to_string(),
        done: "The sensor is parked and the well will be read again; a late reply is dropped.".to_owned(),
        next: "If it stays silent, check the sensor's battery and connection.".to_owned(),
    }
}

/// A reading that was taken and is worth nothing.
pub fn of_flaw(step: &Step, flaw: &Flaw) -> Fault {
    let (code, next) = match flaw {
        Flaw::White(WhiteFlaw::Saturated { .. }) => {
            (FaultCode::SensorSaturated, "Shade the sensor from the room's light, then resume the robot.")
        }
        Flaw::White(WhiteFlaw::Dimmed { .. }) => (
            FaultCode::SensorDark,
            "Look at the sensor's light and window, and whether the plate is new. After a resume the next white reference is taken as it comes.",
        ),
        Flaw::Dark | Flaw::White(WhiteFlaw::Dark { .. }) => (
            FaultCode::SensorDark,
            "Look whether the sensor hangs on the nozzle and its light is on, then resume the robot.",
        ),
    };
    Fault {
        code,
        what: format!("There is no usable reading from {}.", step.sentence()),
        cause: format!("{flaw}."),
        done: "It is read again, the white reference over another empty well where there is one. No well is judged by it; what is mixed stays mixed.".to_owned(),
        next: next.to_owned(),
    }
}

/// What the operator of a robot is asked when an experiment ended with wells that aren't to be believed.
pub fn of_doubts(doubts: &Doubts) -> Fault {
    Fault {
        code: FaultCode::PlateDoubtful,
        what: doubts.headline(),
        cause: doubts.causes(),
        done: "The results are kept and marked as doubtful; their owner may have these wells made again without charge. The robot waits.".to_owned(),
        next: "Look at the plate, the vials and the tips. Lay and confirm what has to be new, then resume the robot.".to_owned(),
    }
}

pub fn of_robot(error: &RobotError) -> Fault {
    Fault {
        code: error.code(),
        what: "The robot can't be used at the moment.".to_owned(),
        cause: error.to_string(),
        done: "Nothing moves. Tincture keeps trying; the journal holds everything that was done.".to_owned(),
        next: "Check that the robot is on, on the network and not in use by the Opentrons App.".to_owned(),
    }
}

pub fn in_doubt(step: &Step, cause: &str) -> Fault {
    Fault {
        code: FaultCode::CommandInDoubt,
        what: format!("Nobody can say whether the robot finished {}.", step.sentence()),
        cause: cause.to_owned(),
        done: "The well, if one was concerned, is quarantined and mixed again in a fresh one. Nothing is repeated blindly.".to_owned(),
        next: "At a real robot: look what hangs on the nozzle, then resume the robot.".to_owned(),
    }
}

pub fn of_shortage(shortage: &Shortage) -> Fault {
    let (code, next) = match shortage {
        Shortage::Plate { .. } => (FaultCode::PlateFull, "Put a new plate on the deck and confirm it."),
        Shortage::UsedPlate { .. } => {
            (FaultCode::PlateUsed, "Take this plate away, put a new, empty one on the deck and confirm it.")
        }
        Shortage::Dye { .. } => (FaultCode::DyeShort, "Refill the vial and confirm it."),
        Shortage::Tips { .. } => (FaultCode::TipsShort, "Put a full tip rack on the deck and confirm it."),
        Shortage::Waste { .. } => (FaultCode::WasteFull, "Empty the waste vial and confirm it."),
        Shortage::Pipette { .. } => {
            (FaultCode::DeckMismatch, "Mount the pipette that the recipe needs, or change the recipe.")
        }
    };
    let (what, done) = match shortage {
        Shortage::UsedPlate { .. } => (
            "The plate on the deck isn't new.",
            "Nothing was dispensed. The experiment is in the queue again, and goes on a new plate.",
        ),
        _ => (
            "The next experiment doesn't fit what is on the deck.",
            "The robot waits; nothing was taken and nothing moved.",
        ),
    };
    Fault { code, what: what.to_owned(), cause: shortage.to_string(), done: done.to_owned(), next: next.to_owned() }
}

pub fn too_many(last: &Fault, troubles: u32) -> Fault {
    Fault {
        code: FaultCode::TooManyFailures,
        what: format!("The experiment was given up after {troubles} failures in a row."),
        cause: format!("The last one: {} {}", last.what, last.cause),
        done: "The machine was made safe. Wells that weren't measured cost nothing: their quota is back.".to_owned(),
        next: last.next.clone(),
    }
}

/// Of a waiting experiment that no robot of the lab can mix.
pub fn unmixable(lack: &Lack) -> Fault {
    Fault {
        code: FaultCode::DeckMismatch,
        what: "No robot of this lab can mix this any more.".to_owned(),
        cause: format!("Its deck was changed after the experiment was accepted: there is {lack}."),
        done: "The experiment was ended; its quota is back.".to_owned(),
        next: "Ask for what the lab's decks have now, or ask an operator to put it back.".to_owned(),
    }
}

/// Of wells that hold something on a robot which can't be reached any more.
pub fn handed_over() -> Fault {
    Fault {
        code: FaultCode::RobotUnreachable,
        what: "The robot could not be reached before this well was measured.".to_owned(),
        cause: "It has been off, or off the network, for too long.".to_owned(),
        done: "The well is mixed again by another robot; this one costs nothing.".to_owned(),
        next: "Nothing.".to_owned(),
    }
}

/// Of a deck on which things were done that the journal doesn't know of.
pub fn unknown_deck() -> Fault {
    Fault {
        code: FaultCode::DeckUnknown,
        what: "The robot has done things that this lab doesn't know of.".to_owned(),
        cause: "The database was put back from a backup, or somebody else has used the robot.".to_owned(),
        done: "Nothing moves. Plate, tips and vials count as unknown.".to_owned(),
        next: RENEWED.to_owned(),
    }
}

/// Of a machine that isn't the one this robot was.
pub fn another_machine(before: &str, now: &str) -> Fault {
    Fault {
        code: FaultCode::RobotMistaken,
        what: "Another machine answers at this robot's address.".to_owned(),
        cause: format!("It says that it is {now}; until now it was {before}."),
        done: "Nothing moves. Plate, tips and vials count as unknown.".to_owned(),
        next: format!("If that isn't the machine you mean, mend the robot's address. If it is: {RENEWED}"),
    }
}

/// Of a machine that another lab drives, or drove.
pub fn another_lab(other: &str) -> Fault {
    Fault {
        code: FaultCode::RobotMistaken,
        what: "Another lab has driven this robot.".to_owned(),
        cause: format!("It carries the mark of lab {other}."),
        done: "Nothing moves. Plate, tips and vials count as unknown.".to_owned(),
        next: format!("Stop the other lab's worker, if it still runs. Then: {RENEWED}"),
    }
}

const RENEWED: &str =
    "Put a new plate, full tip racks and filled vials on the deck, confirm each, and resume the robot.";

/// Of an experiment that breaks its lane.
pub fn parked(cause: &str) -> Fault {
    Fault {
        code: FaultCode::ExperimentParked,
        what: "The experiment was set aside, since it stops the robot's work.".to_owned(),
        cause: cause.to_owned(),
        done: "Its wells are as they were, and the robot serves the next experiment.".to_owned(),
        next:
            "Cancel it, which returns what isn't measured; or tell whoever runs this lab: the server's log says more."
                .to_owned(),
    }
}
