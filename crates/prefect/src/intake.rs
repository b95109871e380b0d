//! Runs that were made there (by hand, by a schedule, by another flow) become experiments of a person here, with quota.
//!
//! The run's id is the idempotency key: however often it is looked at, one experiment comes of it.

use crate::{
    api::{FlowRun, NewState},
    desk::{Desk, DeskError},
};
use domain::Permission;
use serde::Deserialize;
use std::collections::HashSet;
use store::User;
use workflow::{ExperimentRequest, SubmitError, WellRequest};

/// Of the reason for which a run is refused.
const MOST_OBJECTIONS: usize = 8;

/// What a run asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    wells: Vec<WellRequest>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    person: Option<String>,
}

/// What became of a run.
enum Refusal {
    /// For good, with the reason.
    No(String),
    /// It is looked at again.
    NotNow(DeskError),
}

impl Desk {
    /// Those that aren't known here.
    pub async fn take_in(&self, due: Vec<FlowRun>) -> Result<(), DeskError> {
        if due.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = due.iter().map(|run| run.id.clone()).collect();
        let known = self.store.prefect_runs_called(&ids).await?;
        let known: HashSet<_> = known.into_iter().filter_map(|run| run.flow_run).collect();
        for run in due.iter().filter(|run| !known.contains(&run.id)) {
            self.take(run).await?;
        }
        Ok(())
    }

    async fn take(&self, run: &FlowRun) -> Result<(), DeskError> {
        let is_claimed = run.state.as_ref().is_some_and(|state| state.kind == "PENDING");
        if !is_claimed && !self.wire.claim(&run.id).await? {
            return Ok(());
        }
        match self.ask(run).await {
            Ok(()) => Ok(()),
            Err(Refusal::NotNow(error)) => Err(error),
            Err(Refusal::No(why)) => {
                tracing::info!(flow_run = run.id, why, "a run made in Prefect was refused");
                let failed = NewState { kind: "FAILED", name: "Failed", message: why };
                Ok(self.wire.set_state(&run.id, &failed).await.map(drop)?)
            }
        }
    }

    async fn ask(&self, run: &FlowRun) -> Result<(), Refusal> {
        let asked: Parameters = serde_json::from_value(run.parameters.clone())
            .map_err(|error| Refusal::No(format!("Its parameters can't be read: {error}.")))?;
        let user = self.owner(asked.person.as_deref()).await?;
        let request = ExperimentRequest { name: asked.name, wells: asked.wells, ..ExperimentRequest::default() };
        match self.lab.submit_flow_run(&user, request, &run.id).await {
            Ok(accepted) => {
                tracing::info!(flow_run = run.id, experiment = %accepted.experiment.experiment.id, "a run made in Prefect is an experiment");
                Ok(())
            }
            Err(SubmitError::Store(error)) => Err(Refusal::NotNow(error.into())),
            Err(refused) => Err(Refusal::No(why(&refused))),
        }
    }

    /// Whose experiment it is.
    async fn owner(&self, person: Option<&str>) -> Result<User, Refusal> {
        let no = |why: String| Err(Refusal::No(why));
        let people = &self.config.people;
        let email = match person.map(str::trim).filter(|person| !person.is_empty()) {
            None => match people.first() {
                Some(first) => first,
                None => {
                    return no(
                        "No account is named that runs made in Prefect belong to: set prefect_people.".to_owned()
                    );
                }
            },
            Some(person) => match people.iter().find(|email| email.eq_ignore_ascii_case(person)) {
                Some(email) => email,
                None => {
                    return no(
                        "This person isn't one of those that runs made in Prefect may belong to (prefect_people)."
                            .to_owned(),
                    );
                }
            },
        };
        let user = self.store.user_by_email(email).await.map_err(|error| Refusal::NotNow(error.into()))?;
        match user {
            None => no(format!("{email} has no account in this lab.")),
            Some(user) if user.disabled_at.is_some() => no(format!("{email}'s account is disabled.")),
            Some(user) if !Permission::AskForExperiments.is_given_to(user.role) => {
                no(format!("{email} may not ask for experiments."))
            }
            Some(user) => Ok(user),
        }
    }
}

fn why(refused: &SubmitError) -> String {
    let SubmitError::Invalid { objections, .. } = refused else { return format!("Tincture refused it: {refused}.") };
    let told =
        objections.iter().take(MOST_OBJECTIONS).map(|objection| format!("{}: {}", objection.pointer, objection.detail));
    format!("Tincture refused it: {}.", told.collect::<Vec<_>>().join("; "))
}
