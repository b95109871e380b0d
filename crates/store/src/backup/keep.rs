//! Which backups stay when others go.

use super::Backup;
use std::collections::BTreeSet;

/// What is kept, counted from the newest. The newest sound one always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many, whenever they were made.
    pub last: usize,
    /// The last of each of so many days (UTC) that have one.
    pub daily: usize,
    /// The last of each of so many weeks (from Monday) that have one.
    pub weekly: usize,
}

impl Keep {
    /// Those that go. `backups` are newest first.
    pub fn superfluous<'a>(&self, backups: &'a [Backup]) -> Vec<&'a Backup> {
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        kept.extend(backups.first().map(|newest| newest.name.as_str()));
        // One that is known to be damaged keeps none of the others' places.
        let sound: Vec<&Backup> = backups.iter().filter(|backup| backup.is_sound()).collect();
        kept.extend(sound.iter().take(self.last.max(1)).map(|backup| backup.name.as_str()));
        kept.extend(last_of_each(&sound, self.daily, |backup| backup.manifest.created_at.date_naive()));
        kept.extend(last_of_each(&sound, self.weekly, |backup| {
            backup.manifest.created_at.date_naive().week(chrono::Weekday::Mon).first_day()
        }));
        backups.iter().filter(|backup| !kept.contains(backup.name.as_str())).collect()
    }
}

fn last_of_each<'a, P: Ord>(backups: &[&'a Backup], most: usize, period: impl Fn(&Backup) -> P) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let firsts = backups.iter().filter(|backup| seen.insert(period(backup)));
    firsts.take(most).map(|backup| backup.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::test_manifest, *};
    use crate::backup::Verified;
    use chrono::{DateTime, Utc};

    fn made(times: &[&str]) -> Vec<Backup> {
        let one = |at: &&str| {
            let created_at: DateTime<Utc> = at.parse().expect("a time");
            Backup { name: (*at).to_owned(), manifest: test_manifest(created_at), verified: None }
        };
        times.iter().map(one).collect()
    }

    fn left(keep: Keep, backups: &[Backup]) -> Vec<&str> {
        let going: Vec<&str> = keep.superfluous(backups).iter().map(|backup| backup.name.as_str()).collect();
        backups.iter().map(|backup| backup.name.as_str()).filter(|name| !going.contains(name)).collect()
    }

    const TIMES: [&str; 6] = [
        "2026-11-24T18:00:00Z",
        "2026-11-24T06:00:00Z",
        "2026-11-23T06:00:00Z",
        "2026-11-22T23:00:00Z",
        "2026-11-22T06:00:00Z",
        "2026-11-10T06:00:00Z",
    ];

    #[test]
    fn the_newest_stays_whatever_is_asked() {
        assert_eq!(left(Keep::default(), &made(&TIMES)), [TIMES[0]]);
        assert_eq!(left(Keep::default(), &[]), Vec::<&str>::new());
    }

    #[test]
    fn the_last_of_each_day_and_week_stays() {
        let backups = made(&TIMES);
        assert_eq!(left(Keep { last: 2, ..Keep::default() }, &backups), TIMES[..2]);
        assert_eq!(left(Keep { daily: 3, ..Keep::default() }, &backups), [TIMES[0], TIMES[2], TIMES[3]]);
        // The 22nd is a Sunday: the week before that of the 24th.
        assert_eq!(left(Keep { weekly: 3, ..Keep::default() }, &backups), [TIMES[0], TIMES[3], TIMES[5]]);
        assert_eq!(left(Keep { daily: 99, ..Keep::default() }, &backups).len(), 4);
    }

    #[test]
    fn a_damaged_one_is_nobodys_reason_to_go() {
        let mut backups = made(&TIMES);
        backups[0].verified = Some(Verified { at: Utc::now(), fault: Some("its checksum".to_owned()) });
        assert_eq!(left(Keep { last: 1, ..Keep::default() }, &backups), [TIMES[0], TIMES[1]]);
    }
}
