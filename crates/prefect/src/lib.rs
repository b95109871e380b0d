//! A Prefect server as the lab's scheduler and window, where a lab sets `workflow_engine = "prefect"`.
//!
//! Prefect shows each experiment as a flow run, makes experiments of runs that people, schedules and automations make there,
//! and what a person does to a run or a pool there is done here. It never drives a robot: what is next, what was done and what
//! may move is the store's to say, and the robot waits for nothing that is asked here
//! ([decision 36](../../../docs/decisions/0036-prefect.md)).
//!
//! One process at a time does all of it, under a lease (`relay`): `setup` makes flow, pools and deployment, `report` tells what
//! happened (`told` puts it into words), `listen` hears what people did to runs, `intake` takes runs in that were made there,
//! `pools` holds robots and pools together. `client` is the HTTP, `api` the calls.

mod api;
mod client;
mod desk;
mod intake;
mod listen;
mod pools;
mod relay;
mod report;
mod setup;
mod told;

pub use client::{AddressError, Credential, PrefectError, base};
pub use relay::run;

/// Where the server is, and who we are there.
#[derive(Clone, Debug)]
pub struct Config {
    /// Of its API, like `http://127.0.0.1:4200/api`; [`base`] checks it.
    pub base: String,
    pub credential: Credential,
    /// The lab's pool and deployment there; a robot's pool has the robot's name after it.
    pub pool: String,
    /// Addresses of the accounts that runs made there may belong to; the first where a run names nobody.
    pub people: Vec<String>,
    /// Where people find the lab, without the slash at its end.
    pub site: String,
}
