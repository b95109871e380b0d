//! What those who run the lab ask for: robots told and attended, experiments steered.

use clap::{Args, Subcommand, ValueEnum};
use domain::{Attendance, ExperimentId, RobotKind, Slot, Volume, WellName};

/// In whose name. Whoever has the database at hand is trusted to say it truly; the log shows it.
#[derive(Args, Clone, Debug)]
pub struct By {
    /// The account in whose name it is done and logged [default: the first administrator]
    #[arg(long = "as", value_name = "EMAIL", global = true)]
    pub email: Option<String>,
}

/// One robot, or all of them.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// The robot's name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub name: Option<String>,
    /// Every robot of the lab
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub by: By,
}

/// What of a robot is to be otherwise.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct RobotEdit {
    /// Of the OT-2's HTTP API
    #[arg(long)]
    pub url: Option<String>,
    /// Of the colour sensor
    #[arg(long)]
    pub sensor: Option<String>,
    /// How it is spoken to
    #[arg(long)]
    pub kind: Option<RobotKind>,
    /// operator: a person answers its questions; virtual: it is a `tincture emulator`
    #[arg(long)]
    pub attendance: Option<Attendance>,
}

/// What somebody sees on a nozzle.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Seen {
    Nothing,
    EmptyTip,
    TipWithLiquid,
    Sensor,
}

/// What was done at a deck.
#[derive(Clone, Debug, Subcommand)]
pub enum Act {
    /// A clean plate lies on the deck
    NewPlate,
    /// A full tip rack lies in the slot
    NewTips {
        /// Its slot on the deck, 1-11
        #[arg(value_parser = slot)]
        slot: Slot,
    },
    /// A vial was filled again
    Refill {
        /// Where it stands in the rack, like B1
        #[arg(value_parser = well)]
        vial: WellName,
        /// µL in it now [default: full]
        #[arg(long, value_name = "UL", value_parser = microlitres)]
        volume: Option<Volume>,
        /// The bottle it was filled from
        #[arg(long)]
        batch: Option<String>,
    },
    /// The waste vial is empty
    EmptyWaste,
    /// The sensor's window was cleaned
    SensorCleaned,
    /// The sensor's battery was charged
    SensorCharged,
    /// Whatever hung on the nozzle was taken off by hand
    NozzleCleared,
    /// Somebody has looked what hangs on the nozzle: the answer to a step in doubt
    NozzleHolds {
        #[arg(value_enum)]
        holds: Seen,
    },
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture experiment list
  tincture experiment show 0190c5d2-7b1e-7cc3-9d0a-4b1f6f0e2a11
  tincture experiment cancel 0190c5d2-7b1e-7cc3-9d0a-4b1f6f0e2a11 --as olga@example.org
  tincture experiment protocol 0190c5d2-7b1e-7cc3-9d0a-4b1f6f0e2a11 --of plan > mix.py

Operators and administrators see and steer everybody's experiments, others their own.")]
pub enum Experiment {
    /// List experiments, newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        #[command(flatten)]
        by: By,
    },
    /// Show one with its wells
    Show(WhichExperiment),
    /// Send nothing more for it after the step in flight
    Pause(WhichExperiment),
    /// Put it back into the queue, to go on where it stopped
    Resume(WhichExperiment),
    /// End it and return the quota of what wasn't measured
    Cancel(WhichExperiment),
    /// Resume it, or ask again for what wasn't measured if it has ended
    Retry(WhichExperiment),
    /// Write it as a protocol that an OT-2 runs by itself
    Protocol {
        #[command(flatten)]
        which: WhichExperiment,
        /// Python for people, JSON for programs
        #[arg(long, value_enum, default_value_t = Language::Python)]
        language: Language,
        /// As it would be mixed, or as it was; without this what was carried out, if anything was
        #[arg(long, value_enum)]
        of: Option<ProtocolOf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Language {
    Python,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProtocolOf {
    Plan,
    Run,
}

#[derive(Args, Clone, Debug)]
pub struct WhichExperiment {
    pub id: ExperimentId,
    #[command(flatten)]
    pub by: By,
}

fn slot(text: &str) -> Result<Slot, String> {
    let slot = text.parse().ok().filter(|slot| (1..=11).contains(slot));
    slot.map(Slot).ok_or_else(|| "it must be a slot of the deck, 1-11".to_owned())
}

fn well(text: &str) -> Result<WellName, String> {
    text.parse().map_err(|error: domain::WellNameError| error.to_string())
}

fn microlitres(text: &str) -> Result<Volume, String> {
    let number: f64 = text.parse().map_err(|_| "it must be a number of µL".to_owned())?;
    Volume::from_ul(number).map_err(|error| error.to_string())
}
