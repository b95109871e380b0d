//! The form's part on how liquids are handled: folded away, with what the lab has always done in it.

use crate::fields::Fields;
use domain::{BlowOut, Handling, Mixing, TipPolicy, Volume};

/// Characters of a figure that are kept.
const LONGEST: usize = 20;

/// What was typed, kept whatever it is.
#[derive(Clone, Debug)]
pub struct HandlingForm {
    pub repetitions: String,
    pub volume: String,
    pub air_gap: String,
    pub touch_tip: bool,
    pub blow_out: bool,
    tips: TipPolicy,
    /// What to change.
    pub problem: Option<String>,
}

/// One choice of how long a tip is used.
pub struct TipChoice {
    pub value: &'static str,
    pub says: &'static str,
    pub is_chosen: bool,
}

impl HandlingForm {
    pub fn of(handling: &Handling) -> Self {
        let mix = handling.mix.unwrap_or(Mixing { repetitions: 0, volume: Volume::from_whole_ul(50) });
        Self {
            repetitions: mix.repetitions.to_string(),
            volume: mix.volume.ul().to_string(),
            air_gap: handling.air_gap.ul().to_string(),
            touch_tip: handling.touch_tip,
            blow_out: handling.blow_out == BlowOut::Well,
            tips: handling.tips,
            problem: None,
        }
    }

    /// As it was sent; a form without these fields is handled as usual.
    pub fn read(fields: &Fields) -> Self {
        let usual = Self::of(&Handling::default());
        let figure = |name, usual: String| {
            let typed: String = fields.get(name).trim().chars().take(LONGEST).collect();
            if typed.is_empty() { usual } else { typed }
        };
        Self {
            repetitions: figure("mix", usual.repetitions),
            volume: figure("mix-volume", usual.volume),
            air_gap: figure("air-gap", usual.air_gap),
            touch_tip: fields.get("touch-tip") == "yes",
            blow_out: fields.get("blow-out") == "yes",
            tips: fields.get("tips").parse().unwrap_or_default(),
            problem: None,
        }
    }

    pub fn with_problem(&self, problem: Option<String>) -> Self {
        Self { problem, ..self.clone() }
    }

    /// What is asked for, or what can't be read.
    pub fn handling(&self) -> Result<Handling, String> {
        let repetitions: u8 = self.repetitions.parse().map_err(|_| "mix a whole number of times".to_owned())?;
        let volume = microlitres(&self.volume)?;
        Ok(Handling {
            tips: self.tips,
            mix: (repetitions > 0).then_some(Mixing { repetitions, volume }),
            touch_tip: self.touch_tip,
            blow_out: if self.blow_out { BlowOut::Well } else { BlowOut::Waste },
            air_gap: microlitres(&self.air_gap)?,
        })
    }

    /// Whether somebody should see it at once.
    pub fn is_open(&self) -> bool {
        self.problem.is_some() || self.handling() != Ok(Handling::default())
    }

    pub fn tips(&self) -> [TipChoice; 3] {
        let choice =
            |policy: TipPolicy, says| TipChoice { value: policy.as_str(), says, is_chosen: self.tips == policy };
        [
            choice(TipPolicy::Reused, "each dye’s own, used again"),
            choice(TipPolicy::PerDye, "a new one for each dye"),
            choice(TipPolicy::PerTransfer, "a new one for each transfer"),
        ]
    }
}

fn microlitres(text: &str) -> Result<Volume, String> {
    let number: f64 = text.replace(',', ".").parse().map_err(|_| format!("“{text}” is no number of µL"))?;
    Volume::from_ul(number).map_err(|error| error.to_string())
}
