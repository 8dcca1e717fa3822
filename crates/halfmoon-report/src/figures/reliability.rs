//! How often answers of a confidence are right: on the diagonal where the two agree, below it where answers are too
//! sure.

use halfmoon_pool::calibration::Bin;

use super::plot::{Axis, Plot};
use crate::markup::{count, probability};

/// Bins with items, by rising confidence: a point each at its mean confidence, with Wilson's interval.
pub(crate) fn reliability(bins: &[Bin]) -> String {
    let say = |bin: &Bin| {
        let (confidence, accuracy) = (probability(bin.confidence), probability(bin.accuracy));
        format!("of {} answers of confidence {confidence}, {accuracy} are right", count(bin.n))
    };
    let label = format!("reliability diagram: {}", bins.iter().map(say).collect::<Vec<_>>().join("; "));
    let mut plot = Plot::new(310.0, &label, Axis::shares("confidence"), Axis::shares("share that is right"));
    plot.line("diagonal", &[(0.0, 0.0), (1.0, 1.0)]);
    plot.note((0.03, 0.97), "above: too unsure");
    plot.note((0.97, 0.04), "below: too sure");
    plot.line("curve", &bins.iter().map(|bin| (bin.confidence, bin.accuracy)).collect::<Vec<_>>());
    for bin in bins {
        let (x, low) = plot.at(bin.confidence, bin.interval.0);
        let (_, high) = plot.at(bin.confidence, bin.interval.1);
        plot.svg.line("whisker", &[(x, low), (x, high)]);
        for end in [low, high] {
            plot.svg.line("whisker", &[(x - 3.5, end), (x + 3.5, end)]);
        }
        let place = plot.at(bin.confidence, bin.accuracy);
        plot.svg.circle("dot", place, 3.4);
    }
    plot.finish()
}

/// How many answers there are of each confidence: a bar a bin.
pub(crate) fn confidences(bins: &[Bin]) -> String {
    let most = bins.iter().map(|bin| bin.n).max().unwrap_or(0);
    let say = |bin: &Bin| format!("{} from {:.2} to {:.2}", count(bin.n), bin.low, bin.high);
    let label = format!("answers by confidence: {}", bins.iter().map(say).collect::<Vec<_>>().join(", "));
    let mut plot = Plot::new(150.0, &label, Axis::shares("confidence"), Axis::counts(most as f64, "answers"));
    for bin in bins {
        plot.bar("usual", (bin.low, bin.high), bin.n as f64);
    }
    plot.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(confidence: f64, accuracy: f64) -> Bin {
        let (low, high) = (confidence - 0.05, confidence + 0.05);
        Bin { low, high, n: 1200, confidence, accuracy, interval: (accuracy - 0.1, accuracy + 0.1) }
    }

    #[test]
    fn a_bin_is_a_point_with_its_interval_and_a_bar() {
        let bins = [bin(0.5, 0.4), bin(0.9, 0.85)];
        let svg = reliability(&bins);
        assert_eq!(svg.matches("class=\"dot\"").count(), 2);
        assert_eq!(svg.matches("class=\"whisker\"").count(), 6);
        assert!(svg.contains("of 1,200 answers of confidence 0.500, 0.400 are right"));
        assert_eq!(confidences(&bins).matches("class=\"usual\"").count(), 2);
    }

    #[test]
    fn no_bins_are_axes_alone() {
        assert!(!reliability(&[]).contains("NaN") && !confidences(&[]).contains("NaN"));
    }
}
