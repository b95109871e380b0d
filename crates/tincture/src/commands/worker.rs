//! `tincture worker`: drives robots, and nothing else. As many as you like may run; a robot has one driver at a time.

use crate::{banner::reachable, database, http, sealing, settings::Settings, shutdown};
use anyhow::bail;
use api::Health;
use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};
use store::Store;
use tasks::Tasks;
use workflow::{Lab, WorkerConfig};

pub async fn run(settings: &Settings, robots: &[String]) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    telemetry::install_metrics()?;
    let listener = match settings.worker_listen {
        Some(address) => Some(http::bind(address, "--listen").await?),
        None => None,
    };
    let store = database::open_to_serve(settings).await?;
    database::patiently(async || check_names(&store, robots).await).await?;
    let robots = (!robots.is_empty()).then(|| robots.to_vec());
    tracing::info!(robots = ?robots, "driving");
    let limits = settings.limits()?;
    let tasks = Tasks::new(shutdown.clone());
    store.join(&tasks);
    let documents = database::documents(settings, &store)?;
    documents.relay(settings.retention().documents, &tasks);
    // A lab where nobody serves at the moment seals its log, too.
    sealing::run(store.clone(), &tasks);
    if let Some(prefect) = settings.prefect()? {
        let lab = Lab::new(store.clone()).reaching(Arc::new(settings.network()));
        prefect::run(prefect, lab, store.clone(), &tasks);
    }
    let config = WorkerConfig { robots, ..settings.worker() };
    let work = workflow::run_worker(store.clone(), config, tasks.clone());
    match listener {
        Some(listener) => {
            announce(listener.local_addr()?);
            let health = Health::new(store.clone(), settings.scrape_tokens());
            let health = health.with_documents(documents).with_tasks(tasks);
            let told = http::serve(listener, api::health_router(health), limits, shutdown.clone());
            tokio::join!(told, work);
        }
        None => work.await,
    }
    sealing::finish(&store).await;
    store.close().await?;
    Ok(())
}

/// A closed standard output is no reason to stop a worker.
fn announce(address: SocketAddr) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "\n  Health and metrics  http://{}\n", reachable(address)).and_then(|()| out.flush());
}

/// A misspelt robot would otherwise be waited for in silence.
async fn check_names(store: &Store, wanted: &[String]) -> anyhow::Result<()> {
    let known: Vec<String> = store.robots().await?.into_iter().map(|robot| robot.name).collect();
    let mut missing: Vec<_> = wanted.iter().filter(|name| !known.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let former = store.former_names().await?;
    for name in missing.iter().filter(|name| former.contains_key(**name)) {
        tracing::warn!(robot = name, "this robot was renamed: it is driven all the same, until another gets the name");
    }
    missing.retain(|name| !former.contains_key(*name));
    let Some(missing) = missing.first() else { return Ok(()) };
    let known =
        if known.is_empty() { "there is none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
    bail!("there is no robot {missing} ({known}): add it with `tincture robot add {missing} --url … --sensor …`")
}
