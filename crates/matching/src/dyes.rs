//! What is known of a dye before any well: the colour that people call it, nothing, or what an earlier match learned.
//!
//! A colour word says roughly where a dye absorbs. How roughly is worked out and not guessed band by band: many dyes that could
//! bear the name are drawn, and the mean and the covariance of their absorptivities in the eight bands are what the model starts
//! with.

use crate::model::{BandMatrix, Bands, near_bands};
use domain::{
    reading::BANDS,
    spectrum::{Spectrum, gaussian, white_led},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::{f64::consts::LN_10, sync::LazyLock};

/// One dye of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Dye {
    /// A dye of this colour.
    Word(ColourWord),
    /// Nothing is known of it.
    Unknown,
    /// What an earlier match, or a person, knows of it.
    Known(Box<Absorptivity>),
}

/// How strongly a well full of a dye's stock absorbs in each band: −ln of the ratio to white.
#[derive(Clone, Debug, PartialEq)]
pub struct Absorptivity {
    pub mean: Bands,
    pub covariance: BandMatrix,
}

/// A colour that dyes are called by, an index into [`WORDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColourWord(usize);

/// One bell of an absorbance spectrum: centre and standard deviation in nm, height.
type Lobe = (f64, f64, f64);

struct Word {
    names: &'static [&'static str],
    lobes: &'static [Lobe],
}

/// Where dyes of a colour absorb. Red, yellow and blue are `domain::dye`'s (Allura Red AC, tartrazine, Brilliant Blue FCF; JECFA
/// monographs). The others are the complement of the colour, placed as of a common dye with that name.
const WORDS: [Word; 12] = [
    Word {
        names: &["red", "scarlet", "crimson", "carmine", "ruby"],
        lobes: &[(500.0, 33.0, 1.0), (533.0, 17.0, 0.15)],
    },
    Word { names: &["yellow", "gold", "golden", "lemon", "amber", "tartrazine"], lobes: &[(427.0, 35.0, 1.0)] },
    Word { names: &["blue", "azure", "navy"], lobes: &[(631.0, 18.0, 1.0), (594.0, 26.0, 0.35), (408.0, 14.0, 0.18)] },
    // Fast Green FCF: 625 nm and 420 nm; the greens of a grocer's are tartrazine and Brilliant Blue.
    Word { names: &["green", "emerald"], lobes: &[(630.0, 24.0, 1.0), (425.0, 30.0, 0.7)] },
    Word { names: &["lime", "chartreuse"], lobes: &[(427.0, 33.0, 1.0), (630.0, 24.0, 0.35)] },
    // Sunset Yellow FCF: 482 nm.
    Word { names: &["orange", "tangerine"], lobes: &[(480.0, 36.0, 1.0)] },
    // Acid fuchsin: 545 nm; erythrosine: 527 nm.
    Word {
        names: &["magenta", "fuchsia", "fuchsine", "pink", "rose"],
        lobes: &[(546.0, 24.0, 1.0), (515.0, 22.0, 0.4)],
    },
    // Copper phthalocyanine sulphonates: 610 to 670 nm.
    Word { names: &["cyan", "turquoise", "teal", "aqua"], lobes: &[(650.0, 32.0, 1.0), (605.0, 28.0, 0.5)] },
    // Crystal violet: 590 nm with a shoulder at 545 nm.
    Word {
        names: &["violet", "purple", "lilac", "lavender", "mauve", "plum"],
        lobes: &[(582.0, 26.0, 1.0), (545.0, 24.0, 0.6)],
    },
    // Indigo carmine: 610 nm.
    Word { names: &["indigo"], lobes: &[(610.0, 28.0, 1.0), (565.0, 30.0, 0.3)] },
    Word { names: &["brown", "caramel"], lobes: &[(420.0, 60.0, 1.0), (510.0, 55.0, 0.5)] },
    Word { names: &["black", "grey", "gray"], lobes: &[(440.0, 60.0, 0.9), (530.0, 60.0, 0.9), (620.0, 50.0, 1.0)] },
];

/// Decadic absorbance at the peak of a well full of stock: what the lab's own stocks have (`domain::dye`: 2.2 to 2.6).
const STRENGTH: f64 = 2.4;
/// Dyes drawn for a word. Their moments are good to a twentieth, which is far below the spread.
const DRAWN: usize = 500;
/// The share of a well at which an absorptivity is worked out: light of many wavelengths isn't weakened quite in proportion.
const TYPICAL_SHARE: f64 = 0.2;

impl ColourWord {
    /// The last word of `name` that is a colour: `red`, `Brilliant Blue`, `light-green`.
    pub fn of(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let known = |part: &str| WORDS.iter().position(|word| word.names.contains(&part));
        lower.split(|c: char| !c.is_alphabetic()).rev().find_map(known).map(Self)
    }

    /// The word, as `red`.
    pub fn name(self) -> &'static str {
        WORDS[self.0].names[0]
    }
}

impl Dye {
    /// What a dye's name tells: a colour word, or nothing (`?`, `dye-7`).
    pub fn of_name(name: &str) -> Self {
        ColourWord::of(name).map_or(Self::Unknown, Self::Word)
    }

    pub fn absorptivity(&self) -> Absorptivity {
        match self {
            Self::Word(word) => OF_WORDS[word.0].clone(),
            Self::Unknown => OF_UNKNOWN.clone(),
            Self::Known(absorptivity) => (**absorptivity).clone(),
        }
    }
}

static OF_WORDS: LazyLock<[Absorptivity; WORDS.len()]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        let mut dice = ChaCha8Rng::seed_from_u64(index as u64);
        moments(|| like(WORDS[index].lobes, &mut dice), 0.15)
    })
});

static OF_UNKNOWN: LazyLock<Absorptivity> = LazyLock::new(|| {
    let mut dice = ChaCha8Rng::seed_from_u64(99);
    moments(|| any(&mut dice), 0.3)
});

/// A dye that could bear the same name: shifted by some 15 nm, wider or narrower by a fifth, shoulders higher or lower by
/// 1.8, stronger or weaker by a half. (The spread that the study gives dyes of no library.)
fn like(lobes: &[Lobe], dice: &mut ChaCha8Rng) -> Spectrum {
    let mut normal = || dice.sample::<f64, _>(StandardNormal);
    let (shift, width, strength) = (13.0 * normal(), (0.15 * normal()).exp(), STRENGTH * (0.4 * normal()).exp());
    let lobes: Vec<Lobe> = lobes
        .iter()
        .enumerate()
        .map(|(index, (centre, sigma, height))| {
            let shoulder = if index == 0 { 1.0 } else { (0.5 * normal()).exp() };
            (centre + shift + 4.0 * normal(), sigma * width * (0.08 * normal()).exp(), height * shoulder)
        })
        .collect();
    absorbance(&lobes, strength)
}

/// Any dye: one to three bells anywhere in the visible.
fn any(dice: &mut ChaCha8Rng) -> Spectrum {
    let count = dice.random_range(1..=3);
    let lobes: Vec<Lobe> = (0..count)
        .map(|index| {
            let height = if index == 0 { 1.0 } else { dice.random_range(0.0..0.8) };
            (dice.random_range(395.0..680.0), dice.random_range(15.0..45.0), height)
        })
        .collect();
    let strength = STRENGTH * (0.45 * dice.sample::<f64, _>(StandardNormal)).exp();
    absorbance(&lobes, strength)
}

/// Natural absorbance of a well full of stock, by wavelength, with this decadic peak.
fn absorbance(lobes: &[Lobe], strength: f64) -> Spectrum {
    let shape =
        Spectrum::sample(|nm| lobes.iter().map(|(centre, sigma, height)| height * gaussian(nm, *centre, *sigma)).sum());
    let scale = strength * LN_10 / shape.peak().max(f64::MIN_POSITIVE);
    shape.map(|value| value * scale)
}

/// Mean and covariance over drawn dyes, and `floor` (a standard deviation) for what no drawn dye has.
fn moments(mut draw: impl FnMut() -> Spectrum, floor: f64) -> Absorptivity {
    let drawn: Vec<Bands> = (0..DRAWN).map(|_| seen_by_bands(&draw())).collect();
    let mean = drawn.iter().sum::<Bands>() / DRAWN as f64;
    let spread = |dye: &Bands| (dye - mean) * (dye - mean).transpose();
    let covariance = drawn.iter().map(spread).sum::<BandMatrix>() / DRAWN as f64 + near_bands() * (floor * floor);
    Absorptivity { mean, covariance }
}

/// The absorptivity that eight bands under the typical LED see.
fn seen_by_bands(absorbance: &Spectrum) -> Bands {
    let light = absorbance.map(|value| (-TYPICAL_SHARE * value).exp());
    Bands::from_fn(|band, _| -(light.weighed_by(&LIT_BANDS[band])).ln() / TYPICAL_SHARE)
}

/// Band response times the typical LED, each with an integral of 1.
static LIT_BANDS: LazyLock<[Spectrum; 8]> = LazyLock::new(|| {
    BANDS.map(|band| {
        let lit = band.response().times(&white_led());
        let whole = lit.weighed_by(&Spectrum::flat(1.0));
        lit.map(|value| value / whole)
    })
});

/// What a clear well's bands count beside the brightest, 0 to 1: with a sensor that answers alike to all wavelengths the darkest,
/// 415 nm, counts 3,400 of 45,000 (the study). The chip's own answer is weaker there; the lab takes four readings, which makes up for some.
pub(crate) static BRIGHTNESS: LazyLock<Bands> = LazyLock::new(|| {
    let alike = |band: usize| BANDS[band].response().map(|value| value / BANDS[band].responsivity);
    let counts = Bands::from_fn(|band, _| alike(band).weighed_by(&white_led()));
    counts / counts.max()
});
