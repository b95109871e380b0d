//! A lab's mark on a robot: so that two labs which drive one machine notice each other.
//!
//! The robot-server keeps a client's notes under `/clientData/{key}` until it restarts. A mark that is gone says nothing;
//! one that is another lab's says that this lab isn't the only one.

use super::{
    Ot2,
    answer::{One, word},
};
use crate::RobotError;
use serde::Deserialize;
use serde_json::json;

/// Where the mark is kept.
const KEY: &str = "tincture";

#[derive(Deserialize)]
struct Mark {
    #[serde(default)]
    lab: String,
}

impl Ot2 {
    /// The lab that marked this robot last; nothing when none has since its server started.
    pub async fn marked_by(&self) -> Result<Option<String>, RobotError> {
        match self.wire.get(&format!("/clientData/{KEY}")).await {
            Ok(answer) => Ok(Some(word(&answer.read::<One<Mark>>()?.data.lab)).filter(|lab| !lab.is_empty())),
            Err(RobotError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Marks this robot as `lab`'s. Moves nothing, and may be repeated.
    pub async fn mark(&self, lab: &str) -> Result<(), RobotError> {
        let note = json!({"data": {"lab": lab}});
        self.wire.put(&format!("/clientData/{KEY}"), &note).await.map(drop)
    }
}
