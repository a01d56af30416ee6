//! What tools ask before they ask for rows: the specification's columns, patterns, and every code.

use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::{DataType, Field, Fields, Schema, UInt32Type, UnionFields, UnionMode};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, CommandGetXdbcTypeInfo, ProstMessageExt,
};
use tests::flight::{Client, Table, columns, ticket};
use tests::server::Server;

/// Asks, and asserts that what is announced is what comes.
async fn ask(client: &mut Client, command: &impl ProstMessageExt) -> Table {
    let info = client.info(command).await.unwrap();
    let table = client
        .fetch(ticket(&info))
        .await
        .unwrap()
        .table()
        .await
        .unwrap();
    assert_eq!(*table.schema, columns(&info.schema));
    table
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn int(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Int32, nullable)
}

fn flag(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Boolean, nullable)
}

/// Names, types and nullability as `FlightSql.proto` has them.
#[track_caller]
fn assert_columns(table: &Table, expected: Vec<Field>) {
    assert_eq!(table.schema.fields(), &Fields::from(expected));
}

fn keys() -> Vec<Field> {
    vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        int("key_sequence", false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_the_columns_of_the_specification() {
    let server = Server::start("");
    let mut client = server.client().await;
    let client = &mut client;
    let answer = ask(client, &CommandGetCatalogs {}).await;
    assert_columns(&answer, vec![text("catalog_name", false)]);
    assert_eq!(answer.rows(), 1);
    let answer = ask(client, &CommandGetDbSchemas::default()).await;
    let schemas = vec![text("catalog_name", true), text("db_schema_name", false)];
    assert_columns(&answer, schemas);
    let tables = || {
        vec![
            text("catalog_name", true),
            text("db_schema_name", true),
            text("table_name", false),
            text("table_type", false),
        ]
    };
    let answer = ask(client, &CommandGetTables::default()).await;
    assert_columns(&answer, tables());
    let with_columns = CommandGetTables {
        include_schema: true,
        ..Default::default()
    };
    let answer = ask(client, &with_columns).await;
    let mut expected = tables();
    expected.push(Field::new("table_schema", DataType::Binary, false));
    assert_columns(&answer, expected);
    let answer = ask(client, &CommandGetTableTypes {}).await;
    assert_columns(&answer, vec![text("table_type", false)]);
    let table = || "chains".to_string();
    let primary = CommandGetPrimaryKeys {
        table: table(),
        ..Default::default()
    };
    let answer = ask(client, &primary).await;
    let expected = vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        int("key_sequence", false),
        text("key_name", true),
    ];
    assert_columns(&answer, expected);
    assert_eq!(answer.rows(), 0);
    let exported = CommandGetExportedKeys {
        table: table(),
        ..Default::default()
    };
    let imported = CommandGetImportedKeys {
        table: table(),
        ..Default::default()
    };
    let cross = CommandGetCrossReference {
        pk_table: table(),
        fk_table: table(),
        ..Default::default()
    };
    for answer in [
        ask(client, &exported).await,
        ask(client, &imported).await,
        ask(client, &cross).await,
    ] {
        assert_columns(&answer, keys());
        assert_eq!(answer.rows(), 0);
    }
    let answer = ask(client, &CommandGetXdbcTypeInfo { data_type: None }).await;
    let parts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, false)));
    let expected = vec![
        text("type_name", false),
        int("data_type", false),
        int("column_size", true),
        text("literal_prefix", true),
        text("literal_suffix", true),
        Field::new("create_params", parts, true),
        int("nullable", false),
        flag("case_sensitive", false),
        int("searchable", false),
        flag("unsigned_attribute", true),
        flag("fixed_prec_scale", false),
        flag("auto_increment", true),
        text("local_type_name", true),
        int("minimum_scale", true),
        int("maximum_scale", true),
        int("sql_data_type", false),
        int("datetime_subcode", true),
        int("num_prec_radix", true),
        int("interval_precision", true),
    ];
    assert_columns(&answer, expected);
    assert!(answer.rows() >= 10);
    let varchar = CommandGetXdbcTypeInfo {
        data_type: Some(12),
    };
    assert_eq!(ask(client, &varchar).await.texts("type_name"), ["VARCHAR"]);
    let none = CommandGetXdbcTypeInfo {
        data_type: Some(4_711),
    };
    assert_eq!(ask(client, &none).await.rows(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_choose_schemas_and_tables_and_each_table_has_its_columns() {
    let server = Server::start("");
    let mut client = server.client().await;
    for sql in [
        "CREATE TABLE ab_c (id BIGINT NOT NULL, name STRING)",
        "CREATE TABLE abxc (id BIGINT)",
        "CREATE TABLE \"50%\" (id BIGINT)",
        "CREATE VIEW ab_view AS SELECT upper(name) AS name FROM ab_c",
    ] {
        client.query(sql).await.unwrap();
    }
    let client = &mut client;
    let named = |pattern: &str| CommandGetTables {
        db_schema_filter_pattern: Some("main".into()),
        table_name_filter_pattern: Some(pattern.into()),
        ..Default::default()
    };
    for (pattern, expected) in [
        ("ab_c", vec!["ab_c", "abxc"]),
        ("ab%", vec!["ab_c", "ab_view", "abxc"]),
        ("%view", vec!["ab_view"]),
        ("ab\\_c", vec!["ab_c"]),
        ("50\\%", vec!["50%"]),
        ("", vec![]),
        ("nothing", vec![]),
        ("chains", vec!["chains"]),
    ] {
        let mut found = ask(client, &named(pattern)).await.texts("table_name");
        found.sort();
        assert_eq!(found, expected, "{pattern}");
    }
    let all = ask(client, &CommandGetTables::default()).await;
    assert!(all.texts("db_schema_name").contains(&"system".to_string()));
    for (pattern, expected) in [
        ("m%", vec!["main"]),
        ("s_stem", vec!["system"]),
        ("x%", vec![]),
    ] {
        let get = CommandGetDbSchemas {
            catalog: None,
            db_schema_filter_pattern: Some(pattern.into()),
        };
        assert_eq!(ask(client, &get).await.texts("db_schema_name"), expected);
    }
    let elsewhere = CommandGetTables {
        catalog: Some("elsewhere".into()),
        ..Default::default()
    };
    assert_eq!(ask(client, &elsewhere).await.rows(), 0);
    // Types: what the server lists can be asked for.
    let kinds = ask(client, &CommandGetTableTypes {})
        .await
        .texts("table_type");
    let mut seen = 0;
    for kind in &kinds {
        let only = CommandGetTables {
            table_types: vec![kind.clone()],
            ..Default::default()
        };
        let found = ask(client, &only).await;
        assert!(found.texts("table_type").iter().all(|given| given == kind));
        seen += found.rows();
    }
    assert_eq!(seen, all.rows(), "{kinds:?}");
    // Columns are what a query of the table announces.
    let with_columns = CommandGetTables {
        include_schema: true,
        ..named("ab%")
    };
    let answer = ask(client, &with_columns).await;
    for batch in &answer.batches {
        let names = batch
            .column_by_name("table_name")
            .unwrap()
            .as_string::<i32>();
        let schemas = batch
            .column_by_name("table_schema")
            .unwrap()
            .as_binary::<i32>();
        for row in 0..batch.num_rows() {
            let listed = columns(&bytes::Bytes::copy_from_slice(schemas.value(row)));
            let sql = format!("SELECT * FROM {}", names.value(row));
            let info = client.describe(&sql).await.unwrap();
            let announced: Schema = columns(&info.schema);
            assert_eq!(listed.fields(), announced.fields(), "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_about_the_server_has_a_value_and_single_ones_can_be_asked_for() {
    let server = Server::start("");
    let mut client = server.client().await;
    let codes = |table: &Table| -> Vec<u32> {
        let mut codes = Vec::new();
        for batch in &table.batches {
            codes.extend_from_slice(batch.column(0).as_primitive::<UInt32Type>().values());
        }
        codes
    };
    let all = ask(&mut client, &CommandGetSqlInfo::default()).await;
    let list = |name: &str, data_type, nullable| {
        DataType::List(Arc::new(Field::new(name, data_type, nullable)))
    };
    assert_eq!(
        all.schema.field(0),
        &Field::new("info_name", DataType::UInt32, false)
    );
    let value = all.schema.field(1);
    assert_eq!(
        (value.name().as_str(), value.is_nullable()),
        ("value", false)
    );
    let DataType::Union(kinds, UnionMode::Dense) = value.data_type() else {
        panic!("{value}");
    };
    assert_kinds(kinds, &list("item", DataType::Utf8, true));
    let mut found = codes(&all);
    found.sort_unstable();
    let expected: Vec<u32> = (0..=11).chain(100..=101).chain(500..=576).collect();
    assert_eq!(found, expected);
    let some = CommandGetSqlInfo {
        info: vec![504, 0, 576],
    };
    let some = ask(&mut client, &some).await;
    assert_eq!(codes(&some), [0, 504, 576]);
    let quote = some.batches[0].column(1).as_union().value(1);
    assert_eq!(quote.as_string::<i32>().value(0), "\"");
    // A code of the future is left out, not an error.
    let unknown = CommandGetSqlInfo {
        info: vec![0, 40_000],
    };
    assert_eq!(codes(&ask(&mut client, &unknown).await), [0]);
}

fn assert_kinds(kinds: &UnionFields, texts: &DataType) {
    let names: Vec<_> = kinds
        .iter()
        .map(|(id, field)| (id, field.name().as_str()))
        .collect();
    let expected = [
        (0, "string_value"),
        (1, "bool_value"),
        (2, "bigint_value"),
        (3, "int32_bitmask"),
        (4, "string_list"),
        (5, "int32_to_int32_list_map"),
    ];
    assert_eq!(names, expected);
    let types: Vec<_> = kinds
        .iter()
        .map(|(_, field)| field.data_type().clone())
        .collect();
    assert_eq!(
        types[..4],
        [
            DataType::Utf8,
            DataType::Boolean,
            DataType::Int64,
            DataType::Int32
        ]
    );
    assert_eq!(&types[4], texts);
    assert!(matches!(types[5], DataType::Map(..)));
}
