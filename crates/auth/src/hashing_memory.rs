//! The memory that passwords are compared in, 19 MiB each: used again while people sign in, and given back when nobody does.
//!
//! To get it anew from the system for every hash, page by page, costs a good part of the hash.

use argon2::Block;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long what nobody used is kept.
const KEPT: Duration = Duration::from_secs(1);

/// What hashing has used and may use again. Clones share it.
#[derive(Clone, Default)]
pub struct HashingMemory(Arc<Mutex<Idle>>);

#[derive(Default)]
struct Idle {
    pieces: Vec<Piece>,
    /// A task gives back what stays unused.
    is_watched: bool,
}

struct Piece {
    blocks: Vec<Block>,
    since: Instant,
}

impl HashingMemory {
    /// So many blocks of 1 KiB, with anything in them, to be handed back by [`HashingMemory::keep`].
    pub fn take(&self, count: usize) -> Vec<Block> {
        let kept = self.with(|idle| idle.pieces.pop());
        let kept = kept.map(|piece| piece.blocks).filter(|blocks| blocks.len() == count);
        kept.unwrap_or_else(|| vec![Block::new(); count])
    }

    /// Keeps what isn't used any more for a moment. Within a runtime.
    pub fn keep(&self, blocks: Vec<Block>) {
        let was_watched = self.with(|idle| {
            idle.pieces.push(Piece { blocks, since: Instant::now() });
            std::mem::replace(&mut idle.is_watched, true)
        });
        if !was_watched {
            tokio::spawn(self.clone().give_back());
        }
    }

    /// Ends when nothing is kept.
    async fn give_back(self) {
        loop {
            tokio::time::sleep(KEPT).await;
            let is_watched = self.with(|idle| {
                idle.pieces.retain(|piece| piece.since.elapsed() < KEPT);
                idle.is_watched = !idle.pieces.is_empty();
                idle.is_watched
            });
            if !is_watched {
                return;
            }
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Idle) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for HashingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = self.with(|idle| idle.pieces.len());
        write!(f, "HashingMemory({pieces} kept)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_used_is_used_again_and_goes_when_nobody_does() {
        let memory = HashingMemory::default();
        let blocks = memory.take(4);
        let at = blocks.as_ptr();
        memory.keep(blocks);
        let again = memory.take(4);
        assert_eq!(again.as_ptr(), at);
        memory.keep(again);
        assert_eq!(memory.take(5).len(), 5, "another size is made anew");
        memory.keep(memory.take(4));
        while memory.with(|idle| idle.is_watched) {
            tokio::time::sleep(KEPT / 10).await;
        }
        assert_eq!(format!("{memory:?}"), "HashingMemory(0 kept)");
    }
}
