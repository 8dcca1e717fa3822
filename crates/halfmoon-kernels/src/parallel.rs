//! How work is shared among the threads of the current `rayon` pool.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

/// Runs a program's work on a thread of the pool. From any other thread every kernel would hand its work
/// over, sleep and be woken; from here it does half of it at once, which is felt where steps are short.
pub fn in_pool<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| run())
}

/// The same on a pool of its own with so many threads, for work that goes on beside other work.
pub fn in_pool_of<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(run),
        // No thread can be had: the one that asks does it.
        Err(_) => run(),
    }
}

/// Below this many numbers waking another thread costs more than it saves.
pub(crate) const SMALL: usize = 1 << 14;

/// Cuts `0..count` into one run a thread, and calls `run` with each. Runs start at multiples of `step`
/// (a vector's or a cache line's length), and a little work (`cost` numbers in all) stays on this thread.
pub(crate) fn split(count: usize, step: usize, cost: usize, run: impl Fn(Range<usize>) + Sync) {
    let threads = rayon::current_num_threads();
    if cost < SMALL || threads == 1 || count <= step {
        return run(0..count);
    }
    let each = count.div_ceil(threads).next_multiple_of(step);
    (0..count.div_ceil(each)).into_par_iter().for_each(|part| run(part * each..((part + 1) * each).min(count)));
}

/// How long runs of numbers are, so that each thread gets one, and a little work stays on this thread.
pub(crate) fn run_of(count: usize) -> usize {
    if count < SMALL { SMALL } else { count.div_ceil(rayon::current_num_threads()).next_multiple_of(1024) }
}

/// A slice that several threads write to, each in places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    of: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]`, whose parts may be handed to other threads; that no two of them
// overlap is what the callers of `part` promise.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

/// A vector that `fill` writes: without setting every number to zero first.
///
/// # Safety
/// `fill` writes all `len` numbers and reads none that it has not written.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(Shared)) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    fill(Shared { start: numbers.as_mut_ptr(), len, of: std::marker::PhantomData });
    // SAFETY: the vector has this capacity, and `fill` wrote all of it, as the caller promises.
    unsafe { numbers.set_len(len) };
    numbers
}

impl<'a> Shared<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Shared<'a> {
        Shared { start: slice.as_mut_ptr(), len: slice.len(), of: std::marker::PhantomData }
    }

    /// This range of the slice.
    ///
    /// # Safety
    /// Until the result is gone nobody else may ask for any of these places, and they have been written.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that ranges are apart")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the slice, as just checked, and nobody else's, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// This range of the slice, which need not have been written yet.
    ///
    /// # Safety
    /// As of `part`, but for what it says of writing.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that ranges are apart")]
    pub(crate) unsafe fn unwritten(&self, range: Range<usize>) -> &mut [MaybeUninit<f32>] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the slice, as just checked, and nobody else's, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start).cast(), range.len()) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn pointer(&self) -> *mut f32 {
        self.start
    }
}
