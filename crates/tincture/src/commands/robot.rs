//! `tincture robot`: which robots there are. What they are told is in `steer`.

use super::{
    preflight::{self, DeckIs},
    steer,
};
use crate::{cli::Robot, database, machines, settings::Settings};
use anyhow::{Context, bail};
use domain::{Attendance, Deck, text};
use hardware::{Connect, Network};
use std::io::{self, Write};
use store::{NewRobot, Store};
use workflow::RobotCommand;

pub async fn run(settings: &Settings, command: &Robot) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let done = carry_out(settings, &store, command).await;
    // Which tells the processes that serve and drive.
    store.close().await?;
    done
}

async fn carry_out(settings: &Settings, store: &Store, command: &Robot) -> anyhow::Result<()> {
    match command {
        Robot::Add {
            name,
            kind,
            url,
            sensor,
            is_virtual,
            with_p20,
            left,
            right,
            blank_check,
            doubt_delta_e,
            reads,
        } => {
            text::name(name, text::LONGEST_ROBOT_NAME).with_context(|| format!("'{name}' can't be a robot's name"))?;
            check_scheme(url, "http://", "--url")?;
            // Never with the address itself, in which somebody may have put a password.
            Network::default().sensor(sensor).context("--sensor can't be used")?;
            check_one_robot(store, name, url).await?;
            let attendance = if *is_virtual { Attendance::Virtual } else { Attendance::Operator };
            let deck = match (left, right) {
                _ if *with_p20 => Deck::with_p20(),
                (None, None) => Deck::default(),
                (left, right) => Deck::with_pipettes(*left, *right),
            };
            let deck = Deck { blank_check: *blank_check, doubt_delta_e: *doubt_delta_e, reads: *reads, ..deck };
            let (name, url, sensor_url) = (name.clone(), url.clone(), sensor.clone());
            let robot = store.ensure_robot(NewRobot { name, kind: *kind, url, sensor_url, attendance, deck }).await?;
            Ok(writeln!(
                io::stdout(),
                "{} is added: drive it with `tincture worker --robot {}`",
                robot.name,
                robot.name
            )?)
        }
        Robot::List => list(store).await,
        Robot::Show { name } => steer::show(store, name).await,
        Robot::Check { name, load_deck } => {
            let deck = if *load_deck { DeckIs::Loaded } else { DeckIs::LeftAlone };
            preflight::check(settings, store, name, deck).await
        }
        Robot::Pause(which) => steer::command(store, which, RobotCommand::Pause).await,
        Robot::Resume(which) => steer::command(store, which, RobotCommand::Resume).await,
        Robot::Drain(which) => steer::command(store, which, RobotCommand::Drain).await,
        Robot::Stop(which) => steer::command(store, which, RobotCommand::Stop).await,
        Robot::Act { name, act, by } => steer::act(store, name, act, by).await,
    }
}

fn check_scheme(url: &str, scheme: &str, flag: &str) -> anyhow::Result<()> {
    if url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()) {
        return Ok(());
    }
    bail!("{flag} is '{url}', it must start with {scheme}")
}

/// One machine is one robot: under two names two workers would drive it at once, each sure to be alone.
async fn check_one_robot(store: &Store, name: &str, url: &str) -> anyhow::Result<()> {
    let robots = store.robots().await?;
    let others = || robots.iter().filter(|robot| robot.name != name);
    let advice = |other: &str| {
        format!("one machine is one robot: drive it as {other}, or give this name another machine's address")
    };
    if let Some(other) = others().find(|robot| machines::is_same_address(&robot.url, url)) {
        bail!("{url} is the address of {} already, and {}", other.name, advice(&other.name));
    }
    let Some(there) = machines::who_is_at(url).await else { return Ok(()) };
    if let Some(other) = others().find(|robot| robot.identity.as_deref() == Some(&there)) {
        bail!("the machine at {url} ({there}) is {} already, and {}", other.name, advice(&other.name));
    }
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for robot in store.robots().await? {
        writeln!(out, "{:<20} {:<32} {:<10} {}", robot.name, robot.url, mode(&robot), steer::driver(&robot))?;
    }
    Ok(())
}

fn mode(robot: &store::Robot) -> &'static str {
    if robot.mode != domain::RobotMode::Stopped && robot.attention.is_some() {
        "attention"
    } else {
        robot.mode.as_str()
    }
}
