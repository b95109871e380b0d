//! One connection: whether the server is waiting for its client, and since when.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Shared by a connection's parts and by the door, which asks who has kept us waiting longest to leave.
#[derive(Debug)]
pub struct Guest {
    turn: Mutex<Turn>,
    leave: CancellationToken,
}

/// Whose move it is.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The client's: to say what it wants, whole, or to go.
    Theirs { since: Instant },
    /// The server's: to answer.
    Ours,
    /// The server's, but the client doesn't take what it is given.
    Stuck { since: Instant },
}

impl Guest {
    pub fn new() -> Self {
        Self { turn: Mutex::new(Turn::Theirs { since: Instant::now() }), leave: CancellationToken::new() }
    }

    /// Since when the server waits for this client; nothing while it serves it.
    pub fn waited_for_since(&self) -> Option<Instant> {
        match *self.turn() {
            Turn::Theirs { since } | Turn::Stuck { since } => Some(since),
            Turn::Ours => None,
        }
    }

    /// A request began that isn't complete, or an answer is out.
    pub fn is_to_speak(&self) {
        *self.turn() = Turn::Theirs { since: Instant::now() };
    }

    /// A request is complete.
    pub fn has_spoken(&self) {
        *self.turn() = Turn::Ours;
    }

    /// A piece of an answer can't be sent.
    pub fn takes_nothing(&self) {
        let mut turn = self.turn();
        if let Turn::Ours = *turn {
            *turn = Turn::Stuck { since: Instant::now() };
        }
    }

    /// All that there is to send so far is sent.
    pub fn has_taken(&self) {
        let mut turn = self.turn();
        if let Turn::Stuck { .. } = *turn {
            *turn = Turn::Ours;
        }
    }

    pub fn ask_to_leave(&self) {
        self.leave.cancel();
    }

    pub async fn asked_to_leave(&self) {
        self.leave.cancelled().await;
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
