//! What can be asked on the command line. Flags override settings, so each one here only names the setting it stands for.

mod audit;
mod backup;
mod database;
mod group;
mod protocol;
mod steer;

pub use audit::{Audit, WhichLines};
pub use backup::{Backup, BackupAct, BackupKind, Configure, Restore};
pub use database::{Database, RoleNames};
pub use group::Group;
pub use protocol::{Import, Protocol};
pub use steer::{Act, By, Experiment, Language, ProtocolOf, RobotEdit, Seen, Which, WhichExperiment};

use crate::{
    monitoring::Wanted,
    settings::{Flag, LogFormat},
};
use clap::{Args, Parser, Subcommand};
use domain::{BlankCheck, MOST_READS, PipetteModel, RobotKind, Role, Scope, ServiceKind};
use secret::Secret;
use std::{net::SocketAddr, path::PathBuf};

/// A self-driving colour lab in one binary: ask for a mixture, a robot makes it, you hold the measured colour.
#[derive(Debug, Parser)]
#[command(name = "tincture", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Configuration file [default: ./tincture.toml, if there is one] [env: TINCTURE_CONFIG]
    #[arg(long, global = true, value_name = "FILE", env = "TINCTURE_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// How log lines look on standard error [default: human]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tincture up                            the whole lab in one process, with a virtual robot
  tincture up --listen 127.0.0.1:0       … on a free port
  tincture up --speed 600 --seed 7       … fast and repeatable, for tests and teaching
  tincture emulator                      only a virtual OT-2 at its usual port, for other programs
  tincture emulator --mqtt mqtt://127.0.0.1:1883/virtual-1
                                         … with its sensor on a broker too
  tincture emulator --mqtt mqtt://127.0.0.1:1883/virtual-1 --script OT2VIRT1
                                         … and moved by a training lab's script there
  tincture config                        what is configured, and where each value comes from

For an institution, with PostgreSQL and real robots:
  export TINCTURE_DATABASE_URL=postgres://tincture@db/tincture
  tincture migrate
  tincture robot add bench-1 --url http://10.0.0.21:31950 --sensor tcp://10.0.0.31:5000
  tincture serve --listen 0.0.0.0:8080
  tincture worker --robot bench-1 --listen 127.0.0.1:9100

Every setting is also a key of tincture.toml and a variable TINCTURE_<KEY>; flags win over the environment,
the environment over the file.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole lab in one process: pages, API, worker, database, virtual OT-2 and sensor
    Up(Up),
    /// Run the pages and the API; robots are driven by `tincture worker`
    Serve(Serve),
    /// Drive robots: take experiments from the queue and carry them out
    Worker(Worker),
    /// Run a virtual OT-2 and colour sensor, for other programs or for trying things out
    Emulator(Emulator),
    /// Make the database where there is none yet, and bring its schema up to date; or move a whole lab to PostgreSQL
    Migrate(Migrate),
    /// Make, list, verify, restore and prune backups of the database
    Backup(Backup),
    /// Make the roles of PostgreSQL that the lab needs
    #[command(subcommand)]
    Database(Database),
    /// Make and change accounts
    #[command(subcommand)]
    User(User),
    /// Make groups (classes, courses), their teachers, members and quota
    #[command(subcommand)]
    Group(Group),
    /// Make, list and revoke API tokens, of people and of services
    #[command(subcommand)]
    Token(Token),
    /// Verify, list and export the activity log: who did what
    #[command(subcommand)]
    Audit(Audit),
    /// List and replace the keys that sign access tokens
    #[command(subcommand)]
    Keys(Keys),
    /// Add, list, hold and attend robots
    #[command(subcommand)]
    Robot(Robot),
    /// List, show and steer experiments
    #[command(subcommand)]
    Experiment(Experiment),
    /// Bring an Opentrons protocol in as an experiment
    #[command(subcommand)]
    Protocol(Protocol),
    /// Print the configuration in force, with secrets masked
    Config,
    /// Print the API's OpenAPI 3.1 document
    Openapi,
}

#[derive(Args, Debug)]
pub struct Up {
    /// Address of the pages and the API; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where the database and the virtual lab are kept [default: ./tincture-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the virtual OT-2's API; port 0 takes a free one [default: 127.0.0.1:31950]
    #[arg(long, value_name = "ADDRESS")]
    pub robot_listen: Option<SocketAddr>,
    /// Start Prometheus beside the lab, if it is installed, and say how Grafana shows it [address: 127.0.0.1:9090, or a free port]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "usual", value_parser = monitoring)]
    pub monitoring: Option<Wanted>,
    #[command(flatten)]
    pub virtual_lab: VirtualLab,
}

/// What both commands with an emulator take.
#[derive(Args, Debug)]
pub struct VirtualLab {
    /// How many times faster than a real OT-2 the virtual one moves [default: 20 for `up`, 1 for `emulator`]
    #[arg(long, value_name = "TIMES", value_parser = speed)]
    pub speed: Option<f64>,
    /// Makes pipetting error and sensor noise repeatable
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Hang the sensor on this MQTT broker too, as a training lab's does, like mqtt://127.0.0.1:1883/virtual-1
    #[arg(long, value_name = "URL")]
    pub mqtt: Option<String>,
}

#[derive(Args, Debug)]
pub struct Serve {
    /// Address of the pages and the API; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where the embedded database is, when TINCTURE_DATABASE_URL isn't set [default: ./tincture-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Worker {
    /// A robot to drive, by name; may be given more than once [default: every robot that nobody drives]
    #[arg(long, value_name = "NAME")]
    pub robot: Vec<String>,
    /// Answer /healthz, /readyz and /metrics here; port 0 takes a free one [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where the embedded database is, when TINCTURE_DATABASE_URL isn't set [default: ./tincture-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Emulator {
    /// Address of the OT-2's HTTP API; port 0 takes a free one [default: 127.0.0.1:31950]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Address of the sensor's JSON lines over TCP; port 0 takes a free one [default: 127.0.0.1:31951]
    #[arg(long, value_name = "ADDRESS")]
    pub sensor_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub virtual_lab: VirtualLab,
    /// Keep what is in the wells here, so that it survives a restart
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Seconds for which the robot answers 503 after its start, as a real one does
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds)]
    pub boot: f64,
    /// Mount a p20 on the left, for volumes of 1–20 µL, instead of a second p300
    #[arg(long, conflicts_with = "left")]
    pub with_p20: bool,
    /// The pipette on the left mount, like p1000_single_gen2 [default: p300_single_gen2]
    #[arg(long, value_name = "MODEL")]
    pub left: Option<PipetteModel>,
    /// The pipette on the right mount [default: p300_single_gen2]
    #[arg(long, value_name = "MODEL")]
    pub right: Option<PipetteModel>,
    /// Take Python protocols too: the interpreter of an environment with the package `opentrons` (8.8.2 is known to work)
    #[arg(long, value_name = "PYTHON")]
    pub opentrons: Option<PathBuf>,
    /// What befalls the virtual lab: a JSON file of requests to /emulator and when they are made (docs/emulator.md)
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Move the robot on the sensor's broker too, as the training labs' script does: the serial of its topics. Needs --mqtt
    #[arg(long, value_name = "SERIAL")]
    pub script: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Moving a lab from the embedded database to PostgreSQL, with everything that runs on either stopped:
  tincture migrate --from sqlite://tincture-data/tincture.sqlite --to postgres://tincture@db/tincture

Interrupted, the same command goes on where it ended. The lab can be used again when it says so: on PostgreSQL, where people
are still signed in; the old database is refused from then on. docs/moving.md tells more.
A password is better not in the URL, since every process on the machine can read that: put it in PGPASSWORD or ~/.pgpass.")]
pub struct Migrate {
    /// The embedded database of the lab to move, sqlite://FILE
    #[arg(long, value_name = "URL", requires = "to")]
    pub from: Option<Secret>,
    /// Where it is moved to: an empty PostgreSQL database, postgres://…
    #[arg(long, value_name = "URL", requires = "from")]
    pub to: Option<Secret>,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture user create ada@example.org --role researcher --quota 480
  printf '%s' \"$PASSWORD\" | tincture user create ada@example.org --password-stdin
  tincture user set-quota ada@example.org 960

A password is never an argument, since every process on the machine can read those.")]
pub enum User {
    /// Make an account; prints a one-time password unless one comes by --password-stdin
    Create {
        email: String,
        #[arg(long, default_value = "student", value_parser = role)]
        role: Role,
        /// Wells that the person may ask for
        #[arg(long, default_value_t = 96, value_name = "WELLS", value_parser = clap::value_parser!(i32).range(0..))]
        quota: i32,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List accounts
    List,
    /// Change what somebody may do: student, researcher, operator or admin
    SetRole {
        email: String,
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Change how many wells somebody may still ask for
    SetQuota {
        email: String,
        #[arg(value_parser = clap::value_parser!(i32).range(0..))]
        wells: i32,
    },
    /// Show where somebody's quota comes from, and what changed it
    Quota { email: String },
    /// Sign somebody out everywhere, end their API tokens, and let them in no more; what they asked for goes on
    Disable { email: String },
    /// Let somebody in again
    Enable { email: String },
    /// Write all that is stored of somebody into a file, or to standard output: JSON Lines
    Export {
        email: String,
        /// A new file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make all that somebody did nobody's: name, address, password and sessions go, experiments and readings stay
    Erase {
        email: String,
        /// That it is meant: it can't be taken back
        #[arg(long)]
        yes: bool,
    },
    /// Take somebody's second factors, who lost them, and sign them out: app, recovery codes and passkeys
    ResetFactor { email: String },
    /// Print a one-time link by which somebody chooses their password: the way in again, for a day
    Link { email: String },
    /// Make the accounts of a class from a sheet (CSV with the columns email, name, role, quota, group): all or none
    ///
    /// Each new person gets a one-time link: by mail where a mail server is configured, otherwise they are printed as a CSV,
    /// this once. Whoever has an account already is left alone, but for the group that the sheet puts them into.
    Import {
        /// `-` for standard input
        file: PathBuf,
        /// Only say line by line what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Make an invitation and print its link, this once: whoever has it makes an account
    Invite {
        /// Only for this address, once; a mail is sent there where a mail server is configured
        #[arg(long)]
        email: Option<String>,
        #[arg(long, default_value = "student", value_parser = role)]
        role: Role,
        /// Wells of their own that each of them may ask for [default: 96; with a group 0]
        #[arg(long, value_name = "WELLS", value_parser = clap::value_parser!(i32).range(0..))]
        quota: Option<i32>,
        /// The group that they join, with its allowance
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Accounts that it is for, 1-1000
        #[arg(long, default_value_t = 1, value_name = "N")]
        uses: u16,
        /// Days until it runs out, 1-365
        #[arg(long, default_value_t = auth::USUAL_INVITATION_DAYS, value_name = "N")]
        days: u16,
    },
    /// List invitations
    Invitations,
    /// End an invitation at once; accounts that were made with it stay
    Uninvite { id: String },
    /// List people who asked for an account and wait for an administrator
    Waiting,
    /// Give an account to somebody who waits
    Approve {
        email: String,
        /// As the configuration says unless given
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// As the configuration says unless given
        #[arg(long, value_name = "WELLS", value_parser = clap::value_parser!(i32).range(0..))]
        quota: Option<i32>,
    },
    /// Forget that somebody waits for an account; they aren't told
    Refuse { email: String },
    /// Change somebody's password, sign them out everywhere and end their API tokens; prints a new one unless --password-stdin
    SetPassword {
        email: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  TOKEN=$(tincture token create ada@example.org --name 'night runs' --scope read --scope experiments)
  tincture token list ada@example.org
  tincture token create --service monitoring --name prometheus")]
pub enum Token {
    /// Make a token and print it, this once: for notebooks and scripts, instead of a password
    Create {
        /// Whose it is: it may never do more than they may
        #[arg(required_unless_present = "service", conflicts_with = "service")]
        email: Option<String>,
        /// For a program that is nobody's instead: monitoring (the figures) or display (a screen on the wall)
        #[arg(long, value_parser = service)]
        service: Option<ServiceKind>,
        /// What it is called in lists
        #[arg(long)]
        name: String,
        /// What it may do: read, experiments or operate; may be given more than once
        #[arg(long = "scope", value_name = "SCOPE", required_unless_present = "service", conflicts_with = "service", value_parser = scope)]
        scopes: Vec<Scope>,
        /// Days until it runs out [default: 90; of a service as many as `token_days` allows]
        #[arg(long, value_name = "N")]
        days: Option<u16>,
    },
    /// List somebody's tokens, or those of services, without the secrets
    List {
        #[arg(required_unless_present = "services")]
        email: Option<String>,
        /// Those of programs that are nobody's
        #[arg(long, conflicts_with = "email")]
        services: bool,
    },
    /// End a token at once
    Revoke {
        /// As `tincture token list` shows it
        id: String,
    },
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A key that somebody else may have: `tincture keys rotate`, then `tincture keys retire KID` with the old one's. People
stay signed in; programs renew their access tokens by themselves.")]
pub enum Keys {
    /// List them: the one that signs, then those that still verify
    List,
    /// Make a new key that signs from now on; the old one verifies until its last token has run out
    Rotate,
    /// Forget a replaced key before its time
    Retire {
        /// As `tincture keys list` shows it
        kid: String,
    },
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture robot add bench-1 --url http://10.0.0.21:31950 --sensor tcp://10.0.0.31:5000
  tincture robot add bench-2 --url http://10.0.0.22:31950 --sensor mqtts://broker:8883/e66130100f8c9928
  tincture robot add bench-3 --kind script --url mqtts://broker:8883/OT2CEP20240218R04 --sensor mqtts://broker:8883/e66130100f8c9928
  tincture robot add sim --url http://127.0.0.1:31950 --sensor tcp://127.0.0.1:31951 --virtual
  tincture robot export bench-1 > bench-1.toml
  tincture robot apply bench-1.toml --dry-run
  tincture robot rename bench-1 window-bench
  tincture robot pause bench-1 --as olga@example.org
  tincture robot act bench-1 refill B1 --batch R-2024-07
  tincture robot resume bench-1")]
pub enum Robot {
    /// Add a robot with the default deck, or change the addresses of one
    Add {
        name: String,
        /// Of the OT-2's HTTP API, or of its script: mqtts://broker:8883/OT2_SERIAL (or mqtt://)
        #[arg(long)]
        url: String,
        /// Of the colour sensor: mqtts://broker:8883/PICO_ID (or mqtt://), serial:///dev/ttyACM0?baud=115200, tcp://host:port
        #[arg(long)]
        sensor: String,
        /// How it is spoken to: ot2, by its own HTTP API, or script, by the training labs' script on an MQTT broker
        #[arg(long, default_value_t = RobotKind::Ot2)]
        kind: RobotKind,
        /// It is a `tincture emulator`: plates, tips and dyes renew themselves, nobody has to answer its questions
        #[arg(long = "virtual")]
        is_virtual: bool,
        /// A p20 hangs on the left mount
        #[arg(long, conflicts_with_all = ["left", "right"])]
        with_p20: bool,
        /// The pipette on the left mount, like p1000_single_gen2
        #[arg(long, value_name = "MODEL")]
        left: Option<PipetteModel>,
        /// The pipette on the right mount; a new robot has p300_single_gen2 there unless either is given
        #[arg(long, value_name = "MODEL")]
        right: Option<PipetteModel>,
        /// Which wells of a new plate are looked at before the first drop: none, sample (up to four of each plate) or all
        /// [default: sample]
        #[arg(long, value_parser = blank_check)]
        blank_check: Option<BlankCheck>,
        /// How far from its prediction a measured well may be before it is called doubtful, ΔE2000. Raise it where the
        /// dyes are unlike the library's [default: 3]
        #[arg(long, value_parser = delta_e)]
        doubt_delta_e: Option<f64>,
        /// How often each well is read; the mean counts. Each reading takes 0.6 s [default: 4]
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_READS)))]
        reads: Option<u8>,
        #[command(flatten)]
        by: By,
    },
    /// Change a robot's addresses, or who answers its questions
    Edit {
        name: String,
        #[command(flatten)]
        edit: RobotEdit,
        #[command(flatten)]
        by: By,
    },
    /// Call a robot otherwise: history, experiments and its worker stay with it
    Rename {
        name: String,
        to: String,
        #[command(flatten)]
        by: By,
    },
    /// Take a robot out of the lab: what it did stays
    Remove {
        name: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        by: By,
    },
    /// Make a robot what a file says (TOML, or JSON if it is called so): shows what changes, and does it in one go
    Apply {
        file: PathBuf,
        /// Show only what would change
        #[arg(long)]
        dry_run: bool,
        /// Another plate, rack or dye may take the place of one that is counted, and experiments may be left that no robot can mix
        #[arg(long)]
        replace: bool,
        /// The robot's name now, where the file has a new one
        #[arg(long, value_name = "NAME")]
        robot: Option<String>,
        #[command(flatten)]
        by: By,
    },
    /// Write a robot as a file that `apply` takes
    Export {
        name: String,
        /// JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
    /// List robots and what they do
    List,
    /// Show one: what it does, waits for and has left
    Show { name: String },
    /// Look whether it is ready for experiments: machine, pipettes, sensor; says line by line what to put right
    Check {
        name: String,
        /// Tell it what stands on its deck, too: takes the robot for a moment, moves nothing
        #[arg(long)]
        load_deck: bool,
    },
    /// Finish the step in flight, put everything down, send nothing more
    Pause(Which),
    /// Go on; also says that somebody has looked and it is safe
    Resume(Which),
    /// Finish the experiment in hand and take no other
    Drain(Which),
    /// Emergency stop: send nothing more, not even to put things down
    Stop(Which),
    /// Confirm what was done at its deck, while it stands still
    Act {
        name: String,
        #[command(subcommand)]
        act: Act,
        #[command(flatten)]
        by: By,
    },
}

impl Command {
    /// Whether it runs until it is told to end.
    pub const fn stays(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Serve(_) | Self::Worker(_) | Self::Emulator(_))
    }
}

impl Cli {
    /// The settings that flags override.
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags = Flags::default();
        if let Some(format) = self.log_format {
            flags.set("log_format", Some(if format == LogFormat::Json { "json" } else { "human" }));
        }
        match &self.command {
            Command::Up(up) => {
                flags.set("listen", up.listen);
                flags.set("data_dir", up.data_dir.as_ref().map(|path| path.display()));
                flags.set("robot_listen", up.robot_listen);
                flags.virtual_lab(&up.virtual_lab);
            }
            Command::Serve(serve) => {
                flags.set("listen", serve.listen);
                flags.set("data_dir", serve.data_dir.as_ref().map(|path| path.display()));
            }
            Command::Worker(worker) => {
                flags.set("worker_listen", worker.listen);
                flags.set("data_dir", worker.data_dir.as_ref().map(|path| path.display()));
            }
            Command::Emulator(emulator) => {
                flags.set("robot_listen", emulator.listen);
                flags.set("sensor_listen", emulator.sensor_listen);
                flags.virtual_lab(&emulator.virtual_lab);
            }
            Command::Backup(backup) => flags.set("data_dir", backup.data_dir.as_ref().map(|path| path.display())),
            Command::Migrate(_)
            | Command::Database(_)
            | Command::User(_)
            | Command::Group(_)
            | Command::Token(_)
            | Command::Audit(_)
            | Command::Keys(_)
            | Command::Robot(_)
            | Command::Experiment(_)
            | Command::Protocol(_)
            | Command::Config
            | Command::Openapi => {}
        }
        flags.0
    }
}

#[derive(Default)]
struct Flags(Vec<Flag>);

impl Flags {
    fn set(&mut self, setting: &'static str, value: Option<impl ToString>) {
        self.0.extend(value.map(|value| (setting, value.to_string())));
    }

    fn virtual_lab(&mut self, lab: &VirtualLab) {
        self.set("speed", lab.speed);
        self.set("seed", lab.seed);
        self.set("sensor_mqtt", lab.mqtt.as_deref());
    }
}

fn monitoring(text: &str) -> Result<Wanted, String> {
    match text {
        "usual" => Ok(Wanted::Usual),
        address => {
            address.parse().map(Wanted::At).map_err(|_| "write an address and a port, like 127.0.0.1:9090".to_owned())
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed > 0.0 => Ok(speed),
        _ => Err("it must be a number above 0; 1 is a real OT-2's speed".to_owned()),
    }
}

/// An hour is more than any robot boots.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it must be a number of seconds, 0–3600".to_owned()),
    }
}

fn delta_e(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(limit) if (1.0..=100.0).contains(&limit) => Ok(limit),
        _ => Err("it must be a number from 1 (a lab can't be surer) to 100 (nothing is doubted)".to_owned()),
    }
}

fn blank_check(text: &str) -> Result<BlankCheck, String> {
    text.parse().map_err(|_| "it must be none, sample or all".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|_| "it must be read, experiments or operate".to_owned())
}

fn service(text: &str) -> Result<ServiceKind, String> {
    text.parse().map_err(|_| "it must be monitoring or display".to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| "it must be student, researcher, operator or admin".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
