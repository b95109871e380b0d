//! Passkeys in a real Chromium, with its virtual authenticator.

use crate::{
    browser::sign_in_at,
    process::{ADMIN, Lab, PASSWORD, run, tincture},
    webdriver::Browser,
};
use serde_json::{Value, json};

/// Signs in as the sign-in page does, in the page that is open, and brings the answer twice.
const TWICE: &str = "
    const post = (path, body) => fetch(path, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const asked = await (await post('/api/v1/auth/passkey/options', {})).json();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options);
    const credential = (await navigator.credentials.get({ publicKey })).toJSON();
    const answer = { challenge: asked.challenge, credential };
    return [(await post('/api/v1/auth/passkey', answer)).status, (await post('/api/v1/auth/passkey', answer)).status]";
/// Answers a challenge that was fetched elsewhere.
const ANSWER: &str = "
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(arguments[0]);
    return (await navigator.credentials.get({ publicKey })).toJSON()";

fn awaited(script: &str) -> String {
    format!("return (async (...arguments) => {{ {script} }})(...arguments)")
}

async fn sign_out(browser: &Browser) {
    browser.click("header form button").await;
    browser.until("signed out", "return document.querySelector('header nav') === null").await;
}

/// What the pages of one lab, and those of others, can do with its passkey.
#[tokio::test]
async fn a_passkey_signs_in_here_once_and_nowhere_else() {
    let required = ("TINCTURE_SECOND_FACTOR_REQUIRED", "admin".to_owned());
    let lab = Lab::up_with(20, vec![required]);
    let here = lab.address.replace("127.0.0.1", "localhost");
    let browser = Browser::open().await;
    browser.add_authenticator().await;

    // Whose role needs a second factor is led to where they get one.
    sign_in_at(&browser, &here).await;
    assert_eq!(browser.address().await, format!("{here}/account/second-factor"));
    browser.type_into("#name", "laptop").await;
    browser.click("[data-passkey=make] button").await;
    browser.find("ol.codes").await;
    browser.go(&format!("{here}/users")).await;
    browser.find("#people").await;

    // By itself, and beside the password.
    sign_out(&browser).await;
    browser.go(&format!("{here}/sign-in?next=/users")).await;
    browser.click("form[action='/sign-in/passkey'] button").await;
    browser.find("#people").await;
    sign_out(&browser).await;
    browser.go(&format!("{here}/sign-in")).await;
    browser.type_into("input[name=email]", ADMIN).await;
    browser.type_into("input[name=password]", PASSWORD).await;
    browser.click("form[action='/sign-in'] button").await;
    browser.click("form[action='/sign-in/second'] [data-passkey=use] button").await;
    browser.find("header nav").await;
    browser.go(&format!("{here}/account/second-factor")).await;
    assert!(browser.text("#main").await.contains("last used"), "it says so");

    let statuses = browser.script(&awaited(TWICE), json!([])).await;
    assert_eq!(statuses, json!([200, 401]), "an answer is good once");

    // Another page of this machine, with the browser's whole help: the server sees where it was asked.
    let http = reqwest::Client::new();
    let post = async |path: &str, body: &Value| {
        http.post(format!("{}/api/v1/auth/{path}", lab.address)).json(body).send().await.expect("an answer")
    };
    let asked: Value = post("passkey/options", &json!({})).await.json().await.expect("JSON");
    browser.go(&format!("{}/health", lab.robot.replace("127.0.0.1", "localhost"))).await;
    let credential = browser.script(&awaited(ANSWER), json!([asked["options"]])).await;
    assert!(credential["response"]["signature"].is_string(), "the device answered: {credential}");
    let refused = post("passkey", &json!({ "challenge": asked["challenge"], "credential": credential })).await;
    assert_eq!(refused.status(), 401, "an answer to another origin");

    // At an address of numbers there are no passkeys, and the page says where there are.
    browser.go(&format!("{}/sign-in", lab.address)).await;
    browser.click("form[action='/sign-in/passkey'] button").await;
    browser.until("it says where", "return document.querySelector('[data-passkey] [role=status]').textContent.includes('work at http://localhost')").await;

    // Taken away by whoever has the database.
    let mut reset = tincture(&["user", "reset-factor", ADMIN]);
    reset.env("TINCTURE_DATA_DIR", lab.data_dir());
    let said = run(reset);
    assert!(said.status.success() && said.stdout.contains("has no second factor any more"), "{said:?}");
    browser.go(&format!("{here}/sign-in")).await;
    browser.click("form[action='/sign-in/passkey'] button").await;
    browser.find("#sign-in-problem").await;
    assert_eq!(browser.text("header nav").await, "", "a removed passkey opens nothing");
}
