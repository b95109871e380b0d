//! New plates without a person's delay: a script pauses, looks until the robot stands still, puts a clean plate there,
//! confirms it and resumes, again and again, while experiments keep coming. No well is used twice.
//!
//! `TINCTURE_ROUNDS` says how many plates: 24 where nothing is said, 2 where the database is far away, since an experiment
//! takes about 10 s there. 2,000 is a thorough run: `TINCTURE_ROUNDS=2000 cargo test -p tincture-crash --test people rounds`.

use crate::scene::Scene;
use crash::{database::Kind, lab::Plan};
use emulator::world::Event;
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

const SEED: u64 = 10;
const ROUNDS: u32 = 24;
const FAR_ROUNDS: u32 = 2;
/// Experiments kept waiting.
const QUEUE: usize = 4;
/// A round that takes longer than this has stopped for good.
const ONE_ROUND: Duration = Duration::from_secs(120);

fn rounds(usual: u32) -> u32 {
    let asked = std::env::var("TINCTURE_ROUNDS").ok();
    asked.map_or(usual, |rounds| rounds.parse().expect("TINCTURE_ROUNDS is a whole number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_well_is_used_twice_when_plates_change_without_delay_on_sqlite() {
    change_plates(Kind::Sqlite, Duration::ZERO, rounds(ROUNDS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_well_is_used_twice_when_plates_change_without_delay_on_postgres() {
    change_plates(Kind::Postgres, Duration::ZERO, rounds(ROUNDS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_well_is_used_twice_when_plates_change_and_the_database_is_far_away() {
    change_plates(Kind::Postgres, Duration::from_millis(8), rounds(FAR_ROUNDS)).await;
}

async fn change_plates(kind: Kind, database_delay: Duration, rounds: u32) {
    let plan = Plan { attended: 1, speed: 2_000.0, database_delay, ..Plan::default() };
    let scene = Arc::new(Scene::open(&plan, kind).await);
    let (enough, stop) = watch::channel(false);
    let feeder = tokio::spawn(feed(Arc::clone(&scene), stop));
    let (go_home, all_over) = watch::channel(false);
    let attendant = tokio::spawn(Arc::clone(&scene.people).stand_by(0, Arc::clone(&scene.database), all_over));
    let mut aim = Aim { random: ChaCha8Rng::seed_from_u64(SEED), after: one_experiment(&scene).await };
    for _ in 0..rounds {
        one_round(&scene, &mut aim).await;
    }
    enough.send_replace(true);
    let asked = feeder.await.expect("the feeder doesn't panic");
    scene.people.release_all().await.expect("it goes on");
    for id in asked {
        scene.until_completed(id).await;
    }
    go_home.send_replace(true);
    attendant.await.expect("the attendant doesn't panic");
    let evidence = scene.judge().await;
    let plates = evidence.robots[0].ledger.iter().filter(|entry| is_new_plate(&entry.event)).count();
    assert!(plates >= rounds as usize, "{plates} plates in {rounds} rounds");
}

const fn is_new_plate(event: &Event) -> bool {
    matches!(event, Event::NewPlate { .. })
}

/// How long an experiment takes from its one aspiration to its end.
async fn one_experiment(scene: &Scene) -> Duration {
    until_liquid_is_drawn(scene).await;
    let (began, store) = (Instant::now(), scene.database.store());
    let in_hand = store.running().await.expect("a list");
    scene.until("its end", || async { store.running().await.ok().filter(|now| *now != in_hand) }).await;
    began.elapsed()
}

/// When to pause, so that it comes while one experiment is ended and the next one begun.
struct Aim {
    random: ChaCha8Rng,
    after: Duration,
}

impl Aim {
    /// A little more or less than the best guess.
    fn next(&mut self) -> Duration {
        self.after.mul_f64(self.random.random_range(0.9..1.1))
    }

    fn was_too_early(&mut self) {
        self.after = (self.after.mul_f64(1.1) + Duration::from_millis(2)).min(ONE_ROUND / 4);
    }

    fn was_too_late(&mut self) {
        self.after = self.after.mul_f64(0.9);
    }
}

/// Pauses until a plate could be changed: an experiment that has wells on the old one is let through first.
async fn one_round(scene: &Scene, aim: &mut Aim) {
    let until = Instant::now() + ONE_ROUND;
    loop {
        assert!(Instant::now() < until, "no plate could be changed\n{}", scene.timeline);
        until_liquid_is_drawn(scene).await;
        let in_hand = scene.database.store().running().await.expect("a list");
        sleep(aim.next()).await;
        assert!(scene.people.pause(0).await.expect("an answer"), "the pause is heard");
        let still = scene.people.until(0, &scene.database, "still", |seen| seen.stands_still).await;
        let still = still.expect("it comes to stand still");
        scene.people.renew_plate(0, &scene.database).await.expect("what stands still stays so");
        let changed = scene.people.look(0, &scene.database).await.expect("an answer").plate != still.plate;
        assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
        if changed {
            return;
        }
        match still.whole["experiment_id"].as_str() {
            Some(id) if in_hand.iter().any(|known| known.to_string() == id) => aim.was_too_early(),
            _ => aim.was_too_late(),
        }
    }
}

/// Waits for the one aspiration of the next experiment.
async fn until_liquid_is_drawn(scene: &Scene) {
    let hands = scene.hands(0);
    let hands = &hands;
    let before = hands.mark().await.expect("a mark").sequence;
    let drawn = || async {
        let newer = hands.ledger_after(before).await.ok()?;
        newer.iter().any(|entry| matches!(entry.event, Event::Aspirate { .. })).then_some(())
    };
    scene.until("liquid is drawn", drawn).await;
}

/// Each of another volume, so that a well that was used before shows.
async fn feed(scene: Arc<Scene>, stop: watch::Receiver<bool>) -> Vec<domain::ExperimentId> {
    let mut asked = Vec::new();
    while !*stop.borrow() {
        let queue = scene.database.store().queue(1_000).await.map_or(QUEUE, |queue| queue.len());
        if queue >= QUEUE {
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let volume = 20 + (asked.len() as u32 * 7) % 200;
        let wells = json!([{ "volumes": { "red": volume } }]);
        asked.push(scene.submit(&json!({ "wells": wells })).await);
    }
    asked
}
