//! Checksums of tables that come out the same whatever a database makes of a value: PostgreSQL sorts an object's keys and
//! writes numbers and times its own way.

use super::table::Column;
use crate::rows::Kind;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use data_encoding::HEXLOWER;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Write as _},
    net::IpAddr,
};
use uuid::Uuid;

/// How many rows, and the sum of their SHA-256 in any order (four times 64 bits, each without its carry).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: u64,
    lanes: [u64; 4],
}

impl Sum {
    /// # Errors
    /// Why a value can't be read.
    pub(super) fn add(&mut self, columns: &[Column], row: &[Option<String>]) -> Result<(), String> {
        let mut hash = Sha256::new();
        for (column, value) in columns.iter().zip(row) {
            let Some(value) = value else {
                hash.update([0]);
                continue;
            };
            let value = canonical(column.kind, value).map_err(|why| format!("{}: {why}", column.name))?;
            hash.update([1]);
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value.as_bytes());
        }
        let digest = hash.finalize();
        for (lane, bytes) in self.lanes.iter_mut().zip(digest.chunks_exact(8)) {
            let number = bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
            *lane = lane.wrapping_add(number);
        }
        self.rows += 1;
        Ok(())
    }
}

/// As sums are told: the first 64 bits are enough to see that two differ.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.lanes[0])
    }
}

/// Hex SHA-256 of all tables' sums.
pub(super) fn fingerprint(sums: &[Sum]) -> String {
    let mut hash = Sha256::new();
    for sum in sums {
        hash.update(sum.rows.to_le_bytes());
        sum.lanes.iter().for_each(|lane| hash.update(lane.to_le_bytes()));
    }
    HEXLOWER.encode(&hash.finalize())
}

/// What is sent for a value: JSON as it is, so that a number keeps its digits; anything else in its one form.
pub(super) fn sent(kind: Kind, value: &str) -> Result<Cow<'_, str>, String> {
    if kind == Kind::Json { Ok(value.into()) } else { canonical(kind, value) }
}

/// One form of a value, however it is written. A time is cut to the microsecond, which is all that PostgreSQL keeps.
pub(crate) fn canonical(kind: Kind, value: &str) -> Result<Cow<'_, str>, String> {
    let unreadable = |what: &str| format!("{value:.60?} isn't {what}");
    Ok(match kind {
        Kind::Text => value.into(),
        Kind::Id => Uuid::parse_str(value).map_err(|_| unreadable("an id"))?.simple().to_string().into(),
        Kind::Number => value.parse::<i64>().map_err(|_| unreadable("a number"))?.to_string().into(),
        Kind::Address => value.parse::<IpAddr>().map_err(|_| unreadable("an address"))?.to_string().into(),
        Kind::Time => {
            let at = DateTime::parse_from_rfc3339(value).map_err(|_| unreadable("a time"))?.with_timezone(&Utc);
            at.trunc_subsecs(6).to_rfc3339_opts(SecondsFormat::Micros, true).into()
        }
        Kind::Json => {
            let mut text = String::with_capacity(value.len());
            serde_json::from_str(value)
                .and_then(|value: &RawValue| write_json(value, &mut text))
                .map_err(|error| format!("it isn't JSON ({error})"))?;
            text.into()
        }
    })
}

/// Keys sorted, of two that are equal the last, no spaces, numbers by [`write_number`].
fn write_json(value: &RawValue, to: &mut String) -> serde_json::Result<()> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            to.push('{');
            for (key, value) in fields {
                to.push_str(&serde_json::to_string(&key)?);
                to.push(':');
                write_json(value, to)?;
                to.push(',');
            }
            to.push('}');
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text)?;
            to.push('[');
            for value in values {
                write_json(value, to)?;
                to.push(',');
            }
            to.push(']');
        }
        Some(b'"') => to.push_str(&serde_json::to_string(&serde_json::from_str::<String>(text)?)?),
        Some(b'-' | b'0'..=b'9') => write_number(text, to),
        _ => to.push_str(text),
    }
    Ok(())
}

/// The decimal number itself, digits and a power of ten, so that `1e-7` is `0.0000001` and no digit is rounded.
fn write_number(text: &str, to: &mut String) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        to.push('0');
        return;
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    // An exponent that is no number of this size is no number of PostgreSQL's either.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    let power = exponent + zeros as i64 - fraction.len() as i64;
    let _ = write!(to, "{sign}{significant}e{power}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(kind: Kind, one: &str, other: &str) {
        assert_eq!(canonical(kind, one).expect("a value"), canonical(kind, other).expect("a value"), "{one} {other}");
    }

    #[test]
    fn a_value_has_one_form() {
        same(Kind::Id, "0193F7C2A1B27C3D8E4F5061728394A5", "0193f7c2-a1b2-7c3d-8e4f-5061728394a5");
        same(Kind::Time, "2026-01-01T00:00:00.123456789+00:00", "2026-01-01T00:00:00.123456Z");
        same(Kind::Time, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.000000Z");
        same(Kind::Address, "2001:DB8:0:0::1", "2001:db8::1");
        same(Kind::Json, r#"{"b":[1,"ü"],"a":null}"#, r#"{"a": null, "b": [1, "\u00fc"]}"#);
        for (one, other) in
            [("1e-7", "0.0000001"), ("1E2", "100"), ("1.50", "1.5"), ("-0.0", "0"), ("1e16", "10000000000000000")]
        {
            same(Kind::Json, one, other);
        }
        for (kind, wrong) in [(Kind::Id, "x"), (Kind::Time, "now"), (Kind::Json, "{"), (Kind::Number, "1.5")] {
            canonical(kind, wrong).expect_err(wrong);
        }
    }

    #[test]
    fn another_value_has_another_form() {
        for (one, other) in
            [("1", "-1"), ("1", "10"), ("0.1", "0.01"), ("9007199254740993", "9007199254740992"), ("[]", "{}")]
        {
            assert_ne!(canonical(Kind::Json, one), canonical(Kind::Json, other), "{one} {other}");
        }
    }

    #[test]
    fn a_sum_sees_every_column_and_row_and_no_order() {
        let columns: Vec<Column> =
            ["a", "b"].iter().map(|name| Column { name: (*name).to_owned(), kind: Kind::Text }).collect();
        let sum = |rows: &[[Option<&str>; 2]]| {
            let mut sum = Sum::default();
            for row in rows {
                sum.add(&columns, &row.map(|value| value.map(str::to_owned))).expect("a row");
            }
            sum
        };
        let rows = [[Some("x"), Some("yz")], [None, Some("")]];
        assert_eq!(sum(&rows), sum(&[rows[1], rows[0]]));
        for others in [[Some("xy"), Some("z")], [Some("x"), None], [None, Some("yz")]] {
            assert_ne!(sum(&rows), sum(&[others, rows[1]]));
        }
        assert_ne!(sum(&[rows[0], rows[0]]), sum(&[]), "a row that is there twice doesn't take itself away");
        assert_ne!(sum(&[[None, Some("")]]), sum(&[[Some(""), None]]));
    }
}
