//! `CREATE MODEL`, `SHOW MODELS`, `DROP MODEL`, `EXPLAIN INFERENCE`.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::statement::{Statement, options};
use super::{Scope, execute, resolve};
use crate::catalog::SCHEMAS;
use crate::error::{Error, Result};
use crate::inference::{self, Estimate};
use crate::models::{Listed, ModelName, NewModel, Precision, precision};
use crate::policy::Deed;
use crate::session::{Answer, Session};

/// What the options of `CREATE MODEL` are called.
const OPTIONS: &str = "version, precision, licence";

/// The rest of `CREATE MODEL name FROM 'place' [OPTIONS (…)]`.
pub fn parse_create(parser: &mut Parser<'_>) -> Result<Statement> {
    let name = name(parser)?;
    parser.expect_keyword(Keyword::FROM)?;
    let source = parser.parse_literal_string()?;
    let options = match parser.parse_keyword(Keyword::OPTIONS) {
        true => options(parser)?,
        false => Vec::new(),
    };
    Ok(Statement::CreateModel {
        name,
        source,
        options,
    })
}

/// The rest of `DROP MODEL [IF EXISTS] name`.
pub fn parse_drop(parser: &mut Parser<'_>) -> Result<Statement> {
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    Ok(Statement::DropModel {
        name: name(parser)?,
        if_exists,
    })
}

/// The rest of `EXPLAIN INFERENCE query`.
pub fn parse_explain(parser: &mut Parser<'_>) -> Result<Statement> {
    let query = Ast::Query(parser.parse_query()?);
    let mut statement = Plain::Statement(Box::new(query));
    resolve::resolve(&mut statement)?;
    Ok(Statement::ExplainInference(Box::new(statement)))
}

/// `antiberty`, or `'antiberty@0.1.3'`.
fn name(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let name = match parser.peek_token_ref().token {
        Token::SingleQuotedString(_) => parser.parse_literal_string()?,
        _ => parser.parse_identifier()?.value,
    };
    match parser.peek_token_ref().token {
        Token::AtSign | Token::Period | Token::Number(..) => Err(ParserError::ParserError(
            format!("a name with a version stands in quotes: '{name}…'"),
        )),
        _ => Ok(name),
    }
}

/// Adds a model; answers with its row of `SHOW MODELS`.
pub async fn create(
    session: &Session,
    name: &str,
    source: &str,
    options: Vec<(String, String)>,
) -> Result<Answer> {
    let mut name: ModelName = name.parse()?;
    check(session, Deed::Write, &name.name)?;
    let mut new = NewModel {
        name: name.clone(),
        source: source.parse()?,
        precision: Precision::F32,
        licence: None,
    };
    for (key, value) in options {
        match key.as_str() {
            "version" if name.version.is_some() => {
                return Err(Error::Invalid(format!("{name} names a version already")));
            }
            "version" => name = format!("{}@{value}", name.name).parse()?,
            "precision" => new.precision = precision(&value)?,
            "licence" | "license" => new.licence = Some(value),
            _ => {
                return Err(Error::Invalid(format!(
                    "CREATE MODEL has no option {key}; it has {OPTIONS}"
                )));
            }
        }
    }
    new.name = name;
    let library = session.require_lake()?.models();
    let added = library.add(session.access(), new).await?;
    let listed = library.list().into_iter();
    rows(
        &listed
            .filter(|listed| listed.manifest.pin() == added.pin())
            .collect::<Vec<_>>(),
    )
}

/// Removes a version of a model.
pub async fn drop(session: &Session, name: &str, if_exists: bool) -> Result<Answer> {
    let name: ModelName = name.parse()?;
    check(session, Deed::Write, &name.name)?;
    match session.require_lake()?.models().remove(&name).await {
        Err(Error::NotFound(_)) if if_exists => Answer::done(),
        Err(error) => Err(error),
        Ok(_) => Answer::done(),
    }
}

/// Every version of every model.
pub async fn show(session: &Session) -> Result<Answer> {
    check(session, Deed::Read, "models")?;
    let library = session.require_lake()?.models();
    library.refresh().await?;
    rows(&library.list())
}

/// What a query would send through models: a row a call.
pub async fn explain(session: &Session, query: Plain) -> Result<Answer> {
    let scope = Scope::new(session).await?;
    let plan = scope.plan(query).await?;
    execute::check(&plan)?;
    let plan = session.admit(plan)?;
    let estimates = inference::estimate(scope.state(), &plan, scope.task_context()).await?;
    let text = |of: fn(&Estimate) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(estimates.iter().map(of)))
    };
    let number = |of: fn(&inference::Counted) -> u64| -> ArrayRef {
        let counts = estimates.iter().map(|it| it.counts.as_ref().map(of));
        Arc::new(counts.collect::<UInt64Array>())
    };
    let share = estimates.iter().map(|it| {
        let counts = it.counts?;
        Some(counts.known as f64 / counts.distinct.max(1) as f64)
    });
    let seconds = estimates.iter().map(|it| it.seconds);
    let arrays = vec![
        text(|it| &it.function),
        text(|it| &it.model),
        number(|it| it.rows),
        number(|it| it.distinct),
        number(|it| it.tokens),
        Arc::new(share.collect::<Float64Array>()) as ArrayRef,
        number(|it| it.left),
        Arc::new(seconds.collect::<Float64Array>()) as ArrayRef,
    ];
    Answer::rows(RecordBatch::try_new(estimated(), arrays)?)
}

fn estimated() -> SchemaRef {
    let number = |name| Field::new(name, DataType::UInt64, true);
    Arc::new(Schema::new(vec![
        Field::new("function", DataType::Utf8, false),
        Field::new("model", DataType::Utf8, false),
        number("rows"),
        number("distinct_sequences"),
        number("tokens"),
        Field::new("cached_share", DataType::Float64, true),
        number("tokens_to_compute"),
        Field::new("estimated_s", DataType::Float64, true),
    ]))
}

/// Models are the lake's as its tables are.
fn check(session: &Session, deed: Deed, name: &str) -> Result<()> {
    session.caller().grants.check(deed, SCHEMAS[0], name)
}

/// What these statements answer; `None` for others.
pub fn schema(statement: &Statement) -> Option<SchemaRef> {
    match statement {
        Statement::CreateModel { .. } => Some(columns()),
        Statement::DropModel { .. } => Some(Arc::new(Schema::empty())),
        Statement::ExplainInference(_) => Some(estimated()),
        _ => None,
    }
}

fn columns() -> SchemaRef {
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name, nullable| Field::new(name, DataType::UInt64, nullable);
    Arc::new(Schema::new(vec![
        text("name", false),
        text("version", false),
        Field::new("is_default", DataType::Boolean, false),
        text("family", false),
        text("precision", false),
        number("dimension", false),
        number("layers", false),
        number("max_residues", true),
        number("parameters", false),
        number("bytes", false),
        text("licence", true),
        text("source", false),
        text("digest", false),
        text("added_at", false),
        number("resident_bytes", true),
    ]))
}

fn rows(listed: &[Listed]) -> Result<Answer> {
    let text = |of: fn(&Listed) -> Option<&str>| -> ArrayRef {
        Arc::new(listed.iter().map(of).collect::<StringArray>())
    };
    let number = |of: fn(&Listed) -> Option<u64>| -> ArrayRef {
        Arc::new(listed.iter().map(of).collect::<UInt64Array>())
    };
    let is_default = listed.iter().map(|listed| Some(listed.is_default));
    let arrays = vec![
        text(|it| Some(&it.manifest.name)),
        text(|it| Some(&it.manifest.version)),
        Arc::new(is_default.collect::<BooleanArray>()) as ArrayRef,
        text(|it| Some(&it.manifest.family)),
        text(|it| Some(&it.manifest.precision)),
        number(|it| Some(it.manifest.dimension as u64)),
        number(|it| Some(it.manifest.layers as u64)),
        number(|it| it.manifest.max_residues.map(|most| most as u64)),
        number(|it| Some(it.manifest.parameters)),
        number(|it| Some(it.manifest.bytes())),
        text(|it| it.manifest.licence.as_deref()),
        text(|it| Some(&it.manifest.source)),
        text(|it| Some(&it.manifest.digest)),
        text(|it| Some(&it.manifest.added_at)),
        number(|it| it.resident_bytes.map(|bytes| bytes as u64)),
    ];
    Answer::rows(RecordBatch::try_new(columns(), arrays)?)
}
