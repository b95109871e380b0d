//! Groups, who is in them, and where people's quota comes from.

use chrono::{DateTime, Utc};
use domain::{GroupId, QuotaCause, QuotaChangeId, QuotaRequestId, Refill, Standing, UserId, Zone};

/// A class or course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    /// Unique in any case.
    pub name: String,
    /// Wells of each member, whole again with each refill.
    pub allowance: i32,
    /// Wells that its teachers may grant from one refill to the next, and those of them that are left.
    pub reserve: i32,
    pub reserve_left: i32,
    pub refill: Refill,
    /// Where its days begin.
    pub time_zone: Zone,
    pub refilled_at: Option<DateTime<Utc>>,
    /// Nothing where there is none any more.
    pub next_refill_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLine {
    pub group: Group,
    pub members: u32,
    pub teachers: u32,
    /// Requests that wait.
    pub waiting: u32,
}

/// A group to be made, or what it is to be from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTerms {
    pub name: String,
    pub allowance: i32,
    pub reserve: i32,
    pub refill: Refill,
    pub time_zone: Zone,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user_id: UserId,
    pub email: String,
    pub standing: Standing,
    /// Of the group's allowance; nothing of who teaches it.
    pub left: Option<i32>,
    /// Wells that they may still ask for, wherever they come from.
    pub quota_remaining: i32,
    pub disabled: bool,
    pub joined_at: DateTime<Utc>,
    /// A provider of identity put them there, and takes them out again.
    pub by_provider: bool,
}

/// A group that somebody is in, with what is left there of its allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub group: Group,
    pub standing: Standing,
    pub left: i32,
}

/// Where a person's quota comes from now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaParts {
    pub total: i32,
    /// What is no group's.
    pub own: i32,
    /// Soonest refill first; then what they teach.
    pub memberships: Vec<Membership>,
}

/// A change of somebody's quota by anything but experiments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaChange {
    pub id: QuotaChangeId,
    pub group_id: Option<GroupId>,
    /// Whoever did it, with their address; nothing for the lab itself and whoever has the database.
    pub by: Option<UserId>,
    pub by_email: Option<String>,
    pub cause: QuotaCause,
    /// Wells that could be asked for.
    pub before: i32,
    pub after: i32,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A wish for more wells that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRequest {
    pub id: QuotaRequestId,
    pub user_id: UserId,
    pub email: String,
    /// Wells that they may ask for now.
    pub quota_remaining: i32,
    /// Whose reserve is asked for, with its name; nothing where the lab's administrators are asked.
    pub group_id: Option<GroupId>,
    pub group_name: Option<String>,
    pub wells: i32,
    pub reason: String,
    pub created_at: DateTime<Utc>,
}

/// The same to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewQuotaRequest {
    pub user_id: UserId,
    pub group_id: Option<GroupId>,
    pub wells: i32,
    pub reason: String,
}

/// How somebody's last wish ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedRequest {
    pub wells: i32,
    pub granted: i32,
    pub decided_at: DateTime<Utc>,
}

/// Whose quota became another, and by whom: for the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Because<'a> {
    pub cause: QuotaCause,
    pub group: Option<GroupId>,
    pub by: Option<UserId>,
    pub note: Option<&'a str>,
}
