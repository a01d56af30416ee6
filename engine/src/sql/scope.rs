//! What one statement sees: each table at one version, however often and wherever it is named.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, DynamicFileCatalog, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::common::{exec_err, plan_err};
use datafusion::datasource::ViewTable;
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement as Plain;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::resolve::split_moment;
use super::{calls, changes, resolve};
use crate::catalog::{CATALOG, LakeCatalog, SCHEMAS, views};
use crate::distributed;
use crate::error::{Error, Result};
use crate::inference;
use crate::policy::Deed;
use crate::queries::{self, Query};
use crate::session::{Answer, Session};
use crate::tables::{LakeTableProvider, maintenance};

/// Views may stand on views, to this depth: beyond it two of them refer to each other.
const DEEPEST_VIEW: usize = 32;

/// The session as one statement sees it.
pub struct Scope {
    state: Arc<SessionState>,
    pinned: Option<Arc<Pinned>>,
    /// The statement that this is about, where somebody watches it.
    query: Option<Arc<Query>>,
    /// Whose it is.
    user: String,
}

impl Scope {
    /// A scope in which nothing is pinned yet.
    pub async fn new(session: &Session) -> Result<Self> {
        let mut state = session.context().state();
        let pinned = match session.lake_catalog() {
            Some(catalog) => {
                catalog.lake().refresh_if_changed().await?;
                Some(Arc::new(Pinned::new(catalog)))
            }
            None => None,
        };
        let mut catalogs = Arc::clone(state.catalog_list());
        if let Some(pinned) = &pinned {
            let list = MemoryCatalogProviderList::new();
            datafusion::catalog::CatalogProviderList::register_catalog(
                &list,
                CATALOG.into(),
                Arc::clone(pinned) as Arc<dyn CatalogProvider>,
            );
            catalogs = Arc::new(list);
        }
        let files = session.file_tables();
        state.register_catalog_list(Arc::new(DynamicFileCatalog::new(catalogs, files)));
        let state = Arc::new(state);
        for schema in pinned.iter().flat_map(|pinned| &pinned.schemas) {
            let _ = schema.state.set(Arc::downgrade(&state));
        }
        Ok(Self {
            state,
            pinned,
            query: queries::current(),
            user: session.caller().user.clone(),
        })
    }

    /// The session's state, with this scope's tables.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// What a plan of this scope runs in: its memory is the statement's.
    pub fn task_context(&self) -> Arc<TaskContext> {
        queries::task_context(&self.state, self.query.as_deref())
    }

    /// The versions of the lake's tables that were looked up, by `schema.table`.
    pub fn pins(&self) -> BTreeMap<String, u64> {
        let mut pins = BTreeMap::new();
        let pinned = self.pinned.iter();
        for (pinned, schema) in
            pinned.flat_map(|it| it.schemas.iter().map(move |schema| (it, schema)))
        {
            let tables = schema.tables.read().unwrap_or_else(PoisonError::into_inner);
            for (name, table) in tables.iter() {
                let reader = (table.as_ref() as &dyn Any).downcast_ref::<LakeTableProvider>();
                // What is named with a version stays at it anyway.
                if let Some(reader) = reader
                    && !name.contains(resolve::AT)
                    && !pinned.catalog.has_session_table(schema.name, name)
                    && let Ok(snapshot) = reader.snapshot()
                {
                    pins.insert(format!("{}.{name}", schema.name), snapshot.version());
                }
            }
        }
        pins
    }

    /// Puts `provider` under a name that statements of this scope can use.
    pub fn pin(&self, schema: &str, name: &str, provider: Arc<dyn TableProvider>) {
        let schemas = self.pinned.iter().flat_map(|pinned| &pinned.schemas);
        for found in schemas.filter(|candidate| candidate.name == schema) {
            found.keep(name, provider.clone());
        }
    }

    /// The table `schema.name` at this scope's version.
    pub async fn table(&self, schema: &str, name: &str) -> Result<Arc<dyn TableProvider>> {
        let missing = || Error::NotFound(format!("there is no table {schema}.{name}"));
        let pinned = self.pinned.as_ref().ok_or_else(missing)?;
        let schema = pinned.schema(schema).ok_or_else(missing)?;
        schema.table(name).await?.ok_or_else(missing)
    }

    /// Plans a statement of DataFusion's.
    pub async fn plan(&self, mut statement: Plain) -> Result<LogicalPlan> {
        let asks_models = calls::check(&statement, &self.state)?;
        if let Some(pinned) = &self.pinned {
            if asks_models || pinned.names_view_over_models(&statement)? {
                // Names are resolved while the statement is planned, in what is known then.
                pinned.catalog.lake().models().refresh().await?;
            }
            pinned.pin_changes(&mut statement).await?;
            pinned.note_names(&statement)?;
        }
        Ok(self.state.statement_to_plan(statement).await?)
    }

    /// Plans a query given as syntax.
    pub async fn plan_ast(&self, statement: Ast) -> Result<LogicalPlan> {
        self.plan(Plain::Statement(Box::new(statement))).await
    }

    /// The physical plan of a logical one, unless it would ask too much of language models.
    pub async fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        inference::admit(&self.state, plan, &self.task_context(), &self.user).await?;
        Ok(inference::planned(&self.state, plan).await?)
    }

    /// Starts a plan.
    pub async fn run(&self, plan: &LogicalPlan) -> Result<Answer> {
        Ok(self.start(plan).await?.0)
    }

    /// Starts a plan; its operators tell what they cost once the rows are read.
    pub async fn start(&self, plan: &LogicalPlan) -> Result<(Answer, Arc<dyn ExecutionPlan>)> {
        let physical = self.physical(plan).await?;
        if let Some(query) = &self.query {
            query.note_plan(&physical, || plan_hash(plan));
        }
        let context = self.task_context();
        let operators = Arc::clone(&physical);
        let stream = match distributed::is_distributed(&physical) {
            true => distributed::run(&self.state, plan, physical, context)?,
            false => execute_stream(physical, context)?,
        };
        let schema = stream.schema();
        // What was computed for a query that ended before its operators is kept too.
        let models = inference::Models::of(self.state.config());
        let end = futures::stream::once(async move {
            if let Some(models) = models {
                models.save().await;
            }
        });
        let stream = stream.chain(end.filter_map(async |()| None));
        // information_schema looks views up while its rows are read, and they are planned in this state.
        let state = Arc::clone(&self.state);
        let pinned = self.pinned.clone();
        let stream = stream.map(move |batch| {
            let _ = &state;
            batch.map_err(
                |error| match pinned.as_ref().and_then(|it| it.explain(&error)) {
                    Some(explained) => explained.into(),
                    None => error,
                },
            )
        });
        let answer = Answer {
            stream: Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), stream)),
            schema,
        };
        Ok((answer, operators))
    }
}

/// Equal for plans that print alike.
pub fn plan_hash(plan: &LogicalPlan) -> String {
    let digest = Sha256::digest(plan.display_indent().to_string());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The lake's catalog with what a statement has looked up.
#[derive(Debug)]
struct Pinned {
    catalog: Arc<LakeCatalog>,
    schemas: Vec<Arc<PinnedSchema>>,
}

impl CatalogProvider for Pinned {
    fn schema_names(&self) -> Vec<String> {
        SCHEMAS.map(str::to_string).to_vec()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let found = self.schemas.iter().find(|schema| schema.name == name)?;
        Some(Arc::clone(found) as Arc<dyn SchemaProvider>)
    }
}

impl Pinned {
    fn new(catalog: &Arc<LakeCatalog>) -> Self {
        let schema = |name: &'static str| {
            let schema = PinnedSchema {
                session: catalog.schema(name)?,
                name,
                tables: RwLock::default(),
                named: RwLock::default(),
                state: OnceLock::new(),
                query: queries::current(),
            };
            Some(Arc::new(schema))
        };
        Self {
            catalog: Arc::clone(catalog),
            schemas: SCHEMAS.iter().filter_map(|name| schema(name)).collect(),
        }
    }

    /// Names the table and version whose file an error says is not there.
    fn explain(&self, error: &DataFusionError) -> Option<Error> {
        let missing = missing_file(error)?;
        let mut older = None;
        for schema in &self.schemas {
            let tables = schema.tables.read().unwrap_or_else(PoisonError::into_inner);
            for (name, table) in tables.iter() {
                let table: &dyn std::any::Any = table.as_ref();
                let reader = table.downcast_ref::<LakeTableProvider>();
                let version = reader.and_then(|reader| reader.version_with(&missing));
                let (Some(version), Ok((table, moment))) = (version, split_moment(name)) else {
                    continue;
                };
                let of = format!("{}.{table} at version {version}", schema.name);
                match moment {
                    _ if table.starts_with("__paratope") => {}
                    None => {
                        return Some(Error::Corrupt(format!(
                            "{of}: its file {missing} is not there; put it back from a copy, or RESTORE a version without it"
                        )));
                    }
                    Some(_) => {
                        older = Some(Error::NotFound(format!(
                            "{of} cannot be read any more: VACUUM deleted files that newer versions do not need \
                             (delta.deletedFileRetentionDuration says how long they are kept); read a newer version"
                        )));
                    }
                }
            }
        }
        older
    }

    /// Whether a statement names a view, and views ask language models.
    fn names_view_over_models(&self, statement: &Plain) -> Result<bool> {
        let lake = self.catalog.lake();
        let views = lake.views();
        if !views
            .values()
            .any(|sql| sql.to_lowercase().contains("plm_"))
        {
            return Ok(false);
        }
        let names = views::references(statement)?;
        Ok(names
            .iter()
            .any(|name| views.contains_key(&name.to_string())))
    }

    /// Notes which tables and views a statement names.
    fn note_names(&self, statement: &Plain) -> Result<()> {
        for name in views::references(statement)? {
            let schemas = self.schemas.iter();
            for schema in schemas.filter(|schema| schema.name == name.schema_name) {
                let mut named = schema.named.write().unwrap_or_else(PoisonError::into_inner);
                named.insert(name.name.clone());
            }
        }
        Ok(())
    }

    /// Pins what the calls of `table_changes` in a statement give.
    async fn pin_changes(&self, statement: &mut Plain) -> Result<()> {
        let inner = match statement {
            Plain::Statement(inner) => inner,
            Plain::Explain(explain) => match explain.statement.as_mut() {
                Plain::Statement(inner) => inner,
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        for call in changes::take(inner)? {
            let (schema, name) = call.table;
            self.catalog.grants().check(Deed::Read, &schema, &name)?;
            let table = self.catalog.lake().table(&format!("{schema}.{name}"))?;
            let rows = maintenance::table_changes(&table, call.from, call.to).await?;
            for schema in self
                .schemas
                .iter()
                .filter(|schema| schema.name == SCHEMAS[0])
            {
                schema.keep(&call.pinned, Arc::clone(&rows));
            }
        }
        Ok(())
    }
}

/// The file that an object store did not find, wherever in the error that stands.
fn missing_file(error: &DataFusionError) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(object_store::Error::NotFound { path, .. }) = error.downcast_ref() {
            return Some(path.clone());
        }
        cause = error.source();
    }
    // DataFusion's cache of footers keeps only the text of the store's error.
    let text = error.to_string();
    let (_, rest) = text.split_once("Object at location ")?;
    let (path, _) = rest.split_once(" not found")?;
    Some(path.into())
}

struct PinnedSchema {
    session: Arc<dyn SchemaProvider>,
    name: &'static str,
    tables: RwLock<HashMap<String, Arc<dyn TableProvider>>>,
    /// Tables and views that the statement names.
    named: RwLock<HashSet<String>>,
    /// Plans the definitions of views.
    state: OnceLock<Weak<SessionState>>,
    /// The statement, which may have to read older versions.
    query: Option<Arc<Query>>,
}

impl std::fmt::Debug for PinnedSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinnedSchema")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl PinnedSchema {
    fn keep(&self, name: &str, provider: Arc<dyn TableProvider>) {
        self.tables
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_string(), provider);
    }

    /// Whether the statement names it, or a view that it names does.
    fn is_named(&self, name: &str) -> bool {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.contains(name) || DEPTH.try_with(|_| ()).is_ok()
    }

    fn kept(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.tables
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

#[async_trait]
impl SchemaProvider for PinnedSchema {
    fn table_names(&self) -> Vec<String> {
        self.session.table_names()
    }

    fn table_exist(&self, name: &str) -> bool {
        self.kept(name).is_some() || self.session.table_exist(name)
    }

    async fn table(&self, name: &str) -> DFResult<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.kept(name) {
            return Ok(Some(table));
        }
        let at_version = self.query.as_ref().and_then(|query| {
            let version = query.pinned(&format!("{}.{name}", self.name))?;
            Some(format!("{name}{}v{version}", resolve::AT))
        });
        let looked_up = at_version.as_deref().unwrap_or(name);
        let Some(found) = self.session.table(looked_up).await? else {
            return Ok(None);
        };
        let found = match found.get_table_definition() {
            Some(sql) if found.table_type() == datafusion::logical_expr::TableType::View => {
                match self.view(name, sql).await {
                    Ok(view) => view,
                    // information_schema asks for every view there is: one that stands on a table that is gone must
                    // not hide the others.
                    Err(error) if !self.is_named(name) => {
                        tracing::debug!(view = name, %error, "left out");
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
            _ => found,
        };
        self.keep(name, Arc::clone(&found));
        Ok(Some(found))
    }
}

tokio::task_local! {
    /// How many views are being planned within each other.
    static DEPTH: usize;
}

impl PinnedSchema {
    /// Plans a view in this scope, so that it sees the versions that the statement sees.
    async fn view(&self, name: &str, sql: &str) -> DFResult<Arc<dyn TableProvider>> {
        let depth = DEPTH.try_with(|depth| *depth).unwrap_or(0);
        if depth >= DEEPEST_VIEW {
            return plan_err!(
                "view {}.{name} stands on more than {DEEPEST_VIEW} views within each other; do two of them refer to each other?",
                self.name
            );
        }
        let Some(state) = self.state.get().and_then(Weak::upgrade) else {
            return exec_err!(
                "view {}.{name} was looked up outside a statement",
                self.name
            );
        };
        let of_view = |error: Error| -> DataFusionError {
            error.context(format!("view {}.{name}", self.name)).into()
        };
        let query = views::parse(sql).map_err(of_view)?;
        let plan = DEPTH
            .scope(depth + 1, state.statement_to_plan(query))
            .await
            .map_err(|error| of_view(error.into()))?;
        Ok(Arc::new(ViewTable::new(plan, Some(sql.to_string()))))
    }
}
