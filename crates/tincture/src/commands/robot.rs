//! `tincture robot`: which robots there are. What they are told is in `steer`.

use super::steer;
use crate::{cli::Robot, database, settings::Settings};
use anyhow::bail;
use domain::Deck;
use std::io::{self, Write};
use store::{Attendance, NewRobot, Store};
use workflow::RobotCommand;

pub async fn run(settings: &Settings, command: &Robot) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    match command {
        Robot::Add { name, url, sensor, is_virtual, with_p20, blank_check, doubt_delta_e } => {
            check_scheme(url, "http://", "--url")?;
            check_scheme(sensor, "tcp://", "--sensor")?;
            let attendance = if *is_virtual { Attendance::Virtual } else { Attendance::Operator };
            let deck = if *with_p20 { Deck::with_p20() } else { Deck::default() };
            let deck = Deck { blank_check: *blank_check, doubt_delta_e: *doubt_delta_e, ..deck };
            let (name, url, sensor_url) = (name.clone(), url.clone(), sensor.clone());
            let robot = store.ensure_robot(NewRobot { name, url, sensor_url, attendance, deck }).await?;
            Ok(writeln!(
                io::stdout(),
                "{} is added: drive it with `tincture worker --robot {}`",
                robot.name,
                robot.name
            )?)
        }
        Robot::List => list(&store).await,
        Robot::Show { name } => steer::show(&store, name).await,
        Robot::Pause(which) => steer::command(&store, which, RobotCommand::Pause).await,
        Robot::Resume(which) => steer::command(&store, which, RobotCommand::Resume).await,
        Robot::Drain(which) => steer::command(&store, which, RobotCommand::Drain).await,
        Robot::Stop(which) => steer::command(&store, which, RobotCommand::Stop).await,
        Robot::Act { name, act, by } => steer::act(&store, name, act, by).await,
    }
}

fn check_scheme(url: &str, scheme: &str, flag: &str) -> anyhow::Result<()> {
    if url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()) {
        return Ok(());
    }
    bail!("{flag} is '{url}', it must start with {scheme}")
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for robot in store.robots().await? {
        let driver = robot.lease_holder.as_deref().unwrap_or("nobody");
        writeln!(out, "{:<20} {:<32} {:<10} driven by {driver}", robot.name, robot.url, mode(&robot))?;
    }
    Ok(())
}

fn mode(robot: &store::Robot) -> &'static str {
    match robot.mode {
        store::RobotMode::Active => "active",
        store::RobotMode::Paused => "paused",
        store::RobotMode::Draining => "draining",
        store::RobotMode::Attention => "attention",
    }
}
