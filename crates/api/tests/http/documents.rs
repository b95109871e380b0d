//! What the server says about itself: its description, its help pages, its health.

use crate::lab::TestLab;
use domain::{FaultCode, Role};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_description_lists_every_endpoint() {
    let lab = TestLab::new().await;
    let document = lab.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    let lines: Vec<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| {
                let answers: Vec<_> = operation["responses"].as_object().expect("responses").keys().cloned().collect();
                format!("{method} {path} → {}", answers.join(" "))
            })
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let operations = paths.values().flat_map(|methods| methods.as_object().expect("methods").values());
    let mut names: Vec<_> = operations.map(|operation| operation["operationId"].as_str().expect("a name")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "generated clients need each name once: {names:?}");
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is described");
    }
    assert_eq!(serde_json::to_value(api::openapi()).expect("json"), document, "and without a server too");
}

#[tokio::test]
async fn a_problem_document_has_this_shape() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let body = serde_json::json!({ "wells": [{ "volumes": { "red": 5, "green": 60 } }] });
    let request = ada.request(Method::POST, "/experiments").header("x-request-id", "run-42").json(&body);
    let problem: Value = request.send().await.expect("an answer").json().await.expect("json");
    insta::assert_json_snapshot!(problem);
}

#[tokio::test]
async fn every_problem_type_leads_to_a_page() {
    let lab = TestLab::new().await;
    let index = lab.get("/docs/faults").await.text;
    for &code in FaultCode::ALL {
        let page = lab.get(&code.help_path()).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"), "{code}");
        assert!(page.text.contains("<h2>What to do</h2>"), "{code}");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(index.contains(&code.help_path()), "{code} is in the index");
    }
    assert_eq!(lab.get("/docs/faults/style.css").await.header("content-type"), "text/css; charset=utf-8");
    lab.get("/docs/faults/nonsense").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_interactive_documentation_needs_no_other_server() {
    let lab = TestLab::new().await;
    let page = lab.get("/docs/").await;
    assert_eq!(page.status, 200);
    for path in ["/docs/", "/docs/swagger-ui-bundle.js", "/docs/faults/not-found"] {
        let page = lab.get(path).await;
        assert!(page.header("content-security-policy").contains("script-src 'self';"), "{path}");
        assert_eq!((page.header("x-frame-options"), page.header("referrer-policy")), ("DENY", "same-origin"), "{path}");
    }
    let script = lab.get("/docs/swagger-initializer.js").await.text;
    assert!(script.contains("\"persistAuthorization\": false"), "no token stays behind in the browser: {script}");
    assert!(script.contains("/api/v1/openapi.json"), "{script}");
    for text in [&page.text, &script] {
        let foreign: Vec<_> = text.split("https://").skip(1).filter(|rest| !rest.starts_with("swagger.io")).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }
}

#[tokio::test]
async fn machines_learn_how_it_does() {
    telemetry::install_metrics().expect("metrics");
    let lab = TestLab::new().await;
    assert_eq!(lab.get("/healthz").await.text, "ok\n");
    let ready = lab.get("/readyz").await.json();
    assert_eq!(
        (&ready["ready"], &ready["checks"]["writes"]["ok"], &ready["checks"]["disk"]["ok"]),
        (&json!(true), &json!(true), &json!(true))
    );
    let ada = lab.person("ada", Role::Student, 10).await;
    let id = ada.experiment(1).await;
    ada.get(&format!("/experiments/{id}")).await;
    let metrics = lab.get("/metrics").await.text;
    assert!(metrics.contains(r#"route="/api/v1/experiments/{id}",status="200""#), "{metrics}");
    assert!(!metrics.contains(&id.to_string()), "a label never holds an id");
    assert!(!metrics.contains("tincture_queue_length"), "what is the lab's isn't each process's: {metrics}");
    let service = lab.get("/metrics/service").await.text;
    assert!(service.contains("tincture_queue_length 1\n"), "{service}");
    assert!(service.contains(r#"tincture_robots{mode="active"} 1"#), "{service}");
    assert!(!service.contains("tincture_http_requests_total"), "{service}");
    let keys = lab.get("/.well-known/jwks.json").await.json();
    assert_eq!((keys["keys"][0]["crv"].as_str(), keys["keys"][0].get("d")), (Some("Ed25519"), None));
}
