//! The status as `OpenMetrics` text, for whoever writes it to a file or sends it on: `node_exporter`'s textfile collector, a Pushgateway.
//!
//! The textfile collector reads Prometheus's older text format, so only what means the same in both is used: no exemplars, no sample
//! timestamps, and no type that the older one does not know. So the states are gauges that look like a state set (one sample a
//! state, 1 for the one that holds) with a label `state`: a real `stateset` must name that label like the metric, and makes the
//! collector refuse the whole file.
//!
//! `# TYPE` and `# HELP` of a counter name its family, and only its samples end in `_total`: `OpenMetrics` 1.0 demands that. The older
//! format has no families and takes such samples as untyped, which changes nothing for `rate` and `increase`.
//!
//! A job's name is in label `job_name`: `job` is Prometheus's own, which renames ours on a scrape, and a Pushgateway overwrites it.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use crate::job::printable;

use super::{CacheStatus, JobStatus, State, Status};

/// The values of one family for one job or cache.
type Samples<'a, T> = &'a dyn Fn(&T) -> Option<String>;

/// Writes a status as `OpenMetrics` text.
///
/// # Errors
/// Those of `out`.
pub fn write_down(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let seen = status.at.is_some();
    family(out, "dkron_jobs_up", GAUGE, "Whether Dkron could be looked at.")?;
    writeln!(out, "dkron_jobs_up {}", u8::from(seen))?;
    if let Some(at) = status.at {
        family(out, "dkron_jobs_look_timestamp_seconds", GAUGE, "When Dkron was looked at, by its own clock.")?;
        writeln!(out, "dkron_jobs_look_timestamp_seconds {}", instant(at))?;
        whole(status, out)?;
        jobs(&status.jobs, out)?;
        caches(&status.caches, out)?;
    }
    writeln!(out, "# EOF")
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";
/// The label with the job's name.
const JOB: &str = "job_name";

fn whole(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let summary = &status.summary;
    let failing = status.is_failing();
    for (name, help, value) in [
        ("dkron_jobs_jobs", "Jobs that were looked at.", summary.jobs.all),
        ("dkron_jobs_caches", "Rows of table cache_param.", summary.caches.all),
        (
            "dkron_jobs_failing",
            "Whether a job or cache is stale, a job does not run as it is stored, the scheduler is not running, or a node is unhealthy: what exit code 7 says.",
            failing.into(),
        ),
        ("dkron_jobs_warnings", "Things that could not be told.", status.warnings.len()),
    ] {
        family(out, name, GAUGE, help)?;
        writeln!(out, "{name} {value}")?;
    }
    if let Some(runs) = status.scheduler_running {
        let name = "dkron_jobs_scheduler_running";
        family(out, name, GAUGE, "Whether the scheduler of Dkron's leader runs; without it no job runs.")?;
        writeln!(out, "{name} {}", u8::from(runs))?;
    }
    if !status.nodes.is_empty() {
        let name = "dkron_jobs_node_healthy";
        family(out, name, GAUGE, "Whether the node says that nothing is wrong with it; a Dkron 4.0 always does.")?;
        for node in &status.nodes {
            write!(out, "{name}")?;
            labels(out, &[("node", &node.name)])?;
            writeln!(out, " {}", u8::from(node.issues.is_empty()))?;
        }
    }
    Ok(())
}

fn jobs(jobs: &[JobStatus], out: &mut dyn Write) -> io::Result<()> {
    let seconds = |time: Option<SignedDuration>| time.map(|time| time.as_secs().to_string());
    let flag = |on: bool| Some(u8::from(on).to_string());
    let families: [(&str, &str, &str, Samples<'_, JobStatus>); 15] = [
        ("last_success_timestamp_seconds", GAUGE, "When a run last succeeded.", &|job| job.last_success.map(instant)),
        ("last_error_timestamp_seconds", GAUGE, "When a run last failed.", &|job| job.last_error.map(instant)),
        ("last_run_failed", GAUGE, "Whether the last run that ended failed.", &|job| flag(job.failed)),
        ("successes", COUNTER, "Runs that succeeded.", &|job| Some(job.successes.to_string())),
        ("errors", COUNTER, "Attempts that failed.", &|job| Some(job.errors.to_string())),
        ("soft_ttl_seconds", GAUGE, "Fresh up to this age.", &|job| seconds(job.soft)),
        ("hard_ttl_seconds", GAUGE, "Late up to this age, stale after it.", &|job| seconds(job.hard)),
        ("next_run_timestamp_seconds", GAUGE, "When it runs next.", &|job| job.next.at().map(instant)),
        ("running_seconds", GAUGE, "How long its oldest run in flight has been running.", &|job| seconds(job.running)),
        ("timeout_seconds", GAUGE, "How long one attempt may take.", &|job| seconds(job.timeout)),
        ("enabled", GAUGE, "Whether it is switched on.", &|job| flag(job.enabled)),
        ("stuck", GAUGE, "Whether an execution without an end blocks it.", &|job| flag(job.state == State::Stuck)),
        ("not_scheduled", GAUGE, "Whether Dkron stores it and its scheduler does not have it.", &|job| {
            flag(job.state == State::NotScheduled)
        }),
        ("scheduled_differently", GAUGE, "Whether Dkron's scheduler has it otherwise than it is stored.", &|job| {
            flag(job.state == State::ScheduledDifferently)
        }),
        ("drift", GAUGE, "Whether apply would do something with it.", &|job| flag(job.drift.is_some())),
    ];
    for (name, kind, help, value) in families {
        let name = format!("dkron_jobs_{name}");
        family(out, &name, kind, help)?;
        let suffix = if kind == COUNTER { "_total" } else { "" };
        for job in jobs {
            if let Some(value) = value(job) {
                write!(out, "{name}{suffix}")?;
                labels(out, &of_job(job))?;
                writeln!(out, " {value}")?;
            }
        }
    }
    let name = "dkron_jobs_state";
    family(out, name, GAUGE, "1 for the state that the job is in, 0 for the others.")?;
    jobs.iter().try_for_each(|job| states(out, name, (JOB, &job.name), job.state, &State::OF_JOBS))
}

fn caches(caches: &[CacheStatus], out: &mut dyn Write) -> io::Result<()> {
    let name = "dkron_jobs_cache_last_success_timestamp_seconds";
    family(out, name, GAUGE, "When a job for the cache last succeeded.")?;
    for cache in caches {
        if let Some(at) = cache.last_success {
            write!(out, "{name}")?;
            labels(out, &[("cache", &cache.name)])?;
            writeln!(out, " {}", instant(at))?;
        }
    }
    let name = "dkron_jobs_cache_state";
    family(out, name, GAUGE, "1 for the state that the cache is in, 0 for the others.")?;
    caches.iter().try_for_each(|cache| states(out, name, ("cache", &cache.name), cache.state, &State::OF_CACHES))
}

/// A sample a state: 1 for the one that holds.
fn states(out: &mut dyn Write, name: &str, of: (&str, &str), holds: State, all: &[State]) -> io::Result<()> {
    for state in all {
        write!(out, "{name}")?;
        labels(out, &[of, ("state", state.word())])?;
        writeln!(out, " {}", u8::from(*state == holds))?;
    }
    Ok(())
}

fn of_job(job: &JobStatus) -> [(&'static str, &str); 3] {
    let [cache, owner] = [&job.cache, &job.owner].map(|text| text.as_deref().unwrap_or_default());
    [(JOB, &job.name), ("cache", cache), ("owner", owner)]
}

/// The lines above a family's samples. Its unit, where it has one, is the end of its name.
fn family(out: &mut dyn Write, name: &str, kind: &str, help: &str) -> io::Result<()> {
    writeln!(out, "# TYPE {name} {kind}")?;
    if name.ends_with("_seconds") {
        writeln!(out, "# UNIT {name} seconds")?;
    }
    writeln!(out, "# HELP {name} {help}")
}

/// Labels in braces; an empty one is the same as none.
fn labels(out: &mut dyn Write, labels: &[(&str, &str)]) -> io::Result<()> {
    let mut between = '{';
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        write!(out, "{between}{name}=\"")?;
        for c in printable(value).chars() {
            match c {
                '\\' | '"' => write!(out, "\\{c}")?,
                c => write!(out, "{c}")?,
            }
        }
        write!(out, "\"")?;
        between = ',';
    }
    write!(out, "}}")
}

/// Seconds since 1970, with what comes after the point where there is something.
fn instant(at: Timestamp) -> String {
    match at.subsec_nanosecond() / 1_000_000 {
        0 => at.as_second().to_string(),
        millis if millis > 0 && at.as_second() >= 0 => format!("{}.{millis:03}", at.as_second()),
        _ => at.as_second().to_string(),
    }
}
