//! A colour for every class.

use halfmoon_pool::Class;
use image::Rgb;

use crate::page::{Ink, byte};

/// The scheme "muted" of Paul Tol, Colour Schemes (SRON technical note 09-002, 2021), made to be told apart whatever
/// cones one has, and black.
const FIRST: [Ink; 10] = [
    Rgb([0xcc, 0x66, 0x77]),
    Rgb([0x33, 0x22, 0x88]),
    Rgb([0xdd, 0xcc, 0x77]),
    Rgb([0x11, 0x77, 0x33]),
    Rgb([0x88, 0xcc, 0xee]),
    Rgb([0x88, 0x22, 0x55]),
    Rgb([0x44, 0xaa, 0x99]),
    Rgb([0x99, 0x99, 0x33]),
    Rgb([0xaa, 0x44, 0x99]),
    Rgb([0x00, 0x00, 0x00]),
];

/// Of points without a class: lighter than every class.
pub(crate) const UNLABELLED: Ink = Rgb([0xd0, 0xd0, 0xd0]);

/// The colour of a class. Past the tenth, hues go round by the golden section of a circle and lightness changes from
/// one class to the next; no two of the first 300 are equal, but hundreds of colours cannot all be told apart.
pub(crate) fn ink(class: Class) -> Ink {
    FIRST.get(class.index()).copied().unwrap_or_else(|| {
        let lightness = [0.35, 0.5, 0.65][class.index() % 3];
        hsl((f32::from(class.0) * 0.618_034).fract(), 0.6, lightness)
    })
}

/// Places in [`FIRST`] of the colours that are dark enough for a line and for a word on white, neighbours far apart.
const LINES: [usize; 7] = [1, 0, 3, 8, 7, 5, 9];

/// The colour and the dashes of a line, which past the seventh are what tells it from another one.
pub(crate) fn line_ink(number: usize) -> (Ink, &'static str) {
    let dashes = ["", "7 3", "2 3", "9 3 2 3"][number / LINES.len() % 4];
    (FIRST[LINES[number % LINES.len()]], dashes)
}

/// Hue, saturation and lightness, each from 0 to 1.
fn hsl(hue: f32, saturation: f32, lightness: f32) -> Ink {
    let chroma = saturation * lightness.min(1.0 - lightness);
    // Each channel is a trapezoid over the hue, a third of the circle after the one before.
    Rgb([0.0, 8.0, 4.0].map(|shift: f32| {
        let place = (shift + hue * 12.0) % 12.0;
        byte(lightness - chroma * (place - 3.0).min(9.0 - place).clamp(-1.0, 1.0))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours as dichromats see them: Machado, Oliveira and Fernandes 2009, table 1, severity 1.
    const EYES: [(&str, [[f64; 3]; 3]); 4] = [
        ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deuteranopia",
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        ),
        (
            "tritanopia",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// CIE L*a*b* for D65 of a colour seen through such eyes.
    fn lab(ink: Ink, eyes: &[[f64; 3]; 3]) -> [f64; 3] {
        let linear = ink.0.map(|byte| {
            let v = f64::from(byte) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let to_xyz =
            [[0.412_456, 0.357_576, 0.180_438], [0.212_673, 0.715_152, 0.072_175], [0.019_334, 0.119_192, 0.950_304]];
        let xyz = times(&to_xyz, times(eyes, linear).map(|v| v.clamp(0.0, 1.0)));
        let white = [0.950_47, 1.0, 1.088_83];
        let f: [f64; 3] = std::array::from_fn(|i| {
            let v = xyz[i] / white[i];
            if v > 0.008_856 { v.cbrt() } else { 7.787 * v + 16.0 / 116.0 }
        });
        [116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])]
    }

    #[test]
    fn ten_classes_and_no_class_can_be_told_apart_whatever_cones_one_has() {
        // A difference of 2.3 is just noticeable; tab10, the usual default, comes down to 4.6.
        let inks: Vec<Ink> = FIRST.into_iter().chain([UNLABELLED, crate::page::WHITE]).collect();
        for (name, eyes) in &EYES {
            for (i, &a) in inks.iter().enumerate() {
                for &b in &inks[..i] {
                    let (one, other) = (lab(a, eyes), lab(b, eyes));
                    let apart = one.iter().zip(other).map(|(u, v)| (u - v).powi(2)).sum::<f64>().sqrt();
                    assert!(apart > 15.0, "{a:?} and {b:?} with {name}: {apart}");
                }
            }
        }
    }

    #[test]
    fn hundreds_of_classes_have_their_own_colours() {
        let mut inks: Vec<_> = (0..300).map(|class| ink(Class(class)).0).collect();
        inks.sort_unstable();
        inks.dedup();
        assert_eq!(inks.len(), 300);
        ink(Class(u16::MAX));
    }

    #[test]
    fn a_line_is_dark_enough_to_be_seen_and_looks_like_no_other() {
        let lines: Vec<_> = (0..28).map(line_ink).collect();
        assert!((1..28).all(|n| !lines[..n].contains(&lines[n])));
        // Luminance against white: 3 is what WCAG 2.1 (1.4.11) asks of graphics.
        for (ink, _) in lines {
            let luminance = lab(ink, &EYES[0].1)[0];
            assert!(luminance < 61.7, "{ink:?}: L* of {luminance}, and 61.7 is a contrast of 3");
        }
    }

    #[test]
    fn thirds_of_the_circle_are_red_green_and_blue() {
        assert_eq!(hsl(0.0, 1.0, 0.5).0, [255, 0, 0]);
        assert_eq!(hsl(1.0 / 3.0, 1.0, 0.5).0, [0, 255, 0]);
        assert_eq!(hsl(2.0 / 3.0, 1.0, 0.5).0, [0, 0, 255]);
        assert_eq!(hsl(0.3, 0.0, 0.5).0, [128; 3]);
    }
}
