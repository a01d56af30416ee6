//! The calls of the protocol: who calls is settled, what is asked for is read, and the file that does it is called.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{
    Command, CommandPreparedStatementQuery, DoPutPreparedStatementResult, DoPutUpdateResult,
};
use arrow_flight::{
    Action, ActionType, BasicAuth, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use bytes::Bytes;
use engine::config::LimitsConfig;
use engine::distributed::TOKEN_HEADER;
use engine::queries::Queries;
use engine::session::{Caller, Session, Sessions};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use prost::Message;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};

use super::action::{self, act};
use super::change::Changes;
use super::encode::encode;
use super::ingest::{ingest, no_transactions};
use super::polled::Polled;
use super::prepared::PreparedStatements;
use super::sent::checked;
use super::session::{SessionKey, SessionStore};
use super::statement::{self, Fetches};
use super::status::status;
use super::ticket::{Tickets, What, seconds};
use super::wire::carried;
use super::{command, metadata, polled, transport};
use crate::auth::Authenticator;
use crate::net::Peer;
use crate::worker::{JOIN, check_token};

/// What all calls share.
pub struct Server {
    /// Who is let in.
    pub authenticator: Authenticator,
    /// Sessions of callers.
    pub sessions: SessionStore,
    /// Statements that wait or run.
    pub queries: Arc<Queries>,
    /// Signs tickets.
    pub tickets: Tickets,
    /// Prepared statements.
    pub prepared: PreparedStatements,
    /// Tickets that change something.
    pub changes: Changes,
    /// Tickets that are being fetched.
    pub fetches: Fetches,
    /// Tickets that are polled for.
    pub polled: Polled,
    /// What the parameters of one statement may take, bytes.
    pub parameter_bytes: usize,
    /// Where plans run; calls are answered elsewhere.
    pub cpu: Handle,
}

/// What a server is put together from.
pub struct ServerParts {
    /// Who is let in.
    pub authenticator: Authenticator,
    /// What sessions share.
    pub sessions: Sessions,
    /// Statements that wait or run.
    pub queries: Arc<Queries>,
    /// Where plans run.
    pub cpu: Handle,
}

impl Server {
    /// What all calls share, within the limits of the configuration.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn new(parts: ServerParts, limits: &LimitsConfig) -> engine::Result<Self> {
        let idle = Duration::from_secs(limits.session_idle_s);
        let ServerParts {
            authenticator,
            sessions,
            queries,
            cpu,
        } = parts;
        Ok(Self {
            authenticator,
            sessions: SessionStore::new(sessions, Arc::clone(&queries), idle, limits.sessions),
            queries,
            tickets: Tickets::new(Duration::from_secs(limits.ticket_lifetime_s))?,
            prepared: PreparedStatements::new(idle, limits.sessions),
            changes: Changes::default(),
            fetches: Fetches::default(),
            polled: Polled::default(),
            parameter_bytes: limits.message_bytes,
            cpu,
        })
    }

    /// Runs work where plans run; it ends with the call.
    ///
    /// # Errors
    /// The work's.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let mut work = AbortOnDrop(self.cpu.spawn(work));
        match (&mut work.0).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "a statement fell over a defect");
                Err(Status::internal(
                    "a defect of paratope; the server's log has more",
                ))
            }
            Err(_) => Err(Status::cancelled("the server is stopping")),
        }
    }

    /// Forgets what nobody has used for long.
    pub fn reap(&self) {
        self.sessions.reap();
        self.prepared.reap();
        let now = seconds(SystemTime::now());
        self.changes.reap(now);
        self.polled.reap(now);
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who calls, and in which session.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub caller: Caller,
    /// In which session.
    pub key: SessionKey,
    /// Whether a cookie named it.
    pub has_cookie: bool,
}

impl Call {
    /// The session.
    ///
    /// # Errors
    /// A session that cannot be opened.
    pub fn session(&self, server: &Server) -> Result<Arc<Session>, Status> {
        server.sessions.get(&self.key, &self.caller).map_err(status)
    }
}

/// The Flight service.
#[derive(Clone)]
pub struct Service {
    pub(super) server: Arc<Server>,
}

impl Service {
    /// A service over what all calls share.
    pub fn new(server: Arc<Server>) -> Self {
        Self { server }
    }

    /// Who calls. Every call passes here before it does anything.
    async fn call<T>(&self, request: &Request<T>) -> Result<Call, Status> {
        let peer = request.extensions().get::<Peer>();
        let principal = self
            .server
            .authenticator
            .authenticate(
                request.metadata(),
                peer.and_then(|peer| peer.certificates.as_deref().map(Vec::as_slice)),
            )
            .await?;
        let caller = principal.caller;
        let (key, has_cookie) = self
            .server
            .sessions
            .key(&caller.user, peer, request.metadata());
        Ok(Call {
            caller,
            key,
            has_cookie,
        })
    }

    /// A node says that it is there.
    async fn join(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let sessions = self.server.sessions.shared();
        let token = sessions.config().cluster.token.as_deref();
        let given = request.metadata().get(TOKEN_HEADER);
        check_token(token, given.map(|given| given.as_encoded_bytes()))?;
        // Nodes are given rows: where users have to say who they are, nodes have to as well.
        if token.is_none() && !self.server.authenticator.is_open() {
            return Err(Status::permission_denied(
                "nodes join a server with users by a token: set cluster.token, the same on every node and on the server",
            ));
        }
        let cluster = sessions
            .cluster()
            .ok_or_else(|| Status::unimplemented("this server has no cluster"))?;
        let address = String::from_utf8_lossy(&request.get_ref().body);
        cluster.join(&address).await.map_err(status)?;
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn put(&self, call: &Call, mut stream: Streaming<FlightData>) -> Result<Bytes, Status> {
        let first = stream
            .message()
            .await?
            .ok_or_else(|| Status::invalid_argument("DoPut sent nothing"))?;
        let descriptor = first.flight_descriptor.clone().ok_or_else(|| {
            Status::invalid_argument("the first message of DoPut has no descriptor")
        })?;
        let server = &self.server;
        match command::of_descriptor(&descriptor)? {
            Command::CommandStatementUpdate(update) => {
                if update.transaction_id.is_some() {
                    return Err(no_transactions());
                }
                self.update(call, update.query, None).await
            }
            Command::CommandPreparedStatementUpdate(update) => {
                let handle = update.prepared_statement_handle;
                let prepared = server.prepared.get(&handle, &call.caller.user)?;
                let sent = self.parameters(first, stream).await?;
                self.update(call, prepared.statement, sent.or(prepared.parameters))
                    .await
            }
            Command::CommandPreparedStatementQuery(CommandPreparedStatementQuery {
                prepared_statement_handle: handle,
            }) => {
                server.prepared.get(&handle, &call.caller.user)?;
                let sent = self.parameters(first, stream).await?;
                server.prepared.bind(&handle, &call.caller.user, sent)?;
                let kept = DoPutPreparedStatementResult {
                    prepared_statement_handle: Some(handle),
                };
                Ok(kept.encode_to_vec().into())
            }
            Command::CommandStatementIngest(command) => {
                let (server, call) = (Arc::clone(server), call.clone());
                let messages = stream::iter([Ok(first)]).chain(stream);
                let rows = FlightRecordBatchStream::new_from_flight_data(
                    messages
                        .and_then(|message| std::future::ready(checked(message)))
                        .map_err(|status| FlightError::Tonic(Box::new(status))),
                );
                let count = self
                    .server
                    .compute(async move { ingest(&server, &call, &command, rows).await })
                    .await?;
                Ok(counted(count))
            }
            other => Err(Status::unimplemented(format!(
                "DoPut of {}",
                other.type_url()
            ))),
        }
    }

    /// The rows of parameters that follow a descriptor. Decoded where a damaged message ends this call only.
    async fn parameters(
        &self,
        first: FlightData,
        stream: Streaming<FlightData>,
    ) -> Result<Option<Bytes>, Status> {
        let most = self.server.parameter_bytes;
        let sent = async move { parameters(first, stream, most).await };
        self.server.compute(sent).await
    }

    async fn update(
        &self,
        call: &Call,
        text: String,
        parameters: Option<Bytes>,
    ) -> Result<Bytes, Status> {
        let (server, call) = (Arc::clone(&self.server), call.clone());
        let count = self
            .server
            .compute(async move { statement::update(&server, &call, &text, parameters).await })
            .await?;
        Ok(counted(count))
    }
}

fn counted(record_count: i64) -> Bytes {
    DoPutUpdateResult { record_count }.encode_to_vec().into()
}

/// The rows of parameters that follow a descriptor, as an IPC stream; `None` where none do.
async fn parameters(
    first: FlightData,
    stream: Streaming<FlightData>,
    most: usize,
) -> Result<Option<Bytes>, Status> {
    let has_schema = |message: &FlightData| !message.data_header.is_empty();
    let messages = stream::iter([Ok(first)])
        .chain(stream)
        .try_skip_while(move |message| std::future::ready(Ok(!has_schema(message))))
        .and_then(|message| std::future::ready(checked(message)))
        .map_err(|status| FlightError::Tonic(Box::new(status)));
    let mut rows = FlightRecordBatchStream::new_from_flight_data(messages);
    let mut batches = Vec::new();
    let mut held = 0;
    while let Some(batch) = rows.try_next().await.map_err(Status::from)? {
        // They are kept until they are bound, and every one becomes a statement.
        held += transport::size(&batch).max(batch.num_rows());
        if held > most {
            return Err(Status::resource_exhausted(format!(
                "the parameters of one statement take more than {most} bytes (server.limits.message_bytes); send so many rows with bulk ingestion (adbc_ingest)"
            )));
        }
        batches.push(batch);
    }
    match rows.schema() {
        // Clients without parameters send a batch without columns, and as many rows as they like.
        Some(schema) if !schema.fields().is_empty() => {
            statement::stream_of(schema, &batches).map(Some)
        }
        _ => Ok(None),
    }
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let authenticator = &self.server.authenticator;
        let has_header = request.metadata().contains_key("authorization");
        let (_, token) = match has_header || authenticator.is_open() {
            true => authenticator.handshake(request.metadata()).await?,
            // Older clients send name and password as a message.
            false => {
                let metadata = request.metadata().clone();
                let first = request.into_inner().message().await?;
                let payload = first.map(|first| first.payload).unwrap_or_default();
                match BasicAuth::decode(payload) {
                    Ok(basic) if !basic.username.is_empty() => {
                        let password = basic.password.into_bytes();
                        authenticator
                            .handshake_as(&basic.username, password)
                            .await?
                    }
                    _ => authenticator.handshake(&metadata).await?,
                }
            }
        };
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: token.clone().into_bytes().into(),
        };
        let mut response = Response::new(stream::iter([Ok(answer)]).boxed());
        let value = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Status::internal("a token that no header can hold"))?;
        response.metadata_mut().insert("authorization", value);
        Ok(response)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let call = self.call(&request).await?;
        if !request.get_ref().expression.is_empty() {
            return Err(Status::unimplemented(
                "criteria of ListFlights: ask for tables with CommandGetTables",
            ));
        }
        let session = call.session(&self.server)?;
        let mut flights = Vec::new();
        for table in session.tables() {
            let query = arrow_flight::sql::CommandStatementQuery {
                query: format!("SELECT * FROM {}", table.shown()),
                transaction_id: None,
            };
            let command = Command::CommandStatementQuery(query).into_any();
            let descriptor = FlightDescriptor::new_cmd(command.encode_to_vec());
            // A view that stands on nothing any more must not hide the others.
            if let Ok(info) = self.info(&call, descriptor).await {
                flights.push(Ok(info));
            }
        }
        Ok(Response::new(stream::iter(flights).boxed()))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let call = self.call(&request).await?;
        let info = self.info(&call, request.into_inner()).await?;
        Ok(Response::new(info))
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let call = self.call(&request).await?;
        let descriptor = request.into_inner();
        let (tickets, user) = (&self.server.tickets, &call.caller.user);
        if Tickets::is_one(&descriptor.cmd) {
            let ticket = tickets.read(&descriptor.cmd, user)?;
            let polled = polled::go_on(&self.server, &ticket).await?;
            return Ok(Response::new(polled));
        }
        let info = self.info(&call, descriptor).await?;
        let endpoint = info.endpoint.first();
        // What nodes give begins when it is fetched.
        let of_server = endpoint.filter(|endpoint| endpoint.location.is_empty());
        if let Some(wire) = of_server.and_then(|endpoint| endpoint.ticket.clone()) {
            let ticket = tickets.read(&wire.ticket, user)?;
            if let Some(What::Statement(statement)) = ticket.what.clone() {
                let ticket = (wire.ticket, ticket);
                let begun = polled::begin(&self.server, &call, info, ticket, statement).await?;
                return Ok(Response::new(begun));
            }
        }
        // As metadata, they are ready to be fetched.
        let expiration_time = endpoint.and_then(|endpoint| endpoint.expiration_time);
        Ok(Response::new(PollInfo {
            info: Some(info),
            flight_descriptor: None,
            progress: Some(1.0),
            expiration_time,
        }))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let call = self.call(&request).await?;
        let (schema, ..) = self.described(&call, &request.into_inner()).await?;
        let schema = transport::schema_message(&schema).map_err(|error| status(error.into()))?;
        Ok(Response::new(SchemaResult { schema }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let call = self.call(&request).await?;
        let bytes = request.into_inner().ticket;
        let ticket = self.server.tickets.read(&bytes, &call.caller.user)?;
        let rows = match ticket.what.clone() {
            Some(What::Statement(statement)) => match polled::rows(&self.server, &ticket).await? {
                Some(rows) => rows,
                None => statement::rows(&self.server, &call, ticket, statement).await?,
            },
            Some(What::Part(_)) => {
                return Err(Status::invalid_argument(
                    "this ticket is for a node: fetch it at the location of its endpoint",
                ));
            }
            Some(What::Metadata(bytes)) => {
                let command = command::of_bytes(&bytes)?;
                let session = call.session(&self.server)?;
                let batch = self
                    .server
                    .compute(async move { metadata::rows(&session, command).await })
                    .await?;
                let schema = batch.schema();
                encode(schema, stream::iter([Ok(batch)]).boxed())
            }
            None => return Err(Status::invalid_argument("the ticket says nothing")),
        };
        Ok(carried(rows))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let call = self.call(&request).await?;
        let app_metadata = self.put(&call, request.into_inner()).await?;
        let result = stream::iter([Ok(PutResult { app_metadata })]);
        Ok(Response::new(result.boxed()))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        if request.get_ref().r#type == JOIN {
            // Nodes are no users: the token of the cluster lets them in.
            return self.join(request).await;
        }
        let call = self.call(&request).await?;
        let done = act(&self.server, &call, request.into_inner()).await?;
        let results = done.body.map(|body| Ok(arrow_flight::Result { body }));
        let mut response = Response::new(stream::iter(results).boxed());
        if let Some(cookie) = done.cookie {
            set_cookie(response.metadata_mut(), &cookie)?;
        }
        Ok(response)
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        self.call(&request).await?;
        let actions = action::list().into_iter().map(Ok);
        Ok(Response::new(stream::iter(actions).boxed()))
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        self.call(&request).await?;
        Err(Status::unimplemented(
            "DoExchange: Flight SQL has no use for it",
        ))
    }
}

fn set_cookie(metadata: &mut MetadataMap, cookie: &str) -> Result<(), Status> {
    let value = MetadataValue::try_from(cookie)
        .map_err(|_| Status::internal("a cookie that no header can hold"))?;
    metadata.insert("set-cookie", value);
    Ok(())
}
