//! Experiments, their wells and results, and what is told of them.

use chrono::{DateTime, SubsecRound, Utc};
use domain::{
    Control, ExperimentEvent, ExperimentId, ExperimentStatus, Fault, Handling, Needs, PlateId, Recipe, ResultId,
    RobotId, UserId, WellId, WellName, WellStatus, colour::Target,
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::HashMap, fmt, net::IpAddr, str::FromStr};

/// What became of a [`Control`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlOutcome {
    /// Done at once: nothing physical was under way.
    Applied(ExperimentStatus),
    /// Written down for the worker, which acts after the operation in flight.
    Requested,
    /// It makes no sense in this state.
    Refused(ExperimentStatus),
}

/// A row of `experiments`.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub id: ExperimentId,
    pub user_id: UserId,
    pub name: Option<String>,
    pub status: ExperimentStatus,
    pub priority: i16,
    /// The robot that has it or had it; it keeps it, since the wells lie on that robot's plate.
    pub robot_id: Option<RobotId>,
    pub plate_id: Option<PlateId>,
    /// A wish not yet answered by the worker.
    pub control: Option<Control>,
    pub fault: Option<Fault>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub metadata: Value,
    /// What it asks of a deck; nothing for one that is older than that being written down.
    pub needs: Option<Needs>,
}

/// A row of `wells`: one well of an experiment.
#[derive(Clone, Debug)]
pub struct Well {
    pub id: WellId,
    pub experiment_id: ExperimentId,
    /// 0-based place in the request; a replacement has the place of the well it replaces.
    pub position: i32,
    /// Where it lies on the plate; nothing before the experiment starts.
    pub well_id: Option<WellName>,
    pub plate_id: Option<PlateId>,
    pub status: WellStatus,
    pub recipe: Recipe,
    /// The colour it is to have.
    pub target: Option<Target>,
    /// The quarantined well which this one makes up for.
    pub replaces: Option<WellId>,
    /// The doubtful well of another experiment whose quota was given back for this one.
    pub makes_up_for: Option<WellId>,
    pub fault: Option<Fault>,
}

/// A row of `results`.
#[derive(Clone, Debug)]
pub struct Measurement {
    pub id: ResultId,
    pub experiment_id: ExperimentId,
    pub well: WellId,
    /// As in the API: `channels`, `lab`, `srgb`, settings, reference …
    pub measurement_data: Value,
    pub created_at: DateTime<Utc>,
}

/// An experiment with its wells, ordered by position and then age, each with its result.
#[derive(Clone, Debug)]
pub struct ExperimentDetail {
    pub experiment: Experiment,
    pub wells: Vec<(Well, Option<Measurement>)>,
}

/// A line of a list.
#[derive(Clone, Debug)]
pub struct ExperimentSummary {
    pub experiment: Experiment,
    /// Of the person who asked.
    pub email: String,
    /// Wells asked for (replacements not counted).
    pub wells: u32,
    pub measured: u32,
    /// Of the measured ones, those that aren't to be believed.
    pub doubtful: u32,
    /// Measured colours (`#rrggbb`) in well order.
    pub swatches: Vec<String>,
}

/// A valid request, to be accepted and charged.
#[derive(Clone, Debug)]
pub struct NewExperiment {
    pub id: ExperimentId,
    pub user_id: UserId,
    /// When it was asked for; kept to the microsecond.
    pub created_at: DateTime<Utc>,
    pub name: Option<String>,
    pub wells: Vec<NewWell>,
    pub priority: i16,
    pub metadata: Value,
    /// Measured wells of this person whose quota is given back for it, each once for ever. The last wells asked for, in
    /// this order, make up for them; cancelling one of those returns nothing more.
    pub gives_back: Vec<WellId>,
    /// The client's `Idempotency-Key` with a hash of the request body.
    pub idempotency: Option<IdempotencyKey>,
    pub ip_address: Option<IpAddr>,
    /// Who tried an older experiment again by it, as the activity log is to say it.
    pub retried: Option<super::NewActivity>,
}

/// A well to be mixed.
#[derive(Clone, Debug)]
pub struct NewWell {
    pub id: WellId,
    pub recipe: Recipe,
    /// The colour it is to have.
    pub target: Option<Target>,
}

impl NewWell {
    pub fn of(recipe: Recipe, target: Option<Target>) -> Self {
        Self { id: WellId::new(), recipe, target }
    }
}

/// A well at its place in a request.
pub(crate) struct Place<'a> {
    /// From 0.
    pub position: i32,
    pub well: &'a NewWell,
    pub makes_up_for: Option<WellId>,
}

/// What an experiment that waits for a robot will use.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    pub experiment: ExperimentId,
    /// Of its wells that nothing was done for yet.
    pub recipes: Vec<Recipe>,
    /// The experiment's.
    pub metadata: Value,
}

impl Demand {
    pub(crate) const fn of(experiment: ExperimentId) -> Self {
        Self { experiment, recipes: Vec::new(), metadata: Value::Null }
    }
}

impl NewExperiment {
    /// What is stored when it is accepted.
    pub fn detail(&self) -> ExperimentDetail {
        let experiment = Experiment {
            id: self.id,
            user_id: self.user_id,
            name: self.name.clone(),
            status: ExperimentStatus::Queued,
            priority: self.priority,
            robot_id: None,
            plate_id: None,
            control: None,
            fault: None,
            created_at: self.kept_at(),
            started_at: None,
            completed_at: None,
            metadata: self.metadata.clone(),
            needs: Some(self.needs()),
        };
        let wells = self.places().map(|Place { position, well, makes_up_for }| Well {
            id: well.id,
            experiment_id: self.id,
            position,
            well_id: None,
            plate_id: None,
            status: WellStatus::Pending,
            recipe: well.recipe.clone(),
            target: well.target,
            replaces: None,
            makes_up_for,
            fault: None,
        });
        ExperimentDetail { experiment, wells: wells.map(|well| (well, None)).collect() }
    }

    /// When it was asked for, as it is kept.
    pub(crate) fn kept_at(&self) -> DateTime<Utc> {
        self.created_at.trunc_subsecs(6)
    }

    pub(crate) fn needs(&self) -> Needs {
        let needs = Needs::of(self.wells.iter().map(|well| &well.recipe));
        Needs { strokes: self.metadata.get(Handling::KEPT_AS).is_some(), ..needs }
    }

    /// Its wells, each with its position and the well that it makes up for.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let paid = self.wells.len().saturating_sub(self.gives_back.len());
        let makes_up_for = std::iter::repeat_n(None, paid).chain(self.gives_back.iter().copied().map(Some));
        let wells = self.wells.iter().zip(makes_up_for).zip(0..);
        wells.map(|((well, makes_up_for), position)| Place { position, well, makes_up_for })
    }
}

#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// 1–200 characters.
    pub key: String,
    /// Hex SHA-256 of what was asked.
    pub request_hash: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Durable and charged.
    Accepted { quota_remaining: i32 },
    /// The same key with the same request came before; this is what it made.
    Replayed { experiment: ExperimentId, quota_remaining: i32 },
    /// The same key came with another request.
    KeyReused,
    /// Nothing was charged.
    QuotaExhausted { remaining: i32 },
    /// Nothing was charged: so many experiments wait already.
    QueueFull { limit: u32 },
    /// Nothing was charged: a well in `gives_back` isn't this person's, wasn't measured, was given back before, or no well
    /// asked for makes up for it.
    AlreadyGivenBack,
}

/// One event of an experiment's live stream. Sequences start at 1 and have no gaps, so a stream resumes anywhere.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub experiment_id: ExperimentId,
    pub sequence: i64,
    /// One of [`EventKind`](domain::EventKind), unless another release wrote it.
    pub kind: String,
    pub data: Value,
    pub at: DateTime<Utc>,
    /// PostgreSQL's timeline in which it was written; nothing for the first.
    pub timeline: Option<i32>,
}

/// An event's public name in its experiment: its sequence, or `timeline-sequence` where the database's timeline wasn't the first
/// when it was written. A number that was given twice, since a failover lost the first of the two, names two events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventId {
    /// Nothing for the first.
    pub timeline: Option<i32>,
    pub sequence: i64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timeline {
            Some(timeline) => write!(f, "{timeline}-{}", self.sequence),
            None => write!(f, "{}", self.sequence),
        }
    }
}

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (timeline, sequence) = text.split_once('-').map_or((None, text), |(timeline, rest)| (Some(timeline), rest));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(sequence) || !timeline.is_none_or(digits) {
            return Err(NotAnEventId);
        }
        let timeline = timeline.map(|timeline| timeline.parse().map_err(|_| NotAnEventId)).transpose()?;
        Ok(Self {
            timeline: timeline.filter(|timeline| *timeline > 1),
            sequence: sequence.parse().map_err(|_| NotAnEventId)?,
        })
    }
}

/// What is no event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event's id is a whole number from 0, or two of them with a hyphen in between")]
pub struct NotAnEventId;

/// How far experiments are.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// The database's timeline; nothing for the first.
    pub timeline: Option<i32>,
    pub sequences: HashMap<ExperimentId, i64>,
}

impl Event {
    pub const fn id(&self) -> EventId {
        EventId { timeline: self.timeline, sequence: self.sequence }
    }

    /// What it says; nothing where another release wrote something else.
    pub fn read(&self) -> Option<ExperimentEvent> {
        ExperimentEvent::read(&self.kind, &self.data)
    }
}

/// One place in the queue, in the order in which lanes will take it (fair between users).
#[derive(Clone, Debug)]
pub struct Queued {
    pub experiment: ExperimentId,
    pub user_id: UserId,
    /// Wells still to be done.
    pub wells: u32,
    pub robot_id: Option<RobotId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_id_is_its_number_until_the_database_has_failed_over() {
        for (text, timeline, sequence) in [("0", None, 0), ("41", None, 41), ("2-41", Some(2), 41)] {
            let id: EventId = text.parse().expect("an id");
            assert_eq!((id, id.to_string().as_str()), (EventId { timeline, sequence }, text));
        }
        assert_eq!("1-7".parse(), Ok(EventId { timeline: None, sequence: 7 }));
        for wrong in ["", "-", "x", "-1", "2-", "-41", "2-4-1", "+1", "2-x", "99999999999-1", "99999999999999999999"] {
            assert_eq!(wrong.parse::<EventId>(), Err(NotAnEventId), "{wrong}");
        }
    }
}
