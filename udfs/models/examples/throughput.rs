//! How many sequences a second a model computes: the figures of `tests/benches/model_bench.py`, which runs this beside its peers.
//!
//! `throughput FOLDER SEQUENCES [embed|likelihood] [f32|bf16|int8] [THREADS] [RUNS] [EMBEDDINGS]`
//!
//! `SEQUENCES` has a sequence a line. A run computes all of them once; the model is loaded, and a few are computed, before the clock starts.
//! Prints as JSON the seconds of each run, by the clock and of processor time (on Linux; it is the steadier figure on a busy machine), and
//! the peak of the memory. `EMBEDDINGS` is a file for the last run's embeddings (or likelihoods), f32 in the order of the sequences.
#![allow(clippy::print_stdout)]

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use models::{Batches, Model, Pooling, Precision, Reduction, Scoring, batches::TOKEN_BUDGET};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize, default: &'static str| {
        arguments.get(at).map_or(default, String::as_str).to_owned()
    };
    let [folder, sequences, ..] = &arguments[..] else {
        return Err("FOLDER and SEQUENCES are needed: see the top of this file".into());
    };
    let likelihood = word(2, "embed") == "likelihood";
    let precision = match word(3, "f32").as_str() {
        "bf16" => Precision::Bf16,
        "int8" => Precision::Int8,
        _ => Precision::F32,
    };
    let (threads, runs): (usize, usize) = (word(4, "2").parse()?, word(5, "3").parse()?);
    let text = std::fs::read_to_string(sequences)?;
    let sequences: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();

    let started = Instant::now();
    let model = Model::load(Path::new(folder), precision)?;
    let load_s = started.elapsed().as_secs_f64();
    let costs: Vec<usize> = sequences
        .iter()
        .map(|sequence| model.tokens(sequence.len()))
        .collect();
    let plan = Batches::plan(&costs, if likelihood { 1 } else { TOKEN_BUDGET });
    let batches: Vec<&[usize]> = plan.iter().collect();

    let (mut seconds, mut processor_seconds) = (Vec::new(), Vec::new());
    let mut results = Vec::new();
    for run in 0..=runs {
        let first = if run == 0 {
            batches.len().saturating_sub(threads)
        } else {
            0
        };
        let next = AtomicUsize::new(first);
        let (started, used) = (Instant::now(), processor_s());
        let parts = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| worker(&model, &sequences, &batches, &next, likelihood)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join())
                .collect::<Vec<_>>()
        });
        if run > 0 {
            seconds.push(started.elapsed().as_secs_f64());
            processor_seconds.push(processor_s() - used);
        }
        results.clear();
        for part in parts {
            results.extend(part.map_err(|_| "a thread failed")??);
        }
    }
    if let Some(file) = arguments.get(6) {
        results.sort_by_key(|(index, _)| *index);
        let numbers = results
            .iter()
            .flat_map(|(_, row)| row.iter().flat_map(|number| number.to_le_bytes()));
        std::fs::write(file, numbers.collect::<Vec<u8>>())?;
    }
    println!(
        "{{\"seconds\": {seconds:?}, \"processor_seconds\": {processor_seconds:?}, \"sequences\": {}, \"tokens\": {}, \"load_s\": {load_s:.3}, \"resident_mib\": {}, \"peak_mib\": {}}}",
        sequences.len(),
        plan.tokens(),
        model.resident_bytes() >> 20,
        peak_kib() >> 10,
    );
    Ok(())
}

/// Processor time of all threads, in steps of 10 ms.
fn processor_s() -> f64 {
    let line = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = line.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// The largest resident memory of this process.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

type Rows = Vec<(usize, Vec<f32>)>;

/// Takes the next batch until none is left.
fn worker(
    model: &Model,
    sequences: &[&[u8]],
    batches: &[&[usize]],
    next: &AtomicUsize,
    likelihood: bool,
) -> Result<Rows, models::ModelError> {
    let (mut rows, mut out, mut likelihoods) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
        let parts: Vec<&[u8]> = batch.iter().map(|index| sequences[*index]).collect();
        if likelihood {
            likelihoods.clear();
            model.pseudo_log_likelihood(
                &parts,
                Scoring::Exact,
                Reduction::Mean,
                &mut likelihoods,
            )?;
            rows.extend(
                batch
                    .iter()
                    .zip(&likelihoods)
                    .map(|(index, value)| (*index, vec![*value as f32])),
            );
        } else {
            out.clear();
            model.embed(&parts, Pooling::Mean, &mut out)?;
            let each = out.chunks_exact(model.description().dimension);
            rows.extend(
                batch
                    .iter()
                    .zip(each)
                    .map(|(index, row)| (*index, row.to_vec())),
            );
        }
    }
    Ok(rows)
}
