//! Tensors of the protocol to rows.

use std::fmt;

use halfmoon_pool::Schema;
use halfmoon_pool::dataset::{Column, ColumnKind, Features, ImageShape};
use halfmoon_pool::error::did_you_mean;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use utoipa::ToSchema;

use super::binary::values;
use crate::problem::Problem;

/// Numbers, truths or texts in a shape, the last axis innermost.
#[derive(Deserialize, ToSchema)]
pub(super) struct Tensor {
    /// A column's, where there is one a column.
    name: String,
    /// The number of rows comes first.
    shape: Vec<usize>,
    #[schema(pattern = "^(BOOL|U?INT(8|16|32|64)|FP(16|32|64)|BYTES)$")]
    datatype: String,
    /// Flat, or nested as the shape is. Absent where the values stand behind the JSON.
    #[serde(default)]
    #[schema(value_type = Vec<Value>)]
    data: Flat,
    #[serde(default)]
    parameters: Behind,
}

/// Values that stand behind the JSON.
#[derive(Deserialize, ToSchema, Default)]
struct Behind {
    /// How many of the bytes there; those of the tensor before come first.
    binary_data_size: Option<usize>,
}

/// A value a column, or a pixel, of each row. `behind` is what stands behind the JSON.
pub(super) fn rows(mut inputs: Vec<Tensor>, mut behind: &[u8], schema: &Schema) -> Result<Vec<Vec<Value>>, Problem> {
    for (at, tensor) in inputs.iter_mut().enumerate() {
        let wrong = |what| Problem::of_field(format!("inputs[{at}].parameters.binary_data_size"), what);
        behind = tensor.fill(behind).map_err(wrong)?;
        tensor.check().map_err(|(field, what)| Problem::of_field(format!("inputs[{at}].{field}"), what))?;
    }
    if !behind.is_empty() {
        return Err(Problem::of_field("body", format!("{} bytes behind the JSON are no tensor's", behind.len())));
    }
    let rows = match &schema.features {
        Features::Image(shape) => pictures(inputs, shape)?,
        Features::Columns(columns) => match <[Tensor; 1]>::try_from(inputs) {
            Ok([one]) if is_matrix(&one, columns) => matrix(one, columns),
            Ok(one) => by_column(one.into(), columns)?,
            Err(inputs) => by_column(inputs, columns)?,
        },
    };
    if rows.is_empty() { Err(Problem::of_field("inputs", "they hold no row")) } else { Ok(rows) }
}

impl Tensor {
    /// Takes its values from what stands behind the JSON, where it says so; what is left.
    fn fill<'a>(&mut self, behind: &'a [u8]) -> Result<&'a [u8], String> {
        let Some(size) = self.parameters.binary_data_size else { return Ok(behind) };
        if !self.data.0.is_empty() {
            return Err("the values stand in `data` already".to_owned());
        }
        let parts = behind.split_at_checked(size);
        let (own, rest) = parts.ok_or_else(|| format!("it is {size}, and {} bytes are left", behind.len()))?;
        self.data.0 = values(&self.datatype, own)?;
        Ok(rest)
    }

    /// The field that is wrong, and what is.
    fn check(&self) -> Result<(), (String, String)> {
        let cells = self.shape.iter().try_fold(1_usize, |cells, &side| cells.checked_mul(side));
        if self.shape.is_empty() || cells != Some(self.data.0.len()) {
            let problem = format!("it has {} values, which is not the shape {:?}", self.data.0.len(), self.shape);
            return Err(("data".to_owned(), problem));
        }
        let is_one: fn(&Value) -> bool = match &*self.datatype {
            "BOOL" => Value::is_boolean,
            "BYTES" => Value::is_string,
            "UINT8" | "UINT16" | "UINT32" | "UINT64" => Value::is_u64,
            "INT8" | "INT16" | "INT32" | "INT64" => |value| value.is_i64() || value.is_u64(),
            // What JSON has no number for, such as NaN.
            "FP16" | "FP32" | "FP64" => |value| value.is_number() || value.is_null(),
            other => {
                let shown: String = other.chars().take(50).collect();
                return Err(("datatype".to_owned(), format!("`{shown}` is none that is known")));
            }
        };
        match self.data.0.iter().position(|value| !is_one(value)) {
            Some(at) => Err((format!("data[{at}]"), format!("it is no {}", self.datatype))),
            None => Ok(()),
        }
    }

    fn is_of_numbers(&self) -> bool {
        !["BOOL", "BYTES"].contains(&&*self.datatype)
    }

    /// Rows of so many values.
    fn into_rows(self, width: usize) -> Vec<Vec<Value>> {
        let mut values = self.data.0.into_iter();
        (0..self.shape[0]).map(|_| values.by_ref().take(width).collect()).collect()
    }
}

fn pictures(inputs: Vec<Tensor>, shape: &ImageShape) -> Result<Vec<Vec<Value>>, Problem> {
    let count = inputs.len();
    let Ok([tensor]) = <[Tensor; 1]>::try_from(inputs) else {
        return Err(Problem::of_field("inputs", format!("there are {count} where one of pictures is wanted")));
    };
    let ImageShape { height, width, channels, .. } = *shape;
    let is_fit = match tensor.shape[1..] {
        [pixels] => pixels == shape.len(),
        [h, w] => (h, w, 1) == (height, width, channels),
        [h, w, c] => (h, w, c) == (height, width, channels),
        _ => false,
    };
    if !is_fit {
        let wanted = format!("[n, {height}, {width}, {channels}] or [n, {}] is wanted", shape.len());
        return Err(Problem::of_field("inputs[0].shape", format!("it is {:?} where {wanted}", tensor.shape)));
    }
    if !tensor.is_of_numbers() {
        return Err(Problem::of_field("inputs[0].datatype", "pixels are numbers"));
    }
    Ok(tensor.into_rows(shape.len()))
}

fn is_matrix(tensor: &Tensor, columns: &[Column]) -> bool {
    let is_column = columns.iter().any(|column| column.name == tensor.name);
    matches!(tensor.shape[..], [_, width] if width == columns.len() && !(is_column && width == 1))
}

fn matrix(tensor: Tensor, columns: &[Column]) -> Vec<Vec<Value>> {
    let rows = tensor.into_rows(columns.len()).into_iter();
    rows.map(|row| row.into_iter().zip(columns).map(|(value, column)| cell(value, column)).collect()).collect()
}

fn by_column(inputs: Vec<Tensor>, columns: &[Column]) -> Result<Vec<Vec<Value>>, Problem> {
    let rows = inputs.first().map_or(0, |first| first.shape[0]);
    let mut table: Vec<Option<Vec<Value>>> = columns.iter().map(|_| None).collect();
    for (at, tensor) in inputs.into_iter().enumerate() {
        let Some(position) = columns.iter().position(|column| column.name == tensor.name) else {
            let shown: String = tensor.name.chars().take(100).collect();
            let problem = Problem::of_field(format!("inputs[{at}].name"), format!("there is no column `{shown}`"));
            return Err(problem.hint(did_you_mean(&shown, columns.iter().map(|column| &*column.name))));
        };
        if tensor.shape != [rows] && tensor.shape != [rows, 1] {
            let problem = format!("it is {:?} where [{rows}] is wanted", tensor.shape);
            let hint = format!("or one tensor of all columns: [n, {}]", columns.len());
            return Err(Problem::of_field(format!("inputs[{at}].shape"), problem).hint(hint));
        }
        if table[position].replace(tensor.data.0).is_some() {
            return Err(Problem::of_field(format!("inputs[{at}].name"), "the column is there twice"));
        }
    }
    let mut cells = Vec::with_capacity(columns.len());
    for (column, values) in columns.iter().zip(table) {
        let missing = || Problem::of_field("inputs", format!("column {} is missing", column.name));
        cells.push(values.ok_or_else(missing)?.into_iter());
    }
    let row =
        |_| columns.iter().zip(&mut cells).map(|(column, of)| cell(of.next().unwrap_or_default(), column)).collect();
    Ok((0..rows).map(row).collect())
}

/// A number in a column of texts is the text of it: 3 where the file had `3`, though it comes as 3.0.
fn cell(value: Value, column: &Column) -> Value {
    match (&value, &column.kind) {
        (Value::Number(number), ColumnKind::YesNo { .. } | ColumnKind::Category { .. }) => Value::String(
            number.as_f64().filter(|_| number.is_f64()).map_or_else(|| number.to_string(), |x| x.to_string()),
        ),
        _ => value,
    }
}

/// Scalars, however deep the arrays are that they come in.
#[derive(Default)]
struct Flat(Vec<Value>);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Flat, D::Error> {
        let mut values = Vec::new();
        from.deserialize_seq(Into(&mut values))?;
        Ok(Flat(values))
    }
}

struct Into<'a>(&'a mut Vec<Value>);

impl<'de> DeserializeSeed<'de> for Into<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Into<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("numbers, truths or texts in arrays")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut of: A) -> Result<(), A::Error> {
        while of.next_element_seed(Into(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push(value.into());
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(value.into());
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(value.into());
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(value.into());
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.push(value.into());
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.push(Value::Null);
        Ok(())
    }
}
