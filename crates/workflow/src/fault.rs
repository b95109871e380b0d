//! Faults as people meet them: what happened, why, what was done about it, what to do next.

use crate::{doubts::Doubts, measure::Flaw, mixture::Mixture, plan::Shortage};
use chrono::{DateTime, Utc};
use domain::{Fault, FaultCode, Lack, Step, Tool, reading::WhiteFlaw};
use hardware::{PerformError, RobotError, SensorError};

/// What Tincture does about trouble that it can put right by itself.
const GOES_ON: &str =
    "The step was written down as not done, the machine is being made safe, and the experiment goes on.";
/// What Tincture does when it has no hold on the robot any more.
const STANDS: &str = "Nothing more is sent, and the step was written down as not done. A real robot stands still as it \
                      is, with what hangs on its nozzle; a virtual one goes on by itself.";

pub fn of_command(step: &Step, error: &PerformError) -> Fault {
    let (what, cause, done, next) = match error {
        PerformError::NotSent(cause) => ("The robot can't be reached", of(cause), GOES_ON, remedy(cause)),
        PerformError::Refused(cause) => ("The robot refused a command", of(cause), GOES_ON, remedy(cause)),
        PerformError::LostControl(cause @ RobotError::RunStopped { .. }) => {
            ("Another client has taken the robot", of(cause), STANDS, remedy(cause))
        }
        PerformError::LostControl(cause @ RobotError::NotAlone { .. }) => {
            ("The robot did something that it wasn't told just now", of(cause), STANDS, remedy(cause))
        }
        PerformError::LostControl(cause) => ("The robot isn't held any more", of(cause), GOES_ON, remedy(cause)),
        PerformError::Failed(failure) => (
            "The robot couldn't carry out a step",
            format!("The robot says: {failure}."),
            "The step was written down as failed and isn't repeated; if it concerned liquid, its well is mixed again in a \
             fresh one. The machine is being made safe, and the experiment goes on.",
            "Look at the robot; a crash or a missing tip shows at once.",
        ),
        PerformError::Unknown(cause) => (
            "It isn't known whether the robot carried out a step",
            of(cause),
            "Nothing is sent before the robot has said what became of it, so that no drop is given twice.",
            "Nothing: the robot is asked as soon as it answers.",
        ),
    };
    Fault {
        code: error.code(),
        what: format!("{what} while {}.", step.sentence()),
        cause,
        done: done.to_owned(),
        next: next.to_owned(),
    }
}

pub fn of_reading(step: &Step, error: &SensorError) -> Fault {
    let (cause, next) = match error {
        SensorError::Unreachable { .. } => (
            "No connection to the sensor comes about.".to_owned(),
            "See that the sensor has power and is on the network.",
        ),
        SensorError::Blocked { detail, remedy } => (format!("{detail}."), *remedy),
        SensorError::Silent { after } => (
            format!("It was asked, and gave no reading within {:.0} s.", after.as_secs_f64().max(1.0)),
            "If it stays silent, check the sensor's battery and connection.",
        ),
        SensorError::Device { detail } => {
            (format!("The sensor reports: {detail}."), "If it goes on, switch the sensor off and on.")
        }
        SensorError::Implausible { detail } => (
            format!("What it sent can't be a reading: {detail}."),
            "If it goes on, see that the sensor sits right and switch it off and on.",
        ),
    };
    Fault {
        code: error.code(),
        what: format!("There is no reading from {}.", step.sentence()),
        cause,
        done: "The sensor is parked and the well will be read again; a late reply is dropped.".to_owned(),
        next: next.to_owned(),
    }
}

/// A reading that was taken and is worth nothing.
pub fn of_flaw(step: &Step, flaw: &Flaw) -> Fault {
    let (code, next) = match flaw {
        Flaw::Glaring { .. } | Flaw::Saturated { .. } | Flaw::White(WhiteFlaw::Saturated { .. }) => (
            FaultCode::SensorSaturated,
            "Shade the sensor from the room's light, or lower the gain where its address fixes one; then resume the robot.",
        ),
        Flaw::Unsteady { .. } => (
            FaultCode::SensorError,
            "Look whether the sensor hangs firmly and nothing in the room flickers or moves, then resume the robot.",
        ),
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
        cause: of(error),
        done: "Nothing moves. Tincture keeps trying; the journal holds everything that was done.".to_owned(),
        next: remedy(error).to_owned(),
    }
}

/// Why, for people. What only who runs the network can use, such as an error's number, is the log's.
fn of(error: &RobotError) -> String {
    match error {
        RobotError::Unreachable { .. } => "No connection to the robot's address comes about.".to_owned(),
        RobotError::Interrupted { .. } => "The connection to the robot broke before it had answered.".to_owned(),
        RobotError::TimedOut { after } => {
            format!("The robot didn't answer within {:.0} s.", after.as_secs_f64().max(1.0))
        }
        RobotError::Booting => "The robot is starting up.".to_owned(),
        RobotError::HistoryLost { .. } => {
            "The robot's server has restarted, and has forgotten what it was told before.".to_owned()
        }
        RobotError::RunStopped { .. } => "Another program has made its own run current on the robot.".to_owned(),
        RobotError::NotAlone { detail } => format!("{detail}."),
        RobotError::Busy { .. } => "Another program's run is active on the robot.".to_owned(),
        RobotError::DeckMismatch { detail } => {
            format!("What is on the robot isn't what its deck here says. The robot: {detail}.")
        }
        RobotError::Mistaken { detail } => format!("The machine at its address isn't this robot: {detail}."),
        RobotError::Refused { detail, .. } => format!("The robot says: {detail}."),
        RobotError::BadAnswer { .. } => {
            "What answers at the robot's address doesn't answer as an OT-2 does.".to_owned()
        }
        RobotError::Unsafe { .. } => error.to_string(),
    }
}

/// What a person can do about it.
const fn remedy(error: &RobotError) -> &'static str {
    match error {
        RobotError::Unreachable { .. } | RobotError::Interrupted { .. } | RobotError::TimedOut { .. } => {
            "See that the robot is switched on and on the network. Work goes on as soon as it answers."
        }
        RobotError::Booting => {
            "Wait: an OT-2 takes one to three minutes. If it takes more than five, switch it off and on."
        }
        RobotError::HistoryLost { .. } => "Look what hangs on the nozzle. If the robot asks, answer it on its page.",
        RobotError::RunStopped { .. } => {
            "Close the Opentrons App, or whatever else drives this robot; then resume the robot. It puts down what it \
             holds and goes on."
        }
        RobotError::NotAlone { .. } => {
            "See that nothing else sends commands to this robot's script, wait until it stands still, look what hangs on \
             its nozzle and whether the plate is as it should be; then resume the robot."
        }
        RobotError::Busy { .. } => {
            "Finish or cancel the other run, in the Opentrons App for instance. Work goes on by itself then."
        }
        RobotError::DeckMismatch { .. } => {
            "Compare the deck on the robot's page with the robot: mount the pipettes that are listed there, on their \
             mounts, or have the deck changed. The network is in order."
        }
        RobotError::Mistaken { .. } => {
            "Mend the robot's address (`tincture robot add NAME --url …`), or take one of the two robots away. One \
             machine is one robot."
        }
        RobotError::Refused { .. } => "Look at the robot, and see that its deck and pipettes are as configured.",
        RobotError::BadAnswer { .. } => {
            "See that the address is this robot's: http://ADDRESS:31950/health answers there as an OT-2."
        }
        RobotError::Unsafe { .. } => "Tell whoever runs this lab: it is a fault of Tincture, and the log says more.",
    }
}

pub fn in_doubt(step: &Step, cause: &str) -> Fault {
    let next = match step {
        Step::Mix { .. } | Step::PresentSensor { .. } | Step::DockSensor { .. } => BY_A_SCRIPT,
        _ => "At a real robot: look what hangs on the nozzle, then resume the robot.",
    };
    Fault {
        code: FaultCode::CommandInDoubt,
        what: format!("Nobody can say whether the robot finished {}.", step.sentence()),
        cause: cause.to_owned(),
        done: "The well, if one was concerned, is quarantined and mixed again in a fresh one. Nothing is repeated blindly.".to_owned(),
        next: next.to_owned(),
    }
}

const BY_A_SCRIPT: &str = "Wait until the robot stands still, look what hangs on its nozzle and say so. Whatever isn't the sensor \
                           is taken off by hand, and after that the robot's script is started anew, with nothing on the nozzle.";

/// Of a robot that can't put down what hangs on its nozzle unless somebody has said what it is.
pub fn nozzle_unknown(tool: &Tool) -> Fault {
    Fault {
        code: FaultCode::CommandInDoubt,
        what: "It isn't known what hangs on the robot's nozzle.".to_owned(),
        cause: format!("By the journal it is {}, and nobody has said so.", tool.sentence()),
        done: "The robot waits; nothing moves.".to_owned(),
        next: BY_A_SCRIPT.to_owned(),
    }
}

/// Of a well from which something was drawn to mix it when the robot was interrupted.
pub fn not_mixed(mixture: &Mixture) -> Fault {
    let (at, drawn) = (mixture.at, mixture.drawn);
    Fault {
        code: FaultCode::CommandInDoubt,
        what: format!("The robot was interrupted while it mixed {at}."),
        cause: format!("{drawn} had been drawn from the well and can't be given back for certain."),
        done: "The well is quarantined and mixed again in a fresh one.".to_owned(),
        next: "Nothing.".to_owned(),
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

/// What the operator of a robot is asked when an experiment doesn't get on. It is kept, and nothing is given back.
pub fn no_progress(last: &Fault, troubles: u32) -> Fault {
    Fault {
        code: FaultCode::TooManyFailures,
        what: format!("The robot has failed {troubles} times in a row, and no well got on between."),
        cause: format!("The last time: {} {}", last.what, last.cause),
        done: "The machine was made safe. The experiment is kept as it is, and waits.".to_owned(),
        next: format!("{} When it is put right, resume the robot: it goes on where it was.", last.next),
    }
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

/// What the operator is asked after the journal was made whole from the robot's own list.
pub fn lost_operations(count: usize) -> Fault {
    Fault {
        code: FaultCode::DeckUnknown,
        what: format!("The lab's database had lost {count} things that the robot did."),
        cause: "Another database server took over, or an earlier state was put back. The robot's own list has them.".to_owned(),
        done: "Nothing is done again. Wells that got a drop which was lost are quarantined and made anew, tips aren't used again, vials count as emptier.".to_owned(),
        next: "See that what hangs on the nozzles, the plate, the tips and the vials are as they are shown; confirm what you change. Then resume the robot.".to_owned(),
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

/// Of a deck on which things were done that the database lost when another server took over.
pub fn lost_journal() -> Fault {
    Fault {
        code: FaultCode::DeckUnknown,
        what: "The robot has done things that the lab's database has lost.".to_owned(),
        cause: "Another database server took over, or an earlier state was put back: the robot was told things that aren't in the journal any more.".to_owned(),
        done: "Nothing moves, and nothing is done again. Plate, tips and vials count as unknown; wells that were being filled are made anew.".to_owned(),
        next: format!("See what hangs on the nozzles, and take it off. {RENEWED}"),
    }
}

/// Of a deck in a database that was put back as it was at `made_at`.
pub fn restored(made_at: DateTime<Utc>) -> Fault {
    Fault {
        code: FaultCode::DeckUnknown,
        what: "The lab's database was put back from a backup, which is older than this deck.".to_owned(),
        cause: format!("It is as the lab was at {} UTC.", made_at.format("%Y-%m-%d %H:%M:%S")),
        done: "Nothing moves. Plate, tips and vials count as unknown, the waste vial as full.".to_owned(),
        next: format!("See what hangs on the nozzles, and empty the waste vial. {RENEWED}"),
    }
}

/// Of a robot that may still do what it was told before this worker took it.
pub fn not_fenced() -> Fault {
    Fault {
        code: FaultCode::CommandInDoubt,
        what: "The robot may still carry out what it was told before.".to_owned(),
        cause: "Its worker has changed, and a robot of this kind can't be told to forget.".to_owned(),
        done: "Nothing is sent to it.".to_owned(),
        next: "Wait until the robot stands still and look what hangs on its nozzles; then resume it.".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Mount;
    use std::time::Duration;

    fn detail() -> String {
        "tcp connect error: Connection refused (os error 111)".to_owned()
    }

    fn errors() -> Vec<RobotError> {
        vec![
            RobotError::Unreachable { detail: detail() },
            RobotError::Interrupted { detail: detail() },
            RobotError::TimedOut { after: Duration::from_millis(130) },
            RobotError::Booting,
            RobotError::HistoryLost { run: "4f1c".to_owned() },
            RobotError::RunStopped { detail: detail() },
            RobotError::NotAlone { detail: "its script tells of what wasn't asked".to_owned() },
            RobotError::Busy { detail: detail() },
            RobotError::DeckMismatch { detail: "no p300 on the right".to_owned() },
            RobotError::Refused { status: 422, id: "X".to_owned(), detail: "field required".to_owned() },
            RobotError::BadAnswer { status: 502, detail: detail() },
            RobotError::Unsafe { step: "home", why: "it is wrong" },
        ]
    }

    #[test]
    fn people_read_sentences_and_no_numbers_of_an_operating_system() {
        let step = Step::BlowOut { mount: Mount::Right };
        let silent = SensorError::Unreachable { detail: detail() };
        let commands = errors().into_iter().flat_map(|error| {
            [
                PerformError::NotSent(error.clone()),
                PerformError::LostControl(error.clone()),
                PerformError::Unknown(error),
            ]
        });
        let faults =
            errors().into_iter().map(|error| of_robot(&error)).chain(commands.map(|error| of_command(&step, &error)));
        for fault in faults.chain([of_reading(&step, &silent)]) {
            for text in [&fault.what, &fault.cause, &fault.done, &fault.next] {
                assert!(!text.contains("os error") && !text.contains(".."), "{text}");
                assert!(text.ends_with('.') || text.contains("wrong"), "a sentence: {text}");
            }
        }
    }

    #[test]
    fn what_to_do_fits_what_is_wrong() {
        let next = |error: &RobotError| of_robot(error).next;
        let mismatch = RobotError::DeckMismatch { detail: "no p300 on the right".to_owned() };
        assert!(next(&mismatch).contains("pipettes") && !next(&mismatch).contains("on the network"));
        assert!(of_robot(&mismatch).cause.contains("no p300 on the right"));
        assert!(next(&RobotError::Booting).starts_with("Wait"));
        assert!(next(&RobotError::Busy { detail: detail() }).contains("by itself"));
        let remedies: std::collections::BTreeSet<_> = errors().iter().map(next).collect();
        assert_eq!(remedies.len(), errors().len() - 2, "only the three ways of no answer share one");
    }

    #[test]
    fn an_operator_isnt_told_that_an_experiment_ended_which_waits() {
        let last = of_robot(&RobotError::Booting);
        let [ended, asked] = [too_many(&last, 6), no_progress(&last, 6)].map(|fault| fault.to_string() + &fault.done);
        assert!(ended.contains("given up") && ended.contains("quota is back"));
        assert!(!asked.contains("given up") && !asked.contains("quota") && asked.contains("6 times"), "{asked}");
    }

    #[test]
    fn a_robot_that_was_taken_stands_still_until_it_is_resumed() {
        let step = Step::BlowOut { mount: Mount::Right };
        let taken = of_command(&step, &PerformError::LostControl(RobotError::RunStopped { detail: detail() }));
        assert_eq!(taken.code, FaultCode::RobotTaken);
        assert!(taken.done.contains("stands still") && !taken.done.contains("made safe"), "{}", taken.done);
        assert!(taken.next.contains("then resume the robot"), "{}", taken.next);
    }
}
