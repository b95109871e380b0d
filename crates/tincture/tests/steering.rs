//! Steering the lab from the command line: by the rules of the API, in somebody's name, on the database alone.

use domain::{BlankCheck, Change, ExperimentId, Fault, FaultCode, Recipe, Volume};
use std::process::{Command, Output};
use store::{Entry, LeaseClaim, NewExperiment, Options, Store, User, testing::request};
use tempfile::TempDir;

/// A lab of which nothing runs: a database with a robot and people.
struct Lab {
    directory: TempDir,
    store: Store,
}

impl Lab {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("tincture.sqlite").display());
        let store = Store::connect(&url, Options::default()).await.expect("a database");
        store.migrate().await.expect("it migrates");
        let lab = Self { directory, store };
        lab.done(&["robot", "add", "bench-1", "--url", "http://127.0.0.1:1", "--sensor", "tcp://127.0.0.1:1"]);
        lab
    }

    fn tincture(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tincture"));
        command.current_dir(self.directory.path()).env("TINCTURE_DATA_DIR", self.directory.path());
        command.args(arguments).output().expect("it runs")
    }

    /// What it says when it does what it is asked.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.tincture(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What it says when it doesn't.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.tincture(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    async fn person(&self, name: &str, role: &str) -> User {
        let email = format!("{name}@example.org");
        self.done(&["user", "create", &email, "--role", role]);
        self.store.user_by_email(&email).await.expect("an answer").expect("the account")
    }

    async fn experiment(&self, owner: &User) -> ExperimentId {
        let recipe = Recipe::new([("red".parse().expect("a dye"), Volume::from_whole_ul(60))]);
        let asked = NewExperiment { name: Some("reds".to_owned()), ..request(owner.id, [recipe]) };
        let id = asked.id;
        self.store.accept(asked).await.expect("accepted");
        id
    }
}

#[tokio::test]
async fn what_a_deck_is_believed_is_set_where_its_robot_is_added() {
    let lab = Lab::new().await;
    let deck = async || lab.store.robots().await.expect("robots").remove(0).deck;
    assert_eq!((deck().await.blank_check, deck().await.doubt_delta_e), (BlankCheck::Sample, 3.0));
    let add = ["robot", "add", "bench-1", "--url", "http://127.0.0.1:1", "--sensor", "tcp://127.0.0.1:1"];
    lab.done(&[&add[..], &["--blank-check", "all", "--doubt-delta-e", "12.5"]].concat());
    assert_eq!((deck().await.blank_check, deck().await.doubt_delta_e), (BlankCheck::All, 12.5));
    for wrong in [["--blank-check", "some"], ["--doubt-delta-e", "NaN"], ["--doubt-delta-e", "0"]] {
        let said = lab.refused(&[&add[..], &wrong].concat());
        assert!(said.contains("it must be"), "{said}");
    }
}

#[tokio::test]
async fn robots_are_held_and_attended_in_somebodys_name() {
    let lab = Lab::new().await;
    assert!(lab.refused(&["robot", "pause", "bench-1"]).contains("no administrator yet"));
    let root = lab.person("root", "admin").await;
    let olga = lab.person("olga", "operator").await;
    lab.person("ada", "student").await;

    assert!(lab.refused(&["robot", "pause", "bench-1", "--as", "ada@example.org"]).contains("needs an operator"));
    assert!(lab.refused(&["robot", "pause", "bench-2"]).contains("there are bench-1"));
    assert!(lab.refused(&["robot", "act", "bench-1", "new-plate"]).contains("pause it first"));
    lab.done(&["robot", "pause", "bench-1", "--as", "olga@example.org"]);
    lab.done(&["robot", "act", "bench-1", "refill", "B1", "--volume", "9000", "--batch", "R-7"]);
    assert!(lab.refused(&["robot", "act", "bench-1", "refill", "H12"]).contains("H12 isn't on this deck"));
    let shown = lab.done(&["robot", "show", "bench-1"]);
    assert!(shown.contains("paused, stands still, driven by nobody"), "{shown}");
    assert!(shown.contains("8500 of"), "what is above the reserve: {shown}");
    lab.done(&["robot", "stop", "--all"]);
    let stopped = lab.done(&["robot", "show", "bench-1"]);
    assert!(stopped.contains("root@example.org pressed the emergency stop"), "{stopped}");
    lab.done(&["robot", "resume", "--all"]);
    assert!(lab.done(&["robot", "list"]).contains("active"));

    let log = lab.store.activity(Some(olga.id), None, 10).await.expect("a page").data;
    assert_eq!(log.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["robot_paused"]);
    let log = lab.store.activity(Some(root.id), None, 10).await.expect("a page").data;
    let actions: Vec<_> = log.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["robot_resumed", "robot_stopped", "deck_attended"]);
}

#[tokio::test]
async fn a_worker_that_waits_for_its_robot_is_named() {
    let lab = Lab::new().await;
    assert!(lab.done(&["robot", "list"]).contains("driven by nobody"));
    let robot = lab.store.robots().await.expect("robots").remove(0).id;
    let life = std::time::Duration::from_secs(600);
    let lease = lab.store.lease(robot, "worker-7", life, LeaseClaim::WhenFree).await.expect("an answer").expect("free");
    assert!(lab.done(&["robot", "list"]).contains("driven by worker-7"));
    let text = || "It is off.".to_owned();
    let off = Fault { code: FaultCode::RobotUnreachable, what: text(), cause: text(), done: text(), next: text() };
    let entry = Entry { changes: vec![Change::Notice(Some(off))], ..Entry::default() };
    lab.store.commit(&lease, entry).await.expect("a commit");
    for command in [&["robot", "list"][..], &["robot", "show", "bench-1"]] {
        let said = lab.done(command);
        assert!(said.contains("worker-7 waits for it") && !said.contains("driven by"), "{said}");
    }
}

#[tokio::test]
async fn experiments_are_seen_and_steered_by_those_who_may() {
    let lab = Lab::new().await;
    lab.person("root", "admin").await;
    let ada = lab.person("ada", "student").await;
    lab.person("bob", "student").await;
    let id = lab.experiment(&ada).await.to_string();

    assert!(lab.done(&["experiment", "list"]).contains(&id));
    assert_eq!(lab.done(&["experiment", "list", "--as", "bob@example.org"]), "");
    assert!(lab.refused(&["experiment", "show", &id, "--as", "bob@example.org"]).contains("no experiment"));
    let shown = lab.done(&["experiment", "show", &id, "--as", "ada@example.org"]);
    assert!(shown.contains("place 1") && shown.contains("red 60 µL"), "{shown}");
    assert!(lab.refused(&["experiment", "resume", &id]).contains("queued"));
    assert!(lab.done(&["experiment", "pause", &id]).contains("paused"));
    assert!(lab.done(&["experiment", "retry", &id]).contains("in the queue again"));
    assert!(lab.done(&["experiment", "cancel", &id]).contains("cancelled"));
    let again = lab.done(&["experiment", "retry", &id, "--as", "ada@example.org"]);
    assert!(again.contains("wells: 1."), "{again}");
    let list = lab.done(&["experiment", "list"]);
    assert!(list.contains("queued") && list.contains("cancelled"), "{list}");
    assert!(lab.refused(&["experiment", "show", "x"]).contains("invalid value"));
}

impl Lab {
    async fn robot(&self, name: &str) -> store::Robot {
        let robots = self.store.robots().await.expect("robots");
        robots.into_iter().find(|robot| robot.name == name).expect("the robot")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }
}

#[tokio::test]
async fn a_robot_is_renamed_edited_and_removed_with_its_history() {
    let lab = Lab::new().await;
    lab.person("root", "admin").await;
    lab.person("olga", "operator").await;
    let ada = lab.person("ada", "student").await;
    let id = lab.robot("bench-1").await.id;
    let refused = lab.refused(&["robot", "rename", "bench-1", "window", "--as", "olga@example.org"]);
    assert!(refused.contains("needs an administrator"), "{refused}");
    assert!(lab.refused(&["robot", "rename", "bench-1", " "]).contains("name: it is empty"));
    let said = lab.done(&["robot", "rename", "bench-1", "window"]);
    assert!(said.contains("~ name: bench-1 → window") && said.contains("--robot bench-1"), "{said}");
    assert_eq!(lab.robot("window").await.id, id);

    let said = lab.done(&["robot", "edit", "window", "--url", "http://127.0.0.1:2/", "--attendance", "virtual"]);
    assert!(
        said.contains("~ url: http://127.0.0.1:1 → http://127.0.0.1:2") && said.contains("no robot answers"),
        "{said}"
    );
    for (wrong, why) in [
        (["--url", "http://127.0.0.1:2/path"], "url: a robot's address is http://host:port"),
        (["--sensor", "http://nowhere"], "sensor: "),
        (["--kind", "ot3"], "is no RobotKind"),
    ] {
        let said = lab.refused(&[&["robot", "edit", "window"][..], &wrong].concat());
        assert!(said.contains(why), "{said}");
    }
    assert!(lab.refused(&["robot", "edit", "window"]).contains("required"), "something must be said");
    lab.done(&["robot", "add", "bench-2", "--url", "http://127.0.0.1:3", "--sensor", "tcp://127.0.0.1:1"]);
    let taken = lab.refused(&["robot", "edit", "bench-2", "--url", "http://127.0.0.1:2"]);
    assert!(taken.contains("address of window already"), "{taken}");

    let waiting = lab.experiment(&ada).await;
    assert!(lab.refused(&["robot", "remove", "bench-2"]).contains("say --yes"), "nobody answers in a test");
    lab.done(&["robot", "remove", "bench-2", "--yes"]);
    let needed = lab.refused(&["robot", "remove", "window", "--yes"]);
    assert!(needed.contains("experiments wait that no other robot can mix (1 of them)"), "{needed}");
    lab.done(&["experiment", "cancel", &waiting.to_string()]);
    lab.done(&["robot", "remove", "window", "--yes"]);
    assert_eq!(lab.done(&["robot", "list"]), "");
    let log = lab.store.activity(None, None, 100).await.expect("a page").data;
    let actions: Vec<_> =
        log.iter().rev().map(|line| line.action.as_str()).filter(|act| act.starts_with("robot")).collect();
    let expected = ["robot_added", "robot_renamed", "robot_changed", "robot_added", "robot_removed", "robot_removed"];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn what_is_exported_is_applied_and_a_robot_is_so_already() {
    let lab = Lab::new().await;
    lab.person("root", "admin").await;
    let deck = lab.robot("bench-1").await.deck;
    assert_eq!(deck, domain::Deck::default(), "an export is of what there is");
    for json in [&[][..], &["--json"]] {
        let text = lab.done(&[&["robot", "export", "bench-1"][..], json].concat());
        let file = lab.file(if json.is_empty() { "bench-1.toml" } else { "bench-1.json" }, &text);
        let acts = lab.robot("bench-1").await.acts;
        assert_eq!(lab.done(&["robot", "apply", &file]), "bench-1 is so already\n");
        assert_eq!((lab.robot("bench-1").await.acts, lab.robot("bench-1").await.deck), (acts, deck.clone()));
    }

    let text = lab.done(&["robot", "export", "bench-1"]);
    let with_left = format!(
        "{text}\n[[deck.pipettes]]\nmount = \"left\"\nmodel = \"p20_single_gen2\"\n\n\
         [[deck.slots]]\nslot = 6\nrole = \"tips\"\nmount = \"left\"\nlabware = \"opentrons_96_tiprack_20ul\"\n"
    );
    let file = lab.file("left.toml", &with_left);
    let shown = lab.done(&["robot", "apply", &file, "--dry-run"]);
    assert!(shown.contains("+ left mount: p20_single_gen2") && shown.contains("+ slot 6:"), "{shown}");
    assert!(shown.contains("Nothing was changed"), "{shown}");
    assert_eq!(lab.robot("bench-1").await.deck, deck);
    lab.done(&["robot", "apply", &file]);
    assert_eq!(lab.robot("bench-1").await.deck, domain::Deck::with_p20());

    // A dye that gives way takes its count along: not without a word.
    let green = with_left.replace("\"blue\"", "\"green\"");
    let file = lab.file("green.toml", &green);
    let refused = lab.refused(&["robot", "apply", &file]);
    assert!(
        refused.contains("what is counted would be forgotten (vial B3)") && refused.contains("--replace"),
        "{refused}"
    );
    assert_eq!(lab.robot("bench-1").await.deck, domain::Deck::with_p20());
    lab.done(&["robot", "apply", &file, "--replace"]);
    assert!(lab.robot("bench-1").await.deck.dye(&"green".parse().expect("a dye")).is_some());

    // Every reason at once, and nothing is changed.
    let wrong = green
        .replace("opentrons_96_tiprack_20ul", "opentrons_96_tiprack_300ul")
        .replace("corning_96_wellplate_360ul_flat", "corning_24_wellplate_3.4ml_flat");
    let refused = lab.refused(&["robot", "apply", &lab.file("wrong.toml", &wrong)]);
    assert!(
        refused.contains("slot 6: opentrons_96_tiprack_300ul has no tips for the p20_single_gen2")
            && refused.contains("slot 1: a piece of 24 wells"),
        "{refused}"
    );

    // A new robot, and one with the lab's own rack beside the file.
    let new = green.replace("bench-1", "bench-2").replace("127.0.0.1:1\"", "127.0.0.1:9\"");
    let mut rack = deck.own_definition("ac_6_tuberack_15000ul").expect("the lab's");
    rack["namespace"] = "our_lab".into();
    rack["parameters"]["loadName"] = "our_rack".into();
    lab.file("rack.json", &rack.to_string());
    let new = new.replace("ac_6_tuberack_15000ul", "our_rack").replacen(
        "[deck]",
        "[deck]\ndefinition_files = [\"rack.json\"]",
        1,
    );
    let said = lab.done(&["robot", "apply", &lab.file("new.toml", &new)]);
    assert!(said.contains("bench-2 is new"), "{said}");
    let own = lab.robot("bench-2").await.deck;
    assert_eq!(own.labware_name(&own.vial_rack).to_string(), "our_lab/our_rack/1");
    let file = lab.file("again.toml", &lab.done(&["robot", "export", "bench-2"]));
    assert_eq!(lab.done(&["robot", "apply", &file]), "bench-2 is so already\n");
}
