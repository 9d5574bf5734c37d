//! What happens step by step when jobs are brought back from a backup, and when a release takes leave.

use std::collections::BTreeSet;

use dkron_jobs::job::{Desired, Job, JobMap, Live, Origin, Scope, Wanted};
use dkron_jobs::plan::{Policy, is_empty};

use crate::model::{Dkron, default_policy, desired};
use crate::sequences::{JobExt, SHOP, Steps, Story, refresh};

const OTHER: &str = "shop/other";

/// Each sequence by the name of its text.
pub(crate) const RECOVERIES: [(&str, Steps); 7] = [
    ("a_disaster", disaster),
    ("a_disaster_twice_cut_short", cut_short),
    ("a_disaster_with_families", families),
    ("brought_back_though_not_empty", missing),
    ("what_no_backup_may_keep_from_being_released", impossible),
    ("restored_by_hand", by_hand),
    ("a_release_takes_leave", destroy),
];

/// What a backup of this Dkron holds.
fn saved(live: &Live) -> Desired {
    let wanted = |(line, live): (usize, &dkron_jobs::job::LiveJob)| Wanted {
        job: live.job.clone(),
        secret_fields: BTreeSet::new(),
        origin: Origin { file: "backup.ndjson".into(), line },
    };
    let jobs: Desired = (1..).zip(live.jobs.values()).map(wanted).collect();
    Desired { restored: jobs.jobs, scope: Scope::Part, ..Desired::default() }
}

impl Story {
    /// The hook's `apply --restore when-empty`.
    fn release(&mut self, what: &str, backup: &Desired, jobs: &[Job]) {
        let owner = default_policy(SHOP).owner;
        let empty = is_empty(&self.dkron.live, &backup.restored, &owner);
        let restored = if empty { backup.restored.clone() } else { JobMap::new() };
        let what = format!("{what}; Dkron counts as {}", if empty { "empty" } else { "not empty" });
        self.plan(&what, &default_policy(SHOP), &Desired { restored, ..desired(jobs.iter().cloned()) });
    }
}

fn installed(story: &mut Story, jobs: &[Job]) {
    story.apply("install", SHOP, jobs);
    story.apply("another release's", OTHER, &[refresh("users")]);
    story.hand("a job made in the UI", |dkron| dkron.put(&refresh("by-hand")).expect("it has no parent"));
}

fn lost(dkron: &mut Dkron) {
    dkron.live = Live::default();
}

fn disaster(story: &mut Story) {
    let jobs = [refresh("prices"), refresh("stock"), refresh("old")];
    installed(story, &jobs);
    story.hand("an operator switches one off, another one is edited", |dkron| {
        dkron.job("refresh-prices").disabled = true;
        dkron.job("refresh-stock").retries = 9;
    });
    let backup = saved(&story.dkron.live);
    story.hand("everything is lost", lost);
    let jobs = [refresh("prices").every(10), refresh("stock"), refresh("new")];
    story.release("the hook runs again: one changed, one edited, one gone from the templates, one new", &backup, &jobs);
    story.release("again", &backup, &jobs);
}

fn cut_short(story: &mut Story) {
    let jobs = [refresh("prices"), refresh("stock")];
    installed(story, &jobs);
    story.hand("and a second one", |dkron| dkron.put(&refresh("by-hand-too")).expect("it has no parent"));
    let backup = saved(&story.dkron.live);
    story.hand("everything is lost, and the next run will be cut short", |dkron| {
        lost(dkron);
        dkron.failing = ["refresh-by-hand-too", "refresh-prices", "refresh-stock"].map(str::to_owned).into();
    });
    story.release("cut short: one of those that are not ours is back", &backup, &jobs);
    story.hand("it works again", |dkron| dkron.failing.clear());
    story.release("it goes on", &backup, &jobs);
    story.release("again", &backup, &jobs);
}

fn families(story: &mut Story) {
    let jobs = [refresh("prices"), refresh("stock").child_of("refresh-prices"), refresh("users")];
    story.apply("install", SHOP, &jobs);
    story.hand("a child by hand of a parent of ours, and a child of it", |dkron| {
        let child = refresh("a-child").child_of("refresh-stock");
        dkron.put(&child).expect("its parent is there");
        dkron.put(&refresh("a-grandchild").child_of("refresh-a-child")).expect("its parent is there");
        dkron.put(&refresh("alone")).expect("it has no parent");
    });
    let backup = saved(&story.dkron.live);
    story.hand("everything is lost, and the next run will be cut short", |dkron| {
        lost(dkron);
        dkron.failing = ["refresh-a-child", "refresh-users"].map(str::to_owned).into();
    });
    story.release("cut short: what the children need is there", &backup, &jobs);
    story.hand("it works again", |dkron| dkron.failing.clear());
    story.release(
        "it goes on, and no template wants the parents any more: they stay for the children",
        &backup,
        &jobs[2..],
    );
    story.release("again", &backup, &jobs[2..]);
    story.hand("everything is lost once more", lost);
    story.release("the parents come back for the children", &backup, &jobs[2..]);
    story.release("and again", &backup, &jobs[2..]);
}

fn missing(story: &mut Story) {
    let jobs = [refresh("prices"), refresh("stock")];
    installed(story, &jobs);
    let backup = saved(&story.dkron.live);
    story.hand("two are deleted in the UI", |dkron| {
        dkron.delete("refresh-by-hand").expect("it has no children");
        dkron.delete("refresh-prices").expect("it has no children");
    });
    story.release("when-empty: only ours comes back", &backup, &jobs);
    let all = Desired { restored: backup.restored.clone(), ..desired(jobs.iter().cloned()) };
    story.plan("missing: the other one too", &default_policy(SHOP), &all);
    story.plan("again", &default_policy(SHOP), &all);
}

fn impossible(story: &mut Story) {
    let mut before = Dkron::default();
    for job in [refresh("orphan"), refresh("below"), refresh("round"), refresh("about"), refresh("fine")] {
        before.put(&job).expect("it has no parent");
    }
    before.job("refresh-orphan").parent_job = "no-such-job".into();
    before.job("refresh-below").parent_job = "refresh-orphan".into();
    before.job("refresh-round").parent_job = "refresh-about".into();
    before.job("refresh-about").parent_job = "refresh-round".into();
    let backup = saved(&before.live);
    story.plan("restore refuses what cannot be written", &default_policy(SHOP), &backup);
    let jobs = [refresh("prices")];
    story.release("a release goes on without it", &backup, &jobs);
    story.release("again", &backup, &jobs);
}

fn by_hand(story: &mut Story) {
    let jobs = [refresh("prices"), refresh("stock").child_of("refresh-prices")];
    installed(story, &jobs);
    let backup = saved(&story.dkron.live);
    let changed = Desired { overwrite: true, ..backup.clone() };
    story.hand("one is deleted, two are edited, one more is made, all in the UI", |dkron| {
        dkron.delete("refresh-stock").expect("it has no children");
        dkron.job("refresh-prices").disabled = true;
        dkron.job("refresh-by-hand").retries = 2;
        dkron.put(&refresh("more")).expect("it has no parent");
    });
    story.plan("restore: what is missing", &default_policy(SHOP), &backup);
    story.plan("again", &default_policy(SHOP), &backup);
    story.plan("restore --mode changed", &default_policy(SHOP), &changed);
    story.hand("a stamp is taken away, and another release takes a job over", |dkron| {
        dkron.job("refresh-prices").stamp = None;
        let mut stock = dkron.job("refresh-stock");
        *stock = stock.stamped(&default_policy(OTHER).owner, false);
        stock.retries = 5;
    });
    story.plan("restore --mode changed: not over another's", &default_policy(SHOP), &changed);
    let policy = Policy { take_ownership: dkron_jobs::plan::TakeOwnership::Any, ..default_policy(SHOP) };
    story.plan("restore --mode changed --take-ownership", &policy, &changed);
    story.plan("again", &default_policy(SHOP), &changed);
}

fn destroy(story: &mut Story) {
    let jobs = [
        refresh("prices"),
        refresh("stock").child_of("refresh-prices"),
        refresh("users").with(|job| drop(job.metadata.insert("dkron-jobs.prune".to_owned(), "false".to_owned()))),
        refresh("parent"),
    ];
    story.apply("install", SHOP, &jobs);
    story.apply("another release's", OTHER, &[refresh("items")]);
    story.hand("a job made in the UI, and a child of ours", |dkron| {
        dkron.put(&refresh("by-hand")).expect("it has no parent");
        dkron.put(&refresh("child").child_of("refresh-parent")).expect("its parent is there");
    });
    let nothing = Desired { scope: Scope::Nothing, ..Desired::default() };
    story.plan("destroy", &default_policy(SHOP), &nothing);
    story.plan("again", &default_policy(SHOP), &nothing);
}
