//! Trying again: what a person asks for when an experiment didn't come to its end.

use crate::{
    Accepted, ExperimentRequest, Lab, SubmitError, WellRequest,
    lab::{Order, USUAL_PRIORITY},
};
use domain::ExperimentStatus;
use serde_json::json;
use std::{collections::BTreeMap, net::IpAddr};
use store::{Control, ControlOutcome, ExperimentDetail, NewActivity, StoreError, User};

/// What a retry led to.
#[derive(Clone, Debug)]
pub enum Retried {
    /// It was paused, and is back in the queue: it goes on where it stopped, on the same plate.
    Resumed,
    /// It had ended. A new experiment, of the same owner and charged anew, makes what wasn't measured.
    Anew(Box<Accepted>),
}

#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("an experiment that is {0} can't be retried")]
    Refused(ExperimentStatus),
    #[error("every well of this experiment was measured: there is nothing left to retry")]
    NothingLeft,
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lab {
    /// Tries an experiment again. Whether `by` may is the caller's question; that they did is logged here.
    ///
    /// A key under which the same retry came before gives the experiment that it made.
    pub async fn retry(
        &self,
        by: &User,
        failed: &ExperimentDetail,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Retried, RetryError> {
        let experiment = &failed.experiment;
        match experiment.status {
            ExperimentStatus::Paused => match self.control(by, experiment.id, Control::Resume, ip).await? {
                ControlOutcome::Refused(status) => Err(RetryError::Refused(status)),
                ControlOutcome::Applied(_) | ControlOutcome::Requested => Ok(Retried::Resumed),
            },
            ExperimentStatus::Failed | ExperimentStatus::Cancelled => self.ask_again(by, failed, idempotency, ip).await,
            status @ (ExperimentStatus::Queued | ExperimentStatus::Running | ExperimentStatus::Completed) => {
                Err(RetryError::Refused(status))
            }
        }
    }

    async fn ask_again(
        &self,
        by: &User,
        failed: &ExperimentDetail,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Retried, RetryError> {
        let experiment = &failed.experiment;
        let wells = unmeasured(failed);
        if wells.is_empty() {
            return Err(RetryError::NothingLeft);
        }
        let order = Order {
            owner: experiment.user_id,
            request: ExperimentRequest { name: experiment.name.clone(), wells },
            // A place ahead in the queue is given by those who run the lab, each time.
            priority: if by.role.runs_the_lab() { experiment.priority } else { USUAL_PRIORITY },
            retry_of: Some(experiment.id),
        };
        // The new experiment is logged as its owner's; an operator's address isn't theirs.
        let owners_ip = ip.filter(|_| by.id == experiment.user_id);
        let accepted = self.accept(order, idempotency, owners_ip).await?;
        if !accepted.replayed {
            let details = json!({ "experiment_id": accepted.experiment.experiment.id, "retry_of": experiment.id });
            let action = "experiment_retried";
            let activity = NewActivity { user_id: Some(by.id), action, details, ip_address: ip };
            self.store().log_activity(activity).await?;
        }
        Ok(Retried::Anew(Box::new(accepted)))
    }
}

/// What was asked for and never measured, neither in its first well nor in one that made up for it.
fn unmeasured(failed: &ExperimentDetail) -> Vec<WellRequest> {
    let mut open = BTreeMap::new();
    for (well, _) in &failed.wells {
        open.entry(well.position).or_insert(&well.recipe);
    }
    for (well, _) in failed.wells.iter().filter(|(_, result)| result.is_some()) {
        open.remove(&well.position);
    }
    let request = |recipe: &domain::Recipe| WellRequest {
        volumes: recipe.iter().map(|(dye, volume)| (dye.to_string(), volume.ul())).collect(),
    };
    open.into_values().map(request).collect()
}
