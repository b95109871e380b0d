//! A lab moves from the embedded database to PostgreSQL, whole or not at all.

use std::path::PathBuf;
use store::{
    Options, SchemaError, Store, StoreError,
    moving::{MoveError, Moved, Outcome, move_lab},
    testing::TestDatabase,
};
use tempfile::TempDir;

/// Some steps' worth.
const WELLS: usize = 1_203;

/// A lab's file with something in every table, and nobody using it.
struct Old {
    directory: TempDir,
}

impl Old {
    async fn new(lab: &str) -> Self {
        let old = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let store = old.open().await;
        store.migrate().await.expect("migrations");
        store.run_sql(&everything(lab)).await;
        close(store).await;
        old
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("tincture.sqlite")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    async fn open(&self) -> Store {
        Store::connect(&self.url(), Options::default()).await.expect("it opens")
    }

    /// As a process that comes and goes.
    async fn run(&self, sql: &str) {
        let store = self.open().await;
        store.run_sql(sql).await;
        close(store).await;
    }

    async fn schema(&self) -> Result<(), StoreError> {
        let store = self.open().await;
        let said = store.check_schema().await;
        close(store).await;
        said
    }
}

async fn close(store: Store) {
    store.close().await.expect("closed");
}

async fn moved(old: &Old, to: &str) -> Moved {
    match move_lab(&old.url(), to, &Options::default()).await.expect("moved") {
        Outcome::Moved(moved) => moved,
        Outcome::Before => panic!("it was moved before"),
    }
}

async fn refused(from: &str, to: &str) -> MoveError {
    move_lab(from, to, &Options::default()).await.expect_err("refused")
}

fn is_half_moved(said: &Result<(), StoreError>) -> bool {
    matches!(said, Err(StoreError::Schema(SchemaError::HalfMoved)))
}

async fn count(store: &Store, table: &str) -> String {
    store.read_text(format!("SELECT CAST(COUNT(*) AS TEXT) AS text FROM \"{table}\"")).await
}

async fn told(store: &Store, query: &str) -> String {
    store.read_text(query.to_owned()).await
}

const LAB: &str = "0193f7c2a1b27c3d8e4f506172839400";

/// Whatever is hard to carry: keys that sort against the order of insertion, nanoseconds, numbers that each database writes its
/// own way, quotes, nulls.
fn everything(lab: &str) -> String {
    let at = "'2026-01-02T03:04:05.678901+00:00'";
    let json = r#"'{"z": 1e-7, "a": [1.50, 100000000000000000000, -0.0, true, null], "u": "\u00fc \"quoted\" \\ "}'"#;
    let id = |kind: &str, number: &str| format!("unhex('{kind}' || printf('%028x', {number}))");
    let well = |number: &str| id("0005", &format!("90000 - ({number})"));
    format!(
        "INSERT INTO lab (one, id) VALUES (1, unhex('{lab}'));
         INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at, last_served_at, disabled_at) VALUES
             ({u1}, 'o''brien@example.org', '$argon2id$…', 'admin', 2147483647, {at}, '2026-01-02T03:04:05.123456789+00:00', NULL),
             ({u2}, 'zoë@example.org', '', 'student', 0, {at}, NULL, {at});
         INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at, revoked_at) VALUES ({s}, {u1}, 'h', {at}, {at}, {at});
         INSERT INTO spent_refresh_tokens (refresh_hash, session_id, spent_at) VALUES ('b', {s}, {at}), ('A', {s}, {at}), ('ä', {s}, {at});
         INSERT INTO signing_keys (kid, private_pem, purpose, created_at, verifies_until) VALUES
             ('one', 'pem' || char(10) || 'pem', 'sign', {at}, NULL), ('two', 'pem', 'verify', {at}, {at});
         INSERT INTO user_activity_log (id, user_id, action, details, ip_address, created_at) VALUES
             ({a1}, {u1}, 'x', {json}, '2001:db8::1', {at}), ({a2}, NULL, 'y', '{{}}', NULL, {at}), ({a3}, {u2}, 'z', '[]', '10.0.0.1', {at});
         INSERT INTO robots (id, name, url, sensor_url, attendance, deck, mode, attention, run_id, tool, white_reference, waste_nl, lease_holder,
             lease_epoch, lease_expires_at, last_sequence, mode_by, mode_at, attention_at, notice, notice_at, acts, identity, accounted, kind)
             VALUES ({r}, 'bench', 'http://a', 'tcp://b', 'operator', {json}, 'paused', {json}, 'run', '{{}}', {json}, 9007199254740993, 'w',
             7, {at}, 3, 'zoë', {at}, {at}, {json}, {at}, 4, 'serial', 'key', 'ot2');
         INSERT INTO plates (id, robot_id, placed_at, removed_at) VALUES ({p1}, {r}, {at}, {at}), ({p2}, {r}, {at}, NULL);
         INSERT INTO vials (robot_id, vial, dye, volume_nl, batch, filled_at) VALUES ({r}, 'B1', 'red', 5, NULL, {at}), ({r}, 'A1', 'blue', 6, 'b', {at});
         INSERT INTO tips (robot_id, slot, tip, dye) VALUES ({r}, 9, 'A1', 'red'), ({r}, 10, 'A1', NULL);
         INSERT INTO experiments (id, user_id, status, metadata, created_at, completed_at, name, priority, robot_id, plate_id, control, fault, started_at,
             last_sequence, dyes, least_nl, fullest_nl, asked, measured, doubtful, swatches)
             VALUES ({e}, {u2}, 'running', {json}, {at}, {at}, 'a ''name''', -1, {r}, {p2}, 'pause', {json}, {at}, 2, 'blue red', 1, 2, 3, 4, 5, '#ffffff');
         WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {WELLS})
         INSERT INTO wells (id, experiment_id, well_id, status, metadata, position, plate_id, recipe, replaces, fault)
             SELECT {w}, {e}, CASE WHEN n = 1 THEN 'A1' END, 'measured', {json}, n, CASE WHEN n = 1 THEN {p2} END, {json},
                 CASE WHEN n > 1 THEN {before} END, CASE WHEN n % 2 = 0 THEN {json} END FROM s;
         INSERT INTO results (id, experiment_id, well_id, measurement_data, created_at) VALUES ({x}, {e}, {w1}, {json}, {at});
         INSERT INTO events (experiment_id, sequence, kind, data, at) VALUES ({e}, 1, 'k', {json}, {at}), ({e}, 2, 'k', '1', {at});
         INSERT INTO idempotency_keys (user_id, key, request_hash, experiment_id, created_at) VALUES ({u2}, 'key', 'h', {e}, {at});
         INSERT INTO quota_entries (well_id, reason, user_id, created_at) VALUES ({w1}, 'charged', {u2}, {at});
         INSERT INTO operations (id, robot_id, experiment_id, lease_epoch, run_id, sequence, step, state, intended_at)
             VALUES ({o}, {r}, {e}, 7, 'run', 3, '{{\"kind\":\"home\"}}', 'succeeded', {at});
         INSERT INTO operation_events (operation_id, event, outcome, at) VALUES ({o}, 'succeeded', {json}, {at}), ({o}, 'x', NULL, {at});
         INSERT INTO documents (collection, id, body, created_at) VALUES ('measurements', {o}, {json}, {at}), ('commands', {o}, '\"text\"', {at})",
        u1 = id("0001", "2"), u2 = id("0001", "1"), s = id("0002", "1"), r = id("0003", "1"), e = id("0004", "1"),
        w = well("n"), before = well("n - 1"), w1 = well("1"), x = id("0006", "1"), o = id("0007", "1"),
        p1 = id("0008", "1"), p2 = id("0008", "2"), a1 = id("0009", "3"), a2 = id("0009", "1"), a3 = id("0009", "2"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_every_table_arrives() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    let fresh = new.fresh_schema().await;
    let moved = moved(&old, &fresh).await;
    assert!(!moved.resumed);

    let (before, after) = (old.open().await, Store::connect(&fresh, Options::default()).await.expect("it opens"));
    after.check_schema().await.expect("the lab can be served");
    let tables: Vec<String> = new.tables().await.into_iter().filter(|table| table != "migrations").collect();
    let mut told_of: Vec<String> = moved.tables.iter().map(|(table, _)| table.clone()).collect();
    told_of.sort();
    assert_eq!(told_of, tables, "whatever table there is is moved");
    for (table, sum) in &moved.tables {
        assert_eq!(sum.rows.to_string(), count(&before, table).await, "{table}");
        let line = u64::from(table == "user_activity_log");
        assert_eq!((sum.rows + line).to_string(), count(&after, table).await, "{table}");
    }
    for (query, value) in [
        ("SELECT email AS text FROM users WHERE quota_remaining = 2147483647", "o'brien@example.org"),
        (
            "SELECT CAST(EXTRACT(microsecond FROM last_served_at) AS TEXT) AS text FROM users WHERE last_served_at IS NOT NULL",
            "5123456",
        ),
        ("SELECT host(ip_address) AS text FROM user_activity_log WHERE action = 'x'", "2001:db8::1"),
        ("SELECT details #>> '{a,0}' AS text FROM user_activity_log WHERE action = 'x'", "1.50"),
        ("SELECT details ->> 'u' AS text FROM user_activity_log WHERE action = 'x'", "ü \"quoted\" \\ "),
        ("SELECT CAST(waste_nl AS TEXT) AS text FROM robots", "9007199254740993"),
        ("SELECT CAST(id AS TEXT) AS text FROM lab", "0193f7c2-a1b2-7c3d-8e4f-506172839400"),
        (
            "SELECT CAST(COUNT(*) AS TEXT) AS text FROM wells w JOIN wells r ON r.id = w.replaces AND r.position = w.position - 1",
            "1202",
        ),
        ("SELECT CAST(COUNT(*) AS TEXT) AS text FROM user_activity_log WHERE action = 'database_moved'", "1"),
        ("SELECT private_pem AS text FROM signing_keys WHERE purpose = 'sign'", "pem\npem"),
    ] {
        assert_eq!(told(&after, query).await, value, "{query}");
    }
    let refusal = before.check_schema().await.expect_err("refused").to_string();
    assert!(refusal.contains(&moved.place) && refusal.contains("TINCTURE_DATABASE_URL"), "{refusal}");
    assert!(before.migrate().await.is_err(), "`up` doesn't start on it either");
    close(before).await;
    assert_eq!(move_lab(&old.url(), &fresh, &Options::default()).await.expect("an answer"), Outcome::Before);
    let elsewhere = refused(&old.url(), &new.url).await;
    assert!(elsewhere.to_string().contains(&moved.place), "it isn't moved a second time: {elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_nobody_here_knows_is_moved_too() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    old.run("CREATE TABLE a_later_one (name TEXT NOT NULL PRIMARY KEY, well BLOB REFERENCES wells (id), body TEXT, at TEXT, n INTEGER) STRICT;
        INSERT INTO a_later_one (name, well, body, at, n) SELECT 'x' || position, id, metadata, '2026-01-01T00:00:00+00:00', position FROM wells").await;
    new.store
        .run_sql("CREATE TABLE a_later_one (name TEXT NOT NULL PRIMARY KEY, well UUID REFERENCES wells (id), body JSONB, at TIMESTAMPTZ, n BIGINT)")
        .await;
    moved(&old, &new.url).await;
    let joined = "SELECT CAST(COUNT(*) AS TEXT) AS text FROM a_later_one l JOIN wells w ON w.id = l.well AND w.metadata = l.body AND w.position = l.n";
    assert_eq!(told(&new.store, joined).await, WELLS.to_string());
}

/// A trigger that changes a row on its way into a table.
fn tamper(table: &str, change: &str) -> String {
    on_insert(table, &format!("NEW.{change}; RETURN NEW"))
}

fn on_insert(table: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION on_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
         CREATE OR REPLACE TRIGGER on_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION on_{table}()"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_changed_is_found_and_the_lab_stays_where_it_is() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    let changes = [
        ("users", "quota_remaining := LEAST(NEW.quota_remaining, 7)"),
        ("sessions", "refresh_hash := upper(NEW.refresh_hash)"),
        ("plates", "removed_at := NEW.removed_at + interval '1 microsecond'"),
        ("user_activity_log", "ip_address := NULL"),
        ("results", "measurement_data := jsonb_set(NEW.measurement_data, '{z}', '0.0000002')"),
        ("idempotency_keys", "key := NEW.key || ' '"),
    ];
    for (table, change) in changes {
        new.store.run_sql(&tamper(table, change)).await;
    }
    // A row that doesn't arrive at all.
    new.store.run_sql(&on_insert("tips", "IF NEW.dye IS NULL THEN RETURN NULL; END IF; RETURN NEW")).await;
    let MoveError::Differs { tables, .. } = refused(&old.url(), &new.url).await else { panic!("another error") };
    let mut named: Vec<_> = tables.iter().map(|said| said.split(' ').next().unwrap_or_default()).collect();
    named.sort_unstable();
    let mut wanted: Vec<_> = changes.iter().map(|(table, _)| *table).chain(["tips"]).collect();
    wanted.sort_unstable();
    assert_eq!(named, wanted, "{tables:?}");
    assert!(is_half_moved(&new.store.check_schema().await), "nobody serves what isn't the lab");
    assert!(new.store.migrate().await.is_err());
    old.schema().await.expect("the lab goes on where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_cut_off_goes_on_where_it_ended() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    new.store
        .run_sql(&on_insert("wells", "IF NEW.position = 700 THEN RAISE 'the cable is cut'; END IF; RETURN NEW"))
        .await;
    let error = refused(&old.url(), &new.url).await;
    assert!(error.to_string().contains("the cable is cut"), "{error}");
    assert_eq!(count(&new.store, "wells").await, "500", "a step is whole or isn't there");
    assert!(is_half_moved(&new.store.check_schema().await));
    old.schema().await.expect("the lab can go on where it was");

    let other = Old::new("0193f7c2a1b27c3d8e4f506172839499").await;
    let error = refused(&other.url(), &new.url).await;
    assert!(matches!(error, MoveError::AnotherLabs { .. }), "{error}");
    assert_eq!(count(&new.store, "wells").await, "500");

    // What is there isn't sent again.
    let twice = "IF NEW.position <= 500 THEN RAISE 'sent again'; END IF; RETURN NEW";
    new.store.run_sql(&on_insert("wells", twice)).await;
    new.store.run_sql(&on_insert("users", "RAISE 'sent again'")).await;
    assert!(moved(&old, &new.url).await.resumed);
    assert_eq!(count(&new.store, "wells").await, WELLS.to_string());
    new.store.check_schema().await.expect("the lab can be served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_cut_off_at_its_end_leaves_no_lab_rather_than_two() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    new.store
        .run_sql(
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the cable is cut'; END $$;
             CREATE TRIGGER cut BEFORE DELETE ON migrations FOR EACH ROW EXECUTE FUNCTION cut()",
        )
        .await;
    let error = refused(&old.url(), &new.url).await;
    assert!(error.to_string().contains("the cable is cut"), "{error}");
    assert!(is_half_moved(&new.store.check_schema().await));
    assert!(matches!(old.schema().await, Err(StoreError::Schema(SchemaError::MovedAway { .. }))));
    let before = old.open().await;
    for (store, mark) in [(&new.store, "move-not-complete"), (&before, "moved-away")] {
        let least = told(store, &format!("SELECT least AS text FROM migrations WHERE name = '{mark}'")).await;
        assert_eq!(least, mark, "releases that know nothing of marks refuse it as a step that they would have to know");
    }
    close(before).await;

    new.store.run_sql("DROP TRIGGER cut ON migrations").await;
    assert!(moved(&old, &new.url).await.resumed);
    new.store.check_schema().await.expect("the lab can be served");
    let lines = "SELECT CAST(COUNT(*) AS TEXT) AS text FROM user_activity_log WHERE action = 'database_moved'";
    assert_eq!(told(&new.store, lines).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_that_was_used_since_its_move_was_begun_is_moved_as_it_is_now() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    new.store.run_sql(&on_insert("wells", "RAISE 'the cable is cut'")).await;
    refused(&old.url(), &new.url).await;
    old.run("UPDATE users SET quota_remaining = 41 WHERE email LIKE 'zo%'; DELETE FROM spent_refresh_tokens WHERE refresh_hash = 'A'").await;
    new.store.run_sql("DROP TRIGGER on_wells ON wells").await;
    let moved = moved(&old, &new.url).await;
    assert!(!moved.resumed);
    assert_eq!(told(&new.store, "SELECT CAST(MIN(quota_remaining) AS TEXT) AS text FROM users").await, "41");
    assert_eq!(count(&new.store, "spent_refresh_tokens").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_harm_a_lab_is_refused_and_changes_nothing() {
    let (old, new) = (Old::new(LAB).await, TestDatabase::postgres().await);
    let holder = old.open().await;
    assert!(matches!(refused(&old.url(), &new.url).await, MoveError::InUse(_)), "somebody uses it");
    close(holder).await;

    let strangers = new.fresh_schema().await;
    new.store.run_sql("CREATE TABLE fresh.orders (id INTEGER)").await;
    let error = refused(&old.url(), &strangers).await;
    assert!(matches!(&error, MoveError::NotEmpty { table, .. } if table == "orders"), "{error}");
    new.store.lab_id().await.expect("a lab");
    let error = refused(&old.url(), &new.url).await;
    assert!(matches!(&error, MoveError::NotEmpty { table, .. } if table == "lab"), "{error}");
    new.store.check_schema().await.expect("whose lab it is goes on");

    let directory = tempfile::tempdir().expect("a temporary directory");
    let older = format!("sqlite://{}", directory.path().join("older.sqlite").display());
    let store = Store::connect(&older, Options::default()).await.expect("it opens");
    store.migrate_first(new.migrations() - 1).await;
    close(store).await;
    let error = refused(&older, &new.url).await;
    assert!(error.to_string().contains("tincture migrate`") && matches!(error, MoveError::Older { .. }), "{error}");

    let missing = format!("sqlite://{}", directory.path().join("missing.sqlite").display());
    let error = refused(&missing, &new.url).await;
    assert!(matches!(error, MoveError::Store(StoreError::Missing(_))), "{error}");
    assert!(!directory.path().join("missing.sqlite").exists());
    assert!(matches!(refused(&new.url, &old.url()).await, MoveError::Direction));
    assert!(matches!(refused(&old.url(), &older).await, MoveError::Direction));
    let error = refused(&old.url(), "postgres://ada:s3cret@127.0.0.1:1/lab").await;
    assert!(!error.to_string().contains("s3cret"), "{error}");
    old.schema().await.expect("the lab can go on where it was");
}
