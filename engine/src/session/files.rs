//! Files that statements name: `FROM 'file'`, `CREATE EXTERNAL TABLE … LOCATION`, `COPY … TO`.
//!
//! The stores below check every operation themselves. What is checked here is checked early, so that the error names the
//! place as the statement has it and comes before any work.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory, UrlTableFactory};
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::listing_table_factory::ListingTableFactory;
use datafusion::error::Result as DFResult;
use datafusion::logical_expr::{CreateExternalTable, LogicalPlan, Statement};
use datafusion::prelude::SessionContext;

use super::external::DeltaFactory;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::storage::{Access, Mode};

/// Formats of DataFusion's own that `STORED AS` names.
const FORMATS: [&str; 5] = ["PARQUET", "CSV", "JSON", "NDJSON", "ARROW"];

/// What makes tables of files that statements name by path or URL.
pub fn file_tables(context: &SessionContext, access: &Access) -> Arc<dyn UrlTableFactory> {
    let listing = Arc::new(DynamicListTableFactory::default());
    listing.session_store().with_state(context.state_weak_ref());
    Arc::new(FileTables {
        access: access.clone(),
        listing,
    })
}

/// What makes external tables, by the word behind `STORED AS`. These are all: DataFusion's own would open streams
/// (`UNBOUNDED`) past the object stores.
pub fn factories(
    config: &Config,
    access: &Access,
) -> HashMap<String, Arc<dyn TableProviderFactory>> {
    let listing = |format: &str| {
        let factory = ListingFactory {
            access: access.clone(),
        };
        (format.to_string(), Arc::new(factory) as _)
    };
    let delta = DeltaFactory::new(config, access);
    FORMATS
        .into_iter()
        .map(listing)
        .chain([("DELTA".to_string(), Arc::new(delta) as _)])
        .collect()
}

/// Checks where a plan writes files. Plans within plans count: `EXPLAIN ANALYZE COPY` writes too.
///
/// # Errors
/// `Denied`.
pub fn check_plan(plan: &LogicalPlan, access: &Access) -> Result<()> {
    match plan {
        LogicalPlan::Copy(copy) => check(&copy.output_url, access, Mode::Write),
        LogicalPlan::Explain(explain) => check_plan(&explain.plan, access),
        LogicalPlan::Analyze(analyze) => check_plan(&analyze.input, access),
        LogicalPlan::Statement(Statement::Prepare(prepare)) => check_plan(&prepare.input, access),
        _ => Ok(()),
    }
}

/// Checks a location as DataFusion reads it.
fn check(location: &str, access: &Access, mode: Mode) -> Result<()> {
    let parsed = ListingTableUrl::parse(location)
        .map_err(|error| Error::Invalid(format!("{location}: {}", error.strip_backtrace())))?;
    access.check(parsed.get_url(), mode)
}

#[derive(Debug)]
struct FileTables {
    access: Access,
    listing: Arc<DynamicListTableFactory>,
}

#[async_trait]
impl UrlTableFactory for FileTables {
    async fn try_new(&self, name: &str) -> DFResult<Option<Arc<dyn TableProvider>>> {
        match check(name, &self.access, Mode::Read) {
            Ok(()) => self.listing.try_new(name).await,
            // A mistyped table is a table that does not exist.
            Err(_) if !names_a_file(name) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a name was meant for a file.
fn names_a_file(name: &str) -> bool {
    name.contains(['/', '\\', '.', ':', '*', '?', '['])
}

/// External tables of files.
#[derive(Debug)]
struct ListingFactory {
    access: Access,
}

#[async_trait]
impl TableProviderFactory for ListingFactory {
    async fn create(
        &self,
        state: &dyn Session,
        command: &CreateExternalTable,
    ) -> DFResult<Arc<dyn TableProvider>> {
        let is_stream = command.options.iter().any(|(key, value)| {
            key.to_ascii_lowercase().ends_with("unbounded") && !value.eq_ignore_ascii_case("false")
        });
        if command.unbounded || is_stream {
            return Err(Error::Unsupported(format!(
                "{}: UNBOUNDED tables are not carried out; leave the word out to read the files as they are",
                command.name
            ))
            .into());
        }
        for location in &command.locations {
            check(location, &self.access, Mode::Read)?;
        }
        ListingTableFactory::new().create(state, command).await
    }
}
