//! Where people's quota comes from: their own, and what is left of their groups' allowances.
//!
//! What an experiment costs is taken from, and comes back to, `users.quota_remaining` alone: so asking for one is what it was
//! without groups. Whatever else changes a quota comes through [`change`], which settles first where the wells that were
//! spent since the last time came from (`domain::Purse`), and writes down who changed it and why
//! (`docs/decisions/0024-groups.md`).

use crate::{
    activity,
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    groups::{GROUP, read_group},
    records::{Because, Group, Membership, NewActivity, QuotaChange, QuotaParts, Signal},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{GroupId, Purse, QuotaCause, QuotaChangeId, Share, Standing, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::json;
use std::collections::BTreeMap;

/// Lines of somebody's history that are read at once.
const MOST_LINES: u32 = 200;
/// By so much the clocks of processes may differ.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::hours(1);

const USERS: Columns = &[("id", Kind::Id)];
const TOTALS: Columns = &[("id", Kind::Id), ("total", Kind::Number), ("own", Kind::Number)];
const LEFT: Columns = &[("group_id", Kind::Id), ("user_id", Kind::Id), ("left_wells", Kind::Number)];
const CHANGES: Columns = &[
    ("id", Kind::Id),
    ("user_id", Kind::Id),
    ("group_id", Kind::Id),
    ("by_id", Kind::Id),
    ("cause", Kind::Text),
    ("before_wells", Kind::Number),
    ("after_wells", Kind::Number),
    ("note", Kind::Text),
    ("created_at", Kind::Time),
];

/// Somebody's quota as it was, and as it becomes.
struct Changing {
    user: UserId,
    before: i32,
    purse: Purse,
}

/// Changes the quotas of these people, whose accounts are locked from here on, and writes the history. Nobody is left out but
/// those who aren't there.
pub(crate) async fn change(
    tx: &DatabaseTransaction,
    backend: Backend,
    users: &[UserId],
    because: Because<'_>,
    how: impl Fn(&mut Purse) + Send,
) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let mut all = settled(tx, backend, users).await?;
    all.iter_mut().for_each(|one| how(&mut one.purse));
    write(tx, backend, &all).await?;
    let at = now();
    let lines: Vec<_> = all.iter().filter_map(|one| history_row(one, because, at)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    Sql::new(backend.insert_rows("quota_changes", CHANGES), vec![given(lines)]).execute(tx).await.map(drop)
}

/// In the order in which acceptances lock accounts, so that the two never wait for each other.
async fn settled(tx: &DatabaseTransaction, backend: Backend, users: &[UserId]) -> Result<Vec<Changing>> {
    let wanted = given(users.iter().map(|user| GivenRow::default().id("id", user.as_uuid())));
    let accounts = format!(
        "SELECT id, quota_remaining, quota_own FROM users WHERE id IN (SELECT given.id FROM {given})
         ORDER BY id{locked}",
        given = backend.rows(1, USERS),
        locked = backend.for_update(),
    );
    let accounts = Sql::new(accounts, vec![wanted]).all(tx).await?;
    let mut of = shares_of(tx, backend, users).await?;
    let changing = |row: &Row| {
        let user = row.get("id")?;
        let (before, purse) = purse(row, of.remove(&user).unwrap_or_default())?;
        Ok(Changing { user, before, purse })
    };
    accounts.iter().map(changing).collect()
}

/// What was left of their groups' allowances when it was settled last.
pub(crate) async fn shares_of(
    on: &impl ConnectionTrait,
    backend: Backend,
    users: &[UserId],
) -> Result<BTreeMap<UserId, Vec<Share>>> {
    let text = format!(
        "SELECT m.user_id, m.group_id, m.left_wells, g.next_refill_at
         FROM {given} JOIN group_members m ON m.user_id = given.id JOIN groups g ON g.id = m.group_id
         WHERE m.standing = 'member'",
        given = backend.rows(1, USERS),
    );
    let users = given(users.iter().map(|user| GivenRow::default().id("id", user.as_uuid())));
    let mut of: BTreeMap<UserId, Vec<Share>> = BTreeMap::new();
    for row in &Sql::new(text, vec![users]).all(on).await? {
        of.entry(row.get("user_id")?).or_default().push(read_share(row)?);
    }
    Ok(of)
}

fn read_share(row: &Row) -> Result<Share> {
    Ok(Share { group: row.get("group_id")?, left: row.get("left_wells")?, next_refill: row.get("next_refill_at")? })
}

/// What may be asked for, and its parts. Whoever never was in a group has all of it for their own.
pub(crate) fn purse(account: &Row, shares: Vec<Share>) -> Result<(i32, Purse)> {
    let remaining: i32 = account.get("quota_remaining")?;
    let of_groups: i32 = shares.iter().map(|share| share.left).fold(0, i32::saturating_add);
    let own = account.get::<Option<i32>>("quota_own")?.unwrap_or_else(|| remaining.saturating_sub(of_groups));
    Ok((remaining, Purse::settle(remaining, own, shares)))
}

async fn write(tx: &DatabaseTransaction, backend: Backend, all: &[Changing]) -> Result<()> {
    let totals = all.iter().map(|Changing { user, purse, .. }| {
        GivenRow::default().id("id", user.as_uuid()).number("total", purse.total()).number("own", purse.own())
    });
    let text = format!(
        "UPDATE users SET quota_remaining = given.total, quota_own = given.own FROM {given} WHERE users.id = given.id",
        given = backend.rows(1, TOTALS),
    );
    Sql::new(text, vec![given(totals)]).execute(tx).await?;
    let left = all.iter().flat_map(|Changing { user, purse, .. }| {
        purse.shares().iter().map(|share| {
            let row = GivenRow::default().id("group_id", share.group.as_uuid()).id("user_id", user.as_uuid());
            row.number("left_wells", share.left)
        })
    });
    let left: Vec<_> = left.collect();
    if left.is_empty() {
        return Ok(());
    }
    let text = format!(
        "UPDATE group_members SET left_wells = given.left_wells FROM {given}
         WHERE group_members.group_id = given.group_id AND group_members.user_id = given.user_id",
        given = backend.rows(1, LEFT),
    );
    Sql::new(text, vec![given(left)]).execute(tx).await.map(drop)
}

fn history_row(one: &Changing, because: Because<'_>, at: DateTime<Utc>) -> Option<GivenRow> {
    let after = one.purse.total();
    if after == one.before {
        return None;
    }
    let Because { cause, group, by, note } = because;
    let mut row = GivenRow::default()
        .id("id", QuotaChangeId::new().as_uuid())
        .id("user_id", one.user.as_uuid())
        .text("cause", cause.as_str())
        .number("before_wells", one.before)
        .number("after_wells", after)
        .time("created_at", at);
    if let Some(group) = group {
        row = row.id("group_id", group.as_uuid());
    }
    if let Some(by) = by {
        row = row.id("by_id", by.as_uuid());
    }
    if let Some(note) = note {
        row = row.text("note", note);
    }
    Some(row)
}

/// So many wells may be asked for from now on, by an administrator's word or the provider's.
pub(crate) async fn set(
    tx: &DatabaseTransaction,
    backend: Backend,
    users: &[UserId],
    total: i32,
    cause: QuotaCause,
    by: Option<UserId>,
) -> Result<()> {
    if total < 0 {
        return Err(StoreError::Database("a quota is 0 wells or more".to_owned()));
    }
    let because = Because { cause, group: None, by, note: None };
    change(tx, backend, users, because, |purse| purse.set(total)).await
}

impl Store {
    /// Makes the allowances of one group whole whose time has come, if there is one: once for each time, whichever process
    /// comes first, and once where several times went by while none ran. Gives the group.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn refill_due(&self, at: DateTime<Utc>) -> Result<Option<Group>> {
        let text = format!(
            "SELECT {GROUP} FROM groups g WHERE g.next_refill_at <= $1 ORDER BY g.next_refill_at LIMIT 1{}",
            self.backend().for_update()
        );
        let refilled = transact!(self, |tx| {
            let Some(row) = sql!(text.clone(), at).one(tx).await? else { return Ok(None) };
            let group = read_group(&row)?;
            let details = json!({ "group": group.id, "name": group.name, "due": group.next_refill_at });
            let by = NewActivity { user_id: None, action: "group_refilled", details, ip_address: None };
            self.refill(tx, &group, at, &by).await?;
            Ok(Some(group))
        });
        if refilled.is_some() {
            self.signal([Signal::Accounts]);
        }
        Ok(refilled)
    }

    /// Gives back its next refill to one group that was made whole by a clock that was ahead, if there is one: without, nothing would
    /// come until then. What was given stays.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn set_calendar_right(&self, at: DateTime<Utc>) -> Result<Option<Group>> {
        let ahead = at + CLOCKS_DIFFER;
        let text = format!("SELECT {GROUP} FROM groups g WHERE g.refilled_at > $1 ORDER BY g.id LIMIT 1");
        if sql!(text.clone(), ahead).one(self.reader()).await?.is_none() {
            return Ok(None);
        }
        let text = format!("{text}{}", self.backend().for_update());
        let set = "UPDATE groups SET refilled_at = NULL, next_refill_at = $2 WHERE groups.id = $1";
        let changed = transact!(self, |tx| {
            let Some(row) = sql!(text.clone(), ahead).one(tx).await? else { return Ok(None) };
            let group = read_group(&row)?;
            let next = group.refill.next(group.time_zone, at);
            sql!(set, group.id, next).execute(tx).await?;
            let details = json!({ "group": group.id, "name": group.name, "was": group.next_refill_at, "next": next });
            let by = NewActivity { user_id: None, action: "group_calendar_set_right", details, ip_address: None };
            activity::insert(self.backend(), &by).execute(tx).await?;
            Ok(Some(group))
        });
        if changed.is_some() {
            self.signal([Signal::Accounts]);
        }
        Ok(changed)
    }

    /// The same of this group, now and by hand: the calendar goes on as it would have.
    ///
    /// # Errors
    /// `NotFound`
    #[boxed]
    pub async fn refill_group(&self, id: GroupId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            let group = self.lock_group(tx, id).await?;
            self.refill(tx, &group, now(), by).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    async fn refill(&self, tx: &DatabaseTransaction, group: &Group, at: DateTime<Utc>, by: &NewActivity) -> Result<()> {
        let members = self.members_of(tx, group.id).await?;
        let because = Because { cause: QuotaCause::Refilled, group: Some(group.id), by: by.user_id, note: None };
        change(tx, self.backend(), &members, because, |purse| purse.refill(group.id, group.allowance)).await?;
        let next = group.refill.next(group.time_zone, at);
        let set =
            "UPDATE groups SET reserve_left = reserve, refilled_at = $2, next_refill_at = $3 WHERE groups.id = $1";
        sql!(set, group.id, at, next).execute(tx).await?;
        activity::insert(self.backend(), by).execute(tx).await.map(drop)
    }

    /// Where somebody's quota comes from now, as it would be settled.
    ///
    /// # Errors
    /// `NotFound`
    #[boxed]
    pub async fn quota_parts(&self, user: UserId) -> Result<QuotaParts> {
        let account = sql!("SELECT quota_remaining, quota_own FROM users WHERE id = $1", user);
        let account = account.one(self.reader()).await?.ok_or(StoreError::NotFound("account"))?;
        let mut memberships = memberships(self.reader(), user).await?;
        let is_member = |membership: &&Membership| membership.standing == Standing::Member;
        let shares = memberships.iter().filter(is_member).map(|membership| Share {
            group: membership.group.id,
            left: membership.left,
            next_refill: membership.group.next_refill_at,
        });
        let (_, purse) = purse(&account, shares.collect())?;
        let place = |membership: &Membership| {
            purse.shares().iter().position(|share| share.group == membership.group.id).unwrap_or(usize::MAX)
        };
        memberships.sort_by_key(&place);
        for membership in &mut memberships {
            membership.left = purse.shares().get(place(membership)).map_or(0, |share| share.left);
        }
        Ok(QuotaParts { total: purse.total(), own: purse.own(), memberships })
    }

    /// What changed somebody's quota beside experiments, newest first; at most `limit` (≤ 200).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn quota_changes(&self, user: UserId, limit: u32) -> Result<Vec<QuotaChange>> {
        let text =
            "SELECT q.id, q.group_id, q.by_id, b.email AS by_email, q.cause, q.before_wells, q.after_wells, q.note,
                q.created_at
            FROM quota_changes q LEFT JOIN users b ON b.id = q.by_id WHERE q.user_id = $1 ORDER BY q.id DESC LIMIT $2";
        let rows = sql!(text, user, i64::from(limit.clamp(1, MOST_LINES))).all(self.reader()).await?;
        rows.iter().map(read_change).collect()
    }
}

async fn memberships(on: &impl ConnectionTrait, user: UserId) -> Result<Vec<Membership>> {
    let text = format!(
        "SELECT {GROUP}, m.standing, m.left_wells FROM group_members m JOIN groups g ON g.id = m.group_id
         WHERE m.user_id = $1 ORDER BY g.name_key"
    );
    let read = |row: &Row| {
        Ok(Membership { group: read_group(row)?, standing: row.get("standing")?, left: row.get("left_wells")? })
    };
    sql!(text, user).all(on).await?.iter().map(read).collect()
}

fn read_change(row: &Row) -> Result<QuotaChange> {
    Ok(QuotaChange {
        id: row.get("id")?,
        group_id: row.get("group_id")?,
        by: row.get("by_id")?,
        by_email: row.get("by_email")?,
        cause: row.get("cause")?,
        before: row.get("before_wells")?,
        after: row.get("after_wells")?,
        note: row.get("note")?,
        created_at: row.get("created_at")?,
    })
}
