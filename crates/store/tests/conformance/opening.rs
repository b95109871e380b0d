//! Opening, migrating, opening again.

use crate::given::*;
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
    assert_eq!(ran, 5, "each of the five migrations, once");
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
