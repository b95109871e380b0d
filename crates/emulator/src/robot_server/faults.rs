//! Faults on demand: answers that come late, torn, or not at all, by route, commands that fail ([`failures`]), and what goes wrong in
//! the lab ([`mishaps`]). What a network, a tired robot and people do to clients.

use super::{
    Robot,
    body::Fields,
    error::{ApiError, FieldProblem},
    failures::{self, Failure},
    lock,
    mishaps::{self, Deed},
};
use crate::world::Mishap;
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use std::{io, sync::Arc, time::Duration};

/// Most faults at a time, and the longest delay.
const MOST_FAULTS: usize = 100;
const LONGEST_DELAY_MS: f64 = 600_000.0;
/// An answer is torn in its middle only up to this size; no route's is larger.
const MOST_ANSWER: usize = 64 * 1024 * 1024;

/// How long the first half of a torn answer has for its way.
const BEFORE_THE_TEAR: Duration = Duration::from_millis(100);

/// What befalls requests of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// `POST`, for example; none is any.
    method: Option<String>,
    /// A path, in which `*` stands for any one segment: `/runs/*/commands`.
    path: String,
    /// So many such requests are spared first.
    skip: u64,
    /// So many are then struck.
    times: u64,
    /// How long the request waits before anything else, ms.
    delay_ms: f64,
    harm: Harm,
    /// Answered instead, when the harm is `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Harm {
    /// But for the delay, all is well.
    None,
    /// Nothing is done; another status is answered.
    Status,
    /// Nothing is done, and the connection is closed.
    LostRequest,
    /// All is done, and the connection is closed without an answer.
    LostAnswer,
    /// All is done, and the connection is closed in the middle of the answer.
    HalfAnswer,
}

/// Marks an answer that never goes out: its connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

/// What was asked for.
#[derive(Debug, Default)]
pub struct Faults {
    pub of_requests: Vec<Fault>,
    pub of_commands: Vec<Failure>,
    pub of_lab: Vec<Mishap>,
    /// Not to come: done when they are asked for.
    pub deeds: Vec<Deed>,
}

/// Reads `{"faults": [{"method": "POST", "path": "/runs/*/commands", "skip": 2, "times": 1, "delay_ms": 500, "harm": "lost-answer"}]}`,
/// and among them those of commands ([`failures::read`]) and of the lab ([`mishaps::read`]).
pub fn read(body: &Value) -> Result<Faults, Vec<FieldProblem>> {
    let problem = |at: &str, detail: &str| vec![FieldProblem { at: at.to_owned(), detail: detail.to_owned() }];
    let list = body.get("faults").and_then(Value::as_array).ok_or_else(|| problem("faults", "a list is needed"))?;
    if list.len() > MOST_FAULTS {
        return Err(problem("faults", "at most 100 at a time"));
    }
    let mut faults = Faults::default();
    for (index, value) in list.iter().enumerate() {
        let mut fields = Fields::of(value, format!("faults/{index}"));
        let (skip, times) = (count(&mut fields, "skip", 0), count(&mut fields, "times", 1));
        if value.get("command").is_some() {
            faults.of_commands.push(failures::read(&mut fields, skip, times));
        } else if value.get("lab").is_some() {
            match mishaps::read(&mut fields, times) {
                Some(mishaps::Asked::Lasting(mishap)) => faults.of_lab.push(mishap),
                Some(mishaps::Asked::Once(deed)) => faults.deeds.push(deed),
                None => {}
            }
        } else {
            faults.of_requests.push(read_one(&mut fields, skip, times));
        }
        fields.finish()?;
    }
    Ok(faults)
}

fn count(fields: &mut Fields<'_>, name: &str, usual: u64) -> u64 {
    if fields.raw(name).is_none() {
        return usual;
    }
    u64::try_from(fields.whole(name)).unwrap_or_else(|_| {
        fields.complain(name, "must not be negative");
        0
    })
}

fn read_one(fields: &mut Fields<'_>, skip: u64, times: u64) -> Fault {
    let harm = match fields.optional_choice("harm", &["none", "status", "lost-request", "lost-answer", "half-answer"]) {
        Some("status") => Harm::Status,
        Some("lost-request") => Harm::LostRequest,
        Some("lost-answer") => Harm::LostAnswer,
        Some("half-answer") => Harm::HalfAnswer,
        _ => Harm::None,
    };
    let status = fields.raw("status").map(|_| fields.whole("status"));
    let known = status.and_then(|status| u16::try_from(status).ok()).filter(|status| (400..=599).contains(status));
    if (harm == Harm::Status) != status.is_some() || status.is_some() != known.is_some() {
        fields.complain("status", "a status from 400 to 599 goes with the harm \"status\", and with no other");
    }
    let delay_ms = fields.optional_number("delay_ms").unwrap_or(0.0);
    if !(0.0..=LONGEST_DELAY_MS).contains(&delay_ms) {
        fields.complain("delay_ms", "must be from 0 to 600000");
    }
    Fault {
        method: fields.optional_text("method").map(|method| method.to_uppercase()),
        path: fields.text("path"),
        skip,
        times,
        delay_ms,
        harm,
        status: known,
    }
}

impl Fault {
    fn is_for(&self, method: &Method, path: &str) -> bool {
        let of_method = self.method.as_deref().is_none_or(|asked| asked == method.as_str());
        let (mut asked, mut segments) = (self.path.split('/'), path.split('/'));
        of_method
            && loop {
                match (asked.next(), segments.next()) {
                    (None, None) => break true,
                    (Some(asked), Some(segment)) if asked == "*" || asked == segment => {}
                    _ => break false,
                }
            }
    }
}

/// The fault that strikes this request, if one does. Each fault counts the requests that are its own.
fn struck(faults: &mut Vec<Fault>, method: &Method, path: &str) -> Option<Fault> {
    let fault = faults.iter_mut().find(|fault| fault.is_for(method, path))?;
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    let strikes = fault.clone();
    fault.times = fault.times.saturating_sub(1);
    faults.retain(|fault| fault.times > 0);
    (strikes.times > 0).then_some(strikes)
}

/// Lets the faults that were asked for happen. The emulator's own routes have none.
pub async fn strike(State(robot): State<Arc<Robot>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let fault = match path.starts_with("/emulator") {
        true => None,
        false => struck(&mut lock(&robot.faults), request.method(), path),
    };
    let Some(fault) = fault else { return next.run(request).await };
    tokio::time::sleep(Duration::from_secs_f64(fault.delay_ms / 1_000.0)).await;
    match fault.harm {
        Harm::None => next.run(request).await,
        Harm::Status => refused(fault.status).into_response(),
        Harm::LostRequest => lost(),
        Harm::LostAnswer => {
            next.run(request).await;
            lost()
        }
        Harm::HalfAnswer => half(next.run(request).await).await,
    }
}

fn refused(status: Option<u16>) -> ApiError {
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let detail = "A fault that was asked for at /emulator/faults.";
    ApiError::modern(
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        "UnexpectedError",
        "Unexpected Internal Error",
        detail,
    )
}

fn lost() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Lost);
    response
}

/// The answer with its whole length announced and half of it sent.
async fn half(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, MOST_ANSWER).await else { return lost() };
    parts.headers.insert(header::CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let torn = async {
        // What was written goes out while nothing more comes.
        tokio::time::sleep(BEFORE_THE_TEAR).await;
        Err::<Bytes, _>(io::Error::other("the answer is torn, as was asked for"))
    };
    let parts_of_it = stream::once(async { Ok(half) }).chain(stream::once(torn));
    Response::from_parts(parts, Body::from_stream(parts_of_it))
}
