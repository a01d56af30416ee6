//! `cosine_distance` and `inner_product`, DataFusion's own, for vectors as they are stored: lists of 32-bit numbers are compared
//! where they lie, and not copied into lists of 64-bit ones first. Nearest neighbours over embeddings are bound by reading then.
//!
//! Names, documentation and results are DataFusion's: NULL where a vector is NULL or holds one, an error where lengths differ.
//! Sums are of 64-bit numbers, in another order, so that last digits may differ.

mod values;

use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::datatypes::DataType;
use datafusion_common::utils::take_function_args;
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_functions_nested::{
    cosine_distance::cosine_distance_udf, inner_product::inner_product_udf,
};

use self::values::{Floats, Vectors, is_vector};

/// Both, to be registered over DataFusion's.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let faster = |kind| Arc::new(ScalarUDF::from(Faster::new(kind)));
    vec![faster(Kind::CosineDistance), faster(Kind::InnerProduct)]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    CosineDistance,
    InnerProduct,
}

/// A function of DataFusion's, faster where it can be.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Faster {
    kind: Kind,
    plain: Arc<ScalarUDF>,
    signature: Signature,
}

impl Faster {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            plain: match kind {
                Kind::CosineDistance => cosine_distance_udf(),
                Kind::InnerProduct => inner_product_udf(),
            },
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn of_rows(&self, left: &Vectors, right: &Vectors, rows: usize) -> Result<Float64Array> {
        match (left.floats()?, right.floats()?) {
            (Floats::Single(a), Floats::Single(b)) => self.each(left, a, right, b, rows),
            (Floats::Single(a), Floats::Double(b)) => self.each(left, a, right, b, rows),
            (Floats::Double(a), Floats::Single(b)) => self.each(left, a, right, b, rows),
            (Floats::Double(a), Floats::Double(b)) => self.each(left, a, right, b, rows),
        }
    }

    fn each<A: Copy + Into<f64>, B: Copy + Into<f64>>(
        &self,
        left: &Vectors,
        a: &[A],
        right: &Vectors,
        b: &[B],
        rows: usize,
    ) -> Result<Float64Array> {
        let compared = (0..rows).map(|row| {
            let (Some(left), Some(right)) = (left.place(row), right.place(row)) else {
                return Ok(None);
            };
            if left.len() != right.len() {
                return exec_err!(
                    "{} requires both list inputs to have the same length, got {} and {}",
                    self.name(),
                    left.len(),
                    right.len()
                );
            }
            let (a, b) = (&a[left], &b[right]);
            Ok(match self.kind {
                Kind::InnerProduct => Some(sums(a, b, |a, b| [a * b])[0]),
                Kind::CosineDistance => {
                    let [dot, a, b] = sums(a, b, |a, b| [a * b, a * a, b * b]);
                    (a != 0.0 && b != 0.0).then(|| 1.0 - dot / (a.sqrt() * b.sqrt()))
                }
            })
        });
        compared.collect()
    }
}

/// Sums over the pairs of two slices of one length, in lanes that a processor adds at a time.
fn sums<A: Copy + Into<f64>, B: Copy + Into<f64>, const N: usize>(
    a: &[A],
    b: &[B],
    of: impl Fn(f64, f64) -> [f64; N],
) -> [f64; N] {
    const LANES: usize = 8;
    let mut lanes = [[0.0; LANES]; N];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_lanes.remainder(), b_lanes.remainder());
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            let more = of(a[lane].into(), b[lane].into());
            for (sum, more) in lanes.iter_mut().zip(more) {
                sum[lane] += more;
            }
        }
    }
    let mut all = lanes.map(|lanes| lanes.iter().sum());
    for (a, b) in a_rest.iter().zip(b_rest) {
        for (sum, more) in all.iter_mut().zip(of((*a).into(), (*b).into())) {
            *sum += more;
        }
    }
    all
}

impl ScalarUDFImpl for Faster {
    fn name(&self) -> &str {
        self.plain.name()
    }

    fn aliases(&self) -> &[String] {
        self.plain.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.plain.return_type(arg_types)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [a, b] = take_function_args(self.name(), arg_types)?;
        let coerced = self.plain.coerce_types(arg_types)?;
        let kept = [a, b].into_iter().zip(coerced);
        Ok(kept
            .map(|(given, coerced)| match is_vector(given) {
                true => given.clone(),
                false => coerced,
            })
            .collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [a, b] = take_function_args(self.name(), &args.args)?;
        let (left, right) = (Vectors::of(a)?, Vectors::of(b)?);
        if let (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) = (a, b) {
            let distance = self.of_rows(&left, &right, 1)?;
            let value = ScalarValue::try_from_array(&distance, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        let distances = self.of_rows(&left, &right, args.number_rows)?;
        Ok(ColumnarValue::Array(Arc::new(distances)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.plain.documentation()
    }
}
