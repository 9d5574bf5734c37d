//! The health of single nodes, as far as they can be reached.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::timeout;

use super::Dkron;
use super::conn::{Conn, addresses};
use super::members::Status;
use super::trust::{LEADER, Reading};

/// What a node says of itself.
const HEALTH: &str = "/health";
/// Connections for each server that are opened to one address, where it stands for all of them: a Service picks a node for each.
const CONNECTIONS: usize = 3;
/// And how many at most.
const MOST: usize = 15;
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
        let limit = LIMIT.min(dkron.request_timeout);
        let members = timeout(limit, self.members()).await.ok().and_then(Result::ok).unwrap_or_default();
        // A Service leads to servers, not to agents.
        let servers = members.iter().filter(|member| member.is_server && member.status == Status::Alive).count();
        let Ok(addresses) = addresses(&dkron.url, limit).await else { return NodeHealth::new() };
        let each = if addresses.len() > 1 || servers <= 1 { 1 } else { (CONNECTIONS * servers).min(MOST) };
        let asked = addresses.iter().flat_map(|address| std::iter::repeat_n(*address, each)).map(async |address| {
            let conn = Conn::new(dkron, address).ok()?;
            // `/health` does not say who answers. Both requests go over one connection, which leads to one node, unless a gateway
            // spreads single requests.
            let node = conn.get(LEADER).await.ok()?.whom?;
            let answer = conn.get(HEALTH).await.ok()?;
            let health: Health = serde_json::from_slice(&answer.body).ok()?;
            Some((node, health.issues))
        });
        let asked = asked.map(|node| timeout(limit, node));
        let mut health = NodeHealth::new();
        for (node, issues) in join_all(asked).await.into_iter().filter_map(|node| node.ok().flatten()) {
            let known = health.entry(node).or_default();
            let new: Vec<_> = issues.into_iter().filter(|issue| !known.contains(issue)).collect();
            known.extend(new);
        }
        health
    }
}
