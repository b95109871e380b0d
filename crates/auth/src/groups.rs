//! Groups: what administrators make of them, and what teachers and members do in them. Who may do which is asked before, by
//! the table of permissions; whose group it is, here.

use crate::{AuthError, EmailAddress, Identity, Service, account::check_quota, service::activity};
use async_recursion::async_recursion as boxed;
use domain::{
    FaultCode, GroupId, Permission, QuotaRequestId, Refill, RefillError, Standing, UserId, Zone,
    text::{self, TextError},
};
use serde_json::json;
use std::net::IpAddr;
use store::{Group, GroupTerms, NewQuotaRequest, StoreError};

/// People who are put into a group at once by their addresses.
pub const MOST_ADDED: usize = 200;
/// What a new group is, unless something else is said: wells of each member, those beside them that its teachers may grant, and
/// when they are whole again.
pub const USUAL_ALLOWANCE: i32 = 48;
pub const USUAL_RESERVE: i32 = 96;
pub const USUAL_REFILL: Refill = Refill::Weekly(chrono::Weekday::Mon);
/// Wells that somebody may ask for more: ten plates.
pub const MOST_ASKED: i32 = 960;
/// Unknown addresses that an error repeats.
const REPEATED: usize = 3;

/// Why nothing was done to a group, or to what somebody asks of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("there is no such group, or it isn't yours")]
    NoSuchGroup,
    #[error("they aren't in this group")]
    NoSuchMember,
    #[error("there is no such request, or it isn't asked of you")]
    NoSuchRequest,
    #[error("the group's name can't be kept: {0}")]
    Name(TextError),
    #[error("there is a group of this name already; names differ by more than capitals")]
    NameTaken,
    #[error(transparent)]
    Refill(#[from] RefillError),
    #[error("'{0}' is no time zone; they are called like Europe/Zurich, or UTC")]
    TimeZone(String),
    #[error("people are in this group; say that it is to go with its members, or take them out first")]
    InUse,
    #[error("a group has at most {most} people")]
    Full { most: usize },
    #[error("one of them is in as many groups as may be; take them out of another one first")]
    TooManyGroups,
    #[error("name 1 to {MOST_ADDED} e-mail addresses")]
    NobodyNamed,
    #[error("nobody has an account with the address {0}")]
    Unknown(String),
    #[error("ask for 1 to {MOST_ASKED} wells")]
    Wells,
    #[error("say in one line why you need them: {0}")]
    Reason(TextError),
    #[error("what you asked for before still waits for an answer")]
    RequestOpen,
    #[error("this was granted or refused already")]
    Decided,
    #[error(
        "the group has {left} wells left to grant until its next refill; grant fewer, or ask an administrator for a larger reserve"
    )]
    ReserveSpent { left: i32 },
}

impl GroupError {
    pub(crate) const fn code(&self) -> FaultCode {
        match self {
            Self::NoSuchGroup | Self::NoSuchMember | Self::NoSuchRequest => FaultCode::NotFound,
            Self::Name(_)
            | Self::Refill(_)
            | Self::TimeZone(_)
            | Self::NobodyNamed
            | Self::Unknown(_)
            | Self::Wells
            | Self::Reason(_) => FaultCode::InvalidRequest,
            Self::NameTaken
            | Self::InUse
            | Self::Full { .. }
            | Self::TooManyGroups
            | Self::RequestOpen
            | Self::Decided
            | Self::ReserveSpent { .. } => FaultCode::IllegalTransition,
        }
    }

    /// The member of a request's body that it is about.
    pub const fn pointer(&self) -> Option<&'static str> {
        match self {
            Self::Name(_) => Some("/name"),
            Self::Refill(_) => Some("/refill"),
            Self::TimeZone(_) => Some("/time_zone"),
            Self::NobodyNamed | Self::Unknown(_) => Some("/emails"),
            Self::Wells => Some("/wells"),
            Self::Reason(_) => Some("/reason"),
            _ => None,
        }
    }

    /// What the store says of groups; nothing for all else.
    pub(crate) fn of(error: &StoreError) -> Option<Self> {
        Some(match error {
            StoreError::NotFound("group") => Self::NoSuchGroup,
            StoreError::NotFound("member of this group") => Self::NoSuchMember,
            StoreError::NotFound("request") => Self::NoSuchRequest,
            StoreError::GroupNameTaken => Self::NameTaken,
            StoreError::GroupInUse => Self::InUse,
            StoreError::GroupFull { most } => Self::Full { most: *most },
            StoreError::TooManyGroups => Self::TooManyGroups,
            StoreError::RequestOpen => Self::RequestOpen,
            StoreError::RequestDecided => Self::Decided,
            StoreError::ReserveSpent { left } => Self::ReserveSpent { left: *left },
            _ => return None,
        })
    }
}

/// What a group is to be; what isn't given stays, or is the usual of a new one.
#[derive(Clone, Debug, Default)]
pub struct GroupWish {
    pub name: Option<String>,
    /// Wells of each member from one refill to the next.
    pub allowance: Option<i32>,
    /// Wells that teachers may grant beside them.
    pub reserve: Option<i32>,
    /// As [`Refill`] is written.
    pub refill: Option<String>,
    /// As the IANA calls it. That of the newest group unless given, else UTC.
    pub time_zone: Option<String>,
}

impl GroupWish {
    fn on(self, before: GroupTerms) -> Result<GroupTerms, AuthError> {
        let name = self.name.map_or(before.name, |name| name.trim().to_owned());
        text::name(&name, text::LONGEST_GROUP_NAME).map_err(GroupError::Name)?;
        let zone = self
            .time_zone
            .map(|zone| zone.trim().parse::<Zone>().map_err(|_| GroupError::TimeZone(zone.chars().take(40).collect())));
        Ok(GroupTerms {
            name,
            allowance: self.allowance.map_or(Ok(before.allowance), check_quota)?,
            reserve: self.reserve.map_or(Ok(before.reserve), check_quota)?,
            refill: self.refill.map_or(Ok(before.refill), |refill| refill.parse()).map_err(GroupError::Refill)?,
            time_zone: zone.transpose()?.unwrap_or(before.time_zone),
        })
    }
}

/// Whose groups somebody may look at: their own, or all.
fn taught_by(by: Option<&Identity>) -> Option<UserId> {
    by.filter(|by| !Permission::SeeGroups.reaches_others(by.role())).map(Identity::user_id)
}

impl Service {
    /// Makes a group: with [`USUAL_ALLOWANCE`], [`USUAL_RESERVE`] and [`USUAL_REFILL`], where the newest one is, unless said otherwise.
    ///
    /// # Errors
    /// `InvalidQuota`; `Group` with `Name`, `NameTaken`, `Refill`, `TimeZone`
    #[boxed]
    pub async fn create_group(
        &self,
        wish: GroupWish,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<Group, AuthError> {
        let usual = GroupTerms {
            name: String::new(),
            allowance: USUAL_ALLOWANCE,
            reserve: USUAL_RESERVE,
            refill: USUAL_REFILL,
            time_zone: self.store.newest_time_zone().await?.unwrap_or(Zone::UTC),
        };
        let terms = wish.on(usual)?;
        let by = activity(by.map(Identity::user_id), "group_made", told(&terms), ip);
        Ok(self.store.create_group(&terms, &by).await?)
    }

    /// Changes what a group is. A new allowance counts from the next refill on, a new reserve at once.
    ///
    /// # Errors
    /// As [`Service::create_group`]; `NoSuchGroup`
    #[boxed]
    pub async fn update_group(
        &self,
        id: GroupId,
        wish: GroupWish,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<Group, AuthError> {
        let Group { name, allowance, reserve, refill, time_zone, .. } = self.group(by, id).await?;
        let terms = wish.on(GroupTerms { name, allowance, reserve, refill, time_zone })?;
        let mut details = told(&terms);
        details["group"] = json!(id);
        let by = activity(by.map(Identity::user_id), "group_changed", details, ip);
        Ok(self.store.update_group(id, &terms, &by).await?)
    }

    /// Removes a group. What is left of its allowance goes with it; experiments, and what is people's own, stay.
    ///
    /// # Errors
    /// `NoSuchGroup`; `InUse` where somebody is in it and `with_members` isn't said.
    #[boxed]
    pub async fn delete_group(
        &self,
        id: GroupId,
        with_members: bool,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let name = self.group(by, id).await?.name;
        let by = activity(by.map(Identity::user_id), "group_removed", json!({ "group": id, "name": name }), ip);
        Ok(self.store.delete_group(id, with_members, &by).await?)
    }

    /// Puts people into a group by their addresses: all of them or nobody.
    ///
    /// # Errors
    /// `NoSuchGroup`, `NobodyNamed`, `Unknown`, `Full`, `TooManyGroups`
    #[boxed]
    pub async fn add_to_group(
        &self,
        id: GroupId,
        emails: &[String],
        standing: Standing,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let emails = emails.iter().map(|email| email.parse::<EmailAddress>().map(|email| email.to_string()));
        let emails = emails.collect::<Result<Vec<_>, _>>()?;
        if emails.is_empty() || emails.len() > MOST_ADDED {
            return Err(GroupError::NobodyNamed.into());
        }
        let known = self.store.taken_emails(&emails).await?;
        let unknown: Vec<_> = emails.iter().filter(|email| !known.contains_key(*email)).cloned().collect();
        if !unknown.is_empty() {
            let more = if unknown.len() > REPEATED { ", …" } else { "" };
            let named = unknown.iter().take(REPEATED).cloned().collect::<Vec<_>>().join(", ");
            return Err(GroupError::Unknown(named + more).into());
        }
        let users: Vec<_> = known.into_values().collect();
        let details = json!({ "group": id, "users": users, "standing": standing });
        let by = activity(by.map(Identity::user_id), "group_joined", details, ip);
        Ok(self.store.add_to_group(id, &users, standing, &by).await?)
    }

    /// Takes somebody out of a group.
    ///
    /// # Errors
    /// `NoSuchGroup`, `NoSuchMember`
    #[boxed]
    pub async fn remove_from_group(
        &self,
        id: GroupId,
        user: UserId,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let by = activity(by.map(Identity::user_id), "group_left", json!({ "group": id, "user": user }), ip);
        Ok(self.store.remove_from_group(id, user, &by).await?)
    }

    /// Makes a group's allowances and reserve whole now. Its calendar goes on.
    ///
    /// # Errors
    /// `NoSuchGroup`
    #[boxed]
    pub async fn refill_group(&self, id: GroupId, by: Option<&Identity>, ip: Option<IpAddr>) -> Result<(), AuthError> {
        let by = activity(by.map(Identity::user_id), "group_refilled", json!({ "group": id }), ip);
        Ok(self.store.refill_group(id, &by).await?)
    }

    /// A group that somebody may look at: they teach it, or administer the lab. Others' aren't told apart from none.
    ///
    /// # Errors
    /// `NoSuchGroup`
    #[boxed]
    pub async fn group(&self, by: Option<&Identity>, id: GroupId) -> Result<Group, AuthError> {
        Ok(self.store.group(id, taught_by(by)).await?.ok_or(GroupError::NoSuchGroup)?)
    }

    /// Who must teach a group so that somebody may look at it; nothing for whoever may look at all.
    pub fn looks_at_groups_of(&self, by: &Identity) -> Option<UserId> {
        taught_by(Some(by))
    }

    /// Asks for more wells: of one's group's teachers, or the lab's administrators.
    ///
    /// # Errors
    /// `Wells`, `Reason`; `RequestOpen` while another one waits; `NoSuchGroup` where one is no member of it.
    #[boxed]
    pub async fn ask_for_quota(
        &self,
        me: &Identity,
        group_id: Option<GroupId>,
        wells: i32,
        reason: &str,
        ip: Option<IpAddr>,
    ) -> Result<QuotaRequestId, AuthError> {
        if !(1..=MOST_ASKED).contains(&wells) {
            return Err(GroupError::Wells.into());
        }
        let reason = reason.trim();
        text::name(reason, text::LONGEST_REASON).map_err(GroupError::Reason)?;
        let new = NewQuotaRequest { user_id: me.user_id(), group_id, wells, reason: reason.to_owned() };
        let details = json!({ "group": group_id, "wells": wells });
        let by = activity(Some(me.user_id()), "quota_asked", details, ip);
        Ok(self.store.ask_for_quota(&new, &by).await?)
    }

    /// Grants what somebody asks for, or so many wells of it. Gives how many it was.
    ///
    /// # Errors
    /// `Wells`, `NoSuchRequest`, `Decided`, `ReserveSpent`
    #[boxed]
    pub async fn grant_quota(
        &self,
        id: QuotaRequestId,
        wells: Option<i32>,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<i32, AuthError> {
        if wells.is_some_and(|wells| !(1..=MOST_ASKED).contains(&wells)) {
            return Err(GroupError::Wells.into());
        }
        let act = activity(by.map(Identity::user_id), "quota_granted", json!({ "request": id }), ip);
        Ok(self.store.grant_quota(id, taught_by(by), wells, &act).await?)
    }

    /// Refuses it.
    ///
    /// # Errors
    /// `NoSuchRequest`, `Decided`
    #[boxed]
    pub async fn refuse_quota(
        &self,
        id: QuotaRequestId,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let act = activity(by.map(Identity::user_id), "quota_refused", json!({ "request": id }), ip);
        Ok(self.store.refuse_quota(id, taught_by(by), &act).await?)
    }
}

fn told(terms: &GroupTerms) -> serde_json::Value {
    let GroupTerms { name, allowance, reserve, refill, time_zone } = terms;
    let (refill, zone) = (refill.to_string(), time_zone.name());
    json!({ "name": name, "allowance": allowance, "reserve": reserve, "refill": refill, "time_zone": zone })
}
