//! `GET /robots/{id}`

use auth::Identity;
use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use domain::{ExperimentId, MountsSeen, PipetteSeen, RobotMode};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use store::Robot;
use utoipa::ToSchema;
use views::RobotView;
use workflow::Supply;

/// A robot with all that its operator looks at.
#[derive(Debug, Serialize, ToSchema)]
pub struct RobotDetail {
    #[serde(flatten)]
    robot: RobotView,
    /// What people told it: `active`, `paused`, `draining` or `stopped`. Whether a worker drives it, and whether it asks
    /// something, is in `status`.
    #[schema(value_type = String, example = "active")]
    mode: RobotMode,
    /// Who told it so, and since when; null before anybody did.
    mode_by: Option<String>,
    mode_since: Option<DateTime<Utc>>,
    /// No step is in flight, none can begin, and nothing hangs on its nozzle that it will still put down. Stays so until
    /// somebody resumes it. With nothing on its nozzle, hands may go to the deck.
    stands_still: bool,
    /// What hangs on its nozzle, in words.
    #[schema(example = "the red tip of B1 with 60 µL in it")]
    nozzle: String,
    /// What its mounts carried when it was last asked; null before that, and unless the caller runs the lab.
    mounts: Option<MountsView>,
    /// The experiment in hand; null also when it is somebody else's and the caller neither runs the lab
    /// nor teaches them.
    #[schema(value_type = Option<Uuid>)]
    experiment_id: Option<ExperimentId>,
    /// What is on its deck and when it runs out, for the queue as it stands.
    supplies: Vec<SupplyView>,
}

/// What a robot said that its mounts carry.
#[derive(Debug, Serialize, ToSchema)]
pub struct MountsView {
    seen_at: DateTime<Utc>,
    /// Null where nothing hangs there.
    left: Option<PipetteView>,
    right: Option<PipetteView>,
}

/// A pipette as the robot knows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PipetteView {
    #[schema(example = "p300_single_gen2")]
    name: String,
    #[schema(example = "p300_single_v2.1")]
    model: String,
    #[schema(example = "P3HSV2120230101")]
    serial: String,
}

impl From<PipetteSeen> for PipetteView {
    fn from(seen: PipetteSeen) -> Self {
        let PipetteSeen { name, model, serial } = seen;
        Self { name, model, serial }
    }
}

impl From<MountsSeen> for MountsView {
    fn from(mounts: MountsSeen) -> Self {
        let MountsSeen { at: seen_at, left, right } = mounts;
        Self { seen_at, left: left.map(PipetteView::from), right: right.map(PipetteView::from) }
    }
}

/// One consumable and how long it lasts.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupplyView {
    #[schema(example = "red (B1)")]
    name: String,
    /// `µL`, `wells` or `tips`.
    #[schema(example = "µL")]
    unit: &'static str,
    /// What can still be used: of a vial, what is above its reserve and didn't dry out.
    left: f64,
    /// What it holds when new.
    full: f64,
    /// What the queue will use of it.
    needed: f64,
    /// Null when it lasts for the whole queue.
    runs_out: Option<RunsOutView>,
}

/// The first waiting experiment that doesn't fit any more.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunsOutView {
    /// 1 is next.
    queue_position: usize,
    in_seconds: f64,
    /// Null unless the caller runs the lab.
    #[schema(value_type = Option<Uuid>)]
    experiment_id: Option<ExperimentId>,
}

/// Read a robot
///
/// What it does, what it waits for, what hangs on its nozzle, and what is left on its deck.
#[utoipa::path(get, path = "/robots/{id}", tag = "lab",
    operation_id = "robots_read", params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotDetail),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn read(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Result<Json<RobotDetail>, Problem> {
    let robot = super::named(&state, &id).await?;
    RobotDetail::of(&state, &identity, robot).await.map(Json)
}

impl RobotDetail {
    pub(super) async fn of(state: &AppState, identity: &Identity, robot: Robot) -> Result<Self, Problem> {
        let in_hand = state.store.in_hand_at(robot.id).await?;
        let owner: Vec<_> = in_hand.iter().map(|experiment| experiment.user_id).collect();
        let seen = state.lab.seen_among(&identity.user, &owner).await?;
        let in_hand = in_hand.filter(|experiment| seen.contains(&experiment.user_id));
        let all = identity.role().runs_the_lab();
        let supplies =
            state.lab.supplies(&robot).await?.into_iter().map(|supply| SupplyView::of(supply, all)).collect();
        let inventory = state.store.inventory(robot.id).await?;
        Ok(Self {
            mode: robot.mode,
            mode_by: robot.mode_by.clone().filter(|_| all),
            mode_since: robot.mode_at,
            stands_still: robot.stands_still,
            nozzle: robot.tool.sentence(),
            mounts: robot.mounts.clone().filter(|_| all).map(MountsView::from),
            experiment_id: in_hand.map(|experiment| experiment.id),
            supplies,
            robot: RobotView::of(robot, inventory, Utc::now(), identity.role()),
        })
    }
}

impl SupplyView {
    fn of(supply: Supply, shows_experiments: bool) -> Self {
        let Supply { name, unit, left, full, needed, runs_out } = supply;
        let runs_out = runs_out.map(|out| RunsOutView {
            queue_position: out.queue_position,
            in_seconds: out.in_seconds,
            experiment_id: shows_experiments.then_some(out.experiment_id),
        });
        Self { name, unit, left, full, needed, runs_out }
    }
}
