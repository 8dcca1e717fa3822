//! The points of curves, as CSV.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon::run::{make_folder, write_aside};
use halfmoon_pool::error::Place;
use halfmoon_pool::{Error, Result};
use serde::{Deserialize, Serialize};

/// A model in the midst or at the end of its training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Point {
    pub(super) model: String,
    /// Those that differ from the defaults, as they are typed.
    pub(super) settings: String,
    /// Name of the data.
    pub(super) data: String,
    /// The first digits of their fingerprint.
    pub(super) fingerprint: String,
    pub(super) labels: usize,
    pub(super) seed: u64,
    /// `None` for a model that is fitted at once.
    pub(super) step: Option<u64>,
    /// Of training.
    pub(super) seconds: f64,
    /// Of all threads together, where the system tells.
    pub(super) cpu_seconds: Option<f64>,
    /// In % of the held-out items.
    pub(super) error: f64,
    pub(super) loss: Option<f64>,
}

/// The points in a file, and the file.
pub(super) struct Points {
    path: PathBuf,
    points: Vec<Point>,
}

impl Points {
    /// Those in a file that a kill may have left half a line in, and that need not be there yet.
    pub(super) fn open(path: &Path) -> Result<Points> {
        let text = if path.is_file() { read_text(path)? } else { String::new() };
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut opened = Points { path: path.to_owned(), points: parse(path, &text[..whole])? };
        if whole < text.len() {
            opened.rewrite()?;
        }
        Ok(opened)
    }

    pub(super) fn all(&self) -> &[Point] {
        &self.points
    }

    pub(super) fn add(&mut self, point: Point) -> Result<()> {
        let io = |source| Error::io(&self.path, source);
        if let Some(folder) = self.path.parent() {
            make_folder(folder)?;
        }
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.path).map_err(io)?;
        let is_empty = file.metadata().map_err(io)?.len() == 0;
        file.write_all(&lines(std::slice::from_ref(&point), is_empty)).map_err(io)?;
        self.points.push(point);
        Ok(())
    }

    /// Drops the points that are not to stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Point) -> bool) -> Result<()> {
        let before = self.points.len();
        self.points.retain(stays);
        if self.points.len() < before { self.rewrite() } else { Ok(()) }
    }

    fn rewrite(&mut self) -> Result<()> {
        write_aside(&self.path, &lines(&self.points, true))
    }
}

/// The points in a file that somebody else may have touched.
pub(super) fn read(path: &Path) -> Result<Vec<Point>> {
    let points = parse(path, &read_text(path)?)?;
    if points.is_empty() {
        return Err(Error::data(path, "holds no point", HINT));
    }
    Ok(points)
}

const HINT: &str = "`halfmoon bench curve` writes such files, as curve.csv";

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::io(path, source))
}

fn parse(path: &Path, text: &str) -> Result<Vec<Point>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let point = |(n, point): (usize, csv::Result<Point>)| {
        let place = Place::row(path, n as u64 + 2);
        let point = point.map_err(|error| Error::data(place.clone(), reason(&error), HINT))?;
        if !(point.seconds > 0.0 && point.seconds.is_finite() && (0.0..=100.0).contains(&point.error)) {
            return Err(Error::data(place, "seconds must be more than 0, and an error 0 to 100", HINT));
        }
        Ok(point)
    };
    reader.deserialize().enumerate().map(point).collect()
}

/// What is wrong, without the place that stands before it anyway.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => format!("is not a point of a curve: {err}"),
        _ => format!("is not a point of a curve: {error}"),
    }
}

fn lines(points: &[Point], with_header: bool) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().has_headers(with_header).from_writer(Vec::new());
    for point in points {
        writer.serialize(point).expect("a point can be written to memory");
    }
    writer.into_inner().expect("memory can be written to")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64) -> Point {
        Point {
            model: "m2".into(),
            settings: "hidden=[500, 500] activation=relu".into(),
            data: "mnist".into(),
            fingerprint: "a9e6c0a8924354fd".into(),
            labels: 100,
            seed: 1,
            step: Some(step),
            seconds: 0.25 * step as f64,
            cpu_seconds: None,
            error: 12.5,
            loss: Some(-3.5),
        }
    }

    #[test]
    fn points_come_back_as_they_were_and_half_a_line_is_dropped() {
        let folder = std::env::temp_dir().join(format!("halfmoon-points-{}", std::process::id()));
        let path = folder.join("new/curve.csv");
        let mut points = Points::open(&path).expect("no file is no mistake");
        for step in 1..4 {
            points.add(point(step)).expect("writable");
        }
        assert_eq!(Points::open(&path).expect("as written").all(), [point(1), point(2), point(3)]);
        let text = fs::read_to_string(&path).expect("written");
        assert!(text.starts_with("model,settings,data,fingerprint,labels,seed,step,seconds,cpu_seconds,error,loss\n"));
        fs::write(&path, &text[..text.len() - 9]).expect("writable");
        let mut points = Points::open(&path).expect("repaired");
        assert_eq!(points.all(), [point(1), point(2)]);
        points.retain(|point| point.step != Some(2)).expect("writable");
        points.add(Point { step: None, ..point(5) }).expect("writable");
        let expected = [point(1), Point { step: None, ..point(5) }];
        assert_eq!(read(&path).expect("whole"), expected);
        fs::write(&path, "model,seconds\nm2,3\n").expect("writable");
        let error = read(&path).expect_err("columns are missing").to_string();
        assert!(error.contains("row 2") && error.contains("missing field"), "{error}");
        fs::remove_dir_all(&folder).expect("made above");
    }
}
