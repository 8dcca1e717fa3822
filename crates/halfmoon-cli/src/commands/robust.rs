//! `halfmoon robust`: accuracy under attack, with controls that tell whether the attacks can be believed.

use std::io::Write;

use halfmoon::attack::Norm;
use halfmoon::fit::Logits;
use halfmoon::models::BASELINE;
use halfmoon::predict::on_device;
use halfmoon::robust::{AtRadius, Robustness, Trial, measure, numbers_only};
use halfmoon::run::{self, Asked, Folder};
use halfmoon_pool::encode::Layout;
use halfmoon_pool::{Error, read};
use ndarray::Array2;
use serde_json::json;

use crate::Failure;
use crate::args::{NormOf, Robust};
use crate::table::Table;

/// Other classes that the targeted attack goes for; the paper has nine.
const TARGETS: usize = 3;

pub(crate) fn run(args: &Robust) -> Result<(), Failure> {
    let device = run::device("cpu")?.autodiff();
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    let name = asked.entry.name;
    let layout = asked.data.encoding.layout();
    if layout.numeric == 0 && layout.image.is_none() {
        let problem = "this run's data has neither pictures nor columns of numbers, of which there are small changes";
        return Err(Error::usage(problem, "").into());
    }
    let Some(logits) = run::open_logits(&args.run, args.model.as_deref(), &device)? else {
        let hint = "ask another model of the run with --model";
        return Err(Error::usage(format!("`{name}` is no network that gradients go through"), hint).into());
    };
    let (rows, classes) = items(args, &asked)?;
    let (x, y) = (on_device(&rows.view(), &device), classes.into());
    let transfer = transfer(args, &asked, &layout)?;
    let norms = match args.norm {
        Some(NormOf::Linf) => vec![Norm::LInf],
        Some(NormOf::L2) => vec![Norm::L2],
        None => vec![Norm::LInf, Norm::L2],
    };
    let (logits, other) = (numbers_only(logits, &x, &layout), transfer.map(|other| numbers_only(other, &x, &layout)));
    let mut found = Vec::new();
    for norm in norms {
        let mut radii = args.radii.clone().unwrap_or_else(|| match norm {
            Norm::LInf => vec![0.02, 0.05, 0.1, 0.2, 0.3],
            Norm::L2 => vec![0.25, 0.5, 1.0, 2.0, 3.0],
        });
        radii.sort_by(f64::total_cmp);
        radii.dedup();
        let trial = Trial {
            norm,
            radii,
            steps: args.steps.get(),
            starts: args.starts.get(),
            targets: TARGETS,
            // Standardised pixels have a range too, but not this one; columns of numbers have none.
            range: (layout.numeric == 0).then_some((0.0, 1.0)),
            seed: args.seed,
        };
        let say = &mut |at: &AtRadius| {
            eprintln!("{} {:?}: {:.3} right under the worst attack", norm.name(), at.radius, at.worst);
        };
        found.push(measure(&logits, other.as_ref(), &x, &y, &trial, say));
    }
    let path = run::robust(&Folder(args.run.clone()).model(asked.entry));
    run::write_aside(&path, &serde_json::to_vec_pretty(&found).expect("plain data"))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let result = json!({ "run": args.run.to_string_lossy(), "model": name, "robustness": found });
        writeln!(out, "{result}")?;
        return Ok(());
    }
    for of in &found {
        print(&mut out, name, of)?;
    }
    writeln!(out, "kept for the report: {}", path.display())?;
    Ok(())
}

/// Labelled items, evenly taken, encoded, and their classes.
fn items(args: &Robust, asked: &Asked) -> Result<(Array2<f32>, Vec<u32>), Error> {
    let source = read::read(&args.data, &super::options(asked, &args.reading)?)?;
    let items = source.test.unwrap_or(source.train);
    let labelled = items.labelled();
    if labelled.is_empty() {
        return Err(Error::data(args.data.as_path(), "holds no labelled item", "a mistake is known by its label"));
    }
    let n = args.number.get().min(labelled.len());
    let rows: Vec<usize> = (0..n).map(|at| labelled[at * labelled.len() / n]).collect();
    let class = |&row: &usize| items.labels[row].map_or(0, |class| u32::from(class.0));
    Ok((asked.data.encoding.encode(&items.inputs, &rows), rows.iter().map(class).collect()))
}

/// Another classifier for the transferred changes: of another run, or this run's baseline where it is not the one that is asked.
fn transfer(args: &Robust, asked: &Asked, layout: &Layout) -> Result<Option<Logits>, Error> {
    let device = run::device("cpu")?.autodiff();
    let Some(folder) = &args.transfer_from else {
        let has_baseline = asked.config.run.models.iter().any(|model| model == BASELINE.name);
        if !has_baseline || asked.entry.name == BASELINE.name {
            eprintln!("note: without another classifier, --transfer-from RUN, one of the controls is left out");
            return Ok(None);
        }
        return run::open_logits(&args.run, Some(BASELINE.name), &device);
    };
    let other = Folder(folder.clone()).read_data()?;
    if other.encoding.layout() != *layout || other.schema.classes != asked.data.schema.classes {
        let hint = "train it on the same data";
        return Err(Error::data(folder.as_path(), "was trained on inputs or classes of another kind", hint));
    }
    run::open_logits(folder, None, &device)
}

fn print(out: &mut impl Write, model: &str, of: &Robustness) -> Result<(), Failure> {
    writeln!(out, "{model}, {}: share of right answers of {} items; {:.3} unchanged\n", of.norm, of.items, of.clean)?;
    let mut table =
        Table::new(["radius", "fgsm", "pgd", "apgd", "apgd targeted", "worst of all", "| noise", "transferred"]);
    for at in &of.at {
        let share = |value: f64| format!("{value:.3}");
        table.row([
            format!("{:?}", at.radius),
            share(at.fgsm),
            share(at.pgd),
            share(at.apgd),
            share(at.apgd_targeted),
            share(at.worst),
            format!("| {}", share(at.noise)),
            at.transferred.map_or_else(|| "–".into(), share),
        ]);
    }
    writeln!(out, "{table}")?;
    for doubt in &of.doubts {
        writeln!(out, "warning: {doubt}")?;
    }
    Ok(())
}
