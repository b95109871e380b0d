//! What every request meets: the store, who people are, and the lab.

use crate::{Changes, LastChanges, Onward, SingleSignOn};
use chrono::{DateTime, Utc};
use documents::Documents;
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};
use store::{Position, Retention, Store};
use workflow::Lab;

/// Where the address of a client is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// The other end of the connection.
    #[default]
    Peer,
    /// The last entry of `X-Forwarded-For`, written by the one proxy in front that we trust.
    LastForwarded,
}

/// Shared by the API and the pages. A clone is a count: each request makes several.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

/// What is in it. A clone that is changed is another's no more.
#[derive(Clone, Debug)]
pub struct Shared {
    pub store: Store,
    pub auth: auth::Service,
    pub lab: Lab,
    pub documents: Documents,
    pub client_address: ClientAddress,
    /// Until then browsers may have cookies of the release before.
    pub plain_cookies_until: Option<DateTime<Utc>>,
    pub changes: Changes,
    /// How long what happened in an experiment is kept, to be told where it is gone.
    pub retention: Retention,
    pub last_changes: LastChanges,
    /// Nothing where people sign in with passwords only.
    pub single_sign_on: Option<SingleSignOn>,
    pub onward: Onward,
    /// The lab's address for people, without a slash at its end: what links lead to. Never taken from a request.
    pub site: Arc<str>,
    /// What is read has all up to there; where only what is true now is read, this says nothing.
    pub seen: Position,
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl DerefMut for AppState {
    fn deref_mut(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.0)
    }
}

impl AppState {
    pub fn new(store: Store, auth: auth::Service, lab: Lab) -> Self {
        let documents = Documents::embedded(store.clone());
        Self(Arc::new(Shared {
            store,
            auth,
            lab,
            documents,
            client_address: ClientAddress::default(),
            plain_cookies_until: None,
            changes: Changes::default(),
            retention: Retention::default(),
            last_changes: LastChanges::default(),
            single_sign_on: None,
            onward: Onward::default(),
            site: "http://localhost:8080".into(),
            seen: Position::START,
        }))
    }

    /// For a lab that people reach at this address.
    #[must_use]
    pub fn with_site(mut self, site: String) -> Self {
        self.site = site.into();
        self
    }

    /// The address of a one-time link.
    pub fn link(&self, secret: &auth::Secret) -> String {
        auth::link_address(&self.site, secret)
    }

    /// For a lab with a document store.
    #[must_use]
    pub fn with_documents(mut self, documents: Documents) -> Self {
        self.documents = documents;
        self
    }

    /// For a lab that asks a provider of identity who people are.
    #[must_use]
    pub fn with_single_sign_on(mut self, provider: SingleSignOn) -> Self {
        self.single_sign_on = Some(provider);
        self
    }

    /// For a lab whose sign-ins lead to other places, too.
    #[must_use]
    pub fn with_onward(mut self, onward: Onward) -> Self {
        self.onward = onward;
        self
    }

    /// For a server that lets one person change more or less than usual.
    #[must_use]
    pub fn with_changes(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// For a server that keeps things for longer or shorter than usual.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// For a lab that was upgraded from a release whose cookies had plain names, also behind a proxy with TLS: those count until
    /// then.
    #[must_use]
    pub fn with_plain_cookies_until(mut self, until: Option<DateTime<Utc>>) -> Self {
        self.plain_cookies_until = until;
        self
    }

    /// For a server behind one trusted proxy.
    #[must_use]
    pub fn behind_proxy(mut self) -> Self {
        self.client_address = ClientAddress::LastForwarded;
        self
    }
}
