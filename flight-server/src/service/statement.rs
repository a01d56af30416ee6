//! Queries and other statements: described when they are asked for, carried out when their rows are fetched.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use engine::Error;
use engine::distributed::Part;
use engine::queries::{Outcome, Query, Request, Running, Spool};
use engine::session::{Answer, Planned, Session, Statement};
use futures::stream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::encode::{Batches, encode};
use super::rpc::{Call, Server};
use super::status::{malformed, of, status};
use super::ticket::{StatementTicket, Ticket};
use super::transport;
use super::wire::{Message, Messages};
use crate::diagnosis;

/// Messages that wait for a slow reader; more would be memory without use.
const WAITING_MESSAGES: usize = 2;

/// A statement, described.
pub struct Described {
    /// Columns of its answer as they travel.
    pub schema: SchemaRef,
    /// What its ticket says.
    pub ticket: StatementTicket,
    /// What nodes give of it, where the client asked for that.
    pub parts: Option<Vec<Part>>,
}

/// The one statement of a text.
///
/// # Errors
/// A syntax error; no statement, or several.
pub fn one(session: &Session, text: &str) -> engine::Result<Statement> {
    let mut statements = session.parse(text)?;
    match (statements.pop(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(Error::Invalid("there is no statement".into())),
        (Some(_), more) => Err(Error::Invalid(format!(
            "{} statements were sent in one call; send them one by one",
            more + 1
        ))),
    }
}

/// The statements that a text is with each row of its parameters.
fn bound(
    session: &Session,
    text: &str,
    parameters: Option<&Bytes>,
) -> engine::Result<Vec<Statement>> {
    let statement = one(session, text)?;
    match parameters {
        None => Ok(vec![statement]),
        Some(bytes) => session.bind(&statement, &rows_of(bytes)?),
    }
}

/// Describes a statement with its parameters; nothing is changed.
///
/// # Errors
/// The statement's, as a status that shows the place.
pub async fn describe(
    session: &Session,
    text: &str,
    parameters: Option<Bytes>,
) -> Result<Described, Status> {
    let described = async {
        let mut bound = bound(session, text, parameters.as_ref())?;
        // An empty batch of parameters: no statement is carried out.
        let Some(first) = bound.pop() else {
            return Err(Error::Invalid("no row of parameters was bound".into()));
        };
        let planned = session.plan(first).await?;
        let schema = transport::schema(planned.schema());
        let ticket = StatementTicket {
            statement: text.to_string(),
            parameters,
            pins: planned.pins().into_iter().collect(),
            is_change: planned.is_change(),
        };
        Ok(Described {
            schema,
            ticket,
            parts: planned.parts().await?,
        })
    };
    match described.await {
        Ok(described) => Ok(described),
        Err(error) => Err(unplanned(session, text, error).await),
    }
}

fn is_update(planned: &Planned) -> bool {
    let fields = planned.schema().fields();
    let counts = fields.len() == 1 && fields[0].name() == "count";
    planned.is_change() && (fields.is_empty() || counts)
}

/// What a prepared statement tells: its columns as far as they are known without values, and its parameters.
///
/// # Errors
/// The statement's, as a status that shows the place.
pub async fn prepare(
    session: &Session,
    text: &str,
) -> Result<(Option<SchemaRef>, Schema, bool), Status> {
    let prepared = async {
        let statement = one(session, text)?;
        let parameters = session.parameters(&statement).await?;
        let fields: Vec<Field> = parameters
            .iter()
            .map(|(name, known)| {
                let data_type = known.clone().unwrap_or(DataType::Utf8);
                Field::new(name, data_type, true)
            })
            .collect();
        let parameter_schema = transport::schema(&Schema::new(fields));
        let planned = match session.plan(statement.clone()).await {
            Ok(planned) => planned,
            Err(error) if parameters.is_empty() => return Err(error),
            // Some clauses want values: LIMIT $1.
            Err(_) => {
                let mut bound = session.bind(&statement, &null_row(&parameter_schema)?)?;
                let bound = bound.pop().unwrap_or(statement);
                session.plan(bound).await?
            }
        };
        let update = is_update(&planned);
        let rows = (!update).then(|| transport::schema(planned.schema()));
        Ok((rows, parameter_schema.as_ref().clone(), update))
    };
    match prepared.await {
        Ok(prepared) => Ok(prepared),
        Err(error) => Err(unplanned(session, text, error).await),
    }
}

/// A statement that failed before it was begun is counted and logged like one that failed later.
async fn unplanned(session: &Session, text: &str, error: Error) -> Status {
    session.note_failure(text, &error);
    explained(session, text, error).await
}

/// One row of NULLs.
fn null_row(schema: &SchemaRef) -> engine::Result<RecordBatch> {
    let null = |field: &Arc<Field>| arrow::array::new_null_array(field.data_type(), 1);
    let columns = schema.fields().iter().map(null).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// The error with the place in the statement and near names.
pub async fn explained(session: &Session, text: &str, error: Error) -> Status {
    match &error {
        Error::Invalid(_) | Error::NotFound(_) => {
            let message = diagnosis::explain(session, text, 0, &error).await;
            of(status(error).code(), &message)
        }
        _ => status(error),
    }
}

/// Starts a statement; its rows follow. It ends when the rows are dropped.
///
/// # Errors
/// Everything up to the first row, as a status.
pub async fn rows(
    server: &Arc<Server>,
    call: &Call,
    ticket: Ticket,
    statement: StatementTicket,
) -> Result<Messages, Status> {
    let (send, receive) = mpsc::channel(WAITING_MESSAGES);
    let (begun, beginning) = oneshot::channel();
    let fetch = Arc::new(Fetch::new(server, call, ticket, statement));
    let reader = Reader {
        messages: ReceiverStream::new(receive),
        fetch: Arc::clone(&fetch),
    };
    server.cpu.spawn(fetch.run(send, begun));
    match beginning.await {
        Ok(Ok(())) => Ok(reader.boxed()),
        Ok(Err(refused)) => Err(refused),
        Err(_) => Err(Status::internal("the statement ended before it began")),
    }
}

/// A ticket that is fetched.
pub struct Fetch {
    server: Arc<Server>,
    call: Call,
    ticket: Ticket,
    statement: StatementTicket,
    /// The statement that runs.
    running: std::sync::Mutex<Option<Arc<Query>>>,
}

/// The messages as they are read. Where the reader goes away, the statement is told by a thread that does not compute: those
/// that do may be where they hear nothing else.
struct Reader {
    messages: ReceiverStream<Result<Message, Status>>,
    fetch: Arc<Fetch>,
}

impl Stream for Reader {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_next_unpin(context)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(query) = self.fetch.running() {
            query.leave();
        }
    }
}

type Sender = mpsc::Sender<Result<Message, Status>>;

impl Fetch {
    /// Nothing is carried out yet.
    pub fn new(
        server: &Arc<Server>,
        call: &Call,
        ticket: Ticket,
        statement: StatementTicket,
    ) -> Self {
        Self {
            server: Arc::clone(server),
            call: call.clone(),
            ticket,
            statement,
            running: std::sync::Mutex::default(),
        }
    }

    /// Carries the statement out and keeps its rows.
    ///
    /// # Errors
    /// The statement's, as a status.
    pub async fn spool(self: Arc<Self>) -> Result<Spool, Status> {
        let session = self.call.session(&self.server)?;
        let (schema, batches) = self.carry_out().await?;
        let columns = Arc::clone(&schema);
        let batches =
            batches.map(move |batch| transport::convert(&batch?, &columns).map_err(Error::from));
        Spool::fill(&session, schema, batches).await.map_err(status)
    }

    async fn carry_out(self: &Arc<Self>) -> Result<(SchemaRef, Batches), Status> {
        match self.statement.is_change {
            true => self.change().await,
            false => self.query().await,
        }
    }

    async fn run(self: Arc<Self>, send: Sender, begun: oneshot::Sender<Result<(), Status>>) {
        // A client that goes away takes its statement with it, whatever that is waiting for.
        let started = tokio::select! {
            biased;
            started = self.carry_out() => started,
            () = send.closed() => return,
        };
        let (schema, batches) = match started {
            Ok(started) => started,
            Err(refused) => {
                let _ = begun.send(Err(refused));
                return;
            }
        };
        let _ = begun.send(Ok(()));
        let mut messages = encode(schema, batches);
        loop {
            let next = tokio::select! {
                biased;
                () = send.closed() => return,
                next = messages.next() => next,
            };
            let Some(message) = next else { return };
            let sent = tokio::select! {
                biased;
                sent = send.send(message) => sent.is_ok(),
                // A reader that sleeps keeps no statement alive that was stopped.
                error = self.stopped() => {
                    drop(messages);
                    let _ = send.send(Err(status(error))).await;
                    return;
                }
            };
            if !sent {
                return;
            }
        }
    }

    /// The statement that runs.
    pub fn running(&self) -> Option<Arc<Query>> {
        self.running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Waits until the statement that runs is stopped or has taken too long.
    async fn stopped(&self) -> Error {
        match self.running() {
            Some(query) => query.stopped().await,
            None => std::future::pending().await,
        }
    }

    /// The statements with their parameters.
    fn bound(&self, session: &Session) -> engine::Result<Vec<Statement>> {
        let StatementTicket {
            statement,
            parameters,
            ..
        } = &self.statement;
        bound(session, statement, parameters.as_ref())
    }

    /// Whether the statement that runs failed by itself. One that was stopped may have made its commit.
    fn failed_by_itself(&self) -> bool {
        let running = self.running();
        let outcome = running.as_ref().and_then(|query| query.outcome());
        matches!(outcome, None | Some(Outcome::Failed(_)))
    }

    async fn query(self: &Arc<Self>) -> Result<(SchemaRef, Batches), Status> {
        let session = self.call.session(&self.server)?;
        let text = &self.statement.statement;
        let started = async {
            let mut bound = self.bound(&session)?.into_iter();
            let first = bound
                .next()
                .ok_or_else(|| Error::Invalid("no row of parameters was bound".into()))?;
            let answer = self.start(&session, first).await?;
            let schema = transport::schema(&answer.schema);
            // One after another: each takes a turn, and holds it until its rows are read.
            let (fetch, in_session) = (Arc::clone(self), Arc::clone(&session));
            let others = stream::iter(bound).then(move |statement| {
                let (fetch, session) = (Arc::clone(&fetch), Arc::clone(&in_session));
                async move { fetch.start(&session, statement).await }
            });
            let others = others
                .map_ok(|answer| answer.stream.map_err(Error::from))
                .try_flatten();
            let batches = answer.stream.map_err(Error::from).chain(others);
            Ok((schema, batches.boxed()))
        };
        match started.await {
            Ok(started) => Ok(started),
            Err(error) => Err(explained(&session, text, error).await),
        }
    }

    async fn start(&self, session: &Session, statement: Statement) -> engine::Result<Answer> {
        let running = self.begin(statement.is_oversight()).await?;
        let planned = running.plan(session, statement).await?;
        let planned_schema = Arc::clone(planned.schema());
        let mut answer = running.run(session, planned).await?;
        // What was announced, in every nullability.
        answer.schema = planned_schema;
        Ok(answer)
    }

    async fn begin(&self, at_once: bool) -> engine::Result<Running> {
        let pins: BTreeMap<String, u64> = self.statement.pins.clone().into_iter().collect();
        let running = self
            .server
            .queries
            .begin(Request {
                user: self.call.caller.user.clone(),
                statement: self.statement.statement.clone(),
                pins,
                at_once,
            })
            .await?;
        self.server.fetches.note(&self.ticket, running.query());
        *self
            .running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::clone(running.query()));
        Ok(running)
    }

    async fn change(&self) -> Result<(SchemaRef, Batches), Status> {
        let session = self.call.session(&self.server)?;
        let text = &self.statement.statement;
        let earlier = self.server.changes.begin(&self.ticket)?;
        let batches = match earlier {
            Some(batches) => batches,
            None => {
                let mut batches = Vec::new();
                let carried_out = async {
                    for statement in self.bound(&session)? {
                        let answer = self.start(&session, statement).await?;
                        let schema = Arc::clone(&answer.schema);
                        let rows: Vec<RecordBatch> = answer.stream.try_collect().await?;
                        batches.push(RecordBatch::new_empty(schema));
                        batches.extend(rows);
                    }
                    Ok(())
                };
                match carried_out.await {
                    Ok(()) => {
                        self.server.changes.end(&self.ticket, Some(batches.clone()));
                        batches
                    }
                    Err(error) => {
                        // Fetched again, it may only run again if nothing of it was carried out: of several rows of
                        // parameters, none.
                        if batches.is_empty() && self.failed_by_itself() {
                            self.server.changes.end(&self.ticket, None);
                        }
                        return Err(explained(&session, text, error).await);
                    }
                }
            }
        };
        let schema = batches.first().map_or_else(
            || Arc::new(Schema::empty()),
            |batch| transport::schema(&batch.schema()),
        );
        let rows = batches.into_iter().filter(|batch| batch.num_columns() > 0);
        let rows = rows.filter(|batch| batch.num_rows() > 0).map(Ok);
        Ok((schema, stream::iter(rows).boxed()))
    }
}

/// Carries a statement out to its end and tells how many rows it changed.
///
/// # Errors
/// The statement's, as a status that shows the place.
pub async fn update(
    server: &Arc<Server>,
    call: &Call,
    text: &str,
    parameters: Option<Bytes>,
) -> Result<i64, Status> {
    let session = call.session(server)?;
    let done = async {
        let mut changed = 0;
        for statement in bound(&session, text, parameters.as_ref())? {
            let running = server
                .queries
                .begin(Request {
                    user: call.caller.user.clone(),
                    statement: text.to_string(),
                    pins: BTreeMap::new(),
                    at_once: statement.is_oversight(),
                })
                .await?;
            let planned = running.plan(&session, statement).await?;
            let update = is_update(&planned);
            let answer = running.run(&session, planned).await?;
            let batches: Vec<RecordBatch> = answer.stream.try_collect().await?;
            if update {
                changed += batches.iter().map(count).sum::<i64>();
            }
        }
        Ok(changed)
    };
    match done.await {
        Ok(changed) => Ok(changed),
        Err(error) => Err(explained(&session, text, error).await),
    }
}

fn count(batch: &RecordBatch) -> i64 {
    use arrow::array::AsArray as _;
    use arrow::datatypes::UInt64Type;
    let counts = batch.columns().first();
    counts
        .and_then(|counts| counts.as_primitive_opt::<UInt64Type>())
        .and_then(arrow::compute::sum)
        .map_or(0, |rows| rows.try_into().unwrap_or(i64::MAX))
}

/// The rows of an IPC stream as one batch.
///
/// # Errors
/// Bytes that are none.
pub fn rows_of(bytes: &Bytes) -> engine::Result<RecordBatch> {
    let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

/// Batches as an IPC stream; none where there is neither row nor column.
///
/// # Errors
/// `INVALID_ARGUMENT` for batches that cannot be encoded.
pub fn stream_of(schema: &Schema, batches: &[RecordBatch]) -> Result<Bytes, Status> {
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        for batch in batches {
            writer.write(batch)?;
        }
        writer.into_inner()
    };
    match write() {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(malformed("the rows of parameters", error)),
    }
}

/// Which statements the tickets that are being fetched belong to, so that a ticket can be cancelled.
#[derive(Debug, Default)]
pub struct Fetches {
    running: std::sync::Mutex<std::collections::HashMap<Bytes, Vec<std::sync::Weak<Query>>>>,
}

impl Fetches {
    fn note(&self, ticket: &Ticket, query: &Arc<Query>) {
        let mut running = self.running();
        running.retain(|_, queries| {
            queries.retain(|query| query.strong_count() > 0);
            !queries.is_empty()
        });
        let queries = running.entry(ticket.nonce.clone()).or_default();
        queries.push(Arc::downgrade(query));
    }

    /// Stops what is fetched with a ticket; `false` where nothing is.
    pub fn cancel(&self, ticket: &Ticket, by: &str) -> bool {
        let queries = self.running().remove(&ticket.nonce).unwrap_or_default();
        let live: Vec<_> = queries
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .collect();
        for query in &live {
            query.cancel(by);
        }
        !live.is_empty()
    }

    fn running(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<Bytes, Vec<std::sync::Weak<Query>>>>
    {
        self.running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
