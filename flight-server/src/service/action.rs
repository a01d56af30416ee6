//! The actions: prepared statements, sessions, cancellation, renewal.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, Any, ProstMessageExt,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus,
    FlightEndpoint, FlightInfo, RenewFlightEndpointRequest, Ticket as WireTicket,
};
use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::ingest::no_transactions;
use super::protocol::{
    CloseSessionResult, CloseStatus, GetSessionOptionsResult, OptionError, OptionErrorValue,
    OptionValue, PreparedStatementResult, SessionOptionValue, SetSessionOptionsRequest,
    SetSessionOptionsResult,
};
use super::rpc::{Call, Server};
use super::status::{malformed, status};
use super::ticket::{Tickets, seconds};
use super::{statement, transport};

/// The actions with what each does.
const ACTIONS: [(&str, &str); 9] = [
    (
        "CreatePreparedStatement",
        "Prepares a statement. Request: ActionCreatePreparedStatementRequest; response: ActionCreatePreparedStatementResult",
    ),
    (
        "ClosePreparedStatement",
        "Forgets a prepared statement. Request: ActionClosePreparedStatementRequest; response: none",
    ),
    (
        "CancelFlightInfo",
        "Stops what is fetched with the tickets of a FlightInfo. Request: CancelFlightInfoRequest; response: CancelFlightInfoResult",
    ),
    (
        "CancelQuery",
        "The same for older clients. Request: ActionCancelQueryRequest; response: ActionCancelQueryResult",
    ),
    (
        "RenewFlightEndpoint",
        "Lets the ticket of an endpoint live longer. Request: RenewFlightEndpointRequest; response: FlightEndpoint",
    ),
    (
        "SetSessionOptions",
        "Sets options of the session. Request: SetSessionOptionsRequest; response: SetSessionOptionsResult",
    ),
    (
        "GetSessionOptions",
        "Options of the session. Request: GetSessionOptionsRequest; response: GetSessionOptionsResult",
    ),
    (
        "CloseSession",
        "Ends the session. Request: CloseSessionRequest; response: CloseSessionResult",
    ),
    (
        "BeginTransaction",
        "Not carried out: each statement is a transaction of its own",
    ),
];

/// The list of actions.
pub fn list() -> Vec<ActionType> {
    ACTIONS
        .into_iter()
        .map(|(name, description)| ActionType {
            r#type: name.to_string(),
            description: description.to_string(),
        })
        .collect()
}

/// What an action answers.
#[derive(Debug, Default)]
pub struct Done {
    /// The body of its one result; none where there is no result.
    pub body: Option<Bytes>,
    /// A cookie for the client.
    pub cookie: Option<String>,
}

impl Done {
    fn plain(message: &impl Message) -> Self {
        Self {
            body: Some(message.encode_to_vec().into()),
            cookie: None,
        }
    }

    fn packed(type_url: &str, message: &impl Message) -> Self {
        let any = Any {
            type_url: type_url.to_string(),
            value: message.encode_to_vec().into(),
        };
        Self {
            body: Some(any.encode_to_vec().into()),
            cookie: None,
        }
    }
}

/// Carries an action out.
///
/// # Errors
/// `UNIMPLEMENTED` for unknown ones, with the list; the action's own.
pub async fn act(server: &Arc<Server>, call: &Call, action: Action) -> Result<Done, Status> {
    match action.r#type.as_str() {
        "CreatePreparedStatement" => prepare(server, call, &packed(&action)?).await,
        "ClosePreparedStatement" => {
            let request: ActionClosePreparedStatementRequest = packed(&action)?;
            let handle = request.prepared_statement_handle;
            server.prepared.close(&handle, &call.caller.user)?;
            Ok(Done::default())
        }
        "CancelFlightInfo" => {
            let request: CancelFlightInfoRequest = plain(&action)?;
            let info = request
                .info
                .ok_or_else(|| Status::invalid_argument("CancelFlightInfo names no FlightInfo"))?;
            let cancelled = cancel(server, call, &info)?;
            let status = match cancelled {
                true => CancelStatus::Cancelled,
                false => CancelStatus::NotCancellable,
            };
            Ok(Done::plain(&CancelFlightInfoResult {
                status: status as i32,
            }))
        }
        "CancelQuery" => {
            let request: ActionCancelQueryRequest = packed(&action)?;
            let info = FlightInfo::decode(request.info)
                .map_err(|error| malformed("the FlightInfo", error))?;
            // Of CancelResult: 1 is cancelled, 3 not cancellable.
            let result = match cancel(server, call, &info)? {
                true => 1,
                false => 3,
            };
            let answer = ActionCancelQueryResult { result };
            Ok(Done::packed(ActionCancelQueryResult::type_url(), &answer))
        }
        "RenewFlightEndpoint" => {
            let request: RenewFlightEndpointRequest = plain(&action)?;
            let ticket = request
                .endpoint
                .and_then(|endpoint| endpoint.ticket)
                .ok_or_else(|| Status::invalid_argument("the endpoint has no ticket"))?;
            let ticket = server.tickets.read(&ticket.ticket, &call.caller.user)?;
            let (bytes, end) = server.tickets.renew(ticket.clone());
            server.polled.renew(&ticket, seconds(end));
            let endpoint = FlightEndpoint {
                ticket: Some(WireTicket { ticket: bytes }),
                expiration_time: Some(transport::timestamp(end)),
                ..FlightEndpoint::default()
            };
            Ok(Done::plain(&endpoint))
        }
        "SetSessionOptions" => set_options(server, call, plain(&action)?).await,
        "GetSessionOptions" => {
            let session = call.session(server)?;
            let session_options = session
                .settings()
                .into_iter()
                .map(|(name, value)| (name, text_option(value)))
                .chain([
                    ("catalog".to_string(), text_option(engine::catalog::CATALOG)),
                    (
                        "schema".to_string(),
                        text_option(engine::catalog::SCHEMAS[0]),
                    ),
                ])
                .collect();
            Ok(Done::plain(&GetSessionOptionsResult { session_options }))
        }
        "CloseSession" => {
            let status = match server.sessions.close(&call.key) {
                true => CloseStatus::Closed,
                false => CloseStatus::NotCloseable,
            };
            Ok(Done::plain(&CloseSessionResult {
                status: status as i32,
            }))
        }
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
            Err(no_transactions())
        }
        "CreatePreparedSubstraitPlan" => Err(Status::unimplemented(
            "Substrait plans: send SQL with CreatePreparedStatement",
        )),
        other => {
            let known: Vec<_> = ACTIONS.iter().map(|(name, _)| *name).collect();
            Err(Status::unimplemented(format!(
                "there is no action {other:?}; there are {}",
                known.join(", ")
            )))
        }
    }
}

async fn prepare(
    server: &Arc<Server>,
    call: &Call,
    request: &ActionCreatePreparedStatementRequest,
) -> Result<Done, Status> {
    if request.transaction_id.is_some() {
        return Err(no_transactions());
    }
    let session = call.session(server)?;
    let text = request.query.clone();
    let (rows, parameters, is_update) = server
        .compute(async move { statement::prepare(&session, &text).await })
        .await?;
    let message =
        |schema: &Schema| transport::schema_message(schema).map_err(|error| status(error.into()));
    let answer = PreparedStatementResult {
        prepared_statement_handle: server.prepared.keep(&call.caller.user, &request.query)?,
        // Without columns, JDBC takes it for an update.
        dataset_schema: message(rows.as_deref().unwrap_or(&Schema::empty()))?,
        parameter_schema: message(&parameters)?,
        is_update: Some(is_update),
    };
    let type_url = arrow_flight::sql::ActionCreatePreparedStatementResult::type_url();
    Ok(Done::packed(type_url, &answer))
}

fn cancel(server: &Arc<Server>, call: &Call, info: &FlightInfo) -> Result<bool, Status> {
    let mut cancelled = false;
    let fetched = info.endpoint.iter().filter_map(|endpoint| {
        let ticket = endpoint.ticket.as_ref()?;
        Some(&ticket.ticket)
    });
    // One that is polled for has no endpoint yet.
    let polled = Tickets::is_one(&info.app_metadata).then_some(&info.app_metadata);
    for ticket in fetched.chain(polled) {
        let ticket = server.tickets.read(ticket, &call.caller.user)?;
        cancelled |= server.fetches.cancel(&ticket, "its client");
    }
    Ok(cancelled)
}

/// Sets options of the call's session as `SET` does. A client that sent no cookie gets one that names it.
async fn set_options(
    server: &Arc<Server>,
    call: &Call,
    request: SetSessionOptionsRequest,
) -> Result<Done, Status> {
    let session = call.session(server)?;
    let options = request.session_options;
    let errors = server
        .compute(async move {
            let mut errors = HashMap::new();
            for (name, value) in options {
                if let Err(reason) = set_option(&session, &name, value).await {
                    let value = reason as i32;
                    errors.insert(name, OptionError { value });
                }
            }
            Ok(errors)
        })
        .await?;
    let mut done = Done::plain(&SetSessionOptionsResult { errors });
    if !call.has_cookie {
        done.cookie = server.sessions.name(&call.key);
    }
    Ok(done)
}

async fn set_option(
    session: &engine::session::Session,
    name: &str,
    value: SessionOptionValue,
) -> Result<(), OptionErrorValue> {
    let value = match value.option_value {
        None => None,
        Some(OptionValue::String(text)) => Some(text),
        Some(OptionValue::Bool(flag)) => Some(flag.to_string()),
        Some(OptionValue::Int64(number)) => Some(number.to_string()),
        Some(OptionValue::Double(number)) => Some(number.to_string()),
        Some(OptionValue::StringList(_)) => return Err(OptionErrorValue::InvalidValue),
    };
    // There is one catalog, and one schema that names without one are looked up in.
    let fixed = match name {
        "catalog" => Some(engine::catalog::CATALOG),
        "schema" => Some(engine::catalog::SCHEMAS[0]),
        _ => None,
    };
    if let Some(only) = fixed {
        return match value.is_none_or(|value| value == only) {
            true => Ok(()),
            false => Err(OptionErrorValue::InvalidValue),
        };
    }
    match session.set(name, value.as_deref()).await {
        Ok(()) => Ok(()),
        Err(_) if session.settings().contains_key(name) => Err(OptionErrorValue::InvalidValue),
        Err(_) => Err(OptionErrorValue::InvalidName),
    }
}

fn text_option(value: impl Into<String>) -> SessionOptionValue {
    SessionOptionValue {
        option_value: Some(OptionValue::String(value.into())),
    }
}

fn plain<M: Message + Default>(action: &Action) -> Result<M, Status> {
    M::decode(action.body.as_ref())
        .map_err(|error| malformed(&format!("the body of {}", action.r#type), error))
}

fn packed<M: ProstMessageExt>(action: &Action) -> Result<M, Status> {
    let named = |error: String| malformed(&format!("the body of {}", action.r#type), error);
    let any = Any::decode(action.body.as_ref()).map_err(|error| named(error.to_string()))?;
    let message: Option<M> = any.unpack().map_err(|error| named(error.to_string()))?;
    message.ok_or_else(|| {
        named(format!(
            "it is a {}",
            any.type_url.chars().take(200).collect::<String>()
        ))
    })
}
