//! `tincture`: the command line, the configuration and the wiring. What the lab *does* lives in the other crates.
//!
//! Read `cli` for what can be asked, `settings` for what can be configured, and one file a command in `commands`.

mod app;
mod banner;
mod cli;
mod commands;
mod data_dir;
mod database;
mod descriptors;
mod housekeeping;
mod http;
mod machines;
mod memory;
mod monitoring;
mod sealing;
mod settings;
mod shutdown;
mod virtual_lab;

use clap::Parser;
use cli::{Cli, Command};
use settings::Settings;
use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
};
use tokio::runtime::Builder;

/// glibc keeps memory that was freed, a piece a thread; this allocator gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An idle lab needs two; each further one costs memory, and a busy API is limited by its database before this.
const MOST_THREADS: usize = 8;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.command.stays() {
        memory::give_back_at_once();
        memory::in_small_pages();
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, nobody is there to be told.
            let _ = writeln!(io::stderr(), "tincture: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let effective = settings::load(cli.config.as_deref(), &cli.flags())?;
    match &cli.command {
        Command::Config => return commands::config::run(&effective.lines),
        Command::Openapi => return commands::openapi::run(),
        _ => {}
    }
    let settings = effective.settings;
    telemetry::init_logs(settings.log_format.into(), &settings.log)?;
    descriptors::raise_limit();
    let threads = thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, MOST_THREADS));
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let outcome = runtime.block_on(dispatch(&cli.command, &settings));
    // A blocking thread (a password hash, say) must not hold up the end of the process.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    match command {
        Command::Up(up) => commands::up::run(settings, up.monitoring).await,
        Command::Serve(_) => commands::serve::run(settings).await,
        Command::Worker(worker) => commands::worker::run(settings, &worker.robot).await,
        Command::Emulator(emulator) => commands::emulator::run(settings, emulator).await,
        Command::Migrate(migrate) => commands::migrate::run(settings, migrate).await,
        Command::Backup(backup) => commands::backup::run(settings, backup).await,
        Command::Database(database) => commands::database::run(settings, database).await,
        Command::User(user) => commands::user::run(settings, user).await,
        Command::Group(group) => commands::group::run(settings, group).await,
        Command::Token(token) => commands::token::run(settings, token).await,
        Command::Audit(audit) => commands::audit::run(settings, audit).await,
        Command::Keys(keys) => commands::keys::run(settings, keys).await,
        Command::Robot(robot) => commands::robot::run(settings, robot).await,
        Command::Experiment(experiment) => commands::experiment::run(settings, experiment).await,
        Command::Protocol(protocol) => commands::protocol::run(settings, protocol).await,
        Command::Config | Command::Openapi => Ok(()),
    }
}

/// An error with its causes as one sentence. Some errors quote their cause already; it isn't said twice.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        said if said.ends_with(&cause) => said.to_owned(),
        said => format!("{said}: {cause}"),
    })
}
