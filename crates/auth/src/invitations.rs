//! What administrators decide about who comes in: invitations, and people who wait for an account.

use crate::{
    AuthError, EmailAddress, GroupError, Identity, Secret, Service, USUAL_QUOTA, account::check_quota, links::new_link,
    service::activity,
};
use async_recursion::async_recursion as boxed;
use chrono::{SubsecRound, TimeDelta, Utc};
use domain::{InvitationId, MailKind, RegistrationId, Role, UserId};
use serde_json::json;
use std::net::IpAddr;
use store::{Invitation, NewMail, User};

/// Accounts that one invitation may be for.
pub const MOST_USES: u16 = 1_000;
/// Days that one may live, and usually does.
pub const LONGEST_INVITATION_DAYS: u16 = 365;
pub const USUAL_INVITATION_DAYS: u16 = 14;

/// An invitation that an administrator wants made; what isn't given is the usual.
#[derive(Clone, Debug, Default)]
pub struct InvitationWish {
    /// The one address that may use it.
    pub email: Option<String>,
    /// Student unless given.
    pub role: Option<Role>,
    /// Wells, 96 unless given.
    pub quota: Option<i32>,
    /// Accounts that it is for, 1 unless given.
    pub uses: Option<u16>,
    pub days: Option<u16>,
    /// The group that they join, by name; then 0 wells are their own unless given.
    pub group: Option<String>,
}

/// An invitation that was just made.
#[derive(Clone, Debug)]
pub struct Invited {
    pub invitation: Invitation,
    /// Of its link: this is the one time to show it.
    pub secret: Secret,
    /// Whether a mail with another link to it is on its way.
    pub mailed: bool,
}

impl Service {
    /// Makes an invitation. `by` is who does it, nothing for the command line. Where mails reach people, one that is bound to
    /// an address is sent there.
    ///
    /// # Errors
    /// `RegistrationClosed`, `InvalidEmail`, `EmailTaken`, `InvalidQuota`, `InvalidUses`, `InvalidInvitationLife`,
    /// `TooManyMails`; `NoSuchGroup`
    #[boxed]
    pub async fn invite(
        &self,
        wish: InvitationWish,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<Invited, AuthError> {
        self.policy.check_invitations()?;
        let email = wish.email.as_deref().map(str::parse::<EmailAddress>);
        let email = email.transpose()?.map(|email| email.to_string());
        let uses = wish.uses.unwrap_or(1);
        if !(1..=MOST_USES).contains(&uses) || (email.is_some() && uses != 1) {
            return Err(AuthError::InvalidUses);
        }
        let days = wish.days.unwrap_or(USUAL_INVITATION_DAYS);
        if !(1..=LONGEST_INVITATION_DAYS).contains(&days) {
            return Err(AuthError::InvalidInvitationLife);
        }
        if let Some(email) = &email
            && self.store.user_by_email(email).await?.is_some()
        {
            return Err(AuthError::EmailTaken);
        }
        let group = match wish.group.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => Some(self.store.group_by_name(name).await?.ok_or(GroupError::NoSuchGroup)?),
            None => None,
        };
        let usual_quota = if group.is_some() { 0 } else { USUAL_QUOTA };
        let now = Utc::now().trunc_subsecs(6);
        let invitation = Invitation {
            id: InvitationId::new(),
            email,
            role: wish.role.unwrap_or(Role::Student),
            quota: check_quota(wish.quota.unwrap_or(usual_quota))?,
            uses: uses.into(),
            uses_left: uses.into(),
            created_at: now,
            expires_at: now + TimeDelta::days(days.into()),
            group_id: group.map(|group| group.id),
        };
        let (secret, link) = new_link(invitation.link(), invitation.expires_at);
        let mail = invitation.email.clone().filter(|_| self.policy.mails);
        let mail = mail.map(|email| NewMail { kind: MailKind::Invitation, email, invitation_id: Some(invitation.id) });
        let Invitation { id, role, quota, .. } = invitation;
        let details = json!({ "invitation": id, "email": invitation.email, "role": role, "quota": quota, "uses": uses, "days": days, "group": invitation.group_id });
        let by = activity(by.map(Identity::user_id), "invitation_made", details, ip);
        self.store.create_invitation(&invitation, &link, mail.as_ref(), &by).await?;
        Ok(Invited { invitation, secret, mailed: mail.is_some() })
    }

    /// Ends an invitation at once.
    ///
    /// # Errors
    /// `NoSuchInvitation`
    #[boxed]
    pub async fn revoke_invitation(
        &self,
        id: InvitationId,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let by = activity(by.map(Identity::user_id), "invitation_revoked", json!({ "invitation": id }), ip);
        Ok(self.store.revoke_invitation(id, &by).await?)
    }

    /// Gives an account to somebody who waits; what isn't given is as the policy says.
    ///
    /// # Errors
    /// `NoSuchRegistration`, `EmailTaken`, `InvalidQuota`, `TooManyMails`
    #[boxed]
    pub async fn approve(
        &self,
        id: RegistrationId,
        role: Option<Role>,
        quota: Option<i32>,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<User, AuthError> {
        let (role, quota) = (role.unwrap_or(self.policy.role), check_quota(quota.unwrap_or(self.policy.quota))?);
        let asked = self.store.registration(id).await?.ok_or(AuthError::NoSuchRegistration)?;
        let user = UserId::new();
        let details = json!({ "user": user, "email": asked.email, "role": role, "quota": quota });
        let by = activity(by.map(Identity::user_id), "account_approved", details, ip);
        Ok(self.store.approve(id, user, role, quota, &by).await?)
    }

    /// Forgets that somebody waits. They aren't told.
    ///
    /// # Errors
    /// `NoSuchRegistration`
    #[boxed]
    pub async fn reject(&self, id: RegistrationId, by: Option<&Identity>, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let by = activity(by.map(Identity::user_id), "account_refused", json!({ "registration": id }), ip);
        Ok(self.store.reject(id, &by).await?)
    }
}
