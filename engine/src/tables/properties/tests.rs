//! What is honoured can be set, and nothing else.

use deltalake::kernel::{ArrayType, DataType, StructField};

use super::*;

fn schema() -> StructType {
    StructType::try_new([
        StructField::nullable("a", DataType::STRING),
        StructField::nullable("b", DataType::LONG),
        StructField::nullable("c-d", DataType::LONG),
        StructField::nullable("list", ArrayType::new(DataType::LONG, true)),
    ])
    .unwrap()
}

#[test]
fn values_that_fit_are_accepted() {
    for (key, value) in [
        ("delta.appendOnly", "true"),
        ("delta.checkpointInterval", "10"),
        ("delta.dataSkippingNumIndexedCols", "-1"),
        ("delta.dataSkippingStatsColumns", "a, b"),
        ("delta.deletedFileRetentionDuration", "interval 0 days"),
        ("delta.logRetentionDuration", "interval 30 days"),
        ("delta.setTransactionRetentionDuration", "interval 1 week"),
        ("delta.enableChangeDataFeed", "false"),
        ("delta.isolationLevel", "Serializable"),
        ("delta.targetFileSize", "134217728"),
        ("paratope.sortColumns", "c-d,a"),
        ("paratope.plainColumns", "a"),
    ] {
        check(key, value, &schema()).unwrap();
    }
}

#[test]
fn values_that_do_not_fit_are_errors_with_key_and_remedy() {
    for (key, value, remedy) in [
        ("delta.appendOnly", "TRUE", "'true' or 'false'"),
        ("delta.checkpointInterval", "0", "from 1"),
        ("delta.checkpointInterval", "ten", "from 1"),
        ("delta.targetFileSize", "100mb", "bytes"),
        ("delta.dataSkippingNumIndexedCols", "-2", "-1"),
        ("delta.logRetentionDuration", "30 days", "interval 7 days"),
        (
            "delta.logRetentionDuration",
            "interval 1 month",
            "interval 7 days",
        ),
        (
            "delta.logRetentionDuration",
            "interval 1 day 2 hours",
            "interval 7 days",
        ),
        (
            "delta.logRetentionDuration",
            "interval -1 days",
            "interval 7 days",
        ),
        (
            "delta.deletedFileRetentionDuration",
            "interval 9223372036854775807 weeks",
            "36500 days",
        ),
        ("delta.isolationLevel", "SnapshotIsolation", "Serializable"),
        ("paratope.sortColumns", "", "separated by commas"),
        ("paratope.sortColumns", "a,,b", "separated by commas"),
        ("paratope.sortColumns", "x", "no column x"),
        ("paratope.sortColumns", "A", "write a"),
        ("paratope.sortColumns", "a, a", "twice"),
        ("paratope.sortColumns", "list", "no parts"),
        ("delta.dataSkippingStatsColumns", "c-d", "letters, digits"),
    ] {
        let error = check(key, value, &schema()).unwrap_err().to_string();
        assert!(error.contains(key), "{key} = {value}: {error}");
        assert!(error.contains(remedy), "{key} = {value}: {error}");
    }
}

#[test]
fn what_would_not_be_honoured_is_refused_by_name() {
    for key in [
        "delta.columnMapping.mode",
        "delta.enableDeletionVectors",
        "delta.constraints.positive",
        "delta.minWriterVersion",
        "delta.feature.timestampNtz",
        "delta.autoOptimize.autoCompact",
        "delta.parquet.compression.codec",
    ] {
        let error = check(key, "x", &schema()).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{key}: {error}");
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn an_unknown_key_is_an_error_that_says_what_was_meant() {
    let error = check("delta.appendonly", "true", &schema()).unwrap_err();
    assert!(
        error.to_string().ends_with("write delta.appendOnly"),
        "{error}"
    );
    let error = check("owner", "me", &schema()).unwrap_err().to_string();
    assert!(
        error.contains("owner") && error.contains("paratope.sortColumns"),
        "{error}"
    );
}

#[test]
fn columns_of_change_data_do_not_go_with_change_data() {
    let schema =
        StructType::try_new([StructField::nullable("_Change_Type", DataType::STRING)]).unwrap();
    let on = [(CHANGE_DATA_FEED, "true")];
    let error = check_together(on.into_iter(), &schema).unwrap_err();
    assert!(error.to_string().contains("_Change_Type"), "{error}");
    check_together([].into_iter(), &schema).unwrap();
}
