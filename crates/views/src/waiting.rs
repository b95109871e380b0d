//! What an experiment waits for when it isn't only its turn.

use chrono::{DateTime, Utc};
use domain::{RobotId, Role};
use serde::Serialize;
use utoipa::ToSchema;
use workflow::{Hindered, Hindrance, Waiting};

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
    /// Like "waiting for an operator".
    #[serde(skip)]
    pub headline: &'static str,
    /// What its reader does about it.
    #[serde(skip)]
    pub advice: &'static str,
    /// All robots that it may be mixed on.
    pub robots: Vec<HinderedView>,
}

/// A robot that doesn't go on with an experiment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HinderedView {
    #[serde(skip)]
    pub id: RobotId,
    #[schema(example = "bench-1")]
    pub robot: String,
    /// `paused`, `stopped`, `drains`, `asks`, `unusable`, `undriven` or `lacks`.
    #[schema(example = "paused")]
    pub why: &'static str,
    /// The same with what there is to add.
    #[serde(skip)]
    pub by: Hindrance,
    pub since: Option<DateTime<Utc>>,
    /// Names of people are told to those who run the lab.
    #[schema(example = "bench-1 is paused by olga@example.org")]
    pub sentence: String,
}

impl WaitingView {
    pub fn of(waiting: &Waiting, reader: Role) -> Self {
        let robot = |hindered: &Hindered| HinderedView {
            id: hindered.id,
            robot: hindered.name.clone(),
            why: hindered.by.as_str(),
            by: hindered.by.clone(),
            since: hindered.since,
            sentence: hindered.sentence(reader),
        };
        Self {
            whom: waiting.whom.as_str(),
            since: waiting.since,
            sentence: waiting.sentence(reader),
            headline: waiting.headline(),
            advice: waiting.advice(reader),
            robots: waiting.robots.iter().map(robot).collect(),
        }
    }
}
