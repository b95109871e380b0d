//! Asking a robot who it is, so that one machine can't pass for two, nor another machine for ours.

use super::{
    Health, Ot2, RobotError,
    answer::{shortened, word},
};
use serde::Deserialize;

/// What the robot-server's simulation calls itself: every simulation the same, so it tells nobody apart.
const SIMULATION: &str = "simulator";

/// Who a robot says it is. All text is the robot's, cut and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Like `OT2CEP20190604A02`. Nothing where the robot tells none, as a simulation.
    pub serial: Option<String>,
    /// Only a virtual robot has one.
    pub virtual_deck: Option<VirtualDeck>,
}

/// A virtual robot's deck, which remembers what happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct VirtualDeck {
    /// Like `OT2VIRT-` and 32 hexadecimal digits.
    pub identity: String,
    /// How much has happened on it: the number of its ledger's newest entry.
    pub sequence: u64,
    /// The key of the newest command that changed it.
    pub last_key: Option<String>,
}

impl Identity {
    /// What this machine, and no other, is called; nothing when it doesn't say.
    pub fn name(&self) -> Option<&str> {
        self.virtual_deck.as_ref().map(|deck| deck.identity.as_str()).or(self.serial.as_deref())
    }
}

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
