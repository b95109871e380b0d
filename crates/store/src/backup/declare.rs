//! A database that was put back is older than every deck. It says so of itself, before anybody can drive a robot by it.

use crate::{
    Result, Store, activity,
    change::{Effects, Fence, RobotUpdate},
    connection::transact,
    records::{NewActivity, Robot},
    sql::sql,
};
use domain::{Attendance, Change, Fault};
use sea_orm::DatabaseTransaction;

impl Store {
    /// Nothing on any deck is believed any more: no plate is known to lie there, no tip is new, no vial holds anything,
    /// the waste vial is full. Whoever answers for a robot is asked `question`, in place of what it asked before; a virtual
    /// lab renews its deck when it needs it. One transaction, with its line in the activity log. Gives the robots' names.
    pub(super) async fn declare_decks_unknown(&self, question: &Fault, by: &NewActivity) -> Result<Vec<String>> {
        let robots = self.robots().await?;
        transact!(self, |tx| {
            for robot in &robots {
                declare(tx, robot, question).await?;
            }
            activity::insert(self.backend(), by).execute(tx).await?;
            Ok(())
        });
        Ok(robots.into_iter().map(|robot| robot.name).collect())
    }
}

async fn declare(tx: &DatabaseTransaction, robot: &Robot, question: &Fault) -> Result<()> {
    let mut changes = robot.deck.unknown();
    changes.push(Change::WasteAdded { volume: robot.deck.waste_capacity });
    if robot.attendance == Attendance::Operator {
        // What it asked about is days old; this asks for more.
        RobotUpdate::of(&[Change::Answered]).write(tx, robot.id, Fence::Person).await?;
        changes.push(Change::Ask(question.clone()));
    }
    RobotUpdate::of(&changes).write(tx, robot.id, Fence::Person).await?;
    Effects::of(tx, robot.id, &changes).await?.finish(tx).await?;
    // Its holder can't be there any more: the database was nobody's while it was put back.
    let free = sql!("UPDATE robots SET lease_holder = NULL, lease_expires_at = NULL WHERE id = $1", robot.id);
    free.execute(tx).await.map(drop)
}
