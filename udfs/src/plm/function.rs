//! An operation as a SQL function. Its model and its options are constants; the model is pinned to a version, down to its bytes,
//! while the query is planned, so that every node computes with the same.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, StructArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, ScalarValue, exec_err, plan_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::catalogue::{Models, Pin};
use super::operation::{Input, Job, Operation, Outcome};
use super::{words, work};
use crate::args::{self, Parameter, Texts};

/// A function over models.
#[derive(Debug, Clone)]
pub struct Function {
    operation: Arc<dyn Operation>,
    /// Whether it gives the reason beside the value.
    is_try: bool,
    name: String,
    signature: Signature,
    models: Arc<dyn Models>,
    documentation: Option<Documentation>,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Function {
    pub(super) fn new(
        operation: Arc<dyn Operation>,
        is_try: bool,
        models: Arc<dyn Models>,
    ) -> Self {
        let name = match is_try {
            true => format!("try_{}", operation.name()),
            false => operation.name().to_owned(),
        };
        let fewest = operation.texts() + 1;
        let signatures = (0..=operation.options().len())
            .map(|options| TypeSignature::Coercible(vec![args::text(); fewest + options]));
        Self {
            signature: Signature::one_of(signatures.collect(), Volatility::Immutable),
            documentation: operation.documentation().map(|plain| match is_try {
                true => of_try(plain, operation.as_ref()),
                false => plain.clone(),
            }),
            name,
            operation,
            is_try,
            models,
        }
    }

    /// How many texts of a row stand before the model.
    pub fn texts(&self) -> usize {
        self.operation.texts()
    }

    /// The model that a planned call names; `constants` are its arguments behind the texts.
    ///
    /// # Errors
    /// A call that was not planned.
    pub fn pin(&self, constants: &[ScalarValue]) -> Result<Pin> {
        match constants.first().and_then(words::text) {
            Some(model) => model.parse(),
            None => exec_err!("{}: the model is not known", self.name),
        }
    }

    /// Tokens that a row costs whose texts have so many residues together; `constants` as in [`Self::pin`].
    ///
    /// # Errors
    /// Unknown options.
    pub fn tokens(&self, residues: u64, constants: &[ScalarValue]) -> Result<u64> {
        let options = constants.get(1..).unwrap_or_default();
        let words = self.words(options.iter().map(Some))?;
        Ok(self.operation.tokens(residues, &words))
    }

    /// What is the same of a call and its `try_` form.
    pub fn plain_name(&self) -> &'static str {
        self.operation.name()
    }

    fn words<'a>(
        &self,
        given: impl Iterator<Item = Option<&'a ScalarValue>>,
    ) -> Result<Vec<&'static str>> {
        let mut given = given;
        let options = self.operation.options().iter().map(|option| {
            let word = match given.next() {
                None => None,
                Some(scalar) => match scalar.and_then(words::text) {
                    Some(word) => Some(word),
                    None => {
                        return plan_err!(
                            "{}: the {} must be a constant: {}",
                            self.name,
                            option.name,
                            option.known.join(", ")
                        );
                    }
                },
            };
            option.find(word)
        });
        options.collect()
    }

    fn result_type(&self, value: DataType) -> DataType {
        match self.is_try {
            true => DataType::Struct(fields(value)),
            false => value,
        }
    }
}

fn fields(value: DataType) -> Fields {
    Fields::from(vec![
        Field::new("value", value, true),
        Field::new("error", DataType::Utf8, true),
    ])
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        plan_err!("{} needs its model to tell its type", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let (_, constants) = args.scalar_arguments.split_at(self.texts());
        let Some(model) = constants.first().copied().flatten().and_then(words::text) else {
            return plan_err!(
                "{}: the model must be a constant text, a name or name@version (SHOW MODELS lists them)",
                self.name
            );
        };
        let words = self.words(constants[1..].iter().copied())?;
        let resolved = self.models.resolve(model)?;
        let value = self.operation.value_type(resolved.dimension, &words);
        Ok(Arc::new(Field::new(
            self.name(),
            self.result_type(value),
            true,
        )))
    }

    /// Names the version and its digest.
    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(Expr::Literal(model, _)) = args.get_mut(self.texts()) else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let pin = match words::text(model) {
            Some(name) => self.models.resolve(name)?.pin.to_string(),
            None => return Ok(ExprSimplifyResult::Original(args)),
        };
        if words::text(model) == Some(&pin) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        *model = ScalarValue::Utf8(Some(pin));
        let function = Arc::new(ScalarUDF::from(self.clone()));
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(
            ScalarFunction::new_udf(function, args),
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        if is_constant && work::is_planning() {
            return exec_err!("{} is computed when the query runs", self.name);
        }
        let (texts, constants) = args.args.split_at(self.texts());
        let mut scalars = Vec::with_capacity(constants.len());
        for constant in constants {
            match constant {
                ColumnarValue::Scalar(scalar) => scalars.push(scalar.clone()),
                ColumnarValue::Array(_) => {
                    return exec_err!("{}: the model and options must be constants", self.name);
                }
            }
        }
        let words = self.words(scalars[1..].iter().map(Some))?;
        let pin = match self.pin(&scalars) {
            Ok(pin) => pin,
            // A call that no planner has seen.
            Err(_) => {
                let model = words::text(&scalars[0]).unwrap_or_default();
                self.models.resolve(model)?.pin
            }
        };
        let rows = if is_constant { 1 } else { args.number_rows };
        let held: Vec<Texts> = texts.iter().map(Texts::read).collect::<Result<_>>()?;
        let (inputs, places) = distinct(&held, rows)?;
        let work = work::current();
        let model = match work.model(&pin) {
            Some(model) => model,
            None => self.models.load(&pin)?,
        };
        let value_type = self
            .operation
            .value_type(model.description().dimension, &words);
        let job = Job {
            model: &model,
            words: &words,
            work: &work,
        };
        work.count_sequences(inputs.len());
        let outcome = self.operation.compute(&job, &inputs)?;
        let results = self.shown(outcome, value_type)?;
        let results = take(&results, &UInt32Array::from(places), None)?;
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&results, 0)?),
            false => ColumnarValue::Array(results),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.documentation.as_ref()
    }
}

impl Function {
    fn shown(&self, outcome: Outcome, value_type: DataType) -> Result<ArrayRef> {
        debug_assert_eq!(outcome.values.data_type(), &value_type);
        if !self.is_try {
            return Ok(outcome.values);
        }
        let reasons: ArrayRef = Arc::new(StringArray::from(outcome.reasons));
        let columns = vec![outcome.values, reasons];
        let both = StructArray::try_new(fields(value_type), columns, None)?;
        Ok(Arc::new(both))
    }
}

/// The rows that differ from each other, and which of them each row is: none where a text is NULL.
fn distinct(texts: &[Texts], rows: usize) -> Result<(Vec<Input<'_>>, Vec<Option<u32>>)> {
    let mut columns = texts.iter().map(Texts::parameter);
    let first = columns.next().transpose()?;
    let second = columns.next().transpose()?;
    let mut inputs = Vec::new();
    let mut known: HashMap<Input<'_>, u32> = HashMap::new();
    let mut places = Vec::with_capacity(rows);
    for row in 0..rows {
        let text = first.as_ref().and_then(|first| at(first, row));
        let beside = match &second {
            None => Some(""),
            Some(second) => at(second, row),
        };
        places.push(text.zip(beside).map(|(text, second)| {
            let input = Input { text, second };
            *known.entry(input).or_insert_with(|| {
                inputs.push(input);
                inputs.len() as u32 - 1
            })
        }));
    }
    Ok((inputs, places))
}

fn at<'a>(texts: &Parameter<&'a str>, row: usize) -> Option<&'a str> {
    match texts {
        Parameter::Constant(text) => *text,
        Parameter::Rows(texts) => texts.get(row).copied().flatten(),
    }
}

/// The documentation of a `try_` form.
fn of_try(plain: &Documentation, operation: &dyn Operation) -> Documentation {
    let name = operation.name();
    let (texts, reason) = operation.refused();
    let width = reason.chars().count();
    let line = format!("+-{}-+", "-".repeat(width));
    let example = format!(
        "```sql\n> SELECT try_{name}({texts}, 'antiberty')['error'] AS error;\n{line}\n| {:<width$} |\n{line}\n| {reason} |\n{line}\n```",
        "error"
    );
    Documentation {
        description: format!(
            "As `{name}`, and why a row has no value. Returns a struct: `value`, and `error`, a text that begins with a stable word: `empty`, `too_long` (more residues than the model reads), `not_a_residue` (neither a letter nor `_`), `not_an_amino_acid` (a letter beyond the 20 where a likelihood is asked for), and for mutations `wrong_wild_type`, `no_residue`, `bad_mutation`, `mutated_twice`."
        ),
        syntax_example: format!("try_{}", plain.syntax_example),
        sql_example: Some(example),
        related_udfs: Some(vec![name.to_owned()]),
        ..plain.clone()
    }
}
