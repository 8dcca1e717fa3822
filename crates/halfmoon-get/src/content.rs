//! Whether a file holds what was published.

use std::fmt::Write;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::sets::File;

/// What is wrong with a file's bytes; `None` if they, or what they unpack to, are the published ones.
pub(crate) fn fault(bytes: impl Read, wanted: &File) -> io::Result<Option<String>> {
    if !wanted.is_packed() {
        return fault_of_content(bytes, wanted);
    }
    match fault_of_content(MultiGzDecoder::new(BufReader::new(bytes)), wanted) {
        // The kinds with which a decoder says that it can't go on; the system has others.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            Ok(Some(format!("it is not a gzip file ({error})")))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some("its end is missing".into())),
        checked => checked,
    }
}

fn fault_of_content(mut content: impl Read, wanted: &File) -> io::Result<Option<String>> {
    let mut hash = Sha256::new();
    let mut length = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                length += count as u64;
                if length > wanted.size_content {
                    return Ok(Some(format!("its content is longer than {} bytes", wanted.size_content)));
                }
                hash.update(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let found = hexadecimal(&hash.finalize());
    let wrong = || format!("the sha256 of its content should be {} and is {found}", wanted.sha256_content);
    Ok((found != wanted.sha256_content).then(wrong))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a string takes everything");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gzip;

    /// FIPS 180-2, appendix B.1.
    const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn abc(name: &str) -> File {
        File { name: name.into(), size: 3, size_content: 3, sha256_content: SHA256_OF_ABC.into() }
    }

    fn verdict(bytes: &[u8], name: &str) -> Option<String> {
        fault(bytes, &abc(name)).expect("reading memory")
    }

    #[test]
    fn the_content_is_what_counts_however_it_is_packed() {
        assert_eq!(verdict(b"abc", "abc.txt"), None);
        assert_eq!(verdict(&gzip(b"abc", 0), "abc.txt.gz"), None);
        assert_eq!(verdict(&gzip(b"abc", 9), "abc.txt.gz"), None);
        let in_two = [gzip(b"a", 6), gzip(b"bc", 6)].concat();
        assert_eq!(verdict(&in_two, "abc.txt.gz"), None);
    }

    #[test]
    fn another_content_is_told_with_both_sums() {
        // sha256 of the empty string
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let fault = verdict(b"", "abc.txt").expect("nothing is not abc");
        assert!(fault.contains(SHA256_OF_ABC) && fault.contains(empty), "{fault}");
        assert!(verdict(b"abd", "abc.txt").is_some());
        assert!(verdict(&gzip(b"abd", 6), "abc.txt.gz").is_some());
    }

    #[test]
    fn broken_gzip_is_told_as_such() {
        let whole = gzip(b"abc", 6);
        assert!(verdict(b"<!doctype html>", "a.gz").expect("a page").contains("not a gzip file"));
        assert_eq!(verdict(&whole[..whole.len() - 1], "a.gz").expect("cut"), "its end is missing");
        let mut flipped = whole.clone();
        flipped[whole.len() - 8] ^= 1;
        assert!(verdict(&flipped, "a.gz").expect("its own sum is wrong").contains("not a gzip file"));
        assert!(verdict(&[&whole[..], b"more"].concat(), "a.gz").is_some());
    }

    #[test]
    fn unpacking_ends_where_the_content_should() {
        let bomb = gzip(&vec![0; 1 << 24], 9);
        assert_eq!(verdict(&bomb, "a.gz").expect("too long"), "its content is longer than 3 bytes");
    }
}
