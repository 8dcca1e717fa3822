//! What a model says of many rows, some at a time.

use halfmoon_pool::scores::{Predictor, Scores};
use halfmoon_pool::{Dataset, encode::Encoding};
use halfmoon_query::{Questions, Said};
use ndarray::{Array, Array2, Axis, Dimension, RemoveAxis, concatenate};

/// Rows that are encoded and scored at once.
const CHUNK: usize = 1_024;

/// Numbers of encoded rows that are kept together: 256 MiB.
const MOST_NUMBERS: usize = 64 << 20;

/// Rows of this width that may be kept encoded together.
pub(super) fn most_rows(width: usize) -> usize {
    MOST_NUMBERS / width.max(1)
}

/// What the model says of these rows, and their encoded inputs where `keep` asks for them.
pub(super) fn ask(
    predictor: &dyn Predictor,
    questions: &Questions,
    (dataset, encoding): (&Dataset, &Encoding),
    rows: &[usize],
    keep: bool,
) -> (Said, Option<Array2<f32>>) {
    let (mut said, mut inputs) = (Vec::new(), Vec::new());
    // Of no rows the model is asked as well: the shape of what it says is needed.
    let chunks = rows.chunks(CHUNK).chain(rows.is_empty().then_some(rows));
    for rows in chunks {
        let encoded = encoding.encode(&dataset.inputs, rows);
        said.push(questions.ask(predictor, encoded.view()));
        if keep {
            inputs.push(encoded);
        }
    }
    let scores = Scores {
        log_probs: join(said.iter().map(|said| &said.scores.log_probs)).expect("a chunk at least"),
        log_density: join_some(&said, |said| said.scores.log_density.as_ref()),
        energy: join_some(&said, |said| said.scores.energy.as_ref()),
        codes: join_some(&said, |said| said.scores.codes.as_ref()),
    };
    let labelled_probs = join_some(&said, |said| said.labelled_probs.as_ref());
    (Said { scores, labelled_probs }, keep.then(|| join(inputs.iter())).flatten())
}

fn join<'a, D: Dimension + RemoveAxis + 'a>(parts: impl Iterator<Item = &'a Array<f32, D>>) -> Option<Array<f32, D>> {
    let views: Vec<_> = parts.map(|part| part.view()).collect();
    concatenate(Axis(0), &views).ok()
}

/// `None` where a part lacks it.
fn join_some<'a, D: Dimension + RemoveAxis + 'a>(
    said: &'a [Said],
    of: impl Fn(&'a Said) -> Option<&'a Array<f32, D>>,
) -> Option<Array<f32, D>> {
    let parts: Option<Vec<_>> = said.iter().map(of).collect();
    join(parts?.into_iter())
}
