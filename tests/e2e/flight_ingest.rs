//! Rows that clients send: into which tables, with which columns, and all or none of them.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use futures::StreamExt as _;
use tests::flight::{Client, count, descriptor, messages, refused};
use tests::server::Server;
use tonic::{Code, Status};

/// What is done where the table is there, and where it is not.
#[derive(Clone, Copy)]
struct Mode(TableExistsOption, TableNotExistOption);

const CREATE: Mode = Mode(TableExistsOption::Fail, TableNotExistOption::Create);
const APPEND: Mode = Mode(TableExistsOption::Append, TableNotExistOption::Fail);
const REPLACE: Mode = Mode(TableExistsOption::Replace, TableNotExistOption::Fail);
const CREATE_APPEND: Mode = Mode(TableExistsOption::Append, TableNotExistOption::Create);
const CREATE_REPLACE: Mode = Mode(TableExistsOption::Replace, TableNotExistOption::Create);

fn command(table: &str, mode: Mode) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_exists: mode.0 as i32,
            if_not_exist: mode.1 as i32,
        }),
        table: table.to_string(),
        ..CommandStatementIngest::default()
    }
}

fn numbered(from: i64, rows: i64) -> RecordBatch {
    let texts: StringArray = (from..from + rows)
        .map(|n| Some(format!("row {n}")))
        .collect();
    batch(vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(from..from + rows)) as ArrayRef,
        ),
        ("text", Arc::new(texts) as ArrayRef),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

async fn send(
    client: &mut Client,
    command: &CommandStatementIngest,
    batches: Vec<RecordBatch>,
) -> Result<i64, Status> {
    let schema = batches[0].schema();
    let answer = client
        .put(command, schema, futures::stream::iter(batches))
        .await?;
    Ok(count(&answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_created_appended_and_replaced_as_the_client_says() {
    let server = Server::start("");
    let mut client = server.client().await;
    let total = "SELECT count(*) FROM t";
    let rows = || vec![numbered(0, 1_000), numbered(1_000, 500)];
    refused(
        send(&mut client, &command("t", APPEND), rows()).await,
        Code::NotFound,
        &["t", "create"],
    );
    refused(
        send(&mut client, &command("t", REPLACE), rows()).await,
        Code::NotFound,
        &["t"],
    );
    assert_eq!(
        send(&mut client, &command("t", CREATE), rows())
            .await
            .unwrap(),
        1_500
    );
    assert_eq!(client.value(total).await, "1500");
    let there = send(&mut client, &command("t", CREATE), rows())
        .await
        .unwrap_err();
    assert!(there.message().contains("append"), "{there}");
    assert_eq!(client.value(total).await, "1500");
    assert_eq!(
        send(&mut client, &command("t", APPEND), rows())
            .await
            .unwrap(),
        1_500
    );
    assert_eq!(client.value(total).await, "3000");
    assert_eq!(
        send(&mut client, &command("t", REPLACE), vec![numbered(7, 3)])
            .await
            .unwrap(),
        3
    );
    assert_eq!(client.value("SELECT sum(id) FROM t").await, "24");
    assert_eq!(
        send(
            &mut client,
            &command("t", CREATE_APPEND),
            vec![numbered(1, 1)]
        )
        .await
        .unwrap(),
        1
    );
    assert_eq!(client.value(total).await, "4");
    assert_eq!(
        send(
            &mut client,
            &command("u", CREATE_APPEND),
            vec![numbered(1, 2)]
        )
        .await
        .unwrap(),
        2
    );
    assert_eq!(
        send(
            &mut client,
            &command("u", CREATE_REPLACE),
            vec![numbered(5, 1)]
        )
        .await
        .unwrap(),
        1
    );
    assert_eq!(client.value("SELECT sum(id) FROM u").await, "5");
    // Each was one commit, and no rows at all are none. Creating makes a table and then its rows, and names it last.
    assert_eq!(client.query("DESCRIBE HISTORY t").await.unwrap().rows(), 5);
    let nothing = vec![numbered(0, 0)];
    assert_eq!(
        send(&mut client, &command("t", APPEND), nothing)
            .await
            .unwrap(),
        0
    );
    assert_eq!(client.value(total).await, "4");
    // The schema may be named, and names with capitals are kept as they are.
    let mut named = command("Odd Name", CREATE);
    named.schema = Some("main".into());
    let catalog = client
        .ask(&arrow_flight::sql::CommandGetCatalogs {})
        .await
        .unwrap();
    named.catalog = catalog.texts("catalog_name").first().cloned();
    assert_eq!(send(&mut client, &named, rows()).await.unwrap(), 1_500);
    assert_eq!(
        client.value("SELECT count(*) FROM \"Odd Name\"").await,
        "1500"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_fit_are_refused_whole_and_columns_go_by_their_names() {
    let server = Server::start("");
    let mut client = server.client().await;
    client
        .query("CREATE TABLE t (id BIGINT NOT NULL, text STRING, score DOUBLE)")
        .await
        .unwrap();
    let append = command("t", APPEND);
    // In another order, one of them left out.
    let swapped = batch(vec![
        ("text", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
    ]);
    assert_eq!(send(&mut client, &append, vec![swapped]).await.unwrap(), 1);
    assert_eq!(
        client
            .value("SELECT text FROM t WHERE id = 1 AND score IS NULL")
            .await,
        "x"
    );
    for (columns, word) in [
        (
            vec![
                ("id", Arc::new(Int64Array::from(vec![2])) as ArrayRef),
                ("more", Arc::new(Int64Array::from(vec![2])) as ArrayRef),
            ],
            "more",
        ),
        (
            vec![(
                "text",
                Arc::new(StringArray::from(vec!["without an id"])) as ArrayRef,
            )],
            "id",
        ),
        (
            vec![(
                "id",
                Arc::new(StringArray::from(vec!["not a number"])) as ArrayRef,
            )],
            "not a number",
        ),
        (
            vec![("id", Arc::new(Int64Array::from(vec![None])) as ArrayRef)],
            "id",
        ),
    ] {
        let error = send(&mut client, &append, vec![batch(columns)]).await;
        refused(error, Code::InvalidArgument, &[word]);
    }
    // The good rows before a bad one are not kept either.
    let late = vec![
        batch(vec![(
            "id",
            Arc::new(Float64Array::from_iter_values((0..50_000).map(f64::from))) as ArrayRef,
        )]),
        batch(vec![(
            "id",
            Arc::new(Float64Array::from(vec![1e300])) as ArrayRef,
        )]),
    ];
    refused(
        send(&mut client, &append, late).await,
        Code::InvalidArgument,
        &[],
    );
    assert_eq!(client.value("SELECT count(*) FROM t").await, "1");
    assert_eq!(client.query("DESCRIBE HISTORY t").await.unwrap().rows(), 2);
    for (mut odd, code, word) in [
        (command("t", APPEND), Code::Unimplemented, "temporary"),
        (command("t", APPEND), Code::NotFound, "catalog"),
        (
            command(
                "t",
                Mode(
                    TableExistsOption::Unspecified,
                    TableNotExistOption::Unspecified,
                ),
            ),
            Code::InvalidArgument,
            "append",
        ),
        (command("t", APPEND), Code::Unimplemented, "transaction"),
    ] {
        match word {
            "temporary" => odd.temporary = true,
            "catalog" => odd.catalog = Some("elsewhere".into()),
            "transaction" => odd.transaction_id = Some(bytes::Bytes::from_static(b"x")),
            _ => {}
        }
        refused(
            send(&mut client, &odd, vec![numbered(0, 1)]).await,
            code,
            &[word],
        );
    }
    // The lake's own books are not written by clients.
    let mut system = command("files", APPEND);
    system.schema = Some("system".into());
    assert!(
        send(&mut client, &system, vec![numbered(0, 1)])
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_half_way_writes_nothing() {
    let server = Server::start("");
    let (mut client, mut other) = (server.client().await, server.client().await);
    client
        .query("CREATE TABLE t (id BIGINT, text STRING)")
        .await
        .unwrap();
    for _ in 0..3 {
        let first = (0..20).map(|n| numbered(n * 1_000, 1_000));
        let (first, never) = (futures::stream::iter(first), futures::stream::pending());
        let sent = messages(
            descriptor(&command("t", APPEND)),
            numbered(0, 0).schema(),
            first.chain(never),
        );
        let mut lost = client.clone();
        let sending = tokio::spawn(async move { lost.send(sent).await });
        let busy = "SELECT count(*) FROM system.queries WHERE statement LIKE 'INGEST%'";
        while other.value(busy).await != "1" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        sending.abort();
        let mut waits = 0;
        while other.value(busy).await != "0" {
            waits += 1;
            assert!(waits < 100, "an ingest whose client went away goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(other.value("SELECT count(*) FROM t").await, "0");
        assert_eq!(other.query("DESCRIBE HISTORY t").await.unwrap().rows(), 1);
    }
    assert_eq!(
        send(&mut client, &command("t", APPEND), vec![numbered(0, 10)])
            .await
            .unwrap(),
        10
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_minus_nine_during_an_ingest_leaves_the_table_as_before_or_as_after() {
    let mut server = Server::start("");
    let mut client = server.client().await;
    client
        .query("CREATE TABLE t (id BIGINT, text STRING)")
        .await
        .unwrap();
    let mut expected = 0;
    for milliseconds in [20, 150, 400] {
        let rows: Vec<_> = (0..60).map(|n| numbered(n * 2_000, 2_000)).collect();
        let slow = futures::stream::iter(rows).then(|batch| async {
            tokio::time::sleep(Duration::from_millis(3)).await;
            batch
        });
        let sent = messages(
            descriptor(&command("t", APPEND)),
            numbered(0, 0).schema(),
            slow,
        );
        let mut sender = server.client().await;
        let sending = tokio::spawn(async move { sender.send(sent).await });
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let (paratope, folder) = server.kill();
        let acknowledged = sending.await.unwrap().is_ok();
        server = Server::over(paratope, folder, "");
        let mut client = server.client().await;
        let now: i64 = client
            .value("SELECT count(*) FROM t")
            .await
            .parse()
            .unwrap();
        let grown = now - expected;
        assert!(
            grown == 120_000 || (grown == 0 && !acknowledged),
            "{grown} rows after {milliseconds} ms"
        );
        expected = now;
    }
}
