//! Between worker and colour sensor: a line asked, a line answered. Replies that were late or doubled come back before
//! the answer to the next question, as from a hub that knows nothing of who asked.

use super::{Gate, locked, serve};
use crate::timeline::Timeline;
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::sleep,
};

const MOST_LINE: u64 = 16 << 10;
/// Replies kept to be told again.
const MOST_STALE: usize = 8;

/// What may happen to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorFault {
    /// It is never heard.
    Swallowed,
    /// The sensor reads, and its reply is lost.
    ReplyLost,
    /// The sensor reads, and its reply arrives so much later.
    LateReply {
        by: Duration,
    },
    /// The reply comes once more before the next one's.
    ToldAgain,
    /// The reply comes twice.
    Doubled,
    /// The connection breaks, and the sensor reads later, wherever it is then.
    HoldBack {
        by: Duration,
    },
    CutBefore,
    HalfReply,
    /// Noise on the line before the reply.
    Garbage,
}

/// The proxy of one sensor.
#[derive(Debug)]
pub struct SensorProxy {
    gate: Gate,
    armed: Mutex<VecDeque<(u32, SensorFault)>>,
    stale: Mutex<VecDeque<Vec<u8>>>,
}

impl SensorProxy {
    /// Listens on a free port until the process ends.
    pub async fn start(name: &str, device: SocketAddr, timeline: Timeline) -> io::Result<Arc<Self>> {
        let (gate, listener) = Gate::open(name, device, timeline).await?;
        let proxy = Arc::new(Self { gate, armed: Mutex::default(), stale: Mutex::default() });
        tokio::spawn(serve(Arc::clone(&proxy), |proxy| &proxy.gate, listener, Self::talk));
        Ok(proxy)
    }

    pub const fn address(&self) -> SocketAddr {
        self.gate.address
    }

    /// The sensor has been started anew, elsewhere.
    pub fn set_device(&self, device: SocketAddr) {
        *locked(&self.gate.device) = device;
    }

    /// The fault hits the question after `skip` others.
    pub fn arm(&self, skip: u32, fault: SensorFault) {
        locked(&self.armed).push_back((skip, fault));
    }

    /// Faults that still wait for their question.
    pub fn waiting(&self) -> usize {
        locked(&self.armed).len()
    }

    pub fn disarm(&self) {
        locked(&self.armed).clear();
    }

    /// Refuses connections for a while.
    pub fn shut_for(&self, time: Duration) {
        self.gate.fault(&format!("refuses connections for {time:?}"));
        self.gate.shut_for(time);
    }

    /// Off: it takes connections and never says a word again, as a hub whose sensor has died.
    pub fn switch_off(&self) {
        self.gate.switch(false);
    }

    pub fn switch_on(&self) {
        self.gate.switch(true);
    }

    async fn talk(self: Arc<Self>, client: TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(client);
        while let Some(question) = line(&mut client).await? {
            if self.gate.is_off() {
                return wait_for_end(&mut client).await;
            }
            let stale = std::mem::take(&mut *locked(&self.stale));
            for reply in stale {
                client.write_all(&reply).await?;
            }
            let Some(fault) = self.next_fault() else {
                let reply = self.ask(&question).await?;
                client.write_all(&reply).await?;
                continue;
            };
            self.gate.fault(&format!("{fault:?} on {}", String::from_utf8_lossy(&question).trim_end()));
            return self.spoil(fault, &mut client, &question).await;
        }
        Ok(())
    }

    fn next_fault(&self) -> Option<SensorFault> {
        let mut armed = locked(&self.armed);
        match armed.front_mut()? {
            (0, _) => armed.pop_front().map(|(_, fault)| fault),
            (skip, _) => {
                *skip -= 1;
                None
            }
        }
    }

    async fn spoil(&self, fault: SensorFault, client: &mut BufReader<TcpStream>, question: &[u8]) -> io::Result<()> {
        match fault {
            SensorFault::Swallowed => wait_for_end(client).await,
            SensorFault::ReplyLost => {
                self.ask(question).await?;
                wait_for_end(client).await
            }
            SensorFault::LateReply { by } => {
                let reply = self.ask(question).await?;
                sleep(by).await;
                self.keep(reply.clone());
                client.write_all(&reply).await?;
                wait_for_end(client).await
            }
            SensorFault::ToldAgain | SensorFault::Doubled => {
                let reply = self.ask(question).await?;
                client.write_all(&reply).await?;
                if fault == SensorFault::Doubled {
                    client.write_all(&reply).await?;
                }
                self.keep(reply);
                wait_for_end(client).await
            }
            SensorFault::HoldBack { by } => {
                client.shutdown().await?;
                sleep(by).await;
                let reply = self.ask(question).await?;
                self.keep(reply);
                Ok(())
            }
            SensorFault::CutBefore => Ok(()),
            SensorFault::HalfReply => {
                let reply = self.ask(question).await?;
                client.write_all(reply.get(..reply.len() / 2).unwrap_or_default()).await
            }
            SensorFault::Garbage => {
                client.write_all(b"#WCS# {\"sensor_data\":\n\xff\xfe\x00\n").await?;
                let reply = self.ask(question).await?;
                client.write_all(&reply).await?;
                wait_for_end(client).await
            }
        }
    }

    fn keep(&self, reply: Vec<u8>) {
        let mut stale = locked(&self.stale);
        if stale.len() < MOST_STALE {
            stale.push_back(reply);
        }
    }

    async fn ask(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut sensor = BufReader::new(self.gate.connect().await?);
        sensor.write_all(question).await?;
        line(&mut sensor).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A line with its end; nothing at the end of the stream.
async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.take(MOST_LINE).read_until(b'\n', &mut line).await?;
    Ok(line.ends_with(b"\n").then_some(line))
}

async fn wait_for_end(client: &mut BufReader<TcpStream>) -> io::Result<()> {
    while line(client).await?.is_some() {}
    Ok(())
}
