//! What every request shares: the store, who people are, the lab, and the live streams with their bounds.

use crate::{
    Changes,
    endpoints::experiments::events::as_sse,
    finished::Finished,
    health::{Health, ScrapeTokens},
    hub::Hub,
    streams::Streams,
};
use axum::{extract::FromRef, response::sse};
use std::time::Duration;
use store::Store;
use tasks::Tasks;
use tokio_util::sync::CancellationToken;
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

/// Shared by the API and the pages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState {
    pub store: Store,
    pub auth: auth::Service,
    pub lab: Lab,
    pub client_address: ClientAddress,
    pub changes: Changes,
    pub(crate) finished: Finished,
    pub(crate) health: Health,
    pub(crate) streams: Streams,
    pub(crate) hub: Hub<sse::Event>,
}

impl AppState {
    pub fn new(store: Store, auth: auth::Service, lab: Lab) -> Self {
        let tasks = Tasks::new(CancellationToken::new());
        Self {
            hub: Hub::new(store.clone(), tasks.clone(), as_sse),
            finished: Finished::default(),
            health: Health::new(store.clone(), ScrapeTokens::default()),
            streams: Streams::new(store.clone(), tasks),
            store,
            auth,
            lab,
            client_address: ClientAddress::default(),
            changes: Changes::default(),
        }
    }

    /// For a server that lets one person change more or less than usual.
    #[must_use]
    pub fn with_changes(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// For a server behind one trusted proxy.
    #[must_use]
    pub const fn behind_proxy(mut self) -> Self {
        self.client_address = ClientAddress::LastForwarded;
        self
    }

    /// Guards the figures with tokens.
    #[must_use]
    pub fn with_scrape_tokens(mut self, tokens: ScrapeTokens) -> Self {
        self.health = Health::new(self.store.clone(), tokens);
        self
    }

    /// For a process that runs tasks.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.hub = Hub::new(self.store.clone(), tasks.clone(), as_sse);
        self.streams = self.streams.with_tasks(tasks.clone());
        self.health = self.health.with_tasks(tasks);
        self
    }

    /// How long a live stream may outlive the session of whoever follows, where nobody tells that it ended.
    #[must_use]
    pub fn with_streams_looked_at_every(mut self, between_looks: Duration) -> Self {
        self.streams = self.streams.looked_at_every(between_looks);
        self
    }

    /// Ends all live streams, so that a server can shut down; their clients resume elsewhere.
    pub fn close_streams(&self) {
        self.streams.close();
    }
}

impl FromRef<AppState> for Health {
    fn from_ref(state: &AppState) -> Self {
        state.health.clone()
    }
}
