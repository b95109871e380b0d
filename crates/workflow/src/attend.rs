//! What the lab's operator does: hold and release robots, put new plates, tips and dye on a deck.
//!
//! An act on the deck is a confirmed step: the robot must stand still with empty hands, and who did it is recorded. That it
//! does and what the act changes are one transaction under the robot's row, which each intent of the journal passes too.

use crate::{
    Lab,
    forecast::{self, Demand, Supply},
};
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use domain::{
    Attendance, Change, Deck, DeckCondition, Fault, FaultCode, PlateId, RobotCommand, RobotId, RobotMode, Role, Slot,
    Tool, Volume, WellName, text,
};
use hardware::{AddressError, Attendant, Connect, Network, RobotError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::{collections::HashMap, net::IpAddr};
use store::{NewActivity, Robot, StoreError, User};

/// What was done at a deck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeckAct {
    #[serde(deserialize_with = "alone")]
    NewPlate,
    NewTips {
        slot: Slot,
    },
    Refill {
        vial: WellName,
        #[serde(default)]
        volume: Option<Volume>,
        #[serde(default)]
        batch: Option<String>,
    },
    #[serde(deserialize_with = "alone")]
    EmptyWaste,
    #[serde(deserialize_with = "alone")]
    SensorCleaned,
    #[serde(deserialize_with = "alone")]
    SensorCharged,
    /// Whatever hung on the nozzle was taken off by hand.
    #[serde(deserialize_with = "alone")]
    NozzleCleared,
    /// Somebody has looked what hangs on the nozzle. It answers the question.
    NozzleHolds {
        holds: NozzleContent,
    },
}

/// What somebody sees on a nozzle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NozzleContent {
    Nothing,
    EmptyTip,
    TipWithLiquid,
    Sensor,
}

/// For an act that is said with nothing more: serde would pass over whatever else is said.
fn alone<'de, D: Deserializer<'de>>(rest: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(rest).map(|Nothing {}| ())
}

#[derive(Debug, thiserror::Error)]
pub enum AttendError {
    #[error("{0} isn't on this deck")]
    NotOnDeck(String),
    #[error("{seen} isn't what can hang there: take it off by hand, then confirm that the nozzle is cleared")]
    Unexpected { seen: &'static str },
    #[error("{what}: {why}")]
    Invalid { what: &'static str, why: String },
    #[error("{0}")]
    Robot(#[from] RobotError),
    #[error("{0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The robots that a command to the whole lab didn't reach. All others were told.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be told: {}", self.names(), self.reasons())]
pub struct NotTold(pub Vec<(String, StoreError)>);

impl NotTold {
    /// Like "bench-1 and bench-3".
    pub fn names(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" and ")
    }

    fn reasons(&self) -> String {
        self.0.iter().map(|(_, error)| error.to_string()).collect::<Vec<_>>().join("; ")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CommandLabError {
    #[error(transparent)]
    NotTold(#[from] NotTold),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lab {
    /// Tells one robot. The worker obeys after the operation in flight. Gives what the robot is told now: a pause leaves a
    /// stopped robot stopped.
    ///
    /// # Errors
    /// `Held` for a drain of a robot that is held.
    #[boxed]
    pub async fn command_robot(
        &self,
        by: &User,
        robot: RobotId,
        command: RobotCommand,
        ip: Option<IpAddr>,
    ) -> Result<RobotMode, StoreError> {
        let activity = activity(by, command.activity(), json!({ "robot_id": robot }), ip);
        let mode = self.store().command(robot, command, &by.email, activity).await?;
        tracing::info!(%robot, ?command, by = %by.id, %mode, "a robot was told");
        Ok(mode)
    }

    /// Tells every robot of the lab, all at once and whatever the first of them answers. A drain passes over robots that
    /// are held.
    ///
    /// # Errors
    /// `NotTold` names those that couldn't be told.
    #[boxed]
    pub async fn command_lab(
        &self,
        by: &User,
        command: RobotCommand,
        ip: Option<IpAddr>,
    ) -> Result<(), CommandLabError> {
        let robots = self.store().robots().await?;
        let mut telling = Vec::with_capacity(robots.len());
        for robot in robots {
            let (lab, by) = (self.clone(), by.clone());
            let told = tokio::spawn(async move { lab.command_robot(&by, robot.id, command, ip).await });
            telling.push((robot.name, told));
        }
        let mut not_told = Vec::new();
        for (name, told) in telling {
            match told.await {
                Ok(Ok(_) | Err(StoreError::Held)) => {}
                Ok(Err(error)) => not_told.push((name, error)),
                Err(error) => not_told.push((name, StoreError::Database(error.to_string()))),
            }
        }
        if not_told.is_empty() { Ok(()) } else { Err(NotTold(not_told).into()) }
    }

    /// Records what was done at a deck; at a virtual one it also does it. What answers the robot's question clears it.
    ///
    /// # Errors
    /// `AtWork` and `PlateInUse` of the store, where the robot doesn't stand still for it; nothing was recorded then.
    #[boxed]
    pub async fn act_on_deck(
        &self,
        by: &User,
        robot: RobotId,
        act: DeckAct,
        ip: Option<IpAddr>,
    ) -> Result<(), AttendError> {
        let robot = self.store().robot(robot).await?.ok_or(StoreError::NotFound("robot"))?;
        let mut changes = changes(&robot, &act)?;
        let condition = condition(&act);
        let activity = activity(by, "deck_attended", json!({ "robot_id": robot.id, "act": act }), ip);
        let is_only_seen = matches!(act, DeckAct::NozzleHolds { .. });
        if robot.attendance == Attendance::Virtual && !is_only_seen {
            self.attend_virtually(by, &robot, condition, &changes, ip).await?;
        }
        if robot.attention.as_ref().is_some_and(|question| answers(&act, question.code)) {
            changes.push(Change::Answered);
        }
        Ok(self.store().attend(&robot, &changes, condition, activity).await?)
    }

    /// The hands of the virtual lab. A plate is lifted on record before it is replaced in fact: whoever dies in between
    /// leaves no old plate in the place of a new one.
    async fn attend_virtually(
        &self,
        by: &User,
        robot: &Robot,
        condition: DeckCondition,
        changes: &[Change],
        ip: Option<IpAddr>,
    ) -> Result<(), AttendError> {
        if !robot.lets_hands(condition) {
            return Err(StoreError::AtWork.into());
        }
        if condition == DeckCondition::PlateFree {
            let lifted = activity(by, "plate_lifted", json!({ "robot_id": robot.id }), ip);
            self.store().attend(robot, &[Change::PlateLifted], condition, lifted).await?;
        }
        let attendant = Network::default().attendant(&robot.url)?;
        for change in changes {
            do_virtually(&*attendant, &robot.deck, change).await?;
        }
        Ok(())
    }

    /// What is on a robot's deck and when it runs out, for the queue as it stands.
    ///
    /// # Errors
    /// `NotFound` where there is no such robot; otherwise those of any read: see [`StoreError`].
    #[boxed]
    pub async fn supplies(&self, robot: &Robot) -> Result<Vec<Supply>, StoreError> {
        self.supplies_of(std::slice::from_ref(robot)).await?.remove(&robot.id).ok_or(StoreError::NotFound("robot"))
    }

    /// The same of several robots, in as many questions as of one.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn supplies_of(&self, robots: &[Robot]) -> Result<HashMap<RobotId, Vec<Supply>>, StoreError> {
        let ids: Vec<_> = robots.iter().map(|robot| robot.id).collect();
        let inventories = self.store().inventories(&ids).await?;
        let mut demands = self.store().demands(&ids).await?;
        let pace = self.pace().await?;
        let now = Utc::now();
        let each = robots.iter().filter_map(|robot| {
            let queue: Vec<_> = demands.remove(&robot.id).unwrap_or_default().into_iter().map(Demand::from).collect();
            let inventory = inventories.get(&robot.id)?;
            Some((robot.id, forecast::forecast(&robot.deck, inventory, &queue, now, pace)))
        });
        Ok(each.collect())
    }
}

/// What an act needs of the robot.
const fn condition(act: &DeckAct) -> DeckCondition {
    match act {
        DeckAct::NewPlate => DeckCondition::PlateFree,
        DeckAct::NozzleCleared | DeckAct::NozzleHolds { .. } => DeckCondition::Still,
        _ => DeckCondition::HandsFree,
    }
}

/// Whether this act is what a question with this code asks for, so that recording it answers the question.
pub const fn answers(act: &DeckAct, question: FaultCode) -> bool {
    matches!(
        (act, question),
        (DeckAct::NewPlate, FaultCode::PlateFull | FaultCode::PlateUsed | FaultCode::PlateDoubtful)
            | (DeckAct::NewTips { .. }, FaultCode::TipsShort)
            | (DeckAct::Refill { .. }, FaultCode::DyeShort)
            | (DeckAct::EmptyWaste, FaultCode::WasteFull)
            | (DeckAct::SensorCleaned | DeckAct::SensorCharged, FaultCode::SensorDark | FaultCode::SensorSaturated)
            | (DeckAct::NozzleHolds { .. } | DeckAct::NozzleCleared, FaultCode::CommandInDoubt)
    )
}

/// Whether a robot waits for a person: it was stopped, or asks.
pub const fn is_in_need(robot: &Robot) -> bool {
    matches!(robot.mode, RobotMode::Stopped) || robot.attention.is_some()
}

/// The stop that a robot is under, as its reader meets it.
pub fn emergency(robot: &Robot, reader: Role) -> Option<Fault> {
    (robot.mode == RobotMode::Stopped).then(|| stopped(robot.mode_by.as_deref(), reader))
}

/// A stop. Who it was is told to those who run the lab.
pub(crate) fn stopped(by: Option<&str>, reader: Role) -> Fault {
    let who = by.filter(|_| reader.runs_the_lab()).unwrap_or("Somebody");
    Fault {
        code: FaultCode::EmergencyStop,
        what: "The robot was stopped.".to_owned(),
        cause: format!("{who} pressed the emergency stop."),
        done: "Nothing more is sent. The command that was being carried out ends by itself.".to_owned(),
        next: "Look at the robot. When it is safe, resume it: it puts down what it holds and goes on.".to_owned(),
    }
}

/// What hangs on the nozzle after somebody looked. What the journal can't explain is taken off by hand.
fn seen(tool: &Tool, holds: NozzleContent) -> Result<Tool, AttendError> {
    match (holds, tool) {
        (NozzleContent::Nothing, _) => Ok(Tool::Nothing),
        (NozzleContent::EmptyTip, tool @ Tool::Tip { .. }) => Ok(tip_seen(tool, Some(Volume::ZERO))),
        (NozzleContent::TipWithLiquid, tool @ Tool::Tip { .. }) => Ok(tip_seen(tool, None)),
        (NozzleContent::Sensor, Tool::Sensor { mount, .. }) => Ok(Tool::Sensor { mount: *mount, certain: true }),
        (NozzleContent::EmptyTip | NozzleContent::TipWithLiquid, _) => Err(AttendError::Unexpected { seen: "a tip" }),
        (NozzleContent::Sensor, _) => Err(AttendError::Unexpected { seen: "the sensor" }),
    }
}

/// The tip that somebody saw, with what it holds if that is known.
fn tip_seen(tool: &Tool, holds: Option<Volume>) -> Tool {
    let mut tool = tool.clone();
    if let Tool::Tip { liquid, certain, .. } = &mut tool {
        *certain = true;
        *liquid = holds.unwrap_or(*liquid);
    }
    tool
}

/// What an act changes in the inventory; nothing for one that is only recorded.
fn changes(robot: &Robot, act: &DeckAct) -> Result<Vec<Change>, AttendError> {
    let deck = &robot.deck;
    let change = match act {
        DeckAct::NewPlate => Change::PlateReplaced { plate: PlateId::new() },
        DeckAct::NewTips { slot } if deck.pipettes.iter().any(|pipette| pipette.tip_slot == *slot) => {
            Change::TipsReplaced { slot: *slot }
        }
        DeckAct::NewTips { slot } => return Err(AttendError::NotOnDeck(format!("a tip rack in slot {}", slot.0))),
        DeckAct::Refill { vial: at, volume, batch } => {
            let vial = deck.dyes.iter().find(|vial| vial.vial == *at);
            let vial = vial.ok_or_else(|| AttendError::NotOnDeck(format!("a dye vial at {at}")))?;
            let volume = volume.unwrap_or(vial.volume);
            if volume > vial.volume {
                let why = format!("the vial at {at} holds at most {} mL", vial.volume.ul() / 1_000.0);
                return Err(AttendError::Invalid { what: "volume", why });
            }
            let batch = batch.as_deref().map(str::trim).filter(|batch| !batch.is_empty());
            text::line(batch.unwrap_or_default(), text::LONGEST_BATCH)
                .map_err(|error| AttendError::Invalid { what: "batch", why: error.to_string() })?;
            Change::VialRefilled { vial: *at, volume, batch: batch.map(str::to_owned) }
        }
        DeckAct::EmptyWaste => Change::WasteEmptied,
        DeckAct::NozzleCleared => return Ok(nozzle(robot, Tool::Nothing)),
        DeckAct::NozzleHolds { holds } => return Ok(nozzle(robot, seen(&robot.tool, *holds)?)),
        DeckAct::SensorCleaned | DeckAct::SensorCharged => return Ok(Vec::new()),
    };
    Ok(vec![change])
}

/// What hangs there now. A tip that hung there and doesn't any more isn't back in its rack.
fn nozzle(robot: &Robot, now: Tool) -> Vec<Change> {
    let mut changes = Vec::new();
    if let (Tool::Tip { mount, tip, .. }, Tool::Nothing) = (&robot.tool, &now) {
        let lost = |pipette: &domain::Pipette| Change::TipLost { slot: pipette.tip_slot, tip: *tip };
        changes.extend(robot.deck.pipette(*mount).map(lost));
    }
    changes.push(Change::Tool(now));
    changes
}

/// Does at a virtual deck what a change says of it; what isn't the deck's is left alone.
pub(crate) async fn do_virtually(attendant: &dyn Attendant, deck: &Deck, change: &Change) -> Result<(), RobotError> {
    match change {
        Change::PlateReplaced { .. } => attendant.new_plate(deck.plate_slot).await,
        Change::TipsReplaced { slot } => attendant.new_tips(*slot).await,
        Change::VialRefilled { vial: at, volume, .. } => match deck.dyes.iter().find(|vial| vial.vial == *at) {
            Some(vial) => attendant.refill(*at, &vial.name, *volume).await,
            None => Ok(()),
        },
        Change::WasteEmptied => attendant.empty_waste(deck.waste).await,
        Change::Tool(Tool::Nothing) => attendant.clear_nozzles().await,
        _ => Ok(()),
    }
}

fn activity(by: &User, action: &'static str, details: Value, ip_address: Option<IpAddr>) -> NewActivity {
    NewActivity { user_id: Some(by.id), action, details, ip_address }
}
