//! What a journal entry, or an operator's act, does to the tables.
//!
//! Everything that lies in the robot's own row is gathered into one [`RobotUpdate`], which is also the fence.
//! The rest is applied in order as [`Effects`], which collects the events and signals that follow from it.

use crate::{
    error::{Result, StoreError},
    events::{self, NewEvent, add_if_some},
    experiments,
    records::*,
    sql::{now, sql},
    wells,
};
use domain::*;
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};

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
    mode: Option<(RobotMode, Option<&'a Fault>)>,
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
                Change::Mode { mode, attention } => update.mode = Some((*mode, attention.as_ref())),
                _ => {}
            }
        }
        update
    }

    /// Writes it if the lease (where one is asked for) still holds, and gives the sequence of the newest operation.
    pub async fn write(self, tx: &DatabaseTransaction, robot: RobotId, lease: Option<&Lease>) -> Result<i64> {
        let fence = if lease.is_some() { " AND lease_epoch = $11 AND lease_holder = $12" } else { "" };
        let text = format!(
            "UPDATE robots SET
                 last_sequence = last_sequence + $2,
                 tool = COALESCE($3, tool),
                 run_id = CASE WHEN $4 THEN $5 ELSE run_id END,
                 white_reference = COALESCE($6, white_reference),
                 waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8,
                 mode = COALESCE($9, mode),
                 attention = CASE WHEN $9 IS NULL THEN attention ELSE $10 END
             WHERE id = $1{fence} RETURNING last_sequence"
        );
        let (mode, attention) = self.mode.map_or((None, None), |(mode, attention)| (Some(mode), attention));
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
            mode,
            attention,
        );
        update.and_bind(lease.map(|lease| lease.epoch));
        update.and_bind(lease.map(|lease| lease.holder.as_str()));
        let lost = if lease.is_some() { StoreError::LeaseLost } else { StoreError::NotFound("robot") };
        update.one(tx).await?.ok_or(lost)?.get("last_sequence")
    }
}

/// What followed from the changes applied so far.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    events: Vec<NewEvent>,
    signals: Vec<Signal>,
}

impl Effects {
    /// Applies everything that doesn't lie in the robot's row.
    pub async fn of(tx: &DatabaseTransaction, robot: RobotId, changes: &[Change]) -> Result<Self> {
        let mut effects = Self::default();
        for change in changes {
            effects.apply(tx, robot, change).await?;
        }
        Ok(effects)
    }

    /// Writes the events; gives the signals to be sent once it is committed.
    pub async fn finish(mut self, tx: &DatabaseTransaction) -> Result<Vec<Signal>> {
        for event in &self.events {
            let signal = Signal::Experiment(event.experiment);
            if !self.signals.contains(&signal) {
                self.signals.push(signal);
            }
        }
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
                self.signal(Signal::Queue);
            }
            Change::Well { id, to, fault } => self.step_well(tx, *id, *to, fault.as_ref()).await?,
            Change::Replace { quarantined, fresh, at, plate, fault } => {
                self.events.extend(wells::replace(tx, *quarantined, *fresh, (*plate, *at), fault).await?);
            }
            Change::Result { id, well, measurement_data } => self.measure(tx, *id, *well, measurement_data).await?,
            Change::Event { experiment, kind, data } => {
                self.events.push(NewEvent { experiment: *experiment, kind, data: data.clone() });
            }
            Change::Document { collection, id, body } => keep_document(tx, collection, *id, body).await?,
            on_deck => {
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
        let mut result = json!({ "well": well, "position": place.position, "well_id": place.well_id });
        add_if_some(&mut result, "srgb", data.get("srgb"));
        add_if_some(&mut result, "lab", data.get("lab"));
        add_if_some(&mut result, "doubt", data.get("doubt"));
        self.events.push(place.event(WellStatus::Measured, None));
        self.events.push(NewEvent { experiment: place.experiment, kind: "result", data: result });
        Ok(())
    }
}

/// A record written again is the same record, more complete.
async fn keep_document(tx: &DatabaseTransaction, collection: &str, id: OperationId, body: &Value) -> Result<()> {
    sql!(
        "INSERT INTO documents (collection, id, body, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (collection, id) DO UPDATE SET body = excluded.body",
        collection,
        id,
        body,
        now(),
    )
    .execute(tx)
    .await?;
    Ok(())
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
        Change::TipAssigned { slot, tip, dye } => keep_tip(tx, robot, *slot, *tip, Some(dye.clone())).await,
        Change::TipsReplaced { slot } => {
            sql!("DELETE FROM tips WHERE robot_id = $1 AND slot = $2", robot, *slot).execute(tx).await.map(drop)
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
    let at = now();
    sql!("UPDATE plates SET removed_at = $2 WHERE robot_id = $1 AND removed_at IS NULL", robot, at).execute(tx).await?;
    sql!(
        "INSERT INTO plates (id, robot_id, placed_at) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET robot_id = excluded.robot_id, placed_at = excluded.placed_at, removed_at = NULL",
        plate,
        robot,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
