//! What the server must have: a flow, the lab's pool with its deployment, and a pool a robot. Made, and kept right, at each
//! start.

use crate::{
    client::{PrefectError, Wire},
    desk::DeskError,
};
use serde_json::{Value, json};
use store::Robot;

const FLOW: &str = "tincture-experiment";
const ABOUT: &str = "Mixes dyes on a robot of the lab and measures their colours. A run becomes an experiment of the lab, with \
                     quota; copy a run to ask for the same again.";

/// Gives the deployment's id.
pub(crate) async fn prepare(wire: &Wire, pool: &str, robots: &[Robot]) -> Result<String, DeskError> {
    let flow = wire.flow(FLOW).await?;
    wire.ensure_pool(pool, "Experiments of a Tincture lab, for whichever of its robots is free", None).await?;
    for robot in robots {
        ensure_robots_pool(wire, pool, robot).await?;
    }
    Ok(wire.deployment(&deployment(&flow, pool)).await?)
}

pub(crate) async fn ensure_robots_pool(wire: &Wire, pool: &str, robot: &Robot) -> Result<(), PrefectError> {
    let about = format!("The robot {} of a Tincture lab: paused, it takes no new experiment", robot.name);
    wire.ensure_pool(&pool_of(pool, robot), &about, Some(1)).await
}

/// Prefect takes no name with these characters.
pub(crate) fn pool_of(pool: &str, robot: &Robot) -> String {
    format!("{pool}-{}", robot.name.replace(['/', '%', '&', '>', '<'], "-"))
}

fn deployment(flow: &str, pool: &str) -> Value {
    let volumes = json!({ "type": "object", "title": "Volumes", "description": "µL by dye",
        "additionalProperties": { "type": "number", "minimum": 0 } });
    let schema = json!({
        "type": "object",
        "title": "Parameters",
        "required": ["wells"],
        "additionalProperties": false,
        "properties": {
            "wells": { "type": "array", "title": "Wells", "position": 0, "minItems": 1, "maxItems": 96,
                "items": { "type": "object", "required": ["volumes"],
                    "properties": { "volumes": volumes, "target": { "type": "object", "title": "Colour to have" } } } },
            "name": { "type": "string", "title": "Name", "position": 1, "maxLength": 120 },
            "person": { "type": "string", "title": "Person", "position": 2,
                "description": "Address of the account whose quota it is; one of those that the lab lets runs be of" },
        },
    });
    json!({ "name": pool, "flow_id": flow, "work_pool_name": pool, "description": ABOUT, "tags": ["tincture"],
        "parameter_openapi_schema": schema, "enforce_parameter_schema": true, "entrypoint": "tincture" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_asks_for_wells() {
        let made = deployment("f", "lab");
        assert_eq!(made["parameter_openapi_schema"]["required"], json!(["wells"]));
        assert_eq!(made["work_pool_name"], "lab");
    }
}
