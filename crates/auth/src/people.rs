//! What administrators do to one person's sign-ins, and to many accounts at once.

use crate::{AuthError, Identity, Password, Service, account::check_quota, password::is_outdated, service::activity};
use async_recursion::async_recursion as boxed;
use domain::UserId;
use serde_json::json;
use std::net::IpAddr;
use store::{User, UserChanges};

/// Accounts that are changed at once.
pub const MOST_AT_ONCE: usize = 200;

impl Service {
    /// Changes many accounts: all or none. `by` is who does it, nothing for the command line.
    ///
    /// # Errors
    /// `NothingToChange`, `InvalidQuota`, `NoSuchUser`; `OwnRole` and `LastAdministrator` where somebody would be without
    /// power who must keep it.
    #[boxed]
    pub async fn update_users(
        &self,
        by: Option<&Identity>,
        users: &[UserId],
        changes: UserChanges,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let mut ids = users.to_vec();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() || ids.len() > MOST_AT_ONCE || changes == UserChanges::default() {
            return Err(AuthError::NothingToChange);
        }
        changes.quota.map(check_quota).transpose()?;
        let deposes = |by: &Identity| {
            ids.contains(&by.user_id())
                && (changes.disabled == Some(true) || changes.role.is_some_and(|role| role != by.role()))
        };
        if by.is_some_and(deposes) {
            return Err(AuthError::OwnRole);
        }
        let acts: Vec<_> = ids
            .iter()
            .map(|user| {
                let mut details = json!({ "user": user });
                if let Some(role) = changes.role {
                    details["role"] = json!(role);
                }
                if let Some(quota) = changes.quota {
                    details["quota"] = json!(quota);
                }
                if let Some(disabled) = changes.disabled {
                    details["disabled"] = json!(disabled);
                }
                activity(by.map(Identity::user_id), "account_changed", details, ip)
            })
            .collect();
        Ok(self.store.update_users(&ids, changes, &acts).await?)
    }

    /// Ends all that is open of a person's: sessions, API tokens, links.
    ///
    /// # Errors
    /// `NoSuchUser`; `OwnSessions` for oneself.
    #[boxed]
    pub async fn sign_out_everywhere(
        &self,
        user: UserId,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        if by.is_some_and(|by| by.user_id() == user) {
            return Err(AuthError::OwnSessions);
        }
        let by = activity(by.map(Identity::user_id), "signed_out_everywhere", json!({ "user": user }), ip);
        Ok(self.store.sign_out_everywhere(user, &by).await?)
    }

    /// Hashes a password that was just verified as it would be hashed today, where it was hashed with less. Whoever signs in
    /// isn't kept out if that fails.
    pub(crate) async fn strengthen(&self, mut user: User, password: Password) -> User {
        if !is_outdated(&user.hashed_password) {
            return user;
        }
        let by = activity(Some(user.id), "password_rehashed", json!({ "user": user.id }), None);
        let Ok(hash) = self.hasher.hash_as_it_is(password).await else { return user };
        match self.store.rehash_password(user.id, &user.hashed_password, &hash, &by).await {
            Ok(true) => user.hashed_password = hash,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, account = %user.id, "a password couldn't be hashed anew"),
        }
        user
    }
}
