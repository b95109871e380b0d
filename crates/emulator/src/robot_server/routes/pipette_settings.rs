//! `/settings/pipettes`: what of each pipette a user may set. It is kept until the robot is switched off, and moves nothing.

use super::exchange::{Answer, LegacyBody, ok};
use crate::robot_server::{
    Robot,
    body::{self, Fields},
    engine::{PipetteFacts, facts},
    error::ApiError,
    lock,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::{Mount, PipetteModel};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// What users have set, by the pipette's serial number and the setting's name.
pub type Overrides = BTreeMap<(String, &'static str), f64>;

/// A setting: its name, its unit, its type, and its bounds.
type Setting = (&'static str, &'static str, &'static str, f64, f64);

/// As Opentrons' shared data 8.1.0 has them for every pipette of an OT-2.
const SETTINGS: &[Setting] = &[
    ("top", "mm", "float", -20.0, 30.0),
    ("bottom", "mm", "float", -20.0, 30.0),
    ("blowout", "mm", "float", -20.0, 30.0),
    ("dropTip", "mm", "float", -20.0, 30.0),
    ("pickUpCurrent", "amps", "float", 0.1, 2.0),
    ("pickUpDistance", "mm", "float", 0.0, 10.0),
    ("pickUpIncrement", "mm", "int", 0.0, 10.0),
    ("pickUpPresses", "presses", "int", 0.0, 15.0),
    ("pickUpSpeed", "mm/s", "float", 0.01, 30.0),
    ("plungerCurrent", "amps", "float", 0.1, 2.0),
    ("dropTipCurrent", "amps", "float", 0.1, 2.0),
    ("dropTipSpeed", "mm/s", "float", 0.01, 30.0),
    ("tipLength", "mm", "float", 0.0, 100.0),
];

/// What they are when nobody has set them, in the order of [`SETTINGS`].
const fn usual(model: PipetteModel) -> [f64; SETTINGS.len()] {
    match model {
        PipetteModel::P10Single => [19.5, 2.5, -0.5, -5.2, 0.1, 10.0, 1.0, 3.0, 30.0, 0.3, 0.5, 5.0, 33.0],
        PipetteModel::P20SingleGen2 => [19.5, -8.5, -13.0, -27.0, 0.1, 14.0, 0.0, 1.0, 10.0, 1.0, 1.0, 15.0, 31.15],
        PipetteModel::P50Single => [19.5, 2.0, 0.5, -5.0, 0.1, 10.0, 1.0, 3.0, 30.0, 0.3, 0.5, 5.0, 51.7],
        PipetteModel::P300Single => [19.5, 3.0, 0.0, -4.5, 0.1, 10.0, 1.0, 3.0, 30.0, 0.3, 0.5, 5.0, 51.7],
        PipetteModel::P300SingleGen2 => [19.5, -14.5, -19.0, -37.0, 0.125, 17.0, 0.0, 1.0, 10.0, 1.0, 1.25, 7.0, 49.0],
        PipetteModel::P1000Single => [19.5, 2.5, 0.5, -4.0, 0.15, 15.0, 1.0, 3.0, 30.0, 0.5, 0.7, 5.0, 76.7],
        PipetteModel::P1000SingleGen2 => [19.5, -18.5, -23.0, -37.0, 0.17, 17.0, 0.0, 1.0, 10.0, 1.0, 1.25, 7.0, 78.3],
    }
}

/// What only some models do, and always here.
fn quirks(model: PipetteModel) -> Value {
    match model {
        PipetteModel::P20SingleGen2 | PipetteModel::P300SingleGen2 => json!({}),
        PipetteModel::P10Single | PipetteModel::P50Single | PipetteModel::P300Single => json!({"dropTipShake": true}),
        PipetteModel::P1000Single => json!({"pickupTipShake": true, "dropTipShake": true}),
        PipetteModel::P1000SingleGen2 => json!({"pickupTipShake": true}),
    }
}

pub async fn list(State(robot): State<Arc<Robot>>) -> Answer {
    let overrides = lock(&robot.pipette_settings);
    let told = mounted(&robot).map(|(model, facts)| (facts.serial.to_owned(), told(model, &facts, &overrides)));
    ok(Value::Object(told.collect()))
}

pub async fn get(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let (model, facts) = find(&robot, &id)?;
    ok(told(model, &facts, &lock(&robot.pipette_settings)))
}

/// `{"fields": {"pickUpCurrent": {"value": 0.2}}}`; `null` puts a setting back.
pub async fn change(State(robot): State<Arc<Robot>>, Path(id): Path<String>, LegacyBody(body): LegacyBody) -> Answer {
    let (model, facts) = find(&robot, &id)?;
    let asked = read(&body)?;
    let mut overrides = lock(&robot.pipette_settings);
    for (name, value) in asked {
        let key = (facts.serial.to_owned(), name);
        match value {
            Some(value) => overrides.insert(key, value),
            None => overrides.remove(&key),
        };
    }
    ok(told(model, &facts, &overrides))
}

/// What is asked for, all of it good.
fn read(body: &Value) -> Result<Vec<(&'static str, Option<f64>)>, ApiError> {
    let empty = Map::new();
    let given = body.get("fields").and_then(body::as_object).unwrap_or(&empty);
    let mut asked = Vec::new();
    for (name, field) in given {
        let Some((name, _, _, least, most)) = SETTINGS.iter().find(|(known, ..)| known == name).copied() else {
            let name: String = name.chars().take(100).collect();
            return Err(refused(format!("{name} is not a valid mutable config")));
        };
        let mut fields = Fields::of(field, format!("body.fields.{name}"));
        let value = fields.optional_number("value");
        fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
        if let Some(value) = value
            && !(least..=most).contains(&value)
        {
            return Err(refused(format!("{name} out of range with {value}")));
        }
        asked.push((name, value));
    }
    Ok(asked)
}

fn refused(message: String) -> ApiError {
    ApiError::Legacy { status: StatusCode::PRECONDITION_FAILED, message }
}

fn mounted(robot: &Robot) -> impl Iterator<Item = (PipetteModel, PipetteFacts)> + use<> {
    let mounted = robot.hardware.mounted();
    [Mount::Left, Mount::Right]
        .into_iter()
        .filter_map(move |mount| mounted.on(mount))
        .map(|model| (model, facts(model)))
}

fn find(robot: &Robot, id: &str) -> Result<(PipetteModel, PipetteFacts), ApiError> {
    mounted(robot).find(|(_, facts)| facts.serial == id).ok_or_else(|| {
        let id: String = id.chars().take(100).collect();
        ApiError::Legacy { status: StatusCode::NOT_FOUND, message: format!("{id} is not a valid pipette id") }
    })
}

fn told(model: PipetteModel, facts: &PipetteFacts, overrides: &Overrides) -> Value {
    let mut fields = Map::from_iter([("quirks".to_owned(), quirks(model))]);
    for ((name, units, kind, min, max), usual) in SETTINGS.iter().zip(usual(model)) {
        let value = overrides.get(&(facts.serial.to_owned(), *name)).copied().unwrap_or(usual);
        let told = json!({"units": units, "type": kind, "min": min, "max": max, "default": usual, "value": value});
        fields.insert((*name).to_owned(), told);
    }
    json!({"info": {"name": facts.name, "model": facts.model}, "fields": fields})
}
