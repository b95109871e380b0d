//! `crash`: as many faults as asked, from a seed; exit code 1 and the whole story when a promise was broken.

use anyhow::Result;
use clap::Parser;
use crash::{Settings, database::Kind, fault::Mix, run::Broken};
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// Breaks a whole Tincture lab in seeded random ways and checks that it kept its promises.
#[derive(Debug, Parser)]
struct Arguments {
    /// Reproduces the schedule of faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults that must take effect
    #[arg(long, default_value_t = 200)]
    faults: u64,
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Kind,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    robots: u8,
    /// Times a real OT-2's speed
    #[arg(long, default_value_t = 200.0)]
    speed: f64,
    #[arg(long, value_enum, default_value_t)]
    mix: Mix,
    /// Robots, from the first, that have an operator
    #[arg(long, default_value_t = 0)]
    attended: u8,
    /// What breaks at the first robot and is never repaired
    #[arg(long, value_enum)]
    broken: Option<Broken>,
    /// A bug to switch on, to see it caught: no-fence, no-lookup or late-intent
    #[arg(long)]
    sabotage: Option<String>,
    /// The longest time between two faults, ms
    #[arg(long, default_value_t = 400)]
    gap: u64,
    /// Seconds after which no more faults are injected
    #[arg(long, default_value_t = 3_600)]
    longest: u64,
    /// Seconds to wait for the end of all experiments
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// Keep the processes' logs here
    #[arg(long)]
    directory: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let settings = Settings {
        robots: usize::from(arguments.robots),
        speed: arguments.speed,
        attended: usize::from(arguments.attended.min(arguments.robots)),
        broken: arguments.broken,
        mix: arguments.mix,
        sabotage: arguments.sabotage,
        gap: Duration::from_millis(arguments.gap),
        longest: Duration::from_secs(arguments.longest),
        patience: Duration::from_secs(arguments.patience),
        directory: arguments.directory,
        ..Settings::new(arguments.seed, arguments.faults, arguments.database)
    };
    let report = crash::run(&settings).await?;
    write!(io::stdout(), "{report}")?;
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
