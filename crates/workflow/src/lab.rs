//! The lab as people and programs use it: ask for an experiment, steer it, see how far it is.
//!
//! Both the API and the pages call this and nothing below it, so that a rule holds whichever way a request comes.

use crate::estimate;
use domain::{Deck, DyeName, ExperimentId, ExperimentStatus, FaultCode, Recipe, Volume, WellId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr};
use store::{
    Acceptance, Control, ControlOutcome, ExperimentDetail, IdempotencyKey, NewActivity, NewExperiment, Store,
    StoreError, User,
};

/// The most wells of one experiment: a plate.
pub const MOST_WELLS: usize = domain::PLATE_WELLS;

/// A request as it came in, unchecked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentRequest {
    /// 1–120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 1–96 wells.
    pub wells: Vec<WellRequest>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WellRequest {
    /// µL by dye.
    pub volumes: BTreeMap<String, f64>,
}

/// One thing to change in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objection {
    /// JSON pointer, like `/wells/3/volumes/red`.
    pub pointer: String,
    pub detail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Nothing was charged. `code` is the gravest.
    #[error("the request can't be carried out")]
    Invalid { code: FaultCode, objections: Vec<Objection> },
    #[error("{wanted} wells are asked for and {remaining} are left of the quota")]
    QuotaExhausted { wanted: usize, remaining: i32 },
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An accepted experiment: durable and charged.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub experiment: ExperimentDetail,
    pub quota_remaining: i32,
    /// The same `Idempotency-Key` had made it before.
    pub replayed: bool,
}

/// How far an experiment is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Progress {
    /// 1 is next; nothing once it runs.
    pub queue_position: Option<usize>,
    pub seconds_to_start: Option<f64>,
    pub steps_done: u64,
    pub steps_total: u64,
    pub seconds_left: Option<f64>,
    /// What the robot is doing for it now, like "adding 60 µL of red to B3".
    pub now: Option<String>,
}

/// The queue is looked at this far; who stands beyond sees no estimate.
const QUEUE_HORIZON: u32 = 1_000;

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lab {
    store: Store,
}

impl Lab {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The decks people can mix on now (dyes, limits): one a robot. Empty while no robot is set up.
    pub async fn decks(&self) -> Result<Vec<Deck>, StoreError> {
        Ok(self.store.robots().await?.into_iter().map(|robot| robot.deck).collect())
    }

    /// Checks everything at once, then charges and stores it. All objections are reported, not only the first.
    /// What it returns is durable.
    pub async fn submit(
        &self,
        user: &User,
        request: ExperimentRequest,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Accepted, SubmitError> {
        let recipes = check(&request, &self.decks().await?)?;
        let wanted = recipes.len();
        let idempotency = idempotency.map(|key| IdempotencyKey { key, request_hash: fingerprint(&request) });
        let id = ExperimentId::new();
        let acceptance = self
            .store
            .accept(NewExperiment {
                id,
                user_id: user.id,
                name: request.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
                wells: recipes.into_iter().map(|recipe| (WellId::new(), recipe)).collect(),
                priority: 0,
                metadata: json!({}),
                idempotency,
                ip_address: ip,
            })
            .await?;
        let (id, quota_remaining, replayed) = match acceptance {
            Acceptance::Accepted { quota_remaining } => (id, quota_remaining, false),
            Acceptance::Replayed { experiment, quota_remaining } => (experiment, quota_remaining, true),
            Acceptance::KeyReused => return Err(SubmitError::KeyReused),
            Acceptance::QuotaExhausted { remaining } => return Err(SubmitError::QuotaExhausted { wanted, remaining }),
        };
        let experiment = self.store.experiment(id).await?.ok_or(StoreError::NotFound("experiment"))?;
        Ok(Accepted { experiment, quota_remaining, replayed })
    }

    /// Pauses, resumes or cancels. Whether `by` may is the caller's question; that they did is logged here.
    pub async fn control(
        &self,
        by: &User,
        id: ExperimentId,
        control: Control,
        ip: Option<IpAddr>,
    ) -> Result<ControlOutcome, StoreError> {
        let outcome = self.store.control(id, control).await?;
        if !matches!(outcome, ControlOutcome::Refused(_)) {
            let action = match control {
                Control::Pause => "experiment_paused",
                Control::Resume => "experiment_resumed",
                Control::Cancel => "experiment_cancelled",
            };
            let details = json!({ "experiment_id": id });
            self.store.log_activity(NewActivity { user_id: Some(by.id), action, details, ip_address: ip }).await?;
        }
        Ok(outcome)
    }

    /// How far an experiment is: its place in the queue, or its steps.
    pub async fn progress(&self, experiment: &ExperimentDetail) -> Result<Progress, StoreError> {
        match experiment.experiment.status {
            ExperimentStatus::Queued => self.waiting(experiment.experiment.id).await,
            ExperimentStatus::Running | ExperimentStatus::Paused => self.under_way(experiment.experiment.id).await,
            ExperimentStatus::Completed | ExperimentStatus::Failed | ExperimentStatus::Cancelled => {
                Ok(Progress::default())
            }
        }
    }

    async fn waiting(&self, id: ExperimentId) -> Result<Progress, StoreError> {
        let queue = self.store.queue(QUEUE_HORIZON).await?;
        let Some(ahead) = queue.iter().position(|queued| queued.experiment == id) else {
            return Ok(Progress::default());
        };
        let lanes = self.store.robots().await?.len().max(1);
        let wells_ahead: u32 = queue[..ahead].iter().map(|queued| queued.wells).sum();
        let reports = self.reports().await?;
        let in_hand: f64 = reports.iter().map(|report| report.seconds_left).sum();
        let nominal = estimate::experiment_seconds(wells_ahead, ahead);
        Ok(Progress {
            queue_position: Some(ahead + 1),
            seconds_to_start: Some((in_hand + nominal * mean_pace(&reports)) / lanes as f64),
            ..Progress::default()
        })
    }

    /// Real seconds a nominal second, as the robots at work show it.
    pub(crate) async fn pace(&self) -> Result<f64, StoreError> {
        Ok(mean_pace(&self.reports().await?))
    }

    /// How far the experiments in hand are: as many as there are busy robots.
    async fn reports(&self) -> Result<Vec<estimate::Report>, StoreError> {
        let mut reports = Vec::new();
        for id in self.store.running().await? {
            reports.extend(self.latest_report(id).await?);
        }
        Ok(reports)
    }

    async fn under_way(&self, id: ExperimentId) -> Result<Progress, StoreError> {
        let report = self.latest_report(id).await?;
        let doing = self.store.latest_event(id, "operation").await?;
        let now = doing.and_then(|event| event.data.get("sentence")?.as_str().map(str::to_owned));
        Ok(report.map_or_else(Progress::default, |report| Progress {
            steps_done: report.steps_done,
            steps_total: report.steps_total,
            seconds_left: Some(report.seconds_left),
            now,
            ..Progress::default()
        }))
    }

    async fn latest_report(&self, id: ExperimentId) -> Result<Option<estimate::Report>, StoreError> {
        let event = self.store.latest_event(id, "progress").await?;
        Ok(event.and_then(|event| serde_json::from_value(event.data).ok()))
    }
}

fn mean_pace(reports: &[estimate::Report]) -> f64 {
    let sum: f64 = reports.iter().map(|report| report.pace).sum();
    if reports.is_empty() { 1.0 } else { sum / reports.len() as f64 }
}

/// What identifies a request under an idempotency key: its meaning, not its spelling.
fn fingerprint(request: &ExperimentRequest) -> String {
    let canonical = serde_json::to_vec(request).unwrap_or_default();
    Sha256::digest(canonical).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The recipes of a request that at least one deck can mix, or everything that is wrong with it.
fn check(request: &ExperimentRequest, decks: &[Deck]) -> Result<Vec<Recipe>, SubmitError> {
    let refuse = |code, pointer: &str, detail: String| {
        Err(SubmitError::Invalid { code, objections: vec![Objection { pointer: pointer.to_owned(), detail }] })
    };
    if request.name.as_ref().is_some_and(|name| name.chars().count() > 120 || name.chars().any(char::is_control)) {
        return refuse(
            FaultCode::InvalidRequest,
            "/name",
            "a name is at most 120 characters, without line breaks".to_owned(),
        );
    }
    if request.wells.is_empty() {
        return refuse(FaultCode::InvalidRequest, "/wells", "ask for at least one well".to_owned());
    }
    if request.wells.len() > MOST_WELLS {
        let detail = format!(
            "{} wells are asked for and a plate has {MOST_WELLS}: split the request into several experiments",
            request.wells.len()
        );
        return refuse(FaultCode::TooManyWells, "/wells", detail);
    }
    let mut refusals = Vec::new();
    for deck in decks {
        let (recipes, objections) = check_wells(request, deck);
        if objections.is_empty() {
            return Ok(recipes);
        }
        refusals.push(objections);
    }
    match refusals.into_iter().min_by_key(Vec::len) {
        Some(objections) => Err(SubmitError::Invalid { code: FaultCode::InvalidRecipe, objections }),
        None => refuse(
            FaultCode::Unavailable,
            "/wells",
            "no robot is set up in this lab yet: an operator adds one with `tincture robot add`".to_owned(),
        ),
    }
}

fn check_wells(request: &ExperimentRequest, deck: &Deck) -> (Vec<Recipe>, Vec<Objection>) {
    let mut recipes = Vec::with_capacity(request.wells.len());
    let mut objections = Vec::new();
    for (index, well) in request.wells.iter().enumerate() {
        match check_well(index, well, deck) {
            Ok(recipe) => recipes.push(recipe),
            Err(found) => objections.extend(found),
        }
    }
    (recipes, objections)
}

fn check_well(index: usize, well: &WellRequest, deck: &Deck) -> Result<Recipe, Vec<Objection>> {
    let mut amounts = Vec::new();
    let mut objections = Vec::new();
    for (name, microlitres) in well.volumes.iter().take(64) {
        let pointer = format!("/wells/{index}/volumes/{}", escape(name));
        match (name.parse::<DyeName>(), Volume::from_ul(*microlitres)) {
            (Ok(dye), Ok(volume)) => amounts.push((dye, volume)),
            (Err(error), _) => objections.push(Objection { pointer, detail: error.to_string() }),
            (_, Err(error)) => objections.push(Objection { pointer, detail: error.to_string() }),
        }
    }
    if !objections.is_empty() {
        return Err(objections);
    }
    let recipe = Recipe::new(amounts);
    recipe.check(deck).map_err(|error| {
        let pointer = match error.dye() {
            Some(dye) => format!("/wells/{index}/volumes/{dye}"),
            None => format!("/wells/{index}/volumes"),
        };
        vec![Objection { pointer, detail: error.to_string() }]
    })?;
    Ok(recipe)
}

/// A key as a JSON pointer writes it (RFC 6901), cut to a readable length.
fn escape(key: &str) -> String {
    key.chars().take(40).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(wells: &[&[(&str, f64)]]) -> ExperimentRequest {
        let well = |amounts: &&[(&str, f64)]| WellRequest {
            volumes: amounts.iter().map(|(dye, ul)| ((*dye).to_owned(), *ul)).collect(),
        };
        ExperimentRequest { name: None, wells: wells.iter().map(well).collect() }
    }

    fn pointers(request: &ExperimentRequest) -> Vec<String> {
        match check(request, &[Deck::default()]) {
            Err(SubmitError::Invalid { objections, .. }) => objections.into_iter().map(|o| o.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_objection_points_at_its_place() {
        let bad = request(&[
            &[("red", 60.0)],
            &[("red", -1.0), ("blue", f64::NAN)],
            &[("green", 60.0)],
            &[("red", 5.0)],
            &[("red", 200.0), ("blue", 101.0)],
            &[],
        ]);
        assert_eq!(
            pointers(&bad),
            [
                "/wells/1/volumes/blue",
                "/wells/1/volumes/red",
                "/wells/2/volumes/green",
                "/wells/3/volumes/red",
                "/wells/4/volumes",
                "/wells/5/volumes"
            ]
        );
    }

    #[test]
    fn too_many_or_no_wells_are_refused() {
        let well: &[(&str, f64)] = &[("red", 60.0)];
        assert!(check(&request(&[well; 96]), &[Deck::default()]).is_ok());
        assert_eq!(pointers(&request(&[well; 97])), ["/wells"]);
        assert_eq!(pointers(&request(&[])), ["/wells"]);
    }

    #[test]
    fn one_deck_that_can_is_enough() {
        let small = request(&[&[("red", 5.0)]]);
        assert!(check(&small, &[Deck::default()]).is_err());
        assert!(check(&small, &[Deck::default(), Deck::with_p20()]).is_ok());
        assert!(matches!(check(&small, &[]), Err(SubmitError::Invalid { code: FaultCode::Unavailable, .. })));
    }

    #[test]
    fn the_same_wish_has_the_same_fingerprint() {
        let one: ExperimentRequest =
            serde_json::from_str(r#"{"wells":[{"volumes":{"red":60,"blue":60.0}}]}"#).expect("json");
        let two: ExperimentRequest =
            serde_json::from_str(r#"{"wells":[{"volumes":{"blue":60,"red":60}}]}"#).expect("json");
        assert_eq!(fingerprint(&one), fingerprint(&two));
        assert_ne!(fingerprint(&one), fingerprint(&request(&[&[("red", 61.0), ("blue", 60.0)]])));
    }
}
