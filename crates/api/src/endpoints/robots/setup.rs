//! Robots as records: `POST /robots`, `PATCH` and `DELETE /robots/{id}`, `GET /robots/{id}/setup`.

use crate::{JsonBody, body::Parameters};
use auth::Identity;
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{Attendance, DeckSetup, Flaw, RobotKind, RobotSetup, SetupChange};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::{ChangedBy, Robot};
use utoipa::{IntoParams, ToSchema};
use workflow::{Losses, SetupError, SetupPlan, setup_of};

/// A robot as it is set up (for the documentation; `domain::RobotSetup` is the type).
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes domain's RobotSetup to OpenAPI, which domain knows nothing of")]
pub struct RobotSetupSchema {
    #[schema(min_length = 1, max_length = 60, example = "bench-1")]
    name: String,
    /// How it is spoken to; `ot2` unless given.
    #[schema(required = false, example = "ot2")]
    kind: String,
    /// `operator` (a person answers its questions; usual) or `virtual` (it is a `tincture emulator`).
    #[schema(required = false, example = "operator")]
    attendance: String,
    /// Of its HTTP API.
    #[schema(example = "http://127.0.0.1:31950")]
    url: String,
    /// Of the colour sensor, without a password.
    #[schema(example = "tcp://127.0.0.1:31951")]
    sensor: String,
    /// Stays as it is, or is the usual one of a new robot, unless given.
    #[schema(required = false)]
    deck: Option<DeckSetupSchema>,
}

/// A deck slot by slot. What isn't said of its numbers is as the usual deck has it.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes domain's DeckSetup to OpenAPI")]
pub struct DeckSetupSchema {
    /// The most a well is filled to, µL.
    well_capacity_ul: Option<f64>,
    /// The most the waste vial may hold, µL.
    waste_capacity_ul: Option<f64>,
    /// What a vial must keep, µL.
    vial_reserve_ul: Option<f64>,
    /// Where dye is given, above a well's bottom.
    dispense_height_mm: Option<f64>,
    /// Further off its prediction than this a measured well is doubtful, ΔE2000.
    doubt_delta_e: Option<f64>,
    /// `none`, `sample` or `all`.
    blank_check: Option<String>,
    /// `left` or `right`.
    sensor_mount: Option<String>,
    /// What hangs on the mounts: `mount` and `model`.
    #[schema(value_type = Vec<Object>)]
    pipettes: Vec<serde_json::Value>,
    /// `slot` (1–11), `role` (`plate`, `vials`, `tips`, `sensor_dock`), `labware`; of tips `mount`, of vials `waste` and
    /// `dyes`, of the dock `place`; `offset` where it stands off.
    #[schema(value_type = Vec<Object>)]
    slots: Vec<serde_json::Value>,
    /// The lab's own labware definitions (schema 2).
    #[schema(value_type = Option<Vec<Object>>)]
    definitions: Option<Vec<serde_json::Value>>,
}

/// What of a robot is to be otherwise; what isn't given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RobotChangeBody {
    #[schema(min_length = 1, max_length = 60)]
    #[serde(default)]
    name: Option<String>,
    #[schema(value_type = Option<String>, example = "ot2")]
    #[serde(default)]
    kind: Option<RobotKind>,
    #[schema(value_type = Option<String>, example = "operator")]
    #[serde(default)]
    attendance: Option<Attendance>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    sensor: Option<String>,
    /// The whole deck.
    #[schema(value_type = Option<DeckSetupSchema>)]
    #[serde(default)]
    deck: Option<DeckSetup>,
}

/// How a change is taken.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct How {
    /// Say only what would change.
    #[serde(default)]
    dry_run: bool,
    /// Another plate, rack or dye may take the place of one that is counted, and experiments may be left that no robot can mix.
    #[serde(default)]
    replace: bool,
}

/// What a setup changed, or would change.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetupOutcome {
    /// Null of a new robot that wasn't added.
    #[schema(value_type = Option<Uuid>)]
    id: Option<domain::RobotId>,
    name: String,
    /// Whether it was done; false after a dry run, and where nothing was to do.
    done: bool,
    changes: Vec<SetupChangeView>,
    /// Waiting experiments that no robot can mix any more.
    stranded: usize,
    /// What is worth knowing and hinders nothing.
    notes: Vec<String>,
}

/// One thing that is made otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetupChangeView {
    #[schema(example = "slot 9")]
    at: String,
    before: Option<String>,
    after: Option<String>,
    /// What was counted of it is forgotten.
    forgets: bool,
}

impl From<SetupChange> for SetupChangeView {
    fn from(change: SetupChange) -> Self {
        let SetupChange { at, before, after, forgets } = change;
        Self { at, before, after, forgets }
    }
}

/// Add a robot
///
/// With full vials, new tips and a new plate. The machine at its address is asked who it is; one that is off is believed.
#[utoipa::path(post, path = "/robots", tag = "lab", operation_id = "robots_create", request_body = RobotSetupSchema, responses(
    (status = 201, body = SetupOutcome),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "Name, address or machine is another robot's", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "It can't be set up so: `errors` has every reason", content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(setup): JsonBody<RobotSetup>,
) -> Result<(StatusCode, Json<SetupOutcome>), Problem> {
    let plan = state.lab.plan_setup(None, &setup).await.map_err(problem)?;
    let robot = state.lab.set_up(&plan, Losses::Refused, by(&identity, ip)).await.map_err(problem)?;
    Ok((StatusCode::CREATED, Json(SetupOutcome::of(plan, Some(&robot)))))
}

/// Read a robot's setup
///
/// All that people set up of it, as `POST` and `PATCH` take it and as `tincture robot export` writes it.
#[utoipa::path(get, path = "/robots/{id}/setup", tag = "lab", operation_id = "robots_setup",
    params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotSetupSchema),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn setup(
    State(state): State<AppState>,
    Caller(_identity): Caller,
    Path(id): Path<String>,
) -> Result<Json<RobotSetup>, Problem> {
    Ok(Json(setup_of(&super::named(&state, &id).await?)))
}

/// Change a robot
///
/// Its name, its addresses, its deck: all that is given in one go, or nothing. History, experiments and worker stay with it.
/// A deck is changed while nothing hangs on the nozzle and no experiment has begun on it.
#[utoipa::path(patch, path = "/robots/{id}", tag = "lab", operation_id = "robots_update", request_body = RobotChangeBody,
    params(("id" = String, Path, description = "Id or name"), How), responses(
    (status = 200, body = SetupOutcome),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "It is at work, something would be lost, or name, address or machine is another robot's", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "It can't be set up so: `errors` has every reason", content_type = "application/problem+json"),
))]
pub async fn update(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    Parameters(how): Parameters<How>,
    JsonBody(change): JsonBody<RobotChangeBody>,
) -> Result<Json<SetupOutcome>, Problem> {
    let robot = super::named(&state, &id).await?;
    let setup = change.over(&robot);
    let plan = state.lab.plan_setup(Some(robot), &setup).await.map_err(problem)?;
    if how.dry_run || !plan.changes_something() {
        return Ok(Json(SetupOutcome::of(plan, None)));
    }
    let losses = if how.replace { Losses::Allowed } else { Losses::Refused };
    let robot = state.lab.set_up(&plan, losses, by(&identity, ip)).await.map_err(problem)?;
    Ok(Json(SetupOutcome::of(plan, Some(&robot))))
}

/// Remove a robot
///
/// What it did stays: experiments, results, the journal. Its name is free again.
#[utoipa::path(delete, path = "/robots/{id}", tag = "lab", operation_id = "robots_remove",
    params(("id" = String, Path, description = "Id or name")), responses(
    (status = 204, description = "It is no more"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "Experiments hold it or wait for it, or it is at work", content_type = "application/problem+json"),
))]
pub async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let robot = super::named(&state, &id).await?;
    state.lab.remove_robot(&robot, &identity.user.email, by(&identity, ip)).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

impl RobotChangeBody {
    fn over(self, robot: &Robot) -> RobotSetup {
        let before = setup_of(robot);
        RobotSetup {
            name: self.name.unwrap_or(before.name),
            kind: self.kind.unwrap_or(before.kind),
            attendance: self.attendance.unwrap_or(before.attendance),
            url: self.url.unwrap_or(before.url),
            sensor: self.sensor.unwrap_or(before.sensor),
            deck: self.deck,
        }
    }
}

impl SetupOutcome {
    fn of(plan: SetupPlan, done: Option<&Robot>) -> Self {
        Self {
            id: done.or(plan.robot.as_ref()).map(|robot| robot.id),
            name: plan.wanted.name,
            done: done.is_some(),
            changes: plan.changes.into_iter().map(SetupChangeView::from).collect(),
            stranded: plan.stranded,
            notes: plan.notes,
        }
    }
}

fn by(identity: &Identity, ip: Option<IpAddr>) -> ChangedBy {
    ChangedBy { user: Some(identity.user.id), ip }
}

fn problem(error: SetupError) -> Problem {
    use domain::FaultCode::{IllegalTransition, InvalidRequest};
    match error {
        SetupError::Flaws(flaws) => {
            let detail = match flaws.as_slice() {
                [only] => only.to_string(),
                all => format!("{} things need a change: `errors` has each of them", all.len()),
            };
            let problem = Problem::new(InvalidRequest, detail);
            flaws.into_iter().fold(problem, |problem, Flaw { at, why }| problem.with_error(&at, why))
        }
        SetupError::Store(error) => error.into(),
        SetupError::Forgets(_) | SetupError::Needed(_) => Problem::new(
            IllegalTransition,
            format!("{error}; nothing was changed (`replace=true` allows it in a change)"),
        ),
    }
}
