//! Groups as a browser meets them: an administrator makes one, a student asks for more, their teacher grants it with a click.

use crate::{Site, Visitor};
use domain::Role;
use reqwest::{StatusCode, header};
use workflow::{ExperimentRequest, WellRequest};

async fn follow(visitor: &Visitor<'_>, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = visitor.post(path, fields).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}: {}", answer.text().await.expect("text"));
    let to = answer.headers()[header::LOCATION].to_str().expect("text").to_owned();
    visitor.page(to.split('#').next().expect("a path")).await
}

/// What stands between these in a page.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).expect("its end").0
}

const TERMS: [(&str, &str); 4] =
    [("allowance", "5"), ("reserve", "9"), ("refill", "weekly monday"), ("time_zone", "Europe/Zurich")];

#[tokio::test]
async fn a_class_is_made_asks_for_more_and_is_granted_it_with_a_click() {
    let site = Site::open().await;
    let admin = site.signed_in("root@example.org", Role::Admin, 0).await;
    let (ada, prof) = (
        site.signed_in("ada@example.org", Role::Student, 0).await,
        site.signed_in("prof@example.org", Role::Student, 0).await,
    );
    assert!(!ada.page("/experiments").await.contains("/groups"), "students without a group are shown no link");
    let wrong = admin
        .post("/groups", &[("name", "Colour 101"), ("refill", "daily"), ("allowance", "5"), ("reserve", "0")])
        .await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = wrong.text().await.expect("text");
    assert!(wrong.contains("value=\"Colour 101\"") && wrong.contains("weekly monday"), "what was typed stays: {wrong}");

    let fields: Vec<_> = TERMS.into_iter().chain([("name", "Colour <101>")]).collect();
    let page = follow(&admin, "/groups", &fields).await;
    assert!(page.contains("<h1>Colour &#60;101&#62;</h1>"), "{page}");
    let id = between(&page, "action=\"/groups/", "/members\"").to_owned();
    let unknown = admin.post(&format!("/groups/{id}/members"), &[("emails", "nobody@example.org")]).await;
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page =
        follow(&admin, &format!("/groups/{id}/members"), &[("emails", "ada@example.org"), ("standing", "member")])
            .await;
    assert!(page.contains("ada@example.org"), "{page}");
    follow(&admin, &format!("/groups/{id}/members"), &[("emails", " prof@example.org;\r\n"), ("standing", "teacher")])
        .await;

    let account = ada.page("/account").await;
    assert!(
        account.contains("Colour &#60;101&#62;") && account.contains("(Europe/Zurich)") && account.contains("00:00"),
        "{account}"
    );
    assert!(account.contains("Whoever teaches these groups sees and steers your experiments."), "{account}");
    let empty = ada.post("/account/quota", &[("wells", "0"), ("reason", "x"), ("group", &id)]).await;
    assert_eq!(empty.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text().await.expect("text").contains("Ask for 1 to 960 wells."));
    let wish = [("wells", "4"), ("reason", "<b>dirty</b> plate"), ("group", id.as_str())];
    let account = follow(&ada, "/account/quota", &wish).await;
    assert!(account.contains("It waits for an answer.") && account.contains("&#60;b&#62;dirty"), "{account}");
    assert!(!account.contains("action=\"/account/quota\""), "one at a time");

    let owner = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("the account");
    let volumes = [("red".to_owned(), 60.0)].into();
    let request = ExperimentRequest {
        name: Some("Reds".to_owned()),
        wells: vec![WellRequest { volumes, target: None }],
        ..Default::default()
    };
    let made = site.state.lab.submit(&owner, request, None, None).await.expect("accepted").experiment.experiment.id;
    let groups = prof.page("/groups").await;
    assert!(groups.contains("1 asks for more") && groups.contains("&#60;b&#62;dirty"), "{groups}");
    let page = prof.page(&format!("/groups/{id}")).await;
    assert!(page.contains("ada@example.org") && page.contains(&format!("/experiments/{made}")), "{page}");
    for hidden in ["Remove", "Put people into it", "Refill now", "/users/"] {
        assert!(!page.contains(hidden), "{hidden} is for administrators");
    }
    assert!(prof.page(&format!("/experiments/{made}")).await.contains("Reds"));
    assert!(prof.page(&format!("/experiments?of={id}")).await.contains("Reds"));
    assert_eq!(ada.get(&format!("/groups/{id}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ada.get(&format!("/experiments?of={id}")).await.status(), StatusCode::NOT_FOUND);

    let grant = format!("/quota-requests/{}/grant", between(&page, "action=\"/quota-requests/", "/grant\""));
    assert_eq!(ada.post(&grant, &[]).await.status(), StatusCode::NOT_FOUND, "not by whoever asks");
    let page = follow(&prof, &grant, &[("group", &id)]).await;
    assert!(page.contains("Granted.") && page.contains("5 <span class=\"soft\">of 9</span>"), "{page}");
    let page = follow(&prof, &grant, &[("group", &id)]).await;
    assert!(page.contains("already") && page.contains("5 <span class=\"soft\">of 9</span>"), "a second click: {page}");
    let account = ada.page("/account").await;
    assert!(account.contains("The 4 wells that you asked for last were granted."), "{account}");
    assert!(account.contains("granted by prof@example.org"), "{account}");
    assert!(account.contains("<b>8</b> left"), "{account}");

    assert!(admin.page(&format!("/users/{}", owner.id)).await.contains("4 → 8"));
    let kept = admin.post(&format!("/groups/{id}/delete"), &[]).await;
    assert_eq!(kept.status(), StatusCode::UNPROCESSABLE_ENTITY, "people are in it");
    let page = follow(&admin, &format!("/groups/{id}/members/{}/remove", owner.id), &[]).await;
    assert!(!page.contains("ada@example.org"), "{page}");
    assert_eq!(prof.get(&format!("/experiments/{made}")).await.status(), StatusCode::NOT_FOUND);
    let groups = follow(&admin, &format!("/groups/{id}/delete"), &[("with_members", "yes")]).await;
    assert!(groups.contains("There is none yet.") && !prof.page("/experiments").await.contains("/groups"));
}
