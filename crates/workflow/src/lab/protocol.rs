//! An experiment as a protocol that an OT-2 runs by itself: as it would be mixed, or as it was.

use super::Lab;
use crate::{
    Outlook, handling_of,
    mixture::{self, Mixture},
    needs_of,
    plan::{self, Reference, Shortage, Tips},
    whole,
};
use async_recursion::async_recursion as boxed;
use domain::{Deck, Grain, Handling, JournalEvent, Step, WellName};
use hardware::ot2::{Line, Protocol};
use std::collections::BTreeSet;
use store::{Experiment, ExperimentDetail, JournalledOperation, StoreError};

/// Which way to see an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenAs {
    /// As the robot would mix it now, on a plate of which nothing else is used.
    Plan,
    /// What was carried out so far, trouble and all.
    Run,
}

/// Why there is no protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("no robot of this lab can mix it")]
    NoRobot,
    #[error("it can't be planned: {0}")]
    Short(#[from] Shortage),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lab {
    /// An experiment as a protocol; where nobody says how, what was carried out if anything was, else the plan. Decks are as they
    /// are now.
    ///
    /// # Errors
    /// See [`ProtocolError`].
    #[boxed]
    pub async fn protocol(
        &self,
        detail: &ExperimentDetail,
        seen_as: Option<SeenAs>,
    ) -> Result<Protocol, ProtocolError> {
        let (deck, grain) = self.deck_for(detail).await?.ok_or(ProtocolError::NoRobot)?;
        let journal = match seen_as {
            Some(SeenAs::Plan) => Vec::new(),
            Some(SeenAs::Run) | None => mixture::journal(self.store(), detail.experiment.id).await?,
        };
        let as_run = seen_as.unwrap_or(if journal.is_empty() { SeenAs::Plan } else { SeenAs::Run }) == SeenAs::Run;
        let (lines, how) = match as_run {
            true => (carried_out(&journal), "What a robot did"),
            false => (planned(&deck, grain, detail)?, "A plan, not yet carried out"),
        };
        let Experiment { id, name, .. } = &detail.experiment;
        let title = name.clone().unwrap_or_else(|| format!("Tincture {id}"));
        Ok(Protocol { title, origin: format!("{how} (experiment {id})"), deck, lines })
    }

    /// What an experiment that wasn't begun will be like on the deck of its robot or of the first that can mix it; nothing where
    /// none can, and for any other.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn outlook(&self, detail: &ExperimentDetail) -> Result<Option<Outlook>, StoreError> {
        if detail.experiment.started_at.is_some() || detail.experiment.status.is_final() {
            return Ok(None);
        }
        let Some((deck, grain)) = self.deck_for(detail).await? else { return Ok(None) };
        let Ok(lines) = planned(&deck, grain, detail) else { return Ok(None) };
        let step = |line| match line {
            Line::Do(step) => Some(step),
            Line::Note(_) => None,
        };
        Ok(Some(Outlook::of(&deck, &lines.into_iter().filter_map(step).collect::<Vec<_>>())))
    }

    /// The deck of its robot, or of the first that can mix it, and how that is told what to do.
    async fn deck_for(&self, detail: &ExperimentDetail) -> Result<Option<(Deck, Grain)>, StoreError> {
        let needs = needs_of(detail);
        let robots = self.store().robots_lately().await?;
        let own = robots.iter().find(|robot| Some(robot.id) == detail.experiment.robot_id);
        if let (None, Some(id)) = (own, detail.experiment.robot_id) {
            // One that was removed is in no list, and what it did was done on its deck.
            return Ok(self.store().robot(id).await?.map(|robot| (robot.deck, robot.kind.grain())));
        }
        let found = own.or_else(|| robots.iter().find(|robot| robot.bench().lacks(&needs).is_none()));
        Ok(found.map(|robot| (robot.deck.clone(), robot.kind.grain())))
    }
}

/// From the first move to the last reading; wells without a place get the first that are free.
fn planned(deck: &Deck, grain: Grain, detail: &ExperimentDetail) -> Result<Vec<Line>, Shortage> {
    let wells = || detail.wells.iter().map(|(well, _)| well);
    let taken: BTreeSet<WellName> = wells().filter_map(|well| well.well_id).collect();
    let mut free = WellName::all().filter(|name| !taken.contains(name));
    let mut mixtures = Vec::new();
    for well in wells() {
        let Some(at) = well.well_id.or_else(|| free.next()) else { break };
        // A well that was replaced lies where its successor does not.
        if mixtures.iter().any(|mixture: &Mixture| mixture.at == at) {
            continue;
        }
        let status = domain::WellStatus::Pending;
        mixtures.push(Mixture { status, ..Mixture::of(well, at) });
    }
    let strokes = on_a_new_plate(deck, grain, &handling_of(&detail.experiment), mixtures)?.into_iter();
    Ok(std::iter::once(Step::Home).chain(strokes).map(Line::Do).collect())
}

/// How these are mixed on a plate of which nothing else is used, in strokes.
pub(super) fn on_a_new_plate(
    deck: &Deck,
    grain: Grain,
    handling: &Handling,
    mut mixtures: Vec<Mixture>,
) -> Result<Vec<Step>, Shortage> {
    mixtures.sort_by_key(|mixture| mixture.at);
    let taken: BTreeSet<WellName> = mixtures.iter().map(|mixture| mixture.at).collect();
    let free: Vec<_> = WellName::all().filter(|name| !taken.contains(name)).collect();
    let reference = Reference::choose(&free, &mixtures, 0);
    let unseen = plan::unseen(deck, &mixtures, &[]);
    let steps = match grain {
        Grain::Strokes => plan::steps(deck, handling, &mixtures, &mut Tips::new(&[]), reference, &unseen)?,
        Grain::Mixtures => whole::steps(deck, &mixtures, &[], reference, &unseen)?,
    };
    Ok(steps.into_iter().flat_map(Step::in_strokes).collect())
}

fn carried_out(journal: &[JournalledOperation]) -> Vec<Line> {
    let line = |entry: &JournalledOperation| {
        let step = &entry.operation.step;
        vec![match entry.state {
            JournalEvent::Succeeded => return step.clone().in_strokes().into_iter().map(Line::Do).collect(),
            JournalEvent::Failed => Line::Note(format!("failed: {}", step.sentence())),
            JournalEvent::InDoubt | JournalEvent::Settled => {
                Line::Note(format!("nobody can say whether this happened: {}", step.sentence()))
            }
            JournalEvent::Intended | JournalEvent::NotReceived => return Vec::new(),
        }]
    };
    journal.iter().flat_map(line).collect()
}
