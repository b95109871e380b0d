//! The ledger: what physically happened, appended and never changed. On disk one JSON object a line.
//!
//! An append is one `write` of whole lines, so a killed process leaves whole entries and at most one torn last line,
//! which the next open cuts off. It isn't synced to the platter: the deck is virtual, and a power cut takes it too.

use super::{
    error::WorldError,
    event::{Entry, Event},
};
use chrono::{DateTime, Utc};
use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

const FILE_NAME: &str = "ledger.jsonl";
/// No entry is longer: the longest brings labware with hundreds of wells.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

#[derive(Debug)]
pub(crate) enum Ledger {
    Memory(Vec<Entry>),
    File(FileLedger),
}

#[derive(Debug)]
pub(crate) struct FileLedger {
    path: PathBuf,
    /// Behind its own lock, because reading moves its cursor.
    file: Mutex<File>,
    /// Where each entry's line starts; entry n is at n − 1.
    starts: Vec<u64>,
    end: u64,
}

impl Ledger {
    pub(crate) const fn in_memory() -> Self {
        Self::Memory(Vec::new())
    }

    /// Opens the ledger in `directory` and replays it, oldest first.
    pub(crate) fn open(directory: &Path, replay: impl FnMut(&Entry)) -> Result<Self, WorldError> {
        let path = directory.join(FILE_NAME);
        let failed = |doing| {
            let path = path.clone();
            move |source| WorldError::Storage { path, doing, source }
        };
        create_dir_all(directory).map_err(failed("created"))?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed("opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WorldError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed("locked")(source)),
        }
        let starts = read_all(&file, &path, replay)?;
        file.set_len(starts.1).map_err(failed("repaired"))?;
        Ok(Self::File(FileLedger { path, file: Mutex::new(file), starts: starts.0, end: starts.1 }))
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        match self {
            Self::Memory(entries) => entries.len() as u64,
            Self::File(ledger) => ledger.starts.len() as u64,
        }
    }

    /// Gives the events their numbers and makes them durable, all or none.
    pub(crate) fn append(
        &mut self,
        events: Vec<Event>,
        key: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<Vec<Entry>, WorldError> {
        let first = self.last_sequence() + 1;
        let key = key.map(str::to_owned);
        let number = |(event, sequence)| Entry { sequence, at, event, key: key.clone() };
        let entries: Vec<Entry> = events.into_iter().zip(first..).map(number).collect();
        match self {
            Self::Memory(all) => all.extend(entries.iter().cloned()),
            Self::File(ledger) => ledger.append(&entries)?,
        }
        Ok(entries)
    }

    /// At most `limit` entries after sequence `after`.
    pub(crate) fn page(&self, after: Option<u64>, limit: usize) -> Result<Vec<Entry>, WorldError> {
        let skipped = usize::try_from(after.unwrap_or(0)).unwrap_or(usize::MAX);
        match self {
            Self::Memory(entries) => Ok(entries.iter().skip(skipped).take(limit).cloned().collect()),
            Self::File(ledger) => ledger.page(skipped, limit),
        }
    }
}

/// Replays every whole line; returns where each starts and where the last one ends.
fn read_all(file: &File, path: &Path, mut replay: impl FnMut(&Entry)) -> Result<(Vec<u64>, u64), WorldError> {
    let failed = |source| WorldError::Storage { path: path.to_owned(), doing: "read", source };
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let (mut starts, mut end, mut line) = (Vec::new(), 0, Vec::new());
    loop {
        line.clear();
        let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        let damaged = WorldError::Damaged { path: path.to_owned(), line: starts.len() as u64 + 1 };
        if line.last() != Some(&b'\n') {
            // The end, or a last line torn by a crash: it was never acknowledged.
            return if (length as u64) < LONGEST_LINE { Ok((starts, end)) } else { Err(damaged) };
        }
        let entry: Entry = serde_json::from_slice(&line).map_err(|_| damaged)?;
        if entry.sequence != starts.len() as u64 + 1 {
            return Err(WorldError::Damaged { path: path.to_owned(), line: starts.len() as u64 + 1 });
        }
        replay(&entry);
        starts.push(end);
        end += length as u64;
    }
}

impl FileLedger {
    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> WorldError + use<> {
        let path = self.path.clone();
        move |source| WorldError::Storage { path: path.clone(), doing, source }
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), WorldError> {
        if entries.is_empty() {
            return Ok(());
        }
        let failed = self.failed("written");
        let (mut lines, mut starts) = (Vec::new(), Vec::new());
        for entry in entries {
            starts.push(self.end + lines.len() as u64);
            serde_json::to_writer(&mut lines, entry).map_err(|error| failed(error.into()))?;
            lines.push(b'\n');
        }
        let file = self.file.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file.write_all(&lines) {
            // A full disk may have taken half a line: without it the ledger ends in a whole entry again.
            file.set_len(self.end).map_err(&failed)?;
            return Err(failed(error));
        }
        self.end += lines.len() as u64;
        self.starts.extend(starts);
        Ok(())
    }

    fn page(&self, skipped: usize, limit: usize) -> Result<Vec<Entry>, WorldError> {
        let failed = self.failed("read");
        let Some(start) = self.starts.get(skipped) else { return Ok(Vec::new()) };
        let last = skipped.saturating_add(limit);
        let end = self.starts.get(last).copied().unwrap_or(self.end);
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(*start)).map_err(&failed)?;
        let mut text = Vec::new();
        Read::by_ref(&mut *file).take(end - start).read_to_end(&mut text).map_err(&failed)?;
        let entries = serde_json::Deserializer::from_slice(&text).into_iter::<Entry>();
        entries.map(|entry| entry.map_err(|error| failed(error.into()))).collect()
    }
}
