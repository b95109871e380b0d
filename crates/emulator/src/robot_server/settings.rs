//! The flags that clients have set on the machine, until it is switched off.

use std::collections::BTreeMap;

/// The flag that has an open door stop a run.
pub const DOOR_SAFETY: &str = "enableDoorSafetySwitch";

/// Flags by their id; those that nobody has set aren't there.
#[derive(Debug, Default)]
pub struct Settings(BTreeMap<&'static str, bool>);

impl Settings {
    pub fn get(&self, id: &str) -> Option<bool> {
        self.0.get(id).copied()
    }

    /// Sets a flag, or puts it back.
    pub fn set(&mut self, id: &'static str, value: Option<bool>) {
        match value {
            Some(value) => self.0.insert(id, value),
            None => self.0.remove(id),
        };
    }

    /// Whether a run stands still while the door is open.
    pub fn needs_closed_door(&self) -> bool {
        self.get(DOOR_SAFETY) == Some(true)
    }
}
