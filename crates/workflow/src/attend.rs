//! What the lab's operator does: hold and release robots, put new plates, tips and dye on a deck.
//!
//! An act on the deck is a confirmed step: the robot must stand still with empty hands, and who did it is recorded.

use crate::{
    Lab,
    forecast::{self, Demand, Supply},
};
use chrono::Utc;
use domain::{Deck, Fault, FaultCode, PlateId, RobotId, Slot, Tool, Volume, WellName};
use hardware::{AddressError, Patience, RobotError, VirtualAttendant};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;
use store::{Attendance, Change, NewActivity, Robot, RobotMode, StoreError, User};

/// What a robot is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RobotCommand {
    /// Finish the operation in flight, put everything down, send nothing more.
    Pause,
    /// Go on. Also the answer to a question: "I have looked, it is safe to go on".
    Resume,
    /// Finish the experiment in hand and take nothing new.
    Drain,
    /// Emergency stop: send nothing more, not even to put things down. An OT-2 can't break off the command it is
    /// carrying out; whoever is in danger uses the robot's own button.
    Stop,
}

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
    #[error("the robot is at work: pause it first, and wait until it has put everything down")]
    AtWork,
    #[error("an experiment has its wells on this plate: wait for it, or cancel it first")]
    PlateInUse,
    #[error("{0} isn't on this deck")]
    NotOnDeck(String),
    #[error("{0}")]
    Robot(#[from] RobotError),
    #[error("{0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lab {
    /// Tells one robot. The worker obeys after the operation in flight.
    pub async fn command_robot(
        &self,
        by: &User,
        robot: RobotId,
        command: RobotCommand,
        ip: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        let (mode, action) = match command {
            RobotCommand::Pause => (RobotMode::Paused, "robot_paused"),
            RobotCommand::Resume => (RobotMode::Active, "robot_resumed"),
            RobotCommand::Drain => (RobotMode::Draining, "robot_draining"),
            RobotCommand::Stop => (RobotMode::Attention, "robot_stopped"),
        };
        let attention = (command == RobotCommand::Stop).then(|| emergency(&by.email));
        let change = Change::Mode { mode, attention };
        self.store().attend(robot, change, activity(by, action, json!({ "robot_id": robot }), ip)).await
    }

    /// Tells every robot of the lab.
    pub async fn command_lab(&self, by: &User, command: RobotCommand, ip: Option<IpAddr>) -> Result<(), StoreError> {
        for robot in self.store().robots().await? {
            self.command_robot(by, robot.id, command, ip).await?;
        }
        Ok(())
    }

    /// Records what was done at a deck; at a virtual one it also does it.
    pub async fn act_on_deck(
        &self,
        by: &User,
        robot: RobotId,
        act: DeckAct,
        ip: Option<IpAddr>,
    ) -> Result<(), AttendError> {
        let robot = self.store().robot(robot).await?.ok_or(StoreError::NotFound("robot"))?;
        self.check_still(&robot, &act).await?;
        let details = json!({ "robot_id": robot.id, "act": act });
        let Some(change) = change(&robot, &act)? else {
            self.store().log_activity(activity(by, "deck_attended", details, ip)).await?;
            return Ok(());
        };
        if robot.attendance == Attendance::Virtual {
            let attendant = VirtualAttendant::new(&robot.url, Patience::default())?;
            do_virtually(&attendant, &robot.deck, &change).await?;
        }
        Ok(self.store().attend(robot.id, change, activity(by, "deck_attended", details, ip)).await?)
    }

    async fn check_still(&self, robot: &Robot, act: &DeckAct) -> Result<(), AttendError> {
        let hands_full = robot.tool != Tool::Nothing && *act != DeckAct::NozzleCleared;
        if hands_full || !self.stands_still(robot).await? {
            return Err(AttendError::AtWork);
        }
        if *act == DeckAct::NewPlate && self.store().running_on(robot.id).await? {
            return Err(AttendError::PlateInUse);
        }
        Ok(())
    }

    /// Whether a robot is held and has no step in flight. With nothing on its nozzle too, hands may go to its deck.
    pub async fn stands_still(&self, robot: &Robot) -> Result<bool, StoreError> {
        Ok(robot.mode.is_held() && self.store().open_operations(robot.id).await?.is_empty())
    }

    /// What is on a robot's deck and when it runs out, for the queue as it stands.
    pub async fn supplies(&self, robot: &Robot) -> Result<Vec<Supply>, StoreError> {
        let inventory = self.store().inventory(robot.id).await?;
        let demand = self.store().demand(robot.id).await?;
        let queue: Vec<_> = demand.into_iter().map(|(experiment, recipes)| Demand { experiment, recipes }).collect();
        let pace = self.pace().await?;
        Ok(forecast::forecast(&robot.deck, &inventory, &queue, Utc::now(), pace))
    }
}

fn emergency(by: &str) -> Fault {
    Fault {
        code: FaultCode::EmergencyStop,
        what: "The robot was stopped.".to_owned(),
        cause: format!("{by} pressed the emergency stop."),
        done: "Nothing more is sent. The command that was being carried out ends by itself.".to_owned(),
        next: "Look at the robot. When it is safe, resume it: it puts down what it holds and goes on.".to_owned(),
    }
}

/// What an act changes in the inventory; nothing for one that is only recorded.
fn change(robot: &Robot, act: &DeckAct) -> Result<Option<Change>, AttendError> {
    let deck = &robot.deck;
    Ok(Some(match act {
        DeckAct::NewPlate => Change::PlateReplaced { plate: PlateId::new() },
        DeckAct::NewTips { slot } if deck.pipettes.iter().any(|pipette| pipette.tip_slot == *slot) => {
            Change::TipsReplaced { slot: *slot }
        }
        DeckAct::NewTips { slot } => return Err(AttendError::NotOnDeck(format!("a tip rack in slot {}", slot.0))),
        DeckAct::Refill { vial: at, volume, batch } => {
            let vial = deck.dyes.iter().find(|vial| vial.vial == *at);
            let vial = vial.ok_or_else(|| AttendError::NotOnDeck(format!("a dye vial at {at}")))?;
            let volume = volume.unwrap_or(vial.volume).min(vial.volume);
            Change::VialRefilled {
                vial: *at,
                volume,
                batch: batch.as_ref().map(|batch| batch.chars().take(80).collect()),
            }
        }
        DeckAct::EmptyWaste => Change::WasteEmptied,
        DeckAct::NozzleCleared => Change::Tool(Tool::Nothing),
        DeckAct::SensorCleaned | DeckAct::SensorCharged => return Ok(None),
    }))
}

/// Does at a virtual deck what a change says of it; what isn't the deck's is left alone.
pub(crate) async fn do_virtually(attendant: &VirtualAttendant, deck: &Deck, change: &Change) -> Result<(), RobotError> {
    match change {
        Change::PlateReplaced { .. } => attendant.new_plate(deck.plate_slot).await,
        Change::TipsReplaced { slot } => attendant.new_tips(*slot).await,
        Change::VialRefilled { vial: at, volume, .. } => match deck.dyes.iter().find(|vial| vial.vial == *at) {
            Some(vial) => attendant.refill(*at, &vial.name, *volume).await,
            None => Ok(()),
        },
        Change::WasteEmptied => attendant.empty_waste(deck.waste).await,
        _ => Ok(()),
    }
}

fn activity(by: &User, action: &'static str, details: Value, ip_address: Option<IpAddr>) -> NewActivity {
    NewActivity { user_id: Some(by.id), action, details, ip_address }
}
