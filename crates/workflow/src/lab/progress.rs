//! How far experiments are, and what they wait for.

use super::Lab;
use crate::{
    estimate,
    waiting::{self, Waiting},
};
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use domain::{EventKind, ExperimentEvent, ExperimentId, ExperimentStatus, Fault, Report, Role};
use store::{Event, Experiment, ExperimentDetail, Robot, StoreError};

/// How far an experiment is. Nothing is foretold while it waits for something else than its turn.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// 1 is next; nothing once it runs.
    pub queue_position: Option<usize>,
    pub seconds_to_start: Option<f64>,
    pub steps_done: u64,
    pub steps_total: u64,
    pub seconds_left: Option<f64>,
    /// What the robot is doing for it now, like "adding 60 µL of red to B3".
    pub now: Option<String>,
    /// Why no robot goes on with it.
    pub waiting: Option<Waiting>,
}

impl Progress {
    /// What keeps an experiment from going on, as its reader meets it: its own fault, or what its robot waits for.
    pub fn trouble(&self, experiment: &Experiment, reader: Role) -> Option<Fault> {
        let waits_for = || self.waiting.as_ref().and_then(|waiting| waiting.fault(reader));
        experiment.fault.clone().or_else(waits_for)
    }

    /// While it waits, nobody knows when it starts or ends, and the last step isn't what happens now.
    fn without_forecast(self) -> Self {
        if self.waiting.is_none() {
            return self;
        }
        Self { seconds_to_start: None, seconds_left: None, now: None, ..self }
    }
}

impl Lab {
    /// How far an experiment is: its place in the queue, or its steps, and what it waits for.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn progress(&self, experiment: &ExperimentDetail) -> Result<Progress, StoreError> {
        if experiment.experiment.status.is_final() {
            return Ok(Progress::default());
        }
        self.progress_among(experiment, &self.store.robots_lately().await?).await
    }

    /// The same for who has read the lab's robots already.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn progress_among(
        &self,
        experiment: &ExperimentDetail,
        robots: &[Robot],
    ) -> Result<Progress, StoreError> {
        let (experiment, now) = (&experiment.experiment, Utc::now());
        if experiment.status.is_final() {
            return Ok(Progress::default());
        }
        let waiting = Waiting::of(experiment, robots, now);
        if experiment.status != ExperimentStatus::Queued {
            return Ok(Progress { waiting, ..self.under_way(experiment.id).await? }.without_forecast());
        }
        let able =
            waiting::mixing(experiment, robots).filter(|robot| waiting::hindered_by(robot, experiment, now).is_none());
        let progress = self.in_queue(experiment, able.count()).await?;
        Ok(Progress { waiting, ..progress }.without_forecast())
    }

    /// What experiments wait for, in their order. The robots are read once for all of them.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    pub async fn waiting<'a>(
        &self,
        experiments: impl IntoIterator<Item = &'a Experiment>,
    ) -> Result<Vec<Option<Waiting>>, StoreError> {
        let experiments: Vec<_> = experiments.into_iter().collect();
        if experiments.iter().all(|experiment| experiment.status.is_final()) {
            return Ok(vec![None; experiments.len()]);
        }
        let (robots, now) = (self.store.robots_lately().await?, Utc::now());
        Ok(experiments.into_iter().map(|experiment| Waiting::of(experiment, &robots, now)).collect())
    }

    /// `lanes` is how many robots will take what waits.
    async fn in_queue(&self, experiment: &Experiment, lanes: usize) -> Result<Progress, StoreError> {
        let ahead = self.store.ahead_of(experiment).await?;
        let reports = self.reports().await?;
        let in_hand: f64 = reports.iter().map(|report| report.seconds_left).sum();
        let nominal = estimate::experiment_seconds(ahead.wells, ahead.experiments);
        Ok(Progress {
            queue_position: Some(ahead.experiments + 1),
            seconds_to_start: Some((in_hand + nominal * mean_pace(&reports)) / lanes.max(1) as f64),
            ..Progress::default()
        })
    }

    /// Real seconds a nominal second, as the robots at work show it.
    pub(crate) async fn pace(&self) -> Result<f64, StoreError> {
        Ok(mean_pace(&self.reports().await?))
    }

    /// How far the experiments in hand are: as many as there are busy robots.
    async fn reports(&self) -> Result<Vec<Report>, StoreError> {
        let events = self.store.progress_in_hand_lately().await?;
        Ok(events.iter().filter_map(report).collect())
    }

    async fn under_way(&self, id: ExperimentId) -> Result<Progress, StoreError> {
        let report = self.latest_report(id).await?;
        let doing = self.store.latest_event(id, EventKind::Operation).await?.and_then(|event| event.read());
        let now = doing.and_then(|event| match event {
            ExperimentEvent::Operation { sentence, .. } => Some(sentence),
            _ => None,
        });
        Ok(report.map_or_else(Progress::default, |report| Progress {
            steps_done: report.steps_done,
            steps_total: report.steps_total,
            seconds_left: Some(report.seconds_left),
            now,
            ..Progress::default()
        }))
    }

    async fn latest_report(&self, id: ExperimentId) -> Result<Option<Report>, StoreError> {
        Ok(self.store.latest_event(id, EventKind::Progress).await?.as_ref().and_then(report))
    }
}

fn report(event: &Event) -> Option<Report> {
    match event.read() {
        Some(ExperimentEvent::Progress(report)) => Some(report),
        _ => None,
    }
}

fn mean_pace(reports: &[Report]) -> f64 {
    let sum: f64 = reports.iter().map(|report| report.pace).sum();
    if reports.is_empty() { 1.0 } else { sum / reports.len() as f64 }
}
