//! Prepared statements: parameters are told with their types, bound exactly, and never read as SQL.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, Schema, TimeUnit, i256};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate, ProstMessageExt as _,
};
use bytes::Bytes;
use prost::Message as _;
use tests::flight::{Client, columns, count, refused, ticket};
use tests::server::Server;
use tonic::{Code, Status};

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

async fn update(client: &mut Client, handle: &Bytes, rows: &RecordBatch) -> Result<i64, Status> {
    let command = CommandPreparedStatementUpdate {
        prepared_statement_handle: handle.clone(),
    };
    let batches = futures::stream::iter([rows.clone()]);
    let answer = client.put(&command, rows.schema(), batches).await?;
    Ok(count(&answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_are_told_with_the_types_that_planning_finds() {
    let server = Server::start("");
    let mut client = server.client().await;
    client
        .query("CREATE TABLE t (id BIGINT NOT NULL, name STRING, at DATE)")
        .await
        .unwrap();
    for (sql, expected) in [
        (
            "SELECT id FROM t WHERE id = ? AND name LIKE ?",
            vec![("$1", DataType::Int64), ("$2", DataType::Utf8)],
        ),
        (
            "SELECT id FROM t WHERE at > $2 AND id = $1",
            vec![("$1", DataType::Int64), ("$2", DataType::Date32)],
        ),
        (
            "INSERT INTO t VALUES (?, ?, ?)",
            vec![
                ("$1", DataType::Int64),
                ("$2", DataType::Utf8),
                ("$3", DataType::Date32),
            ],
        ),
        (
            "UPDATE t SET name = ? WHERE id = ?",
            vec![("$1", DataType::Utf8), ("$2", DataType::Int64)],
        ),
        ("DELETE FROM t WHERE id = ?", vec![("$1", DataType::Int64)]),
        ("SELECT 1", vec![]),
    ] {
        let prepared = client
            .prepare(sql)
            .await
            .unwrap_or_else(|status| panic!("{sql}: {status}"));
        let told = columns(&prepared.parameter_schema);
        let told: Vec<_> = told
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field.data_type().clone()))
            .collect();
        assert_eq!(told, expected, "{sql}");
        let is_query = sql.starts_with("SELECT");
        let dataset = columns(&prepared.dataset_schema);
        assert_eq!(!dataset.fields().is_empty(), is_query, "{sql}");
    }
    let error = refused(
        client.prepare("SELECT nme FROM t").await,
        Code::InvalidArgument,
        &["nme"],
    );
    assert!(error.message().contains("name"), "{error}");
    refused(
        client.prepare("SELECT 1; SELECT 2").await,
        Code::InvalidArgument,
        &["one by one"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_of_parameters_are_one_commit_of_an_insert_and_many_answers_of_a_query() {
    let server = Server::start("");
    let mut client = server.client().await;
    client
        .query("CREATE TABLE t (id BIGINT NOT NULL, name STRING)")
        .await
        .unwrap();
    let insert = client.prepare("INSERT INTO t VALUES (?, ?)").await.unwrap();
    let names: StringArray = (0..500)
        .map(|n| (n % 7 > 0).then(|| format!("n{n}")))
        .collect();
    let many = rows(vec![
        (
            "1",
            Arc::new(Int64Array::from_iter_values(0..500)) as ArrayRef,
        ),
        ("2", Arc::new(names) as ArrayRef),
    ]);
    let handle = insert.prepared_statement_handle;
    assert_eq!(update(&mut client, &handle, &many).await.unwrap(), 500);
    assert_eq!(client.value("SELECT count(name) FROM t").await, "428");
    // The one that created it, and the one that wrote the rows.
    assert_eq!(client.query("DESCRIBE HISTORY t").await.unwrap().rows(), 2);
    // None of a batch is written where one does not fit.
    let bad = rows(vec![
        (
            "1",
            Arc::new(Int64Array::from(vec![Some(1_000), None])) as ArrayRef,
        ),
        ("2", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
    ]);
    let error = update(&mut client, &handle, &bad).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert_eq!(client.value("SELECT count(*) FROM t").await, "500");

    let select = client
        .prepare("SELECT name FROM t WHERE id = ?")
        .await
        .unwrap();
    let three = rows(vec![(
        "1",
        Arc::new(Int64Array::from(vec![5, 999, 3])) as ArrayRef,
    )]);
    let answer = client
        .execute(&select.prepared_statement_handle, &three)
        .await
        .unwrap();
    assert_eq!(answer.texts("name"), ["n5", "n3"]);
    // Once more with others: the last ones bound count.
    let one = rows(vec![("1", Arc::new(Int32Array::from(vec![8])) as ArrayRef)]);
    let answer = client
        .execute(&select.prepared_statement_handle, &one)
        .await
        .unwrap();
    assert_eq!(answer.texts("name"), ["n8"]);
    // Fewer values than parameters.
    let error = update(&mut client, &handle, &one).await;
    refused(error, Code::InvalidArgument, &["$2", "no value"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_that_is_closed_or_made_up_is_not_found() {
    let server = Server::start("");
    let mut client = server.client().await;
    let prepared = client.prepare("SELECT 1").await.unwrap();
    let handle = prepared.prepared_statement_handle;
    let command = |handle: &Bytes| CommandPreparedStatementQuery {
        prepared_statement_handle: handle.clone(),
    };
    assert_eq!(client.ask(&command(&handle)).await.unwrap().rows(), 1);
    let close = ActionClosePreparedStatementRequest {
        prepared_statement_handle: handle.clone(),
    };
    let body = close.as_any().encode_to_vec();
    client
        .act("ClosePreparedStatement", body.clone())
        .await
        .unwrap();
    refused(
        client.act("ClosePreparedStatement", body).await,
        Code::NotFound,
        &["prepare it again"],
    );
    for wrong in [
        handle,
        Bytes::new(),
        Bytes::from(vec![7; 16]),
        Bytes::from(vec![0xff; 100_000]),
    ] {
        refused(
            client.ask(&command(&wrong)).await,
            Code::NotFound,
            &["prepared statement"],
        );
        let some = rows(vec![("1", Arc::new(Int32Array::from(vec![8])) as ArrayRef)]);
        let error = update(&mut client, &wrong, &some).await;
        refused(error, Code::NotFound, &["prepared statement"]);
    }
}

/// One column of each type that can be bound, with its edges and a NULL.
fn bindable() -> Vec<ArrayRef> {
    let micros = |zone: Option<&str>| {
        let times =
            TimestampMicrosecondArray::from(vec![Some(1_709_201_472_123_456), Some(-1), None]);
        Arc::new(times.with_timezone_opt(zone)) as ArrayRef
    };
    let words: DictionaryArray<Int8Type> =
        vec![Some("a"), None, Some("it's")].into_iter().collect();
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a"), None, Some("b'); DROP TABLE t; --")]);
    lists.append_value([Some("")]);
    lists.append_null();
    vec![
        Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None])),
        Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None])),
        Arc::new(Int64Array::from(vec![
            Some(i64::MIN),
            Some(i64::MAX),
            Some(0),
            Some(-1),
            None,
        ])),
        Arc::new(UInt8Array::from(vec![Some(0), Some(u8::MAX), None])),
        Arc::new(UInt16Array::from(vec![Some(0), Some(u16::MAX), None])),
        Arc::new(UInt32Array::from(vec![Some(0), Some(u32::MAX), None])),
        Arc::new(UInt64Array::from(vec![Some(0), Some(u64::MAX), None])),
        Arc::new(Float32Array::from(vec![
            0.1,
            -0.0,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::NAN,
            f32::NEG_INFINITY,
        ])),
        Arc::new(Float64Array::from(vec![
            0.1,
            -0.0,
            1e-300,
            5e-324,
            f64::MAX,
            f64::MIN,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.1 + 0.2,
            1e16,
        ])),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(
            Decimal128Array::from(vec![Some(12_345), Some(-1), Some(0), None])
                .with_precision_and_scale(10, 3)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from(vec![Some(10_i128.pow(38) - 1), Some(1 - 10_i128.pow(38))])
                .with_precision_and_scale(38, 0)
                .unwrap(),
        ),
        Arc::new(
            Decimal256Array::from(vec![Some(i256::from(123_456_789_i64)), None])
                .with_precision_and_scale(50, 5)
                .unwrap(),
        ),
        Arc::new(Date32Array::from(vec![
            Some(0),
            Some(-719_528),
            Some(19_782),
            Some(2_932_896),
            None,
        ])),
        Arc::new(Date64Array::from(vec![Some(0), Some(86_400_000), None])),
        Arc::new(Time32SecondArray::from(vec![Some(0), Some(86_399), None])),
        Arc::new(Time32MillisecondArray::from(vec![Some(86_399_999), None])),
        Arc::new(Time64MicrosecondArray::from(vec![
            Some(1),
            Some(86_399_999_999),
            None,
        ])),
        Arc::new(Time64NanosecondArray::from(vec![
            Some(1),
            Some(86_399_999_999_999),
            None,
        ])),
        Arc::new(TimestampSecondArray::from(vec![
            Some(0),
            Some(-62_135_596_800),
            None,
        ])),
        Arc::new(TimestampMillisecondArray::from(vec![
            Some(1),
            Some(-1),
            None,
        ])),
        micros(None),
        micros(Some("UTC")),
        micros(Some("+05:30")),
        Arc::new(TimestampNanosecondArray::from(vec![
            Some(1),
            Some(-1),
            Some(1_709_201_472_123_456_789),
            None,
        ])),
        Arc::new(StringArray::from(vec![
            Some("plain"),
            Some(""),
            Some("it's \"quoted\" \\n \\' $1 ? -- /* */ ;"),
            Some("naïve 抗体 🧬 e\u{301}"),
            Some("two\nlines\ttab\0zero"),
            None,
        ])),
        Arc::new(LargeStringArray::from(vec![Some("l'arge"), None])),
        Arc::new(StringViewArray::from(vec![
            Some("a view of more than twelve bytes"),
            None,
        ])),
        Arc::new(BinaryArray::from_opt_vec(vec![
            Some(b"\x00\xff'"),
            Some(b""),
            None,
        ])),
        Arc::new(LargeBinaryArray::from_opt_vec(vec![
            Some(b"\x00\xff"),
            None,
        ])),
        Arc::new(words),
        Arc::new(lists.finish()),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None, Some(i32::MIN)]),
            Some(vec![Some(7)]),
            None,
        ])),
        Arc::new(NullArray::new(2)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_type_come_back_exactly_as_they_were_bound() {
    let server = Server::start("");
    let mut client = server.client().await;
    let echo = client
        .prepare("SELECT $1 AS value")
        .await
        .unwrap()
        .prepared_statement_handle;
    let mut wrong = Vec::new();
    for column in bindable() {
        for at in 0..column.len() {
            let given = column.slice(at, 1);
            let shown = format!("{} {given:?}", column.data_type());
            let answer = match client
                .execute(&echo, &rows(vec![("1", Arc::clone(&given))]))
                .await
            {
                Ok(answer) => answer,
                Err(status) => {
                    wrong.push(format!("{shown}: {status}"));
                    continue;
                }
            };
            let back = answer
                .batches
                .iter()
                .find(|batch| batch.num_rows() == 1)
                .unwrap()
                .column(0);
            let plain = match column.data_type() {
                DataType::Dictionary(_, values) => values.as_ref().clone(),
                DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
                DataType::LargeBinary => DataType::Binary,
                other => other.clone(),
            };
            let expected = cast(&given, &plain).unwrap();
            let same = match given.is_null(0) || *given.data_type() == DataType::Null {
                true => back.is_null(0) || *back.data_type() == DataType::Null,
                // Items of a literal list have the type that SQL gives them: the values count.
                false if matches!(plain, DataType::List(_)) => {
                    cast(back, &plain).is_ok_and(|back| back.to_data() == expected.to_data())
                }
                false => same_bits(back, &expected),
            };
            if !same {
                wrong.push(format!(
                    "{shown} came back as {} {back:?}",
                    back.data_type()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What has no text is refused by name.
    let span: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("a", DataType::Int32, true)),
        Arc::new(Int32Array::from(vec![1])) as ArrayRef,
    )]));
    let error = client.execute(&echo, &rows(vec![("1", span)])).await;
    refused(error, Code::Unimplemented, &["parameter $1", "struct"]);
}

/// Equality that tells -0 from 0 and knows NaN.
fn same_bits(left: &ArrayRef, right: &ArrayRef) -> bool {
    if left.data_type() != right.data_type() {
        return false;
    }
    match left.data_type() {
        DataType::Float32 => {
            let bits = |array: &ArrayRef| {
                array
                    .as_primitive::<arrow::datatypes::Float32Type>()
                    .value(0)
                    .to_bits()
            };
            bits(left) == bits(right)
        }
        DataType::Float64 => {
            let bits = |array: &ArrayRef| {
                array
                    .as_primitive::<arrow::datatypes::Float64Type>()
                    .value(0)
                    .to_bits()
            };
            bits(left) == bits(right)
        }
        _ => left.to_data() == right.to_data(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_looks_like_sql_stays_a_value() {
    let server = Server::start("");
    let mut client = server.client().await;
    client
        .query("CREATE TABLE t (id BIGINT NOT NULL, name STRING)")
        .await
        .unwrap();
    client
        .query("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        .await
        .unwrap();
    let attempts = [
        "a' OR '1'='1",
        "'; DROP TABLE t; --",
        "\\'; DROP TABLE t; --",
        "x' UNION SELECT name FROM t --",
        "$$; DROP TABLE t; $$",
        "a\0' OR 1=1 --",
        "E'\\x27 OR 1=1",
        "/* */ ' || (SELECT max(name) FROM t) || '",
        "%",
    ];
    let given = StringArray::from(attempts.to_vec());
    let parameters = rows(vec![("1", Arc::new(given) as ArrayRef)]);
    let select = client
        .prepare("SELECT id FROM t WHERE name = ?")
        .await
        .unwrap();
    let found = client
        .execute(&select.prepared_statement_handle, &parameters)
        .await
        .unwrap();
    assert_eq!(found.rows(), 0);
    let delete = client
        .prepare("DELETE FROM t WHERE name = ?")
        .await
        .unwrap();
    let deleted = update(&mut client, &delete.prepared_statement_handle, &parameters).await;
    assert_eq!(deleted.unwrap(), 0);
    let insert = client.prepare("INSERT INTO t VALUES (3, ?)").await.unwrap();
    let inserted = update(&mut client, &insert.prepared_statement_handle, &parameters).await;
    assert_eq!(inserted.unwrap(), attempts.len() as i64);
    let kept = client
        .query("SELECT name FROM t WHERE id = 3")
        .await
        .unwrap();
    let (mut kept, mut expected) = (kept.texts("name"), attempts.map(String::from).to_vec());
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
    // Names of parameters are no way in either.
    let odd = Schema::new(vec![Field::new(
        "1); DROP TABLE t; --",
        DataType::Timestamp(TimeUnit::Second, Some("x'); DROP TABLE t; --".into())),
        true,
    )]);
    let value: ArrayRef =
        Arc::new(TimestampSecondArray::from(vec![1]).with_timezone("x'); DROP TABLE t; --"));
    let odd = RecordBatch::try_new(Arc::new(odd), vec![value]).unwrap();
    assert!(
        client
            .execute(&select.prepared_statement_handle, &odd)
            .await
            .is_err()
    );
    assert_eq!(
        client.value("SELECT count(*) FROM t").await,
        (2 + attempts.len()).to_string()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_failed_half_way_is_not_begun_again_with_the_same_ticket() {
    let server = Server::start("");
    let mut client = server.client().await;
    client
        .query("CREATE TABLE t AS SELECT 1 AS n")
        .await
        .unwrap();
    let sql = "UPDATE t SET n = n + CAST($1 AS BIGINT)";
    let prepared = client.prepare(sql).await.unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["10", "no number"]));
    let rows = rows(vec![("$1", texts)]);
    let command = CommandPreparedStatementQuery {
        prepared_statement_handle: prepared.prepared_statement_handle,
    };
    let batches = futures::stream::iter([rows.clone()]);
    client.put(&command, rows.schema(), batches).await.unwrap();
    let info = client.info(&command).await.unwrap();
    assert!(client.fetch(ticket(&info)).await.is_err());
    assert_eq!(client.value("SELECT n FROM t").await, "11");
    let again = client.fetch(ticket(&info)).await;
    refused(again.map(|_| ()), Code::Aborted, &["DESCRIBE HISTORY"]);
    assert_eq!(client.value("SELECT n FROM t").await, "11");
}
