//! The bodies of requests, which must come in time, and of answers; both tell the guest whose turn it is.

use super::Guest;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// Why reading a request's body failed.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the request's body didn't come in time")]
    TooSlow,
    #[error(transparent)]
    Broken(hyper::Error),
}

/// A request's body, which has to be here when the server's patience ends.
#[derive(Debug)]
pub struct Question {
    body: Incoming,
    guest: Arc<Guest>,
    ends: Option<Pin<Box<Sleep>>>,
}

impl Question {
    pub fn new(body: Incoming, guest: Arc<Guest>, patience: Duration) -> Self {
        let ends = (!body.is_end_stream()).then(|| Box::pin(sleep(patience)));
        match ends {
            Some(_) => guest.is_to_speak(),
            None => guest.has_spoken(),
        }
        Self { body, guest, ends }
    }

    fn end(&mut self) {
        if self.ends.take().is_some() {
            self.guest.has_spoken();
        }
    }
}

impl HttpBody for Question {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match frame {
            Poll::Ready(frame) => {
                if frame.is_none() || self.body.is_end_stream() {
                    self.end();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
            }
            Poll::Pending => match &mut self.ends {
                Some(ends) => ends.as_mut().poll(context).map(|()| Some(Err(BodyError::TooSlow))),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Question {
    /// Whoever answers has read as much as was wanted.
    fn drop(&mut self) {
        self.end();
    }
}

/// An answer's body. When it is out, the client may ask again.
#[derive(Debug)]
pub struct Answer {
    body: Body,
    guest: Arc<Guest>,
}

impl Answer {
    pub const fn new(body: Body, guest: Arc<Guest>) -> Self {
        Self { body, guest }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.guest.is_to_speak();
    }
}
