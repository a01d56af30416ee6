//! The committer's promises, each shown with its guard and, failing, without it.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, new_null_array};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{Action, Transaction};
use tempfile::TempDir;

use super::commit::{Commit, Guards, Outcome, Reads, append, commit, commit_guarded};
use super::write::{Written, write_sorted};
use super::{LakeTableProvider, Table, transactions};
use crate::config::Config;
use crate::error::Error;
use crate::lake::{Creation, Lake};
use crate::session;

const TABLE: &str = "main.protein_chains";

async fn lake() -> (TempDir, Arc<Lake>) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.lake.url = folder.path().join("lake").display().to_string();
    let (lake, creation) = Lake::init(&config).await.unwrap();
    assert_eq!(creation, Creation::Created);
    (folder, lake)
}

fn rows(
    table: &Table,
    ids: &[&str],
    snapshot: &deltalake::kernel::EagerSnapshot,
) -> SendableRecordBatchStream {
    let schema = Table::schema(snapshot);
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "protein_id" => Arc::new(StringArray::from(ids.to_vec())) as ArrayRef,
            "arm" => Arc::new(Int32Array::from(vec![1; ids.len()])),
            _ => new_null_array(field.data_type(), ids.len()),
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    assert_eq!(table.name(), TABLE);
    Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter([Ok(batch)]),
    ))
}

async fn written(table: &Table, ids: &[&str]) -> Written {
    let snapshot = table.snapshot().await.unwrap();
    let context = session::bare_context().unwrap().task_ctx();
    let input = rows(table, ids, &snapshot);
    write_sorted(table, &snapshot, input, context, 1 << 20)
        .await
        .unwrap()
}

async fn added(table: &Table, ids: &[&str], transactions: Vec<Transaction>) -> Commit {
    let base = table.snapshot().await.unwrap();
    let files = written(table, ids).await;
    Commit {
        base,
        operation: append(),
        actions: files.adds.into_iter().map(Action::Add).collect(),
        transactions,
        reads: Reads::Nothing,
    }
}

/// A rewrite of all files into one, as a compaction makes it: no data changes.
async fn rewrite(table: &Table, ids: &[&str]) -> Commit {
    let mut changes = added(table, ids, Vec::new()).await;
    for action in &mut changes.actions {
        if let Action::Add(add) = action {
            add.data_change = false;
        }
    }
    let removes: Vec<Action> = changes
        .base
        .try_log_data()
        .unwrap()
        .iter()
        .map(|file| Action::Remove(file.remove_action(false)))
        .collect();
    changes.actions.extend(removes);
    changes
}

async fn count(lake: &Lake) -> usize {
    let table = lake.table(TABLE).unwrap();
    let snapshot = table.snapshot().await.unwrap();
    let provider = LakeTableProvider::try_new(&table, snapshot).await.unwrap();
    let context = session::reading_context(lake.storage()).unwrap();
    let frame = context.read_table(Arc::new(provider)).unwrap();
    frame.count().await.unwrap()
}

#[tokio::test]
async fn two_appends_from_one_base_both_commit() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    let first = added(&table, &["a"], Vec::new()).await;
    let second = added(&table, &["b"], Vec::new()).await;
    assert_eq!(commit(&table, first).await.unwrap(), Outcome::Committed(1));
    assert_eq!(commit(&table, second).await.unwrap(), Outcome::Committed(2));
    assert_eq!(count(&lake).await, 2);
}

#[tokio::test]
async fn racing_rewrites_never_double_rows_though_neither_changes_data() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    commit(&table, added(&table, &["a", "b"], Vec::new()).await)
        .await
        .unwrap();
    let first = rewrite(&table, &["a", "b"]).await;
    let second = rewrite(&table, &["a", "b"]).await;
    commit(&table, first).await.unwrap();
    let error = commit(&table, second).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
    assert_eq!(count(&lake).await, 2);
}

#[tokio::test]
async fn without_the_conflict_check_racing_rewrites_double_rows() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    commit(&table, added(&table, &["a", "b"], Vec::new()).await)
        .await
        .unwrap();
    let first = rewrite(&table, &["a", "b"]).await;
    let second = rewrite(&table, &["a", "b"]).await;
    commit(&table, first).await.unwrap();
    let unguarded = Guards {
        conflicts: false,
        ..Guards::default()
    };
    commit_guarded(&table, second, unguarded).await.unwrap();
    assert_eq!(count(&lake).await, 4, "the guard is what prevents this");
}

#[tokio::test]
async fn work_that_others_committed_meanwhile_is_not_done_again() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    let id = Transaction::new("in:x", 1);
    let first = added(&table, &["a"], vec![id.clone()]).await;
    let second = added(&table, &["a"], vec![id]).await;
    commit(&table, first).await.unwrap();
    assert_eq!(
        commit(&table, second).await.unwrap(),
        Outcome::AlreadyDone(vec!["in:x".into()])
    );
    assert_eq!(count(&lake).await, 1);
}

#[tokio::test]
async fn transaction_ids_are_found_in_checkpoints_and_in_the_commits_after_them() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    let mut expected = HashMap::new();
    for round in 0..4 {
        let id = Transaction::new(format!("in:{round}"), round);
        commit(&table, added(&table, &["a"], vec![id]).await)
            .await
            .unwrap();
        expected.insert(format!("in:{round}"), round);
        if round == 2 {
            let mut delta = deltalake::DeltaTable::new(Arc::clone(table.log_store()));
            delta.load().await.unwrap();
            deltalake::checkpoints::create_checkpoint(&delta, None)
                .await
                .unwrap();
        }
    }
    // What the checkpoint holds must come from it: the commits before it are gone.
    let store = table.log_store().object_store(None);
    for version in 0..=2 {
        let path = object_store::path::Path::from(format!("_delta_log/{version:020}.json"));
        object_store::ObjectStoreExt::delete(&store, &path)
            .await
            .unwrap();
    }
    let found: HashMap<String, i64> = transactions::all(&table)
        .await
        .unwrap()
        .into_iter()
        .map(|(id, recorded)| (id, recorded.version))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_change_of_the_schema_meanwhile_is_a_conflict() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    let changes = added(&table, &["a"], Vec::new()).await;
    let mut delta = deltalake::DeltaTable::new(Arc::clone(table.log_store()));
    delta.load().await.unwrap();
    delta
        .set_tbl_properties()
        .with_properties(HashMap::from([("delta.appendOnly".into(), "false".into())]))
        .await
        .unwrap();
    let error = commit(&table, changes).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
    assert_eq!(count(&lake).await, 0);
}

#[tokio::test]
async fn a_table_that_lists_a_file_outside_its_folder_is_refused() {
    let (_folder, lake) = lake().await;
    let table = lake.table(TABLE).unwrap();
    let mut changes = added(&table, &["a"], Vec::new()).await;
    for action in &mut changes.actions {
        if let Action::Add(add) = action {
            add.path = "../chains/stolen.parquet".into();
        }
    }
    commit(&table, changes).await.unwrap();
    let snapshot = table.snapshot().await.unwrap();
    let error = LakeTableProvider::try_new(&table, snapshot)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
}
