//! `tincture worker`: drives robots, and nothing else. As many as you like may run; a robot has one driver at a time.

use crate::{database, settings::Settings, shutdown};
use anyhow::bail;
use store::Store;
use workflow::WorkerConfig;

pub async fn run(settings: &Settings, robots: &[String]) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let store = database::open_to_serve(settings).await?;
    check_names(&store, robots).await?;
    let robots = (!robots.is_empty()).then(|| robots.to_vec());
    tracing::info!(robots = ?robots, "driving");
    workflow::run_worker(store.clone(), WorkerConfig { robots, ..settings.worker() }, shutdown).await;
    store.close().await?;
    Ok(())
}

/// A misspelt robot would otherwise be waited for in silence.
async fn check_names(store: &Store, wanted: &[String]) -> anyhow::Result<()> {
    let known: Vec<String> = store.robots().await?.into_iter().map(|robot| robot.name).collect();
    let Some(missing) = wanted.iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let known =
        if known.is_empty() { "there is none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
    bail!("there is no robot {missing} ({known}): add it with `tincture robot add {missing} --url … --sensor …`")
}
