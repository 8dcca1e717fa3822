//! Small files that the tests write, and one that pyarrow wrote: `tests/golden/parquet.py`.

use std::fs::File;
use std::sync::Arc;

use ndarray::{Array2, array};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::testing::{Scratch, chunks};
use super::super::{Options, Source, read, stream};
use super::*;
use crate::dataset::Class;

const A: Option<Class> = Some(Class(0));
const B: Option<Class> = Some(Class(1));

/// A column to be written: values, and levels where it is optional or a list.
enum Written {
    Floats(Vec<f32>, Vec<i16>, Vec<i16>),
    Doubles(Vec<f64>, Vec<i16>, Vec<i16>),
    Ints(Vec<i32>, Vec<i16>),
    Names(Vec<&'static str>, Vec<i16>),
}

/// Lists that are all there.
fn lists(rows: &[&[f32]]) -> Written {
    let repetition = rows.iter().flat_map(|row| (0..row.len()).map(|at| i16::from(at > 0))).collect();
    let numbers = rows.concat();
    Written::Floats(numbers.clone(), vec![3; numbers.len()], repetition)
}

fn names(texts: &[&'static str]) -> Written {
    let levels = texts.iter().map(|text| i16::from(!text.is_empty())).collect();
    Written::Names(texts.iter().copied().filter(|text| !text.is_empty()).collect(), levels)
}

const LIST: &str = "optional group e (LIST) { repeated group list { optional float element; } }";
const LABEL: &str = "optional binary label (STRING);";

fn write(path: &Path, fields: &str, compression: Compression, groups: Vec<Vec<Written>>) {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {fields} }}")).expect("a schema"));
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut file =
        SerializedFileWriter::new(File::create(path).expect("writable"), schema, properties).expect("a writer");
    for columns in groups {
        let mut group = file.next_row_group().expect("a row group");
        for column in columns {
            let mut out = group.next_column().expect("a column").expect("as many as the schema has");
            match column {
                Written::Floats(values, definition, repetition) => {
                    out.typed::<FloatType>().write_batch(&values, Some(&definition), Some(&repetition))
                }
                Written::Doubles(values, definition, repetition) => {
                    out.typed::<DoubleType>().write_batch(&values, Some(&definition), Some(&repetition))
                }
                Written::Ints(values, levels) => out.typed::<Int32Type>().write_batch(&values, Some(&levels), None),
                Written::Names(values, levels) => {
                    let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                    out.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)
                }
            }
            .expect("written");
            out.close().expect("closed");
        }
        group.close().expect("closed");
    }
    file.close().expect("closed");
}

/// A file of labelled embeddings.
fn embeddings(folder: &Scratch, name: &str, rows: &[&[f32]], labels: &[&'static str]) -> PathBuf {
    let path = folder.0.join(name);
    write(&path, &format!("{LIST} {LABEL}"), Compression::SNAPPY, vec![vec![lists(rows), names(labels)]]);
    path
}

fn load(path: &Path) -> Source {
    read(path, &Options::default()).expect("readable")
}

fn failure(path: &Path, options: &Options) -> (String, String) {
    let error = read(path, options).expect_err("the file is wrong");
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

fn floats(inputs: &Inputs) -> &Array2<f32> {
    match inputs {
        Inputs::Floats(numbers) => numbers,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_note(source: &Source, part: &str) {
    assert!(source.notes.iter().any(|note| note.contains(part)), "{part} is not in {:#?}", source.notes);
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/embeddings.parquet")
}

#[test]
fn damaged_files_are_errors_and_no_panic() {
    let folder = Scratch::new("parquet-damaged");
    let whole = std::fs::read(golden()).expect("the golden file");
    let said = |bytes: &[u8]| failure(&folder.write("x.parquet", bytes), &Options::default()).0;
    assert!(said(b"").contains("is empty"));
    assert!(said(b"PAR1").contains("cut off"));
    assert!(said(b"a,b\n1,2\n").contains("is no Parquet file"));
    assert!(said(&whole[..whole.len() - 9]).contains("cut off"));
    let mut encrypted = whole.clone();
    let end = encrypted.len() - 4;
    encrypted[end..].copy_from_slice(b"PARE");
    assert!(said(&encrypted).contains("is encrypted"));
    // the footer is there, and what it speaks of is not
    let footer = whole.len() - 8 - u32::from_le_bytes(whole[end - 4..end].try_into().expect("four bytes")) as usize;
    assert!(said(&[b"PAR1", &whole[footer..]].concat()).contains("damaged"));

    let mut state: u64 = 88_172_645_463_325_252;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    let schema = load(&golden()).train.schema;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = random(256).to_le_bytes()[0];
        }
        let path = folder.write("x.parquet", &bytes);
        let _ = read(&path, &Options::default());
        let _ = stream(&path, &schema, &Options::default(), &mut |_| Ok(()));
    }
}

#[test]
fn a_file_without_compression_is_read() {
    let folder = Scratch::new("parquet-plain");
    let path = folder.0.join("x.parquet");
    write(&path, LIST, Compression::UNCOMPRESSED, vec![vec![lists(&[&[1.0]])]]);
    assert_eq!(floats(&load(&path).train.inputs), &array![[1.0]]);
}

#[test]
fn a_column_of_lists_is_an_embedding_in_floats() {
    let folder = Scratch::new("parquet-floats");
    let path = embeddings(&folder, "x.parquet", &[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]], &["b", "", "a"]);
    let source = load(&path);
    assert_eq!(floats(&source.train.inputs), &array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(source.train.labels, [B, None, A]);
    assert_eq!(source.train.ids, Ids::first(3));
    let Features::Columns(columns) = &source.train.schema.features else { panic!("columns") };
    assert_eq!(columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_note(&source, "column e is an embedding: 2 numbers an item");
}

#[test]
fn a_row_of_another_length_is_named() {
    let folder = Scratch::new("parquet-ragged");
    let path = embeddings(&folder, "x.parquet", &[&[1.0, 2.0], &[3.0, 4.0], &[5.0]], &["a", "b", "a"]);
    let (problem, hint) = failure(&path, &Options::default());
    assert!(problem.ends_with("x.parquet, row 3, column e: holds 1 numbers where 2 are needed"), "{problem}");
    assert!(hint.contains("equally long"), "{hint}");
    // prediction answers the others
    let schema = load(&embeddings(&folder, "y.parquet", &[&[1.0, 2.0], &[3.0, 4.0]], &["a", "b"])).train.schema;
    let chunks = chunks(&FORMAT, &path, &schema).expect("a stream");
    assert_eq!(chunks[0].status[2], Status::Unreadable("row 3: column e: 1 numbers where 2 are needed".into()));
    assert_eq!(floats(&chunks[0].inputs), &array![[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]);
}

#[test]
fn null_lists_and_numbers_that_are_none_are_problems_of_their_rows() {
    let folder = Scratch::new("parquet-nulls");
    let path = folder.0.join("x.parquet");
    // [1, 2], null, [], [null, 3], [4, NaN], [inf, 5], [6, 7]
    let column = Written::Floats(
        vec![1.0, 2.0, 3.0, 4.0, f32::NAN, f32::INFINITY, 5.0, 6.0, 7.0],
        vec![3, 3, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3],
        vec![0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1],
    );
    let labels = names(&["a", "b", "b", "b", "b", "b", "b"]);
    write(&path, &format!("{LIST} {LABEL}"), Compression::SNAPPY, vec![vec![column, labels]]);
    let source = load(&path);
    assert_eq!(floats(&source.train.inputs), &array![[1.0, 2.0], [6.0, 7.0]]);
    assert_eq!((source.train.labels, source.train.ids), (vec![A, B], Ids::Positions(vec![1, 7])));
    let problems: Vec<String> = source
        .problems
        .iter()
        .map(|problem| {
            format!("{}: {}", &problem.place[problem.place.find("row").expect("names a row")..], problem.reason)
        })
        .collect();
    assert_eq!(
        problems,
        [
            "row 2: column e is null or empty",
            "row 3: column e is null or empty",
            "row 4: column e: number 1 is null, NaN or infinite",
            "row 5: column e: number 2 is null, NaN or infinite",
            "row 6: column e: number 1 is null, NaN or infinite",
        ]
    );
    let chunks = chunks(&FORMAT, &path, &source.train.schema).expect("a stream");
    assert_eq!(chunks[0].ids, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(chunks[0].status.iter().filter(|status| **status == Status::Ok).count(), 2);
}

#[test]
fn several_embeddings_are_put_side_by_side_and_found_by_name() {
    let folder = Scratch::new("parquet-several");
    let path = folder.0.join("x.parquet");
    let fields = "required group a (LIST) { repeated group list { required float element; } }
        repeated double b; optional binary label (STRING);";
    let a = Written::Floats(vec![1.0, 2.0, 3.0, 4.0], vec![1; 4], vec![0, 1, 0, 1]);
    let b = Written::Doubles(vec![0.5, 1.5], vec![1; 2], vec![0, 0]);
    write(&path, fields, Compression::SNAPPY, vec![vec![a, b, names(&["p", "q"])]]);
    let source = load(&path);
    assert_eq!(floats(&source.train.inputs), &array![[1.0, 2.0, 0.5], [3.0, 4.0, 1.5]]);
    let Features::Columns(columns) = &source.train.schema.features else { panic!("columns") };
    assert_eq!(columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["a[1]", "a[2]", "b[1]"]);
    // the other way round in the new file
    let new = folder.0.join("new.parquet");
    let fields = "repeated double b; required group a (LIST) { repeated group list { required float element; } }";
    let a = Written::Floats(vec![7.0, 8.0], vec![1; 2], vec![0, 1]);
    write(&new, fields, Compression::SNAPPY, vec![vec![Written::Doubles(vec![9.0], vec![1], vec![0]), a]]);
    let chunks = chunks(&FORMAT, &new, &source.train.schema).expect("a stream");
    assert_eq!(floats(&chunks[0].inputs), &array![[7.0, 8.0, 9.0]]);
    // and without one of them
    let error = super::super::testing::chunks(
        &FORMAT,
        &embeddings(&folder, "e.parquet", &[&[1.0, 2.0]], &["p"]),
        &source.train.schema,
    );
    assert!(error.expect_err("b is missing").to_string().ends_with("column a is missing"));
}

#[test]
fn a_run_on_an_array_answers_an_embedding_of_any_name() {
    let folder = Scratch::new("parquet-npy");
    let columns = ["1", "2"].map(|name| Column { name: name.into(), kind: ColumnKind::Numeric }).to_vec();
    let schema = Schema { classes: vec!["a".into()], features: Features::Columns(columns) };
    let path = embeddings(&folder, "x.parquet", &[&[1.0, 2.0]], &["a"]);
    assert_eq!(floats(&chunks(&FORMAT, &path, &schema).expect("a stream")[0].inputs), &array![[1.0, 2.0]]);
}

#[test]
fn columns_are_what_they_would_be_in_a_csv_file_but_strings_stay_names() {
    let folder = Scratch::new("parquet-flat");
    let path = folder.0.join("x.parquet");
    let fields =
        "optional int32 size; optional binary code (STRING); optional int32 same; optional binary label (STRING);";
    let size = Written::Ints(vec![3, 4, 9], vec![1, 0, 1, 1]);
    let same = Written::Ints(vec![5; 4], vec![1; 4]);
    write(
        &path,
        fields,
        Compression::SNAPPY,
        vec![vec![size, names(&["01", "2", "01", ""]), same, names(&["x", "y", "x", ""])]],
    );
    let source = load(&path);
    let Features::Columns(columns) = &source.train.schema.features else { panic!("columns") };
    let kinds: Vec<String> = columns.iter().map(|column| format!("{} {}", column.name, column.kind.name())).collect();
    assert_eq!(kinds, ["size numeric", "code category"]);
    let Inputs::Table(table) = &source.train.inputs else { panic!("a table") };
    assert_eq!(table.columns[0], Cells::Numeric(vec![Some(3.0), None, Some(4.0), Some(9.0)]));
    assert_eq!(table.columns[1], Cells::Category(vec![Some(0), Some(1), Some(0), None]));
    assert_eq!(source.train.labels, [A, B, A, None]);
    assert_note(&source, "column same is left out: it is always `5`");
    assert_note(&source, "labels are in column label");

    let options = Options { label: Some("code".into()), ..Options::default() };
    assert_eq!(read(&path, &options).expect("readable").train.schema.classes, ["01", "2"]);
    let options = Options { label: Some("lable".into()), ..Options::default() };
    assert_eq!(failure(&path, &options).1, "did you mean `label`?");
}

#[test]
fn files_of_a_folder_are_read_as_one_and_must_agree() {
    let folder = Scratch::new("parquet-folder");
    embeddings(&folder, "part-1.parquet", &[&[1.0, 2.0]], &["a"]);
    embeddings(&folder, "part-2.parquet", &[&[3.0, 4.0], &[5.0, 6.0]], &["b", "a"]);
    let source = load(&folder.0);
    assert_eq!(floats(&source.train.inputs), &array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(source.train.labels, [A, B, A]);
    let sizes: Vec<usize> = chunks(&FORMAT, &folder.0, &source.train.schema)
        .expect("a stream")
        .iter()
        .map(|chunk| chunk.ids.len())
        .collect();
    assert_eq!(sizes, [1, 2]);

    write(&folder.0.join("part-3.parquet"), LIST, Compression::SNAPPY, vec![vec![lists(&[&[1.0, 2.0]])]]);
    let (problem, _) = failure(&folder.0, &Options::default());
    assert!(problem.ends_with("part-3.parquet: has no column label"), "{problem}");
}

#[test]
fn files_that_are_named_after_a_split_are_that_split() {
    let folder = Scratch::new("parquet-splits");
    embeddings(&folder, "train-00000-of-00001.parquet", &[&[1.0, 2.0], &[3.0, 4.0]], &["a", "b"]);
    embeddings(&folder, "test-00000-of-00001.parquet", &[&[5.0, 6.0]], &["c"]);
    let source = load(&folder.0);
    assert_eq!((source.train.len(), source.train.schema.classes.len()), (2, 3));
    let test = source.test.expect("a test split");
    assert_eq!((floats(&test.inputs), test.labels), (&array![[5.0, 6.0]], vec![Some(Class(2))]));
}

#[test]
fn labels_of_a_second_file_are_matched_by_id() {
    let folder = Scratch::new("parquet-labels");
    let path = folder.0.join("x.parquet");
    write(
        &path,
        &format!("optional binary id (STRING); {LIST}"),
        Compression::SNAPPY,
        vec![vec![names(&["p", "q", "r"]), lists(&[&[1.0], &[2.0], &[3.0]])]],
    );
    assert_eq!(load(&path).train.labels, [None; 3]);
    let options =
        Options { labels_from: Some(folder.write("labels.csv", "id,label\nr,a\np,b\n")), ..Options::default() };
    let source = read(&path, &options).expect("readable");
    assert_eq!(source.train.labels, [B, None, A]);
    assert_eq!(source.train.ids, Ids::Names(["p", "q", "r"].map(str::to_owned).to_vec()));
    let classes = Options { classes: Some(vec!["b".into()]), ..options };
    let (problem, _) = failure(&path, &classes);
    assert!(problem.ends_with("labels.csv, row 2, column label: `a` is not a class; the classes are b"), "{problem}");
}

#[test]
fn rows_come_in_chunks_over_row_groups() {
    let folder = Scratch::new("parquet-groups");
    let path = folder.0.join("x.parquet");
    let rows: Vec<[f32; 1]> = (0_u16..1500).map(|n| [f32::from(n)]).collect();
    let group = || lists(&rows.iter().map(<[f32; 1]>::as_slice).collect::<Vec<_>>());
    write(&path, LIST, Compression::SNAPPY, vec![vec![group()], vec![group()]]);
    let source = load(&path);
    // 2 · (0 + 1 + … + 1499)
    assert!((floats(&source.train.inputs).column(0).sum() - 2_248_500.0).abs() < 1.0);
    let chunks = chunks(&FORMAT, &path, &source.train.schema).expect("a stream");
    assert_eq!(chunks.iter().map(|chunk| chunk.ids.len()).collect::<Vec<_>>(), [1024, 476, 1024, 476]);
    assert_eq!(chunks[3].ids[475], "3000");
    let stopped = stream(&path, &source.train.schema, &Options::default(), &mut |_| Err(Error::usage("stop", "")));
    assert!(stopped.is_err_and(|error| error.to_string() == "stop"));
}

#[test]
fn what_pyarrow_wrote_is_read() {
    let source = load(&golden());
    let train = &source.train;
    // row 6's image is null, row 8's holds a null
    let kept: Vec<u16> = (0..12).filter(|row| ![5, 7].contains(row)).collect();
    assert_eq!(train.ids, Ids::Names(kept.iter().map(|row| format!("photo-{row}")).collect()));
    let reasons: Vec<&str> = source.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons, ["column image is null or empty", "column image: number 2 is null, NaN or infinite"]);
    assert_eq!(train.schema.classes, ["cat", "dog"]);
    let labels: Vec<Option<Class>> =
        kept.iter().map(|&row| if row == 4 { None } else { Some(Class(1 - row % 2)) }).collect();
    assert_eq!(train.labels, labels);

    let Features::Columns(columns) = &train.schema.features else { panic!("columns") };
    let kinds: Vec<String> = columns.iter().map(|column| format!("{} {}", column.name, column.kind.name())).collect();
    assert_eq!(
        kinds,
        [
            "half numeric",
            "age numeric",
            "alive yes_no",
            "zone category",
            "image[1] numeric",
            "image[2] numeric",
            "image[3] numeric",
            "text[1] numeric",
            "text[2] numeric"
        ]
    );
    let Inputs::Table(table) = &train.inputs else { panic!("a table") };
    let numeric = |of: &dyn Fn(f32) -> f32, gap: u16| {
        Cells::Numeric(kept.iter().map(|&row| (row != gap).then(|| of(f32::from(row)))).collect())
    };
    assert_eq!(table.columns[0], numeric(&|row| row / 2.0, 99));
    assert_eq!(table.columns[1], numeric(&|row| row * row, 1));
    assert_eq!(table.columns[2], Cells::YesNo(kept.iter().map(|row| (*row != 2).then_some(row % 3 == 0)).collect()));
    let zones = Cells::Category(kept.iter().map(|row| (*row != 3).then_some(u32::from(row % 3))).collect());
    assert_eq!(table.columns[3], zones);
    assert_eq!(table.columns[5], numeric(&|row| -row, 99));
    assert_eq!(table.columns[7], numeric(&|row| row / 8.0, 99));
    let ColumnKind::Category { values } = &columns[3].kind else { panic!("a category") };
    assert_eq!(values, &["08", "7", "north"]);
    assert_note(&source, "column day is left out: it holds times or dates");

    let chunks = chunks(&FORMAT, &golden(), &train.schema).expect("a stream");
    assert_eq!(chunks.iter().map(|chunk| chunk.ids.len()).collect::<Vec<_>>(), [5, 5, 2]);
    assert_eq!(chunks[1].status[0], Status::Unreadable("row 6: column image is null or empty".into()));
    let only = Options { columns: [("image", "ignore"), ("zone", "ignore")].map(own).into(), ..Options::default() };
    assert_eq!(read(&golden(), &only).expect("readable").train.len(), 12);
}

fn own((name, kind): (&str, &str)) -> (String, String) {
    (name.to_owned(), kind.to_owned())
}

#[test]
fn files_that_are_packed_in_other_ways_hold_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let ignored = ["half", "age", "alive", "day"].map(|name| own((name, "ignore"))).into();
    let plain = read(&golden(), &Options { columns: ignored, ..Options::default() }).expect("readable").train;
    for name in ["zstd.parquet", "gzip.parquet"] {
        let path = folder.join(name);
        assert_eq!(load(&path).train, plain, "{name}");
        let schema = plain.schema.clone();
        let scratch = Scratch::new("parquet-packed");
        let whole = std::fs::read(&path).expect("the golden file");
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let broken = scratch.write("x.parquet", &bytes);
            let _ = stream(&broken, &schema, &Options::default(), &mut |_| Ok(()));
        }
    }
}
