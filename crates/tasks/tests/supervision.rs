//! What a task may rely on, whatever it does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tasks::{Ended, Failure, Lease, Pauses, Renewal, State, Task, Tasks, Turn, under_lease};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_millis(10);

/// Plays a script, a turn a line, and then waits for the stop.
struct Scripted {
    turns: std::vec::IntoIter<fn() -> Result<Turn, String>>,
    seen: Arc<Mutex<Vec<Failure>>>,
}

impl Scripted {
    fn of(turns: Vec<fn() -> Result<Turn, String>>) -> (Self, Arc<Mutex<Vec<Failure>>>) {
        let seen = Arc::default();
        (Self { turns: turns.into_iter(), seen: Arc::clone(&seen) }, seen)
    }
}

impl Task for Scripted {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        match self.turns.next() {
            Some(turn) => turn(),
            None => {
                stop.cancelled().await;
                Ok(Turn::Done)
            }
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        self.seen.lock().expect("unpoisoned").push(failure.clone());
    }
}

async fn until(tasks: &Tasks, is_so: impl Fn(&tasks::Status) -> bool) -> tasks::Status {
    loop {
        if let Some(status) = tasks.status().into_iter().find(|status| is_so(status)) {
            return status;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_or_panics_is_seen_and_begun_again() {
    let tasks = Tasks::new(CancellationToken::new());
    let (task, seen) =
        Scripted::of(vec![|| Ok(Turn::After(SOON)), || Err("no luck".to_owned()), || panic!("a bug"), || {
            Ok(Turn::After(SOON))
        }]);
    tasks.run("purge", Pauses::default(), task);
    let failing = until(&tasks, |status| status.turns == 3).await;
    assert_eq!((failing.failures, failing.panics, failing.last_error.as_deref()), (2, 1, Some("a bug")));
    let well = until(&tasks, |status| status.turns == 4 && status.state == State::Running).await;
    assert_eq!((well.failures, well.panics), (0, 1));
    let failures = [Failure::Error("no luck".to_owned()), Failure::Panic("a bug".to_owned())];
    assert_eq!(*seen.lock().expect("unpoisoned"), failures);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_ever_is_tried_ever_more_seldom() {
    let tasks = Tasks::new(CancellationToken::new());
    let (task, seen) = Scripted::of(vec![|| Err("no luck".to_owned()); 100]);
    let began = Instant::now();
    tasks.run("purge", Pauses::default(), task);
    until(&tasks, |status| status.turns == 10).await;
    // 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 6.4 + 10 + 10 + 10 s, in the test's own time.
    assert_eq!(began.elapsed().as_secs(), 42);
    assert_eq!(seen.lock().expect("unpoisoned").len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_once_under_its_name_and_again_when_it_is_done() {
    let tasks = Tasks::new(CancellationToken::new());
    let (first, _) = Scripted::of(vec![|| Ok(Turn::After(SOON)), || Ok(Turn::Done)]);
    let (second, _) = Scripted::of(vec![]);
    tasks.run("lane", Pauses::default(), first);
    tasks.run("lane", Pauses::default(), Scripted::of(vec![|| panic!("two of a name")]).0);
    until(&tasks, |status| status.state == State::Ended).await;
    tasks.run("lane", Pauses::default(), second);
    assert_eq!(until(&tasks, |status| status.state == State::Running).await.panics, 0);
}

/// Ends when it likes.
struct Deaf;

impl Task for Deaf {
    async fn turn(&mut self, _: &CancellationToken) -> Result<Turn, String> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_hear_the_stop_is_left_after_its_time() {
    let stop = CancellationToken::new();
    let tasks = Tasks::new(stop.clone());
    let (good, _) = Scripted::of(vec![]);
    tasks.run("good", Pauses::default(), good);
    tasks.run("deaf", Pauses { farewell: Duration::from_secs(25), ..Pauses::default() }, Deaf);
    until(&tasks, |status| status.name == "deaf" && status.state == State::Running).await;
    let told = Instant::now();
    stop.cancel();
    tasks.ended().await;
    assert_eq!(told.elapsed().as_secs(), 25);
    assert!(tasks.status().iter().all(|status| status.state == State::Ended));
    tasks.run("late", Pauses::default(), Deaf);
    assert_eq!(tasks.status().len(), 2, "nothing begins after the stop");
}

/// A lease that is lost at the renewal after so many.
#[derive(Default)]
struct Limited {
    renewals: AtomicU32,
    lost_after: u32,
    released: AtomicU32,
}

impl Lease for Limited {
    fn time_to_live(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn renew(&self) -> Renewal {
        match self.renewals.fetch_add(1, Ordering::SeqCst) {
            0 => Renewal::Unclear,
            before if before < self.lost_after => Renewal::Held,
            _ => Renewal::Lost,
        }
    }

    async fn release(&self) {
        self.released.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn work_ends_with_its_lease() {
    let stop = CancellationToken::new();
    let lease = Limited { lost_after: 3, ..Limited::default() };
    let began = Instant::now();
    let ended = under_lease(&lease, &stop, SOON, std::future::pending::<()>()).await;
    assert_eq!((ended, began.elapsed().as_secs()), (Ended::Lost, 20));
    assert_eq!(lease.released.load(Ordering::SeqCst), 0, "it isn't ours to give back");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_back_however_the_work_ends() {
    let (stop, lease) = (CancellationToken::new(), Limited { lost_after: 99, ..Limited::default() });
    assert_eq!(under_lease(&lease, &stop, SOON, async { 7 }).await, Ended::Work(7));
    stop.cancel();
    assert_eq!(under_lease(&lease, &stop, SOON, std::future::pending::<u8>()).await, Ended::Overdue);
    assert_eq!(lease.released.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn one_of_a_taken_name_is_refused_or_gets_a_number() {
    let tasks = Tasks::new(CancellationToken::new());
    for _ in 0..2 {
        tasks.run("lane", Pauses::default(), Scripted::of(Vec::new()).0);
        tasks.add("reader", Pauses::default(), Scripted::of(Vec::new()).0);
    }
    let names: Vec<_> = tasks.status().into_iter().map(|task| task.name).collect();
    assert_eq!(names, ["lane", "reader", "reader 2"]);
}
