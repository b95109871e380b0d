//! A PostgreSQL whose leader moves by itself: two servers under Patroni, which agree by etcd, for rehearsals of failovers.
//!
//! Debian's packages `patroni` and `etcd-server`. Everything is in one directory and on free ports of this machine, replicates
//! synchronously, and ends with this value.

use super::cluster::{ROLE, command, give};
use free_port::free_port;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A first start makes a cluster and a copy of it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a leader's word holds after it died, s. The longest part of a failover.
const TIME_TO_LIVE_S: u32 = 10;

#[derive(Debug)]
pub struct Patroni {
    nodes: Vec<Node>,
    etcd: Child,
    directory: TempDir,
}

#[derive(Debug)]
struct Node {
    name: String,
    configuration: PathBuf,
    data: PathBuf,
    port: u16,
    patroni: Mutex<Option<Child>>,
}

impl Patroni {
    /// Starts all of it, and waits until one leads and the other is its synchronous standby.
    ///
    /// # Panics
    /// The packages aren't installed, or it doesn't come to that.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("tincture-patroni-").tempdir_in("/tmp").expect("a directory");
        give(directory.path());
        let client = free_port();
        let etcd = etcd(directory.path(), client);
        let nodes = ["one", "two"].map(|name| Node::configure(name, directory.path(), client));
        let patroni = Self { nodes: nodes.into(), etcd, directory };
        patroni.nodes.iter().for_each(Node::start);
        patroni.until_safe();
        patroni
    }

    /// A URL that names both.
    pub fn url(&self, database: &str) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("postgres://{ROLE}@{}/{database}", hosts.join(","))
    }

    /// The leader's own URL.
    ///
    /// # Panics
    /// There is no leader.
    pub fn leader_url(&self, database: &str) -> String {
        self.nodes[self.leader().expect("a leader")].url(database)
    }

    /// Which of them takes writes now, if one does.
    pub fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.says("SELECT NOT pg_is_in_recovery()") == "t")
    }

    /// Runs a statement on the leader.
    ///
    /// # Panics
    /// There is no leader.
    pub fn psql(&self, statement: &str) -> String {
        self.nodes[self.leader().expect("a leader")].says(statement)
    }

    /// Waits until one leads and the other has each commit before it is answered.
    ///
    /// # Panics
    /// It doesn't come to that.
    pub fn until_safe(&self) {
        let safe = "SELECT COUNT(*) = 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')";
        let deadline = Instant::now() + PATIENCE;
        while self.leader().is_none_or(|leader| self.nodes[leader].says(safe) != "t") {
            assert!(Instant::now() < deadline, "no leader with a synchronous standby:\n{}", self.logs());
            sleep(Duration::from_millis(200));
        }
    }

    /// Kills the leader's Patroni and its PostgreSQL. Gives which one it was.
    ///
    /// # Panics
    /// There is no leader.
    pub fn kill_leader(&self) -> usize {
        let leader = self.leader().expect("a leader");
        self.nodes[leader].kill();
        leader
    }

    /// Starts one that was killed; it follows the other from then on.
    pub fn revive(&self, node: usize) {
        self.nodes[node].start();
    }

    /// Asks the leader to give way to the other, and waits until it has.
    ///
    /// # Panics
    /// It doesn't.
    pub fn switch_over(&self) {
        let leader = self.leader().expect("a leader");
        let output = command("patronictl".as_ref())
            .args(["-c", &self.nodes[leader].configuration.display().to_string()])
            .args(["switchover", "tincture", "--master", &self.nodes[leader].name, "--force"])
            .output()
            .expect("patronictl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.until_leader_is_not(leader);
    }

    /// Waits until another leads.
    ///
    /// # Panics
    /// It never does.
    pub fn until_leader_is_not(&self, before: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.leader().is_none_or(|leader| leader == before) {
            assert!(Instant::now() < deadline, "no other leads:\n{}", self.logs());
            sleep(Duration::from_millis(100));
        }
    }

    fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        let tail = |text: String| {
            text.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        ["etcd.log", "one.log", "two.log"].map(|name| format!("{name}:\n{}", tail(read(name)))).join("\n")
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        self.nodes.iter().for_each(Node::kill);
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

fn etcd(directory: &Path, client: u16) -> Child {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{}", free_port()));
    command("etcd".as_ref())
        .args(["--name", "only", "--data-dir"])
        .arg(directory.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("only={peer}"), "--unsafe-no-fsync"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("etcd.log")).expect("a log file"))
        .spawn()
        .expect("etcd starts: install the package `etcd-server`")
}

impl Node {
    fn configure(name: &str, directory: &Path, etcd: u16) -> Self {
        let (port, rest) = (free_port(), free_port());
        let (data, configuration) = (directory.join(name), directory.join(format!("{name}.yml")));
        let bin = super::cluster::programs();
        let text = format!(
            "scope: tincture
name: {name}
restapi: {{listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}'}}
etcd3: {{hosts: '127.0.0.1:{etcd}'}}
bootstrap:
  dcs:
    ttl: {TIME_TO_LIVE_S}
    loop_wait: 2
    retry_timeout: 3
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {{wal_log_hints: 'on', fsync: 'off', max_connections: 100}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, no-sync]
postgresql:
  listen: '127.0.0.1:{port}'
  connect_address: '127.0.0.1:{port}'
  data_dir: '{data}'
  bin_dir: '{bin}'
  pgpass: '{directory}/{name}.pgpass'
  authentication:
    superuser: {{username: {ROLE}, password: x}}
    replication: {{username: {ROLE}, password: x}}
  parameters: {{unix_socket_directories: '{directory}', shared_buffers: 32MB, wal_retrieve_retry_interval: 200ms}}
  pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
",
            data = data.display(),
            bin = bin.display(),
            directory = directory.display(),
        );
        fs::write(&configuration, text).expect("a configuration");
        Self { name: name.to_owned(), configuration, data, port, patroni: Mutex::default() }
    }

    fn start(&self) {
        let log = self.configuration.with_extension("log");
        let log = fs::OpenOptions::new().append(true).create(true).open(log).expect("a log file");
        let patroni = command("patroni".as_ref())
            .arg(&self.configuration)
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("patroni starts: install the package `patroni`");
        *self.patroni.lock().unwrap_or_else(PoisonError::into_inner) = Some(patroni);
    }

    fn kill(&self) {
        let Some(mut patroni) = self.patroni.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let _ = patroni.kill();
        let _ = patroni.wait();
        let postmaster = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        if let Some(id) = postmaster.lines().next() {
            // With all that is in flight, as the loss of its machine; its backends go with it.
            let _ = Command::new("kill").args(["-QUIT", id.trim()]).status();
        }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Nothing where it fails.
    fn says(&self, statement: &str) -> String {
        let mut psql = command(&super::cluster::programs().join("psql"));
        psql.args(["-XAtq", "-d", &self.url("postgres"), "-c", statement]).env("PGCONNECT_TIMEOUT", "2");
        let output = psql.output().expect("psql starts");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
