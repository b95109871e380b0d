//! What the API has of its own beside what every request meets: live streams, kept answers, health.

use crate::{
    answers::Answers,
    endpoints::experiments::events::as_sse,
    health::{Health, ScrapeTokens},
    hub::Hub,
    streams::Streams,
};
use axum::{extract::FromRef, response::sse};
use request::AppState;
use std::time::Duration;
use tasks::Tasks;
use tokio_util::sync::CancellationToken;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    pub(crate) app: AppState,
    pub(crate) answers: Answers,
    pub(crate) health: Health,
    pub(crate) streams: Streams,
    pub(crate) hub: Hub<sse::Event>,
}

impl ApiState {
    pub fn new(app: AppState) -> Self {
        let tasks = Tasks::new(CancellationToken::new());
        Self {
            hub: Hub::new(app.store.clone(), tasks.clone(), as_sse),
            answers: Answers::default(),
            health: health(&app, ScrapeTokens::default()),
            streams: Streams::new(app.store.clone(), tasks),
            app,
        }
    }

    /// Guards the figures with tokens.
    #[must_use]
    pub fn with_scrape_tokens(mut self, tokens: ScrapeTokens) -> Self {
        self.health = health(&self.app, tokens);
        self
    }

    /// For a process that runs tasks.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.hub = Hub::new(self.app.store.clone(), tasks.clone(), as_sse);
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

fn health(app: &AppState, tokens: ScrapeTokens) -> Health {
    Health::new(app.store.clone(), tokens).with_documents(app.documents.clone()).with_auth(app.auth.clone())
}

/// Parts that an endpoint may ask for by themselves.
macro_rules! parts {
    ($($field:ident: $part:ty),+ $(,)?) => {$(
        impl FromRef<ApiState> for $part {
            fn from_ref(state: &ApiState) -> Self {
                state.$field.clone()
            }
        }
    )+};
}

parts! { app: AppState, answers: Answers, health: Health, streams: Streams, hub: Hub<sse::Event> }
