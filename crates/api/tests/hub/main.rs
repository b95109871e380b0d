//! The hub: whoever follows an experiment gets each of its events once and in order, whenever they come, however slow they
//! are and whichever process writes; and it costs the same however many they are.

mod given;

use api::hub::{Follower, Hub};
use domain::ExperimentId;
use futures::future::join_all;
use given::{Lab, told};
use proptest::{
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use store::testing::{TestDatabase, direct};
use tasks::{State, Tasks};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than any of this takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const HISTORIES: usize = 10;
const EXPERIMENTS: usize = 3;

/// One test at a time: statements are counted by process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How somebody follows.
#[derive(Clone, Copy, Debug)]
enum Manner {
    ToTheEnd,
    /// Stands still after this many until everything is written.
    Stalls(usize),
    /// Goes after this many.
    Leaves(usize),
}

/// What happens while others write.
#[derive(Clone, Debug)]
struct History {
    /// Two processes' commits: to which experiment, and how many events at once.
    writers: [Vec<(usize, usize)>; 2],
    /// To which experiment, whether from the start or from what is there, and how.
    followers: Vec<(usize, bool, Manner)>,
    /// Events that the last commit of an experiment has after its final status.
    after_the_end: usize,
}

fn histories() -> impl Strategy<Value = History> {
    let commits = || prop::collection::vec((0..EXPERIMENTS, prop_oneof![4 => 1..4usize, 1 => 90..160usize]), 1..25);
    let counts = || select(vec![1usize, 2, 30, 99, 100, 101]);
    let manner = prop_oneof![
        3 => Just(Manner::ToTheEnd),
        2 => counts().prop_map(Manner::Stalls),
        2 => counts().prop_map(Manner::Leaves),
    ];
    let followers = prop::collection::vec((0..EXPERIMENTS, any::<bool>(), manner), 5..30);
    let after_the_end = select(vec![0usize, 1, 99, 100, 250]);
    ([commits(), commits()], followers, after_the_end).prop_map(|(writers, followers, after_the_end)| History {
        writers,
        followers,
        after_the_end,
    })
}

async fn whatever_happens_each_event_is_told_once_in_order(database: TestDatabase) {
    let mut runner = TestRunner::new_with_rng(Config::default(), given::rng());
    let here = Lab::new(database.store.clone()).await;
    let there = here.seen_from(database.another().await);
    for _ in 0..HISTORIES {
        let history = histories().new_tree(&mut runner).expect("a history").current();
        check(&here, &there, &history).await;
    }
}

fn hub_of(lab: &Lab) -> Hub<i64> {
    Hub::new(lab.store.clone(), tasks(), |event| event.sequence)
}

fn tasks() -> Tasks {
    Tasks::new(CancellationToken::new())
}

async fn check(here: &Lab, there: &Lab, history: &History) {
    let hub = hub_of(here);
    let experiments = join_all((0..EXPERIMENTS).map(|robot| here.started(robot))).await;
    let (written, all_written) = watch::channel(false);
    let write = async |lab: &Lab, commits: &[(usize, usize)]| {
        for &(which, count) in commits {
            lab.commit(which, vec![told(experiments[which]); count]).await;
        }
    };
    let follow = async || {
        let mut following = Vec::new();
        for &(which, from_start, manner) in &history.followers {
            let id = experiments[which];
            let after = if from_start { 0 } else { here.latest(id).await };
            let follower = hub.follow(id, after, false);
            following.push((id, after, manner, tokio::spawn(read(follower, manner, all_written.clone()))));
        }
        following
    };
    let [ours, theirs] = &history.writers;
    let (following, (), ()) = tokio::join!(follow(), write(here, ours), write(there, theirs));
    for (which, &id) in experiments.iter().enumerate() {
        let last = if which % 2 == 0 { here } else { there };
        last.end(which, id, vec![told(id); history.after_the_end]).await;
    }
    let mut latest = HashMap::new();
    for &id in &experiments {
        latest.insert(id, here.latest(id).await);
    }
    written.send_replace(true);
    for (id, after, manner, reading) in following {
        let got = timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{manner:?} hangs: {history:?}"));
        let got = got.expect("no panic");
        let all: Vec<_> = (after + 1..=latest[&id]).collect();
        let expected = match manner {
            Manner::Leaves(count) => &all[..count.min(all.len())],
            Manner::ToTheEnd | Manner::Stalls(_) => &all[..],
        };
        assert_eq!(got, expected, "{manner:?} from {after} in {history:?}");
    }
    given::until(|| hub.followed() == 0 && !hub.reads()).await;
}

async fn read(mut follower: Follower<i64>, manner: Manner, mut all_written: watch::Receiver<bool>) -> Vec<i64> {
    let mut got = Vec::new();
    while let Some(told) = follower.next().await {
        assert_eq!(told.sequence, told.shown);
        got.push(told.sequence);
        match manner {
            Manner::Leaves(count) if got.len() == count => break,
            Manner::Stalls(count) if got.len() == count => drop(all_written.wait_for(|all| *all).await),
            _ => {}
        }
    }
    got
}

/// Followers who have seen everything so far.
async fn caught_up(hub: &Hub<i64>, experiments: &[ExperimentId]) -> Vec<Follower<i64>> {
    let mut followers: Vec<_> = experiments.iter().map(|id| hub.follow(*id, 0, false)).collect();
    for follower in &mut followers {
        // Accepted, running.
        while next(follower).await.sequence < 2 {}
    }
    followers
}

async fn next(follower: &mut Follower<i64>) -> Arc<api::hub::Told<i64>> {
    timeout(PATIENCE, follower.next()).await.expect("in time").expect("goes on")
}

async fn what_many_follow_is_read_and_shown_once(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    assert_eq!(lab.latest(id).await, 2, "what is waited for below");
    let hub = hub_of(&lab);
    let mut followers = caught_up(&hub, &vec![id; 200]).await;
    let sent = direct::statements();
    lab.commit(0, vec![told(id)]).await;
    let first = next(&mut followers[0]).await;
    for follower in &mut followers[1..] {
        assert!(Arc::ptr_eq(&first, &next(follower).await));
    }
    assert!(direct::statements() - sent < 50, "{} statements for 200 followers", direct::statements() - sent);
    assert_eq!(hub.followed(), 1);
    followers.truncate(1);
    assert_eq!(hub.followed(), 1);
    followers.clear();
    assert_eq!(hub.followed(), 0, "nothing is left of it");
    given::until(|| !hub.reads()).await;
}

async fn other_processes_commits_are_asked_for_together(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let mut ids = vec![lab.started(0).await];
    for _ in 0..40 {
        ids.push(lab.queued().await);
    }
    let elsewhere = lab.seen_from(database.another().await);
    let hub = hub_of(&lab);
    let mut followers: Vec<_> = ids.iter().map(|id| hub.follow(*id, 0, false)).collect();
    for follower in &mut followers {
        next(follower).await;
    }
    elsewhere.commit(0, ids.iter().copied().map(told).collect()).await;
    let sent = direct::statements();
    for (follower, id) in followers.iter_mut().zip(&ids) {
        let latest = lab.latest(*id).await;
        while next(follower).await.sequence < latest {}
    }
    let ours = direct::statements() - sent - ids.len() as u64;
    assert!(ours < 20, "{ours} statements for {} experiments", ids.len());
}

/// While they are heard of, the hub looks by itself every five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_processes_commits_are_heard_of() {
    let _alone = ALONE.lock().await;
    let database = TestDatabase::postgres().await;
    let lab = Lab::new(database.store.clone()).await;
    let (id, elsewhere) = (lab.started(0).await, lab.seen_from(database.another().await));
    let (ours, theirs) = (tasks(), tasks());
    lab.store.join(&ours);
    elsewhere.store.join(&theirs);
    given::until(|| lab.store.hears_others() && elsewhere.store.hears_others()).await;
    let hub = hub_of(&lab);
    let mut follower = caught_up(&hub, &[id]).await.remove(0);
    let began = Instant::now();
    for sequence in 3..13 {
        elsewhere.commit(0, vec![told(id)]).await;
        assert_eq!(next(&mut follower).await.sequence, sequence);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?} for ten, one after the other", began.elapsed());
}

async fn two_hubs_read_each_for_its_own(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let (id, tasks) = (lab.started(0).await, tasks());
    let hubs = [(); 2].map(|()| Hub::new(lab.store.clone(), tasks.clone(), |event| event.sequence));
    for hub in &hubs {
        caught_up(hub, &[id]).await;
    }
    assert_eq!(tasks.status().len(), 2);
}

async fn whoever_comes_late_begins_where_they_say(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    let hub = hub_of(&lab);
    let mut first = caught_up(&hub, &[id]).await.remove(0);
    // More than the hub remembers: some is there, some must be read.
    for _ in 0..7 {
        lab.commit(0, vec![told(id); 50]).await;
    }
    let latest = lab.latest(id).await;
    while next(&mut first).await.sequence < latest {}
    for after in 0..latest {
        assert_eq!(next(&mut hub.follow(id, after, false)).await.sequence, after + 1);
    }
}

async fn whoever_reads_ahead_of_the_hub_gets_all_of_the_end(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    let hub = hub_of(&lab);
    let _first = caught_up(&hub, &[id]).await;
    let before = lab.latest(id).await;
    // Of which the hub hears nothing until it asks.
    lab.seen_from(database.another().await).end(0, id, vec![told(id); 250]).await;
    let (_, never) = watch::channel(false);
    let got = timeout(PATIENCE, read(hub.follow(id, before - 1, false), Manner::ToTheEnd, never)).await.expect("ends");
    assert_eq!(got, (before..=lab.latest(id).await).collect::<Vec<_>>());
}

async fn a_database_that_fails_ends_the_streams(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    let hub = hub_of(&lab);
    let mut followers = caught_up(&hub, &[id, id]).await;
    lab.store.close().await.expect("closed");
    for follower in &mut followers {
        assert!(timeout(PATIENCE, follower.next()).await.expect("ends").is_none());
    }
    given::until(|| hub.followed() == 0 && !hub.reads()).await;
}

/// What the hub makes of an event, until it is told to fail at it.
static FAILS: AtomicBool = AtomicBool::new(false);

async fn a_bug_ends_the_streams_is_told_and_those_who_come_back_go_on(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let (id, tasks) = (lab.started(0).await, tasks());
    let hub = Hub::new(lab.store.clone(), tasks.clone(), |event| {
        assert!(!FAILS.load(Ordering::Acquire), "a bug");
        event.sequence
    });
    let mut follower = caught_up(&hub, &[id]).await.remove(0);
    FAILS.store(true, Ordering::Release);
    lab.commit(0, vec![told(id)]).await;
    assert!(timeout(PATIENCE, follower.next()).await.expect("ends").is_none());
    FAILS.store(false, Ordering::Release);
    given::until(|| tasks.status().iter().any(|task| task.name == "live streams" && task.panics == 1)).await;
    let mut again = hub.follow(id, 2, false);
    assert_eq!(next(&mut again).await.sequence, 3);
    lab.commit(0, vec![told(id)]).await;
    assert_eq!(next(&mut again).await.sequence, 4);
}

async fn a_stop_ends_the_reader(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let (id, tasks) = (lab.started(0).await, tasks());
    let hub = Hub::new(lab.store.clone(), tasks.clone(), |event| event.sequence);
    let mut follower = caught_up(&hub, &[id]).await.remove(0);
    tasks.stop().cancel();
    timeout(PATIENCE, tasks.ended()).await.expect("ends");
    assert!(timeout(PATIENCE, follower.next()).await.expect("ends").is_none());
    assert!(tasks.status().iter().all(|task| task.state == State::Ended) && !hub.reads());
}

async fn who_stands_still_holds_up_nobody_and_keeps_nothing(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    let hub = hub_of(&lab);
    let [mut quick, mut still] = <[_; 2]>::try_from(caught_up(&hub, &[id, id]).await).expect("two");
    lab.commit(0, vec![told(id)]).await;
    assert_eq!(next(&mut still).await.sequence, 3);
    let mut all = Vec::new();
    for _ in 0..20 {
        lab.commit(0, vec![told(id); 50]).await;
        let latest = lab.latest(id).await;
        while all.len() < latest as usize - 2 {
            all.push(Arc::downgrade(&next(&mut quick).await));
        }
    }
    let kept = all.iter().filter(|told| told.strong_count() > 0).count();
    assert!(kept <= 256, "{kept} of {} events are in memory", all.len());
    for expected in 4..=lab.latest(id).await {
        assert_eq!(next(&mut still).await.sequence, expected);
    }
}

async fn while_nobody_follows_nothing_is_asked(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    let hub = hub_of(&lab);
    drop(caught_up(&hub, &[id]).await);
    given::until(|| !hub.reads()).await;
    let sent = direct::statements();
    // Longer than between two looks.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(direct::statements(), sent);
    assert_eq!(next(&mut hub.follow(id, 0, false)).await.sequence, 1, "and who comes then is told");
}

async fn an_ended_experiment_is_told_to_its_end(database: TestDatabase) {
    let lab = Lab::new(database.store.clone()).await;
    let id = lab.started(0).await;
    lab.end(0, id, vec![told(id); 230]).await;
    let latest = lab.latest(id).await;
    let hub = hub_of(&lab);
    for after in [0, 1, 100, latest - 1, latest, latest + 5] {
        let (_, never) = watch::channel(false);
        let got = timeout(PATIENCE, read(hub.follow(id, after, true), Manner::ToTheEnd, never)).await.expect("ends");
        assert_eq!(got, (after + 1..=latest).collect::<Vec<_>>());
    }
    database.store.run_sql("DELETE FROM events").await;
    let (_, never) = watch::channel(false);
    let forgotten = timeout(PATIENCE, read(hub.follow(id, 0, true), Manner::ToTheEnd, never)).await;
    assert!(forgotten.expect("ends").is_empty(), "what was forgotten by age isn't waited for");
}

/// Each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                let _alone = crate::ALONE.lock().await;
                crate::$test(store::testing::TestDatabase::sqlite().await).await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                let _alone = crate::ALONE.lock().await;
                crate::$test(store::testing::TestDatabase::postgres().await).await;
            }
        )+}
    };
}

on_both! {
    whatever_happens_each_event_is_told_once_in_order,
    what_many_follow_is_read_and_shown_once,
    other_processes_commits_are_asked_for_together,
    two_hubs_read_each_for_its_own,
    whoever_comes_late_begins_where_they_say,
    whoever_reads_ahead_of_the_hub_gets_all_of_the_end,
    a_database_that_fails_ends_the_streams,
    a_bug_ends_the_streams_is_told_and_those_who_come_back_go_on,
    a_stop_ends_the_reader,
    who_stands_still_holds_up_nobody_and_keeps_nothing,
    while_nobody_follows_nothing_is_asked,
    an_ended_experiment_is_told_to_its_end,
}
