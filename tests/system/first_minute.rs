//! From an empty directory to a measured colour, and the same colours after a restart.

use crate::{
    client::{Client, eight_wells, measured},
    ledger,
    process::{ADMIN, Lab, Process, up},
};
use serde_json::Value;
use std::fs;

const CHANNELS: [&str; 10] = ["ch410", "ch440", "ch470", "ch510", "ch550", "ch583", "ch620", "ch670", "clear", "nir"];

#[tokio::test]
async fn a_mixture_is_measured_and_survives_a_restart() {
    let mut lab = Lab::up(600);
    let environment = fs::read(format!("/proc/{}/environ", lab.process_id())).expect("a process of ours");
    let told = |said: &str| environment.split(|byte| *byte == 0).any(|line| line == said.as_bytes());
    assert!(told("MIMALLOC_PURGE_DELAY=0"), "freed memory is given back at once, by the process that was started");
    let client = Client::of(&lab).await;
    let quota_before = client.get("/api/v1/me").await["quota_remaining"].as_i64().expect("a number");

    let accepted = client.submit(&eight_wells()).await;
    assert_eq!(accepted["status"], "queued");
    assert_eq!(accepted["quota_remaining"], quota_before - 8);
    let id = accepted["id"].as_str().expect("an id").to_owned();
    let completed = client.until_completed(&id).await;

    let wells = measured(&completed);
    assert_eq!(wells.len(), 8);
    wells.iter().for_each(|well| assert_is_a_result(&well["result"]));
    ledger::assert_as_asked(&ledger::read(&lab.robot).await, &wells);

    assert!(lab.stop().success(), "asked to stop, it ends well");
    lab.start();
    let after = Client::of(&lab).await.experiment(&id).await;
    assert_eq!(after["wells"], completed["wells"], "results are what they were");
    assert_eq!(after["completed_at"], completed["completed_at"]);
}

fn assert_is_a_result(result: &Value) {
    for channel in CHANNELS {
        assert!(result["channels"][channel].as_f64().is_some_and(|counts| counts >= 0.0), "{channel}: {result}");
    }
    for coordinate in ["l", "a", "b"] {
        assert!(result["lab"][coordinate].is_f64() || result["lab"][coordinate].is_i64(), "{coordinate}: {result}");
    }
    let srgb = result["srgb"].as_str().expect("a colour");
    assert!(srgb.len() == 7 && srgb.starts_with('#') && srgb.bytes().skip(1).all(|b| b.is_ascii_hexdigit()), "{srgb}");
}

#[tokio::test]
async fn dyes_look_like_themselves() {
    let lab = Lab::up(600);
    let client = Client::of(&lab).await;
    let id = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    let completed = client.until_completed(&id).await;
    let [_, red, yellow, blue, ..] = measured(&completed)[..] else { panic!("eight wells") };
    let lab_of = |well: &Value, axis: &str| well["result"]["lab"][axis].as_f64().expect("a number");
    assert!(lab_of(red, "a") > 20.0, "red is on the red side of CIE a*: {red}");
    assert!(lab_of(yellow, "b") > 20.0, "yellow is on the yellow side of b*: {yellow}");
    assert!(lab_of(blue, "b") < 0.0, "blue is on the blue side of b*: {blue}");
    assert!(lab_of(yellow, "l") > lab_of(blue, "l"), "yellow is lighter than blue");
}

#[tokio::test]
async fn the_first_password_is_printed_once_and_opens_the_door() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut first = Process::spawn(up(directory.path()));
    let address = first.word_after("Tincture is ready: ");
    let password = first.word_after("Password ");
    assert_eq!(first.said_after("Sign in as "), Some(ADMIN.to_owned()));
    Client::sign_in(&address, ADMIN, &password).await;
    let link = first.word_after("Or choose one ");
    let secret = link.strip_prefix(&format!("{address}/link/")).expect("a link to this lab");
    assert!(first.stop().success());

    let mut second = Process::spawn(up(directory.path()));
    let address = second.word_after("Tincture is ready: ");
    second.word_after("Virtual OT-2 ");
    assert_eq!(second.said_after("Password "), None, "a password that is kept isn't printed again");
    assert_eq!(second.said_after("Locked out? "), Some("tincture".to_owned()), "but how to get in again is");
    Client::sign_in(&address, ADMIN, &password).await;
    let chosen = serde_json::json!({ "secret": secret, "password": "three odd words" });
    let used = reqwest::Client::new().post(format!("{address}/api/v1/auth/link")).json(&chosen).send().await;
    assert!(used.expect("an answer").status().is_success(), "the link outlives a restart");
    Client::sign_in(&address, ADMIN, "three odd words").await;
}
