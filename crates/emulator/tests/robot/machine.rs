//! The routes about the machine around the robot: its settings, its network, its camera, and the document of what it answers.

use super::{Answer, Lab, anywhere};
use domain::PipetteModel;
use emulator::Config;
use reqwest::Method;
use serde_json::{Value, json};

impl Lab {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(method, path, Some("*"), Some(body.to_string())).await
    }
}

#[tokio::test]
async fn the_document_tells_what_is_served_and_nothing_else() {
    let lab = Lab::open().await;
    let document = lab.send(Method::GET, "/openapi.json", None, None).await;
    assert_eq!((document.status, document.text("/openapi")), (200, "3.0.2"));
    let paths = document.at("/paths").as_object().expect("paths");
    assert!(paths.contains_key("/runs/{id}/commands") && !paths.contains_key("/redoc"));
    for (template, operations) in paths {
        let path = template.replace("{rest}", "x/y").replace(['{', '}'], "");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let is_told = operations.get(method.as_str().to_lowercase()).is_some();
            // A Flex's routes refuse every method alike.
            if template.contains("{rest}") && !is_told {
                continue;
            }
            let answer = lab.ask(method.clone(), &path, json!({})).await;
            assert_eq!(answer.status != 405, is_told, "{method} {template}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn each_pipette_has_settings_that_are_kept_and_put_back() {
    let lab = Lab::with(Config { left_pipette: Some(PipetteModel::P20SingleGen2), ..anywhere() }).await;
    let all = lab.get("/settings/pipettes").await;
    let serials: Vec<_> = all.body.as_object().expect("pipettes").keys().cloned().collect();
    assert_eq!(serials.len(), 2, "{}", all.body);
    let path = format!("/settings/pipettes/{}", serials[1]);
    let usual = lab.get(&path).await;
    assert_eq!(usual.at("/info"), &json!({"name": "p300_single_gen2", "model": "p300_single_v2.1"}));
    let current = json!({"units": "amps", "type": "float", "min": 0.1, "max": 2.0, "default": 0.125, "value": 0.125});
    assert_eq!(usual.at("/fields/pickUpCurrent"), &current);

    let set = |value: Value| json!({"fields": {"pickUpCurrent": {"value": value}}});
    assert_eq!(lab.ask(Method::PATCH, &path, set(json!(0.2))).await.number("/fields/pickUpCurrent/value"), 0.2);
    assert_eq!(lab.get(&path).await.number("/fields/pickUpCurrent/value"), 0.2);
    assert_eq!(lab.ask(Method::PATCH, &path, set(json!(3))).await.status, 412, "out of bounds");
    assert_eq!(lab.ask(Method::PATCH, &path, json!({"fields": {"odd": {"value": 1}}})).await.status, 412);
    assert_eq!(lab.ask(Method::PATCH, &path, set(Value::Null)).await.number("/fields/pickUpCurrent/value"), 0.125);
    let unknown = lab.get("/settings/pipettes/nobody").await;
    assert_eq!((unknown.status, unknown.text("/message")), (404, "nobody is not a valid pipette id"));
}

#[tokio::test]
async fn what_can_be_reset_is_told_and_reset() {
    let lab = Lab::open().await;
    let options = lab.get("/settings/reset/options").await;
    assert_eq!(options.at("/options").as_array().map(Vec::len), Some(7), "{}", options.body);
    let cases = [
        (json!({}), 200, "Nothing to do"),
        (json!({"runsHistory": false}), 200, "Nothing to do"),
        (
            json!({"deckConfiguration": true, "bootScripts": true}),
            200,
            "Options 'bootScripts, deckConfiguration' were reset",
        ),
        (json!({"onDeviceDisplay": true}), 403, "onDeviceDisplay is not a valid reset option."),
    ];
    for (asked, status, message) in cases {
        let answer = lab.post("/settings/reset", &asked).await;
        assert_eq!((answer.status, answer.text("/message")), (status, message), "{asked}");
    }
    assert_eq!(lab.post("/settings/reset", &json!({"everything": true})).await.status, 422);
    assert_eq!(lab.post("/settings/log_level/local", &json!({"log_level": "debug"})).await.status, 200);
    assert_eq!(lab.post("/settings/log_level/local", &json!({})).await.status, 422);
    assert_eq!(lab.post("/settings/log_level/upstream", &json!({"log_level": "debug"})).await.status, 410);
}

#[tokio::test]
async fn a_flag_is_kept_until_it_is_put_back() {
    let lab = Lab::open().await;
    let value = |answer: &Answer| {
        let settings = answer.at("/settings").as_array().cloned().unwrap_or_default();
        settings.into_iter().find(|one| one["id"] == "disableHomeOnBoot").map(|one| one["value"].clone())
    };
    for asked in [json!(true), json!(false), Value::Null] {
        let told = lab.post("/settings", &json!({"id": "disableHomeOnBoot", "value": asked})).await;
        assert_eq!(value(&told), Some(asked.clone()));
        assert_eq!(value(&lab.get("/settings").await), Some(asked));
    }
}

#[tokio::test]
async fn no_network_is_in_reach_and_key_files_are_kept() {
    let lab = Lab::open().await;
    assert_eq!(lab.get("/wifi/list").await.at("/list"), &json!([]));
    let options = lab.get("/wifi/eap-options").await;
    assert_eq!(options.at("/options").as_array().map(Vec::len), Some(5));
    assert_eq!(options.at("/options/4/options/2/required"), &json!(true));
    let joined = lab.post("/wifi/configure", &json!({"ssid": "lab", "psk": "secret"})).await;
    assert_eq!(joined.status, 401, "{}", joined.body);
    assert!(!joined.body.to_string().contains("secret"));
    assert_eq!(lab.post("/wifi/configure", &json!({})).await.status, 422);
    assert_eq!(lab.post("/wifi/disconnect", &json!({"ssid": "lab"})).await.status, 500);

    let upload = async |contents: &str| {
        let part = "--b\r\nContent-Disposition: form-data; name=\"key\"; filename=\"ca.pem\"\r\n\r\n";
        let url = format!("http://{}/wifi/keys", lab.emulator.robot_addr());
        let request = lab.client.post(url).header("Opentrons-Version", "*").timeout(super::PATIENCE);
        let request = request.header("Content-Type", "multipart/form-data; boundary=b");
        let answer = request.body(format!("{part}{contents}\r\n--b--\r\n")).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (status, key) = upload("a key").await;
    assert_eq!((status, &key["name"]), (201, &json!("ca.pem")), "{key}");
    let (status, again) = upload("a key").await;
    assert_eq!((status, &again["message"], &again["id"]), (200, &json!("Key file already present"), &key["id"]));
    assert_eq!(lab.get("/wifi/keys").await.at("/keys/0"), &key);
    let uri = key["uri"].as_str().expect("a path");
    let removed = lab.send(Method::DELETE, uri, Some("*"), None).await;
    assert_eq!((removed.status, removed.text("/message")), (200, "Key file ca.pem deleted"));
    assert_eq!(lab.send(Method::DELETE, uri, Some("*"), None).await.status, 404);
    assert_eq!(lab.post("/wifi/keys", &json!({})).await.status, 422, "no form");
}

#[tokio::test]
async fn a_picture_is_one_and_sessions_are_none() {
    let lab = Lab::open().await;
    let url = format!("http://{}/camera/picture", lab.emulator.robot_addr());
    let picture = lab.client.post(url).header("Opentrons-Version", "*").send().await.expect("an answer");
    assert_eq!(picture.headers()["content-type"], "image/jpg");
    let bytes = picture.bytes().await.expect("a picture");
    assert!(bytes.starts_with(b"\xff\xd8") && bytes.ends_with(b"\xff\xd9"), "a JPEG from its start to its end");

    assert_eq!(lab.get("/sessions").await.at("/data"), &json!([]));
    let begun = lab.post("/sessions", &json!({"data": {"sessionType": "deckCalibration", "createParams": {}}})).await;
    assert_eq!(begun.status, 403, "{}", begun.body);
    assert_eq!(lab.post("/sessions", &json!({"data": {"sessionType": "odd"}})).await.status, 422);
    let none = lab.get("/sessions/default").await;
    assert_eq!((none.status, none.text("/errors/0/title")), (404, "Resource Not Found"));
    assert_eq!(lab.send(Method::DELETE, "/sessions/default", Some("*"), None).await.status, 404);
    assert_eq!(lab.post("/sessions/default/commands/execute", &json!({})).await.status, 404);
}
