//! What whoever watches over a lab reads of it.

use crate::given::*;
use chrono::DateTime;
use domain::{Change, Fault, FaultCode, RobotCommand};
use serde_json::json;
use store::{backup::BackupNews, testing::TestDatabase, *};

/// More than any list gives at once.
const MANY: u32 = 205;

pub async fn figures_are_of_the_whole_lab(database: TestDatabase) {
    let store = &database.store;
    assert_eq!(store.figures().await.expect("figures"), Figures::default());
    let ada = user(store, 1_000).await;
    let (driven, lease) = lane(store, "one").await;
    running(store, ada, 1, &driven, &lease).await;
    for _ in 0..MANY {
        store
            .accept(NewExperiment { wells: vec![NewWell::of(red(60), None)], ..request(ada, 1) })
            .await
            .expect("accepted");
    }
    let undriven = store.ensure_robot(new_robot("two")).await.expect("a robot");
    let by = || NewActivity { user_id: Some(ada), action: "robot_stopped", details: json!({}), ip_address: None };
    store.command(undriven.id, RobotCommand::Stop, "ada@example.org", by()).await.expect("stopped");
    let notice = Fault { code: FaultCode::RobotUnreachable, ..fault() };
    store.commit(&lease, changes([Change::Notice(Some(notice))])).await.expect("noted");
    let figures = Figures {
        queued: MANY,
        running: 1,
        active: 1,
        stopped: 1,
        waiting: 1,
        unusable: 1,
        undriven: 1,
        ..Figures::default()
    };
    assert_eq!(store.figures().await.expect("figures"), figures);
}

pub async fn a_database_that_takes_no_writes_is_found_out(database: TestDatabase) {
    let store = &database.store;
    let lab = store.lab_id().await.expect("its id");
    for _ in 0..3 {
        store.check_writable().await.expect("writable");
    }
    assert_eq!(store.lab_id().await.expect("its id"), lab, "nothing that anybody reads has changed");
    assert_eq!(store.free_space().await.expect("an answer").is_some(), store.backend() == Backend::Sqlite);

    let shut = match store.backend() {
        Backend::Sqlite => {
            store.run_sql("PRAGMA query_only = 1").await;
            store.clone()
        }
        Backend::Postgres => {
            let name = store.read_text("SELECT current_database()::text AS text".to_owned()).await;
            store.run_sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
            database.another().await
        }
    };
    shut.ping().await.expect("it can still be read");
    shut.check_writable().await.expect_err("and not be written");
}

pub async fn what_is_told_of_backups_is_kept_until_something_newer_is(database: TestDatabase) {
    let store = &database.store;
    let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0);
    if store.backend() == Backend::Sqlite {
        store.tell_backups(&BackupNews { newest: at(0), ..BackupNews::default() }).await.expect("told");
        assert_eq!(store.backup_state().await.expect("an answer"), None, "its backups tell it themselves");
        assert!(store.system_identifier().await.is_err() && store.data_directory().await.is_err());
        return;
    }
    let state = async || store.backup_state().await.expect("an answer").expect("of PostgreSQL");
    assert_eq!(state().await.told, BackupNews::default());
    let first = BackupNews { newest: at(0), earliest: at(1), due: at(100), ..BackupNews::default() };
    store.tell_backups(&first).await.expect("told");
    assert_eq!(state().await.told, first);
    assert!(!state().await.is_failing() && !state().await.is_damaged());
    store.tell_backups(&BackupNews { failed: at(100), damaged: at(50), ..BackupNews::default() }).await.expect("told");
    let now = state().await;
    assert_eq!(now.told, BackupNews { failed: at(100), damaged: at(50), ..first });
    assert!(now.is_failing() && now.is_damaged());
    let second = BackupNews { newest: at(101), verified: at(102), ..BackupNews::default() };
    store.tell_backups(&second).await.expect("told");
    let now = state().await;
    assert_eq!((now.told.newest, now.told.earliest, now.told.due), (at(101), at(1), at(100)));
    assert!(!now.is_failing() && !now.is_damaged());
    assert!(store.system_identifier().await.expect("a number") > 0);
    assert!(store.data_directory().await.expect("an answer").is_some_and(|place| place.starts_with('/')));
}
