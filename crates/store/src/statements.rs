//! Which statements this release sends: recorded while its tests run, so that a later release can try them on its schema
//! (`migrations/statements`). Also sees to it that each names its columns.

use crate::connection::Backend;
use sea_orm::{DbBackend, Value};
use std::{
    collections::HashSet,
    env,
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Names the directory that statements are recorded in. Nothing is recorded without it.
const RECORD_IN: &str = "TINCTURE_RECORD_STATEMENTS";

static DIRECTORY: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os(RECORD_IN).map(PathBuf::from));
static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// # Panics
/// When it asks for all columns: a column more would break it on every connection that has prepared it. When it can't be
/// recorded.
pub(crate) fn note(backend: DbBackend, text: &str, values: &[Value]) {
    assert!(
        !text.contains("SELECT *") && !text.contains(".*") && !text.contains("RETURNING *"),
        "names no columns: {text}"
    );
    let Some(directory) = &*DIRECTORY else { return };
    let text = with_one_row(text);
    let types: Vec<_> = values.iter().map(type_of).collect();
    let words: Vec<_> = text.split_whitespace().collect();
    let line = format!("[{}] {}\n", types.join(", "), words.join(" "));
    let backend = match backend {
        DbBackend::Postgres => Backend::Postgres,
        _ => Backend::Sqlite,
    };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.get_or_insert_default().insert(format!("{backend:?} {line}")) {
        let file = directory.join(file_ending(backend));
        let mut file = OpenOptions::new().create(true).append(true).open(file).expect("the record opens");
        file.write_all(line.as_bytes()).expect("the record is written");
    }
}

/// Lists of rows are as long as somebody made them; one row is enough to know the statement by.
fn with_one_row(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(first) = text.find("), ($") {
        let next = first + ")".len();
        let Some(length) = text[next..].find(')') else { return text };
        text.replace_range(next..=next + length, "");
    }
    text
}

/// What the file of a database's statements is called, after the name of the release's newest migration.
pub(crate) const fn file_ending(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "sqlite.sql",
        Backend::Postgres => "postgres.sql",
    }
}

/// As PostgreSQL calls it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::SmallInt(_) => "smallint",
        Value::Int(_) => "integer",
        Value::BigInt(_) => "bigint",
        Value::String(_) => "text",
        Value::Json(_) => "jsonb",
        Value::Uuid(_) => "uuid",
        Value::ChronoDateTimeUtc(_) => "timestamptz",
        other => panic!("name the type of {other:?} here"),
    }
}
