//! `CommandGetXdbcTypeInfo`: the types of columns, as ODBC and JDBC call them.

use arrow::array::RecordBatch;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};
use tonic::Status;

use super::failed;

/// Name in SQL, code, digits or bytes (NULL where it has no limit), base of the digits.
const TYPES: &[(&str, XdbcDataType, Option<i32>, Option<i32>)] = &[
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), None),
    ("TINYINT", XdbcDataType::XdbcTinyint, Some(8), Some(2)),
    ("SMALLINT", XdbcDataType::XdbcSmallint, Some(16), Some(2)),
    ("INT", XdbcDataType::XdbcInteger, Some(32), Some(2)),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(64), Some(2)),
    ("REAL", XdbcDataType::XdbcReal, Some(24), Some(2)),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(53), Some(2)),
    ("DECIMAL", XdbcDataType::XdbcDecimal, Some(38), Some(10)),
    ("VARCHAR", XdbcDataType::XdbcVarchar, None, None),
    ("BYTEA", XdbcDataType::XdbcVarbinary, None, None),
    ("DATE", XdbcDataType::XdbcDate, Some(10), None),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(26), None),
];

/// The types, or the one with this code.
pub fn rows(code: Option<i32>) -> Result<RecordBatch, Status> {
    all()?.record_batch(code).map_err(failed)
}

fn all() -> Result<XdbcTypeInfoData, Status> {
    let mut data = XdbcTypeInfoDataBuilder::new();
    for (name, code, size, base) in TYPES {
        let is_quoted = base.is_none() && *code != XdbcDataType::XdbcBit;
        let subcode = match code {
            // The specification has DATE and YEAR under one number; arrow-flight names the latter.
            XdbcDataType::XdbcDate => Some(XdbcDatetimeSubcode::XdbcSubcodeYear),
            XdbcDataType::XdbcTimestamp => Some(XdbcDatetimeSubcode::XdbcSubcodeTimestamp),
            _ => None,
        };
        let create_params = (*code == XdbcDataType::XdbcDecimal)
            .then(|| vec!["precision".to_string(), "scale".to_string()]);
        data.append(XdbcTypeInfo {
            type_name: (*name).to_string(),
            data_type: *code,
            column_size: *size,
            literal_prefix: is_quoted.then(|| "'".to_string()),
            literal_suffix: is_quoted.then(|| "'".to_string()),
            create_params,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: *code == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            unsigned_attribute: base.map(|_| false),
            fixed_prec_scale: false,
            auto_increment: base.map(|_| false),
            local_type_name: Some((*name).to_string()),
            minimum_scale: (*code == XdbcDataType::XdbcDecimal).then_some(0),
            maximum_scale: (*code == XdbcDataType::XdbcDecimal).then_some(38),
            // Dates and times stand under one code there, told apart by the subcode.
            sql_data_type: match subcode {
                Some(_) => XdbcDataType::XdbcDatetime,
                None => *code,
            },
            datetime_subcode: subcode,
            num_prec_radix: *base,
            interval_precision: None,
        });
    }
    data.build().map_err(failed)
}
