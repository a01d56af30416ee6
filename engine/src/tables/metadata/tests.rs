//! Tables change while others write to them.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{DataType, MapType};
use deltalake::table::config::TablePropertiesExt as _;
use tempfile::TempDir;

use super::*;
use crate::catalog::{CreateMode, create_table};
use crate::config::Config;
use crate::lake::Lake;
use crate::session;
use crate::tables::commit::append;
use crate::tables::write::write_sorted;

struct Place {
    _folder: TempDir,
    lake: Arc<Lake>,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.lake.url = folder.path().join("lake").display().to_string();
        let (lake, _) = Lake::init(&config).await.unwrap();
        Self {
            _folder: folder,
            lake,
        }
    }

    /// A table `main.t (a BIGINT)`.
    async fn table(&self) -> Arc<Table> {
        let fields = vec![StructField::nullable("a", DataType::LONG)];
        let definition = TableDefinition::new("main", "t", fields).unwrap();
        create_table(&self.lake, &definition, CreateMode::New)
            .await
            .unwrap();
        self.lake.table("main.t").unwrap()
    }
}

/// An append computed now, to be committed later.
async fn rows(table: &Table) -> Commit {
    rows_of(table, vec![1, 2]).await
}

async fn rows_of(table: &Table, values: Vec<i64>) -> Commit {
    let base = table.snapshot().await.unwrap();
    let schema = Table::schema(&base);
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![Arc::new(Int64Array::from(values))],
    )
    .unwrap();
    let input = RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)]));
    let context = session::bare_context().unwrap().task_ctx();
    let written = write_sorted(table, &base, Box::pin(input), context, 1 << 20)
        .await
        .unwrap();
    Commit {
        base,
        operation: append(),
        actions: written.adds.into_iter().map(Action::Add).collect(),
        transactions: Vec::new(),
        reads: Reads::Nothing,
    }
}

fn names(snapshot: &EagerSnapshot) -> Vec<String> {
    let schema = snapshot.schema();
    schema.fields().map(|field| field.name().clone()).collect()
}

fn set(key: &str, value: &str) -> Vec<(String, String)> {
    vec![(key.into(), value.into())]
}

#[tokio::test]
async fn added_columns_come_last_and_are_null_in_rows_that_are_there() {
    let place = Place::new().await;
    let table = place.table().await;
    commit(&table, rows(&table).await).await.unwrap();
    let fields = vec![
        StructField::nullable("b", DataType::STRING),
        StructField::nullable(
            "c",
            MapType::new(DataType::STRING, DataType::TIMESTAMP_NTZ, true),
        ),
    ];
    add_columns(&table, fields).await.unwrap();
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    let writers = snapshot.protocol().writer_features().unwrap();
    let writers: Vec<String> = writers.iter().map(ToString::to_string).collect();
    assert!(writers.contains(&"timestampNtz".to_string()), "{writers:?}");
    let context = session::reading_context(place.lake.storage()).unwrap();
    let frame = context.read_table(table.reader().await.unwrap()).unwrap();
    let batches = frame.collect().await.unwrap();
    let counted: usize = batches
        .iter()
        .map(|batch| batch.column(1).null_count())
        .sum();
    assert_eq!(counted, 2);
}

#[tokio::test]
async fn columns_that_are_there_or_must_have_values_are_not_added() {
    let place = Place::new().await;
    let table = place.table().await;
    for (field, why) in [
        (
            StructField::nullable("A", DataType::LONG),
            "column a already",
        ),
        (StructField::not_null("b", DataType::LONG), "NOT NULL"),
        (StructField::nullable("b c", DataType::LONG), "' '"),
    ] {
        let error = add_columns(&table, vec![field])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(why) && error.contains("main.t"), "{error}");
    }
    let twice = vec![StructField::nullable("b", DataType::LONG); 2];
    assert!(add_columns(&table, twice).await.is_err());
    assert_eq!(table.snapshot().await.unwrap().version(), 0);
}

#[tokio::test]
async fn tables_that_every_lake_has_keep_their_columns_and_system_tables_their_properties() {
    let place = Place::new().await;
    let chains = place.lake.table("main.chains").unwrap();
    let field = StructField::nullable("mine", DataType::LONG);
    let error = add_columns(&chains, vec![field]).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    set_properties(&chains, set("delta.checkpointInterval", "20"))
        .await
        .unwrap();
    let files = place.lake.table("system.files").unwrap();
    let error = set_properties(&files, set("delta.appendOnly", "true"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error}");
}

#[tokio::test]
async fn properties_are_set_as_delta_libraries_read_them_and_taken_away_again() {
    let place = Place::new().await;
    let table = place.table().await;
    let many = vec![
        (
            "delta.logRetentionDuration".into(),
            "interval 2 weeks".into(),
        ),
        (
            "delta.deletedFileRetentionDuration".into(),
            "interval 36500 days".into(),
        ),
        ("delta.checkpointInterval".into(), "7".into()),
        ("delta.targetFileSize".into(), "1048576".into()),
        ("delta.appendOnly".into(), "true".into()),
        ("paratope.sortColumns".into(), "a".into()),
    ];
    set_properties(&table, many.clone()).await.unwrap();
    let snapshot = table.snapshot().await.unwrap();
    let read = snapshot.table_properties();
    assert_eq!(
        read.log_retention_duration(),
        Duration::from_secs(14 * 86_400)
    );
    assert_eq!(
        read.deleted_file_retention_duration(),
        Duration::from_secs(36_500 * 86_400)
    );
    assert_eq!(read.checkpoint_interval().get(), 7);
    assert_eq!(read.target_file_size().get(), 1 << 20);
    assert!(read.append_only());

    // The same again is no commit.
    set_properties(&table, many).await.unwrap();
    assert_eq!(table.snapshot().await.unwrap().version(), 1);
}

#[tokio::test]
async fn the_target_size_of_files_is_the_tables_where_it_says() {
    let place = Place::new().await;
    let table = place.table().await;
    assert_eq!(rows(&table).await.actions.len(), 1);
    set_properties(&table, set("delta.targetFileSize", "1"))
        .await
        .unwrap();
    let many = rows_of(&table, (0..200_000).collect()).await;
    assert!(many.actions.len() > 1, "{}", many.actions.len());
}

#[tokio::test]
async fn an_append_only_table_keeps_its_rows() {
    let place = Place::new().await;
    let table = place.table().await;
    commit(&table, rows(&table).await).await.unwrap();
    set_properties(&table, set("delta.appendOnly", "true"))
        .await
        .unwrap();
    let base = table.snapshot().await.unwrap();
    let removes = base.try_log_data().unwrap().into_iter();
    let removes = removes
        .map(|file| Action::Remove(file.remove_action(true)))
        .collect();
    let removal = Commit {
        base: base.clone(),
        operation: DeltaOperation::Delete { predicate: None },
        actions: removes,
        transactions: Vec::new(),
        reads: Reads::Rows,
    };
    commit(&table, removal).await.unwrap_err();
    commit(&table, rows(&table).await).await.unwrap();
}

#[tokio::test]
async fn change_data_raises_the_protocol() {
    let place = Place::new().await;
    let table = place.table().await;
    set_properties(&table, set("delta.enableChangeDataFeed", "true"))
        .await
        .unwrap();
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(snapshot.protocol().min_writer_version(), 4);
    let field = StructField::nullable("_commit_version", DataType::LONG);
    let error = add_columns(&table, vec![field]).await.unwrap_err();
    assert!(error.to_string().contains("_commit_version"), "{error}");
}

#[tokio::test]
async fn comments_of_tables_and_columns_come_and_go() {
    let place = Place::new().await;
    let table = place.table().await;
    set_comment(&table, Some("counts".into())).await.unwrap();
    set_column_comment(&table, "a", Some("a number".into()))
        .await
        .unwrap();
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(snapshot.metadata().description(), Some("counts"));
    let comment = |snapshot: &EagerSnapshot| {
        let schema = snapshot.schema();
        schema
            .field("a")
            .unwrap()
            .metadata()
            .get("comment")
            .cloned()
    };
    assert_eq!(
        comment(&snapshot),
        Some(MetadataValue::String("a number".into()))
    );
    set_comment(&table, None).await.unwrap();
    set_column_comment(&table, "a", None).await.unwrap();
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(snapshot.metadata().description(), None);
    assert_eq!(comment(&snapshot), None);
    let error = set_column_comment(&table, "x", None).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[tokio::test]
async fn rows_committed_meanwhile_do_not_stop_a_change_of_metadata() {
    let place = Place::new().await;
    let table = place.table().await;
    let append = rows(&table).await;
    let base = table.snapshot().await.unwrap();
    let wanted = Changeable {
        description: Some("later".into()),
        ..Changeable::of(&base)
    };
    let metadata = edited(base.metadata(), &wanted, None).unwrap();
    let late = Commit {
        base,
        operation: described(Some("later".into())),
        actions: vec![Action::Metadata(metadata)],
        transactions: Vec::new(),
        reads: Reads::Nothing,
    };
    assert_eq!(commit(&table, append).await.unwrap(), Outcome::Committed(1));
    assert_eq!(commit(&table, late).await.unwrap(), Outcome::Committed(2));
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(snapshot.metadata().description(), Some("later"));
    assert_eq!(snapshot.try_log_data().unwrap().num_files(), 1);
}

#[tokio::test]
async fn of_two_changes_of_metadata_at_once_the_second_is_a_conflict() {
    let place = Place::new().await;
    let table = place.table().await;
    let change_of = async |comment: &str| {
        let base = table.snapshot().await.unwrap();
        let wanted = Changeable {
            description: Some(comment.into()),
            ..Changeable::of(&base)
        };
        let metadata = edited(base.metadata(), &wanted, None).unwrap();
        Commit {
            base,
            operation: described(wanted.description),
            actions: vec![Action::Metadata(metadata)],
            transactions: Vec::new(),
            reads: Reads::Nothing,
        }
    };
    let (first, second) = (change_of("first").await, change_of("second").await);
    commit(&table, first).await.unwrap();
    let error = commit(&table, second).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
}

#[tokio::test]
async fn a_column_with_a_comment_only_changes_its_own_field() {
    let place = Place::new().await;
    let table = place.table().await;
    add_columns(&table, vec![StructField::nullable("b", DataType::DATE)])
        .await
        .unwrap();
    set_column_comment(&table, "b", Some("when".into()))
        .await
        .unwrap();
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert!(snapshot.schema().field("a").unwrap().metadata().is_empty());
}
