//! The configuration: `tincture.toml` < `TINCTURE_*` in the environment < flags.
//!
//! One flat list of keys, [`KEYS`], is the manual: `listen` in the file is `TINCTURE_LISTEN` in the environment. An
//! unknown key is an error that names it, since a misspelt setting that is silently ignored costs an afternoon.

mod accounts;
mod prefect;

use crate::{
    descriptors,
    http::{Limits, Proxies},
};
use anyhow::{Context, bail};
use api::{ScrapeToken, ScrapeTokens};
use auth::RelyingParty;
use chrono::TimeDelta;
use config::{Config, Environment, File, FileFormat, Map, Source, Value};
use domain::Role;
use emulator::OnBroker;
use hardware::{Access, Connect, Network};
use mqtt::{Brokers, Target};
use request::Onward;
use secret::Secret;
use serde::{Deserialize, Serialize};
use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{Address, Options, Pooler, ReplicaOptions, Retention, Tls, TlsMode};
use workflow::{Patience, WorkerConfig};

/// Read when it lies in the working directory and `--config` names no other.
const USUAL_FILE: &str = "tincture.toml";
const PREFIX: &str = "TINCTURE_";
/// The environment's own names: where the file is, and what only the tests read.
const NOT_SETTINGS: [&str; 2] = ["CONFIG", "REFERENCE"];
/// A year, in seconds.
const LONGEST_PERIOD: u64 = 365 * 86_400;
/// Of the key that signs.
const LEAST_KEY_AGE: Duration = Duration::from_secs(3_600);
const TESTS_PREFIX: &str = "TEST_";

/// A setting as the manual has it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    /// As TOML; empty when there is none.
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// Every setting.
pub const KEYS: &[Key] = &[
    key("listen", "\"127.0.0.1:8080\"", "address of the pages and the API"),
    key("worker_listen", "", "address of a worker's health and metrics; none when not set"),
    key("metrics_token", "", "asked of whoever reads /metrics, as a bearer token; anybody may when not set"),
    key("service_metrics_token", "", "the same of /metrics/service, the figures of the whole lab"),
    key("data_dir", "\"./tincture-data\"", "embedded database and virtual lab"),
    key(
        "documents_url",
        "",
        "mongodb://… or mongodb+srv://…, where raw readings and command records go (feature `mongodb`); the database when not set",
    ),
    key(
        "database_url",
        "",
        "sqlite://… or postgres://…, several servers with commas between; the embedded database when not set",
    ),
    key("database_connections", "10", "most connections to the database, and to its replica, 1-200"),
    key("database_statement_timeout", "10", "seconds that a statement may take in PostgreSQL, 1-3600"),
    key("database_lock_timeout", "5", "seconds that it may wait for what others have locked, 1-3600"),
    key(
        "database_tls",
        "",
        "disable, prefer, require, verify-ca or verify-full (with database_ca); the URL's sslmode when not set",
    ),
    key("database_ca", "", "PEM file of the CA that signed PostgreSQL's certificate"),
    key("database_pooler", "\"none\"", "`transaction` where database_url leads through pgbouncer in transaction mode"),
    key("database_direct_url", "", "PostgreSQL past the pooler, to hear other processes at once"),
    key("database_replica_url", "", "a streaming replica of it for reads that needn't be the newest; one server"),
    key("database_replica_lag", "10", "seconds that the replica may be behind before it isn't used, 3-3600"),
    key("admin_password", "", "the first administrator's, instead of a printed one"),
    key(
        "behind_proxy",
        "false",
        "a proxy sets X-Forwarded-For: take clients' addresses from there, if it is one of `proxies`",
    ),
    key("proxies", "\"127.0.0.0/8 ::1\"", "addresses or networks that the proxy comes from, with spaces between"),
    key(
        "connections",
        "4096",
        "most connections to pages and API at once, 16-100000; fewer where open files are fewer",
    ),
    key(
        "connections_per_address",
        "512",
        "most of them of one client's address (IPv6: /64), not behind a proxy, 1-100000",
    ),
    key("client_patience", "20", "seconds to send a head, a body, or to take a piece of an answer, 1-600"),
    key(
        "changes_per_minute",
        "120",
        "of one student or researcher: requests, and wells asked for; ten minutes' at once, 1-100000",
    ),
    key("oidc_issuer", "", "provider of identity (OpenID Connect), https://…; nobody signs in elsewhere when not set"),
    key("oidc_client_id", "", "this lab's name there"),
    key("oidc_client_secret", "", "its secret there; not set for a public client"),
    key("oidc_scopes", "\"openid email profile\"", "what it is asked for, with spaces between"),
    key("oidc_label", "\"your institution\"", "what it is called on the button: Sign in with …"),
    key(
        "oidc_roles",
        "\"* = student 96\"",
        "role and wells by its claims, the first that fits: `groups lab-staff = operator 480; * = student 96`",
    ),
    key(
        "oidc_groups",
        "",
        "groups of the lab by its claims: `groups chem-101 = member of Colour 101; groups chem-staff = teacher of Colour 101`",
    ),
    key("oidc_email_domains", "", "domains whose verified addresses are let in, with spaces between; all when not set"),
    key(
        "oidc_accounts",
        "\"make\"",
        "what a newcomer gets: `make` a new account, `link` the one that has their verified address, `make-or-link`, or `none`",
    ),
    key(
        "oidc_auth_time",
        "\"required\"",
        "`assumed` where its tokens never have auth_time (Google): coming from there proves anew who one is",
    ),
    key("passwords", "\"everybody\"", "who may sign in with one: everybody or administrators"),
    key(
        "sign_in_origins",
        "",
        "other origins that a sign-in may lead back to, with spaces between, like https://lab.example.org:3000",
    ),
    key("robot_listen", "\"127.0.0.1:31950\"", "address of the virtual OT-2's API"),
    key("sensor_listen", "\"127.0.0.1:31951\"", "address of the virtual sensor; `up` takes a free port"),
    key(
        "sensor_mqtt",
        "",
        "a broker where the virtual sensor hangs too, like mqtt://127.0.0.1:1883/virtual-1; `up` reads it there then",
    ),
    key("mqtt_user", "", "this process's name on MQTT brokers; none when not set"),
    key("mqtt_password", "", "its password there"),
    key("mqtt_ca", "", "PEM file of the CA that signed the brokers' certificates, instead of those the machine trusts"),
    key("speed", "", "of the virtual OT-2, 1 is real: 20 for `up`, 1 for `emulator`"),
    key("seed", "", "makes the virtual lab's noise repeatable"),
    key(
        "workflow_engine",
        "\"embedded\"",
        "`prefect` where a Prefect server shows, schedules and steers experiments; `embedded` needs none",
    ),
    key(
        "prefect_url",
        "",
        "of Prefect's API, like http://127.0.0.1:4200/api; needed with workflow_engine = \"prefect\"",
    ),
    key("prefect_api_key", "", "this lab's key there, for Prefect Cloud"),
    key("prefect_auth", "", "user:password there, for a server of one's own that asks for it"),
    key("prefect_pool", "\"tincture\"", "name of the lab's pool and deployment there; a robot's pool adds its name"),
    key(
        "prefect_people",
        "",
        "addresses of the accounts that runs made there may belong to, with spaces between; the first where a run names nobody, nobody's when not set",
    ),
    key("queue_limit", "20000", "most experiments that wait at once, 1-100000; more are refused"),
    key("lease_seconds", "15", "after so long a silent worker loses its robots to another, 1-600"),
    key("patience", "1", "share of the usual waits for devices, 0.01-10; less than 1 only for fast virtual ones"),
    key("keep_events", "90", "days after its end that an experiment's live stream is kept, or `forever`"),
    key("keep_operations", "365", "days that the journal of ended experiments is kept, or `forever`"),
    key(
        "keep_documents",
        "365",
        "days that raw readings of ended experiments are kept, or `forever`; results always are",
    ),
    key("keep_activity", "365", "days that the activity log is kept, or `forever`"),
    key(
        "rotate_keys",
        "\"90d\"",
        "age at which a new key signs access tokens, like `90d`, 1h-365d, or `never`; the old one verifies on for a while",
    ),
    key(
        "registration",
        "\"closed\"",
        "who may make an account: closed (administrators do), invitation, domain (with a proven address), open (once an administrator agrees)",
    ),
    key("registration_domains", "", "for `domain`: whose addresses, like `example.org, cs.example.org`"),
    key("registration_role", "\"student\"", "what whoever registers becomes: student or researcher"),
    key("registration_quota", "96", "wells that they may ask for, 0-1000000"),
    key(
        "smtp_url",
        "",
        "mail server, smtp://user:password@host:587 (STARTTLS) or smtps://…:465; without one mails are files in mail_dir",
    ),
    key("smtp_ca", "", "PEM file of the CA that signed its certificate, beside the well-known ones"),
    key("mail_from", "", "sender of mails, like `Tincture <lab@example.org>`; needed with smtp_url"),
    key("mail_dir", "", "where mails go without a mail server; `mail` in the data directory when not set"),
    key("token_days", "365", "most days that an API token lives, 1-3650"),
    key(
        "second_factor_required",
        "",
        "roles that may do nothing without a second factor, like `admin, operator` or [\"admin\"]; nobody when not set",
    ),
    key(
        "public_url",
        "",
        "where people's browsers find the lab, like https://lab.example.org: links in mails lead there, passkeys are for it, and a provider of identity sends people back to it; `listen` when not set",
    ),
    key(
        "backup_every",
        "\"24h\"",
        "how often `up` and `serve` back the embedded database up, and `backup schedule` PostgreSQL, like `12h` or `7d`, or `never`",
    ),
    key(
        "backup_full_every",
        "\"7d\"",
        "how often `backup schedule` makes a full one of PostgreSQL, or `never` after the first",
    ),
    key(
        "backup_keep",
        "14",
        "days of which the last of these backups is kept, 1-3650; of PostgreSQL what `backup configure` prints",
    ),
    key("backup_dir", "", "where backups of the embedded database go; `backups` in the data directory when not set"),
    key("pgbackrest_stanza", "", "PostgreSQL's name in pgBackRest's configuration, on the database's host"),
    key("pgbackrest_config", "", "that configuration's file; pgBackRest's usual ones when not set"),
    key("log", "\"info\"", "what is logged, like `warn` or `info,workflow=debug`"),
    key("log_format", "\"human\"", "human or json"),
];

/// What the commands read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub listen: SocketAddr,
    pub worker_listen: Option<SocketAddr>,
    pub metrics_token: Option<Secret>,
    pub service_metrics_token: Option<Secret>,
    pub data_dir: PathBuf,
    /// May hold a password.
    pub database_url: Option<Secret>,
    /// May hold a password.
    pub documents_url: Option<Secret>,
    pub database_connections: u32,
    /// Seconds.
    pub database_statement_timeout: u16,
    /// Seconds.
    pub database_lock_timeout: u16,
    pub database_tls: Option<DatabaseTls>,
    pub database_ca: Option<PathBuf>,
    pub database_pooler: DatabasePooler,
    /// May hold a password, as the next.
    pub database_direct_url: Option<Secret>,
    pub database_replica_url: Option<Secret>,
    /// Seconds.
    pub database_replica_lag: u16,
    pub admin_password: Option<Secret>,
    pub behind_proxy: bool,
    pub proxies: String,
    pub connections: usize,
    pub connections_per_address: usize,
    /// Seconds.
    pub client_patience: u16,
    pub changes_per_minute: u32,
    pub public_url: Option<String>,
    pub oidc_issuer: Option<String>,
    pub oidc_client_id: Option<String>,
    pub oidc_client_secret: Option<Secret>,
    pub oidc_scopes: String,
    pub oidc_label: String,
    pub oidc_roles: String,
    pub oidc_groups: Option<String>,
    pub oidc_email_domains: Option<String>,
    pub oidc_accounts: OidcAccounts,
    pub oidc_auth_time: OidcAuthTime,
    pub passwords: PasswordUse,
    pub sign_in_origins: Option<String>,
    pub robot_listen: SocketAddr,
    pub sensor_listen: SocketAddr,
    pub sensor_mqtt: Option<String>,
    pub mqtt_user: Option<String>,
    pub mqtt_password: Option<Secret>,
    pub mqtt_ca: Option<PathBuf>,
    /// Times as fast as a real OT-2; the default depends on the command.
    pub speed: Option<f64>,
    pub seed: Option<u64>,
    pub workflow_engine: Engine,
    pub prefect_url: Option<String>,
    pub prefect_api_key: Option<Secret>,
    /// `user:password`
    pub prefect_auth: Option<Secret>,
    pub prefect_pool: String,
    pub prefect_people: Option<String>,
    pub queue_limit: u32,
    pub lease_seconds: u16,
    /// Times the usual waits for robots and sensors.
    pub patience: f64,
    pub keep_events: Keep,
    pub keep_operations: Keep,
    pub keep_documents: Keep,
    pub keep_activity: Keep,
    pub rotate_keys: Every,
    pub registration: RegistrationBy,
    /// With commas between.
    pub registration_domains: Option<String>,
    pub registration_role: SelfMade,
    /// Wells.
    pub registration_quota: i32,
    /// May hold a password.
    pub smtp_url: Option<Secret>,
    pub smtp_ca: Option<PathBuf>,
    pub mail_from: Option<String>,
    pub mail_dir: Option<PathBuf>,
    /// Days.
    pub token_days: u16,
    pub second_factor_required: Option<Roles>,
    pub backup_every: Every,
    pub backup_full_every: Every,
    /// Days.
    pub backup_keep: u16,
    pub backup_dir: Option<PathBuf>,
    pub pgbackrest_stanza: Option<String>,
    pub pgbackrest_config: Option<PathBuf>,
    /// Directives of `tracing-subscriber`'s `EnvFilter`.
    pub log: String,
    pub log_format: LogFormat,
}

/// What shows and schedules experiments. Robots are driven by this program in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Embedded,
    Prefect,
}

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Keep {
    Days(u16),
    ForEver,
}

impl TryFrom<String> for Keep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim() == "forever" {
            return Ok(Self::ForEver);
        }
        let days = text.trim().parse().ok().filter(|days| *days > 0).map(Self::Days);
        days.ok_or_else(|| format!("'{text}' is neither a number of days from 1 to 65535 nor `forever`"))
    }
}

impl Keep {
    fn age(self) -> Option<TimeDelta> {
        match self {
            Self::Days(days) => Some(TimeDelta::days(days.into())),
            Self::ForEver => None,
        }
    }
}

/// How often something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Every {
    Never,
    Period(Duration),
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        if text == "never" {
            return Ok(Self::Never);
        }
        let seconds = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)].into_iter().find_map(|(unit, seconds)| {
            let count: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
            Some(u64::from(count) * seconds)
        });
        let period = seconds.filter(|seconds| (1..=LONGEST_PERIOD).contains(seconds));
        period
            .map(|seconds| Self::Period(Duration::from_secs(seconds)))
            .ok_or_else(|| format!("'{text}' is neither `never` nor a period from 1s to 365d, like 30m, 12h or 7d"))
    }
}

/// Some roles.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ListOrText")]
pub struct Roles(pub Vec<Role>);

/// A list of TOML, or a text with commas between as the environment has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListOrText {
    List(Vec<String>),
    Text(String),
}

impl TryFrom<ListOrText> for Roles {
    type Error = String;

    fn try_from(given: ListOrText) -> Result<Self, String> {
        let names = match given {
            ListOrText::List(names) => names,
            ListOrText::Text(text) => text.split(',').map(str::to_owned).collect(),
        };
        let role = |name: &String| match name.trim() {
            "administrator" => Ok(Role::Admin),
            name => name.parse().map_err(|_| format!("'{name}' is no role: student, researcher, operator or admin")),
        };
        names.iter().filter(|name| !name.trim().is_empty()).map(role).collect::<Result<_, _>>().map(Self)
    }
}

/// How a connection to PostgreSQL is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseTls {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl From<DatabaseTls> for TlsMode {
    fn from(tls: DatabaseTls) -> Self {
        match tls {
            DatabaseTls::Disable => Self::Disable,
            DatabaseTls::Prefer => Self::Prefer,
            DatabaseTls::Require => Self::Require,
            DatabaseTls::VerifyCa => Self::VerifyCa,
            DatabaseTls::VerifyFull => Self::VerifyFull,
        }
    }
}

/// What stands before PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabasePooler {
    None,
    Transaction,
}

/// What somebody gets who comes from the provider of identity for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OidcAccounts {
    None,
    Make,
    Link,
    MakeOrLink,
}

/// What counts as proved of whoever comes from a provider whose tokens don't say when they proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OidcAuthTime {
    /// Nothing.
    Required,
    /// That they are who they are, now.
    Assumed,
}

/// Who may sign in with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordUse {
    Everybody,
    Administrators,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationBy {
    Closed,
    Invitation,
    Domain,
    Open,
}

/// What somebody may become by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfMade {
    Student,
    Researcher,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Human,
    Json,
}

impl Settings {
    /// The site that passkeys are for. Where browsers would use none at the address that is set, the log says why, and they
    /// work at localhost alone.
    pub fn relying_party(&self) -> RelyingParty {
        let local = || RelyingParty::localhost(self.listen.port());
        let Some(url) = &self.public_url else { return local() };
        RelyingParty::at(url).unwrap_or_else(|why| {
            tracing::warn!(public_url = url, why, "passkeys can't be used at the lab's public address");
            local()
        })
    }

    /// What is kept, and how long.
    pub fn retention(&self) -> Retention {
        Retention {
            events: self.keep_events.age(),
            operations: self.keep_operations.age(),
            documents: self.keep_documents.age(),
            activity: self.keep_activity.age(),
        }
    }

    /// How the database is opened.
    pub fn database(&self) -> Options {
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        let address = |url: &Secret| Address::new(url.expose());
        let replica = self
            .database_replica_url
            .as_ref()
            .map(|url| ReplicaOptions { address: address(url), most_behind: seconds(self.database_replica_lag) });
        Options {
            max_connections: self.database_connections,
            statement_timeout: seconds(self.database_statement_timeout),
            lock_timeout: seconds(self.database_lock_timeout),
            tls: Tls { mode: self.database_tls.map(TlsMode::from), ca: self.database_ca.clone() },
            pooler: match self.database_pooler {
                DatabasePooler::None => Pooler::None,
                DatabasePooler::Transaction => Pooler::Transaction,
            },
            direct: self.database_direct_url.as_ref().map(address),
            replica,
            queue_limit: self.queue_limit,
            ..Options::default()
        }
    }

    /// Most connections to databases that are open at once.
    fn connections_to_databases(&self) -> u32 {
        let replicas = u32::from(self.database_replica_url.is_some());
        self.database_connections * (1 + replicas) + 1
    }

    /// Where this lab's backups lie.
    pub fn backups(&self) -> PathBuf {
        self.backup_dir.clone().unwrap_or_else(|| self.data_dir.join("backups"))
    }

    /// By which this process reaches robots and sensors.
    pub fn network(&self) -> Network {
        Network::with_access(Patience::default().scaled(self.patience), self.broker_access())
    }

    /// How a worker of this process goes about it.
    pub fn worker(&self) -> WorkerConfig {
        let lease = Duration::from_secs(self.lease_seconds.into());
        let patience = Patience::default().scaled(self.patience);
        let connect: Arc<dyn Connect> = Arc::new(self.network());
        WorkerConfig { lease, patience, connect: Some(connect), ..WorkerConfig::default() }
    }

    /// By which this process reaches MQTT brokers, beside [`Settings::network`].
    pub fn brokers(&self) -> Brokers {
        Brokers::new(self.broker_access())
    }

    /// Who this process is to MQTT brokers.
    fn broker_access(&self) -> Access {
        Access { user: self.mqtt_user.clone(), password: self.mqtt_password.clone(), ca: self.mqtt_ca.clone() }
    }

    /// Where the virtual sensor hangs on a broker.
    ///
    /// # Errors
    /// Says what is wrong with its address.
    pub fn sensor_on(&self) -> anyhow::Result<Option<OnBroker>> {
        let Some(url) = &self.sensor_mqtt else { return Ok(None) };
        let target = Target::parse(url).context("sensor_mqtt (--mqtt) can't be used")?;
        Ok(Some(OnBroker { brokers: self.brokers(), target }))
    }

    /// Where the virtual robot's script hangs, under this serial: on the broker of its sensor.
    ///
    /// # Errors
    /// Says what is wrong with the serial, or that there is no broker.
    pub fn script_on(&self, serial: &str) -> anyhow::Result<OnBroker> {
        let on_sensors = self.sensor_on()?.context("--script needs --mqtt, the broker on which its sensor hangs")?;
        let url = format!("{}/{serial}", on_sensors.target.broker);
        let target = Target::parse(&url).context("--script can't be used")?;
        Ok(OnBroker { target, ..on_sensors })
    }

    /// The provider of identity that people may sign in with, where there is one.
    ///
    /// # Errors
    /// Says which setting is missing or can't be.
    pub fn provider(&self) -> anyhow::Result<Option<oidc::Config>> {
        let Some(issuer) = &self.oidc_issuer else {
            if self.passwords == PasswordUse::Administrators {
                bail!("passwords is administrators, and there is no other way in: set oidc_issuer");
            }
            return Ok(None);
        };
        let Some(public_url) = &self.public_url else {
            bail!("oidc_issuer is set, but not public_url, where it sends browsers back to: https://lab.example.org");
        };
        let Some(client_id) = &self.oidc_client_id else {
            bail!("oidc_issuer is set, but not oidc_client_id, which it has given this lab");
        };
        let domains = self.oidc_email_domains.as_deref().unwrap_or_default();
        let config = oidc::Config {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            client_secret: self.oidc_client_secret.clone(),
            scopes: self.oidc_scopes.clone(),
            label: self.oidc_label.clone(),
            public_url: public_url.clone(),
            rules: self.oidc_roles.parse()?,
            group_rules: self.oidc_groups.as_deref().unwrap_or_default().parse()?,
            email_domains: domains.split_whitespace().map(str::to_lowercase).collect(),
            makes_accounts: matches!(self.oidc_accounts, OidcAccounts::Make | OidcAccounts::MakeOrLink),
            links_accounts: matches!(self.oidc_accounts, OidcAccounts::Link | OidcAccounts::MakeOrLink),
            assumes_auth_time: self.oidc_auth_time == OidcAuthTime::Assumed,
        };
        Ok(Some(config.check()?))
    }

    /// Where a sign-in may lead.
    pub fn onward(&self) -> Onward {
        let origins = self.sign_in_origins.as_deref().unwrap_or_default();
        let origins = origins.split_whitespace().map(|origin| origin.trim_end_matches('/').to_owned()).collect();
        Onward::new(self.public_url.as_deref(), origins)
    }

    /// What whoever reads the figures has to show.
    pub fn scrape_tokens(&self) -> ScrapeTokens {
        let token =
            |set: &Option<Secret>| set.as_ref().map(|token| ScrapeToken::new(token.expose())).unwrap_or_default();
        ScrapeTokens { instance: token(&self.metrics_token), service: token(&self.service_metrics_token) }
    }
}

impl Settings {
    /// What clients of pages and API may take of this process.
    ///
    /// # Errors
    /// Says which of `proxies` is none.
    pub fn limits(&self) -> anyhow::Result<Limits> {
        Ok(Limits {
            connections: descriptors::connections(self.connections, self.connections_to_databases()),
            connections_per_address: (!self.behind_proxy).then_some(self.connections_per_address),
            patience: Duration::from_secs(self.client_patience.into()),
            proxies: if self.behind_proxy { self.proxies.parse()? } else { Proxies::default() },
        })
    }
}

impl From<LogFormat> for telemetry::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Human => Self::Pretty,
            LogFormat::Json => Self::Json,
        }
    }
}

/// A flag given on the command line, by the setting it overrides.
pub type Flag = (&'static str, String);

/// The settings, each with where it came from.
#[derive(Debug)]
pub struct Effective {
    pub settings: Settings,
    /// In the order of [`KEYS`].
    pub lines: Vec<Line>,
}

/// One setting as `tincture config` shows it.
#[derive(Debug)]
pub struct Line {
    pub key: Key,
    /// As TOML, secrets masked; nothing when it isn't set.
    pub value: Option<String>,
    pub origin: String,
}

/// Reads and checks everything.
///
/// # Errors
/// A file that isn't there or isn't TOML, an unknown key, a value that doesn't fit; the message names it.
pub fn load(file: Option<&Path>, flags: &[Flag]) -> anyhow::Result<Effective> {
    let file = read_file(file)?;
    let environment = read_environment(env::vars())?;
    let mut builder = Config::builder();
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        builder = builder.set_default(key.name, key.default.trim_matches('"'))?;
    }
    if let Some((_, source)) = &file {
        builder = builder.add_source(source.clone());
    }
    builder = builder.add_source(environment.clone());
    for (name, value) in flags {
        builder = builder.set_override(*name, value.as_str())?;
    }
    let merged = builder.build()?;
    let file = file.map(|(path, source)| Ok::<_, config::ConfigError>((path, source.collect()?))).transpose()?;
    let environment = environment.collect()?;
    let origin = |name: &str| match &file {
        _ if flags.iter().any(|(flag, _)| *flag == name) => "flag".to_owned(),
        _ if environment.contains_key(name) => format!("{PREFIX}{}", name.to_ascii_uppercase()),
        Some((path, keys)) if keys.contains_key(name) => path.display().to_string(),
        _ => "default".to_owned(),
    };
    let lines = KEYS.iter().map(|key| line(*key, merged.get::<Value>(key.name).ok(), origin)).collect();
    let settings: Settings = merged.try_deserialize().context("the configuration can't be used")?;
    check(&settings)?;
    Ok(Effective { settings, lines })
}

fn check(settings: &Settings) -> anyhow::Result<()> {
    if !(1..=200).contains(&settings.database_connections) {
        bail!("database_connections is {}, it must be between 1 and 200", settings.database_connections);
    }
    check_database(settings)?;
    check_sign_in(settings)?;
    if !(16..=100_000).contains(&settings.connections) {
        bail!("connections is {}, it must be between 16 and 100000", settings.connections);
    }
    if !(1..=100_000).contains(&settings.connections_per_address) {
        bail!("connections_per_address is {}, it must be between 1 and 100000", settings.connections_per_address);
    }
    if !(1..=600).contains(&settings.client_patience) {
        bail!("client_patience is {}, it must be between 1 and 600", settings.client_patience);
    }
    if !(1..=100_000).contains(&settings.queue_limit) {
        bail!("queue_limit is {}, it must be between 1 and 100000", settings.queue_limit);
    }
    if !(1..=600).contains(&settings.lease_seconds) {
        bail!("lease_seconds is {}, it must be between 1 and 600", settings.lease_seconds);
    }
    if !(1..=3_650).contains(&settings.backup_keep) {
        bail!("backup_keep is {}, it must be between 1 and 3650", settings.backup_keep);
    }
    if !(1..=3_650).contains(&settings.token_days) {
        bail!("token_days is {}, it must be between 1 and 3650", settings.token_days);
    }
    accounts::check(settings)?;
    prefect::check(settings)?;
    settings.sensor_on()?;
    if settings.mqtt_password.is_some() && settings.mqtt_user.is_none() {
        bail!("mqtt_password is set, but not mqtt_user, whose password it is");
    }
    if let Some(stanza) = &settings.pgbackrest_stanza
        && !is_stanza(stanza)
    {
        bail!("pgbackrest_stanza is '{stanza}', it must be of a-z, A-Z, 0-9, - and _");
    }
    if !(0.01..=10.0).contains(&settings.patience) {
        bail!("patience is {}, it must be between 0.01 and 10 (1 is for a real OT-2)", settings.patience);
    }
    // Each goes on for 17 minutes, and all are read whenever one is.
    if matches!(settings.rotate_keys, Every::Period(age) if age < LEAST_KEY_AGE) {
        bail!("rotate_keys must be at least 1h, or `never`");
    }
    match settings.speed {
        Some(speed) if speed.is_nan() || speed <= 0.0 => {
            bail!("speed is {speed}, it must be above 0 (1 is a real OT-2's)")
        }
        _ => Ok(()),
    }
}

/// It stands in commands and configurations.
fn is_stanza(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn check_sign_in(settings: &Settings) -> anyhow::Result<()> {
    settings.provider()?;
    let origins = settings.sign_in_origins.as_deref().unwrap_or_default();
    let is_origin = |origin: &&str| {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        rest.is_some_and(|rest| {
            let host = rest.trim_end_matches('/');
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        })
    };
    if let Some(bad) = origins.split_whitespace().find(|origin| !is_origin(origin)) {
        bail!("sign_in_origins has '{bad}', it must be like https://lab.example.org:3000, without a path");
    }
    Ok(())
}

fn check_database(settings: &Settings) -> anyhow::Result<()> {
    for (name, seconds, least) in [
        ("database_statement_timeout", settings.database_statement_timeout, 1),
        ("database_lock_timeout", settings.database_lock_timeout, 1),
        ("database_replica_lag", settings.database_replica_lag, 3),
    ] {
        if !(least..=3_600).contains(&seconds) {
            bail!("{name} is {seconds}, it must be between {least} and 3600 (seconds)");
        }
    }
    if let (Some(ca), Some(tls)) = (&settings.database_ca, settings.database_tls)
        && !TlsMode::from(tls).verifies()
    {
        bail!(
            "database_ca is {}, but the database_tls that is set trusts any certificate: make it verify-full, or leave it out",
            ca.display()
        );
    }
    for (name, url) in [
        ("database_direct_url", &settings.database_direct_url),
        ("database_replica_url", &settings.database_replica_url),
    ] {
        let is_ours =
            |url: &Secret| ["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme));
        if url.as_ref().is_some_and(|url| !is_ours(url)) {
            bail!("{name} must be a PostgreSQL URL, postgres://…, as database_url then is");
        }
        if url.is_some() && settings.database_url.as_ref().is_none_or(|url| !is_ours(url)) {
            bail!("{name} is set, which only PostgreSQL has: set database_url to its primary, postgres://…");
        }
    }
    Ok(())
}

type TomlFile = File<config::FileSourceFile, FileFormat>;

fn read_file(named: Option<&Path>) -> anyhow::Result<Option<(PathBuf, TomlFile)>> {
    let path = match named {
        Some(path) if !path.is_file() => bail!("there is no configuration file {}", path.display()),
        Some(path) => path,
        None if Path::new(USUAL_FILE).is_file() => Path::new(USUAL_FILE),
        None => return Ok(None),
    };
    let file = File::new(&path.to_string_lossy(), FileFormat::Toml);
    let keys = file.collect().with_context(|| format!("{} can't be read", path.display()))?;
    if let Some(unknown) = keys.keys().find(|name| !is_key(name)) {
        bail!("{} has the unknown key `{unknown}`; the keys are {}", path.display(), key_names());
    }
    Ok(Some((path.to_owned(), file)))
}

fn read_environment(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Environment> {
    let mut settings = Map::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        if NOT_SETTINGS.contains(&rest) || rest.starts_with(TESTS_PREFIX) {
            continue;
        }
        let name = rest.to_ascii_lowercase();
        if !is_key(&name) {
            bail!("the environment has the unknown key `{variable}`; the keys are {} (here as {PREFIX}…)", key_names());
        }
        settings.insert(name, value);
    }
    // Values stay text until a field's type is known: parsed early, the password 007 would become 7.
    Ok(Environment::default().ignore_empty(true).source(Some(settings)))
}

fn is_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
}

fn key_names() -> String {
    KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

fn line(key: Key, value: Option<Value>, origin: impl Fn(&str) -> String) -> Line {
    match value {
        Some(value) => Line { key, value: Some(shown(key.name, value)), origin: origin(key.name) },
        None => Line { key, value: None, origin: "not set".to_owned() },
    }
}

fn shown(name: &str, value: Value) -> String {
    if let config::ValueKind::Array(list) = &value.kind {
        let texts: Vec<_> = list.iter().map(|entry| quoted(&entry.clone().into_string().unwrap_or_default())).collect();
        return format!("[{}]", texts.join(", "));
    }
    let text = value.into_string().unwrap_or_default();
    match name {
        "admin_password"
        | "mqtt_password"
        | "metrics_token"
        | "service_metrics_token"
        | "oidc_client_secret"
        | "prefect_api_key"
        | "prefect_auth" => quoted("****"),
        "database_url" | "database_direct_url" | "database_replica_url" | "documents_url" | "smtp_url" => {
            quoted(&mask_url(&text))
        }
        "speed"
        | "seed"
        | "behind_proxy"
        | "database_connections"
        | "database_statement_timeout"
        | "database_lock_timeout"
        | "database_replica_lag"
        | "queue_limit"
        | "lease_seconds"
        | "patience"
        | "connections"
        | "connections_per_address"
        | "client_patience"
        | "changes_per_minute"
        | "registration_quota"
        | "backup_keep" => text,
        _ => quoted(&text),
    }
}

/// A JSON string is also a basic string of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Hides the password of `scheme://user:password@host/…`, and whatever a query carries.
fn mask_url(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?****"));
    let Some((scheme, rest)) = url.split_once("://") else { return "****".to_owned() };
    let masked = match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}:****@{host}")
        }
        None => format!("{scheme}://{rest}"),
    };
    masked + query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        assert_eq!(mask_url("postgres://lab:s3cr@t@db:5432/tincture"), "postgres://lab:****@db:5432/tincture");
        assert_eq!(mask_url("postgres://db/tincture?password=s3cret"), "postgres://db/tincture?****");
        assert_eq!(mask_url("sqlite:///var/lib/tincture.sqlite"), "sqlite:///var/lib/tincture.sqlite");
        assert_eq!(mask_url("mongodb://lab:s3cr@t@a,b:1,c/lab?x=s3cret"), "mongodb://lab:****@a,b:1,c/lab?****");
        assert_eq!(mask_url("s3cret"), "****");
    }

    #[test]
    fn settings_of_the_database_that_make_no_sense_together_are_refused() {
        let refusal = |flags: &[(&'static str, &str)]| {
            let flags: Vec<Flag> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            load(None, &flags).err().map(|error| format!("{error:#}")).unwrap_or_default()
        };
        let primary = ("database_url", "postgres://lab:s3cret@primary/lab");
        let replica = ("database_replica_url", "postgres://lab:s3cret@replica/lab");
        for (flags, says) in [
            (&[primary, replica, ("database_replica_lag", "60"), ("database_pooler", "transaction")][..], ""),
            (&[primary, ("database_ca", "/ca.pem"), ("database_tls", "verify-full")], ""),
            (&[primary, ("database_ca", "/ca.pem"), ("database_tls", "require")], "make it verify-full"),
            (&[primary, ("database_tls", "always")], "database_tls"),
            (&[primary, ("database_pooler", "pgbouncer")], "database_pooler"),
            (&[replica], "set database_url to its primary"),
            (&[primary, ("database_direct_url", "sqlite://lab")], "must be a PostgreSQL URL"),
            (&[primary, replica, ("database_replica_lag", "2")], "between 3 and 3600"),
            (&[("database_lock_timeout", "0")], "between 1 and 3600"),
        ] {
            let said = refusal(flags);
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{flags:?}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
        let shown = load(None, &[replica, primary].map(|(name, value)| (name, value.to_owned()))).expect("settings");
        let shown: String = shown.lines.into_iter().filter_map(|line| line.value).collect();
        assert!(shown.contains("lab:****@replica") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_kept_is_kept_for_days_or_for_ever() {
        let keep = |text: &str| Keep::try_from(text.to_owned());
        assert_eq!(keep("90").map(Keep::age), Ok(Some(TimeDelta::days(90))));
        assert_eq!(keep("forever").map(Keep::age), Ok(None));
        for text in ["0", "-1", "70000", "90d", "for ever", ""] {
            assert!(keep(text).is_err(), "{text}");
        }
    }

    #[test]
    fn roles_are_a_list_or_a_text() {
        let text = |text: &str| Roles::try_from(ListOrText::Text(text.to_owned()));
        assert_eq!(text("admin, operator"), Ok(Roles(vec![Role::Admin, Role::Operator])));
        assert_eq!(text(""), Ok(Roles(Vec::new())));
        let list = ListOrText::List(vec!["administrator".to_owned()]);
        assert_eq!(Roles::try_from(list), Ok(Roles(vec![Role::Admin])));
        assert!(text("admins").expect_err("no role").contains("'admins' is no role"));
    }

    #[test]
    fn a_period_is_never_or_a_number_of_something() {
        let every = |text: &str| Every::try_from(text.to_owned());
        for (text, seconds) in [("10s", 10), ("30m", 1_800), ("24h", 86_400), (" 7 d ", 604_800)] {
            assert_eq!(every(text), Ok(Every::Period(Duration::from_secs(seconds))), "{text}");
        }
        assert_eq!(every("never"), Ok(Every::Never));
        for text in ["", "0h", "24", "h", "-1h", "1.5h", "366d", "4294967295d", "daily"] {
            assert!(every(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_refuses_what_it_does_not_know() {
        let variables = |name: &str| [(name.to_owned(), "1".to_owned())].into_iter();
        assert!(read_environment(variables("TINCTURE_SEED")).is_ok());
        assert!(read_environment(variables("TINCTURE_TEST_POSTGRES")).is_ok());
        assert!(read_environment(variables("HOME")).is_ok());
        let error = read_environment(variables("TINCTURE_DATABSE_URL")).expect_err("misspelt").to_string();
        assert!(error.contains("`TINCTURE_DATABSE_URL`"), "{error}");
    }
}
