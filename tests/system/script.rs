//! Today's lab with nothing but its hub swapped: the robot is moved by the training labs' script on a real broker, which
//! dies in mid-mixture, as the worker does, while what is told comes twice.

use crate::{
    client::{Client, measured},
    ledger,
    process::{ADMIN, PASSWORD, Process, run, tincture},
};
use mqtt::{Brokers, testing::Mosquitto};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::testing::TestDatabase;
use tokio::{task::JoinHandle, time::sleep};

const SERIAL: &str = "OT2VIRT1";

/// Says a mixture once more, as a broker may that knows no better: the next one, when it is `armed`.
fn double(broker: &Mosquitto, armed: Arc<AtomicBool>) -> JoinHandle<()> {
    let broker = Brokers::default().at(&broker.address(), Duration::from_secs(5));
    tokio::spawn(async move {
        let on = format!("command/ot2/{SERIAL}/pipette");
        let mut commands = broker.listen(&on).expect("room");
        loop {
            let Ok(session) = broker.session().await else { return };
            if session.subscribe(&on).await.is_err() {
                continue;
            }
            tokio::select! {
                command = commands.hear() => {
                    let is_mixture = String::from_utf8_lossy(&command).contains("\"R\"");
                    if is_mixture && armed.swap(false, Ordering::SeqCst) {
                        let _ = session.publish(&on, command).await;
                    }
                }
                _ = session.ended() => {}
            }
        }
    })
}

/// A lab of three processes and a broker.
struct Lab {
    database: TestDatabase,
    broker: Mosquitto,
    robot: String,
    client: Client,
    _emulator: Process,
    _serve: Process,
}

impl Lab {
    async fn start(speed: &str) -> Self {
        let (database, broker) = (TestDatabase::sqlite().await, Mosquitto::start());
        let on_broker = |device: &str| format!("mqtt://127.0.0.1:{}/{device}", broker.port());
        let (sensor, script) = (on_broker("virtual-1"), on_broker(SERIAL));
        let listen = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0"];
        let devices = ["--mqtt", &sensor, "--script", SERIAL, "--speed", speed, "--seed", "7"];
        let mut emulator = Process::spawn(tincture(&[&listen[..], &devices].concat()));
        let robot = emulator.word_after("Virtual OT-2 ");
        assert_eq!(emulator.word_after("Script "), script);
        let add = ["robot", "add", "bench-1", "--kind", "script", "--url", &script, "--sensor", &sensor];
        let added = run(on(&database, &add));
        assert!(added.status.success(), "{added:?}");
        let mut serve = Process::spawn(on(&database, &["serve", "--listen", "127.0.0.1:0"]));
        let client = Client::sign_in(&serve.word_after("Tincture is ready: "), ADMIN, PASSWORD).await;
        Self { database, broker, robot, client, _emulator: emulator, _serve: serve }
    }

    fn worker(&self) -> Process {
        Process::spawn(on(&self.database, &["worker", "--robot", "bench-1"]))
    }

    async fn count(&self, kind: &str) -> usize {
        ledger::read(&self.robot).await.iter().filter(|entry| entry["kind"] == kind).count()
    }

    /// Until so much of a kind has happened.
    async fn until(&self, kind: &str, count: usize) {
        let until = tokio::time::Instant::now() + Duration::from_secs(120);
        while self.count(kind).await < count {
            assert!(tokio::time::Instant::now() < until, "no {count} {kind}: {:#}", self.asked().await);
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_sensor_hangs(&self) {
        loop {
            let ledger = ledger::read(&self.robot).await;
            let last = ledger.iter().rfind(|entry| matches!(entry["kind"].as_str(), Some("pick_up_tip" | "drop_tip")));
            if last.is_some_and(|entry| entry["kind"] == "pick_up_tip" && entry["tool"] == "sensor") {
                // It is on its way, and says so when it is there.
                return sleep(Duration::from_secs(1)).await;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn asked(&self) -> Value {
        self.client.get("/api/v1/robots/bench-1").await
    }

    async fn act(&self, path: &str, act: &Value) {
        let (status, body) = self.client.post(&format!("/api/v1/robots/bench-1/{path}"), act).await;
        assert!(status.is_success(), "{path} {act}: {body}");
    }

    /// A person answers the next question, and it is this one.
    async fn answer(&self, code: &str, says: &str, path: &str, act: &Value) {
        let until = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let robot = self.asked().await;
            let question = &robot["attention"];
            let text = question.to_string();
            if question["code"] == code && text.contains(says) {
                break self.act(path, act).await;
            }
            assert!(tokio::time::Instant::now() < until, "{code}, {says} isn't asked: {robot:#}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn on(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = tincture(arguments);
    command.env("TINCTURE_DATABASE_URL", &database.url).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    command.env("TINCTURE_LEASE_SECONDS", "2");
    command
}

fn wells() -> Vec<Value> {
    vec![
        json!({ "red": 60, "yellow": 30, "blue": 60 }),
        json!({ "red": 100, "yellow": 100 }),
        json!({ "red": 40, "blue": 200 }),
        json!({ "yellow": 150 }),
    ]
}

/// How often each dye came into each well of the plate, whatever became of the well.
fn strokes(ledger: &[Value]) -> BTreeMap<(String, String), u32> {
    let mut strokes = BTreeMap::new();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    for entry in ledger.iter().filter(|entry| entry["kind"] == "dispense") {
        *strokes.entry((text(entry, "well"), text(entry, "dye"))).or_default() += 1;
    }
    strokes
}

#[tokio::test]
async fn a_lab_with_its_own_script_survives_its_broker_its_worker_and_what_is_told_twice() {
    let mut lab = Lab::start("40").await;
    let armed = Arc::new(AtomicBool::new(false));
    let doubling = double(&lab.broker, Arc::clone(&armed));
    let worker = lab.worker();
    let id = lab.client.submit(&wells()).await["id"].as_str().expect("an id").to_owned();

    // The broker dies in the first mixture: the script goes on, and is heard when the broker is back.
    lab.until("dispense", 1).await;
    lab.broker.kill();
    sleep(Duration::from_millis(300)).await;
    lab.broker.start_again();
    lab.until("dispense", 4).await;
    assert_eq!(lab.asked().await["attention"], Value::Null, "nothing was in doubt");

    // The worker dies in the second: nobody knows any more what became of it, and a person is asked.
    worker.kill();
    let _worker = lab.worker();
    // Whoever answers waits until the robot stands still, with the sensor over the well.
    lab.until("dispense", 5).await;
    lab.until_sensor_hangs().await;
    lab.answer("command-in-doubt", "may still carry out", "resume", &json!({})).await;
    let seen = json!({ "act": "nozzle_holds", "holds": "sensor" });
    lab.answer("command-in-doubt", "mixing 100 µL of red and 100 µL of yellow", "deck", &seen).await;
    armed.store(true, Ordering::SeqCst);
    lab.answer("tips-short", "slot 9", "deck", &json!({ "act": "new_tips", "slot": 9 })).await;

    // And what was mixed next came twice to the script, which is heard: it isn't measured before somebody has looked.
    lab.answer("robot-taken", "something that it wasn't told", "resume", &json!({})).await;
    assert!(!armed.load(Ordering::SeqCst));

    let completed = lab.client.until_completed(&id).await;
    doubling.abort();
    let ledger = ledger::read(&lab.robot).await;
    let wells = measured(&completed);
    assert_eq!(wells.len(), 4);
    ledger::assert_as_asked(&ledger, &wells);
    let all = completed["wells"].as_array().expect("wells");
    let quarantined: Vec<_> = all.iter().filter(|well| well["status"] == "quarantined").collect();
    assert_eq!(quarantined.len(), 1, "{completed:#}");
    let strokes = strokes(&ledger);
    assert!(strokes.values().all(|times| *times == 1), "mixed twice: {strokes:?}");
    // Each result is the reading of its own well.
    for well in wells {
        let reads = well["result"]["reads"].as_array().filter(|reads| !reads.is_empty()).expect("its readings");
        for told in reads {
            let is_it = |entry: &&Value| {
                let seen = &entry["channels"];
                entry["kind"] == "read"
                    && told.as_object().is_some_and(|told| {
                        told.iter().all(|(name, count)| count.is_null() || seen[name.as_str()] == *count)
                    })
            };
            let read = ledger.iter().find(is_it).expect("what the sensor really saw");
            assert_eq!(read["well"], well["well_id"]);
        }
    }
}

#[test]
fn a_script_that_cannot_be_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let ours = |arguments: &[&str]| {
        let mut command = tincture(arguments);
        command.env("TINCTURE_DATA_DIR", directory.path());
        command
    };
    assert!(run(ours(&["migrate"])).status.success());
    let add = |more: &[&str]| {
        let add = ["robot", "add", "bench", "--kind", "script", "--sensor", "mqtt://broker/e6613"];
        run(ours(&[&add[..], more].concat()))
    };
    let good = ["--url", "mqtts://broker:8883/OT2CEP20240218R04"];
    for (more, says) in [
        (&["--url", "http://10.0.0.1:31950"][..], "the address of a robot's script can't be used"),
        (&["--url", "mqtts://me:s3cret@broker/OT2"], "set mqtt_user and mqtt_password"),
        (&[&good[..], &["--virtual"]].concat(), "people serve the deck"),
        (&[&good[..], &["--with-p20"]].concat(), "the sensor mount's pipette alone"),
    ] {
        let said = add(more);
        assert!(!said.status.success() && said.stderr.contains(says), "{more:?}: {}", said.stderr);
        assert!(!said.stderr.contains("s3cret"), "{}", said.stderr);
    }
    let said = add(&good);
    assert!(said.status.success(), "{}", said.stderr);
    let alone = run(tincture(&["emulator", "--script", "OT2VIRT1"]));
    assert!(!alone.status.success() && alone.stderr.contains("--script needs --mqtt"), "{}", alone.stderr);
    let mut checked = ours(&["robot", "check", "bench"]);
    checked.env("TINCTURE_PATIENCE", "0.05");
    let said = run(checked);
    assert!(!said.status.success() && said.stdout.contains("FIX   script"), "{}", said.stdout);
}
