//! `tincture up --monitoring`: Prometheus beside the lab, with the rules and alerts of `deploy/prometheus`, and what Grafana needs to
//! show it.
//!
//! Prometheus is somebody else's program: that it isn't installed, or ends, is told, and the lab goes on.

use crate::{banner::reachable, settings::Settings};
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PROGRAM: &str = "prometheus";
/// Of Prometheus; it is what the data source of `deploy/grafana` says.
const USUAL_PORT: u16 = 9090;
/// Between two readings: a virtual lab does much in a minute.
const EVERY: &str = "5s";
const KEPT: &str = "15d";
/// Until a Prometheus that was asked to end is killed.
const LAST_WORDS: Duration = Duration::from_secs(5);

const RULES: [(&str, &str); 2] = [
    ("recording.yml", include_str!("../../../deploy/prometheus/rules/recording.yml")),
    ("alerts.yml", include_str!("../../../deploy/prometheus/rules/alerts.yml")),
];

const DASHBOARDS: [(&str, &str); 6] = [
    ("api.json", include_str!("../../../deploy/grafana/dashboards/api.json")),
    ("databases.json", include_str!("../../../deploy/grafana/dashboards/databases.json")),
    ("lab.json", include_str!("../../../deploy/grafana/dashboards/lab.json")),
    ("robot.json", include_str!("../../../deploy/grafana/dashboards/robot.json")),
    ("science.json", include_str!("../../../deploy/grafana/dashboards/science.json")),
    ("workflow.json", include_str!("../../../deploy/grafana/dashboards/workflow.json")),
];

/// A Prometheus of ours; ended when dropped.
#[derive(Debug)]
pub struct Monitoring {
    child: Child,
    pub address: SocketAddr,
    /// What Grafana is to be started with.
    pub provisioning: PathBuf,
}

/// Where it listens: an address that was asked for, or the usual one and any other where that is taken.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    Usual,
    At(SocketAddr),
}

/// Starts Prometheus over the lab at `lab`, with all of its own in `directory`. `None` where it isn't installed.
///
/// # Errors
/// The directory can't be written, or the address that was asked for is taken; says what to do.
pub fn start(
    directory: &Path,
    wanted: Wanted,
    lab: SocketAddr,
    settings: &Settings,
) -> anyhow::Result<Option<Monitoring>> {
    let Some(program) = find(PROGRAM) else { return Ok(None) };
    let address = free_address(wanted)?;
    let shown = directory.display();
    write_all(directory, address, reachable(lab), settings).with_context(|| format!("{shown} can't be written"))?;
    let log = File::create(directory.join("prometheus.log"))?;
    let child = ended_with_us(&program)
        .arg(format!("--config.file={}", directory.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", directory.join("series").display()))
        .arg(format!("--storage.tsdb.retention.time={KEPT}"))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("Prometheus can't be started")?;
    Ok(Some(Monitoring { child, address, provisioning: directory.join("grafana") }))
}

impl Monitoring {
    /// Why it isn't running any more, if it isn't.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("Prometheus ended ({status}): see prometheus.log in the data directory"))
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        let asked = Pid::from_child(&self.child);
        let _ = kill_process(asked, Signal::TERM);
        let deadline = Instant::now() + LAST_WORDS;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that ends when this process does, however it ends: by util-linux's setpriv, where that is.
fn ended_with_us(program: &Path) -> Command {
    let Some(setpriv) = find("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// Prometheus doesn't tell which port it took: one is looked for that is free now.
fn free_address(wanted: Wanted) -> anyhow::Result<SocketAddr> {
    let bound = |address| TcpListener::bind(address).and_then(|listener| listener.local_addr());
    match wanted {
        Wanted::Usual => Ok(bound(SocketAddr::from(([127, 0, 0, 1], USUAL_PORT)))
            .or_else(|_| bound(SocketAddr::from(([127, 0, 0, 1], 0))))?),
        Wanted::At(address) => match bound(address) {
            Ok(address) => Ok(address),
            Err(error) => {
                bail!("Prometheus can't listen at {address} ({error}): choose another with --monitoring=ADDRESS")
            }
        },
    }
}

fn write_all(directory: &Path, address: SocketAddr, lab: SocketAddr, settings: &Settings) -> std::io::Result<()> {
    let (rules, grafana) = (directory.join("rules"), directory.join("grafana"));
    for each in [&rules, &grafana.join("datasources"), &grafana.join("dashboards"), &grafana.join("pages")] {
        DirBuilder::new().recursive(true).mode(0o700).create(each)?;
    }
    for (name, text) in RULES {
        fs::write(rules.join(name), text)?;
    }
    for (name, text) in DASHBOARDS {
        fs::write(grafana.join("pages").join(name), text)?;
    }
    let token = |name: &str, token: Option<&str>| -> std::io::Result<Option<PathBuf>> {
        let Some(token) = token else { return Ok(None) };
        let path = directory.join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(token.as_bytes())?;
        Ok(Some(path))
    };
    let instance = token("metrics-token", settings.metrics_token.as_ref().map(|token| token.expose()))?;
    let service = token("service-metrics-token", settings.service_metrics_token.as_ref().map(|token| token.expose()))?;
    let jobs = [job("tincture", "/metrics", instance, lab), job("tincture-lab", "/metrics/service", service, lab)];
    // JSON is YAML.
    let configuration = json!({
        "global": { "scrape_interval": EVERY, "evaluation_interval": EVERY },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": jobs,
    });
    fs::write(directory.join("prometheus.yml"), pretty(&configuration))?;
    let source = json!({ "apiVersion": 1, "datasources": [{
        "name": "Prometheus", "uid": "tincture-prometheus", "type": "prometheus", "access": "proxy",
        "url": format!("http://{}", reachable(address)), "isDefault": true, "jsonData": { "timeInterval": EVERY },
    }]});
    fs::write(grafana.join("datasources/tincture.yml"), pretty(&source))?;
    let pages = json!({ "apiVersion": 1, "providers": [{
        "name": "tincture", "folder": "Tincture", "type": "file", "options": { "path": grafana.join("pages") },
    }]});
    fs::write(grafana.join("dashboards/tincture.yml"), pretty(&pages))
}

fn job(name: &str, path: &str, token: Option<PathBuf>, lab: SocketAddr) -> Value {
    let mut job =
        json!({ "job_name": name, "metrics_path": path, "static_configs": [{ "targets": [lab.to_string()] }] });
    if let Some(token) = token {
        job["authorization"] = json!({ "credentials_file": token });
    }
    job
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_and_dashboard_of_the_repository_is_written() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let names = |directory: &str| -> BTreeSet<String> {
            let entries = fs::read_dir(root.join(directory)).expect("a directory of the repository");
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
        };
        let written =
            |files: &[(&str, &str)]| files.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(written(&RULES), names("prometheus/rules"));
        assert_eq!(written(&DASHBOARDS), names("grafana/dashboards"));
    }
}
