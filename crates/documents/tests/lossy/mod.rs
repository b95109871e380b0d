//! Stands in front of a server and loses its answers when told to: what was asked is done, and nobody hears of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

pub struct Lossy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    loses: AtomicBool,
    lost: AtomicU64,
}

impl Lossy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(State::default());
        let kept = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&kept);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        carry(client, server, &state).await;
                    }
                });
            }
        });
        Self { port, state }
    }

    /// For a connection string.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub async fn lose_answers_for(&self, time: Duration) {
        self.state.loses.store(true, Ordering::Release);
        sleep(time).await;
        self.state.loses.store(false, Ordering::Release);
    }

    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Acquire)
    }
}

/// Until either side ends, or an answer is to be lost: then both are cut.
async fn carry(client: TcpStream, server: TcpStream, state: &State) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = from_server.read(&mut buffer).await {
            if state.loses.load(Ordering::Acquire) {
                state.lost.fetch_add(1, Ordering::AcqRel);
                return;
            }
            if to_client.write_all(&buffer[..size]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { _ = up => {} () = down => {} }
}
