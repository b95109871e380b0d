//! How an experiment's liquids are handled, as the API has it in requests and answers.

use domain::Handling;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a tip is used: `reused`, the dye's own, put back after its work; `per_dye` or `per_transfer`, a new one each,
/// thrown away after it. A tip that met a well's liquid or wall is thrown away in any case.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes domain::TipPolicy to OpenAPI, which domain knows nothing of")]
pub enum TipPolicyName {
    Reused,
    PerDye,
    PerTransfer,
}

/// Where tips are blown out: over the `waste` before they are put back, or also over the `well` after each transfer.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes domain::BlowOut to OpenAPI, which domain knows nothing of")]
pub enum BlowOutName {
    Waste,
    Well,
}

/// After its last dye a well of two or more is mixed with the tip that gave it.
#[derive(Clone, Copy, Debug, ToSchema)]
#[allow(dead_code, reason = "describes domain::Mixing to OpenAPI, which domain knows nothing of")]
pub struct MixingBody {
    #[schema(minimum = 1, maximum = 10)]
    repetitions: u8,
    /// µL of each stroke. Less is drawn where the tip takes less, or the well would run dry.
    #[schema(minimum = 5, maximum = 300, multiple_of = 0.1)]
    volume: f64,
}

/// How liquids are handled beyond what goes where. What is left out is as usual.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(example = json!({"mix": {"repetitions": 3, "volume": 50}}))]
#[allow(dead_code, reason = "describes domain::Handling to OpenAPI, which domain knows nothing of")]
pub struct HandlingBody {
    #[schema(required = false)]
    tips: TipPolicyName,
    mix: Option<MixingBody>,
    /// The tip touches the well's wall after each transfer.
    #[schema(required = false)]
    touch_tip: bool,
    #[schema(required = false)]
    blow_out: BlowOutName,
    /// µL of air that is drawn after a dye and let out over its well, so that nothing drips on the way.
    #[schema(minimum = 0, maximum = 20, multiple_of = 0.1, required = false)]
    air_gap: f64,
}

/// A handling that isn't the usual one, in its own form and in words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HandlingView {
    #[serde(flatten)]
    #[schema(value_type = HandlingBody)]
    handling: Handling,
    #[schema(example = "mixed 3 × with 50 µL")]
    pub sentence: String,
}

impl HandlingView {
    /// Nothing for the usual one.
    pub fn of(handling: Handling) -> Option<Self> {
        Some(Self { handling, sentence: handling.sentence()? })
    }
}
