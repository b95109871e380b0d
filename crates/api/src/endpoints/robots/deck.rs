//! `POST /robots/{id}/deck`

use super::read::RobotDetail;
use crate::JsonBody;
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::FaultCode;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use workflow::{AttendError, DeckAct};

/// What was done at the deck (for the documentation; [`DeckAct`] is the type).
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "act", rename_all = "snake_case")]
#[schema(example = json!({"act": "refill", "vial": "B1", "volume": 14000, "batch": "R-2024-07"}))]
#[allow(dead_code, reason = "describes workflow's act to OpenAPI, which workflow knows nothing of")]
pub enum DeckActSchema {
    /// A clean plate lies on the deck. No experiment may have wells on the old one.
    NewPlate,
    /// A full rack lies in the slot.
    NewTips {
        #[schema(minimum = 1, maximum = 12, example = 9)]
        slot: u8,
    },
    /// A vial was filled again.
    Refill {
        #[schema(pattern = "^[A-H]([1-9]|1[0-2])$", example = "B1")]
        vial: String,
        /// µL in it now, at most what it holds; full unless given.
        #[schema(minimum = 0)]
        volume: Option<f64>,
        /// The bottle it was filled from; at most 80 characters.
        #[schema(max_length = 80)]
        batch: Option<String>,
    },
    EmptyWaste,
    SensorCleaned,
    SensorCharged,
    /// Whatever hung on the nozzle was taken off by hand.
    NozzleCleared,
    /// Somebody looked what hangs on the nozzle. It answers the question about a step in doubt.
    NozzleHolds {
        #[schema(example = "empty_tip")]
        holds: NozzleContentName,
    },
}

/// What somebody sees on a nozzle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes workflow's NozzleContent to OpenAPI, which workflow knows nothing of")]
pub enum NozzleContentName {
    Nothing,
    EmptyTip,
    TipWithLiquid,
    Sensor,
}

/// Confirm what was done at a deck
///
/// The robot must stand still with empty hands: pause it and wait for `stands_still`. At a virtual robot it is also done.
/// An act that the robot's question asks for (a refill, a new plate, full tips, an emptied waste, what hangs on the nozzle)
/// answers it: the robot goes on. Who confirmed what, and when, is recorded.
#[utoipa::path(post, path = "/robots/{id}/deck", tag = "lab",
    operation_id = "robots_deck", request_body = DeckActSchema, params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotDetail),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The robot is at work, or the plate in use", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "There is no such thing on this deck, or it can't hold so much", content_type = "application/problem+json"),
    (status = 502, body = ProblemDocument, description = "The virtual robot didn't do it", content_type = "application/problem+json"),
))]
pub async fn deck(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(act): JsonBody<DeckAct>,
) -> Result<Json<RobotDetail>, Problem> {
    let robot = super::named(&state, &id).await?.id;
    state.lab.act_on_deck(&identity.user, robot, act, ip).await.map_err(problem)?;
    super::detail(&state, &identity, robot).await.map(Json)
}

fn problem(error: AttendError) -> Problem {
    let unchanged = format!("{error}; nothing was changed");
    match error {
        AttendError::Store(StoreError::AtWork | StoreError::PlateInUse) | AttendError::Unexpected { .. } => {
            Problem::new(FaultCode::IllegalTransition, unchanged)
        }
        AttendError::NotOnDeck(_) => {
            Problem::new(FaultCode::InvalidRequest, format!("{unchanged}; reading the robot shows what is on its deck"))
        }
        AttendError::Invalid { what, why } => {
            Problem::new(FaultCode::InvalidRequest, unchanged).with_error(format!("/{what}"), why)
        }
        AttendError::Robot(error) => {
            Problem::new(error.code(), format!("{unchanged}; see that the robot runs, then confirm again"))
                .with_status(StatusCode::BAD_GATEWAY)
        }
        AttendError::Address(_) => {
            Problem::new(FaultCode::RobotUnreachable, unchanged).with_status(StatusCode::BAD_GATEWAY)
        }
        AttendError::Store(error) => error.into(),
    }
}
