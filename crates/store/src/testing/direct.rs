//! The queue asked of the database afresh, as every reader once did: what [`crate::Turns`] is held against, and measured
//! against.

use crate::{
    Store,
    sql::{Row, Sql, sql},
};
use domain::{ExperimentId, Recipe, RobotId};
use std::sync::atomic::{AtomicU64, Ordering};

static STATEMENTS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn count_statement() {
    STATEMENTS.fetch_add(1, Ordering::Relaxed);
}

/// Statements that this process has sent to databases so far.
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

const TURNS: &str = "
    WITH turns AS (
        SELECT e.id, e.user_id, e.robot_id, e.priority, e.created_at, ROW_NUMBER() OVER (PARTITION BY e.user_id ORDER BY e.priority DESC, e.created_at, e.id) AS turn
        FROM experiments e WHERE e.status = 'queued'
    )
    SELECT t.id, t.user_id, t.robot_id, (
        SELECT COUNT(*) FROM wells w
        WHERE w.experiment_id = t.id AND w.status IN ('pending', 'dispensing', 'mixed')
    ) AS wells
    FROM turns t JOIN users u ON u.id = t.user_id
    WHERE {which}
    ORDER BY t.priority DESC, t.turn, u.last_served_at NULLS FIRST, t.created_at, t.id
    LIMIT $1";

/// Experiments with the number of their wells, in order.
///
/// # Panics
/// When the query fails.
pub async fn queue(store: &Store, limit: i64) -> Vec<(ExperimentId, u32)> {
    let rows = all(store, sql!(TURNS.replace("{which}", "TRUE"), limit)).await;
    let read = |row: &Row| (row.get("id").expect("an id"), row.get::<i64>("wells").expect("a number") as u32);
    rows.iter().map(read).collect()
}

/// What a lane of this robot, with a deck that mixes everything, takes next.
///
/// # Panics
/// When the query fails.
pub async fn peek(store: &Store, robot: RobotId) -> Option<ExperimentId> {
    let which = "t.robot_id IS NULL OR t.robot_id = $2";
    let rows = all(store, sql!(TURNS.replace("{which}", which), 1i64, robot)).await;
    rows.first().map(|row| row.get("id").expect("an id"))
}

/// The first 200 experiments that a robot may get, and the recipes of all that wait.
///
/// # Panics
/// When a query fails.
pub async fn demand(store: &Store, robot: RobotId) -> (Vec<ExperimentId>, Vec<Recipe>) {
    let which = "t.robot_id IS NULL OR t.robot_id = $2";
    let turns = all(store, sql!(TURNS.replace("{which}", which), 200i64, robot)).await;
    let waiting = "SELECT w.recipe FROM wells w JOIN experiments e ON e.id = w.experiment_id
        WHERE e.status = 'queued' AND w.status = 'pending'";
    let recipes = all(store, sql!(waiting)).await;
    let ids = turns.iter().map(|row| row.get("id").expect("an id")).collect();
    (ids, recipes.iter().map(|row| row.get("recipe").expect("a recipe")).collect())
}

impl Store {
    /// Reads the queue for all, whoever has read it a moment ago.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn read_turns_now(&self) {
        self.turns_now().await.expect("the query runs");
    }
}

async fn all(store: &Store, query: Sql) -> Vec<Row> {
    query.all(store.reader()).await.expect("the query runs")
}
