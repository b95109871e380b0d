//! One run: its list of commands, the worker that carries them out, and what play, pause and stop do to it.
//!
//! ```text
//!            play              queue empty, or a protocol command failed
//!   idle ─────────▶ running ──────────────────────────────▶ succeeded | failed
//!     │              │   ▲ play
//!     │ stop     stop│   ▼ pause
//!     │              │  paused
//!     ▼              ▼
//!   stop-requested (until what runs has ended) ──▶ stopped
//! ```

use super::{
    command::{Asked, Command, Intent, Status, timestamp},
    engine::{CommandError, Engine, ErrorOccurrence, Labware, Pipette, Plan, Step, facts, params::Params},
    error::{ApiError, exception_meta},
    hardware::{Hardware, Stuck},
};
use crate::world::Action;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Most commands one run may have.
pub const MAX_COMMANDS: usize = 100_000;
/// Most actions one run remembers.
const MAX_ACTIONS: usize = 10_000;
/// A stop takes real hardware a moment, however fast the world goes.
const SHORTEST_STOP: Duration = Duration::from_millis(50);

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Setup,
    Running,
    Paused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
    Stopped,
}

/// A run and its worker's means. Shared; see [`Run::start`].
#[derive(Debug)]
pub struct Run {
    pub id: String,
    pub created_at: String,
    state: Mutex<State>,
    /// Rung when there may be something to do.
    work: Notify,
    /// Rung when a played run is stopped: what runs is broken off.
    halt: Notify,
    /// Rung when a paused run is played.
    resume: Notify,
    /// Changes whenever a command does.
    changed: watch::Sender<()>,
    hardware: Arc<Hardware>,
}

#[derive(Debug)]
struct State {
    engine: Engine,
    commands: Vec<Command>,
    positions: HashMap<String, usize>,
    setup_queue: VecDeque<usize>,
    protocol_queue: VecDeque<usize>,
    running: Option<usize>,
    last_finished: Option<usize>,
    phase: Phase,
    outcome: Option<Outcome>,
    actions: Vec<RunAction>,
    errors: Vec<ErrorOccurrence>,
    command_errors: Vec<ErrorOccurrence>,
    started_at: Option<String>,
    completed_at: Option<String>,
    fingerprint: String,
}

/// What the worker does next.
enum Next {
    Command(usize),
    Nothing,
    /// The queue of a played run is empty.
    Complete,
    End,
}

/// The command links tell is current: the one running, or else the last that ended.
#[derive(Clone, Debug)]
pub struct CurrentCommand {
    pub id: String,
    pub key: String,
    pub created_at: String,
    pub index: usize,
}

/// A stretch of a run's list.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub cursor: usize,
    pub total: usize,
}

impl Run {
    /// A new run with its worker. The worker ends when the run does, or when nothing but the worker knows the run.
    pub fn start(hardware: Arc<Hardware>) -> Arc<Self> {
        let (changed, _) = watch::channel(());
        let run = Arc::new(Self {
            id: Uuid::new_v4().to_string(),
            created_at: timestamp(),
            state: Mutex::new(State::new(Engine::new(hardware.mounted()))),
            work: Notify::new(),
            halt: Notify::new(),
            resume: Notify::new(),
            changed,
            hardware,
        });
        run.hardware.power().run(Arc::clone(&run).work());
        run
    }

    /// Adds a command to its queue. The answer tells it as it is now: queued.
    pub fn enqueue(&self, asked: Asked) -> Result<Command, ApiError> {
        let mut state = self.state();
        state.admit(asked.intent)?;
        let command = Command::queued(asked, &state.fingerprint);
        state.push(command.clone());
        drop(state);
        self.work.notify_one();
        Ok(command)
    }

    /// Waits for a command to end, at most `timeout` (for ever without), and tells it as it then is.
    pub async fn wait(&self, id: &str, timeout: Option<Duration>) -> Option<Command> {
        let mut changed = self.changed.subscribe();
        let ended = async {
            while self.command(id).is_some_and(|command| !command.status.is_final()) {
                if changed.changed().await.is_err() {
                    break;
                }
            }
        };
        // A machine that is switched off finishes nothing.
        let ended = async {
            tokio::select! {
                () = ended => {}
                () = self.hardware.power().off() => {}
            }
        };
        match timeout {
            // Running out of time is an answer too: the command as far as it is.
            Some(timeout) => drop(tokio::time::timeout(timeout, ended).await),
            None => ended.await,
        }
        self.command(id)
    }

    pub fn command(&self, id: &str) -> Option<Command> {
        let state = self.state();
        state.positions.get(id).and_then(|&index| state.commands.get(index)).cloned()
    }

    /// A page of commands. Without a cursor: where the run is now, or the end of the list.
    pub fn page<T>(&self, cursor: Option<i64>, length: usize, tell: impl Fn(&Command) -> T) -> Page<T> {
        let state = self.state();
        let cursor = cursor.unwrap_or_else(|| state.default_cursor(length));
        let (cursor, total) = clamp(cursor, state.commands.len());
        Page { items: state.commands.iter().skip(cursor).take(length).map(tell).collect(), cursor, total }
    }

    /// A page of the errors of failed commands.
    pub fn error_page(&self, cursor: Option<i64>, length: usize) -> Page<ErrorOccurrence> {
        let state = self.state();
        let total = state.command_errors.len();
        let cursor = cursor.unwrap_or_else(|| total as i64 - length as i64);
        let (cursor, total) = clamp(cursor, total);
        Page { items: state.command_errors.iter().skip(cursor).take(length).cloned().collect(), cursor, total }
    }

    pub fn current_command(&self) -> Option<CurrentCommand> {
        let state = self.state();
        let index = state.running.or_else(|| state.current_when_none_runs())?;
        let command = state.commands.get(index)?;
        Some(CurrentCommand {
            id: command.id.clone(),
            key: command.key.clone(),
            created_at: command.created_at.clone(),
            index,
        })
    }

    /// Changes or reads what the engine believes.
    pub fn with_engine<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        act(&mut self.state().engine)
    }

    /// Whether the run has been played and hasn't ended.
    pub fn is_playing(&self) -> bool {
        let state = self.state();
        state.phase != Phase::Setup && state.completed_at.is_none()
    }

    /// Whether the run may be put aside: it has ended, or was never played and does nothing.
    pub fn can_be_replaced(&self) -> bool {
        let state = self.state();
        let sits_idle = state.phase == Phase::Setup
            && state.outcome.is_none()
            && state.running.is_none()
            && state.setup_queue.is_empty();
        state.completed_at.is_some() || sits_idle
    }

    /// Whether the run has ended.
    pub fn has_ended(&self) -> bool {
        self.state().completed_at.is_some()
    }

    /// Ends an idle run for good.
    pub fn put_aside(&self) {
        let mut state = self.state();
        state.outcome.get_or_insert(Outcome::Stopped);
        state.completed_at.get_or_insert_with(timestamp);
        drop(state);
        self.work.notify_one();
    }

    /// Plays, pauses or stops.
    pub fn act(&self, action_type: ActionType) -> Result<RunAction, ApiError> {
        let mut state = self.state();
        let action = state.act(action_type)?;
        let halts = action_type == ActionType::Stop && state.phase != Phase::Setup && state.completed_at.is_none();
        drop(state);
        match action_type {
            ActionType::Play => self.resume.notify_waiters(),
            ActionType::Stop if halts => self.halt.notify_one(),
            _ => {}
        }
        self.work.notify_one();
        Ok(action)
    }

    /// The run as the API tells it.
    pub fn describe(&self, current: bool) -> Value {
        self.state().describe(&self.id, &self.created_at, current)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before the lock is let go, so a panicking holder leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_change(&self) {
        self.changed.send_replace(());
    }

    async fn work(self: Arc<Self>) {
        loop {
            let next = self.state().next();
            match next {
                Next::Command(index) => self.execute(index).await,
                Next::Nothing if Arc::strong_count(&self) == 1 => return,
                Next::Nothing => {
                    // Woken by work, or now and then to see whether anyone still knows this run.
                    let nap = tokio::time::timeout(Duration::from_secs(60), self.work.notified());
                    drop(nap.await);
                }
                Next::Complete => {
                    self.state().outcome.get_or_insert(Outcome::Succeeded);
                }
                Next::End => return self.wind_down().await,
            }
        }
    }

    async fn execute(&self, index: usize) {
        let Some((params, key, intent)) = self.state().begin(index) else { return };
        self.tell_change();
        let outcome = tokio::select! {
            biased;
            outcome = self.carry_out(&params, &key, intent) => outcome,
            () = self.halt.notified() => Err(CommandError::cancelled()),
        };
        self.state().finish(index, outcome);
        self.tell_change();
    }

    async fn carry_out(&self, params: &Params, key: &str, intent: Intent) -> Result<Value, CommandError> {
        if let Params::WaitForDuration(_) | Params::WaitForResume(_) = params {
            let plan = self.plan(params)?;
            return self.follow(plan, key, intent).await;
        }
        let _gantry = self.hardware.gantry().await;
        let plan = self.plan(params)?;
        self.follow(plan, key, intent).await
    }

    fn plan(&self, params: &Params) -> Result<Plan, CommandError> {
        let nozzles = self.hardware.nozzles();
        self.state().engine.plan(params, nozzles)
    }

    async fn follow(&self, plan: Plan, key: &str, intent: Intent) -> Result<Value, CommandError> {
        for step in plan.steps {
            if matches!(step, Step::AwaitResume) && intent == Intent::Protocol {
                self.pause_until_played().await;
            } else {
                self.hardware.carry_out(step, key).await.map_err(stuck)?;
            }
        }
        let mut state = self.state();
        plan.updates.into_iter().for_each(|update| state.engine.apply(update));
        plan.outcome
    }

    async fn pause_until_played(&self) {
        let resumed = self.resume.notified();
        self.state().phase = Phase::Paused;
        resumed.await;
    }

    /// A played run lets its tips go and homes; one that never was stays where it is.
    async fn wind_down(&self) {
        let (played, already_over) = {
            let state = self.state();
            (state.phase != Phase::Setup, state.completed_at.is_some())
        };
        if played && !already_over {
            let tidied = self.tidy_up();
            let (tidied, ()) = tokio::join!(tidied, tokio::time::sleep(self.shortest_stop()));
            if let Err(error) = tidied {
                tracing::error!(%error, "a run ended without tidying up");
            }
        }
        self.state().completed_at.get_or_insert_with(timestamp);
        self.tell_change();
    }

    fn shortest_stop(&self) -> Duration {
        if self.state().outcome == Some(Outcome::Stopped) { SHORTEST_STOP } else { Duration::ZERO }
    }

    async fn tidy_up(&self) -> Result<(), Stuck> {
        let _gantry = self.hardware.gantry().await;
        let plans = {
            let nozzles = self.hardware.nozzles();
            self.state().engine.discard_tips(nozzles)
        };
        for plan in plans {
            for step in plan.steps {
                self.hardware.carry_out(step, "run-end").await?;
            }
            let mut state = self.state();
            plan.updates.into_iter().for_each(|update| state.engine.apply(update));
        }
        self.hardware.act(&Action::Home, None).await
    }
}

fn stuck(error: Stuck) -> CommandError {
    CommandError::coded("UnexpectedProtocolError", "4000", error.to_string())
}

/// A cursor within a list of `total`.
pub fn clamp(cursor: i64, total: usize) -> (usize, usize) {
    let last = i64::try_from(total).unwrap_or(i64::MAX) - 1;
    (usize::try_from(cursor.min(last)).unwrap_or(0), total)
}

impl State {
    fn new(engine: Engine) -> Self {
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
        }
    }

    fn admit(&self, intent: Intent) -> Result<(), ApiError> {
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
            Intent::Setup | Intent::Protocol => Ok(()),
        }
    }

    fn push(&mut self, command: Command) {
        let index = self.commands.len();
        match command.intent {
            Intent::Protocol => {
                self.fingerprint.clone_from(&command.key);
                self.protocol_queue.push_back(index);
            }
            Intent::Setup | Intent::Fixit => self.setup_queue.push_back(index),
        }
        self.positions.insert(command.id.clone(), index);
        self.commands.push(command);
    }

    fn next(&mut self) -> Next {
        if self.outcome.is_some() {
            return Next::End;
        }
        match self.phase {
            Phase::Setup => self.setup_queue.pop_front().map_or(Next::Nothing, Next::Command),
            Phase::Paused => Next::Nothing,
            Phase::Running => {
                let next = self.setup_queue.pop_front().or_else(|| self.protocol_queue.pop_front());
                next.map_or(Next::Complete, Next::Command)
            }
        }
    }

    fn begin(&mut self, index: usize) -> Option<(Params, String, Intent)> {
        let command = self.commands.get_mut(index)?;
        command.status = Status::Running;
        command.started_at = Some(timestamp());
        self.running = Some(index);
        Some((command.params.clone(), command.key.clone(), command.intent))
    }

    fn finish(&mut self, index: usize, outcome: Result<Value, CommandError>) {
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
        if intent == Intent::Protocol {
            self.fail_queue(&now);
            if self.outcome.is_none() {
                self.outcome = Some(Outcome::Failed);
                self.errors.push(error);
            }
        }
    }

    /// What was still to come of a protocol fails with it, without having run.
    fn fail_queue(&mut self, now: &str) {
        for index in self.protocol_queue.drain(..) {
            if let Some(command) = self.commands.get_mut(index) {
                command.status = Status::Failed;
                command.completed_at = Some(now.to_owned());
                self.last_finished = Some(index);
            }
        }
    }

    fn act(&mut self, action_type: ActionType) -> Result<RunAction, ApiError> {
        self.check_action(action_type)?;
        match action_type {
            ActionType::Play => {
                self.phase = Phase::Running;
                self.started_at.get_or_insert_with(timestamp);
            }
            ActionType::Pause => self.phase = Phase::Paused,
            ActionType::Stop if self.outcome.is_none() => {
                self.outcome = Some(Outcome::Stopped);
                if self.phase != Phase::Setup {
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

    fn status(&self) -> &'static str {
        match (self.outcome, self.completed_at.is_some(), self.phase) {
            (Some(Outcome::Stopped), true, _) => "stopped",
            (Some(Outcome::Stopped), false, _) => "stop-requested",
            (Some(Outcome::Succeeded), true, _) => "succeeded",
            (Some(Outcome::Failed), true, _) => "failed",
            (Some(_), false, _) => "finishing",
            (None, _, Phase::Setup) => "idle",
            (None, _, Phase::Running) => "running",
            (None, _, Phase::Paused) => "paused",
        }
    }

    /// Where a page starts that nobody gave a cursor: at what runs, before what is queued, at the last page.
    fn default_cursor(&self, length: usize) -> i64 {
        let queued = self.setup_queue.front().or_else(|| self.protocol_queue.front());
        let at = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        match (self.running, queued) {
            (Some(running), _) => at(running),
            (None, Some(&queued)) => at(queued) - 1,
            (None, None) => at(self.commands.len()) - at(length),
        }
    }

    fn current_when_none_runs(&self) -> Option<usize> {
        if self.completed_at.is_none() {
            return self.last_finished;
        }
        self.commands.iter().rposition(|command| command.status.is_final())
    }

    fn describe(&self, id: &str, created_at: &str, current: bool) -> Value {
        let mut run = json!({
            "id": id,
            "ok": true,
            "createdAt": created_at,
            "status": self.status(),
            "current": current,
            "actions": self.actions,
            "errors": self.errors,
            "hasEverEnteredErrorRecovery": false,
            "pipettes": self.engine.pipettes().iter().map(describe_pipette).collect::<Vec<_>>(),
            "modules": [],
            "labware": self.engine.labware().iter().map(describe_labware).collect::<Vec<_>>(),
            "liquids": [],
            "labwareOffsets": self.engine.offsets(),
            "runTimeParameters": [],
        });
        if let Some(completed_at) = &self.completed_at {
            run["completedAt"] = json!(completed_at);
        }
        if let Some(started_at) = &self.started_at {
            run["startedAt"] = json!(started_at);
        }
        run
    }
}

fn describe_pipette(pipette: &Pipette) -> Value {
    let facts = facts(pipette.model);
    json!({"id": pipette.id, "pipetteName": facts.name, "mount": pipette.mount})
}

fn describe_labware(labware: &Labware) -> Value {
    let mut told = json!({
        "id": labware.id,
        "loadName": labware.definition.load_name,
        "definitionUri": labware.definition.uri(),
        "location": labware.location,
    });
    if let Some(offset) = &labware.offset {
        told["offsetId"] = json!(offset.id);
    }
    if let Some(name) = &labware.display_name {
        told["displayName"] = json!(name);
    }
    told
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
