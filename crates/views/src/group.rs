//! Groups, who is in them, and where somebody's quota comes from.

use chrono::{DateTime, Utc};
use domain::{GroupId, QuotaCause, QuotaRequestId, Standing, UserId};
use serde::Serialize;
use store::{DecidedRequest, Group, GroupLine, Member, Membership, QuotaChange, QuotaParts, QuotaRequest};
use utoipa::ToSchema;

/// A group: a class or a course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GroupView {
    #[schema(value_type = Uuid)]
    pub id: GroupId,
    #[schema(example = "Colour 101")]
    pub name: String,
    /// Wells of each member from one refill to the next.
    pub allowance: i32,
    /// Wells that its teachers may grant beside them from one refill to the next.
    pub reserve: i32,
    pub reserve_left: i32,
    /// `never`, `weekly monday`, or `on` with days.
    #[schema(example = "weekly monday")]
    pub refill: String,
    /// Where its days begin.
    #[schema(example = "Europe/Zurich")]
    pub time_zone: &'static str,
    #[schema(required = true)]
    pub refilled_at: Option<DateTime<Utc>>,
    /// Null where there is none any more.
    #[schema(required = true)]
    pub next_refill_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id,
            name: group.name,
            allowance: group.allowance,
            reserve: group.reserve,
            reserve_left: group.reserve_left,
            refill: group.refill.to_string(),
            time_zone: group.time_zone.name(),
            refilled_at: group.refilled_at,
            next_refill_at: group.next_refill_at,
            created_at: group.created_at,
        }
    }
}

/// A group in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GroupLineView {
    #[serde(flatten)]
    pub group: GroupView,
    pub members: u32,
    pub teachers: u32,
    /// Requests for more that wait.
    pub waiting: u32,
}

impl From<GroupLine> for GroupLineView {
    fn from(line: GroupLine) -> Self {
        let GroupLine { group, members, teachers, waiting } = line;
        Self { group: group.into(), members, teachers, waiting }
    }
}

/// Somebody in a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemberView {
    #[schema(value_type = Uuid)]
    pub id: UserId,
    pub email: String,
    #[schema(value_type = StandingName)]
    pub standing: Standing,
    /// Wells left of the group's allowance; null of who teaches it.
    #[schema(required = true)]
    pub left: Option<i32>,
    /// Wells that they may still ask for, wherever they come from.
    pub quota_remaining: i32,
    pub disabled: bool,
    pub joined_at: DateTime<Utc>,
    /// The institution's account says so: they are taken out when it doesn't any more.
    pub by_provider: bool,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { user_id: id, email, standing, left, quota_remaining, disabled, joined_at, by_provider } = member;
        Self { id, email, standing, left, quota_remaining, disabled, joined_at, by_provider }
    }
}

/// The values of what somebody is in a group (for the documentation; [`Standing`] is the type).
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::Standing to OpenAPI, which domain knows nothing of")]
pub enum StandingName {
    Member,
    Teacher,
}

/// A wish for more wells that waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuotaRequestView {
    #[schema(value_type = Uuid)]
    pub id: QuotaRequestId,
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    pub email: String,
    /// Wells that they may ask for now.
    pub quota_remaining: i32,
    /// Whose reserve is asked for; null where the lab's administrators are.
    #[schema(value_type = Option<Uuid>, required = true)]
    pub group_id: Option<GroupId>,
    #[schema(required = true)]
    pub group_name: Option<String>,
    pub wells: i32,
    pub reason: String,
    pub created_at: DateTime<Utc>,
}

impl From<QuotaRequest> for QuotaRequestView {
    fn from(request: QuotaRequest) -> Self {
        let QuotaRequest { id, user_id, email, quota_remaining, group_id, group_name, wells, reason, created_at } =
            request;
        Self { id, user_id, email, quota_remaining, group_id, group_name, wells, reason, created_at }
    }
}

/// How many wells somebody may ask for, and where they come from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuotaView {
    /// Wells that may be asked for now.
    pub remaining: i32,
    /// Those of them that no refill takes.
    pub own: i32,
    /// What is spent first comes first; then groups that they teach.
    pub groups: Vec<QuotaOfGroup>,
    /// What they ask for that waits.
    #[schema(required = true)]
    pub request: Option<QuotaRequestView>,
    /// How the last one ended, if it did.
    #[schema(required = true)]
    pub decided: Option<DecidedRequestView>,
    /// What changed it beside experiments, newest first: the last 50.
    pub history: Vec<QuotaChangeView>,
}

/// What is left of one group's allowance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuotaOfGroup {
    #[schema(value_type = Uuid)]
    pub group_id: GroupId,
    pub name: String,
    #[schema(value_type = StandingName)]
    pub standing: Standing,
    /// Wells; none of what they teach.
    pub left: i32,
    pub allowance: i32,
    #[schema(required = true)]
    pub next_refill_at: Option<DateTime<Utc>>,
}

/// How a wish for more ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DecidedRequestView {
    pub wells: i32,
    /// 0 where it was refused.
    pub granted: i32,
    pub decided_at: DateTime<Utc>,
}

/// A change of somebody's quota by anything but experiments.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuotaChangeView {
    #[schema(value_type = QuotaCauseName)]
    pub cause: QuotaCause,
    /// Wells that could be asked for.
    pub before: i32,
    pub after: i32,
    #[schema(value_type = Option<Uuid>, required = true)]
    pub group_id: Option<GroupId>,
    /// Who did it; null for the lab itself and whoever has the database.
    #[schema(required = true)]
    pub by: Option<String>,
    /// Why, in their words.
    #[schema(required = true)]
    pub note: Option<String>,
    pub at: DateTime<Utc>,
}

/// Why a quota became another (for the documentation; [`QuotaCause`] is the type).
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::QuotaCause to OpenAPI, which domain knows nothing of")]
pub enum QuotaCauseName {
    Set,
    Provider,
    Joined,
    Left,
    Refilled,
    Granted,
}

impl QuotaView {
    pub fn of(
        parts: QuotaParts,
        request: Option<QuotaRequest>,
        decided: Option<DecidedRequest>,
        history: Vec<QuotaChange>,
    ) -> Self {
        let decided = decided.map(|DecidedRequest { wells, granted, decided_at }| DecidedRequestView {
            wells,
            granted,
            decided_at,
        });
        Self {
            remaining: parts.total,
            own: parts.own,
            groups: parts.memberships.into_iter().map(QuotaOfGroup::from).collect(),
            request: request.map(QuotaRequestView::from),
            decided,
            history: history.into_iter().map(QuotaChangeView::from).collect(),
        }
    }
}

impl From<Membership> for QuotaOfGroup {
    fn from(membership: Membership) -> Self {
        let Membership { group, standing, left } = membership;
        let Group { id: group_id, name, allowance, next_refill_at, .. } = group;
        Self { group_id, name, standing, left, allowance, next_refill_at }
    }
}

impl From<QuotaChange> for QuotaChangeView {
    fn from(change: QuotaChange) -> Self {
        let QuotaChange { group_id, by_email: by, cause, before, after, note, created_at: at, .. } = change;
        Self { cause, before, after, group_id, by, note, at }
    }
}
