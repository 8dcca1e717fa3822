//! `halfmoon sample`: pictures from codes that are drawn at random, from chains, or by asking a classifier for a class until it is sure.

use std::io::Write;

use halfmoon::attack::distal;
use halfmoon::model::Makes;
use halfmoon::noise::Noise;
use halfmoon::predict::array;
use halfmoon::run;
use halfmoon_classical::{BALL_NEIGHBOURS, Prdc, frechet, inception_like, nearest_ratio, prdc};
use halfmoon_draw::Layout;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read;
use halfmoon_pool::scores::probs;
use halfmoon_pool::{Class, Dataset, Error};
use ndarray::Array2;
use serde_json::{Value, json};

use super::making::{Maker, able, code};
use crate::Failure;
use crate::args::{Reading, Sample};
use crate::table::{Table, number};

/// Classes up to which each has a column of its own.
const COLUMNS: usize = 16;

/// Length of a step of `--distal`, in shares of white: some hundred reach from noise to anywhere.
const STEP: f64 = 0.1;

pub(crate) fn run(args: &Sample) -> Result<(), Failure> {
    let name = if args.distal { "distal" } else { "sample" };
    let maker = Maker::open_any(&args.making, name)?;
    maker.shape()?;
    let class = |name: &str| if args.distal { maker.class_of_run(name) } else { maker.class(name) };
    let only = args.class.as_deref().map(class).transpose()?;
    let knows_classes = args.distal || maker.asked.entry.makes != Makes::Inputs;
    let in_turn = match only {
        Some(class) => vec![class],
        None if knows_classes => maker.classes(),
        None => vec![Class(0)],
    };
    let n = args.number.get();
    let classes: Vec<Class> = in_turn.iter().copied().cycle().take(n).collect();
    let Made { pictures, of_each, how } = match maker.asked.entry.makes {
        _ if args.distal => by_asking(&maker, args, &classes)?,
        Makes::InputsByChains => by_chains(&maker, args, &classes),
        Makes::Inputs | Makes::InputsOfAClass => from_codes(&maker, args, &classes)?,
        Makes::Nothing => {
            return Err(Error::usage(
                format!("`{}` answers and makes nothing, so there is nothing to show", maker.asked.entry.name),
                format!(
                    "see what it takes a class to be with --distal, or train one that makes pictures: {}",
                    able(|makes| makes != Makes::Nothing)
                ),
            )
            .into());
        }
    };

    let has_columns = in_turn.len() > 1 && in_turn.len() <= COLUMNS && n >= in_turn.len();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a root of a small number")]
    let square = (n as f64).sqrt().ceil() as usize;
    let layout = Layout {
        columns: if has_columns { in_turn.len() } else { square.min(40) },
        title: only.map_or_else(String::new, |class| maker.caption(class)),
        column_names: in_turn.iter().filter(|_| has_columns).map(|&class| maker.caption(class)).collect(),
        ..Layout::default()
    };
    let each: Vec<_> = of_each
        .into_iter()
        .zip(&classes)
        .map(|((key, value), &class)| {
            let class = knows_classes.then(|| maker.name(class));
            Value::from(serde_json::Map::from_iter([("class".to_owned(), json!(class)), (key.to_owned(), value)]))
        })
        .collect();
    let judged = likeness(&maker, args, &pictures, knows_classes.then_some(&classes))?;
    let mut told = json!({ "seed": args.seed, "columns": layout.columns, "how": how, "pictures": each });
    if !judged.is_empty() {
        let figures: serde_json::Map<String, Value> =
            judged.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))).collect();
        told.as_object_mut().expect("made as an object").insert("likeness".into(), figures.into());
    }
    if maker.wants_array() {
        maker.write_array(pictures, &classes, told)?;
    } else {
        maker.write_grid(pictures, &layout, told)?;
    }
    if !judged.is_empty() {
        let mut table = Table::new(["figure", "value"]);
        for (name, about, value) in &judged {
            table.row([format!("{name}: {about}"), number(*value)]);
        }
        write!(std::io::stdout().lock(), "\n{table}")?;
    }
    Ok(())
}

/// Real pictures that made ones are held against, at most, of each split: the figures compare all with all.
const REAL: usize = 5000;

/// How like real pictures the made ones are: figures by name, each with what it is.
fn likeness(
    maker: &Maker,
    args: &Sample,
    made: &Array2<f32>,
    classes: Option<&Vec<Class>>,
) -> Result<Vec<(&'static str, &'static str, Option<f64>)>, Error> {
    let mut figures = Vec::new();
    if let Some(judge) = &args.judge {
        let asked = run::open(judge, None, &run::device("cpu")?)?;
        if asked.data.encoding != maker.asked.data.encoding
            || asked.data.schema.classes != maker.asked.data.schema.classes
        {
            let hint = "train it on the same data";
            return Err(Error::data(
                judge.as_path(),
                "sees inputs, or names classes, in another way than this run",
                hint,
            ));
        }
        let probs = probs(&asked.predictor.log_probs(made.view()));
        if let Some(classes) = classes {
            let agreed = probs.rows().into_iter().zip(classes).filter(|(row, class)| predicted(row.view()) == **class);
            let share = agreed.count() as f64 / classes.len() as f64;
            figures.push((
                "agreed",
                "share that the other classifier takes for the class that was asked for",
                Some(share),
            ));
        }
        figures.push((
            "inception",
            "exp E KL(p(y | x) ‖ p(y)) of the other classifier; at most the number of classes",
            inception_like(probs.view()),
        ));
    }
    let Some(data) = &args.compare else { return Ok(figures) };
    let source = read::read(data, &super::options(&maker.asked, &Reading::default())?)?;
    let rows = |items: &Dataset| {
        let step = items.len().div_ceil(REAL).max(1);
        maker.asked.data.encoding.encode(&items.inputs, &(0..items.len()).step_by(step).collect::<Vec<_>>())
    };
    let (train, test) = (rows(&source.train), source.test.as_ref().map(&rows));
    let real = test.as_ref().unwrap_or(&train);
    match prdc(real.view(), made.view(), BALL_NEIGHBOURS) {
        None => eprintln!("note: precision and recall need more than {BALL_NEIGHBOURS} pictures"),
        Some(Prdc { precision, recall, density, coverage }) => {
            figures.push(("precision", "made pictures within a real one's neighbourhood", Some(precision)));
            figures.push(("recall", "real pictures within a made one's neighbourhood", Some(recall)));
            figures.push((
                "density",
                "real neighbourhoods that hold a made picture, over their number of neighbours",
                Some(density),
            ));
            figures.push(("coverage", "real neighbourhoods that hold a made picture", Some(coverage)));
        }
    }
    figures.push((
        "frechet",
        "squared Fréchet distance of both, as Gaussians of pixels",
        frechet(real.view(), made.view()),
    ));
    if let Some(test) = &test {
        let ratio = nearest_ratio(made.view(), train.view(), test.view());
        figures.push((
            "nearest",
            "distance to the nearest training picture, over that of real new pictures; far below 1: copied",
            ratio,
        ));
    }
    Ok(figures)
}

/// Pictures, and what is told of them.
struct Made {
    /// As the model sees them.
    pictures: Array2<f32>,
    /// A fact of each picture, by name.
    of_each: Vec<(&'static str, Value)>,
    /// In words.
    how: String,
}

fn from_codes(maker: &Maker, args: &Sample, classes: &[Class]) -> Result<Made, Error> {
    let generator = maker.generator();
    let codes = array(Noise::new(args.seed, 0, &run::device("cpu")?).normal([classes.len(), generator.latent()]));
    let of_each = (0..classes.len()).map(|row| ("code", code(&codes, row))).collect();
    let how = "from codes that were drawn at random".to_owned();
    Ok(Made { pictures: generator.decode(codes.view(), classes), of_each, how })
}

fn by_chains(maker: &Maker, args: &Sample, classes: &[Class]) -> Made {
    let chains = maker.asked.predictor.chains().expect("the registry says that this model has chains");
    let pictures = chains.examples(classes, args.steps, args.seed);
    let density = maker.asked.predictor.scores(pictures.view()).log_density;
    let of_each =
        (0..classes.len()).map(|row| ("log_density", json!(density.as_ref().map(|density| density[row])))).collect();
    Made { pictures, of_each, how: format!("by chains of {} steps", args.steps) }
}

fn by_asking(maker: &Maker, args: &Sample, classes: &[Class]) -> Result<Made, Error> {
    let device = run::device("cpu")?.autodiff();
    let Some(logits) = run::open_logits(&args.making.run, args.making.model.as_deref(), &device)? else {
        let name = maker.asked.entry.name;
        return Err(Error::usage(
            format!("`{name}` is no network that gradients go through"),
            "ask another model with --model",
        ));
    };
    let y = classes.iter().map(|class| u32::from(class.0)).collect();
    let width = maker.asked.data.encoding.layout().width();
    let (rows, probs) = distal(logits, &y, width, args.steps, STEP, &mut Noise::new(args.seed, 0, &device));
    let unsure = probs.iter().filter(|&&p| p <= 0.9).count();
    if unsure > 0 {
        eprintln!(
            "note: {unsure} of {} are not given their class with p > 0.9 after {} steps",
            probs.len(),
            args.steps
        );
    }
    let of_each = probs.into_iter().map(|p| ("probability", json!(p))).collect();
    Ok(Made { pictures: array(rows), of_each, how: "from noise, until the classifier is sure".into() })
}
