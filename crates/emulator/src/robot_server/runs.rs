//! The runs the robot knows: twenty at most, one of them current, and those an earlier process left behind.

use super::{engine::LabwareOffset, error::ApiError, hardware::Hardware, protocols::Script, run::Run};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{io, path::PathBuf, sync::Arc};

/// Runs kept; making one more forgets the oldest.
const KEPT: usize = 20;
const FILE: &str = "runs.json";

/// All runs, oldest first.
#[derive(Debug)]
pub struct Runs {
    entries: Vec<Entry>,
    current: Option<String>,
    file: Option<PathBuf>,
}

/// A run, or the memory that there was one.
#[derive(Clone, Debug)]
pub enum Entry {
    Live(Arc<Run>),
    Lost(LostRun),
}

/// A run of an earlier process: its engine's state died with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostRun {
    id: String,
    created_at: String,
}

impl Entry {
    pub fn id(&self) -> &str {
        match self {
            Self::Live(run) => &run.id,
            Self::Lost(lost) => &lost.id,
        }
    }

    fn remembered(&self) -> LostRun {
        match self {
            Self::Live(run) => LostRun { id: run.id.clone(), created_at: run.created_at.clone() },
            Self::Lost(lost) => lost.clone(),
        }
    }
}

impl LostRun {
    fn describe(&self) -> Value {
        let detail = "There was no engine state data for this run.";
        json!({
            "id": self.id,
            "ok": false,
            "dataError": {
                "id": "RunDataError",
                "title": "Run Data Error",
                "detail": detail,
                "meta": {"type": "InvalidStoredData", "code": "4008", "message": detail, "detail": {}, "wrapping": []},
                "errorCode": "4008",
            },
            "createdAt": self.created_at,
            "status": "stopped",
            "current": false,
            "actions": [],
            "errors": [],
            "hasEverEnteredErrorRecovery": false,
            "pipettes": [],
            "modules": [],
            "labware": [],
            "liquids": [],
            "labwareOffsets": [],
            "runTimeParameters": [],
        })
    }
}

impl Runs {
    /// Opens the list kept in `directory`, or an empty one that is kept nowhere.
    pub fn open(directory: Option<PathBuf>) -> io::Result<Self> {
        let file = directory.map(|directory| directory.join(FILE));
        let remembered = match &file {
            Some(file) => recall(file)?,
            None => Vec::new(),
        };
        Ok(Self { entries: remembered.into_iter().map(Entry::Lost).collect(), current: None, file })
    }

    /// Makes a run current, putting an idle current one aside.
    pub fn create(
        &mut self,
        hardware: &Arc<Hardware>,
        offsets: Vec<LabwareOffset>,
        protocol: Option<(String, Script)>,
    ) -> Result<Arc<Run>, ApiError> {
        if let Some(current) = self.current() {
            if !current.can_be_replaced() {
                let detail = "Current run is not idle or stopped.";
                return Err(ApiError::coded(
                    StatusCode::CONFLICT,
                    "RunAlreadyActive",
                    "Run Already Active",
                    detail,
                    "4001",
                ));
            }
            current.put_aside();
        }
        let hardware = Arc::clone(hardware);
        let run = match protocol {
            Some((id, script)) => Run::of_protocol(hardware, id, script),
            None => Run::start(hardware),
        };
        run.with_engine(|engine| offsets.into_iter().all(|offset| engine.correct(offset)));
        let surplus = (self.entries.len() + 1).saturating_sub(KEPT);
        self.entries.drain(..surplus);
        self.entries.push(Entry::Live(Arc::clone(&run)));
        self.current = Some(run.id.clone());
        self.remember();
        Ok(run)
    }

    /// The runs that carry that protocol out or did, oldest first.
    pub fn of_protocol(&self, id: &str) -> Vec<String> {
        let live = self.entries.iter().filter_map(|entry| match entry {
            Entry::Live(run) => Some(run),
            Entry::Lost(_) => None,
        });
        live.filter(|run| run.protocol_id().as_deref() == Some(id)).map(|run| run.id.clone()).collect()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn current(&self) -> Option<Arc<Run>> {
        let id = self.current.as_deref()?;
        match self.find(id) {
            Ok(Entry::Live(run)) => Some(run),
            _ => None,
        }
    }

    pub fn is_current(&self, id: &str) -> bool {
        self.current.as_deref() == Some(id)
    }

    pub fn find(&self, id: &str) -> Result<Entry, ApiError> {
        self.entries.iter().find(|entry| entry.id() == id).cloned().ok_or_else(|| not_found(id))
    }

    /// The run, if commands may go to it.
    pub fn find_current(&self, id: &str) -> Result<Arc<Run>, ApiError> {
        match self.find(id)? {
            Entry::Live(run) if self.is_current(id) => Ok(run),
            _ => Err(ApiError::conflict("RunStopped", "Run Stopped", format!("Run {id} is not the current run"))),
        }
    }

    /// The run, if it is the current one; any other, known or not, is refused in the same way. `act` is what can't be
    /// done to it.
    pub fn check_current(&self, id: &str, act: &str) -> Result<Arc<Run>, ApiError> {
        self.current().filter(|run| run.id == id).ok_or_else(|| {
            let detail = format!("Cannot {act} {id} because it is not the current run.");
            ApiError::conflict("RunStopped", "Run Stopped", detail)
        })
    }

    /// Ends the current run for good.
    pub fn put_aside(&mut self, run: &Run) -> Result<(), ApiError> {
        if !run.can_be_replaced() {
            return Err(not_idle("Current run is not idle or stopped."));
        }
        run.put_aside();
        self.current = None;
        Ok(())
    }

    pub fn delete(&mut self, id: &str) -> Result<(), ApiError> {
        let entry = self.find(id)?;
        if let Entry::Live(run) = &entry
            && self.is_current(id)
        {
            if !run.can_be_replaced() {
                return Err(not_idle(
                    "Run is currently active. Allow the run to finish or stop it with a `stop` action before \
                     attempting to modify it.",
                ));
            }
            run.put_aside();
            self.current = None;
        }
        self.entries.retain(|entry| entry.id() != id);
        self.remember();
        Ok(())
    }

    /// The run as the API tells it.
    pub fn describe(&self, entry: &Entry) -> Value {
        match entry {
            Entry::Live(run) => run.describe(self.is_current(&run.id)),
            Entry::Lost(lost) => lost.describe(),
        }
    }

    /// Writes down which runs there are. A list that can't be written costs memory of old runs and nothing else.
    fn remember(&self) {
        let Some(file) = &self.file else { return };
        let remembered: Vec<_> = self.entries.iter().map(Entry::remembered).collect();
        let beside = file.with_extension("tmp");
        let written = serde_json::to_vec(&remembered)
            .map_err(io::Error::other)
            .and_then(|bytes| std::fs::write(&beside, bytes))
            .and_then(|()| std::fs::rename(&beside, file));
        if let Err(error) = written {
            tracing::warn!(%error, file = %file.display(), "the list of runs can't be written");
        }
    }
}

fn recall(file: &PathBuf) -> io::Result<Vec<LostRun>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn not_found(id: &str) -> ApiError {
    let detail = format!("Error 4000 GENERAL_ERROR (RunNotFoundError): Run {id} was not found.");
    ApiError::not_found("RunNotFound", "Run Not Found", detail)
}

fn not_idle(detail: &str) -> ApiError {
    ApiError::coded(StatusCode::CONFLICT, "RunNotIdle", "Run is not idle.", detail, "4001")
}
