//! The threads on which requests to object stores are made.
//!
//! A plan computes on threads of its own, and a batch may keep one of them busy for seconds. A connection that is read
//! there is not read meanwhile: the store's answer waits, keep-alives are missed, time-outs strike though the store was
//! quick. So a server makes its requests on the threads that answer calls, which nothing computes on, and the bytes are
//! handed over to the plan.

use std::fmt;

use object_store::client::SpawnedReqwestConnector;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Threads that make requests.
#[derive(Clone)]
pub struct IoThreads(Handle);

impl IoThreads {
    /// Those of the runtime that the caller runs on.
    ///
    /// # Errors
    /// A caller outside any runtime.
    pub fn current() -> crate::Result<Self> {
        Handle::try_current()
            .map(Self)
            .map_err(|error| crate::Error::Internal(error.to_string()))
    }

    /// Does some work on them.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.spawn(work)
    }

    pub(super) fn connector(&self) -> SpawnedReqwestConnector {
        SpawnedReqwestConnector::new(self.0.clone())
    }
}

impl fmt::Debug for IoThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IoThreads")
    }
}

/// Where requests are made does not make one configuration another.
impl PartialEq for IoThreads {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use object_store::ObjectStoreExt as _;
    use object_store::path::Path;
    use tokio::runtime::Builder;
    use url::Url;

    use crate::config::StorageConfig;
    use crate::storage::open_store;

    use super::*;

    /// An S3 server that has the one object "here" and answers one request.
    fn store_with_an_object() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 8_192];
            assert!(connection.read(&mut request).unwrap() > 0);
            connection
                .write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: close\r\n\r\nhere",
                )
                .unwrap();
        });
        format!("http://{address}")
    }

    #[test]
    fn requests_are_made_on_the_given_threads_and_their_bytes_handed_over() {
        let io = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = StorageConfig {
            endpoint: Some(store_with_an_object()),
            region: Some("r".into()),
            access_key_id: Some("k".into()),
            secret_access_key: Some("s".into()),
            allow_http: true,
            io: Some(IoThreads(io.handle().clone())),
            ..StorageConfig::default()
        };
        let store = open_store(&Url::parse("s3://bucket/").unwrap(), &config).unwrap();
        // These threads could not open a connection: they have no I/O.
        let cpu = Builder::new_current_thread().enable_time().build().unwrap();
        let read = async { store.get(&Path::from("x")).await?.bytes().await };
        assert_eq!(cpu.block_on(read).unwrap(), "here");
    }
}
