//! Label spreading: local and global consistency on a graph of neighbours. The mathematics is in `halfmoon-classical`.
//!
//! Zhou, Bousquet, Lal, Weston, Schölkopf. *Learning with Local and Global Consistency*. NIPS 2003.

use halfmoon_classical::LabelSpreading;

use super::classical::Named;

impl Named for LabelSpreading {
    const NAME: &'static str = "label_spreading";
    const ABOUT: &'static str = "labels spread along a graph of nearest neighbours, which may overrule given ones";
    const PAPER: &'static str = "zhou2003consistency";
}
