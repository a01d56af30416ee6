//! Statements are stopped, wait in line, take too long, and outlive the wish to stop the server.

use std::time::{Duration, Instant};

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, Any, ProstMessageExt as _,
};
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo};
use prost::Message as _;
use tests::flight::{Client, Reading, refused, ticket};
use tests::server::Server;
use tonic::{Code, Status};

const ENDLESS: &str = "SELECT a.value AS a, b.value AS b FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000) AS b";
const SILENT: &str = "SELECT count(*) FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000) AS b";

/// Reads on until the server stops it.
async fn end(mut reading: Reading) -> Status {
    loop {
        match reading.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("this has no end"),
            Err(status) => return status,
        }
    }
}

async fn cancel(client: &mut Client, info: &FlightInfo) -> Result<CancelStatus, Status> {
    let request = CancelFlightInfoRequest {
        info: Some(info.clone()),
    };
    let answer = client
        .act("CancelFlightInfo", request.encode_to_vec())
        .await?;
    let result = CancelFlightInfoResult::decode(answer).unwrap();
    Ok(CancelStatus::try_from(result.status).unwrap())
}

async fn cancel_as_older_clients(client: &mut Client, info: &FlightInfo) -> i32 {
    let request = ActionCancelQueryRequest {
        info: info.encode_to_vec().into(),
    };
    let answer = client
        .act("CancelQuery", request.as_any().encode_to_vec())
        .await
        .unwrap();
    let any = Any::decode(answer).unwrap();
    let result: ActionCancelQueryResult = any.unpack().unwrap().unwrap();
    result.result
}

/// The id of the only other statement.
async fn only_id(client: &mut Client) -> String {
    let since = Instant::now();
    loop {
        let ids = client
            .query("SELECT query_id FROM system.queries WHERE state = 'running'")
            .await
            .unwrap();
        if let [id] = ids.texts("query_id").as_slice() {
            return id.clone();
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{ids:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_stopped_by_its_flight_info_and_by_its_id() {
    let server = Server::start("");
    let (mut client, mut other) = (server.client().await, server.client().await);
    let info = client.describe(ENDLESS).await.unwrap();
    // Nothing is fetched with it yet.
    assert_eq!(
        cancel(&mut other, &info).await.unwrap(),
        CancelStatus::NotCancellable
    );
    let mut reading = client.fetch(ticket(&info)).await.unwrap();
    reading.next().await.unwrap();
    assert_eq!(
        cancel(&mut other, &info).await.unwrap(),
        CancelStatus::Cancelled
    );
    let status = end(reading).await;
    assert_eq!(status.code(), Code::Cancelled, "{status}");
    assert!(status.message().contains("client"), "{status}");

    let mut reading = client.fetch(ticket(&info)).await.unwrap();
    reading.next().await.unwrap();
    assert_eq!(cancel_as_older_clients(&mut other, &info).await, 1);
    assert_eq!(end(reading).await.code(), Code::Cancelled);
    assert_eq!(cancel_as_older_clients(&mut other, &info).await, 3);

    // One that computes and has given nothing yet.
    let mut busy = client.clone();
    let waiting = tokio::spawn(async move { busy.query(SILENT).await.map(|_| ()) });
    let id = only_id(&mut other).await;
    let since = Instant::now();
    other.query(&format!("KILL QUERY '{id}'")).await.unwrap();
    let status = refused(waiting.await.unwrap(), Code::Cancelled, &["kill query"]);
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}: {status}",
        since.elapsed()
    );
    for gone in [id.as_str(), "no-id", "00000000-0000-0000-0000-000000000000"] {
        let error = other.query(&format!("KILL QUERY '{gone}'")).await;
        refused(error, Code::NotFound, &["show queries"]);
    }
    let log = other.value("SELECT count(*) FROM system.queries").await;
    assert_eq!(log, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_stopped_and_so_is_one_whose_reader_sleeps() {
    let server = Server::start("[server.limits]\nstatement_timeout_s = 2\n");
    let mut client = server.client().await;
    let since = Instant::now();
    let error = client.query(SILENT).await;
    refused(
        error,
        Code::DeadlineExceeded,
        &["2 s", "statement_timeout_s"],
    );
    assert!(
        since.elapsed() < Duration::from_secs(6),
        "{:?}",
        since.elapsed()
    );
    let mut reading = client.start(ENDLESS).await.unwrap();
    reading.next().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        client.value("SELECT count(*) FROM system.queries").await,
        "0"
    );
    let status = end(reading).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_line_is_full_the_next_is_told_to_try_again() {
    let server = Server::start("[server.limits]\nconcurrent_queries = 1\nqueued_queries = 1\n");
    let mut client = server.client().await;
    let mut first = client.start(ENDLESS).await.unwrap();
    first.next().await.unwrap();
    let mut second = server.client().await;
    let second = tokio::spawn(async move { second.value("SELECT 2").await });
    // Looking and stopping wait for nobody, or a full server could not be helped.
    let since = Instant::now();
    let id = loop {
        let listed = client.query("SHOW QUERIES").await.unwrap();
        if listed.rows() == 2 {
            break listed.texts("query_id")[0].clone();
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{listed:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let full = client.query("SELECT 3").await;
    refused(full, Code::Unavailable, &["try again"]);
    assert!(!second.is_finished());
    client.query(&format!("KILL QUERY '{id}'")).await.unwrap();
    assert_eq!(second.await.unwrap(), "2");
    assert_eq!(end(first).await.code(), Code::Cancelled);
    assert_eq!(client.value("SELECT 3").await, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_lets_running_statements_end_and_takes_no_new_ones() {
    let mut server = Server::start("");
    let (mut client, mut other) = (server.client().await, server.client().await);
    client.query("CREATE TABLE t (id BIGINT)").await.unwrap();
    let rows = 3_000_000;
    let sql = format!("SELECT value, repeat('x', 20) AS text FROM generate_series(1, {rows})");
    let mut reading = client.start(&sql).await.unwrap();
    let mut read = reading.next().await.unwrap().unwrap().num_rows();
    server.terminate();
    let since = Instant::now();
    loop {
        match other.query("SELECT 1").await {
            Err(status) => {
                refused(
                    Err::<(), _>(status),
                    Code::Unavailable,
                    &["stopping", "try again"],
                );
                break;
            }
            Ok(_) => assert!(since.elapsed() < Duration::from_secs(10)),
        }
    }
    let change = other.update("INSERT INTO t VALUES (1)").await;
    refused(change, Code::Unavailable, &["stopping"]);
    assert_eq!(server.get("/readyz").unwrap().0, 503);
    assert_eq!(server.get("/healthz").unwrap().0, 200);
    while let Some(batch) = reading.next().await.unwrap() {
        read += batch.num_rows();
    }
    assert_eq!(read, rows);
    assert!(server.wait().success());
    let logged = server
        .paratope()
        .query("SELECT status, rows FROM system.query_log WHERE rows = 3000000");
    assert_eq!(logged[0]["status"], "succeeded", "{logged:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_does_not_end_is_stopped_after_the_grace_period_or_a_second_signal() {
    let mut server = Server::start("[server.limits]\ndrain_s = 1\n");
    let mut client = server.client().await;
    let mut reading = client.start(ENDLESS).await.unwrap();
    reading.next().await.unwrap();
    server.terminate();
    let status = end(reading).await;
    assert_eq!(status.code(), Code::Cancelled, "{status}");
    assert!(status.message().contains("stopping"), "{status}");
    assert!(server.wait().success());

    let mut server = Server::start("");
    let mut client = server.client().await;
    let mut reading = client.start(ENDLESS).await.unwrap();
    reading.next().await.unwrap();
    server.terminate();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(server.is_up());
    let since = Instant::now();
    server.terminate();
    server.wait();
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "{:?}",
        since.elapsed()
    );
    end(reading).await;
}
