//! Running a program of somebody else's: with a deadline, its lines told as they come, and ended with all its children.

use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// Whoever says more than this is cut off.
const MOST_SAID: u64 = 64 << 20;
/// For a program that was asked to end, before it is made to.
const FAREWELL: Duration = Duration::from_secs(5);
/// Between two looks whether it has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// Lines that wait to be told.
const BACKLOG: usize = 64;

/// Where what it says on its standard output goes.
#[derive(Debug)]
pub enum Out {
    /// It is told, line by line.
    Lines,
    /// As it is, into a file.
    Into(File),
}

/// A line of what it says, without its end.
#[derive(Debug)]
pub enum Line {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

/// Runs it to its end, in a group of processes of its own. None of them is left behind when it takes too long or is to stop,
/// nor when nobody waits for it any more.
///
/// # Errors
/// `NotInstalled` where there is no such program; `TooLong`; `Stopped`.
pub async fn run(
    mut command: Command,
    out: Out,
    limit: Duration,
    stop: &CancellationToken,
    mut tell: impl FnMut(Line),
) -> Result<ExitStatus> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = match out {
        Out::Lines => Stdio::piped(),
        Out::Into(file) => file.into(),
    };
    command.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).process_group(0);
    let mut group = Group(command.spawn().map_err(|error| Error::not_started(&program, error))?);
    let (sender, mut lines) = mpsc::channel(BACKLOG);
    if let Some(said) = group.0.stdout.take() {
        read(said, Line::Out, sender.clone());
    }
    if let Some(said) = group.0.stderr.take() {
        read(said, Line::Err, sender.clone());
    }
    drop(sender);
    let deadline = Instant::now() + limit;
    let outcome = loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => tell(line),
                None => break group.ended_by(deadline).await,
            },
            () = stop.cancelled() => break Err(Error::Stopped { program: program.clone() }),
            () = sleep_until(deadline) => break Err(Error::TooLong { program: program.clone(), limit }),
        }
    };
    match outcome {
        Ok(Some(status)) => Ok(status),
        Ok(None) => group.end(Error::TooLong { program, limit }).await,
        Err(error) => group.end(error).await,
    }
}

/// Reads where it holds nobody up. Ends when the other side has closed, or nobody listens.
fn read(said: impl Read + Send + 'static, line: fn(Vec<u8>) -> Line, to: mpsc::Sender<Line>) {
    thread::spawn(move || {
        let mut said = BufReader::new(said.take(MOST_SAID));
        loop {
            let mut bytes = Vec::new();
            match said.read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                bytes.pop();
            }
            if to.blocking_send(line(bytes)).is_err() {
                return;
            }
        }
    });
}

/// A process that leads a group, which is ended with it.
#[derive(Debug)]
struct Group(Child);

impl Group {
    /// Nothing where it goes on though it has closed what it could say something with.
    async fn ended_by(&mut self, deadline: Instant) -> Result<Option<ExitStatus>> {
        let ended = async {
            loop {
                match self.0.try_wait()? {
                    Some(status) => return io::Result::Ok(status),
                    None => sleep(GLANCE).await,
                }
            }
        };
        match timeout_at(deadline, ended).await {
            Ok(status) => Ok(Some(status?)),
            Err(_) => Ok(None),
        }
    }

    /// Asks it to end, and makes all of it end when it doesn't.
    async fn end<T>(mut self, why: Error) -> Result<T> {
        self.signal(Signal::TERM);
        // Until its leader is gone: what it started and left is ended below.
        let _ = self.ended_by(Instant::now() + FAREWELL).await;
        Err(why)
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = Pid::from_raw(self.0.id().try_into().unwrap_or_default()) {
            // Gone already is as good.
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path, time};

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn runs(pid: &str) -> bool {
        // One that has ended and that nobody has buried is no process any more.
        let state = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
        state.is_ok_and(|text| !text.contains(") Z "))
    }

    fn waited(condition: impl Fn() -> bool) -> bool {
        let deadline = time::Instant::now() + Duration::from_secs(20);
        while !condition() {
            if time::Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    #[tokio::test]
    async fn what_it_says_is_told_and_its_end_is_given() {
        let mut said = Vec::new();
        let tell = |line| said.push(line);
        let status =
            run(sh("echo one; echo two >&2; exit 3"), Out::Lines, FAREWELL, &CancellationToken::new(), tell).await;
        assert_eq!(status.expect("it ran").code(), Some(3));
        assert!(said.iter().any(|line| matches!(line, Line::Out(text) if text == b"one")), "{said:?}");
        assert!(said.iter().any(|line| matches!(line, Line::Err(text) if text == b"two")), "{said:?}");
    }

    #[tokio::test]
    async fn what_takes_too_long_ends_with_its_children() {
        // It doesn't want to end, and its child neither.
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; sleep 600' & echo $!; wait";
        let mut child = String::new();
        let tell = |line| {
            if let Line::Out(text) = line {
                child = String::from_utf8(text).expect("a number");
            }
        };
        let error = run(sh(script), Out::Lines, Duration::from_secs(1), &CancellationToken::new(), tell).await;
        let error = error.expect_err("too long").to_string();
        assert!(error.contains("sh") && error.contains("1 s"), "{error}");
        assert!(!child.is_empty() && waited(|| !runs(&child)), "process {child} goes on");
    }

    #[tokio::test]
    async fn what_is_to_stop_stops_and_so_does_what_nobody_waits_for() {
        for stopped in [true, false] {
            let stop = CancellationToken::new();
            let (sender, mut told) = mpsc::channel(1);
            let running = tokio::spawn({
                let stop = stop.clone();
                async move {
                    run(sh("echo $$; sleep 600"), Out::Lines, FAREWELL * 100, &stop, |line| drop(sender.try_send(line)))
                        .await
                }
            });
            let Some(Line::Out(pid)) = told.recv().await else { panic!("it says its number") };
            let pid = String::from_utf8(pid).expect("a number");
            assert!(runs(&pid));
            if stopped {
                stop.cancel();
                assert!(matches!(running.await.expect("no panic"), Err(Error::Stopped { .. })));
            } else {
                running.abort();
                let _ = running.await;
            }
            assert!(waited(|| !runs(&pid)), "stopped: {stopped}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let missing = Command::new("no-such-program");
        let error = run(missing, Out::Lines, FAREWELL, &CancellationToken::new(), drop)
            .await
            .expect_err("not there")
            .to_string();
        assert!(error.contains("no-such-program"), "{error}");
    }
}
