//! Starting the emulator, with errors that name the flag to change, and finding which robot of the lab it is.

use crate::{http, machines};
use anyhow::{Context, bail};
use domain::{Attendance, Deck, RobotKind};
use emulator::{Config, Emulator, StartError};
use store::{NewRobot, Robot, Store};

/// What a lab's first virtual robot is called.
pub const FIRST_NAME: &str = "virtual-1";
/// More virtual robots in one lab are a mistake.
const MOST_ROBOTS: usize = 100;

/// Starts it; `robot_flag` is what this command calls the address of the robot's API.
pub async fn start(config: Config, robot_flag: &str) -> anyhow::Result<Emulator> {
    let robot = config.listen;
    emulator::start(config).await.map_err(|error| match error {
        StartError::Listen { address, source } if address == robot => http::cannot_listen(address, &source, robot_flag),
        StartError::Listen { address, source } => http::cannot_listen(address, &source, "--sensor-listen"),
        other => anyhow::Error::new(other).context("the virtual lab can't be started"),
    })
}

/// The emulator's robot, by who it says it is: under its own name if the lab knows it, or else under the first name that
/// isn't another's. Its sensor is at `sensor`, where that isn't the emulator's own port. Never touches another's robot.
pub async fn join(store: &Store, emulator: &Emulator, sensor: Option<&str>) -> anyhow::Result<Robot> {
    let identity = emulator.identity();
    let robots = store.robots().await?;
    let own = robots.iter().find(|robot| robot.identity.as_deref() == Some(&identity));
    // A deck that somebody has set up stays what it is.
    let deck = own.map_or_else(Deck::default, |own| own.deck.clone());
    let names = match own {
        Some(own) => vec![own.name.clone()],
        None => (1..=MOST_ROBOTS).map(|number| format!("virtual-{number}")).collect(),
    };
    for name in names {
        if is_anothers(robots.iter().find(|robot| robot.name == name), &identity).await {
            continue;
        }
        let joined = store.ensure_machine(robot(name, deck.clone(), emulator, sensor), &identity).await;
        if let Some(robot) = joined.context("the virtual robot can't be added")? {
            return Ok(robot);
        }
    }
    bail!("the names virtual-1 to virtual-{MOST_ROBOTS} are all other robots': use a database of your own")
}

/// Whether a name is taken: by a real robot, by a machine that has said who it is, or by one that hasn't and is there.
async fn is_anothers(known: Option<&Robot>, identity: &str) -> bool {
    let Some(known) = known else { return false };
    match &known.identity {
        _ if known.attendance != Attendance::Virtual => true,
        Some(other) => other != identity,
        None => machines::who_is_at(&known.url).await.is_some_and(|there| there != identity),
    }
}

fn robot(name: String, deck: Deck, emulator: &Emulator, sensor: Option<&str>) -> NewRobot {
    NewRobot {
        name,
        kind: RobotKind::Ot2,
        url: format!("http://{}", emulator.robot_addr()),
        sensor_url: sensor.map_or_else(|| format!("tcp://{}", emulator.sensor_addr()), str::to_owned),
        attendance: Attendance::Virtual,
        deck,
    }
}
