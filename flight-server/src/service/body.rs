//! Rows as the body of a message, laid out as the Arrow IPC format has them.
//!
//! Plans have texts as views, and clients get plain texts. arrow's writer wants arrays of what it writes, so that each text would be
//! copied into such an array, then into a message: half of all copies of a large result. Here texts go from where their views point
//! into the message. All other columns are laid out by arrow's writer.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamEncoder;
use arrow::ipc::{
    Buffer as Extent, FieldNode, MessageBuilder, MessageHeader, MetadataVersion,
    RecordBatchBuilder, root_as_message,
};
use bytes::Bytes;
use engine::{Error, Result};
use flatbuffers::FlatBufferBuilder;

use super::transport;
use super::wire::Message;

/// Buffers of a body begin at multiples of it (Arrow columnar format, "Encapsulated message format").
const ALIGNMENT: usize = 64;
/// gRPC tells the length of a message in four bytes; the header comes on top.
const MOST_BYTES: usize = u32::MAX as usize - (64 << 20);
/// What stands before a message of an IPC stream: a mark, and the length of its header, in four bytes each.
const STREAM_PREFIX: usize = 8;
/// A view of so many bytes holds them itself (Arrow columnar format, "Variable-size Binary View Layout").
const INLINE: usize = 12;

/// Columns as they are written: views stay, everything else has the type that travels.
pub struct Columns {
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Columns {
    /// Those of a batch, of which clients get `schema`.
    ///
    /// # Errors
    /// A column that cannot be turned into its type: a defect.
    pub fn of(batch: &RecordBatch, schema: &Schema) -> Result<Self, ArrowError> {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(
            |(column, field)| match is_written_from_views(column, field) {
                true => Ok(ArrayRef::clone(column)),
                false => transport::column(column, field),
            },
        );
        Ok(Self {
            columns: columns.collect::<Result<_, ArrowError>>()?,
            rows: batch.num_rows(),
        })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

fn is_written_from_views(column: &ArrayRef, field: &FieldRef) -> bool {
    matches!(
        (column.data_type(), field.data_type()),
        (DataType::Utf8View, DataType::Utf8) | (DataType::BinaryView, DataType::Binary)
    )
}

/// Bodies that were sent, for those to come: of new memory, the kernel would have to clear each page first.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// So many wait at most: as many as are on their way at once.
    const MOST: usize = 3;

    fn take(&self, capacity: usize) -> Vec<u8> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = waiting.pop().unwrap_or_default();
        bytes.reserve(capacity);
        bytes
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < Self::MOST {
            bytes.clear();
            waiting.push(bytes);
        }
    }
}

/// A body that goes back to where it came from when it was sent.
struct Lent {
    bytes: Vec<u8>,
    pool: Pool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.give_back(mem::take(&mut self.bytes));
    }
}

/// Writes messages of one schema.
pub struct Writer {
    /// arrow's writer for each column that is none of views.
    plain: Vec<Option<StreamEncoder>>,
    schema: SchemaRef,
    pool: Pool,
    /// How large the last body was: the next will be about as large.
    last: usize,
}

impl Writer {
    /// For columns of this schema.
    pub fn new(schema: SchemaRef) -> Self {
        let plain = schema.fields().iter().map(|_| None);
        Self {
            plain: plain.collect(),
            schema,
            pool: Pool::default(),
            last: 0,
        }
    }

    /// A message with these rows.
    ///
    /// # Errors
    /// Rows that no message can hold: single ones of gigabytes.
    pub fn write(&mut self, columns: &Columns) -> Result<Message> {
        let mut body = Body {
            bytes: self.pool.take(self.last),
            nodes: Vec::new(),
            buffers: Vec::new(),
        };
        for (index, column) in columns.columns.iter().enumerate() {
            if let Some(views) = column.as_string_view_opt() {
                body.texts(views.views(), views.data_buffers(), views.nulls())?;
            } else if let Some(views) = column.as_binary_view_opt() {
                body.texts(views.views(), views.data_buffers(), views.nulls())?;
            } else {
                let encoder = match &mut self.plain[index] {
                    Some(encoder) => encoder,
                    none => none.insert(encoder_of(self.schema.field(index).clone().into())?),
                };
                let alone = encoder_batch(&self.schema, index, column)?;
                body.laid_out(encoder.encode(&alone)?)?;
            }
        }
        if body.bytes.len() > MOST_BYTES {
            return Err(Error::Unsupported(format!(
                "{} rows of {} bytes in one message; a client takes at most {MOST_BYTES}",
                columns.rows,
                body.bytes.len()
            )));
        }
        self.last = body.bytes.len() + body.bytes.len() / 8;
        let header = body.header(columns.rows);
        let lent = Lent {
            bytes: body.bytes,
            pool: self.pool.clone(),
        };
        Ok(Message::new(&header, Bytes::from_owner(lent)))
    }
}

/// arrow's writer of a column, its schema written already.
fn encoder_of(field: FieldRef) -> Result<StreamEncoder> {
    let schema = SchemaRef::new(Schema::new(vec![field]));
    let mut encoder = StreamEncoder::try_new(&schema)?;
    encoder.encode(&RecordBatch::new_empty(schema))?;
    Ok(encoder)
}

fn encoder_batch(schema: &Schema, index: usize, column: &ArrayRef) -> Result<RecordBatch> {
    let schema = Schema::new(vec![FieldRef::clone(&schema.fields()[index])]);
    Ok(RecordBatch::try_new(
        schema.into(),
        vec![ArrayRef::clone(column)],
    )?)
}

/// A body in its making.
struct Body {
    bytes: Vec<u8>,
    nodes: Vec<FieldNode>,
    buffers: Vec<Extent>,
}

impl Body {
    /// Ends a buffer that began at `from`.
    fn end(&mut self, from: usize) {
        let length = self.bytes.len() - from;
        self.buffers.push(Extent::new(from as i64, length as i64));
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    fn texts(&mut self, views: &[u128], data: &[Buffer], nulls: Option<&NullBuffer>) -> Result<()> {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let missing = nulls.map_or(0, NullBuffer::null_count);
        self.nodes
            .push(FieldNode::new(views.len() as i64, missing as i64));
        let validity = self.bytes.len();
        if let Some(nulls) = nulls {
            self.bytes.extend_from_slice(&nulls.inner().sliced());
        }
        self.end(validity);

        // What stands behind the view of a missing text is no text.
        let is_there = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        let length = |view: u128| (view & u128::from(u32::MAX)) as usize;
        let offsets = self.bytes.len();
        let mut end: usize = 0;
        self.bytes.extend_from_slice(&0_i32.to_le_bytes());
        for (row, view) in views.iter().enumerate() {
            end += if is_there(row) { length(*view) } else { 0 };
            // Checked below, once.
            self.bytes.extend_from_slice(&(end as i32).to_le_bytes());
        }
        if i32::try_from(end).is_err() {
            return Err(Error::Unsupported(format!(
                "texts of {end} bytes in one message of rows; a client takes at most {}",
                i32::MAX
            )));
        }
        self.end(offsets);

        let texts = self.bytes.len();
        self.bytes.reserve(end + INLINE + ALIGNMENT);
        for (row, view) in views.iter().enumerate() {
            if !is_there(row) {
                continue;
            }
            let length = length(*view);
            if length <= INLINE {
                // A copy of fixed length, of which what is too much is taken back.
                let word = view.to_le_bytes();
                let to = self.bytes.len() + length;
                self.bytes.extend_from_slice(&word[4..]);
                self.bytes.truncate(to);
                continue;
            }
            let (buffer, from) = ((view >> 64) as u32 as usize, (view >> 96) as usize);
            self.bytes
                .extend_from_slice(&data[buffer][from..from + length]);
        }
        self.end(texts);
        Ok(())
    }

    /// Takes a message of arrow's writer over.
    fn laid_out(&mut self, buffers: Vec<Buffer>) -> Result<()> {
        let damaged = || Error::Internal("arrow's writer wrote no rows".into());
        let mut stream = Vec::with_capacity(buffers.iter().map(Buffer::len).sum());
        for buffer in buffers {
            stream.extend_from_slice(&buffer);
        }
        let (prefix, rest) = stream.split_at_checked(STREAM_PREFIX).ok_or_else(damaged)?;
        let length = prefix.last_chunk().copied().map(u32::from_le_bytes);
        let length = length.ok_or_else(damaged)? as usize;
        let (header, body) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let header = root_as_message(header).map_err(|_| damaged())?;
        let rows = header.header_as_record_batch().ok_or_else(damaged)?;
        let nodes = rows.nodes().into_iter().flatten();
        self.nodes.extend(nodes.copied());
        let base = self.bytes.len() as i64;
        let extents = rows.buffers().into_iter().flatten();
        let moved = extents.map(|extent| Extent::new(base + extent.offset(), extent.length()));
        self.buffers.extend(moved);
        self.bytes.extend_from_slice(body);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        Ok(())
    }

    /// The header that tells where everything lies.
    fn header(&self, rows: usize) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let buffers = builder.create_vector(&self.buffers);
        let nodes = builder.create_vector(&self.nodes);
        let mut batch = RecordBatchBuilder::new(&mut builder);
        batch.add_length(rows as i64);
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        let batch = batch.finish().as_union_value();
        let mut message = MessageBuilder::new(&mut builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(self.bytes.len() as i64);
        message.add_header(batch);
        let message = message.finish();
        builder.finish(message, None);
        builder.finished_data().to_vec()
    }
}
