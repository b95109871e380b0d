//! Bad requests: each gets its status and a problem that says what to change, and nothing is charged.

use crate::lab::{Answer, Person, TestLab, ochre};
use domain::Role;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn one_well(volumes: &Value) -> Value {
    json!({ "wells": [{ "volumes": volumes }] })
}

async fn send_raw(person: &Person<'_>, body: &str) -> Answer {
    let request = person.request(Method::POST, "/experiments").header("content-type", "application/json");
    Answer::of(request.body(body.to_owned())).await
}

#[tokio::test]
async fn what_no_robot_can_mix_is_pointed_at_and_not_charged() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 200).await;
    for (volumes, pointer, says) in [
        (json!({ "red": -1 }), "/wells/0/volumes/red", "negative"),
        (json!({ "red": 5 }), "/wells/0/volumes/red", "at least 20"),
        (json!({ "red": 20.05 }), "/wells/0/volumes/red", "0.1"),
        (json!({ "green": 60 }), "/wells/0/volumes/green", "green"),
        (json!({ "red": 1e300 }), "/wells/0/volumes/red", "more than"),
        (json!({ "red": 151, "blue": 150 }), "/wells/0/volumes", "301"),
        (json!({}), "/wells/0/volumes", "empty"),
    ] {
        let problem = ada.post("/experiments", &one_well(&volumes)).await.problem(422, "invalid-recipe");
        let error = &problem["errors"][0];
        assert!(error["pointer"].as_str().is_some_and(|at| at.starts_with(pointer)), "{volumes}: {problem}");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{volumes}: {problem}");
    }
    let two =
        json!({ "wells": [{ "volumes": { "red": 5 } }, { "volumes": { "red": 60 } }, { "volumes": { "green": 60 } }] });
    let problem = ada.post("/experiments", &two).await.problem(422, "invalid-recipe");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(2), "all at once: {problem}");
    let several = json!({ "red": 5, "green": 60, "blue": 299 });
    let problem = ada.post("/experiments", &one_well(&several)).await.problem(422, "invalid-recipe");
    let pointers: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|e| &e["pointer"]).collect();
    assert_eq!(pointers, ["/wells/0/volumes/green", "/wells/0/volumes/red", "/wells/0/volumes"], "{problem}");
    ada.post("/experiments", &ochre(97)).await.problem(422, "too-many-wells");
    ada.post("/experiments", &ochre(0)).await.problem(422, "invalid-request");
    assert_eq!(ada.quota().await, 200);
    assert_eq!(ada.get("/experiments").await.json()["data"], json!([]));
}

#[tokio::test]
async fn what_is_no_json_is_refused_before_anything() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    for body in ["", "{", r#"{"wells":[{"volumes":{"red":NaN}}]}"#, r#"{"wells":[{"volumes":{"red":Infinity}}]}"#] {
        send_raw(&ada, body).await.problem(400, "invalid-request");
    }
    send_raw(&ada, r#"{"wells":[{"volumes":{"red":1e400}}]}"#).await.problem(400, "invalid-request");
    send_raw(&ada, r#"{"wells":"eight"}"#).await.problem(422, "invalid-request");
    send_raw(&ada, r#"{"wells":[],"well":1}"#).await.problem(422, "invalid-request");
    let form = ada.request(Method::POST, "/experiments").header("content-type", "application/x-www-form-urlencoded");
    Answer::of(form.body("wells=8")).await.problem(415, "invalid-request");
}

#[tokio::test]
async fn what_can_be_read_two_ways_is_refused_wherever_it_stands() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    for (body, pointer, says) in [
        (r#"{"wells":[{"volumes":{"red":60,"red":30}}]}"#, "/wells/0/volumes/red", "twice"),
        (r#"{"wells":[{"volumes":{"red":60,"\u0072ed":30}}]}"#, "/wells/0/volumes/red", "twice"),
        (r#"{"wells":[{"volumes":{"red":60}}],"wells":[]}"#, "/wells", "twice"),
        (r#"["Ochre",[{"volumes":{"red":60}}],null]"#, "", "object"),
        (r#"{"wells":[[{"red":60}]]}"#, "/wells/0", "object"),
        (r#"{"wells":[{"volumes":[["red",60]]}]}"#, "/wells/0/volumes", "map"),
    ] {
        let problem = send_raw(&ada, body).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
        assert!(problem["errors"][0]["detail"].as_str().is_some_and(|d| d.contains(says)), "{body}: {problem}");
    }
    assert_eq!(ada.quota().await, 10);
}

#[tokio::test]
async fn every_endpoint_reads_as_strictly() {
    let lab = TestLab::new().await;
    let root = lab.person("root", Role::Admin, 10).await;
    for (method, path, body) in [
        (Method::POST, "/auth/login".to_owned(), r#"{"email":"a@b.c","email":"d@e.f","password":"long enough"}"#),
        (Method::POST, "/auth/refresh".to_owned(), r#"{"refresh_token":"a","refresh_token":"b"}"#),
        (Method::POST, "/auth/logout".to_owned(), r#"["a"]"#),
        (Method::POST, "/users".to_owned(), r#"["a@b.c","long enough","student",5]"#),
        (Method::PATCH, format!("/users/{}", root.id), r#"{"quota":1,"quota":2}"#),
        (Method::POST, "/robots/one/deck".to_owned(), r#"["refill","B1",14000,null]"#),
        (Method::POST, "/robots/one/deck".to_owned(), r#"{"act":"new_plate","act":"empty_waste"}"#),
        (Method::POST, "/robots/one/deck".to_owned(), r#"{"act":"refill","vial":"B1","volme":1}"#),
        (Method::POST, "/robots/one/deck".to_owned(), r#"{"act":"new_plate","slot":9}"#),
        (Method::POST, "/robots/one/deck".to_owned(), r#"{"act":0}"#),
    ] {
        let request = root.request(method, &path).header("content-type", "application/json");
        Answer::of(request.body(body)).await.problem(422, "invalid-request");
    }
    assert_eq!(root.quota().await, 10);
}

#[tokio::test]
async fn no_dye_is_dropped_silently() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let many = |last: f64| {
        let zeros = (0..70).map(|index| (format!("a{index:02}"), json!(0)));
        Value::Object(zeros.chain([("red".to_owned(), json!(60)), ("zz".to_owned(), json!(last))]).collect())
    };
    // In the order of the names, "red" comes after the 70 others.
    ada.post("/experiments", &one_well(&many(60.0))).await.problem(422, "invalid-recipe");
    ada.post("/experiments", &one_well(&many(0.0))).await.problem(422, "invalid-recipe");
    for name in ["green", "Red", "réd", "r\u{435}d", "red "] {
        let problem = ada.post("/experiments", &one_well(&json!({ "red": 60, name: 0 }))).await;
        let problem = problem.problem(422, "invalid-recipe");
        assert_eq!(problem["errors"][0]["pointer"], format!("/wells/0/volumes/{name}"), "{problem}");
    }
    let fine = json!({ "red": 60, "blue": 0, "yellow": -0.0 });
    assert_eq!(ada.post("/experiments", &one_well(&fine)).await.status, 201);
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_answered() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
    send_raw(&ada, &body).await.problem(413, "body-too-large");
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_isnt_cut_off() {
    let lab = TestLab::new().await;
    let address = lab.base.strip_prefix("http://").expect("an address");
    let mut connection = tokio::net::TcpStream::connect(address).await.expect("connected");
    let body = "x".repeat(10 * 1024 * 1024);
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.expect("the head is taken");
    connection.write_all(body.as_bytes()).await.expect("the body is taken, if only to be thrown away");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("an answer, not a reset");
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body-too-large"), "{answer}");
}

#[tokio::test]
async fn addresses_and_methods_that_arent_there() {
    let lab = TestLab::new().await;
    let problem = lab.get("/api/v1/experiment").await.problem(404, "not-found");
    assert_eq!(problem["instance"], "/api/v1/experiment");
    lab.get("/api/nothing").await.problem(404, "not-found");
    let answer = Answer::of(lab.request(Method::DELETE, "/api/v1/experiments")).await;
    answer.problem(405, "method-not-allowed");
    assert!(answer.header("allow").contains("POST"), "{answer:?}");
}

#[tokio::test]
async fn limits_cursors_and_keys_have_their_ranges() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "cursor=x", "scope=everything"] {
        let problem = ada.get(&format!("/experiments?{query}")).await.problem(422, "invalid-request");
        let name = query.split('=').next();
        assert_eq!(problem["errors"][0]["pointer"].as_str(), name, "{problem}");
    }
    for key in ["", " ", "a b", &"k".repeat(201)] {
        let request = ada.request(Method::POST, "/experiments").header("idempotency-key", key).json(&ochre(1));
        Answer::of(request).await.problem(422, "invalid-request");
    }
    assert_eq!(ada.quota().await, 10);
}
