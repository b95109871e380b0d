//! The lab as the party that relies on a provider of identity: a sign-in from its beginning to whom it was.

use crate::{
    Config, HANDSHAKE_LIFE, OidcError,
    handshake::{Handshake, SignIn},
    provider::{Metadata, Provider},
    token::{self, Claims, Expected, IdToken},
};
use async_recursion::async_recursion as boxed;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Placement, Role};
use hyper::StatusCode;
use serde_json::Value;
use std::{fmt, sync::Arc};
use url::{Url, form_urlencoded};

/// Seconds since somebody proved there who they are, at most: as long as a sign-in here lasts. What is asked for matters less than
/// that something is: a provider that is asked for an age must say `auth_time` (OpenID Connect Core 1.0, 3.1.2.1).
const LONGEST_AGE_THERE: &str = "2592000";
/// Longest code looked at.
const LONGEST_CODE: usize = 4_096;

/// Asks one provider of identity. Cheap to clone; clones share what is known of it.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    config: Arc<Config>,
    provider: Provider,
}

/// A sign-in that begins. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Start {
    /// Where the browser goes.
    pub url: String,
    /// What it keeps meanwhile, for [`HANDSHAKE_LIFE`] seconds.
    pub cookie: String,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Start(…)")
    }
}

/// What a browser comes back with: anybody's to write.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub state: String,
    pub code: Option<String>,
    pub issuer: Option<String>,
    pub error: Option<String>,
}

/// Whom the provider vouches for. Its `Debug` shows nothing of them.
#[derive(Clone)]
pub struct Person {
    pub issuer: String,
    pub subject: String,
    /// One that the provider has verified and that is of a domain that is let in.
    pub email: Option<String>,
    pub role: Role,
    /// Wells.
    pub quota: i32,
    /// Where they are to be in each group of the lab that a rule is about.
    pub groups: Vec<Placement>,
    /// The provider's own name of its session.
    pub session: Option<String>,
    /// When they proved there who they are; where nobody knows, at the beginning of all time.
    pub proved_at: DateTime<Utc>,
    /// What names this sign-in, which may be used once, and until when it would be believed.
    pub once: (String, DateTime<Utc>),
    /// Where it leads on to, as it was begun; to be checked again.
    pub next: String,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Which sessions of the provider have ended.
#[derive(Clone, Debug)]
pub struct LoggedOut {
    /// This one; where it says none, all of the subject's.
    pub session: Option<String>,
    pub subject: Option<String>,
    /// What names this word, which counts once, and until when it would be believed.
    pub once: (String, DateTime<Utc>),
}

/// What the token endpoint gives.
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl RelyingParty {
    /// Asks nobody yet: a lab starts while its provider is away.
    ///
    /// # Errors
    /// Where the machine trusts no authority at all.
    pub fn new(config: Config) -> Result<Self, OidcError> {
        let provider = Provider::new(&config.issuer)?;
        Ok(Self { config: Arc::new(config), provider })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Begins a sign-in that leads on to `next`. One that is `Anew` comes to nothing unless the provider says that it asked.
    ///
    /// # Errors
    /// `Provider` while it is away.
    #[boxed]
    pub async fn start(&self, next: &str, sign_in: SignIn) -> Result<Start, OidcError> {
        let metadata = self.provider.metadata().await?;
        let handshake = Handshake::begin(next, sign_in, Utc::now().timestamp());
        let mut url = Url::clone(&metadata.authorization_endpoint);
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.config.redirect_uri())
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", &handshake.state())
            .append_pair("nonce", &handshake.nonce())
            .append_pair("code_challenge", &handshake.challenge())
            .append_pair("code_challenge_method", "S256");
        match sign_in {
            SignIn::Any => url.query_pairs_mut().append_pair("max_age", LONGEST_AGE_THERE),
            SignIn::Anew => url.query_pairs_mut().append_pair("max_age", "0").append_pair("prompt", "login"),
        };
        Ok(Start { url: url.into(), cookie: handshake.cookie().to_owned() })
    }

    /// Ends a sign-in: with the cookie that it began with, and what the browser came back with.
    ///
    /// # Errors
    /// Why it comes to nothing.
    #[boxed]
    pub async fn finish(&self, cookie: &str, answer: &Answer) -> Result<Person, OidcError> {
        let now = Utc::now();
        let handshake = Handshake::resume(cookie, &answer.state, now.timestamp())?;
        let metadata = self.provider.metadata().await?;
        self.check_issuer(&metadata, answer)?;
        if let Some(error) = &answer.error {
            return Err(refused(error));
        }
        let code = answer.code.as_ref().filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE);
        let code = code.ok_or(OidcError::Unbelievable("it came back without a code"))?;
        let tokens = self.redeem(&metadata, code, &handshake).await?;
        let IdToken { subject, session, auth_time, mut claims } = self.check(&tokens, &handshake).await?;
        let proved_at = self.proved_at(auth_time, &handshake, now)?;
        if self.lacks(&claims) {
            self.complete(&metadata, &tokens, &subject, &mut claims).await?;
        }
        let email = self.email(&claims)?;
        let (role, quota) = self.config.rules.grant(&claims).ok_or(OidcError::NoRole)?;
        let groups = self.config.group_rules.placements(&claims);
        let until = now + TimeDelta::seconds(2 * HANDSHAKE_LIFE);
        let (issuer, next) = (self.config.issuer.clone(), handshake.next().to_owned());
        let once = (handshake.nonce(), until);
        Ok(Person { issuer, subject, email, role, quota, groups, session, proved_at, once, next })
    }

    /// When they proved there who they are. The browser could have left out of the address that they are to be asked, so that is
    /// seen by the time alone.
    fn proved_at(
        &self,
        auth_time: Option<i64>,
        handshake: &Handshake,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, OidcError> {
        let assumed = self.config.assumes_auth_time.then(|| now.timestamp());
        let at = auth_time.or(assumed);
        let is_anew = at.is_some_and(|at| at >= handshake.began() - token::SKEW);
        if handshake.sign_in() == SignIn::Anew && !is_anew {
            return Err(OidcError::NotAnew);
        }
        Ok(at.and_then(|at| DateTime::from_timestamp(at, 0)).unwrap_or(DateTime::UNIX_EPOCH))
    }

    /// Against answers that another provider's sign-in was mixed up with (RFC 9207).
    fn check_issuer(&self, metadata: &Metadata, answer: &Answer) -> Result<(), OidcError> {
        match &answer.issuer {
            Some(issuer) if *issuer != self.config.issuer => Err(OidcError::Unbelievable("another provider answered")),
            None if metadata.authorization_response_iss_parameter_supported => {
                Err(OidcError::Unbelievable("the answer doesn't say which provider it is of"))
            }
            _ => Ok(()),
        }
    }

    /// What trades the code for tokens: the form, and what it is authorized with.
    fn trade(
        &self,
        metadata: &Metadata,
        code: &str,
        handshake: &Handshake,
    ) -> Result<(String, Option<String>), OidcError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.config.redirect_uri())
            .append_pair("code_verifier", &handshake.verifier());
        let known = &metadata.token_endpoint_auth_methods_supported;
        let takes = |method: &str| known.iter().any(|known| known == method);
        let authorization = match &self.config.client_secret {
            Some(secret) if known.is_empty() || takes("client_secret_basic") => {
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let both = format!("{}:{}", encoded(&self.config.client_id), encoded(secret.expose()));
                Some(format!("Basic {}", STANDARD.encode(both)))
            }
            Some(secret) if takes("client_secret_post") => {
                form.append_pair("client_id", &self.config.client_id).append_pair("client_secret", secret.expose());
                None
            }
            Some(_) => return Err(OidcError::Provider("it takes no client's secret".to_owned())),
            None => {
                form.append_pair("client_id", &self.config.client_id);
                None
            }
        };
        Ok((form.finish(), authorization))
    }

    /// Trades the code for tokens.
    async fn redeem(&self, metadata: &Metadata, code: &str, handshake: &Handshake) -> Result<Tokens, OidcError> {
        let (form, authorization) = self.trade(metadata, code, handshake)?;
        let (status, answer) =
            self.provider.fetch.post_form(metadata.token_endpoint.as_str(), form, authorization).await?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        if !status.is_success() {
            let said = text("error").unwrap_or_default();
            let said: String = said.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(40).collect();
            return Err(match status {
                StatusCode::BAD_REQUEST if said == "invalid_grant" => OidcError::CodeRefused(said),
                _ => OidcError::Provider(format!("its token endpoint answers {status} {said}")),
            });
        }
        let id_token = text("id_token").ok_or(OidcError::Unbelievable("no ID token came"))?;
        Ok(Tokens { id_token, access_token: text("access_token") })
    }

    async fn check(&self, tokens: &Tokens, handshake: &Handshake) -> Result<IdToken, OidcError> {
        let header = token::header(&tokens.id_token)?;
        let keys = self.provider.keys(|keys| keys.have(&header)).await?;
        let nonce = handshake.nonce();
        let expected = Expected {
            issuer: &self.config.issuer,
            client: &self.config.client_id,
            nonce: &nonce,
            access_token: tokens.access_token.as_deref(),
            now: Utc::now().timestamp(),
        };
        token::id_token(&tokens.id_token, &header, &keys, expected)
    }

    /// Whether the ID token leaves out what the lab goes by.
    fn lacks(&self, claims: &Claims) -> bool {
        let Config { rules, group_rules, .. } = &*self.config;
        let has_address = claims.contains_key("email") && claims.contains_key("email_verified");
        !has_address || rules.misses(claims) || group_rules.misses(claims)
    }

    /// Asks for the claims that aren't in the ID token. None of those that are is changed.
    async fn complete(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        subject: &str,
        claims: &mut Claims,
    ) -> Result<(), OidcError> {
        let (Some(endpoint), Some(token)) = (&metadata.userinfo_endpoint, &tokens.access_token) else { return Ok(()) };
        let (status, more) = self.provider.fetch.get(endpoint.as_str(), Some(token)).await?;
        let Value::Object(more) = more else {
            return Err(OidcError::Provider("what it says of somebody is no object".to_owned()));
        };
        if !status.is_success() {
            return Err(OidcError::Provider(format!("its userinfo endpoint answers {status}")));
        }
        if more.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(OidcError::Unbelievable("it says something of somebody else"));
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// Their address, if the provider has verified it. Where only some domains are let in, there must be one.
    fn email(&self, claims: &Claims) -> Result<Option<String>, OidcError> {
        let is_verified = match claims.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            // As some write it.
            Some(Value::String(verified)) => verified == "true",
            _ => false,
        };
        let email = claims.get("email").and_then(Value::as_str).filter(|_| is_verified);
        let email = email.map(|email| email.trim().to_lowercase());
        if self.config.email_domains.is_empty() {
            return Ok(email);
        }
        let email = email.ok_or(OidcError::UnverifiedAddress)?;
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        if self.config.email_domains.iter().any(|known| known == domain) {
            return Ok(Some(email));
        }
        Err(OidcError::ForeignAddress)
    }

    /// Which sessions a word of the provider ends (OpenID Connect Back-Channel Logout 1.0).
    ///
    /// # Errors
    /// `Unbelievable`; `Provider` while its keys can't be read.
    #[boxed]
    pub async fn logged_out(&self, logout_token: &str) -> Result<LoggedOut, OidcError> {
        let header = token::header(logout_token)?;
        let keys = self.provider.keys(|keys| keys.have(&header)).await?;
        let Config { issuer, client_id, .. } = &*self.config;
        let said = token::logout_token(logout_token, &header, &keys, issuer, client_id, Utc::now().timestamp())?;
        let until = DateTime::from_timestamp(said.until, 0).unwrap_or_default();
        Ok(LoggedOut { session: said.session, subject: said.subject, once: (said.id, until) })
    }

    /// Where somebody signs out of the provider, too; nothing where that isn't to be had.
    #[boxed]
    pub async fn sign_out_url(&self) -> Option<String> {
        let metadata = self.provider.metadata().await.ok()?;
        let mut url = Url::clone(metadata.end_session_endpoint.as_ref()?);
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{}/", self.config.public_url));
        Some(url.into())
    }
}

/// Those that RFC 6749 (4.1.2.1) and OpenID Connect have; another is anybody's text.
fn refused(error: &str) -> OidcError {
    const KNOWN: [&str; 8] = [
        "access_denied",
        "login_required",
        "consent_required",
        "interaction_required",
        "account_selection_required",
        "temporarily_unavailable",
        "server_error",
        "invalid_scope",
    ];
    OidcError::Refused(KNOWN.into_iter().find(|known| *known == error).unwrap_or("another reason"))
}
