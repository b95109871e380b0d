//! What a robot does now, in a sentence, and since when.

use crate::{error::PageError, when::When};
use chrono::Utc;
use domain::{ExperimentId, Tool};
use request::AppState;
use store::{Driver, Experiment, Robot};
use views::RobotStatus;

/// How a robot stands.
pub struct Standing {
    /// A [`RobotStatus`]; also the icon and the CSS class.
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
        let status = RobotStatus::of(robot, Utc::now());
        Ok(Self {
            word: status.as_str(),
            now: sentence(robot, status, step.as_ref().map(|(step, _)| step.as_str()), in_hand.is_some()),
            since: step.map(|(_, at)| When::new(at, Utc::now())),
            nozzle: robot.tool.sentence(),
            is_still: robot.stands_still,
            in_hand,
        })
    }
}

fn sentence(robot: &Robot, status: RobotStatus, step: Option<&str>, has_work: bool) -> String {
    match (status, step) {
        (RobotStatus::Stopped, None) => "stopped; nothing moves until it is resumed".to_owned(),
        (RobotStatus::Attention, None) => "waiting for your answer; nothing moves".to_owned(),
        (RobotStatus::Stopped | RobotStatus::Attention, Some(step)) => format!("stopped while {step}"),
        (RobotStatus::Paused, None) if robot.tool != Tool::Nothing && !is_driven(robot) => {
            "paused; no worker drives it, so what it holds isn’t put down yet".to_owned()
        }
        (RobotStatus::Paused, None) => "standing still until it is resumed".to_owned(),
        (RobotStatus::Paused, Some(step)) => format!("{step}; then it puts everything down and stands still"),
        (RobotStatus::Offline, step) => format!("no worker drives it{}", last(step)),
        (RobotStatus::Waiting, step) => format!("a worker waits for it, and tries again by itself{}", last(step)),
        (RobotStatus::Draining, None) if !has_work => "drained; it takes nothing new".to_owned(),
        (RobotStatus::Draining, step) => {
            let step = step.unwrap_or("between two steps");
            format!("{step}; it finishes this experiment and takes nothing new")
        }
        (RobotStatus::Active, Some(step)) => step.to_owned(),
        (RobotStatus::Active, None) if has_work => "between two steps".to_owned(),
        (RobotStatus::Active, None) => "ready; there is nothing to do for it".to_owned(),
    }
}

fn is_driven(robot: &Robot) -> bool {
    matches!(robot.driver(Utc::now()), Driver::Drives(_))
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
