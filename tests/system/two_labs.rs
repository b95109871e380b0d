//! Two `tincture up` on one database: two machines are two robots, and one machine is one.

use crate::{
    client::{Client, eight_wells, measured},
    ledger,
    process::{ADMIN, PASSWORD, Process, run, tincture, up},
};
use domain::RobotKind;
use serde_json::Value;
use std::{path::Path, process::Command};
use store::testing::TestDatabase;

struct Up {
    process: Process,
    address: String,
    robot: String,
}

fn start(database: &str, data_dir: &Path) -> Up {
    let mut command = up(data_dir);
    command.args(["--speed", "600", "--seed", "7"]);
    command.env("TINCTURE_DATABASE_URL", database).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    let mut process = Process::spawn(command);
    let address = process.word_after("Tincture is ready: ");
    let robot = process.word_after("Virtual OT-2 ");
    Up { process, address, robot }
}

async fn addresses(database: &TestDatabase) -> Vec<(String, String)> {
    let robots = database.store.robots().await.expect("robots");
    robots.into_iter().map(|robot| (robot.name, robot.url)).collect()
}

#[tokio::test]
async fn two_labs_on_one_database_have_two_robots() {
    let database = TestDatabase::postgres().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (here, there) = (directory.path().join("here"), directory.path().join("there"));
    let first = start(&database.url, &here);
    let mut second = start(&database.url, &there);
    assert_eq!(second.process.word_after("Its name "), "virtual-2");
    let client = Client::sign_in(&first.address, ADMIN, PASSWORD).await;
    let both = |first: &Up, second: &Up| {
        vec![("virtual-1".to_owned(), first.robot.clone()), ("virtual-2".to_owned(), second.robot.clone())]
    };
    assert_eq!(addresses(&database).await, both(&first, &second), "neither overwrote the other");

    let mut experiments = Vec::new();
    for _ in 0..2 {
        experiments.push(client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned());
    }
    let mut completed = Vec::new();
    for id in &experiments {
        completed.push(client.until_completed(id).await);
    }
    // Only now: while one robot is done with A1, the other may still be mixing its own.
    let ledgers = [ledger::read(&first.robot).await, ledger::read(&second.robot).await];
    for experiment in &completed {
        let wells = measured(experiment);
        let at = wells[0]["well_id"].as_str().expect("allotted");
        // Either robot may have taken it; the one that did has all of it.
        let robot = ledgers.iter().filter(|ledger| !ledger::dispensed(ledger, at).is_empty());
        robot.for_each(|ledger| ledger::assert_as_asked(ledger, &wells));
    }
    let strokes = |ledger: &Vec<Value>| ledger.iter().filter(|entry| entry["kind"] == "dispense").count();
    let asked: usize = eight_wells().iter().map(|well| well.as_object().map_or(0, serde_json::Map::len)).sum();
    assert_eq!(ledgers.iter().map(strokes).sum::<usize>(), 2 * asked, "each drop once, on whichever robot");

    assert!(second.process.stop().success());
    let second = start(&database.url, &there);
    assert_eq!(addresses(&database).await, both(&first, &second), "it found its own robot again, at its new address");
    let on = |arguments: &[&str]| -> Command {
        let mut command = tincture(arguments);
        command.env("TINCTURE_DATABASE_URL", &database.url);
        command
    };
    let sensor = ["--sensor", "tcp://127.0.0.1:9"];
    let elsewhere = first.robot.replace("127.0.0.1", "localhost");
    for (url, says) in [(first.robot.as_str(), "is the address of virtual-1"), (&elsewhere, "is virtual-1 already")] {
        let refused = run(on(&[&["robot", "add", "bench-1", "--url", url][..], &sensor[..]].concat()));
        assert!(!refused.status.success() && refused.stderr.contains(says), "{refused:?}");
    }
    assert_eq!(addresses(&database).await.len(), 2);
    assert!(first.process.stop().success());
    assert!(second.process.stop().success());
}

#[tokio::test]
async fn a_robot_from_before_machines_had_names_is_found_again_unless_it_is_there() {
    let database = TestDatabase::postgres().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let old = |name: &str, url: &str, attendance| store::NewRobot {
        name: name.to_owned(),
        kind: RobotKind::Ot2,
        url: url.to_owned(),
        sensor_url: "tcp://127.0.0.1:9".to_owned(),
        attendance,
        deck: domain::Deck::default(),
    };
    let mut alive =
        Process::spawn(tincture(&["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0"]));
    let robots = [
        old("virtual-1", &alive.word_after("Virtual OT-2 "), domain::Attendance::Virtual),
        old("virtual-2", "http://127.0.0.1:9", domain::Attendance::Operator),
        old("virtual-3", "http://127.0.0.1:9", domain::Attendance::Virtual),
    ];
    for robot in robots.clone() {
        database.store.ensure_robot(robot).await.expect("a robot");
    }
    let mut lab = start(&database.url, &directory.path().join("data"));
    assert_eq!(lab.process.word_after("Its name "), "virtual-3", "the one that nobody is there for");
    let urls: Vec<_> = addresses(&database).await.into_iter().map(|(_, url)| url).collect();
    assert_eq!(urls, [robots[0].url.clone(), robots[1].url.clone(), lab.robot.clone()]);
    assert!(lab.process.stop().success());
}
