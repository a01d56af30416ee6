//! AntiBERTy's own weights against what PyTorch and the package `antiberty` computed with them.
//!
//! `PARATOPE_ANTIBERTY` names the folder of the weights (`AntiBERTy_md_smooth` of the wheel `antiberty==0.1.3`),
//! `PARATOPE_ANTIBERTY_REFERENCE` the folder of `antiberty_reference.json` and `.safetensors`. Without them each test says that it was
//! skipped; `small_models.rs` checks the arithmetic everywhere.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use models::{ALPHABET, Model, Pooling, Precision, Scoring};
use safetensors::SafeTensors;
use serde_json::Value;

struct Reference {
    folder: PathBuf,
    json: Value,
    tensors: Vec<u8>,
}

/// A protein of the reference: its name and its residues.
struct Protein {
    name: String,
    sequence: Vec<u8>,
    json: Value,
}

fn reference() -> Option<Reference> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (Some(model), Some(reference)) = (
        folder("PARATOPE_ANTIBERTY"),
        folder("PARATOPE_ANTIBERTY_REFERENCE"),
    ) else {
        eprintln!("skipped: PARATOPE_ANTIBERTY and PARATOPE_ANTIBERTY_REFERENCE are not set");
        return None;
    };
    let read = |name: &str| std::fs::read(reference.join(name)).unwrap();
    Some(Reference {
        folder: model,
        json: serde_json::from_slice(&read("antiberty_reference.json")).unwrap(),
        tensors: read("antiberty_reference.safetensors"),
    })
}

impl Reference {
    fn load(&self, precision: Precision) -> Model {
        Model::load(&self.folder, precision).unwrap()
    }

    fn proteins(&self) -> Vec<Protein> {
        let all = self.json["sequences"].as_array().unwrap().iter();
        all.map(|json| Protein {
            name: json["name"].as_str().unwrap().to_owned(),
            sequence: json["sequence"].as_str().unwrap().into(),
            json: json.clone(),
        })
        .collect()
    }

    fn tensor(&self, protein: &Protein, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(&format!("{}.{name}", protein.name)).unwrap();
        let (quads, _) = view.data().as_chunks::<4>();
        quads
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }
}

fn greatest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(theirs);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Log-probabilities over the 20 amino acids from PyTorch's logits over all 25 tokens, the special ones left out.
fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let amino_acids = &logits[5..25];
    let sum: f64 = amino_acids
        .iter()
        .map(|logit| f64::from(*logit).exp())
        .sum();
    let each = amino_acids.iter();
    each.map(|logit| (f64::from(*logit) - sum.ln()) as f32)
        .collect()
}

#[test]
fn hidden_states_and_embeddings_are_those_of_pytorch() {
    let Some(reference) = reference() else { return };
    let model = reference.load(Precision::F32);
    assert_eq!(model.description().dimension, 512);
    assert_eq!(model.description().parameters, 25_759_769);
    for protein in reference.proteins() {
        let (mut ours, mut lengths) = (Vec::new(), Vec::new());
        model
            .embed_residues(&[&protein.sequence], &mut ours, &mut lengths)
            .unwrap();
        assert_eq!(lengths, [protein.sequence.len()]);
        let theirs = reference.tensor(&protein, "hidden_last");
        let residues = &theirs[512..theirs.len() - 512];
        let difference = greatest_difference(&ours, residues);
        eprintln!(
            "{}: hidden states differ by at most {difference:e}",
            protein.name
        );
        assert!(difference < 1e-4, "{}: {difference}", protein.name);

        let (mut mean, mut cls) = (Vec::new(), Vec::new());
        model
            .embed(&[&protein.sequence], Pooling::Mean, &mut mean)
            .unwrap();
        model
            .embed(&[&protein.sequence], Pooling::Cls, &mut cls)
            .unwrap();
        assert!(greatest_difference(&mean, &reference.tensor(&protein, "mean_pooled")) < 1e-4);
        assert!(greatest_difference(&cls, &theirs[..512]) < 1e-4);
    }
}

#[test]
fn log_probabilities_are_those_of_pytorch() {
    let Some(reference) = reference() else { return };
    let model = reference.load(Precision::F32);
    for protein in reference.proteins() {
        let logits = reference.tensor(&protein, "logits");
        let theirs: Vec<f32> = logits[25..logits.len() - 25]
            .chunks(25)
            .flat_map(log_softmax)
            .collect();
        let mut ours = Vec::new();
        model.log_probs(&[&protein.sequence], &mut ours).unwrap();
        let difference = greatest_difference(&ours, &theirs);
        assert!(difference < 1e-4, "{}: {difference}", protein.name);

        // The rest of the table is checked by the pseudo-perplexities.
        let some: Vec<usize> = (0..protein.sequence.len()).step_by(11).collect();
        let table = reference.tensor(&protein, "masked_logprobs20");
        let theirs: Vec<f32> = some
            .iter()
            .flat_map(|at| table[at * 20..][..20].to_vec())
            .collect();
        ours.clear();
        model
            .masked_log_probs(&protein.sequence, &some, &mut ours)
            .unwrap();
        let difference = greatest_difference(&ours, &theirs);
        eprintln!(
            "{}: masked log-probabilities differ by at most {difference:e}",
            protein.name
        );
        assert!(difference < 1e-4, "{}: {difference}", protein.name);
    }
}

#[test]
fn pseudo_perplexities_are_those_of_the_package() {
    let Some(reference) = reference() else { return };
    let model = reference.load(Precision::F32);
    let proteins = reference.proteins();
    let batch: Vec<&[u8]> = proteins
        .iter()
        .map(|protein| protein.sequence.as_slice())
        .collect();
    let mut perplexities = Vec::new();
    model
        .pseudo_perplexity(&batch, Scoring::Exact, &mut perplexities)
        .unwrap();
    let likelihoods = perplexities.iter().map(|perplexity: &f64| -perplexity.ln());
    for ((protein, likelihood), perplexity) in proteins.iter().zip(likelihoods).zip(&perplexities) {
        for (ours, field) in [
            (likelihood, "pseudo_log_likelihood_mean"),
            (*perplexity, "pseudo_perplexity"),
        ] {
            let theirs = protein.json[field].as_f64().unwrap();
            let difference = (ours / theirs - 1.0).abs();
            eprintln!(
                "{}: {field} {ours} differs by {difference:e} of it",
                protein.name
            );
            assert!(difference < 1e-5, "{}: {ours} {theirs}", protein.name);
        }
    }
}

#[test]
fn masks_are_filled_with_what_the_masked_table_finds_likeliest() {
    let Some(reference) = reference() else { return };
    let model = reference.load(Precision::F32);
    for protein in reference.proteins() {
        let table = reference.tensor(&protein, "masked_logprobs20");
        for at in [3, 40, 90] {
            let row = &table[at * 20..][..20];
            let best = (0..20).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            let mut masked = protein.sequence.clone();
            masked[at] = b'_';
            let filled = model.infill(&masked).unwrap();
            masked[at] = ALPHABET.as_bytes()[best];
            assert_eq!(filled, masked, "{} {at}", protein.name);
        }
    }
}

#[test]
fn reduced_precisions_point_the_same_way() {
    let Some(reference) = reference() else { return };
    let proteins = reference.proteins();
    let batch: Vec<&[u8]> = proteins
        .iter()
        .map(|protein| protein.sequence.as_slice())
        .collect();
    let mut exact = Vec::new();
    reference
        .load(Precision::F32)
        .embed(&batch, Pooling::Mean, &mut exact)
        .unwrap();
    for precision in [Precision::Bf16, Precision::Int8] {
        if !precision.available() {
            eprintln!("skipped: this processor has no {precision}");
            continue;
        }
        let mut rough = Vec::new();
        reference
            .load(precision)
            .embed(&batch, Pooling::Mean, &mut rough)
            .unwrap();
        for (exact, rough) in exact.chunks(512).zip(rough.chunks(512)) {
            let dot =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let cosine = dot(exact, rough) / (dot(exact, exact) * dot(rough, rough)).sqrt();
            eprintln!("{precision}: cosine {cosine}");
            assert!(cosine > 0.999, "{precision}: {cosine}");
        }
    }
}
