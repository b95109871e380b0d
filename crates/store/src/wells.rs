//! What happens to single wells, whoever makes it happen: lawful steps, their events, and the quota of their owner.

use crate::{
    connection::Store,
    error::{Result, StoreError},
    events::NewEvent,
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{
    ExperimentEvent, ExperimentId, Fault, PlateId, ResultId, UserId, WellId, WellName, WellStatus, colour::Target,
};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};

/// A well as its events show it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub id: WellId,
    pub experiment: ExperimentId,
    pub position: i32,
    pub well_id: Option<WellName>,
}

/// In a well's metadata: the doubtful well for which it is made without charge.
pub(crate) const MAKES_UP_FOR: &str = "makes_up_for";

/// What is kept of a well beside its recipe; a well that replaces it has the same.
pub(crate) fn metadata(makes_up_for: Option<WellId>, target: Option<Target>) -> Value {
    let mut metadata = json!({});
    if let Some(other) = makes_up_for {
        metadata[MAKES_UP_FOR] = json!(other);
    }
    if let Some(target) = target {
        metadata[Target::KEPT_AS] = json!(target);
    }
    metadata
}

const PLACE: &str = "id, experiment_id, position, well_id";

impl Place {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            experiment: row.get("experiment_id")?,
            position: row.get("position")?,
            well_id: row.get("well_id")?,
        })
    }

    pub fn event(&self, status: WellStatus, fault: Option<&Fault>) -> NewEvent {
        self.event_in_place_of(None, status, fault)
    }

    /// That it was measured, and what of the measurement its followers are told.
    pub fn result(&self, data: &Value) -> NewEvent {
        let part = |key: &str| data.get(key).cloned();
        let event = ExperimentEvent::Result {
            well: self.id,
            position: self.position,
            well_id: self.well_id,
            srgb: part("srgb"),
            lab: part("lab"),
            doubt: part("doubt"),
        };
        NewEvent { experiment: self.experiment, event }
    }

    fn event_in_place_of(&self, replaces: Option<WellId>, status: WellStatus, fault: Option<&Fault>) -> NewEvent {
        let (position, fault) = (self.position, fault.cloned());
        let event = ExperimentEvent::Well { id: self.id, position, well_id: self.well_id, status, fault, replaces };
        NewEvent { experiment: self.experiment, event }
    }
}

/// The results of an experiment, each with the place of its well.
pub(crate) async fn results(
    tx: &DatabaseTransaction,
    experiment: ExperimentId,
) -> Result<Vec<(ResultId, Place, Value)>> {
    let rows = sql!(
        "SELECT r.id AS result_id, r.measurement_data, w.id, w.experiment_id, w.position, w.well_id
         FROM results r JOIN wells w ON w.id = r.well_id WHERE r.experiment_id = $1 ORDER BY w.position",
        experiment,
    );
    let read = |row: &Row| Ok((row.get("result_id")?, Place::read(row)?, row.get("measurement_data")?));
    rows.all(tx).await?.iter().map(read).collect()
}

/// Names as an SQL list. They are constants of the domain, never input.
pub(crate) fn sql_list(names: impl Iterator<Item = &'static str>) -> String {
    let list = names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if list.is_empty() { "''".to_owned() } else { list }
}

fn well_names(which: impl Fn(WellStatus) -> bool) -> String {
    sql_list(WellStatus::ALL.iter().copied().filter(|status| which(*status)).map(WellStatus::as_str))
}

/// One lawful step of one well. The check and the step are one statement.
pub(crate) async fn step(tx: &DatabaseTransaction, id: WellId, to: WellStatus, fault: Option<&Fault>) -> Result<Place> {
    let text = format!(
        "UPDATE wells SET status = $2, fault = $3 WHERE id = $1 AND status IN ({lawful}) RETURNING {PLACE}",
        lawful = well_names(|from| from.may_become(to)),
    );
    match sql!(text, id, to, fault).one(tx).await? {
        Some(row) => Place::read(&row),
        None => Err(why_not(tx, id, to).await?),
    }
}

async fn why_not(tx: &DatabaseTransaction, id: WellId, to: WellStatus) -> Result<StoreError> {
    let row = sql!("SELECT status FROM wells WHERE id = $1", id).one(tx).await?.ok_or(StoreError::NotFound("well"))?;
    let from = row.get::<WellStatus>("status")?.to_string();
    Ok(StoreError::IllegalTransition { what: "a well", from, to: to.to_string() })
}

/// Ends all wells of an experiment that haven't ended, and returns their quota. The events are in the plate's order.
pub(crate) async fn end_all(
    tx: &DatabaseTransaction,
    experiment: ExperimentId,
    to: WellStatus,
    fault: Option<&Fault>,
) -> Result<Vec<NewEvent>> {
    let text = format!(
        "UPDATE wells SET status = $2, fault = $3 WHERE experiment_id = $1 AND status IN ({lawful}) RETURNING {PLACE}",
        lawful = well_names(|from| from.may_become(to)),
    );
    let rows = sql!(text, experiment, to, fault).all(tx).await?;
    let mut places = rows.iter().map(Place::read).collect::<Result<Vec<_>>>()?;
    places.sort_by_key(|place| (place.position, place.id));
    return_quota(tx, experiment).await?;
    Ok(places.iter().map(|place| place.event(to, fault)).collect())
}

/// Returns the quota of every well of the experiment that has ended without being charged for. The ledger's key makes
/// each return happen once, however often this runs.
///
/// A well that makes up for a doubtful one had that one's quota; given up by its owner, it doesn't return it again, else
/// a lab whose every well is doubtful would work for nothing.
pub(crate) async fn return_quota(tx: &DatabaseTransaction, experiment: ExperimentId) -> Result<()> {
    let text = format!(
        "INSERT INTO quota_entries (well_id, reason, user_id, created_at)
         SELECT w.id, 'returned', e.user_id, $2 FROM wells w JOIN experiments e ON e.id = w.experiment_id
         WHERE e.id = $1 AND w.status IN ({free})
             AND NOT (w.status = '{given_up}' AND w.metadata ->> '{MAKES_UP_FOR}' IS NOT NULL)
         ON CONFLICT (well_id, reason) DO NOTHING",
        free = well_names(|status| status.is_final() && !status.is_charged()),
        given_up = WellStatus::Cancelled,
    );
    let returned = sql!(text, experiment, now()).execute(tx).await?;
    if returned == 0 {
        return Ok(());
    }
    sql!(
        "UPDATE users SET quota_remaining = quota_remaining + $2 WHERE id = (SELECT user_id FROM experiments WHERE id = $1)",
        experiment,
        i32::try_from(returned).unwrap_or(i32::MAX),
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// The wells of an experiment that lie where the robot's plate before theirs was used: any but a well that was only
    /// allotted. If the plate is the same, they were never empty.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn wells_used_before(&self, experiment: ExperimentId) -> Result<Vec<WellId>> {
        let rows = sql!(
            "SELECT w.id FROM wells w JOIN plates p ON p.id = w.plate_id
             WHERE w.experiment_id = $1 AND EXISTS (
                 SELECT 1 FROM wells before WHERE before.well_id = w.well_id AND before.status <> 'pending'
                     AND before.plate_id = (
                         SELECT q.id FROM plates q WHERE q.robot_id = p.robot_id AND q.placed_at < p.placed_at
                         ORDER BY q.placed_at DESC LIMIT 1))",
            experiment,
        );
        rows.all(self.reader()).await?.iter().map(|row| row.get("id")).collect()
    }

    /// The measured wells of an experiment whose quota was given back: others make up for them. As new as
    /// [`Store::reading`] says.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn measured_and_given_back(&self, experiment: ExperimentId) -> Result<Vec<WellId>> {
        let rows = sql!(
            "SELECT w.id FROM wells w JOIN quota_entries q ON q.well_id = w.id AND q.reason = 'returned'
             WHERE w.experiment_id = $1 AND w.status = 'measured'",
            experiment,
        );
        rows.all(&self.view_of(experiment).await).await?.iter().map(|row| row.get("id")).collect()
    }
}

/// Whether all of these are measured wells of this person's whose quota was never given back.
pub(crate) async fn may_be_given_back(tx: &DatabaseTransaction, user: UserId, wells: &[WellId]) -> Result<bool> {
    if wells.is_empty() {
        return Ok(true);
    }
    let paid = Sql::with_rows(
        "SELECT COUNT(*) AS paid FROM wells w JOIN experiments e ON e.id = w.experiment_id
         LEFT JOIN quota_entries q ON q.well_id = w.id AND q.reason = 'returned'
         WHERE e.user_id = $1 AND w.status = 'measured' AND q.well_id IS NULL AND w.id IN (VALUES",
        row_values![user],
        wells.iter().map(|well| row_values![*well]).collect(),
        ")",
    );
    let paid: i64 = paid.one(tx).await?.ok_or(StoreError::NotFound("well"))?.get("paid")?;
    Ok(usize::try_from(paid) == Ok(wells.len()))
}

/// Writes into the ledger that they are given back. Its key makes it happen once; the sum is the caller's to put right.
pub(crate) async fn give_back(tx: &DatabaseTransaction, user: UserId, wells: &[WellId]) -> Result<()> {
    if wells.is_empty() {
        return Ok(());
    }
    let rows = wells.iter().map(|well| row_values![*well, "returned", user, now()]).collect();
    let into = "INSERT INTO quota_entries (well_id, reason, user_id, created_at) VALUES";
    Sql::with_rows(into, Vec::new(), rows, "").execute(tx).await.map(drop)
}

/// Refuses a plate's well that another well has already.
pub(crate) async fn check_untaken(
    tx: &DatabaseTransaction,
    plate: PlateId,
    wells: &[(WellId, WellName)],
) -> Result<()> {
    let taken = sql!("SELECT id, well_id FROM wells WHERE plate_id = $1", plate).all(tx).await?;
    for row in &taken {
        let (owner, at) = (row.get::<WellId>("id")?, row.get::<WellName>("well_id")?);
        if wells.iter().any(|(well, wanted)| *wanted == at && *well != owner) {
            return Err(StoreError::WellTaken(at));
        }
    }
    Ok(())
}

/// Quarantines a well and puts a fresh one, which is charged instead of it, in its place.
pub(crate) async fn replace(
    tx: &DatabaseTransaction,
    quarantined: WellId,
    fresh: WellId,
    at: Option<(PlateId, WellName)>,
    fault: &Fault,
) -> Result<[NewEvent; 2]> {
    let (plate, well_id) = at.unzip();
    let old = step(tx, quarantined, WellStatus::Quarantined, Some(fault)).await?;
    if let Some((plate, well_id)) = at {
        check_untaken(tx, plate, &[(fresh, well_id)]).await?;
    }
    sql!(
        "INSERT INTO wells (id, experiment_id, well_id, status, metadata, position, plate_id, recipe, replaces)
         SELECT $2, experiment_id, $3, 'pending', metadata, position, $4, recipe, id FROM wells WHERE id = $1",
        quarantined,
        fresh,
        well_id,
        plate,
    )
    .execute(tx)
    .await?;
    sql!(
        "INSERT INTO quota_entries (well_id, reason, user_id, created_at)
         SELECT w.id, 'returned', e.user_id, $2 FROM wells w JOIN experiments e ON e.id = w.experiment_id WHERE w.id = $1",
        quarantined,
        now(),
    )
    .execute(tx)
    .await?;
    let place = Place { id: fresh, well_id, ..old.clone() };
    let placed = place.event_in_place_of(Some(quarantined), WellStatus::Pending, None);
    Ok([old.event(WellStatus::Quarantined, Some(fault)), placed])
}
