//! At least 200 random faults on each database, and proof that the harness sees the bugs that it is there for.
//!
//! The tests take turns: each runs a whole lab.

use crash::{
    Settings,
    database::Kind,
    fault::Mix,
    run::{Broken, Report},
    turn::{turn, turn_alone},
    verdict::Promise,
};

/// Chosen once. Another seed is another schedule; `crash --seed N` runs as many as you like.
const SEED: u64 = 20_261_123;

async fn survives(database: Kind) {
    let _turn = turn_alone().await.expect("a turn");
    let report = crash::run(&Settings::new(SEED, 200, database)).await.expect("the harness works");
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.faults >= 200, "only {} faults took effect", report.faults);
    assert!(report.summary.measured >= 50, "the lab did hardly anything: {}", report.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_faults_on_sqlite_break_no_promise() {
    survives(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_faults_on_postgres_break_no_promise() {
    survives(Kind::Postgres).await;
}

/// People stop, pause and drain robots and renew plates, processes are asked to end, one robot has an operator.
async fn survives_people(database: Kind) {
    let _turn = turn().await.expect("a turn");
    let settings = Settings { mix: Mix::People, attended: 1, ..Settings::new(SEED, 60, database) };
    let report = crash::run(&settings).await.expect("the harness works");
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.faults >= 60, "only {} faults took effect", report.faults);
    assert!(report.summary.measured >= 20, "the lab did hardly anything: {}", report.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_faults_and_people_on_sqlite_break_no_promise() {
    survives_people(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_faults_and_people_on_postgres_break_no_promise() {
    survives_people(Kind::Postgres).await;
}

/// The database's primary is lost or frozen, its standby promoted, the old one back, again and again, besides everything else.
/// `TINCTURE_FAILOVER_SEEDS=20` goes on for as many seeds, with more faults each.
async fn survives_failovers(database: Kind) {
    let _turn = turn().await.expect("a turn");
    let seeds = std::env::var("TINCTURE_FAILOVER_SEEDS").ok().map(|seeds| seeds.parse().expect("a number of seeds"));
    let faults = if seeds.is_some() { 40 } else { 10 };
    for seed in SEED..SEED + seeds.unwrap_or(1) {
        let settings = Settings { mix: Mix::Failovers, robots: 2, ..Settings::new(seed, faults, database) };
        let report = crash::run(&settings).await.expect("the harness works");
        assert!(report.violations.is_empty(), "{report}");
        assert!(report.faults >= faults, "only {} faults took effect", report.faults);
        assert!(report.timeline.to_string().contains("is promoted"), "the database never failed over: {report}");
        assert!(report.summary.measured >= 5, "the lab did hardly anything: {}", report.summary);
        eprintln!("{database:?}, {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failovers_of_an_asynchronous_pair_repeat_no_drop() {
    survives_failovers(Kind::AsynchronousPair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failovers_of_a_synchronous_pair_lose_nothing_and_repeat_no_drop() {
    survives_failovers(Kind::SynchronousPair).await;
}

/// The others go on; what is bound to the broken one ends, or waits with a reason and can be cancelled.
async fn survives_without_repair(broken: Broken) {
    let _turn = turn().await.expect("a turn");
    let settings = Settings { broken: Some(broken), ..Settings::new(SEED, 40, Kind::Sqlite) };
    let report = crash::run(&settings).await.expect("the harness works");
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.summary.measured >= 20, "the others did hardly anything: {}", report.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_nobody_repairs_holds_nobody_else_up() {
    survives_without_repair(Broken::Sensor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_nobody_repairs_holds_nobody_else_up() {
    survives_without_repair(Broken::Robot).await;
}

/// Runs a lab with a bug until the harness complains.
async fn caught(sabotage: &str, mix: Mix) -> Report {
    let _turn = turn().await.expect("a turn");
    for seed in SEED..SEED + 8 {
        let settings = Settings {
            sabotage: Some(sabotage.to_owned()),
            mix,
            patience: std::time::Duration::from_secs(10),
            ..Settings::new(seed, 15, Kind::Sqlite)
        };
        let report = crash::run(&settings).await.expect("the harness works");
        // A lab that merely hasn't come to its end in time proves nothing.
        let grave =
            |promise| matches!(promise, Promise::Recipe | Promise::Result | Promise::Journal | Promise::Machine);
        if report.violations.iter().any(|violation| grave(violation.promise)) {
            std::fs::remove_dir_all(&report.directory).expect("its logs can be deleted");
            return report;
        }
    }
    panic!("nobody noticed that {sabotage} was on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_is_written_late_is_caught() {
    let report = caught("late-intent", Mix::Kills).await;
    assert!(report.violations.iter().any(|violation| violation.promise == Promise::Journal), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_asks_nobody_is_caught() {
    let report = caught("no-lookup", Mix::Kills).await;
    assert!(report.violations.iter().any(|violation| violation.promise == Promise::Journal), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_fence_is_caught() {
    caught("no-fence", Mix::Stops).await;
}
