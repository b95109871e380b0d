//! Serving HTTP: one listener, bounded in connections and in how long a client may keep it waiting.
//!
//! `axum::serve` waits for ever for whoever is slow; hence hyper's own connection builder here. `door` says who is let
//! in and who has to go for it, `guest` what a connection is waiting for, `wire` and `bodies` end those that take too
//! long. Why it is so: `docs/decisions/0008-connection-limits.md`.

mod bodies;
mod door;
mod guest;
mod proxies;
mod wire;

use anyhow::anyhow;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use bodies::{Answer, Question};
use door::{Admission, Door};
use guest::Guest;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::TokioTimer,
    server::graceful::{GracefulConnection, GracefulShutdown},
};
pub use proxies::Proxies;
use rustix::net::sockopt;
use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use wire::Wire;

/// Connections that may be closing while others have taken their places.
const LEAVING: usize = 64;
/// What the kernel keeps for a client that doesn't read; it doubles it.
const SEND_BUFFER: usize = 256 * 1024;
/// For answers in flight when the process is asked to end.
const FAREWELL: Duration = Duration::from_secs(3);
/// After a failed `accept` (out of file handles): the connections that end meanwhile free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// All that somebody hears for whom there is no place.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What clients may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Of one client; nothing where a proxy has them all.
    pub connections_per_address: Option<usize>,
    /// For the head of a request, for its body, and for the next piece of an answer to be taken.
    pub patience: Duration,
    /// Who is believed what they say of where requests came from.
    pub proxies: Proxies,
}

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
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let door = Door::new(&limits);
    let sockets = Arc::new(Semaphore::new(limits.connections + LEAVING));
    loop {
        let Ok(socket) = Arc::clone(&sockets).acquire_owned().await else { break };
        let (stream, client) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let Some(admission) = door.admit(client.ip()) else {
            turn_away(stream);
            continue;
        };
        let connection = connection(stream, client, router.clone(), &admission, &limits);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // Clients hang up all the time; that is no news.
                _ = connection => {}
                () = admission.guest().asked_to_leave() => {}
            }
            drop((admission, socket));
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

/// The socket is new, so that the few bytes fit without waiting.
fn turn_away(stream: TcpStream) {
    let _ = stream.into_std().and_then(|mut stream| stream.write(NO_PLACE));
}

fn connection(
    stream: TcpStream,
    client: SocketAddr,
    router: Router,
    admission: &Admission,
    limits: &Limits,
) -> impl GracefulConnection<Error = hyper::Error> + use<> {
    let (patience, proxies) = (limits.patience, limits.proxies.clone());
    prepare(&stream, patience);
    let guest = Arc::clone(admission.guest());
    let wire = Wire::new(stream, Arc::clone(&guest), patience);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, guest, proxies) = (router.clone(), Arc::clone(&guest), proxies.clone());
        async move {
            let mut request = request.map(|body| Body::new(Question::new(body, Arc::clone(&guest), patience)));
            request.extensions_mut().insert(ConnectInfo(client));
            proxies.clear(client.ip(), request.headers_mut());
            router.oneshot(request).await.map(|response| response.map(|body| Answer::new(body, guest)))
        }
    });
    http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(patience).serve_connection(wire, service)
}

/// A socket that can't be told so is merely slower, or costs more.
fn prepare(stream: &TcpStream, patience: Duration) {
    // Small answers (an event, a status) shouldn't wait for a full packet.
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER);
    // Ends it in the kernel, too, when what was sent isn't taken: also after we have closed it.
    #[cfg(target_os = "linux")]
    let _ = sockopt::set_tcp_user_timeout(stream, u32::try_from(patience.as_millis()).unwrap_or(u32::MAX));
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
}
