//! Between worker and colour sensor on an MQTT broker: a relay under the sensor's name that loses, delays and doubles. What it
//! does to a reading it does to each question of it, since a reading is asked for more than once.

use super::{SensorFault, locked};
use crate::timeline::Timeline;
use mqtt::{Address, Broker, Brokers, Listener, Session, Trouble};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};

const PATIENCE: Duration = Duration::from_secs(5);
/// Its own name on the broker.
const RELAY: &str = "relayed";

/// The relay of one sensor, until it is dropped.
#[derive(Debug)]
pub struct SensorRelay {
    plan: Arc<Plan>,
    broker: Address,
    task: JoinHandle<()>,
}

impl Drop for SensorRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Plan {
    /// How many readings to let pass, and what happens to the one after them.
    armed: Mutex<VecDeque<(u32, SensorFault)>>,
    /// What happens to a reading, by its `experiment_id`; nothing to those that are here without.
    fates: Mutex<HashMap<String, Option<SensorFault>>>,
    /// Answers to be told again when the next reading is asked for.
    stale: Mutex<Vec<Vec<u8>>>,
    /// Where the sensor really is.
    device: String,
    timeline: Timeline,
}

impl SensorRelay {
    /// Relays to `device`, which hangs on the same broker.
    pub fn start(broker: &Address, device: &str, timeline: Timeline) -> Self {
        let plan = Arc::new(Plan {
            armed: Mutex::default(),
            fates: Mutex::default(),
            stale: Mutex::default(),
            device: device.to_owned(),
            timeline,
        });
        let task = tokio::spawn(Arc::clone(&plan).run(Brokers::default().at(broker, PATIENCE)));
        Self { plan, broker: broker.clone(), task }
    }

    /// Where the worker finds it.
    pub fn url(&self) -> String {
        format!("{}/{RELAY}", self.broker)
    }

    /// The fault hits the reading after `skip` others.
    pub fn arm(&self, skip: u32, fault: SensorFault) {
        locked(&self.plan.armed).push_back((skip, fault));
    }

    /// Faults that still wait for their reading.
    pub fn waiting(&self) -> usize {
        locked(&self.plan.armed).len()
    }
}

impl Plan {
    async fn run(self: Arc<Self>, broker: Broker) {
        let asked_on = format!("command/picow/{RELAY}/as7341/read");
        let told_on = format!("color-mixing/picow/{}/as7341", self.device);
        let (Ok(mut questions), Ok(mut answers)) = (broker.listen(&asked_on), broker.listen(&told_on)) else { return };
        loop {
            let Ok(session) = broker.session().await else { return };
            let subscribed = session.subscribe(&asked_on).await.is_ok() && session.subscribe(&told_on).await.is_ok();
            if subscribed {
                self.relay(&session, &mut questions, &mut answers).await;
            }
        }
    }

    async fn relay(self: &Arc<Self>, session: &Session, questions: &mut Listener, answers: &mut Listener) -> Trouble {
        loop {
            tokio::select! {
                question = questions.hear() => self.ask(session, question).await,
                answer = answers.hear() => self.tell(session, answer).await,
                trouble = session.ended() => return trouble,
            }
        }
    }

    async fn ask(self: &Arc<Self>, session: &Session, question: Vec<u8>) {
        let on = format!("command/picow/{}/as7341/read", self.device);
        let (fate, is_new) = self.fate(&question);
        if is_new {
            let stale = std::mem::take(&mut *locked(&self.stale));
            for answer in stale {
                publish(session.clone(), TOLD, answer).await;
            }
        }
        match fate {
            Some(SensorFault::Swallowed) => {}
            Some(SensorFault::HoldBack { by }) => later(session, on, question, by),
            _ => publish(session.clone(), &on, question).await,
        }
    }

    async fn tell(self: &Arc<Self>, session: &Session, answer: Vec<u8>) {
        match self.fate(&answer).0 {
            Some(SensorFault::ReplyLost) => locked(&self.stale).push(answer),
            Some(SensorFault::LateReply { by }) => later(session, TOLD.to_owned(), answer, by),
            Some(SensorFault::Doubled | SensorFault::ToldAgain) => {
                locked(&self.stale).push(answer.clone());
                publish(session.clone(), TOLD, answer.clone()).await;
                publish(session.clone(), TOLD, answer).await;
            }
            _ => publish(session.clone(), TOLD, answer).await,
        }
    }

    /// What happens to the reading that a message is about, and whether that was decided only now.
    fn fate(&self, message: &[u8]) -> (Option<SensorFault>, bool) {
        let message: Value = serde_json::from_slice(message).unwrap_or_default();
        let id = message["experiment_id"].as_str().unwrap_or_default().to_owned();
        if let Some(fate) = locked(&self.fates).get(&id) {
            return (*fate, false);
        }
        let fate = self.next_fault();
        if let Some(fault) = fate {
            self.timeline.fault(format!("relay: {fault:?} on {id}"));
        }
        locked(&self.fates).insert(id, fate);
        (fate, true)
    }

    fn next_fault(&self) -> Option<SensorFault> {
        let mut armed = locked(&self.armed);
        match armed.front_mut()? {
            (0, _) => armed.pop_front().map(|(_, fault)| fault),
            (skip, _) => {
                *skip -= 1;
                None
            }
        }
    }
}

const TOLD: &str = "color-mixing/picow/relayed/as7341";

/// A broker that goes away takes the message with it, as it should.
async fn publish(session: Session, topic: &str, message: Vec<u8>) {
    let _ = session.publish(topic, message).await;
}

fn later(session: &Session, topic: String, message: Vec<u8>, by: Duration) {
    let session = session.clone();
    tokio::spawn(async move {
        sleep(by).await;
        publish(session, &topic, message).await;
    });
}
