//! How a run is told.

use super::state::{Outcome, Phase, State};
use crate::robot_server::engine::{Labware, Pipette, facts};
use serde_json::{Value, json};

impl State {
    fn status(&self) -> &'static str {
        match (self.outcome, self.completed_at.is_some(), self.phase) {
            (Some(Outcome::Stopped), true, _) => "stopped",
            (Some(Outcome::Stopped), false, _) => "stop-requested",
            (Some(Outcome::Succeeded), true, _) => "succeeded",
            (Some(Outcome::Failed), true, _) => "failed",
            (Some(_), false, _) => "finishing",
            (None, _, Phase::Setup) => "idle",
            (None, _, Phase::Running) => "running",
            (None, _, Phase::Paused) => "paused",
        }
    }

    pub(super) fn describe(&self, id: &str, created_at: &str, current: bool) -> Value {
        let mut run = json!({
            "id": id,
            "ok": true,
            "createdAt": created_at,
            "status": self.status(),
            "current": current,
            "actions": self.actions,
            "errors": self.errors,
            "hasEverEnteredErrorRecovery": false,
            "pipettes": self.engine.pipettes().iter().map(describe_pipette).collect::<Vec<_>>(),
            "modules": [],
            "labware": self.engine.labware().iter().map(describe_labware).collect::<Vec<_>>(),
            "liquids": self.engine.liquids(),
            "labwareOffsets": self.engine.offsets(),
            "runTimeParameters": [],
        });
        if let Some(protocol_id) = &self.protocol_id {
            run["protocolId"] = json!(protocol_id);
        }
        if let Some(completed_at) = &self.completed_at {
            run["completedAt"] = json!(completed_at);
        }
        if let Some(started_at) = &self.started_at {
            run["startedAt"] = json!(started_at);
        }
        run
    }
}

/// A loaded pipette as the API tells it.
pub fn describe_pipette(pipette: &Pipette) -> Value {
    let facts = facts(pipette.model);
    json!({"id": pipette.id, "pipetteName": facts.name, "mount": pipette.mount})
}

/// Loaded labware as the API tells it.
pub fn describe_labware(labware: &Labware) -> Value {
    let mut told = json!({
        "id": labware.id,
        "loadName": labware.definition.load_name,
        "definitionUri": labware.definition.uri(),
        "location": labware.location,
    });
    if let Some(offset) = &labware.offset {
        told["offsetId"] = json!(offset.id);
    }
    if let Some(name) = &labware.display_name {
        told["displayName"] = json!(name);
    }
    told
}
