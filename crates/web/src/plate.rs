//! The plate as a drawing: where each well lies, what fills it, how it stands.

use crate::optics;
use domain::{PlateId, Volume, WellId, WellName, WellStatus};
use std::collections::{BTreeMap, HashMap};
use store::{ExperimentDetail, Measurement, Well};

const COLUMNS: usize = 12;
const ROWS: usize = 8;
/// Radius of the liquid in a well, in well pitches.
const LIQUID: f64 = 0.36;

/// How far down a drawing reaches, in well pitches.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub height: &'static str,
    /// Where the rounding of the plate's lower corners begins.
    pub corner: &'static str,
}

/// Eight rows below their column numbers.
const WHOLE_PLATE: Frame = Frame { height: "8.650", corner: "7.400" };
const ONE_ROW: Frame = Frame { height: "1.550", corner: "0.300" };

/// One well in the drawing. Coordinates are in well pitches (9 mm), A1 at 0,0.
#[derive(Clone, Debug)]
pub struct Spot {
    pub id: String,
    /// Its name on the plate, or its number in the request as long as it has none.
    pub name: String,
    pub x: usize,
    pub y: usize,
    /// A well status; also the CSS class.
    pub status: &'static str,
    /// It was measured and isn't to be believed.
    pub is_doubtful: bool,
    pub fill: String,
    /// SVG path of what it holds, full at the recipe's volume; nothing when it is empty.
    pub level: Option<String>,
    pub label: String,
    pub is_selected: bool,
    pub is_in_tab_order: bool,
}

/// One plate, or the tray of wells that have no place yet.
#[derive(Clone, Debug)]
pub struct PlateView {
    pub caption: String,
    pub is_allotted: bool,
    pub frame: Frame,
    pub vacant: Vec<(usize, usize)>,
    pub spots: Vec<Spot>,
}

/// How each state is drawn: its class, what it means, and a level that shows it.
pub fn legend() -> [(&'static str, &'static str, Option<String>); 7] {
    let drawn = |class, meaning, share| (class, meaning, level(0.0, 0.0, share));
    [
        drawn("pending", "empty, as predicted", 0.0),
        drawn("dispensing", "being filled", 0.5),
        drawn("mixed", "mixed", 1.0),
        drawn("measured", "as measured", 1.0),
        drawn("quarantined", "set aside", 1.0),
        drawn("cancelled", "cancelled, liquid in it", 0.5),
        drawn("cancelled", "cancelled, empty", 0.0),
    ]
}

/// The colour a well is drawn in: measured if it is, predicted otherwise.
pub fn fill(well: &Well, measurement: Option<&Measurement>) -> String {
    measurement.and_then(views::measured_colour).unwrap_or_else(|| optics::predict(&well.recipe).hex)
}

/// Every plate this experiment lies on, in order of first use; before it starts, a tray.
pub fn views(detail: &ExperimentDetail, liquid: &HashMap<WellId, Volume>, selected: Option<&str>) -> Vec<PlateView> {
    let mut plates: BTreeMap<PlateId, Vec<Spot>> = BTreeMap::new();
    let mut tray = Vec::new();
    for (well, measurement) in &detail.wells {
        match (well.well_id, well.plate_id) {
            (Some(name), Some(plate)) => {
                let (at, share) = (places_of(name), share(well, liquid));
                plates.entry(plate).or_default().push(spot(well, measurement.as_ref(), name.to_string(), at, share))
            }
            _ => tray.push(waiting_spot(well, tray.len())),
        }
    }
    let several = plates.len() > 1;
    let mut views: Vec<_> =
        plates.into_values().enumerate().map(|(index, spots)| plate(spots, several.then_some(index + 1))).collect();
    if !tray.is_empty() {
        let is_alone = views.is_empty();
        views.push(tray_view(tray, is_alone));
    }
    for spot in views.iter_mut().flat_map(|view| &mut view.spots) {
        spot.is_selected = selected == Some(spot.id.as_str());
    }
    give_one_spot_to_the_keyboard(&mut views);
    views
}

fn plate(spots: Vec<Spot>, number: Option<usize>) -> PlateView {
    let taken: Vec<_> = spots.iter().map(|spot| (spot.x, spot.y)).collect();
    let vacant = all_places().filter(|place| !taken.contains(place)).collect();
    let caption = number.map_or_else(|| "On the plate".to_owned(), |number| format!("Plate {number}"));
    PlateView { caption, is_allotted: true, frame: WHOLE_PLATE, vacant, spots }
}

/// Alone, it is as large as the plate that it will become, so that nothing on the page jumps then.
fn tray_view(spots: Vec<Spot>, is_alone: bool) -> PlateView {
    let waits = spots.iter().any(|spot| spot.status == WellStatus::Pending.as_str());
    let caption = if waits { "Waiting for the plate" } else { "Never came to a plate" }.to_owned();
    if !is_alone && spots.len() <= COLUMNS {
        return PlateView { caption, is_allotted: false, frame: ONE_ROW, vacant: Vec::new(), spots };
    }
    let vacant = all_places().skip(spots.len()).collect();
    PlateView { caption, is_allotted: false, frame: WHOLE_PLATE, vacant, spots }
}

/// Row by row.
fn all_places() -> impl Iterator<Item = (usize, usize)> {
    (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| (x, y)))
}

fn places_of(name: WellName) -> (usize, usize) {
    (usize::from(name.column()), usize::from(name.row()))
}

fn waiting_spot(well: &Well, index: usize) -> Spot {
    spot(well, None, (well.position + 1).to_string(), (index % COLUMNS, index / COLUMNS), 0.0)
}

/// How much of its recipe may lie in a well, 0 to 1.
fn share(well: &Well, liquid: &HashMap<WellId, Volume>) -> f64 {
    if matches!(well.status, WellStatus::Mixed | WellStatus::Measured) {
        return 1.0;
    }
    let held = liquid.get(&well.id).copied().unwrap_or_default().ul();
    (held / well.recipe.total().ul().max(1.0)).clamp(0.0, 1.0)
}

fn spot(well: &Well, measurement: Option<&Measurement>, name: String, (x, y): (usize, usize), share: f64) -> Spot {
    let fill = fill(well, measurement);
    let colour = if measurement.is_some() { "measured" } else { "predicted" };
    let holds = match well.status {
        WellStatus::Pending | WellStatus::Mixed | WellStatus::Measured => String::new(),
        WellStatus::Dispensing => format!(", {:.0} % filled", share * 100.0),
        _ if share > 0.0 => ", liquid in it".to_owned(),
        _ => ", empty".to_owned(),
    };
    let doubt = measurement.and_then(workflow::doubt_of);
    let doubtful = doubt.map_or_else(String::new, |doubt| format!(", doubtful: {doubt}"));
    let label = format!("Well {name}, {}{holds}, {colour} {fill}{doubtful}", well.status);
    Spot {
        id: well.id.to_string(),
        name,
        x,
        y,
        status: well.status.as_str(),
        is_doubtful: doubt.is_some(),
        fill,
        level: level(x as f64, y as f64, share),
        label,
        is_selected: false,
        is_in_tab_order: false,
    }
}

/// A disc cut off at the height of the liquid.
fn level(x: f64, y: f64, share: f64) -> Option<String> {
    if share <= 0.0 {
        return None;
    }
    // A hair below full, since an arc can't end where it begins.
    let surface = LIQUID * (1.0 - 2.0 * share.min(0.9995));
    let half = (LIQUID * LIQUID - surface * surface).sqrt();
    let large = i32::from(share > 0.5);
    let (left, right, top) = (x - half, x + half, y + surface);
    Some(format!("M{left:.3} {top:.3}A{LIQUID} {LIQUID} 0 {large} 0 {right:.3} {top:.3}z"))
}

/// The arrow keys walk between wells, so that Tab needn't stop at 96 of them.
fn give_one_spot_to_the_keyboard(views: &mut [PlateView]) {
    let chosen = views.iter().flat_map(|view| &view.spots).position(|spot| spot.is_selected).unwrap_or(0);
    if let Some(spot) = views.iter_mut().flat_map(|view| &mut view.spots).nth(chosen) {
        spot.is_in_tab_order = true;
    }
}

/// A full plate of the first three dyes' mixtures, for the first page.
pub fn sampler() -> Vec<Spot> {
    let dye = |name: &str, ul: f64| Some((name.parse().ok()?, domain::Volume::from_ul(ul.max(0.0).round()).ok()?));
    let mixture = |x: usize, y: usize| {
        let turn = x as f64 / COLUMNS as f64 * std::f64::consts::TAU;
        let strength = 40.0 + 220.0 * y as f64 / ROWS as f64;
        let share = |phase: f64| strength * (turn - phase).cos().max(-0.4).mul_add(0.72, 0.34);
        let third = std::f64::consts::TAU / 3.0;
        domain::Recipe::new(
            [dye("red", share(0.0)), dye("yellow", share(third)), dye("blue", share(2.0 * third))]
                .into_iter()
                .flatten(),
        )
    };
    let spot = |x, y| Spot {
        id: String::new(),
        name: String::new(),
        x,
        y,
        status: "measured",
        is_doubtful: false,
        fill: optics::predict(&mixture(x, y)).hex,
        level: None,
        label: String::new(),
        is_selected: false,
        is_in_tab_order: false,
    };
    (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| (x, y))).map(|(x, y)| spot(x, y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_rises_from_nothing_to_a_whole_disc() {
        assert_eq!(level(3.0, 2.0, 0.0), None);
        assert_eq!(level(3.0, 2.0, 0.5).as_deref(), Some("M2.640 2.000A0.36 0.36 0 0 0 3.360 2.000z"));
        let top = |share| level(0.0, 0.0, share).and_then(|path| path.split([' ', 'A']).nth(1)?.parse::<f64>().ok());
        assert_eq!(top(0.25), Some(0.18));
        assert_eq!(top(1.0), Some(-0.36));
    }
}
