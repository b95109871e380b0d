//! No request, and nothing that a lane or the daily purge asks, costs more as history or the queue grows.
//!
//! A lab with thousands of ended experiments and a long queue; every kind of request is made once, and every statement that
//! was sent for it is explained by the database on those tables. PostgreSQL tells how many rows it looked at, SQLite which
//! tables it walks through. How long it takes is measured by `tests/load/growth.py` (docs/performance.md).

use api::ApiState;
use auth::{AccountPolicy, ExternalPerson, NewAccount, Password, Registration, Service};
use axum::{
    Router,
    body::{self, Body},
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use domain::{
    ApiTokenId, Attendance, Change, Deck, ExperimentId, ExperimentStatus, Placement, ResultId, RobotId, RobotKind,
    Role, Standing, WellName, WellStatus,
};
use request::{AppState, Changes};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use store::{
    ActivityFilter, Backend, Entry, Lease, LeaseClaim, NewRobot, Options, ProviderSessions, Retention, Store, Unknown,
    testing::{TestDatabase, cost},
};
use tower::ServiceExt;
use workflow::Lab;

const PASSWORD: &str = "a password for tests";
const PEOPLE: usize = 2_000;
/// Plates that were taken off the robot.
const PLATES: usize = 3_000;
/// Ended experiments, of eight wells each.
const ENDED: usize = 5_000;
const QUEUED: usize = 1_000;
/// Rows that one statement may look at: some pages of a list, an experiment of a whole plate with its results, one step of
/// the purge (500 rows, by way of an index and by key).
const MOST_ROWS: u64 = 2_500;

/// What may be walked through from end to end, and why that doesn't grow.
const SMALL: [(&str, &str); 8] = [
    ("robots", "as many as a lab has robots"),
    ("r", "robots"),
    ("signing_keys", "a few"),
    ("lab", "one row"),
    ("activity_chain", "one row"),
    ("c", "activity_chain"),
    ("backup_state", "one row"),
    ("service_tokens", "as many as a lab may have"),
];

/// Statements that go through all that waits, and nothing else; why each may.
const QUEUE: [(&str, &str); 2] = [
    (
        "SELECT e.id, e.user_id, e.priority, e.created_at, e.robot_id, e.dyes, e.least_nl",
        "the one reading that all share",
    ),
    (
        "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM experiments WHERE status = 'queued'",
        "asked by a scrape, counts an index",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_looks_at_more_when_there_is_more() {
    for database in [TestDatabase::sqlite().await, TestDatabase::postgres().await] {
        let lab = Grown::open(&database).await;
        cost::listen();
        lab.ask_everything().await;
        lab.work().await;
        let asked = cost::heard();
        assert!(asked.len() > 60, "the record works: {}", asked.len());
        let mut too_much = Vec::new();
        for asked in &asked {
            let cost = lab.store.cost(asked).await;
            if std::env::var_os("TINCTURE_SHOW_COSTS").is_some() {
                println!("{:>6} {:?} {}", cost.rows, cost.walks, asked.text().chars().take(150).collect::<String>());
            }
            let text = asked.text();
            let of_queue = QUEUE.iter().any(|(beginning, _)| text.starts_with(beginning));
            let most = if of_queue { MOST_ROWS + 2 * QUEUED as u64 } else { MOST_ROWS };
            let walks = cost.walks.iter().filter(|walk| grows(walk, of_queue));
            let walks = walks.filter(|walk| !is_of_people(walk, &text));
            let walks: Vec<_> = walks.filter(|walk| !is_never_done(walk, &text)).collect();
            if cost.rows > most || !walks.is_empty() {
                too_much.push(format!("{} rows, {walks:?}: {text}\n{}", cost.rows, cost.plan));
            }
        }
        assert!(too_much.is_empty(), "{:?}: {}\n{}", database.store.backend(), too_much.len(), too_much.join("\n\n"));
    }
}

fn grows(walk: &str, of_queue: bool) -> bool {
    let table =
        walk.trim_start_matches("SCAN ").trim_start_matches("Seq Scan on ").split(' ').next().unwrap_or_default();
    let is_small = SMALL.iter().any(|(small, _)| *small == table);
    // An index of what runs holds one entry a robot, and one of what waits the queue.
    // Of mails that failed the newest fifty are read, in the index's order.
    let is_of_few = walk.contains("INDEX mails_failed")
        || walk.contains("INDEX experiments_in_hand")
        || (of_queue && walk.contains("INDEX experiments_queued"));
    !is_small && !is_of_few
}

/// Who looks for people by a part of their address looks through the lab's people, and nothing else.
fn is_of_people(walk: &str, text: &str) -> bool {
    text.contains("u.email LIKE") && (walk.ends_with(" u") || walk.contains(" u ") || walk.contains("users"))
}

/// SQLite plans a look for rows that wait for the new one's key, and leaves it out while no reference is broken.
fn is_never_done(walk: &str, text: &str) -> bool {
    (walk == "SCAN idempotency_keys" && text.starts_with("INSERT INTO experiments"))
        || (walk == "SCAN quota_entries" && text.starts_with("INSERT INTO users"))
}

/// A lab after years, in one process, with a student and an administrator.
struct Grown {
    store: Store,
    router: Router,
    robot: RobotId,
    student: Person,
    admin: Person,
}

struct Person {
    token: String,
    cookie: String,
}

impl Grown {
    async fn open(database: &TestDatabase) -> Self {
        let options = Options { queue_limit: 100_000, ..Options::default() };
        let store = database.another_with(options).await;
        let auth = Service::new(store.clone()).await.expect("auth");
        let policy = AccountPolicy { registration: Registration::Open, ..AccountPolicy::default() };
        let auth = auth.with_account_policy(policy).expect("a policy");
        let state = AppState::new(store.clone(), auth, Lab::new(store.clone()));
        let state = state.with_changes(Changes::per_minute(100_000));
        for (name, role) in [("student", Role::Student), ("careful", Role::Student), ("admin", Role::Admin)] {
            let (email, password) = (format!("{name}@example.org"), Password::from(PASSWORD));
            let account = NewAccount { email, password, role, quota: 10_000 };
            state.auth.create_user(account, None, None).await.expect("an account");
        }
        let robot = NewRobot {
            name: "bench".to_owned(),
            kind: RobotKind::Ot2,
            url: "http://127.0.0.1:9".to_owned(),
            sensor_url: "tcp://127.0.0.1:9".to_owned(),
            attendance: Attendance::Virtual,
            deck: Deck::default(),
        };
        let robot = store.ensure_robot(robot).await.expect("a robot").id;
        database.store.run_sql(&years(store.backend(), robot)).await;
        let router = api::router(ApiState::new(state.clone())).merge(web::router(state));
        let mut lab = Self { store, router, robot, student: Person::nobody(), admin: Person::nobody() };
        (lab.student, lab.admin) = (lab.sign_in("student").await, lab.sign_in("admin").await);
        lab
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, header::HeaderMap, String) {
        let what = format!("{} {}", request.method(), request.uri());
        let mut request = request;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let text = body::to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(head.status.is_success() || head.status.is_redirection(), "{what}: {} {text:.300}", head.status);
        (head.status, head.headers, text)
    }

    async fn sign_in(&self, name: &str) -> Person {
        let email = format!("{name}@example.org");
        let body = json!({ "email": email, "password": PASSWORD });
        let tokens = self.send(json_request("/api/v1/auth/login", "", &body)).await.2;
        let tokens: Value = serde_json::from_str(&tokens).expect("JSON");
        let form = Request::post("/sign-in").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let form = form.body(Body::from(format!("email={name}%40example.org&password={}", PASSWORD.replace(' ', "+"))));
        let (_, headers, _) = self.send(form.expect("a request")).await;
        let cookie = headers[header::SET_COOKIE].to_str().expect("text").split(';').next().unwrap_or_default();
        Person { token: tokens["access_token"].as_str().expect("a token").to_owned(), cookie: cookie.to_owned() }
    }

    async fn get(&self, path: &str, person: &Person) -> String {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", person.token))
            .header(header::COOKIE, &person.cookie);
        self.send(request.body(Body::empty()).expect("a request")).await.2
    }

    async fn ask(&self, wells: usize) -> ExperimentId {
        let wells = vec![json!({ "volumes": { "red": 60, "yellow": 30, "blue": 60 } }); wells];
        let body = json!({ "name": "one more", "wells": wells });
        let made = self.send(json_request("/api/v1/experiments", &self.student.token, &body)).await.2;
        let made: Value = serde_json::from_str(&made).expect("JSON");
        made["id"].as_str().expect("an id").parse().expect("a UUID")
    }

    async fn an_ended_one(&self) -> ExperimentId {
        let mut after = None;
        loop {
            let page = self.store.experiments(None, after, 200).await.expect("a list");
            if let Some(line) = page.data.iter().find(|line| line.experiment.status.is_final()) {
                return line.experiment.id;
            }
            after = Some(page.next.expect("an ended one"));
        }
    }

    /// Every kind of request once.
    async fn ask_everything(&self) {
        let list = self.get("/api/v1/experiments?limit=200", &self.admin).await;
        let list: Value = serde_json::from_str(&list).expect("JSON");
        let next = list["next"].as_str().or(list["next_cursor"].as_str()).unwrap_or_default().to_owned();
        let (ended, waiting) = (self.an_ended_one().await, self.ask(96).await);
        for id in [ended, waiting] {
            for part in ["", "/results", "/results.csv", "/download.json", "/operations"] {
                self.get(&format!("/api/v1/experiments/{id}{part}"), &self.admin).await;
            }
            self.get(&format!("/experiments/{id}"), &self.admin).await;
        }
        self.get(&format!("/api/v1/experiments/{ended}/events"), &self.admin).await;
        for path in [
            "/api/v1/experiments",
            "/api/v1/queue",
            "/api/v1/robots",
            "/api/v1/robots/bench",
            "/api/v1/me",
            "/api/v1/tokens",
            "/api/v1/sessions",
            "/readyz",
            "/experiments",
            "/experiments/new",
            "/account",
            "/",
        ] {
            self.get(path, &self.student).await;
        }
        for path in [
            "/api/v1/users",
            "/api/v1/activity",
            "/api/v1/activity?user=student@example.org",
            "/api/v1/activity?whom=student@example.org",
            "/api/v1/activity?action=sign_in",
            "/api/v1/activity?q=nowhere",
            "/api/v1/activity/anchor",
            "/audit?since=2026-01-01&until=2026-02-01",
            "/users",
            "/users?q=person19",
            "/api/v1/users?q=person19",
            "/users/invitations",
            "/api/v1/invitations",
            "/api/v1/registrations",
            "/robots",
            "/robots/bench",
            "/metrics",
            "/metrics/service",
            "/experiments?of=everybody",
            "/auth/verify",
            "/api/v1/display",
        ] {
            self.get(path, &self.admin).await;
        }
        if !next.is_empty() {
            self.get(&format!("/api/v1/experiments?after={next}"), &self.admin).await;
        }
        for word in ["pause", "resume", "cancel"] {
            let id = self.ask(8).await;
            if word == "resume" {
                let path = format!("/api/v1/experiments/{id}/pause");
                self.send(json_request(&path, &self.student.token, &Value::Null)).await;
            }
            let path = format!("/api/v1/experiments/{id}/{word}");
            self.send(json_request(&path, &self.student.token, &Value::Null)).await;
        }
        self.make_use_and_revoke_a_token().await;
        self.sign_in_with_two_steps().await;
        self.make_use_and_revoke_a_services_token().await;
        self.come_by_an_institution_and_go().await;
        self.bring_people_in().await;
        self.teach().await;
        for word in ["pause", "resume"] {
            let path = format!("/api/v1/robots/bench/{word}");
            self.send(json_request(&path, &self.admin.token, &Value::Null)).await;
        }
    }

    /// All that is done to bring people in and to look after many.
    async fn bring_people_in(&self) {
        let post = async |path: &str, body: Value| {
            let answer = self.send(json_request(path, &self.admin.token, &body)).await.2;
            serde_json::from_str::<Value>(&answer).unwrap_or_default()
        };
        let sheet = "email\nnew1@example.org\nnew2@example.org\nperson7\n".replace("person7\n", "person7@x\n");
        let made = post("/api/v1/users/import", json!({ "sheet": sheet, "commit": true })).await;
        let way_in = |url: &Value| url.as_str().and_then(|url| url.rsplit('/').next()).expect("a link").to_owned();
        let used = json!({ "secret": way_in(&made["lines"][0]["url"]), "password": PASSWORD });
        post("/api/v1/auth/link", used).await;
        let users = self.store.search_users("new1@", None, 2).await.expect("a list").data;
        let id = users[0].id;
        self.get(&format!("/users/{id}"), &self.admin).await;
        post("/api/v1/users/bulk", json!({ "ids": [id], "role": "student", "quota": 3, "disabled": true })).await;
        post("/api/v1/users/bulk", json!({ "ids": [id], "disabled": false })).await;
        post(&format!("/api/v1/users/{id}/link"), Value::Null).await;
        post(&format!("/api/v1/users/{id}/sign-out"), Value::Null).await;
        let invited = post("/api/v1/invitations", json!({ "uses": 2 })).await;
        let secret = way_in(&invited["url"]);
        self.get(&format!("/link/{secret}"), &Person::nobody()).await;
        let accept = json!({ "secret": secret, "password": PASSWORD, "email": "invited@example.org" });
        post("/api/v1/auth/link", accept).await;
        let path = format!("/api/v1/invitations/{}", invited["id"].as_str().expect("an id"));
        let revoke = Request::delete(path).header(header::AUTHORIZATION, format!("Bearer {}", self.admin.token));
        self.send(revoke.body(Body::empty()).expect("a request")).await;
        post("/api/v1/auth/forgot", json!({ "email": "student@example.org" })).await;
        post("/api/v1/auth/register", json!({ "email": "asks@example.org" })).await;
        while let Some(mail) = self.store.take_mail().await.expect("an answer") {
            self.store.put_mail_off(mail.id, None, "nobody answers").await.expect("put off");
            self.store.forget_mail(mail.id).await.expect("forgotten");
        }
        self.store.failed_mails().await.expect("a list");
    }

    /// A class of forty, their teacher, and what is asked and granted there.
    async fn teach(&self) {
        let post = async |path: &str, who: &Person, body: Value| {
            let answer = self.send(json_request(path, &who.token, &body)).await.2;
            serde_json::from_str::<Value>(&answer).unwrap_or_default()
        };
        let terms = json!({ "name": "a class", "reserve": 100, "refill": "weekly monday" });
        let group = post("/api/v1/groups", &self.admin, terms).await["id"].as_str().expect("an id").to_owned();
        let emails: Vec<_> = (1..=40).map(|n| format!("pupil{n}@x")).collect();
        let sheet =
            format!("email,group\n{}", emails.iter().map(|email| format!("{email},a class\n")).collect::<String>());
        post("/api/v1/users/import", &self.admin, json!({ "sheet": sheet, "commit": true })).await;
        let path = format!("/api/v1/groups/{group}/members");
        post(&path, &self.admin, json!({ "emails": ["student@example.org"] })).await;
        post(&path, &self.admin, json!({ "emails": ["careful@example.org"], "standing": "teacher" })).await;
        for path in [
            "/api/v1/groups".to_owned(),
            format!("/api/v1/groups/{group}"),
            format!("/api/v1/groups/{group}/members"),
            format!("/api/v1/experiments?scope=group&group_id={group}"),
            format!("/experiments?of={group}"),
            format!("/groups/{group}"),
            "/groups".to_owned(),
            "/api/v1/quota-requests".to_owned(),
        ] {
            self.get(&path, &self.admin).await;
        }
        let group_id: domain::GroupId = group.parse().expect("a UUID");
        let teacher = self.store.user_by_email("careful@example.org").await.expect("an answer").expect("the account");
        self.store.groups(Some(teacher.id), None, 50).await.expect("a list");
        self.store.group(group_id, Some(teacher.id)).await.expect("an answer").expect("theirs");
        self.store.quota_requests(Some(teacher.id), None, None, 50).await.expect("a list");
        let student = self.store.user_by_email("student@example.org").await.expect("an answer").expect("the account");
        assert_eq!(self.store.taught_among(teacher.id, &[student.id]).await.expect("an answer").len(), 1);
        let wish = json!({ "wells": 3, "reason": "more", "group_id": group });
        for act in ["grant", "refuse"] {
            let asked = post("/api/v1/me/quota/request", &self.student, wish.clone()).await;
            let asked = asked["id"].as_str().expect("an id").to_owned();
            self.get("/api/v1/me/quota", &self.student).await;
            self.get("/account", &self.student).await;
            post(&format!("/api/v1/quota-requests/{asked}/{act}"), &self.admin, Value::Null).await;
        }
        let next = chrono::Utc::now() + chrono::TimeDelta::days(8);
        assert!(self.store.refill_due(next).await.expect("an answer").is_some_and(|refilled| refilled.id == group_id));
        let patch = Request::patch(format!("/api/v1/groups/{group}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin.token));
        self.send(patch.body(Body::from(r#"{"allowance":7}"#)).expect("a request")).await;
        for path in
            [format!("/api/v1/groups/{group}/members/{}", student.id), format!("/api/v1/groups/{group}?members=true")]
        {
            let gone = Request::delete(path).header(header::AUTHORIZATION, format!("Bearer {}", self.admin.token));
            self.send(gone.body(Body::empty()).expect("a request")).await;
        }
    }

    async fn make_use_and_revoke_a_token(&self) {
        let body = json!({ "name": "notebook", "scopes": ["read"] });
        let made = self.send(json_request("/api/v1/tokens", &self.student.token, &body)).await.2;
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let text = |field: &str| made[field].as_str().expect("text").to_owned();
        self.get("/api/v1/me", &Person { token: text("secret"), cookie: String::new() }).await;
        let id: ApiTokenId = text("id").parse().expect("a UUID");
        self.store.note_api_tokens_used(&[(id, chrono::Utc::now())]).await.expect("noted");
        self.store.live_api_tokens(&[id]).await.expect("an answer");
        let revoke = Request::delete(format!("/api/v1/tokens/{id}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.student.token));
        self.send(revoke.body(Body::empty()).expect("a request")).await;
    }

    /// Sets an app up, and signs in with it.
    async fn sign_in_with_two_steps(&self) {
        let ask = async |path: &str, token: &str, body: &Value| {
            let answer = self.router.clone().oneshot(json_request(path, token, body)).await.expect("an answer");
            let body = body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
            serde_json::from_slice::<Value>(&body).unwrap_or_default()
        };
        let login = json!({ "email": "careful@example.org", "password": PASSWORD });
        let careful = self.sign_in("careful").await;
        let secret =
            ask("/api/v1/me/totp", &careful.token, &Value::Null).await["secret"].as_str().expect("a secret").to_owned();
        let code = auth::testing::code_of_now(&secret);
        let codes = ask("/api/v1/me/totp/confirm", &careful.token, &json!({ "code": code })).await;
        assert_eq!(codes["recovery_codes"].as_array().map(Vec::len), Some(10), "{codes}");
        let pending = ask("/api/v1/auth/login", "", &login).await["pending_token"].clone();
        let code = auth::testing::next_code(&secret);
        let tokens = ask("/api/v1/auth/second-factor", "", &json!({ "pending_token": pending, "code": code })).await;
        let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("a token: {tokens}")).to_owned();
        let careful = Person { token, cookie: String::new() };
        self.get("/api/v1/me/factors", &careful).await;
        self.send(json_request("/api/v1/auth/proof", &careful.token, &json!({ "password": PASSWORD }))).await;
        self.store.passkey("credential7").await.expect("an answer");
        self.send(json_request("/api/v1/me/recovery-codes", &careful.token, &Value::Null)).await;
    }

    async fn make_use_and_revoke_a_services_token(&self) {
        let body = json!({ "service": "display", "name": "wall" });
        let made = self.send(json_request("/api/v1/service-tokens", &self.admin.token, &body)).await.2;
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let text = |field: &str| made[field].as_str().expect("text").to_owned();
        self.get("/api/v1/display", &Person { token: text("secret"), cookie: String::new() }).await;
        self.get("/api/v1/service-tokens", &self.admin).await;
        let revoke = Request::delete(format!("/api/v1/service-tokens/{}", text("id")))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin.token));
        self.send(revoke.body(Body::empty()).expect("a request")).await;
    }

    /// For the first time, again with another role, and out by the provider's word and by their own.
    async fn come_by_an_institution_and_go(&self) {
        let auth = Service::new(self.store.clone()).await.expect("auth");
        let until = chrono::Utc::now() + chrono::TimeDelta::minutes(1);
        for (number, role) in [Role::Operator, Role::Student].into_iter().enumerate() {
            let person = ExternalPerson {
                issuer: "issuer".to_owned(),
                subject: "new".to_owned(),
                email: Some("new@example.org".to_owned()),
                unknown: Unknown { is_welcome: true, takes_over: true },
                role,
                quota: 10,
                groups: vec![Placement {
                    group: "group1".to_owned(),
                    standing: (number == 0).then_some(Standing::Member),
                }],
                session: Some("new session".to_owned()),
                proved_at: chrono::Utc::now(),
                once: (format!("once {number}"), until),
            };
            let session = auth.sign_in_external(person, None).await.expect("signed in");
            assert!(auth.came_from_provider(session.token.expose()).await.expect("an answer"));
        }
        for (name, which) in
            [("one", ProviderSessions::One("new session".to_owned())), ("all", ProviderSessions::All("new".to_owned()))]
        {
            auth.end_external("issuer", which, (name, until), None).await.expect("ended");
        }
    }

    /// What a lane asks from taking an experiment to its end, what it asks between two, and the purge.
    async fn work(&self) {
        let store = &self.store;
        let lease = store.lease(self.robot, "test", Duration::from_secs(60), LeaseClaim::Seize).await;
        let lease = lease.expect("a lease").expect("the lane");
        let robot = store.robot(self.robot).await.expect("an answer").expect("the robot");
        store.peek(&lease, &robot.bench()).await.expect("an answer");
        store.unmixable(None, &[robot.bench()]).await.expect("an answer");
        store.open_operations(self.robot).await.expect("an answer");
        store.running().await.expect("an answer");
        let id = self.ask(2).await;
        self.carry_out(&lease, robot.acts, id).await;
        assert!(store.seal_activity().await.expect("sealed").is_full());
        // Page by page: the whole of it is as long as the history.
        store.export_activity(&ActivityFilter::default(), None).await.expect("a page");
        let month = Some(chrono::TimeDelta::days(30));
        let keep = Retention { events: month, operations: month, documents: month, activity: month };
        store.purge(&keep, chrono::Utc::now()).await.expect("a step");
    }

    async fn carry_out(&self, lease: &Lease, acts: i64, id: ExperimentId) {
        let store = &self.store;
        let detail = store.experiment(id).await.expect("an answer").expect("the experiment");
        let wells: Vec<_> = detail.wells.iter().map(|(well, _)| well.id).collect();
        let plate = store.inventory(self.robot).await.expect("an inventory").plate.expect("a plate");
        let places: Vec<_> = wells.iter().copied().zip(WellName::all()).collect();
        assert!(store.take(lease, acts, id, plate, &places).await.expect("an answer"));
        store.wishes(lease, id).await.expect("wishes");
        store.in_hand(lease).await.expect("an answer");
        for well in wells {
            for to in [WellStatus::Dispensing, WellStatus::Mixed] {
                self.commit(lease, Change::Well { id: well, to, fault: None }).await;
            }
            let measurement_data = json!({ "srgb": "#a0522d" });
            self.commit(lease, Change::Result { id: ResultId::new(), well, measurement_data }).await;
        }
        self.commit(lease, Change::Experiment { id, to: ExperimentStatus::Completed, fault: None }).await;
    }

    async fn commit(&self, lease: &Lease, change: Change) {
        let entry = Entry { changes: vec![change], ..Entry::default() };
        self.store.commit(lease, entry).await.expect("committed");
    }
}

impl Person {
    const fn nobody() -> Self {
        Self { token: String::new(), cookie: String::new() }
    }
}

fn json_request(path: &str, token: &str, body: &Value) -> Request<Body> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    request.body(body).expect("a request")
}

/// What a lab has written down after years: much of everything that grows.
fn years(backend: Backend, robot: RobotId) -> String {
    let sqlite = backend == Backend::Sqlite;
    // Older than anything made since: ids begin with zeros.
    let id = |kind: &str, number: &str| match backend {
        Backend::Sqlite => format!("unhex('{kind}' || printf('%028x', {number}))"),
        Backend::Postgres => format!("CAST('{kind}' || lpad(to_hex({number}), 28, '0') AS uuid)"),
    };
    let robot = match backend {
        Backend::Sqlite => format!("unhex('{}')", robot.as_uuid().simple()),
        Backend::Postgres => format!("CAST('{robot}' AS uuid)"),
    };
    let numbers =
        |last: usize| format!("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {last})");
    let (json, at) = if sqlite {
        ("'{}'", "'2026-01-01T00:00:00+00:00'")
    } else {
        ("CAST('{}' AS jsonb)", "CAST('2026-01-01' AS timestamptz)")
    };
    let home = json.replace("{}", r#"{"kind":"home"}"#);
    let soon = if sqlite { "'2027-12-01T00:00:00+00:00'" } else { "CAST('2027-12-01' AS timestamptz)" };
    let late = if sqlite { "'2099-01-01T00:00:00+00:00'" } else { "CAST('2099-01-01' AS timestamptz)" };
    let all = ENDED + QUEUED;
    let person = id("0001", &format!("1 + n % {PEOPLE}"));
    let text = |made_of: &str| format!("'{made_of}' || CAST(n AS text)");
    let user = format!(
        "CASE WHEN n % 10 = 0 THEN (SELECT id FROM users WHERE email = 'student@example.org') ELSE {person} END"
    );
    [
        format!(
            "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at) {} SELECT {}, {}, '', 'student', 100, {at} FROM s",
            numbers(PEOPLE), id("0001", "n"), text("person")
        ),
        format!(
            "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at) {} SELECT {}, {person}, {}, {at}, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s",
            numbers(4_000), id("0002", "n"), text("hash")
        ),
        format!(
            "INSERT INTO identities (issuer, subject, user_id, role, quota, created_at) {} SELECT 'issuer', {}, {person}, 'student', 1, {at} FROM s",
            numbers(4_000), text("subject")
        ),
        "UPDATE sessions SET issuer = 'issuer', subject = refresh_hash, provider_session = refresh_hash".to_owned(),
        format!(
            "INSERT INTO used_once (hash, expires_at) {} SELECT {}, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s",
            numbers(8_000), text("once")
        ),
        format!(
            "INSERT INTO sign_in_failures (key, failures, at_ms) {} SELECT {}, 1, CASE WHEN n % 2 = 0 THEN 0 ELSE 1790000000000 END FROM s",
            numbers(20_000), id("000e", "n")
        ),
        format!(
            "INSERT INTO api_tokens (id, user_id, name, hash, scopes, created_at, expires_at) {} SELECT {}, {user}, 'old', {}, 'read', {at}, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s WHERE n % 10 > 0 OR n < 100",
            numbers(8_000), id("0009", "n"), text("token")
        ),
        format!(
            "INSERT INTO second_factors (user_id, totp_secret, totp_since) {} SELECT {}, 'ABCD', {at} FROM s",
            numbers(PEOPLE), id("0001", "n")
        ),
        format!(
            "INSERT INTO recovery_codes (user_id, hash) {} SELECT {person}, {} FROM s",
            numbers(10_000), text("code")
        ),
        format!(
            "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, state, created_at) {} SELECT {}, {person}, 'old', {}, 'key', 'state', {at} FROM s",
            numbers(6_000), id("000a", "n"), text("credential")
        ),
        format!(
            "INSERT INTO pending_sign_ins (hash, user_id, tries, expires_at) {} SELECT {}, {person}, 0, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s",
            numbers(8_000), text("pending")
        ),
        format!(
            "INSERT INTO spent_challenges (id, expires_at) {} SELECT {}, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s",
            numbers(8_000), id("000b", "n")
        ),
        format!(
            "INSERT INTO invitations (id, email, role, quota, uses, uses_left, created_at, expires_at) {} SELECT {}, {}, 'student', 1, 1, 1, {at}, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s",
            numbers(3_000), id("000a", "n"), text("person")
        ),
        format!(
            "INSERT INTO account_links (hash, purpose, user_id, created_at, expires_at) {} SELECT {}, 'password', {person}, {at}, CASE WHEN n % 2 = 0 THEN {at} ELSE {soon} END FROM s",
            numbers(8_000), text("link")
        ),
        format!(
            "INSERT INTO registrations (id, email, hashed_password, created_at) {} SELECT {}, {}, '', {at} FROM s",
            numbers(3_000), id("000b", "n"), text("asks")
        ),
        format!(
            "INSERT INTO mails (id, kind, email, created_at, attempts, failure) {} SELECT {}, 'reset', {}, {at}, 1, 'no' FROM s",
            numbers(5_000), id("000c", "n"), text("person")
        ),
        format!(
            "INSERT INTO groups (id, name, name_key, allowance, reserve, reserve_left, refill, time_zone, next_refill_at, created_at) {} SELECT {}, {}, {}, 5, 5, 5, 'on 2099-01-01', 'UTC', {late}, {at} FROM s",
            numbers(60), id("000d", "n"), text("Group"), text("group")
        ),
        format!(
            "INSERT INTO group_members (group_id, user_id, standing, left_wells, joined_at) {} SELECT {}, {}, CASE WHEN n % 30 = 0 THEN 'teacher' ELSE 'member' END, 0, {at} FROM s",
            numbers(PEOPLE - 1), id("000d", "1 + n % 60"), id("0001", "n")
        ),
        format!(
            "INSERT INTO quota_changes (id, user_id, cause, before_wells, after_wells, created_at) {} SELECT {}, {user}, 'refilled', 1, 2, {at} FROM s",
            numbers(20_000), id("000e", "n")
        ),
        format!(
            "INSERT INTO quota_requests (id, user_id, wells, reason, created_at, decided_at, granted) {} SELECT {}, {user}, 1, 'more', {at}, {at}, 1 FROM s",
            numbers(10_000), id("000f", "n")
        ),
        format!(
            "INSERT INTO spent_refresh_tokens (refresh_hash, session_id, spent_at) {} SELECT {}, {}, {soon} FROM s",
            numbers(20_000), text("spent"), id("0002", "1 + n % 4000")
        ),
        format!(
            "INSERT INTO user_activity_log (id, user_id, action, details, created_at, seal_number, seal) {} SELECT {}, {person}, 'signed_in', {json}, {at}, CASE WHEN n <= 19000 THEN n END, 'seal' FROM s",
            numbers(20_000), id("0003", "n")
        ),
        format!(
            "INSERT INTO activity_chain (one, sealed_number, seal, sealed_at, forgotten_number, forgotten_seal) VALUES (1, 19000, 'seal', {at}, 0, '')"
        ),
        format!(
            "INSERT INTO plates (id, robot_id, placed_at, removed_at) {} SELECT {}, {robot}, {at}, {at} FROM s",
            numbers(PLATES), id("0008", "n")
        ),
        format!(
            "INSERT INTO experiments (id, user_id, status, metadata, created_at, started_at, completed_at, name, priority, last_sequence, dyes, least_nl, fullest_nl, asked, measured, doubtful, swatches)
             {} SELECT {}, {user}, CASE WHEN n > {ENDED} THEN 'queued' ELSE 'completed' END, {json}, {at}, CASE WHEN n > {ENDED} THEN NULL ELSE {at} END, CASE WHEN n > {ENDED} THEN NULL ELSE {at} END, 'old', 0, 5, 'blue red', 20000, 70000, 8,
                CASE WHEN n > {ENDED} THEN NULL ELSE 8 END, CASE WHEN n > {ENDED} THEN NULL ELSE 0 END, CASE WHEN n > {ENDED} THEN NULL ELSE '#ffffff' END FROM s",
            numbers(all), id("0004", "n")
        ),
        format!(
            "INSERT INTO wells (id, experiment_id, status, metadata, position, recipe) {} SELECT {}, {}, CASE WHEN n / 8 > {ENDED} THEN 'pending' ELSE 'measured' END, {json}, n % 8, {json} FROM s",
            numbers(8 * all + 7).replace("SELECT 1 UNION", "SELECT 8 UNION"), id("0005", "n"), id("0004", "n / 8")
        ),
        format!(
            "INSERT INTO results (id, experiment_id, well_id, measurement_data, created_at) {} SELECT {}, {}, {}, {json}, {at} FROM s",
            numbers(8 * ENDED + 7).replace("SELECT 1 UNION", "SELECT 8 UNION"), id("0006", "n"), id("0004", "n / 8"), id("0005", "n")
        ),
        format!(
            "INSERT INTO events (experiment_id, sequence, kind, data, at) {} SELECT {}, 1 + n % 5, 'status', {json}, {at} FROM s",
            numbers(5 * all + 4).replace("SELECT 1 UNION", "SELECT 5 UNION"), id("0004", "n / 5")
        ),
        format!(
            "INSERT INTO idempotency_keys (user_id, key, request_hash, experiment_id, created_at) {} SELECT {person}, {}, '', {}, {at} FROM s",
            numbers(ENDED), text("key"), id("0004", "n")
        ),
        format!(
            "INSERT INTO quota_entries (well_id, reason, user_id, created_at) {} SELECT {}, 'returned', {person}, {at} FROM s",
            numbers(ENDED), id("0005", "n + 8")
        ),
        format!(
            "INSERT INTO operations (id, robot_id, experiment_id, lease_epoch, sequence, step, state, intended_at) {} SELECT {}, {robot}, {}, 1, n, {home}, 'succeeded', {at} FROM s",
            numbers(30_000), id("0007", "n"), id("0004", &format!("1 + n % {ENDED}"))
        ),
        format!(
            "INSERT INTO operation_events (operation_id, event, outcome, at) {} SELECT {}, 'succeeded', {json}, {at} FROM s",
            numbers(30_000), id("0007", "n")
        ),
        format!(
            "INSERT INTO documents (collection, id, body, created_at) {} SELECT 'measurements', {}, {json}, {at} FROM s",
            numbers(30_000), id("0007", "n")
        ),
        "UPDATE robots SET last_sequence = 30000".to_owned(),
        "ANALYZE".to_owned(),
    ]
    .join(";\n")
}
