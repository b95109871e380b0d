//! Our hold on a robot that knows of no holds: one command at a time, and nothing more as soon as the robot tells of what we
//! didn't ask for, or is heard to be told what we didn't tell it.

use super::{
    Script,
    message::{self, Command, Complete, SensorStatus, Subject},
};
use crate::{Hold, Memory, Pending, PerformError, RobotError, script::unreachable};
use domain::{Operation, OperationId};
use mqtt::{Listener, Session, Trouble};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

/// How much of what a stranger says is logged.
const SHOWN: usize = 200;

#[derive(Debug)]
pub(super) struct ScriptHold {
    id: String,
    script: Script,
    epoch: i64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    statuses: Listener,
    /// What the script is told, by us or by anybody else.
    commands: Listener,
    /// What we told it last, until we hear it ourselves.
    unheard: Option<Vec<u8>>,
    /// Sent, and its end not known: also after its caller went away.
    is_in_doubt: bool,
    /// What fetched the sensor that hangs on the nozzle.
    fetched_by: Option<OperationId>,
    /// The last command that ended, and how.
    last: Option<Complete>,
    /// What the robot told of that nobody asked for here, in words. It isn't believed any more then.
    strange: Option<&'static str>,
}

impl ScriptHold {
    /// Hears on `statuses` what the robot tells, and on `commands` what it is told.
    pub fn new(script: Script, epoch: i64, statuses: Listener, commands: Listener) -> Self {
        let (unheard, fetched_by, last, strange) = (None, None, None, None);
        let state = State { statuses, commands, unheard, is_in_doubt: false, fetched_by, last, strange };
        Self { id: format!("script-{}", OperationId::new()), script, epoch, state: Mutex::new(state) }
    }

    async fn send(&self, operation: &Operation) -> Result<Value, PerformError> {
        let command = Command::of(&operation.step).map_err(PerformError::Refused)?;
        let mut state = self.state.lock().await;
        if state.is_in_doubt {
            let (step, why) = (operation.step.name(), "the end of an earlier command under this hold is unknown");
            return Err(PerformError::Refused(RobotError::Unsafe { step, why }));
        }
        state.confirm().map_err(PerformError::LostControl)?;
        let fetched_by = state.fetched_by.filter(|_| command.ends_in() == SensorStatus::Charging);
        let subject = Subject::new(operation.id, fetched_by, self.epoch);
        let expected = Complete { subject, status: command.ends_in() };
        let session = self.script.session().await.map_err(|trouble| PerformError::NotSent(unreachable(trouble)))?;
        state.is_in_doubt = true;
        tracing::debug!(hold = self.id, operation = %operation.id, "sending");
        let after = self.script.patience.command;
        let end = timeout(after, self.carry(&mut state, session, &command, &expected)).await;
        match end {
            Ok(Ok(())) => {}
            Ok(Err(trouble)) => return Err(PerformError::Unknown(unreachable(trouble))),
            Err(_) => return Err(PerformError::Unknown(RobotError::TimedOut { after })),
        }
        state.is_in_doubt = false;
        state.fetched_by = (expected.status == SensorStatus::InPlace).then_some(operation.id);
        let answer = json!({ "experiment_id": expected.subject.experiment_id });
        state.last = Some(expected);
        Ok(answer)
    }

    /// Publishes the command, once, and waits until the robot says that it was carried out: across connections, since it may have
    /// been though this one broke.
    async fn carry(
        &self,
        state: &mut State,
        mut session: Session,
        command: &Command,
        expected: &Complete,
    ) -> Result<(), Trouble> {
        let payload = message::payload(command, &expected.subject);
        state.unheard = Some(payload.clone());
        if let Err(trouble) = session.publish_once(&self.script.told_on, payload).await {
            tracing::warn!(hold = self.id, %trouble, "nobody knows whether a command was heard");
        }
        loop {
            tokio::select! {
                message = state.statuses.hear() => {
                    if state.is_it(&message, Some(expected)) {
                        return Ok(());
                    }
                }
                _ = session.ended() => session = self.script.session_at_last().await?,
            }
        }
    }
}

impl State {
    /// Whether nothing strange was heard so far.
    fn confirm(&mut self) -> Result<(), RobotError> {
        while let Some(command) = self.commands.heard() {
            self.overhear(&command);
        }
        while let Some(message) = self.statuses.heard() {
            self.is_it(&message, None);
        }
        match self.strange {
            None => Ok(()),
            Some(detail) => Err(RobotError::NotAlone { detail: detail.to_owned() }),
        }
    }

    /// What the script was told: once by us, where we are let hear it.
    fn overhear(&mut self, command: &[u8]) {
        if self.unheard.take_if(|told| told == command).is_none() {
            tracing::warn!(
                text = shown(command),
                "a robot's script was told something that we didn't tell it, or twice"
            );
            self.strange = Some("Its script was told something else than what this lab told it, or that twice");
        }
    }

    /// Whether this is what is waited for. Whatever else it is, is refused.
    fn is_it(&mut self, message: &[u8], expected: Option<&Complete>) -> bool {
        let text = shown(message);
        let Some(told) = message::complete(message) else {
            tracing::info!(text, "a robot's script says something that is no answer");
            return false;
        };
        if Some(&told) == expected {
            return true;
        }
        if self.last.as_ref() == Some(&told) && told.status == SensorStatus::Charging {
            // A sensor can't be docked twice: this was only said twice.
            tracing::warn!(text, "dropped a doubled answer of a robot's script");
            return false;
        }
        tracing::warn!(text, "refused an answer of a robot's script to something else");
        self.strange = Some(
            "Its script tells of a command that wasn't given just now: a late one, a doubled one, or somebody else's",
        );
        false
    }
}

fn shown(message: &[u8]) -> String {
    String::from_utf8_lossy(message).chars().take(SHOWN).collect()
}

impl Hold for ScriptHold {
    fn id(&self) -> &str {
        &self.id
    }

    fn perform<'a>(&'a self, operation: &'a Operation, _memory: Memory) -> Pending<'a, Result<Value, PerformError>> {
        Box::pin(self.send(operation))
    }

    fn confirm(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(async { self.state.lock().await.confirm() })
    }

    fn close(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(async { Ok(()) })
    }
}
