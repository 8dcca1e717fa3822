//! What the tests of the kernels share.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers from −1 to 1.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Fails unless every number is within `tolerance`, of its size or of 1, of what it should be.
pub(crate) fn assert_near(found: &[f32], tolerance: f64, exact: impl Fn(usize) -> f64) {
    for (at, &found) in found.iter().enumerate() {
        let exact = exact(at);
        let error = (f64::from(found) - exact).abs();
        assert!(error <= tolerance * exact.abs().max(1.0), "at {at}: {found} for {exact}");
    }
}
