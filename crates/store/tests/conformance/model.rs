//! The journal against a model of it: whatever two workers try in whatever order, the store accepts exactly what is
//! lawful, and keeps exactly what it accepted.

use crate::given::*;
use domain::*;
use proptest::{
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use std::collections::BTreeMap;
use store::{testing::TestDatabase, *};

const HISTORIES: usize = 12;
const OPERATIONS: usize = 4;
const WELLS: usize = 2;
const QUOTA: i32 = 50;

/// One entry that a worker tries to commit, or its taking of the lane.
#[derive(Clone, Debug)]
enum Attempt {
    Seize {
        worker: usize,
    },
    Write {
        worker: usize,
        ends: Option<(usize, JournalEvent)>,
        intends: Option<usize>,
        well: Option<(usize, WellStatus)>,
    },
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let seize = (0..2usize).prop_map(|worker| Attempt::Seize { worker });
    let ends = prop::option::of((0..OPERATIONS, select(JournalEvent::ALL)));
    let well = prop::option::weighted(0.4, (0..WELLS, select(WellStatus::ALL)));
    let write = (0..2usize, ends, prop::option::of(0..OPERATIONS), well)
        .prop_map(|(worker, ends, intends, well)| Attempt::Write { worker, ends, intends, well });
    prop::collection::vec(prop_oneof![1 => seize, 9 => write], 10..50)
}

/// What must be so, by rules written down a second time.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    /// The epoch each worker believes in, and the lane's.
    believed: [i64; 2],
    epoch: i64,
    operations: BTreeMap<usize, JournalEvent>,
    wells: [WellStatus; WELLS],
    quota: i32,
}

impl Model {
    /// The state after an entry, or nothing where it must be refused whole.
    fn after(&self, attempt: &Attempt) -> Option<Self> {
        let Attempt::Write { worker, ends, intends, well } = attempt else { return None };
        let mut next = self.clone();
        if self.believed[*worker] != self.epoch {
            return None;
        }
        if let Some((operation, event)) = ends {
            let lawful = matches!(
                (self.operations.get(operation)?, event),
                (
                    JournalEvent::Intended,
                    JournalEvent::Succeeded | JournalEvent::Failed | JournalEvent::NotReceived | JournalEvent::InDoubt
                ) | (JournalEvent::InDoubt, JournalEvent::Settled)
            );
            next.operations.insert(*operation, lawful.then_some(*event)?);
        }
        if let Some(operation) = intends
            && next.operations.insert(*operation, JournalEvent::Intended).is_some()
        {
            return None;
        }
        if let Some((index, to)) = well {
            use WellStatus::{Cancelled, Dispensing, Failed, Measured, Mixed, Pending, Quarantined};
            let lawful = matches!(
                (self.wells[*index], to),
                (Pending, Dispensing)
                    | (Dispensing, Mixed)
                    | (Mixed, Measured)
                    | (Pending | Dispensing | Mixed, Failed | Quarantined | Cancelled)
            );
            next.wells[*index] = lawful.then_some(*to)?;
            next.quota += i32::from(matches!(to, Failed | Quarantined | Cancelled));
        }
        Some(next)
    }
}

pub async fn whatever_two_workers_try_only_the_lawful_is_kept(database: TestDatabase) {
    let store = &database.store;
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    for history in 0..HISTORIES {
        let attempts = attempts().new_tree(&mut runner).expect("a history").current();
        live(store, history, &attempts).await;
    }
}

async fn live(store: &Store, history: usize, attempts: &[Attempt]) {
    let owner = user(store, QUOTA).await;
    let (robot, lease) = lane(store, &format!("ot2-{history}")).await;
    let detail = running(store, owner, WELLS, &robot, &lease).await;
    let operations: Vec<_> = (0..OPERATIONS).map(|_| dispense(&detail)).collect();
    let mut leases = [lease.clone(), Lease { holder: "other".to_owned(), epoch: 0, ..lease.clone() }];
    let mut model = Model {
        believed: [lease.epoch, 0],
        epoch: lease.epoch,
        operations: BTreeMap::new(),
        wells: [WellStatus::Pending; WELLS],
        quota: QUOTA - WELLS as i32,
    };
    for attempt in attempts {
        match attempt {
            Attempt::Seize { worker } => {
                let holder = leases[*worker].holder.clone();
                let seized = store.lease(robot.id, &holder, TIME_TO_LIVE, LeaseClaim::Seize).await;
                leases[*worker] = seized.expect("an answer").expect("a lane can always be seized");
                model.epoch += 1;
                model.believed[*worker] = model.epoch;
                assert_eq!(leases[*worker].epoch, model.epoch);
            }
            Attempt::Write { worker, ends: ended, intends: intended, well } => {
                let entry = Entry {
                    ended: ended.and_then(|(index, event)| ends(&operations[index], event).ended),
                    intended: intended.and_then(|index| intends(&operations[index], detail.experiment.id).intended),
                    changes: well.map(|(index, to)| to_status(detail.wells[index].0.id, to)).into_iter().collect(),
                    ..Entry::default()
                };
                let kept = store.commit(&leases[*worker], entry).await;
                let expected = model.after(attempt);
                assert_eq!(kept.is_ok(), expected.is_some(), "{attempt:?} on {model:?}: {kept:?}");
                model = expected.unwrap_or(model);
            }
        }
        check(store, owner, &detail, &operations, &model).await;
    }
}

async fn check(store: &Store, owner: UserId, detail: &ExperimentDetail, operations: &[Operation], model: &Model) {
    let journal = store.operations(detail.experiment.id, 0, 100).await.expect("operations");
    let kept: BTreeMap<_, _> = journal
        .iter()
        .map(|entry| {
            let index = operations.iter().position(|operation| operation.id == entry.operation.id);
            (index.expect("only what was intended"), entry.state)
        })
        .collect();
    assert_eq!(kept, model.operations);
    let now = experiment(store, detail.experiment.id).await;
    let statuses: Vec<_> = now.wells.iter().map(|(well, _)| well.status).collect();
    assert_eq!(statuses, model.wells);
    assert_eq!(quota(store, owner).await, model.quota, "a well returns its quota once");
}
