//! What can be told apart as a case: who serves the deck, what it lacks, and what happens at which call.

use crate::bench::{Act, Contact, Fault, Moment, Truth, What};
use domain::{Attendance, RobotKind};
use std::fmt;

/// What the deck lacks when the experiment is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lacking {
    Nothing,
    Plate,
    Dye,
    Tips,
    Waste,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub kind: RobotKind,
    pub attendance: Attendance,
    pub lacking: Lacking,
    pub database: Database,
    /// Who answers does so in one of three ways; this says which.
    pub manner: usize,
    pub script: Vec<(usize, What)>,
    /// What the call is at which it begins; for its name only.
    pub at: String,
}

impl Case {
    pub fn new(attendance: Attendance, at: &str, script: Vec<(usize, What)>) -> Self {
        let manner = script.iter().map(|(call, what)| call + what.to_string().len()).sum::<usize>() % 3;
        let (lacking, database) = (Lacking::Nothing, Database::Sqlite);
        Self { kind: RobotKind::Ot2, attendance, lacking, database, manner, script, at: at.to_owned() }
    }

    /// At a robot that is told whole mixtures, and can't be told to forget. Who answers says what hangs on its nozzle.
    pub fn of_mixtures(at: &str, script: Vec<(usize, What)>) -> Self {
        let case = Self::new(Attendance::Operator, at, script);
        Self { kind: RobotKind::Script, manner: 1 + case.manner % 2, ..case }
    }

    /// Whether something is asked of the lane that it can't promise to measure every well.
    pub fn may_end_otherwise(&self) -> bool {
        let ends = |what: &What| matches!(what, What::Stays(..) | What::Act(Act::CancelExperiment, _));
        self.script.iter().any(|(_, what)| ends(what))
    }

    /// Whether another experiment follows on the deck.
    pub fn is_followed(&self) -> bool {
        self.script.iter().any(|(_, what)| matches!(what, What::Act(Act::CancelExperiment, _)))
    }

    /// Whether the robot forgets a command, of which its operator must hear whatever else happens.
    pub fn is_asked_about_a_doubt(&self) -> bool {
        self.script.iter().any(|(_, what)| *what == What::KillAtVerdict)
    }

    /// Whether all of its script is sure to come about.
    pub fn is_certain(&self) -> bool {
        self.script.len() == 1 && !matches!(self.script[0].1, What::KillAfter(_))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attended = match self.attendance {
            Attendance::Virtual => "virtual",
            Attendance::Operator => "operator",
        };
        f.write_str(if self.kind == RobotKind::Script { "script" } else { attended })?;
        if self.database == Database::Postgres {
            f.write_str("/postgres")?;
        }
        if self.lacking != Lacking::Nothing {
            write!(f, "/lacks-{}", words(&self.lacking))?;
        }
        if !self.at.is_empty() {
            write!(f, "/{}", self.at)?;
        }
        for (index, (call, what)) in self.script.iter().enumerate() {
            write!(f, "{}{what}@{call}", if index == 0 { "/" } else { "+" })?;
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Act(act, moment) => write!(f, "{}-{}", words(act), words(moment)),
            Self::KillAfter(turns) => write!(f, "killed-{turns}-turns-later"),
            Self::KillAtVerdict => f.write_str("killed-at-verdict"),
            Self::Stays(fault, times) => write!(f, "{fault}-{times}-times"),
            Self::Unanswered(contact) => write!(f, "{}-unanswered", words(contact)),
            Self::KillAt(contact) => write!(f, "killed-before-{}", words(contact)),
            Self::KillDone(contact) => write!(f, "killed-after-{}", words(contact)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { started: false, .. } => f.write_str("failed-unstarted"),
            Self::Failed { moved, .. } => write!(f, "failed-{}", if *moved { "moved" } else { "unmoved" }),
            Self::Unknown(truth) => write!(f, "unknown-{truth}"),
            Self::Crash(truth) => write!(f, "crash-{truth}"),
            plain => f.write_str(&words(plain)),
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailedHalfway { moved } => write!(f, "failed-{}", if *moved { "moved" } else { "unmoved" }),
            Self::Forgotten { moved } => write!(f, "forgotten-{}", if *moved { "moved" } else { "unmoved" }),
            plain => f.write_str(&words(plain)),
        }
    }
}

/// `NeverCame` as `never-came`.
fn words(name: &impl fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// Every way in which a step of the robot can fail, each with what is physically true and what the robot says of it; a
/// crash comes before the robot did it, after it, and with everything that the next worker may be told.
pub fn robot_faults() -> Vec<Fault> {
    let truths = [
        Truth::NeverCame,
        Truth::Done,
        Truth::StillRunning,
        Truth::FailedBefore,
        Truth::FailedHalfway { moved: false },
        Truth::FailedHalfway { moved: true },
        Truth::Forgotten { moved: false },
        Truth::Forgotten { moved: true },
    ];
    let certain = [
        Fault::NotSent,
        Fault::Refused,
        Fault::Taken,
        Fault::Failed { started: false, moved: false },
        Fault::Failed { started: true, moved: false },
        Fault::Failed { started: true, moved: true },
    ];
    certain.into_iter().chain(truths.map(Fault::Unknown)).chain(truths.map(Fault::Crash)).collect()
}

/// Every way in which a reading can fail.
pub fn sensor_faults() -> Vec<Fault> {
    vec![
        Fault::Unreachable,
        Fault::Silent,
        Fault::Device,
        Fault::Implausible,
        Fault::Dark,
        Fault::Saturated,
        Fault::TakenMeanwhile,
        Fault::Crash(Truth::NeverCame),
        Fault::Crash(Truth::Done),
    ]
}

/// Every way in which a whole mixture can fail, of which its robot says nothing at all.
fn silent_faults() -> Vec<Fault> {
    let truths = [Truth::NeverCame, Truth::Done, Truth::Half];
    let certain = [Fault::NotSent, Fault::Taken];
    certain.into_iter().chain(truths.map(Fault::Unknown)).chain(truths.map(Fault::Crash)).collect()
}

/// The same at a robot that is told whole mixtures.
pub fn faults_of_mixtures(step: &str) -> Vec<Fault> {
    if step == "read" { sensor_faults() } else { silent_faults() }
}

pub fn faults_of(step: &str) -> Vec<Fault> {
    if step == "read" { sensor_faults() } else { robot_faults() }
}

/// What people do, and when.
pub fn acts() -> Vec<What> {
    let acts = [
        Act::Stop,
        Act::Pause,
        Act::CancelExperiment,
        Act::PauseExperiment,
        Act::Terminate,
        Act::StopAndKill,
        Act::StopAndTerminate,
    ];
    let moments = [Moment::Before, Moment::After];
    let hands = What::Act(Act::ClearUnderPutDown, Moment::After);
    let at_calls = acts.into_iter().flat_map(|act| moments.map(|moment| What::Act(act, moment)));
    let in_gaps = [Act::Stop, Act::Pause, Act::CancelExperiment, Act::PauseExperiment];
    at_calls.chain(in_gaps.map(|act| What::Act(act, Moment::Gap))).chain([hands]).collect()
}

/// What else can go wrong while the lane picks itself up.
pub fn second_faults(after: usize) -> Vec<(usize, What)> {
    let contacts = [
        What::Unanswered(Contact::Hold),
        What::KillAt(Contact::Hold),
        What::KillDone(Contact::Hold),
        What::Unanswered(Contact::Lookup),
        What::KillAt(Contact::Lookup),
    ];
    let mut seconds: Vec<_> = contacts.map(|what| (after + 1, what)).into_iter().collect();
    let calls = [
        Fault::NotSent,
        Fault::Failed { started: true, moved: true },
        Fault::Failed { started: true, moved: false },
        Fault::Unknown(Truth::NeverCame),
        Fault::Unknown(Truth::Done),
        Fault::Unknown(Truth::Forgotten { moved: true }),
        Fault::Crash(Truth::NeverCame),
        Fault::Crash(Truth::Done),
        Fault::Crash(Truth::Forgotten { moved: false }),
    ];
    for offset in 1..=3 {
        seconds.extend(calls.map(|fault| (after + offset, What::Fault(fault))));
        seconds.push((after + offset, What::Act(Act::Stop, Moment::Before)));
        seconds.push((after + offset, What::Act(Act::Pause, Moment::After)));
    }
    seconds
}
