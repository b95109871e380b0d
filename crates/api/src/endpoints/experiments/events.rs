//! `GET /experiments/{id}/events`

use crate::{hub::Hub, streams::Streams};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use domain::{EventKind, FaultCode};
use futures::{StreamExt, stream};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde_json::Value;
use std::{convert::Infallible, time::Duration};
use store::{Event, EventId};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

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
    #[param(rename = "Last-Event-ID", value_type = String, required = false, pattern = "^([0-9]{1,9}-)?[0-9]{1,18}$")]
    last: Option<String>,
}

/// One event of the stream.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes the stream to OpenAPI")]
pub struct EventSchema {
    /// Its sequence, after a failover of the database with a number and a hyphen before it. Send the last one as
    /// `Last-Event-ID` to go on after it.
    #[schema(pattern = "^([0-9]+-)?[0-9]+$", example = "3")]
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
/// experiment ends. `id` is the event's name, to be sent back as it is, `event` its kind, `data` a JSON object:
///
/// {kinds}
///
/// Where the database lost events that were told, since another server took over, who resumes is told what was written since
/// in their place.
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
    State(streams): State<Streams>,
    State(hub): State<Hub<sse::Event>>,
    Caller(identity): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = last_seen(&headers)?;
    let experiment = super::visible(&state, &identity, &id).await?.experiment;
    let ended = experiment.status.is_final();
    let after = match seen {
        Some(seen) => state.store.resume_after(experiment.id, seen).await?,
        None => 0,
    };
    if seen.is_some() && ended && state.store.events(experiment.id, after, 1).await?.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = streams.open(&identity, experiment.user_id).ok_or_else(|| {
        Problem::new(FaultCode::TooManyRequests, "you have 20 live streams open already; close a page or a notebook")
    })?;
    let ends = end(place.ends().clone());
    let follower = hub.follow(experiment.id, after, ended);
    let events = stream::unfold((follower, place), async |(mut follower, place)| {
        let told = follower.next().await?;
        Some((Ok::<_, Infallible>(told.shown.clone()), (follower, place)))
    });
    let events = events.take_until(ends);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// A stream ends with its time, with the server, or with the right to it.
async fn end(ends: CancellationToken) {
    tokio::select! {
        () = ends.cancelled() => {}
        () = tokio::time::sleep(STREAM_LIFE) => {}
    }
}

/// An event as it goes out to all who follow.
pub(crate) fn as_sse(event: &Event) -> sse::Event {
    let mut data = event.data.clone();
    match event.kind.parse() {
        Ok(EventKind::Fault) => add_help(&mut data),
        _ => data.get_mut("fault").into_iter().for_each(add_help),
    }
    sse::Event::default().id(event.id().to_string()).event(&event.kind).data(data.to_string())
}

/// A fault leads to its help page, here as everywhere.
fn add_help(fault: &mut Value) {
    let code = fault.get("code").and_then(|code| code.as_str()?.parse::<FaultCode>().ok());
    if let (Some(code), Some(fields)) = (code, fault.as_object_mut()) {
        fields.insert("help".to_owned(), code.help_path().into());
    }
}

fn last_seen(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(value) = headers.get(&LAST_EVENT_ID) else { return Ok(None) };
    let seen = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let bad = || Problem::bad_parameter("Last-Event-ID", "use the id of the last event you saw: a whole number from 0");
    seen.map(Some).ok_or_else(bad)
}
