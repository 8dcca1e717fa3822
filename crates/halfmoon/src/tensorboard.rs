//! Event files, which `TensorBoard` draws as curves; scalars only.
//!
//! A file is a row of `TFRecord`s, each the bytes of one `Event` message:
//! <https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto>

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crc::{CRC_32_ISCSI, Crc};

/// One writer's file. A run that is resumed creates another in its folder, and `TensorBoard` joins them in
/// the order of their names; two writers at once need a folder each.
pub(crate) struct EventFile {
    file: File,
    is_started: bool,
}

impl EventFile {
    /// Creates `events.out.tfevents.<wall_time_s>.<count>.halfmoon`, and `folder` where there is none.
    /// Never overwrites: the count goes up until the name is free.
    pub(crate) fn create(folder: &Path, wall_time_s: f64) -> io::Result<EventFile> {
        let in_folder = |error: io::Error| {
            let hint = "choose a folder that can be written to";
            io::Error::new(error.kind(), format!("no event file in `{}`: {error}; {hint}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(in_folder)?;
        let mut file = create_unused(folder, wall_time_s).map_err(in_folder)?;
        file.write_all(&record(&version_event(wall_time_s)))?;
        Ok(EventFile { file, is_started: false })
    }

    /// Writes every `(name, value)` at `step`, as `f32`; the file holds them when this returns. The first
    /// step of a file takes the place of that step and all later ones in the folder's earlier files.
    pub(crate) fn scalars(&mut self, step: i64, wall_time_s: f64, values: &[(&str, f64)]) -> io::Result<()> {
        let mut records = Vec::new();
        if !self.is_started {
            records.extend(record(&start_event(step, wall_time_s)));
        }
        records.extend(record(&scalars_event(step, wall_time_s, values)));
        // One write, no buffer: `TensorBoard` reads along, and a killed run keeps what it logged.
        self.file.write_all(&records)?;
        self.is_started = true;
        Ok(())
    }
}

fn create_unused(folder: &Path, wall_time_s: f64) -> io::Result<File> {
    let second = wall_time_s.floor();
    let mut count = 0;
    loop {
        // Zeros in front, because files are read in the order of their names.
        let name = format!("events.out.tfevents.{second:010}.{count:04}.halfmoon");
        match File::create_new(folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => count += 1,
            created => return created,
        }
    }
}

/// `TFRecord`: the length, its checksum, the bytes, theirs.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length, &checksum(&length).to_le_bytes()[..], bytes, &checksum(bytes).to_le_bytes()].concat()
}

/// CRC-32C, rotated and shifted so that the checksum of bytes that hold checksums stays a good one.
fn checksum(bytes: &[u8]) -> u32 {
    CRC_32C.checksum(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

static CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

// The messages, with the field numbers of event.proto and summary.proto.

/// Opens every file: `Event { wall_time = 1, file_version = 3 }`.
fn version_event(wall_time_s: f64) -> Vec<u8> {
    [double(1, wall_time_s), message(3, b"brain.Event:2")].concat()
}

/// `Event { wall_time = 1, step = 2, session_log = 7 { status = 1 } }`; status 1 is START, on which
/// `TensorBoard` forgets what an earlier file has from `step` on.
fn start_event(step: i64, wall_time_s: f64) -> Vec<u8> {
    [double(1, wall_time_s), int64(2, step), message(7, &int64(1, 1))].concat()
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`
fn scalars_event(step: i64, wall_time_s: f64, values: &[(&str, f64)]) -> Vec<u8> {
    let value = |(tag, value): &(&str, f64)| message(1, &[message(1, tag.as_bytes()), float(2, *value)].concat());
    let summary: Vec<u8> = values.iter().flat_map(value).collect();
    [double(1, wall_time_s), int64(2, step), message(5, &summary)].concat()
}

// Protocol Buffers: a field's number and wire type share its first byte.

fn int64(field: u8, value: i64) -> Vec<u8> {
    [vec![field << 3], varint(value.cast_unsigned())].concat()
}

fn double(field: u8, value: f64) -> Vec<u8> {
    [&[field << 3 | 1], &value.to_le_bytes()[..]].concat()
}

/// A message inside a message; strings are written the same way.
fn message(field: u8, bytes: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2], &varint(bytes.len() as u64)[..], bytes].concat()
}

#[expect(clippy::cast_possible_truncation, reason = "the format has no wider scalar")]
fn float(field: u8, value: f64) -> Vec<u8> {
    [&[field << 3 | 5], &(value as f32).to_le_bytes()[..]].concat()
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7F);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn crc_32c_of_123456789_is_e3069283() {
        assert_eq!(CRC_32C.checksum(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn a_varint_is_seven_bits_a_byte_lowest_first() {
        assert_eq!(varint(0), [0]);
        assert_eq!(varint(127), [127]);
        // 300 = 2 * 128 + 44
        assert_eq!(varint(300), [128 + 44, 2]);
        // −1 is 64 set bits: nine sevens and one more
        assert_eq!(int64(2, -1), [16, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }

    #[test]
    fn a_scalar_has_the_bytes_that_tensorboard_writes() {
        // RecordWriter.write of tensorboard 2.21.0, for
        // Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(tag="loss", simple_value=0.25)]))
        let expected = [
            &[27, 0, 0, 0, 0, 0, 0, 0, 0x1A, 0x0D, 0x9E, 0x13][..], // 27 bytes, checksum of the 27
            &[0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F],                  // 1.5
            &[0x10, 0xAC, 0x02],                                    // 300
            &[0x2A, 13, 0x0A, 11, 0x0A, 4],                         // lengths: the summary's, its value's, its tag's
            b"loss",
            &[0x15, 0, 0, 0x80, 0x3E], // 0.25
            &[0x99, 0x08, 0xDE, 0xED], // checksum of the 27 bytes
        ];
        assert_eq!(record(&scalars_event(300, 1.5, &[("loss", 0.25)])), expected.concat());
    }

    #[test]
    fn a_file_holds_its_version_a_start_and_a_record_a_step() {
        let folder = empty_folder("records");
        let mut file = EventFile::create(&folder, 1e9).expect("the temporary folder can be written to");
        file.scalars(10, 1e9 + 1.0, &[("loss", 0.5), ("accuracy", 0.75)]).expect("the disk has room");
        file.scalars(20, 1e9 + 2.0, &[("loss", f64::NAN)]).expect("the disk has room");
        let bytes = fs::read(folder.join("events.out.tfevents.1000000000.0000.halfmoon")).expect("it was created");
        let expected = [
            version_event(1e9),
            start_event(10, 1e9 + 1.0),
            scalars_event(10, 1e9 + 1.0, &[("loss", 0.5), ("accuracy", 0.75)]),
            scalars_event(20, 1e9 + 2.0, &[("loss", f64::NAN)]),
        ];
        assert_eq!(records(&bytes), expected);
    }

    #[test]
    fn a_second_file_of_the_same_second_leaves_the_first_alone() {
        let folder = empty_folder("second");
        for _ in 0..2 {
            EventFile::create(&folder, 1_700_000_000.9).expect("the temporary folder can be written to");
        }
        let files = fs::read_dir(&folder).expect("it was created");
        let mut names: Vec<_> = files.flatten().filter_map(|file| file.file_name().into_string().ok()).collect();
        names.sort();
        let expected = ["0000", "0001"].map(|count| format!("events.out.tfevents.1700000000.{count}.halfmoon"));
        assert_eq!(names, expected);
    }

    #[test]
    fn a_folder_that_is_a_file_is_named_in_the_error() {
        let path = empty_folder("file");
        fs::write(&path, "").expect("the temporary folder can be written to");
        let error = EventFile::create(&path, 0.0).err().expect("a file is no folder");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }

    /// What is inside each record, after its two checksums.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            let (head, rest) = bytes.split_at(12);
            assert_eq!(head[8..], checksum(&head[..8]).to_le_bytes());
            let (inside, rest) = rest.split_at(usize::try_from(length).expect("a record fits in memory"));
            assert_eq!(rest[..4], checksum(inside).to_le_bytes());
            records.push(inside.to_vec());
            bytes = &rest[4..];
        }
        records
    }

    /// A path where nothing is.
    fn empty_folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("halfmoon-tensorboard-{name}-{}", std::process::id()));
        // Left by an earlier run, as a file or as a folder, or not there at all.
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir_all(&path);
        path
    }
}
