//! The second step of a sign-in, a sign-in with a passkey alone, and proving anew who one is.
//!
//! A right password of somebody with a second factor gives no session: it gives the token of a sign-in that waits, which is
//! good for one session, a few minutes and a few codes. Whoever guesses codes is slowed down by the account, in the database,
//! whichever sign-in and process they come by; a passkey can't be guessed and isn't counted.

use crate::{
    AuthError, Challenge, CookieSession, Credential, Identity, PasskeyAnswer, Password, Policy, Secret, Service,
    Standing, Tokens,
    factors::session,
    failure, passkeys,
    secret::{Purpose, stored_hash},
    service::{SESSION_LIFE, activity, checked_hash},
    totp::{self, Typed},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{SessionId, UserId};
use serde_json::json;
use std::{net::IpAddr, time::Duration};
use store::{Amr, FactorUse, FirstStep, NewSession, Proof, SecondFactor, Session, StoreError, Totp, Try, User};

/// The cookie in which the pages keep the token of a sign-in that waits.
pub const PENDING_COOKIE: &str = "tincture_pending";
/// How long the second step may take.
pub const SECOND_STEP_LIFE: TimeDelta = TimeDelta::minutes(5);
/// How long a proof of who one is is good for what is grave.
pub const PROOF_LIFE: TimeDelta = TimeDelta::minutes(10);

/// Wrong codes in a row that cost no wait.
const FREE_FAILURES: u32 = 4;
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
const POLICY: Policy = Policy { name: "second-factor", quota: FREE_FAILURES, window: Duration::from_secs(3_600) };

/// A sign-in that waits for its second step.
#[derive(Clone, Debug)]
pub struct PendingSignIn {
    /// By which it goes on.
    pub token: Secret,
    pub expires_at: DateTime<Utc>,
    pub ways: Ways,
}

/// What a sign-in waits by, before it is known for what.
pub(crate) struct Waiting {
    pub token: Secret,
    pub expires_at: DateTime<Utc>,
}

impl Waiting {
    pub fn begin() -> Self {
        Self { token: Secret::random(), expires_at: Utc::now() + SECOND_STEP_LIFE }
    }

    pub fn of(self, ways: Ways) -> PendingSignIn {
        let Self { token, expires_at } = self;
        PendingSignIn { token, expires_at, ways }
    }
}

/// How a person may take the second step; recovery codes always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    pub totp: bool,
    pub passkey: bool,
}

/// What somebody shows beside, or instead of, a password.
#[derive(Clone)]
pub enum Shown {
    /// Of an app, or a recovery code.
    Code(String),
    Passkey(PasskeyAnswer),
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Code(_) => "Code(…)",
            Self::Passkey(_) => "Passkey(…)",
        })
    }
}

impl Shown {
    const fn factor(&self) -> SecondFactor {
        match self {
            Self::Code(_) => SecondFactor::Code,
            Self::Passkey(_) => SecondFactor::Passkey,
        }
    }

    /// Whether it looks like a recovery code, of which there is one less when it was right.
    pub fn is_recovery_code(&self) -> bool {
        matches!(self, Self::Code(typed) if matches!(totp::read(typed), Typed::RecoveryCode(_)))
    }
}

/// How somebody proves anew who they are.
#[derive(Clone, Debug)]
pub enum Anew {
    Password(Password),
    Factor(Shown),
}

/// How long nobody may try a code at an account after so many wrong ones in a row: doubled with each, up to an hour.
pub(crate) fn wait_after(failures: i64) -> Option<TimeDelta> {
    let beyond = u32::try_from(failures).unwrap_or(u32::MAX).checked_sub(FREE_FAILURES + 1)?;
    Some(
        2_i32
            .checked_pow(beyond)
            .and_then(|times| FIRST_WAIT.checked_mul(times))
            .unwrap_or(LONGEST_WAIT)
            .min(LONGEST_WAIT),
    )
}

/// A try that may be looked at.
pub(crate) fn tried(outcome: Try) -> Result<Option<Totp>, AuthError> {
    match outcome {
        Try::Open(totp) => Ok(totp),
        Try::NoFactor => Err(AuthError::FactorRefused),
        Try::Over => Err(AuthError::SignInOver),
        Try::BlockedUntil(until) => {
            let wait = (until - Utc::now()).to_std().unwrap_or_default();
            Err(AuthError::Throttled(Standing { policy: POLICY, remaining: 0, wait }))
        }
    }
}

/// How a session is proved in which this was shown, too; nothing where two things were shown before.
pub(crate) fn grown(person: &Identity, factor: SecondFactor) -> Option<&'static str> {
    let proof = person.proof.as_ref();
    let has_both = proof.is_some_and(Proof::has_second_factor);
    (!has_both).then(|| Amr::of(proof.map_or(FirstStep::Password, Proof::first), factor))
}

impl Service {
    /// What a browser is to be asked so that a person shows a passkey: to sign in, for a second step, or anew.
    ///
    /// # Errors
    /// Only those of the server.
    #[boxed]
    pub async fn ask_for_passkey(&self) -> Result<Challenge, AuthError> {
        passkeys::ask(&self.keys, &self.rules.party).await
    }

    /// Begins to wait for the second step of somebody whose password was right.
    pub(crate) async fn second_step(&self, user: &User) -> Result<PendingSignIn, AuthError> {
        let waiting = Waiting::begin();
        let hash = stored_hash(Purpose::Pending, waiting.token.expose());
        let begun = self.store.begin_second_step(user, &hash, waiting.expires_at).await;
        match begun {
            // Meanwhile the password was changed or the account disabled.
            Err(StoreError::NotFound(_)) => return Err(AuthError::SignInFailed),
            begun => begun?,
        }
        Ok(waiting.of(self.ways(user.id).await?))
    }

    /// How the sign-in may go on that waits with this token.
    ///
    /// # Errors
    /// `SignInOver` where there is none, or no longer.
    #[boxed]
    pub async fn pending(&self, token: &str) -> Result<Ways, AuthError> {
        let (user, _) = self.whose_pending(&checked_hash(Purpose::Pending, token)?).await?;
        self.ways(user.id).await
    }

    async fn whose_pending(&self, hash: &str) -> Result<(User, FirstStep), AuthError> {
        self.store.waits_for_second_step(hash).await?.ok_or(AuthError::SignInOver)
    }

    pub(crate) async fn ways(&self, of: UserId) -> Result<Ways, AuthError> {
        let factors = self.store.factors(of).await?;
        Ok(Ways { totp: factors.totp_since.is_some(), passkey: !factors.passkeys.is_empty() })
    }

    /// Takes the second step of a sign-in, for a program.
    ///
    /// # Errors
    /// `FactorRefused`; `SignInOver` where it waits no longer; `Throttled`.
    #[boxed]
    pub async fn finish_sign_in(&self, pending: &str, shown: Shown, ip: Option<IpAddr>) -> Result<Tokens, AuthError> {
        let refresh_token = Secret::random();
        let hash = stored_hash(Purpose::Refresh, refresh_token.expose());
        let (session, user) = self.finish(pending, shown, hash, "api", ip).await?;
        self.tokens(&user, session.id, refresh_token).await
    }

    /// The same for a browser.
    ///
    /// # Errors
    /// As [`Service::finish_sign_in`].
    #[boxed]
    pub async fn finish_cookie_sign_in(
        &self,
        pending: &str,
        shown: Shown,
        ip: Option<IpAddr>,
    ) -> Result<CookieSession, AuthError> {
        let token = Secret::random();
        let hash = stored_hash(Purpose::Cookie, token.expose());
        let (session, user) = self.finish(pending, shown, hash, "web", ip).await?;
        Ok(self.cookie_session(token, session, user))
    }

    async fn finish(
        &self,
        pending: &str,
        shown: Shown,
        hash: String,
        via: &'static str,
        ip: Option<IpAddr>,
    ) -> Result<(Session, User), AuthError> {
        let pending = checked_hash(Purpose::Pending, pending)?;
        let (user, first) = self.whose_pending(&pending).await?;
        let amr = Amr::of(first, shown.factor());
        let factor = self.look_at(&user, Some(&pending), shown, ip).await?;
        self.begin_with(user, Some(&pending), (hash, amr), &factor, via, ip).await
    }

    /// Signs in with a passkey alone, for a program.
    ///
    /// # Errors
    /// `FactorRefused`; `Disabled`.
    #[boxed]
    pub async fn sign_in_with_passkey(&self, answer: &PasskeyAnswer, ip: Option<IpAddr>) -> Result<Tokens, AuthError> {
        let refresh_token = Secret::random();
        let hash = stored_hash(Purpose::Refresh, refresh_token.expose());
        let (session, user) = self.by_passkey(answer, hash, "api", ip).await?;
        self.tokens(&user, session.id, refresh_token).await
    }

    /// The same for a browser.
    ///
    /// # Errors
    /// As [`Service::sign_in_with_passkey`].
    #[boxed]
    pub async fn start_cookie_session_with_passkey(
        &self,
        answer: &PasskeyAnswer,
        ip: Option<IpAddr>,
    ) -> Result<CookieSession, AuthError> {
        let token = Secret::random();
        let hash = stored_hash(Purpose::Cookie, token.expose());
        let (session, user) = self.by_passkey(answer, hash, "web", ip).await?;
        Ok(self.cookie_session(token, session, user))
    }

    async fn by_passkey(
        &self,
        answer: &PasskeyAnswer,
        hash: String,
        via: &'static str,
        ip: Option<IpAddr>,
    ) -> Result<(Session, User), AuthError> {
        let (whose, used) = self.shown_passkey(answer).await?;
        let user = self.store.user(whose).await?.ok_or(AuthError::FactorRefused)?;
        if user.disabled_at.is_some() {
            failure::tell("account disabled", Some(user.id), &user.email, ip);
            return Err(AuthError::Disabled);
        }
        self.begin_with(user, None, (hash, Amr::PASSKEY), &used, via, ip).await
    }

    async fn shown_passkey(&self, answer: &PasskeyAnswer) -> Result<(UserId, FactorUse), AuthError> {
        let kept = |id: String| async move { self.store.passkey(&id).await };
        let (whose, used) = passkeys::used(&self.keys, &self.rules.party, answer, kept).await?;
        Ok((whose, FactorUse::Passkey(used)))
    }

    /// Begins a session with a new token, whatever was shown before.
    async fn begin_with(
        &self,
        user: User,
        pending: Option<&str>,
        (hash, amr): (String, &'static str),
        factor: &FactorUse,
        via: &'static str,
        ip: Option<IpAddr>,
    ) -> Result<(Session, User), AuthError> {
        let new =
            NewSession { id: SessionId::new(), user_id: user.id, hash, expires_at: Utc::now() + SESSION_LIFE, amr };
        let details = json!({ "via": via, "session": new.id, "amr": amr });
        let act = activity(Some(user.id), "sign_in", details, ip);
        match self.store.begin_proved_session(pending, &new, factor, &act).await {
            Ok(session) => Ok((session, user)),
            Err(StoreError::NotFound(_)) => Err(AuthError::SignInOver),
            Err(StoreError::FactorRefused) => Err(self.wrong_factor(user.id, ip).await?),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn cookie_session(&self, token: Secret, session: Session, user: User) -> CookieSession {
        let expires_at = session.expires_at;
        CookieSession { token, expires_at, identity: self.identity(session, user) }
    }

    /// Who somebody is in this session.
    pub(crate) fn identity(&self, session: Session, user: User) -> Identity {
        let lacks_factor = self.needs_second_factor(user.role) && !session.proof.has_second_factor();
        Identity { user, shown: Credential::Session(session.id), proof: Some(session.proof), lacks_factor }
    }

    /// Proves anew in a session who its person is.
    ///
    /// # Errors
    /// `SignInFailed` for a wrong password, `FactorRefused` for anything else that is wrong; `Throttled`, `Busy`.
    #[boxed]
    pub async fn prove(&self, by: &Identity, shown: Anew, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let session = session(by)?;
        let (factor, amr, how) = match shown {
            Anew::Password(password) => {
                self.check_own_password(by, password, ip).await?;
                (None, None, "password")
            }
            Anew::Factor(shown) => {
                let amr = grown(by, shown.factor());
                let how = match shown {
                    Shown::Code(_) => "code",
                    Shown::Passkey(_) => "passkey",
                };
                (Some(self.look_at(&by.user, None, shown, ip).await?), amr, how)
            }
        };
        let act = activity(Some(by.user_id()), "identity_proved", json!({ "session": session, "with": how }), ip);
        match self.store.prove_session(session, by.user_id(), factor.as_ref(), amr, &act).await {
            Err(StoreError::NotFound(_)) => Err(AuthError::Forged),
            Err(StoreError::FactorRefused) => Err(self.wrong_factor(by.user_id(), ip).await?),
            done => Ok(done?),
        }
    }

    /// What is used up by what somebody shows, if it is theirs and right.
    async fn look_at(
        &self,
        user: &User,
        pending: Option<&str>,
        shown: Shown,
        ip: Option<IpAddr>,
    ) -> Result<FactorUse, AuthError> {
        match shown {
            Shown::Passkey(answer) => match self.shown_passkey(&answer).await {
                Ok((whose, used)) if whose == user.id => Ok(used),
                Ok(_) | Err(AuthError::FactorRefused) => {
                    // Not counted as tries are, so told as failed sign-ins are: a flood is few lines.
                    failure::tell("wrong passkey", Some(user.id), "", ip);
                    self.failures.note("second_factor_failed", json!({ "user": user.id }), ip).await?;
                    Err(AuthError::FactorRefused)
                }
                Err(error) => Err(error),
            },
            Shown::Code(typed) => {
                let totp = tried(self.count_try(user.id, pending).await?)?;
                match (totp::read(&typed), totp) {
                    (Typed::RecoveryCode(hash), _) => Ok(FactorUse::RecoveryCode { hash }),
                    (Typed::Code(code), Some(Totp { secret, since: Some(_) })) => {
                        match totp::step_of(&secret, &code, Utc::now().timestamp()) {
                            Some(step) => Ok(FactorUse::Totp { step }),
                            None => Err(self.wrong_factor(user.id, ip).await?),
                        }
                    }
                    _ => Err(self.wrong_factor(user.id, ip).await?),
                }
            }
        }
    }

    /// Writes down that something wrong was shown for somebody whose password may be known: they see it among their acts.
    /// How often that happens is bounded by how often codes may be tried.
    pub(crate) async fn wrong_factor(&self, user: UserId, ip: Option<IpAddr>) -> Result<AuthError, AuthError> {
        failure::tell("wrong second factor", Some(user), "", ip);
        self.store.log_activity(activity(Some(user), "second_factor_failed", json!({}), ip)).await?;
        Ok(AuthError::FactorRefused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_longer_each_time_up_to_an_hour() {
        let waits: Vec<_> = (0..12).map(|failures| wait_after(failures).map(|wait| wait.num_seconds())).collect();
        let expected = [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1_920].map(|wait| (wait > 0).then_some(wait));
        assert_eq!(waits, expected);
        for failures in [12, 13, 100, i64::MAX] {
            assert_eq!(wait_after(failures), Some(LONGEST_WAIT));
        }
    }
}
