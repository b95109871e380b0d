//! The planner: from what the wells lack to the steps that give it to them.
//!
//! A plan is made from the journal's fold, never from an earlier plan. So the first plan, the plan after a crash,
//! after a pause and after a quarantined well are one and the same function.

use crate::{estimate::Pace, forecast::left_in, mixture::Mixture, travel, whole};
use chrono::{DateTime, Utc};
use domain::{
    BlankCheck, BlowOut, Deck, DyeName, DyeVial, Grain, Handling, Inventory, Mount, Pipette, Slot, Step, Tip,
    TipPolicy, Tool, Volume, WellName,
};
use hardware::Memory;
use std::collections::{BTreeMap, BTreeSet};

/// What a deck lacks for an experiment; each is for the lab's attendant to put right.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Shortage {
    #[error("the plate has {free} free wells and {wanted} are needed")]
    Plate { wanted: usize, free: usize },
    #[error("{well} of the plate isn't empty: it is ΔE00 {delta_e:.0} off the white reference")]
    UsedPlate { well: WellName, delta_e: f64 },
    #[error("the {dye} vial ({vial}) holds {held}, of which {reserve} must stay in it, and {wanted} are needed")]
    Dye { dye: DyeName, vial: WellName, wanted: Volume, held: Volume, reserve: Volume },
    #[error("there is no unused tip left for {dye} in slot {}", slot.0)]
    Tips { slot: Slot, dye: DyeName },
    #[error("the waste vial holds {held} of the {capacity} that it may, and {wanted} must always find room in it")]
    Waste { held: Volume, wanted: Volume, capacity: Volume },
    #[error("no pipette on the deck measures {volume} of {dye}")]
    Pipette { dye: DyeName, volume: Volume },
}

/// Which tip stands for which dye, and which are still new.
#[derive(Clone, Debug)]
pub struct Tips {
    /// By rack slot and dye.
    assigned: BTreeMap<(Slot, DyeName), WellName>,
    /// Lost or assigned places.
    spoken_for: BTreeSet<(Slot, WellName)>,
}

impl Tips {
    pub fn new(known: &[Tip]) -> Self {
        let spoken_for = known.iter().map(|tip| (tip.slot, tip.tip)).collect();
        let assigned = known.iter().filter_map(|tip| Some(((tip.slot, tip.dye.clone()?), tip.tip))).collect();
        Self { assigned, spoken_for }
    }

    /// The tip that stands for this dye, or a new one: its own place if that is free, else the next that is no dye's own.
    fn for_dye(&mut self, deck: &Deck, slot: Slot, dye: &DyeName) -> Result<WellName, Shortage> {
        if let Some(tip) = self.assigned.get(&(slot, dye.clone())) {
            return Ok(*tip);
        }
        let own = deck.dye(dye).map(|vial| vial.tip);
        let places: BTreeSet<_> = deck.dyes.iter().map(|vial| vial.tip).collect();
        let is_new = |tip: &WellName| !self.spoken_for.contains(&(slot, *tip));
        let tip = own
            .filter(is_new)
            .or_else(|| WellName::all().filter(|tip| !places.contains(tip)).find(is_new))
            .ok_or_else(|| Shortage::Tips { slot, dye: dye.clone() })?;
        self.assigned.insert((slot, dye.clone()), tip);
        self.spoken_for.insert((slot, tip));
        Ok(tip)
    }

    /// A new tip that is used for nothing else; the dyes' own places last.
    fn new_one(&mut self, deck: &Deck, slot: Slot, dye: &DyeName) -> Result<WellName, Shortage> {
        let places: BTreeSet<_> = deck.dyes.iter().map(|vial| vial.tip).collect();
        let is_new = |tip: &WellName| !self.spoken_for.contains(&(slot, *tip));
        let tip = WellName::all()
            .filter(|tip| !places.contains(tip))
            .find(is_new)
            .or_else(|| WellName::all().find(is_new))
            .ok_or_else(|| Shortage::Tips { slot, dye: dye.clone() })?;
        self.spoken_for.insert((slot, tip));
        Ok(tip)
    }
}

/// Where the white reference of this experiment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// It has been read, over this well where that is still empty.
    Known(Option<WellName>),
    /// Over this empty well, when the sensor is picked up to measure.
    Over(WellName),
    /// The plate has no well to spare: over this one, before anything is dispensed into it.
    First(WellName),
    /// No empty well is left; the robot's last reference has to do.
    Last,
}

impl Reference {
    /// Chooses among the plate's free wells and the experiment's own that are still empty: another at each try.
    pub fn choose(free: &[WellName], mixtures: &[Mixture], tries: usize) -> Self {
        if let Some(well) = free.iter().rev().cycle().nth(tries) {
            return Self::Over(*well);
        }
        mixtures.iter().find(|mixture| mixture.is_untouched()).map_or(Self::Last, |mixture| Self::First(mixture.at))
    }

    /// The empty well where it is read again after so many wells; nothing where it isn't.
    pub(crate) const fn again_after(self, wells: usize) -> Option<WellName> {
        match self {
            Self::Over(well) | Self::Known(Some(well)) if wells >= LEAST_WELLS_BETWEEN_WHITES => Some(well),
            _ => None,
        }
    }
}

/// After so many wells the white is read again, to see whether it is still what it was…
pub(crate) const WELLS_BETWEEN_WHITES: usize = 24;
/// …but not after fewer than these: it costs five seconds, and nothing changes in half a minute.
const LEAST_WELLS_BETWEEN_WHITES: usize = 8;

/// Wells of one plate that are looked at before it is believed to be new.
const SAMPLE: usize = 4;

/// The wells to look at before anything is dispensed; `seen` are this plate's that were found empty already.
pub fn unseen(deck: &Deck, mixtures: &[Mixture], seen: &[WellName]) -> Vec<WellName> {
    let untouched = mixtures.iter().filter(|mixture| mixture.is_untouched() && !mixture.is_complete());
    let wells: Vec<_> = untouched.map(|mixture| mixture.at).filter(|at| !seen.contains(at)).collect();
    match deck.blank_check {
        BlankCheck::None => Vec::new(),
        BlankCheck::Sample => spread(&wells, SAMPLE.saturating_sub(seen.len())),
        BlankCheck::All => wells,
    }
}

/// At most `most` of them, first and last among them.
fn spread(wells: &[WellName], most: usize) -> Vec<WellName> {
    if wells.len() <= most {
        return wells.to_vec();
    }
    let gaps = most.saturating_sub(1).max(1);
    (0..most).filter_map(|index| wells.get(index * (wells.len() - 1) / gaps)).copied().collect()
}

/// The steps from here to the last measurement. First the sensor over the `unseen` wells, which should be empty; dye by
/// dye over all wells, so that a colour's tip is picked up once; then the sensor over every well. Where new tips run out on
/// the way they end before the first for which there is none.
pub fn steps(
    deck: &Deck,
    handling: &Handling,
    mixtures: &[Mixture],
    tips: &mut Tips,
    reference: Reference,
    unseen: &[WellName],
) -> Result<Vec<Step>, Shortage> {
    let mut plan = look(deck, reference, unseen);
    for (index, use_of) in uses(deck, handling, mixtures)?.iter().enumerate() {
        let (slot, dye) = (use_of.pipette.tip_slot, &use_of.vial.name);
        let tip = match use_of.end {
            TipEnd::PutBack => tips.for_dye(deck, slot, dye)?,
            TipEnd::ThrownAway => match tips.new_one(deck, slot, dye) {
                Err(Shortage::Tips { .. }) if index > 0 => return Ok(plan),
                tip => tip?,
            },
        };
        plan.extend(use_of.steps(handling, tip));
    }
    if !mixtures.is_empty() {
        plan.push(Step::PickUpSensor { mount: deck.sensor_mount });
        let first = match reference {
            Reference::Over(over) => Some(over),
            Reference::Known(_) | Reference::First(_) | Reference::Last => None,
        };
        plan.extend(first.into_iter().flat_map(|over| read(deck.sensor_mount, over, None)));
        let ordered = travel::shortest(deck, first, mixtures, |mixture| mixture.at);
        for wells in ordered.chunks(WELLS_BETWEEN_WHITES) {
            plan.extend(wells.iter().flat_map(|mixture| read(deck.sensor_mount, mixture.at, Some(mixture))));
            let again = reference.again_after(wells.len());
            plan.extend(again.into_iter().flat_map(|over| read(deck.sensor_mount, over, None)));
        }
        plan.push(Step::ParkSensor { mount: deck.sensor_mount });
    }
    Ok(plan)
}

/// The sensor's round before anything is dispensed, if it needs one.
fn look(deck: &Deck, reference: Reference, unseen: &[WellName]) -> Vec<Step> {
    let mount = deck.sensor_mount;
    let white = match reference {
        Reference::First(over) => Some(over),
        Reference::Over(over) if !unseen.is_empty() => Some(over),
        Reference::Over(_) | Reference::Known(_) | Reference::Last => None,
    };
    if white.is_none() && unseen.is_empty() {
        return Vec::new();
    }
    let mut plan = vec![Step::PickUpSensor { mount }];
    plan.extend(white.into_iter().flat_map(|over| read(mount, over, None)));
    let others: Vec<_> = unseen.iter().copied().filter(|over| white != Some(*over)).collect();
    let others = travel::shortest(deck, white, &others, |over| *over).into_iter().copied();
    plan.extend(others.flat_map(|over| [Step::MoveSensor { mount, over }, Step::CheckBlank { over }]));
    plan.push(Step::ParkSensor { mount });
    plan
}

fn read(mount: Mount, over: WellName, mixture: Option<&Mixture>) -> [Step; 2] {
    [Step::MoveSensor { mount, over }, Step::Read { over, well: mixture.map(|mixture| mixture.well) }]
}

/// What becomes of a tip after its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TipEnd {
    /// The dye's own.
    PutBack,
    /// A new one, or one that met a well's liquid or wall.
    ThrownAway,
}

/// One tip's work, from its rack to its end.
struct TipUse<'a> {
    pipette: &'a Pipette,
    vial: &'a DyeVial,
    end: TipEnd,
    transfers: Vec<Transfer<'a>>,
}

/// What one well gets of a dye, and what is done with it then.
#[derive(Clone, Copy)]
struct Transfer<'a> {
    mixture: &'a Mixture,
    /// Nothing where it was given before an interruption and only the mixing is left.
    volume: Volume,
    /// How often the well is mixed, and with what stroke.
    mixing: Option<(u8, Volume)>,
}

/// The work of each tip in order, dye by dye. What meets a well's liquid or wall has a tip of its own.
fn uses<'a>(deck: &'a Deck, handling: &Handling, mixtures: &'a [Mixture]) -> Result<Vec<TipUse<'a>>, Shortage> {
    let mut uses = Vec::new();
    for vial in &deck.dyes {
        for pipette in &deck.pipettes {
            let transfers = transfers(deck, handling, pipette, vial, mixtures)?;
            let (dirty, clean): (Vec<_>, Vec<_>) =
                transfers.into_iter().partition(|transfer| handling.touch_tip || transfer.mixing.is_some());
            let use_of = |end, transfers| TipUse { pipette, vial, end, transfers };
            let alone = |transfer| use_of(TipEnd::ThrownAway, vec![transfer]);
            match handling.tips {
                _ if clean.is_empty() => {}
                TipPolicy::Reused => uses.push(use_of(TipEnd::PutBack, clean)),
                TipPolicy::PerDye => uses.push(use_of(TipEnd::ThrownAway, clean)),
                TipPolicy::PerTransfer => uses.extend(clean.into_iter().map(alone)),
            }
            uses.extend(dirty.into_iter().map(alone));
        }
    }
    Ok(uses)
}

/// Everything that this pipette gives of one dye.
fn transfers<'a>(
    deck: &Deck,
    handling: &Handling,
    pipette: &Pipette,
    vial: &DyeVial,
    mixtures: &'a [Mixture],
) -> Result<Vec<Transfer<'a>>, Shortage> {
    let mut transfers = Vec::new();
    for mixture in mixtures {
        let (volume, asked) = (mixture.missing(&vial.name), mixture.recipe.amount(&vial.name));
        let is_last = last_dye(deck, mixture) == Some(&vial.name);
        let repetitions = if is_last { mixture.repetitions_left(handling) } else { 0 };
        if volume.is_zero() && repetitions == 0 {
            continue;
        }
        let measured = if volume.is_zero() { asked } else { volume };
        let best =
            deck.pipette_for(measured).ok_or_else(|| Shortage::Pipette { dye: vial.name.clone(), volume: measured })?;
        if best.mount != pipette.mount {
            continue;
        }
        let stroke = handling.mix.and_then(|mix| mix.stroke(pipette, mixture.recipe.total()));
        let mixing = stroke.filter(|_| repetitions > 0).map(|stroke| (repetitions, stroke));
        if !volume.is_zero() || mixing.is_some() {
            transfers.push(Transfer { mixture, volume, mixing });
        }
    }
    Ok(transfers)
}

/// The dye that completes a well, or did.
fn last_dye<'a>(deck: &'a Deck, mixture: &Mixture) -> Option<&'a DyeName> {
    let dyes = || deck.dyes.iter().rev().map(|vial| &vial.name);
    let missing = dyes().find(|dye| !mixture.missing(dye).is_zero());
    missing.or_else(|| dyes().find(|dye| !mixture.recipe.amount(dye).is_zero()))
}

impl TipUse<'_> {
    fn steps(&self, handling: &Handling, tip: WellName) -> Vec<Step> {
        let mount = self.pipette.mount;
        let mut plan = vec![Step::PickUpTip { mount, tip, dye: self.vial.name.clone() }];
        for transfer in &self.transfers {
            self.give(transfer, handling, &mut plan);
        }
        match self.end {
            TipEnd::PutBack => plan.extend([Step::BlowOut { mount }, Step::ReturnTip { mount, tip }]),
            TipEnd::ThrownAway => plan.extend([Step::MoveToTrash { mount }, Step::DropInPlace { mount }]),
        }
        plan
    }

    fn give(&self, transfer: &Transfer<'_>, handling: &Handling, plan: &mut Vec<Step>) {
        let (pipette, vial) = (self.pipette, self.vial);
        let Transfer { mixture, volume, mixing } = *transfer;
        let (mount, well, at) = (pipette.mount, mixture.well, mixture.at);
        let air = handling.air_gap_of(pipette);
        if !volume.is_zero() {
            for volume in split(volume, pipette.most().saturating_sub(air)) {
                plan.push(Step::Aspirate { mount, dye: vial.name.clone(), vial: vial.vial, volume });
                if !air.is_zero() {
                    plan.push(Step::AirGap { mount, vial: vial.vial, volume: air });
                    plan.push(Step::ExpelAir { mount, at, volume: air });
                }
                plan.push(Step::Dispense { mount, dye: vial.name.clone(), well, at, volume });
            }
        }
        if let Some((repetitions, volume)) = mixing {
            for _ in 0..repetitions {
                plan.push(Step::MixDraw { mount, well, at, volume });
                plan.push(Step::MixGive { mount, well, at, volume });
            }
        }
        if handling.blow_out == BlowOut::Well {
            plan.push(Step::BlowOutInto { mount, at });
        }
        if handling.touch_tip {
            plan.push(Step::TouchTip { mount, at });
        }
    }
}

/// Nominal seconds that handling adds to mixing these, or saves.
pub fn handling_seconds(deck: &Deck, handling: &Handling, mixtures: &[Mixture]) -> f64 {
    // Any tip will do; recipes that this deck can't measure take none of its time.
    let tip = deck.sensor_place;
    let seconds = |handling: &Handling| {
        let uses = uses(deck, handling, mixtures).unwrap_or_default();
        let steps: Vec<_> = uses.iter().flat_map(|use_of| use_of.steps(handling, tip)).collect();
        Pace::unknown().seconds(&steps)
    };
    seconds(handling) - seconds(&Handling::default())
}

/// How many new tips these recipes take of each rack, beyond the dyes' own.
pub fn new_tips(deck: &Deck, handling: &Handling, mixtures: &[Mixture]) -> BTreeMap<Slot, usize> {
    let mut wanted = BTreeMap::new();
    // Recipes that this deck can't measure take none of its tips.
    for use_of in uses(deck, handling, mixtures).unwrap_or_default() {
        if use_of.end == TipEnd::ThrownAway {
            *wanted.entry(use_of.pipette.tip_slot).or_default() += 1;
        }
    }
    wanted
}

/// Equal strokes of at most `most`, in steps of 0.1 µL, that add up exactly.
fn split(volume: Volume, most: Volume) -> Vec<Volume> {
    const TENTH: u32 = 100;
    let strokes = volume.nanolitres().div_ceil(most.nanolitres()).max(1);
    let tenths = volume.nanolitres() / TENTH;
    let rest = volume.nanolitres() % TENTH;
    (0..strokes)
        .map(|stroke| {
            let share = tenths / strokes + u32::from(stroke < tenths % strokes);
            Volume::from_nanolitres(share * TENTH + if stroke == 0 { rest } else { 0 })
        })
        .collect()
}

/// Whether what a tip may still hold fits into the waste vial, whenever it has to be blown out.
pub fn check_waste(deck: &Deck, inventory: &Inventory) -> Result<(), Shortage> {
    let wanted = deck.pipettes.iter().map(|pipette| pipette.model.most()).max().unwrap_or_default();
    let (held, capacity) = (inventory.waste, deck.waste_capacity);
    if held + wanted > capacity { Err(Shortage::Waste { held, wanted, capacity }) } else { Ok(()) }
}

/// Of what a full vial can give, the share that is enough to begin with where more is wanted than a vial holds. Less than
/// all: a vial dries out from the moment it is filled, and one that was filled just now must do.
const ENOUGH_TO_BEGIN: f64 = 0.9;

/// Whether the deck has what these wells still lack. Of a dye that they need more of than a vial holds, a full vial is
/// enough to begin with; it is refilled on the way.
pub fn check_supplies(
    deck: &Deck,
    grain: Grain,
    handling: &Handling,
    mixtures: &[Mixture],
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<(), Shortage> {
    check_waste(deck, inventory)?;
    for vial in &deck.dyes {
        let wanted: Volume = mixtures.iter().map(|mixture| mixture.missing(&vial.name)).sum();
        let full = vial.volume.saturating_sub(deck.vial_reserve).nanolitres();
        let enough = Volume::from_nanolitres((f64::from(full) * ENOUGH_TO_BEGIN) as u32);
        let wanted = wanted.min(enough);
        let held = inventory.vials.iter().find(|v| v.vial == vial.vial).map(|v| left_in(v, now)).unwrap_or_default();
        if !wanted.is_zero() && wanted + deck.vial_reserve > held {
            let reserve = deck.vial_reserve;
            return Err(Shortage::Dye { dye: vial.name.clone(), vial: vial.vial, wanted, held, reserve });
        }
    }
    let (tips, reference) = (&inventory.tips, Reference::Known(None));
    match grain {
        Grain::Strokes => steps(deck, handling, mixtures, &mut Tips::new(tips), reference, &[]).map(drop),
        Grain::Mixtures => whole::steps(deck, mixtures, tips, reference, &[]).map(drop),
    }
}

/// The plate's wells that nobody was ever allotted, in plate order.
pub fn free_wells(inventory: &Inventory) -> Vec<WellName> {
    let used: BTreeSet<_> = inventory.used_wells.iter().copied().collect();
    WellName::all().filter(|well| !used.contains(well)).collect()
}

/// The steps that leave nothing on the nozzle, whatever hangs there: tip back or discarded, sensor parked.
///
/// A tip of which the robot's server knows nothing can't be emptied or returned through it (it would move the bare
/// nozzle's point), so it goes to the trash with what it holds. Homing raises the nozzle before it moves sideways.
pub fn make_safe(tool: &Tool, memory: Memory) -> Vec<Step> {
    match (tool, memory) {
        (Tool::Nothing, _) => Vec::new(),
        (Tool::Tip { mount, tip, liquid, certain: true, used_in, .. }, Memory::Knows) => {
            let mount = *mount;
            let mut plan = Vec::new();
            if !liquid.is_zero() {
                plan.push(Step::BlowOut { mount });
            }
            match used_in {
                None => plan.push(Step::ReturnTip { mount, tip: *tip }),
                Some(_) => plan.extend([Step::MoveToTrash { mount }, Step::DropInPlace { mount }]),
            }
            plan
        }
        (Tool::Tip { mount, .. }, _) => {
            vec![Step::Home, Step::MoveToTrash { mount: *mount }, Step::DropInPlace { mount: *mount }]
        }
        (Tool::Sensor { mount, certain: true }, Memory::Knows) => vec![Step::ParkSensor { mount: *mount }],
        (Tool::Sensor { mount, .. }, _) => {
            vec![Step::Home, Step::MoveSensorToDock { mount: *mount }, Step::DropInPlace { mount: *mount }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Ending, Recipe, WellId, WellStatus};
    use proptest::prelude::*;
    use std::collections::HashMap;

    const USUAL: Handling = Handling {
        tips: TipPolicy::Reused,
        mix: None,
        touch_tip: false,
        blow_out: BlowOut::Waste,
        air_gap: Volume::ZERO,
    };

    fn dye(name: &str) -> DyeName {
        name.parse().expect("dye")
    }

    fn mixture(index: usize, amounts: &[(&str, u32)]) -> Mixture {
        let amounts = amounts.iter().map(|(name, tenths)| (dye(name), Volume::from_nanolitres(tenths * 100)));
        let at = WellName::all().nth(index).expect("on the plate");
        Mixture::new(WellId::new(), at, WellStatus::Pending, Recipe::new(amounts))
    }

    /// Amounts that the deck can measure: nothing, or tenths of a µL from its least volume on.
    fn amounts(least_tenths: u32) -> impl Strategy<Value = Vec<(u32, u32, u32)>> {
        let amount = move || prop_oneof![Just(0), least_tenths..=1_000u32];
        prop::collection::vec((amount(), amount(), amount()), 1..=96)
    }

    fn mixtures(amounts: &[(u32, u32, u32)]) -> Vec<Mixture> {
        let wells =
            amounts.iter().enumerate().map(|(i, (r, y, b))| mixture(i, &[("red", *r), ("yellow", *y), ("blue", *b)]));
        wells.filter(|mixture| !mixture.recipe.total().is_zero()).collect()
    }

    /// Carries a plan out in thought, refusing what a pipette can't do, and returns what each well got.
    fn carry_out(deck: &Deck, plan: &[Step]) -> HashMap<WellId, BTreeMap<DyeName, Volume>> {
        let mut wells: HashMap<WellId, BTreeMap<DyeName, Volume>> = HashMap::new();
        let mut tool = Tool::Nothing;
        for step in plan {
            match (step, &tool) {
                (Step::PickUpTip { .. } | Step::PickUpSensor { .. }, held) => {
                    assert_eq!(held, &Tool::Nothing, "{step:?}")
                }
                (Step::Aspirate { mount, dye, volume, .. }, Tool::Tip { dye: of, liquid, used_in, .. }) => {
                    let pipette = deck.pipette(*mount).expect("mounted");
                    assert_eq!((dye, used_in), (of, &None), "a tip touches one colour");
                    let (least, most) = (pipette.model.least(), pipette.most());
                    assert!(liquid.is_zero() && *volume >= least && *volume <= most, "{step:?}");
                }
                (Step::AirGap { .. } | Step::ExpelAir { .. }, Tool::Tip { liquid, .. }) => assert!(!liquid.is_zero()),
                (Step::MixDraw { mount, volume, .. }, Tool::Tip { liquid, .. }) => {
                    assert!(liquid.is_zero() && *volume <= deck.pipette(*mount).expect("mounted").most());
                }
                (Step::MixGive { volume, .. }, Tool::Tip { liquid, .. }) => assert_eq!(liquid, volume),
                (
                    Step::TouchTip { .. }
                    | Step::BlowOutInto { .. }
                    | Step::MoveToTrash { .. }
                    | Step::DropInPlace { .. },
                    Tool::Tip { liquid, .. },
                ) => assert!(liquid.is_zero()),
                (Step::Dispense { dye, well, volume, .. }, Tool::Tip { liquid, .. }) => {
                    assert_eq!(liquid, volume);
                    let total = wells.entry(*well).or_default().entry(dye.clone()).or_default();
                    *total = *total + *volume;
                }
                (Step::BlowOut { .. } | Step::ReturnTip { .. }, Tool::Tip { liquid, used_in, .. }) => {
                    assert!(liquid.is_zero() && used_in.is_none(), "a tip that met a well isn't put back");
                }
                (
                    Step::MoveSensor { .. } | Step::Read { .. } | Step::CheckBlank { .. } | Step::ParkSensor { .. },
                    Tool::Sensor { .. },
                ) => {}
                (step, tool) => panic!("{step:?} with {tool:?} on the nozzle"),
            }
            tool = tool.after(step, Ending::Done);
        }
        assert_eq!(tool, Tool::Nothing, "the machine is left safe");
        wells
    }

    fn handlings() -> impl Strategy<Value = Handling> {
        let mix = prop::option::of((1u8..=3, 50u32..=3_000)).prop_map(|mix| {
            mix.map(|(repetitions, tenths)| domain::Mixing {
                repetitions,
                volume: Volume::from_nanolitres(tenths * 100),
            })
        });
        let tips = prop::sample::select(TipPolicy::ALL);
        (tips, mix, any::<bool>(), any::<bool>(), 0u32..=20).prop_map(|(tips, mix, touch_tip, well, air)| Handling {
            tips,
            mix,
            touch_tip,
            blow_out: if well { BlowOut::Well } else { BlowOut::Waste },
            air_gap: Volume::from_whole_ul(air),
        })
    }

    /// A deck and the least that it measures, in tenths of a µL.
    fn decks() -> impl Strategy<Value = (Deck, u32)> {
        use domain::PipetteModel::{P10Single, P20SingleGen2, P300SingleGen2, P1000Single, P1000SingleGen2};
        let pairs =
            [(None, P300SingleGen2), (Some(P20SingleGen2), P300SingleGen2), (Some(P20SingleGen2), P1000SingleGen2)];
        let others = [(Some(P300SingleGen2), P1000SingleGen2), (Some(P10Single), P1000Single)];
        prop::sample::select([&pairs[..], &others].concat()).prop_map(|(left, right)| {
            let deck = Deck::with_pipettes(left, Some(right));
            let least = deck.least_volume().nanolitres() / 100;
            (deck, least)
        })
    }

    fn decks_and_amounts() -> impl Strategy<Value = (Deck, Vec<(u32, u32, u32)>)> {
        decks().prop_flat_map(|(deck, least)| (Just(deck), amounts(least)))
    }

    proptest! {
        #[test]
        fn however_liquids_are_handled_each_well_gets_its_recipe_and_no_used_tip_goes_back(
            (deck, asked) in decks_and_amounts(),
            handling in handlings(),
            cuts in prop::collection::vec(0usize..200, 0..3),
        ) {
            let mut wells = mixtures(&asked);
            let recipes: Vec<_> = wells.iter().map(|mixture| mixture.recipe.clone()).collect();
            let mut cuts = cuts.into_iter();
            let mut read = BTreeSet::new();
            // Each round is a rack of tips, or ends with an interruption after which the wells that were robbed are replaced.
            for _ in 0..20 {
                let mut tips = Tips::new(&[]);
                let plan = steps(&deck, &handling, &wells, &mut tips, Reference::Known(None), &[]).expect("a plan");
                carry_out(&deck, &plan);
                let cut = cuts.next().unwrap_or(plan.len());
                for step in plan.iter().take(cut) {
                    if let Some(mixture) = step.well().and_then(|well| wells.iter_mut().find(|m| m.well == well)) {
                        mixture.count(step);
                    }
                    if let Step::Read { well: Some(well), .. } = step {
                        read.insert(*well);
                    }
                }
                for mixture in wells.iter_mut().filter(|mixture| !mixture.drawn.is_zero()) {
                    *mixture = Mixture::new(WellId::new(), mixture.at, WellStatus::Pending, mixture.recipe.clone());
                }
                if cut >= plan.len() && read.len() >= wells.len() {
                    break;
                }
            }
            for (mixture, recipe) in wells.iter().zip(&recipes) {
                let wanted: BTreeMap<_, _> = recipe.iter().map(|(dye, volume)| (dye.clone(), volume)).collect();
                prop_assert_eq!(&mixture.given, &wanted);
                prop_assert!(read.contains(&mixture.well));
                let last = last_dye(&deck, mixture).map(|dye| recipe.amount(dye)).unwrap_or_default();
                let pipette = deck.pipette_for(last).expect("a pipette");
                let possible = handling.mix.and_then(|mix| mix.stroke(pipette, recipe.total())).is_some();
                let repetitions = if possible { handling.repetitions(recipe) } else { 0 };
                prop_assert!(mixture.mixes >= repetitions, "{} of {repetitions} times", mixture.mixes);
            }
        }

        #[test]
        fn every_well_gets_exactly_its_recipe_and_is_read_once(asked in amounts(200)) {
            let deck = Deck::default();
            let mixtures = mixtures(&asked);
            let plan = steps(&deck, &USUAL, &mixtures, &mut Tips::new(&[]), Reference::Known(None), &[]).expect("a plan");
            let given = carry_out(&deck, &plan);
            for mixture in &mixtures {
                let wanted: BTreeMap<_, _> = mixture.recipe.iter().map(|(dye, volume)| (dye.clone(), volume)).collect();
                prop_assert_eq!(given.get(&mixture.well), Some(&wanted));
                let reads = plan.iter().filter(|step| matches!(step, Step::Read { well, .. } if *well == Some(mixture.well)));
                prop_assert_eq!(reads.count(), 1);
            }
            let tips = plan.iter().filter(|step| matches!(step, Step::PickUpTip { .. })).count();
            prop_assert!(tips <= 3, "a colour's tip is picked up once");
        }

        #[test]
        fn small_amounts_take_the_small_pipette(asked in amounts(10)) {
            let deck = Deck::with_p20();
            let mixtures = mixtures(&asked);
            let plan = steps(&deck, &USUAL, &mixtures, &mut Tips::new(&[]), Reference::Known(None), &[]).expect("a plan");
            let given = carry_out(&deck, &plan);
            prop_assert_eq!(given.len(), mixtures.len());
        }

        #[test]
        fn a_plan_after_an_interruption_gives_just_the_rest(asked in amounts(200), cut in 0usize..400) {
            let deck = Deck::default();
            let mut wells = mixtures(&asked);
            let plan = steps(&deck, &USUAL, &wells, &mut Tips::new(&[]), Reference::Known(None), &[]).expect("a plan");
            for step in plan.iter().take(cut) {
                if let Step::Dispense { dye, well, volume, .. } = step {
                    wells.iter_mut().find(|mixture| mixture.well == *well).expect("a well").give(dye, *volume);
                }
            }
            let rest = steps(&deck, &USUAL, &wells, &mut Tips::new(&[]), Reference::Known(None), &[]).expect("the rest");
            let given = carry_out(&deck, &rest);
            for mixture in &wells {
                for (dye, wanted) in mixture.recipe.iter() {
                    let before = mixture.given.get(dye).copied().unwrap_or_default();
                    let now = given.get(&mixture.well).and_then(|dyes| dyes.get(dye)).copied().unwrap_or_default();
                    prop_assert_eq!(before + now, wanted);
                }
            }
        }

        #[test]
        fn a_plates_wells_are_looked_at_before_the_first_drop(asked in amounts(200), all: bool, already in 0usize..6) {
            let blank_check = if all { BlankCheck::All } else { BlankCheck::Sample };
            let deck = Deck { blank_check, ..Deck::default() };
            // The last well of the plate is free, for the white reference.
            let mixtures = mixtures(&asked[..asked.len().min(95)]);
            let seen: Vec<_> = mixtures.iter().map(|mixture| mixture.at).take(already).collect();
            let unseen = unseen(&deck, &mixtures, &seen);
            let most = if all { mixtures.len() } else { SAMPLE.saturating_sub(seen.len()) };
            prop_assert_eq!(unseen.len(), most.min(mixtures.len() - seen.len()));
            prop_assert!(unseen.iter().all(|at| !seen.contains(at)));
            let white = WellName::all().next_back().expect("a well");
            let plan = steps(&deck, &USUAL, &mixtures, &mut Tips::new(&[]), Reference::Over(white), &unseen).expect("a plan");
            carry_out(&deck, &plan);
            let place = |what: &dyn Fn(&Step) -> bool| plan.iter().position(what);
            let first_drop = place(&|step| matches!(step, Step::Dispense { .. }));
            let reference = place(&|step| matches!(step, Step::Read { well: None, .. }));
            for at in unseen {
                let looked = place(&|step| *step == Step::CheckBlank { over: at });
                prop_assert!(looked.is_some() && looked < first_drop && reference < looked);
            }
        }

        #[test]
        fn strokes_add_up(tenths in 1u32..30_000) {
            let volume = Volume::from_nanolitres(tenths * 100);
            let most = Volume::from_whole_ul(300);
            let strokes = split(volume, most);
            prop_assert_eq!(strokes.iter().copied().sum::<Volume>(), volume);
            prop_assert!(strokes.iter().all(|stroke| *stroke <= most));
        }
    }

    #[test]
    fn a_lost_tip_is_made_up_for_by_a_new_one_that_is_no_other_dyes() {
        let deck = Deck::default();
        let lost = Tip { slot: Slot(9), tip: "B1".parse().expect("well"), dye: None };
        let tip = Tips::new(&[lost]).for_dye(&deck, Slot(9), &dye("red")).expect("a tip");
        assert_eq!(tip.to_string(), "A1");
        let all_lost: Vec<_> = WellName::all().map(|tip| Tip { slot: Slot(9), tip, dye: None }).collect();
        assert!(matches!(Tips::new(&all_lost).for_dye(&deck, Slot(9), &dye("red")), Err(Shortage::Tips { .. })));
    }

    #[test]
    fn a_full_plate_is_referenced_before_it_is_filled() {
        let wells = [mixture(0, &[("red", 600)])];
        assert_eq!(Reference::choose(&[], &wells, 0), Reference::First(wells[0].at));
        let plan = steps(&Deck::default(), &USUAL, &wells, &mut Tips::new(&[]), Reference::First(wells[0].at), &[])
            .expect("a plan");
        assert!(matches!(plan[2], Step::Read { well: None, .. }));
        carry_out(&Deck::default(), &plan);
    }

    #[test]
    fn only_untouched_wells_of_a_plate_are_looked_at_and_none_where_none_is_wanted() {
        let mut wells: Vec<_> = (0..8).map(|index| mixture(index, &[("red", 600)])).collect();
        let names = |wells: &[WellName]| wells.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&unseen(&Deck::default(), &wells, &[])), ["A1", "C1", "E1", "H1"]);
        wells[0].give(&dye("red"), Volume::from_whole_ul(60));
        assert_eq!(names(&unseen(&Deck::default(), &wells, &[wells[1].at, wells[2].at, wells[3].at])), ["E1"]);
        let trusting = Deck { blank_check: BlankCheck::None, ..Deck::default() };
        assert_eq!(unseen(&trusting, &wells, &[]), []);
    }

    #[test]
    fn a_white_that_was_no_good_is_read_over_another_well() {
        let free: Vec<_> = WellName::all().take(2).collect();
        let over: Vec<_> = (0..3).map(|tries| Reference::choose(&free, &[], tries)).collect();
        assert_eq!(over, [Reference::Over(free[1]), Reference::Over(free[0]), Reference::Over(free[1])]);
    }

    #[test]
    fn an_empty_vial_is_seen_before_anything_moves() {
        let deck = Deck::default();
        let inventory = Inventory {
            vials: vec![domain::Vial {
                vial: deck.dyes[0].vial,
                dye: dye("red"),
                volume: Volume::from_whole_ul(550),
                batch: None,
                filled_at: chrono::Utc::now(),
            }],
            ..Inventory::default()
        };
        assert!(matches!(
            check_supplies(&deck, Grain::Strokes, &USUAL, &[mixture(0, &[("red", 600)])], &inventory, Utc::now()),
            Err(Shortage::Dye { wanted, .. }) if wanted == Volume::from_whole_ul(60)
        ));
        assert_eq!(
            check_supplies(&deck, Grain::Strokes, &USUAL, &[mixture(0, &[("red", 490)])], &inventory, Utc::now()),
            Ok(())
        );
    }

    #[test]
    fn whatever_hangs_on_the_nozzle_is_made_safe() {
        let (mount, tip) = (Mount::Right, "B1".parse().expect("well"));
        for certain in [true, false] {
            for memory in [Memory::Knows, Memory::Forgot] {
                let full = Tool::Tip {
                    mount,
                    tip,
                    dye: dye("red"),
                    liquid: Volume::from_whole_ul(60),
                    certain,
                    used_in: None,
                };
                let mut used = full.clone();
                if let Tool::Tip { used_in, .. } = &mut used {
                    *used_in = Some("C3".parse().expect("well"));
                }
                assert!(!make_safe(&used, memory).iter().any(|step| matches!(step, Step::ReturnTip { .. })));
                for tool in [full, used, Tool::Sensor { mount, certain }] {
                    let end =
                        make_safe(&tool, memory).iter().fold(tool.clone(), |tool, step| tool.after(step, Ending::Done));
                    assert_eq!(end, Tool::Nothing, "{tool:?}, {memory:?}");
                }
            }
        }
    }
}
