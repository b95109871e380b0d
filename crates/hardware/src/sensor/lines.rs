//! A reading over a line: a request goes out, and lines are sifted for its reply.

use super::{ReadRequest, SensorError, message};
use domain::reading::Reading;
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MOST_LINE_BYTES: u64 = 8 << 10;
/// Lines to sift for one reply before giving up on a device that only chatters.
const MOST_LINES: usize = 1_000;

/// Asks once. `broken` says of a failure on the way what it is.
pub(super) async fn ask(
    line: &mut (impl AsyncBufRead + AsyncWrite + Unpin),
    request: &ReadRequest,
    broken: impl Fn(io::Error) -> SensorError,
) -> Result<Reading, SensorError> {
    line.write_all(&message::request_line(request)).await.map_err(&broken)?;
    line.flush().await.map_err(&broken)?;
    for _ in 0..MOST_LINES {
        let said = next(line).await.map_err(&broken)?;
        if let Some(reply) = message::reply_to(request, &said) {
            return reply;
        }
    }
    Err(SensorError::Implausible { detail: format!("{MOST_LINES} lines and no reply among them") })
}

/// The next line; an empty one in place of one that is too long.
async fn next(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
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
