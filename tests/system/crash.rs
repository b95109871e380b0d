//! Killed in the middle, again and again: the experiment goes on by itself to true results, and no drop falls twice.

use crate::{
    client::{Client, eight_wells, measured},
    ledger,
    process::Lab,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Slow enough to be caught in the middle of something.
const SPEED: u32 = 40;
/// How many more things must have happened on the deck before it is killed again: while mixing, between two colours,
/// just after a restart, while measuring.
const FURTHER: [usize; 5] = [5, 9, 2, 14, 17];
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

async fn until_happened(lab: &Lab, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while ledger::read(&lab.robot).await.len() < count {
        assert!(Instant::now() < deadline, "nothing more happens on the deck");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn a_lab_that_is_killed_again_and_again_still_measures_the_truth() {
    let mut lab = Lab::up(SPEED);
    let id = Client::of(&lab).await.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    for further in FURTHER {
        let happened = ledger::read(&lab.robot).await.len();
        until_happened(&lab, happened + further).await;
        let status = Client::of(&lab).await.experiment(&id).await["status"].clone();
        assert_ne!(status, "completed", "it was to be killed in the middle");
        lab.kill();
        lab.start();
    }
    let client = Client::of(&lab).await;
    let completed = client.until_completed(&id).await;
    let wells = measured(&completed);
    let positions: BTreeSet<i64> = wells.iter().filter_map(|well| well["position"].as_i64()).collect();
    assert_eq!(positions.len(), 8, "each of the eight mixtures is measured: {completed:#}");
    assert_eq!(wells.len(), 8, "and none twice");
    ledger::assert_as_asked(&ledger::read(&lab.robot).await, &wells);
    for well in completed["wells"].as_array().expect("wells") {
        let status = well["status"].as_str().expect("a status");
        assert!(matches!(status, "measured" | "quarantined"), "{well}");
    }
    let account = client.get("/api/v1/me").await;
    assert_eq!(account["quota_remaining"], 960 - 8, "quarantined wells cost nothing");
}
