//! `CommandGetSqlInfo`: what the server and its SQL can do. Every code of the specification has a value: database tools
//! refuse servers that leave out how identifiers are quoted and the like.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::SqlInfo as Info;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
    SqlSupportedResultSetConcurrency, SqlSupportedResultSetType, SqlSupportedSubqueries,
    SqlSupportedTransaction, SqlSupportedUnions, SqlSupportsConvert, SqlTransactionIsolationLevel,
    SupportedSqlGrammar,
};
use engine::session::Session;
use engine::session::names::KEYWORDS;
use tonic::Status;

use super::{empty_of, failed};

/// Functions that tools group under numbers; the other scalar functions stand under texts.
const NUMERIC: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "pow",
    "power",
    "radians",
    "random",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];
const DATETIME: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "date_bin",
    "date_format",
    "date_part",
    "date_trunc",
    "datepart",
    "datetrunc",
    "from_unixtime",
    "make_date",
    "now",
    "to_char",
    "to_date",
    "to_local_time",
    "to_timestamp",
    "to_unixtime",
    "today",
];
const SYSTEM: &[&str] = &[
    "arrow_cast",
    "arrow_typeof",
    "coalesce",
    "nullif",
    "uuid",
    "version",
];

/// The answer's columns.
pub fn schema() -> SchemaRef {
    empty_of(SqlInfoDataBuilder::schema().clone())
}

/// The values of the codes asked for; of all where none is named.
pub fn rows(session: &Session, codes: &[u32]) -> Result<RecordBatch, Status> {
    let data = all(session)?;
    let rows = match codes {
        [] => data.record_batch(every_code()),
        codes => data.record_batch(codes.iter().copied()),
    };
    rows.map_err(failed)
}

/// Codes of the specification: of the server, its timeouts and its SQL.
fn every_code() -> impl Iterator<Item = u32> {
    (0..=11).chain(100..=101).chain(500..=576)
}

fn bits(set: &[i32]) -> i32 {
    set.iter().fold(0, |bits, bit| bits | 1 << bit)
}

fn all(session: &Session) -> Result<SqlInfoData, Status> {
    let mut data = SqlInfoDataBuilder::new();
    server(&mut data, session);
    names(&mut data, session);
    grammar(&mut data);
    limits(&mut data);
    transactions(&mut data);
    data.build().map_err(failed)
}

fn server(data: &mut SqlInfoDataBuilder, session: &Session) {
    let timeout = session.config().server.limits.statement_timeout_s;
    data.append(Info::FlightSqlServerName, "Paratope");
    data.append(Info::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    data.append(Info::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    let writes = session
        .caller()
        .grants
        .check(engine::policy::Deed::Write, "main", "");
    data.append(Info::FlightSqlServerReadOnly, writes.is_err());
    data.append(Info::FlightSqlServerSql, true);
    data.append(Info::FlightSqlServerSubstrait, false);
    data.append(Info::FlightSqlServerSubstraitMinVersion, "");
    data.append(Info::FlightSqlServerSubstraitMaxVersion, "");
    let none = SqlSupportedTransaction::None as i32;
    data.append(Info::FlightSqlServerTransaction, none);
    data.append(Info::FlightSqlServerCancel, true);
    data.append(Info::FlightSqlServerBulkIngestion, true);
    data.append(Info::FlightSqlServerIngestTransactionsSupported, false);
    let milliseconds = i32::try_from(timeout.saturating_mul(1_000)).unwrap_or(i32::MAX);
    data.append(Info::FlightSqlServerStatementTimeout, milliseconds);
    data.append(Info::FlightSqlServerTransactionTimeout, 0);
}

fn names(data: &mut SqlInfoDataBuilder, session: &Session) {
    let scalars: Vec<String> = session
        .functions()
        .into_iter()
        .filter(|function| function.kind == "scalar")
        .map(|function| function.name)
        .collect();
    let named = |list: &[&str]| -> Vec<String> {
        let is_listed = |name: &&String| list.contains(&name.as_str());
        scalars.iter().filter(is_listed).cloned().collect()
    };
    let others: Vec<String> = scalars
        .iter()
        .filter(|name| {
            ![NUMERIC, DATETIME, SYSTEM]
                .iter()
                .any(|list| list.contains(&name.as_str()))
        })
        .cloned()
        .collect();
    data.append(Info::SqlDdlCatalog, false);
    data.append(Info::SqlDdlSchema, false);
    data.append(Info::SqlDdlTable, true);
    data.append(
        Info::SqlIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
    );
    data.append(Info::SqlIdentifierQuoteChar, "\"");
    // Case-sensitive names, which the specification has no word for.
    data.append(
        Info::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32,
    );
    data.append(Info::SqlAllTablesAreSelectable, true);
    data.append(
        Info::SqlNullOrdering,
        SqlNullOrdering::SqlNullsSortedHigh as i32,
    );
    data.append(Info::SqlKeywords, KEYWORDS);
    data.append(Info::SqlNumericFunctions, named(NUMERIC));
    data.append(Info::SqlStringFunctions, others);
    data.append(Info::SqlSystemFunctions, named(SYSTEM));
    data.append(Info::SqlDatetimeFunctions, named(DATETIME));
    data.append(Info::SqlSearchStringEscape, "\\");
    data.append(Info::SqlExtraNameCharacters, "");
    data.append(Info::SqlSchemaTerm, "schema");
    data.append(Info::SqlProcedureTerm, "");
    data.append(Info::SqlCatalogTerm, "lake");
    data.append(Info::SqlCatalogAtStart, true);
}

fn grammar(data: &mut SqlInfoDataBuilder) {
    for yes in [
        Info::SqlSupportsColumnAliasing,
        Info::SqlNullPlusNullIsNull,
        Info::SqlSupportsTableCorrelationNames,
        Info::SqlSupportsExpressionsInOrderBy,
        Info::SqlSupportsOrderByUnrelated,
        Info::SqlSupportsLikeEscapeClause,
        Info::SqlCorrelatedSubqueriesSupported,
    ] {
        data.append(yes, true);
    }
    for no in [
        Info::SqlSupportsDifferentTableCorrelationNames,
        Info::SqlSupportsIntegrityEnhancementFacility,
        Info::SqlSelectForUpdateSupported,
        Info::SqlStoredProceduresSupported,
        Info::SqlBatchUpdatesSupported,
        Info::SqlNamedParametersSupported,
        Info::SqlLocatorsUpdateCopy,
        Info::SqlStoredFunctionsUsingCallSyntaxSupported,
    ] {
        data.append(no, false);
    }
    // The specification gives this one as a bit mask: NOT NULL columns can be declared.
    data.append(Info::SqlSupportsNonNullableColumns, 1);
    data.append(Info::SqlSupportsConvert, conversions());
    // GROUP BY columns that are not selected, and more than are selected.
    data.append(Info::SqlSupportedGroupBy, bits(&[0, 1]));
    data.append(
        Info::SqlSupportedGrammar,
        bits(&[
            SupportedSqlGrammar::SqlMinimumGrammar as i32,
            SupportedSqlGrammar::SqlCoreGrammar as i32,
        ]),
    );
    // The entry level.
    data.append(Info::SqlAnsi92SupportedLevel, bits(&[0]));
    let joins = SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32;
    data.append(Info::SqlOuterJoinsSupportLevel, bits(&[joins]));
    // Where names may carry a schema or the lake: nowhere beside plain statements.
    data.append(Info::SqlSchemasSupportedActions, 0);
    data.append(Info::SqlCatalogsSupportedActions, 0);
    data.append(Info::SqlSupportedPositionedCommands, 0);
    data.append(
        Info::SqlSupportedSubqueries,
        bits(&[
            SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
            SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
            SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
        ]),
    );
    data.append(
        Info::SqlSupportedUnions,
        bits(&[
            SqlSupportedUnions::SqlUnion as i32,
            SqlSupportedUnions::SqlUnionAll as i32,
        ]),
    );
}

/// Which types CAST turns into which.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert as Type;
    let numbers = [
        Type::SqlConvertTinyint,
        Type::SqlConvertSmallint,
        Type::SqlConvertInteger,
        Type::SqlConvertBigint,
        Type::SqlConvertReal,
        Type::SqlConvertFloat,
        Type::SqlConvertDecimal,
        Type::SqlConvertNumeric,
        Type::SqlConvertVarchar,
    ];
    let times = [
        Type::SqlConvertDate,
        Type::SqlConvertTimestamp,
        Type::SqlConvertVarchar,
    ];
    let codes = |types: &[Type]| types.iter().map(|kind| *kind as i32).collect::<Vec<_>>();
    let mut conversions: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for from in numbers {
        conversions.insert(from as i32, codes(&numbers));
    }
    for from in times {
        conversions
            .entry(from as i32)
            .or_default()
            .extend(codes(&times));
    }
    conversions
}

/// 0 says that there is no limit, or none that is known.
fn limits(data: &mut SqlInfoDataBuilder) {
    for (limit, most) in [
        (Info::SqlMaxBinaryLiteralLength, 0),
        (Info::SqlMaxCharLiteralLength, 0),
        (Info::SqlMaxColumnNameLength, 0),
        (Info::SqlMaxColumnsInGroupBy, 0),
        (Info::SqlMaxColumnsInIndex, 0),
        (Info::SqlMaxColumnsInOrderBy, 0),
        (Info::SqlMaxColumnsInSelect, 0),
        (Info::SqlMaxColumnsInTable, 0),
        (Info::SqlMaxConnections, 0),
        (Info::SqlMaxCursorNameLength, 0),
        (Info::SqlMaxIndexLength, 0),
        (Info::SqlDbSchemaNameLength, 0),
        (Info::SqlMaxProcedureNameLength, 0),
        (Info::SqlMaxCatalogNameLength, 0),
        (Info::SqlMaxRowSize, 0),
        (Info::SqlMaxStatementLength, 0),
        (Info::SqlMaxStatements, 0),
        (Info::SqlMaxTableNameLength, 0),
        (Info::SqlMaxTablesInSelect, 0),
        (Info::SqlMaxUsernameLength, 0),
    ] {
        data.append(limit, i64::from(most));
    }
    data.append(Info::SqlMaxRowSizeIncludesBlobs, true);
}

/// Each statement is a transaction of its own.
fn transactions(data: &mut SqlInfoDataBuilder) {
    let none = SqlTransactionIsolationLevel::SqlTransactionNone as i32;
    data.append(Info::SqlDefaultTransactionIsolation, none);
    data.append(Info::SqlTransactionsSupported, false);
    data.append(Info::SqlSupportedTransactionsIsolationLevels, bits(&[none]));
    data.append(Info::SqlDataDefinitionCausesTransactionCommit, true);
    data.append(Info::SqlDataDefinitionsInTransactionsIgnored, false);
    let forward = SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32;
    data.append(Info::SqlSupportedResultSetTypes, bits(&[forward]));
    let read_only =
        bits(&[SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32]);
    for (code, mode) in [
        (Info::SqlSupportedConcurrenciesForResultSetUnspecified, 0),
        (
            Info::SqlSupportedConcurrenciesForResultSetForwardOnly,
            read_only,
        ),
        (
            Info::SqlSupportedConcurrenciesForResultSetScrollSensitive,
            0,
        ),
        (
            Info::SqlSupportedConcurrenciesForResultSetScrollInsensitive,
            0,
        ),
    ] {
        data.append(code, mode);
    }
    data.append(Info::SqlSavepointsSupported, false);
}
