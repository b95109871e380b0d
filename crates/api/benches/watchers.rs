//! What many watchers of live experiments wait and cost: each reading the table for itself, against a hub that reads for
//! all, in one run.
//!
//! `cargo bench -p tincture-api --bench watchers [-- --rounds 50]`, on SQLite and on PostgreSQL: 200, 1,000 and 2,000 watchers of
//! one experiment, and of as many, where the process itself commits and where another does. Every 100 ms an event is committed to the next experiment. Prints, from the commit's
//! beginning to the delivery, and how many statements the database was sent. Judges nothing. The watchers are tasks: what
//! HTTP adds is the same for both.

use api::hub::{Follower, Hub};
use domain::{Attendance, Change, Deck, ExperimentEvent, ExperimentId, Recipe, Report, RobotKind, Role, UserId};
use futures::{StreamExt, future::join_all, stream};
use std::{
    collections::VecDeque,
    env,
    hint::black_box,
    time::{Duration, Instant},
};
use store::{
    Entry, Event, Lease, LeaseClaim, NewRobot, NewUser, Signal, Store,
    testing::{TestDatabase, act, direct, request},
};
use tasks::Tasks;
use tokio::{
    sync::{broadcast, mpsc},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

const WATCHERS: [usize; 3] = [200, 1_000, 2_000];
const PACE: Duration = Duration::from_millis(100);
/// Long enough for all to be told what they will be told.
const PATIENCE: Duration = Duration::from_secs(30);

type Delivered = (ExperimentId, i64, Instant);

struct Bench {
    /// The watchers'.
    store: Store,
    /// Of whoever commits.
    writer: Store,
    lease: Lease,
    experiments: Vec<ExperimentId>,
    rounds: usize,
}

fn main() {
    let mut arguments = env::args().skip_while(|argument| argument != "--rounds");
    let rounds = arguments.nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(50);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        for (name, database) in
            [("SQLite", TestDatabase::sqlite().await), ("PostgreSQL", TestDatabase::postgres().await)]
        {
            for (writer, place) in [(database.store.clone(), "here"), (database.another().await, "by another process")]
            {
                run(&format!("{name}, commits {place}"), database.store.clone(), writer, rounds).await;
            }
        }
    });
}

async fn run(name: &str, store: Store, writer: Store, rounds: usize) {
    let bench = Bench::new(store, writer, rounds).await;
    for watchers in WATCHERS {
        for experiments in [1, watchers] {
            println!("{name}, {watchers} watchers of {experiments}: median, 99 %, longest of {rounds} commits");
            let experiments = &bench.experiments[..experiments];
            let direct = bench.measure(watchers, experiments, |id, after| Direct::new(&bench.store, id, after)).await;
            println!("  each for itself {direct}");
            let hub = Hub::new(bench.store.clone(), Tasks::new(CancellationToken::new()), shown);
            let shared = bench.measure(watchers, experiments, |id, after| hub.follow(id, after, false)).await;
            println!("  by the hub      {shared}");
        }
    }
}

/// Gives the sequence of the next event, having made of it what goes out.
trait Watch: Send + 'static {
    fn next(&mut self) -> impl Future<Output = i64> + Send;
}

impl Watch for Follower<String> {
    async fn next(&mut self) -> i64 {
        let told = Follower::next(self).await.expect("goes on");
        black_box(told.shown.clone());
        told.sequence
    }
}

/// As each stream read before there was a hub.
struct Direct {
    store: Store,
    experiment: ExperimentId,
    after: i64,
    ready: VecDeque<Event>,
    signals: broadcast::Receiver<Signal>,
}

impl Direct {
    fn new(store: &Store, experiment: ExperimentId, after: i64) -> Self {
        Self { store: store.clone(), experiment, after, ready: VecDeque::new(), signals: store.signals() }
    }

    async fn about(&mut self) {
        loop {
            match self.signals.recv().await {
                Ok(Signal::Experiment(id)) if id == self.experiment => return,
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

impl Watch for Direct {
    async fn next(&mut self) -> i64 {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.sequence;
                black_box(shown(&event));
                return event.sequence;
            }
            // A real stream would have ended, and its client come back, when the database doesn't answer in time.
            let read = self.store.events(self.experiment, self.after, 100).await;
            self.ready = read.unwrap_or_default().into();
            if self.ready.is_empty() {
                tokio::select! {
                    () = self.about() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        }
    }
}

fn shown(event: &Event) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.sequence, event.kind, event.data)
}

impl Bench {
    async fn new(store: Store, writer: Store, rounds: usize) -> Self {
        let id = UserId::new();
        let (email, hashed_password) = (format!("{id}@example.org"), "$argon2id$…".to_owned());
        let user = NewUser { id, email, hashed_password, role: Role::Researcher, quota: 1_000_000 };
        let owner = store.create_user(user, &act("account_created")).await.expect("an account").id;
        let robot = NewRobot {
            name: id.to_string(),
            kind: RobotKind::Ot2,
            url: "http://127.0.0.1:1".to_owned(),
            sensor_url: "tcp://127.0.0.1:1".to_owned(),
            attendance: Attendance::Virtual,
            deck: Deck::default(),
        };
        let robot = store.ensure_robot(robot).await.expect("a robot").id;
        let life = Duration::from_secs(3_600);
        let lease = store.lease(robot, "bench", life, LeaseClaim::WhenFree).await.expect("an answer").expect("a lane");
        let most = WATCHERS[WATCHERS.len() - 1];
        let experiments = stream::iter(0..most).map(|_| accept(&store, owner)).buffer_unordered(8).collect().await;
        Self { store, writer, lease, experiments, rounds }
    }

    async fn measure<W: Watch>(
        &self,
        watchers: usize,
        experiments: &[ExperimentId],
        watch: impl Fn(ExperimentId, i64) -> W,
    ) -> String {
        let (delivered, mut deliveries) = mpsc::unbounded_channel::<Delivered>();
        let latest = self.store.latest_sequences(experiments).await.expect("sequences").sequences;
        let followed: Vec<_> = experiments.iter().copied().cycle().take(watchers).collect();
        let tasks: Vec<_> = followed
            .iter()
            .map(|&id| {
                let (mut watch, delivered) = (watch(id, latest[&id]), delivered.clone());
                tokio::spawn(async move {
                    loop {
                        let sequence = watch.next().await;
                        let _ = delivered.send((id, sequence, Instant::now()));
                    }
                })
            })
            .collect();
        // Until they have read what there is.
        tokio::time::sleep(Duration::from_secs(3)).await;
        while deliveries.try_recv().is_ok() {}
        let sent = direct::statements();
        let began = Instant::now();
        let mut committed = Vec::with_capacity(self.rounds);
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for id in experiments.iter().copied().cycle().take(self.rounds) {
            pace.tick().await;
            let at = Instant::now();
            self.tell(id).await;
            committed.push((id, self.writer.latest_sequence(id).await.expect("a sequence"), at));
        }
        let seconds = began.elapsed().as_secs_f64();
        let statements = (direct::statements() - sent) as f64 / seconds;
        let each = watchers / experiments.len();
        let mut took = Vec::with_capacity(each * self.rounds);
        while took.len() < each * self.rounds {
            let received = tokio::time::timeout(PATIENCE, deliveries.recv()).await;
            let Ok(Some((id, sequence, at))) = received else { break };
            let commit = committed.iter().find(|(of, number, _)| (*of, *number) == (id, sequence));
            took.extend(commit.map(|(_, _, committed)| at.duration_since(*committed)));
        }
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        join_all(tasks).await;
        took.sort_unstable();
        let missing = each * self.rounds - took.len();
        let at = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
        let (median, most, longest) = (at(50), at(99), at(100));
        format!("{median:>9.1} {most:>9.1} {longest:>9.1} ms {statements:>8.0} statements a second, {missing} missing")
    }

    async fn tell(&self, experiment: ExperimentId) {
        let report = Report { steps_done: 1, steps_total: 2, seconds_left: 0.0, pace: 1.0 };
        let event = Change::Event { experiment, event: ExperimentEvent::Progress(report) };
        let entry = Entry { changes: vec![event], ..Entry::default() };
        self.writer.commit(&self.lease, entry).await.expect("committed");
    }
}

async fn accept(store: &Store, user_id: UserId) -> ExperimentId {
    let request = request(user_id, [Recipe::default()]);
    let id = request.id;
    store.accept(request).await.expect("accepted");
    id
}
