//! Models come into the lake whole, checked and for good: what is no model is refused, and a file that was changed later is
//! found out before anything is computed with it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tests::binary::{Outcome, Paratope};
use tests::flight::refused;
use tests::model;
use tests::s3::S3Server;
use tests::server::Server;
use tonic::Code;

/// A lake, and a folder with a model for it.
struct Place {
    folder: TempDir,
    paratope: Paratope,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept").display().to_string();
        let paratope =
            Paratope::on(folder.path().join("lake")).with("PARATOPE__MODELS__FOLDER", &kept);
        paratope.init();
        Self { folder, paratope }
    }

    /// A model's folder, changed by `change`.
    fn files(&self, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
        let files = self.folder.path().join(name);
        model::write(&files, 7).unwrap();
        change(&files);
        files
    }

    fn add(&self, name: &str, files: &Path) -> Outcome {
        let files = files.to_str().unwrap();
        self.paratope.run(["model", "add", name, "--from", files])
    }

    fn file_in_lake(&self, file: &str) -> PathBuf {
        self.folder.path().join("lake/models/tiny/1").join(file)
    }
}

const EMBED: &str = "SELECT plm_embed('EVQLVESGG', 'tiny') IS NOT NULL AS there";

#[test]
fn a_model_is_added_once_listed_shown_verified_and_removed() {
    let place = Place::new();
    let files = place.files("tiny", |_| {});
    let added = place.add("tiny", &files).expect_code(0);
    assert!(
        added.stdout.starts_with("Added tiny@1 (AntiBERTy, f32, "),
        "{}",
        added.stdout
    );
    let again = place.add("tiny", &files).expect_code(0);
    assert!(
        again.stdout.starts_with("Was there: tiny@1 "),
        "{}",
        again.stdout
    );
    // What was on its way is gone.
    assert_eq!(
        std::fs::read_dir(place.folder.path().join("kept"))
            .unwrap()
            .count(),
        0
    );

    let listed = place
        .paratope
        .run(["model", "list", "--format", "json"])
        .expect_code(0);
    let rows = tests::binary::rows(&listed.stdout);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["dimension"], 512);
    let shown = place.paratope.run(["model", "show", "tiny"]).expect_code(0);
    let manifest: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let on_disk = std::fs::read(place.file_in_lake("manifest.json")).unwrap();
    assert_eq!(
        manifest,
        serde_json::from_slice::<serde_json::Value>(&on_disk).unwrap()
    );
    assert_eq!(manifest["files"].as_array().unwrap().len(), 2);

    let whole = place
        .paratope
        .run(["model", "verify", "tiny@1"])
        .expect_code(0);
    assert!(
        whole.stdout.contains("tiny@1 is whole: 2 files"),
        "{}",
        whole.stdout
    );
    assert_eq!(place.paratope.value(EMBED), true);

    // Other files under the same version are refused; without a version they are the next.
    let other = place.folder.path().join("other");
    model::write(&other, 8).unwrap();
    place
        .add("tiny@1", &other)
        .expect_code(1)
        .expect_message(&["tiny@1 is there with other files", "versions never change"]);
    let next = place.add("tiny", &other).expect_code(0);
    assert!(next.stdout.starts_with("Added tiny@2 "), "{}", next.stdout);
    place
        .paratope
        .run(["model", "remove", "tiny"])
        .expect_code(1)
        .expect_message(&["tiny has the versions 1, 2", "tiny@1"]);
    for version in ["tiny@1", "tiny"] {
        place
            .paratope
            .run(["model", "remove", version])
            .expect_code(0);
    }
    place
        .paratope
        .run(["query", "-c", EMBED])
        .expect_code(1)
        .expect_message(&[
            "there is no model tiny",
            "it has none yet",
            "paratope model pull antiberty",
        ]);
}

#[test]
fn sql_adds_shows_and_drops_models() {
    let place = Place::new();
    let files = place.files("tiny", |_| {});
    let create = format!(
        "CREATE MODEL tiny FROM '{}' OPTIONS (version 'a', licence 'MIT'); CREATE MODEL 'tiny@b-int8' FROM '{}' OPTIONS (precision 'int8')",
        files.display(),
        files.display()
    );
    place.paratope.run(["query", "-c", &create]).expect_code(0);
    let shown = place.paratope.query("SHOW MODELS");
    let versions: Vec<_> = shown
        .iter()
        .map(|row| {
            (
                row["version"].as_str().unwrap(),
                row["precision"].as_str().unwrap(),
                row["is_default"].as_bool().unwrap(),
            )
        })
        .collect();
    // Reduced precision is never meant unless it is said.
    assert_eq!(versions, [("a", "f32", true), ("b-int8", "int8", false)]);
    assert_eq!(shown[0]["licence"], "MIT");
    for (sql, parts) in [
        (
            "CREATE MODEL tiny FROM '.' OPTIONS (colour 'red')",
            &["no option colour", "version, precision, licence"][..],
        ),
        (
            "CREATE MODEL tiny FROM '.' OPTIONS (precision 'int4')",
            &["unknown precision 'int4'", "f32, bf16, int8"],
        ),
        ("CREATE MODEL \"Tiny\" FROM '.'", &["is no name of a model"]),
        ("DROP MODEL tiny@0.1", &["stands in quotes"]),
        ("DROP MODEL nothing", &["there is no model nothing"]),
    ] {
        place
            .paratope
            .run(["query", "-c", sql])
            .expect_code(1)
            .expect_message(parts);
    }
    place
        .paratope
        .run([
            "query",
            "-c",
            "DROP MODEL 'tiny@a'; DROP MODEL tiny; DROP MODEL IF EXISTS tiny",
        ])
        .expect_code(0);
    assert!(place.paratope.query("SHOW MODELS").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_reads_models_only_from_places_that_it_opens() {
    let place = Place::new();
    let files = place.files("tiny", |_| {});
    let Place { folder, paratope } = place;
    let server = Server::over(paratope, folder, "");
    let mut client = server.client().await;
    let create = format!("CREATE MODEL tiny FROM '{}'", files.display());
    refused(
        client.query(&create).await,
        Code::PermissionDenied,
        &["[access]"],
    );
}

/// A zip archive whose one file is stored as it is.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let length = (content.len() as u32).to_le_bytes();
    let mut entry = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    entry.extend(crc.sum().to_le_bytes());
    entry.extend([length, length].concat());
    entry.extend((name.len() as u16).to_le_bytes());
    entry.extend([0, 0]);
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend(&entry);
    archive.extend(name.as_bytes());
    archive.extend(content);
    let start = archive.len() as u32;
    archive.extend(b"PK\x01\x02\x14\x00");
    archive.extend(&entry);
    archive.extend([0; 12]);
    archive.extend([0; 2]);
    archive.extend(name.as_bytes());
    let size = archive.len() as u32 - start;
    archive.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    archive.extend(size.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

#[test]
fn what_is_no_model_is_refused_before_memory_is_spent() {
    let place = Place::new();
    let weights = |folder: &Path| folder.join("model.safetensors");
    let truncated = place.files("truncated", |folder| {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(weights(folder))
            .unwrap();
        file.set_len(100_000).unwrap();
    });
    let missing = place.files("missing", |folder| {
        let mut tensors = model::tensors();
        tensors.retain(|(name, _)| name != "bert.encoder.layer.0.attention.self.key.weight");
        model::write_with(folder, 7, &tensors).unwrap();
    });
    let shape = place.files("shape", |folder| {
        let mut tensors = model::tensors();
        tensors[0].1 = vec![512, 256];
        model::write_with(folder, 7, &tensors).unwrap();
    });
    let family = place.files("family", |folder| {
        let config = model::CONFIG.replace("\"bert\"", "\"t5\"");
        std::fs::write(folder.join("config.json"), config).unwrap();
    });
    let code = place.files("code", |folder| {
        std::fs::remove_file(weights(folder)).unwrap();
        let pickle = b"\x80\x02cposix\nsystem\nX\x0e\x00\x00\x00touch executed\x85R.";
        std::fs::write(
            folder.join("pytorch_model.bin"),
            zip("archive/data.pkl", pickle),
        )
        .unwrap();
    });
    let huge = place.files("huge", |folder| {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(weights(folder))
            .unwrap();
        // Sparse: it takes no room.
        file.set_len(100 << 30).unwrap();
    });
    let empty = place.files("empty", |folder| {
        std::fs::remove_file(weights(folder)).unwrap();
    });
    for (files, parts) in [
        (truncated, &["truncated/model.safetensors"][..]),
        (
            missing,
            &["bert.encoder.layer.0.attention.self.key.weight", "missing"],
        ),
        (shape, &["shape", "512"]),
        (family, &["model family", "t5", "not known"]),
        (code, &["pickle", "posix", "nothing of it was executed"]),
        (huge, &["107374182", "models.max_model_bytes"]),
        (empty, &["no model.safetensors or pytorch_model.bin"]),
    ] {
        place
            .add("bad", &files)
            .expect_code(1)
            .expect_message(parts);
    }
    assert!(place.paratope.query("SHOW MODELS").is_empty());
    assert_eq!(
        std::fs::read_dir(place.folder.path().join("kept"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_file_that_was_changed_in_the_lake_is_found_out() {
    let place = Place::new();
    let files = place.files("tiny", |_| {});
    place.add("tiny", &files).expect_code(0);
    let weights = place.file_in_lake("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    place
        .paratope
        .run(["query", "-c", EMBED])
        .expect_code(1)
        .expect_message(&["tiny@1", "is not the file that was added", "model verify"]);
    place
        .paratope
        .run(["model", "verify", "tiny"])
        .expect_code(1)
        .expect_message(&["model.safetensors: its SHA-256 is", "tiny@1 is damaged"]);
    // A manifest that was changed is none.
    let manifest = place.file_in_lake("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"f32\"", "\"int8\"")).unwrap();
    place
        .paratope
        .run(["query", "-c", EMBED])
        .expect_code(1)
        .expect_message(&["there is no model tiny"]);
}

#[test]
fn antiberty_is_unpacked_from_the_right_wheel_only_and_offline_the_way_is_told() {
    let place = Place::new();
    let wheel = place.folder.path().join("antiberty-0.1.3-py3-none-any.whl");
    std::fs::write(&wheel, zip("antiberty/__init__.py", b"")).unwrap();
    let from = wheel.to_str().unwrap();
    place
        .paratope
        .run(["model", "pull", "antiberty", "--from", from])
        .expect_code(1)
        .expect_message(&[
            "is not that of antiberty-0.1.3-py3-none-any.whl",
            "30d910992b190013871bac49cdc032e01a19339f7d2b958ab99b0eb44638352a",
        ]);
    let empty = place.folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let without_python = place.paratope.clone().with("PATH", empty.to_str().unwrap());
    without_python
        .run(["model", "pull", "antiberty"])
        .expect_code(1)
        .expect_message(&[
            "python3",
            "pip download --no-deps antiberty==0.1.3",
            "--from antiberty-0.1.3-py3-none-any.whl",
        ]);
}

#[test]
fn models_of_a_bucket_are_fetched_once_verified_and_fetched_again_where_they_were_damaged() {
    let s3 = S3Server::start();
    let place = Place::new();
    let kept = place.folder.path().join("fetched");
    let paratope =
        Paratope::on_s3(&s3, "lake").with("PARATOPE__MODELS__FOLDER", kept.to_str().unwrap());
    paratope.init();
    let files = place.files("tiny", |_| {});
    let from = files.to_str().unwrap();
    paratope
        .run(["model", "add", "tiny", "--from", from])
        .expect_code(0);
    assert_eq!(paratope.value(EMBED), true);
    let folder = std::fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let weights = folder.join("model.safetensors");
    let expected = std::fs::read(&weights).unwrap();
    assert_eq!(
        expected,
        std::fs::read(files.join("model.safetensors")).unwrap()
    );
    // What an attempt that was cut off has left is gone on with.
    let part = folder.with_extension("part");
    std::fs::rename(&folder, &part).unwrap();
    let half = &expected[..expected.len() / 2];
    std::fs::write(part.join("model.safetensors"), half).unwrap();
    assert_eq!(paratope.value(EMBED), true);
    assert_eq!(std::fs::read(&weights).unwrap(), expected);
    // And what was damaged is fetched again.
    std::fs::write(&weights, half).unwrap();
    assert_eq!(paratope.value(EMBED), true);
    assert_eq!(std::fs::read(&weights).unwrap(), expected);
}
