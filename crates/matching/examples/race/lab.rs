//! The study's virtual labs: dyes, light, bands, pipettes and plates that are a little, or very, unlike what the solver assumes. It shares
//! no line with the model of the crate but the sensor's nominal bands.

use domain::{
    colour::Lab as Colour,
    reading::BANDS,
    spectrum::{Spectrum, gaussian, sigma_of_fwhm},
};
use matching::{ColourMap, Rules, Well};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// How unlike the textbook a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Beer and Lambert, with the errors of pipettes, plate and sensor.
    Nominal,
    /// And stray light of 2 to 5 %, saturation of 2 to 8 %, dyes that change each other by 3 %, an LED that drifts.
    Mismatch,
    /// 6 to 12 %, 10 to 25 %, 10 %, absorbance to the power of 0.8 to 0.95, and twice the drift.
    Hard,
}

/// A dye as nature has it: bells (centre and standard deviation in nm, height) and the decadic absorbance of a full well.
#[derive(Clone, Debug)]
pub struct Nature {
    pub word: &'static str,
    pub lobes: &'static [(f64, f64, f64)],
    pub strength: f64,
}

/// Allura Red, tartrazine and Brilliant Blue as the study has them.
pub const PRIMARY: [Nature; 3] = [
    Nature { word: "red", lobes: &[(504.0, 33.0, 1.0), (533.0, 18.0, 0.2)], strength: 2.4 },
    Nature { word: "yellow", lobes: &[(427.0, 35.0, 1.0)], strength: 2.2 },
    Nature { word: "blue", lobes: &[(629.0, 18.0, 1.0), (594.0, 26.0, 0.35), (408.0, 14.0, 0.18)], strength: 2.6 },
];

/// A printer's inks, and three more that a class may bring.
pub const SIX: [Nature; 6] = [
    Nature { word: "magenta", lobes: &[(552.0, 26.0, 1.0), (520.0, 26.0, 0.45)], strength: 2.3 },
    Nature { word: "yellow", lobes: &[(432.0, 33.0, 1.0)], strength: 2.2 },
    Nature { word: "cyan", lobes: &[(640.0, 34.0, 1.0), (600.0, 30.0, 0.4)], strength: 2.4 },
    Nature { word: "orange", lobes: &[(484.0, 34.0, 1.0)], strength: 2.3 },
    Nature { word: "green", lobes: &[(634.0, 22.0, 1.0), (428.0, 28.0, 0.6)], strength: 2.2 },
    Nature { word: "violet", lobes: &[(588.0, 28.0, 1.0), (548.0, 26.0, 0.5)], strength: 2.4 },
];

#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub mode: Mode,
    /// Dyes of no library: peaks up to 22 nm off, widths by a fifth, shoulders by 1.8, strength from a half to 1.6.
    pub other: bool,
    /// Wells of a hundred that are spoilt.
    pub spoilt: f64,
}

/// One lab, with the dice that its errors are thrown by.
#[derive(Clone, Debug)]
pub struct Lab {
    pub rules: Rules,
    kind: Kind,
    dyes: Vec<Spectrum>,
    interactions: Vec<(usize, usize, Spectrum)>,
    lit: [Spectrum; 8],
    white_counts: [f64; 8],
    stray: f64,
    saturation: f64,
    power: f64,
    drift: f64,
    bias: Vec<(f64, f64)>,
    position: f64,
    /// Wells since the white was read.
    since_white: usize,
    white: [f64; 8],
    dice: ChaCha8Rng,
}

impl Lab {
    pub fn new(kind: Kind, natures: &[Nature], rules: Rules, seed: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let d = &mut dice;
        let dyes: Vec<Spectrum> = natures.iter().map(|nature| dye(nature, kind.other, d)).collect();
        let (stray, saturation, interaction, power, drift, position) = match kind.mode {
            Mode::Nominal => (0.0, 0.0, 0.0, 1.0, 0.0, 0.01),
            Mode::Mismatch => {
                (between(d, 0.02, 0.05), between(d, 0.02, 0.08), 0.03, 1.0, between(d, 0.001, 0.003), 0.01)
            }
            Mode::Hard => (
                between(d, 0.06, 0.12),
                between(d, 0.10, 0.25),
                0.10,
                between(d, 0.80, 0.95),
                between(d, 0.002, 0.006),
                0.02,
            ),
        };
        let mut interactions = vec![];
        for one in 0..dyes.len() {
            for other in one + 1..dyes.len() {
                let (size, centre) = (interaction * normal(d), between(d, 420.0, 660.0));
                let product = dyes[one].times(&dyes[other]).map(f64::sqrt);
                let shape = Spectrum::sample(|nm| 0.5 + gaussian(nm, centre, 60.0));
                interactions.push((one, other, product.times(&shape).map(|value| 4.0 * size * value)));
            }
        }
        let led = (
            between(d, 447.0, 456.0),
            10.0 + normal(d),
            between(d, 550.0, 570.0),
            55.0 + 4.0 * normal(d),
            between(d, 0.55, 0.85),
        );
        let led = Spectrum::sample(|nm| gaussian(nm, led.0, led.1) + led.4 * gaussian(nm, led.2, led.3));
        let raw = BANDS.map(|band| {
            let (centre, width) =
                (band.centre_nm + 2.5 * normal(d), sigma_of_fwhm(band.fwhm_nm) * (1.0 + 0.03 * normal(d)));
            Spectrum::sample(|nm| gaussian(nm, centre, width)).times(&led)
        });
        let whole = raw.map(|band| band.weighed_by(&Spectrum::flat(1.0)));
        let brightest = whole.iter().copied().fold(0.0, f64::max);
        let lit = std::array::from_fn(|band| raw[band].map(|value| value / whole[band]));
        let bias = dyes.iter().map(|_| (0.01 * normal(d), 0.2 * normal(d))).collect();
        Self {
            rules,
            kind,
            dyes,
            interactions,
            lit,
            white_counts: whole.map(|counts| 45_000.0 * counts / brightest),
            stray,
            saturation,
            power,
            drift: drift * if d.random::<bool>() { 1.0 } else { -1.0 },
            bias,
            position,
            since_white: 0,
            white: [1.0; 8],
            dice,
        }
    }

    /// What a well with exactly this in it would read, free of all errors but the lab's own optics.
    pub fn truth(&self, ul: &[f64]) -> [f64; 8] {
        let given: Vec<f64> = ul
            .iter()
            .zip(&self.bias)
            .map(|(ul, (share, more))| if *ul > 0.0 { ul * (1.0 + share) + more } else { 0.0 })
            .collect();
        self.through(&given)
    }

    fn through(&self, ul: &[f64]) -> [f64; 8] {
        let shares: Vec<f64> = ul.iter().map(|ul| (ul / self.rules.most_ul()).max(0.0)).collect();
        let mut absorbance = Spectrum::flat(0.0);
        for (dye, share) in self.dyes.iter().zip(&shares) {
            absorbance = absorbance.plus(dye, *share);
        }
        for (one, other, spectrum) in &self.interactions {
            absorbance = absorbance.plus(spectrum, shares[*one] * shares[*other]);
        }
        let power = self.power;
        let light = absorbance.map(|value| 10f64.powf(-value.max(0.0).powf(power)));
        std::array::from_fn(|band| {
            let share = light.weighed_by(&self.lit[band]);
            let seen = self.stray + (1.0 - self.stray) * share;
            seen * (1.0 + self.saturation) / (1.0 + self.saturation * seen)
        })
    }

    /// Reads the white anew, as before each batch: four readings.
    pub fn read_white(&mut self) {
        self.since_white = 0;
        for (white, counts) in self.white.iter_mut().zip(self.white_counts) {
            *white = 1.0 + (0.005 + 1.0 / counts.sqrt()) / 2.0 * normal(&mut self.dice);
        }
    }

    /// Mixes and reads a well.
    pub fn mix(&mut self, ul: &[f64]) -> Well {
        let spoilt = self.dice.random::<f64>() < self.kind.spoilt;
        let bubble = self.dice.random::<bool>();
        let mut given: Vec<f64> = vec![];
        for (ul, (share, more)) in ul.iter().zip(self.bias.clone()) {
            let error = cv(*ul) * normal(&mut self.dice);
            given.push(if *ul > 0.0 { ul * (1.0 + share + error) + more } else { 0.0 });
        }
        if spoilt && !bubble {
            let mut used: Vec<usize> = (0..ul.len()).filter(|dye| ul[*dye] > 0.0).collect();
            used.shuffle(&mut self.dice);
            given[used[0]] = 0.0;
        }
        let truth = self.through(&given);
        let d = &mut self.dice;
        let gain = 1.0 + self.position * normal(d) + self.drift * self.since_white as f64;
        let gain = match (spoilt && bubble, d.random::<bool>()) {
            (false, _) => gain,
            (true, true) => gain * between(d, 0.5, 0.8),
            (true, false) => gain * between(d, 1.2, 1.5),
        };
        let (scatter, slope) = (0.005 * normal(d), 0.003 * normal(d));
        self.since_white += 1;
        let ratios = std::array::from_fn(|band| {
            let seen = truth[band] * gain * (-(scatter + slope * (band as f64 - 3.5) / 3.5)).exp();
            let counts = seen * self.white_counts[band];
            let read = (counts + counts.sqrt() * normal(d)) * (1.0 + 0.005 * normal(d));
            (read / self.white_counts[band] / self.white[band]).max(0.0)
        });
        Well { ul: ul.to_vec(), ratios }
    }

    /// The colour of a random recipe, and the recipe.
    pub fn reachable(&mut self, map: &ColourMap) -> (Colour, Vec<f64>) {
        let ul = loop {
            let mut ul: Vec<f64> = (0..self.dyes.len()).map(|_| exponential(&mut self.dice)).collect();
            let total = ul.iter().sum::<f64>() + exponential(&mut self.dice);
            let most = self.rules.most_ul();
            ul.iter_mut().for_each(|ul| *ul *= most / total);
            if let Some(ul) = self.rules.nearest(&ul) {
                break ul;
            }
        };
        (map.lab(&self.truth(&ul).into()), ul)
    }

    /// A colour that is at least `apart`, and less than 20, from all that can be mixed.
    pub fn unreachable(&mut self, map: &ColourMap, apart: f64) -> Colour {
        let recipes: Vec<Vec<f64>> =
            (0..1_500).map(|_| matching::at_random(self.dyes.len(), self.rules, &mut self.dice)).collect();
        let gamut: Vec<Colour> = recipes.iter().map(|ul| map.lab(&self.truth(ul).into())).collect();
        loop {
            let d = &mut self.dice;
            let colour = Colour { l: between(d, 20.0, 95.0), a: between(d, -70.0, 70.0), b: between(d, -70.0, 80.0) };
            let off = |index: &usize| gamut[*index].delta_e_2000(colour);
            let nearest = (0..gamut.len()).min_by(|a, b| off(a).total_cmp(&off(b))).expect("recipes");
            let near = off(&nearest);
            if (apart..20.0).contains(&near) && self.nearer(map, colour, recipes[nearest].clone(), near) >= apart {
                return colour;
            }
        }
    }

    /// ΔE of the best recipe round this one.
    fn nearer(&mut self, map: &ColourMap, colour: Colour, mut ul: Vec<f64>, mut delta_e: f64) -> f64 {
        for step_ul in [20.0, 10.0, 5.0, 2.0] {
            for _ in 0..60 {
                let moved: Vec<f64> = ul.iter().map(|ul| ul + step_ul * normal(&mut self.dice)).collect();
                let Some(moved) = self.rules.nearest(&moved) else { continue };
                let off = map.lab(&self.truth(&moved).into()).delta_e_2000(colour);
                if off < delta_e {
                    (ul, delta_e) = (moved, off);
                }
            }
        }
        delta_e
    }
}

fn dye(nature: &Nature, other: bool, dice: &mut ChaCha8Rng) -> Spectrum {
    let (shift, width, strength) = match other {
        true => (between(dice, -22.0, 22.0), between(dice, 0.8, 1.2), between(dice, 0.5, 1.6)),
        false => (2.0 * normal(dice), 1.0 + 0.04 * normal(dice), between(dice, 0.7, 1.3)),
    };
    let mut lobes = vec![];
    for (index, (centre, sigma, height)) in nature.lobes.iter().enumerate() {
        let factor = match (index, other) {
            (0, _) => 1.0,
            (_, true) => 1.8_f64.powf(between(dice, -1.0, 1.0)),
            (_, false) => 1.0 + 0.12 * normal(dice),
        };
        lobes.push((centre + shift, sigma * width, height * factor));
    }
    let shape =
        Spectrum::sample(|nm| lobes.iter().map(|(centre, sigma, height)| height * gaussian(nm, *centre, *sigma)).sum());
    let scale = nature.strength * strength / shape.peak();
    shape.map(|value| value * scale)
}

/// 2.5 % at 20 µL, 1.5 % at 50, 0.7 % from 200 on.
fn cv(ul: f64) -> f64 {
    let points = [(20.0, 0.025), (50.0, 0.015), (200.0, 0.007)];
    if ul <= 20.0 {
        return points[0].1;
    }
    points.windows(2).find(|pair| ul < pair[1].0).map_or(0.007, |pair| {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        low + (high - low) * (ul - from) / (to - from)
    })
}

fn normal(dice: &mut ChaCha8Rng) -> f64 {
    dice.sample(StandardNormal)
}

fn between(dice: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    dice.random_range(low..high)
}

fn exponential(dice: &mut ChaCha8Rng) -> f64 {
    -(1.0 - dice.random::<f64>()).ln()
}
