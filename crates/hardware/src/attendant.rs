//! The virtual lab's operator: puts new plates and tips, fills vials, where there are no hands.

use crate::{AddressError, Patience, RobotError, robot::Wire};
use domain::{DyeName, Slot, Volume, WellName};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Does at a virtual robot what a person does at a real one. Cheap to clone. Everything may be repeated.
#[derive(Clone, Debug)]
pub struct VirtualAttendant {
    wire: Arc<Wire>,
}

/// What of the deck's state is needed here.
#[derive(Deserialize)]
struct Deck {
    sequence: u64,
}

impl VirtualAttendant {
    /// `url` is the virtual robot's own, `http://host:port`. A real robot refuses everything here.
    pub fn new(url: &str, patience: Patience) -> Result<Self, AddressError> {
        Ok(Self { wire: Arc::new(Wire::new(url, patience)?) })
    }

    /// A clean plate.
    pub async fn new_plate(&self, slot: Slot) -> Result<(), RobotError> {
        self.act("/emulator/plate", json!({"slot": slot})).await
    }

    /// A full rack of tips.
    pub async fn new_tips(&self, slot: Slot) -> Result<(), RobotError> {
        self.act("/emulator/tips", json!({"slot": slot})).await
    }

    /// A vial with this much fresh dye in place of the one there.
    pub async fn refill(&self, vial: WellName, dye: &DyeName, volume: Volume) -> Result<(), RobotError> {
        self.act(&format!("/emulator/vials/{vial}"), json!({"dye": dye, "volume_ul": volume.ul()})).await
    }

    /// An empty waste vial.
    pub async fn empty_waste(&self, vial: WellName) -> Result<(), RobotError> {
        self.act(&format!("/emulator/vials/{vial}"), json!({"dye": "water", "volume_ul": 0})).await
    }

    /// Done only if nothing has happened on the deck since it was looked at, so that a request that the network held up
    /// can't swap a plate under the next experiment.
    async fn act(&self, path: &str, mut body: Value) -> Result<(), RobotError> {
        let deck: Deck = self.wire.get("/emulator/state").await?.read()?;
        body["sequence"] = json!(deck.sequence);
        self.wire.post(path, &body).await.map(drop)
    }
}
