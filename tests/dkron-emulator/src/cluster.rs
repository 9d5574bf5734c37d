//! The nodes: which of them leads, how far the others lag, which of them replays its log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::job::Job;
use crate::schedule::{Lateness, Scheduler};
use crate::store::{Change, Jobs, Store};
use crate::version::Version;

/// One server of the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) ip: String,
    pub(crate) version: Version,
    /// Does not answer at all.
    pub(crate) down: bool,
    /// `POST /v1/pause` is each node's own.
    pub(crate) paused: bool,
    /// Executors whose process has ended, until a restart: a header without a colon ends that of `http` (FACTS 22b).
    pub(crate) exited: BTreeSet<String>,
    /// It has jobs that its version cannot read: they came with a snapshot, and not with the log (FACTS 44).
    pub(crate) has_snapshot: bool,
    pub(crate) scheduler: Scheduler,
    pub(crate) process: Process,
    lag: Duration,
    view: Option<View>,
    replay: Option<Replay>,
}

/// The memory of one process, from its start to its end.
#[derive(Debug)]
pub(crate) struct Process {
    started: Instant,
    allocated: u64,
}

impl Process {
    /// One that has been running for some time.
    fn new() -> Self {
        Self { started: Instant::now(), allocated: 1 << 34 }
    }

    /// Bytes allocated so far: this only grows while the process lives.
    pub(crate) fn total_alloc(&self) -> u64 {
        self.allocated.saturating_add(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The next process has allocated less (FACTS 37c).
    fn restart(&mut self) {
        *self = Self { started: Instant::now(), allocated: self.total_alloc() / 2 };
    }
}

/// What a follower has applied.
#[derive(Debug)]
struct View {
    jobs: Jobs,
    applied: u64,
}

/// A log that is being replayed (FACTS 3).
#[derive(Debug)]
struct Replay {
    /// The positions of all jobs, in order.
    positions: Vec<u64>,
    begun: Instant,
    takes: Duration,
}

/// What a write finds where it looks for the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// No leader is known: writes fail at once.
    None,
    /// There is one, and it has not applied its whole log: writes wait.
    Replaying,
    /// There is one, and it answers.
    Ready(usize),
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    leader: Option<usize>,
    /// Lost for good, as after the restart of a node whose peers are gone: its list is empty (FACTS 5).
    no_quorum: bool,
}

impl Cluster {
    pub(crate) fn new(servers: Vec<(String, Version)>, lag: Duration) -> Self {
        let nodes = servers
            .into_iter()
            .zip(1..)
            .map(|((ip, version), number)| Node {
                name: format!("d{number}"),
                ip,
                version,
                down: false,
                paused: false,
                exited: BTreeSet::new(),
                has_snapshot: false,
                scheduler: Scheduler::new(version),
                process: Process::new(),
                lag,
                view: None,
                replay: None,
            })
            .collect();
        Self { nodes, leader: Some(0), no_quorum: false }
    }

    /// The leader, where one is known.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.leader
    }

    /// The leader's version, or the first node's.
    pub(crate) fn version(&self) -> Version {
        self.nodes[self.leader.unwrap_or(0)].version
    }

    pub(crate) fn leadership(&self) -> Leadership {
        match self.leader {
            None => Leadership::None,
            Some(leader) if self.nodes[leader].replay.is_some() => Leadership::Replaying,
            Some(leader) => Leadership::Ready(leader),
        }
    }

    /// Whether some node is down or replays its log.
    pub(crate) fn is_replaying(&self) -> bool {
        self.nodes.iter().any(|node| node.down || node.replay.is_some())
    }

    /// The leader goes; who follows is for `elect` to say.
    pub(crate) fn depose(&mut self, no_quorum: bool, store: &mut Store) {
        if let Some(old) = self.leader.take() {
            self.nodes[old].scheduler.stop();
            if no_quorum {
                self.nodes[old].end_process();
            }
            self.start_view(old, store);
        }
        self.no_quorum = no_quorum;
    }

    /// A new leader has every acknowledged write: only such a node is elected.
    pub(crate) fn elect(&mut self, node: usize, store: &mut Store) {
        if let Some(old) = self.leader.filter(|old| *old != node) {
            self.nodes[old].scheduler.stop();
            self.start_view(old, store);
        }
        self.nodes[node].view = None;
        self.leader = Some(node);
        self.no_quorum = false;
        self.trim(store);
    }

    /// Starts the leader's scheduler once it has read its log.
    pub(crate) fn start_scheduler(&mut self, store: &Store, lateness: Lateness) {
        if let Leadership::Ready(leader) = self.leadership() {
            let jobs = store.jobs().values().map(|stored| Arc::clone(&stored.job)).collect();
            self.nodes[leader].scheduler.start(jobs, lateness, Timestamp::now());
        }
    }

    /// The leader's scheduler, as it is by now.
    pub(crate) fn scheduler(&mut self) -> Option<&mut Scheduler> {
        let scheduler = &mut self.nodes[self.leader?].scheduler;
        scheduler.advance(Timestamp::now());
        Some(scheduler)
    }

    /// Followers apply each write this much later than the leader.
    pub(crate) fn set_lag(&mut self, lag: Duration, store: &mut Store) {
        for index in 0..self.nodes.len() {
            self.catch_up(index, store);
            self.nodes[index].lag = lag;
            if self.leader != Some(index) {
                self.start_view(index, store);
            }
        }
    }

    fn start_view(&mut self, index: usize, store: &mut Store) {
        let node = &mut self.nodes[index];
        if node.lag.is_zero() {
            node.view = None;
        } else if node.view.is_none() {
            store.keep_log = true;
            node.view = Some(View { jobs: store.jobs().clone(), applied: store.log_end() });
        }
        if self.nodes.iter().all(|node| node.lag.is_zero()) {
            store.keep_log = false;
            let end = store.log_end();
            store.trim_log(end);
        }
    }

    /// Views for the nodes that follow from the start.
    pub(crate) fn start_views(&mut self, store: &mut Store) {
        for index in 0..self.nodes.len() {
            if self.leader != Some(index) {
                self.start_view(index, store);
            }
        }
    }

    fn catch_up(&mut self, index: usize, store: &mut Store) {
        let node = &mut self.nodes[index];
        if let Some(view) = &mut node.view
            && let Some(until) = Instant::now().checked_sub(node.lag)
        {
            for change in store.changes(view.applied, until) {
                match change {
                    Change::Put(stored) => view.jobs.insert(stored.job.name.clone(), stored.clone()),
                    Change::Delete(name) => view.jobs.remove(name),
                };
                view.applied += 1;
            }
        }
        self.trim(store);
    }

    fn trim(&self, store: &mut Store) {
        let applied = self.nodes.iter().filter_map(|node| node.view.as_ref()).map(|view| view.applied).min();
        let before = applied.unwrap_or_else(|| store.log_end());
        store.trim_log(before);
    }

    /// Whether a node's version has a job: it drops what it cannot read, and what is a child of that (FACTS 43, 44).
    pub(crate) fn keeps(&self, index: usize, job: &Job, jobs: &Jobs) -> bool {
        let node = &self.nodes[index];
        if node.has_snapshot || node.version >= Version::V4_1 {
            return true;
        }
        let mut next = Some(job);
        for _ in 0..=jobs.len() {
            let Some(job) = next else { return true };
            if !job.schedule.is_empty() && node.version.parse(&job.schedule, &job.name, "").is_err() {
                return false;
            }
            next = jobs.get(&job.parent_job).map(|stored| stored.job.as_ref());
        }
        // A cycle of parents.
        true
    }

    /// The jobs as a node sees them now.
    pub(crate) fn jobs(&mut self, index: usize, store: &mut Store) -> Vec<Arc<Job>> {
        if self.no_quorum {
            return Vec::new();
        }
        self.catch_up(index, store);
        let node = &self.nodes[index];
        let jobs = node.view.as_ref().map_or_else(|| store.jobs(), |view| &view.jobs);
        let last = node.replay.as_ref().map_or(u64::MAX, Replay::reached);
        jobs.values()
            .filter(|stored| stored.position <= last && self.keeps(index, &stored.job, jobs))
            .map(|stored| Arc::clone(&stored.job))
            .collect()
    }

    /// One job as a node sees it now.
    pub(crate) fn job(&mut self, index: usize, name: &str, store: &mut Store) -> Option<Arc<Job>> {
        if self.no_quorum {
            return None;
        }
        self.catch_up(index, store);
        let node = &self.nodes[index];
        let jobs = node.view.as_ref().map_or_else(|| store.jobs(), |view| &view.jobs);
        let last = node.replay.as_ref().map_or(u64::MAX, Replay::reached);
        jobs.get(name)
            .filter(|stored| stored.position <= last && self.keeps(index, &stored.job, jobs))
            .map(|stored| Arc::clone(&stored.job))
    }

    /// A node begins to read its log.
    pub(crate) fn begin_replay(&mut self, index: usize, takes: Duration, store: &Store) {
        let mut positions: Vec<u64> = store.jobs().values().map(|stored| stored.position).collect();
        positions.sort_unstable();
        let node = &mut self.nodes[index];
        node.down = false;
        node.paused = false;
        node.view = None;
        node.replay = Some(Replay { positions, begun: Instant::now(), takes });
    }

    /// A node has read its whole log.
    pub(crate) fn end_replay(&mut self, index: usize, store: &mut Store) {
        self.nodes[index].replay = None;
        if self.leader != Some(index) {
            self.start_view(index, store);
        }
    }

    /// The serf member that `/v1/leader` and `/v1/members` show.
    pub(crate) fn member(&self, index: usize) -> Value {
        json!({
            "Name": self.nodes[index].name,
            "Addr": self.nodes[index].ip,
            "Port": 8946,
            "Tags": self.tags(index),
            "Status": 1,
            "ProtocolMin": 1,
            "ProtocolMax": 5,
            "ProtocolCur": 2,
            "DelegateMin": 2,
            "DelegateMax": 5,
            "DelegateCur": 4,
        })
    }

    /// The serf tags of a node, which a job's `tags` are matched against.
    pub(crate) fn tags(&self, index: usize) -> Value {
        let port = 6868 + index;
        json!({
            "dc": "dc1",
            "expect": self.nodes.len().to_string(),
            "port": port.to_string(),
            "region": "global",
            "role": "dkron",
            "rpc_addr": format!("{}:{port}", self.nodes[index].ip),
            "server": "true",
            "version": self.nodes[index].version.number(),
        })
    }
}

impl Node {
    /// What its process knew ends with it.
    pub(crate) fn end_process(&mut self) {
        self.exited.clear();
        self.scheduler = Scheduler::new(self.version);
        self.process.restart();
    }
}

impl Replay {
    /// The position up to which the log has been read by now.
    fn reached(&self) -> u64 {
        let part =
            if self.takes.is_zero() { 1.0 } else { self.begun.elapsed().as_secs_f64() / self.takes.as_secs_f64() };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count, between 0 and the count"
        )]
        let count = (self.positions.len() as f64 * part.clamp(0.0, 1.0)) as usize;
        count.checked_sub(1).map_or(0, |last| self.positions[last])
    }
}
