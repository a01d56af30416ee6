//! Parameters of statements (`$1`, `?`, `$name`): which there are, and values put in their place.
//!
//! Values become literals of the syntax tree, so every statement takes them, those included that a lake adds; text in a
//! value can never be read as SQL, for no text is put together.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::sql::parser::{CopyToSource, Statement as Plain};
use datafusion::sql::sqlparser::ast::{
    Array, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, SetExpr, Statement as Ast, Value, VisitMut as _, VisitorMut,
};

use super::Statement;
use crate::error::{Error, Result};

/// Gives `?` their numbers: the first is `$1`.
pub fn number(statement: &mut Plain) {
    let mut next = 0;
    let _ = visit(statement, &mut |name| {
        (name == "?").then(|| {
            next += 1;
            Expr::Value(Value::Placeholder(format!("${next}")).into())
        })
    });
}

/// The names of a statement's parameters, numbers in their order and before words.
pub fn names(statement: &Statement) -> Vec<String> {
    let mut found = BTreeSet::new();
    if let Statement::Plain(plain) = statement {
        let _ = visit(&mut plain.as_ref().clone(), &mut |name| {
            found.insert((
                name[1..].parse::<u32>().unwrap_or(u32::MAX),
                name.to_string(),
            ));
            None
        });
    }
    found.into_iter().map(|(_, name)| name).collect()
}

/// The statements that a statement is with each row of parameters. `INSERT … VALUES` of one row becomes one statement
/// that inserts them all.
///
/// # Errors
/// A parameter without a column; a type that has no literal.
pub fn bind(statement: &Statement, rows: &RecordBatch) -> Result<Vec<Statement>> {
    let Statement::Plain(plain) = statement else {
        return match rows.num_columns() {
            0 => Ok(vec![statement.clone()]),
            _ => Err(Error::Unsupported(
                "this statement takes no parameters".into(),
            )),
        };
    };
    let mut bound = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let mut copy = plain.as_ref().clone();
        let mut failed = None;
        let _ = visit(&mut copy, &mut |name| match column(rows, name)
            .and_then(|column| value(rows, column, row))
        {
            Ok(value) => Some(value),
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        bound.push(copy);
    }
    if let Some(one) = together(&mut bound) {
        bound = vec![one];
    }
    Ok(bound
        .into_iter()
        .map(|plain| Statement::Plain(Box::new(plain)))
        .collect())
}

/// Statements that differ in one row of `VALUES` as one with all the rows.
fn together(bound: &mut Vec<Plain>) -> Option<Plain> {
    if bound.len() < 2 {
        return None;
    }
    let mut rows = Vec::with_capacity(bound.len());
    for statement in bound.iter_mut() {
        let values = values(statement)?;
        if values.len() != 1 {
            return None;
        }
        rows.push(values.first()?.clone());
    }
    let mut first = bound.swap_remove(0);
    *values(&mut first)? = rows;
    Some(first)
}

/// The rows of `INSERT … VALUES`.
fn values(
    statement: &mut Plain,
) -> Option<&mut Vec<datafusion::sql::sqlparser::ast::Parens<Vec<Expr>>>> {
    let Plain::Statement(inner) = statement else {
        return None;
    };
    let Ast::Insert(insert) = inner.as_mut() else {
        return None;
    };
    match insert.source.as_mut()?.body.as_mut() {
        SetExpr::Values(values) if !insert.overwrite => Some(&mut values.rows),
        _ => None,
    }
}

fn column(rows: &RecordBatch, name: &str) -> Result<usize> {
    let word = &name[1..];
    let found = match word.parse::<usize>() {
        Ok(number) => number.checked_sub(1).filter(|at| *at < rows.num_columns()),
        Err(_) => {
            let schema = rows.schema();
            let fields = schema.fields();
            fields.iter().position(|field| {
                let given = field.name();
                given == word || given == name
            })
        }
    };
    found.ok_or_else(|| {
        Error::Invalid(format!(
            "parameter {name} has no value: {} were bound",
            rows.num_columns()
        ))
    })
}

fn value(rows: &RecordBatch, column: usize, row: usize) -> Result<Expr> {
    let scalar = ScalarValue::try_from_array(rows.column(column), row)?;
    literal(&scalar)
        .map_err(|error| error.context(format!("parameter ${} of row {}", column + 1, row + 1)))
}

fn literal(value: &ScalarValue) -> Result<Expr> {
    if value.is_null() {
        return Ok(constant(Value::Null));
    }
    Ok(match value {
        ScalarValue::Dictionary(_, inner) => return literal(inner),
        // Some clients send every value as one of several types.
        ScalarValue::Union(Some((_, inner)), ..) => return literal(inner),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => constant(Value::SingleQuotedString(text.clone())),
        ScalarValue::Boolean(Some(flag)) => constant(Value::Boolean(*flag)),
        ScalarValue::Int64(Some(number)) if *number >= 0 => {
            constant(Value::Number(number.to_string(), false))
        }
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes)) => constant(Value::HexStringLiteral(hex(bytes))),
        ScalarValue::List(_) | ScalarValue::LargeList(_) | ScalarValue::FixedSizeList(_) => {
            list(value)?
        }
        other => typed(other)?,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn list(value: &ScalarValue) -> Result<Expr> {
    let array = value.to_array()?;
    let items = match value {
        ScalarValue::List(list) => list.value(0),
        ScalarValue::LargeList(list) => list.value(0),
        ScalarValue::FixedSizeList(list) => list.value(0),
        _ => array,
    };
    let elem = (0..items.len())
        .map(|at| literal(&ScalarValue::try_from_array(&items, at)?))
        .collect::<Result<Vec<_>>>()?;
    Ok(Expr::Array(Array { elem, named: false }))
}

/// `arrow_cast('text', 'type')`: exact for every type that has a text.
fn typed(value: &ScalarValue) -> Result<Expr> {
    let data_type = value.data_type();
    let has_text = data_type.is_numeric()
        || data_type.is_temporal()
        || matches!(data_type, DataType::Decimal32(..) | DataType::Decimal64(..));
    if !has_text {
        return Err(Error::Unsupported(format!(
            "a value of type {data_type} cannot be bound; bind a text, a number, a time, a binary value or a list of these"
        )));
    }
    let array = value.to_array()?;
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(&array, &options)?
        .value(0)
        .to_string();
    let arguments = [text, data_type.to_string()]
        .map(|text| constant(Value::SingleQuotedString(text)))
        .map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value)));
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("arrow_cast")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.to_vec(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }))
}

fn constant(value: Value) -> Expr {
    Expr::Value(value.into())
}

/// Calls `replace` with the name of each parameter and puts what it gives in its place.
fn visit(statement: &mut Plain, replace: &mut dyn FnMut(&str) -> Option<Expr>) -> ControlFlow<()> {
    let mut visitor = Parameters(replace);
    match statement {
        Plain::Statement(inner) => inner.visit(&mut visitor),
        Plain::Explain(explain) => visit(&mut explain.statement, visitor.0),
        Plain::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(&mut visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Plain::CreateExternalTable(_) | Plain::Reset(_) => ControlFlow::Continue(()),
    }
}

struct Parameters<'a>(&'a mut dyn FnMut(&str) -> Option<Expr>);

impl VisitorMut for Parameters<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expression
            && let Value::Placeholder(name) = &value.value
            && let Some(replacement) = (self.0)(&name.clone())
        {
            *expression = replacement;
        }
        ControlFlow::Continue(())
    }
}
