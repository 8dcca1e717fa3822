//! Attacks along the gradient: checks A20 to A22 of the reference, and APGD.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use halfmoon::attack::{Apgd, Attacked, Ball, Norm, Pgd, Target};
use halfmoon::dist::Categorical;
use halfmoon::energy::{Of, input_gradient};
use halfmoon::nets::{Activation, CategoricalNet, Hidden, Norm as Between};
use halfmoon::noise::Noise;
use halfmoon::ops::Index;

use crate::support::{assert_close, device, matrix, numbers, with_parameters};

const ROWS: usize = 40;

fn noise(seed: u64) -> Noise {
    Noise::new(seed, 0, &device()).with_dtype(DType::F64)
}

/// A network, rows between 0 and 1, and its own answers for their classes.
fn problem() -> (CategoricalNet, Tensor<2>, Index) {
    let hidden = Hidden { widths: &[16], activation: Activation::Silu, norm: Between::None };
    let net = CategoricalNet::new(&[10], &hidden, 3, &mut Noise::new(2, 0, &device()));
    let net = with_parameters(net, |_, values| values.into_iter().map(|value| 3.0 * value).collect()).no_grad();
    let x = noise(3).uniform([ROWS, 10]);
    let y = net.of(&x).mode();
    (net, x, y)
}

fn ball(norm: Norm, radius: f64) -> Ball {
    Ball { norm, radius, range: Some((0.0, 1.0)) }
}

fn pgd(norm: Norm, radius: f64, steps: usize) -> Pgd {
    Pgd { ball: ball(norm, radius), steps, step: 0.25, starts: 2 }
}

fn apgd(norm: Norm, radius: f64, target: Target) -> Apgd {
    Apgd { ball: ball(norm, radius), steps: 30, starts: 1, target }
}

fn right(of: &Pgd) -> usize {
    let (net, x, y) = problem();
    let Attacked { is_wrong, .. } = of.attack(|x| net.of(x).logits, &x, &y, &mut noise(1));
    is_wrong.iter().filter(|&&is_wrong| !is_wrong).count()
}

#[test]
fn no_change_leaves_the_ball_or_the_range_and_success_is_what_a_fresh_look_says() {
    let (net, x, y) = problem();
    for (norm, radius) in [(Norm::LInf, 0.1), (Norm::L2, 0.4)] {
        let attacks: [&dyn Fn() -> Attacked; 3] = [
            &|| pgd(norm, radius, 10).attack(|x| net.of(x).logits, &x, &y, &mut noise(1)),
            &|| apgd(norm, radius, Target::Mistake).attack(|x| net.of(x).logits, &x, &y, &mut noise(1)),
            &|| apgd(norm, radius, Target::Towards(2)).attack(|x| net.of(x).logits, &x, &y, &mut noise(1)),
        ];
        for attack in attacks {
            let Attacked { at: found, is_wrong } = attack();
            let change = numbers(&(found.clone() - x.clone()));
            for row in change.chunks(10) {
                let length = match norm {
                    Norm::LInf => row.iter().fold(0.0, |most: f64, change| most.max(change.abs())),
                    Norm::L2 => row.iter().map(|change| change * change).sum::<f64>().sqrt(),
                };
                assert!(length <= radius + 1e-6, "{length}");
            }
            assert!(numbers(&found).iter().all(|value| (0.0..=1.0).contains(value)));
            let answers = net.of(&found).mode();
            let expected: Vec<bool> = answers.iter().zip(y.iter()).map(|(answer, y)| answer != y).collect();
            assert_eq!(is_wrong, expected);
            assert!(is_wrong.contains(&true) && is_wrong.contains(&false), "{is_wrong:?}");
        }
    }
}

#[test]
fn a_larger_ball_and_more_steps_leave_fewer_right_and_no_ball_leaves_all() {
    for norm in [Norm::LInf, Norm::L2] {
        assert_eq!(right(&pgd(norm, 0.0, 5)), ROWS);
        let by_steps: Vec<usize> =
            [0, 1, 3, 10].iter().map(|&steps| right(&Pgd { starts: 0, ..pgd(norm, 0.2, steps) })).collect();
        assert!(by_steps.is_sorted_by(|a, b| a >= b) && by_steps[0] > by_steps[3], "{by_steps:?}");
        let by_radius: Vec<usize> = [0.01, 0.1, 0.5].iter().map(|&radius| right(&pgd(norm, radius, 10))).collect();
        assert!(by_radius.is_sorted_by(|a, b| a >= b) && by_radius[0] > by_radius[2], "{by_radius:?}");
    }
}

#[test]
fn a_linear_classifiers_margin_falls_by_the_radius_times_the_dual_length_of_its_weights() {
    let weights = matrix([[0.3, 0.0], [-1.2, 0.0], [0.5, 0.0]], &device());
    let (l1, l2) = (2.0, f64::sqrt(0.09 + 1.44 + 0.25));
    let x = matrix([[9.0, 1.0, 2.0]], &device());
    let y: Index = [0].into();
    for (norm, length) in [(Norm::LInf, l1), (Norm::L2, l2)] {
        let attack = Pgd { ball: Ball { norm, radius: 0.2, range: None }, steps: 8, step: 0.5, starts: 0 };
        let Attacked { at: found, is_wrong } =
            attack.attack(|x| x.clone().matmul(weights.clone()), &x, &y, &mut noise(1));
        let margin = |x: &Tensor<2>| numbers(&x.clone().matmul(weights.clone()))[0];
        assert!(!is_wrong[0]);
        assert_close(margin(&x) - margin(&found), 0.2 * length, 1e-6);
    }
}

#[test]
fn the_fast_gradient_sign_is_one_step_to_the_edge() {
    let (net, x, y) = problem();
    let Attacked { at: found, is_wrong } =
        Pgd::fgsm(ball(Norm::LInf, 0.15)).attack(|x| net.of(x).logits, &x, &y, &mut noise(1));
    let gradient = input_gradient(|x| net.of(x).logits, &x, &Of::Mistake(&y));
    let expected = (x.clone() + gradient.sign() * 0.15).clamp(0.0, 1.0);
    assert_eq!(numbers(&found), numbers(&expected));
    let answers = Categorical { logits: net.of(&expected).logits }.mode();
    assert_eq!(is_wrong, answers.iter().zip(y.iter()).map(|(a, y)| a != y).collect::<Vec<bool>>());
}

#[test]
fn attacks_that_choose_their_steps_find_a_linear_classifiers_nearest_mistake() {
    // Four classes, so that there is a ratio; the margin to class 1 is 0.4, and |w₀ − w₁|₁ = 2, |w₀ − w₁|₂ = √2.
    let weights = matrix([[1.0, 0.0, 0.5, -20.0], [0.0, 1.0, 0.5, -20.0]], &device());
    let x = matrix([[0.9, 0.5]], &device());
    let y: Index = [0].into();
    let wrong = |norm, radius, target| {
        let attack = Apgd { ball: Ball { norm, radius, range: None }, ..apgd(norm, radius, target) };
        attack.attack(|x| x.clone().matmul(weights.clone()), &x, &y, &mut noise(1)).is_wrong[0]
    };
    for target in [Target::Mistake, Target::Towards(3)] {
        // Class 2 is nearer: its margin is 0.2 at |(0.5, −0.5)|₁ = 1 and |…|₂ = √½.
        assert!(!wrong(Norm::LInf, 0.199, target) && wrong(Norm::LInf, 0.201, target), "{target:?}");
        let least = 0.2 / f64::sqrt(0.5);
        assert!(!wrong(Norm::L2, least - 0.001, target) && wrong(Norm::L2, least + 0.001, target), "{target:?}");
    }
}
