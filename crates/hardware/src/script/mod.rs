//! An OT-2 by the script that training labs run on it, which hangs on an MQTT broker.
//!
//! Told on `command/ot2/{serial}/pipette`, it tells on `status/ot2/{serial}/complete` when it is through, to all who listen there. It
//! mixes whole colours and then holds the sensor over their well until it is told that it was read. It refuses nothing,
//! remembers nothing, and does what it hears twice twice.
//!
//! So the rest is done here: `message` says what is told and which answers count (only those to this very command, under
//! this very lease); `hold` sends one command at a time, never twice, and mistrusts the robot as soon as it tells of
//! anything else. What isn't answered is in doubt for ever: [`Robot::lookup`] has nobody to ask.

mod hold;
mod message;

use crate::{AddressError, Attendant, Hold, Identity, Lookup, Patience, Pending, Robot, RobotError};
use domain::{Deck, DyeName, OperationId, Slot, Volume, WellName};
use hold::ScriptHold;
use mqtt::{Broker, Brokers, Session, Target, Trouble};
use std::sync::Arc;
use tokio::time::timeout;

/// One OT-2's script. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Script {
    broker: Broker,
    told_on: String,
    tells_on: String,
    patience: Patience,
}

impl Script {
    /// `mqtts://host:8883/OT2_SERIAL`. Connects to nothing yet.
    ///
    /// # Errors
    /// Says what is wrong with the address.
    pub fn new(url: &str, brokers: &Brokers, patience: Patience) -> Result<Self, AddressError> {
        let Target { broker, device, options } = Target::parse(url).map_err(AddressError::Script)?;
        if !options.is_empty() {
            return Err(AddressError::ScriptOptions);
        }
        Ok(Self {
            broker: brokers.at(&broker, patience.connect),
            told_on: format!("command/ot2/{device}/pipette"),
            tells_on: format!("status/ot2/{device}/complete"),
            patience,
        })
    }

    /// A connection on which the robot is heard, within [`Patience::connect`].
    async fn session(&self) -> Result<Session, Trouble> {
        match timeout(self.patience.connect, self.session_at_last()).await {
            Ok(session) => session,
            Err(_) => Err(self.broker.trouble().unwrap_or_else(|| self.broker.silence())),
        }
    }

    /// The same, whenever it comes about.
    async fn session_at_last(&self) -> Result<Session, Trouble> {
        loop {
            let session = self.broker.session().await?;
            match self.listen_on(&session).await {
                Ok(()) => return Ok(session),
                Err(trouble) if trouble.is_final => return Err(trouble),
                Err(trouble) => tracing::debug!(%trouble, "connecting again"),
            }
        }
    }

    /// What it tells must be heard. What it is told may be, so that a stranger is found out before the end of what they ask for.
    async fn listen_on(&self, session: &Session) -> Result<(), Trouble> {
        session.subscribe(&self.tells_on).await?;
        match session.subscribe(&self.told_on).await {
            Err(trouble) if trouble.is_final => {
                tracing::debug!(%trouble, "what a robot's script is told isn't heard");
                Ok(())
            }
            heard => heard,
        }
    }
}

impl Robot for Script {
    fn hold<'a>(&'a self, deck: &'a Deck, epoch: i64) -> Pending<'a, Result<Arc<dyn Hold>, RobotError>> {
        Box::pin(async move {
            message::check(deck)?;
            let [statuses, commands] = [&self.tells_on, &self.told_on].map(|topic| self.broker.listen(topic));
            let (statuses, commands) = (statuses.map_err(unreachable)?, commands.map_err(unreachable)?);
            self.session().await.map_err(unreachable)?;
            Ok(Arc::new(ScriptHold::new(self.clone(), epoch, statuses, commands)) as Arc<dyn Hold>)
        })
    }

    /// Nobody can be named; but it is known whether its broker lets us hear it.
    fn identify(&self) -> Pending<'_, Result<Identity, RobotError>> {
        Box::pin(async {
            self.session().await.map_err(unreachable)?;
            Ok(Identity { serial: None, virtual_deck: None })
        })
    }

    fn lookup<'a>(&'a self, _hold: &'a str, _key: OperationId) -> Pending<'a, Result<Lookup, RobotError>> {
        Box::pin(async { Ok(Lookup::HistoryLost) })
    }
}

fn unreachable(trouble: Trouble) -> RobotError {
    RobotError::Unreachable { detail: trouble.what }
}

/// Nobody serves the deck of a real robot but people.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Nobody {
    fn refuse(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(async { Err(RobotError::Unsafe { step: "attend", why: "only people serve this robot's deck" }) })
    }
}

impl Attendant for Nobody {
    fn new_plate(&self, _: Slot) -> Pending<'_, Result<(), RobotError>> {
        self.refuse()
    }

    fn new_tips(&self, _: Slot) -> Pending<'_, Result<(), RobotError>> {
        self.refuse()
    }

    fn refill<'a>(&'a self, _: WellName, _: &'a DyeName, _: Volume) -> Pending<'a, Result<(), RobotError>> {
        self.refuse()
    }

    fn empty_waste(&self, _: WellName) -> Pending<'_, Result<(), RobotError>> {
        self.refuse()
    }

    fn clear_nozzles(&self) -> Pending<'_, Result<(), RobotError>> {
        self.refuse()
    }
}
