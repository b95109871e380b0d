//! What a robot does now, in a sentence, and since when.

use crate::{error::PageError, when::When};
use chrono::Utc;
use domain::{ExperimentId, RobotMode, Tool};
use request::AppState;
use store::{Driver, Experiment, Robot};

/// How a robot stands.
pub struct Standing {
    /// A mode's name, `offline` or `waiting`; also the icon and the CSS class.
    pub word: &'static str,
    pub now: String,
    pub since: Option<When>,
    pub nozzle: String,
    /// No step is in flight and none can begin.
    pub is_still: bool,
    pub in_hand: Option<InHand>,
}

/// The experiment in hand.
pub struct InHand {
    pub id: ExperimentId,
    pub name: String,
    pub owner: String,
    pub since: Option<When>,
}

impl Standing {
    pub async fn of(state: &AppState, robot: &Robot) -> Result<Self, PageError> {
        let open = state.store.open_operations(robot.id).await?;
        let step = open.first().map(|open| (open.operation.step.sentence(), open.intended_at));
        let in_hand = match state.store.in_hand_at(robot.id).await? {
            Some(experiment) => Some(in_hand(state, experiment).await?),
            None => None,
        };
        let driver = robot.driver(Utc::now());
        let (word, now) = sentence(robot, step.as_ref().map(|(step, _)| step.as_str()), in_hand.is_some(), driver);
        Ok(Self {
            word,
            now,
            since: step.map(|(_, at)| When::new(at, Utc::now())),
            nozzle: robot.tool.sentence(),
            is_still: robot.stands_still,
            in_hand,
        })
    }
}

fn sentence(robot: &Robot, step: Option<&str>, has_work: bool, driver: Driver<'_>) -> (&'static str, String) {
    match (robot.mode, step) {
        (RobotMode::Stopped, None) => ("stopped", "stopped; nothing moves until it is resumed".to_owned()),
        (RobotMode::Stopped, Some(step)) => ("stopped", format!("stopped while {step}")),
        (_, None) if robot.attention.is_some() => ("attention", "waiting for your answer; nothing moves".to_owned()),
        (_, Some(step)) if robot.attention.is_some() => ("attention", format!("stopped while {step}")),
        (RobotMode::Paused, None) if robot.tool != Tool::Nothing && !matches!(driver, Driver::Drives(_)) => {
            ("paused", "paused; no worker drives it, so what it holds isn’t put down yet".to_owned())
        }
        (RobotMode::Paused, None) => ("paused", "standing still until it is resumed".to_owned()),
        (RobotMode::Paused, Some(step)) => ("paused", format!("{step}; then it puts everything down and stands still")),
        (_, step) if driver == Driver::Nobody => ("offline", format!("no worker drives it{}", last(step))),
        (_, step) if matches!(driver, Driver::Waits(_)) => {
            ("waiting", format!("a worker waits for it, and tries again by itself{}", last(step)))
        }
        (RobotMode::Draining, None) if !has_work => ("draining", "drained; it takes nothing new".to_owned()),
        (RobotMode::Draining, step) => {
            let step = step.unwrap_or("between two steps");
            ("draining", format!("{step}; it finishes this experiment and takes nothing new"))
        }
        (RobotMode::Active, Some(step)) => ("active", step.to_owned()),
        (RobotMode::Active, None) if has_work => ("active", "between two steps".to_owned()),
        (RobotMode::Active, None) => ("active", "ready; there is nothing to do for it".to_owned()),
    }
}

fn last(step: Option<&str>) -> String {
    step.map_or_else(String::new, |step| format!("; the last step was {step}"))
}

async fn in_hand(state: &AppState, experiment: Experiment) -> Result<InHand, PageError> {
    let owner = state.store.user(experiment.user_id).await?.map(|user| user.email).unwrap_or_default();
    Ok(InHand {
        id: experiment.id,
        name: experiment.name.unwrap_or_else(|| "An experiment".to_owned()),
        owner,
        since: experiment.started_at.map(|at| When::new(at, Utc::now())),
    })
}
