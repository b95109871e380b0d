//! The virtual lab's operator: puts new plates and tips, fills vials, where there are no hands.

use super::wire::Wire;
use crate::{AddressError, Attendant, Patience, Pending, RobotError};
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

    /// Done only if nothing has happened on the deck since it was looked at, so that a request that the network held up
    /// can't swap a plate under the next experiment.
    async fn act(&self, path: String, mut body: Value) -> Result<(), RobotError> {
        let deck: Deck = self.wire.get("/emulator/state").await?.read()?;
        body["sequence"] = json!(deck.sequence);
        self.wire.post(&path, &body).await.map(drop)
    }
}

impl Attendant for VirtualAttendant {
    fn new_plate(&self, slot: Slot) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.act("/emulator/plate".to_owned(), json!({"slot": slot})))
    }

    fn new_tips(&self, slot: Slot) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.act("/emulator/tips".to_owned(), json!({"slot": slot})))
    }

    fn refill<'a>(&'a self, vial: WellName, dye: &'a DyeName, volume: Volume) -> Pending<'a, Result<(), RobotError>> {
        Box::pin(self.act(format!("/emulator/vials/{vial}"), json!({"dye": dye, "volume_ul": volume.ul()})))
    }

    fn clear_nozzles(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.act("/emulator/nozzles".to_owned(), json!({})))
    }

    fn empty_waste(&self, vial: WellName) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(self.act(format!("/emulator/vials/{vial}"), json!({"dye": "water", "volume_ul": 0})))
    }
}
