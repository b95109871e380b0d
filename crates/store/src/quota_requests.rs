//! Wishes for more wells: one of a person at a time, granted or refused once.

use crate::{
    accounts::MOST_ROWS,
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    quota,
    records::{Because, DecidedRequest, NewActivity, NewQuotaRequest, Page, QuotaRequest, Signal},
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{GroupId, QuotaCause, QuotaRequestId, UserId};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

const REQUESTS: &str = "
    SELECT r.id, r.user_id, u.email, u.quota_remaining, r.group_id, g.name AS group_name, r.wells, r.reason, r.created_at
    FROM quota_requests r JOIN users u ON u.id = r.user_id LEFT JOIN groups g ON g.id = r.group_id
    WHERE r.decided_at IS NULL";

/// Only what is asked of a group that `$n` teaches.
fn of_teacher(parameter: u8) -> String {
    format!(
        " AND group_id IN (SELECT t.group_id FROM group_members t
            WHERE t.user_id = ${parameter} AND t.standing = 'teacher')"
    )
}

impl Store {
    /// Asks for more: of a group that one is a member of, or of the lab's administrators.
    ///
    /// # Errors
    /// `RequestOpen` where another one of theirs waits; `NotFound` where they aren't a member of the group.
    #[boxed]
    pub async fn ask_for_quota(&self, new: &NewQuotaRequest, by: &NewActivity) -> Result<QuotaRequestId> {
        let id = QuotaRequestId::new();
        let member = format!(
            "SELECT user_id FROM group_members WHERE group_id = $1 AND user_id = $2 AND standing = 'member'{}",
            self.backend().for_update()
        );
        let insert = "INSERT INTO quota_requests (id, user_id, group_id, wells, reason, created_at)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) WHERE decided_at IS NULL DO NOTHING";
        transact!(self, |tx| {
            if let Some(group) = new.group_id
                && sql!(member.clone(), group, new.user_id).one(tx).await?.is_none()
            {
                return Err(StoreError::NotFound("group"));
            }
            let NewQuotaRequest { user_id, group_id, wells, reason } = new.clone();
            if sql!(insert, id, user_id, group_id, wells, reason, now()).execute(tx).await? == 0 {
                return Err(StoreError::RequestOpen);
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(id)
    }

    /// Grants what somebody asked for, or `wells` of it, once: from the group's reserve where it was asked of one. `teacher` is
    /// whoever must teach that group, nothing for whoever may grant all. Gives how many it was.
    ///
    /// # Errors
    /// `NotFound`; `RequestDecided` where it was granted or refused before; `ReserveSpent` where the group hasn't so many left.
    /// Nothing was written then.
    #[boxed]
    pub async fn grant_quota(
        &self,
        id: QuotaRequestId,
        teacher: Option<UserId>,
        wells: Option<i32>,
        by: &NewActivity,
    ) -> Result<i32> {
        let take = "UPDATE groups SET reserve_left = reserve_left - $2 WHERE id = $1 AND reserve_left >= $2";
        let left = "SELECT reserve_left FROM groups WHERE id = $1";
        let granted = transact!(self, |tx| {
            let Decided { user, group, granted, reason } = decide(tx, id, teacher, wells, by).await?;
            if let Some(group) = group
                && sql!(take, group, granted).execute(tx).await? == 0
            {
                let row = sql!(left, group).one(tx).await?.ok_or(StoreError::NotFound("group"))?;
                return Err(StoreError::ReserveSpent { left: row.get("reserve_left")? });
            }
            let because = Because { cause: QuotaCause::Granted, group, by: by.user_id, note: Some(reason.as_str()) };
            quota::change(tx, self.backend(), &[user], because, |purse| purse.grant(group, granted)).await?;
            let mut by = by.clone();
            by.details["user"] = user.to_string().into();
            by.details["wells"] = granted.into();
            activity::insert(self.backend(), &by).execute(tx).await?;
            Ok(granted)
        });
        self.signal([Signal::Accounts]);
        Ok(granted)
    }

    /// Refuses it; whoever asked may ask again.
    ///
    /// # Errors
    /// `NotFound`, `RequestDecided`
    #[boxed]
    pub async fn refuse_quota(&self, id: QuotaRequestId, teacher: Option<UserId>, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            let Decided { user, .. } = decide(tx, id, teacher, Some(0), by).await?;
            let mut by = by.clone();
            by.details["user"] = user.to_string().into();
            activity::insert(self.backend(), &by).execute(tx).await
        });
        Ok(())
    }

    /// What waits, oldest first: all, of one group, or of those that somebody teaches. At most `limit` (≤ 200).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn quota_requests(
        &self,
        teacher: Option<UserId>,
        group: Option<GroupId>,
        after: Option<QuotaRequestId>,
        limit: u32,
    ) -> Result<Page<QuotaRequest, QuotaRequestId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let mut text = format!("{REQUESTS} AND r.id > $1");
        let mut values = row_values![after.map_or(Uuid::nil(), QuotaRequestId::as_uuid), i64::from(limit) + 1];
        if let Some(teacher) = teacher {
            values.extend(row_values![teacher]);
            text += &of_teacher(3).replace(" group_id", " r.group_id");
        }
        if let Some(group) = group {
            values.extend(row_values![group]);
            text += &format!(" AND r.group_id = ${}", values.len());
        }
        let rows = Sql::new(text + " ORDER BY r.id LIMIT $2", values).all(self.reader()).await?;
        let requests = rows.iter().map(read_request).collect::<Result<_>>()?;
        Ok(Page::cut(requests, limit, |request: &QuotaRequest| request.id))
    }

    /// What somebody asks for that waits.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn open_quota_request(&self, user: UserId) -> Result<Option<QuotaRequest>> {
        let row = sql!(format!("{REQUESTS} AND r.user_id = $1"), user).one(self.reader()).await?;
        row.map(|row| read_request(&row)).transpose()
    }

    /// How the last thing that somebody asked for ended, if it did.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn last_decided_request(&self, user: UserId) -> Result<Option<DecidedRequest>> {
        let text = "SELECT wells, granted, decided_at FROM quota_requests WHERE user_id = $1 ORDER BY id DESC LIMIT 1";
        let Some(row) = sql!(text, user).one(self.reader()).await? else { return Ok(None) };
        let (Some(granted), Some(decided_at)) = (row.get("granted")?, row.get("decided_at")?) else { return Ok(None) };
        Ok(Some(DecidedRequest { wells: row.get("wells")?, granted, decided_at }))
    }
}

struct Decided {
    user: UserId,
    group: Option<GroupId>,
    granted: i32,
    reason: String,
}

/// Whoever comes first decides it.
async fn decide(
    tx: &DatabaseTransaction,
    id: QuotaRequestId,
    teacher: Option<UserId>,
    granted: Option<i32>,
    by: &NewActivity,
) -> Result<Decided> {
    let theirs = if teacher.is_some() { of_teacher(5) } else { String::new() };
    let text = format!(
        "UPDATE quota_requests SET decided_at = $2, decided_by = $3, granted = COALESCE($4, wells)
         WHERE id = $1 AND decided_at IS NULL{theirs} RETURNING user_id, group_id, granted, reason"
    );
    let mut claim = sql!(text, id, now(), by.user_id, granted);
    claim.and_bind(teacher);
    if let Some(row) = claim.one(tx).await? {
        let (user, group) = (row.get("user_id")?, row.get("group_id")?);
        return Ok(Decided { user, group, granted: row.get("granted")?, reason: row.get("reason")? });
    }
    let theirs = if teacher.is_some() { of_teacher(2) } else { String::new() };
    let mut there = sql!(format!("SELECT id FROM quota_requests WHERE id = $1{theirs}"), id);
    there.and_bind(teacher);
    Err(match there.one(tx).await? {
        Some(_) => StoreError::RequestDecided,
        None => StoreError::NotFound("request"),
    })
}

/// What was asked of a group that is no more.
pub(crate) async fn close_of_group(tx: &DatabaseTransaction, group: GroupId, by: Option<UserId>) -> Result<()> {
    let text = "UPDATE quota_requests SET decided_at = $2, decided_by = $3, granted = 0
        WHERE group_id = $1 AND decided_at IS NULL";
    sql!(text, group, now(), by).execute(tx).await.map(drop)
}

/// What these people asked of a group that they leave.
pub(crate) async fn close_of_members(
    tx: &DatabaseTransaction,
    group: GroupId,
    users: &[UserId],
    by: Option<UserId>,
) -> Result<()> {
    let close = Sql::with_rows(
        "UPDATE quota_requests SET decided_at = $2, decided_by = $3, granted = 0
         WHERE group_id = $1 AND decided_at IS NULL AND user_id IN (VALUES",
        row_values![group, now(), by],
        users.iter().map(|&user| row_values![user]).collect(),
        ")",
    );
    close.execute(tx).await.map(drop)
}

fn read_request(row: &Row) -> Result<QuotaRequest> {
    Ok(QuotaRequest {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        email: row.get("email")?,
        quota_remaining: row.get("quota_remaining")?,
        group_id: row.get("group_id")?,
        group_name: row.get("group_name")?,
        wells: row.get("wells")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
    })
}
