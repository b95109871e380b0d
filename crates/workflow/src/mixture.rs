//! What is in an experiment's wells, folded from the journal: the only source for what still has to be done.

use domain::{
    DyeName, ExperimentId, Handling, JournalEvent, Recipe, Step, Volume, WellId, WellName, WellStatus, colour::Target,
};
use std::collections::{BTreeMap, HashMap};
use store::{ExperimentDetail, JournalledOperation, Store, StoreError, Well};

/// One well of an experiment that still has a future.
#[derive(Clone, Debug)]
pub struct Mixture {
    pub well: WellId,
    pub at: WellName,
    pub status: WellStatus,
    pub recipe: Recipe,
    /// The colour it is to have.
    pub target: Option<Target>,
    /// What the journal says was dispensed into it.
    pub given: BTreeMap<DyeName, Volume>,
    /// How often it was mixed since its last dye.
    pub mixes: u8,
    /// What was drawn to mix it and not given back.
    pub drawn: Volume,
}

impl Mixture {
    /// An empty well.
    pub fn new(well: WellId, at: WellName, status: WellStatus, recipe: Recipe) -> Self {
        Self { well, at, status, recipe, target: None, given: BTreeMap::new(), mixes: 0, drawn: Volume::ZERO }
    }

    /// A well that nothing was put into yet, as it is kept.
    pub fn of(well: &Well, at: WellName) -> Self {
        Self { target: well.target, ..Self::new(well.id, at, well.status, well.recipe.clone()) }
    }

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

    /// Counts a dispense that is known to have happened.
    pub fn give(&mut self, dye: &DyeName, volume: Volume) {
        let given = self.given.entry(dye.clone()).or_default();
        *given = *given + volume;
        self.mixes = 0;
    }

    /// Counts what is known to have happened in this well.
    pub fn count(&mut self, step: &Step) {
        match step {
            Step::Dispense { dye, volume, .. } => self.give(dye, *volume),
            Step::Mix { portions, .. } => portions.iter().for_each(|portion| self.give(&portion.dye, portion.volume)),
            Step::MixDraw { volume, .. } => self.drawn = self.drawn + *volume,
            Step::MixGive { volume, .. } => {
                self.drawn = self.drawn.saturating_sub(*volume);
                self.mixes = self.mixes.saturating_add(1);
            }
            _ => {}
        }
    }

    /// How often it has still to be mixed when all its dyes are in.
    pub fn repetitions_left(&self, handling: &Handling) -> u8 {
        let wanted = handling.repetitions(&self.recipe);
        if self.is_complete() { wanted.saturating_sub(self.mixes) } else { wanted }
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
    let mut mixtures: Vec<_> = experiment
        .wells
        .iter()
        .map(|(well, _)| well)
        .filter(|well| !well.status.is_final())
        .filter_map(|well| Some(Mixture::of(well, well.well_id?)))
        .collect();
    let places: HashMap<WellId, usize> = mixtures.iter().enumerate().map(|(place, m)| (m.well, place)).collect();
    for entry in journal.iter().filter(|entry| entry.state == JournalEvent::Succeeded) {
        let step = &entry.operation.step;
        let place = step.well().and_then(|well| places.get(&well));
        if let Some(mixture) = place.and_then(|place| mixtures.get_mut(*place)) {
            mixture.count(step);
        }
    }
    mixtures.sort_by_key(|mixture| mixture.at);
    mixtures
}
