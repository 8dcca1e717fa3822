//! `halfmoon codes`: what a model makes its answers from, as arrays.

use std::io::Write;

use halfmoon::run::{self, Asked};
use halfmoon_pool::read;
use halfmoon_pool::{Dataset, Error};

use crate::Failure;
use crate::args::Codes;
use crate::npy::npy;
use crate::progress::Terminal;

/// Items that are asked about at once.
const CHUNK: usize = 10_000;

pub(crate) fn run(args: &Codes) -> Result<(), Failure> {
    use halfmoon::experiment::Progress;

    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    let source = read::read(&args.data, &super::options(&asked, &args.reading)?)?;
    let mut progress = Terminal::new();
    for problem in &source.problems {
        progress.note(&format!("left out: {}: {}", problem.place, problem.reason));
    }
    let mut out = std::io::stdout().lock();
    let splits = [("train", Some(source.train)), ("val", source.validation), ("test", source.test)];
    for (split, items) in splits {
        let Some(items) = items else { continue };
        let (codes, width) = codes(&asked, &items)?;
        // A model without codes leaves no trace.
        run::make_folder(&args.output)?;
        let path = args.output.join(format!("x_{split}.npy"));
        run::write_aside(&path, &npy("<f4", &[items.len(), width], &codes))?;
        writeln!(out, "{}", path.display())?;
        if !items.labelled().is_empty() {
            let path = args.output.join(format!("y_{split}.npy"));
            let (descr, labels) = labels(&items);
            run::write_aside(&path, &npy(&descr, &[items.len()], &labels))?;
            writeln!(out, "{}", path.display())?;
        }
    }
    Ok(())
}

/// The codes' bytes, row by row, and how many numbers a code has.
fn codes(asked: &Asked, items: &Dataset) -> Result<(Vec<u8>, usize), Error> {
    let (mut bytes, mut width) = (Vec::new(), 0);
    let rows: Vec<usize> = (0..items.len()).collect();
    for rows in rows.chunks(CHUNK) {
        let inputs = asked.data.encoding.encode(&items.inputs, rows);
        let codes = asked.predictor.codes(inputs.view()).ok_or_else(|| {
            Error::usage(format!("`{}` has no codes", asked.entry.name), "name another model of the run with --model")
        })?;
        width = codes.ncols();
        bytes.extend(codes.iter().flat_map(|number| number.to_le_bytes()));
    }
    Ok((bytes, width))
}

/// The labels' type, NumPy's texts of a fixed length, and their bytes; no label is the empty text.
fn labels(items: &Dataset) -> (String, Vec<u8>) {
    let classes = &items.schema.classes;
    let longest = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(1);
    let text = |label: &Option<halfmoon_pool::Class>| {
        let name = label.map_or("", |class| &classes[class.index()]);
        let letters = name.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest);
        letters.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
    };
    (format!("<U{longest}"), items.labels.iter().flat_map(text).collect())
}
