//! `/display`: what a screen on the lab's wall shows.

pub mod read;
