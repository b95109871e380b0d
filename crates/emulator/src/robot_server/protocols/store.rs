//! The protocols a robot keeps, each with its analyses.

use super::{
    analysis::analyse,
    script::Script,
    source::{Language, Source, UploadedFile},
};
use crate::robot_server::{
    command::timestamp,
    engine::{CommandError, Nozzles},
    error::ApiError,
    lock,
};
use analyser::{Analyser, Keys};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use uuid::Uuid;

/// Protocols that no run names and that are kept; one more sends the oldest away (the robot-server's own setting).
const MOST_UNUSED: usize = 5;
/// Analyses kept of one protocol.
const MOST_ANALYSES: usize = 20;

/// All protocols, oldest first.
#[derive(Debug, Default)]
pub struct Protocols {
    kept: Vec<Arc<Protocol>>,
}

/// A protocol a client uploaded.
#[derive(Debug)]
pub struct Protocol {
    pub id: String,
    created_at: String,
    key: Option<String>,
    kind: &'static str,
    pub source: Source,
    analyses: Mutex<Vec<Arc<Analysis>>>,
}

/// One look at what a protocol does; at first pending.
#[derive(Debug)]
pub struct Analysis {
    pub id: String,
    /// The values of run-time parameters it was made with.
    pub values: Value,
    done: watch::Sender<Option<Arc<Done>>>,
}

/// What an analysis found.
#[derive(Debug)]
pub struct Done {
    /// As the API tells it.
    pub document: Value,
    pub script: Script,
}

impl Protocols {
    pub fn all(&self) -> &[Arc<Protocol>] {
        &self.kept
    }

    pub fn find(&self, id: &str) -> Result<Arc<Protocol>, ApiError> {
        let found = self.kept.iter().find(|protocol| protocol.id == id).cloned();
        found.ok_or_else(|| {
            ApiError::not_found("ProtocolNotFound", "Protocol Not Found", format!("Protocol {id} was not found."))
        })
    }

    /// The protocol made of exactly these files, if it is kept.
    pub fn same(&self, files: &[UploadedFile]) -> Option<Arc<Protocol>> {
        self.kept.iter().find(|protocol| protocol.source.files == files).cloned()
    }

    /// Keeps a protocol; those that no run uses make room for it.
    pub fn insert(&mut self, protocol: Arc<Protocol>, is_used: impl Fn(&str) -> bool) {
        let unused = self.kept.iter().filter(|kept| !is_used(&kept.id)).count();
        let mut surplus = (unused + 1).saturating_sub(MOST_UNUSED);
        self.kept.retain(|kept| {
            let goes = surplus > 0 && !is_used(&kept.id);
            surplus -= usize::from(goes);
            !goes
        });
        self.kept.push(protocol);
    }

    pub fn remove(&mut self, id: &str) {
        self.kept.retain(|protocol| protocol.id != id);
    }
}

impl Protocol {
    pub fn new(source: Source, key: Option<String>, kind: &'static str) -> Arc<Self> {
        let (id, created_at) = (Uuid::new_v4().to_string(), timestamp());
        Arc::new(Self { id, created_at, key, kind, source, analyses: Mutex::new(Vec::new()) })
    }

    /// Its analyses, oldest first.
    pub fn analyses(&self) -> Vec<Arc<Analysis>> {
        lock(&self.analyses).clone()
    }

    /// Begins another analysis; someone must then carry it out.
    pub fn begin_analysis(&self, values: Value) -> Arc<Analysis> {
        let analysis = Arc::new(Analysis::pending(values));
        let mut kept = lock(&self.analyses);
        let surplus = (kept.len() + 1).saturating_sub(MOST_ANALYSES);
        kept.drain(..surplus);
        kept.push(Arc::clone(&analysis));
        analysis
    }

    /// Carries an analysis out, to whatever end. `start` is where the nozzles are taken to be.
    pub async fn analyse(&self, analysis: &Analysis, analyser: Option<&Analyser>, start: Nozzles) {
        let done = match (&self.source.language, analyser) {
            (Language::Json(script), _) => {
                Done { document: analyse(&analysis.id, script, start), script: (**script).clone() }
            }
            (Language::Python, Some(analyser)) => self.ask(analysis, analyser).await,
            (Language::Python, None) => failed(&analysis.id, "this emulator has no analyser"),
        };
        analysis.done.send_replace(Some(Arc::new(done)));
    }

    async fn ask(&self, analysis: &Analysis, analyser: &Analyser) -> Done {
        let mut document = match analyser.analyse(&self.source.files, &analysis.values, Keys::Usual).await {
            Ok(document) => document,
            Err(trouble) => return failed(&analysis.id, &trouble.0),
        };
        let script = match Script::from_analysis(&document, self.source.labware.clone()) {
            Ok(script) => script,
            Err(problem) => return failed(&analysis.id, &format!("this emulator can't carry it out. {problem}")),
        };
        if let Some(told) = document.as_object_mut() {
            for unknown_here in ["createdAt", "files", "config", "metadata", "liquidClasses", "commandPreconditions"] {
                told.remove(unknown_here);
            }
            told.insert("id".to_owned(), json!(analysis.id));
            told.insert("status".to_owned(), json!("completed"));
        }
        Done { document, script }
    }

    /// As the API tells it.
    pub fn describe(&self) -> Value {
        let files = self.source.files.iter().zip(&self.source.roles);
        let mut told = json!({
            "id": self.id,
            "createdAt": self.created_at,
            "files": files.map(|(file, role)| json!({"name": file.name, "role": role})).collect::<Vec<_>>(),
            "protocolType": self.source.language_name(),
            "robotType": "OT-2 Standard",
            "metadata": self.source.metadata,
            "analyses": [],
            "analysisSummaries": self.summaries(),
            "protocolKind": self.kind,
        });
        if let Some(key) = &self.key {
            told["key"] = json!(key);
        }
        told
    }

    pub fn summaries(&self) -> Vec<Value> {
        self.analyses().iter().map(|analysis| analysis.summary()).collect()
    }
}

impl Analysis {
    pub fn pending(values: Value) -> Self {
        Self { id: Uuid::new_v4().to_string(), values, done: watch::Sender::new(None) }
    }

    /// What it found, if it is complete.
    pub fn done(&self) -> Option<Arc<Done>> {
        self.done.borrow().clone()
    }

    /// Waits until it is complete; none if it never will be.
    pub async fn completed(&self) -> Option<Arc<Done>> {
        let mut done = self.done.subscribe();
        let done = done.wait_for(Option::is_some).await.ok()?;
        done.clone()
    }

    fn summary(&self) -> Value {
        match self.done() {
            None => json!({"id": self.id, "status": "pending", "runTimeParameters": []}),
            Some(_) => json!({"id": self.id, "status": "completed"}),
        }
    }

    /// As the API tells it.
    pub fn describe(&self) -> Value {
        match self.done() {
            None => json!({"id": self.id, "status": "pending", "runTimeParameters": []}),
            Some(done) => done.document.clone(),
        }
    }
}

/// An analysis that came to nothing, and a script that says why when it is run.
fn failed(id: &str, why: &str) -> Done {
    let error = CommandError::new("ProtocolAnalysisError", format!("The protocol wasn't analysed: {why}"));
    let document = json!({
        "id": id,
        "status": "completed",
        "result": "not-ok",
        "robotType": "OT-2 Standard",
        "runTimeParameters": [],
        "commands": [],
        "labware": [],
        "pipettes": [],
        "modules": [],
        "liquids": [],
        "errors": [error.occur(&Uuid::new_v4().to_string(), &timestamp())],
    });
    Done { document, script: Script { failure: Some(error), ..Script::default() } }
}
