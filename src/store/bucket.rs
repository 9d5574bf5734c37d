//! Backups in an object store.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, PutPayload, RetryConfig,
};
use reqwest::redirect;
use tokio::time::sleep;
use tracing::info;
use url::Url;

use crate::dkron::Tls;

use super::{Limits, Naming, StoreError, Trouble};

/// A backup longer than this many bytes goes up in parts of this size: so much of it is sent again when a connection breaks. S3 takes
/// 10,000 parts.
const PART: usize = 8 << 20;
/// How long a store may take before that is said.
const SAID_AFTER: Duration = Duration::from_secs(2);
/// The longest message of a store that is shown, in characters.
const LONGEST_WORDS: usize = 500;

/// A bucket, or a part of one.
pub(super) struct Bucket {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    shown: String,
}

/// Our own TLS and no redirects, for a client that otherwise brings its own.
#[derive(Debug)]
struct Connector {
    tls: Tls,
    request: Duration,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |error: reqwest::Error| Error::Generic { store: "HTTP", source: Box::new(error) };
        let option = |key| options.get_config_value(&key).filter(|value| !value.is_empty());
        let allow_http = match option(ClientConfigKey::AllowHttp).as_deref() {
            None | Some("false" | "0" | "no" | "off") => false,
            Some("true" | "1" | "yes" | "on") => true,
            Some(other) => {
                let source = format!("whether to allow http is true or false, and not `{other}`").into();
                return Err(Error::Generic { store: "HTTP", source });
            }
        };
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.config())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(!allow_http)
            .timeout(self.request);
        if let Some(proxy) = option(ClientConfigKey::ProxyUrl) {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(failed)?);
        }
        Ok(HttpClient::new(client.build().map_err(failed)?))
    }
}

impl Bucket {
    /// The bucket that a URL names.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn open(
        location: &str,
        shown: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        tls: &Tls,
        limits: Limits,
    ) -> Result<Self, String> {
        let url = Url::parse(location).map_err(|error| error.to_string())?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("the name of the bucket is missing: {}://bucket/folder", url.scheme()));
        }
        let prefix = Path::from_url_path(url.path()).map_err(|error| error.to_string())?;
        let connector = Connector { tls: tls.clone(), request: limits.request };
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
        // The time is the limit, not the number.
        let retry = RetryConfig { backoff, max_retries: usize::MAX, retry_timeout: limits.retries };
        let store = match url.scheme() {
            "s3" => {
                let builder = AmazonS3Builder::new().with_retry(retry).with_http_connector(connector);
                let builder = options(environment, "AWS_")
                    .into_iter()
                    .fold(builder, |builder, (key, value)| builder.with_config(key, value));
                builder.with_url(location).build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
            }
            "gs" => {
                let builder = GoogleCloudStorageBuilder::new().with_retry(retry).with_http_connector(connector);
                let builder = options(environment, "GOOGLE_")
                    .into_iter()
                    .fold(builder, |builder, (key, value)| builder.with_config(key, value));
                builder.with_url(location).build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
            }
            _ => {
                let builder = MicrosoftAzureBuilder::new().with_retry(retry).with_http_connector(connector);
                let builder = options(environment, "AZURE_")
                    .into_iter()
                    .fold(builder, |builder, (key, value)| builder.with_config(key, value));
                builder.with_url(location).build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
            }
        };
        let store = store.map_err(|error| words(&error))?;
        Ok(Self { store, prefix, shown: shown.trim_end_matches('/').to_owned() })
    }

    /// All objects with their sizes in bytes, but for those in folders below.
    pub(super) async fn names(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let listed = self.patiently(self.store.list_with_delimiter(Some(&self.prefix))).await;
        let listed = listed.map_err(|error| self.error("cannot list", None, &error))?;
        let name = |path: &Path| path.filename().map(ToOwned::to_owned);
        Ok(listed.objects.iter().filter_map(|object| Some((name(&object.location)?, object.size))).collect())
    }

    pub(super) async fn bytes(&self, name: &str, limit: usize) -> Result<Vec<u8>, StoreError> {
        let failed = |error: Error| self.error("cannot read", Some(name), &error);
        let mut stream = self.patiently(self.store.get(&self.at(name))).await.map_err(failed)?.into_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(failed)?);
            if bytes.len() > limit {
                return Err(StoreError::TooLong { file: format!("{}/{name}", self.shown), limit });
            }
        }
        Ok(bytes)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self.patiently(self.store.delete(&self.at(name))).await {
            Err(error) if !matches!(error, Error::NotFound { .. }) => {
                Err(self.error("cannot remove", Some(name), &error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a backup under the first name that is free.
    pub(super) async fn create(&self, mut naming: Naming, bytes: Vec<u8>) -> Result<Naming, StoreError> {
        // An upload in parts replaces what is there. So an empty object claims the name first, which only one can do.
        let (first, parts) = if bytes.len() > PART { (Vec::new(), bytes) } else { (bytes, Vec::new()) };
        let first = PutPayload::from(first);
        while !self.put_new(&naming.name(), first.clone()).await? {
            naming.taken(&self.shown)?;
        }
        if !parts.is_empty() {
            self.put_parts(&naming.name(), &parts).await?;
        }
        Ok(naming)
    }

    /// Writes an object in parts; where that fails, nothing of it stays.
    async fn put_parts(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let written = match self.patiently(self.store.put_multipart(&self.at(name))).await {
            Ok(mut upload) => {
                let written = self.upload(&mut *upload, bytes).await;
                if written.is_err() {
                    let _ = upload.abort().await;
                }
                written
            }
            Err(error) => Err(error),
        };
        if written.is_err() {
            // The first error is the one to tell.
            let _ = self.remove(name).await;
        }
        written.map_err(|error| self.error("cannot write", Some(name), &error))
    }

    async fn upload(&self, upload: &mut dyn MultipartUpload, bytes: &[u8]) -> object_store::Result<()> {
        for part in bytes.chunks(PART) {
            self.patiently(upload.put_part(PutPayload::from(part.to_vec()))).await?;
        }
        self.patiently(upload.complete()).await.map(drop)
    }

    /// Writes a manifest under its name. It belongs to a file whose name was free, so nobody else writes it; one that is there
    /// has lost its file.
    pub(super) async fn put_manifest(&self, name: &str, text: String) -> Result<(), StoreError> {
        let put = self.patiently(self.store.put(&self.at(name), PutPayload::from(text))).await;
        put.map(drop).map_err(|error| self.error("cannot write", Some(name), &error))
    }

    /// Waits for an answer, and says once when that takes long. What the store's client says of each try is not shown.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            () = sleep(SAID_AFTER) => {
                info!(place = self.shown, "still waiting for the store; a request that fails is tried again");
                answer.await
            }
        }
    }

    fn at(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Writes an object, unless there is one of that name; tells whether it did.
    async fn put_new(&self, name: &str, bytes: PutPayload) -> Result<bool, StoreError> {
        let options = PutOptions::from(PutMode::Create);
        let at = self.at(name);
        match self.patiently(self.store.put_opts(&at, bytes, options)).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.error("cannot write", Some(name), &error)),
        }
    }

    fn error(&self, doing: &'static str, name: Option<&str>, error: &Error) -> StoreError {
        let place = name.map_or_else(|| self.shown.clone(), |name| format!("{}/{name}", self.shown));
        let cause = words(error);
        // Where a list is refused, only the words tell the status.
        let status = |status: &str| cause.contains(&format!("status code: {status} "));
        let trouble = match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Trouble::Denied,
            Error::NotFound { .. } => Trouble::Missing,
            _ if status("401") || status("403") => Trouble::Denied,
            _ if status("404") => Trouble::Missing,
            _ => Trouble::Unavailable,
        };
        StoreError::Remote { doing, place, trouble, cause }
    }
}

/// The variables of a store; what is no option of its is left out, for other programs have variables of that prefix too.
fn options<K: std::str::FromStr>(
    environment: impl IntoIterator<Item = (String, String)>,
    prefix: &str,
) -> Vec<(K, String)> {
    let option = |(name, value): (String, String)| {
        let key = name.starts_with(prefix).then(|| name.to_ascii_lowercase().parse().ok())??;
        Some((key, value))
    };
    environment.into_iter().filter_map(option).collect()
}

/// A store's words in one line, with their innermost cause, and without the parameters of URLs: on Azure they may be credentials.
fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        cause = inner.source();
        if cause.is_none() && !words.contains(&inner.to_string()) {
            words = format!("{words}: {inner}");
        }
    }
    let without_parameters = |word: &str| match word.split_once('?') {
        Some((url, _)) if url.contains("://") => url.to_owned(),
        _ => word.to_owned(),
    };
    // What was set is of no interest to whoever reads it: how long and how often it was tried stands before it.
    if let Some((before, rest)) = words.split_once(", max_retries: ")
        && let Some((_, after)) = rest.split_once(" - ")
    {
        words = format!("{before} - {after}");
    }
    let words: Vec<_> = words.split_whitespace().map(without_parameters).collect();
    words.join(" ").chars().take(LONGEST_WORDS).collect()
}
