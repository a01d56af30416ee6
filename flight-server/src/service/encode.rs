//! Batches as messages of a bounded size.
//!
//! arrow-flight's own encoder cuts batches by the buffers that they are slices of, and lets the body of each message grow
//! from nothing. Here a batch is cut first, turned into what travels piece by piece, while the piece is in the processor's
//! cache, and written into a body as large as the last one was.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_flight::{FlightData, SchemaAsIpc};
use engine::{Error, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tonic::Status;

use super::status::status;
use super::transport;

/// Rows as they are computed.
pub type Batches = BoxStream<'static, Result<RecordBatch>>;
/// What travels to a client.
pub type Rows = BoxStream<'static, Result<FlightData, Status>>;

/// Batches as messages; `schema` is that of what travels.
pub fn encode(schema: SchemaRef, batches: Batches) -> Rows {
    let options = IpcWriteOptions::default();
    let announced = FlightData::from(SchemaAsIpc::new(&schema, &options));
    let mut context = IpcWriteContext::default();
    context.set_reserve_scratch(true);
    let encoder = Encoder {
        batches,
        schema,
        pieces: VecDeque::new(),
        generator: IpcDataGenerator::default(),
        // Nothing that travels is a dictionary.
        dictionaries: DictionaryTracker::new(false),
        options,
        context,
    };
    let messages = stream::try_unfold(encoder, |mut encoder| async move {
        let message = encoder.next().await.map_err(status)?;
        Ok(message.map(|message| (message, encoder)))
    });
    stream::iter([Ok(announced)]).chain(messages).boxed()
}

struct Encoder {
    batches: Batches,
    schema: SchemaRef,
    pieces: VecDeque<RecordBatch>,
    generator: IpcDataGenerator,
    dictionaries: DictionaryTracker,
    options: IpcWriteOptions,
    context: IpcWriteContext,
}

impl Encoder {
    async fn next(&mut self) -> Result<Option<FlightData>> {
        loop {
            let Some(piece) = self.pieces.pop_front() else {
                match self.batches.try_next().await? {
                    Some(batch) => self.pieces = transport::cut(&batch),
                    None => return Ok(None),
                }
                continue;
            };
            let piece = transport::convert(&piece, &self.schema).map_err(Error::from)?;
            if piece.num_rows() > 1 && transport::size(&piece) > transport::MESSAGE_BYTES {
                // It grew: dictionaries have their values once.
                let mut smaller = Vec::new();
                transport::split(piece, transport::MESSAGE_BYTES, &mut smaller);
                for piece in smaller.into_iter().rev() {
                    self.pieces.push_front(piece);
                }
                continue;
            }
            let (_, message) = self
                .generator
                .encode(
                    &piece,
                    &mut self.dictionaries,
                    &self.options,
                    &mut self.context,
                )
                .map_err(Error::from)?;
            return Ok(Some(message.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringViewArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int32Type;
    use arrow_flight::decode::FlightRecordBatchStream;
    use arrow_flight::error::FlightError;
    use prost::Message as _;

    use super::*;

    #[tokio::test]
    async fn rows_of_every_size_come_whole_and_in_order_in_messages_below_the_limit() {
        let count = 3_000;
        let long = "a long text that every row shares. ".repeat(100);
        let kinds: DictionaryArray<Int32Type> = (0..count).map(|_| Some(long.as_str())).collect();
        let texts = (0..count).map(|nth| (nth % 7 != 0).then(|| "x".repeat(nth % 5_000)));
        let batch = RecordBatch::try_from_iter_with_nullable([
            (
                "n",
                Arc::new(Int64Array::from_iter_values(0..count as i64)) as ArrayRef,
                false,
            ),
            ("kind", Arc::new(kinds) as _, true),
            (
                "text",
                Arc::new(texts.collect::<StringViewArray>()) as _,
                true,
            ),
        ])
        .unwrap();
        let schema = transport::schema(&batch.schema());
        let empty = batch.slice(0, 0);
        let given = stream::iter([Ok(empty), Ok(batch.clone()), Ok(batch.slice(7, 1))]).boxed();
        let messages: Vec<FlightData> = encode(Arc::clone(&schema), given)
            .try_collect()
            .await
            .unwrap();
        assert!(messages.len() > 4);
        assert!(
            messages
                .iter()
                .all(|message| message.encoded_len() < 4 << 20)
        );
        let messages = stream::iter(messages.into_iter().map(Ok::<_, FlightError>));
        let read = FlightRecordBatchStream::new_from_flight_data(messages);
        let read: Vec<RecordBatch> = read.try_collect().await.unwrap();
        let whole = transport::convert(&batch, &schema).unwrap();
        let expected = concat_batches(&schema, [&whole, &whole.slice(7, 1)]).unwrap();
        assert_eq!(concat_batches(&schema, &read).unwrap(), expected);
    }
}
