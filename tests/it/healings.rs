//! Sequences of healing, told as texts like those of [`crate::sequences`], and the law that a run may be killed anywhere in it.

use dkron_jobs::job::{Job, Live, Mismatch, Stuck};
use dkron_jobs::plan::{Drift, Policy, plan};
use jiff::Timestamp;

use crate::model::{Dkron, WaveOrder, default_policy, desired};
use crate::sequences::{JobExt, SHOP, Steps, Story, refresh};

/// Each sequence by the name of its text.
pub(crate) const HEALINGS: [(&str, Steps); 7] = [
    ("healed", healed),
    ("healed_with_children", with_children),
    ("not_healed_with_a_child_that_is_not_ours", foreign_child),
    ("healed_and_changed", changed),
    ("not_scheduled_any_more", unscheduled),
    ("stuck_and_not_ours", not_ours),
    ("healing_cut_short", cut_short),
];

fn at(minute: u32) -> Timestamp {
    format!("2026-03-04T11:{minute:02}:00Z").parse().expect("an instant")
}

fn sticks(dkron: &mut Dkron, cache: &str) {
    dkron.live.stuck.insert(format!("refresh-{cache}").into(), Stuck { since: at(5), began: at(0) });
}

fn late_no_more(dkron: &mut Dkron, name: &str) {
    dkron.live.stuck.remove(name);
}

fn forbid(cache: &str) -> Job {
    refresh(cache).with(|job| job.concurrency = "forbid".into())
}

fn under(edit: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = default_policy(SHOP);
    edit(&mut policy);
    policy
}

fn healed(story: &mut Story) {
    let jobs = [forbid("prices"), forbid("stock")];
    story.apply("install", SHOP, &jobs);
    story.hand("Dkron dies in mid-run of both", |dkron| {
        sticks(dkron, "prices");
        sticks(dkron, "stock");
    });
    story.plan("healing is off", &under(|policy| policy.heal_stuck = false), &desired(jobs.clone()));
    story.hand("an operator switches one off", |dkron| dkron.job("refresh-stock").disabled = true);
    story.hand("and Dkron calls it late no more", |dkron| late_no_more(dkron, "refresh-stock"));
    story.apply("healing is on", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
}

/// A stuck parent with children of its own, of each kind.
fn family() -> [Job; 4] {
    let check = refresh("check").child_of("refresh-prices");
    let mail = refresh("mail").child_of("refresh-prices").with(|job| job.schedule = "@every 1h".into());
    [forbid("prices"), check, mail, refresh("deep").child_of("refresh-check")]
}

fn with_children(story: &mut Story) {
    let [prices, check, mail, deep] = family();
    story.apply("install", SHOP, &[prices.clone(), check.clone(), mail.clone(), deep.clone()]);
    story.hand("Dkron dies in mid-run", |dkron| sticks(dkron, "prices"));
    let jobs = [prices, check.with(|job| job.retries = 2), refresh("mail"), refresh("new").child_of("refresh-prices")];
    story.apply("one child changes, one leaves, one is new, and a grandchild goes", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
    story.hand("Dkron dies again", |dkron| sticks(dkron, "prices"));
    story.apply("all children go", SHOP, &[jobs[0].clone(), jobs[2].clone()]);
    story.apply("again", SHOP, &[jobs[0].clone(), jobs[2].clone()]);
}

fn foreign_child(story: &mut Story) {
    let jobs = [forbid("prices"), refresh("check").child_of("refresh-prices")];
    story.apply("install", SHOP, &jobs);
    story.hand("somebody hangs a job below it, and Dkron dies in mid-run", |dkron| {
        dkron.put(&refresh("by-hand").child_of("refresh-prices")).expect("its parent is there");
        sticks(dkron, "prices");
    });
    story.apply("it is only told", SHOP, &jobs);
    let allow = [refresh("prices"), jobs[1].clone()];
    story.apply("a template that says `allow` needs no delete", SHOP, &allow);
    story.apply("again", SHOP, &allow);
}

fn changed(story: &mut Story) {
    let jobs = [forbid("prices"), forbid("stock"), forbid("users"), forbid("old")];
    story.apply("install", SHOP, &jobs);
    story.hand("somebody edits one, and Dkron dies in mid-run of all", |dkron| {
        dkron.job("refresh-stock").retries = 3;
        for cache in ["prices", "stock", "users", "old"] {
            sticks(dkron, cache);
        }
    });
    let jobs = [forbid("prices").every(10), forbid("stock"), forbid("users").with(|job| job.disabled = true)];
    let keep = under(|policy| (policy.drift, policy.prune) = (Drift::Keep, false));
    story.plan("one changed, one edited, one switched off, one not wanted", &keep, &desired(jobs.clone()));
    story.hand("what is switched off is late no more", |dkron| late_no_more(dkron, "refresh-users"));
    story.apply("the edit is put back, the unwanted one goes", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
}

fn unscheduled(story: &mut Story) {
    let jobs = ["prices", "stock", "users", "tariffs", "old"].map(refresh);
    story.apply("install", SHOP, &jobs);
    story.hand("one is edited, one switched off; all were written before the scheduler ran", |dkron| {
        dkron.job("refresh-stock").retries = 3;
        dkron.job("refresh-users").disabled = true;
        dkron.put(&refresh("by-hand")).expect("it has no parent");
        for (cache, mismatch) in [
            ("prices", Mismatch::NotScheduled),
            ("stock", Mismatch::ScheduledDifferently),
            ("users", Mismatch::StillScheduled),
            ("tariffs", Mismatch::NotScheduled),
            ("old", Mismatch::NotScheduled),
            ("by-hand", Mismatch::NotScheduled),
        ] {
            dkron.live.mismatched.insert(format!("refresh-{cache}").into(), mismatch);
        }
    });
    let jobs = [refresh("prices"), refresh("stock"), refresh("users"), refresh("tariffs").every(10)];
    let keep = |policy: &mut Policy| (policy.drift, policy.prune) = (Drift::Keep, false);
    let off = under(|policy| (policy.heal_stuck, policy.prune) = (false, false));
    story.plan("healing is off", &off, &desired(jobs.clone()));
    story.plan("what is stored is posted again", &under(keep), &desired(jobs.clone()));
    story.apply("the edit is put back, the unwanted one goes", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
}

fn not_ours(story: &mut Story) {
    story.apply("another release installs", "shop/other", &[forbid("theirs"), forbid("same")]);
    story.hand("some are made by hand, and Dkron dies in mid-run of all", |dkron| {
        for cache in ["by-hand", "mine"] {
            dkron.put(&forbid(cache)).expect("it has no parent");
        }
        for cache in ["theirs", "same", "by-hand", "mine"] {
            sticks(dkron, cache);
        }
    });
    let jobs = [forbid("mine"), forbid("same")];
    story.apply("one is adopted, and ours from now on", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
}

fn cut_short(story: &mut Story) {
    let [prices, check, mail, deep] = family();
    let jobs = [prices, check, mail, deep];
    story.apply("install", SHOP, &jobs);
    story.hand(
        "somebody edits a child, Dkron dies in mid-run, and the run that heals is killed after two writes",
        |dkron| {
            dkron.job("refresh-mail").retries = 5;
            sticks(dkron, "prices");
            dkron.killed_after = Some(2);
        },
    );
    let keep = under(|policy| (policy.drift, policy.prune) = (Drift::Keep, false));
    story.plan("killed", &keep, &desired(jobs[..2].iter().chain(&jobs[3..]).cloned()));
    story.hand("the parent is looked at later", |dkron| dkron.killed_after = None);
    story.plan("the next run", &keep, &desired(jobs[..2].iter().chain(&jobs[3..]).cloned()));
    story.plan("again", &keep, &desired(jobs[..2].iter().chain(&jobs[3..]).cloned()));
}

/// Whatever the policy, and wherever a run that heals is killed: the next one leaves Dkron as a whole one would have.
#[test]
fn killed_anywhere_the_next_run_ends_it() {
    let jobs = family();
    let wanted = desired(jobs[..3].iter().cloned());
    let whole = |dkron: &mut Dkron, policy: &Policy| {
        let plan = plan(&wanted, &dkron.live, policy).expect("nothing stands in its way");
        drop(dkron.carry_out(&plan, WaveOrder::Forwards));
    };
    for drift in [Drift::Keep, Drift::Revert] {
        let policy = under(|policy| (policy.drift, policy.prune) = (drift, false));
        let mut before = Dkron::default();
        let install = plan(&desired(jobs.clone()), &before.live, &policy).expect("an install");
        drop(before.carry_out(&install, WaveOrder::Forwards));
        before.job("refresh-mail").retries = 5;
        sticks(&mut before, "prices");
        let mut healed = before.clone();
        whole(&mut healed, &policy);
        assert_eq!(healed.live.stuck, Live::default().stuck);
        // Two children aside, the parent gone and back, the children back; `revert` has the edit to put back before.
        let mut seen = 0;
        for writes in 0..8 {
            let mut dkron = before.clone();
            dkron.killed_after = Some(writes);
            whole(&mut dkron, &policy);
            seen += usize::from(dkron.live != before.live && dkron.live != healed.live);
            dkron.killed_after = None;
            whole(&mut dkron, &policy);
            assert_eq!(dkron.live, healed.live, "killed after {writes} writes, {drift:?}");
            let again = plan(&wanted, &dkron.live, &policy).expect("nothing stands in its way");
            assert!(again.writes.is_empty() && again.deletes.is_empty(), "{again:?}");
        }
        assert!(seen >= 4, "only {seen} kills left something half done");
    }
}
