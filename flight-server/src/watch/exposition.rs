//! The metrics as Prometheus reads them.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use engine::measures::{Kind, MODEL_SECONDS, Measure, STORE_SECONDS};
use metrics::{
    counter, describe_counter, describe_gauge, describe_histogram, gauge, set_global_recorder,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::http::Watched;
use super::measures::{BUILD, QUERY_SECONDS, QUEUE_SECONDS, RESIDENT, START, all};

/// Bounds of statements' times: from an answer out of memory to a scan of a whole lake.
const STATEMENT_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1_800.0,
];
/// Bounds of requests' times: from a local disk to a store that is asked again.
const REQUEST_SECONDS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    60.0,
];

/// The recorder of this process: there can be but one, however many servers it has (in tests, several).
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Tells the metrics of a process.
pub struct Exposition {
    handle: PrometheusHandle,
}

impl Exposition {
    /// Starts counting, unless this process counts already.
    ///
    /// # Errors
    /// A process whose metrics are somebody else's.
    pub fn start() -> anyhow::Result<Self> {
        let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = recorder.as_ref() {
            let handle = handle.clone();
            return Ok(Self { handle });
        }
        let bounds = |name: &str| Matcher::Full(name.to_string());
        let built = PrometheusBuilder::new()
            .set_buckets_for_metric(bounds(QUERY_SECONDS), STATEMENT_SECONDS)?
            .set_buckets_for_metric(bounds(QUEUE_SECONDS), STATEMENT_SECONDS)?
            .set_buckets_for_metric(bounds(STORE_SECONDS), REQUEST_SECONDS)?
            .set_buckets_for_metric(bounds(MODEL_SECONDS), STATEMENT_SECONDS)?
            .build_recorder();
        let handle = built.handle();
        set_global_recorder(built)
            .ok()
            .context("another recorder of metrics is installed in this process")?;
        all().for_each(announce);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        gauge!(START).set(now.map_or(0.0, |now| now.as_secs_f64()));
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        *recorder = Some(handle.clone());
        Ok(Self { handle })
    }

    /// All metrics, those of `watched` as they are now.
    pub fn tell(&self, watched: &dyn Watched) -> String {
        watched.measure();
        if let Some(bytes) = engine::session::resident_memory() {
            gauge!(RESIDENT).set(bytes as f64);
        }
        self.handle.render()
    }
}

/// Takes in what was observed since the last time: without it observations of a server that nobody asks would pile up.
pub fn upkeep() {
    let recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = recorder.as_ref() {
        handle.run_upkeep();
    }
}

/// Tells what a metric means. Counters begin at zero where their labels are known: a rate needs a value to start from.
fn announce(measure: &'static Measure) {
    match measure.kind {
        Kind::Counter => {
            describe_counter!(measure.name, measure.help);
            begin(measure);
        }
        Kind::Gauge => describe_gauge!(measure.name, measure.help),
        Kind::Histogram => describe_histogram!(measure.name, measure.help),
    }
}

fn begin(measure: &'static Measure) {
    let mut series: Vec<Vec<(&'static str, &'static str)>> = vec![Vec::new()];
    for (label, values) in measure.labels {
        series = series
            .iter()
            .flat_map(|known| {
                values.iter().map(|value| {
                    let mut longer = known.clone();
                    longer.push((*label, *value));
                    longer
                })
            })
            .collect();
    }
    for labels in series {
        counter!(measure.name, &labels).increment(0);
    }
}
