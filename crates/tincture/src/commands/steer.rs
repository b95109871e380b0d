//! `tincture robot pause|resume|drain|stop|act|show`: the lab's robots, for those who run it.

use super::person;
use crate::cli::{Act, By, Seen, Which};
use anyhow::{Context, bail};
use chrono::Utc;
use domain::{Fault, Role};
use std::{
    fmt::Write as _,
    io::{self, Write as _},
};
use store::{Driver, Robot, Store};
use workflow::{DeckAct, Lab, NozzleContent, RobotCommand, Supply, emergency};

/// Tells one robot or all; the worker obeys after the step in flight.
pub async fn command(store: &Store, which: &Which, command: RobotCommand) -> anyhow::Result<()> {
    let by = person::running_the_lab(store, &which.by).await?;
    let lab = Lab::new(store.clone());
    let told = match &which.name {
        Some(name) => {
            lab.command_robot(&by, named(store, name).await?.id, command, None).await?;
            name.clone()
        }
        None => {
            lab.command_lab(&by, command, None).await?;
            "every robot".to_owned()
        }
    };
    let what = match command {
        RobotCommand::Pause => "finishes the step in flight, puts everything down and then stands still",
        RobotCommand::Resume => "goes on",
        RobotCommand::Drain => "finishes the experiment in hand and takes no other",
        RobotCommand::Stop => "is sent nothing more, not even to put things down",
    };
    Ok(writeln!(io::stdout(), "{told} {what}.")?)
}

/// Confirms what was done at a deck; at a virtual one it also does it.
pub async fn act(store: &Store, name: &str, act: &Act, by: &By) -> anyhow::Result<()> {
    let by = person::running_the_lab(store, by).await?;
    let robot = named(store, name).await?;
    Lab::new(store.clone()).act_on_deck(&by, robot.id, deck_act(act), None).await?;
    Ok(writeln!(io::stdout(), "{name}: recorded, by {}.", by.email)?)
}

fn deck_act(act: &Act) -> DeckAct {
    match act {
        Act::NewPlate => DeckAct::NewPlate,
        Act::NewTips { slot } => DeckAct::NewTips { slot: *slot },
        Act::Refill { vial, volume, batch } => DeckAct::Refill { vial: *vial, volume: *volume, batch: batch.clone() },
        Act::EmptyWaste => DeckAct::EmptyWaste,
        Act::SensorCleaned => DeckAct::SensorCleaned,
        Act::SensorCharged => DeckAct::SensorCharged,
        Act::NozzleCleared => DeckAct::NozzleCleared,
        Act::NozzleHolds { holds } => DeckAct::NozzleHolds { holds: content(*holds) },
    }
}

const fn content(seen: Seen) -> NozzleContent {
    match seen {
        Seen::Nothing => NozzleContent::Nothing,
        Seen::EmptyTip => NozzleContent::EmptyTip,
        Seen::TipWithLiquid => NozzleContent::TipWithLiquid,
        Seen::Sensor => NozzleContent::Sensor,
    }
}

/// How a robot stands and what is on its deck.
pub async fn show(store: &Store, name: &str) -> anyhow::Result<()> {
    let robot = named(store, name).await?;
    let lab = Lab::new(store.clone());
    let mut text = format!("{}  {}\n", robot.name, robot.url);
    let still = if robot.stands_still { ", stands still" } else { "" };
    writeln!(text, "  mode        {}{still}, {}", robot.mode, driver(&robot))?;
    writeln!(text, "  on nozzle   {}", robot.tool.sentence())?;
    if let Some(experiment) = store.in_hand_at(robot.id).await? {
        writeln!(text, "  in hand     {}", experiment.id)?;
    }
    for fault in emergency(&robot, Role::Operator).iter().chain(&robot.attention).chain(&robot.notice) {
        text.push_str(&in_lines(fault));
    }
    for supply in lab.supplies(&robot).await? {
        writeln!(text, "  {}", in_a_line(&supply))?;
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Who drives a robot now, or waits for it.
pub fn driver(robot: &Robot) -> String {
    match robot.driver(Utc::now()) {
        Driver::Nobody => "driven by nobody".to_owned(),
        Driver::Drives(worker) => format!("driven by {worker}"),
        Driver::Waits(worker) => format!("{worker} waits for it"),
    }
}

/// A fault as a person reads it, indented.
pub fn in_lines(fault: &Fault) -> String {
    let Fault { code, what, cause, done, next } = fault;
    format!("  {what} [{code}]\n    why         {cause}\n    was done    {done}\n    to do       {next}\n")
}

fn in_a_line(supply: &Supply) -> String {
    let Supply { name, unit, left, full, needed, runs_out } = supply;
    let lasts = match runs_out {
        Some(out) => {
            format!("runs out in {:.0} min, at place {} of the queue", out.in_seconds / 60.0, out.queue_position)
        }
        None => "lasts for the queue".to_owned(),
    };
    format!("{name:<16} {left:>8.0} of {full:.0} {unit}, {needed:.0} needed: {lasts}")
}

/// The robot of this name or id.
pub async fn named(store: &Store, name: &str) -> anyhow::Result<Robot> {
    let robots = store.robots().await?;
    if robots.is_empty() {
        bail!("there is no robot yet: add one with `tincture robot add`");
    }
    let known = robots.iter().map(|robot| robot.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = robots.into_iter().find(|robot| robot.is_called(name));
    found.with_context(|| format!("there is no robot {name}; there are {known}"))
}
