//! Opening, migrating, opening again.

use crate::given::*;
use domain::{Control, EventKind, RobotMode};
use store::{testing::TestDatabase, *};

pub async fn a_migrated_database_stays_as_it_is(database: TestDatabase) {
    let owner = user(&database.store, 5).await;
    assert!(database.store.migrate().await.expect("an answer").is_empty());
    assert_eq!(quota(&database.store, owner).await, 5);
    database.store.ping().await.expect("a pong");
}

pub async fn processes_that_start_together_migrate_once(database: TestDatabase) {
    let directory = tempfile_directory();
    let url = match database.store.backend() {
        Backend::Sqlite => format!("sqlite:{}/fresh.db", directory.path().display()),
        Backend::Postgres => database.fresh_schema().await,
    };
    let starts: Vec<_> = (0..12)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = Store::connect(&url, Options::default()).await.expect("it opens");
                store.migrate().await.expect("it migrates").len()
            })
        })
        .collect();
    let mut ran = 0;
    for start in starts {
        ran += start.await.expect("a task");
    }
    assert_eq!(ran, database.migrations(), "each of the migrations, once");
}

fn tempfile_directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub async fn what_was_committed_is_there_after_opening_again(database: TestDatabase) {
    let owner = user(&database.store, 10).await;
    let kept = queued(&database.store, owner, 4).await;
    database.store.close().await.expect("closed");
    assert!(matches!(database.store.ping().await, Err(StoreError::Unreachable(_))));
    let again = database.another().await;
    assert!(again.migrate().await.expect("an answer").is_empty());
    let read = experiment(&again, kept.experiment.id).await;
    assert_eq!(well_ids(&read), well_ids(&kept));
    assert_eq!(quota(&again, owner).await, 6);
}

/// What was answered with 201 is on the disk. A database or role may have been set up to hurry.
pub async fn a_commit_waits_for_the_disk_whatever_the_database_says(database: TestDatabase) {
    let (store, query, safe) = match database.store.backend() {
        Backend::Sqlite => {
            (database.store.clone(), "SELECT CAST(synchronous AS TEXT) AS text FROM pragma_synchronous", "2")
        }
        Backend::Postgres => {
            let name = database.store.read_text("SELECT current_database()::text AS text".to_owned()).await;
            database.store.run_sql(&format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off")).await;
            (database.another().await, "SELECT current_setting('synchronous_commit') AS text", "on")
        }
    };
    assert_eq!(store.read_text(query.to_owned()).await, safe);
}

pub async fn futures_of_the_store_can_be_spawned(database: TestDatabase) {
    let (robot, lease) = lane(&database.store, "ot2").await;
    let owner = user(&database.store, 10).await;
    let store = database.store.clone();
    let spawned = tokio::spawn(async move {
        let detail = running(&store, owner, 1, &robot, &lease).await;
        store.commit(&lease, intends(&dispense(&detail), detail.experiment.id)).await.expect("a commit");
        store.control(detail.experiment.id, Control::Pause, &act("steered")).await.expect("an answer");
        store.migrate().await.expect("an answer");
    });
    spawned.await.expect("a task");
}

/// A lab of the first release, in every state that a robot could be in, opened by this one.
pub async fn old_holds_and_questions_keep_their_meaning(database: TestDatabase) {
    let (store, _directory) = at_schema(&database, 4).await;
    let id = |number: u8| match store.backend() {
        Backend::Sqlite => format!("x'{}{number:02x}'", "00".repeat(15)),
        Backend::Postgres => format!("'00000000-0000-0000-0000-0000000000{number:02x}'"),
    };
    let fault =
        |code| format!("'{{\"code\":\"{code}\",\"what\":\"w\",\"cause\":\"c\",\"done\":\"d\",\"next\":\"n\"}}'");
    let rows = [
        ("active", "NULL".to_owned()),
        ("active", fault("robot-unreachable")),
        ("paused", "NULL".to_owned()),
        ("draining", "NULL".to_owned()),
        ("attention", fault("command-in-doubt")),
        ("attention", fault("emergency-stop")),
    ];
    for (number, (mode, attention)) in (0u8..).zip(rows) {
        let deck = serde_json::to_string(&domain::Deck::default()).expect("json");
        let insert = format!(
            "INSERT INTO robots (id, name, url, sensor_url, attendance, deck, mode, attention, tool, waste_nl, lease_epoch, last_sequence)
             VALUES ({}, 'r{number}', 'http://r', 'tcp://s', 'operator', '{deck}', '{mode}', {attention}, '{{\"tool\":\"nothing\"}}', 0, 7, 0)",
            id(number)
        );
        store.run_sql(&insert).await;
    }
    store.migrate().await.expect("it migrates");
    let robots = store.robots().await.expect("robots");
    let code = |fault: &Option<domain::Fault>| fault.as_ref().map(|fault| fault.code.as_str());
    let now: Vec<_> = robots
        .iter()
        .map(|robot| (robot.mode, code(&robot.attention), code(&robot.notice), robot.stands_still, robot.lease_epoch))
        .collect();
    use RobotMode::{Active, Draining, Paused, Stopped};
    assert_eq!(
        now,
        [
            (Active, None, None, false, 7),
            (Active, None, Some("robot-unreachable"), false, 7),
            (Paused, None, None, true, 7),
            (Draining, None, None, false, 7),
            (Active, Some("command-in-doubt"), None, true, 7),
            (Stopped, None, None, true, 7),
        ]
    );
}

#[tokio::test]
async fn a_password_in_a_url_is_never_repeated() {
    for url in [
        "postgres://lab:s3cret-word@127.0.0.1:1/lab",
        "postgres://lab:s3cret-word@127.0.0.1:x/lab",
        "mysql://lab:s3cret-word@x/y",
    ] {
        let options = Options { acquire_timeout: std::time::Duration::from_millis(300), ..Options::default() };
        let error = Store::connect(url, options).await.expect_err("nobody is there");
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named() {
    let directory = tempfile_directory();
    let file = directory.path().join("a file");
    std::fs::write(&file, "not a directory").expect("a file");
    let url = format!("sqlite://{}/lab.db", file.display());
    let error = Store::connect(&url, Options::default()).await.expect_err("a file is no directory");
    assert!(error.to_string().contains("a file/lab.db"), "{error}");
}

/// What a rolling upgrade does to the release that still runs: its connections know its statements already.
pub async fn a_column_more_breaks_no_warm_connection(database: TestDatabase) {
    let store = database.another_with(Options { max_connections: 2, ..Options::default() }).await;
    let (robot, lease) = lane(&store, "ot2").await;
    let owner = user(&store, 10).await;
    session(&store, owner, "token", in_an_hour()).await;
    let detail = running(&store, owner, 2, &robot, &lease).await;
    store.commit(&lease, intends(&dispense(&detail), detail.experiment.id)).await.expect("a commit");
    queued(&store, owner, 1).await;
    // Often enough that each connection has each statement prepared.
    for _ in 0..4 {
        read_everything(&store, owner, &lease, detail.experiment.id).await;
    }
    for table in database.tables().await {
        database.store.run_sql(&format!("ALTER TABLE {table} ADD COLUMN spare TEXT")).await;
    }
    for _ in 0..4 {
        read_everything(&store, owner, &lease, detail.experiment.id).await;
    }
}

async fn read_everything(store: &Store, owner: domain::UserId, lease: &Lease, id: domain::ExperimentId) {
    assert!(store.user(owner).await.expect("an answer").is_some());
    let email = store.users(None, 9).await.expect("a page").data.remove(0).email;
    assert!(store.user_by_email(&email).await.expect("an answer").is_some());
    assert!(store.session_by_hash("token").await.expect("an answer").is_some());
    assert!(matches!(store.rotate_session("none", "next", in_an_hour(), None).await, Ok(Rotation::Refused)));
    assert_eq!(store.robots().await.expect("robots").len(), 1);
    assert_eq!(store.queue(9).await.expect("the queue").len(), 1);
    assert_eq!(store.demand(lease.robot_id).await.expect("the demand").len(), 1);
    assert!(
        store.peek(lease, &domain::Deck::default().told(domain::Grain::Strokes)).await.expect("an answer").is_some()
    );
    assert!(store.in_hand(lease).await.expect("an answer").is_some());
    assert!(store.in_hand_at(lease.robot_id).await.expect("an answer").is_some());
    assert!(store.experiment(id).await.expect("an answer").is_some());
    assert_eq!(store.experiments(None, None, 9).await.expect("a page").data.len(), 2);
    assert!(!store.events(id, 0, 9).await.expect("events").is_empty());
    assert!(store.latest_event(id, EventKind::Status).await.expect("an answer").is_some());
    assert_eq!(store.operations(id, 0, 9).await.expect("operations").len(), 1);
    let open = store.open_operations(lease.robot_id).await.expect("operations");
    let ids: Vec<_> = open.iter().map(|open| open.operation.id).collect();
    assert_eq!(store.known_operations(lease.robot_id, &ids).await.expect("an answer").len(), 1);
    assert!(store.experiment_of_key(owner, "none").await.expect("an answer").is_none());
}

/// A database of this kind, as it was after so many migrations.
pub async fn at_schema(database: &TestDatabase, migrations: usize) -> (Store, tempfile::TempDir) {
    let directory = tempfile_directory();
    let url = match database.store.backend() {
        Backend::Sqlite => format!("sqlite:{}/old.db", directory.path().display()),
        Backend::Postgres => database.fresh_schema().await,
    };
    let store = Store::connect(&url, Options::default()).await.expect("it opens");
    store.migrate_first(migrations).await;
    (store, directory)
}

pub async fn an_older_schema_is_refused_and_nothing_is_made_of_it(database: TestDatabase) {
    database.store.check_schema().await.expect("this release's own");
    let (empty, _directory) = at_schema(&database, 0).await;
    let error = empty.check_schema().await.expect_err("nothing has run");
    assert!(error.to_string().ends_with("(0001_accounts hasn't run): run `tincture migrate`"), "{error}");
    empty.migrate_first(5).await;
    let error = empty.check_schema().await.expect_err("one hasn't run");
    assert!(matches!(error, StoreError::Schema(SchemaError::Older { missing: "0006_keys" })), "{error:?}");
    empty.migrate().await.expect("it migrates");
    empty.check_schema().await.expect("up to date");
}

/// In a rolling upgrade the newer release has migrated and this one goes on, also when it is started again.
pub async fn a_newer_schema_is_used_where_it_says_so(database: TestDatabase) {
    let store = &database.store;
    let applied = |name: &str, least: &str| {
        format!(
            "INSERT INTO migrations (name, applied_at, checksum, least) SELECT '{name}', applied_at, 'x', {least} FROM migrations WHERE name = '0006_keys'"
        )
    };
    store.run_sql(&applied("9001_expands", "NULL")).await;
    store.run_sql(&applied("9002_contracts_what_is_long_unused", "'0006_keys'")).await;
    store.check_schema().await.expect("nothing of it is in the way");
    assert!(store.migrate().await.expect("an answer").is_empty());
    store.run_sql(&applied("9003_contracts", "'9001_expands'")).await;
    for error in [store.check_schema().await.err(), store.migrate().await.err()] {
        let newer = SchemaError::Newer { step: "9003_contracts".to_owned() };
        assert!(matches!(&error, Some(StoreError::Schema(said)) if *said == newer), "{error:?}");
    }
}

pub async fn a_changed_migration_is_noticed(database: TestDatabase) {
    let (store, _directory) = at_schema(&database, 5).await;
    store.migrate().await.expect("it migrates");
    let sealed = "SELECT CAST(COUNT(*) AS TEXT) AS text FROM migrations WHERE LENGTH(checksum) = 64".to_owned();
    let text = store.read_text(sealed).await;
    assert_eq!(text, database.migrations().to_string(), "those of before checksums too");
    store.run_sql("UPDATE migrations SET checksum = 'of another text' WHERE name = '0003_experiments'").await;
    for error in [store.check_schema().await.err(), store.migrate().await.err()] {
        let changed = SchemaError::Changed { step: "0003_experiments".to_owned() };
        assert!(matches!(&error, Some(StoreError::Schema(said)) if *said == changed), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_is_made_by_surprise() {
    let directory = tempfile_directory();
    let file = directory.path().join("not/there/lab.db");
    let error = Store::connect_existing(&format!("sqlite://{}", file.display()), Options::default()).await;
    assert!(matches!(&error, Err(StoreError::Missing(path)) if path.ends_with("not/there/lab.db")), "{error:?}");
    assert!(!directory.path().join("not").exists());
}

#[tokio::test]
async fn a_damaged_file_is_found_and_named() {
    let directory = tempfile_directory();
    let file = directory.path().join("lab.db");
    let url = format!("sqlite://{}", file.display());
    let store = Store::connect(&url, Options::default()).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    let owner = user(&store, 200).await;
    queued(&store, owner, 96).await;
    let patience = std::time::Duration::from_secs(60);
    assert_eq!(store.check_integrity(patience).await.expect("sound"), Integrity::Whole);
    let none = std::time::Duration::ZERO;
    assert_eq!(store.check_integrity(none).await.expect("no time to find out"), Integrity::Unfinished);
    store.close().await.expect("closed");

    let whole = std::fs::read(&file).expect("the file");
    let mut damaged = whole.clone();
    // The last page is an experiment's, not the schema's: opening the file alone finds nothing.
    let last = damaged.len() - 4096;
    damaged[last..last + 64].fill(0xa5);
    std::fs::write(&file, &damaged).expect("written");
    let store = Store::connect_existing(&url, Options::default()).await.expect("it opens");
    let error = store.check_integrity(patience).await.expect_err("damaged");
    assert!(matches!(&error, StoreError::Damaged { .. }) && error.to_string().contains("lab.db"), "{error}");
    store.close().await.expect("closed");

    std::fs::write(&file, vec![0xa5; whole.len()]).expect("written");
    let error = Store::connect_existing(&url, Options::default()).await.expect_err("no database at all");
    assert!(matches!(&error, StoreError::Damaged { .. }) && error.to_string().contains("newest backup"), "{error}");
}
