//! The lab as people and programs use it: ask for an experiment, steer it, see how far it is.
//!
//! Both the API and the pages call this and nothing below it, so that a rule holds whichever way a request comes.

use crate::{
    estimate,
    waiting::{self, Waiting},
};
use chrono::Utc;
use domain::{
    Control, Deck, DyeName, DyeNameError, EventKind, ExperimentEvent, ExperimentId, ExperimentStatus, Fault, FaultCode,
    Recipe, RecipeError, Report, Role, UserId, Volume, WellId, text,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, ops::RangeInclusive};
use store::{
    Acceptance, ControlOutcome, Event, Experiment, ExperimentDetail, IdempotencyKey, NewActivity, NewExperiment, Robot,
    Store, StoreError, User,
};

/// The most wells of one experiment: a plate.
pub const MOST_WELLS: usize = domain::PLATE_WELLS;

/// The most dyes named for one well, zeros included: many times what stands on a deck, and it bounds the answer to a
/// request of which everything is wrong.
const MOST_DYES: usize = 64;

/// Of an experiment in the queue; higher goes first.
pub const PRIORITIES: RangeInclusive<i16> = -10..=10;
/// Everybody's, unless somebody who runs the lab says otherwise.
pub const USUAL_PRIORITY: i16 = 0;

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
    #[error("{limit} experiments wait already, which is as many as may")]
    QueueFull { limit: u32 },
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("the quota of a doubtful well was given back for another retry already")]
    AlreadyGivenBack,
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

/// How far an experiment is. Nothing is foretold while it waits for something else than its turn.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// 1 is next; nothing once it runs.
    pub queue_position: Option<usize>,
    pub seconds_to_start: Option<f64>,
    pub steps_done: u64,
    pub steps_total: u64,
    pub seconds_left: Option<f64>,
    /// What the robot is doing for it now, like "adding 60 µL of red to B3".
    pub now: Option<String>,
    /// Why no robot goes on with it.
    pub waiting: Option<Waiting>,
}

impl Progress {
    /// What keeps an experiment from going on, as its reader meets it: its own fault, or what its robot waits for.
    pub fn trouble(&self, experiment: &Experiment, reader: Role) -> Option<Fault> {
        let waits_for = || self.waiting.as_ref().and_then(|waiting| waiting.fault(reader));
        experiment.fault.clone().or_else(waits_for)
    }

    /// While it waits, nobody knows when it starts or ends, and the last step isn't what happens now.
    fn without_forecast(self) -> Self {
        if self.waiting.is_none() {
            return self;
        }
        Self { seconds_to_start: None, seconds_left: None, now: None, ..self }
    }
}

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
        self.submit_with_priority(user, request, USUAL_PRIORITY, idempotency, ip).await
    }

    /// The same, with a place in the queue other than the usual one ([`PRIORITIES`]; higher goes first), which only those
    /// who run the lab give.
    pub async fn submit_with_priority(
        &self,
        user: &User,
        request: ExperimentRequest,
        priority: i16,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Accepted, SubmitError> {
        let order = Order { owner: user.id, request, priority, retry_of: None, gives_back: Vec::new() };
        let key = order.key(idempotency);
        // Before anything is checked: what was accepted then is answered as it was, whatever deck or role is now.
        if let Some(key) = &key
            && let Some(earlier) = self.store.earlier_answer(user.id, key).await?
        {
            return self.accepted(earlier, ExperimentId::new(), order.request.wells.len()).await;
        }
        check_priority(user, priority)?;
        self.accept(ExperimentId::new(), order, key, ip, None).await
    }

    /// Checks, charges and stores an order, whatever it comes from, as experiment `id`. `retried` is the line of the
    /// activity log that says who tried again by it.
    pub(crate) async fn accept(
        &self,
        id: ExperimentId,
        order: Order,
        idempotency: Option<IdempotencyKey>,
        ip: Option<IpAddr>,
        retried: Option<NewActivity>,
    ) -> Result<Accepted, SubmitError> {
        let recipes = check(&order.request, &self.decks().await?)?;
        let wanted = recipes.len();
        let metadata = order.retry_of.map_or_else(|| json!({}), |failed| json!({ "retry_of": failed }));
        let acceptance = self
            .store
            .accept(NewExperiment {
                id,
                user_id: order.owner,
                name: order.request.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
                wells: recipes.into_iter().map(|recipe| (WellId::new(), recipe)).collect(),
                priority: order.priority,
                metadata,
                gives_back: order.gives_back,
                idempotency,
                ip_address: ip,
                retried,
            })
            .await?;
        self.accepted(acceptance, id, wanted).await
    }

    /// What became of a request for so many wells that was to make experiment `id`.
    async fn accepted(&self, acceptance: Acceptance, id: ExperimentId, wanted: usize) -> Result<Accepted, SubmitError> {
        let (id, quota_remaining, replayed) = match acceptance {
            Acceptance::Accepted { quota_remaining } => {
                tracing::info!(experiment = %id, wells = wanted, "an experiment was accepted");
                metrics::counter!(telemetry::names::EXPERIMENTS_ACCEPTED).increment(1);
                (id, quota_remaining, false)
            }
            Acceptance::Replayed { experiment, quota_remaining } => (experiment, quota_remaining, true),
            Acceptance::KeyReused => return Err(SubmitError::KeyReused),
            Acceptance::AlreadyGivenBack => return Err(SubmitError::AlreadyGivenBack),
            Acceptance::QueueFull { limit } => return Err(SubmitError::QueueFull { limit }),
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
        let action = match control {
            Control::Pause => "experiment_paused",
            Control::Resume => "experiment_resumed",
            Control::Cancel => "experiment_cancelled",
        };
        let details = json!({ "experiment_id": id });
        let activity = NewActivity { user_id: Some(by.id), action, details, ip_address: ip };
        let outcome = self.store.control(id, control, &activity).await?;
        if !matches!(outcome, ControlOutcome::Refused(_)) {
            tracing::info!(experiment = %id, ?control, by = %by.id, "an experiment was told");
        }
        Ok(outcome)
    }

    /// How far an experiment is: its place in the queue, or its steps, and what it waits for.
    pub async fn progress(&self, experiment: &ExperimentDetail) -> Result<Progress, StoreError> {
        if experiment.experiment.status.is_final() {
            return Ok(Progress::default());
        }
        self.progress_among(experiment, &self.store.robots().await?).await
    }

    /// The same for who has read the lab's robots already.
    pub async fn progress_among(
        &self,
        experiment: &ExperimentDetail,
        robots: &[Robot],
    ) -> Result<Progress, StoreError> {
        let (experiment, now) = (&experiment.experiment, Utc::now());
        if experiment.status.is_final() {
            return Ok(Progress::default());
        }
        let waiting = Waiting::of(experiment, robots, now);
        if experiment.status != ExperimentStatus::Queued {
            return Ok(Progress { waiting, ..self.under_way(experiment.id).await? }.without_forecast());
        }
        let able =
            waiting::mixing(experiment, robots).filter(|robot| waiting::hindered_by(robot, experiment, now).is_none());
        let progress = self.in_queue(experiment, able.count()).await?;
        Ok(Progress { waiting, ..progress }.without_forecast())
    }

    /// What experiments wait for, in their order. The robots are read once for all of them.
    pub async fn waiting<'a>(
        &self,
        experiments: impl IntoIterator<Item = &'a Experiment>,
    ) -> Result<Vec<Option<Waiting>>, StoreError> {
        let experiments: Vec<_> = experiments.into_iter().collect();
        if experiments.iter().all(|experiment| experiment.status.is_final()) {
            return Ok(vec![None; experiments.len()]);
        }
        let (robots, now) = (self.store.robots().await?, Utc::now());
        Ok(experiments.into_iter().map(|experiment| Waiting::of(experiment, &robots, now)).collect())
    }

    /// `lanes` is how many robots will take what waits.
    async fn in_queue(&self, experiment: &Experiment, lanes: usize) -> Result<Progress, StoreError> {
        let ahead = self.store.ahead_of(experiment).await?;
        let reports = self.reports().await?;
        let in_hand: f64 = reports.iter().map(|report| report.seconds_left).sum();
        let nominal = estimate::experiment_seconds(ahead.wells, ahead.experiments);
        Ok(Progress {
            queue_position: Some(ahead.experiments + 1),
            seconds_to_start: Some((in_hand + nominal * mean_pace(&reports)) / lanes.max(1) as f64),
            ..Progress::default()
        })
    }

    /// Real seconds a nominal second, as the robots at work show it.
    pub(crate) async fn pace(&self) -> Result<f64, StoreError> {
        Ok(mean_pace(&self.reports().await?))
    }

    /// How far the experiments in hand are: as many as there are busy robots.
    async fn reports(&self) -> Result<Vec<Report>, StoreError> {
        let events = self.store.latest_events_in_hand(EventKind::Progress).await?;
        Ok(events.iter().filter_map(report).collect())
    }

    async fn under_way(&self, id: ExperimentId) -> Result<Progress, StoreError> {
        let report = self.latest_report(id).await?;
        let doing = self.store.latest_event(id, EventKind::Operation).await?.and_then(|event| event.read());
        let now = doing.and_then(|event| match event {
            ExperimentEvent::Operation { sentence, .. } => Some(sentence),
            _ => None,
        });
        Ok(report.map_or_else(Progress::default, |report| Progress {
            steps_done: report.steps_done,
            steps_total: report.steps_total,
            seconds_left: Some(report.seconds_left),
            now,
            ..Progress::default()
        }))
    }

    async fn latest_report(&self, id: ExperimentId) -> Result<Option<Report>, StoreError> {
        Ok(self.store.latest_event(id, EventKind::Progress).await?.as_ref().and_then(report))
    }
}

fn report(event: &Event) -> Option<Report> {
    match event.read() {
        Some(ExperimentEvent::Progress(report)) => Some(report),
        _ => None,
    }
}

fn mean_pace(reports: &[Report]) -> f64 {
    let sum: f64 = reports.iter().map(|report| report.pace).sum();
    if reports.is_empty() { 1.0 } else { sum / reports.len() as f64 }
}

/// A request with what isn't the person's own to say.
#[derive(Debug, Serialize)]
pub(crate) struct Order {
    /// Whose quota it is. Not part of the fingerprint: an idempotency key is its owner's.
    #[serde(skip)]
    pub owner: UserId,
    #[serde(flatten)]
    pub request: ExperimentRequest,
    #[serde(skip_serializing_if = "is_usual")]
    pub priority: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<ExperimentId>,
    /// Doubtful wells, whose quota is given back for this; as many of the last wells asked for make up for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gives_back: Vec<WellId>,
}

impl Order {
    /// Under which it is known when it comes again.
    pub(crate) fn key(&self, key: Option<String>) -> Option<IdempotencyKey> {
        key.map(|key| IdempotencyKey { key, request_hash: self.fingerprint() })
    }

    /// What identifies it under an idempotency key: its meaning, not its spelling.
    fn fingerprint(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(canonical).iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
const fn is_usual(priority: &i16) -> bool {
    *priority == USUAL_PRIORITY
}

fn check_priority(user: &User, priority: i16) -> Result<(), SubmitError> {
    let refuse = |code, detail: String| {
        Err(SubmitError::Invalid { code, objections: vec![Objection { pointer: "/priority".to_owned(), detail }] })
    };
    if !PRIORITIES.contains(&priority) {
        let (least, most) = (PRIORITIES.start(), PRIORITIES.end());
        return refuse(FaultCode::InvalidRequest, format!("a priority is a whole number from {least} to {most}"));
    }
    if priority != USUAL_PRIORITY && !user.role.runs_the_lab() {
        let detail = format!(
            "only operators and administrators change the queue's order; your role is {}, leave it out",
            user.role
        );
        return refuse(FaultCode::NotAllowed, detail);
    }
    Ok(())
}

/// The recipes of a request that at least one deck can mix, or everything that is wrong with it.
fn check(request: &ExperimentRequest, decks: &[Deck]) -> Result<Vec<Recipe>, SubmitError> {
    let refuse = |code, pointer: &str, detail: String| {
        Err(SubmitError::Invalid { code, objections: vec![Objection { pointer: pointer.to_owned(), detail }] })
    };
    let name = request.name.as_deref().unwrap_or_default().trim();
    if let Err(error) = text::line(name, text::LONGEST_EXPERIMENT_NAME) {
        return refuse(FaultCode::InvalidRequest, "/name", error.to_string());
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
        let (recipes, objections) = check_wells(request, deck, decks);
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

/// The recipes as `deck` mixes them, one of the lab's `decks`, and what keeps it from that.
fn check_wells(request: &ExperimentRequest, deck: &Deck, decks: &[Deck]) -> (Vec<Recipe>, Vec<Objection>) {
    let mut recipes = Vec::with_capacity(request.wells.len());
    let mut objections = Vec::new();
    for (index, well) in request.wells.iter().enumerate() {
        match check_well(index, well, deck, decks) {
            Ok(recipe) => recipes.push(recipe),
            Err(found) => objections.extend(found),
        }
    }
    (recipes, objections)
}

fn check_well(index: usize, well: &WellRequest, deck: &Deck, decks: &[Deck]) -> Result<Recipe, Vec<Objection>> {
    if well.volumes.len() > MOST_DYES {
        let detail = format!(
            "{} dyes are named and a well takes at most {MOST_DYES}: leave out those that aren't on a deck",
            well.volumes.len()
        );
        return Err(vec![Objection { pointer: format!("/wells/{index}/volumes"), detail }]);
    }
    let mut amounts = Vec::new();
    let mut objections = Vec::new();
    for (name, microlitres) in &well.volumes {
        match amount(name, *microlitres, deck, decks) {
            Ok(amount) => amounts.push(amount),
            Err(detail) => {
                let pointer = format!("/wells/{index}/volumes/{}", escape(name));
                objections.push(Objection { pointer, detail });
            }
        }
    }
    let recipe = Recipe::new(amounts);
    let unreadable = !objections.is_empty();
    // A well of which nothing could be read isn't empty as well.
    let mistakes = recipe.objections(deck).into_iter().filter(|mistake| !unreadable || *mistake != RecipeError::Empty);
    objections.extend(mistakes.map(|mistake| {
        let pointer = match mistake.dye() {
            Some(dye) => format!("/wells/{index}/volumes/{dye}"),
            None => format!("/wells/{index}/volumes"),
        };
        Objection { pointer, detail: mistake.to_string() }
    }));
    if objections.is_empty() { Ok(recipe) } else { Err(objections) }
}

/// One amount, or what is wrong with it whatever the rest of its well is. 0 µL of what some deck of the lab has is no
/// mistake on the others, since clients fill in every dye they know; 0 µL of what nobody has is a name spelt wrong.
fn amount(name: &str, microlitres: f64, deck: &Deck, decks: &[Deck]) -> Result<(DyeName, Volume), String> {
    let dye: DyeName = name.parse().map_err(|error: DyeNameError| error.to_string())?;
    let volume = Volume::from_ul(microlitres).map_err(|error| error.to_string())?;
    if volume.is_zero() && !decks.iter().any(|deck| deck.dye(&dye).is_some()) {
        return Err(RecipeError::unknown(&dye, deck).to_string());
    }
    Ok((dye, volume))
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
            &[("red", -1.0), ("blue", 5.0), ("green", 60.0)],
        ]);
        assert_eq!(
            pointers(&bad),
            [
                "/wells/1/volumes/blue",
                "/wells/1/volumes/red",
                "/wells/2/volumes/green",
                "/wells/3/volumes/red",
                "/wells/4/volumes",
                "/wells/5/volumes",
                "/wells/6/volumes/red",
                "/wells/6/volumes/blue",
                "/wells/6/volumes/green",
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
    fn a_name_nobody_has_is_refused_at_0_too_and_one_of_a_neighbour_isnt() {
        let mut green = Deck::default();
        green.dyes[0].name = "green".parse().expect("a name");
        let zero = request(&[&[("blue", 60.0), ("green", 0.0)]]);
        assert_eq!(pointers(&zero), ["/wells/0/volumes/green"]);
        assert!(check(&zero, &[Deck::default(), green]).is_ok());
        let names: Vec<_> = (0..65).map(|index| format!("dye{index}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 0.0)).collect();
        assert_eq!(pointers(&request(&[&[("red", 60.0)], &many])), ["/wells/1/volumes"]);
    }

    #[test]
    fn the_same_wish_has_the_same_fingerprint() {
        let one: ExperimentRequest =
            serde_json::from_str(r#"{"wells":[{"volumes":{"red":60,"blue":60.0}}]}"#).expect("json");
        let two: ExperimentRequest =
            serde_json::from_str(r#"{"wells":[{"volumes":{"blue":60,"red":60}}]}"#).expect("json");
        let order = |request: &ExperimentRequest, priority| {
            let request = request.clone();
            Order { owner: UserId::new(), request, priority, retry_of: None, gives_back: Vec::new() }.fingerprint()
        };
        assert_eq!(order(&one, 0), order(&two, 0));
        assert_ne!(order(&one, 0), order(&request(&[&[("red", 61.0), ("blue", 60.0)]]), 0));
        assert_ne!(order(&one, 0), order(&one, 1), "another priority is another wish");
    }
}
