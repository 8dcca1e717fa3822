//! From tensors to padded planes and back.

use crate::Activation;

/// How a unit, `images` images side by side, lies in scratch: [channel, phase y, phase x, row, column, image].
///
/// A stride splits rows and columns into phases, so that what neighbouring outputs read through one
/// tap of the kernel lies side by side.
#[derive(Clone)]
pub(super) struct Planes {
    pub(super) channels: usize,
    /// Size of the tensor's planes.
    pub(super) size: [usize; 2],
    pub(super) stride: [usize; 2],
    /// How many phases any tap reads: at most the stride.
    pub(super) phases: [usize; 2],
    /// Which row and column of the tensor is first: negative where there is padding.
    pub(super) origin: [isize; 2],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) images: usize,
}

impl Planes {
    /// Between a row and the next.
    pub(super) fn row(&self) -> usize {
        self.cols * self.images
    }

    /// Of one phase of one channel.
    pub(super) fn plane(&self) -> usize {
        self.rows * self.row()
    }

    /// Of one channel.
    pub(super) fn channel(&self) -> usize {
        self.plane() * self.phases[0] * self.phases[1]
    }

    /// Of all.
    pub(super) fn unit(&self) -> usize {
        self.channel() * self.channels
    }

    /// Fills the planes of one unit with rows from `first` (in steps of the stride) on. `image(g, channel)`
    /// is a plane of the tensor.
    #[inline(always)]
    pub(super) fn pack<'a>(
        &self,
        to: &mut [f32],
        first: usize,
        before: Activation,
        activated: &mut Vec<f32>,
        image: impl Fn(usize, usize) -> &'a [f32],
    ) {
        let [height, width] = self.size;
        // Rows of the tensor that are read.
        let top = first.cast_signed() * self.stride[0].cast_signed() + self.origin[0];
        let bottom = top + (self.rows * self.stride[0]).cast_signed();
        let inside = within(top, height)..within(bottom, height);
        for (channel, to) in to.chunks_exact_mut(self.channel()).enumerate() {
            if before != Activation::Identity {
                activated.clear();
                for g in 0..self.images {
                    activated.extend_from_slice(&image(g, channel)[inside.start * width..inside.end * width]);
                }
                before.apply(activated);
            }
            let rows = |g: usize| match before {
                Activation::Identity => &image(g, channel)[inside.start * width..inside.end * width],
                _ => &activated[g * inside.len() * width..][..inside.len() * width],
            };
            for (phase, to) in to.chunks_exact_mut(self.plane()).enumerate() {
                let [py, px] = [phase / self.phases[1], phase % self.phases[1]];
                let left = px.cast_signed() + self.origin[1];
                let from = ceil_div(-left, self.stride[1]).min(self.cols);
                let until = ceil_div(width.cast_signed() - left, self.stride[1]).clamp(from, self.cols);
                let covers = from == 0 && until == self.cols && top >= 0 && bottom <= height.cast_signed();
                if !covers {
                    to.fill(0.0);
                }
                if from == until {
                    continue;
                }
                let x = (left + (from * self.stride[1]).cast_signed()).cast_unsigned();
                // The rows that are in the tensor; the others stay 0.
                let above = top + py.cast_signed();
                let first = ceil_div(-above, self.stride[0]).min(self.rows);
                let last = ceil_div(height.cast_signed() - above, self.stride[0]).clamp(first, self.rows);
                let y = (above + (first * self.stride[0]).cast_signed() - inside.start.cast_signed()).cast_unsigned();
                let weave = Weave {
                    rows: last - first,
                    len: (until - from) * self.images,
                    to_row: self.row(),
                    from_row: self.stride[0] * width,
                    count: self.images,
                    step: self.stride[1],
                    add: 0.0,
                };
                if weave.rows > 0 {
                    let to = &mut to[first * self.row() + from * self.images..];
                    weave.run(to, |g| &rows(g)[y * width + x..]);
                }
            }
        }
    }
}

fn within(at: isize, size: usize) -> usize {
    at.clamp(0, size.cast_signed()).cast_unsigned()
}

/// ⌈n / d⌉, and 0 for negative n.
fn ceil_div(n: isize, d: usize) -> usize {
    n.max(0).cast_unsigned().div_ceil(d)
}

/// Above this the compiler's own loop, which goes several vectors at a time, is as good as any.
const LONG: usize = 64;

/// to[r, c · count + s] = source(s)[r, c · step] + add: several into one, or one into several.
pub(super) struct Weave {
    pub(super) rows: usize,
    /// How much of a row is written: a multiple of `count`.
    pub(super) len: usize,
    pub(super) to_row: usize,
    pub(super) from_row: usize,
    pub(super) count: usize,
    pub(super) step: usize,
    pub(super) add: f32,
}

impl Weave {
    #[inline(always)]
    pub(super) fn run<'a>(&self, to: &mut [f32], source: impl Fn(usize) -> &'a [f32]) {
        if self.len == 0 {
            return;
        }
        // Known steps and lengths make shuffles of vectors.
        match (self.count, self.step) {
            (1, 1) => self.run_with::<1, 1>(to, [source(0)]),
            (1, 2) => self.run_with::<1, 2>(to, [source(0)]),
            (2, 1) => self.run_with::<2, 1>(to, [source(0), source(1)]),
            (2, 2) => self.run_with::<2, 2>(to, [source(0), source(1)]),
            _ => {
                for s in 0..self.count {
                    let rows = source(s).chunks(self.from_row);
                    for (to, from) in to.chunks_mut(self.to_row).zip(rows).take(self.rows) {
                        let to = to[s..self.len].iter_mut().step_by(self.count);
                        to.zip(from.iter().step_by(self.step)).for_each(|(to, from)| *to = from + self.add);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn run_with<const COUNT: usize, const STEP: usize>(&self, to: &mut [f32], from: [&[f32]; COUNT]) {
        let add = self.add;
        for row in 0..self.rows {
            let mut to = &mut to[row * self.to_row..][..self.len];
            let mut from = from;
            for from in &mut from {
                *from = &from[row * self.from_row..][..=(self.len / COUNT - 1) * STEP];
            }
            if COUNT == 1 && STEP == 1 && self.len >= LONG {
                to.iter_mut().zip(from[0]).for_each(|(to, from)| *to = from + add);
                continue;
            }
            macro_rules! steps {
                ($steps:literal) => {{
                    // All is read before any is written: the compiler need not ask whether they overlap.
                    let mut woven = [[0.0; COUNT]; $steps];
                    for s in 0..COUNT {
                        let from = &from[s][..($steps - 1) * STEP + 1];
                        for c in 0..$steps {
                            woven[c][s] = from[c * STEP] + add;
                        }
                    }
                    let (head, tail) = to.split_at_mut($steps * COUNT);
                    head.copy_from_slice(woven.as_flattened());
                    to = tail;
                    for from in &mut from {
                        *from = from.get($steps * STEP..).unwrap_or_default();
                    }
                }};
            }
            while to.len() >= 16 * COUNT {
                steps!(16);
            }
            if to.len() >= 8 * COUNT {
                steps!(8);
            }
            while !to.is_empty() {
                steps!(1);
            }
        }
    }
}

/// to[p, c] = from[c · plane + p], channels innermost. A row of `to` has `pitch` places, at its end zeros.
#[inline(always)]
pub(super) fn transpose(to: &mut [f32], pitch: usize, from: &[f32], plane: usize, pixels: usize, channels: usize) {
    // Pieces of a known size are shuffled in registers.
    const PIXELS: usize = 16;
    const CHANNELS: usize = 4;
    for first in (0..pixels).step_by(PIXELS) {
        let block = PIXELS.min(pixels - first);
        let to = &mut to[first * pitch..(first + block) * pitch];
        let mut c = 0;
        if block == PIXELS {
            while c + CHANNELS <= channels {
                let mut rows = [&[0.0; PIXELS]; CHANNELS];
                for s in 0..CHANNELS {
                    let row = from[(c + s) * plane + first..].first_chunk();
                    rows[s] = row.expect("a plane has all of its pixels");
                }
                for (p, to) in to.chunks_exact_mut(pitch).enumerate() {
                    to[c..c + CHANNELS].copy_from_slice(&[rows[0][p], rows[1][p], rows[2][p], rows[3][p]]);
                }
                c += CHANNELS;
            }
        }
        for c in c..channels {
            let from = &from[c * plane + first..][..block];
            to[c..].iter_mut().step_by(pitch).zip(from).for_each(|(to, from)| *to = *from);
        }
        if channels < pitch {
            to.chunks_exact_mut(pitch).for_each(|to| to[channels..].fill(0.0));
        }
    }
}
