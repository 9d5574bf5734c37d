//! One way to one address: requests go out and whole answers come back.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::{Method, redirect};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::Url;

use super::answer::Answer;
use super::error::seconds;
use super::list::{Collect, Early};
use super::{Dkron, Failure};

/// The longest list that is read, in bytes. One of 50,000 jobs has about a tenth of it.
const LONGEST_LIST: usize = 256 << 20;
/// The longest answer to anything else: one job, or the page of a gateway. A container's memory is small.
const LONGEST_ANSWER: usize = 8 << 20;
/// The list of all jobs.
pub(super) const LIST: &str = "/v1/jobs";

/// Connections of one pool, pinned to one address: a Service's name may stand for several Dkrons, and reads must come from one.
#[derive(Debug, Clone)]
pub(super) struct Conn {
    client: reqwest::Client,
    dkron: Dkron,
    address: SocketAddr,
}

impl Conn {
    /// A new pool, so its first request opens a new connection.
    pub(super) fn new(dkron: &Dkron, address: SocketAddr) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(dkron.tls.config())
            .default_headers(dkron.headers.clone())
            // Dkron redirects nothing; a proxy that wants a login would be taken for a good answer, and get our credentials.
            .redirect(redirect::Policy::none())
            // Dkron is a service of the cluster: a proxy for the outside world is not on the way.
            .no_proxy()
            .user_agent(concat!("dkron-jobs/", env!("CARGO_PKG_VERSION")))
            .timeout(dkron.request_timeout);
        if let Some(host) = dkron.url.host_str() {
            builder = builder.resolve(host, address);
        }
        let client = builder
            .build()
            .map_err(|error| Failure::of_reqwest("building the client", error, dkron.request_timeout))?;
        Ok(Self { client, dkron: dkron.clone(), address })
    }

    /// Another pool to the same address, with no connection yet.
    pub(super) fn another(&self) -> Self {
        // The same client was built before from the same settings; if it cannot be now, this one serves.
        Self::new(&self.dkron, self.address).unwrap_or_else(|_| self.clone())
    }

    /// The limit of one request.
    pub(super) fn request_timeout(&self) -> Duration {
        self.dkron.request_timeout
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, None, LONGEST_ANSWER).await
    }

    /// An answer that grows with the number of jobs.
    pub(super) async fn get_long(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, None, LONGEST_LIST).await
    }

    /// `body` is JSON.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.send(Method::POST, path, Some(body), LONGEST_ANSWER).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::DELETE, path, None, LONGEST_ANSWER).await
    }

    /// `GET /v1/jobs`, read into `early` while it arrives.
    pub(super) async fn list<C: Collect>(&self, early: &mut Early<C>) -> Result<Answer, Failure> {
        let read = |body: &[u8], total: Option<usize>| early.read(body, total.unwrap_or_default());
        self.send_watched(Method::GET, LIST, None, LONGEST_LIST, read).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>, limit: usize) -> Result<Answer, Failure> {
        self.send_watched(method, path, body, limit, |_, _| {}).await
    }

    /// Sends a request, and shows what has come of the answer so far, with its `X-Total-Count`, to `watch`.
    async fn send_watched(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: usize,
        mut watch: impl FnMut(&[u8], Option<usize>),
    ) -> Result<Answer, Failure> {
        let label = format!("{method} {path}");
        let broken = |error| Failure::of_reqwest(&label, error, self.dkron.request_timeout);
        let mut request = self.client.request(method, endpoint(&self.dkron.url, path));
        if let Some(body) = body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = request.send().await.map_err(broken)?;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let (whom, status) = (header("x-whom"), response.status().as_u16());
        let total = header("x-total-count").and_then(|total| total.parse().ok());
        let date = header("date").and_then(|date| rfc2822::parse(&date).ok()).map(|date| date.timestamp());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > limit {
                return Err(Failure::TooLong { request: label, limit });
            }
            body.extend_from_slice(&chunk);
            watch(&body, total);
        }
        Ok(Answer { request: label, status, whom, total, date, body })
    }
}

/// The addresses behind the host's name, which the resolver may take `limit` to find.
pub(super) async fn addresses(url: &Url, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let name = |cause: String| Failure::Name { host: host.to_owned(), cause };
    // A literal IPv6 address stands in brackets in a URL, and without them for the resolver.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(found) = timeout(limit, lookup_host((bare, port))).await else {
        return Err(name(format!("the resolver has not answered within {}", seconds(limit))));
    };
    let mut addresses: Vec<_> = found.map_err(|error| name(error.to_string()))?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() { Err(name("no address".to_owned())) } else { Ok(addresses) }
}

/// The base URL with an API path behind its own; `path` may have a query, which is percent-encoded already.
fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{prefix}{path}"));
    url.set_query(query);
    url
}
