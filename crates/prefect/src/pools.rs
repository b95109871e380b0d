//! A robot and its pool say the same: a pool that is paused there takes nothing new here, and the other way round.
//!
//! Both may change while we don't look. What was last the same is kept: whichever differs from it is what somebody did.

use crate::{
    api::Pool,
    desk::{ACTOR, Desk, DeskError},
    setup::{ensure_robots_pool, pool_of},
};
use chrono::Utc;
use domain::{RobotCommand, RobotMode};
use serde_json::json;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use store::{Driver, NewActivity, Robot, StoreError};

/// Nothing is stopped by a pool: what is in hand goes on in any case.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
const BETWEEN_HEARTBEATS: Duration = Duration::from_secs(10);
/// What is promised of them: Prefect calls a worker offline after three times this.
const HEARTBEAT_SECONDS: u64 = 30;

#[derive(Debug, Default)]
pub(crate) struct Pools {
    looked_at: Option<Instant>,
    beat_at: Option<Instant>,
    /// The lab's own is there and isn't paused: what was made there is taken in.
    pub takes_in: bool,
}

impl Desk {
    pub async fn tend_pools(&self, pools: &mut Pools) -> Result<(), DeskError> {
        if pools.looked_at.is_some_and(|at| at.elapsed() < BETWEEN_LOOKS) {
            return Ok(());
        }
        pools.looked_at = Some(Instant::now());
        let robots = self.store.robots().await?;
        let names = robots.iter().map(|robot| pool_of(&self.config.pool, robot));
        let names: Vec<_> = names.chain([self.config.pool.clone()]).collect();
        let mut there: HashMap<String, Pool> = HashMap::new();
        for some in names.chunks(crate::api::MOST_RUNS) {
            there.extend(self.wire.pools(some).await?.into_iter().map(|pool| (pool.name.clone(), pool)));
        }
        pools.takes_in = there.get(&self.config.pool).is_some_and(|pool| !pool.is_paused);
        let known = self.store.prefect_pools().await?;
        for robot in &robots {
            match there.get(&pool_of(&self.config.pool, robot)) {
                Some(pool) => self.reconcile(robot, pool, known.get(&robot.id).copied()).await?,
                None => ensure_robots_pool(&self.wire, &self.config.pool, robot).await?,
            }
        }
        if pools.beat_at.is_none_or(|at| at.elapsed() >= BETWEEN_HEARTBEATS) {
            pools.beat_at = Some(Instant::now());
            self.beat(&robots).await?;
        }
        Ok(())
    }

    async fn reconcile(&self, robot: &Robot, pool: &Pool, known: Option<bool>) -> Result<(), DeskError> {
        let takes_nothing = robot.mode != RobotMode::Active;
        if pool.is_paused == takes_nothing {
            if known != Some(takes_nothing) {
                self.store.keep_prefect_pool(robot.id, takes_nothing).await?;
            }
            return Ok(());
        }
        let is_theirs = known == Some(takes_nothing);
        if is_theirs && (pool.is_paused || may_be_resumed(robot)) {
            if pool.is_paused {
                self.hold(robot).await?
            } else {
                self.let_go(robot).await?
            }
            return Ok(self.store.keep_prefect_pool(robot.id, pool.is_paused).await?);
        }
        if is_theirs {
            tracing::warn!(
                robot = robot.name,
                "its pool was resumed in Prefect, but only whoever stands before it may let it go on"
            );
        }
        self.wire.pause_pool(&pool.name, takes_nothing).await?;
        Ok(self.store.keep_prefect_pool(robot.id, takes_nothing).await?)
    }

    /// As Prefect means it: what is in hand is finished. A robot that can't be told so stands still already.
    async fn hold(&self, robot: &Robot) -> Result<(), DeskError> {
        match self.command(robot, RobotCommand::Drain).await {
            Err(StoreError::Held) => Ok(self.command(robot, RobotCommand::Pause).await?),
            outcome => Ok(outcome?),
        }
    }

    async fn let_go(&self, robot: &Robot) -> Result<(), DeskError> {
        if robot.mode == RobotMode::Draining {
            // A resume doesn't end that.
            self.command(robot, RobotCommand::Pause).await?;
        }
        Ok(self.command(robot, RobotCommand::Resume).await?)
    }

    async fn command(&self, robot: &Robot, command: RobotCommand) -> Result<(), StoreError> {
        let details = json!({ "robot_id": robot.id, "by": ACTOR });
        let activity = NewActivity { user_id: None, action: command.activity(), details, ip_address: None };
        let mode = self.store.command(robot.id, command, ACTOR, activity).await?;
        tracing::info!(robot = robot.name, ?command, by = ACTOR, %mode, "a robot was told");
        Ok(())
    }

    async fn beat(&self, robots: &[Robot]) -> Result<(), DeskError> {
        let now = Utc::now();
        self.wire.heartbeat(&self.config.pool, "tincture", HEARTBEAT_SECONDS).await?;
        for robot in robots.iter().filter(|robot| robot.driver(now) != Driver::Nobody) {
            self.wire.heartbeat(&pool_of(&self.config.pool, robot), &robot.name, HEARTBEAT_SECONDS).await?;
        }
        Ok(())
    }
}

/// An emergency stop and a question are for whoever stands before the robot.
fn may_be_resumed(robot: &Robot) -> bool {
    robot.attention.is_none() && matches!(robot.mode, RobotMode::Paused | RobotMode::Draining)
}
