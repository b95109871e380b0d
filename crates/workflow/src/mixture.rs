//! What is in an experiment's wells, folded from the journal: the only source for what still has to be done.

use domain::{DyeName, ExperimentId, JournalEvent, Recipe, Step, Volume, WellId, WellName, WellStatus};
use std::collections::{BTreeMap, HashMap};
use store::{ExperimentDetail, JournalledOperation, Store, StoreError};

/// One well of an experiment that still has a future.
#[derive(Clone, Debug)]
pub struct Mixture {
    pub well: WellId,
    pub at: WellName,
    pub status: WellStatus,
    pub recipe: Recipe,
    /// What the journal says was dispensed into it.
    pub given: BTreeMap<DyeName, Volume>,
}

impl Mixture {
    /// What this dye still lacks.
    pub fn missing(&self, dye: &DyeName) -> Volume {
        self.recipe.amount(dye).saturating_sub(self.given.get(dye).copied().unwrap_or_default())
    }

    pub fn is_complete(&self) -> bool {
        self.recipe.iter().all(|(dye, _)| self.missing(dye).is_zero())
    }

    pub fn is_untouched(&self) -> bool {
        self.given.is_empty()
    }

    /// Counts what a step that is known to have been done put into it.
    pub fn take_in(&mut self, step: &Step) {
        for (dye, volume) in given_by(step).into_iter().map(|(_, dye, volume)| (dye, volume)) {
            self.give(dye, volume);
        }
    }

    /// Counts a dispense that is known to have happened.
    pub fn give(&mut self, dye: &DyeName, volume: Volume) {
        let given = self.given.entry(dye.clone()).or_default();
        *given = *given + volume;
    }
}

/// What a step puts into which well.
fn given_by(step: &Step) -> Vec<(WellId, &DyeName, Volume)> {
    match step {
        Step::Dispense { dye, well, volume, .. } => vec![(*well, dye, *volume)],
        Step::Mix { well, portions, .. } => {
            portions.iter().map(|portion| (*well, &portion.dye, portion.volume)).collect()
        }
        _ => Vec::new(),
    }
}

const JOURNAL_PAGE: u32 = 500;

/// All operations of an experiment, in order.
pub async fn journal(store: &Store, id: ExperimentId) -> Result<Vec<JournalledOperation>, StoreError> {
    let mut journal = Vec::new();
    loop {
        let after = journal.last().map_or(0, |operation: &JournalledOperation| operation.sequence);
        let page = store.operations(id, after, JOURNAL_PAGE).await?;
        let is_last = page.len() < JOURNAL_PAGE as usize;
        journal.extend(page);
        if is_last {
            return Ok(journal);
        }
    }
}

/// The wells of an experiment that haven't ended, in plate order, with what the journal put into them.
pub fn unfinished(experiment: &ExperimentDetail, journal: &[JournalledOperation]) -> Vec<Mixture> {
    let mut given: HashMap<WellId, BTreeMap<DyeName, Volume>> = HashMap::new();
    for entry in journal.iter().filter(|entry| entry.state == JournalEvent::Succeeded) {
        for (well, dye, volume) in given_by(&entry.operation.step) {
            let total = given.entry(well).or_default().entry(dye.clone()).or_default();
            *total = *total + volume;
        }
    }
    let mut mixtures: Vec<_> = experiment
        .wells
        .iter()
        .map(|(well, _)| well)
        .filter(|well| !well.status.is_final())
        .filter_map(|well| {
            Some(Mixture {
                well: well.id,
                at: well.well_id?,
                status: well.status,
                recipe: well.recipe.clone(),
                given: given.remove(&well.id).unwrap_or_default(),
            })
        })
        .collect();
    mixtures.sort_by_key(|mixture| mixture.at);
    mixtures
}
