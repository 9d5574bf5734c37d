//! The members of the cluster, as Serf knows them: which of them are servers, and which version each has.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Failure;
use super::trust::Reading;
use super::version::{KNOWS_AFTER, release};

/// The list of all members.
const MEMBERS: &str = "/v1/members";

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The version of Dkron that it says it has; `None` where it says nothing.
    pub version: Option<String>,
    /// Whether it keeps the jobs, and may come to lead.
    pub is_server: bool,
    /// What Serf thinks of it.
    pub status: Status,
    /// Its tags, which those of a job are compared with.
    pub tags: BTreeMap<String, String>,
}

/// What Serf thinks of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Alive,
    /// It is about to leave.
    Leaving,
    /// It has taken its leave.
    Left,
    /// It has gone without a word, and may come back.
    Failed,
    /// None of these.
    Unknown,
}

impl Member {
    /// The first two numbers of its version; `None` where it has no version, or one that is not a number.
    pub fn release(&self) -> Option<(u32, u32)> {
        self.version.as_deref().and_then(release)
    }
}

/// A member as `/v1/members` gives it; the rest is of no use.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Tags", default)]
    tags: BTreeMap<String, String>,
    #[serde(rename = "Status", default)]
    status: i64,
}

impl From<Listed> for Member {
    fn from(listed: Listed) -> Self {
        let Listed { name, tags, status } = listed;
        let status = match status {
            1 => Status::Alive,
            2 => Status::Leaving,
            3 => Status::Left,
            4 => Status::Failed,
            _ => Status::Unknown,
        };
        let version = tags.get("version").filter(|version| !version.is_empty()).cloned();
        let is_server = tags.get("server").is_some_and(|server| server == "true");
        Self { name, version, is_server, status, tags }
    }
}

impl<C> Reading<C> {
    /// The members of the cluster, as the leader knows them.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn members(&self) -> Result<Vec<Member>, Failure> {
        self.trusted
            .ask(MEMBERS, |answer| {
                if answer.status != 200 {
                    return Err(answer.refusal());
                }
                let listed: Vec<Listed> =
                    serde_json::from_slice(&answer.body).map_err(|error| answer.not_dkron(&error))?;
                Ok(listed.into_iter().map(Member::from).collect())
            })
            .await
    }
}

/// Why a cluster must not be given an `@after`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooOld {
    /// A server that does not know it.
    #[error("the server `{name}` has {version}")]
    Server {
        /// The server.
        name: String,
        /// Its version.
        version: String,
    },
    /// A server whose version is not known.
    #[error("the server `{name}` says that its version is {said}, so it cannot be told whether it knows `@after`")]
    Unclear {
        /// The server.
        name: String,
        /// What it says.
        said: String,
    },
    /// Nobody to ask.
    #[error("`{MEMBERS}` lists no server, so it cannot be told which versions there are")]
    NoServer,
}

/// Whether every server knows `@after`. One that does not drops such a job silently, and the job is gone once it leads (FACTS 43).
/// One that has failed may come back; one that has left does not count.
///
/// # Errors
/// The server with the lowest version, where that is too low or unknown.
pub fn knows_after(members: &[Member]) -> Result<(), TooOld> {
    let servers = members.iter().filter(|member| member.is_server && member.status != Status::Left);
    let oldest = servers.min_by_key(|member| member.release()).ok_or(TooOld::NoServer)?;
    let (name, version) = (oldest.name.clone(), oldest.version.clone());
    match oldest.release() {
        Some(release) if release >= KNOWS_AFTER => Ok(()),
        Some(_) => Err(TooOld::Server { name, version: version.unwrap_or_default() }),
        None => Err(TooOld::Unclear {
            name,
            said: version.map_or_else(|| "nothing".to_owned(), |said| format!("`{said}`")),
        }),
    }
}
