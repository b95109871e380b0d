//! What a robot has been told, newest first, by whomever: so that commands no journal knows of are seen.

use super::{
    Ot2,
    answer::{Command, Page, RunState, Runs, word},
    lookup::PAGE,
    wire::is_id,
};
use crate::{RobotError, RunEntry, RunTrace, TracedCommand};

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
        let most = most_runs.clamp(1, MOST_RUNS);
        let runs: Runs = self.wire.get(&format!("/runs?pageLength={most}")).await?.read()?;
        // The server lists them from the oldest. What names a run must be safe in a path.
        let newest = runs.data.into_iter().rev().filter(|run| is_id(&run.id)).take(most);
        let entry = |run: RunState| RunEntry {
            id: run.id,
            created_at: word(run.created_at.as_deref().unwrap_or_default()),
            current: run.current,
            ok: run.ok,
        };
        Ok(newest.map(entry).collect())
    }

    /// What the robot was told in a run; nothing when it forgot the run since it listed it.
    pub async fn trace(&self, run: &RunEntry) -> Result<RunTrace, RobotError> {
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
            trace.commands.extend(page.data.iter().map(traced));
            if ended || trace.commands.len() >= page.meta.total_length {
                return Ok(trace);
            }
        }
        trace.complete = false;
        Ok(trace)
    }

    /// What the robot was told since the newest run that `known` recognises, newest run first. That run isn't among them;
    /// no more than [`MOST_RUNS`] are.
    pub async fn runs_since(&self, known: impl Fn(&str) -> bool) -> Result<Vec<RunTrace>, RobotError> {
        let mut traces = Vec::new();
        for run in self.history(MOST_RUNS).await? {
            if known(&run.id) {
                break;
            }
            traces.push(self.trace(&run).await?);
        }
        Ok(traces)
    }
}

fn traced(command: &Command) -> TracedCommand {
    let command_type = word(command.command_type.as_deref().unwrap_or_default());
    let changes_deck = command.may_have_moved() && !HARMLESS.contains(&command_type.as_str());
    TracedCommand { key: word(&command.key), command_type, changes_deck }
}
