//! Weighted sums over padded planes: the output, and the gradient with respect to the input.

use std::cell::Cell;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::kernel::{Probe, Tile, WIDE, parts};
use super::pack::{Planes, Weave};
use crate::Activation;
use crate::parallel::Shared;

/// What a thread packs at a time, in numbers: 512 KiB, so that it stays in the second-level cache.
pub(super) const PACKED: usize = 1 << 17;

/// Fewer multiplications than this are done by the calling thread.
pub(super) const SMALL: u64 = 1 << 19;

/// A tap of the kernel.
pub(super) struct Tap {
    /// Its place in the kernel.
    pub(super) weight: usize,
    /// Which phase of the planes it reads.
    pub(super) phase: [usize; 2],
    /// Which row and column of the phase it reads first.
    pub(super) at: [usize; 2],
}

/// What makes every `stride`-th row and column of the result, from `start` on.
pub(super) struct Pass {
    pub(super) start: [usize; 2],
    pub(super) taps: Vec<Tap>,
}

/// result[n, m, q·stride + start] = Σ_(c, tap) weight[m, c, tap] · source[n, c, q + tap]
pub(super) struct Sweep<'a> {
    pub(super) batch: usize,
    /// How the source is packed. Its rows and columns are those of the halo alone.
    pub(super) planes: Planes,
    /// Of the result.
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) weight: &'a [f32],
    /// Between the weights of a channel of the result and the next, and of the source.
    pub(super) weight_strides: [usize; 2],
    pub(super) passes: Vec<Pass>,
}

/// What is swept over, and what happens to it before and after.
pub(super) struct Task<'a> {
    pub(super) before: Activation,
    pub(super) source: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) slope: Activation,
    pub(super) slope_at: &'a [f32],
}

/// A pass made ready.
struct Ready {
    start: [usize; 2],
    /// [channel of the source · tap]
    offsets: Vec<usize>,
    /// The largest of them.
    reach: usize,
    /// [block, channel of the source · tap, channel of the block]
    weights: Vec<f32>,
}

/// How the work is cut.
struct Plan<'a> {
    sweep: &'a Sweep<'a>,
    planes: Planes,
    passes: Vec<Ready>,
    lanes: usize,
    /// Channels of the result that are made together.
    tall: usize,
    blocks: usize,
    /// Rows, in steps of the stride, that are made together.
    band: usize,
    units: usize,
}

#[derive(Default)]
struct Scratch {
    planes: Vec<f32>,
    tile: Vec<f32>,
    activated: Vec<f32>,
    at: Vec<usize>,
}

thread_local! {
    // Fresh memory costs a page fault every 4 KiB, as much time as filling it.
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch::EMPTY) };
}

impl Scratch {
    const EMPTY: Scratch = Scratch { planes: Vec::new(), tile: Vec::new(), activated: Vec::new(), at: Vec::new() };
}

impl Sweep<'_> {
    pub(super) fn run(&self, arch: Arch, task: &Task, out: Shared) {
        if out.len() == 0 {
            return;
        }
        let machine = arch.dispatch(Probe);
        let [rows, cols] = [0, 1].map(|axis| self.size[axis].div_ceil(self.stride[axis]));
        let mut planes = self.planes.clone();
        planes.images = images_a_unit(cols, machine.lanes, self.batch);
        planes.cols += cols;
        let units = self.batch.div_ceil(planes.images);

        // Whole images while they fit; of larger ones a band of rows, and more of them than only halo.
        let halo = self.planes.rows;
        let a_row = planes.row() * planes.channels * planes.phases[0] * planes.phases[1];
        let fit = (PACKED / a_row.max(1)).saturating_sub(halo);
        let (bands, band) = parts(rows, fit.max(2 * halo).max(4));
        planes.rows = band + halo;
        let threads = rayon::current_num_threads();
        let fit = (PACKED / planes.unit().max(1)).max(1);
        let (groups, units_each) = parts(units, fit.min(units.div_ceil(4 * threads)));

        let (blocks, tall) = parts(self.channels, machine.tall);
        let splits = if groups * bands < 2 * threads { (2 * threads).div_ceil(groups * bands).min(blocks) } else { 1 };
        let (splits, blocks_each) = parts(blocks, blocks.div_ceil(splits));

        let passes = self.passes.iter().map(|pass| self.ready(pass, &planes, tall, blocks)).collect::<Vec<_>>();
        let macs = out.len() * passes.iter().map(|pass| pass.offsets.len()).sum::<usize>() / passes.len();
        let plan = Plan { sweep: self, planes, passes, lanes: machine.lanes, tall, blocks, band, units };
        let run = |index: usize| {
            let (group, band, split) = (index / splits / bands, index / splits % bands, index % splits);
            arch.dispatch(Part {
                plan: &plan,
                task,
                units: group * units_each..((group + 1) * units_each).min(units),
                first: band * plan.band,
                blocks: split * blocks_each..((split + 1) * blocks_each).min(blocks),
                out,
            });
        };
        let tasks = groups * bands * splits;
        if threads == 1 || (macs as u64) < SMALL {
            (0..tasks).for_each(run);
        } else {
            (0..tasks).into_par_iter().with_max_len(1).for_each(run);
        }
    }

    fn ready(&self, pass: &Pass, planes: &Planes, tall: usize, blocks: usize) -> Ready {
        let mut offsets = Vec::with_capacity(planes.channels * pass.taps.len());
        let mut places = Vec::with_capacity(planes.channels * pass.taps.len());
        for channel in 0..planes.channels {
            for tap in &pass.taps {
                let plane = tap.phase[0] * planes.phases[1] + tap.phase[1];
                let in_plane = tap.at[0] * planes.row() + tap.at[1] * planes.images;
                offsets.push(channel * planes.channel() + plane * planes.plane() + in_plane);
                places.push(channel * self.weight_strides[1] + tap.weight);
            }
        }
        let mut weights = vec![0.0; blocks * tall * offsets.len()];
        // Without taps there is nothing to add: kernels smaller than their stride leave gaps.
        for m in (0..self.channels).take_while(|_| !offsets.is_empty()) {
            let block = &mut weights[m / tall * tall * offsets.len()..][..tall * offsets.len()];
            let from = &self.weight[m * self.weight_strides[0]..];
            for (to, &place) in block[m % tall..].iter_mut().step_by(tall).zip(&places) {
                *to = from[place];
            }
        }
        Ready { start: pass.start, reach: offsets.iter().copied().max().unwrap_or(0), offsets, weights }
    }
}

/// How many images lie side by side, so that rows of `cols` fill vectors of `lanes`.
fn images_a_unit(cols: usize, lanes: usize, batch: usize) -> usize {
    let filled = |images: usize| (cols * images) as f32 / (cols * images).next_multiple_of(lanes) as f32;
    let mut best = 1;
    for images in [2, 4, 8, 16] {
        // Weaving images together costs a few in a hundred itself.
        if images <= batch && filled(images) > filled(best) + 0.04 {
            best = images;
        }
    }
    best
}

/// A group of units, a band of their rows, a range of the result's channels.
struct Part<'a> {
    plan: &'a Plan<'a>,
    task: &'a Task<'a>,
    units: Range<usize>,
    first: usize,
    blocks: Range<usize>,
    out: Shared<'a>,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { plan, task, units, first, blocks, out } = self;
        let Plan { sweep, planes, lanes, tall, .. } = plan;
        let (lanes, tall) = (*lanes, *tall);
        debug_assert!(units.end <= plan.units && blocks.end <= plan.blocks);
        let mut scratch = SCRATCH.take();

        let plane = planes.size[0] * planes.size[1];
        let needed = units.len() * planes.unit() + lanes;
        if scratch.planes.len() < needed {
            scratch.planes.resize(needed, 0.0);
        }
        for unit in units.clone() {
            let to = &mut scratch.planes[(unit - units.start) * planes.unit()..][..planes.unit()];
            planes.pack(to, first, task.before, &mut scratch.activated, |g, channel| {
                // In place of an image that there isn't, one that there is.
                let n = (unit * planes.images + g).min(sweep.batch - 1);
                &task.source[(n * planes.channels + channel) * plane..][..plane]
            });
        }

        let [height, width] = sweep.size;
        let [sy, sx] = sweep.stride;
        let rows = first * sy..((first + plan.band) * sy).min(height);
        // Rows of each phase; columns are those of the first, which has most.
        let in_band = |pass: &Ready| rows.len().saturating_sub(pass.start[0]).div_ceil(sy);
        let wide = (width.div_ceil(sx) * planes.images).div_ceil(lanes);
        let in_all = plan.passes.iter().map(in_band).sum::<usize>();
        let pitch = in_all * wide * lanes;
        if scratch.tile.len() < tall * pitch {
            scratch.tile.resize(tall * pitch, 0.0);
        }
        scratch.at.clear();
        for row in 0..plan.band {
            scratch.at.extend((0..wide).map(|vector| row * planes.row() + vector * lanes));
        }

        for block in blocks {
            let channels = block * tall..((block + 1) * tall).min(sweep.channels);
            for unit in units.clone() {
                let packed = &scratch.planes[(unit - units.start) * planes.unit()..];
                let images = unit * planes.images..((unit + 1) * planes.images).min(sweep.batch);

                // [pass, channel, row, vector]
                let mut done = 0;
                for pass in &plan.passes {
                    let at = &scratch.at[..in_band(pass) * wide];
                    let Some(furthest) = at.last() else { continue };
                    assert!(pass.offsets.is_empty() || furthest + pass.reach + lanes <= packed.len());
                    let weights = &pass.weights[block * tall * pass.offsets.len()..][..tall * pass.offsets.len()];
                    for at in at.chunks(parts(at.len(), WIDE).1) {
                        let out = &mut scratch.tile[done..];
                        let tile = Tile { planes: packed, at, offsets: &pass.offsets, weights, out, pitch };
                        // SAFETY: no place in `at` is beyond `furthest` and no offset beyond `reach`.
                        unsafe { tile.run(simd, tall) };
                        done += at.len() * lanes;
                    }
                }

                for (g, n) in images.clone().enumerate() {
                    for (m, channel) in channels.clone().enumerate() {
                        let add = task.bias.map_or(0.0, |bias| bias[channel]);
                        let start = (n * sweep.channels + channel) * height;
                        // SAFETY: nobody else makes these rows of this channel of this image.
                        let to = unsafe { out.part((start + rows.start) * width..(start + rows.end) * width) };
                        let mut from = &scratch.tile[m * pitch + g..];
                        for passes in plan.passes.chunks_exact(sx) {
                            let in_band = in_band(&passes[0]);
                            if in_band == 0 {
                                continue;
                            }
                            let to = &mut to[passes[0].start[0] * width..];
                            let row = wide * lanes;
                            let whole = width / sx;
                            let weave = Weave {
                                rows: in_band,
                                len: whole * sx,
                                to_row: sy * width,
                                from_row: row,
                                count: sx,
                                step: planes.images,
                                add,
                            };
                            weave.run(to, |x| &from[x * in_band * row..]);
                            for x in 0..width - whole * sx {
                                for r in 0..in_band {
                                    to[r * sy * width + whole * sx + x] =
                                        from[(x * in_band + r) * row + whole * planes.images] + add;
                                }
                            }
                            from = &from[(sx * in_band * row).min(from.len())..];
                        }
                        if task.slope != Activation::Identity {
                            let at = &task.slope_at[(start + rows.start) * width..(start + rows.end) * width];
                            task.slope.slope_at_input(to, at);
                        }
                    }
                }
            }
        }
        SCRATCH.set(scratch);
    }
}
