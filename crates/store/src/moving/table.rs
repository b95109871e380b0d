//! The tables that are moved, as the two databases themselves describe them, and how a row is asked for.

use super::error::{MoveError, Result};
use crate::{Backend, migrations, rows::Kind, sql::Row};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// By PostgreSQL's internal name of a type.
fn kind_of(type_name: &str) -> Option<Kind> {
    Some(match type_name {
        "uuid" => Kind::Id,
        "text" => Kind::Text,
        "int2" | "int4" | "int8" => Kind::Number,
        "jsonb" => Kind::Json,
        "timestamptz" => Kind::Time,
        "inet" => Kind::Address,
        _ => return None,
    })
}

impl Column {
    fn as_text(&self, backend: Backend) -> String {
        let column = quoted(&self.name);
        match (backend, self.kind) {
            (Backend::Sqlite, Kind::Id) => format!("CASE WHEN {column} IS NULL THEN NULL ELSE hex({column}) END"),
            (Backend::Postgres, Kind::Time) => {
                format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            }
            (Backend::Postgres, Kind::Address) => format!("host({column})"),
            _ => format!("CAST({column} AS TEXT)"),
        }
    }
}

impl Table {
    pub fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// Every column as text, in order.
    pub fn as_texts(&self, backend: Backend) -> String {
        self.listed(|column| column.as_text(backend))
    }

    /// An `INSERT` of the rows of `$1`, whose columns are texts.
    pub fn insert(&self) -> String {
        format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM jsonb_to_recordset($1) AS given ({given})",
            table = self.quoted(),
            names = self.listed(|column| quoted(&column.name)),
            values =
                self.listed(|column| format!("CAST(given.{} AS {})", quoted(&column.name), column.kind.of_postgres())),
            given = self.listed(|column| format!("{} text", quoted(&column.name))),
        )
    }

    fn listed(&self, told: impl Fn(&Column) -> String) -> String {
        self.columns.iter().map(told).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Past the record of what this release sends: such a text follows from the schema.
pub(super) async fn ask(on: &impl ConnectionTrait, text: String, values: Vec<Value>) -> Result<Vec<QueryResult>> {
    Ok(on.query_all_raw(Statement::from_sql_and_values(on.get_database_backend(), text, values)).await?)
}

/// A row of texts, from the column `first` on.
pub(super) fn texts(row: &QueryResult, first: usize, table: &Table) -> Result<Vec<Option<String>>> {
    let read = |index| Ok(row.try_get_by_index::<Option<String>>(first + index)?);
    (0..table.columns.len()).map(read).collect()
}

/// Table, column and, of PostgreSQL, type. The steps that ran are each database's own.
pub(super) type Described = Vec<(String, String, String)>;

pub(super) fn described(rows: &[Row]) -> Result<Described> {
    let read = |row: &Row| Ok((row.get("table_name")?, row.get("column_name")?, row.get("type_name")?));
    let all = rows.iter().map(read).collect::<crate::Result<Described>>()?;
    Ok(all.into_iter().filter(|(table, ..)| table != migrations::TABLE).collect())
}

/// The tables that both have, each after those that it refers to.
pub(super) fn in_order(source: &Described, target: &Described, references: &[(String, String)]) -> Result<Vec<Table>> {
    let names = |described: &Described| -> BTreeSet<(String, String)> {
        described.iter().map(|(table, column, _)| (table.clone(), column.clone())).collect()
    };
    let (ours, theirs) = (names(source), names(target));
    if let Some((table, column)) = ours.symmetric_difference(&theirs).next() {
        return Err(MoveError::Unlike(format!("only one has {table}.{column}")));
    }
    let mut tables: BTreeMap<&str, Vec<Column>> = BTreeMap::new();
    for (table, column, kind) in target {
        let known = kind_of(kind);
        let kind = known.ok_or_else(|| MoveError::Unlike(format!("{table}.{column} is of the unknown type {kind}")))?;
        tables.entry(table).or_default().push(Column { name: column.clone(), kind });
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !tables.is_empty() {
        let waits = |name: &str| {
            references.iter().any(|(from, to)| from == name && to != name && tables.contains_key(to.as_str()))
        };
        let next = tables.keys().copied().find(|name| !waits(name));
        let next = next.ok_or_else(|| MoveError::Unlike("its tables refer to each other in a circle".to_owned()))?;
        let columns = tables.remove(next).unwrap_or_default();
        ordered.push(Table { name: next.to_owned(), columns });
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(tables: &[&str]) -> Described {
        tables.iter().map(|table| ((*table).to_owned(), "id".to_owned(), "uuid".to_owned())).collect()
    }

    #[test]
    fn a_table_comes_after_those_it_refers_to() {
        let all = described(&["a", "b", "c"]);
        let refers = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let ordered = in_order(&all, &all, &[refers("a", "c"), refers("c", "b"), refers("b", "b")]).expect("an order");
        assert_eq!(ordered.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
        assert!(in_order(&all, &all, &[refers("a", "c"), refers("c", "a")]).is_err());
    }

    #[test]
    fn a_table_or_type_that_only_one_side_knows_is_refused() {
        let (two, three) = (described(&["a", "b"]), described(&["a", "b", "c"]));
        for (source, target) in [(&two, &three), (&three, &two)] {
            assert!(in_order(source, target, &[]).expect_err("unlike").to_string().contains("c.id"));
        }
        let odd = vec![("a".to_owned(), "id".to_owned(), "money".to_owned())];
        assert!(in_order(&odd, &odd, &[]).expect_err("unknown").to_string().contains("money"));
    }
}
