//! What stands between the worker and its devices and does to their conversation what networks do.
//!
//! A proxy passes everything on unless a fault was armed; a fault waits for the next message that it aims at. Both
//! proxies live in the harness, so a killed device keeps its address.

mod delay;
mod relay;
mod robot;
mod sensor;

pub use delay::DelayProxy;
pub use relay::SensorRelay;
pub use robot::{Aim, RobotFault, RobotProxy};
pub use sensor::{SensorFault, SensorProxy};

use crate::timeline::Timeline;
use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{sleep, timeout},
};

/// For a connection to the device, which is on this machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// No conversation takes longer.
const TALK_LIMIT: Duration = Duration::from_secs(120);

/// What both proxies have: an address, the device behind it, and a door that can be shut.
#[derive(Debug)]
struct Gate {
    name: String,
    address: SocketAddr,
    device: Mutex<SocketAddr>,
    shut_for: Mutex<Option<Duration>>,
    shut: Notify,
    /// Nothing gets through, in either direction, until it is switched on again.
    off: AtomicBool,
    timeline: Timeline,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    async fn open(name: &str, device: SocketAddr, timeline: Timeline) -> io::Result<(Self, TcpListener)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (device, shut_for, shut) = (Mutex::new(device), Mutex::new(None), Notify::new());
        let off = AtomicBool::new(false);
        Ok((Self { name: name.to_owned(), address, device, shut_for, shut, off, timeline }, listener))
    }

    fn shut_for(&self, time: Duration) {
        *locked(&self.shut_for) = Some(time);
        self.shut.notify_one();
    }

    fn switch(&self, on: bool) {
        if self.off.swap(!on, Ordering::SeqCst) == on {
            self.fault(if on { "is there again" } else { "is gone, until further notice" });
        }
    }

    fn is_off(&self) -> bool {
        self.off.load(Ordering::SeqCst)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let device = *locked(&self.device);
        timeout(CONNECT_LIMIT, TcpStream::connect(device)).await?
    }

    fn fault(&self, what: &str) {
        self.timeline.fault(format!("{}: {what}", self.name));
    }

    fn note(&self, what: &str) {
        self.timeline.note(format!("{}: {what}", self.name));
    }
}

/// Accepts until the end of the process; connections that were accepted go on while the door is shut.
async fn serve<P, F>(
    proxy: Arc<P>,
    gate: impl Fn(&P) -> &Gate,
    mut listener: TcpListener,
    talk: fn(Arc<P>, TcpStream) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let gate = gate(&proxy);
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(timeout(TALK_LIMIT, talk(Arc::clone(&proxy), stream)));
            },
            () = gate.shut.notified() => {
                let time = locked(&gate.shut_for).take().unwrap_or_default();
                drop(listener);
                sleep(time).await;
                listener = match reopened(gate.address).await {
                    Some(listener) => listener,
                    None => return gate.note("the proxy lost its port"),
                };
            }
        }
    }
}

async fn reopened(address: SocketAddr) -> Option<TcpListener> {
    for _ in 0..100 {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    None
}
