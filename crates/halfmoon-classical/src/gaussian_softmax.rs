//! The Gaussian-coupled softmax on rows that are given: a softmax whose weights are those of class Gaussians, fitted to
//! labelled and unlabelled rows together.
//!
//! Hayashi. *A Hybrid of Generative and Discriminative Models Based on the Gaussian-coupled Softmax Layer*. IEEE TNNLS 2024,
//! arXiv:2305.05912, for the layer. On rows that nothing trains its likelihood cannot be driven to infinity, and its maximum
//! is found by expectation maximisation (Dempster, Laird, Rubin 1977), with the labelled rows' classes known.
//!
//! ```text
//! p(x, k) = π_k 𝒩(x; μ_k, Σ)       k: one of several Gaussians of a class, and of no other class
//! p(k | x) = softmax_k(w_k · x + b_k)      w_k = Σ⁻¹ μ_k      b_k = ln π_k − ½ μ_kᵀ Σ⁻¹ μ_k
//! p(y | x) = Σ_(k of y) p(k | x)
//!
//! E  r_ik = p(k | x_i), of a labelled row p(k | x_i, y_i)
//! M  N_k = Σ_i r_ik     μ_k = Σ_i r_ik x_i / N_k     π_k = N_k / N     Σ = (Σ_i x_i x_iᵀ − Σ_k N_k μ_k μ_kᵀ) / N
//! ```
//!
//! Σ_i x_i x_iᵀ does not change, so a step costs two products with the rows and Σ is never summed again.
//!
//! Where it begins decides which maximum it finds. Labels that all lie at one end of their class say little of where the class
//! is; those that have flowed along a graph of near rows ([`LabelSpreading`]) say more, and the maximisation then has the last word.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Ix1, Ix2};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cholesky::Cholesky;
use crate::propagate::LabelSpreading;
use crate::seen::{Labelled, Seen, take};
use crate::svm::narrow;
use crate::{Arrays, Fitted, GoOn, Method, Rows};

/// Settings of the coupled softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianSoftmax {
    /// Where π comes from.
    pub prior: Prior,
    /// Gaussians a class. More than one where a class is no single cloud.
    pub components: usize,
    /// How much of Σ is that of a ball of the same mean variance: it keeps Σ invertible where rows are few. Lee et al. (2018)
    /// have 0; 0.05 changes little where rows are many.
    pub shrinkage: f64,
    /// How heavy an unlabelled row weighs beside a labelled one. 0: labelled rows alone.
    pub unlabelled: f64,
    /// Where the Gaussians begin.
    pub start: Start,
    /// Steps of expectation maximisation at most; it ends sooner where the likelihood of a row rises by less than 1e-6 nats.
    pub steps: usize,
}

/// Where the Gaussians begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At the labelled rows of their class.
    Labelled,
    /// Where labels that are spread along a graph put their class; of very many rows 10,000 are looked at.
    Spread,
}

/// Where the probabilities of the classes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// All classes are equally frequent.
    Uniform,
    /// As frequent as among the labelled rows.
    Labelled,
    /// As frequent as the model finds them among all rows.
    Estimate,
}

impl Default for GaussianSoftmax {
    fn default() -> GaussianSoftmax {
        GaussianSoftmax {
            prior: Prior::Estimate,
            components: 1,
            shrinkage: 0.05,
            unlabelled: 1.0,
            start: Start::Spread,
            steps: 200,
        }
    }
}

/// A step that raises the log-likelihood of a row by less than this is the last one.
const GAIN: f64 = 1e-6;

/// Unlabelled rows that labels are spread to.
const SPREAD_TO: usize = 10_000;

/// Rows that are multiplied at once.
const BLOCK: usize = 1024;

/// Gaussians with a common covariance, each of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedGaussianSoftmax {
    /// What is subtracted from rows first: `[d]`.
    centre: Array1<f32>,
    /// w: `[d, k]`.
    weight: Array2<f32>,
    /// b: `[k]`.
    bias: Array1<f32>,
    /// L⁻ᵀ with Σ = L Lᵀ, so that |(x − centre) L⁻ᵀ|² = xᵀ Σ⁻¹ x: `[d, d]`.
    whiten: Array2<f32>,
    /// −½ ln |2πΣ|: `[1]`.
    log_volume: Array1<f32>,
    seen: Seen,
}

impl Method for GaussianSoftmax {
    type Fitted = FittedGaussianSoftmax;

    fn check(&self) -> Result<(), String> {
        match () {
            () if self.components == 0 || self.components > 1000 => Err("`components` must be 1 to 1000".into()),
            () if !(self.shrinkage >= 0.0 && self.shrinkage <= 1.0) => Err("`shrinkage` must be 0 to 1".into()),
            () if !(self.unlabelled >= 0.0 && self.unlabelled.is_finite()) => {
                Err("`unlabelled` must be a weight of 0 or more".into())
            }
            () if self.steps == 0 => Err("`steps` must be at least 1".into()),
            () => Ok(()),
        }
    }

    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<FittedGaussianSoftmax> {
        let seen = Seen::new(rows);
        let labelled = Labelled::new(rows, &seen);
        let classes = seen.classes().len();
        let problem = Problem::new(self, rows, &labelled, classes);
        go_on(0.1).then_some(())?;
        let start = match self.start {
            Start::Spread if self.unlabelled > 0.0 && labelled.rows.len() < rows.labels.len() => {
                spread_start(self, rows, &problem, &mut |share| go_on(0.1 + 0.2 * share))?
            }
            Start::Labelled | Start::Spread => problem.start(&labelled, rows.seed),
        };
        let mixture = problem.climb(start, &mut |share| go_on(0.3 + 0.7 * share))?;
        let layer = mixture.layer();
        Some(FittedGaussianSoftmax {
            centre: problem.centre.mapv(narrow),
            weight: layer.weight,
            bias: layer.bias.mapv(narrow),
            whiten: mixture.covariance.whiten().mapv(narrow),
            log_volume: Array1::from_elem(1, narrow(mixture.covariance.log_volume())),
            seen,
        })
    }
}

/// Rows and what of them stays the same in every step.
struct Problem<'a> {
    settings: &'a GaussianSoftmax,
    x: ArrayView2<'a, f32>,
    /// Mean of all rows: `[d]`.
    centre: Array1<f64>,
    /// Place among the seen classes of each labelled row.
    place: Vec<Option<usize>>,
    classes: usize,
    /// Share of each class among the labelled rows.
    shares: Vec<f64>,
    /// Σ_i w_i x_i x_iᵀ of centred rows: `[d, d]`.
    gram: Array2<f64>,
    /// Σ_i w_i.
    weight: f64,
}

/// Σ_i w_i r_ik, Σ_i w_i r_ik x_i, and Σ_i w_i times the log of the sum over k that the row is free to choose from.
struct Sums {
    counts: Array1<f64>, // [k]
    rows: Array2<f64>,   // [k, d]
    log_sum: f64,
}

/// π, μ and Σ.
struct Mixture {
    log_prior: Array1<f64>, // [k]
    means: Array2<f64>,     // [k, d]
    covariance: Cholesky,
}

/// w and b.
struct Layer {
    weight: Array2<f32>, // [d, k]
    bias: Array1<f64>,   // [k]
}

impl Mixture {
    fn layer(&self) -> Layer {
        let whiten = self.covariance.whiten();
        let whitened = self.means.dot(&whiten); // μ L⁻ᵀ
        let weight = whitened.dot(&whiten.t()); // μ Σ⁻¹
        let bias = &self.log_prior - &(whitened.map_axis(Axis(1), |row| row.dot(&row)) * 0.5);
        Layer { weight: weight.t().mapv(narrow), bias }
    }
}

impl<'a> Problem<'a> {
    fn new(settings: &'a GaussianSoftmax, rows: &'a Rows, labelled: &Labelled, classes: usize) -> Problem<'a> {
        let x = rows.x;
        let mut place = vec![None; x.nrows()];
        for (&row, &class) in labelled.rows.iter().zip(&labelled.places) {
            place[row] = Some(class);
        }
        let d = x.ncols();
        let all = (0..x.nrows()).collect::<Vec<_>>();
        let sum = |part: &[usize]| {
            let mut sum = Array1::<f64>::zeros(d);
            for &row in part {
                sum.zip_mut_with(&x.row(row), |sum, &x| *sum += f64::from(x));
            }
            sum
        };
        let centre = in_order(all.par_chunks(BLOCK).map(sum), Array1::zeros(d), |a, b| a + b) / x.nrows().max(1) as f64;
        let mut problem = Problem {
            settings,
            x,
            centre,
            place,
            classes,
            shares: shares(labelled, classes),
            gram: Array2::zeros((d, d)),
            weight: 0.0,
        };
        problem.weight = (0..x.nrows()).map(|row| problem.weight_of(row)).sum();
        let gram = |part: &[usize]| {
            let mut block = problem.block(part);
            for (mut row, &item) in block.rows_mut().into_iter().zip(part) {
                row *= problem.weight_of(item).sqrt();
            }
            block.t().dot(&block)
        };
        problem.gram = in_order(all.par_chunks(BLOCK).map(gram), Array2::zeros((d, d)), |a, b| a + b);
        problem
    }

    fn weight_of(&self, row: usize) -> f64 {
        if self.place[row].is_some() { 1.0 } else { self.settings.unlabelled }
    }

    /// Centred rows: `[n, d]`.
    fn block(&self, rows: &[usize]) -> Array2<f64> {
        let mut block = Array2::zeros((rows.len(), self.x.ncols()));
        for (mut to, &row) in block.rows_mut().into_iter().zip(rows) {
            to.assign(&self.x.row(row).mapv(f64::from));
            to -= &self.centre;
        }
        block
    }

    /// Gaussians of a class, side by side.
    fn of_class(&self, class: usize) -> std::ops::Range<usize> {
        let each = self.settings.components;
        class * each..(class + 1) * each
    }

    /// Each class's labelled rows at its Gaussians, with the covariance of all rows around one centre; where a class has
    /// several Gaussians they begin at labelled rows of its own, drawn, and at its mean.
    fn start(&self, labelled: &Labelled, seed: u64) -> Mixture {
        let (d, each) = (self.x.ncols(), self.settings.components);
        let mut means = Array2::zeros((self.classes * each, d));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for class in 0..self.classes {
            let rows: Vec<usize> = labelled
                .rows
                .iter()
                .zip(&labelled.places)
                .filter_map(|(&row, &place)| (place == class).then_some(row))
                .collect();
            let mean = self.block(&rows).mean_axis(Axis(0)).expect("a seen class has a labelled row");
            let drawn = sample(&mut rng, rows.len(), (each - 1).min(rows.len()));
            means.slice_axis_mut(Axis(0), self.of_class(class).into()).assign(&mean);
            for (at, row) in drawn.into_iter().enumerate() {
                let own = self.block(&[rows[row]]);
                // Half way from the mean, so that one odd row is no Gaussian's centre.
                means.row_mut(class * each + 1 + at).assign(&((&mean + &own.row(0)) / 2.0));
            }
        }
        let covariance = &self.gram / self.weight.max(1.0);
        let log_prior = self.log_prior(&Array1::from_elem(self.classes * each, 1.0));
        Mixture { log_prior, means, covariance: Cholesky::of(&self.shrunk(covariance)) }
    }

    /// The part of Σ that is a ball grows with how little is known.
    fn shrunk(&self, mut covariance: Array2<f64>) -> Array2<f64> {
        let d = covariance.nrows();
        let mean = covariance.diag().sum() / d.max(1) as f64;
        // Rows that are all equal have no covariance; any will do.
        let ball = if mean > 0.0 { mean } else { 1.0 };
        // A ten-thousandth at the least: a column that is a sum of others would end the inversion.
        let share = self.settings.shrinkage.max(1e-4);
        covariance *= 1.0 - share;
        covariance.diag_mut().mapv_inplace(|v| v + share * ball);
        covariance
    }

    /// Steps to a maximum of the likelihood. `None` if it was told to stop.
    fn climb(&self, mut mixture: Mixture, go_on: GoOn) -> Option<Mixture> {
        let mut before = f64::NEG_INFINITY;
        for step in 0..self.settings.steps {
            go_on(step as f64 / self.settings.steps as f64).then_some(())?;
            let sums = self.expect(&mixture.layer());
            let value = self.log_likelihood(&mixture, &sums);
            if (value - before).abs() < GAIN * self.weight {
                break;
            }
            before = value;
            mixture = self.maximise(&sums);
        }
        go_on(1.0).then_some(mixture)
    }

    /// From how many rows each Gaussian has.
    fn log_prior(&self, counts: &Array1<f64>) -> Array1<f64> {
        let mut prior = Array1::zeros(counts.len());
        let total = counts.sum();
        for class in 0..self.classes {
            let own = counts.slice_axis(Axis(0), self.of_class(class).into());
            let share = match self.settings.prior {
                Prior::Uniform => 1.0 / self.classes as f64,
                Prior::Labelled => self.shares[class],
                Prior::Estimate => own.sum() / total,
            };
            prior
                .slice_axis_mut(Axis(0), self.of_class(class).into())
                .assign(&own.mapv(|n| (share * n / own.sum()).max(1e-300).ln()));
        }
        prior
    }

    /// The E step, and the sums that the M step needs.
    fn expect(&self, layer: &Layer) -> Sums {
        let k = layer.bias.len();
        let all: Vec<usize> = (0..self.x.nrows()).collect();
        let weight = layer.weight.mapv(f64::from);
        let one = |part: &[usize]| {
            let block = self.block(part);
            let mut logits = block.dot(&weight);
            logits += &layer.bias;
            let mut log_sum = 0.0;
            for (mut logits, &row) in logits.rows_mut().into_iter().zip(part) {
                if let Some(class) = self.place[row] {
                    let own = self.of_class(class);
                    logits
                        .iter_mut()
                        .enumerate()
                        .filter(|(k, _)| !own.contains(k))
                        .for_each(|(_, l)| *l = f64::NEG_INFINITY);
                }
                let weight = self.weight_of(row);
                log_sum += weight * to_probs(&mut logits);
                logits *= weight;
            }
            Sums { counts: logits.sum_axis(Axis(0)), rows: logits.t().dot(&block), log_sum }
        };
        let zero = Sums { counts: Array1::zeros(k), rows: Array2::zeros((k, self.x.ncols())), log_sum: 0.0 };
        in_order(all.par_chunks(BLOCK).map(one), zero, |a, b| Sums {
            counts: a.counts + b.counts,
            rows: a.rows + b.rows,
            log_sum: a.log_sum + b.log_sum,
        })
    }

    /// The M step.
    fn maximise(&self, sums: &Sums) -> Mixture {
        let mut means = sums.rows.clone();
        let mut within = self.gram.clone();
        for (mut mean, &count) in means.rows_mut().into_iter().zip(&sums.counts) {
            mean /= count.max(1e-10);
            let column = mean.view().insert_axis(Axis(1));
            within.scaled_add(-count, &column.dot(&column.t()));
        }
        let covariance = self.shrunk(within / self.weight);
        Mixture { log_prior: self.log_prior(&sums.counts), means, covariance: Cholesky::of(&covariance) }
    }

    /// Σ_i w_i ln p(x_i), of a labelled row ln p(x_i, y_i); `sums` are those of this mixture.
    fn log_likelihood(&self, mixture: &Mixture, sums: &Sums) -> f64 {
        let whiten = mixture.covariance.whiten();
        let quadratic = self.gram.dot(&whiten).iter().zip(&whiten).map(|(a, b)| a * b).sum::<f64>(); // tr(Σ⁻¹ G)
        sums.log_sum - 0.5 * quadratic + self.weight * mixture.covariance.log_volume()
    }
}

/// The mixture of `problem`'s rows, or of some where they are many, as if the labels that are spread among them were known.
fn spread_start(settings: &GaussianSoftmax, rows: &Rows, problem: &Problem, go_on: GoOn) -> Option<Mixture> {
    let (mut chosen, others): (Vec<usize>, Vec<usize>) =
        (0..rows.labels.len()).partition(|&row| problem.place[row].is_some());
    let drawn = sample(&mut ChaCha8Rng::seed_from_u64(rows.seed), others.len(), others.len().min(SPREAD_TO));
    chosen.extend(drawn.into_iter().map(|at| others[at]));
    let x = rows.x.select(Axis(0), &chosen);
    let labels: Vec<_> = chosen.iter().map(|&row| rows.labels[row]).collect();
    let few = Rows { x: x.view(), labels: &labels, ..*rows };
    let spread = LabelSpreading::default().classes(&few, &mut |share| go_on(0.5 * share))?;
    let few = Rows { labels: &spread, ..few };
    let labelled = Labelled::new(&few, &Seen::new(&few));
    let known = Problem::new(settings, &few, &labelled, problem.classes);
    let mut mixture = known.climb(known.start(&labelled, rows.seed), &mut |share| go_on(0.5 + 0.5 * share))?;
    mixture.means += &(&known.centre - &problem.centre);
    Some(mixture)
}

impl Fitted for FittedGaussianSoftmax {
    fn probs(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let logits = self.logits(x);
        let each = logits.ncols() / self.seen.classes().len();
        let of_class = |logits: ArrayView1<f32>| log_sum_exp(logits.iter().copied());
        let mut classes = Array2::zeros((x.nrows(), self.seen.classes().len()));
        for (logits, mut classes) in logits.rows().into_iter().zip(classes.rows_mut()) {
            for (logits, class) in logits.axis_chunks_iter(Axis(0), each).zip(&mut classes) {
                *class = of_class(logits);
            }
        }
        self.seen.probs(&classes)
    }

    fn log_density(&self, x: ArrayView2<f32>) -> Option<Array1<f32>> {
        let logits = self.logits(x);
        let whitened = (&x - &self.centre).dot(&self.whiten);
        let of_row = |(logits, white): (ArrayView1<f32>, ArrayView1<f32>)| {
            let density = log_sum_exp(logits.iter().copied()) - 0.5 * white.dot(&white) + self.log_volume[0];
            if density.is_finite() { density } else { f32::MIN }
        };
        Some(logits.rows().into_iter().zip(whitened.rows()).map(of_row).collect())
    }

    fn into_arrays(self) -> Arrays {
        Arrays::from([
            ("centre".to_owned(), self.centre.into_dyn()),
            ("weight".to_owned(), self.weight.into_dyn()),
            ("bias".to_owned(), self.bias.into_dyn()),
            ("whiten".to_owned(), self.whiten.into_dyn()),
            ("log_volume".to_owned(), self.log_volume.into_dyn()),
            ("labels".to_owned(), self.seen.into_array()),
        ])
    }

    fn from_arrays(arrays: &Arrays) -> Result<FittedGaussianSoftmax, String> {
        let centre = take::<Ix1>(arrays, "centre")?;
        let weight = take::<Ix2>(arrays, "weight")?;
        let bias = take::<Ix1>(arrays, "bias")?;
        let whiten = take::<Ix2>(arrays, "whiten")?;
        let log_volume = take::<Ix1>(arrays, "log_volume")?;
        let labels = take::<Ix1>(arrays, "labels")?;
        let (d, k) = (centre.len(), bias.len());
        if weight.dim() != (d, k) || whiten.dim() != (d, d) || log_volume.len() != 1 {
            return Err(format!(
                "the arrays of a coupled softmax of {d} inputs and {k} Gaussians do not fit each other"
            ));
        }
        let classes = labels.iter().filter(|&&count| count > 0.0).count();
        if classes == 0 || k % classes != 0 {
            return Err(format!("{k} Gaussians cannot be shared out among {classes} classes"));
        }
        let seen = Seen::from_arrays(arrays, classes)?;
        Ok(FittedGaussianSoftmax { centre, weight, bias, whiten, log_volume, seen })
    }
}

impl FittedGaussianSoftmax {
    /// w_k · x + b_k: `[n, k]`.
    fn logits(&self, x: ArrayView2<f32>) -> Array2<f32> {
        (&x - &self.centre).dot(&self.weight) + &self.bias
    }
}

/// Share of each seen class among the labelled rows.
fn shares(labelled: &Labelled, classes: usize) -> Vec<f64> {
    let mut shares = vec![0.0; classes];
    labelled.places.iter().for_each(|&place| shares[place] += 1.0 / labelled.places.len() as f64);
    shares
}

/// Logits become probabilities; the log of the sum of their exponentials comes back.
fn to_probs(logits: &mut ndarray::ArrayViewMut1<f64>) -> f64 {
    let highest = logits.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let log_sum = highest + logits.fold(0.0, |sum, logit| sum + (logit - highest).exp()).ln();
    logits.mapv_inplace(|logit| (logit - log_sum).exp());
    log_sum
}

fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let highest = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    highest + logits.map(|logit| (logit - highest).exp()).sum::<f32>().ln()
}

/// Sums of blocks, added in the order of the blocks whoever made them.
fn in_order<T: Send>(parts: impl IndexedParallelIterator<Item = T>, zero: T, add: impl Fn(T, T) -> T) -> T {
    parts.collect::<Vec<T>>().into_iter().fold(zero, add)
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::Class;
    use ndarray::{arr1, arr2};
    use rand::RngExt;

    use super::*;
    use crate::testing::all_labels;

    /// The numbers of check A9: three Gaussians with one covariance.
    fn known() -> Mixture {
        Mixture {
            log_prior: arr1(&[0.5, 0.3, 0.2]).mapv_into(f64::ln),
            means: arr2(&[[1.0, 0.0], [-1.0, 0.5], [0.0, -2.0]]),
            covariance: Cholesky::of(&arr2(&[[1.0, 0.3], [0.3, 0.5]])),
        }
    }

    #[test]
    fn weights_and_biases_are_those_of_the_class_gaussians() {
        let Layer { weight, bias } = known().layer();
        let expected = arr2(&[[1.219_512, -1.585_366, 1.463_415], [-0.731_707, 1.951_220, -4.878_049]]);
        assert!(weight.iter().zip(&expected).all(|(w, expected)| (f64::from(*w) - expected).abs() < 1e-5), "{weight}");
        let expected = [-1.302_903_278_1, -2.484_460_609_2, -6.487_486_692_9];
        assert!(bias.iter().zip(&expected).all(|(b, expected)| (b - expected).abs() < 1e-9), "{bias}");
    }

    #[test]
    fn a_rows_density_and_posterior_are_those_of_the_mixture() {
        let Layer { weight, bias } = known().layer();
        let covariance = known().covariance;
        let fitted = FittedGaussianSoftmax {
            centre: Array1::zeros(2),
            weight,
            bias: bias.mapv(narrow),
            whiten: covariance.whiten().mapv(narrow),
            log_volume: Array1::from_elem(1, narrow(covariance.log_volume())),
            seen: Seen::from_arrays(&Arrays::from([("labels".to_owned(), Array1::from_elem(3, 1.0).into_dyn())]), 3)
                .expect("three classes with labels"),
        };
        let x = arr2(&[[0.4_f32, -0.6]]);
        let density = fitted.log_density(x.view()).expect("it has a density")[0];
        assert!((density + 2.390_226).abs() < 1e-5, "{density}");
        for (p, expected) in fitted.probs(x.view()).iter().zip([0.913_820, 0.018_254, 0.067_926]) {
            assert!((p - expected).abs() < 1e-5, "{p}");
        }
        assert_eq!(FittedGaussianSoftmax::from_arrays(&fitted.clone().into_arrays()), Ok(fitted));
    }

    fn fit(settings: &GaussianSoftmax, x: &Array2<f32>, labels: &[Option<Class>]) -> FittedGaussianSoftmax {
        let classes = 1 + labels.iter().flatten().map(|class| class.index()).max().expect("some label");
        let rows = Rows { x: x.view(), labels, classes, seed: 1 };
        settings.fit(&rows, &mut |_| true).expect("not told to stop")
    }

    #[test]
    fn with_every_label_it_is_linear_discriminant_analysis() {
        // Means 0 and 4, variance 1 around them, as many of each: at 2 both classes are as likely, p(2) = 𝒩(2; 0, 1).
        let x = arr2(&[[-1.0_f32], [1.0], [3.0], [5.0]]);
        let fitted = fit(&GaussianSoftmax::default(), &x, &all_labels(&[0, 0, 1, 1]));
        let at = arr2(&[[2.0_f32], [0.0]]);
        let probs = fitted.probs(at.view());
        assert!((probs[[0, 0]] - 0.5).abs() < 1e-5, "{probs}");
        assert!((probs[[1, 1]] - 1.0 / (1.0 + 8.0_f32.exp())).abs() < 1e-5, "{probs}");
        let density = fitted.log_density(at.view()).expect("it has a density")[0];
        assert!((density + 0.5 * std::f32::consts::TAU.ln() + 2.0).abs() < 1e-5, "{density}");
    }

    /// Three clouds that are long in one direction, five labels each.
    fn clouds() -> (Array2<f32>, Vec<u16>, Vec<Option<Class>>) {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let normal = |rng: &mut ChaCha8Rng| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let truth: Vec<u16> = (0..2015).map(|row| row % 3).collect();
        let mut x = Array2::zeros((truth.len(), 2));
        for (mut row, &class) in x.rows_mut().into_iter().zip(&truth) {
            let (along, across) = (4.0 * normal(&mut rng), 0.4 * normal(&mut rng));
            row[0] = along + across;
            row[1] = along - across + 4.0 * f32::from(class);
        }
        let labels = truth.iter().enumerate().map(|(row, &class)| (row < 15).then_some(Class(class))).collect();
        (x, truth, labels)
    }

    fn error(fitted: &FittedGaussianSoftmax, x: &Array2<f32>, truth: &[u16]) -> f64 {
        let probs = fitted.probs(x.view());
        let is_wrong = |(row, &class): (ArrayView1<f32>, &u16)| row.iter().any(|&p| p > row[usize::from(class)]);
        probs.rows().into_iter().zip(truth).filter(|pair| is_wrong(*pair)).count() as f64 / truth.len() as f64
    }

    #[test]
    fn unlabelled_rows_show_the_shape_of_the_classes() {
        // Check A11: well-separated classes, five labels each, 2,000 rows without.
        let (x, truth, labels) = clouds();
        let all = fit(&GaussianSoftmax { shrinkage: 0.0, ..GaussianSoftmax::default() }, &x, &labels);
        assert!(error(&all, &x, &truth) < 0.02, "{}", error(&all, &x, &truth));
    }

    #[test]
    fn labels_from_one_end_reach_the_other_along_the_rows_between() {
        // Two half circles, the labels those of the first points of each.
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let truth: Vec<u16> = (0..800).map(|row| row % 2).collect();
        let x = Array2::from_shape_fn((800, 2), |(row, axis)| {
            let angle = (row / 2) as f32 / 400.0 * std::f32::consts::PI;
            let place = match (truth[row], axis) {
                (0, 0) => -angle.cos(),
                (0, _) => angle.sin(),
                (_, 0) => 1.0 - angle.cos(),
                _ => 0.5 - angle.sin(),
            };
            place + 0.2 * (rng.random::<f32>() - 0.5)
        });
        let labels: Vec<_> = truth.iter().enumerate().map(|(row, &class)| (row < 10).then_some(Class(class))).collect();
        let of = |start| fit(&GaussianSoftmax { start, components: 8, ..GaussianSoftmax::default() }, &x, &labels);
        let (spread, labelled) = (error(&of(Start::Spread), &x, &truth), error(&of(Start::Labelled), &x, &truth));
        assert!(spread < 0.12 && spread < labelled, "{spread}, from the labelled rows {labelled}");
    }

    #[test]
    fn each_step_raises_the_likelihood() {
        let (x, _, labels) = clouds();
        let rows = Rows { x: x.view(), labels: &labels, classes: 3, seed: 1 };
        let seen = Seen::new(&rows);
        let labelled = Labelled::new(&rows, &seen);
        let settings = GaussianSoftmax { shrinkage: 0.0, components: 2, ..GaussianSoftmax::default() };
        let problem = Problem::new(&settings, &rows, &labelled, 3);
        let mut mixture = problem.start(&labelled, 1);
        let mut before = f64::NEG_INFINITY;
        for _ in 0..20 {
            let sums = problem.expect(&mixture.layer());
            let value = problem.log_likelihood(&mixture, &sums) / problem.weight;
            // A ten-thousandth of the covariance is that of a ball, which is no maximum.
            assert!(value > before - 1e-4, "{value} after {before}");
            before = value;
            mixture = problem.maximise(&sums);
        }
    }

    #[test]
    fn a_prior_is_uniform_that_of_the_labels_or_that_of_all_rows() {
        // 100 rows around 0 and 300 around 10; two labels of the first and one of the second.
        let x =
            Array2::from_shape_fn((400, 1), |(row, _)| (if row < 100 { 0.0 } else { 10.0 }) + (row % 7) as f32 / 7.0);
        let label = |row: usize| match row {
            0 | 1 => Some(Class(0)),
            399 => Some(Class(1)),
            _ => None,
        };
        let labels: Vec<_> = (0..400).map(label).collect();
        for (prior, expected) in [(Prior::Uniform, 0.5), (Prior::Labelled, 2.0 / 3.0), (Prior::Estimate, 0.25)] {
            let fitted = fit(&GaussianSoftmax { prior, ..GaussianSoftmax::default() }, &x, &labels);
            // Half way between the means, x = centre + …, only π tells the classes apart.
            let mean = |from: usize, to: usize| x.slice_axis(Axis(0), (from..to).into()).mean().expect("rows");
            let half_way = arr2(&[[f32::midpoint(mean(0, 100), mean(100, 400))]]);
            let p = fitted.probs(half_way.view())[[0, 0]];
            assert!((p - expected).abs() < 0.02, "{prior:?}: {p}");
        }
    }
}
