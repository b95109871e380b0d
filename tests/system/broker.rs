//! The whole lab with its sensor on a real MQTT broker, which dies in the middle of an experiment.

use crate::{
    client::{Client, eight_wells, measured},
    ledger,
    process::{Lab, Process, run, tincture},
};
use mqtt::testing::Mosquitto;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

/// What each well's result was made of, held against what the sensor really saw there.
fn assert_read_there(ledger: &[Value], wells: &[&Value]) {
    let mut read: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry["kind"] == "read") {
        read.entry(entry["well"].as_str().unwrap_or_default()).or_default().push(&entry["channels"]);
    }
    for well in wells {
        let (at, result) = (well["well_id"].as_str().expect("allotted"), &well["result"]);
        let seen = read.get(at).map(Vec::as_slice).unwrap_or_default();
        let reads = result["reads"].as_array().expect("readings");
        assert_eq!(reads.len(), 4);
        for told in reads {
            assert_eq!((&told["clear"], &told["nir"]), (&Value::Null, &Value::Null), "this firmware tells eight bands");
            let is_it = |seen: &&&Value| {
                told.as_object().is_some_and(|told| told.iter().all(|(name, count)| seen[name.as_str()] == *count))
            };
            assert!(seen.iter().any(|seen| is_it(&seen)), "{at} has {told}, and there was seen {seen:?}");
        }
        assert_eq!(result["dark_reference"], Value::Null, "its light can't be switched");
    }
}

#[tokio::test]
async fn a_broker_that_dies_in_mid_experiment_falsifies_nothing() {
    let mut broker = Mosquitto::start();
    let on_broker = format!("mqtt://127.0.0.1:{}/virtual-1", broker.port());
    // As fast as the sensor can be killed between two of its readings.
    let lab = Lab::up_with(100, vec![("TINCTURE_SENSOR_MQTT", on_broker)]);
    let client = Client::of(&lab).await;
    let id = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    let reads = async || ledger::read(&lab.robot).await.iter().filter(|entry| entry["kind"] == "read").count();
    for readings in [1, 4] {
        while reads().await < readings {
            sleep(Duration::from_millis(5)).await;
        }
        broker.kill();
        sleep(Duration::from_millis(300)).await;
        broker.start_again();
    }
    let completed = client.until_completed(&id).await;
    let wells = measured(&completed);
    assert_eq!(wells.len(), 8);
    let ledger = ledger::read(&lab.robot).await;
    ledger::assert_as_asked(&ledger, &wells);
    assert_read_there(&ledger, &wells);
}

#[test]
fn a_sensor_on_a_broker_is_served_and_addressed_by_the_command_line() {
    let broker = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}/virtual-1", broker.port());
    let listen = ["--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--mqtt", &url];
    let mut emulator = Process::spawn(tincture(&[&["emulator"][..], &listen].concat()));
    assert_eq!(format!("mqtt{}", emulator.word_after("  Sensor        mqtt")), url);
    assert!(emulator.stop().success());

    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("text").to_owned();
    let ours = |arguments: &[&str]| {
        let mut command = tincture(arguments);
        command.env("TINCTURE_DATA_DIR", &data);
        command
    };
    assert!(run(ours(&["migrate"])).status.success());
    let add = |sensor: &str| run(ours(&["robot", "add", "bench", "--url", "http://127.0.0.1:9", "--sensor", sensor]));
    for sensor in
        ["mqtts://broker:8883/e66130100f8c9928?gain=64", "serial:///dev/ttyACM0?baud=115200", "tcp://10.0.0.1:5"]
    {
        let said = add(sensor);
        assert!(said.status.success(), "{sensor}: {}", said.stderr);
    }
    for (sensor, says) in [
        ("mqtts://me:s3cret@broker/e6613", "set mqtt_user and mqtt_password"),
        ("mqtts://broker", "the device's name must be"),
        ("mqtts://broker/e6613?gain=100", "a sensor's gain is"),
        ("udp://broker", "a sensor's address is tcp://host:port, mqtts://host:8883/PICO_ID"),
    ] {
        let said = add(sensor);
        assert!(!said.status.success() && said.stderr.contains(says), "{sensor}: {}", said.stderr);
        assert!(!said.stderr.contains("s3cret"), "{}", said.stderr);
    }
    let mut alone = ours(&["config"]);
    alone.env("TINCTURE_MQTT_PASSWORD", "s3cret");
    let said = run(alone);
    assert!(said.stderr.contains("mqtt_password is set, but not mqtt_user"), "{}", said.stderr);
    let mut shown = ours(&["config"]);
    shown.env("TINCTURE_MQTT_PASSWORD", "s3cret").env("TINCTURE_MQTT_USER", "lab");
    let said = run(shown);
    assert!(said.status.success() && said.stdout.contains("mqtt_password = \"****\""), "{}", said.stdout);
    assert!(!said.stdout.contains("s3cret"));
}
