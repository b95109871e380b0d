//! Faults on demand.

use super::Lab;
use reqwest::Method;
use serde_json::{Value, json};

impl Lab {
    async fn ask_for(&self, faults: Value) {
        let asked = self.post("/emulator/faults", &json!({"faults": faults})).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
    }

    /// Sends a comment as a command and tells whether an answer came, and whether it was whole.
    async fn comment(&self, message: &str) -> Result<u16, &'static str> {
        let url = format!("http://{}/runs/{}/commands", self.emulator.robot_addr(), self.run);
        let command = json!({"data": {"commandType": "comment", "params": {"message": message}}});
        let request = self.client.post(url).timeout(super::PATIENCE).header("Opentrons-Version", "*");
        let answer = request.body(command.to_string()).send().await.map_err(|_| "no answer")?;
        let status = answer.status().as_u16();
        answer.bytes().await.map(|_| status).map_err(|_| "half an answer")
    }

    async fn comments(&self) -> Vec<String> {
        let listed = self.get(&format!("/runs/{}/commands?cursor=0", self.run)).await;
        let all = listed.at("/data").as_array().cloned().unwrap_or_default();
        all.iter().map(|command| command["params"]["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test]
async fn requests_and_answers_are_lost_torn_or_refused_as_asked() {
    let lab = Lab::open().await;
    let path = "/runs/*/commands";
    let cases = [
        ("lost-request", Err("no answer"), false),
        ("lost-answer", Err("no answer"), true),
        ("half-answer", Err("half an answer"), true),
        ("none", Ok(201), true),
    ];
    for (harm, answer, is_done) in cases {
        lab.ask_for(json!([{"method": "POST", "path": path, "harm": harm, "delay_ms": 10}])).await;
        assert_eq!(lab.comment(harm).await, answer, "{harm}");
        assert_eq!(lab.comments().await.contains(&harm.to_owned()), is_done, "{harm}");
        assert_eq!(lab.comment("after").await, Ok(201), "{harm} strikes once");
    }
    lab.ask_for(json!([{"path": path, "harm": "status", "status": 503, "skip": 1, "times": 2}])).await;
    let told = [lab.comment("a").await, lab.comment("b").await, lab.comment("c").await, lab.comment("d").await];
    assert_eq!(told, [Ok(201), Ok(503), Ok(503), Ok(201)]);
    assert_eq!(lab.get("/emulator/faults").await.at("/data"), &json!([]), "all have struck");

    lab.ask_for(json!([{"method": "GET", "path": "/health", "harm": "lost-answer", "times": 9}])).await;
    assert_eq!(lab.comment("elsewhere").await, Ok(201), "other routes are spared");
    assert_eq!(lab.get("/emulator/faults").await.at("/data/0/times"), &json!(9));
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused() {
    let lab = Lab::open().await;
    for wrong in [
        json!({}),
        json!({"faults": [{}]}),
        json!({"faults": [{"path": "/runs", "harm": "fire"}]}),
        json!({"faults": [{"path": "/runs", "harm": "status"}]}),
        json!({"faults": [{"path": "/runs", "harm": "status", "status": 200}]}),
        json!({"faults": [{"path": "/runs", "status": 500}]}),
        json!({"faults": [{"path": "/runs", "delay_ms": -1}]}),
        json!({"faults": [{"path": "/runs", "times": -1}]}),
    ] {
        let answer = lab.send(Method::POST, "/emulator/faults", None, Some(wrong.to_string())).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
    }
}
