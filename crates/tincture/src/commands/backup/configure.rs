//! `tincture backup configure`: what has to be put where, so that pgBackRest backs the lab's PostgreSQL up. Printed, or written
//! into a new place; nothing that is there is changed.

use crate::{cli::Configure, database, settings::Settings};
use anyhow::{Context, anyhow};
use pgbackrest::Setup;
use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;

/// Where Debian's package has it.
const USUAL_DATA: &str = "/var/lib/postgresql/15/main";
/// What is usual for a stanza that nobody has named.
const USUAL_STANZA: &str = "tincture";
/// For a server that may not be there yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file to put somewhere.
struct Part {
    name: &'static str,
    /// Where it belongs.
    place: String,
    text: String,
}

pub async fn run(settings: &Settings, wanted: &Configure) -> anyhow::Result<()> {
    let data = match &wanted.pg_data {
        Some(data) => data.clone(),
        None => said_by_server(settings).await.unwrap_or_else(|| USUAL_DATA.into()),
    };
    let setup = Setup {
        stanza: settings.pgbackrest_stanza.clone().unwrap_or_else(|| USUAL_STANZA.to_owned()),
        configuration: settings.pgbackrest_config.clone(),
        data,
        port: wanted.pg_port,
        socket: wanted.pg_socket.clone(),
        role: wanted.pg_role.clone(),
        repository: wanted.repository.clone(),
        keep_days: settings.backup_keep,
        archive_seconds: wanted.archive_every,
    };
    let parts = parts(&setup).map_err(|why| anyhow!(why))?;
    match &wanted.into {
        Some(directory) => write_all(&parts, directory)?,
        None => print_all(&parts)?,
    }
    Ok(write!(io::stdout(), "{}", next_steps(&setup))?)
}

/// Its own word, where its role may give it.
async fn said_by_server(settings: &Settings) -> Option<PathBuf> {
    database::file(settings).is_none().then_some(())?;
    let asked = async {
        let store = database::open_at_once(settings, PATIENCE).await.ok()?;
        let said = store.data_directory().await.ok().flatten();
        let _ = store.close().await;
        said
    };
    timeout(PATIENCE, asked).await.ok().flatten().map(PathBuf::from)
}

fn parts(setup: &Setup) -> Result<Vec<Part>, String> {
    let usual = || "/etc/pgbackrest.conf".to_owned();
    let configuration = setup.configuration.as_ref().map_or_else(usual, |file| file.display().to_string());
    Ok(vec![
        Part { name: "pgbackrest.conf", place: configuration, text: setup.pgbackrest()? },
        Part {
            name: "tincture-archive.conf",
            place: "/etc/postgresql/15/main/conf.d/tincture-archive.conf, or the end of postgresql.conf".to_owned(),
            text: setup.postgresql()?,
        },
        Part {
            name: "tincture-backup.service",
            place: "/etc/systemd/system/tincture-backup.service".to_owned(),
            text: service(setup),
        },
    ])
}

fn service(setup: &Setup) -> String {
    let program =
        env::current_exe().map_or_else(|_| "/usr/local/bin/tincture".to_owned(), |own| own.display().to_string());
    let mut settings = format!("#   pgbackrest_stanza = \"{}\"\n", setup.stanza);
    if let Some(file) = &setup.configuration {
        let _ = writeln!(settings, "#   pgbackrest_config = \"{}\"", file.display());
    }
    format!(
        "# Backs the lab's database up when it is due, has the backups read back, and tells the lab's metrics.\n\
         # /etc/tincture.toml, readable by postgres and nobody else, has beside database_url:\n\
         {settings}\
         [Unit]\n\
         Description=Backups of Tincture's database\n\
         After=postgresql.service\n\n\
         [Service]\n\
         User=postgres\n\
         ExecStart={program} --config /etc/tincture.toml backup schedule\n\
         Restart=always\n\
         RestartSec=60\n\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

fn print_all(parts: &[Part]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for Part { place, text, .. } in parts {
        writeln!(out, "# ---- {place}\n{text}")?;
    }
    Ok(())
}

fn write_all(parts: &[Part], directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("{} can't be made", directory.display()))?;
    for Part { name, place, text } in parts {
        let file = directory.join(name);
        let mut new = fs::OpenOptions::new();
        // The passphrase of the repository may come to stand in it.
        let opened = new.write(true).create_new(true).mode(0o640).open(&file);
        let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
        written.with_context(|| format!("{} can't be written", file.display()))?;
        writeln!(io::stdout(), "{} → {place}", file.display())?;
    }
    Ok(())
}

fn next_steps(setup: &Setup) -> String {
    format!(
        "# ---- then, on the database's host\n\
         # install -d -m 0750 -o postgres -g postgres {repository}\n\
         # systemctl restart postgresql\n\
         # sudo -u postgres tincture --config /etc/tincture.toml backup create --type full\n\
         # systemctl enable --now tincture-backup\n",
        repository = setup.repository.display(),
    )
}
