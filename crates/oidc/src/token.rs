//! Which of the provider's tokens are believed: those that one of its keys signed, by an algorithm of [`ALGORITHMS`], for this
//! lab, a moment ago.

use crate::OidcError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

/// A token doesn't choose among others than these: no `none`, and nothing for which a public key could be a secret.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
/// Longest token looked at. One with hundreds of groups has 20 kB.
const LONGEST: usize = 64 * 1024;
/// Keys of one provider; others have two or three.
const MOST_KEYS: usize = 30;
/// Least modulus of an RSA key, in bytes.
const LEAST_RSA: usize = 256;
/// Seconds by which clocks may differ.
pub(crate) const SKEW: i64 = 60;
/// Seconds since a token was made, at most: longer than anybody may take to sign in.
const LONGEST_AGE: i64 = 900;
/// The same of a word that a session ended.
const LONGEST_LOGOUT_AGE: i64 = 300;
/// The event of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.4).
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Characters of a subject (OpenID Connect Core 1.0, 2) and of other names.
const LONGEST_NAME: usize = 255;

pub(crate) type Claims = Map<String, Value>;

/// The keys that the provider signs with. Others of its set are left out.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Jwk>);

impl Keys {
    pub fn read(set: &Value) -> Result<Self, OidcError> {
        let keys = set["keys"].as_array().ok_or_else(|| OidcError::Provider("its keys are no set".to_owned()))?;
        // One that can't be read is of a kind that came later than this.
        let keys = keys.iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        Ok(Self(keys.collect()))
    }

    fn fitting<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a Jwk> {
        self.0.iter().filter(|key| fits(key, header))
    }

    pub fn have(&self, header: &Header) -> bool {
        self.fitting(header).next().is_some()
    }
}

/// Whether a key may have signed a token with this header.
fn fits(key: &Jwk, header: &Header) -> bool {
    let is_of_kind = match (&key.algorithm, header.alg) {
        (AlgorithmParameters::RSA(key), Algorithm::RS256 | Algorithm::PS256) => {
            URL_SAFE_NO_PAD.decode(&key.n).is_ok_and(|modulus| modulus.len() >= LEAST_RSA)
        }
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let signs = key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let is_for_it = key.common.key_algorithm.is_none_or(|named| same(named, header.alg));
    let is_named = header.kid.is_none() || header.kid == key.common.key_id;
    is_of_kind && signs && is_for_it && is_named
}

const fn same(named: KeyAlgorithm, used: Algorithm) -> bool {
    matches!(
        (named, used),
        (KeyAlgorithm::RS256, Algorithm::RS256)
            | (KeyAlgorithm::PS256, Algorithm::PS256)
            | (KeyAlgorithm::ES256, Algorithm::ES256)
            | (KeyAlgorithm::EdDSA, Algorithm::EdDSA)
    )
}

/// What a token says of how it was signed: untrusted.
pub(crate) fn header(token: &str) -> Result<Header, OidcError> {
    if token.len() > LONGEST {
        return Err(OidcError::Unbelievable("it is longer than any need be"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| OidcError::Unbelievable("it is none, or unsigned"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(OidcError::Unbelievable("its algorithm isn't RS256, PS256, ES256 or EdDSA"));
    }
    if header.crit.is_some() {
        return Err(OidcError::Unbelievable("it says that something must be understood that isn't"));
    }
    Ok(header)
}

/// Its claims, if one of these keys signed it, for this client, and it hasn't run out.
fn verified(
    token: &str,
    header: &Header,
    keys: &Keys,
    issuer: &str,
    client: &str,
    required: &[&str],
) -> Result<Claims, OidcError> {
    let mut rules = Validation::new(header.alg);
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[client]);
    rules.set_required_spec_claims(required);
    rules.validate_nbf = true;
    rules.leeway = SKEW.unsigned_abs();
    let mut error = OidcError::Unbelievable("none of the provider's keys signed it");
    for key in keys.fitting(header) {
        let Ok(key) = DecodingKey::from_jwk(key) else { continue };
        match jsonwebtoken::decode::<Claims>(token, &key, &rules) {
            Ok(token) => return Ok(token.claims),
            Err(refused) if matches!(refused.kind(), ErrorKind::InvalidSignature) => {}
            Err(refused) => error = OidcError::Unbelievable(why(refused.kind())),
        }
    }
    Err(error)
}

const fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has run out",
        ErrorKind::InvalidIssuer => "another issuer made it",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::ImmatureSignature => "its time has yet to come",
        ErrorKind::MissingRequiredClaim(_) => "it leaves out what it must say",
        _ => "it can't be read",
    }
}

/// Whether it was made at most so long ago.
fn check_age(claims: &Claims, longest: i64, now: i64) -> Result<i64, OidcError> {
    let made =
        claims.get("iat").and_then(Value::as_f64).ok_or(OidcError::Unbelievable("it doesn't say when it was made"))?;
    let made = made as i64;
    if made > now + SKEW || made < now - longest - SKEW {
        return Err(OidcError::Unbelievable("it was made too long ago, or will be"));
    }
    Ok(made)
}

/// `auth_time`, which can't be later than now.
fn auth_time(claims: &Claims, now: i64) -> Result<Option<i64>, OidcError> {
    let Some(said) = claims.get("auth_time") else { return Ok(None) };
    let said = said.as_f64().ok_or(OidcError::Unbelievable("its auth_time is no time"))? as i64;
    if said > now + SKEW {
        return Err(OidcError::Unbelievable("they proved who they are at a time that has yet to come"));
    }
    Ok(Some(said.clamp(0, now)))
}

/// A claim that names something.
fn name(claims: &Claims, claim: &str) -> Option<String> {
    let name = claims.get(claim)?.as_str()?;
    let is_one = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    is_one.then(|| name.to_owned())
}

/// An ID token, of which all was checked (OpenID Connect Core 1.0, 3.1.3.7).
#[derive(Debug)]
pub(crate) struct IdToken {
    pub subject: String,
    /// The provider's session.
    pub session: Option<String>,
    /// When they proved there who they are, in seconds since 1970, if it says so.
    pub auth_time: Option<i64>,
    pub claims: Claims,
}

/// What an ID token must be about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    pub nonce: &'a str,
    pub access_token: Option<&'a str>,
    /// Seconds since 1970.
    pub now: i64,
}

pub(crate) fn id_token(token: &str, header: &Header, keys: &Keys, expected: Expected) -> Result<IdToken, OidcError> {
    let Expected { issuer, client, nonce, access_token, now } = expected;
    let claims = verified(token, header, keys, issuer, client, &["exp", "iss", "aud", "sub"])?;
    let others = claims.get("aud").and_then(Value::as_array).is_some_and(|audience| audience.len() > 1);
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(client) => {
            return Err(OidcError::Unbelievable("it was made for another client"));
        }
        None if others => return Err(OidcError::Unbelievable("it is for several, and doesn't say which one asked")),
        _ => {}
    }
    if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
        return Err(OidcError::Unbelievable("it is of another sign-in"));
    }
    check_age(&claims, LONGEST_AGE, now)?;
    if let (Some(hash), Some(access_token)) = (claims.get("at_hash"), access_token)
        && hash.as_str() != Some(&half_hash(header.alg, access_token))
    {
        return Err(OidcError::Unbelievable("another access token belongs to it"));
    }
    let subject = name(&claims, "sub").ok_or(OidcError::Unbelievable("its subject is none"))?;
    let auth_time = auth_time(&claims, now)?;
    Ok(IdToken { subject, session: name(&claims, "sid"), auth_time, claims })
}

/// As `at_hash` has it: of the hash that the signature uses, the left half.
fn half_hash(algorithm: Algorithm, text: &str) -> String {
    if algorithm == Algorithm::EdDSA {
        return URL_SAFE_NO_PAD.encode(&Sha512::digest(text)[..32]);
    }
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}

/// What a logout token says (OpenID Connect Back-Channel Logout 1.0, 2.6).
#[derive(Debug)]
pub(crate) struct LogoutToken {
    pub session: Option<String>,
    pub subject: Option<String>,
    pub id: String,
    /// Seconds since 1970, until when it would be believed.
    pub until: i64,
}

pub(crate) fn logout_token(
    token: &str,
    header: &Header,
    keys: &Keys,
    issuer: &str,
    client: &str,
    now: i64,
) -> Result<LogoutToken, OidcError> {
    let is_other = |kind: &String| !["logout+jwt", "jwt"].contains(&kind.to_lowercase().as_str());
    if header.typ.as_ref().is_some_and(is_other) {
        return Err(OidcError::Unbelievable("it is of another kind"));
    }
    let claims = verified(token, header, keys, issuer, client, &["iss", "aud"])?;
    let made = check_age(&claims, LONGEST_LOGOUT_AGE, now)?;
    // So that no ID token passes for one.
    if claims.contains_key("nonce") || !claims.get("events").is_some_and(|events| events[LOGOUT].is_object()) {
        return Err(OidcError::Unbelievable("it isn't about the end of a session"));
    }
    let id = name(&claims, "jti").ok_or(OidcError::Unbelievable("it has no name of its own"))?;
    let (session, subject) = (name(&claims, "sid"), name(&claims, "sub"));
    if session.is_none() && subject.is_none() {
        return Err(OidcError::Unbelievable("it doesn't say whose session"));
    }
    Ok(LogoutToken { session, subject, id, until: made + LONGEST_LOGOUT_AGE + 2 * SKEW })
}
