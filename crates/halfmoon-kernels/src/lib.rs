//! The few operations that a training step spends its time in, on slices of `f32`, for CPUs.
//!
//! Each is a plain function of slices: no tensors, no graph. The crate `halfmoon` puts them behind its
//! tensors (`ops.rs`) and gives each its gradient. All are multi-threaded through the pool of `rayon`
//! (`RAYON_NUM_THREADS` is respected) and vectorised for what the machine has, found at run time:
//! AVX-512, AVX2, NEON or plain code. Sums are made in an order that depends on shapes alone; only inside
//! a matrix product it may depend on the number of threads.

mod activation;
pub mod adam;
pub mod bernoulli;
mod clock;
pub mod conv;
pub mod join;
pub mod linear;
mod math;
mod memory;
pub mod norm;
pub mod normal;
mod parallel;
#[cfg(test)]
mod testing;

pub use activation::{Activation, LEAK};
pub use clock::cpu_seconds;
pub use memory::keep_freed_memory;
pub use parallel::{in_pool, in_pool_of};
