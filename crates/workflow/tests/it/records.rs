//! A robot's record is changed under its worker: it is driven on, by whatever name and at whatever address.

use super::{EIGHT, TestLab};
use domain::{Deck, ExperimentStatus, FaultCode, Mount, RobotSetup};
use store::{ChangedBy, testing::TestDatabase};
use workflow::{Losses, setup_of};

impl TestLab {
    async fn set_up(&self, change: impl Fn(RobotSetup) -> RobotSetup) {
        let robot = self.store().robot(self.robot.id).await.expect("an answer").expect("the robot");
        let setup = change(setup_of(&robot));
        let plan = self.lab.plan_setup(Some(robot), &setup).await.expect("a plan");
        self.lab.set_up(&plan, Losses::Allowed, ChangedBy::default()).await.expect("set up");
    }

    async fn mixes(&self) {
        let id = self.submit(&EIGHT[..1]).await;
        self.wait_for(id, ExperimentStatus::Completed).await;
    }
}

pub async fn a_robot_is_driven_on_whatever_it_is_called_and_wherever_it_is(database: TestDatabase) {
    let mut lab = TestLab::new(database, f64::INFINITY).await;
    lab.only_drive("virtual-1");
    lab.start_worker();
    lab.mixes().await;
    let robot = lab.store().robot(lab.robot.id).await.expect("an answer").expect("the robot");
    let mounts = robot.mounts.expect("the worker has looked");
    assert_eq!(mounts.on(Mount::Right).map(|seen| seen.name.as_str()), Some("p300_single_gen2"));

    lab.set_up(|setup| RobotSetup { name: "window".to_owned(), ..setup }).await;
    lab.mixes().await;
    // The same machine by another address. What was made for the old one is dropped.
    lab.set_up(|setup| RobotSetup { url: setup.url.replace("127.0.0.1", "localhost"), ..setup }).await;
    lab.mixes().await;

    lab.stop_worker().await;
    lab.start_worker();
    lab.mixes().await;

    let done = lab.submit(&EIGHT[..1]).await;
    lab.wait_for(done, ExperimentStatus::Completed).await;
    // Gone and there again: the worker drives the new one of that name, and believes nothing of its deck.
    let robot = lab.store().robot(lab.robot.id).await.expect("an answer").expect("the robot");
    lab.lab.remove_robot(&robot, "root@example.org", ChangedBy::default()).await.expect("removed");
    let kept = lab.experiment(done).await;
    let protocol = lab.lab.protocol(&kept, None).await.expect("what a removed robot did is a protocol still");
    assert!(protocol.steps().count() > 5 && protocol.deck == robot.deck);
    let anew = RobotSetup { name: "virtual-1".to_owned(), ..setup_of(&robot) };
    let plan = lab.lab.plan_setup(None, &anew).await.expect("a plan");
    lab.lab.set_up(&plan, Losses::Refused, ChangedBy::default()).await.expect("added");
    lab.mixes().await;
    lab.stop_worker().await;
}

pub async fn a_pipette_that_is_missing_is_found_before_anything_moves(database: TestDatabase) {
    let mut lab = TestLab::new(database, f64::INFINITY).await;
    lab.set_up(|setup| RobotSetup { deck: Some((&Deck::with_p20()).into()), ..setup }).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT[..1]).await;
    let notice = async |lab: &TestLab| {
        let robot = lab.store().robot(lab.robot.id).await.expect("an answer").expect("the robot");
        robot.notice.filter(|notice| notice.code == FaultCode::DeckMismatch)
    };
    lab.until("the missing pipette is told", async |lab| notice(lab).await.is_some()).await;
    let told = notice(&lab).await.expect("a notice").to_string();
    assert!(told.contains("left mount: p300_single_gen2 hangs there, and the deck has p20_single_gen2"), "{told}");
    assert_eq!(lab.ledger().await.len(), 0, "nothing was done on the deck");
    // The deck is put right, and the experiment goes on.
    lab.set_up(|setup| RobotSetup { deck: Some((&Deck::default()).into()), ..setup }).await;
    lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.stop_worker().await;
}
