//! Inputs that a model makes up and cannot tell the class of, for a person to look at: membership query synthesis.
//!
//! Zhu, Bento. *Generative Adversarial Active Learning*. 2017, arXiv:1702.07956, for [`descend`]; Baum. *Neural Net Algorithms that Learn in Polynomial
//! Time from Examples and Queries*. IEEE Transactions on Neural Networks 2(1), 1991, for [`halve`].
//!
//! ```text
//! m(x) = log p(a | x) − log p(b | x)            a and b the two likeliest classes of x; 0 on the border of two classes
//!
//! codes    z ← z − m/‖∇m‖² ∇m, m = m(G(z, y))   begun at z ~ 𝒩(0, I), |z| at most what 95 % of 𝒩(0, I) keep to
//! chains   x ← x + a ∇(log p̃(x) + λ H[p(y | x)]) + s ε       towards p̃(x) exp(λ H), by the model's own chains; then x ← x − m/‖∇m‖² ∇m
//! halving  z ← the middle of two codes that are answered differently, in place of the one that is answered as it
//! ```
//!
//! The step in codes is Polyak's, exact for a linear m, since the least m is known; no rate is to be chosen. It is no longer than 1, for m bends. GAAL has a
//! penalty on |z|² in its place; the optimum of that is at 0, where typical codes are not, and every code of a class would end at the same picture of it. So
//! the prior is a bound here, and z stays near where it was drawn. A chain's steps are longer than a border is wide, so its last ones are Polyak's too.
//!
//! A code or a chain that was led to a border may be no example of anything: people were asked about such pictures and could not answer (Lang & Baum 1992). So a
//! candidate counts if it is as plausible as real items are ([`Plausibility`]), if it is still in doubt once it is written down, and if it is no copy of
//! another one; [`synthesise`] makes candidates until there are enough.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use halfmoon_classical::nearest;
use halfmoon_pool::metric::two_highest;
use halfmoon_pool::scores::{Doubtful, Generator, Predictor, Scores, Synthesiser, probs};
use halfmoon_pool::{Class, Result};
use halfmoon_query::{Ask, Pool, keys_of_rows, rule};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip, concatenate};

use crate::dist::log_sum_exp;
use crate::energy::{Of, gradient_from};
use crate::model::{Classifier, Generate};
use crate::noise::Noise;
use crate::ops::Index;
use crate::predict::{array, on_device};

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Examples that are wanted.
    pub number: usize,
    /// Steps of each candidate, as many as are usual unless given: 50 in codes, as GAAL has 20 to 100, and 300 of chains.
    pub steps: Option<usize>,
    /// λ: nats of log p(x) that a nat of H[p(y | x)] is worth. For chains.
    pub doubt: f64,
    /// The most that the probabilities of the two likeliest classes differ by.
    pub margin: f64,
    /// Share of the training items that a candidate has to be as plausible as, or more.
    pub plausible: f64,
    /// Two examples are at least this far apart, as in [`Ask::apart`].
    pub apart: f64,
    /// Candidates that are made, at most.
    pub most: usize,
    /// Decides where candidates begin, and their noise.
    pub seed: u64,
}

impl Default for Search {
    fn default() -> Search {
        Search {
            number: 20,
            steps: None,
            doubt: DOUBT,
            margin: 0.2,
            plausible: 0.05,
            apart: Ask::default().apart,
            most: 1000,
            seed: 1,
        }
    }
}

/// λ unless it is given: the border of two classes is then worth ½ ln 2 = 0.35 nats of log p(x). No paper has a value; with 5, chains of `jem` on MNIST look for
/// doubt among ten classes at once, where nothing is a digit.
pub const DOUBT: f64 = 0.5;

/// Steps in codes.
const STEPS: usize = 50;
/// Steps of chains, as `halfmoon sample` has.
const CHAIN_STEPS: usize = 300;
/// Polyak's steps after them.
const LAST_STEPS: usize = 10;
/// Halvings of the way between two codes: as fine as `f32` is.
const HALVINGS: usize = 24;
/// Candidates that are made at once.
const AT_ONCE: usize = 500;
/// The longest step, in standard deviations of the prior where it is in codes.
const LONGEST: f32 = 1.0;
/// Codes keep to what 95 % of the prior keep to: the 95 % quantile of 𝒩(0, 1).
const TYPICAL: f64 = 1.644_853_6; // Φ⁻¹(0.95)

/// What a search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthesised {
    /// The examples, the least margin first, as they are once written down: `[example, feature]`.
    pub inputs: Array2<f32>,
    /// What they are made from: `[example, latent]`. `None` where they come by chains.
    pub codes: Option<Array2<f32>>,
    /// What the model says of them.
    pub scores: Scores,
    /// Share of the training items that are as plausible as each, or less: `[example]`.
    pub plausibility: Vec<f64>,
    /// Candidates that were made.
    pub made: usize,
    /// Of these, less plausible than was asked.
    pub implausible: usize,
    /// Plausible, but of one class rather than another.
    pub decided: usize,
    /// In doubt, but as good as copies of examples.
    pub near: usize,
}

/// How plausible inputs are, by the rank that they would have among training items.
pub enum Plausibility {
    /// log p(x) of the training items, ascending.
    Density(Vec<f32>),
    /// For models without a density: where the training items are, by codes or as they are, and how far each is from the nearest other one, ascending.
    Distance {
        /// `[item, h]`.
        places: Array2<f32>,
        /// Squared.
        apart: Vec<f64>,
    },
}

impl Plausibility {
    /// Beside these encoded training items, one or more.
    pub fn of(predictor: &dyn Predictor, training: ArrayView2<f32>) -> Plausibility {
        let scores = predictor.scores(training);
        if let Some(density) = scores.log_density {
            let mut density = density.to_vec();
            density.sort_by(f32::total_cmp);
            return Plausibility::Density(density);
        }
        let places = scores.codes.unwrap_or_else(|| training.to_owned());
        let neighbours = nearest(places.view(), places.view(), 1, true);
        let mut apart: Vec<f64> = neighbours.squared.iter().copied().collect();
        apart.sort_by(f64::total_cmp);
        Plausibility::Distance { places, apart }
    }

    /// Share of the training items that are as plausible as each of these inputs, or less, from what the same model says of them: `[n]`. NaN for what is no
    /// number.
    pub fn share(&self, scores: &Scores, inputs: ArrayView2<f32>) -> Vec<f64> {
        let shares: Vec<f64> = match self {
            Plausibility::Density(known) => {
                let density = scores.log_density.as_ref().expect("the model has a density");
                density
                    .iter()
                    .map(|density| share(known.partition_point(|known| known <= density), known.len()))
                    .collect()
            }
            Plausibility::Distance { places, apart } => {
                let at = scores.codes.as_ref().map_or(inputs, |codes| codes.view());
                let neighbours = nearest(places.view(), at, 1, false);
                let nearer = |squared: &f64| apart.len() - apart.partition_point(|known| known < squared);
                neighbours.squared.iter().map(|squared| share(nearer(squared), apart.len())).collect()
            }
        };
        let is_number = |row: ArrayView1<f32>| row.iter().all(|x| x.is_finite());
        let rows = inputs.rows().into_iter();
        shares.into_iter().zip(rows).map(|(share, row)| if is_number(row) { share } else { f64::NAN }).collect()
    }
}

fn share(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

/// Examples that the model is in doubt about, beside the encoded items that it learned from, one or more; `settled` gives rows as they are once they are
/// written down. `None` for a model that makes no inputs.
pub fn synthesise(
    predictor: &dyn Predictor,
    training: ArrayView2<f32>,
    settled: impl Fn(Array2<f32>) -> Array2<f32>,
    search: &Search,
) -> Result<Option<Synthesised>> {
    let Some(maker) = Maker::of(predictor) else { return Ok(None) };
    let plausibility = Plausibility::of(predictor, training);
    let first = training.slice_axis(Axis(0), (0..1).into());
    let classes = u16::try_from(predictor.log_probs(first).len_of(Axis(2))).expect("a class is a u16");
    let mut in_turn = (0..classes).map(Class).cycle();
    let mut found: Vec<Found> = Vec::new();
    let (mut made, mut implausible, mut decided, mut near) = (0, 0, 0, 0);
    let mut picks = Vec::new();
    while picks.len() < search.number && made < search.most {
        // At first one and a half times as many as are wanted; then the more, the fewer of those were of use.
        let missing = (search.number - picks.len()) as f64;
        let yielded = if made == 0 { 2.0 / 3.0 } else { share(picks.len().max(1), made) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to a small number")]
        let batch = ((missing / yielded).ceil() as usize).clamp(16, AT_ONCE).min(search.most - made);
        let begun: Vec<Class> = in_turn.by_ref().take(batch).collect();
        let seed = search.seed.wrapping_mul(1_000_003).wrapping_add(made as u64);
        let Doubtful { inputs, codes } = maker.doubtful(&begun, search, seed);
        made += batch;
        let inputs = settled(inputs);
        let scores = predictor.scores(inputs.view());
        let plausible = plausibility.share(&scores, inputs.view());
        let margins = probs(&scores.log_probs);
        let margins: Vec<f64> = margins
            .rows()
            .into_iter()
            .map(|row| two_highest(row.iter().map(|&p| f64::from(p))))
            .map(|[a, b]| a.1 - b.1)
            .collect();
        let mut kept = Vec::new();
        for (row, (&share, &margin)) in plausible.iter().zip(&margins).enumerate() {
            if share.is_nan() || share < search.plausible {
                implausible += 1;
            } else if margin.is_nan() || margin > search.margin {
                decided += 1;
            } else {
                kept.push(row);
            }
        }
        if kept.is_empty() {
            continue;
        }
        found.push(Found {
            inputs: inputs.select(Axis(0), &kept),
            codes: codes.map(|codes| codes.select(Axis(0), &kept)),
            scores: select(&scores, &kept),
            plausibility: kept.iter().map(|&row| plausible[row]).collect(),
        });
        found = vec![Found::joined(&found)];
        let Found { inputs, scores, .. } = &found[0];
        let keys = keys_of_rows(inputs.view());
        let pool = Pool { inputs: Some(inputs.view()), ..Pool::new(scores, &keys) };
        let ask = Ask { budget: search.number, seed: search.seed, apart: search.apart, ..Ask::default() };
        let query = rule("margin")?.query(&pool, &ask)?;
        near = query.too_near;
        picks = query.picks.iter().map(|pick| pick.item).collect();
    }
    let all = found.pop().unwrap_or_else(|| {
        let nothing = training.slice_axis(Axis(0), (0..0).into()).to_owned();
        Found { scores: predictor.scores(nothing.view()), inputs: nothing, codes: None, plausibility: Vec::new() }
    });
    Ok(Some(Synthesised {
        inputs: all.inputs.select(Axis(0), &picks),
        codes: all.codes.map(|codes| codes.select(Axis(0), &picks)),
        scores: select(&all.scores, &picks),
        plausibility: picks.iter().map(|&row| all.plausibility[row]).collect(),
        made,
        implausible,
        decided,
        near,
    }))
}

/// For each of these places `[n, h]` in turn, the nearest of others `[m, h]` that none before it has, and how far it is; fewer where the others are fewer.
pub fn nearest_each(places: ArrayView2<f32>, others: ArrayView2<f32>) -> Vec<(usize, f64)> {
    // Of its n nearest, those before it have n − 1 at most.
    let neighbours = nearest(others, places, places.nrows(), false);
    let mut is_taken = vec![false; others.nrows()];
    let free = |(index, squared): (ArrayView1<usize>, ArrayView1<f64>)| {
        let place = index.iter().position(|&other| !is_taken[other])?;
        is_taken[index[place]] = true;
        Some((index[place], squared[place].sqrt()))
    };
    neighbours.index.rows().into_iter().zip(neighbours.squared.rows()).map_while(free).collect()
}

/// Candidates that may become examples.
struct Found {
    inputs: Array2<f32>,
    codes: Option<Array2<f32>>,
    scores: Scores,
    plausibility: Vec<f64>,
}

impl Found {
    fn joined(parts: &[Found]) -> Found {
        let rows = |parts: &[&Array2<f32>]| {
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            concatenate(Axis(0), &views).expect("rows of one width")
        };
        let codes: Option<Vec<_>> = parts.iter().map(|part| part.codes.as_ref()).collect();
        let scores: Vec<Scores> = parts.iter().map(|part| part.scores.clone()).collect();
        Found {
            inputs: rows(&parts.iter().map(|part| &part.inputs).collect::<Vec<_>>()),
            codes: codes.map(|codes| rows(&codes)),
            scores: Scores::join(&scores),
            plausibility: parts.iter().flat_map(|part| part.plausibility.clone()).collect(),
        }
    }
}

/// Scores of some items, in the order asked.
fn select(scores: &Scores, items: &[usize]) -> Scores {
    Scores {
        log_probs: scores.log_probs.select(Axis(0), items),
        log_density: scores.log_density.as_ref().map(|density| density.select(Axis(0), items)),
        energy: scores.energy.as_ref().map(|energy| energy.select(Axis(0), items)),
        codes: scores.codes.as_ref().map(|codes| codes.select(Axis(0), items)),
    }
}

/// How a model's candidates come about.
enum Maker<'a> {
    ByGradients(Box<dyn Synthesiser + 'a>),
    ByHalving { generator: Box<dyn Generator + 'a>, answers: &'a dyn Predictor },
}

impl<'a> Maker<'a> {
    fn of(predictor: &'a dyn Predictor) -> Option<Maker<'a>> {
        match (predictor.synthesiser(), predictor.generator()) {
            (Some(synthesiser), _) => Some(Maker::ByGradients(synthesiser)),
            (None, Some(generator)) => Some(Maker::ByHalving { generator, answers: predictor }),
            (None, None) => None,
        }
    }

    fn doubtful(&self, classes: &[Class], search: &Search, seed: u64) -> Doubtful {
        match self {
            Maker::ByGradients(synthesiser) => synthesiser.doubtful(classes, search.steps, search.doubt, seed),
            Maker::ByHalving { generator, answers } => halve(&**generator, *answers, classes, seed),
        }
    }
}

/// Codes on the border of two answers, without gradients: of two codes that are answered differently, the middle takes the place of the one that is answered
/// as it, and so on. The middle is on the arc between them, where typical codes are.
pub fn halve(generator: &dyn Generator, answers: &dyn Predictor, classes: &[Class], seed: u64) -> Doubtful {
    let n = classes.len();
    let drawn = array(Noise::new(seed, 0, &Device::flex()).normal([2 * n, generator.latent()]));
    let judge = |codes: &Array2<f32>, classes: &[Class]| {
        let probs = probs(&answers.log_probs(generator.decode(codes.view(), classes).view()));
        probs.rows().into_iter().map(|row| two_highest(row.iter().map(|&p| f64::from(p)))).collect::<Vec<_>>()
    };
    let twice: Vec<Class> = classes.iter().chain(classes).copied().collect();
    let answer: Vec<usize> = judge(&drawn, &twice).iter().map(|[first, _]| first.0).collect();
    // The other end of each way: the next code with another answer, or where there is none, any.
    let other = |at: usize| (1..2 * n).map(|step| (at + step) % (2 * n)).find(|&other| answer[other] != answer[at]);
    let ends = drawn.select(Axis(0), &(0..n).map(|at| other(at).unwrap_or(at + n)).collect::<Vec<_>>());
    let begins = drawn.slice_axis(Axis(0), (0..n).into());
    let on_arc = |shares: &Array1<f32>| {
        let mut codes = Array2::zeros(begins.raw_dim());
        for (at, mut code) in codes.rows_mut().into_iter().enumerate() {
            let t = shares[at];
            let length = ((1.0 - t).powi(2) + t * t).sqrt();
            Zip::from(&mut code).and(begins.row(at)).and(ends.row(at)).for_each(|code, begin, end| {
                *code = ((1.0 - t) * begin + t * end) / length;
            });
        }
        codes
    };
    let (mut low, mut high) = (Array1::<f32>::zeros(n), Array1::<f32>::ones(n));
    let mut best = Best::new(Array2::zeros(begins.raw_dim()));
    for _ in 0..HALVINGS {
        let middle = (&low + &high) * 0.5;
        let codes = on_arc(&middle);
        let said = judge(&codes, classes);
        best.take(&codes, &said.iter().map(|[first, second]| first.1 - second.1).collect::<Vec<_>>());
        for (at, [first, _]) in said.iter().enumerate() {
            if first.0 == answer[at] {
                low[at] = middle[at];
            } else {
                high[at] = middle[at];
            }
        }
    }
    Doubtful { inputs: generator.decode(best.at.view(), classes), codes: Some(best.at) }
}

/// A trained model's gradients, where it makes inputs.
pub(crate) fn synthesiser<'a, M: Classifier>(model: &'a M, device: &Device) -> Option<Box<dyn Synthesiser + 'a>> {
    let device = device.clone().autodiff();
    if let Some(generate) = model.as_generate() {
        return Some(Box::new(ByCodes { model, generate, device }));
    }
    model.as_chains()?;
    Some(Box::new(ByChains { model, device }))
}

struct ByCodes<'a, M: Classifier> {
    model: &'a M,
    generate: &'a dyn Generate,
    device: Device,
}

impl<M: Classifier> Synthesiser for ByCodes<'_, M> {
    fn doubtful(&self, classes: &[Class], steps: Option<usize>, _: f64, seed: u64) -> Doubtful {
        let ByCodes { model, generate, device } = self;
        let y = index(classes);
        let begun = array(Noise::new(seed, 0, device).normal([classes.len(), generate.latent()]));
        let answers = |z: &Tensor<2>| {
            let noise = &mut Noise::new(0, 0, device).same_for_every_row();
            mean_log_probs(model.draws(&generate.decode(z, &y), noise))
        };
        let codes = descend(answers, begun, steps.unwrap_or(STEPS), device);
        let inputs = array(generate.decode(&on_device(&codes.view(), &device.clone().inner()), &y));
        Doubtful { inputs, codes: Some(codes) }
    }
}

struct ByChains<'a, M: Classifier> {
    model: &'a M,
    device: Device,
}

impl<M: Classifier> Synthesiser for ByChains<'_, M> {
    fn doubtful(&self, classes: &[Class], steps: Option<usize>, doubt: f64, seed: u64) -> Doubtful {
        let chains = self.model.as_chains().expect("`synthesiser` asked");
        let mut noise = Noise::new(seed, 0, &self.device);
        let ends = chains.follow(&Of::Doubt(doubt), &index(classes), steps.unwrap_or(CHAIN_STEPS), &mut noise);
        let answers = |x: &Tensor<2>| {
            let noise = &mut Noise::new(0, 0, &self.device).same_for_every_row();
            mean_log_probs(self.model.draws(x, noise))
        };
        Doubtful { inputs: polyak(answers, array(ends), LAST_STEPS, f32::INFINITY, &self.device), codes: None }
    }
}

fn index(classes: &[Class]) -> Index {
    classes.iter().map(|class| u32::from(class.0)).collect()
}

/// ln of the mean probability of draws with these logits `[n, s, c]`: `[n, c]`.
fn mean_log_probs(logits: Tensor<3>) -> Tensor<2> {
    let draws = logits.dims()[1];
    let log_probs = log_softmax(logits, 2);
    if draws == 1 {
        log_probs.squeeze_dim(1)
    } else {
        log_sum_exp::<3, 2>(log_probs.swap_dims(1, 2)) - (draws as f64).ln()
    }
}

/// Codes `[n, m]` near these at which m is least: of each, the best of so many of Polyak's steps. `log_probs` maps codes to log p(y | G(z)) row by row, on a
/// device that tracks gradients; its parameters should be without.
pub fn descend(
    log_probs: impl Fn(&Tensor<2>) -> Tensor<2>,
    begun: Array2<f32>,
    steps: usize,
    device: &Device,
) -> Array2<f32> {
    let radius = typical_radius(begun.ncols());
    polyak(log_probs, begun, steps, radius, device)
}

/// Rows `[n, m]` near these at which m is least, within a radius.
fn polyak(
    log_probs: impl Fn(&Tensor<2>) -> Tensor<2>,
    begun: Array2<f32>,
    steps: usize,
    radius: f32,
    device: &Device,
) -> Array2<f32> {
    let mut at = begun;
    for code in at.rows_mut() {
        keep_within(radius, code);
    }
    let mut best = Best::new(at.clone());
    for _ in 0..steps {
        let (known, slope) = gradient_from(&log_probs, &on_device(&at.view(), device), two_against_each_other);
        let margins = margins(&array(known));
        best.take(&at, &margins);
        for ((mut code, slope), &margin) in at.rows_mut().into_iter().zip(array(slope).rows()).zip(&margins) {
            let length = slope.dot(&slope).sqrt();
            if length > 0.0 && length.is_finite() {
                #[expect(clippy::cast_possible_truncation, reason = "a difference of two f32")]
                let step = (margin as f32 / length).min(LONGEST);
                code.scaled_add(-step / length, &slope);
                keep_within(radius, code);
            }
        }
    }
    best.take(&at, &margins(&array(log_probs(&on_device(&at.view(), device)))));
    best.at
}

/// ∂m / ∂ log p: 1 at the likeliest class, −1 at the next, `[n, c]`.
fn two_against_each_other(log_probs: Tensor<2>) -> Tensor<2> {
    let device = log_probs.device();
    let known = array(log_probs);
    let mut start = Array2::zeros(known.raw_dim());
    for (row, mut start) in known.rows().into_iter().zip(start.rows_mut()) {
        let [(first, _), (second, _)] = two_highest(row.iter().map(|&x| f64::from(x)));
        start[first] += 1.0;
        start[second] -= 1.0;
    }
    on_device(&start.view(), &device)
}

/// m of rows of log p: `[n]`, in nats.
fn margins(log_probs: &Array2<f32>) -> Vec<f64> {
    let of = |row: ArrayView1<f32>| {
        let [(_, a), (_, b)] = two_highest(row.iter().map(|&x| f64::from(x)));
        a - b
    };
    log_probs.rows().into_iter().map(of).collect()
}

/// The radius that 95 % of 𝒩(0, I) in so many numbers keep to, after Wilson and Hilferty (1931).
fn typical_radius(numbers: usize) -> f32 {
    let m = numbers as f64;
    let spread = 2.0 / (9.0 * m);
    #[expect(clippy::cast_possible_truncation, reason = "a small number")]
    let radius = (m * (1.0 - spread + TYPICAL * spread.sqrt()).powi(3)).sqrt() as f32;
    radius
}

fn keep_within(radius: f32, mut code: ndarray::ArrayViewMut1<f32>) {
    let length = code.dot(&code).sqrt();
    if length > radius {
        code *= radius / length;
    }
}

/// Of each row the one with the least margin so far.
struct Best {
    at: Array2<f32>,
    least: Vec<f64>,
}

impl Best {
    fn new(at: Array2<f32>) -> Best {
        Best { least: vec![f64::INFINITY; at.nrows()], at }
    }

    fn take(&mut self, at: &Array2<f32>, margins: &[f64]) {
        for (row, &margin) in margins.iter().enumerate() {
            if margin < self.least[row] {
                self.least[row] = margin;
                self.at.row_mut(row).assign(&at.row(row));
            }
        }
    }
}
