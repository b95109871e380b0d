//! What a robot lacks for its first experiment, line by line: fine, or what to do. Nothing here moves anything.

use super::{
    Health, Ot2,
    answer::{Runs, shortened, word},
};
use crate::RobotError;
use domain::{Deck, LabwareOffset, Mount, MountsSeen, Slot};
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

/// What was found, and what hangs on the mounts if the robot told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    pub findings: Vec<Finding>,
    pub mounts: Option<MountsSeen>,
}

/// The list of runs, as far as it tells of offsets; oldest first.
#[derive(Deserialize)]
struct MeasuredRuns {
    data: Vec<MeasuredRun>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeasuredRun {
    #[serde(default)]
    labware_offsets: Vec<MeasuredOffset>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeasuredOffset {
    definition_uri: String,
    location: OffsetLocation,
    vector: LabwareOffset,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OffsetLocation {
    slot_name: String,
    /// On a module or an adapter, which this lab's decks have none of.
    #[serde(default)]
    module_model: Option<serde_json::Value>,
    #[serde(default)]
    definition_uri: Option<serde_json::Value>,
}

impl MeasuredOffset {
    fn is_of(&self, slot: Slot, uri: &str) -> bool {
        let OffsetLocation { slot_name, module_model, definition_uri } = &self.location;
        let is_plain = module_model.is_none() && definition_uri.is_none();
        is_plain && *slot_name == slot.0.to_string() && self.definition_uri == uri
    }
}

impl Ot2 {
    /// Looks at the machine: whether it answers, is an OT-2 with software that is known, has the deck's pipettes, and is free.
    /// Takes and moves nothing, so it may be asked while somebody works with it. `before` is who it was, where that is known.
    pub async fn preflight(&self, deck: &Deck, before: Option<&str>) -> Preflight {
        let health = match self.health().await {
            Ok(health) => health,
            Err(error) => {
                let remedy = "check that it is switched on, in this network, and at this address (`tincture robot add` changes it)";
                return Preflight {
                    findings: vec![Finding::lacks("reachable", error.to_string(), remedy)],
                    mounts: None,
                };
            }
        };
        let mut findings = vec![
            Finding::fine("reachable", format!("it is called {}", shortened(&health.name))),
            model(&health),
            software(&health),
            self.machine(before).await,
        ];
        let (pipettes, mounts) = self.pipettes(deck).await;
        findings.extend(pipettes);
        findings.push(self.is_free().await);
        findings.extend(self.offsets(deck).await);
        Preflight { findings, mounts }
    }

    /// Whether the robot takes everything that the deck says. Takes the robot for it and lets it go again: for when nobody
    /// works with it.
    pub async fn preflight_deck(&self, deck: &Deck) -> Finding {
        let loaded = async {
            let run = self.open_run(deck).await?;
            run.close().await?;
            Ok(format!("{}, {}, {} and the tip racks fit", deck.plate, deck.vial_rack, deck.sensor_dock))
        };
        Finding::of("loaded deck", loaded.await, "put right what it names, in the deck or on the robot")
    }

    async fn machine(&self, before: Option<&str>) -> Finding {
        const WHAT: &str = "identity";
        let told = match self.identify().await {
            Ok(told) => told,
            Err(error) => return Finding::of(WHAT, Err(error), "ask again; if it stays so, restart the robot"),
        };
        match (told.name(), before) {
            (Some(name), Some(before)) if name != before => Finding::lacks(
                WHAT,
                format!("it is {name}, and this robot was {before}"),
                "correct the robot's address; if it is a new machine, its worker asks what is on its deck before it moves",
            ),
            (Some(name), _) => Finding::fine(WHAT, name),
            (None, _) => {
                Finding::fine(WHAT, "it tells no serial number, so nobody notices another machine at its address")
            }
        }
    }

    async fn pipettes(&self, deck: &Deck) -> (Vec<Finding>, Option<MountsSeen>) {
        let mounts = match self.mounts().await {
            Ok(mounts) => mounts,
            Err(error) => {
                return (vec![Finding::of("pipettes", Err(error), "restart the robot and look at its mounts")], None);
            }
        };
        let lacks = mounts.lacks(deck);
        let finding = |pipette: &domain::Pipette| {
            let (what, side) = match pipette.mount {
                Mount::Left => ("left pipette", "left mount"),
                Mount::Right => ("right pipette", "right mount"),
            };
            match (lacks.iter().find(|lack| lack.at == side), mounts.on(pipette.mount)) {
                (Some(lack), _) => Finding::lacks(
                    what,
                    lack.why.clone(),
                    "attach it with the Opentrons App, or change the robot's deck",
                ),
                (None, seen) => {
                    Finding::fine(what, seen.map(|seen| format!("{} {}", seen.name, seen.serial)).unwrap_or_default())
                }
            }
        };
        (deck.pipettes.iter().map(finding).collect(), Some(mounts))
    }

    /// Whether somebody has measured, in the Opentrons App, that pieces stand elsewhere than this lab takes them to stand. The
    /// robot keeps such offsets with its runs; the newest run that has one for a piece of this deck counts.
    async fn offsets(&self, deck: &Deck) -> Option<Finding> {
        const WHAT: &str = "offsets";
        let runs = match self.wire.get("/runs").await.and_then(|answer| answer.read::<MeasuredRuns>()) {
            Ok(runs) => runs.data,
            Err(error) => return Some(Finding::of(WHAT, Err(error), "restart the robot")),
        };
        let others = deck.pieces().into_iter().filter_map(|(slot, labware, _)| {
            let uri = deck.labware_name(labware).to_string();
            let measured = runs.iter().rev().flat_map(|run| run.labware_offsets.iter().rev());
            let newest = measured.into_iter().find(|offset| offset.is_of(slot, &uri))?.vector;
            let kept = deck.offsets.get(&slot).copied().unwrap_or(LabwareOffset { x: 0.0, y: 0.0, z: 0.0 });
            (newest != kept).then(|| format!("slot {}: {} {} {} mm", slot.0, newest.x, newest.y, newest.z))
        });
        let others: Vec<_> = others.collect();
        match (others.is_empty(), deck.offsets.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Finding::fine(WHAT, format!("{} as on the robot", deck.offsets.len()))),
            (false, _) => Some(Finding::lacks(
                WHAT,
                format!("the robot's newest runs have others ({})", others.join("; ")),
                "write them as `offset` into the slots of the robot's setup, if they were measured for this deck",
            )),
        }
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
