//! Label propagation: the harmonic function on a graph of neighbours. The mathematics is in `halfmoon-classical`.
//!
//! Zhu, Ghahramani, Lafferty. *Semi-Supervised Learning Using Gaussian Fields and Harmonic Functions*. ICML 2003.

use halfmoon_classical::LabelPropagation;

use super::classical::Named;

impl Named for LabelPropagation {
    const NAME: &'static str = "label_propagation";
    const ABOUT: &'static str = "labels flow along a graph of nearest neighbours; given ones stay as they are";
    const PAPER: &'static str = "zhu2003harmonic";
}
