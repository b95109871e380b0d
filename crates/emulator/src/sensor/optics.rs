//! From a well's liquid to counts: the sensor's white LED, and the room's light, shine through the well onto the chip.
//!
//! signal of a band = ∫ light × transmittance × band response, scaled so that the brightest band of a clear well counts
//! 45,000 at the usual settings by the LED at its usual current. Then noise (shot and 0.5 %), a small dark count, and the clip at
//! full scale. Bands' centres, widths and responsivities are the data sheet's (`domain::reading`); what is a guess says so.

use crate::world::{Liquid, SensorFaults, View};
use domain::{
    dye,
    reading::{BANDS, Channels, LED_MA, Reading, SensorSettings},
    spectrum::{D65, Spectrum, gaussian},
};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::LazyLock;

/// Counts of a clear well at the usual settings, by the LED at its usual current: the brightest band, clear, and near infrared, of
/// which an LED has little. Guesses: what a LED a finger's breadth away makes of the chip's range.
const WHITE_COUNTS: f64 = 45_000.0;
const WHITE_CLEAR_COUNTS: f64 = 52_000.0;
const WHITE_NIR_COUNTS: f64 = 900.0;
/// The same of the room's light alone, by day: the brightest band, and near infrared. Guesses; the training labs read by it, with
/// the LED off, and see it change up to fourfold.
const ROOM_COUNTS: f64 = 2_700.0;
const ROOM_NIR_COUNTS: f64 = 500.0;
/// Counts without any light, at the usual settings. A guess within the sheet's 5 counts at 512× and 98 ms, which are 3.6 here.
const DARK_COUNTS: f64 = 3.0;
/// Noise in proportion to the signal (LED and amplifier). A guess, as is that shot noise is √counts whatever the gain.
const PROPORTIONAL_NOISE: f64 = 0.005;
/// The window's field at a well's height: off the middle by this much it sees 1/e of the light, mm. A guess.
const FIELD_MM: f64 = 3.5;
/// What the deck or the air throws back, as a share of white. A guess.
const DECK_SHARE: f64 = 0.03;

/// What every channel would count at the usual settings, free of noise.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Signal {
    bands: [f64; 8],
    clear: f64,
    nir: f64,
}

impl Signal {
    const NONE: Self = Self { bands: [0.0; 8], clear: 0.0, nir: 0.0 };

    /// This, and `other` so many times.
    fn plus(self, other: Self, times: f64) -> Self {
        Self {
            bands: std::array::from_fn(|band| self.bands[band] + times * other.bands[band]),
            clear: self.clear + times * other.clear,
            nir: self.nir + times * other.nir,
        }
    }
}

/// A light times each channel's response, scaled to counts.
struct Light {
    bands: [Spectrum; 8],
    clear: Spectrum,
    nir: f64,
}

impl Light {
    /// The brightest band of a clear well counts `brightest`.
    fn new(spectrum: &Spectrum, brightest: f64, nir: f64) -> Self {
        let clear_well = Spectrum::flat(1.0);
        let bands = BANDS.map(|band| band.response().times(spectrum));
        let most = bands.iter().map(|band| band.weighed_by(&clear_well)).fold(f64::MIN_POSITIVE, f64::max);
        // The clear channel responds alike to every wavelength. A guess.
        let clear = brightest * WHITE_CLEAR_COUNTS / WHITE_COUNTS / spectrum.weighed_by(&clear_well);
        Self {
            bands: bands.map(|band| band.map(|value| value * brightest / most)),
            clear: spectrum.map(|power| power * clear),
            nir,
        }
    }

    /// `nir_share` of the near infrared comes through.
    fn through(&self, transmittance: &Spectrum, nir_share: f64) -> Signal {
        Signal {
            bands: self.bands.map(|band| transmittance.weighed_by(&band)),
            clear: transmittance.weighed_by(&self.clear),
            nir: self.nir * nir_share,
        }
    }
}

/// This sensor's LED: 450 nm die, 560 nm phosphor. Not quite the typical one of `domain::spectrum`, as no LED is. A guess.
static LED: LazyLock<Light> = LazyLock::new(|| {
    let spectrum = Spectrum::sample(|nm| gaussian(nm, 450.0, 11.0) + 0.62 * gaussian(nm, 560.0, 52.0));
    Light::new(&spectrum, WHITE_COUNTS, WHITE_NIR_COUNTS)
});

/// The room's light: as much daylight as there is of neutral white LED lamps. A guess.
static ROOM: LazyLock<Light> = LazyLock::new(|| {
    let lamps = Spectrum::sample(|nm| 0.7 * gaussian(nm, 453.0, 12.0) + gaussian(nm, 580.0, 60.0));
    Light::new(&lamps.plus(&D65, 1.0 / D65.peak()), ROOM_COUNTS, ROOM_NIR_COUNTS)
});

/// How much light gets through `liquid`, by wavelength. What the dye library doesn't know is clear.
pub fn transmittance(liquid: &Liquid) -> Spectrum {
    let known = |(name, ul): (&str, f64)| Some((dye::library(name)?, ul / dye::FULL_WELL_UL));
    dye::mixture_transmittance(&liquid.components().filter_map(known).collect::<Vec<_>>())
}

/// Takes one reading of what is in view, by the LED as `settings` have it (at its usual current where they don't say) and the
/// room's light. `stray_light` is the share of white that passes the well by.
pub fn read(
    view: &View,
    settings: SensorSettings,
    stray_light: f64,
    faults: &SensorFaults,
    noise: &mut impl Rng,
) -> Reading {
    let led = faults.light * f64::from(settings.led_ma().unwrap_or(LED_MA)) / f64::from(LED_MA);
    let signal = signal(view, stray_light, led, faults.room);
    let scale = settings.exposure() / SensorSettings::default().exposure();
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

/// By so much of the LED's usual light and so much of the room's.
fn signal(view: &View, stray_light: f64, led: f64, room: f64) -> Signal {
    let (seen, nir_share) = match view {
        View::Dock { .. } => return Signal::NONE,
        View::Elsewhere => (Spectrum::flat(DECK_SHARE), DECK_SHARE),
        View::Well { liquid, off_centre_mm, .. } => {
            let field = (-(off_centre_mm / FIELD_MM).powi(2)).exp();
            let stray = stray_light.clamp(0.0, 1.0);
            let reaching = |share: f64| field * (stray + (1.0 - stray) * share);
            // The dyes let near infrared through.
            (transmittance(liquid).map(reaching), reaching(1.0))
        }
    };
    Signal::NONE.plus(LED.through(&seen, nir_share), led).plus(ROOM.through(&seen, nir_share), room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{PLATE_SLOT, Spot, bias_of, stroke};
    use domain::{
        Deck, Mount, PipetteModel, Recipe, Volume,
        colour::Xyz,
        doubt::judge,
        reading::{Average, Gain},
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
        assert!((46_000..50_000).contains(&brightest), "{white:?}");
        assert!((150..300).contains(&white.channels.ch410), "{white:?}");
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
        assert_eq!(bright.channels.ch620, u16::MAX);
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
    fn the_measured_colour_is_the_predicted_one_by_day_and_by_night() {
        let lit = SensorSettings::default().by_led();
        for room in [0.0, 1.0] {
            let faults = SensorFaults { room, ..SensorFaults::default() };
            let noise = &mut ChaCha8Rng::seed_from_u64(5);
            let mut look = |liquid: &Liquid| {
                let view = over(liquid.clone());
                let exposures: Vec<_> = (0..16).map(|_| read(&view, lit, 0.0, &faults, noise)).collect();
                let dark = read(&view, lit.without_led(), 0.0, &faults, noise);
                Average::of(&exposures).expect("the same settings").with_dark(Some(dark))
            };
            let white = look(&Liquid::default());
            for (red, yellow, blue) in [(60.0, 30.0, 0.0), (0.0, 80.0, 60.0), (20.0, 20.0, 20.0), (100.0, 0.0, 100.0)] {
                let mut liquid = Liquid::default();
                for (dye, ul) in [("red", red), ("yellow", yellow), ("blue", blue)] {
                    liquid.add(&Liquid::pure(dye, ul));
                }
                let seen = white.estimate(&look(&liquid)).expect("a colour").lab;
                let true_colour = Xyz::of_filtered_daylight(&transmittance(&liquid)).to_lab();
                let difference = seen.delta_e_2000(true_colour);
                assert!(difference < 2.0, "{difference} for {liquid:?}");
            }
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
        const INSTRUMENTS: u64 = 8;
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

    /// As often as a deck has it by default.
    fn look(liquid: &Liquid, noise: &mut ChaCha8Rng) -> Average {
        let (view, lit) = (over(liquid.clone()), SensorSettings::default().by_led());
        let mut exposure = |settings| read(&view, settings, 0.0, &SensorFaults::default(), noise);
        let exposures = [lit; 4].map(&mut exposure);
        Average::of(&exposures).expect("the same settings").with_dark(Some(exposure(lit.without_led())))
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
            let ul = stroke(PipetteModel::P300SingleGen2, bias_of(Mount::Right, seed), volume.ul(), noise);
            liquid.add(&Liquid::pure(dye.as_str(), ul));
        }
        liquid
    }

    #[test]
    fn a_broken_sensor_shows_it() {
        let broken = |faults: &SensorFaults| {
            read(&over(Liquid::default()), SensorSettings::default(), 0.0, faults, &mut ChaCha8Rng::seed_from_u64(5))
        };
        assert!(!broken(&SensorFaults { light: 0.0, ..SensorFaults::default() }).is_dark(), "the room's light is left");
        assert!(broken(&SensorFaults { light: 0.0, room: 0.0, ..SensorFaults::default() }).is_dark());
        assert!(broken(&SensorFaults { light: 2.0, ..SensorFaults::default() }).saturated);
        let one_band = broken(&SensorFaults { dead_band: Some("ch440".to_owned()), ..SensorFaults::default() });
        assert_eq!(one_band.channels.ch440, 0);
        assert!(one_band.channels.ch470 > 5_000, "{one_band:?}");
    }
}
