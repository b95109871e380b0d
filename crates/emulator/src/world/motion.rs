//! How the gantry moves: the way it takes, and how long a real OT-2 needs.

use super::{
    action::{Action, GantryAxis, Travel},
    geometry::Point,
    state::{Gantry, State},
};
use domain::Mount;
use std::time::Duration;

/// Speeds of an OT-2 with GEN2 pipettes, mm/s (Opentrons `robot_configs`: gantry 400, GEN2 mounts 125).
const GANTRY_MM_S: f64 = 400.0;
const MOUNT_MM_S: f64 = 125.0;
/// Starting and stopping, per leg of a way.
const LEG_OVERHEAD_S: f64 = 0.1;
const HOME_S: f64 = 10.0;
const HOME_AXIS_S: f64 = 3.0;
const PICK_UP_S: f64 = 4.0;
const DROP_S: f64 = 2.0;
const PLUNGER_OVERHEAD_S: f64 = 0.2;
/// A blow-out pushes about this much air.
const BLOW_OUT_UL: f64 = 100.0;
/// No action takes longer, whatever flow or speed was asked.
const LONGEST_S: f64 = 600.0;

pub(crate) fn duration(state: &State, action: &Action) -> Duration {
    let seconds = match *action {
        Action::Home => HOME_S,
        Action::HomeAxis { .. } => HOME_AXIS_S,
        Action::RaiseMount { mount } => mount_seconds(state.tops().on(mount) - state.nozzle(mount).z),
        Action::MoveNozzle { mount, to, travel, speed_mm_s } => move_seconds(state, mount, to, travel, speed_mm_s),
        Action::PickUpTip { .. } => PICK_UP_S,
        Action::DropTip { .. } => DROP_S,
        Action::Aspirate { volume_ul, flow_ul_s, .. } | Action::Dispense { volume_ul, flow_ul_s, .. } => {
            plunger_seconds(volume_ul, flow_ul_s)
        }
        Action::BlowOut { flow_ul_s, .. } => plunger_seconds(BLOW_OUT_UL, flow_ul_s),
    };
    let bounded = if seconds.is_finite() { seconds.clamp(0.0, LONGEST_S) } else { LONGEST_S };
    Duration::from_secs_f64(bounded)
}

fn plunger_seconds(volume_ul: f64, flow_ul_s: f64) -> f64 {
    volume_ul / flow_ul_s + PLUNGER_OVERHEAD_S
}

fn mount_seconds(distance_mm: f64) -> f64 {
    distance_mm.abs() / MOUNT_MM_S + LEG_OVERHEAD_S
}

fn move_seconds(state: &State, mount: Mount, to: Point, travel: Travel, speed_mm_s: Option<f64>) -> f64 {
    let drawn_up = match other(mount) {
        rest if state.nozzle(rest).z < state.tops().on(rest) => {
            mount_seconds(state.tops().on(rest) - state.nozzle(rest).z)
        }
        _ => 0.0,
    };
    let legs = way(state.nozzle(mount), to, travel);
    drawn_up + legs.windows(2).map(|leg| leg_seconds(leg, speed_mm_s)).sum::<f64>()
}

const fn other(mount: Mount) -> Mount {
    match mount {
        Mount::Left => Mount::Right,
        Mount::Right => Mount::Left,
    }
}

fn leg_seconds(leg: &[Point], speed_mm_s: Option<f64>) -> f64 {
    let [from, to] = leg else { return 0.0 };
    let across = from.horizontal_distance(*to);
    let up = (from.z - to.z).abs();
    if across + up < 0.01 {
        return 0.0;
    }
    let asked = speed_mm_s.unwrap_or(GANTRY_MM_S);
    (across / asked.min(GANTRY_MM_S)).max(up / asked.min(MOUNT_MM_S)) + LEG_OVERHEAD_S
}

/// The corners of the nozzle's way, ends included.
pub(crate) fn way(from: Point, to: Point, travel: Travel) -> Vec<Point> {
    match travel {
        Travel::Direct => vec![from, to],
        Travel::Over { nozzle_z_mm } => {
            let height = nozzle_z_mm.max(to.z);
            vec![from, from.at_height(height), to.at_height(height), to]
        }
    }
}

/// Points along the way, close enough together that nothing on a deck fits between two.
pub(crate) fn samples(way: &[Point]) -> impl Iterator<Item = Point> + '_ {
    const STEP_MM: f64 = 2.0;
    way.windows(2).flat_map(|leg| {
        let (from, to) = match leg {
            [from, to] => (*from, *to),
            _ => (Point::new(0.0, 0.0, 0.0), Point::new(0.0, 0.0, 0.0)),
        };
        let length = from.horizontal_distance(to).hypot(from.z - to.z);
        let steps = (length / STEP_MM).ceil().clamp(1.0, 1_000.0);
        (0..=steps as u32).map(move |step| along(from, to, f64::from(step) / steps))
    })
}

fn along(from: Point, to: Point, share: f64) -> Point {
    let mix = |a: f64, b: f64| a + (b - a) * share;
    Point::new(mix(from.x, to.x), mix(from.y, to.y), mix(from.z, to.z))
}

/// Where the gantry stands after `action`.
pub(crate) fn gantry_after(state: &State, action: &Action) -> Gantry {
    let tops = state.tops();
    match *action {
        Action::Home => Gantry::home(tops),
        Action::HomeAxis { axis: GantryAxis::X } => {
            Gantry { right_x_mm: Gantry::home(tops).right_x_mm, ..state.gantry() }
        }
        Action::HomeAxis { axis: GantryAxis::Y } => Gantry { y_mm: Gantry::home(tops).y_mm, ..state.gantry() },
        Action::RaiseMount { mount } | Action::PickUpTip { mount } => state.gantry().with_raised(mount, tops),
        Action::MoveNozzle { mount, to, .. } => Gantry::with_nozzle_at(mount, to, tops),
        _ => state.gantry(),
    }
}
