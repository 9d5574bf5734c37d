//! The health of single nodes, as far as they can be reached.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::timeout;

use super::Dkron;
use super::conn::{Conn, addresses};
use super::trust::{LEADER, Reading};

/// What a node says of itself.
const HEALTH: &str = "/health";
/// Connections for each member that are opened to one address, where it stands for all of them: a Service picks a node for each.
const CONNECTIONS: usize = 3;
/// How long all of it may take: a node that hangs must not hide the others.
const LIMIT: Duration = Duration::from_secs(5);

/// Each node that answered, by name, with what it says is wrong with it: plugins that have exited (FACTS 32). A Dkron 4.0 says nothing
/// of the kind.
pub type NodeHealth = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    issues: Vec<String>,
}

impl<C> Reading<C> {
    /// Asks every node that can be reached behind the URL for its health. What cannot be reached is not in the answer.
    pub async fn health(&self, dkron: &Dkron) -> NodeHealth {
        let members = self.members().await.map_or(1, |members| members.len());
        let limit = LIMIT.min(dkron.request_timeout);
        let Ok(addresses) = addresses(&dkron.url, limit).await else { return NodeHealth::new() };
        let each = if addresses.len() > 1 || members <= 1 { 1 } else { CONNECTIONS * members };
        let asked = addresses.iter().flat_map(|address| std::iter::repeat_n(*address, each)).map(async |address| {
            let conn = Conn::new(dkron, address).ok()?;
            // `/health` does not say who answers. Both requests go over one connection, and so to one node.
            let node = conn.get(LEADER).await.ok()?.whom?;
            let answer = conn.get(HEALTH).await.ok()?;
            let health: Health = serde_json::from_slice(&answer.body).ok()?;
            Some((node, health.issues))
        });
        let asked = asked.map(|node| timeout(limit, node));
        join_all(asked).await.into_iter().filter_map(|node| node.ok().flatten()).collect()
    }
}
