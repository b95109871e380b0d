//! PostgreSQL's backups: configured, made, listed, verified, pruned and put back by `tincture backup` as
//! [docs/backup.md](../../docs/backup.md) says, with the real pgBackRest beside a real server.
//!
//! The moment to go back to is chosen at random; `TINCTURE_TEST_MOMENT` chooses the same again.

use crate::{
    client::ask,
    process::{Process, Said, run, tincture},
};
use domain::{Attendance, Deck, RobotId, RobotKind};
use free_port::free_port;
use std::{
    env,
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};
use store::{
    Lease, LeaseClaim, NewRobot, Options, Store, StoreError,
    testing::{
        act,
        cluster::{self, Cluster, ROLE, Shutdown, give},
    },
};
use tempfile::TempDir;

/// Moments to choose from.
const MOMENTS: usize = 6;
const DATABASE: &str = "lab";
const STANZA: &str = "tincture";
const PATIENCE: Duration = Duration::from_secs(60);

/// A database's host: the server, pgBackRest, and `tincture` for the account that they run as.
struct Host {
    cluster: Cluster,
    directory: TempDir,
    binary: PathBuf,
}

impl Host {
    /// A server whose log isn't archived yet, and what `backup configure` writes for it.
    fn new() -> Self {
        let directory =
            tempfile::Builder::new().prefix("tincture-pgbackrest-").tempdir_in("/tmp").expect("a directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("its mode");
        give(directory.path());
        // Where our own checkout lies that account may not come.
        let binary = directory.path().join("tincture");
        let own = env!("CARGO_BIN_EXE_tincture");
        fs::hard_link(own, &binary).or_else(|_| fs::copy(own, &binary).map(drop)).expect("the binary");
        let cluster = Cluster::start_on_a_port(&["max_wal_senders=3"]);
        cluster.psql("postgres", &format!("CREATE DATABASE {DATABASE}"));
        let host = Self { cluster, directory, binary };
        assert!(run(host.tincture(&["migrate"])).status.success());
        host
    }

    /// One that is set up as the configuration says that was printed for it.
    fn set_up() -> Self {
        let mut host = Self::new();
        let said = host.configure();
        assert!(said.status.success(), "{said:?}");
        let written = host.path("conf");
        // Other tests on this machine have theirs.
        let file = written.join("pgbackrest.conf");
        let text = fs::read_to_string(&file).expect("written");
        let place = host.directory.path().display();
        let own = format!("[global]\nlog-path={place}\nlock-path={place}\nspool-path={place}\nlog-level-file=off\n");
        fs::write(&file, text.replacen("[global]\n", &own, 1)).expect("written");
        let repository = host.path("repo");
        fs::create_dir(&repository).expect("the repository");
        give(&repository);
        let more = fs::read_to_string(written.join("tincture-archive.conf")).expect("written");
        let settings = host.cluster.data().join("postgresql.conf");
        let text = fs::read_to_string(&settings).expect("PostgreSQL's configuration");
        fs::write(&settings, text + "\n" + &more).expect("written");
        host.cluster.restart(Shutdown::Fast);
        host
    }

    fn configure(&self) -> Said {
        let port = self.cluster.port().expect("a port").to_string();
        let [conf, repository] = ["conf", "repo"].map(|name| self.path(name).display().to_string());
        let socket = self.cluster.directory().display().to_string();
        self.backup(&[
            "configure",
            "--into",
            &conf,
            "--repository",
            &repository,
            "--pg-port",
            &port,
            "--pg-socket",
            &socket,
            "--pg-role",
            ROLE,
        ])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// As the account that PostgreSQL runs as.
    fn tincture(&self, arguments: &[&str]) -> Command {
        let mut command = cluster::command(&self.binary);
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("TINCTURE_")) {
            command.env_remove(name);
        }
        command.args(arguments);
        self.tell_settings(&mut command);
        command
    }

    fn tell_settings(&self, command: &mut Command) {
        command
            .env("TINCTURE_LOG", "warn")
            .env("TINCTURE_DATABASE_URL", self.cluster.url(DATABASE))
            .env("TINCTURE_PGBACKREST_STANZA", STANZA)
            .env("TINCTURE_PGBACKREST_CONFIG", self.path("conf/pgbackrest.conf"));
    }

    fn backup(&self, arguments: &[&str]) -> Said {
        run(self.tincture(&[&["backup"], arguments].concat()))
    }

    fn did(&self, arguments: &[&str]) -> String {
        let said = self.backup(arguments);
        assert!(said.status.success(), "{arguments:?}: {said:?}\n{}", self.cluster.log());
        said.stdout
    }

    /// What is said against it, in one sentence at the end.
    fn refuses(&self, arguments: &[&str]) -> String {
        let said = self.backup(arguments);
        assert!(!said.status.success(), "{arguments:?}: {said:?}");
        let sentence = said.stderr.lines().last().unwrap_or_default().to_owned();
        assert!(sentence.starts_with("tincture: "), "{said:?}");
        sentence
    }

    /// The name of one that is made now.
    fn made(&self, kind: &str) -> String {
        self.did(&["create", "--type", kind]).split_whitespace().next().expect("a name").to_owned()
    }

    /// Has all that was committed so far archived.
    fn archive(&self) {
        self.log("archived");
        let last = self.cluster.psql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
        self.cluster.until(&format!("SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver"));
    }

    /// The server's machine is lost, with its disk.
    fn destroy(&mut self) {
        self.cluster.crash();
        fs::remove_dir_all(self.cluster.data()).expect("its directory is destroyed");
    }

    fn start_again(&mut self) {
        self.cluster.run();
        self.cluster.until("SELECT NOT pg_is_in_recovery()");
    }

    async fn open(&self) -> Store {
        Store::connect(&self.cluster.url(DATABASE), Options::default()).await.expect("the database opens")
    }

    fn log(&self, action: &str) {
        self.cluster.psql(DATABASE, &line(action));
    }
}

/// A statement that writes a line into the activity log.
fn line(action: &str) -> String {
    format!(
        "INSERT INTO user_activity_log (id, action, details, created_at) VALUES (gen_random_uuid(), '{action}', '{{}}', now())"
    )
}

/// Every row of every table, as text, sorted.
fn rows(cluster: &Cluster) -> String {
    let tables = "SELECT string_agg(format('SELECT %L || '' '' || t::text FROM %I t', tablename, tablename), ' UNION ALL ' ORDER BY tablename)
        FROM pg_tables WHERE schemaname = 'public'";
    let query = cluster.psql(DATABASE, tables);
    cluster.psql(DATABASE, &format!("SELECT row FROM ({query}) AS all_rows (row) ORDER BY row COLLATE \"C\""))
}

/// The server's clock.
fn now(cluster: &Cluster) -> String {
    cluster
        .psql("postgres", "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
}

fn robot() -> NewRobot {
    NewRobot {
        name: "bench".to_owned(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:1".to_owned(),
        sensor_url: "tcp://127.0.0.1:1".to_owned(),
        attendance: Attendance::Operator,
        deck: Deck::default(),
    }
}

async fn leased(store: &Store, robot: RobotId) -> Lease {
    let lease = store.lease(robot, "worker", PATIENCE, LeaseClaim::WhenFree).await.expect("an answer");
    lease.expect("the lane is free")
}

async fn is_ahead(store: &Store, robot: RobotId) -> bool {
    store.robot(robot).await.expect("an answer").expect("a robot").may_be_ahead()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_is_put_back_as_it_was_at_any_moment_and_knows_that_its_decks_are_ahead() {
    let chosen = env::var("TINCTURE_TEST_MOMENT")
        .map_or_else(|_| usize::from(uuid_byte()) % MOMENTS, |moment| moment.parse().expect("a number"));
    eprintln!("TINCTURE_TEST_MOMENT={chosen}");
    let mut host = Host::set_up();
    let too_early = now(&host.cluster);
    let store = host.open().await;
    let robot = store.ensure_robot(robot()).await.expect("a robot").id;
    store.log_activity(act("before_the_backup")).await.expect("written");
    let full = host.made("full");
    let lease = leased(&store, robot).await;
    let read = store::Entry { changes: vec![domain::Change::HistoryRead], ..Default::default() };
    store.commit(&lease, read).await.expect("the lease holds");
    assert!(!is_ahead(&store, robot).await);

    // pgBackRest knows a backup's end to the second, and restores to no moment of that second.
    sleep(Duration::from_millis(1_100));
    let mut moments = Vec::new();
    for _ in 0..MOMENTS {
        store.log_activity(act("after_the_backup")).await.expect("written");
        sleep(Duration::from_millis(20));
        moments.push((now(&host.cluster), rows(&host.cluster)));
        sleep(Duration::from_millis(20));
    }
    store.log_activity(act("lost")).await.expect("written");
    store.close().await.expect("closed");
    host.archive();
    let (moment, then) = &moments[chosen];
    let restore = ["restore", "--to-moment", moment, "--yes"];

    let refusal = host.refuses(&restore);
    assert!(refusal.contains("runs (process ") && rows(&host.cluster).contains("lost"), "{refusal}");
    let listed = host.did(&["list"]);
    assert!(listed.starts_with(&full) && listed.contains("Can be put back to any moment from 20"), "{listed}");
    host.cluster.crash();
    let refusal = host.refuses(&restore[..3]);
    assert!(refusal.contains("--yes") && refusal.contains("is replaced by the lab as it was at"), "{refusal}");
    for outside in [&too_early, "2099-01-01T00:00:00Z"] {
        let refusal = host.refuses(&["restore", "--to-moment", outside, "--yes"]);
        assert!(refusal.contains("the earliest moment is 20") && refusal.contains(", the latest 20"), "{refusal}");
    }
    assert!(host.cluster.data().join("PG_VERSION").exists(), "nothing was changed");

    host.cluster.run();
    host.destroy();
    let said = host.did(&restore);
    assert!(said.contains("as it was at") && said.contains("Start the server"), "{said}");
    host.start_again();
    assert_eq!(rows(&host.cluster), *then, "moment {chosen}");
    let store = host.open().await;
    let renewed = store.renew(&lease, PATIENCE).await;
    assert!(matches!(renewed, Err(StoreError::LeaseLost)), "no lease outlives a restore");
    leased(&store, robot).await;
    assert!(is_ahead(&store, robot).await, "the deck is asked first");
    store.close().await.expect("closed");

    go_on_and_go_back_again(&mut host, &full);
}

fn uuid_byte() -> u8 {
    *domain::ExperimentId::new().as_uuid().as_bytes().last().expect("sixteen")
}

/// On the second timeline: what was undone isn't there any more, whatever is restored.
fn go_on_and_go_back_again(host: &mut Host, full: &str) {
    host.log("second_life");
    sleep(Duration::from_millis(20));
    let (moment, then) = (now(&host.cluster), rows(&host.cluster));
    sleep(Duration::from_millis(20));
    host.log("undone");
    host.archive();

    // To look at what was while the lab is at work: in a new directory, on a server of its own that archives nothing.
    let aside = host.path("aside");
    let aside_name = aside.display().to_string();
    let said = host.did(&["restore", "--to-latest", "--to", &aside_name]);
    assert!(said.contains("archives nothing"), "{said}");
    let refusal = host.refuses(&["restore", "--to-latest", "--to", &aside_name, "--yes"]);
    assert!(refusal.contains("choose a new directory"), "{refusal}");
    let copy = Aside::start(&aside);
    assert_eq!(copy.psql("SHOW archive_mode"), "off");
    assert_eq!(copy.psql("SELECT count(*) FROM user_activity_log WHERE action = 'undone'"), "1");
    drop(copy);

    host.cluster.crash();
    host.did(&["restore", "--to-moment", &moment, "--yes"]);
    host.start_again();
    assert_eq!(rows(&host.cluster), then);

    // A whole backup of the first timeline.
    host.cluster.crash();
    host.did(&["restore", full, "--yes"]);
    host.start_again();
    let kept = rows(&host.cluster);
    assert!(kept.contains("before_the_backup") && !kept.contains("after_the_backup"), "{kept}");
}

/// A server on a directory that isn't the lab's.
struct Aside {
    data: PathBuf,
    port: String,
}

impl Aside {
    fn start(data: &Path) -> Self {
        let aside = Self { data: data.to_owned(), port: free_port().to_string() };
        // What a server that recovers may not have less of than the one it recovers from.
        let least = "-c max_connections=200 -c max_wal_senders=3 -c fsync=off";
        let options = format!("-p {} -k {} -c listen_addresses= {least}", aside.port, data.display());
        let log = data.join("log.txt").display().to_string();
        let started = aside.pg_ctl(&["-w", "-o", &options, "-l", &log, "start"]);
        assert!(started, "{}", fs::read_to_string(log).unwrap_or_default());
        let deadline = Instant::now() + PATIENCE;
        while aside.psql("SELECT pg_is_in_recovery()") != "f" {
            assert!(Instant::now() < deadline, "it takes no writes");
            sleep(Duration::from_millis(50));
        }
        aside
    }

    fn pg_ctl(&self, arguments: &[&str]) -> bool {
        let mut command = cluster::command(&cluster::programs().join("pg_ctl"));
        command.arg("-D").arg(&self.data).args(arguments);
        command.stdout(std::process::Stdio::null()).status().expect("pg_ctl").success()
    }

    fn psql(&self, statement: &str) -> String {
        let mut command = cluster::command(&cluster::programs().join("psql"));
        command.args(["-XAtq", "-U", ROLE, "-d", DATABASE, "-p", &self.port, "-c", statement, "-h"]).arg(&self.data);
        let said = command.output().expect("psql");
        assert!(said.status.success(), "{said:?}");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.pg_ctl(&["-w", "-m", "immediate", "stop"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_backs_up_and_the_lab_tells_how_old_that_is() {
    let host = Host::set_up();
    let mut serve = tincture(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("TINCTURE_DATABASE_URL", host.cluster.url(DATABASE));
    let mut serve = Process::spawn(serve);
    let address: SocketAddr = serve.word_after("Tincture is ready: http://").parse().expect("an address");
    let figures = Figures { address: format!("http://{address}") };
    let before = figures.read().await;
    assert!(!before.contains("tincture_newest_backup_unixtime "), "nobody has made any: {before}");

    let mut schedule = host.tincture(&["backup", "schedule"]);
    schedule.env("TINCTURE_BACKUP_EVERY", "5s").env("TINCTURE_BACKUP_FULL_EVERY", "never");
    let schedule = Process::spawn(schedule);
    let first = figures.until("tincture_newest_backup_unixtime", |newest| newest > 0.0).await;
    for sound in ["tincture_backup_failing", "tincture_backup_archive_failing"] {
        figures.until(sound, |fails| fails == 0.0).await;
    }
    figures.until("tincture_backup_verified_unixtime", |verified| verified >= first).await;
    figures.until("tincture_backup_damaged", |damaged| damaged == 0.0).await;
    figures.until("tincture_backup_archived_unixtime", |archived| archived >= first - 60.0).await;
    let newest = figures.until("tincture_newest_backup_unixtime", |newest| newest > first).await;
    figures.until("tincture_next_backup_unixtime", |next| next >= newest + 5.0).await;
    figures.until("tincture_oldest_backup_unixtime", |oldest| oldest == first + 1.0).await;
    let listed = host.did(&["list"]);
    assert!(listed.contains("  diff  ") && listed.matches("  full  ").count() == 1, "{listed}");

    // An archive that can't be written: the server says so, and the next backup fails.
    host.cluster.psql("postgres", "ALTER SYSTEM SET archive_command = 'false'");
    host.cluster.psql("postgres", "SELECT pg_reload_conf()");
    host.log("more");
    host.cluster.psql("postgres", "SELECT pg_switch_wal()");
    figures.until("tincture_backup_archive_failing", |fails| fails == 1.0).await;
    assert!(schedule.stop().success(), "it ends when it is told to, whatever it is doing");
    host.cluster.psql("postgres", "ALTER SYSTEM RESET archive_command");
    host.cluster.psql("postgres", "SELECT pg_reload_conf()");

    // A repository that isn't there.
    let (repository, away) = (host.path("repo"), host.path("away"));
    fs::rename(&repository, &away).expect("moved");
    fs::write(&repository, "").expect("no directory");
    let refusal = host.refuses(&["create"]);
    assert!(refusal.contains("no backup was made"), "{refusal}");
    figures.until("tincture_backup_failing", |fails| fails == 1.0).await;
    fs::remove_file(&repository).expect("removed");
    fs::rename(&away, &repository).expect("moved back");
    host.archive();
    host.made("diff");
    figures.until("tincture_backup_failing", |fails| fails == 0.0).await;

    verified_and_pruned(&host, &figures).await;
    assert!(serve.stop().success());
}

async fn verified_and_pruned(host: &Host, figures: &Figures) {
    let said = host.did(&["verify"]);
    assert!(said.contains("are sound"), "{said}");
    let file = some_file(&host.path(&format!("repo/backup/{STANZA}")));
    let whole = fs::read(&file).expect("read");
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("something") ^= 1;
    fs::write(&file, damaged).expect("written");
    let refusal = host.refuses(&["verify"]);
    assert!(refusal.contains("damaged") && refusal.contains("backup create --type full"), "{refusal}");
    figures.until("tincture_backup_damaged", |damaged| damaged == 1.0).await;
    fs::write(&file, whole).expect("written");
    // A piece of the log that is gone: pgBackRest itself finds nothing wrong with that.
    let pieces = host.path(&format!("repo/archive/{STANZA}/15-1/0000000100000000"));
    let mut names: Vec<_> = fs::read_dir(&pieces).expect("the archive").flatten().map(|entry| entry.path()).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "gz"));
    names.sort();
    let (piece, aside) = (&names[names.len() - 2], host.path("a-piece"));
    fs::rename(piece, &aside).expect("moved");
    let refusal = host.refuses(&["verify"]);
    assert!(refusal.contains("the archived log lacks what follows on 0000"), "{refusal}");
    fs::rename(&aside, piece).expect("moved back");
    host.did(&["verify"]);
    figures.until("tincture_backup_damaged", |damaged| damaged == 0.0).await;

    let newest = host.made("full");
    let before = host.did(&["list"]);
    let shown = host.did(&["prune", "--keep-last", "1"]);
    assert!(shown.contains("--yes") && host.did(&["list"]).lines().count() == before.lines().count(), "{shown}");
    let said = host.did(&["prune", "--keep-last", "1", "--yes"]);
    assert!(said.contains("removed") && said.contains("1 are kept"), "{said}");
    let after = host.did(&["list"]);
    assert!(after.starts_with(&newest) && after.lines().count() == 2, "{after}");
    assert!(host.did(&["prune"]).contains("Nothing was removed"));
}

/// A file that isn't short, somewhere below.
fn some_file(directory: &Path) -> PathBuf {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let kind = entry.file_type().expect("a kind");
            let is_file = kind.is_file() && entry.file_name().to_string_lossy().ends_with(".gz");
            if is_file && entry.path().to_string_lossy().contains("pg_data") {
                return entry.path();
            }
            if kind.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    panic!("there is no file of a backup");
}

/// The figures of the lab, as a process of it tells them.
struct Figures {
    address: String,
}

impl Figures {
    async fn read(&self) -> String {
        let (status, text) = ask(&self.address, "/metrics/service", "").await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Waits until a figure is as it should be, and gives it.
    async fn until(&self, name: &str, is_so: impl Fn(f64) -> bool) -> f64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.read().await;
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok());
            if let Some(value) = value.filter(|value| is_so(*value)) {
                return value;
            }
            assert!(Instant::now() < deadline, "{name} doesn't come to be so: {text}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[test]
fn what_is_missing_or_in_the_wrong_place_is_said_in_one_sentence() {
    let host = Host::new();
    let mut without = host.tincture(&["backup", "create"]);
    without.env_remove("TINCTURE_PGBACKREST_STANZA");
    let said = run(without);
    let sentence = &said.stderr;
    assert!(sentence.contains("set pgbackrest_stanza") && sentence.contains("tincture backup configure"), "{said:?}");
    assert!(!said.status.success() && sentence.lines().count() == 1, "{said:?}");

    // The configuration isn't there yet; then there is one, and none of it is written over.
    let refusal = host.refuses(&["create"]);
    assert!(refusal.contains("pgbackrest.conf") && refusal.contains("tincture backup configure"), "{refusal}");
    let said = host.configure();
    assert!(said.status.success(), "{said:?}");
    let text = fs::read_to_string(host.path("conf/pgbackrest.conf")).expect("written");
    let place = format!("pg1-path={}\n", host.cluster.data().display());
    assert!(text.contains(&place) && text.contains("repo1-retention-full=14\n"), "the server said where it is: {text}");
    assert!(!host.configure().status.success(), "what is there stays");
    let printed = host.did(&["configure"]);
    assert!(printed.contains("archive_command = 'pgbackrest ") && printed.contains("backup schedule"), "{printed}");

    // The server doesn't archive.
    let (repository, place) = (host.path("repo"), host.directory.path().display());
    fs::create_dir(&repository).expect("the repository");
    give(&repository);
    let own = format!("[global]\nlog-path={place}\nlock-path={place}\nspool-path={place}\nlog-level-file=off\n");
    fs::write(host.path("conf/pgbackrest.conf"), text.replacen("[global]\n", &own, 1)).expect("written");
    let refusal = host.refuses(&["create"]);
    assert!(refusal.contains("archive_mode must be enabled") && refusal.contains("restart the server"), "{refusal}");

    // Another account, which would leave files that the server couldn't use. Root lends the server's account in these tests.
    let mut other = tincture(&["backup", "create"]);
    host.tell_settings(&mut other);
    let said = run(other);
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    assert!(!is_root || said.stderr.contains("sudo -u postgres tincture backup"), "{said:?}");

    let mut without = host.tincture(&["backup", "list"]);
    without.env("PATH", "/nowhere");
    let said = run(without);
    assert!(!said.status.success() && said.stderr.contains("install the package `pgbackrest`"), "{said:?}");

    let mut another = host.tincture(&["backup", "list"]);
    another.env("TINCTURE_PGBACKREST_STANZA", "a b");
    assert!(run(another).stderr.contains("pgbackrest_stanza is 'a b'"));
    let mut embedded = host.tincture(&["backup", "restore", "--to-latest"]);
    embedded.env_remove("TINCTURE_DATABASE_URL");
    assert!(run(embedded).stderr.contains("only a lab on PostgreSQL"));
}
