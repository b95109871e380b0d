//! Groups: whose allowance is whole when, what is spent first, who may grant what, and that nothing is given twice.

use crate::{given::*, opening::at_schema};
use chrono::{DateTime, TimeDelta, Utc};
use domain::*;
use serde_json::json;
use std::collections::HashSet;
use store::{testing::TestDatabase, *};
use tokio::task::JoinSet;

async fn group(store: &Store, name: &str, allowance: i32, reserve: i32) -> Group {
    let (refill, time_zone) = (Refill::Weekly(chrono::Weekday::Mon), Zone::UTC);
    let terms = GroupTerms { name: name.to_owned(), allowance, reserve, refill, time_zone };
    store.create_group(&terms, &act("group_made")).await.expect("a group")
}

async fn join(store: &Store, group: &Group, users: &[UserId], standing: Standing) {
    store.add_to_group(group.id, users, standing, &act("group_joined")).await.expect("in the group");
}

async fn member(store: &Store, group: &Group, own: i32) -> UserId {
    let user = user(store, own).await;
    join(store, group, &[user], Standing::Member).await;
    user
}

async fn teacher(store: &Store, group: &Group) -> UserId {
    let user = user(store, 0).await;
    join(store, group, &[user], Standing::Teacher).await;
    user
}

async fn ask(store: &Store, user_id: UserId, group_id: Option<GroupId>, wells: i32) -> Result<QuotaRequestId> {
    let new = NewQuotaRequest { user_id, group_id, wells, reason: "the last plate was dirty".to_owned() };
    store.ask_for_quota(&new, &act("quota_asked")).await
}

fn due(group: &Group) -> DateTime<Utc> {
    group.next_refill_at.expect("a calendar") + TimeDelta::seconds(1)
}

/// The parts are the sum, and the sum is what the history, the charges and the returns say.
async fn adds_up(store: &Store, user: UserId, before: i32, charged: i32) {
    let (left, parts) = (quota(store, user).await, store.quota_parts(user).await.expect("parts"));
    let of_groups: i32 = parts.memberships.iter().map(|membership| membership.left).sum();
    assert_eq!((parts.total, parts.own + of_groups), (left, left), "{parts:?}");
    let history = store.quota_changes(user, 200).await.expect("the history");
    let given: i32 = history.iter().map(|change| change.after - change.before).sum();
    assert_eq!(before + given - charged, left, "{history:?}");
}

pub async fn an_allowance_is_whole_once_at_each_time_whichever_process_comes_first(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 8, 5).await;
    let ada = member(store, &class, 10).await;
    assert_eq!(quota(store, ada).await, 18);
    queued(store, ada, 5).await;
    assert!(store.refill_due(Utc::now()).await.expect("an answer").is_none(), "it isn't time");
    // Three Mondays went by while no process ran.
    let at = due(&class) + TimeDelta::days(15);
    let mut refills = JoinSet::new();
    for _ in 0..4 {
        let store = database.another().await;
        refills.spawn(async move { store.refill_due(at).await.expect("an answer").is_some() });
    }
    assert_eq!(refills.join_all().await.into_iter().filter(|refilled| *refilled).count(), 1);
    assert_eq!(quota(store, ada).await, 18);
    let causes: Vec<_> = store.quota_changes(ada, 10).await.expect("history").iter().map(|line| line.cause).collect();
    assert_eq!(causes, [QuotaCause::Refilled, QuotaCause::Joined]);
    let now = store.group(class.id, None).await.expect("an answer").expect("it");
    assert_eq!((now.refilled_at, now.next_refill_at), (Some(at), class.refill.next(Zone::UTC, at)));
    adds_up(store, ada, 10, 5).await;
}

/// A machine that began with a wrong clock refills for a time that is years away.
pub async fn a_clock_that_was_ahead_costs_no_refill(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 8, 5).await;
    let ada = member(store, &class, 10).await;
    let now = Utc::now();
    let soon = now + TimeDelta::minutes(10);
    assert!(store.set_calendar_right(now).await.expect("an answer").is_none());
    assert!(store.refill_due(due(&class) + TimeDelta::days(3_650)).await.expect("an answer").is_some());
    queued(store, ada, 8).await;
    let far = store.group(class.id, None).await.expect("an answer").expect("it");
    assert!(far.next_refill_at > Some(now + TimeDelta::days(3_000)));
    assert!(store.set_calendar_right(soon).await.expect("an answer").is_some());
    assert!(store.set_calendar_right(soon).await.expect("an answer").is_none(), "once");
    let right = store.group(class.id, None).await.expect("an answer").expect("it");
    assert_eq!((right.refilled_at, right.next_refill_at), (None, class.refill.next(Zone::UTC, soon)));
    assert!(store.refill_due(soon).await.expect("an answer").is_none(), "nothing is given for it");
    assert_eq!(quota(store, ada).await, 10);
    assert!(store.refill_due(due(&right)).await.expect("an answer").is_some());
    assert_eq!(quota(store, ada).await, 18);
    adds_up(store, ada, 10, 8).await;
    // A clock that is behind gives nothing twice.
    assert!(store.refill_due(now - TimeDelta::days(30)).await.expect("an answer").is_none());
}

pub async fn an_allowance_is_spent_before_ones_own(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 8, 0).await;
    let ada = member(store, &class, 10).await;
    queued(store, ada, 12).await;
    let parts = store.quota_parts(ada).await.expect("parts");
    assert_eq!((parts.own, parts.memberships[0].left), (6, 0));
    store.refill_due(due(&class)).await.expect("an answer").expect("it was time");
    assert_eq!(quota(store, ada).await, 6 + 8);
    // What an administrator says counts, and is one's own.
    set_quota(store, ada, 20).await;
    store.refill_group(class.id, &act("group_refilled")).await.expect("refilled");
    assert_eq!(quota(store, ada).await, 20);
    set_quota(store, ada, 3).await;
    store.refill_group(class.id, &act("group_refilled")).await.expect("refilled");
    assert_eq!(quota(store, ada).await, 8, "less than the allowance lasts until the next refill");
    adds_up(store, ada, 10, 12).await;
}

pub async fn what_comes_back_after_a_refill_is_good_until_the_next(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 8, 0).await;
    let ada = member(store, &class, 2).await;
    let waiting = queued(store, ada, 8).await.experiment.id;
    store.refill_due(due(&class)).await.expect("an answer").expect("it was time");
    assert_eq!(quota(store, ada).await, 10);
    store.control(waiting, Control::Cancel, &act("cancelled")).await.expect("cancelled");
    assert_eq!(quota(store, ada).await, 18, "it can be used at once");
    store.refill_group(class.id, &act("group_refilled")).await.expect("refilled");
    assert_eq!(quota(store, ada).await, 10, "and isn't hoarded");
}

pub async fn a_grant_is_given_once_and_of_the_reserve(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 8, 10).await;
    let (ada, bob, prof) =
        (member(store, &class, 0).await, member(store, &class, 0).await, teacher(store, &class).await);
    let request = ask(store, ada, Some(class.id), 6).await.expect("asked");
    let mut grants = JoinSet::new();
    for _ in 0..4 {
        let store = database.another().await;
        grants.spawn(async move { store.grant_quota(request, Some(prof), None, &act("quota_granted")).await });
    }
    let granted = grants.join_all().await;
    assert_eq!(granted.iter().filter(|granted| matches!(granted, Ok(6))).count(), 1, "{granted:?}");
    assert!(granted.iter().all(|granted| matches!(granted, Ok(6) | Err(StoreError::RequestDecided))), "{granted:?}");
    assert_eq!(quota(store, ada).await, 14);
    let request = ask(store, bob, Some(class.id), 5).await.expect("asked");
    let refused = store.grant_quota(request, Some(prof), None, &act("quota_granted")).await;
    assert!(matches!(refused, Err(StoreError::ReserveSpent { left: 4 })), "{refused:?}");
    assert!(store.open_quota_request(bob).await.expect("an answer").is_some(), "it waits on");
    assert_eq!(store.grant_quota(request, Some(prof), Some(4), &act("quota_granted")).await.expect("granted"), 4);
    store.refill_due(due(&class)).await.expect("an answer").expect("it was time");
    assert_eq!((quota(store, ada).await, quota(store, bob).await), (8, 8), "what was granted is for this time");
    assert_eq!(store.group(class.id, None).await.expect("an answer").expect("it").reserve_left, 10);
    adds_up(store, ada, 0, 0).await;
}

pub async fn one_asks_once_at_a_time_and_only_of_ones_own_group(database: TestDatabase) {
    let store = &database.store;
    let (class, other) = (group(store, "Colour 101", 8, 10).await, group(store, "Colour 102", 8, 10).await);
    let ada = member(store, &class, 0).await;
    assert!(matches!(ask(store, ada, Some(other.id), 1).await, Err(StoreError::NotFound("group"))));
    let mut asks = JoinSet::new();
    for _ in 0..4 {
        let store = database.another().await;
        let group = class.id;
        asks.spawn(async move { ask(&store, ada, Some(group), 2).await });
    }
    let asked = asks.join_all().await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 1, "{asked:?}");
    assert!(asked.iter().all(|asked| matches!(asked, Ok(_) | Err(StoreError::RequestOpen))), "{asked:?}");
    let request = store.open_quota_request(ada).await.expect("an answer").expect("it").id;
    store.refuse_quota(request, None, &act("quota_refused")).await.expect("refused");
    let last = store.last_decided_request(ada).await.expect("an answer").expect("it");
    assert_eq!((last.wells, last.granted, quota(store, ada).await), (2, 0, 8));
    // The lab's administrators give for good.
    let request = ask(store, ada, None, 3).await.expect("asked again");
    store.grant_quota(request, None, None, &act("quota_granted")).await.expect("granted");
    store.refill_due(due(&class)).await.expect("an answer").expect("it was time");
    assert_eq!(quota(store, ada).await, 11);
}

pub async fn a_teacher_reaches_their_own_groups_and_nothing_else(database: TestDatabase) {
    let store = &database.store;
    let (class, other) = (group(store, "Colour 101", 8, 10).await, group(store, "Colour 102", 8, 10).await);
    let (ada, bob) = (member(store, &class, 0).await, member(store, &other, 0).await);
    let (prof, colleague) = (teacher(store, &class).await, teacher(store, &other).await);
    assert!(store.user(prof).await.expect("an answer").expect("it").teaches);
    assert!(!store.user(ada).await.expect("an answer").expect("it").teaches);
    let among = async |teacher, people: &[UserId]| store.taught_among(teacher, people).await.expect("an answer");
    assert_eq!(among(prof, &[ada, bob, prof, colleague]).await, HashSet::from([ada]));
    assert!(among(ada, &[ada, bob, prof]).await.is_empty(), "a member teaches nobody");
    assert!(store.group(other.id, Some(prof)).await.expect("an answer").is_none());
    let listed: Vec<_> = store.groups(Some(prof), None, 10).await.expect("a list").data;
    assert_eq!(listed.iter().map(|line| line.group.id).collect::<Vec<_>>(), [class.id]);
    assert_eq!((listed[0].members, listed[0].teachers, listed[0].waiting), (1, 1, 0));
    let request = ask(store, bob, Some(other.id), 2).await.expect("asked");
    let to_administrators = ask(store, ada, None, 2).await.expect("asked");
    for request in [request, to_administrators] {
        let granted = store.grant_quota(request, Some(prof), None, &act("quota_granted")).await;
        assert!(matches!(granted, Err(StoreError::NotFound("request"))), "{granted:?}");
        let refused = store.refuse_quota(request, Some(prof), &act("quota_refused")).await;
        assert!(matches!(refused, Err(StoreError::NotFound("request"))), "{refused:?}");
    }
    assert!(store.quota_requests(Some(prof), None, None, 10).await.expect("a list").data.is_empty());
    assert_eq!(store.quota_requests(Some(colleague), None, None, 10).await.expect("a list").data.len(), 1);
    assert_eq!(store.quota_requests(None, None, None, 10).await.expect("a list").data.len(), 2);
    assert_eq!((quota(store, ada).await, quota(store, bob).await), (8, 8));
}

pub async fn whoever_leaves_keeps_what_is_their_own(database: TestDatabase) {
    let store = &database.store;
    let (class, other) = (group(store, "Colour 101", 8, 10).await, group(store, "Colour 102", 5, 0).await);
    let ada = member(store, &class, 2).await;
    join(store, &other, &[ada], Standing::Member).await;
    assert_eq!(quota(store, ada).await, 15);
    let prof = teacher(store, &class).await;
    let waiting = queued(store, ada, 4).await.experiment.id;
    ask(store, ada, Some(class.id), 3).await.expect("asked");
    store.remove_from_group(class.id, ada, &act("group_left")).await.expect("out");
    assert_eq!(quota(store, ada).await, 7, "of the first group nothing is left, whatever was asked for");
    assert!(store.taught_among(prof, &[ada]).await.expect("an answer").is_empty());
    assert!(store.open_quota_request(ada).await.expect("an answer").is_none(), "nobody is left to grant it");
    assert_eq!(experiment(store, waiting).await.experiment.status, ExperimentStatus::Queued, "it goes on");
    store.control(waiting, Control::Cancel, &act("cancelled")).await.expect("cancelled");
    assert_eq!(quota(store, ada).await, 11);
    let gone = store.remove_from_group(class.id, ada, &act("group_left")).await;
    assert!(matches!(gone, Err(StoreError::NotFound("member of this group"))), "{gone:?}");
    let kept = store.delete_group(other.id, false, &act("group_removed")).await;
    assert!(matches!(kept, Err(StoreError::GroupInUse)), "{kept:?}");
    store.delete_group(other.id, true, &act("group_removed")).await.expect("removed");
    assert_eq!(quota(store, ada).await, 2);
    adds_up(store, ada, 2, 0).await;
    store.erase_person(prof, &act("person_erased")).await.expect("erased");
    assert!(store.members(class.id, None, 10).await.expect("a list").data.is_empty());
}

pub async fn names_terms_and_members_are_kept_apart(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 8, 10).await;
    let terms = |name: &str, allowance, reserve| GroupTerms {
        name: name.to_owned(),
        allowance,
        reserve,
        refill: Refill::Never,
        time_zone: Zone::Europe__Zurich,
    };
    let taken = store.create_group(&terms("COLOUR 101", 1, 1), &act("group_made")).await;
    assert!(matches!(taken, Err(StoreError::GroupNameTaken)), "{taken:?}");
    let other = group(store, "Colour 102", 1, 0).await;
    let taken = store.update_group(other.id, &terms("colour 101", 1, 1), &act("group_changed")).await;
    assert!(matches!(taken, Err(StoreError::GroupNameTaken)), "{taken:?}");
    let ada = member(store, &class, 0).await;
    let changed =
        store.update_group(class.id, &terms("Colour 103", 20, 4), &act("group_changed")).await.expect("changed");
    assert_eq!((changed.reserve_left, changed.next_refill_at, quota(store, ada).await), (4, None, 8));
    assert_eq!(store.group_by_name("colour 103").await.expect("an answer"), Some(changed));
    assert!(store.refill_due(Utc::now() + TimeDelta::days(3_650)).await.expect("an answer").is_some(), "the other's");
    assert_eq!(quota(store, ada).await, 8, "never is never");
    // Who joins again stays; who teaches from now on has no allowance.
    queued(store, ada, 3).await;
    join(store, &class, &[ada], Standing::Member).await;
    assert_eq!(quota(store, ada).await, 5);
    join(store, &class, &[ada], Standing::Teacher).await;
    assert_eq!(quota(store, ada).await, 0);
    let nobody = store.add_to_group(class.id, &[UserId::new()], Standing::Member, &act("group_joined")).await;
    assert!(matches!(nobody, Err(StoreError::NotFound("account"))), "{nobody:?}");
}

pub async fn the_newest_of_a_groups_experiments_are_listed(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 50, 0).await;
    let (ada, bob, eve) = (member(store, &class, 0).await, member(store, &class, 0).await, user(store, 50).await);
    let prof = teacher(store, &class).await;
    set_quota(store, prof, 10).await;
    let mut theirs = Vec::new();
    for owner in [ada, bob, eve, ada, prof, ada, bob] {
        let id = queued(store, owner, 1).await.experiment.id;
        if owner != eve && owner != prof {
            theirs.insert(0, id);
        }
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.experiments_of_group(class.id, after, 2).await.expect("a list");
        listed.extend(page.data.iter().map(|line| line.experiment.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, theirs);
}

/// Refills, grants, an administrator's word and experiments at once, from several processes.
pub async fn nothing_is_spent_or_given_twice(database: TestDatabase) {
    let store = &database.store;
    let class = group(store, "Colour 101", 6, 100).await;
    let ada = member(store, &class, 3).await;
    let request = ask(store, ada, Some(class.id), 2).await.expect("asked");
    let mut doing = JoinSet::new();
    for number in 0..24 {
        let (store, id) = (database.another().await, class.id);
        doing.spawn(async move {
            match number % 6 {
                0 => store.refill_group(id, &act("group_refilled")).await.map(|()| 0).expect("refilled"),
                1 => {
                    let _ = store.grant_quota(request, None, None, &act("quota_granted")).await;
                    0
                }
                _ => {
                    let accepted = store.accept(crate::given::request(ada, 2)).await.expect("an answer");
                    i32::from(matches!(accepted, Acceptance::Accepted { .. })) * 2
                }
            }
        });
    }
    let charged: i32 = doing.join_all().await.into_iter().sum();
    assert!(charged >= 8, "somebody got through: {charged}");
    adds_up(store, ada, 3, charged).await;
    let granted = store.quota_changes(ada, 200).await.expect("history");
    assert_eq!(granted.iter().filter(|line| line.cause == QuotaCause::Granted).count(), 1);
}

/// An account of before groups were: all of its quota is its own.
pub async fn people_of_before_keep_what_they_had(database: TestDatabase) {
    let (store, _directory) = at_schema(&database, 16).await;
    let (id, at) = match store.backend() {
        Backend::Sqlite => ("x'01900000000070008000000000000001'", "'2026-01-01T00:00:00+00:00'"),
        Backend::Postgres => {
            ("CAST('01900000-0000-7000-8000-000000000001' AS uuid)", "CAST('2026-01-01' AS timestamptz)")
        }
    };
    let user = format!(
        "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at) VALUES ({id}, 'ada@example.org', 'x', 'student', 7, {at})"
    );
    let invitation = format!(
        "INSERT INTO invitations (id, role, quota, uses, uses_left, created_at, expires_at) VALUES ({id}, 'student', 1, 1, 1, {at}, {at})"
    );
    store.run_sql(&user).await;
    store.run_sql(&invitation).await;
    store.migrate().await.expect("it migrates");
    assert_eq!(store.invitations(None, 5).await.expect("a list").data[0].group_id, None);
    let ada = store.user_by_email("ada@example.org").await.expect("an answer").expect("the account").id;
    assert_eq!(store.quota_parts(ada).await.expect("parts"), QuotaParts { total: 7, own: 7, memberships: Vec::new() });
    let class = group(&store, "Colour 101", 5, 0).await;
    join(&store, &class, &[ada], Standing::Member).await;
    // What the release before does to an account while this one runs beside it.
    store.run_sql("UPDATE users SET quota_remaining = 20").await;
    let parts = store.quota_parts(ada).await.expect("parts");
    assert_eq!((parts.total, parts.own, parts.memberships[0].left), (20, 7, 13));
    store.refill_group(class.id, &act("group_refilled")).await.expect("refilled");
    assert_eq!(quota(&store, ada).await, 12);
}

/// What the provider says at the next sign-in.
async fn comes_as(store: &Store, places: &[(&str, Option<Standing>)]) -> User {
    let place = |&(group, standing): &(&str, Option<Standing>)| Placement { group: group.to_owned(), standing };
    let groups = places.iter().map(place).collect();
    match store.sign_in_external(&ExternalSignIn { groups, ..external("ada", Role::Student, 10) }).await {
        Ok(Admission::SignedIn(user, _)) => user,
        other => panic!("{other:?}"),
    }
}

pub async fn claims_put_people_into_groups_and_take_them_out_again(database: TestDatabase) {
    let store = &database.store;
    let (member, teacher) = (Some(Standing::Member), Some(Standing::Teacher));
    let colour = group(store, "Colour 101", 48, 0).await.id;
    let dyes = group(store, "Dyes", 5, 0).await.id;
    let places = async |user: UserId| {
        let parts = store.quota_parts(user).await.expect("parts");
        let place = |of: Membership| (of.group.id, of.standing, of.left);
        let mut places: Vec<_> = parts.memberships.into_iter().map(place).collect();
        places.sort_by_key(|place| place.0);
        places
    };

    // A name in any case; one that isn't there keeps nobody out.
    let ada = comes_as(store, &[("colour 101", member), ("Gone", member), ("Dyes", None)]).await;
    assert_eq!(ada.quota_remaining, 58, "as it is after");
    assert_eq!(places(ada.id).await, [(colour, Standing::Member, 48)]);
    let log = async || store.activity(None, None, 50).await.expect("the log").data;
    let count = async |action: &str| log().await.iter().filter(|line| line.action == action).count();
    let joined = log().await.into_iter().find(|line| line.action == "group_joined").expect("a line");
    assert_eq!((&joined.details["via"], &joined.details["group"]), (&json!("https://id.example.org"), &json!(colour)));
    assert!(store.members(colour, None, 10).await.expect("members").data[0].by_provider);

    // The same again changes nothing and says nothing.
    comes_as(store, &[("Colour 101", member), ("Dyes", None)]).await;
    assert_eq!((count("group_joined").await, count("group_left").await), (1, 0));

    // Into another standing, another group, and out; what is left of an allowance stays behind.
    let ada = comes_as(store, &[("Colour 101", teacher), ("Dyes", member)]).await;
    assert_eq!((ada.quota_remaining, ada.teaches), (15, true));
    assert_eq!(places(ada.id).await, [(colour, Standing::Teacher, 0), (dyes, Standing::Member, 5)]);
    let ada = comes_as(store, &[("Colour 101", None), ("Dyes", None)]).await;
    assert_eq!((ada.quota_remaining, ada.teaches, places(ada.id).await), (10, false, Vec::new()));
    assert_eq!((count("group_joined").await, count("group_left").await), (3, 2));
    let causes = store.quota_changes(ada.id, 50).await.expect("the history");
    assert!(
        causes.iter().any(|change| change.cause == QuotaCause::Left && change.group_id == Some(dyes)),
        "{causes:?}"
    );

    // Where somebody put them by hand they stay, as what they were made; so does who is in a group that no rule is about.
    store.add_to_group(colour, &[ada.id], Standing::Teacher, &act("group_joined")).await.expect("by hand");
    comes_as(store, &[("Colour 101", member)]).await;
    comes_as(store, &[("Colour 101", None)]).await;
    comes_as(store, &[("Dyes", member)]).await;
    comes_as(store, &[]).await;
    assert_eq!(places(ada.id).await, [(colour, Standing::Teacher, 0), (dyes, Standing::Member, 5)]);
    // … and one whom somebody took out is back at the next sign-in.
    store.remove_from_group(dyes, ada.id, &act("group_left")).await.expect("by hand");
    comes_as(store, &[("Dyes", member)]).await;
    assert_eq!(places(ada.id).await.len(), 2);

    // A full lab of groups keeps nobody out of the lab.
    for n in 0..20 {
        let group = group(store, &format!("More {n}"), 1, 0).await;
        let _ = store.add_to_group(group.id, &[ada.id], Standing::Member, &act("group_joined")).await;
    }
    let full = places(ada.id).await;
    comes_as(store, &[("More 19", member)]).await;
    assert_eq!(places(ada.id).await, full);
    // Nor does what another provider says touch what this one did.
    let other = ExternalSignIn {
        issuer: "https://other.example.org".to_owned(),
        groups: vec![Placement { group: "Dyes".to_owned(), standing: None }],
        ..external("ada", Role::Student, 10)
    };
    store.sign_in_external(&other).await.expect("signed in");
    assert_eq!(places(ada.id).await, full);
}

/// A database as it was before this step, with somebody in a group.
pub async fn whoever_was_in_a_group_before_claims_decided_was_put_there_by_hand(database: TestDatabase) {
    let (store, _directory) = at_schema(&database, 21).await;
    let (id, at) = match store.backend() {
        Backend::Sqlite => ("x'01900000000070008000000000000001'", "'2026-01-01T00:00:00+00:00'"),
        Backend::Postgres => {
            ("CAST('01900000-0000-7000-8000-000000000001' AS uuid)", "CAST('2026-01-01' AS timestamptz)")
        }
    };
    for old in [
        format!(
            "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at) VALUES ({id}, 'ada@example.org', 'x', 'student', 7, {at})"
        ),
        format!(
            "INSERT INTO groups (id, name, name_key, allowance, reserve, reserve_left, refill, time_zone, created_at) VALUES ({id}, 'Dyes', 'dyes', 5, 0, 0, 'never', 'UTC', {at})"
        ),
        format!(
            "INSERT INTO group_members (group_id, user_id, standing, left_wells, joined_at) VALUES ({id}, {id}, 'member', 5, {at})"
        ),
    ] {
        store.run_sql(&old).await;
    }
    assert_eq!(store.migrate().await.expect("it migrates")[0], "0027_sign_in");
    store.run_sql(&format!("UPDATE migrations SET applied_at = {at} WHERE name = '0001_accounts'")).await;
    assert!(store.upgraded_to("0027_sign_in").await.expect("an answer").is_some(), "it was used before");
    assert_eq!(database.store.upgraded_to("0027_sign_in").await.expect("an answer"), None, "this one is new");
    comes_as(&store, &[("Dyes", None)]).await;
    let group = store.group_by_name("dyes").await.expect("an answer").expect("the group").id;
    let members = store.members(group, None, 5).await.expect("members").data;
    assert_eq!((members.len(), members[0].by_provider), (1, false));
}
