//! How an experiment that wasn't begun will be carried out.

use domain::Mount;
use serde::Serialize;
use utoipa::ToSchema;
use workflow::{Outlook, PipetteUse, Travel};

/// How an experiment will be carried out, on the deck of its robot or of the first that can mix it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// What each pipette gives; one that gives nothing isn't there.
    pub pipettes: Vec<PipetteUseView>,
    pub travel: TravelView,
}

/// What one pipette gives.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PipetteUseView {
    /// `left` or `right`.
    #[schema(value_type = String, example = "left")]
    pub mount: Mount,
    #[schema(example = "p20_single_gen2")]
    pub model: &'static str,
    /// How many it gives; a dye in a well is one.
    #[schema(example = 7)]
    pub amounts: usize,
    /// In how many strokes.
    #[schema(example = 9)]
    pub strokes: usize,
    /// µL.
    #[schema(example = 1.5)]
    pub smallest: f64,
    /// µL.
    #[schema(example = 40.0)]
    pub largest: f64,
    /// How far the worst of its amounts may be off, µL, by what is published of the pipette.
    #[schema(example = 0.64)]
    pub error: f64,
}

/// What the order of an experiment saves.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct TravelView {
    /// The sensor's way over the wells, in the order in which it goes least; without the heights, which are the same in any order.
    #[schema(example = 3.4)]
    pub seconds: f64,
    /// How much less that is than in the order of the plate.
    #[schema(example = 1.6)]
    pub seconds_saved: f64,
    /// How much less fetching and putting back of tips and the sensor takes, dye by dye, than if each well were finished before the
    /// next was begun; at an OT-2's usual speeds.
    #[schema(example = 2637.0)]
    pub fetching_seconds_saved: f64,
}

impl From<Travel> for TravelView {
    fn from(travel: Travel) -> Self {
        Self {
            seconds: rounded(travel.seconds),
            seconds_saved: rounded(travel.saved()),
            fetching_seconds_saved: rounded(travel.fetching_saved),
        }
    }
}

impl From<Outlook> for PlanView {
    fn from(outlook: Outlook) -> Self {
        Self { pipettes: outlook.pipettes.iter().map(PipetteUseView::from).collect(), travel: outlook.travel.into() }
    }
}

impl From<&PipetteUse> for PipetteUseView {
    fn from(pipette: &PipetteUse) -> Self {
        let PipetteUse { mount, model, amounts, strokes, smallest, largest, error_ul } = *pipette;
        let (smallest, largest) = (smallest.ul(), largest.ul());
        Self { mount, model: model.load_name(), amounts, strokes, smallest, largest, error: rounded(error_ul) }
    }
}

fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
