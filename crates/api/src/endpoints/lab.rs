//! `/lab`: all robots at once.

use crate::endpoints::robots::list::Robots;
use auth::Identity;
use axum::Json;
use domain::FaultCode;
use request::{AppState, Problem};
use std::net::IpAddr;
use workflow::{CommandLabError, NotTold, RobotCommand};

/// Tells every robot, and answers with how they stand now.
pub(super) async fn command(
    state: &AppState,
    identity: &Identity,
    command: RobotCommand,
    ip: Option<IpAddr>,
) -> Result<Json<Robots>, Problem> {
    match state.lab.command_lab(&identity.user, command, ip).await {
        Ok(()) => {}
        Err(CommandLabError::Store(error)) => return Err(error.into()),
        Err(CommandLabError::NotTold(not_told)) => return Err(problem(&not_told)),
    }
    Robots::read(state, identity.role()).await.map(Json)
}

/// Every other robot was told; what to do about these is urgent, so their names come first.
fn problem(not_told: &NotTold) -> Problem {
    let names = not_told.names();
    Problem::new(
        FaultCode::Unavailable,
        format!(
            "{names} could not be told; every other robot was. Use the robot's own button, then try again: {not_told}"
        ),
    )
}
