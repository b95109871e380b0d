//! Colour as people compare it: CIE XYZ, Lab and sRGB, the difference ΔE2000, and the estimate a colour sensor allows.

mod estimate;
mod observer;
mod prediction;
mod spaces;
mod srgb;
mod target;

pub(crate) use estimate::of_ratios;
pub use estimate::{ColourError, Estimate, METHOD, estimate};
pub(crate) use prediction::expected;
pub use prediction::{predict, prediction_weights};
pub use spaces::{Lab, WHITE, Xyz};
pub use srgb::{Srgb, SrgbError};
pub use target::{Target, TargetError};
