//! What the lab is set up with to ask a provider of identity.

use crate::{GroupRules, OidcError, Rules};
use secret::Secret;
use std::net::IpAddr;
use url::{Host, Url};

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// As the provider writes it in its tokens.
    pub issuer: String,
    pub client_id: String,
    /// Nothing for a public client.
    pub client_secret: Option<Secret>,
    /// With spaces between; `openid` among them.
    pub scopes: String,
    /// What the provider is called on the button.
    pub label: String,
    /// Where browsers reach the lab, without a slash at its end.
    pub public_url: String,
    pub rules: Rules,
    pub group_rules: GroupRules,
    /// Lower case; every one where there is none.
    pub email_domains: Vec<String>,
    /// Whoever comes for the first time gets an account.
    pub makes_accounts: bool,
    /// Whoever comes for the first time gets the account that has their address.
    pub links_accounts: bool,
    /// For a provider whose tokens don't say when somebody proved who they are: the moment they come from there counts.
    pub assumes_auth_time: bool,
}

impl Config {
    /// Checks what no type says.
    ///
    /// # Errors
    /// `Setting`, which names it and says what it must be.
    pub fn check(mut self) -> Result<Self, OidcError> {
        check_url("oidc_issuer", &self.issuer)?;
        check_url("public_url", &self.public_url)?;
        let setting = |text: &str| Err(OidcError::Setting(text.to_owned()));
        if self.client_id.is_empty() {
            return setting("oidc_client_id must be set, as the provider of identity has it");
        }
        if !self.scopes.split_whitespace().any(|scope| scope == "openid") {
            return setting("oidc_scopes must have `openid` among them");
        }
        self.public_url = self.public_url.trim_end_matches('/').to_owned();
        Ok(self)
    }

    /// Where the provider sends browsers back to: one address, whatever a request says of its host.
    pub fn redirect_uri(&self) -> String {
        format!("{}/auth/oidc/callback", self.public_url)
    }

    /// Whether browsers reach the lab encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

fn check_url(name: &str, text: &str) -> Result<(), OidcError> {
    let is_good =
        |url: &Url| is_safe(url) && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match Url::parse(text) {
        Ok(url) if is_good(&url) => Ok(()),
        _ => Err(OidcError::Setting(format!(
            "{name} must be like https://lab.example.org (http:// only for what is on this machine, http://127.0.0.1:…)"
        ))),
    }
}

/// Whether nobody between could read or change what goes there: it is encrypted, or doesn't leave the machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_can_listen_to_is_asked() {
        for good in
            ["https://id.example.org/realms/lab", "http://127.0.0.1:3000", "http://[::1]:80/", "http://localhost:1"]
        {
            assert!(check_url("oidc_issuer", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "id.example.org",
            "http://id.example.org",
            "ftp://127.0.0.1",
            "https://a/?b",
            "https://u:p@a/",
            "file:///etc",
        ] {
            assert!(check_url("oidc_issuer", bad).is_err(), "{bad}");
        }
    }
}
