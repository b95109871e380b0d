//! Refusals in the robot-server's two shapes: `{"errors":[…]}` on modern routes, `{"message":…}` on legacy ones.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

/// Opentrons' code for everything that has no better one.
pub const GENERAL_ERROR: &str = "4000";

/// An answer that isn't success.
#[derive(Debug)]
pub enum ApiError {
    Modern { status: StatusCode, errors: Vec<ErrorDetails> },
    Legacy { status: StatusCode, message: String },
}

/// One entry of a modern refusal.
#[derive(Debug, Serialize)]
pub struct ErrorDetails {
    pub id: &'static str,
    pub title: &'static str,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
    #[serde(rename = "errorCode")]
    pub error_code: &'static str,
}

/// What is wrong with one field of a request; `at` is its place, `data/params/volume` without a first slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    pub at: String,
    pub detail: String,
}

impl ApiError {
    /// A refusal with a single entry and nothing more to say.
    pub fn modern(status: StatusCode, id: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::coded(status, id, title, detail, GENERAL_ERROR)
    }

    /// The same with an error code of its own.
    pub fn coded(
        status: StatusCode,
        id: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        error_code: &'static str,
    ) -> Self {
        let details = ErrorDetails { id, title, detail: detail.into(), source: None, meta: None, error_code };
        Self::Modern { status, errors: vec![details] }
    }

    /// Adds what the robot-server tells of the Python exception behind a refusal.
    #[must_use]
    pub fn with_meta(mut self, meta: Value) -> Self {
        if let Self::Modern { errors, .. } = &mut self {
            errors.iter_mut().for_each(|error| error.meta = Some(meta.clone()));
        }
        self
    }

    /// 422 of a modern route: one entry a field.
    pub fn invalid_fields(problems: Vec<FieldProblem>) -> Self {
        let entry = |problem: FieldProblem| invalid(problem.detail, json!({"pointer": format!("/{}", problem.at)}));
        Self::Modern { status: StatusCode::UNPROCESSABLE_ENTITY, errors: problems.into_iter().map(entry).collect() }
    }

    /// 422 for a query parameter.
    pub fn invalid_query(name: &str, detail: &str) -> Self {
        Self::Modern {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            errors: vec![invalid(detail.to_owned(), json!({"parameter": name}))],
        }
    }

    /// 422 for a header, on a modern route.
    pub fn invalid_header(name: &str, details: &[&str]) -> Self {
        let entry = |detail: &&str| invalid((*detail).to_owned(), json!({"header": name}));
        Self::Modern { status: StatusCode::UNPROCESSABLE_ENTITY, errors: details.iter().map(entry).collect() }
    }

    /// 422 of a legacy route: every problem in one sentence.
    pub fn legacy_invalid_fields(problems: &[FieldProblem]) -> Self {
        let say = |problem: &FieldProblem| format!("body.{}: {}", problem.at.replace('/', "."), problem.detail);
        Self::legacy_invalid(problems.iter().map(say).collect::<Vec<_>>().join("; "))
    }

    /// 422 of a legacy route.
    pub fn legacy_invalid(message: impl Into<String>) -> Self {
        Self::Legacy { status: StatusCode::UNPROCESSABLE_ENTITY, message: message.into() }
    }

    pub fn not_found(id: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::modern(StatusCode::NOT_FOUND, id, title, detail)
    }

    pub fn conflict(id: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::modern(StatusCode::CONFLICT, id, title, detail)
    }

    /// 500 as the robot-server makes it of an exception nobody caught.
    pub fn unexpected(exception: &str, detail: &str) -> Self {
        Self::modern(StatusCode::INTERNAL_SERVER_ERROR, "UnexpectedError", "Unexpected Internal Error", detail)
            .with_meta(exception_meta(exception, GENERAL_ERROR, detail))
    }
}

fn invalid(detail: String, source: Value) -> ErrorDetails {
    ErrorDetails {
        id: "InvalidRequest",
        title: "Invalid Request",
        detail,
        source: Some(source),
        meta: None,
        error_code: GENERAL_ERROR,
    }
}

/// The `meta` of a refusal that stems from one of Opentrons' own exceptions.
pub fn exception_meta(exception: &str, code: &str, message: &str) -> Value {
    json!({"type": exception, "code": code, "message": message, "detail": {}, "wrapping": []})
}

/// The `meta` of a refusal that stems from any other Python exception.
pub fn python_meta(exception: &str, message: &str, args: &str) -> Value {
    let detail = json!({"args": args, "traceback": "omitted", "class": exception});
    json!({"type": exception, "code": GENERAL_ERROR, "message": message, "detail": detail, "wrapping": []})
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Modern { status, errors } => (status, Json(json!({"errors": errors}))).into_response(),
            Self::Legacy { status, message } => {
                (status, Json(json!({"message": message, "errorCode": GENERAL_ERROR}))).into_response()
            }
        }
    }
}
