//! Vectors of a column or a constant, where they lie.

use std::ops::Range;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion_common::{Result, internal_err};
use datafusion_expr::ColumnarValue;

/// Whether values of a type are compared where they lie.
pub(super) fn is_vector(kind: &DataType) -> bool {
    match kind {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            matches!(field.data_type(), DataType::Float32 | DataType::Float64)
        }
        _ => false,
    }
}

/// The numbers of all vectors of a column, one after another.
pub(super) enum Floats<'a> {
    /// Of 32 bits.
    Single(&'a [f32]),
    /// Of 64 bits.
    Double(&'a [f64]),
}

enum Bounds {
    Short(OffsetBuffer<i32>),
    Long(OffsetBuffer<i64>),
    Fixed(usize),
}

/// The vectors of a column, or the one that is the same for all rows.
pub(super) struct Vectors {
    numbers: ArrayRef,
    bounds: Bounds,
    nulls: Option<NullBuffer>,
    is_constant: bool,
}

impl Vectors {
    /// Those of an argument.
    ///
    /// # Errors
    /// Another type than [`is_vector`] allows.
    pub(super) fn of(argument: &ColumnarValue) -> Result<Self> {
        let (array, is_constant) = match argument {
            ColumnarValue::Array(array) => (ArrayRef::clone(array), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let (numbers, bounds) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (list.values(), Bounds::Short(list.offsets().clone()))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (list.values(), Bounds::Long(list.offsets().clone()))
            }
            DataType::FixedSizeList(_, size) => {
                let size = usize::try_from(*size).unwrap_or(0);
                (array.as_fixed_size_list().values(), Bounds::Fixed(size))
            }
            other => return internal_err!("{other} is no vector"),
        };
        Ok(Self {
            numbers: ArrayRef::clone(numbers),
            bounds,
            nulls: array.nulls().cloned(),
            is_constant,
        })
    }

    /// Their numbers.
    ///
    /// # Errors
    /// Another type than [`is_vector`] allows.
    pub(super) fn floats(&self) -> Result<Floats<'_>> {
        let numbers = &self.numbers;
        match numbers.data_type() {
            DataType::Float32 => Ok(Floats::Single(
                numbers.as_primitive::<Float32Type>().values(),
            )),
            DataType::Float64 => Ok(Floats::Double(
                numbers.as_primitive::<Float64Type>().values(),
            )),
            other => internal_err!("{other} is no number of a vector"),
        }
    }

    /// Where the vector of a row is in them; `None` where it is NULL or holds one.
    pub(super) fn place(&self, row: usize) -> Option<Range<usize>> {
        let row = if self.is_constant { 0 } else { row };
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let place = match &self.bounds {
            Bounds::Short(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Bounds::Long(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Bounds::Fixed(size) => row * size..(row + 1) * size,
        };
        let holds_null = self.numbers.null_count() > 0
            && self.numbers.slice(place.start, place.len()).null_count() > 0;
        (!holds_null).then_some(place)
    }
}
