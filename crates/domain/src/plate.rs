//! Where things are on labware: wells named as on the plastic, `A1` to `H12`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Wells of one plate.
pub const PLATE_WELLS: usize = 96;
const ROWS: u8 = 8;

/// A well of a 96-well plate, a tip of a 96-tip rack or a vial of a tube rack. Row `A`–`H`, column 1–12.
///
/// Ordered as Opentrons numbers them, column by column: A1, B1, … H1, A2, …
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WellName {
    /// 0–95, column by column.
    index: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no well of a 96-well plate: write a row A–H and a column 1–12, like A1 or H12")]
pub struct WellNameError(String);

impl WellName {
    /// Row 0–7 and column 0–11, or nothing outside the plate.
    pub const fn at(row: u8, column: u8) -> Option<Self> {
        if row < ROWS && column < 12 { Some(Self { index: column * ROWS + row }) } else { None }
    }

    /// Row 0 is `A`.
    pub const fn row(self) -> u8 {
        self.index % ROWS
    }

    /// Column 0 is `1`.
    pub const fn column(self) -> u8 {
        self.index / ROWS
    }

    /// All 96, column by column.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..PLATE_WELLS as u8).map(|index| Self { index })
    }
}

/// Wells as a person lists them, in plate order, with runs down a column drawn together: "A1–H1, A2, C2–D2".
pub fn listed(wells: impl IntoIterator<Item = WellName>) -> String {
    let sorted: BTreeSet<_> = wells.into_iter().collect();
    let mut runs: Vec<(WellName, WellName)> = Vec::new();
    for well in sorted {
        match runs.last_mut() {
            Some((_, last)) if last.column() == well.column() && last.index + 1 == well.index => *last = well,
            _ => runs.push((well, well)),
        }
    }
    let run = |(first, last): (WellName, WellName)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for WellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(b'A' + self.row()), self.column() + 1)
    }
}

impl fmt::Debug for WellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for WellName {
    type Err = WellNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (row, column) = text.split_at_checked(1)?;
            let row = row.bytes().next()?.checked_sub(b'A')?;
            if column.starts_with(['0', '+']) {
                return None;
            }
            Self::at(row, column.parse::<u8>().ok()?.checked_sub(1)?)
        };
        parse().ok_or_else(|| WellNameError(text.chars().take(20).collect()))
    }
}

impl Serialize for WellName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WellName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_agree_over_the_whole_plate() {
        let all: Vec<_> = WellName::all().collect();
        assert_eq!(all.len(), PLATE_WELLS);
        assert_eq!(all[0].to_string(), "A1");
        assert_eq!(all[8].to_string(), "A2");
        assert_eq!(all[95].to_string(), "H12");
        for well in all {
            assert_eq!(well.to_string().parse(), Ok(well));
            assert_eq!(WellName::at(well.row(), well.column()), Some(well));
        }
    }

    #[test]
    fn runs_down_a_column_are_drawn_together() {
        let wells = |names: &[&str]| names.iter().map(|name| name.parse().expect("well")).collect::<Vec<WellName>>();
        assert_eq!(listed(wells(&["D2", "A1", "C2", "B1", "C1", "H1", "A2"])), "A1–C1, H1, A2, C2–D2");
        assert_eq!(listed(WellName::all().take(9)), "A1–H1, A2");
        assert_eq!(listed([]), "");
    }

    #[test]
    fn what_is_no_well_is_refused() {
        for text in ["", "A", "A0", "A13", "I1", "a1", "A01", "A+1", "1A", "A1 ", "é1", "A999999"] {
            assert!(text.parse::<WellName>().is_err(), "{text:?}");
        }
    }
}
