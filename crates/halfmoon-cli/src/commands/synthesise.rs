//! `halfmoon synthesise`: inputs that the model makes up and cannot tell the class of; or the real items that are nearest to them.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use halfmoon::model::Makes;
use halfmoon::run;
use halfmoon::set_aside::learned_from;
use halfmoon::synthesis::{Search, Synthesised, nearest_each, synthesise};
use halfmoon_draw::{Layout, picture as one, write_png};
use halfmoon_pool::dataset::{Column, ColumnKind, Features, ImageShape};
use halfmoon_pool::encode::Cell;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::metric::{entropy, predicted, two_highest};
use halfmoon_pool::scores::probs;
use halfmoon_pool::{Class, Error};
use halfmoon_query::{Need, Questions};
use ndarray::Array2;
use serde_json::{Value, json};

use super::making::{Maker, able, code};
use super::query::{self, Candidates, Chosen};
use crate::Failure;
use crate::args::{Making, QueryFormat, Synthesise};

/// Items that the run learned from that examples are held against, at most, evenly taken.
const TRAINING: usize = 5000;

/// Candidates for each example, at most, unless told otherwise.
const CANDIDATES: usize = 50;

pub(crate) fn run(args: &Synthesise) -> Result<(), Failure> {
    let making = Making { run: args.run.clone(), model: args.model.clone(), output: args.output.clone() };
    let mut maker = Maker::open_any(&making, "synthetic")?;
    let written = Written::of(args, &maker)?;
    if let (Written::Table(_), None) = (&written, &args.output) {
        maker.output.set_extension("csv");
    }
    let training = training(args, &maker)?;
    let number = args.number.get();
    let search = Search {
        number,
        steps: args.steps,
        doubt: args.doubt,
        margin: args.margin,
        plausible: args.plausible,
        apart: args.apart,
        most: args.candidates.map_or(number.saturating_mul(CANDIDATES), std::num::NonZeroUsize::get),
        seed: args.seed,
    };
    let encoding = &maker.asked.data.encoding;
    let made = synthesise(&*maker.asked.predictor, training.view(), |rows| encoding.settled(rows), &search)?;
    let made = made.ok_or_else(|| {
        let problem = format!("`{}` answers and makes no inputs", maker.asked.entry.name);
        Error::usage(problem, format!("train one that does: {}", able(|makes| makes != Makes::Nothing)))
    })?;
    tell(&made, args);
    if made.inputs.nrows() == 0 {
        let problem = "its model made nothing that is both plausible and in doubt";
        let hint = "allow more with --candidates, or be less strict with --margin or --plausible";
        return Err(Error::data(args.run.as_path(), problem, hint).into());
    }
    let examples = Example::all(&maker, &made);
    if let Some(pool) = &args.nearest {
        return nearest(args, &maker, &made, &examples, pool);
    }
    match written {
        Written::Picture => picture(&maker, &made, &examples, &search),
        Written::Folder(shape) => folder(&maker, &made, &examples, shape),
        Written::Table(columns) => table(&maker, &made, &examples, &columns),
    }
}

/// What comes out.
enum Written {
    Picture,
    Folder(ImageShape),
    Table(Vec<Column>),
}

impl Written {
    /// By what the run is of, and by the ending of the output's name.
    fn of(args: &Synthesise, maker: &Maker) -> Result<Written, Error> {
        // With --nearest the output is a list, whatever it is called.
        let output = args.output.as_deref().filter(|_| args.nearest.is_none());
        let ending = output.and_then(Path::extension).and_then(|ending| ending.to_str());
        match &maker.asked.data.schema.features {
            Features::Columns(columns) => match (output, ending) {
                (None, _) | (_, Some("csv")) => Ok(Written::Table(columns.clone())),
                _ => Err(Error::usage("rows of a table are written as CSV", "name the output something.csv")),
            },
            Features::Image(shape) => match (output, ending) {
                (None, _) | (_, Some("png")) => Ok(Written::Picture),
                (Some(folder), None) => {
                    let is_new = !folder.exists() || folder.read_dir().is_ok_and(|mut inside| inside.next().is_none());
                    if is_new {
                        return Ok(Written::Folder(*shape));
                    }
                    Err(Error::data(folder, "is there, and not an empty folder", "name a new folder for the pictures"))
                }
                (Some(_), Some(_)) => Err(Error::usage(
                    "pictures are written as one PNG or into a folder",
                    "name the output something.png, or without an ending",
                )),
            },
        }
    }
}

/// Encoded items that the run learned from.
fn training(args: &Synthesise, maker: &Maker) -> Result<Array2<f32>, Error> {
    let train = learned_from(&args.run).map_err(|error| {
        let problem = format!("what it learned from says what is plausible, and cannot be read again: {error}");
        Error::data(args.run.as_path(), problem, "bring the data back to where they were, or train anew")
    })?;
    let step = train.len().div_ceil(TRAINING).max(1);
    let rows: Vec<usize> = (0..train.len()).step_by(step).collect();
    Ok(maker.asked.data.encoding.encode(&train.inputs, &rows))
}

/// How many candidates came to what.
fn tell(made: &Synthesised, args: &Synthesise) {
    let refused = [
        (made.implausible, "less plausible than real items"),
        (made.decided, "not in doubt"),
        (made.near, "as good as copies"),
    ];
    let kept = made.inputs.nrows();
    let mut said = format!("{} examples from {} candidates", grouped(kept), grouped(made.made));
    for (at, (count, what)) in refused.into_iter().filter(|(count, _)| *count > 0).enumerate() {
        let before = if at == 0 { "; refused: " } else { ", " };
        let _ = write!(said, "{before}{} {what}", grouped(count));
    }
    eprintln!("{said}");
    if kept > 0 && kept < args.number.get() {
        eprintln!("note: fewer than the {} that were asked for: --candidates allows more", grouped(args.number.get()));
    }
}

/// What is told of an example.
struct Example {
    id: String,
    likeliest: [(Class, f64); 2],
    entropy: f64,
    plausibility: f64,
    log_density: Option<f32>,
}

impl Example {
    fn all(maker: &Maker, made: &Synthesised) -> Vec<Example> {
        let probs = probs(&made.scores.log_probs);
        let places = made.inputs.nrows().to_string().len().max(3);
        let classes = maker.classes();
        let one = |(row, probs): (usize, ndarray::ArrayView1<f32>)| {
            let of_each = || probs.iter().map(|&p| f64::from(p));
            Example {
                id: format!("synthetic-{:0places$}", row + 1),
                likeliest: two_highest(of_each()).map(|(class, p)| (classes[class], p)),
                entropy: entropy(of_each()),
                plausibility: made.plausibility[row],
                log_density: made.scores.log_density.as_ref().map(|density| density[row]),
            }
        };
        probs.rows().into_iter().enumerate().map(one).collect()
    }

    fn margin(&self) -> f64 {
        self.likeliest[0].1 - self.likeliest[1].1
    }

    /// `3|8 0.51/0.44`.
    fn caption(&self, maker: &Maker) -> String {
        let [(a, p), (b, q)] = self.likeliest;
        format!("{}|{} {p:.2}/{q:.2}", maker.caption(a), maker.caption(b))
    }

    fn told(&self, maker: &Maker) -> serde_json::Map<String, Value> {
        let [(a, p), (b, q)] = self.likeliest;
        let told = json!({
            "id": self.id, "generated": true, "likeliest": maker.name(a), "probability": p, "next": maker.name(b), "next_probability": q,
            "margin": self.margin(), "entropy": self.entropy, "plausibility": self.plausibility, "log_density": self.log_density,
        });
        let Value::Object(told) = told else { unreachable!("made as an object") };
        told
    }

    /// Under [`COLUMNS`].
    fn cells(&self, maker: &Maker) -> Vec<String> {
        let [(a, p), (b, q)] = self.likeliest;
        let log_density = self.log_density.map_or_else(String::new, |density| density.to_string());
        let numbers = [self.margin(), self.entropy, self.plausibility].map(|number| format!("{number:.6}"));
        let mut cells: Vec<String> = vec![self.id.clone(), "yes".into(), maker.name(a).to_owned(), format!("{p:.6}")];
        cells.extend([maker.name(b).to_owned(), format!("{q:.6}")]);
        cells.extend(numbers);
        cells.push(log_density);
        cells
    }
}

/// Of every table of examples, before the data's own.
const COLUMNS: [&str; 10] = [
    "id",
    "generated",
    "likeliest",
    "probability",
    "next",
    "next_probability",
    "margin",
    "entropy",
    "plausibility",
    "log_density",
];

fn picture(maker: &Maker, made: &Synthesised, examples: &[Example], search: &Search) -> Result<(), Failure> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a root of a small number")]
    let square = (examples.len() as f64).sqrt().ceil() as usize;
    let layout = Layout {
        columns: square.min(40),
        title: format!("made up by {}", maker.asked.entry.name),
        captions: examples.iter().map(|example| example.caption(maker)).collect(),
        ..Layout::default()
    };
    let told = examples.iter().enumerate().map(|(row, example)| {
        let mut told = example.told(maker);
        told.extend(made.codes.as_ref().map(|codes| ("code".to_owned(), code(codes, row))));
        told
    });
    let told = json!({
        "seed": search.seed, "columns": layout.columns, "candidates": made.made, "implausible": made.implausible, "decided": made.decided,
        "near_copies": made.near, "examples": told.collect::<Vec<_>>(),
    });
    maker.write_grid(made.inputs.clone(), &layout, told)
}

fn folder(maker: &Maker, made: &Synthesised, examples: &[Example], shape: ImageShape) -> Result<(), Failure> {
    run::make_folder(&maker.output)?;
    let shares = maker.pixels(made.inputs.clone());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file"].iter().chain(&COLUMNS)).map_err(broken)?;
    for (example, shares) in examples.iter().zip(shares.rows()) {
        let file = format!("{}.png", example.id);
        write_png(&one(shares, shape)?, &maker.output.join(&file))?;
        writer.write_record([file].into_iter().chain(example.cells(maker))).map_err(broken)?;
    }
    let table = maker.output.join("synthetic.csv");
    run::write_aside(&table, &finished(writer)?)?;
    writeln!(std::io::stdout().lock(), "{}\n{}", maker.output.display(), table.display())?;
    Ok(())
}

fn table(maker: &Maker, made: &Synthesised, examples: &[Example], columns: &[Column]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = columns.iter().map(|column| column.name.as_str());
    writer.write_record(COLUMNS.into_iter().chain(names)).map_err(broken)?;
    for (example, row) in examples.iter().zip(made.inputs.rows()) {
        let cells = columns.iter().enumerate().map(|(at, column)| {
            let cell = maker.asked.data.encoding.cell(row, at);
            cell.map_or_else(String::new, |cell| text(cell, &column.kind))
        });
        writer.write_record(example.cells(maker).into_iter().chain(cells)).map_err(broken)?;
    }
    run::write_aside(&maker.output, &finished(writer)?)?;
    writeln!(std::io::stdout().lock(), "{}", maker.output.display())?;
    Ok(())
}

/// A cell as it stands in a table.
fn text(cell: Cell, kind: &ColumnKind) -> String {
    match (cell, kind) {
        (Cell::YesNo(true), ColumnKind::YesNo { yes, .. }) => yes.clone(),
        (Cell::YesNo(false), ColumnKind::YesNo { no, .. }) => no.clone(),
        (Cell::Category(value), ColumnKind::Category { values }) => values[value as usize].clone(),
        (Cell::Number(number), _) => number.to_string(),
        _ => String::new(),
    }
}

/// The real item of a pool that is nearest to each example, the most doubtful example's first.
fn nearest(
    args: &Synthesise,
    maker: &Maker,
    made: &Synthesised,
    examples: &[Example],
    pool: &Path,
) -> Result<(), Failure> {
    let asked = &maker.asked;
    let labelled = query::labelled(&args.run, asked);
    let questions = Questions { needs: &[Need::Places], near: false, draws: 0, seed: 0 };
    let source = query::Source::at(pool, &args.reading, asked)?;
    let candidates = Candidates::read(&source, asked, &*asked.predictor, &questions, labelled.as_ref())?;
    candidates.tell();
    let places = made.scores.codes.as_ref().unwrap_or(&made.inputs);
    let said = &candidates.said;
    let others = said.scores.codes.as_ref().or(said.inputs.as_ref()).expect("codes or inputs were asked for");
    let found = nearest_each(places.view(), others.view());
    eprintln!("{} of {} candidates", grouped(found.len()), grouped(candidates.ids.len()));
    let reason = |example: &Example, distance: f64| {
        format!("nearest to an example that was made up: {}, {distance:.3} away", example.caption(maker))
    };
    let reasons: Vec<String> =
        examples.iter().zip(&found).map(|(example, &(_, distance))| reason(example, distance)).collect();
    let probs = probs(&said.scores.log_probs);
    let chosen = found.iter().zip(examples).zip(&reasons).map(|((&(item, _), example), reason)| {
        let class = predicted(probs.row(item));
        Chosen {
            id: &candidates.ids[item],
            label: maker.name(class),
            probability: probs[[item, class.index()]],
            utility: -example.margin(),
            reason,
        }
    });
    let chosen: Vec<Chosen> = chosen.collect();
    let text = match args.written {
        QueryFormat::Csv => query::csv(&chosen, args.explain)?,
        QueryFormat::LabelStudio => {
            let shown = query::shown(&chosen, &source, asked)?;
            query::label_studio(&chosen, "synthesis", asked, &shown)
        }
    };
    query::write(&text, args.output.as_deref(), &source, asked)
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn broken(error: csv::Error) -> Failure {
    Failure::Message(error.to_string())
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    writer.into_inner().map_err(|error| Failure::Message(error.to_string()))
}
