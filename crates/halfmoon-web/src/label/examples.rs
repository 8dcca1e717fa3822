//! What a model makes: examples of each class to look at, and doubtful ones to label.

use halfmoon_pool::Class;
use halfmoon_pool::dataset::{Features, ImageShape};
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::scores::{Predictor, probs};
use ndarray::{Array2, ArrayView1};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::desk::Data;

/// Pictures of each class: eight, and fewer where there are many classes.
const OF_A_CLASS: usize = 8;
const MOST: usize = 400;

/// Steps of a chain. `halfmoon sample` takes more; here they are made anew after each few labels.
const STEPS: usize = 100;

/// Doubtful examples of a round.
const DOUBTFUL: usize = 8;

/// How much an entropy of a nat counts beside log p(x), where inputs come by chains.
const DOUBT: f64 = 1.0;

/// What was made in a round.
#[derive(Debug, Clone, Default)]
pub(super) struct Examples {
    pub(super) round: u32,
    /// PNGs of each class, one class after another.
    pub(super) of_classes: Vec<(Class, Vec<Vec<u8>>)>,
    /// To be labelled.
    pub(super) doubtful: Vec<Made>,
    /// Why there is nothing to label.
    pub(super) none_because: Option<&'static str>,
}

/// A picture that no data hold.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) round: u32,
    /// From 1, within its round.
    pub(super) number: u32,
    /// The model's name in the journal.
    pub(super) model: String,
    /// What the model takes it for.
    pub(super) class: Class,
    pub(super) confidence: f32,
    /// As the model sees it.
    pub(super) numbers: Vec<f32>,
    pub(super) shape: ImageShape,
    pub(super) png: Vec<u8>,
}

/// Pictures of each class, by a model that makes any: from codes, or by chains.
pub(super) fn of_classes(data: &Data, predictor: &dyn Predictor, classes: &[String], round: u32) -> Examples {
    let nothing = Examples { round, ..Examples::default() };
    let Some(shape) = shape(data) else { return nothing };
    let each = OF_A_CLASS.min(MOST / classes.len().max(1)).max(1);
    let numbers = 0..u16::try_from(classes.len()).unwrap_or(u16::MAX);
    let wanted: Vec<Class> = numbers.flat_map(|class| std::iter::repeat_n(Class(class), each)).collect();
    let made = if let Some(generator) = predictor.generator().filter(|generator| generator.knows_classes()) {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(round));
        let codes = Array2::from_shape_fn((wanted.len(), generator.latent()), |_| normal(&mut rng));
        generator.decode(codes.view(), &wanted)
    } else if let Some(chains) = predictor.chains() {
        chains.examples(&wanted, STEPS, u64::from(round))
    } else {
        return nothing;
    };
    let pictures: Vec<Option<Vec<u8>>> = pngs(&data.encoding, made, shape);
    let of_class = |(class, pictures): (&[Class], &[Option<Vec<u8>>])| {
        (class[0], pictures.iter().flatten().cloned().collect::<Vec<_>>())
    };
    Examples { of_classes: wanted.chunks(each).zip(pictures.chunks(each)).map(of_class).collect(), ..nothing }
}

/// Pictures that the model is in doubt about, or why there are none.
pub(super) fn doubtful(
    data: &Data,
    predictor: &dyn Predictor,
    classes: usize,
    (round, model): (u32, &str),
) -> Result<Vec<Made>, &'static str> {
    let shape = shape(data).ok_or("examples are made up of pictures, and these data are none")?;
    let synthesiser = predictor
        .synthesiser()
        .ok_or("this model makes no examples; one that does, such as m2, can be chosen in the settings")?;
    let classes = u16::try_from(classes).unwrap_or(u16::MAX).max(1);
    let begun: Vec<Class> = (0..DOUBTFUL).map(|at| Class(u16::try_from(at).expect("a few") % classes)).collect();
    let made = synthesiser.doubtful(&begun, None, DOUBT, u64::from(round)).inputs;
    let made = data.encoding.settled(made);
    let said = probs(&predictor.log_probs(made.view()));
    let pictures = pngs(&data.encoding, made.clone(), shape);
    let one = |((at, png), row): ((u32, Option<Vec<u8>>), ArrayView1<f32>)| {
        let said = said.row(at as usize);
        let class = predicted(said);
        Some(Made {
            round,
            number: at + 1,
            model: model.to_owned(),
            class,
            confidence: said[class.index()],
            numbers: row.to_vec(),
            shape,
            png: png?,
        })
    };
    Ok((0..).zip(pictures).zip(made.rows()).filter_map(one).collect())
}

fn shape(data: &Data) -> Option<ImageShape> {
    match data.read().schema.features {
        Features::Image(shape) => Some(shape),
        Features::Columns(_) => None,
    }
}

/// A PNG of each encoded picture; `None` for one that is no picture.
fn pngs(encoding: &Encoding, encoded: Array2<f32>, shape: ImageShape) -> Vec<Option<Vec<u8>>> {
    let Some(pixels) = encoding.pixels(encoded) else { return Vec::new() };
    let png = |row: ArrayView1<f32>| Some(halfmoon_draw::png_bytes(&halfmoon_draw::picture(row, shape).ok()?));
    pixels.rows().into_iter().map(png).collect()
}

/// 𝒩(0, 1): Box & Muller.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f32, f32) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
