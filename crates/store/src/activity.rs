//! Who did what, when and from where.

use crate::{
    accounts::MOST_ROWS,
    connection::{Backend, Store},
    error::{Result, StoreError},
    records::{Activity, NewActivity, Page},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{ActivityId, UserId};
use uuid::Uuid;

impl Store {
    /// Writes a line into the log on its own, for what changes nothing else.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn log_activity(&self, activity: NewActivity) -> Result<()> {
        insert(self.backend(), &activity).execute(self.writer()).await?;
        Ok(())
    }

    /// Newest first; of one user or of all, as new as [`Store::reading`] says. `limit` ≤ 200.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn activity(
        &self,
        user: Option<UserId>,
        after: Option<ActivityId>,
        limit: u32,
    ) -> Result<Page<Activity, ActivityId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let text = format!(
            "SELECT id, user_id, action, details, {address} AS address, created_at FROM user_activity_log
             WHERE id < $1{of_user} ORDER BY id DESC LIMIT $2",
            address = self.backend().inet_as_text("ip_address"),
            of_user = if user.is_some() { " AND user_id = $3" } else { "" },
        );
        let mut query = sql!(text, after.map_or(Uuid::max(), ActivityId::as_uuid), i64::from(limit) + 1);
        query.and_bind(user);
        let rows = query.all(&self.view()).await?;
        let lines = rows.iter().map(read_activity).collect::<Result<_>>()?;
        Ok(Page::cut(lines, limit, |line: &Activity| line.id))
    }
}

/// The statement that logs it now, for transactions that log what they do.
pub(crate) fn insert(backend: Backend, activity: &NewActivity) -> Sql {
    let text = format!(
        "INSERT INTO user_activity_log (id, user_id, action, details, ip_address, created_at)
         VALUES ($1, $2, $3, $4, {address}, $6)",
        address = backend.inet(5),
    );
    let address = activity.ip_address.map(|address| address.to_string());
    sql!(text, ActivityId::new(), activity.user_id, activity.action, &activity.details, address, now())
}

const COLUMNS: Columns = &[
    ("id", Kind::Id),
    ("user_id", Kind::Id),
    ("action", Kind::Text),
    ("details", Kind::Json),
    ("ip_address", Kind::Address),
    ("created_at", Kind::Time),
];

/// The same for many lines.
pub(crate) fn insert_all(backend: Backend, lines: &[NewActivity]) -> Sql {
    let at = now();
    let rows = lines.iter().map(|line| {
        let row = GivenRow::default()
            .id("id", ActivityId::new().as_uuid())
            .text("action", line.action)
            .json("details", line.details.clone())
            .address("ip_address", line.ip_address)
            .time("created_at", at);
        line.user_id.iter().fold(row, |row, user| row.id("user_id", user.as_uuid()))
    });
    Sql::new(backend.insert_rows("user_activity_log", COLUMNS), vec![given(rows)])
}

fn read_activity(row: &Row) -> Result<Activity> {
    let address: Option<String> = row.get("address")?;
    let ip_address = address.map(|text| text.parse()).transpose();
    Ok(Activity {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        action: row.get("action")?,
        details: row.get("details")?,
        ip_address: ip_address.map_err(|error| StoreError::Corrupt(format!("column ip_address: {error}")))?,
        created_at: row.get("created_at")?,
    })
}
