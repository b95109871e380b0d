//! One machine is one robot, and a database that is older than its deck is noticed: no physical well is used twice.

use crash::{
    api::{Account, Session},
    binary,
    hands::Hands,
    process::{Process, Recipe},
};
use emulator::world::{Entry, Event, PLATE_SLOT};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use store::testing::TestDatabase;
use tokio::time::{Instant, sleep};

const PASSWORD: &str = "correct horse battery";
const LIMIT: Duration = Duration::from_secs(120);

/// `tincture up` in a directory of its own.
struct Up {
    process: Process,
    server: SocketAddr,
    robot: SocketAddr,
}

async fn recipe(directory: &Path, name: &str, database: Option<&str>) -> Recipe {
    let binary = tokio::task::spawn_blocking(binary::find).await.expect("no panic").expect("a binary");
    let data = directory.join(name).display().to_string();
    let arguments =
        ["up", "--listen", "127.0.0.1:0", "--robot-listen", "127.0.0.1:0", "--speed", "1000", "--data-dir", &data];
    let mut environment = vec![("TINCTURE_ADMIN_PASSWORD".to_owned(), PASSWORD.to_owned())];
    environment.extend(database.map(|url| ("TINCTURE_DATABASE_URL".to_owned(), url.to_owned())));
    Recipe {
        name: name.to_owned(),
        binary,
        arguments: arguments.map(str::to_owned).to_vec(),
        environment,
        directory: directory.to_owned(),
    }
}

async fn up(recipe: &Recipe) -> anyhow::Result<Up> {
    let (process, lines) = recipe.start(&["Tincture is ready: ", "Virtual OT-2 "]).await?;
    let address = |line: &String| {
        let after = line.split_once("http://").map(|(_, rest)| rest).unwrap_or_default();
        after.split_whitespace().next().unwrap_or_default().trim_end_matches('/').parse()
    };
    Ok(Up { process, server: address(&lines[0])?, robot: address(&lines[1])? })
}

async fn administrator(server: SocketAddr) -> Session {
    let account = Account { email: "admin@localhost".to_owned(), password: PASSWORD.to_owned(), granted: 960 };
    Session::sign_in(server, &account).await.expect("the administrator signs in")
}

/// Asks for so many experiments of two wells and waits for their end.
async fn mix(session: &Session, key: &str, experiments: u32) {
    let mut asked = Vec::new();
    for number in 0..experiments {
        let red = 30 + number * 20;
        let wells = json!([{ "volumes": { "red": red } }, { "volumes": { "red": red, "blue": 50 } }]);
        asked.push(session.submit(&format!("{key}-{number}"), &json!({ "wells": wells })).await.expect("accepted"));
    }
    let until = Instant::now() + LIMIT;
    for id in asked {
        loop {
            let shown = session.experiment(id).await.expect("an experiment");
            let status = shown["status"].as_str().expect("a status");
            if status == "completed" {
                break;
            }
            assert!(!matches!(status, "failed" | "cancelled") && Instant::now() < until, "{shown:#}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The wells of each plate that got a drop, by the number of the plate.
fn wells_used<'a>(ledger: impl Iterator<Item = &'a Entry>, mut plate: usize) -> HashSet<(usize, String)> {
    let mut used = HashSet::new();
    for entry in ledger {
        match &entry.event {
            Event::NewPlate { slot, .. } if *slot == PLATE_SLOT => plate += 1,
            Event::Dispense { spot, .. } if spot.slot == PLATE_SLOT => {
                used.insert((plate, spot.well.clone()));
            }
            _ => {}
        }
    }
    used
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_over_the_same_deck_uses_no_well_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let recipe = recipe(directory.path(), "lab", None).await;
    let lab = up(&recipe).await.expect("the lab comes up");
    mix(&administrator(lab.server).await, "first", 1).await;
    lab.process.end().await.expect("it ends");
    let data = directory.path().join("lab");
    let kept = database_files(&data).into_iter().map(|path| (fs::read(&path).expect("read"), path)).collect::<Vec<_>>();
    assert!(!kept.is_empty(), "no database in {}", data.display());

    let lab = up(&recipe).await.expect("the lab comes up");
    mix(&administrator(lab.server).await, "second", 3).await;
    lab.process.end().await.expect("it ends");
    for path in database_files(&data) {
        fs::remove_file(path).expect("removed");
    }
    for (bytes, path) in kept {
        fs::write(path, bytes).expect("put back");
    }

    let lab = up(&recipe).await.expect("the lab comes up over the older database");
    let hands = Hands::at(lab.robot).expect("hands");
    let before = hands.mark().await.expect("a mark").sequence;
    mix(&administrator(lab.server).await, "third", 3).await;
    let ledger = hands.ledger().await.expect("a ledger");
    let (old, new): (Vec<_>, Vec<_>) = ledger.iter().partition(|entry| entry.sequence <= before);
    let plates = old.iter().filter(|entry| matches!(entry.event, Event::NewPlate { .. })).count();
    let twice: Vec<_> =
        wells_used(old.iter().copied(), 0).intersection(&wells_used(new.iter().copied(), plates)).cloned().collect();
    assert!(twice.is_empty(), "wells (plate, name) that were used again: {twice:?}");
    lab.process.end().await.expect("it ends");
}

fn database_files(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data).expect("the data directory").map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tincture.sqlite")))
        .collect()
}

/// The second either brings a robot of its own or says why it won't; the first's stays the first's.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_lab_on_one_database_leaves_the_firsts_robot_alone() {
    let database = TestDatabase::postgres().await;
    let directory = tempfile::tempdir().expect("a directory");
    let first = up(&recipe(directory.path(), "first", Some(&database.url)).await).await.expect("the first comes up");
    let session = administrator(first.server).await;
    mix(&session, "alone", 1).await;
    let second = up(&recipe(directory.path(), "second", Some(&database.url)).await).await;

    let urls: HashSet<String> =
        database.store.robots().await.expect("robots").into_iter().map(|robot| robot.url).collect();
    assert!(urls.contains(&format!("http://{}", first.robot)), "the first's robot is gone: {urls:?}");
    mix(&session, "together", 6).await;
    let mut ledgers = vec![Hands::at(first.robot).expect("hands").ledger().await.expect("a ledger")];
    if let Ok(second) = &second {
        ledgers.push(Hands::at(second.robot).expect("hands").ledger().await.expect("a ledger"));
    }
    let experiments = experiments_by_operation(&session).await;
    for ledger in &ledgers {
        assert_eq!(shared_wells(ledger, &experiments), Vec::<String>::new());
    }
    first.process.end().await.expect("it ends");
}

/// Which experiment each operation was for, as the API tells it.
async fn experiments_by_operation(session: &Session) -> HashMap<String, String> {
    let mut of = HashMap::new();
    let listed = session.read("experiments?limit=200").await.expect("a list");
    for experiment in listed["data"].as_array().expect("experiments") {
        let id = experiment["id"].as_str().expect("an id");
        let mut path = format!("experiments/{id}/operations?limit=200");
        loop {
            let page = session.read(&path).await.expect("operations");
            let operations = page["data"].as_array().expect("operations");
            of.extend(operations.iter().filter_map(|o| Some((o["id"].as_str()?.to_owned(), id.to_owned()))));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("experiments/{id}/operations?limit=200&cursor={cursor}"),
                None => break,
            }
        }
    }
    of
}

/// Wells into which drops of two experiments fell, or one of nobody's.
fn shared_wells(ledger: &[Entry], of: &HashMap<String, String>) -> Vec<String> {
    let mut plate = 0;
    let mut users: HashMap<(usize, String), HashSet<Option<&String>>> = HashMap::new();
    for entry in ledger {
        match &entry.event {
            Event::NewPlate { slot, .. } if *slot == PLATE_SLOT => plate += 1,
            Event::Dispense { spot, .. } if spot.slot == PLATE_SLOT => {
                let experiment = entry.key.as_ref().and_then(|key| of.get(key));
                users.entry((plate, spot.well.clone())).or_default().insert(experiment);
            }
            _ => {}
        }
    }
    let shared = users.into_iter().filter(|(_, experiments)| experiments.len() > 1 || experiments.contains(&None));
    shared.map(|((plate, well), experiments)| format!("{well} of plate {plate}: {experiments:?}")).collect()
}
