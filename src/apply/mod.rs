//! Carries a plan out and proves it. Decides nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it writes to Dkron and waits before it looks again"
)]

mod heal;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use crate::dkron::{Phase, Proof, Session, WaitError, Written};
use crate::job::{Job, Live, Mismatch};
use crate::plan::{Ailment, Change, Heal, Item, Plan, named};
use crate::report::Outcome;
use crate::shutdown::{Shutdown, Signal};
use crate::words::counted;

/// How long after a write a run in flight may still put the old definition back (FACTS 16b, 16c).
const IN_FLIGHT: Duration = Duration::from_millis(1500);
/// How often what does not stand is written again.
const ROUNDS: usize = 3;
/// How long a difference between the store and the scheduler must last to count: it may be a write that is under way.
const LASTS: Duration = Duration::from_secs(1);
/// The fields that the scheduler keeps as it read them, and that its entries do not show (FACTS 37, 37c).
const UNSEEN: [&str; 5] = ["timezone", "starts_at", "expires_at", "concurrency", "parent_job"];
/// What a job is whose scheduling is not known.
const NOT_PROVEN: &str = "stored, not proven to be scheduled";

/// What came of carrying a plan out.
#[derive(Debug)]
pub struct Applied {
    /// One for each item of the plan, in its order.
    pub outcomes: Vec<Outcome>,
    /// What is to be said about the run as a whole.
    pub warnings: Vec<String>,
    /// Why the writes could not be proven, if they could not.
    pub unproven: Option<WaitError>,
    /// The signal that ended it early, if one did.
    pub stopped: Option<Signal>,
}

/// Writes what the plan says, at most `concurrency` at a time, then looks until it stands. `progress` is told of each write that
/// is done with.
pub async fn apply(
    plan: &Plan,
    session: &Session<'_>,
    concurrency: usize,
    shutdown: &Shutdown,
    progress: &dyn Fn(),
) -> Applied {
    let untried = |item: &Item| match item.change {
        Change::Keep { .. } => Outcome::Unchanged,
        // What still says so at the end was never reached.
        Change::Create { .. } | Change::Update { .. } | Change::Delete => {
            Outcome::Skipped("not done: Dkron could not be read to prove the writes before it".to_owned())
        }
    };
    let run = Run {
        plan,
        session,
        concurrency,
        shutdown,
        progress,
        outcomes: RefCell::new(plan.items.iter().map(untried).collect()),
        orphans: RefCell::new(BTreeSet::new()),
        renewed: RefCell::new(BTreeSet::new()),
        written_in: RefCell::new(BTreeMap::new()),
        lingering: RefCell::new(BTreeSet::new()),
    };
    let mut warnings = Vec::new();
    let unproven = run.all(&mut warnings).await.err();
    let mut outcomes = run.outcomes.into_inner();
    if let Some(error) = &unproven {
        // Accepted is not proven (FACTS 16): say so for each.
        let why = match error {
            WaitError::TimedOut { phase: Phase::Scheduler, .. } => NOT_PROVEN,
            _ => "accepted, but Dkron could not be read afterwards to prove it",
        };
        for outcome in outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Done) {
            *outcome = Outcome::Failed(why.to_owned());
        }
    }
    Applied { outcomes, warnings, unproven, stopped: shutdown.signal() }
}

struct Run<'a> {
    plan: &'a Plan,
    session: &'a Session<'a>,
    concurrency: usize,
    shutdown: &'a Shutdown,
    progress: &'a dyn Fn(),
    outcomes: RefCell<Vec<Outcome>>,
    /// Refused for want of a parent that this run had written: it was swallowed (FACTS 16), and both are written again.
    orphans: RefCell<BTreeSet<usize>>,
    /// Deleted to be created again: that is not done twice.
    renewed: RefCell<BTreeSet<usize>>,
    /// The epoch of the session in which each item was last sent; taken out once it is proven to be scheduled.
    written_in: RefCell<BTreeMap<usize, u64>>,
    /// Switched off, and the scheduler still shows them.
    lingering: RefCell<BTreeSet<usize>>,
}

/// Why an accepted write is made again.
enum Wrong {
    /// Dkron does not store it so.
    Stored,
    /// The scheduler has it otherwise than it is stored, for a while already.
    Scheduled(Mismatch),
    /// It was written while the scheduler was perhaps not running, and changed what the scheduler's entries do not show.
    Unsure,
}

impl Run<'_> {
    async fn all(&self, warnings: &mut Vec<String>) -> Result<(), WaitError> {
        for wave in &self.plan.writes {
            self.write(wave).await;
        }
        let deletes = !self.plan.deletes.is_empty();
        if deletes {
            // Only what was seen is there: deleting the old name of a job whose new one was swallowed would lose both.
            self.prove(&self.plan.writes, Look::Once, warnings).await?;
            let stands = |index: &usize| self.outcomes.borrow()[*index] == Outcome::Done;
            let failed = !self.plan.writes.iter().flatten().all(stands);
            for wave in &self.plan.deletes {
                // After a signal each delete says so itself.
                if failed && !self.shutdown.is_stopping() {
                    self.skip(wave, "nothing is deleted after a failed write");
                } else {
                    self.write(wave).await;
                }
            }
        }
        let all: Vec<_> = self.plan.writes.iter().chain(&self.plan.deletes).cloned().collect();
        self.prove(&all, Look::AgainLater, warnings).await
    }

    /// Writes the items of one wave, several at a time.
    async fn write(&self, wave: &[usize]) {
        stream::iter(wave.iter().copied()).for_each_concurrent(self.concurrency, |index| self.write_one(index)).await;
    }

    async fn write_one(&self, index: usize) {
        let item = &self.plan.items[index];
        let outcome = if let Some(signal) = self.shutdown.signal() {
            Outcome::Skipped(format!("not done: stopped by {}", signal.name()))
        } else if let Some(parent) = self.failed_parent(item) {
            Outcome::Skipped(format!("not done: its parent `{parent}` could not be written"))
        } else {
            self.send(index, item).await
        };
        self.outcomes.borrow_mut()[index] = outcome;
        (self.progress)();
    }

    async fn send(&self, index: usize, item: &Item) -> Outcome {
        self.orphans.borrow_mut().remove(&index);
        self.written_in.borrow_mut().insert(index, self.session.epoch());
        let written = match &item.change {
            Change::Create { to } | Change::Update { to, heal: Some(Heal::Post) | None, .. } => {
                self.put(index, to).await
            }
            Change::Update { from, to, heal: Some(Heal::Forget) } => {
                self.forget(index, to, item.reschedules() || from != to).await
            }
            Change::Update { to, heal: Some(Heal::Anew { children }), .. } => {
                return self.renew(index, to, children).await;
            }
            Change::Delete => self.session.delete(&item.name).await,
            Change::Keep { .. } => return Outcome::Unchanged,
        };
        match written {
            Written::Accepted => Outcome::Done,
            Written::Refused(why) => Outcome::Failed(why),
            Written::NoParent(why) => {
                self.orphans.borrow_mut().insert(index);
                Outcome::Failed(why)
            }
            written @ Written::NotDone(_) => Outcome::Skipped(heal::words(written)),
            written @ Written::Stopped => Outcome::Failed(heal::words(written)),
        }
    }

    /// Posts a job. One that is switched off and that the scheduler still shows is posted as `@manually` before: a run that began while it
    /// was switched off leaves its entry behind, and Dkron takes an entry away only where it finds the job scheduled.
    async fn put(&self, index: usize, job: &Job) -> Written {
        let lingers = self.plan.items[index].ailment() == Some(Ailment::Mismatched(Mismatch::StillScheduled));
        if (lingers || self.lingering.borrow().contains(&index)) && job.disabled {
            let written = self.session.put(&job.parked().with_disabled(false)).await;
            if written != Written::Accepted {
                return written;
            }
        }
        self.session.put(job).await
    }

    fn failed_parent<'i>(&self, item: &'i Item) -> Option<&'i str> {
        let (name, index) = self.parent(item)?;
        // One that is deleted and created again is there, and comes after its children.
        if self.plan.items[index].set_aside().is_some() {
            return None;
        }
        matches!(self.outcomes.borrow()[index], Outcome::Failed(_) | Outcome::Skipped(_)).then_some(name)
    }

    /// The parent that an item is to have, where the plan has something to say about it.
    fn parent<'i>(&self, item: &'i Item) -> Option<(&'i str, usize)> {
        let parent = item.definition()?.parent()?;
        Some((parent, self.plan.position(parent)?))
    }

    /// Whether an item must be seen in Dkron now: it was accepted, or its accepted parent was swallowed.
    fn is_due(&self, index: usize) -> bool {
        let done = |index: usize| self.outcomes.borrow()[index] == Outcome::Done;
        let orphan = |index: usize| {
            self.orphans.borrow().contains(&index)
                && self.parent(&self.plan.items[index]).is_some_and(|(_, parent)| done(parent))
        };
        done(index) || orphan(index)
    }

    fn skip(&self, wave: &[usize], why: &str) {
        for &index in wave {
            self.outcomes.borrow_mut()[index] = Outcome::Skipped(format!("not done: {why}"));
            (self.progress)();
        }
    }

    /// Whether Dkron holds what this item wanted, and the children that were set aside for it.
    fn stands(&self, index: usize, live: &Live) -> bool {
        let item = &self.plan.items[index];
        stands(item, live) && self.astray(item, live).is_none()
    }

    /// A child that was set aside and is not as it was. One that goes is gone by now, or not yet.
    fn astray<'i>(&self, item: &'i Item, live: &Live) -> Option<&'i Job> {
        let goes = |name: &str| self.plan.item(name).is_some_and(|item| item.change == Change::Delete);
        let is_back = |child: &Job| live.jobs.get(&child.name).map_or(child.ephemeral, |live| live.job == *child);
        item.set_aside()?.iter().find(|child| !is_back(child) && !goes(&child.name))
    }

    /// What Dkron holds in place of what it accepted again and again.
    fn unproven(&self, index: usize, why: &Wrong, rounds: usize, proof: &Proof) -> String {
        let item = &self.plan.items[index];
        let again = match (rounds, item.runs_on_post()) {
            (_, true) => "; posting it again would run it again".to_owned(),
            (0, false) => String::new(),
            (rounds, false) => format!(", {rounds} more times too"),
        };
        let found = proof.live.jobs.get(&item.name).map(|live| &live.job);
        let what = match (why, item.definition(), found) {
            (Wrong::Scheduled(mismatch), ..) => {
                return format!(
                    "Dkron accepted it{again}, and its leader `{}` does not run it so: {mismatch}",
                    proof.leader
                );
            }
            (Wrong::Unsure, ..) => {
                return format!(
                    "Dkron accepted it{again}, and each time its leader, now `{}`, had changed or restarted meanwhile: {NOT_PROVEN}",
                    proof.leader
                );
            }
            (Wrong::Stored, None, _) => "it is still there".to_owned(),
            (Wrong::Stored, Some(_), None) => "it is not there".to_owned(),
            (Wrong::Stored, Some(job), Some(live_job)) => {
                match self.astray(item, &proof.live).filter(|_| live_job == job) {
                    Some(child) => format!("its child `{}`, set aside meanwhile, is not as it was", child.name),
                    None => format!("it differs in {}", differences(live_job, job)),
                }
            }
        };
        format!("Dkron accepted it{again}, and does not hold it so: {what}")
    }

    /// What is wrong with an item that must be seen in Dkron now, if something is. `before` are the differences that were seen at least
    /// [`LASTS`] ago, `None` where each counts; one that is new is noted in `suspects`.
    fn wrong(
        &self,
        index: usize,
        proof: &Proof,
        look: Look,
        before: Option<&BTreeSet<usize>>,
        suspects: &mut BTreeSet<usize>,
    ) -> Option<Wrong> {
        let item = &self.plan.items[index];
        if !self.stands(index, &proof.live) {
            return Some(Wrong::Stored);
        }
        if look == Look::Once || item.change == Change::Delete {
            return None;
        }
        if let Some(mismatch) = proof.mismatched.as_ref().and_then(|mismatched| mismatched.get(&item.name)) {
            if before.is_none_or(|before| before.contains(&index)) {
                return Some(Wrong::Scheduled(*mismatch));
            }
            suspects.insert(index);
            return None;
        }
        if !self.is_sure(index, proof.epoch) && (proof.mismatched.is_none() || changes_unseen(item)) {
            return Some(Wrong::Unsure);
        }
        self.written_in.borrow_mut().remove(&index);
        None
    }

    /// Looks whether everything done stands and is scheduled, and writes again what is not.
    async fn prove(&self, waves: &[Vec<usize>], look: Look, warnings: &mut Vec<String>) -> Result<(), WaitError> {
        let due = |index: &usize| self.is_due(*index);
        let risky = |index: &usize| {
            look == Look::AgainLater && !matches!(self.plan.items[*index].change, Change::Create { .. })
        };
        if !waves.iter().flatten().any(due) {
            // Nothing to look for, and where Dkron was given up on the way, that is how the run ends.
            return self.session.given_up().map_or(Ok(()), Err);
        }
        let mut look_again = waves.iter().flatten().any(|index| due(index) && risky(index));
        let begun = Instant::now();
        let mut written = begun;
        let mut rounds = 0;
        let mut suspects = BTreeSet::new();
        loop {
            let proof = tokio::select! {
                biased;
                signal = self.shutdown.stopping() => {
                    self.after_signal(waves.iter().flatten().copied().filter(due).collect()).await;
                    warnings
                        .push(format!("stopped by {} before Dkron was read again to prove the writes", signal.name()));
                    return Ok(());
                }
                proof = self.session.prove() => proof?,
            };
            if look == Look::AgainLater
                && let Some(problem) = &proof.problem
                && !warnings.contains(problem)
            {
                warnings.push(problem.clone());
            }
            let is_final = rounds == ROUNDS || begun.elapsed() > self.session.wait_timeout();
            let before = Some(std::mem::take(&mut suspects)).filter(|_| !is_final);
            let mut wrong: Vec<Vec<(usize, Wrong)>> = Vec::new();
            for wave in waves {
                let look_at = |index| Some((index, self.wrong(index, &proof, look, before.as_ref(), &mut suspects)?));
                wrong.push(wave.iter().copied().filter(due).filter_map(look_at).collect());
            }
            // Posting a job with `@after` again would run it again (FACTS 41).
            for wave in &mut wrong {
                for (index, why) in wave.extract_if(.., |(index, _)| is_final || self.plan.items[*index].runs_on_post())
                {
                    self.outcomes.borrow_mut()[index] = Outcome::Failed(self.unproven(index, &why, rounds, &proof));
                }
            }
            wrong.retain(|wave| !wave.is_empty());
            let mut later = if suspects.is_empty() { Instant::now() } else { proof.seen + LASTS };
            if wrong.is_empty() {
                if suspects.is_empty() && !look_again {
                    return Ok(());
                }
                if look_again {
                    later = later.max(written + IN_FLIGHT);
                    look_again = false;
                }
                self.pause(later).await;
                continue;
            }
            rounds += 1;
            warnings.extend(self.rewritten(&wrong));
            let lingers = |(index, why): &(usize, Wrong)| {
                matches!(why, Wrong::Scheduled(Mismatch::StillScheduled)).then_some(*index)
            };
            self.lingering.borrow_mut().extend(wrong.iter().flatten().filter_map(lingers));
            for wave in &wrong {
                self.write(&wave.iter().map(|(index, _)| *index).collect::<Vec<_>>()).await;
            }
            look_again |= wrong.iter().flatten().any(|(index, _)| risky(index));
            written = Instant::now();
            self.pause(later).await;
        }
    }

    /// Waits before the next look, unless a signal says stop.
    async fn pause(&self, until: Instant) {
        tokio::select! {
            () = sleep_until(until) => {}
            _ = self.shutdown.stopping() => {}
        }
    }

    /// Says which accepted writes are made again, and why.
    fn rewritten(&self, wrong: &[Vec<(usize, Wrong)>]) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut add = |of: fn(&Wrong) -> bool, what: &str, how: &str| {
            let names: Vec<_> = (wrong.iter().flatten().filter(|(_, why)| of(why)))
                .map(|(index, _)| self.plan.items[*index].name.to_string())
                .collect();
            if names.is_empty() {
                return;
            }
            info!(jobs = ?names, "{what}; writing again");
            warnings.push(format!("{} {how} ({}); written again", counted(names.len(), "write"), named(&names)));
        };
        add(|why| matches!(why, Wrong::Stored), "accepted by Dkron but not there afterwards", "did not stand in Dkron");
        add(
            |why| matches!(why, Wrong::Scheduled(_)),
            "stored by Dkron but not scheduled so",
            "stored but not scheduled as written",
        );
        add(
            |why| matches!(why, Wrong::Unsure),
            "written while the scheduler was perhaps not running",
            "made while the scheduler was perhaps not running",
        );
        warnings
    }

    /// After a signal: what was written and cannot be seen to be scheduled with one request says so.
    async fn after_signal(&self, due: Vec<usize>) {
        let is_open = |index: &usize| {
            self.written_in.borrow().contains_key(index) && self.plan.items[*index].definition().is_some()
        };
        let open: Vec<usize> = due.into_iter().filter(is_open).collect();
        if open.is_empty() {
            return;
        }
        let jobs = open.iter().filter_map(|index| self.plan.items[*index].definition());
        let seen = self.session.mismatched_now(jobs).await;
        for index in open {
            let item = &self.plan.items[index];
            let is_proven = seen.as_ref().is_some_and(|(mismatched, goes_on)| {
                let sure = *goes_on && self.is_sure(index, self.session.epoch());
                !mismatched.contains_key(&item.name) && (sure || !changes_unseen(item))
            });
            if !is_proven {
                self.outcomes.borrow_mut()[index] = Outcome::Failed(NOT_PROVEN.to_owned());
            }
        }
    }

    /// Whether one and the same scheduler ran since an item was last sent.
    fn is_sure(&self, index: usize, epoch: u64) -> bool {
        self.written_in.borrow().get(&index).is_none_or(|sent| *sent == epoch)
    }
}

/// Whether an item changes what the scheduler's entries do not show.
fn changes_unseen(item: &Item) -> bool {
    item.changes().iter().any(|change| UNSEEN.contains(&&*change.field))
}

/// How often what stands is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Once: more will follow.
    Once,
    /// Once more when no run in flight can undo an update or delete any longer.
    AgainLater,
}

/// Whether Dkron holds what this item wanted.
fn stands(item: &Item, live: &Live) -> bool {
    let live = live.jobs.get(&item.name).map(|live| &live.job);
    match &item.change {
        // An ephemeral job is gone after its first success: its absence proves nothing either way.
        Change::Create { to } | Change::Update { to, .. } => live.map_or(to.ephemeral, |live| live == to),
        Change::Delete => live.is_none(),
        Change::Keep { .. } => true,
    }
}

fn differences(live: &Job, job: &Job) -> String {
    let fields: Vec<_> = live.diff(job).into_iter().map(|change| format!("`{}`", change.field)).collect();
    if fields.is_empty() { "its stamp".to_owned() } else { fields.join(", ") }
}
