//! What a column is, by all its values and by what the user said of it.

use std::collections::HashSet;
use std::path::Path;

use super::cell::{is_missing, number};
use super::columns::Filler;
use super::records::Record;
use super::rows::{Layout, Rows};
use super::words::{Found, excerpt, plural_are, shortened};
use crate::error::{Error, Place, Result, did_you_mean};
use crate::labels::{self, grouped};
use crate::read::Options;

/// No and yes.
const YES_NO: [(&str, &str); 6] = [("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("0", "1"), ("off", "on")];

/// What the first pass over a table knows of a column: never more than a few of its texts.
pub(in crate::read) struct Seen {
    pub(super) name: String,
    /// Whether `1,5` may be a number.
    comma: bool,
    /// No text is a number.
    are_names: bool,
    pub(super) missing: usize,
    numbers: usize,
    infinite: Found,
    texts: Found,
    /// The first number with a decimal comma.
    comma_sample: Option<String>,
    /// The first three texts that differ in more than case.
    pub(super) words: Vec<String>,
    /// The first number, and whether another one follows.
    first: Option<f32>,
    varies: bool,
    serial: Serial,
    /// The whole numbers of a column that is called an id, until one comes twice.
    ids: Option<HashSet<i64>>,
}

/// Whether whole numbers rise by one from record to record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Serial {
    Unknown,
    /// They do: the number that record 0 would have.
    From(i64),
    No,
}

/// What becomes of a column, and what to say of it.
pub(in crate::read) enum Plan {
    Drop(String),
    Keep(Filler, Option<String>),
}

/// Looks at all rows of those columns that may be inputs.
pub(super) fn look(rows: &mut Rows, is_input: impl Fn(usize) -> bool) -> Result<Vec<Seen>> {
    let comma = rows.layout.comma();
    let mut seen: Vec<Seen> = rows.layout.names.iter().map(|name| Seen::new(name, comma)).collect();
    let mut record = Record::default();
    while rows.next_regular(&mut record)? {
        for (position, seen) in seen.iter_mut().enumerate().filter(|(position, _)| is_input(*position)) {
            seen.look(record.field(position), record.line, rows.number);
        }
    }
    Ok(seen)
}

/// Which columns have decimal commas or gaps.
pub(in crate::read) fn notes(columns: &[Seen]) -> Vec<String> {
    let mut notes = Vec::new();
    let with_comma: Vec<(&str, &str)> = (columns.iter())
        .filter(|seen| seen.is_mostly_numeric())
        .filter_map(|seen| Some((seen.name.as_str(), seen.comma_sample.as_deref()?)))
        .collect();
    if let Some((_, sample)) = with_comma.first() {
        let names = shortened(with_comma.iter().map(|(name, _)| (*name).to_owned()), 8);
        notes.push(format!("decimal comma, as in `{sample}`: {names}"));
    }
    let gaps = columns.iter().filter(|seen| seen.missing > 0);
    let gaps: Vec<String> = gaps.map(|seen| format!("{} {}", seen.name, grouped(seen.missing))).collect();
    if !gaps.is_empty() {
        notes.push(format!("missing cells: {}", shortened(gaps.into_iter(), 12)));
    }
    notes
}

impl Seen {
    pub(in crate::read) fn new(name: &str, comma: bool) -> Seen {
        Seen {
            name: name.to_owned(),
            comma,
            are_names: false,
            missing: 0,
            numbers: 0,
            infinite: Found::default(),
            texts: Found::default(),
            comma_sample: None,
            words: Vec::new(),
            first: None,
            varies: false,
            serial: Serial::Unknown,
            ids: is_id_name(name).then(HashSet::new),
        }
    }

    /// A column whose texts are names, also where they look like numbers.
    pub(in crate::read) fn of_names(name: &str) -> Seen {
        Seen { are_names: true, ..Seen::new(name, false) }
    }

    pub(in crate::read) fn look(&mut self, text: &str, line: u64, record: u64) {
        if is_missing(text) {
            self.missing += 1;
            return;
        }
        if self.words.len() < 3 && !self.words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            self.words.push(text.to_owned());
        }
        if self.serial != Serial::No || self.ids.is_some() {
            self.look_for_ids(text, record);
        }
        match if self.are_names { None } else { number(text, self.comma) } {
            None => self.texts.more(1, line, text),
            Some(x) if !x.is_finite() => self.infinite.more(1, line, text),
            Some(x) => {
                self.numbers += 1;
                if self.comma && self.comma_sample.is_none() && text.contains(',') {
                    self.comma_sample = Some(text.trim().to_owned());
                }
                let first = *self.first.get_or_insert(x);
                self.varies |= first.total_cmp(&x).is_ne();
            }
        }
    }

    fn look_for_ids(&mut self, text: &str, record: u64) {
        let whole = text.trim().parse::<i64>().ok();
        let start = whole.and_then(|n| n.checked_sub_unsigned(record));
        self.serial = match (self.serial, start) {
            (Serial::Unknown, Some(start)) => Serial::From(start),
            (Serial::From(known), Some(start)) if known == start => self.serial,
            _ => Serial::No,
        };
        let is_another = self.ids.as_mut().zip(whole).is_some_and(|(ids, whole)| ids.insert(whole));
        if !is_another {
            self.ids = None;
        }
    }

    pub(super) fn present(&self) -> usize {
        self.numbers + self.infinite.count + self.texts.count
    }

    /// At least 95 in 100 values are numbers, and there are enough to say so.
    fn is_mostly_numeric(&self) -> bool {
        self.texts.count == 0 || (self.present() >= 20 && self.texts.count * 20 <= self.present())
    }

    pub(in crate::read) fn plan(&self, forced: Option<Forced>, file: &Path) -> Result<Plan> {
        let name = &self.name;
        let place = || Place::from(file).column(name);
        let drop = |why: &str, kind: &str| {
            Ok(Plan::Drop(format!("column {name} is left out: {why} (`--column {name}={kind}` keeps it)")))
        };
        match forced {
            Some(Forced::Ignore) => return Ok(Plan::Drop(format!("column {name} is left out, as asked"))),
            Some(Forced::Category) => return Ok(Plan::Keep(Filler::category(usize::MAX), None)),
            Some(Forced::YesNo) => return self.as_yes_no(place()),
            Some(Forced::Numeric) => {
                if self.numbers == 0 && self.present() > 0 {
                    let sample = self.words.first().map_or("", String::as_str);
                    return Err(Error::data(
                        place(),
                        format!("no value is a number; the first is `{}`", excerpt(sample)),
                        format!("`--column {name}=category`, or `ignore`"),
                    ));
                }
                return Ok(self.as_numbers());
            }
            None => {}
        }
        if self.present() == 0 {
            return drop("all its cells are missing", "numeric");
        }
        if let [a, b] = self.words.as_slice()
            && let Some((no, yes)) = yes_no_pair(a, b)
        {
            return Ok(Plan::Keep(Filler::yes_no(no, yes), None));
        }
        if self.numbers == 0 && self.infinite.count > 0 && self.texts.count == 0 {
            return drop("none of its values is finite", "numeric");
        }
        if !self.is_mostly_numeric() {
            // More values than this are an id or prose; they need not all be kept to know it.
            let limit = if self.present() > 50 { self.present() / 2 } else { usize::MAX };
            return Ok(Plan::Keep(Filler::category(limit), None));
        }
        let whole = self.texts.count == 0 && self.infinite.count == 0;
        if !self.varies && whole && self.missing == 0 && self.present() > 1 {
            return drop(&format!("it is always `{}`", excerpt(&self.words[0])), "numeric");
        }
        if whole && matches!(self.serial, Serial::From(_)) && self.present() >= 10 {
            return drop("its whole numbers count the rows, like an id", "numeric");
        }
        if whole && self.ids.is_some() && self.present() > 1 {
            return drop("its name and its values, no two alike, are those of an id", "numeric");
        }
        Ok(self.as_numbers())
    }

    fn as_numbers(&self) -> Plan {
        let name = &self.name;
        let mut notes = Vec::new();
        if let Some((line, text)) = &self.texts.first {
            notes.push(format!(
                "column {name}: {} no number and counted as missing (first `{text}` in row {line}); \
                 `--column {name}=category` takes all as names",
                plural_are(self.texts.count, "value"),
            ));
        }
        if let Some((line, text)) = &self.infinite.first {
            notes.push(format!(
                "column {name}: {} not finite and counted as missing (first `{text}` in row {line})",
                plural_are(self.infinite.count, "value"),
            ));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Plan::Keep(Filler::Numeric { comma: self.comma, cells: Vec::new() }, note)
    }

    fn as_yes_no(&self, place: Place) -> Result<Plan> {
        let [a, b] = self.words.as_slice() else {
            let some = self.words.iter().map(|word| format!("`{}`", excerpt(word)));
            let number = if self.words.len() > 2 { "more than two".to_owned() } else { self.words.len().to_string() };
            return Err(Error::data(
                place,
                format!("a yes/no column has two values; this has {number}: {}", shortened(some, 3)),
                "leave out `yes_no`, or correct the values",
            ));
        };
        let (no, yes) = yes_no_pair(a, b).unwrap_or_else(|| {
            let mut pair = [a.as_str(), b.as_str()];
            labels::in_order(&mut pair);
            (pair[0].to_owned(), pair[1].to_owned())
        });
        Ok(Plan::Keep(Filler::yes_no(no, yes), None))
    }
}

/// The two words as (no, yes), where they say so.
fn yes_no_pair(a: &str, b: &str) -> Option<(String, String)> {
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    YES_NO.iter().find_map(|(no, yes)| {
        if is(a, no) && is(b, yes) {
            Some((a.to_owned(), b.to_owned()))
        } else if is(a, yes) && is(b, no) {
            Some((b.to_owned(), a.to_owned()))
        } else {
            None
        }
    })
}

/// `id`, `user_id`, `user-id`, `user id`, `userId`.
pub(super) fn is_id_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower == "id"
        || ["_id", "-id", " id", ".id"].iter().any(|end| lower.ends_with(end))
        || name
            .strip_suffix("Id")
            .or(name.strip_suffix("ID"))
            .is_some_and(|stem| stem.ends_with(|c: char| c.is_lowercase()))
}

/// What the user said of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum Forced {
    Numeric,
    YesNo,
    Category,
    Ignore,
}

/// For each column, what the user said of it.
pub(in crate::read) fn forced_kinds(
    layout: &Layout,
    label: Option<usize>,
    options: &Options,
) -> Result<Vec<Option<Forced>>> {
    const KINDS: [(&str, Forced); 4] = [
        ("numeric", Forced::Numeric),
        ("yes_no", Forced::YesNo),
        ("category", Forced::Category),
        ("ignore", Forced::Ignore),
    ];
    let mut forced = vec![None; layout.names.len()];
    for (name, kind) in &options.columns {
        let position = layout
            .find(name)
            .ok_or_else(|| Error::usage(format!("there is no column `{name}`"), layout.guess(name)))?;
        let (_, kind) = KINDS.iter().find(|(known, _)| known == kind).ok_or_else(|| {
            Error::usage(
                format!("`{kind}` is no kind of column, for column {name}"),
                did_you_mean(kind, KINDS.iter().map(|(known, _)| *known)),
            )
        })?;
        if Some(position) == label {
            return Err(Error::usage(
                format!("column {name} holds the labels and cannot be an input as well"),
                format!("leave out `--column {name}=…`, or choose another `--label`"),
            ));
        }
        forced[position] = Some(*kind);
    }
    Ok(forced)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        assert_note, cells, columns, failure, kind, kinds, numeric, one_column, table, table_with,
    };
    use crate::dataset::{Cells, ColumnKind};

    #[test]
    fn a_decimal_comma_is_read_and_noted() {
        let source = table("a;b;label\n1,5;2;x\n-3,25;4;y\n");
        assert_eq!(cells(&source, 0), &numeric(&[1.5, -3.25]));
        assert_note(&source, "delimiter `;`");
        assert_note(&source, "decimal comma, as in `1,5`: a");
    }

    #[test]
    fn a_quoted_comma_between_commas_is_no_decimal_comma() {
        let source = table("a,b,label\n\"1,5\",1,x\n\"2,5\",2,y\n");
        assert_eq!(kinds(&source), ["a category", "b numeric"]);
    }

    #[test]
    fn yes_and_no_are_recognised_in_any_case() {
        let source = table("m,n,label\nYes,0,a\nno,1,b\nyes,1,a\n,0,b\n");
        assert_eq!(kinds(&source), ["m yes_no", "n yes_no"]);
        assert_eq!(cells(&source, 0), &Cells::YesNo(vec![Some(true), Some(false), Some(true), None]));
        let pair = table("sex,label\nmale,a\nfemale,b\nmale,b\n");
        assert_eq!(kinds(&pair), ["sex category"]);
    }

    #[test]
    fn gaps_in_columns_are_missing_cells() {
        let source = table(one_column(["1", "", "NaN", "?", "NA", "n/a", "NULL", "None", "2"]));
        let n = f32::NAN;
        assert_eq!(cells(&source, 0), &numeric(&[1.0, n, n, n, n, n, n, n, 2.0]));
        assert_note(&source, "missing cells: x 7");
    }

    #[test]
    fn infinite_values_are_missing_and_counted() {
        let source = table(one_column(["1", "inf", "-Infinity", "1e99", "2"]));
        assert_eq!(cells(&source, 0), &numeric(&[1.0, f32::NAN, f32::NAN, f32::NAN, 2.0]));
        assert_note(&source, "column x: 3 values are not finite and counted as missing (first `inf` in row 3)");
    }

    #[test]
    fn a_few_texts_among_numbers_are_missing_with_their_place() {
        let mut values: Vec<String> = (0..40).map(|n| format!("{n}.5")).collect();
        values[6] = "abc".to_owned();
        let source = table(one_column(&values));
        assert_eq!(kinds(&source), ["x numeric"]);
        assert_note(&source, "column x: 1 value is no number and counted as missing (first `abc` in row 8)");
        assert_note(&source, "--column x=category");
        let few = table(one_column(["1", "2", "abc", "1"]));
        assert_eq!(kinds(&few), ["x category"]);
        let forced = table_with(one_column(["1", "2", "abc", "1"]), &kind("x", "numeric"));
        assert_eq!(cells(&forced, 0), &numeric(&[1.0, 2.0, f32::NAN, 1.0]));
    }

    #[test]
    fn the_user_overrides_kinds() {
        assert_eq!(kinds(&table_with(one_column(["1", "2", "3"]), &kind("x", "category"))), ["x category"]);
        let pair = table_with(one_column(["2", "1", "2"]), &kind("1", "yes_no"));
        assert_eq!(columns(&pair)[0].kind, ColumnKind::YesNo { no: "1".into(), yes: "2".into() });
        let ignored = table_with("x,z,label\n1,3,a\n2,4,b\n", &kind("z", "ignore"));
        assert_eq!(kinds(&ignored), ["x numeric"]);
        assert!(failure(one_column(["1", "2", "3"]), &kind("x", "yes_no")).0.contains("two values"));
        assert!(failure(one_column(["a", "b"]), &kind("x", "numeric")).0.contains("column x: no value is a number"));
        assert!(failure(one_column(["1", "2"]), &kind("z", "numeric")).0.contains("no column `z`"));
        assert!(failure(one_column(["1", "2"]), &kind("x", "number")).1.contains("numeric"));
        assert!(failure(one_column(["1", "2"]), &kind("label", "numeric")).0.contains("holds the labels"));
    }

    #[test]
    fn constants_ids_and_empty_columns_are_dropped_with_a_note() {
        let rows: Vec<String> = (1..=60)
            .map(|n| format!("{n},{},u{n},7,same,,{},{}\n", n * 37 % 101, n % 7, if n % 2 == 0 { "a" } else { "b" }))
            .collect();
        let text = format!("row,user_id,name,seven,word,gap,x,label\n{}", rows.concat());
        let source = table(&text);
        assert_eq!(kinds(&source), ["x numeric"]);
        for note in [
            "column row is left out: its whole numbers count",
            "column user_id is left out",
            "column name is left out: more than half",
            "column seven is left out: it is always `7`",
            "column word is left out: it is always `same`",
            "column gap is left out: all its cells are missing (`--column gap=numeric` keeps it)",
        ] {
            assert_note(&source, note);
        }
        for name in ["row", "user_id", "seven", "gap"] {
            assert_eq!(columns(&table_with(&text, &kind(name, "numeric"))).len(), 2, "{name}");
        }
        assert_eq!(columns(&table_with(&text, &kind("name", "category"))).len(), 2);
    }

    #[test]
    fn a_constant_with_gaps_says_something() {
        assert_eq!(kinds(&table(one_column(["x", "", "x", ""]))), ["x category"]);
    }
}
