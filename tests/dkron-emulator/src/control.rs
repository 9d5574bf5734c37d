//! Start, restart, election: what happens to the cluster as a whole.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::core::Core;
use crate::options::{Options, RestartOptions};
use crate::runs;
use crate::server::{self, Reach};

/// How often free ports are looked for that all the nodes' addresses have.
const ATTEMPTS: usize = 50;
/// How many connections may wait to be accepted after a restart.
const BACKLOG: u32 = 1024;
/// How long after its time a restart may wait for its own address.
const RESERVED_WITHIN: Duration = Duration::from_secs(10);

/// What the handle asks of the server's thread.
pub(crate) enum Command {
    Restart { options: RestartOptions, done: mpsc::Sender<()> },
    Elect { node: usize, election: Duration, done: mpsc::Sender<()> },
}

/// The bound addresses.
pub(crate) struct Listeners {
    nodes: Vec<TcpListener>,
    balancer: Option<TcpListener>,
}

impl Listeners {
    pub(crate) fn bind(options: &Options) -> io::Result<Self> {
        let mut attempt = 1;
        let nodes = loop {
            match Self::bind_nodes(options) {
                // A free port of one address may be taken on the next.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && options.port == 0 && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                other => break other?,
            }
        };
        let balancer = options.balancer.then(|| bind(SocketAddr::from(([127, 0, 0, 1], 0)))).transpose()?;
        Ok(Self { nodes, balancer })
    }

    fn bind_nodes(options: &Options) -> io::Result<Vec<TcpListener>> {
        let mut nodes: Vec<TcpListener> = Vec::with_capacity(options.nodes);
        for (node, step) in (0..options.nodes).zip(0_u16..) {
            let last = u8::try_from(node + 1).map_err(io::Error::other)?;
            let ip = match (options.own_addresses, options.everywhere) {
                (true, _) => [127, 0, 0, last],
                (false, true) => [0, 0, 0, 0],
                (false, false) => [127, 0, 0, 1],
            };
            let port = match (nodes.first(), options.own_addresses) {
                (Some(first), true) => first.local_addr()?.port(),
                _ if options.port == 0 => 0,
                (_, true) => options.port,
                (_, false) => options.port + step,
            };
            nodes.push(bind(SocketAddr::from((ip, port)))?);
        }
        Ok(nodes)
    }

    pub(crate) fn node_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.nodes.iter().map(TcpListener::local_addr).collect()
    }

    pub(crate) fn balancer_address(&self) -> io::Result<Option<SocketAddr>> {
        self.balancer.as_ref().map(TcpListener::local_addr).transpose()
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Keeps an address while nobody listens there: whoever asks for any free port would be given it.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Its last connections may take a moment to be gone.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// One address that is served.
struct Door {
    address: SocketAddr,
    reach: Reach,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Door {
    fn open(core: &Arc<Core>, listener: TcpListener, reach: Reach) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let open = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(server::serve(Arc::clone(core), listener, reach, Arc::clone(&open)));
        Ok(Self { address, reach, open, task })
    }

    /// Closes it with all its connections.
    async fn shut(&mut self) {
        self.task.abort();
        while !self.task.is_finished() || self.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn open_again(&mut self, core: &Arc<Core>, down: Duration) {
        let (core, address, reach, open) = (Arc::clone(core), self.address, self.reach, Arc::clone(&self.open));
        let up = Instant::now() + down;
        let mut reserved = reserve(address);
        self.task = tokio::spawn(async move {
            // A process that a test starts at this moment has the listener, too, until its program is loaded.
            while reserved.is_err() && up.elapsed() < RESERVED_WITHIN {
                tokio::time::sleep(Duration::from_millis(1)).await;
                reserved = reserve(address);
            }
            tokio::time::sleep(up.saturating_duration_since(Instant::now())).await;
            match reserved.and_then(|socket| socket.listen(BACKLOG)) {
                Ok(listener) => server::serve(core, listener, reach, open).await,
                #[expect(clippy::print_stderr, reason = "a test that waits for it is told why it waits")]
                Err(error) => eprintln!("dkron-emulator: {address} cannot be served again: {error}"),
            }
        });
    }
}

/// Serves until the handle is gone.
pub(crate) async fn keep(core: Arc<Core>, listeners: Listeners, mut commands: UnboundedReceiver<Command>) {
    let _scheduler = tokio::spawn(runs::keep_schedule(Arc::clone(&core)));
    let nodes = listeners.nodes.into_iter().enumerate().map(|(node, listener)| (listener, Reach::Node(node)));
    let balancer = listeners.balancer.map(|listener| (listener, Reach::NextNode));
    let mut doors = Vec::new();
    for (listener, reach) in nodes.chain(balancer) {
        // Bound and non-blocking: there is nothing left to fail but the process's file descriptors.
        let Ok(door) = Door::open(&core, listener, reach) else { return };
        doors.push(door);
    }
    while let Some(command) = commands.recv().await {
        match command {
            Command::Restart { options, done } => {
                restart(&core, &mut doors, options).await;
                // The caller may have stopped waiting.
                let _gone = done.send(());
            }
            Command::Elect { node, election, done } => {
                drop(tokio::spawn(elect_later(Arc::clone(&core), node, election)));
                let _gone = done.send(());
            }
        }
    }
}

async fn elect_later(core: Arc<Core>, node: usize, election: Duration) {
    tokio::time::sleep(election).await;
    core.lock().elect(node);
    core.wake.notify_one();
}

async fn restart(core: &Arc<Core>, doors: &mut [Door], options: RestartOptions) {
    let nodes: Vec<usize> = match options.node {
        Some(node) => vec![node],
        None => (0..core.lock().cluster.nodes.len()).collect(),
    };
    let successor = {
        let state = &mut *core.lock();
        for node in &nodes {
            state.cluster.nodes[*node].down = true;
            let server = &mut state.cluster.nodes[*node];
            server.version = options.version.unwrap_or(server.version);
            server.has_snapshot = options.has_snapshot;
            server.end_process();
        }
        let led = state.cluster.leader().is_some_and(|leader| nodes.contains(&leader));
        if led || options.node.is_none() {
            state.kill_runs();
        }
        led.then(|| {
            let leader = state.cluster.leader().unwrap_or_default();
            state.cluster.depose(false, &mut state.store);
            if options.node.is_some() { (leader + 1) % state.cluster.nodes.len() } else { leader }
        })
    };
    for door in doors.iter_mut() {
        let is_ours = match door.reach {
            Reach::Node(node) => nodes.contains(&node),
            Reach::NextNode => options.node.is_none(),
        };
        if is_ours {
            door.shut().await;
            door.open_again(core, options.down);
        }
    }
    let reviving = Arc::clone(core);
    drop(tokio::spawn(async move { revive(reviving, nodes, successor, options).await }));
}

/// Up, with the log to read; then a leader; then the whole log.
async fn revive(core: Arc<Core>, nodes: Vec<usize>, successor: Option<usize>, options: RestartOptions) {
    tokio::time::sleep(options.down).await;
    {
        let state = &mut *core.lock();
        // The first request waits for a socket that opens at the same instant: it sees the first jobs at most.
        if options.node.is_none() {
            state.store.reset_next(Timestamp::now());
        }
        for node in &nodes {
            state.cluster.begin_replay(*node, options.replay, &state.store);
        }
    }
    let up = tokio::time::Instant::now();
    let read = async {
        tokio::time::sleep_until(up + options.replay).await;
        let state = &mut *core.lock();
        for node in &nodes {
            state.cluster.end_replay(*node, &mut state.store);
        }
        // The scheduler starts with a leader that has read its log.
        if state.cluster.leader().is_some_and(|leader| nodes.contains(&leader)) {
            state.start_scheduler();
            core.wake.notify_one();
        }
    };
    let elected = async {
        if let Some(leader) = successor {
            tokio::time::sleep_until(up + options.leader_after).await;
            core.lock().elect(leader);
            core.wake.notify_one();
        }
    };
    tokio::join!(read, elected);
}
