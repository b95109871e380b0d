//! Opening, migrating, opening again.

use crate::given::*;
use domain::{Control, RobotMode};
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
    let starts: Vec<_> = (0..4)
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
        store.control(detail.experiment.id, Control::Pause).await.expect("an answer");
        store.migrate().await.expect("an answer");
    });
    spawned.await.expect("a task");
}

/// A lab of the first release, in every state that a robot could be in, opened by this one.
pub async fn old_holds_and_questions_keep_their_meaning(database: TestDatabase) {
    let directory = tempfile_directory();
    let url = match database.store.backend() {
        Backend::Sqlite => format!("sqlite:{}/old.db", directory.path().display()),
        Backend::Postgres => database.fresh_schema().await,
    };
    let store = Store::connect(&url, Options::default()).await.expect("it opens");
    store.migrate_first(4).await;
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
