//! A lab moves from the embedded database to PostgreSQL, however often that is killed, and is the same lab there.

use crate::{
    client::{Client, ask, measured},
    process::{ADMIN, Lab, PASSWORD, Process, Said, run, tincture},
};
use serde_json::json;
use std::{
    env,
    path::Path,
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::{Options, Store, testing::TestDatabase};

/// How often the move is killed, unless TINCTURE_MOVE_KILLS says otherwise.
const KILLS: u32 = 4;
/// A move is killed after at most so long.
const LONGEST: Duration = Duration::from_secs(2);
/// Enough that a move takes a while.
const LINES: u32 = 30_000;

/// The kills' moments come from a seed, that of TINCTURE_MOVE_SEED where a failure named one.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let given = env::var("TINCTURE_MOVE_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos().into());
        let seed = given.unwrap_or_else(now);
        println!("TINCTURE_MOVE_SEED={seed}");
        // Neighbours give moments far apart.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Up to so long.
    fn next(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

fn moving(from: &Path, to: &str) -> Command {
    tincture(&["migrate", "--from", &format!("sqlite://{}", from.display()), "--to", to])
}

/// What a process says that mustn't start; it isn't waited for, for ever, if it does.
fn refusal(arguments: &[&str], variable: &str, value: &str) -> String {
    let wanted = tincture(arguments);
    let mut command = Command::new("timeout");
    command.arg("60").arg(wanted.get_program()).args(wanted.get_args());
    for (name, value) in wanted.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env(variable, value);
    let said = run(command);
    assert_eq!(said.status.code(), Some(1), "it isn't refused: {said:?}");
    said.stderr
}

async fn long_history(file: &Path) {
    let store = Store::connect(&format!("sqlite://{}", file.display()), Options::default()).await.expect("it opens");
    let lines = format!(
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {LINES})
         INSERT INTO user_activity_log (id, action, details, created_at)
         SELECT unhex(printf('%032x', n)), 'looked', '{{}}', '2026-01-01T00:00:00+00:00' FROM s"
    );
    store.run_sql(&lines).await;
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_goes_on_and_the_lab_is_the_same_there() {
    let mut lab = Lab::up(600);
    let file = lab.data_dir().join("tincture.sqlite");
    let client = Client::of(&lab).await;
    let id = client.submit(&[json!({ "red": 60, "blue": 60 })]).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&id).await;
    let before = client.experiment(&id).await;
    let body = json!({ "email": ADMIN, "password": PASSWORD });
    let token = client.post("/api/v1/auth/login", &body).await.1["access_token"].as_str().expect("a token").to_owned();
    let database = TestDatabase::postgres().await;
    let target = database.fresh_schema().await;
    let said = run(moving(&file, &target));
    assert!(said.stderr.contains("is in use"), "a running lab isn't moved: {said:?}");
    assert!(lab.stop().success());
    long_history(&file).await;

    let complete = kill_and_go_on(&file, &target);
    assert!(complete.stdout.contains("lives at") || complete.stdout.contains("moved there before"), "{complete:?}");

    let old = refusal(&["up", "--listen", "127.0.0.1:0"], "TINCTURE_DATA_DIR", &lab.data_dir().display().to_string());
    assert!(old.contains("this lab was moved to"), "no second lab drives its robots: {old}");
    let mut serve = tincture(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("TINCTURE_DATABASE_URL", &target);
    let mut serve = Process::spawn(serve);
    let address = serve.word_after("Tincture is ready: ");
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    let after = client.experiment(&id).await;
    assert_eq!(after, before);
    assert_eq!(measured(&after).len(), 1);
    let listed = client.get("/api/v1/experiments").await.to_string();
    assert!(listed.contains(&id), "{listed}");
    let (status, _) = ask(&address, &format!("/api/v1/experiments/{id}"), &token).await;
    assert_eq!(status, 200, "who was signed in still is");
    assert!(serve.stop().success());
}

/// What the move said that nobody killed.
fn kill_and_go_on(file: &Path, target: &str) -> Said {
    let kills = env::var("TINCTURE_MOVE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut moments = Moments::new();
    for round in 0..kills {
        let mut running = moving(file, target).spawn().expect("it starts");
        let moment = moments.next(LONGEST);
        thread::sleep(moment);
        running.kill().expect("killed");
        let ended_by_itself = running.wait().expect("reaped").success();
        println!("round {round}: killed after {moment:?}, complete before that: {ended_by_itself}");
        if ended_by_itself {
            break;
        }
        let said = refusal(&["serve", "--listen", "127.0.0.1:0"], "TINCTURE_DATABASE_URL", target);
        let half_moved = said.contains("not all of it has arrived") && said.contains("--from");
        assert!(half_moved || said.contains("run `tincture migrate`"), "round {round}: {said}");
        if round == 0 {
            refusal(&["worker"], "TINCTURE_DATABASE_URL", target);
        }
    }
    let said = run(moving(file, target));
    assert!(said.status.success(), "{said:?}");
    said
}
