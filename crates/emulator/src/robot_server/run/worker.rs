//! The worker of a run, and what clients do with it: they add commands, wait for them, and play, pause or stop it.

use super::{
    page::Page,
    state::{ActionType, Door, Next, Outcome, Phase, RunAction, State},
};
use crate::{
    robot_server::{
        command::{Asked, Command, timestamp},
        engine::{CommandError, Engine, ErrorOccurrence, Params, Plan, Step},
        error::ApiError,
        failures::When,
        hardware::{Hardware, Stuck},
        protocols::Script,
    },
    world::Action,
};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// A stop takes real hardware a moment, however fast the world goes.
const SHORTEST_STOP: Duration = Duration::from_millis(50);

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

/// The command links tell is current: the one running, or else the last that ended.
#[derive(Clone, Debug)]
pub struct CurrentCommand {
    pub id: String,
    pub key: String,
    pub created_at: String,
    pub index: usize,
}

impl Run {
    /// A new run with its worker. The worker ends when the run does, or when nothing but the worker knows the run.
    pub fn start(hardware: Arc<Hardware>) -> Arc<Self> {
        let state = State::new(Engine::new(hardware.mounted()));
        Self::with(hardware, state)
    }

    /// The same, to carry an uploaded protocol out once it is played.
    pub fn of_protocol(hardware: Arc<Hardware>, protocol_id: String, script: Script) -> Arc<Self> {
        let engine = Engine::of_script(hardware.mounted(), &script);
        Self::with(hardware, State::of_protocol(engine, protocol_id, script))
    }

    fn with(hardware: Arc<Hardware>, state: State) -> Arc<Self> {
        let (changed, _) = watch::channel(());
        let run = Arc::new(Self {
            id: Uuid::new_v4().to_string(),
            created_at: timestamp(),
            state: Mutex::new(state),
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

    /// The uploaded protocol that the run carries out.
    pub fn protocol_id(&self) -> Option<String> {
        self.state().protocol_id.clone()
    }

    pub fn command(&self, id: &str) -> Option<Command> {
        let state = self.state();
        state.positions.get(id).and_then(|&index| state.commands.get(index)).cloned()
    }

    /// A page of commands. Without a cursor: where the run is now, or the end of the list.
    pub fn page<T>(&self, cursor: Option<i64>, length: i64, tell: impl Fn(&Command) -> T) -> Page<T> {
        let state = self.state();
        let cursor = cursor.unwrap_or_else(|| state.default_cursor(length));
        Page::of(&state.commands, cursor, length, tell)
    }

    /// A page of the errors of failed commands.
    pub fn error_page(&self, cursor: Option<i64>, length: i64) -> Page<ErrorOccurrence> {
        let state = self.state();
        let cursor = cursor.unwrap_or_else(|| (state.command_errors.len() as i64).saturating_sub(length));
        Page::of(&state.command_errors, cursor, length, Clone::clone)
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
        let door = if self.hardware.door_stops_runs() { Door::StopsRuns } else { Door::IsNoMatter };
        let mut state = self.state();
        let action = state.act(action_type, door)?;
        let is_over = state.outcome.is_some();
        let halts = action_type == ActionType::Stop && state.was_started() && state.completed_at.is_none();
        drop(state);
        match action_type {
            // A start that comes after the stop resumes nothing.
            ActionType::Play if !is_over => self.resume.notify_waiters(),
            ActionType::Stop if halts => self.halt.notify_one(),
            _ => {}
        }
        self.work.notify_one();
        Ok(action)
    }

    /// The run as the API tells it.
    pub fn describe(&self, current: bool) -> Value {
        let mut told = self.state().describe(&self.id, &self.created_at, current);
        if told["status"] == "paused" && self.hardware.door_stops_runs() {
            told["status"] = "blocked-by-open-door".into();
        }
        told
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
            if self.hardware.door_stops_runs() {
                self.state().stand_still();
            }
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
        let Some((command, params, key)) = self.state().begin(index) else { return };
        self.tell_change();
        let outcome = tokio::select! {
            biased;
            outcome = self.carry_out_or_fail(command, &params, &key) => outcome,
            () = self.halt.notified() => Err(CommandError::cancelled()),
        };
        self.state().finish(index, outcome);
        self.tell_change();
    }

    async fn carry_out_or_fail(&self, command: &str, params: &Params, key: &str) -> Result<Value, CommandError> {
        let Some((when, error)) = self.hardware.failure_of(command) else { return self.carry_out(params, key).await };
        if when == When::After {
            self.carry_out(params, key).await?;
        }
        Err(error)
    }

    async fn carry_out(&self, params: &Params, key: &str) -> Result<Value, CommandError> {
        if let Params::WaitForDuration(_) | Params::WaitForResume(_) | Params::MoveLabware(_) = params {
            let plan = self.plan(params)?;
            return self.follow(plan, key).await;
        }
        let _gantry = self.hardware.gantry().await;
        let plan = self.plan(params)?;
        self.follow(plan, key).await
    }

    fn plan(&self, params: &Params) -> Result<Plan, CommandError> {
        let nozzles = self.hardware.nozzles();
        self.state().engine.plan(params, nozzles)
    }

    async fn follow(&self, plan: Plan, key: &str) -> Result<Value, CommandError> {
        for step in plan.steps {
            match step {
                Step::AwaitResume => self.pause_until_played().await,
                step => self.hardware.carry_out(step, key).await.map_err(stuck)?,
            }
        }
        let mut state = self.state();
        plan.updates.into_iter().for_each(|update| state.engine.apply(update));
        plan.outcome
    }

    /// A setup command that pauses leaves a run that was never started paused, and nothing but a start helps it.
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
