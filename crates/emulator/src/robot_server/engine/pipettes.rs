//! The pipettes this robot can carry, and what their API says of them.

use domain::{Mount, PipetteModel};

/// The facts of a pipette that its API shows. Volumes in µL, lengths in mm.
#[derive(Clone, Copy, Debug)]
pub struct PipetteFacts {
    pub name: &'static str,
    pub model: &'static str,
    pub serial: &'static str,
    pub min_volume: f64,
    pub max_volume: f64,
    /// How far a tip slides over the nozzle (Opentrons' pipette definitions, version 2).
    pub tip_overlap: f64,
}

/// Facts of the two pipettes this robot can carry.
pub const fn facts(model: PipetteModel) -> PipetteFacts {
    match model {
        PipetteModel::P300SingleGen2 => PipetteFacts {
            name: "p300_single_gen2",
            model: "p300_single_v2.1",
            serial: "P3HSV2120230101",
            min_volume: 20.0,
            max_volume: 300.0,
            tip_overlap: 8.2,
        },
        PipetteModel::P20SingleGen2 => PipetteFacts {
            name: "p20_single_gen2",
            model: "p20_single_v2.2",
            serial: "P20SV2220230101",
            min_volume: 1.0,
            max_volume: 20.0,
            tip_overlap: 8.25,
        },
    }
}

/// Which pipettes hang on the robot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mounted {
    pub left: Option<PipetteModel>,
    pub right: Option<PipetteModel>,
}

impl Mounted {
    pub const fn on(self, mount: Mount) -> Option<PipetteModel> {
        match mount {
            Mount::Left => self.left,
            Mount::Right => self.right,
        }
    }
}
