//! People at the robots: they press Stop and Pause, look whether a robot stands still, put their hands to its deck, say
//! so, and let it go on. What they were shown, and when, is kept: it is a promise that [`crate::verdict`] holds the
//! ledger and the journal against.
//!
//! What concerns one robot happens one after the other, so that what somebody saw is known to be from before or after
//! a resume.

use crate::{
    api::{Account, Session},
    database::Database,
    hands::Hands,
    lab::Bench,
    timeline::Timeline,
};
use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use domain::{Deck, ExperimentId};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// How often somebody looks.
const GLANCE: Duration = Duration::from_millis(40);
/// Nothing that is looked for takes longer unless something is broken.
const LIMIT: Duration = Duration::from_secs(120);

/// Why nothing may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A Stop was answered with 200.
    Stopped,
    /// The robot was seen to wait for an answer.
    Asked,
    /// It was seen to stand still.
    Still,
}

/// From when to when a robot had promised not to move.
#[derive(Clone, Debug)]
pub struct Hold {
    pub robot: String,
    pub why: Why,
    /// From here on nothing may be intended.
    pub since: DateTime<Utc>,
    /// From here on nothing may move: the journal had no open operation any more. Never reached: nothing.
    pub quiet_since: Option<DateTime<Utc>>,
    /// Just before somebody let it go on.
    pub until: Option<DateTime<Utc>>,
}

/// What a robot's page shows.
#[derive(Clone, Debug)]
pub struct Seen {
    pub mode: String,
    /// The code of what it asks about.
    pub asks: Option<String>,
    pub stands_still: bool,
    /// `nothing`, `tip` or `sensor`, as it believes.
    pub holds: String,
    /// An experiment is in hand.
    pub busy: bool,
    pub plate: Option<String>,
    pub whole: Value,
}

impl Seen {
    fn read(whole: Value) -> Self {
        let text = |path: &str| whole.pointer(path).and_then(Value::as_str).map(str::to_owned);
        Self {
            mode: text("/mode").unwrap_or_default(),
            asks: text("/attention/code"),
            stands_still: whole.get("stands_still") == Some(&Value::Bool(true)),
            holds: text("/holds").unwrap_or_default(),
            busy: whole.get("experiment_id").is_some_and(Value::is_string),
            plate: text("/inventory/plate_id"),
            whole,
        }
    }

    /// Whether it was stopped; before there was a mode of that name, a stopped robot was in `attention`.
    pub fn is_stopped(&self) -> bool {
        self.mode == "stopped" || (self.mode == "attention" && self.asks.as_deref() == Some("emergency-stop"))
    }

    /// Whether it waits for somebody's answer. What passes by itself is a complaint and no question.
    pub fn asks(&self) -> bool {
        let passes = |code: &String| ["robot-unreachable", "robot-booting", "robot-busy"].contains(&code.as_str());
        let asks = self.asks.as_ref().is_some_and(|code| self.mode == "attention" || !passes(code));
        asks && !self.is_stopped()
    }
}

/// Those who run the lab.
#[derive(Debug)]
pub struct People {
    session: Session,
    robots: Vec<Robot>,
    holds: Mutex<Vec<Hold>>,
    timeline: Timeline,
}

#[derive(Debug)]
struct Robot {
    bench: Arc<Bench>,
    turn: tokio::sync::Mutex<Turn>,
}

/// What those at one robot have agreed on.
#[derive(Debug, Default)]
struct Turn {
    /// People who hold it on purpose and will let it go on: nobody else does.
    held_by: usize,
}

impl People {
    pub async fn sign_in(
        server: SocketAddr,
        account: &Account,
        benches: &[Arc<Bench>],
        timeline: Timeline,
    ) -> Result<Self> {
        let session = Session::sign_in(server, account).await?;
        let robots = benches.iter().map(|bench| Robot { bench: Arc::clone(bench), turn: Default::default() }).collect();
        Ok(Self { session, robots, holds: Mutex::default(), timeline })
    }

    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Everything that was promised so far.
    pub fn holds(&self) -> Vec<Hold> {
        self.locked().clone()
    }

    pub fn hands(&self, robot: usize) -> Result<Hands> {
        self.robot(robot)?.bench.hands()
    }

    /// Looks at a robot's page.
    pub async fn look(&self, robot: usize, database: &Database) -> Result<Seen> {
        let _turn = self.robot(robot)?.turn.lock().await;
        self.glance(robot, database).await
    }

    /// Looks until `reached` says so.
    ///
    /// # Errors
    /// It isn't reached in two minutes.
    pub async fn until(
        &self,
        robot: usize,
        database: &Database,
        what: &str,
        reached: impl Fn(&Seen) -> bool,
    ) -> Result<Seen> {
        let until = Instant::now() + LIMIT;
        loop {
            let seen = self.look(robot, database).await;
            match seen {
                Ok(seen) if reached(&seen) => return Ok(seen),
                seen if Instant::now() > until => {
                    bail!("{} isn't {what} after {LIMIT:?}: {seen:?}", self.name(robot)?)
                }
                _ => sleep(GLANCE).await,
            }
        }
    }

    /// Emergency stop. Whether it was heard.
    pub async fn stop(&self, robot: usize) -> Result<bool> {
        let _turn = self.robot(robot)?.turn.lock().await;
        let heard = self.tell(robot, "stop").await?;
        if heard {
            self.promise(robot, Why::Stopped, None)?;
        }
        Ok(heard)
    }

    /// Stops every robot of the lab at once.
    pub async fn stop_lab(&self) -> Result<()> {
        let mut turns = Vec::new();
        for robot in &self.robots {
            turns.push(robot.turn.lock().await);
        }
        let (status, answer) = self.session.tell("lab/stop", &Value::Null).await?;
        if !status.is_success() {
            bail!("the lab can't be stopped: {status} {answer}");
        }
        self.timeline.note("the lab is stopped");
        (0..self.robots.len()).try_for_each(|robot| self.promise(robot, Why::Stopped, None))
    }

    pub async fn pause(&self, robot: usize) -> Result<bool> {
        let _turn = self.robot(robot)?.turn.lock().await;
        self.tell(robot, "pause").await
    }

    /// Lets it finish what it has. Only where nobody was promised stillness, since it may move.
    pub async fn drain(&self, robot: usize) -> Result<bool> {
        let _turn = self.robot(robot)?.turn.lock().await;
        if self.is_promised(robot)? {
            return Ok(false);
        }
        self.tell(robot, "drain").await
    }

    pub async fn resume(&self, robot: usize) -> Result<bool> {
        let _turn = self.robot(robot)?.turn.lock().await;
        self.let_go(robot, &[Why::Stopped, Why::Asked, Why::Still])?;
        self.tell(robot, "resume").await
    }

    /// Confirms what was done at a deck, and gives the answer.
    pub async fn confirm(&self, robot: usize, act: &Value) -> Result<(StatusCode, Value)> {
        let _turn = self.robot(robot)?.turn.lock().await;
        self.confirm_in_turn(robot, act).await
    }

    /// Presses a button for a while. Others at this robot wait for whoever did it.
    pub async fn hold_for(&self, robot: usize, button: Button, time: Duration, database: &Database) -> Result<()> {
        self.robot(robot)?.turn.lock().await.held_by += 1;
        let held = self.hold(robot, button, time, database).await;
        let mut turn = self.robot(robot)?.turn.lock().await;
        turn.held_by = turn.held_by.saturating_sub(1);
        let last = turn.held_by == 0;
        drop(turn);
        if last {
            self.resume_stubbornly(robot).await?;
        }
        held
    }

    async fn hold(&self, robot: usize, button: Button, time: Duration, database: &Database) -> Result<()> {
        let heard = match button {
            Button::Stop => self.stop(robot).await,
            Button::Pause | Button::PauseForPlate => self.pause_unless_promised(robot).await,
            Button::Drain => self.drain(robot).await,
        };
        if matches!(heard, Ok(true)) {
            self.timeline.fault(format!("{}: {button:?} for {time:?}", self.name(robot)?));
        }
        let until = Instant::now() + time;
        while Instant::now() < until {
            let seen = self.look(robot, database).await;
            if button == Button::PauseForPlate && matches!(&seen, Ok(seen) if seen.stands_still) {
                return self.renew_plate(robot, database).await;
            }
            sleep(GLANCE).await;
        }
        Ok(())
    }

    /// After a Stop nobody presses Pause: that would let it put things down.
    async fn pause_unless_promised(&self, robot: usize) -> Result<bool> {
        let _turn = self.robot(robot)?.turn.lock().await;
        if self.is_promised(robot)? {
            return Ok(false);
        }
        self.tell(robot, "pause").await
    }

    /// Puts a clean plate on a deck that stands still and says so, unless somebody's wells are on the old one.
    pub async fn renew_plate(&self, robot: usize, database: &Database) -> Result<()> {
        let _turn = self.robot(robot)?.turn.lock().await;
        let seen = self.glance(robot, database).await?;
        if seen.stands_still && seen.holds == "nothing" && !seen.busy {
            return self.put_plate(robot).await;
        }
        self.timeline.note(format!(
            "{}: no hands to the deck: still {}, holds {}, busy {}",
            self.name(robot)?,
            seen.stands_still,
            seen.holds,
            seen.busy
        ));
        Ok(())
    }

    async fn put_plate(&self, robot: usize) -> Result<()> {
        let bench = &self.robot(robot)?.bench;
        if bench.attendance == domain::Attendance::Operator {
            bench.hands()?.put_plate().await?;
        }
        self.confirm_until_heard(robot, &json!({ "act": "new_plate" })).await
    }

    /// Somebody stands by and answers whatever the robot asks, until told to stop.
    pub async fn stand_by(self: Arc<Self>, robot: usize, database: Arc<Database>, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            // Server or database may be away; then there is nothing to see.
            if let Err(error) = self.answer(robot, &database).await {
                self.timeline.note(format!("robot {robot}: somebody couldn't help: {error:#}"));
            }
            sleep(GLANCE * 3).await;
        }
    }

    /// Does what the robot asks for, and lets it go on.
    pub async fn answer(&self, robot: usize, database: &Database) -> Result<()> {
        let turn = self.robot(robot)?.turn.lock().await;
        let Ok(seen) = self.glance(robot, database).await else { return Ok(()) };
        let Some(code) = seen.asks.clone().filter(|_| seen.asks() && seen.stands_still && turn.held_by == 0) else {
            return Ok(());
        };
        self.timeline.note(format!("{} asks: {code}", self.name(robot)?));
        self.do_what_is_asked(robot, &code, &seen).await?;
        self.let_go(robot, &[Why::Asked, Why::Still])?;
        self.tell(robot, "resume").await.map(drop)
    }

    async fn do_what_is_asked(&self, robot: usize, code: &str, seen: &Seen) -> Result<()> {
        let hands = self.hands(robot)?;
        let deck = Deck::default();
        // More than one act: the first may be answer enough, and then the robot goes on under the hands for the others.
        if matches!(code, "dye-short" | "tips-short") && !self.tell(robot, "pause").await? {
            return Ok(());
        }
        match code {
            "plate-full" if !seen.busy => self.put_plate(robot).await?,
            "dye-short" => {
                for vial in &deck.dyes {
                    let (at, volume) = (vial.vial.to_string(), vial.volume.ul());
                    hands.fill(&at, vial.name.as_str(), volume).await?;
                    self.confirm_until_heard(robot, &json!({ "act": "refill", "vial": at })).await?;
                }
            }
            "tips-short" => {
                for slot in deck.pipettes.iter().map(|pipette| pipette.tip_slot.0) {
                    hands.put_tips(slot).await?;
                    self.confirm_until_heard(robot, &json!({ "act": "new_tips", "slot": slot })).await?;
                }
            }
            "waste-full" => {
                hands.empty_waste(&deck.waste.to_string()).await?;
                self.confirm_until_heard(robot, &json!({ "act": "empty_waste" })).await?;
            }
            // What a person sees there counts, whatever the journal believes.
            "command-in-doubt" => {
                hands.clear_nozzles().await?;
                self.confirm_until_heard(robot, &json!({ "act": "nozzle_cleared" })).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A person who has done something at the deck says so until somebody has heard it.
    async fn confirm_until_heard(&self, robot: usize, act: &Value) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            match self.confirm_in_turn(robot, act).await {
                Ok((status, _)) if status.is_success() => return Ok(()),
                Ok((status, answer)) if !status.is_server_error() => {
                    bail!("{} stood still and {act} is answered {status}: {answer}", self.name(robot)?)
                }
                _ if Instant::now() > until => bail!("{}: nobody hears of {act}", self.name(robot)?),
                _ => sleep(GLANCE * 5).await,
            }
        }
    }

    async fn confirm_in_turn(&self, robot: usize, act: &Value) -> Result<(StatusCode, Value)> {
        // The act that was asked for is the answer: what asked for it may go on at once.
        if self.is_promised_as(robot, Why::Asked)? {
            self.let_go(robot, &[Why::Asked, Why::Still])?;
        }
        self.session.tell(&format!("robots/{}/deck", self.name(robot)?), act).await
    }

    /// Everybody goes home: nothing is held any more. The server may be away for a while.
    pub async fn release_all(&self) -> Result<()> {
        for robot in 0..self.robots.len() {
            self.resume_stubbornly(robot).await?;
        }
        Ok(())
    }

    async fn resume_stubbornly(&self, robot: usize) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while !matches!(self.resume(robot).await, Ok(true)) {
            if Instant::now() > until {
                bail!("{} can't be resumed", self.name(robot)?);
            }
            sleep(GLANCE * 5).await;
        }
        Ok(())
    }

    /// Puts paused experiments back into the queue.
    pub async fn resume_experiment(&self, id: ExperimentId) -> Result<()> {
        self.session.tell(&format!("experiments/{id}/resume"), &Value::Null).await.map(drop)
    }

    async fn glance(&self, robot: usize, database: &Database) -> Result<Seen> {
        let name = self.name(robot)?;
        let seen = Seen::read(self.session.look(&format!("robots/{name}")).await?);
        if seen.asks() {
            self.promise(robot, Why::Asked, None)?;
        }
        if seen.stands_still {
            self.promise(robot, Why::Still, Some(Utc::now()))?;
        }
        let waits = self.locked().iter().any(|hold| hold.is_open(&name) && hold.quiet_since.is_none());
        if waits && database.open_operations(&name).await? == 0 {
            let now = Utc::now();
            let mut holds = self.locked();
            let open = holds.iter_mut().filter(|hold| hold.is_open(&name) && hold.quiet_since.is_none());
            open.for_each(|hold| hold.quiet_since = Some(now));
        }
        Ok(seen)
    }

    async fn tell(&self, robot: usize, command: &str) -> Result<bool> {
        let (status, _) = self.session.tell(&format!("robots/{}/{command}", self.name(robot)?), &Value::Null).await?;
        Ok(status.is_success())
    }

    fn promise(&self, robot: usize, why: Why, quiet_since: Option<DateTime<Utc>>) -> Result<()> {
        let robot = self.name(robot)?;
        let mut holds = self.locked();
        if !holds.iter().any(|hold| hold.is_open(&robot) && hold.why == why) {
            holds.push(Hold { robot, why, since: Utc::now(), quiet_since, until: None });
        }
        Ok(())
    }

    fn is_promised(&self, robot: usize) -> Result<bool> {
        let name = self.name(robot)?;
        Ok(self.locked().iter().any(|hold| hold.is_open(&name)))
    }

    fn is_promised_as(&self, robot: usize, why: Why) -> Result<bool> {
        let name = self.name(robot)?;
        Ok(self.locked().iter().any(|hold| hold.is_open(&name) && hold.why == why))
    }

    fn let_go(&self, robot: usize, reasons: &[Why]) -> Result<()> {
        let (name, now) = (self.name(robot)?, Utc::now());
        let mut holds = self.locked();
        let open = holds.iter_mut().filter(|hold| hold.is_open(&name) && reasons.contains(&hold.why));
        open.for_each(|hold| hold.until = Some(now));
        Ok(())
    }

    fn robot(&self, robot: usize) -> Result<&Robot> {
        self.robots.get(robot).context("no such robot")
    }

    fn name(&self, robot: usize) -> Result<String> {
        Ok(self.robot(robot)?.bench.name.clone())
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Hold>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    fn is_open(&self, robot: &str) -> bool {
        self.robot == robot && self.until.is_none()
    }
}

/// What somebody presses on a robot's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    Stop,
    Pause,
    /// Pause, and as soon as it stands still a new plate.
    PauseForPlate,
    Drain,
}
