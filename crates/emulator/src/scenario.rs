//! What befalls a virtual lab, told beforehand: requests to `/emulator`, each made once the robot has done so much.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

use crate::world::{self, SharedWorld};

const MOST_STEPS: usize = 1_000;
/// How often the robot's progress is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// No answer of `/emulator` to a request that changes something is longer.
const MOST_ANSWER: usize = 1024 * 1024;

/// `{"steps": [{"after": 120, "post": "/emulator/sensor", "body": {"light": 0}}]}`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// So many physical things the robot does first: moves, aspirations, pick-ups, as `actions` of `GET /emulator/state` counts
    /// them. 0 is before it listens.
    #[serde(default)]
    after: u64,
    /// A path of the emulator's own.
    post: String,
    #[serde(default)]
    body: Value,
}

impl Scenario {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// What is wrong with it, in words for who wrote it.
    pub fn read(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if scenario.steps.len() > MOST_STEPS {
            return Err(format!("it has {} steps; {MOST_STEPS} are the most", scenario.steps.len()));
        }
        if let Some(step) = scenario.steps.iter().find(|step| !step.post.starts_with("/emulator/")) {
            return Err(format!("'{}' is no path under /emulator/", step.post));
        }
        if scenario.steps.windows(2).any(|two| two[0].after > two[1].after) {
            return Err("its steps must stand in the order of their 'after'".to_owned());
        }
        Ok(scenario)
    }

    /// Takes the steps that come before anything.
    ///
    /// # Errors
    /// What the emulator said to the first that it refused.
    pub(crate) async fn begin(&mut self, robot: &Router) -> Result<(), String> {
        let first = self.steps.iter().take_while(|step| step.after == 0).count();
        for step in self.steps.drain(..first) {
            step.take(robot).await?;
        }
        Ok(())
    }

    /// Takes the others in their time. One that is refused is told in the log.
    pub(crate) async fn go_on(self, robot: Router, world: SharedWorld) {
        for step in self.steps {
            while world::lock(&world).actions() < step.after {
                tokio::time::sleep(LOOK).await;
            }
            if let Err(refusal) = step.take(&robot).await {
                tracing::error!(%refusal, "a step of the scenario was refused");
            }
        }
    }
}

impl Step {
    async fn take(&self, robot: &Router) -> Result<(), String> {
        let refused = |why: &dyn std::fmt::Display| format!("{} after {} actions: {why}", self.post, self.after);
        let body = if self.body.is_null() { "{}".to_owned() } else { self.body.to_string() };
        let request = Request::post(&self.post).header(header::CONTENT_TYPE, "application/json").body(Body::from(body));
        let request = request.map_err(|error| refused(&error))?;
        let answer = match robot.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        if answer.status().is_success() {
            return Ok(());
        }
        let status = answer.status();
        let said = to_bytes(answer.into_body(), MOST_ANSWER).await.unwrap_or_default();
        Err(refused(&format!("{status} {}", String::from_utf8_lossy(&said))))
    }
}
