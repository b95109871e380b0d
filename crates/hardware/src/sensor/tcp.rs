//! The sensor over TCP: a virtual one, or a serial port that a bridge puts on the network.
//!
//! Every reading has a connection of its own, so that a device that was restarted or unplugged between two is met afresh.

use super::{ColourSensor, PendingReading, ReadRequest, SensorError, message};
use crate::{AddressError, Patience};
use domain::reading::Reading;
use std::io;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

const MOST_LINE_BYTES: u64 = 8 << 10;
/// Lines to sift for one reply before giving up on a device that only chatters.
const MOST_LINES: usize = 1_000;

/// A sensor at a TCP address.
#[derive(Debug)]
pub(super) struct TcpSensor {
    /// `host:port`.
    address: String,
    patience: Patience,
}

impl TcpSensor {
    pub fn new(url: &str, patience: Patience) -> Result<Self, AddressError> {
        let address = url.strip_prefix("tcp://").ok_or(AddressError::Sensor)?.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or(AddressError::Sensor)?;
        let plain = !host.is_empty() && !host.contains(['@', '/', '?', '#', ' ']);
        if !plain || port.parse::<u16>().is_err() {
            return Err(AddressError::Sensor);
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
        stream.write_all(&message::request_line(request)).await.map_err(unreachable)?;
        for _ in 0..MOST_LINES {
            let line = next_line(&mut stream).await.map_err(unreachable)?;
            if let Some(reply) = message::reply_to(request, &line) {
                return reply;
            }
        }
        Err(SensorError::Implausible { detail: format!("{MOST_LINES} lines and no reply among them") })
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

/// The next line; an empty one in place of one that is too long.
async fn next_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        line.clear();
        (&mut *stream).take(MOST_LINE_BYTES).read_until(b'\n', &mut line).await?;
        if line.ends_with(b"\n") {
            return Ok(if too_long { Vec::new() } else { line });
        }
        if (line.len() as u64) < MOST_LINE_BYTES {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without a reply"));
        }
        too_long = true;
    }
}
