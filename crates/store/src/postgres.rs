//! Opening a pool of connections to PostgreSQL, and saying what to do where that fails.

use crate::{
    connection::{Options, Pooler, Tls, TlsMode},
    error::{Result, StoreError},
    link::{Link, Scope, durably},
    servers::Servers,
};
use sea_orm::{
    DbErr, RuntimeErr, SqlxError, SqlxPostgresConnector,
    sqlx::{
        self, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
        pool::PoolConnectionMetadata,
        postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
    },
};
use std::{path::Path, sync::Arc, time::Duration};

/// A connection that lay idle for longer is asked whether it lives before it is used.
const UNTESTED: Duration = Duration::from_millis(500);

/// Opens the database at `url`, on the one of its servers that takes writes, by the pooler that the options tell of.
pub(crate) async fn open(url: &str, options: &Options) -> Result<(Link, Arc<Servers>)> {
    if let Some(ca) = &options.tls.ca {
        check_ca(ca).await?;
    }
    let servers = Arc::new(Servers::of(url, |one| settings(one, options, options.pooler))?);
    servers.find(options.acquire_timeout).await?;
    let (connecting, acquiring, releasing) = (Arc::clone(&servers), Arc::clone(&servers), Arc::clone(&servers));
    let pooler = options.pooler;
    let pool = pool(options)
        .after_connect(move |connection, _| {
            let servers = Arc::clone(&connecting);
            Box::pin(async move { begin(connection, &servers, pooler).await })
        })
        .before_acquire(move |connection, known| {
            let outdated = acquiring.outdates(&known);
            Box::pin(async move {
                if outdated {
                    return Err(left());
                }
                if known.idle_for > UNTESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_release(move |connection, known| {
            let servers = Arc::clone(&releasing);
            Box::pin(async move { is_worth_keeping(connection, &known, &servers).await })
        })
        .connect_with(servers.current())
        .await
        .map_err(|error| not_opened(url, &error))?;
    servers.direct(&pool);
    let link = Link::postgres(SqlxPostgresConnector::from_sqlx_postgres_pool(pool), options);
    Ok((link.of_primary_among(Arc::clone(&servers)), servers))
}

/// What comes before the first use of a connection.
async fn begin(connection: &mut PgConnection, servers: &Servers, pooler: Pooler) -> Result<(), SqlxError> {
    servers.check(connection).await?;
    // Behind a pooler it is said in each transaction.
    if pooler == Pooler::None {
        connection.execute(sqlx::raw_sql(durably(Scope::Session))).await?;
    }
    Ok(())
}

/// Not if it leads to a server that was left. The driver would wait for a frozen one to the end of that.
async fn is_worth_keeping(
    connection: &mut PgConnection,
    known: &PoolConnectionMetadata,
    servers: &Servers,
) -> Result<bool, SqlxError> {
    // What a large batch took would stay with every connection that ever carried one.
    connection.shrink_buffers();
    if !servers.are_several() {
        return Ok(true);
    }
    let term = servers.term();
    if servers.outdates(known) {
        return Err(left());
    }
    let answers =
        async { connection.ping().await.map_err(|error| DbErr::Conn(RuntimeErr::Internal(error.to_string()))) };
    term.during(answers).await.map(|()| true).map_err(|_| left())
}

fn left() -> SqlxError {
    SqlxError::Protocol("another server takes writes now, or none".to_owned())
}

/// The same, for one that may not be there yet: it is connected to when it is needed, which may take so long.
pub(crate) fn open_lazily(url: &str, options: &Options, patience: Duration) -> Result<Link> {
    let settings = settings(url, options, options.pooler)?;
    let pool = pool(options).acquire_timeout(patience).connect_lazy_with(settings);
    Ok(Link::postgres(SqlxPostgresConnector::from_sqlx_postgres_pool(pool), options))
}

fn pool(options: &Options) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(options.max_connections.max(2))
        .acquire_timeout(options.acquire_timeout)
        // A connection in use is known to live; asking it before each use would be most of what the database is asked.
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > UNTESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// How a connection to the database at `url` is made.
///
/// # Errors
/// `Unreachable` where it is no such URL.
fn settings(url: &str, options: &Options, pooler: Pooler) -> Result<PgConnectOptions> {
    let settings: PgConnectOptions = url.parse().map_err(|error| not_opened(url, &error))?;
    Ok(told(with_tls(settings, &options.tls, url)?, options, pooler))
}

/// The same with what each session is told.
fn told(settings: PgConnectOptions, options: &Options, pooler: Pooler) -> PgConnectOptions {
    let settings = settings.application_name("tincture").disable_statement_logging();
    match pooler {
        Pooler::None => settings.options(options.session()),
        // What a session is told would be lost, and poolers refuse what they can't hand on; statements are told anew in
        // each transaction, so that none is worth keeping.
        Pooler::Transaction => settings.extra_float_digits(None).statement_cache_capacity(0),
    }
}

/// The driver says of a file without certificates that a server isn't to be trusted.
async fn check_ca(file: &Path) -> Result<()> {
    let wrong = |why: &str| StoreError::Unreachable(format!("database_ca, {}, {why}", file.display()));
    let text = tokio::fs::read(file).await.map_err(|error| wrong(&format!("can't be read: {error}")))?;
    let begins = b"-----BEGIN CERTIFICATE-----";
    if text.windows(begins.len()).any(|window| window == begins) {
        return Ok(());
    }
    Err(wrong("has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"))
}

/// A connection that listens must be ours for as long as it does.
pub(crate) fn way_to_listen(options: &Options) -> Result<WayToListen> {
    Ok(match (&options.direct, options.pooler) {
        (Some(direct), _) => WayToListen::Direct(Box::new(settings(direct.url(), options, Pooler::None)?)),
        (None, Pooler::None) => WayToListen::AsAll,
        (None, Pooler::Transaction) => WayToListen::None,
    })
}

/// How other processes are heard.
#[derive(Clone, Debug, Default)]
pub(crate) enum WayToListen {
    /// By a connection like all others.
    AsAll,
    /// Past the pooler.
    Direct(Box<PgConnectOptions>),
    /// Only a pooler is known, which swallows what comes.
    #[default]
    None,
}

/// Who names a CA wants it asked. The driver would take `require` for asking nobody, PostgreSQL's own clients don't.
fn with_tls(settings: PgConnectOptions, tls: &Tls, url: &str) -> Result<PgConnectOptions> {
    let says = |names: [&str; 2]| names.iter().any(|name| url.contains(name));
    let names_ca = tls.ca.is_some() || says(["sslrootcert=", "ssl-root-cert="]);
    let usual = (names_ca && !says(["sslmode=", "ssl-mode="])).then_some(TlsMode::VerifyFull);
    let settings = match &tls.ca {
        Some(ca) => settings.ssl_root_cert(ca),
        None => settings,
    };
    let settings = match tls.mode.or(usual) {
        Some(mode) => settings.ssl_mode(mode.into()),
        None => settings,
    };
    if names_ca && !matches!(settings.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull) {
        let why = "a CA is named (database_ca), but database_tls or the URL's sslmode trusts any certificate: make it \
                   verify-full, or leave it out";
        return Err(StoreError::Unreachable(why.to_owned()));
    }
    Ok(settings)
}

impl From<TlsMode> for PgSslMode {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::Disable => Self::Disable,
            TlsMode::Prefer => Self::Prefer,
            TlsMode::Require => Self::Require,
            TlsMode::VerifyCa => Self::VerifyCa,
            TlsMode::VerifyFull => Self::VerifyFull,
        }
    }
}

/// What was wrong and what to do, without the URL's password.
pub(crate) fn not_opened(url: &str, error: &SqlxError) -> StoreError {
    let said = without_password(&error.to_string(), url);
    StoreError::Unreachable(match advice(error, &said) {
        Some(advice) => format!("{said}: {advice}"),
        None => said,
    })
}

fn advice(error: &SqlxError, said: &str) -> Option<&'static str> {
    let code = error.as_database_error().and_then(|said| said.code());
    // The TLS library's errors come as text.
    let says = |words: &str| said.contains(words);
    if says("UnknownIssuer") || says("BadSignature") {
        Some(
            "its certificate isn't signed by a CA that is trusted here; set database_ca to the PEM file of the CA \
             that signed it, and if that is set already, somebody else may be answering in the database's place",
        )
    } else if says("not valid for name") || says("NotValidForName") {
        Some(
            "use a host name in the URL that the certificate is for, or have the certificate made for this name; \
             database_tls = \"verify-ca\" trusts any name of that CA",
        )
    } else if says("CaUsedAsEndEntity") || says("UnsupportedCertVersion") || says("Expired") {
        Some("have the server's certificate made anew: X.509 v3, of the server alone and not of the CA, with its names")
    } else if says("server does not support TLS") {
        Some(
            "turn it on (ssl = on in postgresql.conf), or leave database_tls at `prefer` where the network is yours alone",
        )
    } else if says("unsupported startup parameter") {
        Some(
            "this is pgbouncer: set database_pooler = \"transaction\", or for session mode let it ignore them \
             (ignore_startup_parameters = extra_float_digits,options); a URL with options[…] needs that too",
        )
    } else {
        match code.as_deref() {
            Some("28P01" | "28000") => Some("check the role and the password of the URL, and pg_hba.conf"),
            Some("3D000") => Some("make the database first (CREATE DATABASE)"),
            _ => None,
        }
    }
}

/// An error's text with the URL's password, if it quotes it, taken out.
fn without_password(text: &str, url: &str) -> String {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(rest));
    let password =
        authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map_or("", |(_, password)| password);
    let text = text.replace(url, "the given URL");
    if password.is_empty() { text } else { text.replace(password, "…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_password_is_taken_out() {
        let url = "postgres://tincture:s3cret@db.example:5432/lab";
        assert_eq!(without_password("no s3cret for you", url), "no … for you");
        assert!(!without_password(&format!("can't use {url}"), url).contains("s3cret"));
        assert_eq!(without_password("plain", "postgres://localhost/lab"), "plain");
    }

    #[test]
    fn who_names_a_ca_has_it_asked() {
        let mode = |url: &str, mode, ca: Option<&str>| {
            let options = Options { tls: Tls { mode, ca: ca.map(Into::into) }, ..Options::default() };
            let settings = settings(url, &options, Pooler::None).map_err(|error| error.to_string());
            settings.map(|settings| format!("{:?}", settings.get_ssl_mode()))
        };
        let is = |mode: &str| Ok::<_, String>(mode.to_owned());
        let (plain, told) = ("postgres://db/lab", "postgres://db/lab?sslmode=verify-ca");
        assert_eq!(mode(plain, None, None), is("Prefer"));
        assert_eq!(mode(plain, None, Some("/ca.pem")), is("VerifyFull"));
        assert_eq!(mode(told, None, Some("/ca.pem")), is("VerifyCa"));
        assert_eq!(mode(told, Some(TlsMode::Require), None), is("Require"));
        for careless in ["sslmode=require", "sslmode=prefer", "sslmode=disable"] {
            let url = format!("{plain}?{careless}");
            assert!(
                mode(&url, None, Some("/ca.pem")).is_err_and(|why| why.contains("make it verify-full")),
                "{careless}"
            );
            assert!(mode(&format!("{url}&sslrootcert=/ca.pem"), None, None).is_err(), "{careless}");
        }
    }
}
