//! Looking for jobs that Dkron does not run any more.
//!
//! Only a job whose next run should have begun a minute ago, by Dkron's own clock, is looked into: a Dkron in which all is well is
//! asked nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tracing::warn;

use crate::job::{Ailment, Live, Signs};

use super::Failure;
use super::answer::Answer;
use super::runs::{self, Execution};
use super::trust::{Reading, Trusted};

/// What the leader's scheduler holds (FACTS 5); a follower's holds nothing.
#[derive(Deserialize)]
struct Vars {
    #[serde(default)]
    scheduler_started: i64,
    #[serde(default)]
    #[expect(
        clippy::zero_sized_map_values,
        reason = "only the keys are wanted, and serde makes no set of a JSON object"
    )]
    cron_entries: BTreeMap<String, IgnoredAny>,
}

impl Reading {
    /// Looks into the jobs that are late, and notes in `live` which of them ail and why. What cannot be found out is a warning:
    /// it keeps nothing else from being done.
    pub async fn look_for_ailments(&mut self) {
        let Some(now) = self.now else { return };
        let late = self.live.jobs.values().filter(|live| live.is_late(now)).map(|live| live.job.name().clone());
        let late: BTreeSet<Arc<str>> = late.collect();
        if late.is_empty() {
            return;
        }
        let (ailing, problems) = look(&self.trusted, &self.live, &late, now).await;
        for problem in problems {
            let count = late.len();
            let jobs = if count == 1 { "a job that is".to_owned() } else { format!("{count} jobs that are") };
            let warning = format!("whether Dkron still runs {jobs} late could not be told: {problem}");
            warn!("{warning}");
            self.warnings.push(warning);
        }
        self.live.ailing = ailing;
    }
}

async fn look(
    trusted: &Trusted,
    live: &Live,
    late: &BTreeSet<Arc<str>>,
    now: Timestamp,
) -> (BTreeMap<Arc<str>, Ailment>, Vec<Failure>) {
    let mut problems = Vec::new();
    let mut ailing = BTreeMap::new();
    let busy = match trusted.ask(runs::BUSY, runs::list).await {
        Ok(busy) => busy,
        // A run in flight must not be taken for one that never ends: without this nothing is said.
        Err(failure) => return (ailing, vec![failure]),
    };
    let busy: BTreeSet<&str> = busy.iter().map(|execution| &*execution.job_name).collect();
    // Another node than the leader schedules nothing.
    let scheduled = if trusted.direct {
        trusted.ask("/debug/vars", vars).await.unwrap_or_else(|failure| {
            problems.push(failure);
            None
        })
    } else {
        None
    };
    for name in late {
        let Some(live) = live.jobs.get(name) else { continue };
        let mut signs = Signs {
            busy: busy.contains(&**name),
            unfinished: Vec::new(),
            scheduled: scheduled.as_ref().map(|scheduled| scheduled.contains(&**name)),
        };
        if !signs.busy && live.job.unpack().forbids_overlap() {
            match trusted.ask(&runs::without_output(name), runs::stored).await {
                Ok(executions) => signs.unfinished = executions.iter().filter_map(Execution::unfinished).collect(),
                Err(failure) => {
                    // The others would fare no better, and each try takes its time.
                    problems.push(failure);
                    break;
                }
            }
        }
        ailing.extend(live.ailment(&signs, now).map(|ailment| (name.clone(), ailment)));
    }
    (ailing, problems)
}

/// The names that the scheduler holds; `None` while it is still being filled.
fn vars(answer: &Answer) -> Result<Option<BTreeSet<String>>, Failure> {
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    let vars: Vars = serde_json::from_slice(&answer.body).map_err(|error| answer.not_dkron(&error))?;
    Ok((vars.scheduler_started == 1).then(|| vars.cron_entries.into_keys().collect()))
}
