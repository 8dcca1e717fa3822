//! What the figures come to, in sentences for somebody who has to decide. Every number is computed from the answers; a
//! difference that chance could have made is called that.

use halfmoon_pool::metric::{LEAST_ITEMS, confusion};
use halfmoon_pool::outlier::{auroc, fpr_at_tpr95_id_positive};

use crate::Report;
use crate::markup::{counted, name, percent, percents, probability};
use crate::trust::{Calibration, Selection, Trust, WANTED, difference};

/// The sentences, as markup.
pub(crate) fn summary(report: &Report, trust: Option<&Trust>) -> Vec<String> {
    let mut sentences = Vec::new();
    match trust {
        None => sentences
            .push("There are no labelled items to judge answers on, so nothing is known of how right they are.".into()),
        Some(trust) => {
            sentences.push(accuracy(trust));
            if trust.n < LEAST_ITEMS {
                sentences.push(few(trust.n));
            }
            sentences.extend(baseline(report, trust));
            sentences.extend(trust.calibration.as_ref().map(calibration));
            sentences.extend(trust.selection.as_ref().map(selection));
            sentences.extend(confused(trust));
            sentences.extend(labels(trust));
        }
    }
    sentences.extend(report.others.iter().filter_map(others));
    sentences.extend(problems(report));
    sentences
}

fn accuracy(trust: &Trust) -> String {
    let items = counted(trust.n, "labelled item");
    match trust.figure("accuracy") {
        Some(accuracy) => {
            let interval =
                accuracy.interval.map(|of| format!(" (95 % interval: {})", percents(of))).unwrap_or_default();
            format!(
                "<strong>{} is right in {} of {items}</strong>{interval}.",
                name(&trust.answers.name),
                percent(accuracy.value)
            )
        }
        None => format!("There are {items}."),
    }
}

/// What nobody should conclude from so few items.
pub(crate) fn few(n: usize) -> String {
    format!(
        "<strong>With fewer than {LEAST_ITEMS} labels these figures mean little</strong>: there are {n}. Calibration, the \
        confidence from which on answers can be relied on, and doubtful labels are not estimable from them."
    )
}

fn baseline(report: &Report, trust: &Trust) -> Option<String> {
    let baseline = report.baseline.as_ref()?;
    let (mean, (low, high)) = difference(&trust.answers.predictions, &baseline.predictions)?;
    let other = name(&baseline.name);
    let points = format!("{:.1} points", 100.0 * mean.abs());
    let from_to = format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high);
    Some(if low > 0.0 {
        format!("It is right more often than {other} on the same items, by {points} (95 % interval: {from_to}).")
    } else if high < 0.0 {
        format!(
            "<strong>It is right less often than {other}</strong> on the same items, by {points} (95 % interval of the \
            difference: {from_to})."
        )
    } else {
        format!("These items cannot tell whether it is better than {other}: the difference is {from_to} points.")
    })
}

fn calibration(calibration: &Calibration) -> String {
    let Calibration { confidence, accuracy, gap: (low, high), .. } = calibration;
    let says = format!("On average it says {} and is right in {}", probability(*confidence), probability(*accuracy));
    let points = format!("{:.1} points", 100.0 * (confidence - accuracy).abs());
    if *low > 0.0 {
        format!("{says}: <strong>it is too sure</strong>, by {points}.")
    } else if *high < 0.0 {
        format!("{says}: <strong>it is not sure enough</strong>, by {points}.")
    } else {
        format!("{says}: on average its confidence can be believed, as far as these items can tell.")
    }
}

fn selection(selection: &Selection) -> String {
    let wanted = format!("{:.0} %", 100.0 * WANTED);
    let Some(point) = selection.thresholds.on_these else {
        return format!("At no confidence are {wanted} of its answers right.");
    };
    if point.coverage >= 1.0 {
        return format!("More than {wanted} of its answers are right without leaving any item to somebody else.");
    }
    let surely = match selection.thresholds.surely {
        Some(surely) if surely.coverage < point.coverage => format!(
            " To be safe from chance in the choice of these items, ask for {}, which answers {}.",
            probability(surely.threshold.into()),
            percent(surely.coverage)
        ),
        Some(_) => String::new(),
        None => " These items are too few to be safe from chance in that.".into(),
    };
    format!(
        "Where it says at least <strong>{}</strong>, {wanted} of its answers are right: that answers {} of the items and \
        leaves {} to somebody who looks.{surely}",
        probability(point.threshold.into()),
        percent(point.coverage),
        percent(1.0 - point.coverage)
    )
}

/// The most frequent confusion.
fn confused(trust: &Trust) -> Option<String> {
    let counts = confusion(&trust.answers.predictions);
    let wrong = counts.indexed_iter().filter(|((row, column), n)| row != column && **n > 0);
    let ((label, answer), &n) = wrong.max_by_key(|((row, column), n)| (**n, std::cmp::Reverse((*row, *column))))?;
    let classes = &trust.answers.items.schema.classes;
    let of = counts.row(label).sum();
    Some(format!(
        "What it takes for something else most often is {}: {} of its {} items are answered as {}.",
        name(&classes[label]),
        n,
        of,
        name(&classes[answer])
    ))
}

fn labels(trust: &Trust) -> Option<String> {
    let suspects = trust.suspects.as_ref()?;
    let share = percent(suspects.len() as f64 / trust.n as f64);
    (!suspects.is_empty()).then(|| {
        format!(
            "For {} ({share}) its answers speak against the label: there either the label is wrong or the answer, and \
            only somebody who looks can tell.",
            counted(suspects.len(), "item")
        )
    })
}

fn others(others: &crate::Others) -> Option<String> {
    let score = others.scores.first()?;
    let data = name(&others.data);
    let Some(area) = auroc(&score.usual, &score.others) else {
        return Some(format!("Of {data} there are too few items to tell how well they are found."));
    };
    let pass = fpr_at_tpr95_id_positive(&score.usual, &score.others)
        .map(|pass| format!("; where 95 % of the usual items pass, {} of these pass with them", percent(pass.value)))
        .unwrap_or_default();
    let verdict = match area.value {
        area if area >= 0.95 => "are told from usual items well",
        area if area >= 0.8 => "are told from usual items in part",
        area if area > 0.55 => "are hardly told from usual items",
        area if area >= 0.45 => "cannot be told from usual items",
        _ => "look <strong>more usual than usual items</strong>",
    };
    Some(format!(
        "Items of {data} {verdict}: one of them looks stranger than a usual one in {} of all pairs{pass}.",
        percent(area.value)
    ))
}

fn problems(report: &Report) -> Option<String> {
    let found = report.data.as_ref()?;
    let (notes, left_out) = (found.notes.len(), found.left_out.len());
    match (notes, left_out) {
        (0, 0) => Some("Nothing came up when the data were read.".into()),
        (_, 0) => Some(format!("Reading the data left nothing out and gave {}.", counted(notes, "note"))),
        _ => Some(format!(
            "{} could not be read and {} left out; below is why.",
            counted(left_out, "item"),
            if left_out == 1 { "is" } else { "are" }
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::testing::{answers, binary};
    use crate::{Baseline, Found, Others, OutlierScore};

    fn told(items: &[(f32, u16)]) -> String {
        let answers = answers(&binary(items));
        summary(&Report::default(), Trust::of(&answers).as_ref()).join("\n")
    }

    /// `n` items of class 1 that are given `p`, of which so many are right in truth.
    fn sure(p: f32, n: usize, right: usize) -> Vec<(f32, u16)> {
        (0..n).map(|at| (p, u16::from(at < right))).collect()
    }

    #[track_caller]
    fn assert_told(told: &str, parts: &[&str]) {
        for part in parts {
            assert!(told.contains(part), "`{part}` is not in\n{told}");
        }
    }

    #[test]
    fn who_says_more_than_he_keeps_is_too_sure_and_who_says_less_is_not_sure_enough() {
        assert_told(
            &told(&sure(0.93, 1000, 880)),
            &["it says 0.930 and is right in 0.880", "too sure</strong>, by 5.0 points"],
        );
        assert_told(&told(&sure(0.7, 1000, 900)), &["not sure enough</strong>, by 20.0 points"]);
        assert_told(&told(&sure(0.9, 100, 91)), &["its confidence can be believed, as far as these items can tell"]);
    }

    #[test]
    fn the_confidence_that_can_be_relied_on_is_named_with_what_it_costs() {
        // Of the surest 600 all are right; with the 400 others, 80 % are.
        let items = [sure(0.99, 600, 600), sure(0.6, 400, 200)].concat();
        assert_told(&told(&items), &["<strong>0.990</strong>, 95 %", "answers 60.0 % of the items and leaves 40.0 %"]);
        assert_told(&told(&sure(0.9, 100, 20)), &["At no confidence are 95 %"]);
        assert_told(
            &told(&sure(0.9, 1000, 1000)),
            &["without leaving any item", "right in 100 % of 1,000 labelled items"],
        );
    }

    #[test]
    fn twelve_labels_are_called_too_few() {
        let told = told(&sure(0.9, 12, 10));
        assert_told(&told, &["With fewer than 50 labels these figures mean little", "there are 12"]);
        assert!(!told.contains("too sure") && !told.contains("Where it says"), "{told}");
    }

    #[test]
    fn a_baseline_that_differs_by_chance_is_not_called_better_or_worse() {
        let first = binary(&sure(0.9, 100, 90));
        let answers = answers(&first);
        let with = |items: &[(f32, u16)]| {
            let baseline = Some(Baseline { name: "plain".into(), predictions: binary(items) });
            summary(&Report { baseline, ..Report::default() }, Trust::of(&answers).as_ref()).join("\n")
        };
        // The other answers 0 where it is 1 in all of the items but the last ones.
        let worse: Vec<(f32, u16)> = sure(0.9, 100, 90).into_iter().map(|(p, class)| (1.0 - p, class)).collect();
        assert_told(&with(&worse), &["right more often than <bdi>plain</bdi> on the same items, by 80.0 points"]);
        assert_told(&with(&sure(0.9, 100, 90)), &["cannot tell whether it is better than <bdi>plain</bdi>"]);
    }

    #[test]
    fn the_most_frequent_confusion_is_named_by_its_classes() {
        assert_told(
            &told(&sure(0.9, 100, 90)),
            &["is <bdi>no</bdi>: 10 of its 10 items are answered as <bdi>yes</bdi>"],
        );
    }

    #[test]
    fn others_are_judged_by_the_first_score() {
        let usual: Vec<f64> = (0..100).map(f64::from).collect();
        let say = |others: Vec<f64>| {
            let score = OutlierScore { name: "s".into(), about: String::new(), usual: usual.clone(), others };
            let others = vec![Others { data: "strange".into(), scores: vec![score] }];
            summary(&Report { others, ..Report::default() }, None).join("\n")
        };
        assert_told(
            &say(vec![1000.0; 100]),
            &["<bdi>strange</bdi> are told from usual items well", "in 100 % of all pairs", "0.0 % of these pass"],
        );
        assert_told(&say(vec![-1.0; 100]), &["more usual than usual items"]);
        assert_told(&say(usual.clone()), &["cannot be told from usual items", "50.0 %"]);
        assert_told(&say(vec![1.0; 3]), &["too few items"]);
    }

    #[test]
    fn without_answers_that_is_what_is_said() {
        let found = Some(Found { notes: vec![], left_out: vec![("a.png".into(), "empty".into())] });
        let told = summary(&Report { data: found, ..Report::default() }, None).join("\n");
        assert_told(&told, &["no labelled items", "1 item could not be read and is left out"]);
    }
}
