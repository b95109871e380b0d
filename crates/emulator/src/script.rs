//! The script that training labs run on their OT-2, on an MQTT broker: it moves the same world as the robot's server does.
//!
//! ```text
//! → {"command":{"R":60,"Y":30,"B":0,"well":"C5"},"experiment_id":"…","session_id":"…"}
//! ← {"status":{"sensor_status":"in_place"},"experiment_id":"…","session_id":"…"}
//! → {"command":{"sensor_status":"read"|"sensor_timeout"},"experiment_id":"…","session_id":"…"}
//! ← {"status":{"sensor_status":"charging"},"experiment_id":"…","session_id":"…"}
//! ```
//! It behaves as theirs does, faults included. Commands are carried out one after the other, each as often as it comes, whoever
//! sent it. Only the two ids come back; of what fails nothing does, and what hung on the nozzle then hangs there. Nothing is
//! remembered: started anew, it believes that nothing hangs there, and homes. Told to take or let go of what it can't, it goes to the place
//! first, with whatever hangs there. An answer that a broken connection may have
//! carried is sent again on the next.

use crate::world::{
    self, Action, DOCK_SLOT, DOCK_WELL, LabwareKind, PLATE_SLOT, Point, SENSOR_LENGTH_MM, SENSOR_OVERLAP_MM,
    SharedWorld, Slot, TIPS_300_SLOT, Travel, VIALS_SLOT, WellGeometry,
};
use chrono::Utc;
use domain::Mount;
use mqtt::{Broker, Listener, Trouble};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::sleep;

const MOUNT: Mount = Mount::Right;
/// What it calls its dyes, and where vial and tip of each are.
const DYES: [(&str, &str); 3] = [("R", "B1"), ("Y", "B2"), ("B", "B3")];
const WASTE: &str = "A1";
const MOST_UL: f64 = 300.0;
/// A p300's, µL/s.
const FLOW_UL_S: f64 = 92.86;
/// Where the tip dips in and lets go, and how far below or above a rim the rest is done. mm.
const ASPIRATE_ABOVE_BOTTOM_MM: f64 = 1.0;
const DISPENSE_ABOVE_BOTTOM_MM: f64 = 8.0;
const BLOW_OUT_BELOW_TOP_MM: f64 = 5.0;
const RETURN_BELOW_TOP_MM: f64 = 26.0;
const SENSOR_BELOW_TOP_MM: f64 = 1.3;
const DOCK_BELOW_TOP_MM: f64 = 80.0;
/// High enough for the sensor to clear its dock, and within what the mount reaches.
const TRAVEL: Travel = Travel::Over { nozzle_z_mm: 185.0 };
/// While it carries a tip to the waste and back, mm/s.
const CAREFUL_MM_S: f64 = 100.0;
/// Between two looks at what it was told.
const NAP: Duration = Duration::from_secs(1);
/// Between two looks for a broker that doesn't want it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// No id in the ledger is longer.
const LONGEST_KEY: usize = 200;

/// Serves until `shutdown` is done, across any number of connections.
pub async fn serve(
    broker: Broker,
    serial: String,
    world: SharedWorld,
    speed: f64,
    shutdown: impl Future<Output = ()> + Send,
) {
    let script = Script {
        told_on: format!("command/ot2/{serial}/pipette"),
        tells_on: format!("status/ot2/{serial}/complete"),
        broker,
    };
    let pipette = Pipette { world, speed, believes: None };
    tokio::select! {
        () = shutdown => {}
        trouble = script.run(pipette) => tracing::error!(%trouble, "the robot's script isn't on the broker"),
    }
}

struct Script {
    broker: Broker,
    told_on: String,
    tells_on: String,
}

impl Script {
    /// Ends only when it may not even listen.
    async fn run(&self, pipette: Pipette) -> Trouble {
        let commands = match self.broker.listen(&self.told_on) {
            Ok(commands) => commands,
            Err(trouble) => return trouble,
        };
        tokio::select! {
            never = self.stay_connected() => never,
            never = self.work(commands, pipette) => never,
        }
    }

    async fn stay_connected(&self) -> ! {
        loop {
            let trouble = match self.broker.session().await {
                Ok(session) => match session.subscribe(&self.told_on).await {
                    Ok(()) => {
                        tracing::info!(topic = self.told_on, "the robot's script is on the broker");
                        session.ended().await
                    }
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            if trouble.is_final {
                tracing::warn!(%trouble, trouble.remedy, "the robot's script isn't on the broker");
                sleep(BETWEEN_LOOKS).await;
            }
        }
    }

    async fn work(&self, mut commands: Listener, mut pipette: Pipette) -> ! {
        if let Err(Mishap(why)) = pipette.act(Action::Home, None).await {
            tracing::error!(why, "the robot's script can't begin");
        }
        loop {
            let message = commands.hear().await;
            if let Err(Mishap(why)) = self.obey(&mut pipette, &message).await {
                tracing::warn!(why, "the robot's script couldn't carry out a command");
            }
            pass(NAP, pipette.speed).await;
        }
    }

    async fn obey(&self, pipette: &mut Pipette, message: &[u8]) -> Result<(), Mishap> {
        let Some(Done { answer, homes }) = carry_out(pipette, message).await? else { return Ok(()) };
        self.tell(&answer).await;
        match homes {
            true => pipette.act(Action::Home, None).await,
            false => Ok(()),
        }
    }

    /// Once at least.
    async fn tell(&self, answer: &Value) {
        loop {
            let sent = match self.broker.session().await {
                Ok(session) => session.publish(&self.tells_on, answer.to_string().into_bytes()).await,
                Err(trouble) => Err(trouble),
            };
            match sent {
                Ok(()) => return,
                Err(trouble) if trouble.is_final => sleep(BETWEEN_LOOKS).await,
                Err(_) => {}
            }
        }
    }
}

/// Why a command wasn't carried out to its end. Whoever gave it never hears of it.
struct Mishap(String);

impl From<&str> for Mishap {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// What was carried out to its end.
struct Done {
    answer: Value,
    /// After it has been told.
    homes: bool,
}

/// Does what a message says, if it is anything for it.
async fn carry_out(pipette: &mut Pipette, message: &[u8]) -> Result<Option<Done>, Mishap> {
    let Ok(Value::Object(payload)) = serde_json::from_slice(message) else { return Err("not JSON".into()) };
    let (Some(Value::Object(command)), Some(_)) = (payload.get("command"), payload.get("experiment_id")) else {
        return Ok(None);
    };
    let id = |name: &str| match payload.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => Err(Mishap(format!("KeyError: '{name}'"))),
    };
    let (experiment, session) = (id("experiment_id")?, id("session_id")?);
    let key: String = experiment.chars().take(LONGEST_KEY).collect();
    let status = if ["R", "Y", "B", "well"].iter().all(|name| command.contains_key(*name)) {
        mix(pipette, command, &key).await?;
        "in_place"
    } else if command.contains_key("sensor_status") {
        pipette.dock_sensor(&key).await?;
        "charging"
    } else {
        return Ok(None);
    };
    let answer = json!({
        "status": { "sensor_status": status }, "experiment_id": experiment, "session_id": session,
    });
    let homes = status == "charging" && command.get("sensor_status").is_some_and(|why| why == "sensor_timeout");
    Ok(Some(Done { answer, homes }))
}

async fn mix(pipette: &mut Pipette, command: &Map<String, Value>, key: &str) -> Result<(), Mishap> {
    let amount = |name: &str| command.get(name).and_then(Value::as_f64).ok_or("an amount is no number");
    let mut total = 0.0;
    for (name, _) in DYES {
        total += amount(name)?;
    }
    if total > MOST_UL {
        return Err("the sum of the volumes must be <= 300 µL".into());
    }
    let well = command.get("well").and_then(Value::as_str).ok_or("the well is no name")?;
    for (name, place) in DYES {
        let volume_ul = amount(name)?;
        if volume_ul != 0.0 {
            pipette.transfer(place, well, volume_ul, key).await?;
        }
    }
    pipette.present_sensor(well, key).await
}

/// The one pipette, as the script believes it to be.
struct Pipette {
    world: SharedWorld,
    speed: f64,
    /// How far what hangs there is believed to reach below the nozzle, mm.
    believes: Option<f64>,
}

impl Pipette {
    async fn transfer(&mut self, place: &str, well: &str, volume_ul: f64, key: &str) -> Result<(), Mishap> {
        self.pick_up(TIPS_300_SLOT, place, key).await?;
        self.move_to(self.well(VIALS_SLOT, place)?.bottom(VIALS_SLOT).raised(ASPIRATE_ABOVE_BOTTOM_MM), None, key)
            .await?;
        self.act(Action::Aspirate { mount: MOUNT, volume_ul, flow_ul_s: FLOW_UL_S }, Some(key)).await?;
        self.move_to(self.well(PLATE_SLOT, well)?.bottom(PLATE_SLOT).raised(DISPENSE_ABOVE_BOTTOM_MM), None, key)
            .await?;
        self.act(Action::Dispense { mount: MOUNT, volume_ul, flow_ul_s: FLOW_UL_S }, Some(key)).await?;
        let over_waste = self.well(VIALS_SLOT, WASTE)?.top(VIALS_SLOT).raised(-BLOW_OUT_BELOW_TOP_MM);
        self.move_to(over_waste, Some(CAREFUL_MM_S), key).await?;
        self.act(Action::BlowOut { mount: MOUNT, flow_ul_s: FLOW_UL_S }, Some(key)).await?;
        self.let_go(self.well(TIPS_300_SLOT, place)?.top(TIPS_300_SLOT).raised(-RETURN_BELOW_TOP_MM), key).await
    }

    async fn present_sensor(&mut self, well: &str, key: &str) -> Result<(), Mishap> {
        self.pick_up(DOCK_SLOT, DOCK_WELL, key).await?;
        self.move_to(self.well(PLATE_SLOT, well)?.top(PLATE_SLOT).raised(-SENSOR_BELOW_TOP_MM), None, key).await
    }

    async fn dock_sensor(&mut self, key: &str) -> Result<(), Mishap> {
        self.let_go(self.well(DOCK_SLOT, DOCK_WELL)?.top(DOCK_SLOT).raised(-DOCK_BELOW_TOP_MM), key).await
    }

    async fn pick_up(&mut self, slot: Slot, place: &str, key: &str) -> Result<(), Mishap> {
        // The robot's software goes there first, and finds out then.
        self.move_to(self.well(slot, place)?.top(slot), None, key).await?;
        if self.believes.is_some() {
            return Err("cannot pick up a tip with a tip already attached".into());
        }
        self.act(Action::PickUpTip { mount: MOUNT }, Some(key)).await?;
        self.believes = Some(self.reach(slot));
        Ok(())
    }

    async fn let_go(&mut self, end: Point, key: &str) -> Result<(), Mishap> {
        self.move_to(end, None, key).await?;
        if self.believes.is_none() {
            return Err("cannot drop a tip without a tip attached".into());
        }
        self.act(Action::DropTip { mount: MOUNT }, Some(key)).await?;
        self.believes = None;
        Ok(())
    }

    /// Brings the end of what it believes to hang there to `end`.
    async fn move_to(&self, end: Point, speed_mm_s: Option<f64>, key: &str) -> Result<(), Mishap> {
        let to = end.raised(self.believes.unwrap_or_default());
        self.act(Action::MoveNozzle { mount: MOUNT, to, travel: TRAVEL, speed_mm_s }, Some(key)).await
    }

    fn reach(&self, slot: Slot) -> f64 {
        let world = world::lock(&self.world);
        match world.state().placed(slot).map(|placed| placed.labware.kind) {
            Some(LabwareKind::TipRack { length_mm, overlap_mm, .. }) => length_mm - overlap_mm,
            _ => SENSOR_LENGTH_MM - SENSOR_OVERLAP_MM,
        }
    }

    fn well(&self, slot: Slot, name: &str) -> Result<WellGeometry, Mishap> {
        let world = world::lock(&self.world);
        let placed = world.state().placed(slot);
        placed.and_then(|placed| placed.labware.wells.get(name)).copied().ok_or(Mishap(format!("KeyError: '{name}'")))
    }

    /// Does one physical thing in its time. The effect comes once, in the middle.
    async fn act(&self, action: Action, key: Option<&str>) -> Result<(), Mishap> {
        let half = world::lock(&self.world).duration(&action) / 2;
        pass(half, self.speed).await;
        let done = world::lock(&self.world).perform(&action, key, Utc::now());
        done.map_err(|error| Mishap(error.to_string()))?;
        pass(half, self.speed).await;
        Ok(())
    }
}

/// Lets the machine's time pass.
async fn pass(time: Duration, speed: f64) {
    sleep(time.div_f64(speed)).await;
}
