//! What people may do now. Whether an act is granted is the domain's rule, which the store asks too; here it is told for
//! whoever draws buttons: only what would change something.

use domain::{Control, ExperimentStatus, Granted, RobotCommand};
use store::{Experiment, ExperimentDetail, Robot};
use workflow::{Doubts, Lab};

/// What may be wished of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controls {
    pub pause: bool,
    pub resume: bool,
    pub cancel: bool,
    pub retry: Option<Retry>,
}

/// The wells that a retry would make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub wells: usize,
    /// How many of them cost nothing.
    pub free: usize,
}

impl Controls {
    pub fn of(detail: &ExperimentDetail, doubts: Option<&Doubts>) -> Self {
        let Experiment { status, control: asked, .. } = detail.experiment;
        let offers = |control| offers(control, status, asked);
        let (wells, free) = Lab::retriable(detail, doubts);
        Self {
            pause: offers(Control::Pause),
            resume: offers(Control::Resume),
            cancel: offers(Control::Cancel),
            retry: (wells > 0).then_some(Retry { wells, free }),
        }
    }
}

/// A wish that is pending is said, and neither asked for again nor taken back.
fn offers(control: Control, status: ExperimentStatus, asked: Option<Control>) -> bool {
    match control.granted(status, asked) {
        Some(Granted::Becomes(_)) => true,
        Some(Granted::Asked) => asked != Some(control),
        Some(Granted::TakenBack) | None => false,
    }
}

/// What a robot may be told, or any of the lab's. A stop it may always be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    pub pause: bool,
    pub resume: bool,
    pub drain: bool,
}

impl Commands {
    pub fn of(robot: &Robot) -> Self {
        let asks = robot.attention.is_some();
        let offers = |command: RobotCommand| {
            let told = command.told(robot.mode, asks);
            told.is_some_and(|told| told != robot.mode || (asks && command.answers()))
        };
        Self {
            pause: offers(RobotCommand::Pause),
            resume: offers(RobotCommand::Resume),
            drain: offers(RobotCommand::Drain),
        }
    }

    /// What would change something at one of these at least.
    pub fn of_any(robots: &[Robot]) -> Self {
        robots.iter().map(Self::of).fold(Self::default(), |any, one| Self {
            pause: any.pause || one.pause,
            resume: any.resume || one.resume,
            drain: any.drain || one.drain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExperimentStatus::{Cancelled, Completed, Failed, Paused, Queued, Running};

    #[test]
    fn what_is_pending_is_offered_neither_again_nor_back() {
        // A wish is only pending where a worker has the experiment in hand.
        let offered = [
            (Queued, None, [true, false, true]),
            (Running, None, [true, false, true]),
            (Running, Some(Control::Pause), [false, false, true]),
            (Running, Some(Control::Cancel), [false, false, false]),
            (Paused, None, [false, true, true]),
            (Completed, None, [false; 3]),
            (Failed, None, [false; 3]),
            (Cancelled, None, [false; 3]),
        ];
        for (status, asked, expected) in offered {
            let all = [Control::Pause, Control::Resume, Control::Cancel];
            assert_eq!(all.map(|control| offers(control, status, asked)), expected, "{status}, {asked:?} is pending");
        }
    }
}
