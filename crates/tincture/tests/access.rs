//! Who may ask for what: every route of the API and of the pages × every role × own, their group's, somebody else's and
//! nobody's × every kind of token, good and bad.
//!
//! The routes are those that the routers have, so a new one without a rule fails here. What is expected follows from the
//! table of permissions, which stands in docs/people.md; that the lab answers so is seen by asking it.

use api::{ApiState, ScrapeToken, ScrapeTokens};
use auth::{
    AUDIENCE, AccountPolicy, ISSUER, InvitationWish, NewAccount, Password, Registration, SESSION_COOKIE, Service,
    ServiceTokenWish, TokenWish,
};
use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
    response::Response,
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use domain::{
    ApiTokenId, Attendance, Deck, ExperimentId, GroupId, Permission, QuotaRequestId, Refill, RegistrationId, RobotKind,
    Role, Scope, Scopes, ServiceKind, Standing, UserId, Zone,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use request::{Access, AppState, Caller, Changes, ROUTES, access};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    GroupTerms, LinkTo, NewActivity, NewLink, NewQuotaRequest, NewRobot, NewUser, User, testing::TestDatabase,
};
use tower::ServiceExt;
use workflow::{ExperimentRequest, Lab, WellRequest};

const PASSWORD: &str = "a password for tests";

/// How a request is answered, as far as it is about who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Whoever asks may: what becomes of it is the handler's.
    Passes,
    /// Nobody's valid sign-in came with it.
    Stranger,
    Forbidden,
    /// There is none such, or it is somebody else's.
    Absent,
}

/// What a route's id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    /// Of a member of a group that they teach.
    Group,
    /// Also of a group that they are a member of, and don't teach.
    Others,
    /// An id that there isn't.
    Nobodys,
    /// The route is about no one's.
    TheLabs,
}

/// Somebody with what they can show.
struct Person {
    user: User,
    token: String,
    cookie: String,
    experiment: ExperimentId,
}

struct Fixture {
    state: AppState,
    router: Router,
    database: TestDatabase,
    people: BTreeMap<&'static str, Person>,
    /// Whom all of them teach, but for `other`.
    pupil: Option<Person>,
    /// Whoever administrators act on.
    target: UserId,
}

/// By name; `other` is somebody whose things the others ask for.
const PEOPLE: [(&str, Role); 5] = [
    ("student", Role::Student),
    ("researcher", Role::Researcher),
    ("operator", Role::Operator),
    ("administrator", Role::Admin),
    ("other", Role::Student),
];

impl Fixture {
    async fn open() -> Self {
        let database = TestDatabase::sqlite().await;
        let store = database.store.clone();
        let auth = Service::new(store.clone()).await.expect("auth");
        let policy = AccountPolicy { registration: Registration::Open, ..AccountPolicy::default() };
        let auth = auth.with_account_policy(policy).expect("a policy");
        let state = AppState::new(store.clone(), auth, Lab::new(store.clone()));
        let state = state.with_changes(Changes::per_minute(100_000));
        store.ensure_robot(bench()).await.expect("a robot");
        let router = api::router(ApiState::new(state.clone())).merge(web::router(state.clone()));
        let target = account(&state, "target", Role::Student).await.id;
        let mut fixture = Self { state, router, database, people: BTreeMap::new(), pupil: None, target };
        for (name, role) in PEOPLE {
            let user = account(&fixture.state, name, role).await;
            let person = fixture.signed_in(user).await;
            fixture.people.insert(name, person);
        }
        let pupil = account(&fixture.state, "pupil", Role::Student).await;
        let pupil = fixture.signed_in(pupil).await;
        let teachers: Vec<_> =
            PEOPLE.iter().filter(|(name, _)| *name != "other").map(|(name, _)| fixture.people[name].user.id).collect();
        fixture.group(&teachers, &[pupil.user.id]).await;
        fixture.group(&[fixture.people["other"].user.id], &teachers).await;
        fixture.pupil = Some(pupil);
        // Who teaches is known from the account's row.
        for (name, _) in PEOPLE {
            let person = fixture.people.get_mut(name).expect("they are there");
            person.user = fixture.state.store.user(person.user.id).await.expect("an answer").expect("the account");
        }
        fixture
    }

    async fn signed_in(&self, user: User) -> Person {
        let auth = &self.state.auth;
        let tokens = auth.sign_in(&user.email, Password::from(PASSWORD), None).await.expect("signed in");
        let session = auth.start_cookie_session(&user.email, Password::from(PASSWORD), None).await.expect("signed in");
        let volumes = [("red".to_owned(), 60.0)].into();
        let request =
            ExperimentRequest { name: None, wells: vec![WellRequest { volumes, target: None }], ..Default::default() };
        let experiment = self.state.lab.submit(&user, request, None, None).await.expect("accepted").experiment;
        Person {
            token: tokens.access_token.expose().to_owned(),
            cookie: session.token.expose().to_owned(),
            experiment: experiment.experiment.id,
            user,
        }
    }

    async fn group(&self, teachers: &[UserId], members: &[UserId]) -> GroupId {
        let (refill, time_zone) = (Refill::Never, Zone::UTC);
        let terms = GroupTerms { name: GroupId::new().to_string(), allowance: 0, reserve: 1_000, refill, time_zone };
        let act = NewActivity { user_id: None, action: "test", details: json!({}), ip_address: None };
        let store = &self.state.store;
        let id = store.create_group(&terms, &act).await.expect("a group").id;
        store.add_to_group(id, teachers, Standing::Teacher, &act).await.expect("teachers");
        store.add_to_group(id, members, Standing::Member, &act).await.expect("members");
        id
    }

    /// Somebody new in a group of this teacher's asks for more.
    async fn somebody_asks(&self, teacher: UserId) -> QuotaRequestId {
        let (id, store) = (UserId::new(), &self.state.store);
        let act = NewActivity { user_id: None, action: "test", details: json!({}), ip_address: None };
        let (email, hashed_password) = (format!("{id}@example.org"), "!".to_owned());
        let new = NewUser { id, email, hashed_password, role: Role::Student, quota: 0 };
        store.create_user(new, &act).await.expect("an account");
        let group_id = Some(self.group(&[teacher], &[id]).await);
        let wish = NewQuotaRequest { user_id: id, group_id, wells: 1, reason: "test".to_owned() };
        store.ask_for_quota(&wish, &act).await.expect("asked")
    }

    /// So that nobody teaches more groups than they may.
    async fn forget_groups(&self) {
        let asked = "DELETE FROM group_members WHERE group_id IN (SELECT id FROM groups ORDER BY id LIMIT -1 OFFSET 2)";
        self.database.store.run_sql(asked).await;
    }

    async fn api_token(&self, user: &User, scopes: &[Scope]) -> (ApiTokenId, String) {
        let wish = TokenWish { name: "test".to_owned(), scopes: scopes.to_vec(), days: None };
        let (token, secret) = self.state.auth.create_api_token(user, wish, None, None).await.expect("a token");
        (token.id, secret.expose().to_owned())
    }

    /// Somebody new whose address is proven.
    async fn somebody_waits(&self) -> RegistrationId {
        let id = RegistrationId::new();
        let (email, hash) = (format!("{id}@example.org"), format!("hash of {id}"));
        let link = NewLink {
            hash: hash.clone(),
            to: LinkTo::Registration(email.clone()),
            expires_at: Utc::now() + chrono::TimeDelta::hours(1),
        };
        let act = NewActivity { user_id: None, action: "account_asked", details: json!({}), ip_address: None };
        self.state.store.create_link(&link, None).await.expect("a link");
        let asked = store::Registration { id, email, hashed_password: "!".to_owned(), created_at: Utc::now() };
        self.state.store.ask_for_account(&hash, &asked, &act).await.expect("asked");
        id
    }

    /// The path with something for each of its parts.
    async fn filled(&self, route: &str, asks: &Person, whose: Whose) -> String {
        let owner = match whose {
            Whose::Others => &self.people["other"],
            Whose::Group => self.pupil.as_ref().expect("they are there"),
            Whose::Own | Whose::Nobodys | Whose::TheLabs => asks,
        };
        let nobody = ExperimentId::new().to_string();
        let id = if whose == Whose::Nobodys {
            nobody
        } else if route.contains("experiments/{id}") {
            owner.experiment.to_string()
        } else if route.contains("groups/{id}") {
            self.forget_groups().await;
            self.group(&[owner.user.id], &[self.target]).await.to_string()
        } else if route.contains("quota-requests/{id}") {
            self.forget_groups().await;
            self.somebody_asks(owner.user.id).await.to_string()
        } else if is_of_services(route) {
            let wish = ServiceTokenWish { service: ServiceKind::Display, name: "wall".to_owned(), days: None };
            self.state.auth.create_service_token(wish, None, None).await.expect("a token").0.id.to_string()
        } else if route.contains("tokens/{id}") {
            // A fresh one each time, since who may revokes it.
            let (id, _) = self.api_token(&owner.user, &[Scope::Read]).await;
            id.to_string()
        } else if route.contains("sessions/{id}") {
            self.session(owner).await
        } else if route.contains("passkeys/{id}") {
            self.passkey(owner).await
        } else if route.contains("invitations/{id}") {
            let made = self.state.auth.invite(InvitationWish::default(), None, None).await.expect("an invitation");
            made.invitation.id.to_string()
        } else if route.contains("registrations/{id}") {
            self.somebody_waits().await.to_string()
        } else if route.contains("users/{id}") {
            self.target.to_string()
        } else {
            "bench".to_owned()
        };
        if whose == Whose::TheLabs
            && (route.contains("totp") || route.contains("recovery-codes") || route.contains("second-factor"))
        {
            self.app(owner).await;
        }
        let path = route.replace("{id}", &id).replace("{name}", "bench");
        let path = path.replace("{user}", &self.target.to_string());
        let path = if route.contains("quota-requests") { path.replace("{act}", "refuse") } else { path };
        let path = if route.contains("groups") { path.replace("{act}", "refill") } else { path };
        let path = if route.contains("registrations") { path.replace("{act}", "refuse") } else { path };
        path.replace("{control}", "pause").replace("{command}", "pause").replace("{act}", "enable")
    }

    /// A passkey of somebody, as no device of these tests could show it.
    async fn passkey(&self, owner: &Person) -> String {
        let id = domain::PasskeyId::new();
        let (passkey, user) = (id.as_uuid().simple(), owner.user.id.as_uuid().simple());
        let insert = format!(
            "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, state, created_at)
             VALUES (x'{passkey}', x'{user}', 'phone', '{id}', 'key', 'state', '2026-01-01T00:00:00+00:00')"
        );
        self.database.store.run_sql(&insert).await;
        id.to_string()
    }

    /// A sign-in of somebody in another browser.
    async fn session(&self, owner: &Person) -> String {
        let id = domain::SessionId::new();
        let until = Utc::now() + chrono::TimeDelta::hours(1);
        let hash = format!("hash of {id}");
        let (session, user) = (id.as_uuid().simple(), owner.user.id.as_uuid().simple());
        // Past the check that its owner has no second factor: it was begun before they had one.
        let insert = format!(
            "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at)
             VALUES (x'{session}', x'{user}', '{hash}', '2026-01-01T00:00:00+00:00', '{}')",
            until.to_rfc3339()
        );
        self.database.store.run_sql(&insert).await;
        id.to_string()
    }

    /// An authenticator app of somebody.
    async fn app(&self, owner: &Person) {
        let user = owner.user.id.as_uuid().simple();
        let insert = format!(
            "INSERT INTO second_factors (user_id, totp_secret, totp_since)
             VALUES (x'{user}', 'ABCD', '2026-01-01T00:00:00+00:00')
             ON CONFLICT (user_id) DO UPDATE SET totp_secret = 'ABCD', totp_since = '2026-01-01T00:00:00+00:00'"
        );
        self.database.store.run_sql(&insert).await;
    }

    /// As if everybody had signed in long ago and said nothing since.
    async fn grow_old(&self) {
        self.database.store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
    }

    /// Sends it with an empty form or object, which is enough for nothing that takes one.
    async fn ask(&self, method: &str, path: &str, shown: &[(header::HeaderName, String)]) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in shown {
            request = request.header(name, value);
        }
        let (kind, body) = match method {
            "GET" | "DELETE" => (None, ""),
            _ if is_of_api(path) => (Some("application/json"), "{}"),
            _ => (Some("application/x-www-form-urlencoded"), ""),
        };
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let before = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, false);
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        if (method, path) == ("DELETE", "/api/v1/robots/bench") || path == "/robots/bench/remove" {
            self.database.store.ensure_robot(bench()).await.expect("there again");
        }
        if ["/api/v1/sessions/end-others", "/account/sessions/others"].contains(&path) {
            // Each person asks with two sessions by turns.
            let again = format!("UPDATE sessions SET revoked_at = NULL WHERE revoked_at >= '{before}'");
            self.database.store.run_sql(&again).await;
        }
        answer
    }
}

fn bench() -> NewRobot {
    NewRobot {
        name: "bench".to_owned(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:9".to_owned(),
        sensor_url: "tcp://127.0.0.1:9".to_owned(),
        attendance: Attendance::Virtual,
        deck: Deck::default(),
    }
}

async fn account(state: &AppState, name: &str, role: Role) -> User {
    let (email, password) = (format!("{name}@example.org"), Password::from(PASSWORD));
    let account = NewAccount { email, password, role, quota: 100 };
    state.auth.create_user(account, None, None).await.expect("an account")
}

/// What programs may ask for, with a token.
fn is_of_api(route: &str) -> bool {
    route.starts_with("/api/") || route == "/auth/verify"
}

fn verdict(answer: &Response) -> Verdict {
    let to = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match answer.status() {
        StatusCode::UNAUTHORIZED => Verdict::Stranger,
        StatusCode::SEE_OTHER if to.starts_with("/sign-in") => Verdict::Stranger,
        StatusCode::FORBIDDEN => Verdict::Forbidden,
        StatusCode::NOT_FOUND => Verdict::Absent,
        status => {
            assert!(!status.is_server_error(), "{status}");
            Verdict::Passes
        }
    }
}

fn bearer(token: &str) -> [(header::HeaderName, String); 1] {
    [(header::AUTHORIZATION, format!("Bearer {token}"))]
}

fn cookie(token: &str) -> [(header::HeaderName, String); 1] {
    [(header::COOKIE, format!("{SESSION_COOKIE}={token}"))]
}

/// Each route that takes somebody, with its permission.
fn guarded() -> impl Iterator<Item = (&'static str, &'static str, Permission)> {
    ROUTES.iter().filter_map(|(method, route, access)| match access {
        Access::Needs(permission) => Some((*method, *route, *permission)),
        Access::Open => None,
    })
}

/// What there is to ask for about a route.
fn whose(method: &str, route: &str) -> &'static [Whose] {
    if ["groups/{id}", "quota-requests/{id}"].iter().any(|part| route.contains(part)) {
        let administers = access(method, route) == Some(Access::Needs(Permission::Administer));
        return if administers {
            &[Whose::TheLabs, Whose::Nobodys]
        } else {
            &[Whose::Own, Whose::Others, Whose::Nobodys]
        };
    }
    if is_of_services(route) {
        return &[Whose::TheLabs, Whose::Nobodys];
    }
    if ["experiments/{id}", "tokens/{id}", "passkeys/{id}", "sessions/{id}"].iter().any(|own| route.contains(own)) {
        &[Whose::Own, Whose::Group, Whose::Others, Whose::Nobodys]
    } else if ["users/{id}", "invitations/{id}", "registrations/{id}"].iter().any(|part| route.contains(part)) {
        &[Whose::TheLabs, Whose::Nobodys]
    } else {
        &[Whose::TheLabs]
    }
}

/// By the table alone.
fn expected(permission: Permission, role: Role, scopes: Option<Scopes>, whose: Whose) -> Verdict {
    let rule = permission.rule();
    let is_for_it = scopes.is_none_or(|scopes| rule.scope.is_some_and(|scope| scopes.has(scope)));
    let role = scopes.map_or(role, |scopes| scopes.within(role));
    match whose {
        _ if !is_for_it || !role.is_at_least(rule.least) => Verdict::Forbidden,
        Whose::Nobodys => Verdict::Absent,
        Whose::Group if rule.group => Verdict::Passes,
        Whose::Group | Whose::Others if rule.others.is_none_or(|least| !role.is_at_least(least)) => Verdict::Absent,
        Whose::Own | Whose::Group | Whose::Others | Whose::TheLabs => Verdict::Passes,
    }
}

/// What these are about is looked for when what was sent makes sense.
const BODY_FIRST: [(&str, &str); 3] =
    [("POST", "/api/v1/users/{id}/erase"), ("POST", "/users/{id}"), ("POST", "/api/v1/groups/{id}/members")];

/// Routes about one token of a program that is nobody's.
fn is_of_services(route: &str) -> bool {
    route.contains("service-tokens/{id}") || route.contains("services/{id}")
}

fn is_as_it_should(is: Verdict, should: Verdict, method: &str, route: &str) -> bool {
    is == should || (should == Verdict::Absent && is == Verdict::Passes && BODY_FIRST.contains(&(method, route)))
}

#[test]
fn every_route_has_a_rule_and_every_rule_a_route() {
    let document = serde_json::to_value(api::openapi()).expect("JSON");
    let mut routes: BTreeSet<(String, String)> = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let methods = methods.as_object().expect("methods");
        routes.extend(methods.keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    assert!(routes.len() > 35, "{}", routes.len());
    routes.extend(web::ROUTES.iter().map(|(method, path)| (method.to_uppercase(), (*path).to_owned())));
    for path in ["/assets/{edition}/{name}", "/auth/verify"] {
        routes.insert(("GET".to_owned(), path.to_owned()));
    }
    let ruled: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let missing: Vec<_> = routes.difference(&ruled).collect();
    assert!(missing.is_empty(), "say in request/src/access.rs who may ask for {missing:?}");
    let gone: Vec<_> = ruled.difference(&routes).collect();
    assert!(gone.is_empty(), "there are no such routes: {gone:?}");
}

/// What the document says of signing in is what the table says.
#[test]
fn what_is_open_says_so() {
    let document = serde_json::to_value(api::openapi()).expect("JSON");
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let is_open = access(&method.to_uppercase(), path) == Some(Access::Open);
            assert_eq!(operation.get("security").is_some(), is_open, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_route_without_a_rule_lets_nobody_in() {
    let fixture = Fixture::open().await;
    let stray: Router =
        Router::new().route("/stray", get(async |_: Caller| "let in")).with_state(fixture.state.clone());
    let ask = async |shown: &[(header::HeaderName, String)]| {
        let mut request = Request::get("/stray");
        for (name, value) in shown {
            request = request.header(name, value);
        }
        stray.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer").status()
    };
    assert_eq!(ask(&[]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&bearer(&fixture.people["administrator"].token)).await, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn each_role_reaches_what_the_table_says() {
    let fixture = Fixture::open().await;
    let mut wrong = Vec::new();
    for (method, route, permission) in guarded() {
        for (name, role) in PEOPLE.iter().filter(|(name, _)| *name != "other") {
            let person = &fixture.people[name];
            for &whose in whose(method, route) {
                let path = fixture.filled(route, person, whose).await;
                let shown = if is_of_api(route) { bearer(&person.token) } else { cookie(&person.cookie) };
                let is = verdict(&fixture.ask(method, &path, &shown).await);
                let should = expected(permission, *role, None, whose);
                if !is_as_it_should(is, should, method, route) {
                    wrong.push(format!("{name}, {whose:?}: {method} {route} is {is:?}, and should be {should:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The code of a problem, or what a page has for a heading; nothing of what isn't forbidden, which may have no end.
async fn says(answer: Response) -> String {
    if answer.status() != StatusCode::FORBIDDEN {
        return String::new();
    }
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    let text = String::from_utf8_lossy(&body).into_owned();
    match serde_json::from_str::<Value>(&text) {
        Ok(problem) => problem["code"].as_str().unwrap_or_default().to_owned(),
        Err(_) => text
            .split_once("<h1>")
            .and_then(|(_, rest)| rest.split_once("</h1>"))
            .map_or(text.clone(), |(heading, _)| heading.to_owned()),
    }
}

/// What changes with a permission that is grave asks anew who it is, of whoever may do it; nothing else does.
#[tokio::test]
async fn what_is_grave_asks_for_a_fresh_proof_and_nothing_else_does() {
    let fixture = Fixture::open().await;
    fixture.grow_old().await;
    let (mut asked, mut wrong) = (BTreeSet::new(), Vec::new());
    for (method, route, permission) in guarded() {
        for (name, role) in PEOPLE.iter().filter(|(name, _)| *name != "other") {
            let person = &fixture.people[name];
            let whose = *whose(method, route).first().expect("somebody's");
            let path = fixture.filled(route, person, whose).await;
            let shown = if is_of_api(route) { bearer(&person.token) } else { cookie(&person.cookie) };
            let answer = fixture.ask(method, &path, &shown).await;
            let status = answer.status();
            let said = says(answer).await;
            let asks =
                status == StatusCode::FORBIDDEN && ["fresh-proof-needed", "Confirm it’s you"].contains(&said.as_str());
            let should = permission.is_grave() && method != "GET" && permission.is_given_to(*role);
            if asks != should {
                wrong.push(format!("{name}: {method} {route}: {status} {said}, and it should ask: {should}"));
            }
            if asks {
                asked.insert((method, route));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked.len() > 15, "{asked:?}");
    // What keeps people and robots safe is asked of nobody.
    for (method, route) in [
        ("POST", "/api/v1/lab/stop"),
        ("POST", "/api/v1/robots/{id}/stop"),
        ("POST", "/api/v1/robots/{id}/pause"),
        ("POST", "/api/v1/experiments/{id}/cancel"),
        ("POST", "/lab/{command}"),
        ("POST", "/robots/{name}/{command}"),
        ("POST", "/experiments/{id}/{control}"),
        ("DELETE", "/api/v1/tokens/{id}"),
    ] {
        assert!(access(method, route).is_some() && !asked.contains(&(method, route)), "{method} {route}");
    }
}

/// Whose role needs a second factor can do nothing without but get one.
#[tokio::test]
async fn who_lacks_a_second_factor_is_led_to_one_and_nowhere_else() {
    let mut fixture = Fixture::open().await;
    let auth = fixture.state.auth.clone().with_second_factor_required(Role::ALL.iter().copied());
    fixture.state.auth = auth;
    fixture.router = api::router(ApiState::new(fixture.state.clone())).merge(web::router(fixture.state.clone()));
    let (mut wrong, mut led) = (Vec::new(), 0);
    for (method, route, permission) in guarded() {
        for (name, role) in PEOPLE.iter().filter(|(name, _)| *name != "other") {
            let person = &fixture.people[name];
            let path = fixture.filled(route, person, *whose(method, route).first().expect("somebody's")).await;
            let shown = if is_of_api(route) { bearer(&person.token) } else { cookie(&person.cookie) };
            let answer = fixture.ask(method, &path, &shown).await;
            let to =
                answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default().to_owned();
            let is_led = (to == "/account/second-factor" && permission != Permission::ManageFactors)
                || says(answer).await == "second-factor-missing";
            let should = permission.is_given_to(*role)
                && !matches!(permission, Permission::ManageFactors | Permission::ProveOneself);
            led += usize::from(is_led);
            if is_led != should {
                wrong.push(format!("{name}: {method} {route} is led: {is_led}, and should be: {should}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(led > 100, "{led}");
}

/// The scopes of a token, alone and together, of everybody who may have them.
#[tokio::test]
async fn each_token_reaches_what_its_scopes_say_and_no_more_than_its_owner() {
    let fixture = Fixture::open().await;
    let (all, mut wrong, mut passed) = (Scope::ALL, Vec::new(), 0);
    for (name, role) in PEOPLE.iter().filter(|(name, _)| *name != "other") {
        let person = &fixture.people[name];
        for bits in 1..1 << all.len() {
            let chosen: Vec<_> =
                all.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, scope)| *scope).collect();
            if chosen.iter().any(|scope| !scope.is_for(*role)) {
                continue;
            }
            let (id, token) = fixture.api_token(&person.user, &chosen).await;
            let scopes = Scopes::of(chosen).expect("some");
            for (method, route, permission) in guarded().filter(|(_, route, _)| is_of_api(route)) {
                for &whose in whose(method, route) {
                    let path = fixture.filled(route, person, whose).await;
                    let answer = fixture.ask(method, &path, &bearer(&token)).await;
                    let (is, should) = (verdict(&answer), expected(permission, *role, Some(scopes), whose));
                    passed += usize::from(is == Verdict::Passes);
                    if !is_as_it_should(is, should, method, route) {
                        wrong.push(format!(
                            "{name}'s {scopes}, {whose:?}: {method} {route} is {is:?}, and should be {should:?}"
                        ));
                    }
                }
            }
            for (method, route, _) in guarded().filter(|(_, route, _)| !is_of_api(route)) {
                let path = fixture.filled(route, person, Whose::TheLabs).await;
                for shown in [bearer(&token), cookie(&token)] {
                    let is = verdict(&fixture.ask(method, &path, &shown).await);
                    assert_eq!(is, Verdict::Stranger, "pages take no tokens: {method} {route}");
                }
            }
            // The next one finds room.
            fixture.state.auth.revoke_api_token(id, None, None).await.expect("revoked");
        }
        fixture.forget_tokens().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(passed > 100, "somebody was let in: {passed}");
}

/// Each kind of program that is nobody's: what it is for and nothing else, and no page.
#[tokio::test]
async fn each_service_reaches_what_it_is_for_and_nothing_else() {
    let fixture = Fixture::open().await;
    let asks = &fixture.people["student"];
    let mut reached = BTreeSet::new();
    for &service in ServiceKind::ALL {
        let token = fixture.service_token(service).await;
        for (method, route, permission) in guarded() {
            for &whose in whose(method, route) {
                let path = fixture.filled(route, asks, whose).await;
                let is = verdict(&fixture.ask(method, &path, &bearer(&token)).await);
                let should = match is_of_api(route) {
                    false => Verdict::Stranger,
                    true if !service.has(permission) => Verdict::Forbidden,
                    // What isn't there isn't.
                    true if whose == Whose::Nobodys => Verdict::Absent,
                    true => Verdict::Passes,
                };
                assert_eq!(is, should, "{service}, {whose:?}: {method} {route}");
                if is == Verdict::Passes {
                    reached.insert((service.as_str(), method, route));
                }
                fixture.forget_tokens().await;
            }
            let is = verdict(&fixture.ask(method, route, &cookie(&token)).await);
            assert_eq!(is, Verdict::Stranger, "no cookie: {method} {route}");
        }
    }
    let should = [
        ("display", "GET", "/api/v1/display"),
        ("display", "GET", "/api/v1/queue"),
        ("display", "GET", "/api/v1/robots"),
        ("display", "GET", "/api/v1/robots/{id}"),
        ("monitoring", "GET", "/auth/verify"),
    ];
    assert_eq!(reached, BTreeSet::from(should));
    let token = fixture.service_token(ServiceKind::Display).await;
    for path in ["/api/v1/display", "/api/v1/queue", "/api/v1/robots", "/api/v1/robots/bench"] {
        let answer = fixture.ask("GET", path, &bearer(&token)).await;
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(text.len() > 10 && !text.contains("example.org"), "{path} names nobody: {text}");
    }
}

/// The figures, where they are guarded: by the set-up token, or a monitoring service's own.
#[tokio::test]
async fn figures_are_for_whoever_was_told_how_and_for_monitoring() {
    let fixture = Fixture::open().await;
    let tokens = ScrapeTokens { instance: ScrapeToken::new("set up"), service: ScrapeToken::new("set up, too") };
    let router = api::router(ApiState::new(fixture.state.clone()).with_scrape_tokens(tokens));
    let ask = async |path: &str, token: &str| {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer").status()
    };
    let monitoring = fixture.service_token(ServiceKind::Monitoring).await;
    let display = fixture.service_token(ServiceKind::Display).await;
    for (path, set_up) in [("/metrics", "set up"), ("/metrics/service", "set up, too")] {
        assert_eq!(ask(path, set_up).await, StatusCode::OK);
        assert_eq!(ask(path, &monitoring).await, StatusCode::OK);
        for wrong in
            ["", "another", &display, &fixture.people["administrator"].token, &format!("tcs_{}", "a".repeat(46))]
        {
            assert_eq!(ask(path, wrong).await, StatusCode::UNAUTHORIZED, "{path} {wrong}");
        }
    }
}

impl Fixture {
    async fn service_token(&self, service: ServiceKind) -> String {
        let wish = ServiceTokenWish { service, name: "test".to_owned(), days: None };
        let (_, secret) = self.state.auth.create_service_token(wish, None, None).await.expect("a token");
        secret.expose().to_owned()
    }

    /// Those that were made to be asked for.
    async fn forget_tokens(&self) {
        for person in self.people.values() {
            for token in self.state.auth.api_tokens(person.user.id).await.expect("a list") {
                self.state.auth.revoke_api_token(token.id, None, None).await.expect("revoked");
            }
        }
        for token in self.state.auth.service_tokens().await.expect("a list") {
            if token.name == "wall" {
                self.state.auth.revoke_service_token(token.id, None, None).await.expect("revoked");
            }
        }
    }

    /// Everything that is nobody's valid sign-in, though it looks like an administrator's.
    async fn bad_tokens(&self) -> Vec<(&'static str, String)> {
        let admin = &self.people["administrator"];
        let own = self.database.store.signing_keys().await.expect("the keys").remove(0);
        let key = EncodingKey::from_ed_pem(own.private_pem.as_bytes()).expect("a key");
        let payload = admin.token.split('.').nth(1).expect("claims");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON");
        let kid = Some(own.kid.clone());
        let signed = |algorithm, claims: &Value, key: &EncodingKey| {
            let header = Header { kid: kid.clone(), ..Header::new(algorithm) };
            jsonwebtoken::encode(&header, claims, key).expect("signed")
        };
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            signed(Algorithm::EdDSA, &claims, &key)
        };
        // Signed anew without a change it is good: what is refused below is refused for what was changed.
        let same = verdict(&self.ask("GET", "/api/v1/users", &bearer(&signed(Algorithm::EdDSA, &claims, &key))).await);
        assert_eq!(same, Verdict::Passes);
        assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(ISSUER), Some(AUDIENCE)));

        let mut foreign = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        foreign.extend([7; 32]);
        let foreign = EncodingKey::from_ed_der(&foreign);
        let public = self.state.auth.keys().jwks().await.to_string();
        let head = json!({ "alg": "none", "typ": "JWT", "kid": own.kid }).to_string();
        let (before, _) = admin.token.rsplit_once('.').expect("a JWT");
        let sessionless =
            self.state.auth.sign_in(&admin.user.email, Password::from(PASSWORD), None).await.expect("signed in");
        self.state.auth.sign_out(sessionless.refresh_token.expose(), None).await.expect("signed out");
        let (revoked, revoked_token) = self.api_token(&admin.user, &[Scope::Read]).await;
        self.state.auth.revoke_api_token(revoked, None, None).await.expect("revoked");
        let (_, expired) = self.api_token(&admin.user, Scope::ALL).await;
        self.database.store.run_sql("UPDATE api_tokens SET expires_at = '2020-01-01T00:00:00+00:00'").await;
        let expired_service = self.service_token(ServiceKind::Display).await;
        self.database.store.run_sql("UPDATE service_tokens SET expires_at = '2020-01-01T00:00:00+00:00'").await;
        let revoked_service = self.service_token(ServiceKind::Display).await;
        let newest = self.state.auth.service_tokens().await.expect("a list").remove(0).id;
        self.state.auth.revoke_service_token(newest, None, None).await.expect("revoked");
        let mistyped = {
            let mut typed = expired.clone();
            typed.pop();
            typed + "-"
        };
        vec![
            ("nothing", String::new()),
            ("expired", with("exp", json!(Utc::now().timestamp() - 1))),
            ("forged signature", format!("{before}.{}", "A".repeat(86))),
            ("another key", signed(Algorithm::EdDSA, &claims, &foreign)),
            ("alg none", format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(head))),
            (
                "the public key as a secret",
                signed(Algorithm::HS256, &claims, &EncodingKey::from_secret(public.as_bytes())),
            ),
            ("wrong audience", with("aud", json!("another-api"))),
            ("wrong issuer", with("iss", json!("another"))),
            ("no such session", with("sid", json!(ExperimentId::new()))),
            ("somebody else's session", with("sub", json!(self.people["student"].user.id))),
            ("revoked session", sessionless.access_token.expose().to_owned()),
            ("a cookie", admin.cookie.clone()),
            ("revoked API token", revoked_token),
            ("expired API token", expired),
            ("mistyped API token", mistyped),
            ("expired service token", expired_service),
            ("revoked service token", revoked_service),
            ("unknown service token", format!("tcs_{}", "a".repeat(46))),
            ("unknown API token", format!("tct_{}", "a".repeat(46))),
        ]
    }
}

#[tokio::test]
async fn nobody_gets_in_with_a_bad_token() {
    let fixture = Fixture::open().await;
    let admin = &fixture.people["administrator"];
    let bad = fixture.bad_tokens().await;
    let mut asked = 0;
    for (method, route, _) in guarded() {
        let path = fixture.filled(route, admin, Whose::Nobodys).await;
        for (kind, token) in &bad {
            for shown in [bearer(token), cookie(token)] {
                let is_good_cookie = *kind == "a cookie" && shown[0].0 == header::COOKIE;
                if is_good_cookie {
                    continue;
                }
                let is = verdict(&fixture.ask(method, &path, &shown).await);
                assert_eq!(is, Verdict::Stranger, "{kind}: {method} {route}");
                asked += 1;
            }
        }
        let is = verdict(&fixture.ask(method, &path, &[]).await);
        assert_eq!(is, Verdict::Stranger, "nobody: {method} {route}");
    }
    assert!(asked > 1_000, "{asked}");
}

/// A cookie reads whatever page sends it; what changes something must come from our own.
#[tokio::test]
async fn no_other_site_changes_anything_with_a_cookie() {
    let fixture = Fixture::open().await;
    let admin = &fixture.people["administrator"];
    for (method, route, _) in guarded().filter(|(method, ..)| *method != Method::GET.as_str()) {
        let path = fixture.filled(route, admin, Whose::Own).await;
        let [shown] = cookie(&admin.cookie);
        let from = (header::HeaderName::from_static("sec-fetch-site"), "cross-site".to_owned());
        let is = verdict(&fixture.ask(method, &path, &[shown, from]).await);
        assert_eq!(is, Verdict::Forbidden, "{method} {route}");
        fixture.forget_tokens().await;
    }
}
