//! `tincture experiment`: experiments seen and steered without the pages, by the same rules.

use super::{person, steer};
use crate::{
    cli::{By, Experiment, Language, ProtocolOf, WhichExperiment},
    database,
    settings::Settings,
};
use anyhow::{Context, bail};
use domain::{Control, Permission};
use std::{
    fmt::Write as _,
    io::{self, Write as _},
};
use store::{ControlOutcome, ExperimentDetail, Measurement, Store, User, Well};
use workflow::{Lab, Outlook, Retried, SeenAs, handling_of};

pub async fn run(settings: &Settings, command: &Experiment) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let done = carry_out(&store, command).await;
    // Which tells the processes that serve and drive.
    store.close().await?;
    done
}

async fn carry_out(store: &Store, command: &Experiment) -> anyhow::Result<()> {
    match command {
        Experiment::List { limit, by } => list(store, by, *limit).await,
        Experiment::Show(which) => show(store, which).await,
        Experiment::Pause(which) => control(store, which, Control::Pause).await,
        Experiment::Resume(which) => control(store, which, Control::Resume).await,
        Experiment::Cancel(which) => control(store, which, Control::Cancel).await,
        Experiment::Retry(which) => retry(store, which).await,
        Experiment::Protocol { which, language, of } => protocol(store, which, *language, *of).await,
    }
}

async fn list(store: &Store, by: &By, limit: u32) -> anyhow::Result<()> {
    let by = person::acting(store, by).await?;
    let whose = (!Permission::SeeExperiments.reaches_others(by.role)).then_some(by.id);
    let mut out = io::stdout().lock();
    for line in store.experiments(whose, None, limit).await?.data {
        let (experiment, measured) = (line.experiment, format!("{}/{}", line.measured, line.wells));
        let name = experiment.name.unwrap_or_default();
        writeln!(out, "{}  {:<9} {measured:>5}  {:<28} {name}", experiment.id, experiment.status, line.email)?;
    }
    Ok(())
}

async fn show(store: &Store, which: &WhichExperiment) -> anyhow::Result<()> {
    let (by, detail) = find(store, which).await?;
    let lab = Lab::new(store.clone());
    let experiment = &detail.experiment;
    let mut text = format!("{}  {}\n", experiment.id, experiment.name.as_deref().unwrap_or("without a name"));
    writeln!(text, "  status      {}", experiment.status)?;
    if let Some(handling) = handling_of(experiment).sentence() {
        writeln!(text, "  handling    {handling}")?;
    }
    for said in lab.outlook(&detail).await?.iter().flat_map(Outlook::sentences) {
        writeln!(text, "  plan        {said}")?;
    }
    let progress = lab.progress(&detail).await?;
    if let Some(place) = progress.queue_position {
        writeln!(text, "  queue       place {place}")?;
    }
    if let Some(now) = &progress.now {
        writeln!(text, "  now         {now}")?;
    }
    if let Some(waiting) = &progress.waiting {
        writeln!(text, "  waits       {}", waiting.sentence(by.role))?;
    }
    if let Some(fault) = progress.trouble(experiment, by.role) {
        text.push_str(&steer::in_lines(&fault));
    }
    for (well, result) in &detail.wells {
        let at = well.well_id.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let amounts: Vec<_> = well.recipe.iter().map(|(dye, volume)| format!("{dye} {volume}")).collect();
        let colour = result.as_ref().and_then(|result| result.measurement_data.get("srgb")?.as_str());
        let (amounts, colour) = (amounts.join(", "), colour.unwrap_or_default());
        let aim = aim(well, result.as_ref());
        writeln!(text, "  {:>3}  {at:<4} {:<11} {colour:<8} {amounts}{aim}", well.position + 1, well.status)?;
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// What a well aims at and how far off it is, if it aims at anything.
fn aim(well: &Well, result: Option<&Measurement>) -> String {
    let Some(target) = well.target else { return String::new() };
    let off = result.and_then(|result| result.measurement_data.get("delta_e_target")?.as_f64());
    off.map_or_else(|| format!("  (aims at {target})"), |off| format!("  (ΔE00 {off:.1} from {target})"))
}

async fn control(store: &Store, which: &WhichExperiment, control: Control) -> anyhow::Result<()> {
    let (by, detail) = find(store, which).await?;
    let outcome = Lab::new(store.clone()).control(&by, detail.experiment.id, control, None).await?;
    let said = match outcome {
        ControlOutcome::Applied(status) => format!("It is {status} now."),
        ControlOutcome::Requested => format!("Its robot is asked to {control} it after the step in flight."),
        ControlOutcome::Refused(status) => bail!("an experiment that is {status} can't be told to {control}"),
    };
    Ok(writeln!(io::stdout(), "{said}")?)
}

async fn retry(store: &Store, which: &WhichExperiment) -> anyhow::Result<()> {
    let (by, detail) = find(store, which).await?;
    let said = match Lab::new(store.clone()).retry(&by, &detail, None, None).await? {
        Retried::Resumed => "It is in the queue again.".to_owned(),
        Retried::Anew(made) => {
            let wells = made.experiment.wells.len();
            format!("Experiment {} makes what wasn't measured, wells: {wells}.", made.experiment.experiment.id)
        }
    };
    Ok(writeln!(io::stdout(), "{said}")?)
}

async fn protocol(
    store: &Store,
    which: &WhichExperiment,
    language: Language,
    of: Option<ProtocolOf>,
) -> anyhow::Result<()> {
    let (_, detail) = find(store, which).await?;
    let seen_as = of.map(|of| match of {
        ProtocolOf::Plan => SeenAs::Plan,
        ProtocolOf::Run => SeenAs::Run,
    });
    let protocol = Lab::new(store.clone()).protocol(&detail, seen_as).await?;
    let text = match language {
        Language::Python => protocol.python(),
        Language::Json => serde_json::to_string_pretty(&protocol.json())? + "\n",
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Who asks, and the experiment, if that person may see it.
async fn find(store: &Store, which: &WhichExperiment) -> anyhow::Result<(User, ExperimentDetail)> {
    let by = person::acting(store, &which.by).await?;
    let visible = Lab::new(store.clone()).experiment(&by, which.id).await?;
    let detail = visible.with_context(|| format!("there is no experiment {}, or it isn't {}'s", which.id, by.email))?;
    Ok((by, detail))
}
