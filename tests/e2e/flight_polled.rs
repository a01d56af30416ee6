//! Statements that are polled for: computed without a reader, fetched when all rows are there.

use std::time::{Duration, Instant};

use arrow_flight::sql::CommandGetTableTypes;
use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor, PollInfo,
};
use bytes::Bytes;
use prost::Message as _;
use tests::flight::{Client, descriptor, refused, statement, ticket};
use tests::server::Server;
use tonic::{Code, Status};

const ENDLESS: &str = "SELECT count(*) FROM numbers a JOIN numbers b ON a.n * b.n < 0";

async fn poll(client: &mut Client, descriptor: FlightDescriptor) -> Result<PollInfo, Status> {
    let answer = client.calls.poll_flight_info(descriptor).await?;
    Ok(answer.into_inner())
}

/// Polls until all rows are there; tells how often it was told to go on.
async fn until_done(client: &mut Client, mut polled: PollInfo) -> (PollInfo, usize) {
    let since = Instant::now();
    let mut times = 0;
    while let Some(next) = polled.flight_descriptor.take() {
        assert!(since.elapsed() < Duration::from_secs(60), "{polled:?}");
        polled = poll(client, next).await.unwrap();
        times += 1;
    }
    (polled, times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_polled_statement_are_kept_until_they_are_fetched_as_often_as_one_likes() {
    let server = Server::start("[server.limits]\nconcurrent_queries = 1\n");
    let (mut client, mut other) = (server.client().await, server.client().await);
    let sql = "SELECT value AS n, 'row ' || value AS text, arrow_cast('same', 'Dictionary(Int32, Utf8)') AS kind \
        FROM generate_series(1, 50000) ORDER BY n DESC";
    // Whoever reads without reading on holds the only turn.
    let endless = "SELECT a.value AS a, b.value AS b FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000) AS b";
    let mut busy = other.start(endless).await.unwrap();
    busy.next().await.unwrap();
    let waiting = poll(&mut client, descriptor(&statement(sql)))
        .await
        .unwrap();
    let info = waiting.info.clone().unwrap();
    assert!(info.endpoint.is_empty(), "nothing can be fetched yet");
    assert!(waiting.flight_descriptor.is_some() && waiting.expiration_time.is_some());
    assert_eq!(waiting.progress, None, "it waits for its turn");
    drop(busy);
    // Another connection of the same user goes on.
    let (done, times) = until_done(&mut other, waiting).await;
    assert!(times > 0 && done.progress == Some(1.0), "{done:?}");
    let info = done.info.unwrap();
    assert_eq!(info.total_records, 50_000);
    let direct = client.query(sql).await.unwrap();
    for _ in 0..2 {
        let fetched = other.fetch(ticket(&info)).await.unwrap();
        let fetched = fetched.table().await.unwrap();
        assert_eq!(fetched.schema, direct.schema);
        assert_eq!(fetched.rows(), direct.rows());
        assert_eq!(fetched.texts("text"), direct.texts("text"));
    }
    let ran = "SELECT count(*) FROM system.query_log WHERE statement LIKE '%generate_series(?, ?) ORDER BY%'";
    let since = Instant::now();
    // Polled once and queried once: fetching what was polled for computes nothing.
    while client.value(ran).await != "2" {
        assert!(since.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polled_statement_tells_how_far_it_is_and_is_stopped_by_what_it_told() {
    let server = Server::start("");
    let (mut client, mut other) = (server.client().await, server.client().await);
    client
        .query("CREATE TABLE numbers AS SELECT value AS n FROM generate_series(1, 300000)")
        .await
        .unwrap();
    let polled = poll(&mut client, descriptor(&statement(ENDLESS)))
        .await
        .unwrap();
    let progress = polled.progress.expect("its tables have counts");
    assert!((0.0..=1.0).contains(&progress), "{progress}");
    let request = CancelFlightInfoRequest { info: polled.info };
    let answer = other
        .act("CancelFlightInfo", request.encode_to_vec())
        .await
        .unwrap();
    let result = CancelFlightInfoResult::decode(answer).unwrap();
    assert_eq!(result.status, CancelStatus::Cancelled as i32);
    let next = polled.flight_descriptor.unwrap();
    let since = Instant::now();
    refused(
        poll(&mut client, next.clone()).await,
        Code::Cancelled,
        &["its client"],
    );
    assert!(since.elapsed() < Duration::from_secs(2));
    // Only who asked may ask on, and only with what was told.
    let mut damaged = next.cmd.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = FlightDescriptor::new_cmd(damaged);
    refused(
        poll(&mut client, damaged).await,
        Code::InvalidArgument,
        &["not from this server"],
    );
    let info = client.describe("SELECT 1").await.unwrap();
    let never_begun = FlightDescriptor::new_cmd(ticket(&info).ticket);
    refused(
        poll(&mut client, never_begun).await,
        Code::NotFound,
        &["begin with"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_for_a_change_a_mistake_and_metadata() {
    let server = Server::start("");
    let mut client = server.client().await;
    client.query("CREATE TABLE t (n BIGINT)").await.unwrap();
    let sql = "INSERT INTO t VALUES (1), (2)";
    let polled = poll(&mut client, descriptor(&statement(sql)))
        .await
        .unwrap();
    let (done, _) = until_done(&mut client, polled).await;
    // It is carried out, whoever fetches its count or not.
    assert_eq!(client.value("SELECT count(*) FROM t").await, "2");
    let info = done.info.unwrap();
    for _ in 0..2 {
        let count = client.fetch(ticket(&info)).await.unwrap();
        assert_eq!(count.table().await.unwrap().value(), "2");
    }
    assert_eq!(client.value("SELECT count(*) FROM t").await, "2");

    for (sql, code, part) in [
        ("SELEC 1", Code::InvalidArgument, "SELEC"),
        (
            "SELECT CAST('x' || n AS BIGINT) FROM t",
            Code::InvalidArgument,
            "cast",
        ),
    ] {
        let error = poll(&mut client, descriptor(&statement(sql))).await;
        refused(error, code, &[part]);
    }
    let polled = poll(&mut client, descriptor(&CommandGetTableTypes {}))
        .await
        .unwrap();
    assert_eq!(
        (polled.flight_descriptor, polled.progress),
        (None, Some(1.0))
    );
    let empty = FlightDescriptor::new_cmd(Bytes::new());
    refused(poll(&mut client, empty).await, Code::InvalidArgument, &[]);
}

/// Joins of which no pair of rows meets the condition compute for minutes without giving a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_that_give_nothing_end_with_their_statement() {
    let server = Server::start("[query]\nthreads = 1\n[server.limits]\nstatement_timeout_s = 3\n");
    let mut client = server.client().await;
    client
        .query(
            "CREATE TABLE numbers AS SELECT value AS n, 1 AS one FROM generate_series(1, 300000)",
        )
        .await
        .unwrap();
    let hashed = "SELECT count(*) FROM numbers a JOIN numbers b ON a.one = b.one AND a.n * b.n < 0";
    let outer = "SELECT count(*) FROM numbers a FULL JOIN numbers b ON a.n * b.n < 0";
    for sql in [ENDLESS, hashed, outer] {
        let since = Instant::now();
        refused(client.query(sql).await, Code::DeadlineExceeded, &["3 s"]);
        // The only thread that computes is free again.
        assert_eq!(client.value("SELECT 1").await, "1");
        assert!(since.elapsed() < Duration::from_secs(6), "{sql}");
        // A reader that goes away.
        let mut leaving = server.client().await;
        let left = tokio::time::timeout(Duration::from_secs(1), leaving.query(sql)).await;
        assert!(left.is_err(), "{sql}");
        drop(leaving);
        let since = Instant::now();
        assert_eq!(client.value("SELECT 1").await, "1");
        assert!(since.elapsed() < Duration::from_millis(1_800), "{sql}");
    }
}
