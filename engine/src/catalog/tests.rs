//! Names come and go, by the hand of one process or two.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

mod races;

use std::sync::Arc;

use deltalake::kernel::{Action, DataType, StructField};
use tempfile::TempDir;

use super::{CreateMode, Kind, Name, NewTable, create_table, create_view, drop, rename, rows};
use crate::config::Config;
use crate::error::Error;
use crate::lake::{Creation, Lake};
use crate::tables::commit::{Commit, Reads, append, commit};
use crate::tables::{Table, TableDefinition};

struct Place {
    folder: TempDir,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        Self { folder, config }
    }

    /// The lake as another process has it.
    async fn lake(&self) -> Arc<Lake> {
        Lake::open_or_init(&self.config).await.unwrap()
    }

    /// Folders in `main` that have files.
    fn folders(&self) -> Vec<String> {
        let main = self.folder.path().join("lake/main");
        let mut names: Vec<String> = std::fs::read_dir(main)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| has_files(&entry.path()))
            .map(|entry| entry.file_name().to_str().unwrap().to_string())
            .collect();
        names.sort();
        names
    }
}

fn has_files(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        path.is_file() || has_files(&path)
    })
}

fn definition(name: &str) -> TableDefinition {
    let fields = vec![
        StructField::nullable("a", DataType::LONG),
        StructField::not_null("b", DataType::STRING),
    ];
    TableDefinition::new("main", name, fields).unwrap()
}

async fn create(lake: &Lake, name: &str, mode: CreateMode) -> Result<bool, Error> {
    create_table(lake, &definition(name), mode).await
}

async fn view(lake: &Lake, name: &str, sql: &str) -> Result<bool, Error> {
    create_view(lake, &Name::main(name), sql, CreateMode::New).await
}

#[tokio::test]
async fn a_new_table_is_there_for_its_maker_at_once_and_for_others_when_they_look() {
    let place = Place::new();
    let (ours, theirs) = (place.lake().await, place.lake().await);
    assert!(create(&ours, "t", CreateMode::New).await.unwrap());
    assert!(ours.table("main.t").is_ok());
    assert!(theirs.table("main.t").is_err());
    assert!(theirs.refresh_if_changed().await.unwrap());
    let table = theirs.table("main.t").unwrap();
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(snapshot.version(), 0);
    assert_eq!(
        Table::schema(&snapshot).fields(),
        definition("t").arrow_schema().fields()
    );
    assert!(!theirs.refresh_if_changed().await.unwrap());
    assert!(theirs.table_names("main").contains(&"t".to_string()));
}

#[tokio::test]
async fn a_name_that_is_taken_is_an_error_or_left_alone_or_replaced() {
    let place = Place::new();
    let lake = place.lake().await;
    create(&lake, "t", CreateMode::New).await.unwrap();
    let first = lake.table("main.t").unwrap().location().to_string();

    let error = create(&lake, "t", CreateMode::New).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("main.t exists already, as a table"),
        "{error}"
    );
    assert!(!create(&lake, "t", CreateMode::IfNotExists).await.unwrap());
    assert_eq!(lake.table("main.t").unwrap().location(), first);

    assert!(create(&lake, "t", CreateMode::OrReplace).await.unwrap());
    let second = lake.table("main.t").unwrap().location().to_string();
    assert_ne!(first, second);
    let retired = lake.contents().retired();
    let retired: Vec<&str> = retired.iter().map(|old| old.location.as_str()).collect();
    assert_eq!(retired, [first]);
}

#[tokio::test]
async fn a_view_is_not_taken_for_a_table_nor_a_table_for_a_view() {
    let place = Place::new();
    let lake = place.lake().await;
    create(&lake, "t", CreateMode::New).await.unwrap();
    view(&lake, "v", "SELECT 1").await.unwrap();
    for mode in [
        CreateMode::New,
        CreateMode::IfNotExists,
        CreateMode::OrReplace,
    ] {
        let error = create(&lake, "v", mode).await.unwrap_err();
        assert!(error.to_string().contains("as a view"), "{error}");
        let error = create_view(&lake, &Name::main("t"), "SELECT 1", mode)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("as a table"), "{error}");
    }
    let error = drop(&lake, &Name::main("v"), Kind::Table, true)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("DROP VIEW"), "{error}");
    assert!(lake.table("main.v").is_err());
    assert_eq!(lake.view("main.t"), None);
}

#[tokio::test]
async fn views_are_kept_replaced_and_dropped() {
    let place = Place::new();
    let lake = place.lake().await;
    let name = Name::main("v");
    view(&lake, "v", "SELECT 1").await.unwrap();
    let other = place.lake().await;
    assert_eq!(other.view("main.v").unwrap(), "SELECT 1");
    create_view(&lake, &name, "SELECT 2", CreateMode::OrReplace)
        .await
        .unwrap();
    other.refresh_if_changed().await.unwrap();
    assert_eq!(other.view("main.v").unwrap(), "SELECT 2");
    assert_eq!(user_views(&other), ["v"]);
    assert!(!other.table_names("main").contains(&"v".to_string()));
    assert!(drop(&other, &name, Kind::View, false).await.unwrap());
    assert_eq!(other.view("main.v"), None);
    assert_eq!(other.contents().retired(), []);
}

#[tokio::test]
async fn views_that_every_lake_has_can_be_replaced_and_dropped_and_stay_so() {
    let place = Place::new();
    let lake = place.lake().await;
    assert!(lake.view("main.paired_chains").unwrap().contains("pair_id"));
    let name = Name::main("paired_chains");
    create_view(&lake, &name, "SELECT 1", CreateMode::OrReplace)
        .await
        .unwrap();
    let other = Name::main("paired_chains_all");
    assert!(drop(&lake, &other, Kind::View, false).await.unwrap());
    let (again, creation) = Lake::init(&place.config).await.unwrap();
    assert_eq!(creation, Creation::WasThere);
    assert_eq!(again.view("main.paired_chains").unwrap(), "SELECT 1");
    assert_eq!(again.view("main.paired_chains_all"), None);
}

#[tokio::test]
async fn a_lake_of_an_earlier_version_gets_the_tables_and_views_that_it_lacks() {
    let place = Place::new();
    let lake = place.lake().await;
    // As if they had never been: their entries are taken out of the catalog's files.
    let table = lake.catalog().table();
    let snapshot = table.snapshot().await.unwrap();
    let kept: Vec<_> = lake
        .contents()
        .entries()
        .filter(|entry| !matches!(entry.name.name.as_str(), "protein_chains" | "paired_chains"))
        .cloned()
        .collect();
    let written = rows::write(table, &snapshot, &kept).await.unwrap();
    let log = snapshot.try_log_data().unwrap();
    let removes = log
        .iter()
        .map(|file| Action::Remove(file.remove_action(true)));
    let changes = Commit {
        actions: removes
            .chain(written.adds.iter().cloned().map(Action::Add))
            .collect(),
        base: snapshot.clone(),
        operation: append(),
        transactions: Vec::new(),
        reads: Reads::Rows,
    };
    commit(table, changes).await.unwrap();
    drop_lake_folder(&place, "main/protein_chains");

    let old = Lake::open(&place.config).await.unwrap();
    let error = old.table("main.protein_chains").unwrap_err().to_string();
    assert!(error.contains("paratope init"), "{error}");
    let (new, creation) = Lake::init(&place.config).await.unwrap();
    assert_eq!(creation, Creation::Completed);
    new.table("main.protein_chains")
        .unwrap()
        .snapshot()
        .await
        .unwrap();
    assert!(new.view("main.paired_chains").is_some());
    assert_eq!(
        Lake::init(&place.config).await.unwrap().1,
        Creation::WasThere
    );
}

/// Views that no lake has from its beginning.
fn user_views(lake: &Lake) -> Vec<String> {
    let supplied = super::supplied::views().unwrap();
    let mut names = lake.view_names("main");
    names.retain(|name| supplied.iter().all(|view| view.name.name != *name));
    names
}

fn drop_lake_folder(place: &Place, folder: &str) {
    std::fs::remove_dir_all(place.folder.path().join("lake").join(folder)).unwrap();
}

#[tokio::test]
async fn a_dropped_table_keeps_its_folder_and_the_next_of_its_name_gets_another() {
    let place = Place::new();
    let lake = place.lake().await;
    let name = Name::main("t");
    create(&lake, "t", CreateMode::New).await.unwrap();
    let old = lake.table("main.t").unwrap();
    assert!(drop(&lake, &name, Kind::Table, false).await.unwrap());
    assert!(lake.table("main.t").is_err());
    old.snapshot().await.unwrap();
    assert_eq!(lake.contents().retired()[0].location, old.location());

    let error = drop(&lake, &name, Kind::Table, false).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    assert!(!drop(&lake, &name, Kind::Table, true).await.unwrap());

    create(&lake, "t", CreateMode::New).await.unwrap();
    assert_ne!(lake.table("main.t").unwrap().location(), old.location());
}

#[tokio::test]
async fn a_renamed_table_keeps_its_folder_and_frees_its_name() {
    let place = Place::new();
    let lake = place.lake().await;
    let (a, b) = (Name::main("a"), Name::main("b"));
    create(&lake, "a", CreateMode::New).await.unwrap();
    let folder = lake.table("main.a").unwrap().location().to_string();
    rename(&lake, &a, &b).await.unwrap();
    assert!(lake.table("main.a").is_err());
    let renamed = lake.table("main.b").unwrap();
    assert_eq!(
        (renamed.name(), renamed.location()),
        ("main.b", folder.as_str())
    );
    assert_eq!(lake.contents().retired(), []);

    let error = rename(&lake, &a, &b).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    create(&lake, "a", CreateMode::New).await.unwrap();
    let error = rename(&lake, &a, &b).await.unwrap_err();
    assert!(
        error.to_string().contains("main.b exists already"),
        "{error}"
    );
    // A fresh reader comes to the same.
    let other = place.lake().await;
    assert_eq!(other.contents().entry(&b), lake.contents().entry(&b));
}

#[tokio::test]
async fn what_every_lake_has_stays() {
    let place = Place::new();
    let lake = place.lake().await;
    for name in [Name::main("chains"), Name::new("system", "catalog")] {
        let free = Name::main("free");
        for outcome in [
            drop(&lake, &name, Kind::Table, false).await.map(|_| ()),
            rename(&lake, &name, &free).await,
            rename(&lake, &free, &name).await,
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::Denied(_)), "{error}");
        }
    }
    let error = create(&lake, "chains", CreateMode::OrReplace)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot be replaced"), "{error}");
    assert!(
        !create(&lake, "chains", CreateMode::IfNotExists)
            .await
            .unwrap()
    );
    assert_eq!(lake.table("main.chains").unwrap().location(), "main/chains");
}

#[tokio::test]
async fn a_view_that_would_refer_to_itself_is_refused_also_by_renaming() {
    let place = Place::new();
    let lake = place.lake().await;
    view(&lake, "a", "SELECT * FROM b").await.unwrap();
    let error = view(&lake, "b", "SELECT * FROM a").await.unwrap_err();
    assert!(
        error.to_string().contains("main.b > main.a > main.b"),
        "{error}"
    );
    view(&lake, "c", "SELECT * FROM a").await.unwrap();
    let error = rename(&lake, &Name::main("c"), &Name::main("b"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("would refer to itself"),
        "{error}"
    );
    assert_eq!(user_views(&lake), ["a", "c"]);
}

#[tokio::test]
async fn rows_may_be_written_before_a_table_has_its_name() {
    let place = Place::new();
    let lake = place.lake().await;
    let new = NewTable::begin(&lake, &definition("t"), CreateMode::New)
        .await
        .unwrap()
        .unwrap();
    assert!(lake.table("main.t").is_err());
    assert_eq!(new.table().snapshot().await.unwrap().version(), 0);
    assert!(new.publish(&lake).await.unwrap());
    assert!(lake.table("main.t").is_ok());
}

#[tokio::test]
async fn a_table_whose_making_was_cut_short_is_in_nobodys_way() {
    let place = Place::new();
    let lake = place.lake().await;
    let cut_short = NewTable::begin(&lake, &definition("t"), CreateMode::New)
        .await
        .unwrap()
        .unwrap();
    let folder = cut_short.table().location().to_string();
    std::mem::drop(cut_short);
    let other = place.lake().await;
    assert!(other.table("main.t").is_err());
    assert!(!other.contents().knows_folder(&folder));
    assert!(create(&other, "t", CreateMode::New).await.unwrap());
}

#[tokio::test]
async fn a_table_whose_name_was_taken_meanwhile_leaves_no_files() {
    let place = Place::new();
    let lake = place.lake().await;
    let before = place.folders();
    for mode in [CreateMode::New, CreateMode::IfNotExists] {
        let name = format!("t_{mode:?}").to_lowercase();
        let new = NewTable::begin(&lake, &definition(&name), mode)
            .await
            .unwrap()
            .unwrap();
        let other = place.lake().await;
        view(&other, &format!("v{name}"), "SELECT 1").await.unwrap();
        assert!(create(&other, &name, CreateMode::New).await.unwrap());
        match new.publish(&lake).await {
            Ok(changed) => assert!(!changed && mode == CreateMode::IfNotExists),
            Err(error) => assert!(error.to_string().contains("exists already"), "{error}"),
        }
    }
    let new = NewTable::begin(&lake, &definition("never"), CreateMode::New)
        .await
        .unwrap()
        .unwrap();
    new.abandon().await;
    let made = place.folders().len() - before.len();
    assert_eq!(made, 2, "{:?}", place.folders());
}

#[tokio::test]
async fn a_compacted_catalog_says_the_same() {
    let place = Place::new();
    let (lake, other) = (place.lake().await, place.lake().await);
    view(&lake, "v", "SELECT 1").await.unwrap();
    create(&lake, "t", CreateMode::New).await.unwrap();
    drop(&lake, &Name::main("t"), Kind::Table, false)
        .await
        .unwrap();
    let before = lake.contents();

    let catalog = lake.catalog().table();
    let base = catalog.snapshot().await.unwrap();
    let log = base.try_log_data().unwrap();
    let files: Vec<_> = log.iter().map(|file| file.object_store_path()).collect();
    let mut actions: Vec<Action> = log
        .iter()
        .map(|file| Action::Remove(file.remove_action(false)))
        .collect();
    let entries = rows::read(catalog, files).await.unwrap();
    let written = rows::write(catalog, &base, &entries).await.unwrap();
    actions.extend(written.adds.into_iter().map(|mut add| {
        add.data_change = false;
        Action::Add(add)
    }));
    let compaction = Commit {
        base: base.clone(),
        operation: append(),
        actions,
        transactions: Vec::new(),
        reads: Reads::Nothing,
    };
    commit(catalog, compaction).await.unwrap();

    // One that knew the files before, one that knew some, one that knew none.
    for lake in [lake, other, place.lake().await] {
        lake.refresh_if_changed().await.unwrap();
        let after = lake.contents();
        assert!(after.version() > before.version());
        assert!(after.entries().eq(before.entries()));
        assert_eq!(after.retired(), before.retired());
    }
}
