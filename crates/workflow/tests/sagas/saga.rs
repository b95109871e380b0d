//! One case from the accepted experiment to its end: the real worker over the scripted bench, as many lives of it as it
//! is killed, and the people, who answer truthfully from what they see.

use crate::{
    bench::{Act, Bench, Due, Moment, is_of},
    case::Case,
    judge::{self, Hold, Stood},
    template::{self, Furnished},
    world::{Nozzle, World},
};
use chrono::{DateTime, Utc};
use domain::{
    Attendance, Change, Control, DeckCondition, ExperimentId, ExperimentStatus, Fault, FaultCode, OperationId,
    RobotKind, RobotMode, Tool,
};
use hardware::Patience;
use serde_json::json;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use store::{LeaseClaim, NewActivity, Options, Robot, Signal, Store, StoreError, User};
use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;
use workflow::{
    AttendError, DeckAct, ExperimentRequest, Lab, NozzleContent, RobotCommand, Tasks, WellRequest, WorkerConfig,
    run_worker,
};

/// A case ends in a second or two, one that loses its robot twelve times in a row while it puts something down in 73 s, since the
/// worker's pauses grow to 10 s; one that takes this long has no end.
const LONGEST: Duration = Duration::from_secs(120);
/// The faultless experiment has 30 calls.
const MOST_CALLS: usize = 400;
const MOST_LIVES: usize = 12;
/// Looks at a robot that must not move before people go on.
const LOOKS: u32 = 2;
/// Between two looks when nothing calls for one.
const TICK: Duration = Duration::from_millis(12);

/// What a case left behind.
pub struct Played {
    pub calls: Vec<&'static str>,
}

/// Plays a case and judges it.
pub fn play(case: &Case) -> Result<Played, String> {
    let runtime = || Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string());
    let place = template::place(case)?;
    let mut world = World::new(place.furnished.robot.deck.clone());
    template::furnish_world(&mut world, case.lacking, &place.furnished.robot.deck);
    let bench = Bench::new(case.kind, world, case.script.clone());
    let mut people = People::new(case, &bench, &place.furnished);
    for _ in 0..MOST_LIVES {
        let runtime = runtime()?;
        let ended = runtime.block_on(people.live(&place.url))?;
        // Whatever the worker was at is dropped with its runtime, as a killed process drops it.
        runtime.shutdown_background();
        if ended == Ended::Over {
            if case.is_asked_about_a_doubt() && !people.asked.contains(&FaultCode::CommandInDoubt) {
                return Err("a command is in doubt, and the operator was never asked".to_owned());
            }
            let People { experiments, stood, .. } = people;
            let store = judge::Case { case, bench: &bench, furnished: &place.furnished, experiments, stood };
            self::runtime(&place.url, store)?;
            return Ok(Played { calls: bench.lock().calls.clone() });
        }
    }
    Err(format!("the worker lived {MOST_LIVES} times and there is no end"))
}

fn runtime(url: &str, judged: judge::Case<'_>) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let store = Store::connect(url, Options::default()).await.map_err(|error| error.to_string())?;
        judged.judge(&store).await
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Killed,
    Over,
}

/// The worker's process as people see it.
struct Process {
    store: Store,
    lab: Lab,
    stop: CancellationToken,
    worker: JoinHandle<()>,
}

/// Everybody around the robot: owner, operator, and whoever kills the worker.
struct People<'a> {
    case: &'a Case,
    bench: &'a Bench,
    robot: Robot,
    user: User,
    experiments: Vec<ExperimentId>,
    stood: Vec<Stood>,
    /// What the robot asked its operator.
    asked: Vec<FaultCode>,
    looks: u32,
    standing: Option<(DateTime<Utc>, Hold)>,
    began: Instant,
}

impl<'a> People<'a> {
    fn new(case: &'a Case, bench: &'a Bench, furnished: &Furnished) -> Self {
        Self {
            case,
            bench,
            robot: furnished.robot.clone(),
            user: furnished.user.clone(),
            experiments: vec![furnished.experiment],
            stood: Vec::new(),
            asked: Vec::new(),
            looks: 0,
            standing: None,
            began: Instant::now(),
        }
    }

    /// One life of the worker.
    async fn live(&mut self, url: &str) -> Result<Ended, String> {
        let store = Store::connect(url, Options::default()).await.map_err(|error| error.to_string())?;
        let stop = CancellationToken::new();
        let config = WorkerConfig {
            holder: "saga".to_owned(),
            claim: LeaseClaim::Seize,
            lease: Duration::from_secs(120),
            poll: Duration::from_millis(25),
            patience: Patience { pause: Duration::from_micros(100), ..Patience::default() },
            connect: Some(Arc::new(self.bench.clone())),
            ..WorkerConfig::default()
        };
        let worker = tokio::spawn(run_worker(store.clone(), config, Tasks::new(stop.clone())));
        let process = Process { lab: Lab::new(store.clone()), store, stop, worker };
        loop {
            let must_look = self.wait().await;
            if let Some(at) = self.bench.take_kill() {
                if let Some(key) = at {
                    self.check_intended(&process.store, key).await?;
                }
                return Ok(Ended::Killed);
            }
            if let Some(turns) = self.bench.take_kill_in() {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                return Ok(Ended::Killed);
            }
            if self.bench.take_kill_at_verdict() {
                while !open(&process.store, &self.robot).await.map_err(|error| error.to_string())?.is_empty() {
                    self.check_bounds()?;
                }
                return Ok(Ended::Killed);
            }
            if let Some(due) = self.bench.take_due() {
                if self.act(&process, due).await? {
                    return Ok(Ended::Killed);
                }
                continue;
            }
            self.check_bounds()?;
            if must_look && self.look(&process).await.map_err(|error| error.to_string())? {
                process.stop.cancel();
                process.worker.await.map_err(|error| error.to_string())?;
                return Ok(Ended::Over);
            }
        }
    }

    /// Until something calls for a look; `false` where only the bench does.
    async fn wait(&self) -> bool {
        tokio::select! {
            biased;
            () = self.bench.wake.notified() => false,
            () = tokio::time::sleep(TICK) => true,
        }
    }

    fn check_bounds(&self) -> Result<(), String> {
        let calls = self.bench.lock().calls.len();
        if calls > MOST_CALLS || self.began.elapsed() > LONGEST {
            let inner = self.bench.lock();
            let last = &inner.calls[calls.saturating_sub(12)..];
            return Err(format!("no end after {calls} calls; the last are {last:?}; {:?}", inner.world.violations));
        }
        Ok(())
    }

    /// Intent before motion: what the bench is at must be open in the journal.
    async fn check_intended(&self, store: &Store, key: OperationId) -> Result<(), String> {
        let open = open(store, &self.robot).await.map_err(|error| error.to_string())?;
        if is_of(&open, key) { Ok(()) } else { Err(format!("{key} was sent without an intent; open are {open:?}")) }
    }

    /// Carries out what is due at a call; whether the worker is gone with it.
    async fn act(&mut self, process: &Process, due: Due) -> Result<bool, String> {
        let Due { act, moment, go_on } = due;
        if moment == Moment::Gap {
            self.act_in_gap(process, act, go_on).await?;
            return Ok(false);
        }
        if act == Act::ClearUnderPutDown {
            self.clear_under_put_down(process, go_on).await.map_err(|error| error.to_string())?;
            return Ok(false);
        }
        self.do_act(process, act).await?;
        match act {
            // The robot carries on with what it was sent, and nobody hears of it.
            Act::StopAndKill => return Ok(true),
            Act::Terminate | Act::StopAndTerminate => process.stop.cancel(),
            _ => {}
        }
        let _ = go_on.send(());
        if !process.stop.is_cancelled() {
            return Ok(false);
        }
        while !process.worker.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.check_bounds()?;
            if self.bench.take_kill().is_some() {
                break;
            }
        }
        if act == Act::Terminate && !self.bench.lock().world.is_left_safe() {
            return Err("the worker has ended and something hangs on the nozzle".to_owned());
        }
        Ok(true)
    }

    async fn do_act(&mut self, process: &Process, act: Act) -> Result<(), String> {
        let told = match act {
            Act::Stop | Act::StopAndKill | Act::StopAndTerminate => self.tell(process, RobotCommand::Stop).await,
            Act::Pause => self.tell(process, RobotCommand::Pause).await,
            Act::CancelExperiment => self.wish(process, Control::Cancel).await,
            Act::PauseExperiment => self.wish(process, Control::Pause).await,
            Act::Terminate | Act::ClearUnderPutDown => Ok(()),
        };
        told.map_err(|error| error.to_string())
    }

    async fn tell(&mut self, process: &Process, command: RobotCommand) -> Result<(), StoreError> {
        process.lab.command_robot(&self.user, self.robot.id, command, None).await?;
        let intended = open(&process.store, &self.robot).await?;
        match command {
            RobotCommand::Stop => self.bench.stands_still(intended),
            _ => self.bench.puts_down(intended),
        }
        Ok(())
    }

    async fn wish(&self, process: &Process, control: Control) -> Result<(), StoreError> {
        let id = *self.experiments.first().ok_or(StoreError::NotFound("experiment"))?;
        process.lab.control(&self.user, id, control, None).await.map(drop)
    }

    /// The journal's writer is kept busy; behind it waits what the person does, and behind that the lane's next intent,
    /// which has already looked whether anybody wishes anything.
    async fn act_in_gap(&mut self, process: &Process, act: Act, go_on: oneshot::Sender<()>) -> Result<(), String> {
        let busy = process.store.clone();
        let busy = tokio::spawn(async move { busy.run_sql(template::SLOW).await });
        tokio::task::yield_now().await;
        let (lab, user, robot) = (process.lab.clone(), self.user.clone(), self.robot.id);
        let experiment = *self.experiments.first().ok_or("no experiment")?;
        let told = tokio::spawn(async move {
            match act {
                Act::Pause => lab.command_robot(&user, robot, RobotCommand::Pause, None).await.map(drop),
                Act::CancelExperiment => lab.control(&user, experiment, Control::Cancel, None).await.map(drop),
                Act::PauseExperiment => lab.control(&user, experiment, Control::Pause, None).await.map(drop),
                _ => lab.command_robot(&user, robot, RobotCommand::Stop, None).await.map(drop),
            }
        });
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let _ = go_on.send(());
        busy.await.map_err(|error| error.to_string())?;
        told.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let intended = open(&process.store, &self.robot).await.map_err(|error| error.to_string())?;
        match act {
            Act::Stop => self.bench.stands_still(intended),
            Act::Pause => self.bench.puts_down(intended),
            _ => {}
        }
        Ok(())
    }

    async fn clear_under_put_down(&mut self, process: &Process, go_on: oneshot::Sender<()>) -> Result<(), StoreError> {
        self.wish(process, Control::Pause).await?;
        let mut signals = process.store.signals();
        let _ = go_on.send(());
        // The experiment has left the lane's hand, and the lane reads what hangs on its nozzle.
        while !matches!(signals.recv().await, Ok(Signal::Queue) | Err(_)) {}
        let store = process.store.clone();
        let busy = tokio::spawn(async move { store.run_sql(template::SLOW).await });
        let robot = process.store.robot(self.robot.id).await?.ok_or(StoreError::NotFound("robot"))?;
        let stopped = self.command_behind(process, RobotCommand::Stop);
        let (store, off) = (process.store.clone(), taken_off(&robot));
        let by = NewActivity { user_id: None, action: "deck_attended", details: json!({}), ip_address: None };
        let cleared = tokio::spawn(async move { store.attend(&robot, &off, DeckCondition::Still, by).await });
        let resumed = self.command_behind(process, RobotCommand::Resume);
        let lost = |error: JoinError| StoreError::Database(error.to_string());
        busy.await.map_err(lost)?;
        stopped.await.map_err(lost)??;
        match cleared.await.map_err(lost)? {
            Ok(()) => self.bench.lock().world.clear_nozzle(),
            // The put-down was faster, and is under way: no hands then.
            Err(StoreError::AtWork) => {}
            Err(error) => return Err(error),
        }
        resumed.await.map_err(lost)?.map(drop)
    }

    fn command_behind(&self, process: &Process, command: RobotCommand) -> JoinHandle<Result<RobotMode, StoreError>> {
        let (lab, user, robot) = (process.lab.clone(), self.user.clone(), self.robot.id);
        tokio::spawn(async move { lab.command_robot(&user, robot, command, None).await })
    }

    /// One look at the lab; whether all is over.
    async fn look(&mut self, process: &Process) -> Result<bool, StoreError> {
        let robot = process.store.robot(self.robot.id).await?.ok_or(StoreError::NotFound("robot"))?;
        self.robot = robot.clone();
        self.asked.extend(robot.attention.as_ref().map(|question| question.code));
        if robot.is_held() {
            return self.at_held(process, &robot).await.map(|()| false);
        }
        self.looks = 0;
        let id = *self.experiments.last().ok_or(StoreError::NotFound("experiment"))?;
        let status = process.store.experiment(id).await?.ok_or(StoreError::NotFound("experiment"))?.experiment.status;
        if status == ExperimentStatus::Paused {
            process.lab.control(&self.user, id, Control::Resume, None).await?;
        }
        let is_idle = robot.tool == Tool::Nothing && open(&process.store, &robot).await?.is_empty();
        if !status.is_final() || !is_idle {
            return Ok(false);
        }
        if !self.case.is_followed() || self.experiments.len() > 1 {
            return Ok(true);
        }
        self.follow(process).await?;
        Ok(false)
    }

    /// Another experiment on the same deck.
    async fn follow(&mut self, process: &Process) -> Result<(), StoreError> {
        let wells = vec![WellRequest { volumes: BTreeMap::from([("yellow".to_owned(), 50.0)]), target: None }];
        let request = ExperimentRequest { name: None, wells, ..Default::default() };
        let accepted = process.lab.submit(&self.user, request, None, None).await;
        let accepted = accepted.map_err(|error| StoreError::Database(error.to_string()))?;
        self.experiments.push(accepted.experiment.experiment.id);
        Ok(())
    }

    /// The robot stands, or puts things down and will stand: it is watched for a while, then it may go on.
    async fn at_held(&mut self, process: &Process, robot: &Robot) -> Result<(), StoreError> {
        let still = robot.mode == RobotMode::Stopped || robot.attention.is_some();
        if still || robot.stands_still {
            let intended = open(&process.store, robot).await?;
            self.bench.stands_still(intended);
        }
        if self.standing.is_none() {
            let (since, hold) = match (robot.mode, robot.attention_at) {
                (RobotMode::Stopped, _) => (robot.mode_at, Hold::Everything),
                (_, Some(asked)) => (Some(asked), Hold::Everything),
                _ => (robot.mode_at, Hold::Work),
            };
            self.standing = Some((since.unwrap_or_else(Utc::now), hold));
        }
        // A pause lasts until everything is put down; a stop, until people think it long enough.
        if still || robot.stands_still {
            self.looks += 1;
        }
        if self.looks <= LOOKS {
            return Ok(());
        }
        if !self.attend(process, robot).await? {
            return Ok(());
        }
        self.looks = 0;
        self.go_on();
        match process.lab.command_robot(&self.user, robot.id, RobotCommand::Resume, None).await {
            Ok(_) | Err(StoreError::Held) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What was held until now may move from now on.
    fn go_on(&mut self) {
        if let Some((from, hold)) = self.standing.take() {
            self.stood.push(Stood { from, until: Utc::now(), hold });
        }
        self.bench.may_move();
    }

    /// What an operator does at a robot that stands; `false` where hands may not go there yet.
    async fn attend(&mut self, process: &Process, robot: &Robot) -> Result<bool, StoreError> {
        if self.case.attendance == Attendance::Virtual {
            return Ok(true);
        }
        let act = match (&robot.attention, self.case.manner) {
            (Some(question), manner) => self.answer(question, manner),
            (None, 1) => Some(DeckAct::NozzleCleared),
            (None, 2) => Some(DeckAct::NozzleHolds { holds: self.seen() }),
            (None, _) => None,
        };
        let Some(act) = act else { return Ok(true) };
        if !robot.stands_still {
            // One that can't be told to forget is only said to stand still.
            return Ok(robot.kind == RobotKind::Script && robot.attention.is_some());
        }
        // The act may itself be the answer, upon which the lane moves.
        let held = self.standing;
        self.go_on();
        let hands = self.hands(&act);
        match process.lab.act_on_deck(&self.user, robot.id, act, None).await {
            Ok(()) => Ok(true),
            Err(AttendError::Unexpected { .. }) => {
                self.bench.lock().world.clear_nozzle();
                let cleared = process.lab.act_on_deck(&self.user, robot.id, DeckAct::NozzleCleared, None).await;
                cleared.map(|()| true).map_err(|error| StoreError::Database(error.to_string()))
            }
            Err(AttendError::Store(StoreError::AtWork)) if !hands => {
                self.standing = held;
                self.stood.pop();
                Ok(false)
            }
            Err(error) => Err(StoreError::Database(format!("an act at a robot that stands still: {error}"))),
        }
    }

    fn answer(&self, question: &Fault, manner: usize) -> Option<DeckAct> {
        let deck = &self.robot.deck;
        match question.code {
            FaultCode::CommandInDoubt => match manner {
                0 => None,
                1 => Some(DeckAct::NozzleCleared),
                _ => Some(DeckAct::NozzleHolds { holds: self.seen() }),
            },
            FaultCode::PlateFull | FaultCode::PlateUsed | FaultCode::PlateDoubtful => Some(DeckAct::NewPlate),
            FaultCode::TipsShort => deck.pipettes.first().map(|hand| DeckAct::NewTips { slot: hand.tip_slot }),
            FaultCode::DyeShort => {
                let vial = deck.dyes.iter().map(|dye| dye.vial).find(|vial| question.cause.contains(&vial.to_string()));
                vial.map(|vial| DeckAct::Refill { vial, volume: None, batch: None })
            }
            FaultCode::WasteFull => Some(DeckAct::EmptyWaste),
            _ => None,
        }
    }

    fn seen(&self) -> NozzleContent {
        match &self.bench.lock().world.nozzle {
            Nozzle::Nothing => NozzleContent::Nothing,
            Nozzle::Tip { liquid, .. } if liquid.is_zero() => NozzleContent::EmptyTip,
            Nozzle::Tip { .. } => NozzleContent::TipWithLiquid,
            Nozzle::Sensor => NozzleContent::Sensor,
        }
    }

    /// Does at the bench what is about to be confirmed; whether anything was done.
    fn hands(&self, act: &DeckAct) -> bool {
        let world = &mut self.bench.lock().world;
        match act {
            DeckAct::NewPlate => world.lay_plate(),
            DeckAct::NewTips { .. } => world.lay_tips(),
            DeckAct::Refill { vial, .. } => {
                let full = world.full(*vial);
                world.fill(*vial, full);
            }
            DeckAct::EmptyWaste => world.empty_waste(),
            DeckAct::NozzleCleared => world.clear_nozzle(),
            _ => return false,
        }
        true
    }
}

/// What an operator confirms who takes off what hangs on the nozzle.
fn taken_off(robot: &Robot) -> Vec<Change> {
    let lost = match &robot.tool {
        Tool::Tip { mount, tip, .. } => {
            robot.deck.pipette(*mount).map(|hand| Change::TipLost { slot: hand.tip_slot, tip: *tip })
        }
        _ => None,
    };
    lost.into_iter().chain([Change::Tool(Tool::Nothing)]).collect()
}

async fn open(store: &Store, robot: &Robot) -> Result<HashSet<OperationId>, StoreError> {
    let open = store.open_operations(robot.id).await?;
    Ok(open.into_iter().map(|entry| entry.operation.id).collect())
}
