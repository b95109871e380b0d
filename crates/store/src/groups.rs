//! Groups: who teaches them, who is in them, and what that lets a teacher see.

use crate::{
    accounts::MOST_ROWS,
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    quota, quota_requests,
    records::{Because, Group, GroupLine, GroupTerms, Member, NewActivity, Page, Signal},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{GroupId, QuotaCause, Share, Standing, UserId, Zone};
use sea_orm::DatabaseTransaction;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// People in one group: what one refill changes.
pub const MOST_MEMBERS: usize = 1_000;
/// Groups that one person is in: what is settled for each of them.
const MOST_GROUPS_OF_ONE: i64 = 20;

/// The columns of a group `g`.
pub(crate) const GROUP: &str =
    "g.id, g.name, g.allowance, g.reserve, g.reserve_left, g.refill, g.time_zone, g.refilled_at,
    g.next_refill_at, g.created_at";

const NAMES: Columns = &[("name_key", Kind::Text)];
const MEMBERS: Columns = &[
    ("group_id", Kind::Id),
    ("user_id", Kind::Id),
    ("standing", Kind::Text),
    ("left_wells", Kind::Number),
    ("joined_at", Kind::Time),
];

/// Somebody whom the teacher `$1` teaches; `{owner}` is the member.
fn taught(owner: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM group_members t JOIN group_members s ON s.group_id = t.group_id
            WHERE t.user_id = $1 AND t.standing = 'teacher' AND s.user_id = {owner} AND s.standing = 'member')"
    )
}

impl Store {
    /// Makes a group, with its reserve whole.
    ///
    /// # Errors
    /// `GroupNameTaken`
    #[boxed]
    pub async fn create_group(&self, terms: &GroupTerms, by: &NewActivity) -> Result<Group> {
        let (id, at) = (GroupId::new(), now());
        let next = terms.refill.next(terms.time_zone, at);
        let text = "INSERT INTO groups (id, name, name_key, allowance, reserve, reserve_left, refill, time_zone,
                next_refill_at, created_at)
            VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9) ON CONFLICT (name_key) DO NOTHING";
        let mut by = by.clone();
        by.details["group"] = id.to_string().into();
        transact!(self, |tx| {
            let GroupTerms { name, allowance, reserve, refill, time_zone } = terms.clone();
            let key = name.to_lowercase();
            if sql!(text, id, name, key, allowance, reserve, refill, time_zone, next, at).execute(tx).await? == 0 {
                return Err(StoreError::GroupNameTaken);
            }
            activity::insert(self.backend(), &by).execute(tx).await
        });
        let GroupTerms { name, allowance, reserve, refill, time_zone } = terms.clone();
        Ok(Group {
            id,
            name,
            allowance,
            reserve,
            reserve_left: reserve,
            refill,
            time_zone,
            refilled_at: None,
            next_refill_at: next,
            created_at: at,
        })
    }

    /// Changes what a group is. A new allowance is each member's from the next refill on; a larger or smaller reserve counts
    /// at once.
    ///
    /// # Errors
    /// `NotFound`, `GroupNameTaken`
    #[boxed]
    pub async fn update_group(&self, id: GroupId, terms: &GroupTerms, by: &NewActivity) -> Result<Group> {
        let taken = "SELECT id FROM groups WHERE name_key = $1 AND id <> $2";
        let set =
            "UPDATE groups SET name = $2, name_key = $3, allowance = $4, reserve = $5, reserve_left = $6, refill = $7,
            time_zone = $8, next_refill_at = $9 WHERE id = $1";
        let group = transact!(self, |tx| {
            let before = self.lock_group(tx, id).await?;
            let GroupTerms { name, allowance, reserve, refill, time_zone } = terms.clone();
            let key = name.to_lowercase();
            if sql!(taken, key.as_str(), id).one(tx).await?.is_some() {
                return Err(StoreError::GroupNameTaken);
            }
            let reserve_left = before.reserve_left.saturating_add(reserve.saturating_sub(before.reserve)).max(0);
            let is_same_calendar = (&before.refill, before.time_zone) == (&refill, time_zone);
            // A time that has come and wasn't seen to yet still counts.
            let next_refill_at = if is_same_calendar { before.next_refill_at } else { refill.next(time_zone, now()) };
            let after = Group { name, allowance, reserve, reserve_left, refill, time_zone, next_refill_at, ..before };
            let Group { name, refill, .. } = after.clone();
            sql!(set, id, name, key, allowance, reserve, reserve_left, refill, time_zone, next_refill_at)
                .execute(tx)
                .await?;
            activity::insert(self.backend(), by).execute(tx).await?;
            Ok(after)
        });
        Ok(group)
    }

    /// Removes a group; its members keep what is their own, and their experiments.
    ///
    /// # Errors
    /// `NotFound`; `GroupInUse` where somebody is in it and `with_members` is not said.
    #[boxed]
    pub async fn delete_group(&self, id: GroupId, with_members: bool, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            self.lock_group(tx, id).await?;
            let any = sql!("SELECT user_id FROM group_members WHERE group_id = $1 LIMIT 1", id).one(tx).await?;
            if any.is_some() && !with_members {
                return Err(StoreError::GroupInUse);
            }
            let members = self.members_of(tx, id).await?;
            let because = Because { cause: QuotaCause::Left, group: Some(id), by: by.user_id, note: None };
            quota::change(tx, self.backend(), &members, because, |purse| purse.leave(id)).await?;
            quota_requests::close_of_group(tx, id, by.user_id).await?;
            for text in [
                "DELETE FROM group_members WHERE group_id = $1",
                "UPDATE invitations SET group_id = NULL WHERE group_id = $1",
                "DELETE FROM groups WHERE id = $1",
            ] {
                sql!(text, id).execute(tx).await?;
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// Puts people into a group as this. A new member has the whole allowance; who is in it already as this stays as they are.
    ///
    /// # Errors
    /// `NotFound` of the group, or of an account; `GroupFull`; `TooManyGroups` where one of them is in as many as may be.
    /// Nothing was written then.
    #[boxed]
    pub async fn add_to_group(
        &self,
        id: GroupId,
        users: &[UserId],
        standing: Standing,
        by: &NewActivity,
    ) -> Result<()> {
        transact!(self, |tx| { self.put_into_group(tx, id, users, standing, Some(by)).await });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// The same in a transaction that has more to do.
    pub(crate) async fn put_into_group(
        &self,
        tx: &DatabaseTransaction,
        id: GroupId,
        users: &[UserId],
        standing: Standing,
        by: Option<&NewActivity>,
    ) -> Result<()> {
        let group = self.lock_group(tx, id).await?;
        let rows = sql!("SELECT user_id, standing FROM group_members WHERE group_id = $1", id).all(tx).await?;
        let (mut same, mut other) = (HashSet::new(), HashSet::new());
        for row in &rows {
            let there = if row.get::<Standing>("standing")? == standing { &mut same } else { &mut other };
            there.insert(row.get::<UserId>("user_id")?);
        }
        let mut new: Vec<UserId> = users.iter().copied().filter(|user| !same.contains(user)).collect();
        new.sort_unstable();
        new.dedup();
        let moved: Vec<_> = new.iter().copied().filter(|user| other.contains(user)).collect();
        if rows.len() + new.len() - moved.len() > MOST_MEMBERS {
            return Err(StoreError::GroupFull { most: MOST_MEMBERS });
        }
        if new.is_empty() {
            return Ok(());
        }
        self.take_out(tx, &group, &moved, by.and_then(|by| by.user_id)).await?;
        check_accounts(tx, &new).await?;
        let left = match standing {
            Standing::Member => {
                let share = Share { group: id, left: group.allowance, next_refill: group.next_refill_at };
                let by = by.and_then(|by| by.user_id);
                let because = Because { cause: QuotaCause::Joined, group: Some(id), by, note: None };
                quota::change(tx, self.backend(), &new, because, |purse| purse.join(share)).await?;
                group.allowance
            }
            Standing::Teacher => 0,
        };
        let at = now();
        let rows = new.iter().map(|user| {
            GivenRow::default()
                .id("group_id", id.as_uuid())
                .id("user_id", user.as_uuid())
                .text("standing", standing.as_str())
                .number("left_wells", left)
                .time("joined_at", at)
        });
        Sql::new(self.backend().insert_rows("group_members", MEMBERS), vec![given(rows)]).execute(tx).await?;
        match by {
            Some(by) => activity::insert(self.backend(), by).execute(tx).await.map(drop),
            None => Ok(()),
        }
    }

    /// Takes somebody out of a group: what is left of its allowance stays with it, what they asked for goes on, and its
    /// teachers see nothing of theirs any more.
    ///
    /// # Errors
    /// `NotFound` of the group, or where they aren't in it.
    #[boxed]
    pub async fn remove_from_group(&self, id: GroupId, user: UserId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            let group = self.lock_group(tx, id).await?;
            if self.take_out(tx, &group, &[user], by.user_id).await? == 0 {
                return Err(StoreError::NotFound("member of this group"));
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// How many of them were in it.
    pub(crate) async fn take_out(
        &self,
        tx: &DatabaseTransaction,
        group: &Group,
        users: &[UserId],
        by: Option<UserId>,
    ) -> Result<u64> {
        if users.is_empty() {
            return Ok(0);
        }
        let because = Because { cause: QuotaCause::Left, group: Some(group.id), by, note: None };
        quota::change(tx, self.backend(), users, because, |purse| purse.leave(group.id)).await?;
        quota_requests::close_of_members(tx, group.id, users, by).await?;
        let gone = Sql::with_rows(
            "DELETE FROM group_members WHERE group_id = $1 AND user_id IN (VALUES",
            row_values![group.id],
            users.iter().map(|&user| row_values![user]).collect(),
            ")",
        );
        gone.execute(tx).await
    }

    /// Locked, so that what changes who is in it, its reserve and its calendar comes one after another.
    pub(crate) async fn lock_group(&self, tx: &DatabaseTransaction, id: GroupId) -> Result<Group> {
        let text = format!("SELECT {GROUP} FROM groups g WHERE g.id = $1{}", self.backend().for_update());
        read_group(&sql!(text, id).one(tx).await?.ok_or(StoreError::NotFound("group"))?)
    }

    /// Those who have the allowance.
    pub(crate) async fn members_of(&self, tx: &DatabaseTransaction, id: GroupId) -> Result<Vec<UserId>> {
        let text = "SELECT user_id FROM group_members WHERE group_id = $1 AND standing = 'member'";
        sql!(text, id).all(tx).await?.iter().map(|row| row.get("user_id")).collect()
    }

    /// The group of this id; `taught_by` is whoever must teach it, nothing for whoever may see all.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn group(&self, id: GroupId, taught_by: Option<UserId>) -> Result<Option<Group>> {
        let of = if taught_by.is_some() { TAUGHT_BY_2 } else { "" };
        let mut query = sql!(format!("SELECT {GROUP} FROM groups g WHERE g.id = $1{of}"), id);
        query.and_bind(taught_by);
        query.one(self.reader()).await?.map(|row| read_group(&row)).transpose()
    }

    /// The group of this name, in any case.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn group_by_name(&self, name: &str) -> Result<Option<Group>> {
        let text = format!("SELECT {GROUP} FROM groups g WHERE g.name_key = $1");
        let row = sql!(text, name.trim().to_lowercase()).one(self.reader()).await?;
        row.map(|row| read_group(&row)).transpose()
    }

    /// Where the newest group is, for the next one.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn newest_time_zone(&self) -> Result<Option<Zone>> {
        let text = "SELECT g.time_zone FROM groups g WHERE g.id < $1 ORDER BY g.id DESC LIMIT 1";
        let row = sql!(text, Uuid::max()).one(self.reader()).await?;
        row.map(|row| row.get("time_zone")).transpose()
    }

    /// Those of these names, in any case, by the name in lower case.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn groups_by_name(&self, names: &[String]) -> Result<HashMap<String, GroupId>> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let text = format!(
            "SELECT g.id, g.name_key FROM {given} CROSS JOIN groups g WHERE g.name_key = given.name_key",
            given = self.backend().rows(1, NAMES),
        );
        let names = given(names.iter().map(|name| GivenRow::default().text("name_key", name.to_lowercase())));
        let rows = Sql::new(text, vec![names]).all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.get("name_key")?, row.get("id")?))).collect()
    }

    /// Newest last; all, or those that somebody teaches. At most `limit` (≤ 200).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn groups(
        &self,
        taught_by: Option<UserId>,
        after: Option<GroupId>,
        limit: u32,
    ) -> Result<Page<GroupLine, GroupId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let of = if taught_by.is_some() { TAUGHT_BY_3 } else { "" };
        let text = format!(
            "SELECT {GROUP},
                (SELECT COUNT(*) FROM group_members m WHERE m.group_id = g.id AND m.standing = 'member') AS members,
                (SELECT COUNT(*) FROM group_members m WHERE m.group_id = g.id AND m.standing = 'teacher') AS teachers,
                (SELECT COUNT(*) FROM quota_requests r WHERE r.group_id = g.id AND r.decided_at IS NULL) AS waiting
             FROM groups g WHERE g.id > $1{of} ORDER BY g.id LIMIT $2"
        );
        let mut query = sql!(text, after.map_or(Uuid::nil(), GroupId::as_uuid), i64::from(limit) + 1);
        query.and_bind(taught_by);
        let lines = query.all(self.reader()).await?.iter().map(read_line).collect::<Result<_>>()?;
        Ok(Page::cut(lines, limit, |line: &GroupLine| line.group.id))
    }

    /// Who is in a group, by how long they have an account; at most `limit` (≤ 200).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn members(&self, id: GroupId, after: Option<UserId>, limit: u32) -> Result<Page<Member, UserId>> {
        let limit = limit.clamp(1, MOST_ROWS);
        let text = "SELECT m.user_id, u.email, m.standing, u.quota_remaining, u.quota_own, u.disabled_at IS NOT NULL AS disabled,
                m.joined_at, m.issuer IS NOT NULL AS by_provider
            FROM group_members m JOIN users u ON u.id = m.user_id
            WHERE m.group_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3";
        let rows = sql!(text, id, after.map_or(Uuid::nil(), UserId::as_uuid), i64::from(limit) + 1);
        let rows = rows.all(self.reader()).await?;
        let users = rows.iter().map(|row| row.get("user_id")).collect::<Result<Vec<UserId>>>()?;
        let mut shares = quota::shares_of(self.reader(), self.backend(), &users).await?;
        let member = |row: &Row| {
            let (_, purse) = quota::purse(row, shares.remove(&row.get("user_id")?).unwrap_or_default())?;
            let left = purse.shares().iter().find(|share| share.group == id).map(|share| share.left);
            read_member(row, left)
        };
        let members = rows.iter().map(member).collect::<Result<_>>()?;
        Ok(Page::cut(members, limit, |member: &Member| member.user_id))
    }

    /// Whether `teacher` teaches a group that `owner` is a member of.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn teaches(&self, teacher: UserId, owner: UserId) -> Result<bool> {
        let text = format!("SELECT u.id FROM users u WHERE u.id = $2 AND {}", taught("u.id"));
        Ok(sql!(text, teacher, owner).one(self.reader()).await?.is_some())
    }

    /// Those of these people whom `teacher` teaches.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn taught_among(&self, teacher: UserId, owners: &[UserId]) -> Result<HashSet<UserId>> {
        if owners.is_empty() {
            return Ok(HashSet::new());
        }
        let text = format!("SELECT u.id FROM users u WHERE {} AND u.id IN (VALUES", taught("u.id"));
        let owners = owners.iter().map(|&owner| row_values![owner]).collect();
        let rows = Sql::with_rows(&text, row_values![teacher], owners, ")").all(self.reader()).await?;
        rows.iter().map(|row| row.get("id")).collect()
    }
}

const TAUGHT_BY_2: &str = " AND EXISTS (SELECT 1 FROM group_members t
    WHERE t.group_id = g.id AND t.user_id = $2 AND t.standing = 'teacher')";
const TAUGHT_BY_3: &str = " AND g.id IN (SELECT t.group_id FROM group_members t
    WHERE t.user_id = $3 AND t.standing = 'teacher')";

/// That each of them is there, may come in, and is in few enough groups for one more.
async fn check_accounts(tx: &DatabaseTransaction, users: &[UserId]) -> Result<()> {
    let query = Sql::with_rows(
        "SELECT u.id, (SELECT COUNT(*) FROM group_members m WHERE m.user_id = u.id) AS groups FROM users u
         WHERE u.id IN (VALUES",
        Vec::new(),
        users.iter().map(|&user| row_values![user]).collect(),
        ")",
    );
    let rows = query.all(tx).await?;
    if rows.len() != users.len() {
        return Err(StoreError::NotFound("account"));
    }
    for row in &rows {
        if row.get::<i64>("groups")? >= MOST_GROUPS_OF_ONE {
            return Err(StoreError::TooManyGroups);
        }
    }
    Ok(())
}

/// The columns are those of [`GROUP`].
pub(crate) fn read_group(row: &Row) -> Result<Group> {
    Ok(Group {
        id: row.get("id")?,
        name: row.get("name")?,
        allowance: row.get("allowance")?,
        reserve: row.get("reserve")?,
        reserve_left: row.get("reserve_left")?,
        refill: row.get("refill")?,
        time_zone: row.get("time_zone")?,
        refilled_at: row.get("refilled_at")?,
        next_refill_at: row.get("next_refill_at")?,
        created_at: row.get("created_at")?,
    })
}

fn read_line(row: &Row) -> Result<GroupLine> {
    let count = |column| row.get::<i64>(column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let (members, teachers, waiting) = (count("members")?, count("teachers")?, count("waiting")?);
    Ok(GroupLine { group: read_group(row)?, members, teachers, waiting })
}

fn read_member(row: &Row, left: Option<i32>) -> Result<Member> {
    Ok(Member {
        user_id: row.get("user_id")?,
        email: row.get("email")?,
        standing: row.get("standing")?,
        left,
        quota_remaining: row.get("quota_remaining")?,
        disabled: row.get("disabled")?,
        joined_at: row.get("joined_at")?,
        by_provider: row.get("by_provider")?,
    })
}
