//! PostgreSQL servers that a test starts for itself: one, or one with a standby that streams from it.
//!
//! Each lies in a directory of its own and ends when it is dropped. As root they run under the account `postgres`, which
//! PostgreSQL insists on.

use super::SERVER_VARIABLE;
use free_port::free_port;
use std::{
    env, fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The role that owns everything on such a server; anybody on this machine may be it.
pub const ROLE: &str = "tincture";

/// Longer than any start or catching up takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Others may take a port that was just free.
const ATTEMPTS: u32 = 5;

/// How a server is made to end, as `pg_ctl -m` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Transactions are rolled back, and what is in memory is written.
    Fast,
    /// At once; the next start recovers from the log.
    Immediate,
}

/// One server.
#[derive(Debug)]
pub struct Cluster {
    directory: TempDir,
    account: Account,
    settings: Vec<String>,
    /// Nothing where it is reached by its socket alone.
    port: Option<u16>,
    server: Option<Child>,
}

impl Cluster {
    /// One that is reached by a socket in its own directory, so that it can't be mistaken for another.
    ///
    /// # Panics
    /// When PostgreSQL isn't installed or doesn't start, saying what to do.
    pub fn start() -> Self {
        let mut cluster = Self::empty();
        cluster.initialize();
        cluster.settings.push("listen_addresses=".to_owned());
        cluster.run();
        cluster
    }

    /// One that listens on a free port of 127.0.0.1 too, as a standby or a pooler needs it, with more settings
    /// (`name=value`).
    ///
    /// # Panics
    /// As [`Cluster::start`] does.
    pub fn start_on_a_port(settings: &[&str]) -> Self {
        let mut cluster = Self::empty();
        cluster.initialize();
        cluster.settings.extend(settings.iter().map(|setting| (*setting).to_owned()));
        cluster.run_on_a_port();
        cluster
    }

    /// A standby that has caught up with this one and goes on streaming from it, without a slot. It calls itself `name`
    /// (`application_name`, which `synchronous_standby_names` speaks of).
    ///
    /// # Panics
    /// When the copy fails or it doesn't catch up.
    pub fn start_standby(&self, name: &str) -> Self {
        let mut standby = Self::empty();
        standby.copy(self, name);
        standby.settings = self.settings.clone();
        standby.run_on_a_port();
        self.until_followed();
        standby
    }

    /// Ends this one, whatever it was, and makes it a standby of that one, where it listened before.
    ///
    /// # Panics
    /// When the copy fails or it doesn't catch up.
    pub fn follow(&mut self, primary: &Self, name: &str) {
        self.crash();
        fs::remove_dir_all(self.data()).expect("its data can be deleted");
        self.copy(primary, name);
        self.run();
        primary.until_followed();
    }

    fn until_followed(&self) {
        self.until("SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'");
    }

    fn copy(&self, primary: &Self, name: &str) {
        let port = primary.port.expect("a primary that listens on a port");
        let from = format!("host=127.0.0.1 port={port} user={ROLE} application_name={name}");
        let copy = self
            .account
            .command(&programs().join("pg_basebackup"))
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync", "--write-recovery-conf", "--dbname", &from])
            .arg("--pgdata")
            .arg(self.data())
            .output()
            .expect("pg_basebackup starts");
        assert!(copy.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&copy.stderr));
    }

    fn empty() -> Self {
        let directory =
            tempfile::Builder::new().prefix("tincture-pg-").tempdir_in("/tmp").expect("a temporary directory");
        let account = Account::for_server();
        account.give(directory.path());
        let settings = ["fsync=off", "max_connections=200", "shared_buffers=32MB"].map(str::to_owned).to_vec();
        Self { directory, account, settings, port: None, server: None }
    }

    fn initialize(&self) {
        let made = self
            .account
            .command(&programs().join("initdb"))
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", ROLE, "--pgdata"])
            .arg(self.data())
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// When it runs already or doesn't start.
    pub fn run(&mut self) {
        assert!(self.server.is_none(), "it runs");
        self.spawn();
        assert!(self.is_ready_in_time(), "the private PostgreSQL doesn't get ready: {}", self.log());
    }

    fn run_on_a_port(&mut self) {
        self.settings.push("listen_addresses=127.0.0.1".to_owned());
        for _ in 0..ATTEMPTS {
            self.port = Some(free_port());
            self.spawn();
            if self.is_ready_in_time() {
                return;
            }
        }
        panic!("the private PostgreSQL doesn't get ready: {}", self.log());
    }

    fn spawn(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.path().join("log"));
        let log = log.expect("a log file");
        let mut command = self.account.command(&programs().join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(self.directory.path());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("postgres starts");
        self.server = Some(server);
    }

    /// Not if it ended by itself.
    fn is_ready_in_time(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let status = self.data().join("postmaster.pid");
        let pid = self.server.as_ref().map(|server| server.id().to_string());
        let ready = |text: String| {
            let mut lines = text.lines();
            lines.next() == pid.as_deref() && lines.nth(6).is_some_and(|line| line.trim() == "ready")
        };
        while Instant::now() < deadline {
            if fs::read_to_string(&status).is_ok_and(&ready) {
                return true;
            }
            if self.server.as_mut().is_none_or(|server| server.try_wait().is_ok_and(|ended| ended.is_some())) {
                self.server = None;
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        false
    }

    /// Ends the server and starts it again, as `pg_ctl restart` does.
    ///
    /// # Panics
    /// When it doesn't get ready again.
    pub fn restart(&mut self, how: Shutdown) {
        self.end(match how {
            Shutdown::Fast => "-INT",
            Shutdown::Immediate => "-QUIT",
        });
        self.run();
    }

    /// Takes it away at once, with all connections, as a crash of its machine does. [`Cluster::run`] brings it back.
    pub fn crash(&mut self) {
        self.end("-QUIT");
    }

    /// Lets it and all its connections stand still, as a machine does that swaps or has lost its disk.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let postmaster = self.server.as_ref().expect("it runs").id();
        assert!(signal_all(signal, postmaster), "it can be signalled");
    }

    /// Makes a standby the primary, and waits until it is.
    ///
    /// # Panics
    /// When it doesn't become one.
    pub fn promote(&self) {
        // A statement that waits for it may be cancelled by what is still replayed.
        assert_eq!(self.psql("postgres", "SELECT pg_promote(false)"), "t", "{}", self.log());
        let deadline = Instant::now() + PATIENCE;
        while self.psql("postgres", "SELECT pg_is_in_recovery()") != "f" {
            assert!(Instant::now() < deadline, "it stays a standby: {}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// What a statement says, as superuser: columns with `|` between them, a line a row.
    ///
    /// # Panics
    /// When it fails.
    pub fn psql(&self, database: &str, statement: &str) -> String {
        let port = self.port.unwrap_or(5432).to_string();
        let said = self
            .account
            .command(&programs().join("psql"))
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", ROLE, "-p", &port, "-d", database, "-c", statement, "-h"])
            .arg(self.directory.path())
            .output()
            .expect("psql starts");
        assert!(said.status.success(), "{statement}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Waits until a condition holds.
    ///
    /// # Panics
    /// When it doesn't for a long while.
    pub fn until(&self, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.psql("postgres", condition) != "t" {
            assert!(Instant::now() < deadline, "it doesn't come to be so: {condition}");
            sleep(Duration::from_millis(20));
        }
    }

    /// The URL of one of its databases, as the role that owns everything.
    pub fn url(&self, database: &str) -> String {
        self.url_as(ROLE, database)
    }

    /// The same as another role.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        match self.port {
            Some(port) => format!("postgres://{role}@127.0.0.1:{port}/{database}"),
            None => format!("postgres://{role}@localhost/{database}?host={}", self.directory.path().display()),
        }
    }

    /// Where it listens, if it does.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// A directory that is the server's own, for what else is to run beside it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn end(&mut self, signal: &str) {
        let Some(mut server) = self.server.take() else { return };
        // One that stands still ends by no other signal.
        signal_all("-CONT", server.id());
        let _ = Command::new("kill").arg(signal).arg(server.id().to_string()).status();
        let _ = server.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The postmaster shuts its backends down on SIGINT; a killed one would leave them behind for a moment.
        self.end("-INT");
    }
}

/// A server and its connections.
fn signal_all(signal: &str, postmaster: u32) -> bool {
    let postmaster = postmaster.to_string();
    let done = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
    };
    // One that stands still makes no more of them.
    done("kill", &[signal, &postmaster]) && done("pkill", &[signal, "-P", &postmaster])
}

/// A program that runs under the account of servers.
pub fn command(program: &Path) -> Command {
    Account::for_server().command(program)
}

/// Lets the account of servers have a file or directory, as they insist on for keys.
///
/// # Panics
/// When there is no such file.
pub fn give(path: &Path) {
    Account::for_server().give(path);
}

/// PostgreSQL refuses to run as root, so root lends it the account that Debian's package made.
#[derive(Debug)]
struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    fn for_server() -> Self {
        let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        Self { ids: root.then(|| (id_of("-u"), id_of("-g"))) }
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.ids {
            chown(path, Some(user), Some(group)).expect("root may give it away");
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, group);
        }
        command.current_dir("/");
        command
    }
}

fn id_of(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().expect("the program `id`");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("an account `postgres`, which PostgreSQL needs when tests run as root")
}

/// The newest PostgreSQL that Debian's package or the path has.
pub fn programs() -> PathBuf {
    let packaged =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let mut found: Vec<PathBuf> = packaged.filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    let first = found.pop().or_else(|| on_path.into_iter().find(|bin| bin.join("initdb").exists()));
    first.unwrap_or_else(|| {
        panic!(
            "this test needs PostgreSQL: set {SERVER_VARIABLE}=postgres://role@host/database, or install the package \
             `postgresql` so that initdb and postgres are there"
        )
    })
}
