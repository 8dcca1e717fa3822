//! What the panels show of a model: computed after each training, on the trainer's thread.

use std::collections::HashSet;

use halfmoon_journal::{ItemId, Model};
use halfmoon_pool::calibration::{BINNING, ece, reliability};
use halfmoon_pool::metric::{predicted, wilson};
use halfmoon_pool::outlier::{Mahalanobis, OUTLIER_SCORES, OutlierScore, outlier_scores, p_value, rounded};
use halfmoon_pool::scores::{Predictions, Predictor, Scores, probs};
use halfmoon_pool::trust::{HeldOut, evenly};
use halfmoon_pool::{Class, Dataset};
use halfmoon_query::{Need, Questions, curve};
use ndarray::{Array2, ArrayView1};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::desk::{Answers, Data, Shared};
use super::items::Place;
use super::scoring;

/// Items of the map.
const ON_MAP: usize = 2_000;

/// Items to judge by below which no diagram is drawn, and no p-value given.
const LEAST_JUDGED: usize = 10;

/// How sure a model has to be of another class than the label, to bring the label into doubt.
const SURE: f32 = 0.8;

/// Labels in doubt, and outliers, that are listed.
const LISTED: usize = 50;

/// Labels that the expected gain is given for.
const MORE: usize = 20;

/// What the panels show.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) now: Option<Accuracy>,
    /// Of every model that was chosen, in the order of the rounds.
    pub(super) curve: Vec<Point>,
    /// Share of the items that were asked about which the model takes for each class.
    pub(super) predicted: Vec<f64>,
    pub(super) gain: Option<String>,
    pub(super) reliability: Option<Reliability>,
    pub(super) map: Option<MapOfCodes>,
    pub(super) doubtful: Vec<Doubt>,
    pub(super) outliers: Vec<Outlier>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Accuracy {
    #[serde(rename = "accuracy")]
    value: f64,
    low: f64,
    high: f64,
    right: usize,
    n: usize,
}

/// A round on the learning curve.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// What kind of model it was: another kind has a curve of its own.
    model: String,
    labels: usize,
    accuracy: f64,
    low: f64,
    high: f64,
    n: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Reliability {
    bins: Vec<Value>,
    ece: Option<f64>,
    n: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct MapOfCodes {
    points: Vec<MapPoint>,
    axes: String,
}

#[derive(Debug, Serialize)]
struct MapPoint {
    item: i64,
    x: f32,
    y: f32,
    class: Option<u16>,
    likeliest: u16,
    confidence: f32,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Doubt {
    item: i64,
    class: u16,
    likeliest: u16,
    confidence: f32,
}

#[derive(Debug, Serialize)]
pub(super) struct Outlier {
    item: i64,
    p: Option<f64>,
}

/// The items to judge by that have a label, and what the model says of them.
pub(super) struct Judged {
    pub(super) rows: Vec<usize>,
    pub(super) predictions: Predictions,
}

impl Judged {
    /// `None` without items.
    pub(super) fn accuracy(&self) -> Option<Accuracy> {
        let rows = self.predictions.probs.rows().into_iter().zip(&self.predictions.classes);
        let right = rows.filter(|(probs, class)| predicted(*probs) == **class).count();
        let n = self.predictions.classes.len();
        let (low, high) = wilson(right as u64, n as u64)?;
        Some(Accuracy { value: right as f64 / n as f64, low, high, right, n })
    }

    /// What the journal keeps of it with the model: the curve is made of that.
    pub(super) fn about(&self) -> Map<String, Value> {
        match json!(self.accuracy()) {
            Value::Object(about) => about,
            _ => Map::new(),
        }
    }
}

/// The learning curve, from what the journal keeps with each model.
pub(super) fn curve(models: &[Model]) -> Vec<Point> {
    let point = |about: &Map<String, Value>| {
        let count = |name: &str| about.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        let share = |name: &str| about.get(name).and_then(Value::as_f64);
        Some(Point {
            model: about.get("model").and_then(Value::as_str)?.to_owned(),
            labels: count("labels")?,
            accuracy: share("accuracy")?,
            low: share("low")?,
            high: share("high")?,
            n: count("n")?,
        })
    };
    models.iter().filter_map(|model| point(&model.about)).collect()
}

/// The curve of one kind of model. Labels that were taken back may have made it shorter in between: it goes by their number.
pub(super) fn of_model(points: &[Point], model: &str) -> Vec<Point> {
    let mut points: Vec<Point> = points.iter().filter(|point| point.model == model).cloned().collect();
    points.sort_by_key(|point| point.labels);
    points
}

/// All figures of a model of this kind.
pub(super) fn of(
    shared: &Shared,
    data: &Data,
    (model, predictor): (&str, &dyn Predictor),
    answers: &Answers,
    judged: &Judged,
) -> Figures {
    let dataset = data.read();
    let sample = sample(shared, data, &dataset);
    let questions = Questions { needs: &[Need::Density, Need::Codes], near: false, draws: 0, seed: 0 };
    let source = (&*dataset, &data.encoding);
    let said = scoring::ask(predictor, &questions, source, &sample);
    let inputs = data.encoding.encode(&dataset.inputs, &sample);
    let said = Said { rows: &sample, probs: probs(&said.scores.log_probs), scores: said.scores };
    let mut notes = Vec::new();
    let learned: Vec<(usize, Class)> =
        dataset.labels.iter().enumerate().filter_map(|(row, label)| Some((row, (*label)?))).collect();
    let (scores_of_judged, mahalanobis) = {
        let rows: Vec<usize> = learned.iter().map(|(row, _)| *row).collect();
        let rows = evenly(&rows, ON_MAP);
        let of_learned = scoring::ask(predictor, &questions, source, &rows);
        let classes: Vec<Class> = rows.iter().filter_map(|row| dataset.labels[*row]).collect();
        let shares = Array2::from_shape_fn((rows.len(), dataset.schema.classes.len()), |(row, class)| {
            if classes[row].index() == class { 1.0 } else { 0.0 }
        });
        let mahalanobis = of_learned.scores.codes.as_ref().and_then(|codes| Mahalanobis::fit(codes, &shares));
        let of_judged = scoring::ask(predictor, &questions, source, &judged.rows);
        (of_judged.scores, mahalanobis)
    };
    let items = |rows: &[usize]| items_of(shared, data, rows);
    let outliers = outliers(&said, &scores_of_judged, judged, mahalanobis, &items, &mut notes);
    let map = map(&said, &inputs, &dataset, &items(&sample));
    let doubtful = doubtful(shared, answers);
    let now = judged.accuracy();
    // The model of this round is in the journal by now; the desk has the rounds before it.
    let mut curve = shared.desk().figures.curve.clone();
    if let Some(now) = &now {
        let Accuracy { value: accuracy, low, high, n, .. } = *now;
        curve.push(Point { model: model.to_owned(), labels: learned.len(), accuracy, low, high, n });
    }
    if now.is_none() {
        notes.push("no item that was drawn to judge by has a label yet: the accuracy is not known".to_owned());
    }
    Figures {
        gain: Some(gain(&of_model(&curve, model), now.as_ref())),
        predicted: shares(&answers.probs),
        reliability: diagram(&judged.predictions),
        map,
        doubtful,
        outliers,
        notes,
        now,
        curve,
    }
}

/// What the model says of the items on the map.
struct Said<'a> {
    rows: &'a [usize],
    probs: Array2<f32>,
    scores: Scores,
}

/// Rows for the map: the labelled ones first, then others by chance.
fn sample(shared: &Shared, data: &Data, dataset: &Dataset) -> Vec<usize> {
    let labelled: HashSet<usize> = {
        let desk = shared.desk();
        desk.verdicts().filter_map(|(_, known, _)| known.row.map(|row| row as usize)).collect()
    };
    let mut all: Vec<usize> = labelled.iter().copied().collect();
    all.sort_unstable();
    let mut rows = evenly(&all, ON_MAP / 2);
    // Files lie in the order of their names, often by class: one of so many of all is a fair view. What is to judge by is not shown with the model's
    // guess before somebody has labelled it.
    let judging: HashSet<Place> = {
        let desk = shared.desk();
        desk.items.iter().filter(|(_, known)| known.lot.is_judging).map(|(place, _)| place).collect()
    };
    let is_shown = |row: &usize| !labelled.contains(row) && !judging.contains(&data.places[*row]);
    let others: Vec<usize> = (0..dataset.len().min(data.places.len())).filter(is_shown).collect();
    rows.extend(evenly(&others, ON_MAP - rows.len()));
    rows
}

fn items_of(shared: &Shared, data: &Data, rows: &[usize]) -> Vec<i64> {
    let desk = shared.desk();
    let number = |row: &usize| desk.items.get(data.places[*row]).item.map_or(0, |ItemId(item)| item);
    rows.iter().map(number).collect()
}

fn shares(probs: &Array2<f32>) -> Vec<f64> {
    let mut counts = vec![0.0; probs.ncols()];
    for row in probs.rows() {
        counts[predicted(row).index()] += 1.0;
    }
    counts.into_iter().map(|count: f64| count / probs.nrows().max(1) as f64).collect()
}

fn gain(points: &[Point], now: Option<&Accuracy>) -> String {
    let of = |point: &Point| curve::Point { labels: point.labels, value: point.accuracy };
    let points: Vec<curve::Point> = points.iter().map(of).collect();
    match curve::hint(&points, now.map_or(0, |now| now.n), MORE) {
        Some(hint) => hint.words(),
        None => {
            "what more labels would bring cannot be told before four rounds with different numbers of labels".to_owned()
        }
    }
}

fn diagram(predictions: &Predictions) -> Option<Reliability> {
    let n = predictions.classes.len();
    if n < LEAST_JUDGED {
        return None;
    }
    let bins = reliability(predictions, BINNING);
    let ece = ece(&bins);
    let bin = |bin: &halfmoon_pool::calibration::Bin| json!({"low": bin.low, "high": bin.high, "confidence": bin.confidence, "accuracy": bin.accuracy, "n": bin.n});
    Some(Reliability { bins: bins.iter().map(bin).collect(), ece, n })
}

fn map(said: &Said, inputs: &Array2<f32>, dataset: &Dataset, items: &[i64]) -> Option<MapOfCodes> {
    let (codes, of_what) = match &said.scores.codes {
        Some(codes) => (codes, "the model's codes"),
        None => (inputs, "the items' numbers"),
    };
    let projection = halfmoon_draw::project(codes.view());
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let axes = match projection.shares {
        Some([first, second]) => format!(
            "the two directions in which {of_what} differ most: {} and {} of their variance",
            percent(first),
            percent(second)
        ),
        None => format!("{of_what} do not differ"),
    };
    let point = |at: usize| {
        let (x, y) = (projection.points[[at, 0]], projection.points[[at, 1]]);
        let (likeliest, confidence) = likeliest(said.probs.row(at));
        let class = dataset.labels[said.rows[at]].map(|class| class.0);
        let point = MapPoint { item: items[at], x, y, class, likeliest: likeliest.0, confidence };
        // What has no number yet cannot be clicked.
        (x.is_finite() && y.is_finite() && items[at] > 0).then_some(point)
    };
    let points: Vec<MapPoint> = (0..said.rows.len()).filter_map(point).collect();
    (!points.is_empty()).then_some(MapOfCodes { points, axes })
}

#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub(super) fn likeliest(probs: ArrayView1<f32>) -> (Class, f32) {
    let class = predicted(probs);
    (class, probs.get(class.index()).copied().unwrap_or(0.0))
}

/// Labels that the model speaks against although it has learned them. Those to judge by are not listed: who mends them by what the model says
/// makes it look better than it is.
fn doubtful(shared: &Shared, answers: &Answers) -> Vec<Doubt> {
    let learned: Vec<(Place, Class)> = {
        let desk = shared.desk();
        let learned = desk.verdicts().filter(|(_, known, _)| !known.lot.is_judging);
        learned.map(|(place, _, class)| (place, class)).collect()
    };
    let mut found: Vec<(f32, Place, Class, Class, f32)> = Vec::new();
    for (place, class) in learned {
        let Some(row) = answers.rows.get(&place) else { continue };
        let probs = answers.probs.row(*row);
        let (likely, confidence) = likeliest(probs);
        if likely != class && confidence >= SURE {
            let p_label = probs.get(class.index()).copied().unwrap_or(0.0);
            found.push((p_label - confidence, place, class, likely, confidence));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut seen = HashSet::new();
    found.retain(|(_, place, ..)| seen.insert(*place));
    let desk = shared.desk();
    let doubt = |&(_, place, class, likeliest, confidence): &(f32, Place, Class, Class, f32)| {
        let item = desk.items.get(place).item?.0;
        Some(Doubt { item, class: class.0, likeliest: likeliest.0, confidence })
    };
    found.iter().filter_map(doubt).take(LISTED).collect()
}

/// The strangest of the items on the map, by what the model says of inputs and not of classes.
fn outliers(
    said: &Said,
    of_judged: &Scores,
    judged: &Judged,
    mahalanobis: Option<Mahalanobis>,
    items: &dyn Fn(&[usize]) -> Vec<i64>,
    notes: &mut Vec<String>,
) -> Vec<Outlier> {
    let (held_out, fitted) = HeldOut::of(of_judged, judged.predictions.classes.clone(), mahalanobis);
    let found = outlier_scores(&said.scores, Some(&fitted));
    // What looks at the code goes before what looks at the density; the answer alone tells doubt, not strangeness.
    let by = |name: &str| found.iter().find(|(of, _)| *of == name);
    let Some((name, scores)) = ["mahalanobis", "log_density", "energy"].into_iter().find_map(by) else {
        notes.push(
            "the model has neither a density nor codes of enough labelled items: it cannot tell what is unusual"
                .to_owned(),
        );
        return Vec::new();
    };
    let normal = held_out.outliers.iter().find(|(of, _)| of == name).map(|(_, scores)| {
        let mut normal: Vec<f32> = scores.iter().copied().map(rounded).collect();
        normal.sort_unstable_by(f32::total_cmp);
        normal
    });
    let normal = normal.filter(|normal| normal.len() >= LEAST_JUDGED);
    let about = OUTLIER_SCORES.iter().find(|score: &&OutlierScore| score.name == *name).map_or("", |score| score.about);
    notes.push(format!("outliers by `{name}`: {about}"));
    let mut order: Vec<usize> = (0..said.rows.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(LISTED);
    let rows: Vec<usize> = order.iter().map(|at| said.rows[*at]).collect();
    let p = |at: usize| normal.as_ref().map(|normal| p_value(normal, scores[at]));
    let listed = items(&rows).into_iter().zip(order).filter(|(item, _)| *item > 0);
    listed.map(|(item, at)| Outlier { item, p: p(at) }).collect()
}
