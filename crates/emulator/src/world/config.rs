//! How the world is made.

use domain::PipetteModel;
use std::path::PathBuf;

/// How the world is made.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Where the ledger is kept; without it the world lives in memory and is forgotten.
    pub state_dir: Option<PathBuf>,
    /// Makes pipetting errors and sensor noise reproducible.
    pub seed: u64,
    pub left: Option<PipetteModel>,
    pub right: Option<PipetteModel>,
    /// Light that reaches the sensor past the well, as a fraction of the white signal, 0–0.2.
    pub stray_light: f64,
}

impl Default for WorldConfig {
    /// The default lab: a p300 on the right, nothing kept, no stray light.
    fn default() -> Self {
        Self { state_dir: None, seed: 0, left: None, right: Some(PipetteModel::P300SingleGen2), stray_light: 0.0 }
    }
}
