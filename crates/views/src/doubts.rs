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
    /// Its first part…
    #[serde(skip)]
    pub headline: String,
    /// …and what they share.
    #[serde(skip)]
    pub causes: String,
    /// How many of them `POST …/retry` makes again without charge.
    pub free_retry: usize,
}

impl From<&Doubts> for DoubtsView {
    fn from(doubts: &Doubts) -> Self {
        let (headline, causes) = (doubts.headline(), doubts.causes());
        Self {
            sentence: format!("{headline} {causes}"),
            headline,
            causes,
            free_retry: doubts.free_retry.len(),
            wells: doubts.wells.clone(),
            measured: doubts.measured,
            shared: doubts.shared.clone(),
        }
    }
}
