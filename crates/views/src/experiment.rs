//! An experiment, in full and as a line of a list.

use crate::{DoubtsView, FaultView, HandlingView, PlanView, WaitingView, WellView, result::colour};
use chrono::{DateTime, Utc};
use domain::{Control, ExperimentId, ExperimentStatus, Role, UserId, WellStatus};
use serde::Serialize;
use store::{ExperimentDetail, ExperimentSummary, Well};
use utoipa::ToSchema;
use workflow::{Doubts, Progress, doubt_of, handling_of};

/// The values of an experiment's status.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::ExperimentStatus to OpenAPI, which domain knows nothing of")]
pub enum ExperimentStatusName {
    Queued,
    Running,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

/// How far an experiment is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// 1 is next; null once it runs. A place among all that wait, whatever they wait for.
    pub queue_position: Option<usize>,
    pub seconds_to_start: Option<f64>,
    pub steps_done: u64,
    pub steps_total: u64,
    pub seconds_left: Option<f64>,
    /// What the robot does for it now.
    #[schema(example = "adding 60 µL of red to B3")]
    pub now: Option<String>,
    /// What it waits for, when it isn't only its turn. Then nothing is foretold: `seconds_to_start`, `seconds_left` and
    /// `now` are null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingView>,
}

impl ProgressView {
    /// As `reader` may see it.
    pub fn of(progress: Progress, reader: Role) -> Self {
        let Progress { queue_position, seconds_to_start, steps_done, steps_total, seconds_left, now, waiting } =
            progress;
        let waiting = waiting.map(|waiting| WaitingView::of(&waiting, reader));
        Self { queue_position, seconds_to_start, steps_done, steps_total, seconds_left, now, waiting }
    }
}

/// An experiment with its wells.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExperimentView {
    #[schema(value_type = Uuid)]
    pub id: ExperimentId,
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    pub name: Option<String>,
    #[schema(value_type = ExperimentStatusName)]
    pub status: ExperimentStatus,
    /// A wish (pause, resume, cancel) that the robot's worker hasn't answered yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub requested: Option<Control>,
    /// Higher goes first, −10 to 10; usually 0.
    pub priority: i16,
    /// The experiment whose unmeasured wells this one makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub retry_of: Option<ExperimentId>,
    /// How its liquids are handled, where that isn't as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handling: Option<HandlingView>,
    /// How it will be carried out, while it wasn't begun and a robot can mix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanView>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Why it failed or is paused; while it waits, what its robot needs a person for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    pub progress: ProgressView,
    /// Its doubtful wells, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubts: Option<DoubtsView>,
    pub wells: Vec<WellView>,
}

impl ExperimentView {
    /// As `reader` may see it.
    pub fn of(detail: ExperimentDetail, progress: Progress, doubts: Option<Doubts>, reader: Role) -> Self {
        let experiment = detail.experiment;
        let trouble = progress.trouble(&experiment, reader);
        let handling = HandlingView::of(handling_of(&experiment));
        Self {
            handling,
            plan: None,
            id: experiment.id,
            user_id: experiment.user_id,
            name: experiment.name,
            status: experiment.status,
            requested: experiment.control,
            priority: experiment.priority,
            retry_of: experiment.metadata.get("retry_of").and_then(|id| id.as_str()?.parse().ok()),
            created_at: experiment.created_at,
            started_at: experiment.started_at,
            completed_at: experiment.completed_at,
            fault: trouble.map(FaultView::from),
            progress: ProgressView::of(progress, reader),
            doubts: doubts.as_ref().map(DoubtsView::from),
            wells: detail.wells.into_iter().map(|(well, result)| WellView::of(well, result)).collect(),
        }
    }
}

/// How much of an experiment is done: what its line in the list says, counted from the experiment itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Wells asked for. What replaces a well isn't another one.
    pub wells: u32,
    pub measured: u32,
    /// Of the measured ones, those that aren't to be believed.
    pub doubtful: u32,
}

impl Tally {
    pub fn of(detail: &ExperimentDetail) -> Self {
        let mut tally = Self { wells: 0, measured: 0, doubtful: 0 };
        for (well, result) in &detail.wells {
            tally.wells += u32::from(well.replaces.is_none());
            tally.measured += u32::from(well.status == WellStatus::Measured);
            tally.doubtful += u32::from(result.as_ref().is_some_and(|result| doubt_of(result).is_some()));
        }
        tally
    }
}

/// The wells that its owner has paid for: measured ones whose quota wasn't given back, and free ones that were given up.
pub fn charged(detail: &ExperimentDetail, doubts: Option<&Doubts>) -> usize {
    let is_given_up = |well: &Well| well.status == WellStatus::Cancelled && well.makes_up_for.is_some();
    let is_paid_for = |well: &Well| well.status == WellStatus::Measured || is_given_up(well);
    let paid_for = detail.wells.iter().filter(|(well, _)| is_paid_for(well)).count();
    paid_for.saturating_sub(doubts.map_or(0, |doubts| doubts.given_back))
}

/// A line of the list of experiments.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExperimentLine {
    #[schema(value_type = Uuid)]
    pub id: ExperimentId,
    pub name: Option<String>,
    #[schema(value_type = ExperimentStatusName)]
    pub status: ExperimentStatus,
    /// Of the person who asked.
    pub email: String,
    pub priority: i16,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    /// Wells asked for.
    pub wells: u32,
    pub measured: u32,
    /// Of the measured ones, those that aren't to be believed.
    pub doubtful: u32,
    /// Measured colours in the request's order.
    #[schema(example = json!(["#a0522d"]))]
    pub swatches: Vec<String>,
    /// What it waits for, when it isn't only its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingView>,
}

impl ExperimentLine {
    pub fn of(summary: ExperimentSummary, waiting: Option<WaitingView>) -> Self {
        let experiment = summary.experiment;
        Self {
            id: experiment.id,
            name: experiment.name,
            status: experiment.status,
            email: summary.email,
            priority: experiment.priority,
            created_at: experiment.created_at,
            started_at: experiment.started_at,
            completed_at: experiment.completed_at,
            fault: experiment.fault.map(FaultView::from),
            wells: summary.wells,
            measured: summary.measured,
            doubtful: summary.doubtful,
            swatches: summary.swatches.iter().filter_map(|text| colour(text)).collect(),
            waiting,
        }
    }
}
