//! The signing keys of this process's database: read now and then, so that every process follows a rotation.

use crate::{
    ACCESS_TOKEN_LIFE, AuthError, Identity, Secret,
    token::{self, Claims, KeyRing},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::SessionId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Anchor, NewActivity, SigningKey, Store};
use tokio::sync::Mutex;

/// How long this process goes on with the keys that it has read.
const KEPT: Duration = Duration::from_secs(60);
/// How old they may be where a token names one that isn't among them, and for those who fetch them: other services are to
/// find the key of the token that they hold. It bounds what forged tokens can make us read.
const FRESH: Duration = Duration::from_secs(1);
/// How long a replaced key verifies: other processes may sign with it until they read the keys anew, and its last token
/// then lives its whole life; a minute more, since clocks differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(1 + ACCESS_TOKEN_LIFE.num_minutes() + 1);

/// The audience of what says how far the activity log is sealed, and how long it says so.
const ANCHORS: &str = "tincture-activity-log";
const ANCHORS_LIFE: TimeDelta = TimeDelta::days(36_500);

#[derive(Serialize, Deserialize)]
struct SignedAnchor {
    anchor: String,
    at: DateTime<Utc>,
}

/// The keys. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Keys {
    store: Store,
    read: Arc<Mutex<Read>>,
}

#[derive(Debug)]
struct Read {
    ring: Arc<KeyRing>,
    at: Instant,
}

/// Something that we say to ourselves by way of somebody else.
#[derive(Debug)]
pub(crate) struct Sealed<T> {
    /// What it is for: nothing said for one purpose is taken for another.
    pub audience: &'static str,
    pub expires_at: DateTime<Utc>,
    pub said: T,
}

/// A key as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The `kid` in the header of its tokens.
    pub kid: String,
    pub created_at: DateTime<Utc>,
    /// Nothing for the one that signs.
    pub verifies_until: Option<DateTime<Utc>>,
}

impl Keys {
    /// Reads the keys; makes the first where there is none.
    pub(crate) async fn load(store: Store) -> Result<Self, AuthError> {
        let signs = |keys: &[SigningKey]| keys.iter().any(|key| key.verifies_until.is_none());
        let mut keys = store.signing_keys().await?;
        if !signs(&keys) {
            let (kid, pem) = token::make_key();
            store.first_signing_key(&kid, &pem).await?;
            keys = store.signing_keys().await?;
        }
        let read = Read { ring: Arc::new(KeyRing::new(keys)?), at: Instant::now() };
        Ok(Self { store, read: Arc::new(Mutex::new(read)) })
    }

    pub(crate) async fn sign(&self, user: &store::User, session: SessionId) -> Result<Secret, AuthError> {
        self.ring(KEPT).await.sign(user, session, Utc::now())
    }

    pub(crate) async fn check(&self, token: &str) -> Result<Claims, AuthError> {
        let mut ring = self.ring(KEPT).await;
        if !ring.knows(token) {
            ring = self.ring(FRESH).await;
        }
        ring.check(token, Utc::now())
    }

    /// What we say to ourselves by way of somebody else, signed.
    pub(crate) async fn seal<T: Serialize>(&self, said: Sealed<T>) -> Result<Secret, AuthError> {
        self.ring(KEPT).await.seal(said)
    }

    /// What we have said to ourselves so, for this purpose, while it is good.
    pub(crate) async fn open<T: DeserializeOwned>(&self, audience: &str, token: &str) -> Result<T, AuthError> {
        let mut ring = self.ring(KEPT).await;
        if !ring.knows(token) {
            ring = self.ring(FRESH).await;
        }
        ring.open(audience, token, Utc::now())
    }

    /// How far the activity log is sealed, signed: whoever keeps it can show that it was this lab's word. It doesn't run out, but
    /// a key that is retired or gone says nothing any more.
    #[boxed]
    pub async fn sign_anchor(&self, anchor: &Anchor) -> Result<Secret, AuthError> {
        let expires_at = Utc::now() + ANCHORS_LIFE;
        let said = SignedAnchor { anchor: anchor.to_string(), at: Utc::now() };
        self.seal(Sealed { audience: ANCHORS, expires_at, said }).await
    }

    /// What such a word says, and when it was given.
    ///
    /// # Errors
    /// `Forged` where none of this lab's keys signed it.
    #[boxed]
    pub async fn read_anchor(&self, signed: &str) -> Result<(Anchor, DateTime<Utc>), AuthError> {
        let said: SignedAnchor = self.open(ANCHORS, signed).await?;
        Ok((said.anchor.parse().map_err(|_| AuthError::Forged)?, said.at))
    }

    /// The public keys as a JSON Web Key Set (RFC 7517), for services that check tokens themselves.
    #[boxed]
    pub async fn jwks(&self) -> Value {
        json!({ "keys": self.ring(FRESH).await.public() })
    }

    /// Which keys' tokens are good now: first the one that signs.
    #[boxed]
    pub async fn list(&self) -> Result<Vec<KeyInfo>, AuthError> {
        let keys = self.store.signing_keys().await?.into_iter();
        let info = |SigningKey { kid, created_at, verifies_until, .. }| KeyInfo { kid, created_at, verifies_until };
        Ok(keys.map(info).collect())
    }

    /// Makes a new key that signs from now on, and gives its `kid`. The one before verifies until the last token that any
    /// process signs with it has run out.
    #[boxed]
    pub async fn rotate(&self, by: Option<&Identity>, ip: Option<IpAddr>) -> Result<String, AuthError> {
        let (kid, pem) = token::make_key();
        let by = activity(by, "signing_key_rotated", &kid, ip);
        self.store.rotate_signing_key(&kid, &pem, Utc::now() + OVERLAP, &by).await?;
        self.ring(Duration::ZERO).await;
        Ok(kid)
    }

    /// Does so if the key that signs is older than `age`, and gives the new one's `kid`. Several processes may do it at
    /// once: one of them does.
    ///
    /// # Errors
    /// Only those of the database.
    #[boxed]
    pub async fn rotate_when_older(&self, age: TimeDelta) -> Result<Option<String>, AuthError> {
        let is_old = |key: &KeyInfo| key.verifies_until.is_none() && key.created_at < Utc::now() - age;
        // Asked before a key is made, for it is hardly ever so.
        if !self.list().await?.iter().any(is_old) {
            return Ok(None);
        }
        let (kid, pem) = token::make_key();
        let by = activity(None, "signing_key_rotated", &kid, None);
        let (before, until) = (Utc::now() - age, Utc::now() + OVERLAP);
        let rotated = self.store.rotate_old_signing_key(before, &kid, &pem, until, &by).await?;
        self.ring(Duration::ZERO).await;
        Ok(rotated.then_some(kid))
    }

    /// Forgets a replaced key before its time, because somebody else may have it. Its tokens are refused by each process
    /// when it has read the keys anew, within a minute; their holders renew them.
    ///
    /// # Errors
    /// `NoSuchKey` where there is none of this name, or it is the one that signs.
    #[boxed]
    pub async fn retire(&self, kid: &str, by: Option<&Identity>, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let by = activity(by, "signing_key_retired", kid, ip);
        self.store.retire_signing_key(kid, &by).await.map_err(|error| match error {
            store::StoreError::NotFound(_) => AuthError::NoSuchKey,
            other => other.into(),
        })?;
        self.ring(Duration::ZERO).await;
        Ok(())
    }

    /// The keys as they were at most so long ago. Where they can't be read anew, the old ones do: what they let in still
    /// needs a session, which can't be read then either.
    async fn ring(&self, at_most: Duration) -> Arc<KeyRing> {
        let mut read = self.read.lock().await;
        if read.at.elapsed() >= at_most {
            match self.store.signing_keys().await.map_err(AuthError::from).and_then(KeyRing::new) {
                Ok(ring) => read.ring = Arc::new(ring),
                Err(error) => tracing::warn!(%error, "the signing keys can't be read anew"),
            }
            read.at = Instant::now();
        }
        read.ring.clone()
    }
}

fn activity(by: Option<&Identity>, action: &'static str, kid: &str, ip_address: Option<IpAddr>) -> NewActivity {
    NewActivity { user_id: by.map(Identity::user_id), action, details: json!({ "kid": kid }), ip_address }
}
