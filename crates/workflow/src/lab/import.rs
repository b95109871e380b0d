//! Another's protocol as an experiment of this lab: read against a robot's deck, then checked as any request is.
//!
//! Nothing is made here. What comes of it is a request, which goes the way of all requests.

use super::{
    ExperimentRequest, Lab, SubmitError, WellRequest,
    order::{self, MOST_WELLS},
    protocol::on_a_new_plate,
};
use crate::mixture::Mixture;
use async_recursion::async_recursion as boxed;
use domain::{DyeName, Handling, Mount, Recipe, Step, Volume, WellId, WellName, WellStatus, text};
use hardware::ot2::{DyeSources, Mixing, ProtocolDocument, Remark, Unreadable};
use std::collections::{BTreeMap, BTreeSet};
use store::{Robot, StoreError};

/// What becomes of a protocol here.
#[derive(Clone, Debug)]
pub struct ImportedProtocol {
    /// The robot on whose deck it was read: the first that can mix it, or the one with the fewest problems.
    pub robot: String,
    /// By well of the protocol's plate, in the plate's order; experiments place their wells themselves.
    pub wells: BTreeMap<WellName, Recipe>,
    /// To ask for, as [`Lab::submit`] takes it: nothing while there is a problem.
    pub request: Option<ExperimentRequest>,
    /// What all wells take of each dye.
    pub dyes: BTreeMap<DyeName, Volume>,
    /// Tips that the lab uses for it.
    pub tips: usize,
    pub problems: Vec<Remark>,
    pub notes: Vec<Remark>,
}

/// Why a protocol wasn't looked at.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("no robot of this lab is called {0}")]
    UnknownRobot(String),
    #[error("no robot is set up in this lab yet: an operator adds one with `tincture robot add`")]
    NoRobot,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a file beside what else this process does: a large one takes a core for a moment.
///
/// # Errors
/// It is no protocol of an OT-2, or one that can't be read.
pub async fn read_protocol(bytes: Vec<u8>) -> Result<ProtocolDocument, Unreadable> {
    let read = tokio::task::spawn_blocking(move || ProtocolDocument::read(&bytes)).await;
    read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

impl Lab {
    /// What an experiment that mixes the same as this protocol would be, on this robot's deck or on any.
    ///
    /// # Errors
    /// There is no such robot. What the protocol has that the lab doesn't do is a problem in the answer.
    #[boxed]
    pub async fn import_protocol(
        &self,
        document: &ProtocolDocument,
        robot: Option<&str>,
        sources: &DyeSources,
    ) -> Result<ImportedProtocol, ImportError> {
        let robots = self.store().robots_lately().await?;
        let asked: Vec<&Robot> = robots.iter().filter(|one| robot.is_none_or(|name| one.is_called(name))).collect();
        if let (Some(name), true) = (robot, asked.is_empty()) {
            return Err(ImportError::UnknownRobot(name.chars().take(text::LONGEST_ROBOT_NAME).collect()));
        }
        let mut best: Option<ImportedProtocol> = None;
        for robot in asked {
            let found = on(robot, document, sources);
            if found.problems.is_empty() {
                return Ok(found);
            }
            if best.as_ref().is_none_or(|best| found.problems.len() < best.problems.len()) {
                best = Some(found);
            }
        }
        best.ok_or(ImportError::NoRobot)
    }
}

fn on(robot: &Robot, document: &ProtocolDocument, sources: &DyeSources) -> ImportedProtocol {
    let Mixing { wells, mut problems, mut notes } = document.mixing(&robot.deck, sources);
    let mut request = None;
    let mut tips = 0;
    if problems.is_empty() {
        let name = name(document, &mut notes);
        let asked = ExperimentRequest {
            name,
            wells: wells.values().map(|recipe| WellRequest::of(recipe, None)).collect(),
            handling: Handling::default(),
        };
        problems.extend(objections(&asked, robot));
        match on_a_new_plate(&robot.deck, robot.kind.grain(), &Handling::default(), mixtures(&wells)) {
            Ok(steps) => tips = tips_of(&steps),
            Err(shortage) => problems.push(remark(format!("{}'s deck can't mix it: {shortage}", robot.name))),
        }
        request = problems.is_empty().then_some(asked);
    }
    let mut dyes: BTreeMap<DyeName, Volume> = BTreeMap::new();
    for (dye, volume) in wells.values().flat_map(Recipe::iter) {
        let all = dyes.entry(dye.clone()).or_default();
        *all = *all + volume;
    }
    ImportedProtocol { robot: robot.name.clone(), wells, request, dyes, tips, problems, notes }
}

/// The protocol's title, if an experiment may be called so.
fn name(document: &ProtocolDocument, notes: &mut Vec<Remark>) -> Option<String> {
    let title = document.title()?.trim();
    if title.is_empty() {
        return None;
    }
    if text::line(title, text::LONGEST_EXPERIMENT_NAME).is_ok() {
        return Some(title.to_owned());
    }
    notes.push(remark("its title is left out: an experiment's name is one line of at most 120 characters".to_owned()));
    None
}

/// What is wrong with it as a request, by the rule that every request meets.
fn objections(request: &ExperimentRequest, robot: &Robot) -> Vec<Remark> {
    debug_assert!(request.wells.len() <= MOST_WELLS, "a plate has no more");
    match order::check(request, &[robot.bench()]) {
        Err(SubmitError::Invalid { objections, .. }) => objections
            .into_iter()
            .map(|objection| remark(format!("{}: {}", objection.pointer, objection.detail)))
            .collect(),
        Err(error) => vec![remark(error.to_string())],
        Ok(_) => Vec::new(),
    }
}

fn mixtures(wells: &BTreeMap<WellName, Recipe>) -> Vec<Mixture> {
    let mixture =
        |(at, recipe): (&WellName, &Recipe)| Mixture::new(WellId::new(), *at, WellStatus::Pending, recipe.clone());
    wells.iter().map(mixture).collect()
}

fn tips_of(steps: &[Step]) -> usize {
    let tip = |step: &Step| match step {
        Step::PickUpTip { mount, tip, .. } => Some((*mount == Mount::Left, *tip)),
        _ => None,
    };
    steps.iter().filter_map(tip).collect::<BTreeSet<_>>().len()
}

/// About the whole.
const fn remark(text: String) -> Remark {
    Remark { command: None, line: None, times: 1, text }
}
