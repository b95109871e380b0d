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
use std::{sync::Arc, time::Duration};
use tasks::Tasks;
use tokio_util::sync::CancellationToken;

/// A clone is a count: each request makes several.
#[derive(Clone, Debug)]
pub struct ApiState(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    app: AppState,
    answers: Answers,
    health: Health,
    streams: Streams,
    hub: Hub<sse::Event>,
}

impl ApiState {
    pub fn new(app: AppState) -> Self {
        let tasks = Tasks::new(CancellationToken::new());
        Self(Arc::new(Parts {
            hub: Hub::new(app.store.clone(), tasks.clone(), as_sse),
            answers: Answers::default(),
            health: health(&app, ScrapeTokens::default()),
            streams: Streams::new(app.store.clone(), tasks),
            app,
        }))
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }

    /// Guards the figures with tokens.
    #[must_use]
    pub fn with_scrape_tokens(mut self, tokens: ScrapeTokens) -> Self {
        let parts = self.parts();
        parts.health = health(&parts.app, tokens);
        self
    }

    /// For a process that runs tasks.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        let parts = self.parts();
        parts.hub = Hub::new(parts.app.store.clone(), tasks.clone(), as_sse);
        parts.streams = parts.streams.clone().with_tasks(tasks.clone());
        parts.health = parts.health.clone().with_tasks(tasks);
        self
    }

    /// How long a live stream may outlive the session of whoever follows, where nobody tells that it ended.
    #[must_use]
    pub fn with_streams_looked_at_every(mut self, between_looks: Duration) -> Self {
        let parts = self.parts();
        parts.streams = parts.streams.clone().looked_at_every(between_looks);
        self
    }

    /// Ends all live streams, so that a server can shut down; their clients resume elsewhere.
    pub fn close_streams(&self) {
        self.0.streams.close();
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
                state.0.$field.clone()
            }
        }
    )+};
}

parts! { app: AppState, answers: Answers, health: Health, streams: Streams, hub: Hub<sse::Event> }
