//! Tells Prefect what happened: runs are made, and states, log, progress and results follow the experiment's events, in order.
//!
//! Each is told at least once. A run is made with the experiment's id as its key, so twice is once; a state or a progress that is
//! set twice is the same; a line of the log may be there twice after a process died between telling and writing down.

use crate::{
    api::{LogLine, NewRun, State},
    client::PrefectError,
    desk::{Desk, DeskError, note},
    listen::News,
    told,
};
use domain::{ExperimentEvent, ExperimentId, ExperimentStatus, Fault};
use futures::{StreamExt, stream};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};
use store::{Event, ExperimentDetail, PrefectRun};

/// Experiments that are told of together.
const BATCH: usize = 20;
/// Calls under way at once.
const AT_ONCE: usize = 4;
/// Events of one batch.
const MOST_EVENTS: usize = 1_000;
/// Between two reports of an experiment that stands as it stood: its log and its progress needn't be told line by line.
const CALM: Duration = Duration::from_secs(10);
/// Experiments whose news are remembered one by one; with more, all are looked at.
const MOST_CHANGED: usize = 10_000;

/// What may have something to tell.
#[derive(Debug)]
pub(crate) struct Changed {
    experiments: BTreeSet<ExperimentId>,
    /// Some of them may not be noted in the database.
    is_fresh: bool,
    /// Those that can wait, and until when.
    later: BTreeMap<ExperimentId, Instant>,
    /// All are looked at, those after this one still.
    all_after: Option<Option<ExperimentId>>,
}

impl Changed {
    pub const fn everything() -> Self {
        Self { experiments: BTreeSet::new(), is_fresh: true, later: BTreeMap::new(), all_after: Some(None) }
    }

    pub fn add(&mut self, experiment: ExperimentId) {
        self.is_fresh = true;
        self.experiments.insert(experiment);
        if self.experiments.len() > MOST_CHANGED {
            *self = Self::everything();
        }
    }

    /// Those whose time has come are to be told of now.
    pub fn wake(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(_, at)| *at <= now);
        self.later = later;
        self.experiments.extend(BTreeMap::into_keys(due));
    }

    fn tell_later(&mut self, experiment: ExperimentId) {
        self.later.entry(experiment).or_insert_with(|| Instant::now() + CALM);
    }

    /// Whether there may be some that aren't noted in the database; asked once.
    pub const fn take_fresh(&mut self) -> bool {
        std::mem::replace(&mut self.is_fresh, false)
    }

    pub fn is_nothing(&self) -> bool {
        self.experiments.is_empty() && self.all_after.is_none()
    }

    pub fn look_at_all(&mut self) {
        self.is_fresh = true;
        self.all_after.get_or_insert(None);
    }
}

/// What this process remembers of what it told.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Up to which event the log has it, where that couldn't be written down yet.
    logged: HashMap<ExperimentId, i64>,
    /// When those that aren't over were last told of.
    told_at: HashMap<ExperimentId, Instant>,
}

impl Memory {
    /// Whether it is told of at once: it stands otherwise than Prefect knows, or wasn't told of for a while.
    fn is_due(&self, run: &PrefectRun) -> bool {
        run.state.as_deref() != Some(told::kind(run.status))
            || self.told_at.get(&run.experiment).is_none_or(|at| at.elapsed() >= CALM)
    }

    fn note(&mut self, run: &PrefectRun) {
        self.logged.remove(&run.experiment);
        if run.is_closed {
            self.told_at.remove(&run.experiment);
        } else {
            self.told_at.insert(run.experiment, Instant::now());
        }
    }
}

impl Desk {
    /// Tells of some of them.
    pub async fn report(&self, changed: &mut Changed, memory: &mut Memory) -> Result<(), DeskError> {
        changed.wake();
        let some: Vec<_> = changed.experiments.iter().take(BATCH).copied().collect();
        if !some.is_empty() {
            let runs = self.store.prefect_runs_of(&some).await?;
            for experiment in some {
                changed.experiments.remove(&experiment);
            }
            self.tell(runs, changed, memory).await?;
        }
        if let Some(after) = changed.all_after {
            let runs = self.store.untold_prefect_runs(after, BATCH as u32).await?;
            let (last, is_last) = (runs.last().map(|run| run.experiment), runs.len() < BATCH);
            self.tell(runs, changed, memory).await?;
            changed.all_after = if is_last { None } else { Some(last) };
        }
        Ok(())
    }

    /// Those of which there is more to tell stay in `changed`. After an error all are looked at anew.
    async fn tell(&self, runs: Vec<PrefectRun>, changed: &mut Changed, memory: &mut Memory) -> Result<(), DeskError> {
        let untold = runs.into_iter().filter(|run| !run.is_closed && run.waiting() > 0);
        let (due, later): (Vec<_>, Vec<_>) = untold.partition(|run| memory.is_due(run));
        later.iter().for_each(|run| changed.tell_later(run.experiment));
        if due.is_empty() {
            return Ok(());
        }
        let mut runs = self.make_missing(due).await?;
        runs.retain(|run| !run.is_closed);
        let news = self.news(&runs).await?;
        self.log(&runs, &news, &mut memory.logged).await?;
        let told: Vec<_> = stream::iter(runs)
            .map(|run| async { self.tell_one(run, &news).await })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut kept = Vec::with_capacity(told.len());
        let mut failed = None;
        for (run, outcome) in told {
            match outcome {
                Ok(()) => kept.push(run),
                Err(error) => failed = Some(error),
            }
        }
        self.store.keep_prefect_runs(&kept).await?;
        for run in &kept {
            memory.note(run);
            if !run.is_closed && run.waiting() > 0 {
                // It isn't to be waited for.
                memory.told_at.remove(&run.experiment);
                changed.experiments.insert(run.experiment);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn make_missing(&self, mut runs: Vec<PrefectRun>) -> Result<Vec<PrefectRun>, DeskError> {
        let (mut there, missing): (Vec<_>, Vec<_>) = runs.drain(..).partition(|run| run.flow_run.is_some());
        let made: Vec<_> =
            stream::iter(missing).map(|run| self.make(run)).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        let (mut new, mut failed) = (Vec::new(), None);
        for outcome in made {
            match outcome {
                Ok(run) => new.push(run),
                Err(error) => failed = Some(error),
            }
        }
        self.store.keep_prefect_runs(&new).await?;
        if let Some(error) = failed {
            return Err(error);
        }
        there.append(&mut new);
        there.sort_by_key(|run| run.experiment);
        Ok(there)
    }

    async fn make(&self, mut run: PrefectRun) -> Result<PrefectRun, DeskError> {
        let Some(detail) = self.store.experiment(run.experiment).await? else { return Ok(run) };
        let asked = NewRun {
            name: told::name(&detail),
            parameters: told::parameters(&detail),
            idempotency_key: format!("tincture-{}", run.experiment),
            tags: vec!["tincture".to_owned(), format!("person:{}", run_owner(&detail))],
            state: told::state(ExperimentStatus::Queued, None, None),
        };
        let made = match self.wire.create_run(&self.deployment, &asked).await {
            Err(error) if error.is_for_good() => return Ok(set_aside(run, &error)),
            made => made?,
        };
        if let Some(state) = made.state {
            note(&mut run, state);
        }
        run.flow_run = Some(made.id);
        Ok(run)
    }

    /// From there to our page.
    async fn link(&self, flow_run: &str, experiment: ExperimentId) -> Result<(), PrefectError> {
        let text = format!("[The experiment in Tincture]({}/experiments/{experiment})", self.config.site);
        self.wire.artifact(flow_run, "tincture-experiment", "markdown", "Where it is steered", json!(text)).await?;
        Ok(())
    }

    /// The next events of each, in order.
    async fn news(&self, runs: &[PrefectRun]) -> Result<HashMap<ExperimentId, Vec<Event>>, DeskError> {
        let share = i64::try_from(MOST_EVENTS / runs.len().max(1)).unwrap_or(1).max(1);
        let places: Vec<_> = runs
            .iter()
            .flat_map(|run| (run.told + 1..=run.last_sequence.min(run.told + share)).map(|at| (run.experiment, at)))
            .collect();
        let mut news: HashMap<ExperimentId, Vec<Event>> = runs.iter().map(|run| (run.experiment, Vec::new())).collect();
        for event in self.store.events_at(&places).await? {
            news.entry(event.experiment_id).or_default().push(event);
        }
        for run in runs.iter().filter(|run| news.get(&run.experiment).is_none_or(Vec::is_empty)) {
            tracing::warn!(experiment = %run.experiment, "its events are forgotten: Prefect isn't told of them");
        }
        Ok(news)
    }

    /// One call for all of them.
    async fn log(
        &self,
        runs: &[PrefectRun],
        news: &HashMap<ExperimentId, Vec<Event>>,
        logged: &mut HashMap<ExperimentId, i64>,
    ) -> Result<(), DeskError> {
        let mut lines = Vec::new();
        for run in runs {
            let Some(flow_run) = &run.flow_run else { continue };
            let before = logged.get(&run.experiment).copied().unwrap_or_default();
            let new = news.get(&run.experiment).into_iter().flatten().filter(|event| event.sequence > before);
            lines.extend(new.filter_map(|event| {
                let (level, message, at) = told::line(event)?;
                Some(LogLine { flow_run: flow_run.clone(), level, message, at })
            }));
        }
        if !lines.is_empty() {
            self.wire.log(&lines).await?;
        }
        for events in news.values() {
            if let Some(last) = events.last() {
                logged.insert(last.experiment_id, last.sequence);
            }
        }
        Ok(())
    }

    async fn tell_one(
        &self,
        mut run: PrefectRun,
        news: &HashMap<ExperimentId, Vec<Event>>,
    ) -> (PrefectRun, Result<(), DeskError>) {
        let events = news.get(&run.experiment).map(Vec::as_slice).unwrap_or_default();
        match self.tell_events(&mut run, events).await {
            // Somebody deleted it there, or it is another server: it is made anew, and all is told.
            Err(DeskError::Prefect(PrefectError::Missing)) => {
                tracing::warn!(experiment = %run.experiment, "its run is gone in Prefect; it is made anew");
                let anew = PrefectRun { flow_run: None, told: 0, state_id: None, state: None, progress: None, ..run };
                (anew, Ok(()))
            }
            Err(DeskError::Prefect(error)) if error.is_for_good() => (set_aside(run, &error), Ok(())),
            outcome => (run, outcome),
        }
    }

    async fn tell_events(&self, run: &mut PrefectRun, events: &[Event]) -> Result<(), DeskError> {
        if let Some(flow_run) = run.flow_run.as_ref().filter(|_| run.told == 0) {
            self.link(flow_run, run.experiment).await?;
        }
        let mut progress = None;
        for event in events {
            match event.read() {
                Some(ExperimentEvent::Status { status, fault }) => {
                    if status.is_final() {
                        self.tell_end(run, status).await?;
                    }
                    self.tell_status(run, status, fault.as_ref()).await?;
                    run.is_closed = status.is_final();
                }
                Some(ExperimentEvent::Progress(report)) if report.steps_total > 0 => {
                    progress = Some(percent(report.steps_done, report.steps_total));
                }
                _ => {}
            }
        }
        if let Some(percent) = progress.filter(|_| !run.is_closed) {
            self.show_progress(run, percent).await?;
        }
        let first_untold = run.told + 1;
        run.told = events.last().map_or(run.last_sequence, |event| event.sequence.max(first_untold));
        Ok(())
    }

    /// What somebody did there since we looked comes first: it isn't overwritten with what was before.
    async fn tell_status(
        &self,
        run: &mut PrefectRun,
        status: ExperimentStatus,
        fault: Option<&Fault>,
    ) -> Result<(), DeskError> {
        let Some(flow_run) = run.flow_run.clone() else { return Ok(()) };
        let there = self.wire.run(&flow_run).await?;
        if self.obey(run, &there).await? == News::Acted && !status.is_final() {
            return Ok(());
        }
        let state = told::state(status, fault, run.robot.as_deref());
        let is_so = |there: &State| {
            there.kind == state.kind && (status != ExperimentStatus::Queued || there.name == state.name)
        };
        match there.state.filter(is_so) {
            Some(same) => note(run, same),
            None => self.set_state(run, &state).await?,
        }
        Ok(())
    }

    async fn tell_end(&self, run: &mut PrefectRun, status: ExperimentStatus) -> Result<(), DeskError> {
        let Some(flow_run) = run.flow_run.clone() else { return Ok(()) };
        if status == ExperimentStatus::Completed && run.progress.is_some() {
            self.show_progress(run, 100.0).await?;
        }
        let Some(detail) = self.store.experiment(run.experiment).await? else { return Ok(()) };
        let lines = told::results(&detail);
        if !lines.is_empty() {
            // Prefect takes a table as text.
            let table = json!(serde_json::Value::Array(lines).to_string());
            self.wire.artifact(&flow_run, "tincture-results", "table", "The measured wells", table).await?;
        }
        Ok(())
    }

    async fn show_progress(&self, run: &mut PrefectRun, percent: f64) -> Result<(), DeskError> {
        let Some(flow_run) = run.flow_run.clone() else { return Ok(()) };
        match &run.progress {
            Some(artifact) => self.wire.change_artifact(artifact, json!(percent)).await?,
            None => {
                let about = "How much of it is done";
                let made =
                    self.wire.artifact(&flow_run, "tincture-progress", "progress", about, json!(percent)).await?;
                run.progress = Some(made);
            }
        }
        Ok(())
    }
}

/// One that Prefect won't have isn't in the way of the others.
fn set_aside(run: PrefectRun, error: &PrefectError) -> PrefectRun {
    tracing::error!(experiment = %run.experiment, %error, "Prefect refuses what it is told of an experiment; it isn't told of it any more");
    PrefectRun { is_closed: true, ..run }
}

#[allow(clippy::cast_precision_loss, reason = "steps of a plate are some thousands")]
fn percent(done: u64, total: u64) -> f64 {
    100.0 * done.min(total) as f64 / total as f64
}

fn run_owner(detail: &ExperimentDetail) -> String {
    detail.experiment.user_id.to_string()
}
