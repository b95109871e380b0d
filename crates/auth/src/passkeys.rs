//! Passkeys (WebAuthn): what a browser is asked, and whether its answer is right. `webauthn_rp` does the checking; here is
//! for which site, and what is kept.
//!
//! A challenge is kept nowhere: the server signs what it needs to know of it and the browser brings it back. So nobody can
//! fill a table with challenges, and every process knows those of the others. An answered one is kept until it would have run
//! out ([`store::SpentChallenge`]), so that none is answered twice.
//!
//! Every passkey is discoverable and asks for a finger, a face or a PIN, so that it is a sign-in of its own and a second
//! factor alike.

use crate::{AuthError, Identity, Keys, Secret, keys::Sealed};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use domain::{PasskeyId, UserId, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use store::{Factors, Passkey, PasskeyUse, SpentChallenge};
use url::{Host, Url};
use uuid::Uuid;
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication16, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration, RegistrationServerState,
    bin::{Decode, Encode},
    request::{
        AsciiDomain, PublicKeyCredentialDescriptor, RpId,
        auth::AuthenticationVerificationOptions,
        register::{
            CredProtect, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, UserHandle16, Username,
        },
    },
    response::{
        AuthTransports, CredentialId,
        register::{CompressedPubKey, DynamicState, StaticState},
    },
};

/// Passkeys that one person may have.
pub const MOST_PASSKEYS: u32 = 20;
/// How long a challenge may be answered.
const CHALLENGE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// The longest answer that is looked at; those with an RSA key are about 2 kB.
const LONGEST_ANSWER: usize = 32 * 1024;

/// For whom a challenge is: to use a passkey, and to make one.
const USE: &str = "tincture-passkey-use";
const MAKE: &str = "tincture-passkey-make";

type PublicKey = CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>;

/// The site that passkeys are for. One made for another opens nothing here.
#[derive(Clone, Debug)]
pub struct RelyingParty(Arc<Site>);

#[derive(Debug)]
struct Site {
    id: RpId,
    /// As a browser says it: scheme, host, and port where it isn't the usual one.
    origin: String,
}

impl RelyingParty {
    /// The site at this address, where people's browsers find it.
    ///
    /// # Errors
    /// Why no browser would use a passkey there.
    pub fn at(public_url: &str) -> Result<Self, String> {
        let url: Url = public_url.parse().map_err(|error| format!("it is no URL ({error})"))?;
        let Some(Host::Domain(domain)) = url.host() else {
            return Err("passkeys need a name: an address of numbers isn't enough".to_owned());
        };
        let is_here = domain == "localhost" || domain.ends_with(".localhost");
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err("browsers use passkeys over https alone, but for localhost".to_owned());
        }
        let id = AsciiDomain::try_from(domain.to_owned()).map_err(|_| "its name is no domain".to_owned())?;
        Ok(Self(Arc::new(Site { id: RpId::Domain(id), origin: url.origin().ascii_serialization() })))
    }

    /// The site of somebody who tries the lab on their own machine.
    pub fn localhost(port: u16) -> Self {
        Self::at(&format!("http://localhost:{port}")).unwrap_or_else(|_| unreachable!("localhost is a domain"))
    }

    /// The page's origin at which passkeys work, like `https://lab.example.org`.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }
}

/// What a browser is to be asked, and what it has to bring back with the answer.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Signed by us; it holds nothing secret.
    pub token: Secret,
    /// For `navigator.credentials.get` or `create`, as their JSON forms.
    pub options: Value,
    /// Of the page that may ask it.
    pub origin: String,
    pub expires_at: DateTime<Utc>,
}

/// What a browser answered.
#[derive(Clone)]
pub struct PasskeyAnswer {
    /// [`Challenge::token`].
    pub challenge: String,
    /// The credential's JSON form.
    pub credential: String,
}

impl std::fmt::Debug for PasskeyAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasskeyAnswer(…)")
    }
}

/// What we say of a challenge to ourselves.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    id: Uuid,
    /// base64url of the library's own.
    state: String,
    /// Who makes a passkey; nothing to use one.
    whose: Option<UserId>,
    exp: i64,
}

impl Said {
    fn new(state: &[u8], whose: Option<UserId>) -> Self {
        let exp = (Utc::now() + CHALLENGE_LIFE).timestamp();
        Self { id: Uuid::now_v7(), state: BASE64URL_NOPAD.encode(state), whose, exp }
    }

    fn spent(&self) -> SpentChallenge {
        // A day at most in a clock that is wrong; it is purged when it has passed.
        let expires_at = DateTime::from_timestamp(self.exp, 0).unwrap_or_else(Utc::now);
        SpentChallenge { id: self.id, expires_at }
    }

    fn state(&self) -> Result<Vec<u8>, AuthError> {
        bytes(&self.state).ok_or(AuthError::FactorRefused)
    }
}

async fn sealed(
    keys: &Keys,
    party: &RelyingParty,
    audience: &'static str,
    said: Said,
    options: Value,
) -> Result<Challenge, AuthError> {
    let expires_at = said.spent().expires_at;
    let token = keys.seal(Sealed { audience, expires_at, said }).await?;
    Ok(Challenge { token, options, origin: party.origin().to_owned(), expires_at })
}

/// Something went wrong that no browser can be the cause of.
fn ours<E>(_: E) -> AuthError {
    AuthError::Internal("a passkey's challenge can't be made")
}

/// Of anybody: the passkey says whose it is.
pub(crate) async fn ask(keys: &Keys, party: &RelyingParty) -> Result<Challenge, AuthError> {
    let options = DiscoverableCredentialRequestOptions::passkey(&party.0.id);
    let (state, asked) = options.start_ceremony().map_err(ours)?;
    let said = Said::new(&state.encode().map_err(ours)?, None);
    let options = serde_json::to_value(&asked).map_err(ours)?;
    sealed(keys, party, USE, said, options).await
}

/// Of a signed-in person who makes another passkey, not on a device that has one of theirs.
pub(crate) async fn ask_to_make(
    keys: &Keys,
    party: &RelyingParty,
    whose: &Identity,
    has: &Factors,
) -> Result<Challenge, AuthError> {
    let handle = handle_of(whose.user_id());
    // Browsers show it in their list of passkeys.
    let name = Username::try_from(whose.user.email.as_str());
    let name = name.or_else(|_| Username::try_from("account")).map_err(ours)?;
    let person = PublicKeyCredentialUserEntity { name, id: &handle, display_name: None };
    let others = has.passkeys.iter().filter_map(|passkey| {
        let id = CredentialId::<Vec<u8>>::decode(bytes(&passkey.credential_id)?).ok()?;
        // How it is reached is for the browser to find out.
        Some(PublicKeyCredentialDescriptor { id, transports: AuthTransports::decode(0).ok()? })
    });
    let mut options = PublicKeyCredentialCreationOptions::passkey(&party.0.id, person, others.collect());
    // Devices that don't know it would be refused by the browser; that its person was recognised is asked for in any case.
    options.extensions.cred_protect = CredProtect::None;
    let (state, asked) = options.start_ceremony().map_err(ours)?;
    let said = Said::new(&state.encode().map_err(ours)?, Some(whose.user_id()));
    let options = serde_json::to_value(&asked).map_err(ours)?;
    sealed(keys, party, MAKE, said, options).await
}

/// The passkey that an answer made, as it is to be kept.
pub(crate) async fn made(
    keys: &Keys,
    party: &RelyingParty,
    whose: UserId,
    name: &str,
    answer: &PasskeyAnswer,
) -> Result<(Passkey, SpentChallenge), AuthError> {
    let name = name.trim().to_owned();
    text::name(&name, text::LONGEST_TOKEN_NAME).map_err(AuthError::InvalidPasskeyName)?;
    let said: Said = opened(keys, MAKE, answer).await?;
    if said.whose != Some(whose) {
        return Err(AuthError::FactorRefused);
    }
    let state = RegistrationServerState::<16>::decode(said.state()?.as_slice()).map_err(refused)?;
    let registration = Registration::from_json_relaxed(answer.credential.as_bytes()).map_err(unreadable)?;
    let options = RegistrationVerificationOptions {
        allowed_origins: &[party.origin()],
        error_on_unsolicited_extensions: false,
        ..RegistrationVerificationOptions::<&str, &str>::default()
    };
    let made = state.verify(&party.0.id, &registration, &options).map_err(refused)?;
    let key = made.static_state().encode().map_err(ours)?;
    let dynamic = made.dynamic_state().encode().map_err(ours)?;
    let passkey = Passkey {
        id: PasskeyId::new(),
        user_id: whose,
        name,
        credential_id: BASE64URL_NOPAD.encode(made.id().as_ref()),
        public_key: BASE64URL_NOPAD.encode(&key),
        state: BASE64URL_NOPAD.encode(&dynamic),
        created_at: Utc::now(),
        last_used_at: None,
    };
    Ok((passkey, said.spent()))
}

/// Whose passkey an answer is of, and what it is used up by. `kept` finds it by what its authenticator calls it.
pub(crate) async fn used<F: Future<Output = Result<Option<Passkey>, store::StoreError>>>(
    keys: &Keys,
    party: &RelyingParty,
    answer: &PasskeyAnswer,
    kept: impl FnOnce(String) -> F,
) -> Result<(UserId, PasskeyUse), AuthError> {
    let said: Said = opened(keys, USE, answer).await?;
    let state = DiscoverableAuthenticationServerState::decode(said.state()?.as_slice()).map_err(refused)?;
    let shown = DiscoverableAuthentication16::from_json_relaxed(answer.credential.as_bytes());
    let shown = shown.map_err(unreadable)?;
    let id = BASE64URL_NOPAD.encode(shown.raw_id().as_ref());
    let kept = kept(id).await?.ok_or(AuthError::FactorRefused)?;
    let corrupt = || AuthError::Internal("a stored passkey can't be read");
    let key = bytes(&kept.public_key).ok_or_else(corrupt)?;
    let key = StaticState::<PublicKey>::decode(key.as_slice()).map_err(|_| corrupt())?;
    let before: [u8; 7] = bytes(&kept.state).and_then(|state| state.try_into().ok()).ok_or_else(corrupt)?;
    let before = DynamicState::decode(before).map_err(|_| corrupt())?;
    let handle = handle_of(kept.user_id);
    let mut credential = AuthenticatedCredential::new(shown.raw_id(), &handle, key, before).map_err(|_| corrupt())?;
    let options = AuthenticationVerificationOptions {
        allowed_origins: &[party.origin()],
        error_on_unsolicited_extensions: false,
        ..AuthenticationVerificationOptions::<&str, &str>::default()
    };
    state.verify(&party.0.id, &shown, &mut credential, &options).map_err(refused)?;
    let after = credential.dynamic_state().encode().map_err(ours)?;
    let state = BASE64URL_NOPAD.encode(&after);
    let challenge = said.spent();
    Ok((kept.user_id, PasskeyUse { id: kept.id, was: kept.state, state, challenge }))
}

async fn opened(keys: &Keys, audience: &'static str, answer: &PasskeyAnswer) -> Result<Said, AuthError> {
    if answer.credential.len() > LONGEST_ANSWER || answer.challenge.len() > LONGEST_ANSWER {
        return Err(AuthError::FactorRefused);
    }
    keys.open(audience, &answer.challenge).await.map_err(|_| AuthError::FactorRefused)
}

/// Why is for the log: whoever asks is told that it was refused.
fn refused(why: impl std::fmt::Display) -> AuthError {
    tracing::info!(%why, "a passkey was refused");
    AuthError::FactorRefused
}

/// What was sent isn't repeated.
fn unreadable<E>(_: E) -> AuthError {
    tracing::info!("a passkey's answer can't be read");
    AuthError::FactorRefused
}

/// What a passkey calls its person: their id, which tells nothing.
fn handle_of(user: UserId) -> UserHandle16 {
    UserHandle16::decode(user.as_uuid().into_bytes()).unwrap_or_else(|never| match never {})
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_where_browsers_would_use_a_passkey() {
        for (url, origin, id) in [
            ("https://lab.example.org", "https://lab.example.org", "lab.example.org"),
            ("https://Lab.Example.org:8443/tincture/", "https://lab.example.org:8443", "lab.example.org"),
            ("http://localhost:8080", "http://localhost:8080", "localhost"),
        ] {
            let party = RelyingParty::at(url).expect(url);
            assert_eq!((party.origin(), party.0.id.as_ref()), (origin, id));
        }
        for url in ["", "lab", "http://lab.example.org", "https://127.0.0.1", "https://[::1]:8", "ftp://localhost"] {
            assert!(RelyingParty::at(url).is_err(), "{url}");
        }
        assert_eq!(RelyingParty::localhost(8080).origin(), "http://localhost:8080");
    }
}
