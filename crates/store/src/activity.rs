//! Who did what, when and from where.

use crate::{
    accounts::MOST_ROWS,
    connection::{Backend, Store},
    error::{Result, StoreError},
    purge::first_id,
    records::{Activity, NewActivity, Page},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Bind, Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{ActivityId, UserId};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// What an id is of, and what that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By their address.
    Person(String),
    Group(String),
    Robot(String),
    RemovedRobot(String),
    /// Not every one has a name.
    Experiment(Option<String>),
}

impl Named {
    fn read(row: &Row) -> Result<Self> {
        let (kind, name): (String, Option<String>) = (row.get("kind")?, row.get("name")?);
        let named = name.clone().unwrap_or_default();
        Ok(match kind.as_str() {
            "person" => Self::Person(named),
            "group" => Self::Group(named),
            "robot" => Self::Robot(named),
            "removed" => Self::RemovedRobot(named),
            _ => Self::Experiment(name),
        })
    }
}

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
        self.search_activity(&ActivityFilter { by: user, ..ActivityFilter::default() }, after, limit).await
    }

    /// The lines that fit, newest first, as new as [`Store::reading`] says. `limit` ≤ 200. It goes by an index on who, whom or
    /// what, and looks at no more than 2,000 lines: a page may have fewer lines than there are, or none, and a `next` that
    /// goes on where it stopped.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn search_activity(
        &self,
        filter: &ActivityFilter,
        after: Option<ActivityId>,
        limit: u32,
    ) -> Result<Page<Activity, ActivityId>> {
        self.find_activity(filter, after, limit.clamp(1, MOST_ROWS)).await
    }

    /// The same for whoever takes all of it: at most 1,000 lines.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn export_activity(
        &self,
        filter: &ActivityFilter,
        after: Option<ActivityId>,
    ) -> Result<Page<Activity, ActivityId>> {
        self.find_activity(filter, after, EXPORTED_AT_ONCE).await
    }

    /// The addresses of these accounts, of as many as a page has lines.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn emails_of(&self, users: &BTreeSet<UserId>) -> Result<HashMap<UserId, String>> {
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let text = format!(
            "SELECT u.id, u.email FROM {given} JOIN users u ON u.id = given.id",
            given = self.backend().rows(1, &[("id", Kind::Id)]),
        );
        let ids = users.iter().map(|user| GivenRow::default().id("id", user.as_uuid()));
        let rows = Sql::new(text, vec![given(ids)]).all(&self.view()).await?;
        rows.iter().map(|row| Ok((row.get("id")?, row.get("email")?))).collect()
    }

    /// What people call those of these ids that are anything with a name, in a page of lines.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn names_of(&self, ids: &BTreeSet<Uuid>) -> Result<HashMap<Uuid, Named>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let text = format!(
            "SELECT u.id, 'person' AS kind, u.email AS name FROM {given} JOIN users u ON u.id = given.id
             UNION ALL SELECT g.id, 'group', g.name FROM {given} JOIN groups g ON g.id = given.id
             UNION ALL SELECT r.id, CASE WHEN r.removed_at IS NULL THEN 'robot' ELSE 'removed' END, r.name FROM {given} JOIN robots r ON r.id = given.id
             UNION ALL SELECT e.id, 'experiment', e.name FROM {given} JOIN experiments e ON e.id = given.id",
            given = self.backend().rows(1, &[("id", Kind::Id)]),
        );
        let ids = ids.iter().map(|&id| GivenRow::default().id("id", id));
        let rows = Sql::new(text, vec![given(ids)]).all(&self.view()).await?;
        rows.iter().map(|row| Ok((row.get("id")?, Named::read(row)?))).collect()
    }

    async fn find_activity(
        &self,
        filter: &ActivityFilter,
        after: Option<ActivityId>,
        limit: u32,
    ) -> Result<Page<Activity, ActivityId>> {
        let (condition, value) = filter.index();
        let looks = if filter.needs_only_the_index() { i64::from(limit) + 1 } else { LOOKED_THROUGH };
        let text = format!(
            "SELECT id, user_id, action, details, {address} AS address, created_at, seal_number FROM user_activity_log
             WHERE id < $1 AND id >= $2{condition} ORDER BY id DESC LIMIT $3",
            address = self.backend().inet_as_text("ip_address"),
        );
        let until = filter.until.map_or(Uuid::max(), first_id);
        let before = after.map_or(Uuid::max(), ActivityId::as_uuid).min(until);
        let mut query = sql!(text, before, filter.from.map_or(Uuid::nil(), first_id), looks);
        query.and_bind(value);
        let rows = query.all(&self.view()).await?;
        let mut page = Page { data: Vec::new(), next: None };
        let mut last = None;
        for row in &rows {
            if page.data.len() == limit as usize {
                page.next = last;
                return Ok(page);
            }
            let line = read_activity(row)?;
            last = Some(line.id);
            if filter.fits(&line) {
                page.data.push(line);
            }
        }
        // It stopped because it had looked at enough, not because there was no more.
        page.next = last.filter(|_| rows.len() as i64 == looks);
        Ok(page)
    }
}

/// Lines that a search looks at for one page.
const LOOKED_THROUGH: i64 = 2_000;
/// Lines of one page of an export.
const EXPORTED_AT_ONCE: u32 = 1_000;

/// Which lines of the log; what isn't given is no matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Who did it.
    pub by: Option<UserId>,
    /// To whose account.
    pub about: Option<UserId>,
    /// What, as the log calls it, like `role_changed`.
    pub action: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// What its details or its address have in them, in any case.
    pub text: Option<String>,
}

impl ActivityFilter {
    /// The one condition that the database looks up, `$4`; the others are looked at line by line.
    fn index(&self) -> (&'static str, Option<sea_orm::Value>) {
        if let Some(user) = self.about {
            return (" AND details ->> 'user' = $4", Some(user.to_string().bind()));
        }
        if let Some(user) = self.by {
            return (" AND user_id = $4", Some(user.bind()));
        }
        match &self.action {
            Some(action) => (" AND action = $4", Some(action.as_str().bind())),
            None => ("", None),
        }
    }

    fn needs_only_the_index(&self) -> bool {
        let conditions = [self.about.is_some(), self.by.is_some(), self.action.is_some()];
        self.text.is_none() && conditions.iter().filter(|is_given| **is_given).count() <= 1
    }

    fn fits(&self, line: &Activity) -> bool {
        let about = || line.details["user"].as_str().and_then(|user| user.parse().ok());
        self.by.is_none_or(|user| line.user_id == Some(user))
            && self.about.is_none_or(|user| about() == Some(user))
            && self.action.as_ref().is_none_or(|action| line.action == *action)
            && self.text.as_ref().is_none_or(|text| has(line, text))
    }
}

/// Whether a part of what is stored with it is this, in any case.
fn has(line: &Activity, text: &str) -> bool {
    let text = text.to_lowercase();
    let address = line.ip_address.map(|address| address.to_string()).unwrap_or_default();
    address.contains(&text) || line.action.contains(&text) || value_has(&line.details, &text)
}

fn value_has(value: &Value, text: &str) -> bool {
    match value {
        Value::Null => false,
        Value::String(value) => value.to_lowercase().contains(text),
        Value::Array(values) => values.iter().any(|value| value_has(value, text)),
        Value::Object(fields) => fields.values().any(|value| value_has(value, text)),
        Value::Bool(value) => text == if *value { "true" } else { "false" },
        Value::Number(number) => number.to_string() == text,
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
        seal_number: row.get("seal_number")?,
    })
}
