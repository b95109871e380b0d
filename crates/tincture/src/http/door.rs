//! Who is let in: so many connections of one client, so many in all. Who comes when it is full takes the place of the
//! connection that has kept the server waiting longest, so that slow and idle ones never keep anybody out.

use super::{Guest, Limits};
use auth::client_network;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use telemetry::names::CONNECTIONS_TURNED_AWAY;

/// How often the log says that it is full.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Cheap to clone; clones share the places.
#[derive(Clone, Debug)]
pub struct Door {
    room: Arc<Mutex<Room>>,
    most: usize,
    most_of_one: usize,
}

#[derive(Debug, Default)]
struct Room {
    /// By client, then by number.
    guests: HashMap<IpAddr, HashMap<u64, Arc<Guest>>>,
    count: usize,
    next: u64,
    said: Option<Instant>,
}

/// A place in the room; given back when dropped.
#[derive(Debug)]
pub struct Admission {
    door: Door,
    client: IpAddr,
    number: u64,
    guest: Arc<Guest>,
}

impl Admission {
    pub const fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.door.room().remove(self.client, self.number);
    }
}

impl Door {
    pub fn new(limits: &Limits) -> Self {
        let most_of_one = limits.connections_per_address.unwrap_or(limits.connections);
        Self { room: Arc::default(), most: limits.connections, most_of_one }
    }

    /// A place for one more connection. Nothing when it is full and everybody there is being served.
    pub fn admit(&self, address: IpAddr) -> Option<Admission> {
        let client = client_network(address);
        let mut room = self.room();
        if let Some(whose) = self.must_give(&mut room, client, address) {
            let has_left = room.make_room(whose);
            let how = if has_left.is_some() { "evicted" } else { "refused" };
            metrics::counter!(CONNECTIONS_TURNED_AWAY, "how" => how).increment(1);
            has_left?;
        }
        let number = room.next;
        let guest = Arc::new(Guest::new());
        room.next += 1;
        room.count += 1;
        room.guests.entry(client).or_default().insert(number, Arc::clone(&guest));
        Some(Admission { door: self.clone(), client, number, guest })
    }

    /// Whose connection must make room for one more of `client`, if any must.
    fn must_give(&self, room: &mut Room, client: IpAddr, address: IpAddr) -> Option<IpAddr> {
        if room.of(client) >= self.most_of_one {
            room.say(address, "one client holds as many connections as it may: its slowest makes room for its newest");
            return Some(client);
        }
        if room.count < self.most {
            return None;
        }
        room.say(address, "there are as many connections as there may be: the slowest makes room for the newest");
        room.largest()
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn of(&self, client: IpAddr) -> usize {
        self.guests.get(&client).map_or(0, HashMap::len)
    }

    /// Who has most.
    fn largest(&self) -> Option<IpAddr> {
        self.guests.iter().max_by_key(|(_, theirs)| theirs.len()).map(|(client, _)| *client)
    }

    /// Asks one connection of this client to leave.
    fn make_room(&mut self, client: IpAddr) -> Option<()> {
        let theirs = self.guests.get(&client)?;
        let waiting = theirs.iter().filter_map(|(number, guest)| Some((guest.waited_for_since()?, *number)));
        let (_, number) = waiting.min()?;
        if let Some(guest) = self.remove(client, number) {
            guest.ask_to_leave();
        }
        Some(())
    }

    fn remove(&mut self, client: IpAddr, number: u64) -> Option<Arc<Guest>> {
        let theirs = self.guests.get_mut(&client)?;
        let guest = theirs.remove(&number)?;
        if theirs.is_empty() {
            self.guests.remove(&client);
        }
        self.count -= 1;
        Some(guest)
    }

    fn say(&mut self, address: IpAddr, what: &str) {
        if self.said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            self.said = Some(Instant::now());
            tracing::warn!(%address, connections = self.count, "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn door(connections: usize, of_one: Option<usize>) -> Door {
        let patience = Duration::from_secs(1);
        let proxies = super::super::Proxies::default();
        Door::new(&Limits { connections, connections_per_address: of_one, patience, proxies })
    }

    fn leaves(admission: &Admission) -> bool {
        futures_now(admission.guest().asked_to_leave())
    }

    fn futures_now(future: impl Future) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(future).poll(&mut context).is_ready()
    }

    #[test]
    fn who_kept_us_waiting_longest_makes_room() {
        let door = door(10, Some(2));
        let (first, second) = (door.admit(ONE).expect("a place"), door.admit(ONE).expect("a place"));
        first.guest().has_spoken();
        let third = door.admit(ONE).expect("the place of the second");
        assert!(!leaves(&first) && leaves(&second), "the first is being served");
        first.guest().is_to_speak();
        let _fourth = door.admit(ONE).expect("the place of the third");
        assert!(!leaves(&first) && leaves(&third), "the first was answered after the third had come");
    }

    #[test]
    fn nobody_who_is_being_served_has_to_leave() {
        let door = door(1, None);
        let first = door.admit(ONE).expect("a place");
        first.guest().has_spoken();
        assert!(door.admit(OTHER).is_none());
        first.guest().takes_nothing();
        let second = door.admit(OTHER).expect("the place of who doesn't take the answer");
        assert!(leaves(&first));
        second.guest().has_spoken();
        drop(second);
        assert!(door.admit(OTHER).is_some(), "a place is given back");
    }

    #[test]
    fn who_is_turned_away_is_counted() {
        let recorder = DebuggingRecorder::new();
        let counted = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let door = door(1, None);
            let first = door.admit(ONE).expect("a place");
            let _second = door.admit(OTHER).expect("the place of the first");
            drop(first);
            door.admit(ONE).expect("the place of the second").guest().has_spoken();
            let third = door.admit(ONE).expect("an empty room");
            third.guest().has_spoken();
            assert!(door.admit(OTHER).is_none());
        });
        let turned_away = counted.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let how: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            (key.key().name().to_owned(), how.join(" "), value)
        });
        let mut turned_away: Vec<_> = turned_away.collect();
        turned_away.sort_by(|one, other| one.1.cmp(&other.1));
        let expected =
            |how: &str, count| (CONNECTIONS_TURNED_AWAY.to_owned(), how.to_owned(), DebugValue::Counter(count));
        assert_eq!(turned_away, [expected("evicted", 2), expected("refused", 1)]);
    }

    #[test]
    fn when_all_is_full_who_has_most_gives() {
        let door = door(3, Some(3));
        let lone = door.admit(OTHER).expect("a place");
        let many = [door.admit(ONE).expect("a place"), door.admit(ONE).expect("a place")];
        let _new = door.admit(OTHER).expect("a place of the many");
        assert!(!leaves(&lone) && leaves(&many[0]));
    }

    #[test]
    fn nothing_is_kept_of_who_has_left() {
        let door = door(3, Some(1));
        for _ in 0..5 {
            drop((door.admit(ONE), door.admit(OTHER)));
        }
        assert!(door.room().guests.is_empty());
        assert_eq!(door.room().count, 0);
    }
}
