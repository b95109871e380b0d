//! What can't work ends, and holds nobody else up; what nobody knows is asked.

use super::EIGHT;
use crate::lab::TestLab;
use domain::{Attendance, Control, Deck, ExperimentStatus, FaultCode, OperationId, RobotKind, RobotMode, WellStatus};
use hardware::{AddressError, Attendant, ColourSensor, Connect, Hold, Lookup, Network, Pending, Robot, RobotError};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use store::{Backend, NewRobot, testing::TestDatabase};
use workflow::{CommandLabError, DeckAct, RobotCommand};

const ONE: [(f64, f64, f64); 1] = [(60.0, 0.0, 0.0)];

/// Of two experiments the first can't be read any more. The lane parks it after it broke twice, and serves the second.
pub async fn a_damaged_experiment_is_parked_and_the_next_is_served(database: TestDatabase) {
    let mut lab = TestLab::new(database, f64::INFINITY).await;
    let damaged = lab.submit(&ONE).await;
    let sound = lab.submit(&ONE).await;
    // What no version of the program ever wrote.
    let damage = "UPDATE wells SET recipe = '{\"red\": \"a lot\"}' WHERE experiment_id = ";
    let id = match lab.store().backend() {
        Backend::Sqlite => format!("x'{}'", damaged.as_uuid().simple()),
        Backend::Postgres => format!("'{damaged}'"),
    };
    lab.store().run_sql(&format!("{damage}{id}")).await;
    lab.start_worker();
    let done = lab.wait_for(sound, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
    // Read past the store, which can't read its wells.
    let stands = format!("SELECT status || ', ' || (fault ->> 'code') AS text FROM experiments WHERE id = {id}");
    assert_eq!(lab.store().read_text(stands).await, "paused, experiment-parked");
    // Its owner gets rid of it, and of what it cost.
    lab.lab.control(&lab.user, damaged, Control::Cancel, None).await.expect("a database");
    assert_eq!(lab.quota().await, 499);
}

/// Devices over the network, until one is told to panic.
#[derive(Debug, Default)]
struct Trapped {
    network: Network,
    panics: AtomicU32,
    springs: AtomicBool,
}

impl Connect for Trapped {
    fn robot(&self, kind: RobotKind, url: &str) -> Result<Arc<dyn Robot>, AddressError> {
        if self.springs.load(Ordering::SeqCst) {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic!("a bug of our own");
        }
        self.network.robot(kind, url)
    }

    fn sensor(&self, url: &str) -> Result<Arc<dyn ColourSensor>, AddressError> {
        self.network.sensor(url)
    }

    fn attendant(&self, url: &str) -> Result<Arc<dyn Attendant>, AddressError> {
        self.network.attendant(url)
    }
}

/// OT-2s that are taken for robots which can't shut out what they were told earlier.
#[derive(Debug, Default)]
struct Unfenced(Network);

#[derive(Debug)]
struct UnfencedRobot(Arc<dyn Robot>);

impl Connect for Unfenced {
    fn robot(&self, kind: RobotKind, url: &str) -> Result<Arc<dyn Robot>, AddressError> {
        Ok(Arc::new(UnfencedRobot(self.0.robot(kind, url)?)))
    }

    fn sensor(&self, url: &str) -> Result<Arc<dyn ColourSensor>, AddressError> {
        self.0.sensor(url)
    }

    fn attendant(&self, url: &str) -> Result<Arc<dyn Attendant>, AddressError> {
        self.0.attendant(url)
    }
}

impl Robot for UnfencedRobot {
    fn hold<'a>(&'a self, deck: &'a Deck, epoch: i64) -> Pending<'a, Result<Arc<dyn Hold>, RobotError>> {
        self.0.hold(deck, epoch)
    }

    fn lookup<'a>(&'a self, hold: &'a str, key: OperationId) -> Pending<'a, Result<Lookup, RobotError>> {
        self.0.lookup(hold, key)
    }
}

/// The first worker asks nothing; whoever comes after it asks before it sends anything.
pub async fn a_robot_that_cannot_fence_is_asked_about_at_each_takeover(database: TestDatabase) {
    let mut lab = TestLab::new(database, 150.0).await;
    lab.start_worker_with(Arc::new(Unfenced::default()));
    let id = lab.submit(&EIGHT).await;
    lab.wait_for_step(id, "dispense").await;
    lab.kill_worker();
    let before = lab.store().robot(lab.robot.id).await.expect("a database").expect("the robot").run_id;
    lab.start_worker_with(Arc::new(Unfenced::default()));
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::CommandInDoubt, "{question:?}");
    let asked = lab.store().robot(lab.robot.id).await.expect("a database").expect("the robot");
    assert_eq!(asked.run_id, before, "it isn't even taken");
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Resume, None).await.expect("a database");
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
}

/// A lane that panics is seen and begun again; when the bug is gone the work goes on.
pub async fn a_lane_that_panics_is_begun_again(database: TestDatabase) {
    let mut lab = TestLab::new(database, f64::INFINITY).await;
    let trap = Arc::new(Trapped::default());
    trap.springs.store(true, Ordering::SeqCst);
    lab.start_worker_with(trap.clone());
    let id = lab.submit(&ONE).await;
    lab.until("the third panic", async |_| trap.panics.load(Ordering::SeqCst) >= 3).await;
    trap.springs.store(false, Ordering::SeqCst);
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
}

/// The first robot's row can't be written; every other is stopped all the same, and it is said which wasn't.
pub async fn a_lab_wide_stop_tells_every_robot_whatever_the_first_answers(database: TestDatabase) {
    let lab = TestLab::new(database, f64::INFINITY).await;
    for name in ["a-broken", "b-fine", "z-fine"] {
        let robot = NewRobot {
            name: name.to_owned(),
            kind: RobotKind::Ot2,
            url: "http://127.0.0.1:1".to_owned(),
            sensor_url: "tcp://127.0.0.1:1".to_owned(),
            attendance: Attendance::Operator,
            deck: domain::Deck::default(),
        };
        lab.store().ensure_robot(robot).await.expect("a robot");
    }
    let trap = match lab.store().backend() {
        Backend::Sqlite => {
            "CREATE TRIGGER broken BEFORE UPDATE ON robots WHEN NEW.name = 'a-broken'
             BEGIN SELECT RAISE(ABORT, 'this row is broken'); END"
        }
        Backend::Postgres => {
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.name = 'a-broken' THEN RAISE EXCEPTION 'this row is broken'; END IF; RETURN NEW; END $$;
             CREATE TRIGGER broken BEFORE UPDATE ON robots FOR EACH ROW EXECUTE FUNCTION broken()"
        }
    };
    lab.store().run_sql(trap).await;
    let told = lab.lab.command_lab(&lab.user, RobotCommand::Stop, None).await;
    let Err(CommandLabError::NotTold(not_told)) = told else { panic!("{told:?}") };
    assert_eq!(not_told.names(), "a-broken");
    let modes: Vec<_> =
        lab.store().robots().await.expect("robots").into_iter().map(|robot| (robot.name, robot.mode)).collect();
    let expected = ["a-broken", "b-fine", "virtual-1", "z-fine"]
        .map(|name| (name.to_owned(), if name == "a-broken" { RobotMode::Active } else { RobotMode::Stopped }));
    assert_eq!(modes, expected);
}

/// A robot that is out of reach for too long gives its experiment to another: what it had measured stays, what it had in
/// hand is made again.
pub async fn an_experiment_whose_robot_is_gone_goes_on_at_another(database: TestDatabase) {
    let mut lab = TestLab::new(database, 150.0).await;
    lab.give_way_after(std::time::Duration::from_secs(2));
    lab.start_worker();
    let id = lab.submit(&[(60.0, 30.0, 0.0), (0.0, 0.0, 90.0)]).await;
    lab.wait_for_step(id, "dispense").await;
    let other = TestLab::beside(&lab).await;
    lab.switch_robot_off();
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert_eq!(done.experiment.robot_id, Some(other.robot.id));
    let measured = done.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured).count();
    assert_eq!(measured, 2);
    assert!(done.wells.iter().all(|(well, _)| matches!(well.status, WellStatus::Measured | WellStatus::Quarantined)));
    other.check_measured_wells(&done).await;
    assert_eq!(lab.quota().await, 498);
}

/// A waste vial that may not hold more is emptied, or its operator is asked, before anything is dispensed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_waste_vial_waits_for_its_operator_and_is_the_answer_itself() {
    let mut lab = TestLab::attended(TestDatabase::sqlite().await, f64::INFINITY, Attendance::Operator).await;
    lab.store().run_sql("UPDATE robots SET waste_nl = 13900000").await;
    lab.start_worker();
    let id = lab.submit(&ONE).await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::WasteFull, "{question:?}");
    lab.lab.act_on_deck(&lab.user, lab.robot.id, DeckAct::EmptyWaste, None).await.expect("an act");
    // Nothing more is asked for: what was asked for is the answer.
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_waste_vial_is_emptied_by_itself() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    lab.store().run_sql("UPDATE robots SET waste_nl = 13900000").await;
    lab.start_worker();
    let id = lab.submit(&ONE).await;
    lab.wait_for(id, ExperimentStatus::Completed).await;
    assert!(
        lab.store().inventory(lab.robot.id).await.expect("an inventory").waste < domain::Volume::from_whole_ul(300)
    );
}

/// A refill that was asked for clears its question and the work goes on; one of another vial doesn't hide that it is
/// still short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refill_that_was_asked_for_is_the_answer() {
    let mut lab = TestLab::attended(TestDatabase::sqlite().await, f64::INFINITY, Attendance::Operator).await;
    lab.store().run_sql("UPDATE vials SET volume_nl = 510000 WHERE dye = 'red'").await;
    lab.start_worker();
    let id = lab.submit(&ONE).await;
    let refill = |vial: &str| DeckAct::Refill { vial: vial.parse().expect("a vial"), volume: None, batch: None };
    assert_eq!(lab.wait_for_question().await.code, FaultCode::DyeShort);
    lab.lab.act_on_deck(&lab.user, lab.robot.id, refill("B2"), None).await.expect("an act");
    assert_eq!(lab.wait_for_question().await.code, FaultCode::DyeShort, "red is still short");
    lab.lab.act_on_deck(&lab.user, lab.robot.id, refill("B1"), None).await.expect("an act");
    lab.wait_for(id, ExperimentStatus::Completed).await;
}

/// A database that knows nothing of what happened on the deck: a virtual lab renews the deck, an operator is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deck_that_the_journal_does_not_know_is_not_believed() {
    let mut before = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    before.start_worker();
    let id = before.submit(&[(60.0, 0.0, 0.0); 4]).await;
    before.wait_for(id, ExperimentStatus::Completed).await;
    before.stop_worker().await;
    // The same machine under a new database, and as if its server had just been started: no mark is left.
    before.restart_robot().await;

    let mut virtual_lab = before.under(TestDatabase::sqlite().await, Attendance::Virtual).await;
    virtual_lab.start_worker();
    let id = virtual_lab.submit(&[(0.0, 60.0, 0.0); 4]).await;
    let done = virtual_lab.wait_for(id, ExperimentStatus::Completed).await;
    virtual_lab.check_measured_wells(&done).await;
    virtual_lab.stop_worker().await;
    before.restart_robot().await;

    let mut attended = before.under(TestDatabase::sqlite().await, Attendance::Operator).await;
    attended.start_worker();
    let id = attended.submit(&ONE).await;
    assert_eq!(attended.wait_for_question().await.code, FaultCode::DeckUnknown);
    let inventory = attended.store().inventory(attended.robot.id).await.expect("an inventory");
    assert_eq!(inventory.plate, None);
    before.post("/emulator/plate").await;
    before.post("/emulator/tips").await;
    let act = async |act| attended.lab.act_on_deck(&attended.user, attended.robot.id, act, None).await.expect("an act");
    act(DeckAct::NewPlate).await;
    act(DeckAct::NewTips { slot: domain::Slot(9) }).await;
    for vial in ["B1", "B2", "B3"] {
        act(DeckAct::Refill { vial: vial.parse().expect("a vial"), volume: None, batch: None }).await;
    }
    attended.lab.command_robot(&attended.user, attended.robot.id, RobotCommand::Resume, None).await.expect("told");
    let done = attended.wait_for(id, ExperimentStatus::Completed).await;
    attended.check_measured_wells(&done).await;
    attended.stop_worker().await;

    // The first lab is still there: it finds the other's mark, and takes nothing.
    before.start_worker();
    before.submit(&ONE).await;
    assert_eq!(before.wait_for_question().await.code, FaultCode::RobotMistaken);
}

/// Two robots under two names at one address are one machine: only one of them is driven.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_machine_under_two_names_is_driven_under_one() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    let twin = NewRobot {
        name: "twin".to_owned(),
        kind: RobotKind::Ot2,
        url: lab.robot.url.clone(),
        sensor_url: lab.robot.sensor_url.clone(),
        attendance: Attendance::Virtual,
        deck: domain::Deck::default(),
    };
    let twin = lab.store().ensure_robot(twin).await.expect("a robot");
    lab.start_worker();
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(lab.submit(&ONE).await);
    }
    for id in asked {
        let done = lab.wait_for(id, ExperimentStatus::Completed).await;
        lab.check_measured_wells(&done).await;
    }
    let robots = lab.store().robots().await.expect("robots");
    let mistaken: Vec<_> = robots.iter().filter_map(|robot| robot.notice.as_ref()).map(|notice| notice.code).collect();
    assert_eq!(mistaken, [FaultCode::RobotMistaken], "{robots:?}");
    assert!(robots.iter().filter(|robot| robot.identity.is_some()).count() == 1, "{twin:?}");
}
