//! How accuracy grows with labels: a line a contender, with a band over its runs, as an SVG.
//!
//! ```text
//!  accuracy in %
//! 100 ┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄  full supervision
//!  90 ┤        ___________─────── contender a
//!  80 ┤   ___╱  _ _ _ _ _ _ _ _ _ random
//!  70 ┤_╱_ _ ╱
//!     └┬─────┬─────┬─────┬──────
//!      10   20    30    40   labels
//! ```
//!
//! A line is the mean of the runs at each number of labels at which every run has a point that was not stopped before, and the
//! band is one standard deviation (n − 1) on either side, where there are two runs or more. Where some runs were stopped
//! the line goes on thin: the mean of those that are left may jump.

use halfmoon_pool::{Error, Result};
use image::Rgb;

use crate::chart::{
    Area, DASHED, Frame, LEFT, MARGIN, NAME_HEIGHT, Name, TOP, Tick, WIDTH, draw_names, fitted, round_numbers, spread,
};
use crate::page::Ink;
use crate::palette::line_ink;
use crate::svg::Svg;
use crate::text::TICK;

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Learning {
    /// Above everything.
    pub title: String,
    /// Above the vertical axis.
    pub y: String,
    /// Below the horizontal axis.
    pub x: String,
    /// What is compared.
    pub lines: Vec<Contender>,
    /// Accuracies to look for, in %: dashed, and written at the axis.
    pub targets: Vec<f64>,
    /// What stands for itself, such as published figures.
    pub references: Vec<Reference>,
}

/// What chooses labels, or learns from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// At the end of the line.
    pub name: String,
    /// What the others must beat: grey and dashed, above the others. It takes no colour from them.
    pub is_baseline: bool,
    /// Its runs, one a seed, each as points: how many labels, and the accuracy in %.
    pub runs: Vec<Vec<(f64, f64)>>,
}

/// A point or a height with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Beside it.
    pub name: String,
    /// Of a point, such as 100 labels to 90 %. `None` for a height at any number of labels, such as full supervision.
    pub labels: Option<f64>,
    /// In %.
    pub accuracy: f64,
}

impl Reference {
    fn point(&self) -> Option<(f64, f64)> {
        self.labels.map(|labels| (labels, self.accuracy))
    }
}

/// Lower edge of the frame, where that has room for all names beside it.
const LOWEST: f64 = 570.0;
/// From the frame to the names right of it: a leader, a sample of the line, and a blank.
const TO_COLUMN: f64 = LEADER + SAMPLE + 6.0;
const LEADER: f64 = 26.0;
const SAMPLE: f64 = 22.0;
/// A line that ends in this last part of the axis is named right of the frame.
const LAST: f64 = 0.04;
/// From one target's number to the next.
const TARGET_GAP: f64 = 14.0;
/// More intervals than this would crowd an axis.
const MOST_TICKS: f64 = 10.0;
/// The least that a vertical axis spans, in percentage points: less is chance.
const LEAST_SPAN: f64 = 1.0;
/// Its ticks are counts.
const MOST_LABELS: f64 = 1e12;

/// Of baselines.
const GREY: Ink = Rgb([0x55; 3]);
const GREY_DASHES: [&str; 3] = ["8 4", "2 3", "12 3 2 3"];

/// Draws the curves. A contender without points is left out. The page grows where it has no room for all of the names.
pub fn learning(figure: &Learning) -> Result<String> {
    let lines: Vec<&Contender> =
        figure.lines.iter().filter(|line| line.runs.iter().any(|run| !run.is_empty())).collect();
    if lines.is_empty() {
        return Err(Error::usage("there is no point to draw", "run a simulation first"));
    }
    check(figure)?;
    let means: Vec<Vec<Mean>> = lines.iter().map(|line| means(line)).collect::<Result<_>>()?;
    let (low, high) = range(points_of(figure).map(|(labels, _)| labels));
    let is_late = |labels: f64| low < high && labels >= high - LAST * (high - low);
    let mut names: Vec<Named> = lines
        .iter()
        .zip(&means)
        .zip(inks(&lines))
        .map(|((line, means), (ink, dashes))| {
            let last = means[means.len() - 1];
            let end = (last.labels, last.accuracy);
            Named { name: Name::of_line(&line.name, ink, end), is_right: is_late(last.labels), dashes, thickness: 2.2 }
        })
        .collect();
    names.extend(figure.references.iter().map(|reference| {
        let end = (reference.labels.unwrap_or(high), reference.accuracy);
        let is_right = reference.labels.is_none();
        Named { name: Name::of_mark(&reference.name, end), is_right, dashes: "5 4", thickness: 1.0 }
    }));
    let plot = Plot::new(figure, &means, &names, (low, high));
    for named in &mut names {
        named.name.end = plot.at(named.name.end);
    }
    let mut svg = Svg::new(&figure.title, &figure.y, plot.frame.size());
    plot.draw(&mut svg, figure, &lines, &means);
    plot.draw_column(&mut svg, names.iter().filter(|named| named.is_right).collect());
    let inside: Vec<&Name> = names.iter().filter(|named| !named.is_right).map(|named| &named.name).collect();
    let diamonds = figure.references.iter().filter_map(Reference::point).map(|point| diamond(plot.at(point)));
    let paths: Vec<Vec<(f64, f64)>> = means.iter().map(|means| plot.path(means)).chain(diamonds).collect();
    let area = Area(LEFT, TOP, plot.frame.right, plot.frame.bottom);
    draw_names(&mut svg, &inside, paths.iter(), &area);
    Ok(svg.finish())
}

/// All that an axis must have room for, apart from bands and targets.
fn points_of(figure: &Learning) -> impl Iterator<Item = (f64, f64)> {
    let references = figure.references.iter().filter_map(Reference::point);
    figure.lines.iter().flat_map(|line| line.runs.iter().flatten().copied()).chain(references)
}

fn check(figure: &Learning) -> Result<()> {
    let heights = figure.references.iter().map(|reference| reference.accuracy).chain(figure.targets.iter().copied());
    let is_usable =
        |&(labels, accuracy): &(f64, f64)| (0.0..=MOST_LABELS).contains(&labels) && (0.0..=100.0).contains(&accuracy);
    let hint = "numbers of labels are 0 or more, and accuracies from 0 to 100";
    if let Some((labels, accuracy)) = points_of(figure).find(|point| !is_usable(point)) {
        let problem = format!("a point at {labels} labels with an accuracy of {accuracy} % cannot be drawn");
        return Err(Error::usage(problem, hint));
    }
    match heights.into_iter().find(|&accuracy| !is_usable(&(0.0, accuracy))) {
        Some(accuracy) => Err(Error::usage(format!("an accuracy of {accuracy} % cannot be drawn"), hint)),
        None => Ok(()),
    }
}

/// What the runs of a contender have in common at a number of labels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mean {
    labels: f64,
    accuracy: f64,
    /// Standard deviation over runs; `None` for a single one.
    deviation: Option<f64>,
    /// Whether no run was stopped before.
    is_of_all: bool,
}

impl Mean {
    /// One standard deviation down and up, within what an accuracy can be.
    fn band(&self) -> Option<(f64, f64)> {
        self.deviation.map(|deviation| ((self.accuracy - deviation).max(0.0), (self.accuracy + deviation).min(100.0)))
    }
}

/// With ascending numbers of labels, of which each run that goes as far has a point.
fn means(line: &Contender) -> Result<Vec<Mean>> {
    let mut runs: Vec<Vec<(f64, f64)>> = line.runs.iter().filter(|run| !run.is_empty()).cloned().collect();
    for run in &mut runs {
        // Adding 0 turns −0 into 0, which sorts elsewhere.
        for point in &mut *run {
            point.0 += 0.0;
        }
        run.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(pair) = run.windows(2).find(|pair| pair[0].0.total_cmp(&pair[1].0).is_eq()) {
            let problem = format!("a run of `{}` has two accuracies at {} labels", line.name, pair[0].0);
            return Err(Error::usage(problem, "give one for each number of labels"));
        }
    }
    let mut labels: Vec<f64> = runs.iter().flatten().map(|point| point.0).collect();
    labels.sort_by(f64::total_cmp);
    labels.dedup();
    let at = |run: &Vec<(f64, f64)>, labels: f64| {
        run.binary_search_by(|point| point.0.total_cmp(&labels)).ok().map(|place| run[place].1)
    };
    let mean = |labels: f64| {
        let reaching = runs.iter().filter(|run| run[run.len() - 1].0 >= labels);
        let values: Vec<f64> = reaching.map(|run| at(run, labels)).collect::<Option<_>>()?;
        let accuracy = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - accuracy).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt());
        Some(Mean { labels, accuracy, deviation, is_of_all: values.len() == runs.len() })
    };
    Ok(labels.into_iter().filter_map(mean).collect())
}

/// The colour and the dashes of each line.
fn inks(lines: &[&Contender]) -> Vec<(Ink, &'static str)> {
    let ink = |n: usize| {
        // Among its like.
        let number = lines[..n].iter().filter(|other| other.is_baseline == lines[n].is_baseline).count();
        if lines[n].is_baseline { (GREY, GREY_DASHES[number % GREY_DASHES.len()]) } else { line_ink(number) }
    };
    (0..lines.len()).map(ink).collect()
}

/// A name, and how what it names is drawn.
struct Named {
    name: Name,
    /// Whether it stands right of the frame, and not in it.
    is_right: bool,
    dashes: &'static str,
    thickness: f64,
}

struct Plot {
    frame: Frame,
    /// Labels at the left edge and at the right one.
    labels: (f64, f64),
    /// Accuracy at the lower edge and at the upper one.
    accuracy: (f64, f64),
}

impl Plot {
    /// The vertical axis begins and ends at a round number, the horizontal one with the points.
    fn new(figure: &Learning, means: &[Vec<Mean>], names: &[Named], (first, last): (f64, f64)) -> Plot {
        let bands = means.iter().flatten().filter_map(Mean::band).flat_map(|(low, high)| [low, high]);
        let accuracies = means.iter().flatten().map(|mean| mean.accuracy).chain(bands);
        let accuracies = accuracies.chain(figure.targets.iter().copied());
        let (low, high) = range(accuracies.chain(figure.references.iter().map(|reference| reference.accuracy)));
        let more = ((LEAST_SPAN - (high - low)) / 2.0).max(0.0);
        let (low, high) = (low - more, high + more);
        let step = step(high - low);
        let accuracy = (((low / step).floor() * step).max(0.0), ((high / step).ceil() * step).min(100.0));
        let column = || names.iter().filter(|named| named.is_right);
        let widest = column().map(|named| named.name.width() + TO_COLUMN).fold(0.0, f64::max);
        let tallest = NAME_HEIGHT * column().count() as f64;
        let frame = Frame { right: WIDTH - MARGIN - widest, bottom: LOWEST.max(TOP + tallest) };
        Plot { frame, labels: (first, last), accuracy }
    }

    fn at(&self, (labels, accuracy): (f64, f64)) -> (f64, f64) {
        // A single number of labels stands in the middle.
        let share = |(low, high): (f64, f64), value: f64| if low < high { (value - low) / (high - low) } else { 0.5 };
        let right = share(self.labels, labels) * (self.frame.right - LEFT);
        (LEFT + right, self.frame.bottom - share(self.accuracy, accuracy) * (self.frame.bottom - TOP))
    }

    fn height(&self, accuracy: f64) -> f64 {
        self.at((0.0, accuracy)).1
    }

    fn path(&self, means: &[Mean]) -> Vec<(f64, f64)> {
        means.iter().map(|mean| self.at((mean.labels, mean.accuracy))).collect()
    }

    fn draw(&self, svg: &mut Svg, figure: &Learning, lines: &[&Contender], means: &[Vec<Mean>]) {
        self.draw_axes(svg, &figure.targets);
        self.draw_captions(svg, figure, means);
        // A baseline lies above the others, and every line above every band.
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by_key(|&n| lines[n].is_baseline);
        let inks = inks(lines);
        // Many bands over one another would become one.
        let share = (0.9 / lines.len() as f64).clamp(0.08, 0.18);
        for &n in &order {
            self.draw_band(svg, &means[n], inks[n].0, share);
        }
        self.draw_references(svg, &figure.references);
        for &n in &order {
            self.draw_line(svg, &means[n], inks[n]);
        }
    }

    fn draw_axes(&self, svg: &mut Svg, targets: &[f64]) {
        let (low, high) = self.labels;
        let first = Tick { place: self.at((low, 0.0)).0, text: low.to_string() };
        let labels = ticks((low, high), step(high - low).max(1.0)).into_iter();
        let xs = labels.map(|(labels, text)| Tick { place: self.at((labels, 0.0)).0, text });
        let mut targets: Vec<f64> = targets.to_vec();
        targets.sort_by(|a, b| b.total_cmp(a));
        let wanted: Vec<f64> = targets.iter().map(|&target| self.height(target)).collect();
        let written = spread(&wanted, TARGET_GAP, (TOP, self.frame.bottom));
        let accuracies = ticks(self.accuracy, step(self.accuracy.1 - self.accuracy.0)).into_iter();
        let ys = accuracies.map(|(accuracy, text)| Tick { place: self.height(accuracy), text });
        let ys = ys.filter(|tick| written.iter().all(|place| (place - tick.place).abs() >= TARGET_GAP));
        self.frame.draw_axes(svg, std::iter::once(first).chain(xs).collect(), ys.collect());
        for ((target, y), place) in targets.iter().zip(&wanted).zip(&written) {
            svg.dashes("target", &[(LEFT, *y), (self.frame.right, *y)], DASHED, 1.0, "2 4");
            let text = fitted(&target.to_string(), TICK, LEFT - 9.0);
            svg.text("target-name", &text, TICK, "end", (LEFT - 7.0, place + 4.5));
        }
    }

    fn draw_captions(&self, svg: &mut Svg, figure: &Learning, means: &[Vec<Mean>]) {
        let all = || means.iter().flatten();
        let mut notes = Vec::new();
        if all().any(|mean| mean.deviation.is_some()) {
            notes.push("line: mean; band: ± one standard deviation");
        }
        if all().any(|mean| !mean.is_of_all) {
            notes.push("thin: some runs were stopped");
        }
        self.frame.draw_captions(svg, &figure.title, &figure.y, &figure.x, &notes.join("; "));
    }

    fn draw_band(&self, svg: &mut Svg, means: &[Mean], ink: Ink, share: f64) {
        let edges = || means.iter().filter_map(|mean| Some((mean.labels, mean.band()?)));
        let upper = edges().map(|(labels, (_, high))| self.at((labels, high)));
        let lower: Vec<(f64, f64)> = edges().map(|(labels, (low, _))| self.at((labels, low))).collect();
        let corners: Vec<(f64, f64)> = upper.chain(lower.iter().rev().copied()).collect();
        match corners[..] {
            [] => {}
            // A single number of labels.
            [(x, high), (_, low)] => {
                svg.area("band", &[(x - 5.0, high), (x + 5.0, high), (x + 5.0, low), (x - 5.0, low)], ink, share);
            }
            _ => svg.area("band", &corners, ink, share),
        }
    }

    fn draw_line(&self, svg: &mut Svg, means: &[Mean], (ink, dashes): (Ink, &str)) {
        let path = self.path(means);
        let of_all = means.iter().take_while(|mean| mean.is_of_all).count();
        let (whole, rest) = (&path[..of_all], &path[of_all.saturating_sub(1)..]);
        if !whole.is_empty() {
            svg.dashes("line", whole, ink, 2.2, dashes);
        }
        if of_all < path.len() {
            svg.dashes("rest", rest, ink, 1.1, dashes);
        }
        svg.dot("end", path[path.len() - 1], 3.5, ink);
    }

    fn draw_references(&self, svg: &mut Svg, references: &[Reference]) {
        for reference in references {
            if let Some(point) = reference.point() {
                svg.area("reference", &diamond(self.at(point)), TICK.ink(), 1.0);
            } else {
                let y = self.height(reference.accuracy);
                svg.dashes("reference", &[(LEFT, y), (self.frame.right, y)], DASHED, 1.0, "5 4");
            }
        }
    }

    /// Names right of the frame, in the order of what they name from the top, each after a sample of its line.
    fn draw_column(&self, svg: &mut Svg, mut column: Vec<&Named>) {
        column.sort_by(|a, b| a.name.end.1.total_cmp(&b.name.end.1));
        let wanted: Vec<f64> = column.iter().map(|named| named.name.end.1).collect();
        let x = self.frame.right + LEADER;
        let places = spread(&wanted, NAME_HEIGHT, (TOP, self.frame.bottom));
        for (Named { name, dashes, thickness, .. }, y) in column.into_iter().zip(places) {
            svg.stroke("leader", &[name.end, (x, y)], name.ink, 0.8);
            svg.dashes("sample", &[(x, y), (x + SAMPLE, y)], name.ink, *thickness, dashes);
            name.draw(svg, "start", (self.frame.right + TO_COLUMN, y));
        }
    }
}

fn diamond((x, y): (f64, f64)) -> Vec<(f64, f64)> {
    vec![(x, y - 5.5), (x + 5.5, y), (x, y + 5.5), (x - 5.5, y)]
}

/// The least and the most.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

/// A round number, of which this span holds at most [`MOST_TICKS`].
fn step(span: f64) -> f64 {
    round_numbers(span / MOST_TICKS, f64::INFINITY).first().copied().unwrap_or(MOST_LABELS)
}

/// Multiples of a step from `low` to `high`, each with its text.
fn ticks((low, high): (f64, f64), step: f64) -> Vec<(f64, String)> {
    let decimals = (0..9).take_while(|&n| step < 0.99 * 10_f64.powi(-n)).count();
    let first = (low / step - 1e-9).ceil();
    let values = std::iter::successors(Some(first), |n| Some(n + 1.0)).map(|n| n * step);
    values
        .take_while(|&value| value <= high + 1e-9 * step)
        .map(|value| (value, format!("{value:.decimals$}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::measured;
    use crate::svg::testing::{attribute, elements, number, points, text};
    use crate::text::LABEL;

    fn contender(name: &str, runs: &[&[(f64, f64)]]) -> Contender {
        let runs = runs.iter().map(|run| run.to_vec()).collect();
        Contender { name: name.into(), is_baseline: name == "random", runs }
    }

    fn figure(lines: Vec<Contender>) -> Learning {
        let (title, y, x) = ("accuracy & <labels>".into(), "accuracy in %".into(), "number of labels".into());
        Learning { title, y, x, lines, targets: vec![], references: vec![] }
    }

    fn picture(lines: Vec<Contender>) -> String {
        learning(&figure(lines)).unwrap()
    }

    fn reference(name: &str, labels: Option<f64>, accuracy: f64) -> Reference {
        Reference { name: name.into(), labels, accuracy }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.11
    }

    #[test]
    fn a_line_is_the_mean_and_its_band_one_deviation_on_either_side() {
        let two = contender("m", &[&[(20.0, 60.0), (40.0, 80.0)], &[(20.0, 70.0), (40.0, 84.0)]]);
        // Of 60 and 70: √(25 + 25); of 80 and 84: √(4 + 4).
        let found = means(&two).unwrap();
        for (mean, (labels, accuracy, deviation)) in
            found.iter().zip([(20.0, 65.0, 50_f64.sqrt()), (40.0, 82.0, 8_f64.sqrt())])
        {
            let off = [mean.labels - labels, mean.accuracy - accuracy, mean.deviation.unwrap() - deviation];
            assert!(off.iter().all(|v| v.abs() < 1e-12) && mean.is_of_all, "{mean:?}");
        }
        let svg = picture(vec![two]);
        let (line, band) = (points(elements(&svg, "line")[0]), points(elements(&svg, "band")[0]));
        // Along the upper edge, then back along the lower one.
        for (n, (upper, lower)) in [(band[0], band[3]), (band[1], band[2])].into_iter().enumerate() {
            assert!(close(upper.0, line[n].0) && close(lower.0, line[n].0), "{band:?}");
            assert!(close(f64::midpoint(upper.1, lower.1), line[n].1), "{band:?}, {line:?}");
        }
        // √50 is 2.5 times √8. The line rises by 17 points, and its band begins 2 √50 points wide.
        let (first, second) = (band[3].1 - band[0].1, band[2].1 - band[1].1);
        assert!((first / second - 2.5).abs() < 0.01, "{first}, {second}");
        assert!(((line[0].1 - line[1].1) / first - 17.0 / (2.0 * 50_f64.sqrt())).abs() < 0.01, "{line:?}");
    }

    #[test]
    fn a_band_stays_within_what_an_accuracy_can_be() {
        let wide = means(&contender("m", &[&[(1.0, 0.0), (2.0, 90.0)], &[(1.0, 20.0), (2.0, 100.0)]])).unwrap();
        // 10 ± 14.1 and 95 ± 7.1.
        let [Some((low, _)), Some((_, high))] = [wide[0].band(), wide[1].band()] else { panic!("two runs") };
        assert!(low.abs() < 1e-12 && (high - 100.0).abs() < 1e-12, "{wide:?}");
    }

    #[test]
    fn where_one_of_two_runs_was_stopped_the_line_goes_on_thin_and_without_a_band() {
        let stopped = contender("m", &[&[(10.0, 50.0), (20.0, 70.0), (30.0, 90.0)], &[(10.0, 60.0), (20.0, 80.0)]]);
        let found: Vec<(f64, bool, bool)> =
            means(&stopped).unwrap().iter().map(|m| (m.accuracy, m.deviation.is_some(), m.is_of_all)).collect();
        assert_eq!(found, [(55.0, true, true), (75.0, true, true), (90.0, false, false)]);
        let svg = picture(vec![stopped]);
        let [line, rest, band] = ["line", "rest", "band"].map(|class| points(elements(&svg, class)[0]));
        assert_eq!((line.len(), rest.len(), band.len()), (2, 2, 4));
        assert!(line[1] == rest[0] && rest[1].0 > rest[0].0, "{line:?}, {rest:?}");
        let thickness = |class| number(elements(&svg, class)[0], "stroke-width");
        assert!(thickness("rest") < thickness("line"));
        assert!(text(elements(&svg, "note")[0]).contains("stopped"));
    }

    #[test]
    fn a_number_of_labels_that_a_run_skips_has_no_mean() {
        let skips = contender("m", &[&[(10.0, 50.0), (20.0, 70.0), (30.0, 90.0)], &[(30.0, 80.0), (10.0, 60.0)], &[]]);
        let found: Vec<(f64, f64)> = means(&skips).unwrap().iter().map(|m| (m.labels, m.accuracy)).collect();
        assert_eq!(found, [(10.0, 55.0), (30.0, 85.0)]);
    }

    #[test]
    fn a_single_run_is_a_line_without_a_band_or_a_note() {
        let svg = picture(vec![contender("m", &[&[(20.0, 60.0), (30.0, 70.0), (60.0, 80.0)]])]);
        assert_eq!(["line", "rest", "band", "note"].map(|class| elements(&svg, class).len()), [1, 0, 0, 0]);
        // Both axes are linear: 30 labels more are three times as long as 10, and 10 % more are as high as 10.
        let line = points(elements(&svg, "line")[0]);
        assert!((line[2].0 - line[1].0 - 3.0 * (line[1].0 - line[0].0)).abs() < 0.3, "{line:?}");
        assert!((line[0].1 - line[1].1 - (line[1].1 - line[2].1)).abs() < 0.2, "{line:?}");
    }

    #[test]
    fn axes_begin_where_the_data_begin_and_have_round_ticks() {
        let svg = picture(vec![contender("m", &[&[(37.0, 61.3), (520.0, 97.2)]])]);
        let ticks: Vec<&str> = elements(&svg, "tick").into_iter().map(text).collect();
        // 35.9 points in at most ten steps: of 5. 483 labels: of 50, but 50 itself would touch the first.
        let expected = "60 65 70 75 80 85 90 95 100 37 100 150 200 250 300 350 400 450 500";
        assert_eq!(ticks.join(" "), expected);
        let line = points(elements(&svg, "line")[0]);
        assert!(close(line[0].0, LEFT));
        let decimals = picture(vec![contender("m", &[&[(0.0, 95.1), (8.0, 97.0)]])]);
        let ticks: Vec<&str> = elements(&decimals, "tick").into_iter().map(text).collect();
        assert_eq!(ticks[..3], ["95.0", "95.2", "95.4"]);
        assert_eq!(ticks[11..], ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    }

    #[test]
    fn names_at_the_ends_stand_in_the_order_of_accuracy_and_apart() {
        let lines = ["third", "first", "fourth", "second", "fifth"].into_iter().zip([96.1, 96.3, 96.0, 96.2, 80.0]);
        let svg = picture(lines.map(|(name, last)| contender(name, &[&[(20.0, 50.0), (100.0, last)]])).collect());
        let names = elements(&svg, "name");
        let order: Vec<&str> = names.iter().map(|name| text(name)).collect();
        assert_eq!(order, ["first", "second", "third", "fourth", "fifth"]);
        let heights: Vec<f64> = names.iter().map(|name| number(name, "y")).collect();
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= NAME_HEIGHT - 0.11), "{heights:?}");
        // The last one is alone, and as high as its line's end.
        assert!((heights[4] - 5.0 - number(elements(&svg, "end")[4], "cy")).abs() < 0.11, "{heights:?}");
    }

    #[test]
    fn a_line_that_ends_early_is_named_at_its_end() {
        let lines = vec![
            contender("late", &[&[(20.0, 50.0), (500.0, 95.0)]]),
            contender("early", &[&[(20.0, 50.0), (100.0, 90.0)]]),
        ];
        let svg = picture(lines);
        let names = elements(&svg, "name");
        let early = names.iter().find(|name| text(name) == "early").unwrap();
        let (x, y) = (number(elements(&svg, "end")[1], "cx"), number(elements(&svg, "end")[1], "cy"));
        assert!((number(early, "x") - x).abs() < 12.0 && (number(early, "y") - y).abs() < 40.0, "{early}");
        assert_eq!(elements(&svg, "sample").len(), 1);
    }

    #[test]
    fn the_baseline_is_grey_and_dashed_above_every_band_and_takes_no_colour() {
        let runs: &[&[(f64, f64)]] = &[&[(20.0, 60.0), (40.0, 80.0)], &[(20.0, 70.0), (40.0, 84.0)]];
        let others = |n: usize| (0..n).map(|n| contender(&format!("rule {n}"), runs)).collect::<Vec<_>>();
        for n in [0, 1, 24] {
            let svg = picture([vec![contender("random", runs)], others(n)].concat());
            let lines = elements(&svg, "line");
            assert_eq!((lines.len(), elements(&svg, "band").len()), (n + 1, n + 1));
            let last = lines[n];
            assert!(attribute(last, "stroke") == "#555555" && last.contains("stroke-dasharray"), "{last}");
            assert!(svg.rfind("\"band\"") < svg.find("\"line\""));
            let alone = if n == 0 { svg.clone() } else { picture(others(n)) };
            let inks = |svg: &str| -> Vec<String> {
                elements(svg, "line").iter().map(|line| attribute(line, "stroke").to_owned()).collect()
            };
            assert_eq!(inks(&svg)[..n], inks(&alone)[..n]);
        }
    }

    #[test]
    fn contenders_without_points_are_left_out_and_no_point_at_all_is_an_error() {
        let svg = picture(vec![contender("none", &[]), contender("empty", &[&[]]), contender("m", &[&[(20.0, 60.0)]])]);
        let names: Vec<&str> = elements(&svg, "name").into_iter().map(text).collect();
        assert_eq!(names, ["m"]);
        for lines in [vec![], vec![contender("none", &[])], vec![contender("random", &[&[]])]] {
            assert!(learning(&figure(lines)).is_err());
        }
    }

    #[test]
    fn a_single_point_lies_inside_the_frame() {
        for (labels, accuracy) in [(20.0, 60.0), (0.0, 0.0), (1e12, 100.0)] {
            for runs in [&[&[(labels, accuracy)][..]][..], &[&[(labels, accuracy)], &[(labels, accuracy)]]] {
                let svg = picture(vec![contender("m", runs), contender("random", runs)]);
                for end in elements(&svg, "end") {
                    let (x, y) = (number(end, "cx"), number(end, "cy"));
                    assert!((LEFT..=WIDTH).contains(&x) && (TOP..=LOWEST).contains(&y), "{end}");
                }
                assert!(!svg.contains("NaN") && !svg.contains("inf"));
            }
        }
    }

    #[test]
    fn names_of_any_kind_stay_text_on_the_page() {
        let long = "Donaudampfschifffahrtsgesellschaft ".repeat(900);
        let names = [
            "<b>",
            "&amp;",
            "\"><script>",
            &long,
            "قطة على السطح",
            "\u{202e}abc",
            "a\nb\0",
            "",
            "猫".repeat(99).as_str(),
        ]
        .map(String::from);
        let last = |n: usize| if n.is_multiple_of(2) { 500.0 } else { 100.0 };
        let lines = names.iter().enumerate();
        let mut hostile = figure(lines.map(|(n, name)| contender(name, &[&[(20.0, 50.0), (last(n), 90.0)]])).collect());
        hostile.references = names.iter().map(|name| reference(name, None, 95.0)).collect();
        hostile.references.extend(names.iter().map(|name| reference(name, Some(60.0), 70.0)));
        (hostile.title, hostile.y, hostile.x) = (long.clone(), long.clone(), long.clone());
        let svg = learning(&hostile).unwrap();
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(!svg.contains("<script") && !svg.contains('\0') && svg.contains("&quot;&gt;&lt;script&gt;"));
        assert_eq!((elements(&svg, "name").len(), elements(&svg, "published").len()), (9, 18));
        for (class, style) in [("name", LABEL), ("published", TICK), ("caption", TICK)] {
            for element in elements(&svg, class) {
                let width = measured(&text(element).replace("&amp;", "&"), style);
                let begin = match attribute(element, "text-anchor") {
                    "start" => number(element, "x"),
                    "middle" => number(element, "x") - width / 2.0,
                    _ => number(element, "x") - width,
                };
                // An escaped `<` is measured as four letters, in short names only.
                assert!(begin > -0.11 && begin + width < WIDTH, "{element}");
            }
        }
    }

    #[test]
    fn targets_and_references_stand_at_their_accuracy() {
        let mut all = figure(vec![contender("m", &[&[(20.0, 60.0), (100.0, 90.0), (200.0, 98.2)]])]);
        all.targets = vec![90.0, 95.0];
        all.references = vec![reference("full supervision", None, 98.2), reference("published", Some(100.0), 90.0)];
        let svg = learning(&all).unwrap();
        let line = points(elements(&svg, "line")[0]);
        let targets: Vec<f64> = elements(&svg, "target").iter().map(|target| points(target)[0].1).collect();
        assert!(targets.len() == 2 && close(targets[1], line[1].1) && targets[0] < targets[1], "{targets:?}");
        let written: Vec<&str> = elements(&svg, "target-name").into_iter().map(text).collect();
        assert_eq!(written, ["95", "90"]);
        assert!(elements(&svg, "tick").into_iter().map(text).all(|tick| tick != "90" && tick != "95"));
        let [height, point] = elements(&svg, "reference")[..] else { panic!("two references") };
        assert!(close(points(height)[0].1, line[2].1) && height.contains("stroke-dasharray"), "{height}");
        let corners = points(point);
        let middle = corners.iter().fold((0.0, 0.0), |sum, corner| (sum.0 + corner.0 / 4.0, sum.1 + corner.1 / 4.0));
        assert!(close(middle.0, line[1].0) && close(middle.1, line[1].1), "{middle:?}");
    }

    #[test]
    fn a_target_above_every_line_is_on_the_page() {
        let mut low = figure(vec![contender("m", &[&[(20.0, 30.0), (100.0, 40.0)]])]);
        low.targets = vec![95.0];
        let svg = learning(&low).unwrap();
        assert!(points(elements(&svg, "target")[0])[0].1 >= TOP);
    }

    #[test]
    fn the_page_grows_until_all_names_stand_apart() {
        let lines = (0..60).map(|n| contender(&format!("rule {n}"), &[&[(20.0, 50.0), (100.0, 90.0)]])).collect();
        let svg = picture(lines);
        let heights: Vec<f64> = elements(&svg, "name").iter().map(|name| number(name, "y")).collect();
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= NAME_HEIGHT - 0.11), "{heights:?}");
        assert!(heights[59] < number(svg.lines().next().unwrap(), "height"));
    }

    #[test]
    fn the_same_points_in_any_order_give_the_same_bytes() {
        let runs: &[&[(f64, f64)]] = &[&[(20.0, 60.0), (30.0, 70.0), (40.0, 80.0)], &[(20.0, 70.0), (40.0, 84.0)]];
        let mixed: &[&[(f64, f64)]] = &[&[(40.0, 80.0), (20.0, 60.0), (30.0, 70.0)], &[(40.0, 84.0), (20.0, 70.0)]];
        let svg = picture(vec![contender("random", runs), contender("m", runs)]);
        assert_eq!(svg, picture(vec![contender("random", runs), contender("m", runs)]));
        assert_eq!(svg, picture(vec![contender("random", mixed), contender("m", mixed)]));
    }

    #[test]
    fn what_has_no_place_in_the_picture_is_an_error() {
        let fine = figure(vec![contender("m", &[&[(20.0, 60.0)]])]);
        for point in [(f64::NAN, 1.0), (-1.0, 1.0), (f64::INFINITY, 1.0), (1.0, -0.1), (1.0, 100.1), (1.0, f64::NAN)] {
            assert!(learning(&figure(vec![contender("m", &[&[(20.0, 60.0)], &[point]])])).is_err(), "{point:?}");
            let references = vec![reference("r", Some(point.0), point.1)];
            assert!(learning(&Learning { references, ..fine.clone() }).is_err(), "{point:?}");
        }
        for accuracy in [-0.1, 100.1, f64::NAN] {
            assert!(learning(&Learning { targets: vec![accuracy], ..fine.clone() }).is_err(), "{accuracy}");
            let references = vec![reference("r", None, accuracy)];
            assert!(learning(&Learning { references, ..fine.clone() }).is_err(), "{accuracy}");
        }
        for zeros in [[20.0, 20.0], [0.0, -0.0]] {
            let twice = contender("m", &[&[(zeros[0], 60.0), (zeros[1], 61.0)]]);
            assert!(learning(&figure(vec![twice])).unwrap_err().to_string().contains("two accuracies"));
        }
    }
}
