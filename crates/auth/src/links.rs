//! One-time links: the way in for whoever forgot their password, was invited, or proves an address.
//!
//! Whoever asks for a link by an address hears the same after the same time whether it has an account: what is to be
//! written is decided when the mail is sent ([`Service::letter`]), and its secret is made then, so that none waits anywhere.
//! Using a link signs nobody in: whatever else a sign-in takes is asked there.

use crate::{
    AuthError, EmailAddress, Identity, Password, Registration, Secret, Service,
    secret::{Purpose, stored_hash},
    service::activity,
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::{MailKind, RegistrationId, UserId};
use serde_json::json;
use std::net::IpAddr;
use store::{Invitation, LinkTo, Mail, NewLink, NewMail, NewUser, Opened, StoreError, User};

/// Of a link that somebody asked for by mail.
const RESET_LIFE: TimeDelta = TimeDelta::hours(1);
/// Of one that proves an address.
const REGISTRATION_LIFE: TimeDelta = TimeDelta::hours(24);
/// Of one that an administrator or the command line makes for an account that is there.
pub const HANDED_LINK_LIFE: TimeDelta = TimeDelta::hours(24);
/// Of one to an account that was made for somebody.
pub const WELCOME_LIFE: TimeDelta = TimeDelta::days(14);

/// What a link did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// An account has a new password, and nobody is signed in to it any more.
    PasswordSet,
    AccountMade,
    /// An administrator decides about the account.
    Waits,
}

/// A mail as it is to be written now.
#[derive(Clone, Debug)]
pub struct Letter {
    pub says: Says,
    /// Of the link in it.
    pub secret: Option<Secret>,
    /// When that runs out.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Reset,
    Welcome,
    Register,
    /// An account was asked for where there is one.
    HasAccount,
    Invited(Invitation),
    Approved,
    /// A token of a sign-in was used twice.
    TokenReused,
}

impl Service {
    /// Somebody forgot the password of this address's account, if it has one.
    ///
    /// # Errors
    /// `InvalidEmail`, `Throttled`, `TooManyMails`; none of them says whether there is an account.
    #[boxed]
    pub async fn forgot_password(&self, email: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        self.ask_for_mail(email.parse()?, MailKind::Reset, "password_reset_asked", ip).await
    }

    /// Somebody wants an account for this address.
    ///
    /// # Errors
    /// `InvalidEmail`, `RegistrationClosed`, `OtherDomain`, `Throttled`, `TooManyMails`; none of them says whether there is
    /// an account.
    #[boxed]
    pub async fn ask_to_register(&self, email: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let email: EmailAddress = email.parse()?;
        self.policy.check_address(&email)?;
        self.ask_for_mail(email, MailKind::Registration, "registration_asked", ip).await
    }

    async fn ask_for_mail(
        &self,
        email: EmailAddress,
        kind: MailKind,
        act: &'static str,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        self.askers.charge(&email, ip)?;
        let by = activity(None, act, json!({ "email": email.as_str() }), ip);
        Ok(self.store.post_mail(&NewMail { kind, email: email.to_string(), invitation_id: None }, &by).await?)
    }

    /// What a mail says at this moment, with a link of its own that is good from now on; nothing where there is nobody to
    /// write to any more.
    ///
    /// # Errors
    /// Those of the database.
    #[boxed]
    pub async fn letter(&self, mail: &Mail) -> Result<Option<Letter>, AuthError> {
        match mail.kind {
            MailKind::Approved => Ok(Some(Letter { says: Says::Approved, secret: None, expires_at: None })),
            MailKind::TokenReused => Ok(Some(Letter { says: Says::TokenReused, secret: None, expires_at: None })),
            MailKind::Reset => self.letter_to_owner(&mail.email, Says::Reset, RESET_LIFE).await,
            MailKind::Welcome => self.letter_to_owner(&mail.email, Says::Welcome, WELCOME_LIFE).await,
            MailKind::Registration if self.store.user_by_email(&mail.email).await?.is_some() => {
                self.letter_to_owner(&mail.email, Says::HasAccount, RESET_LIFE).await
            }
            MailKind::Registration => {
                let to = LinkTo::Registration(mail.email.clone());
                self.letter_with(Says::Register, to, Utc::now() + REGISTRATION_LIFE).await
            }
            MailKind::Invitation => {
                let Some(id) = mail.invitation_id else { return Ok(None) };
                let Some(invitation) = self.store.invitation(id).await? else { return Ok(None) };
                let (to, until) = (invitation.link(), invitation.expires_at);
                self.letter_with(Says::Invited(invitation), to, until).await
            }
        }
    }

    async fn letter_to_owner(&self, email: &str, says: Says, life: TimeDelta) -> Result<Option<Letter>, AuthError> {
        let user = self.store.user_by_email(email).await?.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { return Ok(None) };
        self.letter_with(says, LinkTo::Password(user.id), Utc::now() + life).await
    }

    async fn letter_with(&self, says: Says, to: LinkTo, until: DateTime<Utc>) -> Result<Option<Letter>, AuthError> {
        let (secret, link) = new_link(to, until);
        match self.store.create_link(&link, None).await {
            // Disabled or revoked meanwhile.
            Err(StoreError::NotFound(_)) => Ok(None),
            made => {
                made?;
                Ok(Some(Letter { says, secret: Some(secret), expires_at: Some(link.expires_at) }))
            }
        }
    }

    /// Forgets the link of a letter that surely reached nobody.
    ///
    /// # Errors
    /// Those of the database.
    #[boxed]
    pub async fn unsend(&self, letter: &Letter) -> Result<(), AuthError> {
        let Some(secret) = &letter.secret else { return Ok(()) };
        Ok(self.store.forget_link(&stored_hash(Purpose::Link, secret.expose())).await?)
    }

    /// A link by which whoever has it chooses the account's password, good for `life`. `by` is who made it, nothing for the
    /// command line.
    ///
    /// # Errors
    /// `NoSuchUser` where the account is gone or disabled.
    #[boxed]
    pub async fn create_password_link(
        &self,
        user: UserId,
        life: TimeDelta,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(Secret, DateTime<Utc>), AuthError> {
        let (secret, link) = new_link(LinkTo::Password(user), Utc::now() + life);
        let by = activity(by.map(Identity::user_id), "password_link_made", json!({ "user": user }), ip);
        self.store.create_link(&link, Some(&by)).await?;
        Ok((secret, link.expires_at))
    }

    /// Writes a person a link by which they choose a new password.
    ///
    /// # Errors
    /// `TooManyMails`
    #[boxed]
    pub async fn mail_password_link(
        &self,
        user: &User,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let mail = NewMail { kind: MailKind::Reset, email: user.email.clone(), invitation_id: None };
        let by = activity(by.map(Identity::user_id), "password_link_sent", json!({ "user": user.id }), ip);
        Ok(self.store.post_mail(&mail, &by).await?)
    }

    /// What a link opens.
    ///
    /// # Errors
    /// `NoSuchLink`
    #[boxed]
    pub async fn open_link(&self, secret: &str) -> Result<Opened, AuthError> {
        self.store.open_link(&link_hash(secret)?).await?.ok_or(AuthError::NoSuchLink)
    }

    /// Uses a link, once. `email` is whose account an invitation's is to be, where it isn't bound to one.
    ///
    /// # Errors
    /// `NoSuchLink`, `InvalidEmail`, `InvalidPassword`, `WeakPassword`, `EmailTaken`, `RegistrationClosed`, `OtherDomain`,
    /// `Busy`. The link is as good as before then.
    #[boxed]
    pub async fn use_link(
        &self,
        secret: &str,
        email: Option<&str>,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<Used, AuthError> {
        let hash = link_hash(secret)?;
        match self.open_link(secret).await? {
            Opened::Password(user) => {
                password.check_strength(&user.email)?;
                let hashed = self.hasher.hash(password).await?;
                let details = json!({ "user": user.id, "via": "link" });
                let by = activity(Some(user.id), "password_changed", details, ip);
                self.store.set_password_by_link(&hash, &hashed, &by).await?;
                self.throttle.forgive(&user.email, ip).await;
                Ok(Used::PasswordSet)
            }
            Opened::Invitation(invitation) => self.accept(&hash, invitation, email, password, ip).await,
            Opened::Registration(email) => self.register(&hash, email, password, ip).await,
        }
    }

    async fn accept(
        &self,
        hash: &str,
        invitation: Invitation,
        email: Option<&str>,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<Used, AuthError> {
        self.policy.check_invitations()?;
        let email = invitation.email.as_deref().or(email).unwrap_or_default();
        let new = self.new_user(email.parse()?, password, invitation.role, invitation.quota).await?;
        let details = json!({ "user": new.id, "email": new.email, "role": new.role, "quota": new.quota, "invitation": invitation.id });
        self.store.accept_invitation(hash, &new, &activity(None, "invitation_used", details, ip)).await?;
        Ok(Used::AccountMade)
    }

    async fn register(
        &self,
        hash: &str,
        email: String,
        password: Password,
        ip: Option<IpAddr>,
    ) -> Result<Used, AuthError> {
        let email: EmailAddress = email.parse()?;
        self.policy.check_address(&email)?;
        let new = self.new_user(email, password, self.policy.role, self.policy.quota).await?;
        if self.policy.registration == Registration::Open {
            let NewUser { email, hashed_password, .. } = new;
            let created_at = Utc::now().trunc_subsecs(6);
            let asked = store::Registration { id: RegistrationId::new(), email, hashed_password, created_at };
            let details = json!({ "registration": asked.id, "email": asked.email });
            self.store.ask_for_account(hash, &asked, &activity(None, "account_asked", details, ip)).await?;
            return Ok(Used::Waits);
        }
        let details = json!({ "user": new.id, "email": new.email, "role": new.role, "quota": new.quota });
        self.store.register(hash, &new, &activity(None, "registered", details, ip)).await?;
        Ok(Used::AccountMade)
    }

    async fn new_user(
        &self,
        email: EmailAddress,
        password: Password,
        role: domain::Role,
        quota: i32,
    ) -> Result<NewUser, AuthError> {
        password.check_strength(email.as_str())?;
        let hashed_password = self.hasher.hash(password).await?;
        Ok(NewUser { id: UserId::new(), email: email.to_string(), hashed_password, role, quota })
    }
}

/// A secret and the link that it opens.
pub(crate) fn new_link(to: LinkTo, until: DateTime<Utc>) -> (Secret, NewLink) {
    let secret = Secret::random();
    let hash = stored_hash(Purpose::Link, secret.expose());
    (secret, NewLink { hash, to, expires_at: until.trunc_subsecs(6) })
}

/// Where a link is used; `site` is the lab's address, without a slash at its end.
pub fn link_address(site: &str, secret: &Secret) -> String {
    format!("{site}/link/{}", secret.expose())
}

/// Ours have 43 characters.
fn link_hash(secret: &str) -> Result<String, AuthError> {
    if secret.len() == 43 { Ok(stored_hash(Purpose::Link, secret)) } else { Err(AuthError::NoSuchLink) }
}
