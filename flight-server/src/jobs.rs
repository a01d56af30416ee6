//! Jobs of a server: sessions of their own, the scheduler, and who is told when one fails.

use std::sync::Arc;
use std::time::Duration;

use engine::Lake;
use engine::config::Config;
use engine::distributed::Cluster;
use engine::jobs::{Listener, Record, Runner, Scheduler, Status, SystemClock};
use engine::session::{Sessions, query_memory};
use engine::storage::Access;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Times that it is tried.
const ATTEMPTS: u32 = 3;

/// Starts the scheduler, where the configuration asks for one.
///
/// # Errors
/// Sessions that cannot be made; a webhook that is no URL.
pub fn start(
    config: &Config,
    lake: &Arc<Lake>,
    cluster: Arc<Cluster>,
    cpu: &Handle,
    end: CancellationToken,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    if !config.jobs.scheduler {
        return Ok(None);
    }
    // Jobs have memory of their own: what they hold, no query waits for.
    let mut own = config.clone();
    let share = query_memory(config) as f64 * config.jobs.memory_fraction.clamp(0.05, 1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // a share of a number of bytes
    let bytes = share as usize;
    own.query.memory_bytes = Some(bytes);
    let sessions = Sessions::new(Some(Arc::clone(lake)), &own, Access::listed(&own)?)?
        .with_cluster(cluster)?;
    let runner = Runner::new(Arc::new(sessions), Handle::current())?;
    let listener = listener(config, Handle::current())?;
    let scheduler = Scheduler::new(runner, Arc::new(SystemClock), cpu.clone(), listener);
    let drain = Duration::from_secs(config.server.limits.drain_s);
    Ok(Some(tokio::spawn(scheduler.run(end, drain))))
}

/// Tells the webhook of runs that failed.
fn listener(config: &Config, io: Handle) -> anyhow::Result<Listener> {
    let Some(webhook) = &config.jobs.webhook else {
        return Ok(Arc::new(|_: &Record| {}));
    };
    let webhook: url::Url = webhook
        .parse()
        .map_err(|error| anyhow::anyhow!("jobs.webhook is not a URL: {error}"))?;
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let lake = config.lake.url.clone();
    Ok(Arc::new(move |record: &Record| {
        if matches!(record.status, Status::Succeeded | Status::Interrupted(_)) {
            return;
        }
        let body = body(record, &lake);
        io.spawn(post(
            client.clone(),
            webhook.clone(),
            body,
            record.job.clone(),
        ));
    }))
}

fn body(record: &Record, lake: &str) -> String {
    let why = record.status.reason().unwrap_or_default();
    serde_json::json!({
        // What chats show.
        "text": format!("paratope: job {} {}: {why}", record.job, record.status.name()),
        "job": record.job,
        "run_id": record.run_id,
        "status": record.status.name(),
        "error": why,
        "attempts": record.attempts,
        "started_at": record.started_at.to_rfc3339(),
        "ended_at": record.ended_at.to_rfc3339(),
        "host": record.host,
        "lake": lake,
    })
    .to_string()
}

async fn post(client: reqwest::Client, webhook: url::Url, body: String, job: String) {
    for attempt in 1..=ATTEMPTS {
        let sent = client
            .post(webhook.clone())
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        match sent {
            Ok(_) => return,
            // The URL may carry a token.
            Err(error) if attempt == ATTEMPTS => {
                let error = error.without_url();
                tracing::warn!(job, %error, "the webhook of jobs was not told");
            }
            Err(_) => tokio::time::sleep(Duration::from_secs(u64::from(attempt))).await,
        }
    }
}
