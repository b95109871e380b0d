//! Carries mails from the outbox to where they go. Several processes may do it at once: each mail is taken by one.

use crate::{
    letter::written,
    sink::{Refusal, Sink},
};
use auth::Service;
use chrono::{TimeDelta, Utc};
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, SinglePart,
        header::{ContentTransferEncoding, ContentType},
    },
};
use std::time::Duration;
use store::{Mail, Store};
use tasks::{Pauses, Task, Tasks, Turn};
use telemetry::names;
use tokio_util::sync::CancellationToken;

/// Between two looks into the outbox.
const LOOK: Duration = Duration::from_secs(3);
/// After a mail server didn't answer. A delivery in flight has time to end.
const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(2), longest: Duration::from_secs(60), farewell: Duration::from_secs(10) };
/// Before a mail is tried again: doubled with each attempt, up to an hour.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(5);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// A mail that wasn't taken for so long is given up.
const LONGEST_TRY: TimeDelta = TimeDelta::hours(24);

/// How this lab writes to people.
#[derive(Clone, Debug)]
pub struct Mailer {
    pub sink: Sink,
    /// Who mails come from.
    pub from: Mailbox,
    /// The lab's address for people, without a slash at its end.
    pub site: String,
}

/// Who mails come from, like `Tincture <lab@example.org>` or an address alone.
///
/// # Errors
/// Why that is nobody.
pub fn sender(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error: lettre::address::AddressError| error.to_string())
}

/// Runs for as long as the process.
pub fn relay(mailer: Mailer, store: Store, auth: Service, tasks: &Tasks) {
    tasks.run("mail", PAUSES, Relay { mailer, store, auth });
}

struct Relay {
    mailer: Mailer,
    store: Store,
    auth: Service,
}

impl Task for Relay {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        while !stop.is_cancelled() {
            let taken = self.store.take_mail().await.map_err(|error| error.to_string())?;
            let Some(mail) = taken else { return Ok(Turn::After(LOOK)) };
            self.deliver(&mail).await?;
        }
        Ok(Turn::Done)
    }
}

impl Relay {
    /// # Errors
    /// Where others would fail like this one: the server, or the database, is away.
    async fn deliver(&self, mail: &Mail) -> Result<(), String> {
        let letter = self.auth.letter(mail).await.map_err(|error| error.to_string())?;
        let Some(letter) = letter else {
            return self.store.forget_mail(mail.id).await.map_err(|error| error.to_string());
        };
        let name = format!("{}-{}", mail.created_at.format("%Y%m%dT%H%M%S%3f"), mail.id);
        let sent = match self.message(mail, &written(&letter, &self.mailer.site)) {
            Ok(message) => self.mailer.sink.send(message, &name).await,
            Err(why) => Err(Refusal { why, for_good: true, surely: true, of_this: true }),
        };
        match sent {
            Ok(file) => {
                metrics::counter!(names::MAILS, "outcome" => "sent").increment(1);
                match file {
                    Some(file) => {
                        tracing::info!(mail = %mail.id, kind = %mail.kind, file = %file.display(), "no mail server is configured: the mail is in a file")
                    }
                    None => tracing::info!(mail = %mail.id, kind = %mail.kind, "a mail is sent"),
                }
                self.store.forget_mail(mail.id).await.map_err(|error| error.to_string())
            }
            Err(refusal) => {
                if refusal.surely
                    && let Err(error) = self.auth.unsend(&letter).await
                {
                    tracing::warn!(%error, "a link that reached nobody stays until it runs out");
                }
                self.put_off(mail, refusal).await
            }
        }
    }

    async fn put_off(&self, mail: &Mail, refusal: Refusal) -> Result<(), String> {
        let now = Utc::now();
        let gives_up = refusal.for_good || now - mail.created_at > LONGEST_TRY;
        let until = (!gives_up).then(|| now + wait_after(mail.attempts));
        self.store.put_mail_off(mail.id, until, &refusal.why).await.map_err(|error| error.to_string())?;
        if gives_up {
            metrics::counter!(names::MAILS, "outcome" => "given_up").increment(1);
            tracing::error!(mail = %mail.id, kind = %mail.kind, attempts = mail.attempts, why = refusal.why, "a mail is given up; the page of people shows it");
        } else {
            metrics::counter!(names::MAILS, "outcome" => "failed").increment(1);
            tracing::warn!(mail = %mail.id, kind = %mail.kind, attempts = mail.attempts, why = refusal.why, "a mail wasn't taken; it is tried again");
        }
        if refusal.of_this { Ok(()) } else { Err(refusal.why) }
    }

    fn message(&self, mail: &Mail, (subject, text): &(&'static str, String)) -> Result<Message, String> {
        let to: Address = mail.email.parse().map_err(|error| format!("the address can't be written to: {error}"))?;
        let host = self.mailer.from.email.domain();
        Message::builder()
            // The same each time it is tried, so that one which comes twice is seen to be one.
            .message_id(Some(format!("<{}@{host}>", mail.id)))
            .from(self.mailer.from.clone())
            .to(Mailbox::new(None, to))
            .subject(*subject)
            .singlepart(plain(text))
            .map_err(|error| error.to_string())
    }
}

/// As it is written, so that a link is whole in a file too, and not cut where a line is long: ours are ASCII in lines of
/// less than 76 characters, but for links, which are shorter than the 998 that a line may have.
fn plain(text: &str) -> SinglePart {
    let bytes = text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>().into_bytes();
    let body = Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::SevenBit);
    SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body)
}

/// 5 s, 10 s, 20 s, … 1 h.
fn wait_after(attempts: i32) -> TimeDelta {
    let doubled = u32::try_from(attempts.clamp(1, 12) - 1).unwrap_or(0);
    (FIRST_WAIT * 2_i32.pow(doubled)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_at_an_hour() {
        let waits: Vec<_> = [1, 2, 3, 12, 1_000].into_iter().map(|n| wait_after(n).num_seconds()).collect();
        assert_eq!(waits, [5, 10, 20, 3_600, 3_600]);
    }
}
