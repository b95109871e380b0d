//! The `tincture` binary under test: given by `TINCTURE_TEST_BINARY`, or built.
//!
//! It is built with MongoDB's driver and workflow's `sabotage` feature, which does nothing unless `TINCTURE_TEST_SABOTAGE` is
//! set; so one build serves the ordinary runs and those that show that the harness catches bugs.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Tests of one process share the build.
static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Finds or builds it. The copy that it returns isn't replaced by later builds.
pub fn find() -> Result<PathBuf> {
    if let Some(given) = env::var_os("TINCTURE_TEST_BINARY") {
        return PathBuf::from(given).canonicalize().context("TINCTURE_TEST_BINARY isn't there");
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.as_ref() {
        return Ok(path.clone());
    }
    let path = keep(&build()?)?;
    *built = Some(path.clone());
    Ok(path)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "tincture", "--features", "workflow/sabotage,mongodb"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo can't be run")?;
    if !output.status.success() {
        bail!("the binary can't be built");
    }
    let messages =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut executables = messages.filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)));
    executables.next_back().context("cargo didn't say where the binary is")
}

fn keep(executable: &Path) -> Result<PathBuf> {
    let directory = executable.parent().context("a binary without a directory")?.join("crash-harness");
    std::fs::create_dir_all(&directory)?;
    let kept = directory.join("tincture");
    let fresh = directory.join(format!("tincture.{}", std::process::id()));
    std::fs::copy(executable, &fresh)?;
    std::fs::rename(&fresh, &kept)?;
    Ok(kept)
}
