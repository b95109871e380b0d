//! Where mails go: to a mail server, or a file each where there is none.

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{
        Error,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};
use std::{
    fmt, fs, io,
    io::Write,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// For each step of a delivery: connecting, and each answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Files of a lab without a mail server; the oldest go.
const MOST_FILES: usize = 1_000;

/// Where mails go. Cheap to clone.
#[derive(Clone)]
pub enum Sink {
    Server(AsyncSmtpTransport<Tokio1Executor>),
    /// Each into a file that only this user may read.
    Directory(PathBuf),
}

/// Shows neither the user nor the password of a server.
impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(_) => f.write_str("Server(…)"),
            Self::Directory(directory) => f.debug_tuple("Directory").field(directory).finish(),
        }
    }
}

/// A mail server as the configuration names it.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// `smtp://user:password@host:587`, with STARTTLS unless the host is this machine or `?tls=none` says otherwise; or
    /// `smtps://…:465`.
    pub url: &'a str,
    /// PEM, of the CA that signed its certificate, beside the well-known ones.
    pub ca: Option<&'a [u8]>,
}

impl fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(…)")
    }
}

/// Why something isn't a mail server's address. No text carries the address itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    #[error("it is no URL of a mail server, like smtp://user:password@mail.example.org:587 or smtps://…: {0}")]
    NoServer(String),
    #[error("it has a password and tls=none, which would send the password in the clear; take that part away")]
    InTheClear,
    #[error("the CA isn't a certificate in PEM: {0}")]
    NoCertificate(String),
}

/// A mail that wasn't taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// For people: the server's words, or what the network said.
    pub why: String,
    /// Trying again is of no use.
    pub for_good: bool,
    /// It surely reached nobody.
    pub surely: bool,
    /// It is this mail that was refused, and not the connection.
    pub of_this: bool,
}

impl Sink {
    /// # Errors
    /// Why it can't be one.
    pub fn server(server: Server<'_>) -> Result<Self, SinkError> {
        let (scheme, rest) = server.url.split_once("://").unwrap_or(("", server.url));
        if !["smtp", "smtps"].contains(&scheme) {
            return Err(SinkError::NoServer("it begins with neither smtp:// nor smtps://".to_owned()));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let host = host_of(host);
        let says_none = server.url.contains("tls=none");
        if says_none && user.is_some() {
            return Err(SinkError::InTheClear);
        }
        let encrypted =
            scheme == "smtps" || !(says_none || (is_here(host) && user.is_none() && !server.url.contains("tls=")));
        // The part `tls=` is ours to read.
        let (plain, _) = server.url.split_once('?').unwrap_or((server.url, ""));
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(plain);
        let mut builder = builder.map_err(|error| SinkError::NoServer(error.to_string()))?.timeout(Some(PATIENCE));
        builder = builder.hello_name(ClientId::Domain("tincture".to_owned()));
        if encrypted {
            let parameters = tls(host, server.ca)?;
            builder = builder.tls(if scheme == "smtps" { Tls::Wrapper(parameters) } else { Tls::Required(parameters) });
        }
        Ok(Self::Server(builder.build()))
    }

    /// Gives where a file is.
    pub(crate) async fn send(&self, mail: Message, name: &str) -> Result<Option<PathBuf>, Refusal> {
        match self {
            Self::Server(server) => match tokio::time::timeout(4 * PATIENCE, server.send(mail)).await {
                Ok(Ok(_)) => Ok(None),
                Ok(Err(error)) => Err(refusal(&error)),
                Err(_) => Err(Refusal {
                    why: "the mail server didn't answer in time".to_owned(),
                    for_good: false,
                    surely: false,
                    of_this: false,
                }),
            },
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), format!("{name}.eml"));
                let written = tokio::task::spawn_blocking(move || write(&directory, &name, &mail.formatted())).await;
                let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
                let refused = |error: io::Error| Refusal {
                    why: format!("it can't be written into a file: {error}"),
                    for_good: false,
                    surely: true,
                    of_this: false,
                };
                written.map(Some).map_err(refused)
            }
        }
    }
}

fn refusal(error: &Error) -> Refusal {
    let answered = error.is_permanent() || error.is_transient();
    let why: String = std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .fold(error.to_string(), |said, cause| {
            let cause = cause.to_string();
            match said.as_str() {
                said if said.ends_with(&cause) => said.to_owned(),
                said if cause.starts_with(said) => cause,
                said => format!("{said}: {cause}"),
            }
        })
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    Refusal { why, for_good: error.is_permanent(), surely: answered || error.is_client(), of_this: answered }
}

fn tls(host: &str, ca: Option<&[u8]>) -> Result<TlsParameters, SinkError> {
    let no_certificate = |error: Error| SinkError::NoCertificate(error.to_string());
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(ca) = ca {
        // What has no certificate in it would be taken for none that is wanted.
        if !String::from_utf8_lossy(ca).contains("-----BEGIN CERTIFICATE-----") {
            return Err(SinkError::NoCertificate("there is none in the file".to_owned()));
        }
        builder = builder.add_root_certificate(Certificate::from_pem(ca).map_err(no_certificate)?);
    }
    builder.build().map_err(no_certificate)
}

/// Without port and brackets.
fn host_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn write(directory: &Path, name: &str, text: &[u8]) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = directory.join(name);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(text)?;
    file.sync_all()?;
    prune(directory, MOST_FILES)?;
    Ok(path)
}

/// Their names begin with when they were written.
fn prune(directory: &Path, most: usize) -> io::Result<()> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    files.sort_unstable();
    let superfluous = files.len().saturating_sub(most);
    files.iter().take(superfluous).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_goes_in_the_clear() {
        for url in ["smtp://mail.example.org", "smtp://ada:s3cret@127.0.0.1:25"] {
            assert!(Sink::server(Server { url, ca: None }).is_ok(), "{url}");
        }
        let clear = "smtp://ada:s3cret@mail.example.org?tls=none";
        assert_eq!(Sink::server(Server { url: clear, ca: None }).expect_err("no"), SinkError::InTheClear);
        for url in ["mail.example.org", "http://mail.example.org", "smtp://"] {
            assert!(matches!(Sink::server(Server { url, ca: None }), Err(SinkError::NoServer(_))), "{url}");
        }
        let ca = Server { url: "smtps://mail.example.org", ca: Some(b"no PEM") };
        assert!(matches!(Sink::server(ca), Err(SinkError::NoCertificate(_))));
    }

    #[test]
    fn files_are_ones_own_and_few() {
        let directory = std::env::temp_dir().join(format!("tincture-mail-{}", std::process::id()));
        for number in 0..8 {
            write(&directory, &format!("{number:06}.eml"), b"x").expect("written");
        }
        prune(&directory, 3).expect("pruned");
        assert_eq!(fs::read_dir(&directory).expect("there").count(), 3);
        assert!(!directory.join("000004.eml").exists() && directory.join("000005.eml").exists());
        fs::remove_dir_all(&directory).expect("removed");
    }
}
