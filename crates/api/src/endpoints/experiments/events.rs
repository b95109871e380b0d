//! `GET /experiments/{id}/events`

use crate::{
    AppState, Caller, Problem, ProblemDocument,
    streams::{Place, Streams},
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use domain::{EventKind, ExperimentEvent, ExperimentId, FaultCode};
use futures::stream;
use serde_json::Value;
use std::{collections::VecDeque, convert::Infallible, time::Duration};
use store::{Event, Signal, Store};
use tokio::{sync::broadcast, time::Instant};
use utoipa::{IntoParams, ToSchema};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Events read at once.
const BATCH: u32 = 100;
/// How often the table is looked at without a signal: other processes' commits send us none.
const POLL: Duration = Duration::from_secs(1);
/// A comment this often tells silence from death, at both ends: a page that hears none for two of them says so.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// A stream ends after this long, so that who was let in is asked again; its client resumes where it was.
const STREAM_LIFE: Duration = Duration::from_secs(60 * 60);

/// The header, for the documentation; [`last_seen`] reads it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes the header to OpenAPI")]
pub struct Seen {
    /// The last event seen.
    #[param(rename = "Last-Event-ID", value_type = i64, required = false, minimum = 0)]
    last: Option<i64>,
}

/// One event of the stream.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes the stream to OpenAPI")]
pub struct EventSchema {
    /// Its sequence; send the last one as `Last-Event-ID` to go on after it.
    #[schema(pattern = "^[0-9]+$", example = "3")]
    id: String,
    /// Its kind.
    #[schema(example = "operation")]
    event: String,
    /// A JSON object.
    #[schema(content_media_type = "application/json", example = r#"{"sentence":"homing","step":"home","well":null}"#)]
    data: String,
}

/// Follow an experiment
///
/// Server-sent events: first all that happened (after `Last-Event-ID`, if given), then what happens, until the
/// experiment ends. `id` is the event's sequence, `event` its kind, `data` a JSON object:
///
/// {kinds}
///
/// A comment every 2 s says that the server lives. 204 says that there is nothing more to follow.
#[utoipa::path(get, path = "/experiments/{id}/events", tag = "experiments", operation_id = "experiments_events",
    params(("id" = String, Path), Seen),
    responses(
        (status = 200, body = EventSchema, description = "Events, each of this shape", content_type = "text/event-stream"),
        (status = 204, description = "Everything was seen and the experiment has ended"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, body = ProblemDocument, description = "Too many streams open", content_type = "application/problem+json"),
    ))]
pub async fn events(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = last_seen(&headers)?;
    // Before the first read, so that no commit falls between the two.
    let signals = state.store.signals();
    let experiment = super::visible(&state, &identity, &id).await?.experiment;
    let after = seen.unwrap_or(0);
    let first = state.store.events(experiment.id, after, BATCH).await?;
    if seen.is_some() && first.is_empty() && experiment.status.is_final() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = state.streams.open(identity.user_id()).ok_or_else(|| {
        Problem::new(FaultCode::TooManyRequests, "you have 20 live streams open already; close a page or a notebook")
    })?;
    let tail = Tail {
        store: state.store.clone(),
        streams: state.streams.clone(),
        experiment: experiment.id,
        after,
        ready: first.into(),
        signals,
        ended: experiment.status.is_final(),
        until: Instant::now() + STREAM_LIFE,
        _place: place,
    };
    let events = stream::unfold(tail, async |mut tail| {
        let event = tail.next().await?;
        Some((Ok::<_, Infallible>(as_sse(&event)), tail))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// One reader of one experiment's events.
struct Tail {
    store: Store,
    streams: Streams,
    experiment: ExperimentId,
    /// The last event taken from the table.
    after: i64,
    ready: VecDeque<Event>,
    signals: broadcast::Receiver<Signal>,
    /// The final status was seen: what is in the table now is all there will be.
    ended: bool,
    until: Instant,
    _place: Place,
}

impl Tail {
    /// The next event, or nothing when the stream ends. A database that fails ends it too: the client resumes.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.sequence;
                self.ended |= is_final(&event);
                return Some(event);
            }
            let read = self.store.events(self.experiment, self.after, BATCH).await;
            let events = read.inspect_err(|error| tracing::warn!(%error, "a live stream ends early")).ok()?;
            if !events.is_empty() {
                self.ready = events.into();
                continue;
            }
            if self.ended || Instant::now() >= self.until {
                return None;
            }
            let closing = self.streams.closing().clone();
            tokio::select! {
                () = closing.cancelled() => return None,
                () = about(&mut self.signals, self.experiment) => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// Waits for a signal about this experiment; having missed some counts as one.
async fn about(signals: &mut broadcast::Receiver<Signal>, experiment: ExperimentId) {
    loop {
        match signals.recv().await {
            Ok(Signal::Experiment(id)) if id == experiment => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn is_final(event: &Event) -> bool {
    matches!(event.read(), Some(ExperimentEvent::Status { status, .. }) if status.is_final())
}

fn as_sse(event: &Event) -> sse::Event {
    let mut data = event.data.clone();
    match event.kind.parse() {
        Ok(EventKind::Fault) => add_help(&mut data),
        _ => data.get_mut("fault").into_iter().for_each(add_help),
    }
    sse::Event::default().id(event.sequence.to_string()).event(&event.kind).data(data.to_string())
}

/// A fault leads to its help page, here as everywhere.
fn add_help(fault: &mut Value) {
    let code = fault.get("code").and_then(|code| code.as_str()?.parse::<FaultCode>().ok());
    if let (Some(code), Some(fields)) = (code, fault.as_object_mut()) {
        fields.insert("help".to_owned(), code.help_path().into());
    }
}

fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(&LAST_EVENT_ID) else { return Ok(None) };
    let sequence = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|sequence| *sequence >= 0);
    let bad = || Problem::bad_parameter("Last-Event-ID", "use the id of the last event you saw: a whole number from 0");
    sequence.map(Some).ok_or_else(bad)
}
