//! Messages with rows that clients send, looked over before they are decoded: arrow's decoder takes lengths at their word,
//! and one of a terabyte would end the process rather than the call.

use arrow::ipc::{BodyCompression, RecordBatch, root_as_message};
use arrow_flight::FlightData;
use tonic::Status;

use super::status::malformed;

/// What the rows of one message may grow to when they are unpacked, bytes.
const UNPACKED: i64 = 1 << 30;
/// Rows of one message. Columns of NULLs alone take no bytes, so no limit of bytes limits them.
const ROWS: i64 = 1 << 24;
/// Bytes before a packed buffer that tell its length.
const PREFIX: usize = 8;

/// The message, where its lengths are true of it.
///
/// # Errors
/// `INVALID_ARGUMENT` for lengths that are not; `RESOURCE_EXHAUSTED` for more than one message may hold.
pub fn checked(message: FlightData) -> Result<FlightData, Status> {
    if message.data_header.is_empty() {
        // A descriptor by itself.
        return Ok(message);
    }
    let header = root_as_message(&message.data_header)
        .map_err(|error| malformed("the header of the rows", error))?;
    let dictionary = header.header_as_dictionary_batch();
    let batch = match dictionary.and_then(|dictionary| dictionary.data()) {
        Some(batch) => Some(batch),
        None => header.header_as_record_batch(),
    };
    if let Some(batch) = batch {
        check(&batch, &message.data_body)?;
    }
    Ok(message)
}

fn check(batch: &RecordBatch<'_>, body: &[u8]) -> Result<(), Status> {
    let lengths = batch
        .nodes()
        .into_iter()
        .flatten()
        .map(|node| node.length());
    for rows in lengths.chain([batch.length()]) {
        if rows < 0 {
            return Err(malformed("the rows", "a column has a negative length"));
        }
        if rows > ROWS {
            return Err(Status::resource_exhausted(format!(
                "{rows} rows in one message; send at most {ROWS} in each"
            )));
        }
    }
    let mut unpacked: i64 = 0;
    for buffer in batch.buffers().into_iter().flatten() {
        let within = |from: i64, length: i64| {
            let from = usize::try_from(from).ok()?;
            let to = from.checked_add(usize::try_from(length).ok()?)?;
            body.get(from..to)
        };
        let bytes = within(buffer.offset(), buffer.length())
            .ok_or_else(|| malformed("the rows", "a column lies outside the message"))?;
        unpacked = unpacked.saturating_add(size(bytes, batch.compression())?);
    }
    match unpacked > UNPACKED {
        true => Err(Status::resource_exhausted(format!(
            "the rows of one message take {unpacked} bytes when they are unpacked; send at most {UNPACKED} in each"
        ))),
        false => Ok(()),
    }
}

/// Bytes of a buffer when it is unpacked.
fn size(bytes: &[u8], compression: Option<BodyCompression<'_>>) -> Result<i64, Status> {
    let own = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    if compression.is_none() || bytes.is_empty() {
        return Ok(own);
    }
    let prefix = bytes
        .first_chunk::<PREFIX>()
        .ok_or_else(|| malformed("the rows", "a packed column does not tell its length"))?;
    match i64::from_le_bytes(*prefix) {
        // It is not packed after all.
        -1 => Ok(own),
        length if length < 0 => Err(malformed(
            "the rows",
            "a packed column has a negative length",
        )),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, NullArray, RecordBatch, StringArray};
    use arrow::ipc::CompressionType;
    use arrow::ipc::writer::IpcWriteOptions;
    use arrow_flight::decode::FlightRecordBatchStream;
    use arrow_flight::encode::FlightDataEncoderBuilder;
    use arrow_flight::error::FlightError;
    use futures::{StreamExt as _, TryStreamExt as _};
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};
    use tonic::Code;

    use super::*;

    /// The messages of a few rows: the schema, then the rows.
    async fn messages(compression: Option<CompressionType>) -> Vec<FlightData> {
        let texts = StringArray::from(vec!["a".repeat(2_000), "b".repeat(3_000)]);
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("text", Arc::new(texts)),
            ("nothing", Arc::new(NullArray::new(2))),
        ])
        .unwrap();
        let options = IpcWriteOptions::default()
            .try_with_compression(compression)
            .unwrap();
        let encoder = FlightDataEncoderBuilder::new().with_options(options);
        let messages = encoder.build(futures::stream::iter([Ok(batch)]));
        messages.try_collect().await.unwrap()
    }

    async fn decoded(messages: Vec<FlightData>) -> Result<Vec<RecordBatch>, FlightError> {
        let messages = futures::stream::iter(messages)
            .map(checked)
            .map_err(|status| FlightError::Tonic(Box::new(status)));
        FlightRecordBatchStream::new_from_flight_data(messages)
            .try_collect()
            .await
    }

    #[tokio::test]
    async fn rows_pass_whether_they_are_packed_or_not() {
        for compression in [
            None,
            Some(CompressionType::ZSTD),
            Some(CompressionType::LZ4_FRAME),
        ] {
            let batches = decoded(messages(compression).await).await.unwrap();
            assert_eq!(batches[0].num_rows(), 2);
        }
    }

    #[tokio::test]
    async fn a_column_that_claims_a_terabyte_is_refused_before_it_is_unpacked() {
        for (claim, code) in [
            (1_i64 << 40, Code::ResourceExhausted),
            (i64::MAX, Code::ResourceExhausted),
            (-2, Code::InvalidArgument),
        ] {
            let mut messages = messages(Some(CompressionType::ZSTD)).await;
            let rows = messages.last_mut().unwrap();
            let mut body = rows.data_body.to_vec();
            body[..PREFIX].copy_from_slice(&claim.to_le_bytes());
            rows.data_body = body.into();
            let error = checked(rows.clone()).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
        let mut cut = messages(None).await.pop().unwrap();
        cut.data_body.truncate(10);
        assert_eq!(checked(cut).unwrap_err().code(), Code::InvalidArgument);
    }

    /// What is let through may be nonsense, but none of it makes the decoder ask for memory without end. The decoder may
    /// fall over it, which ends the call and no more: it runs in a task of its own.
    #[tokio::test]
    async fn damaged_messages_end_in_rows_or_an_error_or_the_end_of_their_task() {
        let mut random = StdRng::seed_from_u64(59);
        let mut refused = 0;
        for round in 0..3_000 {
            let compression = [
                None,
                Some(CompressionType::ZSTD),
                Some(CompressionType::LZ4_FRAME),
            ];
            let mut messages = messages(compression[round % 3]).await;
            let which = random.random_range(0..messages.len());
            let mut header = messages[which].data_header.to_vec();
            let mut body = messages[which].data_body.to_vec();
            for _ in 0..random.random_range(1..6) {
                let bytes = match random.random_bool(0.6) || body.is_empty() {
                    true => &mut header,
                    false => &mut body,
                };
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            if random.random_bool(0.1) {
                body.truncate(random.random_range(0..=body.len()));
            }
            messages[which].data_header = header.into();
            messages[which].data_body = body.into();
            let decoded = tokio::spawn(decoded(messages)).await;
            refused += usize::from(!matches!(decoded, Ok(Ok(_))));
        }
        assert!(refused > 300, "{refused}");
    }
}
