//! The live stream of an experiment: what happened to it, numbered without gaps, so that a reader resumes anywhere.

use crate::{
    connection::{Backend, Store},
    error::{Result, StoreError},
    records::{Event, EventId, Latest},
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{EventKind, ExperimentEvent, ExperimentId, ExperimentStatus, Fault};
use sea_orm::DatabaseTransaction;
use std::sync::Arc;

/// The most events of one answer.
const MOST_EVENTS: u32 = 1_000;

/// An event to be written; its number is given when it is.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub experiment: ExperimentId,
    pub event: ExperimentEvent,
}

impl NewEvent {
    pub fn status(experiment: ExperimentId, status: ExperimentStatus, fault: Option<&Fault>) -> Self {
        Self { experiment, event: ExperimentEvent::Status { status, fault: fault.cloned() } }
    }
}

/// Numbers and writes them, in the order given. The experiment's row is locked from here to the commit, so that
/// numbers become visible in order and none is ever missing.
pub(crate) async fn append(tx: &DatabaseTransaction, events: Vec<NewEvent>) -> Result<()> {
    let mut by_experiment: Vec<(ExperimentId, Vec<NewEvent>)> = Vec::new();
    for event in events {
        match by_experiment.iter_mut().find(|(experiment, _)| *experiment == event.experiment) {
            Some((_, known)) => known.push(event),
            None => by_experiment.push((event.experiment, vec![event])),
        }
    }
    // Always in the same order, so that two transactions never wait for each other's experiments.
    by_experiment.sort_by_key(|(experiment, _)| *experiment);
    for (experiment, events) in by_experiment {
        append_to(tx, experiment, events).await?;
    }
    Ok(())
}

async fn append_to(tx: &DatabaseTransaction, experiment: ExperimentId, events: Vec<NewEvent>) -> Result<()> {
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let text = format!(
        "UPDATE experiments SET last_sequence = last_sequence + $2 WHERE id = $1 RETURNING last_sequence, {} AS timeline",
        Backend::of(tx).timeline(),
    );
    let row = sql!(text, experiment, count).one(tx).await?.ok_or(StoreError::NotFound("experiment"))?;
    let timeline = row.get::<Option<i32>>("timeline")?;
    let first = row.get::<i64>("last_sequence")? - count + 1;
    let at = now();
    let rows = events
        .into_iter()
        .zip(first..)
        .map(|(event, sequence)| {
            row_values![experiment, sequence, event.event.kind().as_str(), event.event.data(), at, timeline]
        })
        .collect();
    Sql::with_rows(
        "INSERT INTO events (experiment_id, sequence, kind, data, at, timeline) VALUES",
        Vec::new(),
        rows,
        "",
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// Those after a sequence (0: from the start), in order; at most `limit` (≤ 1000). As new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn events(&self, experiment: ExperimentId, after: i64, limit: u32) -> Result<Vec<Event>> {
        let rows = sql!(
            "SELECT experiment_id, sequence, kind, data, at, timeline FROM events WHERE experiment_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
            experiment,
            after,
            i64::from(limit.min(MOST_EVENTS)),
        );
        rows.all(&self.view_of(experiment).await).await?.iter().map(read_event).collect()
    }

    /// The number of the newest event; 0 when there is none. As new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn latest_sequence(&self, experiment: ExperimentId) -> Result<i64> {
        let asked = sql!("SELECT last_sequence FROM experiments WHERE id = $1", experiment);
        let row = asked.one(&self.view_of(experiment).await).await?;
        row.map_or(Ok(0), |row| row.get("last_sequence"))
    }

    /// The newest event's public id; nothing when there is none.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn latest_event_id(&self, experiment: ExperimentId) -> Result<EventId> {
        let text = "SELECT e.last_sequence, v.timeline FROM experiments e
            LEFT JOIN events v ON v.experiment_id = e.id AND v.sequence = e.last_sequence WHERE e.id = $1";
        let Some(row) = sql!(text, experiment).one(self.reader()).await? else { return Ok(EventId::default()) };
        Ok(EventId { sequence: row.get("last_sequence")?, timeline: row.get("timeline")? })
    }

    /// After which number who has seen `seen` goes on. That very number, unless its event was lost when another server was
    /// promoted, or an earlier state put back: then what was written since is told, also under numbers that were seen.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn resume_after(&self, experiment: ExperimentId, seen: EventId) -> Result<i64> {
        if self.backend() == Backend::Sqlite || seen.sequence <= 0 {
            return Ok(seen.sequence);
        }
        let there = sql!(
            "SELECT e.last_sequence, v.sequence, v.timeline FROM experiments e
             LEFT JOIN events v ON v.experiment_id = e.id AND v.sequence = $2 WHERE e.id = $1",
            experiment,
            seen.sequence,
        );
        let Some(row) = there.one(self.reader()).await? else { return Ok(seen.sequence) };
        let is_there = row.get::<Option<i64>>("sequence")?.is_some();
        if is_there && row.get::<Option<i32>>("timeline")? == seen.timeline {
            return Ok(seen.sequence);
        }
        let newer = sql!(
            "SELECT MIN(sequence) AS first FROM events WHERE experiment_id = $1 AND COALESCE(timeline, 1) > $2",
            experiment,
            seen.timeline.unwrap_or(1),
        );
        let first = newer.one(self.reader()).await?.map(|row| row.get::<Option<i64>>("first")).transpose()?.flatten();
        let common = first.map_or(row.get("last_sequence")?, |first| first - 1);
        Ok(seen.sequence.min(common))
    }

    /// How far many experiments are, those that are unknown left out, and in which timeline that is.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn latest_sequences(&self, experiments: &[ExperimentId]) -> Result<Latest> {
        let mut latest = Latest::default();
        if experiments.is_empty() {
            return Ok(latest);
        }
        for row in latest_of(self.backend(), experiments).all(self.reader()).await? {
            latest.timeline = row.get("timeline")?;
            latest.sequences.insert(row.get("id")?, row.get("last_sequence")?);
        }
        Ok(latest)
    }

    /// Those of many experiments with these numbers (≤ 1000), one experiment after the other, each in order.
    ///
    /// By number and not by range: that is found by key, whatever a planner thinks of how long the history is.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn events_at(&self, places: &[(ExperimentId, i64)]) -> Result<Vec<Event>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        at(places).all(self.reader()).await?.iter().map(read_event).collect()
    }

    /// The newest event of a kind, as new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn latest_event(&self, experiment: ExperimentId, kind: EventKind) -> Result<Option<Event>> {
        let row = sql!(
            "SELECT experiment_id, sequence, kind, data, at, timeline FROM events WHERE experiment_id = $1 AND kind = $2 ORDER BY sequence DESC LIMIT 1",
            experiment,
            kind.as_str(),
        );
        row.one(&self.view_of(experiment).await).await?.map(|row| read_event(&row)).transpose()
    }

    /// The newest report of progress of each experiment that a lane has in hand, as they were a moment ago.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn progress_in_hand_lately(&self) -> Result<Arc<Vec<Event>>> {
        let read = async || self.latest_events_in_hand(EventKind::Progress).await;
        self.kept_in_hand().get(|| 0, read).await
    }

    /// The newest event of a kind of each experiment that a lane has in hand.
    async fn latest_events_in_hand(&self, kind: EventKind) -> Result<Vec<Event>> {
        let rows = sql!(
            "SELECT v.experiment_id, v.sequence, v.kind, v.data, v.at, v.timeline FROM experiments e JOIN events v ON v.experiment_id = e.id AND v.sequence = (
                 SELECT MAX(sequence) FROM events WHERE experiment_id = e.id AND kind = $1
             ) WHERE e.status = 'running'",
            kind.as_str(),
        );
        rows.all(self.reader()).await?.iter().map(read_event).collect()
    }
}

/// How far each of these is.
pub(crate) fn latest_of(backend: Backend, experiments: &[ExperimentId]) -> Sql {
    let ids = experiments.iter().map(|&id| row_values![id]).collect();
    let text =
        format!("SELECT id, last_sequence, {} AS timeline FROM experiments WHERE id IN (VALUES", backend.timeline());
    Sql::with_rows(&text, Vec::new(), ids, ")")
}

/// The events with these numbers.
pub(crate) fn at(places: &[(ExperimentId, i64)]) -> Sql {
    let places = places.iter().take(MOST_EVENTS as usize);
    let places = places.map(|&(experiment, sequence)| row_values![experiment, sequence]).collect();
    Sql::with_rows(
        "WITH places (experiment_id, sequence) AS (VALUES",
        Vec::new(),
        places,
        ") SELECT v.experiment_id, v.sequence, v.kind, v.data, v.at, v.timeline FROM places p
         JOIN events v ON v.experiment_id = p.experiment_id AND v.sequence = p.sequence
         ORDER BY v.experiment_id, v.sequence",
    )
}

fn read_event(row: &Row) -> Result<Event> {
    Ok(Event {
        experiment_id: row.get("experiment_id")?,
        sequence: row.get("sequence")?,
        kind: row.get("kind")?,
        data: row.get("data")?,
        at: row.get("at")?,
        timeline: row.get("timeline")?,
    })
}
