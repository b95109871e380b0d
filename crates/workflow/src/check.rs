//! Whether a robot is ready for experiments, line by line: fine, or what to put right. Nothing here moves anything.

use crate::Lab;
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{
    OperationId, RobotKind,
    doubt::Drift,
    reading::{Average, Reading, SensorSettings},
};
use hardware::{Finding, Ot2, Patience, Preflight, ReadRequest, SensorError};
use serde::Deserialize;
use std::time::Duration;
use store::{Robot, StoreError};
use tokio::time::timeout;

/// A machine in this network answers in milliseconds; whoever waits here is a person.
const PATIENCE: Duration = Duration::from_secs(5);
/// For all that is asked of one device.
const LONGEST: Duration = Duration::from_secs(12);

impl Lab {
    /// Looks at everything: the machine and who it is, its pipettes, whether it is free, its deck, its sensor, the last white
    /// reference. Moves nothing. What hangs on the mounts is written down.
    ///
    /// # Errors
    /// Those of any read or write: see [`StoreError`]. What isn't as it must be is a finding.
    #[boxed]
    pub async fn check_robot(&self, robot: &Robot) -> Result<Vec<Finding>, StoreError> {
        let (machine, sensor) = tokio::join!(machine(self, robot), sensor(self, robot));
        let Preflight { mut findings, mounts } = machine;
        if let Some(mounts) = mounts {
            self.store().note_mounts(robot.id, &mounts).await?;
        }
        findings.extend(deck(robot));
        findings.extend(sensor?);
        findings.push(white(robot));
        Ok(findings)
    }
}

async fn machine(lab: &Lab, robot: &Robot) -> Preflight {
    let asked = async {
        if robot.kind == RobotKind::Script {
            return Preflight { findings: vec![answers(lab, robot).await], mounts: None };
        }
        let patience = Patience { connect: PATIENCE, answer: PATIENCE, ..Patience::default() };
        match Ot2::new(&robot.url, patience) {
            Ok(machine) => machine.preflight(&robot.deck, robot.identity.as_deref()).await,
            Err(error) => unreachable(&error.to_string()),
        }
    };
    timeout(LONGEST, asked).await.unwrap_or_else(|_| unreachable("it answers too slowly"))
}

fn unreachable(why: &str) -> Preflight {
    let remedy = "check that it is switched on, in this network, and at this address";
    Preflight { findings: vec![Finding::lacks("reachable", why, remedy)], mounts: None }
}

/// Of a script, of which nothing can be known before it is told something.
async fn answers(lab: &Lab, robot: &Robot) -> Finding {
    const WHAT: &str = "script";
    let remedy = "check that its broker is switched on, in this network, and at this address";
    let machine = match lab.connect().robot(robot.kind, &robot.url) {
        Ok(machine) => machine,
        Err(error) => return Finding::lacks(WHAT, error.to_string(), remedy),
    };
    match machine.identify().await {
        Ok(_) => Finding::fine(WHAT, "its broker lets us hear it; whether it runs shows at its first mixture"),
        Err(error) => Finding::lacks(WHAT, error.to_string(), remedy),
    }
}

fn deck(robot: &Robot) -> Vec<Finding> {
    const WHAT: &str = "deck";
    let deck = &robot.deck;
    let flaws = deck.flaws();
    if flaws.is_empty() {
        let dyes = deck.dyes.iter().map(|dye| dye.name.as_str()).collect::<Vec<_>>().join(", ");
        return vec![Finding::fine(
            WHAT,
            format!("{} with {dyes}; {} and {} fit", deck.plate, deck.vial_rack, deck.sensor_dock),
        )];
    }
    let remedy = "change the robot's deck: `tincture robot export`, then `tincture robot apply`, or its page";
    flaws.into_iter().map(|flaw| Finding::lacks(WHAT, flaw.to_string(), remedy)).collect()
}

/// Takes a reading wherever the sensor is; in its dock it is dark. Not while an experiment is in hand, whose readings it would
/// disturb.
async fn sensor(lab: &Lab, robot: &Robot) -> Result<Vec<Finding>, StoreError> {
    const WHAT: &str = "sensor";
    if lab.store().in_hand_id(robot.id).await?.is_some() {
        return Ok(vec![Finding::fine(WHAT, "not asked: the experiment in hand reads it")]);
    }
    let device = match lab.connect().sensor(&robot.sensor_url) {
        Ok(device) => device,
        Err(error) => {
            return Ok(vec![Finding::lacks(WHAT, error.to_string(), "give it an address that docs/sensors.md names")]);
        }
    };
    let settings = SensorSettings::default().by_led();
    let request =
        ReadRequest { operation: OperationId::new(), experiment: None, lease_epoch: robot.lease_epoch, settings };
    let finding = match timeout(LONGEST, device.read(request)).await {
        Ok(Ok(reading)) => Finding::fine(WHAT, seen(&reading)),
        Ok(Err(error)) => {
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
        Err(_) => Finding::lacks(WHAT, "it answers too slowly", "charge it, or press its button"),
    };
    Ok(vec![finding])
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
