//! What only a Flex has: its subsystems and its emergency stop.

use crate::robot_server::error::ApiError;
use axum::http::StatusCode;

pub async fn refuse() -> ApiError {
    let detail = "This route is only available on a Flex.";
    ApiError::modern(StatusCode::FORBIDDEN, "NotSupportedOnOT2", "Not Supported On OT-2", detail)
}
