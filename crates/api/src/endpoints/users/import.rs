//! `POST /users/import`

use crate::JsonBody;
use auth::{Fate, ImportLine};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::Role;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use views::RoleName;

/// A class.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportSheet {
    /// CSV with commas, semicolons or tabs; its first line names the columns: `email`, and if wanted `name`, `role`,
    /// `quota`, `group`. At most 1,000 people and 128 kB. A name isn't stored. A group must be there; whoever joins one has no quota of
    /// their own unless it is given.
    #[schema(max_length = 131_072, example = "email,quota\nada@example.org,96\n")]
    sheet: String,
    /// Unless this is true nothing is changed: the answer says what would be.
    #[serde(default)]
    commit: bool,
}

/// What a sheet does, or would.
#[derive(Debug, Serialize, ToSchema)]
pub struct Import {
    /// Whether it was done.
    committed: bool,
    lines: Vec<ImportedLine>,
}

/// What becomes of a line.
#[derive(Serialize, ToSchema)]
pub struct ImportedLine {
    /// From 1, with the heading.
    line: u64,
    email: String,
    name: String,
    #[schema(value_type = RoleName)]
    role: Role,
    quota: i32,
    /// The group that they join.
    #[schema(required = true)]
    group: Option<String>,
    fate: FateName,
    /// Why it can't be taken.
    #[schema(required = true)]
    why: Option<String>,
    /// The way in of a new person whom no mail reaches: good once, and shown this once.
    #[schema(required = true)]
    url: Option<String>,
    #[schema(required = true)]
    expires_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for ImportedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportedLine").field("line", &self.line).field("fate", &self.fate).finish_non_exhaustive()
    }
}

/// What becomes of somebody.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FateName {
    /// An account is made.
    New,
    /// There is one, which stays as it is, but for the group that it joins.
    Known,
    /// It can't be taken; while a line is so, nothing is done.
    Fault,
}

fn shown(line: ImportLine) -> ImportedLine {
    let (fate, why) = match line.fate {
        Fate::New => (FateName::New, None),
        Fate::Known => (FateName::Known, None),
        Fate::Fault(why) => (FateName::Fault, Some(why)),
    };
    let ImportLine { line, email, name, role, quota, group, .. } = line;
    ImportedLine { line, email, name, role, quota, group, fate, why, url: None, expires_at: None }
}

/// Make the accounts of a class
///
/// All of them or none; whoever has an account is left alone. Each new person gets a one-time link to choose a password: by
/// mail, or in this answer where the lab has no mail server.
#[utoipa::path(post, path = "/users/import", tag = "administration",
    operation_id = "users_import", request_body = ImportSheet, responses(
    (status = 200, body = Import),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "Somebody made one of the accounts at this moment", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "No sheet, or a line that can't be taken", content_type = "application/problem+json"),
))]
pub async fn import(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<ImportSheet>,
) -> Result<Json<Import>, Problem> {
    if !request.commit {
        let lines = state.auth.preview_import(&request.sheet).await?.into_iter().map(shown).collect();
        return Ok(Json(Import { committed: false, lines }));
    }
    let done = state.auth.import(&request.sheet, Some(&identity), ip).await?;
    let mut ways_in = done.ways_in.iter().peekable();
    let mut lines: Vec<_> = done.lines.into_iter().map(shown).collect();
    // Both are in the sheet's order.
    for line in &mut lines {
        if let Some(way) = ways_in.next_if(|way| way.email == line.email) {
            (line.url, line.expires_at) = (Some(state.link(&way.secret)), Some(way.expires_at));
        }
    }
    Ok(Json(Import { committed: true, lines }))
}
