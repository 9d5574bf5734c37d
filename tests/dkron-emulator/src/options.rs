//! How to start, and how to start again.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::schedule::Lateness;
use crate::version::Version;

/// The key of the cluster's encryption on each node's command line, unless [`Options::encrypt_key`] gives another: made up, for
/// a test to look for it where it must not be.
pub const ENCRYPT_KEY: &str = "ZW11bGF0b3ItbWFkZS11cA==";

/// What to start. One node of Dkron 4.1.2 on a free port of 127.0.0.1, unless said otherwise.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, and off unless asked for")]
pub struct Options {
    pub(crate) port: u16,
    pub(crate) everywhere: bool,
    pub(crate) nodes: usize,
    version: Version,
    node_versions: Vec<(usize, Version)>,
    pub(crate) own_addresses: bool,
    pub(crate) balancer: bool,
    pub(crate) lag: Duration,
    pub(crate) run_window: Duration,
    pub(crate) hosts: Vec<(String, SocketAddr)>,
    pub(crate) lateness: Lateness,
    pub(crate) encrypt_key: String,
    pub(crate) stale_after: SignedDuration,
    pub(crate) shell: bool,
}

impl Options {
    /// One node on a free port.
    #[expect(clippy::new_without_default, reason = "options are written out, never taken silently")]
    pub fn new() -> Self {
        Self {
            port: 0,
            everywhere: false,
            nodes: 1,
            version: Version::V4_1,
            node_versions: Vec::new(),
            own_addresses: false,
            balancer: false,
            lag: Duration::ZERO,
            run_window: Duration::ZERO,
            hosts: Vec::new(),
            lateness: Lateness::default(),
            encrypt_key: ENCRYPT_KEY.to_owned(),
            stale_after: SignedDuration::from_hours(4),
            shell: false,
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

    /// Which Dkron the nodes are.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Another Dkron on this node, from 0, as in the midst of a rolling upgrade (FACTS 43).
    #[must_use]
    pub fn node_version(mut self, node: usize, version: Version) -> Self {
        self.node_versions.push((node, version));
        self
    }

    pub(crate) fn versions(&self) -> Vec<Version> {
        let mut versions = vec![self.version; self.nodes];
        for (node, version) in &self.node_versions {
            versions[*node] = *version;
        }
        versions
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

    /// How old an execution that never ended must be for a 4.1 to end it, so that it blocks a `forbid` no longer; four hours
    /// otherwise (FACTS 34).
    #[must_use]
    pub fn stale_after(self, stale_after: Duration) -> Self {
        Self { stale_after: signed(stale_after), ..self }
    }

    /// Shell jobs really run, on this machine and as this user. Otherwise their runs fail as those of an unknown executor.
    #[must_use]
    pub fn shell(self) -> Self {
        Self { shell: true, ..self }
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
    pub(crate) version: Option<Version>,
    pub(crate) has_snapshot: bool,
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
            version: None,
            has_snapshot: false,
        }
    }

    /// Only this node. Where it led, the next one does, after `leader_after`; connections that the balancer gave it are reset
    /// at their next request.
    #[must_use]
    pub fn node(self, node: usize) -> Self {
        Self { node: Some(node), ..self }
    }

    /// As another Dkron. A 4.0 lacks the jobs that it cannot read, and their children (FACTS 43, 44).
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version: Some(version), ..self }
    }

    /// With jobs that have come into a snapshot of the log: an older Dkron lists those too that it cannot read, and its scheduler
    /// does not start until they are deleted (FACTS 44).
    #[must_use]
    pub fn from_snapshot(self) -> Self {
        Self { has_snapshot: true, ..self }
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
