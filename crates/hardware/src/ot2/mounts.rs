//! Asking a robot what hangs on its mounts.

use super::{Ot2, answer::word};
use crate::RobotError;
use chrono::Utc;
use domain::{MountsSeen, PipetteSeen};
use serde::Deserialize;

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
    model: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

impl Ot2 {
    /// What the robot found on its mounts when it started, or was last told to look. Moves nothing, asks once.
    ///
    /// # Errors
    /// It doesn't answer, or what it answers can't be read.
    pub async fn mounts(&self) -> Result<MountsSeen, RobotError> {
        let Mounted { left, right } = self.wire.get("/pipettes").await?.read()?;
        Ok(MountsSeen { at: Utc::now(), left: left.seen(), right: right.seen() })
    }
}

impl Attached {
    fn seen(self) -> Option<PipetteSeen> {
        let told = |text: Option<String>| text.as_deref().map(word).unwrap_or_default();
        let name = told(self.name);
        (!name.is_empty()).then(|| PipetteSeen { name, model: told(self.model), serial: told(self.id) })
    }
}
