//! Small models with random weights against Hugging Face `transformers`, which computed what `small/make.py` wrote.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests report what they measured

use std::path::{Path, PathBuf};

use models::{Batches, Family, Model, Place, Pooling, Precision, Scoring};
use safetensors::SafeTensors;

const FOLDERS: [&str; 4] = ["antiberty_12x3", "esm_16x3", "esm_20x2", "esm_64x1"];

struct Small {
    model: Model,
    sequences: Vec<Vec<u8>>,
    expected: Vec<u8>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/small")
        .join(name)
}

fn small(name: &str, precision: Precision) -> Small {
    let expected = std::fs::read(folder(name).join("expected.safetensors")).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&expected).unwrap();
    let listed = &metadata.metadata().as_ref().unwrap()["sequences"];
    let sequences: Vec<String> = serde_json::from_str(listed).unwrap();
    Small {
        model: Model::load(&folder(name), precision).unwrap(),
        sequences: sequences.into_iter().map(String::into_bytes).collect(),
        expected,
    }
}

impl Small {
    fn tensor(&self, index: usize, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.expected).unwrap();
        let view = tensors.tensor(&format!("{index}.{name}")).unwrap();
        let (quads, _) = view.data().as_chunks::<4>();
        quads
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    fn batch(&self) -> Vec<&[u8]> {
        self.sequences.iter().map(Vec::as_slice).collect()
    }

    /// Hidden states of the residues of all sequences.
    fn expected_residues(&self) -> Vec<f32> {
        let width = self.model.description().dimension;
        let rows = (0..self.sequences.len()).flat_map(|index| {
            let all = self.tensor(index, "hidden");
            all[width..all.len() - width].to_vec()
        });
        rows.collect()
    }

    /// Log-probabilities over the 20 amino acids, from the logits of all tokens.
    fn expected_log_probs(&self) -> Vec<f32> {
        let (tokens, amino_acids): (usize, Vec<usize>) = match self.model.description().family {
            Family::AntiBerty => (25, (5..25).collect()),
            Family::Esm2 => {
                let order = "LAGVSERTIDPKQNFYMHWC";
                let of = |residue: char| 4 + order.find(residue).unwrap();
                (33, models::ALPHABET.chars().map(of).collect())
            }
        };
        let mut rows = Vec::new();
        for index in 0..self.sequences.len() {
            let all = self.tensor(index, "logits");
            for logits in all[tokens..all.len() - tokens].chunks(tokens) {
                let kept: Vec<f64> = amino_acids
                    .iter()
                    .map(|id| f64::from(logits[*id]))
                    .collect();
                let sum: f64 = kept.iter().map(|logit| logit.exp()).sum();
                rows.extend(kept.iter().map(|logit| (logit - sum.ln()) as f32));
            }
        }
        rows
    }
}

fn greatest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(theirs);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn hidden_states_and_log_probabilities_are_those_of_transformers() {
    for name in FOLDERS {
        let small = small(name, Precision::F32);
        let (mut ours, mut lengths) = (Vec::new(), Vec::new());
        small
            .model
            .embed_residues(&small.batch(), &mut ours, &mut lengths)
            .unwrap();
        assert_eq!(
            lengths,
            small.sequences.iter().map(Vec::len).collect::<Vec<_>>()
        );
        let hidden = greatest_difference(&ours, &small.expected_residues());
        ours.clear();
        small.model.log_probs(&small.batch(), &mut ours).unwrap();
        let log_probs = greatest_difference(&ours, &small.expected_log_probs());
        eprintln!("{name}: hidden states differ by {hidden:e}, log-probabilities by {log_probs:e}");
        assert!(
            hidden < 1e-4 && log_probs < 1e-4,
            "{name}: {hidden} {log_probs}"
        );
    }
}

#[test]
fn pooled_embeddings_are_the_mean_over_residues_or_the_first_token() {
    for name in FOLDERS {
        let small = small(name, Precision::F32);
        let width = small.model.description().dimension;
        let (mut mean, mut cls) = (Vec::new(), Vec::new());
        small
            .model
            .embed(&small.batch(), Pooling::Mean, &mut mean)
            .unwrap();
        small
            .model
            .embed(&small.batch(), Pooling::Cls, &mut cls)
            .unwrap();
        for index in 0..small.sequences.len() {
            let hidden = small.tensor(index, "hidden");
            let residues = &hidden[width..hidden.len() - width];
            let expected: Vec<f32> = (0..width)
                .map(|at| {
                    residues.iter().skip(at).step_by(width).sum::<f32>()
                        / (residues.len() / width) as f32
                })
                .collect();
            assert!(
                greatest_difference(&mean[index * width..][..width], &expected) < 1e-4,
                "{name} {index}"
            );
            assert!(
                greatest_difference(&cls[index * width..][..width], &hidden[..width]) < 1e-4,
                "{name} {index}"
            );
        }
    }
}

#[test]
fn results_do_not_depend_on_the_batch() {
    for name in FOLDERS {
        for precision in Precision::ALL
            .into_iter()
            .filter(|precision| precision.available())
        {
            let small = small(name, precision);
            let many: Vec<&[u8]> = small.batch().into_iter().cycle().take(60).collect();
            let (mut together, mut alone) = (Vec::new(), Vec::new());
            small
                .model
                .embed(&many, Pooling::Mean, &mut together)
                .unwrap();
            for sequence in &many {
                small
                    .model
                    .embed(&[sequence], Pooling::Mean, &mut alone)
                    .unwrap();
            }
            assert_eq!(together, alone, "{name} {precision}");
        }
    }
}

#[test]
fn a_masked_position_is_one_pass_over_the_sequence_with_a_mask() {
    for name in FOLDERS {
        let model = small(name, Precision::F32).model;
        let sequence = b"EVQLVESGGGLVQPGGSLRLSCAASGF";
        let positions = [0, 26, 5, 5];
        let mut masked = Vec::new();
        model
            .masked_log_probs(sequence, &positions, &mut masked)
            .unwrap();
        for (row, position) in masked.chunks(20).zip(positions) {
            let mut with_mask = sequence.to_vec();
            with_mask[position] = b'_';
            let mut all = Vec::new();
            model.log_probs(&[&with_mask], &mut all).unwrap();
            assert!(
                greatest_difference(row, &all[position * 20..][..20]) < 1e-5,
                "{name} {position}"
            );
        }
        let (mut exact, mut single) = (Vec::new(), Vec::new());
        model
            .pseudo_perplexity(&[sequence], Scoring::Exact, &mut exact)
            .unwrap();
        model
            .pseudo_perplexity(&[sequence], Scoring::SinglePass, &mut single)
            .unwrap();
        assert!(
            exact[0] > 1.0 && single[0] > 1.0 && exact != single,
            "{name}"
        );
    }
}

#[test]
fn candle_computes_the_same() {
    for name in FOLDERS {
        let small = small(name, Precision::F32);
        let reference = Model::load_on(&folder(name), Precision::F32, Place::Reference).unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        small.model.log_probs(&small.batch(), &mut ours).unwrap();
        reference.log_probs(&small.batch(), &mut theirs).unwrap();
        let difference = greatest_difference(&ours, &theirs);
        assert!(difference < 1e-4, "{name}: {difference}");
        for pooling in [Pooling::Mean, Pooling::Cls] {
            (ours, theirs) = (Vec::new(), Vec::new());
            small
                .model
                .embed(&small.batch(), pooling, &mut ours)
                .unwrap();
            reference
                .embed(&small.batch(), pooling, &mut theirs)
                .unwrap();
            let difference = greatest_difference(&ours, &theirs);
            assert!(difference < 1e-4, "{name} {pooling}: {difference}");
        }
    }
}

#[test]
fn reduced_precisions_stay_near_f32() {
    for name in FOLDERS {
        let exact = small(name, Precision::F32);
        let mut expected = Vec::new();
        exact
            .model
            .embed(&exact.batch(), Pooling::Mean, &mut expected)
            .unwrap();
        let spread = expected
            .iter()
            .map(|number| number.abs())
            .fold(0.0, f32::max);
        for precision in [Precision::Bf16, Precision::Int8] {
            if !precision.available() {
                eprintln!("skipped: this processor has no {precision}");
                continue;
            }
            let mut ours = Vec::new();
            small(name, precision)
                .model
                .embed(&exact.batch(), Pooling::Mean, &mut ours)
                .unwrap();
            let difference = greatest_difference(&ours, &expected) / spread;
            eprintln!("{name}: {precision} differs by {difference:.4} of the greatest number");
            assert!(difference < 0.1, "{name} {precision}: {difference}");
        }
    }
}

#[test]
fn a_thousand_sequences_are_planned_into_batches_that_give_each_its_row() {
    let small = small("esm_16x3", Precision::F32);
    let sequences: Vec<&[u8]> = small.batch().into_iter().cycle().take(1000).collect();
    let costs: Vec<usize> = sequences
        .iter()
        .map(|sequence| small.model.tokens(sequence.len()))
        .collect();
    let mut expected = Vec::new();
    small
        .model
        .embed(&small.batch(), Pooling::Mean, &mut expected)
        .unwrap();
    for batch in Batches::plan(&costs, 500).iter() {
        let parts: Vec<&[u8]> = batch.iter().map(|index| sequences[*index]).collect();
        let mut out = Vec::new();
        small.model.embed(&parts, Pooling::Mean, &mut out).unwrap();
        for (row, index) in out.chunks(48).zip(batch) {
            assert_eq!(row, &expected[index % 5 * 48..][..48]);
        }
    }
}
