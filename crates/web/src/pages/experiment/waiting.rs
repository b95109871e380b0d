//! What an experiment waits for, with the way to the robots for who may go there.

use crate::{pages::robots, sentences::sentence, when::When};
use chrono::Utc;
use domain::Role;
use views::{HinderedView, WaitingView};
use workflow::Hindrance;

/// The facts are [`WaitingView`]'s.
pub struct WaitingNotice {
    pub headline: String,
    pub since: Option<When>,
    pub robots: Vec<HinderedLine>,
    pub advice: &'static str,
}

/// A robot that doesn't go on with it.
pub struct HinderedLine {
    /// Like "bench-1 is paused", without a full stop: the time may follow.
    pub claim: String,
    pub since: Option<When>,
    /// What is asked, or why it can't be used, and where more is said about that.
    pub detail: Option<(String, String)>,
    /// Its page, and what there is to do there, for who runs the lab.
    pub way: Option<(String, String)>,
}

impl WaitingNotice {
    pub fn of(waiting: WaitingView, reader: Role) -> Self {
        let headline = sentence(waiting.headline);
        Self {
            headline: headline.trim_end_matches('.').to_owned(),
            since: waiting.since.map(|since| When::new(since, Utc::now())),
            robots: waiting.robots.into_iter().map(|robot| HinderedLine::of(robot, reader)).collect(),
            advice: waiting.advice,
        }
    }
}

impl HinderedLine {
    fn of(robot: HinderedView, reader: Role) -> Self {
        let to_do = if matches!(robot.by, Hindrance::Asks(_)) { "Answer" } else { "To" };
        let way = || (robots::path_of(&robot.robot, robot.id), format!("{to_do} {}", robot.robot));
        Self {
            since: robot.since.map(|since| When::new(since, Utc::now())),
            detail: robot.by.detail().map(|(what, code)| (sentence(what), code.help_path())),
            way: reader.runs_the_lab().then(way),
            claim: robot.sentence,
        }
    }
}
