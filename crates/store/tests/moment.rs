//! PostgreSQL put back as it was at a moment, with pgBackRest, as [docs/backup.md](../../../docs/backup.md) says.
//!
//! The moment is chosen at random; `TINCTURE_TEST_MOMENT` chooses the same again. Row by row it must be what was there then, and
//! the lab must know that its decks are ahead of it.

use domain::{Attendance, Deck, RobotKind};
use std::{env, fs, path::Path, process::Output, thread::sleep, time::Duration};
use store::{
    LeaseClaim, NewRobot, Options, Store,
    testing::{
        act,
        cluster::{Cluster, ROLE, command, give},
    },
};

/// Moments to choose from.
const MOMENTS: usize = 8;
const DATABASE: &str = "lab";

/// pgBackRest beside a server.
struct BackRest<'a> {
    cluster: &'a Cluster,
    configuration: String,
}

impl BackRest<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut pgbackrest = command(Path::new("pgbackrest"));
        pgbackrest.args(["--stanza=tincture", &format!("--config={}", self.configuration)]).args(arguments);
        let output = pgbackrest.output().expect("install the package `pgbackrest`");
        let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
        assert!(output.status.success(), "{arguments:?}: {said}\n{}", self.cluster.log());
        output
    }
}

/// Every row of every table, as text, sorted.
fn rows(cluster: &Cluster) -> String {
    let tables = "SELECT string_agg(format('SELECT %L || '' '' || t::text FROM %I t', tablename, tablename), ' UNION ALL ' ORDER BY tablename)
        FROM pg_tables WHERE schemaname = 'public'";
    let query = cluster.psql(DATABASE, tables);
    cluster.psql(DATABASE, &format!("SELECT row FROM ({query}) AS all_rows (row) ORDER BY row COLLATE \"C\""))
}

async fn open(cluster: &Cluster) -> Store {
    Store::connect(&cluster.url(DATABASE), Options::default()).await.expect("the database opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_is_put_back_as_it_was_at_any_moment_and_knows_that_its_decks_are_ahead() {
    let chosen = env::var("TINCTURE_TEST_MOMENT").map_or_else(
        |_| usize::from(uuid::Uuid::now_v7().as_bytes()[15]) % MOMENTS,
        |moment| moment.parse().expect("a number"),
    );
    eprintln!("TINCTURE_TEST_MOMENT={chosen}");
    let directory = tempfile::Builder::new().prefix("tincture-pgbackrest-").tempdir_in("/tmp").expect("a directory");
    give(directory.path());
    let configuration = directory.path().join("pgbackrest.conf").display().to_string();
    let push = format!("archive_command=pgbackrest --config={configuration} --stanza=tincture archive-push %p");
    let mut cluster = Cluster::start_on_a_port(&["archive_mode=on", &push, "wal_level=replica", "max_wal_senders=3"]);
    let place = directory.path().display();
    let text = format!(
        "[global]\nrepo1-path={place}/repo\nrepo1-retention-full=2\nlog-path={place}\nlock-path={place}\nspool-path={place}\nstart-fast=y\n\
         log-level-file=off\ncompress-type=gz\n\n[tincture]\npg1-path={}\npg1-port={}\npg1-socket-path={}\npg1-user={ROLE}\n",
        cluster.data().display(),
        cluster.url("").trim_end_matches('/').rsplit(':').next().expect("a port"),
        cluster.directory().display(),
    );
    fs::write(&configuration, text).expect("a configuration");

    cluster.psql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    let store = open(&cluster).await;
    store.migrate().await.expect("the migrations run");
    let robot = NewRobot {
        name: "bench".to_owned(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:1".to_owned(),
        sensor_url: "tcp://127.0.0.1:1".to_owned(),
        attendance: Attendance::Operator,
        deck: Deck::default(),
    };
    let robot = store.ensure_robot(robot).await.expect("a robot").id;
    store.log_activity(act("before_the_backup")).await.expect("written");
    {
        let backrest = BackRest { cluster: &cluster, configuration: configuration.clone() };
        backrest.run(&["stanza-create"]);
        backrest.run(&["backup", "--type=full"]);
    }
    let lease = store.lease(robot, "worker", Duration::from_secs(60), LeaseClaim::WhenFree).await.expect("an answer");
    let lease = lease.expect("the lane is free");
    let read = store::Entry { changes: vec![domain::Change::HistoryRead], ..Default::default() };
    store.commit(&lease, read).await.expect("the lease holds");
    assert!(!store.robot(robot).await.expect("an answer").expect("a robot").may_be_ahead());

    // pgBackRest knows a backup's end to the second, and restores to no moment of that second.
    sleep(Duration::from_millis(1100));
    let mut moments = Vec::new();
    for _ in 0..MOMENTS {
        store.log_activity(act("after_the_backup")).await.expect("written");
        sleep(Duration::from_millis(20));
        moments.push((cluster.psql("postgres", "SELECT clock_timestamp()"), rows(&cluster)));
        sleep(Duration::from_millis(20));
    }
    store.log_activity(act("lost")).await.expect("written");
    cluster.psql("postgres", "SELECT pg_switch_wal()");
    cluster.until("SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver WHERE last_archived_wal IS NOT NULL");
    store.close().await.expect("closed");
    cluster.crash();
    fs::remove_dir_all(cluster.data()).expect("its directory is destroyed");
    fs::create_dir(cluster.data()).expect("an empty one");
    fs::set_permissions(cluster.data(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("its mode");
    give(&cluster.data());

    let (moment, then) = &moments[chosen];
    let target = format!("--target={moment}");
    let backrest = BackRest { cluster: &cluster, configuration };
    backrest.run(&["restore", "--type=time", &target, "--target-action=promote"]);
    backrest.run(&["info"]);
    cluster.run();
    cluster.until("SELECT NOT pg_is_in_recovery()");
    assert_eq!(rows(&cluster), *then, "moment {chosen}");

    let store = open(&cluster).await;
    assert!(
        matches!(store.renew(&lease, Duration::from_secs(60)).await, Err(store::StoreError::LeaseLost)),
        "no lease outlives a restore"
    );
    store
        .lease(robot, "worker", Duration::from_secs(60), LeaseClaim::WhenFree)
        .await
        .expect("an answer")
        .expect("ours");
    assert!(store.robot(robot).await.expect("an answer").expect("a robot").may_be_ahead(), "the deck is asked first");
}
