//! Second factors as their owner and administrators look after them: an authenticator app, recovery codes, passkeys.

use crate::{
    AuthError, Challenge, Credential, Identity, PasskeyAnswer, RelyingParty, Secret, Service,
    passkeys::{self, MOST_PASSKEYS},
    second_step::{grown, tried},
    service::activity,
    totp::{self, Typed},
};
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use domain::{PasskeyId, Role, SessionId, UserId};
use serde_json::json;
use std::{net::IpAddr, sync::Arc};
use store::{Factors, LastFactor, NewFactor, Passkey, SecondFactor, StoreError, Totp, Try};

/// How the lab goes about second factors.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub party: RelyingParty,
    /// Who may do nothing without one.
    pub required: Arc<[Role]>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { party: RelyingParty::localhost(8080), required: Arc::default() }
    }
}

/// An app's secret, shown until a code of it has come.
#[derive(Clone, Debug)]
pub struct OfferedTotp {
    /// base32, as a person types it.
    pub secret: Secret,
    /// `otpauth://…`, as an app reads it from a QR code.
    pub uri: Secret,
}

impl Service {
    /// Where people's browsers find the lab, which is where passkeys work.
    #[must_use]
    pub fn with_relying_party(mut self, party: RelyingParty) -> Self {
        self.rules.party = party;
        self
    }

    /// Who may do nothing without a second factor.
    #[must_use]
    pub fn with_second_factor_required(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.rules.required = roles.into_iter().collect();
        self
    }

    /// The site that passkeys are for.
    pub const fn relying_party(&self) -> &RelyingParty {
        &self.rules.party
    }

    /// Whether somebody in this role may do nothing without a second factor.
    pub fn needs_second_factor(&self, role: Role) -> bool {
        self.rules.required.contains(&role)
    }

    /// What a person has beside a password.
    ///
    /// # Errors
    /// Those of any read.
    #[boxed]
    pub async fn factors(&self, of: UserId) -> Result<Factors, AuthError> {
        Ok(self.store.factors(of).await?)
    }

    /// Makes a secret for a person's authenticator app. It counts when a code of it has come ([`Service::enrol_totp`]).
    ///
    /// # Errors
    /// `FactorExists` where they have one: it is removed first.
    #[boxed]
    pub async fn offer_totp(&self, to: &Identity) -> Result<OfferedTotp, AuthError> {
        let secret = totp::make();
        self.store.offer_totp(to.user_id(), secret.expose()).await?;
        Ok(OfferedTotp { uri: totp::uri(&secret, &to.user.email), secret })
    }

    /// Makes the offered app a second factor, by a code of it. Gives the recovery codes where these are the person's first.
    ///
    /// # Errors
    /// `FactorRefused` for a wrong code; `Throttled`.
    #[boxed]
    pub async fn enrol_totp(&self, by: &Identity, code: &str, ip: Option<IpAddr>) -> Result<Vec<Secret>, AuthError> {
        let session = session(by)?;
        let Typed::Code(code) = totp::read(code) else { return Err(AuthError::FactorRefused) };
        let offered = match tried(self.count_try(by.user_id(), None).await?)? {
            Some(Totp { secret, since: None }) => secret,
            Some(_) => return Err(AuthError::FactorExists),
            None => return Err(AuthError::FactorRefused),
        };
        let Some(step) = totp::step_of(&offered, &code, Utc::now().timestamp()) else {
            return Err(self.wrong_factor(by.user_id(), ip).await?);
        };
        let factor = NewFactor::Totp { secret: offered, step };
        self.enrol(by, session, &factor, json!({ "kind": "app" }), ip).await
    }

    /// What a browser is to be asked to make a passkey for a person.
    ///
    /// # Errors
    /// `TooManyPasskeys`
    #[boxed]
    pub async fn offer_passkey(&self, to: &Identity) -> Result<Challenge, AuthError> {
        let has = self.store.factors(to.user_id()).await?;
        if has.passkeys.len() >= MOST_PASSKEYS as usize {
            return Err(AuthError::TooManyPasskeys { most: MOST_PASSKEYS });
        }
        passkeys::ask_to_make(&self.keys, &self.rules.party, to, &has).await
    }

    /// Keeps the passkey that a browser made. Gives the recovery codes where these are the person's first.
    ///
    /// # Errors
    /// `InvalidPasskeyName`; `FactorRefused` where the answer isn't right; `FactorExists` where the device had one;
    /// `TooManyPasskeys`.
    #[boxed]
    pub async fn enrol_passkey(
        &self,
        by: &Identity,
        name: &str,
        answer: &PasskeyAnswer,
        ip: Option<IpAddr>,
    ) -> Result<(Passkey, Vec<Secret>), AuthError> {
        let session = session(by)?;
        let (passkey, challenge) = passkeys::made(&self.keys, &self.rules.party, by.user_id(), name, answer).await?;
        let details = json!({ "kind": "passkey", "passkey": passkey.id });
        let factor = NewFactor::Passkey { passkey: passkey.clone(), challenge, most: MOST_PASSKEYS };
        let codes = self.enrol(by, session, &factor, details, ip).await?;
        Ok((passkey, codes))
    }

    async fn enrol(
        &self,
        by: &Identity,
        session: SessionId,
        factor: &NewFactor,
        details: serde_json::Value,
        ip: Option<IpAddr>,
    ) -> Result<Vec<Secret>, AuthError> {
        let (codes, hashes) = totp::make_recovery_codes();
        let shown = match factor {
            NewFactor::Totp { .. } => SecondFactor::Code,
            NewFactor::Passkey { .. } => SecondFactor::Passkey,
        };
        let act = activity(Some(by.user_id()), "second_factor_added", details, ip);
        let are_theirs =
            self.store.add_factor((by.user_id(), session), factor, grown(by, shown), &hashes, &act).await?;
        Ok(if are_theirs { codes } else { Vec::new() })
    }

    /// Takes a person's authenticator app from them.
    ///
    /// # Errors
    /// `NoSuchFactor`; `LastFactor` where their role needs one and this is the last.
    #[boxed]
    pub async fn remove_totp(&self, by: &Identity, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let act = activity(Some(by.user_id()), "second_factor_removed", json!({ "kind": "app" }), ip);
        no_such_factor(self.store.remove_totp(by.user_id(), self.last_of(by), &act).await)
    }

    /// The same of one of their passkeys. It opens nothing from here on.
    ///
    /// # Errors
    /// As [`Service::remove_totp`].
    #[boxed]
    pub async fn remove_passkey(&self, by: &Identity, id: PasskeyId, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let details = json!({ "kind": "passkey", "passkey": id });
        let act = activity(Some(by.user_id()), "second_factor_removed", details, ip);
        no_such_factor(self.store.remove_passkey(id, by.user_id(), self.last_of(by), &act).await)
    }

    /// New recovery codes instead of those that are left. Shown this once.
    ///
    /// # Errors
    /// `NoSuchFactor` where they have no second factor.
    #[boxed]
    pub async fn renew_recovery_codes(&self, by: &Identity, ip: Option<IpAddr>) -> Result<Vec<Secret>, AuthError> {
        let (codes, hashes) = totp::make_recovery_codes();
        let act = activity(Some(by.user_id()), "recovery_codes_made", json!({}), ip);
        no_such_factor(self.store.replace_recovery_codes(by.user_id(), &hashes, &act).await)?;
        Ok(codes)
    }

    /// Takes all of somebody's factors, who lost them, and signs them out. `by` is who does it, nothing for the command
    /// line. They see it among their own acts.
    ///
    /// # Errors
    /// `NoSuchUser`; `OwnFactors` for oneself, who still has a session and could end up without a way in.
    #[boxed]
    pub async fn reset_factors(&self, of: UserId, by: Option<&Identity>, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let administrator = by.map(Identity::user_id);
        let act = activity(administrator, "second_factor_reset", json!({ "user": of }), ip);
        let theirs = activity(Some(of), "second_factor_was_reset", json!({ "by": administrator }), None);
        if administrator == Some(of) {
            return Err(AuthError::OwnFactors);
        }
        Ok(self.store.reset_factors(of, &[act, theirs]).await?)
    }

    fn last_of(&self, person: &Identity) -> LastFactor {
        if self.needs_second_factor(person.role()) { LastFactor::Stays } else { LastFactor::MayGo }
    }

    pub(crate) async fn count_try(&self, user: UserId, pending: Option<&str>) -> Result<Try, AuthError> {
        Ok(self.store.count_try(user, pending, crate::second_step::wait_after).await?)
    }
}

/// Factors are looked after by whoever signed in.
pub(crate) const fn session(of: &Identity) -> Result<SessionId, AuthError> {
    match of.shown {
        Credential::Session(session) => Ok(session),
        Credential::ApiToken { .. } | Credential::Service { .. } => Err(AuthError::Missing),
    }
}

fn no_such_factor<T>(done: Result<T, StoreError>) -> Result<T, AuthError> {
    done.map_err(|error| match error {
        StoreError::NotFound(_) => AuthError::NoSuchFactor,
        other => other.into(),
    })
}
