//! Langevin chains that wait between two steps of a training.

use burn::module::{Module, Param};
use burn::tensor::{Bool, IndexingUpdateOp, Tensor};

use crate::noise::Noise;
use crate::ops::{Index, index_tensor};

/// Where Langevin chains wait between two steps of a training, so that the next one goes on where the last ended.
///
/// Tieleman. *Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient*. ICML 2008, for chains that go on; Du,
/// Mordatch. *Implicit Generation and Modeling with Energy-Based Models*. NeurIPS 2019, for the buffer.
///
/// The first slots are shared out among the classes in equal parts, and chains that climb towards a class stay in its part; the slots after
/// them are of no class. The slots are stored with a model's parameters, and no gradient moves them.
#[derive(Module, Debug)]
pub struct ReplayBuffer {
    slots: Param<Tensor<2>>, // [slots, d]
    #[module(skip)]
    of_classes: usize,
    #[module(skip)]
    classes: usize,
}

/// Chains that were taken out.
pub struct Chains {
    /// Where they were taken from: `[n]`, all different.
    pub slots: Index,
    /// The classes of the first of them.
    pub classes: Index,
    /// Where they are: `[n, d]`, a constant.
    pub at: Tensor<2>,
    /// Which of them begin anew: `[n, 1]`.
    pub fresh: Tensor<2, Bool>,
}

impl ReplayBuffer {
    /// Slots of `width` numbers, 𝒰(−1, 1) each; a `share` of them of classes.
    pub fn new(slots: usize, width: usize, share: f64, classes: usize, noise: &mut Noise) -> ReplayBuffer {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share from 0 to 1 of some slots"
        )]
        let each = (share * slots as f64 / classes as f64).round() as usize;
        ReplayBuffer {
            slots: Param::from_tensor(noise.uniform([slots, width]) * 2.0 - 1.0).no_grad(),
            of_classes: each * classes,
            classes,
        }
    }

    /// Takes out `n` chains, or as many as there are slots, from different slots, each as likely as any other of its kind; each begins anew,
    /// at 𝒰(−1, 1), with the probability `fresh`.
    pub fn draw(&self, n: usize, fresh: f64, noise: &mut Noise) -> Chains {
        let [slots, width] = self.slots.val().dims();
        let n = n.min(slots);
        let of_classes = (n * self.of_classes).div_ceil(slots);
        let mut drawn = spread_out(0, self.of_classes, of_classes, noise);
        drawn.extend(spread_out(self.of_classes, slots - self.of_classes, n - of_classes, noise));
        let class = |slot: &u32| slot * u32::try_from(self.classes).expect("few classes") / small(self.of_classes);
        let classes = drawn[..of_classes].iter().map(class).collect();
        let slots: Index = drawn.into();
        let kept = self.slots.val().detach().select(0, index_tensor(&slots, noise.device()));
        let fresh = noise.uniform([n, 1]).lower_elem(fresh);
        let new = noise.uniform([n, width]) * 2.0 - 1.0;
        Chains { slots, classes, at: kept.mask_where(fresh.clone().expand([n, width]), new), fresh }
    }

    /// Puts chains back where they were taken from.
    #[must_use]
    pub fn put(self, slots: &Index, at: Tensor<2>) -> ReplayBuffer {
        let put = |all: Tensor<2>| {
            let index = index_tensor(slots, &all.device());
            let change = at - all.clone().select(0, index.clone());
            all.select_assign(0, index, change, IndexingUpdateOp::Add)
        };
        ReplayBuffer { slots: self.slots.map(put), ..self }
    }

    /// Every slot: `[slots, d]`.
    pub fn all(&self) -> Tensor<2> {
        self.slots.val()
    }
}

/// `n` of the numbers from `first` on, of which there are `count`, one from each of `n` stretches that begin at a random place: all different,
/// and each as likely as any other.
fn spread_out(first: usize, count: usize, n: usize, noise: &mut Noise) -> Vec<u32> {
    if n == 0 {
        return Vec::new();
    }
    let places: Vec<f32> = noise.uniform([n + 1]).into_data().iter().collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
    let within = |place: f32, length: usize| ((f64::from(place) * length as f64) as usize).min(length - 1);
    let (stretch, begin) = (count / n, within(places[n], count));
    places[..n]
        .iter()
        .enumerate()
        .map(|(at, &place)| small(first + (begin + at * stretch + within(place, stretch)) % count))
        .collect()
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2³² slots")
}
