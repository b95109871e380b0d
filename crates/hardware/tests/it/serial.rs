//! A sensor on a serial port, through a pseudo-terminal: asked, unplugged, plugged in again.

use domain::{FaultCode, OperationId, reading::SensorSettings};
use hardware::{ColourSensor, Patience, ReadRequest, SensorError, connect_sensor};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::{fd::OwnedFd, unix::fs::symlink},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A port by a name that stays, as `/dev/serial/by-id` has it, whatever is plugged in there.
struct Socket {
    directory: TempDir,
}

/// What is plugged in: the other end of the port's cable. Unplugged when dropped.
struct Device {
    cable: File,
    /// So that the cable isn't hung up between two who open the port.
    _port: OwnedFd,
}

impl Socket {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn port(&self) -> PathBuf {
        self.directory.path().join("ttyACM0")
    }

    fn plug_in(&self) -> Device {
        let cable = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&cable).expect("granted");
        unlockpt(&cable).expect("unlocked");
        let name = ptsname(&cable, Vec::new()).expect("a name").into_string().expect("text");
        let port = rustix::fs::open(name.as_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opened");
        // As whoever used the port before has left it: it says nothing back.
        let mut mode = tcgetattr(&port).expect("a mode");
        mode.make_raw();
        tcsetattr(&port, OptionalActions::Now, &mode).expect("raw");
        let _ = fs::remove_file(self.port());
        symlink(&name, self.port()).expect("linked");
        Device { cable: File::from(cable), _port: port }
    }

    fn sensor(&self, options: &str) -> Arc<dyn ColourSensor> {
        let patience = Patience { reading: Duration::from_secs(10), ..Patience::default() };
        connect_sensor(&format!("serial://{}{options}", self.port().display()), patience).expect("an address")
    }
}

impl Device {
    fn say(&mut self, bytes: &[u8]) {
        self.cable.write_all(bytes).expect("said");
    }

    /// Waits for a question and says what `answer` makes of it.
    fn answer(mut self, answer: impl FnOnce(&Value) -> Vec<u8> + Send + 'static) -> thread::JoinHandle<(Self, Value)> {
        thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(&self.cable).read_line(&mut line).expect("a question");
            let asked = serde_json::from_str(&line).expect("JSON");
            self.say(&answer(&asked));
            (self, asked)
        })
    }
}

fn request() -> ReadRequest {
    let settings = SensorSettings::default();
    ReadRequest { operation: OperationId::new(), experiment: None, lease_epoch: 3, settings }
}

fn good(asked: &Value) -> Value {
    json!({
        "operation_id": asked["operation_id"], "lease_epoch": asked["lease_epoch"],
        "sensor_data": {"ch410": 1, "ch440": 2, "ch470": 3, "ch510": 4, "ch550": 5, "ch583": 6, "ch620": 7, "ch670": 8},
        "clear": 9, "nir": 10, "saturated": false,
    })
}

fn line(reply: &Value) -> Vec<u8> {
    format!("#WCS# {reply}\r\n").into_bytes()
}

#[tokio::test]
async fn a_device_is_asked_among_its_chatter() {
    let socket = Socket::new();
    let mut device = socket.plug_in();
    // Half a line of what it said before: glued to it, the reply would be lost.
    device.say(b"#WCS# {\"half a li");
    let answering = device.answer(|asked| line(&good(asked)));
    let sensor = socket.sensor("?gain=64");
    sensor.read(request()).await.expect("a reading");
    let (device, _) = answering.join().expect("it answered");

    let answering = device.answer(|asked| {
        let mut said = b"MPY: soft reboot\r\n\xff\xfe\r\n#WCS# {not json\r\n".to_vec();
        let mut old = good(asked);
        old["lease_epoch"] = json!(2);
        old["clear"] = json!(99);
        said.extend(line(&old));
        said.extend(line(&good(asked)));
        said.extend(line(&good(asked)));
        said
    });
    let reading = sensor.read(request()).await.expect("a reading");
    let (_device, asked) = answering.join().expect("it answered");
    assert_eq!(asked["settings"], json!({"gain": 64.0, "atime": 100, "astep": 999}));
    assert_eq!((reading.channels.bands(), reading.channels.clear), ([1, 2, 3, 4, 5, 6, 7, 8], Some(9)));
    assert_eq!(reading.settings.gain().factor(), 64.0);
}

#[tokio::test]
async fn a_device_that_is_unplugged_is_missed_and_found_again() {
    let socket = Socket::new();
    let sensor = socket.sensor("?baud=9600");
    let blocked = |error: SensorError| match error {
        SensorError::Blocked { detail, .. } => detail,
        other => panic!("{other:?}"),
    };
    let nothing = sensor.read(request()).await.expect_err("nothing is plugged in");
    assert_eq!(nothing.code(), FaultCode::SensorUnreachable);
    assert!(blocked(nothing).starts_with("There is no serial port"));

    let device = socket.plug_in();
    // It goes with the question in its hands.
    let answering = device.answer(|_| Vec::new());
    let reading = tokio::spawn({
        let sensor = Arc::clone(&sensor);
        async move { sensor.read(request()).await }
    });
    let (device, _) = tokio::task::spawn_blocking(|| answering.join().expect("it was asked")).await.expect("joined");
    drop(device);
    let gone = reading.await.expect("no panic").expect_err("it went away");
    assert!(blocked(gone).contains("went away before it answered"));

    let answering = socket.plug_in().answer(|asked| line(&good(asked)));
    let reading = sensor.read(request()).await.expect("a reading");
    assert_eq!(reading.channels.ch670, 8);
    drop(answering.join().expect("it answered"));
}

#[tokio::test]
async fn what_is_no_port_is_said_so() {
    let socket = Socket::new();
    fs::write(socket.port(), "").expect("written");
    let error = socket.sensor("").read(request()).await.expect_err("a file");
    assert!(error.to_string().ends_with("ttyACM0 is no serial port"), "{error}");
    for url in [
        "serial://",
        "serial://ttyACM0",
        "serial:///",
        "serial:///dev/ttyACM0?baud=fast",
        "serial:///dev/ttyACM0?baud=1",
        "serial:///dev/ttyACM0?speed=9600",
        "serial:///dev/ttyACM0?gain",
    ] {
        assert!(connect_sensor(url, Patience::default()).is_err(), "{url}");
    }
}
