//! Parquet: columns with a type, in one file or in a folder of files.
//!
//! | column | becomes |
//! |---|---|
//! | numbers, booleans, strings | what a column of a CSV file becomes; a string is never a number |
//! | lists of numbers, of one length | an embedding: so many numeric columns |
//! | `id` | the items' names, as they stand; the row's number where there is none |
//! | the label column | labels |
//!
//! Files are packed by Snappy, Zstandard or gzip, or not at all. A folder's files are read as one; those whose names begin
//! with `test` or `val` are splits of their own.
//!
//! Where embeddings are the only inputs they stay `f32`, row by row, and are never held twice.

mod column;
mod file;
mod pages;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use ndarray::Array2;

use self::file::{Batch, FileColumn, Files, Kind};
use super::arrays::{LARGEST, Part, Parts, assemble};
use super::csv::{
    Filler, Forced, Found, Layout, Plan, Seen, column_notes, columns_note, forced_kinds, id_column, shortened,
};
use super::labels_from::{ItemLabels, Items, first_rows, labels_from};
use super::texts::{Interner, unlabelled};
use super::{Chunk, Format, Options, Problem, Sink, Source, Status};
use crate::dataset::{Cells, Column, ColumnKind, Features, Ids, Inputs, Schema, Table};
use crate::error::{Error, Place, Result};
use crate::labels::Texts;

pub(super) const FORMAT: Format = Format {
    name: "parquet",
    about: "Parquet: a .parquet file or a folder of them; a column of number lists is an embedding; labels in a column or --labels-from",
    claims,
    takes_labels: true,
    read,
    stream,
};

fn claims(path: &Path) -> bool {
    if path.is_dir() { !files_of(path).is_empty() } else { path.is_file() && is_parquet(path) }
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet") || ending.eq_ignore_ascii_case("pq"))
}

/// The Parquet files of a folder, by name.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
    let mut files: Vec<PathBuf> =
        entries.filter(|path| is_parquet(path) && !is_hidden(path) && path.is_file()).collect();
    files.sort();
    files
}

/// The files of the training, validation and test split. Names that begin with a split's tell; a folder of one split
/// is the data.
fn splits(path: &Path) -> Result<[Vec<PathBuf>; 3]> {
    if !path.is_dir() {
        return Ok([vec![path.to_owned()], Vec::new(), Vec::new()]);
    }
    let mut splits = [Vec::new(), Vec::new(), Vec::new()];
    for file in files_of(path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let split = if name.starts_with("test") { 2 } else { usize::from(name.starts_with("val")) };
        splits[split].push(file);
    }
    if splits[0].is_empty() {
        let only = if splits[2].is_empty() { 1 } else { 2 };
        splits.swap(0, only);
    }
    if splits[0].is_empty() {
        return Err(Error::data(path, "holds no Parquet file", "`halfmoon formats` lists what can be read"));
    }
    Ok(splits)
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let [train, validation, test] = splits(path)?;
    let mut told = Told::default();
    let files = Files::open(&train)?;
    let mut options = options.clone();
    if let Some(names) = class_names(&files, &options) {
        told.notes.push("classes are named by the file's own list".to_owned());
        options.classes = Some(names);
    }
    let (train, features) = match &options.schema {
        None => learn(path, &files, &options, &mut told)?,
        Some(schema) => (apply(path, &files, &schema.features, &options, &mut told)?, schema.features.clone()),
    };
    let own_labels = Options { labels_from: None, ..options.clone() };
    let mut other = |paths: Vec<PathBuf>| {
        if paths.is_empty() {
            return Ok(None);
        }
        apply(path, &Files::open(&paths)?, &features, &own_labels, &mut told).map(Some)
    };
    let (validation, test) = (other(validation)?, other(test)?);
    assemble(&features, Parts { train, validation, test }, &options, told.notes, told.problems)
}

/// What a reader should know.
#[derive(Default)]
struct Told {
    notes: Vec<String>,
    problems: Vec<Problem>,
}

/// Names of the classes that a label column counts, as `datasets` writes them beside the schema.
fn class_names(files: &Files, options: &Options) -> Option<Vec<String>> {
    if options.classes.is_some() || options.schema.is_some() || options.labels_from.is_some() {
        return None;
    }
    let layout = layout(files);
    let label = match &options.label {
        Some(label) => layout.find(label)?,
        None => layout.usual_label()?,
    };
    let (_, text) = files.remarks.iter().find(|(key, _)| key == "huggingface")?;
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = value.pointer("/info/features")?.get(&files.columns[label].name)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

fn layout(files: &Files) -> Layout {
    Layout::named(files.columns.iter().map(|column| column.name.clone()).collect())
}

/// Which columns are read, and into what.
#[derive(Default)]
struct Recipe {
    label: Option<usize>,
    id: Option<usize>,
    flats: Vec<(usize, Filler)>,
    embeddings: Vec<Embedding>,
}

/// A column of lists.
struct Embedding {
    column: usize,
    /// Numbers of a row, where that is known.
    width: Option<usize>,
}

/// Reads files whose columns are not known yet.
fn learn(path: &Path, files: &Files, options: &Options, told: &mut Told) -> Result<(Part, Features)> {
    let layout = layout(files);
    let id = ids_of(files, options, |_| false);
    let mut recipe = Recipe::default();
    let is_flat = |column: &FileColumn| matches!(column.kind, Kind::Number | Kind::YesNo | Kind::Name);
    if options.labels_from.is_none() {
        let has_flats = (0..files.columns.len()).any(|at| is_flat(&files.columns[at]) && Some(at) != id);
        if options.label.is_some() || layout.usual_label().is_some() || has_flats {
            let (label, notes) = layout.label(options)?;
            told.notes.extend(notes);
            recipe.label = label.map(|label| usable_label(files, label)).transpose()?;
        }
    }
    recipe.id = id.filter(|_| id != recipe.label);
    let forced = forced_kinds(&layout, recipe.label, options)?;
    let mut flats = Vec::new();
    for (at, column) in files.columns.iter().enumerate() {
        let is_taken = Some(at) == recipe.label || Some(at) == recipe.id;
        match (column.kind, forced[at]) {
            (_, Some(Forced::Ignore)) => told.notes.push(format!("column {} is left out, as asked", column.name)),
            _ if is_taken => {}
            (Kind::Other(why), _) => told.notes.push(format!("column {} is left out: {why}", column.name)),
            (Kind::Embedding, None) => recipe.embeddings.push(Embedding { column: at, width: None }),
            (Kind::Embedding, Some(_)) => {
                return Err(Error::usage(
                    format!("column {} holds lists of numbers: it is an embedding and nothing else", column.name),
                    format!("leave `--column {0}=…` out, or say `--column {0}=ignore`", column.name),
                ));
            }
            _ => flats.push(at),
        }
    }
    let seen = look(files, &flats)?;
    told.notes.extend(column_notes(&seen));
    let mut kept = Vec::new();
    for (&at, seen) in flats.iter().zip(&seen) {
        match seen.plan(forced[at], files.first())? {
            Plan::Drop(note) => told.notes.push(note),
            Plan::Keep(filler, note) => {
                told.notes.extend(note);
                recipe.flats.push((at, filler));
                kept.push((seen, forced[at].is_some()));
            }
        }
    }
    if recipe.flats.is_empty() && recipe.embeddings.is_empty() {
        return Err(without_inputs(path, told));
    }

    let gathered = gather(files, &mut recipe, told, &mut |_, _, _| ())?;
    let (mut columns, mut cells) = (Vec::new(), Vec::new());
    for ((_, filler), (seen, is_forced)) in std::mem::take(&mut recipe.flats).into_iter().zip(kept) {
        let (column, note) = filler.finish(seen, is_forced);
        told.notes.extend(note);
        if let Some((column, its_cells)) = column {
            columns.push(column);
            cells.push(its_cells);
        }
    }
    if columns.is_empty() && recipe.embeddings.is_empty() {
        return Err(without_inputs(path, told));
    }
    if !columns.is_empty() {
        told.notes.push(columns_note(&columns));
    }
    for Embedding { column, width } in &recipe.embeddings {
        let (name, width) = (&files.columns[*column].name, width.unwrap_or(0));
        told.notes.push(format!("column {name} is an embedding: {width} numbers an item"));
        columns.extend((1..=width).map(|number| Column {
            name: if recipe.embeddings.len() == 1 && cells.is_empty() {
                number.to_string()
            } else {
                format!("{name}[{number}]")
            },
            kind: ColumnKind::Numeric,
        }));
    }
    let features = Features::Columns(columns);
    Ok((part(path, files, gathered, cells, &recipe, options, told)?, features))
}

fn without_inputs(path: &Path, told: &Told) -> Error {
    let why = if told.notes.is_empty() { String::new() } else { format!(": {}", told.notes.join("; ")) };
    Error::data(
        path,
        format!("has no column to learn from{why}"),
        "inputs are columns of numbers, booleans or strings, or of lists of numbers",
    )
}

/// The column that names the items.
fn ids_of(files: &Files, options: &Options, is_taken: impl Fn(usize) -> bool) -> Option<usize> {
    let can_name = |at: usize| matches!(files.columns[at].kind, Kind::Number | Kind::Name);
    id_column(&layout(files), options, |at| is_taken(at) || !can_name(at))
}

fn usable_label(files: &Files, label: usize) -> Result<usize> {
    let column = &files.columns[label];
    let problem = match column.kind {
        Kind::Number | Kind::YesNo | Kind::Name => return Ok(label),
        Kind::Embedding => "it holds lists of numbers",
        Kind::Other(why) => why,
    };
    let place = Place::from(files.first()).column(column.name.clone());
    Err(Error::data(place, format!("is no label column: {problem}"), "labels are strings, numbers or booleans"))
}

/// Looks at all rows of these columns.
fn look(files: &Files, flats: &[usize]) -> Result<Vec<Seen>> {
    let mut seen: Vec<Seen> = flats
        .iter()
        .map(|&at| match &files.columns[at] {
            FileColumn { name, kind: Kind::Name, .. } => Seen::of_names(name),
            FileColumn { name, .. } => Seen::new(name, false),
        })
        .collect();
    if !flats.is_empty() {
        files.each_batch(flats, &mut |batch| {
            for (seen, values) in seen.iter_mut().zip(batch.columns) {
                for row in 0..batch.rows {
                    let number = (batch.before + row) as u64 + 1;
                    seen.look(values.text(row).unwrap_or_default(), number, number);
                }
            }
            Ok(())
        })?;
    }
    Ok(seen)
}

/// What was read besides the flat columns, which are in their fillers.
#[derive(Default)]
struct Gathered {
    /// Rows of all embeddings, one after the other.
    numbers: Vec<f32>,
    /// A text for each row of the files.
    labels: Interner,
    /// A name for each row of the files, where they have names.
    ids: Vec<String>,
    /// Rows of the files.
    rows: usize,
    /// Rows that are left out, ascending.
    unusable: Vec<usize>,
}

/// Reads all rows. `doubt` is told of texts that say nothing in their column: the column's place in the recipe, the
/// row's number and the text.
fn gather(
    files: &Files,
    recipe: &mut Recipe,
    told: &mut Told,
    doubt: &mut dyn FnMut(usize, u64, &str),
) -> Result<Gathered> {
    let wanted = recipe.wanted();
    let mut gathered = Gathered::default();
    files.each_batch(&wanted, &mut |batch| {
        for row in 0..batch.rows {
            let number = (batch.before + row) as u64 + 1;
            if let Some(label) = recipe.label_place() {
                gathered.labels.push(batch.columns[label].text(row).unwrap_or_default());
            }
            if let Some(id) = recipe.id_place() {
                let id = batch.columns[id].text(row).map_or_else(|| number.to_string(), str::to_owned);
                gathered.ids.push(id);
            }
            if let Some(reason) = recipe.push_embeddings(files, &batch, row, &mut gathered.numbers)? {
                gathered.unusable.push(batch.before + row);
                told.problems.push(Problem { place: batch.place(row).to_string(), reason });
                continue;
            }
            let first = recipe.first_flat();
            for (at, (_, filler)) in recipe.flats.iter_mut().enumerate() {
                let text = batch.columns[first + at].text(row).unwrap_or_default();
                if !filler.push(text) {
                    doubt(at, number, text);
                }
            }
        }
        gathered.rows += batch.rows;
        Ok(())
    })?;
    gathered.numbers.shrink_to_fit();
    Ok(gathered)
}

impl Recipe {
    /// In this order: embeddings, flat columns, label, id.
    fn wanted(&self) -> Vec<usize> {
        let embeddings = self.embeddings.iter().map(|embedding| embedding.column);
        let flats = self.flats.iter().map(|(column, _)| *column);
        embeddings.chain(flats).chain(self.label).chain(self.id).collect()
    }

    fn first_flat(&self) -> usize {
        self.embeddings.len()
    }

    fn label_place(&self) -> Option<usize> {
        self.label.map(|_| self.embeddings.len() + self.flats.len())
    }

    fn id_place(&self) -> Option<usize> {
        self.id.map(|_| self.embeddings.len() + self.flats.len() + usize::from(self.label.is_some()))
    }

    /// Numbers of all embeddings of a row, where they are known.
    fn width(&self) -> Option<usize> {
        self.embeddings.iter().map(|embedding| embedding.width).sum()
    }

    /// Adds a row's embeddings, or says why it has none that can be used. A row of another length than the rows before
    /// it is an error.
    fn push_embeddings(
        &mut self,
        files: &Files,
        batch: &Batch,
        row: usize,
        numbers: &mut Vec<f32>,
    ) -> Result<Option<String>> {
        if let Some(reason) = self.fault(files, batch, row) {
            return Ok(Some(reason));
        }
        let are_new = self.width().is_none();
        for (embedding, values) in self.embeddings.iter_mut().zip(batch.columns) {
            let list = values.list(row).unwrap_or_default();
            let width = *embedding.width.get_or_insert(list.len());
            if list.len() != width {
                return Err(Error::data(
                    batch.place(row).column(files.columns[embedding.column].name.clone()),
                    format!("holds {} numbers where {width} are needed", list.len()),
                    "all lists of a column must be equally long",
                ));
            }
        }
        if are_new && let Some(width) = self.width() {
            reserve(files, width, numbers)?;
        }
        for values in &batch.columns[..self.embeddings.len()] {
            numbers.extend_from_slice(values.list(row).unwrap_or_default());
        }
        Ok(None)
    }

    /// Why a row's embeddings cannot be used: one is missing, or holds what is no number.
    fn fault(&self, files: &Files, batch: &Batch, row: usize) -> Option<String> {
        self.embeddings.iter().zip(batch.columns).find_map(|(embedding, values)| {
            let name = &files.columns[embedding.column].name;
            let Some(list) = values.list(row) else { return Some(format!("column {name} is null or empty")) };
            let at = list.iter().position(|number| !number.is_finite())?;
            Some(format!("column {name}: number {} is null, NaN or infinite", at + 1))
        })
    }
}

/// Makes room for all rows at once: growing would move them, and hold them twice meanwhile.
fn reserve(files: &Files, width: usize, numbers: &mut Vec<f32>) -> Result<()> {
    let cells = files.rows.checked_mul(width).filter(|cells| *cells <= LARGEST / size_of::<f32>());
    if cells.is_some_and(|cells| numbers.try_reserve_exact(cells).is_ok()) {
        return Ok(());
    }
    Err(Error::data(
        files.first(),
        format!("{} rows of {width} numbers do not fit into memory", files.rows),
        "give fewer rows, or shorter embeddings",
    ))
}

/// One split from what was read.
fn part(
    path: &Path,
    files: &Files,
    gathered: Gathered,
    cells: Vec<Cells>,
    recipe: &Recipe,
    options: &Options,
    told: &mut Told,
) -> Result<Part> {
    let Gathered { numbers, labels, ids, rows, unusable } = gathered;
    let mut ids = if recipe.id.is_some() { Ids::Names(ids) } else { Ids::first(rows) };
    let (mut texts, origin, lines) = if let Some(from) = &options.labels_from {
        let items = Items { path, ids: &ids, count: rows };
        let ItemLabels { texts, origin, lines } =
            labels_from(from, items, options, &mut told.notes, &mut told.problems)?;
        (texts, origin, lines)
    } else if let Some(label) = recipe.label {
        let place = Place::from(path).column(files.columns[label].name.clone());
        let lines = first_rows(&labels.texts, |row| row as u64 + 1);
        (labels.texts, place, lines)
    } else {
        told.notes.push("there is no label column: the items are unlabelled".to_owned());
        (unlabelled(rows), path.into(), vec![1])
    };
    if !unusable.is_empty() {
        let usable: Vec<usize> = (0..rows).filter(|row| unusable.binary_search(row).is_err()).collect();
        texts = Texts { codes: usable.iter().map(|&row| texts.codes[row]).collect(), distinct: texts.distinct };
        ids = ids.select(&usable);
    }
    let inputs = inputs(numbers, cells, rows - unusable.len(), recipe.width().unwrap_or(0));
    Ok(Part { inputs, ids, texts, origin, lines: Some(lines) })
}

/// Floats where embeddings are all there is.
fn inputs(numbers: Vec<f32>, mut cells: Vec<Cells>, rows: usize, width: usize) -> Inputs {
    let numbers = Array2::from_shape_vec((rows, width), numbers).expect("whole rows were added");
    if cells.is_empty() {
        return Inputs::Floats(numbers);
    }
    let columns = numbers.columns().into_iter();
    cells.extend(columns.map(|column| Cells::Numeric(column.iter().copied().map(Some).collect())));
    Inputs::Table(Table { rows, columns: cells })
}

/// Reads files with the columns of a trained run.
fn apply(path: &Path, files: &Files, features: &Features, options: &Options, told: &mut Told) -> Result<Part> {
    let columns = run_columns(path, features)?;
    let mut recipe = known_recipe(files, columns)?;
    let layout = layout(files);
    let label = match &options.labels_from {
        Some(_) => None,
        None => layout.known_label(columns, options, &mut told.notes),
    };
    recipe.label = label.map(|label| usable_label(files, label)).transpose()?;
    recipe.id = ids_of(files, options, |at| Some(at) == recipe.label || is_of_run(columns, files, at));
    let used = recipe.wanted();
    let extra = (0..files.columns.len()).filter(|at| !used.contains(at)).map(|at| files.columns[at].name.clone());
    let extra = shortened(extra, 8);
    if !extra.is_empty() {
        told.notes.push(format!("columns that the trained run does not use: {extra}"));
    }
    let mut odd: Vec<Found> = vec![Found::default(); recipe.flats.len()];
    let gathered = gather(files, &mut recipe, told, &mut |at, row, text| odd[at].more(1, row, text))?;
    for ((column, _), odd) in recipe.flats.iter().zip(&odd) {
        if let Some((row, text)) = &odd.first {
            let name = &files.columns[*column].name;
            told.notes.push(format!(
                "column {name}: {} values say nothing to the trained run and count as missing (first `{text}` in row {row})",
                odd.count
            ));
        }
    }
    let cells = recipe.flats.iter_mut().map(|(_, filler)| filler.take()).collect();
    part(path, files, gathered, cells, &recipe, options, told)
}

/// Whether the trained run learned from the files' column at this place.
fn is_of_run(columns: &[Column], files: &Files, at: usize) -> bool {
    columns.iter().any(|column| column.name == files.columns[at].name)
}

fn run_columns<'a>(path: &Path, features: &'a Features) -> Result<&'a [Column]> {
    match features {
        Features::Columns(columns) => Ok(columns),
        Features::Image(_) => Err(Error::data(
            path,
            "holds columns, but the run was trained on pictures",
            "give pictures like those of the training data",
        )),
    }
}

/// Where each column of a trained run is in these files. Flat columns come before embeddings, as [`learn`] puts them.
///
/// Columns that are numbered, or named after one embedding that is not there, are those of the files' own embeddings.
fn known_recipe(files: &Files, columns: &[Column]) -> Result<Recipe> {
    let mut recipe = Recipe::default();
    let mut wanted: Vec<(&str, usize)> = Vec::new();
    for column in columns {
        if let Some(at) = files.find(&column.name).filter(|at| files.columns[*at].kind != Kind::Embedding) {
            if let Kind::Other(why) = files.columns[at].kind {
                let place = Place::from(files.first()).column(column.name.clone());
                return Err(Error::data(
                    place,
                    format!("cannot be used: {why}"),
                    "keep the types of the training data",
                ));
            }
            if wanted.is_empty() {
                recipe.flats.push((at, Filler::known(&column.kind, false)));
                continue;
            }
        }
        let (base, number) = match column.name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            Some((base, number)) => (base, number.parse().ok()),
            None => ("", column.name.parse().ok()),
        };
        match (wanted.last_mut(), number) {
            (Some((last, width)), Some(number)) if *last == base && *width + 1 == number => *width += 1,
            (_, Some(1_usize)) => wanted.push((base, 1)),
            _ => return Err(missing_column(files, &column.name)),
        }
    }
    let own: Vec<usize> = (0..files.columns.len()).filter(|&at| files.columns[at].kind == Kind::Embedding).collect();
    for &(base, width) in &wanted {
        let named = own.iter().copied().find(|&at| files.columns[at].name == base);
        let only = match own[..] {
            [only] if wanted.len() == 1 => Some(only),
            _ => None,
        };
        let Some(column) = named.or(only) else {
            let name = if base.is_empty() { "of an embedding" } else { base };
            return Err(missing_column(files, name));
        };
        recipe.embeddings.push(Embedding { column, width: Some(width) });
    }
    Ok(recipe)
}

fn missing_column(files: &Files, name: &str) -> Error {
    Error::data(files.first(), format!("column {name} is missing"), files.guess(name))
}

/// Passes the rows of the test files on, or of the only files there are.
fn stream(path: &Path, schema: &Schema, options: &Options, sink: Sink) -> Result<()> {
    let [train, _, test] = splits(path)?;
    let files = Files::open(if test.is_empty() { &train } else { &test })?;
    let columns = run_columns(path, &schema.features)?;
    let mut recipe = known_recipe(&files, columns)?;
    let label = options.label.as_ref().and_then(|label| layout(&files).find(label));
    recipe.id = ids_of(&files, options, |at| Some(at) == label || is_of_run(columns, &files, at));
    let width = recipe.width().unwrap_or(0);
    files.each_batch(&recipe.wanted(), &mut |batch| {
        let (mut ids, mut status) = (Vec::with_capacity(batch.rows), Vec::with_capacity(batch.rows));
        let mut numbers = Vec::with_capacity(batch.rows * width);
        for row in 0..batch.rows {
            let number = (batch.before + row + 1).to_string();
            let id = recipe.id_place().and_then(|id| batch.columns[id].text(row)).map(str::to_owned);
            ids.push(id.unwrap_or(number));
            let fault = recipe.fault(&files, &batch, row).or_else(|| recipe.misfit(&files, &batch, row));
            if let Some(reason) = fault {
                recipe.flats.iter_mut().for_each(|(_, filler)| filler.gap());
                numbers.resize(numbers.len() + width, 0.0);
                status.push(Status::Unreadable(format!("row {}: {reason}", batch.before + row + 1)));
                continue;
            }
            for values in &batch.columns[..recipe.embeddings.len()] {
                numbers.extend_from_slice(values.list(row).unwrap_or_default());
            }
            let mut odd = Vec::new();
            let first = recipe.first_flat();
            for (at, (column, filler)) in recipe.flats.iter_mut().enumerate() {
                let text = batch.columns[first + at].text(row).unwrap_or_default();
                if !filler.push(text) {
                    odd.push(filler.doubt(text, &files.columns[*column].name));
                }
            }
            status.push(if odd.is_empty() { Status::Ok } else { Status::Unseen(odd.join("; ")) });
        }
        let cells = recipe.flats.iter_mut().map(|(_, filler)| filler.take()).collect();
        sink(Chunk { ids, status, inputs: inputs(numbers, cells, batch.rows, width) })
    })
}

impl Recipe {
    /// What is wrong with the length of a row's lists.
    fn misfit(&self, files: &Files, batch: &Batch, row: usize) -> Option<String> {
        self.embeddings.iter().zip(batch.columns).find_map(|(embedding, values)| {
            let (found, wanted) = (values.list(row)?.len(), embedding.width?);
            let name = &files.columns[embedding.column].name;
            (found != wanted).then(|| format!("column {name}: {found} numbers where {wanted} are needed"))
        })
    }
}
