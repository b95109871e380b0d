//! What an experiment waits for, in its reader's words and with the way to the robots for who may go there.

use crate::{pages::robots, sentences::sentence, when::When};
use chrono::Utc;
use domain::{FaultCode, Role};
use workflow::{Hindered, Hindrance, Waiting};

pub struct WaitingView {
    pub headline: String,
    pub since: Option<When>,
    pub robots: Vec<HinderedView>,
    pub advice: &'static str,
}

/// A robot that doesn't go on with it.
pub struct HinderedView {
    /// Like "bench-1 is paused", without a full stop: the time may follow.
    pub claim: String,
    pub since: Option<When>,
    /// What is asked, or why it can't be used, and where more is said about that.
    pub detail: Option<(String, String)>,
    /// Its page, and what there is to do there, for who runs the lab.
    pub way: Option<(String, String)>,
}

impl WaitingView {
    pub fn of(waiting: &Waiting, reader: Role) -> Self {
        let headline = sentence(waiting.headline());
        Self {
            headline: headline.trim_end_matches('.').to_owned(),
            since: waiting.since.map(|since| When::new(since, Utc::now())),
            robots: waiting.robots.iter().map(|robot| HinderedView::of(robot, reader)).collect(),
            advice: waiting.advice(reader),
        }
    }
}

impl HinderedView {
    fn of(robot: &Hindered, reader: Role) -> Self {
        let to_do = match robot.by {
            Hindrance::Asks(_) => "Answer",
            _ => "To",
        };
        let way = || (robots::path_of(&robot.name, robot.id), format!("{to_do} {}", robot.name));
        Self {
            claim: robot.sentence(reader),
            since: robot.since.map(|since| When::new(since, Utc::now())),
            detail: robot.detail().map(sentence).zip(code(&robot.by).map(FaultCode::help_path)),
            way: reader.runs_the_lab().then(way),
        }
    }
}

const fn code(by: &Hindrance) -> Option<FaultCode> {
    match by {
        Hindrance::Asks(fault) | Hindrance::Unusable(fault) => Some(fault.code),
        _ => None,
    }
}
