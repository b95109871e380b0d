//! What fell into an experiment's wells, as the journal tells it.

use crate::{connection::Store, error::Result, sql::sql};
use async_recursion::async_recursion as boxed;
use domain::{ExperimentId, JournalEvent, Portion, Step, Volume, WellId};
use std::collections::HashMap;

/// More dispenses than any experiment has.
const MOST_DISPENSES: i64 = 20_000;

impl Store {
    /// The most that lies in each well into which anything may have fallen, whatever became of the well since.
    /// A dispense, or a whole mixture, counts from its intent on, unless the robot surely never got it. As new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn liquid_in_wells(&self, experiment: ExperimentId) -> Result<HashMap<WellId, Volume>> {
        let dispenses = "SELECT step FROM operations WHERE experiment_id = $1 AND state <> $2
                         AND (CAST(step AS TEXT) LIKE '%\"dispense\"%' OR CAST(step AS TEXT) LIKE '%\"mix\"%') LIMIT $3";
        let asked = sql!(dispenses, experiment, JournalEvent::NotReceived, MOST_DISPENSES);
        let rows = asked.all(&self.view_of(experiment).await).await?;
        let mut wells: HashMap<WellId, Volume> = HashMap::new();
        for row in &rows {
            let (well, fell) = match row.get("step")? {
                Step::Dispense { well, volume, .. } => (well, volume),
                Step::Mix { well, portions, .. } => (well, portions.iter().map(|Portion { volume, .. }| *volume).sum()),
                _ => continue,
            };
            let held = wells.entry(well).or_default();
            *held = *held + fell;
        }
        Ok(wells)
    }
}
