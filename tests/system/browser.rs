//! A person with a browser: signs in, asks for a mixture through the form, watches, sees the measured colour.

use crate::{
    client::Client,
    process::{ADMIN, Lab, PASSWORD},
    webdriver::Browser,
};
use serde_json::json;

/// Amounts of the first row, by the accessible name that a screen reader speaks.
async fn pour(browser: &Browser, dye: &str, volume_ul: &str) {
    browser.type_into(&format!("input[aria-label='Well 1, {dye}, µL']"), volume_ul).await;
}

async fn sign_in(browser: &Browser, lab: &Lab) {
    browser.go(&lab.address).await;
    browser.type_into("input[name=email]", ADMIN).await;
    browser.type_into("input[name=password]", PASSWORD).await;
    browser.click("form.sign-in button").await;
    browser.find("header nav").await;
}

#[tokio::test]
async fn a_person_signs_in_asks_for_a_mixture_and_sees_its_colour() {
    let lab = Lab::up(200);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;

    browser.go(&format!("{}/experiments/new", lab.address)).await;
    pour(&browser, "red", "60").await;
    pour(&browser, "yellow", "30").await;
    pour(&browser, "blue", "60").await;
    browser.click("#submit").await;

    // The live page changes by itself: nothing is loaded again here.
    browser.find(".status.completed").await;
    browser.find("#table .status.measured").await;
    let address = browser.address().await;
    let id =
        address.split(['/', '?', '#']).rev().find(|part| part.len() == 36).expect("the experiment's page").to_owned();
    let experiment = Client::of(&lab).await.experiment(&id).await;
    let measured = experiment["wells"][0]["result"]["srgb"].as_str().expect("a colour").to_owned();
    let fill = format!("#plates .well.measured .liquid[fill='{measured}']");
    browser.find(&fill).await;
    assert!(browser.text("#table tbody").await.contains(&measured), "the table says it in text, too");
}

#[tokio::test]
async fn the_form_says_what_to_change_and_keeps_what_was_typed() {
    let lab = Lab::up(600);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    browser.go(&format!("{}/experiments/new", lab.address)).await;
    pour(&browser, "red", "5").await;
    browser.click("#submit").await;
    browser.find("[aria-invalid=true]").await;
    assert!(browser.text("#problem-1").await.contains("20"), "it says the least amount");
    let kept =
        browser.script("return document.querySelector(\"input[aria-label='Well 1, red, µL']\").value", json!([])).await;
    assert_eq!(kept, "5");
    let list = Client::of(&lab).await.get("/api/v1/experiments").await;
    assert_eq!(list["data"], json!([]), "nothing was charged and nothing moves");
}
