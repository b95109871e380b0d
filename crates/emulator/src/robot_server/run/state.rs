//! How far a run is: its list, its queues, and what play, pause and stop do to it. Nothing here waits.

use crate::robot_server::{
    command::{Asked, Command, Intent, Status, timestamp},
    engine::{CommandError, Engine, ErrorOccurrence, Params},
    error::{ApiError, exception_meta},
    protocols::Script,
};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// Most commands one run may have.
pub const MAX_COMMANDS: usize = 100_000;
/// Most actions one run remembers.
const MAX_ACTIONS: usize = 10_000;

/// What a client may tell a run to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionType {
    Play,
    Pause,
    Stop,
    ResumeFromRecovery,
}

/// A client's action, as remembered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunAction {
    pub id: String,
    pub created_at: String,
    pub action_type: ActionType,
}

/// Whether the door keeps runs from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    IsNoMatter,
    StopsRuns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Setup,
    Running,
    Paused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    Stopped,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) engine: Engine,
    pub(super) commands: Vec<Command>,
    pub(super) positions: HashMap<String, usize>,
    pub(super) setup_queue: VecDeque<usize>,
    pub(super) protocol_queue: VecDeque<usize>,
    pub(super) running: Option<usize>,
    pub(super) last_finished: Option<usize>,
    pub(super) phase: Phase,
    pub(super) outcome: Option<Outcome>,
    pub(super) actions: Vec<RunAction>,
    pub(super) errors: Vec<ErrorOccurrence>,
    pub(super) command_errors: Vec<ErrorOccurrence>,
    pub(super) started_at: Option<String>,
    pub(super) completed_at: Option<String>,
    pub(super) fingerprint: String,
    /// The uploaded protocol that is carried out, and what is still to come of it.
    pub(super) protocol_id: Option<String>,
    script: VecDeque<Asked>,
    /// What stops the protocol once nothing more is to come.
    failure: Option<CommandError>,
}

/// What the worker does next.
pub(super) enum Next {
    Command(usize),
    Nothing,
    /// The queue of a played run is empty.
    Complete,
    End,
}

impl State {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            commands: Vec::new(),
            positions: HashMap::new(),
            setup_queue: VecDeque::new(),
            protocol_queue: VecDeque::new(),
            running: None,
            last_finished: None,
            phase: Phase::Setup,
            outcome: None,
            actions: Vec::new(),
            errors: Vec::new(),
            command_errors: Vec::new(),
            started_at: None,
            completed_at: None,
            fingerprint: String::new(),
            protocol_id: None,
            script: VecDeque::new(),
            failure: None,
        }
    }

    /// Of a run that carries an uploaded protocol out. Only the homing that comes first is in its list before its turn.
    pub(super) fn of_protocol(engine: Engine, protocol_id: String, script: Script) -> Self {
        let mut state = Self { protocol_id: Some(protocol_id), failure: script.failure, ..Self::new(engine) };
        state.script = script.commands.into();
        state.push(Command::queued(Asked::homing(), ""));
        state
    }

    /// Whether the run was ever played.
    pub(super) const fn was_started(&self) -> bool {
        self.started_at.is_some()
    }

    pub(super) fn admit(&self, intent: Intent) -> Result<(), ApiError> {
        if self.outcome.is_some() {
            return Err(not_allowed("RunStopped", "Run Stopped", "RunStoppedError", "The run has already stopped."));
        }
        if self.commands.len() >= MAX_COMMANDS {
            let detail = "This emulator keeps at most 100,000 commands a run: make a new run.";
            return Err(ApiError::modern(
                StatusCode::UNPROCESSABLE_ENTITY,
                "InvalidRequest",
                "Invalid Request",
                detail,
            ));
        }
        match intent {
            Intent::Setup if self.phase != Phase::Setup => Err(not_allowed(
                "SetupCommandNotAllowed",
                "Setup Command Not Allowed",
                "SetupCommandNotAllowedError",
                "Setup commands are not allowed after run has started.",
            )),
            Intent::Fixit => Err(ApiError::unexpected(
                "FixitCommandNotAllowedError",
                "Fixit commands are not allowed when the run is not in a recoverable state.",
            )),
            Intent::Setup | Intent::Protocol | Intent::Script => Ok(()),
        }
    }

    pub(super) fn push(&mut self, command: Command) {
        let index = self.commands.len();
        match command.intent {
            Intent::Protocol | Intent::Script => {
                self.fingerprint.clone_from(&command.key);
                self.protocol_queue.push_back(index);
            }
            Intent::Setup | Intent::Fixit => self.setup_queue.push_back(index),
        }
        self.positions.insert(command.id.clone(), index);
        self.commands.push(command);
    }

    pub(super) fn next(&mut self) -> Next {
        if self.outcome.is_some() {
            return Next::End;
        }
        match self.phase {
            Phase::Setup => self.setup_queue.pop_front().map_or(Next::Nothing, Next::Command),
            Phase::Paused => Next::Nothing,
            Phase::Running => {
                let next = self.setup_queue.pop_front().or_else(|| self.protocol_queue.pop_front());
                next.or_else(|| self.next_of_script()).map_or(Next::Complete, Next::Command)
            }
        }
    }

    /// Puts the protocol's next command into the list.
    fn next_of_script(&mut self) -> Option<usize> {
        let Some(asked) = self.script.pop_front() else {
            if let Some(failure) = self.failure.take() {
                self.fail(failure.occur(&Uuid::new_v4().to_string(), &timestamp()));
            }
            return None;
        };
        self.push(Command::queued(asked, &self.fingerprint));
        self.protocol_queue.pop_back()
    }

    /// Ends the run, if nothing ended it before.
    fn fail(&mut self, error: ErrorOccurrence) {
        if self.outcome.is_none() {
            self.outcome = Some(Outcome::Failed);
            self.errors.push(error);
        }
    }

    pub(super) fn begin(&mut self, index: usize) -> Option<(&'static str, Params, String)> {
        let command = self.commands.get_mut(index)?;
        command.status = Status::Running;
        command.started_at = Some(timestamp());
        self.running = Some(index);
        Some((command.command_type, command.params.clone(), command.key.clone()))
    }

    pub(super) fn finish(&mut self, index: usize, outcome: Result<Value, CommandError>) {
        self.running = None;
        self.last_finished = Some(index);
        let Some(command) = self.commands.get_mut(index) else { return };
        let now = timestamp();
        command.completed_at = Some(now.clone());
        command.notes = Some([]);
        let error = match outcome {
            Ok(result) => {
                command.status = Status::Succeeded;
                command.result = Some(result);
                return;
            }
            Err(error) => error.occur(&Uuid::new_v4().to_string(), &now),
        };
        command.status = Status::Failed;
        command.error = Some(error.clone());
        let intent = command.intent;
        self.command_errors.push(error.clone());
        if intent.is_of_protocol() {
            self.fail_queue(&now);
            self.fail(error);
        }
    }

    /// What was still to come of a protocol fails with it, without having run.
    fn fail_queue(&mut self, now: &str) {
        self.script.clear();
        for index in self.protocol_queue.drain(..) {
            if let Some(command) = self.commands.get_mut(index) {
                command.status = Status::Failed;
                command.completed_at = Some(now.to_owned());
                self.last_finished = Some(index);
            }
        }
    }

    /// A played run goes no further than it has come.
    pub(super) fn stand_still(&mut self) {
        if self.phase == Phase::Running && self.outcome.is_none() {
            self.phase = Phase::Paused;
        }
    }

    pub(super) fn act(&mut self, action_type: ActionType, door: Door) -> Result<RunAction, ApiError> {
        self.check_action(action_type)?;
        let is_blocked = door == Door::StopsRuns && self.phase == Phase::Paused && self.outcome.is_none();
        if is_blocked && action_type == ActionType::Play {
            return Err(action_not_allowed("RobotDoorOpenError", "Front door or top window is currently open."));
        }
        match action_type {
            // A start is taken without looking whether there is still something to be started.
            ActionType::Play if self.outcome.is_some() => {}
            ActionType::Play => {
                self.phase = if door == Door::StopsRuns { Phase::Paused } else { Phase::Running };
                self.started_at.get_or_insert_with(timestamp);
            }
            ActionType::Pause => self.phase = Phase::Paused,
            ActionType::Stop if self.outcome.is_none() => {
                self.outcome = Some(Outcome::Stopped);
                if self.was_started() {
                    self.fail_queue(&timestamp());
                }
            }
            ActionType::Stop | ActionType::ResumeFromRecovery => {}
        }
        let action = RunAction { id: Uuid::new_v4().to_string(), created_at: timestamp(), action_type };
        if self.actions.len() < MAX_ACTIONS {
            self.actions.push(action.clone());
        }
        Ok(action)
    }

    fn check_action(&self, action_type: ActionType) -> Result<(), ApiError> {
        match action_type {
            ActionType::Stop => Ok(()),
            ActionType::Play if !self.was_started() => Ok(()),
            _ if self.outcome.is_some() => Err(action_not_allowed("RunStoppedError", "The run has already stopped.")),
            ActionType::Pause if self.phase != Phase::Running => {
                Err(action_not_allowed("PauseNotAllowedError", "Cannot pause a run that is not running."))
            }
            ActionType::ResumeFromRecovery => Err(action_not_allowed(
                "ResumeFromRecoveryNotAllowedError",
                "Cannot resume from recovery if the run is not in recovery mode.",
            )),
            ActionType::Play | ActionType::Pause => Ok(()),
        }
    }

    /// Where a page starts that nobody gave a cursor: at what runs, before what is queued, at the last page.
    pub(super) fn default_cursor(&self, length: i64) -> i64 {
        let queued = self.setup_queue.front().or_else(|| self.protocol_queue.front());
        let at = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        match (self.running, queued) {
            (Some(running), _) => at(running),
            (None, Some(&queued)) => at(queued) - 1,
            (None, None) => at(self.commands.len()).saturating_sub(length),
        }
    }

    pub(super) fn current_when_none_runs(&self) -> Option<usize> {
        if self.completed_at.is_none() {
            return self.last_finished;
        }
        self.commands.iter().rposition(|command| command.status.is_final())
    }
}

fn not_allowed(id: &'static str, title: &'static str, exception: &str, detail: &str) -> ApiError {
    ApiError::conflict(id, title, detail).with_meta(exception_meta(exception, "4000", detail))
}

fn action_not_allowed(exception: &str, detail: &str) -> ApiError {
    let mut meta = exception_meta("RunActionNotAllowedError", "3000", detail);
    meta["wrapping"] = json!([exception_meta(exception, "4000", detail)]);
    ApiError::coded(StatusCode::CONFLICT, "RunActionNotAllowed", "Run Action Not Allowed", detail, "3000")
        .with_meta(meta)
}
