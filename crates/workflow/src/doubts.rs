//! The wells of an experiment that aren't to be believed: how many, what they share, and which may be made again free.

use crate::{Lab, mixture};
use async_recursion::async_recursion as boxed;
use domain::{
    ExperimentStatus, JournalEvent, Mount, Portion, Step, WellId, WellName, WellStatus,
    doubt::{Doubt, Shared, TipUse, Witness, shared},
    listed,
};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use store::{ExperimentDetail, JournalledOperation, Measurement, Store, StoreError, Well};

/// What is said of an experiment's doubtful wells. There is none where no well is doubtful.
#[derive(Clone, Debug, Serialize)]
pub struct Doubts {
    /// Where they lie, in plate order.
    pub wells: Vec<WellName>,
    /// Wells of the experiment that were measured, doubtful or not.
    pub measured: usize,
    /// What sets them apart from the others, the likeliest cause first.
    pub shared: Vec<Shared>,
    /// Those that may be made again without charge, once.
    #[serde(skip)]
    pub free_retry: Vec<WellId>,
    /// Measured wells whose quota was given back for such a retry.
    #[serde(skip)]
    pub given_back: usize,
}

impl Doubts {
    /// One sentence for a person.
    pub fn headline(&self) -> String {
        let (count, measured) = (self.wells.len(), self.measured);
        let wells = if measured == 1 { "well" } else { "wells" };
        let are = if count == 1 { "is" } else { "are" };
        format!("{count} of {measured} measured {wells} {are} doubtful: {}.", listed(self.wells.iter().copied()))
    }

    /// What they share, or that they share nothing.
    pub fn causes(&self) -> String {
        if self.shared.is_empty() {
            return "Nothing that is known sets them apart from the others.".to_owned();
        }
        self.shared.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl Lab {
    /// The doubtful wells of an experiment, if it has any.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn doubts(&self, detail: &ExperimentDetail) -> Result<Option<Doubts>, StoreError> {
        doubts(self.store(), detail).await
    }
}

/// Why a measured well isn't to be believed, if it isn't.
pub fn doubt_of(measurement: &Measurement) -> Option<Doubt> {
    let stored = measurement.measurement_data.get("doubt")?;
    serde_json::from_value(stored.clone()).ok()
}

#[boxed]
pub async fn doubts(store: &Store, detail: &ExperimentDetail) -> Result<Option<Doubts>, StoreError> {
    let measured = || detail.wells.iter().filter_map(|(well, result)| Some((well, result.as_ref()?)));
    let doubtful: Vec<_> = measured().filter(|(_, result)| doubt_of(result).is_some()).map(|(well, _)| well).collect();
    if doubtful.is_empty() {
        return Ok(None);
    }
    let id = detail.experiment.id;
    let used_before: HashSet<_> = store.wells_used_before(id).await?.into_iter().collect();
    let given_back: HashSet<_> = store.measured_and_given_back(id).await?.into_iter().collect();
    let mut tips = tips(&mixture::journal(store, id).await?);
    let witnesses: Vec<_> = measured()
        .filter_map(|(well, result)| {
            Some(Witness {
                at: well.well_id?,
                measured_at: result.created_at,
                is_doubtful: doubt_of(result).is_some(),
                was_used_before: used_before.contains(&well.id),
                dyes: well.recipe.iter().map(|(dye, _)| dye.clone()).collect(),
                tips: tips.remove(&well.id).unwrap_or_default(),
            })
        })
        .collect();
    // What was made without charge isn't made so again, for ever.
    let charged = doubtful.iter().filter(|well| !given_back.contains(&well.id) && well.makes_up_for.is_none());
    let free_retry =
        if detail.experiment.status.is_final() { charged.map(|well| well.id).collect() } else { Vec::new() };
    let wells: BTreeSet<_> = doubtful.iter().filter_map(|well| well.well_id).collect();
    Ok(Some(Doubts {
        wells: wells.into_iter().collect(),
        measured: witnesses.len(),
        shared: shared(&witnesses),
        free_retry,
        given_back: given_back.len(),
    }))
}

/// The tips that gave into each well, by the journal.
fn tips(journal: &[JournalledOperation]) -> HashMap<WellId, BTreeSet<TipUse>> {
    let mut held: HashMap<Mount, WellName> = HashMap::new();
    let mut tips: HashMap<WellId, BTreeSet<TipUse>> = HashMap::new();
    for entry in journal.iter().filter(|entry| entry.state == JournalEvent::Succeeded) {
        match &entry.operation.step {
            Step::PickUpTip { mount, tip, .. } => {
                held.insert(*mount, *tip);
            }
            Step::Dispense { mount, dye, well, .. } => {
                let used = held.get(mount).map(|tip| TipUse { tip: *tip, dye: dye.clone() });
                tips.entry(*well).or_default().extend(used);
            }
            Step::Mix { well, portions, .. } => {
                let used = |portion: &Portion| TipUse { tip: portion.tip, dye: portion.dye.clone() };
                tips.entry(*well).or_default().extend(portions.iter().map(used));
            }
            _ => {}
        }
    }
    tips
}

/// What a retry makes: wells that were asked for and never measured, then doubtful ones that are free.
pub struct Again<'a> {
    pub unmeasured: Vec<&'a Well>,
    pub free: Vec<&'a Well>,
}

impl<'a> Again<'a> {
    pub fn of(detail: &'a ExperimentDetail, doubts: Option<&Doubts>) -> Self {
        let cut_short = matches!(detail.experiment.status, ExperimentStatus::Failed | ExperimentStatus::Cancelled);
        let measured: HashSet<_> = detail
            .wells
            .iter()
            .filter(|(well, _)| well.status == WellStatus::Measured)
            .map(|(well, _)| well.position)
            .collect();
        let asked = detail.wells.iter().map(|(well, _)| well).filter(|well| well.replaces.is_none());
        let unmeasured = asked.filter(|well| cut_short && !measured.contains(&well.position));
        let is_free = |well: &&Well| doubts.is_some_and(|doubts| doubts.free_retry.contains(&well.id));
        Self {
            unmeasured: unmeasured.collect(),
            free: detail.wells.iter().map(|(well, _)| well).filter(is_free).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.unmeasured.is_empty() && self.free.is_empty()
    }
}
