//! Running the lab: robots held and attended, priorities, retries, the journal and the log that people read.

use crate::lab::{Answer, Person, TestLab, measurement, ochre};
use domain::{
    Attendance, Change, Deck, Ending, ExperimentEvent, ExperimentId, ExperimentStatus, Fault, FaultCode, JournalEvent,
    Mount, Operation, RobotKind, Role, Step, Tool, Volume, WellStatus,
};
use reqwest::Method;
use serde_json::{Value, json};
use store::{Ended, Entry, Intended, NewRobot, Purpose};

fn fault(code: FaultCode) -> Fault {
    Fault {
        code,
        what: "The vial of red is empty.".to_owned(),
        cause: "It was used up.".to_owned(),
        done: "The robot waits.".to_owned(),
        next: "Refill it.".to_owned(),
    }
}

async fn tell(person: &Person<'_>, path: &str) -> Answer {
    Answer::of(person.request(Method::POST, path)).await
}

async fn act(person: &Person<'_>, robot: &str, act: Value) -> Answer {
    person.post(&format!("/robots/{robot}/deck"), &act).await
}

#[tokio::test]
async fn only_those_who_run_the_lab_steer_it() {
    let lab = TestLab::new().await;
    let bob = lab.person("bob", Role::Researcher, 10).await;
    for path in ["/robots/one/pause", "/robots/one/stop", "/lab/pause", "/lab/resume", "/lab/drain", "/lab/stop"] {
        tell(&bob, path).await.problem(403, "not-allowed");
    }
    act(&bob, "one", json!({ "act": "new_plate" })).await.problem(403, "not-allowed");
    bob.get("/activity").await.problem(403, "not-allowed");
    let robot = bob.get("/robots/one").await.json();
    assert_eq!((robot["mode"].as_str(), robot["nozzle"].as_str()), (Some("active"), Some("nothing")));
}

#[tokio::test]
async fn a_robot_is_told_by_name_or_id_and_the_log_says_by_whom() {
    let lab = TestLab::new().await;
    let olga = lab.person("olga", Role::Operator, 10).await;
    let admin = lab.person("root", Role::Admin, 10).await;
    let by_id = format!("/robots/{}", lab.robot);
    for (path, mode) in
        [("/robots/one/pause", "paused"), ("/robots/one/resume", "active"), ("/robots/one/drain", "draining")]
    {
        let answer = tell(&olga, path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(olga.get(&by_id).await.json()["mode"], mode);
    }
    let stopped = tell(&olga, &format!("{by_id}/stop")).await.json();
    assert_eq!((stopped["mode"].as_str(), stopped["stands_still"].as_bool()), (Some("stopped"), Some(true)));
    assert_eq!(stopped["attention"]["help"], "/docs/faults/emergency-stop");
    assert_eq!((stopped["status"].as_str(), stopped["mode_by"].as_str()), (Some("stopped"), Some("olga@example.org")));
    let still = tell(&olga, "/robots/one/pause").await.json();
    assert_eq!(still["mode"], "stopped", "a pause would put things down");
    tell(&olga, "/robots/one/drain").await.problem(409, "illegal-transition");
    let resumed = tell(&olga, "/robots/one/resume").await.json();
    assert_eq!((resumed["mode"].as_str(), resumed.get("attention")), (Some("active"), None));
    tell(&olga, "/robots/two/pause").await.problem(404, "not-found");
    assert_eq!(tell(&olga, "/lab/pause").await.json()["data"][0]["status"], "paused");

    let log = admin.get("/activity?user=olga@example.org&limit=2").await.json();
    assert_eq!(
        (log["data"][0]["action"].as_str(), log["data"][1]["action"].as_str()),
        (Some("robot_paused"), Some("robot_resumed"))
    );
    assert_eq!(log["data"][0]["user_id"], olga.id.to_string());
    let cursor = log["next_cursor"].as_str().expect("a next page");
    let next = admin.get(&format!("/activity?user={}&limit=2&cursor={cursor}", olga.id)).await.json();
    assert_eq!(next["data"][0]["action"], "robot_paused");
    assert_eq!(next["data"][1]["action"], "robot_stopped");
    admin.get("/activity?user=nobody@example.org").await.problem(422, "invalid-request");
    olga.get("/activity").await.problem(403, "not-allowed");
}

#[tokio::test]
async fn hands_go_to_a_deck_that_stands_still() {
    let lab = TestLab::new().await;
    let olga = lab.person("olga", Role::Operator, 10).await;
    let real = NewRobot {
        name: "real".into(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:1".into(),
        sensor_url: "tcp://127.0.0.1:1".into(),
        attendance: Attendance::Operator,
        deck: Deck::default(),
    };
    let real = lab.database.store.ensure_robot(real).await.expect("a robot");
    let refill = json!({ "act": "refill", "vial": real.deck.dyes[0].vial, "volume": 9000, "batch": "R-7" });
    let problem = act(&olga, "real", refill.clone()).await.problem(409, "illegal-transition");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("pause it first")), "{problem}");

    tell(&olga, "/lab/pause").await;
    let vial = &act(&olga, "real", refill).await.json()["inventory"]["vials"][0];
    assert_eq!((vial["volume_ul"].as_f64(), vial["batch"].as_str()), (Some(9000.0), Some("R-7")));
    assert_eq!(act(&olga, "real", json!({ "act": "sensor_cleaned" })).await.status, 200);
    act(&olga, "real", json!({ "act": "refill", "vial": "H12" })).await.problem(422, "invalid-request");
    act(&olga, "real", json!({ "act": "new_tips", "slot": 5 })).await.problem(422, "invalid-request");
    act(&olga, "real", json!({ "act": "dance" })).await.problem(422, "invalid-request");
    // Nobody answers at this virtual robot's address: it isn't written down as done.
    act(&olga, "one", json!({ "act": "new_plate" })).await.problem(502, "robot-unreachable");

    let held = Tool::Nothing.after(
        &Step::PickUpTip { mount: Mount::Right, tip: "B1".parse().expect("a tip"), dye: "red".parse().expect("a dye") },
        Ending::Unsure,
    );
    let lease = lab.lane().await;
    lab.commit(&lease, vec![Change::Tool(held.clone())]).await;
    assert_eq!(olga.get("/robots/one").await.json()["nozzle"], "perhaps the red tip of B1, empty");
    act(&olga, "one", json!({ "act": "sensor_charged" })).await.problem(409, "illegal-transition");
    let clear = json!({ "act": "nozzle_cleared" });
    act(&olga, "one", clear.clone()).await.problem(409, "illegal-transition");
    tell(&olga, "/robots/one/stop").await;
    // It is a virtual robot's, which nobody can reach here, but what somebody saw needs no robot.
    act(&olga, "one", clear).await.problem(502, "robot-unreachable");
    let holds = |what: &str| json!({ "act": "nozzle_holds", "holds": what });
    act(&olga, "one", holds("sensor")).await.problem(409, "illegal-transition");
    assert_eq!(act(&olga, "one", holds("empty_tip")).await.json()["nozzle"], "the red tip of B1, empty");
    let lease = lab.lane_of(real.id).await;
    lab.commit(&lease, vec![Change::Tool(held)]).await;
    tell(&olga, "/robots/real/stop").await;
    assert_eq!(act(&olga, "real", json!({ "act": "nozzle_cleared" })).await.json()["nozzle"], "nothing");
}

#[tokio::test]
async fn a_robot_says_what_it_has_in_hand_and_when_it_runs_out() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 96).await;
    let bob = lab.person("bob", Role::Student, 96).await;
    let olga = lab.person("olga", Role::Operator, 96).await;
    let running = ada.experiment(1).await;
    lab.start(&lab.lane().await, running).await;
    let waiting = bob.experiment(96).await;
    for (person, in_hand, next) in
        [(&ada, json!(running), Value::Null), (&bob, Value::Null, Value::Null), (&olga, json!(running), json!(waiting))]
    {
        let robot = person.get("/robots/one").await.json();
        assert_eq!(robot["experiment_id"], in_hand);
        let plate = robot["supplies"].as_array().and_then(|all| all.iter().find(|supply| supply["name"] == "plate"));
        let plate = plate.expect("the plate");
        assert_eq!((plate["left"].as_f64(), plate["needed"].as_f64()), (Some(95.0), Some(96.0)));
        assert_eq!((&plate["runs_out"]["queue_position"], &plate["runs_out"]["experiment_id"]), (&json!(1), &next));
    }
}

#[tokio::test]
async fn a_priority_is_the_operators_to_give() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let olga = lab.person("olga", Role::Operator, 10).await;
    let with = |priority: i64| {
        let mut body = ochre(1);
        body["priority"] = json!(priority);
        body
    };
    let problem = ada.post("/experiments", &with(1)).await.problem(403, "not-allowed");
    assert_eq!(problem["errors"][0]["pointer"], "/priority");
    assert_eq!(ada.post("/experiments", &with(0)).await.status, 201);
    for wrong in [11, -11, 70_000] {
        olga.post("/experiments", &with(wrong)).await.problem(422, "invalid-request");
    }
    let urgent = olga.post("/experiments", &with(10)).await.json();
    assert_eq!((&urgent["priority"], &urgent["progress"]["queue_position"]), (&json!(10), &json!(1)));
    assert_eq!((ada.quota().await, olga.quota().await), (9, 9), "a refusal costs nothing");

    let send = |priority| {
        let request = olga.request(Method::POST, "/experiments").header("idempotency-key", "k");
        Answer::of(request.json(&with(priority)))
    };
    assert_eq!(send(1).await.status, 201);
    send(2).await.problem(409, "idempotency-conflict");
}

/// Two wells, one measured, the other given up with the experiment.
async fn half_done(lab: &TestLab, id: ExperimentId) {
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    for to in [WellStatus::Dispensing, WellStatus::Mixed] {
        lab.commit(&lease, vec![Change::Well { id: wells[0], to, fault: None }]).await;
    }
    let result = Change::Result { id: domain::ResultId::new(), well: wells[0], measurement_data: json!({}) };
    let failed =
        Change::Experiment { id, to: ExperimentStatus::Failed, fault: Some(fault(FaultCode::TooManyFailures)) };
    lab.commit(&lease, vec![result, failed]).await;
}

#[tokio::test]
async fn what_failed_is_tried_again_for_what_wasnt_measured() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let bob = lab.person("bob", Role::Student, 10).await;
    let olga = lab.person("olga", Role::Operator, 10).await;
    let body = json!({ "name": "pair", "wells": [{ "volumes": { "red": 60 } }, { "volumes": { "blue": 45.5 } }] });
    let id: ExperimentId =
        ada.post("/experiments", &body).await.json()["id"].as_str().expect("an id").parse().expect("a UUID");
    let path = format!("/experiments/{id}/retry");
    tell(&ada, &path).await.problem(409, "illegal-transition");
    half_done(&lab, id).await;
    let failed = ada.get(&format!("/experiments/{id}")).await.json();
    assert_eq!(failed["fault"]["help"], "/docs/faults/too-many-failures");
    assert_eq!(ada.get("/experiments").await.json()["data"][0]["fault"]["code"], "too-many-failures");
    assert_eq!(ada.quota().await, 9);

    tell(&bob, &path).await.problem(404, "not-found");
    let again = || Answer::of(olga.request(Method::POST, &path).header("idempotency-key", "again"));
    let (first, second) = (again().await, again().await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201), "{}", first.text);
    assert_eq!((second.header("idempotency-replayed"), &first.json()["id"]), ("true", &second.json()["id"]));
    let made = first.json();
    assert_eq!((&made["retry_of"], &made["name"], &made["user_id"]), (&json!(id), &json!("pair"), &json!(ada.id)));
    assert_eq!(made["wells"].as_array().map(Vec::len), Some(1), "the measured one isn't made again");
    assert_eq!(made["wells"][0]["volumes"], json!({ "blue": 45.5 }));
    assert_eq!((ada.quota().await, olga.quota().await), (8, 10), "its owner pays, once");

    let retry = made["id"].as_str().expect("an id");
    assert_eq!(ada.post(&format!("/experiments/{retry}/pause"), &json!({})).await.status, 200);
    let resumed = tell(&ada, &format!("/experiments/{retry}/retry")).await;
    assert_eq!((resumed.status.as_u16(), &resumed.json()["status"]), (200, &json!("queued")));
    assert_eq!(ada.quota().await, 8, "going on costs nothing");
}

#[tokio::test]
async fn nothing_is_left_of_what_was_cancelled_after_its_last_measurement() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let id = ada.experiment(1).await;
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    for to in [WellStatus::Dispensing, WellStatus::Mixed] {
        lab.commit(&lease, vec![Change::Well { id: wells[0], to, fault: None }]).await;
    }
    let result = Change::Result { id: domain::ResultId::new(), well: wells[0], measurement_data: json!({}) };
    let cancelled = Change::Experiment { id, to: ExperimentStatus::Cancelled, fault: None };
    lab.commit(&lease, vec![result, cancelled]).await;
    let problem = tell(&ada, &format!("/experiments/{id}/retry")).await.problem(409, "illegal-transition");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("nothing left")), "{problem}");
    assert_eq!(ada.quota().await, 9);
}

#[tokio::test]
async fn doubtful_wells_are_said_to_be_so_everywhere_and_made_again_free_once() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 2).await;
    let id = ada.experiment(2).await;
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    let mut doubtful = measurement();
    doubtful["doubt"] = json!({ "delta_e": 12.34, "limit": 3.0, "why": "far_from_prediction" });
    doubtful["delta_e"] = json!(12.34);
    lab.finish_with(&lease, id, &wells, &doubtful).await;

    let path = format!("/experiments/{id}");
    let read = ada.get(&path).await.json();
    let doubts = &read["doubts"];
    assert_eq!(
        (&doubts["wells"], &doubts["measured"], &doubts["free_retry"]),
        (&json!(["A1", "B1"]), &json!(2), &json!(2))
    );
    assert!(
        doubts["sentence"].as_str().is_some_and(|said| said.starts_with("2 of 2 measured wells are doubtful: A1–B1.")),
        "{doubts}"
    );
    assert_eq!(read["wells"][0]["result"]["doubt"]["limit"], 3.0);
    assert_eq!(ada.get("/experiments").await.json()["data"][0]["doubtful"], 2);
    let csv = ada.get(&format!("{path}/results.csv")).await.text;
    let line = csv.lines().nth(1).expect("a line");
    assert!(line.contains(",12.34,yes,") && line.contains("It is ΔE00 12.3 from its prediction"), "{line}");
    let stream = ada.get(&format!("{path}/events")).await.text;
    assert!(stream.contains(r#""why":"far_from_prediction""#), "{stream}");

    let made = tell(&ada, &format!("{path}/retry")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.json()["quota_remaining"], &made.json()["retry_of"]), (&json!(0), &json!(id)));
    assert_eq!(ada.quota().await, 0, "with nothing left of the quota");
    let left = &ada.get(&path).await.json()["doubts"]["free_retry"];
    assert_eq!(left, &json!(0));
    tell(&ada, &format!("{path}/retry")).await.problem(409, "illegal-transition");
    assert_eq!(ada.quota().await, 0);
}

#[tokio::test]
async fn what_waits_says_what_its_robot_waits_for() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let id = ada.experiment(1).await;
    assert!(ada.get(&format!("/experiments/{id}")).await.json().get("fault").is_none());
    let question = Change::Ask(fault(FaultCode::DyeShort));
    lab.commit(&lab.lane().await, vec![question]).await;
    let shown = ada.get(&format!("/experiments/{id}")).await.json();
    let expected = |next: &str| {
        json!({ "code": "dye-short", "what": "The vial of red is empty.", "cause": "It was used up.",
            "done": "The robot waits.", "next": next, "help": "/docs/faults/dye-short" })
    };
    let nothing = "Nothing for you to do: those who run the lab see it on their pages.";
    assert_eq!(shown["fault"], expected(nothing), "a student refills nothing");
    let (progress, waiting) = (&shown["progress"], &shown["progress"]["waiting"]);
    assert_eq!((&waiting["for"], &waiting["robots"][0]["why"]), (&json!("operator"), &json!("asks")));
    assert!(waiting["since"].is_string() && progress["seconds_to_start"].is_null(), "nothing is foretold: {progress}");
    assert_eq!(ada.get("/experiments").await.json()["data"][0]["waiting"]["for"], "operator");
    let olga = lab.person("olga", Role::Operator, 10).await;
    let shown = olga.get(&format!("/experiments/{id}")).await.json();
    assert_eq!(shown["fault"], expected("Refill it."));
    assert_eq!(tell(&olga, "/robots/one/stop").await.status, 200);
    let told = |shown: &Value| shown["progress"]["waiting"]["sentence"].as_str().unwrap_or_default().to_owned();
    assert!(told(&olga.get(&format!("/experiments/{id}")).await.json()).contains("olga@example.org"));
    assert!(
        !told(&ada.get(&format!("/experiments/{id}")).await.json()).contains("olga"),
        "names are for the lab's own"
    );
}

#[tokio::test]
async fn the_journal_is_its_owners_to_read() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let bob = lab.person("bob", Role::Student, 10).await;
    let id = ada.experiment(1).await;
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    let (mount, dye) = (Mount::Right, "red".parse::<domain::DyeName>().expect("a dye"));
    let (at, volume) = ("A1".parse().expect("a well"), Volume::from_whole_ul(60));
    for step in [
        Step::PickUpTip { mount, tip: at, dye: dye.clone() },
        Step::Dispense { mount, dye, well: wells[0], at, volume },
        Step::ReturnTip { mount, tip: at },
    ] {
        let operation = Operation::new(step);
        let ended = Ended { operation: operation.id, event: JournalEvent::Succeeded, outcome: json!({ "by": "test" }) };
        let intended = Intended { operation, experiment_id: Some(id), run_id: None, purpose: Purpose::Work, acts: 0 };
        let store = &lab.database.store;
        store.commit(&lease, Entry { intended: Some(intended), ..Entry::default() }).await.expect("intended");
        store.commit(&lease, Entry { ended: Some(ended), ..Entry::default() }).await.expect("ended");
    }
    let told = Change::Event { experiment: id, event: ExperimentEvent::Fault(fault(FaultCode::CommandFailed)) };
    lab.commit(&lease, vec![told, Change::Experiment { id, to: ExperimentStatus::Cancelled, fault: None }]).await;

    let path = format!("/experiments/{id}/operations");
    bob.get(&path).await.problem(404, "not-found");
    let page = ada.get(&format!("{path}?limit=2")).await.json();
    let second = &page["data"][1];
    assert_eq!((&second["step"], &second["sentence"]), (&json!("dispense"), &json!("adding 60 µL of red to A1")));
    assert_eq!((&second["state"], &second["outcome"]), (&json!("succeeded"), &json!({ "by": "test" })));
    assert_eq!(second["well"], json!(wells[0]));
    assert!(second["intended_at"].is_string() && second["ended_at"].is_string());
    let cursor = page["next_cursor"].as_str().expect("a next page");
    let rest = ada.get(&format!("{path}?limit=2&cursor={cursor}")).await.json();
    assert_eq!((&rest["data"][0]["step"], &rest["next_cursor"]), (&json!("return_tip"), &Value::Null));
    ada.get(&format!("{path}?cursor=x")).await.problem(422, "invalid-request");

    let stream = ada.get(&format!("/experiments/{id}/events")).await.text;
    assert!(stream.contains("event: fault") && stream.contains("/docs/faults/command-failed"), "{stream}");

    assert!(page.get("forgotten").is_none());
    lab.database.store.run_sql("UPDATE experiments SET completed_at = '2025-01-01T00:00:00Z'").await;
    lab.database.store.run_sql("DELETE FROM operation_events; DELETE FROM operations").await;
    let gone = ada.get(&path).await.json();
    assert_eq!(gone["data"], json!([]));
    assert!(gone["forgotten"].as_str().is_some_and(|said| said.contains("kept for 365 days")), "{gone}");
}
