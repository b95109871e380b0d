//! How people come to an account, as the lab's configuration says, and how often strangers may ask for mail.

use crate::{
    AuthError, EmailAddress, Service,
    account::check_quota,
    client_network,
    rate::{Limiter, Policy},
};
use domain::Role;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// Wells that a new account gets unless somebody says otherwise: a plate.
pub const USUAL_QUOTA: i32 = 96;

/// Mails that one network may ask for: a class that registers.
const OF_ADDRESS: Policy = Policy { name: "mail-address", quota: 60, window: Duration::from_secs(60 * 60) };
/// That may be asked for to one address.
const OF_ACCOUNT: Policy = Policy { name: "mail-account", quota: 4, window: Duration::from_secs(60 * 60) };
/// That all strangers together may ask for, so that a flood from everywhere fills neither outbox nor log.
const OF_ALL: Policy = Policy { name: "mail", quota: 1_000, window: Duration::from_secs(60 * 60) };

/// Who may make an account for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Nobody: administrators make accounts.
    #[default]
    Closed,
    /// Whoever has an invitation's link.
    Invitation,
    /// Whoever has an address at one of these domains, lower case, and invited people.
    Domains(Vec<String>),
    /// Anybody, once an administrator agrees; and invited people at once.
    Open,
}

/// How people come to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPolicy {
    pub registration: Registration,
    /// What whoever makes an account for themselves becomes, but for invited people.
    pub role: Role,
    /// Wells that they get, 0–1 000 000.
    pub quota: i32,
    /// Whether mails reach people. Where they don't, links are shown to whoever makes them.
    pub mails: bool,
}

impl Default for AccountPolicy {
    fn default() -> Self {
        Self { registration: Registration::Closed, role: Role::Student, quota: USUAL_QUOTA, mails: false }
    }
}

impl AccountPolicy {
    /// Whether anybody may ask for an account on the pages.
    pub const fn takes_strangers(&self) -> bool {
        matches!(self.registration, Registration::Domains(_) | Registration::Open)
    }

    /// # Errors
    /// `RegistrationClosed`
    pub fn check_invitations(&self) -> Result<(), AuthError> {
        if self.registration == Registration::Closed { Err(AuthError::RegistrationClosed) } else { Ok(()) }
    }

    /// Whether this address may be registered.
    ///
    /// # Errors
    /// `RegistrationClosed`, `OtherDomain`
    pub(crate) fn check_address(&self, email: &EmailAddress) -> Result<(), AuthError> {
        match &self.registration {
            Registration::Closed | Registration::Invitation => Err(AuthError::RegistrationClosed),
            Registration::Open => Ok(()),
            Registration::Domains(domains) => {
                let domain = email.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
                let is_ours = domains.iter().any(|ours| ours == domain);
                if is_ours { Ok(()) } else { Err(AuthError::OtherDomain(domains.join(" or "))) }
            }
        }
    }
}

/// How often strangers have asked for mail. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Askers {
    addresses: Limiter<Option<IpAddr>>,
    accounts: Limiter<String>,
    all: Limiter<()>,
}

impl Askers {
    pub(crate) fn new() -> Self {
        Self { addresses: Limiter::new(OF_ADDRESS), accounts: Limiter::new(OF_ACCOUNT), all: Limiter::new(OF_ALL) }
    }

    /// The same whether the address has an account or not.
    ///
    /// # Errors
    /// `Throttled`
    pub(crate) fn charge(&self, email: &EmailAddress, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let now = Instant::now();
        self.addresses.take(ip.map(client_network), 1, now).map_err(AuthError::Throttled)?;
        self.accounts.take(email.as_str().to_owned(), 1, now).map_err(AuthError::Throttled)?;
        self.all.take((), 1, now).map_err(AuthError::Throttled)?;
        Ok(())
    }
}

impl Service {
    /// For a lab to whose accounts people come so.
    ///
    /// # Errors
    /// `InvalidQuota`
    pub fn with_account_policy(mut self, policy: AccountPolicy) -> Result<Self, AuthError> {
        check_quota(policy.quota)?;
        self.policy = policy;
        Ok(self)
    }

    /// How people come to an account here.
    pub const fn account_policy(&self) -> &AccountPolicy {
        &self.policy
    }
}
