//! A served lab with people in it and a robot that the tests move by hand.

use api::ApiState;
use auth::{NewAccount, Service};
use domain::{
    Attendance, Change, Deck, ExperimentId, ExperimentStatus, RobotId, RobotKind, Role, UserId, WellId, WellName,
    WellStatus,
};
use request::{AppState, Changes};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use store::{Entry, Lease, LeaseClaim, NewRobot, testing::TestDatabase};
use workflow::Lab;

pub const PASSWORD: &str = "correct horse";

/// A lab on a free port; its server ends with it.
pub struct TestLab {
    pub database: TestDatabase,
    pub state: AppState,
    pub api: ApiState,
    pub base: String,
    pub client: Client,
    pub robot: RobotId,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for TestLab {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A signed-in person.
pub struct Person<'lab> {
    lab: &'lab TestLab,
    pub id: UserId,
    pub token: String,
    pub refresh_token: String,
}

/// An answer read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks that this is a complete problem document with this status and code, and returns it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/docs/faults/{code}"));
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        problem
    }
}

fn robot(deck: Deck) -> NewRobot {
    NewRobot {
        name: "one".into(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:1".into(),
        sensor_url: "tcp://127.0.0.1:1".into(),
        attendance: Attendance::Virtual,
        deck,
    }
}

async fn served(state: &ApiState) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let service = api::router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    (base, tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") }))
}

impl TestLab {
    pub async fn new() -> Self {
        Self::with_changes(Changes::default()).await
    }

    pub async fn with_changes(changes: Changes) -> Self {
        let database = TestDatabase::sqlite().await;
        let auth = Service::new(database.store.clone()).await.expect("auth");
        let lab = Lab::new(database.store.clone());
        let state = AppState::new(database.store.clone(), auth, lab).with_changes(changes);
        let robot = database.store.ensure_robot(robot(Deck::default())).await.expect("a robot");
        let api = ApiState::new(state.clone());
        let (base, server) = served(&api).await;
        let client = Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        Self { database, state, api, base, client, robot: robot.id, server }
    }

    /// The robot's deck is another from now on.
    pub async fn redeck(&self, deck: Deck) {
        self.database.store.ensure_robot(robot(deck)).await.expect("the robot");
    }

    /// Serves with another state from here on.
    pub async fn serve(&mut self, api: ApiState) {
        self.server.abort();
        (self.base, self.server) = served(&api).await;
        self.api = api;
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub async fn person(&self, name: &str, role: Role, quota: i32) -> Person<'_> {
        let email = format!("{name}@example.org");
        let account = NewAccount { email: email.clone(), password: PASSWORD.into(), role, quota };
        let id = self.state.auth.create_user(account, None, None).await.expect("an account").id;
        let tokens = self.post("/api/v1/auth/login", &json!({ "email": email, "password": PASSWORD })).await.json();
        let text = |field: &str| tokens[field].as_str().expect("a token").to_owned();
        Person { lab: self, id, token: text("access_token"), refresh_token: text("refresh_token") }
    }

    pub async fn lane(&self) -> Lease {
        self.lane_of(self.robot).await
    }

    pub async fn lane_of(&self, robot: RobotId) -> Lease {
        let store = &self.database.store;
        let lease = store.lease(robot, "test", Duration::from_secs(60), LeaseClaim::Seize).await;
        lease.expect("a lease").expect("the lane")
    }

    pub async fn commit(&self, lease: &Lease, changes: Vec<Change>) {
        let entry = Entry { changes, ..Entry::default() };
        self.database.store.commit(lease, entry).await.expect("committed");
    }

    /// Takes the experiment onto the plate as a worker does; returns its wells.
    pub async fn start(&self, lease: &Lease, id: ExperimentId) -> Vec<WellId> {
        let store = &self.database.store;
        let wells: Vec<_> =
            store.experiment(id).await.expect("read").expect("it").wells.iter().map(|(well, _)| well.id).collect();
        let plate = store.inventory(self.robot).await.expect("inventory").plate.expect("a plate");
        let places: Vec<_> = wells.iter().copied().zip(WellName::all()).collect();
        assert!(store.take(lease, 0, id, plate, &places).await.expect("taken"));
        wells
    }

    /// Mixes and measures a started experiment to its end.
    pub async fn finish(&self, lease: &Lease, id: ExperimentId, wells: &[WellId]) {
        self.finish_with(lease, id, wells, &measurement()).await;
    }

    /// The same, with results of one's own.
    pub async fn finish_with(&self, lease: &Lease, id: ExperimentId, wells: &[WellId], measurement: &Value) {
        for &well in wells {
            for to in [WellStatus::Dispensing, WellStatus::Mixed] {
                self.commit(lease, vec![Change::Well { id: well, to, fault: None }]).await;
            }
            let result = Change::Result { id: domain::ResultId::new(), well, measurement_data: measurement.clone() };
            self.commit(lease, vec![result]).await;
        }
        let done = Change::Experiment { id, to: ExperimentStatus::Completed, fault: None };
        self.commit(lease, vec![done]).await;
    }
}

impl Person<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.lab.request(method, &format!("/api/v1{path}")).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub async fn quota(&self) -> i64 {
        self.get("/me").await.json()["quota_remaining"].as_i64().expect("a number")
    }

    /// Asks for so many wells of ochre.
    pub async fn experiment(&self, wells: usize) -> ExperimentId {
        let answer = self.post("/experiments", &ochre(wells)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["id"].as_str().expect("an id").parse().expect("a UUID")
    }
}

pub fn ochre(wells: usize) -> Value {
    json!({ "name": "ochre", "wells": vec![json!({ "volumes": { "red": 60, "yellow": 30.5, "blue": 60 } }); wells] })
}

pub fn measurement() -> Value {
    json!({
        "channels": { "ch410": 1, "ch440": 2, "ch470": 3, "ch510": 4, "ch550": 5, "ch583": 6, "ch620": 7, "ch670": 8,
            "clear": 9, "nir": 10 },
        "reflectance": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        "lab": { "l": 50.25, "a": -3.5, "b": 20.0 },
        "srgb": "#a0522d",
    })
}
