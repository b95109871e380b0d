//! The socket, which gives up on a client that doesn't take its answer.

use super::Guest;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// What a client takes at least, each time that the server's patience would end: 3 kB/s at 20 s.
const LEAST_TAKEN: usize = 64 * 1024;

#[derive(Debug)]
pub struct Wire {
    stream: TokioIo<TcpStream>,
    guest: Arc<Guest>,
    patience: Duration,
    stuck: Option<Stuck>,
}

/// More lies ready than the client takes.
#[derive(Debug)]
struct Stuck {
    ends: Pin<Box<Sleep>>,
    taken: usize,
}

impl Wire {
    pub fn new(stream: TcpStream, guest: Arc<Guest>, patience: Duration) -> Self {
        Self { stream: TokioIo::new(stream), guest, patience, stuck: None }
    }

    fn after_write(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                if let Some(stuck) = &mut self.stuck {
                    stuck.taken += bytes;
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => self.wait(context),
            failed => failed,
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.guest.takes_nothing();
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Stuck { ends: Box::pin(sleep(patience)), taken: 0 });
        loop {
            ready!(stuck.ends.as_mut().poll(context));
            if stuck.taken < LEAST_TAKEN {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stuck.taken = 0;
            stuck.ends.as_mut().reset(Instant::now() + patience);
        }
    }
}

impl Drop for Wire {
    /// What isn't taken needn't be kept by the kernel either.
    fn drop(&mut self) {
        if self.stuck.is_some() {
            let _ = self.stream.inner().set_zero_linger();
        }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.after_write(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stuck = None;
        self.guest.has_taken();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::{net::TcpListener, time::timeout};

    const PIECE: &[u8] = &[0; 64 * 1024];

    /// A wire to somebody who never reads.
    async fn to_the_deaf(patience: Duration) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let deaf = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (stream, _) = listener.accept().await.expect("a connection");
        let guest = Arc::new(Guest::new());
        guest.has_spoken();
        (Wire::new(stream, guest, patience), deaf)
    }

    #[tokio::test]
    async fn who_takes_nothing_is_given_up() {
        let (mut wire, _deaf) = to_the_deaf(Duration::from_millis(50)).await;
        let write_on = async {
            loop {
                match poll_fn(|context| Pin::new(&mut wire).poll_write(context, PIECE)).await {
                    Ok(_) => {}
                    Err(error) => return error.kind(),
                }
            }
        };
        let ended = timeout(Duration::from_secs(60), write_on).await.expect("it ends");
        assert_eq!(ended, io::ErrorKind::TimedOut);
        assert!(wire.guest.waited_for_since().is_some(), "and until then it is the first to make room");
    }
}
