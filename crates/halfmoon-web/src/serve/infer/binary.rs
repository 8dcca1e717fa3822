//! The protocol's binary extension: behind the JSON stand the values of tensors as machines hold them, little-endian.
//!
//! The header says where the JSON ends, `binary_data_size` how many of the bytes behind it are a tensor's. Texts have their length before
//! them, in four bytes.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};

use crate::problem::Problem;

/// Says where the JSON of a body ends.
pub(super) const HEADER: HeaderName = HeaderName::from_static("inference-header-content-length");

/// The JSON of a body, and what stands behind it.
pub(super) fn parted<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let Some(end) = headers.get(HEADER) else { return Ok((body, &[])) };
    let end = end.to_str().ok().and_then(|end| end.parse().ok());
    end.and_then(|end| body.split_at_checked(end)).ok_or_else(|| {
        let problem = format!("it has to say where the JSON ends within the {} bytes of the body", body.len());
        Problem::new(StatusCode::BAD_REQUEST, problem).field(HEADER.as_str())
    })
}

/// The values that these bytes are, as JSON would have them: what it has no number for, such as NaN, is null.
pub(super) fn values(datatype: &str, bytes: &[u8]) -> Result<Vec<Value>, String> {
    match datatype {
        "BOOL" => each(bytes, |[byte]: [u8; 1]| json!(byte != 0)),
        "UINT8" => each(bytes, |bytes| json!(u8::from_le_bytes(bytes))),
        "UINT16" => each(bytes, |bytes| json!(u16::from_le_bytes(bytes))),
        "UINT32" => each(bytes, |bytes| json!(u32::from_le_bytes(bytes))),
        "UINT64" => each(bytes, |bytes| json!(u64::from_le_bytes(bytes))),
        "INT8" => each(bytes, |bytes| json!(i8::from_le_bytes(bytes))),
        "INT16" => each(bytes, |bytes| json!(i16::from_le_bytes(bytes))),
        "INT32" => each(bytes, |bytes| json!(i32::from_le_bytes(bytes))),
        "INT64" => each(bytes, |bytes| json!(i64::from_le_bytes(bytes))),
        "FP16" => each(bytes, |bytes| json!(of_half(u16::from_le_bytes(bytes)))),
        "FP32" => each(bytes, |bytes| json!(f32::from_le_bytes(bytes))),
        "FP64" => each(bytes, |bytes| json!(f64::from_le_bytes(bytes))),
        "BYTES" => texts(bytes),
        other => Err(format!("`{}` is no type that is known", other.chars().take(50).collect::<String>())),
    }
}

fn each<const N: usize>(bytes: &[u8], value: fn([u8; N]) -> Value) -> Result<Vec<Value>, String> {
    let (whole, rest) = bytes.as_chunks::<N>();
    if rest.is_empty() {
        return Ok(whole.iter().map(|bytes| value(*bytes)).collect());
    }
    Err(format!("{} bytes are no values of {N} each", bytes.len()))
}

fn texts(mut bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let text = bytes
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?));
        let (text, rest) =
            text.ok_or_else(|| format!("text {} is longer than the bytes that are there", found.len()))?;
        let text = str::from_utf8(text).map_err(|_| format!("text {} is no UTF-8", found.len()))?;
        found.push(json!(text));
        bytes = rest;
    }
    Ok(found)
}

/// A number of 16 bits: sign, five bits of exponent, ten of fraction.
fn of_half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction > 0.0 => f32::NAN,
        0x1f => f32::INFINITY,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(i32::from(exponent) - 15),
    };
    if sign == 1 { -size } else { size }
}

/// The bytes of values that an answer has: a number that is missing is NaN.
pub(super) fn bytes(datatype: &str, values: &[Value]) -> Vec<u8> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    values
        .iter()
        .flat_map(|value| match datatype {
            "BOOL" => vec![u8::from(value.as_bool().unwrap_or_default())],
            "FP64" => number(value).to_le_bytes().to_vec(),
            "BYTES" => {
                let text = value.as_str().unwrap_or_default();
                // A class's name is far shorter than four gibibytes.
                let length = u32::try_from(text.len()).unwrap_or_default();
                [&length.to_le_bytes(), text.as_bytes()].concat()
            }
            #[expect(clippy::cast_possible_truncation, reason = "it was made of a number of 32 bits")]
            _ => (number(value) as f32).to_le_bytes().to_vec(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_values_that_machines_mean_by_them() {
        let of = |datatype: &str, bytes: &[u8]| values(datatype, bytes).map(Value::Array);
        assert_eq!(of("FP32", &[0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f]), Ok(json!([1.0, null])));
        assert_eq!(of("INT16", &[0xff, 0xff, 1, 1]), Ok(json!([-1, 257])));
        assert_eq!(of("UINT8", &[200]), Ok(json!([200])));
        assert_eq!(of("BOOL", &[0, 1]), Ok(json!([false, true])));
        // 1.5 is 0x3e00, −2 is 0xc000, the least above nothing 2⁻²⁴.
        assert_eq!(of("FP16", &[0, 0x3e, 0, 0xc0, 1, 0]), Ok(json!([1.5, -2.0, 2_f32.powi(-24)])));
        assert_eq!(of("BYTES", &[2, 0, 0, 0, 0xc3, 0xbc, 0, 0, 0, 0]), Ok(json!(["ü", ""])));
        for (datatype, wrong) in [
            ("FP32", &[0_u8; 3][..]),
            ("BYTES", &[9, 0, 0, 0, 1]),
            ("BYTES", &[1, 0, 0]),
            ("BYTES", &[1, 0, 0, 0, 0xff]),
            ("COMPLEX", &[]),
        ] {
            assert!(values(datatype, wrong).is_err(), "{datatype} {wrong:?}");
        }
    }

    #[test]
    fn what_goes_out_comes_in_again() {
        for (datatype, sent) in [
            ("FP32", json!([0.25, -3.0, null])),
            ("FP64", json!([0.1, null])),
            ("BOOL", json!([true, false])),
            ("BYTES", json!(["red", "", "🌗"])),
        ] {
            let sent = sent.as_array().expect("an array");
            assert_eq!(values(datatype, &bytes(datatype, sent)).as_ref(), Ok(sent), "{datatype}");
        }
    }
}
