//! From text to statements, those included that only a lake has.

use datafusion::sql::parser::{CopyToSource, CopyToStatement, DFParserBuilder, Statement as Plain};
use datafusion::sql::sqlparser::ast::{CreateView, Expr, ObjectName, Statement as Ast, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{IsOptional, Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::dialect::LakeDialect;
use super::{bind, clauses, depth, models, resolve};
use crate::error::{Error, Result};
use crate::jobs;
use crate::tables::Moment;

/// `SHOW JOBS`.
const JOBS: &str = "SELECT * FROM system.jobs ORDER BY job";
/// `SHOW QUERIES`.
const LIVE_QUERIES: &str = "SELECT * FROM system.queries ORDER BY enqueued_at";

/// One statement of a script.
#[derive(Debug, Clone)]
pub enum Statement {
    /// As DataFusion's parser has it.
    Plain(Box<Plain>),
    /// `CREATE VIEW`, with the text of its query as it is to be kept.
    CreateView(Box<CreateView>, String),
    /// `OPTIMIZE t [WHERE …] [ZORDER BY (…)]`.
    Optimize {
        /// The table.
        table: ObjectName,
        /// Which partitions.
        predicate: Option<Box<Expr>>,
        /// Columns of the z-order.
        zorder: Vec<Expr>,
    },
    /// `VACUUM t [RETAIN n HOURS] [DRY RUN]`.
    Vacuum {
        /// The table.
        table: ObjectName,
        /// How long removed files stay; the table's own retention where not given.
        retain_hours: Option<u64>,
        /// Only list what would be deleted.
        dry_run: bool,
    },
    /// `MAINTAIN [TABLE] [t] [DRY RUN]`.
    Maintain {
        /// The table; all without.
        table: Option<ObjectName>,
        /// Only tell what would be done.
        dry_run: bool,
    },
    /// `CHECKPOINT t`.
    Checkpoint(ObjectName),
    /// `KILL QUERY 'id'`.
    Kill(String),
    /// `RESTORE [TABLE] t TO VERSION AS OF n | TIMESTAMP AS OF '…'`.
    Restore(ObjectName, Moment),
    /// `DESCRIBE HISTORY t [LIMIT n]`.
    History(ObjectName, Option<usize>),
    /// `DESCRIBE DETAIL t`.
    Detail(ObjectName),
    /// `CREATE MODEL name FROM 'place' [OPTIONS (key value, …)]`.
    CreateModel {
        /// Name, perhaps with a version.
        name: String,
        /// A folder, a URL, a repository of a hub.
        source: String,
        /// Version, precision, licence.
        options: Vec<(String, String)>,
    },
    /// `DROP MODEL [IF EXISTS] name`.
    DropModel {
        /// Name, perhaps with a version.
        name: String,
        /// Whether one that is not there is no error.
        if_exists: bool,
    },
    /// `SHOW MODELS`.
    ShowModels,
    /// `EXPLAIN INFERENCE query`.
    ExplainInference(Box<Plain>),
    /// `CREATE [OR REPLACE] JOB [IF NOT EXISTS] j [OPTIONS (…)] AS …`.
    CreateJob(Box<CreateJob>),
    /// `DROP JOB [IF EXISTS] j`.
    DropJob {
        /// The job.
        name: String,
        /// Whether it may be gone already.
        if_exists: bool,
    },
    /// `COPY INTO t FROM 'glob'[, …] [OPTIONS (key value, …)]`.
    CopyInto {
        /// The table; `chains`.
        table: ObjectName,
        /// Files, folders, globs and URLs.
        inputs: Vec<String>,
        /// As `paratope ingest` has them.
        options: Vec<(String, String)>,
    },
}

/// What `CREATE JOB` says.
#[derive(Debug, Clone)]
pub struct CreateJob {
    /// The job.
    pub name: String,
    /// Whether it takes the place of one of its name.
    pub or_replace: bool,
    /// Whether one of its name stays.
    pub if_not_exists: bool,
    /// Settings of its header.
    pub settings: Vec<(String, String)>,
    /// Its statement, as it was written.
    pub sql: String,
}

impl Statement {
    /// Whether it only asks: SELECT, VALUES and the like.
    pub fn is_query(&self) -> bool {
        match self {
            Self::Plain(plain) => {
                matches!(plain.as_ref(), Plain::Statement(inner) if matches!(inner.as_ref(), Ast::Query(_)))
            }
            _ => false,
        }
    }

    /// Whether it looks after other statements: `KILL QUERY`, `SHOW QUERIES`.
    pub fn is_oversight(&self) -> bool {
        match self {
            Self::Kill(_) => true,
            Self::Plain(plain) => {
                let live = parse(LIVE_QUERIES).ok().and_then(|mut all| all.pop());
                matches!(live, Some(Self::Plain(live)) if live == *plain)
            }
            _ => false,
        }
    }
}

/// Splits a script into statements.
///
/// # Errors
/// A syntax error, with line and column; a clause that is not carried out.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    depth::check(sql)?;
    let tokens = Tokenizer::new(&LakeDialect::default(), sql)
        .tokenize_with_location()
        .map_err(ParserError::from)?;
    let dialect = LakeDialect::of(&tokens);
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(&dialect)
        .build()?;
    let mut statements = Vec::new();
    loop {
        while parser.parser.consume_token(&Token::SemiColon) {}
        if parser.parser.peek_token_ref().token == Token::EOF {
            return Ok(statements);
        }
        let statement = match of_the_lake(&mut parser.parser, sql)? {
            Some(statement) => statement,
            None => {
                let mut statement = parser.parse_statement()?;
                let view = view_text(&statement);
                resolve::resolve(&mut statement)?;
                bind::number(&mut statement);
                match (statement, view) {
                    (Plain::Statement(inner), Some(text)) => match *inner {
                        Ast::CreateView(view) => Statement::CreateView(Box::new(view), text),
                        other => Statement::Plain(Box::new(Plain::Statement(Box::new(other)))),
                    },
                    (statement, _) => Statement::Plain(Box::new(statement)),
                }
            }
        };
        statements.push(statement);
        let next = parser.parser.peek_token();
        if !matches!(next.token, Token::SemiColon | Token::EOF) {
            let error = parser
                .parser
                .expected::<()>("end of statement or ;", next)
                .err()
                .unwrap_or(ParserError::RecursionLimitExceeded);
            return Err(error.into());
        }
    }
}

/// The query of a view, before time travel in it is resolved.
fn view_text(statement: &Plain) -> Option<String> {
    match statement {
        Plain::Statement(inner) => match inner.as_ref() {
            Ast::CreateView(view) => Some(view.query.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Parses the statements that DataFusion's parser does not know; `None` leaves the text untouched.
fn of_the_lake(parser: &mut Parser<'_>, sql: &str) -> Result<Option<Statement>> {
    let (first, second) = (spelled(parser, 0), spelled(parser, 1));
    let is_replaced = second == "OR" && spelled(parser, 2) == "REPLACE";
    if first == "CREATE" && (second == "JOB" || is_replaced && spelled(parser, 3) == "JOB") {
        return create_job(parser, sql, is_replaced).map(Some);
    }
    let words = match (first.as_str(), second.as_str()) {
        ("DESCRIBE" | "DESC", "HISTORY" | "DETAIL")
        | ("COPY", "INTO")
        | ("KILL", "QUERY")
        | ("SHOW", "QUERIES" | "MODELS" | "JOBS")
        | ("CREATE" | "DROP", "MODEL")
        | ("DROP", "JOB")
        | ("EXPLAIN", "INFERENCE") => 2,
        ("OPTIMIZE" | "VACUUM" | "MAINTAIN" | "CHECKPOINT" | "RESTORE" | "COPY", _) => 1,
        ("PIVOT", _) => return Err(resolve::unsupported(clauses::PIVOT)),
        ("UNPIVOT", _) => return Err(resolve::unsupported(clauses::UNPIVOT)),
        _ => return Ok(None),
    };
    for _ in 0..words {
        parser.advance_token();
    }
    let statement = match (first.as_str(), second.as_str()) {
        ("OPTIMIZE", _) => optimize(parser)?,
        ("VACUUM", _) => vacuum(parser)?,
        ("MAINTAIN", _) => maintain(parser)?,
        ("CHECKPOINT", _) => Statement::Checkpoint(parser.parse_object_name(false)?),
        ("RESTORE", _) => restore(parser)?,
        ("COPY", "INTO") => copy_into(parser)?,
        ("KILL", _) => Statement::Kill(parser.parse_literal_string()?),
        ("CREATE", _) => models::parse_create(parser)?,
        ("DROP", "MODEL") => models::parse_drop(parser)?,
        ("DROP", _) => {
            let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
            Statement::DropJob {
                name: job_name(parser)?,
                if_exists,
            }
        }
        ("EXPLAIN", _) => models::parse_explain(parser)?,
        ("SHOW", "MODELS") => Statement::ShowModels,
        ("SHOW", "JOBS") => return parse(JOBS).map(|mut statements| statements.pop()),
        ("SHOW", _) => return parse(LIVE_QUERIES).map(|mut statements| statements.pop()),
        ("COPY", _) => copy_to(parser)?,
        (_, "DETAIL") => Statement::Detail(parser.parse_object_name(false)?),
        _ => {
            let table = parser.parse_object_name(false)?;
            let limit = match parser.parse_keyword(Keyword::LIMIT) {
                true => Some(
                    parser
                        .parse_literal_uint()?
                        .try_into()
                        .unwrap_or(usize::MAX),
                ),
                false => None,
            };
            Statement::History(table, limit)
        }
    };
    Ok(Some(statement))
}

/// The word some tokens ahead, in upper case; empty where there is none.
fn spelled(parser: &Parser<'_>, ahead: usize) -> String {
    match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => String::new(),
    }
}

/// A word that need not be a keyword of the parser's.
fn word(parser: &mut Parser<'_>, expected: &str) -> bool {
    let found = spelled(parser, 0) == expected;
    if found {
        parser.advance_token();
    }
    found
}

fn expect_word(parser: &mut Parser<'_>, expected: &str) -> Result<(), ParserError> {
    if word(parser, expected) {
        return Ok(());
    }
    let found = parser.peek_token();
    parser.expected(expected, found)
}

/// Names of jobs keep their case: they are names of files and objects.
fn job_name(parser: &mut Parser<'_>) -> Result<String> {
    let name = parser.parse_identifier()?.value;
    jobs::check_name(&name).map_err(Error::Invalid)
}

fn create_job(parser: &mut Parser<'_>, sql: &str, or_replace: bool) -> Result<Statement> {
    for _ in 0..if or_replace { 4 } else { 2 } {
        parser.advance_token();
    }
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = job_name(parser)?;
    let settings = match parser.parse_keyword(Keyword::OPTIONS) {
        true => options(parser)?,
        false => Vec::new(),
    };
    parser.expect_keyword(Keyword::AS)?;
    let start = offset(sql, parser.peek_token().span.start);
    let end = loop {
        let next = parser.peek_token();
        match next.token {
            Token::EOF => break sql.len(),
            Token::SemiColon => break offset(sql, next.span.start),
            _ => parser.advance_token(),
        }
    };
    Ok(Statement::CreateJob(Box::new(CreateJob {
        name,
        or_replace,
        if_not_exists,
        settings,
        sql: sql.get(start..end).unwrap_or_default().trim().to_string(),
    })))
}

/// Where in a text a line and column of the tokenizer's are.
fn offset(sql: &str, at: Location) -> usize {
    let (line, column) = (at.line.saturating_sub(1), at.column.saturating_sub(1));
    let before: usize = sql
        .split_inclusive('\n')
        .take(usize::try_from(line).unwrap_or(usize::MAX))
        .map(str::len)
        .sum();
    let rest = sql.get(before..).unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(usize::try_from(column).unwrap_or(usize::MAX));
    before + within.map_or(rest.len(), |(index, _)| index)
}

fn optimize(parser: &mut Parser<'_>) -> Result<Statement> {
    let parsed = parser.parse_optimize_table()?;
    let Ast::OptimizeTable {
        name,
        has_table_keyword: _,
        on_cluster,
        partition,
        include_final,
        deduplicate,
        mut predicate,
        zorder,
    } = parsed
    else {
        return Err(Error::Internal("OPTIMIZE parsed as something else".into()));
    };
    for (given, clause) in [
        (on_cluster.is_some(), "ON CLUSTER"),
        (partition.is_some(), "PARTITION (use WHERE)"),
        (include_final, "FINAL"),
        (deduplicate.is_some(), "DEDUPLICATE"),
    ] {
        if given {
            return Err(resolve::unsupported(&format!("OPTIMIZE … {clause}")));
        }
    }
    if let Some(predicate) = &mut predicate {
        resolve::check_expression(predicate)?;
    }
    Ok(Statement::Optimize {
        table: name,
        predicate: predicate.map(Box::new),
        zorder: zorder.unwrap_or_default(),
    })
}

fn vacuum(parser: &mut Parser<'_>) -> Result<Statement> {
    let _ = parser.parse_keyword(Keyword::TABLE);
    let table = parser.parse_object_name(false)?;
    let retain_hours = if word(parser, "RETAIN") {
        let hours = parser.parse_literal_uint()?;
        expect_word(parser, "HOURS")?;
        Some(hours)
    } else {
        None
    };
    let dry_run = word(parser, "DRY");
    if dry_run {
        expect_word(parser, "RUN")?;
    }
    Ok(Statement::Vacuum {
        table,
        retain_hours,
        dry_run,
    })
}

fn maintain(parser: &mut Parser<'_>) -> Result<Statement> {
    let _ = parser.parse_keyword(Keyword::TABLE);
    let is_named = spelled(parser, 0) != "DRY"
        && !matches!(parser.peek_token_ref().token, Token::SemiColon | Token::EOF);
    let table = match is_named {
        true => Some(parser.parse_object_name(false)?),
        false => None,
    };
    let dry_run = word(parser, "DRY");
    if dry_run {
        expect_word(parser, "RUN")?;
    }
    Ok(Statement::Maintain { table, dry_run })
}

fn restore(parser: &mut Parser<'_>) -> Result<Statement> {
    let _ = parser.parse_keyword(Keyword::TABLE);
    let table = parser.parse_object_name(false)?;
    parser.expect_keyword(Keyword::TO)?;
    match parser.maybe_parse_table_version()? {
        Some(version) => Ok(Statement::Restore(table, resolve::moment(&version)?)),
        None => {
            let found = parser.peek_token();
            Ok(parser.expected("VERSION AS OF n or TIMESTAMP AS OF '…'", found)?)
        }
    }
}

fn copy_into(parser: &mut Parser<'_>) -> Result<Statement> {
    let table = parser.parse_object_name(false)?;
    parser.expect_keyword(Keyword::FROM)?;
    let inputs = parser.parse_comma_separated(Parser::parse_literal_string)?;
    let options = match parser.parse_keyword(Keyword::OPTIONS) {
        true => options(parser)?,
        false => Vec::new(),
    };
    Ok(Statement::CopyInto {
        table,
        inputs,
        options,
    })
}

/// `COPY t | (query) TO 'file' [STORED AS f] [PARTITIONED BY (…)] [(FORMAT f, …)] [OPTIONS (…)]`.
fn copy_to(parser: &mut Parser<'_>) -> Result<Statement> {
    let source = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        CopyToSource::Query(query)
    } else {
        CopyToSource::Relation(parser.parse_object_name(false)?)
    };
    parser.expect_keyword(Keyword::TO)?;
    let target = parser.parse_literal_string()?;
    let (mut stored_as, mut given, mut partitioned_by) = (None, Vec::new(), Vec::new());
    loop {
        if parser.parse_keywords(&[Keyword::STORED, Keyword::AS]) {
            stored_as = Some(parser.parse_identifier()?.value);
        } else if parser.parse_keywords(&[Keyword::PARTITIONED, Keyword::BY]) {
            let columns = parser.parse_parenthesized_column_list(IsOptional::Mandatory, false)?;
            partitioned_by = columns.into_iter().map(|column| column.value).collect();
        } else if parser.parse_keyword(Keyword::OPTIONS)
            || parser.peek_token_ref().token == Token::LParen
        {
            given.extend(options(parser)?);
        } else {
            break;
        }
    }
    if let Some(format) = given.iter().position(|(key, _)| key == "format") {
        stored_as = Some(given.swap_remove(format).1);
    }
    let mut statement = Plain::CopyTo(CopyToStatement {
        source,
        target,
        partitioned_by,
        stored_as,
        options: given
            .into_iter()
            .map(|(key, value)| (key, Value::SingleQuotedString(value)))
            .collect(),
    });
    resolve::resolve(&mut statement)?;
    Ok(Statement::Plain(Box::new(statement)))
}

/// `(key value, …)` or `(key = value, …)`; a value is a text, a number, a flag or a word.
pub(super) fn options(parser: &mut Parser<'_>) -> Result<Vec<(String, String)>> {
    parser.expect_token(&Token::LParen)?;
    let options = parser.parse_comma_separated(|parser| {
        let key = match parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => parser.parse_literal_string()?,
            _ => parser.parse_identifier()?.value,
        };
        let _ = parser.consume_token(&Token::Eq);
        if let Token::Word(word) = &parser.peek_token_ref().token
            && !matches!(word.keyword, Keyword::TRUE | Keyword::FALSE | Keyword::NULL)
        {
            return Ok((key.to_lowercase(), parser.parse_identifier()?.value));
        }
        let value = match parser.parse_value()?.value {
            Value::SingleQuotedString(text) => text,
            Value::Number(number, _) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            other => {
                return Err(ParserError::ParserError(format!(
                    "option {key}: {other} is neither a text nor a number nor true or false"
                )));
            }
        };
        Ok((key.to_lowercase(), value))
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(options)
}
