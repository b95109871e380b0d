//! The whole system as people meet it: the real binary as a process, spoken to over HTTP, killed, started again.
//!
//! `process` runs the binary, `client` speaks its API, `ledger` reads what physically happened, `cut`
//! takes the database away; one file a promise.

mod backup;
mod bench;
mod broker;
mod browser;
mod client;
mod command_line;
mod crash;
mod cut;
mod documents;
mod first_minute;
mod full_disk;
mod institution;
mod ledger;
mod mail;
mod moving;
mod passkeys;
mod postgres_backup;
mod prefect;
mod probes;
mod process;
mod proxied;
mod refusals;
mod restarts;
mod script;
mod separate;
mod single_sign_on;
mod slow_clients;
mod story;
mod two_labs;
mod watched;
mod webdriver;
