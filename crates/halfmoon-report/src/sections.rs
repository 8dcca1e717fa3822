//! The parts of the page, each from what it shows to markup. What is not there has no section.

use std::fmt::Write as _;

use halfmoon_draw::project;
use halfmoon_pool::metric::{LEAST_ITEMS, confusion, per_class};
use halfmoon_pool::outlier::{OUTLIER_FIGURES, roc};
use halfmoon_pool::{Class, metric::Estimate};

use crate::citation::citation;
use crate::figures;
use crate::items::Gallery;
use crate::markup::{
    count, counted, details, escaped, figure, legend, name, paragraph, percent, plain_name, probability, table,
};
use crate::page::Section;
use crate::pictures::Sheet;
use crate::trust::{SHOWN, Trust, WANTED, figures as judge_all};
use crate::words::summary;
use crate::{Answers, Attacks, Codes, Found, Others, Report, Samples};

/// Confusions that are listed.
const PAIRS: usize = 10;
/// Classes up to which all are in sight; of more, the rest opens at a click.
const CLASSES: usize = 20;
/// Points of a map: more hide each other.
const POINTS: usize = 2000;
/// Rows of a list that are shown; of more there is a count.
const ROWS: usize = 50;
/// Made-up pictures of a class.
const OF_A_CLASS: usize = 10;

/// All sections, in the order in which they are read.
pub(crate) fn sections(report: &Report) -> Vec<Section> {
    let trust = report.answers.as_ref().and_then(Trust::of);
    let mut sections = vec![in_short(report, trust.as_ref())];
    if let Some(trust) = &trust {
        sections.push(in_figures(report, trust));
        sections.push(confidence(trust));
        sections.push(classes(trust));
        sections.push(mistakes(trust));
        sections.push(labels(trust));
    }
    if !report.others.is_empty() {
        sections.push(strange(&report.others));
    }
    if !report.attacks.is_empty() {
        sections.push(attacks(&report.attacks));
    }
    sections.extend(report.answers.as_ref().and_then(map));
    sections.extend(report.samples.as_ref().and_then(samples));
    sections.extend(report.chains.as_ref().and_then(chains));
    sections.extend(learning(report));
    sections.extend(report.data.as_ref().map(found));
    sections.extend(making(report));
    sections
}

fn in_short(report: &Report, trust: Option<&Trust>) -> Section {
    let mut body = String::new();
    if !report.about.is_empty() {
        body.push_str("<dl class=\"about\">\n");
        for (key, value) in &report.about {
            let _ = writeln!(body, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(key), name(value));
        }
        body.push_str("</dl>\n");
    }
    body.push_str("<ul class=\"short\">\n");
    for sentence in summary(report, trust) {
        let _ = writeln!(body, "<li>{sentence}</li>");
    }
    body.push_str("</ul>\n");
    Section { id: "short", title: "In short", body }
}

fn in_figures(report: &Report, trust: &Trust) -> Section {
    let baseline = report.baseline.as_ref().map(|baseline| (name(&baseline.name), judge_all(&baseline.predictions)));
    let mut heads = vec!["figure".to_owned(), name(&trust.answers.name)];
    heads.extend(baseline.iter().map(|(name, _)| name.clone()));
    heads.push("what it is".into());
    let row = |(at, (metric, estimate)): (usize, &(&halfmoon_pool::metric::Metric, Option<Estimate>))| {
        let mut row = vec![metric.name.to_owned(), shown(estimate.as_ref())];
        row.extend(baseline.iter().map(|(_, figures)| shown(figures[at].1.as_ref())));
        row.push(escaped(metric.about));
        row
    };
    let rows: Vec<Vec<String>> = trust.figures.iter().enumerate().map(row).collect();
    let unlabelled = match trust.answers.unlabelled {
        0 => String::new(),
        n => format!("; {} without a label left out", counted(n, "item")),
    };
    let caption = format!(
        "{} on {}{unlabelled}, with 95 % intervals; {}.",
        name(&trust.answers.name),
        counted(trust.n, "labelled item"),
        escaped(&trust.answers.protocol)
    );
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut body = table(&caption, &heads, &rows);
    if trust.n < LEAST_ITEMS {
        body.push_str("<p class=\"absent\">With so few labels all of these may be far from the truth.</p>\n");
    }
    Section { id: "figures", title: "In figures", body }
}

/// `0.921 [0.901, 0.937]`, or – where it is undefined.
fn shown(estimate: Option<&Estimate>) -> String {
    match estimate {
        None => "–".into(),
        Some(Estimate { value, interval: None }) => format!("{:.4}", value + 0.0),
        Some(Estimate { value, interval: Some((low, high)) }) => {
            format!("{:.4} <span class=\"interval\">[{:.4}, {:.4}]</span>", value + 0.0, low + 0.0, high + 0.0)
        }
    }
}

/// What is missing, and why.
fn not_estimable(what: &str, labels: usize) -> String {
    format!("<p class=\"absent\">{what}: not estimable: {}</p>\n", counted(labels, "label"))
}

fn confidence(trust: &Trust) -> Section {
    let mut body = String::new();
    let mut pictures = String::new();
    match &trust.calibration {
        Some(calibration) => {
            pictures.push_str(&figure(
                &figures::reliability::reliability(&calibration.bins),
                "<b>Reliability.</b> Each point is the answers of about one confidence, with the 95 % interval of how often \
                they are right. On the dashed line, what it says is what comes true; below it, the answers are too sure.",
            ));
            pictures.push_str(&figure(
                &figures::reliability::confidences(&calibration.bins),
                "<b>How sure it is.</b> How many answers there are of each confidence: where there are few, the points of \
                the reliability diagram mean little.",
            ));
        }
        None => body.push_str(&not_estimable("Reliability of the confidence", trust.n)),
    }
    match &trust.selection {
        Some(selection) => {
            let wanted = percent(1.0 - WANTED);
            pictures.push_str(&figure(
                &figures::risk::risk_coverage(&selection.curve, 1.0 - WANTED, selection.thresholds.on_these),
                &format!(
                    "<b>Risk and coverage.</b> How many answers are wrong if only the surest are given and the others are \
                    left to a person. The dashed line is {wanted} of errors; the dot is where the curve last lies below it."
                ),
            ));
        }
        None => body.push_str(&not_estimable("What is gained by answering only where it is sure", trust.n)),
    }
    if !pictures.is_empty() {
        let _ = write!(body, "<div class=\"figures\">{pictures}</div>");
    }
    if let Some(calibration) = &trust.calibration {
        let rows: Vec<Vec<String>> = calibration
            .bins
            .iter()
            .map(|bin| {
                vec![
                    format!("{:.3} to {:.3}", bin.low, bin.high),
                    count(bin.n),
                    format!("{:.3}", bin.confidence),
                    format!("{:.3}", bin.accuracy),
                    format!("{:.3} to {:.3}", bin.interval.0, bin.interval.1),
                ]
            })
            .collect();
        let heads = ["confidence", "answers", "mean confidence", "share right", "95 % interval"];
        body.push_str(&details(
            "The reliability diagram as a table",
            &table("Answers by their confidence.", &heads, &rows),
        ));
    }
    Section { id: "confidence", title: "Can its confidence be believed?", body }
}

fn classes(trust: &Trust) -> Section {
    let names = &trust.answers.items.schema.classes;
    let predictions = &trust.answers.predictions;
    let counts = confusion(predictions);
    let caption = if names.len() > figures::confusion::NAMED {
        "<b>Confusion matrix.</b> A row is a class, a column an answer, in the order of the table of classes. The darker \
        a cell, the larger its share of the row; off the diagonal, in the other colour, answers are wrong. Pointing at a \
        cell tells its classes."
    } else {
        "<b>Confusion matrix.</b> A row is a class, a column an answer. The darker a cell, the larger its share of the \
        row; off the diagonal, in the other colour, answers are wrong."
    };
    let mut body =
        format!("<div class=\"figures\">{}", figure(&figures::confusion::confusion(counts.view(), names), caption));

    let mut wrong: Vec<((usize, usize), u32)> =
        counts.indexed_iter().filter(|((row, column), n)| row != column && **n > 0).map(|(at, &n)| (at, n)).collect();
    wrong.sort_by_key(|&(at, n)| (std::cmp::Reverse(n), at));
    let rows: Vec<Vec<String>> = wrong
        .iter()
        .take(PAIRS)
        .map(|&((row, column), n)| {
            let share = f64::from(n) / f64::from(counts.row(row).sum());
            vec![name(&names[row]), name(&names[column]), count(n as usize), percent(share)]
        })
        .collect();
    if rows.is_empty() {
        body.push_str(&paragraph("No item was given a wrong class."));
    } else {
        let caption = match wrong.len() {
            n if n > PAIRS => format!("The {PAIRS} most frequent confusions of {}.", count(n)),
            _ => "All confusions.".to_owned(),
        };
        body.push_str(&table(&caption, &["class", "answered as", "items", "of the class"], &rows));
    }
    body.push_str("</div>\n");

    let shown = |share: Option<f64>| share.map_or_else(|| "–".into(), percent);
    let rows: Vec<Vec<String>> = per_class(predictions)
        .iter()
        .map(|of| {
            let found = match of.n {
                0 | 1 => "not estimable".into(),
                _ => shown(of.recall),
            };
            vec![name(trust.class(of.class)), count(of.n), found, shown(of.precision)]
        })
        .collect();
    let heads = ["class", "items", "found (recall)", "right when answered (precision)"];
    let all = table("Every class.", &heads, &rows);
    if rows.len() > CLASSES {
        let mut worst: Vec<&Vec<String>> = Vec::new();
        let mut order: Vec<_> = per_class(predictions).into_iter().filter(|of| of.n > 1).collect();
        order.sort_by(|a, b| a.recall.unwrap_or(1.0).total_cmp(&b.recall.unwrap_or(1.0)).then(a.class.cmp(&b.class)));
        worst.extend(order.iter().take(PAIRS).map(|of| &rows[of.class.index()]));
        let worst: Vec<Vec<String>> = worst.into_iter().cloned().collect();
        body.push_str(&table("The classes that are found least.", &heads, &worst));
        body.push_str(&details(&format!("All {} classes", rows.len()), &all));
    } else {
        body.push_str(&all);
    }
    Section { id: "classes", title: "Which classes does it tell apart?", body }
}

fn mistakes(trust: &Trust) -> Section {
    let mut gallery = Gallery::new("sheet-mistakes", &trust.answers.items);
    let mut cards = String::new();
    for mistake in &trust.mistakes {
        let words = format!(
            "<p>says <b>{}</b> <span class=\"p\">{}</span><br/>is <b>{}</b> <span class=\"p\">{}</span></p>",
            name(trust.class(mistake.answer)),
            probability(mistake.p_answer.into()),
            name(trust.class(mistake.label)),
            probability(mistake.p_label.into())
        );
        cards.push_str(&card(&mut gallery, trust.answers, mistake.item, &words));
    }
    let body = if cards.is_empty() {
        paragraph("None of the items was given a wrong class.")
    } else {
        let lead =
            "The wrong answers of which it was surest, with the probability that it gave to each of the two classes.";
        format!("{}<ul class=\"cards\">\n{cards}</ul>\n{}", paragraph(lead), gallery.finish())
    };
    Section { id: "mistakes", title: "The worst mistakes", body }
}

fn labels(trust: &Trust) -> Section {
    let id = "labels";
    let title = "Labels that may be wrong";
    let Some(suspects) = &trust.suspects else {
        return Section { id, title, body: not_estimable("Doubtful labels", trust.n) };
    };
    if suspects.is_empty() {
        return Section { id, title, body: paragraph("No label is in doubt.") };
    }
    let mut gallery = Gallery::new("sheet-labels", &trust.answers.items);
    let mut cards = String::new();
    for suspect in suspects.iter().take(SHOWN) {
        let words = format!(
            "<p>labelled <b>{}</b> <span class=\"p\">{}</span><br/>perhaps <b>{}</b> <span class=\"p\">{}</span></p>",
            name(trust.class(suspect.label)),
            probability(suspect.p_label.into()),
            name(trust.class(suspect.likely)),
            probability(suspect.p_likely.into())
        );
        cards.push_str(&card(&mut gallery, trust.answers, suspect.item, &words));
    }
    let lead = format!(
        "For {} another class is as probable as it usually is for items of that class, and more so than the class of the \
        label (confident learning). The classifier may be wrong in this: only a person who looks can tell.{}",
        counted(suspects.len(), "item"),
        if suspects.len() > SHOWN { format!(" The {SHOWN} most doubtful ones:") } else { String::new() }
    );
    let body = format!("{}<ul class=\"cards\">\n{cards}</ul>\n{}", paragraph(&lead), gallery.finish());
    Section { id, title, body }
}

fn card(gallery: &mut Gallery, answers: &Answers, item: usize, words: &str) -> String {
    let id = name(&answers.items.ids.get(item));
    format!("<li>{}<div>{words}<p class=\"fine\">item {id}</p></div></li>\n", gallery.show(item))
}

fn strange(all: &[Others]) -> Section {
    let mut body = paragraph(
        "A score says of every item how strange it looks. Usual items are the held-out ones; others are of another kind, \
        and the better a score, the less their histograms overlap.",
    );
    for others in all {
        let _ = writeln!(body, "<h3>{}</h3>", name(&others.data));
        let mut pictures = String::new();
        for (at, score) in others.scores.iter().enumerate() {
            let threshold = quantile(&score.usual, 0.95);
            let Some(picture) = figures::histograms::histograms(&score.usual, &score.others, &score.name, threshold)
            else {
                continue;
            };
            let caption = if at == 0 {
                format!(
                    "<b>{}.</b> Filled: usual items. Outlined: {}. Left of the dashed line lie 95 % of the usual items.",
                    escaped(&score.name),
                    name(&others.data)
                )
            } else {
                format!("<b>{}.</b> {}", escaped(&score.name), escaped(&score.about))
            };
            pictures.push_str(&figure(&picture, &caption));
        }
        let curves: Vec<(&str, Vec<(f64, f64)>)> = others
            .scores
            .iter()
            .map(|score| (score.name.as_str(), roc(&score.usual, &score.others)))
            .filter(|(_, curve)| !curve.is_empty())
            .collect();
        if !curves.is_empty() {
            let scores = curves.iter().enumerate();
            let legend = legend(scores.map(|(at, (score, _))| (figures::roc::sign(at), escaped(score))));
            let caption = format!(
                "<b>ROC.</b> The nearer to the upper left corner, the better; the dashed line is chance.\
                {legend}"
            );
            pictures.push_str(&figure(&figures::roc::roc(&curves), &caption));
        }
        let _ = writeln!(body, "<div class=\"figures\">{pictures}</div>");
        body.push_str(&scores_table(others));
    }
    Section { id: "strange", title: "Does it notice what it does not know?", body }
}

fn scores_table(others: &Others) -> String {
    let mut heads = vec!["score"];
    heads.extend(OUTLIER_FIGURES.iter().map(|figure| figure.name));
    heads.push("what it is");
    let rows: Vec<Vec<String>> = others
        .scores
        .iter()
        .map(|score| {
            let mut row = vec![escaped(&score.name)];
            row.extend(OUTLIER_FIGURES.iter().map(|of| shown((of.of)(&score.usual, &score.others).as_ref())));
            row.push(escaped(&score.about));
            row
        })
        .collect();
    let sizes = others.scores.first().map_or((0, 0), |score| (score.usual.len(), score.others.len()));
    let about: Vec<String> = OUTLIER_FIGURES.iter().map(|of| format!("{}: {}", of.name, escaped(of.about))).collect();
    let caption = format!(
        "{} against {} of {}, with 95 % intervals. {}.",
        counted(sizes.0, "usual item"),
        count(sizes.1),
        name(&others.data),
        about.join(". ")
    );
    table(&caption, &heads, &rows)
}

/// The value that this share of the others does not exceed.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let at = (values.len() as f64 * share).ceil() as usize;
    values.get(at.saturating_sub(1)).copied()
}

fn map(answers: &Answers) -> Option<Section> {
    let Codes { items, codes } = answers.codes.as_ref()?;
    let projection = project(codes.view());
    let rows: Vec<usize> = (0..items.len()).collect();
    let rows = figures::thinned(&rows, POINTS);
    let classes: Vec<Class> = rows.iter().map(|&row| answers.predictions.classes[items[row]]).collect();
    let points = projection.points.select(ndarray::Axis(0), &rows);
    let picture = figures::map::map(points.view(), &classes)?;
    let names = &answers.items.schema.classes;
    let drawn = (0..names.len()).filter(|&class| classes.iter().any(|of| of.index() == class));
    let legend = legend(drawn.map(|class| (figures::map::sign(class), name(&names[class]))));
    let legend =
        if names.len() > CLASSES { details(&format!("Marks of the {} classes", names.len()), &legend) } else { legend };
    let seen = match projection.shares {
        Some([first, second]) => {
            format!(" The two directions hold {} of what varies in the codes.", percent(first + second))
        }
        None => String::new(),
    };
    let caption = format!(
        "<b>Codes of {}</b>, of {} numbers each, in the two directions in which they vary most; marks are true classes. \
        Classes that lie in each other here may still be apart in the other directions.{seen}",
        counted(rows.len(), "item"),
        codes.ncols()
    );
    let body = format!("<div class=\"map\">{}<div>{legend}</div></div>\n", figure(&picture, &caption));
    Some(Section { id: "map", title: "How it sees the items", body })
}

/// Accuracy over radius, with the controls that say whether to believe it.
fn attacks(all: &[Attacks]) -> Section {
    let lead = "Small changes of an input that were made to lead the classifier astray. The lower line of attacks is what an adversary who knows the network \
        can reach with the means that were tried; a better one may reach more. Noise of the same size, and changes found against another classifier, must \
        do less harm than these attacks: where they do more, the attacks are no measure.";
    let mut body = paragraph(lead);
    for of in all {
        let mut legend = String::new();
        for (at, (name, _)) in of.curves.iter().enumerate() {
            let _ = write!(legend, "<span>{}{}</span> ", figures::roc::sign(at), escaped(name));
        }
        let caption = format!(
            "Right answers of {}, over the {}; {} unchanged. <span class=\"legend\">{legend}</span>",
            counted(of.items, "item"),
            escaped(&of.radius),
            percent(of.clean)
        );
        body.push_str(&figure(&figures::attacks::attacks(of), &caption));
        for doubt in &of.doubts {
            body.push_str(&paragraph(&format!("<b>Warning:</b> {}.", escaped(doubt))));
        }
    }
    Section { id: "attacks", title: "Changed against it", body }
}

fn samples(samples: &Samples) -> Option<Section> {
    let lead = "Pictures that the model makes up. Where they look like the real ones, it has learned what \
        these look like; where they do not, its answers rest on something else.";
    let (body, more) = strips(samples, "sheet-samples", "made up")?;
    Some(Section { id: "samples", title: "What it makes up", body: format!("{}{body}{more}", paragraph(lead)) })
}

fn chains(samples: &Samples) -> Option<Section> {
    let lead = "Where the chains stood that the training was held against, when it ended, each under the class that the classifier gives it. They \
        should look like data, and not all alike: chains that are grey, black and white, or one picture many times over have run away.";
    let (body, more) = strips(samples, "sheet-chains", "a chain")?;
    Some(Section { id: "chains", title: "Its chains", body: format!("{}{body}{more}", paragraph(lead)) })
}

/// A strip of pictures a class, and what is said of those that are left out. `None` without pictures.
fn strips(samples: &Samples, id: &'static str, what: &str) -> Option<(String, String)> {
    let mut sheet = Sheet::new(id, samples.shape)?;
    let mut strips = String::new();
    let mut strip = |rows: &[usize], label: Option<&str>| {
        let said = label.map_or_else(|| what.to_owned(), |label| format!("{what} as {}", plain_name(label)));
        let tiles: String =
            rows.iter().map(|&row| sheet.show(&samples.pixels.row(row).to_vec(), samples.shape, &said)).collect();
        let label = label.map(|label| format!("<p>{}</p>", name(label))).unwrap_or_default();
        let _ = writeln!(strips, "<li>{label}<div>{tiles}</div></li>");
    };
    let all: Vec<usize> = (0..samples.pixels.nrows()).collect();
    let mut left_out = 0;
    if let Some(classes) = &samples.classes {
        let of = |class: usize| {
            all.iter().copied().filter(|&row| classes[row].index() == class).take(OF_A_CLASS).collect::<Vec<_>>()
        };
        let present: Vec<(usize, Vec<usize>)> =
            (0..samples.names.len()).map(|class| (class, of(class))).filter(|(_, rows)| !rows.is_empty()).collect();
        left_out = present.len().saturating_sub(CLASSES);
        for (class, rows) in present.iter().take(CLASSES) {
            strip(rows, Some(&samples.names[*class]));
        }
    } else {
        all.chunks(OF_A_CLASS).take(OF_A_CLASS).for_each(|rows| strip(rows, None));
    }
    if strips.is_empty() {
        return None;
    }
    let more = match left_out {
        0 => String::new(),
        1 => paragraph("One more class is not shown."),
        n => paragraph(&format!("{} more classes are not shown.", count(n))),
    };
    Some((format!("<ul class=\"strips\">\n{strips}</ul>\n{}", sheet.finish()), more))
}

fn learning(report: &Report) -> Option<Section> {
    let pictures: String = report
        .learning
        .iter()
        .filter_map(|term| {
            let picture = figures::learning::learning(&term.name, &term.points)?;
            Some(figure(&picture, &format!("<b>{}</b>", escaped(&term.name))))
        })
        .collect();
    let lead = "The terms of the loss, step by step: a line of means in the band between least and most. A curve that \
        still falls at the end would have gone on; one that jumps has not settled.";
    (!pictures.is_empty()).then(|| Section {
        id: "learning",
        title: "How it learned",
        body: format!("{}<div class=\"figures small\">{pictures}</div>\n", paragraph(lead)),
    })
}

fn found(found: &Found) -> Section {
    let mut body = String::new();
    if found.notes.is_empty() && found.left_out.is_empty() {
        body.push_str(&paragraph("Nothing came up: every item could be read."));
    }
    if !found.notes.is_empty() {
        body.push_str("<ul>\n");
        for note in found.notes.iter().take(ROWS) {
            let _ = writeln!(body, "<li>{}</li>", escaped(note));
        }
        if found.notes.len() > ROWS {
            let _ = writeln!(body, "<li>and {} more</li>", found.notes.len() - ROWS);
        }
        body.push_str("</ul>\n");
    }
    if !found.left_out.is_empty() {
        let rows: Vec<Vec<String>> =
            found.left_out.iter().take(ROWS).map(|(place, reason)| vec![name(place), escaped(reason)]).collect();
        let caption = match found.left_out.len() {
            n if n > ROWS => format!("The first {ROWS} of {} that were left out.", counted(n, "item")),
            n => format!("{} left out.", counted(n, "item")),
        };
        body.push_str(&table(&caption, &["item", "why it is left out"], &rows));
    }
    Section { id: "data", title: "What came up in the data", body }
}

fn making(report: &Report) -> Option<Section> {
    let mut body = String::new();
    if !report.commands.is_empty() {
        let lines: Vec<String> = report.commands.iter().map(|command| escaped(command)).collect();
        let _ = writeln!(body, "<pre><code>{}</code></pre>", lines.join("\n"));
    }
    if !report.citations.is_empty() {
        body.push_str("<h3>What to cite</h3>\n<ul class=\"citations\">\n");
        for bibtex in &report.citations {
            let _ = writeln!(body, "<li>{}</li>", citation(bibtex));
        }
        body.push_str("</ul>\n");
        let entries = format!("<pre><code>{}</code></pre>\n", escaped(&report.citations.join("\n\n")));
        body.push_str(&details("The same as BibTeX", &entries));
    }
    (!body.is_empty()).then_some(Section { id: "making", title: "How to do it again", body })
}

#[cfg(test)]
pub(crate) mod testing {
    use halfmoon_pool::dataset::{Features, Ids, Inputs, Table};
    use halfmoon_pool::scores::Predictions;
    use halfmoon_pool::{Dataset, Schema};
    use ndarray::Array2;

    use super::*;

    /// Two classes: the probability of class 1, and the true class.
    pub(crate) fn binary(items: &[(f32, u16)]) -> Predictions {
        let probs =
            Array2::from_shape_fn((items.len(), 2), |(i, k)| if k == 1 { items[i].0 } else { 1.0 - items[i].0 });
        Predictions { probs, classes: items.iter().map(|&(_, class)| Class(class)).collect() }
    }

    /// Answers about items without features, of the classes `no` and `yes`.
    pub(crate) fn answers(predictions: &Predictions) -> Answers {
        let n = predictions.classes.len();
        let schema = Schema { classes: vec!["no".into(), "yes".into()], features: Features::Columns(vec![]) };
        let inputs = Inputs::Table(Table { rows: n, columns: vec![] });
        let labels = predictions.classes.iter().copied().map(Some).collect();
        let items = Dataset { schema, inputs, labels, ids: Ids::first(n) };
        let (name, protocol) = ("it".to_owned(), "held out".to_owned());
        Answers { name, predictions: predictions.clone(), items, unlabelled: 0, protocol, codes: None }
    }
}
