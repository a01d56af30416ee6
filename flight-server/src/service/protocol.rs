//! Messages of the protocol that arrow-flight 59 does not have, or has without a field.
//!
//! Source: `Flight.proto` and `FlightSql.proto` of Apache Arrow's format specification.

use std::collections::HashMap;

/// A value of a session option; none unsets it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionOptionValue {
    /// The value.
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4, 5")]
    pub option_value: Option<OptionValue>,
}

/// The kinds of values that session options have.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum OptionValue {
    /// Text.
    #[prost(string, tag = "1")]
    String(String),
    /// True or false.
    #[prost(bool, tag = "2")]
    Bool(bool),
    /// A whole number.
    #[prost(sfixed64, tag = "3")]
    Int64(i64),
    /// A real number.
    #[prost(double, tag = "4")]
    Double(f64),
    /// Texts.
    #[prost(message, tag = "5")]
    StringList(StringList),
}

/// Texts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StringList {
    /// The texts.
    #[prost(string, repeated, tag = "1")]
    pub values: Vec<String>,
}

/// Body of the action `SetSessionOptions`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SetSessionOptionsRequest {
    /// Options by name.
    #[prost(map = "string, message", tag = "1")]
    pub session_options: HashMap<String, SessionOptionValue>,
}

/// Its answer: what could not be set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SetSessionOptionsResult {
    /// Errors by option.
    #[prost(map = "string, message", tag = "1")]
    pub errors: HashMap<String, OptionError>,
}

/// Why an option was not set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OptionError {
    /// The reason.
    #[prost(enumeration = "OptionErrorValue", tag = "1")]
    pub value: i32,
}

/// Why an option was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum OptionErrorValue {
    /// Not said.
    Unspecified = 0,
    /// There is no such option.
    InvalidName = 1,
    /// It does not take this value.
    InvalidValue = 2,
    /// It could not be set.
    Error = 3,
}

/// Answer of the action `GetSessionOptions`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetSessionOptionsResult {
    /// Options by name.
    #[prost(map = "string, message", tag = "1")]
    pub session_options: HashMap<String, SessionOptionValue>,
}

/// Answer of the action `CloseSession`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CloseSessionResult {
    /// What became of it.
    #[prost(enumeration = "CloseStatus", tag = "1")]
    pub status: i32,
}

/// What became of a session that was to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum CloseStatus {
    /// Not said.
    Unspecified = 0,
    /// It is closed.
    Closed = 1,
    /// It will be.
    Closing = 2,
    /// It cannot be.
    NotCloseable = 3,
}

/// Answer of `CreatePreparedStatement`, with the field by which newer clients know how to execute it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PreparedStatementResult {
    /// Handle of the statement.
    #[prost(bytes = "bytes", tag = "1")]
    pub prepared_statement_handle: bytes::Bytes,
    /// Schema of its rows, as an IPC message.
    #[prost(bytes = "bytes", tag = "2")]
    pub dataset_schema: bytes::Bytes,
    /// Schema of its parameters, as an IPC message.
    #[prost(bytes = "bytes", tag = "3")]
    pub parameter_schema: bytes::Bytes,
    /// Whether it is to be executed as an update.
    #[prost(bool, optional, tag = "4")]
    pub is_update: Option<bool>,
}
