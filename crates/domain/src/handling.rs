//! How the liquids of an experiment are handled beyond what is dispensed where: mixing, touching off, blowing out, air gaps,
//! and how long a tip is used.

use crate::{Pipette, Recipe, Volume, experiment::named_states};
use serde::{Deserialize, Serialize};

named_states! {
    /// How long a tip is used. Whatever is chosen, a tip that met a well's liquid or wall goes to the trash.
    #[derive(Default)]
    TipPolicy {
        /// The dye's own tip, put back into its place and used again by later experiments too.
        #[default]
        Reused = "reused",
        /// A new tip for each dye, thrown away when the experiment has got that dye.
        PerDye = "per_dye",
        /// A new tip for each transfer.
        PerTransfer = "per_transfer",
    }
}

named_states! {
    /// Where a tip is blown out.
    #[derive(Default)]
    BlowOut {
        /// Into the waste vial, before a tip is put back.
        #[default]
        Waste = "waste",
        /// Into the well after each transfer, from above the liquid; before a tip is put back, into the waste vial as well.
        Well = "well",
    }
}

/// Drawn from the mixed well and given back, again and again, after its last dye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixing {
    /// 1–[`Mixing::MOST_REPETITIONS`].
    pub repetitions: u8,
    /// Of each stroke, at least [`Mixing::LEAST`]. Less is drawn where the tip takes less, or where the well must keep
    /// [`Mixing::STAYS`].
    pub volume: Volume,
}

impl Mixing {
    pub const MOST_REPETITIONS: u8 = 10;
    pub const LEAST: Volume = Volume::from_whole_ul(5);
    pub const MOST: Volume = Volume::from_whole_ul(300);
    /// What a mixing stroke leaves in the well, so that a tip [`Mixing::ABOVE_BOTTOM_MM`] above its bottom never draws air: in a
    /// well 6.86 mm wide that height is 18.5 µL.
    pub const STAYS: Volume = Volume::from_whole_ul(25);
    /// How far above the well's bottom it is mixed.
    pub const ABOVE_BOTTOM_MM: f64 = 0.5;

    /// A stroke of this mixing by `pipette` in a well that holds `held`; none where there is too little to mix.
    pub fn stroke(self, pipette: &Pipette, held: Volume) -> Option<Volume> {
        let volume = self.volume.min(pipette.most()).min(held.saturating_sub(Self::STAYS));
        (volume >= Self::LEAST).then_some(volume)
    }
}

/// How an experiment's liquids are handled. The default is what the lab has always done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Handling {
    #[serde(skip_serializing_if = "is_default")]
    pub tips: TipPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mixing>,
    /// The tip touches the well's wall after each transfer, so that no drop stays on it.
    #[serde(skip_serializing_if = "is_default")]
    pub touch_tip: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub blow_out: BlowOut,
    /// Air drawn after the dye and let out over the well, so that nothing drips on the way, 0–[`Handling::MOST_AIR`].
    #[serde(skip_serializing_if = "Volume::is_zero_ref")]
    pub air_gap: Volume,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What of a handling can't be done: its field, as a JSON pointer within it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlingError {
    pub pointer: &'static str,
    pub detail: String,
}

impl Handling {
    /// Under which an experiment's metadata keeps it; not there where it is the usual.
    pub const KEPT_AS: &str = "handling";
    pub const MOST_AIR: Volume = Volume::from_whole_ul(20);

    /// Everything that is wrong with it.
    pub fn objections(&self) -> Vec<HandlingError> {
        let mut objections = Vec::new();
        let mut object = |pointer, detail| objections.push(HandlingError { pointer, detail });
        if let Some(mix) = self.mix {
            if !(1..=Mixing::MOST_REPETITIONS).contains(&mix.repetitions) {
                object("/mix/repetitions", format!("mix 1 to {} times, or leave it out", Mixing::MOST_REPETITIONS));
            }
            if !(Mixing::LEAST..=Mixing::MOST).contains(&mix.volume) {
                object("/mix/volume", format!("mix with {} to {}", Mixing::LEAST, Mixing::MOST));
            }
        }
        if self.air_gap > Self::MOST_AIR {
            object("/air_gap", format!("an air gap is at most {}", Self::MOST_AIR));
        }
        objections
    }

    /// What is unusual about it, for a person; nothing of the usual one. "mixed 3 × with 50 µL, a new tip for each dye".
    pub fn sentence(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(Mixing { repetitions, volume }) = self.mix {
            parts.push(format!("mixed {repetitions} × with {volume}"));
        }
        if self.touch_tip {
            parts.push("tips touched off".to_owned());
        }
        if self.blow_out == BlowOut::Well {
            parts.push("blown out into the well".to_owned());
        }
        if !self.air_gap.is_zero() {
            parts.push(format!("{} of air behind each dye", self.air_gap));
        }
        match self.tips {
            TipPolicy::Reused => {}
            TipPolicy::PerDye => parts.push("a new tip for each dye".to_owned()),
            TipPolicy::PerTransfer => parts.push("a new tip for each transfer".to_owned()),
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// How often a well of this recipe is mixed: a single dye is mixed already.
    pub fn repetitions(&self, recipe: &Recipe) -> u8 {
        if recipe.iter().count() < 2 { 0 } else { self.mix.map_or(0, |mix| mix.repetitions) }
    }

    /// The gap that leaves `pipette` half of its stroke for the dye.
    pub fn air_gap_of(&self, pipette: &Pipette) -> Volume {
        self.air_gap.min(Volume::from_nanolitres(pipette.most().nanolitres() / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mount, PipetteModel};

    #[test]
    fn the_usual_handling_is_stored_as_nothing_and_reads_back() {
        assert_eq!(serde_json::to_value(Handling::default()).expect("JSON"), serde_json::json!({}));
        let all = Handling {
            tips: TipPolicy::PerTransfer,
            mix: Some(Mixing { repetitions: 3, volume: Volume::from_whole_ul(50) }),
            touch_tip: true,
            blow_out: BlowOut::Well,
            air_gap: Volume::from_whole_ul(5),
        };
        let stored = serde_json::to_value(all).expect("JSON");
        assert_eq!(serde_json::from_value::<Handling>(stored).expect("a handling"), all);
        assert_eq!(
            all.sentence().as_deref(),
            Some(
                "mixed 3 × with 50 µL, tips touched off, blown out into the well, 5 µL of air behind each dye, \
                 a new tip for each transfer"
            )
        );
        assert_eq!(Handling::default().sentence(), None);
        assert!(serde_json::from_value::<Handling>(serde_json::json!({"mixing": true})).is_err());
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let mix = Some(Mixing { repetitions: 11, volume: Volume::from_whole_ul(301) });
        let wrong = Handling { mix, air_gap: Volume::from_whole_ul(21), ..Handling::default() };
        let pointers: Vec<_> = wrong.objections().into_iter().map(|error| error.pointer).collect();
        assert_eq!(pointers, ["/mix/repetitions", "/mix/volume", "/air_gap"]);
        assert_eq!(Handling::default().objections(), []);
    }

    #[test]
    fn a_mixing_stroke_is_what_tip_and_well_allow() {
        let mix = Mixing { repetitions: 3, volume: Volume::from_whole_ul(100) };
        let p300 = Pipette::usual(Mount::Right, PipetteModel::P300SingleGen2);
        let p20 = Pipette::usual(Mount::Left, PipetteModel::P20SingleGen2);
        let stroke = |pipette: &Pipette, held| mix.stroke(pipette, Volume::from_whole_ul(held)).map(Volume::ul);
        assert_eq!(stroke(&p300, 200), Some(100.0));
        assert_eq!(stroke(&p300, 60), Some(35.0), "the rest keeps the tip in the liquid");
        assert_eq!(stroke(&p20, 200), Some(20.0));
        assert_eq!(stroke(&p300, 29), None);
    }
}
