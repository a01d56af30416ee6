//! Ballista as processes: `ballista-peer scheduler …` and `ballista-peer executor …` with Ballista's own options, and
//! `ballista-peer query`, which runs statements on them and tells how long each took.

use std::error::Error;
use std::fs::{File, read_to_string};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ballista::prelude::{SessionConfigExt, SessionContextExt};
use ballista_executor::executor_process::start_executor_process;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Parser;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::ListingOptions;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

/// What is measured with what.
#[derive(Parser)]
enum Peer {
    /// The scheduler.
    Scheduler(ballista_scheduler::config::Config),
    /// An executor.
    Executor(ballista_executor::config::Config),
    /// Runs statements.
    Query(Query),
}

/// Runs statements over a folder of Parquet files, the table `chains`, partitioned by `chain` and `species`.
#[derive(clap::Args)]
struct Query {
    /// The scheduler: df://host:port.
    #[arg(long)]
    scheduler: String,
    /// The folder.
    #[arg(long)]
    table: PathBuf,
    /// Partitions of a shuffle.
    #[arg(long)]
    partitions: usize,
    /// Runs of each statement that are told; one before them is not.
    #[arg(long)]
    runs: usize,
    /// Where the rows of each statement are written as an Arrow stream.
    #[arg(long)]
    rows: PathBuf,
    /// Files with a statement each.
    statements: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match Peer::parse() {
        Peer::Scheduler(options) => {
            let address = format!("{}:{}", options.bind_host, options.bind_port).parse()?;
            let config: SchedulerConfig = options.try_into()?;
            let cluster = BallistaCluster::new_from_config(&config).await?;
            start_server(cluster, address, Arc::new(config)).await?;
        }
        Peer::Executor(options) => {
            start_executor_process(Arc::new(options.try_into()?)).await?;
        }
        Peer::Query(query) => run(query).await?,
    }
    Ok(())
}

async fn run(query: Query) -> Result<(), Box<dyn Error>> {
    let config = SessionConfig::new_with_ballista()
        .with_target_partitions(query.partitions)
        .with_ballista_standalone_parallelism(query.partitions);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build();
    let context = SessionContext::remote_with_state(&query.scheduler, state).await?;
    let columns = ["chain", "species"].map(|name| (name.to_string(), DataType::Utf8));
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
        .with_file_extension(".parquet")
        .with_table_partition_cols(columns.to_vec());
    let folder = format!("file://{}/", query.table.display());
    context
        .register_listing_table("chains", folder, options, None, None)
        .await?;
    for statement in &query.statements {
        let name = statement.file_stem().unwrap_or_default().to_string_lossy();
        let sql = read_to_string(statement)?;
        let mut milliseconds = Vec::new();
        let mut rows = Vec::new();
        for _ in 0..=query.runs {
            let begin = Instant::now();
            rows = context.sql(&sql).await?.collect().await?;
            milliseconds.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        write(&query.rows.join(format!("{name}.arrows")), &rows)?;
        println!("{}", serde_json::json!({"query": name, "ms": milliseconds[1..]}));
    }
    Ok(())
}

fn write(path: &std::path::Path, rows: &[RecordBatch]) -> Result<(), Box<dyn Error>> {
    let Some(first) = rows.first() else {
        return Err("a statement without any batch".into());
    };
    let mut writer = StreamWriter::try_new(File::create(path)?, &first.schema())?;
    for batch in rows {
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(())
}
