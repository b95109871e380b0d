//! The PostgreSQL database that a lab is moved to. Nothing else takes it for a lab until all has arrived.

use super::{
    STEP,
    error::{MoveError, Result},
    sum::{self, Sum},
    table::{self, Described, Table, ask, quoted, texts},
};
use crate::{
    Backend, NewActivity, Options, Store, StoreError, activity,
    connection::transact,
    migrations::{
        self,
        marks::{self, Mark},
    },
    servers,
    sql::sql,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, sqlx::postgres::PgConnectOptions};
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// For the longest statement: emptying, or looking through a table for the planner.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Target {
    store: Store,
    place: String,
    /// What the mark says, once it is known: that the move is this one.
    text: std::sync::OnceLock<String>,
}

/// When this move was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Now,
    Earlier,
}

impl Target {
    pub async fn open(url: &str, options: &Options) -> Result<Self> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(MoveError::Direction);
        }
        let options = Options {
            max_connections: 2,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: PATIENCE,
            lock_timeout: PATIENCE,
            replica: None,
            ..options.clone()
        };
        let store = Store::connect_existing(url, options).await?;
        Ok(Self { store, place: place(url), text: std::sync::OnceLock::new() })
    }

    /// Server and database.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// That a move to it was begun and isn't complete.
    pub async fn mark(&self) -> Result<Option<Mark>> {
        Ok(marks::find(self.store.writer(), Backend::Postgres, marks::HALF_MOVED).await?)
    }

    /// Nothing where there is no lab.
    pub async fn lab(&self) -> Result<Option<Uuid>> {
        let is_there = sql!("SELECT 1 WHERE to_regclass('lab') IS NOT NULL").one(self.store.writer()).await?;
        if is_there.is_none() {
            return Ok(None);
        }
        let row = sql!("SELECT id FROM lab").one(self.store.writer()).await?;
        Ok(row.map(|row| row.get("id")).transpose()?)
    }

    /// Marks it, if it is empty, before there is anything that could be taken for a lab.
    pub async fn claim(&self) -> Result<()> {
        let taken = transact!(self.store, |tx| {
            migrations::wait_for_others(tx).await?;
            let taken = first_taken(tx).await?;
            if taken.is_none() {
                migrations::make_table(tx, Backend::Postgres).await?;
                marks::set_bare(tx, marks::HALF_MOVED).await?;
            }
            Ok(taken)
        });
        let not_empty = |table| MoveError::NotEmpty { place: self.place.clone(), table };
        taken.map_or(Ok(()), |table| Err(not_empty(table)))
    }

    /// Brings its schema up to date, marked as it is.
    pub async fn prepare(&self) -> Result<()> {
        self.store.run_migrations().await?;
        Ok(())
    }

    pub async fn columns(&self) -> Result<Described> {
        let text = "SELECT CAST(c.table_name AS text) AS table_name, CAST(c.column_name AS text) AS column_name,
                CAST(c.udt_name AS text) AS type_name
            FROM information_schema.columns c
            JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
            WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
            ORDER BY c.table_name, c.ordinal_position";
        table::described(&sql!(text).all(self.store.writer()).await?)
    }

    /// Writes down which lab, as it is now, is under way to it. What was copied from an earlier state of the same lab goes.
    pub async fn begin(&self, lab: Option<Uuid>, sums: &[Sum]) -> Result<Begun> {
        let name = lab.map(|lab| lab.to_string()).unwrap_or_default();
        let text = format!("{name} {}", sum::fingerprint(sums));
        let tables: Vec<String> = self.tables().await?;
        let begun = transact!(self.store, |tx| {
            migrations::wait_for_others(tx).await?;
            let said = marks::find(tx, Backend::Postgres, marks::HALF_MOVED).await?.and_then(|mark| mark.said);
            let of_this_lab = |said: &str| lab.is_some() && said.starts_with(&name);
            let begun = match said {
                Some(said) if said == text => Some(Begun::Earlier),
                Some(said) if !of_this_lab(&said) => None,
                Some(_) => {
                    tracing::warn!("the lab was used since its move was begun: what was copied is copied anew");
                    tx.execute_unprepared(&format!("TRUNCATE {}", tables.join(", "))).await?;
                    Some(Begun::Now)
                }
                None => Some(Begun::Now),
            };
            if begun.is_some() {
                marks::set(tx, marks::HALF_MOVED, &text).await?;
            }
            Ok(begun)
        });
        let _ = self.text.set(text);
        begun.ok_or_else(|| MoveError::AnotherLabs { place: self.place.clone() })
    }

    async fn tables(&self) -> Result<Vec<String>> {
        let mut tables: Vec<_> = self.columns().await?.into_iter().map(|(table, ..)| quoted(&table)).collect();
        tables.dedup();
        Ok(tables)
    }

    pub async fn count(&self, table: &Table) -> Result<u64> {
        let text = format!("SELECT count(*) FROM {}", table.quoted());
        let found = ask(self.store.writer(), text, Vec::new()).await?;
        let count: i64 = found.first().map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(count.unsigned_abs())
    }

    /// One transaction.
    pub async fn insert(&self, table: &Table, rows: &[Vec<Option<String>>]) -> Result<()> {
        let unreadable = |why| MoveError::Unreadable { table: table.name.clone(), why };
        let given = rows.iter().map(|row| given(table, row)).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let given = sea_orm::Value::from(Value::Array(given));
        let still_ours = transact!(self.store, |tx| {
            let ours = self.hold(tx).await?;
            if ours {
                let insert = Statement::from_sql_and_values(tx.get_database_backend(), table.insert(), [given.clone()]);
                tx.execute_raw(insert).await?;
            }
            Ok(ours)
        });
        if still_ours { Ok(()) } else { Err(MoveError::TakenOver(self.place.clone())) }
    }

    /// Whether the move is still this one; and it stays so until the transaction ends.
    async fn hold(&self, tx: &DatabaseTransaction) -> crate::Result<bool> {
        let text = self.text.get().map(String::as_str).unwrap_or_default();
        marks::hold(tx, marks::HALF_MOVED, text).await
    }

    /// Of one moment, however long it takes to read.
    pub async fn sum(&self, table: &Table) -> Result<Sum> {
        let mut sum = Sum::default();
        let tx = self.store.begin().await?;
        let cursor = quoted(&format!("all of {}", table.name));
        let declare = format!(
            "DECLARE {cursor} NO SCROLL CURSOR FOR SELECT {} FROM {}",
            table.as_texts(Backend::Postgres),
            table.quoted()
        );
        tx.execute_unprepared(&declare).await?;
        loop {
            let rows = ask(&tx, format!("FETCH {STEP} FROM {cursor}"), Vec::new()).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let added = sum.add(&table.columns, &texts(row, 0, table)?);
                added.map_err(|why| MoveError::Unreadable { table: table.name.clone(), why })?;
            }
        }
        tx.commit().await?;
        Ok(sum)
    }

    /// So that its first questions are planned with the sizes that the tables have.
    pub async fn analyze(&self) -> Result<()> {
        let text = format!("ANALYZE {}", self.tables().await?.join(", "));
        self.store.writer().execute_unprepared(&text).await?;
        Ok(())
    }

    /// It is the lab from now on.
    pub async fn finish(&self, rows: u64) -> Result<()> {
        let details = json!({ "rows": rows });
        let line = NewActivity { user_id: None, action: "database_moved", details, ip_address: None };
        let still_ours = transact!(self.store, |tx| {
            let ours = self.hold(tx).await?;
            if ours {
                activity::insert(Backend::Postgres, &line).execute(tx).await?;
                marks::remove(tx, marks::HALF_MOVED).await?;
            }
            Ok(ours)
        });
        if still_ours { Ok(()) } else { Err(MoveError::TakenOver(self.place.clone())) }
    }

    pub async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}

/// A table that isn't empty, or that isn't a lab's.
async fn first_taken(tx: &DatabaseTransaction) -> crate::Result<Option<String>> {
    let names = "SELECT CAST(table_name AS text) AS name FROM information_schema.tables
        WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name";
    let names = sql!(names).all(tx).await?.iter().map(|row| row.get("name")).collect::<crate::Result<Vec<String>>>()?;
    let (steps, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name == migrations::TABLE);
    if steps.is_empty() {
        return Ok(others.into_iter().next());
    }
    let looks: Vec<_> = others.iter().map(|name| look(name)).collect();
    if looks.is_empty() {
        return Ok(None);
    }
    let look = Statement::from_string(tx.get_database_backend(), format!("{} LIMIT 1", looks.join(" UNION ALL ")));
    let found = tx.query_one_raw(look).await?;
    Ok(found.map(|row| row.try_get_by_index(0)).transpose()?)
}

fn look(table: &str) -> String {
    format!("SELECT '{}' WHERE EXISTS (SELECT 1 FROM {})", table.replace('\'', "''"), quoted(table))
}

fn given(table: &Table, row: &[Option<String>]) -> Result<Value, String> {
    let mut fields = Map::new();
    for (column, value) in table.columns.iter().zip(row) {
        if let Some(value) = value {
            let value = sum::sent(column.kind, value).map_err(|why| format!("{}: {why}", column.name))?;
            fields.insert(column.name.clone(), value.into());
        }
    }
    Ok(Value::Object(fields))
}

/// Where the URL leads, without anything secret.
fn place(url: &str) -> String {
    let urls = servers::split(url).unwrap_or_default();
    let servers: Vec<PgConnectOptions> = urls.iter().filter_map(|url| url.parse().ok()).collect();
    let Some(first) = servers.first() else { return "PostgreSQL".to_owned() };
    let hosts: Vec<_> = servers.iter().map(|server| format!("{}:{}", server.get_host(), server.get_port())).collect();
    format!("{}/{}", hosts.join(","), first.get_database().unwrap_or_else(|| first.get_username()))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_has_no_password() {
        assert_eq!(place("postgres://ada:s3cret@db.example:6432/lab?sslmode=require"), "db.example:6432/lab");
        assert_eq!(place("postgres://ada:s3cret@one:6432,two:5433/lab"), "one:6432,two:5433/lab");
    }
}
