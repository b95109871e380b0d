//! The service itself: signing in and out, telling who asks, and looking after accounts.

use crate::{
    ACCESS_TOKEN_LIFE, AuthError, EmailAddress, Identity, NewAccount, OneTimePassword, Password, Secret,
    account::check_quota,
    api_token::{API_TOKEN_PREFIX, SERVICE_TOKEN_PREFIX, Uses},
    callers::Callers,
    external::Passwords,
    factors::Rules,
    failure,
    failures::Failures,
    keys::Keys,
    password::Hasher,
    policy::{AccountPolicy, Askers},
    secret::{Purpose, stored_hash},
    throttle::Throttle,
    tokens::LONGEST_TOKEN_DAYS,
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Role, SessionId, UserId};
use serde_json::{Value, json};
use std::net::IpAddr;
use store::{Moment, NewActivity, NewUser, Rotation, Session, Store, StoreError, User, UserChanges};

/// The cookie in which the pages keep their session.
pub const SESSION_COOKIE: &str = "tincture_session";
/// The account that exists from the first start.
pub const FIRST_ADMIN_EMAIL: &str = "admin@localhost";
/// What the first administrator may ask for: ten plates.
pub const FIRST_ADMIN_QUOTA: i32 = 960;

/// How long a refresh token and a cookie session live without being used up or revoked.
pub const SESSION_LIFE: TimeDelta = TimeDelta::days(30);

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

/// Accounts, sessions and API tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    callers: Callers,
    pub(crate) hasher: Hasher,
    pub(crate) policy: AccountPolicy,
    pub(crate) askers: Askers,
    pub(crate) throttle: Throttle,
    pub(crate) failures: Failures,
    pub(crate) uses: Uses,
    pub(crate) longest_token_days: u16,
    pub(crate) rules: Rules,
    pub(crate) passwords: Passwords,
}

impl Service {
    /// Loads the signing keys of this database, or makes the first.
    #[boxed]
    pub async fn new(store: Store) -> Result<Self, AuthError> {
        let keys = Keys::load(store.clone()).await?;
        Ok(Self {
            keys,
            callers: Callers::new(),
            hasher: Hasher::new(),
            policy: AccountPolicy::default(),
            askers: Askers::new(),
            throttle: Throttle::new(store.clone()),
            failures: Failures::new(store.clone()),
            uses: Uses::new(store.clone()),
            longest_token_days: LONGEST_TOKEN_DAYS,
            rules: Rules::default(),
            passwords: Passwords::default(),
            store,
        })
    }

    /// Writes down what is only gathered so far: failed sign-ins, and when API tokens were used. Otherwise a while later.
    #[boxed]
    pub async fn settle(&self) -> Result<(), AuthError> {
        self.uses.write().await;
        self.throttle.settle().await;
        Ok(self.failures.write().await?)
    }

    // ---- programs: access and refresh tokens

    /// Takes as long for an unknown address as for a wrong password. Logged either way.
    #[boxed]
    pub async fn sign_in(&self, email: &str, password: Password, ip: Option<IpAddr>) -> Result<Tokens, AuthError> {
        let user = self.verified(email, password, ip).await?;
        let refresh_token = Secret::random();
        let hash = stored_hash(Purpose::Refresh, refresh_token.expose());
        let session = self.begin(&user, &hash, "api", ip).await?;
        self.tokens(&user, session.id, refresh_token).await
    }

    /// Trades a refresh token for new tokens. One used twice has been copied: its session ends.
    #[boxed]
    pub async fn refresh(&self, refresh_token: &str, ip: Option<IpAddr>) -> Result<Tokens, AuthError> {
        let hash = checked_hash(Purpose::Refresh, refresh_token)?;
        let next = Secret::random();
        let next_hash = stored_hash(Purpose::Refresh, next.expose());
        match self.store.rotate_session(&hash, &next_hash, Utc::now() + SESSION_LIFE, ip).await? {
            Rotation::Rotated(session) => {
                let user = self.store.user(session.user_id).await?.ok_or(AuthError::Forged)?;
                self.tokens(&user, session.id, next).await
            }
            Rotation::Reused(_) | Rotation::Refused => Err(AuthError::Forged),
        }
    }

    /// Ends the session of a refresh token, and with it the access tokens that are out.
    #[boxed]
    pub async fn sign_out(&self, refresh_token: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        self.end(Purpose::Refresh, refresh_token, ip).await
    }

    /// Who an access token belongs to, while the session lives that it came from, or an API token; as the database knew
    /// them a moment ago, with all that this process changed since.
    #[boxed]
    pub async fn authenticate(&self, access_token: &str) -> Result<Identity, AuthError> {
        if access_token.len() > LONGEST_TOKEN {
            return Err(AuthError::Forged);
        }
        let changes = self.store.account_changes();
        let read = Moment::after(changes);
        if let Some(identity) = self.callers.known(access_token, changes) {
            return Ok(identity);
        }
        let (identity, expires_at) = if access_token.starts_with(API_TOKEN_PREFIX) {
            self.by_api_token(access_token).await?
        } else if access_token.starts_with(SERVICE_TOKEN_PREFIX) {
            self.by_service_token(access_token).await?
        } else {
            self.by_access_token(access_token).await?
        };
        self.callers.keep(access_token, &identity, expires_at, read);
        Ok(identity)
    }

    /// The same, and until when (seconds since 1970).
    async fn by_access_token(&self, token: &str) -> Result<(Identity, i64), AuthError> {
        let claims = self.keys.check(token).await?;
        let found = self.store.user_in_session(claims.sid, claims.sub).await?;
        let (session, user) = found.ok_or(AuthError::Forged)?;
        Ok((self.identity(session, user), claims.exp))
    }

    /// The keys, to be looked after.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) async fn tokens(
        &self,
        user: &User,
        session: SessionId,
        refresh_token: Secret,
    ) -> Result<Tokens, AuthError> {
        let access_token = self.keys.sign(user, session).await?;
        Ok(Tokens { access_token, refresh_token, expires_in: ACCESS_TOKEN_LIFE.num_seconds() })
    }

    // ---- browsers: cookie sessions

    /// Like [`Service::sign_in`], for a browser.
    #[boxed]
    pub async fn start_cookie_session(
        &self,
        email: &str,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<CookieSession, AuthError> {
        let user = self.verified(email, password, ip).await?;
        let token = Secret::random();
        let hash = stored_hash(Purpose::Cookie, token.expose());
        let session = self.begin(&user, &hash, "web", ip).await?;
        Ok(self.cookie_session(token, session, user))
    }

    /// Who a session cookie belongs to, as the database knows them now.
    #[boxed]
    pub async fn by_cookie(&self, token: &str) -> Result<Identity, AuthError> {
        let hash = checked_hash(Purpose::Cookie, token)?;
        let (session, user) = self.store.session_by_hash(&hash).await?.ok_or(AuthError::Forged)?;
        Ok(self.identity(session, user))
    }

    #[boxed]
    pub async fn end_cookie_session(&self, token: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        self.end(Purpose::Cookie, token, ip).await
    }

    /// Ending a session that isn't there is done already.
    async fn end(&self, purpose: Purpose, token: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let Ok(hash) = checked_hash(purpose, token) else { return Ok(()) };
        let Some((session, user)) = self.store.session_by_hash(&hash).await? else { return Ok(()) };
        let by = activity(Some(user.id), "sign_out", json!({ "session": session.id }), ip);
        Ok(self.store.revoke_session(session.id, &by).await?)
    }

    // ---- accounts

    /// Makes an account. `by` is who made it, nothing for the command line.
    #[boxed]
    pub async fn create_user(
        &self,
        account: NewAccount,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<User, AuthError> {
        let email: EmailAddress = account.email.parse()?;
        let quota = check_quota(account.quota)?;
        account.password.check_strength(email.as_str())?;
        let hashed_password = self.hasher.hash(account.password).await?;
        let new = NewUser { id: UserId::new(), email: email.to_string(), hashed_password, role: account.role, quota };
        let details = json!({ "user": new.id, "email": new.email, "role": new.role, "quota": quota });
        let by = activity(by.map(Identity::user_id), "user_created", details, ip);
        Ok(self.store.create_user(new, &by).await?)
    }

    /// Changes an account at once, for sessions that are open too: all of it or nothing. `by` is who does it, nothing for
    /// the command line.
    ///
    /// # Errors
    /// `OwnRole` and `LastAdministrator` where somebody would be without power who must keep it; `InvalidQuota`;
    /// `NoSuchUser`.
    #[boxed]
    pub async fn update_user(
        &self,
        by: Option<&Identity>,
        user: UserId,
        changes: UserChanges,
        ip: Option<IpAddr>,
    ) -> Result<User, AuthError> {
        changes.quota.map(check_quota).transpose()?;
        let deposes_oneself = |by: &Identity| {
            by.user_id() == user
                && (changes.disabled == Some(true) || changes.role.is_some_and(|role| role != by.role()))
        };
        if by.is_some_and(deposes_oneself) {
            return Err(AuthError::OwnRole);
        }
        let act = |action, details| activity(by.map(Identity::user_id), action, details, ip);
        let acts: Vec<_> = [
            changes.role.map(|role| act("role_changed", json!({ "user": user, "role": role }))),
            changes.quota.map(|quota| act("quota_changed", json!({ "user": user, "quota": quota }))),
            changes.disabled.map(|disabled| {
                act(if disabled { "account_disabled" } else { "account_enabled" }, json!({ "user": user }))
            }),
        ]
        .into_iter()
        .flatten()
        .collect();
        Ok(self.store.update_user(user, changes, &acts).await?)
    }

    /// Makes all that a person did nobody's ([`Store::erase_person`]). `confirmed` is their address again, so that nobody
    /// is erased for another.
    ///
    /// # Errors
    /// `NotConfirmed`, `NoSuchUser`, `OwnRole` for oneself, `LastAdministrator`, `Unfinished`. Nothing was written then.
    #[boxed]
    pub async fn erase(
        &self,
        by: Option<&Identity>,
        user: UserId,
        confirmed: &str,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        if by.is_some_and(|by| by.user_id() == user) {
            return Err(AuthError::OwnRole);
        }
        let account = self.store.user(user).await?.ok_or(AuthError::NoSuchUser)?;
        if account.email != confirmed.trim().to_lowercase() {
            return Err(AuthError::NotConfirmed);
        }
        let act = activity(by.map(Identity::user_id), "person_erased", json!({ "user": user }), ip);
        Ok(self.store.erase_person(user, &act).await?)
    }

    /// A person's own change of password. Ends all of their sessions, this one too, and all API tokens.
    #[boxed]
    pub async fn change_password(
        &self,
        by: &Identity,
        current: Password,
        next: Password,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        self.check_own_password(by, current, ip).await?;
        self.replace_password(by.user_id(), next, Some(by), ip).await
    }

    /// Whether this is the password of whoever asks.
    pub(crate) async fn check_own_password(
        &self,
        by: &Identity,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let attempt = self.throttle.begin(&by.user.email, ip).await?;
        match self.hasher.verify(password, Some(by.user.hashed_password.clone())).await {
            Ok(true) => attempt.succeeded().await,
            Ok(false) => {
                attempt.failed().await;
                return Err(AuthError::SignInFailed);
            }
            Err(error) => {
                attempt.void();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sets a password without the old one: for the command line, whoever holds the database.
    #[boxed]
    pub async fn reset_password(&self, user: UserId, next: Password) -> Result<(), AuthError> {
        self.replace_password(user, next, None, None).await
    }

    async fn replace_password(
        &self,
        user: UserId,
        next: Password,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let account = self.store.user(user).await?.ok_or(AuthError::NoSuchUser)?;
        next.check_strength(&account.email)?;
        let hash = self.hasher.hash(next).await?;
        let by = activity(by.map(Identity::user_id), "password_changed", json!({ "user": user }), ip);
        Ok(self.store.set_password(user, &hash, &by).await?)
    }

    /// Makes `admin@localhost` when there is nobody yet. Without a given password a random one is made and returned,
    /// to be printed once.
    #[boxed]
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
                failure::tell("too many tries", None, email.as_str(), ip);
                self.failures.count("sign_in_failed", details, ip);
                return Err(refused);
            }
            Err(busy) => return Err(busy),
        };
        match self.with_password(&email, password, ip).await {
            Ok(Some(user)) => {
                attempt.succeeded().await;
                let refused = match self.passwords.check(&user) {
                    _ if user.disabled_at.is_some() => ("account disabled", AuthError::Disabled),
                    Err(refused) => ("no password where a provider vouches", refused),
                    Ok(()) => return Ok(user),
                };
                failure::tell(refused.0, Some(user.id), email.as_str(), ip);
                let details = json!({ "email": email.as_str(), "reason": refused.0 });
                self.failures.note("sign_in_failed", details, ip).await?;
                Err(refused.1)
            }
            Ok(None) => {
                attempt.failed().await;
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
        let right = self.hasher.verify(password.clone(), hash).await?;
        let account = user.as_ref().map(|user| user.id);
        let user = user.filter(|_| right);
        if user.is_none() {
            let reason = if account.is_some() { "wrong password" } else { "no such account" };
            failure::tell(reason, account, email.as_str(), ip);
        }
        match user {
            Some(user) => Ok(Some(self.strengthen(user, password).await)),
            None => Ok(None),
        }
    }

    /// Begins a session of somebody just verified.
    async fn begin(
        &self,
        user: &User,
        hash: &str,
        via: &'static str,
        ip: Option<IpAddr>,
    ) -> Result<Session, AuthError> {
        let id = SessionId::new();
        let by = activity(Some(user.id), "sign_in", json!({ "via": via, "session": id }), ip);
        match self.store.create_session(id, user, hash, Utc::now() + SESSION_LIFE, &by).await {
            // Meanwhile the password was changed or the account disabled.
            Err(StoreError::NotFound(_)) => Err(AuthError::SignInFailed),
            Err(StoreError::SecondFactorNeeded) => {
                Err(AuthError::SecondFactorNeeded(Box::new(self.second_step(user).await?)))
            }
            begun => Ok(begun?),
        }
    }
}

pub(crate) fn activity(
    user_id: Option<UserId>,
    action: &'static str,
    details: Value,
    ip_address: Option<IpAddr>,
) -> NewActivity {
    NewActivity { user_id, action, details, ip_address }
}

pub(crate) fn checked_hash(purpose: Purpose, token: &str) -> Result<String, AuthError> {
    if token.is_empty() {
        return Err(AuthError::Missing);
    }
    if token.len() > LONGEST_TOKEN {
        return Err(AuthError::Forged);
    }
    Ok(stored_hash(purpose, token))
}
