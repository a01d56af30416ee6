//! Messages as gRPC sends them.
//!
//! tonic's codec wants a message in a piece, which it then copies into another: a sixteenth of the time of a large result. Here a
//! message is what stands before its body, and the body as it was written. [`Carrying`] puts such messages in place of the empty
//! stream that a service answers with.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use arrow_flight::FlightData;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Response, Status};
use tower::Service;

/// Messages as they are made.
pub type Messages = BoxStream<'static, Result<Message, Status>>;

/// What stands before a message: whether it is compressed, and its length in four bytes.
const PREFIX: usize = 5;
/// Fields of `FlightData` (Flight.proto).
const DATA_HEADER: u32 = 2;
const DATA_BODY: u32 = 1_000;

/// A message, ready to be sent.
#[derive(Debug)]
pub struct Message {
    pieces: VecDeque<Bytes>,
}

impl Message {
    /// A message in one piece.
    pub fn of(data: &FlightData) -> Self {
        let length = data.encoded_len();
        let mut whole = BytesMut::with_capacity(PREFIX + length);
        begin(&mut whole, length);
        whole.extend_from_slice(&data.encode_to_vec());
        Self {
            pieces: [whole.freeze()].into(),
        }
    }

    /// A message with rows: their header, and their body.
    pub fn new(header: &[u8], body: Bytes) -> Self {
        let mut fields = BytesMut::with_capacity(header.len() + 16);
        encode_key(DATA_HEADER, WireType::LengthDelimited, &mut fields);
        encode_varint(header.len() as u64, &mut fields);
        fields.extend_from_slice(header);
        if !body.is_empty() {
            encode_key(DATA_BODY, WireType::LengthDelimited, &mut fields);
            encode_varint(body.len() as u64, &mut fields);
        }
        let mut front = BytesMut::with_capacity(PREFIX + fields.len());
        begin(&mut front, fields.len() + body.len());
        front.extend_from_slice(&fields);
        let pieces = [front.freeze(), body].into_iter();
        Self {
            pieces: pieces.filter(|piece| !piece.is_empty()).collect(),
        }
    }

    /// How many bytes are sent.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

fn begin(message: &mut BytesMut, length: usize) {
    // Not compressed.
    message.put_u8(0);
    message.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Messages that travel beside an answer. Extensions can be cloned; the messages go with whoever takes them first.
#[derive(Clone)]
struct Beside(Arc<Mutex<Option<Messages>>>);

/// The answer of a call whose messages [`Carrying`] sends.
pub fn carried(messages: Messages) -> Response<BoxStream<'static, Result<FlightData, Status>>> {
    let mut response = Response::new(stream::empty().boxed());
    let beside = Beside(Arc::new(Mutex::new(Some(messages))));
    response.extensions_mut().insert(beside);
    response
}

/// A gRPC service some of whose answers are [`carried`].
#[derive(Debug, Clone)]
pub struct Carrying<S>(pub S);

impl<S: NamedService> NamedService for Carrying<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Carrying<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answered = self.0.call(request);
        async move {
            let mut response = answered.await?;
            let beside = response.extensions_mut().remove::<Beside>();
            let messages = beside.and_then(|Beside(messages)| {
                let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
                messages.take()
            });
            Ok(match messages {
                Some(messages) => response.map(|_| Body::new(Sent::new(messages))),
                None => response,
            })
        }
        .boxed()
    }
}

/// The body of an answer.
struct Sent {
    messages: Messages,
    pieces: VecDeque<Bytes>,
    ended: bool,
}

impl Sent {
    fn new(messages: Messages) -> Self {
        Self {
            messages,
            pieces: VecDeque::new(),
            ended: false,
        }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.messages.poll_next_unpin(context)) {
                Some(Ok(message)) => self.pieces = message.pieces,
                Some(Err(status)) => {
                    self.ended = true;
                    self.messages = stream::empty().boxed();
                    return Poll::Ready(Some(trailers(Some(&status))));
                }
                None => {
                    self.ended = true;
                    return Poll::Ready(Some(trailers(None)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// What ends an answer.
fn trailers(status: Option<&Status>) -> Result<Frame<Bytes>, Status> {
    let mut trailers = HeaderMap::new();
    match status {
        Some(status) => status.add_header(&mut trailers)?,
        None => {
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
        }
    }
    Ok(Frame::trailers(trailers))
}

#[cfg(test)]
impl Message {
    /// What a client makes of it.
    pub fn decoded(self) -> FlightData {
        let whole: Vec<u8> = self.pieces.into_iter().flatten().collect();
        let (prefix, message) = whole.split_at(PREFIX);
        assert_eq!(prefix[0], 0);
        assert_eq!(prefix[1..], (message.len() as u32).to_be_bytes());
        FlightData::decode(message).unwrap_or_default()
    }
}
