//! The sensor over TCP: a virtual one, or a serial port that a bridge puts on the network.
//!
//! Every reading has a connection of its own, so that a device that was restarted or unplugged between two is met afresh.

use super::{ColourSensor, PendingReading, ReadRequest, SensorError, lines};
use crate::{AddressError, Patience};
use domain::reading::Reading;
use std::io;
use tokio::{io::BufReader, net::TcpStream, time::timeout};

/// A sensor at a TCP address.
#[derive(Debug)]
pub(super) struct TcpSensor {
    /// `host:port`.
    address: String,
    patience: Patience,
}

impl TcpSensor {
    pub fn new(url: &str, patience: Patience) -> Result<Self, AddressError> {
        let wrong = AddressError::Sensor("a sensor on TCP is at tcp://host:port, without user name or path");
        let address = url.strip_prefix("tcp://").ok_or(wrong.clone())?.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or(wrong.clone())?;
        let plain = !host.is_empty() && !host.contains(['@', '/', '?', '#', ' ']);
        if !plain || port.parse::<u16>().is_err() {
            return Err(wrong);
        }
        Ok(Self { address: address.to_owned(), patience })
    }

    async fn connect(&self) -> Result<TcpStream, SensorError> {
        let connecting = timeout(self.patience.connect, TcpStream::connect(&self.address));
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        connected.map_err(unreachable)
    }

    async fn take(&self, request: &ReadRequest) -> Result<Reading, SensorError> {
        let mut stream = BufReader::new(self.connect().await?);
        lines::ask(&mut stream, request, unreachable).await
    }
}

impl ColourSensor for TcpSensor {
    fn read(&self, request: ReadRequest) -> PendingReading<'_> {
        Box::pin(async move {
            let after = self.patience.reading;
            timeout(after, self.take(&request)).await.unwrap_or(Err(SensorError::Silent { after }))
        })
    }
}

fn unreachable(error: io::Error) -> SensorError {
    SensorError::Unreachable { detail: error.to_string() }
}
