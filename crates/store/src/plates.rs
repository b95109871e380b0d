//! How a plate was left, as a document: when an experiment on it ends, and when it is taken away.
//!
//! Of wells of other experiments the first says only that they are taken: it is shown to the experiment's owner.

use crate::{
    documents::NewDocument,
    error::Result,
    sql::{Row, now, sql},
};
use chrono::{DateTime, Utc};
use domain::{Collection, ExperimentId, PlateId, Recipe, RobotId, WellId, WellName, WellStatus};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};

/// Which wells are told of in full.
#[derive(Clone, Copy)]
enum Told {
    Of(ExperimentId),
    All,
}

struct Plate {
    id: PlateId,
    robot: RobotId,
    placed_at: DateTime<Utc>,
}

impl Plate {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { id: row.get("id")?, robot: row.get("robot_id")?, placed_at: row.get("placed_at")? })
    }
}

/// Of the plate that its wells are on; nothing for an experiment that never came to a plate.
pub(crate) async fn left_by_experiment(tx: &DatabaseTransaction, id: ExperimentId) -> Result<Option<NewDocument>> {
    let text = "SELECT p.id, p.robot_id, p.placed_at FROM experiments e JOIN plates p ON p.id = e.plate_id
        WHERE e.id = $1";
    let Some(row) = sql!(text, id).one(tx).await? else { return Ok(None) };
    let body = snapshot(tx, &Plate::read(&row)?, Told::Of(id)).await?;
    Ok(Some(NewDocument { collection: Collection::Plates, id: id.as_uuid(), experiment: Some(id), body }))
}

/// Of the plate that lies on a robot; nothing where none does.
pub(crate) async fn taken_away(tx: &DatabaseTransaction, robot: RobotId) -> Result<Option<NewDocument>> {
    let text = "SELECT id, robot_id, placed_at FROM plates WHERE robot_id = $1 AND removed_at IS NULL";
    let Some(row) = sql!(text, robot).one(tx).await? else { return Ok(None) };
    let plate = Plate::read(&row)?;
    let body = snapshot(tx, &plate, Told::All).await?;
    Ok(Some(NewDocument { collection: Collection::Plates, id: plate.id.as_uuid(), experiment: None, body }))
}

async fn snapshot(tx: &DatabaseTransaction, plate: &Plate, told: Told) -> Result<Value> {
    let rows = sql!(
        "SELECT w.id, w.experiment_id, w.well_id, w.status, w.recipe, r.measurement_data ->> 'srgb' AS srgb
         FROM wells w LEFT JOIN results r ON r.well_id = w.id WHERE w.plate_id = $1",
        plate.id,
    );
    let rows = rows.all(tx).await?;
    let mut wells = rows.iter().map(|row| well(row, told)).collect::<Result<Vec<_>>>()?;
    wells.sort_by_key(|(name, _)| *name);
    let wells: Vec<_> = wells.into_iter().map(|(_, well)| well).collect();
    let left_by = match told {
        Told::Of(experiment) => Some(experiment),
        Told::All => None,
    };
    Ok(json!({
        "plate_id": plate.id, "robot_id": plate.robot, "placed_at": plate.placed_at, "at": now(),
        "experiment_id": left_by, "wells": wells,
    }))
}

fn well(row: &Row, told: Told) -> Result<(Option<WellName>, Value)> {
    let (experiment, name): (ExperimentId, Option<WellName>) = (row.get("experiment_id")?, row.get("well_id")?);
    if matches!(told, Told::Of(own) if own != experiment) {
        return Ok((name, json!({ "well_id": name, "taken": true })));
    }
    let (id, status): (WellId, WellStatus) = (row.get("id")?, row.get("status")?);
    let (volumes, srgb): (Recipe, Option<String>) = (row.get("recipe")?, row.get("srgb")?);
    let told = json!({
        "well_id": name, "well": id, "experiment_id": experiment, "status": status, "volumes": volumes, "srgb": srgb,
    });
    Ok((name, told))
}
