//! Reading the whole chain, and naming the first line that isn't what it was.

use super::{Anchor, FORGOTTEN, Line, address_hash, details_hash};
use crate::{
    connection::Store,
    error::Result,
    sql::{Row, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ActivityId, UserId};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Lines that are read at once.
const PAGE: i64 = 1_000;
/// A line may be written this much before one that was sealed sooner: transactions end in another order than they began, and
/// processes' clocks differ.
const USUAL: TimeDelta = TimeDelta::minutes(5);
/// Lines that wait to be sealed and say what was done to others; more would be weeks without a seal.
const MOST_WAITING: i64 = 10_000;
/// Times that it begins anew because a beginning was forgotten meanwhile.
const ATTEMPTS: u32 = 3;

/// An anchor, and when it was made where that is known.
pub type DatedAnchor = (Anchor, Option<DateTime<Utc>>);

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Sealed lines that are there.
    pub lines: u64,
    /// Of these, lines of which something was erased with a person.
    pub erased: u64,
    /// Lines that aren't sealed yet, told up to 10,000, and when the oldest of them was written.
    pub unsealed: u64,
    pub unsealed_since: Option<DateTime<Utc>>,
    /// Up to where the log was forgotten by its age.
    pub forgotten: Option<Anchor>,
    /// The newest seal.
    pub end: Option<Anchor>,
    /// Anchors of what a restore of an older backup took back.
    pub undone: Vec<Undone>,
    /// Anchors of lines that were forgotten by their age since: nobody can check them.
    pub unchecked: Vec<Anchor>,
    /// Lines that were sealed more than five minutes after what was written later, and the first of them: a transaction that took
    /// long, a clock that was wrong, or a line that was put in.
    pub late: u64,
    pub first_late: Option<i64>,
    /// The first line that is wrong. Nothing where all is as it was.
    pub fault: Option<AuditFault>,
}

/// An anchor that a restore has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    pub anchor: Anchor,
    /// The line that tells of the restore.
    pub by: i64,
}

/// The first line that isn't what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFault {
    pub number: i64,
    /// Where it is there.
    pub line: Option<ActivityId>,
    pub wrong: Wrong,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Missing,
    Truncated,
    Details,
    Address,
    Seal,
    Erased,
    Forgotten,
    NoState,
    Beyond,
    Anchor,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is gone, and later ones are there",
            Self::Truncated => "it was sealed, and isn't there any more, nor is any after it",
            Self::Details => "its details aren't those that were sealed",
            Self::Address => "its network address isn't the one that was sealed",
            Self::Seal => "who, what or when isn't what was sealed, or it isn't the line that stood here",
            Self::Erased => "something was erased from it, and no later line says that its person was",
            Self::Forgotten => "all before it is gone, and no line says that it was forgotten by its age",
            Self::NoState => "it is sealed, and nobody knows any more how far the log was",
            Self::Beyond => "it is sealed, and the log was never sealed so far",
            Self::Anchor => {
                "its seal isn't the one that was kept elsewhere: it or one before it was changed, and all sealed anew"
            }
        })
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.number)?;
        if let Some(line) = self.line {
            write!(f, " ({line})")?;
        }
        write!(f, ": {}", self.wrong)
    }
}

/// What the lab says of the chain's two ends.
struct State {
    end: Anchor,
    forgotten: Anchor,
}

/// How far the reading has come.
struct Walk {
    found: Verification,
    state: State,
    last: Anchor,
    /// The newest time of a line so far.
    newest: DateTime<Utc>,
    /// Anchors that are still to be met, with when they were made where that is known.
    anchors: BTreeMap<i64, Vec<DatedAnchor>>,
    restores: Vec<(i64, DateTime<Utc>)>,
    /// Whose erasure must be told of further on, and the first line that needs it.
    erased: BTreeMap<UserId, (i64, ActivityId)>,
    forgetting_is_told: bool,
}

impl Store {
    /// Reads the whole chain, a thousand lines at a time, and holds it against these anchors, each with the time of which it is
    /// where that is known. Lines go on being written meanwhile.
    ///
    /// # Errors
    /// Those of any read: see [`crate::StoreError`]. What is wrong with the log is no error.
    #[boxed]
    pub async fn verify_activity(&self, anchors: &[DatedAnchor]) -> Result<Verification> {
        let mut attempt = 1;
        loop {
            let (found, forgotten) = self.walk(anchors).await?;
            // The purge may have taken the beginning before it was read.
            let since = self.chain_state().await?.map(|state| state.forgotten);
            if found.fault.is_none() || since == forgotten || attempt == ATTEMPTS {
                return Ok(found);
            }
            attempt += 1;
        }
    }

    async fn chain_state(&self) -> Result<Option<State>> {
        let text = "SELECT sealed_number, seal, forgotten_number, forgotten_seal FROM activity_chain WHERE one = 1";
        let row = sql!(text).one(self.reader()).await?;
        row.map(|row| {
            let end = Anchor { number: row.get("sealed_number")?, seal: row.get("seal")? };
            Ok(State {
                end,
                forgotten: Anchor { number: row.get("forgotten_number")?, seal: row.get("forgotten_seal")? },
            })
        })
        .transpose()
    }

    /// Gives where it began, too.
    async fn walk(&self, anchors: &[DatedAnchor]) -> Result<(Verification, Option<Anchor>)> {
        let state = self.chain_state().await?;
        let forgotten = state.as_ref().map(|state| state.forgotten.clone());
        let has_state = state.is_some();
        let nowhere = || Anchor { number: 0, seal: String::new() };
        let mut walk = Walk::new(state.unwrap_or_else(|| State { end: nowhere(), forgotten: nowhere() }), anchors);
        let result = self.read_all(&mut walk, has_state).await?;
        walk.found.fault = result.err();
        let unsealed = "SELECT COUNT(*) AS waiting, MIN(created_at) AS since FROM (
            SELECT created_at FROM user_activity_log WHERE seal_number IS NULL ORDER BY id LIMIT $1) AS first";
        if let Some(row) = sql!(unsealed, MOST_WAITING).one(self.reader()).await? {
            walk.found.unsealed = row.get::<i64>("waiting")?.unsigned_abs();
            walk.found.unsealed_since = row.get("since")?;
        }
        walk.found.end = (walk.last.number > 0).then_some(walk.last);
        walk.found.forgotten = (walk.state.forgotten.number > 0).then_some(walk.state.forgotten);
        Ok((walk.found, forgotten))
    }

    async fn read_all(&self, walk: &mut Walk, has_state: bool) -> Result<Result<(), AuditFault>> {
        if let Err(fault) = self.read_on(walk, has_state).await? {
            return Ok(Err(fault));
        }
        // What was done to lines after they were read is told of by lines that may not have been sealed then.
        self.read_waiting(walk).await?;
        if let Err(fault) = self.read_on(walk, has_state).await? {
            return Ok(Err(fault));
        }
        let end = self.chain_state().await?.map_or(0, |state| state.end.number);
        Ok(walk.end(end))
    }

    async fn read_on(&self, walk: &mut Walk, has_state: bool) -> Result<Result<(), AuditFault>> {
        let text = format!(
            "SELECT seal_number, seal, details_hash, details_salt, address_hash, address_salt,
                 id, user_id, action, details, {address} AS address, created_at
             FROM user_activity_log WHERE seal_number > $1 ORDER BY seal_number LIMIT $2",
            address = self.backend().inet_as_text("ip_address"),
        );
        loop {
            let rows = sql!(text.clone(), walk.last.number, PAGE).all(self.reader()).await?;
            if rows.is_empty() {
                return Ok(Ok(()));
            }
            for row in &rows {
                if let Err(fault) = walk.step(row, has_state)? {
                    return Ok(Err(fault));
                }
            }
        }
    }

    async fn read_waiting(&self, walk: &mut Walk) -> Result<()> {
        let text = "SELECT action, details FROM user_activity_log
            WHERE seal_number IS NULL AND action IN ('person_erased', 'activity_forgotten') ORDER BY id LIMIT $1";
        for row in sql!(text, MOST_WAITING).all(self.reader()).await? {
            walk.hear(&row.get::<String>("action")?, &row.get("details")?);
        }
        Ok(())
    }
}

impl Walk {
    fn new(state: State, anchors: &[DatedAnchor]) -> Self {
        let mut found = Verification::default();
        let mut ahead: BTreeMap<i64, Vec<_>> = BTreeMap::new();
        for (anchor, at) in anchors {
            if anchor.number < state.forgotten.number {
                found.unchecked.push(anchor.clone());
            } else {
                ahead.entry(anchor.number).or_default().push((anchor.clone(), *at));
            }
        }
        let (last, forgetting_is_told) = (state.forgotten.clone(), state.forgotten.number == 0);
        let mut walk = Self {
            found,
            state,
            last,
            newest: DateTime::<Utc>::MIN_UTC,
            anchors: ahead,
            restores: Vec::new(),
            erased: BTreeMap::new(),
            forgetting_is_told,
        };
        // One of the last line that was forgotten can still be checked.
        walk.meet_anchors();
        walk
    }

    fn step(&mut self, row: &Row, has_state: bool) -> Result<Result<(), AuditFault>> {
        let (number, line): (i64, Line) = (row.get("seal_number")?, Line::read(row)?);
        let at = |wrong| AuditFault { number, line: Some(line.id), wrong };
        if !has_state {
            return Ok(Err(at(Wrong::NoState)));
        }
        if number != self.last.number + 1 {
            return Ok(Err(AuditFault { number: self.last.number + 1, line: None, wrong: Wrong::Missing }));
        }
        let (details, address): (Value, Option<String>) = (row.get("details")?, row.get("address")?);
        let stored = |column: &str| row.get::<Option<String>>(column);
        let (stored_details, stored_address) = (stored("details_hash")?, stored("address_hash")?);
        // Whose erasure must have taken something from this line.
        let mut erased = [None; 2];
        match (stored("details_salt")?, &stored_details) {
            (Some(salt), Some(hash)) if details_hash(&salt, &details)? == *hash => {}
            (None, Some(_)) if is_of_erased(&details) => erased[0] = Some(user_in(&details)),
            _ => return Ok(Err(at(Wrong::Details))),
        }
        match (stored("address_salt")?, &stored_address, address) {
            (None, None, None) => {}
            (Some(salt), Some(hash), Some(address)) if address_hash(&salt, &address)? == *hash => {}
            (None, Some(_), None) => erased[1] = Some(line.user_id.or_else(|| user_in(&details))),
            _ => return Ok(Err(at(Wrong::Address))),
        }
        let seal = line.seal(&self.last.seal, number, &stored_details.unwrap_or_default(), stored_address.as_deref());
        if row.get::<Option<String>>("seal")?.as_deref() != Some(seal.as_str()) {
            return Ok(Err(at(Wrong::Seal)));
        }
        for person in erased.into_iter().flatten() {
            let Some(person) = person else { return Ok(Err(at(Wrong::Erased))) };
            self.erased.entry(person).or_insert((number, line.id));
        }
        self.found.erased += u64::from(erased.iter().any(Option::is_some));
        if self.newest.signed_duration_since(line.created_at) > USUAL {
            self.found.late += 1;
            self.found.first_late.get_or_insert(number);
        }
        self.newest = self.newest.max(line.created_at);
        self.hear(&line.action, &details);
        if line.action == "database_restored" {
            self.restores.push((number, line.created_at));
        }
        self.found.lines += 1;
        self.last = Anchor { number, seal };
        if number == self.state.end.number && self.last.seal != self.state.end.seal {
            return Ok(Err(at(Wrong::Seal)));
        }
        self.meet_anchors();
        Ok(self.found.fault.clone().map_or(Ok(()), Err))
    }

    /// What a line says of others.
    fn hear(&mut self, action: &str, details: &Value) {
        match action {
            "person_erased" => {
                if let Some(person) = user_in(details) {
                    self.erased.remove(&person);
                }
            }
            FORGOTTEN => {
                let Anchor { number, seal } = &self.state.forgotten;
                self.forgetting_is_told |= details["through"] == *number && details["seal"] == *seal;
            }
            _ => {}
        }
    }

    fn meet_anchors(&mut self) {
        for (anchor, at) in self.anchors.remove(&self.last.number).unwrap_or_default() {
            if anchor != self.last {
                self.missed(anchor, at, Wrong::Anchor);
            }
        }
    }

    /// An anchor that isn't met. One that was made before a restore may be of what that took back.
    fn missed(&mut self, anchor: Anchor, at: Option<DateTime<Utc>>, wrong: Wrong) {
        let by = self
            .restores
            .iter()
            .find(|(number, restored)| *number <= anchor.number && at.is_some_and(|at| at < *restored));
        match by {
            Some(&(by, _)) => self.found.undone.push(Undone { anchor, by }),
            None => {
                let fault = AuditFault { number: anchor.number, line: None, wrong };
                self.found.fault.get_or_insert(fault);
            }
        }
    }

    /// What must hold when all was read; `end` is how far the lab says now that it is sealed.
    fn end(&mut self, end: i64) -> Result<(), AuditFault> {
        let next = self.last.number + 1;
        if self.state.end.number > self.last.number {
            return Err(AuditFault { number: next, line: None, wrong: Wrong::Truncated });
        }
        if self.last.number > end {
            return Err(AuditFault { number: end + 1, line: None, wrong: Wrong::Beyond });
        }
        if let Some((number, line)) = self.erased.values().min().copied() {
            return Err(AuditFault { number, line: Some(line), wrong: Wrong::Erased });
        }
        if !self.forgetting_is_told {
            let number = self.state.forgotten.number + 1;
            return Err(AuditFault { number, line: None, wrong: Wrong::Forgotten });
        }
        for (anchor, at) in std::mem::take(&mut self.anchors).into_values().flatten() {
            self.missed(anchor, at, Wrong::Truncated);
        }
        match &self.found.fault {
            // The first that is gone is the one after the last.
            Some(AuditFault { wrong: Wrong::Truncated, .. }) => {
                Err(AuditFault { number: next, line: None, wrong: Wrong::Truncated })
            }
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }
}

/// Whether details are what erasure leaves of them: whose they were.
fn is_of_erased(details: &Value) -> bool {
    details.as_object().is_some_and(|fields| fields.len() == 1) && user_in(details).is_some()
}

fn user_in(details: &Value) -> Option<UserId> {
    details["user"].as_str()?.parse().ok()
}
