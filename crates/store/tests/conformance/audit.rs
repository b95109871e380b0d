//! The activity log's chain: sealed, verified, searched, and what happens to whoever tampers with it.

use crate::given::*;
use chrono::{TimeDelta, Utc};
use domain::*;
use serde_json::{Value, json};
use std::{net::IpAddr, time::Duration};
use store::{testing::TestDatabase, *};

const YEARS: TimeDelta = TimeDelta::days(3_650);

fn line(user: Option<UserId>, action: &'static str, details: Value) -> NewActivity {
    NewActivity { user_id: user, action, details, ip_address: Some(IpAddr::from([203, 0, 113, 7])) }
}

async fn seal(store: &Store) -> Anchor {
    while store.seal_activity().await.expect("sealed").is_full() {}
    store.activity_anchor().await.expect("an answer").expect("something is sealed")
}

async fn verify(store: &Store) -> Verification {
    store.verify_activity(&[]).await.expect("an answer")
}

/// What is wrong, and with which line.
async fn wrong(store: &Store) -> Option<(i64, Wrong)> {
    verify(store).await.fault.map(|fault| (fault.number, fault.wrong))
}

/// A log with eight sealed lines, the first of them of the account that they are about.
async fn log(store: &Store) -> (UserId, Anchor) {
    let user = user(store, 0).await;
    for number in 1..8 {
        store
            .log_activity(line(Some(user), "tested", json!({ "number": number, "user": user })))
            .await
            .expect("a line");
    }
    (user, seal(store).await)
}

/// Whoever owns the tables can take away what guards them.
async fn unguard(store: &Store) {
    store
        .run_sql(match store.backend() {
            Backend::Sqlite => {
                "DROP TRIGGER activity_stays; DROP TRIGGER activity_goes_by_age; DROP TRIGGER activity_erased"
            }
            Backend::Postgres => "ALTER TABLE user_activity_log DISABLE TRIGGER USER",
        })
        .await;
}

pub async fn lines_are_sealed_in_the_order_in_which_they_were_written(database: TestDatabase) {
    let store = &database.store;
    let empty = verify(store).await;
    assert!(empty.fault.is_none() && empty.end.is_none() && empty.lines == 0, "{empty:?}");
    assert_eq!(store.seal_activity().await.expect("nothing to do"), Sealed::default());
    let (user, anchor) = log(store).await;
    assert_eq!(anchor.number, 8);
    store.log_activity(act("later")).await.expect("a line");
    let found = verify(store).await;
    assert_eq!((found.lines, found.unsealed, found.late, found.fault), (8, 1, 0, None));
    assert_eq!(found.end, Some(anchor.clone()));
    assert!(found.unsealed_since.is_some());
    let next = seal(store).await;
    assert_eq!(next.number, 9);
    let kept = store.verify_activity(&[(anchor, None), (next.clone(), None)]).await.expect("an answer");
    assert_eq!((kept.fault, kept.end), (None, Some(next)));
    let order = store.activity(Some(user), None, 50).await.expect("the log").data;
    let numbers: Vec<_> = order.iter().rev().filter_map(|line| line.details["number"].as_i64()).collect();
    assert_eq!(numbers, (1..8).collect::<Vec<_>>());
}

/// By whoever may do everything with the tables but doesn't seal all anew.
pub async fn whatever_is_done_to_a_sealed_line_is_named(database: TestDatabase) {
    let store = &database.store;
    let (user, _) = log(store).await;
    let other = new_user(0);
    let other = store.create_user(other, &act("user_created")).await.expect("an account").id;
    assert_eq!(seal(store).await.number, 9);
    unguard(store).await;
    store.run_sql("CREATE TABLE kept AS SELECT * FROM user_activity_log; CREATE TABLE kept_chain AS SELECT * FROM activity_chain").await;
    let id = |id: UserId| match store.backend() {
        Backend::Sqlite => format!("unhex('{}')", id.as_uuid().simple()),
        Backend::Postgres => format!("CAST('{id}' AS uuid)"),
    };
    let fresh = match store.backend() {
        Backend::Sqlite => "randomblob(16)",
        Backend::Postgres => "gen_random_uuid()",
    };
    let swap = |a: i64, b: i64| {
        format!(
            "UPDATE user_activity_log SET seal_number = -1 WHERE seal_number = {a}; UPDATE user_activity_log SET seal_number = {a} WHERE seal_number = {b}; UPDATE user_activity_log SET seal_number = {b} WHERE seal_number = -1"
        )
    };
    let of = "WHERE seal_number = 4";
    let cases = [
        (format!("UPDATE user_activity_log SET details = '{{\"number\": 33, \"user\": \"{user}\"}}' {of}"), 4, Wrong::Details),
        (format!("UPDATE user_activity_log SET details = '{{}}', details_salt = NULL {of}"), 4, Wrong::Details),
        (format!("UPDATE user_activity_log SET details = '{{\"user\": \"{other}\"}}', details_salt = NULL {of}"), 4, Wrong::Erased),
        (format!("UPDATE user_activity_log SET ip_address = '203.0.113.8' {of}"), 4, Wrong::Address),
        (format!("UPDATE user_activity_log SET ip_address = NULL {of}"), 4, Wrong::Address),
        (format!("UPDATE user_activity_log SET ip_address = NULL, address_salt = NULL {of}"), 4, Wrong::Erased),
        (format!("UPDATE user_activity_log SET ip_address = NULL, address_salt = NULL, address_hash = NULL {of}"), 4, Wrong::Seal),
        (format!("UPDATE user_activity_log SET action = 'did nothing' {of}"), 4, Wrong::Seal),
        (format!("UPDATE user_activity_log SET user_id = {} {of}", id(other)), 4, Wrong::Seal),
        (format!("UPDATE user_activity_log SET user_id = NULL {of}"), 4, Wrong::Seal),
        (format!("UPDATE user_activity_log SET created_at = '2026-01-01T00:00:00+00:00' {of}"), 4, Wrong::Seal),
        (format!("UPDATE user_activity_log SET id = {fresh} {of}"), 4, Wrong::Seal),
        (format!("UPDATE user_activity_log SET seal = 'x' {of}"), 4, Wrong::Seal),
        (format!("DELETE FROM user_activity_log {of}"), 4, Wrong::Missing),
        ("DELETE FROM user_activity_log WHERE seal_number = 1".to_owned(), 1, Wrong::Missing),
        ("DELETE FROM user_activity_log WHERE seal_number > 6".to_owned(), 7, Wrong::Truncated),
        (format!("UPDATE user_activity_log SET seal_number = NULL, seal = NULL {of}"), 4, Wrong::Missing),
        (swap(4, 6), 4, Wrong::Seal),
        // One that is put in: the others make room.
        (
            format!("UPDATE user_activity_log SET seal_number = -seal_number WHERE seal_number > 3; UPDATE user_activity_log SET seal_number = 1 - seal_number WHERE seal_number < 0; INSERT INTO user_activity_log (id, action, details, created_at, seal_number, seal, details_hash, details_salt) SELECT {fresh}, action, details, created_at, 4, seal, details_hash, details_salt FROM user_activity_log WHERE seal_number = 3"),
            4,
            Wrong::Seal,
        ),
        ("DELETE FROM user_activity_log; UPDATE activity_chain SET sealed_number = 9".to_owned(), 1, Wrong::Truncated),
        ("DELETE FROM activity_chain".to_owned(), 1, Wrong::NoState),
        ("UPDATE activity_chain SET sealed_number = 5".to_owned(), 5, Wrong::Seal),
        // As if it had been forgotten by its age.
        (
            "DELETE FROM user_activity_log WHERE seal_number <= 3; UPDATE activity_chain SET forgotten_number = 3, forgotten_seal = (SELECT seal FROM kept WHERE seal_number = 3)".to_owned(),
            4,
            Wrong::Forgotten,
        ),
    ];
    for (tampering, number, what) in cases {
        assert_eq!(wrong(store).await, None, "before {tampering}");
        store.run_sql(&tampering).await;
        assert_eq!(wrong(store).await, Some((number, what)), "{tampering}");
        store
            .run_sql(
                "DELETE FROM user_activity_log; INSERT INTO user_activity_log SELECT * FROM kept;
                 DELETE FROM activity_chain; INSERT INTO activity_chain SELECT * FROM kept_chain",
            )
            .await;
    }
    store.run_sql("DELETE FROM activity_chain").await;
    store.log_activity(act("later")).await.expect("a line");
    let error = store.seal_activity().await.expect_err("a chain that begins anew would hide what was before");
    assert!(error.to_string().contains("tincture audit verify"), "{error}");
}

/// Who seals all anew, or cuts off the end and says that it was never there, is found out by an anchor; a restore isn't that.
pub async fn what_was_kept_elsewhere_tells_what_the_log_can_not(database: TestDatabase) {
    let store = &database.store;
    let (_, anchor) = log(store).await;
    let held = async |anchor: &Anchor, at| {
        let found = store.verify_activity(&[(anchor.clone(), at)]).await.expect("an answer");
        (found.fault.map(|fault| (fault.number, fault.wrong)), found.undone.len(), found.unchecked.len())
    };
    assert_eq!(held(&anchor, None).await, (None, 0, 0));
    unguard(store).await;
    store.run_sql("DELETE FROM user_activity_log WHERE seal_number > 6; UPDATE activity_chain SET sealed_number = 6, seal = (SELECT seal FROM user_activity_log WHERE seal_number = 6)").await;
    assert_eq!(wrong(store).await, None, "the log itself can't tell");
    assert_eq!(held(&anchor, None).await, (Some((7, Wrong::Truncated)), 0, 0));
    // The lab goes on, and other lines have those numbers.
    let before = Utc::now();
    for _ in 0..4 {
        store.log_activity(act("later")).await.expect("a line");
    }
    seal(store).await;
    assert_eq!(held(&anchor, None).await, (Some((8, Wrong::Anchor)), 0, 0));
    let restored = NewActivity { details: json!({ "backup": "b" }), ..act("database_restored") };
    store.run_sql("DELETE FROM user_activity_log WHERE seal_number > 6; UPDATE activity_chain SET sealed_number = 6, seal = (SELECT seal FROM user_activity_log WHERE seal_number = 6)").await;
    store.log_activity(restored).await.expect("a line");
    store.log_activity(act("later")).await.expect("a line");
    seal(store).await;
    assert_eq!(
        held(&anchor, Some(before)).await,
        (None, 1, 0),
        "it was made before the restore, which says what it undid"
    );
    let after = Some(Utc::now());
    assert_eq!(held(&anchor, after).await, (Some((8, Wrong::Anchor)), 0, 0), "nothing has undone this one");
    assert_eq!(held(&anchor, None).await, (Some((8, Wrong::Anchor)), 0, 0));
}

pub async fn the_database_refuses_to_change_a_line(database: TestDatabase) {
    let store = &database.store;
    let (user, _) = log(store).await;
    store.log_activity(line(Some(user), "not sealed yet", json!({}))).await.expect("a line");
    for change in [
        "UPDATE user_activity_log SET action = 'nothing' WHERE action = 'not sealed yet'",
        "UPDATE user_activity_log SET details = '{\"a\": 1}' WHERE action = 'not sealed yet'",
        "UPDATE user_activity_log SET details = '{}' WHERE seal_number = 3",
        "UPDATE user_activity_log SET details = '{\"user\": \"x\", \"a\": 1}' WHERE seal_number = 3",
        "UPDATE user_activity_log SET ip_address = '203.0.113.8' WHERE seal_number = 3",
        "UPDATE user_activity_log SET user_id = NULL WHERE seal_number = 3",
        "UPDATE user_activity_log SET created_at = '2026-01-01T00:00:00+00:00' WHERE seal_number = 3",
        "UPDATE user_activity_log SET seal = 'x' WHERE seal_number = 3",
        "UPDATE user_activity_log SET seal_number = 99 WHERE seal_number = 3",
        "UPDATE user_activity_log SET details_salt = 'x' WHERE seal_number = 3",
        "DELETE FROM user_activity_log WHERE action = 'not sealed yet'",
        "DELETE FROM user_activity_log WHERE seal_number = 8",
    ] {
        let said = store.try_sql(change).await.expect_err(change);
        assert!(said.contains("a line of the activity log"), "{change}: {said}");
    }
    assert_eq!(wrong(store).await, None);
    assert_eq!(seal(store).await.number, 9, "the one that waited is sealed all the same");
}

pub async fn an_erased_person_leaves_the_chain_whole(database: TestDatabase) {
    let store = &database.store;
    let ada = new_user(0);
    let (user, email) = (ada.id, ada.email.clone());
    store.create_user(ada, &line(None, "user_created", json!({ "user": user, "email": email }))).await.expect("one");
    store.log_activity(line(Some(user), "sign_in", json!({ "via": "web" }))).await.expect("a line");
    store.log_activity(line(None, "sign_in_failed", json!({ "email": email }))).await.expect("a line");
    store.log_activity(act("another")).await.expect("a line");
    let anchor = seal(store).await;
    store.log_activity(line(Some(user), "sign_out", json!({}))).await.expect("a line");
    let erased = NewActivity { details: json!({ "user": user }), ..act("person_erased") };
    store.erase_person(user, &erased).await.expect("erased");
    let found = store.verify_activity(&[(anchor.clone(), None)]).await.expect("an answer");
    assert_eq!((found.fault, found.erased, found.unsealed), (None, 3, 2), "before the erasure's own line is sealed");
    seal(store).await;
    let found = store.verify_activity(&[(anchor, None)]).await.expect("an answer");
    assert_eq!((found.fault, found.erased, found.lines), (None, 3, 6));
    for column in ["details", "ip_address"] {
        let gathered = match store.backend() {
            Backend::Sqlite => format!("GROUP_CONCAT(COALESCE({column}, ''))"),
            Backend::Postgres => format!("STRING_AGG(COALESCE(CAST({column} AS TEXT), ''), ',')"),
        };
        let text = store
            .read_text(format!("SELECT {gathered} AS text FROM user_activity_log WHERE action <> 'person_erased'"))
            .await;
        assert!(!text.contains(&email) && !text.contains("203.0.113.7"), "{column}: {text}");
    }
    // No address can be found by trying all: what it was hashed with is gone.
    let salts = "SELECT CAST(COUNT(address_salt) AS TEXT) AS text FROM user_activity_log";
    assert_eq!(store.read_text(salts.to_owned()).await, "0");
    unguard(store).await;
    store.run_sql("UPDATE user_activity_log SET action = 'x' WHERE action = 'person_erased'").await;
    assert_eq!(wrong(store).await, Some((6, Wrong::Seal)));
}

pub async fn what_is_forgotten_by_its_age_is_written_down(database: TestDatabase) {
    let store = &database.store;
    let (_, old) = log(store).await;
    let at = Utc::now();
    let keep = Retention { activity: Some(TimeDelta::zero()), ..Retention::FOR_EVER };
    assert_eq!(store.purge(&keep, at).await.expect("a step").activity, 8);
    assert_eq!(wrong(store).await, None, "before what was forgotten is sealed");
    let end = seal(store).await;
    assert_eq!(end.number, 9);
    let found = store.verify_activity(&[(old.clone(), None), (end, None)]).await.expect("an answer");
    assert_eq!((found.lines, found.fault, found.forgotten), (1, None, Some(old)));
    let told = store.activity(None, None, 5).await.expect("the log").data;
    assert_eq!((told[0].action.as_str(), told[0].details["lines"].as_i64()), ("activity_forgotten", Some(8)));
    store.log_activity(act("later")).await.expect("a line");
    seal(store).await;
    assert_eq!(store.purge(&keep, Utc::now() + YEARS).await.expect("a step").activity, 2);
    seal(store).await;
    let found = verify(store).await;
    assert_eq!((found.lines, found.fault, found.forgotten.map(|at| at.number)), (1, None, Some(10)));
    let older = Anchor { number: 4, seal: "0".repeat(64) };
    let found = store.verify_activity(&[(older.clone(), None)]).await.expect("an answer");
    assert_eq!((found.fault, found.unchecked), (None, vec![older]), "nobody can tell any more");
}

pub async fn many_write_and_many_seal_and_no_line_is_missed(database: TestDatabase) {
    const WRITERS: usize = 4;
    const LINES: usize = 40;
    let mut tasks = Vec::new();
    for _ in 0..WRITERS {
        let store = database.another().await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..LINES {
                store.log_activity(act("tested")).await.expect("a line");
            }
        }));
    }
    let sealers: Vec<_> = [database.another().await, database.another().await]
        .into_iter()
        .map(|store| {
            tokio::spawn(async move {
                let mut sealed = 0;
                for _ in 0..60 {
                    sealed += store.seal_activity().await.expect("sealed").lines;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                sealed
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer");
    }
    let mut sealed = 0;
    for sealer in sealers {
        sealed += sealer.await.expect("a sealer");
    }
    let all = seal(&database.store).await.number as usize;
    assert_eq!(all, WRITERS * LINES);
    assert!(sealed > 0, "they sealed while others wrote");
    let found = verify(&database.store).await;
    assert_eq!((found.lines as usize, found.unsealed, found.fault), (all, 0, None));
}

/// Of two transactions the one that began first may end last: its id is the lower.
pub async fn a_line_that_commits_late_is_sealed_where_it_came(database: TestDatabase) {
    let store = &database.store;
    let early = uuid::Uuid::now_v7();
    store.log_activity(act("second")).await.expect("a line");
    seal(store).await;
    let (id, at) = match store.backend() {
        Backend::Sqlite => {
            (format!("unhex('{}')", early.simple()), format!("'{}'", (Utc::now() - TimeDelta::hours(1)).to_rfc3339()))
        }
        Backend::Postgres => (format!("CAST('{early}' AS uuid)"), "now() - interval '1 hour'".to_owned()),
    };
    store
        .run_sql(&format!(
            "INSERT INTO user_activity_log (id, action, details, created_at) VALUES ({id}, 'first', '{{}}', {at})"
        ))
        .await;
    assert_eq!(seal(store).await.number, 2);
    let found = verify(store).await;
    assert_eq!((found.lines, found.fault, found.late, found.first_late), (2, None, 1, Some(2)), "an hour is told");
}

pub async fn a_log_of_an_older_release_is_sealed_as_it_is(database: TestDatabase) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = match database.store.backend() {
        Backend::Sqlite => format!("sqlite:{}/old.db", directory.path().display()),
        Backend::Postgres => database.fresh_schema().await,
    };
    let store = Store::connect(&url, Options::default()).await.expect("it opens");
    store.migrate_before("0019_activity").await;
    let (id, text) = match store.backend() {
        Backend::Sqlite => ("randomblob(16)", "n"),
        Backend::Postgres => ("gen_random_uuid()", "CAST(n AS text)"),
    };
    store
        .run_sql(&format!(
            "INSERT INTO user_activity_log (id, action, details, ip_address, created_at)
             WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1200)
             SELECT {id}, 'old' || {text}, '{{\"b\": 1.50, \"a\": \"ü\"}}', '2001:db8::1', '2026-01-01T00:00:00+00:00' FROM s"
        ))
        .await;
    assert_eq!(store.migrate().await.expect("it migrates").first().map(String::as_str), Some("0019_activity"));
    let found = verify(&store).await;
    assert_eq!((found.lines, found.unsealed, found.fault), (0, 1_200, None));
    assert_eq!(store.seal_activity().await.expect("sealed").lines, 500, "so many at once");
    assert_eq!(seal(&store).await.number, 1_200);
    let found = verify(&store).await;
    assert_eq!((found.lines, found.unsealed, found.late, found.fault), (1_200, 0, 0, None));
}

pub async fn a_line_is_found_by_who_what_whom_when_and_text(database: TestDatabase) {
    let store = &database.store;
    let (ada, bob) = (user(store, 0).await, user(store, 0).await);
    store
        .log_activity(line(Some(ada), "role_changed", json!({ "user": bob, "role": "operator" })))
        .await
        .expect("a line");
    store.log_activity(line(Some(ada), "sign_in", json!({ "via": "web" }))).await.expect("a line");
    store.log_activity(line(Some(bob), "sign_in", json!({ "via": "Größe" }))).await.expect("a line");
    store
        .log_activity(line(None, "sign_in_failed", json!({ "email": "Eve@example.org", "attempts": 48_151_623 })))
        .await
        .expect("a line");
    let found = async |filter: ActivityFilter| {
        let page = store.search_activity(&filter, None, 50).await.expect("an answer");
        assert_eq!(page.next, None);
        page.data.into_iter().map(|line| line.action).collect::<Vec<_>>()
    };
    let nothing = ActivityFilter::default;
    let text = |text: &str| ActivityFilter { text: Some(text.to_owned()), ..nothing() };
    let action = |action: &str| ActivityFilter { action: Some(action.to_owned()), ..nothing() };
    assert_eq!(found(ActivityFilter { by: Some(ada), ..nothing() }).await, ["sign_in", "role_changed"]);
    assert_eq!(found(ActivityFilter { about: Some(bob), ..nothing() }).await, ["role_changed"]);
    assert_eq!(found(action("sign_in")).await, ["sign_in", "sign_in"]);
    assert_eq!(found(ActivityFilter { by: Some(bob), ..action("sign_in") }).await, ["sign_in"]);
    assert_eq!(found(ActivityFilter { by: Some(bob), about: Some(bob), ..nothing() }).await, [""; 0]);
    assert_eq!(found(text("eve@")).await, ["sign_in_failed"]);
    assert_eq!(found(text("GRÖSSE")).await, [""; 0]);
    assert_eq!(found(text("größe")).await, ["sign_in"]);
    assert_eq!(found(text("203.0.113")).await.len(), 4);
    // So long a number is in nobody's id.
    assert_eq!(found(text("48151623")).await, ["sign_in_failed"]);
    assert_eq!(found(text("%")).await, [""; 0], "what is typed is no pattern");
    let now = Utc::now();
    let hour = TimeDelta::hours(1);
    assert_eq!(found(ActivityFilter { until: Some(now - hour), ..action("sign_in") }).await, [""; 0]);
    assert_eq!(found(ActivityFilter { from: Some(now + hour), ..action("sign_in") }).await, [""; 0]);
    assert_eq!(
        found(ActivityFilter { from: Some(now - hour), until: Some(now + hour), ..action("sign_in") }).await.len(),
        2
    );
}

pub async fn a_search_looks_at_so_much_and_says_where_to_go_on(database: TestDatabase) {
    let store = &database.store;
    let needle = line(None, "needle", json!({ "in": "the haystack" }));
    store.log_activity(needle).await.expect("a line");
    let (id, at) = match store.backend() {
        Backend::Sqlite => ("unhex('ff' || printf('%030x', n))", "'2026-01-01T00:00:00+00:00'"),
        Backend::Postgres => ("CAST('ff' || lpad(to_hex(n), 30, '0') AS uuid)", "CAST('2026-01-01' AS timestamptz)"),
    };
    store
        .run_sql(&format!(
            "INSERT INTO user_activity_log (id, action, details, created_at)
             WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 4500) SELECT {id}, 'hay', '{{}}', {at} FROM s"
        ))
        .await;
    let filter = ActivityFilter { text: Some("haystack".to_owned()), ..ActivityFilter::default() };
    let (mut after, mut pages, mut found) = (None, 0, Vec::new());
    loop {
        let page = store.search_activity(&filter, after, 10).await.expect("an answer");
        (pages, after) = (pages + 1, page.next);
        found.extend(page.data);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((pages, found.len()), (3, 1), "2,000 lines a page");
    // Pages join without gap or overlap.
    let all = ActivityFilter { action: Some("hay".to_owned()), ..ActivityFilter::default() };
    let (mut after, mut ids) = (None, Vec::new());
    loop {
        let page = store.search_activity(&all, after, 200).await.expect("an answer");
        ids.extend(page.data.into_iter().map(|line| line.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut unique = ids.clone();
    unique.dedup();
    assert_eq!((ids.len(), unique.len()), (4_500, 4_500));
}
