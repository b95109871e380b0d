//! The sensor's line protocol over TCP: every answer is its own question's, and nonsense does no harm.

use domain::Mount;
use emulator::{
    sensor::{self, firmware},
    world::{
        Action, DOCK_SLOT, DOCK_WELL, Event, PLATE_SLOT, SensorFaults, SharedWorld, Travel, World, WorldConfig, lock,
    },
};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);

struct Bench {
    world: SharedWorld,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Bench {
    async fn new() -> Self {
        let world = World::open(WorldConfig { seed: 9, ..WorldConfig::default() }).expect("a world").shared();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let chip = Arc::new(sensor::Chip::new(SharedWorld::clone(&world), 1_000.0));
        let server = tokio::spawn(sensor::serve(listener, chip, async {
            stopped.await.ok();
        }));
        Self { world, address, stop, server }
    }

    async fn connect(&self) -> Line {
        Line(BufReader::new(TcpStream::connect(self.address).await.expect("connected")))
    }
}

struct Line(BufReader<TcpStream>);

impl Line {
    async fn say(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.expect("sent");
    }

    /// The next answer; nothing when the server hung up.
    async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an answer in time").expect("a line");
        let body = line.strip_prefix("#WCS# ")?;
        Some(serde_json::from_str(body).expect("json behind the prefix"))
    }

    async fn ask(&mut self, request: &Value) -> Value {
        self.say(format!("{request}\n").as_bytes()).await;
        self.hear().await.expect("an answer")
    }
}

fn hold_over_a1(world: &SharedWorld) {
    let mut world = lock(world);
    let top = |world: &World, slot, well: &str| {
        world.state().placed(slot).and_then(|placed| placed.labware.wells.get(well)).expect("a well").top(slot)
    };
    let dock = top(&world, DOCK_SLOT, DOCK_WELL);
    let well = top(&world, PLATE_SLOT, "A1");
    let mount = Mount::Right;
    let travel = Travel::Over { nozzle_z_mm: 185.0 };
    for action in [
        Action::MoveNozzle { mount, to: dock, travel, speed_mm_s: None },
        Action::PickUpTip { mount },
        Action::MoveNozzle { mount, to: well.raised(75.8 - 1.3), travel, speed_mm_s: None },
    ] {
        world.perform(&action, None, chrono::Utc::now()).expect("performed");
    }
}

#[tokio::test]
async fn a_read_answers_with_its_own_ids_and_is_in_the_ledger() {
    let bench = Bench::new().await;
    hold_over_a1(&bench.world);
    let mut line = bench.connect().await;
    let settings = json!({"gain": 64, "atime": 100, "astep": 999});
    let request = json!({"command": "read", "operation_id": "op-1", "experiment_id": "ex-1", "lease_epoch": 7, "settings": settings});
    let answer = line.ask(&request).await;
    assert_eq!(answer["operation_id"], "op-1");
    assert_eq!(answer["experiment_id"], "ex-1");
    assert_eq!(answer["lease_epoch"], 7);
    assert_eq!(answer["saturated"], false);
    assert_eq!(
        answer["sensor_settings"],
        json!({"gain": 64.0, "again_code": 7, "atime": 100, "astep": 999, "integration_ms": 280.78, "led_ma": 12})
    );
    let bands = answer["sensor_data"].as_object().expect("bands");
    assert_eq!(bands.len(), 8);
    let brightest = bands.values().filter_map(Value::as_u64).max().expect("counts");
    assert!((22_500..25_500).contains(&brightest), "half the gain is half the light: {answer}");

    let entries = lock(&bench.world).ledger(None, 100).expect("the ledger");
    let read = serde_json::to_value(entries.last().expect("an entry")).expect("json");
    assert_eq!((&read["kind"], &read["well"], &read["key"]), (&json!("read"), &json!("A1"), &json!("op-1")));
    assert_eq!(read["channels"]["ch550"], answer["sensor_data"]["ch550"]);
}

#[tokio::test]
async fn a_broken_sensor_is_dark_or_stays_in_its_dock_until_it_is_mended() {
    let bench = Bench::new().await;
    let stuck = SensorFaults { is_stuck: true, ..SensorFaults::default() };
    lock(&bench.world).break_sensor(stuck);
    hold_over_a1(&bench.world);
    let mut line = bench.connect().await;
    let read = json!({"command": "read", "operation_id": "op-1"});
    let docked = line.ask(&read).await;
    assert!(
        docked["sensor_data"].as_object().expect("bands").values().all(|count| count.as_u64() < Some(30)),
        "{docked}"
    );
    let missed = lock(&bench.world).ledger(None, 100).expect("the ledger");
    assert!(missed.iter().any(|entry| matches!(entry.event, Event::Miss { .. })), "{missed:?}");

    lock(&bench.world).break_sensor(SensorFaults { light: 0.0, ..SensorFaults::default() });
    hold_over_a1(&bench.world);
    let by_room = line.ask(&read).await["clear"].as_u64().expect("a count");
    assert!((2_500..4_000).contains(&by_room), "its lamp is broken, and the room's light is left: {by_room}");
    lock(&bench.world).break_sensor(SensorFaults { light: 0.0, room: 0.0, ..SensorFaults::default() });
    assert!(line.ask(&read).await["clear"].as_u64() < Some(30), "it is night");
    lock(&bench.world).break_sensor(SensorFaults::default());
    assert!(line.ask(&read).await["clear"].as_u64() > Some(40_000), "it is mended");
}

#[tokio::test]
async fn the_led_shines_unless_it_is_told_not_to_and_on_a_broker_it_never_does() {
    let bench = Bench::new().await;
    hold_over_a1(&bench.world);
    let mut line = bench.connect().await;
    let with = |led_ma: u16| json!({"command": "read", "operation_id": "op-1", "settings": {"led_ma": led_ma}});
    let (lit, half, dark) = (line.ask(&with(12)).await, line.ask(&with(6)).await, line.ask(&with(0)).await);
    let seen = |answer: &Value| answer["sensor_data"]["ch620"].as_f64().expect("a count");
    assert_eq!((&lit["sensor_settings"]["led_ma"], &dark["sensor_settings"]["led_ma"]), (&json!(12), &json!(0)));
    assert!((2_000.0..3_500.0).contains(&seen(&dark)), "the room's light: {dark}");
    assert!(((seen(&half) - seen(&dark)) / (seen(&lit) - seen(&dark)) - 0.5).abs() < 0.05, "{lit} {half} {dark}");
    assert!(line.ask(&with(5)).await["error"].is_string(), "no such current");

    let request = firmware::parse(json!({"experiment_id": "e"}).to_string().as_bytes()).expect("a request");
    let on_a_broker = |faults: SensorFaults| {
        let mut world = lock(&bench.world);
        world.break_sensor(faults);
        seen(&request.answer(&mut world, chrono::Utc::now()))
    };
    assert!((2_000.0..3_500.0).contains(&on_a_broker(SensorFaults { light: 0.0, ..SensorFaults::default() })));
    assert!(on_a_broker(SensorFaults { room: 0.0, ..SensorFaults::default() }) < 20.0);
}

#[tokio::test]
async fn identify_tells_the_model() {
    let bench = Bench::new().await;
    let answer = bench.connect().await.ask(&json!({"command": "identify"})).await;
    assert_eq!(answer["model"], "AS7341");
}

#[tokio::test]
async fn nonsense_is_answered_with_an_error_and_the_line_lives_on() {
    let bench = Bench::new().await;
    let mut line = bench.connect().await;
    let nonsense: [&[u8]; 8] = [
        b"hello\n",
        b"{}\n",
        b"[1,2]\n",
        b"\xff\xfe{\n",
        b"{\"command\":\"explode\",\"operation_id\":\"x\"}\n",
        b"{\"command\":\"read\"}\n",
        b"{\"command\":\"read\",\"operation_id\":\"x\",\"settings\":{\"gain\":3}}\n",
        b"{\"command\":\"read\",\"operation_id\":5}\n",
    ];
    for bytes in nonsense {
        line.say(bytes).await;
        let answer = line.hear().await.expect("an answer");
        assert!(answer["error"].is_string(), "{answer}");
        assert!(answer.get("sensor_data").is_none());
    }
    let refused =
        line.ask(&json!({"command": "read", "operation_id": "mine", "settings": {"atime": 0, "astep": 0}})).await;
    assert_eq!(refused["operation_id"], "mine", "even a refusal says whose it is");
    assert_eq!(lock(&bench.world).last_sequence(), 0, "nothing was read");
    assert!(line.ask(&json!({"command": "read", "operation_id": "x"})).await.get("sensor_data").is_some());
}

#[tokio::test]
async fn a_line_without_end_is_cut() {
    let bench = Bench::new().await;
    let mut line = bench.connect().await;
    line.say(&vec![b'x'; 8 * 1024]).await;
    assert!(line.hear().await.expect("an answer")["error"].is_string());
    assert_eq!(line.hear().await, None);
}

#[tokio::test]
async fn connections_are_bounded_and_freed() {
    let bench = Bench::new().await;
    let identify = json!({"command": "identify"});
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut line = bench.connect().await;
        line.ask(&identify).await;
        open.push(line);
    }
    let mut refused = bench.connect().await;
    assert!(refused.hear().await.expect("an answer")["error"].is_string());
    open.clear();
    let freed = async {
        loop {
            let mut line = bench.connect().await;
            line.say(format!("{identify}\n").as_bytes()).await;
            if line.hear().await.is_some_and(|answer| answer["model"] == "AS7341") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("a place is free again");
}

#[tokio::test]
async fn shutdown_ends_the_server_with_connections_open() {
    let bench = Bench::new().await;
    let mut line = bench.connect().await;
    line.ask(&json!({"command": "identify"})).await;
    bench.stop.send(()).expect("running");
    timeout(PATIENCE, bench.server).await.expect("in time").expect("no panic").expect("no error");
    assert_eq!(line.hear().await, None);
}
