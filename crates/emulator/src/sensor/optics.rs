//! From a well's liquid to counts: a white LED shines through the well onto the chip.
//!
//! signal of a band = ∫ LED × transmittance × band response, scaled so that the brightest band of a clear well counts
//! 45,000 at the usual settings. Then noise (shot and 0.5 %), a small dark count, and the clip at full scale.

use crate::world::{Liquid, SensorFaults, View};
use domain::{
    dye,
    reading::{BANDS, Channels, Reading, SensorSettings},
    spectrum::{Spectrum, gaussian},
};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::LazyLock;

/// Counts of a clear well at the usual settings: the brightest band, clear, near infrared (an LED has little).
const WHITE_COUNTS: f64 = 45_000.0;
const WHITE_CLEAR_COUNTS: f64 = 52_000.0;
const WHITE_NIR_COUNTS: f64 = 900.0;
/// Counts without any light, at the usual settings.
const DARK_COUNTS: f64 = 4.0;
/// Noise in proportion to the signal (LED and amplifier).
const PROPORTIONAL_NOISE: f64 = 0.005;
/// The window's field at a well's height: off the middle by this much it sees 1/e of the light, mm.
const FIELD_MM: f64 = 3.5;
/// What the deck or the air throws back, as a share of white.
const DECK_SHARE: f64 = 0.03;

/// What every channel would count at the usual settings, free of noise.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Signal {
    bands: [f64; 8],
    clear: f64,
    nir: f64,
}

impl Signal {
    /// The same in another light.
    fn lit(self, light: f64) -> Self {
        Self { bands: self.bands.map(|band| band * light), clear: self.clear * light, nir: self.nir * light }
    }
}

/// LED times band response, scaled to counts, for each band and for clear.
static LIT_BANDS: LazyLock<([Spectrum; 8], Spectrum)> = LazyLock::new(|| {
    let led = led();
    let lit = BANDS.map(|band| band.response().times(&led));
    let brightest = lit.iter().map(|band| band.weighed_by(&Spectrum::flat(1.0))).fold(f64::MIN_POSITIVE, f64::max);
    let clear = led.map(|power| power * WHITE_CLEAR_COUNTS / led.weighed_by(&Spectrum::flat(1.0)));
    (lit.map(|band| band.map(|value| value * WHITE_COUNTS / brightest)), clear)
});

/// This sensor's LED: 450 nm die, 560 nm phosphor. Not quite the typical one of `domain::spectrum`, as no LED is.
fn led() -> Spectrum {
    Spectrum::sample(|nm| gaussian(nm, 450.0, 11.0) + 0.62 * gaussian(nm, 560.0, 52.0))
}

/// How much light gets through `liquid`, by wavelength. What the dye library doesn't know is clear.
pub fn transmittance(liquid: &Liquid) -> Spectrum {
    let known = |(name, ul): (&str, f64)| Some((dye::library(name)?, ul / dye::FULL_WELL_UL));
    dye::mixture_transmittance(&liquid.components().filter_map(known).collect::<Vec<_>>())
}

/// Takes one reading of what is in view. `stray_light` is the share of white that passes the well by.
pub fn read(
    view: &View,
    settings: SensorSettings,
    stray_light: f64,
    faults: &SensorFaults,
    noise: &mut impl Rng,
) -> Reading {
    let signal = signal(view, stray_light).lit(faults.light);
    let usual = SensorSettings::default();
    let exposure = |settings: SensorSettings| settings.gain().factor() * settings.integration_ms();
    let scale = exposure(settings) / exposure(usual);
    let mut count = |ideal: f64| {
        let expected = (ideal + DARK_COUNTS) * scale;
        let shot = expected.sqrt() * noise.sample::<f64, _>(StandardNormal);
        let other = PROPORTIONAL_NOISE * expected * noise.sample::<f64, _>(StandardNormal);
        (expected + shot + other).round().clamp(0.0, f64::from(settings.full_scale())) as u16
    };
    let mut bands = signal.bands.map(&mut count);
    let dead = faults.dead_band.as_ref().and_then(|name| BANDS.iter().position(|band| band.name == name));
    if let Some(band) = dead.and_then(|index| bands.get_mut(index)) {
        *band = 0;
    }
    let (clear, nir) = (count(signal.clear), count(signal.nir));
    Reading::new(Channels::new(bands, clear, nir), settings)
}

fn signal(view: &View, stray_light: f64) -> Signal {
    match view {
        View::Dock { .. } => Signal { bands: [0.0; 8], clear: 0.0, nir: 0.0 },
        View::Elsewhere => through(&Spectrum::flat(DECK_SHARE), DECK_SHARE),
        View::Well { liquid, off_centre_mm, .. } => {
            let field = (-(off_centre_mm / FIELD_MM).powi(2)).exp();
            let stray = stray_light.clamp(0.0, 1.0);
            let reaching = |share: f64| field * (stray + (1.0 - stray) * share);
            // The dyes let near infrared through.
            through(&transmittance(liquid).map(reaching), reaching(1.0))
        }
    }
}

fn through(transmittance: &Spectrum, nir_share: f64) -> Signal {
    let (bands, clear) = &*LIT_BANDS;
    Signal {
        bands: bands.map(|band| transmittance.weighed_by(&band)),
        clear: transmittance.weighed_by(clear),
        nir: WHITE_NIR_COUNTS * nir_share,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{PLATE_SLOT, Spot, stroke};
    use domain::{
        Deck, Mount, PipetteModel, Recipe, Volume,
        colour::{Xyz, estimate_reading},
        doubt::judge,
        reading::Gain,
    };
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    fn over(liquid: Liquid) -> View {
        let spot = Spot { slot: PLATE_SLOT, labware: "plate".into(), well: "A1".into() };
        View::Well { spot, liquid, off_centre_mm: 0.0 }
    }

    fn reading(view: &View, settings: SensorSettings) -> Reading {
        read(view, settings, 0.0, &SensorFaults::default(), &mut ChaCha8Rng::seed_from_u64(5))
    }

    #[test]
    fn a_clear_well_is_bright_and_the_violet_band_weak() {
        let white = reading(&over(Liquid::default()), SensorSettings::default());
        let brightest = white.channels.bands().into_iter().max().expect("bands");
        assert!((43_000..47_000).contains(&brightest), "{white:?}");
        assert!((2_000..6_000).contains(&white.channels.ch410), "{white:?}");
        assert!(!white.saturated);
    }

    #[test]
    fn more_red_dye_darkens_green_and_leaves_red() {
        let at = |ul| reading(&over(Liquid::pure("red", ul)), SensorSettings::default()).channels;
        let (little, more) = (at(30.0), at(90.0));
        assert!(f64::from(more.ch510) < 0.6 * f64::from(little.ch510), "{little:?} {more:?}");
        assert!((f64::from(more.ch670) / f64::from(little.ch670) - 1.0).abs() < 0.03);
    }

    #[test]
    fn too_much_gain_saturates_and_says_so() {
        let loud = SensorSettings::new(Gain::from_code(10).expect("code"), 100, 999).expect("settings");
        let bright = reading(&over(Liquid::default()), loud);
        assert!(bright.saturated);
        assert_eq!(bright.channels.ch550, u16::MAX);
        let short = SensorSettings::new(Gain::from_code(10).expect("code"), 0, 999).expect("settings");
        assert!(reading(&over(Liquid::default()), short).channels.bands().into_iter().all(|count| count <= 1_000));
    }

    #[test]
    fn the_dock_is_dark() {
        let spot = Spot { slot: PLATE_SLOT, labware: "dock".into(), well: "A2".into() };
        let dark = reading(&View::Dock { spot }, SensorSettings::default());
        assert!(dark.channels.named().all(|(_, count)| count < 30), "{dark:?}");
    }

    #[test]
    fn the_measured_colour_is_the_predicted_one() {
        let white = reading(&over(Liquid::default()), SensorSettings::default());
        for (red, yellow, blue) in [(60.0, 30.0, 0.0), (0.0, 80.0, 60.0), (20.0, 20.0, 20.0), (100.0, 0.0, 100.0)] {
            let mut liquid = Liquid::default();
            for (dye, ul) in [("red", red), ("yellow", yellow), ("blue", blue)] {
                liquid.add(&Liquid::pure(dye, ul));
            }
            let seen = estimate_reading(&reading(&over(liquid.clone()), SensorSettings::default()), &white);
            let true_colour = Xyz::of_filtered_daylight(&transmittance(&liquid)).to_lab();
            let difference = seen.expect("a colour").lab.delta_e_2000(true_colour);
            assert!(difference < 2.0, "{difference} for {liquid:?}");
        }
    }

    #[test]
    fn noise_is_the_seeds_and_small() {
        let view = over(Liquid::pure("blue", 50.0));
        let with = |seed| {
            read(&view, SensorSettings::default(), 0.0, &SensorFaults::default(), &mut ChaCha8Rng::seed_from_u64(seed))
        };
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        let (one, two) = (f64::from(with(1).channels.ch550), f64::from(with(2).channels.ch550));
        assert!((one / two - 1.0).abs() < 0.05);
    }

    /// Wells as this lab makes them: each volume off by the pipette's error, each reading by the sensor's. What is asked of
    /// the judge is that it believes them, and that it doesn't believe a well that somebody else had used before.
    #[test]
    fn an_honest_lab_is_believed_and_a_used_plate_is_not() {
        const INSTRUMENTS: u64 = 20;
        const WELLS: usize = 400;
        let deck = Deck::default();
        let (mut alarms, mut missed, mut worst) = (0, 0, 0.0_f64);
        for seed in 0..INSTRUMENTS {
            let mut noise = ChaCha8Rng::seed_from_u64(seed);
            let white = look(&Liquid::default(), &mut noise);
            for _ in 0..WELLS {
                let recipe = any_recipe(&mut noise);
                let liquid = pipetted(&recipe, seed, &mut noise);
                let honest = judge(&recipe, &deck, &look(&liquid, &mut noise), &white).expect("a colour");
                alarms += usize::from(honest.doubt.is_some());
                worst = worst.max(honest.delta_e.expect("library dyes"));
                let mut used = pipetted(&any_recipe(&mut noise), seed, &mut noise);
                used.add(&liquid);
                let on_top = judge(&recipe, &deck, &look(&used, &mut noise), &white).expect("a colour");
                missed += usize::from(on_top.doubt.is_none());
            }
        }
        let wells = WELLS * INSTRUMENTS as usize;
        println!(
            "{alarms} false alarms and {missed} used wells missed of {wells} each; an honest well is off by up to {worst:.2}"
        );
        assert!(alarms * 1_000 <= wells, "{alarms} false alarms in {wells} wells, off by up to {worst}");
        assert!(missed * 20 <= wells, "{missed} used wells of {wells} passed for good ones");
    }

    fn look(liquid: &Liquid, noise: &mut ChaCha8Rng) -> Reading {
        read(&over(liquid.clone()), SensorSettings::default(), 0.0, &SensorFaults::default(), noise)
    }

    /// One to three dyes, 20 µL or more of each, 300 at most.
    fn any_recipe(noise: &mut ChaCha8Rng) -> Recipe {
        let dyes = ["red", "yellow", "blue"];
        let (count, first) = (noise.random_range(1..=3), noise.random_range(0..3));
        let most = 300 / count as u32;
        Recipe::new((0..count).map(|index| {
            let ul = noise.random_range(20..=most);
            (dyes[(first + index) % 3].parse().expect("dye"), Volume::from_whole_ul(ul))
        }))
    }

    fn pipetted(recipe: &Recipe, seed: u64, noise: &mut ChaCha8Rng) -> Liquid {
        let mut liquid = Liquid::default();
        for (dye, volume) in recipe.iter() {
            let ul = stroke(PipetteModel::P300SingleGen2, Mount::Right, seed, volume.ul(), noise);
            liquid.add(&Liquid::pure(dye.as_str(), ul));
        }
        liquid
    }

    #[test]
    fn a_broken_sensor_shows_it() {
        let broken = |faults: &SensorFaults| {
            read(&over(Liquid::default()), SensorSettings::default(), 0.0, faults, &mut ChaCha8Rng::seed_from_u64(5))
        };
        assert!(broken(&SensorFaults { light: 0.0, ..SensorFaults::default() }).is_dark());
        assert!(broken(&SensorFaults { light: 2.0, ..SensorFaults::default() }).saturated);
        let one_band = broken(&SensorFaults { dead_band: Some("ch440".to_owned()), ..SensorFaults::default() });
        assert_eq!(one_band.channels.ch440, 0);
        assert!(one_band.channels.ch470 > 20_000, "{one_band:?}");
    }
}
