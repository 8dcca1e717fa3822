//! Label texts to classes: what counts as missing, what −1 means, which classes there are.

use std::collections::{BTreeMap, HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::dataset::Class;
use crate::error::{Error, Place, Result, did_you_mean};
use crate::read::{MinusOne, Options};

/// Label texts as they stood in a file, each distinct text once.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The distinct texts, in order of first appearance.
    pub distinct: Vec<String>,
    /// An index into `distinct` for every item.
    pub codes: Vec<u32>,
}

/// Classes, and the label of each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Class names: as the user gave them, else numbers in ascending order, else alphabetical.
    pub classes: Vec<String>,
    /// `None`: no label.
    pub labels: Vec<Option<Class>>,
    /// What a reader should know, such as two names that differ only in case.
    pub notes: Vec<String>,
}

/// Most classes of a data set, so that a [`Class`] holds them.
const MOST_CLASSES: usize = u16::MAX as usize;

/// Decides for each text whether it is a class, and which.
///
/// Spaces around a text do not count. The classes of `options.schema` or `options.classes` are the
/// only ones where given; another label is then an error, whose row is the item's position, counted
/// from 1.
pub fn resolve(texts: &Texts, place: Place, options: &Options) -> Result<Resolved> {
    let found = Found::new(texts);
    let known = known_classes(options)?;
    let mut notes = Vec::new();
    let missing = missing(&found, known.as_deref(), &place, options, &mut notes)?;

    let mut distinct: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    for (&name, _) in found.names.iter().zip(&missing).filter(|(_, missing)| !**missing) {
        if seen.insert(name) {
            distinct.push(name);
        }
    }
    let classes = if let Some(known) = known {
        let declared: HashSet<&str> = known.iter().map(String::as_str).collect();
        if let Some(unknown) = distinct.iter().find(|name| !declared.contains(**name)) {
            return Err(unknown_label(unknown, &found, texts, &known, place, options));
        }
        known
    } else {
        if distinct.len() > MOST_CLASSES {
            return Err(too_many(distinct.len(), place));
        }
        in_order(&mut distinct);
        let classes: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        notes.extend(twins(&classes, |name| format!("`{name}` ({})", grouped(found.count(name)))));
        notes.extend(doubts(&classes, &found, &missing));
        classes
    };

    notes.extend(found.spaced().map(|name| format!("`{name}` also occurs with spaces around it, which do not count")));
    let index: HashMap<&str, u16> = classes.iter().map(String::as_str).zip(0..=u16::MAX).collect();
    let class_of: Vec<Option<Class>> = (found.names.iter().zip(&missing))
        .map(|(name, missing)| if *missing { None } else { index.get(name).copied().map(Class) })
        .collect();
    let labels = texts.codes.iter().map(|&code| class_of[code as usize]).collect();
    Ok(Resolved { classes, labels, notes })
}

/// Ascending if all are numbers, else alphabetical; `007` and `7` stay two texts.
pub(crate) fn in_order(texts: &mut [&str]) {
    let number = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite());
    if texts.iter().all(|text| number(text).is_some()) {
        let key = |text: &str| number(text).unwrap_or_default();
        texts.sort_by(|a, b| key(a).total_cmp(&key(b)).then_with(|| a.cmp(b)));
    } else {
        texts.sort_unstable();
    }
}

/// `9,988`: a count as people read it.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The same text for names that may be one class written in several ways: with other case, other spaces, accents as marks of
/// their own (as macOS writes names of files), or the same number.
pub fn alike(class: &str) -> String {
    match class.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => number.to_string(),
        _ => class.nfc().collect::<String>().to_lowercase().split_whitespace().collect(),
    }
}

/// The distinct texts without the spaces around them, and how many items have each.
struct Found<'a> {
    names: Vec<&'a str>,
    counts: Vec<usize>,
}

impl<'a> Found<'a> {
    fn new(texts: &'a Texts) -> Found<'a> {
        let mut counts = vec![0; texts.distinct.len()];
        for &code in &texts.codes {
            counts[code as usize] += 1;
        }
        Found { names: texts.distinct.iter().map(|text| text.trim()).collect(), counts }
    }

    /// Texts that differ from another one only in the spaces around them, but for the empty one.
    fn spaced(&self) -> impl Iterator<Item = &'a str> {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        self.names.iter().copied().filter(move |name| {
            let times = seen.entry(name).or_default();
            *times += 1;
            *times == 2 && !name.is_empty()
        })
    }

    /// Items with this text, whatever the spaces around it.
    fn count(&self, name: &str) -> usize {
        self.names.iter().zip(&self.counts).filter(|(other, _)| **other == name).map(|(_, count)| count).sum()
    }
}

/// The classes that are fixed before a label is read.
fn known_classes(options: &Options) -> Result<Option<Vec<String>>> {
    if let Some(schema) = &options.schema {
        return Ok(Some(schema.classes.clone()));
    }
    let Some(given) = &options.classes else { return Ok(None) };
    let classes: Vec<String> = given.iter().map(|class| class.trim().to_owned()).collect();
    let mut seen = HashSet::new();
    for class in &classes {
        if class.is_empty() {
            return Err(Error::usage(
                "one of the classes has an empty name",
                "`--classes a,b,c` names each class once",
            ));
        }
        if !seen.insert(class) {
            return Err(Error::usage(
                format!("class `{class}` is given twice"),
                "`--classes a,b,c` names each class once",
            ));
        }
    }
    if classes.len() > MOST_CLASSES {
        return Err(Error::usage(
            format!("{} classes are more than the {} that fit", grouped(classes.len()), grouped(MOST_CLASSES)),
            "merge some of them",
        ));
    }
    Ok(Some(classes))
}

/// For each distinct text, whether it says that there is no label.
fn missing(
    found: &Found,
    known: Option<&[String]>,
    place: &Place,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Vec<bool>> {
    let declared: HashSet<&str> = known.unwrap_or_default().iter().map(String::as_str).collect();
    let is_token =
        |name: &str| is_missing_token(name) || options.missing_labels.iter().any(|token| token.trim() == name);
    let mut missing: Vec<bool> = found.names.iter().map(|name| !declared.contains(name) && is_token(name)).collect();
    notes.extend(tokens_note(found, &missing));

    let minus_one: Vec<usize> = (0..found.names.len())
        .filter(|&at| !missing[at] && is_minus_one(found.names[at]) && !declared.contains(found.names[at]))
        .collect();
    if !minus_one.is_empty() && minus_one_is_missing(found, &missing, known.is_some(), place, options)? {
        let items: usize = minus_one.iter().map(|&at| found.counts[at]).sum();
        for at in minus_one {
            missing[at] = true;
        }
        let otherwise = if options.minus_one == MinusOne::Ask { " (`--minus-one class` makes it a class)" } else { "" };
        notes.push(format!("{} labels are -1 and count as unlabelled{otherwise}", grouped(items)));
    }
    Ok(missing)
}

fn is_missing_token(name: &str) -> bool {
    matches!(name, "" | "None") || ["nan", "na", "null"].iter().any(|token| name.eq_ignore_ascii_case(token))
}

fn tokens_note(found: &Found, missing: &[bool]) -> Option<String> {
    let mut items: BTreeMap<&str, usize> = BTreeMap::new();
    for at in (0..missing.len()).filter(|&at| missing[at] && found.counts[at] > 0) {
        *items.entry(found.names[at]).or_default() += found.counts[at];
    }
    let kinds: Vec<String> = items
        .into_iter()
        .map(|(name, count)| match name {
            "" => format!("empty {}", grouped(count)),
            name => format!("`{name}` {}", grouped(count)),
        })
        .collect();
    (!kinds.is_empty()).then(|| format!("labels that count as missing: {}", kinds.join(", ")))
}

/// Whether −1, which occurs and is no declared class, says that there is no label.
fn minus_one_is_missing(
    found: &Found,
    missing: &[bool],
    classes_are_known: bool,
    place: &Place,
    options: &Options,
) -> Result<bool> {
    match options.minus_one {
        MinusOne::Unlabelled => return Ok(true),
        MinusOne::Class => return Ok(false),
        MinusOne::Ask => {}
    }
    let values: Option<Vec<f64>> =
        (found.names.iter().zip(missing)).filter(|(_, missing)| !**missing).map(|(name, _)| whole(name)).collect();
    let Some(values) = values else { return Ok(false) };
    // With the classes named and −1 not among them, there is nothing to ask.
    if classes_are_known || values.iter().any(|value| value.abs().total_cmp(&1.0).is_ne()) {
        return Ok(true);
    }
    let partners = if values.contains(&1.0) { "-1 and 1" } else { "-1" };
    Err(Error::data(
        place.clone(),
        format!("the labels are only {partners}, where -1 may be a class or mean \"no label\""),
        "say which: `--minus-one class` or `--minus-one unlabelled`",
    ))
}

/// A whole number, also as the `1.0` that a column with gaps makes of it.
fn whole(name: &str) -> Option<f64> {
    name.parse::<f64>().ok().filter(|x| x.is_finite() && x.fract() == 0.0)
}

fn is_minus_one(name: &str) -> bool {
    whole(name).is_some_and(|x| x.total_cmp(&-1.0).is_eq())
}

fn unknown_label(
    unknown: &str,
    found: &Found,
    texts: &Texts,
    known: &[String],
    mut place: Place,
    options: &Options,
) -> Error {
    let item = texts.codes.iter().position(|&code| found.names[code as usize] == unknown);
    place.row = item.map(|item| item as u64 + 1);
    let classes = match known.len() {
        0..=20 => format!("the classes are {}", known.join(", ")),
        many => format!("there are {} classes", grouped(many)),
    };
    let hint = if is_minus_one(unknown) {
        "`--minus-one unlabelled` if it means \"no label\"".to_owned()
    } else {
        let close = did_you_mean(unknown, known.iter().map(String::as_str));
        let guess = if close.starts_with("did") { close + " Otherwise " } else { String::new() };
        let remedy = if options.schema.is_some() { "train with it as a class" } else { "add it to `--classes`" };
        format!("{guess}{remedy}, or say `--missing-label \"{unknown}\"` if it means \"no label\"")
    };
    Error::data(place, format!("`{unknown}` is not a class; {classes}"), hint)
}

fn too_many(classes: usize, place: Place) -> Error {
    Error::data(
        place,
        format!("{} different labels, of which {} fit", grouped(classes), grouped(MOST_CLASSES)),
        "this is probably not the label column: choose it with `--label NAME`",
    )
}

/// How a note about classes that may be one class ends.
pub const SAME_CLASS: &str = "did you mean the same class?";

/// One note for each group of classes that may be one class written in several ways: see [`alike`].
pub fn twins(classes: &[String], called: impl Fn(&str) -> String) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for class in classes {
        groups.entry(alike(class)).or_default().push(class);
    }
    groups
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|names| {
            let names: Vec<String> = names.into_iter().map(&called).collect();
            format!("classes {}: {SAME_CLASS}", names.join(" and "))
        })
        .collect()
}

/// Classes that hardly are some.
fn doubts(classes: &[String], found: &Found, missing: &[bool]) -> Vec<String> {
    let mut notes = Vec::new();
    if classes.is_empty() {
        notes.push("no item has a label: name the classes with `--classes a,b,c`".to_owned());
    }
    for class in classes.iter().filter(|class| LIKE_MISSING.contains(&class.to_lowercase().as_str())) {
        notes.push(format!(
            "`{class}` is taken as a class ({} items): if it means \"no label\", say `--missing-label \"{class}\"`",
            grouped(found.count(class))
        ));
    }
    let labelled: usize = found.counts.iter().zip(missing).filter(|(_, missing)| !**missing).map(|(n, _)| n).sum();
    if classes.len() > 20 && classes.len() * 2 > labelled {
        notes.push(format!(
            "{} classes for {} labelled items: is this the label column?",
            grouped(classes.len()),
            grouped(labelled)
        ));
    }
    notes
}

/// Texts that often mean "no label" but are not taken so unasked.
const LIKE_MISSING: [&str; 9] = ["?", "-", "n/a", "none", "nil", "missing", "unknown", "unlabelled", "unlabeled"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn texts(items: &[&str]) -> Texts {
        let mut texts = Texts::default();
        for &item in items {
            let code = texts.distinct.iter().position(|text| text == item).unwrap_or_else(|| {
                texts.distinct.push(item.to_owned());
                texts.distinct.len() - 1
            });
            texts.codes.push(u32::try_from(code).expect("few texts"));
        }
        texts
    }

    fn resolve_with(items: &[&str], options: &Options) -> Result<Resolved> {
        resolve(&texts(items), Place::from(Path::new("pets.csv")).column("label"), options)
    }

    fn plain(items: &[&str]) -> Resolved {
        resolve_with(items, &Options::default()).expect("labels that resolve")
    }

    fn classes(names: &[&str]) -> Options {
        Options { classes: Some(names.iter().map(|&name| name.to_owned()).collect()), ..Options::default() }
    }

    fn numbers(resolved: &Resolved) -> Vec<i32> {
        resolved.labels.iter().map(|label| label.map_or(-1, |class| i32::from(class.0))).collect()
    }

    #[test]
    fn empty_nan_na_null_and_none_are_no_labels() {
        let resolved = plain(&["cat", "", "NaN", "nan", "NA", "na", "null", "NULL", "None", "  ", "dog"]);
        assert_eq!(resolved.classes, ["cat", "dog"]);
        assert_eq!(numbers(&resolved), [0, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1]);
        let note = &resolved.notes[0];
        assert!(note.contains("empty 2") && note.contains("`None` 1"), "{note}");
    }

    #[test]
    fn a_declared_class_is_never_missing() {
        let resolved = resolve_with(&["None", "", "weed"], &classes(&["weed", "None"])).expect("resolves");
        assert_eq!(resolved.classes, ["weed", "None"]);
        assert_eq!(numbers(&resolved), [1, -1, 0]);
    }

    #[test]
    fn the_user_can_name_other_texts_for_no_label() {
        let options = Options { missing_labels: vec!["?".into(), "unknown".into()], ..Options::default() };
        let resolved = resolve_with(&["?", "a", "unknown"], &options).expect("resolves");
        assert_eq!(numbers(&resolved), [-1, 0, -1]);
    }

    #[test]
    fn a_question_mark_is_a_class_with_a_note() {
        let resolved = plain(&["?", "a"]);
        assert_eq!(resolved.classes, ["?", "a"]);
        assert!(resolved.notes[0].contains("--missing-label"), "{:?}", resolved.notes);
    }

    #[test]
    fn minus_one_among_whole_numbers_is_no_label() {
        let resolved = plain(&["0", "-1", "1", "-1", ""]);
        assert_eq!(resolved.classes, ["0", "1"]);
        assert_eq!(numbers(&resolved), [0, -1, 1, -1, -1]);
        assert!(resolved.notes.iter().any(|note| note.starts_with("2 labels are -1")), "{:?}", resolved.notes);
        let as_floats = plain(&["0.0", "-1.0", "2.0"]);
        assert_eq!(numbers(&as_floats), [0, -1, 1]);
    }

    #[test]
    fn minus_one_against_plus_one_is_asked() {
        for items in [&["-1", "1"][..], &["1", "-1", ""], &["-1", "-1"], &["-1.0", "1.0"]] {
            let error = resolve_with(items, &Options::default()).expect_err("the user must say");
            assert!(error.to_string().starts_with("pets.csv, column label: "), "{error}");
            let hint = error.hint().expect("a hint");
            assert!(hint.contains("--minus-one class") && hint.contains("--minus-one unlabelled"), "{hint}");
        }
    }

    #[test]
    fn the_user_decides_what_minus_one_means() {
        let class = Options { minus_one: MinusOne::Class, ..Options::default() };
        assert_eq!(resolve_with(&["-1", "1"], &class).expect("resolves").classes, ["-1", "1"]);
        let unlabelled = Options { minus_one: MinusOne::Unlabelled, ..Options::default() };
        assert_eq!(numbers(&resolve_with(&["-1", "1"], &unlabelled).expect("resolves")), [-1, 0]);
        assert_eq!(numbers(&resolve_with(&["-1", "cat"], &unlabelled).expect("resolves")), [-1, 0]);
        assert_eq!(numbers(&resolve_with(&["-1", "1"], &classes(&["1", "-1"])).expect("resolves")), [1, 0]);
        assert_eq!(numbers(&resolve_with(&["-1", "1"], &classes(&["0", "1"])).expect("resolves")), [-1, 1]);
    }

    #[test]
    fn minus_one_among_words_is_a_class() {
        assert_eq!(plain(&["cat", "-1"]).classes, ["-1", "cat"]);
    }

    #[test]
    fn classes_are_numbers_ascending_else_alphabetical() {
        assert_eq!(plain(&["10", "9", "2.5"]).classes, ["2.5", "9", "10"]);
        assert_eq!(plain(&["b", "10", "9"]).classes, ["10", "9", "b"]);
        assert_eq!(resolve_with(&["a"], &classes(&["b", "a"])).expect("resolves").classes, ["b", "a"]);
    }

    #[test]
    fn leading_zeros_stay_and_twins_are_noted() {
        let resolved = plain(&["007", "7", "7.0", "8"]);
        assert_eq!(resolved.classes, ["007", "7", "7.0", "8"]);
        assert_eq!(resolved.notes, ["classes `007` (1) and `7` (1) and `7.0` (1): did you mean the same class?"]);
        assert_eq!(plain(&["Cat", "cat", "c at", "dog"]).notes.len(), 1);
    }

    #[test]
    fn spaces_around_a_label_do_not_count() {
        let resolved = plain(&["cat", " cat "]);
        assert_eq!(resolved.classes, ["cat"]);
        assert_eq!(numbers(&resolved), [0, 0]);
        assert!(resolved.notes[0].contains("spaces"), "{:?}", resolved.notes);
    }

    #[test]
    fn an_unknown_label_is_an_error_at_its_row() {
        let error = resolve_with(&["cat", "", "cow", "cow"], &classes(&["cat", "crow"])).expect_err("cow");
        assert_eq!(error.to_string(), "pets.csv, row 3, column label: `cow` is not a class; the classes are cat, crow");
        assert!(error.hint().is_some_and(|hint| hint.starts_with("did you mean `crow`?")), "{:?}", error.hint());
    }

    #[test]
    fn a_trained_run_fixes_the_classes() {
        let schema = crate::Schema {
            classes: vec!["b".into(), "a".into()],
            features: crate::dataset::Features::Columns(Vec::new()),
        };
        let options = Options { schema: Some(schema), ..Options::default() };
        assert_eq!(numbers(&resolve_with(&["a", "b", ""], &options).expect("resolves")), [1, 0, -1]);
        assert!(resolve_with(&["c"], &options).is_err());
    }

    #[test]
    fn classes_may_have_no_label_yet() {
        let resolved = resolve_with(&["", ""], &classes(&["alive", "dead"])).expect("resolves");
        assert_eq!(resolved.classes, ["alive", "dead"]);
        assert!(plain(&["", ""]).notes.iter().any(|note| note.contains("--classes")));
    }

    #[test]
    fn classes_given_twice_are_refused() {
        assert!(resolve_with(&["a"], &classes(&["a", "a "])).is_err());
        assert!(resolve_with(&["a"], &classes(&["a", ""])).is_err());
    }

    #[test]
    fn too_many_classes_are_probably_no_classes() {
        let distinct: Vec<String> = (0..=MOST_CLASSES).map(|n| format!("n{n}")).collect();
        let codes = (0..u32::try_from(distinct.len()).expect("fits")).collect();
        let place = Place::from(Path::new("pets.csv"));
        let error = resolve(&Texts { distinct, codes }, place, &Options::default()).expect_err("too many");
        assert!(error.to_string().contains("65,536 different labels"), "{error}");
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    }
}
