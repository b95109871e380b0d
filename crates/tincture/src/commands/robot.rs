//! `tincture robot`: which robots there are. What they are told is in `steer`.

use super::{
    preflight::{self, DeckIs},
    setup::{self, Added},
    steer,
};
use crate::{cli::Robot, database, settings::Settings};
use domain::{Attendance, RobotSetup};
use std::{
    io::{self, Write},
    sync::Arc,
};
use store::Store;
use workflow::{Lab, Losses, RobotCommand};

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
            by,
        } => {
            let added = Added {
                with_p20: *with_p20,
                left: *left,
                right: *right,
                blank_check: *blank_check,
                doubt_delta_e: *doubt_delta_e,
                reads: *reads,
            };
            let attendance = if *is_virtual { Attendance::Virtual } else { Attendance::Operator };
            let (name, url, sensor) = (name.clone(), url.clone(), sensor.clone());
            let setup = RobotSetup { name, kind: *kind, attendance, url, sensor, deck: None };
            setup::add(&lab(settings, store), store, setup, added, by).await
        }
        Robot::Edit { name, edit, by } => setup::edit(&lab(settings, store), store, name, edit, by).await,
        Robot::Rename { name, to, by } => setup::rename(&lab(settings, store), store, name, to, by).await,
        Robot::Remove { name, yes, by } => setup::remove(&lab(settings, store), store, name, *yes, by).await,
        Robot::Apply { file, dry_run, replace, robot, by } => {
            let losses = if *replace { Losses::Allowed } else { Losses::Refused };
            let how = setup::How { robot: robot.as_deref(), losses, only_shown: *dry_run };
            setup::apply(&lab(settings, store), store, file, how, by).await
        }
        Robot::Export { name, json } => setup::export(store, name, *json).await,
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

fn lab(settings: &Settings, store: &Store) -> Lab {
    Lab::new(store.clone()).reaching(Arc::new(settings.network()))
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
