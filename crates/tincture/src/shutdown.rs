//! Ending well: the first signal asks everything to finish, the second one ends the process at once.

use std::process;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell shows for a process that a second Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled by the first SIGINT or SIGTERM. A second signal exits at once: the journal is made for that.
pub fn on_signal() -> anyhow::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        tracing::info!("finishing what is in flight; a second Ctrl-C stops at once");
        asked.cancel();
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        process::exit(INTERRUPTED);
    });
    Ok(token)
}
