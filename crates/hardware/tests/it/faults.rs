//! A robot that can't be reached, breaks off, babbles, boots, restarts or belongs to somebody else: each must end in what is
//! certain, and nothing may be sent twice.

use crate::scripted::{Reaction, Request, Scripted, command, list, refusal, run};
use domain::{Deck, FaultCode, Mount, Operation, OperationId, Step};
use hardware::{Lookup, Memory, Ot2, Patience, PerformError, RobotError, Run};
use serde_json::{Value, json};
use std::time::Duration;

fn hasty() -> Patience {
    Patience {
        connect: Duration::from_millis(500),
        answer: Duration::from_millis(300),
        command: Duration::from_millis(900),
        takeover: Duration::from_millis(700),
        boot: Duration::from_millis(700),
        pause: Duration::from_millis(20),
        reading: Duration::from_millis(500),
    }
}

fn robot(server: &Scripted) -> Ot2 {
    Ot2::new(&server.url(), Patience::default()).expect("an address")
}

fn hasty_robot(server: &Scripted) -> Ot2 {
    Ot2::new(&server.url(), hasty()).expect("an address")
}

async fn open(server: &Scripted) -> Run {
    robot(server).open_run(&Deck::default()).await.expect("a run")
}

/// A run whose driver soon loses patience, for tests of just that.
async fn open_hastily(server: &Scripted) -> Run {
    hasty_robot(server).open_run(&Deck::default()).await.expect("a run")
}

fn home() -> Operation {
    Operation::new(Step::Home)
}

/// A server whose reaction to the first `home` and to questions about it are these.
async fn homing(first: impl Fn(&Request) -> Reaction + Send + 'static, listed: Option<&'static str>) -> Scripted {
    let mut sent = None;
    Scripted::start(move |request| {
        if request.is_command("home") {
            sent = Some(request.clone());
            return Some(first(request));
        }
        let (true, Some(status), Some(sent)) = (request.is_list(), listed, sent.as_ref()) else { return None };
        Some(list(&[command(sent, status)]))
    })
    .await
}

#[tokio::test]
async fn every_request_names_the_api_version_and_every_command_its_key() {
    let server = homing(|request| Reaction::Answer(201, json!({"data": command(request, "succeeded")})), None).await;
    let operation = home();
    open(&server).await.perform(&operation, Memory::Knows).await.expect("success");
    let asked = server.asked();
    assert!(asked.iter().all(|request| request.version.as_deref() == Some("*")));
    let sent = asked.iter().find(|request| request.is_command("home")).expect("sent");
    assert_eq!(sent.body["data"]["key"], operation.id.to_string());
    assert_eq!(sent.body["data"]["intent"], "setup");
    assert!(sent.path.contains("waitUntilComplete=true&timeout="), "{}", sent.path);
}

#[tokio::test]
async fn a_refused_connection_means_not_sent() {
    let server = Scripted::start(|_| None).await;
    let run = open(&server).await;
    server.stop().await;
    let error = run.perform(&home(), Memory::Knows).await.expect_err("nobody there");
    assert!(matches!(error, PerformError::NotSent(RobotError::Unreachable { .. })), "{error:?}");
    assert_eq!(error.code(), FaultCode::RobotUnreachable);
}

#[tokio::test]
async fn a_lost_answer_is_found_again_by_the_key() {
    let half = b"HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n{\"data\":{\"id\":".to_vec();
    let garbage = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello".to_vec();
    for lost in [Reaction::Drop, Reaction::Raw(half), Reaction::Raw(garbage), Reaction::Answer(502, json!({}))] {
        let reaction = lost.clone();
        let server = homing(move |_| reaction.clone(), Some("succeeded")).await;
        open(&server).await.perform(&home(), Memory::Knows).await.unwrap_or_else(|error| panic!("{lost:?}: {error}"));
        assert_eq!(server.commands("home"), 1, "{lost:?}");

        let reaction = lost.clone();
        let server = homing(move |_| reaction.clone(), Some("failed")).await;
        let error = open(&server).await.perform(&home(), Memory::Knows).await.expect_err("it failed");
        assert!(matches!(error, PerformError::Failed(_)), "{lost:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_is_waited_for_while_it_runs() {
    let (mut sent, mut asked) = (None, 0);
    let server = Scripted::start(move |request| {
        if request.is_command("home") {
            sent = Some(request.clone());
            return Some(Reaction::Drop);
        }
        let sent = sent.as_ref().filter(|_| request.is_list())?;
        asked += 1;
        Some(list(&[command(sent, if asked < 3 { "running" } else { "succeeded" })]))
    })
    .await;
    open(&server).await.perform(&home(), Memory::Knows).await.expect("success");
    assert_eq!(server.commands("home"), 1);
}

#[tokio::test]
async fn what_the_robot_does_not_list_is_unknown_and_never_sent_again() {
    for lost in [Reaction::Drop, Reaction::Answer(500, json!({}))] {
        let reaction = lost.clone();
        let server = homing(move |_| reaction.clone(), None).await;
        let run = open(&server).await;
        let error = run.perform(&home(), Memory::Knows).await.expect_err("lost");
        assert!(matches!(error, PerformError::Unknown(_)), "{lost:?}: {error:?}");
        assert_eq!(error.code(), FaultCode::CommandInDoubt);
        let next = run.perform(&home(), Memory::Knows).await.expect_err("the run is in doubt");
        assert!(matches!(next, PerformError::Refused(RobotError::Unsafe { .. })), "{next:?}");
        assert_eq!(server.commands("home"), 1, "{lost:?}");
    }
}

#[tokio::test]
async fn a_silent_robot_is_waited_for_and_then_in_doubt() {
    let server = Scripted::start(|request| request.is_command("home").then_some(Reaction::Silence)).await;
    let error = open_hastily(&server).await.perform(&home(), Memory::Knows).await.expect_err("silence");
    assert!(matches!(error, PerformError::Unknown(RobotError::TimedOut { .. })), "{error:?}");
}

#[tokio::test]
async fn a_step_whose_caller_went_away_keeps_the_run_closed() {
    let server = Scripted::start(|request| request.is_command("home").then_some(Reaction::Silence)).await;
    let run = open(&server).await;
    let (caller, operation) = (run.clone(), home());
    let first = tokio::spawn(async move { caller.perform(&operation, Memory::Knows).await });
    while server.commands("home") == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.expect_err("gone").is_cancelled());
    let next = run.perform(&home(), Memory::Knows).await.expect_err("the first is in flight");
    assert!(matches!(next, PerformError::Refused(RobotError::Unsafe { .. })), "{next:?}");
    assert_eq!(server.commands("home"), 1);
}

#[tokio::test]
async fn a_slow_command_is_polled_to_its_end_over_failing_polls() {
    let mut polls = 0;
    let server = Scripted::start(move |request| {
        if request.is_command("home") {
            return Some(Reaction::Answer(201, json!({"data": command(request, "running")})));
        }
        request.is("GET", "/runs/run-1/commands/command-1").then(|| {
            polls += 1;
            match polls {
                1 => Reaction::Drop,
                2 => Reaction::Answer(200, json!({"data": {"id": "command-1", "status": "running"}})),
                _ => Reaction::Answer(
                    200,
                    json!({"data": {"id": "command-1", "status": "succeeded", "result": {"done": 1}}}),
                ),
            }
        })
    })
    .await;
    let result = open(&server).await.perform(&home(), Memory::Knows).await.expect("success");
    assert_eq!(result, json!({"done": 1}));
    assert_eq!(server.commands("home"), 1);
}

#[tokio::test]
async fn a_command_that_never_ends_is_in_doubt() {
    let server = Scripted::start(|request| {
        let running = || Reaction::Answer(201, json!({"data": command(request, "running")}));
        (request.is_command("home") || request.path.ends_with("/command-1")).then(running)
    })
    .await;
    let error = open_hastily(&server).await.perform(&home(), Memory::Knows).await.expect_err("for ever");
    assert!(matches!(error, PerformError::Unknown(RobotError::TimedOut { .. })), "{error:?}");
}

#[tokio::test]
async fn a_restart_under_a_command_is_history_lost_not_absence() {
    let server = Scripted::start(|request| {
        if request.is_command("home") {
            return Some(Reaction::Drop);
        }
        let lost = json!({"data": {"id": "run-1", "ok": false, "current": false, "status": "stopped"}});
        request.is("GET", "/runs/run-1").then_some(Reaction::Answer(200, lost))
    })
    .await;
    let operation = home();
    let error = open(&server).await.perform(&operation, Memory::Knows).await.expect_err("forgotten");
    assert!(matches!(error, PerformError::Unknown(RobotError::HistoryLost { .. })), "{error:?}");
    assert_eq!(robot(&server).lookup("run-1", operation.id).await, Ok(Lookup::HistoryLost));
}

#[tokio::test]
async fn refusals_are_told_from_answers_that_prove_nothing() {
    for (reaction, expected) in [
        (refusal(422, "InvalidRequest"), "refused"),
        (refusal(409, "SetupCommandNotAllowed"), "refused"),
        (refusal(409, "RunStopped"), "lost control"),
        (refusal(404, "RunNotFound"), "lost control"),
        (Reaction::Answer(404, json!("a proxy's page")), "unknown"),
        (Reaction::Raw(b"HTTP/1.1 307 X\r\nlocation: /runs\r\ncontent-length: 0\r\n\r\n".to_vec()), "unknown"),
        (refusal(503, "NotReady"), "unknown"),
    ] {
        let (case, reaction) = (format!("{reaction:?}"), reaction);
        let server = homing(move |_| reaction.clone(), None).await;
        let error = open(&server).await.perform(&home(), Memory::Knows).await.expect_err(&case);
        let outcome = match error {
            PerformError::Refused(_) => "refused",
            PerformError::LostControl(_) => "lost control",
            PerformError::Unknown(_) => "unknown",
            PerformError::NotSent(_) | PerformError::Failed(_) => "something else",
        };
        assert_eq!(outcome, expected, "{case}");
        assert_eq!(server.commands("home"), 1, "{case}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n{\"name\":\"robot\",\"api_version\":\"8.1.0\"}".to_vec();
    endless.resize(6 << 20, b' ');
    let server = Scripted::start(move |_| Some(Reaction::Raw(endless.clone()))).await;
    let error = robot(&server).health().await.expect_err("too much");
    assert!(matches!(error, RobotError::BadAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_booting_robot_is_waited_for_within_patience() {
    let mut asked = 0;
    let server = Scripted::start(move |request| {
        asked += 1;
        (request.is("POST", "/runs") && asked <= 2).then(|| refusal(503, "NotReady"))
    })
    .await;
    open(&server).await;

    let server = Scripted::start(|_| Some(refusal(503, "NotReady"))).await;
    assert_eq!(robot(&server).health().await, Err(RobotError::Booting));
    let error = hasty_robot(&server).open_run(&Deck::default()).await.expect_err("never ready");
    assert_eq!(error.code(), FaultCode::RobotBooting);
}

/// A robot whose current run is in this state, refusing new runs `times` times.
async fn occupied(status: &'static str, times: usize) -> Scripted {
    let mut refused = 0;
    Scripted::start(move |request| {
        if request.is("GET", "/runs") {
            return Some(Reaction::Answer(200, json!({"data": [{"id": "other", "current": true, "status": status}]})));
        }
        let busy = request.is("POST", "/runs") && refused < times;
        busy.then(|| {
            refused += 1;
            refusal(409, "RunAlreadyActive")
        })
    })
    .await
}

#[tokio::test]
async fn the_rest_of_a_command_is_waited_for_but_not_somebodys_protocol() {
    open(&occupied("idle", 2).await).await;
    let server = occupied("running", 1).await;
    let error = robot(&server).open_run(&Deck::default()).await.expect_err("somebody's protocol");
    assert_eq!(error.code(), FaultCode::RobotBusy);
    assert_eq!(server.asked().iter().filter(|request| request.is("POST", "/runs")).count(), 1);
    let error =
        hasty_robot(&occupied("idle", usize::MAX).await).open_run(&Deck::default()).await.expect_err("never ends");
    assert_eq!(error.code(), FaultCode::RobotBusy);
}

#[tokio::test]
async fn a_deck_that_is_not_there_is_said_so() {
    let server = Scripted::start(|request| {
        let mut failed = command(request, "failed");
        failed["error"] =
            json!({"errorType": "InvalidSpecificationForRobotTypeError", "errorCode": "4000", "detail": "no p300"});
        request.is_command("loadPipette").then(|| Reaction::Answer(201, json!({"data": failed})))
    })
    .await;
    let error = robot(&server).open_run(&Deck::default()).await.expect_err("no pipette");
    assert_eq!(error.code(), FaultCode::DeckMismatch);
    assert!(error.to_string().contains("no p300"), "{error}");
}

#[tokio::test]
async fn what_hangs_unknown_on_the_nozzle_is_only_carried_away() {
    let server = Scripted::start(|_| None).await;
    let run = open(&server).await;
    let (mount, a1) = (Mount::Right, "A1".parse().expect("well"));
    for step in [
        Step::BlowOut { mount },
        Step::MoveSensor { mount, over: a1 },
        Step::ReturnTip { mount, tip: a1 },
        Step::ParkSensor { mount },
    ] {
        let error = run.perform(&Operation::new(step), Memory::Forgot).await.expect_err("unsafe");
        assert!(matches!(error, PerformError::Refused(RobotError::Unsafe { .. })), "{error:?}");
    }
    for step in [Step::MoveToTrash { mount }, Step::MoveSensorToDock { mount }] {
        run.perform(&Operation::new(step), Memory::Forgot).await.expect("carried away");
    }
    let sent: Vec<Value> = server.asked().into_iter().map(|request| request.body["data"].clone()).collect();
    let params = |name: &str| {
        sent.iter().find(|data| data["commandType"] == name).map(|data| data["params"].clone()).expect(name)
    };
    assert_eq!(params("moveToAddressableAreaForDropTip")["minimumZHeight"], 185.0);
    assert_eq!(params("moveToWell")["minimumZHeight"], 185.0);
    let height = params("moveToWell")["wellLocation"]["offset"]["z"].as_f64().expect("a height");
    assert!((height + 4.2).abs() < 1e-9, "{height}");
}

#[tokio::test]
async fn reading_the_sensor_is_no_robot_command() {
    let server = Scripted::start(|_| None).await;
    let step = Step::Read { over: "A1".parse().expect("well"), well: None };
    let error = open(&server).await.perform(&Operation::new(step), Memory::Knows).await.expect_err("not the robot's");
    assert!(matches!(error, PerformError::Refused(RobotError::Unsafe { .. })), "{error:?}");
}

#[tokio::test]
async fn a_key_is_found_on_a_later_page() {
    let key = OperationId::new();
    let server = Scripted::start(move |request| {
        let page = |key: String, count: usize, cursor: usize| {
            let commands = vec![json!({"id": "command-1", "key": key, "status": "failed"}); count];
            Reaction::Answer(200, json!({"data": commands, "meta": {"cursor": cursor, "totalLength": 101}}))
        };
        request.is_list().then(|| {
            if request.path.contains("cursor=0&") {
                page("other".into(), 100, 0)
            } else {
                page(key.to_string(), 1, 100)
            }
        })
    })
    .await;
    assert!(matches!(robot(&server).lookup("run-1", key).await, Ok(Lookup::Failed(_))));
}

#[tokio::test]
async fn a_run_that_ended_decides_what_its_unfinished_commands_became() {
    let key = OperationId::new();
    for (status, current, expected) in [
        ("queued", true, "running"),
        ("running", true, "running"),
        ("queued", false, "failed, not started"),
        ("running", false, "history lost"),
    ] {
        let server = Scripted::start(move |request| {
            let found = json!({"id": "command-1", "key": key, "status": status});
            if request.is_list() {
                return Some(list(&[found]));
            }
            request.is("GET", "/runs/run-1").then(|| Reaction::Answer(200, json!({"data": run(current)})))
        })
        .await;
        let outcome = match robot(&server).lookup("run-1", key).await.expect("an answer") {
            Lookup::Running => "running",
            Lookup::Failed(failure) if !failure.started => "failed, not started",
            Lookup::HistoryLost => "history lost",
            Lookup::Absent | Lookup::Succeeded(_) | Lookup::Failed(_) => "something else",
        };
        assert_eq!(outcome, expected, "{status}, current: {current}");
    }
}

#[tokio::test]
async fn a_run_the_robot_never_had_has_no_history() {
    let server = Scripted::start(|request| request.is_list().then(|| refusal(404, "RunNotFound"))).await;
    for run in ["gone", "../health", ""] {
        assert_eq!(robot(&server).lookup(run, OperationId::new()).await, Ok(Lookup::HistoryLost), "{run}");
    }
}
