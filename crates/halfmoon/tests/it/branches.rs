//! Ways to sum over classes: the exact sum, what it may leave out, and what is drawn instead (A13).

use burn::tensor::{DType, Tensor, TensorData};
use halfmoon::branches::{ClassSum, SumOverClasses, elbo_x};
use halfmoon::dist::Categorical;
use halfmoon::nets::Given;
use halfmoon::noise::Noise;
use halfmoon::ops::Index;

use crate::support::{assert_close, device, matrix, numbers};

fn sum(how: SumOverClasses) -> ClassSum {
    ClassSum { how, temperature: 0.1, skip_below: 0.0 }
}

fn noise(seed: u64) -> Noise {
    Noise::new(seed, 0, &device()).with_dtype(DType::F64)
}

fn tensor(values: Vec<f64>) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), (&device(), DType::F64))
}

/// Bounds that a network might give: one number for each row and class.
const BOUNDS: [[f64; 4]; 2] = [[-100.0, -103.0, -98.5, -120.0], [-80.0, -81.0, -140.0, -79.0]];

const LOGITS: [[f64; 4]; 2] = [[2.0, 0.5, -1.0, -40.0], [-0.3, 0.4, -60.0, -0.2]];

/// The value, summed over both rows, and its gradient by the logits, of one way to sum.
fn value_and_gradient(sum: ClassSum, noise: &mut Noise) -> (f64, Vec<f64>, usize) {
    let logits = matrix(LOGITS, &device()).require_grad();
    let q_y = Categorical { logits: logits.clone() };
    let branches = sum.branches(&Index::from([3]), 4, Some(&q_y), noise);
    let pairs = branches.pairs();
    assert_eq!((pairs.row()[0], pairs.class()[0]), (0, 3), "the labelled row comes first, under its own class");
    let of = pairs.row().iter().zip(pairs.class().iter()).skip(1);
    let bounds = of.map(|(&row, &class)| BOUNDS[row as usize - 1][class as usize]);
    let (own, others) = branches.gather(tensor(std::iter::once(-7.0).chain(bounds).collect()));
    assert_eq!(numbers(&own.unwrap()), [-7.0]);
    let value = others.unwrap().sum();
    let gradient = numbers(&logits.grad(&value.clone().backward()).unwrap());
    (numbers(&value)[0], gradient, pairs.row().len() - 1)
}

#[test]
fn classes_that_are_lost_in_rounding_are_left_out_and_nothing_changes() {
    let (all, all_gradient, all_pairs) = value_and_gradient(sum(SumOverClasses::Exact), &mut noise(1));
    let skipping = ClassSum { skip_below: 1e-12, ..sum(SumOverClasses::Exact) };
    let (live, live_gradient, live_pairs) = value_and_gradient(skipping, &mut noise(1));
    assert_eq!((all_pairs, live_pairs), (8, 6), "two of these classes have a probability below 1e-12");
    assert_close(live, all, 1e-12);
    all_gradient.iter().zip(live_gradient).for_each(|(&all, live)| assert_close(live, all, 1e-9));
    let by_hand = elbo_x(&Categorical { logits: matrix(LOGITS, &device()) }, matrix(BOUNDS, &device()));
    assert_close(all, numbers(&by_hand).iter().sum(), 1e-12);
}

#[test]
fn what_is_left_of_a_cut_sum_is_a_bound_still() {
    // The largest value that any q(y) can reach is log Σ_y exp(bound).
    let best: f64 =
        BOUNDS.iter().map(|row| row.iter().map(|bound| (bound + 90.0).exp()).sum::<f64>().ln() - 90.0).sum();
    for skip_below in [1e-12, 0.01, 0.2, 0.5] {
        let cut = ClassSum { skip_below, ..sum(SumOverClasses::Exact) };
        let (value, _, pairs) = value_and_gradient(cut, &mut noise(1));
        assert!(value <= best, "{value} with classes below {skip_below} left out");
        assert!(pairs >= 2, "the likeliest class of a row always stays");
    }
    let (_, _, fewest) = value_and_gradient(ClassSum { skip_below: 0.5, ..sum(SumOverClasses::Exact) }, &mut noise(1));
    assert_eq!(fewest, 2);
}

#[test]
fn the_top_class_and_one_drawn_give_the_sum_and_its_gradient_on_average() {
    let (exact, exact_gradient, _) = value_and_gradient(sum(SumOverClasses::Exact), &mut noise(1));
    let draws = 20_000;
    let (mut mean, mut square) = (vec![0.0; 9], vec![0.0; 9]);
    let mut noise = noise(2);
    for _ in 0..draws {
        let (value, gradient, pairs) = value_and_gradient(sum(SumOverClasses::TopAndOne), &mut noise);
        assert_eq!(pairs, 4, "two classes a row");
        for (at, number) in gradient.into_iter().chain([value]).enumerate() {
            mean[at] += number / f64::from(draws);
            square[at] += number * number / f64::from(draws);
        }
    }
    for (at, &exact) in exact_gradient.iter().chain([&exact]).enumerate() {
        let error = ((square[at] - mean[at] * mean[at]).max(0.0) / f64::from(draws)).sqrt();
        assert!((mean[at] - exact).abs() <= 4.0 * error + 1e-9, "{at}: {} ± {error} for {exact}", mean[at]);
    }
}

#[test]
fn relaxed_samples_have_the_frequencies_of_their_logits() {
    let draws = 300_000;
    let row: Tensor<2> = matrix([[0.0, 2f64.ln(), 3f64.ln()]], &device());
    let q_y = Categorical { logits: row.repeat_dim(0, draws) };
    let shares = |sample: &Tensor<2>| {
        let likeliest = Categorical { logits: sample.clone() }.mode();
        [0, 1, 2].map(|class| likeliest.iter().filter(|&&drawn| drawn == class).count() as f64 / draws as f64)
    };
    let sharp = q_y.relaxed(0.01, &mut noise(1));
    let soft = q_y.relaxed(2.0, &mut noise(1));
    let exact = [1.0 / 6.0, 1.0 / 3.0, 0.5];
    for sample in [&sharp, &soft] {
        // At any temperature the largest coordinate is the class that was drawn.
        shares(sample).iter().zip(exact).for_each(|(share, q)| assert!((share - q).abs() < 0.003, "{share} for {q}"));
    }
    // The mean of the samples themselves is q(y) only as the temperature falls to 0.
    let mean = |sample: Tensor<2>| numbers::<2>(&sample.mean_dim(0));
    assert!(mean(sharp).iter().zip(exact).all(|(mean, q)| (mean - q).abs() < 0.005));
    assert!((mean(soft)[2] - 0.5).abs() > 0.03);
}

#[test]
fn a_sample_straight_through_is_one_class_with_the_gradient_of_the_relaxed_one() {
    let logits = matrix(LOGITS, &device()).require_grad();
    let q_y = Categorical { logits: logits.clone() };
    let seen = |how, temperature| {
        let way = ClassSum { how, temperature, skip_below: 0.0 };
        let branches = way.branches(&Index::from([3]), 4, Some(&q_y), &mut noise(5));
        let Given::Pair(soft) = branches.class() else { panic!("a relaxed class is a vector") };
        let weights = matrix([[1.0, -2.0, 0.5, 3.0]; 3], &device());
        let gradient = logits.grad(&(soft.clone() * weights).sum().backward()).unwrap();
        (numbers(soft), numbers(&gradient))
    };
    let (hard, hard_gradient) = seen(SumOverClasses::StraightThrough, 0.7);
    for row in hard.chunks(4) {
        let ones = row.iter().filter(|&&number| (number - 1.0).abs() < 1e-15).count();
        assert_eq!((ones, row.iter().filter(|&&number| number.abs() < 1e-15).count()), (1, 3), "{row:?}");
    }
    let (relaxed, relaxed_gradient) = seen(SumOverClasses::Gumbel, 0.7);
    assert_eq!(hard[..4], [0.0, 0.0, 0.0, 1.0], "the labelled row has its own class");
    assert_eq!(relaxed[..4], hard[..4]);
    hard_gradient.iter().zip(relaxed_gradient).for_each(|(&hard, relaxed)| assert_close(hard, relaxed, 1e-12));
}
