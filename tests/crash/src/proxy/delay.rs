//! Between a process and its database: every byte arrives, each direction so much later, as over a slow line.

use anyhow::{Context, Result};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc::{Receiver, Sender, channel},
    time::{Instant, sleep_until},
};

/// Pieces on their way in one direction; a sender of more has to wait, as on a real line.
const MOST_UNDER_WAY: usize = 256;
const PIECE: usize = 64 << 10;

/// A slow line to one address. It lasts until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct DelayProxy {
    address: SocketAddr,
}

/// A piece and when it arrives.
type Piece = (Instant, Vec<u8>);

impl DelayProxy {
    /// Listens on a free port and passes everything on to `target`, `by` later in each direction.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(target: SocketAddr, by: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(join(client, target, by));
                }
            }
        });
        Ok(Self { address })
    }

    /// The URL of a PostgreSQL over a line that is so slow in each direction; the URL as it is where it isn't slow at all.
    ///
    /// # Errors
    /// The URL isn't one over TCP, or there is no free port.
    pub async fn before(url: &str, by: Duration) -> Result<String> {
        if by.is_zero() {
            return Ok(url.to_owned());
        }
        let rest = url.strip_prefix("postgres://").context("only PostgreSQL can be far away")?;
        let (authority, path) = rest.split_once('/').context("a database without a name")?;
        let (role, server) = authority
            .rsplit_once('@')
            .map_or((String::new(), authority), |(role, server)| (format!("{role}@"), server));
        let server = tokio::net::lookup_host(server).await?.next().context("the database's server has no address")?;
        Ok(format!("postgres://{role}{}/{path}", Self::start(server, by).await?.address()))
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn join(client: TcpStream, target: SocketAddr, by: Duration) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(carry(from_client, to_server, by), carry(from_server, to_client, by)).map(drop)
}

async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, by: Duration) -> io::Result<()> {
    let (sender, receiver) = channel(MOST_UNDER_WAY);
    tokio::try_join!(take(from, sender, by), deliver(receiver, to)).map(drop)
}

async fn take(mut from: OwnedReadHalf, sender: Sender<Piece>, by: Duration) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = from.read(&mut buffer).await?;
        let piece = buffer.get(..length).unwrap_or_default().to_vec();
        if length == 0 || sender.send((Instant::now() + by, piece)).await.is_err() {
            return Ok(());
        }
    }
}

async fn deliver(mut receiver: Receiver<Piece>, mut to: OwnedWriteHalf) -> io::Result<()> {
    while let Some((at, piece)) = receiver.recv().await {
        sleep_until(at).await;
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_arrives_whole_and_not_before_its_time() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let target = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await.expect("echoed");
        });
        let by = Duration::from_millis(20);
        let proxy = DelayProxy::start(target, by).await.expect("a proxy");
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connected");
        let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let began = Instant::now();
        let (mut reader, mut writer) = stream.split();
        let mut received = vec![0; sent.len()];
        let (written, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
        written.and(read.map(drop)).expect("there and back");
        assert!(began.elapsed() >= by * 2);
        assert_eq!(received, sent);
    }
}
