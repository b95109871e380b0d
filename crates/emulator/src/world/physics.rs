//! What really happens when a robot does something: decided from where the real end of the real tool is.
//!
//! Nothing here changes the state; it only says which events follow.

use super::{
    action::{Action, Travel},
    config::WorldConfig,
    dock::SENSOR_LENGTH_MM,
    event::{ASPIRATING, Actor, DISPENSING, Event, Portion, Spot, ToolName},
    geometry::{LabwareKind, Point},
    liquid::{Liquid, rounded_ul},
    motion,
    pipetting::{Bias, bias_of, stroke, takes_tip_of},
    place::{Place, end_of, floor_under, place_under, receiver, within_reach},
    state::{Gantry, State, Tip, Tool},
};
use domain::{Mount, PipetteModel};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// What an action leads to.
pub(crate) struct Outcome {
    pub events: Vec<Event>,
    pub gantry: Gantry,
}

/// How far off its middle a nozzle may press on a tip, or a tip be let go over its place, mm.
const TIP_TOLERANCE_MM: f64 = 2.0;
/// The same for the sensor's wide housing, mm.
const SENSOR_TOLERANCE_MM: f64 = 5.0;
/// Pressing down reaches this far below and works from this far above a tip's top, mm.
const PRESS_REACH_MM: f64 = 10.0;
/// The sensor seats itself when let go no higher than this above the dock's floor, mm.
const SENSOR_SEATS_MM: f64 = 20.0;
/// Nearer than this isn't a collision but the tolerance of every deck, mm.
const CRASH_TOLERANCE_MM: f64 = 0.5;
/// A tip takes a little more than its name says before liquid reaches the pipette.
const TIP_RESERVE: f64 = 1.1;
/// A plunger believed to hold no more than this is pushed out whole, µL.
const PLUNGER_PLAY_UL: f64 = 0.05;

/// What a robot acts on.
pub(super) struct Scene<'a> {
    pub(super) state: &'a State,
    pub(super) config: &'a WorldConfig,
    pub(super) sensor_is_stuck: bool,
    /// The bias of the left and of the right pipette, where one was asked for.
    pub(super) bias_asked: [Option<Bias>; 2],
}

pub(crate) fn happen(scene: &Scene<'_>, action: &Action, noise: &mut ChaCha8Rng) -> Outcome {
    let events = match *action {
        Action::Home => scene.home(),
        Action::RaiseMount { .. } | Action::HomeAxis { .. } => Vec::new(),
        Action::MoveNozzle { to, .. } if !to.is_finite() => {
            return Outcome { events: Vec::new(), gantry: scene.state.gantry() };
        }
        Action::MoveNozzle { mount, to, travel, .. } => scene.travel(mount, to, travel),
        Action::PickUpTip { mount } => scene.pick_up(mount),
        Action::DropTip { mount } => scene.drop_tool(mount),
        Action::Aspirate { mount, volume_ul, .. } => scene.aspirate(mount, volume_ul, noise),
        Action::Dispense { mount, volume_ul, .. } => scene.dispense(mount, volume_ul, noise),
        Action::BlowOut { mount, .. } => scene.blow_out(mount),
    };
    Outcome { events, gantry: motion::gantry_after(scene.state, action) }
}

impl<'a> Scene<'a> {
    fn actor(&self, mount: Mount) -> Actor {
        Actor { mount, nozzle: self.state.nozzle(mount).rounded() }
    }

    fn tip(&self, mount: Mount) -> Option<&'a Tip> {
        self.state.tool(mount).tip()
    }

    fn end(&self, mount: Mount) -> Point {
        end_of(self.state.nozzle(mount), self.state.tool(mount))
    }

    fn bias(&self, mount: Mount) -> Bias {
        let [left, right] = self.bias_asked;
        let asked = if mount == Mount::Left { left } else { right };
        asked.unwrap_or_else(|| bias_of(mount, self.config.seed))
    }

    const fn pipette(&self, mount: Mount) -> Option<PipetteModel> {
        match mount {
            Mount::Left => self.config.left,
            Mount::Right => self.config.right,
        }
    }

    /// The plungers go to their end switches too: whatever is in a tip comes out, where the gantry stands then.
    fn home(&self) -> Vec<Event> {
        let mut events = vec![Event::Home {
            left: self.state.tool(Mount::Left).name(),
            right: self.state.tool(Mount::Right).name(),
        }];
        for mount in [Mount::Left, Mount::Right] {
            let Some(tip) = self.tip(mount).filter(|tip| !tip.liquid.is_empty()) else { continue };
            let nozzle = Gantry::home(self.state.tops()).nozzle(mount);
            let spot = receiver(self.state, end_of(nozzle, self.state.tool(mount))).map(|place| place.spot());
            let actor = Actor { mount, nozzle };
            events.push(Event::BlowOut { actor, spot, portion: Portion::of(&tip.liquid) });
        }
        events
    }

    fn travel(&self, mount: Mount, to: Point, travel: Travel) -> Vec<Event> {
        let way = motion::way(self.state.nozzle(mount), to, travel);
        let mut events: Vec<Event> = self.first_crash(mount, &way).into_iter().collect();
        let actor = Actor { mount, nozzle: to.rounded() };
        events.extend(self.dip(actor, end_of(to, self.state.tool(mount)), None));
        events
    }

    /// The first collision on the way. Where the way begins is no news.
    fn first_crash(&self, mount: Mount, way: &[Point]) -> Option<Event> {
        let tool = self.state.tool(mount);
        let began = way.first().copied()?;
        motion::samples(way).filter(|nozzle| *nozzle != began).find_map(|nozzle| {
            let end = end_of(nozzle, tool);
            let (floor, obstacle) = floor_under(self.state, end);
            if end.z >= floor - CRASH_TOLERANCE_MM {
                return None;
            }
            let actor = Actor { mount, nozzle: nozzle.rounded() };
            let why = "driven into it on the way".to_owned();
            Some(Event::Crash { actor, tool: tool.name(), end: end.rounded(), obstacle, why })
        })
    }

    /// A tool's end in liquid it had not met before. `after` is the well's liquid when an event before this changes it.
    fn dip(&self, actor: Actor, end: Point, after: Option<&Liquid>) -> Option<Event> {
        let place = place_under(self.state, end).filter(|place| place.placed.labware.kind == LabwareKind::Vessels)?;
        let liquid = after.cloned().unwrap_or_else(|| place.liquid());
        if liquid.is_empty() || end.z >= place.surface_z(&liquid) {
            return None;
        }
        let tool = self.state.tool(actor.mount);
        let carried = match tool {
            Tool::Nothing => return None,
            Tool::Sensor => BTreeSet::new(),
            // A clean tip that dips into liquid to draw it is what tips are for.
            Tool::Tip(tip) if tip.touched.is_empty() && tip.liquid.is_empty() => return None,
            Tool::Tip(tip) => tip.touched.clone(),
        };
        let met: BTreeSet<String> = liquid.components().map(|(dye, _)| dye.to_owned()).collect();
        let touch =
            Event::Touch { actor, spot: place.spot(), tool: tool.name(), carried: carried.clone(), met: met.clone() };
        (met != carried).then_some(touch)
    }

    fn pick_up(&self, mount: Mount) -> Vec<Event> {
        let actor = self.actor(mount);
        let tool = self.state.tool(mount);
        if *tool != Tool::Nothing {
            let (_, obstacle) = floor_under(self.state, self.end(mount));
            let why = "pressed down with a tool already on the nozzle".to_owned();
            return vec![Event::Crash { actor, tool: tool.name(), end: self.end(mount).rounded(), obstacle, why }];
        }
        let place = place_under(self.state, actor.nozzle);
        let spot = place.as_ref().map(Place::spot);
        let taken = place.ok_or("nothing is there").and_then(|place| self.taken(mount, &place, actor.nozzle));
        match (taken, spot) {
            (Ok((tool, used)), Some(spot)) => vec![Event::PickUpTip { actor, spot, tool, used }],
            (Ok(_), None) => Vec::new(),
            (Err(why), spot) => vec![Event::Miss { actor, spot, why: why.to_owned() }],
        }
    }

    /// What the nozzle takes up from `place`: the tool, and whether it was used before.
    fn taken(&self, mount: Mount, place: &Place<'_>, nozzle: Point) -> Result<(ToolName, bool), &'static str> {
        let pipette = self.pipette(mount).ok_or("no pipette on that mount")?;
        if (nozzle.z - place.rim_z()).abs() > PRESS_REACH_MM {
            return Err("pressed at the wrong height");
        }
        let off_centre = place.off_centre_mm(nozzle);
        if place.placed.sensor_in.as_deref() == Some(place.well) {
            if self.sensor_is_stuck {
                return Err("the sensor sticks in its dock");
            }
            let centred = off_centre <= SENSOR_TOLERANCE_MM;
            return if centred { Ok((ToolName::Sensor, false)) } else { Err("pressed beside the sensor's collar") };
        }
        let tip = place.placed.tips.get(place.well).ok_or("no tip is left there")?;
        if off_centre > TIP_TOLERANCE_MM {
            return Err("pressed beside the tip");
        }
        if !takes_tip_of(pipette, tip.capacity_ul) {
            return Err("the tip doesn't fit this pipette");
        }
        Ok((ToolName::Tip, tip.pick_ups > 0))
    }

    fn drop_tool(&self, mount: Mount) -> Vec<Event> {
        let tool = self.state.tool(mount);
        let end = self.end(mount);
        let spot = match tool {
            Tool::Nothing => return Vec::new(),
            Tool::Tip(_) => self.tip_lands(end),
            Tool::Sensor => self.sensor_lands(end),
        };
        let portion = tool.tip().map(|tip| Portion::of(&tip.liquid)).unwrap_or_default();
        vec![Event::DropTip { actor: self.actor(mount), spot, tool: tool.name(), portion }]
    }

    fn tip_lands(&self, end: Point) -> Option<Spot> {
        let place = place_under(self.state, end)?;
        let free = !place.placed.tips.contains_key(place.well);
        let lands = match place.placed.labware.kind {
            LabwareKind::Trash => true,
            LabwareKind::TipRack { .. } => {
                free && end.z < place.rim_z() && place.off_centre_mm(end) <= TIP_TOLERANCE_MM
            }
            LabwareKind::Vessels | LabwareKind::SensorDock => false,
        };
        lands.then(|| place.spot())
    }

    fn sensor_lands(&self, end: Point) -> Option<Spot> {
        let place = place_under(self.state, end)?;
        let lands = match place.placed.labware.kind {
            LabwareKind::Trash => true,
            LabwareKind::SensorDock => {
                let seats = end.z - (place.rim_z() - SENSOR_LENGTH_MM) <= SENSOR_SEATS_MM;
                seats && place.off_centre_mm(end) <= SENSOR_TOLERANCE_MM
            }
            LabwareKind::Vessels | LabwareKind::TipRack { .. } => false,
        };
        lands.then(|| place.spot())
    }

    fn aspirate(&self, mount: Mount, volume_ul: f64, noise: &mut ChaCha8Rng) -> Vec<Event> {
        let (Some(pipette), Some(tip)) = (self.pipette(mount), self.tip(mount)) else { return Vec::new() };
        if !is_volume(volume_ul) {
            return Vec::new();
        }
        let actor = self.actor(mount);
        let end = self.end(mount);
        let room = (tip.capacity_ul * TIP_RESERVE - tip.liquid.volume_ul()).max(0.0);
        let moved = stroke(pipette, self.bias(mount), volume_ul, noise).min(room);
        let place = place_under(self.state, end).filter(|place| place.placed.labware.kind == LabwareKind::Vessels);
        let spot = place.as_ref().map(Place::spot);
        let reached = place.as_ref().map_or(0.0, |place| within_reach(place, end));
        let drawn = place.map(|place| place.liquid().part(moved.min(reached))).unwrap_or_default();
        let mut events: Vec<Event> = self.dip(actor, end, None).into_iter().collect();
        let share = if moved > 0.0 { (drawn.volume_ul() / moved).min(1.0) } else { 0.0 };
        let complete = share > 0.999;
        let nominal = if complete { volume_ul } else { rounded_ul(volume_ul * share) };
        if let Some(spot) = spot.clone().filter(|_| !drawn.is_empty()) {
            events.push(Event::Aspirate { actor, spot, portion: Portion::of(&drawn), nominal_ul: nominal });
        }
        if !complete {
            let air = rounded_ul(moved - drawn.volume_ul());
            let nominal_ul = rounded_ul(volume_ul - nominal);
            events.push(Event::Air { actor, spot, while_doing: ASPIRATING.to_owned(), volume_ul: air, nominal_ul });
        }
        events
    }

    fn dispense(&self, mount: Mount, volume_ul: f64, noise: &mut ChaCha8Rng) -> Vec<Event> {
        let (Some(pipette), Some(tip)) = (self.pipette(mount), self.tip(mount)) else { return Vec::new() };
        if !is_volume(volume_ul) {
            return Vec::new();
        }
        let whole = volume_ul >= tip.nominal_ul - PLUNGER_PLAY_UL;
        let moved = if whole { f64::INFINITY } else { stroke(pipette, self.bias(mount), volume_ul, noise) };
        let only_air = !whole && volume_ul <= tip.gap_ul + PLUNGER_PLAY_UL;
        let liquid = if only_air { Liquid::default() } else { tip.liquid.part((moved - tip.gap_ul).max(0.0)) };
        let actor = self.actor(mount);
        let end = self.end(mount);
        let place = receiver(self.state, end);
        if liquid.is_empty() {
            let spot = place.as_ref().map(Place::spot);
            let while_doing = DISPENSING.to_owned();
            return vec![Event::Air { actor, spot, while_doing, volume_ul, nominal_ul: volume_ul }];
        }
        let portion = Portion::of(&liquid);
        match place {
            None => vec![Event::Spill { actor, portion, nominal_ul: volume_ul }],
            Some(place) => {
                let dispensed = Event::Dispense { actor, spot: place.spot(), portion, nominal_ul: volume_ul };
                self.poured(actor, end, &place, &liquid, dispensed)
            }
        }
    }

    fn blow_out(&self, mount: Mount) -> Vec<Event> {
        let Some(tip) = self.tip(mount) else { return Vec::new() };
        let actor = self.actor(mount);
        let end = self.end(mount);
        let portion = Portion::of(&tip.liquid);
        let Some(place) = receiver(self.state, end) else {
            return vec![Event::BlowOut { actor, spot: None, portion }];
        };
        let blown = Event::BlowOut { actor, spot: Some(place.spot()), portion };
        self.poured(actor, end, &place, &tip.liquid, blown)
    }

    /// `event` puts `liquid` into `place`; what else follows: the tip's end under the new surface, the rim passed.
    fn poured(&self, actor: Actor, end: Point, place: &Place<'_>, liquid: &Liquid, event: Event) -> Vec<Event> {
        let mut mixture = place.liquid();
        mixture.add(liquid);
        let mut events = vec![event];
        events.extend(self.dip(actor, end, Some(&mixture)));
        let excess = mixture.volume_ul() - place.geometry.capacity_ul;
        if excess > 0.0 {
            let portion = Portion::of(&mixture.part(excess));
            events.push(Event::Overflow { spot: place.spot(), portion });
        }
        events
    }
}

fn is_volume(volume_ul: f64) -> bool {
    volume_ul.is_finite() && volume_ul > 0.0
}
