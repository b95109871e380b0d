//! No client keeps others out: not one that says nothing, not one that speaks or reads slower than anybody would.
//!
//! By default a few hundred sockets of each kind; `TINCTURE_TEST_SOCKETS=4200` opens as many of each as silenced a server
//! without limits.

use crate::process::{ADMIN, PASSWORD, Process, up};
use reqwest::{Client, StatusCode};
use rustix::{
    net::sockopt,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use serde_json::json;
use std::{
    env, fs,
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For an honest client on a busy machine; nothing is asserted about how long it really takes.
const ONE_REQUEST: Duration = Duration::from_secs(20);
/// For a server that is to lose its patience.
const PATIENCE: Duration = Duration::from_secs(60);
const DRIP: Duration = Duration::from_millis(200);
const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Over a megabyte, so that it doesn't fit into the sockets' buffers.
const LARGE: &str = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: lab\r\n\r\n";

/// A way to keep a server waiting.
#[derive(Clone, Copy, Debug)]
enum Slow {
    Silent,
    Head,
    Form,
    Json,
    /// Asks for much, again and again, and never reads.
    Deaf,
}

const KINDS: [Slow; 5] = [Slow::Silent, Slow::Head, Slow::Form, Slow::Json, Slow::Deaf];

impl Slow {
    /// What it says at once.
    fn opening(self) -> String {
        let post = |path: &str, kind: &str| {
            format!("POST {path} HTTP/1.1\r\nhost: lab\r\ncontent-type: {kind}\r\ncontent-length: 100000\r\n\r\n")
        };
        match self {
            Self::Silent => String::new(),
            Self::Head => "GET /sign-in HTTP/1.1\r\nhost: lab\r\nx: ".to_owned(),
            Self::Form => post("/sign-in", "application/x-www-form-urlencoded") + "email=",
            Self::Json => post("/api/v1/auth/login", "application/json") + "{",
            Self::Deaf => LARGE.repeat(20),
        }
    }

    /// What it adds now and then.
    const fn drop(self) -> &'static [u8] {
        match self {
            Self::Silent | Self::Deaf => b"",
            Self::Head | Self::Form | Self::Json => b" ",
        }
    }
}

/// A lab with limits of its own.
struct Lab {
    _directory: TempDir,
    process: Process,
    address: String,
}

impl Lab {
    fn with(settings: &[(&str, &str)]) -> Self {
        Self::of(up, settings)
    }

    fn of(command: impl Fn(&std::path::Path) -> Command, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = command(&directory.path().join("data"));
        command.env("TINCTURE_ADMIN_PASSWORD", PASSWORD).envs(settings.iter().copied());
        let mut process = Process::spawn(command);
        let address = process.word_after("Tincture is ready: http://");
        Self { _directory: directory, process, address }
    }

    fn open(&self, kind: Slow) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).expect("a connection");
        socket.set_nonblocking(true).expect("set");
        // It may be let go already, or not take all of it.
        let _ = socket.write(kind.opening().as_bytes());
        socket
    }

    /// A person looks at a page and signs in.
    async fn serves(&self, from: IpAddr, when: &str) {
        let client = Client::builder().timeout(ONE_REQUEST).local_address(from).build().expect("a client");
        let page = client.get(format!("http://{}/sign-in", self.address)).send().await;
        assert_eq!(page.expect(when).status(), StatusCode::OK, "{when}");
        let person = json!({ "email": ADMIN, "password": PASSWORD });
        let signed_in = client.post(format!("http://{}/api/v1/auth/login", self.address)).json(&person).send().await;
        assert_eq!(signed_in.expect(when).status(), StatusCode::OK, "{when}");
    }
}

/// Many slow connections from one address, kept slow by a thread until this is dropped.
struct Crowd {
    over: Arc<AtomicBool>,
    dripping: Option<thread::JoinHandle<()>>,
}

impl Crowd {
    fn of(lab: &Lab, kind: Slow, size: usize) -> Self {
        let mut sockets: Vec<_> = (0..size).map(|_| lab.open(kind)).collect();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let dripping = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                for socket in &mut sockets {
                    let _ = socket.write(kind.drop());
                }
                thread::sleep(DRIP);
            }
        });
        Self { over, dripping: Some(dripping) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.dripping.take().map(thread::JoinHandle::join);
    }
}

fn crowd_size() -> usize {
    let size = env::var("TINCTURE_TEST_SOCKETS").map_or(300, |size| size.parse().expect("a number"));
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("as many files as may be");
    size
}

#[tokio::test]
async fn slow_clients_keep_nobody_out() {
    let size = crowd_size();
    let of_one = (size / 3).to_string();
    let lab = Lab::with(&[("TINCTURE_CONNECTIONS_PER_ADDRESS", &of_one), ("TINCTURE_CLIENT_PATIENCE", "600")]);
    for kind in KINDS {
        let _crowd = Crowd::of(&lab, kind, size);
        lab.serves(OTHER, &format!("from elsewhere, {size} × {kind:?}")).await;
        lab.serves(ONE, &format!("from the same address, {size} × {kind:?}")).await;
    }
}

/// Behind a proxy there is one address; and many clients together may fill what there is in all.
#[tokio::test]
async fn a_full_server_makes_room() {
    let size = crowd_size();
    let most = (size / 3).to_string();
    for settings in [
        [("TINCTURE_BEHIND_PROXY", "true"), ("TINCTURE_CONNECTIONS", &*most), ("TINCTURE_CLIENT_PATIENCE", "600")],
        [("TINCTURE_BEHIND_PROXY", "false"), ("TINCTURE_CONNECTIONS", &*most), ("TINCTURE_CLIENT_PATIENCE", "600")],
    ] {
        let lab = Lab::with(&settings);
        let _crowds = KINDS.map(|kind| Crowd::of(&lab, kind, size / KINDS.len()));
        lab.serves(OTHER, "from elsewhere").await;
        lab.serves(ONE, "from the same address").await;
    }
}

/// Waits until the server hangs up. Reads nothing of it: whether it does must not depend on a reader.
fn is_let_go(mut socket: TcpStream, kind: Slow) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // What the deaf would send is more of the same.
    let more = if kind.drop().is_empty() { LARGE.as_bytes() } else { kind.drop() };
    while Instant::now() < deadline {
        let gone = match kind {
            // It says nothing, so it can only listen for the end.
            Slow::Silent => matches!(socket.read(&mut [0]), Ok(0)),
            _ => false,
        };
        let hung_up = !matches!(kind, Slow::Silent)
            && socket.write(more).is_err_and(|error| error.kind() != ErrorKind::WouldBlock);
        if gone || hung_up {
            return Ok(());
        }
        thread::sleep(DRIP);
    }
    Err(ErrorKind::TimedOut.into())
}

#[tokio::test]
async fn who_takes_too_long_is_let_go() {
    let lab = Lab::with(&[("TINCTURE_CLIENT_PATIENCE", "1")]);
    for kind in KINDS {
        is_let_go(lab.open(kind), kind).unwrap_or_else(|_| panic!("{kind:?} is there for ever"));
    }
    lab.serves(ONE, "after them").await;
}

/// A socket that holds little of what it is sent, having asked for much.
fn thirsty(lab: &Lab, glasses: usize) -> TcpStream {
    let mut socket = TcpStream::connect(&lab.address).expect("a connection");
    socket.set_read_timeout(Some(ONE_REQUEST)).expect("set");
    sockopt::set_socket_recv_buffer_size(&socket, 16 * 1024).expect("set");
    let last = LARGE.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    socket.write_all((LARGE.repeat(glasses - 1) + &last).as_bytes()).expect("asked");
    socket
}

/// What comes while a piece at a time is read with a pause after each.
fn sip(mut socket: TcpStream, piece: usize, pause: Duration) -> io::Result<usize> {
    let (deadline, mut piece, mut all) = (Instant::now() + PATIENCE, vec![0; piece], 0);
    while Instant::now() < deadline {
        match socket.read(&mut piece)? {
            0 => return Ok(all),
            bytes => all += bytes,
        }
        thread::sleep(pause);
    }
    Err(ErrorKind::TimedOut.into())
}

#[tokio::test]
async fn a_steady_reader_gets_it_all_and_one_who_sips_does_not() {
    let lab = Lab::with(&[("TINCTURE_CLIENT_PATIENCE", "1")]);
    let whole = reqwest::get(format!("http://{}/docs/swagger-ui-bundle.js", lab.address)).await.expect("an answer");
    let whole = whole.bytes().await.expect("a body").len();
    let steady = sip(thirsty(&lab, 3), 16 * 1024, Duration::from_millis(40)).expect("all of it");
    assert!(steady > 3 * whole, "{steady} bytes came of 3 × {whole}");
    match sip(thirsty(&lab, 100), 4 * 1024, Duration::from_millis(100)) {
        Ok(sipped) => assert!(sipped < 100 * whole, "{sipped} bytes came"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

/// `up` under a limit on open files, soft or hard.
fn limited(flag: &'static str, files: usize) -> impl Fn(&std::path::Path) -> Command {
    move |data| {
        let wanted = up(data);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit {flag} {files} && exec \"$0\" \"$@\""));
        command.arg(wanted.get_program()).args(wanted.get_args());
        for (name, value) in wanted.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

#[tokio::test]
async fn the_limit_on_open_files_is_raised_and_kept_to() {
    let lab = Lab::of(limited("-Sn", 300), &[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", lab.process.id())).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("the line");
    let words: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(words[0], words[1], "{line}");

    let lab = Lab::of(limited("-n", 400), &[]);
    let _crowd = Crowd::of(&lab, Slow::Silent, 300);
    lab.serves(ONE, "with few files").await;
    let open = fs::read_dir(format!("/proc/{}/fd", lab.process.id())).expect("its files").count();
    assert!(open < 400, "{open} files are open");
}
