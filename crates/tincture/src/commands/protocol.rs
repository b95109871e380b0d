//! `tincture protocol`: another's protocol read, shown, and asked for as an experiment.

use super::person;
use crate::{
    cli::{Import, Protocol},
    database,
    settings::Settings,
};
use analyser::{Analyser, Keys, SourceFile};
use anyhow::{Context, bail};
use domain::Permission;
use std::{
    ffi::OsStr,
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};
use store::Store;
use views::{ImportView, RemarkView};
use workflow::{DyeSources, ImportedProtocol, LARGEST_PROTOCOL, Lab, SubmitError, read_protocol};

/// For one analysis.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn run(settings: &Settings, command: &Protocol) -> anyhow::Result<()> {
    match command {
        Protocol::Analyse { file, python } => {
            let analysis = analyse(&python.opentrons, file, &python.labware).await?;
            Ok(writeln!(io::stdout(), "{analysis}")?)
        }
        Protocol::Import(import) => {
            let document = document(import).await?;
            let store = database::open(settings).await?;
            let done = bring_in(&store, import, document).await;
            // Which tells the processes that serve and drive.
            store.close().await?;
            done
        }
    }
}

/// The JSON to read: the file, or what the analyser makes of it.
async fn document(import: &Import) -> anyhow::Result<Vec<u8>> {
    if import.file.extension().and_then(OsStr::to_str) != Some("py") {
        return contents(&import.file);
    }
    let Some(python) = &import.python.opentrons else {
        bail!(
            "{} is a Python protocol: say with --opentrons PYTHON which environment has the package `opentrons`, whose \
             analyser then runs it",
            import.file.display()
        );
    };
    Ok(analyse(python, &import.file, &import.python.labware).await?.into_bytes())
}

async fn analyse(python: &Path, file: &Path, labware: &[PathBuf]) -> anyhow::Result<String> {
    let files: Vec<_> =
        std::iter::once(file).chain(labware.iter().map(PathBuf::as_path)).map(source).collect::<anyhow::Result<_>>()?;
    let analyser = Analyser::new(python.to_owned(), PATIENCE);
    let values = serde_json::json!({});
    Ok(analyser.analyse(&files, &values, Keys::Lines).await.context("it can't be analysed")?.to_string())
}

fn source(path: &Path) -> anyhow::Result<SourceFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(SourceFile { name, contents: contents(path)? })
}

/// No more of a file than is ever read.
fn contents(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| format!("{} can't be opened", path.display()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_PROTOCOL as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{} can't be read", path.display()))?;
    Ok(bytes)
}

async fn bring_in(store: &Store, import: &Import, document: Vec<u8>) -> anyhow::Result<()> {
    let sources: DyeSources = import.dyes.join(" ").parse()?;
    let document = read_protocol(document).await.with_context(|| format!("{} isn't taken", import.file.display()))?;
    let lab = Lab::new(store.clone());
    let mut imported = lab.import_protocol(&document, import.robot.as_deref(), &sources).await?;
    if let (Some(request), Some(name)) = (&mut imported.request, &import.name) {
        request.name = Some(name.clone());
    }
    show(import, &imported)?;
    let Some(request) = imported.request else {
        bail!("it isn't the same experiment here, for the reasons above; nothing was asked for");
    };
    if !import.submit {
        return Ok(());
    }
    let by = person::acting(store, &import.by).await?;
    if !Permission::AskForExperiments.is_given_to(by.role) {
        bail!("{} is {}: this needs {}", by.email, by.role, Permission::AskForExperiments.for_whom());
    }
    let accepted = lab.submit(&by, request, import.key.clone(), None).await.map_err(refused)?;
    let (id, left) = (accepted.experiment.experiment.id, accepted.quota_remaining);
    let again = if accepted.replayed { ", asked for before with this key" } else { "" };
    Ok(writeln!(io::stderr(), "Experiment {id} of {}{again}; {left} wells of quota are left.", by.email)?)
}

/// With what is to be changed, which the error itself leaves to others to say.
fn refused(error: SubmitError) -> anyhow::Error {
    match error {
        SubmitError::Invalid { objections, .. } => {
            let said: Vec<_> = objections.iter().map(|one| format!("{}: {}", one.pointer, one.detail)).collect();
            anyhow::anyhow!("it isn't accepted: {}", said.join("; "))
        }
        error => error.into(),
    }
}

fn show(import: &Import, imported: &ImportedProtocol) -> anyhow::Result<()> {
    let view = ImportView::of(imported.clone());
    let text = match import.json {
        true => serde_json::to_string_pretty(&view)? + "\n",
        false => in_words(&view)?,
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn in_words(view: &ImportView) -> anyhow::Result<String> {
    let mut text = String::new();
    if view.problems.is_empty() {
        let dyes: Vec<_> = view.dyes.iter().map(|(dye, ul)| format!("{ul} µL of {dye}")).collect();
        writeln!(text, "On {}: {} wells, {} tips, {}", view.robot, view.wells.len(), view.tips, dyes.join(", "))?;
        for well in &view.wells {
            let amounts: Vec<_> = well.volumes.iter().map(|(dye, volume)| format!("{dye} {volume}")).collect();
            writeln!(text, "  {:<4} {}", well.well.to_string(), amounts.join(", "))?;
        }
    } else {
        writeln!(text, "On {} this is in the way:", view.robot)?;
        list(&mut text, &view.problems)?;
    }
    if !view.notes.is_empty() {
        writeln!(text, "Left out or done otherwise, without changing a mixture:")?;
        list(&mut text, &view.notes)?;
    }
    Ok(text)
}

fn list(text: &mut String, remarks: &[RemarkView]) -> anyhow::Result<()> {
    for remark in remarks {
        let place = remark.place().map(|place| format!("{place}: ")).unwrap_or_default();
        writeln!(text, "  {place}{}", remark.detail)?;
    }
    Ok(())
}
