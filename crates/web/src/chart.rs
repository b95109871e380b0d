//! A well's spectrum as a drawing: the eight bands as measured, a tick where the recipe predicts each, and the curve of
//! the liquid's true transmittance behind them, which no band sees.

use crate::optics;
use domain::{Recipe, colour, reading::BANDS};
use std::fmt::Write;

/// The drawing's frame, px.
const WIDTH: f64 = 360.0;
const LEFT: f64 = 26.0;
const TOP: f64 = 10.0;
const BASE: f64 = 130.0;
/// The wavelengths it spans, nm.
const FROM_NM: f64 = 390.0;
const TO_NM: f64 = 710.0;

/// How far a prediction's tick stands out beside its bar, px.
const TICK_OVERHANG: f64 = 3.0;

#[derive(Clone, Debug)]
pub struct Bar {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub middle: f64,
    /// Where the prediction of this band lies, and the tick's ends.
    pub predicted_y: f64,
    pub tick: (f64, f64),
    /// The band's own colour.
    pub fill: &'static str,
    /// Centre wavelength, nm.
    pub nm: u32,
    pub label: String,
}

#[derive(Clone, Debug)]
pub struct Spectrum {
    pub bars: Vec<Bar>,
    /// SVG path of the predicted liquid's transmittance, wavelength by wavelength.
    pub curve: String,
    pub label: String,
}

const FILLS: [&str; 8] = ["#7a1fd1", "#2f3fe0", "#1789e6", "#12a66a", "#7fbf1e", "#e0b400", "#e8731a", "#c81e1e"];

fn x_of(nm: f64) -> f64 {
    LEFT + (nm - FROM_NM) / (TO_NM - FROM_NM) * (WIDTH - LEFT)
}

fn y_of(share: f64) -> f64 {
    BASE - share.clamp(0.0, 1.08) * (BASE - TOP)
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// `shares` are sample over white, in order of [`BANDS`].
pub fn spectrum(shares: &[f64; 8], recipe: &Recipe) -> Spectrum {
    let predicted = colour::predict(recipe).transmittance;
    let pairs = || shares.iter().copied().zip(predicted);
    let bars = pairs().zip(&BANDS).zip(FILLS).map(|((pair, band), fill)| bar(pair, band.centre_nm, fill)).collect();
    let said: Vec<_> = pairs()
        .zip(&BANDS)
        .map(|((share, predicted), band)| {
            format!("{:.0} nm {:.0} % (predicted {:.0} %)", band.centre_nm, share * 100.0, predicted * 100.0)
        })
        .collect();
    Spectrum { bars, curve: curve(recipe), label: format!("Transmittance: {}", said.join(", ")) }
}

fn bar((share, predicted): (f64, f64), centre_nm: f64, fill: &'static str) -> Bar {
    let (middle, top, width) = (x_of(centre_nm), y_of(share), 22.0);
    Bar {
        x: tenth(middle - width / 2.0),
        y: tenth(top),
        width,
        height: tenth(BASE - top),
        middle: tenth(middle),
        predicted_y: tenth(y_of(predicted)),
        tick: (tenth(middle - width / 2.0 - TICK_OVERHANG), tenth(middle + width / 2.0 + TICK_OVERHANG)),
        fill,
        nm: centre_nm as u32,
        label: format!("{centre_nm:.0} nm: measured {:.1} %, predicted {:.1} %", share * 100.0, predicted * 100.0),
    }
}

fn curve(recipe: &Recipe) -> String {
    let mut path = String::new();
    for (nm, share) in optics::transmittance(recipe).iter().filter(|(nm, _)| (FROM_NM..=TO_NM).contains(nm)) {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", tenth(x_of(nm)), tenth(y_of(share)));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_and_its_tick_agree_where_the_colour_does() {
        // Blue, 200 µL, ΔE00 0.7 off its prediction: at 680 nm the liquid is clear and the band still sees half of it.
        let recipe = Recipe::new([("blue".parse().expect("dye"), domain::Volume::from_whole_ul(200))]);
        let close = colour::predict(&recipe).transmittance.map(|share| share * 1.01);
        for bar in spectrum(&close, &recipe).bars {
            assert!((bar.y - bar.predicted_y).abs() < 2.0, "{bar:?}");
        }
        let red = spectrum(&close, &recipe).bars.pop().expect("680 nm");
        assert!(red.y > y_of(0.6), "a band isn't a wavelength: {red:?}");
    }
}
