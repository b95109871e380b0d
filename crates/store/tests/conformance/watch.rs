//! What whoever watches over a lab reads of it.

use crate::given::*;
use domain::{Change, Fault, FaultCode, RobotCommand, WellId};
use serde_json::json;
use store::{testing::TestDatabase, *};

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
            .accept(NewExperiment { wells: vec![(WellId::new(), red(60))], ..request(ada, 1) })
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
