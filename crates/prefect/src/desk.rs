//! What all parts need: the store, the server, and what the two were last known to be.

use crate::{
    Config,
    api::{NewState, State},
    client::{PrefectError, Wire},
};
use store::{PrefectRun, Store, StoreError};
use workflow::Lab;

/// Who does here what people do there, as the activity log has it.
pub(crate) const ACTOR: &str = "Prefect";

/// Why it has to begin again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error("the database: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Prefect(#[from] PrefectError),
}

pub(crate) struct Desk {
    pub store: Store,
    pub lab: Lab,
    pub wire: Wire,
    pub config: Config,
    /// Its id there.
    pub deployment: String,
}

impl Desk {
    /// Sets a run's state, and remembers that it was us.
    pub async fn set_state(&self, run: &mut PrefectRun, state: &NewState<'_>) -> Result<(), PrefectError> {
        let Some(flow_run) = &run.flow_run else { return Ok(()) };
        let set = self.wire.set_state(flow_run, state).await?;
        note(run, set);
        Ok(())
    }
}

/// What is known from now on.
pub(crate) fn note(run: &mut PrefectRun, state: State) {
    run.state_id = Some(state.id);
    run.state = Some(state.kind);
}
