//! Sagas: the real worker, store and plans over a scripted robot in memory.

mod bench;
mod case;
mod judge;
mod saga;
mod template;
mod world;

use bench::What;
use case::{Case, faults_of};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use store::Attendance;

const ATTENDANCES: [Attendance; 2] = [Attendance::Virtual, Attendance::Operator];

/// The calls of the experiment when nothing goes wrong.
fn calls(attendance: Attendance) -> Vec<&'static str> {
    saga::play(&Case::new(attendance, "", Vec::new())).unwrap_or_else(|wrong| panic!("nothing goes wrong: {wrong}")).calls
}

fn play_all(mut cases: Vec<Case>) {
    if let Ok(wanted) = std::env::var("TINCTURE_SAGAS")
        && wanted != "all"
    {
        cases.retain(|case| case.to_string().starts_with(&wanted));
    }
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(wrong) = saga::play(case) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{case}: {wrong}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} cases in {:.1} s", cases.len(), began.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn place(call: usize, step: &str) -> String {
    format!("{call:02}-{step}")
}

#[test]
fn every_step_fails_in_every_way() {
    let mut cases = Vec::new();
    for attendance in ATTENDANCES {
        for (call, step) in calls(attendance).into_iter().enumerate() {
            for fault in faults_of(step) {
                cases.push(Case::new(attendance, &place(call, step), vec![(call, What::Fault(fault))]));
            }
        }
    }
    play_all(cases);
}
