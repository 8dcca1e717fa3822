//! The cut of a data set that `--quick` trains on, as NumPy arrays.

use std::fs;
use std::path::{Path, PathBuf};

use halfmoon::run::make_folder;
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::read::Source;
use halfmoon_pool::{Dataset, Error, Result, split};

use crate::npy::npy;

/// Training items of a cut.
const TRAIN: usize = 3000;

/// Test items of a cut.
const TEST: usize = 1000;

/// Writes the cut into the folder `cut` of `out` and returns that folder; data that are no larger need none.
///
/// A cut holds labelled items, equally many a class, as the seed draws them. Pixels become floats from 0 to 1; the
/// columns of a table become numbers, as training on the table itself would encode them.
pub(super) fn cut(source: &Source, seed: u64, out: &Path) -> Result<Option<PathBuf>> {
    let test = source.test.as_ref();
    let most = if test.is_some() { TRAIN } else { TRAIN + TEST };
    if source.train.len() <= most && test.is_none_or(|test| test.len() <= TEST) {
        return Ok(None);
    }
    // Written beside its place, so that a cut that is there is whole.
    let (folder, aside) = (out.join("cut"), out.join("cut.aside"));
    make_folder(&aside)?;
    let encoding = Encoding::fit(&source.train, Pixels::default());
    write(&source.train, most, seed, &encoding, "train", &aside)?;
    if let Some(test) = test {
        write(test, TEST, seed, &encoding, "test", &aside)?;
    }
    fs::rename(&aside, &folder).map_err(|source| Error::io(&folder, source))?;
    Ok(Some(folder))
}

fn write(data: &Dataset, count: usize, seed: u64, encoding: &Encoding, part: &str, folder: &Path) -> Result<()> {
    let mut labels = data.labels.clone();
    split::keep_labels(&mut labels, &data.schema.classes, count.min(data.labelled().len()), seed)?;
    let kept: Vec<usize> = (0..labels.len()).filter(|&item| labels[item].is_some()).collect();
    let x = encoding.encode(&data.inputs, &kept);
    let shape = match encoding.layout().image {
        Some(shape) if shape.channels == 1 => vec![kept.len(), shape.height, shape.width],
        Some(shape) => vec![kept.len(), shape.height, shape.width, shape.channels],
        None => vec![kept.len(), x.ncols()],
    };
    let x: Vec<u8> = x.iter().flat_map(|number| number.to_le_bytes()).collect();
    let y: Vec<u8> = labels.iter().flatten().flat_map(|class| class.0.to_le_bytes()).collect();
    for (name, array) in [("x", npy("<f4", &shape, &x)), ("y", npy("<u2", &[kept.len()], &y))] {
        let path = folder.join(format!("{name}_{part}.npy"));
        fs::write(&path, array).map_err(|source| Error::io(&path, source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::dataset::Inputs;
    use halfmoon_pool::read::{Options, read};

    use super::*;

    /// So many pictures of 1×2 pixels of the classes 0, 1 and 2 in turn, the first pixel a fifth of white a class.
    fn idx(folder: &Path, split: &str, items: u32) {
        let classes = || (0..items).map(|item| u8::try_from(item % 3).expect("0, 1 or 2"));
        let sizes = |sizes: &[u32]| sizes.iter().flat_map(|size| size.to_be_bytes()).collect::<Vec<u8>>();
        let pixels: Vec<u8> = classes().flat_map(|class| [class * 51, 255]).collect();
        let pictures = [vec![0, 0, 8, 3], sizes(&[items, 1, 2]), pixels].concat();
        let labels = [vec![0, 0, 8, 1], sizes(&[items]), classes().collect()].concat();
        make_folder(folder).expect("writable");
        fs::write(folder.join(format!("{split}-images-idx3-ubyte")), pictures).expect("writable");
        fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), labels).expect("writable");
    }

    #[test]
    fn a_cut_is_read_back_as_pictures_with_their_labels() {
        let out = std::env::temp_dir().join(format!("halfmoon-cut-{}", std::process::id()));
        idx(&out, "train", 6000);
        idx(&out, "t10k", 300);
        let source = read(&out, &Options::default()).expect("as written");
        let folder = cut(&source, 1, &out).expect("writable").expect("more than a cut");
        let back = read(&folder, &Options::default()).expect("what was written");
        let test = back.test.expect("a test split");
        assert_eq!((back.train.len(), test.len()), (3000, 300));
        assert_eq!(back.train.class_counts(), [1000, 1000, 1000]);
        let Inputs::Floats(x) = &back.train.inputs else { panic!("floats were written") };
        for (x, label) in x.rows().into_iter().zip(&back.train.labels) {
            let class = label.expect("all are labelled").0;
            assert!((x[0] - f32::from(class) * 0.2).abs() < 1e-6 && (x[1] - 1.0).abs() < 1e-6, "{x}, {class}");
        }
        fs::remove_dir_all(&out).expect("made above");
    }

    #[test]
    fn small_data_are_left_as_they_are() {
        let source = read(Path::new("digits"), &Options::default()).expect("built in");
        assert!(cut(&source, 1, Path::new("nowhere")).expect("nothing is written").is_none());
        assert!(!Path::new("nowhere").exists());
    }
}
