//! Arrays as NumPy files.

/// NumPy's format, version 1.0: the header is padded so that the numbers start at a multiple of 64. `descr` is NumPy's name
/// of the numbers' type, such as `<f4`; `numbers` are their bytes, row by row.
pub(crate) fn npy(descr: &str, shape: &[usize], numbers: &[u8]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let shape = sizes.join(", ");
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape},), }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header = format!("{header:<width$}\n", width = length - 1);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(length).expect("a short header").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers);
    bytes
}
