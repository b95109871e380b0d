//! What the drivers promise, held against a robot and a sensor that misbehave, and against the emulated lab.

mod faults;
mod identity;
mod import;
mod lab;
mod mqtt;
mod script;
mod scripted;
mod sensor;
#[cfg(unix)]
mod serial;
