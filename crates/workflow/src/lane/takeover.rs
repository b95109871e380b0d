//! Before the first drop under a lease: is this the machine, is it ours alone, and does the journal know its deck?
//!
//! A database whose server was replaced by another may have lost what was written last, and its drop has fallen all the same
//! ([`store::Robot::may_be_ahead`]). No lease outlives such a promotion, so it is here that the machine is asked, after it was
//! taken: what is still under way to it can't follow the answer.
//! A database that was put back is older than the deck; an address may lead to another machine; another lab may have used
//! it. Each shows in what the robot says of itself. What the journal doesn't know of is not guessed: plate and tips are
//! asked for anew, and what may be left in the vials counts for nothing.

use super::{Lane, LaneError};
use crate::{attend, fault};
use domain::{Attendance, Change, Fault, FaultCode, OperationId, PlateId, Tool};
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
        // Who had it last is read first: what they do from now on is found at the next hold.
        let last = self.holders.begin(&*self.machine).await;
        let identity = match last.and(self.machine.identify().await) {
            Ok(identity) => identity,
            Err(error) => {
                self.complain(&error).await?;
                return Err(error.into());
            }
        };
        let mut strange = self.check_identity(&identity).await?;
        self.see_mounts().await?;
        if strange.is_none() {
            strange = self.check_mark().await?;
        }
        let mut known = Vec::new();
        if self.robot.history != self.robot.lease_history {
            known.push(Change::HistoryRead);
        }
        #[cfg(feature = "sabotage")]
        if crate::sabotage::is_on(crate::sabotage::NO_LISTS) {
            return self.record(known).await;
        }
        let mut identity = identity;
        if strange.is_none() && self.robot.may_be_ahead() && self.machine.fences() {
            known.push(Change::Run(Some(self.shut_out().await?)));
            if self.take_in_lost_of_whole_lists(&known).await? {
                return Ok(());
            }
            identity = self.machine.identify().await?;
        }
        let unknown = self.unknown_history(&identity).await?;
        let strange = match (strange, unknown) {
            (Some(strange), unknown) => Some(Strange { accounted: unknown.and_then(|new| new.accounted), ..strange }),
            (None, unknown) => unknown,
        };
        if let Some(strange) = strange {
            return self.start_anew(strange, known).await;
        }
        if self.robot.notice.take().is_some() {
            known.push(Change::Notice(None));
        }
        self.record(known).await
    }

    /// Another has made its own run current. If that was a program of somebody's, the deck may be another by now. If it was a lane of
    /// ours, it works by another history of the database: the server that we use was replaced and doesn't know it, or theirs. So
    /// it is asked which is the primary; and whichever of us is right, the machine is taken first and then asked, and what
    /// this journal doesn't know of isn't believed.
    pub(super) async fn check_after_intrusion(&mut self) -> Result<(), LaneError> {
        self.store.confirm_primary().await?;
        self.run = None;
        let known = vec![Change::Run(Some(self.shut_out().await?))];
        let identity = self.machine.identify().await?;
        match self.unknown_history(&identity).await?.or_else(|| self.may_have_been_renewed(&identity)) {
            Some(strange) => self.start_anew(strange, known).await?,
            None => self.record(known).await?,
        }
        self.intruded = false;
        // What was sent before the intrusion is looked up in its own run.
        self.settled = false;
        Ok(())
    }

    /// A lane of another history that doesn't believe a virtual deck renews it, which leaves no command behind.
    fn may_have_been_renewed(&self, identity: &Identity) -> Option<Strange> {
        let deck = identity.virtual_deck.as_ref()?;
        let may_be = self.robot.attendance == Attendance::Virtual && self.robot.lease_history.is_some();
        may_be.then(|| Strange { question: self.unknown_deck(), accounted: deck.last_key.clone() })
    }

    /// Where the robot's lists tell all that was done since the journal's last run began: takes in what the journal lost.
    async fn take_in_lost_of_whole_lists(&mut self, known: &[Change]) -> Result<bool, LaneError> {
        let runs = self.runs_since_ours().await?;
        let reaches_back = self.robot.run_id.as_ref().is_none_or(|last| runs.iter().any(|trace| trace.run.id == *last));
        if !reaches_back || runs.iter().any(|trace| !trace.run.ok || !trace.complete) {
            return Ok(false);
        }
        self.take_in_lost(&runs, known).await
    }

    async fn runs_since_ours(&self) -> Result<Vec<RunTrace>, LaneError> {
        let accounted = self.robot.accounted.as_deref();
        let known: Vec<_> = [self.robot.run_id.as_deref(), accounted].into_iter().flatten().collect();
        let mut runs = self.machine.since(&known).await?;
        runs.retain(|trace| Some(trace.run.id.as_str()) != accounted);
        Ok(runs)
    }

    /// Opens a run of which nothing is remembered but that nothing which was sent earlier can be carried out any more.
    async fn shut_out(&mut self) -> Result<String, LaneError> {
        self.store.renew(&self.lease, self.time_to_live).await?;
        tracing::info!(robot = self.robot.name, "the robot is taken and asked what it was told");
        match self.machine.hold(&self.robot.deck, self.lease.epoch).await {
            Ok(hold) => {
                // Whoever had it before is asked about next.
                self.holders.took(hold.id(), &*self.machine).await?;
                Ok(hold.id().to_owned())
            }
            Err(error) => {
                self.complain(&error).await?;
                Err(error.into())
            }
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

    /// Writes down what hangs on the mounts. A pipette that the deck counts on and isn't there is found now, not by a step.
    async fn see_mounts(&mut self) -> Result<(), LaneError> {
        let lacks = match self.machine.mounts().await {
            Ok(None) => return Ok(()),
            Ok(Some(mounts)) => {
                self.store.note_mounts(self.lease.robot_id, &mounts).await?;
                mounts.lacks(&self.robot.deck)
            }
            Err(error) => {
                self.complain(&error).await?;
                return Err(error.into());
            }
        };
        if lacks.is_empty() {
            return Ok(());
        }
        let detail = lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let error = RobotError::DeckMismatch { detail };
        self.complain(&error).await?;
        Err(error.into())
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
        if self.robot.may_be_ahead() && !self.machine.fences() {
            // It remembers nothing that could be asked for.
            return Ok(Some(Strange { question: self.unknown_deck(), accounted: None }));
        }
        let accounted = self.robot.accounted.as_deref();
        let newest = match &identity.virtual_deck {
            Some(deck) => deck.last_key.clone().filter(|key| Some(key.as_str()) != accounted),
            None => return self.unknown_runs().await,
        };
        let Some(key) = newest else { return Ok(None) };
        if self.unknown_keys(std::slice::from_ref(&key)).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(Strange { question: self.unknown_deck(), accounted: Some(key) }))
    }

    /// A real robot tells what was done in its newest runs, down to the last that the journal knows. Of that one the journal
    /// knows all, as long as it lost nothing.
    async fn unknown_runs(&self) -> Result<Option<Strange>, LaneError> {
        let last = self.robot.run_id.as_deref();
        if last.is_none() && !self.robot.may_be_ahead() {
            return Ok(None);
        }
        let runs = self.runs_since_ours().await?;
        let Some(newest) = runs.first().map(|trace| trace.run.id.clone()) else { return Ok(None) };
        let may_be_unknown = |run: &str| Some(run) != last || self.robot.may_be_ahead();
        let is_lost =
            runs.iter().any(|trace| (!trace.run.ok || !trace.complete) && may_be_unknown(trace.run.id.as_str()));
        let strange = Strange { question: self.unknown_deck(), accounted: Some(newest) };
        if is_lost || !self.unknown_keys(&keys_that_count(&runs)).await?.is_empty() {
            return Ok(Some(strange));
        }
        Ok(None)
    }

    fn unknown_deck(&self) -> Fault {
        if self.robot.may_be_ahead() { fault::lost_journal() } else { fault::unknown_deck() }
    }

    /// Those that aren't operations of the journal.
    async fn unknown_keys(&self, keys: &[String]) -> Result<Vec<String>, LaneError> {
        let ids: Vec<OperationId> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        let known = self.store.known_operations(self.lease.robot_id, &ids).await?;
        let is_known = |key: &&String| key.parse().is_ok_and(|id: OperationId| known.contains(&id));
        Ok(keys.iter().filter(|key| !is_known(key)).cloned().collect())
    }

    /// Nothing on the deck is believed any more. The virtual lab renews it; a real one's operator is asked, once, and
    /// confirms what lies there. `known` is written down with it.
    async fn start_anew(&mut self, strange: Strange, known: Vec<Change>) -> Result<(), LaneError> {
        let Strange { question, accounted } = strange;
        tracing::warn!(
            robot = self.robot.name,
            question = question.what,
            cause = question.cause,
            "the deck isn't believed"
        );
        let deck = self.robot.deck.clone();
        let mut changes = deck.unknown();
        changes.extend(known);
        if let Some(key) = accounted {
            self.robot.accounted = Some(key.clone());
            changes.push(Change::Accounted(key));
        }
        if self.robot.attendance == Attendance::Operator || question.code != FaultCode::DeckUnknown {
            let asked = self.asking(question);
            changes.push(asked);
            return self.record(changes).await;
        }
        if self.robot.may_be_ahead() || self.intruded {
            // What hangs on a nozzle may be in none of what the journal has; nothing moves, for the machine was taken.
            changes.push(Change::Tool(Tool::Nothing));
            attend::do_virtually(&*self.attendant, &deck, &Change::Tool(Tool::Nothing)).await?;
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
