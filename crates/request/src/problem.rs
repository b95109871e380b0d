//! Failures as problem documents (RFC 9457): what was wrong, where, what to do, and a link to the help page.

use crate::{Refusal, changes, faults};
use auth::{AuthError, Forbidden, PendingSignIn, Standing, Ways};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use documents::ReadError;
use domain::{ExperimentStatus, FaultCode, Scope};
use serde::Serialize;
use std::time::Duration;
use store::StoreError;
use utoipa::ToSchema;
use workflow::{Objection, SubmitError};

/// The content type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// When to ask again where the database doesn't answer.
pub const OUTAGE: Duration = Duration::from_secs(5);
/// The longest that anybody waits for an answer to begin. Streams begin theirs at once.
pub const LONGEST_REQUEST: Duration = Duration::from_secs(30);
/// When to ask again where the queue is full: robots take minutes for each.
const QUEUE_FULL: Duration = Duration::from_secs(60);

/// One failure, on its way to a client; [`ProblemDocument`] is how it is read there.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: FaultCode,
    status: StatusCode,
    /// What was wrong this time and what to do.
    pub detail: String,
    pub errors: Vec<FieldProblem>,
    challenge: Challenge,
    /// Whole seconds.
    retry_after: Option<u32>,
    more: Option<Box<More>>,
    pub(crate) instance: Option<Box<str>>,
    pub(crate) request_id: Option<Box<str>>,
    /// For the log alone: what the client isn't told.
    cause: Option<Box<str>>,
}

/// What few problems have. Apart, since what is told of is handed on by value.
#[derive(Clone, Debug)]
enum More {
    /// With a rate limit that is the reason.
    Standing(Standing),
    /// With which a sign-in goes on.
    Pending(PendingSignIn),
}

/// What `WWW-Authenticate` says (RFC 6750, 3): on a 401, and where a token is good, but not for this.
#[derive(Clone, Copy, Debug)]
enum Challenge {
    Missing,
    Invalid,
    Expired,
    Scope(Scope),
    /// The token is good, and whoever it is was asked too long ago (RFC 9470).
    Stale,
}

impl Challenge {
    fn header(self) -> Option<HeaderValue> {
        HeaderValue::from_str(&match self {
            Self::Missing => r#"Bearer realm="tincture""#.to_owned(),
            Self::Invalid => r#"Bearer realm="tincture", error="invalid_token""#.to_owned(),
            Self::Expired => {
                r#"Bearer realm="tincture", error="invalid_token", error_description="expired""#.to_owned()
            }
            Self::Stale => {
                let seconds = auth::PROOF_LIFE.num_seconds();
                format!(r#"Bearer realm="tincture", error="insufficient_user_authentication", max_age="{seconds}""#)
            }
            Self::Scope(scope) => format!(r#"Bearer realm="tincture", error="insufficient_scope", scope="{scope}""#),
        })
        .ok()
    }
}

/// A problem document.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Path of the help page on this server.
    #[serde(rename = "type")]
    #[schema(example = "/docs/faults/invalid-recipe")]
    kind: String,
    /// The same for every problem of this type.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What was wrong this time and what to do.
    detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    instance: Option<Box<str>>,
    /// The last part of `type`, for programs.
    #[schema(value_type = String, example = "invalid-recipe")]
    code: FaultCode,
    /// Each thing to change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// Quote it when you ask for help; it is in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    request_id: Option<Box<str>>,
    /// Of `second-factor-needed`: the sign-in goes on with it at `/auth/second-factor`, within five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_token: Option<String>,
    /// How it may go on: `totp` for an app's code, `passkey`; `recovery_code` always does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ways: Vec<&'static str>,
}

impl std::fmt::Debug for ProblemDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProblemDocument")
            .field("code", &self.code)
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

/// One thing to change in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer into the body, or the name of a parameter or header.
    #[schema(example = "/wells/3/volumes/red")]
    pub pointer: String,
    pub detail: String,
}

impl Problem {
    /// A problem with the status its code usually has.
    pub fn new(code: FaultCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            status: usual_status(code),
            detail: detail.into(),
            errors: Vec::new(),
            challenge: Challenge::Missing,
            retry_after: None,
            more: None,
            instance: None,
            request_id: None,
            cause: None,
        }
    }

    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldProblem { pointer: pointer.into(), detail: detail.into() });
        self
    }

    #[must_use]
    fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = u32::try_from(wait.as_secs().max(1)).ok();
        self
    }

    #[must_use]
    pub(crate) fn with_standing(mut self, standing: Standing) -> Self {
        self.retry_after = u32::try_from(changes::seconds(standing.wait)).ok();
        self.more = Some(Box::new(More::Standing(standing)));
        self
    }

    #[must_use]
    const fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = challenge;
        self
    }

    /// Something that isn't there, or that this person may not know of.
    pub fn not_found(what: &str) -> Self {
        Self::new(FaultCode::NotFound, format!("there is no such {what}, or it isn't yours"))
    }

    /// A failure of ours: the log has the cause, the client gets none of it.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::new(
            FaultCode::Internal,
            "something went wrong inside the lab's server; nothing was charged by this answer",
        )
        .caused_by(cause)
    }

    #[must_use]
    fn caused_by(mut self, cause: &dyn std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// Why it was refused, for the log. What was wrong with a body tells only where: its words quote what was sent, which
    /// may be a password.
    pub(crate) fn cause(&self) -> String {
        match &self.cause {
            Some(cause) => cause.to_string(),
            None if self.code == FaultCode::InvalidRequest && !self.errors.is_empty() => {
                let places: Vec<_> = self.errors.iter().take(3).map(|error| error.pointer.as_str()).collect();
                format!("at {}", places.join(", "))
            }
            None => self.detail.clone(),
        }
    }

    /// The database doesn't do now what is asked of it: it is away, read-only, or busy with others.
    fn outage(error: &StoreError) -> Self {
        tracing::warn!(%error, "the database can't serve a request");
        Self::new(FaultCode::Unavailable, "the database can't be reached or is too busy; try again shortly")
            .with_retry_after(OUTAGE)
    }

    /// A parameter or header with a value it can't have.
    pub fn bad_parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(FaultCode::InvalidRequest, format!("{name}: {detail}")).with_error(name, detail)
    }

    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The same for every problem of this code.
    pub fn title(&self) -> &'static str {
        faults::title(self.code)
    }

    fn document(&self) -> ProblemDocument {
        let pending = match self.more.as_deref() {
            Some(More::Pending(pending)) => Some(pending),
            _ => None,
        };
        ProblemDocument {
            kind: self.code.help_path(),
            title: self.title(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: self.instance.clone(),
            code: self.code,
            errors: self.errors.clone(),
            request_id: self.request_id.clone(),
            pending_token: pending.map(|pending| pending.token.expose().to_owned()),
            ways: pending.map(|pending| ways(pending.ways)).unwrap_or_default(),
        }
    }

    /// The problem that stands for a bare status, such as the router's own 404.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => {
                (FaultCode::NotFound, "there is nothing at this address; /docs lists what there is")
            }
            StatusCode::METHOD_NOT_ALLOWED => (
                FaultCode::MethodNotAllowed,
                "this address doesn't take this method; the Allow header lists what it takes",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => (FaultCode::BodyTooLarge, "the request's body is too large"),
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                (FaultCode::Unavailable, "the server didn't finish in time; try again")
            }
            StatusCode::TOO_MANY_REQUESTS => (FaultCode::TooManyRequests, "too many requests; try again later"),
            StatusCode::UNAUTHORIZED => (FaultCode::NotSignedIn, "this needs a signed-in person"),
            StatusCode::FORBIDDEN => (FaultCode::NotAllowed, "you aren't allowed to do this"),
            status if status.is_client_error() => (FaultCode::InvalidRequest, "the request can't be read"),
            _ => (FaultCode::Internal, "something went wrong inside the lab's server"),
        };
        let problem = Self::new(code, detail).with_status(status);
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.with_retry_after(OUTAGE) } else { problem }
    }
}

/// The HTTP status that a fault has when a request runs into it.
pub fn usual_status(code: FaultCode) -> StatusCode {
    match code {
        FaultCode::InvalidRequest | FaultCode::InvalidRecipe | FaultCode::TooManyWells => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        FaultCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FaultCode::NotFound => StatusCode::NOT_FOUND,
        FaultCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        FaultCode::SignInFailed | FaultCode::SecondFactorNeeded | FaultCode::NotSignedIn | FaultCode::TokenExpired => {
            StatusCode::UNAUTHORIZED
        }
        FaultCode::QuotaExhausted
        | FaultCode::NotAllowed
        | FaultCode::SecondFactorMissing
        | FaultCode::FreshProofNeeded => StatusCode::FORBIDDEN,
        FaultCode::EmailTaken | FaultCode::IdempotencyConflict | FaultCode::IllegalTransition => StatusCode::CONFLICT,
        FaultCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        FaultCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        // What is left are the devices' faults and `unavailable`: not the client's doing, and passing.
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(More::Standing(standing)) = self.more.as_deref() {
            changes::write(headers, standing);
        }
        let challenges =
            self.status == StatusCode::UNAUTHORIZED || matches!(self.challenge, Challenge::Scope(_) | Challenge::Stale);
        if let Some(challenge) = self.challenge.header().filter(|_| challenges) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        // The outer layer completes the document with the request's id and path.
        response.extensions_mut().insert(self);
        response
    }
}

fn ways(ways: Ways) -> Vec<&'static str> {
    let known = [(ways.totp, "totp"), (ways.passkey, "passkey"), (true, "recovery_code")];
    known.into_iter().filter_map(|(may, way)| may.then_some(way)).collect()
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let error = match error {
            AuthError::SecondFactorNeeded(pending) => {
                let detail = "the password is right; now send a code or a passkey with pending_token to \
                              /api/v1/auth/second-factor, within five minutes";
                let more = Some(Box::new(More::Pending(*pending)));
                return Self { more, ..Self::new(FaultCode::SecondFactorNeeded, detail) };
            }
            other => other,
        };
        let problem = |error: &AuthError| Self::new(error.code(), error.to_string());
        match &error {
            AuthError::Store(_) | AuthError::Internal(_) if error.code() == FaultCode::Internal => {
                Self::internal(&error)
            }
            AuthError::Store(error) => Self::outage(error),
            AuthError::Throttled(standing) => problem(&error).with_standing(*standing),
            AuthError::Busy => problem(&error).with_retry_after(Duration::from_secs(3)),
            AuthError::Expired => problem(&error).with_challenge(Challenge::Expired),
            AuthError::Forged => problem(&error).with_challenge(Challenge::Invalid),
            AuthError::InvalidEmail(_) => problem(&error).with_error("/email", error.to_string()),
            AuthError::InvalidPassword | AuthError::WeakPassword(_) => {
                problem(&error).with_error("/password", error.to_string())
            }
            AuthError::Group(group) => match group.pointer() {
                Some(pointer) => problem(&error).with_error(pointer, error.to_string()),
                None => problem(&error),
            },
            AuthError::InvalidUses => problem(&error).with_error("/uses", error.to_string()),
            AuthError::InvalidInvitationLife => problem(&error).with_error("/days", error.to_string()),
            AuthError::NothingToChange => problem(&error).with_error("/ids", error.to_string()),
            AuthError::Import(_) => problem(&error).with_error("/sheet", error.to_string()),
            AuthError::TooManyMails => problem(&error).with_retry_after(Duration::from_secs(60)),
            AuthError::InvalidQuota => problem(&error).with_error("/quota", error.to_string()),
            AuthError::InvalidTokenName(_) | AuthError::InvalidPasskeyName(_) => {
                problem(&error).with_error("/name", error.to_string())
            }
            AuthError::NoScope | AuthError::ScopeBeyondRole { .. } => {
                problem(&error).with_error("/scopes", error.to_string())
            }
            AuthError::InvalidTokenLife { .. } => problem(&error).with_error("/days", error.to_string()),
            _ => problem(&error),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let forbidden = match refusal {
            Refusal::NoRule => return Self::internal(&refusal),
            Refusal::Forbidden(forbidden) => forbidden,
        };
        let code = match forbidden {
            Forbidden::NeedsSecondFactor => FaultCode::SecondFactorMissing,
            Forbidden::NeedsFreshProof => FaultCode::FreshProofNeeded,
            Forbidden::Role { .. } | Forbidden::Scope { .. } | Forbidden::NeedsSignIn | Forbidden::Service(_) => {
                FaultCode::NotAllowed
            }
        };
        let problem = Self::new(code, forbidden.to_string());
        match forbidden {
            Forbidden::Scope { needed, .. } => problem.with_challenge(Challenge::Scope(needed)),
            Forbidden::Role { .. } | Forbidden::NeedsSignIn | Forbidden::NeedsSecondFactor | Forbidden::Service(_) => {
                problem
            }
            Forbidden::NeedsFreshProof => problem.with_challenge(Challenge::Stale),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            ReadError::Unreachable(_) => {
                tracing::warn!(%error, "documents can't be read");
                let detail = "the document store can't be reached: raw readings and command records can't be read now; \
                              results, the journal (/operations) and everything else can";
                Self::new(FaultCode::Unavailable, detail).with_retry_after(OUTAGE).caused_by(&error)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            error if error.is_passing() => Self::outage(&error),
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::EmailTaken => Self::new(FaultCode::EmailTaken, error.to_string()),
            StoreError::IllegalTransition { .. } => Self::new(FaultCode::IllegalTransition, error.to_string()),
            StoreError::Held => Self::new(
                FaultCode::IllegalTransition,
                "the robot is held: resume it first, since it would have to move for that",
            ),
            StoreError::AtWork
            | StoreError::PlateInUse
            | StoreError::RobotNameTaken
            | StoreError::AddressTaken(_)
            | StoreError::IdentityTaken(_)
            | StoreError::RobotChanged
            | StoreError::RobotInUse { .. } => Self::new(FaultCode::IllegalTransition, error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Invalid { code, objections } => Self::of_objections(code, objections),
            SubmitError::QuotaExhausted { wanted, remaining } => Self::new(
                FaultCode::QuotaExhausted,
                format!(
                    "{wanted} wells are asked for and {remaining} are left of your quota; ask for fewer wells, \
                     or for more quota on your account's page (/account). Nothing was charged."
                ),
            ),
            SubmitError::QueueFull { limit } => Self::new(
                FaultCode::QueueFull,
                format!(
                    "{limit} experiments wait already, which is as many as this lab lets wait; ask again in a few \
                     minutes. Nothing was charged."
                ),
            )
            .with_retry_after(QUEUE_FULL),
            SubmitError::KeyReused => Self::new(
                FaultCode::IdempotencyConflict,
                "this Idempotency-Key came before with another request; use a new key for a new request",
            )
            .with_error("Idempotency-Key", "used for another request"),
            SubmitError::AlreadyGivenBack => Self::new(
                FaultCode::IllegalTransition,
                "A doubtful well is made again without charge once, and this one was. Read the experiment again to see what is left to retry.",
            ),
            SubmitError::Store(error) => error.into(),
        }
    }
}

impl Problem {
    fn of_objections(code: FaultCode, objections: Vec<Objection>) -> Self {
        let detail = match objections.as_slice() {
            [] => "the request can't be carried out".to_owned(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            [first, ..] => {
                format!("{} things need a change; the first is {}: {}", objections.len(), first.pointer, first.detail)
            }
        };
        let mut problem = Self::new(code, detail);
        problem.errors =
            objections.into_iter().map(|Objection { pointer, detail }| FieldProblem { pointer, detail }).collect();
        problem
    }

    /// A pause, resume or cancel that makes no sense now.
    /// For what makes no sense in the state that an experiment is in.
    pub fn refused(wish: &str, status: ExperimentStatus) -> Self {
        Self::new(FaultCode::IllegalTransition, format!("an experiment that is {status} can't be {wish}"))
    }
}
