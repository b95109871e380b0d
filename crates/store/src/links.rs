//! One-time links: each is a hash and what it opens. What uses one and what it does are one transaction, so that of two who
//! use it at once one does.

use crate::{
    accounts::{USERS, read_user},
    activity, api_tokens,
    connection::{Store, transact},
    error::{Result, StoreError},
    invitations::{INVITATIONS, read_invitation},
    records::{LinkTo, NewActivity, NewLink, Opened, Signal},
    rows::{Columns, GivenRow, Kind},
    sessions,
    sql::{Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{InvitationId, LinkPurpose, UserId};
use sea_orm::DatabaseTransaction;

/// Links to one account that may be good at once: a mail that is tried again has a new one each time.
const MOST_OF_USER: i64 = 20;

pub(crate) const COLUMNS: Columns = &[
    ("hash", Kind::Text),
    ("purpose", Kind::Text),
    ("user_id", Kind::Id),
    ("invitation_id", Kind::Id),
    ("email", Kind::Text),
    ("created_at", Kind::Time),
    ("expires_at", Kind::Time),
];

/// What a link that is still good is for; `$1` is its hash, `$2` now.
const GOOD: &str =
    "SELECT purpose, user_id, invitation_id, email FROM account_links WHERE hash = $1 AND expires_at > $2";

impl Store {
    /// Makes a link. `by` is the act that it comes from, where that is one of its own.
    ///
    /// # Errors
    /// `NotFound` where there is no such account or invitation, or the account is disabled.
    #[boxed]
    pub async fn create_link(&self, new: &NewLink, by: Option<&NewActivity>) -> Result<()> {
        let of_user =
            format!("SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL{}", self.backend().for_update());
        transact!(self, |tx| {
            match new.to {
                LinkTo::Password(user) => {
                    sql!(of_user.clone(), user).one(tx).await?.ok_or(StoreError::NotFound("account"))?;
                    make_room(tx, user).await?;
                }
                LinkTo::Invitation(id) => {
                    let there = sql!("SELECT id FROM invitations WHERE id = $1", id).one(tx).await?;
                    there.ok_or(StoreError::NotFound("invitation"))?;
                }
                LinkTo::Registration(_) => {}
            }
            insert(new).execute(tx).await?;
            match by {
                Some(by) => activity::insert(self.backend(), by).execute(tx).await.map(drop),
                None => Ok(()),
            }
        });
        Ok(())
    }

    /// Forgets a link that never reached anybody.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn forget_link(&self, hash: &str) -> Result<()> {
        sql!("DELETE FROM account_links WHERE hash = $1", hash).execute(self.writer()).await.map(drop)
    }

    /// What the link with this hash opens; nothing where it has run out or was used, or its account is disabled.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn open_link(&self, hash: &str) -> Result<Option<Opened>> {
        let Some(row) = sql!(GOOD, hash, now()).one(self.reader()).await? else { return Ok(None) };
        match row.get("purpose")? {
            LinkPurpose::Password => {
                let text = format!("{USERS} WHERE u.id = $1 AND u.disabled_at IS NULL");
                let user = sql!(text, row.get::<Option<UserId>>("user_id")?).one(self.reader()).await?;
                Ok(user.map(|row| read_user(&row)).transpose()?.map(Opened::Password))
            }
            LinkPurpose::Invitation => {
                let text = format!("{INVITATIONS} WHERE id = $1 AND uses_left > 0 AND expires_at > $2");
                let id: Option<InvitationId> = row.get("invitation_id")?;
                let invitation = sql!(text, id, now()).one(self.reader()).await?;
                Ok(invitation.map(|row| read_invitation(&row)).transpose()?.map(Opened::Invitation))
            }
            LinkPurpose::Registration => Ok(row.get::<Option<String>>("email")?.map(Opened::Registration)),
        }
    }

    /// Uses a link to an account: sets its password, which ends its sessions, API tokens and other links.
    ///
    /// # Errors
    /// `NotFound` where the link isn't good any more, or the account is disabled.
    #[boxed]
    pub async fn set_password_by_link(&self, hash: &str, hashed_password: &str, by: &NewActivity) -> Result<()> {
        let gone = StoreError::NotFound("link");
        transact!(self, |tx| {
            let row = sql!(format!("{GOOD} AND purpose = $3"), hash, now(), LinkPurpose::Password).one(tx).await?;
            let user: Option<UserId> = row.map_or(Ok(None), |row| row.get("user_id"))?;
            let user = user.ok_or_else(|| gone.clone())?;
            let set = "UPDATE users SET hashed_password = $2 WHERE id = $1 AND disabled_at IS NULL";
            if sql!(set, user, hashed_password).execute(tx).await? == 0 {
                return Err(gone.clone());
            }
            // Of two at once the second finds none here, since it waits for the account's row.
            if sql!("DELETE FROM account_links WHERE hash = $1", hash).execute(tx).await? == 0 {
                return Err(gone.clone());
            }
            end_all(tx, user).await?;
            sessions::end_all(tx, user).await?;
            api_tokens::end_all(tx, user).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// Ends every link to a person's account.
pub(crate) async fn end_all(tx: &DatabaseTransaction, user: UserId) -> Result<()> {
    sql!("DELETE FROM account_links WHERE user_id = $1", user).execute(tx).await.map(drop)
}

/// Of many links to one account the oldest go.
async fn make_room(tx: &DatabaseTransaction, user: UserId) -> Result<()> {
    let text = "DELETE FROM account_links WHERE user_id = $1 AND hash NOT IN (
        SELECT hash FROM account_links WHERE user_id = $1 ORDER BY expires_at DESC LIMIT $2)";
    sql!(text, user, MOST_OF_USER - 1).execute(tx).await.map(drop)
}

pub(crate) fn insert(new: &NewLink) -> Sql {
    let (user, invitation, email) = match &new.to {
        LinkTo::Password(user) => (Some(*user), None, None),
        LinkTo::Invitation(id) => (None, Some(*id), None),
        LinkTo::Registration(email) => (None, None, Some(email.clone())),
    };
    let text = "INSERT INTO account_links (hash, purpose, user_id, invitation_id, email, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sql!(text, new.hash.as_str(), new.to.purpose(), user, invitation, email, now(), new.expires_at)
}

/// The same as a row among many, to an account.
pub(crate) fn row(new: &NewLink, user: UserId) -> GivenRow {
    GivenRow::default()
        .text("hash", new.hash.as_str())
        .text("purpose", LinkPurpose::Password.as_str())
        .id("user_id", user.as_uuid())
        .time("created_at", now())
        .time("expires_at", new.expires_at)
}
