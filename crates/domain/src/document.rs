//! What is kept whole beside the tables: raw readings, what robots were told, how plates were left.

use crate::experiment::named_states;
use serde::{Deserialize, Serialize};

named_states! {
    /// A kind of document; also the name of its collection in a document store.
    Collection {
        /// What the sensor read, under the id of the operation that read it. Never changes.
        Measurements = "measurements",
        /// An operation and how it ended, under its id. Written again where a doubt about it is settled.
        RobotCommands = "robot_commands",
        /// What lay on a plate: when an experiment on it ended, under the experiment's id; and when it was taken away,
        /// under its own.
        Plates = "plates",
    }
}
