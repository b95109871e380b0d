//! A robot's record as a browser meets it: what changes is shown first, done by a second button, and every reason is named.

use crate::Site;
use domain::{Deck, Role};
use reqwest::{StatusCode, header};

/// What is in the form's field, as the browser would send it back.
fn deck_of(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"setup-deck\"").expect("the field");
    let (_, rest) = rest.split_once('>').expect("its text");
    let text = rest.split_once("</textarea>").expect("its end").0;
    text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}

#[tokio::test]
async fn an_administrator_sets_a_robot_up_and_sees_first_what_changes() {
    let site = Site::open().await;
    site.bench("bench").await;
    let admin = site.signed_in("root@example.org", Role::Admin, 0).await;
    assert!(admin.page("/robots").await.contains("href=\"/robots/new\""));
    let page = admin.page("/robots/bench").await;
    assert!(page.contains("href=\"/robots/bench/setup\"") && page.contains("opentrons_96_tiprack_300ul"), "{page}");
    let page = admin.page("/robots/bench/setup").await;
    let deck = deck_of(&page);
    let green = deck.replace("\"blue\"", "\"green\"");
    let fields = |step: &'static str, deck: &str| {
        let typed = [
            ("step", step),
            ("name", "window <1>"),
            ("kind", "ot2"),
            ("attendance", "operator"),
            ("url", "http://127.0.0.1:7"),
            ("sensor", "tcp://127.0.0.1:1"),
        ];
        let mut fields: Vec<(&str, String)> = typed.map(|(name, value)| (name, value.to_owned())).to_vec();
        fields.push(("deck", deck.to_owned()));
        fields
    };
    let post = async |path: &str, fields: Vec<(&str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        admin.post(path, &fields).await
    };

    let wrong =
        green.replace("opentrons_96_tiprack_300ul", "opentrons_96_tiprack_20ul").replace("slot = 10", "slot = 3");
    let answer = post("/robots/bench/setup", fields("", &wrong)).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.expect("text");
    assert!(
        page.contains("Slot 9: opentrons_96_tiprack_20ul has no tips for the p300")
            && page.contains("Slot 3: the rack of vials and the sensor"),
        "{page}"
    );
    assert!(page.contains("window &#60;1&#62;") && deck_of(&page) == wrong, "what was typed stays");
    let answer = post("/robots/bench/setup", fields("", "slots = 3")).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);

    let answer = post("/robots/bench/setup", fields("", &green)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.text().await.expect("text");
    assert!(page.contains("count is lost") && page.contains("vial B3") && page.contains("Change it"), "{page}");
    assert_eq!(admin.get("/robots/bench").await.status(), StatusCode::OK, "nothing is done yet");
    let answer = post("/robots/bench/setup", fields("do", &green)).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT, "without the tick");
    let mut agreed = fields("do", &green);
    agreed.push(("replace", "yes".to_owned()));
    let answer = post("/robots/bench/setup", agreed).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.expect("text"));
    let to = answer.headers()[header::LOCATION].to_str().expect("text").to_owned();
    assert!(admin.page(&to).await.contains("window &#60;1&#62;"));
    let robots = site.state.store.robots().await.expect("robots");
    let robot = robots.iter().find(|robot| robot.name == "window <1>").expect("the robot");
    let mut expected = Deck::default();
    expected.dyes[2].name = "green".parse().expect("a dye");
    assert_eq!(robot.deck, expected);

    let answer = admin.post(&format!("{to}/remove"), &[]).await;
    assert_eq!(text_of(&answer), "/robots");
    assert!(!admin.page("/robots").await.contains("window &#60;1&#62;"));
}

fn text_of(answer: &reqwest::Response) -> String {
    let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    to.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_operator_asks_whether_a_robot_is_ready() {
    let site = Site::open().await;
    site.bench("bench").await;
    let operator = site.signed_in("olga@example.org", Role::Operator, 0).await;
    let page = operator.page("/robots/bench").await;
    assert!(page.contains("Is it ready?") && !page.contains("/robots/bench/setup"), "{page}");
    let answer = operator.post("/robots/bench/check", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.text().await.expect("text");
    assert!(
        page.contains("bench isn’t ready") && page.contains("reachable") && page.contains("<strong>Do:</strong>"),
        "{page}"
    );
    for path in ["/robots/new", "/robots/bench/setup"] {
        assert_eq!(operator.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(operator.post("/robots/bench/remove", &[]).await.status(), StatusCode::FORBIDDEN);
}
