//! Building object stores from the configuration.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::metered::Metered;
use super::redact;
use crate::config::StorageConfig;
use crate::error::{Error, Result};

/// The store behind `url`, at its root (bucket, container, file system).
///
/// # Errors
/// A URL without bucket; settings the store refuses.
pub fn open_store(url: &Url, config: &StorageConfig) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(Metered::new(store(url, config)?)))
}

fn store(url: &Url, config: &StorageConfig) -> Result<Arc<dyn ObjectStore>> {
    let refuse = |error: object_store::Error| Error::Invalid(format!("{}: {error}", redact(url)));
    match url.scheme() {
        "file" => Ok(Arc::new(LocalFileSystem::new())),
        "s3" => Ok(Arc::new(s3(url, config)?.build().map_err(refuse)?)),
        "az" => Ok(Arc::new(azure(url, config)?.build().map_err(refuse)?)),
        "gs" => Ok(Arc::new(google(url, config)?.build().map_err(refuse)?)),
        "http" | "https" => {
            let mut root = url.clone();
            root.set_path("");
            let mut builder = HttpBuilder::new()
                .with_url(root)
                .with_client_options(client(config).with_allow_http(true))
                .with_retry(retry(config));
            if let Some(io) = &config.io {
                builder = builder.with_http_connector(io.connector());
            }
            Ok(Arc::new(builder.build().map_err(refuse)?))
        }
        other => Err(Error::Unsupported(format!("{other}:// is not supported"))),
    }
}

fn bucket(url: &Url) -> Result<&str> {
    url.host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| {
            Error::Invalid(format!(
                "{}: the bucket is missing; write {}://bucket/folder",
                redact(url),
                url.scheme()
            ))
        })
}

fn s3(url: &Url, config: &StorageConfig) -> Result<AmazonS3Builder> {
    let path_style = config.path_style.unwrap_or(config.endpoint.is_some());
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket(url)?)
        .with_client_options(client(config))
        .with_retry(retry(config))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_virtual_hosted_style_request(!path_style)
        .with_allow_http(config.allow_http);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(key) = &config.access_key_id {
        builder = builder.with_access_key_id(key);
    }
    if let Some(secret) = &config.secret_access_key {
        builder = builder.with_secret_access_key(secret);
    }
    if let Some(token) = &config.session_token {
        builder = builder.with_token(token);
    }
    if let Some(io) = &config.io {
        builder = builder.with_http_connector(io.connector());
    }
    Ok(builder)
}

fn azure(url: &Url, config: &StorageConfig) -> Result<MicrosoftAzureBuilder> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(bucket(url)?)
        .with_client_options(client(config))
        .with_retry(retry(config))
        .with_allow_http(config.allow_http);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(account) = &config.account {
        builder = builder.with_account(account);
    }
    if let Some(key) = &config.account_key {
        builder = builder.with_access_key(key);
    }
    if let Some(io) = &config.io {
        builder = builder.with_http_connector(io.connector());
    }
    Ok(builder)
}

fn google(url: &Url, config: &StorageConfig) -> Result<GoogleCloudStorageBuilder> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket(url)?)
        .with_client_options(client(config))
        .with_retry(retry(config));
    if let Some(file) = &config.service_account {
        builder = builder.with_service_account_path(file);
    }
    if let Some(io) = &config.io {
        builder = builder.with_http_connector(io.connector());
    }
    Ok(builder)
}

fn client(config: &StorageConfig) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(config.allow_http)
        .with_connect_timeout(Duration::from_secs(config.connect_timeout_s))
        .with_timeout(Duration::from_secs(config.request_timeout_s))
}

fn retry(config: &StorageConfig) -> RetryConfig {
    RetryConfig {
        max_retries: config.retries,
        retry_timeout: Duration::from_secs(config.request_timeout_s.saturating_mul(3)),
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
    }
}
