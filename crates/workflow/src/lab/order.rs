//! Asking for an experiment: what a request must be, and how it becomes a charged and durable experiment.

use super::Lab;
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use data_encoding::HEXLOWER;
use domain::{
    Bench, Deck, DyeName, DyeNameError, ExperimentId, FaultCode, Handling, Permission, Recipe, RecipeError, UserId,
    Volume, WellId, colour::Target, text,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive};
use store::{
    Acceptance, ExperimentDetail, IdempotencyKey, MADE_BY_FLOW_RUN, NewActivity, NewExperiment, NewWell, Robot,
    StoreError, User,
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
    #[serde(default, skip_serializing_if = "is_usual_handling")]
    pub handling: Handling,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WellRequest {
    /// µL by dye.
    pub volumes: BTreeMap<String, f64>,
    /// The colour it is to have; results say how far they are from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

impl WellRequest {
    /// What asks for the same once more.
    pub fn of(recipe: &Recipe, target: Option<Target>) -> Self {
        Self { volumes: recipe.iter().map(|(dye, volume)| (dye.to_string(), volume.ul())).collect(), target }
    }
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

impl Lab {
    /// Checks everything at once, then charges and stores it. All objections are reported, not only the first.
    /// What it returns is durable.
    ///
    /// # Errors
    /// `Invalid` with all that is wrong with the request, `QuotaExhausted`, `QueueFull`, or `KeyReused` where the key came with
    /// another request: nothing is stored and nothing charged then. After `Store` nobody knows; the key tells.
    #[boxed]
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
    ///
    /// # Errors
    /// As [`Lab::submit`]; `Invalid` also where `user` may not give this priority, or there is none such.
    #[boxed]
    pub async fn submit_with_priority(
        &self,
        user: &User,
        request: ExperimentRequest,
        priority: i16,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Accepted, SubmitError> {
        let order = Order::of(user.id, request, priority);
        self.submit_order(user, order, idempotency, ip).await
    }

    /// The same for a run that was made on a Prefect server, which has this id there. However often it is asked for, one
    /// experiment comes of it.
    ///
    /// # Errors
    /// As [`Lab::submit`].
    #[boxed]
    pub async fn submit_flow_run(
        &self,
        user: &User,
        request: ExperimentRequest,
        flow_run: &str,
    ) -> Result<Accepted, SubmitError> {
        let order = Order { flow_run: Some(flow_run.to_owned()), ..Order::of(user.id, request, USUAL_PRIORITY) };
        self.submit_order(user, order, Some(format!("prefect flow run {flow_run}")), None).await
    }

    async fn submit_order(
        &self,
        user: &User,
        order: Order,
        idempotency: Option<String>,
        ip: Option<IpAddr>,
    ) -> Result<Accepted, SubmitError> {
        let key = order.key(idempotency);
        // Before anything is checked: what was accepted then is answered as it was, whatever deck or role is now.
        if let Some(key) = &key
            && let Some(earlier) = self.store.earlier_answer(user.id, key).await?
        {
            return self.replayed(earlier, order.request.wells.len()).await;
        }
        check_priority(user, order.priority)?;
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
        let robots = self.store.robots_lately().await?;
        let recipes = check(&order.request, &robots.iter().map(Robot::bench).collect::<Vec<_>>())?;
        let wanted = recipes.len();
        let mut metadata = order.retry_of.map_or_else(|| json!({}), |failed| json!({ "retry_of": failed }));
        if order.request.handling != Handling::default() {
            metadata[Handling::KEPT_AS] = json!(order.request.handling);
        }
        if let Some(flow_run) = order.flow_run {
            metadata[MADE_BY_FLOW_RUN] = json!(flow_run);
        }
        let targets = order.request.wells.iter().map(|well| well.target);
        let wells = recipes.into_iter().zip(targets).map(|(recipe, target)| NewWell::of(recipe, target)).collect();
        let asked = NewExperiment {
            id,
            user_id: order.owner,
            created_at: Utc::now(),
            name: order.request.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            wells,
            priority: order.priority,
            metadata,
            gives_back: order.gives_back,
            idempotency,
            ip_address: ip,
            retried,
        };
        // What is asked for is what is stored, so that nobody need read it back.
        let experiment = asked.detail();
        let acceptance = self.store.accept(asked).await?;
        let Acceptance::Accepted { quota_remaining } = acceptance else {
            return self.replayed(acceptance, wanted).await;
        };
        tracing::info!(experiment = %id, wells = wanted, "an experiment was accepted");
        metrics::counter!(telemetry::names::EXPERIMENTS_ACCEPTED).increment(1);
        Ok(Accepted { experiment, quota_remaining, replayed: false })
    }

    /// The answer to a request for so many wells that makes nothing now.
    async fn replayed(&self, acceptance: Acceptance, wanted: usize) -> Result<Accepted, SubmitError> {
        let (id, quota_remaining) = match acceptance {
            Acceptance::Replayed { experiment, quota_remaining } => (experiment, quota_remaining),
            Acceptance::KeyReused => return Err(SubmitError::KeyReused),
            Acceptance::AlreadyGivenBack => return Err(SubmitError::AlreadyGivenBack),
            Acceptance::QueueFull { limit } => return Err(SubmitError::QueueFull { limit }),
            Acceptance::QuotaExhausted { remaining } => return Err(SubmitError::QuotaExhausted { wanted, remaining }),
            Acceptance::Accepted { .. } => return Err(StoreError::NotFound("experiment").into()),
        };
        let experiment = self.store.experiment(id).await?.ok_or(StoreError::NotFound("experiment"))?;
        Ok(Accepted { experiment, quota_remaining, replayed: true })
    }
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
    /// The run of a Prefect server that asks for it.
    #[serde(skip)]
    pub flow_run: Option<String>,
}

impl Order {
    /// What somebody asks for by themselves.
    pub(crate) const fn of(owner: UserId, request: ExperimentRequest, priority: i16) -> Self {
        Self { owner, request, priority, retry_of: None, gives_back: Vec::new(), flow_run: None }
    }

    /// Under which it is known when it comes again.
    pub(crate) fn key(&self, key: Option<String>) -> Option<IdempotencyKey> {
        key.map(|key| IdempotencyKey { key, request_hash: self.fingerprint() })
    }

    /// What identifies it under an idempotency key: its meaning, not its spelling.
    fn fingerprint(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        HEXLOWER.encode(&Sha256::digest(canonical))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
const fn is_usual(priority: &i16) -> bool {
    *priority == USUAL_PRIORITY
}

fn is_usual_handling(handling: &Handling) -> bool {
    *handling == Handling::default()
}

fn check_priority(user: &User, priority: i16) -> Result<(), SubmitError> {
    let refuse = |code, detail: String| {
        Err(SubmitError::Invalid { code, objections: vec![Objection { pointer: "/priority".to_owned(), detail }] })
    };
    if !PRIORITIES.contains(&priority) {
        let (least, most) = (PRIORITIES.start(), PRIORITIES.end());
        return refuse(FaultCode::InvalidRequest, format!("a priority is a whole number from {least} to {most}"));
    }
    if priority != USUAL_PRIORITY && !Permission::Prioritise.is_given_to(user.role) {
        let detail = format!(
            "only operators and administrators change the queue's order; your role is {}, leave it out",
            user.role
        );
        return refuse(FaultCode::NotAllowed, detail);
    }
    Ok(())
}

/// The recipes of a request that at least one robot can mix, or everything that is wrong with it.
pub(super) fn check(request: &ExperimentRequest, benches: &[Bench<'_>]) -> Result<Vec<Recipe>, SubmitError> {
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
    let mistakes = request.handling.objections().into_iter();
    let objections: Vec<_> = mistakes
        .map(|mistake| Objection { pointer: format!("/handling{}", mistake.pointer), detail: mistake.detail })
        .collect();
    if !objections.is_empty() {
        return Err(SubmitError::Invalid { code: FaultCode::InvalidRequest, objections });
    }
    let mut refusals = Vec::new();
    for bench in benches {
        let (recipes, mut objections) = check_wells(request, bench.deck, benches);
        if request.handling != Handling::default() && !bench.handles_as_asked() {
            objections.push(handled_its_own_way());
        }
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

fn handled_its_own_way() -> Objection {
    let detail = "the robot that can mix this is told whole mixtures by a lab's script, and handles liquids its own way: \
                  leave the handling out";
    Objection { pointer: "/handling".to_owned(), detail: detail.to_owned() }
}

/// The recipes as `deck` mixes them, one of the lab's, and what keeps it from that.
fn check_wells(request: &ExperimentRequest, deck: &Deck, benches: &[Bench<'_>]) -> (Vec<Recipe>, Vec<Objection>) {
    let mut recipes = Vec::with_capacity(request.wells.len());
    let mut objections = Vec::new();
    for (index, well) in request.wells.iter().enumerate() {
        match check_well(index, well, deck, benches) {
            Ok(recipe) => recipes.push(recipe),
            Err(found) => objections.extend(found),
        }
    }
    (recipes, objections)
}

fn check_well(index: usize, well: &WellRequest, deck: &Deck, benches: &[Bench<'_>]) -> Result<Recipe, Vec<Objection>> {
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
        match amount(name, *microlitres, deck, benches) {
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
fn amount(name: &str, microlitres: f64, deck: &Deck, benches: &[Bench<'_>]) -> Result<(DyeName, Volume), String> {
    let dye: DyeName = name.parse().map_err(|error: DyeNameError| error.to_string())?;
    let volume = Volume::from_ul(microlitres).map_err(|error| error.to_string())?;
    if volume.is_zero() && !benches.iter().any(|bench| bench.deck.dye(&dye).is_some()) {
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
    use domain::Grain;

    fn request(wells: &[&[(&str, f64)]]) -> ExperimentRequest {
        let well = |amounts: &&[(&str, f64)]| WellRequest {
            volumes: amounts.iter().map(|(dye, ul)| ((*dye).to_owned(), *ul)).collect(),
            target: None,
        };
        ExperimentRequest { name: None, wells: wells.iter().map(well).collect(), ..Default::default() }
    }

    fn pointers(request: &ExperimentRequest) -> Vec<String> {
        match check(request, &[Deck::default().told(Grain::Strokes)]) {
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
        assert!(check(&request(&[well; 96]), &[Deck::default().told(Grain::Strokes)]).is_ok());
        assert_eq!(pointers(&request(&[well; 97])), ["/wells"]);
        assert_eq!(pointers(&request(&[])), ["/wells"]);
    }

    #[test]
    fn one_deck_that_can_is_enough() {
        let small = request(&[&[("red", 5.0)]]);
        let decks = [Deck::default(), Deck::with_p20()];
        let benches = decks.each_ref().map(|deck| deck.told(Grain::Strokes));
        assert!(check(&small, &benches[..1]).is_err());
        assert!(check(&small, &benches).is_ok());
        assert!(matches!(check(&small, &[]), Err(SubmitError::Invalid { code: FaultCode::Unavailable, .. })));
    }

    #[test]
    fn a_handling_is_refused_where_only_a_script_could_mix_it() {
        let (plain, with_p20) = (Deck::default(), Deck::with_p20());
        let (script, ot2) = (plain.told(Grain::Mixtures), with_p20.told(Grain::Strokes));
        let usual = request(&[&[("red", 60.0)]]);
        let touched =
            ExperimentRequest { handling: Handling { touch_tip: true, ..Handling::default() }, ..usual.clone() };
        assert!(check(&usual, &[script]).is_ok());
        assert!(check(&touched, &[script, ot2]).is_ok());
        match check(&touched, &[script]) {
            Err(SubmitError::Invalid { objections, .. }) => assert_eq!(objections, [handled_its_own_way()]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_nobody_has_is_refused_at_0_too_and_one_of_a_neighbour_isnt() {
        let mut green = Deck::default();
        green.dyes[0].name = "green".parse().expect("a name");
        let zero = request(&[&[("blue", 60.0), ("green", 0.0)]]);
        assert_eq!(pointers(&zero), ["/wells/0/volumes/green"]);
        let usual = Deck::default();
        assert!(check(&zero, &[usual.told(Grain::Strokes), green.told(Grain::Strokes)]).is_ok());
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
            Order::of(UserId::new(), request, priority).fingerprint()
        };
        assert_eq!(order(&one, 0), order(&two, 0));
        assert_ne!(order(&one, 0), order(&request(&[&[("red", 61.0), ("blue", 60.0)]]), 0));
        assert_ne!(order(&one, 0), order(&one, 1), "another priority is another wish");
    }
}
