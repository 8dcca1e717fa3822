//! Transductive support vector machines.
//!
//! Joachims. *Transductive inference for text classification using support vector machines*. ICML 1999. The classes
//! of the unlabelled rows are unknowns, too. As in Sindhwani, Keerthi, Chapelle. *Deterministic annealing for
//! semi-supervised kernel machines*, ICML 2006, a row may at first be a little of each class:
//!
//! ```text
//! f_c(x) = w_c · φ(x) + b_c
//! minimised    ½ Σ_c |w_c|² + C Σ_labelled Σ_c l(y_ic, f_c(x_i)) + C* Σ_unlabelled [Σ_c l(r_ic, f_c(x_i)) − T H(r_i)]
//!              l(r, f) = r h(f) + (1 − r) h(−f)        over w, b and r_ic ≥ 0 with Σ_c r_ic = 1
//! balance      Σ_i r_ic over the unlabelled rows is the share of class c among the labels
//! ```
//!
//! y_ic is 1 where c is row i's class, else 0; H is the entropy. By turns w and b are fitted to r, and r to w and b,
//! while the temperature T falls to where nearly every r is 0 or 1.
//!
//! Departures: several classes share one r, where one machine a class would let a row be in two classes or none. h is
//! the hinge max(0, 1 − z) with its kink rounded off within ½ (Chapelle, *Training a support vector machine in the
//! primal*, 2007). φ of an RBF kernel is that of some landmarks. The prices under which rows choose their classes in
//! balance are added to b.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

mod balance;
mod landmarks;

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice, azip};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::lbfgs::{Stop, minimise};
use crate::seen::{Labelled, Seen};
use crate::svm::gram::by_blocks;
use crate::svm::{FittedSvm, Kernel, calibrate, check_kernel, mean_row, narrow};
use crate::{GoOn, Method, Rows};
use landmarks::Landmarks;

/// Machines that also choose the classes of the unlabelled rows.
///
/// Columns are taken as they are: those with large numbers weigh more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tsvm {
    /// C: weight of the labelled rows' errors against the width of the margin. Larger than an SVM's, since the machine
    /// needs room to follow the unlabelled rows.
    pub c: f64,
    /// Weight of all unlabelled rows together, in multiples of that of all labelled ones.
    pub c_unlabelled: f64,
    /// RBF, or linear for many sparse columns such as words.
    pub kernel: Kernel,
    /// γ. `None`: 1/(d · variance of all rows' numbers).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Whether unlabelled rows keep the labels' proportions. Without it they may all end up in one class.
    pub balance: bool,
    /// Rows that an RBF kernel is told by: labelled ones, up to half of them, and others as the seed draws them.
    pub landmarks: usize,
    /// Unlabelled rows that are learned from; of more, as many as this, as the seed draws them.
    pub max_unlabelled: usize,
}

impl Default for Tsvm {
    fn default() -> Tsvm {
        Tsvm {
            c: 10.0,
            c_unlabelled: 3.0,
            kernel: Kernel::Rbf,
            gamma: None,
            balance: true,
            landmarks: 1000,
            max_unlabelled: 20_000,
        }
    }
}

/// T, one after the other. A hotter start forgets what the labels told: from 2 on, 100 labels and 10,000
/// unlabelled rows of MNIST end at a mean error of 16 % in place of 14 %, over three draws.
const COOLING: [f32; 4] = [1.0, 0.5, 0.25, 0.1];

/// T of the prices that are added to b: rows choose one class.
const COLD: f32 = 0.01;

/// Turns of fitting w and r for each T, if more than a thousandth of the rows keep on moving.
const TURNS: usize = 10;

/// Fits end where a step gains less than this share. The last one is to be exact.
const ROUGH: Stop = Stop { gradient: 0.0, gain: 1e-4, steps: 50 };
const TIGHT: Stop = Stop { gradient: 0.0, gain: 1e-7, steps: 300 };

impl Method for Tsvm {
    type Fitted = FittedSvm;

    fn check(&self) -> Result<(), String> {
        check_kernel(self.c, self.gamma)?;
        match () {
            () if !(self.c_unlabelled >= 0.0 && self.c_unlabelled.is_finite()) => {
                Err("`c_unlabelled` must not be below 0".to_owned())
            }
            // Their matrix is square.
            () if !(2..=10_000).contains(&self.landmarks) => Err("`landmarks` must be from 2 to 10000".to_owned()),
            () => Ok(()),
        }
    }

    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<FittedSvm> {
        let seen = Seen::new(rows);
        let labelled = Labelled::new(rows, &seen);
        let function = self.kernel.function(self.gamma, rows.x);
        let mut rng = ChaCha8Rng::seed_from_u64(rows.seed);
        let unlabelled = draw(unlabelled(rows), self.max_unlabelled, &mut rng);

        // Labelled rows first, unlabelled ones in the order in which they were drawn.
        let x = rows.x.select(Axis(0), &[labelled.rows.clone(), unlabelled].concat());
        let l = labelled.rows.len();
        let folds = labelled.folds(&labelled.x(rows), rows.seed);
        let centre = mean_row(x.view());
        let x = x - &centre;
        let landmarks = match self.kernel {
            Kernel::Linear => None,
            Kernel::Rbf => Some(Landmarks::new(function, self.landmarks(x.view(), l, &mut rng).view())),
        };
        go_on(0.0).then_some(())?;
        let mut phi = landmarks.as_ref().map_or_else(|| x.clone(), |landmarks| landmarks.features(x.view()));
        let middle = mean_row(phi.view());
        phi -= &middle;

        let shares = seen.shares();
        let y = Array2::from_shape_fn((l, shares.len()), |(row, k)| if labelled.places[row] == k { 1.0 } else { 0.0 });
        let problem = |c: Vec<f64>, part: Range<usize>| Problem {
            settings: self,
            labelled: phi.slice_axis(Axis(0), Slice::from(..l)),
            y: &y,
            c,
            unlabelled: phi.slice_axis(Axis(0), Slice::from(l + part.start..l + part.end)),
            shares: &shares,
        };
        let (mut held_out, mut places) = (vec![], vec![]);
        // Each fold has its own part of the unlabelled rows: all of them take as long as the fit itself.
        let u = phi.nrows() - l;
        for (fold, split) in folds.iter().enumerate() {
            let mut c = vec![self.c; l];
            split.test.iter().for_each(|&row| c[row] = 0.0);
            let part = fold * u / folds.len()..(fold + 1) * u / folds.len();
            let done = |done: f64| (fold as f64 + done) / folds.len() as f64 / 2.0;
            let found = problem(c, part).solve(&mut |share| go_on(done(share)))?;
            let rows = phi.select(Axis(0), &split.test).mapv(f64::from);
            held_out.extend(rows.dot(&found.weight) + &found.bias);
            places.extend(split.test.iter().map(|&row| labelled.places[row]));
        }
        let found = problem(vec![self.c; l], 0..u).solve(&mut |share| go_on(0.5 + share / 2.0))?;
        go_on(1.0).then_some(())?;

        let held_out =
            Array2::from_shape_vec((places.len(), shares.len()), held_out).expect("k numbers for each row held out");
        let bias = &found.bias - &middle.mapv(f64::from).dot(&found.weight);
        let (support, weight) = match landmarks {
            None => (Array2::zeros((0, x.ncols())), found.weight),
            Some(landmarks) => {
                let weight = landmarks.weight(&found.weight);
                (landmarks.rows, weight)
            }
        };
        Some(FittedSvm {
            function,
            centre,
            support,
            weight: weight.mapv(narrow),
            bias: bias.mapv(narrow),
            sharpness: narrow(calibrate::sharpness(&held_out, &places)),
            seen,
        })
    }
}

impl Tsvm {
    /// Rows to be landmarks, of `[n, d]` with the `l` labelled ones first: `[m, d]`.
    fn landmarks(&self, x: ArrayView2<f32>, l: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
        let mut chosen = draw((0..l).collect(), self.landmarks / 2, rng);
        let others =
            draw((0..x.nrows()).filter(|row| !chosen.contains(row)).collect(), self.landmarks - chosen.len(), rng);
        chosen.extend(others);
        x.select(Axis(0), &chosen)
    }
}

fn unlabelled(rows: &Rows) -> Vec<usize> {
    (0..rows.labels.len()).filter(|&row| rows.labels[row].is_none()).collect()
}

/// At most `count` of them, in random order.
fn draw(mut from: Vec<usize>, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    from.shuffle(rng);
    from.truncate(count);
    from
}

/// Some rows, to which machines are fitted. What is fitted is W `[m, k]`, row by row, and b `[k]` behind it.
struct Problem<'a> {
    settings: &'a Tsvm,
    /// φ of the labelled rows: `[l, m]`.
    labelled: ArrayView2<'a, f32>,
    /// Their classes: `[l, k]`, 1 for the class and 0 for the others.
    y: &'a Array2<f32>,
    /// C for each: `[l]`.
    c: Vec<f64>,
    /// φ of the unlabelled rows: `[u, m]`.
    unlabelled: ArrayView2<'a, f32>,
    /// The classes' shares of the labels: `[k]`.
    shares: &'a [f64],
}

/// f_c(x) = w_c · φ(x) + b_c.
struct Machines {
    /// `[m, k]`.
    weight: Array2<f64>,
    /// `[k]`.
    bias: Array1<f64>,
}

impl Problem<'_> {
    fn solve(&self, go_on: GoOn) -> Option<Machines> {
        let (u, k) = (self.unlabelled.nrows(), self.shares.len());
        let start = vec![0.0; (self.labelled.ncols() + 1) * k];
        let mut at = self.fit(start, None, TIGHT, &mut || go_on(0.0))?;
        let mut prices = vec![0.0; k];
        if u > 0 && k > 1 {
            let mut r = self.choose(&at, COOLING[0], &mut prices);
            for (round, temperature) in COOLING.into_iter().enumerate() {
                for turn in 0..TURNS {
                    let done = (round as f64 + turn as f64 / TURNS as f64) / COOLING.len() as f64;
                    at = self.fit(at, Some(&r), ROUGH, &mut || go_on(done))?;
                    let chosen = self.choose(&at, temperature, &mut prices);
                    let moved = chosen.iter().zip(&r).map(|(a, b)| (a - b).abs()).sum::<f32>() / 2.0;
                    r = chosen;
                    if moved <= u as f32 / 1000.0 {
                        break;
                    }
                }
            }
            at = self.fit(at, Some(&r), TIGHT, &mut || go_on(1.0))?;
            if self.settings.balance {
                // In units of f and not of the sum: what decides is f.
                prices = balance::prices(&self.decisions(&at, self.unlabelled), self.shares, COLD, &prices);
            }
        }
        let (weight, bias) = self.split(&at);
        let bias = &bias + &Array1::from(prices).mapv(f64::from);
        Some(Machines { weight: weight.to_owned(), bias })
    }

    /// r of the unlabelled rows that lowers the sum most: `[u, k]`. Starts from the prices of the last time, and
    /// leaves its own there.
    fn choose(&self, at: &[f64], temperature: f32, prices: &mut Vec<f32>) -> Array2<f32> {
        // What a row costs less in class c than in none.
        let gains = self.decisions(at, self.unlabelled).mapv(|f| hinge(-f).0 - hinge(f).0);
        if self.settings.balance {
            *prices = balance::prices(&gains, self.shares, temperature, prices);
        }
        balance::shared(&gains, prices, temperature)
    }

    /// C* that gives all unlabelled rows together their weight.
    fn full_c(&self) -> f64 {
        self.settings.c_unlabelled * self.c.iter().sum::<f64>() / self.unlabelled.nrows() as f64
    }

    /// The machines for these classes of the unlabelled rows, or for the labelled rows alone.
    fn fit(
        &self,
        start: Vec<f64>,
        r: Option<&Array2<f32>>,
        stop: Stop,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Option<Vec<f64>> {
        minimise(start, stop, |at, gradient| go_on().then(|| self.objective(at, r, gradient)))
    }

    /// The sum that is minimised, but for the entropy, and its gradient.
    fn objective(&self, at: &[f64], r: Option<&Array2<f32>>, gradient: &mut [f64]) -> f64 {
        let weights = self.labelled.ncols() * self.shares.len();
        gradient[..weights].copy_from_slice(&at[..weights]);
        gradient[weights..].fill(0.0);
        let mut value = at[..weights].iter().map(|w| w * w).sum::<f64>() / 2.0;
        value += self.add_losses(at, self.labelled, self.y, |row| self.c[row], gradient);
        if let Some(r) = r {
            let c = self.full_c();
            value += self.add_losses(at, self.unlabelled, r, |_| c, gradient);
        }
        value
    }

    /// Σ_i c_i Σ_c l(r_ic, f_c(x_i)), its gradient added to what is there.
    fn add_losses(
        &self,
        at: &[f64],
        phi: ArrayView2<f32>,
        r: &Array2<f32>,
        c: impl Fn(usize) -> f64 + Sync,
        gradient: &mut [f64],
    ) -> f64 {
        let (weight, bias) = self.narrow(at);
        let blocks: Vec<_> = phi.axis_chunks_iter(Axis(0), ROWS).zip(r.axis_chunks_iter(Axis(0), ROWS)).collect();
        // Each block's sums, added up in the order of the blocks.
        let parts: Vec<_> = blocks
            .into_par_iter()
            .enumerate()
            .map(|(block, (phi, r))| {
                let mut f = phi.dot(&weight) + &bias;
                let mut value = 0.0;
                for ((row, mut f), r) in (block * ROWS..).zip(f.rows_mut()).zip(r.rows()) {
                    let c = c(row);
                    azip!((f in &mut f, &r in &r) {
                        let ((inside, inside_slope), (outside, outside_slope)) = (hinge(*f), hinge(-*f));
                        value += c * f64::from(r * inside + (1.0 - r) * outside);
                        // f gives way to the slope.
                        *f = narrow(c) * (r * inside_slope - (1.0 - r) * outside_slope);
                    });
                }
                (value, phi.t().dot(&f), f.sum_axis(Axis(0)))
            })
            .collect();
        let mut value = 0.0;
        for (loss, d_weight, d_bias) in parts {
            value += loss;
            gradient.iter_mut().zip(d_weight.iter().chain(&d_bias)).for_each(|(sum, part)| *sum += f64::from(*part));
        }
        value
    }

    /// `[n, k]`.
    fn decisions(&self, at: &[f64], phi: ArrayView2<f32>) -> Array2<f32> {
        let (weight, bias) = self.narrow(at);
        by_blocks(phi, bias.len(), |phi| phi.dot(&weight) + &bias)
    }

    fn split<'a>(&self, at: &'a [f64]) -> (ArrayView2<'a, f64>, ArrayView1<'a, f64>) {
        let (m, k) = (self.labelled.ncols(), self.shares.len());
        let (weight, bias) = at.split_at(m * k);
        (ArrayView2::from_shape((m, k), weight).expect("m rows of k numbers"), ArrayView1::from(bias))
    }

    fn narrow(&self, at: &[f64]) -> (Array2<f32>, Array1<f32>) {
        let (weight, bias) = self.split(at);
        (weight.mapv(narrow), bias.mapv(narrow))
    }
}

/// Rows whose losses are summed at a time.
const ROWS: usize = 512;

/// h and its slope: max(0, 1 − z), a parabola between ½ and 1½.
fn hinge(z: f32) -> (f32, f32) {
    let below = 1.5 - z;
    match below {
        _ if below <= 0.0 => (0.0, 0.0),
        _ if below < 1.0 => (below * below / 2.0, -below),
        _ => (below - 0.5, -1.0),
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;

    use halfmoon_pool::Class;
    use ndarray::array;

    use super::*;
    use crate::{Fitted, Svm};

    /// Two half circles that reach into each other, `n` rows each, one after the other by turns.
    fn moons(n: u16) -> (Array2<f32>, Vec<u16>) {
        let mut x = Array2::zeros((2 * usize::from(n), 2));
        for (i, mut row) in x.rows_mut().into_iter().enumerate() {
            let angle = PI * (i / 2) as f32 / f32::from(n - 1);
            let (across, up) = (angle.cos(), angle.sin());
            row.assign(&Array1::from(if i % 2 == 0 { vec![across, up] } else { vec![1.0 - across, 0.5 - up] }));
        }
        (x, (0..2 * n).map(|i| i % 2).collect())
    }

    /// Labels of these rows alone.
    fn known(truth: &[u16], rows: &[usize]) -> Vec<Option<Class>> {
        (0..truth.len()).map(|row| rows.contains(&row).then_some(Class(truth[row]))).collect()
    }

    fn accuracy(probs: &Array2<f32>, truth: &[u16]) -> f64 {
        let right = |(p, y): &(ArrayView1<f32>, &u16)| p.iter().all(|&other| other <= p[usize::from(**y)]);
        probs.rows().into_iter().zip(truth).filter(right).count() as f64 / truth.len() as f64
    }

    /// One label a moon, halfway along each.
    fn moons_with_two_labels() -> (Array2<f32>, Vec<u16>, Vec<Option<Class>>) {
        let (x, truth) = moons(100);
        let labels = known(&truth, &[100, 101]);
        (x, truth, labels)
    }

    #[test]
    fn unlabelled_rows_tell_two_moons_apart() {
        let (x, truth, labels) = moons_with_two_labels();
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
        let svm = Svm { gamma: Some(10.0), ..Svm::default() };
        let tsvm = Tsvm { gamma: Some(10.0), c: svm.c, ..Tsvm::default() };
        let alone = svm.fit(&rows, &mut |_| true).expect("not told to stop");
        let found = tsvm.fit(&rows, &mut |_| true).expect("not told to stop");
        let alone = accuracy(&alone.probs(x.view()), &truth);
        assert!(alone < 0.9, "{alone}");
        assert!(accuracy(&found.probs(x.view()), &truth) > 0.99);
    }

    /// The first three rows are labelled, one in the first of two classes.
    fn problem<'a>(settings: &'a Tsvm, phi: &'a Array2<f32>, y: &'a Array2<f32>) -> Problem<'a> {
        Problem {
            settings,
            labelled: phi.slice_axis(Axis(0), Slice::from(..3)),
            y,
            c: vec![settings.c; 3],
            unlabelled: phi.slice_axis(Axis(0), Slice::from(3..)),
            shares: &[1.0 / 3.0, 2.0 / 3.0],
        }
    }

    fn y() -> Array2<f32> {
        array![[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    }

    #[test]
    fn every_turn_lowers_the_sum() {
        let (x, _) = moons(100);
        let settings = Tsvm { gamma: Some(10.0), ..Tsvm::default() };
        let phi = Landmarks::new(settings.kernel.function(settings.gamma, x.view()), x.view()).features(x.view());
        let y = y();
        let problem = problem(&settings, &phi, &y);
        for temperature in COOLING {
            let mut at = vec![0.0; (phi.ncols() + 1) * 2];
            let mut unused = at.clone();
            let mut sum = |at: &[f64], r: &Array2<f32>| {
                let entropy: f64 = r.iter().map(|&r| f64::from(if r > 0.0 { -r * r.ln() } else { 0.0 })).sum();
                problem.objective(at, Some(r), &mut unused) - problem.full_c() * f64::from(temperature) * entropy
            };
            // A poor start that is in balance.
            let mut prices = vec![0.0; 2];
            let mut r = Array2::from_shape_fn((197, 2), |(i, k)| if (i < 66) == (k == 0) { 1.0 } else { 0.0 });
            let first = sum(&at, &r);
            let mut before = first;
            for turn in 0..6 {
                at = problem.fit(at, Some(&r), ROUGH, &mut || true).expect("not told to stop");
                let fitted = sum(&at, &r);
                r = problem.choose(&at, temperature, &mut prices);
                let chosen = sum(&at, &r);
                // The balance holds up to a ten-thousandth of the rows.
                let slack = 1e-3 * before;
                assert!(fitted <= before && chosen <= fitted + slack, "{turn}: {before} {fitted} {chosen}");
                before = chosen;
            }
            assert!(before < 0.8 * first, "{before} {first}");
        }
    }

    #[test]
    fn slopes_are_those_of_the_sum() {
        let phi = Array2::from_shape_fn((9, 2), |(i, j)| ((i * 5 + j * 3) % 7) as f32 / 3.0 - 1.0);
        let settings = Tsvm::default();
        let y = y();
        let problem = problem(&settings, &phi, &y);
        let r = array![[0.1, 0.9], [0.7, 0.3], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.2, 0.8]];
        let at = vec![0.3, -0.2, 0.5, 0.1, -0.4, 0.2];
        let mut gradient = vec![0.0; 6];
        let mut unused = gradient.clone();
        problem.objective(&at, Some(&r), &mut gradient);
        for i in 0..at.len() {
            let mut value = |step: f64| {
                let mut at = at.clone();
                at[i] += step;
                problem.objective(&at, Some(&r), &mut unused)
            };
            let expected = (value(1e-2) - value(-1e-2)) / 2e-2;
            assert!((gradient[i] - expected).abs() < 1e-3 * expected.abs().max(1.0), "{i}: {} {expected}", gradient[i]);
        }
    }

    #[test]
    fn unlabelled_rows_keep_the_labels_proportions() {
        // Three of four rows lie around the one label of the first class.
        let x = Array2::from_shape_fn((403, 1), |(i, _)| if i % 4 == 0 { 1.0 } else { -1.0 } + (i as f32).sin() * 0.9);
        let mut labels = vec![None; 403];
        (labels[1], labels[2], labels[4]) = (Some(Class(0)), Some(Class(0)), Some(Class(1)));
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 3 };
        let share = |balance| {
            let tsvm = Tsvm { balance, ..Tsvm::default() };
            let probs = tsvm.fit(&rows, &mut |_| true).expect("not told to stop").probs(x.view());
            probs.rows().into_iter().filter(|p| p[0] > p[1]).count() as f64 / 403.0
        };
        assert!((share(true) - 2.0 / 3.0).abs() < 0.01, "{}", share(true));
        assert!((share(false) - 2.0 / 3.0).abs() > 0.05, "{}", share(false));
    }

    #[test]
    fn a_linear_kernel_needs_no_landmarks() {
        let x =
            Array2::from_shape_fn((200, 3), |(i, j)| if i % 2 == 0 { 1.0 } else { -1.0 } + ((i * 7 + j) as f32).sin());
        let truth: Vec<u16> = (0..200).map(|i| i % 2).collect();
        let labels = known(&truth, &[0, 1, 2, 3]);
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
        let tsvm = Tsvm { kernel: Kernel::Linear, ..Tsvm::default() };
        let arrays = tsvm.fit(&rows, &mut |_| true).expect("not told to stop").into_arrays();
        assert_eq!(arrays["weight"].shape(), [3, 2]);
        let again = FittedSvm::from_arrays(&arrays).expect("just kept");
        assert!(accuracy(&again.probs(x.view()), &truth) > 0.95);
    }

    #[test]
    fn the_seed_and_not_the_number_of_threads_decides() {
        let (x, _, labels) = moons_with_two_labels();
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 5 };
        let tsvm = Tsvm { landmarks: 50, max_unlabelled: 90, ..Tsvm::default() };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            pool.install(|| tsvm.fit(&rows, &mut |_| true).expect("not told to stop"))
        };
        assert_eq!(with(1), with(3));
        let other = tsvm.fit(&Rows { seed: 6, ..rows }, &mut |_| true).expect("not told to stop");
        assert_ne!(with(1), other);
    }

    #[test]
    fn whoever_says_stop_is_heard() {
        let (x, _, labels) = moons_with_two_labels();
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
        let mut asked = 0;
        let mut last = 0.0;
        let stopped = Tsvm::default().fit(&rows, &mut |done| {
            assert!(done >= last);
            last = done;
            asked += 1;
            asked < 50
        });
        assert_eq!((stopped, asked), (None, 50));
    }
}
