//! Data tables from a URL of the cluster: module data-api answers with the table `cache_param` itself.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this module talks to the network and waits")]

use std::cell::RefCell;
use std::time::Duration;

use backon::Retryable;
use reqwest::redirect;
use tokio::time::timeout;
use tracing::info;
use url::Url;

use crate::dkron::{Failure, Tls, backoff, excerpt, seconds};
use crate::render::{Problem, Source, TableFormat};
use crate::report;
use crate::table::Table;

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
        cause: String,
    },
}

/// Why one try gave no table.
#[derive(Debug, thiserror::Error)]
enum Cause {
    /// No answer, or one that says no.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Bytes that are no text.
    #[error("{REQUEST} answered 200, but with no UTF-8 text: {0}")]
    NoText(#[from] std::string::FromUtf8Error),
    /// No table: the page of a gateway whose service is not up yet, a list that is not filled yet.
    #[error("{REQUEST} answered 200, but {problem}{}; {}", begins_with(.body), problem.remedy())]
    NoTable {
        /// What is wrong with it.
        problem: Problem,
        /// The whole of it.
        body: String,
    },
}

impl Cause {
    /// Whether another try would give the same: a refusal, a redirect, which is not followed, or far too much. A 404 is none:
    /// a gateway gives it until it knows the service.
    fn is_final(&self) -> bool {
        match self {
            Self::Failure(Failure::Status { status: 404, .. }) | Self::NoText(_) | Self::NoTable { .. } => false,
            Self::Failure(Failure::Status { status: 300..=399, .. } | Failure::TooLong { .. }) => true,
            Self::Failure(failure) => failure.is_final(),
        }
    }
}

/// The beginning of what is no JSON, to tell a gateway's page by. Of JSON nothing is shown: rows may hold secrets.
fn begins_with(body: &str) -> String {
    let text = body.trim_start();
    if text.is_empty() || text.starts_with(['{', '[']) {
        return String::new();
    }
    format!("; it begins with `{}`", excerpt(text.as_bytes()))
}

/// Fetches a table of JSON rows. The URL's fragment is the JSON pointer to them (`…/cache_params#/items`). Whatever
/// may get better is tried again, with backoff, until the limit is reached; an answer without rows, too.
///
/// # Errors
/// A [`FetchError`].
pub async fn table(source: &str, tls: &Tls, limits: Limits) -> Result<Table, FetchError> {
    let mut url = Url::parse(source).map_err(|cause| FetchError::Url { shown: report::shown_source(source), cause })?;
    let pointer = url.fragment().map(ToOwned::to_owned);
    url.set_fragment(None);
    let shown = report::shown_url(&url);
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.config())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(limits.request)
        .build()
        .map_err(|error| FetchError::Refused {
            url: shown.clone(),
            cause: broken(error, limits.request).to_string(),
        })?;
    let pointer = pointer.as_deref().filter(|pointer| !pointer.is_empty());
    let last = RefCell::new(None);
    let fetch = (|| attempt(&client, &url, pointer, limits.request))
        .retry(backoff())
        .when(|cause| !cause.is_final())
        .notify(|cause: &Cause, _| {
            // An answer of the wrong shape is news after the silence before it.
            let kind = std::mem::discriminant(cause);
            let before = last.replace(Some((kind, cause.to_string())));
            if before.is_none_or(|(before, _)| before != kind) {
                info!(url = shown, %cause, "waiting for a data table");
            }
        });
    match timeout(limits.whole, fetch).await {
        Ok(Ok(table)) => Ok(table),
        Ok(Err(cause)) => Err(FetchError::Refused { url: shown, cause: cause.to_string() }),
        Err(_) => {
            let last = last.take().map_or_else(|| "no answer to any request".to_owned(), |(_, cause)| cause);
            Err(FetchError::TimedOut { url: shown, waited: limits.whole, last })
        }
    }
}

/// What a request for a table is called in messages; its URL stands beside it.
const REQUEST: &str = "GET";

fn broken(error: reqwest::Error, limit: Duration) -> Failure {
    Failure::of_reqwest(REQUEST, error, limit)
}

async fn attempt(client: &reqwest::Client, url: &Url, pointer: Option<&str>, limit: Duration) -> Result<Table, Cause> {
    let source = Source { file: report::shown_url(url), text: String::from_utf8(get(client, url, limit).await?)? };
    Table::parse(&source, TableFormat::Json, pointer).map_err(|problem| Cause::NoTable { problem, body: source.text })
}

async fn get(client: &reqwest::Client, url: &Url, limit: Duration) -> Result<Vec<u8>, Failure> {
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
    if status == 200 { Ok(body) } else { Err(Failure::Status { request, status, body: excerpt(&body) }) }
}
