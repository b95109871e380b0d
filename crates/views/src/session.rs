//! A sign-in that is open.

use chrono::{DateTime, Utc};
use domain::SessionId;
use serde::Serialize;
use std::net::IpAddr;
use store::OpenSession;
use utoipa::ToSchema;

/// Where somebody is signed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionView {
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// To the minute; null where it isn't known.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From where it was used last.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    pub ip_address: Option<IpAddr>,
    /// And with what.
    #[schema(example = "Firefox on Linux")]
    pub client: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl SessionView {
    pub fn of(session: OpenSession, current: Option<SessionId>) -> Self {
        let OpenSession { id, created_at, expires_at, last_used_at, ip_address, client } = session;
        Self { id, created_at, expires_at, last_used_at, ip_address, client, current: Some(id) == current }
    }
}
