//! Columnar plumbing, in one place: functions see rows of text and an option, whatever the encoding.
//!
//! Text arrives as a scalar or an array, as `Utf8`, `LargeUtf8` or `Utf8View`, or as a dictionary of these. Kernels are costly
//! next to any of that, so each value of a dictionary and each run of equal neighbours is computed once.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringBuilder, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion_common::types::{NativeType, logical_float64, logical_int64, logical_string};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{
    Coercion, ColumnarValue, EncodingPreservation, ReturnFieldArgs, Signature, TypeSignature,
    TypeSignatureClass, Volatility,
};

/// One row for a kernel: the sequence and the option, or nothing where either is NULL.
pub(crate) type Row<'a, P> = Option<(&'a str, P)>;

/// The option of a call: one for all rows or one a row; `None` is NULL.
pub(crate) enum Parameter<P> {
    /// The same for all rows.
    Constant(Option<P>),
    /// One a row.
    Rows(Vec<Option<P>>),
}

impl<P: Copy> Parameter<P> {
    /// The same option as something else.
    pub(crate) fn map<Q>(self, change: impl Fn(P) -> Q) -> Parameter<Q> {
        match self {
            Parameter::Constant(option) => Parameter::Constant(option.map(change)),
            Parameter::Rows(options) => {
                let changed = options.into_iter().map(|option| option.map(&change));
                Parameter::Rows(changed.collect())
            }
        }
    }

    /// Both options together; NULL where one is.
    pub(crate) fn with<Q: Copy>(self, other: Parameter<Q>) -> Parameter<(P, Q)> {
        match (self, other) {
            (Parameter::Constant(one), Parameter::Constant(two)) => {
                Parameter::Constant(one.zip(two))
            }
            (Parameter::Constant(one), Parameter::Rows(two)) => {
                Parameter::Rows(two.into_iter().map(|two| one.zip(two)).collect())
            }
            (Parameter::Rows(one), Parameter::Constant(two)) => {
                Parameter::Rows(one.into_iter().map(|one| one.zip(two)).collect())
            }
            (Parameter::Rows(one), Parameter::Rows(two)) => {
                let both = one.into_iter().zip(two);
                Parameter::Rows(both.map(|(one, two)| one.zip(two)).collect())
            }
        }
    }
}

/// A further text of a call, held for as long as kernels look at it.
pub(crate) enum Texts {
    /// The same for all rows.
    Constant(Option<String>),
    /// One a row.
    Rows(ArrayRef),
}

impl Texts {
    /// The texts of an argument.
    pub(crate) fn read(argument: &ColumnarValue) -> Result<Self> {
        match argument {
            ColumnarValue::Scalar(scalar) => {
                let array = plain(&scalar.to_array()?)?;
                let text = strings(&array)?.first().copied().flatten();
                Ok(Texts::Constant(text.map(str::to_owned)))
            }
            ColumnarValue::Array(array) => Ok(Texts::Rows(plain(array)?)),
        }
    }

    /// The texts as an option of each row.
    pub(crate) fn parameter(&self) -> Result<Parameter<&str>> {
        match self {
            Texts::Constant(text) => Ok(Parameter::Constant(text.as_deref())),
            Texts::Rows(array) => strings(array).map(Parameter::Rows),
        }
    }
}

/// No option at all.
pub(crate) const NO_PARAMETER: Parameter<()> = Parameter::Constant(Some(()));

/// `f(text)`
pub(crate) fn text_signature() -> Signature {
    Signature::coercible(vec![text()], Volatility::Immutable)
}

/// `f(text [, text])`
pub(crate) fn text_and_name_signature() -> Signature {
    optional(vec![text()], text())
}

/// `f(text [, integer])`
pub(crate) fn text_and_integer_signature() -> Signature {
    optional(vec![text()], integer_type())
}

/// `f(text, text)`
pub(crate) fn two_texts_signature() -> Signature {
    Signature::coercible(vec![text(), text()], Volatility::Immutable)
}

/// `f(text, text [, text])`
pub(crate) fn two_texts_and_name_signature() -> Signature {
    optional(vec![text(), text()], text())
}

/// `f(text, number)`
pub(crate) fn text_and_number_signature() -> Signature {
    Signature::coercible(vec![text(), number_type()], Volatility::Immutable)
}

/// Any number, as `Float64`.
pub(crate) fn number_type() -> Coercion {
    Coercion::new_implicit(
        TypeSignatureClass::Native(logical_float64()),
        vec![TypeSignatureClass::Numeric],
        NativeType::Float64,
    )
}

/// Any integer, as `Int64`.
pub(crate) fn integer_type() -> Coercion {
    Coercion::new_implicit(
        TypeSignatureClass::Native(logical_int64()),
        vec![TypeSignatureClass::Integer],
        NativeType::Int64,
    )
}

/// Text, whatever its encoding.
pub(crate) fn text() -> Coercion {
    Coercion::new_exact(TypeSignatureClass::Native(logical_string()))
        .with_encoding_preservation(EncodingPreservation::dictionary())
}

fn optional(required: Vec<Coercion>, last: Coercion) -> Signature {
    let mut all = required.clone();
    all.push(last);
    Signature::one_of(
        vec![
            TypeSignature::Coercible(required),
            TypeSignature::Coercible(all),
        ],
        Volatility::Immutable,
    )
}

/// Runs a kernel over rows of text.
///
/// The kernel returns an array as long as its input, with NULL for `None`.
pub(crate) fn map<P: Copy + PartialEq>(
    texts: &ColumnarValue,
    parameter: &Parameter<P>,
    rows: usize,
    kernel: impl Fn(&[Row<'_, P>]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    match (texts, parameter) {
        (ColumnarValue::Scalar(scalar), Parameter::Constant(constant)) => {
            let array = plain(&scalar.to_array()?)?;
            let result = kernel(&pair(&strings(&array)?, |_| *constant))?;
            let value = ScalarValue::try_from_array(&result, 0)?;
            Ok(ColumnarValue::Scalar(value))
        }
        (ColumnarValue::Array(array), Parameter::Constant(constant)) => {
            if let Some(dictionary) = array.as_any_dictionary_opt()
                && dictionary.values().len() <= dictionary.len()
            {
                let values = plain(dictionary.values())?;
                let results = kernel(&pair(&strings(&values)?, |_| *constant))?;
                return Ok(ColumnarValue::Array(take(
                    &results,
                    dictionary.keys(),
                    None,
                )?));
            }
            let array = plain(array)?;
            let pairs = pair(&strings(&array)?, |_| *constant);
            Ok(ColumnarValue::Array(once_a_run(&pairs, kernel)?))
        }
        (texts, Parameter::Rows(parameters)) => {
            let array = plain(&texts.to_array(rows)?)?;
            let pairs = pair(&strings(&array)?, |row| {
                parameters.get(row).copied().flatten()
            });
            Ok(ColumnarValue::Array(once_a_run(&pairs, kernel)?))
        }
    }
}

/// Runs a kernel that gives text.
pub(crate) fn map_text<P: Copy + PartialEq>(
    texts: &ColumnarValue,
    parameter: &Parameter<P>,
    rows: usize,
    kernel: impl Fn(&str, P) -> Option<String>,
) -> Result<ColumnarValue> {
    map(texts, parameter, rows, |rows| {
        let mut builder = StringBuilder::with_capacity(rows.len(), 32 * rows.len());
        for row in rows {
            builder.append_option(row.and_then(|(text, parameter)| kernel(text, parameter)));
        }
        Ok(Arc::new(builder.finish()))
    })
}

/// Runs a kernel that gives a number.
pub(crate) fn map_number<P: Copy + PartialEq>(
    texts: &ColumnarValue,
    parameter: &Parameter<P>,
    rows: usize,
    kernel: impl Fn(&str, P) -> Option<f64>,
) -> Result<ColumnarValue> {
    map(texts, parameter, rows, |rows| {
        let numbers = rows
            .iter()
            .map(|row| row.and_then(|(text, parameter)| kernel(text, parameter)));
        Ok(Arc::new(numbers.collect::<Float64Array>()))
    })
}

/// The rows with their options.
fn pair<'a, P>(
    texts: &[Option<&'a str>],
    parameter: impl Fn(usize) -> Option<P>,
) -> Vec<Row<'a, P>> {
    texts
        .iter()
        .enumerate()
        .map(|(row, text)| text.zip(parameter(row)))
        .collect()
}

/// Computes each run of equal neighbours once.
fn once_a_run<P: Copy + PartialEq>(
    rows: &[Row<'_, P>],
    kernel: impl Fn(&[Row<'_, P>]) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let mut distinct: Vec<Row<'_, P>> = Vec::with_capacity(rows.len());
    let mut runs: Vec<u32> = Vec::with_capacity(rows.len());
    for row in rows {
        if distinct.last() != Some(row) {
            distinct.push(*row);
        }
        runs.push(distinct.len() as u32 - 1);
    }
    let results = kernel(&distinct)?;
    if distinct.len() == rows.len() {
        return Ok(results);
    }
    Ok(take(&results, &UInt32Array::from(runs), None)?)
}

/// An array of text without a dictionary.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, value) => Ok(cast(array, value)?),
        _ => Ok(Arc::clone(array)),
    }
}

fn strings(array: &ArrayRef) -> Result<Vec<Option<&str>>> {
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().collect(),
        DataType::Utf8View => array.as_string_view().iter().collect(),
        DataType::Null => vec![None; array.len()],
        other => return internal_err!("text expected, not {other}"),
    })
}

/// The option named by the last argument, or `default` where the call has none.
///
/// # Errors
/// An unknown name, with the known ones.
pub(crate) fn named<P>(argument: Option<&ColumnarValue>, default: P) -> Result<Parameter<P>>
where
    P: FromStr<Err: Display>,
{
    match argument {
        None => Ok(Parameter::Constant(Some(default))),
        Some(argument) => required(argument),
    }
}

/// The option named by an argument that no call leaves out.
///
/// # Errors
/// As [`named`].
pub(crate) fn required<P>(argument: &ColumnarValue) -> Result<Parameter<P>>
where
    P: FromStr<Err: Display>,
{
    match argument {
        ColumnarValue::Scalar(scalar) => parse_scalar(scalar).map(Parameter::Constant),
        ColumnarValue::Array(array) => {
            let array = plain(array)?;
            let names = strings(&array)?;
            let options = names.into_iter().map(|name| name.map(parse).transpose());
            options.collect::<Result<_>>().map(Parameter::Rows)
        }
    }
}

/// The same at planning, so that a wrong constant is refused before any row is read.
pub(crate) fn check_named<P>(args: &ReturnFieldArgs<'_>, index: usize) -> Result<()>
where
    P: FromStr<Err: Display>,
{
    match args.scalar_arguments.get(index) {
        Some(Some(scalar)) => parse_scalar::<P>(scalar).map(drop),
        _ => Ok(()),
    }
}

fn parse_scalar<P: FromStr<Err: Display>>(scalar: &ScalarValue) -> Result<Option<P>> {
    match scalar {
        ScalarValue::Dictionary(_, value) => parse_scalar(value),
        ScalarValue::Utf8(name) | ScalarValue::LargeUtf8(name) | ScalarValue::Utf8View(name) => {
            name.as_deref().map(parse).transpose()
        }
        scalar if scalar.is_null() => Ok(None),
        other => internal_err!("a name expected, not {}", other.data_type()),
    }
}

fn parse<P: FromStr<Err: Display>>(name: &str) -> Result<P> {
    name.parse().or_else(|error| exec_err!("{error}"))
}

/// The number of an argument.
pub(crate) fn number(argument: &ColumnarValue) -> Result<Parameter<f64>> {
    match argument {
        ColumnarValue::Scalar(ScalarValue::Float64(value)) => Ok(Parameter::Constant(*value)),
        ColumnarValue::Scalar(scalar) if scalar.is_null() => Ok(Parameter::Constant(None)),
        ColumnarValue::Scalar(scalar) => {
            internal_err!("a number expected, not {}", scalar.data_type())
        }
        ColumnarValue::Array(array) => {
            let array = cast(array, &DataType::Float64)?;
            let values = array.as_primitive::<Float64Type>();
            Ok(Parameter::Rows(values.iter().collect()))
        }
    }
}

/// The integer of the last argument, or `default` where the call has none.
pub(crate) fn integer(argument: Option<&ColumnarValue>, default: i64) -> Result<Parameter<i64>> {
    match argument {
        None => Ok(Parameter::Constant(Some(default))),
        Some(ColumnarValue::Scalar(ScalarValue::Int64(value))) => Ok(Parameter::Constant(*value)),
        Some(ColumnarValue::Scalar(scalar)) if scalar.is_null() => Ok(Parameter::Constant(None)),
        Some(ColumnarValue::Scalar(scalar)) => {
            internal_err!("an integer expected, not {}", scalar.data_type())
        }
        Some(ColumnarValue::Array(array)) => {
            let array = cast(array, &DataType::Int64)?;
            let values = array.as_primitive::<Int64Type>();
            Ok(Parameter::Rows(values.iter().collect()))
        }
    }
}
