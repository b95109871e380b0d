//! The deck as it is: a fold over the ledger's events. Nothing here decides; [`State::apply`] only makes true what an
//! event says.

use super::{
    dock::{DOCK_WELL, SENSOR_LENGTH_MM, SENSOR_OVERLAP_MM},
    event::{ASPIRATING, Actor, Event, Portion, Spot, ToolName},
    geometry::{LabwareKind, PhysicalLabware, Point, Slot},
    liquid::{Liquid, rounded_ul},
};
use domain::{Mount, PipetteModel};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// A pipette tip, in a rack or on a nozzle.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tip {
    /// How far its end is below the nozzle, mm.
    pub reach_mm: f64,
    pub capacity_ul: f64,
    /// How often it was picked up.
    pub pick_ups: u32,
    pub liquid: Liquid,
    /// What the plunger believes is in it, µL.
    pub nominal_ul: f64,
    /// Air at its end, below the liquid, µL: it comes out first.
    pub gap_ul: f64,
    /// Dyes its outside has met.
    pub touched: BTreeSet<String>,
}

/// What hangs on a nozzle.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Tool {
    #[default]
    Nothing,
    Tip(Tip),
    Sensor,
}

impl Tool {
    pub const fn name(&self) -> ToolName {
        match self {
            Self::Nothing => ToolName::Nothing,
            Self::Tip(_) => ToolName::Tip,
            Self::Sensor => ToolName::Sensor,
        }
    }

    /// How far its end is below the bare nozzle, mm.
    pub fn reach_mm(&self) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Tip(tip) => tip.reach_mm,
            Self::Sensor => SENSOR_LENGTH_MM - SENSOR_OVERLAP_MM,
        }
    }

    pub(crate) const fn tip(&self) -> Option<&Tip> {
        match self {
            Self::Tip(tip) => Some(tip),
            _ => None,
        }
    }
}

/// Labware in a slot, and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
    #[serde(rename = "load_name", serialize_with = "load_name_only")]
    pub labware: PhysicalLabware,
    /// Part of the lab's own deck; otherwise a client brought it.
    pub of_the_lab: bool,
    /// Wells that hold something.
    pub liquids: BTreeMap<String, Liquid>,
    /// Tips, by the place they stand in. Only in tip racks.
    pub tips: BTreeMap<String, Tip>,
    /// Where in it the colour sensor stands.
    pub sensor_in: Option<String>,
}

fn load_name_only<S: Serializer>(labware: &PhysicalLabware, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&labware.load_name)
}

impl Placed {
    pub(crate) fn by_the_lab(labware: PhysicalLabware) -> Self {
        Self { of_the_lab: true, ..Self::fresh(labware) }
    }

    /// Empty wells, new tips.
    fn fresh(labware: PhysicalLabware) -> Self {
        let tips = new_tips(&labware);
        Self { labware, of_the_lab: false, liquids: BTreeMap::new(), tips, sensor_in: None }
    }

    /// What a well holds.
    pub fn liquid(&self, well: &str) -> Liquid {
        self.liquids.get(well).cloned().unwrap_or_default()
    }

    pub(crate) fn pour(&mut self, well: &str, liquid: &Liquid) {
        self.liquids.entry(well.to_owned()).or_default().add(liquid);
    }

    fn draw(&mut self, well: &str, liquid: &Liquid) {
        if let Some(held) = self.liquids.get_mut(well) {
            held.remove(liquid);
        }
        self.liquids.retain(|_, held| !held.is_empty());
    }

    /// All liquid in it, tips included.
    fn total(&self) -> Liquid {
        let mut total = Liquid::default();
        self.liquids.values().chain(self.tips.values().map(|tip| &tip.liquid)).for_each(|liquid| total.add(liquid));
        total
    }
}

fn new_tips(labware: &PhysicalLabware) -> BTreeMap<String, Tip> {
    let LabwareKind::TipRack { length_mm, overlap_mm, capacity_ul } = labware.kind else { return BTreeMap::new() };
    let tip = Tip { reach_mm: length_mm - overlap_mm, capacity_ul, ..Tip::default() };
    labware.wells.keys().map(|well| (well.clone(), tip.clone())).collect()
}

/// The gantry: where the right nozzle would be over the deck, and how high each nozzle is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Gantry {
    pub right_x_mm: f64,
    pub y_mm: f64,
    pub left_z_mm: f64,
    pub right_z_mm: f64,
}

impl Gantry {
    /// Every axis at its end switch. Right of the fixed trash's middle, as on the OT-2.
    pub(crate) const fn home(tops: Tops) -> Self {
        Self { right_x_mm: 418.0, y_mm: 353.0, left_z_mm: tops.left_mm, right_z_mm: tops.right_mm }
    }

    pub(crate) fn nozzle(self, mount: Mount) -> Point {
        match mount {
            Mount::Left => Point::new(self.right_x_mm - MOUNTS_APART_MM, self.y_mm, self.left_z_mm),
            Mount::Right => Point::new(self.right_x_mm, self.y_mm, self.right_z_mm),
        }
    }

    /// With `mount` drawn up.
    pub(crate) const fn with_raised(self, mount: Mount, tops: Tops) -> Self {
        match mount {
            Mount::Left => Self { left_z_mm: tops.left_mm, ..self },
            Mount::Right => Self { right_z_mm: tops.right_mm, ..self },
        }
    }

    /// With `mount`'s nozzle at `place` and the other mount drawn up.
    pub(crate) fn with_nozzle_at(mount: Mount, place: Point, tops: Tops) -> Self {
        match mount {
            Mount::Left => Self {
                right_x_mm: place.x + MOUNTS_APART_MM,
                y_mm: place.y,
                left_z_mm: place.z,
                right_z_mm: tops.right_mm,
            },
            Mount::Right => Self { right_x_mm: place.x, y_mm: place.y, left_z_mm: tops.left_mm, right_z_mm: place.z },
        }
    }
}

/// How high the bare nozzle of each mount is when the mount is at its end switch, mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tops {
    left_mm: f64,
    right_mm: f64,
}

impl Tops {
    /// Of a robot with these pipettes. An empty mount has its own end for a nozzle.
    pub(crate) fn of(left: Option<PipetteModel>, right: Option<PipetteModel>) -> Self {
        let top =
            |model: Option<PipetteModel>| HOMED_MOUNT_Z_MM + model.map_or(0.0, PipetteModel::nozzle_above_mount_mm);
        Self { left_mm: top(left), right_mm: top(right) }
    }

    pub(crate) const fn on(self, mount: Mount) -> f64 {
        match mount {
            Mount::Left => self.left_mm,
            Mount::Right => self.right_mm,
        }
    }
}

/// Distance between the two mounts (Opentrons `ROBOT_MODEL`, left mount offset −34 mm).
const MOUNTS_APART_MM: f64 = 34.0;
/// How high a mount is at its end switch (Opentrons' Smoothie driver, homed position of Z and A).
const HOMED_MOUNT_Z_MM: f64 = 218.0;

/// Everything that is physically true. In JSON a snapshot for people and tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct State {
    slots: BTreeMap<Slot, Placed>,
    left: Tool,
    right: Tool,
    gantry: Gantry,
    #[serde(skip)]
    tops: Tops,
    /// Lying on the deck.
    spilled: Liquid,
    /// Taken away by the operator: old plates, old vials.
    removed: Liquid,
    /// Brought by the operator since the deck was first set up.
    supplied: Liquid,
    crashes: u64,
}

impl State {
    pub(crate) fn new(slots: BTreeMap<Slot, Placed>, tops: Tops) -> Self {
        Self {
            slots,
            left: Tool::Nothing,
            right: Tool::Nothing,
            gantry: Gantry::home(tops),
            tops,
            spilled: Liquid::default(),
            removed: Liquid::default(),
            supplied: Liquid::default(),
            crashes: 0,
        }
    }

    pub fn placed(&self, slot: Slot) -> Option<&Placed> {
        self.slots.get(&slot)
    }

    /// Everything that stands on the deck, by slot.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &Placed)> {
        self.slots.iter().map(|(slot, placed)| (*slot, placed))
    }

    pub const fn tool(&self, mount: Mount) -> &Tool {
        match mount {
            Mount::Left => &self.left,
            Mount::Right => &self.right,
        }
    }

    /// The mount that carries the colour sensor.
    pub fn sensor_mount(&self) -> Option<Mount> {
        [Mount::Left, Mount::Right].into_iter().find(|mount| *self.tool(*mount) == Tool::Sensor)
    }

    pub fn nozzle(&self, mount: Mount) -> Point {
        self.gantry.nozzle(mount)
    }

    pub(crate) const fn gantry(&self) -> Gantry {
        self.gantry
    }

    pub(crate) const fn tops(&self) -> Tops {
        self.tops
    }

    pub(crate) fn put_gantry(&mut self, gantry: Gantry) {
        self.gantry = gantry;
    }

    /// Liquid lying on the deck.
    pub const fn spilled(&self) -> &Liquid {
        &self.spilled
    }

    /// How often something was driven into something.
    pub const fn crashes(&self) -> u64 {
        self.crashes
    }

    /// All liquid there is and was: what stands on the deck, hangs on nozzles, lies on the deck or was taken away,
    /// less what was brought. Nothing a robot does changes it.
    pub fn balance(&self) -> BTreeMap<String, f64> {
        let mut all = Liquid::default();
        self.slots.values().for_each(|placed| all.add(&placed.total()));
        [&self.left, &self.right].into_iter().filter_map(Tool::tip).for_each(|tip| all.add(&tip.liquid));
        all.add(&self.spilled);
        all.add(&self.removed);
        let less_supplied = |(dye, ul): (&str, f64)| (dye.to_owned(), rounded_ul(ul - self.supplied.of(dye)));
        all.components().map(less_supplied).filter(|(_, ul)| *ul != 0.0).collect()
    }

    /// Makes true what `event` says. Whatever names something that isn't there changes nothing.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Home { .. } => self.gantry = Gantry::home(self.tops),
            Event::PickUpTip { actor, spot, .. } => self.pick_up(*actor, spot),
            Event::DropTip { actor, spot, .. } => self.drop_tool(*actor, spot.as_ref()),
            Event::Aspirate { actor, spot, portion, nominal_ul } => self.aspirate(*actor, spot, portion, *nominal_ul),
            Event::Air { actor, while_doing, nominal_ul, .. } => self.plunge(*actor, while_doing, *nominal_ul),
            Event::Dispense { actor, spot, portion, nominal_ul } => {
                self.release(*actor, portion, *nominal_ul);
                self.pour(Some(spot), portion);
            }
            Event::BlowOut { actor, spot, portion } => {
                self.release(*actor, portion, f64::INFINITY);
                self.pour(spot.as_ref(), portion);
            }
            Event::Spill { actor, portion, nominal_ul } => {
                self.release(*actor, portion, *nominal_ul);
                self.pour(None, portion);
            }
            Event::Overflow { spot, portion } => {
                self.draw(spot, portion);
                self.spilled.add(&portion.components);
            }
            Event::Touch { actor, met, .. } => self.touch(*actor, met.iter().map(String::as_str)),
            Event::Crash { actor, .. } => {
                self.stand(*actor);
                self.crashes += 1;
            }
            Event::Miss { actor, .. } => {
                self.stand(*actor);
                self.gantry = self.gantry.with_raised(actor.mount, self.tops);
            }
            Event::Read { .. } => {}
            Event::NewPlate { slot, .. } | Event::NewTipRack { slot, .. } => self.replace(*slot),
            Event::Gone { spot, portion, .. } => {
                self.draw(spot, portion);
                self.removed.add(&portion.components);
            }
            Event::Refill { spot, portion } => self.refill(spot, portion),
            Event::SensorRestored { spot } => self.restore_sensor(spot),
            Event::NozzleCleared { mount, .. } => self.clear_nozzle(*mount),
            Event::LabwarePlaced { slot, geometry, .. } => {
                self.take_away(*slot);
                self.slots.insert(*slot, Placed::fresh(geometry.clone()));
            }
            Event::LabwareRemoved { slot, .. } => self.take_away(*slot),
        }
    }

    fn tool_mut(&mut self, mount: Mount) -> &mut Tool {
        match mount {
            Mount::Left => &mut self.left,
            Mount::Right => &mut self.right,
        }
    }

    fn tip_mut(&mut self, mount: Mount) -> Option<&mut Tip> {
        match self.tool_mut(mount) {
            Tool::Tip(tip) => Some(tip),
            _ => None,
        }
    }

    /// The actor's nozzle was there.
    fn stand(&mut self, actor: Actor) {
        self.gantry = Gantry::with_nozzle_at(actor.mount, actor.nozzle, self.tops);
    }

    fn pick_up(&mut self, actor: Actor, spot: &Spot) {
        self.stand(actor);
        self.gantry = self.gantry.with_raised(actor.mount, self.tops);
        let Some(placed) = self.slots.get_mut(&spot.slot) else { return };
        if placed.sensor_in.as_ref() == Some(&spot.well) {
            placed.sensor_in = None;
            *self.tool_mut(actor.mount) = Tool::Sensor;
        } else if let Some(mut tip) = placed.tips.remove(&spot.well) {
            tip.pick_ups = tip.pick_ups.saturating_add(1);
            *self.tool_mut(actor.mount) = Tool::Tip(tip);
        }
    }

    fn drop_tool(&mut self, actor: Actor, spot: Option<&Spot>) {
        self.stand(actor);
        let tool = std::mem::take(self.tool_mut(actor.mount));
        let place = spot.and_then(|spot| Some((self.slots.get_mut(&spot.slot)?, spot)));
        match (tool, place) {
            (Tool::Nothing, _) => {}
            (Tool::Sensor, Some((placed, spot))) if placed.labware.kind == LabwareKind::SensorDock => {
                placed.sensor_in = Some(spot.well.clone());
            }
            (Tool::Sensor, _) => {}
            (Tool::Tip(mut tip), Some((placed, spot))) if is_tip_rack(&placed.labware) => {
                tip.nominal_ul = 0.0;
                tip.gap_ul = 0.0;
                placed.tips.insert(spot.well.clone(), tip);
            }
            (Tool::Tip(tip), Some((placed, spot))) => placed.pour(&spot.well, &tip.liquid),
            (Tool::Tip(tip), None) => self.spilled.add(&tip.liquid),
        }
    }

    fn aspirate(&mut self, actor: Actor, spot: &Spot, portion: &Portion, nominal_ul: f64) {
        self.stand(actor);
        self.draw(spot, portion);
        if let Some(tip) = self.tip_mut(actor.mount) {
            tip.liquid.add(&portion.components);
            tip.gap_ul = 0.0;
            tip.nominal_ul = rounded_ul(tip.nominal_ul + nominal_ul);
        }
        self.touch(actor, portion.components.components().map(|(dye, _)| dye));
    }

    fn plunge(&mut self, actor: Actor, while_doing: &str, nominal_ul: f64) {
        self.stand(actor);
        let Some(tip) = self.tip_mut(actor.mount) else { return };
        let moved = if while_doing == ASPIRATING { nominal_ul } else { -nominal_ul };
        if !tip.liquid.is_empty() {
            tip.gap_ul = rounded_ul(tip.gap_ul + moved).max(0.0);
        }
        tip.nominal_ul = rounded_ul(tip.nominal_ul + moved).max(0.0);
    }

    fn release(&mut self, actor: Actor, portion: &Portion, nominal_ul: f64) {
        self.stand(actor);
        let Some(tip) = self.tip_mut(actor.mount) else { return };
        tip.liquid.remove(&portion.components);
        tip.gap_ul = 0.0;
        tip.nominal_ul = rounded_ul((tip.nominal_ul - nominal_ul).max(0.0));
    }

    fn pour(&mut self, spot: Option<&Spot>, portion: &Portion) {
        match spot.and_then(|spot| Some((self.slots.get_mut(&spot.slot)?, spot))) {
            Some((placed, spot)) if !portion.components.is_empty() => placed.pour(&spot.well, &portion.components),
            Some(_) => {}
            None => self.spilled.add(&portion.components),
        }
    }

    fn draw(&mut self, spot: &Spot, portion: &Portion) {
        if let Some(placed) = self.slots.get_mut(&spot.slot) {
            placed.draw(&spot.well, &portion.components);
        }
    }

    fn touch<'a>(&mut self, actor: Actor, dyes: impl Iterator<Item = &'a str>) {
        self.stand(actor);
        if let Some(tip) = self.tip_mut(actor.mount) {
            tip.touched.extend(dyes.map(str::to_owned));
        }
    }

    /// The same labware, clean and full.
    fn replace(&mut self, slot: Slot) {
        let Some(placed) = self.slots.get_mut(&slot) else { return };
        self.removed.add(&placed.total());
        let fresh = Placed { of_the_lab: placed.of_the_lab, ..Placed::fresh(placed.labware.clone()) };
        *placed = fresh;
    }

    fn refill(&mut self, spot: &Spot, portion: &Portion) {
        let Some(placed) = self.slots.get_mut(&spot.slot) else { return };
        if let Some(old) = placed.liquids.remove(&spot.well) {
            self.removed.add(&old);
        }
        placed.pour(&spot.well, &portion.components);
        self.supplied.add(&portion.components);
    }

    fn restore_sensor(&mut self, spot: &Spot) {
        if let Some(mount) = self.sensor_mount() {
            *self.tool_mut(mount) = Tool::Nothing;
        }
        for placed in self.slots.values_mut() {
            placed.sensor_in = None;
        }
        if let Some(dock) = self.slots.get_mut(&spot.slot) {
            dock.sensor_in = Some(DOCK_WELL.to_owned());
        }
    }

    fn clear_nozzle(&mut self, mount: Mount) {
        if let Tool::Tip(tip) = std::mem::take(self.tool_mut(mount)) {
            self.removed.add(&tip.liquid);
        }
    }

    fn take_away(&mut self, slot: Slot) {
        if let Some(old) = self.slots.remove(&slot) {
            self.removed.add(&old.total());
        }
    }
}

fn is_tip_rack(labware: &PhysicalLabware) -> bool {
    matches!(labware.kind, LabwareKind::TipRack { .. })
}
