//! `tincture emulator`: a virtual OT-2 and colour sensor, for any program that speaks their protocols.

use crate::{banner::reachable, cli, settings::Settings, shutdown, virtual_lab};
use anyhow::{Context, anyhow};
use domain::PipetteModel;
use emulator::{Config, Scenario};
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

/// A real robot's, where nothing else is said.
const REAL_SPEED: f64 = 1.0;

pub async fn run(settings: &Settings, flags: &cli::Emulator) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let script = flags.script.as_deref().map(|serial| settings.script_on(serial)).transpose()?;
    let on_broker: String = [
        settings.sensor_mqtt.as_ref().map(|url| format!("  Sensor        {url}\n")),
        script.as_ref().map(|on| format!("  Script        {}/{}\n", on.target.broker, on.target.device)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let config = Config {
        listen: settings.robot_listen,
        sensor_listen: settings.sensor_listen,
        sensor_on: settings.sensor_on()?,
        script_on: script,
        speed: settings.speed.unwrap_or(REAL_SPEED),
        seed: settings.seed,
        state_dir: flags.state_dir.clone(),
        boot: Duration::from_secs_f64(flags.boot),
        left_pipette: Some(if flags.with_p20 { PipetteModel::P20SingleGen2 } else { mounted(flags.left) }),
        right_pipette: Some(mounted(flags.right)),
        opentrons: flags.opentrons.clone(),
        scenario: flags.scenario.as_deref().map(scenario).transpose()?,
        ..Config::default()
    };
    let emulator = virtual_lab::start(config, "--listen").await?;
    announce(emulator.robot_addr(), emulator.sensor_addr(), &on_broker);
    shutdown.cancelled().await;
    emulator.shutdown().await;
    Ok(())
}

fn scenario(file: &Path) -> anyhow::Result<Scenario> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    Scenario::read(&text).map_err(|wrong| anyhow!("{} is no scenario: {wrong}. See docs/emulator.md.", file.display()))
}

fn mounted(asked: Option<PipetteModel>) -> PipetteModel {
    asked.unwrap_or(PipetteModel::P300SingleGen2)
}

fn announce(robot: SocketAddr, sensor: SocketAddr, on_broker: &str) {
    let (robot, sensor) = (reachable(robot), reachable(sensor));
    let mut out = io::stdout().lock();
    let _ = write!(
        out,
        "\n  Virtual OT-2  http://{robot}\n  Sensor        tcp://{sensor}\n{on_broker}  Ledger        http://{robot}/emulator/ledger\n\n"
    )
    .and_then(|()| out.flush());
}
