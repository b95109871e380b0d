//! Asking a robot who it is, so that one machine can't pass for two, nor another machine for ours.

use super::{
    Health, Ot2,
    answer::{shortened, word},
};
use crate::{Identity, RobotError, VirtualDeck};
use serde::Deserialize;

/// What the robot-server's simulation calls itself: every simulation the same, so it tells nobody apart.
const SIMULATION: &str = "simulator";

impl Ot2 {
    /// Asks who this is. Moves nothing, and each of its two or three questions is asked once.
    ///
    /// # Errors
    /// The first question that wasn't answered. What a real robot doesn't know (404) is no error.
    pub async fn identify(&self) -> Result<Identity, RobotError> {
        let health: Health = self.wire.get("/health").await?.read()?;
        let virtual_deck = self.virtual_deck().await?;
        let serial = match (&virtual_deck, health.robot_serial) {
            (None, None) => self.update_server_serial().await?,
            (_, told) => told,
        };
        let serial = serial.map(|serial| word(&serial)).filter(|serial| !serial.is_empty() && serial != SIMULATION);
        Ok(Identity { serial, virtual_deck })
    }

    async fn virtual_deck(&self) -> Result<Option<VirtualDeck>, RobotError> {
        let Some(deck) = known(self.wire.get("/emulator/state").await)? else { return Ok(None) };
        let VirtualDeck { identity, sequence, last_key } = deck.read()?;
        let deck = VirtualDeck { identity: word(&identity), sequence, last_key: last_key.map(|key| word(&key)) };
        if deck.identity.is_empty() {
            let detail = format!("its identity is none: {}", shortened(&identity));
            return Err(RobotError::BadAnswer { status: 200, detail });
        }
        Ok(Some(deck))
    }

    /// Where the serial number of a robot is whose `/health` has none (the description of `robot_serial` in the
    /// robot-server's own specification, 8.1.0).
    async fn update_server_serial(&self) -> Result<Option<String>, RobotError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct UpdateServer {
            #[serde(default)]
            serial_number: Option<String>,
        }
        let Some(told) = known(self.wire.get("/server/update/health").await)? else { return Ok(None) };
        Ok(told.read::<UpdateServer>()?.serial_number)
    }
}

/// An answer, unless the robot knows no such address.
fn known<T>(answer: Result<T, RobotError>) -> Result<Option<T>, RobotError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(RobotError::Refused { status: 404, .. } | RobotError::BadAnswer { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
