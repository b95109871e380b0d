//! Access tokens: JWTs signed with Ed25519, short-lived, verifiable by anybody with the public key.

use crate::{AuthError, Secret};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Role, SessionId, UserId};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    errors::ErrorKind,
    jwk::{Jwk, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// How long an access token is good for.
pub const ACCESS_TOKEN_LIFE: TimeDelta = TimeDelta::minutes(15);
/// The `iss` of every access token.
pub const ISSUER: &str = "tincture";
/// The `aud` of every access token.
pub const AUDIENCE: &str = "tincture-api";

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

/// The key that signs and checks. The same for every process of one database.
pub(crate) struct Keys {
    kid: String,
    signing: EncodingKey,
    checking: DecodingKey,
    public: Jwk,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A new private key as `(kid, PEM)`.
pub(crate) fn make_key() -> (String, String) {
    let mut der = PKCS8_PREFIX.to_vec();
    der.extend(rand::random::<[u8; 32]>());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    (Uuid::now_v7().to_string(), pem)
}

impl Keys {
    pub(crate) fn from_pem(kid: String, pem: &str) -> Result<Self, AuthError> {
        let bad = |_| AuthError::Internal("the stored signing key can't be read");
        let signing = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(bad)?;
        let mut public = Jwk::from_encoding_key(&signing, Algorithm::EdDSA).map_err(bad)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let checking = DecodingKey::from_jwk(&public).map_err(bad)?;
        Ok(Self { kid, signing, checking, public })
    }

    pub(crate) fn sign(&self, user: &store::User, session: SessionId, now: DateTime<Utc>) -> Result<Secret, AuthError> {
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
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &self.signing);
        token.map(Secret::new).map_err(|_| AuthError::Internal("a token couldn't be signed"))
    }

    /// The claims of a token that we signed and that hasn't run out. Only EdDSA is taken, whatever its header says.
    pub(crate) fn check(&self, token: &str) -> Result<Claims, AuthError> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.leeway = 0;
        match jsonwebtoken::decode::<Claims>(token, &self.checking, &rules) {
            Ok(token) => Ok(token.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => Err(AuthError::Expired),
            Err(_) => Err(AuthError::Forged),
        }
    }

    /// The public half, as a JSON Web Key (RFC 7517).
    pub(crate) const fn public(&self) -> &Jwk {
        &self.public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let (kid, pem) = make_key();
        Keys::from_pem(kid, &pem).expect("a key just made")
    }

    fn user() -> store::User {
        store::User {
            id: UserId::new(),
            email: "ada@example.org".to_owned(),
            hashed_password: String::new(),
            role: Role::Student,
            quota_remaining: 0,
            created_at: Utc::now(),
        }
    }

    #[test]
    fn a_token_comes_back_with_what_it_said() {
        let (keys, user, session) = (keys(), user(), SessionId::new());
        let token = keys.sign(&user, session, Utc::now()).expect("signed");
        let claims = keys.check(token.expose()).expect("our own token");
        assert_eq!((claims.sub, claims.role, claims.sid), (user.id, Role::Student, session));
    }

    #[test]
    fn expired_and_forged_are_told_apart() {
        let (keys, user) = (keys(), user());
        let old = keys.sign(&user, SessionId::new(), Utc::now() - ACCESS_TOKEN_LIFE - TimeDelta::seconds(2));
        assert!(matches!(keys.check(old.expect("signed").expose()), Err(AuthError::Expired)));

        let foreign = self::keys().sign(&user, SessionId::new(), Utc::now()).expect("signed");
        assert!(matches!(keys.check(foreign.expose()), Err(AuthError::Forged)));
        let old_and_foreign =
            self::keys().sign(&user, SessionId::new(), Utc::now() - TimeDelta::days(1)).expect("signed");
        assert!(matches!(keys.check(old_and_foreign.expose()), Err(AuthError::Forged)), "a forger learns nothing");
    }

    #[test]
    fn a_token_that_names_another_algorithm_is_forged() {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let keys = keys();
        let good = keys.sign(&user(), SessionId::new(), Utc::now()).expect("signed");
        let payload = good.expose().split('.').nth(1).expect("payload");
        let none = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#));
        assert!(matches!(keys.check(&none), Err(AuthError::Forged)));

        // The public key as an HMAC secret: the classic confusion.
        let public = serde_json::to_string(keys.public()).expect("json");
        let claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("json");
        let confused =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(public.as_bytes()));
        assert!(matches!(keys.check(&confused.expect("signed")), Err(AuthError::Forged)));
        for junk in ["", ".", "..", "a.b.c", "\u{0}", &"x".repeat(100_000)] {
            assert!(matches!(keys.check(junk), Err(AuthError::Forged)));
        }
    }

    #[test]
    fn the_published_key_holds_no_private_half() {
        let json = serde_json::to_value(keys().public()).expect("json");
        assert_eq!(json["kty"], "OKP");
        assert_eq!(json["crv"], "Ed25519");
        assert!(json.get("d").is_none());
    }
}
