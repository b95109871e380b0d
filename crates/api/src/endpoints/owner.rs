//! `?user=` of a list of somebody's own: tokens, sign-ins.

use super::activity::account;
use auth::Identity;
use domain::{FaultCode, Permission, UserId};
use request::{AppState, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

/// Whose.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Owner {
    /// Id or e-mail address of an account, for administrators; one's own unless given.
    #[param(value_type = String, required = false, example = "ada@example.org")]
    user: Option<String>,
}

impl Owner {
    /// Who is meant. `what` there is of theirs, in the plural.
    pub async fn of(&self, state: &AppState, asker: &Identity, what: &str) -> Result<UserId, Problem> {
        match self.user.as_deref() {
            None => Ok(asker.user_id()),
            Some(_) if !Permission::ManageTokens.reaches_others(asker.role()) => {
                let detail = format!("others' {what} are for administrators; leave `user` out");
                Err(Problem::new(FaultCode::NotAllowed, detail))
            }
            Some(text) => account(state, "user", text).await,
        }
    }
}
