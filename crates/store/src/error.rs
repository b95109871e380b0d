//! What can go wrong, told without the database's address: a URL may hold a password.

use domain::WellName;
use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// What can go wrong. No text in it ever carries a URL with a password.
///
/// Any read may fail with `Unreachable` (nobody answers, or not in time), `Database` (it refuses what we ask, which is a
/// bug) or `Corrupt` (what is stored can't be read). A write may fail so, too, and with `Contended`; after `Unreachable`
/// nobody knows whether it was made, after anything else it wasn't. Besides these a method fails only with what it names.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database said: {0}")]
    Database(String),
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// A prepared statement is gone, or was there before.
    #[error(
        "the database said: {0}. Connections seem to be lent by a pooler in transaction mode: set database_pooler = \
         \"transaction\""
    )]
    Lent(String),
    /// Other transactions were in the way, time after time. Nothing was written; trying again later is right.
    #[error("the database is too busy with others: {0}")]
    Contended(String),
    /// The embedded database's file, by name, and what SQLite says of it.
    #[error(
        "the database {file} is damaged ({said}): stop whatever uses it, keep a copy of it with its -wal and -shm files, \
         then put your newest backup in its place with `tincture backup restore`, or save what can be read with `sqlite3 {file} .recover | sqlite3 new.sqlite`"
    )]
    Damaged { file: String, said: String },
    /// There is no file of this name, and nobody asked for one to be made.
    #[error(
        "there is no database at {0}: give the right directory with --data-dir or TINCTURE_DATA_DIR, or make one with \
         `tincture migrate` or `tincture up`"
    )]
    Missing(String),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("a stored value can't be read: {0}")]
    Corrupt(String),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("there is an account with this e-mail address already")]
    EmailTaken,
    /// Nothing was written.
    #[error("this is the lab's last administrator: make another one first")]
    LastAdministrator,
    /// Nothing was written.
    #[error("an experiment of this person's waits or is under way: cancel it, or wait for its end")]
    Unfinished,
    /// Nothing was written.
    #[error("this person has {most} API tokens, which is as many as may be: revoke one first")]
    TooManyTokens { most: u32 },
    /// The person has a second factor, and the password alone was shown. Nothing was written.
    #[error("this person has a second factor, which wasn't shown")]
    SecondFactorNeeded,
    /// A code, challenge or key that is wrong, was used before, or is gone. Nothing was written.
    #[error("this code or key is wrong, or was used before")]
    FactorRefused,
    /// Nothing was written.
    #[error("this is the person's last second factor, and their role needs one")]
    LastFactor,
    /// Nothing was written.
    #[error("there is such a second factor already")]
    FactorExists,
    /// Nothing was written.
    #[error("this person has {most} passkeys, which is as many as may be: remove one first")]
    TooManyPasskeys { most: u32 },
    #[error("there is a group of this name already")]
    GroupNameTaken,
    /// Nothing was written.
    #[error("people are in this group: say that it goes with its members")]
    GroupInUse,
    /// Nothing was written.
    #[error("a group has at most {most} people")]
    GroupFull { most: usize },
    /// Nothing was written.
    #[error("somebody is in as many groups as may be: take them out of another one first")]
    TooManyGroups,
    /// Nothing was written.
    #[error("what was asked for before still waits for an answer")]
    RequestOpen,
    /// Nothing was written.
    #[error("this was granted or refused already")]
    RequestDecided,
    /// Nothing was written.
    #[error("the group has {left} wells left to grant until its next refill")]
    ReserveSpent { left: i32 },
    #[error("{most} mails wait to be sent, which is as many as may: try again when the mail server takes them")]
    TooManyMails { most: u32 },
    #[error("the lease on the robot is lost: another worker drives it now")]
    LeaseLost,
    /// Somebody holds the robot, or did something to it since it was looked at. Nothing was written.
    #[error("somebody holds the robot or attended it meanwhile: look again")]
    Held,
    /// Nothing was written.
    #[error("the robot is at work: pause it first, and wait until it has put everything down")]
    AtWork,
    /// Nothing was written.
    #[error("an experiment that is under way has its wells on this plate: wait for it, or cancel it first")]
    PlateInUse,
    /// Nothing was written.
    #[error("the machine at this address is {0} already, and one machine is one robot")]
    IdentityTaken(String),
    /// Nothing was written.
    #[error("there is a robot of this name already")]
    RobotNameTaken,
    /// Nothing was written.
    #[error("this is the address of {0} already, and one machine is one robot")]
    AddressTaken(String),
    /// Nothing was written.
    #[error("somebody changed the robot meanwhile: look at it again")]
    RobotChanged,
    /// Nothing was written.
    #[error(
        "{experiments} of the experiments that have begun on this robot haven't ended: wait for them, or cancel them first"
    )]
    RobotInUse { experiments: i64 },
    #[error("{what} can't go from {from} to {to}")]
    IllegalTransition { what: &'static str, from: String, to: String },
    #[error("the plate's well {0} is taken already")]
    WellTaken(WellName),
}

impl StoreError {
    /// Whether the database, and not the request, is why: it may be asked again in a while.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Contended(_))
    }
}

/// Why this release can't run on the schema that it finds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("the database's schema is older than this tincture ({missing} hasn't run): run `tincture migrate`")]
    Older { missing: &'static str },
    #[error(
        "the database was brought up to date by a newer tincture ({step}), and this one can't run on it: install that \
         release or a later one"
    )]
    Newer { step: String },
    #[error(
        "the database's migration {step} was applied with another text than this tincture has: one of the two was changed \
         after its release, so nobody knows what the schema is; use the tincture that made it"
    )]
    Changed { step: String },
    #[error(
        "a lab is being moved to this database and not all of it has arrived: run `tincture migrate --from … --to …` again, \
         with the addresses it was begun with; it goes on where it ended"
    )]
    HalfMoved,
    /// Two databases of one lab would drive the same robots.
    #[error(
        "this lab was moved to {to} and lives there now: set TINCTURE_DATABASE_URL to that database, and put this one away. \
         To go back in time instead, restore a backup (`tincture backup restore`)"
    )]
    MovedAway { to: String },
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// PostgreSQL: serialization failure, deadlock. SQLite: busy, busy in recovery, busy on a stale snapshot, locked.
const CONTENTION_CODES: [&str; 6] = ["40001", "40P01", "5", "261", "517", "6"];

pub(crate) fn is_contention(code: &str) -> bool {
    CONTENTION_CODES.contains(&code)
}

/// PostgreSQL: no such prepared statement, or there is one of this name already. Nothing else of ours names statements.
const LENT: [&str; 2] = ["26000", "42P05"];

/// PostgreSQL, all five characters long: classes 08 (connection), 57P0x (the server goes away) and 53 (no connection,
/// memory or disk left); read-only, as a standby is (25006); a statement or a lock's wait that took too long (57014,
/// 55P03) and a transaction that idled too long (25P03, 25P04). SQLite's, which are shorter: FULL (13), and the families of
/// READONLY, IOERR and CANTOPEN (8, 10, 14 in the low byte).
fn is_outage(code: &str) -> bool {
    if code.len() == 5 {
        let classes = ["08", "57P", "53"];
        return classes.iter().any(|class| code.starts_with(class))
            || matches!(code, "25006" | "57014" | "55P03" | "25P03" | "25P04");
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 8 | 10 | 13 | 14))
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(cause) => Self::Unreachable(cause.to_string()),
            DbErr::Conn(cause) => Self::Unreachable(plain(cause)),
            DbErr::Exec(cause) | DbErr::Query(cause) => from_runtime(cause),
            DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => Self::Corrupt(error.to_string()),
            _ => Self::Database(error.to_string()),
        }
    }
}

fn from_runtime(cause: &RuntimeErr) -> StoreError {
    let RuntimeErr::SqlxError(error) = cause else { return StoreError::Database(plain(cause)) };
    match &**error {
        SqlxError::Database(said) => match said.code().as_deref() {
            Some(code) if is_contention(code) => StoreError::Contended(said.message().to_owned()),
            Some(code) if is_outage(code) => StoreError::Unreachable(said.message().to_owned()),
            Some(code) if LENT.contains(&code) => StoreError::Lent(said.message().to_owned()),
            _ => StoreError::Database(said.message().to_owned()),
        },
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => StoreError::Unreachable(error.to_string()),
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Database(error.to_string()),
    }
}

fn plain(cause: &RuntimeErr) -> String {
    match cause {
        RuntimeErr::SqlxError(error) => error.to_string(),
        RuntimeErr::Internal(text) => text.clone(),
    }
}
