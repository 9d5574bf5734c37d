//! What came of runs: more fields of the list than writing needs, the runs in flight, and the output of the last failures.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::job::{History, Live};

use super::list::Collect;
use super::runs::{self, Execution};
use super::trust::{Reading, Role};
use super::{Dkron, Failure, WaitError};

/// All jobs with what came of their runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Observed {
    live: Live,
    histories: BTreeMap<Arc<str>, History>,
}

impl Collect for Observed {
    fn add(&mut self, job: &[u8]) -> Result<(), String> {
        let history = History::of_json(job)?;
        let name = self.live.take(job)?;
        self.histories.insert(name, history);
        Ok(())
    }

    fn agrees(&self, other: &Self) -> bool {
        self.live.agrees(&other.live)
    }
}

impl Dkron {
    /// As [`Dkron::read`] for somebody who only looks, with what came of each job's runs.
    ///
    /// # Errors
    /// As [`Dkron::wait`].
    pub async fn observe(&self) -> Result<(Reading, BTreeMap<Arc<str>, History>), WaitError> {
        let Reading { live: observed, warnings, version, now, trusted } = self.read::<Observed>(Role::Observer).await?;
        Ok((Reading { live: observed.live, warnings, version, now, trusted }, observed.histories))
    }
}

impl Reading {
    /// When the oldest run in flight of each job began, on whichever server.
    ///
    /// # Errors
    /// It cannot be told.
    pub async fn running(&self) -> Result<BTreeMap<String, Timestamp>, Failure> {
        let mut running = BTreeMap::new();
        for execution in self.trusted.ask(runs::BUSY, runs::list).await? {
            if let Some(began) = execution.unfinished() {
                let oldest = running.entry(execution.job_name).or_insert(began);
                *oldest = began.min(*oldest);
            }
        }
        Ok(running)
    }

    /// What the last failed run of each of these jobs left as output. One after the other, over the one connection that is known to
    /// lead to the leader.
    ///
    /// # Errors
    /// The first that cannot be told: the others would fare no better, and each try takes its time. What is known by then is in
    /// `outputs`.
    pub async fn outputs_of_failures(
        &self,
        jobs: impl IntoIterator<Item = &Arc<str>>,
        outputs: &mut BTreeMap<Arc<str>, String>,
    ) -> Result<(), Failure> {
        for job in jobs {
            let executions = self.trusted.ask(&runs::without_output(job), runs::stored).await?;
            let failed = executions.iter().filter_map(Execution::failed).max_by_key(|(ended, _)| *ended);
            let Some((_, id)) = failed else { continue };
            let whole = self.trusted.ask(&runs::one(job, id), runs::output).await?;
            outputs.insert(job.clone(), whole);
        }
        Ok(())
    }
}
