//! Data tables from a URL of the cluster: module data-api answers with the table `cache_param` itself.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this module talks to the network and waits")]

use std::cell::RefCell;
use std::time::Duration;

use backon::Retryable;
use reqwest::redirect;
use tokio::time::timeout;
use tracing::info;
use url::Url;

use crate::dkron::{Failure, Tls, backoff, seconds};
use crate::render::{Problems, Source, Table, TableFormat};
use crate::report;

/// The longest table, in bytes.
const LONGEST_TABLE: usize = 64 << 20;

/// How long a fetch may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One request, from connecting to the last byte.
    pub request: Duration,
    /// All of them.
    pub whole: Duration,
}

/// Why a table could not be had from its URL.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no URL.
    #[error("the table's source `{shown}` is no URL: {cause}")]
    Url {
        /// As given, without what may be credentials.
        shown: String,
        /// Why.
        cause: url::ParseError,
    },
    /// The limit of waiting was reached.
    #[error("gave up on the table at {url} after {}: {last}", seconds(*.waited))]
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
/// backoff, until the limit is reached.
///
/// # Errors
/// A [`FetchError`].
pub async fn table(source: &str, tls: &Tls, limits: Limits) -> Result<Table, FetchError> {
    let mut url = Url::parse(source).map_err(|cause| FetchError::Url { shown: without_user(source), cause })?;
    let pointer = url.fragment().map(ToOwned::to_owned);
    url.set_fragment(None);
    let shown = report::shown_url(&url);
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.config())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(limits.request)
        .build()
        .map_err(|error| FetchError::Refused { url: shown.clone(), cause: broken(error, limits.request) })?;
    let last = RefCell::new(None);
    let fetch = (|| get(&client, &url, limits.request)).retry(backoff()).when(|failure| !is_final(failure)).notify(
        |failure: &Failure, _| {
            if last.replace(Some(failure.to_string())).is_none() {
                info!(url = shown, cause = %failure, "waiting for a data table");
            }
        },
    );
    let body = match timeout(limits.whole, fetch).await {
        Ok(Ok(body)) => body,
        Ok(Err(cause)) => return Err(FetchError::Refused { url: shown, cause }),
        Err(_) => {
            let last = last.take().unwrap_or_else(|| "no answer to any request".to_owned());
            return Err(FetchError::TimedOut { url: shown, waited: limits.whole, last });
        }
    };
    let source = Source { file: shown, text: body };
    let parsed = Table::parse(&source, TableFormat::Json, pointer.as_deref().filter(|pointer| !pointer.is_empty()));
    Ok(parsed.map_err(Problems::from)?)
}

/// Whether another try would give the same: a refusal, a redirect, which is not followed, or far too much.
fn is_final(failure: &Failure) -> bool {
    failure.is_final() || matches!(failure, Failure::Status { status: 300..=399, .. } | Failure::TooLong { .. })
}

/// A text that was to be a URL, without what stands before an `@`.
pub(crate) fn without_user(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    // Parameters may be tokens.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    format!("{scheme}://{rest}")
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
