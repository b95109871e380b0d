//! What every route takes and gives: a body or a query as the robot reads it, an answer as it tells it.

use crate::robot_server::{
    body,
    error::{ApiError, FieldProblem},
};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// For a whole body. The real server waits for ever, and so would the lab behind a few who never end theirs.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

pub type Answer = Result<(StatusCode, Json<Value>), ApiError>;

pub fn ok(body: Value) -> Answer {
    Ok((StatusCode::OK, Json(body)))
}

pub fn created(body: Value) -> Answer {
    Ok((StatusCode::CREATED, Json(body)))
}

/// A body read as JSON; an empty one is `null`.
pub struct Body(pub Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let whole = whole(request, state).await?;
        whole.map(Self).map_err(|problem| ApiError::invalid_fields(vec![problem]))
    }
}

/// The same on a legacy route, which complains in its own shape.
pub struct LegacyBody(pub Value);

impl<S: Send + Sync> FromRequest<S> for LegacyBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let whole = whole(request, state).await?;
        whole.map(Self).map_err(|problem| ApiError::legacy_invalid_fields(&[problem]))
    }
}

/// The body, or what is wrong with its JSON.
async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Result<Value, FieldProblem>, ApiError> {
    let bytes = timeout(BODY_PATIENCE, Bytes::from_request(request, state)).await.map_err(|_| {
        ApiError::modern(StatusCode::REQUEST_TIMEOUT, "BadRequest", "Bad Request", "The body didn't come in time.")
    })?;
    let bytes = bytes.map_err(|rejection| {
        ApiError::modern(rejection.status(), "BadRequest", "Bad Request", rejection.body_text())
    })?;
    Ok(body::parse(&bytes))
}

/// The query of a path, read leniently: the last of several wins.
pub struct Query(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        Ok(Self(parts.uri.query().unwrap_or_default().split('&').map(pair).collect()))
    }
}

impl Query {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn whole(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse =
            |text: &str| text.parse().map_err(|_| ApiError::invalid_query(name, "value is not a valid integer"));
        self.text(name).map(parse).transpose()
    }

    pub fn truth(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name).map(str::to_lowercase).as_deref() {
            None | Some("false" | "0" | "no" | "off") => Ok(false),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some(_) => Err(ApiError::invalid_query(name, "value could not be parsed to a boolean")),
        }
    }
}
