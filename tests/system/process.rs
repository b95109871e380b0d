//! Runs `tincture` as a process of its own, on free ports, with nothing inherited that would configure it.

use free_port::free_port;
use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const PASSWORD: &str = "quite long enough";
pub const ADMIN: &str = "admin@localhost";

/// Patience with a process on a busy machine; nothing is asserted about how long it really takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// `tincture` with these arguments and a clean environment.
pub fn tincture(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tincture"));
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("TINCTURE_")) {
        command.env_remove(name);
    }
    // A test that fails shows what went wrong, and not each request before it.
    command.args(arguments).env("TINCTURE_LOG", "warn");
    command
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command that ends by itself.
pub fn run(mut command: Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A process that serves until it is told to stop. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        Self { child, lines: lines_of(stdout), said: Vec::new() }
    }

    /// Waits for a line that holds `marker` and returns what follows it, up to a space.
    pub fn word_after(&mut self, marker: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("no '{marker}' in {PATIENCE:?}; it said {:?}", self.said),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without '{marker}'; it said {:?}", self.said),
            };
            let word = line.split_once(marker).and_then(|(_, rest)| rest.split_whitespace().next().map(str::to_owned));
            self.said.push(line);
            if let Some(word) = word {
                return word;
            }
        }
    }

    /// The word after `marker` in what was read so far.
    pub fn said_after(&self, marker: &str) -> Option<String> {
        let rest = self.said.iter().find_map(|line| line.split_once(marker))?.1;
        rest.split_whitespace().next().map(str::to_owned)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: it can't prepare for it.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Asks it to end, as Ctrl-C does, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            assert!(Instant::now() < deadline, "it didn't end in {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a stream, as they come.
pub fn lines_of(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// `tincture up` on a data directory that outlives it.
#[derive(Debug)]
pub struct Lab {
    directory: TempDir,
    speed: u32,
    /// More of its environment.
    environment: Vec<(&'static str, String)>,
    process: Option<Process>,
    /// `http://127.0.0.1:port` of pages and API.
    pub address: String,
    /// The same of the virtual OT-2.
    pub robot: String,
}

impl Lab {
    /// Of its process, while it runs.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// A new lab, `speed` times as fast as a real one, whose administrator has [`PASSWORD`].
    pub fn up(speed: u32) -> Self {
        Self::up_with(speed, Vec::new())
    }

    /// The same with more settings.
    pub fn up_with(speed: u32, environment: Vec<(&'static str, String)>) -> Self {
        Self::up_at(&format!("127.0.0.1:{}", free_port()), speed, environment)
    }

    /// The same where somebody has been told that it will be.
    pub fn up_at(listen: &str, speed: u32, environment: Vec<(&'static str, String)>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (address, robot) = (String::new(), String::new());
        let mut lab = Self { directory, speed, environment, process: None, address, robot };
        lab.start_on(listen);
        lab
    }

    /// Starts the process; its ports are new ones each time.
    pub fn start(&mut self) {
        self.start_on("127.0.0.1:0");
    }

    /// Starts the process where open pages still look for it.
    pub fn start_where_it_was(&mut self) {
        let listen = self.address.trim_start_matches("http://").to_owned();
        self.start_on(&listen);
    }

    fn start_on(&mut self, listen: &str) {
        let mut process = Process::spawn(self.command(listen));
        self.address = process.word_after("Tincture is ready: ");
        self.robot = process.word_after("Virtual OT-2 ");
        self.process = Some(process);
    }

    /// More of the environment of the next start, instead of what it was.
    pub fn set(&mut self, environment: Vec<(&'static str, String)>) {
        self.environment = environment;
    }

    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    pub fn stop(&mut self) -> ExitStatus {
        self.process.take().expect("it runs").stop()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, listen: &str) -> Command {
        let mut command = up_on(listen, &self.data_dir());
        command.args(["--speed", &self.speed.to_string(), "--seed", "7"]).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }
}

/// `tincture up` on free ports.
pub fn up(data_dir: &Path) -> Command {
    up_on("127.0.0.1:0", data_dir)
}

fn up_on(listen: &str, data_dir: &Path) -> Command {
    let mut command = tincture(&["up", "--listen", listen, "--robot-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data_dir);
    command
}
