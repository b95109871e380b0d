//! The thin layer between Rust values and SQL: one text for both databases, parameters bound, rows read by column name.
//!
//! [`sql!`](crate::sql) pairs a text with its parameters; [`Bind`] says how a value goes in and [`Column`] how it comes out.
//! Texts are trusted, values never are: no value is ever formatted into a text.

use crate::error::{Result, StoreError};

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use domain::*;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable, Value};
use std::{borrow::Cow, fmt::Write as _};
use uuid::Uuid;

/// Now, to the microsecond, which is what PostgreSQL keeps: what was written reads back equal on both.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// A time as SQLite keeps it, and PostgreSQL reads it too.
pub(crate) fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// An SQL text with `$1`, `$2`, … and the values for them.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Sql {
    pub fn new(text: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Self {
        Self { text: text.into(), values }
    }

    /// Adds the value of the next parameter, where the text has one only when there is a value.
    pub fn and_bind(&mut self, value: Option<impl Bind>) {
        self.values.extend(value.map(Bind::bind));
    }

    /// `before (…), (…) after`, one parenthesis a row. The rows' values follow those already in `values`.
    pub fn with_rows(before: &str, mut values: Vec<Value>, rows: Vec<Vec<Value>>, after: &str) -> Self {
        let mut text = String::from(before);
        for (index, row) in rows.into_iter().enumerate() {
            text.push_str(if index == 0 { " (" } else { ", (" });
            for (column, value) in row.into_iter().enumerate() {
                values.push(value);
                let comma = if column == 0 { "" } else { ", " };
                let _ = write!(text, "{comma}${}", values.len());
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(after);
        Self::new(text, values)
    }

    fn statement(self, on: &impl ConnectionTrait) -> Statement {
        #[cfg(feature = "testing")]
        note(on, &self.text, &self.values);
        Statement::from_sql_and_values(on.get_database_backend(), self.text, self.values)
    }

    /// How the database would go about it, a line a step. Asked past the record of what this release sends.
    #[cfg(feature = "testing")]
    pub async fn plan(self, on: &impl ConnectionTrait) -> Result<Vec<String>> {
        let (explain, column) = match on.get_database_backend() {
            sea_orm::DatabaseBackend::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
            _ => ("EXPLAIN", "QUERY PLAN"),
        };
        let text = format!("{explain} {}", self.text);
        let asked = Statement::from_sql_and_values(on.get_database_backend(), text, self.values);
        let rows = on.query_all_raw(asked).await?;
        rows.into_iter().map(|row| Row(row).get(column)).collect()
    }

    /// Runs it; how many rows it touched.
    pub async fn execute(self, on: &impl ConnectionTrait) -> Result<u64> {
        Ok(on.execute_raw(self.statement(on)).await?.rows_affected())
    }

    /// The first row, if any.
    pub async fn one(self, on: &impl ConnectionTrait) -> Result<Option<Row>> {
        Ok(on.query_one_raw(self.statement(on)).await?.map(Row))
    }

    pub async fn all(self, on: &impl ConnectionTrait) -> Result<Vec<Row>> {
        Ok(on.query_all_raw(self.statement(on)).await?.into_iter().map(Row).collect())
    }
}

/// For tests that look at what is sent.
#[cfg(feature = "testing")]
pub(crate) fn note(on: &impl ConnectionTrait, text: &str, values: &[Value]) {
    crate::statements::note(on.get_database_backend(), text, values);
    crate::testing::direct::count_statement();
    crate::testing::cost::note(text, values);
}

/// `sql!("SELECT … WHERE id = $1", id)`
macro_rules! sql {
    ($text:expr $(, $value:expr)* $(,)?) => {
        $crate::sql::Sql::new($text, vec![$($crate::sql::Bind::bind($value)),*])
    };
}

/// `row_values![a, b]`: one row for [`Sql::with_rows`].
macro_rules! row_values {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Bind::bind($value)),*] };
}

pub(crate) use {row_values, sql};

/// A text as both databases keep it: PostgreSQL has no NUL. What people type is refused sooner; this is for what devices
/// say, which must not be lost for one character.
pub(crate) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

pub(crate) fn storable_json(value: serde_json::Value) -> serde_json::Value {
    if is_storable(&value) { value } else { cleaned(value) }
}

fn is_storable(value: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object, String};
    match value {
        String(text) => !text.contains('\0'),
        Array(values) => values.iter().all(is_storable),
        Object(fields) => fields.iter().all(|(key, value)| !key.contains('\0') && is_storable(value)),
        _ => true,
    }
}

fn cleaned(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value::{Array, Object, String};
    match value {
        String(text) => String(storable(text)),
        Array(values) => values.into_iter().map(cleaned).collect(),
        Object(fields) => fields.into_iter().map(|(key, value)| (storable(key), cleaned(value))).collect(),
        other => other,
    }
}

/// A value that can be a parameter.
pub(crate) trait Bind {
    fn bind(self) -> Value;
}

/// A value that can be read from a column: by way of a type which the driver knows.
pub(crate) trait Column: Sized {
    type Raw: TryGetable;
    fn from_raw(raw: Self::Raw) -> Result<Self, String>;
}

impl<T: Column> Column for Option<T> {
    type Raw = Option<T::Raw>;
    fn from_raw(raw: Self::Raw) -> Result<Self, String> {
        raw.map(T::from_raw).transpose()
    }
}

/// One row of an answer.
pub(crate) struct Row(QueryResult);

impl Row {
    pub fn of(row: impl Into<QueryResult>) -> Self {
        Self(row.into())
    }

    pub fn get<T: Column>(&self, column: &str) -> Result<T> {
        let raw = self.0.try_get::<T::Raw>("", column)?;
        T::from_raw(raw).map_err(|why| StoreError::Corrupt(format!("column {column}: {why}")))
    }
}

macro_rules! plain_columns {
    ($($name:ty),+ $(,)?) => {$(
        impl Bind for $name {
            fn bind(self) -> Value { self.into() }
        }
        impl Bind for Option<$name> {
            fn bind(self) -> Value { self.into() }
        }
        impl Column for $name {
            type Raw = $name;
            fn from_raw(raw: $name) -> Result<Self, String> { Ok(raw) }
        }
    )+};
}

/// Stored as they are, as far as both databases can.
macro_rules! cleaned_columns {
    ($($clean:ident: $name:ty),+ $(,)?) => {$(
        impl Bind for $name {
            fn bind(self) -> Value { $clean(self).into() }
        }
        impl Bind for Option<$name> {
            fn bind(self) -> Value { self.map($clean).into() }
        }
        impl Column for $name {
            type Raw = $name;
            fn from_raw(raw: $name) -> Result<Self, String> { Ok(raw) }
        }
    )+};
}

macro_rules! id_columns {
    ($($name:ident),+ $(,)?) => {$(
        impl Bind for $name {
            fn bind(self) -> Value { self.as_uuid().into() }
        }
        impl Bind for Option<$name> {
            fn bind(self) -> Value { self.map(|id| id.as_uuid()).into() }
        }
        impl Column for $name {
            type Raw = Uuid;
            fn from_raw(raw: Uuid) -> Result<Self, String> { Ok(raw.into()) }
        }
    )+};
}

/// Stored as their name.
macro_rules! name_columns {
    ($($name:ident),+ $(,)?) => {$(
        impl Bind for $name {
            fn bind(self) -> Value { self.to_string().into() }
        }
        impl Bind for Option<$name> {
            fn bind(self) -> Value { self.map(|name| name.to_string()).into() }
        }
        impl Column for $name {
            type Raw = String;
            fn from_raw(raw: String) -> Result<Self, String> { raw.parse().map_err(|error| format!("{error}")) }
        }
    )+};
}

/// Stored as JSON.
macro_rules! json_columns {
    ($($name:ident),+ $(,)?) => {$(
        impl Bind for &$name {
            fn bind(self) -> Value { storable_json(json(self)).into() }
        }
        impl Bind for Option<&$name> {
            fn bind(self) -> Value { self.map(json).map(storable_json).into() }
        }
        impl Column for $name {
            type Raw = serde_json::Value;
            fn from_raw(raw: serde_json::Value) -> Result<Self, String> {
                serde_json::from_value(raw).map_err(|error| error.to_string())
            }
        }
    )+};
}

/// Our own types always have a JSON form: their keys are strings and their numbers finite or null.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

plain_columns!(i16, i32, i64, bool, DateTime<Utc>, Uuid);
cleaned_columns!(storable: String, storable_json: serde_json::Value);
id_columns!(
    UserId,
    ExperimentId,
    WellId,
    ResultId,
    OperationId,
    RobotId,
    PlateId,
    SessionId,
    ActivityId,
    ApiTokenId,
    PasskeyId,
    ServiceTokenId,
    InvitationId,
    RegistrationId,
    MailId,
    GroupId,
    QuotaRequestId,
    QuotaChangeId
);
name_columns!(
    Collection,
    ExperimentStatus,
    WellStatus,
    Role,
    Scopes,
    JournalEvent,
    WellName,
    DyeName,
    Control,
    Attendance,
    LinkPurpose,
    MailKind,
    QuotaCause,
    Refill,
    Standing,
    Zone,
    RobotKind,
    RobotMode,
    ServiceKind
);
json_columns!(Deck, Fault, MountsSeen, Recipe, Step, Tool);

impl Bind for Value {
    fn bind(self) -> Value {
        self
    }
}

impl Bind for &str {
    fn bind(self) -> Value {
        storable(self.to_owned()).into()
    }
}

impl Bind for &serde_json::Value {
    fn bind(self) -> Value {
        self.clone().bind()
    }
}

impl Bind for Slot {
    fn bind(self) -> Value {
        i16::from(self.0).into()
    }
}

impl Column for Slot {
    type Raw = i16;
    fn from_raw(raw: i16) -> Result<Self, String> {
        u8::try_from(raw).map(Slot).map_err(|error| error.to_string())
    }
}

/// Volumes are stored as whole nanolitres.
impl Bind for Volume {
    fn bind(self) -> Value {
        i64::from(self.nanolitres()).into()
    }
}

impl Column for Volume {
    type Raw = i64;
    fn from_raw(raw: i64) -> Result<Self, String> {
        u32::try_from(raw).map(Volume::from_nanolitres).map_err(|error| error.to_string())
    }
}
