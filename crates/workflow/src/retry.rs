//! Trying again: what a person asks for when an experiment didn't come to its end.

use crate::{
    Accepted, Doubts, ExperimentRequest, Lab, SubmitError, WellRequest,
    doubts::Again,
    handling_of,
    lab::{Order, USUAL_PRIORITY},
};
use domain::{Control, ExperimentId, ExperimentStatus, Permission};
use serde_json::json;
use std::net::IpAddr;
use store::{ControlOutcome, Experiment, ExperimentDetail, NewActivity, StoreError, User};

/// What a retry led to.
#[derive(Clone, Debug)]
pub enum Retried {
    /// It was paused, and is back in the queue: it goes on where it stopped, on the same plate.
    Resumed,
    /// It had ended. A new experiment, of the same owner and charged anew, makes what wasn't measured; doubtful wells too,
    /// whose quota is given back for it, once.
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
    ///
    /// # Errors
    /// `Refused` where its state doesn't allow it or it completed without a doubtful well, `NothingLeft` where an experiment that
    /// ended early has nothing left to make. As [`Lab::submit`] for the new experiment, and `AlreadyGivenBack` where another
    /// retry had the doubtful wells' quota meanwhile.
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
            ExperimentStatus::Failed | ExperimentStatus::Cancelled | ExperimentStatus::Completed => {
                self.ask_again(by, failed, idempotency, ip).await
            }
            status @ (ExperimentStatus::Queued | ExperimentStatus::Running) => Err(RetryError::Refused(status)),
        }
    }

    /// How many wells a retry of it would make, and how many of them without charge.
    pub fn retriable(detail: &ExperimentDetail, doubts: Option<&Doubts>) -> (usize, usize) {
        let again = Again::of(detail, doubts);
        (again.unmeasured.len() + again.free.len(), again.free.len())
    }

    async fn ask_again(
        &self,
        by: &User,
        ended: &ExperimentDetail,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Retried, RetryError> {
        let experiment = &ended.experiment;
        if let Some(key) = &idempotency
            && let Some(accepted) = self.answered_before(experiment, key).await?
        {
            return Ok(Retried::Anew(Box::new(accepted)));
        }
        let doubts = self.doubts(ended).await?;
        let again = Again::of(ended, doubts.as_ref());
        if again.is_empty() {
            return Err(match experiment.status {
                ExperimentStatus::Completed => RetryError::Refused(experiment.status),
                _ => RetryError::NothingLeft,
            });
        }
        let wells = again.unmeasured.iter().chain(&again.free);
        let order = Order {
            owner: experiment.user_id,
            request: ExperimentRequest {
                name: experiment.name.clone(),
                wells: wells.map(|well| WellRequest::of(&well.recipe, well.target)).collect(),
                handling: handling_of(experiment),
            },
            // A place ahead in the queue is given by those who run the lab, each time.
            priority: if Permission::Prioritise.is_given_to(by.role) { experiment.priority } else { USUAL_PRIORITY },
            retry_of: Some(experiment.id),
            gives_back: again.free.iter().map(|well| well.id).collect(),
            flow_run: None,
        };
        // The new experiment is logged as its owner's; an operator's address isn't theirs.
        let owners_ip = ip.filter(|_| by.id == experiment.user_id);
        let id = ExperimentId::new();
        let details = json!({ "experiment_id": id, "retry_of": experiment.id, "free_wells": again.free.len() });
        let retried = NewActivity { user_id: Some(by.id), action: "experiment_retried", details, ip_address: ip };
        let key = order.key(idempotency);
        let accepted = self.accept(id, order, key, owners_ip, Some(retried)).await?;
        Ok(Retried::Anew(Box::new(accepted)))
    }
}

/// What a retry is made of is no more what it was once it was made; so that it is known by its key alone.
impl Lab {
    async fn answered_before(&self, ended: &Experiment, key: &str) -> Result<Option<Accepted>, StoreError> {
        let Some(made) = self.store().experiment_of_key(ended.user_id, key).await? else { return Ok(None) };
        let Some(experiment) = self.store().experiment(made).await? else { return Ok(None) };
        let is_its_retry = experiment.experiment.metadata.get("retry_of") == Some(&json!(ended.id));
        if !is_its_retry {
            return Ok(None);
        }
        let owner = self.store().user(ended.user_id).await?.ok_or(StoreError::NotFound("account"))?;
        Ok(Some(Accepted { experiment, quota_remaining: owner.quota_remaining, replayed: true }))
    }
}
