//! What a JSON protocol would do: its commands planned one after the other, and nothing moved.

use super::script::Script;
use crate::{
    labware::Point,
    robot_server::{
        command::{Asked, Command, Status, timestamp},
        engine::{Engine, Mounted, Nozzles, Params, Step, known_pipette},
        error::ApiError,
        run::{describe_labware, describe_pipette},
    },
    world::Action,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The analysis of that id as the API tells it, once complete.
pub fn analyse(id: &str, script: &Script, start: Nozzles) -> Value {
    let mut engine = Engine::of_script(mounted(script), script);
    let mut nozzles = start;
    let mut fingerprint = String::new();
    let mut told = Vec::new();
    let mut errors = Vec::new();
    for asked in std::iter::once(&Asked::homing()).chain(&script.commands) {
        let mut command = Command::queued(asked.clone(), &fingerprint);
        fingerprint.clone_from(&command.key);
        let failed = carry_out(&mut engine, &mut nozzles, &mut command);
        told.push(command);
        if let Some(error) = failed {
            errors.push(error);
            break;
        }
    }
    json!({
        "id": id,
        "status": "completed",
        "result": if errors.is_empty() { "ok" } else { "not-ok" },
        "robotType": "OT-2 Standard",
        "runTimeParameters": [],
        "commands": told,
        "labware": engine.labware().iter().map(describe_labware).collect::<Vec<_>>(),
        "pipettes": engine.pipettes().iter().map(describe_pipette).collect::<Vec<_>>(),
        "modules": [],
        "liquids": script.liquids,
        "errors": errors,
    })
}

/// Plans the command and believes that it was done; tells why it can't be.
fn carry_out(engine: &mut Engine, nozzles: &mut Nozzles, command: &mut Command) -> Option<Value> {
    let outcome = engine.plan(&command.params, *nozzles).and_then(|plan| {
        plan.steps.iter().for_each(|step| follow(nozzles, step));
        plan.updates.into_iter().for_each(|update| engine.apply(update));
        plan.outcome
    });
    let now = timestamp();
    command.started_at = Some(now.clone());
    command.completed_at = Some(now.clone());
    command.notes = Some([]);
    match outcome {
        Ok(result) => {
            command.status = Status::Succeeded;
            command.result = Some(result);
            None
        }
        Err(error) => {
            let error = error.occur(&Uuid::new_v4().to_string(), &now);
            command.status = Status::Failed;
            command.error = Some(error.clone());
            Some(json!(error))
        }
    }
}

/// Where the nozzles would be.
fn follow(nozzles: &mut Nozzles, step: &Step) {
    if let Step::Act(Action::MoveNozzle { mount, to, .. }) = step {
        nozzles.put(*mount, Point::new(to.x, to.y, to.z));
    }
}

/// An analysis takes the pipettes that a protocol asks for to be there, if this robot could carry them at all.
fn mounted(script: &Script) -> Mounted {
    let mut mounted = Mounted::default();
    for asked in &script.commands {
        let Params::LoadPipette(load) = &asked.params else { continue };
        match load.mount {
            "left" => mounted.left = mounted.left.or_else(|| known_pipette(load.pipette_name)),
            "right" => mounted.right = mounted.right.or_else(|| known_pipette(load.pipette_name)),
            _ => {}
        }
    }
    mounted
}

/// What is wrong with a command, in a sentence.
pub fn first_problem(error: &ApiError) -> String {
    match error {
        ApiError::Modern { errors, .. } => errors.first().map_or_else(String::new, |error| {
            let at = error.source.as_ref().and_then(|source| source.get("pointer")).and_then(Value::as_str);
            format!("{}: {}", at.unwrap_or_default().trim_start_matches("/data/"), error.detail)
        }),
        ApiError::Legacy { message, .. } => message.clone(),
    }
}
