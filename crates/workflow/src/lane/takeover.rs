//! Before the first drop under a lease: is this the machine, is it ours alone, and does the journal know its deck?
//!
//! A database that was put back is older than the deck; an address may lead to another machine; another lab may have used
//! it. Each shows in what the robot says of itself. What the journal doesn't know of is not guessed: plate and tips are
//! asked for anew, and what may be left in the vials counts for nothing.

use super::{Lane, LaneError};
use crate::{attend, fault};
use domain::{Attendance, Change, Fault, FaultCode, OperationId, PlateId};
use hardware::{Identity, RobotError, RunTrace};
use store::StoreError;

/// What of a robot speaks against going on as if nothing had happened.
struct Strange {
    question: Fault,
    /// What is accounted for by asking, so that it is asked once.
    accounted: Option<String>,
}

impl Lane {
    /// Asks the machine who it is and what was done on it. Once a lease, after it was reached.
    pub(super) async fn check_machine(&mut self) -> Result<(), LaneError> {
        let identity = match self.machine.identify().await {
            Ok(identity) => identity,
            Err(error) => {
                self.complain(&error).await?;
                return Err(error.into());
            }
        };
        let mut strange = self.check_identity(&identity).await?;
        if strange.is_none() {
            strange = self.check_mark().await?;
        }
        let unknown = self.unknown_history(&identity).await?;
        let strange = match (strange, unknown) {
            (Some(strange), unknown) => Some(Strange { accounted: unknown.and_then(|new| new.accounted), ..strange }),
            (None, unknown) => unknown,
        };
        match strange {
            Some(strange) => self.start_anew(strange).await,
            None if self.robot.notice.take().is_some() => self.record(vec![Change::Notice(None)]).await,
            None => Ok(()),
        }
    }

    /// A robot that can't shut out what it was told earlier may still do it. Somebody has to see it stand still.
    pub(super) async fn ask_unless_fenced(&mut self) -> Result<(), LaneError> {
        if self.machine.fences() || self.robot.run_id.is_none() {
            return Ok(());
        }
        self.ask_operator(fault::not_fenced()).await
    }

    /// Whether the robot isn't taken before somebody has answered.
    pub(super) fn may_hear_of_old_commands(&self) -> bool {
        !self.settled && !self.machine.fences() && self.robot.attention.is_some()
    }

    async fn check_identity(&mut self, identity: &Identity) -> Result<Option<Strange>, LaneError> {
        let Some(name) = identity.name() else { return Ok(None) };
        let before = self.robot.identity.clone();
        if before.as_deref() == Some(name) {
            return Ok(None);
        }
        match self.store.identify(&self.lease, name).await {
            Ok(()) => self.robot.identity = Some(name.to_owned()),
            Err(StoreError::IdentityTaken(other)) => {
                let error = RobotError::Mistaken { detail: format!("it is {name}, which is robot {other} already") };
                self.complain(&error).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(before.map(|before| Strange { question: fault::another_machine(&before, name), accounted: None }))
    }

    async fn check_mark(&mut self) -> Result<Option<Strange>, LaneError> {
        let own = self.store.lab_id().await?.to_string();
        let marked = self.machine.marked_by().await?;
        if marked.as_deref() == Some(&own) {
            return Ok(None);
        }
        self.machine.mark(&own).await?;
        Ok(marked.map(|other| Strange { question: fault::another_lab(&other), accounted: None }))
    }

    /// What was done on the deck that the journal doesn't know of, if anything was.
    async fn unknown_history(&self, identity: &Identity) -> Result<Option<Strange>, LaneError> {
        let accounted = self.robot.accounted.as_deref();
        let newest = match &identity.virtual_deck {
            Some(deck) => deck.last_key.clone().filter(|key| Some(key.as_str()) != accounted),
            None => return self.unknown_runs().await,
        };
        let Some(key) = newest else { return Ok(None) };
        if self.unknown_keys(std::slice::from_ref(&key)).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(Strange { question: fault::unknown_deck(), accounted: Some(key) }))
    }

    /// A real robot tells what was done in its newest runs, down to the last that the journal knows.
    async fn unknown_runs(&self) -> Result<Option<Strange>, LaneError> {
        let Some(last) = &self.robot.run_id else { return Ok(None) };
        let known = [Some(last.as_str()), self.robot.accounted.as_deref()];
        let runs = self.machine.since(&known.into_iter().flatten().collect::<Vec<_>>()).await?;
        let Some(newest) = runs.first().map(|trace| trace.run.id.clone()) else { return Ok(None) };
        let is_lost = runs.iter().any(|trace| !trace.run.ok || !trace.complete);
        let strange = Strange { question: fault::unknown_deck(), accounted: Some(newest) };
        if is_lost || !self.unknown_keys(&keys_that_count(&runs)).await?.is_empty() {
            return Ok(Some(strange));
        }
        Ok(None)
    }

    /// Those that aren't operations of the journal.
    async fn unknown_keys(&self, keys: &[String]) -> Result<Vec<String>, LaneError> {
        let ids: Vec<OperationId> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        let known = self.store.known_operations(self.lease.robot_id, &ids).await?;
        let is_known = |key: &&String| key.parse().is_ok_and(|id: OperationId| known.contains(&id));
        Ok(keys.iter().filter(|key| !is_known(key)).cloned().collect())
    }

    /// Nothing on the deck is believed any more. The virtual lab renews it; a real one's operator is asked, once, and
    /// confirms what lies there.
    async fn start_anew(&mut self, strange: Strange) -> Result<(), LaneError> {
        let Strange { question, accounted } = strange;
        tracing::warn!(
            robot = self.robot.name,
            question = question.what,
            cause = question.cause,
            "the deck isn't believed"
        );
        let deck = self.robot.deck.clone();
        let mut changes = deck.unknown();
        if let Some(key) = accounted {
            self.robot.accounted = Some(key.clone());
            changes.push(Change::Accounted(key));
        }
        if self.robot.attendance == Attendance::Operator || question.code != FaultCode::DeckUnknown {
            let asked = self.asking(question);
            changes.push(asked);
            return self.record(changes).await;
        }
        self.record(changes).await?;
        let mut renewed = vec![Change::PlateReplaced { plate: PlateId::new() }, Change::WasteEmptied];
        renewed.extend(deck.pipettes.iter().map(|pipette| Change::TipsReplaced { slot: pipette.tip_slot }));
        renewed.extend(deck.dyes.iter().map(|dye| Change::VialRefilled {
            vial: dye.vial,
            volume: dye.volume,
            batch: None,
        }));
        for change in &renewed {
            attend::do_virtually(&*self.attendant, &deck, change).await?;
        }
        self.record(renewed).await
    }
}

/// The keys of commands that may have changed the deck.
fn keys_that_count(runs: &[RunTrace]) -> Vec<String> {
    let commands = runs.iter().flat_map(|trace| &trace.commands);
    commands.filter(|command| command.changes_deck).map(|command| command.key.clone()).collect()
}
