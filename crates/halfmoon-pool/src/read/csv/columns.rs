//! Columns being filled: texts to cells.

use std::collections::HashMap;

use super::cell::{is_missing, number, same_word};
use super::kinds::{Seen, is_id_name};
use super::words::{excerpt, plural, shortened};
use crate::dataset::{Cells, Column, ColumnKind};
use crate::labels::{self, grouped};

/// Values of a category column that are told apart.
const MOST_VALUES: usize = 1000;

/// A column being filled.
pub(in crate::read) enum Filler {
    Numeric {
        /// Whether `1,5` may be a number.
        comma: bool,
        cells: Vec<Option<f32>>,
    },
    YesNo {
        no: String,
        yes: String,
        cells: Vec<Option<bool>>,
    },
    Category {
        codes: HashMap<String, u32>,
        /// How many values may join `codes`; `None`: they are complete.
        limit: Option<usize>,
        cells: Vec<Option<u32>>,
    },
}

impl Filler {
    pub(super) fn yes_no(no: String, yes: String) -> Filler {
        Filler::YesNo { no, yes, cells: Vec::new() }
    }

    /// A column whose values are not known yet.
    pub(super) fn category(limit: usize) -> Filler {
        Filler::Category { codes: HashMap::new(), limit: Some(limit), cells: Vec::new() }
    }

    pub(in crate::read) fn known(kind: &ColumnKind, comma: bool) -> Filler {
        match kind {
            ColumnKind::Numeric => Filler::Numeric { comma, cells: Vec::new() },
            ColumnKind::YesNo { no, yes } => Filler::yes_no(no.clone(), yes.clone()),
            ColumnKind::Category { values } => {
                Filler::Category { codes: values.iter().cloned().zip(0..).collect(), limit: None, cells: Vec::new() }
            }
        }
    }

    /// Adds a cell. False where a text says nothing here and counts as missing: see [`Filler::doubt`].
    pub(in crate::read) fn push(&mut self, text: &str) -> bool {
        if is_missing(text) {
            self.gap();
            return true;
        }
        match self {
            Filler::Numeric { comma, cells } => push(cells, number(text, *comma).filter(|x| x.is_finite())),
            Filler::YesNo { no, yes, cells } => {
                push(cells, if same_word(text, no) { Some(false) } else { same_word(text, yes).then_some(true) })
            }
            Filler::Category { codes, limit, cells } => {
                let known = codes.get(text).copied();
                let code = match (known, *limit) {
                    (None, Some(limit)) if codes.len() <= limit => {
                        let code = u32::try_from(codes.len()).ok();
                        codes.extend(code.map(|code| (text.to_owned(), code)));
                        code
                    }
                    _ => known,
                };
                push(cells, code)
            }
        }
    }

    /// What is odd about a text that says nothing in this column.
    pub(in crate::read) fn doubt(&self, text: &str, column: &str) -> String {
        let why = match self {
            Filler::Numeric { comma, .. } if number(text, *comma).is_some() => " is not finite",
            Filler::Numeric { .. } => " is not a number",
            Filler::YesNo { .. } | Filler::Category { .. } => "",
        };
        format!("`{}` in column {column}{why}", excerpt(text))
    }

    pub(in crate::read) fn gap(&mut self) {
        match self {
            Filler::Numeric { cells, .. } => cells.push(None),
            Filler::YesNo { cells, .. } => cells.push(None),
            Filler::Category { cells, .. } => cells.push(None),
        }
    }

    /// The cells so far; the column goes on empty.
    pub(in crate::read) fn take(&mut self) -> Cells {
        match self {
            Filler::Numeric { cells, .. } => Cells::Numeric(std::mem::take(cells)),
            Filler::YesNo { cells, .. } => Cells::YesNo(std::mem::take(cells)),
            Filler::Category { cells, .. } => Cells::Category(std::mem::take(cells)),
        }
    }

    /// The column of a data set, unless its values are of no use.
    pub(in crate::read) fn finish(self, seen: &Seen, is_forced: bool) -> (Option<(Column, Cells)>, Option<String>) {
        let name = &seen.name;
        let column = |kind| Column { name: name.to_owned(), kind };
        match self {
            Filler::Numeric { cells, .. } => (Some((column(ColumnKind::Numeric), Cells::Numeric(cells))), None),
            Filler::YesNo { no, yes, cells } => {
                (Some((column(ColumnKind::YesNo { no, yes }), Cells::YesNo(cells))), None)
            }
            Filler::Category { codes, cells, .. } => {
                let why = if is_forced { None } else { useless(codes.len(), seen) };
                if let Some(why) = why {
                    let note = format!("column {name} is left out: {why} (`--column {name}=category` keeps it)");
                    return (None, Some(note));
                }
                let (values, cells, note) = frequent(codes, cells, name);
                (Some((column(ColumnKind::Category { values }), Cells::Category(cells))), note)
            }
        }
    }
}

/// Adds a value, and says whether there is one.
fn push<T>(cells: &mut Vec<Option<T>>, value: Option<T>) -> bool {
    let is_some = value.is_some();
    cells.push(value);
    is_some
}

/// Why a category column has nothing to say, where that is so.
fn useless(distinct: usize, seen: &Seen) -> Option<String> {
    let present = seen.present();
    if distinct == 1 && seen.missing == 0 && present > 1 {
        return Some(format!("it is always `{}`", excerpt(&seen.words[0])));
    }
    if present > 50 && distinct > present / 2 {
        return Some(format!("more than half of its {} values differ, as in ids and free text", grouped(present)));
    }
    (is_id_name(&seen.name) && distinct == present && present > 1)
        .then(|| "its name and its values, no two alike, are those of an id".to_owned())
}

/// The values that are told apart, in order, and the cells as codes into them.
fn frequent(
    codes: HashMap<String, u32>,
    mut cells: Vec<Option<u32>>,
    name: &str,
) -> (Vec<String>, Vec<Option<u32>>, Option<String>) {
    let mut counts = vec![0_usize; codes.len()];
    for code in cells.iter().flatten() {
        counts[*code as usize] += 1;
    }
    // By frequency; among equals, the first to appear.
    let mut by_count: Vec<(String, u32)> = codes.into_iter().collect();
    by_count.sort_by_key(|(_, code)| (std::cmp::Reverse(counts[*code as usize]), *code));
    let rest: usize = by_count.iter().skip(MOST_VALUES).map(|(_, code)| counts[*code as usize]).sum();
    let distinct = by_count.len();
    by_count.truncate(MOST_VALUES);

    let old: HashMap<&str, u32> = by_count.iter().map(|(value, code)| (value.as_str(), *code)).collect();
    let mut values: Vec<&str> = old.keys().copied().collect();
    labels::in_order(&mut values);
    let mut new_codes = vec![None; distinct];
    for (value, new) in values.iter().zip(0..) {
        new_codes[old[value] as usize] = Some(new);
    }
    for cell in &mut cells {
        *cell = cell.and_then(|code| new_codes[code as usize]);
    }
    let note = (distinct > MOST_VALUES).then(|| {
        format!(
            "column {name} has {} values: the {} most frequent are told apart, the others count as missing ({})",
            grouped(distinct),
            grouped(MOST_VALUES),
            plural(rest, "cell")
        )
    });
    (values.into_iter().map(str::to_owned).collect(), cells, note)
}

/// `columns: 6 numeric (age, …), 1 yes/no (member), 2 categories (job 8 values, town 31 values)`.
pub(in crate::read) fn columns_note(columns: &[Column]) -> String {
    let of = |kind: &str| columns.iter().filter(|column| column.kind.name() == kind).collect::<Vec<_>>();
    let mut parts = Vec::new();
    for (kind, one, many) in
        [("numeric", "numeric", "numeric"), ("yes_no", "yes/no", "yes/no"), ("category", "category", "categories")]
    {
        let these = of(kind);
        if these.is_empty() {
            continue;
        }
        let names = these.iter().map(|column| match &column.kind {
            ColumnKind::Category { values } => format!("{} {}", column.name, plural(values.len(), "value")),
            _ => column.name.clone(),
        });
        let noun = if these.len() == 1 { one } else { many };
        parts.push(format!("{} {noun} ({})", grouped(these.len()), shortened(names, 8)));
    }
    format!("columns: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_note, cells, columns, one_column, table};
    use super::*;

    #[test]
    fn rare_values_of_long_categories_count_as_missing() {
        // 1,100 values: v0 to v999 three times, the others twice.
        let values = (0..3200).map(|n| if n < 3000 { format!("v{}", n % 1000) } else { format!("w{}", n % 100) });
        let source = table(one_column(values));
        let ColumnKind::Category { values } = &columns(&source)[0].kind else { panic!("a category") };
        assert_eq!(values.len(), 1000);
        assert!(values.iter().all(|value| value.starts_with('v')));
        assert_note(
            &source,
            "column x has 1,100 values: the 1,000 most frequent are told apart, the others count as missing (200 cells)",
        );
        let Cells::Category(cells) = cells(&source, 0) else { panic!("a category") };
        assert_eq!(cells.iter().filter(|cell| cell.is_none()).count(), 200);
    }
}
