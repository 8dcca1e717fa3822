//! How much of a row goes to which class, where the sums over the rows are fixed.
//!
//! ```text
//! r_ic = softmax_c((gain_ic + price_c)/temperature)        Σ_i r_ic = share_c · n
//! ```
//!
//! Of all r with these sums it has the most Σ_ic r_ic gain_ic + temperature · entropy(r). The prices are where the
//! dual of that, temperature · Σ_i log Σ_c exp((gain_ic + price_c)/temperature) − n Σ_c share_c price_c, is lowest.

use ndarray::Array2;

use crate::lbfgs::{Stop, minimise};
use crate::svm::narrow;

/// Ends where no sum differs from its share by more than a ten-thousandth of n.
const STOP: Stop = Stop { gradient: 1e-4, gain: 0.0, steps: 200 };

/// A smaller r is 0: numbers too small for all the digits of an f32 make products ten times as slow.
const NOTHING: f32 = 1e-7;

/// r for these prices, `[n, k]`, each row summing to 1; temperature is above 0.
pub(crate) fn shared(gains: &Array2<f32>, prices: &[f32], temperature: f32) -> Array2<f32> {
    let mut r = gains.clone();
    for mut row in r.rows_mut() {
        row.iter_mut().zip(prices).for_each(|(r, price)| *r = (*r + price) / temperature);
        let highest = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        row.mapv_inplace(|r| (r - highest).exp());
        let sum = row.sum();
        row.mapv_inplace(|r| if r < NOTHING * sum { 0.0 } else { r / sum });
    }
    r
}

/// Prices for which the sums are right, `[k]`; starts from `start`. The shares are above 0 and sum to 1.
pub(crate) fn prices(gains: &Array2<f32>, shares: &[f64], temperature: f32, start: &[f32]) -> Vec<f32> {
    let n = gains.nrows().max(1) as f64;
    let start = start.iter().copied().map(f64::from).collect();
    let dual = |prices: &[f64], gradient: &mut [f64]| {
        gradient.iter_mut().zip(shares).for_each(|(g, share)| *g = -share);
        let mut value = -prices.iter().zip(shares).map(|(price, share)| price * share).sum::<f64>();
        let temperature = f64::from(temperature);
        let mut weights = vec![0.0; prices.len()];
        for row in gains.rows() {
            weights.iter_mut().zip(&row).zip(prices).for_each(|((w, &gain), price)| *w = f64::from(gain) + price);
            let highest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut sum = 0.0;
            for w in &mut weights {
                *w = ((*w - highest) / temperature).exp();
                sum += *w;
            }
            value += (highest + temperature * sum.ln()) / n;
            gradient.iter_mut().zip(&weights).for_each(|(g, w)| *g += w / sum / n);
        }
        Some(value)
    };
    let prices = minimise(start, STOP, dual).expect("the dual never gives up");
    prices.into_iter().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, array};

    #[test]
    fn sums_are_those_wanted() {
        let gains = Array2::from_shape_fn((500, 3), |(i, j)| ((i * 7 + j * 3) as f32).sin() + j as f32);
        let shares = [0.5, 0.3, 0.2];
        for temperature in [0.01, 0.1, 1.0, 10.0] {
            let prices = prices(&gains, &shares, temperature, &[0.0; 3]);
            let sums = shared(&gains, &prices, temperature).sum_axis(Axis(0));
            for (sum, share) in sums.iter().zip(shares) {
                assert!((f64::from(*sum) / 500.0 - share).abs() <= 2e-4, "{temperature}: {sums}");
            }
        }
    }

    #[test]
    fn the_row_that_loses_least_goes_to_the_class_that_has_room() {
        // all three prefer the first class, which has room for one: the second row would lose most
        let gains = array![[3.0, 2.0], [3.0, 0.0], [3.0, 2.5]];
        let prices = prices(&gains, &[1.0 / 3.0, 2.0 / 3.0], 0.1, &[0.0; 2]);
        let r = shared(&gains, &prices, 0.1);
        assert_eq!(r.column(0).mapv(f32::round), array![0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_lone_row_is_divided_by_its_gains() {
        let r = shared(&array![[0.0, 2f32.ln()]], &[0.0, 0.0], 0.5);
        // exp(2 ln 2) = 4
        assert!((r[[0, 0]] - 0.2).abs() < 1e-6 && (r[[0, 1]] - 0.8).abs() < 1e-6);
    }
}
