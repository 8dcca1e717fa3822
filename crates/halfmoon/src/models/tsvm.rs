//! The transductive support vector machine. The mathematics is in `halfmoon-classical`.
//!
//! Sindhwani, Keerthi, Chapelle. *Deterministic Annealing for Semi-Supervised Kernel Machines*. ICML 2006.

use halfmoon_classical::Tsvm;

use super::classical::Named;

impl Named for Tsvm {
    const NAME: &'static str = "tsvm";
    const ABOUT: &'static str = "a support vector machine whose border keeps away from unlabelled rows as well";
    const PAPER: &'static str = "sindhwani2006";
}
