//! `GET /robots`

use axum::{Json, extract::State};
use chrono::Utc;
use domain::Role;
use request::{AppState, Caller, Problem};
use serde::Serialize;
use utoipa::ToSchema;
use views::RobotView;

/// The lab's robots.
#[derive(Debug, Serialize, ToSchema)]
pub struct Robots {
    data: Vec<RobotView>,
}

/// List robots
///
/// What each does, what hangs on its nozzle, what it has left and what can be mixed on it. A lab has a handful, so
/// there are no pages.
#[utoipa::path(get, path = "/robots", tag = "lab",
    operation_id = "robots_list", responses((status = 200, body = Robots)))]
pub async fn list(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<Robots>, Problem> {
    Robots::read(&state, identity.role()).await.map(Json)
}

impl Robots {
    /// All of them, as they are now and as `reader` may see them.
    pub async fn read(state: &AppState, reader: Role) -> Result<Self, Problem> {
        let now = Utc::now();
        let mut data = Vec::new();
        for robot in state.store.robots().await? {
            let inventory = state.store.inventory(robot.id).await?;
            data.push(RobotView::of(robot, inventory, now, reader));
        }
        Ok(Self { data })
    }
}
