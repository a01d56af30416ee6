//! Clients that mean harm, or are broken: each gets a status with a reason, and the server answers the next one.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, FlightEndpoint, RenewFlightEndpointRequest, Ticket,
};
use bytes::Bytes;
use futures::StreamExt as _;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::flight::{Client, descriptor, refused, statement, ticket};
use tests::server::Server;
use tonic::{Code, Status};

async fn fetched(client: &mut Client, ticket: Ticket) -> Result<usize, Status> {
    let reading = client.fetch(ticket).await?;
    Ok(reading.table().await?.rows())
}

/// A new client is answered as if nothing had happened.
async fn assert_answers(server: &Server) {
    let answered = async {
        let mut client = server.client().await;
        client.value("SELECT 40 + 2").await
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), answered).await;
    assert_eq!(answer.expect("an answer"), "42", "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_that_are_forged_cut_foreign_or_expired_are_refused() {
    let server = Server::start("[server.limits]\nticket_lifetime_s = 8\n");
    let foreign = Server::start("");
    let mut client = server.client().await;
    let info = client.describe("SELECT 1 AS one").await.unwrap();
    let good = ticket(&info).ticket;
    assert_eq!(
        fetched(
            &mut client,
            Ticket {
                ticket: good.clone()
            }
        )
        .await
        .unwrap(),
        1
    );
    let mut bad = vec![
        Bytes::new(),
        Bytes::from_static(b"SELECT 1"),
        Bytes::from(vec![0; 1_000_000]),
    ];
    for cut in [1, 10, 32, good.len() / 2] {
        bad.push(good.slice(..good.len() - cut));
        bad.push(good.slice(cut..));
    }
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..50 {
        let mut damaged = good.to_vec();
        let at = random.random_range(0..damaged.len());
        damaged[at] ^= 1 << random.random_range(0..8);
        bad.push(damaged.into());
    }
    let mut longer = good.to_vec();
    longer.extend_from_slice(b"more");
    bad.push(longer.into());
    let elsewhere = foreign
        .client()
        .await
        .describe("SELECT 1 AS one")
        .await
        .unwrap();
    bad.push(ticket(&elsewhere).ticket);
    for ticket in bad {
        let error = fetched(&mut client, Ticket { ticket }).await;
        refused(
            error,
            Code::InvalidArgument,
            &["not from this server", "GetFlightInfo"],
        );
    }
    // A renewed one lives longer than the one that it stands for.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let renew = RenewFlightEndpointRequest {
        endpoint: Some(info.endpoint[0].clone()),
    };
    let renewed = client
        .act("RenewFlightEndpoint", renew.encode_to_vec())
        .await
        .unwrap();
    let renewed = FlightEndpoint::decode(renewed).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let error = fetched(&mut client, Ticket { ticket: good }).await;
    refused(error, Code::NotFound, &["expired", "GetFlightInfo"]);
    assert_eq!(
        fetched(&mut client, renewed.ticket.unwrap()).await.unwrap(),
        1
    );
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let error = client
        .act("RenewFlightEndpoint", renew.encode_to_vec())
        .await;
    refused(error, Code::NotFound, &["expired"]);
    assert_answers(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_too_large_or_make_no_sense_are_refused() {
    let server = Server::start("[server.limits]\nmessage_bytes = 1000000\n");
    let mut client = server.client().await;
    let text = StringArray::from(vec!["x".repeat(3_000_000)]);
    let large = RecordBatch::try_from_iter([("text", Arc::new(text) as ArrayRef)]).unwrap();
    let command = CommandStatementIngest {
        table: "t".into(),
        ..Default::default()
    };
    let rows = futures::stream::iter([large.clone()]);
    assert!(client.put(&command, large.schema(), rows).await.is_err());
    let long = format!("SELECT '{}'", "x".repeat(2_000_000));
    refused(client.describe(&long).await, Code::OutOfRange, &["limit"]);
    let mut random = StdRng::seed_from_u64(6);
    for length in [0, 1, 2, 7, 30, 500, 20_000] {
        let mut junk = vec![0_u8; length];
        random.fill(&mut junk[..]);
        let asked = client
            .calls
            .get_flight_info(FlightDescriptor::new_cmd(junk.clone()))
            .await;
        refused(asked, Code::InvalidArgument, &["command"]);
        let put = FlightData {
            flight_descriptor: Some(FlightDescriptor::new_cmd(junk.clone())),
            data_header: junk.clone().into(),
            ..FlightData::default()
        };
        assert!(client.send(futures::stream::iter([put])).await.is_err());
        for action in [
            "CreatePreparedStatement",
            "CancelQuery",
            "CancelFlightInfo",
            "RenewFlightEndpoint",
            "SetSessionOptions",
        ] {
            // Nothing and a little junk may be a message of defaults, with fields that nobody knows.
            if length > 30 {
                assert!(
                    client
                        .calls
                        .do_action(Action::new(action, junk.clone()))
                        .await
                        .is_err(),
                    "{action} {length}"
                );
            }
        }
        // Rows of a prepared statement that are no rows.
        let update = arrow_flight::sql::CommandPreparedStatementUpdate {
            prepared_statement_handle: client
                .prepare("SELECT 1")
                .await
                .unwrap()
                .prepared_statement_handle,
        };
        let put = FlightData {
            flight_descriptor: Some(descriptor(&update)),
            data_header: junk.clone().into(),
            data_body: junk.into(),
            ..FlightData::default()
        };
        if length > 0 {
            assert!(client.send(futures::stream::iter([put])).await.is_err());
        }
    }
    refused(
        client.act("Nonsense", vec![]).await,
        Code::Unimplemented,
        &["CancelFlightInfo"],
    );
    refused(
        client.act("BeginTransaction", vec![]).await,
        Code::Unimplemented,
        &["autocommit"],
    );
    let path = FlightDescriptor::new_path(vec!["etc".into(), "passwd".into()]);
    refused(
        client.calls.get_flight_info(path).await,
        Code::InvalidArgument,
        &["path"],
    );
    let nothing = client.send(futures::stream::empty()).await;
    refused(nothing, Code::InvalidArgument, &["nothing"]);
    assert_answers(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_hold_up_nobody() {
    let server = Server::start("");
    let mut open = Vec::new();
    for nth in 0..100 {
        let mut silent = TcpStream::connect(server.flight()).unwrap();
        match nth % 3 {
            0 => {}
            1 => silent
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .unwrap(),
            _ => silent.write_all(b"GET / HTTP/1.1\r\n").unwrap(),
        }
        open.push(silent);
    }
    assert_answers(&server).await;
    // Rows that never end, a descriptor without rows, and a stream without a word.
    let client = server.client().await;
    let ingest = CommandStatementIngest {
        table: "t".into(),
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create.into(),
            if_exists: TableExistsOption::Append.into(),
        }),
        ..Default::default()
    };
    let first = FlightData {
        flight_descriptor: Some(descriptor(&ingest)),
        ..FlightData::default()
    };
    let mut puts = Vec::new();
    for nth in 0..20 {
        let begun: Vec<_> = (nth % 2 == 0).then(|| first.clone()).into_iter().collect();
        let endless = futures::stream::iter(begun).chain(futures::stream::pending());
        let mut client = client.clone();
        puts.push(tokio::spawn(async move { client.send(endless).await }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_answers(&server).await;
    assert_eq!(server.get("/healthz").unwrap().0, 200);
    for (nth, put) in puts.iter().enumerate() {
        // A descriptor that no schema comes with may be refused at once; who says nothing is waited for.
        assert!(nth % 2 == 0 || !put.is_finished());
        put.abort();
    }
    drop(open);
    assert_answers(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_networks_and_settings_of_the_server_are_out_of_reach() {
    let server = Server::start("");
    let mut client = server.client().await;
    client.query("CREATE TABLE t (id BIGINT)").await.unwrap();
    let lake = server.paratope().lake().to_string();
    let outside = server.folder().join("out.csv");
    let outside = outside.to_str().unwrap();
    let statements = [
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'".to_string(),
        "CREATE EXTERNAL TABLE x (line STRING) STORED AS CSV LOCATION 'file:///etc/passwd'".into(),
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/etc/../etc/'".into(),
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 's3://bucket/key' OPTIONS ('aws.endpoint' 'http://169.254.169.254', 'aws.allow_http' 'true', 'aws.region' 'x')".into(),
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 's3://169.254.169.254/latest'".into(),
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 'http://169.254.169.254/latest/meta-data'".into(),
        "CREATE EXTERNAL TABLE x STORED AS DELTA LOCATION '/etc'".into(),
        "SELECT * FROM '/etc/passwd'".into(),
        "SELECT * FROM '/proc/self/environ'".into(),
        "SELECT * FROM 'http://127.0.0.1:22/x.csv'".into(),
        "SELECT * FROM read_fasta('/etc/passwd')".into(),
        "SELECT * FROM read_table('s3://bucket/x.parquet')".into(),
        "COPY INTO chains FROM '/etc/passwd'".into(),
        format!("SELECT * FROM '{lake}/_paratope/lake.json'"),
        format!("COPY t TO '{outside}'"),
        format!("COPY (SELECT 1 AS a) TO '{outside}' STORED AS CSV"),
        format!("COPY t TO '{lake}/main/x.csv'"),
        "COPY t TO 's3://bucket/x.csv'".into(),
        "SET datafusion.runtime.memory_limit = '100G'".into(),
        "SET datafusion.runtime.temp_directory = '/etc'".into(),
        "RESET datafusion.runtime.memory_limit".into(),
    ];
    for sql in &statements {
        let error = client.query(sql).await;
        let Err(status) = error else {
            panic!("{sql} was carried out");
        };
        assert_eq!(status.code(), Code::PermissionDenied, "{sql}: {status}");
        let message = status.message();
        assert!(!message.contains("root:"), "{sql}: {message}");
        assert!(
            message.contains("[access]") || message.contains("[query]") || message.contains("lake"),
            "{sql}: {message}"
        );
        // A prepared one is the same one.
        assert!(
            client.prepare(sql).await.is_err() || client.update(sql).await.is_err(),
            "{sql}"
        );
    }
    assert!(!std::path::Path::new(outside).exists());
    // What is there and what is not look the same.
    let said = async |client: &mut Client, path: &str| {
        let error = client
            .query(&format!("SELECT * FROM '{path}'"))
            .await
            .unwrap_err();
        error
            .message()
            .replace(path, "X")
            .lines()
            .next()
            .map(str::to_string)
    };
    let there = said(&mut client, "/etc/passwd").await;
    assert_eq!(there, said(&mut client, "/etc/no-such").await);
    assert_answers(&server).await;
}

fn nest(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!(
        "SELECT {}{inner}{}",
        open.repeat(times),
        close.repeat(times)
    )
}

fn chain(one: &str, between: &str, times: usize) -> String {
    vec![one; times].join(between)
}

/// Statements that outgrow a stack where nobody counts how deep they go.
fn too_deep() -> Vec<String> {
    let lists = "ARRAY<".repeat(5_000);
    let with = chain("c AS (SELECT a FROM c)", ", ", 5_000);
    vec![
        format!("SELECT {}", chain("1", " + ", 10_000)),
        format!(
            "SELECT {} FROM generate_series(1, 3)",
            chain("value", " * ", 10_000)
        ),
        format!(
            "SELECT 1 FROM generate_series(1, 3) WHERE {}",
            chain("value = 7", " OR ", 10_000)
        ),
        format!(
            "SELECT 1 FROM generate_series(1, 3) WHERE {}",
            chain("value > 0", " AND ", 10_000)
        ),
        format!("SELECT {}", chain("'a'", " || ", 10_000)),
        format!("SELECT {}", chain("1", "+", 200_000)),
        format!("SELECT 1{}", "::INT".repeat(10_000)),
        format!("SELECT 1{}", " IS NULL".repeat(10_000)),
        nest("(", "1", ")", 10_000),
        nest("- ", "1", "", 10_000),
        nest("abs(", "1", ")", 10_000),
        nest("[", "1", "]", 10_000),
        nest("CAST(", "1", " AS BIGINT)", 10_000),
        nest("(SELECT ", "1", ")", 10_000),
        format!(
            "{}SELECT 1 AS a{}",
            "SELECT a FROM (".repeat(10_000),
            ")".repeat(10_000)
        ),
        chain("SELECT 1 AS a", " UNION ALL ", 10_000),
        format!("SELECT 1 FROM {}", chain("t", ", ", 10_000)),
        format!("SELECT 1 FROM t {}", "CROSS JOIN t ".repeat(10_000)),
        format!("WITH {with} SELECT * FROM c"),
        format!("{}SELECT 1", "EXPLAIN ".repeat(5_000)),
        format!(
            "CREATE VIEW deep AS SELECT {} AS a",
            chain("1", " + ", 10_000)
        ),
        format!("PREPARE p AS SELECT {}", chain("1", " + ", 10_000)),
        format!("CREATE TABLE deep (a {lists}INT{})", ">".repeat(5_000)),
        format!("UPDATE t SET id = {}", chain("1", " + ", 10_000)),
        format!("DELETE FROM t WHERE {}", chain("id = 1", " OR ", 10_000)),
        format!("SELECT {}", "(".repeat(100_000)),
    ]
}

/// Statements that are long and not deep, or as deep as people's tools make them.
fn long() -> Vec<String> {
    let numbers: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
    let columns: Vec<_> = (0..1_000).map(|n| format!("value + {n} AS c{n}")).collect();
    vec![
        format!(
            "SELECT count(*) FROM generate_series(1, 3) WHERE value IN ({})",
            numbers.join(", ")
        ),
        format!("SELECT {} FROM generate_series(1, 3)", columns.join(", ")),
        format!(
            "SELECT count(*) FROM generate_series(1, 3) WHERE {}",
            chain("value = 7", " OR ", 200)
        ),
        format!("SELECT {} AS n", chain("1", " + ", 100)),
        chain("SELECT 1 AS a", " UNION ALL ", 20),
        format!("INSERT INTO t VALUES {}", chain("(1)", ", ", 3_000)),
        format!("SELECT length('{}') AS n", "\\''".repeat(100_000)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_ten_thousand_terms_or_levels_is_refused_and_long_lists_are_answered() {
    let mut server = Server::start("");
    let mut client = server.client().await;
    client.query("CREATE TABLE t (id BIGINT)").await.unwrap();
    for sql in too_deep() {
        let shown: String = sql.chars().take(60).collect();
        let (asked, prepared) = (client.query(&sql).await, client.prepare(&sql).await);
        assert!(
            server.is_up(),
            "{shown} killed the server: {}",
            server.log()
        );
        for refusal in [asked.map(|_| ()), prepared.map(|_| ())] {
            let status = refusal.expect_err(&shown);
            assert_eq!(status.code(), Code::InvalidArgument, "{shown}: {status}");
            assert!(
                status.message().contains("nested too deeply"),
                "{shown}: {status}"
            );
        }
        let update = client.update(&sql).await;
        assert_eq!(update.expect_err(&shown).code(), Code::InvalidArgument);
    }
    for odd in [
        nest("NOT ", "true", "", 10_000),
        nest("CASE WHEN true THEN ", "1", " ELSE 0 END", 3_000),
        "/*".repeat(50_000),
        format!("SELECT '{}", "\\'".repeat(100_000)),
    ] {
        let error = client.query(&odd).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
    for sql in long() {
        let shown: String = sql.chars().take(60).collect();
        let answer = client.query(&sql).await;
        assert!(answer.is_ok(), "{shown}: {}", answer.unwrap_err());
    }
    assert_answers(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_more_memory_than_there_is_spills_or_fails_alone() {
    let server = Server::start("[query]\nmemory_bytes = 268435456\n");
    let (mut client, mut other) = (server.client().await, server.client().await);
    let side = "(SELECT value, repeat('x', 500) AS text FROM generate_series(1, 1000000))";
    // One side of a cross join is held in memory as a whole.
    let joined = format!("SELECT a.text AS a, b.text AS b FROM {side} AS a CROSS JOIN {side} AS b");
    let join = tokio::spawn(async move { client.query(&joined).await.map(|_| ()) });
    // Others are served meanwhile.
    for _ in 0..5 {
        assert_eq!(
            other
                .value("SELECT count(*) FROM generate_series(1, 10000)")
                .await,
            "10000"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused(
        join.await.unwrap(),
        Code::ResourceExhausted,
        &["memory", "query.memory_bytes"],
    );
    // A sort goes to disk.
    let sorted = "SELECT value, text FROM (SELECT value, repeat('z', 200) AS text FROM generate_series(1, 600000)) ORDER BY value DESC";
    let mut reading = other.start(sorted).await.unwrap();
    let first = reading.next().await.unwrap().unwrap();
    assert_eq!(
        arrow::util::display::array_value_to_string(first.column(0), 0).unwrap(),
        "600000"
    );
    drop(reading);
    assert_answers(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_defect_or_a_division_by_zero_far_into_a_result_ends_with_a_status() {
    let server = Server::start("");
    let mut client = server.client().await;
    let sql = "SELECT 1 / (500000 - value) AS n FROM generate_series(1, 1000000)";
    let info = client.info(&statement(sql)).await.unwrap();
    let error = fetched(&mut client, ticket(&info)).await;
    refused(error, Code::InvalidArgument, &["zero"]);
    assert_answers(&server).await;
}
