//! The only HTTP to a Dkron in the crate: waiting until it can be trusted, reading it, writing to it.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this module talks to the network and waits")]

mod answer;
mod conn;
mod error;
mod health;
mod list;
mod members;
mod nodes;
mod observe;
mod runs;
mod session;
mod tls;
mod trust;
mod version;

use std::time::Duration;

use backon::ExponentialBuilder;
use reqwest::header::HeaderMap;
use url::Url;

pub(crate) use self::answer::excerpt;
pub(crate) use self::error::seconds;
pub use self::error::{Failure, WaitError};
pub use self::list::{Collect, decode_jobs};
pub use self::members::{Member, Status, TooOld, knows_after};
pub use self::nodes::NodeHealth;
pub use self::runs::{Before, Ran, RunError, Runner};
pub use self::session::{Proof, Session, Written};
pub use self::tls::{Tls, TlsError};
pub use self::trust::{Phase, Reading, Role};

/// Where Dkron is and how to talk to it.
#[derive(Debug, Clone)]
pub struct Dkron {
    /// The base URL, `http://dkron:8080`; a path is kept as a prefix.
    pub url: Url,
    /// Sent with every request, credentials among them.
    pub headers: HeaderMap,
    /// Certificates to trust and to show.
    pub tls: Tls,
    /// The limit of one request, from connecting to the last byte.
    pub request_timeout: Duration,
    /// The limit of waiting as a whole: until Dkron can be trusted, or since it last accepted a write.
    pub wait_timeout: Duration,
}

/// Exponential with jitter, from 50 ms, capped at 500 ms: a Dkron that becomes ready is noticed within half a second. The
/// jitter adds up to as much again, so half of it is the cap. A `Retry-After` is not heeded: it is what a gateway guesses, half a
/// minute as a rule, and a release would wait that long for a Dkron that is back at once; the cap is gentle enough for one client.
pub(crate) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_millis(250))
        .with_jitter()
        .without_max_times()
}
