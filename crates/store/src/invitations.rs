//! Invitations to make an account. One that is revoked is deleted with its links.

use crate::{
    accounts::{self, MOST_ROWS},
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    links, mails,
    records::{Invitation, LinkTo, NewActivity, NewLink, NewMail, NewUser, Page},
    sql::{Row, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{GroupId, InvitationId, LinkPurpose, Standing};
use uuid::Uuid;

pub(crate) const INVITATIONS: &str =
    "SELECT id, email, role, quota, uses, uses_left, created_at, expires_at, group_id FROM invitations";

impl Store {
    /// Makes an invitation with its link, and the mail that tells of it, if one is to.
    ///
    /// # Errors
    /// `TooManyMails`
    #[boxed]
    pub async fn create_invitation(
        &self,
        new: &Invitation,
        link: &NewLink,
        mail: Option<&NewMail>,
        by: &NewActivity,
    ) -> Result<()> {
        let text = "INSERT INTO invitations (id, email, role, quota, uses, uses_left, created_at, expires_at, group_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        transact!(self, |tx| {
            let Invitation { id, email, role, quota, uses, uses_left, created_at, expires_at, group_id } = new.clone();
            sql!(text, id, email, role, quota, uses, uses_left, created_at, expires_at, group_id).execute(tx).await?;
            links::insert(link).execute(tx).await?;
            mails::post(self.backend(), tx, mail.map(std::slice::from_ref).unwrap_or_default()).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// Newest first; at most `limit` (≤ 200). Those that are used up or have run out are among them for a while.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn invitations(&self, after: Option<InvitationId>, limit: u32) -> Result<Page<Invitation, InvitationId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let text = format!("{INVITATIONS} WHERE id < $1 ORDER BY id DESC LIMIT $2");
        let after = after.map_or(Uuid::max(), InvitationId::as_uuid);
        let rows = sql!(text, after, i64::from(limit) + 1).all(self.reader()).await?;
        let page = rows.iter().map(read_invitation).collect::<Result<_>>()?;
        Ok(Page::cut(page, limit, |invitation: &Invitation| invitation.id))
    }

    /// The invitation of this id.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn invitation(&self, id: InvitationId) -> Result<Option<Invitation>> {
        let row = sql!(format!("{INVITATIONS} WHERE id = $1"), id).one(self.reader()).await?;
        row.map(|row| read_invitation(&row)).transpose()
    }

    /// Ends an invitation and its links; accounts that were made with it stay.
    ///
    /// # Errors
    /// `NotFound`
    #[boxed]
    pub async fn revoke_invitation(&self, id: InvitationId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            sql!("DELETE FROM account_links WHERE invitation_id = $1", id).execute(tx).await?;
            sql!("DELETE FROM mails WHERE invitation_id = $1", id).execute(tx).await?;
            if sql!("DELETE FROM invitations WHERE id = $1", id).execute(tx).await? == 0 {
                return Err(StoreError::NotFound("invitation"));
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// Makes the account that the link with this hash invites to; the role and quota of `new` are the invitation's.
    ///
    /// # Errors
    /// `NotFound` where the link isn't good any more, or is for another address; `EmailTaken`; `GroupFull`.
    #[boxed]
    pub async fn accept_invitation(&self, hash: &str, new: &NewUser, by: &NewActivity) -> Result<()> {
        let gone = StoreError::NotFound("link");
        let of_link = "SELECT invitation_id FROM account_links WHERE hash = $1 AND purpose = $2 AND expires_at > $3";
        let take = "UPDATE invitations SET uses_left = uses_left - 1
            WHERE id = $1 AND uses_left > 0 AND expires_at > $2 AND (email IS NULL OR email = $3)";
        transact!(self, |tx| {
            let row = sql!(of_link, hash, LinkPurpose::Invitation, now()).one(tx).await?;
            let id: Option<InvitationId> = row.map_or(Ok(None), |row| row.get("invitation_id"))?;
            let id = id.ok_or_else(|| gone.clone())?;
            if sql!(take, id, now(), new.email.as_str()).execute(tx).await? == 0 {
                return Err(gone.clone());
            }
            accounts::insert(tx, new).await?;
            let of_invitation = sql!("SELECT group_id FROM invitations WHERE id = $1", id).one(tx).await?;
            let group: Option<GroupId> = of_invitation.map_or(Ok(None), |row| row.get("group_id"))?;
            if let Some(group) = group {
                self.put_into_group(tx, group, &[new.id], Standing::Member, None).await?;
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }
}

impl Invitation {
    /// What its link opens.
    pub const fn link(&self) -> LinkTo {
        LinkTo::Invitation(self.id)
    }
}

/// The columns are those of [`INVITATIONS`].
pub(crate) fn read_invitation(row: &Row) -> Result<Invitation> {
    Ok(Invitation {
        id: row.get("id")?,
        email: row.get("email")?,
        role: row.get("role")?,
        quota: row.get("quota")?,
        uses: row.get("uses")?,
        uses_left: row.get("uses_left")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        group_id: row.get("group_id")?,
    })
}
