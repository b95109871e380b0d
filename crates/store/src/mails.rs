//! Mails that wait to be sent: written with what they tell of, and deleted when a mail server has taken them. A mail has no
//! secret in it; its link is made when it is sent.

use crate::{
    activity,
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    records::{Mail, NewActivity, NewMail},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::MailId;
use sea_orm::DatabaseTransaction;

/// Mails that may wait at once: ten classes.
pub const MOST_MAILS: u32 = 10_000;
/// Who began to send a mail and died has it tried again after so long.
const CLAIM: TimeDelta = TimeDelta::minutes(5);

const MAILS: &str = "SELECT id, kind, email, invitation_id, created_at, due_at, attempts, failure FROM mails";
const COLUMNS: Columns = &[
    ("id", Kind::Id),
    ("kind", Kind::Text),
    ("email", Kind::Text),
    ("invitation_id", Kind::Id),
    ("created_at", Kind::Time),
    ("due_at", Kind::Time),
    ("attempts", Kind::Number),
];

impl Store {
    /// Has a mail sent, and logs why.
    ///
    /// # Errors
    /// `TooManyMails`
    #[boxed]
    pub async fn post_mail(&self, mail: &NewMail, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            post(self.backend(), tx, std::slice::from_ref(mail)).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// Takes the mail that has been due for longest: nobody else gets it for five minutes.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn take_mail(&self) -> Result<Option<Mail>> {
        let due = format!("{MAILS} WHERE due_at <= $1 ORDER BY due_at LIMIT 1");
        loop {
            let at = now();
            let Some(row) = sql!(due.clone(), at).one(self.writer()).await? else { return Ok(None) };
            let mail = read_mail(&row)?;
            let take = "UPDATE mails SET due_at = $3, attempts = attempts + 1 WHERE id = $1 AND attempts = $2";
            if sql!(take, mail.id, mail.attempts, at + CLAIM).execute(self.writer()).await? == 1 {
                return Ok(Some(Mail { attempts: mail.attempts + 1, ..mail }));
            }
        }
    }

    /// A mail server has it.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn forget_mail(&self, id: MailId) -> Result<()> {
        sql!("DELETE FROM mails WHERE id = $1", id).execute(self.writer()).await.map(drop)
    }

    /// It wasn't taken, and is tried again then; or given up. Whatever is given up is kept for a while, to be seen.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn put_mail_off(&self, id: MailId, until: Option<DateTime<Utc>>, failure: &str) -> Result<()> {
        sql!("UPDATE mails SET due_at = $2, failure = $3 WHERE id = $1", id, until, failure)
            .execute(self.writer())
            .await
            .map(drop)
    }

    /// Mails that failed, newest first: those given up, and those that are tried again. At most 50.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn failed_mails(&self) -> Result<Vec<Mail>> {
        let text = format!("{MAILS} WHERE failure IS NOT NULL ORDER BY id DESC LIMIT 50");
        sql!(text).all(self.reader()).await?.iter().map(read_mail).collect()
    }
}

/// Writes mails down, for transactions that do what they tell of.
///
/// # Errors
/// `TooManyMails`
pub(crate) async fn post(backend: Backend, tx: &DatabaseTransaction, mails: &[NewMail]) -> Result<()> {
    if mails.is_empty() {
        return Ok(());
    }
    let text = "SELECT COUNT(*) AS waiting FROM (SELECT 1 FROM mails WHERE due_at IS NOT NULL LIMIT $1) AS held";
    let waiting = sql!(text, i64::from(MOST_MAILS)).one(tx).await?;
    let waiting: i64 = waiting.map_or(Ok(0), |row| row.get("waiting"))?;
    if waiting + i64::try_from(mails.len()).unwrap_or(i64::MAX) > i64::from(MOST_MAILS) {
        return Err(StoreError::TooManyMails { most: MOST_MAILS });
    }
    let at = now();
    let rows = mails.iter().map(|mail| {
        let row = GivenRow::default()
            .id("id", MailId::new().as_uuid())
            .text("kind", mail.kind.as_str())
            .text("email", mail.email.as_str())
            .time("created_at", at)
            .time("due_at", at)
            .number("attempts", 0);
        mail.invitation_id.iter().fold(row, |row, id| row.id("invitation_id", id.as_uuid()))
    });
    Sql::new(backend.insert_rows("mails", COLUMNS), vec![given(rows)]).execute(tx).await.map(drop)
}

fn read_mail(row: &Row) -> Result<Mail> {
    Ok(Mail {
        id: row.get("id")?,
        kind: row.get("kind")?,
        email: row.get("email")?,
        invitation_id: row.get("invitation_id")?,
        created_at: row.get("created_at")?,
        due_at: row.get("due_at")?,
        attempts: row.get("attempts")?,
        failure: row.get("failure")?,
    })
}
