//! The lab as people and programs use it: ask for an experiment (`order`), steer it, see how far it is (`progress`), take
//! it home as a protocol (`protocol`), bring another's in (`import`), set its robots up (`setup`).
//!
//! Both the API and the pages call this and nothing below it, so that a rule holds whichever way a request comes.

mod import;
mod order;
mod progress;
mod protocol;
mod setup;

pub use import::{ImportError, ImportedProtocol, read_protocol};
pub(crate) use order::Order;
pub use order::{
    Accepted, ExperimentRequest, MOST_WELLS, Objection, PRIORITIES, SubmitError, USUAL_PRIORITY, WellRequest,
};
pub use progress::Progress;
pub use protocol::{ProtocolError, SeenAs};
pub use setup::{Losses, SetupError, SetupPlan, setup_of};

use async_recursion::async_recursion as boxed;
use domain::{Control, ExperimentId, Permission, UserId};
use hardware::{Connect, Network};
use serde_json::json;
use std::{collections::HashSet, net::IpAddr, sync::Arc};
use store::{ControlOutcome, ExperimentDetail, NewActivity, Robot, Store, StoreError, User};

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lab {
    store: Store,
    /// How it reaches robots and sensors, where it has to ask one.
    connect: Arc<dyn Connect>,
}

impl Lab {
    pub fn new(store: Store) -> Self {
        Self { store, connect: Arc::new(Network::default()) }
    }

    /// The same lab, which reaches robots and sensors so.
    #[must_use]
    pub fn reaching(self, connect: Arc<dyn Connect>) -> Self {
        Self { connect, ..self }
    }

    pub(crate) fn connect(&self) -> &dyn Connect {
        &*self.connect
    }

    /// The same lab, read from this store.
    #[must_use]
    pub fn reading_from(self, store: Store) -> Self {
        Self { store, ..self }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// An experiment that this person may see. Somebody else's is not told apart from none.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn experiment(&self, reader: &User, id: ExperimentId) -> Result<Option<ExperimentDetail>, StoreError> {
        let Some(detail) = self.store.experiment(id).await? else { return Ok(None) };
        let may_see = self.may_see(reader, detail.experiment.user_id).await?;
        Ok(may_see.then_some(detail))
    }

    /// Whether this person may see and steer what `owner` made: it is theirs, they run the lab, or they teach a group that the
    /// owner is a member of. The one place where that is decided; only of teachers the database is asked.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn may_see(&self, reader: &User, owner: UserId) -> Result<bool, StoreError> {
        Ok(self.seen_among(reader, &[owner]).await?.contains(&owner))
    }

    /// Those of these people of whom the same is true.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn seen_among(&self, reader: &User, owners: &[UserId]) -> Result<HashSet<UserId>, StoreError> {
        let is_seen = |owner: &UserId| reader.owns_or_runs_the_lab(*owner);
        let mut seen: HashSet<_> = owners.iter().copied().filter(is_seen).collect();
        let others: Vec<_> = owners.iter().copied().filter(|owner| !is_seen(owner)).collect();
        if reader.teaches && Permission::SeeExperiments.rule().group {
            seen.extend(self.store.taught_among(reader.id, &others).await?);
        }
        Ok(seen)
    }

    /// The robot with this id or this name.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn robot(&self, called: &str) -> Result<Option<Robot>, StoreError> {
        Ok(self.store.robots().await?.into_iter().find(|robot| robot.is_called(called)))
    }

    /// Pauses, resumes or cancels. Whether `by` may is the caller's question; that they did is logged here.
    ///
    /// # Errors
    /// `NotFound` where there is no such experiment. What its state doesn't allow is no error, but `Refused`.
    #[boxed]
    pub async fn control(
        &self,
        by: &User,
        id: ExperimentId,
        control: Control,
        ip: Option<IpAddr>,
    ) -> Result<ControlOutcome, StoreError> {
        let (action, details) = (control.activity(), json!({ "experiment_id": id }));
        let activity = NewActivity { user_id: Some(by.id), action, details, ip_address: ip };
        let outcome = self.store.control(id, control, &activity).await?;
        if !matches!(outcome, ControlOutcome::Refused(_)) {
            tracing::info!(experiment = %id, ?control, by = %by.id, "an experiment was told");
        }
        Ok(outcome)
    }
}
