//! What came of runs: the runs in flight, and the output of the last failures.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Failure;
use super::runs::{self, Execution};
use super::trust::Reading;

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
