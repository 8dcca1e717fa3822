//! Parameters a little uphill of where they are, so that a step is downhill of a whole neighbourhood.
//!
//! Foret, Kleiner, Mobahi, Neyshabur. *Sharpness-Aware Minimization for Efficiently Improving Generalization*. ICLR 2021, arXiv:2010.01412; with the
//! scale of each parameter, Kwon, Kim, Park, Choi. *ASAM*. ICML 2021, arXiv:2102.11600.
//!
//! ```text
//! w + ρ w² g / ‖ |w| g ‖        g: the gradient at w, products number by number
//! ```

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// A copy of the model at w + ρ w² g / ‖ |w| g ‖; the model itself stays where it is.
pub fn uphill<M: Module>(model: &M, gradients: &GradientsParams, radius: f64) -> M {
    let mut length = Length { gradients, squares: 0.0 };
    model.visit(&mut length);
    let scale = radius / (length.squares.sqrt() + 1e-12);
    model.clone().map(&mut Climb { gradients, scale })
}

struct Length<'a> {
    gradients: &'a GradientsParams,
    squares: f64,
}

impl ModuleVisitor for Length<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let weight = param.val().inner();
            self.squares += (weight * gradient).square().sum().into_data().iter::<f64>().sum::<f64>();
        }
    }
}

struct Climb<'a> {
    gradients: &'a GradientsParams,
    scale: f64,
}

impl ModuleMapper for Climb<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let inner = weight.clone().inner();
        let moved = inner.clone() + inner.square() * gradient * self.scale;
        let moved = Tensor::from_inner(moved).set_require_grad(weight.is_require_grad());
        Param::from_mapped_value(id, moved, mapper)
    }
}
