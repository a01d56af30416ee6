//! The one session factory.

mod client_options;
pub(crate) mod copy;
mod external;
mod files;
mod footers;
mod functions;
pub mod names;
mod rows;
mod runtime;
mod sessions;
mod settings;
mod stoppable;
mod three_valued_in;
mod yielding;

pub use crate::sql::{Planned, STACK_BYTES, Statement};
pub use client_options::{ARCHIVED, Archived, ClientOptions, ENDPOINTS, Endpoints};
pub use functions::FunctionDoc;
pub use rows::{IngestMode, Rows};
pub use runtime::{query_memory, resident_memory};
pub use sessions::Sessions;
use settings::Settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::UrlTableFactory;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{
    LogicalPlan, ResetVariable, SetVariable, Statement as DataFusionStatement,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, TryStreamExt as _};

use crate::catalog::{CATALOG, CreateMode, LakeCatalog, SCHEMAS};
use crate::config::{Config, threads};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::policy::Grants;
use crate::queries::{self, Queries, Request, Within};
use crate::sql;
use crate::storage::{Access, Storage};

/// SQL over a lake, or over files alone.
pub struct Session {
    context: SessionContext,
    config: Config,
    catalog: Option<Arc<LakeCatalog>>,
    files: Arc<dyn UrlTableFactory>,
    access: Access,
    settings: Settings,
    caller: Caller,
    queries: Option<Arc<Queries>>,
}

/// Whose session it is.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Name.
    pub user: String,
    /// Roles.
    pub grants: Grants,
}

impl Caller {
    /// Whoever runs the command line: they may do all that the system lets them do.
    pub fn local() -> Self {
        Self {
            user: "local".into(),
            grants: Grants::everything(),
        }
    }
}

/// The rows of one statement, as they are computed.
pub struct Answer {
    /// Columns of every batch.
    pub schema: SchemaRef,
    /// The batches. Dropping the stream cancels the statement.
    pub stream: SendableRecordBatchStream,
}

impl Answer {
    /// The answer of a statement that changed so many rows.
    pub fn count(rows: u64) -> Result<Self> {
        let counts: ArrayRef = Arc::new(UInt64Array::from(vec![rows]));
        Self::rows(RecordBatch::try_from_iter([("count", counts)])?)
    }

    /// The answer of a statement that has nothing to show.
    pub fn done() -> Result<Self> {
        Self::rows(RecordBatch::new_empty(Arc::new(Schema::empty())))
    }

    /// Rows that come as they come.
    pub fn stream(
        schema: SchemaRef,
        rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Self {
        let rows = rows.map_err(DataFusionError::from);
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
        Self {
            schema,
            stream: Box::pin(stream),
        }
    }

    /// Rows that are there already.
    pub fn rows(batch: RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        let stream = futures::stream::iter([Ok(batch)]);
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), stream);
        Ok(Self {
            schema,
            stream: Box::pin(stream),
        })
    }
}

impl Session {
    /// A session with all of Paratope's functions, over `lake` where there is one. Its statements reach files within
    /// `access`.
    ///
    /// # Errors
    /// A runtime that cannot be built (no folder for spilling).
    pub fn new(lake: Option<Arc<Lake>>, config: &Config, access: Access) -> Result<Self> {
        Sessions::new(lake, config, access)?.open(Caller::local(), None)
    }

    /// Splits a script into statements.
    ///
    /// # Errors
    /// A syntax error, with line and column.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        sql::parse(sql)
    }

    /// Plans a statement and changes nothing.
    ///
    /// # Errors
    /// Unknown names, wrong types, statements and clauses that this version does not carry out.
    pub fn plan(&self, statement: Statement) -> BoxFuture<'_, Result<Planned>> {
        sql::plan(self, statement).boxed()
    }

    /// The parameters of a statement (`$1`, `?`) in their order, with the types that planning finds out for them.
    ///
    /// # Errors
    /// As for planning.
    pub async fn parameters(
        &self,
        statement: &Statement,
    ) -> Result<Vec<(String, Option<DataType>)>> {
        sql::parameters(self, statement).await
    }

    /// The statements that a statement is with each row of parameters.
    ///
    /// # Errors
    /// A parameter without a value; a value of a type that has no literal.
    pub fn bind(&self, statement: &Statement, rows: &RecordBatch) -> Result<Vec<Statement>> {
        sql::bind::bind(statement, rows)
    }

    /// Plans and starts one statement.
    ///
    /// # Errors
    /// Unknown names, wrong types, statements and clauses that this version does not carry out.
    pub async fn execute(&self, statement: Statement) -> Result<Answer> {
        sql::execute(self, statement).await
    }

    /// All rows of one statement of ours.
    ///
    /// # Errors
    /// The statement's.
    pub(crate) async fn rows_of(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let statement = self.parse(sql)?.pop();
        let statement = statement.ok_or_else(|| Error::Internal("there is no statement".into()))?;
        Ok(self.execute(statement).await?.stream.try_collect().await?)
    }

    /// Keeps a job's file in the lake. Tells whether anything was changed.
    ///
    /// # Errors
    /// What is wrong with the job; that the name is taken; `Denied` for who may not.
    pub async fn add_job(&self, name: &str, text: &str, mode: CreateMode) -> Result<bool> {
        sql::add_job(self, name, text, mode).await
    }

    /// Keeps a job in the lake no longer.
    ///
    /// # Errors
    /// `NotFound`; `Denied` for who may not.
    pub async fn drop_job(&self, name: &str) -> Result<()> {
        sql::drop_job(self, name, false).await
    }

    /// Documentation of every function, sorted by name.
    pub fn functions(&self) -> Vec<FunctionDoc> {
        functions::document(&self.context.state())
    }

    /// The settings that it may change, with their values.
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.settings
            .current(self.context.state_ref().read().config())
    }

    /// `SET name = value`, or `RESET name` without a value.
    ///
    /// # Errors
    /// A setting that cannot be changed; a value that it does not take.
    pub async fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        let plan = match value {
            Some(value) => DataFusionStatement::SetVariable(SetVariable {
                variable: name.to_string(),
                value: value.to_string(),
            }),
            None => DataFusionStatement::ResetVariable(ResetVariable {
                variable: name.to_string(),
            }),
        };
        let plan = self.admit(LogicalPlan::Statement(plan))?;
        self.run_in_context(plan).await?;
        Ok(())
    }

    /// Whose session it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Notes a statement that could not be planned, where somebody watches statements.
    pub fn note_failure(&self, statement: &str, error: &Error) {
        if let Some(queries) = &self.queries {
            let request = Request {
                user: self.caller.user.clone(),
                statement: statement.to_string(),
                ..Request::default()
            };
            queries.note_failure(request, error);
        }
    }

    /// Stops a statement that waits or runs.
    pub(crate) fn kill(&self, id: &str) -> Result<()> {
        match &self.queries {
            Some(queries) => queries.kill(id, &self.caller.user, &self.caller.grants),
            None => Err(Error::Unsupported(
                "KILL QUERY is for servers; Ctrl-C stops a statement here".into(),
            )),
        }
    }

    /// Which files its statements reach.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The DataFusion context below, for tests and for those who build on the engine.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The lake, where there is one.
    pub fn lake(&self) -> Option<&Arc<Lake>> {
        self.catalog.as_ref().map(|catalog| catalog.lake())
    }

    /// The lake, for what needs one.
    ///
    /// # Errors
    /// `NotFound` in a session without a lake.
    pub(crate) fn require_lake(&self) -> Result<&Arc<Lake>> {
        self.lake()
            .ok_or_else(|| Error::NotFound("this statement needs a lake, and there is none".into()))
    }

    /// The lake's catalog, with the external tables of this session.
    pub(crate) fn lake_catalog(&self) -> Option<&Arc<LakeCatalog>> {
        self.catalog.as_ref()
    }

    /// What makes tables of files that are named in FROM.
    pub(crate) fn file_tables(&self) -> Arc<dyn UrlTableFactory> {
        Arc::clone(&self.files)
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The plan as it may run: where it reads and writes files, and which settings it changes.
    ///
    /// # Errors
    /// `Denied`, with the place or the setting.
    pub(crate) fn admit(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        files::check_plan(&plan, &self.access)?;
        self.settings.admit(plan)
    }

    /// Runs a plan that changes the session itself.
    pub(crate) async fn run_in_context(&self, plan: LogicalPlan) -> Result<Answer> {
        let frame = self.context.execute_logical_plan(plan).await?;
        let stream = frame.execute_stream().await?;
        Ok(Answer {
            schema: stream.schema(),
            stream,
        })
    }
}

/// A context without catalog and Paratope's functions: for reading the lake's own books.
pub fn bare_context() -> Result<SessionContext> {
    let config = SessionConfig::new().with_target_partitions(1);
    #[allow(clippy::disallowed_methods)] // this is the factory
    Ok(SessionContext::new_with_config(config))
}

/// A bare context that can read the tables of one store.
pub fn reading_context(storage: &Storage) -> Result<SessionContext> {
    let context = bare_context()?;
    context
        .runtime_env()
        .register_object_store(&storage.store_url()?, Arc::clone(storage.store()));
    Ok(context)
}

/// A context for sorting and writing within a memory limit of its own; it reaches the lake and no other store. One sort to
/// a context: of two that share memory, one may take what the other needs to merge what it has spilled, and fail it.
pub fn write_context(lake: &Lake) -> Result<SessionContext> {
    let config = lake.config();
    let bytes = config.ingest.sort_memory_bytes;
    let access = Access::nothing(config)?;
    let mut runtime = runtime::with_memory(config, &access, bytes)?;
    if let Some(query) = queries::current() {
        // What a statement sorts is its memory too.
        let memory_pool = Within::new(Arc::clone(&runtime.memory_pool), &query.pool());
        runtime = Arc::new(RuntimeEnv {
            memory_pool: Arc::new(memory_pool),
            ..runtime.as_ref().clone()
        });
    }
    register_store(&runtime, lake)?;
    let session = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(1_024)
        // Merging needs the sort keys of all that is in memory: with DataFusion's 10 MB it may fail where rows are narrow.
        .with_sort_spill_reservation_bytes(bytes / 4);
    #[allow(clippy::disallowed_methods)] // this is the factory
    Ok(SessionContext::new_with_config_rt(session, runtime))
}

/// A context for reading files that are written anew, in so many threads; it reaches the lake and no other store.
pub fn rewrite_context(lake: &Lake, threads: usize) -> Result<SessionContext> {
    let config = lake.config();
    let runtime = runtime::build(config, &Access::nothing(config)?)?;
    register_store(&runtime, lake)?;
    let session = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(2_048);
    #[allow(clippy::disallowed_methods)] // this is the factory
    Ok(SessionContext::new_with_config_rt(session, runtime))
}

fn session_config(config: &Config) -> SessionConfig {
    let mut session = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, SCHEMAS[0])
        .with_target_partitions(threads(config.query.threads));
    let options = session.options_mut();
    options.execution.parquet.reorder_filters = true;
    // Groups are counted in two steps only where the first leaves half of the rows or fewer. Where most are distinct, as CDR3s
    // are, it costs as much as the second and spares it little: a third of the query.
    options
        .execution
        .skip_partial_aggregation_probe_ratio_threshold = 0.5;
    // Columns carry their comments, and those of a UNION's parts differ: DataFusion would take that for a defect of its own
    // where it groups the rows.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.extensions.insert(ClientOptions::default());
    session
}

fn register_store(runtime: &Arc<RuntimeEnv>, lake: &Lake) -> Result<()> {
    let url = lake.storage().store_url()?;
    runtime.register_object_store(&url, Arc::clone(lake.storage().store()));
    Ok(())
}
