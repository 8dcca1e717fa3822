//! A model whose answers can be computed by hand, as if it had been trained.
//!
//! Of a table with the columns `size` and `colour` it says `high` with σ(size + ln 3 · [colour is blue]), and that log p(x) is
//! −size²/2. Of a grey picture of 2×2 it says `bright` with its mean brightness.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halfmoon_pool::conformal::Conformal;
use halfmoon_pool::dataset::{Cells, Column, ColumnKind, Dataset, Features, Ids, ImageShape, Inputs, Table};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::outlier::Fitted;
use halfmoon_pool::read::Options;
use halfmoon_pool::scores::{Predictor, Scores};
use halfmoon_pool::trust::Trust;
use halfmoon_pool::{Error, Result, Schema};
use halfmoon_web::serve::{Served, Source};
use ndarray::{Array3, ArrayView2, array};
use serde_json::json;

/// What is shared with a model that was given away.
#[derive(Clone, Default)]
pub(crate) struct Made {
    /// The run that lies there: a number that goes up.
    pub(crate) version: Arc<AtomicUsize>,
    /// Whether it can be opened.
    pub(crate) is_broken: Arc<AtomicBool>,
    /// Rows that the model was given, each time.
    pub(crate) batches: Arc<Mutex<Vec<usize>>>,
    /// How long it takes to answer, however many rows.
    pub(crate) delay: Duration,
    /// A model of pictures.
    pub(crate) of_pictures: bool,
}

impl Source for Made {
    fn open(&mut self) -> Result<Served> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(Error::usage("the run is cut off", "train it again"));
        }
        let data = if self.of_pictures { pictures() } else { table() };
        Ok(Served {
            name: "moon".to_owned(),
            version: format!("run-{}", self.version.load(Ordering::SeqCst)),
            about: json!({ "model": "made up" }),
            encoding: Encoding::fit(&data, Pixels::Grey),
            schema: data.schema,
            options: Options::default(),
            predictor: Box::new(Linear { made: self.clone() }),
            trust: (!self.of_pictures).then(trust),
            learned: (200, 20),
        })
    }

    fn newer(&mut self, than: &str) -> bool {
        than != format!("run-{}", self.version.load(Ordering::SeqCst))
    }
}

/// Sizes of mean 0, median 0 and standard deviation 1, so that a size is encoded as itself and a gap as 0.
fn table() -> Dataset {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    let values = ["blue", "red"].map(str::to_owned).to_vec();
    let columns = vec![column("size", ColumnKind::Numeric), column("colour", ColumnKind::Category { values })];
    let cells = vec![
        Cells::Numeric([0.0, -1.5_f32.sqrt(), 1.5_f32.sqrt()].map(Some).to_vec()),
        Cells::Category(vec![Some(0), Some(1), Some(0)]),
    ];
    dataset(["low", "high"], Features::Columns(columns), Inputs::Table(Table { rows: 3, columns: cells }))
}

fn pictures() -> Dataset {
    let shape = ImageShape { height: 2, width: 2, channels: 1, white: 255.0 };
    let pixels = Inputs::Bytes(array![[0, 255, 0, 255], [255, 0, 255, 0]]);
    dataset(["dark", "bright"], Features::Image(shape), pixels)
}

fn dataset(classes: [&str; 2], features: Features, inputs: Inputs) -> Dataset {
    let rows = inputs.rows();
    Dataset {
        schema: Schema { classes: classes.map(str::to_owned).to_vec(), features },
        inputs,
        labels: vec![None; rows],
        ids: Ids::first(rows),
    }
}

/// Ninety-nine held-out items of −log p(x) 0.1, 0.2 … 9.9, whose true classes all had the probability 0.5.
fn trust() -> Trust {
    Trust {
        n: 99,
        held_out: 99,
        origin: "made up".to_owned(),
        temperature: None,
        conformal: Conformal::of(vec![0.5; 99]),
        normal: BTreeMap::from([(
            "log_density".to_owned(),
            Some((1_u16..=99).map(|item| f32::from(item) / 10.0).collect()),
        )]),
        fitted: Fitted::default(),
        not_estimable: BTreeMap::new(),
    }
}

struct Linear {
    made: Made,
}

impl Predictor for Linear {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        self.made.batches.lock().expect("no panic holds it").push(inputs.nrows());
        std::thread::sleep(self.made.delay);
        let of_second = |row: usize| {
            let x = inputs.row(row);
            if self.made.of_pictures {
                return x.mean().expect("there are pixels");
            }
            assert!(x[0] < 9999.0, "this panic belongs to a test");
            1.0 / (1.0 + (-x[0] - 3_f32.ln() * x[1]).exp())
        };
        let p = |row: usize, class: usize| if class == 1 { of_second(row) } else { 1.0 - of_second(row) };
        Scores {
            log_probs: Array3::from_shape_fn((inputs.nrows(), 1, 2), |(row, _, class)| p(row, class).ln()),
            log_density: (!self.made.of_pictures)
                .then(|| inputs.rows().into_iter().map(|x| -x[0] * x[0] / 2.0).collect()),
            energy: None,
            codes: None,
        }
    }
}
