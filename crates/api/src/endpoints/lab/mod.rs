//! `/lab`: all robots at once.

pub mod drain;
pub mod pause;
pub mod resume;
pub mod stop;

use crate::{AppState, Problem, endpoints::robots::list::Robots};
use auth::Identity;
use axum::Json;
use std::net::IpAddr;
use workflow::RobotCommand;

/// Tells every robot, and answers with how they stand now.
async fn command(
    state: &AppState,
    identity: &Identity,
    command: RobotCommand,
    ip: Option<IpAddr>,
) -> Result<Json<Robots>, Problem> {
    state.lab.command_lab(&identity.user, command, ip).await?;
    Robots::read(state).await.map(Json)
}
