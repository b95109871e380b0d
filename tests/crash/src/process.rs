//! A process of the lab that can be killed, stopped and woken.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Instant, timeout},
};

/// How long a process may take until it says that it is ready.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one that was asked to end may take.
const END_LIMIT: Duration = Duration::from_secs(60);

/// So many lines of a log are told of a process that doesn't start.
const LAST_LINES: usize = 12;

/// How a process is started, again and again.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub name: String,
    pub binary: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Where its log goes.
    pub directory: PathBuf,
}

/// A running process. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Recipe {
    /// Starts it and waits for the first line on its standard output that contains each of `marks`; gives these lines.
    pub async fn start(&self, marks: &[&str]) -> Result<(Process, Vec<String>)> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.log()?);
        let mut child = command.spawn().with_context(|| format!("{} can't be started", self.name))?;
        let output = child.stdout.take().context("a process without standard output")?;
        let mut lines = BufReader::new(output).lines();
        let mut found = Vec::new();
        for mark in marks {
            let wait = async {
                loop {
                    match lines.next_line().await? {
                        Some(line) if line.contains(mark) => return Ok(line),
                        Some(_) => {}
                        None => bail!("{} ended before it said '{mark}': {}", self.name, self.last_said()),
                    }
                }
            };
            found.push(timeout(START_LIMIT, wait).await.with_context(|| format!("{} doesn't get ready", self.name))??);
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Process { name: self.name.clone(), child }, found))
    }

    /// The command, with nothing inherited that would configure it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TINCTURE_")) {
            command.env_remove(name);
        }
        command.args(&self.arguments).envs(self.environment.iter().cloned()).current_dir(&self.directory);
        command.kill_on_drop(true);
        command
    }

    /// The end of its log, which may be gone before anybody looks.
    fn last_said(&self) -> String {
        let log = std::fs::read_to_string(log_path(&self.directory, &self.name)).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(LAST_LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn log(&self) -> Result<File> {
        let path = log_path(&self.directory, &self.name);
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("{} can't be written", path.display()))
    }
}

/// Where a process of that name writes its log.
pub fn log_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.log"))
}

impl Process {
    /// `kill -9`; gone when this returns.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("{} can't be killed", self.name))
    }

    /// SIGSTOP: it keeps its memory and its connections, and does nothing.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn wake(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, as an operator would, and waits. Gives how long it took.
    ///
    /// # Errors
    /// It hasn't ended after a minute.
    pub async fn end(mut self) -> Result<Duration> {
        let began = Instant::now();
        self.signal(Signal::TERM)?;
        timeout(END_LIMIT, self.child.wait())
            .await
            .with_context(|| format!("{} doesn't end when asked to", self.name))??;
        Ok(began.elapsed())
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.with_context(|| format!("{} has ended already", self.name))?;
        kill_process(id, signal).with_context(|| format!("{} can't be signalled", self.name))
    }
}
