//! The API as a program uses it.

use crate::process::{ADMIN, Lab, PASSWORD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// For an experiment on a busy machine; nothing is asserted about how long it really takes.
const PATIENCE: Duration = Duration::from_secs(180);
const ONE_REQUEST: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// A signed-in program.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    address: String,
    token: String,
}

impl Client {
    /// Signs in as the administrator of a test lab.
    pub async fn of(lab: &Lab) -> Self {
        Self::sign_in(&lab.address, ADMIN, PASSWORD).await
    }

    pub async fn sign_in(address: &str, email: &str, password: &str) -> Self {
        let http = reqwest::Client::builder().timeout(ONE_REQUEST).build().expect("a client");
        let mut client = Self { http, address: address.to_owned(), token: String::new() };
        let body = json!({ "email": email, "password": password });
        let (status, tokens) = client.send(Method::POST, "/api/v1/auth/login", Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        assert_eq!(tokens["token_type"], "Bearer");
        client.token = tokens["access_token"].as_str().expect("a token").to_owned();
        client
    }

    /// The same lab for a program that shows this token.
    pub fn showing(&self, token: &str) -> Self {
        Self { http: self.http.clone(), address: self.address.clone(), token: token.to_owned() }
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {body}");
        body
    }

    /// Reads whatever the answer is.
    pub async fn try_get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    /// Asks for an experiment and returns it as accepted.
    pub async fn submit(&self, wells: &[Value]) -> Value {
        let (status, body) = self.try_submit(wells).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }

    /// Asks for an experiment and returns whatever the answer is.
    pub async fn try_submit(&self, wells: &[Value]) -> (StatusCode, Value) {
        let wells: Vec<Value> = wells.iter().map(|volumes| json!({ "volumes": volumes })).collect();
        self.send(Method::POST, "/api/v1/experiments", Some(&json!({ "wells": wells }))).await
    }

    pub async fn experiment(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/experiments/{id}")).await
    }

    /// The events of an experiment from its first to its last.
    pub async fn follow(&self, id: &str) -> String {
        let stream = self.http.get(format!("{}/api/v1/experiments/{id}/events", self.address)).timeout(PATIENCE);
        stream.bearer_auth(&self.token).send().await.expect("a stream").text().await.expect("it ends")
    }

    /// What lies at a path, whatever it is.
    pub async fn text(&self, path: &str) -> String {
        ask(&self.address, path, &self.token).await.1
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Looks until `reached` says so.
    pub async fn until(&self, id: &str, reached: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let experiment = self.experiment(id).await;
            if reached(&experiment) {
                return experiment;
            }
            assert!(Instant::now() < deadline, "not reached in {PATIENCE:?}: {experiment:#}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks until it has ended, and insists that it ended well.
    pub async fn until_completed(&self, id: &str) -> Value {
        let ended = self.until(id, |experiment| is_final(experiment["status"].as_str())).await;
        assert_eq!(ended["status"], "completed", "{ended:#}");
        ended
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.address)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }
}

/// One question with a bearer token, whatever the answer is.
pub async fn ask(address: &str, path: &str, token: &str) -> (StatusCode, String) {
    let http = reqwest::Client::builder().timeout(ONE_REQUEST).build().expect("a client");
    let response = http.get(format!("{address}{path}")).bearer_auth(token).send().await.expect("an answer");
    (response.status(), response.text().await.expect("text"))
}

/// Asks until the answer has this status, and returns its JSON.
pub async fn ask_until(address: &str, path: &str, token: &str, wanted: u16) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, text) = ask(address, path, token).await;
        if status == wanted {
            return serde_json::from_str(&text).expect("JSON");
        }
        assert!(Instant::now() < deadline, "{path} doesn't become {wanted}: {status} {text}");
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_final(status: Option<&str>) -> bool {
    matches!(status, Some("completed" | "failed" | "cancelled"))
}

/// The wells that count: those that were quarantined have been replaced by others at the same position.
pub fn measured(experiment: &Value) -> Vec<&Value> {
    let wells = experiment["wells"].as_array().expect("wells");
    wells.iter().filter(|well| well["status"] == "measured").collect()
}

/// Eight mixtures that use every dye, alone and together.
pub fn eight_wells() -> Vec<Value> {
    vec![
        json!({ "red": 60, "yellow": 30, "blue": 60 }),
        json!({ "red": 150 }),
        json!({ "yellow": 150 }),
        json!({ "blue": 150 }),
        json!({ "red": 100, "yellow": 100 }),
        json!({ "yellow": 200, "blue": 40 }),
        json!({ "red": 20, "blue": 280 }),
        json!({ "red": 100, "yellow": 100, "blue": 100 }),
    ]
}
