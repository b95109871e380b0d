//! A robot by the training labs' script on a real broker: told as their hub tells it, once, and believed only about that.

use domain::{Deck, Docking, Mount, Operation, OperationId, Portion, RobotKind, Step, Volume, WellId, WellName};
use emulator::{Config, Emulator, OnBroker};
use hardware::{Connect, Hold, Lookup, Memory, Network, Patience, PerformError, RobotError};
use mqtt::{Broker, Brokers, Listener, Target, testing::Mosquitto};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

const SERIAL: &str = "OT2CEP20240218R04";
const MOUNT: Mount = Mount::Right;
const EPOCH: i64 = 7;
/// Patience with a busy machine; nothing is asserted about how long anything takes.
const LONG: Duration = Duration::from_secs(20);
/// For an answer that never comes.
const SHORT: Duration = Duration::from_millis(400);

fn well(name: &str) -> WellName {
    name.parse().expect("a place")
}

fn mix(at: &str, amounts: &[(&str, &str, u32)]) -> Operation {
    let portion = |(dye, vial, ul): &(&str, &str, u32)| Portion {
        dye: dye.parse().expect("dye"),
        vial: well(vial),
        tip: well(vial),
        volume: Volume::from_whole_ul(*ul),
    };
    let portions = amounts.iter().map(portion).collect();
    Operation::new(Step::Mix { mount: MOUNT, well: WellId::new(), at: well(at), portions })
}

fn dock() -> Operation {
    Operation::new(Step::DockSensor { mount: MOUNT, after: Docking::Reading })
}

fn url(broker: &Mosquitto) -> String {
    format!("{}/{SERIAL}", broker.address())
}

async fn held(broker: &Mosquitto, command: Duration) -> Arc<dyn Hold> {
    let network = Network::new(Patience { command, ..Patience::default() });
    let robot = network.robot(RobotKind::Script, &url(broker)).expect("an address");
    assert!(!robot.fences());
    robot.hold(&Deck::default(), EPOCH).await.expect("held")
}

/// The other end, in the test's hands.
struct ByHand {
    broker: Broker,
    commands: Listener,
}

impl ByHand {
    async fn on(broker: &Mosquitto) -> Self {
        let broker = Brokers::default().at(&broker.address(), LONG);
        let on = format!("command/ot2/{SERIAL}/pipette");
        let commands = broker.listen(&on).expect("room");
        broker.session().await.expect("a session").subscribe(&on).await.expect("heard");
        Self { broker, commands }
    }

    async fn told(&mut self) -> Value {
        let message = timeout(LONG, self.commands.hear()).await.expect("a command in time");
        serde_json::from_slice(&message).expect("JSON")
    }

    async fn say(&self, message: &Value) {
        let session = self.broker.session().await.expect("a session");
        let said = session.publish(&format!("status/ot2/{SERIAL}/complete"), message.to_string().into_bytes()).await;
        said.expect("said");
    }
}

fn complete(told: &Value, status: &str) -> Value {
    let (experiment, session) = (&told["experiment_id"], &told["session_id"]);
    json!({"status": {"sensor_status": status}, "experiment_id": experiment, "session_id": session})
}

fn start(hold: &Arc<dyn Hold>, operation: Operation) -> JoinHandle<Result<Value, PerformError>> {
    let hold = Arc::clone(hold);
    tokio::spawn(async move { hold.perform(&operation, Memory::Knows).await })
}

async fn end(step: JoinHandle<Result<Value, PerformError>>) -> Result<Value, PerformError> {
    timeout(LONG, step).await.expect("an end in time").expect("no panic")
}

#[tokio::test]
async fn the_script_is_told_as_its_hub_tells_it_and_only_its_own_answer_ends_a_step() {
    let broker = Mosquitto::start();
    let mut script = ByHand::on(&broker).await;
    let hold = held(&broker, LONG).await;
    let operation = mix("C5", &[("red", "B1", 60), ("blue", "B3", 90)]);
    let step = start(&hold, operation.clone());
    let told = script.told().await;
    let (subject, session) = (format!("{}:{EPOCH}", operation.id), operation.id.to_string());
    let command = json!({"R": 60, "Y": 0, "B": 90, "well": "C5"});
    assert_eq!(told, json!({"command": command, "experiment_id": subject, "session_id": session}));
    // What newer scripts say besides is none of ours, and nothing strange.
    script.say(&json!({"status": {"robot_status": "tips_reloaded"}})).await;
    script.say(&json!("chatter")).await;
    script.say(&complete(&told, "in_place")).await;
    end(step).await.expect("mixed");
    hold.confirm().await.expect("ours");

    let docking = dock();
    let step = start(&hold, docking.clone());
    let told = script.told().await;
    let command = json!({"sensor_status": "read"});
    // Under what fetched the sensor, as newer scripts want it.
    assert_eq!(told, json!({"command": command, "experiment_id": subject, "session_id": docking.id.to_string()}));
    script.say(&complete(&told, "charging")).await;
    end(step).await.expect("docked");
    // Said twice, which a sensor can't be docked.
    script.say(&complete(&told, "charging")).await;
    script.say(&json!("and on")).await;
    sleep(SHORT).await;
    hold.confirm().await.expect("still ours");
    hold.close().await.expect("let go");
}

#[tokio::test]
async fn late_foreign_doubled_and_wrong_answers_are_refused_and_the_robot_is_not_believed_any_more() {
    let broker = Mosquitto::start();
    for strange in 0..5 {
        let mut script = ByHand::on(&broker).await;
        let hold = held(&broker, LONG).await;
        let step = start(&hold, mix("C5", &[("red", "B1", 60)]));
        let told = script.told().await;
        let own = complete(&told, "in_place");
        let operation = told["session_id"].as_str().expect("an id");
        let say = match strange {
            0 => json!({"status": own["status"], "experiment_id": "ada-17", "session_id": "ada"}),
            1 => json!({"status": own["status"], "experiment_id": format!("{operation}:6"), "session_id": operation}),
            2 => complete(&json!({"experiment_id": OperationId::new(), "session_id": operation}), "in_place"),
            3 => complete(&told, "charging"),
            // Its own, and then once more: was it mixed twice?
            _ => own.clone(),
        };
        script.say(&say).await;
        if say != own {
            sleep(SHORT).await;
            assert!(!step.is_finished(), "{say} was taken for the end");
        }
        script.say(&own).await;
        end(step).await.expect("its own answer came, too");
        sleep(SHORT).await;
        assert!(matches!(hold.confirm().await, Err(RobotError::NotAlone { .. })), "{say}");
        let next = end(start(&hold, dock())).await;
        assert!(matches!(next, Err(PerformError::LostControl(RobotError::NotAlone { .. }))), "{next:?}");
        // Nothing was sent.
        assert!(timeout(SHORT, script.commands.hear()).await.is_err());
    }
}

#[tokio::test]
async fn what_is_not_answered_stays_unknown_and_is_never_sent_again() {
    let broker = Mosquitto::start();
    let mut script = ByHand::on(&broker).await;
    let hold = held(&broker, SHORT).await;
    let operation = mix("C5", &[("red", "B1", 60)]);
    let step = start(&hold, operation.clone());
    script.told().await;
    let unknown = end(step).await;
    assert!(matches!(unknown, Err(PerformError::Unknown(RobotError::TimedOut { .. }))), "{unknown:?}");
    let next = end(start(&hold, dock())).await;
    assert!(matches!(next, Err(PerformError::Refused(RobotError::Unsafe { .. }))), "{next:?}");
    assert!(timeout(2 * SHORT, script.commands.hear()).await.is_err(), "told twice");
    let robot = Network::default().robot(RobotKind::Script, &url(&broker)).expect("an address");
    assert_eq!(robot.lookup(hold.id(), operation.id).await, Ok(Lookup::HistoryLost));
}

#[tokio::test]
async fn a_broker_that_is_restarted_meanwhile_carries_the_answer_and_not_the_command_again() {
    let mut broker = Mosquitto::start();
    let mut script = ByHand::on(&broker).await;
    let hold = held(&broker, LONG).await;
    let step = start(&hold, mix("C5", &[("red", "B1", 60)]));
    let told = script.told().await;
    broker.start_again();
    let mut script = ByHand::on(&broker).await;
    // Who listens again is told by nobody, so it is said until it is heard; once is enough.
    let say = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            script.say(&complete(&told, "in_place")).await;
        }
    };
    tokio::select! {
        outcome = end(step) => drop(outcome.expect("mixed")),
        () = say => {}
    }
    assert!(timeout(SHORT, script.commands.hear()).await.is_err(), "told twice");

    // Without a broker nothing is sent, and that is certain.
    let hold = held(&broker, LONG).await;
    broker.kill();
    sleep(SHORT).await;
    let step = end(start(&hold, mix("C6", &[("red", "B1", 60)]))).await;
    assert!(matches!(step, Err(PerformError::NotSent(RobotError::Unreachable { .. }))), "{step:?}");
}

#[test]
fn an_address_that_is_none_says_so() {
    for wrong in
        ["http://10.0.0.1:31950", "mqtt://broker", "mqtts://me:s3cret@broker/OT2", "mqtts://broker/OT2?gain=64"]
    {
        let error = Network::default().robot(RobotKind::Script, wrong).expect_err(wrong).to_string();
        assert!(error.contains("script") && !error.contains("s3cret"), "{error}");
    }
}

/// The emulated robot, moved by its script.
struct Lab {
    emulator: Emulator,
    broker: Mosquitto,
}

impl Lab {
    async fn start() -> Self {
        let broker = Mosquitto::start();
        let target = Target::parse(&url(&broker)).expect("an address");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let script_on = Some(OnBroker { brokers: Brokers::default(), target });
        let config = Config { listen: any, sensor_listen: any, script_on, speed: f64::INFINITY, ..Config::default() };
        let lab = Self { emulator: emulator::start(config).await.expect("an emulator"), broker };
        // It hears nothing before it has subscribed.
        while !lab.broker.log().contains(&format!("command/ot2/{SERIAL}/pipette")) {
            sleep(Duration::from_millis(10)).await;
        }
        lab
    }

    async fn ledger(&self) -> Vec<Value> {
        let url = format!("http://{}/emulator/ledger", self.emulator.robot_addr());
        let body: Value = reqwest::get(url).await.expect("an answer").json().await.expect("JSON");
        body["data"].as_array().cloned().expect("entries")
    }

    /// Of each well: which dye, how much, under which key.
    async fn drops(&self) -> Vec<(String, String, f64, String)> {
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let is_drop = |entry: &&Value| entry["kind"] == "dispense";
        let ledger = self.ledger().await;
        let drop = |entry: &Value| {
            (text(entry, "well"), text(entry, "dye"), entry["nominal_ul"].as_f64().expect("µL"), text(entry, "key"))
        };
        ledger.iter().filter(is_drop).map(drop).collect()
    }

    /// As any other program on the broker, or the broker itself.
    async fn publish(&self, message: &Value) {
        let broker = Brokers::default().at(&self.broker.address(), LONG);
        let on = format!("command/ot2/{SERIAL}/pipette");
        let session = broker.session().await.expect("a session");
        session.publish(&on, message.to_string().into_bytes()).await.expect("said");
    }

    /// What the script says from now on, as long as the broker is held.
    async fn statuses(&self) -> (Broker, Listener) {
        let broker = Brokers::default().at(&self.broker.address(), LONG);
        let on = format!("status/ot2/{SERIAL}/complete");
        let statuses = broker.listen(&on).expect("room");
        broker.session().await.expect("a session").subscribe(&on).await.expect("heard");
        (broker, statuses)
    }

    async fn check_no_accident(&self) {
        let bad = ["air", "spill", "overflow", "touch", "crash", "miss"];
        let accident = self.ledger().await.into_iter().find(|entry| bad.iter().any(|kind| entry["kind"] == *kind));
        assert_eq!(accident, None);
    }
}

#[tokio::test]
async fn the_emulated_script_mixes_holds_the_sensor_and_docks_it() {
    let lab = Lab::start().await;
    let hold = held(&lab.broker, LONG).await;
    let mixed = mix("C5", &[("red", "B1", 60), ("yellow", "B2", 30), ("blue", "B3", 20)]);
    end(start(&hold, mixed.clone())).await.expect("mixed");
    let key = format!("{}:{EPOCH}", mixed.id);
    let drop = |dye: &str, ul| ("C5".to_owned(), dye.to_owned(), ul, key.clone());
    assert_eq!(lab.drops().await, [drop("red", 60.0), drop("yellow", 30.0), drop("blue", 20.0)]);
    let looks_at = || format!("{:?}", emulator::world::lock(lab.emulator.world()).view());
    assert!(looks_at().contains("C5"), "{}", looks_at());
    end(start(&hold, dock())).await.expect("docked");
    assert!(looks_at().starts_with("Dock"), "{}", looks_at());
    // A mixture of nothing is how it is told to hold the sensor somewhere.
    let present = Operation::new(Step::PresentSensor { mount: MOUNT, over: well("H12") });
    end(start(&hold, present)).await.expect("held there");
    assert!(looks_at().contains("H12") && lab.drops().await.len() == 3);
    end(start(&hold, Operation::new(Step::DockSensor { mount: MOUNT, after: Docking::Trouble })))
        .await
        .expect("docked");
    lab.check_no_accident().await;
}

#[tokio::test]
async fn a_command_that_is_doubled_on_the_way_is_found_out() {
    let lab = Lab::start().await;
    let hold = held(&lab.broker, LONG).await;
    let mut ears = ByHand::on(&lab.broker).await;
    // At once: the sensor hangs on the nozzle then, and the script can't begin; but it carries the sensor to the tips.
    let step = start(&hold, mix("C5", &[("red", "B1", 60)]));
    let told = ears.told().await;
    lab.publish(&told).await;
    end(step).await.expect("mixed");
    assert!(matches!(hold.confirm().await, Err(RobotError::NotAlone { .. })));
    let next = end(start(&hold, dock())).await;
    assert!(matches!(next, Err(PerformError::LostControl(_))), "{next:?}");
    assert_eq!(lab.drops().await.len(), 1);
    // A person has looked.
    let hold = held(&lab.broker, LONG).await;
    end(start(&hold, dock())).await.expect("docked");
    // Late: it is mixed twice, and the robot isn't believed any more.
    lab.publish(&told).await;
    while lab.drops().await.len() < 2 {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(SHORT).await;
    assert!(matches!(hold.confirm().await, Err(RobotError::NotAlone { .. })));
    let next = end(start(&hold, mix("C6", &[("red", "B1", 60)]))).await;
    assert!(matches!(next, Err(PerformError::LostControl(_))), "{next:?}");
    assert_eq!(lab.drops().await.len(), 2, "nothing more was sent");
}

#[tokio::test]
async fn the_emulated_script_says_nothing_of_what_it_cannot_do() {
    let lab = Lab::start().await;
    let (_broker, mut statuses) = lab.statuses().await;
    for (command, status) in
        [(json!({"R": 0, "Y": 0, "B": 0, "well": "H12"}), "in_place"), (json!({"sensor_status": "read"}), "charging")]
    {
        let told = json!({"command": command, "experiment_id": "x", "session_id": "y"});
        lab.publish(&told).await;
        let said = timeout(LONG, statuses.hear()).await.expect("what can be done is told");
        assert_eq!(serde_json::from_slice::<Value>(&said).expect("JSON"), complete(&told, status));
    }
    for command in [
        json!({"R": 200, "Y": 100, "B": 1, "well": "C5"}),
        json!({"sensor_status": "read"}),
        json!({"R": 20, "Y": 0, "B": 0}),
        json!({"R": "much", "Y": 0, "B": 0, "well": "C5"}),
    ] {
        lab.publish(&json!({"command": command, "experiment_id": "x", "session_id": "y"})).await;
    }
    lab.publish(&json!({"command": {"sensor_status": "read"}})).await;
    lab.publish(&json!("nonsense")).await;
    sleep(SHORT).await;
    assert_eq!(statuses.heard(), None);
    assert_eq!(lab.drops().await, []);
    // A well that isn't there is noticed with the dye in the tip, and there it stays.
    lab.publish(&json!({"command": {"R": 60, "Y": 0, "B": 0, "well": "Z9"}, "experiment_id": "x", "session_id": "y"}))
        .await;
    while !lab.ledger().await.iter().any(|entry| entry["kind"] == "aspirate") {
        sleep(Duration::from_millis(10)).await;
    }
    let hold = held(&lab.broker, SHORT).await;
    let next = end(start(&hold, mix("C5", &[("red", "B1", 60)]))).await;
    assert!(matches!(next, Err(PerformError::Unknown(_))), "{next:?}");
    assert_eq!(lab.drops().await, []);
}
