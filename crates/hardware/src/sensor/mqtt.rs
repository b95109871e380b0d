//! The sensor over MQTT, as the training labs run it: a Pico W that waits for requests on a broker.
//!
//! Asked on `command/picow/{id}/as7341/read`, it answers on `color-mixing/picow/{id}/as7341`, to all who listen there. A
//! connection that breaks during a reading is no end of it: the question is put again on the next, since reading moves
//! nothing. The first answer to it counts, and any later one finds nobody who waits for it.

use super::{
    ColourSensor, PendingReading, ReadRequest, SensorError,
    address::{Fixed, Options},
    message,
};
use crate::{AddressError, Patience};
use domain::reading::Reading;
use mqtt::{Broker, Brokers, Listener, Session, Target, Trouble};
use tokio::time::timeout;

/// How often a reading is asked for before it is given up: a device that lost the broker too may come back later than we, and
/// what was said before that is lost.
const QUESTIONS: u32 = 3;

#[derive(Debug)]
pub(super) struct MqttSensor {
    broker: Broker,
    ask_on: String,
    answers_on: String,
    fixed: Fixed,
    patience: Patience,
}

impl MqttSensor {
    /// `mqtts://host:8883/PICO_ID?gain=64&led=12`.
    pub fn new(url: &str, brokers: &Brokers, patience: Patience) -> Result<Self, AddressError> {
        let Target { broker, device, options } = Target::parse(url)?;
        let mut options = Options::from(options);
        let fixed = Fixed::take(&mut options)?;
        options.end()?;
        Ok(Self {
            broker: brokers.at(&broker, patience.connect),
            ask_on: format!("command/picow/{device}/as7341/read"),
            answers_on: format!("color-mixing/picow/{device}/as7341"),
            fixed,
            patience,
        })
    }

    async fn take(&self, mut request: ReadRequest) -> Result<Reading, SensorError> {
        request.settings = self.fixed.put_into(request.settings);
        if self.fixed.led_ma.is_none() {
            request.settings = request.settings.with_unknown_led();
        }
        let mut answers = self.broker.listen(&self.answers_on).map_err(blocked)?;
        loop {
            let session = self.broker.session().await.map_err(blocked)?;
            match self.carry(&session, &mut answers, &request).await {
                Ok(answer) => return answer,
                Err(trouble) if trouble.is_final => return Err(blocked(trouble)),
                Err(trouble) => tracing::debug!(operation = %request.operation, %trouble, "asking again"),
            }
        }
    }

    /// As far as one connection carries it.
    async fn carry(
        &self,
        session: &Session,
        answers: &mut Listener,
        request: &ReadRequest,
    ) -> Result<Result<Reading, SensorError>, Trouble> {
        session.subscribe(&self.answers_on).await?;
        loop {
            session.publish(&self.ask_on, message::question(request)).await?;
            match timeout(self.patience.reading / QUESTIONS, answer(session, answers, request)).await {
                Ok(outcome) => return outcome,
                Err(_) => tracing::debug!(operation = %request.operation, "no answer yet; asking again"),
            }
        }
    }
}

/// Until the device answers, or the connection ends.
async fn answer(
    session: &Session,
    answers: &mut Listener,
    request: &ReadRequest,
) -> Result<Result<Reading, SensorError>, Trouble> {
    loop {
        let message = tokio::select! {
            message = answers.hear() => message,
            trouble = session.ended() => return Err(trouble),
        };
        if let Some(answer) = message::answer_to(request, &message) {
            return Ok(answer);
        }
    }
}

impl ColourSensor for MqttSensor {
    fn read(&self, request: ReadRequest) -> PendingReading<'_> {
        Box::pin(async move {
            let after = self.patience.reading;
            match timeout(after, self.take(request)).await {
                Ok(reading) => reading,
                Err(_) => Err(self.broker.trouble().map_or(SensorError::Silent { after }, blocked)),
            }
        })
    }
}

fn blocked(Trouble { what, remedy, .. }: Trouble) -> SensorError {
    SensorError::Blocked { detail: what, remedy }
}
