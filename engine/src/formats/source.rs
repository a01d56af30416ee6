//! Bytes of an object store for readers that block.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::path::Path;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::error::Result;

/// Chunks read ahead of the reader; a store gives a few kilobytes to a few megabytes each.
const AHEAD: usize = 16;

/// Opens a file for reading on a thread that may block, whatever kind of store it is in: a local one is read directly,
/// an object as by [`open_blocking`].
///
/// # Errors
/// A local file that is missing or may not be read.
pub fn open_file(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    is_local: bool,
    handle: &Handle,
) -> Result<Box<dyn Read + Send>> {
    if !is_local {
        return Ok(open_blocking(
            Arc::clone(store),
            path.clone(),
            handle.clone(),
        ));
    }
    // Through the store, which knows what may be read.
    match handle.block_on(store.get(path))?.payload {
        GetResultPayload::File(file, _) => Ok(Box::new(file)),
        GetResultPayload::Stream(_) => Ok(open_blocking(
            Arc::clone(store),
            path.clone(),
            handle.clone(),
        )),
    }
}

/// Opens an object for reading on a thread that may block. The bytes are fetched on `handle`, a little ahead of the
/// reader; dropping the reader ends the transfer. Nothing is fetched before this is called, and a missing object is an error of
/// the first read.
pub fn open_blocking(
    store: Arc<dyn ObjectStore>,
    path: Path,
    handle: Handle,
) -> Box<dyn Read + Send> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let task = handle.spawn(async move {
        let result = match store.get(&path).await {
            Ok(found) => found,
            Err(error) => {
                let _ = sender.send(Err(error)).await;
                return;
            }
        };
        let mut stream = result.into_stream();
        while let Some(chunk) = stream.next().await {
            let is_error = chunk.is_err();
            if sender.send(chunk).await.is_err() || is_error {
                return;
            }
        }
    });
    Box::new(Chunks {
        receiver,
        chunk: Bytes::new(),
        task: task.abort_handle(),
    })
}

struct Chunks {
    receiver: mpsc::Receiver<object_store::Result<Bytes>>,
    chunk: Bytes,
    task: AbortHandle,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        let count = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use object_store::memory::InMemory;

    use super::*;
    use crate::formats::input::source_error;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_object_is_read_on_a_blocking_thread() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("a/b");
        let bytes: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
        store.put(&path, bytes.clone().into()).await.unwrap();
        let mut reader = open_blocking(store, path, Handle::current());
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        assert_eq!(read.await.unwrap(), bytes);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_object_keeps_its_kind_of_error() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut reader = open_blocking(store, Path::from("none"), Handle::current());
        let read = tokio::task::spawn_blocking(move || reader.read(&mut [0]));
        let error = source_error(read.await.unwrap().unwrap_err());
        assert!(matches!(error, crate::Error::NotFound(_)), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_that_is_dropped_ends_the_transfer() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("a");
        store.put(&path, vec![0u8; 1 << 20].into()).await.unwrap();
        drop(open_blocking(Arc::clone(&store), path, Handle::current()));
        // The task has let go of the store.
        for _ in 0..1_000 {
            if Arc::strong_count(&store) == 1 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(Arc::strong_count(&store), 1);
    }
}
