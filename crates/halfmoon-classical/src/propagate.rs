//! Labels that flow along the edges of a graph of near rows, labelled or not.
//!
//! - [`LabelPropagation`]: Zhu, Ghahramani, Lafferty, "Semi-Supervised Learning Using Gaussian Fields and Harmonic
//!   Functions", 2003. Labelled rows keep their label, every other row is the weighted mean of its neighbours:
//!   (D_uu − W_uu) F_u = W_ul Y_l.
//! - [`LabelSpreading`]: Zhou, Bousquet, Lal, Weston, Schölkopf, "Learning with Local and Global Consistency", 2003.
//!   A label is evidence like any other: F = (1 − α)(I − α S)⁻¹ Y with S = D^−½ W D^−½.
//!
//! W is the graph's weights, D its degrees, Y the labels one-hot, with zeros for unlabelled rows.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use halfmoon_pool::Class;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Similarity, scales};
use crate::knn::{count, matrices, nearest, numbers, search, single};
use crate::{Arrays, Fitted, GoOn, Method, Rows};

/// The harmonic function of Zhu et al.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelPropagation {
    /// Nearest rows that each row is joined with.
    pub k: usize,
    /// How strongly.
    pub similarity: Similarity,
    /// Class mass normalisation, section 4 of the paper: classes are weighted so that the unlabelled rows are
    /// divided among them as the labelled ones are. Without it a class whose labels lie on the rim loses most rows.
    pub class_mass: bool,
}

impl Default for LabelPropagation {
    fn default() -> Self {
        LabelPropagation { k: 10, similarity: Similarity::default(), class_mass: true }
    }
}

/// Local and global consistency, of Zhou et al.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelSpreading {
    /// Nearest rows that each row is joined with.
    pub k: usize,
    /// How strongly.
    pub similarity: Similarity,
    /// α: the share that a row takes from its neighbours and not from its own label. The paper uses 0.99.
    pub spread: f64,
}

impl Default for LabelSpreading {
    fn default() -> Self {
        LabelSpreading { k: 10, similarity: Similarity::default(), spread: 0.99 }
    }
}

/// The rows that were fitted, with what the graph says of each.
///
/// A row that equals fitted ones gets their answer. Any other gets the mean of its k nearest ones' answers, weighted
/// by similarity. A class that the graph rules out keeps a share of 1e-6, divided among all classes.
///
/// Rows that hang together with no labelled row get the labels' frequencies, each class counted once more.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedGraph {
    /// `[n, d]`.
    rows: Array2<f32>,
    /// F, every row summing to 1: `[n, classes]`.
    soft: Array2<f32>,
    /// Distance of each row to the last of its neighbours.
    scales: Vec<f32>,
    k: usize,
    similarity: Similarity,
}

impl FittedGraph {
    /// What the graph says of the fitted rows, every row summing to 1: `[n, classes]`. `probs` of the same rows says
    /// it, too, but looks for their neighbours first.
    pub fn soft(&self) -> ArrayView2<'_, f32> {
        self.soft.view()
    }
}

impl Method for LabelPropagation {
    type Fitted = FittedGraph;

    fn check(&self) -> Result<(), String> {
        check(self.k, self.similarity)
    }

    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<FittedGraph> {
        fit(self.k, self.similarity, rows, go_on, |graph, labels, go_on| {
            let mut f = harmonic(graph, labels, go_on)?;
            if self.class_mass {
                normalise_mass(&mut f, labels);
            }
            Some(f)
        })
    }
}

impl Method for LabelSpreading {
    type Fitted = FittedGraph;

    fn check(&self) -> Result<(), String> {
        if !(self.spread > 0.0 && self.spread < 1.0) {
            return Err(format!("spread is {}: it has to lie between 0 and 1", self.spread));
        }
        check(self.k, self.similarity)
    }

    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<FittedGraph> {
        fit(self.k, self.similarity, rows, go_on, |graph, labels, go_on| spread(graph, labels, self.spread, go_on))
    }
}

impl LabelSpreading {
    /// The likeliest class of each row that some label reaches; a label that is given stays. `None` if it was told to stop.
    pub(crate) fn classes(&self, rows: &Rows, go_on: GoOn) -> Option<Vec<Option<Class>>> {
        let mut reached = Vec::new();
        let graph = fit(self.k, self.similarity, rows, go_on, |graph, labels, go_on| {
            reached.clone_from(&labels.reached);
            spread(graph, labels, self.spread, go_on)
        })?;
        let likeliest = |soft: ArrayView1<f32>| (0..soft.len()).max_by(|&a, &b| soft[a].total_cmp(&soft[b]));
        let class = |class: usize| Class(u16::try_from(class).expect("a class is a u16"));
        let found = graph.soft.rows().into_iter().zip(reached).zip(rows.labels);
        Some(
            found
                .map(|((soft, reached), label)| label.or_else(|| likeliest(soft).filter(|_| reached).map(class)))
                .collect(),
        )
    }
}

fn check(k: usize, similarity: Similarity) -> Result<(), String> {
    if k == 0 {
        return Err("k is 0: it takes at least one neighbour".to_owned());
    }
    similarity.check()
}

/// Share of the work that looking for neighbours is counted as.
const SEARCH: f64 = 0.9;

fn fit(
    k: usize,
    similarity: Similarity,
    rows: &Rows,
    go_on: GoOn,
    solve: impl FnOnce(&Graph, &Labels, GoOn) -> Option<Array2<f64>>,
) -> Option<FittedGraph> {
    let neighbours = search(rows.x, rows.x, k, true, &mut |share| go_on(SEARCH * share))?;
    let scales = scales(&neighbours);
    let graph = Graph::new(&neighbours, similarity);
    drop(neighbours);
    let labels = Labels::new(&graph, rows);
    let mut f = solve(&graph, &labels, &mut |share| go_on(SEARCH + (1.0 - SEARCH) * share))?;
    for row in f.rows_mut() {
        normalise(row, labels.prior.view());
    }
    Some(FittedGraph {
        rows: rows.x.to_owned(),
        soft: f.mapv(single),
        scales: scales.into_iter().map(|scale| single(scale).min(f32::MAX)).collect(),
        k: k.min(rows.x.nrows()),
        similarity: similarity.kept(),
    })
}

/// Makes a row of F sum to 1. One that no label has reached becomes the prior.
fn normalise(mut f: ArrayViewMut1<f64>, prior: ArrayView1<f64>) {
    f.mapv_inplace(|f| f.max(0.0));
    let sum = f.sum();
    f /= sum;
    // A sum may also be too small to divide by.
    let sums_to_one = (f.sum() - 1.0).abs() < 1e-6;
    if !sums_to_one {
        f.assign(&prior);
    }
}

/// What is known of a graph's rows.
struct Labels {
    /// Y: `[n, classes]`.
    y: Array2<f64>,
    /// Whether a row has a label.
    given: Vec<bool>,
    /// Whether a row hangs together with one that has a label.
    reached: Vec<bool>,
    /// How often each class occurs among the labels, each counted once more.
    prior: Array1<f64>,
}

impl Labels {
    fn new(graph: &Graph, rows: &Rows) -> Labels {
        let n = graph.rows();
        let mut y = Array2::zeros((n, rows.classes));
        let mut given = vec![false; n];
        let mut prior = Array1::ones(rows.classes);
        for (row, class) in rows.labelled() {
            y[[row, class]] = 1.0;
            given[row] = true;
            prior[class] += 1.0;
        }
        prior /= prior.sum();
        let component = graph.components();
        let mut has_label = vec![false; n];
        given.iter().zip(&component).filter(|(given, _)| **given).for_each(|(_, &first)| has_label[first] = true);
        let reached = component.into_iter().map(|first| has_label[first]).collect();
        Labels { y, given, reached, prior }
    }
}

/// F of label propagation: labelled rows keep their label, rows that no label reaches are 0.
fn harmonic(graph: &Graph, labels: &Labels, go_on: GoOn) -> Option<Array2<f64>> {
    // With F = D^−½ G, (D_uu − W_uu) F_u = W_ul Y_l is (I − S_uu) G_u = S_ul D_l^½ Y_l.
    let roots = Array1::from(graph.degrees()).mapv(f64::sqrt).insert_axis(ndarray::Axis(1));
    let s = graph.normalised();
    let free: Vec<bool> = labels.given.iter().zip(&labels.reached).map(|(given, reached)| !given && *reached).collect();
    let mut b = s.times((&labels.y * &roots).view());
    zero_unless(&free, &mut b);
    let operator = |v: &Array2<f64>| {
        let mut av = v - &s.times(v.view());
        zero_unless(&free, &mut av);
        av
    };
    let mut f = conjugate_gradients(operator, b, go_on)?;
    for (((mut f, y), root), free) in f.rows_mut().into_iter().zip(labels.y.rows()).zip(&roots).zip(free) {
        if free {
            f /= *root;
        } else {
            f.assign(&y);
        }
    }
    Some(f)
}

fn zero_unless(keep: &[bool], v: &mut Array2<f64>) {
    v.rows_mut().into_iter().zip(keep).filter(|(_, keep)| !**keep).for_each(|(mut row, _)| row.fill(0.0));
}

/// q_c F_uc / Σ_u F_uc, with the labels' frequencies for q: section 4 of Zhu et al. Labelled rows keep their label.
fn normalise_mass(f: &mut Array2<f64>, labels: &Labels) {
    let free = |row: usize| !labels.given[row];
    let mut mass = Array1::<f64>::zeros(f.ncols());
    f.rows().into_iter().enumerate().filter(|(row, _)| free(*row)).for_each(|(_, f)| mass += &f);
    let frequency = labels.y.sum_axis(ndarray::Axis(0));
    let factor = Array1::from_shape_fn(f.ncols(), |c| if mass[c] > 0.0 { frequency[c] / mass[c] } else { 0.0 });
    f.rows_mut().into_iter().enumerate().filter(|(row, _)| free(*row)).for_each(|(_, mut f)| f *= &factor);
}

/// F of label spreading; rows that no label reaches are 0.
fn spread(graph: &Graph, labels: &Labels, alpha: f64, go_on: GoOn) -> Option<Array2<f64>> {
    let s = graph.normalised();
    let evidence = (1.0 - alpha) * &labels.y;
    let mut f = conjugate_gradients(|v| v - &(alpha * s.times(v.view())), evidence.clone(), go_on)?;
    // Conjugate gradients err by a share of the largest numbers, and a row many edges away from any label has small
    // ones. In F ← α S F + (1 − α) Y nothing is subtracted, and each row settles to its own precision.
    for _ in 0..MOST_POLISHING {
        f.mapv_inplace(|f| f.max(0.0));
        let next = alpha * s.times(f.view()) + &evidence;
        let settled = settled(&f, &next, &labels.reached);
        f = next;
        if settled {
            break;
        }
        if !go_on(1.0) {
            return None;
        }
    }
    Some(f)
}

/// More than the longest way to a label: what is further away underflows to nothing known.
const MOST_POLISHING: usize = 1000;

/// Whether every row that a label reaches has kept its shares.
fn settled(before: &Array2<f64>, after: &Array2<f64>, reached: &[bool]) -> bool {
    before.rows().into_iter().zip(after.rows()).zip(reached).filter(|(_, reached)| **reached).all(|((a, b), _)| {
        let (a_sum, b_sum) = (a.sum(), b.sum());
        a_sum > 0.0 && a.iter().zip(b).all(|(a, b)| (a / a_sum - b / b_sum).abs() <= 1e-10)
    })
}

/// Residual, relative to the right side, at which a column counts as solved.
const PRECISION: f64 = 1e-12;

/// A symmetric, positive definite system is solved long before; this ends one that rounding keeps from it.
const MOST_STEPS: usize = 20_000;

/// Solves A X = B, each column for itself and all at once. `None` if it was told to stop.
fn conjugate_gradients(a: impl Fn(&Array2<f64>) -> Array2<f64>, b: Array2<f64>, go_on: GoOn) -> Option<Array2<f64>> {
    let mut x = Array2::zeros(b.dim());
    let mut r = b;
    let mut p = r.clone();
    let mut rr = dots(&r, &r);
    let goal = &rr * (PRECISION * PRECISION);
    let mut share: f64 = 0.0;
    for _ in 0..MOST_STEPS {
        let open: Vec<bool> = rr.iter().zip(&goal).map(|(rr, goal)| rr > goal).collect();
        if !open.contains(&true) {
            break;
        }
        let ap = a(&p);
        // A solved column takes no further steps: its length of them is 0.
        let ratio = |above: &Array1<f64>, below: &Array1<f64>| {
            Array1::from_shape_fn(below.len(), |c| if open[c] && below[c] > 0.0 { above[c] / below[c] } else { 0.0 })
        };
        let length = ratio(&rr, &dots(&p, &ap));
        if length.iter().all(|&length| length <= 0.0) {
            break; // all that is left is rounding
        }
        add_scaled(&mut x, &length, &p);
        add_scaled(&mut r, &-length, &ap);
        let rr_next = dots(&r, &r);
        let keep = ratio(&rr_next, &rr);
        p *= &keep;
        p += &r;
        rr = rr_next;
        // Residuals fall by a factor a step, on the whole.
        let left = rr.iter().zip(&goal).map(|(rr, goal)| rr / goal).filter(|left| left.is_finite()).fold(1.0, f64::max);
        share = share.max(1.0 + left.log10() / (2.0 * PRECISION.log10()));
        if !go_on(share.clamp(0.0, 1.0)) {
            return None;
        }
    }
    Some(x)
}

/// x += p · length, column by column.
fn add_scaled(x: &mut Array2<f64>, length: &Array1<f64>, p: &Array2<f64>) {
    ndarray::Zip::from(x).and(p).and_broadcast(length).for_each(|x, p, length| *x += length * p);
}

/// Products of columns. Sums are made in blocks of rows, whatever the number of threads.
fn dots(a: &Array2<f64>, b: &Array2<f64>) -> Array1<f64> {
    let columns = a.ncols();
    let (a, b) = (a.as_slice().expect("of standard layout"), b.as_slice().expect("of standard layout"));
    let block = 1024 * columns.max(1);
    let sums: Vec<Array1<f64>> = a
        .par_chunks(block)
        .zip(b.par_chunks(block))
        .map(|(a, b)| {
            let mut sums = Array1::zeros(columns);
            for (a, b) in a.chunks(columns).zip(b.chunks(columns)) {
                sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
            }
            sums
        })
        .collect();
    sums.iter().fold(Array1::zeros(columns), |total, sums| total + sums)
}

/// Divided among the classes of every answer, so that none is impossible.
const RULED_OUT: f64 = 1e-6;

impl Fitted for FittedGraph {
    fn probs(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let neighbours = nearest(self.rows.view(), x, self.k, false);
        let scales_of_x = scales(&neighbours);
        let classes = self.soft.ncols();
        let mut probs = Array2::zeros((x.nrows(), classes));
        let mut mean = Array1::<f64>::zeros(classes);
        for (query, mut probs) in probs.rows_mut().into_iter().enumerate() {
            let (index, squared) = (neighbours.index.row(query), neighbours.squared.row(query));
            let is_copy = squared[0] <= 0.0;
            let mut total = 0.0;
            mean.fill(0.0);
            for (&row, &squared) in index.iter().zip(squared) {
                let weight = if is_copy {
                    f64::from(u8::from(squared <= 0.0))
                } else {
                    self.similarity.weight(squared, [scales_of_x[query], f64::from(self.scales[row])])
                };
                total += weight;
                mean.zip_mut_with(&self.soft.row(row), |mean, &soft| *mean += weight * f64::from(soft));
            }
            let share = |mean: &f64| (1.0 - RULED_OUT) * mean / total + RULED_OUT / classes as f64;
            probs.zip_mut_with(&mean, |probs, mean| *probs = single(share(mean)));
        }
        probs
    }

    fn into_arrays(self) -> Arrays {
        let (code, width) = match self.similarity {
            Similarity::Binary => (0.0, 1.0),
            Similarity::Scaled => (1.0, 1.0),
            Similarity::Gaussian { width } => (2.0, single(width)),
        };
        let settings = Array1::from(vec![self.k as f32, code, width]);
        [
            ("rows", self.rows.into_dyn()),
            ("soft", self.soft.into_dyn()),
            ("scales", Array1::from(self.scales).into_dyn()),
            ("settings", settings.into_dyn()),
        ]
        .map(|(name, array)| (name.to_owned(), array))
        .into()
    }

    fn from_arrays(arrays: &Arrays) -> Result<Self, String> {
        let [rows, soft] = matrices(arrays, ["rows", "soft"])?;
        let scales = numbers(arrays, "scales", rows.nrows())?;
        let settings = numbers(arrays, "settings", 3)?;
        let similarity = match settings[1] {
            0.0 => Similarity::Binary,
            1.0 => Similarity::Scaled,
            2.0 => Similarity::Gaussian { width: f64::from(settings[2]) },
            code => return Err(format!("`settings` names similarity {code}, which there is not")),
        };
        similarity.check()?;
        let k = count(settings[0])
            .filter(|k| *k <= rows.nrows())
            .ok_or("`settings` holds a k that is no number of rows")?;
        if soft.iter().any(|&soft| soft < 0.0) || soft.rows().into_iter().any(|soft| (soft.sum() - 1.0).abs() > 1e-3) {
            return Err("`soft` has a row that is no distribution".to_owned());
        }
        Ok(FittedGraph { rows, soft, scales, k, similarity })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn on(_: f64) -> bool {
        true
    }

    fn labels_of(labels: &[Option<u16>]) -> Vec<Option<Class>> {
        labels.iter().map(|label| label.map(Class)).collect()
    }

    fn known(graph: &Graph, labels: &[Option<u16>], classes: usize) -> Labels {
        let (x, labels) = (Array2::zeros((labels.len(), 1)), labels_of(labels));
        Labels::new(graph, &Rows { x: x.view(), labels: &labels, classes, seed: 0 })
    }

    fn assert_near(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
        assert_eq!(found.dim(), expected.dim());
        let worst = (found - expected).iter().fold(0.0, |worst: f64, difference| worst.max(difference.abs()));
        assert!(worst <= tolerance, "off by {worst}:\n{found}\nis not\n{expected}");
    }

    /// 0 – 1 – 2 – … with weights 1 and a label at either end.
    fn path(n: usize) -> (Graph, Vec<Option<u16>>) {
        let mut labels = vec![None; n];
        (labels[0], labels[n - 1]) = (Some(0), Some(1));
        (Graph::from_edges(n, (1..n).map(|row| (row - 1, row, 1.0))), labels)
    }

    #[test]
    fn along_a_path_the_harmonic_function_is_a_straight_line() {
        let (graph, labels) = path(4);
        let f = harmonic(&graph, &known(&graph, &labels, 2), &mut on).expect("not stopped");
        let third = 1.0 / 3.0;
        assert_near(&f, &array![[1.0, 0.0], [2.0 * third, third], [third, 2.0 * third], [0.0, 1.0]], 1e-9);
    }

    #[test]
    fn along_a_path_labels_spread_as_worked_out_by_hand() {
        let (graph, labels) = path(4);
        let f = spread(&graph, &known(&graph, &labels, 2), 0.5, &mut on).expect("not stopped");
        // S₀₁ = 1/√2 and S₁₂ = 1/2. The classes' sum is even along the path and their difference odd: 3/5 and 5/9 at
        // the ends, √2/5 and √2/9 beside them.
        let halves = |sum: f64, difference: f64| [0.5 * (sum + difference), 0.5 * (sum - difference)];
        let root = 2.0_f64.sqrt();
        let ([a, b], [c, d]) = (halves(3.0 / 5.0, 5.0 / 9.0), halves(root / 5.0, root / 9.0));
        assert!((a - 0.577_777_78).abs() < 5e-9 && (c - 0.219_988_78).abs() < 5e-9);
        assert_near(&f, &array![[a, b], [c, d], [d, c], [b, a]], 1e-10);
    }

    /// Three heaps that touch; three labels in each.
    fn heaps(n: usize) -> (Array2<f32>, Vec<Option<u16>>) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let centres = [[0.0, 0.0], [1.5, 0.5], [0.5, 1.5]];
        let x = Array2::from_shape_fn((n, 2), |(row, column)| centres[row % 3][column] + rng.random_range(-0.8..0.8));
        let labels = (0_u16..).take(n).map(|row| (row < 9).then_some(row % 3)).collect();
        (x, labels)
    }

    fn graph_of(x: &Array2<f32>, k: usize) -> Graph {
        Graph::new(&nearest(x.view(), x.view(), k, true), Similarity::Scaled)
    }

    #[test]
    fn solving_and_repeating_the_papers_step_come_to_the_same() {
        let (x, labels) = heaps(300);
        let graph = graph_of(&x, 6);
        let labels = known(&graph, &labels, 3);

        let solved = harmonic(&graph, &labels, &mut on).expect("not stopped");
        let degrees = Array1::from(graph.degrees()).insert_axis(ndarray::Axis(1));
        let mut f = labels.y.clone();
        for _ in 0..5000 {
            f = graph.times(f.view()) / &degrees;
            let given = (0..300).filter(|&row| labels.given[row]);
            given.for_each(|row| f.row_mut(row).assign(&labels.y.row(row)));
        }
        assert_near(&solved, &f, 1e-8);

        for alpha in [0.2, 0.9, 0.99] {
            let solved = spread(&graph, &labels, alpha, &mut on).expect("not stopped");
            let s = graph.normalised();
            let mut f = labels.y.clone();
            for _ in 0..4000 {
                f = alpha * s.times(f.view()) + (1.0 - alpha) * &labels.y;
            }
            assert_near(&solved, &f, 1e-8);
        }
    }

    #[derive(Deserialize)]
    struct Golden {
        k: usize,
        alphas: Vec<f64>,
        x: Vec<[f32; 2]>,
        labels: Vec<i32>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        similarity: serde_json::Value,
        propagation: Vec<[f64; 3]>,
        spreading: Vec<Vec<[f64; 3]>>,
    }

    #[test]
    fn soft_labels_are_those_of_scikit_learn_on_the_same_graph() {
        let golden: Golden =
            serde_json::from_str(include_str!("../tests/golden/graph.json")).expect("written by make_graph.py");
        let (k, x) = (golden.k, Array2::from(golden.x));
        let labels: Vec<Option<Class>> =
            golden.labels.iter().map(|&label| u16::try_from(label).ok().map(Class)).collect();
        let rows = Rows { x: x.view(), labels: &labels, classes: 3, seed: 0 };
        assert_eq!(golden.cases.len(), 3);
        for case in golden.cases {
            let similarity = match case.similarity.as_f64() {
                Some(width) => Similarity::Gaussian { width },
                None => serde_json::from_value(case.similarity).expect("a similarity"),
            };
            let propagation = LabelPropagation { k, similarity, class_mass: false };
            let soft = propagation.fit(&rows, &mut on).expect("not stopped").soft;
            assert_near(&soft.mapv(f64::from), &Array2::from(case.propagation), 1e-6);
            for (&alpha, expected) in golden.alphas.iter().zip(case.spreading) {
                let spreading = LabelSpreading { k, similarity, spread: alpha };
                let soft = spreading.fit(&rows, &mut on).expect("not stopped").soft;
                assert_near(&soft.mapv(f64::from), &Array2::from(expected), 1e-6);
            }
        }
    }

    #[test]
    fn a_row_far_from_every_label_still_goes_with_the_nearer_one() {
        // At α = 0.2 each of a hundred edges leaves about a tenth: far below what a solver keeps of the largest.
        let (graph, labels) = path(201);
        let labels = known(&graph, &labels, 2);
        let mut f = spread(&graph, &labels, 0.2, &mut on).expect("not stopped");
        f.rows_mut().into_iter().for_each(|row| normalise(row, labels.prior.view()));
        assert!((0..100).all(|row| f[[row, 0]] > 0.9 && f[[200 - row, 1]] > 0.9));
        assert!((f[[100, 0]] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn class_mass_divides_the_unlabelled_rows_as_the_labels_are() {
        let (x, mut labels) = heaps(150);
        labels[3] = None; // two labels of the first class, three of each other
        let graph = graph_of(&x, 6);
        let labels = known(&graph, &labels, 3);
        let mut f = harmonic(&graph, &labels, &mut on).expect("not stopped");
        normalise_mass(&mut f, &labels);
        let mut mass = Array1::<f64>::zeros(3);
        (0..150).filter(|&row| !labels.given[row]).for_each(|row| mass += &f.row(row));
        assert!((mass - array![2.0, 3.0, 3.0]).iter().all(|difference| difference.abs() < 1e-9));
    }

    fn fit_all(x: &Array2<f32>, labels: &[Option<u16>], classes: usize) -> [FittedGraph; 3] {
        let labels = labels_of(labels);
        let rows = Rows { x: x.view(), labels: &labels, classes, seed: 0 };
        let plain = LabelPropagation { class_mass: false, ..LabelPropagation::default() };
        [
            LabelSpreading::default().fit(&rows, &mut on).expect("not stopped"),
            LabelPropagation::default().fit(&rows, &mut on).expect("not stopped"),
            plain.fit(&rows, &mut on).expect("not stopped"),
        ]
    }

    fn assert_are_probs(probs: &Array2<f32>) {
        assert!(probs.iter().all(|&p| p > 0.0 && p <= 1.0 && p.ln().is_finite()), "{probs}");
        assert!(probs.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-5), "{probs}");
    }

    #[test]
    fn whatever_the_rows_are_like_probabilities_are_probabilities() {
        let line = |n: usize| Array2::from_shape_fn((n, 1), |(row, _)| (row * row) as f32);
        let cases: [(&str, Array2<f32>, Vec<Option<u16>>); 7] = [
            ("one row", line(1), vec![Some(1)]),
            ("two rows", line(2), vec![None, Some(0)]),
            ("one label", line(30), (0..30).map(|row| (row == 7).then_some(1)).collect()),
            ("all labelled", line(8), (0..8).map(|row| Some(row % 3)).collect()),
            ("fewer rows than neighbours", line(5), vec![Some(0), None, None, None, Some(2)]),
            ("all rows alike", Array2::from_elem((40, 3), 0.3), (0..40).map(|row| (row < 3).then_some(row)).collect()),
            (
                "copies of two rows",
                Array2::from_shape_fn((50, 2), |(row, _)| (row % 2) as f32),
                (0..50).map(|row| (row < 2).then_some(row)).collect(),
            ),
        ];
        for (name, x, labels) in cases {
            for fitted in fit_all(&x, &labels, 3) {
                for queries in [x.clone(), &x + 0.25, &x * 1e30] {
                    let probs = fitted.probs(queries.view());
                    assert_are_probs(&probs);
                }
                assert_eq!(fitted.soft.dim(), (x.nrows(), 3), "{name}");
            }
        }
    }

    #[test]
    fn with_one_label_all_that_it_reaches_gets_it() {
        let (x, _) = heaps(60);
        let labels: Vec<Option<u16>> = (0..60).map(|row| (row == 7).then_some(1)).collect();
        for fitted in fit_all(&x, &labels, 3) {
            assert!(fitted.soft.rows().into_iter().all(|row| row[1] > 0.999), "{}", fitted.soft);
        }
    }

    #[test]
    fn copies_get_the_label_of_the_copy_that_has_one() {
        let x = Array2::from_shape_fn((50, 2), |(row, _)| (row % 2) as f32);
        let labels: Vec<Option<u16>> = (0_u16..50).map(|row| (row < 2).then_some(row)).collect();
        for fitted in fit_all(&x, &labels, 2) {
            let probs = fitted.probs(x.view());
            assert!((0..50).all(|row| probs[[row, row % 2]] > 0.99), "{probs}");
        }
    }

    #[test]
    fn rows_that_no_label_reaches_get_the_labels_frequencies() {
        // Twelve rows at 0…11 with three labels, twelve at 1000…1011 with none.
        let x = Array2::from_shape_fn((24, 1), |(row, _)| if row < 12 { row as f32 } else { row as f32 + 988.0 });
        let mut labels = vec![None; 24];
        (labels[0], labels[1], labels[11]) = (Some(0), Some(0), Some(1));
        for fitted in fit_all(&x, &labels, 3) {
            // Two labels, one and none, one more each: of six
            for row in 12..24 {
                assert_eq!(fitted.soft.row(row), array![3.0 / 6.0, 2.0 / 6.0, 1.0 / 6.0_f32]);
            }
            assert!(fitted.soft[[2, 0]] > fitted.soft[[10, 0]]);
            // The third class has no label, and where labels reach it gets nothing but what keeps it possible.
            assert!((0..12).all(|row| fitted.soft[[row, 2]] == 0.0));
            let probs = fitted.probs(x.view());
            assert_are_probs(&probs);
            assert!(probs[[5, 2]] < 1e-6);
        }
    }

    #[test]
    fn a_fitted_row_gets_what_the_graph_says_of_it() {
        let (x, labels) = heaps(200);
        for fitted in fit_all(&x, &labels, 3) {
            let difference = fitted.probs(x.view()) - fitted.soft();
            assert!(difference.iter().all(|difference| difference.abs() < 2e-6));
        }
    }

    #[test]
    fn another_row_gets_the_weighted_mean_of_its_neighbours() {
        let x = array![[0.0], [2.0], [10.0]];
        let labels = labels_of(&[Some(0), Some(1), None]);
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
        let method = LabelPropagation { k: 2, similarity: Similarity::Gaussian { width: 1.0 }, class_mass: false };
        let fitted = method.fit(&rows, &mut on).expect("not stopped");
        let [near, far] = [0.25_f64, 2.25].map(|squared| (-squared / 2.0).exp());
        let probs = fitted.probs(array![[0.5_f32]].view());
        assert!((f64::from(probs[[0, 0]]) - near / (near + far)).abs() < 2e-6);
    }

    #[test]
    fn an_answer_does_not_depend_on_what_else_is_asked() {
        let (x, labels) = heaps(200);
        let queries = &x + 0.01;
        for fitted in fit_all(&x, &labels, 3) {
            let all = fitted.probs(queries.view());
            for row in [0, 77, 199] {
                let alone = fitted.probs(queries.slice_axis(ndarray::Axis(0), (row..=row).into()));
                assert_eq!(alone.row(0), all.row(row));
            }
        }
    }

    #[test]
    fn threads_change_no_number() {
        let (x, labels) = heaps(3000);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| fit_all(&x, &labels, 3))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn fitting_says_how_far_it_is_and_stops_when_told() {
        let (x, labels) = heaps(3000);
        let labels = labels_of(&labels);
        let rows = Rows { x: x.view(), labels: &labels, classes: 3, seed: 0 };
        let mut shares = vec![];
        LabelSpreading::default().fit(&rows, &mut |share| {
            shares.push(share);
            true
        });
        assert!(shares.is_sorted() && shares.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(shares.iter().filter(|&&share| share < SEARCH).count() > 0);
        assert!(shares.iter().filter(|&&share| share > SEARCH).count() > 5);
        for stop in [0.1, 0.95] {
            assert_eq!(LabelSpreading::default().fit(&rows, &mut |share| share < stop), None);
            assert_eq!(LabelPropagation::default().fit(&rows, &mut |share| share < stop), None);
        }
    }

    #[test]
    fn what_was_kept_answers_the_same() {
        let (x, labels) = heaps(60);
        let labels = labels_of(&labels);
        let rows = Rows { x: x.view(), labels: &labels, classes: 3, seed: 0 };
        for similarity in [Similarity::Binary, Similarity::Scaled, Similarity::Gaussian { width: 0.3 }] {
            let method = LabelSpreading { similarity, ..LabelSpreading::default() };
            let before = method.fit(&rows, &mut on).expect("not stopped");
            let arrays = before.clone().into_arrays();
            assert_eq!(FittedGraph::from_arrays(&arrays), Ok(before));
            for name in ["rows", "soft", "scales", "settings"] {
                let mut less = arrays.clone();
                less.remove(name);
                assert_eq!(FittedGraph::from_arrays(&less), Err(format!("`{name}` is missing")));
                let mut misshapen = arrays.clone();
                misshapen.insert(name.to_owned(), Array2::zeros((2, 2)).into_dyn());
                assert!(FittedGraph::from_arrays(&misshapen).is_err());
            }
        }
    }

    #[test]
    fn settings_are_read_and_checked() {
        let read = |text| toml::from_str::<LabelSpreading>(text);
        assert_eq!(read(""), Ok(LabelSpreading { k: 10, similarity: Similarity::Scaled, spread: 0.99 }));
        assert!(read("alpha = 0.2").is_err());
        let written = toml::to_string(&LabelPropagation::default()).expect("plain values");
        assert_eq!(toml::from_str(&written), Ok(LabelPropagation::default()));
        for spread in [0.0, 1.0, f64::NAN] {
            assert!(LabelSpreading { spread, ..LabelSpreading::default() }.check().is_err());
        }
        assert!(LabelSpreading { k: 0, ..LabelSpreading::default() }.check().is_err());
        assert!(LabelPropagation { k: 0, ..LabelPropagation::default() }.check().is_err());
        assert!(LabelPropagation::default().check().is_ok());
    }
}
