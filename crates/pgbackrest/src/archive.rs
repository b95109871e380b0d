//! Up to which moment the archived log reaches: the time of its last commit, read from its last segment.
//!
//! pgBackRest knows names of segments and no times. PostgreSQL doesn't start when it was told to stop at a moment after the last
//! commit that it finds, so a moment must be known to lie before it *before* anything is replaced.

use crate::{
    PgBackRest,
    error::{Error, Result},
    history::{History, Timeline},
    info::Repository,
    run::{Line, Out, run},
};
use chrono::{DateTime, NaiveDateTime, Utc};
use flate2::read::GzDecoder;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// So many segments are looked into, from the last on: a server that nobody writes to archives some without a commit.
const SEGMENTS_LOOKED_INTO: usize = 8;
/// PostgreSQL makes none larger.
const LARGEST_SEGMENT: u64 = 1 << 30;
/// Hex digits of a segment's name.
const NAME: usize = 24;
/// To read one segment.
const READING: Duration = Duration::from_secs(120);
/// Where Debian's packages have PostgreSQL's programs.
const DEBIAN: &str = "/usr/lib/postgresql";

impl PgBackRest {
    /// The timeline that a restore follows: the newest.
    pub(crate) async fn history(&self, repository: &Repository, stop: &CancellationToken) -> Result<History> {
        let names = self.names(repository, &repository.archive, stop).await?;
        let newest = names.iter().filter_map(|name| Timeline::of_history(name)).max().unwrap_or(Timeline(1));
        let Some(file) = newest.history_file() else { return Ok(History::first()) };
        let scratch = scratch()?;
        let place = scratch.path().join(&file);
        self.fetch(repository, &format!("{}/{file}", repository.archive), &place, stop).await?;
        let text = fs::read_to_string(place)?;
        History::read(newest, &text).map_err(|why| Error::NotUnderstood { command: "repo-get", why })
    }

    /// When the last commit was made that is in the archive, on this timeline itself.
    ///
    /// # Errors
    /// There is none, or it can't be read; the sentence says why.
    pub(crate) async fn last_commit(
        &self,
        repository: &Repository,
        timeline: Timeline,
        stop: &CancellationToken,
    ) -> Result<DateTime<Utc>> {
        let of_timeline = |name: &String| Timeline::of_segment(name) == Some(timeline);
        let mut directories = self.names(repository, &repository.archive, stop).await?;
        directories.retain(|name| name.len() == NAME - 8 && of_timeline(name));
        let mut looked_into = 0;
        for directory in directories.iter().rev().map(|name| format!("{}/{name}", repository.archive)) {
            let mut segments = self.names(repository, &directory, stop).await?;
            segments.retain(|name| is_segment(name));
            for segment in segments.iter().rev().take(SEGMENTS_LOOKED_INTO - looked_into) {
                looked_into += 1;
                let found = self.last_commit_in(repository, &format!("{directory}/{segment}"), stop).await?;
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            if looked_into == SEGMENTS_LOOKED_INTO {
                break;
            }
        }
        Err(Error::Repository(format!("there is no commit in the last {looked_into} pieces of the archived log")))
    }

    async fn last_commit_in(
        &self,
        repository: &Repository,
        path: &str,
        stop: &CancellationToken,
    ) -> Result<Option<DateTime<Utc>>> {
        let scratch = scratch()?;
        let packed = scratch.path().join(path.rsplit('/').next().unwrap_or(path));
        self.fetch(repository, path, &packed, stop).await?;
        // pg_waldump knows a segment by its name.
        let name = packed.file_name().and_then(|name| name.to_str()).and_then(|name| name.get(..NAME));
        let segment = scratch.path().join("plain").join(name.unwrap_or_default());
        unpack(packed, segment.clone(), stop).await?;
        dump(&repository.version, &segment, stop).await
    }

    /// Names in a directory of the repository, in order.
    async fn names(&self, repository: &Repository, directory: &str, stop: &CancellationToken) -> Result<Vec<String>> {
        let mut command = self.command("repo-ls");
        command.arg(format!("--repo={}", repository.key)).arg(directory);
        let text = self.told("repo-ls", command, READING, stop).await?;
        let mut names: Vec<_> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// A file of the repository, decrypted and not unpacked.
    async fn fetch(&self, repository: &Repository, path: &str, to: &Path, stop: &CancellationToken) -> Result<()> {
        let mut command = self.command("repo-get");
        command.arg(format!("--repo={}", repository.key)).arg(path);
        self.drive("repo-get", command, Out::Into(File::create_new(to)?), READING, stop, &mut |_| {}).await
    }
}

/// A directory that is nobody else's to read: what is in the log is as secret as the database.
fn scratch() -> Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("tincture-wal-").tempdir()?)
}

/// Not what a server left unfinished when another began a timeline (`.partial`).
fn is_segment(name: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.get(..NAME).is_some_and(hex) && name.get(NAME..).is_some_and(|rest| rest.starts_with('-'))
}

async fn unpack(packed: PathBuf, to: PathBuf, stop: &CancellationToken) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(&to))?;
    let extension = packed.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let program = match extension {
        "gz" => return spawn_blocking(move || unpack_gzip(&packed, &to)).await.map_err(io::Error::other)?,
        "zst" => "zstd",
        "lz4" => "lz4",
        "bz2" => "bzip2",
        _ => return Ok(fs::rename(packed, to)?),
    };
    let mut command = Command::new(program);
    command.arg("-dc").arg(&packed);
    let status = run(command, Out::Into(File::create_new(to)?), READING, stop, |_| {}).await?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Damaged(format!("{} can't be unpacked by {program}", packed.display()))),
    }
}

fn unpack_gzip(packed: &Path, to: &Path) -> Result<()> {
    let mut plain = io::Read::take(GzDecoder::new(File::open(packed)?), LARGEST_SEGMENT);
    let copied = io::copy(&mut plain, &mut File::create_new(to)?);
    copied.map(drop).map_err(|error| Error::Damaged(format!("the last piece of the archived log: {error}")))
}

/// The time of the last transaction that a segment says was committed or rolled back.
async fn dump(version: &str, segment: &Path, stop: &CancellationToken) -> Result<Option<DateTime<Utc>>> {
    let packaged = Path::new(DEBIAN).join(version).join("bin/pg_waldump");
    let program = if packaged.exists() { packaged } else { PathBuf::from("pg_waldump") };
    let mut command = Command::new(program);
    command.arg("--rmgr=Transaction").arg(segment).env("TZ", "UTC");
    let mut last = None;
    let tell = |line| {
        if let Line::Out(text) = line {
            last = ended_at(&String::from_utf8_lossy(&text)).or(last);
        }
    };
    // It fails at the end of what was written, which is how every last segment ends.
    run(command, Out::Lines, READING, stop, tell).await?;
    Ok(last)
}

/// Of a line like `rmgr: Transaction … desc: COMMIT 2026-11-24 09:30:00.123456 UTC; …`. Times alone are what PostgreSQL looks
/// for, when it is to stop at one.
fn ended_at(line: &str) -> Option<DateTime<Utc>> {
    let (_, said) = line.split_once("desc: ")?;
    let mut words = said.split_whitespace();
    if !matches!(words.next()?, "COMMIT" | "ABORT" | "COMMIT_PREPARED" | "ABORT_PREPARED") {
        return None;
    }
    let rest = said.split_once(' ')?.1;
    // A prepared one has its name before the time.
    let rest = rest.split_once("): ").map_or(rest, |(_, rest)| rest);
    let time = rest.split(" UTC").next()?;
    let time = time.rsplit_once(": ").map_or(time, |(_, time)| time);
    Some(NaiveDateTime::parse_from_str(time.trim(), "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_transaction_tells_its_time() {
        let at = |text: &str| Some(text.parse::<DateTime<Utc>>().expect("a time"));
        for (line, time) in [
            (
                "rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/03000188, prev 0/03000150, desc: COMMIT 2026-11-24 09:30:00.123456 UTC",
                at("2026-11-24T09:30:00.123456Z"),
            ),
            (
                "rmgr: Transaction len (rec/tot):    405/   405, tx:        736, lsn: 0/03001B78, prev 0/03001B30, desc: COMMIT 2026-11-24 09:30:01.000001 UTC; inval msgs: catcache 80 catcache 79",
                at("2026-11-24T09:30:01.000001Z"),
            ),
            ("rmgr: Transaction lsn: 0/1, desc: ABORT 2026-11-24 09:30:02.5 UTC", at("2026-11-24T09:30:02.500Z")),
            (
                "rmgr: Transaction lsn: 0/1, desc: COMMIT_PREPARED 736: 2026-11-24 09:30:03.250000 UTC",
                at("2026-11-24T09:30:03.250Z"),
            ),
            ("rmgr: Transaction lsn: 0/1, desc: ASSIGNMENT xtop 736: subxacts: 737", None),
            ("pg_waldump: error: error in WAL record at 0/3001D10", None),
        ] {
            assert_eq!(ended_at(line), time, "{line}");
        }
    }

    #[test]
    fn a_segment_is_known_by_its_name() {
        assert!(is_segment("000000010000000000000004-f1d2.gz") && is_segment("000000010000000000000004-f1d2"));
        for name in ["000000010000000000000004.partial-f1d2.gz", "000000010000000000000004.00000028.backup", "00000002.history"] {
            assert!(!is_segment(name), "{name}");
        }
    }
}
