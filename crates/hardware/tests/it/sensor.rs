//! A sensor line full of other people's replies, old replies, chatter and silence: only our own reading counts.

use domain::{
    ExperimentId, FaultCode, OperationId,
    reading::{Reading, SensorSettings},
};
use hardware::{Patience, ReadRequest, SensorError, connect_sensor};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

fn request() -> ReadRequest {
    ReadRequest {
        operation: OperationId::new(),
        experiment: Some(ExperimentId::new()),
        lease_epoch: 7,
        settings: SensorSettings::default(),
    }
}

/// The reply of a device that does its job.
fn good(asked: &Value) -> Value {
    json!({
        "operation_id": asked["operation_id"], "experiment_id": asked["experiment_id"], "lease_epoch": asked["lease_epoch"],
        "sensor_data": {"ch410": 1, "ch440": 2, "ch470": 3, "ch510": 4, "ch550": 5, "ch583": 6, "ch620": 7, "ch670": 8},
        "clear": 9, "nir": 10, "saturated": false, "sensor_settings": {"gain": 64, "again_code": 7, "atime": 100, "astep": 999},
    })
}

/// `good` with some fields replaced; null removes one.
fn with(asked: &Value, changes: Value) -> Value {
    let mut reply = good(asked);
    for (name, value) in changes.as_object().expect("an object") {
        reply[name] = value.clone();
    }
    reply
}

fn marked(reply: &Value) -> Vec<u8> {
    format!("#WCS# {reply}\n").into_bytes()
}

/// Takes a reading from a device that sends these bytes once it was asked, then stays silent or hangs up.
async fn take(
    request: ReadRequest,
    hang_up: bool,
    say: impl FnOnce(&Value) -> Vec<u8> + Send + 'static,
) -> Result<Reading, SensorError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("tcp://{}", listener.local_addr().expect("an address"));
    let device = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a request");
        let said = say(&serde_json::from_str(&line).expect("JSON"));
        let _ = stream.write_all(&said).await;
        let _ = stream.flush().await;
        if !hang_up {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
    let patience = Patience { reading: Duration::from_millis(400), ..Patience::default() };
    let reading = connect_sensor(&url, patience).expect("an address").read(request).await;
    device.abort();
    reading
}

#[tokio::test]
async fn a_reading_carries_every_channel_and_the_settings_the_device_used() {
    let reading = take(request(), false, |asked| {
        assert_eq!((&asked["command"], &asked["lease_epoch"]), (&json!("read"), &json!(7)));
        assert_eq!(asked["settings"], json!({"gain": 128.0, "atime": 100, "astep": 999}));
        marked(&good(asked))
    })
    .await
    .expect("a reading");
    assert_eq!(reading.channels.bands(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((reading.channels.clear, reading.channels.nir, reading.saturated), (Some(9), Some(10), false));
    assert_eq!(reading.settings.gain().factor(), 64.0);
}

#[tokio::test]
async fn what_a_device_says_of_gain_and_light_is_believed_and_what_it_does_not_say_is_not() {
    let lit = ReadRequest { settings: SensorSettings::default().by_led(), ..request() };
    let told = take(lit.clone(), false, |asked| {
        assert_eq!(asked["settings"]["led_ma"], 12);
        marked(&with(asked, json!({"sensor_settings": {"gain": 64, "led_ma": 12}})))
    })
    .await
    .expect("a reading");
    assert_eq!((told.settings.led_ma(), told.settings_assumed), (Some(12), false));
    let silent = take(lit.clone(), false, |asked| marked(&with(asked, json!({"sensor_settings": null})))).await;
    let silent = silent.expect("a reading");
    assert_eq!((silent.settings.led_ma(), silent.settings_assumed), (None, true), "nobody knows whether it shines");
    assert_eq!(silent.settings.gain(), lit.settings.gain());
    let wrong =
        take(lit, false, |asked| marked(&with(asked, json!({"sensor_settings": {"gain": 64, "led_ma": 5}})))).await;
    assert!(matches!(wrong, Err(SensorError::Implausible { .. })), "{wrong:?}");
}

#[tokio::test]
async fn an_answer_to_one_exposure_of_an_operation_is_none_to_the_next() {
    let first = request();
    let second = ReadRequest { operation: first.operation.exposure(1), ..first.clone() };
    let late = first.operation;
    let dark =
        json!({"ch410": 99, "ch440": 99, "ch470": 99, "ch510": 99, "ch550": 99, "ch583": 99, "ch620": 99, "ch670": 99});
    let reading = take(second, false, move |asked| {
        let mut said = marked(&with(asked, json!({"operation_id": late, "sensor_data": dark})));
        said.extend(marked(&good(asked)));
        said
    })
    .await
    .expect("its own");
    assert_eq!(reading.channels.ch410, 1);
}

#[tokio::test]
async fn other_peoples_late_and_garbled_lines_are_passed_over_and_duplicates_do_no_harm() {
    let reading = take(request(), false, |asked| {
        let dark = json!({"ch410": 99, "ch440": 99, "ch470": 99, "ch510": 99, "ch550": 99, "ch583": 99, "ch620": 99, "ch670": 99});
        let mut said = b"booting...\n\xff\xfe\n#WCS# {not json\n#WCS# []\n\n".to_vec();
        // Too long a line, whose tail would pass for a reply if it were cut where the limit is.
        said.extend(vec![b'x'; 8 << 10]);
        said.extend(marked(&with(asked, json!({"sensor_data": dark}))));
        said.extend(marked(&with(asked, json!({"operation_id": OperationId::new(), "sensor_data": dark}))));
        said.extend(marked(&with(asked, json!({"lease_epoch": 6, "sensor_data": dark}))));
        said.extend(marked(&with(asked, json!({"lease_epoch": null, "sensor_data": dark}))));
        said.extend(marked(&json!({"error": "somebody's line was malformed"})));
        said.extend(marked(&good(asked)));
        said.extend(marked(&good(asked)));
        said
    })
    .await
    .expect("our own reading");
    assert_eq!(reading.channels.ch410, 1);
}

#[tokio::test]
async fn saturation_is_a_reading_that_says_so() {
    let flagged =
        take(request(), false, |asked| marked(&with(asked, json!({"saturated": true})))).await.expect("a reading");
    assert!(flagged.saturated);
    let counted =
        take(request(), false, |asked| marked(&with(asked, json!({"clear": 65_535})))).await.expect("a reading");
    assert!(counted.saturated, "full scale is saturation even when the device doesn't say so");
}

#[tokio::test]
async fn what_cannot_be_right_is_an_error() {
    let zeros = json!({"ch410": 0, "ch440": 0, "ch470": 0, "ch510": 0, "ch550": 0, "ch583": 0, "ch620": 0, "ch670": 0});
    for changes in [
        json!({"sensor_data": zeros}),
        json!({"sensor_data": {"ch410": 1}}),
        json!({"sensor_data": null}),
        json!({"clear": null}),
        json!({"nir": -1}),
        json!({"clear": 70_000}),
        json!({"clear": 1_001, "sensor_settings": {"gain": 1, "atime": 9, "astep": 99}}),
    ] {
        let case = changes.to_string();
        let error = take(request(), false, move |asked| marked(&with(asked, changes))).await.expect_err(&case);
        assert!(matches!(error, SensorError::Implausible { .. }), "{case}: {error:?}");
    }
}

#[tokio::test]
async fn a_device_that_reports_a_fault_stays_silent_or_hangs_up_is_told_apart() {
    let fault = take(request(), false, |asked| marked(&with(asked, json!({"error": "I2C timeout"}))))
        .await
        .expect_err("a fault");
    assert_eq!(fault, SensorError::Device { detail: "I2C timeout".to_owned() });
    let silence = take(request(), false, |_| Vec::new()).await.expect_err("silence");
    assert_eq!(silence.code(), FaultCode::SensorSilent);
    let gone = take(request(), true, |_| b"#WCS# {\"oper".to_vec()).await.expect_err("gone");
    assert_eq!(gone.code(), FaultCode::SensorUnreachable);
}

#[tokio::test]
async fn nobody_at_the_address_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("tcp://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error =
        connect_sensor(&url, Patience::default()).expect("an address").read(request()).await.expect_err("nobody");
    assert_eq!(error.code(), FaultCode::SensorUnreachable);
}

#[test]
fn an_address_is_tcp_host_and_port() {
    for url in [
        "",
        "tcp://",
        "tcp://sensor",
        "tcp://:7",
        "sensor:7",
        "http://sensor:7",
        "tcp://me:secret@sensor:7",
        "tcp://sensor:99999",
    ] {
        assert!(connect_sensor(url, Patience::default()).is_err(), "{url}");
    }
    connect_sensor("tcp://[::1]:7", Patience::default()).expect("IPv6");
}
