//! The pages as a browser without JavaScript uses them: plain HTTP, forms and cookies, on a real port.

#[path = "pages/asked.rs"]
mod asked;
#[path = "pages/factors.rs"]
mod factors;
#[path = "pages/groups.rs"]
mod groups;
#[path = "pages/records.rs"]
mod records;
#[path = "pages/single_sign_on.rs"]
mod single_sign_on;

use auth::{NewAccount, Password};
use domain::{
    Attendance, Change, Deck, Ending, ExperimentId, ExperimentStatus, Fault, FaultCode, JournalEvent, Mount, Operation,
    RobotKind, RobotMode, Role, Step, Tool, WellStatus,
};
use request::{AppState, Changes};
use reqwest::{Client, Response, StatusCode, header, redirect};
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use store::{Ended, Entry, Intended, Lease, LeaseClaim, NewRobot, Purpose, testing::TestDatabase};
use workflow::{ExperimentRequest, Lab, WellRequest};

const PASSWORD: &str = "a password for tests";

struct Site {
    base: String,
    state: AppState,
    _database: TestDatabase,
}

/// A browser without scripts: it follows no redirect by itself, so that a test sees each answer.
struct Visitor<'a> {
    site: &'a Site,
    client: Client,
    cookie: Option<String>,
}

impl Site {
    async fn open() -> Self {
        Self::with_changes(Changes::default()).await
    }

    async fn with_changes(changes: Changes) -> Self {
        Self::with(|state| state.with_changes(changes)).await
    }

    async fn with(change: impl FnOnce(AppState) -> AppState) -> Self {
        let database = TestDatabase::sqlite().await;
        let store = database.store.clone();
        let auth = auth::Service::new(store.clone()).await.expect("auth");
        let state = change(AppState::new(store.clone(), auth, Lab::new(store.clone())));
        let robot = NewRobot {
            name: "virtual".to_owned(),
            kind: RobotKind::Ot2,
            url: "http://127.0.0.1:9".to_owned(),
            sensor_url: "tcp://127.0.0.1:9".to_owned(),
            attendance: Attendance::Virtual,
            deck: Deck::default(),
        };
        store.ensure_robot(robot).await.expect("a robot");
        let mut site = Self { base: String::new(), state, _database: database };
        site.serve().await;
        site
    }

    /// On a port of its own, with the state as it is now.
    async fn serve(&mut self) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = web::router(self.state.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
    }

    /// The same lab, to whose accounts people come in another way, on another port.
    async fn serve_with(&mut self, policy: auth::AccountPolicy) {
        self.state.auth = self.state.auth.clone().with_account_policy(policy).expect("a policy");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = web::router(self.state.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
    }

    async fn account(&self, email: &str, role: Role, quota: i32) {
        let account = NewAccount { email: email.to_owned(), password: Password::from(PASSWORD), role, quota };
        self.state.auth.create_user(account, None, None).await.expect("an account");
    }

    fn stranger(&self) -> Visitor<'_> {
        let client = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Visitor { site: self, client, cookie: None }
    }

    async fn signed_in(&self, email: &str, role: Role, quota: i32) -> Visitor<'_> {
        self.account(email, role, quota).await;
        let mut visitor = self.stranger();
        let answer = visitor.post("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = text_header(&answer, header::SET_COOKIE);
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
            "{cookie}"
        );
        visitor.cookie = cookie.split(';').next().map(str::to_owned);
        visitor
    }
}

impl Visitor<'_> {
    async fn get(&self, path: &str) -> Response {
        self.send(self.client.get(format!("{}{path}", self.site.base))).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.expect("text")
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let body =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let request = self.client.post(format!("{}{path}", self.site.base));
        self.send(request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let request = match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        };
        request.send().await.expect("an answer")
    }

    /// Asks for one well and gives the path of its page.
    async fn ask(&self, name: &str, red: &str) -> String {
        let answer = self
            .post("/experiments/new", &[("do", "submit"), ("rows", "8"), ("name", name), ("well-0-red", red)])
            .await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        text_header(&answer, header::LOCATION)
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn text_header(answer: &Response, name: header::HeaderName) -> String {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let start = format!("name=\"{name}\" value=\"");
    page.split_once(&start).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value).expect("the field")
}

#[tokio::test]
async fn a_token_is_made_shown_once_and_revoked_on_the_account_page() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let page = ada.page("/account").await;
    assert!(page.contains("There is none yet.") && page.contains("ask for experiments"), "{page}");
    assert!(!page.contains("run the lab"), "what a student may not isn't offered");

    for (fields, said) in [
        (&[("name", "<i>"), ("days", "90")][..], "Say what the token may do"),
        (&[("name", "\u{202e}"), ("read", "yes"), ("days", "90")], "The token’s name can’t be kept"),
        (&[("name", "x"), ("read", "yes"), ("days", "9000")], "A token lives for 1 to 365 days"),
        (&[("name", "x"), ("operate", "yes"), ("days", "90")], "A token can’t do more than its owner"),
    ] {
        let answer = ada.post("/account/tokens", fields).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = answer.text().await.expect("text");
        assert!(page.replace("&#39;", "’").contains(said) && page.contains("None was made."), "{said}: {page}");
        assert!(page.contains("There is none yet.") && !page.contains("<i>"), "{page}");
    }
    let made = ada.post("/account/tokens", &[("name", "night <runs>"), ("read", "yes"), ("days", "30")]).await;
    assert_eq!((made.status(), text_header(&made, header::CACHE_CONTROL)), (StatusCode::OK, "no-store".to_owned()));
    let made = made.text().await.expect("text");
    let secret =
        made.split("tct_").nth(2).and_then(|rest| rest.get(..46)).or_else(|| made.split("tct_").nth(1)?.get(..46));
    let secret = format!("tct_{}", secret.expect("the secret"));
    let identity = site.state.auth.authenticate(&secret).await.expect("it is good");
    assert_eq!(identity.user.email, "ada@example.org");

    let page = ada.page("/account").await;
    assert!(!page.contains(&secret) && page.contains("night &#60;runs&#62;"), "shown once: {page}");
    assert!(page.contains("never used") && page.contains("runs out"), "{page}");
    let revoke =
        page.split("action=\"/account/tokens/").nth(1).and_then(|rest| rest.split('"').next()).expect("a form");
    let revoke = format!("/account/tokens/{revoke}");
    let bob = site.signed_in("bob@example.org", Role::Operator, 5).await;
    assert_eq!(bob.post(&revoke, &[]).await.status(), StatusCode::NOT_FOUND, "it isn't his");
    let revoked = ada.post(&revoke, &[]).await;
    assert_eq!(text_header(&revoked, header::LOCATION), "/account?done=revoked");
    let page = ada.page("/account?done=revoked").await;
    assert!(page.contains("The token is revoked.") && page.contains("There is none yet."), "{page}");
    site.state.auth.authenticate(&secret).await.expect_err("it opens nothing");
    assert_eq!(ada.post(&revoke, &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_account_page_says_which_tokens_ran_out_and_when_there_is_room_for_no_more() {
    let site = Site::open().await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let make = async || olga.post("/account/tokens", &[("name", "old"), ("operate", "yes"), ("days", "7")]).await;
    assert_eq!(make().await.status(), StatusCode::OK);
    site._database.store.run_sql("UPDATE api_tokens SET expires_at = '2026-01-01T00:00:00+00:00'").await;
    let page = olga.page("/account").await;
    assert!(page.contains("ran out") && page.contains("1 Jan 2026") && page.contains(">Remove<"), "{page}");
    for _ in 0..50 {
        make().await;
    }
    let page = olga.page("/account").await;
    assert!(
        page.contains("These are 50, as many as one person may have.") && !page.contains("Make a token<"),
        "{page}"
    );
    let one_more = make().await;
    assert_eq!(one_more.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_the_form_has_no_place_for_is_said_and_not_left_out() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let red = [("do", "submit"), ("rows", "8"), ("well-0-red", "60")];
    for (more, said) in [
        (("well-0-green", "30"), "no place on this form for green"),
        (("well-99-blue", "30"), "no place on this form for blue"),
        (("well-0-blue", "20.00000000000000000000000000000000000000009"), "is no number of µL"),
        (("well-0-blue", "inf"), "finite"),
    ] {
        let answer = ada.post("/experiments/new", &[&red[..], &[more]].concat()).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{more:?}");
        let page = answer.text().await.expect("text");
        assert!(page.contains(said) && page.contains("value=\"60\""), "{more:?}");
    }
    let twice = ada.post("/experiments/new", &[&red[..], &[("well-0-red", "90")]].concat()).await;
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    assert!(twice.text().await.expect("text").contains("comes twice"));
    assert!(!ada.page("/experiments").await.contains("/experiments/0"), "nothing was asked for");
    let nothing =
        ada.post("/experiments/new", &[&red[..], &[("well-0-green", "0"), ("well-99-red", "")]].concat()).await;
    assert_eq!(nothing.status(), StatusCode::SEE_OTHER, "0 of what isn't there is nothing");
}

#[tokio::test]
async fn how_it_is_pipetted_is_asked_for_on_the_form_and_kept_for_a_copy() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let blank = ada.page("/experiments/new").await;
    assert!(blank.contains("<details class=\"panel\" id=\"handling\">"), "folded away");
    let asked = [("do", "submit"), ("rows", "8"), ("well-0-red", "60"), ("well-0-blue", "60")];
    let handling =
        [("mix", "3"), ("mix-volume", "50"), ("touch-tip", "yes"), ("tips", "per_transfer"), ("air-gap", "2,5")];
    let answer = ada.post("/experiments/new", &[&asked[..], &handling].concat()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let experiment = text_header(&answer, header::LOCATION);
    let outlook = ada.page(&experiment).await;
    assert!(outlook.contains("p300_single_gen2 gives 2 amounts of 60 µL, at most 1.1 µL off"), "{outlook}");
    assert!(!outlook.contains("well by well"), "each transfer has its own tip");
    let said = "mixed 3 × with 50 µL, tips touched off, 2.5 µL of air behind each dye, a new tip for each transfer";
    assert!(ada.page(&experiment).await.contains(said));
    let copy = ada.page(&format!("/experiments/new?from={}", experiment.trim_start_matches("/experiments/"))).await;
    for kept in
        ["id=\"handling\" open>", "value=\"2.5\"", "<option value=\"per_transfer\" selected>", "value=\"yes\" checked"]
    {
        assert!(copy.contains(kept), "{kept}");
    }
    for (wrong, said) in
        [(("mix", "11"), "1 to 10 times"), (("mix", "often"), "whole number"), (("air-gap", "21"), "at most 20")]
    {
        let others = handling.iter().filter(|(name, _)| *name != wrong.0).copied();
        let form: Vec<_> = asked.iter().copied().chain(others).chain([wrong]).collect();
        let answer = ada.post("/experiments/new", &form).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
        let page = answer.text().await.expect("text");
        assert!(page.contains(said) && page.contains("id=\"handling\" open>"), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_copy_tells_which_dye_no_deck_has_any_more() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let experiment = ada.ask("old", "60").await;
    let mut deck = Deck::default();
    deck.dyes.retain(|dye| dye.name.as_str() != "red");
    let robot = NewRobot {
        name: "virtual".to_owned(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:9".to_owned(),
        sensor_url: "tcp://127.0.0.1:9".to_owned(),
        attendance: Attendance::Virtual,
        deck,
    };
    site.state.store.ensure_robot(robot).await.expect("another deck");
    let again = format!("/experiments/new?from={}", experiment.trim_start_matches("/experiments/"));
    assert!(ada.page(&again).await.contains("no place on this form for red"));
}

#[tokio::test]
async fn signing_in_leads_back_to_the_page_that_was_wanted() {
    let site = Site::open().await;
    site.account("ada@example.org", Role::Student, 5).await;
    let stranger = site.stranger();
    let sent = stranger.get("/experiments/new").await;
    assert_eq!(text_header(&sent, header::LOCATION), "/sign-in?next=/experiments/new");
    let form = [("email", "ada@example.org"), ("password", PASSWORD), ("next", "/experiments/new")];
    assert_eq!(text_header(&stranger.post("/sign-in", &form).await, header::LOCATION), "/experiments/new");
    let lured = [("email", "ada@example.org"), ("password", PASSWORD), ("next", "//evil.example/")];
    assert_eq!(text_header(&stranger.post("/sign-in", &lured).await, header::LOCATION), "/experiments");
}

#[tokio::test]
async fn a_wrong_password_is_said_beside_the_kept_address() {
    let site = Site::open().await;
    let answer = site.stranger().post("/sign-in", &[("email", "ada@example.org"), ("password", "wrong")]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().get(header::SET_COOKIE).is_none());
    let page = answer.text().await.expect("text");
    assert!(page.contains("role=\"alert\"") && page.contains("value=\"ada@example.org\""));
    assert!(!page.contains("value=\"wrong\""));
}

#[tokio::test]
async fn signing_in_anew_ends_the_browsers_earlier_session() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    site.account("bob@example.org", Role::Student, 5).await;
    let wrong = ada.post("/sign-in", &[("email", "bob@example.org"), ("password", "wrong horse")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ada.get("/account").await.status(), StatusCode::OK, "nobody signed in");
    let anew = ada.post("/sign-in", &[("email", "bob@example.org"), ("password", PASSWORD)]).await;
    assert!(text_header(&anew, header::SET_COOKIE).starts_with("tincture_session="));
    assert_eq!(text_header(&ada.get("/account").await, header::LOCATION), "/sign-in?next=/account", "ada's is over");
}

#[tokio::test]
async fn signing_out_ends_the_session_itself() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    assert_eq!(ada.get("/").await.status(), StatusCode::SEE_OTHER);
    let answer = ada.post("/sign-out", &[]).await;
    assert_eq!(text_header(&answer, header::HeaderName::from_static("clear-site-data")), "\"cache\", \"storage\"");
    assert!(text_header(&answer, header::SET_COOKIE).contains("Max-Age=0"));
    // Whoever kept the cookie has nothing.
    assert_eq!(text_header(&ada.get("/account").await, header::LOCATION), "/sign-in?next=/account");
}

#[tokio::test]
async fn a_form_makes_one_experiment_however_often_it_is_sent() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let blank = ada.page("/experiments/new").await;
    let form = [
        ("do", "submit"),
        ("rows", "8"),
        ("token", hidden(&blank, "token")),
        ("well-0-red", "60"),
        ("well-2-blue", "40,5"),
    ];
    let first = text_header(&ada.post("/experiments/new", &form).await, header::LOCATION);
    let second = text_header(&ada.post("/experiments/new", &form).await, header::LOCATION);
    assert!(first.starts_with("/experiments/"), "{first}");
    assert_eq!(first, second);
    let page = ada.page(&first).await;
    assert!(page.contains("2 wells") && page.contains("40.5"), "blank rows are no wells, and a decimal comma counts");
    assert!(page.contains("<b>3</b> wells left"));
    // The same form with other amounts is another wish: asked about, not charged.
    let changed = [form[0], form[1], form[2], ("well-0-red", "80")];
    let answer = ada.post("/experiments/new", &changed).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_ne!(hidden(&answer.text().await.expect("text"), "token"), hidden(&blank, "token"));
}

#[tokio::test]
async fn a_changed_password_is_confirmed_and_a_wrong_one_said() {
    let site = Site::open().await;
    let mut ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let wrong = ada.post("/account/password", &[("current", "wrong"), ("next", "another long password")]).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text().await.expect("text").contains("The present password isn’t that one. It wasn’t changed."));
    let answer = ada.post("/account/password", &[("current", PASSWORD), ("next", "another long password")]).await;
    ada.cookie = text_header(&answer, header::SET_COOKIE).split(';').next().map(str::to_owned);
    let page = ada.page(&text_header(&answer, header::LOCATION)).await;
    assert!(page.contains("The password is changed") && page.contains("role=\"status\""));
    assert!(!ada.page("/account").await.contains("The password is changed"), "said once");
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_row_and_nothing_typed_is_lost() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let form = [
        ("do", "submit"),
        ("rows", "8"),
        ("name", "Kept & safe"),
        ("well-1-red", "5"),
        ("well-2-red", "200"),
        ("well-2-blue", "101"),
        ("well-4-yellow", "60"),
    ];
    let answer = ada.post("/experiments/new", &form).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.expect("text");
    let problem = |number: usize| {
        page.split_once(&format!("id=\"problem-{number}\"")).map(|(_, rest)| rest.chars().take(300).collect::<String>())
    };
    assert!(problem(2).expect("row 2").contains("at least 20"));
    assert!(problem(3).expect("row 3").contains("take 1 µL away"));
    assert_eq!(problem(5), None);
    for kept in [
        "value=\"Kept &#38; safe\"",
        "name=\"well-1-red\" value=\"5\"",
        "name=\"well-4-yellow\" value=\"60\"",
        "name=\"well-2-blue\" value=\"101\"",
    ] {
        assert!(page.contains(kept), "{kept}");
    }
    let nonsense =
        ada.post("/experiments/new", &[("rows", "8"), ("well-0-red", "sixty"), ("well-0-blue", "NaN")]).await;
    assert_eq!(nonsense.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(ada.page("/experiments").await.contains("<b>5</b> wells left"), "nothing was charged");
}

#[tokio::test]
async fn all_wells_may_aim_at_one_colour_and_it_is_shown_and_copied() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 20).await;
    let form =
        |target| [("do", "submit"), ("rows", "8"), ("well-0-red", "60"), ("well-1-blue", "60"), ("target", target)];
    let refused = ada.post("/experiments/new", &form("ochre")).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = refused.text().await.expect("text");
    assert!(page.contains("id=\"target-problem\"") && page.contains("value=\"ochre\""), "{page}");

    let made = ada.post("/experiments/new", &form("#CC7722")).await;
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    let experiment = made.headers()["location"].to_str().expect("a path").to_owned();
    let page = ada.page(&experiment).await;
    let told = page.matches("<span class=\"mono\">#cc7722</span>").count();
    assert_eq!(told, 3, "the well looked at, and a line for each: {page}");
    let again = |path: &str| format!("/experiments/new?from={}", path.trim_start_matches("/experiments/"));
    let copy = ada.page(&again(&experiment)).await;
    assert!(copy.contains("value=\"#cc7722\"") && !copy.contains("target-problem"), "{copy}");

    let owner = site.state.store.user_by_email("ada@example.org").await.expect("a database").expect("ada");
    let well = |target: Option<&str>| WellRequest {
        volumes: [("red".to_owned(), 60.0)].into(),
        target: target.map(|colour| colour.parse().expect("a colour")),
    };
    let request = ExperimentRequest { wells: vec![well(None), well(Some("#336699"))], ..Default::default() };
    let several = site.state.lab.submit(&owner, request, None, None).await.expect("accepted").experiment.experiment.id;
    let copy = ada.page(&again(&several.to_string())).await;
    assert!(copy.contains("Its wells aim at different colours"), "{copy}");
}

#[tokio::test]
async fn more_rows_and_pasted_wells_need_no_script() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 200).await;
    let more = ada.post("/experiments/new", &[("do", "more"), ("rows", "8"), ("well-0-red", "60")]).await;
    assert_eq!(more.status(), StatusCode::OK);
    let page = more.text().await.expect("text");
    assert!(page.contains("name=\"well-15-blue\"") && page.contains("name=\"well-0-red\" value=\"60\""));
    let form = [("do", "paste"), ("rows", "8"), ("well-3-red", "60"), ("paste", "blue\tred\n40\t20\n50\t0")];
    let page = ada.post("/experiments/new", &form).await.text().await.expect("text");
    for kept in
        ["name=\"well-0-red\" value=\"60\"", "name=\"well-1-blue\" value=\"40\"", "name=\"well-2-blue\" value=\"50\""]
    {
        assert!(page.contains(kept), "{kept}");
    }
    let strange = [("do", "paste"), ("rows", "8"), ("paste", "red,green\n20,30")];
    let refused = ada.post("/experiments/new", &strange).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = refused.text().await.expect("text");
    assert!(
        page.contains("“green” is no dye here") && page.contains("red,green\n20,30"),
        "and what was pasted is kept"
    );
    let endless = "20,20,20\n".repeat(97);
    let refused = ada.post("/experiments/new", &[("do", "paste"), ("rows", "8"), ("paste", &endless)]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.expect("text").contains("id=\"paste-problem\""));
}

#[tokio::test]
async fn without_quota_nothing_is_accepted() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 1).await;
    let answer = ada
        .post("/experiments/new", &[("do", "submit"), ("rows", "8"), ("well-0-red", "60"), ("well-1-red", "60")])
        .await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().await.expect("text").contains("2 wells are more than the 1 you have left"));
    assert!(ada.page("/experiments").await.contains("The plate is empty"));
}

#[tokio::test]
async fn a_hostile_name_stays_text_everywhere() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let name = "</title><script>alert(1)</script><img src=x onerror='alert(2)'>\"";
    let experiment = ada.ask(name, "60").await;
    let again = format!("/experiments/new?from={}", experiment.trim_start_matches("/experiments/"));
    for path in [experiment.as_str(), "/experiments", &again] {
        let page = ada.page(path).await;
        assert!(page.contains("alert(2)"), "{path} shows it");
        assert!(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("</title><"), "{path}");
    }
}

#[tokio::test]
async fn somebody_elses_experiment_is_not_told_from_none() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let bob = site.signed_in("bob@example.org", Role::Researcher, 5).await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let hers = ada.ask("Ada's own", "60").await;
    let nobodys = "/experiments/01900000-0000-7000-8000-000000000000";
    for path in [hers.as_str(), nobodys, "/experiments/not-an-id"] {
        let answer = bob.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert!(!answer.text().await.expect("text").contains("Ada"));
    }
    assert_eq!(bob.post(&format!("{hers}/cancel"), &[]).await.status(), StatusCode::NOT_FOUND);
    assert!(!bob.page("/experiments?of=everyone").await.contains("Ada"));
    assert!(olga.page(&hers).await.contains("by ada@example.org"));
    assert!(olga.page("/experiments?of=everyone").await.contains("Ada"));
    assert!(ada.page(&hers).await.contains("queued"), "and it waits as before");
}

#[tokio::test]
async fn cancelling_what_waits_gives_the_quota_back() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let path = ada.ask("Not today", "60").await;
    assert!(ada.page(&path).await.contains("http-equiv=\"refresh\""), "a browser without scripts sees it go on");
    assert_eq!(ada.post(&format!("{path}/cancel"), &[]).await.status(), StatusCode::SEE_OTHER);
    let page = ada.page(&path).await;
    assert!(page.contains("class=\"status cancelled\"") && page.contains("<b>5</b> wells left"));
    assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains("/cancel\""));
    assert_eq!(ada.post(&format!("{path}/explode"), &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_role_has_its_own_pages() {
    let site = Site::open().await;
    let student = site.signed_in("ada@example.org", Role::Student, 5).await;
    let operator = site.signed_in("olga@example.org", Role::Operator, 5).await;
    for path in ["/robots", "/users"] {
        assert_eq!(student.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(operator.get("/users").await.status(), StatusCode::FORBIDDEN);
    let robots = operator.page("/robots").await;
    assert!(robots.contains("virtual") && robots.contains(" mL"));
    let form = [("email", "eve@example.org"), ("password", PASSWORD), ("role", "admin"), ("quota", "1")];
    assert_eq!(operator.post("/users", &form).await.status(), StatusCode::FORBIDDEN);
    assert!(site.state.store.user_by_email("eve@example.org").await.expect("a look").is_none());
}

#[tokio::test]
async fn an_administrator_makes_accounts_and_changes_them() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let mut form = vec![("email", "eve@example.org"), ("password", PASSWORD), ("role", "student"), ("quota", "12")];
    assert_eq!(admin.post("/users", &form).await.status(), StatusCode::SEE_OTHER);
    let twice = admin.post("/users", &form).await;
    assert_eq!(twice.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.text().await.expect("text").contains("value=\"eve@example.org\""));
    form[1] = ("password", "short");
    assert_eq!(admin.post("/users", &form).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let eve = site.state.store.user_by_email("eve@example.org").await.expect("a look").expect("eve");
    let change = [("role", "operator"), ("quota", "30"), ("quota_was", "12")];
    assert_eq!(admin.post(&format!("/users/{}", eve.id), &change).await.status(), StatusCode::SEE_OTHER);
    let eve = site.state.store.user(eve.id).await.expect("a look").expect("eve");
    assert_eq!((eve.role, eve.quota_remaining), (Role::Operator, 30));
    let page = admin.page("/account").await;
    for act in ["user created", "role changed"] {
        assert!(page.contains(&format!("{act} <span class=\"soft\">eve@example.org</span>")), "whom: {page}");
    }
}

#[tokio::test]
async fn an_administrator_disables_and_enables_an_account_by_a_button() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let eve = site.signed_in("eve@example.org", Role::Student, 5).await;
    let id = async |email| site.state.store.user_by_email(email).await.expect("a look").expect("the account").id;
    let eves = format!("/users/{}", id("eve@example.org").await);
    let page = admin.page(&eves).await;
    assert!(page.contains(&format!("action=\"{eves}/disable\">")), "a button in a form, without a script");

    let answer = admin.post(&format!("{eves}/disable"), &[]).await;
    let page = admin.page(&text_header(&answer, header::LOCATION)).await;
    assert!(page.contains("The account is disabled") && page.contains("This account is disabled"), "{page}");
    assert!(admin.page("/users").await.contains("</svg>disabled<"));
    assert_eq!(text_header(&eve.get("/account").await, header::LOCATION), "/sign-in?next=/account");
    let answer = admin.post(&format!("{eves}/enable"), &[]).await;
    assert!(!admin.page(&text_header(&answer, header::LOCATION)).await.contains("This account is disabled"));

    let own = format!("/users/{}", id("root@example.org").await);
    assert!(!admin.page(&own).await.contains(&format!("{own}/disable")));
    let refused = admin.post(&format!("{own}/disable"), &[]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "the last administrator stays");
    assert!(refused.text().await.expect("text").contains("Nothing was changed."));
    assert_eq!(admin.get("/users").await.status(), StatusCode::OK, "and is still signed in");

    let request = admin.client.post(format!("{}{eves}/disable", site.base)).header("sec-fetch-site", "cross-site");
    assert_eq!(admin.send(request).await.status(), StatusCode::FORBIDDEN);
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    assert_eq!(olga.post(&format!("{eves}/disable"), &[]).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(admin.post(&format!("{eves}/delete"), &[]).await.status(), StatusCode::NOT_FOUND);
    let eve = site.state.store.user_by_email("eve@example.org").await.expect("a look").expect("eve");
    assert_eq!(eve.disabled_at, None);
}

#[tokio::test]
async fn another_sites_form_does_nothing() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let request = ada.client.post(format!("{}/experiments/new", site.base));
    let request = request
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = ada.send(request.body("do=submit&rows=1&well-0-red=60")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(ada.page("/experiments").await.contains("The plate is empty"));
}

#[tokio::test]
async fn every_page_is_ours_alone_and_its_assets_are_kept_for_ever() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let experiment = admin.ask("One", "60").await;
    for path in ["/experiments", "/experiments/new", &experiment, "/robots", "/users", "/account", "/nowhere"] {
        let answer = admin.get(path).await;
        let policy = text_header(&answer, header::CONTENT_SECURITY_POLICY);
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(text_header(&answer, header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(text_header(&answer, header::CACHE_CONTROL), "no-store", "{path}");
        let page = answer.text().await.expect("text");
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains("src=\"//"),
            "{path} names another host"
        );
        assert!(
            !page.contains(" style=\"") && !page.contains(" onclick") && !page.contains("<style"),
            "{path} needs a looser policy"
        );
        assert!(page.contains("<html lang=\"en\">") && page.contains("id=\"main\""), "{path}");
    }
    let page = admin.page("/experiments").await;
    let (_, sheet) = page.split_once("rel=\"stylesheet\" href=\"").expect("a style sheet");
    let (path, _) = sheet.split_once('"').expect("its path");
    let answer = admin.get(path).await;
    assert!(text_header(&answer, header::CACHE_CONTROL).contains("immutable"));
    let old = path.replace("/assets/", "/assets/0");
    assert_eq!(
        text_header(&admin.get(&old).await, header::CACHE_CONTROL),
        "no-store",
        "an edition that isn't ours isn't kept"
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let site = Site::open().await;
    let answer = site.stranger().get("/no/such/page").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let page = answer.text().await.expect("text");
    assert!(page.contains("/docs/faults/not-found") && page.contains("<h1>"));
    let large = "x".repeat(300 * 1024);
    let refused = site.stranger().post("/sign-in", &[("email", &large)]).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.text().await.expect("text").contains("/docs/faults/body-too-large"));
}

/// Ten changes at most, one a minute.
#[tokio::test]
async fn who_asks_for_too_much_at_once_is_told_how_long_to_wait_and_keeps_the_form() {
    let site = Site::with_changes(Changes::per_minute(1)).await;
    let ada = site.signed_in("ada@example.org", Role::Student, 50).await;
    let path = ada.ask("Ochre", "60").await;
    let wells: String = (0..8).map(|row| format!("well-{row}-red=60;")).collect();
    let mut fields = vec![("do", "submit"), ("rows", "8"), ("name", "Umber")];
    fields.extend(wells.split_terminator(';').filter_map(|well| well.split_once('=')));
    let page = ada.post("/experiments/new", &fields).await.text().await.expect("text");
    assert!(page.contains("more at once") && page.contains("Nothing was charged"), "{page}");
    assert!(page.contains("value=\"Umber\""), "what was typed is kept");

    for _ in 0..8 {
        ada.post(&format!("{path}/cancel"), &[]).await;
    }
    let refused = ada.post(&format!("{path}/cancel"), &[]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = text_header(&refused, header::RETRY_AFTER).parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    assert!(refused.text().await.expect("text").contains("/docs/faults/too-many-requests"));
    assert!(ada.page("/experiments").await.contains("Ochre"), "reading changes nothing");
}

#[tokio::test]
async fn a_guesser_is_told_how_long_to_wait() {
    let site = Site::open().await;
    let guess = [("email", "ada@example.org"), ("password", "a wrong password")];
    for _ in 0..8 {
        assert_eq!(site.stranger().post("/sign-in", &guess).await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = site.stranger().post("/sign-in", &guess).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(text_header(&refused, header::RETRY_AFTER).parse::<u64>().is_ok_and(|seconds| seconds > 0));
}

impl Site {
    /// A robot whose deck a person keeps.
    async fn bench(&self, name: &str) {
        self.bench_of(RobotKind::Ot2, name, "http://127.0.0.1:9").await;
    }

    async fn bench_of(&self, kind: RobotKind, name: &str, url: &str) {
        let robot = NewRobot {
            name: name.to_owned(),
            kind,
            url: url.to_owned(),
            sensor_url: "tcp://127.0.0.1:9".to_owned(),
            attendance: Attendance::Operator,
            deck: Deck::default(),
        };
        self.state.store.ensure_robot(robot).await.expect("a robot");
    }

    async fn lane(&self, name: &str) -> Lease {
        let robots = self.state.store.robots().await.expect("robots");
        let robot = robots.into_iter().find(|robot| robot.name == name).expect("the robot").id;
        let life = Duration::from_secs(60);
        let lease = self.state.store.lease(robot, "a test", life, LeaseClaim::Seize).await.expect("a look");
        lease.expect("the lease")
    }

    async fn commit(&self, lease: &Lease, change: Change) {
        let entry = Entry { changes: vec![change], ..Entry::default() };
        self.state.store.commit(lease, entry).await.expect("a commit");
    }

    async fn mode(&self, name: &str) -> RobotMode {
        let robots = self.state.store.robots().await.expect("robots");
        robots.into_iter().find(|robot| robot.name == name).expect("the robot").mode
    }

    /// Puts an experiment into a robot's hands.
    async fn start(&self, lease: &Lease, path: &str) -> ExperimentId {
        let id: ExperimentId = path.trim_start_matches("/experiments/").parse().expect("an id");
        let waiting = self.state.store.experiment(id).await.expect("a look").expect("the experiment");
        let plate = domain::PlateId::new();
        self.commit(lease, Change::PlateReplaced { plate }).await;
        let places: Vec<_> =
            waiting.wells.iter().zip(domain::WellName::all()).map(|((well, _), place)| (well.id, place)).collect();
        assert!(self.state.store.take(lease, 0, id, plate, &places).await.expect("a try"));
        id
    }
}

fn trouble(code: FaultCode, what: &str) -> Fault {
    let [cause, done, next] = ["the cause", "what was done", "what to do"].map(str::to_owned);
    Fault { code, what: what.to_owned(), cause, done, next }
}

#[tokio::test]
async fn only_who_runs_the_lab_steers_its_robots() {
    let site = Site::open().await;
    site.bench("bench").await;
    let student = site.signed_in("ada@example.org", Role::Student, 5).await;
    let operator = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let stranger = site.stranger();
    for path in ["/robots/bench/stop", "/lab/stop", "/robots/bench/deck"] {
        assert_eq!(student.post(path, &[("act", "new_plate")]).await.status(), StatusCode::FORBIDDEN, "{path}");
        let answer = stranger.post(path, &[("act", "new_plate")]).await;
        assert_eq!(text_header(&answer, header::LOCATION), "/sign-in", "{path}");
    }
    assert_eq!(student.get("/robots/bench").await.status(), StatusCode::FORBIDDEN);
    let lured = operator.client.post(format!("{}/lab/stop", site.base)).header("sec-fetch-site", "cross-site");
    assert_eq!(operator.send(lured).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(site.mode("bench").await, RobotMode::Active, "nobody of them was obeyed");

    for (command, mode) in [
        ("pause", RobotMode::Paused),
        ("resume", RobotMode::Active),
        ("drain", RobotMode::Draining),
        ("stop", RobotMode::Stopped),
    ] {
        let answer = operator.post(&format!("/robots/bench/{command}"), &[]).await;
        assert_eq!(text_header(&answer, header::LOCATION), "/robots/bench");
        assert_eq!(site.mode("bench").await, mode);
    }
    assert_eq!(site.mode("virtual").await, RobotMode::Active, "the other went on");
    let page = operator.page("/robots/bench").await;
    assert!(page.contains("pressed the emergency stop") && page.contains("/docs/faults/emergency-stop"));
    let list = operator.page("/robots").await;
    assert!(list.contains("somebody has looked"), "resuming all answers a question, so it is asked first");
    assert_eq!(operator.post("/lab/resume", &[]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(site.mode("bench").await, RobotMode::Active);
    assert_eq!(operator.post("/robots/bench/dance", &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(operator.post("/robots/nobody/pause", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_deck_opens_when_the_robot_stands_still_with_free_hands() {
    let site = Site::open().await;
    site.bench("bench").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let refill = [("act", "refill"), ("place", "B1"), ("volume_ml", "9,5"), ("batch", "R-7 <b>")];
    assert!(olga.page("/robots/bench").await.contains("<fieldset disabled>"));
    let early = olga.post("/robots/bench/deck", &refill).await;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    let page = early.text().await.expect("text");
    assert!(page.contains("id=\"problem-refill\"") && page.contains("pause it first"));
    assert!(page.contains("value=\"9,5\"") && page.contains("R-7 &#60;b&#62;"), "what was typed is kept");
    assert!(!page.contains("http-equiv=\"refresh\""), "and stays to be read");

    olga.post("/robots/bench/pause", &[]).await;
    let held = Tool::Nothing.after(
        &Step::PickUpTip { mount: Mount::Right, tip: "B1".parse().expect("a tip"), dye: "red".parse().expect("a dye") },
        Ending::Unsure,
    );
    let lease = site.lane("bench").await;
    site.commit(&lease, Change::Tool(held)).await;
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("perhaps the red tip of B1") && page.contains("<fieldset disabled>"));
    assert_eq!(olga.post("/robots/bench/deck", &refill).await.status(), StatusCode::CONFLICT);
    let early = olga.post("/robots/bench/deck", &[("act", "nozzle_cleared")]).await;
    assert_eq!(early.status(), StatusCode::CONFLICT, "under a pause the robot still puts it down by itself");
    olga.post("/robots/bench/stop", &[]).await;
    let cleared = olga.post("/robots/bench/deck", &[("act", "nozzle_cleared")]).await;
    assert_eq!(text_header(&cleared, header::LOCATION), "/robots/bench?done=nozzle_cleared#act-nozzle_cleared");

    let page = olga.page("/robots/bench").await;
    assert!(!page.contains("<fieldset disabled>") && !page.contains("http-equiv=\"refresh\""), "nobody types in vain");
    assert_eq!(olga.post("/robots/bench/deck", &refill).await.status(), StatusCode::SEE_OTHER);
    let page = olga.page("/robots/bench").await;
    assert!(page.contains("9.0 mL") && page.contains("batch R-7 &#60;b&#62;") && !page.contains("<b>R-7"));
    for wrong in [
        vec![("act", "refill"), ("place", "B1"), ("volume_ml", "99")],
        vec![("act", "refill"), ("place", "B1"), ("volume_ml", "NaN")],
        vec![("act", "refill"), ("place", "Z9")],
        vec![("act", "new_tips"), ("place", "nine")],
        vec![("act", "dance")],
    ] {
        let answer = olga.post("/robots/bench/deck", &wrong).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
        assert!(answer.text().await.expect("text").contains("role=\"alert\""), "{wrong:?}");
    }
    assert!(olga.page("/robots/bench").await.contains("9.0 mL"), "nothing was changed");
}

#[tokio::test]
async fn a_cancelled_well_with_liquid_in_it_is_told_from_an_empty_one() {
    let site = Site::open().await;
    site.bench("bench").await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let form = [("do", "submit"), ("rows", "8"), ("well-0-red", "60"), ("well-0-blue", "60"), ("well-1-red", "60")];
    let path = text_header(&ada.post("/experiments/new", &form).await, header::LOCATION);
    let lease = site.lane("bench").await;
    let id = site.start(&lease, &path).await;
    let wells = site.state.store.experiment(id).await.expect("a look").expect("the experiment").wells;
    let [first, second] = [wells[0].0.id, wells[1].0.id];
    let drop = Step::Dispense {
        mount: Mount::Right,
        dye: "red".parse().expect("a dye"),
        well: first,
        at: "A1".parse().expect("a well"),
        volume: domain::Volume::from_whole_ul(60),
    };
    let operation = domain::Operation::new(drop);
    let intended = store::Intended {
        operation,
        experiment_id: Some(id),
        run_id: Some("run".to_owned()),
        purpose: store::Purpose::Work,
        acts: 0,
    };
    let changes = vec![Change::Well { id: first, to: domain::WellStatus::Dispensing, fault: None }];
    let entry = Entry { intended: Some(intended), changes, ..Entry::default() };
    site.state.store.commit(&lease, entry).await.expect("a commit");
    assert!(ada.page(&path).await.contains("dispensing, 50 % filled"), "the level is what fell, of what was asked");
    site.commit(&lease, Change::Experiment { id, to: ExperimentStatus::Cancelled, fault: None }).await;
    for (well, said, left) in [
        (first, "A1, cancelled, liquid in it", "Up to 60 µL of liquid lie in it."),
        (second, "B1, cancelled, empty", "Nothing was put into it."),
    ] {
        let page = ada.page(&format!("{path}?well={well}")).await;
        assert!(page.contains(said) && page.contains(left), "{said}");
    }
}

#[tokio::test]
async fn a_hostile_robot_name_stays_text_and_has_a_page() {
    let site = Site::open().await;
    site.bench("</title><script>alert(1)</script>/..//evil").await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    let list = olga.page("/robots").await;
    assert!(list.contains("alert(1)") && !list.contains("<script>alert"));
    let robots = site.state.store.robots().await.expect("robots");
    let robot = robots.iter().find(|robot| robot.name.contains("evil")).expect("the robot");
    let path = format!("/robots/{}", robot.id);
    assert!(list.contains(&format!("href=\"{path}\"")));
    let page = olga.page(&path).await;
    assert!(!page.contains("<script>alert") && !page.contains("</title><"));
    assert_eq!(text_header(&olga.post(&format!("{path}/pause"), &[]).await, header::LOCATION), path);
}

#[tokio::test]
async fn what_failed_is_retried_once_and_what_paused_is_tried_again() {
    let site = Site::open().await;
    site.bench("bench").await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let bob = site.signed_in("bob@example.org", Role::Student, 5).await;
    let path = ada.ask("Ochre", "60").await;
    let lease = site.lane("bench").await;
    let id = site.start(&lease, &path).await;
    let fault = Some(trouble(FaultCode::SensorSilent, "The sensor is silent"));
    site.commit(&lease, Change::Experiment { id, to: ExperimentStatus::Paused, fault }).await;
    let page = ada.page(&path).await;
    assert!(page.contains("The sensor is silent") && page.contains("Try again"));
    assert_eq!(ada.post(&format!("{path}/resume"), &[]).await.status(), StatusCode::SEE_OTHER);
    assert!(!ada.page(&path).await.contains("Try again"));

    let second = ada.ask("Umber", "60").await;
    ada.post(&format!("{second}/cancel"), &[]).await;
    let page = ada.page(&second).await;
    assert!(page.contains("Retry 1 well<"));
    let form = [("token", hidden(&page, "token"))];
    let retry = format!("{second}/retry");
    assert_eq!(bob.post(&retry, &form).await.status(), StatusCode::NOT_FOUND);
    let first = text_header(&ada.post(&retry, &form).await, header::LOCATION);
    let again = text_header(&ada.post(&retry, &form).await, header::LOCATION);
    assert!(first.starts_with("/experiments/") && first != second, "{first}");
    assert_eq!(first, again, "sent twice, it is one");
    assert!(ada.page(&first).await.contains("<b>3</b> wells left"));

    let eve = site.signed_in("eve@example.org", Role::Student, 1).await;
    let only = eve.ask("One", "60").await;
    eve.post(&format!("{only}/cancel"), &[]).await;
    eve.ask("Two", "60").await;
    let refused = eve.post(&format!("{only}/retry"), &[]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.expect("text").contains("/docs/faults/quota-exhausted"));
}

#[tokio::test]
async fn eight_doubtful_wells_are_shown_as_such_and_retried_free() {
    let site = Site::open().await;
    site.bench("bench").await;
    let ada = site.signed_in("ada@example.org", Role::Student, 8).await;
    let mut form = vec![("do".to_owned(), "submit".to_owned()), ("rows".to_owned(), "8".to_owned())];
    form.extend((0..8).map(|row| (format!("well-{row}-blue"), "200".to_owned())));
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let path = text_header(&ada.post("/experiments/new", &form).await, header::LOCATION);
    let lease = site.lane("bench").await;
    let id = site.start(&lease, &path).await;
    let detail = site.state.store.experiment(id).await.expect("a look").expect("it");
    for (well, _) in &detail.wells {
        for to in [WellStatus::Dispensing, WellStatus::Mixed] {
            site.commit(&lease, Change::Well { id: well.id, to, fault: None }).await;
        }
        let measurement_data = serde_json::json!({
            "srgb": "#223344", "lab": { "l": 20.0, "a": 1.0, "b": -12.0 }, "reflectance": [0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.0, 0.4],
            "doubt": { "delta_e": 21.7, "limit": 3.0, "why": "far_from_prediction" },
        });
        site.commit(&lease, Change::Result { id: domain::ResultId::new(), well: well.id, measurement_data }).await;
    }
    site.commit(&lease, Change::Experiment { id, to: ExperimentStatus::Completed, fault: None }).await;

    let page = ada.page(&path).await;
    assert!(page.contains("8 of 8 measured wells are doubtful: A1–H1."), "the notice says how many and where");
    assert!(page.contains("8 measured, 8 of them doubtful"));
    assert!(ada.page("/experiments").await.contains("8 of 8 measured, 8 doubtful"), "and so does the list");
    assert_eq!(page.matches("class=\"well measured doubtful").count(), 8 + 1, "each on the plate, and the legend");
    assert_eq!(page.matches(", doubtful: It is ΔE00 21.7 from its prediction").count(), 8, "for who listens");
    assert_eq!(page.matches("</svg>doubtful</span>").count(), 8, "and in the table");
    assert!(page.contains("<strong>Doubtful.</strong> It is ΔE00 21.7"), "and beside the well that is looked at");
    assert!(
        page.contains("680 nm: measured 40.0 %, predicted 4") && page.contains("class=\"tick\""),
        "bands beside bands"
    );
    assert!(page.contains("Retry these 8 wells, free"));
    let retry = [("token", hidden(&page, "token"))];
    let first = text_header(&ada.post(&format!("{path}/retry"), &retry).await, header::LOCATION);
    assert_ne!(first, path);
    assert_eq!(text_header(&ada.post(&format!("{path}/retry"), &retry).await, header::LOCATION), first, "sent twice");
    let page = ada.page(&path).await;
    assert!(page.contains("8 of 8 measured wells are doubtful") && !page.contains("Retry these"), "once");
    assert!(page.contains("<span class=\"figure\">0 <span class=\"small soft\">wells"), "nothing is charged any more");
}

#[tokio::test]
async fn what_was_forgotten_by_age_is_told_from_what_never_happened() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let path = ada.ask("Ochre", "60").await;
    ada.post(&format!("{path}/cancel"), &[]).await;
    let forget = "DELETE FROM events; UPDATE experiments SET completed_at = ";
    site.state.store.run_sql(&format!("{forget}'2999-01-01T00:00:00Z'")).await;
    assert!(ada.page(&path).await.contains("Nothing yet."), "too young to be forgotten");
    site.state.store.run_sql(&format!("{forget}'2026-01-01T00:00:00Z'")).await;
    let page = ada.page(&path).await;
    assert!(page.contains("are kept for 90 days after its end. This one’s are gone") && !page.contains("Nothing yet."));
}

#[tokio::test]
async fn a_priority_is_given_by_who_runs_the_lab() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let olga = site.signed_in("olga@example.org", Role::Operator, 5).await;
    assert!(olga.page("/experiments/new").await.contains("name=\"priority\""));
    assert!(!ada.page("/experiments/new").await.contains("name=\"priority\""));
    let form = |priority| [("do", "submit"), ("rows", "8"), ("well-0-red", "60"), ("priority", priority)];
    assert_eq!(ada.post("/experiments/new", &form("5")).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    for wrong in ["11", "high", "70000"] {
        let answer = olga.post("/experiments/new", &form(wrong)).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        let page = answer.text().await.expect("text");
        assert!(page.contains("id=\"priority-problem\"") && page.contains(&format!("value=\"{wrong}\"")), "{wrong}");
    }
    let path = text_header(&olga.post("/experiments/new", &form("-3")).await, header::LOCATION);
    let id: ExperimentId = path.trim_start_matches("/experiments/").parse().expect("an id");
    let made = site.state.store.experiment(id).await.expect("a look").expect("the experiment");
    assert_eq!(made.experiment.priority, -3);
}

#[tokio::test]
async fn a_slash_too_many_leads_to_the_page_that_is_meant() {
    let site = Site::open().await;
    for (asked, meant) in
        [("/robots/", "/robots"), ("/experiments/?of=everyone", "/experiments?of=everyone"), ("/sign-in//", "/sign-in")]
    {
        let answer = site.stranger().get(asked).await;
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT, "{asked}");
        assert_eq!(text_header(&answer, header::LOCATION), meant);
    }
    let away = site.stranger().get("//evil.example/").await;
    assert_eq!(away.status(), StatusCode::NOT_FOUND, "this would lead to another host");
}

#[tokio::test]
async fn a_database_that_only_reads_is_a_page_that_says_when_to_come_again() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    site.state.store.run_sql("PRAGMA query_only = ON").await;
    let form = [("do", "submit"), ("rows", "8"), ("name", "Late"), ("well-0-red", "60")];
    let answer = ada.post("/experiments/new", &form).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
    assert!(answer.text().await.expect("text").contains("One moment, please"));
}

/// The link that a page shows this once.
fn shown_link(page: &str) -> String {
    let link = page.split("/link/").nth(1).and_then(|rest| rest.get(..43)).expect("a link");
    format!("/link/{link}")
}

#[tokio::test]
async fn a_link_lets_somebody_choose_a_password_once_and_signs_nobody_in() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let eve = site.signed_in("eve@example.org", Role::Student, 5).await;
    let id = site.state.store.user_by_email("eve@example.org").await.expect("a look").expect("eve").id;
    let made = admin.post(&format!("/users/{id}/link"), &[]).await;
    assert_eq!(text_header(&made, header::CACHE_CONTROL), "no-store");
    let link = shown_link(&made.text().await.expect("text"));
    assert!(!admin.page(&format!("/users/{id}")).await.contains("/link/"), "shown once");

    let stranger = site.stranger();
    for _ in 0..2 {
        let page = stranger.page(&link).await;
        assert!(page.contains("Choose a password") && page.contains("eve@example.org"), "to look isn't to use: {page}");
    }
    for (password, again, says) in [
        ("password", "password", "would be guessed"),
        ("short", "short", "8 to 200"),
        ("three odd words", "three odd word", "aren’t the same"),
    ] {
        let refused = stranger.post(&link, &[("password", password), ("again", again)]).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = refused.text().await.expect("text").replace("&#39;", "’");
        assert!(page.contains(says) && !page.contains("three odd"), "{says}: {page}");
    }
    let set = stranger.post(&link, &[("password", "three odd words"), ("again", "three odd words")]).await;
    assert_eq!(text_header(&set, header::LOCATION), "/sign-in?done=password");
    assert!(set.headers().get(header::SET_COOKIE).is_none(), "whatever else a sign-in takes is asked there");
    assert!(stranger.page("/sign-in?done=password").await.contains("The password is set."));
    let over = stranger.get(&link).await;
    assert_eq!(over.status(), StatusCode::NOT_FOUND);
    assert!(over.text().await.expect("a page").contains("Forgotten password"), "it says how to go on");
    assert_eq!(text_header(&eve.get("/account").await, header::LOCATION), "/sign-in?next=/account", "signed out");
    let form = [("email", "eve@example.org"), ("password", "three odd words")];
    assert_eq!(stranger.post("/sign-in", &form).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_page_for_a_forgotten_password_says_the_same_to_everybody() {
    let site = Site::open().await;
    site.account("ada@example.org", Role::Student, 5).await;
    let stranger = site.stranger();
    assert!(stranger.page("/sign-in").await.contains("href=\"/forgot\""));
    let ask = async |email: &str| {
        let answer = stranger.post("/forgot", &[("email", email)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.expect("text")
    };
    let (known, unknown) = (ask("ada@example.org").await, ask("nobody@example.org").await);
    assert_eq!(known, unknown);
    assert!(known.contains("is on its way") && known.contains("has no mail server"), "{known}");
    let nonsense = stranger.post("/forgot", &[("email", "ada")]).await;
    assert_eq!(nonsense.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let closed = stranger.page("/register").await;
    assert!(
        closed.contains("An administrator of this lab makes accounts") && !closed.contains("<form class"),
        "{closed}"
    );
    let refused = stranger.post("/register", &[("email", "ada@example.org")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_protocol_is_read_and_goes_on_into_the_form() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let load = |id: &str, namespace: &str, name: &str, slot: &str| {
        json!({"commandType": "loadLabware", "params": {"labwareId": id, "namespace": namespace, "loadName": name,
               "version": 1, "location": {"slotName": slot}}})
    };
    let stroke = |kind: &str, labware: &str, well: &str| {
        json!({"commandType": kind, "params": {"pipetteId": "p", "labwareId": labware, "wellName": well, "volume": 60,
               "wellLocation": {"origin": "bottom", "offset": {"z": 1}}}})
    };
    let protocol = json!({"schemaVersion": 8, "metadata": {"protocolName": "<b>Reds</b>"}, "commands": [
        {"commandType": "loadPipette", "params": {"pipetteId": "p", "pipetteName": "p300_single_gen2", "mount": "right"}},
        load("plate", "opentrons", "corning_96_wellplate_360ul_flat", "1"),
        load("pool", "opentrons", "nest_12_reservoir_15ml", "2"),
        {"commandType": "pickUpTip", "params": {"pipetteId": "p", "labwareId": "tips", "wellName": "A1"}},
        stroke("aspirate", "pool", "A1"), stroke("dispense", "plate", "C5"),
    ]});
    let upload = async |dyes: &str, file: &str| {
        let part = |name: &str, more: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
        };
        let body = part("dyes", "", dyes) + &part("file", "; filename=\"reds.json\"", file) + "--x--\r\n";
        let request = ada.client.post(format!("{}/experiments/import", site.base));
        ada.send(request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=x").body(body)).await
    };
    let shown = ada.get("/experiments/import").await.text().await.expect("text");
    assert!(shown.contains("enctype=\"multipart/form-data\""), "{shown}");
    let unsaid = upload("", &protocol.to_string()).await;
    assert_eq!(unsaid.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let unsaid = unsaid.text().await.expect("text");
    assert!(
        unsaid.contains("Command 5") && unsaid.contains("2/A1=red") && !unsaid.contains("Use these wells"),
        "{unsaid}"
    );
    let taken = upload("2/A1=red", &protocol.to_string()).await;
    assert_eq!(taken.status(), StatusCode::OK);
    let taken = taken.text().await.expect("text");
    assert!(taken.contains("reds.json can be mixed here") && taken.contains("<th scope=\"row\">C5</th>"), "{taken}");
    assert!(taken.contains("&#60;b&#62;Reds") && !taken.contains("<b>Reds"), "{taken}");
    // What its button sends.
    let form = ada.post("/experiments/new", &[("name", "Reds"), ("paste", "red\n60"), ("do", "paste")]).await;
    let form = form.text().await.expect("text");
    assert!(taken.contains(">red\n60</textarea>"), "{taken}");
    assert!(form.contains("name=\"well-0-red\" value=\"60\"") && form.contains("value=\"Reds\""), "{form}");
    for (file, said) in [("import os", "runs nobody’s programs"), ("", "Choose a file first")] {
        let refused = upload("", file).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let refused = refused.text().await.expect("text");
        assert!(refused.contains(said) || refused.contains(&said.replace('’', "&#39;")), "{refused}");
    }
    assert_eq!(upload("", &"x".repeat(5_000_000)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_class_is_previewed_and_then_made_with_links_to_hand_out() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let sheet = "E-Mail;Name;Quota\r\nada@example.org;=cmd();7\r\nROOT@example.org;Root;\r\nnobody;;\r\n";
    let preview = admin.post("/users/import", &[("sheet", sheet)]).await.text().await.expect("text");
    assert!(
        preview.contains("1 new account, 1 is there already and is left alone, 1 line can’t be taken"),
        "{preview}"
    );
    assert!(!preview.contains("value=\"commit\""), "nothing to be done while a line is wrong");
    let refused = admin.post("/users/import", &[("sheet", sheet), ("do", "commit")]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.expect("text").contains("Nobody was imported."));

    let sheet = sheet.replace("nobody;;\r\n", "");
    let preview = admin.post("/users/import", &[("sheet", &sheet)]).await.text().await.expect("text");
    assert!(preview.contains("value=\"commit\">Make 1 account<"), "{preview}");
    assert!(site.state.store.user_by_email("ada@example.org").await.expect("a look").is_none(), "it is a preview");
    let done = admin.post("/users/import", &[("sheet", &sheet), ("do", "commit")]).await.text().await.expect("text");
    assert!(done.contains("1 account is made.") && done.contains("ada@example.org,&#39;=cmd(),http"), "{done}");
    let stranger = site.stranger();
    let link = shown_link(&done);
    let set = stranger.post(&link, &[("password", "three odd words"), ("again", "three odd words")]).await;
    assert_eq!(set.status(), StatusCode::SEE_OTHER);
    let ada = site.state.store.user_by_email("ada@example.org").await.expect("a look").expect("Ada");
    assert_eq!((ada.role, ada.quota_remaining), (Role::Student, 7));
    let huge = admin.post("/users/import", &[("sheet", &"x".repeat(140_000))]).await;
    assert!(huge.status().is_client_error());
}

#[tokio::test]
async fn people_are_found_paged_and_changed_together() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let sheet: String = (0..120).map(|n| format!("student{n:03}@example.org\n")).collect();
    site.state.auth.import(&sheet, None, None).await.expect("a class");
    let page = admin.page("/users").await;
    let next = page.split("href=\"/users?after=").nth(1).and_then(|rest| rest.split('"').next()).expect("more");
    assert!(page.contains("student048@") && !page.contains("student049@"), "50 a page");
    assert!(admin.page(&format!("/users?after={next}")).await.contains("student049@"));
    let found = admin.page("/users?q=STUDENT11").await;
    assert!(found.contains("student119@") && !found.contains("student109@") && found.contains("value=\"STUDENT11\""));
    let nobody = admin.page("/users?q=%3Cscript%3E").await;
    assert!(nobody.contains("Nobody’s address") && !nobody.contains("<script>"), "{nobody}");

    let id = async |n: usize| {
        let email = format!("student{n:03}@example.org");
        site.state.store.user_by_email(&email).await.expect("a look").expect("a student")
    };
    let ticks = [format!("on-{}", id(3).await.id), format!("on-{}", id(4).await.id)];
    let ticked = [(ticks[0].as_str(), "yes"), (ticks[1].as_str(), "yes")];
    let with = |more: &[(&'static str, &'static str)]| [&ticked[..], more].concat();
    let done = admin.post("/users/bulk", &with(&[("do", "quota"), ("quota", "33"), ("role", "operator")])).await;
    assert_eq!(text_header(&done, header::LOCATION), "/users?done=bulk");
    assert_eq!((id(3).await.quota_remaining, id(4).await.role), (33, Role::Student), "only what the button says");
    admin.post("/users/bulk", &with(&[("do", "disable")])).await;
    assert!(
        id(3).await.disabled_at.is_some() && id(4).await.disabled_at.is_some() && id(5).await.disabled_at.is_none()
    );
    let nobody = admin.post("/users/bulk", &[("do", "disable")]).await;
    assert_eq!(nobody.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let root = site.state.store.user_by_email("root@example.org").await.expect("a look").expect("root").id;
    let own = format!("on-{root}");
    let refused = admin.post("/users/bulk", &[(own.as_str(), "yes"), ("do", "disable")]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "not oneself");
}

#[tokio::test]
async fn a_person_is_erased_on_their_page_once_it_is_confirmed() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    site.account("eve@example.org", Role::Student, 5).await;
    let id = site.state.store.user_by_email("eve@example.org").await.expect("a look").expect("eve").id;
    let page = admin.page(&format!("/users/{id}")).await;
    assert!(page.contains("Erase for good") && page.contains(&format!("/api/v1/users/{id}/export")), "{page}");
    let erase = format!("/users/{id}/erase");
    let refused = admin.post(&erase, &[("email", "adam@example.org")]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let erased = admin.post(&erase, &[("email", "Eve@example.org")]).await;
    assert_eq!(text_header(&erased, header::LOCATION), "/users?done=erased");
    assert!(!admin.page("/users?done=erased").await.contains("eve@example.org"));
}

#[tokio::test]
async fn invited_people_and_those_who_are_approved_come_in() {
    let mut site = Site::open().await;
    let policy = auth::AccountPolicy { registration: auth::Registration::Open, ..auth::AccountPolicy::default() };
    site.serve_with(policy).await;
    let admin = site.signed_in("root@example.org", Role::Admin, 5).await;
    let form = [("email", ""), ("role", "researcher"), ("quota", "12"), ("uses", "1"), ("days", "7")];
    let made = admin.post("/users/invitations", &form).await.text().await.expect("text");
    let (link, stranger) = (shown_link(&made), site.stranger());
    assert!(!admin.page("/users/invitations").await.contains("/link/"), "shown once");
    let account = [("email", "ada@example.org"), ("password", "three odd words"), ("again", "three odd words")];
    assert_eq!(text_header(&stranger.post(&link, &account).await, header::LOCATION), "/sign-in?done=account");
    assert_eq!(stranger.get(&link).await.status(), StatusCode::NOT_FOUND, "it was for one");
    let ada = site.state.store.user_by_email("ada@example.org").await.expect("a look").expect("Ada");
    assert_eq!((ada.role, ada.quota_remaining), (Role::Researcher, 12));
    let list = admin.page("/users/invitations").await;
    let revoke = list.split("action=\"/users/invitations/").nth(1).and_then(|rest| rest.split('"').next());
    let revoked = admin.post(&format!("/users/invitations/{}", revoke.expect("a form")), &[]).await;
    assert_eq!(text_header(&revoked, header::LOCATION), "/users/invitations?done=revoked");

    assert!(stranger.page("/sign-in").await.contains("href=\"/register\""));
    assert_eq!(stranger.post("/register", &[("email", "bob@example.org")]).await.status(), StatusCode::OK);
    let mail = site.state.store.take_mail().await.expect("an answer").expect("a mail");
    let letter = site.state.auth.letter(&mail).await.expect("an answer").expect("a letter");
    let link = format!("/link/{}", letter.secret.expect("a link").expose());
    let chosen = [("password", "three odd words"), ("again", "three odd words")];
    assert_eq!(text_header(&stranger.post(&link, &chosen).await, header::LOCATION), "/sign-in?done=waits");
    let page = admin.page("/users").await;
    let approve = page.split("action=\"/users/registrations/").nth(1).and_then(|rest| rest.split('"').next());
    let approved = format!("/users/registrations/{}", approve.expect("somebody waits"));
    let answer = admin.post(&approved, &[("role", "student"), ("quota", "9")]).await;
    assert_eq!(text_header(&answer, header::LOCATION), "/users?done=approved");
    let signed_in = stranger.post("/sign-in", &[("email", "bob@example.org"), ("password", "three odd words")]).await;
    assert_eq!(text_header(&signed_in, header::LOCATION), "/experiments");
}

#[tokio::test]
async fn where_browsers_come_encrypted_no_neighbour_can_set_the_cookie() {
    let mut site = Site::with(AppState::behind_proxy).await;
    let plain = site.signed_in("ada@example.org", Role::Student, 5).await.cookie.expect("a cookie");
    let by_https = |request: reqwest::RequestBuilder| request.header("x-forwarded-proto", "https");
    let opens = async |site: &Site, cookie: &str| {
        let ask = by_https(site.stranger().client.get(format!("{}/account", site.base)));
        ask.header(header::COOKIE, cookie).send().await.expect("an answer").status() == StatusCode::OK
    };
    let form = format!("email=ada%40example.org&password={}", encoded(PASSWORD));
    let post = by_https(site.stranger().client.post(format!("{}/sign-in", site.base)));
    let post = post.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
    let set = text_header(&post.send().await.expect("an answer"), header::SET_COOKIE);
    assert!(set.starts_with("__Host-tincture_session=") && set.contains("; Path=/;"), "{set}");
    assert!(set.contains("; Secure") && set.contains("HttpOnly") && !set.contains("Domain"), "{set}");
    let prefixed = set.split(';').next().expect("a pair").to_owned();
    assert!(opens(&site, &prefixed).await);
    assert!(!opens(&site, &plain).await, "anybody may have set it");

    // Who was signed in before the lab was upgraded stays so for as long as that lasts; the new name goes before the old.
    let now = chrono::Utc::now();
    for (until, counts) in [(now + chrono::TimeDelta::hours(1), true), (now - chrono::TimeDelta::hours(1), false)] {
        site.state = site.state.clone().with_plain_cookies_until(Some(until));
        site.serve().await;
        assert_eq!(opens(&site, &plain).await, counts);
        assert!(opens(&site, &format!("tincture_session=forged; {prefixed}")).await);
    }
    let out = by_https(site.stranger().client.post(format!("{}/sign-out", site.base)));
    let out = out.header(header::COOKIE, &prefixed).send().await.expect("an answer");
    assert!(text_header(&out, header::SET_COOKIE).starts_with("__Host-tincture_session=; Path=/; Max-Age=0"));
    assert!(!opens(&site, &prefixed).await);
}

#[tokio::test]
async fn the_activity_log_is_searched_and_given_out_by_administrators() {
    let site = Site::open().await;
    let root = site.signed_in("root@example.org", Role::Admin, 0).await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    assert_eq!(ada.get("/audit").await.status(), StatusCode::FORBIDDEN);
    let strange = site.stranger();
    strange.post("/sign-in", &[("email", "<b>eve@example.org"), ("password", "x")]).await;
    strange.post("/sign-in", &[("email", "eve+1@example.org"), ("password", "x")]).await;

    let page = root.page("/audit").await;
    assert!(page.contains("<strong>sign in failed</strong>") && page.contains("eve+1@example.org"), "{page}");
    assert!(
        page.contains("not sealed yet") && page.contains("Nothing is sealed yet") && !page.contains("<b>eve"),
        "{page}"
    );
    site.state.store.seal_activity().await.expect("sealed");
    let anchor = site.state.store.activity_anchor().await.expect("an answer").expect("an anchor").to_string();
    let page = root.page("/audit?who=ADA@example.org&what=sign_in").await;
    assert!(page.contains(&anchor) && !page.contains("not sealed yet"), "{page}");
    assert!(page.contains(">ada@example.org</a>") && !page.contains("<strong>sign in failed"), "{page}");
    let ada_id = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("her").id;
    let csv = format!("/api/v1/activity/export?user={ada_id}&amp;action=sign_in&amp;format=csv");
    assert!(page.replace("&#38;", "&amp;").contains(&csv), "{csv}: {page}");
    assert!(root.page("/audit?q=nothing+has+this").await.contains("Nothing fits."));
    for (query, said) in [
        ("who=eve%40example.org", "There is no account eve@example.org."),
        ("since=30.11.2026", "A day is like 2026-11-30."),
    ] {
        let answer = root.get(&format!("/audit?{query}")).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = answer.text().await.expect("text");
        assert!(page.contains(said) && page.contains("Nothing was searched for."), "{page}");
    }

    // What has a name is called by it, and what hasn't is told apart.
    let robot = site.state.store.robots().await.expect("robots")[0].clone();
    let unknown = uuid::Uuid::now_v7();
    let users: Vec<_> = (0..7).map(|_| ada_id).collect();
    let details = serde_json::json!({ "robot_id": robot.id, "users": users, "session": unknown });
    let line = store::NewActivity { user_id: None, action: "named", details, ip_address: None };
    site.state.store.log_activity(line).await.expect("a line");
    let page = root.page("/audit?what=named").await;
    let link = format!("robot <a href=\"/robots/{0}\" title=\"{1}\">{0}</a>", robot.name, robot.id);
    assert!(page.contains(&link), "{link}: {page}");
    assert!(page.matches(">ada@example.org</a>").count() == 5 && page.contains("and 2 more"), "{page}");
    let end = &unknown.simple().to_string()[24..];
    assert!(page.contains(&format!("session <span class=\"mono\" title=\"{unknown}\">…{end}</span>")), "{page}");

    // Older ones are on the next page, whatever is searched for.
    for _ in 0..60 {
        let line = store::NewActivity {
            user_id: Some(ada_id),
            action: "tested",
            details: serde_json::json!({}),
            ip_address: None,
        };
        site.state.store.log_activity(line).await.expect("a line");
    }
    let page = root.page("/audit?what=tested&q=").await;
    assert_eq!(page.matches("<strong>tested</strong>").count(), 50);
    let (_, next) = page.split_once("href=\"/audit?what=tested&").expect("a next page");
    let next = next.split('"').next().expect("a path").trim_start_matches("amp;").trim_start_matches("#38;");
    let page = root.page(&format!("/audit?what=tested&{next}")).await;
    assert_eq!(page.matches("<strong>tested</strong>").count(), 10, "{page}");
    assert!(page.contains("Newest"), "{page}");
}

#[tokio::test]
async fn sign_ins_are_seen_and_ended_on_the_account_page() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    let mut phone = site.stranger();
    let answer = phone.post("/sign-in", &[("email", "ada@example.org"), ("password", PASSWORD)]).await;
    phone.cookie = text_header(&answer, header::SET_COOKIE).split(';').next().map(str::to_owned);
    let looks = phone.client.get(format!("{}/account", site.base));
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(phone.send(looks.header(header::USER_AGENT, firefox)).await.status(), StatusCode::OK);
    site.state.auth.settle().await.expect("written");
    let page = ada.page("/account").await;
    assert!(page.contains("Firefox on Linux") && page.contains("from <span class=\"mono\">127.0.0.1"), "{page}");
    assert_eq!(page.matches("this one</span>").count(), 1);
    assert!(page.contains("Sign out everywhere else"), "{page}");
    let (_, rest) = page.split_once("action=\"/account/sessions/").expect("a form");
    let (id, _) = rest.split_once("/revoke\"").expect("an id");
    let id = id.to_owned();

    let bob = site.signed_in("bob@example.org", Role::Student, 5).await;
    assert_eq!(bob.post(&format!("/account/sessions/{id}/revoke"), &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(phone.get("/account").await.status(), StatusCode::OK);
    let ended = ada.post(&format!("/account/sessions/{id}/revoke"), &[]).await;
    assert_eq!(text_header(&ended, header::LOCATION), "/account?done=ended#sessions");
    assert_eq!(phone.get("/account").await.status(), StatusCode::SEE_OTHER, "it is signed out at once");
    let page = ada.page("/account?done=ended").await;
    assert!(page.contains("The sign-in is ended.") && !page.contains("Sign out everywhere else"), "{page}");

    // An administrator sees and ends them on the person's page; what a copied token did is said until it is read.
    let root = site.signed_in("root@example.org", Role::Admin, 0).await;
    let ada_id = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("her").id;
    let tokens = site.state.auth.sign_in("ada@example.org", PASSWORD.into(), None).await.expect("tokens");
    let page = root.page(&format!("/users/{ada_id}")).await;
    assert_eq!(page.matches("/revoke\"").count(), 2, "{page}");
    site.state.auth.refresh(tokens.refresh_token.expose(), None).await.expect("renewed");
    site.state.auth.refresh(tokens.refresh_token.expose(), None).await.expect_err("a copy");
    let page = ada.page("/account").await;
    assert!(page.contains("a token of it was used a second time"), "{page}");
    assert_eq!(ada.post("/account/reuse", &[]).await.status(), StatusCode::SEE_OTHER);
    assert!(!ada.page("/account").await.contains("a token of it was used a second time"));
    let (_, rest) = root
        .page(&format!("/users/{ada_id}"))
        .await
        .split_once("action=\"/account/sessions/")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a form");
    let id = rest.split('/').next().expect("an id").to_owned();
    let ended = root.post(&format!("/account/sessions/{id}/revoke"), &[]).await;
    assert_eq!(text_header(&ended, header::LOCATION), format!("/users/{ada_id}?done=ended#sessions"));
    assert_eq!(ada.get("/account").await.status(), StatusCode::SEE_OTHER);
}

/// Prototypes are polluted by `object[name] = …` and by merging what was parsed.
#[test]
fn no_script_fills_an_object_by_a_name_that_came_from_elsewhere() {
    // A row's amounts, by the number of the dye that our own page has.
    const OURS: [&str; 1] = ["list[dye] = "];
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let scripts = std::fs::read_dir(directory).expect("the assets").map(|entry| entry.expect("an entry").path());
    let scripts: Vec<_> = scripts.filter(|path| path.extension().is_some_and(|ending| ending == "js")).collect();
    assert!(scripts.len() > 5, "{scripts:?}");
    let mut found = 0;
    for path in scripts {
        let text = std::fs::read_to_string(&path).expect("a script");
        for line in text.lines() {
            let where_it_is = format!("{}: {line}", path.display());
            assert!(!line.contains("__proto__") && !line.contains(".prototype"), "{where_it_is}");
            assert!(
                !line.contains("Object.assign(") || line.contains("Object.assign(document.createElement"),
                "{where_it_is}"
            );
            for (at, _) in line.match_indices("] =").filter(|(at, _)| !line[at + 3..].starts_with('=')) {
                let opens = line[..at].rfind('[').expect("what was closed");
                let is_of_an_object = line[..opens].ends_with(|c: char| c.is_alphanumeric() || ")]_$".contains(c));
                assert!(!is_of_an_object || OURS.iter().any(|ours| line.contains(ours)), "{where_it_is}");
                found += usize::from(is_of_an_object);
            }
        }
    }
    assert_eq!(found, OURS.len());
}
