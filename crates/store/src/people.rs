//! What administrators do to many people at once: look for them, change them, bring a class in.

use crate::{
    accounts::{MOST_ROWS, USERS, read_user},
    activity, api_tokens,
    connection::{Store, transact},
    error::{Result, StoreError},
    links, mails, quota,
    records::{NewActivity, NewLink, NewMail, NewUser, Page, Signal, User, UserChanges},
    rows::{Columns, GivenRow, Kind, given},
    sessions,
    sql::{Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{GroupId, QuotaCause, Role, Standing, UserId};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const NEW: Columns = &[
    ("id", Kind::Id),
    ("email", Kind::Text),
    ("hashed_password", Kind::Text),
    ("role", Kind::Text),
    ("quota_remaining", Kind::Number),
    ("created_at", Kind::Time),
];

/// What became of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    pub made: usize,
}

impl Store {
    /// Accounts whose address has this in it, in any case, newest last; at most `limit` (≤ 200). As new as
    /// [`Store::reading`] says. Looks through the accounts, of which there are as many as the lab has people.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn search_users(&self, part: &str, after: Option<UserId>, limit: u32) -> Result<Page<User, UserId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let pattern = format!("%{}%", escaped(&part.to_lowercase()));
        let text = format!("{USERS} WHERE u.id > $1 AND u.email LIKE $3 ESCAPE '\\' ORDER BY u.id LIMIT $2");
        let after = after.map_or(Uuid::nil(), UserId::as_uuid);
        let rows = sql!(text, after, i64::from(limit) + 1, pattern).all(self.reader()).await?;
        let users = rows.iter().map(read_user).collect::<Result<_>>()?;
        Ok(Page::cut(users, limit, |user: &User| user.id))
    }

    /// Which of these addresses have an account, and which.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn taken_emails(&self, emails: &[String]) -> Result<HashMap<String, UserId>> {
        if emails.is_empty() {
            return Ok(HashMap::new());
        }
        let emails = emails.iter().map(|email| row_values![email.as_str()]).collect();
        let query =
            Sql::with_rows("SELECT u.email, u.id FROM users u WHERE u.email IN (VALUES", Vec::new(), emails, ")");
        query.all(self.reader()).await?.iter().map(|row| Ok((row.get("email")?, row.get("id")?))).collect()
    }

    /// Changes all of these accounts or none. `by` has a line for each.
    ///
    /// # Errors
    /// `NotFound` where one isn't there; `LastAdministrator` where nobody could administer the lab afterwards. Nothing was
    /// written then.
    #[boxed]
    pub async fn update_users(&self, ids: &[UserId], changes: UserChanges, by: &[NewActivity]) -> Result<()> {
        let listed = |before: &str, values: Vec<sea_orm::Value>, after: &str| {
            Sql::with_rows(before, values, ids.iter().map(|&id| row_values![id]).collect(), after)
        };
        if ids.is_empty() {
            return Ok(());
        }
        let administrators = "SELECT COUNT(*) AS left_over FROM users WHERE role = $1 AND disabled_at IS NULL";
        transact!(self, |tx| {
            let takes_power = changes.role.is_some_and(|role| !role.administers()) || changes.disabled == Some(true);
            if takes_power {
                // In one order, before the accounts themselves.
                self.lock_other_administrators(tx, ids[0]).await?;
            }
            let mut touched = u64::try_from(ids.len()).unwrap_or(u64::MAX);
            if let Some(role) = changes.role {
                touched = listed("UPDATE users SET role = $1 WHERE id IN (VALUES", row_values![role], ")")
                    .execute(tx)
                    .await?;
            }
            if let Some(quota) = changes.quota {
                let there = listed("SELECT u.id FROM users u WHERE u.id IN (VALUES", Vec::new(), ")").all(tx).await?;
                touched = touched.min(u64::try_from(there.len()).unwrap_or(u64::MAX));
                let by = by.first().and_then(|act| act.user_id);
                quota::set(tx, self.backend(), ids, quota, QuotaCause::Set, by).await?;
            }
            match changes.disabled {
                Some(true) => {
                    let at = now();
                    let set = "UPDATE users SET disabled_at = COALESCE(disabled_at, $1) WHERE id IN (VALUES";
                    touched = touched.min(listed(set, row_values![at], ")").execute(tx).await?);
                    let end = "UPDATE sessions SET revoked_at = $1 WHERE revoked_at IS NULL AND user_id IN (VALUES";
                    listed(end, row_values![at], ")").execute(tx).await?;
                    listed("DELETE FROM api_tokens WHERE user_id IN (VALUES", Vec::new(), ")").execute(tx).await?;
                    listed("DELETE FROM account_links WHERE user_id IN (VALUES", Vec::new(), ")").execute(tx).await?;
                }
                Some(false) => {
                    let set = "UPDATE users SET disabled_at = NULL WHERE id IN (VALUES";
                    touched = touched.min(listed(set, Vec::new(), ")").execute(tx).await?);
                }
                None => {}
            }
            if touched < u64::try_from(ids.len()).unwrap_or(u64::MAX) {
                return Err(StoreError::NotFound("account"));
            }
            if takes_power {
                let row = sql!(administrators, Role::Admin).one(tx).await?;
                if row.map_or(Ok(0), |row| row.get::<i64>("left_over"))? == 0 {
                    return Err(StoreError::LastAdministrator);
                }
            }
            activity::insert_all(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// Makes all of these accounts with their links, puts them and whoever else is named there into the groups, or does
    /// nothing; and has the mails sent. `by` has a line for each.
    ///
    /// # Errors
    /// `EmailTaken` where one of them has an account meanwhile; `TooManyMails`; those of [`Store::add_to_group`]. Nothing was
    /// written then.
    #[boxed]
    pub async fn import_users(
        &self,
        people: &[(NewUser, Option<NewLink>)],
        groups: &BTreeMap<GroupId, Vec<UserId>>,
        mails: &[NewMail],
        by: &[NewActivity],
    ) -> Result<Imported> {
        let at = now();
        let users = given(people.iter().map(|(new, _)| {
            GivenRow::default()
                .id("id", new.id.as_uuid())
                .text("email", new.email.as_str())
                .text("hashed_password", new.hashed_password.as_str())
                .text("role", new.role.as_str())
                .number("quota_remaining", new.quota)
                .time("created_at", at)
        }));
        let links = given(people.iter().filter_map(|(new, link)| Some(links::row(link.as_ref()?, new.id))));
        // `WHERE true`: or SQLite takes the conflict's ON for a join's.
        let insert = format!("{} WHERE true ON CONFLICT (email) DO NOTHING", self.backend().insert_rows("users", NEW));
        transact!(self, |tx| {
            let made = Sql::new(insert.clone(), vec![users.clone()]).execute(tx).await?;
            if usize::try_from(made).unwrap_or_default() != people.len() {
                return Err(StoreError::EmailTaken);
            }
            let insert = self.backend().insert_rows("account_links", links::COLUMNS);
            Sql::new(insert, vec![links.clone()]).execute(tx).await?;
            mails::post(self.backend(), tx, mails).await?;
            for (group, members) in groups {
                self.put_into_group(tx, *group, members, Standing::Member, None).await?;
            }
            activity::insert_all(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(Imported { made: people.len() })
    }

    /// Ends a person's sessions, API tokens and links.
    ///
    /// # Errors
    /// `NotFound`
    #[boxed]
    pub async fn sign_out_everywhere(&self, id: UserId, by: &NewActivity) -> Result<()> {
        let there = format!("SELECT id FROM users WHERE id = $1{}", self.backend().for_update());
        transact!(self, |tx| {
            sql!(there.clone(), id).one(tx).await?.ok_or(StoreError::NotFound("account"))?;
            sessions::end_all(tx, id).await?;
            api_tokens::end_all(tx, id).await?;
            links::end_all(tx, id).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// Replaces a password's hash by another of the same password, which ends nothing. Whether it was still that one.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn rehash_password(&self, id: UserId, old: &str, new: &str, by: &NewActivity) -> Result<bool> {
        let set = "UPDATE users SET hashed_password = $3 WHERE id = $1 AND hashed_password = $2";
        let done = transact!(self, |tx| {
            let done = sql!(set, id, old, new).execute(tx).await? == 1;
            if done {
                activity::insert(self.backend(), by).execute(tx).await?;
            }
            Ok(done)
        });
        self.signal([Signal::Accounts]);
        Ok(done)
    }
}

/// As `LIKE … ESCAPE '\'` reads it.
fn escaped(part: &str) -> String {
    part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
