//! What a statement costs the database: every statement that was asked for in a while, and how the database goes about it.
//!
//! A cost that grows with history or with the queue doesn't show on a table of ten rows, and a test must not measure time.
//! So it counts the rows that the database looks at, which PostgreSQL tells (`EXPLAIN ANALYZE`), and takes SQLite's word for
//! which tables it walks through from end to end (`EXPLAIN QUERY PLAN`).

use crate::{Backend, Store, sql::Sql};
use sea_orm::{ConnectionTrait, Statement, Value};
use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

static ASKED: Mutex<Option<Vec<Asked>>> = Mutex::new(None);

/// A statement as it was sent.
#[derive(Clone, Debug)]
pub struct Asked {
    text: String,
    values: Vec<Value>,
}

impl Asked {
    /// Its words, with single spaces between them.
    pub fn text(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// How the database carries out one statement.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Rows that it looks at, those that it leaves out included. Zero where the database doesn't tell: for all of SQLite,
    /// and for what inserts, which is not carried out.
    pub rows: u64,
    /// Tables that are walked through from end to end, and what is sorted on the way.
    pub walks: Vec<String>,
    /// The plan, for whoever has to find out why.
    pub plan: String,
}

pub(crate) fn note(text: &str, values: &[Value]) {
    if let Some(asked) = &mut *ASKED.lock().unwrap_or_else(PoisonError::into_inner) {
        asked.push(Asked { text: text.to_owned(), values: values.to_vec() });
    }
}

/// Keeps what this process asks of its databases from here on.
pub fn listen() {
    *ASKED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// What was asked since, each text once, in order.
pub fn heard() -> Vec<Asked> {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    asked.retain(|asked| seen.insert(asked.text()));
    asked
}

impl Store {
    /// What a statement costs on the tables as they are. Nothing of it stays.
    ///
    /// # Panics
    /// When the database can't explain it.
    pub async fn cost(&self, asked: &Asked) -> Cost {
        match self.backend() {
            Backend::Sqlite => self.walks_of(asked).await,
            Backend::Postgres => self.rows_of(asked).await,
        }
    }

    async fn walks_of(&self, asked: &Asked) -> Cost {
        let plan = Sql::new(asked.text.clone(), asked.values.clone()).plan(self.reader()).await.expect("a plan");
        let walks = plan.iter().filter(|step| {
            let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            table.is_some_and(|table| !is_of_the_statement(table, &plan) && !step.contains("VIRTUAL TABLE"))
        });
        Cost { rows: 0, walks: walks.cloned().collect(), plan: plan.join("\n") }
    }

    async fn rows_of(&self, asked: &Asked) -> Cost {
        let analyze = if asked.text.contains("INSERT INTO") { "" } else { "ANALYZE, TIMING FALSE, " };
        let text = format!("EXPLAIN ({analyze}FORMAT JSON) {}", asked.text);
        let transaction = self.writer().begin().await.expect("a transaction");
        // A small table is walked through because it is small. The question is whether an index answers for a large one.
        let as_if_large =
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
        transaction.execute_unprepared(as_if_large).await.expect("settings");
        let explain = Statement::from_sql_and_values(transaction.get_database_backend(), text, asked.values.clone());
        let row = transaction.query_one_raw(explain).await.expect("a plan").expect("a row");
        transaction.rollback().await.expect("a rollback");
        let plan: serde_json::Value = row.try_get("", "QUERY PLAN").expect("JSON");
        let mut cost = Cost::default();
        read_node(&plan[0]["Plan"], 0, &mut cost);
        cost
    }
}

/// What was given with the statement, or is the answer of a part of it that has its own steps.
fn is_of_the_statement(table: &str, plan: &[String]) -> bool {
    let made = |by: &str| plan.contains(&format!("{by} {table}"));
    table == "CONSTANT" || table.ends_with("-ROW") || made("CO-ROUTINE") || made("MATERIALIZE")
}

fn read_node(node: &serde_json::Value, depth: usize, cost: &mut Cost) {
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let left_out = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let looked_at = (number("Actual Rows") + left_out) * number("Actual Loops");
    let (kind, table, index) = (text("Node Type"), text("Relation Name"), text("Index Name"));
    let _ = writeln!(cost.plan, "{:depth$}{kind} {table} {index}: {looked_at} rows", "");
    if kind.contains("Scan") && !table.is_empty() {
        cost.rows += looked_at as u64;
    }
    if kind == "Seq Scan" {
        cost.walks.push(format!("Seq Scan on {table}"));
    }
    for inner in node["Plans"].as_array().into_iter().flatten() {
        read_node(inner, depth + 1, cost);
    }
}
