//! A rolling upgrade: what releases that still run ask, on the schema that this one has made.

use std::{collections::BTreeSet, fs, path::Path};
use store::{Backend, testing::TestDatabase};

/// Each file holds the statements of the release whose newest migration it is named after; see the README beside the
/// migrations. A statement that the database refuses to prepare, or a new row that lacks a column which must be given,
/// would fail in the release that is being replaced.
pub async fn what_older_releases_ask_is_understood(database: TestDatabase) {
    let releases = recorded(database.store.backend());
    let able: Vec<_> = releases.iter().filter(|(newest, _)| database.may_run(newest)).collect();
    assert!(!able.is_empty(), "record this release's statements: scripts/record-statements.sh");
    let mut refused = Vec::new();
    for (newest, statements) in able {
        assert!(statements.lines().count() > 80, "{newest}: hardly a release's");
        for statement in statements.lines() {
            if let Err(why) = understood(&database, statement).await {
                refused.push(format!("{newest}: {why}: {statement}"));
            }
        }
    }
    assert!(refused.is_empty(), "{} of them:\n{}", refused.len(), refused.join("\n"));
}

/// The check itself: each way of breaking an older release is seen.
pub async fn what_breaks_an_older_release_is_seen(database: TestDatabase) {
    let insert = "[text, uuid] INSERT INTO lab (one, id) VALUES (1, $2) ON CONFLICT (one) DO NOTHING";
    let insert = &insert.replace("[text, uuid]", "[uuid]").replace("$2", "$1");
    let select = "[uuid] SELECT u.id, u.last_served_at FROM users u WHERE u.id = $1";
    for statement in [insert, select] {
        understood(&database, statement).await.expect("it is understood");
    }
    database.store.run_sql("ALTER TABLE users RENAME COLUMN last_served_at TO served_at").await;
    understood(&database, select).await.expect_err("its column is gone");
    database
        .store
        .run_sql("DROP TABLE lab; CREATE TABLE lab (one INTEGER PRIMARY KEY, id TEXT, name TEXT NOT NULL)")
        .await;
    let why = understood(&database, &insert.replace("[uuid]", "[text]")).await.expect_err("a column must be given");
    assert_eq!(why, "lab.name must be given");
}

/// By the name of the newest migration that each release knew.
fn recorded(backend: Backend) -> Vec<(String, String)> {
    let ending = match backend {
        Backend::Sqlite => ".sqlite.sql",
        Backend::Postgres => ".postgres.sql",
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migrations/statements");
    let files = fs::read_dir(directory).expect("the recorded statements").map(|file| file.expect("a file").path());
    let named = files.filter_map(|file| {
        let newest = file.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
        Some((newest, fs::read_to_string(&file).expect("the statements")))
    });
    named.collect()
}

async fn understood(database: &TestDatabase, statement: &str) -> Result<(), String> {
    let (types, text) = statement.strip_prefix('[').and_then(|rest| rest.split_once("] ")).expect("[types] statement");
    database.prepare(types, text).await?;
    let Some((table, columns)) = text.strip_prefix("INSERT INTO ").and_then(|rest| rest.split_once(" (")) else {
        return Ok(());
    };
    let given: BTreeSet<_> = columns.split(')').next().unwrap_or_default().split(", ").collect();
    let columns = database.columns().await.into_iter().filter(|column| column.table == table);
    match columns.filter(|column| column.must_be_given).find(|column| !given.contains(column.column.as_str())) {
        Some(missing) => Err(format!("{table}.{} must be given", missing.column)),
        None => Ok(()),
    }
}
