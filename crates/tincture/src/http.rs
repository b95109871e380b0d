//! Serving HTTP: one listener, bounded in connections and in how long a client may take to say what it wants.
//!
//! `axum::serve` has no time limit for a request's head, so a client that sends one byte a minute would hold a
//! connection for ever; hence hyper's own connection builder here.

use anyhow::anyhow;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// More than this many at once wait in the kernel's backlog.
const MOST_CONNECTIONS: usize = 4_096;
/// For the head of a request, and so also for an idle kept-alive connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// For answers in flight when the process is asked to end.
const FAREWELL: Duration = Duration::from_secs(3);
/// After a failed `accept` (out of file handles): the connections that end meanwhile free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes the address.
///
/// # Errors
/// It is taken or isn't ours; the message names the flag that changes it.
pub async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error, flag))
}

/// Why an address can't be had, and what to do.
pub fn cannot_listen(address: SocketAddr, error: &io::Error, flag: &str) -> anyhow::Error {
    let choose = format!("choose another with {flag} (port 0 takes a free one)");
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!("the address {address} is taken by another program: stop it, or {choose}"),
        _ => anyhow!("the address {address} can't be used ({error}): {choose}"),
    }
}

/// Serves until `shutdown`, then lets answers in flight end for a few seconds.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let (stream, client) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let connection = graceful.watch(connection(stream, client, router.clone()));
        tokio::spawn(async move {
            // Clients hang up all the time; that is no news.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    if time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("some answers weren't finished in {} s", FAREWELL.as_secs());
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn connection(stream: TcpStream, client: SocketAddr, router: Router) -> impl GracefulConnection<Error = hyper::Error> {
    // Small answers (an event, a status) shouldn't wait for a full packet.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(client));
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
}
