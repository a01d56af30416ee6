//! Every operation, on every way out.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use object_store::memory::InMemory;
use object_store::{ObjectStoreExt as _, PutMode};

use super::*;
use crate::config::Config;

/// `open/` may be read and written, `secret/` may not; links lead from the one to the other.
struct Ground {
    root: PathBuf,
    store: Arc<dyn ObjectStore>,
    _folder: tempfile::TempDir,
}

fn ground() -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for name in ["open/sub", "secret", "lake/main"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["open/a", "open/sub/b", "secret/s", "lake/main/t"] {
        std::fs::write(root.join(name), name).unwrap();
    }
    symlink(root.join("open/a"), root.join("open/within")).unwrap();
    let config = config(&root);
    let access = Access::listed(&config).unwrap();
    let url = url::Url::parse("file:///").unwrap();
    let store = access.open(&url, &config.storage).unwrap();
    Ground {
        root,
        store,
        _folder: folder,
    }
}

fn config(root: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.lake.url = root.join("lake").display().to_string();
    config.access.read = vec![root.join("open").display().to_string()];
    config.access.write = config.access.read.clone();
    config
}

impl Ground {
    fn path(&self, relative: &str) -> Path {
        Path::from_absolute_path(self.root.join(relative)).unwrap()
    }

    fn links_out(&self) {
        symlink(self.root.join("secret/s"), self.root.join("open/link")).unwrap();
        symlink(self.root.join("secret"), self.root.join("open/folder")).unwrap();
        symlink(self.root.join("secret/new"), self.root.join("open/broken")).unwrap();
    }
}

#[track_caller]
fn assert_denied<T>(outcome: StoreResult<T>, what: &str) {
    match outcome.map(|_| ()).map_err(Error::from) {
        Err(Error::Denied(message)) => assert!(message.contains('/'), "{what}: {message}"),
        other => panic!("{what}: {other:?}"),
    }
}

const OUTSIDE: [&str; 7] = [
    "secret/s",
    "secret/none",
    "open/link",
    "open/folder/s",
    "open/broken",
    "open/folder/new/deep",
    "lake/main/t",
];

#[tokio::test]
async fn what_is_inside_is_read_written_listed_and_deleted() {
    let ground = ground();
    let (store, path) = (&ground.store, |relative: &str| ground.path(relative));
    let read = store.get(&path("open/within")).await.unwrap();
    assert_eq!(read.meta.location, path("open/within"));
    assert_eq!(read.bytes().await.unwrap(), "open/a");
    store.put(&path("open/new/x"), "x".into()).await.unwrap();
    let mut upload = store.put_multipart(&path("open/new/y")).await.unwrap();
    upload.put_part("y".into()).await.unwrap();
    upload.complete().await.unwrap();
    store
        .copy(&path("open/new/x"), &path("open/new/z"))
        .await
        .unwrap();
    store
        .rename(&path("open/new/z"), &path("open/new/w"))
        .await
        .unwrap();
    let listed: Vec<_> = store.list(Some(&path("open"))).try_collect().await.unwrap();
    assert_eq!(listed.len(), 6, "{listed:?}");
    let ranges = store
        .get_ranges(&path("open/a"), &[0..4, 4..6])
        .await
        .unwrap();
    assert_eq!(ranges, ["open", "/a"]);
    store.delete(&path("open/within")).await.unwrap();
    assert!(
        ground.root.join("open/a").exists(),
        "the link was deleted and not the file"
    );
}

#[tokio::test]
async fn no_operation_leads_out() {
    let ground = ground();
    ground.links_out();
    let store = &ground.store;
    let inside = ground.path("open/a");
    for name in OUTSIDE {
        let path = ground.path(name);
        assert_denied(store.get(&path).await, &format!("get {name}"));
        assert_denied(store.head(&path).await, &format!("head {name}"));
        let ranges = store.get_ranges(&path, &[0..1, 2..3]).await;
        assert_denied(ranges, &format!("get_ranges {name}"));
        assert_denied(store.put(&path, "x".into()).await, &format!("put {name}"));
        let put = store
            .put_opts(&path, "x".into(), PutMode::Create.into())
            .await;
        assert_denied(put, &format!("create {name}"));
        let upload = store.put_multipart(&path).await;
        assert_denied(upload, &format!("put_multipart {name}"));
        let copied = store.copy(&path, &ground.path("open/copy")).await;
        assert_denied(copied, &format!("copy {name}"));
        let listed: StoreResult<Vec<_>> = store.list(Some(&path)).try_collect().await;
        assert_denied(listed, &format!("list {name}"));
        let offset = ground.path("open");
        let listed: StoreResult<Vec<_>> = store
            .list_with_offset(Some(&path), &offset)
            .try_collect()
            .await;
        assert_denied(listed, &format!("list_with_offset {name}"));
        let listed = store.list_with_delimiter(Some(&path)).await;
        assert_denied(listed, &format!("list_with_delimiter {name}"));
        // A link's own name lies inside: what is done to it touches nothing outside.
        if !["open/link", "open/broken"].contains(&name) {
            assert_denied(store.delete(&path).await, &format!("delete {name}"));
            assert_denied(
                store.rename(&path, &inside).await,
                &format!("rename {name}"),
            );
            assert_denied(
                store.rename(&inside, &path).await,
                &format!("rename to {name}"),
            );
            assert_denied(store.copy(&inside, &path).await, &format!("copy to {name}"));
        }
    }
    assert_eq!(
        std::fs::read(ground.root.join("secret/s")).unwrap(),
        b"secret/s"
    );
    assert_eq!(
        std::fs::read_dir(ground.root.join("secret"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_listing_shows_a_link_and_nothing_behind_it() {
    let ground = ground();
    let folder = ground.path("open");
    symlink(ground.root.join("secret/s"), ground.root.join("open/link")).unwrap();
    let listed: Vec<_> = ground
        .store
        .list(Some(&folder))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed.len(), 4, "{listed:?}");
    symlink(ground.root.join("secret"), ground.root.join("open/folder")).unwrap();
    let listed: StoreResult<Vec<_>> = ground.store.list(Some(&folder)).try_collect().await;
    assert_denied(listed, "list");
    let listed = ground
        .store
        .list_with_delimiter(Some(&folder))
        .await
        .unwrap();
    assert_eq!(
        listed.common_prefixes,
        [ground.path("open/folder"), ground.path("open/sub")]
    );
}

#[tokio::test]
async fn a_file_that_becomes_a_link_between_check_and_use_is_not_followed() {
    let ground = ground();
    // What is admitted is the resolved path: a link that is put there afterwards is not on it.
    symlink(ground.root.join("open/sub"), ground.root.join("open/way")).unwrap();
    let config = config(&ground.root);
    let access = Access::listed(&config).unwrap();
    let fence = Fence::policy(Arc::clone(&ground.store), Root::Local, access);
    let path = ground.path("open/way/b");
    let admitted = fence.admit(&path, Mode::Read).await.unwrap();
    assert_eq!(admitted, ground.path("open/sub/b"));
}

#[tokio::test]
async fn the_lake_in_an_open_folder_is_none_of_its_files() {
    let ground = ground();
    let mut config = config(&ground.root);
    config.access.read = vec![ground.root.display().to_string()];
    let access = Access::listed(&config).unwrap();
    let url = url::Url::parse("file:///").unwrap();
    let store = access.open(&url, &config.storage).unwrap();
    let listed: Vec<_> = store
        .list(Some(&ground.path("")))
        .try_collect()
        .await
        .unwrap();
    let names: Vec<_> = listed
        .iter()
        .filter_map(|meta| meta.location.filename())
        .collect();
    assert!(!names.contains(&"t") && names.contains(&"s"), "{names:?}");
    let listed = store
        .list_with_delimiter(Some(&ground.path("")))
        .await
        .unwrap();
    assert!(!listed.common_prefixes.contains(&ground.path("lake")));
    assert_denied(store.get(&ground.path("lake/main/t")).await, "lake");
}

#[tokio::test]
async fn the_command_line_reads_everything_and_writes_everything_but_the_lake() {
    let ground = ground();
    ground.links_out();
    let config = config(&ground.root);
    let access = Access::everything(&config).unwrap();
    let url = url::Url::parse("file:///").unwrap();
    let store = access.open(&url, &config.storage).unwrap();
    for name in ["secret/s", "open/link", "open/folder/s", "lake/main/t"] {
        store.get(&ground.path(name)).await.unwrap();
    }
    let listed: Vec<_> = store
        .list(Some(&ground.path("open")))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed.len(), 5, "{listed:?}");
    store
        .put(&ground.path("secret/x"), "x".into())
        .await
        .unwrap();
    symlink(ground.root.join("lake/main"), ground.root.join("open/lake")).unwrap();
    for name in ["lake/main/t", "lake/main/new", "open/lake/t", "open/broken"] {
        assert_denied(store.put(&ground.path(name), "x".into()).await, name);
    }
    assert_eq!(
        std::fs::read(ground.root.join("lake/main/t")).unwrap(),
        b"lake/main/t"
    );
}

#[tokio::test]
async fn the_lakes_own_store_stays_in_its_folder() {
    let ground = ground();
    symlink(
        ground.root.join("secret/s"),
        ground.root.join("lake/main/link"),
    )
    .unwrap();
    let lake = ground.path("lake");
    let local = Arc::new(object_store::local::LocalFileSystem::new());
    let store = Fence::folder(local, Root::Local, lake);
    store.get(&ground.path("lake/main/t")).await.unwrap();
    store
        .put(&ground.path("lake/main/u"), "u".into())
        .await
        .unwrap();
    for name in ["secret/s", "open/a", "lake/main/link"] {
        assert_denied(store.get(&ground.path(name)).await, name);
    }
    store.delete(&ground.path("lake/main/link")).await.unwrap();

    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for name in ["lake/t", "lakeside", "other"] {
        memory.put(&name.into(), "x".into()).await.unwrap();
    }
    let root = Root::Remote("s3://bucket".into());
    let store = Fence::folder(Arc::clone(&memory), root, "lake".into());
    store.get(&"lake/t".into()).await.unwrap();
    for name in ["lakeside", "other"] {
        assert_denied(store.get(&name.into()).await, name);
        assert_denied(store.delete(&name.into()).await, name);
    }
    let all: StoreResult<Vec<_>> = store.list(None).try_collect().await;
    assert_denied(all, "list all");
}

#[tokio::test]
async fn a_lake_may_lie_behind_a_link() {
    let ground = ground();
    symlink(ground.root.join("lake"), ground.root.join("alias")).unwrap();
    let local = Arc::new(object_store::local::LocalFileSystem::new());
    let store = Fence::folder(local, Root::Local, ground.path("alias"));
    store.get(&ground.path("alias/main/t")).await.unwrap();
}
