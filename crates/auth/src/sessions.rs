//! A person's own look at their sign-ins, and an administrator's.

use crate::{AuthError, Identity, Service, service::activity};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{Permission, SessionId, UserId};
use serde_json::json;
use std::net::IpAddr;
use store::{OpenSession, SessionUse};

impl Service {
    /// Where somebody is signed in, at most 200, the newest first.
    #[boxed]
    pub async fn open_sessions(&self, of: UserId) -> Result<Vec<OpenSession>, AuthError> {
        Ok(self.store.open_sessions(of).await?)
    }

    /// Ends one sign-in at once: one's own, or anybody's for who looks after people. Gives whose it was.
    ///
    /// # Errors
    /// `NoSuchSession` where there is none, or it is somebody else's and `by` doesn't look after others'; `OwnSession` for the one
    /// in which they ask.
    #[boxed]
    pub async fn end_session(&self, id: SessionId, by: &Identity, ip: Option<IpAddr>) -> Result<UserId, AuthError> {
        if by.session() == Some(id) {
            return Err(AuthError::OwnSession);
        }
        let owner = self.store.owner_of_session(id).await?.ok_or(AuthError::NoSuchSession)?;
        if by.user_id() != owner && !Permission::ManageTokens.reaches_others(by.role()) {
            return Err(AuthError::NoSuchSession);
        }
        let act = activity(Some(by.user_id()), "session_ended", json!({ "session": id, "user": owner }), ip);
        self.store.revoke_session(id, &act).await?;
        Ok(owner)
    }

    /// Ends all sign-ins of whoever asks but the one with which they do. API tokens stay.
    ///
    /// # Errors
    /// `NoSuchSession` for a program with an API token, which has none to stay in.
    #[boxed]
    pub async fn end_other_sessions(&self, by: &Identity, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let this = by.session().ok_or(AuthError::NoSuchSession)?;
        let details = json!({ "user": by.user_id(), "session": this });
        let act = activity(Some(by.user_id()), "signed_out_elsewhere", details, ip);
        Ok(self.store.end_other_sessions(by.user_id(), this, &act).await?)
    }

    /// Somebody asked for something in a session. Written down beside the requests, once a minute: only then `from` is asked
    /// from where and with what.
    pub fn note_session_used(&self, by: &Identity, from: impl FnOnce() -> (Option<IpAddr>, Option<String>)) {
        if let Some(session) = by.session() {
            self.uses.note_session(session, Utc::now(), |at| {
                let (ip_address, client) = from();
                SessionUse { at, ip_address, client }
            });
        }
    }

    /// When a token of a person's sign-in was used twice, unless they have read that.
    #[boxed]
    pub async fn unseen_reuse(&self, of: UserId) -> Result<Option<DateTime<Utc>>, AuthError> {
        Ok(self.store.unseen_reuse(of).await?)
    }

    #[boxed]
    pub async fn see_reuse(&self, by: &Identity) -> Result<(), AuthError> {
        Ok(self.store.see_reuse(by.user_id()).await?)
    }
}
