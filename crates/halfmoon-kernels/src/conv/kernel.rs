//! The two inner loops. Both keep a block of [MR, NR] vectors in registers; they differ in what the
//! lanes of a vector stand for: pixels in [`Tile`], output channels in [`Outer`].

#![expect(clippy::needless_range_loop, reason = "plain counting loops are what the compiler unrolls into registers")]

use pulp::{Simd, WithSimd};

/// How many vectors wide a block of accumulators is.
pub(super) const WIDE: usize = 3;

/// What the machine at hand has.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    /// How many `f32` a vector holds.
    pub(super) lanes: usize,
    /// Largest MR of [`Tile`].
    pub(super) tall: usize,
    /// Largest MR of [`Outer`]: 9, the taps of a 3×3 kernel, where there are 32 registers.
    pub(super) streams: usize,
}

/// Reports the [`Machine`].
pub(super) struct Probe;

impl WithSimd for Probe {
    type Output = Machine;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Machine {
        // NR + 1 registers are for operands, the rest for sums.
        let (tall, streams) = if S::REGISTER_COUNT >= 32 { (8, 9) } else { (4, 4) };
        Machine { lanes: S::F32_LANES, tall, streams }
    }
}

/// n things in as few parts as hold `most` each, as even as can be: (number of parts, size of the largest).
pub(super) fn parts(n: usize, most: usize) -> (usize, usize) {
    let parts = n.div_ceil(most).max(1);
    (parts, n.div_ceil(parts).max(1))
}

/// # Safety
/// `S::F32_LANES` numbers can be read from `at`.
#[inline(always)]
unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; vectors are plain old data and the read asks for no alignment.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `S::F32_LANES` numbers can be written from `at` on.
#[inline(always)]
unsafe fn store<S: Simd>(at: *mut f32, values: S::f32s) {
    // SAFETY: the caller's promise; the write asks for no alignment.
    unsafe { at.cast::<S::f32s>().write_unaligned(values) }
}

/// out[m, j] = Σ_k weights[k, m] · planes[at[j] + offsets[k]], where j counts vectors of pixels.
pub(super) struct Tile<'a> {
    /// Padded planes.
    pub(super) planes: &'a [f32],
    /// Where the vectors lie for offset 0: [NR].
    pub(super) at: &'a [usize],
    /// [k]
    pub(super) offsets: &'a [usize],
    /// [k, MR]
    pub(super) weights: &'a [f32],
    /// [MR, pitch], of which the first NR vectors of each row are written.
    pub(super) out: &'a mut [f32],
    pub(super) pitch: usize,
}

impl Tile<'_> {
    /// Runs the kernel for `tall` rows and as many vectors as `at` has.
    ///
    /// # Safety
    /// `at[j] + offsets[k] + S::F32_LANES <= planes.len()` for all j and k.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(self, simd: S, tall: usize) {
        macro_rules! run {
            ($($mr:literal)*) => {
                match (tall, self.at.len()) {
                    $(
                        ($mr, 1) => simd.vectorize(TileOf::<$mr, 1>(self)),
                        ($mr, 2) => simd.vectorize(TileOf::<$mr, 2>(self)),
                        ($mr, 3) => simd.vectorize(TileOf::<$mr, 3>(self)),
                    )*
                    (tall, wide) => unreachable!("no kernel of {tall} × {wide}"),
                }
            };
        }
        run!(1 2 3 4 5 6 7 8);
    }
}

/// With the size of its block in its type.
struct TileOf<'a, const MR: usize, const NR: usize>(Tile<'a>);
impl<const MR: usize, const NR: usize> WithSimd for TileOf<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tile { planes, at, offsets, weights, out, pitch } = self.0;
        assert!(at.len() == NR && weights.len() == offsets.len() * MR);
        assert!(out.len() >= (MR - 1) * pitch + NR * S::F32_LANES);
        let mut base = [planes.as_ptr(); NR];
        for j in 0..NR {
            base[j] = base[j].wrapping_add(at[j]);
        }
        let mut sum = [[simd.splat_f32s(0.0); NR]; MR];
        for (&offset, weights) in offsets.iter().zip(weights.chunks_exact(MR)) {
            let mut x = [simd.splat_f32s(0.0); NR];
            for j in 0..NR {
                // SAFETY: the caller of `run` promises that this vector lies in `planes`.
                x[j] = unsafe { load::<S>(base[j].wrapping_add(offset)) };
            }
            for m in 0..MR {
                let w = simd.splat_f32s(weights[m]);
                for j in 0..NR {
                    sum[m][j] = simd.mul_add_e_f32s(w, x[j], sum[m][j]);
                }
            }
        }
        for m in 0..MR {
            for j in 0..NR {
                // SAFETY: `out` is long enough, asserted above.
                unsafe { store::<S>(out.as_mut_ptr().add(m * pitch + j * S::F32_LANES), sum[m][j]) };
            }
        }
    }
}

/// sum[m, o] += Σ_(r, c) x[rows[r] + offsets[m] + c·step] · d[r·cols + c, o], where o runs over NR vectors.
pub(super) struct Outer<'a> {
    /// Padded planes.
    pub(super) x: &'a [f32],
    /// Where the rows of pixels start in `x`.
    pub(super) rows: &'a [usize],
    /// [MR]
    pub(super) offsets: &'a [usize],
    pub(super) step: usize,
    pub(super) cols: usize,
    /// [rows · cols, d_pitch], channels innermost.
    pub(super) d: &'a [f32],
    pub(super) d_pitch: usize,
    /// [MR, pitch]
    pub(super) sum: &'a mut [f32],
    pub(super) pitch: usize,
}

impl Outer<'_> {
    /// Runs the kernel for as many streams as `offsets` has and `wide` vectors of channels.
    ///
    /// # Safety
    /// `rows[r] + offsets[m] + (cols - 1) · step < x.len()` for all r and m.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(self, simd: S, wide: usize) {
        macro_rules! run {
            ($($mr:literal)*) => {
                match (self.offsets.len(), wide) {
                    $(
                        ($mr, 1) => simd.vectorize(OuterOf::<$mr, 1>(self)),
                        ($mr, 2) => simd.vectorize(OuterOf::<$mr, 2>(self)),
                        ($mr, 3) => simd.vectorize(OuterOf::<$mr, 3>(self)),
                    )*
                    (streams, wide) => unreachable!("no kernel of {streams} × {wide}"),
                }
            };
        }
        run!(1 2 3 4 5 6 7 8 9);
    }
}

/// With the size of its block in its type.
struct OuterOf<'a, const MR: usize, const NR: usize>(Outer<'a>);
impl<const MR: usize, const NR: usize> WithSimd for OuterOf<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Outer { x, rows, offsets, step, cols, d, d_pitch, sum: out, pitch } = self.0;
        let wide = NR * S::F32_LANES;
        assert!(offsets.len() == MR && out.len() >= (MR - 1) * pitch + wide);
        assert!(rows.is_empty() || d.len() >= (rows.len() * cols - 1) * d_pitch + wide);
        let mut sum = [[simd.splat_f32s(0.0); NR]; MR];
        for m in 0..MR {
            for j in 0..NR {
                // SAFETY: `out` is long enough, asserted above.
                sum[m][j] = unsafe { load::<S>(out.as_ptr().add(m * pitch + j * S::F32_LANES)) };
            }
        }
        let mut d = d.as_ptr();
        for &row in rows {
            let mut from = [x.as_ptr(); MR];
            for m in 0..MR {
                from[m] = from[m].wrapping_add(row + offsets[m]);
            }
            let mut at = 0;
            for _ in 0..cols {
                let mut g = [simd.splat_f32s(0.0); NR];
                for j in 0..NR {
                    // SAFETY: `d` holds rows · cols pixels, asserted above.
                    g[j] = unsafe { load::<S>(d.wrapping_add(j * S::F32_LANES)) };
                }
                for m in 0..MR {
                    // SAFETY: the caller of `run` promises that it lies in `x`.
                    let x = simd.splat_f32s(unsafe { *from[m].wrapping_add(at) });
                    for j in 0..NR {
                        sum[m][j] = simd.mul_add_e_f32s(x, g[j], sum[m][j]);
                    }
                }
                at += step;
                d = d.wrapping_add(d_pitch);
            }
        }
        for m in 0..MR {
            for j in 0..NR {
                // SAFETY: `out` is long enough, asserted above.
                unsafe { store::<S>(out.as_mut_ptr().add(m * pitch + j * S::F32_LANES), sum[m][j]) };
            }
        }
    }
}

/// Σ values, in an order that depends on their number alone.
#[inline(always)]
pub(super) fn sum<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(values);
    let mut sums = [simd.splat_f32s(0.0); 4];
    for four in vectors.chunks(4) {
        for (sum, &vector) in sums.iter_mut().zip(four) {
            *sum = simd.add_f32s(*sum, vector);
        }
    }
    let sum = simd.add_f32s(simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3]));
    simd.reduce_sum_f32s(sum) + rest.iter().sum::<f32>()
}
