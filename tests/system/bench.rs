//! A bench whose deck a person keeps, with a browser: what the person is asked, and what comes of a wrong answer.

use crate::{
    browser::sign_in_at,
    client::{Client, eight_wells},
    process::{ADMIN, PASSWORD, Process, run, tincture},
    webdriver::Browser,
};
use serde_json::json;
use std::process::Command;
use store::testing::TestDatabase;

/// A virtual OT-2 and its sensor, which know nothing of labs.
struct Machine {
    robot: String,
    sensor: String,
    _process: Process,
}

impl Machine {
    fn switch_on() -> Self {
        let emulated = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--speed", "600"];
        let mut process = Process::spawn(tincture(&emulated));
        Self { robot: process.word_after("Virtual OT-2 "), sensor: process.word_after("Sensor "), _process: process }
    }

    /// Lays a new plate, in fact.
    async fn lay_new_plate(&self) {
        let laid = reqwest::Client::new().post(format!("{}/emulator/plate", self.robot)).json(&json!({})).send().await;
        assert!(laid.expect("an answer").status().is_success());
    }
}

/// A lab whose one robot is kept by an operator and trusts its plates: `serve` and `worker`.
struct Bench {
    /// Of pages and API.
    address: String,
    _processes: [Process; 2],
    _database: TestDatabase,
}

impl Bench {
    async fn with(machine: &Machine) -> Self {
        let database = TestDatabase::sqlite().await;
        let on = |arguments: &[&str]| -> Command {
            let mut command = tincture(arguments);
            command.env("TINCTURE_DATABASE_URL", &database.url).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
            command
        };
        let Machine { robot, sensor, .. } = machine;
        let added = run(on(&["robot", "add", "bench", "--url", robot, "--sensor", sensor, "--blank-check", "none"]));
        assert!(added.status.success(), "{added:?}");
        let mut serve = Process::spawn(on(&["serve", "--listen", "127.0.0.1:0"]));
        let address = serve.word_after("Tincture is ready: ");
        let worker = Process::spawn(on(&["worker", "--robot", "bench"]));
        Self { address, _processes: [serve, worker], _database: database }
    }

    /// Says that a new plate lies there, and does nothing at the deck.
    async fn confirm_new_plate(&self, browser: &Browser) {
        browser.go(&format!("{}/robots/bench", self.address)).await;
        browser.click("form[action$='/pause'] button").await;
        browser.find("#act-new_plate fieldset:not(:disabled)").await;
        browser.click("#act-new_plate button").await;
        browser.find("#act-new_plate [role=status]").await;
        browser.click("form[action$='/resume'] button").await;
        browser.find("#head .status.active").await;
    }
}

async fn mix(client: &Client, wells: &[serde_json::Value]) -> String {
    client.submit(wells).await["id"].as_str().expect("an id").to_owned()
}

/// How many of these the page shows, that is, draws with a size.
async fn shown(browser: &Browser, selector: &str) -> usize {
    let script = "return [...document.querySelectorAll(arguments[0])]
        .filter(element => element.getBoundingClientRect().width > 0).length";
    let count = browser.script(script, json!([selector])).await;
    usize::try_from(count.as_u64().expect("a count")).expect("a count")
}

#[tokio::test]
async fn eight_wells_on_a_used_plate_are_shown_as_doubtful_and_retried_free_on_a_new_one() {
    let machine = Machine::switch_on();
    let bench = Bench::with(&machine).await;
    let client = Client::sign_in(&bench.address, ADMIN, PASSWORD).await;
    let browser = Browser::open().await;
    sign_in_at(&browser, &bench.address).await;
    let mut wells = eight_wells();
    client.until_completed(&mix(&client, &wells).await).await;
    bench.confirm_new_plate(&browser).await;
    wells.rotate_left(1);
    let id = mix(&client, &wells).await;
    browser.go(&format!("{}/experiments/{id}", bench.address)).await;
    // The live page changes by itself: nothing is loaded again here.
    browser.find("#head .status.completed").await;

    assert_eq!(shown(&browser, "#plates .plate .well.measured.doubtful .query").await, 8, "a mark on each well");
    let ringed = "return [...document.querySelectorAll('#plates .plate .well.doubtful .ring')].filter(ring => {
        const { stroke, strokeDasharray } = getComputedStyle(ring);
        return stroke !== 'none' && strokeDasharray !== 'none';
    }).length";
    assert_eq!(browser.script(ringed, json!([])).await, json!(8), "and a ring around it");
    let spoken = "#plates .plate .well[aria-label*='doubtful: It is ΔE00']";
    assert_eq!(shown(&browser, spoken).await, 8, "and a word for who listens");
    assert_eq!(shown(&browser, "#table tbody .status.doubtful").await, 8, "and in each row");
    assert!(browser.text("#table tbody tr:first-child").await.contains("doubtful"));
    let notice = browser.text("#doubts").await;
    assert!(notice.contains("8 of 8 measured wells are doubtful: A1–H1."), "{notice}");
    assert!(notice.contains("used by an earlier experiment"), "it says what they share: {notice}");
    assert!(browser.text("#inspector").await.contains("Doubtful."), "and beside the well that is looked at");
    assert!(browser.text("#now").await.contains("8 of them doubtful"));

    // Its owner asks again, free; the operator lays a new plate, and that is the answer.
    let quota = browser.text("#quota b").await;
    browser.click("#doubts form[action$='/retry'] button").await;
    browser.find("#head .status.waiting").await;
    assert!(browser.text("#now").await.contains("aiting for an operator"));
    assert_eq!(browser.text("#quota b").await, quota, "nothing was charged");
    assert_eq!(browser.text("#in-need .in-need").await, "1", "the header counts the robot that asks");
    let retry = browser.address().await;
    browser.click("#waiting a[href='/robots/bench']").await;
    browser.find("#q-act-new_plate button").await;
    machine.lay_new_plate().await;
    browser.click("#q-act-new_plate button").await;
    browser.find("#questions [role=status]").await;
    assert!(browser.text("#questions").await.contains("The question is answered"));
    browser.until("nobody is waited for", "return document.querySelector('#in-need .in-need') === null").await;
    browser.go(&retry).await;
    browser.find("#head .status.completed").await;
    assert_eq!(shown(&browser, ".doubtful").await, 0, "on a clean plate all are believed");
}

const ENTER: &str = "\u{e007}";
/// The first thing on the checklist that is to be done and can be said to be.
const NEXT: &str = "#questions .checklist li:has(.status.attention) button:enabled";

#[tokio::test]
async fn a_deck_that_isnt_believed_is_gone_through_with_the_keyboard() {
    let machine = Machine::switch_on();
    let first = Bench::with(&machine).await;
    let client = Client::sign_in(&first.address, ADMIN, PASSWORD).await;
    client.until_completed(&mix(&client, &eight_wells()[..1]).await).await;
    drop(first);
    // Another lab finds the first one's mark on the machine.
    let second = Bench::with(&machine).await;
    let client = Client::sign_in(&second.address, ADMIN, PASSWORD).await;
    let id = mix(&client, &eight_wells()[..1]).await;
    let browser = Browser::open().await;
    sign_in_at(&browser, &second.address).await;
    browser.go(&format!("{}/robots/bench", second.address)).await;
    browser.find("#questions .checklist").await;
    assert!(browser.text("#questions").await.contains("Slot 1: a new, empty plate"));
    machine.lay_new_plate().await;
    let left = "return document.querySelectorAll('#questions .status.attention').length";
    let all = browser.script(left, json!([])).await.as_u64().expect("a count");
    assert_eq!(all, 5, "plate, tips and three vials");
    for done in 1..=all {
        browser.find(NEXT).await;
        browser.script("document.querySelector(arguments[0]).focus()", json!([NEXT])).await;
        browser.press(ENTER).await;
        browser.until("it is ticked", &format!("{left} === {}", all - done)).await;
        let focus = "return document.getElementById('questions').contains(document.activeElement)";
        browser.until("the keyboard goes on from there", focus).await;
    }
    browser.click("#questions form[action$='/resume'] button").await;
    browser.until("nothing is asked", "return document.querySelector('#questions .question') === null").await;
    client.until_completed(&id).await;
}
