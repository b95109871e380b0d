//! Reading what a client sent: JSON bodies, ids in paths, pages of lists. Bounded, and every refusal a problem.

use crate::strict::{self, Refusal};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use domain::FaultCode;
use futures::StreamExt;
use request::Problem;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::error::Category;
use std::{fmt::Write, str::FromStr, time::Duration};
use utoipa::IntoParams;

/// The largest body read. 96 wells with eight dyes each are about 20 kB.
const LARGEST_BODY: usize = 1024 * 1024;

/// What is read and thrown away of a larger one, so that its sender gets to see the answer instead of a reset.
const MOST_DRAINED: usize = 32 * 1024 * 1024;
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// Characters of a refused body's words that its problem repeats: of a detail, and of each key on the way to it.
const LONGEST_DETAIL: usize = 300;
const LONGEST_KEY: usize = 40;

/// A JSON body of at most 1 MiB.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_json(request.headers())?;
        let too_large = "a body has at most 1 MiB; an experiment has at most 96 wells";
        parse(&read(request.into_body(), LARGEST_BODY, too_large).await?).map(Self)
    }
}

/// A JSON document of at most `MOST` bytes, as it came: whoever reads it knows its format.
#[derive(Clone, Debug)]
pub struct Document<const MOST: usize>(pub Vec<u8>);

impl<S: Send + Sync, const MOST: usize> FromRequest<S> for Document<MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_json(request.headers())?;
        let too_large = format!("this takes at most {} MiB", MOST / 1024 / 1024);
        read(request.into_body(), MOST, &too_large).await.map(Self)
    }
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_json(headers) {
        return Ok(());
    }
    let detail = "send the body as JSON, with Content-Type: application/json";
    Err(Problem::new(FaultCode::InvalidRequest, detail).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(body: Body, most: usize, too_large: &str) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes = chunk.map_err(|_| malformed("the body broke off, or didn't come in time"))?;
        if bytes.len() + chunk.len() > most {
            drain(chunks).await;
            return Err(Problem::new(FaultCode::BodyTooLarge, too_large));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn drain(mut chunks: axum::body::BodyDataStream) {
    let drained = async {
        let mut left = MOST_DRAINED;
        while let Some(Ok(chunk)) = chunks.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    // Whether it ended or we stopped listening, the answer is the same.
    let _ = tokio::time::timeout(LONGEST_DRAIN, drained).await;
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    strict::read(bytes).map_err(|Refusal { path, cause }| match cause.classify() {
        Category::Data => {
            let (pointer, detail) = (json_pointer(&path), data_error(&cause));
            Problem::new(FaultCode::InvalidRequest, format!("{}: {detail}", shown(&pointer)))
                .with_error(pointer, detail)
        }
        Category::Syntax | Category::Eof | Category::Io => malformed(&format!("the body is no JSON: {cause}")),
    })
}

fn malformed(detail: &str) -> Problem {
    Problem::new(FaultCode::InvalidRequest, detail).with_status(StatusCode::BAD_REQUEST)
}

fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
}

/// serde's words without the position, which the pointer says better, and without the whole of what was sent.
fn data_error(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    message.chars().take(LONGEST_DETAIL).collect()
}

/// A path into the body as a JSON pointer (RFC 6901).
fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut pointer, segment| {
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => {
                let key: String = key.chars().take(LONGEST_KEY).collect();
                write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Enum { variant } => write!(pointer, "/{variant}"),
            Segment::Unknown => Ok(()),
        };
        pointer
    })
}

/// An id in a path. What is no id names nothing, so it is a 404.
pub fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

/// Entries of a page when the client doesn't say.
const USUAL_PAGE: u32 = 50;
/// The most entries of a page.
pub const LARGEST_PAGE: u32 = 200;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Entries of the page, 1–200.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    #[param(value_type = String, required = false, min_length = 1)]
    cursor: Option<String>,
}

impl Paging {
    pub fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = &self.limit else { return Ok(USUAL_PAGE) };
        let limit = text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
        limit.ok_or_else(|| Problem::bad_parameter("limit", "use a whole number from 1 to 200"))
    }

    pub fn after<C: FromStr>(&self) -> Result<Option<C>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let bad = |_| Problem::bad_parameter("cursor", "use the next_cursor of the page before, or leave it out");
        text.parse().map(Some).map_err(bad)
    }
}

/// Characters of what is searched for: an address has no more.
const LONGEST_SEARCH: usize = 254;

/// What an entry of a list must have in it.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// In any case, 1-254 characters.
    #[param(value_type = String, required = false, min_length = 1, max_length = 254)]
    q: Option<String>,
}

impl Search {
    pub fn part(&self) -> Result<Option<&str>, Problem> {
        let Some(part) = self.q.as_deref() else { return Ok(None) };
        let is_one = (1..=LONGEST_SEARCH).contains(&part.chars().count()) && !part.contains(char::is_control);
        if is_one {
            Ok(Some(part))
        } else {
            Err(Problem::bad_parameter("q", "use 1 to 254 characters, or leave it out"))
        }
    }
}

/// Query parameters; what can't be read is a problem, not the framework's plain text.
#[derive(Clone, Debug)]
pub struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_parameter("query", error.body_text()))?;
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workflow::ExperimentRequest;

    fn refusal(body: &str) -> Problem {
        parse::<ExperimentRequest>(body.as_bytes()).expect_err("not a request")
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for body in ["", "{", "nul", r#"{"wells":[]}x"#, r#"{"wells":[{"volumes":{"red":NaN}}]}"#] {
            assert_eq!(refusal(body).status().as_u16(), 400, "{body:.60}");
        }
        assert_eq!(
            refusal(r#"{"wells":[{"volumes":{"red":1e400}}]}"#).status().as_u16(),
            400,
            "no number has this size"
        );
    }

    #[test]
    fn what_has_the_wrong_shape_is_pointed_at() {
        let problem = refusal(r#"{"wells":[{"volumes":{"red":60}},{"volumes":{"red":"sixty"}}]}"#);
        assert_eq!(problem.status().as_u16(), 422);
        assert_eq!(problem.errors.first().map(|error| error.pointer.as_str()), Some("/wells/1/volumes/red"));
        assert!(problem.detail.contains("expected f64"), "{}", problem.detail);
        assert!(!problem.detail.contains("line"), "{}", problem.detail);
        assert_eq!(refusal("[]").status().as_u16(), 422);
        assert_eq!(refusal(r#"{"wells":[],"extra":1}"#).errors.len(), 1);
    }
}
