//! People who make their account themselves: whose address is proven, and who may have to wait for an administrator.

use crate::{
    accounts::{self, MOST_ROWS},
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    mails,
    records::{NewActivity, NewMail, NewUser, Page, Registration, User},
    sql::{Row, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{LinkPurpose, MailKind, RegistrationId, Role, UserId};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

const REGISTRATIONS: &str = "SELECT id, email, hashed_password, created_at FROM registrations";

impl Store {
    /// Uses a link that proves an address: makes its account at once.
    ///
    /// # Errors
    /// `NotFound` where the link isn't good any more; `EmailTaken` where there is an account meanwhile.
    #[boxed]
    pub async fn register(&self, hash: &str, new: &NewUser, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            use_link(tx, hash, &new.email).await?;
            accounts::insert(tx, new).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// The same where an administrator decides. Who asked before waits on, with the new password.
    ///
    /// # Errors
    /// `NotFound` where the link isn't good any more; `EmailTaken` where there is an account meanwhile.
    #[boxed]
    pub async fn ask_for_account(&self, hash: &str, new: &Registration, by: &NewActivity) -> Result<()> {
        let text = "INSERT INTO registrations (id, email, hashed_password, created_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (email) DO UPDATE SET hashed_password = excluded.hashed_password";
        transact!(self, |tx| {
            use_link(tx, hash, &new.email).await?;
            if sql!("SELECT id FROM users WHERE email = $1", new.email.as_str()).one(tx).await?.is_some() {
                return Err(StoreError::EmailTaken);
            }
            let (email, hashed_password) = (new.email.as_str(), new.hashed_password.as_str());
            sql!(text, new.id, email, hashed_password, new.created_at).execute(tx).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// Who wait for an administrator, oldest first; at most `limit` (≤ 200).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: u32,
    ) -> Result<Page<Registration, RegistrationId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let text = format!("{REGISTRATIONS} WHERE id > $1 ORDER BY id LIMIT $2");
        let after = after.map_or(Uuid::nil(), RegistrationId::as_uuid);
        let rows = sql!(text, after, i64::from(limit) + 1).all(self.reader()).await?;
        let page = rows.iter().map(read_registration).collect::<Result<_>>()?;
        Ok(Page::cut(page, limit, |registration: &Registration| registration.id))
    }

    /// Somebody who waits.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn registration(&self, id: RegistrationId) -> Result<Option<Registration>> {
        let row = sql!(format!("{REGISTRATIONS} WHERE id = $1"), id).one(self.reader()).await?;
        row.map(|row| read_registration(&row)).transpose()
    }

    /// The same by address, in any case.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn registration_by_email(&self, email: &str) -> Result<Option<Registration>> {
        let row = sql!(format!("{REGISTRATIONS} WHERE email = $1"), email.to_lowercase()).one(self.reader()).await?;
        row.map(|row| read_registration(&row)).transpose()
    }

    /// Gives an account to somebody who waits, with the password that they chose, and writes to them.
    ///
    /// # Errors
    /// `NotFound`, `EmailTaken`, `TooManyMails`. Nothing was written then.
    #[boxed]
    pub async fn approve(
        &self,
        id: RegistrationId,
        user: UserId,
        role: Role,
        quota: i32,
        by: &NewActivity,
    ) -> Result<User> {
        let user = transact!(self, |tx| {
            let row = sql!(format!("{REGISTRATIONS} WHERE id = $1"), id).one(tx).await?;
            let Registration { email, hashed_password, .. } =
                read_registration(&row.ok_or(StoreError::NotFound("registration"))?)?;
            if sql!("DELETE FROM registrations WHERE id = $1", id).execute(tx).await? == 0 {
                return Err(StoreError::NotFound("registration"));
            }
            let new = NewUser { id: user, email: email.clone(), hashed_password, role, quota };
            let made = accounts::insert(tx, &new).await?;
            let mail = NewMail { kind: MailKind::Approved, email, invitation_id: None };
            mails::post(self.backend(), tx, &[mail]).await?;
            activity::insert(self.backend(), by).execute(tx).await?;
            Ok(made)
        });
        Ok(user)
    }

    /// Forgets that somebody waits.
    ///
    /// # Errors
    /// `NotFound`
    #[boxed]
    pub async fn reject(&self, id: RegistrationId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            if sql!("DELETE FROM registrations WHERE id = $1", id).execute(tx).await? == 0 {
                return Err(StoreError::NotFound("registration"));
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }
}

/// Also ends the address's other links: it has what it asked for.
async fn use_link(tx: &DatabaseTransaction, hash: &str, email: &str) -> Result<()> {
    let text = "DELETE FROM account_links WHERE hash = $1 AND purpose = $2 AND email = $3 AND expires_at > $4";
    if sql!(text, hash, LinkPurpose::Registration, email, now()).execute(tx).await? == 0 {
        return Err(StoreError::NotFound("link"));
    }
    sql!("DELETE FROM account_links WHERE email = $1", email).execute(tx).await.map(drop)
}

/// The columns are those of [`REGISTRATIONS`].
fn read_registration(row: &Row) -> Result<Registration> {
    Ok(Registration {
        id: row.get("id")?,
        email: row.get("email")?,
        hashed_password: row.get("hashed_password")?,
        created_at: row.get("created_at")?,
    })
}
