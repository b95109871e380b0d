//! The pipettes: how much each takes, which tips fit it, how exactly it measures.

use crate::{Mount, Pipette, Slot, Volume};
use serde::{Deserialize, Serialize};

/// An OT-2's single-channel pipette by its Opentrons name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PipetteModel {
    P10Single,
    P20SingleGen2,
    P50Single,
    P300Single,
    P300SingleGen2,
    P1000Single,
    P1000SingleGen2,
}

/// A name that no single-channel pipette of the OT-2 has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is no single-channel pipette of an OT-2; these are: {known}")]
pub struct UnknownPipette {
    name: String,
    known: String,
}

/// A rack whose tips don't fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rack} has no tips for the {model} on the {side} mount; these have: {fitting}")]
pub struct MisfitTips {
    rack: String,
    model: &'static str,
    side: &'static str,
    fitting: String,
}

/// One point of a data sheet, all in µL: at this volume a transfer is off by at most so much on average (systematic error), with
/// a standard deviation of at most so much (random error).
type Published = (f64, f64, f64);

impl PipetteModel {
    pub const ALL: &'static [Self] = &[
        Self::P10Single,
        Self::P20SingleGen2,
        Self::P50Single,
        Self::P300Single,
        Self::P300SingleGen2,
        Self::P1000Single,
        Self::P1000SingleGen2,
    ];

    /// Its name in the robot's API.
    pub const fn load_name(self) -> &'static str {
        match self {
            Self::P10Single => "p10_single",
            Self::P20SingleGen2 => "p20_single_gen2",
            Self::P50Single => "p50_single",
            Self::P300Single => "p300_single",
            Self::P300SingleGen2 => "p300_single_gen2",
            Self::P1000Single => "p1000_single",
            Self::P1000SingleGen2 => "p1000_single_gen2",
        }
    }

    /// The least it measures to its stated error (`minVolume` of Opentrons' pipette definitions).
    pub const fn least(self) -> Volume {
        Volume::from_whole_ul(match self {
            Self::P10Single | Self::P20SingleGen2 => 1,
            Self::P50Single => 5,
            Self::P300SingleGen2 => 20,
            Self::P300Single => 30,
            Self::P1000Single | Self::P1000SingleGen2 => 100,
        })
    }

    /// The most its plunger takes in one stroke (`maxVolume` there).
    pub const fn most(self) -> Volume {
        Volume::from_whole_ul(match self {
            Self::P10Single => 10,
            Self::P20SingleGen2 => 20,
            Self::P50Single => 50,
            Self::P300Single | Self::P300SingleGen2 => 300,
            Self::P1000Single | Self::P1000SingleGen2 => 1_000,
        })
    }

    /// Load names of Opentrons' racks whose tips fit (`defaultTipracks` there) with what a tip takes, µL; the usual one first.
    const fn racks(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::P10Single => &[
                ("opentrons_96_tiprack_10ul", 10),
                ("opentrons_96_filtertiprack_10ul", 10),
                ("geb_96_tiprack_10ul", 10),
            ],
            Self::P20SingleGen2 => &[
                ("opentrons_96_tiprack_20ul", 20),
                ("opentrons_96_filtertiprack_20ul", 20),
                ("opentrons_96_tiprack_10ul", 10),
                ("opentrons_96_filtertiprack_10ul", 10),
                ("geb_96_tiprack_10ul", 10),
            ],
            Self::P50Single | Self::P300Single | Self::P300SingleGen2 => {
                &[("opentrons_96_tiprack_300ul", 300), ("opentrons_96_filtertiprack_200ul", 200)]
            }
            Self::P1000Single | Self::P1000SingleGen2 => &[
                ("opentrons_96_tiprack_1000ul", 1_000),
                ("opentrons_96_filtertiprack_1000ul", 1_000),
                ("geb_96_tiprack_1000ul", 1_000),
            ],
        }
    }

    /// What the largest tip takes that fits its nozzle.
    pub(crate) fn largest_tip(self) -> Volume {
        self.racks().iter().map(|(_, tip)| Volume::from_whole_ul(*tip)).max().unwrap_or_default()
    }

    /// Whether the sensor's collar fits its nozzle: it was made for a p300's.
    pub const fn carries_sensor(self) -> bool {
        matches!(self, Self::P300Single | Self::P300SingleGen2)
    }

    /// How high Opentrons' planner takes its mount's home to be, mm (`homePosition` of the pipette definitions). That is below
    /// where a homed mount really is.
    pub const fn planned_home_mm(self) -> f64 {
        match self {
            Self::P10Single | Self::P50Single | Self::P300Single | Self::P1000Single => 220.0,
            Self::P20SingleGen2 | Self::P300SingleGen2 | Self::P1000SingleGen2 => 172.15,
        }
    }

    /// How far its nozzle is above its mount's own height, mm (`nozzleOffset` there).
    pub const fn nozzle_above_mount_mm(self) -> f64 {
        match self {
            Self::P10Single => 12.0,
            Self::P20SingleGen2 => 10.45,
            Self::P50Single | Self::P300Single => 25.0,
            Self::P300SingleGen2 => 29.45,
            Self::P1000Single => 45.0,
            Self::P1000SingleGen2 => 50.14,
        }
    }

    /// GEN2: the specifications of Opentrons' OT-2 manual ("Pipettes", single-channel), whose 0.05 µL for a P300 at 20 µL is taken
    /// for the 2.5 % beside it. GEN1, for which none were found: the most that ISO 8655-2:2002 permits a piston pipette of that
    /// nominal volume (of the next larger one that it names), which doesn't depend on the volume.
    const fn published(self) -> &'static [Published] {
        match self {
            Self::P20SingleGen2 => &[(1.0, 0.15, 0.05), (10.0, 0.2, 0.1), (20.0, 0.3, 0.16)],
            Self::P300SingleGen2 => &[(20.0, 0.8, 0.5), (150.0, 1.5, 0.6), (300.0, 1.8, 0.9)],
            Self::P1000SingleGen2 => &[(100.0, 2.0, 1.0), (500.0, 5.0, 1.0), (1_000.0, 7.0, 1.5)],
            Self::P10Single => &[(10.0, 0.12, 0.08)],
            Self::P50Single => &[(50.0, 0.5, 0.2)],
            Self::P300Single => &[(500.0, 4.0, 1.5)],
            Self::P1000Single => &[(1_000.0, 8.0, 3.0)],
        }
    }

    /// (systematic, random) error of one stroke, µL, between the points that are published.
    fn published_error(self, volume_ul: f64) -> (f64, f64) {
        let table = self.published();
        let systematic: Vec<_> = table.iter().map(|(volume, systematic, _)| (*volume, *systematic)).collect();
        let random: Vec<_> = table.iter().map(|(volume, _, random)| (*volume, *random)).collect();
        (interpolated(&systematic, volume_ul), interpolated(&random, volume_ul))
    }
}

impl std::str::FromStr for PipetteModel {
    type Err = UnknownPipette;

    fn from_str(name: &str) -> Result<Self, UnknownPipette> {
        Self::ALL.iter().copied().find(|model| model.load_name() == name).ok_or_else(|| UnknownPipette {
            name: name.chars().take(40).collect(),
            known: Self::ALL.iter().map(|model| model.load_name()).collect::<Vec<_>>().join(", "),
        })
    }
}

impl std::fmt::Display for PipetteModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.load_name())
    }
}

impl Pipette {
    /// With its usual tips, in the slot where the usual deck has them.
    pub fn usual(mount: Mount, model: PipetteModel) -> Self {
        let tip_slot = Slot(match model {
            PipetteModel::P10Single | PipetteModel::P20SingleGen2 => 6,
            PipetteModel::P50Single | PipetteModel::P300Single | PipetteModel::P300SingleGen2 => 9,
            PipetteModel::P1000Single | PipetteModel::P1000SingleGen2 => 8,
        });
        let tip_rack = model.racks().first().map(|(rack, _)| (*rack).to_owned()).unwrap_or_default();
        Self { mount, model, tip_slot, tip_rack }
    }

    /// The most it takes in one stroke: as much as its plunger moves, or less where the tip is smaller. A rack that isn't
    /// Opentrons' own is taken to be made for it.
    pub fn most(&self) -> Volume {
        let rack = self.model.racks().iter().find(|(rack, _)| *rack == self.tip_rack);
        rack.map_or(self.model.most(), |(_, tip)| self.model.most().min(Volume::from_whole_ul(*tip)))
    }

    /// Equal strokes that it needs for an amount, at least 1.
    pub fn strokes(&self, volume: Volume) -> u32 {
        volume.nanolitres().div_ceil(self.most().nanolitres()).max(1)
    }

    /// How far an amount may be off, µL, by what is published: the systematic error of all its strokes and, independent of
    /// each other, their random ones.
    pub fn error_ul(&self, volume: Volume) -> f64 {
        let strokes = f64::from(self.strokes(volume));
        let (systematic, random) = self.model.published_error(volume.ul() / strokes);
        (strokes * systematic).hypot(strokes.sqrt() * random)
    }

    /// # Errors
    /// Its rack is another pipette's.
    pub fn check_tips(&self) -> Result<(), MisfitTips> {
        let racks = |model: PipetteModel| model.racks().iter().map(|(rack, _)| *rack);
        let is_anothers = PipetteModel::ALL.iter().any(|model| racks(*model).any(|rack| rack == self.tip_rack));
        if !is_anothers || racks(self.model).any(|rack| rack == self.tip_rack) {
            return Ok(());
        }
        Err(MisfitTips {
            rack: self.tip_rack.clone(),
            model: self.model.load_name(),
            side: match self.mount {
                Mount::Left => "left",
                Mount::Right => "right",
            },
            fitting: racks(self.model).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The error stated for one volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatedError {
    /// Standard deviation over volume of one transfer.
    pub cv: f64,
    /// No single transfer is further off than this, µL: the bias of the instrument and [`CUT_OFF`] standard deviations.
    pub limit_ul: f64,
}

/// Bias of an instrument lies within ± this share of the volume…
pub const BIAS_SHARE: f64 = 0.01;
/// …and ± this, µL.
pub const BIAS_UL: f64 = 0.2;
/// A transfer further off than this many standard deviations is a broken pipette's.
pub const CUT_OFF: f64 = 3.0;

impl PipetteModel {
    /// How far a transfer of `volume_ul` (aspirated in one stroke, dispensed in one stroke) may be from what was asked.
    ///
    /// Of several portions dispensed from one aspiration each has this error, except the last, which takes what is left
    /// and with it the errors of all before.
    pub fn stated_error(self, volume_ul: f64) -> StatedError {
        let cv = self.variation(volume_ul);
        StatedError { cv, limit_ul: volume_ul * (BIAS_SHARE + CUT_OFF * cv) + BIAS_UL }
    }

    /// Standard deviation, µL, of an amount that is given in as many equal strokes as it takes.
    pub(crate) fn spread_ul(self, volume: Volume) -> f64 {
        let strokes = f64::from(volume.nanolitres().div_ceil(self.most().nanolitres()).max(1));
        let stroke_ul = volume.ul() / strokes;
        strokes.sqrt() * stroke_ul * self.stated_error(stroke_ul).cv
    }

    /// Coefficient of variation of one stroke: by the lab's simulation study for the pipettes that it has, in line with what
    /// is published; for the others what is published.
    fn variation(self, volume_ul: f64) -> f64 {
        match self {
            Self::P300SingleGen2 => interpolated(&[(20.0, 0.025), (50.0, 0.015), (200.0, 0.007)], volume_ul),
            Self::P20SingleGen2 => interpolated(&[(1.0, 0.03), (5.0, 0.025), (20.0, 0.02)], volume_ul),
            _ => self.published_error(volume_ul).1 / volume_ul.max(self.least().ul()),
        }
    }
}

fn interpolated(table: &[(f64, f64)], volume_ul: f64) -> f64 {
    let above = table.iter().position(|(volume, _)| *volume >= volume_ul);
    match above {
        Some(0) => table.first().map_or(0.0, |(_, value)| *value),
        None => table.last().map_or(0.0, |(_, value)| *value),
        Some(next) => between(table.get(next - 1), table.get(next), volume_ul),
    }
}

fn between(low: Option<&(f64, f64)>, high: Option<&(f64, f64)>, volume_ul: f64) -> f64 {
    let (Some((low_ul, at_low)), Some((high_ul, at_high))) = (low, high) else { return 0.0 };
    at_low + (at_high - at_low) * (volume_ul - low_ul) / (high_ul - low_ul)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Deck;
    use PipetteModel::{P20SingleGen2, P50Single, P300SingleGen2, P1000SingleGen2};

    fn chosen(deck: &Deck, ul: f64) -> Option<&'static str> {
        deck.pipette_for(Volume::from_ul(ul).expect("a volume")).map(|pipette| pipette.model.load_name())
    }

    #[test]
    fn each_amount_goes_to_the_pipette_with_the_smallest_error() {
        let deck = Deck::with_pipettes(Some(P20SingleGen2), Some(P300SingleGen2));
        let of = |ul| chosen(&deck, ul);
        assert_eq!([0.9, 1.0, 20.0].map(of), [None, Some("p20_single_gen2"), Some("p20_single_gen2")]);
        assert_eq!(of(40.0), Some("p20_single_gen2"), "0.64 µL off in two strokes, 1.04 in one of the other");
        assert_eq!(
            [40.1, 60.0, 300.0].map(of),
            [Some("p300_single_gen2"); 3],
            "three strokes aren't taken for a smaller error"
        );
        let deck = Deck::with_pipettes(Some(P1000SingleGen2), Some(P300SingleGen2));
        let of = |ul| chosen(&deck, ul);
        assert_eq!([20.0, 100.0, 300.0].map(of), [Some("p300_single_gen2"); 3], "2 µL off at 100 µL is more than 1.3");
        assert_eq!(of(400.0), Some("p300_single_gen2"), "3.4 µL off in two strokes, 4.4 in one of the other");
        assert_eq!(of(600.1), Some("p1000_single_gen2"), "in one stroke rather than three");
        let deck = Deck::with_pipettes(Some(P50Single), Some(P300SingleGen2));
        assert_eq!(
            [5.0, 100.0, 100.1].map(|ul| chosen(&deck, ul)),
            [Some("p50_single"), Some("p50_single"), Some("p300_single_gen2")]
        );
    }

    #[test]
    fn what_lies_between_two_pipettes_is_split_by_the_smaller() {
        let deck = Deck::with_pipettes(Some(P20SingleGen2), Some(P1000SingleGen2));
        assert_eq!([99.9, 100.0].map(|ul| chosen(&deck, ul)), [Some("p20_single_gen2"), Some("p1000_single_gen2")]);
    }

    #[test]
    fn no_part_of_a_split_amount_falls_under_the_minimum() {
        for model in PipetteModel::ALL {
            for (rack, _) in model.racks() {
                let pipette = Pipette { tip_rack: (*rack).to_owned(), ..Pipette::usual(Mount::Left, *model) };
                assert!(pipette.most().nanolitres() >= 2 * model.least().nanolitres(), "{model} with {rack}");
            }
        }
    }

    #[test]
    fn a_smaller_tip_takes_less_and_anothers_tip_is_refused() {
        let usual = Pipette::usual(Mount::Right, P300SingleGen2);
        assert_eq!((usual.most(), usual.check_tips()), (Volume::from_whole_ul(300), Ok(())));
        let filter = Pipette { tip_rack: "opentrons_96_filtertiprack_200ul".to_owned(), ..usual.clone() };
        assert_eq!((filter.most(), filter.strokes(Volume::from_whole_ul(250))), (Volume::from_whole_ul(200), 2));
        let own = Pipette { tip_rack: "our_96_tiprack_300ul".to_owned(), ..usual.clone() };
        assert_eq!(own.check_tips(), Ok(()));
        let wrong = Pipette { tip_rack: "opentrons_96_tiprack_20ul".to_owned(), ..usual };
        assert_eq!(
            wrong.check_tips().expect_err("too small").to_string(),
            "opentrons_96_tiprack_20ul has no tips for the p300_single_gen2 on the right mount; these have: \
             opentrons_96_tiprack_300ul, opentrons_96_filtertiprack_200ul"
        );
    }

    #[test]
    fn every_name_is_read_as_it_is_stored() {
        for model in PipetteModel::ALL {
            assert_eq!(serde_json::to_value(model).expect("JSON"), model.load_name());
            assert_eq!(model.load_name().parse(), Ok(*model));
        }
        assert!("p300_multi".parse::<PipetteModel>().is_err());
    }
}
