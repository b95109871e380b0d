//! What is in a tip: what was drawn last comes out first.

use domain::{DyeName, WellName};

/// An amount in picolitres, so that sums of what protocols calculate come out even.
pub(super) type Amount = i64;

/// Of one µL.
pub(super) const MICROLITRE: f64 = 1_000_000.0;
/// Two amounts that differ by less are one: 1 nL.
pub(super) const SAME: Amount = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Air,
    Dye(DyeName),
    /// Of a well of the plate, whatever is in it.
    Well(WellName),
    /// Nobody can say what, and that was told.
    Unknown,
}

/// From the nozzle to the tip's end.
#[derive(Clone, Debug, Default)]
pub(super) struct Tip(Vec<(Content, Amount)>);

impl Tip {
    pub fn draw(&mut self, content: Content, amount: Amount) {
        match self.0.last_mut() {
            Some((last, held)) if *last == content => *held += amount,
            _ => self.0.push((content, amount)),
        }
    }

    pub fn held(&self) -> Amount {
        self.0.iter().map(|(_, amount)| amount).sum()
    }

    /// Liquids in it, each once.
    pub fn liquids(&self) -> Vec<&Content> {
        let mut liquids: Vec<&Content> = Vec::new();
        for (content, _) in &self.0 {
            if *content != Content::Air && !liquids.contains(&content) {
                liquids.push(content);
            }
        }
        liquids
    }

    /// What comes out when so much is pressed out; all that is held where it is less.
    pub fn give(&mut self, amount: Amount) -> Vec<(Content, Amount)> {
        let mut given = Vec::new();
        let mut left = amount;
        while left > 0
            && let Some((content, held)) = self.0.pop()
        {
            let taken = held.min(left);
            left -= taken;
            // What is less than can be measured isn't left behind.
            if held - taken > SAME {
                self.0.push((content.clone(), held - taken));
            }
            given.push((content, if held - taken > SAME { taken } else { held }));
        }
        given
    }

    pub fn empty(&mut self) -> Vec<(Content, Amount)> {
        std::mem::take(&mut self.0)
    }
}
