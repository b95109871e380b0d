//! All that is stored of one person: taken out whole, or made nobody's.
//!
//! Which columns that are is said in docs/data.md, a word a column; a test holds this list against it.

use crate::{
    activity,
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    factors,
    records::{NO_PASSWORD, NewActivity, Signal},
    rows::{Columns, Kind},
    sql::{Row, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{ExperimentId, Role, UserId};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use std::fmt::Write as _;
use uuid::Uuid;

/// Lines of the activity log that are read at once.
const LINES: i64 = 500;

/// What a table holds of a person.
#[derive(Clone, Copy, Debug)]
struct Part {
    table: &'static str,
    columns: Columns,
    /// The condition on its rows; `$1` is the person or the experiment.
    of: &'static str,
}

const fn part(table: &'static str, of: &'static str, columns: Columns) -> Part {
    Part { table, columns, of }
}

/// Of the person; few rows each.
const OF_PERSON: &[Part] = &[
    part(
        "users",
        "id = $1",
        &[
            ("id", Kind::Id),
            ("email", Kind::Text),
            ("role", Kind::Text),
            ("quota_remaining", Kind::Number),
            ("quota_own", Kind::Number),
            ("created_at", Kind::Time),
            ("last_served_at", Kind::Time),
            ("disabled_at", Kind::Time),
        ],
    ),
    part(
        "sessions",
        "user_id = $1",
        &[
            ("id", Kind::Id),
            ("user_id", Kind::Id),
            ("created_at", Kind::Time),
            ("expires_at", Kind::Time),
            ("revoked_at", Kind::Time),
            ("auth_time", Kind::Time),
            ("amr", Kind::Text),
            ("issuer", Kind::Text),
            ("subject", Kind::Text),
            ("provider_session", Kind::Text),
            ("last_used_at", Kind::Time),
            ("ip_address", Kind::Address),
            ("client", Kind::Text),
            ("reused_at", Kind::Time),
            ("reuse_seen_at", Kind::Time),
        ],
    ),
    part(
        "group_members",
        "user_id = $1",
        &[
            ("group_id", Kind::Id),
            ("user_id", Kind::Id),
            ("standing", Kind::Text),
            ("left_wells", Kind::Number),
            ("joined_at", Kind::Time),
            ("issuer", Kind::Text),
        ],
    ),
    part(
        "quota_requests",
        "user_id = $1 ORDER BY id",
        &[
            ("id", Kind::Id),
            ("user_id", Kind::Id),
            ("group_id", Kind::Id),
            ("wells", Kind::Number),
            ("reason", Kind::Text),
            ("created_at", Kind::Time),
            ("decided_at", Kind::Time),
            ("decided_by", Kind::Id),
            ("granted", Kind::Number),
        ],
    ),
    part(
        "quota_changes",
        "user_id = $1 ORDER BY id",
        &[
            ("id", Kind::Id),
            ("user_id", Kind::Id),
            ("group_id", Kind::Id),
            ("by_id", Kind::Id),
            ("cause", Kind::Text),
            ("before_wells", Kind::Number),
            ("after_wells", Kind::Number),
            ("note", Kind::Text),
            ("created_at", Kind::Time),
        ],
    ),
    part(
        "identities",
        "user_id = $1",
        &[
            ("issuer", Kind::Text),
            ("subject", Kind::Text),
            ("user_id", Kind::Id),
            ("role", Kind::Text),
            ("quota", Kind::Number),
            ("created_at", Kind::Time),
        ],
    ),
    part(
        "second_factors",
        "user_id = $1",
        &[("user_id", Kind::Id), ("totp_since", Kind::Time), ("failures", Kind::Number), ("blocked_until", Kind::Time)],
    ),
    part(
        "passkeys",
        "user_id = $1 ORDER BY id",
        &[
            ("id", Kind::Id),
            ("user_id", Kind::Id),
            ("name", Kind::Text),
            ("credential_id", Kind::Text),
            ("public_key", Kind::Text),
            ("created_at", Kind::Time),
            ("last_used_at", Kind::Time),
        ],
    ),
    part(
        "pending_sign_ins",
        "user_id = $1",
        &[
            ("user_id", Kind::Id),
            ("tries", Kind::Number),
            ("expires_at", Kind::Time),
            ("issuer", Kind::Text),
            ("subject", Kind::Text),
            ("provider_session", Kind::Text),
        ],
    ),
    part(
        "api_tokens",
        "user_id = $1",
        &[
            ("id", Kind::Id),
            ("user_id", Kind::Id),
            ("name", Kind::Text),
            ("scopes", Kind::Text),
            ("created_at", Kind::Time),
            ("expires_at", Kind::Time),
            ("last_used_at", Kind::Time),
        ],
    ),
    part(
        "account_links",
        "user_id = $1",
        &[("purpose", Kind::Text), ("user_id", Kind::Id), ("created_at", Kind::Time), ("expires_at", Kind::Time)],
    ),
    part(
        "invitations",
        "email = (SELECT email FROM users WHERE id = $1)",
        &[
            ("id", Kind::Id),
            ("email", Kind::Text),
            ("role", Kind::Text),
            ("quota", Kind::Number),
            ("uses", Kind::Number),
            ("uses_left", Kind::Number),
            ("created_at", Kind::Time),
            ("expires_at", Kind::Time),
            ("group_id", Kind::Id),
        ],
    ),
    part(
        "mails",
        "email = (SELECT email FROM users WHERE id = $1)",
        &[
            ("id", Kind::Id),
            ("kind", Kind::Text),
            ("email", Kind::Text),
            ("invitation_id", Kind::Id),
            ("created_at", Kind::Time),
            ("due_at", Kind::Time),
            ("attempts", Kind::Number),
            ("failure", Kind::Text),
        ],
    ),
];

const ACTIVITY: Part = part(
    "user_activity_log",
    "user_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    &[
        ("id", Kind::Id),
        ("user_id", Kind::Id),
        ("action", Kind::Text),
        ("details", Kind::Json),
        ("ip_address", Kind::Address),
        ("created_at", Kind::Time),
        ("seal_number", Kind::Number),
        ("seal", Kind::Text),
        ("details_hash", Kind::Text),
        ("address_hash", Kind::Text),
    ],
);

/// Of one of their experiments.
const OF_EXPERIMENT: &[Part] = &[
    part(
        "experiments",
        "id = $1",
        &[
            ("id", Kind::Id),
            ("user_id", Kind::Id),
            ("status", Kind::Text),
            ("metadata", Kind::Json),
            ("created_at", Kind::Time),
            ("completed_at", Kind::Time),
            ("name", Kind::Text),
            ("priority", Kind::Number),
            ("robot_id", Kind::Id),
            ("plate_id", Kind::Id),
            ("control", Kind::Text),
            ("fault", Kind::Json),
            ("started_at", Kind::Time),
            ("last_sequence", Kind::Number),
            ("dyes", Kind::Text),
            ("least_nl", Kind::Number),
            ("fullest_nl", Kind::Number),
            ("asked", Kind::Number),
            ("measured", Kind::Number),
            ("doubtful", Kind::Number),
            ("swatches", Kind::Text),
        ],
    ),
    part(
        "wells",
        "experiment_id = $1 ORDER BY position, id",
        &[
            ("id", Kind::Id),
            ("experiment_id", Kind::Id),
            ("well_id", Kind::Text),
            ("status", Kind::Text),
            ("metadata", Kind::Json),
            ("position", Kind::Number),
            ("plate_id", Kind::Id),
            ("recipe", Kind::Json),
            ("replaces", Kind::Id),
            ("fault", Kind::Json),
        ],
    ),
    part(
        "results",
        "experiment_id = $1 ORDER BY id",
        &[
            ("id", Kind::Id),
            ("experiment_id", Kind::Id),
            ("well_id", Kind::Id),
            ("measurement_data", Kind::Json),
            ("created_at", Kind::Time),
        ],
    ),
    part(
        "quota_entries",
        "well_id IN (SELECT id FROM wells WHERE experiment_id = $1)",
        &[("well_id", Kind::Id), ("reason", Kind::Text), ("user_id", Kind::Id), ("created_at", Kind::Time)],
    ),
    part(
        "idempotency_keys",
        "experiment_id = $1",
        &[
            ("user_id", Kind::Id),
            ("key", Kind::Text),
            ("request_hash", Kind::Text),
            ("experiment_id", Kind::Id),
            ("created_at", Kind::Time),
        ],
    ),
    part(
        "events",
        "experiment_id = $1 ORDER BY sequence",
        &[
            ("experiment_id", Kind::Id),
            ("sequence", Kind::Number),
            ("kind", Kind::Text),
            ("data", Kind::Json),
            ("at", Kind::Time),
            ("timeline", Kind::Number),
        ],
    ),
    part(
        "operations",
        "experiment_id = $1 ORDER BY sequence",
        &[
            ("id", Kind::Id),
            ("robot_id", Kind::Id),
            ("experiment_id", Kind::Id),
            ("lease_epoch", Kind::Number),
            ("run_id", Kind::Text),
            ("sequence", Kind::Number),
            ("step", Kind::Json),
            ("state", Kind::Text),
            ("intended_at", Kind::Time),
        ],
    ),
    part(
        "operation_events",
        "operation_id IN (SELECT id FROM operations WHERE experiment_id = $1) ORDER BY operation_id, at",
        &[("operation_id", Kind::Id), ("event", Kind::Text), ("outcome", Kind::Json), ("at", Kind::Time)],
    ),
];

/// A row of something that is stored of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonalRow {
    pub table: &'static str,
    /// An object, by column.
    pub row: Value,
}

/// Each table and column that is given out with a person's data, but for the documents, which may lie elsewhere.
pub fn exported_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = OF_PERSON.iter().chain(std::iter::once(&ACTIVITY)).chain(OF_EXPERIMENT);
    parts.flat_map(|part| part.columns.iter().map(|(column, _)| (part.table, *column)))
}

impl Part {
    fn select(&self, backend: Backend) -> String {
        let mut list = String::new();
        for (column, kind) in self.columns {
            let comma = if list.is_empty() { "" } else { ", " };
            let value = match (backend, kind) {
                (Backend::Sqlite, Kind::Id) => uuid_text(column),
                (Backend::Sqlite, Kind::Json) => format!("json({column})"),
                (Backend::Sqlite, _) => (*column).to_owned(),
                (Backend::Postgres, Kind::Address) => format!("host({column})"),
                (Backend::Postgres, _) => (*column).to_owned(),
            };
            let _ = write!(list, "{comma}'{column}', {value}");
        }
        let object = match backend {
            Backend::Sqlite => "json_object",
            Backend::Postgres => "jsonb_build_object",
        };
        format!("SELECT {object}({list}) AS row FROM {} WHERE {}", self.table, self.of)
    }

    fn read(&self, rows: &[Row]) -> Result<Vec<PersonalRow>> {
        rows.iter().map(|row| Ok(PersonalRow { table: self.table, row: row.get("row")? })).collect()
    }
}

/// With hyphens, as everybody writes it; nothing for nothing.
fn uuid_text(column: &str) -> String {
    let part = |from: u8, length: u8| format!("substr(hex({column}), {from}, {length})");
    let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ");
    format!("CASE WHEN {column} IS NOT NULL THEN lower({parts}) END")
}

impl Store {
    /// A person's account, sessions and API tokens.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn rows_of_person(&self, user: UserId) -> Result<Vec<PersonalRow>> {
        let mut all = Vec::new();
        for part in OF_PERSON {
            all.extend(part.read(&sql!(part.select(self.backend()), user).all(self.reader()).await?)?);
        }
        Ok(all)
    }

    /// What a person did, oldest first: at most 500 lines after one; nothing when that was all.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn activity_rows(&self, user: UserId, after: Option<Uuid>) -> Result<Vec<PersonalRow>> {
        let query = sql!(ACTIVITY.select(self.backend()), user, after.unwrap_or_default(), LINES);
        ACTIVITY.read(&query.all(self.reader()).await?)
    }

    /// All about one experiment but its documents. About 2 MB for a full plate.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn rows_of_experiment(&self, id: ExperimentId) -> Result<Vec<PersonalRow>> {
        let mut all = Vec::new();
        for part in OF_EXPERIMENT {
            all.extend(part.read(&sql!(part.select(self.backend()), id).all(self.reader()).await?)?);
        }
        Ok(all)
    }

    /// Makes all that a person did nobody's: address, password, names and network addresses go, sessions and API tokens end.
    /// Their experiments, wells and readings stay under the account's id, which nobody can sign in with.
    ///
    /// # Errors
    /// `NotFound`; `LastAdministrator`; `Unfinished` while an experiment of theirs waits or is under way. Nothing was written
    /// then.
    #[boxed]
    pub async fn erase_person(&self, id: UserId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            let others = self.lock_other_administrators(tx, id).await?;
            let text = format!(
                "SELECT u.email, u.role, u.disabled_at IS NOT NULL AS disabled FROM users u WHERE u.id = $1{}",
                self.backend().for_update()
            );
            let row = sql!(text, id).one(tx).await?.ok_or(StoreError::NotFound("account"))?;
            let (email, role, disabled): (String, Role, bool) =
                (row.get("email")?, row.get("role")?, row.get("disabled")?);
            if role.administers() && !disabled && others == 0 {
                return Err(StoreError::LastAdministrator);
            }
            let unfinished = "SELECT id FROM experiments
                WHERE user_id = $1 AND status NOT IN ('completed', 'failed', 'cancelled') LIMIT 1";
            if sql!(unfinished, id).one(tx).await?.is_some() {
                return Err(StoreError::Unfinished);
            }
            erase(tx, id, &email).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts, Signal::Robots]);
        Ok(())
    }
}

/// The address of whoever isn't anybody any more; `.invalid` is nobody's for good (RFC 2606).
fn pseudonym(id: UserId) -> String {
    format!("erased-{id}@tincture.invalid")
}

async fn erase(tx: &DatabaseTransaction, id: UserId, email: &str) -> Result<()> {
    let tokens = "DELETE FROM spent_refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1)";
    let account = "UPDATE users SET email = $2, hashed_password = $3, role = $4, quota_remaining = 0, quota_own = NULL, disabled_at = COALESCE(disabled_at, $5)
        WHERE id = $1";
    let statements = [
        sql!(tokens, id),
        sql!("DELETE FROM sessions WHERE user_id = $1", id),
        sql!("DELETE FROM pending_sign_ins WHERE user_id = $1", id),
        sql!("DELETE FROM api_tokens WHERE user_id = $1", id),
        sql!("DELETE FROM identities WHERE user_id = $1", id),
        sql!("DELETE FROM account_links WHERE user_id = $1 OR email = $2", id, email),
        sql!("DELETE FROM account_links WHERE invitation_id IN (SELECT i.id FROM invitations i WHERE i.email = $1)", email),
        sql!("DELETE FROM mails WHERE email = $1", email),
        sql!("DELETE FROM mails WHERE invitation_id IN (SELECT i.id FROM invitations i WHERE i.email = $1)", email),
        sql!("DELETE FROM invitations WHERE email = $1", email),
        sql!("DELETE FROM registrations WHERE email = $1", email),
        sql!("DELETE FROM idempotency_keys WHERE user_id = $1", id),
        sql!("DELETE FROM group_members WHERE user_id = $1", id),
        // What it was for stays out of the group's reserve.
        sql!("DELETE FROM quota_requests WHERE user_id = $1", id),
        sql!("UPDATE quota_changes SET note = NULL WHERE user_id = $1", id),
        sql!("UPDATE experiments SET name = NULL WHERE user_id = $1 AND name IS NOT NULL", id),
        // A sealed line's salts go with what they hid: the database sees to it (step 0019).
        sql!("UPDATE user_activity_log SET ip_address = NULL WHERE user_id = $1 AND ip_address IS NOT NULL", id),
        // What somebody else did to the account, and failed sign-ins.
        sql!(
            "UPDATE user_activity_log SET ip_address = CASE WHEN user_id IS NULL THEN NULL ELSE ip_address END, details = $2
             WHERE details ->> 'email' = $1",
            email,
            json!({ "user": id }),
        ),
        sql!("UPDATE robots SET mode_by = $2 WHERE mode_by = $1", email, pseudonym(id)),
        sql!(account, id, pseudonym(id), NO_PASSWORD, Role::Student, now()),
    ];
    factors::forget(tx, id).await?;
    for statement in statements {
        statement.execute(tx).await?;
    }
    Ok(())
}
