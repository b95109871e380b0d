//! Settings of how people come to an account, and of mail.

use super::{RegistrationBy, SelfMade, Settings};
use crate::banner::reachable;
use anyhow::{Context, bail};
use auth::{AccountPolicy, Registration};
use domain::Role;
use mail::{Mailer, Server, Sink};
use std::fs;

/// Who mails come from that are files.
const NOBODY: &str = "Tincture <tincture@localhost>";
/// It is in one line of a mail, with a link behind it.
const LONGEST_URL: usize = 300;
const MOST_QUOTA: i32 = 1_000_000;

pub(super) fn check(settings: &Settings) -> anyhow::Result<()> {
    if let Some(url) = &settings.public_url {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let is_one = rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()));
        if !is_one || url.contains(['?', '#', '@']) || url.len() > LONGEST_URL {
            bail!("public_url is '{url}', it must be an address like https://lab.example.org");
        }
    }
    if !(0..=MOST_QUOTA).contains(&settings.registration_quota) {
        bail!("registration_quota is {}, it must be between 0 and {MOST_QUOTA}", settings.registration_quota);
    }
    let domains = settings.domains();
    if settings.registration == RegistrationBy::Domain && domains.is_empty() {
        bail!("registration is `domain`: set registration_domains, like `example.org`");
    }
    if settings.registration != RegistrationBy::Domain && !domains.is_empty() {
        bail!("registration_domains is set, which only registration = \"domain\" looks at");
    }
    if let Some(domain) = domains.iter().find(|domain| domain.contains('@') || domain.contains(char::is_whitespace)) {
        bail!("registration_domains has '{domain}', it must be what is behind the @ of addresses, like `example.org`");
    }
    if settings.smtp_url.is_some() && settings.mail_from.is_none() {
        bail!("smtp_url is set: set mail_from too, like `Tincture <lab@example.org>`");
    }
    settings.sender()?;
    settings.sink().map(drop)
}

impl Settings {
    /// The lab's address for people, without a slash at its end.
    pub fn site(&self) -> String {
        let served = || format!("http://{}", reachable(self.listen));
        self.public_url.clone().unwrap_or_else(served).trim_end_matches('/').to_owned()
    }

    /// How people come to an account.
    pub fn account_policy(&self) -> AccountPolicy {
        AccountPolicy {
            registration: match self.registration {
                RegistrationBy::Closed => Registration::Closed,
                RegistrationBy::Invitation => Registration::Invitation,
                RegistrationBy::Domain => Registration::Domains(self.domains()),
                RegistrationBy::Open => Registration::Open,
            },
            role: match self.registration_role {
                SelfMade::Student => Role::Student,
                SelfMade::Researcher => Role::Researcher,
            },
            quota: self.registration_quota,
            mails: self.smtp_url.is_some(),
        }
    }

    /// How this lab writes to people; `site` is its address.
    pub fn mailer(&self, site: String) -> anyhow::Result<Mailer> {
        Ok(Mailer { sink: self.sink()?, from: self.sender()?.parse()?, site })
    }

    fn sink(&self) -> anyhow::Result<Sink> {
        let Some(url) = &self.smtp_url else {
            return Ok(Sink::Directory(self.mail_dir.clone().unwrap_or_else(|| self.data_dir.join("mail"))));
        };
        let ca = self
            .smtp_ca
            .as_ref()
            .map(|path| fs::read(path).with_context(|| format!("smtp_ca {} can't be read", path.display())));
        let ca = ca.transpose()?;
        Sink::server(Server { url: url.expose(), ca: ca.as_deref() }).context("smtp_url can't be used")
    }

    fn sender(&self) -> anyhow::Result<&str> {
        let from = self.mail_from.as_deref().unwrap_or(NOBODY);
        let why =
            |error| anyhow::anyhow!("mail_from is '{from}', it must be like `Tincture <lab@example.org>`: {error}");
        mail::sender(from).map(|_| from).map_err(why)
    }

    fn domains(&self) -> Vec<String> {
        let text = self.registration_domains.as_deref().unwrap_or_default();
        text.split(',').map(|domain| domain.trim().to_lowercase()).filter(|domain| !domain.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flag, load};

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_starts() {
        let refusal = |flags: &[(&'static str, &str)]| {
            let flags: Vec<Flag> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            load(None, &flags).err().map(|error| format!("{error:#}")).unwrap_or_default()
        };
        let from = ("mail_from", "Lab <lab@example.org>");
        for (flags, says) in [
            (&[][..], ""),
            (&[("registration", "domain"), ("registration_domains", "example.org, CS.example.org")], ""),
            (&[("smtp_url", "smtp://lab:s3cret@mail.example.org:587"), from], ""),
            (&[("registration", "domain")], "set registration_domains"),
            (&[("registration", "anybody")], "registration"),
            (&[("registration_domains", "example.org")], "only registration"),
            (&[("registration", "domain"), ("registration_domains", "@example.org")], "behind the @"),
            (&[("registration_role", "operator")], "registration_role"),
            (&[("registration_quota", "-1")], "between 0 and"),
            (&[("public_url", "lab.example.org")], "https://"),
            (&[("smtp_url", "smtp://lab:s3cret@mail.example.org:587")], "set mail_from"),
            (&[("smtp_url", "http://lab:s3cret@mail.example.org"), from], "smtp://"),
            (&[("smtp_url", "smtp://lab:s3cret@mail.example.org?tls=none"), from], "in the clear"),
            (&[("smtp_url", "smtps://mail.example.org"), ("smtp_ca", "/nowhere.pem"), from], "can't be read"),
            (&[("mail_from", "Lab <lab>\r\nBcc: eve@example.org")], "mail_from"),
        ] {
            let said = refusal(flags);
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{flags:?}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
