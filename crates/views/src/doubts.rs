//! Wells that aren't to be believed.

use domain::{WellName, doubt::Shared};
use serde::Serialize;
use utoipa::ToSchema;
use workflow::Doubts;

/// The wells of an experiment that aren't to be believed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DoubtsView {
    /// Where they lie.
    #[schema(value_type = Vec<String>, example = json!(["A1", "B1"]))]
    pub wells: Vec<WellName>,
    /// How many wells were measured, doubtful or not.
    pub measured: usize,
    /// What sets them apart from the others, the likeliest cause first. `what` is `used_wells`, `dye`, `tip` or `since`.
    #[schema(value_type = Vec<Object>)]
    pub shared: Vec<Shared>,
    /// The same for a person.
    pub sentence: String,
    /// How many of them `POST …/retry` makes again without charge.
    pub free_retry: usize,
}

impl From<&Doubts> for DoubtsView {
    fn from(doubts: &Doubts) -> Self {
        Self {
            sentence: format!("{} {}", doubts.headline(), doubts.causes()),
            free_retry: doubts.free_retry.len(),
            wells: doubts.wells.clone(),
            measured: doubts.measured,
            shared: doubts.shared.clone(),
        }
    }
}
