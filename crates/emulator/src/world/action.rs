//! What a robot does, one thing at a time, and what came of it.

use super::{event::Entry, geometry::Point};
use domain::Mount;

/// How a nozzle gets to where it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Travel {
    /// In a straight line.
    Direct,
    /// An arc: up (or, as the OT-2 does after homing, down) to this height of the *nozzle*, across, down to the goal.
    /// A goal above that height raises it.
    Over { nozzle_z_mm: f64 },
}

/// An axis along which both mounts move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GantryAxis {
    X,
    Y,
}

/// One thing a robot does. Volumes in µL, speeds in mm/s, flows in µL/s.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Every axis to its end switch, plungers too: liquid left in a tip comes out over the trash.
    Home,
    /// One axis of the gantry to its end switch.
    HomeAxis {
        axis: GantryAxis,
    },
    /// One mount straight up to its end switch.
    RaiseMount {
        mount: Mount,
    },
    /// The bare nozzle of `mount` to `to`; the other mount is drawn up first, as the OT-2 does. `speed_mm_s: None` is the robot's own.
    MoveNozzle {
        mount: Mount,
        to: Point,
        travel: Travel,
        speed_mm_s: Option<f64>,
    },
    /// Press down where the nozzle is: takes the tip or the sensor there, if there is one. The mount goes up to its end switch then.
    PickUpTip {
        mount: Mount,
    },
    /// Eject where the nozzle is.
    DropTip {
        mount: Mount,
    },
    Aspirate {
        mount: Mount,
        volume_ul: f64,
        flow_ul_s: f64,
    },
    Dispense {
        mount: Mount,
        volume_ul: f64,
        flow_ul_s: f64,
    },
    BlowOut {
        mount: Mount,
        flow_ul_s: f64,
    },
}

/// What an action did: the ledger entries it made, in order. Nothing to record is an empty list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    pub entries: Vec<Entry>,
}
