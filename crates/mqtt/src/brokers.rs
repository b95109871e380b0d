//! The brokers that a process speaks to: one connection each, shared by all who have to do with it.

use crate::{Access, Address, Broker, broker::Keeper};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// Clones are the same brokers.
#[derive(Clone, Debug, Default)]
pub struct Brokers {
    access: Access,
    /// Those that somebody still holds; the others' connections are closed.
    known: Arc<Mutex<HashMap<Address, Weak<Keeper>>>>,
}

impl Brokers {
    pub fn new(access: Access) -> Self {
        Self { access, known: Arc::default() }
    }

    /// The one at `address`, for as long as it is held. Connects to nothing yet; a connection may take `patience` to come
    /// about.
    pub fn at(&self, address: &Address, patience: Duration) -> Broker {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, broker| broker.strong_count() > 0);
        if let Some(keeper) = known.get(address).and_then(Weak::upgrade) {
            return Broker::from(keeper);
        }
        if self.access.password.is_some() && !address.is_encrypted {
            tracing::warn!(broker = %address, "a password goes to this broker without encryption: use mqtts:// if it can");
        }
        let keeper = Arc::new(Keeper::new(address.clone(), self.access.clone(), patience));
        known.insert(address.clone(), Arc::downgrade(&keeper));
        Broker::from(keeper)
    }
}
