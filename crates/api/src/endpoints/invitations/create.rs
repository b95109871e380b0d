//! `POST /invitations`

use super::InvitationView;
use crate::JsonBody;
use auth::InvitationWish;
use axum::{Json, extract::State, http::StatusCode};
use domain::Role;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use views::RoleName;

/// The invitation to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// The one address that may use it. Where the lab has a mail server, it is sent there.
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
    /// `student` unless given.
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Wells; 96 unless given.
    #[schema(minimum = 0, maximum = 1_000_000)]
    quota: Option<i32>,
    /// Accounts that it is for; 1 unless given, and with an address.
    #[schema(minimum = 1, maximum = 1_000)]
    uses: Option<u16>,
    /// Until it runs out; 14 unless given.
    #[schema(minimum = 1, maximum = 365)]
    days: Option<u16>,
    /// The name of the group that they join; then `quota` is 0 unless given.
    #[schema(max_length = 60)]
    group: Option<String>,
}

/// An invitation that was just made, with its link.
#[derive(Serialize, ToSchema)]
pub struct MadeInvitation {
    #[serde(flatten)]
    invitation: InvitationView,
    /// Whoever has it makes an account with it. Shown this once.
    #[schema(example = "https://lab.example.org/link/…")]
    url: String,
    /// Whether a mail is on its way, too.
    mailed: bool,
}

impl std::fmt::Debug for MadeInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeInvitation").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

/// Invite somebody
///
/// Whoever has the link makes an account with this role and quota.
#[utoipa::path(post, path = "/invitations", tag = "administration",
    operation_id = "invitations_create", request_body = CreateInvitation, responses(
    (status = 201, body = MadeInvitation),
    (status = 403, body = ProblemDocument, description = "Not an administrator, or registration is closed here", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "There is no such group", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The address has an account", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<CreateInvitation>,
) -> Result<(StatusCode, Json<MadeInvitation>), Problem> {
    let CreateInvitation { email, role, quota, uses, days, group } = request;
    let made = state.auth.invite(InvitationWish { email, role, quota, uses, days, group }, Some(&identity), ip).await?;
    let url = state.link(&made.secret);
    Ok((StatusCode::CREATED, Json(MadeInvitation { invitation: made.invitation.into(), url, mailed: made.mailed })))
}
