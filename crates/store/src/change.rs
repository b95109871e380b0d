//! What a journal entry, or an operator's act, does to the tables.
//!
//! Everything that lies in the robot's own row is gathered into one [`RobotUpdate`], which is also the fence.
//! The rest is applied in order as [`Effects`], which collects the events and signals that follow from it.

use crate::{
    connection::Backend,
    documents::{self, NewDocument},
    error::{Result, StoreError},
    events::{self, NewEvent},
    experiments, plates,
    records::*,
    sql::{Sql, now, row_values, sql},
    wells,
};
use domain::{doubt::Doubt, *};
use sea_orm::DatabaseTransaction;
use serde_json::Value;

/// All changes to a robot's row in one statement. What is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct RobotUpdate<'a> {
    /// Operations that are about to be added to its journal.
    pub operations: i64,
    tool: Option<&'a Tool>,
    run: Option<&'a Option<String>>,
    white_reference: Option<&'a Value>,
    waste_emptied: bool,
    waste_added: Volume,
    question: Option<&'a Fault>,
    answered: bool,
    notice: Option<&'a Option<Fault>>,
}

/// What the robot's row must say for an update.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fence<'a> {
    /// The lease still holds.
    Leased(&'a Lease),
    /// And a step with this purpose may begin, as far as people are concerned, who have done nothing since `acts`.
    MayMove(&'a Lease, Purpose, i64),
    /// Nothing is asked; people's acts are counted.
    Person,
}

impl Fence<'_> {
    const fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Leased(lease) | Self::MayMove(lease, ..) => Some(lease),
            Self::Person => None,
        }
    }

    /// The condition; the lease is `$13` and `$14`, the acts `$15`.
    fn condition(&self, backend: Backend) -> String {
        let may_move = match self {
            Self::Person => return String::new(),
            Self::Leased(_) => String::new(),
            Self::MayMove(_, purpose, _) => format!(" AND acts = $15 AND {}", may_move(*purpose)),
        };
        format!(" AND lease_epoch = $13 AND lease_holder = $14{}{may_move}", backend.leased_in_this_history())
    }
}

/// Whether a step with this purpose may begin, as a condition on a robot's row. Putting down needs something in hand:
/// a robot that stands still with an empty nozzle has nothing left to do under a pause.
fn may_move(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Work => "mode IN ('active', 'draining') AND attention IS NULL",
        Purpose::PutDown => {
            "attention IS NULL AND (mode IN ('active', 'draining') OR (mode = 'paused' AND tool ->> 'tool' <> 'nothing'))"
        }
    }
}

impl<'a> RobotUpdate<'a> {
    pub fn of(changes: &'a [Change]) -> Self {
        let mut update = Self::default();
        for change in changes {
            match change {
                Change::Tool(tool) => update.tool = Some(tool),
                Change::Run(run) => update.run = Some(run),
                Change::WhiteReference(reference) => update.white_reference = Some(reference),
                Change::WasteAdded { volume } => update.waste_added = update.waste_added + *volume,
                Change::WasteEmptied => (update.waste_emptied, update.waste_added) = (true, Volume::ZERO),
                Change::Ask(question) => update.question = Some(question),
                Change::Answered => update.answered = true,
                Change::Notice(notice) => update.notice = Some(notice),
                _ => {}
            }
        }
        update
    }

    /// Writes it if the fence lets it through, and gives the sequence of the newest operation.
    pub async fn write(self, tx: &DatabaseTransaction, robot: RobotId, fence: Fence<'_>) -> Result<i64> {
        let text = format!(
            "UPDATE robots SET
                 last_sequence = last_sequence + $2,
                 tool = COALESCE($3, tool),
                 run_id = CASE WHEN $4 THEN $5 ELSE run_id END,
                 white_reference = COALESCE($6, white_reference),
                 waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8,
                 attention_at = CASE WHEN {answered} THEN NULL
                     WHEN attention IS NULL AND $9 IS NOT NULL THEN $12 ELSE attention_at END,
                 attention = CASE WHEN {answered} THEN NULL ELSE COALESCE(attention, $9) END,
                 notice = CASE WHEN $10 THEN $11 ELSE notice END,
                 notice_at = CASE WHEN $10 THEN $12 ELSE notice_at END
                 {counted}
             WHERE id = $1{condition} RETURNING last_sequence",
            answered = if self.answered { "TRUE" } else { "FALSE" },
            counted = if matches!(fence, Fence::Person) { ", acts = acts + 1" } else { "" },
            condition = fence.condition(Backend::of(tx)),
        );
        let mut update = sql!(
            text,
            robot,
            self.operations,
            self.tool,
            self.run.is_some(),
            self.run.cloned().flatten(),
            self.white_reference.cloned(),
            self.waste_emptied,
            self.waste_added,
            self.question,
            self.notice.is_some(),
            self.notice.and_then(Option::as_ref),
            now(),
        );
        update.and_bind(fence.lease().map(|lease| lease.epoch));
        update.and_bind(fence.lease().map(|lease| lease.holder.as_str()));
        if let Fence::MayMove(_, _, acts) = fence {
            update.and_bind(Some(acts));
        }
        match update.one(tx).await? {
            Some(row) => row.get("last_sequence"),
            None => Err(why_not(tx, robot, fence).await?),
        }
    }
}

/// Which part of the fence it was that refused.
async fn why_not(tx: &DatabaseTransaction, robot: RobotId, fence: Fence<'_>) -> Result<StoreError> {
    let Some(lease) = fence.lease() else { return Ok(StoreError::NotFound("robot")) };
    let text = "SELECT 1 FROM robots WHERE id = $1 AND lease_epoch = $2 AND lease_holder = $3";
    let held =
        sql!(format!("{text}{}", Backend::of(tx).leased_in_this_history()), robot, lease.epoch, lease.holder.as_str(),);
    Ok(if held.one(tx).await?.is_some() { StoreError::Held } else { StoreError::LeaseLost })
}

/// What followed from the changes applied so far.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    events: Vec<NewEvent>,
    documents: Vec<NewDocument>,
    signals: Vec<Signal>,
}

impl Effects {
    /// Applies everything that doesn't lie in the robot's row.
    pub async fn of(tx: &DatabaseTransaction, robot: RobotId, changes: &[Change]) -> Result<Self> {
        let mut effects = Self::default();
        for change in changes {
            effects.apply(tx, robot, change).await?;
        }
        if changes.iter().any(|change| matches!(change, Change::Ask(_) | Change::Answered | Change::Notice(_))) {
            effects.tell_in_hand(tx, robot).await?;
        }
        Ok(effects)
    }

    /// Tells the followers of the experiment in hand, if there is one, how its robot stands.
    pub async fn tell_in_hand(&mut self, tx: &DatabaseTransaction, robot: RobotId) -> Result<()> {
        let in_hand = sql!(
            "SELECT e.id, r.mode, r.attention IS NOT NULL AS asks, r.notice IS NOT NULL AS unusable
             FROM robots r JOIN experiments e ON e.robot_id = r.id AND e.status = 'running' WHERE r.id = $1",
            robot,
        );
        if let Some(row) = in_hand.one(tx).await? {
            let (asks, unusable): (bool, bool) = (row.get("asks")?, row.get("unusable")?);
            let event = ExperimentEvent::Robot { mode: row.get("mode")?, asks, unusable };
            self.events.push(NewEvent { experiment: row.get("id")?, event });
        }
        Ok(())
    }

    /// A document that belongs to these changes.
    pub fn keep(&mut self, document: NewDocument) {
        self.documents.push(document);
    }

    /// Writes documents and events; gives the signals to be sent once it is committed.
    pub async fn finish(mut self, tx: &DatabaseTransaction) -> Result<Vec<Signal>> {
        for event in &self.events {
            let signal = Signal::Experiment(event.experiment);
            if !self.signals.contains(&signal) {
                self.signals.push(signal);
            }
        }
        documents::keep(tx, self.documents).await?;
        events::append(tx, self.events).await?;
        Ok(self.signals)
    }

    fn signal(&mut self, signal: Signal) {
        if !self.signals.contains(&signal) {
            self.signals.push(signal);
        }
    }

    async fn apply(&mut self, tx: &DatabaseTransaction, robot: RobotId, change: &Change) -> Result<()> {
        match change {
            Change::Experiment { id, to, fault } => {
                self.events.extend(experiments::step(tx, *id, *to, fault.as_ref()).await?);
                if to.is_final() {
                    self.documents.extend(plates::left_by_experiment(tx, *id).await?);
                }
                self.signal(Signal::Queue);
            }
            Change::Well { id, to, fault } => self.step_well(tx, *id, *to, fault.as_ref()).await?,
            Change::Replace { quarantined, fresh, at, fault } => {
                self.events.extend(wells::replace(tx, *quarantined, *fresh, *at, fault).await?);
            }
            Change::Result { id, well, measurement_data } => self.measure(tx, *id, *well, measurement_data).await?,
            Change::Doubted { experiment, white, doubt } => self.doubt(tx, *experiment, *white, doubt).await?,
            Change::Event { experiment, event } => {
                self.events.push(NewEvent { experiment: *experiment, event: event.clone() });
            }
            Change::Document { collection, id, experiment, body } => {
                let (id, body) = (id.as_uuid(), body.clone());
                self.keep(NewDocument { collection: *collection, id, experiment: *experiment, body });
            }
            on_deck => {
                if matches!(on_deck, Change::PlateLifted | Change::PlateReplaced { .. }) {
                    self.documents.extend(plates::taken_away(tx, robot).await?);
                }
                change_deck(tx, robot, on_deck).await?;
                self.signal(Signal::Robots);
            }
        }
        Ok(())
    }

    async fn step_well(
        &mut self,
        tx: &DatabaseTransaction,
        id: WellId,
        to: WellStatus,
        fault: Option<&Fault>,
    ) -> Result<()> {
        let place = wells::step(tx, id, to, fault).await?;
        if to.is_final() && !to.is_charged() {
            wells::return_quota(tx, place.experiment).await?;
        }
        self.events.push(place.event(to, fault));
        Ok(())
    }

    async fn measure(&mut self, tx: &DatabaseTransaction, id: ResultId, well: WellId, data: &Value) -> Result<()> {
        let place = wells::step(tx, well, WellStatus::Measured, None).await?;
        sql!(
            "INSERT INTO results (id, experiment_id, well_id, measurement_data, created_at) VALUES ($1, $2, $3, $4, $5)",
            id,
            place.experiment,
            well,
            data,
            now(),
        )
        .execute(tx)
        .await?;
        self.events.push(place.event(WellStatus::Measured, None));
        self.events.push(place.result(data));
        Ok(())
    }

    /// Puts the doubt into the results that were made with this white and have none, and tells of them anew.
    async fn doubt(
        &mut self,
        tx: &DatabaseTransaction,
        experiment: ExperimentId,
        white: OperationId,
        doubt: &Doubt,
    ) -> Result<()> {
        let white = white.to_string();
        let mut doubted = Vec::new();
        for (result, place, mut data) in wells::results(tx, experiment).await? {
            let by_white = data.pointer("/white_reference/operation_id").and_then(Value::as_str) == Some(&white);
            let Some(fields) = data.as_object_mut().filter(|fields| by_white && !fields.contains_key("doubt")) else {
                continue;
            };
            fields.insert("doubt".to_owned(), serde_json::to_value(doubt).unwrap_or_default());
            self.events.push(place.result(&data));
            doubted.push(row_values![result, data]);
        }
        if doubted.is_empty() {
            return Ok(());
        }
        // `column1` and `column2` are what both databases call the columns of a VALUES list.
        let keep = "UPDATE results SET measurement_data = doubted.column2 FROM (VALUES";
        let whose = ") AS doubted WHERE results.id = doubted.column1";
        Sql::with_rows(keep, Vec::new(), doubted, whose).execute(tx).await.map(drop)
    }
}

/// What stands on the deck, apart from what [`RobotUpdate`] has written.
async fn change_deck(tx: &DatabaseTransaction, robot: RobotId, change: &Change) -> Result<()> {
    match change {
        Change::VialDrawn { vial, volume } => draw(tx, robot, *vial, *volume).await,
        Change::VialRefilled { vial, volume, batch } => {
            let filled = sql!(
                "UPDATE vials SET volume_nl = $3, batch = $4, filled_at = $5 WHERE robot_id = $1 AND vial = $2",
                robot,
                *vial,
                *volume,
                batch.clone(),
                now(),
            );
            if filled.execute(tx).await? == 0 { Err(StoreError::NotFound("dye vial on this robot")) } else { Ok(()) }
        }
        Change::TipLost { slot, tip } => keep_tip(tx, robot, *slot, *tip, None).await,
        Change::TipsUnknown { slot } => {
            let lost = WellName::all().map(|tip| row_values![robot, *slot, tip, None::<DyeName>]).collect();
            Sql::with_rows(
                "INSERT INTO tips (robot_id, slot, tip, dye) VALUES",
                Vec::new(),
                lost,
                "ON CONFLICT (robot_id, slot, tip) DO UPDATE SET dye = NULL",
            )
            .execute(tx)
            .await
            .map(drop)
        }
        Change::TipAssigned { slot, tip, dye } => keep_tip(tx, robot, *slot, *tip, Some(dye.clone())).await,
        Change::TipsReplaced { slot } => {
            sql!("DELETE FROM tips WHERE robot_id = $1 AND slot = $2", robot, *slot).execute(tx).await.map(drop)
        }
        Change::PlateLifted => lift_plate(tx, robot).await,
        Change::Accounted(what) => {
            sql!("UPDATE robots SET accounted = $2 WHERE id = $1", robot, what.as_str()).execute(tx).await.map(drop)
        }
        Change::WellSpoiled { plate, at } => {
            let text = "UPDATE plates SET spoiled = COALESCE(spoiled || ',', '') || $2 WHERE id = $1";
            sql!(text, *plate, at.to_string().as_str()).execute(tx).await.map(drop)
        }
        Change::HistoryRead => {
            sql!("UPDATE robots SET history = lease_history WHERE id = $1", robot).execute(tx).await.map(drop)
        }
        Change::PlateReplaced { plate } => place_plate(tx, robot, *plate).await,
        _ => Ok(()),
    }
}

/// What was drawn was drawn, whatever the count said before: the count stops at nothing and the journal goes on.
async fn draw(tx: &DatabaseTransaction, robot: RobotId, vial: WellName, volume: Volume) -> Result<()> {
    let drawn = sql!(
        "UPDATE vials SET volume_nl = CASE WHEN volume_nl > $3 THEN volume_nl - $3 ELSE 0 END WHERE robot_id = $1 AND vial = $2",
        robot,
        vial,
        volume,
    );
    if drawn.execute(tx).await? == 0 {
        tracing::warn!(%robot, %vial, "liquid was drawn from a vial that isn't on the robot's deck any more");
    }
    Ok(())
}

async fn keep_tip(
    tx: &DatabaseTransaction,
    robot: RobotId,
    slot: Slot,
    tip: WellName,
    dye: Option<DyeName>,
) -> Result<()> {
    sql!(
        "INSERT INTO tips (robot_id, slot, tip, dye) VALUES ($1, $2, $3, $4)
         ON CONFLICT (robot_id, slot, tip) DO UPDATE SET dye = excluded.dye",
        robot,
        slot,
        tip,
        dye,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The plate that lay there is put aside; one that lay aside may come back.
pub(crate) async fn place_plate(tx: &DatabaseTransaction, robot: RobotId, plate: PlateId) -> Result<()> {
    lift_plate(tx, robot).await?;
    sql!(
        "INSERT INTO plates (id, robot_id, placed_at) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET robot_id = excluded.robot_id, placed_at = excluded.placed_at, removed_at = NULL",
        plate,
        robot,
        now(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn lift_plate(tx: &DatabaseTransaction, robot: RobotId) -> Result<()> {
    let lifted = sql!("UPDATE plates SET removed_at = $2 WHERE robot_id = $1 AND removed_at IS NULL", robot, now());
    lifted.execute(tx).await.map(drop)
}
