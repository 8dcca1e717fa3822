//! The gradient with respect to the weights and the bias.

use std::cell::Cell;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Shape;
use super::kernel::{self, Machine, Outer, Probe, WIDE, parts};
use super::pack::{self, Planes};
use super::sweep::SMALL;
use crate::Activation;
use crate::parallel::Shared;

/// Images are cut into at most so many groups, each with sums of its own.
const GROUPS: usize = 16;
/// A group has at least so many pixels: adding its sums to the others' must not cost more than a little.
const PIXELS: usize = 1024;
/// What a thread packs at a time, in numbers: 768 KiB, so that it stays in the second-level cache.
const PACKED: usize = 3 << 16;
/// Of that, what it goes through while the sums stay in registers: 24 KiB, half a first-level cache.
const NEAR: usize = 3 << 11;

/// How many taps' sums are collected together: a cache line of weights.
const TAPS: usize = 16;

/// How the work is cut. Which numbers are added in which order depends on the shape alone.
struct Plan<'a> {
    shape: &'a Shape,
    before: Activation,
    x: &'a [f32],
    d_out: &'a [f32],
    machine: Machine,
    /// How x is packed, for as many channels as are done together.
    planes: Planes,
    /// Rows of the output, and images, that are packed together.
    band: usize,
    images: usize,
    /// Taps that are done together.
    streams: usize,
    /// Channels of the output, rounded up to whole vectors.
    pitch: usize,
    /// Vectors of channels that are done together.
    wide: usize,
}

#[derive(Default)]
struct Scratch {
    planes: Vec<f32>,
    d: Vec<f32>,
    activated: Vec<f32>,
    rows: Vec<usize>,
    offsets: Vec<usize>,
}

thread_local! {
    // Fresh memory costs a page fault every 4 KiB, as much time as filling it.
    static SCRATCH: Cell<Scratch> = const {
        Cell::new(Scratch {
            planes: Vec::new(),
            d: Vec::new(),
            activated: Vec::new(),
            rows: Vec::new(),
            offsets: Vec::new(),
        })
    };
}

pub(super) fn gradient(
    arch: Arch,
    shape: &Shape,
    before: Activation,
    x: &[f32],
    d_out: &[f32],
    d_weight: &mut [f32],
    d_bias: Option<&mut [f32]>,
) {
    if d_out.is_empty() || d_weight.is_empty() {
        d_weight.fill(0.0);
        if let Some(d_bias) = d_bias {
            d_bias.fill(0.0);
        }
        return;
    }
    let machine = arch.dispatch(Probe);
    let threads = rayon::current_num_threads();
    let [height, width] = shape.output();
    let (groups, group) = parts(shape.batch, shape.batch.div_ceil(GROUPS).max(PIXELS.div_ceil(height * width)));
    let splits = if groups < 2 * threads { (2 * threads).div_ceil(groups).min(shape.inputs) } else { 1 };
    let (splits, inputs) = parts(shape.inputs, shape.inputs.div_ceil(splits));

    let cols = (width - 1) * shape.stride[1] + shape.kernel[1];
    let pitch = shape.outputs.next_multiple_of(machine.lanes);
    // Whole images while they fit; of larger ones a band of rows.
    let a_row = shape.stride[0] * cols * inputs + width * pitch;
    let (_, band) = parts(height, (PACKED / a_row).max(2 * shape.kernel[0].div_ceil(shape.stride[0])));
    let planes = Planes {
        channels: inputs,
        size: [shape.height, shape.width],
        stride: [1, 1],
        phases: [1, 1],
        origin: shape.padding.map(|padding| -padding.cast_signed()),
        rows: (band - 1) * shape.stride[0] + shape.kernel[0],
        cols,
        images: 1,
    };
    let images = (PACKED / (planes.unit() + band * width * pitch)).max(1);
    let (blocks, streams) = parts(inputs * shape.taps(), machine.streams);
    let (_, wide) = parts(pitch / machine.lanes, WIDE);
    let plan = Plan { shape, before, x, d_out, machine, planes, band, images, streams, pitch, wide };

    // [group, split, tap, output]; of the biases [group, output].
    let rows = blocks * streams;
    let mut sums = vec![0.0; groups * splits * rows * pitch];
    let mut bias_sums = vec![0.0; if d_bias.is_some() { groups * shape.outputs } else { 0 }];
    let (shared, bias_shared) = (Shared::new(&mut sums), Shared::new(&mut bias_sums));
    let run = |index: usize| {
        let (group_at, split) = (index / splits, index % splits);
        let at = index * rows * pitch;
        let bias = if split == 0 && d_bias.is_some() { shape.outputs } else { 0 };
        arch.dispatch(Part {
            plan: &plan,
            images: group_at * group..((group_at + 1) * group).min(shape.batch),
            channels: split * inputs..((split + 1) * inputs).min(shape.inputs),
            // SAFETY: every index has sums of its own.
            sums: unsafe { shared.part(at..at + rows * pitch) },
            // SAFETY: every group has, and only its first index asks for them.
            bias: unsafe { bias_shared.part(group_at * bias..(group_at + 1) * bias) },
        });
    };
    let alone = threads == 1 || shape.macs() < SMALL;
    if alone {
        (0..groups * splits).for_each(run);
    } else {
        (0..groups * splits).into_par_iter().with_max_len(1).for_each(run);
    }

    // [output, split · tap] from the sum over groups of [split, tap, output], a few taps at a time.
    let fan_in = shape.fan_in();
    let of_split = inputs * shape.taps();
    let out = Shared::new(d_weight);
    let gather = |chunk: usize| {
        let taps = chunk * TAPS..((chunk + 1) * TAPS).min(fan_in);
        let mut tile = vec![0.0; TAPS * pitch];
        for group in 0..groups {
            for (tap, to) in taps.clone().zip(tile.chunks_exact_mut(pitch)) {
                let row = (group * splits + tap / of_split) * rows + tap % of_split;
                to.iter_mut().zip(&sums[row * pitch..]).for_each(|(to, from)| *to += from);
            }
        }
        for o in 0..shape.outputs {
            // SAFETY: nobody else makes these taps.
            let to = unsafe { out.part(o * fan_in + taps.start..o * fan_in + taps.end) };
            to.iter_mut().zip(tile[o..].iter().step_by(pitch)).for_each(|(to, from)| *to = *from);
        }
    };
    if alone {
        (0..fan_in.div_ceil(TAPS)).for_each(gather);
    } else {
        (0..fan_in.div_ceil(TAPS)).into_par_iter().with_min_len(4).for_each(gather);
    }
    if let Some(d_bias) = d_bias {
        for (o, to) in d_bias.iter_mut().enumerate() {
            *to = bias_sums[o..].iter().step_by(shape.outputs).sum();
        }
    }
}

/// A group of images and a range of the input's channels.
struct Part<'a> {
    plan: &'a Plan<'a>,
    images: Range<usize>,
    channels: Range<usize>,
    /// [tap, output]
    sums: &'a mut [f32],
    /// [output], or empty.
    bias: &'a mut [f32],
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { plan, images, channels, sums, bias } = self;
        let Plan { shape, planes, pitch, streams, .. } = plan;
        let (pitch, streams, lanes) = (*pitch, *streams, plan.machine.lanes);
        let mut scratch = SCRATCH.take();
        let Scratch { planes: packed, d, activated, rows, offsets } = &mut scratch;

        let planes = Planes { channels: channels.len(), ..planes.clone() };
        offsets.clear();
        for channel in 0..channels.len() {
            for ky in 0..shape.kernel[0] {
                for kx in 0..shape.kernel[1] {
                    offsets.push(channel * planes.channel() + ky * planes.row() + kx);
                }
            }
        }
        let reach = offsets.last().map_or(0, |&offset| offset);
        // The last block's spare streams read something, and nobody reads their sums.
        offsets.resize(offsets.len().next_multiple_of(streams), 0);

        let [height, width] = shape.output();
        let plane = shape.height * shape.width;
        for first_image in images.clone().step_by(plan.images) {
            let images = first_image..(first_image + plan.images).min(images.end);
            for first in (0..height).step_by(plan.band) {
                let band = plan.band.min(height - first);
                let pixels = band * width;
                // [block of outputs, image, pixel, output of the block]
                let block = plan.wide * lanes;
                let d_block = images.len() * pixels * block;
                grow(packed, images.len() * planes.unit());
                grow(d, d_block * pitch.div_ceil(block));
                rows.clear();
                for (slot, n) in images.clone().enumerate() {
                    let to = &mut packed[slot * planes.unit()..][..planes.unit()];
                    planes.pack(to, first * shape.stride[0], plan.before, activated, |_, channel| {
                        &plan.x[(n * shape.inputs + channels.start + channel) * plane..][..plane]
                    });
                    rows.extend((0..band).map(|row| slot * planes.unit() + row * shape.stride[0] * planes.row()));
                    let from = &plan.d_out[n * shape.outputs * height * width..][..shape.outputs * height * width];
                    for (at, d) in d.chunks_exact_mut(d_block).take(pitch.div_ceil(block)).enumerate() {
                        let outputs = block.min(shape.outputs - at * block);
                        let from = &from[at * block * height * width + first * width..];
                        let to = &mut d[slot * pixels * block..][..pixels * block];
                        pack::transpose(to, block, from, height * width, pixels, outputs);
                    }
                    for (bias, from) in bias.iter_mut().zip(from.chunks_exact(height * width)) {
                        *bias += kernel::sum(simd, &from[first * width..][..pixels]);
                    }
                }
                let furthest = rows.last().map_or(0, |&row| row) + (width - 1) * shape.stride[1];
                assert!(furthest + reach < packed.len());

                let near = (NEAR / (block * width)).max(1);
                for (at, rows) in rows.chunks(near).enumerate() {
                    for (o, d) in (0..pitch).step_by(block).zip(d.chunks_exact(d_block)) {
                        let d = &d[at * near * width * block..];
                        for (offsets, sums) in offsets.chunks(streams).zip(sums.chunks_mut(streams * pitch)) {
                            let outer = Outer {
                                x: packed,
                                rows,
                                offsets,
                                step: shape.stride[1],
                                cols: width,
                                d,
                                d_pitch: block,
                                sum: &mut sums[o..],
                                pitch,
                            };
                            // SAFETY: no row is beyond the last and no offset beyond `reach`.
                            unsafe { outer.run(simd, plan.wide.min((pitch - o) / lanes)) };
                        }
                    }
                }
            }
        }
        SCRATCH.set(scratch);
    }
}

fn grow(values: &mut Vec<f32>, len: usize) {
    if values.len() < len {
        values.resize(len, 0.0);
    }
}
