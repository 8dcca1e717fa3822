//! M2's losses and gradients against PyTorch's, computed the naive way: inputs concatenated, a loop over
//! the classes. `tests/golden/make.py` wrote the numbers.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, TensorData};
use halfmoon::branches::elbo_x;
use halfmoon::dist::Categorical;
use halfmoon::model::{Batch, Classifier, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{M2Config, Preset};
use halfmoon::nets::Activation;
use halfmoon::noise::Noise;
use halfmoon::ops::Index;
use halfmoon::pairs::Pairs;
use halfmoon_pool::encode::Layout;
use serde::Deserialize;

use crate::support::{assert_close, device, gradients, numbers, with_parameters};

#[derive(Deserialize)]
struct Case {
    dims: BTreeMap<String, usize>,
    activation: Activation,
    layers: usize,
    likelihood: String,
    weights: BTreeMap<String, Numbers>,
    x: Numbers,
    y: Numbers,
    u: Numbers,
    eps_l: Numbers,
    eps_u: Numbers,
    term_weights: BTreeMap<String, f64>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    data: Vec<f64>,
}

#[derive(Deserialize)]
struct Expected {
    labelled: Vec<f64>,
    per_class: Vec<Vec<f64>>,
    unlabelled: Vec<f64>,
    classify: Vec<f64>,
    total: f64,
    gradients: BTreeMap<String, Numbers>,
}

impl Numbers {
    fn matrix(&self) -> Tensor<2> {
        let data = TensorData::new(self.data.clone(), [self.shape[0], self.shape[1]]);
        Tensor::from_data(data, (&device(), DType::F64))
    }

    /// Of one-hot rows, the class of each.
    fn classes(&self) -> Index {
        let class = |row: &[f64]| row.iter().position(|&one| one > 0.5).unwrap() as u32;
        self.data.chunks(self.shape[1]).map(class).collect()
    }

    fn noise(&self) -> Noise {
        Noise::recorded(self.data.clone(), &device()).with_dtype(DType::F64)
    }
}

/// The script's name of a parameter: `q_z.first.y` for `q_z.trunk.first.weights.1`.
fn golden_name(name: &str) -> String {
    let name = name.replace(".trunk.", ".");
    let inputs: [&str; 2] = match &name[..3] {
        "q_y" => ["x", "-"],
        "q_z" => ["x", "y"],
        _ => ["y", "z"],
    };
    name.replace("weights.0", inputs[0]).replace("weights.1", inputs[1])
}

#[test]
fn m2_agrees_with_pytorch_in_every_row_and_every_gradient() {
    let cases: BTreeMap<String, Case> = serde_json::from_str(include_str!("../golden/m2.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for (name, case) in &cases {
        println!("{name}");
        compare(case);
    }
}

fn compare(case: &Case) {
    let size = |name: &str| case.dims[name];
    let layout = match case.likelihood.as_str() {
        "bernoulli" => Layout { numeric: 0, yes_no: size("d"), categories: vec![], image: None },
        _ => Layout { numeric: 2, yes_no: 1, categories: vec![3], image: None },
    };
    let weights = &case.term_weights;
    let config = M2Config {
        latent: size("m"),
        hidden: vec![size("h"); case.layers],
        activation: case.activation,
        preset: Preset::Musyoku,
        labelled: Some(weights["labelled"]),
        unlabelled: Some(weights["unlabelled"]),
        classify: Some(weights["classify"]),
        ..M2Config::default()
    };
    let fresh = config.init(&layout, size("c"), &mut Noise::new(1, 0, &device()));
    let mut used = 0;
    let model = with_parameters(fresh, |name, before| {
        let Some(weights) = case.weights.get(&golden_name(name)) else {
            // A likelihood without numeric columns has no variances.
            assert!(before.is_empty(), "no golden numbers for {name}");
            return before;
        };
        used += 1;
        assert_eq!(weights.data.len(), before.len(), "{name}");
        weights.data.clone()
    });
    assert_eq!(used, case.weights.len());

    let (x, y, u) = (case.x.matrix(), case.y.classes(), case.u.matrix());
    let expected = &case.expected;
    let agree = |found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(&found, &expected)| assert_close(found, expected, 1e-10));
    };
    let (r, c) = (size("r"), size("c"));
    agree(&numbers(&-model.elbo_xy(&x, &Pairs::own(&y), &mut case.eps_l.noise())), &expected.labelled);
    let per_class = model.elbo_xy(&u, &Pairs::every_class(r, c), &mut case.eps_u.noise());
    agree(&numbers(&-per_class.clone()), &expected.per_class.concat());
    let q_y = Categorical { logits: model.classify(&u) };
    agree(&numbers(&-elbo_x(&q_y, per_class.reshape([r, c]))), &expected.unlabelled);
    agree(&numbers(&-Categorical { logits: model.classify(&x) }.log_prob(&y)), &expected.classify);

    // The loss draws for the labelled rows first, then for the unlabelled ones.
    let noise = [case.eps_l.data.clone(), case.eps_u.data.clone()].concat();
    let batch = Batch {
        x,
        y,
        u,
        open: [].into(),
        counts: Counts { labelled: size("n"), unlabelled: r },
        moment: Moment::default(),
    };
    let mut noise = Noise::recorded(noise, &device()).with_dtype(DType::F64);
    let total = model.loss(&batch, &mut (), &mut noise).total();
    assert_close(numbers(&total)[0], expected.total, 1e-10);
    let found = gradients(&model, &total.backward());
    for (name, gradient) in found.iter().filter(|(_, gradient)| !gradient.is_empty()) {
        agree(gradient, &expected.gradients[&golden_name(name)].data);
    }
    assert_eq!(found.values().filter(|gradient| !gradient.is_empty()).count(), expected.gradients.len());
}
