//! A lane: one robot, one lease, one experiment at a time.
//!
//! Read it in this order: [`Lane::drive`] here is the loop; `begin` takes an experiment and has the deck made ready; `work`
//! carries it on to whatever end; `carry` is the journal's heart (intend, send, record) and `step` the sending; `recovery`
//! is the one way into work. Whatever goes wrong, the lane drops what it believes, reads the journal and starts from
//! there: a lost connection, a restarted robot and a killed worker are one case.

mod begin;
mod carry;
mod doubts;
mod recovery;
mod step;
mod work;

use crate::{estimate::Pace, mixture};
use domain::{ExperimentId, Tool};
use hardware::{AddressError, ColourSensor, Memory, Ot2, Patience, RobotError, Run, VirtualAttendant};
use std::{sync::Arc, time::Duration};
use store::{JournalledOperation, Lease, Robot, RobotMode, Signal, Store, StoreError};
use tokio::{sync::broadcast, time::sleep};
use tokio_util::sync::CancellationToken;

/// Why a lane was left. The journal holds everything; the next lease begins with recovery.
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
}

pub struct Lane {
    store: Store,
    lease: Lease,
    robot: Robot,
    ot2: Ot2,
    sensor: Arc<dyn ColourSensor>,
    attendant: VirtualAttendant,
    signals: broadcast::Receiver<Signal>,
    stop: CancellationToken,
    poll: Duration,
    patience: Patience,
    run: Option<Run>,
    /// Whether this run has been homed.
    homed: bool,
    memory: Memory,
    tool: Tool,
    pace: Pace,
    /// Plates in a row of which a well that should have been empty wasn't.
    plates_refused: u32,
}

impl Lane {
    pub fn new(
        store: Store,
        lease: Lease,
        robot: Robot,
        poll: Duration,
        patience: Patience,
        stop: CancellationToken,
    ) -> Result<Self, LaneError> {
        Ok(Self {
            ot2: Ot2::new(&robot.url, patience)?,
            sensor: hardware::connect_sensor(&robot.sensor_url, patience)?,
            attendant: VirtualAttendant::new(&robot.url, patience)?,
            signals: store.signals(),
            tool: robot.tool.clone(),
            run: None,
            homed: false,
            memory: Memory::Forgot,
            pace: Pace::unknown(),
            plates_refused: 0,
            store,
            lease,
            robot,
            poll,
            patience,
            stop,
        })
    }

    /// Works until it is stopped or something fails that only a new lease's recovery can put right.
    pub async fn drive(&mut self) -> Result<(), LaneError> {
        self.recover().await?;
        while !self.stop.is_cancelled() {
            self.reload().await?;
            let in_hand = self.store.in_hand(&self.lease).await?;
            match (self.robot.mode, in_hand) {
                (RobotMode::Paused | RobotMode::Attention, Some(held)) if held.experiment.control.is_some() => {
                    self.obey(held.experiment.id, held.experiment.control).await?;
                }
                (RobotMode::Paused | RobotMode::Attention, _) | (RobotMode::Draining, None) => self.rest().await,
                (RobotMode::Active | RobotMode::Draining, Some(experiment)) => {
                    self.work(experiment.experiment.id).await?
                }
                (RobotMode::Active, None) => match self.store.peek(&self.lease).await? {
                    Some(next) => self.begin(next).await?,
                    None => self.rest().await,
                },
            }
        }
        self.make_safe().await
    }

    async fn reload(&mut self) -> Result<(), LaneError> {
        self.robot = self.store.robot(self.lease.robot_id).await?.ok_or(StoreError::NotFound("robot"))?;
        self.tool = self.robot.tool.clone();
        Ok(())
    }

    /// Until somebody in this process commits something, or the time comes to look for what others did.
    async fn rest(&mut self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(self.poll) => {}
            signal = self.signals.recv() => if signal.is_err() { self.signals = self.store.signals() },
        }
        while self.signals.try_recv().is_ok() {}
    }

    /// Whether a person holds the robot.
    fn is_held(&self) -> bool {
        self.robot.mode.is_held()
    }

    async fn journal(&self, id: ExperimentId) -> Result<Vec<JournalledOperation>, LaneError> {
        Ok(mixture::journal(&self.store, id).await?)
    }
}
