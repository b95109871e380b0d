//! A person with a browser: signs in, asks for a mixture through the form, watches, sees the measured colour.

use crate::{
    client::Client,
    process::{ADMIN, Lab, PASSWORD},
    webdriver::Browser,
};
use serde_json::json;

/// Amounts of the first row, by the accessible name that a screen reader speaks.
async fn pour(browser: &Browser, dye: &str, volume_ul: &str) {
    browser.type_into(&format!("input[aria-label='Well 1, {dye}, µL']"), volume_ul).await;
}

async fn sign_in(browser: &Browser, lab: &Lab) {
    sign_in_at(browser, &lab.address).await;
}

pub async fn sign_in_at(browser: &Browser, address: &str) {
    browser.go(address).await;
    browser.type_into("input[name=email]", ADMIN).await;
    browser.type_into("input[name=password]", PASSWORD).await;
    browser.click("form.sign-in button").await;
    browser.find("header nav").await;
}

#[tokio::test]
async fn a_person_signs_in_asks_for_a_mixture_and_sees_its_colour() {
    let lab = Lab::up(200);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;

    browser.go(&format!("{}/experiments/new", lab.address)).await;
    pour(&browser, "red", "60").await;
    pour(&browser, "yellow", "30").await;
    pour(&browser, "blue", "60").await;
    browser.click("#submit").await;

    // The live page changes by itself: nothing is loaded again here.
    browser.find(".status.completed").await;
    browser.find("#table .status.measured").await;
    let address = browser.address().await;
    let id =
        address.split(['/', '?', '#']).rev().find(|part| part.len() == 36).expect("the experiment's page").to_owned();
    let experiment = Client::of(&lab).await.experiment(&id).await;
    let measured = experiment["wells"][0]["result"]["srgb"].as_str().expect("a colour").to_owned();
    let fill = format!("#plates .well.measured .liquid[fill='{measured}']");
    browser.find(&fill).await;
    assert!(browser.text("#table tbody").await.contains(&measured), "the table says it in text, too");
}

#[tokio::test]
async fn the_form_says_what_to_change_and_keeps_what_was_typed() {
    let lab = Lab::up(600);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    browser.go(&format!("{}/experiments/new", lab.address)).await;
    pour(&browser, "red", "5").await;
    browser.click("#submit").await;
    browser.find("[aria-invalid=true]").await;
    assert!(browser.text("#problem-1").await.contains("20"), "it says the least amount");
    let kept =
        browser.script("return document.querySelector(\"input[aria-label='Well 1, red, µL']\").value", json!([])).await;
    assert_eq!(kept, "5");
    let list = Client::of(&lab).await.get("/api/v1/experiments").await;
    assert_eq!(list["data"], json!([]), "nothing was charged and nothing moves");
}

/// Everything that could be pressed and do something.
const ALL_OFF: &str = "return [...document.querySelectorAll('button')].every(button => button.matches(':disabled'))";
const SOME_ON: &str =
    "return [...document.querySelectorAll('main button')].some(button => !button.matches(':disabled'))";
const ESCAPE: &str = "\u{e00c}";

/// A lab whose robot is at work for longer than any test, and the path of the experiment in hand.
async fn at_work(lab: &Lab) -> String {
    let client = Client::of(lab).await;
    let wells: Vec<_> = (0..48).map(|_| json!({ "red": 60, "yellow": 30, "blue": 60 })).collect();
    let id = client.submit(&wells).await["id"].as_str().expect("an id").to_owned();
    format!("/experiments/{id}")
}

#[tokio::test]
async fn a_page_that_lost_its_server_says_so_until_it_is_back() {
    let mut lab = Lab::up(2);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    let experiment = at_work(&lab).await;
    for (path, robots_button) in
        [(experiment.as_str(), false), ("/robots/virtual-1", true), ("/robots", true), ("/experiments", false)]
    {
        browser.go(&format!("{}{path}", lab.address)).await;
        if path == experiment {
            browser.until("a time left", "return /^\\d/.test(document.getElementById('time').textContent)").await;
        }
        lab.kill();
        browser.find("#lost[role=alert]").await;
        let said = browser.text("#lost").await;
        assert!(said.starts_with("No connection since ") && said.contains("what you see is old"), "{path}: {said}");
        assert_eq!(said.contains("a button of its own"), robots_button, "{path}: {said}");
        browser.until("nothing can be pressed", ALL_OFF).await;
        let here = browser.address().await;
        browser.script("document.querySelector('header nav a[href]').click()", json!([])).await;
        assert_eq!(browser.address().await, here, "a link doesn't lead to the browser's own error page");
        if path == experiment {
            assert_eq!(browser.text("#time").await, "—", "nobody knows how long it will take now");
        }
        lab.start_where_it_was();
        browser.until("the bar goes", "return document.getElementById('lost') === null").await;
        if path != "/experiments" {
            browser.until("acts are possible again", SOME_ON).await;
        }
    }
}

#[tokio::test]
async fn a_button_pressed_into_a_dead_server_keeps_the_page_and_says_what_is_not_known() {
    let mut lab = Lab::up(2);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    let experiment = at_work(&lab).await;
    for path in [experiment.as_str(), "/robots/virtual-1"] {
        let page = format!("{}{path}", lab.address);
        browser.go(&page).await;
        browser.find("form[action$='/pause'] button:not(:disabled)").await;
        lab.kill();
        browser.click("form[action$='/pause'] button").await;
        browser.find("#lost").await;
        let said = browser.text("#lost").await;
        assert!(said.contains("whether “Pause” arrived"), "{said}");
        assert_eq!(browser.address().await, page);
        lab.start_where_it_was();
        browser.until("the bar goes", "return document.getElementById('lost') === null").await;
    }
}

#[tokio::test]
async fn an_act_is_answered_in_its_place() {
    let lab = Lab::up(20);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    browser.view(390).await;
    browser.go(&format!("{}/robots/virtual-1", lab.address)).await;
    browser.click("form[action$='/pause'] button").await;
    browser.find("#act-refill fieldset:not(:disabled)").await;
    browser.type_into("#volume", "12").await;
    browser.click("#act-refill button").await;
    browser.find("#act-refill [role=status]").await;
    let in_view = "const box = document.querySelector('#act-refill [role=status]').getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight && scrollY > 0";
    browser.until("the answer is in view beside what was pressed", in_view).await;
    assert!(browser.text("#supplies").await.contains("11.5 mL"), "and the rest of the page knows it");
}

#[tokio::test]
async fn what_a_robot_asks_meanwhile_is_shown_counted_and_read_out() {
    let lab = Lab::up(20);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    for path in ["/robots/virtual-1", "/robots"] {
        browser.go(&format!("{}{path}", lab.address)).await;
        browser.find("form[action$='/pause'] button:enabled").await;
        // As somebody else's page would.
        browser.script("return fetch('/lab/stop', { method: 'POST' }).then(answer => answer.ok)", json!([])).await;
        let spoken = "return document.getElementById('announce').textContent.includes('The robot was stopped.')";
        browser.until("it is read out", spoken).await;
        assert!(browser.text("#main").await.contains("pressed the emergency stop"), "{path}");
        assert_eq!(browser.text("#in-need .in-need").await, "1", "{path}");
        browser.script("return fetch('/lab/resume', { method: 'POST' }).then(answer => answer.ok)", json!([])).await;
        browser.until("nobody is waited for", "return document.querySelector('#in-need .in-need') === null").await;
    }
}

#[tokio::test]
async fn every_question_fits_its_view_closes_with_escape_and_starts_on_the_safe_choice() {
    let lab = Lab::up(1);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    let experiment = at_work(&lab).await;
    for path in [experiment.as_str(), "/robots/virtual-1", "/robots"] {
        for width in [320, 390, 768, 1280, 2560] {
            browser.view(width).await;
            browser.go(&format!("{}{path}", lab.address)).await;
            browser.find("main button[popovertarget]").await;
            let ids = "return [...document.querySelectorAll('dialog')].map(dialog => dialog.id)";
            let ids = browser.script(ids, json!([])).await;
            for id in ids.as_array().expect("ids").iter().filter_map(|id| id.as_str()) {
                asks_well(&browser, id, &format!("{id} of {path} at {width} px")).await;
            }
        }
    }
}

async fn asks_well(browser: &Browser, id: &str, which: &str) {
    browser.click(&format!("main button[popovertarget={id}]")).await;
    let looks = "const dialog = document.getElementById(arguments[0]), box = dialog.getBoundingClientRect();
        const page = document.documentElement, focused = document.activeElement;
        return {
            open: dialog.matches(':modal'),
            inside: box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight,
            grown: page.scrollWidth > page.clientWidth,
            safe: dialog.contains(focused) && focused.matches('button[type=button]') && focused.form === null,
            named: document.getElementById(dialog.getAttribute('aria-labelledby'))?.textContent.includes('?') ?? false,
        }";
    let seen = browser.script(looks, json!([id])).await;
    assert_eq!(seen, json!({ "open": true, "inside": true, "grown": false, "safe": true, "named": true }), "{which}");
    browser.press(ESCAPE).await;
    let closed = format!("return !document.getElementById('{id}').open");
    browser.until("Escape closes it", &closed).await;
    let focus = "return document.activeElement.getAttribute('popovertarget')";
    assert_eq!(browser.script(focus, json!([])).await, json!(id), "{which}: the focus is back where it was");
}

#[tokio::test]
async fn a_question_can_be_answered_without_scripts() {
    let lab = Lab::up(1);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    let experiment = at_work(&lab).await;
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.go(&format!("{}{experiment}", lab.address)).await;
    browser.click("button[popovertarget=ask-cancel]").await;
    browser.find("#ask-cancel:popover-open").await;
    browser.click("#ask-cancel form button").await;
    browser.find("#main .notice, .status.cancelled").await;
    let client = Client::of(&lab).await;
    let read = client.get(&format!("/api/v1{experiment}")).await;
    assert!(read["status"] == "cancelled" || read["requested"] == "cancel", "{read}");
}

#[tokio::test]
async fn what_happens_is_on_the_page_while_it_happens() {
    let lab = Lab::up(5);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    browser.go(&format!("{}/experiments", lab.address)).await;
    let experiment = at_work(&lab).await;
    browser.find(&format!("#list a[href='{experiment}']")).await;
    browser.find("#list .status.running").await;
    browser.go(&format!("{}{experiment}", lab.address)).await;
    // Before the first reading: only drops have fallen.
    browser.find("#timeline li span").await;
    let newest = "return document.querySelector('#timeline li span').textContent";
    let first = browser.script(newest, json!([])).await;
    browser.until("the story goes on", &format!("{newest} !== {first}")).await;
    let before = browser.text("#quota b").await;
    browser.click("button[popovertarget=ask-cancel]").await;
    browser.click("#ask-cancel form button").await;
    browser.find(".status.cancelled").await;
    browser
        .until("the quota is back", &format!("return document.querySelector('#quota b').textContent !== '{before}'"))
        .await;
}

#[tokio::test]
async fn times_are_those_of_the_persons_own_clock() {
    let lab = Lab::up(200);
    let browser = Browser::open().await;
    browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "Asia/Kolkata" })).await;
    sign_in(&browser, &lab).await;
    let client = Client::of(&lab).await;
    let id = client.submit(&[json!({ "red": 60 })]).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&id).await;
    browser.go(&format!("{}/experiments/{id}", lab.address)).await;
    browser.find("#timeline time[data-local]").await;
    let told = "const time = document.querySelector('#timeline time');
        return [time.dateTime, time.textContent, time.title]";
    let told = browser.script(told, json!([])).await;
    // Like 2026-11-23T13:01:07Z; India is 5 h 30 min ahead.
    let utc = told[0].as_str().and_then(|iso| iso.get(11..19)).expect("a time").to_owned();
    let part = |from: usize| utc[from..from + 2].parse::<u32>().expect("a number");
    let minutes = (part(0) * 60 + part(3) + 330) % 1_440;
    let local = format!("{:02}:{:02}", minutes / 60, minutes % 60);
    assert_eq!(told[1], format!("{local}:{}", &utc[6..]));
    let title = told[2].as_str().unwrap_or_default();
    assert!(title.contains(&local) && title.contains("GMT+5:30"), "{title}");
}

#[tokio::test]
async fn a_printed_page_has_every_row() {
    let lab = Lab::up(1);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    let experiment = at_work(&lab).await;
    browser.go(&format!("{}{experiment}", lab.address)).await;
    browser.find("#table tbody tr:nth-child(48)").await;
    let cut_off = "const box = document.querySelector('#table .scroll'); return box.scrollHeight > box.clientHeight";
    assert_eq!(browser.script(cut_off, json!([])).await, json!(true), "on the screen it scrolls");
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    assert_eq!(browser.script(cut_off, json!([])).await, json!(false));
}

#[tokio::test]
async fn liquid_is_opaque_and_lies_on_white_by_day_and_by_night() {
    let lab = Lab::up(5);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    let experiment = at_work(&lab).await;
    browser.go(&format!("{}{experiment}", lab.address)).await;
    for theme in ["light", "dark"] {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        // Some are half full by now, the others wait.
        browser.find("#plates .well.dispensing path.liquid").await;
        browser.find("#plates .well.pending circle.liquid").await;
        let look = "return [...document.querySelectorAll('#plates .liquid')].every(liquid => {
            for (let part = liquid; part; part = part.parentElement) {
                const { opacity, fillOpacity, filter } = getComputedStyle(part);
                if (opacity !== '1' || fillOpacity !== '1' || filter !== 'none') return false;
            }
            return getComputedStyle(liquid.parentElement.querySelector('.glass')).fill === 'rgb(255, 255, 255)';
        })";
        assert_eq!(browser.script(look, json!([])).await, json!(true), "{theme}");
    }
}

#[tokio::test]
async fn a_block_of_cells_is_understood_by_its_heading_or_refused_by_name() {
    let lab = Lab::up(600);
    let browser = Browser::open().await;
    sign_in(&browser, &lab).await;
    browser.go(&format!("{}/experiments/new", lab.address)).await;
    browser.find("#mixer-note").await;
    let paste = "const data = new DataTransfer();
        data.setData('text', arguments[0]);
        document.querySelector('.grid-row input')
            .dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
        return [...document.querySelectorAll('.grid-row')].slice(0, 2)
            .map(row => [...row.querySelectorAll('input')].map(input => input.value))";
    let nothing = json!([["", "", ""], ["", "", ""]]);
    assert_eq!(browser.script(paste, json!(["red\tgreen\n20\t30"])).await, nothing);
    assert!(browser.text("#mixer-note").await.contains("“green”: no dye here"));
    assert_eq!(browser.script(paste, json!(["1\t2\t3\t4\n1\t2\t3\t4"])).await, nothing);
    let filled = browser.script(paste, json!(["Blue (µL);Red\n40;20,5\n50;30"])).await;
    assert_eq!(filled, json!([["20.5", "", "40"], ["30", "", "50"]]));
}

/// Under the same policy as every page: its scripts run, and nothing stays behind in the browser.
#[tokio::test]
async fn the_interactive_documentation_works_and_keeps_no_token() {
    let lab = Lab::up(600);
    let browser = Browser::open().await;
    browser.go(&format!("{}/docs/", lab.address)).await;
    browser.click(".btn.authorize").await;
    browser.type_into(".auth-container input", "a-token-that-nobody-else-may-have").await;
    browser.click(".auth-btn-wrapper button.authorize").await;
    browser.find(".auth-btn-wrapper button.btn-done").await;
    browser.find("#operations-experiments-experiments_create").await;
    let kept = browser.script("return JSON.stringify([{...localStorage}, {...sessionStorage}])", json!([])).await;
    assert!(!kept.as_str().expect("text").contains("a-token"), "{kept}");
}
