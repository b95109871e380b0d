//! The sensor on an MQTT broker, as the training lab's Pico W hangs there.

use super::{Chip, firmware};
use chrono::Utc;
use mqtt::{Broker, Listener, Session, Trouble};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// Between two looks for a broker that doesn't want it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// An answer that the broker doesn't take in so long is given up.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// Serves until `shutdown` is done, across any number of connections.
pub async fn serve(broker: Broker, device: String, chip: Arc<Chip>, shutdown: impl Future<Output = ()> + Send) {
    let sensor = Sensor {
        asked_on: format!("command/picow/{device}/as7341/read"),
        answers_on: format!("color-mixing/picow/{device}/as7341"),
        broker,
        chip,
    };
    tokio::select! {
        () = shutdown => {}
        trouble = sensor.serve() => tracing::error!(%trouble, "the sensor isn't served on the broker"),
    }
}

struct Sensor {
    broker: Broker,
    asked_on: String,
    answers_on: String,
    chip: Arc<Chip>,
}

impl Sensor {
    /// Ends only when it may not even listen.
    async fn serve(&self) -> Trouble {
        let mut requests = match self.broker.listen(&self.asked_on) {
            Ok(requests) => requests,
            Err(trouble) => return trouble,
        };
        loop {
            let trouble = match self.broker.session().await {
                Ok(session) => self.attend(&session, &mut requests).await,
                Err(trouble) => trouble,
            };
            if trouble.is_final {
                tracing::warn!(%trouble, trouble.remedy, "the sensor isn't on the broker");
                sleep(BETWEEN_LOOKS).await;
            }
        }
    }

    /// Answers what comes while this connection lasts. An answer that was under way when it broke is lost.
    async fn attend(&self, session: &Session, requests: &mut Listener) -> Trouble {
        if let Err(trouble) = session.subscribe(&self.asked_on).await {
            return trouble;
        }
        tracing::info!(topic = self.asked_on, "the sensor is on the broker");
        loop {
            let request = tokio::select! {
                request = requests.hear() => request,
                trouble = session.ended() => return trouble,
            };
            let answer = match firmware::parse(&request) {
                Ok(request) => {
                    let answer = self.chip.use_for(request.duration(), |world| request.answer(world, Utc::now())).await;
                    Some(answer)
                }
                Err(refusal) => refusal,
            };
            let Some(answer) = answer else { continue };
            match timeout(SEND_LIMIT, session.publish(&self.answers_on, answer.to_string().into_bytes())).await {
                Ok(Ok(())) => {}
                Ok(Err(trouble)) => return trouble,
                Err(_) => tracing::warn!("the broker took no answer of the sensor's"),
            }
        }
    }
}
