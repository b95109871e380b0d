//! Timelines: each restore and each promotion begins a new one, which has its past from another up to a position.

use crate::info::Backup;
use std::{fmt, str::FromStr};

/// Hex digits of each of a segment's three numbers.
const DIGITS: usize = 8;

/// Number of a timeline; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timeline(pub u32);

impl Timeline {
    /// By the name of a segment of its log, or of a directory of them.
    pub fn of_segment(name: &str) -> Option<Self> {
        u32::from_str_radix(name.get(..DIGITS)?, 16).ok().map(Self)
    }

    /// By the name of the file that tells its past.
    pub fn of_history(name: &str) -> Option<Self> {
        let number = name.strip_suffix(".history")?;
        (number.len() == DIGITS).then(|| Self::of_segment(number)).flatten()
    }

    /// The file that tells its past. The first has none.
    pub fn history_file(self) -> Option<String> {
        (self.0 > 1).then(|| format!("{:08X}.history", self.0))
    }
}

/// A position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lsn(u64);

impl FromStr for Lsn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |text: &str| u32::from_str_radix(text, 16).map(u64::from).map_err(|_| "no position in the log");
        let (high, low) = text.trim().split_once('/').ok_or("no position in the log")?;
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// A timeline with its past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    pub timeline: Timeline,
    /// Those before it, and where each was left.
    past: Vec<(Timeline, Lsn)>,
}

impl History {
    /// Of a database that was never restored or promoted.
    pub const fn first() -> Self {
        Self { timeline: Timeline(1), past: Vec::new() }
    }

    /// `text` is what its history file says: a line a timeline, `1  0/5000108  before 2026-11-24 …`.
    pub fn read(timeline: Timeline, text: &str) -> Result<Self, String> {
        let mut past = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let read =
                words.next().and_then(|number| number.parse().ok()).zip(words.next().and_then(|lsn| lsn.parse().ok()));
            let (number, left) = read.ok_or_else(|| format!("the history of timeline {} has '{line}'", timeline.0))?;
            past.push((Timeline(number), left));
        }
        Ok(Self { timeline, past })
    }

    /// Whether a timeline is this one or of its past.
    pub fn knows(&self, timeline: Timeline) -> bool {
        timeline == self.timeline || self.past.iter().any(|(past, _)| *past == timeline)
    }

    /// Whether its data can be brought on along this timeline.
    pub fn has(&self, backup: &Backup) -> bool {
        let on = backup.start.timeline;
        let left = self.past.iter().find(|(timeline, _)| *timeline == on);
        on == self.timeline || left.is_some_and(|(_, left)| backup.stop <= *left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{archive::Segment, info::Kind};
    use chrono::DateTime;

    fn backup(timeline: u32, stop: &str) -> Backup {
        Backup {
            name: "20261124-093000F".to_owned(),
            kind: Kind::Full,
            began: DateTime::UNIX_EPOCH,
            ended: DateTime::UNIX_EPOCH,
            size: 0,
            stored: 0,
            sound: true,
            start: Segment::named(&format!("{timeline:08X}0000000000000001")).expect("a segment"),
            stop: stop.parse().expect("a position"),
        }
    }

    #[test]
    fn names_tell_timelines() {
        assert_eq!(Timeline::of_segment("0000000200000003000000A0-abc.gz"), Some(Timeline(2)));
        assert_eq!(Timeline::of_history("0000000A.history"), Some(Timeline(10)));
        assert_eq!(Timeline(10).history_file().as_deref(), Some("0000000A.history"));
        assert_eq!(Timeline(1).history_file(), None);
        for name in ["archive.info", "000000", "0000000A", "00000002.history.gz"] {
            assert_eq!(Timeline::of_history(name), None, "{name}");
        }
    }

    #[test]
    fn what_was_undone_is_no_part_of_a_history() {
        let text = "1\t0/5000108\tbefore 2026-11-24 09:30:00+00\n\n2\t0/7000000\tno recovery target specified\n";
        let history = History::read(Timeline(3), text).expect("a history");
        for (timeline, stop, has) in [
            (1, "0/5000108", true),
            (1, "0/5000109", false),
            (2, "0/6FFFFFF", true),
            (2, "1/0", false),
            (3, "5/0", true),
            (4, "0/1", false),
        ] {
            assert_eq!(history.has(&backup(timeline, stop)), has, "{timeline} {stop}");
        }
        assert!(History::read(Timeline(2), "one 0/1").is_err());
    }
}
