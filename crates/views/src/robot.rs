//! A robot and what it has left.

use crate::FaultView;
use chrono::{DateTime, Utc};
use domain::{Attendance, Deck, Fault, Inventory, PlateId, RobotId, RobotKind, RobotMode, Role, WellName};
use serde::Serialize;
use store::{Driver, Robot};
use utoipa::ToSchema;
use workflow::emergency;

/// How a robot stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotStatus {
    Active,
    /// No worker drives it.
    Offline,
    /// A worker waits for it, and tries again by itself.
    Waiting,
    Paused,
    Draining,
    Stopped,
    /// It waits for an answer.
    Attention,
}

impl RobotStatus {
    /// What people told it and what it asks count before who drives it.
    pub fn of(robot: &Robot, now: DateTime<Utc>) -> Self {
        match (robot.mode, robot.driver(now)) {
            (RobotMode::Stopped, _) => Self::Stopped,
            _ if robot.attention.is_some() => Self::Attention,
            (RobotMode::Paused, _) => Self::Paused,
            (_, Driver::Nobody) => Self::Offline,
            (_, Driver::Waits(_)) => Self::Waiting,
            (RobotMode::Draining, Driver::Drives(_)) => Self::Draining,
            (RobotMode::Active, Driver::Drives(_)) => Self::Active,
        }
    }

    /// The word; on the pages also the icon and the CSS class.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Offline => "offline",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Attention => "attention",
        }
    }
}

/// What a robot waits for a person about.
#[derive(Clone, Debug)]
pub struct Attention {
    pub fault: Fault,
    pub since: Option<DateTime<Utc>>,
}

impl Attention {
    /// The most urgent: a stop comes before a question.
    pub fn first(robot: &Robot, reader: Role) -> Option<Self> {
        Self::stop(robot, reader).or_else(|| Self::question(robot))
    }

    /// That somebody stopped it, as `reader` may know it.
    pub fn stop(robot: &Robot, reader: Role) -> Option<Self> {
        Some(Self { fault: emergency(robot, reader)?, since: robot.mode_at })
    }

    /// What it asks its operator.
    pub fn question(robot: &Robot) -> Option<Self> {
        Some(Self { fault: robot.attention.clone()?, since: robot.attention_at })
    }
}

/// A robot: what it does and what it holds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RobotView {
    #[schema(value_type = Uuid)]
    pub id: RobotId,
    pub name: String,
    /// `active`, `offline` (no worker drives it), `waiting` (a worker waits for it: see `notice`), `paused`, `draining`,
    /// `stopped` or `attention` (it waits for an answer).
    #[schema(example = "active")]
    pub status: &'static str,
    /// How it is spoken to: `ot2`, by its own HTTP API, or `script`, by the training labs' script on an MQTT broker.
    #[schema(value_type = String, example = "ot2")]
    pub kind: RobotKind,
    /// `virtual` or `operator`: who renews plates, tips and vials.
    #[schema(value_type = String)]
    pub attendance: Attendance,
    /// What it waits for a person about: a stop, or its question to its operator. Nothing moves until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<FaultView>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_since: Option<DateTime<Utc>>,
    /// What its worker can't do at the moment. Nobody need answer: it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<FaultView>,
    /// What hangs on its nozzle: `nothing`, `tip` or `sensor`.
    #[schema(example = "nothing")]
    pub holds: &'static str,
    pub limits: LimitsView,
    pub inventory: InventoryView,
}

/// What can be mixed on a robot's deck.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LimitsView {
    pub dyes: Vec<String>,
    /// The least that a mounted pipette measures, µL; 0 is always allowed.
    pub least_ul: f64,
    /// The most that a well takes, µL.
    pub well_capacity_ul: f64,
}

/// What a robot has left, as its journal counts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InventoryView {
    #[schema(value_type = Option<Uuid>)]
    pub plate_id: Option<PlateId>,
    pub wells_used: usize,
    pub wells_free: usize,
    pub vials: Vec<VialView>,
    /// What went into the waste vial, µL.
    pub waste_ul: f64,
    /// Tips that were lost or thrown away.
    pub tips_lost: usize,
}

/// A vial.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VialView {
    #[schema(value_type = String, example = "B1")]
    pub vial: WellName,
    pub dye: String,
    pub volume_ul: f64,
    /// The bottle it was filled from, where somebody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    pub filled_at: DateTime<Utc>,
}

impl RobotView {
    /// As `reader` may see it.
    pub fn of(robot: Robot, inventory: Inventory, now: DateTime<Utc>, reader: Role) -> Self {
        let status = RobotStatus::of(&robot, now).as_str();
        let holds = match robot.tool {
            domain::Tool::Nothing => "nothing",
            domain::Tool::Tip { .. } => "tip",
            domain::Tool::Sensor { .. } => "sensor",
        };
        let (attention, attention_since) = match Attention::first(&robot, reader) {
            Some(Attention { fault, since }) => (Some(FaultView::from(fault)), since),
            None => (None, None),
        };
        Self {
            id: robot.id,
            name: robot.name,
            status,
            kind: robot.kind,
            attendance: robot.attendance,
            attention,
            attention_since,
            notice: robot.notice.map(FaultView::from),
            holds,
            limits: LimitsView::of(&robot.deck),
            inventory: InventoryView::from(inventory),
        }
    }
}

impl LimitsView {
    fn of(deck: &Deck) -> Self {
        Self {
            dyes: deck.dyes.iter().map(|dye| dye.name.to_string()).collect(),
            least_ul: deck.least_volume().ul(),
            well_capacity_ul: deck.well_capacity.ul(),
        }
    }
}

impl From<Inventory> for InventoryView {
    fn from(inventory: Inventory) -> Self {
        let (wells_free, tips_lost) = (inventory.free_wells(), inventory.lost_tips().count());
        let vial = |vial: domain::Vial| VialView {
            vial: vial.vial,
            dye: vial.dye.to_string(),
            volume_ul: vial.volume.ul(),
            batch: vial.batch,
            filled_at: vial.filled_at,
        };
        Self {
            plate_id: inventory.plate,
            wells_used: inventory.used_wells.len(),
            wells_free,
            vials: inventory.vials.into_iter().map(vial).collect(),
            waste_ul: inventory.waste.ul(),
            tips_lost,
        }
    }
}
