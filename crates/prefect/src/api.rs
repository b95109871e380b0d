//! The calls of Prefect's API that are used, typed; tried on 3.8.8.

use crate::client::{PrefectError, Wire};
use chrono::{DateTime, Utc};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// Of one answer; Prefect gives no more.
pub(crate) const MOST_RUNS: usize = 200;
/// What waits here is called so: Prefect marks what is called `Scheduled` as late, and nobody else takes it.
pub(crate) const QUEUED: &str = "Queued";
const POOL_TYPE: &str = "tincture";

/// What a run's state is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct State {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FlowRun {
    pub id: String,
    #[serde(default)]
    pub parameters: Value,
    pub state: Option<State>,
}

/// A pool of work.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pool {
    pub name: String,
    #[serde(default)]
    pub is_paused: bool,
}

/// A state to be set.
#[derive(Clone, Debug)]
pub(crate) struct NewState<'a> {
    pub kind: &'a str,
    pub name: &'a str,
    pub message: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct SetState {
    status: String,
    state: Option<State>,
}

/// A line of a run's log.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub flow_run: String,
    pub level: u8,
    pub message: String,
    pub at: DateTime<Utc>,
}

/// A run to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewRun<'a> {
    pub name: String,
    pub parameters: Value,
    pub idempotency_key: String,
    pub tags: Vec<String>,
    pub state: NewState<'a>,
}

impl NewState<'_> {
    fn json(&self) -> Value {
        let mut state = json!({ "type": self.kind, "name": self.name, "message": self.message });
        if self.kind == "PAUSED" {
            // Here nobody is timed out; a pause there must end by itself, so in ten years.
            let end = Utc::now() + chrono::TimeDelta::days(3_650);
            state["state_details"] = json!({ "pause_timeout": end });
        }
        state
    }
}

impl Wire {
    /// Gives the id of the flow of this name.
    pub(crate) async fn flow(&self, name: &str) -> Result<String, PrefectError> {
        self.post::<Named>("/flows/", &json!({ "name": name })).await.map(|flow| flow.id)
    }

    /// Makes a pool where there is none of this name.
    pub(crate) async fn ensure_pool(&self, name: &str, about: &str, limit: Option<u32>) -> Result<(), PrefectError> {
        let template = json!({
            "job_configuration": { "command": "{{ command }}" },
            "variables": { "type": "object", "properties": { "command": { "type": "string", "default": "" } } },
        });
        let pool = json!({ "name": name, "type": POOL_TYPE, "description": about, "concurrency_limit": limit,
            "base_job_template": template });
        match self.tell(Method::POST, "/work_pools/", &pool).await {
            Err(PrefectError::Refused { status, .. }) if status.as_u16() == 409 => Ok(()),
            outcome => outcome,
        }
    }

    pub(crate) async fn pools(&self, names: &[String]) -> Result<Vec<Pool>, PrefectError> {
        let asked = json!({ "work_pools": { "name": { "any_": names } }, "limit": MOST_RUNS });
        self.post("/work_pools/filter", &asked).await
    }

    pub(crate) async fn pause_pool(&self, name: &str, paused: bool) -> Result<(), PrefectError> {
        self.tell(Method::PATCH, &format!("/work_pools/{}", encoded(name)), &json!({ "is_paused": paused })).await
    }

    /// Tells that somebody works for a pool, and will tell so again within this many seconds.
    pub(crate) async fn heartbeat(&self, pool: &str, worker: &str, seconds: u64) -> Result<(), PrefectError> {
        let told = json!({ "name": worker, "heartbeat_interval_seconds": seconds });
        self.tell(Method::POST, &format!("/work_pools/{}/workers/heartbeat", encoded(pool)), &told).await
    }

    /// Makes a deployment, or makes the one that is there like this; gives its id.
    pub(crate) async fn deployment(&self, deployment: &Value) -> Result<String, PrefectError> {
        self.post::<Named>("/deployments/", deployment).await.map(|deployment| deployment.id)
    }

    /// A key that was used before gives the run that it made.
    pub(crate) async fn create_run(&self, deployment: &str, run: &NewRun<'_>) -> Result<FlowRun, PrefectError> {
        let asked = json!({ "name": run.name, "parameters": run.parameters, "idempotency_key": run.idempotency_key,
            "tags": run.tags, "state": run.state.json(), "enforce_parameter_schema": false });
        self.post(&format!("/deployments/{deployment}/create_flow_run"), &asked).await
    }

    pub(crate) async fn run(&self, id: &str) -> Result<FlowRun, PrefectError> {
        self.get(&format!("/flow_runs/{id}")).await
    }

    /// At most 200.
    pub(crate) async fn runs(&self, filter: Value, sort: &str) -> Result<Vec<FlowRun>, PrefectError> {
        self.post("/flow_runs/filter", &json!({ "flow_runs": filter, "sort": sort, "limit": MOST_RUNS })).await
    }

    /// Sets it whatever Prefect thinks of it: the journal is right. Gives the state that the run has then.
    pub(crate) async fn set_state(&self, run: &str, state: &NewState<'_>) -> Result<State, PrefectError> {
        let set = self.try_state(run, state, true).await?;
        set.state.ok_or_else(|| PrefectError::Unreadable(format!("a state that was set is missing ({})", set.status)))
    }

    /// Takes a run, which one of those who try does.
    pub(crate) async fn claim(&self, run: &str) -> Result<bool, PrefectError> {
        let state = NewState { kind: "PENDING", name: "Pending", message: "Tincture looks at it".to_owned() };
        Ok(self.try_state(run, &state, false).await?.status == "ACCEPT")
    }

    async fn try_state(&self, run: &str, state: &NewState<'_>, force: bool) -> Result<SetState, PrefectError> {
        self.post(&format!("/flow_runs/{run}/set_state"), &json!({ "state": state.json(), "force": force })).await
    }

    pub(crate) async fn log(&self, lines: &[LogLine]) -> Result<(), PrefectError> {
        let line = |line: &LogLine| {
            json!({ "name": "tincture", "level": line.level, "message": line.message, "timestamp": line.at,
                "flow_run_id": line.flow_run })
        };
        self.tell(Method::POST, "/logs/", &Value::Array(lines.iter().map(line).collect())).await
    }

    /// Gives its id.
    pub(crate) async fn artifact(
        &self,
        run: &str,
        key: &str,
        kind: &str,
        about: &str,
        data: Value,
    ) -> Result<String, PrefectError> {
        let artifact = json!({ "key": key, "type": kind, "description": about, "data": data, "flow_run_id": run });
        self.post::<Named>("/artifacts/", &artifact).await.map(|artifact| artifact.id)
    }

    pub(crate) async fn change_artifact(&self, id: &str, data: Value) -> Result<(), PrefectError> {
        self.tell(Method::PATCH, &format!("/artifacts/{id}"), &json!({ "data": data })).await
    }
}

/// A name as one part of a path.
fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}
