//! Data tables from a URL of the cluster: module data-api answers with the table `cache_param` itself.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this module talks to the network and waits")]

use std::cell::RefCell;
use std::time::Duration;

use backon::Retryable;
use reqwest::redirect;
use tokio::time::timeout;
use tracing::info;
use url::Url;

use crate::dkron::{Failure, Tls, backoff};
use crate::render::{Problems, Source, Table, TableFormat};
use crate::report;

/// The longest table, in bytes.
const LONGEST_TABLE: usize = 64 << 20;

/// Why a table could not be had from its URL.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no URL.
    #[error("the table's source `{source_text}` is no URL: {cause}")]
    Url {
        /// As given.
        source_text: String,
        /// Why.
        cause: url::ParseError,
    },
    /// The limit of waiting was reached.
    #[error("gave up on the table at {url} after {}s: {last}", waited.as_secs())]
    TimedOut {
        /// The URL, without credentials.
        url: String,
        /// How long it was.
        waited: Duration,
        /// The last cause.
        last: String,
    },
    /// The server says no.
    #[error("the table at {url} is not to be had: {cause}")]
    Refused {
        /// The URL, without credentials.
        url: String,
        /// The server's words.
        cause: Failure,
    },
    /// What came is no table.
    #[error("{0}")]
    Table(#[from] Problems),
}

/// Fetches a table of JSON rows. The URL's fragment is the JSON pointer to them (`…/cache_params#/items`). Tries again, with
/// backoff, until `wait_timeout` is over.
///
/// # Errors
/// A [`FetchError`].
pub async fn table(
    source: &str,
    tls: &Tls,
    request_timeout: Duration,
    wait_timeout: Duration,
) -> Result<Table, FetchError> {
    let mut url = Url::parse(source).map_err(|cause| FetchError::Url { source_text: source.to_owned(), cause })?;
    let pointer = url.fragment().map(ToOwned::to_owned);
    url.set_fragment(None);
    let shown = report::shown_url(&url);
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.config())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(request_timeout)
        .build()
        .map_err(|error| FetchError::Refused { url: shown.clone(), cause: broken(error, request_timeout) })?;
    let last = RefCell::new(None);
    let fetch = (|| get(&client, &url, request_timeout)).retry(backoff()).when(|failure| !failure.is_final()).notify(
        |failure: &Failure, _| {
            if last.replace(Some(failure.to_string())).is_none() {
                info!(url = shown, cause = %failure, "waiting for a data table");
            }
        },
    );
    let body = match timeout(wait_timeout, fetch).await {
        Ok(Ok(body)) => body,
        Ok(Err(cause)) => return Err(FetchError::Refused { url: shown, cause }),
        Err(_) => {
            let last = last.take().unwrap_or_else(|| "no answer to any request".to_owned());
            return Err(FetchError::TimedOut { url: shown, waited: wait_timeout, last });
        }
    };
    let source = Source { file: shown, text: body };
    let parsed = Table::parse(&source, TableFormat::Json, pointer.as_deref().filter(|pointer| !pointer.is_empty()));
    Ok(parsed.map_err(Problems::from)?)
}

/// What a request for a table is called in messages; its URL stands beside it.
const REQUEST: &str = "GET";

fn broken(error: reqwest::Error, limit: Duration) -> Failure {
    Failure::of_reqwest(REQUEST, error, limit)
}

async fn get(client: &reqwest::Client, url: &Url, limit: Duration) -> Result<String, Failure> {
    let request = REQUEST.to_owned();
    let mut response = client.get(url.clone()).send().await.map_err(|error| broken(error, limit))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(error, limit))? {
        if body.len() + chunk.len() > LONGEST_TABLE {
            return Err(Failure::TooLong { request, limit: LONGEST_TABLE });
        }
        body.extend_from_slice(&chunk);
    }
    if status != 200 {
        let body = String::from_utf8_lossy(&body[..body.len().min(160)]).into_owned();
        return Err(Failure::Status { request, status, body });
    }
    let not_text = |error: std::string::FromUtf8Error| Failure::NotDkron {
        request: REQUEST.to_owned(),
        status,
        problem: error.to_string(),
        body: String::new(),
    };
    String::from_utf8(body).map_err(not_text)
}
