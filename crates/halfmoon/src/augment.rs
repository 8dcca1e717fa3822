//! Pictures changed so that their class stays, and what a classifier should make of them: the same.
//!
//! Laine, Aila. *Temporal Ensembling for Semi-Supervised Learning*. ICLR 2017, arXiv:1610.02242: the Π-model, here with
//! the distance that virtual adversarial training has.
//!
//! ```text
//! E_u[KL(p(y | u) ‖ p(y | shift(u)))]        the first is a constant
//! ```

use burn::tensor::{Tensor, TensorData};
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use crate::dist::Categorical;
use crate::noise::Noise;

/// How pictures are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    /// They are not. So it is in every comparison with a paper.
    None,
    /// Each is moved by up to two pixels up or down and to the left or right; what comes in is black.
    Shift,
    /// Each is moved by up to four pixels, what comes in is its own mirror image, and half of them are mirrored left to right: how CIFAR-10 is
    /// trained on (Zagoruyko and Komodakis 2016; Grathwohl et al. 2020).
    CropFlip,
}

/// The most that a picture is moved by `shift`.
const MOST: i64 = 2;

/// The most that a picture is moved by `crop_flip`.
const MOST_CROPPED: i64 = 4;

impl Augment {
    /// Says what is wrong with rows of this layout.
    pub fn check(self, layout: &Layout) -> Result<(), String> {
        let least = match self {
            Augment::None => return Ok(()),
            Augment::Shift => 1,
            Augment::CropFlip => MOST_CROPPED + 1,
        };
        let Some(shape) = layout.image else {
            return Err("`augment` needs pictures, and this data has columns".into());
        };
        if shape.height.min(shape.width) < usize::try_from(least).expect("a few pixels") {
            return Err(format!("this `augment` needs pictures of at least {least} pixels a side"));
        }
        Ok(())
    }

    /// The pictures `[n, d]`, changed: `None` where they are not.
    pub fn changed(self, x: &Tensor<2>, shape: Option<ImageShape>, noise: &mut Noise) -> Option<Tensor<2>> {
        let shape = shape.filter(|_| self != Augment::None)?;
        let [rows, width] = x.dims();
        let drawn = if self == Augment::Shift { 2 } else { 3 };
        let draws = noise.uniform([rows, drawn]).into_data().iter::<f64>().collect::<Vec<f64>>();
        let pixels: Vec<f64> = x.clone().into_data().iter::<f64>().collect();
        let moved: Vec<f64> = pixels
            .chunks(width)
            .zip(draws.chunks(drawn))
            .flat_map(|(row, u)| match self {
                Augment::CropFlip => {
                    let steps = [step_of(u[0], MOST_CROPPED), step_of(u[1], MOST_CROPPED)];
                    cropped(row, shape, steps, u[2] < 0.5)
                }
                _ => shifted(row, shape, [step_of(u[0], MOST), step_of(u[1], MOST)]),
            })
            .collect();
        Some(Tensor::from_data(TensorData::new(moved, [rows, width]), (&x.device(), x.dtype())))
    }
}

/// Every step from −most to most is as likely, for u from 0 to 1.
#[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
fn step_of(u: f64, most: i64) -> i64 {
    ((u * (2 * most + 1) as f64) as i64).min(2 * most) - most
}

/// A picture moved down and to the right, its mirror image beyond its borders, and perhaps mirrored left to right.
fn cropped(row: &[f64], shape: ImageShape, [down, right]: [i64; 2], is_mirrored: bool) -> Vec<f64> {
    let ImageShape { height, width, channels, .. } = shape;
    // The pixel of the border is not repeated.
    let from = |to: usize, step: i64, size: usize| {
        let (last, from) =
            (i64::try_from(size).expect("few pixels") - 1, i64::try_from(to).expect("few pixels") - step);
        let within = if from > last { 2 * last - from } else { from.abs() };
        usize::try_from(within).expect("`check` sees to it that a picture is larger than a step")
    };
    let mut moved = Vec::with_capacity(row.len());
    for y in 0..height {
        for x in 0..width {
            let x = if is_mirrored { width - 1 - x } else { x };
            let place = (from(y, down, height) * width + from(x, right, width)) * channels;
            moved.extend_from_slice(&row[place..place + channels]);
        }
    }
    moved
}

/// A picture moved down and to the right.
fn shifted(row: &[f64], shape: ImageShape, [down, right]: [i64; 2]) -> Vec<f64> {
    let ImageShape { height, width, channels, .. } = shape;
    let from = |to: usize, step: i64, size: usize| {
        let from = i64::try_from(to).ok()? - step;
        usize::try_from(from).ok().filter(|&from| from < size)
    };
    let mut moved = Vec::with_capacity(row.len());
    for y in 0..height {
        for x in 0..width {
            let place = from(y, down, height).zip(from(x, right, width)).map(|(y, x)| (y * width + x) * channels);
            moved.extend((0..channels).map(|channel| place.map_or(0.0, |place| row[place + channel])));
        }
    }
    moved
}

/// KL(p ‖ of the changed rows), a mean over the rows: one number. p is a constant.
pub fn inconsistency(p: &Categorical, changed: &Categorical) -> Tensor<1> {
    Categorical { logits: p.logits.clone().detach() }.kl(changed).mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_moves_as_a_whole_and_black_comes_in() {
        let shape = ImageShape { height: 2, width: 3, channels: 2, white: 1.0 };
        let row: Vec<f64> = (1..=12).map(f64::from).collect();
        assert_eq!(shifted(&row, shape, [0, 0]), row);
        assert_eq!(shifted(&row, shape, [1, 0]), [0., 0., 0., 0., 0., 0., 1., 2., 3., 4., 5., 6.]);
        assert_eq!(shifted(&row, shape, [0, -1]), [3., 4., 5., 6., 0., 0., 9., 10., 11., 12., 0., 0.]);
        assert_eq!(shifted(&row, shape, [2, 0]), [0.0; 12]);
    }

    #[test]
    fn a_cropped_picture_goes_on_as_its_mirror_image() {
        let shape = ImageShape { height: 1, width: 5, channels: 1, white: 1.0 };
        let row = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(cropped(&row, shape, [0, 2], false), [3.0, 2.0, 1.0, 2.0, 3.0]);
        assert_eq!(cropped(&row, shape, [0, -4], false), [5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(cropped(&row, shape, [0, 0], true), [5.0, 4.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn all_steps_are_as_likely() {
        let counts =
            (0..1000).map(|i| step_of((f64::from(i) + 0.5) / 1000.0, MOST)).fold([0; 5], |mut counts, step| {
                counts[usize::try_from(step + MOST).expect("from 0 to 4")] += 1;
                counts
            });
        assert_eq!(counts, [200; 5]);
    }
}
