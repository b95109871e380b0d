//! One well and what was measured in it.

use crate::{FaultView, ResultSchema, result, result::LabSchema};
use domain::{Recipe, WellId, WellName, WellStatus, colour::Target};
use serde::Serialize;
use serde_json::Value;
use store::{Measurement, Well};
use utoipa::ToSchema;

/// The values of a well's status.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::WellStatus to OpenAPI, which domain knows nothing of")]
pub enum WellStatusName {
    Pending,
    Dispensing,
    Mixed,
    Measured,
    Failed,
    Quarantined,
    Cancelled,
}

/// One well of an experiment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WellView {
    #[schema(value_type = Uuid)]
    pub id: WellId,
    /// Where it lies on the plate; null until the experiment starts.
    #[schema(value_type = Option<String>, example = "A1")]
    pub well_id: Option<WellName>,
    /// Place in the request, from 0; a replacement has the place of what it replaces.
    pub position: i32,
    #[schema(value_type = WellStatusName)]
    pub status: WellStatus,
    /// µL by dye.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    pub volumes: Recipe,
    /// The colour it is to have, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LabSchema>)]
    pub target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ResultSchema>)]
    pub result: Option<Value>,
    /// The quarantined well which this one makes up for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub replaces: Option<WellId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
}

impl WellView {
    pub fn of(well: Well, measurement: Option<Measurement>) -> Self {
        Self {
            id: well.id,
            well_id: well.well_id,
            position: well.position,
            status: well.status,
            volumes: well.recipe,
            target: well.target,
            result: measurement.map(result),
            replaces: well.replaces,
            fault: well.fault.map(FaultView::from),
        }
    }
}
