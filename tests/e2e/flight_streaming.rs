//! Results that are larger than memory and longer than patience: rows leave as they are computed, a slow reader costs
//! nothing, and one that goes away takes its statement along.

use std::time::{Duration, Instant};

use tests::flight::Client;
use tests::server::Server;

/// Rows of so many pairs would take days.
const ENDLESS: &str = "SELECT a.value AS a, b.value AS b FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000) AS b";
/// So soon a statement is gone after its reader.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Statements that wait or run beside the one that asks.
async fn running(client: &mut Client) -> String {
    client.value("SELECT count(*) FROM system.queries").await
}

/// Asserts that no other statement runs within the time that is promised, and that the processor is idle then.
async fn assert_gone(server: &Server, client: &mut Client) {
    let since = Instant::now();
    while running(client).await != "0" {
        assert!(
            since.elapsed() < GONE_WITHIN,
            "{:?}",
            client.query("SHOW QUERIES").await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(GONE_WITHIN.saturating_sub(since.elapsed())).await;
    let before = server.computed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    if let (Some(before), Some(after)) = (before, server.computed()) {
        let computed = after - before;
        assert!(
            computed < Duration::from_millis(200),
            "{computed:?} within a second"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_rows_leave_before_the_last_are_computed_and_a_lost_reader_ends_the_statement() {
    let server = Server::start("");
    let (mut client, mut other) = (server.client().await, server.client().await);
    for sql in [
        ENDLESS,
        "SELECT a.value FROM generate_series(1, 100000000000) AS a WHERE a.value % 3 = 0",
    ] {
        let mut reading = client.start(sql).await.unwrap();
        let first = reading.next().await.unwrap().unwrap();
        assert!(first.num_rows() > 0);
        assert_eq!(running(&mut other).await, "1");
        drop(reading);
        assert_gone(&server, &mut other).await;
    }
    // One that has given nothing yet, and may never.
    let silent = "SELECT count(*) FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000) AS b WHERE a.value * b.value % 7 = 8";
    let mut lost = server.client().await;
    let waiting = tokio::spawn(async move { lost.query(silent).await.map(|_| ()) });
    while running(&mut other).await != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    waiting.abort();
    assert_gone(&server, &mut other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_of_a_large_result_costs_the_server_no_memory() {
    /// What two batches of messages, and those that operators and the network hold, may take.
    const GROWTH: u64 = 300 << 20;
    let server = Server::start("");
    let mut client = server.client().await;
    // About 2 GB.
    let large = "SELECT value, repeat('x', 1000) AS text FROM generate_series(1, 2000000)";
    let warm = "SELECT value, repeat('x', 1000) AS text FROM generate_series(1, 50000)";
    client.query(warm).await.unwrap();
    let before = server.peak_memory();
    let mut reading = client.start(large).await.unwrap();
    let mut rows = 0;
    for _ in 0..40 {
        rows += reading.next().await.unwrap().unwrap().num_rows();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(rows > 10_000, "{rows}");
    if let (Some(before), Some(after)) = (before, server.peak_memory()) {
        // The system counts pages now and then, so the peak may seem to shrink.
        let grown = after.saturating_sub(before);
        assert!(grown < GROWTH, "{} MiB", grown >> 20);
    }
    // The whole of a smaller one comes in order, none lost and none double.
    drop(reading);
    let table = client
        .query("SELECT value FROM generate_series(1, 300000)")
        .await
        .unwrap();
    assert_eq!(table.rows(), 300_000);
}
