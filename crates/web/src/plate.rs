//! The plate as a drawing: where each well lies, what fills it, how it stands.

use crate::optics;
use domain::{PlateId, WellName, WellStatus};
use std::collections::BTreeMap;
use store::{ExperimentDetail, Measurement, Well};

const COLUMNS: usize = 12;
const ROWS: usize = 8;
/// Eight rows below their column numbers.
const WHOLE_PLATE: &str = "8.650";
const ONE_ROW: &str = "1.550";

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
    pub label: String,
    pub is_selected: bool,
    pub is_in_tab_order: bool,
}

/// One plate, or the tray of wells that have no place yet.
#[derive(Clone, Debug)]
pub struct PlateView {
    pub caption: String,
    pub is_allotted: bool,
    /// Of the drawing, in well pitches.
    pub height: &'static str,
    pub vacant: Vec<(usize, usize)>,
    pub spots: Vec<Spot>,
}

/// The colour a well is drawn in: measured if it is, predicted otherwise.
pub fn fill(well: &Well, measurement: Option<&Measurement>) -> String {
    measured_hex(measurement).unwrap_or_else(|| optics::predict(&well.recipe).hex)
}

/// The measured screen colour, if it is one: what is stored goes into a page only as `#rrggbb`.
pub fn measured_hex(measurement: Option<&Measurement>) -> Option<String> {
    let text = measurement?.measurement_data.get("srgb")?.as_str()?;
    text.parse::<domain::colour::Srgb>().ok().map(|srgb| srgb.to_string())
}

/// Every plate this experiment lies on, in order of first use; before it starts, a tray.
pub fn views(detail: &ExperimentDetail, selected: Option<&str>) -> Vec<PlateView> {
    let mut plates: BTreeMap<PlateId, Vec<Spot>> = BTreeMap::new();
    let mut tray = Vec::new();
    for (well, measurement) in &detail.wells {
        match (well.well_id, well.plate_id) {
            (Some(name), Some(plate)) => {
                plates.entry(plate).or_default().push(spot(well, measurement.as_ref(), name, selected))
            }
            _ => tray.push(waiting_spot(well, tray.len(), selected)),
        }
    }
    let several = plates.len() > 1;
    let mut views: Vec<_> =
        plates.into_values().enumerate().map(|(index, spots)| plate(spots, several.then_some(index + 1))).collect();
    if !tray.is_empty() {
        let is_alone = views.is_empty();
        views.push(tray_view(tray, is_alone));
    }
    give_one_spot_to_the_keyboard(&mut views);
    views
}

fn plate(spots: Vec<Spot>, number: Option<usize>) -> PlateView {
    let taken: Vec<_> = spots.iter().map(|spot| (spot.x, spot.y)).collect();
    let vacant = all_places().filter(|place| !taken.contains(place)).collect();
    let caption = number.map_or_else(|| "On the plate".to_owned(), |number| format!("Plate {number}"));
    PlateView { caption, is_allotted: true, height: WHOLE_PLATE, vacant, spots }
}

/// Alone, it is as large as the plate that it will become, so that nothing on the page jumps then.
fn tray_view(spots: Vec<Spot>, is_alone: bool) -> PlateView {
    let waits = spots.iter().any(|spot| spot.status == WellStatus::Pending.as_str());
    let caption = if waits { "Waiting for the plate" } else { "Never came to a plate" }.to_owned();
    if !is_alone && spots.len() <= COLUMNS {
        return PlateView { caption, is_allotted: false, height: ONE_ROW, vacant: Vec::new(), spots };
    }
    let vacant = all_places().skip(spots.len()).collect();
    PlateView { caption, is_allotted: false, height: WHOLE_PLATE, vacant, spots }
}

/// Row by row.
fn all_places() -> impl Iterator<Item = (usize, usize)> {
    (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| (x, y)))
}

fn spot(well: &Well, measurement: Option<&Measurement>, name: WellName, selected: Option<&str>) -> Spot {
    let (x, y) = (usize::from(name.column()), usize::from(name.row()));
    placed(well, measurement, name.to_string(), (x, y), selected)
}

fn waiting_spot(well: &Well, index: usize, selected: Option<&str>) -> Spot {
    placed(well, None, (well.position + 1).to_string(), (index % COLUMNS, index / COLUMNS), selected)
}

fn placed(
    well: &Well,
    measurement: Option<&Measurement>,
    name: String,
    (x, y): (usize, usize),
    selected: Option<&str>,
) -> Spot {
    let id = well.id.to_string();
    let fill = fill(well, measurement);
    let colour = if measurement.is_some() { "measured" } else { "predicted" };
    let doubt = measurement.and_then(workflow::doubt_of);
    let doubtful = doubt.map_or_else(String::new, |doubt| format!(", doubtful: {doubt}"));
    let label = format!("Well {name}, {}, {colour} {fill}{doubtful}", well.status);
    let is_selected = selected == Some(id.as_str());
    Spot {
        id,
        name,
        x,
        y,
        status: well.status.as_str(),
        is_doubtful: doubt.is_some(),
        fill,
        label,
        is_selected,
        is_in_tab_order: false,
    }
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
        label: String::new(),
        is_selected: false,
        is_in_tab_order: false,
    };
    (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| (x, y))).map(|(x, y)| spot(x, y)).collect()
}
