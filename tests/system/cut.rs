//! Stands between a process and PostgreSQL, counts what is asked, and takes the database away.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream, UnixStream, tcp},
    sync::watch,
};

/// A way to PostgreSQL that can be cut and mended.
#[derive(Debug)]
pub struct Cut {
    /// The database's URL by this way.
    pub url: String,
    asked: Arc<AtomicU64>,
    open: watch::Sender<bool>,
}

#[derive(Clone, Debug)]
enum Server {
    Tcp(String),
    Socket(PathBuf),
}

impl Cut {
    /// A way to the database at `url`, as `store::testing` writes it.
    pub async fn before(url: &str) -> Self {
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let rest = address.strip_prefix("postgres://").expect("a PostgreSQL URL");
        let (authority, database) = rest.split_once('/').expect("a database");
        let (user, host) = authority.rsplit_once('@').expect("a role");
        let server = match parameters.split('&').find_map(|parameter| parameter.strip_prefix("host=")) {
            Some(directory) => Server::Socket(PathBuf::from(directory).join(".s.PGSQL.5432")),
            None => Server::Tcp(if host.contains(':') { host.to_owned() } else { format!("{host}:5432") }),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, (open, state)) = (Arc::new(AtomicU64::new(0)), watch::channel(true));
        tokio::spawn(serve(listener, server, Arc::clone(&asked), state));
        Self { url: format!("postgres://{user}@127.0.0.1:{port}/{database}"), asked, open }
    }

    /// How often something was sent to the database until now.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Connections break, and no new ones come about.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

async fn serve(listener: TcpListener, server: Server, asked: Arc<AtomicU64>, open: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, asked, mut open) = (server.clone(), Arc::clone(&asked), open.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = open.wait_for(|open| !open) => {}
                () = talk(client, server, &asked) => {}
            }
        });
    }
}

async fn talk(client: TcpStream, server: Server, asked: &AtomicU64) {
    let (reader, writer) = client.into_split();
    match server {
        Server::Tcp(address) => {
            let Ok(stream) = TcpStream::connect(address).await else { return };
            let (from, to) = stream.into_split();
            pass(reader, writer, from, to, asked).await;
        }
        Server::Socket(path) => {
            let Ok(stream) = UnixStream::connect(path).await else { return };
            let (from, to) = stream.into_split();
            pass(reader, writer, from, to, asked).await;
        }
    }
}

async fn pass(
    mut reader: tcp::OwnedReadHalf,
    mut writer: tcp::OwnedWriteHalf,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    asked: &AtomicU64,
) {
    let questions = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            asked.fetch_add(1, Ordering::SeqCst);
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = questions => {}
        _ = copy(&mut from, &mut writer) => {}
    }
}
