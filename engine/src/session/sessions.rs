//! What the sessions of a process share: memory, caches, stores and functions.

use std::sync::Arc;

use datafusion::catalog::{CatalogProviderList as _, MemoryCatalogProviderList};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry as _, SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionContext;

use super::settings::Settings;
use super::{
    Caller, Session, files, register_store, runtime, session_config, three_valued_in, yielding,
};
use crate::catalog::{CATALOG, LakeCatalog, LiveTable, SCHEMAS};
use crate::config::Config;
use crate::distributed::{self, Cluster, LiveNodes};
use crate::error::{Error, Result};
use crate::inference::{InferencePlanner, Models, UseInference, Whose};
use crate::jobs::{self, LiveJobs};
use crate::lake::Lake;
use crate::lifecycle::archive::{self, LiveArchive};
use crate::queries::{self, LiveQueries, Queries};
use crate::storage::{Access, Registry};
use crate::table_functions;

/// Opens sessions over one lake. They share a memory limit, caches and connections to stores.
pub struct Sessions {
    template: SessionState,
    lake: Option<Arc<Lake>>,
    config: Config,
    access: Access,
    cluster: Option<Arc<Cluster>>,
    models: Option<Arc<Models>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Sessions over `lake` where there is one. Their statements reach files within `access`.
    ///
    /// # Errors
    /// A runtime that cannot be built (no folder for spilling); settings that exclude each other.
    pub fn new(lake: Option<Arc<Lake>>, config: &Config, access: Access) -> Result<Self> {
        if config.models.share_results && config.models.cache_bytes == 0 {
            return Err(Error::Invalid(
                "models.share_results needs memory for what it finds: set models.cache_bytes to more than 0, or share_results to false"
                    .into(),
            ));
        }
        let runtime = runtime::build(config, &access)?;
        if let Some(lake) = &lake {
            register_store(&runtime, lake)?;
        }
        let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> =
            vec![Arc::new(UseInference)];
        rules.extend(PhysicalOptimizer::new().rules);
        rules.push(Arc::new(yielding::Yielding));
        let models = lake
            .as_ref()
            .map(|lake| Arc::new(Models::new(lake, &config.models)));
        let mut session = session_config(config);
        if let Some(models) = &models {
            session.set_extension(Arc::clone(models));
        }
        let mut template = SessionStateBuilder::new()
            .with_default_features()
            .with_config(session)
            .with_runtime_env(runtime)
            .with_analyzer_rule(Arc::new(three_valued_in::ThreeValuedIn))
            .with_query_planner(Arc::new(InferencePlanner))
            .with_physical_optimizer_rules(rules)
            .with_table_factories(files::factories(config, &access))
            .build();
        let faster = udfs::vector::functions();
        for function in faster.into_iter().chain(udfs::all(&library(lake.as_ref()))) {
            template.register_udf(function)?;
        }
        for function in udfs::aggregates() {
            template.register_udaf(function)?;
        }
        for (name, function) in table_functions::all() {
            template.register_udtf(name, function);
        }
        Ok(Self {
            template,
            lake,
            config: config.clone(),
            access,
            cluster: None,
            models,
        })
    }

    /// The same, whose queries are computed by `cluster` where that is worth it.
    ///
    /// # Errors
    /// Options that `datafusion-distributed` refuses.
    pub fn with_cluster(mut self, cluster: Arc<Cluster>) -> Result<Self> {
        self.template = distributed::distributed(self.template, &cluster)?;
        self.cluster = Some(cluster);
        Ok(self)
    }

    /// The other nodes, where there may be any.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    /// Language models, and what is known of their results; none without a lake.
    pub(crate) fn models(&self) -> Option<&Arc<Models>> {
        self.models.as_ref()
    }

    /// Where functions find language models.
    pub(crate) fn library(&self) -> Arc<dyn udfs::plm::Models> {
        library(self.lake.as_ref())
    }

    /// What parts of others' plans run in: the memory and the caches of the sessions, and the lake's files alone.
    ///
    /// # Errors
    /// `NotFound` where there is no lake.
    pub fn lake_runtime(&self) -> Result<Arc<RuntimeEnv>> {
        let runtime = self.template.runtime_env();
        let registry = Registry::new(self.config.storage.clone(), Access::nothing(&self.config)?);
        let runtime = RuntimeEnv {
            object_store_registry: Arc::new(registry),
            ..runtime.as_ref().clone()
        };
        let runtime = Arc::new(runtime);
        register_store(&runtime, self.lake()?)?;
        Ok(runtime)
    }

    /// A state for parts of others' plans: [`Sessions::lake_runtime`], and no tables.
    ///
    /// # Errors
    /// No lake.
    pub fn lake_state(&self) -> Result<SessionState> {
        let state = SessionStateBuilder::new_from_existing(self.template.clone());
        Ok(state.with_runtime_env(self.lake_runtime()?).build())
    }

    /// A session of `caller`; `queries` are those of its process, where somebody watches them.
    ///
    /// # Errors
    /// A catalog that cannot be registered.
    pub fn open(&self, caller: Caller, queries: Option<Arc<Queries>>) -> Result<Session> {
        let mut state = self.template.clone();
        // Each has catalogs of its own: external tables are a session's.
        let catalogs = Arc::new(MemoryCatalogProviderList::new());
        let catalog = self.lake.as_ref().map(|lake| {
            let catalog = Arc::new(LakeCatalog::new(lake, caller.grants.clone()));
            catalogs.register_catalog(CATALOG.into(), Arc::clone(&catalog) as _);
            catalog
        });
        if let (Some(catalog), Some(queries)) = (&catalog, &queries) {
            let live = LiveQueries::new(Arc::clone(queries), &caller.user, &caller.grants);
            catalog.lay_over(SCHEMAS[1], queries::TABLE, Arc::new(LiveTable(live)));
        }
        if let (Some(catalog), Some(cluster)) = (&catalog, &self.cluster) {
            let nodes = LiveNodes::new(Arc::clone(cluster));
            catalog.lay_over(SCHEMAS[1], distributed::TABLE, Arc::new(LiveTable(nodes)));
        }
        if let (Some(catalog), Some(lake)) = (&catalog, &self.lake) {
            let live = LiveJobs::new(Arc::clone(lake));
            catalog.lay_over(SCHEMAS[1], jobs::TABLE, Arc::new(LiveTable(live)));
            let archived = LiveArchive::new(Arc::clone(lake));
            catalog.lay_over(SCHEMAS[1], archive::TABLE, Arc::new(LiveTable(archived)));
        }
        if catalog.is_none() {
            let default = datafusion::catalog::MemoryCatalogProvider::new();
            datafusion::catalog::CatalogProvider::register_schema(
                &default,
                SCHEMAS[0],
                Arc::new(datafusion::catalog::MemorySchemaProvider::new()),
            )?;
            catalogs.register_catalog(CATALOG.into(), Arc::new(default));
        }
        state.register_catalog_list(catalogs);
        Whose::of(&caller).apply(&mut state);
        let settings = Settings::new(state.config());
        #[allow(clippy::disallowed_methods)] // this is the factory
        let context = SessionContext::new_with_state(state);
        let files = files::file_tables(&context, &self.access);
        Ok(Session {
            context,
            config: self.config.clone(),
            catalog,
            files,
            access: self.access.clone(),
            settings,
            caller,
            queries,
        })
    }

    /// The memory that statements share.
    pub fn memory_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.template.runtime_env().memory_pool)
    }

    /// The lake.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub fn lake(&self) -> Result<&Arc<Lake>> {
        self.lake
            .as_ref()
            .ok_or_else(|| Error::NotFound("there is no lake".into()))
    }

    /// The configuration they are made with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

fn library(lake: Option<&Arc<Lake>>) -> Arc<dyn udfs::plm::Models> {
    match lake {
        Some(lake) => Arc::clone(lake.models()) as _,
        None => Arc::new(udfs::plm::NoModels),
    }
}
