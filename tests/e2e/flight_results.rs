//! Results over Flight SQL: announced as they come, in messages that every client takes, from one version of each table.

use arrow::datatypes::{DataType, Field, Schema};
use tests::flight::{Client, columns, descriptor, refused, statement, ticket};
use tests::server::Server;
use tonic::Code;

/// Above it gRPC clients refuse a message unless told otherwise.
const MESSAGE_LIMIT: usize = 4 << 20;

async fn prepare(client: &mut Client) {
    for sql in [
        "CREATE TABLE t (id BIGINT NOT NULL, name STRING, score DOUBLE) PARTITIONED BY (name)",
        "INSERT INTO t VALUES (1, 'a', 0.5), (2, 'b', NULL), (3, NULL, 2)",
        "CREATE TABLE u (id BIGINT NOT NULL, word STRING NOT NULL)",
        "INSERT INTO u VALUES (2, 'two'), (4, 'four')",
        "CREATE VIEW v AS SELECT id, upper(name) AS name FROM t",
    ] {
        client.query(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_announced_columns_are_the_streams_for_every_kind_of_statement() {
    let server = Server::start("");
    let mut client = server.client().await;
    prepare(&mut client).await;
    for sql in [
        "SELECT * FROM chains",
        "SELECT * FROM t ORDER BY id",
        "SELECT * FROM v",
        "SELECT count(*), sum(score), min(name), avg(id) FROM t",
        "SELECT name, count(*) AS n FROM t GROUP BY name",
        "SELECT name, id, count(*) FROM t GROUP BY GROUPING SETS ((name), (id), ())",
        "SELECT t.*, u.* FROM t LEFT JOIN u ON t.id = u.id",
        "SELECT t.*, u.* FROM t RIGHT JOIN u ON t.id = u.id",
        "SELECT t.id, u.word FROM t FULL JOIN u USING (id)",
        "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
        "SELECT id FROM u UNION ALL SELECT NULL",
        "SELECT id, name FROM t UNION SELECT id, word FROM u",
        "SELECT id, lag(id) OVER (ORDER BY id) AS earlier, row_number() OVER (ORDER BY id) FROM t",
        "SELECT CASE WHEN id > 1 THEN name END, coalesce(name, 'x') FROM t",
        "SELECT (SELECT max(word) FROM u) AS word, id FROM t",
        "SELECT NULL AS nothing, 1 AS one, 'x' AS text, 1.5 AS real, true AS flag",
        "SELECT arrow_cast('a', 'Utf8View') AS v, arrow_cast('a', 'LargeUtf8') AS l, arrow_cast('a', 'Dictionary(Int32, Utf8)') AS d",
        "SELECT arrow_cast(X'00ff', 'BinaryView') AS v, X'00ff' AS b, arrow_cast(X'00ff', 'LargeBinary') AS l",
        "SELECT [1, 2] AS numbers, ['a', NULL] AS texts, make_array(arrow_cast('a', 'Utf8View')) AS views, [] AS nothing",
        "SELECT arrow_cast([1, 2], 'FixedSizeList(2 x Int64)') AS fixed, arrow_cast(['a'], 'LargeList(Utf8View)') AS large",
        "SELECT named_struct('a', 1, 'b', arrow_cast('x', 'Utf8View')) AS s, MAP {'a': 1, 'b': 2} AS m",
        "SELECT [named_struct('a', arrow_cast('x', 'Dictionary(Int8, Utf8)'))] AS nested",
        "SELECT DATE '2024-02-29' AS d, TIME '10:11:12' AS t, TIMESTAMP '2024-02-29 10:11:12.123456' AS ts, INTERVAL '1 day' AS i",
        "SELECT arrow_cast('2024-02-29T10:11:12Z', 'Timestamp(Microsecond, Some(\"UTC\"))') AS utc, arrow_cast(5, 'Duration(Second)') AS span",
        "SELECT CAST(1.5 AS DECIMAL(10, 2)) AS d, CAST(1 AS DECIMAL(38, 0)) AS e, CAST(2 AS TINYINT) AS i, CAST(3 AS REAL) AS r",
        "SELECT id FROM t WHERE false",
        "SELECT * FROM (VALUES (1, 'x'), (2, NULL)) AS w (a, b)",
        "VALUES (1, 'x'), (NULL, 'y')",
        "EXPLAIN SELECT * FROM t WHERE id = 1",
        "EXPLAIN ANALYZE SELECT * FROM t",
        "EXPLAIN UPDATE t SET score = 1 WHERE id = 1",
        "SHOW datafusion.execution.batch_size",
        "SHOW ALL",
        "SHOW TABLES",
        "SHOW COLUMNS FROM t",
        "SHOW QUERIES",
        "DESCRIBE t",
        "DESCRIBE v",
        "DESCRIBE HISTORY t",
        "DESCRIBE DETAIL t",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM system.queries",
        "SELECT * FROM system.files",
        "SELECT * FROM t VERSION AS OF 0",
        "SELECT * FROM generate_series(1, 3)",
        "SELECT * FROM range(1, 3)",
        "INSERT INTO u VALUES (5, 'five')",
        "UPDATE t SET score = 1 WHERE id = 1",
        "DELETE FROM u WHERE id = 5",
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET name = u.word",
        "CREATE TABLE w AS SELECT * FROM u",
        "ALTER TABLE w ADD COLUMN more STRING",
        "OPTIMIZE t",
        "VACUUM t DRY RUN",
        "RESTORE TABLE u TO VERSION AS OF 1",
        "SET datafusion.execution.batch_size = 100",
        "DROP TABLE w",
    ] {
        assert_announced(&mut client, sql).await;
    }
}

async fn assert_announced(client: &mut Client, sql: &str) {
    let request = descriptor(&statement(sql));
    let schema = match client.calls.get_schema(request).await {
        Ok(answer) => columns(&answer.into_inner().schema),
        Err(status) => panic!("{sql}: {status}"),
    };
    let info = client.describe(sql).await.unwrap();
    assert_eq!(columns(&info.schema), schema, "GetSchema of {sql}");
    let table = match client.fetch(ticket(&info)).await {
        Ok(reading) => reading.table().await,
        Err(status) => Err(status),
    };
    let table = table.unwrap_or_else(|status| panic!("{sql}: {status}"));
    assert_eq!(*table.schema, schema, "the stream of {sql}");
    for batch in &table.batches {
        assert_eq!(*batch.schema(), schema, "the rows of {sql}");
    }
    for field in schema.fields() {
        assert_plain(field, sql);
    }
}

/// Views and dictionaries are for our own use: many clients cannot read them.
fn assert_plain(field: &Field, sql: &str) {
    match field.data_type() {
        DataType::Utf8View
        | DataType::BinaryView
        | DataType::ListView(_)
        | DataType::Dictionary(..) => panic!("{sql} sends {field}"),
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            assert_plain(item, sql);
        }
        DataType::Struct(fields) => fields.iter().for_each(|field| assert_plain(field, sql)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_larger_than_clients_take_and_a_row_that_is_can_be_had() {
    let server = Server::start("");
    let mut client = server.client().await;
    let wide: Vec<_> = (0..300).map(|n| format!("value * {n} AS c{n}")).collect();
    for (sql, rows) in [
        ("SELECT repeat('x', 1000000) AS text FROM generate_series(1, 21)".to_string(), 21),
        (format!("SELECT {} FROM generate_series(1, 5000)", wide.join(", ")), 5_000),
        ("SELECT value, repeat('y', 200) AS text FROM generate_series(1, 60000)".into(), 60_000),
        ("SELECT value, array_repeat(value, 500) AS list FROM generate_series(1, 5000)".into(), 5_000),
        ("SELECT named_struct('a', repeat('z', 3000)) AS s, MAP {'k': repeat('w', 1000)} AS m FROM generate_series(1, 5000)".into(), 5_000),
        ("SELECT arrow_cast(repeat('v', 2000), 'Utf8View') AS view FROM generate_series(1, 9000)".into(), 9_000),
        ("SELECT value % 2 = 0 AS flag, NULL AS nothing FROM generate_series(1, 100000)".into(), 100_000),
    ] {
        // The client itself refuses larger messages.
        let table = client.query(&sql).await.unwrap_or_else(|status| panic!("{sql}: {status}"));
        assert_eq!(table.rows(), rows, "{sql}");
        assert!(table.largest_message < MESSAGE_LIMIT, "{sql}: {}", table.largest_message);
    }
    let one_row = "SELECT repeat('x', 5000000) AS text";
    let mut patient = Client {
        calls: client.calls.clone().max_decoding_message_size(64 << 20),
    };
    assert_eq!(patient.query(one_row).await.unwrap().rows(), 1);
    refused(client.query(one_row).await, Code::OutOfRange, &["limit"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_gives_the_same_rows_though_the_table_changed_in_between() {
    let server = Server::start("");
    let mut client = server.client().await;
    prepare(&mut client).await;
    for sql in [
        "SELECT id FROM t ORDER BY id",
        "SELECT id FROM v ORDER BY id",
        "SELECT id FROM (SELECT * FROM t WHERE id IN (SELECT id FROM t)) ORDER BY id",
    ] {
        let before = client.query(sql).await.unwrap();
        let info = client.describe(sql).await.unwrap();
        for change in [
            "INSERT INTO t VALUES (9, 'new', 9)",
            "DELETE FROM t WHERE id = 1",
        ] {
            client.query(change).await.unwrap();
            let fetched = client.fetch(ticket(&info)).await.unwrap().table().await;
            assert_eq!(
                fetched.unwrap().batches,
                before.batches,
                "{sql} after {change}"
            );
        }
        let now = client.query(sql).await.unwrap();
        assert_ne!(now.batches, before.batches);
        client
            .query("RESTORE TABLE t TO VERSION AS OF 1")
            .await
            .unwrap();
    }
    // The table itself is gone: an honest error, and the next one answers.
    let info = client.describe("SELECT * FROM u").await.unwrap();
    client.query("DROP TABLE u").await.unwrap();
    let gone = match client.fetch(ticket(&info)).await {
        Ok(reading) => reading.table().await,
        Err(status) => Err(status),
    };
    let code = gone.unwrap_err().code();
    assert!(
        matches!(code, Code::InvalidArgument | Code::NotFound),
        "{code:?}"
    );
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changes_ticket_that_is_fetched_twice_changes_once() {
    let server = Server::start("");
    let mut client = server.client().await;
    prepare(&mut client).await;
    let info = client
        .describe("INSERT INTO u VALUES (7, 'seven')")
        .await
        .unwrap();
    // Asking changes nothing yet.
    assert_eq!(client.value("SELECT count(*) FROM u").await, "2");
    for _ in 0..3 {
        let answer = client
            .fetch(ticket(&info))
            .await
            .unwrap()
            .table()
            .await
            .unwrap();
        assert_eq!(answer.value(), "1");
        assert_eq!(client.value("SELECT count(*) FROM u").await, "3");
    }
    // One that failed may be sent again.
    let info = client.describe("INSERT INTO w VALUES (1)").await.unwrap();
    let first = client.fetch(ticket(&info)).await;
    assert!(first.is_err());
    client.query("CREATE TABLE w (id BIGINT)").await.unwrap();
    client
        .fetch(ticket(&info))
        .await
        .unwrap()
        .table()
        .await
        .unwrap();
    assert_eq!(client.value("SELECT count(*) FROM w").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_flights_are_the_tables_and_each_can_be_fetched() {
    use futures::TryStreamExt as _;
    let server = Server::start("");
    let mut client = server.client().await;
    prepare(&mut client).await;
    let everything = arrow_flight::Criteria::default();
    let flights = client.calls.list_flights(everything).await.unwrap();
    let flights: Vec<_> = flights.into_inner().try_collect().await.unwrap();
    assert!(flights.len() > 10, "{}", flights.len());
    for info in flights {
        let announced: Schema = columns(&info.schema);
        let table = client
            .fetch(ticket(&info))
            .await
            .unwrap()
            .table()
            .await
            .unwrap();
        assert_eq!(*table.schema, announced);
    }
}
