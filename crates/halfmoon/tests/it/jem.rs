//! Logits as an energy, Langevin chains and the replay buffer: checks A1 to A10 and A19 of the reference.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::softplus;
use burn::tensor::{DType, Tensor};
use halfmoon::Checkpoint;
use halfmoon::ais::Ais;
use halfmoon::dist::Categorical;
use halfmoon::energy::{Langevin, Of, input_gradient, log_density};
use halfmoon::fit::Task;
use halfmoon::loss::Loss;
use halfmoon::model::{Batch, Classifier, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{EnergyHead, Gap, Jem, JemConfig, MODELS, Net};
use halfmoon::noise::Noise;
use halfmoon::ops::Index;
use halfmoon::replay_buffer::ReplayBuffer;
use halfmoon::sharpness::uphill;
use halfmoon::train::{Ended, Then, Watch};
use halfmoon::vitals::Setback;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::{Encoding, Layout, Pixels};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::gradients::assert_agrees;
use crate::support::{assert_close, device, gradients, matrix, numbers, parameters, with_parameters};

fn noise(seed: u64) -> Noise {
    Noise::new(seed, 0, &device()).with_dtype(DType::F64)
}

/// Rows of 6×6 grey pixels.
fn layout() -> Layout {
    let image = ImageShape { height: 6, width: 6, channels: 1, white: 255.0 };
    Layout { numeric: 0, yes_no: 36, categories: Vec::new(), image: Some(image) }
}

/// Small, in f64.
fn jem(config: &JemConfig) -> Jem {
    let config = JemConfig { hidden: vec![9, 7], channels: vec![3], buffer: 50, ..config.clone() };
    let model = config.init(&layout(), 3, &mut Noise::new(2, 0, &device()));
    with_parameters(model, |_, values| values)
}

fn kinds() -> [JemConfig; 3] {
    let default = JemConfig::default();
    [
        default.clone(),
        JemConfig { net: Net::Conv, ..default.clone() },
        JemConfig { head: EnergyHead::Gaussian, ..default },
    ]
}

fn batch() -> Batch {
    let mut noise = noise(4);
    let (x, u) = (noise.uniform([6, 36]), noise.uniform([8, 36]));
    let counts = Counts { labelled: 6, unlabelled: 8 };
    Batch { x, y: [0, 1, 2, 0, 1, 2].into(), u, open: [].into(), counts, moment: Moment::default() }
}

#[test]
fn densities_are_log_sums_of_exponentials_whatever_their_size() {
    let logits = matrix([[1.0, 2.0, 3.0], [1000.0, 1000.0, f64::NEG_INFINITY]], &device());
    let found = numbers(&log_density(logits.clone()));
    assert_close(found[0], 3.407_606, 1e-6);
    assert_close(found[1], 1_000.693_147, 1e-9);
    // f(x)_y = log p(x) + log p(y | x), log Z left out.
    let y: Index = [2].into();
    let first = logits.slice_dim(0, 0..1);
    let sum = found[0] + numbers(&Categorical { logits: first }.log_prob(&y))[0];
    assert_close(sum, 3.0, 1e-12);
}

#[test]
fn the_gradient_of_the_input_is_that_of_central_differences() {
    for config in kinds() {
        let model = jem(&config);
        let fixed = model.clone().no_grad();
        let x = noise(5).normal([2, 36]) * 0.5;
        let y: Index = [2, 0].into();
        let value = |of: &Of, x: &Tensor<2>| {
            let logits = fixed.logits(x);
            let rows = match of {
                Of::Density => log_density(logits),
                Of::Classes(y) => Categorical { logits: logits.clone() }.log_prob(y) + log_density(logits),
                Of::Mistake(y) => -Categorical { logits }.log_prob(y),
                Of::Doubt(weight) => log_density(logits.clone()) + Categorical { logits }.entropy() * *weight,
            };
            numbers(&rows.sum())[0]
        };
        for of in [Of::Density, Of::Classes(&y), Of::Mistake(&y), Of::Doubt(7.0)] {
            let found = numbers(&input_gradient(|x| fixed.logits(x), &x, &of));
            for place in [0, 17, 36 + 8, 71] {
                let step = 1e-5;
                let moved = |by: f64| {
                    let mut at = numbers(&x);
                    at[place] += by;
                    let at = burn::tensor::TensorData::new(at, [2, 36]);
                    value(&of, &Tensor::from_data(at, (&device(), DType::F64)))
                };
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((found[place] - expected).abs() < 1e-6, "{config:?}: {} and {expected}", found[place]);
            }
        }
    }
}

#[test]
fn the_entropy_has_its_gradient_in_the_logits_and_none_where_all_classes_are_alike() {
    // −p_k (log p_k + H), by differences of H = log Σ exp f − Σ p f.
    let logits = [0.3, -1.2, 2.0];
    let entropy = |f: [f64; 3]| {
        let sum: f64 = f.iter().map(|f| f.exp()).sum();
        sum.ln() - f.iter().map(|f| f * f.exp() / sum).sum::<f64>()
    };
    let at = |weight: f64, f: [f64; 3]| numbers(&Of::Doubt(weight).start(matrix([f], &device())));
    let (found, density) = (at(5.0, logits), at(0.0, logits));
    for k in 0..3 {
        let moved = |by: f64| {
            let mut f = logits;
            f[k] += by;
            entropy(f)
        };
        let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!(((found[k] - density[k]) / 5.0 - expected).abs() < 1e-8, "{} and {expected}", found[k]);
    }
    assert!(at(5.0, [1.0; 3]).iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-12));
    // p log p is 0 where p is.
    assert_eq!(at(5.0, [0.0, -2000.0, -2000.0]), [1.0, 0.0, 0.0]);
}

#[test]
fn a_mixed_start_climbs_towards_the_class_in_the_first_rows_and_the_density_in_the_others() {
    let fixed = jem(&JemConfig::default()).no_grad();
    let x = noise(6).normal([3, 36]);
    let y: Index = [1].into();
    let of = |of: &Of| numbers(&input_gradient(|x| fixed.logits(x), &x, of));
    let (mixed, density, class) = (of(&Of::Classes(&y)), of(&Of::Density), of(&Of::Classes(&[1, 1, 1].into())));
    assert_eq!(mixed[..36], class[..36]);
    assert_eq!(mixed[36..], density[36..]);
    assert_ne!(mixed[..36], density[..36]);
}

/// Mean and variance of chains on 𝒩(0, s²) with these settings.
fn stationary(langevin: &Langevin, variance: f64) -> (f64, f64, usize) {
    let start = noise(7).normal([20_000, 1]);
    let ends = numbers(&langevin.run(start, |x| -x.clone() / variance, &mut noise(8)).at);
    let n = ends.len() as f64;
    let mean = ends.iter().sum::<f64>() / n;
    (mean, ends.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n, ends.len())
}

#[test]
fn chains_on_a_gaussian_have_the_variance_that_their_step_and_noise_make() {
    // v / (1 − (1 − a/s²)²) for a step of a and noise of variance v; s² only as a → 0 with v = 2a.
    let cases = [
        (0.1, 1.0, 0.2, 1.052_632, 400),
        (0.5, 1.0, 1.0, 1.333_333, 400),
        (0.01, 0.25, 0.02, 0.255_102, 3000),
        (1.0, 4.0, 1e-4, 2.285_714e-4, 400),
    ];
    for (step_size, target, of_noise, expected, steps) in cases {
        let langevin = Langevin { steps, step_size, noise: f64::sqrt(of_noise), clip: 0.0, ..Langevin::default() };
        let (mean, variance, n) = stationary(&langevin, target);
        assert!((variance / expected - 1.0).abs() < 0.03, "{variance} and {expected}");
        assert!(mean.abs() < 3.0 * (expected / n as f64).sqrt(), "{mean}");
    }
    // A step of more than 2 s² goes further away each time.
    let langevin = Langevin { steps: 100, step_size: 2.2, noise: 0.0, clip: 0.0, ..Langevin::default() };
    assert!(stationary(&langevin, 1.0).1 > 1e6);
}

#[test]
fn several_clamped_steps_up_one_slope_are_one_long_step() {
    // What the inner loop of JEM++ comes to, whose first layer is linear in its input.
    let start = noise(9).uniform([50, 4]) * 2.0 - 1.0;
    let slope = noise(10).normal([50, 4]) * 2.0;
    let proximal = |steps, step_size| Langevin { steps, step_size, noise: 0.0, clip: 1.0, clamp: true };
    let five = numbers(&proximal(5, 0.2).run(start.clone(), |_| slope.clone(), &mut noise(1)).at);
    let one = numbers(&proximal(1, 1.0).run(start, |_| slope.clone(), &mut noise(1)).at);
    assert!(five.iter().zip(&one).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(one.iter().all(|x| x.abs() <= 1.0) && one.iter().any(|x| x.abs() > 1.0 - 1e-9));
}

#[test]
fn chains_begin_anew_as_often_as_they_should_and_stay_in_their_classs_slots() {
    let buffer = ReplayBuffer::new(200, 2, 0.5, 4, &mut Noise::new(1, 0, &device()));
    let (mut fresh, mut drawn, mut seen) = (0, 0, vec![0_u32; 200]);
    for step in 0..2500 {
        let chains = buffer.draw(40, 0.05, &mut Noise::new(3, step, &device()));
        fresh += chains.fresh.into_data().iter::<bool>().filter(|&is_fresh| is_fresh).count();
        drawn += chains.slots.len();
        chains.slots.iter().for_each(|&slot| seen[slot as usize] += 1);
        let mut slots = chains.slots.to_vec();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 40);
        // Half of 200 slots are of four classes, 25 each; half of the chains are from there.
        assert_eq!(chains.classes.len(), 20);
        for (slot, class) in chains.slots.iter().zip(chains.classes.iter()) {
            assert_eq!(slot / 25, *class);
        }
        assert!(chains.slots[20..].iter().all(|&slot| slot >= 100));
    }
    assert_eq!(drawn, 100_000);
    let share = f64::from(u32::try_from(fresh).unwrap()) / 100_000.0;
    assert!((share - 0.05).abs() < 0.002, "{share}");
    // 500 each, give or take five standard deviations of independent draws.
    assert!(seen.iter().all(|&times| (400..600).contains(&times)), "{seen:?}");
}

#[test]
fn only_drawn_slots_change() {
    let buffer = ReplayBuffer::new(30, 3, 0.0, 2, &mut Noise::new(1, 0, &device()));
    let before = numbers(&buffer.all());
    let chains = buffer.draw(7, 0.0, &mut Noise::new(3, 0, &device()));
    let put = numbers(&buffer.put(&chains.slots, chains.at + 5.0).all());
    for (place, (before, after)) in before.iter().zip(&put).enumerate() {
        let moved = chains.slots.contains(&u32::try_from(place / 3).unwrap());
        assert!((after - before - if moved { 5.0 } else { 0.0 }).abs() < 1e-5);
    }
}

#[test]
fn the_gradient_of_an_energy_is_minus_the_softmax() {
    let logits = matrix([[0.3, -1.0, 2.0], [1.0, 1.5, -0.5]], &device()).require_grad();
    let energy = -log_density(logits.clone()).mean();
    let found = numbers(&logits.grad(&energy.backward()).unwrap());
    let probs = numbers(&Categorical { logits: logits.detach() }.log_probs().exp());
    assert!(found.iter().zip(&probs).all(|(found, p)| (found + p / 2.0).abs() < 1e-12));
}

#[test]
fn chains_are_constants_to_the_parameters() {
    for config in kinds() {
        let model = jem(&config);
        let ends = model.chains(8, 0, &mut noise(1)).ends.at;
        let copied = Tensor::<2>::from_data(ends.clone().into_data(), (&device(), ends.dtype()));
        let of =
            |ends: &Tensor<2>| gradients(&model, &model.objective(&batch(), ends, &mut noise(2)).total().backward());
        assert_eq!(of(&ends), of(&copied));
    }
}

#[test]
fn the_gradient_for_given_chains_is_that_of_central_differences() {
    let ends = noise(13).normal([5, 36]);
    for (gap, head) in [(Gap::Linear, EnergyHead::Linear), (Gap::Logistic, EnergyHead::Gaussian)] {
        let model = jem(&JemConfig { gap, head, density: 0.7, magnitude: 0.3, ..JemConfig::default() });
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let objective = |model: &Jem| model.objective(&batch(), &ends, &mut noise(2)).total();
        assert_agrees("jem", &model, 10, &mut rng, objective);
    }
}

#[test]
fn the_gap_is_the_energy_of_data_less_that_of_chains_or_its_logistic_loss() {
    let b = batch();
    let ends = noise(11).normal([5, 36]);
    for (gap, head) in [(Gap::Linear, EnergyHead::Linear), (Gap::Logistic, EnergyHead::Gaussian)] {
        let model = jem(&JemConfig { gap, head, density: 1.0, data_noise: 0.0, ..JemConfig::default() });
        let of = |rows: &Tensor<2>| numbers(&log_density(model.logits(rows)));
        let (data, chains) = (of(&model.seen(&b.u)), of(&ends));
        let mean =
            |values: &[f64], of: fn(f64) -> f64| values.iter().map(|&v| of(v)).sum::<f64>() / values.len() as f64;
        let expected = match gap {
            Gap::Linear => mean(&chains, |v| v) - mean(&data, |v| v),
            Gap::Logistic => mean(&data, |v| (-v).exp().ln_1p()) + mean(&chains, |v| v.exp().ln_1p()),
        };
        let loss = model.objective(&b, &ends, &mut noise(2)).values();
        let (_, found) = loss.iter().find(|(name, _)| *name == "gap").unwrap();
        // Numbers of a loss are f32.
        assert_close(*found, expected, 1e-5);
    }
}

#[test]
fn with_a_gaussian_head_no_row_is_denser_than_the_means() {
    let model = jem(&JemConfig { head: EnergyHead::Gaussian, ..JemConfig::default() });
    let rows = noise(12).normal([200, 36]) * 3.0;
    assert!(numbers(&log_density(model.logits(&rows))).iter().all(|&density| density <= 0.0));
    assert_eq!(model.classify(&rows).dims(), [200, 3]);
    // A step without unlabelled rows takes the labelled ones.
    let labelled = Batch { u: Tensor::zeros([0, 36], (&device(), DType::F64)), ..batch() };
    let loss = model.loss(&labelled, &mut (), &mut noise(1));
    assert!(loss.values().iter().all(|(_, value)| value.is_finite()));
}

#[test]
fn on_digits_it_has_what_an_energy_should_have_over_a_plain_classifier() {
    // A43, protocol P1: three draws.
    let compared = halfmoon::hybrid::compare(1..=3, &mut |_| ()).unwrap();
    let expected = compared.expected();
    assert_eq!(expected.len(), 7);
    assert!(expected.iter().all(|line| line.is_met), "{expected:#?}");
}

#[test]
fn the_logistic_gap_is_the_published_real_fake_loss() {
    // A18: −½ l + ½ softplus(l) = −½ log σ(l).
    let l: Vec<f64> = (-50..=50).map(f64::from).collect();
    let n = l.len();
    let row: Tensor<1> = Tensor::from_data(burn::tensor::TensorData::new(l, [n]), (&device(), DType::F64));
    let published = row.clone() * -0.5 + softplus(row.clone(), 1.0) * 0.5;
    let ours = softplus(-row.clone(), 1.0) * 0.5;
    for ((published, ours), l) in numbers(&published).iter().zip(numbers(&ours)).zip(numbers(&row)) {
        let expected = 0.5 * (-l).exp().ln_1p();
        assert!(
            (published - expected).abs() < 1e-6 && (ours - expected).abs() < 1e-6,
            "{l}: {published} {ours} {expected}"
        );
    }
}

#[test]
fn chains_that_begin_at_classes_have_their_mean_and_variance() {
    let mut rows = noise(3).normal([40, 2]) * 0.1;
    rows = rows * matrix([[1.0, 2.0]], &device()) + matrix([[0.3, -0.2]], &device());
    let [mean, variance] = moments(&numbers(&rows.clone()));
    let other = matrix([[0.5, 0.5]], &device());
    let buffer = ReplayBuffer::new(8, 2, 0.5, 2, &mut Noise::new(1, 0, &device())).at_classes(true);
    let f32s = |rows: &Tensor<2>| rows.clone().cast(DType::F32);
    let buffer = buffer.begin(&[f32s(&rows), f32s(&other)], &mut Noise::new(2, 0, &device()));
    let drawn = numbers(&buffer.beginnings(&vec![0; 20_000].into(), &mut Noise::new(4, 0, &device())));
    let [drawn_mean, drawn_variance] = moments(&drawn);
    for column in 0..2 {
        assert_close(drawn_mean[column], mean[column], 0.01);
        assert!((drawn_variance[column] / variance[column] - 1.0).abs() < 0.05, "{drawn_variance:?} {variance:?}");
    }
    // One row has no spread but the 1e-4 that is added.
    let [mean, variance] =
        moments(&numbers(&buffer.beginnings(&vec![1; 2000].into(), &mut Noise::new(5, 0, &device()))));
    assert_close(mean[0], 0.5, 1e-3);
    assert!((variance[0] / 1e-4 - 1.0).abs() < 0.1, "{variance:?}");
    // The slots of the second class begin at its Gaussian too.
    let slots = numbers(&buffer.all());
    assert!(slots[4..8].iter().all(|value| (value - 0.5).abs() < 0.06), "{slots:?}");
}

/// Mean and variance of both columns.
fn moments(rows: &[f64]) -> [[f64; 2]; 2] {
    let n = rows.len() as f64 / 2.0;
    let mean = [0, 1].map(|column| rows.iter().skip(column).step_by(2).sum::<f64>() / n);
    let variance = [0, 1]
        .map(|column| rows.iter().skip(column).step_by(2).map(|x| (x - mean[column]).powi(2)).sum::<f64>() / (n - 1.0));
    [mean, variance]
}

#[test]
fn a_sharpness_aware_step_takes_its_gradient_uphill_and_moves_the_model_itself() {
    // A39: w + ρ w² g / ‖ |w| g ‖, and the model that is updated is bit for bit the one before.
    let model = jem(&JemConfig::default());
    let before = parameters(&model);
    let ends = model.chains(8, 0, &mut noise(1)).ends.at;
    let loss = model.objective(&batch(), &ends, &mut noise(2));
    let gradients = GradientsParams::from_grads(loss.total().backward(), &model);
    let above = parameters(&uphill(&model, &gradients, 0.5));
    let plain = gradients_of(&model, &ends);
    let length = before
        .iter()
        .filter_map(|(name, weights)| {
            Some(weights.iter().zip(plain.get(name)?).map(|(w, g)| (w * g).powi(2)).sum::<f64>())
        })
        .sum::<f64>()
        .sqrt();
    let mut moved = 0;
    for (name, weights) in &before {
        for (at, weight) in weights.iter().enumerate() {
            let expected = match plain.get(name) {
                Some(g) => weight + 0.5 * weight * weight * g[at] / length,
                None => *weight,
            };
            assert!((above[name][at] - expected).abs() < 1e-9, "{name}: {} and {expected}", above[name][at]);
            moved += usize::from((expected - weight).abs() > 0.0);
        }
    }
    assert!(moved > 100, "{moved}");
    assert_eq!(parameters(&model), before);
}

fn gradients_of(model: &Jem, ends: &Tensor<2>) -> std::collections::BTreeMap<String, Vec<f64>> {
    gradients(model, &model.objective(&batch(), ends, &mut noise(2)).total().backward()).into_iter().collect()
}

/// `jem` on three groups of pictures, with these settings over small ones.
fn trained(changes: &[&str], resume: Option<Checkpoint>, watch: &mut dyn Watch) -> halfmoon_pool::Result<Ended> {
    let entry = MODELS.iter().find(|entry| entry.name == "jem").unwrap();
    let small = ["hidden=[24]", "train.steps=300", "buffer=200", "langevin.steps=5"];
    let dataset = crate::support::pictures(120, 10, 1);
    let encoding = Encoding::fit(&dataset, Pixels::Grey);
    let device = burn::tensor::Device::flex();
    let task = Task { dataset: &dataset, encoding: &encoding, seed: 1, device: &device };
    let settings = crate::support::settings(entry, &[&small, changes].concat());
    (entry.fit)(&settings, &task, resume, watch)
}

/// Counts ways back, and stops or keeps what it is given.
#[derive(Default)]
struct Witness {
    setbacks: Vec<Setback>,
    stop_at: Option<u64>,
    kept: Option<Checkpoint>,
}

impl Watch for Witness {
    fn step(&mut self, step: u64, _: &Loss) -> halfmoon_pool::Result<Then> {
        Ok(if self.stop_at == Some(step) { Then::Stop } else { Then::Continue })
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> halfmoon_pool::Result<()> {
        self.kept = Some(checkpoint.clone());
        Ok(())
    }

    fn setback(&mut self, setback: &Setback) -> halfmoon_pool::Result<()> {
        self.setbacks.push(setback.clone());
        Ok(())
    }
}

#[test]
fn a_training_that_runs_away_goes_back_and_ends_well() {
    let mut witness = Witness::default();
    let ended = trained(&["langevin.step_size=3", "langevin.clip=0"], None, &mut witness).unwrap();
    assert!(!witness.setbacks.is_empty(), "no trouble to recover from");
    assert_eq!(ended.checkpoint.health.setbacks as usize, witness.setbacks.len());
    assert!(ended.checkpoint.is_finite());
    // Each way back leads before the trouble.
    assert!(witness.setbacks.iter().all(|setback| setback.to < setback.at));
}

#[test]
fn a_training_that_cannot_hold_ends_with_advice_and_its_last_sound_state() {
    let mut witness = Witness::default();
    let error = trained(&["langevin.step_size=1e6", "langevin.clip=0"], None, &mut witness).unwrap_err().to_string();
    assert!(error.contains("jem: the training runs away") && error.contains("after 5 ways back"), "{error}");
    assert_eq!(witness.setbacks.len(), 5);
    assert!(witness.kept.unwrap().is_finite());
}

#[test]
fn a_run_that_went_back_ends_with_the_same_numbers_when_it_is_stopped_and_goes_on() {
    let changes = ["langevin.step_size=3", "langevin.clip=0"];
    let mut whole = Witness::default();
    let expected = trained(&changes, None, &mut whole).unwrap().checkpoint.finished();
    let folder = tempfile("resumed");
    for stop_at in [37, 150, 260] {
        let mut first = Witness { stop_at: Some(stop_at), ..Witness::default() };
        let stopped = trained(&changes, None, &mut first).unwrap().checkpoint;
        assert_eq!(stopped.step, stop_at);
        // Through a file, as after a kill.
        stopped.write(&folder).unwrap();
        let read = Checkpoint::read(&folder).unwrap();
        assert!(read == stopped, "a checkpoint does not come back as it was written");
        let mut second = Witness::default();
        let resumed = trained(&changes, Some(read), &mut second).unwrap().checkpoint.finished();
        assert!(resumed == expected, "stopped at {stop_at}");
        first.setbacks.append(&mut second.setbacks);
        assert_eq!(first.setbacks, whole.setbacks);
    }
    std::fs::remove_file(&folder).unwrap();
}

fn tempfile(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("halfmoon-jem-{name}-{}", std::process::id()))
}

#[test]
fn log_z_of_a_gaussian_lies_between_both_estimates() {
    // A34: E = ½ xᵀ diag(1, ¼) x has log Z = log 2π + log 2 = 2.531024.
    let logits = |x: &Tensor<2>| -> Tensor<2> { (x.clone().square() * matrix([[-0.5, -0.125]], &device())).sum_dim(1) };
    let ais = Ais { temperatures: 1000, spread: 1.5, leaps: 3 };
    let below = ais.below(&logits, 2, 500, &mut noise(1));
    let samples = noise(2).normal([500, 2]) * matrix([[1.0, 2.0]], &device());
    let above = ais.above(&logits, samples, &mut noise(3));
    assert_close(below, 2.531_024, 0.02);
    assert_close(above, 2.531_024, 0.02);
    // A few temperatures are off, each to its own side.
    let rough = Ais { temperatures: 2, spread: 0.5, leaps: 1 };
    let mean = |of: &dyn Fn(u64) -> f64| (0..20).map(of).sum::<f64>() / 20.0;
    assert!(mean(&|seed| rough.below(&logits, 2, 5, &mut noise(10 + seed))) < 2.531);
    let drawn = |seed| noise(50 + seed).normal([5, 2]) * matrix([[1.0, 2.0]], &device());
    assert!(mean(&|seed| rough.above(&logits, drawn(seed), &mut noise(90 + seed))) > 2.531);
}

#[test]
fn what_is_known_stays_and_what_is_missing_follows_from_it() {
    // Two columns that are equal in the data.
    let energy = |x: &Tensor<2>| -> Tensor<2> {
        let apart = x.clone().slice_dim(1, 0..1) - x.clone().slice_dim(1, 1..2);
        apart.square() * -50.0 - x.clone().square().sum_dim(1) * 0.5
    };
    let langevin = Langevin { steps: 400, step_size: 0.005, noise: 0.1, clip: 0.0, clamp: false };
    let x = matrix([[0.7, 0.0], [0.0, -0.4]], &device());
    let known = matrix([[1.0, 0.0], [0.0, 1.0]], &device());
    let up = |x: &Tensor<2>| input_gradient(energy, x, &Of::Density);
    let found = numbers(&langevin.fill_in(&x, &known, noise(1).normal([2, 2]), up, &mut noise(2)));
    assert!((found[0] - 0.7).abs() < 1e-12 && (found[3] + 0.4).abs() < 1e-12, "{found:?}");
    assert!((found[1] - 0.7).abs() < 0.4 && (found[2] + 0.4).abs() < 0.4, "{found:?}");
}
