//! What is gathered when all is over: what physically happened, what the database says, and what was asked.

use crate::{
    database::{Database, JournalRecord},
    document_store::Found,
    hands::Hands,
    people::Hold,
};
use anyhow::{Context, Result};
use domain::{Deck, ExperimentId, RobotId};
use emulator::world::Entry;
use serde_json::Value;
use std::{collections::HashSet, net::SocketAddr};
use store::ExperimentDetail;

/// Everything the verdict rests on.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub users: Vec<Quota>,
    pub experiments: Vec<ExperimentDetail>,
    /// Their owners wished to have them cancelled.
    pub cancelled: HashSet<ExperimentId>,
    pub journal: Vec<JournalRecord>,
    pub robots: Vec<RobotEvidence>,
    /// What people at the robots were promised.
    pub holds: Vec<Hold>,
    /// What is kept of it all as documents. Nothing where nobody looked.
    pub documents: Option<Found>,
    /// Accepted, and not there.
    pub lost: Vec<ExperimentId>,
    /// The database may have lost commits: an asynchronous standby was promoted. What robots did is in their own lists;
    /// what was accepted, and readings, are in nobody's.
    pub may_lose_commits: bool,
    /// Robots that were broken for good: what was bound to them may fail.
    pub broken: HashSet<RobotId>,
}

/// A person's wells.
#[derive(Clone, Debug)]
pub struct Quota {
    pub id: domain::UserId,
    pub email: String,
    pub granted: i64,
    pub remaining: i64,
}

/// What really happened on one deck.
#[derive(Clone, Debug)]
pub struct RobotEvidence {
    pub id: RobotId,
    pub name: String,
    pub deck: Deck,
    pub ledger: Vec<Entry>,
    /// The deck as it is now, as `GET /emulator/state` tells it.
    pub state: Value,
}

/// `granted` by e-mail; `emulators` by robot name.
pub async fn gather(
    database: &Database,
    granted: &[(String, i64)],
    experiments: &[ExperimentId],
    cancelled: HashSet<ExperimentId>,
    emulators: &[(String, SocketAddr)],
) -> Result<Evidence> {
    let store = database.store();
    let mut evidence = Evidence { cancelled, journal: database.journal().await?, ..Evidence::default() };
    for (email, granted) in granted {
        let user = store.user_by_email(email).await?.context("an account is gone")?;
        let (email, granted, remaining) = (email.clone(), *granted, i64::from(user.quota_remaining));
        evidence.users.push(Quota { id: user.id, email, granted, remaining });
    }
    for id in experiments {
        match store.experiment(*id).await? {
            Some(experiment) => evidence.experiments.push(experiment),
            None => evidence.lost.push(*id),
        }
    }
    for robot in store.robots().await? {
        let (_, address) =
            emulators.iter().find(|(name, _)| *name == robot.name).context("a robot without emulator")?;
        let hands = Hands::at(*address)?;
        let (ledger, state) = (hands.ledger().await?, hands.state().await?);
        let (id, name, deck) = (robot.id, robot.name, robot.deck);
        evidence.robots.push(RobotEvidence { id, name, deck, ledger, state });
    }
    Ok(evidence)
}
