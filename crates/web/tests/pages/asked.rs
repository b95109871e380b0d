//! What a robot asks, what its experiments say meanwhile, and the acts that answer it.

use super::*;

impl Site {
    /// What is asked at a robot.
    async fn asked(&self, name: &str) -> Option<FaultCode> {
        let robots = self.state.store.robots().await.expect("robots");
        let robot = robots.into_iter().find(|robot| robot.name == name).expect("the robot");
        robot.attention.map(|asked| asked.code)
    }
}

#[tokio::test]
async fn what_waits_is_called_waiting_and_names_nobody_to_students() {
    let site = Site::open().await;
    site.bench("bench").await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let (in_hand, queued) = (ada.ask("in hand", "60").await, ada.ask("queued", "60").await);
    let lease = site.lane("bench").await;
    site.start(&lease, &in_hand).await;
    assert!(ada.page(&in_hand).await.contains("status running"));
    assert!(ada.page(&queued).await.contains("next in the queue"), "the bench will take it");
    olga.post("/lab/pause", &[]).await;
    for path in [&in_hand, &queued] {
        let page = ada.page(path).await;
        for told in ["status waiting", "Waiting for an operator since", "Waiting since", "bench is paused"] {
            assert!(page.contains(told), "{path}: {told}");
        }
        for untrue in ["Time left", "Starts in", "next in the queue", "status running", "olga@"] {
            assert!(!page.contains(untrue), "{path}: {untrue}");
        }
        let told = olga.page(path).await;
        assert!(
            told.contains("bench is paused by olga@example.org") && told.contains("href=\"/robots/bench\">To bench")
        );
    }
    let list = ada.page("/experiments").await;
    assert_eq!(list.matches("class=\"status waiting\"").count(), 2, "a word, and an icon with it");
    assert_eq!(list.matches("<span>waiting for").count(), 2, "and for whom");
    assert!(!list.contains("bench is paused"));
    let all = olga.page("/experiments?of=everyone").await;
    assert!(all.contains("<span>bench is paused by olga@example.org</span>"), "who runs the lab is told which robot");
    assert!(olga.page("/robots").await.contains("<strong>No robot takes it now.</strong>"));
    assert!(!list.contains("class=\"status queued\"") && !list.contains("class=\"status running\""));
    olga.post("/robots/bench/stop", &[]).await;
    let stopped = ada.page(&in_hand).await;
    assert!(stopped.contains("bench was stopped") && !stopped.contains("olga@"));
    assert!(stopped.contains("The robot was stopped"), "the story tells it too");
}

#[tokio::test]
async fn the_act_that_was_asked_for_is_the_answer() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let lease = site.lane("bench").await;
    for (code, sent, button) in [
        (FaultCode::DyeShort, vec![("act", "refill"), ("place", "B2"), ("volume_ml", "12")], "It is filled"),
        (FaultCode::PlateFull, vec![("act", "new_plate")], "A new plate lies there"),
        (FaultCode::PlateUsed, vec![("act", "new_plate")], "A new plate lies there"),
        (FaultCode::PlateDoubtful, vec![("act", "new_plate")], "A new plate lies there"),
        (FaultCode::TipsShort, vec![("act", "new_tips"), ("place", "9")], "A full rack lies there"),
        (FaultCode::WasteFull, vec![("act", "empty_waste")], "The waste is emptied"),
        (FaultCode::SensorDark, vec![("act", "sensor_cleaned")], "It is cleaned"),
        (FaultCode::CommandInDoubt, vec![("act", "nozzle_holds"), ("holds", "nothing")], ">Nothing</button>"),
    ] {
        let asked = Fault { cause: "The yellow vial (B2) holds 0.5 mL.".to_owned(), ..trouble(code, "It asks") };
        site.commit(&lease, Change::Ask(asked)).await;
        let page = olga.page("/robots/bench").await;
        let (_, question) = page.split_once("id=\"questions\"").expect("a question");
        let (question, _) = question.split_once("</section>").expect("its end");
        assert!(question.contains(button), "{code}: the answer is in the question");
        assert_eq!(page.matches(button).count(), 1, "{code}: and nowhere else");
        assert!(!page.contains("<fieldset class=\"plain\" disabled>"), "{code}: it can be given");
        if code == FaultCode::DyeShort {
            assert!(page.contains("<option value=\"B2\" selected>yellow") && page.contains("value=\"15\""));
        }
        let is_looked_at = matches!(code, FaultCode::PlateDoubtful | FaultCode::SensorDark);
        assert_eq!(page.contains("safe to go on"), is_looked_at, "{code}: only looking fills no vial");
        let answer = olga.post("/robots/bench/deck", &sent).await;
        let after = text_header(&answer, header::LOCATION);
        assert!(after.contains("?answered="), "{code}: {after}");
        assert_eq!(site.asked("bench").await, None, "{code}");
        let page = olga.page(after.split('#').next().unwrap_or_default()).await;
        assert!(
            page.contains("Written down, with your name and the time:") && page.contains("The question is answered")
        );
    }
    site.commit(&lease, Change::Ask(trouble(FaultCode::RobotTaken, "It asks"))).await;
    assert!(olga.page("/robots/bench").await.contains("I have looked; it is safe to go on"), "nothing else answers");
}

#[tokio::test]
async fn what_hangs_on_the_nozzle_is_asked_by_what_the_journal_believes() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let lease = site.lane("bench").await;
    let mount = Mount::Right;
    let tip = Step::PickUpTip { mount, tip: "A1".parse().expect("a tip"), dye: "red".parse().expect("a dye") };
    let draw = Step::Aspirate {
        mount,
        dye: "red".parse().expect("a dye"),
        vial: "B1".parse().expect("a vial"),
        volume: domain::Volume::from_whole_ul(60),
    };
    let held = Tool::Nothing.after(&tip, Ending::Done).after(&draw, Ending::Unsure);
    site.commit(&lease, Change::Tool(held)).await;
    site.commit(&lease, Change::Ask(trouble(FaultCode::CommandInDoubt, "Nobody knows"))).await;
    let page = olga.page("/robots/bench").await;
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(
        place("The red tip, with liquid in it") < place("The red tip, empty") && !page.contains("The colour sensor")
    );
    let wrong = olga.post("/robots/bench/deck", &[("act", "nozzle_holds"), ("holds", "sensor")]).await;
    assert_eq!(wrong.status(), StatusCode::CONFLICT);
    let refused = wrong.text().await.expect("text");
    assert!(refused.contains("isn&#39;t what can hang there") || refused.contains("take it off by hand"));
    let answer = olga.post("/robots/bench/deck", &[("act", "nozzle_holds"), ("holds", "empty_tip")]).await;
    assert_eq!(text_header(&answer, header::LOCATION), "/robots/bench?answered=nozzle_cleared#questions");
    assert!(olga.page("/robots/bench").await.contains("the red tip of A1, empty"));
}

/// What such a robot was told before has no known end until somebody says that it stands still.
#[tokio::test]
async fn a_robot_that_cannot_be_told_to_forget_is_said_to_stand_still_before_its_nozzle_is() {
    let site = Site::open().await;
    site.bench("bench").await;
    site.bench_of(RobotKind::Script, "scripted", "mqtt://127.0.0.1:9/OT2").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    for (name, is_said) in [("bench", false), ("scripted", true)] {
        let lease = site.lane(name).await;
        let present = Step::PresentSensor { mount: Mount::Right, over: "C5".parse().expect("a well") };
        let intended = Intended {
            operation: Operation::new(present),
            experiment_id: None,
            run_id: Some("a hold".to_owned()),
            purpose: Purpose::PutDown,
            acts: 0,
        };
        let entry = Entry { intended: Some(intended), ..Entry::default() };
        site.state.store.commit(&lease, entry).await.expect("a commit");
        site.commit(&lease, Change::Ask(trouble(FaultCode::CommandInDoubt, "It may still do it"))).await;
        let page = olga.page(&format!("/robots/{name}")).await;
        assert_eq!(page.contains("It stands still: go on"), is_said, "{name}");
        assert_eq!(page.contains("What hangs on the nozzle?"), !is_said, "{name}: nobody can say yet");
    }
    olga.post("/robots/scripted/resume", &[]).await;
    assert_eq!(site.asked("scripted").await, None);
    // The doubt that follows is answered by what hangs there.
    let lease = site.lane("scripted").await;
    let open = site.state.store.open_operations(lease.robot_id).await.expect("a look");
    let ended = Ended { operation: open[0].operation.id, event: JournalEvent::InDoubt, outcome: serde_json::json!({}) };
    let held = Tool::Nothing.after(&open[0].operation.step, Ending::Unsure);
    let changes = vec![Change::Tool(held), Change::Ask(trouble(FaultCode::CommandInDoubt, "Nobody knows"))];
    site.state.store.commit(&lease, Entry { ended: Some(ended), changes, ..Entry::default() }).await.expect("a commit");
    let page = olga.page("/robots/scripted").await;
    assert!(page.contains("The colour sensor") && !page.contains("It stands still: go on"));
}

#[tokio::test]
async fn a_deck_that_isnt_believed_is_renewed_thing_by_thing() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let lease = site.lane("bench").await;
    let slot = domain::Slot(9);
    let nothing_left = domain::Volume::from_nanolitres(u32::MAX);
    let mut gone = vec![Change::PlateLifted, Change::TipsUnknown { slot }];
    for vial in ["B1", "B2", "B3"] {
        gone.push(Change::VialDrawn { vial: vial.parse().expect("a vial"), volume: nothing_left });
    }
    gone.push(Change::Ask(trouble(FaultCode::DeckUnknown, "It has done things")));
    let entry = Entry { changes: gone, ..Entry::default() };
    site.state.store.commit(&lease, entry).await.expect("a commit");
    let to_do = async || olga.page("/robots/bench").await.matches("</svg>to do</span>").count();
    let mut left = to_do().await;
    let page = olga.page("/robots/bench").await;
    for item in [
        "Nothing hangs on the nozzle",
        "Slot 1: a new, empty plate",
        "Slot 9: a full tip rack",
        "B1: 15 mL of red",
        "A1: room in the waste vial",
    ] {
        assert!(
            page.contains(&format!("<span class=\"label\">{item}")) || page.contains(&format!(", {item}</span>")),
            "{item}"
        );
    }
    assert_eq!(left, Deck::default().pipettes.len() + 4, "plate, racks and vials");
    assert!(olga.page("/robots/bench").await.contains("Resume it without the rest"));
    let here = ("at", "question");
    for act in [
        vec![here, ("act", "new_plate")],
        vec![here, ("act", "new_tips"), ("place", "9")],
        vec![here, ("act", "refill"), ("place", "B1"), ("volume_ml", "15")],
        vec![here, ("act", "refill"), ("place", "B2"), ("volume_ml", "15")],
        vec![here, ("act", "refill"), ("place", "B3"), ("volume_ml", "15")],
    ] {
        let answer = olga.post("/robots/bench/deck", &act).await;
        assert!(text_header(&answer, header::LOCATION).ends_with("#questions"), "{act:?}");
        assert_eq!(to_do().await, left - 1, "{act:?} is ticked");
        left -= 1;
    }
    assert_eq!(site.asked("bench").await, Some(FaultCode::DeckUnknown), "a person says when it may go on");
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("I have looked; it is safe to go on") && !page.contains("without the rest"));
    olga.post("/robots/bench/resume", &[]).await;
    assert_eq!(site.asked("bench").await, None);
}

#[tokio::test]
async fn who_resumes_a_stopped_robot_is_told_that_it_asks_something_too() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let lease = site.lane("bench").await;
    site.commit(&lease, Change::Ask(trouble(FaultCode::DyeShort, "It asks"))).await;
    olga.post("/robots/bench/stop", &[]).await;
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("without an answer to what is asked below") && !page.contains("safe to go on"));
    assert_eq!(page.matches("action=\"/robots/bench/resume\"").count(), 1);
    let fill = [("act", "refill"), ("place", "B1")];
    assert_eq!(olga.post("/robots/bench/deck", &fill).await.status(), StatusCode::SEE_OTHER);
    assert!(olga.page("/robots/bench").await.contains("I have looked; it is safe to go on"), "only the stop is left");
}

#[tokio::test]
async fn what_hangs_on_the_nozzle_comes_before_the_rest_of_the_deck() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let lease = site.lane("bench").await;
    let sensor = Tool::Nothing.after(&Step::PickUpSensor { mount: Mount::Left }, Ending::Done);
    for change in [Change::PlateLifted, Change::Tool(sensor), Change::Ask(trouble(FaultCode::RobotMistaken, "Who?"))] {
        site.commit(&lease, change).await;
    }
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("What hangs on the nozzle comes first.") && page.contains("The colour sensor</span>"));
    assert!(page.contains("value=\"new_plate\" disabled>") && !page.contains("value=\"nozzle_cleared\" disabled>"));
    let here = ("at", "question");
    let early = olga.post("/robots/bench/deck", &[here, ("act", "new_plate")]).await;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    assert!(early.text().await.expect("text").contains("id=\"problem-q\""), "said where it was pressed");
    assert_eq!(
        olga.post("/robots/bench/deck", &[here, ("act", "nozzle_cleared")]).await.status(),
        StatusCode::SEE_OTHER
    );
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("Nothing hangs on the nozzle") && page.contains("value=\"new_plate\">It is there"));
}

#[tokio::test]
async fn a_robot_that_needs_a_person_is_on_every_page_of_who_runs_the_lab() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let pages = ["/experiments", "/experiments/new", "/robots", "/robots/bench", "/account", "/nowhere"];
    let lease = site.lane("bench").await;
    for path in pages {
        assert!(!olga.get(path).await.text().await.expect("text").contains("for a person"), "{path}");
    }
    site.commit(&lease, Change::Ask(trouble(FaultCode::PlateFull, "It asks"))).await;
    olga.post("/robots/virtual/stop", &[]).await;
    for path in pages {
        let page = olga.get(path).await.text().await.expect("text");
        assert!(page.contains("<b class=\"in-need\">2</b><span class=\"hidden-text\"> wait for a person"), "{path}");
        assert_eq!(page.contains("<title>(2) "), path.starts_with("/robots"), "{path}");
    }
    assert!(!ada.page("/experiments").await.contains("in-need\">"));
}

#[tokio::test]
async fn a_paused_robot_that_holds_something_and_has_no_worker_says_how_it_gets_free() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    olga.post("/robots/bench/pause", &[]).await;
    let lease = site.lane("bench").await;
    let step = Step::PickUpSensor { mount: Mount::Left };
    site.commit(&lease, Change::Tool(Tool::Nothing.after(&step, Ending::Done))).await;
    assert!(olga.page("/robots/bench").await.contains("It is putting everything down"));
    site.state.store.release(&lease).await.expect("released");
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("no worker drives it, so what it holds isn’t put down yet"));
    assert!(
        page.contains("Or stop the robot first; then take it off by hand")
            && !page.contains("It is putting everything")
    );
}

#[tokio::test]
async fn a_robot_asks_and_its_experiment_says_so() {
    let site = Site::open().await;
    site.bench("bench").await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let path = ada.ask("Ada's <i>own</i>", "60").await;
    let lease = site.lane("bench").await;
    site.start(&lease, &path).await;
    let asks = trouble(FaultCode::CommandInDoubt, "Nobody knows <script>alert(1)</script>");
    site.commit(&lease, Change::Ask(asks)).await;
    for page in [olga.page("/robots/bench").await, olga.page("/robots").await, ada.page(&path).await] {
        assert!(page.contains("Nobody knows &#60;script") && page.contains("/docs/faults/command-in-doubt"));
        assert!(!page.contains("<script>alert") && !page.contains("<i>own"));
    }
    for page in [olga.page("/robots/bench").await, olga.page("/robots").await] {
        for told in ["The cause.", "What was done.", "What to do."] {
            assert!(page.contains(told), "{told}");
        }
    }
    assert!(olga.page("/robots").await.contains("href=\"/robots/bench\">Answer it"), "the answer is on its page");
    let asked = olga.page("/robots/bench").await;
    assert!(asked.contains(&path), "the experiment in hand is a click away");
    assert!(
        asked.contains("What to do.") && asked.contains("What hangs on the nozzle?"),
        "the question has its answers"
    );
    assert!(olga.page(&path).await.contains("href=\"/robots/bench\">Answer bench"));
    let waits = ada.page(&path).await;
    assert!(waits.contains("Waiting for an operator since") && waits.contains("Nothing for you to do"));
    assert!(!waits.contains("Answer bench") && !waits.contains("What to do."), "that isn't hers to do");

    // What somebody saw is the answer: the question is gone, and nobody need resume.
    let seen = olga.post("/robots/bench/deck", &[("act", "nozzle_holds"), ("holds", "nothing")]).await;
    assert_eq!(seen.status(), StatusCode::SEE_OTHER);
    assert!(!olga.page("/robots/bench").await.contains("Nobody knows"));
    assert!(ada.page(&path).await.contains("status running"));
}

#[tokio::test]
async fn a_worker_that_waits_for_its_robot_is_said_to_and_nobody_is_asked() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    assert!(olga.page("/robots/bench").await.contains("no worker drives it"));
    let lease = site.lane("bench").await;
    let off = trouble(FaultCode::RobotUnreachable, "The robot can't be used at the moment");
    site.commit(&lease, Change::Notice(Some(off))).await;
    for page in [olga.page("/robots/bench").await, olga.page("/robots").await] {
        for told in ["a worker waits for it", "used at the moment", "The cause.", "What to do.", "status waiting"] {
            assert!(page.contains(told), "{told}");
        }
        assert!(!page.contains("Answer it") && !page.contains("I have looked; it is safe"), "nothing is asked");
    }
    site.state.store.release(&lease).await.expect("released");
    let gone = olga.page("/robots/bench").await;
    assert!(gone.contains("no worker drives it") && !gone.contains("a worker waits"));
}
