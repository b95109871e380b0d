//! `tincture robot check`: what a robot lacks before its first experiment, line by line.

use crate::settings::Settings;
use anyhow::{Context, bail};
use chrono::Utc;
use domain::RobotKind;
use hardware::{Finding, Ot2, Patience};
use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};
use store::{Driver, Store};
use workflow::Lab;

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
    if deck == DeckIs::Loaded && robot.kind != RobotKind::Ot2 {
        bail!("{name} is of the kind {}, which isn't told its deck: check without --load-deck", robot.kind);
    }
    let lab = Lab::new(store.clone()).reaching(Arc::new(settings.network()));
    let mut findings = lab.check_robot(&robot).await?;
    if deck == DeckIs::Loaded && findings.iter().all(Finding::is_fine) {
        let patience = Patience { connect: PATIENCE, answer: PATIENCE, ..Patience::default() };
        findings.push(Ot2::new(&robot.url, patience)?.preflight_deck(&robot.deck).await);
    }
    tell(name, &findings)
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
