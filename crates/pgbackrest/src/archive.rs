//! Up to which moment the archived log reaches: the time of its last commit, read from its last segment.
//!
//! pgBackRest knows names of segments and no times. PostgreSQL doesn't start when it was told to stop at a moment after the last
//! commit that it finds, so a moment must be known to lie before it *before* anything is replaced.

use crate::{
    PgBackRest,
    error::{Error, Result},
    history::{History, Timeline},
    info::{Backup, Repository},
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

/// A piece of the log: its timeline and its number's two halves, as its name has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub timeline: Timeline,
    high: u32,
    low: u32,
}

impl Segment {
    /// By the first 24 characters of a name.
    pub fn named(name: &str) -> Option<Self> {
        let number = |from: usize| u32::from_str_radix(name.get(from..from + 8)?, 16).ok();
        Some(Self { timeline: Timeline(number(0)?), high: number(8)?, low: number(16)? })
    }

    /// Whether the other is the next. How many there are to a half depends on the server, but it is a power of two.
    const fn is_followed_by(self, next: Self) -> bool {
        let within = next.high == self.high && next.low == self.low + 1;
        let across = next.high == self.high + 1 && next.low == 0 && (self.low as u64 + 1).is_power_of_two();
        within || across
    }
}

/// The archived log, as far as its names tell.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// Of the newest timeline, which a restore follows.
    pub history: History,
    /// In order, with where each is below the archive.
    segments: Vec<(Segment, String)>,
}

impl Log {
    fn new(history: History, paths: &[String]) -> Self {
        let named = |path: &String| {
            let name = path.rsplit('/').next().filter(|name| is_segment(name))?;
            Some((Segment::named(name)?, path.clone()))
        };
        let mut segments: Vec<_> = paths.iter().filter_map(named).collect();
        segments.sort();
        Self { history, segments }
    }

    /// Whether the database can be brought on from this backup to the log's end: it belongs to the newest timeline's history,
    /// and nothing is missing in between.
    pub fn goes_on_from(&self, backup: &Backup) -> bool {
        self.history.has(backup) && self.gap_since(backup.start).is_none()
    }

    /// The last piece before something is missing, from a piece on which should be there too.
    pub fn gap_since(&self, start: Segment) -> Option<String> {
        let of_past = |(segment, _): &&(Segment, String)| {
            *segment >= start && segment.timeline <= self.history.timeline && self.history.knows(segment.timeline)
        };
        let since: Vec<_> = self.segments.iter().filter(of_past).collect();
        if since.first().is_none_or(|(first, _)| *first != start) {
            return Some("its first piece".to_owned());
        }
        let broken = since.windows(2).find(|pair| {
            let [(before, _), (after, _)] = pair else { return false };
            before.timeline == after.timeline && !before.is_followed_by(*after)
        });
        broken.map(|pair| format!("what follows on {}", pair[0].1.rsplit('/').next().unwrap_or_default()))
    }
}

impl PgBackRest {
    /// What is in the archive, by the names of its files.
    pub(crate) async fn log(&self, repository: &Repository, stop: &CancellationToken) -> Result<Log> {
        let mut command = self.command("repo-ls");
        command.args([&format!("--repo={}", repository.key), "--recurse", &repository.archive]);
        let text = self.told("repo-ls", command, READING, stop).await?;
        let paths: Vec<_> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        let newest = paths.iter().filter_map(|path| Timeline::of_history(path)).max().unwrap_or(Timeline(1));
        let history = match newest.history_file() {
            Some(file) => self.history(repository, newest, &file, stop).await?,
            None => History::first(),
        };
        Ok(Log::new(history, &paths))
    }

    async fn history(
        &self,
        repository: &Repository,
        timeline: Timeline,
        file: &str,
        stop: &CancellationToken,
    ) -> Result<History> {
        let scratch = scratch()?;
        let place = scratch.path().join(file);
        self.fetch(repository, &format!("{}/{file}", repository.archive), &place, stop).await?;
        let text = fs::read_to_string(place)?;
        History::read(timeline, &text).map_err(|why| Error::NotUnderstood { command: "repo-get", why })
    }

    /// When the last commit was made that is in the archive, on the newest timeline itself.
    ///
    /// # Errors
    /// `NoCommit`; it can't be read.
    pub(crate) async fn last_commit(
        &self,
        repository: &Repository,
        log: &Log,
        stop: &CancellationToken,
    ) -> Result<DateTime<Utc>> {
        let newest = log.segments.iter().rev().filter(|(segment, _)| segment.timeline == log.history.timeline);
        for (_, path) in newest.take(SEGMENTS_LOOKED_INTO) {
            let found = self.last_commit_in(repository, &format!("{}/{path}", repository.archive), stop).await?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(Error::NoCommit { pieces: SEGMENTS_LOOKED_INTO, timeline: log.history.timeline.0 })
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

    fn log(timeline: u32, names: &[&str]) -> Log {
        let history = match timeline {
            1 => History::first(),
            _ => History::read(Timeline(timeline), "1 0/3000000 no reason").expect("a history"),
        };
        let paths: Vec<_> = names.iter().map(|name| format!("{}/{name}-f1d2.gz", &name[..16])).collect();
        Log::new(history, &paths)
    }

    #[test]
    fn a_piece_that_is_missing_is_found() {
        let start = Segment::named("000000010000000000000002").expect("a segment");
        let whole = ["000000010000000000000001", "000000010000000000000002", "000000010000000000000003"];
        assert_eq!(log(1, &whole).gap_since(start), None);
        let gap = log(1, &["000000010000000000000002", "000000010000000000000004"]).gap_since(start);
        assert_eq!(gap.as_deref(), Some("what follows on 000000010000000000000002-f1d2.gz"));
        assert_eq!(log(1, &["000000010000000000000003"]).gap_since(start).as_deref(), Some("its first piece"));
        assert!(log(1, &[]).gap_since(start).is_some());
        // Before it nothing is needed, on the next timeline everything, and on one that isn't its past nothing.
        let more = [&whole[1..], &["000000030000000000000003", "000000030000000000000004"]].concat();
        assert_eq!(log(3, &more).gap_since(start), None);
        let gap = [&whole[1..], &["000000030000000000000003", "000000030000000000000005"]].concat();
        assert!(log(3, &gap).gap_since(start).is_some());
        let undone =
            [&whole[1..], &["000000020000000000000003", "000000020000000000000009", "000000030000000000000003"]]
                .concat();
        assert_eq!(log(3, &undone).gap_since(start), None);
        // Of a server with pieces of 16 MB, of 64 MB, and of none.
        let high = |low: &str| Segment::named(&format!("0000000100000000000000{low}")).expect("a segment");
        let next = Segment::named("000000010000000100000000").expect("a segment");
        assert!(high("FF").is_followed_by(next) && high("3F").is_followed_by(next) && !high("FE").is_followed_by(next));
    }

    #[test]
    fn a_segment_is_known_by_its_name() {
        assert!(is_segment("000000010000000000000004-f1d2.gz") && is_segment("000000010000000000000004-f1d2"));
        for name in
            ["000000010000000000000004.partial-f1d2.gz", "000000010000000000000004.00000028.backup", "00000002.history"]
        {
            assert!(!is_segment(name), "{name}");
        }
    }
}
