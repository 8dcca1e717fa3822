//! A8: the structure of ADGM and SDGM, and what their bound comes to where everything is known.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use halfmoon::augment::Augment;
use halfmoon::branches::SumOverClasses;
use halfmoon::model::{Batch, Classifier, Counts, Generate, LogDensity, Model, ModelConfig, Moment};
use halfmoon::models::{AdgmConfig, Auxiliary, AuxiliaryConfig, Inference, Net, SdgmConfig, Structure};
use halfmoon::nets::{Activation, Given, Norm};
use halfmoon::noise::Noise;
use halfmoon::pairs::Pairs;
use halfmoon::train::Plan;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::gradients::assert_agrees;
use crate::support::{assert_close, device, gradients, matrix, numbers, parameters, with_parameters};

const BOTH: [Structure; 2] = [Structure::Adgm, Structure::Sdgm];

const CLASSES: usize = 3;
const Z: usize = 3;
const A: usize = 2;

fn config() -> AuxiliaryConfig {
    AuxiliaryConfig {
        latent: Z,
        auxiliary: A,
        hidden: vec![7, 5],
        inference: Inference::Full,
        sum_over_classes: SumOverClasses::Exact,
        balance: 0.0,
        ..AuxiliaryConfig::default()
    }
}

fn init(structure: Structure, config: AuxiliaryConfig, layout: &Layout, classes: usize) -> Auxiliary {
    let noise = &mut Noise::new(3, 0, &device());
    match structure {
        Structure::Adgm => AdgmConfig(config).init(layout, classes, noise),
        Structure::Sdgm => SdgmConfig(config).init(layout, classes, noise),
    }
}

/// With weights that are not near zero anywhere, in f64.
fn model(structure: Structure, config: AuxiliaryConfig) -> Auxiliary {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let layout = Layout { numeric: 0, yes_no: 6, categories: vec![], image: None };
    let model = init(structure, config, &layout, CLASSES);
    with_parameters(model, |_, numbers| numbers.iter().map(|_| rng.random_range(-0.6..0.6)).collect())
}

fn rows(rows: usize, seed: u64) -> Tensor<2> {
    Noise::new(seed, 0, &device()).with_dtype(DType::F64).uniform([rows, 6])
}

fn recorded(numbers: Vec<f64>) -> Noise {
    Noise::recorded(numbers, &device()).with_dtype(DType::F64)
}

fn draw(count: usize, seed: u64) -> Vec<f64> {
    numbers::<1>(&Noise::new(seed, 0, &device()).with_dtype(DType::F64).normal([count]))
}

fn batch(y: &[u32]) -> Batch {
    Batch {
        x: rows(y.len(), 1),
        y: y.into(),
        u: rows(3, 2),
        open: [0, 1, 2].into(),
        counts: Counts { labelled: 4, unlabelled: 30 },
        moment: Moment::default(),
    }
}

fn total(model: &Auxiliary, batch: &Batch, noise: Vec<f64>) -> f64 {
    numbers(&model.loss(batch, &mut (), &mut recorded(noise)).total())[0]
}

#[test]
fn where_p_of_a_is_q_of_a_nothing_is_left_of_a_in_the_bound() {
    let model = model(Structure::Adgm, AuxiliaryConfig { warm_up: 1_000_000_000_000_000, ..config() });
    let own = parameters(&model);
    let forced = with_parameters(model.clone(), |name, numbers| match name.strip_prefix("p_a.") {
        Some("trunk.first.weights.0") => own["q_a.trunk.first.weights.0"].clone(),
        Some("trunk.first.weights.1" | "trunk.first.weights.2") => vec![0.0; numbers.len()],
        Some(rest) => own[&format!("q_a.{rest}")].clone(),
        // q(z | a, x, y) = p(z), so that its divergence is 0 as well.
        None if name.starts_with("q_z.mean") || name.starts_with("q_z.log_var") => vec![0.0; numbers.len()],
        None => numbers,
    });
    let parts = |model: &Auxiliary| {
        let x = rows(4, 1);
        let draws = model.draw(&x, 2, &mut recorded(draw(8 * A, 5)));
        let pairs = Pairs::every_class(8, CLASSES);
        // At the very start of a warm-up the divergences weigh next to nothing.
        let bound = |step| {
            let moment = Moment { stage: 0, step, setbacks: 0 };
            numbers(&model.bound(&x, &draws, &pairs, Given::Class, moment, &mut recorded(draw(8 * Z, 6))))
        };
        [bound(u64::MAX), bound(0)]
    };
    let [whole, likelihood] = parts(&forced);
    assert_eq!(whole.len(), 24);
    whole.iter().zip(likelihood).for_each(|(&whole, likelihood)| assert_close(whole, likelihood, 1e-12));
    let [whole, likelihood] = parts(&model);
    assert!(whole.iter().zip(likelihood).all(|(whole, likelihood)| (whole - likelihood).abs() > 1e-3));
}

#[test]
fn classes_may_be_numbered_in_any_order() {
    // Class c becomes class to[c].
    let to = [2usize, 0, 1];
    let noise = || [draw(7 * A, 5), draw(7 * Z, 6)].concat();
    for structure in BOTH {
        let model = model(structure, config());
        let classes_of_p_a =
            if structure == Structure::Adgm { "p_a.trunk.first.weights.1" } else { "p_a.trunk.first.weights.0" };
        let classes_of_p_x =
            if structure == Structure::Adgm { "p_x.trunk.first.weights.0" } else { "p_x.trunk.first.weights.1" };
        let renamed = with_parameters(model.clone(), |name, numbers| {
            let mut moved = numbers.clone();
            if ["q_z.trunk.first.weights.1", classes_of_p_a, classes_of_p_x].contains(&name) {
                let width = numbers.len() / CLASSES;
                for (class, row) in numbers.chunks(width).enumerate() {
                    moved[to[class] * width..][..width].copy_from_slice(row);
                }
            }
            if name.starts_with("q_y.logits") {
                for (at, number) in numbers.iter().enumerate() {
                    moved[at / CLASSES * CLASSES + to[at % CLASSES]] = *number;
                }
            }
            moved
        });
        let y = [0u32, 1, 2, 0];
        let there: Vec<u32> = y.iter().map(|&class| to[class as usize] as u32).collect();
        let (plain, renamed_loss) = (total(&model, &batch(&y), noise()), total(&renamed, &batch(&there), noise()));
        assert_close(plain, renamed_loss, 1e-12);
        assert!((plain - total(&renamed, &batch(&y), noise())).abs() > 1e-3, "the weights do say something of classes");
    }
}

#[test]
fn several_samples_are_the_mean_of_single_ones_and_every_class_of_a_row_sees_the_same_a() {
    let (samples, labelled, unlabelled) = (3, 4, 3);
    for structure in BOTH {
        let of = |n_mc| model(structure, AuxiliaryConfig { n_mc, ..config() });
        // A row's samples one after the other. No more is drawn than one a for each row and sample, so that all classes
        // must share it, and one noise for z.
        let a = draw((labelled + unlabelled) * samples * A, 5);
        let z = draw((labelled + unlabelled) * samples * Z, 6);
        let together = total(&of(samples), &batch(&[0, 1, 2, 0]), [a.clone(), z.clone()].concat());
        let part = |numbers: &[f64], each: usize, sample: usize| -> Vec<f64> {
            numbers.chunks(each * samples).flat_map(|row| row[sample * each..(sample + 1) * each].to_vec()).collect()
        };
        let alone = (0..samples)
            .map(|sample| total(&of(1), &batch(&[0, 1, 2, 0]), [part(&a, A, sample), part(&z, Z, sample)].concat()));
        assert_close(together, alone.sum::<f64>() / samples as f64, 1e-12);
        let draws =
            of(samples).draw(&rows(labelled, 1), samples, &mut Noise::new(1, 0, &device()).with_dtype(DType::F64));
        assert_eq!(draws.a().dims(), [labelled * samples, A]);
        assert_eq!(draws.q_y().logits.dims(), [labelled * samples, CLASSES]);
    }
}

/// z ~ 𝒩(0, 1) and, all with one class and one number each,
/// ADGM: x ~ 𝒩(1.5 z + 0.2, 0.5), a ~ 𝒩(0.8 z + 0.3 x − 0.1, 0.4);
/// SDGM: a ~ 𝒩(0.8 z − 0.1, 0.4), x ~ 𝒩(0.6 a + 1.5 z + 0.2, 0.5).
/// Networks without activation make any linear function: what is known of the parts, by hand.
struct Known {
    structure: Structure,
}

impl Known {
    /// Mean and covariance of (z, a, x).
    fn joint(&self) -> ([f64; 3], [[f64; 3]; 3]) {
        // Each variable as a sum of independent standard normals (z's, a's, x's own) and a constant.
        let (sd_a, sd_x) = (0.4f64.sqrt(), 0.5f64.sqrt());
        let z = ([1.0, 0.0, 0.0], 0.0);
        let (a, x) = match self.structure {
            Structure::Adgm => {
                let x = ([1.5, 0.0, sd_x], 0.2);
                (([0.8 + 0.3 * 1.5, sd_a, 0.3 * sd_x], 0.3 * 0.2 - 0.1), x)
            }
            Structure::Sdgm => {
                let a = ([0.8, sd_a, 0.0], -0.1);
                (a, ([0.6 * 0.8 + 1.5, 0.6 * sd_a, sd_x], 0.6 * -0.1 + 0.2))
            }
        };
        let all = [z, a, x];
        let covariance = |i: usize, j: usize| (0..3).map(|k| all[i].0[k] * all[j].0[k]).sum::<f64>();
        (all.map(|(_, mean)| mean), [0, 1, 2].map(|i| [0, 1, 2].map(|j| covariance(i, j))))
    }

    /// Slope, constant and variance of a given x; slopes by a and x, constant and variance of z given both.
    fn posteriors(&self) -> ([f64; 3], [f64; 4]) {
        let ([_, mean_a, mean_x], s) = self.joint();
        let slope = s[1][2] / s[2][2];
        let a_of_x = [slope, mean_a - slope * mean_x, s[1][1] - slope * s[1][2]];
        let determinant = s[1][1] * s[2][2] - s[1][2] * s[1][2];
        let by_a = (s[0][1] * s[2][2] - s[0][2] * s[1][2]) / determinant;
        let by_x = (s[0][2] * s[1][1] - s[0][1] * s[1][2]) / determinant;
        let z = [by_a, by_x, -by_a * mean_a - by_x * mean_x, 1.0 - by_a * s[0][1] - by_x * s[0][2]];
        (a_of_x, z)
    }

    fn log_p_x(&self, x: f64) -> f64 {
        let ([_, _, mean], s) = self.joint();
        -0.5 * ((2.0 * std::f64::consts::PI * s[2][2]).ln() + (x - mean).powi(2) / s[2][2])
    }

    /// The model with the exact posteriors, but for one parameter that is off by so much.
    fn model(&self, off: Option<(&str, f64)>) -> Auxiliary {
        let config = AuxiliaryConfig {
            latent: 1,
            auxiliary: 1,
            hidden: vec![1],
            activation: Activation::Identity,
            norm: Norm::None,
            inference: Inference::Full,
            ..AuxiliaryConfig::default()
        };
        let layout = Layout { numeric: 1, yes_no: 0, categories: vec![], image: None };
        let ([a_by_x, a_mean, a_variance], [z_by_a, z_by_x, z_mean, z_variance]) = self.posteriors();
        with_parameters(init(self.structure, config, &layout, 1), |name, _| {
            let exact = match (name, self.structure) {
                ("q_a.trunk.first.weights.0", _) => a_by_x,
                ("q_a.mean.bias", _) => a_mean,
                ("q_a.log_var.bias", _) => a_variance.ln(),
                ("q_z.trunk.first.weights.0", _) => z_by_a,
                ("q_z.trunk.first.weights.2", _) => z_by_x,
                ("q_z.mean.bias", _) => z_mean,
                ("q_z.log_var.bias", _) => z_variance.ln(),
                ("p_a.trunk.first.weights.0", Structure::Adgm) => 0.3,
                ("p_a.trunk.first.weights.2", Structure::Adgm) | ("p_a.trunk.first.weights.1", Structure::Sdgm) => 0.8,
                ("p_a.mean.bias", _) => -0.1,
                ("p_a.log_var.bias", _) => 0.4f64.ln(),
                ("p_x.trunk.first.weights.0", Structure::Sdgm) => 0.6,
                ("p_x.trunk.first.weights.1", Structure::Adgm) | ("p_x.trunk.first.weights.2", Structure::Sdgm) => 1.5,
                ("p_x.out.bias", _) => 0.2,
                ("p_x.log_var", _) => 0.5f64.ln(),
                _ if name.ends_with("mean.weight") || name == "p_x.out.weight" => 1.0,
                _ => 0.0,
            };
            vec![exact + off.filter(|(which, _)| *which == name).map_or(0.0, |(_, by)| by)]
        })
    }
}

#[test]
fn the_bound_is_log_p_x_where_every_conditional_is_exact_and_lower_anywhere_else() {
    for structure in BOTH {
        let known = Known { structure };
        let x = 0.7;
        let bound = |model: &Auxiliary| {
            let x = matrix([[x]], &device());
            // Draws of ±1 have the moments of a standard normal up to the second, and no more is asked of them.
            let signs = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
            let each = signs.map(|[of_a, of_z]| {
                let draws = model.draw(&x, 1, &mut recorded(vec![of_a]));
                let pairs = Pairs::own(&[0].into());
                numbers(&model.bound(&x, &draws, &pairs, Given::Class, Moment::default(), &mut recorded(vec![of_z])))[0]
            });
            each.iter().sum::<f64>() / 4.0
        };
        let exact = known.model(None);
        assert_close(bound(&exact), known.log_p_x(x), 1e-9);
        // Importance weights of exact posteriors are all the same.
        let tight = exact.importance_bound(&matrix([[x]], &device()), 1, &mut recorded(vec![0.3, -1.2])).unwrap();
        assert_close(numbers(&tight)[0], known.log_p_x(x), 1e-9);
        for name in ["q_a.mean.bias", "q_a.log_var.bias", "q_a.trunk.first.weights.0", "q_z.mean.bias"] {
            for by in [-0.2, 0.2] {
                let off = bound(&known.model(Some((name, by))));
                assert!(off < known.log_p_x(x) - 1e-4, "{structure:?}: {off} with {name} off by {by}");
            }
        }
    }
}

#[test]
fn an_answer_is_made_of_draws_and_sharpens_with_none_of_them() {
    let model = init(
        Structure::Sdgm,
        AuxiliaryConfig { n_mc_answer: 4, ..config() },
        &Layout { numeric: 6, yes_no: 0, categories: vec![], image: None },
        CLASSES,
    )
    .valid();
    let x: Tensor<2> = Noise::new(1, 0, &device().inner()).normal([5, 6]);
    let draws = model.draws(&x, &mut Noise::new(2, 0, &device().inner()));
    assert_eq!(draws.dims(), [5, 4, CLASSES]);
    let again = model.draws(&x, &mut Noise::new(2, 0, &device().inner()));
    assert_eq!(numbers(&draws), numbers(&again));
    let draws = numbers(&draws);
    assert!(draws[..CLASSES] != draws[CLASSES..2 * CLASSES], "each draw has an a of its own");
}

#[test]
fn pictures_may_go_through_convolutions_and_be_moved() {
    let image = ImageShape { height: 5, width: 6, channels: 1, white: 255.0 };
    let layout = Layout { numeric: 0, yes_no: 30, categories: vec![], image: Some(image) };
    let table = Layout { image: None, ..layout.clone() };
    let rows = |rows: usize, seed: u64| -> Tensor<2> {
        Noise::new(seed, 0, &device()).with_dtype(DType::F64).uniform([rows, 30])
    };
    let batch = Batch { x: rows(4, 1), u: rows(3, 2), ..batch(&[0, 1, 2, 0]) };
    let loss = |model: &Auxiliary| model.loss(&batch, &mut (), &mut Noise::new(2, 1, &device()).with_dtype(DType::F64));
    for structure in BOTH {
        let config =
            AuxiliaryConfig { net: Net::Conv, channels: vec![2, 3], activation: Activation::Softplus, ..config() };
        assert!(SdgmConfig(config.clone()).check(&layout).is_ok());
        assert!(SdgmConfig(config.clone()).check(&table).unwrap_err().contains("pictures"));
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut model = |config: AuxiliaryConfig| {
            with_parameters(init(structure, config, &layout, CLASSES), |_, numbers| {
                numbers.iter().map(|_| rng.random_range(-0.6..0.6)).collect()
            })
        };
        let (plain, moved) = (model(config.clone()), model(AuxiliaryConfig { augment: Augment::Shift, ..config }));
        assert_agrees(&format!("{structure:?} with convolutions"), &plain, 8, &mut rng, |model| loss(model).total());
        assert_eq!(plain.decode(&draw_codes(2), &[0, 2].into()).dims(), [2, 30]);
        // What a moved picture is compared with is a constant, so central differences do not apply.
        let values = loss(&moved).values();
        assert!(values.iter().any(|&(name, value)| name == "consistency" && value > 0.0), "{values:?}");
        assert!(!gradients(&moved, &loss(&moved).total().backward()).is_empty());
    }
}

fn draw_codes(rows: usize) -> Tensor<2> {
    Noise::new(7, 0, &device()).with_dtype(DType::F64).normal([rows, Z])
}

#[test]
fn adgm_may_start_as_sdgm_and_keeps_what_it_inferred() {
    let pretrain = AdgmConfig::default().0.pretrain;
    let both = AdgmConfig(AuxiliaryConfig { pretrain: pretrain.clone(), ..config() });
    let plain = AdgmConfig(AuxiliaryConfig { pretrain: pretrain.map(|plan| Plan { steps: 0, ..plan }), ..config() });
    assert_eq!((both.earlier_stages().len(), plain.earlier_stages().len()), (1, 0));
    let layout = Layout { numeric: 0, yes_no: 6, categories: vec![], image: None };
    let names = |config: &AdgmConfig| -> Vec<String> {
        parameters(&config.init(&layout, CLASSES, &mut Noise::new(3, 0, &device()))).into_keys().collect()
    };
    // p(a | y, z) and p(x | a, y, z) at first, p(a | x, y, z) and p(x | y, z) afterwards.
    for (net, inputs) in [("p_a", [2, 3]), ("p_x", [3, 2])] {
        let of = |names: Vec<String>| {
            names.iter().filter(|name| name.starts_with(&format!("{net}.trunk.first.weights"))).count()
        };
        assert_eq!([of(names(&both)), of(names(&plain))], inputs, "{net}");
    }
    assert!(SdgmConfig(both.0.clone()).check(&layout).unwrap_err().contains("adgm"));

    // At the end of the first stage x depends on a no longer, and nothing changes when the second one begins.
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let first = with_parameters(both.init(&layout, CLASSES, &mut Noise::new(3, 0, &device())), |_, numbers| {
        numbers.iter().map(|_| rng.random_range(-0.6..0.6)).collect()
    });
    let loss = |model: &Auxiliary, stage: usize, step: u64| {
        let batch = Batch { moment: Moment { stage, step, setbacks: 0 }, ..batch(&[0, 1, 2, 0]) };
        total(model, &batch, [draw(7 * A, 5), draw(7 * Z, 6)].concat())
    };
    let steps = both.earlier_stages()[0].steps;
    let second = first.clone().into_adgm();
    assert_close(loss(&first, 0, steps - 1), loss(&second, 1, 0), 1e-6);
    assert!((loss(&first, 0, 0) - loss(&second, 1, 0)).abs() > 1e-3);
    let seen = [&first, &second].map(|model| numbers(&model.classify(&rows(4, 1))));
    assert_eq!(seen[0], seen[1]);
}
