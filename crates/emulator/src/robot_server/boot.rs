//! Booting: for a while after the start some routes answer 503, each until what it needs is there.

use super::error::ApiError;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The share of the boot after which stored runs can be read; the hardware takes all of it.
const PERSISTENCE_SHARE: f64 = 0.6;

/// When the robot was switched on and how long it takes.
#[derive(Debug)]
pub struct Boot {
    began: Instant,
    lasts: Duration,
}

/// What a route waits for.
enum Need {
    Nothing,
    Persistence,
    Hardware,
}

impl Boot {
    pub fn starting(lasts: Duration) -> Self {
        Self { began: Instant::now(), lasts }
    }

    fn provides(&self, need: &Need) -> bool {
        let gone = self.began.elapsed();
        match need {
            Need::Nothing => true,
            Need::Persistence => gone >= self.lasts.mul_f64(PERSISTENCE_SHARE),
            Need::Hardware => gone >= self.lasts,
        }
    }
}

/// Answers 503 while a route's needs aren't met.
pub async fn gate(State(robot): State<Arc<super::Robot>>, request: Request, next: Next) -> Response {
    let need = need(request.uri().path(), request.method() == axum::http::Method::GET);
    if robot.boot.provides(&need) {
        return next.run(request).await;
    }
    let (id, title, detail) = match need {
        Need::Persistence => (
            "PersistenceNotYetInitialized",
            "Persistence Not Yet Initialized",
            "The device's persistence layer has not finished initializing.",
        ),
        Need::Nothing | Need::Hardware => (
            "HardwareNotYetInitialized",
            "Hardware Not Yet Initialized",
            "The device's hardware has not finished initializing.",
        ),
    };
    ApiError::modern(StatusCode::SERVICE_UNAVAILABLE, id, title, detail).into_response()
}

fn need(path: &str, reads: bool) -> Need {
    match path.split('/').nth(1).unwrap_or_default() {
        "emulator" | "system" | "clientData" | "logs" | "networking" => Need::Nothing,
        "runs" | "protocols" | "dataFiles" | "deck_configuration" if reads => Need::Persistence,
        _ => Need::Hardware,
    }
}
