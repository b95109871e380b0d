//! Our hold on a robot: opening a run, performing steps in it one at a time, letting go.

use super::{
    answer::{Command, One, RunState, Runs, Status},
    command::{Hand, Places, RobotCommand, command},
    labware,
    lookup::look_up,
    wire::{Wire, is_id},
};
use crate::{Lookup, Memory, PerformError, RobotError};
use domain::{Deck, Operation, OperationId, Pipette, Slot, labware::LabwareName};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

/// How long the server holds back its answer to a command before we poll instead.
const HELD: Duration = Duration::from_secs(20);
/// Between two polls.
const PAUSE: Duration = Duration::from_millis(200);

/// A run of which we are the only user. Cheap to clone; clones share the one command in flight.
#[derive(Clone, Debug)]
pub struct Run {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    wire: Arc<Wire>,
    id: String,
    deck: Deck,
    places: Places,
    flight: Mutex<Flight>,
}

/// The one command that may be in flight.
#[derive(Debug, PartialEq, Eq)]
enum Flight {
    Clear,
    /// Sent, and its end not known: also after its caller went away.
    InDoubt,
}

impl Run {
    /// The run's id on the robot, for [`super::Ot2::lookup`] after a restart.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Sends one step under its operation's id and waits for its end, within [`crate::Patience::command`]. Never sends twice;
    /// when an answer is lost, looks up what became of the command.
    ///
    /// After [`PerformError::Unknown`] this run refuses further steps: open a new one, then look the operation up. So it
    /// does when the future is dropped half-way; the robot carries on with the command then.
    pub async fn perform(&self, operation: &Operation, memory: Memory) -> Result<Value, PerformError> {
        let Inner { deck, places, .. } = &*self.inner;
        let command = command(deck, places, &operation.step, memory).map_err(PerformError::Refused)?;
        let mut flight = self.inner.flight.lock().await;
        if *flight == Flight::InDoubt {
            let (step, why) = (operation.step.name(), "the end of an earlier command of this run is unknown");
            return Err(PerformError::Refused(RobotError::Unsafe { step, why }));
        }
        *flight = Flight::InDoubt;
        tracing::debug!(run = self.id(), operation = %operation.id, command = command.name, "sending");
        let outcome = self.carry_out(operation.id, &command).await;
        match &outcome {
            Err(PerformError::Unknown(cause)) => {
                tracing::warn!(run = self.id(), operation = %operation.id, %cause, "a command is in doubt");
            }
            _ => *flight = Flight::Clear,
        }
        outcome
    }

    /// Whether the robot is still ours. A run that was replaced never becomes current again, so a yes also says that
    /// nobody took the robot since it was opened.
    pub async fn confirm(&self) -> Result<(), RobotError> {
        let run = self.inner.wire.get(&format!("/runs/{}", self.inner.id)).await?.read::<One<RunState>>()?.data;
        match run {
            RunState { ok: false, .. } => Err(RobotError::HistoryLost { run: run.id }),
            RunState { current: false, .. } => {
                Err(RobotError::RunStopped { detail: "its run is not current any more".to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Lets go of the robot. Another client may already have taken it: that is an error, and harmless.
    pub async fn close(&self) -> Result<(), RobotError> {
        let path = format!("/runs/{}", self.inner.id);
        self.inner.wire.patch(&path, &json!({"data": {"current": false}})).await.map(drop)
    }

    async fn carry_out(&self, key: OperationId, command: &RobotCommand) -> Result<Value, PerformError> {
        let deadline = Instant::now() + self.inner.wire.patience.command;
        match send(&self.inner.wire, &self.inner.id, command, Some(key)).await {
            Ok(sent) => self.follow(sent, deadline).await,
            Err(error) => match certainty(error) {
                PerformError::Unknown(cause) => self.settle(key, cause, deadline).await,
                certain => Err(certain),
            },
        }
    }

    /// Polls a command until it ends. Asking is harmless, so a failed question is asked again for a while.
    async fn follow(&self, mut command: Command, deadline: Instant) -> Result<Value, PerformError> {
        let Inner { wire, id, .. } = &*self.inner;
        let mut patience_ends = None;
        loop {
            if let Some(ending) = command.ending() {
                return ending.map_err(PerformError::Failed);
            }
            if Instant::now() >= deadline {
                return Err(PerformError::Unknown(RobotError::TimedOut { after: wire.patience.command }));
            }
            sleep(PAUSE).await;
            match fetch(wire, id, &command.id).await {
                Ok(now) => (command, patience_ends) = (now, None),
                Err(error) => {
                    let ends = *patience_ends.get_or_insert_with(|| Instant::now() + wire.patience.answer);
                    if Instant::now() >= ends {
                        return Err(PerformError::Unknown(error));
                    }
                }
            }
        }
    }

    /// The answer was lost: finds out by the key. That the robot hasn't got the command proves nothing yet, as it may still
    /// be under way.
    async fn settle(&self, key: OperationId, cause: RobotError, deadline: Instant) -> Result<Value, PerformError> {
        let Inner { wire, id, .. } = &*self.inner;
        let patience_ends = Instant::now() + wire.patience.answer;
        loop {
            let until = match look_up(wire, id, key).await {
                Ok(Lookup::Succeeded(result)) => return Ok(result),
                Ok(Lookup::Failed(failure)) => return Err(PerformError::Failed(failure)),
                Ok(Lookup::HistoryLost) => {
                    return Err(PerformError::Unknown(RobotError::HistoryLost { run: id.clone() }));
                }
                Ok(Lookup::Absent) => return Err(PerformError::Unknown(cause)),
                Ok(Lookup::Running) => deadline,
                Err(_) => patience_ends,
            };
            if Instant::now() >= until {
                return Err(PerformError::Unknown(cause));
            }
            sleep(PAUSE).await;
        }
    }
}

/// What an error on sending proves.
fn certainty(error: RobotError) -> PerformError {
    match error {
        RobotError::Unreachable { .. } => PerformError::NotSent(error),
        RobotError::RunStopped { .. } => PerformError::LostControl(error),
        RobotError::Refused { ref id, .. } if id == "RunNotFound" => PerformError::LostControl(error),
        RobotError::Refused { .. } | RobotError::Busy { .. } | RobotError::Unsafe { .. } => {
            PerformError::Refused(error)
        }
        _ => PerformError::Unknown(error),
    }
}

/// Sends a command, once, and waits a while for its end.
async fn send(wire: &Wire, run: &str, command: &RobotCommand, key: Option<OperationId>) -> Result<Command, RobotError> {
    let held = HELD.min(wire.patience.command);
    let path = format!("/runs/{run}/commands?waitUntilComplete=true&timeout={}", held.as_millis());
    let mut data = json!({"commandType": command.name, "params": command.params, "intent": "setup"});
    if let Some(key) = key {
        data["key"] = json!(key);
    }
    let sent = wire.post_and_wait(&path, &json!({"data": data}), held).await?.read::<One<Command>>()?.data;
    if key.is_some_and(|key| sent.key != key.to_string()) {
        return Err(RobotError::BadAnswer { status: 201, detail: "it is about another command".to_owned() });
    }
    Ok(sent)
}

async fn fetch(wire: &Wire, run: &str, command: &str) -> Result<Command, RobotError> {
    if !is_id(command) {
        return Err(RobotError::BadAnswer { status: 201, detail: "the command's id is none".to_owned() });
    }
    Ok(wire.get(&format!("/runs/{run}/commands/{command}")).await?.read::<One<Command>>()?.data)
}

/// Takes the robot and tells it what stands on its deck.
pub(super) async fn open(wire: &Arc<Wire>, deck: &Deck) -> Result<Run, RobotError> {
    let id = create(wire, deck).await?;
    let places = Loader { wire, run: &id, deck }.load().await?;
    let (wire, deck, flight) = (Arc::clone(wire), deck.clone(), Mutex::new(Flight::Clear));
    Ok(Run { inner: Arc::new(Inner { wire, id, deck, places, flight }) })
}

async fn create(wire: &Wire, deck: &Deck) -> Result<String, RobotError> {
    let began = Instant::now();
    let offsets = labware::offsets(deck);
    let wanted = if offsets.is_empty() { json!({}) } else { json!({"labwareOffsets": offsets}) };
    loop {
        let refusal = match wire.post("/runs", &json!({"data": wanted})).await {
            Ok(answer) => return run_id(&answer.read::<One<RunState>>()?.data),
            Err(refusal) => refusal,
        };
        let patience = match &refusal {
            RobotError::Booting => wire.patience.boot,
            RobotError::Busy { .. } if !is_played(wire).await => wire.patience.takeover,
            _ => return Err(refusal),
        };
        if began.elapsed() >= patience {
            return Err(refusal);
        }
        sleep(PAUSE).await;
    }
}

fn run_id(run: &RunState) -> Result<String, RobotError> {
    if !is_id(&run.id) {
        return Err(RobotError::BadAnswer { status: 201, detail: "the run's id is none".to_owned() });
    }
    Ok(run.id.clone())
}

/// Whether the robot carries out somebody's protocol, which may take hours, rather than the rest of one command.
async fn is_played(wire: &Wire) -> bool {
    let ends_soon =
        |status: &str| matches!(status, "idle" | "stop-requested" | "finishing" | "stopped" | "succeeded" | "failed");
    let runs = wire.get("/runs").await.and_then(|answer| answer.read::<Runs>());
    runs.is_ok_and(|runs| runs.data.iter().any(|run| run.current && !ends_soon(&run.status)))
}

/// Loads a deck into a new run.
struct Loader<'a> {
    wire: &'a Wire,
    run: &'a str,
    deck: &'a Deck,
}

impl Loader<'_> {
    async fn load(&self) -> Result<Places, RobotError> {
        let deck = self.deck;
        let plate = self.labware(deck.plate_slot, &deck.plate).await?;
        let vials = self.labware(deck.vial_slot, &deck.vial_rack).await?;
        let dock = self.labware(deck.sensor_slot, &deck.sensor_dock).await?;
        let mut hands = Vec::new();
        for pipette in &deck.pipettes {
            hands.push(self.hand(pipette).await?);
        }
        Ok(Places { plate, vials, dock, hands })
    }

    async fn labware(&self, slot: Slot, piece: &str) -> Result<String, RobotError> {
        if let Some(definition) = labware::own(self.deck, piece) {
            let path = format!("/runs/{}/labware_definitions", self.run);
            self.wire.post(&path, &json!({"data": definition})).await?;
        }
        let LabwareName { namespace, load_name, version } = labware::reference(self.deck, piece);
        let params = json!({
            "location": {"slotName": slot.0.to_string()}, "loadName": load_name, "namespace": namespace, "version": version,
        });
        self.loaded(RobotCommand::new("loadLabware", params), "labwareId").await
    }

    async fn hand(&self, pipette: &Pipette) -> Result<Hand, RobotError> {
        let rack = self.labware(pipette.tip_slot, &pipette.tip_rack).await?;
        let params = json!({"pipetteName": pipette.model.load_name(), "mount": pipette.mount});
        let id = self.loaded(RobotCommand::new("loadPipette", params), "pipetteId").await?;
        Ok(Hand { mount: pipette.mount, model: pipette.model, id, rack })
    }

    /// Loading moves nothing, so what is lost here is lost without harm: the next run loads anew.
    async fn loaded(&self, command: RobotCommand, id_field: &str) -> Result<String, RobotError> {
        let loaded = send(self.wire, self.run, &command, None).await?;
        match loaded.status {
            Status::Succeeded => {}
            Status::Failed => return Err(RobotError::DeckMismatch { detail: loaded.failure().to_string() }),
            Status::Queued | Status::Running => return Err(RobotError::TimedOut { after: HELD }),
        }
        let id = loaded.result.as_ref().and_then(|result| result.get(id_field)).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| RobotError::BadAnswer { status: 201, detail: format!("no {id_field}") })
    }
}
