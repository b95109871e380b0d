//! What a robot has been told, newest first, by whomever: so that commands no journal knows of are seen.

use super::{
    Ot2,
    answer::{Command, Page, RunState, Runs, Status, word},
    lookup::PAGE,
    wire::is_id,
};
use crate::{Aim, RobotError, RunEntry, RunTrace, TracedCommand};
use domain::{Mount, Slot, Volume};
use serde_json::Value;
use std::collections::HashMap;

/// The most runs that are looked at. An OT-2 keeps 20 (`MAXIMUM_RUNS` of its robot-server).
pub const MOST_RUNS: usize = 20;
/// Commands of a run that are looked at: the longest experiment has a few thousand.
const MOST_COMMANDS: usize = 10_000;

/// Commands that leave liquid, tips and labware where they are. Every other one may change the deck, and so may one that
/// this list was written before.
const HARMLESS: [&str; 17] = [
    "comment",
    "configureForVolume",
    "custom",
    "getNextTip",
    "getTipPresence",
    "home",
    "loadLabware",
    "loadLiquid",
    "loadModule",
    "loadPipette",
    "moveToAddressableArea",
    "moveToAddressableAreaForDropTip",
    "retractAxis",
    "savePosition",
    "setRailLights",
    "waitForDuration",
    "waitForResume",
];

impl Ot2 {
    /// The robot's newest runs, newest first, at most [`MOST_RUNS`] of them. Their commands are [`Ot2::trace`]'s to tell.
    pub async fn history(&self, most_runs: usize) -> Result<Vec<RunEntry>, RobotError> {
        Ok(self.newest_runs(most_runs).await?.iter().map(entry).collect())
    }

    async fn newest_runs(&self, most_runs: usize) -> Result<Vec<RunState>, RobotError> {
        let most = most_runs.clamp(1, MOST_RUNS);
        let runs: Runs = self.wire.get(&format!("/runs?pageLength={most}")).await?.read()?;
        // The server lists them from the oldest. What names a run must be safe in a path.
        Ok(runs.data.into_iter().rev().filter(|run| is_id(&run.id)).take(most).collect())
    }

    /// What the robot was told in a run; nothing when it forgot the run since it listed it.
    pub async fn trace(&self, run: &RunEntry) -> Result<RunTrace, RobotError> {
        self.trace_on(run, &OnDeck::default()).await
    }

    async fn trace_on(&self, run: &RunEntry, deck: &OnDeck) -> Result<RunTrace, RobotError> {
        let mut trace = RunTrace { run: run.clone(), commands: Vec::new(), complete: true };
        if !run.ok || !is_id(&run.id) {
            return Ok(trace);
        }
        while trace.commands.len() < MOST_COMMANDS {
            let path = format!("/runs/{}/commands?cursor={}&pageLength={PAGE}", run.id, trace.commands.len());
            let page: Page<Command> = match self.wire.get(&path).await {
                Ok(answer) => answer.read()?,
                Err(RobotError::Refused { id, .. }) if id == "RunNotFound" => {
                    trace.run.ok = false;
                    return Ok(trace);
                }
                Err(error) => return Err(error),
            };
            let ended = page.data.is_empty();
            trace.commands.extend(page.data.iter().map(|command| traced(command, deck)));
            if ended || trace.commands.len() >= page.meta.total_length {
                return Ok(trace);
            }
        }
        trace.complete = false;
        Ok(trace)
    }

    /// What the robot was told since the newest run that `known` recognises began, newest run first. That run is the last of
    /// them: who knows it needn't know all that was told in it. No more than [`MOST_RUNS`] are.
    pub async fn runs_since(&self, known: impl Fn(&str) -> bool) -> Result<Vec<RunTrace>, RobotError> {
        let mut traces = Vec::new();
        for run in self.newest_runs(MOST_RUNS).await? {
            traces.push(self.trace_on(&entry(&run), &OnDeck::of(&run)).await?);
            if known(&run.id) {
                break;
            }
        }
        Ok(traces)
    }
}

fn entry(run: &RunState) -> RunEntry {
    RunEntry {
        id: run.id.clone(),
        created_at: word(run.created_at.as_deref().unwrap_or_default()),
        current: run.current,
        ok: run.ok,
    }
}

/// What a run's ids stand for.
#[derive(Default)]
struct OnDeck {
    pipettes: HashMap<String, Mount>,
    labware: HashMap<String, Slot>,
}

impl OnDeck {
    fn of(run: &RunState) -> Self {
        let slot = |location: &Value| location.get("slotName")?.as_str()?.parse().ok().map(Slot);
        let mount = |mount: &Value| serde_json::from_value(mount.clone()).ok();
        Self {
            pipettes: run.pipettes.iter().filter_map(|one| Some((one.id.clone(), mount(&one.mount)?))).collect(),
            labware: run.labware.iter().filter_map(|one| Some((one.id.clone(), slot(&one.location)?))).collect(),
        }
    }

    fn aim(&self, params: &Value) -> Aim {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let height = params.pointer("/wellLocation/offset/z").and_then(Value::as_f64).unwrap_or_default();
        let from_top = params.pointer("/wellLocation/origin").and_then(Value::as_str) == Some("top");
        Aim {
            mount: text("pipetteId").and_then(|id| self.pipettes.get(id).copied()),
            slot: text("labwareId").and_then(|id| self.labware.get(id).copied()),
            well: text("wellName").and_then(|well| well.parse().ok()),
            volume: params.get("volume").and_then(Value::as_f64).and_then(|volume| Volume::from_ul(volume).ok()),
            above: from_top && height > 0.0,
        }
    }
}

fn traced(command: &Command, deck: &OnDeck) -> TracedCommand {
    let command_type = word(command.command_type.as_deref().unwrap_or_default());
    let changes_deck = command.may_have_moved() && !HARMLESS.contains(&command_type.as_str());
    TracedCommand {
        key: word(&command.key),
        command_type,
        changes_deck,
        succeeded: command.status == Status::Succeeded,
        aim: deck.aim(&command.params),
    }
}
