//! Between worker and robot: HTTP-aware as far as it must be to know one request from the next and a command from a
//! question. Every request gets a connection of its own to the robot.

use super::{Gate, locked, serve};
use crate::timeline::Timeline;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

const MOST_HEAD: usize = 64 << 10;
const MOST_BODY: usize = 4 << 20;
const MOST_ANSWER: u64 = 64 << 20;

/// What may happen to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotFault {
    /// The connection breaks; the robot never sees the request.
    CutBefore,
    /// The robot gets the request; the connection breaks this much later, whether it has answered or not.
    CutAfter {
        linger: Duration,
    },
    /// The robot carries the request out and its answer is lost.
    AnswerLost,
    /// Half of the answer arrives.
    HalfAnswer,
    Delay {
        by: Duration,
    },
    /// The connection breaks at once and the request reaches the robot later: a command that arrives when its sender has
    /// long given it up.
    HoldBack {
        by: Duration,
    },
    /// The same, and its sender is left waiting in vain.
    Stall {
        by: Duration,
    },
    /// Something in between answers 502, before or after it has passed the request on.
    BadGateway {
        passed_on: bool,
    },
}

/// Which request a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The one that moves the robot, after so many others that do.
    Command { skip: u32 },
    /// Whatever comes: questions, new runs, an operator's acts.
    Any { skip: u32 },
}

/// The proxy of one robot.
#[derive(Debug)]
pub struct RobotProxy {
    gate: Gate,
    armed: Mutex<Vec<(Aim, RobotFault)>>,
    /// Tells nothing that only a virtual robot can.
    passes_for_real: bool,
}

/// An HTTP request as it came.
#[derive(Clone, Debug)]
struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl RobotProxy {
    /// Listens on a free port until the process ends. Who asks it for the virtual deck is told, where it `passes_for_real`, that
    /// there is no such thing, as an OT-2 would.
    pub async fn start(
        name: &str,
        device: SocketAddr,
        timeline: Timeline,
        passes_for_real: bool,
    ) -> io::Result<Arc<Self>> {
        let (gate, listener) = Gate::open(name, device, timeline).await?;
        let proxy = Arc::new(Self { gate, armed: Mutex::default(), passes_for_real });
        tokio::spawn(serve(Arc::clone(&proxy), |proxy| &proxy.gate, listener, Self::talk));
        Ok(proxy)
    }

    pub const fn address(&self) -> SocketAddr {
        self.gate.address
    }

    /// The robot has been started anew, elsewhere.
    pub fn set_device(&self, device: SocketAddr) {
        *locked(&self.gate.device) = device;
    }

    pub fn arm(&self, aim: Aim, fault: RobotFault) {
        locked(&self.armed).push((aim, fault));
    }

    /// Faults that still wait for their request.
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

    /// Off: as if it had lost its power or its network. Its server, behind the proxy, may well go on.
    pub fn switch_off(&self) {
        self.gate.switch(false);
    }

    pub fn switch_on(&self) {
        self.gate.switch(true);
    }

    async fn talk(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        if self.gate.is_off() {
            return Ok(());
        }
        let Some(request) = read_request(&mut client).await? else { return Ok(()) };
        if self.passes_for_real && request.line().contains(" /emulator/") {
            let unknown = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            return client.write_all(unknown).await;
        }
        let Some(fault) = self.fault_for(&request) else {
            let answer = self.pass_on(&request).await?;
            return client.write_all(&answer).await;
        };
        self.gate.fault(&format!("{fault:?} on {}", request.description()));
        self.spoil(fault, client, request).await
    }

    fn fault_for(&self, request: &Request) -> Option<RobotFault> {
        let mut armed = locked(&self.armed);
        let aimed = armed.iter_mut().position(|(aim, _)| match aim {
            Aim::Command { .. } if !request.is_command() => false,
            Aim::Command { skip: 0 } | Aim::Any { skip: 0 } => true,
            Aim::Command { skip } | Aim::Any { skip } => {
                *skip -= 1;
                false
            }
        });
        aimed.map(|index| armed.remove(index).1)
    }

    async fn spoil(self: Arc<Self>, fault: RobotFault, mut client: TcpStream, request: Request) -> io::Result<()> {
        match fault {
            RobotFault::CutBefore => Ok(()),
            RobotFault::CutAfter { linger } => {
                let robot = tokio::spawn(async move { self.pass_on(&request).await });
                sleep(linger).await;
                drop(client);
                robot.await?.map(drop)
            }
            RobotFault::AnswerLost => self.pass_on(&request).await.map(drop),
            RobotFault::HalfAnswer => {
                let answer = self.pass_on(&request).await?;
                client.write_all(answer.get(..answer.len() / 2).unwrap_or_default()).await
            }
            RobotFault::Delay { by } => {
                sleep(by).await;
                let answer = self.pass_on(&request).await?;
                client.write_all(&answer).await
            }
            RobotFault::HoldBack { by } => {
                drop(client);
                self.deliver_late(&request, by).await
            }
            RobotFault::Stall { by } => {
                self.deliver_late(&request, by).await?;
                let mut rest = [0; 64];
                while client.read(&mut rest).await? > 0 {}
                Ok(())
            }
            RobotFault::BadGateway { passed_on } => {
                if passed_on {
                    self.pass_on(&request).await?;
                }
                client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad").await
            }
        }
    }

    async fn deliver_late(&self, request: &Request, by: Duration) -> io::Result<()> {
        sleep(by).await;
        let answer = self.pass_on(request).await;
        let status = answer.as_deref().ok().and_then(|answer| answer.get(9..12)).map(String::from_utf8_lossy);
        let status = status.as_deref().unwrap_or("nothing");
        self.gate.note(&format!("{} arrives {by:?} late and is answered {status}", request.description()));
        Ok(())
    }

    /// Sends it and takes the whole answer.
    async fn pass_on(&self, request: &Request) -> io::Result<Vec<u8>> {
        let mut robot = self.gate.connect().await?;
        robot.write_all(&request.closing()).await?;
        let mut answer = Vec::new();
        robot.take(MOST_ANSWER).read_to_end(&mut answer).await?;
        if self.gate.is_off() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(answer)
    }
}

impl Request {
    fn line(&self) -> String {
        let end = self.head.windows(2).position(|pair| pair == b"\r\n").unwrap_or(self.head.len());
        String::from_utf8_lossy(self.head.get(..end).unwrap_or_default()).into_owned()
    }

    fn is_command(&self) -> bool {
        self.key().is_some()
    }

    /// The operation's id.
    fn key(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("data")?.get("key")?.as_str()?.to_owned())
    }

    fn description(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match (self.key(), body.pointer("/data/commandType").and_then(serde_json::Value::as_str)) {
            (Some(key), Some(command)) => format!("{command} {key}"),
            _ => self.line().trim_end_matches(" HTTP/1.1").to_owned(),
        }
    }

    /// As it came, with the wish that the robot closes the connection after its answer.
    fn closing(&self) -> Vec<u8> {
        let head = self.head.strip_suffix(b"\r\n").unwrap_or(&self.head);
        [head, b"connection: close\r\n\r\n", &self.body].concat()
    }
}

/// One request; nothing when the client has none.
async fn read_request(client: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST_HEAD {
            return Err(io::Error::other("the request's head has no end"));
        }
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let length = content_length(&head);
    if length > MOST_BODY {
        return Err(io::Error::other("the request's body is too long"));
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    Ok(Some(Request { head, body }))
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or_default();
    value.trim().parse().unwrap_or(0)
}
