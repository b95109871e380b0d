//! Opentrons' own analyser for Python protocols, run as another process and never for long.
//!
//! A protocol is a program of whoever wrote it: nothing here is a sandbox. Time, memory and what it may write are bounded,
//! and it has a directory of its own that is gone afterwards. The emulator and `tincture protocol` use it where somebody
//! names an environment; the lab's own processes never do.

use serde_json::Value;
use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{process::Command, sync::Semaphore, time::timeout};

/// For looking at what a file says of itself, without running it.
const LOOK_PATIENCE: Duration = Duration::from_secs(20);
/// Most an analysis may say: 64 MiB are some 50,000 commands.
const MOST_SAID: u64 = 64 * 1024 * 1024;
/// The end of what an analyser complains that is told.
const MOST_COMPLAINT: usize = 2_000;

/// Finds `metadata` and `requirements` in a protocol, as the robot-server does: by reading, not by running.
const LOOK: &str = r#"
import ast, json, sys
tree = ast.parse(open(sys.argv[1], "rb").read(), sys.argv[2])
found = {}
for node in tree.body:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for target in targets:
        if isinstance(target, ast.Name) and target.id in ("metadata", "requirements") and node.value:
            found[target.id] = ast.literal_eval(node.value)
json.dump(found, sys.stdout)
"#;

/// Runs the analyser within limits, and says which line of a protocol each command comes from.
const DRIVE: &str = include_str!("drive.py");

/// One file of a protocol: the protocol itself first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub name: String,
    pub contents: Vec<u8>,
}

/// What a command's key says in an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// What the analyser gives it.
    Usual,
    /// `line-N-…`: the line of the protocol that it comes from.
    Lines,
}

/// A Python environment with the package `opentrons`.
#[derive(Debug)]
pub struct Analyser {
    python: PathBuf,
    /// How long one analysis may take.
    patience: Duration,
    /// One at a time: an analysis takes a whole core.
    turn: Semaphore,
}

impl Analyser {
    pub fn new(python: PathBuf, patience: Duration) -> Self {
        Self { python, patience, turn: Semaphore::new(1) }
    }

    /// What a protocol says of itself, found by reading and not by running it: its `metadata` and `requirements`, where it
    /// has them.
    ///
    /// # Errors
    /// Python can't read it, or can't be started.
    pub async fn look(&self, file: &SourceFile) -> Result<Value, Trouble> {
        let place = Place::with(std::slice::from_ref(file)).map_err(|error| Trouble(error.to_string()))?;
        let args =
            [OsStr::new("-I"), OsStr::new("-c"), OsStr::new(LOOK), place.main.as_os_str(), OsStr::new(&file.name)];
        let output = self.run(&args, place.path(), LOOK_PATIENCE).await?;
        if !output.status.success() {
            let complaint = last_line(&output.stderr);
            return Err(Trouble(format!("{} can't be read: {complaint}", file.name)));
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// What the protocol does, as `opentrons analyze` writes it.
    ///
    /// # Errors
    /// There is no answer, or none that can be read, or it took too long. What is wrong with the protocol is in the answer.
    pub async fn analyse(&self, files: &[SourceFile], values: &Value, keys: Keys) -> Result<Value, Trouble> {
        let _turn = self.turn.acquire().await.map_err(|_| Trouble("it is being switched off".to_owned()))?;
        let place =
            Place::with(files).map_err(|error| Trouble(format!("no place for the protocol's files: {error}")))?;
        let answer = place.path().join("answer.json");
        let mut told = std::ffi::OsString::from("--json-output=");
        told.push(&answer);
        let values = format!("--rtp-values={values}");
        let lines_of = match keys {
            Keys::Usual => OsStr::new(""),
            Keys::Lines => place.main.as_os_str(),
        };
        let mut args = vec![OsStr::new("-c"), OsStr::new(DRIVE), lines_of, OsStr::new("analyze")];
        args.extend([told.as_os_str(), OsStr::new(&values)]);
        args.extend(place.all.iter().map(|path| path.as_os_str()));
        let output = self.run(&args, place.path(), self.patience).await?;
        let size = tokio::fs::metadata(&answer).await.map(|metadata| metadata.len());
        match size {
            Err(_) => Err(Trouble(format!("the analyser gave no answer: {}", last_line(&output.stderr)))),
            Ok(size) if size > MOST_SAID => Err(Trouble("the analyser's answer is larger than 64 MiB".to_owned())),
            Ok(_) => {
                let bytes = tokio::fs::read(&answer).await.map_err(|error| Trouble(error.to_string()))?;
                serde_json::from_slice(&bytes)
                    .map_err(|error| Trouble(format!("the analyser's answer is no JSON: {error}")))
            }
        }
    }

    async fn run(&self, args: &[&OsStr], at: &Path, patience: Duration) -> Result<Output, Trouble> {
        let child = Command::new(&self.python)
            .args(args)
            .current_dir(at)
            // A home of its own: the package writes its settings there.
            .env("OT_API_CONFIG_DIR", at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Trouble(format!("{} can't be started: {error}", self.python.display())))?;
        match timeout(patience, child.wait_with_output()).await {
            Ok(output) => output.map_err(|error| Trouble(error.to_string())),
            Err(_) => Err(Trouble(format!("it took longer than {} s and was ended", patience.as_secs()))),
        }
    }
}

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

/// A directory that holds an upload's files while they are looked at.
struct Place {
    directory: tempfile::TempDir,
    all: Vec<PathBuf>,
    main: PathBuf,
}

impl Place {
    fn with(files: &[SourceFile]) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut all = Vec::new();
        for (index, file) in files.iter().enumerate() {
            // Never the client's own name: it might lead elsewhere.
            let extension = Path::new(&file.name).extension().and_then(OsStr::to_str).unwrap_or("txt");
            let safe: String = extension.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
            let path = directory.path().join(format!("file-{index}.{}", safe.to_lowercase()));
            std::fs::write(&path, &file.contents)?;
            all.push(path);
        }
        let main = all.first().cloned().unwrap_or_default();
        Ok(Self { directory, all, main })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim_end().lines().last().unwrap_or("it said nothing");
    line.chars().take(MOST_COMPLAINT).collect()
}
