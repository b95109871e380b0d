//! `/registrations`: people who asked for an account and wait for an administrator.

pub mod approve;
pub mod list;
pub mod refuse;

use chrono::{DateTime, Utc};
use domain::RegistrationId;
use serde::Serialize;
use store::Registration;
use utoipa::ToSchema;

/// Somebody who waits for an account. Their address is proven.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RegistrationView {
    #[schema(value_type = uuid::Uuid)]
    id: RegistrationId,
    #[schema(example = "ada@example.org")]
    email: String,
    created_at: DateTime<Utc>,
}

impl From<Registration> for RegistrationView {
    fn from(asked: Registration) -> Self {
        Self { id: asked.id, email: asked.email, created_at: asked.created_at }
    }
}
