//! `tincture robot check`: what a robot lacks before its first experiment, line by line.

use crate::settings::Settings;
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use domain::{
    OperationId, RobotKind,
    doubt::Drift,
    reading::{Average, Reading, SensorSettings},
};
use hardware::{Connect, Finding, Network, Ot2, Patience, ReadRequest, Script, SensorError};
use serde::Deserialize;
use std::{
    io::{self, Write},
    time::Duration,
};
use store::{Driver, Robot, Store};

/// A machine in this network answers in milliseconds; whoever waits here is a person.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the robot is told what stands on its deck, too, for which it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeckIs {
    Loaded,
    LeftAlone,
}

/// Looks at everything and says it.
///
/// # Errors
/// Also when something has to be put right, so that a script notices.
pub async fn check(settings: &Settings, store: &Store, name: &str, deck: DeckIs) -> anyhow::Result<()> {
    let robots = store.robots().await?;
    let robot = robots.into_iter().find(|robot| robot.is_called(name));
    let robot = robot.with_context(|| format!("there is no robot {name}: `tincture robot list` names all"))?;
    if let (DeckIs::Loaded, Driver::Drives(worker)) = (deck, robot.driver(Utc::now())) {
        bail!("{worker} drives {name}: stop that worker before the deck is loaded, or check without --load-deck");
    }
    let mut findings = match robot.kind {
        RobotKind::Ot2 => machine(&robot, deck).await?,
        RobotKind::Script => vec![script(settings, &robot).await?],
    };
    findings.extend(sensor(&settings.network(), &robot).await);
    findings.push(white(&robot));
    tell(name, &findings)
}

async fn machine(robot: &Robot, deck: DeckIs) -> anyhow::Result<Vec<Finding>> {
    let patience = Patience { connect: PATIENCE, answer: PATIENCE, ..Patience::default() };
    let machine = Ot2::new(&robot.url, patience)?;
    let mut findings = machine.preflight(&robot.deck).await;
    if deck == DeckIs::Loaded && findings.iter().all(Finding::is_fine) {
        findings.push(machine.preflight_deck(&robot.deck).await);
    }
    Ok(findings)
}

/// A script answers nothing but what moves the robot.
async fn script(settings: &Settings, robot: &Robot) -> anyhow::Result<Finding> {
    const WHAT: &str = "script";
    let patience = Patience { connect: PATIENCE, ..Patience::default() };
    let script = Script::new(&robot.url, &settings.brokers(), patience)?;
    Ok(match script.reach().await {
        Ok(()) => Finding::fine(WHAT, "its broker lets us hear it; whether it runs shows at its first mixture"),
        Err(trouble) => Finding::lacks(WHAT, trouble.what, trouble.remedy),
    })
}

fn tell(name: &str, findings: &[Finding]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for finding in findings {
        match &finding.found {
            Ok(found) => writeln!(out, "  fine  {:<15} {found}", finding.what)?,
            Err(lack) => {
                writeln!(out, "  FIX   {:<15} {}", finding.what, lack.found)?;
                writeln!(out, "        {:<15} → {}", "", lack.remedy)?;
            }
        }
    }
    match findings.iter().filter(|finding| !finding.is_fine()).count() {
        0 => Ok(writeln!(out, "{name} is ready.")?),
        lacks => bail!("{name} isn't ready: {lacks} to put right"),
    }
}

/// Takes a reading wherever the sensor is; in its dock it is dark.
async fn sensor(network: &Network, robot: &Robot) -> Vec<Finding> {
    const WHAT: &str = "sensor";
    let device = match network.sensor(&robot.sensor_url) {
        Ok(device) => device,
        Err(error) => {
            return vec![Finding::lacks(WHAT, error.to_string(), "give it an address that docs/sensors.md names")];
        }
    };
    let settings = SensorSettings::default().by_led();
    let request =
        ReadRequest { operation: OperationId::new(), experiment: None, lease_epoch: robot.lease_epoch, settings };
    vec![match device.read(request).await {
        Ok(reading) => Finding::fine(WHAT, seen(&reading)),
        Err(error) => {
            let remedy = match &error {
                SensorError::Blocked { remedy, .. } => remedy,
                SensorError::Unreachable { .. } => "check its address, its broker and its power",
                SensorError::Silent { .. } => "charge it, or press its button",
                SensorError::Device { .. } | SensorError::Implausible { .. } => {
                    "switch it off and on, and look at its cable"
                }
            };
            Finding::lacks(WHAT, error.to_string(), remedy)
        }
    }]
}

fn seen(reading: &Reading) -> String {
    let brightest = reading.channels.bands().into_iter().max().unwrap_or_default();
    let full = reading.settings.full_scale();
    let where_it_is = if reading.is_dark() { ", dark as in its dock" } else { "" };
    let light = match reading.settings.led_ma() {
        Some(ma) => format!("its light at {ma} mA"),
        None => "its light can't be switched, so that the room's counts too".to_owned(),
    };
    format!("it answers: brightest band {brightest} of {full}{where_it_is}; {light}")
}

/// What the robot keeps of its last white.
#[derive(Deserialize)]
struct White {
    at: DateTime<Utc>,
    reading: Average,
    drift: Option<Drift>,
}

fn drifted(drift: Option<Drift>) -> String {
    drift.map_or_else(String::new, |drift| format!(", ΔE00 {:.1} from the one before it", drift.delta_e))
}

fn white(robot: &Robot) -> Finding {
    const WHAT: &str = "white reference";
    let Some(kept) = robot.white_reference.clone() else {
        return Finding::fine(WHAT, "none yet: the first experiment reads one");
    };
    let remedy = "clean the sensor's window, charge it, and look at the light: the next experiment reads a new one";
    match serde_json::from_value::<White>(kept) {
        Ok(White { at, reading, drift }) => match reading.check_white(None) {
            Ok(()) => Finding::fine(WHAT, format!("of {}{}", at.format("%Y-%m-%d %H:%M UTC"), drifted(drift))),
            Err(flaw) => Finding::lacks(WHAT, flaw.to_string(), remedy),
        },
        Err(error) => Finding::lacks(WHAT, format!("it can't be read: {error}"), remedy),
    }
}
