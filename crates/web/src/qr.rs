//! A QR code as the path of an SVG: one square a dark module, with the quiet zone around it.

use qrcode::{Color, QrCode};
use std::fmt::Write as _;

/// Modules of white around the code (ISO/IEC 18004, 6.3.8).
const QUIET: usize = 4;

pub struct Qr {
    /// Modules, the quiet zone among them.
    pub size: usize,
    pub path: String,
}

/// Nothing where the text is too long for any.
pub fn qr(text: &str) -> Option<Qr> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", index % width + QUIET, index / width + QUIET);
        }
    }
    Some(Qr { size: width + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finders_stand_in_three_corners() {
        let code = qr("otpauth://totp/Tincture:ada@example.org?secret=ABC&issuer=Tincture").expect("a code");
        let (near, far) = (QUIET, code.size - QUIET - 1);
        for (x, y) in [(near, near), (far, near), (near, far)] {
            assert!(code.path.contains(&format!("M{x} {y}h")), "{x} {y}");
        }
        assert!(!code.path.contains("M3 ") && !code.path.contains(" 3h"), "the quiet zone is white");
        assert!(qr(&"x".repeat(10_000)).is_none());
    }
}
