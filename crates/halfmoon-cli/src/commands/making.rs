//! What `sample`, `analogy`, `manifold`, `reconstruct` and `synthesise` share: a run that makes pictures, the items that are shown,
//! and the two files that come out.

use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon::experiment::probs;
use halfmoon::model::Makes;
use halfmoon::models::MODELS;
use halfmoon::run::{self, Asked};
use halfmoon_draw::{Layout, RgbImage, class_name, grid, write_png};
use halfmoon_pool::dataset::{Cells, Features, ImageShape, Inputs};
use halfmoon_pool::encode::Cell;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read::{self, Status};
use halfmoon_pool::scores::Generator;
use halfmoon_pool::{Class, Error};
use ndarray::{Array2, Axis};
use serde_json::{Value, json};

use crate::Failure;
use crate::args::{Making, Reading};
use crate::npy::npy;

/// A run whose model makes inputs from codes.
pub(super) struct Maker {
    run: PathBuf,
    pub(super) output: PathBuf,
    pub(super) asked: Asked,
}

/// Items that were asked for, encoded.
pub(super) struct Items {
    pub(super) ids: Vec<String>,
    pub(super) inputs: Array2<f32>,
    /// Each item's cells as they came, by column, `None` where one is empty; nothing for pictures.
    pub(super) cells: Vec<Vec<Option<Cell>>>,
}

impl Maker {
    /// Opens the run of a command called `name` that needs codes.
    pub(super) fn open(args: &Making, name: &str) -> Result<Maker, Error> {
        let maker = Maker::open_any(args, name)?;
        if !maker.asked.entry.makes.is_from_codes() {
            let model = maker.asked.entry.name;
            return Err(Error::usage(
                format!("`{model}` makes nothing from codes, so there is nothing to show"),
                format!("train one that does: {}", able(Makes::is_from_codes)),
            ));
        }
        Ok(maker)
    }

    /// Opens the run of a command called `name`, whatever its model makes.
    pub(super) fn open_any(args: &Making, name: &str) -> Result<Maker, Error> {
        let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
        if !asked.finished {
            eprintln!("note: this run was stopped before its last step");
        }
        let output = args.output.clone().unwrap_or_else(|| args.run.join(format!("{name}.png")));
        Ok(Maker { run: args.run.clone(), output, asked })
    }

    /// The model, as what makes inputs.
    pub(super) fn generator(&self) -> Box<dyn Generator + '_> {
        self.asked.predictor.generator().expect("`open` looked at what the model makes")
    }

    /// The class of this name, or an error where the model or the data know none.
    pub(super) fn class(&self, name: &str) -> Result<Class, Error> {
        self.needs_classes()?;
        self.class_of_run(name)
    }

    /// The class of this name, whether or not the model makes inputs of a class.
    pub(super) fn class_of_run(&self, name: &str) -> Result<Class, Error> {
        let classes = &self.asked.data.schema.classes;
        let found = classes.iter().position(|class| class == name);
        let class = found.ok_or_else(|| {
            let hint = halfmoon_pool::error::did_you_mean(name, classes.iter().map(String::as_str));
            Error::usage(format!("`{name}` is not a class of this run"), hint)
        })?;
        Ok(number(class))
    }

    /// An error where the model makes inputs of no particular class.
    pub(super) fn needs_classes(&self) -> Result<(), Error> {
        if self.asked.entry.makes.is_of_a_class() {
            return Ok(());
        }
        Err(Error::usage(
            format!("`{}` makes inputs without regard to a class", self.asked.entry.name),
            format!("models that know classes: {}", able(Makes::is_of_a_class)),
        ))
    }

    /// An error where the run is not of pictures.
    pub(super) fn shape(&self) -> Result<ImageShape, Error> {
        match self.asked.data.schema.features {
            Features::Image(shape) => Ok(shape),
            Features::Columns(_) => Err(Error::data(
                self.run.as_path(),
                "was trained on columns of numbers, which cannot be shown as pictures",
                "`halfmoon manifold` shows its codes as a plot, where the code has more than two numbers",
            )),
        }
    }

    /// Every class of the run.
    pub(super) fn classes(&self) -> Vec<Class> {
        (0..self.asked.data.schema.classes.len()).map(number).collect()
    }

    /// The name of a class.
    pub(super) fn name(&self, class: Class) -> &str {
        &self.asked.data.schema.classes[class.index()]
    }

    /// The name of a class, as it can be drawn.
    pub(super) fn caption(&self, class: Class) -> String {
        class_name(class, &self.asked.data.schema.classes)
    }

    /// The likeliest class of each of these encoded inputs.
    pub(super) fn likeliest(&self, inputs: &Array2<f32>) -> Vec<Class> {
        likeliest(&self.asked, inputs)
    }

    /// Pictures of encoded inputs, as shares of white.
    pub(super) fn pixels(&self, encoded: Array2<f32>) -> Array2<f32> {
        self.asked.data.encoding.pixels(encoded).expect("`shape` was asked before")
    }

    /// The first `n` readable inputs at `from`, or those with these ids.
    pub(super) fn items(&self, from: &Path, ids: &[String], n: usize, reading: &Reading) -> Result<Items, Error> {
        Items::read(&self.asked, from, ids, n, reading)
    }

    /// Whether pictures are to be written as an array, for other programs.
    pub(super) fn wants_array(&self) -> bool {
        self.output.extension().is_some_and(|ending| ending == "npy")
    }

    /// Writes pictures as an array of the data's own units, and what they are beside it. An array called `x…` gets its
    /// classes as `y…`, as `halfmoon eval` looks for them.
    pub(super) fn write_array(&self, encoded: Array2<f32>, classes: &[Class], told: Value) -> Result<(), Failure> {
        let (shape, n) = (self.shape()?, encoded.nrows());
        let shares = self.pixels(encoded);
        let mut sizes = vec![n, shape.height, shape.width];
        sizes.extend((shape.channels > 1).then_some(shape.channels));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of 255")]
        let array = if shape.white.total_cmp(&255.0).is_eq() {
            npy("|u1", &sizes, &shares.iter().map(|share| (share * 255.0).round() as u8).collect::<Vec<_>>())
        } else {
            npy("<f4", &sizes, &shares.iter().flat_map(|share| (share * shape.white).to_le_bytes()).collect::<Vec<_>>())
        };
        run::write_aside(&self.output, &array)?;
        let name = self.output.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('x'));
        if let Some(rest) = name.filter(|_| self.asked.entry.makes != Makes::Inputs) {
            let y: Vec<u8> = classes.iter().flat_map(|class| class.0.to_le_bytes()).collect();
            run::write_aside(&self.output.with_file_name(format!("y{rest}")), &npy("<u2", &[n], &y))?;
        }
        self.tell(told)
    }

    /// Writes a grid and what it shows.
    pub(super) fn write_grid(&self, encoded: Array2<f32>, layout: &Layout, told: Value) -> Result<(), Failure> {
        let pictures = self.pixels(encoded);
        self.write(&grid(pictures.view(), self.shape()?, layout)?, told)
    }

    /// Writes a picture, and beside it what it shows: `told`, with the run's name.
    pub(super) fn write(&self, picture: &RgbImage, told: Value) -> Result<(), Failure> {
        if self.beside() == self.output {
            return Err(Error::usage("the picture cannot end in .json: its codes do", "name it something.png").into());
        }
        run::refuse_project(&self.output)?;
        run::refuse_project(&self.beside())?;
        write_png(picture, &self.output)?;
        self.tell(told)
    }

    fn beside(&self) -> PathBuf {
        self.output.with_extension("json")
    }

    /// Writes what the output shows, and says where both are.
    fn tell(&self, mut told: Value) -> Result<(), Failure> {
        let object = told.as_object_mut().expect("made as an object");
        object.insert("run".into(), json!(self.run.to_string_lossy()));
        object.insert("model".into(), json!(self.asked.entry.name));
        let beside = self.beside();
        run::write_aside(&beside, &serde_json::to_vec_pretty(&told).expect("plain data"))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}\n{}", self.output.display(), beside.display())?;
        Ok(())
    }
}

impl Items {
    /// The first `n` readable inputs at `from`, or those with these ids.
    pub(super) fn read(
        asked: &Asked,
        from: &Path,
        ids: &[String],
        n: usize,
        reading: &Reading,
    ) -> Result<Items, Error> {
        let options = super::options(asked, reading)?;
        let encoding = &asked.data.encoding;
        let mut items =
            Items { ids: Vec::new(), inputs: Array2::zeros((0, encoding.layout().width())), cells: Vec::new() };
        let wanted = if ids.is_empty() { n } else { ids.len() };
        // A reader is told that it may stop by an error, which is not one.
        let mut enough = false;
        let end = read::stream(from, &asked.data.schema, &options, &mut |chunk| {
            let is_wanted = |row: &usize| {
                !matches!(chunk.status[*row], Status::Unreadable(_))
                    && (ids.is_empty() || ids.contains(&chunk.ids[*row]))
            };
            let rows: Vec<usize> = (0..chunk.ids.len()).filter(is_wanted).take(wanted - items.ids.len()).collect();
            items.ids.extend(rows.iter().map(|&row| chunk.ids[row].clone()));
            items.inputs.append(Axis(0), encoding.encode(&chunk.inputs, &rows).view()).expect("rows of one width");
            items.cells.extend(rows.iter().map(|&row| cells_of(&chunk.inputs, row)));
            enough = items.ids.len() == wanted;
            if enough { Err(Error::usage("", "")) } else { Ok(()) }
        });
        if !enough {
            end?;
        }
        if let Some(missing) = ids.iter().find(|id| !items.ids.contains(id)) {
            return Err(Error::data(
                from,
                format!("holds no readable item `{missing}`"),
                "ids are as `predict` shows them",
            ));
        }
        if items.ids.is_empty() {
            return Err(Error::data(from, "holds no readable item", "`halfmoon predict` says why, item by item"));
        }
        Ok(items)
    }
}

/// The cells of a row; none of a picture.
fn cells_of(inputs: &Inputs, row: usize) -> Vec<Option<Cell>> {
    match inputs {
        Inputs::Table(table) => {
            let cell = |cells: &Cells| match cells {
                Cells::Numeric(cells) => cells[row].map(Cell::Number),
                Cells::YesNo(cells) => cells[row].map(Cell::YesNo),
                Cells::Category(cells) => cells[row].map(Cell::Category),
            };
            table.columns.iter().map(cell).collect()
        }
        Inputs::Floats(numbers) => numbers.row(row).iter().map(|&number| Some(Cell::Number(number))).collect(),
        Inputs::Bytes(_) | Inputs::Words(_) => Vec::new(),
    }
}

/// The likeliest class of each of these encoded inputs.
pub(super) fn likeliest(asked: &Asked, inputs: &Array2<f32>) -> Vec<Class> {
    let probs = probs(&asked.predictor.log_probs(inputs.view()));
    probs.rows().into_iter().map(|row| predicted(row)).collect()
}

/// A code as JSON.
pub(super) fn code(codes: &Array2<f32>, row: usize) -> Value {
    json!(codes.row(row).to_vec())
}

/// The names of the models that make what is asked for.
pub(super) fn able(is_able: impl Fn(Makes) -> bool) -> String {
    let names: Vec<_> = MODELS.iter().filter(|entry| is_able(entry.makes)).map(|entry| entry.name).collect();
    names.join(", ")
}

fn number(class: usize) -> Class {
    Class(u16::try_from(class).expect("a class is a u16"))
}
