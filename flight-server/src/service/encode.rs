//! Batches as messages of a bounded size.
//!
//! arrow-flight's own encoder cuts batches by the buffers that they are slices of. Here a batch is cut first, and written piece by
//! piece, while the piece is in the processor's cache.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{FlightData, SchemaAsIpc};
use engine::Result;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::body::{Columns, Writer};
use super::status::status;
use super::transport;
use super::wire::{Message, Messages};

/// Rows as they are computed.
pub type Batches = BoxStream<'static, Result<RecordBatch>>;

/// Batches as messages; `schema` is that of what travels.
pub fn encode(schema: SchemaRef, batches: Batches) -> Messages {
    let options = IpcWriteOptions::default();
    let announced = FlightData::from(SchemaAsIpc::new(&schema, &options));
    let encoder = Encoder {
        batches,
        writer: Writer::new(SchemaRef::clone(&schema)),
        schema,
        pieces: VecDeque::new(),
    };
    let messages = stream::try_unfold(encoder, |mut encoder| async move {
        let message = encoder.next().await.map_err(status)?;
        Ok(message.map(|message| (message, encoder)))
    });
    stream::iter([Ok(Message::of(&announced))])
        .chain(messages)
        .boxed()
}

struct Encoder {
    batches: Batches,
    schema: SchemaRef,
    pieces: VecDeque<RecordBatch>,
    writer: Writer,
}

impl Encoder {
    async fn next(&mut self) -> Result<Option<Message>> {
        loop {
            let Some(piece) = self.pieces.pop_front() else {
                match self.batches.try_next().await? {
                    Some(batch) => self.pieces = transport::cut(&batch),
                    None => return Ok(None),
                }
                continue;
            };
            let columns = Columns::of(&piece, &self.schema)?;
            let message = self.writer.write(&columns)?;
            let rows = columns.rows();
            if rows > 1 && message.len() > transport::MOST_MESSAGE_BYTES {
                // It grew: dictionaries have their values once.
                let half = rows / 2;
                self.pieces.push_front(piece.slice(half, rows - half));
                self.pieces.push_front(piece.slice(0, half));
                continue;
            }
            return Ok(Some(message));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryViewArray, DictionaryArray, Int64Array, ListBuilder, NullArray,
        StringViewArray, StringViewBuilder,
    };
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
        // What lies behind the view of a missing text is no text.
        let hidden = StringViewArray::from_iter_values((0..count).map(|nth| "y".repeat(nth % 40)));
        let missing = (0..count).map(|nth| nth % 3 != 1).collect();
        let hidden = StringViewArray::new(
            hidden.views().clone(),
            hidden.data_buffers().to_vec(),
            Some(missing),
        );
        let bytes = (0..count).map(|nth| (nth % 5 != 0).then(|| vec![nth as u8; nth % 20]));
        let mut words = ListBuilder::new(StringViewBuilder::new());
        for nth in 0..count {
            words.append_value((0..nth % 4).map(|at| Some("word".repeat(at + nth % 3))));
        }
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
            ("hidden", Arc::new(hidden) as _, true),
            ("bytes", Arc::new(bytes.collect::<BinaryViewArray>()), true),
            ("words", Arc::new(words.finish()), true),
            ("nothing", Arc::new(NullArray::new(count)), true),
        ])
        .unwrap();
        let schema = transport::schema(&batch.schema());
        let empty = batch.slice(0, 0);
        let given = [
            empty,
            batch.clone(),
            batch.slice(7, 1),
            batch.slice(1_003, 90),
        ];
        let given = stream::iter(given.map(Ok)).boxed();
        let messages: Vec<FlightData> = encode(Arc::clone(&schema), given)
            .map_ok(Message::decoded)
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
        let expected = [&whole, &whole.slice(7, 1), &whole.slice(1_003, 90)];
        let expected = concat_batches(&schema, expected).unwrap();
        assert_eq!(concat_batches(&schema, &read).unwrap(), expected);
    }
}
