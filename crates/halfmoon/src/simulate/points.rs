//! What a simulation came to so far, as a file that only grows.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon_pool::{Error, Result};

/// A model that was trained on so many labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Which initial labels, and whatever else was drawn.
    pub seed: u64,
    /// Which rule and model.
    pub contender: String,
    /// Labels that it learned from.
    pub labels: usize,
    /// Share of the held-out items that it gives the right class.
    pub accuracy: f64,
    /// Its mean −log p(y | x) on them, in nats.
    pub nll: f64,
    /// Share of the items asked about just before it whose class had no label until then. `None` at the start.
    pub new_classes: Option<f64>,
    /// Seconds that its training took, and the choice of the items before it.
    pub seconds: (f64, f64),
}

const HEADER: &str = "seed,contender,labels,accuracy,nll,new_classes,train_seconds,query_seconds";

/// All points, in memory and in the file.
pub(super) struct Points {
    pub(super) all: Vec<Point>,
    path: PathBuf,
}

impl Points {
    pub(super) fn open(path: &Path) -> Result<Points> {
        let io = |source| Error::io(path, source);
        let text = if path.is_file() { fs::read_to_string(path).map_err(io)? } else { String::new() };
        let mut lines = text.split_inclusive('\n');
        let mut whole = lines.next().filter(|line| line.ends_with('\n')).unwrap_or_default().to_owned();
        let mut all = Vec::new();
        for (line, number) in lines.zip(2..) {
            // A kill can leave half a line at the end.
            let Some(text) = line.strip_suffix('\n') else { break };
            let Some(point) = parse(text) else {
                let place = halfmoon_pool::error::Place { path: path.to_owned(), row: Some(number), column: None };
                return Err(Error::data(
                    place,
                    "is no point of a simulation",
                    "remove the line, and it is played again, or choose another folder",
                ));
            };
            whole.push_str(line);
            all.push(point);
        }
        if whole.is_empty() {
            whole = format!("{HEADER}\n");
        }
        if whole != text {
            crate::run::write_aside(path, whole.as_bytes())?;
        }
        Ok(Points { all, path: path.to_owned() })
    }

    /// On the disk when this returns: what is asked next must not be there before.
    pub(super) fn add(&mut self, point: Point) -> Result<()> {
        let io = |source| Error::io(&self.path, source);
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(io)?;
        file.write_all(format!("{}\n", line(&point)).as_bytes()).and_then(|()| file.sync_data()).map_err(io)?;
        self.all.push(point);
        Ok(())
    }
}

fn line(point: &Point) -> String {
    let Point { seed, contender, labels, accuracy, nll, new_classes, seconds: (train, query) } = point;
    let new_classes = new_classes.map(|share| share.to_string()).unwrap_or_default();
    format!("{seed},{contender},{labels},{accuracy},{nll},{new_classes},{train:.3},{query:.3}")
}

fn parse(line: &str) -> Option<Point> {
    let fields: Vec<&str> = line.split(',').collect();
    let [seed, contender, labels, accuracy, nll, new_classes, train, query] = fields[..] else { return None };
    Some(Point {
        seed: seed.parse().ok()?,
        contender: contender.to_owned(),
        labels: labels.parse().ok()?,
        accuracy: accuracy.parse().ok()?,
        nll: nll.parse().ok()?,
        new_classes: if new_classes.is_empty() { None } else { Some(new_classes.parse().ok()?) },
        seconds: (train.parse().ok()?, query.parse().ok()?),
    })
}
