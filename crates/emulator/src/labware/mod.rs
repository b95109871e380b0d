//! Labware as the robot-server knows it: definitions (schema 2), the standard ones made from their measures and
//! those a client posts.

mod catalogue;
mod definition;
mod standard;

pub use definition::{Definition, Point, Shape, Well, uri};
pub use standard::standard;
