//! Who a robot is and what it was told, by a robot that says so and by one that lies.

use crate::scripted::{Reaction, Request, Scripted, list, refusal};
use domain::{Deck, Mount, Operation, Step};
use emulator::{Config, Emulator};
use hardware::{Memory, Ot2, Patience, RobotError, Run, RunEntry};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const RIGHT: Mount = Mount::Right;

async fn virtual_lab(state_dir: Option<&Path>) -> (Emulator, Ot2) {
    let config = Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        sensor_listen: "127.0.0.1:0".parse().expect("an address"),
        speed: f64::INFINITY,
        state_dir: state_dir.map(Path::to_path_buf),
        ..Config::default()
    };
    let emulator = emulator::start(config).await.expect("an emulator");
    let robot = Ot2::new(&format!("http://{}", emulator.robot_addr()), Patience::default()).expect("an address");
    (emulator, robot)
}

fn at(server: &Scripted) -> Ot2 {
    Ot2::new(&server.url(), Patience { answer: Duration::from_millis(300), ..Patience::default() }).expect("an address")
}

/// A robot that says this of itself, and has no virtual deck unless told so.
async fn saying(health: Value, deck: Option<Value>, update_server: Option<Value>) -> Scripted {
    Scripted::start(move |request: &Request| match request.path.as_str() {
        "/health" => Some(Reaction::Answer(200, health.clone())),
        "/emulator/state" => deck.clone().map(|deck| Reaction::Answer(200, deck)),
        "/server/update/health" => update_server.clone().map(|told| Reaction::Answer(200, told)),
        _ => None,
    })
    .await
}

fn health(serial: Option<&str>) -> Value {
    json!({"name": "ot2", "api_version": "8.1.0", "robot_model": "OT-2 Standard", "robot_serial": serial})
}

async fn perform(run: &Run, step: Step) -> Operation {
    let operation = Operation::new(step);
    run.perform(&operation, Memory::Knows).await.expect("carried out");
    operation
}

fn red_tip() -> Step {
    Step::PickUpTip { mount: RIGHT, tip: "B1".parse().expect("a place"), dye: "red".parse().expect("a dye") }
}

#[tokio::test]
async fn a_virtual_robot_says_who_it_is_and_what_changed_it_last() {
    let directory = tempfile::tempdir().expect("a directory");
    let (emulator, robot) = virtual_lab(Some(directory.path())).await;
    let first = robot.identify().await.expect("an identity");
    let deck = first.virtual_deck.clone().expect("a virtual deck");
    assert_eq!((deck.sequence, deck.last_key), (0, None));
    assert_eq!((first.serial.as_deref(), first.name()), (None, Some(deck.identity.as_str())));
    let run = robot.open_run(&Deck::default()).await.expect("a run");
    let picked = perform(&run, red_tip()).await;
    emulator.shutdown().await;
    let (_emulator, robot) = virtual_lab(Some(directory.path())).await;
    let again = robot.identify().await.expect("an identity").virtual_deck.expect("a virtual deck");
    assert_eq!((again.identity, again.sequence, again.last_key), (deck.identity, 1, Some(picked.id.to_string())));
}

#[tokio::test]
async fn a_real_robot_is_known_by_its_serial_number() {
    let server = saying(health(Some("OT2CEP20190604A02")), None, None).await;
    let identity = at(&server).identify().await.expect("an identity");
    assert_eq!((identity.name(), &identity.virtual_deck), (Some("OT2CEP20190604A02"), &None));
    let server = saying(health(None), None, Some(json!({"serialNumber": "OT2CEP20190604A03"}))).await;
    assert_eq!(at(&server).identify().await.expect("an identity").name(), Some("OT2CEP20190604A03"));
    for nobody in [None, Some(""), Some("simulator"), Some("\u{1b}\n ")] {
        let server = saying(health(nobody), None, None).await;
        assert_eq!(at(&server).identify().await.expect("no error").name(), None, "{nobody:?}");
    }
}

#[tokio::test]
async fn what_a_robot_says_is_cut_and_obeyed_by_no_terminal() {
    let long = format!("\u{1b}[2J\r\n{}", "x".repeat(100_000));
    let deck = json!({"identity": long, "sequence": 5, "last_key": long, "data": {}});
    let server = saying(health(Some(&long)), Some(deck), None).await;
    let identity = at(&server).identify().await.expect("an identity");
    let deck = identity.virtual_deck.expect("a virtual deck");
    for text in [identity.serial.expect("a serial"), deck.identity, deck.last_key.expect("a key")] {
        assert!(text.chars().count() <= 80 && text.starts_with("[2Jx") && !text.contains(char::is_control), "{text}");
    }
    for nobody in [json!({"identity": "\n", "sequence": 1, "last_key": null}), json!({"data": {}}), json!([])] {
        let server = saying(health(None), Some(nobody), None).await;
        assert!(matches!(at(&server).identify().await, Err(RobotError::BadAnswer { .. })));
    }
}

#[tokio::test]
async fn a_robot_that_doesnt_answer_isnt_nobody() {
    let server = Scripted::start(|_| Some(Reaction::Silence)).await;
    let silent = Ot2::new(&server.url(), Patience::default().scaled(0.01)).expect("an address");
    assert!(matches!(silent.identify().await, Err(RobotError::TimedOut { .. })));
    let server = Scripted::start(|request| match request.path.as_str() {
        "/health" => Some(Reaction::Answer(200, health(Some("OT2CEP20190604A02")))),
        _ => Some(Reaction::Answer(503, json!({}))),
    })
    .await;
    assert_eq!(at(&server).identify().await, Err(RobotError::Booting));
    let server = Scripted::start(|request| match request.path.as_str() {
        "/health" => Some(Reaction::Answer(200, health(None))),
        _ => Some(Reaction::Raw(vec![b'x'; 100])),
    })
    .await;
    assert!(at(&server).identify().await.is_err());
}

#[tokio::test]
async fn runs_that_nobody_knows_are_told_with_what_they_did() {
    let (_emulator, robot) = virtual_lab(None).await;
    let known = robot.open_run(&Deck::default()).await.expect("a run");
    perform(&known, Step::Home).await;
    let foreign = robot.open_run(&Deck::default()).await.expect("a run");
    let picked = perform(&foreign, red_tip()).await;
    let back = perform(&foreign, Step::ReturnTip { mount: RIGHT, tip: "B1".parse().expect("a place") }).await;
    let idle = robot.open_run(&Deck::default()).await.expect("a run");

    let runs = robot.history(20).await.expect("runs");
    assert_eq!(runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), [idle.id(), foreign.id(), known.id()]);
    assert_eq!(runs.iter().map(|run| run.current).collect::<Vec<_>>(), [true, false, false]);
    assert!(runs.iter().all(|run| run.ok && run.created_at.starts_with("20")));
    assert_eq!(robot.history(1).await.expect("runs").len(), 1);

    let unknown = robot.runs_since(|id| id == known.id()).await.expect("traces");
    assert_eq!(unknown.len(), 3, "the known run is the last of them");
    assert_eq!(unknown[2].run.id, known.id());
    let deeds = |trace: &hardware::RunTrace| {
        trace.commands.iter().filter(|command| command.changes_deck).map(|c| c.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(deeds(&unknown[0]), Vec::<String>::new(), "loading changes nothing: {:?}", unknown[0]);
    assert_eq!(deeds(&unknown[1]), [picked.id.to_string(), back.id.to_string()]);
    assert!(unknown[1].commands.iter().any(|command| command.command_type == "pickUpTip"));
    let newest = robot.runs_since(|id| id == idle.id()).await.expect("traces");
    assert_eq!(newest.iter().map(|trace| trace.run.id.as_str()).collect::<Vec<_>>(), [idle.id()]);
}

#[tokio::test]
async fn a_run_whose_history_is_lost_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let (emulator, robot) = virtual_lab(Some(directory.path())).await;
    let run = robot.open_run(&Deck::default()).await.expect("a run");
    perform(&run, red_tip()).await;
    emulator.shutdown().await;
    let (_emulator, robot) = virtual_lab(Some(directory.path())).await;
    let traces = robot.runs_since(|_| false).await.expect("traces");
    assert_eq!(traces.iter().map(|trace| (trace.run.ok, trace.commands.len())).collect::<Vec<_>>(), [(false, 0)]);
    let gone = RunEntry { id: "no-such-run".to_owned(), created_at: String::new(), current: false, ok: true };
    assert!(!robot.trace(&gone).await.expect("no error").run.ok);
}

#[tokio::test]
async fn an_endless_history_has_an_end() {
    let command = |index: usize| {
        let status = if index == 0 { "failed" } else { "succeeded" };
        json!({"id": format!("c{index}"), "key": format!("k{index}"), "commandType": "somethingNew", "status": status})
    };
    let page: Vec<_> = (0..100).map(command).collect();
    let server = Scripted::start(move |request: &Request| {
        if request.is_list() {
            let body = json!({"data": page, "meta": {"cursor": 0, "totalLength": 1_000_000}});
            return Some(Reaction::Answer(200, body));
        }
        let run = |index: usize| json!({"id": format!("run-{index}"), "createdAt": "now", "current": false});
        let runs: Vec<_> = (0..500).map(run).chain([json!({"id": "../../robot/home"})]).collect();
        request.path.starts_with("/runs?").then(|| Reaction::Answer(200, json!({"data": runs})))
    })
    .await;
    let runs = at(&server).history(usize::MAX).await.expect("runs");
    assert_eq!((runs.len(), runs[0].id.as_str()), (20, "run-499"));
    let trace = at(&server).trace(&runs[0]).await.expect("a trace");
    assert_eq!((trace.complete, trace.commands.len()), (false, 10_000));
    let changes: Vec<_> = trace.commands.iter().take(2).map(|command| command.changes_deck).collect();
    assert_eq!(changes, [false, true], "one that failed before its turn did nothing; what nobody knows may have");

    let server = Scripted::start(|request| request.is_list().then(|| list(&[]))).await;
    assert!(at(&server).trace(&runs[0]).await.expect("a trace").complete);
    let server = Scripted::start(|request| request.is_list().then(|| refusal(500, "Broken"))).await;
    assert!(at(&server).trace(&runs[0]).await.is_err());
}
