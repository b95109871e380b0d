//! What a robot lacks for its first experiment, line by line: fine, or what to do. Nothing here moves anything.

use super::{
    Health, Ot2,
    answer::{Runs, shortened, word},
};
use crate::RobotError;
use domain::{Deck, Mount};
use serde::Deserialize;

/// Major versions of the robot's software whose answers this driver was held against or knows: an OT-2 is refused by later ones.
const KNOWN_SOFTWARE: std::ops::RangeInclusive<u32> = 7..=8;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: &'static str,
    pub found: Result<String, Lack>,
}

/// What isn't as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub found: String,
    /// For whoever stands at the robot.
    pub remedy: &'static str,
}

impl Finding {
    pub fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: Ok(found.into()) }
    }

    pub fn lacks(what: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { what, found: Err(Lack { found: found.into(), remedy }) }
    }

    fn of(what: &'static str, found: Result<String, RobotError>, remedy: &'static str) -> Self {
        match found {
            Ok(found) => Self::fine(what, found),
            Err(error) => Self::lacks(what, error.to_string(), remedy),
        }
    }

    pub const fn is_fine(&self) -> bool {
        self.found.is_ok()
    }
}

#[derive(Deserialize)]
struct Mounted {
    left: Attached,
    right: Attached,
}

/// All nothing where nothing hangs.
#[derive(Deserialize)]
struct Attached {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

impl Ot2 {
    /// Looks at the machine: whether it answers, is an OT-2 with software that is known, has the deck's pipettes, and is free.
    /// Takes and moves nothing, so it may be asked while somebody works with it.
    pub async fn preflight(&self, deck: &Deck) -> Vec<Finding> {
        let health = match self.health().await {
            Ok(health) => health,
            Err(error) => {
                let remedy = "check that it is switched on, in this network, and at this address (`tincture robot add` changes it)";
                return vec![Finding::lacks("reachable", error.to_string(), remedy)];
            }
        };
        let mut findings = vec![
            Finding::fine("reachable", format!("it is called {}", shortened(&health.name))),
            model(&health),
            software(&health),
            self.machine().await,
        ];
        findings.extend(self.pipettes(deck).await);
        findings.push(self.is_free().await);
        findings
    }

    /// Whether the robot takes everything that the deck says. Takes the robot for it and lets it go again: for when nobody
    /// works with it.
    pub async fn preflight_deck(&self, deck: &Deck) -> Finding {
        let loaded = async {
            let run = self.open_run(deck).await?;
            run.close().await?;
            Ok(format!("{}, {}, {} and the tip racks fit", deck.plate, deck.vial_rack, deck.sensor_dock))
        };
        Finding::of("deck", loaded.await, "put right what it names, in the deck or on the robot")
    }

    async fn machine(&self) -> Finding {
        let told = self.identify().await.map(|identity| match identity.name() {
            Some(name) => name.to_owned(),
            None => "it tells no serial number, so nobody notices another machine at its address".to_owned(),
        });
        Finding::of("identity", told, "ask again; if it stays so, restart the robot")
    }

    async fn pipettes(&self, deck: &Deck) -> Vec<Finding> {
        let asked = async { self.wire.get("/pipettes").await?.read::<Mounted>() };
        let mounted = match asked.await {
            Ok(mounted) => mounted,
            Err(error) => return vec![Finding::of("pipettes", Err(error), "restart the robot and look at its mounts")],
        };
        let finding = |pipette: &domain::Pipette| {
            let (what, there) = match pipette.mount {
                Mount::Left => ("left pipette", &mounted.left),
                Mount::Right => ("right pipette", &mounted.right),
            };
            let (wanted, name) = (pipette.model.load_name(), there.name.as_deref().map(word));
            match name {
                Some(name) if name == wanted => {
                    Finding::fine(what, format!("{name} {}", word(there.id.as_deref().unwrap_or_default())))
                }
                other => Finding::lacks(
                    what,
                    format!("{} hangs there, and the deck has {wanted}", other.as_deref().unwrap_or("nothing")),
                    "attach it with the Opentrons App, or change the robot's deck",
                ),
            }
        };
        deck.pipettes.iter().map(finding).collect()
    }

    async fn is_free(&self) -> Finding {
        let asked = async { self.wire.get("/runs").await?.read::<Runs>() };
        let free = asked.await.map(|runs| {
            let works = |status: &str| !matches!(status, "idle" | "stopped" | "succeeded" | "failed");
            runs.data.into_iter().find(|run| run.current && works(&run.status)).map(|run| word(&run.status))
        });
        match free {
            Ok(None) => Finding::fine("free", "no protocol runs on it"),
            Ok(Some(status)) => Finding::lacks(
                "free",
                format!("a protocol is on it ({status})"),
                "wait until it ends, or end it in the Opentrons App",
            ),
            Err(error) => Finding::of("free", Err(error), "restart the robot"),
        }
    }
}

fn model(health: &Health) -> Finding {
    match health.robot_model.as_deref().map(word) {
        Some(model) if model.starts_with("OT-2") => Finding::fine("model", model),
        Some(model) => Finding::lacks("model", model, "this lab drives OT-2s"),
        None => Finding::fine("model", "it doesn't say"),
    }
}

fn software(health: &Health) -> Finding {
    let version = word(&health.api_version);
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if KNOWN_SOFTWARE.contains(&major) => Finding::fine("software", version),
        _ => Finding::lacks(
            "software",
            version,
            "this program knows robot software 7 and 8: change the robot's in the Opentrons App",
        ),
    }
}
