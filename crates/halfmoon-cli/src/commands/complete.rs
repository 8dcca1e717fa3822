//! `halfmoon complete`: what of an input is missing, filled in several times over.

use std::io::Write;
use std::path::PathBuf;

use halfmoon::model::Makes;
use halfmoon::run::{self, Asked};
use halfmoon_draw::{Layout, grid, write_png};
use halfmoon_pool::dataset::{Column, ColumnKind, Features, ImageShape};
use halfmoon_pool::encode::{Cell, Place};
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::read;
use halfmoon_pool::scores::Completer;
use halfmoon_pool::{Dataset, Error};
use ndarray::{Array2, Array3, Axis, concatenate};
use serde_json::json;

use super::making::{Items, able, likeliest};
use crate::Failure;
use crate::args::Complete;
use crate::table::{Table, number};

/// Draws that a picture is shown with.
const SHOWN: usize = 6;

pub(crate) fn run(args: &Complete) -> Result<(), Failure> {
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    if !asked.finished {
        eprintln!("note: this run was stopped before its last step");
    }
    let Some(completer) = asked.predictor.completer() else {
        let problem = format!("`{}` answers and fills nothing in", asked.entry.name);
        return Err(
            Error::usage(problem, format!("train one that does: {}", able(|makes| makes != Makes::Nothing))).into()
        );
    };
    let items = Items::read(&asked, &args.input, &args.ids, args.number.get(), &args.reading)?;
    match &asked.data.schema.features {
        Features::Image(shape) => pictures(args, &asked, &*completer, &items, *shape),
        Features::Columns(columns) => table(args, &asked, &*completer, &items, columns),
    }
}

/// Every draw: `[draw, item, feature]`.
fn draws(args: &Complete, completer: &dyn Completer, rows: &Array2<f32>, known: &Array2<bool>) -> Array3<f32> {
    let one = |draw: usize| {
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(draw as u64);
        completer.complete(rows.view(), known.view(), args.steps, seed)
    };
    let all: Vec<Array2<f32>> = (0..args.draws.get()).map(one).collect();
    let views: Vec<_> = all.iter().map(|draw| draw.view().insert_axis(Axis(0))).collect();
    concatenate(Axis(0), &views).expect("draws of one shape")
}

/// Mean and standard deviation over the draws.
fn mean_and_spread(draws: &Array3<f32>) -> (Array2<f32>, Array2<f32>) {
    (draws.mean_axis(Axis(0)).expect("at least one draw"), draws.std_axis(Axis(0), 0.0))
}

fn pictures(
    args: &Complete,
    asked: &Asked,
    completer: &dyn Completer,
    items: &Items,
    shape: ImageShape,
) -> Result<(), Failure> {
    let what = args.missing.as_deref().ok_or_else(|| {
        let hint = "such as --missing lower, or 10:20,0:28 for rows 10 to 19 of all columns";
        Error::usage("a picture has no empty cells: say with --missing what is to be filled in", hint)
    })?;
    let hidden = hidden(what, shape)?;
    let known = Array2::from_shape_fn(items.inputs.dim(), |(_, pixel)| !hidden[pixel]);
    let draws = draws(args, completer, &items.inputs, &known);
    let encoding = &asked.data.encoding;
    let shares = |rows: Array2<f32>| encoding.pixels(rows).expect("pictures");
    let draws = Array3::from_shape_fn(draws.dim(), {
        let each: Vec<Array2<f32>> = draws.outer_iter().map(|draw| shares(draw.to_owned())).collect();
        move |(draw, item, pixel)| each[draw][[item, pixel]]
    });
    let (mean, spread) = mean_and_spread(&draws);
    let true_shares = shares(items.inputs.clone());
    let fill = class_means(asked, args, &shares)?;
    let classes = likeliest(asked, &items.inputs);
    let error = |item: usize, guess: &dyn Fn(usize) -> f32| -> f64 {
        let hidden = (0..hidden.len()).filter(|&pixel| hidden[pixel]);
        let squares: Vec<f64> =
            hidden.map(|pixel| f64::from(guess(pixel) - true_shares[[item, pixel]]).powi(2)).collect();
        squares.iter().sum::<f64>() / squares.len().max(1) as f64
    };
    let each: Vec<[f64; 2]> = (0..items.ids.len())
        .map(|item| {
            let of_fill = |pixel: usize| fill.as_ref().map_or(0.0, |fill| fill[[classes[item].index(), pixel]]);
            [error(item, &|pixel| mean[[item, pixel]]), error(item, &of_fill)]
        })
        .collect();

    let output = args.output.clone().unwrap_or_else(|| args.run.join("complete.png"));
    let shown = args.draws.get().min(SHOWN);
    let mut pictures = Vec::new();
    for item in 0..items.ids.len() {
        let grey =
            Array2::from_shape_fn(
                (1, hidden.len()),
                |(_, pixel)| {
                    if hidden[pixel] { 0.5 } else { true_shares[[item, pixel]] }
                },
            );
        let own = |rows: &Array2<f32>| rows.row(item).to_owned().insert_axis(Axis(0));
        pictures.extend([own(&true_shares), grey, own(&mean)]);
        pictures.extend((0..shown).map(|draw| own(&draws.index_axis(Axis(0), draw).to_owned())));
    }
    let views: Vec<_> = pictures.iter().map(|picture| picture.view()).collect();
    let names = ["item", "known", "mean of draws"].into_iter().map(String::from);
    let layout = Layout {
        columns: 3 + shown,
        column_names: names.chain((1..=shown).map(|draw| format!("draw {draw}"))).collect(),
        wide_after_columns: vec![2, 3],
        ..Layout::default()
    };
    let picture = grid(concatenate(Axis(0), &views).expect("pictures of one size").view(), shape, &layout)?;
    write_png(&picture, &output)?;
    let of = |which: usize| each.iter().map(|pair| pair[which]).sum::<f64>() / each.len() as f64;
    let told: Vec<_> = items
        .ids
        .iter()
        .zip(&each)
        .enumerate()
        .map(|(item, (id, [error, of_fill]))| {
            json!({
                "id": id,
                "label": asked.data.schema.classes[classes[item].index()],
                "mean_squared_error": error,
                "spread": spread.row(item).mean(),
                "mean_squared_error_of_class_mean": fill.as_ref().map(|_| of_fill),
            })
        })
        .collect();
    let told = json!({
        "run": args.run.to_string_lossy(), "model": asked.entry.name, "missing": what, "draws": args.draws, "steps": args.steps,
        "mean_squared_error": of(0), "mean_squared_error_of_class_mean": fill.as_ref().map(|_| of(1)), "items": told,
    });
    let beside = output.with_extension("json");
    run::write_aside(&beside, &serde_json::to_vec_pretty(&told).expect("plain data"))?;
    let mut table = Table::new(["filled in by", "mean squared error of what was hidden"]);
    table.row([format!("{}, mean of {} draws", asked.entry.name, args.draws), number(Some(of(0)))]);
    if fill.is_some() {
        table.row(["the mean picture of the likeliest class".to_owned(), number(Some(of(1)))]);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{table}\n{}\n{}", output.display(), beside.display())?;
    Ok(())
}

/// Which pixels are hidden.
fn hidden(what: &str, shape: ImageShape) -> Result<Vec<bool>, Error> {
    let ImageShape { height, width, channels, .. } = shape;
    let (rows, columns) = match what {
        "lower" => (height / 2..height, 0..width),
        "upper" => (0..height / 2, 0..width),
        "left" => (0..height, 0..width / 2),
        "right" => (0..height, width / 2..width),
        box_of => {
            let range = |text: &str, most: usize| {
                let (from, to) = text.split_once(':')?;
                let (from, to) = (from.trim().parse::<usize>().ok()?, to.trim().parse::<usize>().ok()?);
                (from < to && to <= most).then_some(from..to)
            };
            let both = box_of.split_once(',').and_then(|(y, x)| Some((range(y, height)?, range(x, width)?)));
            both.ok_or_else(|| {
                Error::usage(
                    format!("`--missing {box_of}` is no part of a picture of {height} × {width}"),
                    "write lower, upper, left, right, or rows and columns from 0 such as 10:20,0:28",
                )
            })?
        }
    };
    let is_hidden = |pixel: usize| {
        let place = pixel / channels;
        rows.contains(&(place / width)) && columns.contains(&(place % width))
    };
    Ok((0..shape.len()).map(is_hidden).collect())
}

/// The mean picture of each class in the run's data, labels that it was not given included, as shares of white. `None` where its data are gone, or a class has no item.
fn class_means(
    asked: &Asked,
    args: &Complete,
    shares: &dyn Fn(Array2<f32>) -> Array2<f32>,
) -> Result<Option<Array2<f32>>, Error> {
    let own = PathBuf::from(&asked.config.data.path);
    let mut options = super::options(asked, &args.reading)?;
    options.labels_from = asked.config.data.labels_from.as_ref().map(PathBuf::from);
    let Ok(source) = read::read(&own, &options) else {
        eprintln!("note: the run's data cannot be read again, so there is no class mean to compare with");
        return Ok(None);
    };
    let train: Dataset = source.train;
    let mean = |class: usize| {
        let rows: Vec<usize> =
            (0..train.len()).filter(|&row| train.labels[row].is_some_and(|label| label.index() == class)).collect();
        shares(asked.data.encoding.encode(&train.inputs, &rows)).mean_axis(Axis(0))
    };
    let means: Option<Vec<_>> = (0..asked.data.schema.classes.len()).map(mean).collect();
    Ok(means.map(|means| {
        let views: Vec<_> = means.iter().map(|mean| mean.view().insert_axis(Axis(0))).collect();
        concatenate(Axis(0), &views).expect("pictures of one size")
    }))
}

fn table(
    args: &Complete,
    asked: &Asked,
    completer: &dyn Completer,
    items: &Items,
    columns: &[Column],
) -> Result<(), Failure> {
    let named = named(args, columns)?;
    let is_missing = |item: usize, column: usize| named.contains(&column) || items.cells[item][column].is_none();
    let places = asked.data.encoding.places();
    let mut known = Array2::from_elem(items.inputs.dim(), true);
    let mut rows = items.inputs.clone();
    let mut filled = 0;
    for item in 0..items.ids.len() {
        for (column, Place { numbers, gap }) in places.iter().enumerate() {
            if !is_missing(item, column) || numbers.is_empty() {
                continue;
            }
            filled += 1;
            for at in numbers.clone() {
                known[[item, at]] = false;
            }
            // Once filled in there is no gap.
            if let Some(gap) = gap {
                rows[[item, *gap]] = 0.0;
            }
        }
    }
    let draws = draws(args, completer, &rows, &known);
    let output = args.output.clone().unwrap_or_else(|| args.run.join("complete.csv"));
    super::refuse_to_overwrite(&output, &[("the input", &args.input)])?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["id".to_owned()]
        .into_iter()
        .chain(columns.iter().flat_map(|column| [column.name.clone(), format!("{} spread", column.name)]));
    let broken = |error: csv::Error| Failure::Message(error.to_string());
    writer.write_record(header).map_err(broken)?;
    for (item, id) in items.ids.iter().enumerate() {
        let mut record = vec![id.clone()];
        for (at, column) in columns.iter().enumerate() {
            let drawn = || draws.outer_iter().filter_map(|draw| asked.data.encoding.cell(draw.row(item), at)).collect();
            // What is known stays digit by digit.
            let known = items.cells[item][at].filter(|_| !named.contains(&at));
            let said: Vec<Cell> = known.map_or_else(drawn, |cell| vec![cell]);
            record.extend(summary(&said, &column.kind, known.is_none()));
        }
        writer.write_record(record).map_err(broken)?;
    }
    let bytes = writer.into_inner().map_err(|error| Failure::Message(error.to_string()))?;
    run::write_aside(&output, &bytes)?;
    eprintln!("{filled} cells of {} items filled in, from {} draws each", items.ids.len(), args.draws);
    writeln!(std::io::stdout().lock(), "{}", output.display())?;
    Ok(())
}

/// Columns that were named as missing.
fn named(args: &Complete, columns: &[Column]) -> Result<Vec<usize>, Error> {
    let names = args.missing.as_deref().map_or_else(Vec::new, |names| names.split(',').map(str::trim).collect());
    let place = |name: &str| {
        let found = columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| {
            let known = columns.iter().map(|column| column.name.as_str());
            Error::usage(format!("`{name}` is not a column of this run's data"), did_you_mean(name, known))
        })
    };
    names.into_iter().map(place).collect()
}

/// A cell and, where it was filled in, how far the draws agree: the standard deviation of numbers, the share of draws that say the same of others.
fn summary(said: &[Cell], kind: &ColumnKind, was_missing: bool) -> [String; 2] {
    let spread = |text: String| if was_missing { text } else { String::new() };
    match (said.first(), kind) {
        (None, _) => [String::new(), String::new()],
        (Some(Cell::Number(_)), _) => {
            let numbers: Vec<f64> = said
                .iter()
                .filter_map(|cell| if let Cell::Number(x) = cell { Some(f64::from(*x)) } else { None })
                .collect();
            let n = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / n;
            let sd = (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            [format!("{}", rounded(mean)), spread(format!("{}", rounded(sd)))]
        }
        (Some(_), kind) => {
            let text = |cell: &Cell| match (cell, kind) {
                (Cell::YesNo(is_yes), ColumnKind::YesNo { no, yes }) => {
                    if *is_yes {
                        yes.clone()
                    } else {
                        no.clone()
                    }
                }
                (Cell::Category(value), ColumnKind::Category { values }) => values[*value as usize].clone(),
                _ => String::new(),
            };
            let texts: Vec<String> = said.iter().map(text).collect();
            let count = |of: &String| texts.iter().filter(|text| *text == of).count();
            let most = texts.iter().max_by_key(|text| count(text)).cloned().unwrap_or_default();
            let share = count(&most) as f64 / texts.len() as f64;
            [most, spread(format!("{share:.2}"))]
        }
    }
}

/// As many digits as an `f32` has.
#[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
fn rounded(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_picture_is_a_half_or_a_box() {
        let shape = ImageShape { height: 2, width: 3, channels: 2, white: 255.0 };
        let of = |what| hidden(what, shape).expect("a part").into_iter().step_by(2).map(u8::from).collect::<Vec<u8>>();
        assert_eq!(of("lower"), [0, 0, 0, 1, 1, 1]);
        assert_eq!(of("left"), [1, 0, 0, 1, 0, 0]);
        assert_eq!(of("0:1,1:3"), [0, 1, 1, 0, 0, 0]);
        for wrong in ["middle", "1:1,0:3", "0:3,0:3", "0:1", "a:b,0:1"] {
            assert!(hidden(wrong, shape).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_filled_cell_says_how_far_draws_agree() {
        let numbers = [Cell::Number(1.0), Cell::Number(3.0)];
        assert_eq!(summary(&numbers, &ColumnKind::Numeric, true), ["2", "1"]);
        assert_eq!(summary(&numbers[..1], &ColumnKind::Numeric, false), ["1", ""]);
        let kind = ColumnKind::Category { values: vec!["red".into(), "blue".into()] };
        let said = [Cell::Category(1), Cell::Category(0), Cell::Category(1), Cell::Category(1)];
        assert_eq!(summary(&said, &kind, true), ["blue", "0.75"]);
    }
}
