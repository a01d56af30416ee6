//! Bad models are refused with a message that says what is wrong, before memory is spent on them.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use models::{Description, MAX_WEIGHT_BYTES, Model, ModelError, Precision, SequenceError};
use tempfile::TempDir;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn small(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/small")
        .join(name)
}

/// A copy of a small model to damage.
fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(small(name)).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// Replaces a text in the configuration.
fn reconfigure(folder: &TempDir, from: &str, to: &str) {
    let path = folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn refusal(folder: &Path) -> ModelError {
    let described = Description::read(folder).unwrap_err();
    let loaded = Model::load(folder, Precision::F32).unwrap_err();
    assert_eq!(described.to_string(), loaded.to_string());
    described
}

/// A PyTorch file whose pickle is given.
fn pickled(pickle: &[u8]) -> TempDir {
    let folder = copy("antiberty_12x3");
    let file = std::fs::File::create(folder.path().join("pytorch_model.bin")).unwrap();
    let mut archive = ZipWriter::new(file);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", stored).unwrap();
    archive.write_all(pickle).unwrap();
    archive.finish().unwrap();
    folder
}

#[test]
fn a_pickle_that_would_run_code_is_refused_and_not_run() {
    let marker = tempfile::tempdir().unwrap();
    let command = format!("touch {}", marker.path().join("ran").display());
    let mut pickle = b"\x80\x02cposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.bytes());
    pickle.extend(b"\x85R.");
    let error = refusal(pickled(&pickle).path());
    assert!(matches!(error, ModelError::Code { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("would run code") && message.contains("posix.system"),
        "{message}"
    );
    assert!(!marker.path().join("ran").exists());
}

#[test]
fn other_ways_to_run_code_are_refused_too() {
    let ways: [&[u8]; 5] = [
        b"\x80\x02cbuiltins\neval\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        b"(S'echo'\nios\nsystem\n.", // INST
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81}b.", // NEWOBJ
    ];
    for pickle in ways {
        let error = refusal(pickled(pickle).path());
        assert!(matches!(error, ModelError::Code { .. }), "{error}");
    }
}

#[test]
fn a_damaged_pickle_is_an_error() {
    let pickles: [&[u8]; 7] = [
        b"",
        b".",
        b"\x80",
        b"R.",
        b"h\x05.",
        b"X\xff\xff\xff\xff.",
        b"\x80\x02}.",
    ];
    for pickle in pickles {
        let error = refusal(pickled(pickle).path());
        assert!(
            matches!(
                error,
                ModelError::Weights { .. } | ModelError::Tensor { .. }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_is_cut() {
    for (name, file) in [
        ("esm_20x2", "model.safetensors"),
        ("antiberty_12x3", "pytorch_model.bin"),
    ] {
        let whole = std::fs::read(small(name).join(file)).unwrap();
        for length in [0, 4, 100, 5000, whole.len() / 2, whole.len() - 30] {
            let folder = copy(name);
            std::fs::write(folder.path().join(file), &whole[..length]).unwrap();
            let error = refusal(folder.path());
            assert!(matches!(error, ModelError::Weights { .. }), "{error}");
            assert!(error.to_string().contains("cut off"), "{error}");
        }
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let folder = copy("esm_20x2");
    reconfigure(
        &folder,
        "\"num_hidden_layers\": 2",
        "\"num_hidden_layers\": 3",
    );
    let message = refusal(folder.path()).to_string();
    assert!(
        message.contains("'esm.encoder.layer.2.attention.self.query.weight' is missing"),
        "{message}"
    );
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let folder = copy("antiberty_12x3");
    reconfigure(
        &folder,
        "\"intermediate_size\": 100",
        "\"intermediate_size\": 101",
    );
    let message = refusal(folder.path()).to_string();
    assert!(
        message.contains("[100, 36]") && message.contains("[101, 36]"),
        "{message}"
    );
}

#[test]
fn an_unknown_family_is_named() {
    let folder = copy("esm_20x2");
    reconfigure(&folder, "\"esm\"", "\"t5\"");
    let error = refusal(folder.path());
    assert!(
        matches!(&error, ModelError::UnknownFamily { found, .. } if found.starts_with("t5")),
        "{error}"
    );
}

#[test]
fn settings_that_change_what_is_computed_are_refused() {
    for (from, to) in [
        ("\"gelu\"", "\"relu\""),
        ("\"rotary\"", "\"absolute\""),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 7"),
        ("\"vocab_size\": 33", "\"vocab_size\": 30"),
        (
            "\"emb_layer_norm_before\": false",
            "\"emb_layer_norm_before\": true",
        ),
        ("\"hidden_size\": 40", "\"hidden_size\": -40"),
        ("{", "["),
    ] {
        let folder = copy("esm_20x2");
        reconfigure(&folder, from, to);
        let error = refusal(folder.path());
        assert!(matches!(error, ModelError::Config { .. }), "{to}: {error}");
    }
}

#[test]
fn a_model_of_100_gb_is_refused_by_its_configuration_or_its_file() {
    let folder = copy("esm_20x2");
    reconfigure(&folder, "\"hidden_size\": 40", "\"hidden_size\": 60000");
    assert!(matches!(
        refusal(folder.path()),
        ModelError::TooLarge { .. }
    ));
    for (name, file) in [
        ("esm_20x2", "model.safetensors"),
        ("antiberty_12x3", "pytorch_model.bin"),
    ] {
        let folder = copy(name);
        let file = std::fs::File::options()
            .write(true)
            .open(folder.path().join(file))
            .unwrap();
        file.set_len(100_000_000_000).unwrap(); // a hole: no disk is used
        let error = refusal(folder.path());
        assert!(
            matches!(
                error,
                ModelError::TooLarge {
                    limit: MAX_WEIGHT_BYTES,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_folder_without_weights_or_configuration_says_which_files_it_wants() {
    let folder = copy("esm_20x2");
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let message = refusal(folder.path()).to_string();
    assert!(
        message.contains("model.safetensors") && message.contains("pytorch_model.bin"),
        "{message}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(refusal(empty.path()).to_string().contains("config.json"));
}

#[test]
fn sequences_that_cannot_be_computed_are_values_not_failures() {
    let model = Model::load(&small("antiberty_12x3"), Precision::F32).unwrap();
    assert_eq!(model.description().max_residues, Some(78));
    assert_eq!(model.check(b""), Err(SequenceError::Empty));
    assert_eq!(model.check(&[b'A'; 78]), Ok(()));
    assert_eq!(
        model.check(&[b'A'; 79]),
        Err(SequenceError::TooLong {
            residues: 79,
            limit: 78
        })
    );
    assert_eq!(
        model.check(b"EV-L"),
        Err(SequenceError::NotAResidue {
            byte: b'-',
            position: 3
        })
    );
    assert_eq!(model.check(b"EVXL_"), Ok(()));
    let mut out = vec![7.0];
    let error = model
        .embed(&[b"EV", b"EV*"], models::Pooling::Mean, &mut out)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "sequence 1 of the batch: '*' at position 3 is no residue"
    );
    assert_eq!(out, [7.0]);
    let error = model.masked_log_probs(b"EVQ", &[3], &mut out).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("position 4 is outside of a sequence of 3 residues"),
        "{error}"
    );
    let (scoring, mean) = (models::Scoring::SinglePass, models::Reduction::Mean);
    let error = model
        .pseudo_log_likelihood(&[b"EVX"], scoring, mean, &mut Vec::new())
        .unwrap_err();
    assert!(error.to_string().contains("'X' at position 3"), "{error}");
}

#[test]
fn masks_written_in_any_way_are_filled_and_the_rest_stays() {
    let model = Model::load(&small("esm_20x2"), Precision::F32).unwrap();
    let filled = model.infill(b"ev_QLX<mask>ESG*").unwrap();
    assert_eq!(filled.len(), 11);
    assert!(filled.starts_with(b"ev") && &filled[3..6] == b"QLX" && &filled[7..10] == b"ESG");
    assert!(filled.iter().all(u8::is_ascii_alphabetic));
    assert_eq!(filled, model.infill(b"ev*QLX_ESG[MASK]").unwrap());
}
