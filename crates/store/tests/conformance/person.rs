//! All that is stored of one person: given out whole, and made nobody's.

use crate::given::*;
use chrono::Utc;
use domain::*;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::Path,
};
use store::{testing::TestDatabase, *};

/// What docs/data.md says of each column, by table and column: `kept`, `erased`, `withheld` or `no`.
fn said() -> BTreeMap<(String, String), (String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/data.md");
    let text = fs::read_to_string(file).expect("the table of columns");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, table, column, class, of_person, _, _] = cells[..] else { return None };
        let [table, column, class, of_person] = [table, column, class, of_person].map(str::to_owned);
        (table != "table" && !table.starts_with('-')).then_some(((table, column), (class, of_person)))
    });
    rows.collect()
}

/// Every string that is somebody's own, and nobody else's.
const EMAIL: &str = "ada.lovelace@example.org";
const NAME: &str = "Ada's ochre";
const TOKEN: &str = "Ada's notebook";
const PHONE: &str = "Ada's phone";
const KEY: &str = "adas-idempotency-key";
const ADDRESS: &str = "203.0.113.77";

fn by_ada(user: UserId, action: &'static str, details: Value) -> NewActivity {
    let ip_address = Some(ADDRESS.parse::<IpAddr>().expect("an address"));
    NewActivity { user_id: Some(user), action, details, ip_address }
}

/// Somebody who did everything that a person can leave a trace of.
async fn ada(store: &Store) -> (UserId, ExperimentDetail) {
    let id = UserId::new();
    let new = NewUser {
        id,
        email: EMAIL.to_owned(),
        hashed_password: "adas-hash".to_owned(),
        role: Role::Operator,
        quota: 20,
    };
    store.create_user(new, &act_with("user_created", json!({ "user": id, "email": EMAIL }))).await.expect("an account");
    let failed = NewActivity { user_id: None, ..by_ada(id, "sign_in_failed", json!({ "email": EMAIL })) };
    store.log_activity(failed).await.expect("a line");
    store.log_activity(by_ada(id, "sign_in", json!({ "via": "page" }))).await.expect("a line");
    let come = store.sign_in_external(&by_provider()).await.expect("an answer");
    assert!(matches!(come, Admission::SignedIn(..)), "{come:?}");
    let begun = session(store, id, "adas-refresh-token", in_an_hour()).await.id;
    let account = store.user(id).await.expect("an answer").expect("the account");
    store.offer_totp(id, "adas-totp-secret").await.expect("offered");
    let app = NewFactor::Totp { secret: "adas-totp-secret".to_owned(), step: 1 };
    let passkey = Passkey { name: PHONE.to_owned(), ..crate::factors::passkey(id, "adas-credential") };
    let challenge = SpentChallenge { id: uuid::Uuid::now_v7(), expires_at: in_an_hour() };
    for factor in [app, NewFactor::Passkey { passkey, challenge, most: 2 }] {
        let codes = ["adas-recovery-code".to_owned()];
        store
            .add_factor((id, begun), &factor, Some(Amr::PASSWORD_AND_CODE), &codes, &act("added"))
            .await
            .expect("added");
    }
    store.count_try(id, None, |_| Some(chrono::TimeDelta::hours(1))).await.expect("counted");
    store.begin_second_step(&account, "adas-pending-hash", in_an_hour()).await.expect("it waits");
    let new = NewApiToken {
        id: ApiTokenId::new(),
        name: TOKEN.to_owned(),
        hash: "adas-token-hash".to_owned(),
        scopes: Scopes::of([Scope::Read]).expect("one"),
        expires_at: in_an_hour(),
    };
    let token = store.create_api_token(&account, &new, 50, &act("api_token_made")).await.expect("a token");
    store.note_api_tokens_used(&[(token.id, Utc::now())]).await.expect("noted");
    let invitation = Invitation {
        id: InvitationId::new(),
        email: Some(EMAIL.to_owned()),
        role: Role::Student,
        quota: 1,
        uses: 1,
        uses_left: 1,
        created_at: Utc::now(),
        expires_at: in_an_hour(),
        group_id: None,
    };
    let link = |hash: &str, to: LinkTo| NewLink { hash: hash.to_owned(), to, expires_at: in_an_hour() };
    let mail = NewMail { kind: MailKind::Invitation, email: EMAIL.to_owned(), invitation_id: Some(invitation.id) };
    let invited = link("adas-invitation-hash", invitation.link());
    store.create_invitation(&invitation, &invited, Some(&mail), &act("invitation_made")).await.expect("invited");
    let (refill, time_zone) = (Refill::Never, Zone::UTC);
    let terms = GroupTerms { name: "Colour 101".to_owned(), allowance: 5, reserve: 5, refill, time_zone };
    let group = store.create_group(&terms, &act("group_made")).await.expect("a group");
    store.add_to_group(group.id, &[id], Standing::Member, &act("group_joined")).await.expect("in it");
    let wish = NewQuotaRequest { user_id: id, group_id: Some(group.id), wells: 2, reason: NAME.to_owned() };
    let wish = store.ask_for_quota(&wish, &act("quota_asked")).await.expect("asked");
    store.grant_quota(wish, None, None, &act("quota_granted")).await.expect("granted");
    store.create_link(&link("adas-link-hash", LinkTo::Password(id)), None).await.expect("a link");
    store.create_link(&link("adas-proof-hash", LinkTo::Registration(EMAIL.to_owned())), None).await.expect("a link");
    store.rotate_session("adas-refresh-token", "adas-next-token", in_an_hour(), None).await.expect("an answer");
    let waits = store.sign_in_external(&by_provider()).await.expect("an answer");
    assert!(matches!(waits, Admission::SecondStep(_)), "{waits:?}");
    let (robot, lease) = lane(store, "ot2").await;
    let mut wanted = request(id, 2);
    wanted.name = Some(NAME.to_owned());
    wanted.idempotency = Some(IdempotencyKey { key: KEY.to_owned(), request_hash: "adas-request-hash".to_owned() });
    let experiment = wanted.id;
    store.accept(wanted).await.expect("an answer");
    let waiting = crate::given::experiment(store, experiment).await;
    let places: Vec<_> = well_ids(&waiting).into_iter().zip(WellName::all()).collect();
    let plate = robot.plate_id.expect("a plate");
    assert!(store.take(&lease, robot.acts, experiment, plate, &places).await.expect("an answer"));
    let detail = crate::given::experiment(store, experiment).await;
    let operation = dispense(&detail);
    store.commit(&lease, intends(&operation, experiment)).await.expect("intended");
    let mut end = ends(&operation, JournalEvent::Succeeded);
    let (well, spoilt) = (well_ids(&detail)[0], well_ids(&detail)[1]);
    let body = json!({ "reading": { "f1": 7 } });
    end.changes = vec![
        to_status(well, WellStatus::Dispensing),
        to_status(well, WellStatus::Mixed),
        measured(well),
        to_status(spoilt, WellStatus::Failed),
        Change::Document { collection: Collection::Measurements, id: operation.id, experiment: Some(experiment), body },
    ];
    store.commit(&lease, end).await.expect("ended");
    let pause = by_ada(id, "robot_paused", json!({ "robot_id": robot.id }));
    store.command(robot.id, RobotCommand::Pause, EMAIL, pause).await.expect("paused");
    assert!(store.seal_activity().await.expect("sealed").lines > 5);
    (id, detail)
}

fn by_provider() -> ExternalSignIn {
    ExternalSignIn {
        email: Some(EMAIL.to_owned()),
        provider_session: Some("adas-session-there".to_owned()),
        ..external("adas-subject", Role::Operator, 20)
    }
}

fn act_with(action: &'static str, details: Value) -> NewActivity {
    NewActivity { user_id: None, action, details, ip_address: None }
}

async fn end(store: &Store, id: ExperimentId) {
    store.run_sql("UPDATE experiments SET status = 'paused'").await;
    store.control(id, Control::Cancel, &act("experiment_cancelled")).await.expect("an answer");
}

/// All that is given out.
async fn exported(store: &Store, user: UserId, experiment: ExperimentId) -> Vec<PersonalRow> {
    let mut rows = store.rows_of_person(user).await.expect("rows");
    rows.extend(store.activity_rows(user, None).await.expect("rows"));
    rows.extend(store.rows_of_experiment(experiment).await.expect("rows"));
    rows
}

/// Whoever adds a column says whether it is given out, and whether erasure touches it; and what is said is done.
pub async fn what_is_said_of_each_column_is_done(database: TestDatabase) {
    let store = &database.store;
    let said = said();
    for ((table, column), (_, of_person)) in &said {
        let known = ["kept", "erased", "withheld", "no"].contains(&of_person.as_str());
        assert!(known, "docs/data.md: {table}.{column} is '{of_person}' of a person");
    }
    let given: BTreeSet<_> = exported_columns().map(|(table, column)| (table.to_owned(), column.to_owned())).collect();
    let is_given = |of_person: &str| ["kept", "erased"].contains(&of_person);
    // Documents may lie elsewhere; who gives them out is tested there.
    let of_it = said.iter().filter(|((table, _), (_, of_person))| table != "documents" && is_given(of_person));
    assert_eq!(of_it.map(|(place, _)| place.clone()).collect::<BTreeSet<_>>(), given);
    for ((table, column), (class, of_person)) in &said {
        let tables: BTreeSet<_> = given.iter().map(|(table, _)| table).collect();
        let forgotten = tables.contains(table) && class == "private" && of_person == "no";
        assert!(!forgotten, "{table}.{column} is a person's: give it out");
        assert!(class != "secret" || !is_given(of_person), "{table}.{column} is secret");
    }

    let (user, detail) = ada(store).await;
    end(store, detail.experiment.id).await;
    let before = exported(store, user, detail.experiment.id).await;
    let tables: BTreeSet<_> = before.iter().map(|row| row.table.to_owned()).collect();
    let expected: BTreeSet<_> = given.iter().map(|(table, _)| table.clone()).collect();
    assert_eq!(tables, expected, "of each table there is something to see");
    store.erase_person(user, &act("person_erased")).await.expect("erased");
    let after = exported(store, user, detail.experiment.id).await;
    let values = |rows: &[PersonalRow], table: &str, column: &str| {
        let of_it = rows.iter().filter(|row| row.table == table).map(|row| row.row[column].to_string());
        of_it.filter(|value| value != "null").collect::<BTreeSet<_>>()
    };
    for ((table, column), (_, of_person)) in &said {
        let (was, is) = (values(&before, table, column), values(&after, table, column));
        match of_person.as_str() {
            "erased" if !was.is_empty() => {
                // A line of the log keeps what names nobody.
                let own =
                    |value: &&String| [EMAIL, NAME, TOKEN, PHONE, KEY, ADDRESS].iter().any(|own| value.contains(own));
                let left: Vec<_> = is.iter().filter(own).collect();
                assert!(left.is_empty(), "{table}.{column} is still {left:?}");
            }
            "kept" => assert!(was.is_subset(&is), "{table}.{column} was {was:?} and is {is:?}"),
            _ => {}
        }
    }
}

/// Whatever column it might hide in.
pub async fn nothing_anywhere_tells_who_it_was(database: TestDatabase) {
    let store = &database.store;
    let (user, detail) = ada(store).await;
    let id = detail.experiment.id;
    let error = store.erase_person(user, &act("person_erased")).await.expect_err("an experiment is under way");
    assert!(matches!(error, StoreError::Unfinished), "{error:?}");
    assert!(store.user_by_email(EMAIL).await.expect("an answer").is_some(), "nothing was done");
    end(store, id).await;
    let before = everything(&database).await;
    let own = [
        EMAIL,
        NAME,
        TOKEN,
        PHONE,
        KEY,
        ADDRESS,
        "adas-token-hash",
        "adas-hash",
        "adas-request-hash",
        "adas-refresh-token",
        "adas-next-token",
        "adas-totp-secret",
        "adas-credential",
        "adas-recovery-code",
        "adas-pending-hash",
        "adas-subject",
        "adas-session-there",
        "adas-invitation-hash",
        "adas-link-hash",
        "adas-proof-hash",
    ];
    for own in own {
        assert!(before.iter().any(|(_, text)| text.contains(own)), "{own} was nowhere to begin with");
    }
    store.erase_person(user, &act("person_erased")).await.expect("erased");
    for (place, text) in everything(&database).await {
        let left: Vec<_> = own.iter().filter(|own| text.contains(*own)).collect();
        assert!(left.is_empty(), "{place} still tells {left:?}");
    }
    let account = store.user(user).await.expect("an answer").expect("the account");
    assert!(account.disabled_at.is_some() && account.email.ends_with(".invalid"), "{account:?}");
    assert!(store.session_by_hash("adas-next-token").await.expect("an answer").is_none());
    let kept = crate::given::experiment(store, id).await;
    assert_eq!(kept.wells.iter().filter(|(_, result)| result.is_some()).count(), 1, "what was measured stays");
    assert_eq!(kept.experiment.user_id, user);
    let log = store.activity(None, None, 50).await.expect("the log").data;
    assert!(log.iter().any(|line| line.action == "person_erased"));
    assert!(log.iter().any(|line| line.action == "sign_in" && line.user_id == Some(user)), "what was done stays");
    // Somebody new may have the address.
    let again = NewUser {
        id: UserId::new(),
        email: EMAIL.to_owned(),
        hashed_password: "x".to_owned(),
        role: Role::Student,
        quota: 0,
    };
    store.create_user(again, &act("user_created")).await.expect("the address is free");
}

pub async fn the_last_administrator_is_not_erased(database: TestDatabase) {
    let store = &database.store;
    let id = UserId::new();
    let new = NewUser { id, email: EMAIL.to_owned(), hashed_password: "x".to_owned(), role: Role::Admin, quota: 0 };
    store.create_user(new, &act("user_created")).await.expect("an account");
    let error = store.erase_person(id, &act("person_erased")).await.expect_err("nobody else administers");
    assert!(matches!(error, StoreError::LastAdministrator), "{error:?}");
    let error = store.erase_person(UserId::new(), &act("person_erased")).await.expect_err("there is no such person");
    assert!(matches!(error, StoreError::NotFound(_)), "{error:?}");
}

/// Each column of each table with all that is in it, as text.
async fn everything(database: &TestDatabase) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for column in database.columns().await {
        let (table, column) = (column.table, column.column);
        let gathered = match database.store.backend() {
            Backend::Sqlite => format!(
                "COALESCE(GROUP_CONCAT(CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) END, ' '), '')"
            ),
            Backend::Postgres => format!("COALESCE(STRING_AGG(CAST({column} AS TEXT), ' '), '')"),
        };
        let text = database.store.read_text(format!("SELECT {gathered} AS text FROM {table}")).await;
        all.push((format!("{table}.{column}"), text));
    }
    all
}
