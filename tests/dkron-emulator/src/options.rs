//! How to start, and how to start again.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::schedule::Lateness;

/// The key of the cluster's encryption on each node's command line, unless [`Options::encrypt_key`] gives another: made up, for
/// a test to look for it where it must not be.
pub const ENCRYPT_KEY: &str = "ZW11bGF0b3ItbWFkZS11cA==";

/// What to start. One node on a free port of 127.0.0.1, unless said otherwise.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) port: u16,
    pub(crate) everywhere: bool,
    pub(crate) nodes: usize,
    pub(crate) own_addresses: bool,
    pub(crate) balancer: bool,
    pub(crate) lag: Duration,
    pub(crate) run_window: Duration,
    pub(crate) hosts: Vec<(String, SocketAddr)>,
    pub(crate) lateness: Lateness,
    pub(crate) encrypt_key: String,
}

impl Options {
    /// One node on a free port.
    #[expect(clippy::new_without_default, reason = "options are written out, never taken silently")]
    pub fn new() -> Self {
        Self {
            port: 0,
            everywhere: false,
            nodes: 1,
            own_addresses: false,
            balancer: false,
            lag: Duration::ZERO,
            run_window: Duration::ZERO,
            hosts: Vec::new(),
            lateness: Lateness::default(),
            encrypt_key: ENCRYPT_KEY.to_owned(),
        }
    }

    /// The port of the first node; further nodes on 127.0.0.1 take the ports above it. 0 for free ones.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Answer on every address of the machine and not only on loopback: for a container, where the machine is a pod.
    #[must_use]
    pub fn everywhere(self) -> Self {
        Self { everywhere: true, ..self }
    }

    /// How many nodes; the first one leads.
    #[must_use]
    pub fn nodes(self, nodes: usize) -> Self {
        Self { nodes, ..self }
    }

    /// Each node on its own loopback address (127.0.0.1, 127.0.0.2, …) with the same port, as the pods behind one host name.
    #[must_use]
    pub fn own_addresses(self) -> Self {
        Self { own_addresses: true, ..self }
    }

    /// One more address that hands each new connection to the next node, as a Service does.
    #[must_use]
    pub fn balancer(self) -> Self {
        Self { balancer: true, ..self }
    }

    /// How much later than the leader the followers apply a write.
    #[must_use]
    pub fn lag(self, lag: Duration) -> Self {
        Self { lag, ..self }
    }

    /// How long a run has a job in hand before it writes it back whole: what is posted meanwhile is lost (FACTS 16b).
    #[must_use]
    pub fn run_window(self, run_window: Duration) -> Self {
        Self { run_window, ..self }
    }

    /// How long each later leader, also the same node after its restart, waits between the reading of its jobs and the start of
    /// its scheduler. What is written in between is stored and not scheduled (FACTS 36, 37).
    #[must_use]
    pub fn scheduler_delay(mut self, delay: Duration) -> Self {
        self.lateness.wait = signed(delay);
        self
    }

    /// How long such a leader then takes to add its jobs, one after another: a write to a job that it has not added yet is
    /// undone, all others stand (FACTS 37b).
    #[must_use]
    pub fn scheduler_load(mut self, load: Duration) -> Self {
        self.lateness.load = signed(load);
        self
    }

    /// The key on each node's command line, which `/debug/vars` shows.
    #[must_use]
    pub fn encrypt_key(self, key: &str) -> Self {
        Self { encrypt_key: key.to_owned(), ..self }
    }

    /// A host name that the http executor finds at this address, whatever the port in the job's URL.
    #[must_use]
    pub fn host(mut self, name: &str, address: SocketAddr) -> Self {
        self.hosts.push((name.to_owned(), address));
        self
    }
}

/// The same time, as instants take it.
pub(crate) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// How a restart goes.
#[derive(Debug, Clone, Copy)]
pub struct RestartOptions {
    pub(crate) node: Option<usize>,
    pub(crate) down: Duration,
    pub(crate) leader_after: Duration,
    pub(crate) replay: Duration,
}

impl RestartOptions {
    /// All nodes, 20 ms down; the leader is known 100 ms after they answer again, their logs are read after 300 ms.
    #[expect(clippy::new_without_default, reason = "options are written out, never taken silently")]
    pub fn new() -> Self {
        Self {
            node: None,
            down: Duration::from_millis(20),
            leader_after: Duration::from_millis(100),
            replay: Duration::from_millis(300),
        }
    }

    /// Only this node. Where it led, the next one does, after `leader_after`; connections that the balancer gave it are reset
    /// at their next request.
    #[must_use]
    pub fn node(self, node: usize) -> Self {
        Self { node: Some(node), ..self }
    }

    /// How long nobody listens.
    #[must_use]
    pub fn down(self, down: Duration) -> Self {
        Self { down, ..self }
    }

    /// From the first answer until a leader is known; longer than `replay` for a leader that comes late.
    #[must_use]
    pub fn leader_after(self, leader_after: Duration) -> Self {
        Self { leader_after, ..self }
    }

    /// From the first answer until the log is read: until then lists are partial, and the leader lets writes wait.
    #[must_use]
    pub fn replay(self, replay: Duration) -> Self {
        Self { replay, ..self }
    }
}
