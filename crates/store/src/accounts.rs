//! People's accounts: who they are, what they may do, how many wells they may still ask for.
//!
//! Whatever is done to an account and its line in the activity log are one transaction.

use crate::{
    activity, api_tokens,
    connection::{Store, transact},
    error::{Result, StoreError},
    links, quota,
    records::{NewActivity, NewUser, Page, Signal, User, UserChanges},
    sessions,
    sql::{Row, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{QuotaCause, Role, UserId};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

/// The most rows of one page of any list.
pub(crate) const MOST_ROWS: u32 = 200;

/// The columns of an account `u` that [`read_user`] reads.
macro_rules! user_columns {
    () => {
        "u.id, u.email, u.hashed_password, u.role, u.quota_remaining, u.created_at, u.disabled_at,
        EXISTS (SELECT 1 FROM group_members g WHERE g.user_id = u.id AND g.standing = 'teacher') AS teaches"
    };
}

pub(crate) use user_columns;

pub(crate) const USERS: &str = concat!("SELECT ", user_columns!(), " FROM users u");

impl Store {
    /// Makes an account. Durable when it returns.
    ///
    /// # Errors
    /// `EmailTaken` if somebody has the address, in whatever case.
    #[boxed]
    pub async fn create_user(&self, user: NewUser, by: &NewActivity) -> Result<User> {
        let made = transact!(self, |tx| {
            let made = insert(tx, &user).await?;
            activity::insert(self.backend(), by).execute(tx).await?;
            Ok(made)
        });
        Ok(made)
    }

    /// The account of this id.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        let row = sql!(format!("{USERS} WHERE u.id = $1"), id).one(self.reader()).await?;
        row.map(|row| read_user(&row)).transpose()
    }

    /// `email` in any case.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let row = sql!(format!("{USERS} WHERE u.email = $1"), email.to_lowercase()).one(self.reader()).await?;
        row.map(|row| read_user(&row)).transpose()
    }

    /// Whether anybody has an account.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn has_users(&self) -> Result<bool> {
        Ok(sql!("SELECT id FROM users LIMIT 1").one(self.reader()).await?.is_some())
    }

    /// By age, newest last; at most `limit` (≤ 200). As new as [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Page<User, UserId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let rows = sql!(
            format!("{USERS} WHERE u.id > $1 ORDER BY u.id LIMIT $2"),
            after.map_or(Uuid::nil(), UserId::as_uuid),
            i64::from(limit) + 1,
        );
        let users = rows.all(self.reader()).await?.iter().map(read_user).collect::<Result<_>>()?;
        Ok(Page::cut(users, limit, |user: &User| user.id))
    }

    /// All of the changes or none. Disabling an account ends its sessions and API tokens.
    ///
    /// # Errors
    /// `NotFound`; `LastAdministrator` where nobody else could administer the lab afterwards. Nothing was written then.
    #[boxed]
    pub async fn update_user(&self, id: UserId, changes: UserChanges, by: &[NewActivity]) -> Result<User> {
        let text = format!("{USERS} WHERE u.id = $1{}", self.backend().for_update());
        let takes_power = changes.role.is_some_and(|role| !role.administers()) || changes.disabled == Some(true);
        let user = transact!(self, |tx| {
            // Before the account itself, and in one order: so two who take the role from each other come one after another.
            let others = if takes_power { self.lock_other_administrators(tx, id).await? } else { 0 };
            let before = read_user(&sql!(text.clone(), id).one(tx).await?.ok_or(StoreError::NotFound("account"))?)?;
            let after = changes.of(before.clone(), now());
            if before.is_administrator() && !after.is_administrator() && others == 0 {
                return Err(StoreError::LastAdministrator);
            }
            let set = "UPDATE users SET role = $2, disabled_at = $3 WHERE id = $1";
            sql!(set, id, after.role, after.disabled_at).execute(tx).await?;
            if let Some(quota) = changes.quota {
                let by = by.first().and_then(|act| act.user_id);
                quota::set(tx, self.backend(), &[id], quota, QuotaCause::Set, by).await?;
            }
            if after.disabled_at.is_some() {
                sessions::end_all(tx, id).await?;
                api_tokens::end_all(tx, id).await?;
                links::end_all(tx, id).await?;
            }
            for act in by {
                activity::insert(self.backend(), act).execute(tx).await?;
            }
            Ok(after)
        });
        self.signal([Signal::Accounts]);
        Ok(user)
    }

    /// How many may administer the lab beside this one.
    pub(crate) async fn lock_other_administrators(&self, tx: &DatabaseTransaction, id: UserId) -> Result<usize> {
        let text = format!(
            "SELECT u.id FROM users u WHERE u.role = $1 AND u.disabled_at IS NULL ORDER BY u.id{}",
            self.backend().for_update()
        );
        let rows = sql!(text, Role::Admin).all(tx).await?;
        let administrators = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<UserId>>>()?;
        Ok(administrators.into_iter().filter(|administrator| *administrator != id).count())
    }

    /// Also ends all of the user's sessions, API tokens and links: whoever knew the old password may have made one.
    ///
    /// # Errors
    /// `NotFound` where there is no such account.
    #[boxed]
    pub async fn set_password(&self, id: UserId, hashed_password: &str, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            let set = sql!("UPDATE users SET hashed_password = $2 WHERE id = $1", id, hashed_password);
            if set.execute(tx).await? == 0 {
                return Err(StoreError::NotFound("account"));
            }
            sessions::end_all(tx, id).await?;
            api_tokens::end_all(tx, id).await?;
            links::end_all(tx, id).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// The columns are those of [`USERS`].
/// Makes an account.
///
/// # Errors
/// `EmailTaken` if somebody has the address, in whatever case.
pub(crate) async fn insert(tx: &DatabaseTransaction, new: &NewUser) -> Result<User> {
    let NewUser { id, email, hashed_password, role, quota } = new.clone();
    let (email, created_at) = (email.to_lowercase(), now());
    let text = "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING";
    match sql!(text, id, email.as_str(), hashed_password.as_str(), role, quota, created_at).execute(tx).await? {
        0 => Err(StoreError::EmailTaken),
        _ => Ok(User {
            id,
            email,
            hashed_password,
            role,
            quota_remaining: quota,
            created_at,
            disabled_at: None,
            teaches: false,
        }),
    }
}

pub(crate) fn read_user(row: &Row) -> Result<User> {
    Ok(User {
        id: row.get("id")?,
        email: row.get("email")?,
        hashed_password: row.get("hashed_password")?,
        role: row.get("role")?,
        quota_remaining: row.get("quota_remaining")?,
        created_at: row.get("created_at")?,
        disabled_at: row.get("disabled_at")?,
        teaches: row.get("teaches")?,
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
