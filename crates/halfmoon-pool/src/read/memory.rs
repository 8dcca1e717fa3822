//! Inputs that are in memory already, such as a request's: as in a file, but they are a stranger's. No file of this
//! machine is opened, and nothing is unpacked that could become larger than it may.

use std::io::Cursor;
use std::path::Path;

use ndarray::Array2;
use serde_json::Value;

use super::csv::{self, Filler, refuse_gzip};
use super::lines::{Content, Item, Lines, NO_FILES, array_content, fill, object_content};
use super::picture::{announced_pixels, load_files};
use super::{CHUNK, Chunk, Options, Status};
use crate::dataset::{Column, Features, ImageShape, Inputs, Schema, Table};
use crate::error::{Error, Result};
use crate::labels::grouped;

/// Rows, or pictures, that come together: what is said of each is larger than it may be itself.
pub const MOST_ROWS: usize = 100_000;
/// Pixels of all pictures that come together.
pub const MOST_PIXELS: u64 = 128 << 20;

/// Rows of a text table; for pictures a column a pixel. Ids are those of a column `id`, else positions counted from 1.
///
/// An error where the table as a whole cannot be understood: it lacks a column, or is no text.
pub fn table(text: &[u8], schema: &Schema, options: &Options) -> Result<Vec<Chunk>> {
    let name = Path::new("the table");
    let mut chunks = Vec::new();
    match schema.features {
        Features::Columns(_) => csv::stream_text(text.to_vec(), name, schema, options, &mut |chunk| {
            chunks.push(chunk);
            few(chunks.iter().map(|chunk| chunk.ids.len()).sum())
        })?,
        Features::Image(_) => {
            refuse_gzip(text, name)?;
            let mut lines = Lines::of_strangers_table(Box::new(Cursor::new(text.to_vec())), name, schema, options);
            let mut rows = Gathered::new(schema);
            while let Some(line) = lines.next_line()? {
                let pixels = line.item.and_then(|item| match item {
                    Item { inputs: Inputs::Floats(pixels), .. } => Ok(Content::Pixels(pixels.into_iter().collect())),
                    Item { .. } => Err(NO_FILES.to_owned()),
                });
                rows.push(line.id, pixels);
                few(rows.rows)?;
            }
            chunks = rows.finish();
        }
    }
    Ok(chunks)
}

/// Rows as JSON: an object by names, or an array in the order of the columns or pixels; see [`lines`](super::lines).
/// What is no JSON at all is given as the reason why not. Ids are the objects' `id`s, else positions counted from 1.
pub fn rows(rows: impl IntoIterator<Item = std::result::Result<Value, String>>, schema: &Schema) -> Result<Vec<Chunk>> {
    let mut gathered = Gathered::new(schema);
    for row in rows {
        match row {
            Ok(Value::Object(object)) => {
                let (id, content) = object_content(schema, &object);
                gathered.push(id, content);
            }
            Ok(Value::Array(x)) => gathered.push(None, array_content(schema, &x)),
            Ok(_) => gathered.push(None, Err("a row is an object or an array".to_owned())),
            Err(why) => gathered.push(None, Err(why)),
        }
        few(gathered.rows)?;
    }
    Ok(gathered.finish())
}

/// An error where there are more than [`MOST_ROWS`].
fn few(rows: usize) -> Result<()> {
    if rows > MOST_ROWS {
        return Err(Error::usage(format!("there are more than {} rows", grouped(MOST_ROWS)), "send them in parts"));
    }
    Ok(())
}

/// Files of pictures. Ids are their names.
///
/// An error where the run was not trained on pictures. Pictures that go beyond [`MOST_PIXELS`] in all are not decoded.
pub fn pictures(files: &[(String, &[u8])], schema: &Schema) -> Result<Vec<Chunk>> {
    let Features::Image(shape) = &schema.features else {
        return Err(Error::usage("the run was trained on a table, not on pictures", "send its columns"));
    };
    few(files.len())?;
    let mut pixels = 0;
    let is_within = |(_, content): &(String, &[u8])| {
        pixels += announced_pixels(content);
        pixels <= MOST_PIXELS
    };
    let is_within: Vec<bool> = files.iter().map(is_within).collect();
    let mut chunks = Vec::new();
    for (files, is_within) in files.chunks(CHUNK).zip(is_within.chunks(CHUNK)) {
        let kept = |(&is_within, (_, content)): (&bool, &(String, _))| if is_within { *content } else { &[][..] };
        let contents: Vec<&[u8]> = is_within.iter().zip(files).map(kept).collect();
        let (inputs, failures) = load_files(&contents, shape)?;
        let status = failures.into_iter().zip(is_within).map(|(failure, &is_within)| match failure {
            _ if !is_within => {
                let most = grouped(usize::try_from(MOST_PIXELS).unwrap_or(usize::MAX));
                Status::Unreadable(format!("with this picture there are more than {most} pixels"))
            }
            Some(why) => Status::Unreadable(why),
            None => Status::Ok,
        });
        chunks.push(Chunk {
            ids: files.iter().map(|(name, _)| name.clone()).collect(),
            status: status.collect(),
            inputs,
        });
    }
    Ok(chunks)
}

/// Rows on their way to chunks.
struct Gathered<'a> {
    chunks: Vec<Chunk>,
    into: Into<'a>,
    ids: Vec<String>,
    status: Vec<Status>,
    rows: usize,
}

enum Into<'a> {
    Pixels(ImageShape, Vec<f32>),
    Columns(&'a [Column], Vec<Filler>),
}

impl<'a> Gathered<'a> {
    fn new(schema: &'a Schema) -> Gathered<'a> {
        let into = match &schema.features {
            Features::Image(shape) => Into::Pixels(*shape, Vec::new()),
            Features::Columns(columns) => {
                Into::Columns(columns, columns.iter().map(|column| Filler::known(&column.kind, false)).collect())
            }
        };
        Gathered { chunks: Vec::new(), into, ids: Vec::new(), status: Vec::new(), rows: 0 }
    }

    fn push(&mut self, id: Option<String>, content: std::result::Result<Content, String>) {
        let content = match content {
            Ok(Content::File(_)) => Err(NO_FILES.to_owned()),
            content => content,
        };
        let status = match (&mut self.into, content) {
            (Into::Pixels(_, pixels), Ok(Content::Pixels(row))) => {
                pixels.extend(row);
                Status::Ok
            }
            (Into::Columns(columns, fillers), Ok(Content::Cells(cells))) => {
                fill(columns, fillers, cells.into_iter()).map_or(Status::Ok, Status::Unseen)
            }
            (into, content) => {
                match into {
                    Into::Pixels(shape, pixels) => pixels.resize(pixels.len() + shape.len(), 0.0),
                    Into::Columns(_, fillers) => fillers.iter_mut().for_each(Filler::gap),
                }
                Status::Unreadable(content.err().unwrap_or_default())
            }
        };
        self.rows += 1;
        self.ids.push(id.unwrap_or_else(|| self.rows.to_string()));
        self.status.push(status);
        if self.ids.len() == CHUNK {
            self.close();
        }
    }

    fn close(&mut self) {
        let rows = self.ids.len();
        let inputs = match &mut self.into {
            Into::Pixels(shape, pixels) => {
                let pixels = Array2::from_shape_vec((rows, shape.len()), std::mem::take(pixels));
                Inputs::Floats(pixels.expect("every row has the shape's length"))
            }
            Into::Columns(_, fillers) => {
                Inputs::Table(Table { rows, columns: fillers.iter_mut().map(Filler::take).collect() })
            }
        };
        let (ids, status) = (std::mem::take(&mut self.ids), std::mem::take(&mut self.status));
        self.chunks.push(Chunk { ids, status, inputs });
    }

    fn finish(mut self) -> Vec<Chunk> {
        if !self.ids.is_empty() {
            self.close();
        }
        self.chunks
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use serde_json::json;

    use super::super::testing::{GREY, png};
    use super::*;
    use crate::dataset::{Cells, ColumnKind};

    fn pets() -> Schema {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let yes_no = ColumnKind::YesNo { no: "no".to_owned(), yes: "yes".to_owned() };
        Schema {
            classes: vec!["cat".to_owned(), "dog".to_owned()],
            features: Features::Columns(vec![column("size", ColumnKind::Numeric), column("barks", yes_no)]),
        }
    }

    fn pictures_of(height: usize, white: f32) -> Schema {
        let shape = ImageShape { height, width: 2, channels: 1, white };
        Schema { classes: vec!["cat".to_owned(), "dog".to_owned()], features: Features::Image(shape) }
    }

    fn of_json(values: Vec<Value>, schema: &Schema) -> Chunk {
        let mut chunks = rows(values.into_iter().map(Ok), schema).expect("few rows");
        assert_eq!(chunks.len(), 1, "{chunks:?}");
        chunks.remove(0)
    }

    fn why(status: &Status) -> &str {
        match status {
            Status::Unreadable(why) | Status::Unseen(why) => why,
            Status::Ok => "",
        }
    }

    #[test]
    fn every_row_of_json_has_an_entry() {
        let values = vec![
            json!({"id": "a", "barks": true, "size": 2.5}),
            json!([3, "no"]),
            json!({"size": 1}),
            json!("cat"),
            json!({"barks": "maybe", "size": null}),
            json!([3, "no", 4]),
        ];
        let chunk = of_json(values, &pets());
        assert_eq!(chunk.ids, ["a", "2", "3", "4", "5", "6"]);
        let Inputs::Table(table) = &chunk.inputs else { panic!("a table") };
        assert_eq!(table.columns[0], Cells::Numeric(vec![Some(2.5), Some(3.0), None, None, None, None]));
        assert_eq!(table.columns[1], Cells::YesNo(vec![Some(true), Some(false), None, None, None, None]));
        assert_eq!(chunk.status[..2], [Status::Ok, Status::Ok]);
        assert!(why(&chunk.status[2]).starts_with("column barks is missing"), "{:?}", chunk.status[2]);
        assert_eq!(why(&chunk.status[3]), "a row is an object or an array");
        assert_eq!(chunk.status[4], Status::Unseen("`maybe` in column barks".to_owned()));
        assert_eq!(why(&chunk.status[5]), "3 values instead of 2");
    }

    #[test]
    fn a_table_is_a_table_also_where_it_looks_like_json() {
        let (pictures, text) = (pictures_of(1, 255.0), r#"{"x": [1, 2]}"#);
        assert_eq!(of_json(vec![serde_json::from_str(text).expect("JSON")], &pictures).status, [Status::Ok]);
        let read = table(text.as_bytes(), &pictures, &Options::default());
        let rows = read.unwrap_or_default();
        assert!(rows.iter().all(|chunk| chunk.status.iter().all(|status| *status != Status::Ok)), "{rows:?}");
    }

    #[test]
    fn rows_come_in_chunks() {
        let many = rows((0..CHUNK + 5).map(|number| Ok(json!([number, "no"]))), &pets()).expect("few rows");
        assert_eq!(many.iter().map(|chunk| chunk.inputs.rows()).collect::<Vec<_>>(), [CHUNK, 5]);
        assert_eq!(many[1].ids[4], (CHUNK + 5).to_string());
        assert_eq!(rows([], &pets()).expect("few rows"), []);
    }

    #[test]
    fn so_many_rows_come_together_and_no_more() {
        let of = |many| rows((0..many).map(|_| Err(String::new())), &pets()).is_ok();
        assert!(of(MOST_ROWS) && !of(MOST_ROWS + 1));
        let text = |many: usize| format!("size,barks\n{}", "1,no\n".repeat(many));
        let of = |many, schema: &Schema| table(text(many).as_bytes(), schema, &Options::default()).is_ok();
        assert!(of(MOST_ROWS, &pets()) && !of(MOST_ROWS + 1, &pets()));
        assert!(of(MOST_ROWS, &pictures_of(1, 255.0)) && !of(MOST_ROWS + 1, &pictures_of(1, 255.0)));
    }

    #[test]
    fn nobody_has_a_file_of_this_machine_opened() {
        let folder = super::super::testing::Scratch::new("memory-files");
        folder.write("a.png", png(2, 1, GREY));
        let path = folder.0.join("a.png");
        let path = path.to_string_lossy();
        let asked = of_json(vec![json!({ "path": path }), json!({"x": [1, 2]})], &pictures_of(1, 255.0));
        assert!(why(&asked.status[0]).starts_with("files of this machine"), "{asked:?}");
        assert_eq!(asked.inputs, Inputs::Floats(array![[0.0, 0.0], [1.0, 2.0]]));
        let text = format!("id,path\n7,{path}\n");
        let chunks = table(text.as_bytes(), &pictures_of(1, 255.0), &Options::default()).expect("a table");
        assert!(why(&chunks[0].status[0]).contains("files of this machine"), "{chunks:?}");
    }

    #[test]
    fn a_table_is_read_as_from_a_file() {
        let text = b"barks,size\nyes,2\nno\n\"ye\ns\",4\n";
        let chunks = table(text, &pets(), &Options::default()).expect("a table");
        assert_eq!(chunks[0].ids, ["1", "2", "3"]);
        assert_eq!(chunks[0].status[0], Status::Ok);
        assert!(why(&chunks[0].status[1]).contains("1 field"), "{:?}", chunks[0].status);
        assert!(why(&chunks[0].status[2]).contains("column barks"), "{:?}", chunks[0].status);
        let error = table(b"bark,size\nyes,2\n", &pets(), &Options::default()).expect_err("a column is missing");
        assert!(error.to_string().contains("column barks is missing"), "{error}");
        assert!(
            table(b"\x1f\x8b\x08", &pets(), &Options::default()).is_err_and(|error| error.to_string().contains("gzip"))
        );
    }

    #[test]
    fn a_table_of_pixels_is_read() {
        let chunks = table(b"a,b,id\n1,2,x\n3,?,y\n", &pictures_of(1, 255.0), &Options::default()).expect("a table");
        assert_eq!(chunks[0].ids, ["x", "y"]);
        assert_eq!(chunks[0].inputs, Inputs::Floats(array![[1.0, 2.0], [0.0, 0.0]]));
        assert!(why(&chunks[0].status[1]).contains("pixel 2 is no number"), "{chunks:?}");
    }

    #[test]
    fn pictures_in_memory_are_decoded_as_files_are() {
        let (good, cut) = (png(2, 1, GREY), &png(2, 1, GREY)[..20]);
        let files = [("a.png".to_owned(), &*good), ("b.png".to_owned(), cut), ("c".to_owned(), &b"text"[..])];
        let chunks = pictures(&files, &pictures_of(1, 255.0)).expect("for pictures");
        assert_eq!(chunks[0].ids, ["a.png", "b.png", "c"]);
        assert_eq!(chunks[0].inputs, Inputs::Bytes(array![[100, 100], [0, 0], [0, 0]]));
        assert_eq!(chunks[0].status[0], Status::Ok);
        assert!(chunks[0].status[1..].iter().all(|status| !status.is_readable()), "{chunks:?}");
        assert!(pictures(&files, &pets()).is_err());
    }

    #[test]
    fn pictures_are_not_decoded_beyond_so_many_pixels_in_all() {
        // 40 million pixels each, of one colour: small files
        let large = png(8000, 5000, GREY);
        let files = ["a", "b", "c", "d"].map(|name| (name.to_owned(), &*large));
        let chunks = pictures(&files, &pictures_of(2, 255.0)).expect("for pictures");
        let readable: Vec<bool> = chunks[0].status.iter().map(Status::is_readable).collect();
        assert_eq!(readable, [true, true, true, false], "{:?}", chunks[0].status);
    }
}
