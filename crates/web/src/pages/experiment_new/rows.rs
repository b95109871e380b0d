//! The sheet of wells: one row a well, one column a dye, kept as it was typed.

use super::bench::Bench;
use crate::{fields::Fields, optics, sentences::sentence};
use domain::{DyeName, Recipe, Volume};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use workflow::{MOST_WELLS, WellRequest};

/// Rows at first, and rows added at a time: a column of the plate.
pub const MORE: usize = 8;

/// The longest cell that is a number. One character more is kept, so that a longer one stays wrong.
const LONGEST_CELL: usize = 40;

/// Columns without a place that are named to whoever sent them.
const MOST_STRANGERS: usize = 8;

/// The cells as typed, by row and dye.
pub struct Sheet {
    names: Vec<DyeName>,
    rows: Vec<Vec<String>>,
}

/// What is wrong with a row.
pub struct Problem {
    pub row: usize,
    /// The dye whose amount it is, if it is one.
    pub dye: Option<String>,
    pub detail: String,
}

/// A row, ready for the template.
pub struct RowView {
    pub number: usize,
    pub cells: Vec<CellView>,
    pub total: String,
    pub fill: String,
    pub is_blank: bool,
    pub is_over: bool,
    pub problem: Option<String>,
}

pub struct CellView {
    pub field: String,
    pub dye: String,
    pub value: String,
    pub is_wrong: bool,
}

impl Sheet {
    pub fn blank(bench: &Bench) -> Self {
        let mut sheet = Self { names: bench.names.clone(), rows: Vec::new() };
        sheet.grow(MORE);
        sheet
    }

    pub fn read(bench: &Bench, fields: &Fields) -> Self {
        let count = fields.get("rows").parse::<usize>().unwrap_or(MORE).clamp(1, MOST_WELLS);
        let cell =
            |row: usize, dye: &DyeName| fields.get(&field(row, dye)).trim().chars().take(LONGEST_CELL + 1).collect();
        let rows = (0..count).map(|row| bench.names.iter().map(|dye| cell(row, dye)).collect()).collect();
        Self { names: bench.names.clone(), rows }
    }

    /// Amounts that were sent and have no cell here, by what their column was called: a dye that was taken off its deck
    /// while the form was open, or a row beyond the last.
    pub fn strangers(&self, fields: &Fields) -> BTreeSet<String> {
        let cells: HashSet<_> =
            (0..self.rows.len()).flat_map(|row| self.names.iter().map(move |dye| field(row, dye))).collect();
        let amounts = fields.iter().filter(|(name, value)| !cells.contains(*name) && !is_nothing(value.trim()));
        let columns = amounts.filter_map(|(name, _)| name.strip_prefix("well-")?.split_once('-'));
        columns.map(|(_, dye)| dye.chars().take(LONGEST_CELL).collect()).take(MOST_STRANGERS).collect()
    }

    /// Adds blank rows, up to a plate.
    pub fn grow(&mut self, by: usize) {
        let count = (self.rows.len() + by).min(MOST_WELLS);
        self.rows.resize_with(count, || vec![String::new(); self.names.len()]);
    }

    /// Starts anew with these wells, and tells their dyes that no deck has any more.
    pub fn copy<'a>(&mut self, recipes: impl Iterator<Item = &'a Recipe>) -> BTreeSet<String> {
        let recipes: Vec<_> = recipes.take(MOST_WELLS).collect();
        self.rows = recipes.iter().map(|recipe| cells_of(&self.names, recipe)).collect();
        if self.rows.len() < MORE {
            self.grow(MORE - self.rows.len());
        }
        let dyes = recipes.iter().flat_map(|recipe| recipe.iter()).map(|(dye, _)| dye);
        dyes.filter(|dye| !self.names.contains(dye)).map(DyeName::to_string).collect()
    }

    /// Puts wells into the blank rows and then below, if a plate holds them all.
    pub fn add(&mut self, wells: Vec<Recipe>) -> Result<(), String> {
        let used = self.used();
        if used + wells.len() > MOST_WELLS {
            return Err(format!(
                "These are {} wells and {used} are there already: an experiment has {MOST_WELLS} at most.",
                wells.len()
            ));
        }
        let mut rows: Vec<_> = self.rows.drain(..).filter(|row| !is_blank(row)).collect();
        rows.extend(wells.iter().map(|recipe| cells_of(&self.names, recipe)));
        let count = rows.len().next_multiple_of(MORE).min(MOST_WELLS);
        self.rows = rows;
        self.grow(count - self.rows.len());
        Ok(())
    }

    /// Rows that ask for something.
    pub fn used(&self) -> usize {
        self.rows.iter().filter(|row| !is_blank(row)).count()
    }

    /// The wells asked for and the row of each, or every cell that is no number.
    pub fn wells(&self) -> Result<(Vec<WellRequest>, Vec<usize>), Vec<Problem>> {
        let (mut wells, mut places, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (row, cells) in self.rows.iter().enumerate().filter(|(_, cells)| !is_blank(cells)) {
            let mut volumes = BTreeMap::new();
            for (dye, cell) in self.names.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                match number(cell) {
                    Some(number) => drop(volumes.insert(dye.to_string(), number)),
                    None => problems.push(Problem {
                        row,
                        dye: Some(dye.to_string()),
                        detail: format!("“{cell}” is no number of µL"),
                    }),
                }
            }
            wells.push(WellRequest { volumes, target: None });
            places.push(row);
        }
        if problems.is_empty() { Ok((wells, places)) } else { Err(problems) }
    }

    pub fn views(&self, bench: &Bench, problems: &[Problem]) -> Vec<RowView> {
        self.rows.iter().enumerate().map(|(row, cells)| self.view(row, cells, bench, problems)).collect()
    }

    fn view(&self, row: usize, cells: &[String], bench: &Bench, problems: &[Problem]) -> RowView {
        let volumes: Vec<_> =
            cells.iter().map(|cell| number(cell).and_then(|ul| Volume::from_ul(ul).ok()).unwrap_or_default()).collect();
        let total_ul: f64 = volumes.iter().map(|volume| volume.ul()).sum();
        let recipe = Recipe::new(self.names.iter().cloned().zip(volumes));
        let mine: Vec<_> = problems.iter().filter(|problem| problem.row == row).collect();
        let is_wrong = |dye: &str| mine.iter().any(|problem| problem.dye.as_deref().is_none_or(|name| name == dye));
        let cell = |(dye, value): (&DyeName, &String)| CellView {
            field: field(row, dye),
            dye: dye.to_string(),
            value: value.clone(),
            is_wrong: is_wrong(dye.as_str()),
        };
        RowView {
            number: row + 1,
            cells: self.names.iter().zip(cells).map(cell).collect(),
            total: if total_ul > 0.0 { plain(total_ul) } else { "–".to_owned() },
            fill: optics::predict(&recipe).hex,
            is_blank: is_blank(cells),
            is_over: total_ul > bench.capacity_ul,
            problem: (!mine.is_empty())
                .then(|| sentence(&mine.iter().map(|problem| problem.detail.as_str()).collect::<Vec<_>>().join("; "))),
        }
    }
}

fn field(row: usize, dye: &DyeName) -> String {
    format!("well-{row}-{dye}")
}

/// A decimal comma is as good as a point.
fn number(cell: &str) -> Option<f64> {
    if cell.chars().count() > LONGEST_CELL {
        return None;
    }
    cell.replace(',', ".").parse().ok()
}

/// Nothing typed, or only zeros.
fn is_blank(cells: &[String]) -> bool {
    cells.iter().all(|cell| is_nothing(cell))
}

fn is_nothing(cell: &str) -> bool {
    cell.is_empty() || number(cell) == Some(0.0)
}

fn cells_of(names: &[DyeName], recipe: &Recipe) -> Vec<String> {
    let cell = |volume: Volume| if volume.is_zero() { String::new() } else { plain(volume.ul()) };
    names.iter().map(|name| cell(recipe.amount(name))).collect()
}

/// Tenths only where there are any.
fn plain(ul: f64) -> String {
    let tenths = (ul * 10.0).round() / 10.0;
    format!("{tenths}")
}
