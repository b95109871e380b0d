//! What is gathered when all is over: what physically happened, what the database says, and what was asked.

use crate::database::{Database, JournalRecord};
use anyhow::{Context, Result};
use domain::{Deck, ExperimentId, RobotId};
use emulator::world::Entry;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::HashSet, net::SocketAddr, time::Duration};
use store::ExperimentDetail;

const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Everything the verdict rests on.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub users: Vec<Quota>,
    pub experiments: Vec<ExperimentDetail>,
    /// Their owners wished to have them cancelled.
    pub cancelled: HashSet<ExperimentId>,
    pub journal: Vec<JournalRecord>,
    pub robots: Vec<RobotEvidence>,
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

#[derive(Deserialize)]
struct Data<T> {
    data: T,
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
        evidence.experiments.push(store.experiment(*id).await?.context("an accepted experiment is gone")?);
    }
    for robot in store.robots().await? {
        let (_, address) =
            emulators.iter().find(|(name, _)| *name == robot.name).context("a robot without emulator")?;
        let ledger: Data<Vec<Entry>> = get(*address, "/emulator/ledger").await?;
        let state: Data<Value> = get(*address, "/emulator/state").await?;
        let (id, name, deck) = (robot.id, robot.name, robot.deck);
        evidence.robots.push(RobotEvidence { id, name, deck, ledger: ledger.data, state: state.data });
    }
    Ok(evidence)
}

async fn get<T: for<'de> Deserialize<'de>>(address: SocketAddr, path: &str) -> Result<T> {
    let client = reqwest::Client::builder().timeout(ANSWER_LIMIT).no_proxy().build()?;
    let answer = client.get(format!("http://{address}{path}")).send().await?.error_for_status()?;
    answer.json().await.with_context(|| format!("{path} can't be read"))
}
