//! The JSON shapes of the contract, made from the store's records.

use auth::Tokens;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{
    Attendance, Control, Deck, ExperimentId, ExperimentStatus, Fault, FaultCode, Inventory, PlateId, Recipe, RobotId,
    RobotKind, RobotMode, Role, UserId, WellId, WellName, WellStatus, doubt::Shared,
};
use serde::Serialize;
use serde_json::Value;
use store::{Driver, ExperimentDetail, ExperimentSummary, Measurement, Page, Robot, User, Well};
use utoipa::ToSchema;
use workflow::{Doubts, Hindered, Progress, Waiting, emergency};

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PageView<T> {
    pub data: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> PageView<T> {
    pub fn of<R, C: ToString>(page: Page<R, C>, view: impl FnMut(R) -> T) -> Self {
        Self {
            data: page.data.into_iter().map(view).collect(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// What a program gets when it signs in.
#[derive(Clone, Serialize, ToSchema)]
pub struct TokensView {
    /// A JWT for the `Authorization: Bearer` header.
    pub access_token: String,
    /// Good for one use at `/auth/refresh`.
    pub refresh_token: String,
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token runs out.
    #[schema(example = 900)]
    pub expires_in: i64,
}

impl std::fmt::Debug for TokensView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokensView").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            refresh_token: tokens.refresh_token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: tokens.expires_in,
        }
    }
}

/// An account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserView {
    #[schema(value_type = Uuid)]
    pub id: UserId,
    #[schema(example = "ada@example.org")]
    pub email: String,
    #[schema(value_type = RoleName)]
    pub role: Role,
    /// Wells that may still be asked for.
    pub quota_remaining: i32,
    pub created_at: DateTime<Utc>,
    /// Whether an administrator has shut the account.
    pub disabled: bool,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            role: user.role,
            quota_remaining: user.quota_remaining,
            created_at: user.created_at,
            disabled: user.disabled_at.is_some(),
        }
    }
}

/// The values of a role, from least to most (for the documentation; [`Role`] is the type).
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::Role to OpenAPI, which domain knows nothing of")]
pub enum RoleName {
    Student,
    Researcher,
    Operator,
    Admin,
}

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

/// The values of a well's status.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::WellStatus to OpenAPI, which domain knows nothing of")]
pub enum WellStatusName {
    Pending,
    Dispensing,
    Mixed,
    Measured,
    Failed,
    Quarantined,
    Cancelled,
}

/// A fault as a person meets it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FaultView {
    #[schema(value_type = String, example = "command-in-doubt")]
    pub code: FaultCode,
    pub what: String,
    pub cause: String,
    /// What Tincture has done already.
    pub done: String,
    /// What to do next.
    pub next: String,
    /// Path of the help page.
    pub help: String,
}

impl From<Fault> for FaultView {
    fn from(Fault { code, what, cause, done, next }: Fault) -> Self {
        Self { code, what, cause, done, next, help: code.help_path() }
    }
}

/// One well of an experiment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WellView {
    #[schema(value_type = Uuid)]
    pub id: WellId,
    /// Where it lies on the plate; null until the experiment starts.
    #[schema(value_type = Option<String>, example = "A1")]
    pub well_id: Option<WellName>,
    /// Place in the request, from 0; a replacement has the place of what it replaces.
    pub position: i32,
    #[schema(value_type = WellStatusName)]
    pub status: WellStatus,
    /// µL by dye.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    pub volumes: Recipe,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ResultSchema>)]
    pub result: Option<Value>,
    /// The quarantined well which this one makes up for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub replaces: Option<WellId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
}

impl WellView {
    pub fn of(well: Well, result: Option<Measurement>) -> Self {
        Self {
            id: well.id,
            well_id: well.well_id,
            position: well.position,
            status: well.status,
            volumes: well.recipe,
            result: result.map(result_value),
            replaces: well.replaces,
            fault: well.fault.map(FaultView::from),
        }
    }
}

/// A measurement as stored, with the time it was taken.
fn result_value(measurement: Measurement) -> Value {
    let mut data = measurement.measurement_data;
    if let Some(fields) = data.as_object_mut() {
        let taken = measurement.created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        fields.entry("measured_at").or_insert_with(|| taken.into());
        // What older versions stored has the quantity under a name that it isn't.
        if let Some(shares) = fields.remove("reflectance") {
            fields.entry("transmittance").or_insert(shares);
        }
    }
    data
}

/// A measurement (for the documentation; what is stored is passed through, with more fields than these).
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct ResultSchema {
    /// What the sensor counted in each band.
    channels: ChannelsSchema,
    /// The share of light that each band lets through, sample over white, 1 is all of it: at 415, 445, 480, 515, 555,
    /// 590, 630 and 680 nm. Called so on the page and in the CSV, too (`transmittance_415` …).
    #[schema(example = json!([0.27, 0.26, 0.22, 0.23, 0.48, 0.5, 0.33, 0.67]))]
    transmittance: [f64; 8],
    /// CIE L*a*b*, D65, 2°.
    lab: LabSchema,
    #[schema(example = "#a0522d")]
    srgb: String,
    /// What the recipe should give through the same sensor; null where a dye is unknown to the library.
    predicted: Option<PredictionSchema>,
    /// ΔE2000 between the measured and the predicted colour.
    delta_e: Option<f64>,
    /// Only where the result isn't to be believed.
    doubt: Option<DoubtSchema>,
    /// Whether a channel reached the sensor's full scale.
    saturated: bool,
    measured_at: DateTime<Utc>,
}

/// A predicted colour: the eight bands, and what the same map makes of them.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct PredictionSchema {
    transmittance: Vec<f64>,
    lab: LabSchema,
    #[schema(example = "#a0522d")]
    srgb: String,
}

/// Why a measured well isn't to be believed.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct DoubtSchema {
    /// ΔE2000 from the prediction…
    delta_e: Option<f64>,
    /// …and how much of it the lab's own errors explain.
    limit: Option<f64>,
    /// `far_from_prediction` or `saturated`
    #[schema(example = "far_from_prediction")]
    why: String,
}

/// The wells of an experiment that aren't to be believed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DoubtsView {
    /// Where they lie.
    #[schema(value_type = Vec<String>, example = json!(["A1", "B1"]))]
    pub wells: Vec<WellName>,
    /// How many wells were measured, doubtful or not.
    pub measured: usize,
    /// What sets them apart from the others, the likeliest cause first. `what` is `used_wells`, `dye`, `tip` or `since`.
    #[schema(value_type = Vec<Object>)]
    pub shared: Vec<Shared>,
    /// The same for a person.
    pub sentence: String,
    /// How many of them `POST …/retry` makes again without charge.
    pub free_retry: usize,
}

impl From<Doubts> for DoubtsView {
    fn from(doubts: Doubts) -> Self {
        Self {
            sentence: format!("{} {}", doubts.headline(), doubts.causes()),
            free_retry: doubts.free_retry.len(),
            wells: doubts.wells,
            measured: doubts.measured,
            shared: doubts.shared,
        }
    }
}

/// What the AS7341 counted in its eight visible bands F1 to F8, clear and near infrared. The names are those of the
/// training lab's sensors, kept for the programs that read them; where a band really lies is said at each.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct ChannelsSchema {
    /// F1, at 415 nm.
    ch410: f64,
    /// F2, at 445 nm.
    ch440: f64,
    /// F3, at 480 nm.
    ch470: f64,
    /// F4, at 515 nm.
    ch510: f64,
    /// F5, at 555 nm.
    ch550: f64,
    /// F6, at 590 nm.
    ch583: f64,
    /// F7, at 630 nm.
    ch620: f64,
    /// F8, at 680 nm.
    ch670: f64,
    clear: f64,
    /// Near infrared, at 910 nm.
    nir: f64,
}

/// A colour in CIE L*a*b*.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct LabSchema {
    l: f64,
    a: f64,
    b: f64,
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
    fn of(progress: Progress, reader: Role) -> Self {
        let Progress { queue_position, seconds_to_start, steps_done, steps_total, seconds_left, now, waiting } =
            progress;
        let waiting = waiting.map(|waiting| WaitingView::of(&waiting, reader));
        Self { queue_position, seconds_to_start, steps_done, steps_total, seconds_left, now, waiting }
    }
}

/// That no robot goes on with an experiment now, and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WaitingView {
    /// `operator` (a robot was paused, stopped, drained, or asks), `robot` (it can't be used, or no worker drives it) or
    /// `deck` (no robot's deck can mix it; it is ended soon).
    #[serde(rename = "for")]
    #[schema(example = "operator")]
    pub whom: &'static str,
    /// Since when; null where that isn't known.
    pub since: Option<DateTime<Utc>>,
    #[schema(example = "Waiting for an operator: bench-1 is paused by olga@example.org.")]
    pub sentence: String,
    /// All robots that it may be mixed on.
    pub robots: Vec<HinderedView>,
}

/// A robot that doesn't go on with an experiment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HinderedView {
    #[schema(example = "bench-1")]
    pub robot: String,
    /// `paused`, `stopped`, `drains`, `asks`, `unusable`, `undriven` or `lacks`.
    #[schema(example = "paused")]
    pub why: &'static str,
    pub since: Option<DateTime<Utc>>,
    /// Names of people are told to those who run the lab.
    #[schema(example = "bench-1 is paused by olga@example.org")]
    pub sentence: String,
}

impl WaitingView {
    pub fn of(waiting: &Waiting, reader: Role) -> Self {
        let robot = |hindered: &Hindered| HinderedView {
            robot: hindered.name.clone(),
            why: hindered.by.as_str(),
            since: hindered.since,
            sentence: hindered.sentence(reader),
        };
        Self {
            whom: waiting.whom.as_str(),
            since: waiting.since,
            sentence: waiting.sentence(reader),
            robots: waiting.robots.iter().map(robot).collect(),
        }
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
        Self {
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
            doubts: doubts.map(DoubtsView::from),
            wells: detail.wells.into_iter().map(|(well, result)| WellView::of(well, result)).collect(),
        }
    }
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
            swatches: summary.swatches,
            waiting,
        }
    }
}

/// A robot: what it does and what it holds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RobotView {
    #[schema(value_type = Uuid)]
    pub id: RobotId,
    pub name: String,
    /// `active`, `offline` (no worker drives it), `waiting` (a worker waits for it: see `notice`), `paused`, `draining`,
    /// `stopped` or `attention` (it waits for an answer).
    #[schema(example = "active")]
    pub status: &'static str,
    /// How it is spoken to: `ot2`.
    #[schema(value_type = String, example = "ot2")]
    pub kind: RobotKind,
    /// `virtual` or `operator`: who renews plates, tips and vials.
    #[schema(value_type = String)]
    pub attendance: Attendance,
    /// What it waits for a person about: a stop, or its question to its operator. Nothing moves until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<FaultView>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_since: Option<DateTime<Utc>>,
    /// What its worker can't do at the moment. Nobody need answer: it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<FaultView>,
    /// What hangs on its nozzle: `nothing`, `tip` or `sensor`.
    #[schema(example = "nothing")]
    pub holds: &'static str,
    pub limits: LimitsView,
    pub inventory: InventoryView,
}

/// What can be mixed on a robot's deck.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LimitsView {
    pub dyes: Vec<String>,
    /// The least that a mounted pipette measures, µL; 0 is always allowed.
    pub least_ul: f64,
    /// The most that a well takes, µL.
    pub well_capacity_ul: f64,
}

/// What a robot has left, as its journal counts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InventoryView {
    #[schema(value_type = Option<Uuid>)]
    pub plate_id: Option<PlateId>,
    pub wells_used: usize,
    pub wells_free: usize,
    pub vials: Vec<VialView>,
    /// What went into the waste vial, µL.
    pub waste_ul: f64,
    /// Tips that were lost or thrown away.
    pub tips_lost: usize,
}

/// A vial.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VialView {
    #[schema(value_type = String, example = "B1")]
    pub vial: WellName,
    pub dye: String,
    pub volume_ul: f64,
    /// The bottle it was filled from, where somebody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    pub filled_at: DateTime<Utc>,
}

impl RobotView {
    /// As `reader` may see it.
    pub fn of(robot: Robot, inventory: Inventory, now: DateTime<Utc>, reader: Role) -> Self {
        let status = match (robot.mode, robot.driver(now)) {
            (RobotMode::Stopped, _) => "stopped",
            _ if robot.attention.is_some() => "attention",
            (RobotMode::Paused, _) => "paused",
            (_, Driver::Nobody) => "offline",
            (_, Driver::Waits(_)) => "waiting",
            (RobotMode::Draining, Driver::Drives(_)) => "draining",
            (RobotMode::Active, Driver::Drives(_)) => "active",
        };
        let holds = match robot.tool {
            domain::Tool::Nothing => "nothing",
            domain::Tool::Tip { .. } => "tip",
            domain::Tool::Sensor { .. } => "sensor",
        };
        let attention = emergency(&robot, reader).or(robot.attention).map(FaultView::from);
        Self {
            id: robot.id,
            name: robot.name,
            status,
            kind: robot.kind,
            attendance: robot.attendance,
            attention_since: if robot.mode == RobotMode::Stopped { robot.mode_at } else { robot.attention_at },
            attention,
            notice: robot.notice.map(FaultView::from),
            holds,
            limits: LimitsView::of(&robot.deck),
            inventory: InventoryView::from(inventory),
        }
    }
}

impl LimitsView {
    fn of(deck: &Deck) -> Self {
        Self {
            dyes: deck.dyes.iter().map(|dye| dye.name.to_string()).collect(),
            least_ul: deck.least_volume().ul(),
            well_capacity_ul: deck.well_capacity.ul(),
        }
    }
}

impl From<Inventory> for InventoryView {
    fn from(inventory: Inventory) -> Self {
        let used = inventory.used_wells.len();
        let vial = |vial: domain::Vial| VialView {
            vial: vial.vial,
            dye: vial.dye.to_string(),
            volume_ul: vial.volume.ul(),
            batch: vial.batch,
            filled_at: vial.filled_at,
        };
        Self {
            plate_id: inventory.plate,
            wells_used: used,
            wells_free: if inventory.plate.is_some() { domain::PLATE_WELLS.saturating_sub(used) } else { 0 },
            vials: inventory.vials.into_iter().map(vial).collect(),
            waste_ul: inventory.waste.ul(),
            tips_lost: inventory.tips.iter().filter(|tip| tip.dye.is_none()).count(),
        }
    }
}
