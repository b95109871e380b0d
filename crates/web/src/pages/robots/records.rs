//! Whether the raw records of what the lab does wait for their document store longer than they should.

use crate::when::When;
use chrono::{DateTime, TimeDelta, Utc};
use store::Waiting;

/// They are carried over at once; a store that changes its primary is away for some seconds.
const USUAL: TimeDelta = TimeDelta::minutes(1);

/// What the document store lacks.
#[derive(Clone, Debug)]
pub struct Behind {
    pub count: u64,
    /// Since when the oldest waits; nothing where all that wait were refused.
    pub since: Option<When>,
    /// How many of them the document store doesn't take.
    pub refused: u64,
}

impl Behind {
    /// Nothing while all goes its way.
    pub fn of(waiting: Option<Waiting>, now: DateTime<Utc>) -> Option<Self> {
        let Waiting { count, refused, oldest } = waiting?;
        let since = oldest.filter(|oldest| *oldest + USUAL < now);
        (since.is_some() || refused > 0).then(|| Self { count, refused, since: since.map(|at| When::new(at, now)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_said_only_when_records_wait_long_or_were_refused() {
        let now = Utc::now();
        let waiting =
            |seconds: i64, refused| Waiting { count: 3, refused, oldest: Some(now - TimeDelta::seconds(seconds)) };
        assert!(Behind::of(None, now).is_none());
        assert!(Behind::of(Some(Waiting::default()), now).is_none());
        assert!(Behind::of(Some(waiting(50, 0)), now).is_none(), "under way");
        let late = Behind::of(Some(waiting(3_600, 0)), now).expect("a word");
        assert_eq!((late.count, late.refused, late.since.expect("since when").ago), (3, 0, "1 h ago".to_owned()));
        let refused = Behind::of(Some(waiting(1, 2)), now).expect("a word");
        assert!(refused.refused == 2 && refused.since.is_none());
    }
}
