//! Lists, results and files.

use crate::lab::TestLab;
use domain::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(ada.experiment(1).await.to_string());
    }
    made.reverse();
    let (mut seen, mut path) = (Vec::new(), "/experiments?limit=2".to_owned());
    loop {
        let page = ada.get(&path).await.json();
        let data = page["data"].as_array().expect("a page");
        assert!(data.len() <= 2);
        seen.extend(data.iter().map(|line| line["id"].as_str().expect("an id").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/experiments?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made, "newest first");
}

#[tokio::test]
async fn a_measured_experiment_is_read_listed_and_downloaded() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(2).await;
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    assert_eq!(ada.get(&format!("/experiments/{id}/results")).await.json()["data"], json!([]));
    lab.finish(&lease, id, &wells).await;

    let read = ada.get(&format!("/experiments/{id}")).await.json();
    assert_eq!((read["status"].as_str(), read["wells"][0]["well_id"].as_str()), (Some("completed"), Some("A1")));
    let result = &read["wells"][1]["result"];
    assert_eq!((result["srgb"].as_str(), result["channels"]["nir"].as_i64()), (Some("#a0522d"), Some(10)));
    assert!(result["measured_at"].is_string());
    assert_eq!(result["transmittance"][7], 0.8, "by its one name, also what was stored under another");
    assert!(result.get("reflectance").is_none());
    assert_eq!(ada.get(&format!("/experiments/{id}/results")).await.json()["data"].as_array().map(Vec::len), Some(2));
    let line = &ada.get("/experiments").await.json()["data"][0];
    assert_eq!((line["wells"].as_i64(), line["measured"].as_i64()), (Some(2), Some(2)));
    assert_eq!(line["swatches"], json!(["#a0522d", "#a0522d"]));

    let csv = ada.get(&format!("/experiments/{id}/results.csv")).await;
    assert_eq!(csv.header("content-disposition"), format!("attachment; filename=\"tincture-{id}.csv\""));
    let lines: Vec<_> = csv.text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[0],
        "experiment_id,well_id,position,status,blue_ul,red_ul,yellow_ul,ch410,ch440,ch470,ch510,ch550,ch583,ch620,\
         ch670,clear,nir,transmittance_415,transmittance_445,transmittance_480,transmittance_515,transmittance_555,\
         transmittance_590,transmittance_630,transmittance_680,L,a,b,srgb,measured_at,experiment_name,predicted_L,\
         predicted_a,predicted_b,delta_e,doubtful,doubt,reads,scatter,gain,integration_ms,led_ma,dark_over,white_age_s,\
         basic_415,basic_445,basic_480,basic_515,basic_555,basic_590,basic_630,basic_680,absorbance_415,absorbance_445,\
         absorbance_480,absorbance_515,absorbance_555,absorbance_590,absorbance_630,absorbance_680,X,Y,Z,target_L,\
         target_a,target_b,delta_e_target"
    );
    assert!(lines[1].starts_with(&format!(
        "{id},A1,0,measured,60,60,30.5,1,2,3,4,5,6,7,8,9,10,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,50.25,-3.5,20.0,#a0522d,"
    )));
    assert!(lines[2].contains(",ochre,,,,,no,,"), "{}", lines[2]);

    let file = ada.get(&format!("/experiments/{id}/download.json")).await;
    assert!(file.header("content-disposition").ends_with(".json\""));
    assert_eq!(file.json(), read);
}

#[tokio::test]
async fn an_experiment_is_a_protocol_whatever_its_name() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let name = "\"\"\" + __import__('os').abort() \\";
    let body = json!({ "name": name, "wells": [{ "volumes": { "red": 60 } }] });
    let id = ada.post("/experiments", &body).await.json()["id"].as_str().expect("id").to_owned();
    let python = ada.get(&format!("/experiments/{id}/protocol.py")).await;
    assert_eq!(python.header("content-disposition"), format!("attachment; filename=\"tincture-{id}.py\""));
    assert!(python.text.contains("right.dispense(60, plate[\"A1\"]"), "{}", python.text);
    let named = format!("metadata = {{\"protocolName\": {}, ", json!(name));
    assert!(python.text.contains(&named) && python.text.matches("abort").count() == 1, "{}", python.text);
    let json = ada.get(&format!("/experiments/{id}/protocol.json?of=plan")).await.json();
    assert_eq!((&json["schemaVersion"], json["metadata"]["protocolName"].as_str()), (&json!(8), Some(name)));
    let nothing = ada.get(&format!("/experiments/{id}/protocol.json?of=run")).await.json();
    let commands = nothing["commands"].as_array().expect("a list");
    assert!(
        commands.iter().all(|command| command["commandType"].as_str().is_some_and(|kind| kind.starts_with("load")))
    );
    assert_eq!(ada.get(&format!("/experiments/{id}/protocol.py?of=both")).await.status, 422);
}

#[tokio::test]
async fn a_protocol_comes_back_as_the_request_that_made_it() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let wells = json!([{ "volumes": { "red": 60.5, "blue": 20.0 } }, { "volumes": { "yellow": 300.0 } }]);
    let asked = ada.post("/experiments", &json!({ "name": "Greens", "wells": wells })).await.json();
    let id = asked["id"].as_str().expect("id");
    let mut file = ada.get(&format!("/experiments/{id}/protocol.json")).await.json();
    let read = ada.post("/protocols/import", &file).await;
    assert_eq!(read.status, 200, "{}", read.text);
    let read = read.json();
    assert_eq!(read["request"], json!({ "name": "Greens", "wells": wells }), "{read}");
    assert_eq!((&read["problems"], &read["tips"], &read["wells"][1]["well"]), (&json!([]), &json!(3), &json!("B1")));
    assert_eq!(read["dyes"], json!({ "red": 60.5, "blue": 20.0, "yellow": 300.0 }));
    assert_eq!(ada.quota().await, 18, "nothing was made of it");
    assert_eq!(ada.post("/experiments", &read["request"]).await.status, 201);

    let commands = file["commands"].as_array_mut().expect("commands");
    commands.push(json!({ "commandType": "heaterShaker/closeLabwareLatch", "params": { "moduleId": "m" } }));
    let place = commands.len();
    let refused = ada.post("/protocols/import", &file).await.json();
    let detail = "uses a device that this lab doesn't have: heaterShaker";
    assert_eq!(refused["problems"], json!([{ "command": place, "line": null, "times": 1, "detail": detail }]));
    assert_eq!(refused["request"], json!(null));

    for (query, status, code) in [("robot=nobody", 404, "not-found"), ("dyes=2-A1", 422, "invalid-request")] {
        ada.post(&format!("/protocols/import?{query}"), &file).await.problem(status, code);
    }
    for (body, status, code) in [
        (json!({ "schemaVersion": 8 }), 422, "invalid-request"),
        (json!({ "commands": "x".repeat(1_100_000) }), 422, "invalid-request"),
        (json!({ "commands": "x".repeat(4_200_000) }), 413, "body-too-large"),
    ] {
        ada.post("/protocols/import", &body).await.problem(status, code);
    }
}

#[tokio::test]
async fn a_hostile_name_is_no_formula_in_the_csv() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let body = json!({ "name": "=HYPERLINK(\"http://evil\",\"x\")", "wells": [{ "volumes": { "red": 60 } }] });
    let id = ada.post("/experiments", &body).await.json()["id"].as_str().expect("id").to_owned();
    let csv = ada.get(&format!("/experiments/{id}/results.csv")).await.text;
    assert!(csv.contains(r#","'=HYPERLINK(""http://evil"",""x"")""#), "{csv}");
}

#[tokio::test]
async fn the_lab_shows_its_robots_and_its_queue() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(3).await;
    let robots = ada.get("/robots").await.json();
    let robot = &robots["data"][0];
    assert_eq!((robot["name"].as_str(), robot["status"].as_str()), (Some("one"), Some("offline")));
    assert_eq!(robot["limits"]["dyes"], json!(["red", "yellow", "blue"]));
    assert_eq!(robot["inventory"]["wells_free"], 96);
    assert_eq!(robot["inventory"]["vials"].as_array().map(Vec::len), Some(3));
    let undriven = ada.get("/queue").await.json();
    assert_eq!(undriven["waiting"]["for"], "robot", "{undriven}");
    lab.lane().await;
    assert_eq!(ada.get("/robots").await.json()["data"][0]["status"], "active");
    let queue = ada.get("/queue").await.json();
    let expected: Value = json!([{ "position": 1, "wells": 3, "mine": true, "experiment_id": id }]);
    assert_eq!(queue["data"], expected);
    assert!(queue.get("waiting").is_none(), "a robot takes it in its turn: {queue}");
}
