//! A broker of one's own: Debian's Mosquitto as a process, on a free port of this machine.

use crate::Address;
use free_port::free_port;
use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/mosquitto";
const START_LIMIT: Duration = Duration::from_secs(20);

/// Killed when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    directory: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// One that lets everybody in.
    ///
    /// # Panics
    /// When Debian's package `mosquitto` isn't installed, or it doesn't get ready.
    pub fn start() -> Self {
        Self::start_with(|_| "allow_anonymous true".to_owned())
    }

    /// One with these lines of configuration, which may name files in the directory that they are given.
    ///
    /// # Panics
    /// As [`Mosquitto::start`].
    pub fn start_with(lines: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let lines = lines(directory.path());
        let mut broker = Self { directory, port: 0, child: None };
        // A free port may be taken by somebody else before the broker has it.
        for _ in 0..3 {
            broker.port = free_port();
            broker.configure(&lines);
            if broker.try_start() {
                return broker;
            }
        }
        panic!("Mosquitto doesn't start:\n{}", broker.log());
    }

    fn configure(&self, lines: &str) {
        // As root it would become another user, who can't read what lies here; as anybody else it takes no notice.
        let config = format!(
            "user root\nlistener {} 127.0.0.1\npersistence false\nset_tcp_nodelay true\nlog_type all\n{lines}\n",
            self.port
        );
        fs::write(self.file("mosquitto.conf"), config).expect("written");
    }

    fn try_start(&mut self) -> bool {
        let log = File::options().append(true).create(true).open(self.file("log")).expect("a log");
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(self.file("mosquitto.conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{PROGRAM} (Debian's mosquitto): {error}"));
        let until = Instant::now() + START_LIMIT;
        while Instant::now() < until {
            if child.try_wait().expect("waited").is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                self.child = Some(child);
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    /// `kill -9`; all that it knew is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts again where it was.
    ///
    /// # Panics
    /// When it doesn't get ready.
    pub fn start_again(&mut self) {
        self.kill();
        assert!(self.try_start(), "Mosquitto doesn't start again:\n{}", self.log());
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Without TLS.
    pub fn address(&self) -> Address {
        Address { host: "127.0.0.1".to_owned(), port: self.port, is_encrypted: false }
    }

    /// A file of its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}
