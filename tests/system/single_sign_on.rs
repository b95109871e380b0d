//! Signing in by a provider of identity: a certified one (npm's oidc-provider), with a person's browser between.

use crate::{
    client::Client,
    process::{Lab, Process},
    webdriver::Browser,
};
use free_port::free_port;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The provider's process, and the lab that asks it.
struct Scene {
    provider: Process,
    issuer: String,
    lab: Lab,
}

/// Where the provider is installed.
fn modules() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oidc");
    let modules = env::var_os("TINCTURE_TEST_OIDC").map_or(usual, PathBuf::from);
    let is_there = modules.join("node_modules/oidc-provider").is_dir();
    assert!(
        is_there,
        "no provider of identity in {}: copy tests/oidc/package*.json there and run `npm ci`, as scripts/test.sh does",
        modules.display()
    );
    modules
}

/// Node.js as package.json pins it, for Debian's may be too old for the provider.
fn node() -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    modules().join(format!("node_modules/node-linux-{machine}/bin/node"))
}

impl Scene {
    fn set(more: &[(&'static str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let public_url = format!("http://{listen}");
        let mut node = Command::new(node());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oidc/provider.mjs");
        node.arg(script).arg(modules()).arg(&public_url).env("NODE_NO_WARNINGS", "1");
        let mut provider = Process::spawn(node);
        let issuer = provider.word_after("ready ");
        let mut settings: Vec<(&str, String)> = vec![
            ("TINCTURE_PUBLIC_URL", public_url),
            ("TINCTURE_OIDC_ISSUER", issuer.clone()),
            ("TINCTURE_OIDC_CLIENT_ID", "tincture".to_owned()),
            ("TINCTURE_OIDC_CLIENT_SECRET", "a secret of the lab: %+&".to_owned()),
            ("TINCTURE_OIDC_LABEL", "Example University".to_owned()),
            ("TINCTURE_OIDC_ROLES", "groups lab-staff = operator 480; groups class-7 = student 96".to_owned()),
            (
                "TINCTURE_OIDC_GROUPS",
                "groups lab-staff = teacher of Colour 101; groups class-7 = member of Colour 101".to_owned(),
            ),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let lab = Lab::up_at(&listen, 20, settings);
        Self { provider, issuer, lab }
    }

    /// What the provider knows of somebody from here on.
    async fn know(&self, login: &str, groups: &[&str]) {
        let claims = json!({ "email": format!("{login}@example.org"), "email_verified": true, "groups": groups });
        let told = reqwest::Client::new().post(format!("{}/control/people", self.issuer));
        let told = told.json(&json!({ login: claims })).send().await.expect("an answer");
        assert_eq!(told.status(), StatusCode::NO_CONTENT);
    }

    /// From the lab's page to the provider's, where somebody says who they are.
    async fn sign_in_there(&self, browser: &Browser, page: &str, login: &str) {
        browser.go(&format!("{}{page}", self.lab.address)).await;
        browser.click(".elsewhere a").await;
        say_who(browser, login).await;
    }

    /// As if all had signed in long ago.
    async fn age_proofs(&self) {
        let url = format!("sqlite://{}", self.lab.data_dir().join("tincture.sqlite").display());
        let store = store::Store::connect_existing(&url, store::Options::default()).await.expect("it opens");
        store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
        store.close().await.expect("closed");
        // What the lab remembers of who asks is of a moment ago.
        tokio::time::sleep(store::UNSEEN).await;
    }

    async fn account(&self, email: &str) -> Value {
        let users = Client::of(&self.lab).await.get("/api/v1/users").await;
        let all = users["data"].as_array().expect("a list");
        all.iter().find(|user| user["email"] == email).cloned().unwrap_or(Value::Null)
    }

    /// What the activity log has of this kind, newest first.
    async fn told(&self, action: &str) -> Vec<Value> {
        let lines = Client::of(&self.lab).await.get("/api/v1/activity?limit=100").await;
        let lines = lines["data"].as_array().expect("a list").clone();
        lines.into_iter().filter(|line| line["action"] == action).collect()
    }
}

/// In the provider's form, which leads back to the lab.
async fn say_who(browser: &Browser, login: &str) {
    browser.type_into("input[name=login]", login).await;
    browser.type_into("input[name=password]", "any").await;
    browser.click("button.login-submit").await;
    browser.find("header nav").await;
}

/// Out of the lab, and told that one door is still open.
async fn sign_out(browser: &Browser) {
    browser.click("form[action='/sign-out'] button").await;
    let told = "return document.querySelector('h1')?.textContent === 'Signed out of the lab'";
    browser.until("signed out of the lab alone", told).await;
}

#[tokio::test]
async fn a_person_comes_by_their_institution_and_is_what_it_says_until_it_signs_them_out() {
    let scene = Scene::set(&[]);
    let lab = scene.lab.address.clone();
    let admin = Client::of(&scene.lab).await;
    let group = json!({ "name": "Colour 101", "allowance": 10, "refill": "never" });
    let (status, group) = admin.post("/api/v1/groups", &group).await;
    assert_eq!(status, StatusCode::CREATED, "{group}");
    let members = async || {
        let members = admin.get(&format!("/api/v1/groups/{}/members", group["id"].as_str().expect("an id"))).await;
        let of = |member: &Value| (member["email"].clone(), member["standing"].clone(), member["by_provider"].clone());
        members["data"].as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    scene.know("ada", &["chess", "lab-staff"]).await;
    let browser = Browser::open().await;
    scene.sign_in_there(&browser, "/robots?x=1", "ada").await;
    assert_eq!(browser.address().await, format!("{lab}/robots?x=1"), "where they were going");
    let ada = scene.account("ada@example.org").await;
    assert_eq!((&ada["role"], &ada["quota_remaining"]), (&json!("operator"), &json!(480)));
    assert_eq!(scene.told("user_created").await[0]["details"]["via"], json!(scene.issuer));
    assert_eq!(members().await, [(json!("ada@example.org"), json!("teacher"), json!(true))]);

    // Other groups, and what was granted goes; they are still signed in there, so nobody asks who they are.
    sign_out(&browser).await;
    scene.know("ada", &["class-7"]).await;
    browser.go(&format!("{lab}/sign-in")).await;
    browser.click(".elsewhere a").await;
    browser.find("header nav").await;
    let ada = scene.account("ada@example.org").await;
    assert_eq!((&ada["role"], &ada["quota_remaining"]), (&json!("student"), &json!(106)), "and the group's allowance");
    assert_eq!(members().await, [(json!("ada@example.org"), json!("member"), json!(true))]);
    let joined = scene.told("group_joined").await;
    assert_eq!((joined.len(), &joined[0]["details"]["via"]), (2, &json!(scene.issuer)));
    let changed = scene.told("role_changed").await;
    assert_eq!((changed.len(), &changed[0]["details"]["role"]), (1, &json!("student")));
    browser.go(&format!("{lab}/robots")).await;
    assert!(browser.text("main").await.contains("operators and administrators"));

    // What is grave asks anew, and there, though they are signed in there.
    scene.age_proofs().await;
    browser.go(&format!("{lab}/account/second-factor")).await;
    browser.click("form[action='/account/second-factor'] button").await;
    browser.click("main a[href^='/auth/oidc/start']").await;
    say_who(&browser, "ada").await;
    assert_eq!(browser.address().await, format!("{lab}/account"));

    // With a second factor of this lab the word alone is not enough.
    browser.go(&format!("{lab}/account/second-factor")).await;
    browser.click("form[action='/account/second-factor/app'] button").await;
    browser.find("code.secret").await;
    let secret = browser.text("code.secret").await;
    browser.type_into("input[name=code]", &auth::testing::code_of_now(&secret)).await;
    browser.click("form[action='/account/second-factor/app/confirm'] button").await;
    browser.find("ol.codes").await;
    sign_out(&browser).await;
    browser.go(&format!("{lab}/sign-in?next=/account")).await;
    browser.click(".elsewhere a").await;
    browser.type_into("input[name=code]", &auth::testing::next_code(&secret)).await;
    browser.click("form[action='/sign-in/second'] button").await;
    browser.find("header nav").await;
    assert_eq!(browser.address().await, format!("{lab}/account"), "where they were going");

    // What ends there ends here.
    browser.go(&format!("{}/session/end", scene.issuer)).await;
    browser.click("button[name=logout]").await;
    browser.until("they are out", "return document.title === 'Sign-out Success'").await;
    browser.go(&format!("{lab}/experiments")).await;
    browser.find("form.sign-in").await;
    let ended = scene.told("sign_out").await;
    assert_eq!(ended[0]["details"]["via"], json!(scene.issuer), "{ended:?}");
}

#[tokio::test]
async fn without_a_group_or_a_provider_nobody_comes_in_but_an_administrator_with_a_password() {
    let scene = Scene::set(&[("TINCTURE_PASSWORDS", "administrators")]);
    let lab = scene.lab.address.clone();
    scene.know("eve", &["chess"]).await;
    let browser = Browser::open().await;
    browser.go(&format!("{lab}/sign-in")).await;
    browser.click(".elsewhere a").await;
    browser.type_into("input[name=login]", "eve").await;
    browser.type_into("input[name=password]", "any").await;
    browser.click("button.login-submit").await;
    browser.find("main [role=alert]").await;
    assert!(browser.text("main").await.contains("in no group that may use this lab"));
    assert_eq!(scene.account("eve@example.org").await, Value::Null);
    assert!(
        browser.address().await.starts_with(&format!("{lab}/auth/oidc/callback?")),
        "what it says of the sign-in is over"
    );
    let again = browser.address().await;
    browser.go(&again).await;
    assert!(browser.text("main").await.contains("begun in another browser"), "an answer counts once");

    let admin = Client::of(&scene.lab).await;
    let account = json!({ "email": "bob@example.org", "password": "quite long enough", "role": "student", "quota": 1 });
    assert_eq!(admin.post("/api/v1/users", &account).await.0, StatusCode::CREATED);
    let sign_in = json!({ "email": "bob@example.org", "password": "quite long enough" });
    let (status, refused) = admin.post("/api/v1/auth/login", &sign_in).await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!("not-allowed")), "{refused}");

    scene.provider.kill();
    let mut fresh = scene.lab;
    fresh.stop();
    fresh.start_where_it_was();
    browser.go(&format!("{lab}/auth/oidc/start")).await;
    assert!(browser.text("main").await.contains("doesn’t answer as it should"));
    crate::browser::sign_in_at(&browser, &lab).await;
}
