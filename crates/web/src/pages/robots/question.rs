//! What a robot waits for a person about, with the acts that answer it: who does what is asked for answers by that alone.

use super::acts::{self, Forms, Typed};
use crate::{
    sentences::{self, sentence},
    when::When,
};
use chrono::Utc;
use domain::{DeckCondition, DyeVial, Fault, FaultCode, Inventory, PLATE_WELLS, RobotKind, RobotMode, Role, Tool};
use store::{Driver, Robot};
use views::{Attention, FaultView};

/// A question, or a stop, which comes before it.
pub struct QuestionView {
    pub fault: FaultView,
    pub since: Option<When>,
    /// What may be seen on the nozzle, the likeliest first; the value of an answer and its words. Nothing for another question.
    pub nozzle: Vec<(&'static str, String)>,
    /// The form whose act answers it; empty where there is none.
    pub form: &'static str,
    pub forms: Forms,
    /// What has to be renewed, thing by thing, before the robot goes on.
    pub checklist: Vec<Check>,
    /// Why hands mustn't go there yet.
    pub hands_off: Option<HandsOff>,
    /// Why the act that was sent from here wasn't taken.
    pub problem: Option<String>,
    /// What the button says that resumes the robot; nothing where the act alone is the answer.
    pub looked: Option<&'static str>,
    /// What is asked besides should be answered first.
    has_better: bool,
    /// It is redrawn on an open page when this changes, and only then: somebody may be typing.
    pub version: String,
}

/// Why hands must stay off a deck.
#[derive(Debug)]
pub struct HandsOff {
    pub why: &'static str,
    /// Only what hangs on the nozzle is in the way, and it may be taken off by hand.
    pub is_nozzle: bool,
}

/// A thing to be looked at or renewed.
pub struct Check {
    pub label: String,
    pub seen: Seen,
    /// What the button says.
    pub button: &'static str,
    /// The act's form and, where there are several of them, which.
    pub act: &'static str,
    pub place: String,
    /// What is in it then, mL; of a vial.
    pub volume_ml: Option<String>,
}

/// How far a thing on the deck is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Somebody confirmed it.
    Confirmed,
    /// The robot can't go on well without it.
    Missing,
    /// The journal can't tell whether anybody looked; who lets the robot go on says that they did.
    Unknown,
}

impl QuestionView {
    /// All that this robot waits for, the most urgent first. What was typed into a form comes back with it.
    pub fn all(robot: &Robot, inventory: &Inventory, driver: Driver<'_>, typed: Typed) -> Vec<Self> {
        let view = |asked, typed| Self::of(robot, inventory, driver, asked, typed);
        let mut stop = Attention::stop(robot, Role::Operator).map(|stop| view(stop, Typed::default()));
        let mut asked = Attention::question(robot).map(|asked| view(asked, typed));
        // Who resumes a stopped robot has answered what it asks, too, so that is said at one button.
        if let (Some(stop), Some(asked)) = (&mut stop, &mut asked) {
            asked.looked = None;
            if !asked.is_looking() {
                stop.looked = Some("Resume it without an answer to what is asked below");
                stop.has_better = true;
            }
        }
        stop.into_iter().chain(asked).collect()
    }

    fn of(robot: &Robot, inventory: &Inventory, driver: Driver<'_>, asked: Attention, typed: Typed) -> Self {
        let Attention { fault, since } = asked;
        let form = acts::answer(fault.code);
        let problem = Some(typed.problem.clone()).filter(|problem| !problem.is_empty());
        let typed = if typed.act == form && problem.is_some() { typed } else { guess(robot, &fault, form) };
        let checklist = if asks_for_everything(fault.code) { checklist(robot, inventory) } else { Vec::new() };
        let stands = stands(robot, &fault);
        let asks_for_nozzle = fault.code == FaultCode::CommandInDoubt && stands.is_none();
        let nozzle = if asks_for_nozzle { nozzle(&robot.tool) } else { Vec::new() };
        let condition = if nozzle.is_empty() { DeckCondition::HandsFree } else { DeckCondition::Still };
        let has_acts = !form.is_empty() || !checklist.is_empty() || !nozzle.is_empty();
        let hands_off = hands_off(robot, condition, driver).filter(|_| has_acts);
        let left = checklist.iter().filter(|check| check.seen == Seen::Missing).count();
        let version = format!("{} {since:?} {hands_off:?} {left} {problem:?}", fault.code);
        Self {
            since: since.map(|since| When::new(since, Utc::now())),
            looked: looked(fault.code, left).or(stands),
            forms: Forms::of(robot, typed),
            fault: sentences::fault(fault),
            nozzle,
            form,
            checklist,
            hands_off,
            problem,
            has_better: false,
            version,
        }
    }

    /// Whether a thing of the checklist can't be confirmed yet. What hangs on the nozzle may be taken off before hands go
    /// anywhere else.
    pub fn is_off_limits(&self, check: &Check) -> bool {
        self.hands_off.as_ref().is_some_and(|off| !off.is_nozzle || check.act != "nozzle_cleared")
    }

    /// Whether resuming is the answer that is looked for, and not only one that is possible too.
    pub fn is_looking(&self) -> bool {
        !self.has_better
            && self.form.is_empty()
            && self.nozzle.is_empty()
            && self.checklist.iter().all(|check| check.seen != Seen::Missing)
    }
}

/// Why hands must stay off a robot that doesn't let them do what needs this of it.
pub fn hands_off(robot: &Robot, condition: DeckCondition, driver: Driver<'_>) -> Option<HandsOff> {
    let is_nozzle = robot.stands_still;
    (!robot.lets_hands(condition)).then(|| HandsOff { why: why_off(robot, driver), is_nozzle })
}

fn why_off(robot: &Robot, driver: Driver<'_>) -> &'static str {
    let (asks, holds) = (robot.attention.is_some(), robot.tool != Tool::Nothing);
    match robot.mode {
        _ if robot.stands_still && asks => "Something hangs on the nozzle. Take it off by hand, and say so here.",
        _ if robot.stands_still => {
            "Something hangs on the nozzle. Resume the robot and it puts that down by itself; or take it off by hand, and \
             say so here."
        }
        RobotMode::Stopped => "A step has no known end yet. The forms open as soon as it is settled.",
        _ if asks => "A step has no known end yet. The forms open as soon as it is settled.",
        RobotMode::Paused if holds && !matches!(driver, Driver::Drives(_)) => {
            "Something hangs on the nozzle, and no worker drives the robot now. It is put down as soon as a worker does. \
             Or stop the robot first; then take it off by hand, and say so here."
        }
        RobotMode::Paused => "It is putting everything down. The forms open as soon as it stands still.",
        _ => "It may move. Pause it first; the forms open as soon as it stands still.",
    }
}

/// Whether nothing on the deck is believed any more.
const fn asks_for_everything(code: FaultCode) -> bool {
    matches!(code, FaultCode::DeckUnknown | FaultCode::RobotMistaken)
}

/// What the button says that resumes a robot which asks this. Where only the act puts it right, there is none: the robot
/// would ask again at once.
const fn looked(code: FaultCode, left: usize) -> Option<&'static str> {
    match code {
        FaultCode::PlateFull
        | FaultCode::PlateUsed
        | FaultCode::DyeShort
        | FaultCode::TipsShort
        | FaultCode::WasteFull
        | FaultCode::CommandInDoubt => None,
        _ if left > 0 => Some("Resume it without the rest"),
        FaultCode::RobotMistaken => Some("It is the right machine, and only this lab drives it: go on"),
        _ => Some("I have looked; it is safe to go on"),
    }
}

/// The same of a robot that can't be told to forget: what it was told before has no known end until somebody says that it
/// stands still, and nobody can say before what hangs on its nozzle.
fn stands(robot: &Robot, question: &Fault) -> Option<&'static str> {
    let is_open = question.code == FaultCode::CommandInDoubt && !robot.lets_hands(DeckCondition::Still);
    (is_open && robot.kind == RobotKind::Script).then_some("It stands still: go on")
}

/// What may hang on a nozzle of which the journal says this.
fn nozzle(tool: &Tool) -> Vec<(&'static str, String)> {
    let nothing = ("nothing", "Nothing".to_owned());
    match tool {
        Tool::Nothing => vec![nothing],
        Tool::Tip { dye, liquid, .. } if liquid.is_zero() => {
            vec![("empty_tip", format!("The {dye} tip, empty")), nothing]
        }
        Tool::Tip { dye, .. } => vec![
            ("tip_with_liquid", format!("The {dye} tip, with liquid in it")),
            ("empty_tip", format!("The {dye} tip, empty")),
            nothing,
        ],
        Tool::Sensor { .. } => vec![("sensor", "The colour sensor".to_owned()), nothing],
    }
}

/// The form filled in as the question has it: which vial or rack it names, and that a vial is full again.
fn guess(robot: &Robot, fault: &Fault, form: &'static str) -> Typed {
    let told = format!("{} {}", fault.cause, fault.what);
    let names = |word: &str| told.split(|c: char| !c.is_alphanumeric() && c != '-').any(|part| part == word);
    let (place, volume_ml) = match form {
        "refill" => {
            let is_named = |vial: &&DyeVial| names(vial.name.as_str()) || names(&vial.vial.to_string());
            let vial = robot.deck.dyes.iter().find(is_named);
            vial.map(|vial| (vial.vial.to_string(), millilitres(vial))).unwrap_or_default()
        }
        "new_tips" => {
            let mut slots = robot.deck.pipettes.iter().map(|pipette| pipette.tip_slot.0.to_string());
            (slots.find(|slot| names(slot)).unwrap_or_default(), String::new())
        }
        _ => Default::default(),
    };
    Typed { act: form, place, volume_ml, ..Typed::default() }
}

fn millilitres(vial: &DyeVial) -> String {
    format!("{}", vial.volume.ul() / 1_000.0)
}

/// What there is to look at, in the order of safe work, and what of it was confirmed since nothing was believed any more.
fn checklist(robot: &Robot, inventory: &Inventory) -> Vec<Check> {
    let check = |label: String, seen: Seen, act: &'static str| Check {
        label,
        seen,
        act,
        button: "It is there",
        place: String::new(),
        volume_ml: None,
    };
    let known = |is_known: bool| if is_known { Seen::Confirmed } else { Seen::Missing };
    let is_free = robot.tool == Tool::Nothing;
    let on_nozzle = if is_free { "Nothing hangs on the nozzle".to_owned() } else { robot.tool.sentence() };
    let nozzle = Check {
        button: if is_free { "I took something off" } else { "I took it off" },
        ..check(
            sentence(&on_nozzle).trim_end_matches('.').to_owned(),
            if is_free { Seen::Unknown } else { Seen::Missing },
            "nozzle_cleared",
        )
    };
    let slot = robot.deck.plate_slot.0;
    let plate = check(format!("Slot {slot}: a new, empty plate"), known(inventory.plate.is_some()), "new_plate");
    let racks = robot.deck.pipettes.iter().map(|pipette| {
        let slot = pipette.tip_slot;
        let lost = inventory.lost_tips().filter(|tip| tip.slot == slot).count();
        let rack = check(format!("Slot {}: a full tip rack", slot.0), known(lost < PLATE_WELLS), "new_tips");
        Check { place: slot.0.to_string(), ..rack }
    });
    let slot = robot.deck.vial_slot.0;
    let vials = robot.deck.dyes.iter().map(|dye| {
        let held = inventory.vials.iter().find(|vial| vial.vial == dye.vial);
        let is_filled = held.is_some_and(|vial| !vial.volume.is_zero());
        let full = millilitres(dye);
        let vial = check(format!("Slot {slot}, {}: {full} mL of {}", dye.vial, dye.name), known(is_filled), "refill");
        Check { place: dye.vial.to_string(), volume_ml: Some(full), ..vial }
    });
    let waste =
        check(format!("Slot {slot}, {}: room in the waste vial", robot.deck.waste), Seen::Unknown, "empty_waste");
    let waste = Check { button: "I emptied it", ..waste };
    [nozzle, plate].into_iter().chain(racks).chain(vials).chain([waste]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Mount, Volume};
    use workflow::{DeckAct, NozzleContent, answers};

    fn acts() -> [(&'static str, DeckAct); 6] {
        let refill = DeckAct::Refill { vial: "B1".parse().expect("a vial"), volume: None, batch: None };
        [
            ("new_plate", DeckAct::NewPlate),
            ("new_tips", DeckAct::NewTips { slot: domain::Slot(9) }),
            ("refill", refill),
            ("empty_waste", DeckAct::EmptyWaste),
            ("sensor", DeckAct::SensorCleaned),
            ("nozzle", DeckAct::NozzleHolds { holds: NozzleContent::Nothing }),
        ]
    }

    #[test]
    fn a_question_offers_the_act_that_answers_it_and_can_always_be_answered() {
        for &code in FaultCode::ALL {
            let offered = if code == FaultCode::CommandInDoubt { "nozzle" } else { acts::answer(code) };
            for (form, act) in acts() {
                assert_eq!(offered == form, answers(&act, code), "{form} of {code}");
            }
            assert!(!offered.is_empty() || looked(code, 0).is_some(), "{code} has no answer");
        }
    }

    #[test]
    fn what_the_journal_believes_is_offered_first_and_what_it_excludes_isnt() {
        let tip = |microlitres| Tool::Tip {
            mount: Mount::Right,
            tip: "A1".parse().expect("a tip"),
            dye: "red".parse().expect("a dye"),
            liquid: Volume::from_whole_ul(microlitres),
            certain: false,
            used_in: None,
        };
        let offered = |tool: &Tool| nozzle(tool).into_iter().map(|(value, _)| value).collect::<Vec<_>>();
        assert_eq!(offered(&tip(60)), ["tip_with_liquid", "empty_tip", "nothing"]);
        assert_eq!(offered(&tip(0)), ["empty_tip", "nothing"]);
        assert_eq!(offered(&Tool::Sensor { mount: Mount::Left, certain: true }), ["sensor", "nothing"]);
        assert_eq!(offered(&Tool::Nothing), ["nothing"]);
    }
}
