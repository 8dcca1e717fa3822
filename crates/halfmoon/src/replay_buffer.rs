//! Langevin chains that wait between two steps of a training.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, IndexingUpdateOp, Tensor};

use crate::noise::Noise;
use crate::ops::{Index, index_tensor, one_hot};

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
    gaussians: Option<ClassGaussians>,
    #[module(skip)]
    of_classes: usize,
    #[module(skip)]
    classes: usize,
}

/// A Gaussian a class, with the mean and the covariance of some of its rows, where chains begin that need not find the data first.
/// Yang, Ji. *JEM++: Improved Techniques for Training JEM*. ICCV 2021, arXiv:2109.09032.
///
/// The covariance is that of the rows, so a sum of their deviations with normal weights is a sample, and no matrix of `[d, d]` is made.
#[derive(Module, Debug)]
struct ClassGaussians {
    means: Param<Tensor<2>>,      // [classes, d]
    deviations: Param<Tensor<2>>, // [classes · ROWS, d], each class's over √(its rows − 1)
    #[module(skip)]
    bounded: bool,
}

/// Rows of a class that its Gaussian is made of, at most.
const ROWS: usize = 64;

/// Added to each variance, as JEM++ has it.
const VARIANCE: f64 = 1e-4;

impl ClassGaussians {
    fn at_zero(classes: usize, width: usize, bounded: bool, device: &Device) -> ClassGaussians {
        let zeros = |rows| Param::from_tensor(Tensor::zeros([rows, width], device)).no_grad();
        ClassGaussians { means: zeros(classes), deviations: zeros(classes * ROWS), bounded }
    }

    /// Of the first rows of each class, one or more: `[n, d]` each.
    fn of(rows: &[Tensor<2>], bounded: bool) -> ClassGaussians {
        let mut means = Vec::new();
        let mut deviations = Vec::new();
        for rows in rows {
            let [n, width] = rows.dims();
            let n = n.min(ROWS);
            let rows = rows.clone().detach().slice_dim(0, 0..n);
            let mean = rows.clone().mean_dim(0);
            let scale = ((n - 1).max(1) as f64).sqrt();
            let padding = Tensor::zeros([ROWS - n, width], (&rows.device(), rows.dtype()));
            deviations.push(Tensor::cat(vec![(rows - mean.clone()) / scale, padding], 0));
            means.push(mean);
        }
        let stored = |rows| Param::from_tensor(Tensor::cat(rows, 0)).no_grad();
        ClassGaussians { means: stored(means), deviations: stored(deviations), bounded }
    }

    /// One of each of these classes: `[n, d]`.
    fn draw(&self, classes: &Index, noise: &mut Noise) -> Tensor<2> {
        let (n, count) = (classes.len(), self.means.dims()[0]);
        let (means, deviations) = (self.means.val().detach(), self.deviations.val().detach());
        let weights = noise.normal([n, ROWS]).cast(means.dtype()).repeat_dim(1, count);
        // Only the weights of a row's own class count.
        let own: Tensor<3> = one_hot(classes, count, &means).unsqueeze_dim(2);
        let own = own.repeat_dim(2, ROWS).reshape([n, count * ROWS]);
        let small = noise.normal([n, means.dims()[1]]).cast(means.dtype()) * VARIANCE.sqrt();
        let drawn = means.select(0, index_tensor(classes, noise.device())) + (weights * own).matmul(deviations) + small;
        if self.bounded { drawn.clamp(-1.0, 1.0) } else { drawn }
    }
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
    /// Slots of `width` numbers, 𝒰(−1, 1) each, as chains begin; a `share` of them of classes.
    pub fn new(slots: usize, width: usize, share: f64, classes: usize, noise: &mut Noise) -> ReplayBuffer {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share from 0 to 1 of some slots"
        )]
        let each = (share * slots as f64 / classes as f64).round() as usize;
        ReplayBuffer {
            slots: Param::from_tensor(noise.uniform([slots, width]) * 2.0 - 1.0).no_grad(),
            gaussians: None,
            of_classes: each * classes,
            classes,
        }
    }

    /// The same buffer, whose chains begin at class Gaussians, cut to −1 to 1 where they are `bounded`; before [`ReplayBuffer::begin`] all of these
    /// are at 0.
    #[must_use]
    pub fn at_classes(self, bounded: bool) -> ReplayBuffer {
        let [_, width] = self.slots.dims();
        let gaussians = ClassGaussians::at_zero(self.classes, width, bounded, &self.slots.val().device());
        ReplayBuffer { gaussians: Some(gaussians), ..self }
    }

    /// Begins every chain anew at the Gaussians of these rows of each class, where chains begin at classes.
    #[must_use]
    pub fn begin(self, rows: &[Tensor<2>], noise: &mut Noise) -> ReplayBuffer {
        let Some(gaussians) = &self.gaussians else { return self };
        let gaussians = ClassGaussians::of(rows, gaussians.bounded);
        let slots = self.slots.dims()[0];
        let classes: Index = (0..small(slots)).map(|slot| self.class_of(slot, noise)).collect();
        let new = gaussians.draw(&classes, noise);
        ReplayBuffer { gaussians: Some(gaussians), slots: self.slots.map(|_| new).no_grad(), ..self }
    }

    /// The class that a slot is of, or any where it is of none.
    fn class_of(&self, slot: u32, noise: &mut Noise) -> u32 {
        match self.of_classes {
            of_classes if slot < small(of_classes) => self.own_class(slot),
            _ => any_below(self.classes, noise),
        }
    }

    /// The class of one of the first slots.
    fn own_class(&self, slot: u32) -> u32 {
        slot * small(self.classes) / small(self.of_classes)
    }

    /// Where new chains of these classes begin: `[n, d]`.
    pub fn beginnings(&self, classes: &Index, noise: &mut Noise) -> Tensor<2> {
        match &self.gaussians {
            None => noise.uniform([classes.len(), self.slots.dims()[1]]) * 2.0 - 1.0,
            Some(gaussians) => gaussians.draw(classes, noise),
        }
    }

    /// Takes out `n` chains, or as many as there are slots, from different slots, each as likely as any other of its kind; each begins anew with
    /// the probability `fresh`.
    pub fn draw(&self, n: usize, fresh: f64, noise: &mut Noise) -> Chains {
        let [slots, width] = self.slots.val().dims();
        let n = n.min(slots);
        let of_classes = (n * self.of_classes).div_ceil(slots);
        let mut drawn = spread_out(0, self.of_classes, of_classes, noise);
        drawn.extend(spread_out(self.of_classes, slots - self.of_classes, n - of_classes, noise));
        let classes: Index = drawn[..of_classes].iter().map(|&slot| self.own_class(slot)).collect();
        let slots: Index = drawn.into();
        let kept = self.slots.val().detach().select(0, index_tensor(&slots, noise.device()));
        let fresh = noise.uniform([n, 1]).lower_elem(fresh);
        let begun: Index = match self.gaussians {
            None => slots.clone(),
            Some(_) => classes.iter().copied().chain((of_classes..n).map(|_| any_below(self.classes, noise))).collect(),
        };
        let new = self.beginnings(&begun, noise);
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

/// One of the numbers below `count`, each as likely.
fn any_below(count: usize, noise: &mut Noise) -> u32 {
    let place: f64 = noise.uniform([1]).into_data().iter().next().expect("one number");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a small count")]
    let at = (place * count as f64) as u32;
    at.min(small(count) - 1)
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2³² slots")
}
