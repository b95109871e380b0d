//! Second factors on the pages, without scripts: set up, the second step of a sign-in, and "confirm it's you".

use super::*;
use auth::testing::{code_of_now, next_code};

const HERE: &str = "/account/second-factor";

/// The text of the first element that begins so.
fn inside<'a>(page: &'a str, beginning: &str) -> &'a str {
    let (_, rest) = page.split_once(beginning).unwrap_or_else(|| panic!("no {beginning} in {page}"));
    rest.split_once('>').and_then(|(_, rest)| rest.split_once('<')).map_or("", |(text, _)| text)
}

/// Sets up an app; its secret and the page with the recovery codes.
pub async fn enrol(visitor: &Visitor<'_>) -> (String, String) {
    let offer = visitor.post(&format!("{HERE}/app"), &[]).await.text().await.expect("a page");
    assert!(offer.contains("<svg class=\"qr\"") && offer.contains("<path d=\"M"), "{offer}");
    let secret = inside(&offer, "<code class=\"secret\"").to_owned();
    let wrong = visitor.post(&format!("{HERE}/app/confirm"), &[("code", "000000")]).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text().await.expect("a page").contains("Confirm the app"));
    let done = visitor.post(&format!("{HERE}/app/confirm"), &[("code", &code_of_now(&secret))]).await;
    assert_eq!(done.status(), StatusCode::OK);
    (secret, done.text().await.expect("a page"))
}

pub fn cookies(answer: &Response) -> Vec<String> {
    let all = answer.headers().get_all(header::SET_COOKIE).iter();
    all.map(|value| value.to_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn an_app_is_set_up_and_asked_for_at_the_next_sign_in() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    assert!(ada.page("/account").await.contains("None yet"));
    let (secret, page) = enrol(&ada).await;
    assert_eq!(page.matches("<li>").count(), 10, "recovery codes: {page}");
    let recovery = page.split("<li>").nth(1).and_then(|rest| rest.split('<').next()).expect("a code").to_owned();
    let shown_again = ada.page(HERE).await;
    assert!(!shown_again.contains(&recovery) && shown_again.contains("10 of 10 are left"));
    assert!(ada.page("/account").await.contains("An authenticator app."));

    let mut browser = site.stranger();
    let first =
        browser.post("/sign-in", &[("email", "ada@example.org"), ("password", PASSWORD), ("next", "/account")]).await;
    assert_eq!(text_header(&first, header::LOCATION), "/sign-in/second?next=/account");
    let [waiting] = &cookies(&first)[..] else { panic!("one cookie: {:?}", cookies(&first)) };
    for attribute in ["tincture_pending=", "HttpOnly", "SameSite=Lax", "Path=/sign-in;", "Max-Age="] {
        assert!(waiting.contains(attribute), "{waiting}");
    }
    browser.cookie = waiting.split(';').next().map(str::to_owned);
    assert_eq!(
        text_header(&browser.get("/experiments").await, header::LOCATION),
        "/sign-in?next=/experiments",
        "no session yet"
    );
    let form = browser.page("/sign-in/second?next=/account").await;
    assert_eq!(hidden(&form, "next"), "/account");
    assert!(form.contains("one-time-code"));
    let wrong = browser.post("/sign-in/second", &[("code", "123123"), ("next", "/account")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = browser.post("/sign-in/second", &[("code", &next_code(&secret)), ("next", "/account")]).await;
    assert_eq!((right.status(), text_header(&right, header::LOCATION)), (StatusCode::SEE_OTHER, "/account".to_owned()));
    let set = cookies(&right);
    assert!(set[0].starts_with("tincture_session=") && set[1].starts_with("tincture_pending=;"), "{set:?}");
    browser.cookie = set[0].split(';').next().map(str::to_owned);
    browser.page("/account").await;
    // The way that it came by is closed.
    browser.cookie = waiting.split(';').next().map(str::to_owned);
    for answer in [browser.get("/sign-in/second").await, browser.post("/sign-in/second", &[("code", "1")]).await] {
        assert_eq!(text_header(&answer, header::LOCATION), "/sign-in");
    }

    let again = browser.post("/sign-in", &[("email", "ada@example.org"), ("password", PASSWORD)]).await;
    browser.cookie = cookies(&again)[0].split(';').next().map(str::to_owned);
    let used = browser.post("/sign-in/second", &[("code", &recovery), ("next", "//evil.example")]).await;
    assert_eq!(text_header(&used, header::LOCATION), "/account/second-factor?done=used", "it says what is left");
}

#[tokio::test]
async fn what_is_grave_asks_who_it_is_and_does_it_then() {
    let site = Site::open().await;
    let root = site.signed_in("root@example.org", Role::Admin, 0).await;
    site.account("ada@example.org", Role::Student, 5).await;
    let ada = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("her").id;
    let path = format!("/users/{ada}");
    let change = [("quota_was", "5"), ("quota", "42"), ("role", "operator")];
    let grow_old =
        async || site.state.store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
    grow_old().await;
    let now = async || site.state.store.user(ada).await.expect("an answer").expect("her");
    let asked = root.post(&path, &change).await;
    assert_eq!(asked.status(), StatusCode::FORBIDDEN);
    let page = asked.text().await.expect("a page");
    assert!(page.contains("Confirm it’s you") && page.contains(&format!("action=\"{path}\"")), "{page}");
    for (name, value) in change {
        assert_eq!(hidden(&page, name), value);
    }
    assert_eq!(now().await.quota_remaining, 5);
    let with = |proof: &'static str| [&change[..], &[("proof-password", proof)]].concat();
    for proof in ["", "wrong horse"] {
        let refused = root.post(&path, &with(proof)).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let page = refused.text().await.expect("a page");
        assert!(page.contains("role=\"alert\"") && !page.contains("wrong horse"), "{page}");
    }
    assert_eq!(now().await.quota_remaining, 5);
    let done = root.post(&path, &with(PASSWORD)).await;
    assert_eq!(text_header(&done, header::LOCATION), format!("{path}?done=changed"));
    assert_eq!((now().await.quota_remaining, now().await.role), (42, Role::Operator));
    let next = root.post(&format!("{path}/disable"), &[]).await;
    let ended = format!("{path}?done=disabled");
    assert_eq!(text_header(&next, header::LOCATION), ended, "for ten minutes nobody is asked again");

    grow_old().await;
    let stop = root.post("/lab/stop", &[]).await;
    assert!(
        !stop.text().await.expect("a page").contains("Confirm it’s you"),
        "a robot is stopped by whoever may, at once"
    );
    // Another site's page gets no question either.
    let foreign = root.client.post(format!("{}{path}", site.base)).header("sec-fetch-site", "cross-site").body("");
    assert!(root.send(foreign).await.text().await.expect("a page").contains("another site"));
}

#[tokio::test]
async fn an_administrator_resets_what_somebody_lost() {
    let site = Site::open().await;
    let ada = site.signed_in("ada@example.org", Role::Student, 5).await;
    enrol(&ada).await;
    let root = site.signed_in("root@example.org", Role::Admin, 0).await;
    let id = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("her").id;
    let person = format!("/users/{id}");
    let action = format!("{person}/reset-factors");
    assert!(root.page(&person).await.contains(&action));
    assert_eq!(text_header(&root.post(&action, &[]).await, header::LOCATION), format!("{person}?done=reset"));
    assert_eq!(text_header(&ada.get("/account").await, header::LOCATION), "/sign-in?next=/account");
    let mut again = site.stranger();
    let signed_in = again.post("/sign-in", &[("email", "ada@example.org"), ("password", PASSWORD)]).await;
    again.cookie = cookies(&signed_in)[0].split(';').next().map(str::to_owned);
    assert!(again.page("/account").await.contains("second factor was reset"), "she sees it");
}

#[tokio::test]
async fn whose_role_needs_one_is_led_there_and_goes_on() {
    let mut site = Site::open().await;
    site.state.auth = site.state.auth.clone().with_second_factor_required([Role::Admin]);
    site.serve().await;
    let root = site.signed_in("root@example.org", Role::Admin, 0).await;
    for path in ["/experiments", "/users", "/account", "/robots"] {
        assert_eq!(text_header(&root.get(path).await, header::LOCATION), HERE, "{path}");
    }
    assert!(root.page(HERE).await.contains("your role may do nothing without"));
    enrol(&root).await;
    root.page("/users").await;
    let kept = root.post(&format!("{HERE}/app/remove"), &[]).await;
    assert_eq!(kept.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(kept.text().await.expect("a page").contains("set up another one first"));
}
