//! A sensor on a real broker, which is restarted, cut off and taken over: only our own reading counts, and it comes.

use domain::{
    ExperimentId, FaultCode, OperationId,
    reading::{Reading, SensorSettings},
};
use hardware::{Access, ColourSensor, Connect, Network, Patience, ReadRequest, Secret, SensorError, connect_sensor};
use mqtt::testing::Mosquitto;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

const PICO: &str = "e66130100f8c9928";
/// Patience with a busy machine; nothing is asserted about how long anything takes.
const LONG: Duration = Duration::from_secs(20);

fn request() -> ReadRequest {
    ReadRequest {
        operation: OperationId::new(),
        experiment: Some(ExperimentId::new()),
        lease_epoch: 7,
        settings: SensorSettings::default(),
    }
}

fn patience() -> Patience {
    Patience { reading: LONG, ..Patience::default() }
}

/// The training lab's device, by a client that has nothing to do with ours.
struct Pico {
    client: AsyncClient,
    asked: mpsc::UnboundedReceiver<Value>,
    task: JoinHandle<()>,
}

impl Drop for Pico {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pico {
    async fn on(broker: &Mosquitto) -> Self {
        Self::named(PICO, broker).await
    }

    async fn named(id: &str, broker: &Mosquitto) -> Self {
        let mut options = MqttOptions::new(format!("pico{}", &id[8..]), ("127.0.0.1", broker.port()));
        options.set_keep_alive(15);
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        let (tell, asked) = mpsc::unbounded_channel();
        let (ready, mut is_ready) = mpsc::unbounded_channel();
        let (subscriber, topic) = (client.clone(), format!("command/picow/{id}/as7341/read"));
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.subscribe(topic.as_str(), QoS::AtLeastOnce).await.expect("asked");
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        drop(tell.send(serde_json::from_slice(&message.payload).expect("JSON")));
                    }
                    Ok(_) => {}
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        });
        timeout(LONG, is_ready.recv()).await.expect("in time").expect("ready");
        Self { client, asked, task }
    }

    async fn asked(&mut self) -> Value {
        timeout(LONG, self.asked.recv()).await.expect("a question in time").expect("a question")
    }

    async fn say(&self, message: &Value) {
        self.publish(message, false).await;
    }

    async fn publish(&self, message: &Value, retain: bool) {
        let topic = format!("color-mixing/picow/{PICO}/as7341");
        let sent = self.client.publish_tracked(topic, QoS::AtLeastOnce, retain, message.to_string()).await;
        sent.expect("queued").wait_async().await.expect("published");
    }
}

fn bands(first: u16) -> Value {
    json!({"ch410": first, "ch440": 2, "ch470": 3, "ch510": 4, "ch550": 5, "ch583": 6, "ch620": 7, "ch670": 8})
}

/// As the deployed firmware answers: the request, and its eight bands.
fn good(asked: &Value) -> Value {
    with(asked, json!({ "sensor_data": bands(1) }))
}

fn with(asked: &Value, more: Value) -> Value {
    let mut told = asked.clone();
    for (name, value) in more.as_object().expect("an object") {
        told[name] = value.clone();
    }
    told
}

fn sensor_at(port: u16) -> Arc<dyn ColourSensor> {
    connect_sensor(&format!("mqtt://127.0.0.1:{port}/{PICO}"), patience()).expect("an address")
}

fn start_reading(sensor: &Arc<dyn ColourSensor>, request: ReadRequest) -> JoinHandle<Result<Reading, SensorError>> {
    let sensor = Arc::clone(sensor);
    tokio::spawn(async move { sensor.read(request).await })
}

async fn done(reading: JoinHandle<Result<Reading, SensorError>>) -> Reading {
    timeout(2 * LONG, reading).await.expect("an end").expect("no panic").expect("a reading")
}

#[tokio::test]
async fn the_deployed_firmware_is_asked_as_it_is_used_to_and_believed() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let request = request();
    let reading = start_reading(&sensor_at(broker.port()), request.clone());
    let asked = pico.asked().await;
    let id = format!("{}:7", request.operation);
    assert_eq!(asked, json!({"command": {"R": 0, "Y": 0, "B": 0}, "experiment_id": id, "settings": {"gain": 128.0}}));
    pico.say(&good(&asked)).await;
    let reading = done(reading).await;
    assert_eq!(reading.channels.bands(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((reading.channels.clear, reading.channels.nir), (None, None), "what wasn't told isn't made up");
    assert_eq!((reading.settings, reading.saturated), (SensorSettings::default(), false));
}

#[tokio::test]
async fn late_foreign_old_retained_and_doubled_answers_are_dropped() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let (sensor, first) = (sensor_at(broker.port()), request());
    let own = format!("{}:7", first.operation);
    // Kept by the broker from an earlier life: even with the right id nobody knows when it was said.
    pico.publish(&json!({"experiment_id": own, "sensor_data": bands(91)}), true).await;
    let reading = start_reading(&sensor, first.clone());
    let asked = pico.asked().await;
    for wrong in [
        json!({"experiment_id": format!("{}:6", first.operation), "sensor_data": bands(92)}),
        json!({"experiment_id": format!("{}:7", OperationId::new()), "sensor_data": bands(93)}),
        json!({"experiment_id": first.operation, "sensor_data": bands(94)}),
        json!({"experiment_id": null, "sensor_data": bands(95)}),
        json!({"sensor_data": bands(96)}),
        json!({"error": "somebody's question was malformed"}),
        json!({"experiment_id": "other", "error": "somebody's sensor is broken"}),
        json!("chatter"),
        json!({"experiment_id": own, "sensor_data": bands(97), "padding": "x".repeat(9 << 10)}),
    ] {
        pico.say(&wrong).await;
    }
    for _ in 0..3 {
        pico.say(&good(&asked)).await;
    }
    assert_eq!(done(reading).await.channels.ch410, 1);

    // The first one's answer again, while the next is waited for.
    let next = start_reading(&sensor, request());
    let asked_next = pico.asked().await;
    pico.say(&with(&asked, json!({"sensor_data": bands(98)}))).await;
    pico.say(&with(&asked_next, json!({"sensor_data": bands(2)}))).await;
    assert_eq!(done(next).await.channels.ch410, 2);
}

#[tokio::test]
async fn gain_saturation_and_errors_are_what_the_device_says() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let url = format!("mqtt://127.0.0.1:{}/{PICO}?gain=64", broker.port());
    let sensor = connect_sensor(&url, patience()).expect("an address");
    let mut answer = async |more: Value| {
        let reading = start_reading(&sensor, request());
        let asked = pico.asked().await;
        assert_eq!(asked["settings"], json!({"gain": 64.0}));
        pico.say(&with(&asked, more)).await;
        timeout(LONG, reading).await.expect("an end").expect("no panic")
    };
    let plain = answer(json!({"sensor_data": bands(1)})).await.expect("a reading");
    assert_eq!(plain.settings.gain().factor(), 64.0, "what was asked for, where nothing is said");
    // The code is what the chip was told, whatever the program believes.
    let told = json!({"gain": 64, "again_code": 10, "analog_saturated": true});
    let newer = answer(json!({"sensor_data": bands(1), "sensor_settings": told})).await.expect("a reading");
    assert_eq!((newer.settings.gain().factor(), newer.saturated), (512.0, true));
    let full = answer(json!({"sensor_data": bands(65_535)})).await.expect("a reading");
    assert!(full.saturated, "full scale is saturation even when the device doesn't say so");
    let fault = answer(json!({"error": "I2C timeout"})).await.expect_err("a fault");
    assert_eq!(fault, SensorError::Device { detail: "I2C timeout".to_owned() });
    for nonsense in [
        json!({"sensor_data": {"ch410": 1}}),
        json!({"sensor_data": bands(1), "sensor_settings": {"gain": 3}}),
        json!({"sensor_data": {"ch410": -1, "ch440": 2, "ch470": 3, "ch510": 4, "ch550": 5, "ch583": 6, "ch620": 7, "ch670": 8}}),
    ] {
        let error = answer(nonsense.clone()).await.expect_err("nonsense");
        assert!(matches!(error, SensorError::Implausible { .. }), "{nonsense}: {error:?}");
    }
}

/// The field's firmware refuses a setting that it doesn't know.
#[tokio::test]
async fn a_light_is_spoken_of_only_where_the_address_says_that_there_is_one() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let (lit, dark) = (SensorSettings::default().by_led(), SensorSettings::default().without_led());
    for (options, settings, asked_for) in [
        ("", lit, json!({"gain": 128.0})),
        ("", dark, json!({"gain": 128.0})),
        ("?led=20", lit, json!({"gain": 128.0, "led_ma": 20})),
        ("?led=20", dark, json!({"gain": 128.0, "led_ma": 0})),
    ] {
        let url = format!("mqtt://127.0.0.1:{}/{PICO}{options}", broker.port());
        let sensor = connect_sensor(&url, patience()).expect("an address");
        let reading = start_reading(&sensor, ReadRequest { settings, ..request() });
        let asked = pico.asked().await;
        assert_eq!(asked["settings"], asked_for, "{options}");
        pico.say(&with(&asked, json!({"sensor_data": bands(1)}))).await;
        assert_eq!(done(reading).await.settings.led_ma(), None, "it doesn't say so");
    }
}

#[tokio::test]
async fn a_broker_that_restarts_between_and_during_readings_costs_no_reading() {
    let mut broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let sensor = sensor_at(broker.port());
    let mut measured = 0;
    for restart in ["nowhere", "between", "during", "while nobody is connected"] {
        if restart == "between" {
            broker.start_again();
        }
        if restart.starts_with("while") {
            broker.kill();
        }
        let reading = start_reading(&sensor, request());
        if restart.starts_with("while") {
            sleep(Duration::from_millis(300)).await;
            broker.start_again();
        }
        let mut asked = pico.asked().await;
        if restart == "during" {
            broker.start_again();
            let again = pico.asked().await;
            assert_eq!(again, asked, "the same question, put again");
            asked = again;
        }
        pico.say(&good(&asked)).await;
        measured += u16::from(done(reading).await.channels.ch410 == 1);
    }
    assert_eq!(measured, 4);
}

#[tokio::test]
async fn a_device_that_comes_back_later_than_we_is_asked_again() {
    let broker = Mosquitto::start();
    let patience = Patience { reading: Duration::from_secs(6), ..Patience::default() };
    let url = format!("mqtt://127.0.0.1:{}/{PICO}", broker.port());
    let sensor = connect_sensor(&url, patience).expect("an address");
    let reading = start_reading(&sensor, request());
    while clients(&broker).is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(100)).await;
    let mut pico = Pico::on(&broker).await;
    let asked = pico.asked().await;
    pico.say(&good(&asked)).await;
    assert_eq!(done(reading).await.channels.ch410, 1);
}

/// Our client ids in the order in which the broker met them.
fn clients(broker: &Mosquitto) -> Vec<String> {
    let log = broker.log();
    let ids = log.lines().filter_map(|line| line.split_once("New client connected")?.1.split_once(" as "));
    let ids = ids.filter_map(|(_, rest)| rest.split_whitespace().next());
    ids.filter(|id| id.starts_with("tincture")).map(str::to_owned).collect()
}

#[tokio::test]
async fn who_takes_our_session_over_gets_it_and_the_reading_goes_on_in_a_new_one() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let reading = start_reading(&sensor_at(broker.port()), request());
    let asked = pico.asked().await;
    let [ours] = &clients(&broker)[..] else { panic!("{:?}", clients(&broker)) };
    let options = MqttOptions::new(ours.as_str(), ("127.0.0.1", broker.port()));
    let (_other, mut events) = AsyncClient::builder(options).capacity(1).build();
    events.poll().await.expect("taken over");
    let still_there = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    assert_eq!(pico.asked().await, asked, "put again");
    pico.say(&good(&asked)).await;
    assert_eq!(done(reading).await.channels.ch410, 1);
    assert!(!still_there.is_finished(), "we don't fight about an id");
    assert_eq!(clients(&broker).len(), 3, "ours, the other's by the same name, ours anew");
}

/// A cable to the broker that can be cut: what is sent then arrives nowhere, and nobody is told.
async fn cable(to: u16) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Arc::clone(&is_cut);
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let cut = Arc::clone(&cut);
            tokio::spawn(async move {
                let mut there = TcpStream::connect(("127.0.0.1", to)).await.expect("the broker");
                let severed = async {
                    while !cut.load(Ordering::SeqCst) {
                        sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut here, &mut there) => {}
                    () = severed => {
                        // Both ends believe that they are connected.
                        sleep(Duration::from_secs(600)).await;
                    }
                }
            });
        }
    });
    (port, is_cut)
}

#[tokio::test]
async fn a_cut_cable_is_noticed_and_the_reading_goes_on_over_a_new_one() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let (port, is_cut) = cable(broker.port()).await;
    let patience = Patience { connect: Duration::from_millis(500), reading: LONG, ..Patience::default() };
    let sensor = connect_sensor(&format!("mqtt://127.0.0.1:{port}/{PICO}"), patience).expect("an address");
    let reading = start_reading(&sensor, request());
    let asked = pico.asked().await;
    pico.say(&good(&asked)).await;
    done(reading).await;
    is_cut.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(50)).await;
    let reading = start_reading(&sensor, request());
    sleep(Duration::from_millis(50)).await;
    is_cut.store(false, Ordering::SeqCst);
    let asked = pico.asked().await;
    pico.say(&good(&asked)).await;
    assert_eq!(done(reading).await.channels.ch410, 1);
}

#[tokio::test]
async fn all_sensors_of_a_process_share_one_connection_and_each_gets_its_own_answer() {
    let broker = Mosquitto::start();
    let mut pico = Pico::on(&broker).await;
    let mut other = Pico::named("e66130100f8c0001", &broker).await;
    let network = Network::new(patience());
    let at = |id: &str| network.sensor(&format!("mqtt://127.0.0.1:{}/{id}", broker.port())).expect("an address");
    let (one, two) = (start_reading(&at(PICO), request()), start_reading(&at("e66130100f8c0001"), request()));
    let (asked_one, asked_two) = (pico.asked().await, other.asked().await);
    let topic = "color-mixing/picow/e66130100f8c0001/as7341";
    let answer = with(&asked_two, json!({"sensor_data": bands(2)})).to_string();
    other.client.publish(topic, QoS::AtLeastOnce, false, answer).await.expect("queued");
    // The second's answer on the first's topic is nobody's.
    pico.say(&with(&asked_two, json!({"sensor_data": bands(3)}))).await;
    assert_eq!(done(two).await.channels.ch410, 2);
    pico.say(&good(&asked_one)).await;
    assert_eq!(done(one).await.channels.ch410, 1);
    assert_eq!(clients(&broker).len(), 1, "one connection");
}

#[tokio::test]
async fn a_silent_device_and_a_broker_that_is_not_there_are_told_apart() {
    let mut broker = Mosquitto::start();
    let patience = Patience { reading: Duration::from_millis(800), ..Patience::default() };
    let url = format!("mqtt://127.0.0.1:{}/{PICO}", broker.port());
    let sensor = connect_sensor(&url, patience).expect("an address");
    let silent = sensor.read(request()).await.expect_err("nobody answers");
    assert_eq!(silent.code(), FaultCode::SensorSilent);
    broker.kill();
    let gone = sensor.read(request()).await.expect_err("no broker");
    let SensorError::Blocked { detail, remedy } = &gone else { panic!("{gone:?}") };
    assert!(detail.contains("can't be reached: connection refused") && remedy.contains("broker runs"), "{gone:?}");
    assert_eq!(gone.code(), FaultCode::SensorUnreachable);
}

#[tokio::test]
async fn a_user_is_let_in_with_the_right_password_and_no_password_is_ever_shown() {
    let broker = Mosquitto::start_with(|directory| {
        let file = directory.join("passwords");
        let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&file).args(["lab", "s3cret"]).status();
        assert!(made.expect("mosquitto_passwd").success());
        format!("allow_anonymous false\npassword_file {}", file.display())
    });
    let url = format!("mqtt://127.0.0.1:{}/{PICO}", broker.port());
    let take = async |password: Option<&str>| {
        let user = password.map(|_| "lab".to_owned());
        let access = Access { user, password: password.map(Secret::from), ca: None };
        let patience = Patience { reading: Duration::from_millis(600), ..Patience::default() };
        let network = Network::with_access(patience, access);
        let sensor = network.sensor(&url).expect("an address");
        let error = sensor.read(request()).await.expect_err("there is no device");
        let shown = format!("{network:?} {sensor:?} {error:?} {error}");
        assert!(!shown.contains("s3cret") && !shown.contains("wr0ng"), "{shown}");
        error
    };
    assert_eq!(take(Some("s3cret")).await.code(), FaultCode::SensorSilent, "let in; no device is there");
    for password in [Some("wr0ng"), None] {
        let refused = take(password).await;
        let SensorError::Blocked { detail, remedy } = &refused else { panic!("{refused:?}") };
        assert!(detail.contains("refuses this user and password") && remedy.contains("mqtt_password"), "{refused:?}");
    }
}

/// Certificates for `localhost`, and another authority that signed nothing.
fn certify(directory: &Path) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let said = Command::new("openssl").args(arguments).output().expect("openssl");
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    for ca in ["ca", "another"] {
        let (subject, key_at, out) = (format!("/CN={ca}"), at(&format!("{ca}.key")), at(&format!("{ca}.pem")));
        let made = ["req", "-x509", "-subj", &subject, "-days", "2", "-keyout", &key_at, "-out", &out];
        openssl(&[&made[..], &key].concat());
    }
    let request = ["req", "-subj", "/CN=localhost", "-keyout", &at("server.key"), "-out", &at("server.csr")];
    openssl(&[&request[..], &key].concat());
    std::fs::write(directory.join("names"), "subjectAltName=DNS:localhost").expect("written");
    let signed = ["x509", "-req", "-in", &at("server.csr"), "-CA", &at("ca.pem"), "-CAkey", &at("ca.key")];
    let more = ["-CAcreateserial", "-days", "2", "-extfile", &at("names"), "-out", &at("server.pem")];
    openssl(&[&signed[..], &more].concat());
    format!("allow_anonymous true\ncertfile {}\nkeyfile {}", at("server.pem"), at("server.key"))
}

#[tokio::test]
async fn only_the_right_broker_with_the_right_name_is_spoken_to() {
    let broker = Mosquitto::start_with(certify);
    let take = async |scheme: &str, host: &str, ca: Option<&str>| {
        let patience = Patience { reading: Duration::from_secs(2), ..Patience::default() };
        let access = Access { ca: ca.map(|name| broker.file(name)), ..Access::default() };
        let url = format!("{scheme}://{host}:{}/{PICO}", broker.port());
        let sensor = Network::with_access(patience, access).sensor(&url).expect("an address");
        sensor.read(request()).await.expect_err("there is no device")
    };
    let right = take("mqtts", "localhost", Some("ca.pem")).await;
    assert_eq!(right.code(), FaultCode::SensorSilent, "a broker that we trust, and no device: {right:?}");
    for (host, ca, detail, remedy) in [
        ("localhost", Some("another.pem"), "isn't trusted: UnknownIssuer", "Set mqtt_ca"),
        ("localhost", None, "isn't trusted: UnknownIssuer", "Set mqtt_ca"),
        ("127.0.0.1", Some("ca.pem"), "isn't trusted: NotValidForName", "Use the name"),
        ("localhost", Some("nothing.pem"), "nothing.pem, can't be read", "Set mqtt_ca"),
        ("localhost", Some("server.key"), "holds no certificate", "Set mqtt_ca"),
    ] {
        let error = take("mqtts", host, ca).await;
        let SensorError::Blocked { detail: what, remedy: how } = &error else { panic!("{host} {ca:?}: {error:?}") };
        assert!(what.contains(detail) && how.contains(remedy), "{host} {ca:?}: {error:?}");
    }
    let in_the_clear = take("mqtt", "localhost", None).await;
    assert_eq!(in_the_clear.code(), FaultCode::SensorUnreachable, "{in_the_clear:?}");
}

#[test]
fn an_address_on_a_broker_names_a_device_and_no_password() {
    for url in [
        "mqtt://host",
        "mqtt://host/a/b",
        "mqtt://host/+",
        "mqtts://me:s3cret@host/a",
        "mqtt://host/a?gain=3",
        "mqtt://host/a?gian=64",
        "mqtt://host/a?led=5",
        "mqtt://host/a?led=0",
        "mqtt://host/a?gain=64&gain=64",
        "mqtt://host/a?password=s3cret",
        "amqp://host/a",
    ] {
        let error = connect_sensor(url, Patience::default()).expect_err(url).to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
    connect_sensor("mqtts://[::1]/a?gain=0.5", Patience::default()).expect("an address");
}
