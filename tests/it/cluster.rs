//! Real Dkron nodes on loopback, and what can happen to one of them.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::server::try_call;

/// How long a real Dkron may take until it has a leader, and how often it is started again when it finds none.
const READY: Duration = Duration::from_secs(20);
const FORMATIONS: usize = 4;
/// How long a node that was told to stop may take.
const STOP: Duration = Duration::from_secs(15);

/// Nodes on ports of their own, each the leader of a process group with its executors.
pub(crate) struct Cluster {
    binary: PathBuf,
    data: TempDir,
    /// HTTP, RPC and Serf of each node.
    ports: Vec<[u16; 3]>,
    /// `None` is a node that was ended.
    nodes: Vec<Option<Child>>,
    /// The node that does nothing at the moment, as on a machine without time for it.
    frozen: Option<usize>,
}

impl Cluster {
    pub(crate) fn start(binary: &str, nodes: usize) -> Self {
        for _ in 0..FORMATIONS {
            let ports = (0..nodes).map(|_| free_ports()).collect();
            let data = TempDir::new().expect("a temporary folder");
            let nodes = (0..nodes).map(|_| None).collect();
            let mut cluster = Self { binary: PathBuf::from(binary), data, ports, nodes, frozen: None };
            cluster.start_all();
            if cluster.forms_within(READY) {
                return cluster;
            }
        }
        panic!("{FORMATIONS} times in a row, {nodes} nodes of {binary} found no leader within {READY:?}");
    }

    fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.start_node(node);
        }
    }

    /// Starts a node, on the data that it had.
    pub(crate) fn start_node(&mut self, node: usize) {
        let [web, rpc, gossip] = self.ports[node];
        let name = format!("d{}", node + 1);
        let mut command = Command::new(&self.binary);
        command
            .args(["agent", "--server", "--disable-usage-stats", "--log-level=error", "--retry-interval=1s"])
            .arg(format!("--node-name={name}"))
            .arg(format!("--bootstrap-expect={}", self.ports.len()))
            .arg(format!("--bind-addr=127.0.0.1:{gossip}"))
            .arg(format!("--advertise-addr=127.0.0.1:{gossip}"))
            .arg(format!("--http-addr=127.0.0.1:{web}"))
            .arg(format!("--rpc-port={rpc}"))
            .arg(format!("--data-dir={}", self.data.path().join(name).display()));
        for [_, _, serf] in &self.ports {
            command.arg(format!("--retry-join=127.0.0.1:{serf}"));
        }
        let child = command
            .current_dir(self.data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        self.nodes[node] = Some(child.expect("DKRON_BIN starts"));
    }

    pub(crate) fn url(&self, node: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[node][0])
    }

    /// The version that it says it is.
    pub(crate) fn version(&self) -> String {
        version(&self.url(0))
    }

    /// Whether each node passes a write on to a leader in time. That a leader is known is not enough: nodes that start at
    /// the same instant can each begin a cluster of their own, and then none of them ever leads for long.
    pub(crate) fn forms_within(&self, limit: Duration) -> bool {
        let start = Instant::now();
        let orphan = r#"{"name":"orphan","parent_job":"nobody","schedule":"@manually","executor":"shell"}"#;
        (0..self.ports.len()).all(|node| {
            let jobs = format!("{}/v1/jobs", self.url(node));
            while try_call("POST", &jobs, orphan).is_none_or(|(status, _)| status != 404) {
                if start.elapsed() > limit {
                    return false;
                }
                thread::sleep(Duration::from_millis(50));
            }
            true
        })
    }

    /// The nodes that run.
    pub(crate) fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].is_some() && self.frozen != Some(*node))
    }

    /// The one node that says of itself that it leads.
    pub(crate) fn leader(&self) -> Option<usize> {
        let leads = |node: &usize| {
            try_call("GET", &format!("{}/v1/isleader", self.url(*node)), "").is_some_and(|(s, _)| s == 200)
        };
        let mut leaders = self.living().filter(leads);
        leaders.next().filter(|_| leaders.next().is_none())
    }

    /// What a node shows of itself, its scheduler among it.
    pub(crate) fn vars(&self, node: usize) -> Option<Value> {
        let answer = http::send(&self.url(node), "GET", "/debug/vars", "", "").ok()?;
        serde_json::from_slice(&answer.body).ok()
    }

    /// The leader, where its scheduler runs.
    pub(crate) fn scheduling_leader(&self) -> Option<usize> {
        self.leader().filter(|leader| self.vars(*leader).is_some_and(|vars| vars["scheduler_started"] == 1))
    }

    /// Ends a node as a crash would, and with it its executors.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.nodes[node].take() {
            signal_group("KILL", &child);
            let _ = child.wait();
        }
    }

    /// Stops a node as a pod is stopped: SIGTERM, and some seconds.
    pub(crate) fn stop(&mut self, node: usize) {
        let child = self.nodes[node].as_mut().expect("a node that runs");
        let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(stopped.is_ok_and(|status| status.success()), "a node of this test is stopped");
        let start = Instant::now();
        while child.try_wait().expect("a node of this test").is_none() && start.elapsed() < STOP {
            thread::sleep(Duration::from_millis(20));
        }
        self.kill(node);
    }

    /// Lets a node do nothing until [`Cluster::thaw`].
    pub(crate) fn freeze(&mut self, node: usize) {
        signal_group("STOP", self.nodes[node].as_ref().expect("a node that runs"));
        self.frozen = Some(node);
    }

    pub(crate) fn thaw(&mut self) {
        if let Some(child) = self.frozen.take().and_then(|node| self.nodes[node].as_ref()) {
            signal_group("CONT", child);
        }
    }

    /// Ends all nodes as a crash would, and starts them again; returns at once.
    pub(crate) fn restart(&mut self) {
        self.kill_all();
        self.start_all();
    }

    /// All are ended before any of them is waited for.
    fn kill_all(&mut self) {
        self.nodes.iter().flatten().for_each(|child| signal_group("KILL", child));
        (0..self.nodes.len()).for_each(|node| self.kill(node));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// The version of the Dkron at this address.
pub(crate) fn version(url: &str) -> String {
    let answer = try_call("GET", &format!("{url}/v1"), "").map(|(_, answer)| answer);
    let version = answer.as_ref().and_then(|answer| answer["agent"]["version"].as_str());
    version.unwrap_or_else(|| panic!("no version in {answer:?}")).to_owned()
}

/// To the node and its executors. It may be gone already.
fn signal_group(name: &str, child: &Child) {
    let group = format!("-{}", child.id());
    let sent = Command::new("kill").args([&format!("-{name}"), "--", &group]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "SIG{name} is sent");
}

fn free_ports() -> [u16; 3] {
    // Held together, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("its address").port())
}
