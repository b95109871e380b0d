//! The scripted robot, its sensor and its attendant: the world behind the traits that the lane knows, with faults at the
//! very calls that a case names.
//!
//! A *call* is one step that the lane sends, to the robot or to the sensor; calls are numbered from 0 over the whole
//! case, through all lives of the worker. A *contact* is any other question to a device.

use crate::world::{World, darkness, glare};
use domain::{Deck, DyeName, Operation, OperationId, RobotKind, Slot, Step, Volume, WellName, reading::Reading};
use hardware::{
    AddressError, Attendant, ColourSensor, CommandFailure, Connect, Hold, Lookup, Memory, Pending, PendingReading,
    PerformError, ReadRequest, Robot, RobotError, SensorError,
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// What really became of a command whose answer nobody got, and what the robot says of it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    NeverCame,
    Done,
    /// It stopped somewhere in a whole mixture.
    Half,
    /// Done, but the robot first says that it is still at it.
    StillRunning,
    FailedBefore,
    FailedHalfway {
        moved: bool,
    },
    /// The robot's server restarted.
    Forgotten {
        moved: bool,
    },
}

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotSent,
    Refused,
    /// Another client takes the robot first.
    Taken,
    Failed {
        started: bool,
        moved: bool,
    },
    Unknown(Truth),
    /// The worker is killed, and this is what the next one finds.
    Crash(Truth),
    Unreachable,
    Silent,
    Device,
    Implausible,
    Dark,
    Saturated,
    /// Somebody takes the robot while the sensor is read.
    TakenMeanwhile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    Hold,
    Lookup,
    Confirm,
    Attendant,
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Stop,
    Pause,
    CancelExperiment,
    PauseExperiment,
    /// SIGTERM.
    Terminate,
    /// A stop, and then the worker is killed.
    StopAndKill,
    /// A stop, and then SIGTERM.
    StopAndTerminate,
    /// The experiment is paused; while its tool is about to be put down, an operator stops the robot, takes the tool off
    /// and resumes, all between the lane's look at the robot and the commit of its next intent.
    ClearUnderPutDown,
}

/// When, at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its intent is durable; nothing has moved.
    Before,
    /// It is done; the lane doesn't know yet.
    After,
    /// After it: between the lane's look at people's wishes and the commit of its next intent.
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Fault(Fault),
    Act(Act, Moment),
    /// The worker is killed so many turns of its runtime after it got this call's answer.
    KillAfter(u32),
    /// The worker is killed as soon as the journal has what it was told of a command that it looked up.
    KillAtVerdict,
    /// At every call of the same kind, so many times.
    Stays(Fault, u32),
    /// At the first such contact once so many calls were made.
    Unanswered(Contact),
    KillAt(Contact),
    /// The device did what it was asked, and the worker never hears of it.
    KillDone(Contact),
}

/// What somebody outside has to do before a call goes on.
pub struct Due {
    pub act: Act,
    pub moment: Moment,
    pub go_on: oneshot::Sender<()>,
}

/// Nothing may move, but for what was intended before.
#[derive(Debug)]
struct Held {
    intended: HashSet<OperationId>,
    may_put_down: bool,
}

#[derive(Clone, Debug)]
enum Answer {
    Succeeded,
    Running,
    Failed(CommandFailure),
}

pub struct Inner {
    kind: RobotKind,
    pub world: World,
    script: Vec<(usize, What)>,
    /// Calls so far, by the step's name.
    pub calls: Vec<&'static str>,
    pub sent: HashSet<OperationId>,
    /// Runs so far; the last is current unless somebody else has the robot.
    runs: usize,
    is_ours: bool,
    /// Runs up to here are forgotten.
    forgotten: usize,
    commands: HashMap<(usize, OperationId), Answer>,
    held: Option<Held>,
    due: Option<Due>,
    /// The worker is to be killed now; the operation at whose call, if it was at one.
    killed: Option<Option<OperationId>>,
    kill_in: Option<u32>,
    kill_at_verdict: bool,
}

/// Cheap to clone; all clones are the same devices.
#[derive(Clone)]
pub struct Bench {
    inner: Arc<Mutex<Inner>>,
    pub wake: Arc<Notify>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

impl Bench {
    pub fn new(kind: RobotKind, world: World, script: Vec<(usize, What)>) -> Self {
        let inner = Inner {
            kind,
            world,
            script,
            calls: Vec::new(),
            sent: HashSet::new(),
            runs: 0,
            is_ours: false,
            forgotten: 0,
            commands: HashMap::new(),
            held: None,
            due: None,
            killed: None,
            kill_in: None,
            kill_at_verdict: false,
        };
        Self { inner: Arc::new(Mutex::new(inner)), wake: Arc::new(Notify::new()) }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, motion is a violation.
    pub fn stands_still(&self, intended: HashSet<OperationId>) {
        self.lock().held = Some(Held { intended, may_put_down: false });
    }

    /// From now on, motion other than putting down is a violation.
    pub fn puts_down(&self, intended: HashSet<OperationId>) {
        self.lock().held = Some(Held { intended, may_put_down: true });
    }

    pub fn may_move(&self) {
        self.lock().held = None;
    }

    pub fn take_due(&self) -> Option<Due> {
        self.lock().due.take()
    }

    pub fn take_kill(&self) -> Option<Option<OperationId>> {
        self.lock().killed.take()
    }

    pub fn take_kill_in(&self) -> Option<u32> {
        self.lock().kill_in.take()
    }

    pub fn take_kill_at_verdict(&self) -> bool {
        std::mem::take(&mut self.lock().kill_at_verdict)
    }

    /// The worker never hears of anything again.
    async fn killed(&self, at: Option<OperationId>) -> ! {
        self.lock().killed = Some(at);
        self.wake.notify_one();
        pending().await
    }

    async fn people(&self, call: usize, moment: Moment) {
        let act = self.lock().take(call, |what| match what {
            What::Act(act, at) if at == moment => Some(act),
            _ => None,
        });
        if let Some(act) = act {
            let (go_on, gone) = oneshot::channel();
            self.lock().due = Some(Due { act, moment, go_on });
            self.wake.notify_one();
            let _ = gone.await;
        }
    }

    /// After a call's answer is certain.
    async fn afterwards(&self, call: usize) {
        self.people(call, Moment::After).await;
        self.people(call, Moment::Gap).await;
        let kill_in = self.lock().take(call, |what| match what {
            What::KillAfter(turns) => Some(turns),
            _ => None,
        });
        if kill_in.is_some() {
            self.lock().kill_in = kill_in;
            self.wake.notify_one();
        }
    }

    async fn contact(&self, contact: Contact) -> Result<(), RobotError> {
        let so_far = self.lock().calls.len();
        let what = self.lock().take_before(so_far, |what| match what {
            What::Unanswered(at) | What::KillAt(at) if at == contact => Some(what),
            _ => None,
        });
        match what {
            Some(What::KillAt(_)) => self.killed(None).await,
            Some(_) => Err(unreachable()),
            None => Ok(()),
        }
    }

    async fn contacted(&self, contact: Contact) {
        let so_far = self.lock().calls.len();
        let kill = self.lock().take_before(so_far, |what| (what == What::KillDone(contact)).then_some(()));
        if kill.is_some() {
            self.killed(None).await
        }
    }

    async fn send(&self, run: usize, operation: &Operation, memory: Memory) -> Result<Value, PerformError> {
        let call = self.lock().begin(operation.id, &operation.step);
        self.people(call, Moment::Before).await;
        let fault = self.lock().fault(call, &operation.step);
        let answer = match fault {
            Some(Fault::NotSent) => Err(PerformError::NotSent(unreachable())),
            Some(Fault::Refused) => Err(PerformError::Refused(RobotError::Refused {
                status: 409,
                id: "Scripted".to_owned(),
                detail: "the script says so".to_owned(),
            })),
            Some(Fault::Taken) => {
                self.lock().is_ours = false;
                Err(lost_control())
            }
            _ if !self.lock().is_current(run) => Err(lost_control()),
            Some(Fault::Failed { started, moved }) => {
                let failed = failure(started);
                self.lock().note(run, operation, memory, moved, Some(Answer::Failed(failed.clone())));
                Err(PerformError::Failed(failed))
            }
            Some(Fault::Unknown(truth)) => {
                self.lock().become_true(run, operation, memory, truth);
                Err(PerformError::Unknown(unreachable()))
            }
            Some(Fault::Crash(truth)) => {
                self.lock().become_true(run, operation, memory, truth);
                self.killed(Some(operation.id)).await
            }
            _ => {
                self.lock().note(run, operation, memory, true, Some(Answer::Succeeded));
                Ok(json!({}))
            }
        };
        self.afterwards(call).await;
        answer
    }

    async fn sense(&self, key: OperationId) -> Result<Reading, SensorError> {
        let step = Step::Read { over: ANYWHERE, well: None };
        let call = self.lock().begin(key, &step);
        self.people(call, Moment::Before).await;
        let fault = self.lock().fault(call, &step);
        let answer = match fault {
            Some(Fault::Unreachable) => Err(SensorError::Unreachable { detail: "the script says so".to_owned() }),
            Some(Fault::Silent) => Err(SensorError::Silent { after: Duration::from_secs(10) }),
            Some(Fault::Device) => Err(SensorError::Device { detail: "I2C".to_owned() }),
            Some(Fault::Implausible) => Err(SensorError::Implausible { detail: "nine bands".to_owned() }),
            Some(dazzled @ (Fault::Dark | Fault::Saturated)) => {
                self.lock().world.look(key);
                Ok(if dazzled == Fault::Dark { darkness() } else { glare() })
            }
            Some(Fault::Crash(Truth::NeverCame)) => self.killed(Some(key)).await,
            Some(Fault::Crash(_)) => {
                self.lock().world.look(key);
                self.killed(Some(key)).await
            }
            other => {
                let seen = self.lock().world.look(key);
                if other == Some(Fault::TakenMeanwhile) {
                    self.lock().is_ours = false;
                }
                Ok(seen)
            }
        };
        self.afterwards(call).await;
        answer
    }
}

/// The sensor isn't told over which well it is.
const ANYWHERE: WellName = match WellName::at(0, 0) {
    Some(well) => well,
    None => panic!("outside the plate"),
};

fn unreachable() -> RobotError {
    RobotError::Unreachable { detail: "the script says so".to_owned() }
}

fn lost_control() -> PerformError {
    PerformError::LostControl(RobotError::RunStopped { detail: "the script says so".to_owned() })
}

fn failure(started: bool) -> CommandFailure {
    CommandFailure {
        error_type: "ScriptedError".to_owned(),
        error_code: "4000".to_owned(),
        detail: "the script says so".to_owned(),
        started,
    }
}

/// What a pause still allows.
const fn puts_down(step: &Step) -> bool {
    matches!(
        step,
        Step::Home
            | Step::BlowOut { .. }
            | Step::ReturnTip { .. }
            | Step::MoveToTrash { .. }
            | Step::DropInPlace { .. }
            | Step::ParkSensor { .. }
            | Step::MoveSensorToDock { .. }
            | Step::DockSensor { .. }
    )
}

impl Inner {
    fn take<T>(&mut self, call: usize, mut wanted: impl FnMut(What) -> Option<T>) -> Option<T> {
        let index = self.script.iter().position(|(at, what)| *at == call && wanted(*what).is_some())?;
        wanted(self.script.remove(index).1)
    }

    fn take_before<T>(&mut self, calls: usize, mut wanted: impl FnMut(What) -> Option<T>) -> Option<T> {
        let index = self.script.iter().position(|(at, what)| *at <= calls && wanted(*what).is_some())?;
        wanted(self.script.remove(index).1)
    }

    /// Whether all that the script holds has come about.
    pub fn is_played(&self) -> bool {
        self.script.iter().all(|(_, what)| matches!(what, What::Stays(..)))
    }

    pub fn rest_of_script(&self) -> String {
        format!("{:?}", self.script)
    }

    fn begin(&mut self, key: OperationId, step: &Step) -> usize {
        self.calls.push(step.name());
        if !self.sent.insert(key) {
            self.world.violation(format!("{} is sent twice under the same key", step.name()));
        }
        let moves = self
            .held
            .as_ref()
            .is_some_and(|held| !(is_of(&held.intended, key) || held.may_put_down && puts_down(step)));
        if moves {
            self.world.violation(format!("{} while nothing may move", step.name()));
        }
        self.calls.len() - 1
    }

    fn fault(&mut self, call: usize, step: &Step) -> Option<Fault> {
        let once = self.take(call, |what| match what {
            What::Fault(fault) => Some(fault),
            _ => None,
        });
        once.or_else(|| self.lasting(call, step))
    }

    fn lasting(&mut self, call: usize, step: &Step) -> Option<Fault> {
        let calls = &self.calls;
        self.script.iter_mut().find_map(|(at, what)| match what {
            What::Stays(fault, times) if *at <= call && calls.get(*at) == Some(&step.name()) && *times > 0 => {
                *times -= 1;
                Some(*fault)
            }
            _ => None,
        })
    }

    fn open_run(&mut self) -> usize {
        self.runs += 1;
        self.is_ours = true;
        self.world.forget();
        self.runs
    }

    const fn is_current(&self, run: usize) -> bool {
        self.is_ours && run == self.runs && run > self.forgotten
    }

    fn note(&mut self, run: usize, operation: &Operation, memory: Memory, moved: bool, answer: Option<Answer>) {
        if moved {
            self.world.carry_out(operation.id, &operation.step, memory);
        }
        if let Some(answer) = answer {
            self.commands.insert((run, operation.id), answer);
        }
    }

    fn become_true(&mut self, run: usize, operation: &Operation, memory: Memory, truth: Truth) {
        let (moved, answer) = match truth {
            Truth::NeverCame => (false, None),
            Truth::Done => (true, Some(Answer::Succeeded)),
            Truth::Half => return self.world.carry_out_half(operation.id, &operation.step),
            Truth::StillRunning => (true, Some(Answer::Running)),
            Truth::FailedBefore => (false, Some(Answer::Failed(failure(false)))),
            Truth::FailedHalfway { moved } => (moved, Some(Answer::Failed(failure(true)))),
            Truth::Forgotten { moved } => (moved, None),
        };
        self.note(run, operation, memory, moved, answer);
        if matches!(truth, Truth::Forgotten { .. }) {
            self.forgotten = self.runs;
            self.world.forget();
        }
    }

    fn find(&mut self, run: usize, key: OperationId) -> Lookup {
        if run <= self.forgotten || self.kind == RobotKind::Script {
            return Lookup::HistoryLost;
        }
        match self.commands.get_mut(&(run, key)) {
            None => Lookup::Absent,
            Some(Answer::Succeeded) => Lookup::Succeeded(json!({})),
            Some(Answer::Failed(failure)) => Lookup::Failed(failure.clone()),
            Some(running) => {
                *running = Answer::Succeeded;
                Lookup::Running
            }
        }
    }
}

impl Connect for Bench {
    fn robot(&self, _: RobotKind, _: &str) -> Result<Arc<dyn Robot>, AddressError> {
        Ok(Arc::new(self.clone()))
    }

    fn sensor(&self, _: &str) -> Result<Arc<dyn ColourSensor>, AddressError> {
        Ok(Arc::new(self.clone()))
    }

    fn attendant(&self, _: &str) -> Result<Arc<dyn Attendant>, AddressError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Robot for Bench {
    fn fences(&self) -> bool {
        self.lock().kind == RobotKind::Ot2
    }

    fn hold<'a>(&'a self, _: &'a Deck, _: i64) -> Pending<'a, Result<Arc<dyn Hold>, RobotError>> {
        Box::pin(async move {
            self.contact(Contact::Hold).await?;
            let run = self.lock().open_run();
            self.contacted(Contact::Hold).await;
            Ok(Arc::new(BenchHold { bench: self.clone(), run, id: format!("run-{run}") }) as Arc<dyn Hold>)
        })
    }

    fn lookup<'a>(&'a self, hold: &'a str, key: OperationId) -> Pending<'a, Result<Lookup, RobotError>> {
        Box::pin(async move {
            self.contact(Contact::Lookup).await?;
            let run = hold.strip_prefix("run-").and_then(|number| number.parse().ok()).unwrap_or_default();
            let so_far = self.lock().calls.len();
            let kill = self.lock().take_before(so_far, |what| (what == What::KillAtVerdict).then_some(()));
            if kill.is_some() {
                self.lock().kill_at_verdict = true;
                self.wake.notify_one();
            }
            Ok(self.lock().find(run, key))
        })
    }
}

#[derive(Debug)]
struct BenchHold {
    bench: Bench,
    run: usize,
    id: String,
}

impl Hold for BenchHold {
    fn id(&self) -> &str {
        &self.id
    }

    fn perform<'a>(&'a self, operation: &'a Operation, memory: Memory) -> Pending<'a, Result<Value, PerformError>> {
        Box::pin(self.bench.send(self.run, operation, memory))
    }

    fn confirm(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(async {
            self.bench.contact(Contact::Confirm).await?;
            if self.bench.lock().is_current(self.run) {
                return Ok(());
            }
            Err(RobotError::RunStopped { detail: "the script says so".to_owned() })
        })
    }

    fn close(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(async {
            let mut inner = self.bench.lock();
            if inner.runs == self.run {
                inner.is_ours = false;
            }
            Ok(())
        })
    }
}

/// Whether a key is one of these operations', or that of one of their exposures.
pub fn is_of<'a>(operations: impl IntoIterator<Item = &'a OperationId>, key: OperationId) -> bool {
    operations.into_iter().any(|operation| (0..=u8::MAX).any(|index| operation.exposure(index) == key))
}

impl ColourSensor for Bench {
    fn read(&self, request: ReadRequest) -> PendingReading<'_> {
        Box::pin(self.sense(request.operation))
    }
}

impl Bench {
    /// By the virtual lab's hands.
    async fn attend(&self, act: impl FnOnce(&mut World) + Send) -> Result<(), RobotError> {
        self.contact(Contact::Attendant).await?;
        act(&mut self.lock().world);
        self.contacted(Contact::Attendant).await;
        Ok(())
    }
}

impl Attendant for Bench {
    fn new_plate(&self, _: Slot) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.attend(World::lay_plate))
    }

    fn new_tips(&self, _: Slot) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.attend(World::lay_tips))
    }

    fn refill<'a>(&'a self, vial: WellName, _: &'a DyeName, volume: Volume) -> Pending<'a, Result<(), RobotError>> {
        Box::pin(self.attend(move |world| world.fill(vial, volume)))
    }

    fn empty_waste(&self, _: WellName) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.attend(World::empty_waste))
    }

    fn clear_nozzles(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.attend(World::clear_nozzle))
    }
}
