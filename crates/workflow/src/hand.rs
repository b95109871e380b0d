//! The experiment that a lane has in hand: its unfinished wells, and what each ended step means for them.

use crate::{fault, mixture::Mixture};
use domain::{
    Change, Ending, ExperimentId, Fault, Handling, PlateId, Portion, Slot, Step, Tool, Volume, WellId, WellName,
    WellStatus,
};
use std::collections::VecDeque;

/// What a lane must know of its experiment between two operations.
#[derive(Debug)]
pub struct Hand {
    pub experiment: ExperimentId,
    pub plate: PlateId,
    pub mixtures: Vec<Mixture>,
    pub handling: Handling,
    /// Wells of the plate that a quarantined well's replacement may take.
    pub free: VecDeque<WellName>,
}

impl Hand {
    fn mixture(&mut self, well: WellId) -> Option<&mut Mixture> {
        self.mixtures.iter_mut().find(|mixture| mixture.well == well)
    }

    /// What is durable together with the intent to do `step`: a well is "dispensing" from its first intended drop on.
    pub fn intending(&mut self, step: &Step) -> Vec<Change> {
        let (Step::Dispense { well, .. } | Step::Mix { well, .. }) = step else { return Vec::new() };
        match self.mixture(*well) {
            Some(mixture) if mixture.status == WellStatus::Pending => {
                mixture.status = WellStatus::Dispensing;
                vec![Change::Well { id: *well, to: WellStatus::Dispensing, fault: None }]
            }
            _ => Vec::new(),
        }
    }

    /// What the end of a step changes for the wells. A drop that may or may not have fallen condemns its well.
    pub fn ended(&mut self, step: &Step, ending: Ending) -> Vec<Change> {
        let (Step::Dispense { well, .. }
        | Step::MixDraw { well, .. }
        | Step::MixGive { well, .. }
        | Step::Mix { well, .. }) = step
        else {
            return Vec::new();
        };
        match ending {
            Ending::NotDone => Vec::new(),
            Ending::Unsure => {
                let fault = fault::in_doubt(step, "the step ended without a trustworthy answer");
                self.quarantine(*well, fault)
            }
            Ending::Done => {
                let Some(mixture) = self.mixture(*well) else { return Vec::new() };
                mixture.count(step);
                if !mixture.is_complete() || mixture.status != WellStatus::Dispensing {
                    return Vec::new();
                }
                mixture.status = WellStatus::Mixed;
                vec![Change::Well { id: *well, to: WellStatus::Mixed, fault: None }]
            }
        }
    }

    /// Condemns the wells of which a part was drawn to mix them and can't be given back any more, whatever came between.
    pub fn condemn_robbed(&mut self) -> Vec<Change> {
        let robbed: Vec<_> = self.mixtures.iter().filter(|mixture| !mixture.drawn.is_zero()).collect();
        let faults: Vec<_> = robbed.iter().map(|mixture| (mixture.well, fault::not_mixed(mixture))).collect();
        faults.into_iter().flat_map(|(well, fault)| self.quarantine(well, fault)).collect()
    }

    /// Takes a well out of the experiment; a fresh one takes its place, on the next plate where this one is full.
    fn quarantine(&mut self, well: WellId, fault: Fault) -> Vec<Change> {
        let Some(index) = self.mixtures.iter().position(|mixture| mixture.well == well) else { return Vec::new() };
        let condemned = self.mixtures.remove(index);
        let fresh = WellId::new();
        let at = self.free.pop_front();
        if let Some(at) = at {
            let mixture = Mixture::new(fresh, at, WellStatus::Pending, condemned.recipe);
            self.mixtures.push(Mixture { target: condemned.target, ..mixture });
        }
        vec![Change::Replace { quarantined: well, fresh, at: at.map(|at| (self.plate, at)), fault }]
    }
}

/// What the end of a step changes for the robot: its nozzle and its consumables. `tool` is what hung there before.
pub fn robot_changes(
    tool: &Tool,
    step: &Step,
    ending: Ending,
    tip_slot: impl Fn(domain::Mount) -> Option<Slot>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let next = tool.clone().after(step, ending);
    if next != *tool {
        changes.push(Change::Tool(next));
    }
    match (step, tool, ending) {
        (Step::Aspirate { vial, volume, .. }, _, Ending::Done | Ending::Unsure) => {
            changes.push(Change::VialDrawn { vial: *vial, volume: *volume });
        }
        (Step::Mix { mount, portions, .. }, _, Ending::Done | Ending::Unsure) => {
            let drawn = |portion: &Portion| Change::VialDrawn { vial: portion.vial, volume: portion.volume };
            changes.extend(portions.iter().map(drawn));
            // Whether a tip is back in its rack can't be told from here.
            let slot = tip_slot(*mount).filter(|_| ending == Ending::Unsure);
            let lost = slot.into_iter().flat_map(|slot| portions.iter().map(move |portion| (slot, portion.tip)));
            changes.extend(lost.map(|(slot, tip)| Change::TipLost { slot, tip }));
        }
        (Step::BlowOut { .. }, Tool::Tip { liquid, .. }, Ending::Done) if *liquid > Volume::ZERO => {
            changes.push(Change::WasteAdded { volume: *liquid });
        }
        (Step::PickUpTip { mount, tip, .. }, _, Ending::Unsure)
        | (Step::DropInPlace { .. }, Tool::Tip { mount, tip, .. }, Ending::Done | Ending::Unsure)
        | (Step::ReturnTip { mount, tip }, _, Ending::Unsure) => {
            changes.extend(tip_slot(*mount).map(|slot| Change::TipLost { slot, tip: *tip }));
        }
        _ => {}
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{DyeName, Mount, Recipe};

    fn hand(free: &[&str]) -> Hand {
        let red: DyeName = "red".parse().expect("dye");
        Hand {
            experiment: ExperimentId::new(),
            plate: PlateId::new(),
            handling: Handling::default(),
            mixtures: vec![Mixture::new(
                WellId::new(),
                "A1".parse().expect("well"),
                WellStatus::Pending,
                Recipe::new([(red, Volume::from_whole_ul(60))]),
            )],
            free: free.iter().map(|name| name.parse().expect("well")).collect(),
        }
    }

    fn drop_of_red(hand: &Hand) -> Step {
        let mixture = &hand.mixtures[0];
        Step::Dispense {
            mount: Mount::Right,
            dye: "red".parse().expect("dye"),
            well: mixture.well,
            at: mixture.at,
            volume: Volume::from_whole_ul(60),
        }
    }

    #[test]
    fn a_well_goes_from_pending_over_dispensing_to_mixed() {
        let mut hand = hand(&[]);
        let step = drop_of_red(&hand);
        assert!(matches!(hand.intending(&step)[..], [Change::Well { to: WellStatus::Dispensing, .. }]));
        assert!(hand.intending(&step).is_empty());
        assert!(matches!(hand.ended(&step, Ending::Done)[..], [Change::Well { to: WellStatus::Mixed, .. }]));
    }

    #[test]
    fn a_doubtful_drop_condemns_its_well_and_a_fresh_one_takes_its_place() {
        let mut hand = hand(&["H12"]);
        let step = drop_of_red(&hand);
        let condemned = hand.mixtures[0].well;
        hand.intending(&step);
        let changes = hand.ended(&step, Ending::Unsure);
        assert!(matches!(changes[..], [Change::Replace { quarantined, at: Some((plate, at)), .. }]
                if quarantined == condemned && plate == hand.plate && at.to_string() == "H12"));
        assert!(hand.mixtures[0].is_untouched() && hand.mixtures[0].well != condemned);
    }

    #[test]
    fn on_a_full_plate_a_doubtful_well_waits_for_the_next_plate() {
        let mut hand = hand(&[]);
        let step = drop_of_red(&hand);
        hand.intending(&step);
        assert!(matches!(hand.ended(&step, Ending::Unsure)[..], [Change::Replace { at: None, .. }]));
        assert!(hand.mixtures.is_empty());
    }

    fn whole_mixture(hand: &Hand) -> Step {
        let mixture = &hand.mixtures[0];
        let portion = Portion {
            dye: "red".parse().expect("dye"),
            vial: "B1".parse().expect("vial"),
            tip: "B1".parse().expect("tip"),
            volume: Volume::from_whole_ul(60),
        };
        Step::Mix { mount: Mount::Right, well: mixture.well, at: mixture.at, portions: vec![portion] }
    }

    #[test]
    fn a_whole_mixture_fills_its_well_or_condemns_it_with_its_tips() {
        let step = whole_mixture(&hand(&[]));
        let Step::Mix { well, .. } = step else { panic!("a mixture") };
        let with_its_well = || {
            let mut hand = hand(&["H12"]);
            hand.mixtures[0].well = well;
            hand
        };
        let mut done = with_its_well();
        assert!(matches!(done.intending(&step)[..], [Change::Well { to: WellStatus::Dispensing, .. }]));
        assert!(matches!(done.ended(&step, Ending::Done)[..], [Change::Well { to: WellStatus::Mixed, .. }]));
        let mut unsure = with_its_well();
        assert!(
            matches!(unsure.ended(&step, Ending::Unsure)[..], [Change::Replace { quarantined, .. }] if quarantined == well)
        );
        let robot = |ending| robot_changes(&Tool::Nothing, &step, ending, |_| Some(Slot(9)));
        assert!(matches!(robot(Ending::Done)[..], [Change::Tool(_), Change::VialDrawn { .. }]));
        assert!(matches!(
            robot(Ending::Unsure)[..],
            [Change::Tool(_), Change::VialDrawn { .. }, Change::TipLost { .. }]
        ));
        assert!(robot(Ending::NotDone).is_empty());
    }

    #[test]
    fn a_drop_that_never_was_changes_nothing() {
        let mut hand = hand(&["H12"]);
        let step = drop_of_red(&hand);
        hand.intending(&step);
        assert!(hand.ended(&step, Ending::NotDone).is_empty());
        assert!(!hand.mixtures[0].is_complete());
    }
}
