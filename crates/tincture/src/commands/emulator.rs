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
    let config = Config {
        listen: settings.robot_listen,
        sensor_listen: settings.sensor_listen,
        sensor_on: settings.sensor_on()?,
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
    announce(emulator.robot_addr(), emulator.sensor_addr(), settings.sensor_mqtt.as_deref());
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

fn announce(robot: SocketAddr, sensor: SocketAddr, on_broker: Option<&str>) {
    let (robot, sensor) = (reachable(robot), reachable(sensor));
    let on_broker = on_broker.map(|url| format!("  Sensor        {url}\n")).unwrap_or_default();
    let mut out = io::stdout().lock();
    let _ = write!(
        out,
        "\n  Virtual OT-2  http://{robot}\n  Sensor        tcp://{sensor}\n{on_broker}  Ledger        http://{robot}/emulator/ledger\n\n"
    )
    .and_then(|()| out.flush());
}
