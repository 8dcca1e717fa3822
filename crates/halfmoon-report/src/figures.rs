//! One figure a file, each from points or counts to an SVG that stands in the page: its colours are the page's
//! variables, so that it follows from light to dark, and nothing in it is told by colour alone.

pub(crate) mod attacks;
pub(crate) mod confusion;
pub(crate) mod histograms;
pub(crate) mod learning;
pub(crate) mod map;
mod plot;
pub(crate) mod reliability;
pub(crate) mod risk;
pub(crate) mod roc;
pub(crate) mod svg;

/// At most `most` of these points, first and last among them, evenly by their number.
pub(crate) fn thinned<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    if points.len() <= most {
        return points.to_vec();
    }
    (0..most).map(|n| points[n * (points.len() - 1) / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        let points: Vec<usize> = (0..1001).collect();
        assert_eq!(thinned(&points, 5), [0, 250, 500, 750, 1000]);
        assert_eq!(thinned(&points[..3], 5), [0, 1, 2]);
    }
}
