//! What a model says of many rows, some at a time.

use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Dataset, encode::Encoding};
use halfmoon_query::{Questions, Said};

/// Rows that are encoded and scored at once.
const CHUNK: usize = 1_024;

/// Numbers of encoded rows that are kept together: 256 MiB.
const MOST_NUMBERS: usize = 64 << 20;

/// Rows of this width that may be kept encoded together.
pub(super) fn most_rows(width: usize) -> usize {
    MOST_NUMBERS / width.max(1)
}

/// What the model says of these rows.
pub(super) fn ask(
    predictor: &dyn Predictor,
    questions: &Questions,
    (dataset, encoding): (&Dataset, &Encoding),
    rows: &[usize],
) -> Said {
    // Of no rows the model is asked as well: the shape of what it says is needed.
    let chunks = rows.chunks(CHUNK).chain(rows.is_empty().then_some(rows));
    let asks = |rows: &[usize]| questions.ask(predictor, encoding.encode(&dataset.inputs, rows).view());
    Said::join(chunks.map(asks).collect())
}
