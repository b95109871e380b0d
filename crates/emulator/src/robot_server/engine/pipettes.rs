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
    /// The tips it knows, by what they hold.
    tip_volumes: [f64; 2],
    /// How far a usual tip slides over the nozzle.
    usual_tip_overlap: f64,
    /// The same for those of racks with their own, by load name (Opentrons' pipette definitions, version 2).
    tip_overlaps: &'static [(&'static str, f64)],
}

impl PipetteFacts {
    /// Whether it knows tips that hold so much. One that holds more than the pipette is as good as one that it fills.
    pub fn knows_tip_of(&self, volume: f64) -> bool {
        self.tip_volumes.contains(&volume.min(self.max_volume))
    }

    /// How far a tip of that rack slides over the nozzle.
    pub fn tip_overlap(&self, rack: &str) -> f64 {
        let own = self.tip_overlaps.iter().find(|(load_name, _)| *load_name == rack);
        own.map_or(self.usual_tip_overlap, |(_, overlap)| *overlap)
    }
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
            tip_volumes: [200.0, 300.0],
            usual_tip_overlap: 8.2,
            tip_overlaps: &[],
        },
        PipetteModel::P20SingleGen2 => PipetteFacts {
            name: "p20_single_gen2",
            model: "p20_single_v2.2",
            serial: "P20SV2220230101",
            min_volume: 1.0,
            max_volume: 20.0,
            tip_volumes: [10.0, 20.0],
            usual_tip_overlap: 8.25,
            tip_overlaps: &[("eppendorf_96_tiprack_10ul_eptips", 8.4), ("geb_96_tiprack_10ul", 8.3)],
        },
    }
}

/// The pipette that this robot could carry where a client asks for one of that name. A GEN2 pipette stands in for its GEN1
/// forerunner.
pub fn known_pipette(name: &str) -> Option<PipetteModel> {
    match name {
        "p300_single" | "p300_single_gen2" => Some(PipetteModel::P300SingleGen2),
        "p10_single" | "p20_single_gen2" => Some(PipetteModel::P20SingleGen2),
        _ => None,
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
