//! What the crash harness caught, each as the smallest scenario that shows it again.
//!
//! | caught | by | kept in |
//! |---|---|---|
//! | an operator's act that the network held up swapped a plate under the next experiment | delays at the robot | here |
//! | a worker killed while something is picked up drove it into nothing | kills | `workflow/tests/it`, `a_worker_killed_while_something_is_picked_up_drives_it_into_nothing` |
//! | a worker that died right after a doubt took the question to its operator with it | kills, attended | `workflow/tests/sagas`: a crash before and after each commit |
//! | a lost or late sensor reply became the next one's result | sensor faults | `late_sensor.rs` |

use crash::{
    hands::Hands,
    proxy::{Aim, RobotFault, RobotProxy},
    timeline::Timeline,
};
use domain::Slot;
use emulator::world::Event;
use hardware::{Attendant, Patience, VirtualAttendant};
use std::{net::SocketAddr, time::Duration};
use tokio::time::{Instant, sleep};

/// How long the network holds the act up.
const HELD_UP: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn hands_that_the_network_held_up_swap_no_plate_under_the_next_experiment() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = emulator::Config { listen: any, sensor_listen: any, speed: f64::INFINITY, ..Default::default() };
    let emulator = emulator::start(config).await.expect("an emulator");
    let timeline = Timeline::default();
    let network = RobotProxy::start("robot", emulator.robot_addr(), timeline.clone(), false).await.expect("a proxy");
    let hands = Hands::at(emulator.robot_addr()).expect("an address");
    let attendant = |robot: SocketAddr| {
        VirtualAttendant::new(&format!("http://{robot}"), Patience::default()).expect("an attendant")
    };
    let plates = async || {
        let ledger = hands.ledger().await.expect("a ledger");
        ledger.iter().filter(|entry| matches!(entry.event, Event::NewPlate { .. })).count()
    };
    let before = plates().await;

    // The look at the deck goes through; the act itself comes when its sender has given it up and work goes on.
    network.arm(Aim::Any { skip: 1 }, RobotFault::HoldBack { by: HELD_UP });
    let given_up = attendant(network.address()).new_plate(Slot(1)).await;
    assert!(given_up.is_err(), "the connection broke: {given_up:?}");
    attendant(emulator.robot_addr()).new_tips(Slot(9)).await.expect("work goes on");

    let until = Instant::now() + LIMIT;
    while !timeline.to_string().contains("arrives") {
        assert!(Instant::now() < until, "the act never arrives:\n{timeline}");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(timeline.to_string().contains("is answered 409"), "{timeline}");
    assert_eq!(plates().await, before, "the plate under the next experiment is the one that it was begun on");
    emulator.shutdown().await;
}
