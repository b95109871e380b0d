//! Access tokens: JWTs signed with Ed25519, short-lived, verifiable by anybody with the public key.

use crate::{AuthError, Secret, keys::Sealed};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Role, SessionId, UserId};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    errors::ErrorKind,
    jwk::{Jwk, PublicKeyUse},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use store::SigningKey;
use uuid::Uuid;

/// How long an access token is good for.
pub const ACCESS_TOKEN_LIFE: TimeDelta = TimeDelta::minutes(15);
/// The `iss` of every access token.
pub const ISSUER: &str = "tincture";
/// The `aud` of every access token.
pub const AUDIENCE: &str = "tincture-api";

/// The `typ` of what we say to ourselves.
const SEALED_TYPE: &str = "tincture-sealed+jwt";
/// What comes before the 32-byte seed of an Ed25519 private key in PKCS #8 (RFC 8410, 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a token says. The role is a courtesy to other services: this lab reads it from the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub sub: UserId,
    pub role: Role,
    pub iat: i64,
    pub exp: i64,
    pub iss: String,
    pub aud: String,
    pub jti: Uuid,
    pub sid: SessionId,
}

/// What [`KeyRing::seal`] puts around something.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    iss: String,
    aud: String,
    exp: i64,
    said: T,
}

/// A new private key as `(kid, PEM)`.
pub(crate) fn make_key() -> (String, String) {
    let mut der = PKCS8_PREFIX.to_vec();
    der.extend(rand::random::<[u8; 32]>());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    (Uuid::now_v7().to_string(), pem)
}

/// One key, by its `kid`.
struct Key {
    kid: String,
    signing: EncodingKey,
    checking: DecodingKey,
    public: Jwk,
    /// Nothing for the one that signs.
    verifies_until: Option<DateTime<Utc>>,
}

impl Key {
    fn read(stored: SigningKey) -> Result<Self, AuthError> {
        let bad = |_| AuthError::Internal("a stored signing key can't be read");
        let signing = EncodingKey::from_ed_pem(stored.private_pem.as_bytes()).map_err(bad)?;
        let mut public = Jwk::from_encoding_key(&signing, Algorithm::EdDSA).map_err(bad)?;
        public.common.key_id = Some(stored.kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let checking = DecodingKey::from_jwk(&public).map_err(bad)?;
        Ok(Self { kid: stored.kid, signing, checking, public, verifies_until: stored.verifies_until })
    }
}

/// The keys of a database: one signs, and those before it verify for a while. The same for every process.
pub(crate) struct KeyRing {
    /// The first is the one that signs.
    keys: Vec<Key>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("KeyRing").field("kids", &kids).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// `stored` as [`store::Store::signing_keys`] gives them.
    pub(crate) fn new(stored: Vec<SigningKey>) -> Result<Self, AuthError> {
        let keys = stored.into_iter().map(Key::read).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// A token of the key that signs.
    pub(crate) fn sign(&self, user: &store::User, session: SessionId, now: DateTime<Utc>) -> Result<Secret, AuthError> {
        let key = self.keys.iter().find(|key| key.verifies_until.is_none());
        let key = key.ok_or(AuthError::Internal("no stored key signs"))?;
        let claims = Claims {
            sub: user.id,
            role: user.role,
            iat: now.timestamp(),
            exp: (now + ACCESS_TOKEN_LIFE).timestamp(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            jti: Uuid::now_v7(),
            sid: session,
        };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &key.signing);
        token.map(Secret::new).map_err(|_| AuthError::Internal("a token couldn't be signed"))
    }

    /// A token that only we can have made, which says this.
    pub(crate) fn seal<T: Serialize>(&self, sealed: Sealed<T>) -> Result<Secret, AuthError> {
        let key = self.keys.iter().find(|key| key.verifies_until.is_none());
        let key = key.ok_or(AuthError::Internal("no stored key signs"))?;
        let Sealed { audience, expires_at, said } = sealed;
        let claims = Envelope { iss: ISSUER.to_owned(), aud: audience.to_owned(), exp: expires_at.timestamp(), said };
        // No access token, to whoever looks at nothing else (RFC 8725, 3.11).
        let typ = Some(SEALED_TYPE.to_owned());
        let header = Header { kid: Some(key.kid.clone()), typ, ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &key.signing);
        token.map(Secret::new).map_err(|_| AuthError::Internal("a token couldn't be signed"))
    }

    /// What it says, if we said it for this purpose and it hasn't run out.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        audience: &str,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<T, AuthError> {
        Ok(self.opened::<Envelope<T>>(audience, &["exp", "iss", "aud"], token, now)?.said)
    }

    /// Whether the key that a token names is one of these.
    pub(crate) fn knows(&self, token: &str) -> bool {
        kid(token).is_some_and(|kid| self.keys.iter().any(|key| key.kid == kid))
    }

    /// The claims of a token that we signed and that hasn't run out. Only EdDSA is taken, whatever its header says.
    pub(crate) fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, AuthError> {
        self.opened(AUDIENCE, &["exp", "iss", "aud", "sub"], token, now)
    }

    fn opened<T: DeserializeOwned>(
        &self,
        audience: &str,
        needed: &[&str],
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<T, AuthError> {
        let kid = kid(token).ok_or(AuthError::Forged)?;
        let good = |key: &&Key| key.kid == kid && key.verifies_until.is_none_or(|until| now < until);
        let key = self.keys.iter().find(good).ok_or(AuthError::Forged)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(needed);
        rules.leeway = 0;
        match jsonwebtoken::decode::<T>(token, &key.checking, &rules) {
            Ok(token) => Ok(token.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => Err(AuthError::Expired),
            Err(_) => Err(AuthError::Forged),
        }
    }

    /// The public halves, as JSON Web Keys (RFC 7517).
    pub(crate) fn public(&self) -> Vec<&Jwk> {
        self.keys.iter().map(|key| &key.public).collect()
    }
}

/// Which key a token says that it was signed with: untrusted.
fn kid(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn key(verifies_until: Option<DateTime<Utc>>) -> SigningKey {
        let (kid, private_pem) = make_key();
        SigningKey { kid, private_pem, created_at: Utc::now(), verifies_until }
    }

    fn ring(keys: &[&SigningKey]) -> KeyRing {
        KeyRing::new(keys.iter().map(|key| (*key).clone()).collect()).expect("keys just made")
    }

    fn keys() -> KeyRing {
        ring(&[&key(None)])
    }

    fn check(keys: &KeyRing, token: &str) -> Result<Claims, AuthError> {
        keys.check(token, Utc::now())
    }

    fn user() -> store::User {
        store::User {
            id: UserId::new(),
            email: "ada@example.org".to_owned(),
            hashed_password: String::new(),
            role: Role::Student,
            quota_remaining: 0,
            created_at: Utc::now(),
            disabled_at: None,
            teaches: false,
        }
    }

    #[test]
    fn a_replaced_key_verifies_until_its_time_and_signs_nothing() {
        let (old, new) = (key(None), key(None));
        let now = Utc::now();
        let token = ring(&[&old]).sign(&user(), SessionId::new(), now).expect("signed");
        let until = now + TimeDelta::minutes(1);
        let replaced = SigningKey { verifies_until: Some(until), ..old };
        let both = ring(&[&new, &replaced]);
        both.check(token.expose(), until - TimeDelta::seconds(1)).expect("still good");
        assert!(matches!(both.check(token.expose(), until), Err(AuthError::Forged)));
        assert!(!ring(&[&new]).knows(token.expose()));
        let fresh = both.sign(&user(), SessionId::new(), now).expect("signed");
        assert!(ring(&[&new]).check(fresh.expose(), now).is_ok());
        assert!(ring(&[&replaced]).sign(&user(), SessionId::new(), now).is_err());
        assert_eq!(both.public().len(), 2);
    }

    /// Its `kid` is anybody's to write.
    #[test]
    fn a_token_that_names_our_key_and_is_signed_by_another_is_forged() {
        let (ours, theirs) = (key(None), key(None));
        let named_ours = SigningKey { kid: ours.kid.clone(), ..theirs };
        let token = ring(&[&named_ours]).sign(&user(), SessionId::new(), Utc::now()).expect("signed");
        assert!(ring(&[&ours]).knows(token.expose()));
        assert!(matches!(check(&ring(&[&ours]), token.expose()), Err(AuthError::Forged)));
    }

    #[test]
    fn a_token_comes_back_with_what_it_said() {
        let (keys, user, session) = (keys(), user(), SessionId::new());
        let token = keys.sign(&user, session, Utc::now()).expect("signed");
        let claims = check(&keys, token.expose()).expect("our own token");
        assert_eq!((claims.sub, claims.role, claims.sid), (user.id, Role::Student, session));
    }

    #[test]
    fn what_is_said_for_one_purpose_is_taken_for_no_other() {
        let (keys, now) = (keys(), Utc::now());
        let sealed = |audience| Sealed { audience, expires_at: now + TimeDelta::minutes(1), said: 7 };
        let token = keys.seal(sealed("one")).expect("signed");
        assert_eq!(keys.open::<i32>("one", token.expose(), now).expect("ours"), 7);
        assert!(keys.open::<i32>("another", token.expose(), now).is_err());
        assert!(check(&keys, token.expose()).is_err(), "it is no access token");
        assert!(self::keys().open::<i32>("one", token.expose(), now).is_err(), "nor anybody else's");
        let access = keys.sign(&user(), SessionId::new(), now).expect("signed");
        assert!(keys.open::<Value>("one", access.expose(), now).is_err(), "and an access token says nothing else");
        let late = Sealed { expires_at: now - TimeDelta::seconds(2), ..sealed("one") };
        assert!(keys.open::<i32>("one", keys.seal(late).expect("signed").expose(), now).is_err());
    }

    #[test]
    fn expired_and_forged_are_told_apart() {
        let (keys, user) = (keys(), user());
        let old = keys.sign(&user, SessionId::new(), Utc::now() - ACCESS_TOKEN_LIFE - TimeDelta::seconds(2));
        assert!(matches!(check(&keys, old.expect("signed").expose()), Err(AuthError::Expired)));

        let foreign = self::keys().sign(&user, SessionId::new(), Utc::now()).expect("signed");
        assert!(matches!(check(&keys, foreign.expose()), Err(AuthError::Forged)));
        let old_and_foreign =
            self::keys().sign(&user, SessionId::new(), Utc::now() - TimeDelta::days(1)).expect("signed");
        assert!(matches!(check(&keys, old_and_foreign.expose()), Err(AuthError::Forged)), "a forger learns nothing");
    }

    #[test]
    fn a_token_that_names_another_algorithm_is_forged() {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        use serde_json::json;
        let keys = keys();
        let good = keys.sign(&user(), SessionId::new(), Utc::now()).expect("signed");
        let payload = good.expose().split('.').nth(1).expect("payload");
        let kid = kid(good.expose()).expect("a kid");
        let none = json!({ "alg": "none", "typ": "JWT", "kid": kid });
        let none = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(none.to_string()));
        assert!(matches!(check(&keys, &none), Err(AuthError::Forged)));

        // The public key as an HMAC secret: the classic confusion.
        let public = serde_json::to_string(&keys.public()).expect("json");
        let claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("json");
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::HS256) };
        let confused = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(public.as_bytes()));
        assert!(matches!(check(&keys, &confused.expect("signed")), Err(AuthError::Forged)));
        for junk in ["", ".", "..", "a.b.c", "\u{0}", &"x".repeat(100_000)] {
            assert!(matches!(check(&keys, junk), Err(AuthError::Forged)));
        }
    }

    #[test]
    fn the_published_key_holds_no_private_half() {
        let json = serde_json::to_value(keys().public()[0]).expect("json");
        assert_eq!(json["kty"], "OKP");
        assert_eq!(json["crv"], "Ed25519");
        assert!(json.get("d").is_none());
    }
}
