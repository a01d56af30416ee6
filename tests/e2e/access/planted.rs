//! Delta tables that somebody planted: their logs list files that lie elsewhere.

use serde_json::json;

use super::*;

/// A table whose log has these lines.
fn plant(folder: &Path, features: &[&str], adds: &[serde_json::Value]) {
    let log = folder.join("_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let fields = json!([{"name": "n", "type": "long", "nullable": true, "metadata": {}}]);
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    let protocol = match features.is_empty() {
        true => json!({"minReaderVersion": 1, "minWriterVersion": 2}),
        false => {
            json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features})
        }
    };
    let metadata = json!({
        "id": "00000000-0000-4000-8000-000000000001",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        "configuration": {},
        "createdTime": 0,
    });
    let mut lines = vec![json!({"protocol": protocol}), json!({"metaData": metadata})];
    lines.extend(adds.iter().map(|add| json!({"add": add})));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(log.join("00000000000000000000.json"), text).unwrap();
}

fn add(path: &str, vector: Option<serde_json::Value>) -> serde_json::Value {
    let mut add = json!({
        "path": path,
        "partitionValues": {},
        "size": 1,
        "modificationTime": 0,
        "dataChange": true,
        "stats": json!({"numRecords": 1}).to_string(),
    });
    if let Some(vector) = vector {
        add["deletionVector"] = vector;
    }
    add
}

/// Reads the table `open/t` by a session that may read everything: only the table's own bounds are left.
async fn read(server: &Server) -> Result<usize, Error> {
    let access = Access::everything(&server.config).unwrap();
    let session = Session::new(None, &server.config, access).unwrap();
    let table = server.path("open/t");
    let sql =
        format!("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{table}'; SELECT * FROM t");
    run(&session, &sql).await
}

async fn copy(server: &Server, name: &str) -> u64 {
    let target = server.root.join(name);
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::copy(server.root.join("secret/s.parquet"), &target).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_its_files_in_its_folder_is_read() {
    let server = Server::start().await;
    for (name, path) in [
        ("part.parquet", "part.parquet"),
        ("p q/part.parquet", "p%20q/part.parquet"),
    ] {
        let size = copy(&server, &format!("open/t/{name}")).await;
        let mut file = add(path, None);
        file["size"] = size.into();
        plant(&server.root.join("open/t"), &[], &[file]);
        assert_eq!(read(&server).await.unwrap(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_a_log_lists_elsewhere_are_not_read() {
    let server = Server::start().await;
    let secret = server.path("secret/s.parquet");
    let paths = [
        "../../secret/s.parquet".to_string(),
        "%2e%2e/%2E%2E/secret/s.parquet".to_string(),
        "sub/%2e%2e/../../../secret/s.parquet".to_string(),
        "..%2F..%2Fsecret/s.parquet".to_string(),
        secret.clone(),
        secret.replace('/', "%2F"),
        format!("file://{secret}"),
        format!("file:{secret}"),
        "s3://elsewhere/s.parquet".to_string(),
        "https://127.0.0.1/s.parquet?X-Amz-Signature=1".to_string(),
    ];
    for path in paths {
        // Both readers: our own, and deltalake's where a table has deletion vectors.
        let inline = json!({"storageType": "i", "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", "sizeInBytes": 40, "cardinality": 6});
        for (features, vector) in [(vec![], None), (vec!["deletionVectors"], Some(inline))] {
            plant(
                &server.root.join("open/t"),
                &features,
                &[add(&path, vector)],
            );
            let error = read(&server).await.unwrap_err();
            let named = error.to_string().contains("outside its folder");
            assert!(
                matches!(error, Error::Corrupt(_)) && named,
                "{path} {features:?}: {error}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_lead_out_of_a_table_are_not_followed() {
    let server = Server::start().await;
    let size = copy(&server, "open/t/real.parquet").await;
    symlink(
        server.root.join("secret/s.parquet"),
        server.root.join("open/t/link.parquet"),
    )
    .unwrap();
    symlink(
        server.root.join("secret"),
        server.root.join("open/t/folder"),
    )
    .unwrap();
    symlink(
        server.root.join("open/t/real.parquet"),
        server.root.join("open/t/within.parquet"),
    )
    .unwrap();
    for (path, is_read) in [
        ("real.parquet", true),
        ("within.parquet", true),
        ("link.parquet", false),
        ("folder/s.parquet", false),
    ] {
        let mut file = add(path, None);
        file["size"] = size.into();
        plant(&server.root.join("open/t"), &[], &[file]);
        let outcome = read(&server).await;
        match is_read {
            true => assert_eq!(outcome.unwrap(), 1, "{path}"),
            false => assert!(
                matches!(outcome, Err(Error::Corrupt(_))),
                "{path}: {outcome:?}"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_vectors_that_lie_elsewhere_are_not_read() {
    let server = Server::start().await;
    let size = copy(&server, "open/t/part.parquet").await;
    let secret = server.path("secret/s.parquet");
    let id = "ab^-aqEH.-t@S}K{vb[*k^"; // twenty characters at the end name a file
    for (kind, path) in [
        ("p", format!("file://{secret}")),
        ("p", "https://127.0.0.1/v.bin?X-Amz-Signature=1".to_string()),
        ("u", format!("../../secret/{id}")),
        ("u", format!("https://127.0.0.1/{id}")),
    ] {
        let vector = json!({"storageType": kind, "pathOrInlineDv": path, "offset": 1, "sizeInBytes": 34, "cardinality": 1});
        let mut file = add("part.parquet", Some(vector));
        file["size"] = size.into();
        plant(&server.root.join("open/t"), &["deletionVectors"], &[file]);
        let error = read(&server).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{kind} {path}: {error}");
    }
}
