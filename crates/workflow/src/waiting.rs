//! What an experiment waits for when it isn't only its turn: a person, a robot, or a deck that no robot has.
//!
//! The one place that says so, for pages, API and command line. It is worked out from the experiment and the robots as they
//! were read, and asks the database nothing.

use crate::attend::stopped;
use chrono::{DateTime, Utc};
use domain::{ExperimentStatus, Fault, FaultCode, Lack, Needs, RobotId, RobotMode, Role};
use store::{Driver, Experiment, Robot};

/// Whom or what it takes for an experiment to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Somebody who runs the lab: a robot was paused, stopped, drained, or asks.
    Operator,
    /// A robot that can't be used at the moment, or that no worker drives.
    Robot,
    /// A deck that can mix it. There is none; a worker will end it.
    Deck,
}

impl WaitsFor {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Robot => "robot",
            Self::Deck => "deck",
        }
    }
}

/// That no robot goes on with an experiment now, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub whom: WaitsFor,
    /// Since when nobody goes on with it; nothing where that isn't known.
    pub since: Option<DateTime<Utc>>,
    /// All that it may be mixed on: the one that its wells lie at, or every robot of the lab.
    pub robots: Vec<Hindered>,
}

/// A robot that doesn't go on with an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindered {
    pub id: RobotId,
    pub name: String,
    pub by: Hindrance,
    pub since: Option<DateTime<Utc>>,
}

/// Why a robot doesn't go on with an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// By whom (an e-mail address).
    Stopped(Option<String>),
    /// Its question to its operator.
    Asks(Fault),
    /// By whom.
    Paused(Option<String>),
    /// By whom. It ends what it has in hand and takes nothing new.
    Drains(Option<String>),
    /// What its worker complains about.
    Unusable(Fault),
    /// No worker drives it.
    Undriven,
    /// What its deck lacks for this experiment.
    Lacks(Lack),
}

impl Waiting {
    /// What an experiment waits for among these robots, which are all that the lab has. Nothing for one that a robot has in
    /// hand or will take in its turn, and for one that its owner has paused or that has ended.
    pub fn of(experiment: &Experiment, robots: &[Robot], now: DateTime<Utc>) -> Option<Self> {
        let is_held_up = match experiment.status {
            ExperimentStatus::Running => experiment.robot_id.is_some(),
            ExperimentStatus::Queued => true,
            _ => false,
        };
        if !is_held_up {
            return None;
        }
        let mut hindered = Vec::new();
        for robot in mixing(experiment, robots) {
            hindered.push(hindered_by(robot, experiment, now)?);
        }
        let asked = experiment.started_at.filter(|_| experiment.status == ExperimentStatus::Running);
        Some(Self::for_all(hindered, asked.unwrap_or(experiment.created_at)))
    }

    /// What the whole queue waits for: something where no robot takes anything, whatever it is.
    pub fn of_queue(robots: &[Robot], now: DateTime<Utc>) -> Option<Self> {
        let hindered = robots.iter().map(|robot| hindered(robot, false, now)).collect::<Option<_>>()?;
        Some(Self::for_all(hindered, DateTime::UNIX_EPOCH))
    }

    /// `asked` is since when it could have been worked on at the earliest.
    fn for_all(robots: Vec<Hindered>, asked: DateTime<Utc>) -> Self {
        let whom = if robots.iter().any(|robot| robot.by.is_an_operators()) {
            WaitsFor::Operator
        } else if !robots.is_empty() && robots.iter().all(|robot| matches!(robot.by, Hindrance::Lacks(_))) {
            WaitsFor::Deck
        } else {
            WaitsFor::Robot
        };
        // While one of them went on, it wasn't held up.
        let last = robots.iter().filter_map(|robot| robot.since).max();
        Self { whom, since: last.map(|last| last.max(asked)), robots }
    }

    /// Like "waiting for an operator".
    pub fn headline(&self) -> &'static str {
        match self.whom {
            WaitsFor::Operator => "waiting for an operator",
            WaitsFor::Robot if self.robots.len() == 1 => "waiting for its robot",
            WaitsFor::Robot => "waiting for a robot",
            WaitsFor::Deck => "no robot of this lab can mix it",
        }
    }

    /// What its reader does about it.
    pub fn advice(&self, reader: Role) -> &'static str {
        match (self.whom, reader.runs_the_lab()) {
            (WaitsFor::Operator, false) => "Nothing for you to do: those who run the lab see it on their pages.",
            (WaitsFor::Robot, false) => "Nothing for you to do: it goes on by itself as soon as a robot can be used.",
            (WaitsFor::Deck, _) => "It is ended soon, and its quota returned. Ask for what the lab's decks have now.",
            (WaitsFor::Operator, true) => "Answer or resume the robot on its page; then it goes on.",
            (WaitsFor::Robot, true) => {
                "See that the robot is on and that a worker runs for it; then it goes on by itself."
            }
        }
    }

    /// All of it, without the time: for those who run the lab with the robots and who holds them, for others with what
    /// they have to do, which is nothing.
    pub fn sentence(&self, reader: Role) -> String {
        let headline = capitalised(self.headline());
        if !reader.runs_the_lab() || self.robots.is_empty() {
            return format!("{headline}. {}", self.advice(reader));
        }
        let each: Vec<_> = self.robots.iter().map(|robot| robot.sentence(reader)).collect();
        format!("{headline}: {}.", each.join("; "))
    }

    /// The fault behind it, if there is one, as its reader meets it.
    pub fn fault(&self, reader: Role) -> Option<Fault> {
        let fault = self.robots.iter().find_map(|robot| robot.by.fault(reader))?;
        let next = if reader.runs_the_lab() { fault.next } else { self.advice(reader).to_owned() };
        Some(Fault { next, ..fault })
    }
}

impl Hindered {
    /// Like "bench-1 is paused by olga@example.org" or "bench-1 asks its operator". People's names are told to those who run
    /// the lab.
    pub fn sentence(&self, reader: Role) -> String {
        let name = &self.name;
        let by = |who: &Option<String>| match who {
            Some(who) if reader.runs_the_lab() => format!(" by {who}"),
            _ => String::new(),
        };
        match &self.by {
            Hindrance::Stopped(who) => format!("{name} was stopped{}", by(who)),
            Hindrance::Asks(_) => format!("{name} asks its operator"),
            Hindrance::Paused(who) => format!("{name} is paused{}", by(who)),
            Hindrance::Drains(who) => format!("{name} was drained{} and takes nothing new", by(who)),
            Hindrance::Unusable(_) => format!("{name} can't be used at the moment"),
            Hindrance::Undriven => format!("{name} has no worker"),
            Hindrance::Lacks(lack) => format!("{name} has {lack}"),
        }
    }
}

impl Hindrance {
    /// As the API says it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "stopped",
            Self::Asks(_) => "asks",
            Self::Paused(_) => "paused",
            Self::Drains(_) => "drains",
            Self::Unusable(_) => "unusable",
            Self::Undriven => "undriven",
            Self::Lacks(_) => "lacks",
        }
    }

    /// Whether somebody who runs the lab ends it on the robot's page.
    pub const fn is_an_operators(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Asks(_) | Self::Paused(_) | Self::Drains(_))
    }

    /// What there is to add, and of which fault: what is asked, or why it can't be used.
    pub fn detail(&self) -> Option<(&str, FaultCode)> {
        match self {
            Self::Asks(fault) => Some((&fault.what, fault.code)),
            Self::Unusable(fault) => Some((&fault.cause, fault.code)),
            _ => None,
        }
    }

    fn fault(&self, reader: Role) -> Option<Fault> {
        match self {
            Self::Stopped(who) => Some(stopped(who.as_deref(), reader)),
            Self::Asks(fault) | Self::Unusable(fault) => Some(fault.clone()),
            _ => None,
        }
    }
}

/// The robots that may mix an experiment: the one that its wells lie at, or all.
pub(crate) fn mixing<'a>(experiment: &Experiment, robots: &'a [Robot]) -> impl Iterator<Item = &'a Robot> {
    let bound = experiment.robot_id;
    robots.iter().filter(move |robot| bound.is_none_or(|bound| bound == robot.id))
}

/// How this robot is hindered, if it is.
pub(crate) fn hindered_by(robot: &Robot, experiment: &Experiment, now: DateTime<Utc>) -> Option<Hindered> {
    let is_in_hand = experiment.status == ExperimentStatus::Running;
    let lack = experiment.needs.as_ref().filter(|_| !is_in_hand).and_then(|needs: &Needs| robot.bench().lacks(needs));
    match lack {
        Some(lack) => {
            Some(Hindered { id: robot.id, name: robot.name.clone(), by: Hindrance::Lacks(lack), since: None })
        }
        None => hindered(robot, is_in_hand, now),
    }
}

/// How this robot is hindered in going on with what it has in hand, or in taking something new, whatever it is.
fn hindered(robot: &Robot, is_in_hand: bool, now: DateTime<Utc>) -> Option<Hindered> {
    let who = || robot.mode_by.clone();
    let (by, since) = match (robot.mode, &robot.attention, robot.driver(now)) {
        (RobotMode::Stopped, ..) => (Hindrance::Stopped(who()), robot.mode_at),
        (_, Some(question), _) => (Hindrance::Asks(question.clone()), robot.attention_at),
        (RobotMode::Paused, ..) => (Hindrance::Paused(who()), robot.mode_at),
        (RobotMode::Draining, ..) if !is_in_hand => (Hindrance::Drains(who()), robot.mode_at),
        (_, _, Driver::Nobody) => (Hindrance::Undriven, robot.lease_expires_at.filter(|end| *end <= now)),
        (_, _, Driver::Waits(_)) => (Hindrance::Unusable(robot.notice.clone()?), robot.notice_at),
        (_, _, Driver::Drives(_)) => return None,
    };
    Some(Hindered { id: robot.id, name: robot.name.clone(), by, since })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
