//! Where the wells come from that somebody may ask for: an allowance of each of their groups, refilled by a calendar, and
//! what is their own (`docs/decisions/0024-groups.md`).

use crate::{GroupId, experiment::named_states};
use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A place's clocks, by its name in the IANA's list, like `Europe/Zurich`.
pub use chrono_tz::Tz as Zone;

/// Dates of one group's calendar: many years of terms.
pub const MOST_DATES: usize = 40;

named_states! {
    /// What somebody is in a group.
    Standing {
        /// Has the group's allowance.
        Member = "member",
        /// Sees and steers what members do, and grants them more. Has no allowance of the group's.
        Teacher = "teacher",
    }
}

/// What a provider of identity says of somebody and a group of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The group's name; the lab may have none of it.
    pub group: String,
    /// Nothing where they aren't to be in it.
    pub standing: Option<Standing>,
}

named_states! {
    /// Why somebody's quota is another.
    QuotaCause {
        /// An administrator said how many wells are left.
        Set = "set",
        /// The provider of identity says something else than at the last sign-in.
        Provider = "provider",
        Joined = "joined",
        /// Also where the group is no more.
        Left = "left",
        /// The group's calendar, or whoever did it by hand.
        Refilled = "refilled",
        /// What was asked for.
        Granted = "granted",
    }
}

/// When a group's allowance is whole again: at the first moment of a day, where the group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refill {
    Never,
    /// Each week on this day.
    Weekly(Weekday),
    /// On these days, in order: the beginnings of terms.
    On(Vec<NaiveDate>),
}

/// Why a text is no calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a refill is `never`, `weekly monday` (or another day), or `on` with up to {MOST_DATES} days like \
     `on 2027-02-15 2027-09-06`"
)]
pub struct RefillError;

impl Refill {
    /// The first refill after this moment; nothing where there is none any more.
    pub fn next(&self, zone: Zone, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let later = |date| first_moment(zone, date).filter(|moment| *moment > after);
        match self {
            Self::Never => None,
            Self::On(dates) => dates.iter().copied().find_map(later),
            Self::Weekly(day) => {
                let today = after.with_timezone(&zone).date_naive();
                let ahead = (7 + day.num_days_from_monday() - today.weekday().num_days_from_monday()) % 7;
                // Of this day's own first moment the next week's comes after.
                [ahead, ahead + 7].into_iter().find_map(|days| later(today.checked_add_days(Days::new(days.into()))?))
            }
        }
    }
}

/// The first moment of a day somewhere. Clocks that go forward at midnight begin it later; a day that was left out altogether
/// begins with the next.
fn first_moment(zone: Zone, date: NaiveDate) -> Option<DateTime<Utc>> {
    let midnight = NaiveDateTime::new(date, NaiveTime::MIN);
    // All shifts of clocks known are of whole quarters of an hour, but for one day.
    (0..=4 * 25).find_map(|quarters| {
        match zone.from_local_datetime(&midnight.checked_add_signed(TimeDelta::minutes(15 * quarters))?) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment.with_timezone(&Utc)),
            LocalResult::None => None,
        }
    })
}

impl fmt::Display for Refill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Weekly(day) => write!(f, "weekly {}", day_name(*day).to_lowercase()),
            Self::On(dates) => {
                f.write_str("on")?;
                dates.iter().try_for_each(|date| write!(f, " {date}"))
            }
        }
    }
}

impl FromStr for Refill {
    type Err = RefillError;

    /// Dates come in any order, with spaces or commas between.
    fn from_str(text: &str) -> Result<Self, RefillError> {
        let text = text.to_lowercase();
        let mut words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        let (first, rest) = (words.next().ok_or(RefillError)?, words.collect::<Vec<_>>());
        match (first, rest.as_slice()) {
            ("never", []) => Ok(Self::Never),
            ("weekly", []) => Ok(Self::Weekly(Weekday::Mon)),
            ("weekly", [day]) => day.parse().map(Self::Weekly).map_err(|_| RefillError),
            ("on", dates @ [_, ..]) if dates.len() <= MOST_DATES => {
                let dates =
                    dates.iter().map(|date| date.parse::<NaiveDate>().ok().filter(|date| is_of_our_time(*date)));
                let mut dates = dates.collect::<Option<Vec<_>>>().ok_or(RefillError)?;
                dates.sort_unstable();
                dates.dedup();
                Ok(Self::On(dates))
            }
            _ => Err(RefillError),
        }
    }
}

fn is_of_our_time(date: NaiveDate) -> bool {
    (2000..=2200).contains(&date.year())
}

/// In English.
pub const fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

/// What is left of one group's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub group: GroupId,
    pub left: i32,
    /// When it is whole again.
    pub next_refill: Option<DateTime<Utc>>,
}

/// How many wells somebody may ask for, and where they come from. They are spent from what is whole again soonest, and from
/// what is the person's own last.
///
/// An experiment changes the sum alone. Where each of its wells came from is settled when a part changes: what was spent
/// since the last time then comes from the parts in that order, and what came back goes to the first, to be used until its
/// next refill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purse {
    own: i32,
    shares: Vec<Share>,
}

impl Purse {
    /// `own` and `shares` as they were settled last, with what may be asked for now. Shares come soonest first from here on.
    pub fn settle(remaining: i32, own: i32, mut shares: Vec<Share>) -> Self {
        // Without a calendar comes last.
        shares.sort_by_key(|share| (share.next_refill.is_none(), share.next_refill, share.group));
        let mut purse = Self { own, shares };
        let spent = purse.remaining() - i64::from(remaining);
        if spent < 0 {
            let back = wells(-spent);
            match purse.shares.first_mut() {
                Some(first) => first.left = first.left.saturating_add(back),
                None => purse.own = purse.own.saturating_add(back),
            }
        } else {
            purse.take(wells(spent));
        }
        purse.cover_own();
        purse
    }

    /// What is missing of the person's own is taken from the rest.
    fn cover_own(&mut self) {
        let missing = -self.own.min(0);
        self.own += missing;
        self.take(missing);
    }

    fn remaining(&self) -> i64 {
        i64::from(self.own) + self.shares.iter().map(|share| i64::from(share.left)).sum::<i64>()
    }

    fn take(&mut self, mut wanted: i32) {
        for share in &mut self.shares {
            let taken = wanted.min(share.left).max(0);
            share.left -= taken;
            wanted -= taken;
        }
        self.own -= wanted;
    }

    /// Wells that may be asked for.
    pub fn total(&self) -> i32 {
        wells(self.remaining())
    }

    /// What no group's refill and no leaving takes.
    pub const fn own(&self) -> i32 {
        self.own
    }

    /// Soonest refill first.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    fn share(&mut self, group: GroupId) -> Option<&mut Share> {
        self.shares.iter_mut().find(|share| share.group == group)
    }

    /// The group's allowance is whole again: what was left of it is no more, and neither is what came back or was granted.
    pub fn refill(&mut self, group: GroupId, allowance: i32) {
        if let Some(share) = self.share(group) {
            share.left = allowance;
        }
    }

    /// So many (0 or more) may be asked for now: the difference is the person's own, as far as that goes.
    pub fn set(&mut self, total: i32) {
        self.own = self.own.saturating_add(total.saturating_sub(self.total()));
        self.cover_own();
    }

    /// More, until the group's next refill; for good where no group gives it.
    pub fn grant(&mut self, group: Option<GroupId>, more: i32) {
        match group.and_then(|group| self.share(group)) {
            Some(share) => share.left = share.left.saturating_add(more),
            None => self.own = self.own.saturating_add(more),
        }
    }

    pub fn join(&mut self, share: Share) {
        self.shares.push(share);
    }

    /// What is left of the group's stays with the group.
    pub fn leave(&mut self, group: GroupId) {
        self.shares.retain(|share| share.group != group);
    }
}

fn wells(count: i64) -> i32 {
    i32::try_from(count.max(0)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn refill(text: &str) -> Refill {
        text.parse().expect("a calendar")
    }

    fn zone(text: &str) -> Zone {
        text.parse().expect("a zone")
    }

    #[test]
    fn a_week_begins_where_the_group_is_and_clocks_that_change_do_not_matter() {
        let (monday, zurich) = (refill("weekly monday"), zone("Europe/Zurich"));
        // Monday, 30 November 2026, 00:00 in Zurich.
        assert_eq!(monday.next(zurich, at("2026-11-29T22:59:59Z")), Some(at("2026-11-29T23:00:00Z")));
        assert_eq!(monday.next(zurich, at("2026-11-29T23:00:00Z")), Some(at("2026-12-06T23:00:00Z")));
        // Over the end of summer time, on 25 October.
        assert_eq!(monday.next(zurich, at("2026-10-19T12:00:00Z")), Some(at("2026-10-25T23:00:00Z")));
        assert_eq!(
            monday.next(zone("Pacific/Kiritimati"), at("2026-11-29T09:00:00Z")),
            Some(at("2026-11-29T10:00:00Z"))
        );
        // On 6 September 2026 Chile's clocks go from midnight to one.
        assert_eq!(
            refill("weekly sunday").next(zone("America/Santiago"), at("2026-09-05T12:00:00Z")),
            Some(at("2026-09-06T04:00:00Z"))
        );
        // Samoa had no 30 December 2011.
        assert_eq!(
            first_moment(zone("Pacific/Apia"), "2011-12-30".parse().expect("a day")),
            Some(at("2011-12-30T10:00:00Z"))
        );
    }

    #[test]
    fn terms_begin_on_their_days_and_end_with_the_last() {
        let terms = refill("on 2027-09-06, 2027-02-15 2027-02-15");
        assert_eq!(terms.to_string(), "on 2027-02-15 2027-09-06");
        let utc = Zone::UTC;
        assert_eq!(terms.next(utc, at("2026-11-30T00:00:00Z")), Some(at("2027-02-15T00:00:00Z")));
        assert_eq!(terms.next(utc, at("2027-02-15T00:00:00Z")), Some(at("2027-09-06T00:00:00Z")));
        assert_eq!(terms.next(utc, at("2027-09-06T00:00:00Z")), None);
        assert_eq!(Refill::Never.next(utc, at("2027-09-06T00:00:00Z")), None);
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        for text in [
            "",
            "daily",
            "weekly someday",
            "weekly monday friday",
            "on",
            "on 2027-02-30",
            "on 9999-01-01",
            "never 2027-02-15",
        ] {
            assert_eq!(text.parse::<Refill>(), Err(RefillError), "{text}");
        }
        assert_eq!(format!("on{}", " 2027-02-15".repeat(MOST_DATES + 1)).parse::<Refill>(), Err(RefillError));
        assert_eq!(refill("Weekly Fri"), Refill::Weekly(Weekday::Fri));
    }

    fn any_refill() -> impl Strategy<Value = Refill> {
        prop_oneof![
            (0u8..7).prop_map(|day| Refill::Weekly(Weekday::try_from(day).expect("a day"))),
            proptest::collection::btree_set(0u64..4_000, 1..MOST_DATES).prop_map(|days| {
                let first: NaiveDate = "2024-01-01".parse().expect("a day");
                Refill::On(days.into_iter().map(|day| first + Days::new(day)).collect())
            }),
        ]
    }

    fn any_zone() -> impl Strategy<Value = Zone> {
        proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec())
    }

    proptest! {
        /// Each refill is after the moment, on a day of the calendar, the first of its day there, and none lies between.
        #[test]
        fn the_next_refill_is_the_first_after(refill in any_refill(), zone in any_zone(), seconds in 1_704_000_000i64..2_050_000_000) {
            let now = DateTime::from_timestamp(seconds, 0).expect("a time");
            prop_assert_eq!(refill.to_string().parse::<Refill>(), Ok(refill.clone()));
            let Some(next) = refill.next(zone, now) else {
                prop_assert!(matches!(&refill, Refill::On(dates) if first_moment(zone, *dates.last().expect("one")) <= Some(now)));
                return Ok(());
            };
            prop_assert!(next > now);
            let there = next.with_timezone(&zone);
            let before = (next - TimeDelta::seconds(1)).with_timezone(&zone);
            prop_assert!(before.date_naive() < there.date_naive(), "{before} {there}");
            match &refill {
                Refill::Weekly(day) => {
                    prop_assert_eq!(there.weekday(), *day);
                    prop_assert!(next - now <= TimeDelta::hours(7 * 24 + 2));
                }
                Refill::On(dates) => prop_assert!(dates.contains(&there.date_naive())),
                Refill::Never => unreachable!(),
            }
            // Whoever asks at any moment until then is told the same.
            prop_assert_eq!(refill.next(zone, next - TimeDelta::seconds(1)), Some(next));
            prop_assert_eq!(refill.next(zone, now + (next - now) / 2), Some(next));
        }

        /// Whatever is spent, given back, set and granted: the parts are the sum, none is below nothing, and a refill leaves the
        /// person's own alone.
        #[test]
        fn the_parts_are_always_the_sum(
            own in -50i32..200,
            lefts in proptest::collection::vec((0i32..100, proptest::option::of(0i64..1_000)), 0..4),
            remaining in 0i32..400,
            allowance in 0i32..100,
        ) {
            let share = |(left, next): (i32, Option<i64>)| Share {
                group: GroupId::new(), left, next_refill: next.and_then(|next| DateTime::from_timestamp(next, 0)),
            };
            let shares: Vec<_> = lefts.into_iter().map(share).collect();
            let sum: i32 = shares.iter().map(|share| share.left).sum();
            prop_assume!(own + sum >= 0);
            let mut purse = Purse::settle(remaining, own, shares.clone());
            prop_assert_eq!(purse.total(), remaining);
            prop_assert!(purse.own() >= 0 && purse.shares().iter().all(|share| share.left >= 0), "{:?}", purse);
            if own >= 0 {
                prop_assert!(purse.own() <= own || shares.is_empty(), "what comes back is no one's own where a group could have it");
                let from_groups = remaining >= own;
                prop_assert!(!from_groups || purse.own() == own || shares.is_empty(), "one's own goes last: {:?}", purse);
            }
            let kept = purse.own();
            if let Some(first) = shares.first() {
                purse.refill(first.group, allowance);
                let refilled = purse.shares().iter().find(|share| share.group == first.group).expect("it");
                prop_assert_eq!((purse.own(), refilled.left), (kept, allowance));
                purse.grant(Some(first.group), 7);
                purse.leave(first.group);
                prop_assert_eq!(purse.own(), kept);
                prop_assert!(!purse.shares().iter().any(|share| share.group == first.group));
            }
            purse.grant(None, 5);
            prop_assert_eq!(purse.own(), kept + 5);
            let before = purse.clone();
            purse.set(allowance);
            prop_assert_eq!(purse.total(), allowance);
            prop_assert!(purse.own() >= 0 && (purse.own() == 0 || purse.shares() == before.shares()), "{:?}", purse);
        }
    }
}
