//! The service itself: signing in and out, telling who asks, and looking after accounts.

use crate::{
    ACCESS_TOKEN_LIFE, AuthError, EmailAddress, Identity, NewAccount, OneTimePassword, Password, Secret,
    account::check_quota,
    failure,
    failures::Failures,
    password::Hasher,
    secret::{Purpose, stored_hash},
    throttle::Throttle,
    token::{self, Keys},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Role, SessionId, UserId};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};
use store::{NewActivity, NewUser, Rotation, Store, StoreError, User};

/// The cookie in which the pages keep their session.
pub const SESSION_COOKIE: &str = "tincture_session";
/// The account that exists from the first start.
pub const FIRST_ADMIN_EMAIL: &str = "admin@localhost";
/// What the first administrator may ask for: ten plates.
pub const FIRST_ADMIN_QUOTA: i32 = 960;

/// How long a refresh token and a cookie session live without being used up or revoked.
const SESSION_LIFE: TimeDelta = TimeDelta::days(30);

/// Longest token looked at; our own are 43 characters (refresh, cookie) and about 500 (access).
const LONGEST_TOKEN: usize = 4_096;

/// What a program gets when it signs in.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: Secret,
    /// Good for one use; each renewal hands out the next.
    pub refresh_token: Secret,
    /// Seconds until the access token runs out.
    pub expires_in: i64,
}

/// What a browser gets when it signs in; `token` is the value of [`SESSION_COOKIE`].
#[derive(Clone, Debug)]
pub struct CookieSession {
    pub token: Secret,
    pub expires_at: DateTime<Utc>,
    pub identity: Identity,
}

/// Accounts and sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    store: Store,
    keys: Arc<Keys>,
    hasher: Hasher,
    throttle: Throttle,
    failures: Failures,
}

impl Service {
    /// Loads the signing key of this database, or makes it on first use.
    pub async fn new(store: Store) -> Result<Self, AuthError> {
        let (kid, pem) = store.signing_key(token::make_key).await?;
        let keys = Arc::new(Keys::from_pem(kid, &pem)?);
        let failures = Failures::new(store.clone());
        Ok(Self { store, keys, hasher: Hasher::new(), throttle: Throttle::new(), failures })
    }

    /// Writes down the failed sign-ins that are only counted so far; otherwise a minute later.
    pub async fn settle(&self) -> Result<(), AuthError> {
        Ok(self.failures.write().await?)
    }

    // ---- programs: access and refresh tokens

    /// Takes as long for an unknown address as for a wrong password. Logged either way.
    pub async fn sign_in(&self, email: &str, password: Password, ip: Option<IpAddr>) -> Result<Tokens, AuthError> {
        let user = self.verified(email, password, ip).await?;
        let refresh_token = Secret::random();
        let hash = stored_hash(Purpose::Refresh, refresh_token.expose());
        let session = self.store.create_session(user.id, &hash, Utc::now() + SESSION_LIFE).await?;
        self.log(Some(user.id), "sign_in", json!({ "via": "api", "session": session.id }), ip).await?;
        self.tokens(&user, session.id, refresh_token)
    }

    /// Trades a refresh token for new tokens. One used twice has been copied: its session ends.
    pub async fn refresh(&self, refresh_token: &str, ip: Option<IpAddr>) -> Result<Tokens, AuthError> {
        let hash = checked_hash(Purpose::Refresh, refresh_token)?;
        let next = Secret::random();
        let next_hash = stored_hash(Purpose::Refresh, next.expose());
        match self.store.rotate_session(&hash, &next_hash, Utc::now() + SESSION_LIFE).await? {
            Rotation::Rotated(session) => {
                let user = self.store.user(session.user_id).await?.ok_or(AuthError::Forged)?;
                self.tokens(&user, session.id, next)
            }
            Rotation::Reused(session) => {
                self.failures.note("refresh_token_reused", json!({ "session": session }), ip).await?;
                Err(AuthError::Forged)
            }
            Rotation::Refused => Err(AuthError::Forged),
        }
    }

    /// Ends the session of a refresh token. Access tokens already out run out by themselves within 15 minutes.
    pub async fn sign_out(&self, refresh_token: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        self.end(Purpose::Refresh, refresh_token, ip).await
    }

    /// Who an access token belongs to, as the database knows them now.
    pub async fn authenticate(&self, access_token: &str) -> Result<Identity, AuthError> {
        if access_token.len() > LONGEST_TOKEN {
            return Err(AuthError::Forged);
        }
        let claims = self.keys.check(access_token)?;
        let user = self.store.user(claims.sub).await?.ok_or(AuthError::Forged)?;
        Ok(Identity { user, session: claims.sid })
    }

    /// The public key as a JSON Web Key Set (RFC 7517), for services that check tokens themselves.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.keys.public()] })
    }

    fn tokens(&self, user: &User, session: SessionId, refresh_token: Secret) -> Result<Tokens, AuthError> {
        let access_token = self.keys.sign(user, session, Utc::now())?;
        Ok(Tokens { access_token, refresh_token, expires_in: ACCESS_TOKEN_LIFE.num_seconds() })
    }

    // ---- browsers: cookie sessions

    /// Like [`Service::sign_in`], for a browser.
    pub async fn start_cookie_session(
        &self,
        email: &str,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<CookieSession, AuthError> {
        let user = self.verified(email, password, ip).await?;
        let token = Secret::random();
        let expires_at = Utc::now() + SESSION_LIFE;
        let hash = stored_hash(Purpose::Cookie, token.expose());
        let session = self.store.create_session(user.id, &hash, expires_at).await?;
        self.log(Some(user.id), "sign_in", json!({ "via": "web", "session": session.id }), ip).await?;
        Ok(CookieSession { token, expires_at, identity: Identity { user, session: session.id } })
    }

    /// Who a session cookie belongs to, as the database knows them now.
    pub async fn by_cookie(&self, token: &str) -> Result<Identity, AuthError> {
        let hash = checked_hash(Purpose::Cookie, token)?;
        let (session, user) = self.store.session_by_hash(&hash).await?.ok_or(AuthError::Forged)?;
        Ok(Identity { user, session: session.id })
    }

    pub async fn end_cookie_session(&self, token: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        self.end(Purpose::Cookie, token, ip).await
    }

    /// Ending a session that isn't there is done already.
    async fn end(&self, purpose: Purpose, token: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let Ok(hash) = checked_hash(purpose, token) else { return Ok(()) };
        let Some((session, user)) = self.store.session_by_hash(&hash).await? else { return Ok(()) };
        self.store.revoke_session(session.id).await?;
        self.log(Some(user.id), "sign_out", json!({ "session": session.id }), ip).await
    }

    // ---- accounts

    /// Makes an account. `by` is who made it, nothing for the command line.
    pub async fn create_user(
        &self,
        account: NewAccount,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<User, AuthError> {
        let email: EmailAddress = account.email.parse()?;
        let quota = check_quota(account.quota)?;
        let hashed_password = self.hasher.hash(account.password).await?;
        let new = NewUser { id: UserId::new(), email: email.to_string(), hashed_password, role: account.role, quota };
        let user = self.store.create_user(new).await?;
        let details = json!({ "user": user.id, "email": user.email, "role": user.role, "quota": quota });
        self.log(by.map(Identity::user_id), "user_created", details, ip).await?;
        Ok(user)
    }

    /// Changes a role at once, for sessions that are open too.
    pub async fn set_role(&self, by: &Identity, user: UserId, role: Role, ip: Option<IpAddr>) -> Result<(), AuthError> {
        if by.user_id() == user && role != by.role() {
            return Err(AuthError::OwnRole);
        }
        self.store.set_role(user, role).await?;
        self.log(Some(by.user_id()), "role_changed", json!({ "user": user, "role": role }), ip).await
    }

    pub async fn set_quota(
        &self,
        by: &Identity,
        user: UserId,
        quota: i32,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        self.store.set_quota(user, check_quota(quota)?).await?;
        self.log(Some(by.user_id()), "quota_changed", json!({ "user": user, "quota": quota }), ip).await
    }

    /// A person's own change of password. Ends all of their sessions, this one too.
    pub async fn change_password(
        &self,
        by: &Identity,
        current: Password,
        next: Password,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let attempt = self.throttle.begin(&by.user.email, ip).await?;
        match self.hasher.verify(current, Some(by.user.hashed_password.clone())).await {
            Ok(true) => attempt.succeeded(),
            Ok(false) => return Err(AuthError::SignInFailed),
            Err(error) => {
                attempt.void();
                return Err(error);
            }
        }
        self.reset_password(by.user_id(), next).await?;
        self.log(Some(by.user_id()), "password_changed", json!({ "user": by.user_id() }), ip).await
    }

    /// Sets a password without the old one: for the command line, whoever holds the database.
    pub async fn reset_password(&self, user: UserId, next: Password) -> Result<(), AuthError> {
        let hash = self.hasher.hash(next).await?;
        Ok(self.store.set_password(user, &hash).await?)
    }

    /// Makes `admin@localhost` when there is nobody yet. Without a given password a random one is made and returned,
    /// to be printed once.
    pub async fn ensure_first_admin(&self, password: Option<Password>) -> Result<Option<OneTimePassword>, AuthError> {
        if self.store.has_users().await? {
            return Ok(None);
        }
        let one_time = password.is_none().then(OneTimePassword::random);
        let Some(password) = password.or_else(|| one_time.as_ref().map(OneTimePassword::password)) else {
            return Err(AuthError::Internal("there is neither a given nor a made password"));
        };
        let account =
            NewAccount { email: FIRST_ADMIN_EMAIL.to_owned(), password, role: Role::Admin, quota: FIRST_ADMIN_QUOTA };
        match self.create_user(account, None, None).await {
            Ok(_) => Ok(one_time),
            // Another process was faster; its password counts.
            Err(AuthError::EmailTaken) => Ok(None),
            Err(error) => Err(error),
        }
    }

    // ---- shared

    async fn verified(&self, email: &str, password: Password, ip: Option<IpAddr>) -> Result<User, AuthError> {
        let Ok(email) = email.parse::<EmailAddress>() else {
            failure::tell("no address", None, email, ip);
            return Err(AuthError::SignInFailed);
        };
        let details = json!({ "email": email.as_str() });
        let attempt = match self.throttle.begin(email.as_str(), ip).await {
            Ok(attempt) => attempt,
            Err(refused @ AuthError::Throttled(_)) => {
                self.failures.count("sign_in_failed", details, ip);
                return Err(refused);
            }
            Err(busy) => return Err(busy),
        };
        match self.with_password(&email, password, ip).await {
            Ok(Some(user)) => {
                attempt.succeeded();
                Ok(user)
            }
            Ok(None) => {
                drop(attempt);
                self.failures.note("sign_in_failed", details, ip).await?;
                Err(AuthError::SignInFailed)
            }
            Err(error) => {
                attempt.void();
                Err(error)
            }
        }
    }

    /// Nobody for a wrong password and for an unknown address, after the same time. Only the log says which it was.
    async fn with_password(
        &self,
        email: &EmailAddress,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<Option<User>, AuthError> {
        let user = self.store.user_by_email(email.as_str()).await?;
        let hash = user.as_ref().map(|user| user.hashed_password.clone());
        let right = self.hasher.verify(password, hash).await?;
        let account = user.as_ref().map(|user| user.id);
        let user = user.filter(|_| right);
        if user.is_none() {
            let reason = if account.is_some() { "wrong password" } else { "no such account" };
            failure::tell(reason, account, email.as_str(), ip);
        }
        Ok(user)
    }

    async fn log(
        &self,
        user_id: Option<UserId>,
        action: &'static str,
        details: Value,
        ip_address: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let logged = self.store.log_activity(NewActivity { user_id, action, details, ip_address }).await;
        logged.map_err(|error: StoreError| AuthError::Store(error))
    }
}

fn checked_hash(purpose: Purpose, token: &str) -> Result<String, AuthError> {
    if token.is_empty() {
        return Err(AuthError::Missing);
    }
    if token.len() > LONGEST_TOKEN {
        return Err(AuthError::Forged);
    }
    Ok(stored_hash(purpose, token))
}
