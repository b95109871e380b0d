//! The lanes: robots with their decks and consumables, and the leases under which they are driven.

use crate::{
    activity,
    change::{Effects, Fence, RobotUpdate, place_plate},
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    records::*,
    sql::{Bind, Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Attendance, Change, Deck, DeckCondition, ExperimentId, Fault, Inventory, PlateId, RobotCommand, RobotId, RobotKind,
    RobotMode, Tip, Tool, Vial, WellId, WellName, WellStatus,
};
use sea_orm::{DatabaseTransaction, Value};
use serde_json::json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// A robot with the plate that lies on it, and whether it stands still. Under a stop or an open question nothing is begun,
/// whatever hangs on the nozzle; under a pause it is still put down.
pub(crate) const ROBOTS: &str = "
    SELECT r.id, r.name, r.identity, r.kind, r.url, r.sensor_url, r.attendance, r.deck, r.mode, r.mode_by, r.mode_at, r.attention,
        r.attention_at, r.notice, r.notice_at, r.acts, r.accounted, r.run_id, r.tool, r.white_reference, r.lease_holder,
        r.lease_epoch, r.lease_expires_at, r.history, r.lease_history, r.mounts, r.removed_at, p.id AS plate_id,
        (r.mode = 'stopped' OR r.attention IS NOT NULL OR (r.mode = 'paused' AND r.tool ->> 'tool' = 'nothing'))
        AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.robot_id = r.id AND o.state = 'intended') AS stands_still
    FROM robots r LEFT JOIN plates p ON p.robot_id = r.id AND p.removed_at IS NULL";

impl Store {
    /// Adds a robot or brings its addresses, attendance and deck up to date, by name. A new robot gets full vials, new
    /// tips, a new plate; a known one only the vials that its deck didn't have before.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn ensure_robot(&self, robot: NewRobot) -> Result<Robot> {
        self.put_robot(&robot, None).await?.ok_or(StoreError::NotFound("robot"))
    }

    /// The same for the machine that says it is `identity`. Nothing is done and nothing returned when another machine has
    /// the name. One that hasn't said who it is gives it up, so see first that it isn't there.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn ensure_machine(&self, robot: NewRobot, identity: &str) -> Result<Option<Robot>> {
        self.put_robot(&robot, Some(identity)).await
    }

    async fn put_robot(&self, robot: &NewRobot, identity: Option<&str>) -> Result<Option<Robot>> {
        let fresh = RobotId::new();
        let id = transact!(self, |tx| {
            let changed = changed(tx, robot).await?;
            let id = upsert(tx, fresh, robot, identity).await?;
            if let Some(id) = id {
                set_vials(tx, id, &robot.deck).await?;
            }
            let act = match id {
                Some(id) if id == fresh => {
                    place_plate(tx, fresh, PlateId::new()).await?;
                    Some(("robot_added", json!({ "robot_id": id, "name": robot.name })))
                }
                Some(id) if !changed.is_empty() => {
                    Some(("robot_changed", json!({ "robot_id": id, "name": robot.name, "changed": changed })))
                }
                _ => None,
            };
            if let Some((action, details)) = act {
                let line = NewActivity { user_id: None, action, details, ip_address: None };
                activity::insert(self.backend(), &line).execute(tx).await?;
            }
            Ok(id)
        });
        let Some(id) = id else { return Ok(None) };
        self.signal([Signal::Robots]);
        self.robot(id).await
    }

    /// All of them, by name, as they were a moment ago; with all that this process changed.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn robots_lately(&self) -> Result<Arc<Vec<Robot>>> {
        self.kept_robots().get(|| self.robot_changes(), async || self.robots().await).await
    }

    /// A robot that wasn't there, in `tx`.
    pub(crate) async fn insert_robot(&self, tx: &DatabaseTransaction, id: RobotId, robot: &NewRobot) -> Result<()> {
        if upsert(tx, id, robot, None).await? != Some(id) {
            return Err(StoreError::RobotNameTaken);
        }
        set_vials(tx, id, &robot.deck).await?;
        place_plate(tx, id, PlateId::new()).await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn robots(&self) -> Result<Vec<Robot>> {
        let rows = sql!(format!("{ROBOTS} WHERE r.removed_at IS NULL ORDER BY r.name")).all(self.reader()).await?;
        rows.iter().map(read_robot).collect()
    }

    /// The robot of this id, as it is now; also one that was removed.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn robot(&self, id: RobotId) -> Result<Option<Robot>> {
        let row = sql!(format!("{ROBOTS} WHERE r.id = $1"), id).one(self.reader()).await?;
        row.map(|row| read_robot(&row)).transpose()
    }

    /// Takes the lane, if it is free, run out, or seized: epoch + 1. Nothing if somebody else holds it.
    ///
    /// # Errors
    /// `NotFound` where there is no such robot.
    #[boxed]
    pub async fn lease(
        &self,
        robot: RobotId,
        holder: &str,
        time_to_live: Duration,
        claim: LeaseClaim,
    ) -> Result<Option<Lease>> {
        let free = match claim {
            LeaseClaim::WhenFree => {
                format!(
                    " AND (lease_holder IS NULL OR lease_holder = $2 OR lease_expires_at <= {})",
                    self.backend().clock(4)
                )
            }
            LeaseClaim::Seize => String::new(),
        };
        let text = format!(
            "UPDATE robots SET lease_holder = $2, lease_epoch = lease_epoch + 1, lease_expires_at = {end},
                 lease_history = {history}
             WHERE id = $1 AND removed_at IS NULL{free} RETURNING lease_epoch",
            history = self.backend().history(),
            end = lease_end(self.backend()),
        );
        let mut query = sql!(text, robot, holder, lease_life(self.backend(), time_to_live));
        if self.backend() == Backend::Sqlite && claim == LeaseClaim::WhenFree {
            query.and_bind(Some(now()));
        }
        // In a transaction of its own: a statement with RETURNING gives its row before SQLite has tried to commit it.
        let row = transact!(self, |tx| { query.clone().one(tx).await });
        let Some(row) = row else {
            self.robot(robot).await?.ok_or(StoreError::NotFound("robot"))?;
            return Ok(None);
        };
        self.signal([Signal::Robots]);
        Ok(Some(Lease { robot_id: robot, holder: holder.to_owned(), epoch: row.get("lease_epoch")? }))
    }

    /// Extends a lease that is still ours, in the history in which it was taken.
    ///
    /// # Errors
    /// `LeaseLost` where it isn't ours any more, or another server was promoted since.
    #[boxed]
    pub async fn renew(&self, lease: &Lease, time_to_live: Duration) -> Result<()> {
        let text = format!(
            "UPDATE robots SET lease_expires_at = {end} WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $4{same}",
            end = lease_end(self.backend()),
            same = self.backend().leased_in_this_history(),
        );
        let life = lease_life(self.backend(), time_to_live);
        let query = sql!(text, lease.robot_id, lease.holder.as_str(), life, lease.epoch);
        if query.execute(self.writer()).await? == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
    }

    /// Gives the lane back; one that is lost already is nobody's to give.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        sql!(
            "UPDATE robots SET lease_holder = NULL, lease_expires_at = NULL
             WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $3",
            lease.robot_id,
            lease.holder.as_str(),
            lease.epoch,
        )
        .execute(self.writer())
        .await?;
        self.signal([Signal::Robots]);
        Ok(())
    }

    /// What a robot has on its deck, as its journal counts.
    ///
    /// # Errors
    /// `NotFound` where there is no such robot.
    #[boxed]
    pub async fn inventory(&self, robot: RobotId) -> Result<Inventory> {
        self.inventories(&[robot]).await?.remove(&robot).ok_or(StoreError::NotFound("robot"))
    }

    /// The same of several, in as many questions as of one. Who isn't a robot isn't in it.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn inventories(&self, robots: &[RobotId]) -> Result<HashMap<RobotId, Inventory>> {
        let mut inventories = HashMap::new();
        if robots.is_empty() {
            return Ok(inventories);
        }
        let decks = "SELECT r.id AS robot_id, r.waste_nl, p.id AS plate_id, p.spoiled FROM robots r
            LEFT JOIN plates p ON p.robot_id = r.id AND p.removed_at IS NULL WHERE r.id IN (VALUES";
        for row in self.of_robots(decks, robots, ")").await? {
            let spoiled = row.get::<Option<String>>("spoiled")?.unwrap_or_default();
            let inventory = Inventory {
                plate: row.get("plate_id")?,
                used_wells: spoiled.split(',').filter_map(|name| name.parse().ok()).collect(),
                vials: Vec::new(),
                waste: row.get("waste_nl")?,
                tips: Vec::new(),
            };
            inventories.insert(row.get::<RobotId>("robot_id")?, inventory);
        }
        let mut add = |row: &Row, to: &dyn Fn(&mut Inventory) -> Result<()>| match inventories
            .get_mut(&row.get::<RobotId>("robot_id")?)
        {
            Some(inventory) => to(inventory),
            None => Ok(()),
        };
        // Those that experiments have; those that are spoiled were found above.
        let wells = "SELECT p.robot_id, w.well_id FROM plates p JOIN wells w ON w.plate_id = p.id
            WHERE p.removed_at IS NULL AND p.robot_id IN (VALUES";
        for row in &self.of_robots(wells, robots, ")").await? {
            add(row, &|inventory| Ok(inventory.used_wells.extend(row.get::<Option<WellName>>("well_id")?)))?;
        }
        let vials = "SELECT robot_id, vial, dye, volume_nl, batch, filled_at FROM vials WHERE robot_id IN (VALUES";
        for row in &self.of_robots(vials, robots, ") ORDER BY vial").await? {
            add(row, &|inventory| Ok(inventory.vials.push(read_vial(row)?)))?;
        }
        let tips = "SELECT robot_id, slot, tip, dye FROM tips WHERE robot_id IN (VALUES";
        for row in &self.of_robots(tips, robots, ") ORDER BY slot, tip").await? {
            let tip = Tip { slot: row.get("slot")?, tip: row.get("tip")?, dye: row.get("dye")? };
            add(row, &|inventory| Ok(inventory.tips.push(tip.clone())))?;
        }
        for inventory in inventories.values_mut() {
            inventory.used_wells.sort();
            inventory.used_wells.dedup();
        }
        Ok(inventories)
    }

    async fn of_robots(&self, before: &str, robots: &[RobotId], after: &str) -> Result<Vec<Row>> {
        let ids = robots.iter().map(|robot| row_values![*robot]).collect();
        Sql::with_rows(before, Vec::new(), ids, after).all(self.reader()).await
    }

    /// Whose the wells of a plate are, and how each stands.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn wells_of(&self, plate: PlateId) -> Result<HashMap<WellName, (WellId, ExperimentId, WellStatus)>> {
        let rows = sql!("SELECT well_id, id, experiment_id, status FROM wells WHERE plate_id = $1", plate);
        let rows = rows.all(self.reader()).await?;
        let read = |row: &Row| {
            let owner = (row.get("id")?, row.get("experiment_id")?, row.get("status")?);
            Ok(row.get::<Option<WellName>>("well_id")?.map(|at| (at, owner)))
        };
        rows.iter().filter_map(|row| read(row).transpose()).collect()
    }

    /// Tells a robot something, logged with who did it; gives what it is told now.
    ///
    /// # Errors
    /// `Held` for a drain of a robot that is held: it would have to move. Nothing was written then.
    #[boxed]
    pub async fn command(
        &self,
        robot: RobotId,
        command: RobotCommand,
        who: &str,
        by: NewActivity,
    ) -> Result<RobotMode> {
        let (mode, signals) = transact!(self, |tx| {
            let (before, asks) = self.lock(tx, robot).await?;
            let mode = command.told(before, asks).ok_or(StoreError::Held)?;
            // What changes nothing leaves who it was and since when.
            let text = "UPDATE robots SET mode = $2, acts = acts + 1,
                    mode_by = CASE WHEN mode = $2 THEN mode_by ELSE $3 END,
                    mode_at = CASE WHEN mode = $2 THEN mode_at ELSE $4 END,
                    attention = CASE WHEN $5 THEN NULL ELSE attention END,
                    attention_at = CASE WHEN $5 THEN NULL ELSE attention_at END
                WHERE id = $1";
            sql!(text, robot, mode, who, now(), command.answers()).execute(tx).await?;
            activity::insert(self.backend(), &by).execute(tx).await?;
            let mut effects = Effects::default();
            effects.tell_in_hand(tx, robot).await?;
            Ok((mode, effects.finish(tx).await?))
        });
        self.signal(signals.into_iter().chain([Signal::Robots, Signal::Queue]));
        Ok(mode)
    }

    /// An operator's act on a robot's deck, logged with who did it. It and what it needs are one transaction. `robot` is
    /// what the act was made for: where something else hangs on its nozzle now, it isn't that any more.
    ///
    /// # Errors
    /// `AtWork` or `PlateInUse` where the condition isn't met. Nothing was written then.
    #[boxed]
    pub async fn attend(
        &self,
        robot: &Robot,
        changes: &[Change],
        condition: DeckCondition,
        by: NewActivity,
    ) -> Result<()> {
        let signals = transact!(self, |tx| {
            // Locked first, asked then: what another transaction has committed meanwhile is seen.
            self.lock(tx, robot.id).await?;
            check_deck(tx, robot, condition).await?;
            RobotUpdate::of(changes).write(tx, robot.id, Fence::Person).await?;
            activity::insert(self.backend(), &by).execute(tx).await?;
            Effects::of(tx, robot.id, changes).await?.finish(tx).await
        });
        self.signal(signals.into_iter().chain([Signal::Robots]));
        Ok(())
    }

    /// What it has been told, and whether it asks something.
    async fn lock(&self, tx: &DatabaseTransaction, robot: RobotId) -> Result<(RobotMode, bool)> {
        let text = format!("SELECT mode, attention FROM robots WHERE id = $1{}", self.backend().for_update());
        let row = sql!(text, robot).one(tx).await?.ok_or(StoreError::NotFound("robot"))?;
        Ok((row.get("mode")?, row.get::<Option<Fault>>("attention")?.is_some()))
    }

    /// Remembers who the machine says it is.
    ///
    /// # Errors
    /// `IdentityTaken` where another robot is this machine.
    #[boxed]
    pub async fn identify(&self, lease: &Lease, identity: &str) -> Result<()> {
        let taken = transact!(self, |tx| {
            RobotUpdate::default().write(tx, lease.robot_id, Fence::Leased(lease)).await?;
            let other = sql!("SELECT name FROM robots WHERE identity = $1 AND id <> $2", identity, lease.robot_id);
            if let Some(row) = other.one(tx).await? {
                return Ok(Some(row.get::<String>("name")?));
            }
            sql!("UPDATE robots SET identity = $2 WHERE id = $1", lease.robot_id, identity).execute(tx).await?;
            Ok(None)
        });
        taken.map_or(Ok(()), |name| Err(StoreError::IdentityTaken(name)))
    }

    /// Which lab this database is: made once, kept in every copy and backup of it.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn lab_id(&self) -> Result<Uuid> {
        let fresh = Uuid::now_v7();
        let row = transact!(self, |tx| {
            sql!("INSERT INTO lab (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING", fresh).execute(tx).await?;
            sql!("SELECT id FROM lab").one(tx).await
        });
        row.ok_or(StoreError::NotFound("lab"))?.get("id")
    }
}

async fn check_deck(tx: &DatabaseTransaction, seen: &Robot, condition: DeckCondition) -> Result<()> {
    let row = sql!(format!("{ROBOTS} WHERE r.id = $1"), seen.id).one(tx).await?.ok_or(StoreError::NotFound("robot"))?;
    let robot = read_robot(&row)?;
    if !robot.lets_hands(condition) || robot.tool != seen.tool {
        return Err(StoreError::AtWork);
    }
    if condition < DeckCondition::PlateFree {
        return Ok(());
    }
    let running = sql!("SELECT id FROM experiments WHERE robot_id = $1 AND status = 'running' LIMIT 1", robot.id);
    if running.one(tx).await?.is_some() { Err(StoreError::PlateInUse) } else { Ok(()) }
}

/// When a lease taken or renewed now ends, from what [`lease_life`] gives as `$3`: by the server's clock on PostgreSQL,
/// by the machine's on SQLite, which only processes of one machine share.
pub(crate) fn lease_end(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "$3",
        Backend::Postgres => "clock_timestamp() + $3 * INTERVAL '1 millisecond'",
    }
}

pub(crate) fn lease_life(backend: Backend, time_to_live: Duration) -> Value {
    match backend {
        Backend::Sqlite => {
            let life = TimeDelta::from_std(time_to_live).unwrap_or(TimeDelta::MAX);
            now().checked_add_signed(life).unwrap_or(DateTime::<Utc>::MAX_UTC).bind()
        }
        Backend::Postgres => i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX).bind(),
    }
}

/// Nothing when a machine with another identity has the name.
/// What of a robot that there is would be another by this, and is worth a line in the log. A virtual one's addresses change
/// with each start.
async fn changed(tx: &DatabaseTransaction, robot: &NewRobot) -> Result<Vec<&'static str>> {
    let text = "SELECT kind, url, sensor_url, attendance, deck FROM robots WHERE name = $1";
    let Some(row) = sql!(text, robot.name.as_str()).one(tx).await? else { return Ok(Vec::new()) };
    let attendance: Attendance = row.get("attendance")?;
    if (attendance, robot.attendance) == (Attendance::Virtual, Attendance::Virtual) {
        return Ok(Vec::new());
    }
    let differ = [
        ("kind", row.get::<RobotKind>("kind")? != robot.kind),
        ("url", row.get::<String>("url")? != robot.url),
        ("sensor_url", row.get::<String>("sensor_url")? != robot.sensor_url),
        ("attendance", attendance != robot.attendance),
        ("deck", row.get::<Deck>("deck")? != robot.deck),
    ];
    Ok(differ.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect())
}

async fn upsert(
    tx: &DatabaseTransaction,
    fresh: RobotId,
    robot: &NewRobot,
    identity: Option<&str>,
) -> Result<Option<RobotId>> {
    let row = sql!(
        "INSERT INTO robots (id, name, kind, url, sensor_url, attendance, deck, mode, tool, waste_nl, lease_epoch,
             last_sequence, identity)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, $10)
         ON CONFLICT (name) DO UPDATE SET
             kind = excluded.kind, url = excluded.url, sensor_url = excluded.sensor_url, attendance = excluded.attendance,
             deck = excluded.deck, identity = COALESCE(excluded.identity, robots.identity)
         WHERE excluded.identity IS NULL OR robots.identity IS NULL OR robots.identity = excluded.identity
         RETURNING id",
        fresh,
        robot.name.as_str(),
        robot.kind,
        robot.url.as_str(),
        robot.sensor_url.as_str(),
        robot.attendance,
        &robot.deck,
        RobotMode::Active,
        &Tool::Nothing,
        identity.map(str::to_owned),
    );
    row.one(tx).await?.map(|row| row.get("id")).transpose()
}

/// A vial that stands where it stood, with the same dye, keeps its count.
pub(crate) async fn set_vials(tx: &DatabaseTransaction, robot: RobotId, deck: &Deck) -> Result<()> {
    if deck.dyes.is_empty() {
        return Ok(());
    }
    let here = deck.dyes.iter().map(|dye| row_values![dye.vial]).collect();
    Sql::with_rows("DELETE FROM vials WHERE robot_id = $1 AND vial NOT IN (VALUES", row_values![robot], here, ")")
        .execute(tx)
        .await?;
    let rows = deck.dyes.iter().map(|dye| row_values![robot, dye.vial, dye.name.clone(), dye.volume, now()]).collect();
    Sql::with_rows(
        "INSERT INTO vials (robot_id, vial, dye, volume_nl, filled_at) VALUES",
        Vec::new(),
        rows,
        "ON CONFLICT (robot_id, vial) DO UPDATE
         SET dye = excluded.dye, volume_nl = excluded.volume_nl, filled_at = excluded.filled_at, batch = NULL
         WHERE vials.dye <> excluded.dye",
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) fn read_robot(row: &Row) -> Result<Robot> {
    Ok(Robot {
        id: row.get("id")?,
        name: row.get("name")?,
        identity: row.get("identity")?,
        url: row.get("url")?,
        sensor_url: row.get("sensor_url")?,
        kind: row.get("kind")?,
        attendance: row.get("attendance")?,
        deck: row.get("deck")?,
        mode: row.get("mode")?,
        mode_by: row.get("mode_by")?,
        mode_at: row.get("mode_at")?,
        attention: row.get("attention")?,
        attention_at: row.get("attention_at")?,
        notice: row.get("notice")?,
        notice_at: row.get("notice_at")?,
        acts: row.get("acts")?,
        stands_still: row.get("stands_still")?,
        accounted: row.get("accounted")?,
        run_id: row.get("run_id")?,
        tool: row.get("tool")?,
        plate_id: row.get("plate_id")?,
        white_reference: row.get("white_reference")?,
        lease_holder: row.get("lease_holder")?,
        lease_epoch: row.get("lease_epoch")?,
        lease_expires_at: row.get("lease_expires_at")?,
        history: row.get("history")?,
        lease_history: row.get("lease_history")?,
        mounts: row.get("mounts")?,
        removed_at: row.get("removed_at")?,
    })
}

fn read_vial(row: &Row) -> Result<Vial> {
    Ok(Vial {
        vial: row.get("vial")?,
        dye: row.get("dye")?,
        volume: row.get("volume_nl")?,
        batch: row.get("batch")?,
        filled_at: row.get("filled_at")?,
    })
}
