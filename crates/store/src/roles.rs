//! Who may do what with the tables of PostgreSQL: the owner changes them, the application fills them, and whoever watches
//! sees figures and what everybody may see.
//!
//! What is public is said in one place, the table of `docs/data.md`, from which the grants are made.

use crate::{
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    figures,
};
use async_recursion::async_recursion as boxed;
use sea_orm::ConnectionTrait;
use std::fmt;

/// Every column with its class.
const CLASSES: &str = include_str!("../../../docs/data.md");
/// PostgreSQL cuts longer names off.
const LONGEST_NAME: usize = 63;

/// The name of a role: what needs no quotes in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// # Errors
    /// What a name must be like.
    pub fn new(name: &str) -> Result<Self, String> {
        let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && !name.starts_with("pg_");
        if begins_well && name.len() <= LONGEST_NAME && name.chars().all(is_good) {
            return Ok(Self(name.to_owned()));
        }
        Err(format!("a role's name is 1 to {LONGEST_NAME} of a-z, 0-9 and _, begins with no digit and not with pg_"))
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The three roles of a lab.
#[derive(Clone, Debug)]
pub struct Roles {
    /// Makes and changes tables: for `tincture migrate`.
    pub owner: RoleName,
    /// Reads and writes their rows: for everything else.
    pub application: RoleName,
    /// Reads figures and public columns.
    pub monitor: RoleName,
}

impl Roles {
    /// The statement that makes them where they aren't there yet, and grants each what it may, in the schema that comes first
    /// in the search path. Running it again changes nothing, and grants what columns and tables have come since. Whoever
    /// runs it must be allowed to make roles and to give the tables away.
    pub fn statement(&self) -> String {
        let columns = columns();
        let mut tables: Vec<_> = columns.iter().map(|column| format!("'{}'", column.table)).collect();
        tables.dedup();
        let public = columns.iter().filter(|column| column.is_public());
        let public: Vec<_> = public.map(|column| format!("('{}', '{}')", column.table, column.name)).collect();
        let text = include_str!("roles.sql");
        [
            ("{owner}", self.owner.to_string()),
            ("{application}", self.application.to_string()),
            ("{monitor}", self.monitor.to_string()),
            ("{tables}", tables.join(", ")),
            ("{public}", public.join(",\n            ")),
            ("{figures}", figures::query(Backend::Postgres).replace("$1", &figures::MOST_COUNTED.to_string())),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, &value))
    }
}

impl Store {
    /// Carries out [`Roles::statement`].
    ///
    /// # Errors
    /// `Database` on SQLite, which has no roles, and where our own role mayn't.
    #[boxed]
    pub async fn make_roles(&self, roles: &Roles) -> Result<()> {
        if self.backend() == Backend::Sqlite {
            return Err(StoreError::Database("the embedded database has no roles: they are PostgreSQL's".to_owned()));
        }
        transact!(self, |tx| { Ok(tx.execute_unprepared(&roles.statement()).await.map(drop)?) });
        Ok(())
    }
}

struct Column {
    table: &'static str,
    name: &'static str,
    class: &'static str,
}

impl Column {
    fn is_public(&self) -> bool {
        self.class == "public"
    }
}

/// As `docs/data.md` has them.
fn columns() -> Vec<Column> {
    let rows = CLASSES.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, table, name, class, _, _, _] = cells[..] else { return None };
        (table != "table" && !table.starts_with('-')).then_some(Column { table, name, class })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_no_quotes() {
        for good in ["tincture_app", "_x", "a1"] {
            assert_eq!(RoleName::new(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "1a", "App", "a-b", "a\"b", "pg_monitor", "a'; DROP TABLE users", &"a".repeat(64)] {
            assert!(RoleName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_secret_is_granted_by_column() {
        let columns = columns();
        let class = |table: &str, name: &str| {
            columns.iter().find(|column| column.table == table && column.name == name).map(|column| column.class)
        };
        assert_eq!(class("users", "hashed_password"), Some("secret"));
        assert_eq!(class("robots", "name"), Some("public"));
        let name = |name| RoleName::new(name).expect("a name");
        let roles = Roles { owner: name("o"), application: name("a"), monitor: name("m") };
        let statement = roles.statement();
        assert!(statement.contains("('robots', 'name')") && !statement.contains("hashed_password"), "{statement}");
        assert!(!statement.contains("('users',") && !statement.contains('{'), "{statement}");
    }
}
