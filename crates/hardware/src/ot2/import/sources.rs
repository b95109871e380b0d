//! Which of the deck's dyes a protocol's vessels hold, where whoever imports it says so.

use domain::{DyeName, DyeNameError};
use std::{collections::BTreeMap, str::FromStr};

/// The most vessels that are named.
pub const MOST_SOURCES: usize = 96;

/// Dyes by deck slot and well, as a person says them: `2/A1=red, 2/A2=blue`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DyeSources(BTreeMap<(u8, String), DyeName>);

/// Why a text names no vessels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("'{0}' names no vessel and dye: write slot, well and dye, like 2/A1=red")]
    Shape(String),
    #[error(transparent)]
    Dye(#[from] DyeNameError),
    #[error("{0} is named twice")]
    Twice(String),
    #[error("at most {MOST_SOURCES} vessels are named")]
    TooMany,
}

impl DyeSources {
    pub(super) fn dye(&self, slot: u8, well: &str) -> Option<&DyeName> {
        self.0.get(&(slot, well.to_owned()))
    }
}

impl FromStr for DyeSources {
    type Err = SourceError;

    /// One or several, with commas, semicolons or blanks between; an empty text names none.
    fn from_str(text: &str) -> Result<Self, SourceError> {
        let mut sources = BTreeMap::new();
        let parts = text.split(|c: char| c == ',' || c == ';' || c.is_whitespace()).filter(|part| !part.is_empty());
        for part in parts {
            if sources.len() == MOST_SOURCES {
                return Err(SourceError::TooMany);
            }
            let shown = || part.chars().take(40).collect::<String>();
            let (place, dye) = part.split_once('=').ok_or_else(|| SourceError::Shape(shown()))?;
            let (slot, well) = place.split_once('/').ok_or_else(|| SourceError::Shape(shown()))?;
            let slot = slot.parse().ok().filter(|slot| (1..=12).contains(slot));
            let slot: u8 = slot.ok_or_else(|| SourceError::Shape(shown()))?;
            let well = well.to_ascii_uppercase();
            if well.is_empty() || well.len() > 4 || !well.bytes().all(|c| c.is_ascii_alphanumeric()) {
                return Err(SourceError::Shape(shown()));
            }
            if sources.insert((slot, well), dye.parse()?).is_some() {
                return Err(SourceError::Twice(place.to_owned()));
            }
        }
        Ok(Self(sources))
    }
}
