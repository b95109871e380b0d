//! Accepting connections as uvicorn does: one that asks nothing for five seconds is closed.

use super::faults::Lost;
use axum::{Router, extract::Request, response::Response};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

/// How long a connection may be idle (uvicorn's `timeout_keep_alive`).
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// More connections than this wait to be accepted.
const MOST_CONNECTIONS: usize = 128;
/// How long requests in flight get at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Serves until `off` is done, then lets requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, off: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    tokio::pin!(off);
    loop {
        tokio::select! {
            () = &mut off => break,
            Some((stream, place)) = accept(&listener, &places) => attend(stream, place, router.clone(), &graceful),
        }
    }
    drop(listener);
    // Whoever still waits after this is cut off with the runtime.
    drop(tokio::time::timeout(PATIENCE, graceful.shutdown()).await);
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, place)),
            // Out of file handles, or a peer gone before it was met: neither is the listener's end.
            Err(error) => {
                tracing::warn!(%error, "a connection to the robot wasn't accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The answer was asked to be lost.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer, as was asked for")]
struct NoAnswer;

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, NoAnswer> {
    let Ok(response) = TowerToHyperService::new(router).call(request).await;
    if response.extensions().get::<Lost>().is_some() { Err(NoAnswer) } else { Ok(response) }
}

fn attend(stream: TcpStream, place: OwnedSemaphorePermit, router: Router, graceful: &GracefulShutdown) {
    // Small answers go out at once; a socket that can't be told so is merely slower.
    drop(stream.set_nodelay(true));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(router.clone(), request)));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the robot ended");
        }
    });
}
