//! `tincture serve`: pages and API over a database that others share; robots are driven by `tincture worker`.

use crate::{
    app,
    banner::{Banner, Watcher},
    database, http,
    settings::Settings,
    shutdown,
};
use tasks::Tasks;

pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = http::bind(settings.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let store = database::open_to_serve(settings).await?;
    let tasks = Tasks::new(shutdown);
    store.join(&tasks);
    let served = Settings { listen: address, ..settings.clone() };
    let app = app::build(&served, store.clone(), tasks).await?;
    Banner { address, way_in: app.way_in.as_ref(), robot: None, watcher: &Watcher::NotWanted }.print();
    app.serve(listener).await;
    store.close().await?;
    Ok(())
}
