//! What happened on a robot or to an experiment, as it is written down: in one commit with the journal entry that caused it.

use crate::{
    Collection, DyeName, ExperimentEvent, ExperimentId, ExperimentStatus, Fault, OperationId, PlateId, ResultId, Slot,
    Tool, Volume, WellId, WellName, WellStatus, doubt::Doubt,
};
use serde_json::Value;

/// A change that commits together with the journal entry that causes it.
#[derive(Clone, Debug)]
pub enum Change {
    /// Checked against [`ExperimentStatus::may_become`]. A final status sets `completed_at` and ends the wells that
    /// haven't ended (failed or cancelled), which returns their quota. Leaving `running` frees the lane. Clears `control`.
    Experiment {
        id: ExperimentId,
        to: ExperimentStatus,
        fault: Option<Fault>,
    },
    /// Checked against [`WellStatus::may_become`]. A final status that isn't charged returns the well's quota, once.
    Well {
        id: WellId,
        to: WellStatus,
        fault: Option<Fault>,
    },
    /// Quarantines a well and puts a fresh one in its place, at a free well of the same or another plate; or at none
    /// yet, where the plate is full. The old well's quota is returned and the fresh one's charged, in one: nothing
    /// changes for its owner.
    Replace {
        quarantined: WellId,
        fresh: WellId,
        at: Option<(PlateId, WellName)>,
        fault: Fault,
    },
    /// A measurement; the well becomes `measured`.
    Result {
        id: ResultId,
        well: WellId,
        measurement_data: Value,
    },
    /// What an experiment measured against this white reference isn't to be believed any more. A result that is doubted already
    /// keeps its own doubt.
    Doubted {
        experiment: ExperimentId,
        white: OperationId,
        doubt: Doubt,
    },
    Tool(Tool),
    Run(Option<String>),
    WhiteReference(Value),
    /// Liquid drawn from a vial.
    VialDrawn {
        vial: WellName,
        volume: Volume,
    },
    /// Liquid that went to the waste vial.
    WasteAdded {
        volume: Volume,
    },
    /// A tip that must not be used again (discarded or in doubt).
    TipLost {
        slot: Slot,
        tip: WellName,
    },
    /// Nobody knows which tips of a rack are still new: none is used before the rack was replaced.
    TipsUnknown {
        slot: Slot,
    },
    /// The tip now standing for a dye.
    TipAssigned {
        slot: Slot,
        tip: WellName,
        dye: DyeName,
    },
    /// No plate is known to lie on the robot: it is being replaced, or nobody knows any more which one lies there.
    PlateLifted,
    /// A new, empty plate lies on the robot.
    PlateReplaced {
        plate: PlateId,
    },
    /// A full rack lies on the slot; assignments start anew.
    TipsReplaced {
        slot: Slot,
    },
    /// The vial holds this much now, of this batch.
    VialRefilled {
        vial: WellName,
        volume: Volume,
        batch: Option<String>,
    },
    WasteEmptied,
    /// A question to the operator; nothing moves until it is answered. One that is open already stays as it is.
    Ask(Fault),
    /// A person has answered the open question.
    Answered,
    /// What the worker can't do at the moment, or that it can again. Holds nothing.
    Notice(Option<Fault>),
    /// Somebody has been asked about this command or run, of which the journal doesn't know.
    Accounted(String),
    /// Something is in this well of a plate, and no experiment knows of it.
    WellSpoiled {
        plate: PlateId,
        at: WellName,
    },
    /// What the machine was told is known up to the history of the database in which the lease was taken.
    HistoryRead,
    /// A raw reading, kept as a document under its operation's id.
    Document {
        collection: Collection,
        id: OperationId,
        experiment: Option<ExperimentId>,
        body: Value,
    },
    /// What the followers of an experiment are told, beside what follows from the other changes.
    Event {
        experiment: ExperimentId,
        event: ExperimentEvent,
    },
}
