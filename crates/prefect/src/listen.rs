//! What somebody did to a run there happens to its experiment here, by the same functions of the store that our own pages use.
//!
//! Each state has an id. One that isn't the last that we set or saw is somebody else's doing.

use crate::{
    api::{FlowRun, MOST_RUNS},
    desk::{ACTOR, Desk, DeskError, note},
    told,
};
use chrono::{TimeDelta, Utc};
use domain::{Control, ExperimentStatus};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use store::{ControlOutcome, NewActivity, PrefectRun};

/// Runs that ended so long ago are looked at again: for what ends while an answer is on its way, and for clocks.
const RECENT: TimeDelta = TimeDelta::minutes(15);
/// The same after a start.
const AT_START: TimeDelta = TimeDelta::days(7);
const MOST_SEEN: usize = 5_000;
/// What Prefect calls a run that is to begin. What waits here is called otherwise.
const DUE: [&str; 5] = ["Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot", "Resuming"];

/// What a run's state there led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is as we left it.
    None,
    /// It is another, and asks for nothing.
    Noted,
    /// It was somebody's wish, or made no sense and was set right.
    Acted,
}

/// What was heard before.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// State by run.
    seen: HashMap<String, String>,
    started: bool,
}

impl Desk {
    /// What people did to runs, and, where `takes_in`, what was made there and is due.
    pub async fn listen(&self, heard: &mut Heard, takes_in: bool) -> Result<(), DeskError> {
        let now = Utc::now();
        let since = now - if heard.started { RECENT } else { AT_START };
        let deployment = json!({ "any_": [self.deployment] });
        let asking = json!({
            "deployment_id": deployment,
            "state": { "operator": "or_", "type": { "any_": ["PAUSED", "CANCELLING", "PENDING"] }, "name": { "any_": DUE } },
            "expected_start_time": { "before_": now },
        });
        let ended = json!({
            "deployment_id": deployment,
            "state": { "type": { "any_": ["CANCELLED", "CRASHED", "FAILED", "COMPLETED"] } },
            "end_time": { "after_": since },
        });
        let (asking, ended) = tokio::try_join!(
            self.wire.runs(asking, "EXPECTED_START_TIME_ASC"),
            self.wire.runs(ended, "END_TIME_DESC")
        )?;
        let no_longer_paused =
            if asking.len() < MOST_RUNS { self.no_longer_paused(&asking).await? } else { Vec::new() };
        let is_due = |run: &FlowRun| {
            run.state.as_ref().is_some_and(|state| matches!(state.kind.as_str(), "SCHEDULED" | "PENDING"))
        };
        let due = asking.iter().filter(|run| takes_in && is_due(run)).cloned().collect();
        self.hear(heard, [asking, ended, no_longer_paused].concat()).await?;
        self.take_in(due).await?;
        heard.started = true;
        Ok(())
    }

    /// Those that were paused when they were last looked at.
    async fn no_longer_paused(&self, still: &[FlowRun]) -> Result<Vec<FlowRun>, DeskError> {
        let still: HashSet<&str> = still.iter().map(|run| run.id.as_str()).collect();
        let paused = self.store.paused_prefect_runs().await?;
        let gone = paused.into_iter().filter_map(|run| run.flow_run);
        let gone: Vec<_> = gone.filter(|id| !still.contains(id.as_str())).take(MOST_RUNS).collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.wire.runs(json!({ "id": { "any_": gone } }), "ID_DESC").await?)
    }

    /// Does what these runs' states ask for, where they are news.
    pub async fn hear(&self, heard: &mut Heard, runs: Vec<FlowRun>) -> Result<(), DeskError> {
        let is_news =
            |run: &FlowRun| run.state.as_ref().is_some_and(|state| heard.seen.get(&run.id) != Some(&state.id));
        let news: HashMap<String, FlowRun> =
            runs.into_iter().filter(is_news).map(|run| (run.id.clone(), run)).collect();
        if news.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = news.keys().cloned().collect();
        let mut known = Vec::new();
        for some in ids.chunks(MOST_RUNS) {
            known.extend(self.store.prefect_runs_called(some).await?);
        }
        for mut run in known {
            let Some(there) = run.flow_run.as_ref().and_then(|id| news.get(id)) else { continue };
            if self.obey(&mut run, there).await? != News::None {
                self.store.keep_prefect_runs(&[run]).await?;
            }
        }
        if heard.seen.len() > MOST_SEEN {
            heard.seen.clear();
        }
        heard.seen.extend(news.into_iter().filter_map(|(id, run)| Some((id, run.state?.id))));
        Ok(())
    }

    /// Does what a run's state asks for, if that isn't ours. What makes no sense there is set right.
    pub async fn obey(&self, run: &mut PrefectRun, there: &FlowRun) -> Result<News, DeskError> {
        use ExperimentStatus::{Paused, Queued, Running};
        let Some(state) = &there.state else { return Ok(News::None) };
        if run.state_id.as_ref() == Some(&state.id) {
            return Ok(News::None);
        }
        let was_paused = run.state.as_deref() == Some("PAUSED");
        let wish = match (state.kind.as_str(), run.status) {
            ("CANCELLING" | "CANCELLED", status) if !status.is_final() => Some(Control::Cancel),
            ("PAUSED", Queued | Running) => Some(Control::Pause),
            ("RUNNING" | "SCHEDULED" | "PENDING", Paused) if was_paused => Some(Control::Resume),
            // Before the lane has seen that it is to pause.
            ("RUNNING" | "SCHEDULED", Running) if was_paused => Some(Control::Resume),
            _ => None,
        };
        let is_so = state.kind == told::kind(run.status) || run.state_id.is_none();
        if wish.is_none() && !is_so {
            tracing::info!(experiment = %run.experiment, state = state.kind, "a run's state in Prefect is set right");
            let right = told::state(run.status, None, run.robot.as_deref());
            self.set_state(run, &right).await?;
            return Ok(News::Acted);
        }
        if let Some(wish) = wish {
            self.grant(run, wish).await?;
        }
        note(run, state.clone());
        Ok(if wish.is_some() { News::Acted } else { News::Noted })
    }

    async fn grant(&self, run: &PrefectRun, wish: Control) -> Result<(), DeskError> {
        let details = json!({ "experiment_id": run.experiment, "by": ACTOR, "flow_run": run.flow_run });
        let activity = NewActivity { user_id: None, action: wish.activity(), details, ip_address: None };
        let outcome = self.store.control(run.experiment, wish, &activity).await?;
        if !matches!(outcome, ControlOutcome::Refused(_)) {
            tracing::info!(experiment = %run.experiment, ?wish, by = ACTOR, "an experiment was told");
        }
        Ok(())
    }
}
