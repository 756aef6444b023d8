//! Object stores: the shared cache in S3, or in what speaks its protocol (MinIO, Cloudflare R2, Google Cloud Storage with HMAC keys).
//!
//! Credentials, Region and endpoint are those of the environment, as for other clients of AWS.

use std::time::Duration;

use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::services::S3;
use opendal::{ErrorKind, Operator};
use tokio::runtime::{Builder, Runtime};

/// How long a request can take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request is tried again after a failure that can be temporary.
const RETRIES: usize = 2;

/// The Region of clients that are told none, and of most other stores.
const REGION: &str = "us-east-1";

/// A bucket, and the runtime that its requests are made in.
#[derive(Debug)]
pub(super) struct Objects {
    operator: Operator,
    runtime: Runtime,
}

impl Objects {
    /// The objects of a bucket whose names begin with a prefix.
    pub(super) fn s3(bucket: &str, prefix: &str) -> Result<Self, String> {
        // Whoever installed one before installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let variable =
            |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
        let region = variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| REGION.to_owned());
        let mut service = S3::default().bucket(bucket).root(&format!("/{prefix}")).region(&region);
        if let Some(endpoint) = variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
            service = service.endpoint(&endpoint);
        }
        let operator = Operator::new(service).map_err(|error| error.to_string())?;
        let operator = operator
            .layer(TimeoutLayer::new().with_timeout(TIMEOUT).with_io_timeout(TIMEOUT))
            .layer(RetryLayer::new().with_max_times(RETRIES))
            .finish();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        Ok(Self { operator, runtime })
    }

    /// The bytes of an object; `None` if there is none, or it is too long.
    pub(super) fn get(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let get = async {
            let length = self.operator.stat(name).await?.content_length();
            if length > most {
                return Ok::<_, opendal::Error>(None);
            }
            Ok(Some(self.operator.read_with(name).range(0..length).await?.to_vec()))
        };
        match self.runtime.block_on(get) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map_err(|error| format!("cannot read {name}: {error}")),
        }
    }

    /// Stores an object.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), String> {
        let put = self.runtime.block_on(self.operator.write(name, bytes));
        put.map(drop).map_err(|error| format!("cannot write {name}: {error}"))
    }
}
