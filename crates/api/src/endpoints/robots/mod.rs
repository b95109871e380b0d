//! `/robots`: what the lab has, and what those who run it do with it.

pub mod check;
pub mod deck;
pub mod list;
pub mod read;
pub mod setup;

use auth::Identity;
use axum::Json;
use domain::RobotId;
use read::RobotDetail;
use request::{AppState, Problem};
use std::net::IpAddr;
use store::Robot;
use workflow::RobotCommand;

/// The robot with this id or this name.
async fn named(state: &AppState, name: &str) -> Result<Robot, Problem> {
    state.lab.robot(name).await?.ok_or_else(|| Problem::not_found("robot"))
}

/// Tells a robot, and answers with how it stands now.
pub(super) async fn command(
    state: &AppState,
    identity: &Identity,
    name: &str,
    command: RobotCommand,
    ip: Option<IpAddr>,
) -> Result<Json<RobotDetail>, Problem> {
    let id = named(state, name).await?.id;
    state.lab.command_robot(&identity.user, id, command, ip).await?;
    detail(state, identity, id).await.map(Json)
}

async fn detail(state: &AppState, identity: &Identity, id: RobotId) -> Result<RobotDetail, Problem> {
    let robot = state.store.robot(id).await?.ok_or_else(|| Problem::not_found("robot"))?;
    RobotDetail::of(state, identity, robot).await
}
