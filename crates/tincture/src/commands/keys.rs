//! `tincture keys`: the keys that sign access tokens.

use crate::{cli::Keys, database, settings::Settings};
use auth::{KeyInfo, Service};
use std::io::{self, Write};

pub async fn run(settings: &Settings, command: &Keys) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let done = carry_out(&Service::new(store.clone()).await?, command).await;
    // Which tells the processes that serve.
    store.close().await?;
    done
}

async fn carry_out(auth: &Service, command: &Keys) -> anyhow::Result<()> {
    let keys = auth.keys();
    match command {
        Keys::List => list(&keys.list().await?),
        Keys::Rotate => {
            let kid = keys.rotate(None, None).await?;
            say(&format!("{kid} signs now; every process follows within a minute."))
        }
        Keys::Retire { kid } => {
            keys.retire(kid, None, None).await?;
            say(&format!("{kid} is forgotten; every process follows within a minute."))
        }
    }
}

fn say(sentence: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{sentence}")?)
}

fn list(keys: &[KeyInfo]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for key in keys {
        let does = key.verifies_until.map_or_else(
            || "signs".to_owned(),
            |until| format!("verifies until {}", until.format("%Y-%m-%d %H:%M:%S UTC")),
        );
        writeln!(out, "{:<36}  since {:.10}  {does}", key.kid, key.created_at.to_rfc3339())?;
    }
    Ok(())
}
