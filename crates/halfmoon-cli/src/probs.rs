//! Answers of anybody's classifier, from a table: `label,p_cat,p_dog`, a row an item.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use csv::StringRecord;
use halfmoon_pool::dataset::{Features, Ids, Inputs, Table};
use halfmoon_pool::error::{Place, did_you_mean};
use halfmoon_pool::labels::{Texts, resolve};
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read::{Options, is_called_id};
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::{Dataset, Error, Result, Schema};
use ndarray::{Array2, Axis};

/// How far the probabilities of a row may be from summing to 1: what rounding to three digits does to a few classes.
const SUM: f64 = 1e-3;

/// A table of answers.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Of the items that have a label; every row sums to 1.
    pub(crate) predictions: Predictions,
    /// The same items, without features.
    pub(crate) items: Dataset,
    pub(crate) unlabelled: usize,
    pub(crate) notes: Vec<String>,
}

/// Reads a file. Rows without a label are counted and left out.
pub(crate) fn read(path: &Path, label: Option<&str>, options: &Options) -> Result<Answered> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    file.read_to_end(&mut bytes).map_err(|source| Error::io(path, source))?;
    parse(&bytes, path, label, options)
}

fn parse(bytes: &[u8], path: &Path, label: Option<&str>, options: &Options) -> Result<Answered> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(options.delimiter.unwrap_or(delimiter(bytes))).from_reader(bytes);
    let header = reader.headers().map_err(|error| broken(path, &error))?.clone();
    let columns = Columns::of(&header, path, label)?;

    let mut texts = Texts::default();
    let mut codes: HashMap<String, u32> = HashMap::new();
    let (mut probs, mut lines, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| broken(path, &error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row { path, line, header: &header, record: &record };
        row.take(&columns, &mut probs)?;
        let text = record.get(columns.label).unwrap_or_default();
        let code = codes.get(text).copied().unwrap_or_else(|| {
            let code = u32::try_from(codes.len()).expect("fewer than 4 billion distinct labels");
            codes.insert(text.to_owned(), code);
            texts.distinct.push(text.to_owned());
            code
        });
        texts.codes.push(code);
        lines.push(line);
        ids.extend(columns.id.map(|at| record.get(at).unwrap_or_default().to_owned()));
    }
    if lines.is_empty() {
        return Err(Error::data(
            path,
            "holds no row but the header",
            "a row an item, with its label and its probabilities",
        ));
    }
    let place = Place { path: path.to_owned(), row: None, column: header.get(columns.label).map(str::to_owned) };
    let options = Options { classes: Some(columns.classes.clone()), ..options.clone() };
    let resolved = resolve(&texts, place, &options).map_err(|error| at_line(error, &lines))?;

    let all = Array2::from_shape_vec((lines.len(), columns.classes.len()), probs).expect("a number a class and row");
    let rows: Vec<usize> = (0..lines.len()).filter(|&row| resolved.labels[row].is_some()).collect();
    let predictions = Predictions {
        probs: all.select(Axis(0), &rows),
        classes: rows.iter().filter_map(|&row| resolved.labels[row]).collect(),
    };
    let mut notes = resolved.notes;
    notes.extend(too_good(&predictions));
    let ids = if columns.id.is_some() { Ids::Names(ids) } else { Ids::first(lines.len()) };
    let items = Dataset {
        schema: Schema { classes: resolved.classes, features: Features::Columns(vec![]) },
        inputs: Inputs::Table(Table { rows: rows.len(), columns: vec![] }),
        labels: rows.iter().map(|&row| resolved.labels[row]).collect(),
        ids: ids.select(&rows),
    };
    Ok(Answered { predictions, items, unlabelled: lines.len() - rows.len(), notes })
}

/// Where the columns are.
struct Columns {
    label: usize,
    id: Option<usize>,
    /// Of the probabilities.
    places: Vec<usize>,
    classes: Vec<String>,
}

impl Columns {
    fn of(header: &StringRecord, path: &Path, label: Option<&str>) -> Result<Columns> {
        let names = || header.iter().map(str::trim);
        let named = label.unwrap_or("label");
        let Some(at_label) = names().position(|name| name == named) else {
            let hint = format!(
                "the true classes stand in the column `label`, or name theirs with --label; {}",
                did_you_mean(named, names())
            );
            return Err(Error::data(path, format!("has no column `{named}`"), hint));
        };
        let bracketed = |name: &str| Some(name.strip_prefix("p(")?.strip_suffix(')')?.to_owned());
        let prefixed = |name: &str| Some(name.strip_prefix("p_")?.to_owned());
        let of = |class: &dyn Fn(&str) -> Option<String>| -> (Vec<usize>, Vec<String>) {
            names()
                .enumerate()
                .filter(|(at, _)| *at != at_label)
                .filter_map(|(at, name)| Some((at, class(name)?)))
                .unzip()
        };
        let (mut places, mut classes) = of(&bracketed);
        if places.is_empty() {
            (places, classes) = of(&prefixed);
        }
        if places.len() < 2 {
            let problem = match classes.first() {
                None => "has no column of probabilities".to_owned(),
                Some(only) => format!("has the probabilities of one class only, `{only}`"),
            };
            return Err(Error::data(path, problem, "write the probability of each class into a column `p_CLASS`"));
        }
        // `halfmoon predict` calls its answer `label`: judged by itself, everything would be right.
        if named == "label" && ["confidence", "status"].iter().all(|column| names().any(|name| name == *column)) {
            let hint = "put the true classes beside them in another column, and name that with --label COLUMN";
            return Err(Error::data(
                path,
                "holds answers of `halfmoon predict`, whose column `label` is the answer itself",
                hint,
            ));
        }
        Ok(Columns { label: at_label, id: names().position(is_called_id), places, classes })
    }
}

/// A row that is being read.
struct Row<'a> {
    path: &'a Path,
    line: u64,
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl Row<'_> {
    /// Appends the probabilities, brought to sum to 1.
    fn take(&self, columns: &Columns, probs: &mut Vec<f32>) -> Result<()> {
        let start = probs.len();
        let mut sum = 0.0;
        for &at in &columns.places {
            let text = self.record.get(at).unwrap_or_default().trim();
            let p = text.parse::<f32>().ok().filter(|p| (-1e-6..=1.001).contains(p));
            let p = p.ok_or_else(|| {
                let what = if text.is_empty() {
                    "is empty".into()
                } else {
                    format!("holds `{text}`, which is no probability")
                };
                self.error(Some(at), what, "every cell is a number from 0 to 1, with a point")
            })?;
            sum += f64::from(p.max(0.0));
            probs.push(p.max(0.0));
        }
        if (sum - 1.0).abs() > SUM {
            let hint = "give the probability of every class, as many digits as there are, and no logits";
            return Err(self.error(
                None,
                format!("the {} probabilities sum to {sum:.4} and not to 1", columns.places.len()),
                hint,
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "about 1")]
        let factor = sum.recip() as f32;
        probs[start..].iter_mut().for_each(|p| *p *= factor);
        Ok(())
    }

    fn error(&self, column: Option<usize>, problem: String, hint: &str) -> Error {
        let column = column.and_then(|at| self.header.get(at)).map(str::to_owned);
        Error::data(Place { column, ..Place::row(self.path, self.line) }, problem, hint)
    }
}

/// Whoever is always right, may have been judged by his own answers.
fn too_good(predictions: &Predictions) -> Option<String> {
    let is_right =
        predictions.probs.rows().into_iter().zip(&predictions.classes).all(|(row, class)| predicted(row) == *class);
    (is_right && predictions.classes.len() >= 20)
        .then(|| "every label is the most probable class: are these the true classes, and not the answers?".to_owned())
}

/// What the header has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| header.iter().map(|byte| usize::from(byte == delimiter)).sum::<usize>();
    // Of equal ones the last is taken.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// An error that knows an item's number, at the line of that item.
fn at_line(mut error: Error, lines: &[u64]) -> Error {
    if let Error::Data { place, .. } = &mut error {
        let line = |row: u64| lines.get(usize::try_from(row).ok()?.checked_sub(1)?).copied();
        place.row = place.row.and_then(line);
    }
    error
}

fn broken(path: &Path, error: &csv::Error) -> Error {
    let mut place = Place::from(path);
    place.row = error.position().map(csv::Position::line);
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".into(),
        _ => error.to_string(),
    };
    Error::data(place, problem, "every row has as many cells as the header, with the same character between them")
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::Class;

    use super::*;

    fn read(text: &str) -> Result<Answered> {
        parse(text.as_bytes(), Path::new("p.csv"), None, &Options::default())
    }

    #[track_caller]
    fn fails(text: &str, parts: &[&str]) {
        let error = read(text).expect_err("a mistake");
        let said = format!("{error}\n{}", error.hint().unwrap_or_default());
        for part in parts {
            assert!(said.contains(part), "`{part}` is not in\n{said}");
        }
    }

    #[test]
    fn both_ways_of_naming_a_class_are_read_and_other_columns_are_not() {
        for text in [
            "id,label,p_a,p_b\nx,a,0.75,0.25\n",
            "label;p(a);p_value;id;p(b)\na;0.75;7;x;0.25\n",
            "\u{feff}p_a\tp_b\tlabel\tid\n0.75\t0.25\ta\tx\n",
        ] {
            let answered = read(text).expect("a table");
            assert_eq!(answered.items.schema.classes, ["a", "b"]);
            assert_eq!(answered.predictions.probs.row(0).to_vec(), [0.75, 0.25]);
            assert_eq!((answered.predictions.classes[0], answered.items.ids.get(0)), (Class(0), "x".into()));
        }
    }

    #[test]
    fn rows_without_a_label_are_counted_and_the_others_keep_their_numbers() {
        let answered = read("label,p_a,p_b\n,0.5,0.5\nb,0.25,0.75\nNaN,1,0\n").expect("a table");
        assert_eq!((answered.unlabelled, answered.items.len()), (2, 1));
        assert_eq!(answered.items.ids.get(0), "2");
    }

    #[test]
    fn what_is_no_probability_is_named_with_its_place() {
        fails("label,p_a,p_b\na,0.5,0.5\na,0.5,x\n", &["p.csv, row 3, column p_b", "`x`", "from 0 to 1"]);
        fails("label,p_a,p_b\na,0.5,\n", &["row 2, column p_b", "is empty"]);
        fails("label,p_a,p_b\na,1.5,-0.5\n", &["row 2, column p_a", "`1.5`"]);
        fails("label,p_a,p_b\na,NaN,0.5\n", &["row 2, column p_a"]);
        fails("label,p_a,p_b\na,0.5,0.502\n", &["row 2", "sum to 1.0020", "no logits"]);
        fails("label,p_a,p_b\na,0.5\n", &["row 2", "2 cells where the header has 3"]);
        assert!(read("label,p_a,p_b\na,0.5,0.5005\n").is_ok());
    }

    #[test]
    fn a_row_is_brought_to_sum_to_one() {
        let answered = read("label,p_a,p_b\na,0.5,0.5008\n").expect("a table");
        assert!((answered.predictions.probs.sum() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn missing_columns_and_unknown_labels_say_what_to_do() {
        fails("truth,p_a,p_b\na,1,0\n", &["no column `label`", "--label"]);
        fails("label,a,b\na,1,0\n", &["no column of probabilities", "p_CLASS"]);
        fails("label,p_a\na,1\n", &["one class only, `a`"]);
        fails("label,p_a,p_b\na,1,0\nc,1,0\n", &["p.csv, row 3, column label", "`c` is not a class"]);
        fails("label,p_a,p_a\na,1,0\n", &["`a` is given twice"]);
        fails("label,p_a,p_b\n", &["no row"]);
    }

    #[test]
    fn answers_that_are_judged_by_themselves_are_noticed() {
        fails(
            "id,label,confidence,log_density,status,p(a),p(b)\n1,a,0.9,,ok,0.9,0.1\n",
            &["the answer itself", "--label"],
        );
        let text = format!("label,p_a,p_b\n{}", "a,0.9,0.1\n".repeat(30));
        assert!(read(&text).expect("a table").notes.iter().any(|note| note.contains("are these the true classes")));
    }
}
