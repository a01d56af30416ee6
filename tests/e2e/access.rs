//! The ways out of the lake, as somebody would try them on a server: each is shut, and what is opened stays open.
//!
//! Most ways are tried twice: by a statement, which an early check may refuse already, and on the session's own object
//! stores, behind which there is nothing but the fence.

mod planted;
mod reading;
mod writing;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::config::Config;
use engine::ingest::{IngestOptions, Progress, ingest};
use engine::session::Session;
use engine::storage::Access;
use engine::{Error, Lake};
use futures::TryStreamExt as _;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

const PROTEIN: &str = ">a\nEVQLVESGG\n";

/// A server's session: `open/` is listed for reading and `out/` for writing; `secret/` and all else is not.
struct Server {
    root: PathBuf,
    config: Config,
    lake: Arc<Lake>,
    session: Session,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["open/sub", "out", "secret"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let mut config = Config::default();
        config.lake.url = root.join("lake").display().to_string();
        config.access.read = vec![format!("{}", root.join("open").display())];
        config.access.write = vec![format!("file://{}", root.join("out").display())];
        let lake = Lake::open_or_init(&config).await.unwrap();
        for name in ["open/a.fa", "open/sub/b.fa", "secret/s.fa"] {
            std::fs::write(root.join(name), PROTEIN).unwrap();
        }
        let user = Session::new(
            Some(Arc::clone(&lake)),
            &config,
            Access::everything(&config).unwrap(),
        )
        .unwrap();
        for name in ["open/a.parquet", "secret/s.parquet", "secret/s.csv"] {
            let target = root.join(name).display().to_string();
            let format = name.rsplit_once('.').unwrap().1;
            let sql = format!("COPY (SELECT 1 AS n) TO '{target}' STORED AS {format}");
            run(&user, &sql).await.unwrap();
        }
        symlink(root.join("secret/s.fa"), root.join("open/sub/link.fa")).unwrap();
        symlink(
            root.join("secret/s.parquet"),
            root.join("open/sub/link.parquet"),
        )
        .unwrap();
        symlink(root.join("secret"), root.join("out/secret")).unwrap();
        let access = Access::listed(&config).unwrap();
        let session = Session::new(Some(Arc::clone(&lake)), &config, access).unwrap();
        Self {
            root,
            config,
            lake,
            session,
            _folder: folder,
        }
    }

    fn path(&self, relative: &str) -> String {
        self.root.join(relative).display().to_string()
    }

    async fn run(&self, sql: &str) -> Result<usize, Error> {
        run(&self.session, sql).await
    }

    /// Asserts that a script is refused, by the policy and not by chance.
    async fn refuses(&self, sql: &str) {
        match self.run(sql).await {
            Err(Error::Denied(message)) => {
                let says_why =
                    message.contains("[access]") || message.contains("belongs to the lake");
                assert!(says_why, "{sql}: {message}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn store(&self, url: &str) -> Result<Arc<dyn ObjectStore>, Error> {
        let url = Url::parse(url).unwrap();
        let runtime = self.session.context().runtime_env();
        runtime.object_store(StoreUrl(url)).map_err(Error::from)
    }

    /// Asserts that the session's own store refuses a local file, whatever a statement would have been told before.
    async fn store_refuses(&self, path: &str) {
        let store = self.store("file:///").unwrap();
        let path = StorePath::from_absolute_path(path).unwrap();
        let head = store.head(&path).await.map_err(Error::from);
        assert!(matches!(head, Err(Error::Denied(_))), "{path}: {head:?}");
        self.store_refuses_to_write(path).await;
    }

    async fn store_refuses_to_write(&self, path: StorePath) {
        let store = self.store("file:///").unwrap();
        let put = store.put(&path, "x".into()).await.map_err(Error::from);
        assert!(matches!(put, Err(Error::Denied(_))), "{path}: {put:?}");
    }
}

/// A URL by which the runtime looks a store up.
struct StoreUrl(Url);

impl AsRef<Url> for StoreUrl {
    fn as_ref(&self) -> &Url {
        &self.0
    }
}

/// Rows of the last statement.
async fn run(session: &Session, sql: &str) -> Result<usize, Error> {
    let mut rows = 0;
    for statement in session.parse(sql)? {
        let answer = session.execute(statement).await?;
        let batches: Vec<_> = answer.stream.try_collect().await?;
        rows = batches.iter().map(|batch| batch.num_rows()).sum();
    }
    Ok(rows)
}
