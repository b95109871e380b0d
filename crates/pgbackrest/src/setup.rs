//! What has to be configured on the database's host, as text to put there.

use std::{fmt, path::PathBuf};

/// The usual port of PostgreSQL.
const USUAL_PORT: u16 = 5432;

/// A lab's database, and how it is to be backed up.
#[derive(Clone, Debug)]
pub struct Setup {
    pub stanza: String,
    /// Where pgBackRest's configuration is to lie, when not at its usual place.
    pub configuration: Option<PathBuf>,
    /// PostgreSQL's data directory.
    pub data: PathBuf,
    pub port: u16,
    /// The directory of its socket, when not the usual one.
    pub socket: Option<PathBuf>,
    /// The role that backs up, a superuser, when it isn't called as the account.
    pub role: Option<String>,
    /// Where the backups go.
    pub repository: PathBuf,
    /// Days back to each moment of which can be restored.
    pub keep_days: u16,
    /// Seconds after which a piece of the log is archived though it isn't full: so much may be lost with the server.
    pub archive_seconds: u16,
}

impl Setup {
    /// `pgbackrest.conf`.
    ///
    /// # Errors
    /// Something can't be written in such a file.
    pub fn pgbackrest(&self) -> Result<String, String> {
        let Self { stanza, keep_days, .. } = self;
        let mut text = format!(
            "# Backups of the lab's database. Readable by the account that PostgreSQL runs as.\n\
             [global]\n\
             # Another disk or, better, another machine (repo1-host, repo1-type=s3, …).\n\
             repo1-path={repository}\n\
             # Days: each moment of them can be restored to.\n\
             repo1-retention-full-type=time\n\
             repo1-retention-full={keep_days}\n\
             # To have it encrypted, before the first backup; keep the passphrase elsewhere too:\n\
             # repo1-cipher-type=aes-256-cbc\n\
             # repo1-cipher-pass=…                  (openssl rand -base64 48)\n\
             start-fast=y\n\n\
             [{stanza}]\n\
             pg1-path={data}\n",
            repository = plain("the repository", &self.repository.display())?,
            stanza = plain("the stanza", stanza)?,
            data = plain("the data directory", &self.data.display())?,
        );
        if self.port != USUAL_PORT {
            text += &format!("pg1-port={}\n", self.port);
        }
        if let Some(socket) = &self.socket {
            text += &format!("pg1-socket-path={}\n", plain("the socket's directory", &socket.display())?);
        }
        if let Some(role) = &self.role {
            text += &format!("pg1-user={}\n", plain("the role", role)?);
        }
        Ok(text)
    }

    /// What PostgreSQL's own configuration needs.
    ///
    /// # Errors
    /// Something can't be written in such a file.
    pub fn postgresql(&self) -> Result<String, String> {
        let configuration = match &self.configuration {
            Some(file) => format!("--config=\"{}\" ", plain("the configuration", &file.display())?),
            None => String::new(),
        };
        Ok(format!(
            "# Archives the log of the lab's database, so that it can be put back as it was at any moment.\n\
             # archive_mode needs a restart of the server.\n\
             archive_mode = on\n\
             archive_command = 'pgbackrest {configuration}--stanza={stanza} archive-push %p'\n\
             # Seconds: so much at most is lost with the server and its disk.\n\
             archive_timeout = {seconds}\n\
             wal_level = replica\n",
            stanza = plain("the stanza", &self.stanza)?,
            seconds = self.archive_seconds,
        ))
    }
}

/// What stands for itself in both files and in a shell's double quotes.
fn plain(what: &str, value: &impl fmt::Display) -> Result<String, String> {
    let text = value.to_string();
    let is_special = |c: char| c.is_control() || "'\"\\%$`#;[]".contains(c);
    if text.is_empty() || text.trim() != text || text.contains(is_special) {
        return Err(format!("{what} can't be '{text}': it would mean something else in a configuration"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup {
            stanza: "tincture".to_owned(),
            configuration: None,
            data: "/var/lib/postgresql/15/main".into(),
            port: 5432,
            socket: None,
            role: None,
            repository: "/var/lib/pgbackrest".into(),
            keep_days: 14,
            archive_seconds: 60,
        }
    }

    #[test]
    fn what_is_usual_is_not_said() {
        let text = setup().pgbackrest().expect("a configuration");
        assert!(text.ends_with("[tincture]\npg1-path=/var/lib/postgresql/15/main\n"), "{text}");
        let unusual = Setup { port: 5433, socket: Some("/run/pg".into()), role: Some("lab".to_owned()), ..setup() };
        let text = unusual.pgbackrest().expect("a configuration");
        assert!(text.ends_with("pg1-port=5433\npg1-socket-path=/run/pg\npg1-user=lab\n"), "{text}");
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_configuration() {
        for stanza in ["a]\n[b", "a' || rm", "", "$(id)", " a", "a;b"] {
            assert!(Setup { stanza: stanza.to_owned(), ..setup() }.postgresql().is_err(), "{stanza}");
            assert!(Setup { stanza: stanza.to_owned(), ..setup() }.pgbackrest().is_err(), "{stanza}");
        }
        let odd = Setup { configuration: Some("/etc/it's.conf".into()), ..setup() };
        assert!(odd.postgresql().is_err());
    }
}
