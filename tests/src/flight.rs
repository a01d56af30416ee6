//! A client of Flight SQL that keeps the status of each refusal, which arrow-flight's own client turns into text.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any,
    CommandPreparedStatementQuery, CommandStatementQuery, CommandStatementUpdate,
    DoPutUpdateResult, ProstMessageExt,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightInfo, IpcMessage, Ticket};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// A connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// The calls of the protocol.
    pub calls: FlightServiceClient<Channel>,
}

/// A result with all its rows.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// Bytes of the largest message that it came in.
    pub largest_message: usize,
}

impl Table {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// A column of texts.
    #[track_caller]
    pub fn texts(&self, column: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for batch in &self.batches {
            let column = batch.column_by_name(column).expect("a column");
            let column = column.as_string::<i32>().iter();
            texts.extend(column.map(|text| text.unwrap_or("NULL").to_string()));
        }
        texts
    }

    /// The only value, as text.
    #[track_caller]
    pub fn value(&self) -> String {
        assert_eq!((self.rows(), self.schema.fields().len()), (1, 1));
        let batch = self.batches.iter().find(|batch| batch.num_rows() == 1);
        let column = batch.expect("a row").column(0);
        arrow::util::display::array_value_to_string(column, 0).expect("a text")
    }
}

/// Rows that come as they are read.
pub struct Reading {
    rows: FlightRecordBatchStream,
    largest: Arc<AtomicUsize>,
}

impl Reading {
    /// The next rows.
    ///
    /// # Errors
    /// The server's.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Status> {
        self.rows.try_next().await.map_err(status)
    }

    /// All rows.
    ///
    /// # Errors
    /// The server's.
    pub async fn table(mut self) -> Result<Table, Status> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        let schema = self.rows.schema().cloned();
        Ok(Table {
            schema: schema.ok_or_else(|| Status::internal("a stream without a schema"))?,
            batches,
            largest_message: self.largest.load(Ordering::Relaxed),
        })
    }
}

impl Client {
    /// A connection of its own. It takes messages up to gRPC's usual 4 MiB.
    pub async fn connect(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await.expect("a connection");
        Self {
            calls: FlightServiceClient::new(channel),
        }
    }

    /// What the server says about a command.
    ///
    /// # Errors
    /// The server's.
    pub async fn info(&mut self, command: &impl ProstMessageExt) -> Result<FlightInfo, Status> {
        let answer = self.calls.get_flight_info(descriptor(command)).await?;
        Ok(answer.into_inner())
    }

    /// What the server says about a statement.
    ///
    /// # Errors
    /// The server's.
    pub async fn describe(&mut self, sql: &str) -> Result<FlightInfo, Status> {
        self.info(&statement(sql)).await
    }

    /// Starts to read what a ticket stands for.
    ///
    /// # Errors
    /// The server's.
    pub async fn fetch(&mut self, ticket: Ticket) -> Result<Reading, Status> {
        let messages = self.calls.do_get(ticket).await?.into_inner();
        let largest = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&largest);
        let messages = messages
            .inspect_ok(move |message: &FlightData| {
                seen.fetch_max(message.encoded_len(), Ordering::Relaxed);
            })
            .map_err(|status| FlightError::Tonic(Box::new(status)));
        Ok(Reading {
            rows: FlightRecordBatchStream::new_from_flight_data(messages),
            largest,
        })
    }

    /// Starts to read the answer of a statement.
    ///
    /// # Errors
    /// The server's.
    pub async fn start(&mut self, sql: &str) -> Result<Reading, Status> {
        let info = self.describe(sql).await?;
        self.fetch(ticket(&info)).await
    }

    /// The answer of a statement.
    ///
    /// # Errors
    /// The server's.
    pub async fn query(&mut self, sql: &str) -> Result<Table, Status> {
        self.start(sql).await?.table().await
    }

    /// The answer of a command.
    ///
    /// # Errors
    /// The server's.
    pub async fn ask(&mut self, command: &impl ProstMessageExt) -> Result<Table, Status> {
        let info = self.info(command).await?;
        self.fetch(ticket(&info)).await?.table().await
    }

    /// The only value of a query, as text.
    ///
    /// # Panics
    /// Where the server refuses, or there are more values.
    pub async fn value(&mut self, sql: &str) -> String {
        match self.query(sql).await {
            Ok(table) => table.value(),
            Err(status) => panic!("{sql}: {status}"),
        }
    }

    /// Carries a statement out; tells how many rows it changed.
    ///
    /// # Errors
    /// The server's.
    pub async fn update(&mut self, sql: &str) -> Result<i64, Status> {
        let command = CommandStatementUpdate {
            query: sql.to_string(),
            transaction_id: None,
        };
        let message = FlightData {
            flight_descriptor: Some(descriptor(&command)),
            ..FlightData::default()
        };
        let answer = self.send(futures::stream::iter([message])).await?;
        Ok(count(&answer))
    }

    /// Sends rows with a command; gives what the server answers.
    ///
    /// # Errors
    /// The server's.
    pub async fn put(
        &mut self,
        command: &impl ProstMessageExt,
        schema: SchemaRef,
        batches: impl Stream<Item = RecordBatch> + Send + 'static,
    ) -> Result<Bytes, Status> {
        let messages = messages(descriptor(command), schema, batches);
        self.send(messages).await
    }

    /// Sends messages with `DoPut`; gives what the server answers.
    ///
    /// # Errors
    /// The server's.
    pub async fn send(
        &mut self,
        messages: impl Stream<Item = FlightData> + Send + 'static,
    ) -> Result<Bytes, Status> {
        let mut answers = self.calls.do_put(messages).await?.into_inner();
        let answer = answers.message().await?;
        Ok(answer.unwrap_or_default().app_metadata)
    }

    /// Carries an action out; gives its result, empty where it has none.
    ///
    /// # Errors
    /// The server's.
    pub async fn act(&mut self, name: &str, body: Vec<u8>) -> Result<Bytes, Status> {
        let action = Action::new(name, body);
        let mut answers = self.calls.do_action(action).await?.into_inner();
        let answer = answers.message().await?;
        Ok(answer.unwrap_or_default().body)
    }

    /// Prepares a statement.
    ///
    /// # Errors
    /// The server's.
    pub async fn prepare(
        &mut self,
        sql: &str,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let request = ActionCreatePreparedStatementRequest {
            query: sql.to_string(),
            transaction_id: None,
        };
        let body = request.as_any().encode_to_vec();
        let answer = self.act("CreatePreparedStatement", body).await?;
        let any = Any::decode(answer).expect("a packed message");
        Ok(any.unpack().expect("a message").expect("its type"))
    }

    /// The answer of a prepared query with one row of parameters, or several.
    ///
    /// # Errors
    /// The server's.
    pub async fn execute(&mut self, handle: &Bytes, rows: &RecordBatch) -> Result<Table, Status> {
        let command = CommandPreparedStatementQuery {
            prepared_statement_handle: handle.clone(),
        };
        let batches = futures::stream::iter([rows.clone()]);
        self.put(&command, rows.schema(), batches).await?;
        self.ask(&command).await
    }
}

/// A query as a command.
pub fn statement(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery {
        query: sql.to_string(),
        transaction_id: None,
    }
}

/// A descriptor of a command.
pub fn descriptor(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

/// The ticket of the only endpoint.
#[track_caller]
pub fn ticket(info: &FlightInfo) -> Ticket {
    assert_eq!(info.endpoint.len(), 1);
    info.endpoint[0].ticket.clone().expect("a ticket")
}

/// The columns that a message announces.
#[track_caller]
pub fn columns(message: &Bytes) -> Schema {
    Schema::try_from(IpcMessage(message.clone())).expect("a schema")
}

/// The messages of a `DoPut` of rows.
pub fn messages(
    descriptor: FlightDescriptor,
    schema: SchemaRef,
    batches: impl Stream<Item = RecordBatch> + Send + 'static,
) -> impl Stream<Item = FlightData> + Send + 'static {
    FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(descriptor))
        .with_schema(schema)
        .build(batches.map(Ok))
        .map(|message| message.expect("rows that can be encoded"))
}

/// How many rows a `DoPut` changed.
#[track_caller]
pub fn count(answer: &Bytes) -> i64 {
    let answer = DoPutUpdateResult::decode(answer.clone()).expect("a count");
    answer.record_count
}

/// Asserts that a refusal has a code and every one of `parts` in its message, whatever their case.
#[track_caller]
pub fn refused<T>(result: Result<T, Status>, code: Code, parts: &[&str]) -> Status {
    let Err(status) = result else {
        panic!("this should have been refused with {code:?} {parts:?}");
    };
    let message = status.message().to_lowercase();
    assert_eq!(status.code(), code, "{message}");
    for part in parts {
        assert!(
            message.contains(&part.to_lowercase()),
            "the message lacks {part:?}: {message}"
        );
    }
    status
}

fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Status::internal(other.to_string()),
    }
}
