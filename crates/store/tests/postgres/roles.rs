//! What each role of a lab may do, and what not.

use crate::given;
use domain::{Change, Control, Fault};
use std::collections::BTreeSet;
use store::{
    Entry, Options, RoleName, Roles, Store,
    testing::{act, cluster::Cluster},
};

const DATABASE: &str = "postgres";

/// A migrated lab with its three roles, made as an administrator of PostgreSQL would.
struct Lab {
    server: Cluster,
}

fn roles() -> Roles {
    let name = |name| RoleName::new(name).expect("a name");
    Roles { owner: name("lab_owner"), application: name("lab_app"), monitor: name("lab_monitor") }
}

impl Lab {
    async fn start() -> Self {
        let lab = Self { server: Cluster::start_on_a_port(&[]) };
        let superuser = lab.open("tincture").await;
        // Before there is anything, and after.
        superuser.make_roles(&roles()).await.expect("made");
        lab.open("lab_owner").await.migrate().await.expect("the owner migrates");
        superuser.make_roles(&roles()).await.expect("made again");
        lab
    }

    async fn open(&self, role: &str) -> Store {
        Store::connect(&self.server.url_as(role, DATABASE), Options::default()).await.expect("it opens")
    }

    /// What PostgreSQL says against a statement of this role's.
    fn refuses(&self, role: &str, statement: &str) -> String {
        let url = self.server.url_as(role, DATABASE);
        let said = std::process::Command::new("psql").args(["-XAtq", "-d", &url, "-c", statement]).output();
        String::from_utf8_lossy(&said.expect("psql").stderr).trim().to_owned()
    }

    fn denies(&self, role: &str, statement: &str) {
        let said = self.refuses(role, statement);
        let denied = said.contains("permission denied") || said.contains("must be owner");
        assert!(denied, "{role}: {statement}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_application_runs_the_lab_and_changes_no_table() {
    let lab = Lab::start().await;
    let store = lab.open("lab_app").await;
    store.check_schema().await.expect("it may look");
    store.check_writable().await.expect("it may write");
    let owner = given::user(&store, 10).await;
    given::session(&store, owner, "token", given::in_an_hour()).await;
    store.first_signing_key("kid", "pem").await.expect("a key");
    assert_eq!(store.signing_keys().await.expect("keys").len(), 1);
    let (robot, lease) = given::lane(&store, "ot2").await;
    let detail = given::running(&store, owner, 2, &robot, &lease).await;
    store.control(detail.experiment.id, Control::Pause, &act("paused")).await.expect("an answer");
    let notice = Change::Notice(Some(Fault { ..given::fault() }));
    let entry = Entry { changes: vec![notice], ..Entry::default() };
    store.commit(&lease, entry).await.expect("a commit");
    assert_eq!(store.figures().await.expect("figures").running, 1);
    store.purge(&store::Retention::default(), chrono::Utc::now()).await.expect("a purge");
    for statement in [
        "DROP TABLE users",
        "ALTER TABLE users ADD COLUMN more text",
        "TRUNCATE documents",
        "CREATE TABLE mine (id int)",
        "DELETE FROM migrations",
        "CREATE ROLE more",
        "CREATE INDEX ON users (role)",
    ] {
        lab.denies("lab_app", statement);
    }
    // What comes with a later migration is the application's too, without anything more.
    lab.server.psql(DATABASE, "SET ROLE lab_owner; CREATE TABLE later (id int)");
    assert_eq!(lab.refuses("lab_app", "INSERT INTO later (id) VALUES (1); SELECT id FROM later"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_watches_sees_figures_and_nothing_of_anybody() {
    let lab = Lab::start().await;
    let store = lab.open("lab_app").await;
    let owner = given::user(&store, 10).await;
    given::queued(&store, owner, 2).await;
    let figures = "SELECT queued || ' ' || running || ' ' || active FROM lab_figures()";
    let watching = lab.open("lab_monitor").await;
    assert_eq!(watching.read_text(format!("SELECT ({figures}) AS text")).await, "1 0 0");
    let classes = include_str!("../../../../docs/data.md");
    let public: BTreeSet<_> = classes
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, table, column, "public", _, _, _] = cells[..] else { return None };
            Some(format!("{table}.{column}"))
        })
        .collect();
    assert!(public.len() > 20, "the table of classes is read: {public:?}");
    let seen = lab.server.psql(
        DATABASE,
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND has_column_privilege('lab_monitor', table_name, column_name, 'SELECT')",
    );
    assert_eq!(seen.lines().map(str::to_owned).collect::<BTreeSet<_>>(), public);
    assert_eq!(lab.refuses("lab_monitor", "SELECT name, mode FROM robots"), "");
    for column in ["email", "hashed_password", "quota_remaining"] {
        lab.denies("lab_monitor", &format!("SELECT {column} FROM users"));
    }
    for secret in ["SELECT private_pem FROM signing_keys", "SELECT refresh_hash FROM sessions", "TABLE robots"] {
        lab.denies("lab_monitor", secret);
    }
    for statement in [
        "INSERT INTO tips (robot_id) SELECT id FROM robots",
        "UPDATE robots SET name = 'x'",
        "DELETE FROM tips",
        "CREATE TABLE mine (id int)",
        "DROP TABLE tips",
    ] {
        lab.denies("lab_monitor", statement);
    }
}

#[tokio::test]
async fn the_embedded_database_has_no_roles() {
    let database = store::testing::TestDatabase::sqlite().await;
    let error = database.store.make_roles(&roles()).await.expect_err("there are none").to_string();
    assert!(error.contains("PostgreSQL's"), "{error}");
}
