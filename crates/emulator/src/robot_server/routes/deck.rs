//! `/deck_configuration`: which fixture sits in which cutout.

use super::exchange::{Answer, Body, ok};
use crate::robot_server::{
    Robot,
    command::timestamp,
    error::{ApiError, FieldProblem},
    lock,
};
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

/// Eleven slots and the fixed trash.
pub fn standard_deck() -> Value {
    let fixture = |number: u8| {
        let id = if number == 12 { "fixedTrashSlot" } else { "singleStandardSlot" };
        json!({"cutoutFixtureId": id, "cutoutId": format!("cutout{number}")})
    };
    json!({"cutoutFixtures": (1..=12).map(fixture).collect::<Vec<_>>()})
}

pub async fn get(State(robot): State<Arc<Robot>>) -> Answer {
    ok(json!({"data": *lock(&robot.deck)}))
}

/// An OT-2's deck has one possible configuration, so only that is taken.
pub async fn configure(State(robot): State<Arc<Robot>>, Body(body): Body) -> Answer {
    let asked = body.pointer("/data/cutoutFixtures");
    let Some(asked) = asked.and_then(Value::as_array) else {
        let at = "data/cutoutFixtures".to_owned();
        return Err(ApiError::invalid_fields(vec![FieldProblem { at, detail: "field required".to_owned() }]));
    };
    let standard = standard_deck();
    let known = |fixture: &Value| {
        let of = |fixture: &Value, name: &str| fixture.get(name).cloned();
        let possible = standard.get("cutoutFixtures").and_then(Value::as_array);
        possible
            .into_iter()
            .flatten()
            .any(|possible| ["cutoutFixtureId", "cutoutId"].iter().all(|name| of(possible, name) == of(fixture, name)))
    };
    if asked.len() != 12 || !asked.iter().all(known) {
        let detail = "An OT-2's deck has a standard slot in cutouts 1 to 11 and the fixed trash in cutout 12.";
        return Err(ApiError::modern(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "InvalidDeckConfiguration",
            "Invalid Deck Configuration",
            detail,
        ));
    }
    let mut deck = standard;
    deck["lastModifiedAt"] = json!(timestamp());
    (*lock(&robot.deck)).clone_from(&deck);
    ok(json!({"data": deck}))
}
