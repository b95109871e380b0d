//! A lane: one robot, one lease, one experiment at a time.
//!
//! Read it in this order: [`Lane::drive`] here is the loop; `begin` takes an experiment and has the deck made ready; `work`
//! carries it on to whatever end; `carry` is the journal's heart (intend, send, record) and `step` the sending (`look` of
//! what the sensor carries out); `recovery`
//! is the one way into work. Whatever goes wrong, the lane drops what it believes, reads the journal and starts from
//! there: a lost connection, a restarted robot and a killed worker are one case. So are people's acts: an intent made
//! before one is refused ([`StoreError::Held`]), and the lane looks again.

mod begin;
mod carry;
mod doubts;
mod holders;
mod look;
mod lost;
mod recovery;
mod step;
mod takeover;
mod work;

use crate::{breaker::Concern, estimate::Pace, mixture};
use domain::{ExperimentId, ExperimentStatus, FaultCode, RobotMode, Tool};
use hardware::{AddressError, Attendant, ColourSensor, Connect, Hold, Memory, Patience, RobotError};
use holders::Holders;
use std::{sync::Arc, time::Duration};
use store::{JournalledOperation, Lease, Robot, Signal, Store, StoreError};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// Between two looks for waiting experiments that no robot can mix any more.
const BETWEEN_INSPECTIONS: Duration = Duration::from_secs(2);

/// Why a lane was left. The journal holds everything; it begins again with recovery.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Robot(#[from] RobotError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the robot couldn't be made safe: {0}")]
    Unsafe(String),
    /// What was made for the old place is dropped; the lane begins again with recovery.
    #[error("somebody changed where the robot or its sensor is, or what it is called")]
    Elsewhere,
    /// Nothing was sent; the lane asks the robot what they did before it goes on.
    #[error("another had the robot since we did")]
    Intruded,
}

/// What a lane is given by the worker that keeps it.
#[derive(Clone, Debug)]
pub struct Keeping {
    pub store: Store,
    pub lease: Lease,
    /// The lease's time to live.
    pub time_to_live: Duration,
    /// How often to look for what other processes did, where it isn't heard of them.
    pub poll: Duration,
    pub patience: Patience,
    pub connect: Arc<dyn Connect>,
    /// Cancelled when the worker shuts down.
    pub stop: CancellationToken,
    /// Told which experiment is dealt with, so that one which breaks the lane is known.
    pub concern: Concern,
}

#[derive(Debug)]
pub struct Lane {
    store: Store,
    lease: Lease,
    time_to_live: Duration,
    robot: Robot,
    /// Its name when the lane was begun, by which the log tells of it.
    called: String,
    machine: Arc<dyn hardware::Robot>,
    sensor: Arc<dyn ColourSensor>,
    attendant: Arc<dyn Attendant>,
    signals: broadcast::Receiver<Signal>,
    stop: CancellationToken,
    poll: Duration,
    patience: Patience,
    concern: Concern,
    /// Our hold on the machine; nothing while it isn't ours or isn't to be believed.
    run: Option<Arc<dyn Hold>>,
    /// Whether this run has been homed.
    homed: bool,
    /// Whether the robot's server knows what hangs on the nozzle.
    memory: Memory,
    /// What hangs there by the journal; in step with its commits.
    tool: Tool,
    /// Whether recovery has settled what was under way when this lane was begun, or begun again.
    settled: bool,
    /// Whether the machine has said under this lease who it is and what was done on it.
    checked: bool,
    /// Another took the robot from us under this lease, or between two holds of ours: what they did on it is asked before
    /// anything moves.
    intruded: bool,
    /// Who held it, as far as this lane knows.
    holders: Holders,
    /// Troubles in a row with an experiment that was left for a look at the machine.
    troubles: Option<(ExperimentId, u32)>,
    pace: Pace,
    inspected_at: Option<Instant>,
    /// Plates in a row of which a well that should have been empty wasn't.
    plates_refused: u32,
}

impl Lane {
    pub fn new(keeping: Keeping, robot: Robot) -> Result<Self, LaneError> {
        let Keeping { store, lease, time_to_live, poll, patience, connect, stop, concern } = keeping;
        Ok(Self {
            machine: connect.robot(robot.kind, &robot.url)?,
            sensor: connect.sensor(&robot.sensor_url)?,
            attendant: connect.attendant(&robot.url)?,
            signals: store.signals(),
            tool: robot.tool.clone(),
            run: None,
            homed: false,
            memory: Memory::Forgot,
            settled: false,
            checked: false,
            intruded: false,
            holders: Holders::default(),
            troubles: None,
            pace: Pace::unknown(),
            inspected_at: None,
            plates_refused: 0,
            called: robot.name.clone(),
            store,
            lease,
            time_to_live,
            robot,
            stop,
            poll,
            patience,
            concern,
        })
    }

    /// Works until it is stopped or something fails that only recovery can put right: then it may be driven again, and
    /// begins with that.
    pub async fn drive(&mut self) -> Result<(), LaneError> {
        self.run = None;
        self.settled = false;
        while !self.stop.is_cancelled() {
            let acts = self.robot.acts;
            match self.turn().await {
                Err(LaneError::Store(StoreError::Held)) if acts == self.robot.acts => self.rest().await,
                Err(LaneError::Store(StoreError::Held) | LaneError::Intruded) => {}
                outcome => outcome?,
            }
        }
        self.leave().await
    }

    /// One look at what people wish and what there is to do, and the doing of it.
    async fn turn(&mut self) -> Result<(), LaneError> {
        self.reload().await?;
        self.concern.set(self.store.in_hand_id(self.lease.robot_id).await?);
        let in_hand = self.store.in_hand(&self.lease).await?.map(|detail| detail.experiment);
        // Before the robot is contacted, which may be what keeps them waiting.
        if let Some(held) = &in_hand
            && let Some(wish) = held.control
        {
            return self.obey(held.id, wish).await;
        }
        if !self.checked {
            self.check_machine().await?;
            self.ask_unless_fenced().await?;
            self.checked = true;
            return Ok(());
        }
        if self.is_mistaken() || self.may_hear_of_old_commands() {
            self.rest().await;
            return Ok(());
        }
        if self.intruded && !self.must_not_move() {
            return self.check_after_intrusion().await;
        }
        if !self.settled && !self.intruded {
            self.recover().await?;
            self.settled = true;
            return Ok(());
        }
        if let Some(held) = &in_hand
            && held.plate_id != self.robot.plate_id
        {
            // Its plate isn't there any more: it takes its turn again, and what was in the wells is made anew.
            return self.end_experiment(held.id, ExperimentStatus::Queued, None).await;
        }
        if self.must_not_move() {
            self.rest().await;
            return Ok(());
        }
        let puts_down = in_hand.is_none() || self.robot.mode == RobotMode::Paused;
        if puts_down && self.tool != Tool::Nothing {
            return self.make_safe().await;
        }
        match (self.robot.mode, in_hand) {
            (RobotMode::Active | RobotMode::Draining, Some(experiment)) => {
                self.work(experiment.id).instrument(about(experiment.id)).await
            }
            (RobotMode::Active, None) => self.look_for_work().await,
            _ => {
                self.let_go().await;
                self.rest().await;
                Ok(())
            }
        }
    }

    async fn look_for_work(&mut self) -> Result<(), LaneError> {
        self.let_go().await;
        if self.robot.name != self.called {
            return Err(LaneError::Elsewhere);
        }
        let Some(next) = self.store.peek(&self.lease, &self.robot.bench()).await? else {
            self.inspect_queue().await?;
            self.rest().await;
            return Ok(());
        };
        self.concern.set(Some(next));
        let Some(next) = self.store.experiment(next).await? else { return Ok(()) };
        let span = about(next.experiment.id);
        self.begin(next).instrument(span).await
    }

    /// The way out: nothing is left on the nozzle, unless the robot must not move.
    async fn leave(&mut self) -> Result<(), LaneError> {
        self.reload().await?;
        if self.must_not_move() {
            return Ok(());
        }
        if self.intruded {
            self.check_after_intrusion().await?;
        }
        match self.make_safe().await {
            Err(LaneError::Store(StoreError::Held) | LaneError::Intruded) => Ok(()),
            outcome => outcome,
        }
    }

    /// Reads what people did since. Where hands were on the nozzle, the run that believes otherwise is let go.
    async fn reload(&mut self) -> Result<(), LaneError> {
        let before = (self.robot.kind, self.robot.url.clone(), self.robot.sensor_url.clone());
        self.robot = self.store.robot(self.lease.robot_id).await?.ok_or(StoreError::NotFound("robot"))?;
        if before != (self.robot.kind, self.robot.url.clone(), self.robot.sensor_url.clone()) {
            return Err(LaneError::Elsewhere);
        }
        if self.tool != self.robot.tool {
            self.tool = self.robot.tool.clone();
            self.run = None;
        }
        Ok(())
    }

    /// Stopped, or waiting for an answer: then not even to put things down.
    fn must_not_move(&self) -> bool {
        self.robot.mode == RobotMode::Stopped || self.robot.attention.is_some()
    }

    /// Perhaps it isn't our machine at all, or not ours alone: then it isn't even taken.
    fn is_mistaken(&self) -> bool {
        self.robot.attention.as_ref().is_some_and(|question| question.code == FaultCode::RobotMistaken)
    }

    /// Until somebody commits what may concern a lane, or the time comes to look for what was done unheard.
    async fn rest(&mut self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(self.store.between_looks(self.poll)) => {}
            () = something_to_do(&mut self.signals) => {}
        }
        while self.signals.try_recv().is_ok() {}
    }

    async fn journal(&self, id: ExperimentId) -> Result<Vec<JournalledOperation>, LaneError> {
        Ok(mixture::journal(&self.store, id).await?)
    }
}

/// Queue and robots tell of all that a lane rests for; experiments' events don't, and come by the hundred.
pub async fn something_to_do(signals: &mut broadcast::Receiver<Signal>) {
    loop {
        match signals.recv().await {
            Ok(Signal::Queue | Signal::Robots | Signal::Anything) | Err(RecvError::Lagged(_)) => return,
            Ok(Signal::Experiment(_) | Signal::Accounts) => {}
            // Whoever waits has a store, which is what sends them.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What is logged within it is about this experiment.
fn about(id: ExperimentId) -> Span {
    tracing::info_span!("experiment", experiment = %id)
}
