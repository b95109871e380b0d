//! The sensor's serial cable as a TCP port: a JSON request a line, an answer a line behind `#WCS# `.

use super::{Chip, protocol};
use chrono::Utc;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

/// What marks an answer among a microcontroller's other output.
const PREFIX: &str = "#WCS# ";
const LONGEST_LINE: u64 = 8 * 1024;
const MOST_CONNECTIONS: usize = 16;
/// A client that takes this long to take an answer is gone.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// A client that is silent this long is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Serves until `shutdown` is done, then drops its connections.
pub async fn serve(
    listener: TcpListener,
    chip: Arc<Chip>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let place = Arc::clone(&places).try_acquire_owned().ok();
                    connections.spawn(welcome(Arc::clone(&chip), stream, place));
                }
                // Out of file handles, or a peer gone before it was met: neither is the listener's end.
                Err(error) => {
                    tracing::warn!(%error, "a connection to the sensor wasn't accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

async fn welcome(chip: Arc<Chip>, stream: TcpStream, place: Option<OwnedSemaphorePermit>) {
    let (reader, mut writer) = stream.into_split();
    let ended = match place {
        Some(_place) => converse(&chip, reader, &mut writer).await,
        None => say(&mut writer, &serde_json::json!({ "error": "too many connections" })).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the sensor ended");
    }
}

async fn converse(chip: &Chip, reader: OwnedReadHalf, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        timeout(SILENCE_LIMIT, (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line)).await??;
        if line.last() != Some(&b'\n') {
            return end_of_line(&line, writer).await;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = match protocol::parse(&line) {
            Ok(request) => chip.use_for(request.duration(), |world| request.answer(world, Utc::now())).await,
            Err(refusal) => refusal,
        };
        say(writer, &answer).await?;
    }
}

/// The client hung up, or its line has no end in sight.
async fn end_of_line(line: &[u8], writer: &mut OwnedWriteHalf) -> io::Result<()> {
    if (line.len() as u64) < LONGEST_LINE {
        return Ok(());
    }
    say(writer, &serde_json::json!({ "error": "a line is at most 8 KiB" })).await
}

async fn say(writer: &mut OwnedWriteHalf, answer: &serde_json::Value) -> io::Result<()> {
    let line = format!("{PREFIX}{answer}\n");
    timeout(SEND_LIMIT, writer.write_all(line.as_bytes())).await?
}
