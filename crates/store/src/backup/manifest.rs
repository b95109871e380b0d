//! What is written beside a backup: what must be in it, and whether anybody has looked.

use super::{
    copy::Examined,
    error::{BackupError, Result},
    pack::{self, Packed},
};
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

const MANIFEST: &str = "manifest.json";
const VERIFIED: &str = "verified.json";
/// Of either file.
const LONGEST: u64 = 1024 * 1024;
/// Of the files' layout. One that is higher is another release's.
const FORMAT: u32 = 1;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The tincture that made it.
    pub version: String,
    /// The moment that it shows, or just before.
    pub created_at: DateTime<Utc>,
    pub origin: Origin,
    /// The newest step of its schema.
    pub migration: String,
    /// Bytes.
    pub plain_size: u64,
    /// Bytes.
    pub packed_size: u64,
    /// SHA-256, hex.
    pub plain_sha256: String,
    /// SHA-256, hex.
    pub packed_sha256: String,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// How far the activity log was sealed, like `1234:5f70…`: an anchor for `tincture audit verify`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub activity: Option<String>,
}

/// Why it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody asked for it; only they remove it.
    Asked,
    /// By the lab itself, which removes it in its time.
    Schedule,
}

/// That a backup was read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub at: DateTime<Utc>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
}

impl Manifest {
    pub(super) fn new(created_at: DateTime<Utc>, origin: Origin, examined: Examined, packed: Packed) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: created_at.trunc_subsecs(3),
            origin,
            migration: examined.migration,
            plain_size: packed.plain_size,
            packed_size: packed.packed_size,
            plain_sha256: packed.plain_sha256,
            packed_sha256: packed.packed_sha256,
            rows: examined.rows,
            activity: examined.activity.map(|anchor| anchor.to_string()),
        }
    }

    /// Sorts by time.
    pub(super) fn usual_name(&self) -> String {
        let at = self.created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        format!("tincture-{}", at.replace([':', '.'], "").replace("-", ""))
    }

    /// # Errors
    /// `Damaged`, with the first difference.
    pub(super) fn compare(&self, found: &Examined) -> Result<()> {
        if self.migration != found.migration {
            let (ours, theirs) = (&self.migration, &found.migration);
            return Err(BackupError::damaged(format!("its schema is {theirs} where its manifest says {ours}")));
        }
        let tables = self.rows.keys().chain(found.rows.keys());
        for table in tables {
            let (ours, theirs) = (self.rows.get(table), found.rows.get(table));
            if ours != theirs {
                let count = |rows: Option<&u64>| rows.map_or("none".to_owned(), u64::to_string);
                let (ours, theirs) = (count(ours), count(theirs));
                return Err(BackupError::damaged(format!("{table} has {theirs} rows where its manifest says {ours}")));
            }
        }
        let sealed = found.activity.as_ref().map(ToString::to_string);
        if self.activity.as_ref().is_some_and(|ours| Some(ours) != sealed.as_ref()) {
            return Err(BackupError::damaged("its activity log isn't sealed as its manifest says"));
        }
        Ok(())
    }
}

pub(super) fn write(place: &Path, manifest: &Manifest) -> Result<()> {
    let text = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    pack::write_private(&place.join(MANIFEST), &text).map_err(|error| BackupError::at(place, error))
}

/// The manifest, or why there is none to be read.
pub(super) fn read(place: &Path) -> Result<Manifest, String> {
    let bytes = read_bounded(&place.join(MANIFEST)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "it has no manifest.json".to_owned(),
        _ => format!("its manifest.json can't be read ({error})"),
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| format!("its manifest.json can't be understood ({error})"))?;
    if manifest.format > FORMAT {
        return Err(format!("it was made by a newer tincture ({})", manifest.version));
    }
    Ok(manifest)
}

pub(super) fn write_verified(place: &Path, verified: &Verified) -> io::Result<()> {
    let text = serde_json::to_vec(verified).map_err(io::Error::other)?;
    let fresh = place.join(format!(".{VERIFIED}"));
    pack::write_private(&fresh, &text)?;
    std::fs::rename(fresh, place.join(VERIFIED))?;
    pack::sync_directory(place)
}

/// Nothing where nobody has looked, or what they wrote can't be read.
pub(super) fn read_verified(place: &Path) -> Option<Verified> {
    serde_json::from_slice(&read_bounded(&place.join(VERIFIED)).ok()?).ok()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST { Err(io::Error::other("it is longer than 1 MiB")) } else { Ok(bytes) }
}

#[cfg(test)]
pub(super) fn test_manifest(created_at: DateTime<Utc>) -> Manifest {
    let packed = Packed { plain_size: 1, packed_size: 1, plain_sha256: "a".into(), packed_sha256: "b".into() };
    let rows = BTreeMap::from([("users".to_owned(), 2)]);
    let examined = Examined { migration: "0001_accounts".to_owned(), rows, activity: None };
    Manifest::new(created_at, Origin::Asked, examined, packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time() {
        let manifest = test_manifest("2026-11-24T09:05:03.07Z".parse().expect("a time"));
        assert_eq!(manifest.usual_name(), "tincture-20261124T090503070Z");
    }

    #[test]
    fn a_manifest_that_is_anything_else_is_refused() {
        let place = tempfile::tempdir().expect("a directory");
        let put = |text: &str| std::fs::write(place.path().join(MANIFEST), text).expect("written");
        assert!(read(place.path()).expect_err("none").contains("no manifest.json"));
        for text in ["", "{}", "[1", "null", "{\"format\": 1}"] {
            put(text);
            assert!(read(place.path()).expect_err(text).contains("can't be understood"), "{text}");
        }
        put(&" ".repeat(2 << 20));
        assert!(read(place.path()).expect_err("long").contains("longer"));
        let newer = Manifest { format: 2, ..test_manifest(Utc::now()) };
        put(&serde_json::to_string(&newer).expect("JSON"));
        assert!(read(place.path()).expect_err("newer").contains("newer tincture"));
    }

    #[test]
    fn a_difference_is_named() {
        let manifest = test_manifest(Utc::now());
        let found = |rows: &[(&str, u64)]| Examined {
            migration: manifest.migration.clone(),
            rows: rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            activity: None,
        };
        assert!(manifest.compare(&found(&[("users", 2)])).is_ok());
        for (rows, says) in [
            (&[("users", 1)][..], "users has 1 rows where its manifest says 2"),
            (&[], "users has none rows"),
            (&[("users", 2), ("wells", 0)], "wells has 0 rows where its manifest says none"),
        ] {
            let error = manifest.compare(&found(rows)).expect_err("different").to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
