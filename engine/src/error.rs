//! Errors for callers: each variant is something a caller can act on, and each message names the
//! thing (file, line, column, table, URL without secrets) and what to do about it.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use deltalake::DeltaTableError;
use parquet::errors::ParquetError;

use crate::storage::refusal;

/// What went wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong (an option, a statement, an unreadable input): change it.
    #[error("{0}")]
    Invalid(String),
    /// What was named is not there: check the name.
    #[error("{0}")]
    NotFound(String),
    /// The store or the policy refuses: check credentials and rights.
    #[error("{0}")]
    Denied(String),
    /// The store or a peer does not answer: try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Somebody else changed the same data: try again.
    #[error("{0}")]
    Conflict(String),
    /// A memory, size or time limit was reached: ask for less or raise it.
    #[error("{0}")]
    Exhausted(String),
    /// It is understood but cannot be done by this version.
    #[error("{0}")]
    Unsupported(String),
    /// Stored data breaks its own rules: the message says which.
    #[error("{0}")]
    Corrupt(String),
    /// A defect of Paratope or of a library below it.
    #[error("{0}")]
    Internal(String),
}

/// The result of everything in the engine that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Names the place in front of the message, unless it does so already.
    pub fn at(self, place: &str) -> Self {
        if self.to_string().contains(place) {
            self
        } else {
            self.context(place)
        }
    }

    /// What only its text is left of: of a store that fails, or of the request.
    fn told(message: String) -> Self {
        match is_of_store(&message) {
            true => Self::Unavailable(message),
            false => Self::Invalid(message),
        }
    }

    /// Puts what was being done in front of the message and keeps the kind.
    pub fn context(self, doing: impl std::fmt::Display) -> Self {
        let with = |message: String| format!("{doing}: {message}");
        match self {
            Self::Invalid(m) => Self::Invalid(with(m)),
            Self::NotFound(m) => Self::NotFound(with(m)),
            Self::Denied(m) => Self::Denied(with(m)),
            Self::Unavailable(m) => Self::Unavailable(with(m)),
            Self::Conflict(m) => Self::Conflict(with(m)),
            Self::Exhausted(m) => Self::Exhausted(with(m)),
            Self::Unsupported(m) => Self::Unsupported(with(m)),
            Self::Corrupt(m) => Self::Corrupt(with(m)),
            Self::Internal(m) => Self::Internal(with(m)),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound(error.to_string()),
            ErrorKind::PermissionDenied => Self::Denied(error.to_string()),
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                Self::Invalid(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<ParserError> for Error {
    fn from(error: ParserError) -> Self {
        DataFusionError::SQL(Box::new(error), None).into()
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Store;
        let error = match refusal(error) {
            Ok(ours) => return ours,
            Err(error) => error,
        };
        match &error {
            Store::NotFound { path, .. } => Self::NotFound(format!("{path} does not exist")),
            Store::PermissionDenied { path, .. } | Store::Unauthenticated { path, .. } => {
                Self::Denied(format!(
                    "the object store refuses access to {path}: check the credentials ([storage] in paratope.toml)"
                ))
            }
            Store::AlreadyExists { path, .. } | Store::Precondition { path, .. } => {
                Self::Conflict(format!("{path} was written by somebody else"))
            }
            Store::NotSupported { .. } | Store::NotImplemented { .. } => {
                Self::Unsupported(error.to_string())
            }
            Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => {
                Self::Invalid(error.to_string())
            }
            _ => Self::Unavailable(causes(&error)),
        }
    }
}

impl From<DeltaTableError> for Error {
    fn from(error: DeltaTableError) -> Self {
        match error {
            DeltaTableError::ObjectStore { source } => source.into(),
            DeltaTableError::NotATable(message) => Self::NotFound(message),
            DeltaTableError::InvalidVersion(version) => {
                Self::NotFound(format!("there is no version {version}"))
            }
            other if is_failing_store(&other) => Self::Unavailable(causes(&other)),
            other => Self::Internal(shorten(&other.to_string())),
        }
    }
}

/// Whether a store that failed is behind an error, however deep: the kernel of Delta Lake and the writer of Parquet wrap it.
fn is_failing_store(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(store) = error.downcast_ref::<object_store::Error>() {
            return matches!(store, object_store::Error::Generic { .. });
        }
        cause = error.source();
    }
    // Some keep the text alone.
    is_of_store(&error.to_string())
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                (*inner).into()
            }
            DataFusionError::Shared(inner) => match inner.as_ref() {
                DataFusionError::ResourcesExhausted(m) => Self::Exhausted(m.clone()),
                other => Self::told(shorten(&other.strip_backtrace())),
            },
            DataFusionError::ObjectStore(inner) => (*inner).into(),
            DataFusionError::IoError(inner) => inner.into(),
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<DataFusionError>() {
                    Ok(nested) => (*nested).into(),
                    Err(other) if is_of_store(&other.to_string()) => {
                        Self::Unavailable(shorten(&other.to_string()))
                    }
                    Err(other) => Self::Internal(shorten(&other.to_string())),
                },
            },
            DataFusionError::ParquetError(inner) => match *inner {
                ParquetError::External(cause) => match cause.downcast::<object_store::Error>() {
                    Ok(of_store) => (*of_store).into(),
                    Err(other) => Self::told(shorten(&other.to_string())),
                },
                // A footer that the store did not give is told in words only.
                other => Self::told(shorten(&other.to_string())),
            },
            DataFusionError::ResourcesExhausted(m) => Self::Exhausted(m),
            DataFusionError::NotImplemented(m) => Self::Unsupported(m),
            DataFusionError::SQL(syntax, _) => {
                Self::Invalid(format!("syntax: {}", parser_message(&syntax)))
            }
            DataFusionError::Plan(m) => Self::Invalid(m),
            DataFusionError::Execution(m) => Self::Invalid(m),
            DataFusionError::SchemaError(unknown, _)
                if matches!(*unknown, SchemaError::FieldNotFound { .. }) =>
            {
                // The list of all columns that follows would hide the suggestion.
                let message = unknown.to_string();
                Self::Invalid(message.lines().next().unwrap_or_default().to_string())
            }
            DataFusionError::Internal(m) => Self::Internal(m),
            other => Self::told(shorten(&other.strip_backtrace())),
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Exhausted(m) => Self::ResourcesExhausted(m),
            other => Self::External(Box::new(other)),
        }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

/// The parser's message without the name of its type.
fn parser_message(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(m) | ParserError::ParserError(m) => m.clone(),
        ParserError::RecursionLimitExceeded => {
            "the statement is nested too deeply; split it".to_string()
        }
    }
}

/// Whether a message is one of `object_store` about a request that failed for good, where only the text came from another
/// node.
pub(crate) fn is_of_store(message: &str) -> bool {
    message.contains("Error performing ") && message.contains("max_retries")
}

/// An error with its causes, without repeating what an outer message already says.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    shorten(&text)
}

/// Keeps a library's message readable: some print whole snapshots.
fn shorten(message: &str) -> String {
    const LIMIT: usize = 2_000;
    match message.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_string(),
    }
}
