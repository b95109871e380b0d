//! Any number of rows as one parameter, so that a statement's text doesn't depend on how many there are: each connection
//! prepares it once.

use crate::{
    connection::Backend,
    sql::{Bind, storable, storable_json, time_text},
};
use chrono::{DateTime, Utc};
use sea_orm::Value as SqlValue;
use serde_json::Value;
use std::{
    fmt::{Display, Write as _},
    net::IpAddr,
};
use uuid::Uuid;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    Number,
    Json,
    Time,
    Address,
}

/// The columns of a table that a parameter holds, in a statement's text.
pub(crate) type Columns = &'static [(&'static str, Kind)];

impl Backend {
    /// The rows of `$parameter`, to be selected from under the name `given`.
    pub(crate) fn rows(self, parameter: u8, columns: Columns) -> String {
        let mut list = String::new();
        for (column, kind) in columns {
            let comma = if list.is_empty() { "" } else { ", " };
            let _ = match self {
                Self::Postgres => write!(list, "{comma}{column} {}", kind.of_postgres()),
                Self::Sqlite => write!(list, "{comma}{} AS {column}", kind.of_sqlite(column)),
            };
        }
        match self {
            // Bound as text: as JSON the driver would want it as a tree, to write it as text again.
            Self::Postgres => format!("jsonb_to_recordset(${parameter}::text::jsonb) AS given ({list})"),
            Self::Sqlite => format!("(SELECT {list} FROM json_each(${parameter})) AS given"),
        }
    }

    /// `INSERT INTO table` of the rows of `$1`.
    pub(crate) fn insert_rows(self, table: &str, columns: Columns) -> String {
        let names: Vec<_> = columns.iter().map(|(column, _)| *column).collect();
        let names = names.join(", ");
        format!("INSERT INTO {table} ({names}) SELECT {names} FROM {rows}", rows = self.rows(1, columns))
    }
}

impl Kind {
    pub const fn of_postgres(self) -> &'static str {
        match self {
            Self::Id => "uuid",
            Self::Text => "text",
            Self::Number => "bigint",
            Self::Json => "jsonb",
            Self::Time => "timestamptz",
            Self::Address => "inet",
        }
    }

    fn of_sqlite(self, column: &str) -> String {
        match self {
            Self::Id => format!("unhex(value ->> '{column}')"),
            Self::Text | Self::Number | Self::Time | Self::Address => format!("value ->> '{column}'"),
            Self::Json => format!("value -> '{column}'"),
        }
    }
}

/// One row under way to the database, as a JSON object that is being written. A column that isn't given is null.
#[derive(Debug, Default)]
pub(crate) struct GivenRow(String);

impl GivenRow {
    fn with(mut self, column: &'static str, json: impl Display) -> Self {
        let start = if self.0.is_empty() { '{' } else { ',' };
        let _ = write!(self.0, r#"{start}"{column}":{json}"#);
        self
    }

    /// Both databases read hexadecimal without hyphens.
    pub fn id(self, column: &'static str, id: Uuid) -> Self {
        self.with(column, format_args!(r#""{}""#, id.simple()))
    }

    pub fn text(self, column: &'static str, text: impl Into<String>) -> Self {
        self.with(column, Value::String(storable(text.into())))
    }

    pub fn number(self, column: &'static str, number: impl Into<i64>) -> Self {
        self.with(column, number.into())
    }

    pub fn json(self, column: &'static str, value: Value) -> Self {
        self.with(column, storable_json(value))
    }

    pub fn time(self, column: &'static str, at: DateTime<Utc>) -> Self {
        self.with(column, format_args!(r#""{}""#, time_text(at)))
    }

    pub fn address(self, column: &'static str, address: Option<IpAddr>) -> Self {
        match address {
            Some(address) => self.with(column, format_args!(r#""{address}""#)),
            None => self,
        }
    }
}

/// The parameter that holds these rows.
pub(crate) fn given(rows: impl IntoIterator<Item = GivenRow>) -> SqlValue {
    let mut array = String::from("[");
    for GivenRow(row) in rows {
        let comma = if array.len() == 1 { "" } else { "," };
        let row = if row.is_empty() { "{" } else { &row };
        let _ = write!(array, "{comma}{row}}}");
    }
    array.push(']');
    array.bind()
}
