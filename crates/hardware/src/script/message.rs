//! What is said to a robot's script and what it says: JSON, as the training labs have it.
//!
//! ```text
//! → {"command":{"R":60,"Y":30,"B":0,"well":"C5"},"experiment_id":"…","session_id":"…"}
//! ← {"status":{"sensor_status":"in_place"},"experiment_id":"…","session_id":"…"}
//! → {"command":{"sensor_status":"read"},"experiment_id":"…","session_id":"…"}
//! ← {"status":{"sensor_status":"charging"},"experiment_id":"…","session_id":"…"}
//! ```
//! The script brings both ids back as they are. `experiment_id` is `operation:epoch` of the command that fetched the sensor,
//! since newer scripts dock it only under that; `session_id` is the command's own operation.

use crate::RobotError;
use domain::{Deck, Docking, OperationId, Portion, Step, Volume, WellName};
use serde::{Deserialize, Serialize};

/// Where the script has its dyes: what it calls R, Y and B. It knows no other vials.
const VIALS: [WellName; 3] = [place(1, 0), place(1, 1), place(1, 2)];

/// The script refuses more in a well, without a word.
const MOST: Volume = Volume::from_whole_ul(300);

const fn place(row: u8, column: u8) -> WellName {
    match WellName::at(row, column) {
        Some(well) => well,
        None => panic!("outside the rack"),
    }
}

/// What the script is told to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Command {
    /// Mixes, and then holds the sensor over the well. A mixture of nothing only does that.
    Mix {
        #[serde(rename = "R", serialize_with = "microlitres")]
        red: Volume,
        #[serde(rename = "Y", serialize_with = "microlitres")]
        yellow: Volume,
        #[serde(rename = "B", serialize_with = "microlitres")]
        blue: Volume,
        well: WellName,
    },
    Dock {
        sensor_status: &'static str,
    },
}

/// Whole ones as whole numbers, as the labs' hub says them.
fn microlitres<S: serde::Serializer>(volume: &Volume, serializer: S) -> Result<S::Ok, S::Error> {
    match volume.nanolitres() {
        whole if whole % 1_000 == 0 => serializer.serialize_u32(whole / 1_000),
        _ => serializer.serialize_f64(volume.ul()),
    }
}

/// Where the sensor is when a command has been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SensorStatus {
    /// Over the well.
    InPlace,
    /// In its dock.
    Charging,
}

impl Command {
    /// What carries `step` out.
    pub fn of(step: &Step) -> Result<Self, RobotError> {
        match step {
            Step::Mix { at, portions, .. } => mix(step, *at, portions),
            Step::PresentSensor { over, .. } => mix(step, *over, &[]),
            Step::DockSensor { after: Docking::Reading, .. } => Ok(Self::Dock { sensor_status: "read" }),
            Step::DockSensor { after: Docking::Trouble, .. } => Ok(Self::Dock { sensor_status: "sensor_timeout" }),
            Step::Read { .. } | Step::CheckBlank { .. } => {
                Err(unsafe_step(step, "the sensor carries it out, not the robot"))
            }
            _ => Err(unsafe_step(step, "a robot's script is told whole mixtures")),
        }
    }

    pub const fn ends_in(&self) -> SensorStatus {
        match self {
            Self::Mix { .. } => SensorStatus::InPlace,
            Self::Dock { .. } => SensorStatus::Charging,
        }
    }
}

fn mix(step: &Step, well: WellName, portions: &[Portion]) -> Result<Command, RobotError> {
    let of =
        |vial: WellName| portions.iter().filter(|portion| portion.vial == vial).map(|portion| portion.volume).sum();
    let [red, yellow, blue]: [Volume; 3] = VIALS.map(of);
    if portions.iter().any(|portion| !VIALS.contains(&portion.vial) || portion.tip != portion.vial) {
        return Err(unsafe_step(step, "a robot's script knows the vials and tips B1, B2 and B3 alone"));
    }
    if red + yellow + blue > MOST {
        return Err(unsafe_step(step, "a robot's script mixes no more than 300 µL"));
    }
    Ok(Command::Mix { red, yellow, blue, well })
}

const fn unsafe_step(step: &Step, why: &'static str) -> RobotError {
    RobotError::Unsafe { step: step.name(), why }
}

/// Whether the script has what the deck says.
pub(super) fn check(deck: &Deck) -> Result<(), RobotError> {
    let is_known = |dye: &domain::DyeVial| VIALS.contains(&dye.vial) && dye.tip == dye.vial;
    match deck.dyes.iter().find(|dye| !is_known(dye)) {
        None => Ok(()),
        Some(dye) => {
            let detail =
                format!("a robot's script has dyes in B1, B2 and B3 with tips of those places, not {}", dye.name);
            Err(RobotError::DeckMismatch { detail })
        }
    }
}

/// Whose answer an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub experiment_id: String,
    pub session_id: String,
}

impl Subject {
    /// Of `operation`, for a sensor that `fetched_by` fetched, if one did under this lease.
    pub fn new(operation: OperationId, fetched_by: Option<OperationId>, epoch: i64) -> Self {
        let fetched_by = fetched_by.unwrap_or(operation);
        Self { experiment_id: format!("{fetched_by}:{epoch}"), session_id: operation.to_string() }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    command: &'a Command,
    experiment_id: &'a str,
    session_id: &'a str,
}

pub(super) fn payload(command: &Command, subject: &Subject) -> Vec<u8> {
    let Subject { experiment_id, session_id } = subject;
    serde_json::to_vec(&Told { command, experiment_id, session_id }).unwrap_or_default()
}

/// That something was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complete {
    pub subject: Subject,
    pub status: SensorStatus,
}

/// What a message says, if it says that something was carried out. Scripts tell of empty tip racks and full plates there, too.
pub(super) fn complete(message: &[u8]) -> Option<Complete> {
    #[derive(Deserialize)]
    struct Message {
        status: Status,
        experiment_id: String,
        session_id: String,
    }
    #[derive(Deserialize)]
    struct Status {
        sensor_status: SensorStatus,
    }
    let Message { status, experiment_id, session_id } = serde_json::from_slice(message).ok()?;
    Some(Complete { subject: Subject { experiment_id, session_id }, status: status.sensor_status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Mount, WellId};
    use serde_json::{Value, json};

    fn well(name: &str) -> WellName {
        name.parse().expect("a place")
    }

    fn portion(dye: &str, vial: &str, nanolitres: u32) -> Portion {
        let (dye, volume) = (dye.parse().expect("dye"), Volume::from_nanolitres(nanolitres));
        Portion { dye, vial: well(vial), tip: well(vial), volume }
    }

    fn mixture(portions: Vec<Portion>) -> Step {
        Step::Mix { mount: Mount::Right, well: WellId::new(), at: well("C5"), portions }
    }

    fn said(step: &Step) -> Value {
        let command = Command::of(step).expect("a command");
        let (operation, fetched_by) = (OperationId::new(), OperationId::new());
        let subject = Subject::new(operation, Some(fetched_by), 7);
        assert_eq!((&subject.experiment_id, &subject.session_id), (&format!("{fetched_by}:7"), &operation.to_string()));
        let said: Value = serde_json::from_slice(&payload(&command, &subject)).expect("JSON");
        assert_eq!(said["experiment_id"], subject.experiment_id);
        assert_eq!(said["session_id"], subject.session_id);
        said["command"].clone()
    }

    #[test]
    fn a_mixture_is_told_as_the_labs_hub_tells_it() {
        let mix = mixture(vec![portion("red", "B1", 60_000), portion("blue", "B3", 30_500)]);
        assert_eq!(said(&mix), json!({"R": 60, "Y": 0, "B": 30.5, "well": "C5"}));
        let mount = Mount::Right;
        let present = Step::PresentSensor { mount, over: well("H12") };
        assert_eq!(said(&present), json!({"R": 0, "Y": 0, "B": 0, "well": "H12"}));
        let dock = |after| said(&Step::DockSensor { mount, after });
        assert_eq!(dock(Docking::Reading), json!({"sensor_status": "read"}));
        assert_eq!(dock(Docking::Trouble), json!({"sensor_status": "sensor_timeout"}));
    }

    #[test]
    fn what_the_script_would_refuse_or_mistake_is_not_told() {
        for step in [
            mixture(vec![portion("red", "B1", 200_000), portion("blue", "B3", 100_001)]),
            mixture(vec![portion("green", "A2", 60_000)]),
            mixture(vec![Portion { tip: well("A1"), ..portion("red", "B1", 60_000) }]),
            Step::Home,
            Step::CheckBlank { over: well("A1") },
        ] {
            assert!(matches!(Command::of(&step), Err(RobotError::Unsafe { .. })), "{step:?}");
        }
        assert_eq!(check(&Deck::default()), Ok(()));
        let mut other = Deck::default();
        other.dyes[0].vial = well("A3");
        assert!(matches!(check(&other), Err(RobotError::DeckMismatch { .. })));
    }

    #[test]
    fn an_end_is_read_and_nothing_else_is_taken_for_one() {
        let said = br#"{"status": {"sensor_status":"in_place"}, "experiment_id": "a:7", "session_id": "b"}"#;
        let subject = Subject { experiment_id: "a:7".to_owned(), session_id: "b".to_owned() };
        assert_eq!(complete(said), Some(Complete { subject, status: SensorStatus::InPlace }));
        for other in [
            &br#"{"status": {"robot_status": "out_of_tips"}}"#[..],
            br#"{"status": {"sensor_status":"asleep"}, "experiment_id": "a:7", "session_id": "b"}"#,
            br#"{"status": {"sensor_status":"in_place"}, "experiment_id": 7, "session_id": "b"}"#,
            b"in_place",
            b"",
        ] {
            assert_eq!(complete(other), None);
        }
    }
}
