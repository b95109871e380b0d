//! One broker: a task that keeps a connection to it, and who listens to what.

use crate::{Access, Address, Trouble, tls};
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubscribeReasonCode};
use std::{
    collections::HashSet,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// As the field's devices have it.
const KEEP_ALIVE_SECONDS: u16 = 15;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Larger messages end the connection; nothing of a lab's is near it.
const LARGEST_PACKET: usize = 256 << 10;
/// Larger ones on a topic that is listened to are passed over.
const LARGEST_MESSAGE: usize = 8 << 10;
const MOST_LISTENERS: usize = 256;
/// Messages that wait for one listener.
const MOST_WAITING: usize = 64;
/// Requests of ours that wait for the connection.
const MOST_REQUESTS: usize = 64;

/// A broker. Clones are the same connection, which is made when it is first needed and ends with the last of them.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Keeper>);

impl From<Arc<Keeper>> for Broker {
    fn from(keeper: Arc<Keeper>) -> Self {
        Self(keeper)
    }
}

/// What all clones share; ends the task that keeps the connection when it is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    task: OnceLock<JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

#[derive(Debug)]
struct Shared {
    address: Address,
    access: Access,
    /// For a connection to come about.
    patience: Duration,
    link: watch::Sender<Link>,
    listeners: Mutex<Listeners>,
}

/// The connection as it stands.
#[derive(Clone, Debug)]
enum Link {
    /// Not tried yet, or being tried after something that passes by itself.
    Awaited(Option<Trouble>),
    Up(Session),
    /// Tried again now and then; those who wait are told at once.
    Refused(Trouble),
}

impl Keeper {
    pub(crate) fn new(address: Address, access: Access, patience: Duration) -> Self {
        let (link, listeners) = (watch::Sender::new(Link::Awaited(None)), Mutex::default());
        Self { shared: Arc::new(Shared { address, access, patience, link, listeners }), task: OnceLock::new() }
    }
}

impl Broker {
    /// Hears what comes on `topic` from now on, once a [`Session`] has subscribed to it. Retained messages aren't passed on:
    /// nobody knows when they were said.
    ///
    /// # Errors
    /// When more listen than ever need to.
    pub fn listen(&self, topic: &str) -> Result<Listener, Trouble> {
        let mut listeners = self.0.shared.listeners();
        if listeners.entries.len() >= MOST_LISTENERS {
            return Err(Trouble::too_many());
        }
        let (sender, messages) = mpsc::channel(MOST_WAITING);
        listeners.newest += 1;
        let id = listeners.newest;
        listeners.entries.push(Entry { id, topic: topic.to_owned(), sender });
        drop(listeners);
        Ok(Listener { id, messages, shared: Arc::clone(&self.0.shared) })
    }

    /// Waits for a connection, for ever if need be: put a time limit around it, and ask [`Broker::trouble`] after that.
    ///
    /// # Errors
    /// When the broker doesn't want us, or we don't trust it, which no waiting changes.
    pub async fn session(&self) -> Result<Session, Trouble> {
        let mut link = self.0.shared.link.subscribe();
        self.0.task.get_or_init(|| tokio::spawn(keep(Arc::clone(&self.0.shared))));
        loop {
            match &*link.borrow_and_update() {
                // One that has just ended is still there until the task has noticed.
                Link::Up(session) if session.ended.is_cancelled() => {}
                Link::Up(session) => return Ok(session.clone()),
                Link::Refused(trouble) => return Err(trouble.clone()),
                Link::Awaited(_) => {}
            }
            if link.changed().await.is_err() {
                return Err(Trouble::broken(&self.0.shared.address));
            }
        }
    }

    /// That it doesn't answer.
    pub fn silence(&self) -> Trouble {
        Trouble::silent(&self.0.shared.address)
    }

    /// Why there is no connection now.
    pub fn trouble(&self) -> Option<Trouble> {
        match &*self.0.shared.link.borrow() {
            Link::Up(_) => None,
            Link::Refused(trouble) => Some(trouble.clone()),
            Link::Awaited(last) => Some(last.clone().unwrap_or_else(|| Trouble::silent(&self.0.shared.address))),
        }
    }
}

/// One connection. When it is broken it stays broken.
#[derive(Clone)]
pub struct Session {
    address: Address,
    client: AsyncClient,
    subscribed: Arc<Mutex<HashSet<String>>>,
    /// For the broker to acknowledge something.
    patience: Duration,
    ended: CancellationToken,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Session {
    /// Has the broker send us what comes on `topic`, and waits until it has agreed.
    ///
    /// # Errors
    /// When it doesn't agree, or the connection broke.
    pub async fn subscribe(&self, topic: &str) -> Result<(), Trouble> {
        if locked(&self.subscribed).contains(topic) {
            return Ok(());
        }
        let agreed = async {
            let asked = self.client.subscribe_tracked(topic, QoS::AtLeastOnce).await.map_err(|_| self.broken())?;
            asked.wait_async().await.map_err(|_| self.broken())
        };
        let answer = self.while_it_lasts(agreed).await?;
        if answer.return_codes.iter().any(|code| matches!(code, SubscribeReasonCode::Failure)) {
            return Err(Trouble::no_subscription(&self.address, topic));
        }
        locked(&self.subscribed).insert(topic.to_owned());
        Ok(())
    }

    /// Publishes once, at QoS 1, and waits until the broker has it.
    ///
    /// # Errors
    /// When the connection broke: nobody knows then whether the broker has it.
    pub async fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Trouble> {
        self.publish_at(QoS::AtLeastOnce, topic, payload).await
    }

    /// The same at QoS 2, for what mustn't be carried out twice: whoever has subscribed so gets it once.
    ///
    /// # Errors
    /// As [`Session::publish`].
    pub async fn publish_once(&self, topic: &str, payload: Vec<u8>) -> Result<(), Trouble> {
        self.publish_at(QoS::ExactlyOnce, topic, payload).await
    }

    async fn publish_at(&self, qos: QoS, topic: &str, payload: Vec<u8>) -> Result<(), Trouble> {
        let had = async {
            let sent = self.client.publish_tracked(topic, qos, false, payload).await;
            let acknowledged = sent.map_err(|_| self.broken())?.wait_completion_async().await;
            acknowledged.map_err(|_| self.broken())
        };
        self.while_it_lasts(had).await
    }

    /// Until this connection is no more, or is given up.
    pub async fn ended(&self) -> Trouble {
        self.ended.cancelled().await;
        self.broken()
    }

    /// A broker that doesn't acknowledge what it is told may be one at the other end of a cut cable: then this connection is
    /// given up, and a new one finds out.
    async fn while_it_lasts<T>(&self, done: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        tokio::select! {
            outcome = done => outcome,
            () = self.ended.cancelled() => Err(self.broken()),
            () = sleep(self.patience) => {
                self.ended.cancel();
                Err(self.broken())
            }
        }
    }

    fn broken(&self) -> Trouble {
        Trouble::broken(&self.address)
    }
}

/// Who waits for messages of one topic, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    id: u64,
    messages: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
}

impl Listener {
    /// The next message.
    pub async fn hear(&mut self) -> Vec<u8> {
        match self.messages.recv().await {
            Some(message) => message,
            // The other end goes only when this one does.
            None => std::future::pending().await,
        }
    }

    /// A message that has come already, if one has.
    pub fn heard(&mut self) -> Option<Vec<u8>> {
        self.messages.try_recv().ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.listeners().entries.retain(|entry| entry.id != self.id);
    }
}

#[derive(Debug, Default)]
struct Listeners {
    newest: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    topic: String,
    sender: mpsc::Sender<Vec<u8>>,
}

impl Shared {
    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        locked(&self.listeners)
    }

    fn pass_on(&self, message: &Publish) {
        let topic = String::from_utf8_lossy(&message.topic);
        if message.retain {
            return tracing::debug!(%topic, "dropped a retained message: nobody knows when it was said");
        }
        if message.payload.len() > LARGEST_MESSAGE {
            return tracing::debug!(%topic, bytes = message.payload.len(), "dropped a message that is too large");
        }
        let mut heard = false;
        for entry in self.listeners().entries.iter().filter(|entry| entry.topic == topic) {
            heard |= entry.sender.try_send(message.payload.to_vec()).is_ok();
        }
        if !heard {
            tracing::debug!(%topic, "dropped a message that nobody waits for, or for which there is no room");
        }
    }
}

/// Connects again and again.
async fn keep(shared: Arc<Shared>) {
    let (mut pause, mut told) = (FIRST_PAUSE, None);
    loop {
        let began = Instant::now();
        let trouble = live(&shared).await;
        if began.elapsed() > LONGEST_PAUSE {
            (pause, told) = (FIRST_PAUSE, None);
        }
        // A broker that is away all night leaves one line of it.
        if told.as_ref() != Some(&trouble) {
            tracing::warn!(cause = %trouble, remedy = trouble.remedy, "no connection to the MQTT broker; trying again and again");
            told = Some(trouble.clone());
        }
        shared.link.send_replace(match trouble.is_final {
            true => Link::Refused(trouble),
            false => Link::Awaited(Some(trouble)),
        });
        // Those who lost the same broker at once don't all come back at once.
        sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// One connection from its beginning to its end.
async fn live(shared: &Shared) -> Trouble {
    let address = &shared.address;
    let (client, mut events) = AsyncClient::builder(options(shared)).capacity(MOST_REQUESTS).build();
    match timeout(shared.patience, connected(&mut events)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Trouble::of(address, &error),
        Err(_) => return Trouble::silent(address),
    }
    tracing::info!(broker = %address, "connected to the MQTT broker");
    let (subscribed, ended) = (Arc::default(), CancellationToken::new());
    let session =
        Session { address: address.clone(), client, subscribed, patience: shared.patience, ended: ended.clone() };
    let _ends_with_it = ended.clone().drop_guard();
    shared.link.send_replace(Link::Up(session));
    loop {
        let event = tokio::select! {
            event = events.poll() => event,
            () = ended.cancelled() => return Trouble::silent(address),
        };
        match event {
            Ok(Event::Incoming(Packet::Publish(message))) => shared.pass_on(&message),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "the connection to the MQTT broker ended");
                return Trouble::of(address, &error);
            }
        }
    }
}

async fn connected(events: &mut EventLoop) -> Result<(), ConnectionError> {
    loop {
        if let Event::Incoming(Packet::ConnAck(_)) = events.poll().await? {
            return Ok(());
        }
    }
}

fn options(shared: &Shared) -> MqttOptions {
    let Shared { address, access, .. } = shared;
    // New each time, so that no other client can have it; within the 23 letters that every broker takes.
    let id = format!("tincture{:015x}", rand::random::<u64>() >> 4);
    let mut options = MqttOptions::new(id, (address.host.as_str(), address.port));
    options.set_keep_alive(KEEP_ALIVE_SECONDS).set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET);
    match (&access.user, &access.password) {
        (Some(user), Some(password)) => options.set_credentials(user, password.expose().as_bytes().to_vec()),
        (Some(user), None) => options.set_username(user),
        (None, _) => &mut options,
    };
    if address.is_encrypted {
        let (address, access) = (address.clone(), access.clone());
        options.set_socket_connector(move |_, _| tls::connect(address.clone(), access.clone()));
    } else {
        let address = address.clone();
        options.set_socket_connector(move |_, _| plain(address.clone()));
    }
    options
}

async fn plain(address: Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
