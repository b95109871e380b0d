//! Times as people read them: how long ago on the page, the exact time behind it. Here all are UTC; `frame.js` says them
//! by the clock of whoever reads.

use chrono::{DateTime, SecondsFormat, Utc};

const WEEK_S: i64 = 604_800;

/// One moment, ready for a template.
#[derive(Clone, Debug)]
pub struct When {
    /// RFC 3339, UTC.
    pub iso: String,
    /// Like `23 November 2026, 13:01 UTC`.
    pub full: String,
    /// Like `5 min ago`.
    pub ago: String,
    /// Longer ago than a week, so that `ago` is a date.
    pub is_long_ago: bool,
    /// Like `13:01:07`, UTC.
    pub clock: String,
    /// Like `23 Nov 2026`, UTC.
    pub day: String,
}

impl When {
    pub fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            iso: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            full: at.format("%-d %B %Y, %H:%M UTC").to_string(),
            ago: ago(at, now),
            is_long_ago: (now - at).num_seconds() >= WEEK_S,
            clock: at.format("%H:%M:%S").to_string(),
            day: day(at),
        }
    }
}

fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - at).num_seconds() {
        ..45 => "just now".to_owned(),
        seconds @ 45..3_600 => format!("{} min ago", (seconds + 30) / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        seconds @ 86_400..WEEK_S => format!("{} d ago", seconds / 86_400),
        _ => day(at),
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y").to_string()
}

/// A length of time to come, like `about 4 min`. The browser counts it on.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".to_owned();
    }
    match seconds.ceil() as u64 {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds @ 90..5_400 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally_and_nonsense_is_a_dash() {
        let said = [0.2, 89.0, 91.0, 5_399.0, 7_300.0, f64::NAN, -1.0].map(duration);
        assert_eq!(said, ["1 s", "89 s", "2 min", "90 min", "2 h 1 min", "—", "—"]);
    }

    #[test]
    fn a_moment_that_is_ahead_of_our_clock_is_now() {
        let now = Utc::now();
        assert_eq!(When::new(now + chrono::TimeDelta::seconds(30), now).ago, "just now");
        assert_eq!(When::new(now - chrono::TimeDelta::seconds(7_300), now).ago, "2 h ago");
    }
}
