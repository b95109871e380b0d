//! People's accounts: who they are, what they may do, how many wells they may still ask for.

use crate::{
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{NewUser, Page, User},
    sql::{Row, now, sql},
};
use domain::{Role, UserId};
use uuid::Uuid;

/// The most rows of one page of any list.
pub(crate) const MOST_ROWS: u32 = 200;

impl Store {
    /// `EmailTaken` if somebody has the address, in whatever case. Durable when it returns.
    pub async fn create_user(&self, user: NewUser) -> Result<User> {
        let (email, created_at) = (user.email.to_lowercase(), now());
        let made = sql!(
            "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING",
            user.id,
            email.as_str(),
            user.hashed_password.as_str(),
            user.role,
            user.quota,
            created_at,
        );
        if made.execute(self.writer()).await? == 0 {
            return Err(StoreError::EmailTaken);
        }
        let NewUser { id, hashed_password, role, quota, .. } = user;
        Ok(User { id, email, hashed_password, role, quota_remaining: quota, created_at })
    }

    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        let row = sql!("SELECT * FROM users WHERE id = $1", id).one(self.reader()).await?;
        row.map(|row| read_user(&row)).transpose()
    }

    /// `email` in any case.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let row = sql!("SELECT * FROM users WHERE email = $1", email.to_lowercase()).one(self.reader()).await?;
        row.map(|row| read_user(&row)).transpose()
    }

    pub async fn has_users(&self) -> Result<bool> {
        Ok(sql!("SELECT id FROM users LIMIT 1").one(self.reader()).await?.is_some())
    }

    /// By age, newest last; at most `limit` (≤ 200).
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Page<User, UserId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let rows = sql!(
            "SELECT * FROM users WHERE id > $1 ORDER BY id LIMIT $2",
            after.map_or(Uuid::nil(), UserId::as_uuid),
            i64::from(limit) + 1,
        );
        let users = rows.all(self.reader()).await?.iter().map(read_user).collect::<Result<_>>()?;
        Ok(Page::cut(users, limit, |user: &User| user.id))
    }

    pub async fn set_role(&self, id: UserId, role: Role) -> Result<()> {
        let touched = sql!("UPDATE users SET role = $2 WHERE id = $1", id, role).execute(self.writer()).await?;
        found(touched)
    }

    /// Sets how many wells are left, which must not be negative.
    pub async fn set_quota(&self, id: UserId, quota: i32) -> Result<()> {
        let touched =
            sql!("UPDATE users SET quota_remaining = $2 WHERE id = $1", id, quota).execute(self.writer()).await?;
        found(touched)
    }

    /// Also revokes all of the user's sessions.
    pub async fn set_password(&self, id: UserId, hashed_password: &str) -> Result<()> {
        transact!(self, |tx| {
            let set = sql!("UPDATE users SET hashed_password = $2 WHERE id = $1", id, hashed_password);
            found(set.execute(tx).await?)?;
            sql!("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", id, now())
                .execute(tx)
                .await?;
            Ok(())
        });
        Ok(())
    }
}

fn found(touched: u64) -> Result<()> {
    if touched == 0 { Err(StoreError::NotFound("account")) } else { Ok(()) }
}

pub(crate) fn read_user(row: &Row) -> Result<User> {
    Ok(User {
        id: row.get("id")?,
        email: row.get("email")?,
        hashed_password: row.get("hashed_password")?,
        role: row.get("role")?,
        quota_remaining: row.get("quota_remaining")?,
        created_at: row.get("created_at")?,
    })
}

impl<T, C> Page<T, C> {
    /// A page from one row more than it may have: that row says only that there is a next page.
    pub(crate) fn cut(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> C) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { data: rows, next }
    }
}
