//! Robots as people set them up: changed, renamed, removed; and what their mounts were seen to carry.
//!
//! Nothing of this ends history: a removed robot's row stays, out of sight, for the experiments and the journal that refer to
//! it. Each change counts as an act of people, so that no lane begins what it planned before.

use crate::{
    activity,
    change::{Effects, Fence, RobotUpdate},
    connection::{Store, transact},
    error::{Result, StoreError},
    records::*,
    robots::{ROBOTS, read_robot, set_vials},
    sql::{now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use domain::{BlankCheck, Change, Deck, MountsSeen, PlateId, RobotId, RobotMode, Tool, UserId};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use std::{collections::BTreeMap, net::IpAddr};

/// Who changes a robot, for the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChangedBy {
    /// Nothing for whoever has the database at hand and didn't say.
    pub user: Option<UserId>,
    pub ip: Option<IpAddr>,
}

impl ChangedBy {
    fn line(self, action: &'static str, details: serde_json::Value) -> NewActivity {
        NewActivity { user_id: self.user, action, details, ip_address: self.ip }
    }
}

impl Store {
    /// Adds a robot with full vials, new tips and a new plate.
    ///
    /// # Errors
    /// `RobotNameTaken` and `AddressTaken`; nothing was written then.
    #[boxed]
    pub async fn add_robot(&self, robot: &NewRobot, by: ChangedBy) -> Result<Robot> {
        let id = RobotId::new();
        transact!(self, |tx| {
            check_name(tx, id, &robot.name).await?;
            check_address(tx, id, &robot.url).await?;
            self.insert_robot(tx, id, robot).await?;
            let line = by.line("robot_added", json!({ "robot_id": id, "name": robot.name }));
            activity::insert(self.backend(), &line).execute(tx).await
        });
        self.signal([Signal::Robots]);
        self.robot(id).await?.ok_or(StoreError::NotFound("robot"))
    }

    /// Makes a robot what is wanted, all at once; what it has in hand, its journal and its history stay. `seen` is what the
    /// change was made for.
    ///
    /// A new address takes nothing but a robot that isn't being driven at this moment. Another kind or another deck takes one
    /// with nothing on its nozzle, nothing in flight and no experiment of its own. What is counted of a plate, a rack or a
    /// vial that gives way to another is forgotten.
    ///
    /// # Errors
    /// `RobotChanged` where it isn't as seen any more; `RobotNameTaken`, `AddressTaken`; `AtWork`; `RobotInUse`. Nothing was
    /// written then.
    #[boxed]
    pub async fn change_robot(&self, seen: &Robot, wanted: &NewRobot, by: ChangedBy) -> Result<Robot> {
        let id = seen.id;
        let signals = transact!(self, |tx| {
            let robot = self.locked(tx, id).await?;
            if differing(&robot, &as_set_up(seen)).next().is_some() {
                return Err(StoreError::RobotChanged);
            }
            let changed: Vec<&'static str> = differing(&robot, wanted).collect();
            if changed.is_empty() {
                return Ok(Vec::new());
            }
            check_name(tx, id, &wanted.name).await?;
            check_address(tx, id, &wanted.url).await?;
            self.check_free_for(tx, &robot, wanted).await?;
            let effects = change_deck(tx, &robot, &wanted.deck).await?;
            write_setup(tx, id, wanted).await?;
            if robot.name != wanted.name {
                keep_name(tx, id, &robot.name).await?;
                let details = json!({ "robot_id": id, "name": wanted.name, "before": robot.name });
                activity::insert(self.backend(), &by.line("robot_renamed", details)).execute(tx).await?;
            }
            let others: Vec<_> = changed.into_iter().filter(|what| *what != "name").collect();
            if !others.is_empty() {
                let details = json!({ "robot_id": id, "name": wanted.name, "changed": others });
                activity::insert(self.backend(), &by.line("robot_changed", details)).execute(tx).await?;
            }
            effects.finish(tx).await
        });
        self.signal(signals.into_iter().chain([Signal::Robots, Signal::Queue]));
        self.robot(id).await?.ok_or(StoreError::NotFound("robot"))
    }

    /// Takes a robot out of the lab. Its experiments, results and journal stay; its name is free again, and its machine may be
    /// another robot's. A worker that has it loses it.
    ///
    /// # Errors
    /// `RobotInUse` while experiments hold it; `AtWork` while it is driven with something on its nozzle or in flight. Nothing
    /// was written then.
    #[boxed]
    pub async fn remove_robot(&self, id: RobotId, who: &str, by: ChangedBy) -> Result<()> {
        transact!(self, |tx| {
            let robot = self.locked(tx, id).await?;
            check_unbound(tx, id).await?;
            let is_driven = matches!(robot.driver(Utc::now()), Driver::Drives(_));
            if is_driven && (robot.tool != Tool::Nothing || has_open_step(tx, id).await?) {
                return Err(StoreError::AtWork);
            }
            // Releases that don't know of removal see one that is stopped, and leave it alone.
            sql!(
                "UPDATE robots SET removed_at = $2, name = $3, identity = NULL, mode = $4, mode_by = $5, mode_at = $2,
                     attention = NULL, attention_at = NULL, notice = NULL, notice_at = NULL, acts = acts + 1,
                     lease_holder = NULL, lease_expires_at = NULL, lease_epoch = lease_epoch + 1
                 WHERE id = $1",
                id,
                now(),
                format!("{} (removed, {id})", robot.name),
                RobotMode::Stopped,
                who,
            )
            .execute(tx)
            .await?;
            keep_name(tx, id, &robot.name).await?;
            let line = by.line("robot_removed", json!({ "robot_id": id, "name": robot.name }));
            activity::insert(self.backend(), &line).execute(tx).await
        });
        self.signal([Signal::Robots, Signal::Queue]);
        Ok(())
    }

    /// The robots that were once called so and are called otherwise now, by that name; the newest owner of each. A name that a
    /// robot has now is nobody's former one.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn former_names(&self) -> Result<BTreeMap<String, RobotId>> {
        let rows = sql!(
            "SELECT f.name, f.robot_id FROM robot_names f JOIN robots r ON r.id = f.robot_id
             WHERE r.removed_at IS NULL AND NOT EXISTS (SELECT 1 FROM robots o WHERE o.name = f.name)
             ORDER BY f.until",
        );
        let rows = rows.all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.get("name")?, row.get("robot_id")?))).collect()
    }

    /// Remembers what a robot's mounts carry, as it said it.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn note_mounts(&self, robot: RobotId, mounts: &MountsSeen) -> Result<()> {
        let text = "UPDATE robots SET mounts = $2 WHERE id = $1 AND removed_at IS NULL";
        sql!(text, robot, mounts).execute(self.writer()).await?;
        self.signal([Signal::Robots]);
        Ok(())
    }

    /// A robot under its row's lock, as it is now.
    async fn locked(&self, tx: &DatabaseTransaction, id: RobotId) -> Result<Robot> {
        let lock = format!("SELECT id FROM robots WHERE id = $1 AND removed_at IS NULL{}", self.backend().for_update());
        sql!(lock, id).one(tx).await?.ok_or(StoreError::NotFound("robot"))?;
        let row = sql!(format!("{ROBOTS} WHERE r.id = $1"), id).one(tx).await?;
        read_robot(&row.ok_or(StoreError::NotFound("robot"))?)
    }

    /// Whether the robot may become this, as it stands now.
    async fn check_free_for(&self, tx: &DatabaseTransaction, robot: &Robot, wanted: &NewRobot) -> Result<()> {
        let is_elsewhere =
            (&robot.url, &robot.sensor_url, robot.attendance) != (&wanted.url, &wanted.sensor_url, wanted.attendance);
        let is_another = robot.kind != wanted.kind || is_another_deck(&robot.deck, &wanted.deck);
        let is_busy = robot.tool != Tool::Nothing || has_open_step(tx, robot.id).await?;
        let is_driven = matches!(robot.driver(Utc::now()), Driver::Drives(_)) && !robot.stands_still;
        if is_elsewhere && is_driven && is_busy {
            return Err(StoreError::AtWork);
        }
        if is_another {
            check_unbound(tx, robot.id).await?;
            if is_busy {
                return Err(StoreError::AtWork);
            }
        }
        Ok(())
    }
}

/// What of a robot would be another by this.
fn differing<'a>(robot: &Robot, wanted: &'a NewRobot) -> impl Iterator<Item = &'static str> + use<'a> {
    let differ = [
        ("name", robot.name != wanted.name),
        ("kind", robot.kind != wanted.kind),
        ("url", robot.url != wanted.url),
        ("sensor_url", robot.sensor_url != wanted.sensor_url),
        ("attendance", robot.attendance != wanted.attendance),
        ("deck", robot.deck != wanted.deck),
    ];
    differ.into_iter().filter_map(|(what, differs)| differs.then_some(what))
}

fn as_set_up(robot: &Robot) -> NewRobot {
    NewRobot {
        name: robot.name.clone(),
        kind: robot.kind,
        url: robot.url.clone(),
        sensor_url: robot.sensor_url.clone(),
        attendance: robot.attendance,
        deck: robot.deck.clone(),
    }
}

/// Whether a deck is another thing to work on, and not only to be judged otherwise.
fn is_another_deck(one: &Deck, other: &Deck) -> bool {
    let plain = |deck: &Deck| Deck { doubt_delta_e: 1.0, blank_check: BlankCheck::None, ..deck.clone() };
    plain(one) != plain(other)
}

async fn check_name(tx: &DatabaseTransaction, id: RobotId, name: &str) -> Result<()> {
    let taken = sql!("SELECT id FROM robots WHERE name = $1 AND id <> $2", name, id).one(tx).await?;
    if taken.is_some() { Err(StoreError::RobotNameTaken) } else { Ok(()) }
}

/// One machine is one robot: under two names two workers would drive it at once, each sure to be alone.
async fn check_address(tx: &DatabaseTransaction, id: RobotId, url: &str) -> Result<()> {
    let text = "SELECT name FROM robots WHERE url = $1 AND id <> $2 AND removed_at IS NULL";
    match sql!(text, url, id).one(tx).await? {
        Some(row) => Err(StoreError::AddressTaken(row.get("name")?)),
        None => Ok(()),
    }
}

async fn has_open_step(tx: &DatabaseTransaction, id: RobotId) -> Result<bool> {
    let open = sql!("SELECT id FROM operations WHERE robot_id = $1 AND state = 'intended' LIMIT 1", id);
    Ok(open.one(tx).await?.is_some())
}

/// No experiment that hasn't ended is this robot's: in hand, paused, or waiting to go on on its plate.
async fn check_unbound(tx: &DatabaseTransaction, id: RobotId) -> Result<()> {
    let text =
        "SELECT COUNT(*) AS bound FROM experiments WHERE robot_id = $1 AND status IN ('queued', 'running', 'paused')";
    let bound: i64 = match sql!(text, id).one(tx).await? {
        Some(row) => row.get("bound")?,
        None => 0,
    };
    if bound == 0 { Ok(()) } else { Err(StoreError::RobotInUse { experiments: bound }) }
}

async fn keep_name(tx: &DatabaseTransaction, id: RobotId, name: &str) -> Result<()> {
    sql!(
        "INSERT INTO robot_names (robot_id, name, until) VALUES ($1, $2, $3)
         ON CONFLICT (name, robot_id) DO UPDATE SET until = excluded.until",
        id,
        name,
        now(),
    )
    .execute(tx)
    .await
    .map(drop)
}

async fn write_setup(tx: &DatabaseTransaction, id: RobotId, wanted: &NewRobot) -> Result<()> {
    sql!(
        "UPDATE robots SET name = $2, kind = $3, url = $4, sensor_url = $5, attendance = $6, deck = $7 WHERE id = $1",
        id,
        wanted.name.as_str(),
        wanted.kind,
        wanted.url.as_str(),
        wanted.sensor_url.as_str(),
        wanted.attendance,
        &wanted.deck,
    )
    .execute(tx)
    .await
    .map(drop)
}

/// A plate or a rack of another make is a new one; a rack that goes takes its count along. Counts as an act.
async fn change_deck(tx: &DatabaseTransaction, robot: &Robot, deck: &Deck) -> Result<Effects> {
    let mut changes = Vec::new();
    if robot.deck.plate != deck.plate {
        changes.push(Change::PlateReplaced { plate: PlateId::new() });
    }
    for pipette in &robot.deck.pipettes {
        let stays =
            |other: &domain::Pipette| (other.tip_slot, &other.tip_rack) == (pipette.tip_slot, &pipette.tip_rack);
        if !deck.pipettes.iter().any(stays) {
            changes.push(Change::TipsReplaced { slot: pipette.tip_slot });
        }
    }
    RobotUpdate::of(&changes).write(tx, robot.id, Fence::Person).await?;
    if robot.deck.dyes != deck.dyes {
        set_vials(tx, robot.id, deck).await?;
    }
    Effects::of(tx, robot.id, &changes).await
}
