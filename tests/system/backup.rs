//! Backups: made while the lab is at work, read back, put back. A lab that was put back knows that it is older than its decks.

use crate::{
    client::{Client, ask, eight_wells, measured},
    ledger,
    process::{ADMIN, Lab, PASSWORD, Process, Said, run, tincture, up},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use store::testing::{QuotedRow, TestDatabase, all_rows};

const PATIENCE: Duration = Duration::from_secs(60);

fn backup(data: &Path, arguments: &[&str]) -> Said {
    run(on(data, &[&["backup"], arguments].concat()))
}

fn on(data: &Path, arguments: &[&str]) -> Command {
    let mut command = tincture(arguments);
    command.env("TINCTURE_DATA_DIR", data).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    command
}

fn made(data: &Path) -> String {
    let said = backup(data, &["create"]);
    assert!(said.status.success(), "{said:?}");
    said.stdout.split_whitespace().next().expect("a name").to_owned()
}

/// A data directory with an empty database.
fn migrated() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(run(on(directory.path(), &["migrate"])).status.success());
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn database_files(data: &Path) -> Vec<PathBuf> {
    let files = names(data).into_iter().filter(|name| name.starts_with("tincture.sqlite"));
    files.map(|name| data.join(name)).collect()
}

/// The wells of each plate that got a drop, by the number of the plate.
fn wells_used(ledger: &[Value]) -> Vec<(usize, String)> {
    let (mut plate, mut used) = (0, Vec::new());
    for entry in ledger {
        let on_the_plate = entry["labware"].as_str().is_some_and(|labware| labware.contains("wellplate"));
        match entry["kind"].as_str() {
            Some("new_plate") => plate += 1,
            Some("dispense") if on_the_plate => used.push((plate, entry["well"].as_str().expect("a well").to_owned())),
            _ => {}
        }
    }
    used
}

/// The wells that hold something of before the entry and something of after it.
fn used_again(ledger: &[Value], before: usize) -> BTreeSet<(usize, String)> {
    let earlier: BTreeSet<_> = wells_used(&ledger[..before]).into_iter().collect();
    let strokes_before = wells_used(&ledger[..before]).len();
    let later: BTreeSet<_> = wells_used(ledger).into_iter().skip(strokes_before).collect();
    assert!(!earlier.is_empty() && !later.is_empty(), "drops before and after");
    earlier.intersection(&later).cloned().collect()
}

/// What is in a backup, by way of a tool that isn't ours.
fn unpacked(data: &Path, name: &str, to: &Path) -> PathBuf {
    let packed = data.join("backups").join(name).join("database.sqlite.gz");
    let output = Command::new("gunzip").arg("-c").arg(packed).output().expect("gunzip runs");
    assert!(output.status.success(), "{output:?}");
    let file = to.join("unpacked.sqlite");
    fs::write(&file, output.stdout).expect("written");
    file
}

/// What a restore says of the decks, and nothing else, may be another than in the backup.
fn without_decks(table: &str, rows: &[QuotedRow]) -> Vec<QuotedRow> {
    let told = |row: &QuotedRow| {
        let mut row = row.clone();
        let changed: &[&str] = match table {
            "robots" => &["attention", "attention_at", "acts", "waste_nl", "lease_holder", "lease_expires_at"],
            "plates" => &["removed_at"],
            "vials" => &["volume_nl"],
            "tips" => return None,
            "user_activity_log" if row["action"] == "'database_restored'" => return None,
            // A plate that is taken away has its picture taken.
            "documents" if row["collection"] == "'plates'" => return None,
            _ => &[],
        };
        row.retain(|column, _| !changed.contains(&column.as_str()));
        Some(row)
    };
    let mut rows: Vec<_> = rows.iter().filter_map(told).collect();
    rows.sort();
    rows
}

async fn assert_same_but_decks(restored: &Path, plain: &Path) {
    let (restored, plain) = (all_rows(restored).await, all_rows(plain).await);
    assert_eq!(restored.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>());
    for (table, rows) in &plain {
        assert_eq!(without_decks(table, &restored[table]), without_decks(table, rows), "{table}");
    }
    assert!(plain["wells"].len() >= 8 && !plain["documents"].is_empty(), "there was something to keep");
    let lines = restored["user_activity_log"].iter().filter(|row| row["action"] == "'database_restored'");
    assert_eq!(lines.count(), 1, "it is written down that it was restored");
}

#[tokio::test]
async fn a_lab_that_was_put_back_is_as_it_was_and_uses_no_well_again() {
    let mut lab = Lab::up(100);
    let data = lab.data_dir();
    let client = Client::of(&lab).await;
    let first = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&first).await;
    let second = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    client.until(&second, |experiment| experiment["wells"][0]["status"] != "pending").await;
    let name = made(&data);
    let status = client.experiment(&second).await["status"].clone();
    assert_eq!(status, "running", "the backup was made while it was under way");
    client.until_completed(&second).await;
    let lost = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&lost).await;
    assert!(lab.stop().success());
    for file in database_files(&data) {
        fs::remove_file(file).expect("destroyed");
    }

    let said = backup(&data, &["restore", &name]);
    assert!(said.status.success(), "there is nothing to replace, so nothing to ask: {said:?}");
    assert!(said.stdout.contains("virtual-1"), "{said:?}");
    let scratch = tempfile::tempdir().expect("a temporary directory");
    assert_same_but_decks(&data.join("tincture.sqlite"), &unpacked(&data, &name, scratch.path())).await;

    lab.start();
    let before = ledger::read(&lab.robot).await.len();
    let client = Client::of(&lab).await;
    assert_eq!(client.experiment(&first).await["status"], "completed");
    assert_eq!(ask(&lab.address, &format!("/api/v1/experiments/{lost}"), "").await.0, 401);
    let after = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    let again = client.until_completed(&second).await;
    assert_eq!(measured(&again).len(), 8, "what was under way at the backup goes on to its end");
    client.until_completed(&after).await;
    let ledger = ledger::read(&lab.robot).await;
    assert_eq!(used_again(&ledger, before), BTreeSet::new(), "wells (plate, name) that were used again");
}

/// A robot with an operator, driven by processes apart.
struct Bench {
    emulator: Process,
    robot: String,
    data: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let data = migrated();
        let emulated = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--speed", "600"];
        let mut emulator = Process::spawn(tincture(&emulated));
        let robot = emulator.word_after("Virtual OT-2 ");
        let sensor = emulator.word_after("Sensor ");
        let added = run(on(data.path(), &["robot", "add", "bench-1", "--url", &robot, "--sensor", &sensor]));
        assert!(added.status.success(), "{added:?}");
        Self { emulator, robot, data }
    }

    /// Pages and a worker, and where the pages are.
    fn start(&self) -> (Process, Process, String) {
        let mut serve = Process::spawn(on(self.data.path(), &["serve", "--listen", "127.0.0.1:0"]));
        let address = serve.word_after("Tincture is ready: ");
        (serve, Process::spawn(on(self.data.path(), &["worker"])), address)
    }

    fn command(&self, arguments: &[&str]) -> String {
        let said = run(on(self.data.path(), &[&["robot"], arguments].concat()));
        assert!(said.status.success(), "{said:?}");
        said.stdout
    }

    /// Hands at the emulator's deck.
    async fn put(&self, what: &str) {
        let http = reqwest::Client::new();
        let answer =
            http.post(format!("{}/emulator/{what}", self.robot)).json(&json!({})).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{what}: {}", answer.text().await.unwrap_or_default());
    }
}

#[tokio::test]
async fn an_operator_is_asked_for_a_new_plate_before_the_first_drop() {
    let bench = Bench::new();
    let data = bench.data.path();
    let (serve, worker, address) = bench.start();
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    let id = client.submit(&[json!({ "red": 60 })]).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&id).await;
    let name = made(data);
    let later = client.submit(&[json!({ "blue": 60 })]).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&later).await;
    assert!(worker.stop().success() && serve.stop().success());
    let undone = made(data);
    let said = backup(data, &["restore", &name, "--yes"]);
    assert!(said.status.success(), "{said:?}");

    // Nobody has asked the robot yet: the database says so of itself.
    let shown = bench.command(&["show", "bench-1"]);
    assert!(shown.contains("[deck-unknown]") && shown.contains("backup"), "{shown}");
    let (serve, _worker, address) = bench.start();
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    let before = ledger::read(&bench.robot).await.len();
    let id = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    let deadline = Instant::now() + PATIENCE;
    while !bench.command(&["show", "bench-1"]).contains("driven by worker") {
        assert!(Instant::now() < deadline, "the lease of a worker that is gone isn't waited for");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(wells_used(&ledger::read(&bench.robot).await[before..]), [], "nothing falls before it is answered");
    assert_eq!(client.experiment(&id).await["status"], "queued");
    assert!(bench.command(&["show", "bench-1"]).contains("[deck-unknown]"));

    for what in ["plate", "tips"] {
        bench.put(what).await;
    }
    for act in [
        &["new-plate"][..],
        &["new-tips", "9"],
        &["empty-waste"],
        &["refill", "B1"],
        &["refill", "B2"],
        &["refill", "B3"],
    ] {
        bench.command(&[&["act", "bench-1"], act].concat());
    }
    bench.command(&["resume", "bench-1"]);
    let done = client.until_completed(&id).await;
    assert_eq!(measured(&done).len(), 8);
    assert_eq!(used_again(&ledger::read(&bench.robot).await, before), BTreeSet::new());

    // The log is what was sealed, and a restore is told as what it is.
    assert!(serve.stop().success());
    let said = run(on(data, &["audit", "verify"]));
    assert!(said.status.success() && said.stdout.contains("all is as it was sealed"), "{said:?}");
    let told = format!("(of the backup {undone}) is of what a restore took back");
    assert!(said.stdout.contains(&told) && !said.stdout.contains(&name), "{said:?}");
    drop(bench.emulator);
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced() {
    let mut lab = Lab::up(600);
    let data = lab.data_dir();
    let name = made(&data);
    let refused = |by: &str| {
        let said = backup(&data, &["restore", &name, "--yes"]);
        assert!(!said.status.success() && said.stderr.contains("in use"), "{by}: {said:?}");
        assert_eq!(names(&data).iter().filter(|name| name.contains("before")).count(), 0, "{by}");
    };
    refused("up");
    assert!(lab.stop().success());

    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["worker", "--listen", "127.0.0.1:0"]] {
        let mut process = Process::spawn(on(&data, command));
        process.word_after("http://");
        refused(command[0]);
        // As from a release that knew nothing of this lock: SQLite's own tell.
        fs::remove_file(data.join("tincture.sqlite-lock")).expect("removed");
        refused(command[0]);
        process.kill();
    }
    let said = backup(&data, &["restore", &name, "--yes"]);
    assert!(said.status.success(), "a process that was killed uses nothing: {said:?}");
}

#[tokio::test]
async fn what_was_there_is_put_aside_and_only_when_asked() {
    let data = migrated();
    let data = data.path();
    assert!(run(on(data, &["user", "create", "ada@example.org"])).status.success());
    let name = made(data);
    assert!(run(on(data, &["user", "create", "eve@example.org"])).status.success());
    let said = backup(data, &["restore", &name]);
    assert!(!said.status.success() && said.stderr.contains("--yes"), "{said:?}");
    assert!(run(on(data, &["user", "list"])).stdout.contains("eve@example.org"), "nothing was changed");

    let said = backup(data, &["restore", &name, "--yes"]);
    assert!(said.status.success(), "{said:?}");
    let users = run(on(data, &["user", "list"])).stdout;
    assert!(users.contains("ada@") && !users.contains("eve@"), "{users}");
    let kept: Vec<_> = names(data).into_iter().filter(|name| name.contains(".before-")).collect();
    let [kept] = kept.as_slice() else { panic!("one file, with all in it: {kept:?}") };
    let mut aside = tincture(&["user", "list"]);
    aside.env("TINCTURE_DATABASE_URL", format!("sqlite://{}", data.join(kept).display()));
    assert!(run(aside).stdout.contains("eve@example.org"), "the old one is all there");

    // A log without its database isn't read as the restored one's.
    fs::remove_file(data.join("tincture.sqlite")).expect("removed");
    fs::write(data.join("tincture.sqlite-wal"), "somebody else's").expect("written");
    assert!(backup(data, &["restore", &name]).status.success());
    let aside = names(data).into_iter().filter(|name| name.contains(".before-") && name.ends_with("-wal"));
    let mut contents = aside.map(|name| fs::read(data.join(name)).expect("read"));
    assert!(contents.any(|content| content == b"somebody else's"), "it is kept: {:?}", names(data));
    assert!(run(on(data, &["user", "list"])).stdout.contains("ada@"));

    // One that is damaged too.
    fs::write(data.join("tincture.sqlite"), "no database at all").expect("written");
    assert!(backup(data, &["restore", &name, "--yes"]).status.success());
    assert!(run(on(data, &["user", "list"])).stdout.contains("ada@"));

    let elsewhere = data.join("elsewhere");
    let said = backup(data, &["restore", &name, "--to", elsewhere.to_str().expect("UTF-8")]);
    assert!(said.status.success(), "{said:?}");
    assert!(run(on(&elsewhere, &["user", "list"])).stdout.contains("ada@"));
    assert_eq!(names(&elsewhere).iter().filter(|name| name.starts_with(".partial")).count(), 0);
}

/// Whenever it dies, the database is the one that was there or the one that was put back.
#[test]
fn a_restore_that_is_killed_is_done_or_not_begun() {
    let data = migrated();
    let data = data.path();
    assert!(run(on(data, &["user", "create", "ada@example.org"])).status.success());
    let name = made(data);
    assert!(run(on(data, &["user", "create", "eve@example.org"])).status.success());
    let mut done = Vec::new();
    for delay in (0..).map(|step| Duration::from_millis(15 * step)).take(20) {
        let mut restore = on(data, &["backup", "restore", &name, "--yes"]);
        let mut process = restore.stdout(Stdio::null()).spawn().expect("it runs");
        thread::sleep(delay);
        process.kill().expect("killed");
        let ended = process.wait().expect("reaped").success();
        let said = run(on(data, &["user", "list"]));
        assert!(said.status.success() && said.stdout.contains("ada@"), "{delay:?}: {said:?}");
        let is_old = said.stdout.contains("eve@");
        assert!(!(ended && is_old), "{delay:?}: it said that it was done");
        done.push(!is_old);
        if !is_old {
            assert!(run(on(data, &["user", "create", "eve@example.org"])).status.success());
        }
    }
    assert!(!done[0] && done.contains(&true), "killed early and late: {done:?}");
}

#[tokio::test]
async fn what_is_damaged_is_found_and_not_restored() {
    let data = migrated();
    let data = data.path();
    let name = made(data);
    let place = data.join("backups").join(&name);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for file in names(&place) {
        assert_eq!(mode(&place.join(&file)), 0o600, "{file} holds password hashes and keys");
    }
    assert!(backup(data, &["list"]).stdout.contains("read back 0 min ago"));
    let sound = made(data);
    let healthy = |name: &str| backup(data, &["verify", name]).status.success();
    assert!(healthy(&name) && healthy(&sound) && backup(data, &["verify", "--all"]).status.success());

    let packed = place.join("database.sqlite.gz");
    let content = fs::read(&packed).expect("read");
    let manifest = place.join("manifest.json");
    let told = fs::read_to_string(&manifest).expect("read");
    let mut flipped = content.clone();
    flipped[content.len() / 2] ^= 1;
    let users = told.replace("\"users\": 0", "\"users\": 1");
    assert_ne!(users, told);
    let claim: Value = serde_json::from_str(&told).expect("JSON");
    // As a thief of disk space would: the packed file and its checksum agree, what is in it is another.
    let bomb =
        Command::new("sh").args(["-c", "head -c 100000000 /dev/zero | gzip -c"]).output().expect("gzip runs").stdout;
    let hash = |bytes: &[u8]| {
        let file = data.join("hashed");
        fs::write(&file, bytes).expect("written");
        let said = Command::new("sha256sum").arg(file).output().expect("sha256sum runs").stdout;
        String::from_utf8_lossy(&said).split_whitespace().next().expect("a hash").to_owned()
    };
    let mut bombed = claim.clone();
    (bombed["packed_size"], bombed["packed_sha256"]) = (json!(bomb.len()), json!(hash(&bomb)));
    for (bytes, manifest_text, says) in [
        (&flipped, &told, "checksum"),
        (&content[..content.len() - 7].to_vec(), &told, "bytes where its manifest says"),
        (&Vec::new(), &told, "bytes where its manifest says"),
        (&content, &users, "users has 0 rows where its manifest says 1"),
        (&bomb, &bombed.to_string(), "isn't what its manifest says"),
        (&content, &"{".to_owned(), "can't be understood"),
    ] {
        fs::write(&packed, bytes).expect("written");
        fs::write(&manifest, manifest_text).expect("written");
        let said = backup(data, &["verify", &name]);
        assert!(
            !said.status.success() && said.stderr.contains("damaged") && said.stderr.contains(says),
            "{says}: {said:?}"
        );
        let all = backup(data, &["verify", "--all"]);
        assert!(!all.status.success() && all.stdout.contains(&sound) && all.stderr.contains(&name), "{all:?}");
        let before = names(data);
        let said = backup(data, &["restore", &name, "--yes"]);
        assert!(!said.status.success() && said.stderr.contains("damaged"), "{says}: {said:?}");
        assert_eq!(names(data), before, "nothing was changed");
        assert_eq!(names(&data.join("backups")).len(), 2, "nothing is left");
    }
    fs::write(&manifest, &told).expect("written");
    fs::write(&packed, &flipped).expect("written");
    assert!(!healthy(&name));
    assert!(backup(data, &["list"]).stdout.contains("DAMAGED"), "{:?}", backup(data, &["list"]));
    fs::remove_file(&packed).expect("removed");
    assert!(!healthy(&name));
    fs::remove_dir_all(&place).expect("removed");
    let said = backup(data, &["restore", &name]);
    assert!(said.stderr.contains("there is no backup") && said.stderr.contains(&sound), "{said:?}");
    let outside = backup(data, &["verify", "../../etc"]);
    assert!(outside.stderr.contains("there is no backup"), "{outside:?}");
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let data = migrated();
    let data = data.path();
    // Writes beyond so many bytes fail, as on a full disk: enough for the database to be opened, not for a copy of it.
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_tincture"), "backup", "create"]);
    limited.env("TINCTURE_DATA_DIR", data);
    let said = run(limited);
    assert!(!said.status.success() && said.stderr.contains("no backup was made"), "{said:?}");
    assert_eq!(names(&data.join("backups")), Vec::<String>::new(), "{said:?}");
    assert!(backup(data, &["list"]).stdout.contains("There is no backup"));
    made(data);
}

#[test]
fn a_half_made_one_is_none() {
    let data = migrated();
    let data = data.path();
    let whole = made(data);
    let backups = data.join("backups");
    let half = backups.join(".partial-0190");
    fs::create_dir(&half).expect("made");
    fs::copy(backups.join(&whole).join("database.sqlite.gz"), half.join("database.sqlite.gz")).expect("copied");
    let listed = backup(data, &["list"]).stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    made(data);
    assert!(half.exists(), "another process may be at it");
    let old = Command::new("touch").args(["-d", "2 days ago"]).arg(&half).status().expect("touch runs");
    assert!(old.success());
    made(data);
    assert!(!half.exists(), "nobody is at it any more");
}

#[test]
fn pruning_keeps_the_newest_and_asks() {
    let data = migrated();
    let data = data.path();
    let all = [made(data), made(data), made(data)];
    assert!(!backup(data, &["prune", "--yes"]).status.success(), "what to keep must be said");
    let shown = backup(data, &["prune", "--keep-last", "1"]).stdout;
    assert!(shown.contains(&all[0]) && shown.contains(&all[1]) && !shown.contains(&all[2]), "{shown}");
    assert_eq!(names(&data.join("backups")).len(), 3, "nothing is removed yet");
    let said = backup(data, &["prune", "--keep-daily", "0", "--yes"]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(names(&data.join("backups")), [all[2].clone()]);
}

#[tokio::test]
async fn a_lab_backs_itself_up_and_keeps_what_it_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut command = up(&data);
    command.env("TINCTURE_BACKUP_EVERY", "1s").env("TINCTURE_BACKUP_KEEP", "1");
    let mut lab = Process::spawn(command);
    let address = lab.word_after("Tincture is ready: ");
    let asked = made(&data);
    let deadline = Instant::now() + PATIENCE;
    let figures = loop {
        let figures = ask(&address, "/metrics", "").await.1;
        let count = figures.lines().find_map(|line| line.strip_prefix("tincture_backups_total{outcome=\"made\"} "));
        if count.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count >= 4) {
            break figures;
        }
        assert!(Instant::now() < deadline, "{figures}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let newest =
        figures.lines().find_map(|line| line.strip_prefix("tincture_newest_backup_unixtime ")).expect("a time");
    let age = chrono::Utc::now().timestamp() as f64 - newest.parse::<f64>().expect("a number");
    assert!((0.0..30.0).contains(&age), "{age}");
    assert!(lab.stop().success());
    let listed = backup(&data, &["list"]).stdout;
    assert!(listed.contains(&asked), "what somebody asked for stays: {listed}");
    assert!((2..=3).contains(&listed.matches("daily").count()), "two of its own, and one not yet pruned: {listed}");
    assert!(backup(&data, &["verify", "--all"]).status.success());

    // Where they can't be made it says so, and goes on.
    let file = directory.path().join("a-file");
    fs::write(&file, "").expect("written");
    let mut command = up(&data);
    command.env("TINCTURE_BACKUP_EVERY", "1s").env("TINCTURE_BACKUP_DIR", &file);
    let mut lab = Process::spawn(command);
    let address = lab.word_after("Tincture is ready: ");
    let deadline = Instant::now() + PATIENCE;
    while !ask(&address, "/metrics", "").await.1.contains("tincture_backups_total{outcome=\"failed\"} 1") {
        assert!(Instant::now() < deadline, "a failure is counted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ask(&address, "/readyz", "").await.0, 200);
    assert!(lab.stop().success());
}

#[tokio::test]
async fn serve_leaves_postgresql_to_what_runs_beside_it() {
    let database = TestDatabase::postgres().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = on(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("TINCTURE_DATABASE_URL", &database.url).env("TINCTURE_BACKUP_EVERY", "1s");
    let mut serve = Process::spawn(command);
    let address = serve.word_after("Tincture is ready: ");
    let ready: Value = serde_json::from_str(&ask(&address, "/readyz", "").await.1).expect("JSON");
    let tasks: Vec<_> = ready["tasks"].as_array().expect("tasks").iter().map(|task| task["name"].clone()).collect();
    assert!(tasks.contains(&json!("purge")) && !tasks.contains(&json!("backup")), "{tasks:?}");
}
