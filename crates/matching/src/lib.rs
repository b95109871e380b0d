//! From the wells so far to the next recipes: how the lab finds the recipe for a colour by itself.

mod baselines;
mod colour;
mod dyes;
mod hypotheses;
mod model;
mod posterior;
mod prediction;
mod propose;
mod solver;
mod task;

pub use baselines::{ExpectedImprovement, LatinHypercube, Random};
pub use colour::ColourMap;
pub use dyes::{Absorptivity, ColourWord, Dye};
pub use hypotheses::Hypothesis;
pub use model::{BandMatrix, Bands};
pub use prediction::{Prediction, learned, predict};
pub use propose::at_random;
pub use solver::{Answer, BeerLambert, Reason, Solver, Step};
pub use task::{MOST_WELLS, Rules, STEP_UL, Task, TaskError, Well};
