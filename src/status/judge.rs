//! From what was seen to what it means.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::cache::{self, BadTtl, Covered, Keeper, Ttl, Verdict, coverage, off};
use crate::job::{Job, LiveJob, printable};
use crate::plan::{Change, Item, Plan};
use crate::report::Masker;

use super::{CacheStatus, Drift, JobStatus, Limits, Look, Next, NodeStatus, State, Status, Summary};

/// How much of a line of output is shown, in characters.
const OUTPUT_WIDTH: usize = 200;

impl Limits {
    fn of(ttl: Ttl) -> Self {
        // Where nothing is said of a hard TTL nothing is known to be left after the soft one.
        Self { soft: ttl.soft, hard: ttl.hard.unwrap_or(ttl.soft).max(ttl.soft) }
    }

    fn judge(self, age: Option<SignedDuration>) -> State {
        match age {
            None => State::Never,
            Some(age) if age <= self.soft => State::Fresh,
            Some(age) if age <= self.hard => State::Late,
            Some(_) => State::Stale,
        }
    }
}

/// A job, and the cache that it is for.
struct Seen<'a> {
    name: &'a Arc<str>,
    live: &'a LiveJob,
    cache: Option<String>,
}

/// What is known of a cache when its jobs are judged.
struct Row<'a> {
    covered: &'a Covered,
    limits: Limits,
    /// When a job for it last succeeded, and which.
    newest: Option<(Timestamp, &'a Arc<str>)>,
    state: State,
}

impl Status {
    /// Judges everything.
    pub fn new(look: &Look<'_>, warnings: impl IntoIterator<Item = String>, masker: &Masker) -> Self {
        let seen: Vec<Seen<'_>> = look.live.jobs.iter().map(|(name, live)| Seen::new(name, live, look)).collect();
        let missing: Vec<Missing<'_>> = look.plan.map(|plan| missing(plan, look)).unwrap_or_default();
        let covered = look.caches.map(|caches| coverage(caches, seen.iter().filter_map(|seen| seen.keeper(look))));
        let mut newest: BTreeMap<&str, (Timestamp, &Arc<str>)> = BTreeMap::new();
        for (job, cache, at) in
            seen.iter().filter_map(|job| Some((job, job.cache.as_deref()?, job.live.history.last_success?)))
        {
            let known = newest.entry(cache).or_insert((at, job.name));
            *known = (at, job.name).max(*known);
        }
        let rows: BTreeMap<&str, Row<'_>> = covered
            .iter()
            .flatten()
            .map(|covered| (covered.cache.name.as_str(), Row::new(covered, &newest, look.now)))
            .collect();

        let mut jobs: Vec<_> =
            seen.iter().filter(|job| look.wants(job.name)).map(|job| job.status(look, &rows, masker)).collect();
        let wanted = missing.iter().filter(|missing| look.wants(&missing.item.name));
        jobs.extend(wanted.map(|missing| not_there(missing, look, masker)));
        let mut awaited: Awaited<'_> = BTreeMap::new();
        for Missing { item, cache, .. } in &missing {
            if let Some(cache) = cache {
                awaited.entry(cache).or_default().push(item);
            }
        }
        let mut caches: Vec<_> = rows.values().filter(|row| row.is_wanted(look, &awaited)).collect();
        // They come by name.
        caches.sort_by_key(|row| row.state);
        let mut caches: Vec<_> = caches.into_iter().map(|row| row.status(look, &awaited, masker)).collect();
        jobs.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.name.cmp(&b.name)));
        apart(jobs.iter_mut().map(|job| &mut job.name));
        apart(caches.iter_mut().map(|cache| &mut cache.name));

        let problems = look.caches.iter().flat_map(|caches| &caches.problems);
        let problems = problems.map(|problem| format!("table `{}`: {problem}", cache::TABLE));
        Self {
            command: "status",
            owner: masker.text(look.owner),
            dkron: masker.text(look.dkron.0),
            version: look.dkron.1.map(|version| masker.text(version)),
            at: Some(look.now),
            scheduler_running: look.scheduler_runs,
            nodes: look.nodes.iter().map(|(name, issues)| NodeStatus::new(name, issues, masker)).collect(),
            summary: Summary::of(&jobs, &caches),
            caches,
            jobs,
            warnings: warnings.into_iter().chain(problems).map(|warning| masker.text(&warning)).collect(),
            errors: Vec::new(),
        }
    }

    /// Where nothing could be seen; `errors` say why, one by one.
    pub fn of_errors(owner: &str, dkron: &str, errors: impl IntoIterator<Item = String>, masker: &Masker) -> Self {
        Self {
            command: "status",
            owner: masker.text(owner),
            dkron: masker.text(dkron),
            version: None,
            at: None,
            scheduler_running: None,
            nodes: Vec::new(),
            summary: Summary::default(),
            caches: Vec::new(),
            jobs: Vec::new(),
            warnings: Vec::new(),
            errors: errors.into_iter().map(|error| masker.text(&error)).collect(),
        }
    }
}

/// The jobs that would be created, by the cache that they are for.
type Awaited<'a> = BTreeMap<&'a str, Vec<&'a Item>>;

/// A job that would be created.
struct Missing<'p> {
    item: &'p Item,
    job: &'p Job,
    /// The cache that it is for.
    cache: Option<String>,
}

fn missing<'p>(plan: &'p Plan, look: &Look<'_>) -> Vec<Missing<'p>> {
    let missing = plan.items.iter().filter_map(|item| match &item.change {
        Change::Create { to } => Some(Missing { item, cache: look.key.of(to), job: to }),
        Change::Update { .. } | Change::Delete | Change::Keep { .. } => None,
    });
    missing.collect()
}

impl<'a> Seen<'a> {
    fn new(name: &'a Arc<str>, live: &'a LiveJob, look: &Look<'_>) -> Self {
        Self { name, live, cache: look.key.of(&live.job) }
    }

    fn keeper(&self, look: &Look<'_>) -> Option<Keeper> {
        // How often it runs is for lint to judge.
        let off = off(&self.live.job, look.live.jobs.len(), |name| look.live.jobs.get(name).map(|live| &live.job));
        Some(Keeper { job: self.name.clone(), cache: self.cache.clone()?, off, worst_gap: None })
    }

    fn status(&self, look: &Look<'_>, rows: &BTreeMap<&str, Row<'_>>, masker: &Masker) -> JobStatus {
        let Self { name, live, .. } = self;
        let LiveJob { job, history, .. } = live;
        let mut notes = Vec::new();
        let row = self.cache.as_deref().and_then(|cache| rows.get(cache));
        let limits = row.map(|row| row.limits).or_else(|| own_limits(job, &mut notes));
        let age = history.last_success.map(|at| since(at, look.now));
        let mut state = limits.map_or(State::Untimed, |limits| limits.judge(age));
        if let Some(row) = row
            && state == State::Stale
            && !job.disabled
            && matches!(row.state, State::Fresh | State::Late)
            && let Some((_, other)) = row.newest
        {
            state = State::Late;
            notes.push(format!("older than its cache may be, which `{other}` keeps fresh"));
        }
        if job.disabled {
            state = State::Off;
        }
        if let Some(mismatch) = look.live.mismatched.get(*name) {
            state = if mismatch.is_missing() { State::NotScheduled } else { State::ScheduledDifferently };
            notes.push(mismatch.to_string());
        }
        if let Some(stuck) = look.live.stuck.get(*name) {
            state = State::Stuck;
            notes.push(stuck.to_string());
        }
        let timeout = job.timeout();
        let running = look.running.get(&***name).map(|began| since(*began, look.now));
        let drift = match look.plan {
            None => Drift::Unknown,
            Some(plan) => plan.item(name).map_or(Drift::NotOurs, Drift::of),
        };
        let failed = history.failed_last();
        let error = look.outputs.get(*name).filter(|_| failed).and_then(|output| first_line(output, masker));
        let text = |text: &str| masker.text(text);
        JobStatus {
            name: text(name),
            state,
            owner: live.job.own_stamp().map(|stamp| text(stamp.owner.as_str())),
            enabled: !job.disabled,
            schedule: text(&job.schedule),
            timezone: text(&job.timezone),
            cache: self.cache.as_deref().map(text),
            soft: limits.map(|limits| limits.soft),
            hard: limits.map(|limits| limits.hard),
            last_success: history.last_success,
            age,
            last_error: history.last_error,
            failed,
            error,
            successes: history.successes,
            errors: history.errors,
            running,
            timeout,
            next: masked(Next::of(job, live, look.now), masker),
            drift,
            notes: notes.iter().map(|note| masker.text(note)).collect(),
        }
    }
}

/// The line of a job that a template wants and Dkron has not.
fn not_there(missing: &Missing<'_>, look: &Look<'_>, masker: &Masker) -> JobStatus {
    let Missing { job, cache, .. } = missing;
    let mut notes = Vec::new();
    let row = look.caches.zip(cache.as_ref()).and_then(|(caches, name)| caches.get(name));
    let limits = row.map(|row| Limits::of(row.ttl)).or_else(|| own_limits(job, &mut notes));
    JobStatus {
        name: masker.text(&job.name),
        state: State::Missing,
        owner: None,
        enabled: !job.disabled,
        schedule: masker.text(&job.schedule),
        timezone: masker.text(&job.timezone),
        cache: cache.as_ref().map(|cache| masker.text(cache)),
        soft: limits.map(|limits| limits.soft),
        hard: limits.map(|limits| limits.hard),
        last_success: None,
        age: None,
        last_error: None,
        failed: false,
        error: None,
        successes: 0,
        errors: 0,
        running: None,
        timeout: job.timeout(),
        next: Next::Never,
        drift: Drift::Create,
        notes: notes.iter().map(|note| masker.text(note)).collect(),
    }
}

impl NodeStatus {
    fn new(name: &str, issues: &[String], masker: &Masker) -> Self {
        Self { name: masker.text(name), issues: issues.iter().map(|issue| masker.text(issue)).collect() }
    }
}

impl JobStatus {
    /// The worst first; a failed run is worse than none, and worse where it is switched on.
    fn rank(&self) -> (State, Reverse<bool>) {
        match self.state {
            State::Never | State::Fresh | State::Untimed if self.failed => (State::Late, Reverse(false)),
            state => (state, Reverse(true)),
        }
    }
}

impl<'a> Row<'a> {
    fn new(covered: &'a Covered, newest: &BTreeMap<&str, (Timestamp, &'a Arc<str>)>, now: Timestamp) -> Self {
        let limits = Limits::of(covered.cache.ttl);
        let newest = newest.get(covered.cache.name.as_str()).copied();
        let by_age = limits.judge(newest.map(|(at, _)| since(at, now)));
        let state = match covered.verdict {
            Verdict::Kept | Verdict::TooSlow => by_age,
            Verdict::NotWanted => State::Off,
            // Nobody is there to refresh it: what is not known to be good is taken for gone.
            Verdict::NoJob | Verdict::SwitchedOff => match by_age {
                State::Fresh | State::Late => State::Unrefreshed,
                _ => State::Stale,
            },
        };
        Self { covered, limits, newest, state }
    }

    fn is_wanted(&self, look: &Look<'_>, awaited: &Awaited<'_>) -> bool {
        look.only.is_none()
            || self.covered.keepers.iter().any(|keeper| look.wants(&keeper.job))
            || self.awaited(awaited).iter().any(|item| look.wants(&item.name))
    }

    fn awaited<'s>(&self, awaited: &'s Awaited<'_>) -> &'s [&'s Item] {
        awaited.get(self.covered.cache.name.as_str()).map_or(&[], Vec::as_slice)
    }

    fn status(&self, look: &Look<'_>, awaited: &Awaited<'_>, masker: &Masker) -> CacheStatus {
        let keepers = &self.covered.keepers;
        let mut notes = Vec::new();
        if let Some(why) = self.covered.abandoned() {
            let awaited = self.awaited(awaited).first().filter(|_| self.covered.verdict == Verdict::NoJob);
            let why = awaited.map_or(why, |item| format!("its job `{}` is not there yet", item.name));
            notes.push(format!("not refreshed: {why}"));
        }
        CacheStatus {
            name: masker.text(&self.covered.cache.name),
            state: self.state,
            soft: Some(self.limits.soft),
            hard: Some(self.limits.hard),
            last_success: self.newest.map(|(at, _)| at),
            age: self.newest.map(|(at, _)| since(at, look.now)),
            jobs: keepers.iter().map(|keeper| masker.text(&keeper.job)).collect(),
            notes: notes.iter().map(|note| masker.text(note)).collect(),
        }
    }
}

/// How long ago; two clocks that are a second apart make no future.
fn since(then: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(then).max(SignedDuration::ZERO)
}

/// The TTLs in a job's own metadata.
fn own_limits(job: &Job, notes: &mut Vec<String>) -> Option<Limits> {
    let own = cache::own_ttl(job, |_, bad| match bad {
        BadTtl::NoDuration(words) => notes.push(words),
        BadTtl::NotPositive => {}
    });
    own.map(Limits::of)
}

/// The first line that says something, fit to be shown. Masked before it is cut: half a secret would not be found any more.
fn first_line(output: &str, masker: &Masker) -> Option<String> {
    let shown = masker.output(output);
    let line = shown.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = printable(line);
    match line.char_indices().nth(OUTPUT_WIDTH) {
        Some((end, _)) => Some(format!("{}…", &line[..end])),
        None => Some(line.into_owned()),
    }
}

fn masked(next: Next, masker: &Masker) -> Next {
    match next {
        Next::Parent { parent } => Next::Parent { parent: masker.text(&parent) },
        other => other,
    }
}

/// Gives two jobs whose names look the same once they are masked names that differ: metrics must.
fn apart<'n>(names: impl Iterator<Item = &'n mut String>) {
    let mut taken = BTreeSet::new();
    for name in names {
        let mut number = 2;
        let mut other = name.clone();
        while !taken.insert(other.clone()) {
            other = format!("{name} ({number})");
            number += 1;
        }
        *name = other;
    }
}
