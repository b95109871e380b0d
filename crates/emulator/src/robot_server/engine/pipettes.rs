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
    tip_volumes: &'static [f64],
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

/// Facts of a pipette that this robot can carry (Opentrons' pipette definitions).
pub fn facts(model: PipetteModel) -> PipetteFacts {
    let (variant, serial, usual_tip_overlap, tip_overlaps): (_, _, _, &[(&str, f64)]) = match model {
        PipetteModel::P10Single => (
            "p10_single_v1.5",
            "P10SV1520230101",
            3.29,
            &[("eppendorf_96_tiprack_10ul_eptips", 1.0), ("geb_96_tiprack_10ul", 6.2)],
        ),
        PipetteModel::P20SingleGen2 => (
            "p20_single_v2.2",
            "P20SV2220230101",
            8.25,
            &[("eppendorf_96_tiprack_10ul_eptips", 8.4), ("geb_96_tiprack_10ul", 8.3)],
        ),
        PipetteModel::P50Single => ("p50_single_v1.5", "P50SV1520230101", 7.47, &[("tipone_96_tiprack_200ul", 6.1)]),
        PipetteModel::P300Single => ("p300_single_v1.5", "P3HSV1520230101", 7.47, &[("tipone_96_tiprack_200ul", 6.1)]),
        PipetteModel::P300SingleGen2 => ("p300_single_v2.1", "P3HSV2120230101", 8.2, &[]),
        PipetteModel::P1000Single => (
            "p1000_single_v1.5",
            "P1KSV1520230101",
            7.95,
            &[("eppendorf_96_tiprack_1000ul_eptips", 0.0), ("geb_96_tiprack_1000ul", 11.2)],
        ),
        PipetteModel::P1000SingleGen2 => (
            "p1000_single_v2.2",
            "P1KSV2220230101",
            9.7,
            &[
                ("opentrons_96_tiprack_1000ul", 11.5),
                ("opentrons_96_filtertiprack_1000ul", 11.5),
                ("geb_96_tiprack_1000ul", 9.5),
            ],
        ),
    };
    PipetteFacts {
        name: model.load_name(),
        model: variant,
        serial,
        min_volume: model.least().ul(),
        max_volume: model.most().ul(),
        tip_volumes: tip_volumes(model),
        usual_tip_overlap,
        tip_overlaps,
    }
}

/// The tips that a pipette knows, by what they hold, µL (Opentrons' pipette definitions).
const fn tip_volumes(model: PipetteModel) -> &'static [f64] {
    match model {
        PipetteModel::P10Single => &[10.0],
        PipetteModel::P20SingleGen2 => &[10.0, 20.0],
        PipetteModel::P50Single => &[50.0, 200.0, 300.0],
        PipetteModel::P300Single | PipetteModel::P300SingleGen2 => &[200.0, 300.0],
        PipetteModel::P1000Single | PipetteModel::P1000SingleGen2 => &[1_000.0],
    }
}

/// The pipette that is meant by a name.
pub fn known_pipette(name: &str) -> Option<PipetteModel> {
    name.parse().ok()
}

/// Whether the robot takes `mounted` where a client asks for `name`: a GEN2 pipette stands in for its GEN1 forerunner.
pub fn stands_in(mounted: PipetteModel, name: &str) -> bool {
    let forerunner = match mounted {
        PipetteModel::P20SingleGen2 => "p10_single",
        PipetteModel::P300SingleGen2 => "p300_single",
        PipetteModel::P1000SingleGen2 => "p1000_single",
        _ => return mounted.load_name() == name,
    };
    [mounted.load_name(), forerunner].contains(&name)
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
