//! Dkron's http executor: what it sends, and what it calls a success (FACTS 21 to 23).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use regex::Regex;
use tokio::net::TcpStream;

use crate::core::Core;
use crate::job::Job;

/// The last bytes of a longer output are kept.
pub(crate) const MAX_OUTPUT: usize = 256_000;

/// Seconds, where `timeout` is absent or no number.
const DEFAULT_TIMEOUT: u64 = 30;

/// How a run ended.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) output: String,
}

impl Outcome {
    /// Of an executor whose process has ended.
    pub(crate) fn exited() -> Self {
        Self {
            success: false,
            output: "rpc error: code = Unavailable desc = connection error: desc = \"transport: error while dialing: \
                     dial unix /tmp/plugin1: connect: connection refused\"\n"
                .to_owned(),
        }
    }
}

/// Why the executor returns an error.
enum Failure {
    /// With its words before the output.
    Error(String),
    /// Its process dies, and every later run on this node fails (FACTS 22b).
    Crash,
}

/// Runs the job's request from a node.
pub(crate) async fn execute(core: &Core, node: usize, job: &Job) -> Outcome {
    let mut output = Vec::new();
    let failure = attempt(core, job, &mut output).await.err();
    if output.len() > MAX_OUTPUT {
        output.drain(..output.len() - MAX_OUTPUT);
    }
    let output = String::from_utf8_lossy(&output);
    match failure {
        None => Outcome { success: true, output: output.into_owned() },
        Some(Failure::Error(error)) => Outcome { success: false, output: format!("{error}\n{output}") },
        Some(Failure::Crash) => {
            core.lock().cluster.nodes[node].exited.insert("http".to_owned());
            Outcome {
                success: false,
                output: "rpc error: code = Unavailable desc = error reading from server: EOF\n".to_owned(),
            }
        }
    }
}

async fn attempt(core: &Core, job: &Job, output: &mut Vec<u8>) -> Result<(), Failure> {
    if !job.config("debug").is_empty() {
        let config: Vec<String> =
            job.executor_config.iter().flatten().map(|(key, value)| format!("{key:?}:{value:?}")).collect();
        output.extend_from_slice(format!("Config: map[string]string{{{}}}\n", config.join(", ")).as_bytes());
    }
    let (method, url) = (job.config("method"), job.config("url"));
    if url.is_empty() {
        return Err(Failure::Error("url is empty".to_owned()));
    }
    if method.is_empty() {
        return Err(Failure::Error("method is empty".to_owned()));
    }
    let method =
        Method::from_str(method).map_err(|_| Failure::Error(format!("net/http: invalid method \"{method}\"")))?;
    let headers = headers(job.config("headers"), output)?;
    if let Some(warning) = timeout_warning(job.config("timeout")) {
        output.extend_from_slice(warning.as_bytes());
    }
    let sent = send(core, &method, url, headers, job.config("body"));
    let limit = timeout(job.config("timeout"));
    let answer = match limit {
        Some(limit) => tokio::time::timeout(limit, sent).await.unwrap_or_else(|_| {
            Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned())
        }),
        None => sent.await,
    };
    let (status, body) = answer.map_err(|error| {
        let mut operation = method.as_str().to_lowercase();
        if let Some(first) = operation.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Failure::Error(format!("{operation} \"{url}\": {error}"))
    })?;
    output.extend_from_slice(&body);

    // A substring test: `200` also matches in `1200`, `2xx` never (FACTS 22c).
    let expected = job.config("expectCode");
    if !expected.is_empty() && !format!("{expected},").contains(&format!("{status},")) {
        return Err(Failure::Error("received response code does not match the expected code".to_owned()));
    }
    let expected = job.config("expectBody");
    if !expected.is_empty()
        && !Regex::new(expected).is_ok_and(|pattern| pattern.is_match(&String::from_utf8_lossy(&body)))
    {
        return Err(Failure::Error("received response body did not match the expected body".to_owned()));
    }
    Ok(())
}

/// A JSON list of `Name: value`; anything else is dropped with one line, and a value is cut at its second colon (FACTS 22).
fn headers(text: &str, output: &mut Vec<u8>) -> Result<Vec<(String, String)>, Failure> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Ok(lines) = serde_json::from_str::<Vec<String>>(text) else {
        output.extend_from_slice(b"Error: parsing headers failed\n");
        return Ok(Vec::new());
    };
    lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut parts = line.split(':');
            match (parts.next(), parts.next()) {
                (Some(name), Some(value)) => Ok((name.to_owned(), value.trim().to_owned())),
                _ => Err(Failure::Crash),
            }
        })
        .collect()
}

/// Seconds; none at all for zero and below.
fn timeout(text: &str) -> Option<Duration> {
    match text.parse::<i64>() {
        Ok(seconds) => u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs),
        Err(_) => Some(Duration::from_secs(DEFAULT_TIMEOUT)),
    }
}

fn timeout_warning(text: &str) -> Option<String> {
    (!text.is_empty() && text.parse::<i64>().is_err()).then(|| {
        format!(
            "Warning: invalid timeout value: \"{text}\" not understood (strconv.Atoi: parsing \"{text}\": invalid syntax), \
             using default value of {DEFAULT_TIMEOUT}.\n"
        )
    })
}

async fn send(
    core: &Core,
    method: &Method,
    url: &str,
    headers: Vec<(String, String)>,
    body: &str,
) -> Result<(u16, Bytes), String> {
    let uri: Uri = url.parse().map_err(|_| "invalid URL".to_owned())?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("unsupported protocol scheme \"{}\"", uri.scheme_str().unwrap_or_default()));
    }
    let host = uri.host().unwrap_or_default();
    let address = resolve(core, host, uri.port_u16().unwrap_or(80))?;
    let stream = TcpStream::connect(address).await.map_err(|error| {
        // "Connection refused (os error 111)": Go says it in small letters, and without the number.
        let words = error.to_string().to_lowercase();
        let words = words.split(" (os error").next().unwrap_or_default();
        format!("dial tcp {address}: connect: {words}")
    })?;

    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(target)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|_| "invalid URL".to_owned())?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Go-http-client/1.1"));
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in headers {
        // Go takes the host from the URL alone.
        if name.eq_ignore_ascii_case("host") {
            continue;
        }
        let header =
            HeaderName::try_from(&name).map_err(|_| format!("net/http: invalid header field name {name:?}"))?;
        let value =
            HeaderValue::try_from(value).map_err(|_| format!("net/http: invalid header field value for \"{name}\""))?;
        request.headers_mut().insert(header, value);
    }
    let host = HeaderValue::try_from(authority).map_err(|_| "invalid URL host".to_owned())?;
    request.headers_mut().insert(HOST, host);

    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|_| "EOF".to_owned())?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|_| "unexpected EOF".to_owned())?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(exchange);
    // The connection is driven here and not by a task of its own, so that it ends when the run does.
    tokio::select! {
        answer = &mut exchange => answer,
        _ended = connection => exchange.await,
    }
}

/// Loopback and the names that the test has given; nothing else is ever asked.
fn resolve(core: &Core, host: &str, port: u16) -> Result<SocketAddr, String> {
    if let Some(address) = core.hosts.get(host) {
        return Ok(*address);
    }
    let ip = if host == "localhost" { Some(IpAddr::from([127, 0, 0, 1])) } else { host.parse::<IpAddr>().ok() };
    ip.filter(IpAddr::is_loopback)
        .map(|ip| SocketAddr::new(ip, port))
        .ok_or_else(|| format!("dial tcp: lookup {host}: no such host"))
}
