//! What is on a deck, as bars: how much is left, how much the queue needs, and when it runs out.

use crate::{optics, sentences::counted, when::duration};
use domain::{Inventory, WellName};
use store::Robot;
use workflow::{RunsOut, Supply};

/// One consumable. Bars are 100 wide.
pub struct SupplyView {
    pub label: String,
    /// Of a dye.
    pub hex: Option<String>,
    pub left: String,
    /// Nothing where it isn't known how much there can be.
    pub bar: Option<String>,
    /// Where the bar will end after the queue; nothing if the queue needs none of it.
    pub mark: Option<String>,
    pub note: String,
    pub runs_out: Option<RunsOutView>,
}

/// The first experiment that doesn't fit any more: a sentence around a link to it.
pub struct RunsOutView {
    pub before: &'static str,
    pub href: String,
    pub link: String,
    pub after: String,
}

/// The plate from above.
pub struct MiniPlate {
    pub wells: Vec<Place>,
    pub label: String,
}

pub struct Place {
    pub x: u8,
    pub y: u8,
    pub class: &'static str,
}

pub fn views(robot: &Robot, inventory: &Inventory, supplies: Vec<Supply>) -> Vec<SupplyView> {
    let mut views: Vec<_> = supplies.into_iter().map(|supply| view(robot, inventory, supply)).collect();
    views.push(waste(inventory));
    views
}

fn view(robot: &Robot, inventory: &Inventory, supply: Supply) -> SupplyView {
    let dye = robot.deck.dyes.iter().find(|dye| supply.name == format!("{} ({})", dye.name, dye.vial));
    let held = dye.and_then(|dye| inventory.vials.iter().find(|vial| vial.vial == dye.vial));
    let needed = (supply.needed > 0.0).then(|| format!("the queue needs {}", amount(supply.needed, supply.unit)));
    let batch = held.and_then(|vial| vial.batch.as_ref()).map(|batch| format!("batch {batch}"));
    let tips = supply.name.starts_with("tips").then(|| standing_tips(inventory));
    let notes: Vec<_> = [needed, batch, tips].into_iter().flatten().collect();
    SupplyView {
        hex: dye.map(|dye| optics::emblem(&dye.name)),
        left: amount(supply.left, supply.unit),
        bar: Some(share(supply.left, supply.full)),
        mark: (supply.needed > 0.0).then(|| share(supply.left - supply.needed, supply.full)),
        note: notes.join("; "),
        runs_out: supply.runs_out.map(|out| runs_out(&out)),
        label: supply.name,
    }
}

/// The journal counts what went in; how much the vial takes isn't known, so there is no bar.
fn waste(inventory: &Inventory) -> SupplyView {
    SupplyView {
        label: "waste".to_owned(),
        hex: None,
        left: amount(inventory.waste.ul(), "µL"),
        bar: None,
        mark: None,
        note: "blown out of tips since it was emptied".to_owned(),
        runs_out: None,
    }
}

fn runs_out(out: &RunsOut) -> RunsOutView {
    let link = match out.queue_position {
        1 => "the next experiment".to_owned(),
        place => format!("experiment #{place}"),
    };
    let (before, after) = if out.in_seconds < 1.0 {
        ("Not enough for", String::new())
    } else {
        ("Runs out before", format!(", in about {}", duration(out.in_seconds)))
    };
    RunsOutView { before, href: format!("/experiments/{}", out.experiment_id), link, after }
}

/// As people read it off a vial: mL for liquids, whole numbers for the rest.
fn amount(value: f64, unit: &str) -> String {
    match unit {
        "µL" => format!("{:.1} mL", value / 1_000.0),
        unit => counted(value, unit),
    }
}

fn share(value: f64, full: f64) -> String {
    let share = if full > 0.0 { value / full } else { 0.0 };
    format!("{:.1}", share.clamp(0.0, 1.0) * 100.0)
}

fn standing_tips(inventory: &Inventory) -> String {
    let lost = inventory.lost_tips().count();
    let standing: Vec<_> =
        inventory.tips.iter().filter_map(|tip| Some(format!("{} {}", tip.dye.as_ref()?, tip.tip))).collect();
    let standing = if standing.is_empty() { "none in use".to_owned() } else { standing.join(", ") };
    if lost == 0 { standing } else { format!("{standing}; {lost} thrown away") }
}

impl MiniPlate {
    pub fn of(inventory: &Inventory) -> Self {
        let free = inventory.free_wells();
        let label = if inventory.plate.is_some() { format!("{free} of 96 wells free") } else { "no plate".to_owned() };
        Self { wells: WellName::all().map(|well| place(well, inventory)).collect(), label }
    }
}

fn place(well: WellName, inventory: &Inventory) -> Place {
    let class = if inventory.used_wells.contains(&well) { "used" } else { "free" };
    Place { x: well.column(), y: well.row(), class }
}
